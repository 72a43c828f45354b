//! A keystore: where the material of keys is kept, when it is not the one that is built in.

use super::ids::{HsmClusterId, KeystoreId, KeystoreName, ProjectId, Region, UserId};
use super::time::Timestamp;

/// A keystore that is a cluster of hardware security modules, which Huawei calls DHSM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keystore {
    /// The project that owns it.
    pub project: ProjectId,
    /// The region that it is for.
    pub region: Region,
    /// Its id, never used twice.
    pub id: KeystoreId,
    /// What people call it; unique in project and region.
    pub name: KeystoreName,
    /// The cluster. No other keystore has it.
    pub cluster: HsmClusterId,
    /// The SHA-256 of the CA certificate that whoever made it has shown, in hexadecimal.
    pub ca_sha256: String,
    /// Whether keys may be made in it and used. A new one is disabled.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: UserId,
    /// Counts the changes: a save must name the revision that it read (threat model I-34).
    pub revision: i64,
}

impl Keystore {
    /// Its state by Huawei's number.
    pub const fn state_code(&self) -> i16 {
        if self.enabled { 2 } else { 3 }
    }
}

/// An object in a cluster that is to be destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoomedObject {
    /// The cluster.
    pub cluster: HsmClusterId,
    /// What it is called there: the id of its key.
    pub object: String,
    /// From when on.
    pub due_at: Timestamp,
}
