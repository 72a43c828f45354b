mod bad_input;
mod ciphers;
mod identity;
mod keys;
mod lists;
mod materials;
mod rotation;
mod signatures;
