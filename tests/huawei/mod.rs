mod bad_input;
mod ciphers;
mod enclaves;
mod identity;
mod keys;
mod lists;
mod replicas;
mod signatures;
