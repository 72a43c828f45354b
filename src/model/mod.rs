//! Nouns: what kmsd is about. Pure: no I/O, no HTTP, no SQL.

pub mod access;
pub mod action;
pub mod alias;
pub mod audit;
pub mod caller;
pub mod error;
pub mod grant;
pub mod identity;
pub mod ids;
pub mod key;
pub mod keyspace;
pub mod keystore;
pub mod material;
pub mod policy;
pub mod spec;
pub mod state;
pub mod tag;
pub mod time;
