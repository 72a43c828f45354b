//! Verbs: one function for each thing that may be asked, grouped in families.
//!
//! They never learn which dialect is speaking.

pub mod agreements;
pub mod ciphers;
pub mod enclaves;
mod fit;
pub mod grants;
pub mod identity;
pub mod keys;
pub mod keystores;
pub mod macs;
pub mod pins;
pub mod records;
pub mod replicas;
pub mod signatures;
pub mod upkeep;
