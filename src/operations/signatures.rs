//! Signatures, and the public halves that check them.

pub use crate::crypto::algorithm::{MessageType, SigningAlgorithm};

use super::ciphers::{current, fault};
use super::fit;
use crate::crypto::asymmetric;
use crate::crypto::material::Material;
use crate::kms::{Context, material_kind};
use crate::model::error::{Error, Result};
use crate::model::key::{Key, KeyRef};

/// Signs a message, its digest or its representative.
///
/// # Errors
/// [`Error::UnfitKey`], [`Error::UnfitAlgorithm`], [`Error::DigestLength`].
pub async fn sign(
    cx: &mut Context,
    key: &KeyRef,
    algorithm: SigningAlgorithm,
    kind: MessageType,
    message: &[u8],
) -> Result<(Key, Vec<u8>)> {
    let key = signing_key(cx, key, algorithm, kind, message).await?;
    let material = cx.material(&key, current(&key)?).await?;
    let env = cx.env().clone();
    let sign = move |material: &Material, message: &[u8]| {
        asymmetric::sign(material, algorithm, kind, message, env.entropy())
    };
    let signature = cx.kms().compute(material, message, sign).await?;
    let signature = signature.map_err(fault)?;
    Ok((key, signature))
}

/// Checks a signature. A wrong one is an answer, not an error.
///
/// # Errors
/// As [`sign`].
pub async fn verify(
    cx: &mut Context,
    key: &KeyRef,
    algorithm: SigningAlgorithm,
    kind: MessageType,
    message: &[u8],
    signature: &[u8],
) -> Result<(Key, bool)> {
    let key = signing_key(cx, key, algorithm, kind, message).await?;
    let material = cx.material(&key, current(&key)?).await?;
    let holds =
        asymmetric::verify(&material, algorithm, kind, message, signature).map_err(fault)?;
    Ok((key, holds))
}

/// The public half of a key: SubjectPublicKeyInfo, DER (RFC 5280).
///
/// # Errors
/// [`Error::UnfitKey`] when it has none.
pub async fn public_key(cx: &mut Context, key: &KeyRef) -> Result<(Key, Vec<u8>)> {
    let key = cx.key(key).await?;
    fit::must_have_public_half(&key)?;
    let material = cx.material(&key, current(&key)?).await?;
    let public = material.public_key_der().map_err(fault)?;
    Ok((key, public))
}

async fn signing_key(
    cx: &mut Context,
    key: &KeyRef,
    algorithm: SigningAlgorithm,
    kind: MessageType,
    message: &[u8],
) -> Result<Key> {
    let key = cx.key(key).await?;
    fit::must_sign(&key)?;
    let unfit = Error::UnfitAlgorithm("signing_algorithm", key.spec.family());
    let algorithms = material_kind(key.spec).signing_algorithms();
    if !algorithms.contains(&algorithm) || !algorithm.takes(kind) {
        return Err(unfit);
    }
    match algorithm.message_len(kind) {
        Some(len) if len != message.len() => Err(Error::DigestLength),
        _ => Ok(key),
    }
}
