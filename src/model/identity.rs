//! Who there is: domains, their projects and users, and the keys that users sign with.

use super::ids::{AccessKeyId, AccountId, DisplayName, DomainId, Malformed, ProjectId, UserId};
use super::time::Timestamp;

/// A domain (Huawei's account): it owns projects and users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its id.
    pub id: DomainId,
    /// Its name, unique in the deployment.
    pub name: DisplayName,
    /// Who vouches for its users: empty for kmsd itself, else the name of an outside issuer. A
    /// credential of one authority reaches no domain of another.
    pub authority: String,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// A project: the tenant that owns keys. AWS's clients know it as an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The domain it belongs to.
    pub domain: DomainId,
    /// Its name, unique in its domain; by Huawei's custom the name of a region.
    pub name: DisplayName,
    /// The twelve digits of its ARNs. They never change.
    pub account: AccountId,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// A user, who signs in with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The domain the user belongs to.
    pub domain: DomainId,
    /// The name, unique in the domain.
    pub name: DisplayName,
    /// The Argon2id hash of the password, as a PHC string.
    pub password_hash: String,
    /// Whether the user may do anything at all.
    pub enabled: bool,
    /// Tokens issued before this moment are void: it moves when the password does.
    pub tokens_valid_from: Timestamp,
    /// When the user was registered.
    pub created_at: Timestamp,
}

/// A user's role in a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleAssignment {
    /// The user.
    pub user: UserId,
    /// The project.
    pub project: ProjectId,
    /// The role.
    pub role: Role,
}

/// A key pair for signing requests (AK and SK). It belongs to one user and one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// The public half, AK.
    pub id: AccessKeyId,
    /// Whose it is.
    pub user: UserId,
    /// The one project in which it may be used.
    pub project: ProjectId,
    /// The secret half, SK, sealed under the project's key.
    pub sealed_secret: Vec<u8>,
    /// Whether it may be used.
    pub enabled: bool,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a user may do in a project, by the vendor's names (contract, section 9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The account's owner: everything.
    TenantAdministrator,
    /// Everything in KMS.
    KmsAdministrator,
    /// Everything on keys.
    CmkFullAccess,
    /// Everything on keys, by Open Telekom Cloud's name.
    CmkAdmin,
    /// Reads keys and what belongs to them; uses none.
    CmkReadOnlyAccess,
    /// Reads everything in KMS; uses no key.
    KmsReadOnlyPolicy,
    /// Reads, and the few uses that the vendor gave it long ago.
    TenantGuest,
}

impl Role {
    /// Every role, the widest first.
    pub const ALL: [Role; 7] = [
        Role::TenantAdministrator,
        Role::KmsAdministrator,
        Role::CmkFullAccess,
        Role::CmkAdmin,
        Role::CmkReadOnlyAccess,
        Role::KmsReadOnlyPolicy,
        Role::TenantGuest,
    ];

    /// The short name in rows, tokens and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Role::TenantAdministrator => "te_admin",
            Role::KmsAdministrator => "kms_adm",
            Role::CmkFullAccess => "kms_cmk_full",
            Role::CmkAdmin => "kms_cmk_admin",
            Role::CmkReadOnlyAccess => "kms_cmk_readonly",
            Role::KmsReadOnlyPolicy => "kms_readonly",
            Role::TenantGuest => "te_guest",
        }
    }

    /// The name in the vendor's console.
    pub const fn display_name(self) -> &'static str {
        match self {
            Role::TenantAdministrator => "Tenant Administrator",
            Role::KmsAdministrator => "KMS Administrator",
            Role::CmkFullAccess => "KMS CMKFullAccess",
            Role::CmkAdmin => "KMS CMK Admin",
            Role::CmkReadOnlyAccess => "KMS CMKReadOnlyAccess",
            Role::KmsReadOnlyPolicy => "KMSReadOnlyPolicy",
            Role::TenantGuest => "Tenant Guest",
        }
    }

    /// From either of its names, exactly as written above.
    ///
    /// # Errors
    /// [`Malformed`] when there is no such role.
    pub fn parse(name: &str) -> Result<Self, Malformed> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name || role.display_name() == name)
            .ok_or(Malformed(
                "must be te_admin, kms_adm, kms_cmk_full, kms_cmk_admin, kms_cmk_readonly, \
                 kms_readonly or te_guest",
            ))
    }
}
