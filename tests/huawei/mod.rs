mod bad_input;
mod ciphers;
mod grants;
mod identity;
mod keys;
mod lists;
mod signatures;
