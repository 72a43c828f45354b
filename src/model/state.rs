//! The states of a key, and **the table**: what may be asked of a key in which state.
//!
//! Printed to `docs/key-states.md` by a test, and driven through HTTP cell by cell by another.

use super::action::Action;
use super::time::Timestamp;

/// Where a key stands in its life. The numbers are Huawei's `key_state` codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// 2: it may be used.
    Enabled,
    /// 3: it may not be used, for now.
    Disabled,
    /// 4: it will be destroyed at `delete_at`, unless that is called off.
    PendingDeletion {
        /// When it will be destroyed.
        delete_at: Timestamp,
    },
    /// 5: it was made for imported material, and none is there.
    PendingImport,
    /// 4 as well: it will be destroyed, but its replicas go first. A row says that it is disabled,
    /// and beside that so many days.
    PendingReplicaDeletion {
        /// For how many days it waits once the last replica is destroyed.
        days: u32,
    },
}

impl KeyState {
    /// Huawei's number, as answers carry it.
    pub const fn code(self) -> i16 {
        match self {
            KeyState::Enabled => 2,
            KeyState::Disabled => 3,
            KeyState::PendingDeletion { .. } | KeyState::PendingReplicaDeletion { .. } => 4,
            KeyState::PendingImport => 5,
        }
    }

    /// The number that a row carries.
    pub const fn column(self) -> i16 {
        match self {
            KeyState::PendingReplicaDeletion { .. } => 3,
            other => other.code(),
        }
    }

    /// From a row's three columns. `None` when they contradict each other: that row is corrupt, and
    /// guessing what it meant could destroy a key.
    pub fn from_columns(code: i16, delete_at: Option<i64>, days: Option<u32>) -> Option<Self> {
        match (code, delete_at, days) {
            (2, None, None) => Some(KeyState::Enabled),
            (3, None, None) => Some(KeyState::Disabled),
            (3, None, Some(days)) => Some(KeyState::PendingReplicaDeletion { days }),
            (4, Some(at), None) => Some(KeyState::PendingDeletion {
                delete_at: Timestamp::from_millis(at),
            }),
            (5, None, None) => Some(KeyState::PendingImport),
            _ => None,
        }
    }

    /// The day on which the key will be destroyed, if one is set.
    pub const fn delete_at(self) -> Option<Timestamp> {
        match self {
            KeyState::PendingDeletion { delete_at } => Some(delete_at),
            KeyState::Enabled
            | KeyState::Disabled
            | KeyState::PendingImport
            | KeyState::PendingReplicaDeletion { .. } => None,
        }
    }

    /// For how many days it will wait once its last replica is destroyed, if that is so.
    pub const fn replica_wait(self) -> Option<u32> {
        match self {
            KeyState::PendingReplicaDeletion { days } => Some(days),
            _ => None,
        }
    }

    /// Whether its destruction is decided, unless it is called off.
    pub const fn is_leaving(self) -> bool {
        matches!(
            self,
            KeyState::PendingDeletion { .. } | KeyState::PendingReplicaDeletion { .. }
        )
    }

    /// What the table says about an action on a key in this state. `None` when the action is not
    /// about one key.
    pub const fn permits(self, action: Action) -> Option<Verdict> {
        let column = match self {
            KeyState::Enabled => 0,
            KeyState::Disabled => 1,
            KeyState::PendingDeletion { .. } | KeyState::PendingReplicaDeletion { .. } => 2,
            KeyState::PendingImport => 3,
        };
        match row(action) {
            Some(row) => Some(row[column]),
            None => None,
        }
    }
}

/// What a cell of the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be done.
    Allow,
    /// It may be done, though the key is scheduled for deletion. One dialect refuses it nonetheless.
    AllowLeaving,
    /// The key is in the wanted state already. An error in one dialect, success in the other.
    AlreadyThere,
    /// No: the key is disabled.
    IsDisabled,
    /// No: the key is scheduled for deletion.
    IsLeaving,
    /// No: there is no deletion to call off.
    NotLeaving,
    /// No: the key waits for its material.
    NeedsMaterial,
}

/// The columns of the table, in order, as people know them.
pub const STATE_NAMES: [&str; 4] = [
    "Enabled (2)",
    "Disabled (3)",
    "Pending deletion (4)",
    "Pending import (5)",
];

