mod bad_input;
mod ciphers;
mod keys;
mod signatures;
