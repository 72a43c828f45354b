mod bad_input;
mod keys;
mod lists;
mod signatures;
