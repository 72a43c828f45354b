//! Bytes in, bytes out: everything that touches a secret, and nothing else.
//!
//! Pure functions without state. No HTTP, no SQL, no JSON, and no I/O but the file that holds the
//! root. Randomness is lent by the caller as [`crate::env::Entropy`]. Whatever holds a secret here
//! is wiped when dropped and has no `Debug`, `Display`, `Clone` or `Serialize` (I-29).

pub mod secret;

pub mod digest;
pub mod hash;
pub mod kdf;

pub mod row;
pub mod sealed;

pub mod hsm_key;
pub mod keyring;
pub mod material;
pub mod root;

pub mod algorithm;
pub mod asymmetric;
pub mod blob;
pub mod capsule;
pub mod import_token;
pub mod mac;
pub mod wrap;

pub mod attestation;
pub mod envelope;

mod aead;
mod der;
mod ec;
mod ed25519;
mod kind;
mod lent;
mod ml_dsa;
mod ml_kem;
mod rsa;
mod seeds;
#[cfg_attr(not(feature = "sm"), path = "sm_off.rs")]
mod sm;

pub mod password;
pub mod signing_key;
pub mod token_key;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod vectors;

/// Why a cryptographic call failed.
///
/// It never says which check failed: an attacker who can tell a wrong tag from a wrong length
/// has an oracle (I-28).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The bytes are not what they claim to be: altered, moved, foreign or malformed.
    #[error("the data is not valid")]
    Invalid,
    /// This build or this kind of key does not do that.
    #[error("the algorithm is not supported")]
    Unsupported,
    /// A hardware security module that holds the key does not answer, or has lost the key.
    #[error("the hardware security module does not answer")]
    Unreachable,
    /// The library refused something that can only fail by a fault of ours or of the machine.
    #[error("cryptographic failure: {0}")]
    Internal(&'static str),
}
