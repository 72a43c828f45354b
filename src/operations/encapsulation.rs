//! Secrets that travel encapsulated (ML-KEM, FIPS 203): whoever has the public half of a key makes
//! one, and the key gets it out again.

use super::ciphers::{current, fault};
use super::fit;
use crate::crypto::secret::Secret;
use crate::crypto::{CryptoError, asymmetric};
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::key::{Key, KeyRef};

/// A new secret of 32 bytes, and the ciphertext from which only this key gets it again.
///
/// # Errors
/// [`Error::UnfitKey`].
pub async fn encapsulate(cx: &mut Context, key: &KeyRef) -> Result<(Key, Secret, Vec<u8>)> {
    let key = cx.key(key).await?;
    fit::must_encapsulate(&key)?;
    let material = cx.material(&key, current(&key)?).await?;
    let (secret, ciphertext) = asymmetric::encapsulate(&material).map_err(fault)?;
    Ok((key, secret, ciphertext))
}

/// The secret in a ciphertext. One that was altered, or is another key's, is no error: it gives 32
/// bytes that nobody knows (FIPS 203, section 6.3), so that trying teaches nothing.
///
/// # Errors
/// [`Error::UnfitKey`]; [`Error::InvalidCiphertext`] when it is not of the key's length.
pub async fn decapsulate(
    cx: &mut Context,
    key: &KeyRef,
    ciphertext: &[u8],
) -> Result<(Key, Secret)> {
    let key = cx.key(key).await?;
    fit::must_encapsulate(&key)?;
    let material = cx.material(&key, current(&key)?).await?;
    let secret = asymmetric::decapsulate(&material, ciphertext).map_err(|error| match error {
        CryptoError::Invalid => Error::InvalidCiphertext,
        other => fault(other),
    })?;
    Ok((key, secret))
}
