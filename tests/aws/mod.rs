//! AWS's dialect, over HTTP: the same keys.

mod bad_input;
mod ciphers;
mod encapsulation;
mod keys;
mod keystores;
mod materials;
mod ml_dsa;
mod regions;
mod rules;
mod signatures;
mod states;
