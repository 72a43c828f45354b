//! kmsd: a self-hosted key management service. `ARCHITECTURE.md` is the map.

#![forbid(unsafe_code)]

pub mod crypto;
pub mod env;
pub mod limits;
pub mod model;
pub mod store;