/// One row of the table.
#[rustfmt::skip]
const fn row(action: Action) -> Option<[Verdict; 4]> {
    use Verdict::{Allow, AllowLeaving, AlreadyThere, IsDisabled, IsLeaving, NeedsMaterial, NotLeaving};
    match action {
        //                                Enabled       Disabled      PendingDeletion  PendingImport
        Action::DescribeKey | Action::ListKeyRecords
                                  => Some([Allow,        Allow,        Allow,           Allow        ]),
        Action::EnableKey         => Some([AlreadyThere, Allow,        IsLeaving,       NeedsMaterial]),
        Action::DisableKey        => Some([Allow,        AlreadyThere, IsLeaving,       NeedsMaterial]),
        Action::ScheduleKeyDeletion
                                  => Some([Allow,        Allow,        IsLeaving,       Allow        ]),
        Action::CancelKeyDeletion => Some([NotLeaving,   NotLeaving,   Allow,           NotLeaving   ]),
        Action::RenameKey | Action::UpdateKeyDescription
                                  => Some([Allow,        Allow,        IsLeaving,       Allow        ]),
        // Using a key.
        Action::Encrypt | Action::Decrypt | Action::GenerateDataKey
        | Action::GenerateDataKeyWithoutPlaintext | Action::EncryptDataKey
        | Action::DecryptDataKey | Action::Sign | Action::Verify | Action::GetPublicKey
        | Action::GenerateMac | Action::VerifyMac | Action::ReEncrypt
        | Action::GenerateDataKeyPair | Action::DeriveSharedSecret
        | Action::Encapsulate | Action::Decapsulate
        // Copying one.
        | Action::ReplicateKey | Action::UpdatePrimaryRegion
                                  => Some([Allow,        IsDisabled,   IsLeaving,       NeedsMaterial]),
        // Grants: made on a key that may be used, read and ended on every key.
        Action::CreateGrant       => Some([Allow,        IsDisabled,   IsLeaving,       NeedsMaterial]),
        Action::ListGrants | Action::RevokeGrant | Action::RetireGrant
                                  => Some([Allow,        Allow,        Allow,           Allow        ]),
        Action::GetResourcePolicy | Action::PutResourcePolicy | Action::ListResourcePolicies
                                  => Some([Allow,        Allow,        Allow,           Allow        ]),
        // Tags and aliases.
        Action::CreateTag | Action::ChangeTags | Action::DeleteTag
                                  => Some([Allow,        Allow,        AllowLeaving,    Allow        ]),
        Action::ListTags | Action::DeleteAliases | Action::ListAliases
                                  => Some([Allow,        Allow,        Allow,           Allow        ]),
        Action::CreateAlias | Action::MoveAlias
                                  => Some([Allow,        Allow,        IsLeaving,       Allow        ]),
        // Imported material and rotation.
        Action::GetImportParameters | Action::ImportKeyMaterial
                                  => Some([Allow,        IsDisabled,   IsLeaving,       Allow        ]),
        Action::DeleteKeyMaterial => Some([Allow,        Allow,        IsLeaving,       NeedsMaterial]),
        Action::RotateKeyOnDemand | Action::EnableKeyRotation | Action::UpdateRotationInterval
        | Action::DisableKeyRotation
                                  => Some([Allow,        IsDisabled,   IsLeaving,       NeedsMaterial]),
        Action::GetRotationStatus => Some([Allow,        Allow,        Allow,           Allow        ]),
        // Capsules.
        Action::CreateDatakeyCapsule | Action::DecryptDatakeyCapsule
                                  => Some([Allow,        IsDisabled,   IsLeaving,       NeedsMaterial]),
        // Not about one key, or decided by the clock instead.
        Action::CreateKey | Action::ListKeys | Action::CountKeys | Action::ShowQuotas
        | Action::GenerateRandom | Action::CreateKeystore | Action::ListKeystores
        | Action::ShowKeystore | Action::EnableKeystore | Action::DisableKeystore
        | Action::UpdateKeystore | Action::DeleteKeystore | Action::CreatePin | Action::ListRegions
        | Action::ListRetirableGrants
        | Action::IssueToken | Action::ValidateToken | Action::RevokeToken
        | Action::ListProjects | Action::ListDomains | Action::ShowCatalog
        | Action::CreateAccessPoint | Action::ListAccessPoints | Action::EnableAccessPoint
        | Action::DisableAccessPoint | Action::GetAccessPointPrivateKey | Action::DeleteAccessPoint
        | Action::CreateKeyPolicy | Action::ListKeyPolicies | Action::ShowKeyPolicy
        | Action::UpdateKeyPolicy | Action::DeleteKeyPolicy
        | Action::ManageIdentity | Action::ManageTokenKeys
        | Action::ListProjectTags | Action::ListKeysByTags | Action::AddDefaultKey
        | Action::DestroyKey | Action::RotateKey | Action::ExpireKeyMaterial
        | Action::RefuseCredential => None,
    }
}

/// The table as a page for people.
pub fn print_table() -> String {
    use std::fmt::Write;
    let mut page = String::from(
        "# What may be asked of a key, by its state\n\n\
         Printed from the table in `src/model/state.rs`; a test keeps this page equal to it and\n\
         another drives every cell through HTTP.\n\n",
    );
    let _ = writeln!(page, "| Action | {} |", STATE_NAMES.join(" | "));
    let _ = writeln!(page, "|---|---|---|---|---|");
    for action in Action::ALL {
        if let Some(cells) = row(action) {
            let cells: Vec<_> = cells.iter().map(|verdict| verdict.words()).collect();
            let _ = writeln!(page, "| {} | {} |", action.name(), cells.join(" | "));
        }
    }
    page
}

impl Verdict {
    /// The cell in words.
    pub const fn words(self) -> &'static str {
        match self {
            Verdict::Allow => "yes",
            Verdict::AllowLeaving => "yes, but not by AWS's calls",
            Verdict::AlreadyThere => "already so",
            Verdict::IsDisabled => "no: disabled",
            Verdict::IsLeaving => "no: pending deletion",
            Verdict::NotLeaving => "no: not pending deletion",
            Verdict::NeedsMaterial => "no: pending import",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_contradicts_itself_is_no_state() {
        assert_eq!(KeyState::from_columns(4, None, None), None);
        assert_eq!(KeyState::from_columns(2, Some(1), None), None);
        assert_eq!(KeyState::from_columns(7, None, None), None);
        assert_eq!(KeyState::from_columns(2, None, Some(7)), None);
        assert_eq!(
            KeyState::from_columns(4, Some(9), None).and_then(KeyState::delete_at),
            Some(Timestamp::from_millis(9))
        );
    }
}
