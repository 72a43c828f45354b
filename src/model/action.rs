//! Verbs: everything that may be asked of kmsd, and what kind of thing each is.

/// One thing that can be asked for. Adding one does not compile until the state table, the
/// permissions and the audit trail know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Make a key.
    CreateKey,
    /// Read one key.
    DescribeKey,
    /// Read the keys of a project.
    ListKeys,
    /// Let a disabled key be used again.
    EnableKey,
    /// Keep a key from being used.
    DisableKey,
    /// Set the day on which a key will be destroyed.
    ScheduleKeyDeletion,
    /// Call off a scheduled deletion.
    CancelKeyDeletion,
    /// Give a key another name.
    RenameKey,
    /// Change a key's description.
    UpdateKeyDescription,
    /// Count the keys of a project.
    CountKeys,
    /// Read how much of each quota is used.
    ShowQuotas,

    /// Encrypt a little data with a key.
    Encrypt,
    /// Decrypt what was encrypted so.
    Decrypt,
    /// Make a data key, in the clear and wrapped.
    GenerateDataKey,
    /// Make a data key, wrapped only.
    GenerateDataKeyWithoutPlaintext,
    /// Wrap a data key that the caller has.
    EncryptDataKey,
    /// Unwrap a data key.
    DecryptDataKey,
    /// Make random bytes.
    GenerateRandom,
    /// Sign a message.
    Sign,
    /// Check a signature.
    Verify,
    /// Read the public half of a key.
    GetPublicKey,
    /// Make a message authentication code.
    GenerateMac,
    /// Check a message authentication code.
    VerifyMac,

    /// Decrypt with one key and encrypt with another, inside.
    ReEncrypt,
    /// Make a key pair, its private half wrapped.
    GenerateDataKeyPair,
    /// Agree on a secret with a peer.
    DeriveSharedSecret,

    /// Exchange a credential for a token.
    IssueToken,
    /// Ask whether a token is valid, and for whom.
    ValidateToken,
    /// End a token before its time.
    RevokeToken,
    /// Read the projects that the caller may use.
    ListProjects,
    /// Read the domains that the caller may use.
    ListDomains,
    /// Read where the services are.
    ShowCatalog,

    /// Register or change a domain, project, user, role or access key (`kmsd iam`).
    ManageIdentity,
    /// Make new keys for signing tokens, or drop old ones (`kmsd iam token-key`).
    ManageTokenKeys,
    /// Destroy a key whose day has come.
    DestroyKey,
    /// Refuse a credential: nobody was authenticated, so nothing else was asked for.
    RefuseCredential,
}

/// What an action does to what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it reads.
    Reads,
    /// A change, which commits together with its audit record.
    Changes,
}

impl Action {
    /// Every action, in the order of the documentation.
    pub const ALL: [Action; 36] = [
        Action::CreateKey,
        Action::DescribeKey,
        Action::ListKeys,
        Action::EnableKey,
        Action::DisableKey,
        Action::ScheduleKeyDeletion,
        Action::CancelKeyDeletion,
        Action::RenameKey,
        Action::UpdateKeyDescription,
        Action::CountKeys,
        Action::ShowQuotas,
        Action::Encrypt,
        Action::Decrypt,
        Action::GenerateDataKey,
        Action::GenerateDataKeyWithoutPlaintext,
        Action::EncryptDataKey,
        Action::DecryptDataKey,
        Action::GenerateRandom,
        Action::Sign,
        Action::Verify,
        Action::GetPublicKey,
        Action::GenerateMac,
        Action::VerifyMac,
        Action::ReEncrypt,
        Action::GenerateDataKeyPair,
        Action::DeriveSharedSecret,
        Action::IssueToken,
        Action::ValidateToken,
        Action::RevokeToken,
        Action::ListProjects,
        Action::ListDomains,
        Action::ShowCatalog,
        Action::ManageIdentity,
        Action::ManageTokenKeys,
        Action::DestroyKey,
        Action::RefuseCredential,
    ];

