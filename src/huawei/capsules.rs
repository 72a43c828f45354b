//! Capsules, as Huawei spells them (contract, section 4.2). What the vendor does not publish is
//! decided in `docs/decisions/0009-capsules-open-for-attested-workloads.md`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use validator::Validate;
use zeroize::Zeroizing;

use super::key_policies::rules_of;
use super::wire::{self, KeyIdText, NumberText, decode};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits::CAPSULE_CHARACTERS;
use crate::model::error::{Error, Result};
use crate::model::ids::PolicyId;
use crate::operations::capsules::{self, Attestation, Delivery, NewPolicy};

#[derive(Deserialize, Validate)]
struct CreateCapsule {
    key_id: KeyIdText,
    datakey_length: NumberText,
    public_key: Option<String>,
    policy_id: Option<PolicyId>,
    key_policy: Option<String>,
}

#[derive(Deserialize, Validate)]
struct DecryptCapsule {
    key_id: KeyIdText,
    public_key: Option<String>,
    datakey_capsule: String,
    attestation_document: AttestationDocument,
}

#[derive(Deserialize)]
struct AttestationDocument {
    ecs_signature: Option<String>,
    custom_signature: Option<String>,
    custom_public_key: Option<String>,
    expire_time: Option<String>,
    service_token: Option<String>,
}

#[derive(Serialize)]
struct NewCapsule<'k> {
    key_id: &'k str,
    #[serde(flatten)]
    data_key: DataKey,
    datakey_capsule: String,
}

#[derive(Serialize)]
struct OpenedCapsule<'k> {
    key_id: &'k str,
    instance_id: String,
    #[serde(flatten)]
    data_key: DataKey,
}

/// One of the two: in the clear, or under the recipient's public key.
#[derive(Serialize)]
struct DataKey {
    #[serde(skip_serializing_if = "Option::is_none")]
    datakey: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datakey_cipher: Option<String>,
}

impl From<Delivery> for DataKey {
    fn from(delivery: Delivery) -> Self {
        let (datakey, datakey_cipher) = match delivery {
            Delivery::Plain(key) => (Some(Zeroizing::new(STANDARD.encode(key.expose()))), None),
            Delivery::Encrypted(cipher) => (None, Some(STANDARD.encode(cipher))),
        };
        Self {
            datakey,
            datakey_cipher,
        }
    }
}

/// `POST …/kms/datakey-capsule/create`
pub async fn create(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: CreateCapsule = decode(request)?;
    let bytes = match asked.datakey_length.number() {
        Some(128) => 16,
        Some(256) => 32,
        _ => {
            return Err(Error::invalid(
                "datakey_length",
                "must be 128 or 256, which are bits",
            ));
        }
    };
    let recipient = recipient_of(asked.public_key.as_deref())?;
    let policy = match (asked.policy_id, asked.key_policy) {
        (Some(id), None) => NewPolicy::Named(id),
        (None, Some(document)) => NewPolicy::Own(rules_of(&document, "key_policy")?),
        (None, None) => return Err(Error::Missing("policy_id or key_policy".into())),
        (Some(_), Some(_)) => {
            return Err(Error::invalid(
                "key_policy",
                "and policy_id exclude each other; give one of them",
            ));
        }
    };
    let (key, delivery, capsule) =
        capsules::create(cx, &asked.key_id.0, bytes, &policy, recipient.as_deref()).await?;
    Reply::json(
        200,
        &NewCapsule {
            key_id: key.id.as_str(),
            data_key: delivery.into(),
            datakey_capsule: STANDARD.encode(capsule),
        },
    )
}

/// `POST …/kms/datakey-capsule/decrypt`
pub async fn decrypt(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: DecryptCapsule = decode(request)?;
    let recipient = recipient_of(asked.public_key.as_deref())?;
    let capsule = Some(&asked.datakey_capsule)
        .filter(|text| text.len() <= CAPSULE_CHARACTERS)
        .and_then(|text| STANDARD.decode(text).ok())
        .ok_or_else(|| {
            Error::invalid(
                "datakey_capsule",
                format!("must be Base64 of at most {CAPSULE_CHARACTERS} characters"),
            )
        })?;
    let attestation = attestation_of(
        asked.attestation_document,
        &asked.datakey_capsule,
        asked.public_key.as_deref().unwrap_or_default(),
    )?;
    let (key, instance_id, delivery) = capsules::decrypt(
        cx,
        &asked.key_id.0,
        &capsule,
        &attestation,
        recipient.as_deref(),
    )
    .await?;
    Reply::json(
        200,
        &OpenedCapsule {
            key_id: key.id.as_str(),
            instance_id,
            data_key: delivery.into(),
        },
    )
}

fn recipient_of(text: Option<&str>) -> Result<Option<Vec<u8>>> {
    text.map(|text| {
        wire::public_key(text).ok_or_else(|| {
            Error::invalid(
                "public_key",
                "must be an RSA public key: SubjectPublicKeyInfo, in PEM or as the Base64 of its \
                 DER",
            )
        })
    })
    .transpose()
}

/// The one proof that the document holds. What a Custom access point signs names the capsule, the
/// end and the recipient in the very words of the request, so that a signature is good for nothing
/// else.
fn attestation_of(
    given: AttestationDocument,
    capsule: &str,
    recipient: &str,
) -> Result<Attestation> {
    let present = |text: Option<String>| text.filter(|text| !text.is_empty());
    let unreadable = Error::UnreadableAttestation;
    let (signature, public_key) = (
        present(given.custom_signature),
        present(given.custom_public_key),
    );
    let is_custom = signature.is_some() || public_key.is_some();
    match (
        present(given.ecs_signature),
        present(given.service_token),
        is_custom,
    ) {
        (Some(_), None, false) => Ok(Attestation::Machine),
        (None, Some(token), false) => Ok(Attestation::Cluster(token)),
        (None, None, true) => {
            let missing = |name: &str| Error::Missing(format!("attestation_document.{name}"));
            let signature = signature.ok_or_else(|| missing("custom_signature"))?;
            let public_key = public_key.ok_or_else(|| missing("custom_public_key"))?;
            let expire_time = present(given.expire_time).ok_or_else(|| missing("expire_time"))?;
            Ok(Attestation::Custom {
                expires_at: wire::seconds(&expire_time).ok_or_else(|| {
                    Error::invalid(
                        "attestation_document.expire_time",
                        "must be a time such as 2026-01-02T03:04:05Z",
                    )
                })?,
                public_key: wire::public_key(&public_key)
                    .ok_or(unreadable("holds a custom_public_key that is no Base64"))?,
                signature: STANDARD
                    .decode(&signature)
                    .map_err(|_| unreadable("holds a custom_signature that is no Base64"))?,
                message: format!("{capsule}\n{expire_time}\n{recipient}").into_bytes(),
            })
        }
        (None, None, false) => Err(unreadable(
            "holds no proof: give a service_token, or a custom_signature with its \
             custom_public_key and expire_time",
        )),
        _ => Err(unreadable("holds more than one proof; give one of them")),
    }
}
