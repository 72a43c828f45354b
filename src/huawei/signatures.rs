//! Signatures, public keys and authentication codes, as Huawei spells them (contract, section 4.4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use validator::Validate;
use zeroize::Zeroizing;

use super::wire::{KeyRefText, Sequence, decode, pem};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits::{PLAINTEXT_BYTES, SIGNATURE_BYTES};
use crate::model::error::{Error, Result};
use crate::operations::macs::{self, MacAlgorithm};
use crate::operations::signatures::{self, MessageType, SigningAlgorithm};

#[derive(Deserialize, Validate)]
struct Sign {
    key_id: KeyRefText,
    message: String,
    signing_algorithm: String,
    message_type: Option<String>,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct Verify {
    key_id: KeyRefText,
    message: String,
    signature: String,
    signing_algorithm: String,
    message_type: Option<String>,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct GetPublicKey {
    key_id: KeyRefText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct GenerateMac {
    key_id: KeyRefText,
    mac_algorithm: String,
    message: String,
}

#[derive(Deserialize, Validate)]
struct VerifyMac {
    key_id: KeyRefText,
    mac_algorithm: String,
    message: String,
    mac: String,
}

#[derive(Serialize)]
struct Signed<'k> {
    key_id: &'k str,
    signature: String,
}

#[derive(Serialize)]
struct Verified<'k> {
    key_id: &'k str,
    signature_valid: &'static str,
}

#[derive(Serialize)]
struct PublicKey<'k> {
    key_id: &'k str,
    public_key: Zeroizing<String>,
}

#[derive(Serialize)]
struct Mac<'k> {
    key_id: &'k str,
    mac_algorithm: &'static str,
    mac: String,
}

#[derive(Serialize)]
struct MacVerified<'k> {
    key_id: &'k str,
    mac_algorithm: &'static str,
    mac_valid: bool,
}

/// `POST …/kms/sign`
pub async fn sign(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: Sign = decode(request)?;
    let (algorithm, kind) = how_to_sign(&asked.signing_algorithm, asked.message_type.as_deref())?;
    let message = bytes_of(&asked.message, "message", 1..=PLAINTEXT_BYTES - 1)?;
    let (key, signature) = signatures::sign(cx, &asked.key_id.0, algorithm, kind, &message).await?;
    Reply::json(
        200,
        &Signed {
            key_id: key.id.as_str(),
            signature: STANDARD.encode(signature),
        },
    )
}

/// `POST …/kms/verify`
pub async fn verify(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: Verify = decode(request)?;
    let (algorithm, kind) = how_to_sign(&asked.signing_algorithm, asked.message_type.as_deref())?;
    let message = bytes_of(&asked.message, "message", 1..=PLAINTEXT_BYTES - 1)?;
    let signature = bytes_of(&asked.signature, "signature", 1..=SIGNATURE_BYTES)?;
    let key = &asked.key_id.0;
    let (key, holds) = signatures::verify(cx, key, algorithm, kind, &message, &signature).await?;
    Reply::json(
        200,
        &Verified {
            key_id: key.id.as_str(),
            signature_valid: if holds { "true" } else { "false" },
        },
    )
}

/// `POST …/kms/get-publickey`
pub async fn public_key(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: GetPublicKey = decode(request)?;
    let (key, public) = signatures::public_key(cx, &asked.key_id.0).await?;
    Reply::json(
        200,
        &PublicKey {
            key_id: key.id.as_str(),
            public_key: pem("PUBLIC KEY", &public),
        },
    )
}

/// `POST …/kms/generate-mac`
pub async fn generate_mac(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: GenerateMac = decode(request)?;
    let algorithm = mac_algorithm(&asked.mac_algorithm)?;
    let message = bytes_of(&asked.message, "message", 1..=PLAINTEXT_BYTES)?;
    let (key, code) = macs::generate(cx, &asked.key_id.0, algorithm, &message).await?;
    Reply::json(
        200,
        &Mac {
            key_id: key.id.as_str(),
            mac_algorithm: algorithm.name(),
            mac: hex::encode(code),
        },
    )
}

/// `POST …/kms/verify-mac`
pub async fn verify_mac(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: VerifyMac = decode(request)?;
    let algorithm = mac_algorithm(&asked.mac_algorithm)?;
    let message = bytes_of(&asked.message, "message", 1..=PLAINTEXT_BYTES)?;
    let code = hex::decode(&asked.mac).map_err(|_| Error::invalid("mac", "must be hexadecimal"))?;
    let (key, holds) = macs::verify(cx, &asked.key_id.0, algorithm, &message, &code).await?;
    Reply::json(
        200,
        &MacVerified {
            key_id: key.id.as_str(),
            mac_algorithm: algorithm.name(),
            mac_valid: holds,
        },
    )
}

fn how_to_sign(algorithm: &str, kind: Option<&str>) -> Result<(SigningAlgorithm, MessageType)> {
    let algorithm = SigningAlgorithm::from_name(algorithm).ok_or_else(|| {
        Error::invalid(
            "signing_algorithm",
            "must be one of the algorithms, such as ECDSA_SHA_256",
        )
    })?;
    let kind = match kind {
        None | Some("DIGEST") => MessageType::Digest,
        Some("RAW") => MessageType::Raw,
        Some(_) => return Err(Error::invalid("message_type", "must be DIGEST or RAW")),
    };
    Ok((algorithm, kind))
}

fn mac_algorithm(name: &str) -> Result<MacAlgorithm> {
    MacAlgorithm::from_name(name).ok_or_else(|| {
        Error::invalid(
            "mac_algorithm",
            "must be HMAC_SHA_256, HMAC_SHA_384, HMAC_SHA_512 or HMAC_SM3",
        )
    })
}

fn bytes_of(text: &str, member: &str, bytes: std::ops::RangeInclusive<usize>) -> Result<Vec<u8>> {
    STANDARD
        .decode(text)
        .ok()
        .filter(|decoded| bytes.contains(&decoded.len()))
        .ok_or_else(|| {
            let (least, most) = (bytes.start(), bytes.end());
            Error::invalid(member, format!("must be Base64 of {least} to {most} bytes"))
        })
}
