//! A customer master key (CMK): everything about it but its material.

use super::ids::{AliasName, KeyId, KeyName, ProjectId, Region, UserId};
use super::spec::{KeySpec, KeyUsage, Origin};
use super::state::KeyState;
use super::time::Timestamp;

/// How many days a deletion may be put off: the widest range that a dialect allows.
pub const PENDING_DAYS: std::ops::RangeInclusive<u32> = 7..=1096;

/// A key, as one row tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The project that owns it.
    pub project: ProjectId,
    /// The region it lives in. A key's identity is (project, region, id).
    pub region: Region,
    /// Its id, never used twice.
    pub id: KeyId,
    /// What people call it; unique in project and region.
    pub name: KeyName,
    /// Its algorithm and size.
    pub spec: KeySpec,
    /// What it may be used for.
    pub usage: KeyUsage,
    /// Where its material comes from.
    pub origin: Origin,
    /// Free text of at most 255 characters.
    pub description: String,
    /// Where it stands in its life.
    pub state: KeyState,
    /// The version of its material that new ciphertexts use; `None` when no material is there.
    pub current_version: Option<u32>,
    /// When imported material will be dropped; `None` for never.
    pub material_expires_at: Option<Timestamp>,
    /// The enterprise project it is filed under; `0` is the default one.
    pub enterprise_project: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: UserId,
    /// Counts the changes: a save must name the revision that it read (threat model I-34).
    pub revision: i64,
}

impl Key {
    /// Whether the key's day has come: from then on it does not exist, whether or not its
    /// destruction has been carried out (threat model 5.6).
    pub fn is_gone(&self, now: Timestamp) -> bool {
        self.state.delete_at().is_some_and(|at| at <= now)
    }

    /// Lets it be used again. The table has allowed it: it was disabled.
    pub fn enable(&mut self) {
        debug_assert_eq!(self.state, KeyState::Disabled);
        self.state = KeyState::Enabled;
    }

    /// Keeps it from being used. The table has allowed it: it was enabled.
    pub fn disable(&mut self) {
        debug_assert_eq!(self.state, KeyState::Enabled);
        self.state = KeyState::Disabled;
    }

    /// Sets the day of its destruction. The table has allowed it: none was set.
    pub fn schedule_deletion(&mut self, delete_at: Timestamp) {
        debug_assert!(self.state.delete_at().is_none());
        self.state = KeyState::PendingDeletion { delete_at };
    }

    /// Calls its destruction off. It comes back disabled, so that using it again is a decision of
    /// its own; without material it goes back to waiting for some.
    pub fn restore(&mut self) {
        debug_assert!(self.state.delete_at().is_some());
        self.state = match self.current_version {
            Some(_) => KeyState::Disabled,
            None => KeyState::PendingImport,
        };
    }
}

/// How a caller names a key. Only a dialect parses one; only `Context::key` resolves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRef {
    /// By its id.
    Id(KeyId),
    /// By the name of an alias that points to it, without the prefix `alias/`.
    Alias(AliasName),
}

impl std::fmt::Display for KeyRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeyRef::Id(id) => id.fmt(f),
            KeyRef::Alias(name) => write!(f, "alias/{name}"),
        }
    }
}

/// Which keys of a project are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those in this state, by its number.
    pub state: Option<i16>,
    /// Only those of this spec.
    pub spec: Option<KeySpec>,
    /// Only those filed under this enterprise project.
    pub enterprise_project: Option<String>,
}
