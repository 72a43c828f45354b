//! Nouns: what kmsd is about. Pure: no I/O, no HTTP, no SQL.

pub mod time;
