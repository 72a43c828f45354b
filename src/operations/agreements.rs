//! Agreeing on a secret with a peer (ECDH, SP 800-56A).

use super::ciphers::current;
use super::enclaves::{self, Told};
use super::fit;
use crate::crypto::asymmetric;
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::key::{Key, KeyRef};
use crate::model::policy::Fact;

/// The secret that a key and a peer's public key (SubjectPublicKeyInfo, DER) agree on: the
/// x-coordinate. With the attestation document of an enclave, it is for that enclave alone.
///
/// # Errors
/// [`Error::UnfitKey`]; [`Error::Invalid`] when the peer's key is none of the same curve; as
/// [`enclaves::attest`].
pub async fn derive(
    cx: &mut Context,
    key: &KeyRef,
    peer: &[u8],
    document: Option<Vec<u8>>,
) -> Result<(Key, Told)> {
    cx.asked().tell(Fact::KeyAgreementAlgorithm, "ECDH");
    let key = cx.key(key).await?;
    fit::must_agree(&key)?;
    let attested = match document {
        Some(document) => Some(enclaves::attest(cx, document).await?),
        None => None,
    };
    let material = cx.material(&key, current(&key)?).await?;
    let agreed = cx.kms().compute(material, peer, asymmetric::agree).await?;
    let secret = agreed.map_err(|_| {
        Error::invalid("public_key", "must be a public key on the curve of the key")
    })?;
    let told = enclaves::tell(cx, attested.as_ref(), secret)?;
    Ok((key, told))
}
