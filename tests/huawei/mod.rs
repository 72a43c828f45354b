mod bad_input;
mod ciphers;
mod enclaves;
mod identity;
mod keys;
pub mod keystores;
mod lists;
mod replicas;
mod signatures;
