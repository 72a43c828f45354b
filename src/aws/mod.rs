//! AWS's dialect: KMS by JSON 1.1 over `POST /`, as its SDKs speak it.
//!
//! The same keys, verbs and records as every other dialect's; here is only how they are spelt.

pub mod auth;
pub mod ciphers;
pub mod error;
pub mod keys;
pub mod naming;
pub mod paging;
pub mod routes;
pub mod shapes;
pub mod signatures;
pub mod wire;
