//! Verbs: one function for each thing that may be asked, grouped in families.
//!
//! They never learn which dialect is speaking.

pub mod access_points;
pub mod agreements;
pub mod capsules;
pub mod ciphers;
mod fit;
pub mod identity;
pub mod key_policies;
pub mod keys;
pub mod macs;
pub mod signatures;
pub mod upkeep;
