//! Imported key material, as Huawei spells it (contract, sections 4.5 and 7.6).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::wire::{KeyIdText, NumberText, Sequence, decode};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::spec::Family;
use crate::model::time::Timestamp;
use crate::operations::materials::{self, Offer, Rules, Which, Wrapped, WrappingPair};

/// Imported private keys neither expire nor are dropped (contract, section 7.6).
const RULES: Rules = Rules {
    temporary: &[Family::Symmetric],
    brought_despite: &[],
    dropped_despite: &[],
    repeatable: false,
    in_copies: false,
    in_one_piece: false,
};

/// Characters of `import_token` and `encrypted_privatekey` (contract, section 7.3).
const LONG: std::ops::RangeInclusive<usize> = 200..=6144;
/// Characters of `encrypted_key_material`. The contract's 344 hold for RSA-2048 only; what is wrapped
/// with SM2 is shorter.
const MATERIAL: std::ops::RangeInclusive<usize> = 128..=360;

/// The last second of the year 9999: beyond it a time has no form.
const LAST_SECOND: u64 = 253_402_300_799;

#[derive(Deserialize, Validate)]
struct GetParameters {
    key_id: KeyIdText,
    wrapping_algorithm: String,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct Import {
    key_id: KeyIdText,
    import_token: String,
    encrypted_key_material: String,
    encrypted_privatekey: Option<String>,
    expiration_time: Option<NumberText>,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct NamedKey {
    key_id: KeyIdText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Serialize)]
struct Parameters<'k> {
    key_id: &'k str,
    import_token: String,
    expiration_time: i64,
    public_key: String,
}

#[derive(Serialize)]
struct Nothing {}

/// `POST …/kms/get-parameters-for-import`
pub async fn parameters(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: GetParameters = decode(request)?;
    // The weak algorithms of old pages (PKCS#1 v1.5, SHA-1) are not offered.
    let pair = match asked.wrapping_algorithm.as_str() {
        "RSAES_OAEP_SHA_256" => WrappingPair::Rsa2048,
        "SM2_ENCRYPT" => WrappingPair::Sm2,
        _ => {
            return Err(Error::invalid(
                "wrapping_algorithm",
                "must be RSAES_OAEP_SHA_256 or SM2_ENCRYPT",
            ));
        }
    };
    let algorithm = &asked.wrapping_algorithm;
    let (key, made) = materials::parameters(cx, &asked.key_id.0, pair, algorithm, &RULES).await?;
    Reply::json(
        200,
        &Parameters {
            key_id: key.id.as_str(),
            import_token: STANDARD.encode(made.token),
            expiration_time: made.expires_at.seconds(),
            public_key: STANDARD.encode(made.public_key),
        },
    )
}

/// `POST …/kms/import-key-material`
pub async fn import(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: Import = decode(request)?;
    let token = base64("import_token", &asked.import_token, LONG)?;
    let material = base64(
        "encrypted_key_material",
        &asked.encrypted_key_material,
        MATERIAL,
    )?;
    let private_key = asked
        .encrypted_privatekey
        .map(|text| base64("encrypted_privatekey", &text, LONG))
        .transpose()?;
    let expires_at = asked
        .expiration_time
        .map(|text| seconds(&text))
        .transpose()?;
    let wrapped = Wrapped {
        token: &token,
        material: &material,
        private_key: private_key.as_deref(),
    };
    materials::import(
        cx,
        &asked.key_id.0,
        wrapped,
        expires_at,
        &Offer::default(),
        &RULES,
    )
    .await?;
    Reply::json(200, &Nothing {})
}

/// `POST …/kms/delete-imported-key-material`
pub async fn delete(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request)?;
    materials::delete(cx, &asked.key_id.0, Which::All, &RULES).await?;
    Reply::json(200, &Nothing {})
}

fn base64(
    member: &str,
    text: &str,
    characters: std::ops::RangeInclusive<usize>,
) -> Result<Vec<u8>> {
    characters
        .contains(&text.len())
        .then(|| STANDARD.decode(text).ok())
        .flatten()
        .ok_or_else(|| {
            let (least, most) = (characters.start(), characters.end());
            Error::invalid(
                member,
                format!("must be {least} to {most} characters of Base64"),
            )
        })
}

fn seconds(text: &NumberText) -> Result<Timestamp> {
    text.number()
        .filter(|seconds| *seconds <= LAST_SECOND)
        .and_then(|seconds| i64::try_from(seconds).ok())
        .map(Timestamp::from_seconds)
        .ok_or_else(|| Error::invalid("expiration_time", "must be seconds since 1970"))
}
