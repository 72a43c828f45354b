//! AWS's dialect: KMS by JSON 1.1 over `POST /`, as its SDKs speak it.
//!
//! The same keys, verbs and records as every other dialect's; here is only how they are spelt.

pub mod aliases;
pub mod auth;
pub mod ciphers;
pub mod encapsulation;
pub mod error;
pub mod grants;
pub mod keys;
pub mod keystores;
pub mod materials;
pub mod naming;
pub mod paging;
pub mod policies;
pub mod reference;
pub mod regions;
pub mod rotation;
pub mod routes;
pub mod shapes;
pub mod signatures;
pub mod tags;
pub mod wire;
