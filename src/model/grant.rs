//! Grants: what lets somebody use a key without a role in the project that owns it.
//!
//! A grant opens exactly the operations that it lists, on one key, to one user or to all users of
//! one domain. Several grants to one principal add up. Grants only ever allow; nothing of them
//! reaches further than the key (threat model I-17).

use std::collections::BTreeMap;

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

            /// The action that it is part of, or all of.
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
    /// Sign a message.
    Sign => Sign;
    /// Check a signature.
    Verify => Verify;
    /// Read the public half of the key.
    GetPublicKey => GetPublicKey;
    /// Make a key pair, its private half in the clear and wrapped.
    GenerateDataKeyPair => GenerateDataKeyPair;
    /// Make a key pair, its private half wrapped only.
    GenerateDataKeyPairWithoutPlaintext => GenerateDataKeyPair;
    /// Make a message authentication code.
    GenerateMac => GenerateMac;
    /// Check a message authentication code.
    VerifyMac => VerifyMac;
    /// Agree on a secret with a peer.
    DeriveSharedSecret => DeriveSharedSecret;
    /// Make a secret, in the clear and encapsulated.
    Encapsulate => Encapsulate;
    /// Get an encapsulated secret out again.
    Decapsulate => Decapsulate;
    /// Be the key that encrypting anew decrypts with.
    ReEncryptFrom => ReEncrypt;
    /// Be the key that encrypting anew encrypts with.
    ReEncryptTo => ReEncrypt;
}

impl GrantOperation {
    /// Whether it opens a part of a call. Encrypting and decrypting are also what the two halves of
    /// encrypting anew need, each on its own key.
    pub fn opens(self, part: Self) -> bool {
        self == part
            || matches!(
                (self, part),
                (Self::Decrypt, Self::ReEncryptFrom) | (Self::Encrypt, Self::ReEncryptTo)
            )
    }

    /// Whether an encryption context goes with it, so that constraints are asked about it.
    pub const fn is_bound(self) -> bool {
        matches!(
            self,
            Self::Encrypt
                | Self::Decrypt
                | Self::EncryptDataKey
                | Self::DecryptDataKey
                | Self::GenerateDataKey
                | Self::GenerateDataKeyWithoutPlaintext
                | Self::GenerateDataKeyPair
                | Self::GenerateDataKeyPairWithoutPlaintext
                | Self::ReEncryptFrom
                | Self::ReEncryptTo
        )
    }

    /// Reads a name; `None` when there is no such operation.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }
}

/// The pairs of an encryption context.
pub type Pairs = BTreeMap<String, String>;

/// Under which encryption contexts a grant opens its key. Each that is there must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    /// Under exactly these pairs.
    pub equals: Option<Pairs>,
    /// Under these pairs and whichever others.
    pub subset: Option<Pairs>,
}

impl Constraints {
    /// Whether they hold for an encryption context.
    pub fn allow(&self, pairs: &Pairs) -> bool {
        self.equals.as_ref().is_none_or(|exact| exact == pairs)
            && self
                .subset
                .as_ref()
                .is_none_or(|least| within(least, pairs))
    }

    /// Whether they hold only where others do.
    pub fn imply(&self, other: &Self) -> bool {
        let has = |least: &Pairs| {
            let holds = |pairs: &Option<Pairs>| pairs.as_ref().is_some_and(|it| within(least, it));
            holds(&self.equals) || holds(&self.subset)
        };
        other
            .equals
            .as_ref()
            .is_none_or(|exact| self.equals.as_ref() == Some(exact))
            && other.subset.as_ref().is_none_or(has)
    }
}

fn within(least: &Pairs, pairs: &Pairs) -> bool {
    least
        .iter()
        .all(|(name, value)| pairs.get(name) == Some(value))
}

/// What of a key a call needs, for a grant to open it.
#[derive(Clone, Copy, Debug)]
pub struct Need<'a> {
    /// The call.
    pub action: Action,
    /// Which part of it, when it has parts.
    pub part: Option<GrantOperation>,
    /// The encryption context.
    pub pairs: &'a Pairs,
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
    /// Under which encryption contexts; `None` for any.
    pub constraints: Option<Constraints>,
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
    pub fn opens(&self, caller: &Caller, need: Need<'_>) -> bool {
        let action = need.action;
        let allows = |operation: GrantOperation| {
            let constraints = self.constraints.as_ref();
            !operation.is_bound() || constraints.is_none_or(|them| them.allow(need.pairs))
        };
        let is_listed = |operation: &GrantOperation| {
            allows(*operation)
                && match need.part {
                    Some(part) => operation.opens(part),
                    None => operation.action() == action,
                }
        };
        if self.grantee.is(caller) && self.operations.iter().any(is_listed) {
            return true;
        }
        action == Action::RetireGrant
            && (self.issuer.is(caller) || self.retirer.as_ref().is_some_and(|user| user.is(caller)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Pairs {
        text.split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn equals(text: &str) -> Constraints {
        Constraints {
            equals: Some(pairs(text)),
            subset: None,
        }
    }

    fn subset(text: &str) -> Constraints {
        Constraints {
            equals: None,
            subset: Some(pairs(text)),
        }
    }

    #[test]
    fn constraints_hold_for_the_contexts_that_they_name() {
        for (constraints, context, holds) in [
            (equals("a=1 b=2"), "b=2 a=1", true),
            (equals("a=1"), "a=1 b=2", false),
            (equals("a=1"), "a=2", false),
            (equals("a=1"), "", false),
            (subset("a=1"), "b=2 a=1", true),
            (subset("a=1"), "A=1", false),
            (subset("a=1"), "", false),
        ] {
            assert_eq!(
                constraints.allow(&pairs(context)),
                holds,
                "{constraints:?} {context}"
            );
        }
    }

    #[test]
    fn what_is_passed_on_is_at_least_as_strict() {
        for (new, held, implies) in [
            (equals("a=1"), equals("a=1"), true),
            (equals("a=1 b=2"), equals("a=1"), false),
            (subset("a=1"), equals("a=1"), false),
            (equals("a=1 b=2"), subset("a=1"), true),
            (subset("a=1 b=2"), subset("a=1"), true),
            (subset("b=2"), subset("a=1"), false),
            (Constraints::default(), subset("a=1"), false),
            (subset("a=1"), Constraints::default(), true),
        ] {
            assert_eq!(new.imply(&held), implies, "{new:?} {held:?}");
        }
    }
}
