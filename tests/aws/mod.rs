//! AWS's dialect, over HTTP: the same keys.

mod bad_input;
mod ciphers;
mod keys;
mod keystores;
mod materials;
mod regions;
mod rules;
mod signatures;
mod states;
