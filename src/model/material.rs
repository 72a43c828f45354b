//! Imported key material: what is remembered of it, whether or not it is there.

use super::ids::{KeyId, MaterialId, ProjectId, Region};
use super::key::Key;
use super::time::Timestamp;

/// One material that was imported into a key. It is never forgotten while the key lives, so that
/// what was dropped can be replaced by the same bytes only (threat model I-32).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedMaterial {
    /// The key's project.
    pub project: ProjectId,
    /// The key's region.
    pub region: Region,
    /// The key.
    pub key: KeyId,
    /// The version that it is of the key's material; no two materials have the same, ever.
    pub version: u32,
    /// By which people know it.
    pub id: MaterialId,
    /// By which the same bytes are known again. It tells nothing of them without the project's key.
    pub check_value: [u8; 32],
    /// When its time will be over; `None` for never, or when it is not there.
    pub expires_at: Option<Timestamp>,
    /// Since when new ciphertexts have used it, or had; `None` while it waits for a rotation.
    pub in_use_since: Option<Timestamp>,
    /// Whether its bytes are stored.
    pub is_stored: bool,
    /// What its owner notes of it; decides nothing.
    pub description: String,
    /// When it was imported first.
    pub created_at: Timestamp,
}

impl ImportedMaterial {
    /// The same material as a copy of its key in another region remembers it: to be imported there.
    #[must_use]
    pub fn expected_by(&self, copy: &Key) -> Self {
        Self {
            project: copy.project.clone(),
            region: copy.region.clone(),
            expires_at: None,
            is_stored: false,
            description: String::new(),
            ..self.clone()
        }
    }

    /// Whether it waits for a rotation: no ciphertext was made with it.
    pub const fn waits(&self) -> bool {
        self.in_use_since.is_none()
    }

    /// Whether it may be used.
    pub fn is_there(&self, now: Timestamp) -> bool {
        self.is_stored && !is_over(self.expires_at, now)
    }
}

/// Whether the time of material is over: the one rule. From that moment nobody uses it, whether or
/// not it has been removed.
pub fn is_over(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|at| at <= now)
}
