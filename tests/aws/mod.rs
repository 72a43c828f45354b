//! AWS's dialect, over HTTP.

mod bad_input;
mod ciphers;
mod keys;
mod rules;
mod signatures;
