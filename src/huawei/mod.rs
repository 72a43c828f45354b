//! One spelling: Huawei Cloud's KMS REST API and the part of its IAM that KMS's clients call.
//!
//! Bytes on the wire to verbs and back. What is decided is decided elsewhere.

pub mod access_points;
pub mod aliases;
pub mod auth;
pub mod capsules;
pub mod ciphers;
pub mod error;
pub mod grants;
pub mod identity;
pub mod key_policies;
pub mod keys;
pub mod keystores;
pub mod materials;
pub mod records;
pub mod replicas;
pub mod rotation;
pub mod routes;
pub mod signatures;
pub mod tags;
pub mod versions;
pub mod wire;
