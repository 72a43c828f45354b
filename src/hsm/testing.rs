//! Tokens of SoftHSM2 for the unit tests.

include!("../../tests/support/softhsm.rs");
