//! Message authentication codes.

pub use crate::crypto::algorithm::MacAlgorithm;

use super::ciphers::{current, fault};
use super::fit;
use crate::crypto::mac;
use crate::crypto::material::Material;
use crate::kms::{Context, material_kind};
use crate::model::error::{Error, Result};
use crate::model::key::{Key, KeyRef};
use crate::model::policy::Fact;

/// Makes the authentication code of a message.
///
/// # Errors
/// [`Error::UnfitKey`], [`Error::UnfitAlgorithm`] when it is not the key's one algorithm.
pub async fn generate(
    cx: &mut Context,
    key: &KeyRef,
    algorithm: MacAlgorithm,
    message: &[u8],
) -> Result<(Key, Vec<u8>)> {
    let key = mac_key(cx, key, algorithm).await?;
    let material = cx.material(&key, current(&key)?).await?;
    let mac = move |material: &Material, message: &[u8]| mac::mac(material, algorithm, message);
    let code = cx.kms().compute(material, message, mac).await?;
    let code = code.map_err(fault)?;
    Ok((key, code))
}

/// Checks an authentication code. A wrong one is an answer, not an error.
///
/// # Errors
/// As [`generate`].
pub async fn verify(
    cx: &mut Context,
    key: &KeyRef,
    algorithm: MacAlgorithm,
    message: &[u8],
    code: &[u8],
) -> Result<(Key, bool)> {
    let key = mac_key(cx, key, algorithm).await?;
    let material = cx.material(&key, current(&key)?).await?;
    let code = code.to_vec();
    let verify =
        move |material: &Material, message: &[u8]| mac::verify(material, algorithm, message, &code);
    let holds = cx.kms().compute(material, message, verify).await?;
    let holds = holds.map_err(fault)?;
    Ok((key, holds))
}

async fn mac_key(cx: &mut Context, key: &KeyRef, algorithm: MacAlgorithm) -> Result<Key> {
    cx.asked().tell(Fact::MacAlgorithm, algorithm.name());
    let key = cx.key(key).await?;
    fit::must_mac(&key)?;
    if material_kind(key.spec).mac_algorithm() != Some(algorithm) {
        return Err(Error::UnfitAlgorithm("mac_algorithm", key.spec.family()));
    }
    Ok(key)
}