    /// The name in audit records, logs and metrics. Stored, so it never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Action::CreateKey => "CreateKey",
            Action::DescribeKey => "DescribeKey",
            Action::ListKeys => "ListKeys",
            Action::EnableKey => "EnableKey",
            Action::DisableKey => "DisableKey",
            Action::ScheduleKeyDeletion => "ScheduleKeyDeletion",
            Action::CancelKeyDeletion => "CancelKeyDeletion",
            Action::RenameKey => "RenameKey",
            Action::UpdateKeyDescription => "UpdateKeyDescription",
            Action::CountKeys => "CountKeys",
            Action::ShowQuotas => "ShowQuotas",
            Action::Encrypt => "Encrypt",
            Action::Decrypt => "Decrypt",
            Action::GenerateDataKey => "GenerateDataKey",
            Action::GenerateDataKeyWithoutPlaintext => "GenerateDataKeyWithoutPlaintext",
            Action::EncryptDataKey => "EncryptDataKey",
            Action::DecryptDataKey => "DecryptDataKey",
            Action::GenerateRandom => "GenerateRandom",
            Action::Sign => "Sign",
            Action::Verify => "Verify",
            Action::GetPublicKey => "GetPublicKey",
            Action::GenerateMac => "GenerateMac",
            Action::VerifyMac => "VerifyMac",
            Action::ReEncrypt => "ReEncrypt",
            Action::GenerateDataKeyPair => "GenerateDataKeyPair",
            Action::DeriveSharedSecret => "DeriveSharedSecret",
            Action::IssueToken => "IssueToken",
            Action::ValidateToken => "ValidateToken",
            Action::RevokeToken => "RevokeToken",
            Action::ListProjects => "ListProjects",
            Action::ListDomains => "ListDomains",
            Action::ShowCatalog => "ShowCatalog",
            Action::ManageIdentity => "ManageIdentity",
            Action::ManageTokenKeys => "ManageTokenKeys",
            Action::DestroyKey => "DestroyKey",
            Action::RefuseCredential => "RefuseCredential",
        }
    }

    /// The permission that a role must give, by Huawei's name for it (contract, section 2); the
    /// two calls that Huawei puts under `kms:cmk:update` with renaming keep that company. `None`
    /// for what no role decides: one's own identity, and what only kmsd itself does.
    pub const fn permission(self) -> Option<&'static str> {
        match self {
            Action::CreateKey => Some("kms:cmk:create"),
            Action::DescribeKey => Some("kms:cmk:get"),
            Action::ListKeys => Some("kms:cmk:list"),
            Action::EnableKey => Some("kms:cmk:enable"),
            Action::DisableKey => Some("kms:cmk:disable"),
            Action::ScheduleKeyDeletion
            | Action::CancelKeyDeletion
            | Action::RenameKey
            | Action::UpdateKeyDescription => Some("kms:cmk:update"),
            Action::CountKeys => Some("kms:cmk:getInstance"),
            Action::ShowQuotas => Some("kms:cmk:getQuota"),
            Action::Encrypt | Action::Decrypt | Action::ReEncrypt => Some("kms:cmk:crypto"),
            Action::GenerateDataKeyPair => Some("kms:cmk:createDataKeyPair"),
            Action::DeriveSharedSecret => Some("kms:cmk:deriveSharedSecret"),
            Action::GenerateDataKey | Action::GenerateDataKeyWithoutPlaintext => {
                Some("kms:dek:create")
            }
            Action::EncryptDataKey | Action::DecryptDataKey => Some("kms:dek:crypto"),
            Action::GenerateRandom => Some("kms:cmk:generate"),
            Action::Sign => Some("kms:cmk:sign"),
            Action::Verify => Some("kms:cmk:verify"),
            Action::GetPublicKey => Some("kms:cmk:getPublicKey"),
            Action::GenerateMac => Some("kms:cmk:generateMac"),
            Action::VerifyMac => Some("kms:cmk:verifyMac"),
            Action::IssueToken
            | Action::ValidateToken
            | Action::RevokeToken
            | Action::ListProjects
            | Action::ListDomains
            | Action::ShowCatalog
            | Action::ManageIdentity
            | Action::ManageTokenKeys
            | Action::DestroyKey
            | Action::RefuseCredential => None,
        }
    }

    /// Whether it only reads.
    pub const fn effect(self) -> Effect {
        match self {
            Action::DescribeKey
            | Action::ListKeys
            | Action::CountKeys
            | Action::ShowQuotas
            | Action::Encrypt
            | Action::Decrypt
            | Action::GenerateDataKey
            | Action::GenerateDataKeyWithoutPlaintext
            | Action::EncryptDataKey
            | Action::DecryptDataKey
            | Action::GenerateRandom
            | Action::Sign
            | Action::Verify
            | Action::GetPublicKey
            | Action::GenerateMac
            | Action::VerifyMac
            | Action::ReEncrypt
            | Action::GenerateDataKeyPair
            | Action::DeriveSharedSecret
            | Action::IssueToken
            | Action::ValidateToken
            | Action::ListProjects
            | Action::ListDomains
            | Action::ShowCatalog
            | Action::RefuseCredential => Effect::Reads,
            Action::CreateKey
            | Action::EnableKey
            | Action::DisableKey
            | Action::ScheduleKeyDeletion
            | Action::CancelKeyDeletion
            | Action::RenameKey
            | Action::UpdateKeyDescription
            | Action::RevokeToken
            | Action::ManageIdentity
            | Action::ManageTokenKeys
            | Action::DestroyKey => Effect::Changes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn all_lists_every_action_once_and_names_differ() {
        let names: HashSet<_> = Action::ALL.iter().map(|action| action.name()).collect();
        assert_eq!(names.len(), Action::ALL.len());
    }
}
