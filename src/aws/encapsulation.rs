//! Encapsulated secrets, as AWS spells them (contract, section 11.1).

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::naming::{KeyName, arn_of};
use super::wire::{Blob, answer, base64_of, decode, unless_dry};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::model::error::Result;
use crate::operations::encapsulation;

/// The one algorithm. Its parameters are the key's.
pub const ML_KEM: &str = "ML_KEM";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encapsulate {
    key_id: KeyName,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decapsulate {
    key_id: KeyName,
    shared_secret_ciphertext_blob: Blob,
    dry_run: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Encapsulated {
    key_id: String,
    shared_secret: Zeroizing<String>,
    shared_secret_ciphertext_blob: Blob,
    encapsulation_algorithm: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Decapsulated {
    key_id: String,
    shared_secret: Zeroizing<String>,
    encapsulation_algorithm: &'static str,
}

/// `Encapsulate`
pub async fn encapsulate(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: Encapsulate = decode(request, "Encapsulate")?;
    let reference = asked.key_id.any(cx)?;
    let (key, secret, ciphertext) = encapsulation::encapsulate(cx, &reference).await?;
    unless_dry(asked.dry_run, || {
        answer(&Encapsulated {
            key_id: arn_of(cx, &key)?,
            shared_secret: base64_of(&secret),
            shared_secret_ciphertext_blob: Blob(ciphertext),
            encapsulation_algorithm: ML_KEM,
        })
    })
}

/// `Decapsulate`: a ciphertext of the right length is never an error (contract, section 11.1).
pub async fn decapsulate(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: Decapsulate = decode(request, "Decapsulate")?;
    let reference = asked.key_id.any(cx)?;
    let ciphertext = &asked.shared_secret_ciphertext_blob.0;
    let (key, secret) = encapsulation::decapsulate(cx, &reference, ciphertext).await?;
    unless_dry(asked.dry_run, || {
        answer(&Decapsulated {
            key_id: arn_of(cx, &key)?,
            shared_secret: base64_of(&secret),
            encapsulation_algorithm: ML_KEM,
        })
    })
}
