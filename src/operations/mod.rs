//! Verbs: one function for each thing that may be asked, grouped in families.
//!
//! They never learn which dialect is speaking.

pub mod access_points;
pub mod agreements;
pub mod aliases;
pub mod capsules;
pub mod ciphers;
pub mod default_keys;
pub mod encapsulation;
pub mod enclaves;
mod fit;
pub mod grants;
pub mod identity;
pub mod key_policies;
pub mod keys;
pub mod keystores;
pub mod macs;
pub mod material_ids;
pub mod materials;
pub mod pages;
pub mod pins;
pub mod principals;
pub mod records;
pub mod replicas;
pub mod resource_policies;
pub mod rotation;
pub mod signatures;
pub mod tags;
pub mod upkeep;
pub mod uses;
