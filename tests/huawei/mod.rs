mod bad_input;
mod identity;
mod keys;
mod lists;
mod signatures;
