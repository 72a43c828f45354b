//! Answers that only an enclave can read: it proves what it is, and the secret leaves in an envelope
//! for the key that it proved.
//!
//! Whoever sends the document need not be the enclave; whoever holds its private key is the only one
//! who gets the secret.

use super::ciphers::fault;
use crate::crypto::attestation::{self, Attested};
use crate::crypto::envelope;
use crate::crypto::secret::Secret;
use crate::kms::Context;
use crate::model::error::{Error, Result};

/// A secret on its way out: to the caller, or past the caller to an enclave.
pub enum Told {
    /// The secret, for the caller.
    Plain(Secret),
    /// The secret in an envelope (CMS EnvelopedData, BER) that the enclave can open.
    Enveloped(Vec<u8>),
}

/// The enclave whose attestation document this is. Ask once the key is held: only who may use it
/// learns what is thought of a document.
///
/// # Errors
/// [`Error::NoEnclaveRoots`] when the operator trusts none; [`Error::AttestationRefused`].
pub async fn attest(cx: &mut Context, document: Vec<u8>) -> Result<Attested> {
    if cx.kms().enclave_roots().is_empty() {
        return Err(Error::NoEnclaveRoots);
    }
    let (kms, now) = (cx.kms().clone(), cx.now());
    let attested = cx
        .kms()
        .uses_slowly(move || attestation::verify(&document, kms.enclave_roots(), now))
        .await?
        .map_err(|why| Error::AttestationRefused(why.0))?;
    cx.note(format!("to the enclave {}", attested.module_id));
    Ok(attested)
}

/// The secret for the enclave, if there is one, or else for the caller.
///
/// # Errors
/// [`Error::Internal`] when the envelope cannot be made.
pub fn tell(cx: &Context, attested: Option<&Attested>, secret: Secret) -> Result<Told> {
    match attested {
        None => Ok(Told::Plain(secret)),
        Some(attested) => envelope::seal(attested, &secret, cx.env().entropy())
            .map(Told::Enveloped)
            .map_err(fault),
    }
}
