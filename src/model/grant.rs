//! Grants: what lets somebody use a key without a role in the project that owns it.
//!
//! A grant opens exactly the operations that it lists, on one key, to one user or to all users of
//! one domain. Several grants to one principal add up. Grants only ever allow; nothing of them
//! reaches further than the key (threat model I-17).

use super::action::Action;
use super::caller::Caller;
use super::ids::{DomainId, GrantId, GrantName, KeyId, ProjectId, Region, UserId};
use super::time::Timestamp;

/// An id, and who vouches for it. Outside authorities choose the ids of their users, so an id
/// alone does not say whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched<T> {
    /// The id.
    pub id: T,
    /// The authority: empty for kmsd itself, else the name of an outside one.
    pub authority: String,
}

impl Vouched<UserId> {
    /// The caller's user.
    pub fn of(caller: &Caller) -> Self {
        Self {
            id: caller.user.clone(),
            authority: caller.authority().to_owned(),
        }
    }

    /// Whether it is the caller.
    pub fn is(&self, caller: &Caller) -> bool {
        self.id == caller.user && self.authority == caller.authority()
    }
}

/// To whom a key is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// One user, in whichever project their credential is for.
    User(Vouched<UserId>),
    /// Every user of a domain.
    Domain(Vouched<DomainId>),
}

impl Grantee {
    /// The kind as rows carry it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Grantee::User(_) => "user",
            Grantee::Domain(_) => "domain",
        }
    }

    /// The id of user or domain.
    pub fn id(&self) -> &str {
        match self {
            Grantee::User(user) => user.id.as_str(),
            Grantee::Domain(domain) => domain.id.as_str(),
        }
    }

    /// Who vouches for that id.
    pub fn authority(&self) -> &str {
        match self {
            Grantee::User(user) => &user.authority,
            Grantee::Domain(domain) => &domain.authority,
        }
    }

    /// Whether the caller is meant.
    pub fn is(&self, caller: &Caller) -> bool {
        match self {
            Grantee::User(user) => user.is(caller),
            Grantee::Domain(domain) => {
                domain.id == caller.domain && domain.authority == caller.authority()
            }
        }
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])+ $name:ident => $action:ident;)*) => {
        /// What a grant may open. One row each: the action on a key that it opens.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum GrantOperation {
            $($(#[$doc])+ $name,)*
        }

        impl GrantOperation {
            /// Every operation, in the order in which grants tell them.
            pub const ALL: [Self; [$(Self::$name),*].len()] = [$(Self::$name),*];

            /// The name in rows. Stored, so it never changes.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The action that it opens. Encrypting and decrypting are also what the two halves
            /// of encrypting anew need, each on its own key.
            pub const fn action(self) -> Action {
                match self {
                    $(Self::$name => Action::$action,)*
                }
            }
        }
    };
}

operations! {
    /// Make a data key, in the clear and wrapped.
    GenerateDataKey => GenerateDataKey;
    /// Make a data key, wrapped only.
    GenerateDataKeyWithoutPlaintext => GenerateDataKeyWithoutPlaintext;
    /// Wrap a data key.
    EncryptDataKey => EncryptDataKey;
    /// Unwrap a data key.
    DecryptDataKey => DecryptDataKey;
    /// Read about the key.
    DescribeKey => DescribeKey;
    /// Pass on what this very grant opens.
    CreateGrant => CreateGrant;
    /// Give this very grant up.
    RetireGrant => RetireGrant;
    /// Encrypt small data.
    Encrypt => Encrypt;
    /// Decrypt small data.
    Decrypt => Decrypt;
}

impl GrantOperation {
    /// Reads a name; `None` when there is no such operation.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }
}

/// A grant, as one row tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The project that owns the key.
    pub project: ProjectId,
    /// The key's region. In no other region does the grant open anything.
    pub region: Region,
    /// The key.
    pub key: KeyId,
    /// Its id, never used twice.
    pub id: GrantId,
    /// What people call it, if they do; need not be unique.
    pub name: Option<GrantName>,
    /// To whom the key is opened.
    pub grantee: Grantee,
    /// What for: in order, each once, never empty.
    pub operations: Vec<GrantOperation>,
    /// Who else may retire it.
    pub retirer: Option<Vouched<UserId>>,
    /// Who made it.
    pub issuer: Vouched<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Grant {
    /// Whether it lists an operation.
    pub fn lists(&self, operation: GrantOperation) -> bool {
        self.operations.contains(&operation)
    }

    /// Whether it concerns the caller at all: such a caller knows that the key exists.
    pub fn names(&self, caller: &Caller) -> bool {
        self.grantee.is(caller)
            || self.issuer.is(caller)
            || self.retirer.as_ref().is_some_and(|user| user.is(caller))
    }

    /// Whether it lets the caller do something with its key. Whoever made it, and whoever it names
    /// for that, may retire it (contract, section 4.6).
    pub fn opens(&self, caller: &Caller, action: Action) -> bool {
        let is_listed = |operation: &GrantOperation| operation.action() == action;
        if self.grantee.is(caller) && self.operations.iter().any(is_listed) {
            return true;
        }
        action == Action::RetireGrant
            && (self.issuer.is(caller) || self.retirer.as_ref().is_some_and(|user| user.is(caller)))
    }
}
