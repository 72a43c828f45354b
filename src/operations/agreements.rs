//! Agreeing on a secret with a peer (ECDH, SP 800-56A).

use super::ciphers::current;
use super::fit;
use crate::crypto::asymmetric;
use crate::crypto::secret::Secret;
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::key::{Key, KeyRef};

/// The secret that a key and a peer's public key (SubjectPublicKeyInfo, DER) agree on: the
/// x-coordinate.
///
/// # Errors
/// [`Error::UnfitKey`]; [`Error::Invalid`] when the peer's key is none of the same curve.
pub async fn derive(cx: &mut Context, key: &KeyRef, peer: &[u8]) -> Result<(Key, Secret)> {
    let key = cx.key(key).await?;
    fit::must_agree(&key)?;
    let material = cx.material(&key, current(&key)?).await?;
    let agreed = cx.kms().compute(material, peer, asymmetric::agree).await?;
    let secret = agreed.map_err(|_| {
        Error::invalid("public_key", "must be a public key on the curve of the key")
    })?;
    Ok((key, secret))
}
