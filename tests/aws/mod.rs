//! AWS's dialect, over HTTP: the same keys.

mod bad_input;
mod ciphers;
mod conditions;
mod keys;
mod keystores;
mod materials;
mod regions;
mod rules;
mod signatures;
