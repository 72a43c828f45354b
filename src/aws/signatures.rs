//! Signatures, public halves and authentication codes, as AWS spells them (contract, section 11.4).

use serde::{Deserialize, Serialize};

use super::encapsulation::ML_KEM;
use super::keys::spec_name;
use super::naming::{KeyName, arn_of};
use super::wire::{Blob, answer, decode, unless_dry};
use crate::dialect::{Reply, Request};
use crate::kms::{Context, material_kind};
use crate::model::error::{Error, Result};
use crate::model::spec::KeyUsage;
use crate::operations::macs::{self, MacAlgorithm};
use crate::operations::signatures::{self, MessageType, SigningAlgorithm};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sign {
    key_id: KeyName,
    message: Blob,
    message_type: Option<String>,
    signing_algorithm: String,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Verify {
    key_id: KeyName,
    message: Blob,
    message_type: Option<String>,
    signature: Blob,
    signing_algorithm: String,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetPublicKey {
    key_id: KeyName,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GenerateMac {
    message: Blob,
    key_id: KeyName,
    mac_algorithm: String,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VerifyMac {
    message: Blob,
    key_id: KeyName,
    mac_algorithm: String,
    mac: Blob,
    dry_run: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Signed {
    key_id: String,
    signature: Blob,
    signing_algorithm: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Verified {
    key_id: String,
    signature_valid: bool,
    signing_algorithm: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PublicKey {
    key_id: String,
    public_key: Blob,
    customer_master_key_spec: &'static str,
    key_spec: &'static str,
    key_usage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_algorithms: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_algorithms: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_agreement_algorithms: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encapsulation_algorithms: Option<Vec<&'static str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Mac {
    mac: Blob,
    mac_algorithm: String,
    key_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MacVerified {
    key_id: String,
    mac_valid: bool,
    mac_algorithm: String,
}

fn signing_algorithm(name: &str) -> Result<SigningAlgorithm> {
    // One of AWS's, or the model would have refused it; but not one of those that keys here have.
    SigningAlgorithm::from_name(name).ok_or(Error::SpecNotOffered("of that signing algorithm"))
}

/// What the message is to the algorithm that is named with it.
fn message_type(named: Option<&str>, algorithm: SigningAlgorithm) -> Result<MessageType> {
    let kind = match named {
        Some("DIGEST") => MessageType::Digest,
        Some("EXTERNAL_MU") => MessageType::ExternalMu,
        _ => MessageType::Raw,
    };
    match (algorithm, kind) {
        (SigningAlgorithm::MlDsa, MessageType::Digest) => Err(Error::Constraint(
            "MessageType DIGEST does not go with ML_DSA_SHAKE_256; send the message as RAW, or its \
             representative as EXTERNAL_MU"
                .into(),
        )),
        (other, MessageType::ExternalMu) if !other.takes(kind) => Err(Error::Constraint(format!(
            "MessageType EXTERNAL_MU goes with ML_DSA_SHAKE_256 only, not with {}",
            other.name()
        ))),
        _ => Ok(kind),
    }
}

fn mac_algorithm(name: &str) -> Result<MacAlgorithm> {
    MacAlgorithm::from_name(name).ok_or(Error::SpecNotOffered("of that MAC algorithm"))
}

/// `Sign`
pub async fn sign(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: Sign = decode(request, "Sign")?;
    let algorithm = signing_algorithm(&asked.signing_algorithm)?;
    let kind = message_type(asked.message_type.as_deref(), algorithm)?;
    let reference = asked.key_id.any(cx)?;
    let (key, signature) =
        signatures::sign(cx, &reference, algorithm, kind, &asked.message.0).await?;
    unless_dry(asked.dry_run, || {
        answer(&Signed {
            key_id: arn_of(cx, &key)?,
            signature: Blob(signature),
            signing_algorithm: asked.signing_algorithm,
        })
    })
}

/// `Verify`: a signature that does not hold is an error here.
pub async fn verify(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: Verify = decode(request, "Verify")?;
    let algorithm = signing_algorithm(&asked.signing_algorithm)?;
    let kind = message_type(asked.message_type.as_deref(), algorithm)?;
    let reference = asked.key_id.any(cx)?;
    let (key, holds) = signatures::verify(
        cx,
        &reference,
        algorithm,
        kind,
        &asked.message.0,
        &asked.signature.0,
    )
    .await?;
    if !holds {
        return Err(Error::SignatureDoesNotHold);
    }
    unless_dry(asked.dry_run, || {
        answer(&Verified {
            key_id: arn_of(cx, &key)?,
            signature_valid: true,
            signing_algorithm: asked.signing_algorithm,
        })
    })
}

/// `GetPublicKey`
pub async fn public_key(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: GetPublicKey = decode(request, "GetPublicKey")?;
    let reference = asked.key_id.any(cx)?;
    let (key, public) = signatures::public_key(cx, &reference).await?;
    let kind = material_kind(key.spec);
    let of = |usage, names: Vec<&'static str>| (key.usage == usage).then_some(names);
    let spec = spec_name(key.spec);
    answer(&PublicKey {
        key_id: arn_of(cx, &key)?,
        public_key: Blob(public),
        customer_master_key_spec: spec,
        key_spec: spec,
        key_usage: key.usage.name(),
        encryption_algorithms: of(
            KeyUsage::EncryptDecrypt,
            kind.encryption_algorithms()
                .iter()
                .map(|a| a.name())
                .collect(),
        ),
        signing_algorithms: of(
            KeyUsage::SignVerify,
            kind.signing_algorithms().iter().map(|a| a.name()).collect(),
        ),
        key_agreement_algorithms: of(KeyUsage::KeyAgreement, vec!["ECDH"]),
        encapsulation_algorithms: of(KeyUsage::EncapsulateDecapsulate, vec![ML_KEM]),
    })
}

/// `GenerateMac`
pub async fn generate_mac(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: GenerateMac = decode(request, "GenerateMac")?;
    let algorithm = mac_algorithm(&asked.mac_algorithm)?;
    let reference = asked.key_id.any(cx)?;
    let (key, mac) = macs::generate(cx, &reference, algorithm, &asked.message.0).await?;
    unless_dry(asked.dry_run, || {
        answer(&Mac {
            mac: Blob(mac),
            mac_algorithm: asked.mac_algorithm,
            key_id: arn_of(cx, &key)?,
        })
    })
}

/// `VerifyMac`: a code that does not hold is an error here.
pub async fn verify_mac(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: VerifyMac = decode(request, "VerifyMac")?;
    let algorithm = mac_algorithm(&asked.mac_algorithm)?;
    let reference = asked.key_id.any(cx)?;
    let (key, holds) =
        macs::verify(cx, &reference, algorithm, &asked.message.0, &asked.mac.0).await?;
    if !holds {
        return Err(Error::MacDoesNotHold);
    }
    unless_dry(asked.dry_run, || {
        answer(&MacVerified {
            key_id: arn_of(cx, &key)?,
            mac_valid: true,
            mac_algorithm: asked.mac_algorithm,
        })
    })
}
