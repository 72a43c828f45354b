//! Small data, data keys, random bytes and key agreement, as AWS spells them (contract, sections
//! 11.2, 11.3 and 11.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::keys::origin_name;
use super::naming::{KeyName, arn_of};
use super::wire::{Blob, SecretBlob, answer, base64_of, decode, unless_dry};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::key::Key;
use crate::model::spec::Family;
use crate::operations::agreements;
use crate::operations::ciphers::{self, Binding, PairKind, SYMMETRIC_DEFAULT, Side};
use crate::operations::enclaves::{self, Told};
use crate::operations::material_ids;

/// How long an encryption context may be as JSON (contract, section 4).
const CONTEXT_CHARACTERS: usize = 8192;

type Pairs = BTreeMap<String, String>;

/// An enclave that the answer is for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Recipient {
    key_encryption_algorithm: Option<String>,
    attestation_document: Option<Blob>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypt {
    key_id: KeyName,
    plaintext: SecretBlob,
    encryption_context: Option<Pairs>,
    encryption_algorithm: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypt {
    ciphertext_blob: Option<Blob>,
    encryption_context: Option<Pairs>,
    key_id: Option<KeyName>,
    encryption_algorithm: Option<String>,
    recipient: Option<Recipient>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReEncrypt {
    ciphertext_blob: Option<Blob>,
    source_encryption_context: Option<Pairs>,
    source_key_id: Option<KeyName>,
    destination_key_id: KeyName,
    destination_encryption_context: Option<Pairs>,
    source_encryption_algorithm: Option<String>,
    destination_encryption_algorithm: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GenerateDataKey {
    key_id: KeyName,
    encryption_context: Option<Pairs>,
    number_of_bytes: Option<usize>,
    key_spec: Option<String>,
    recipient: Option<Recipient>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GenerateDataKeyPair {
    key_id: KeyName,
    encryption_context: Option<Pairs>,
    key_pair_spec: String,
    recipient: Option<Recipient>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GenerateRandom {
    number_of_bytes: Option<usize>,
    recipient: Option<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeriveSharedSecret {
    key_id: KeyName,
    public_key: Blob,
    recipient: Option<Recipient>,
    dry_run: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypted {
    ciphertext_blob: Blob,
    key_id: String,
    encryption_algorithm: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted {
    key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Zeroizing<String>>,
    encryption_algorithm: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_for_recipient: Option<Blob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ReEncrypted {
    ciphertext_blob: Blob,
    source_key_id: String,
    key_id: String,
    source_encryption_algorithm: String,
    destination_encryption_algorithm: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_key_material_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_key_material_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewDataKey {
    ciphertext_blob: Blob,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Zeroizing<String>>,
    key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_for_recipient: Option<Blob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewPair {
    private_key_ciphertext_blob: Blob,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key_plaintext: Option<Zeroizing<String>>,
    public_key: Blob,
    key_id: String,
    key_pair_spec: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_for_recipient: Option<Blob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RandomBytes {
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_for_recipient: Option<Blob>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SharedSecret {
    key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_secret: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_for_recipient: Option<Blob>,
    key_agreement_algorithm: &'static str,
    key_origin: &'static str,
}

/// The pairs that a ciphertext is bound to; none and no pairs are the same.
fn binding(pairs: Option<Pairs>) -> Result<Binding> {
    let pairs = pairs.unwrap_or_default();
    let characters: usize = pairs
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if characters > CONTEXT_CHARACTERS {
        return Err(Error::Constraint(
            "EncryptionContext is longer than 8192 characters".into(),
        ));
    }
    Ok(if pairs.is_empty() {
        Binding::None
    } else {
        Binding::Pairs(pairs)
    })
}

/// An encryption context goes with symmetric keys only.
fn fits_binding(key: &Key, binding: &Binding) -> Result<()> {
    match (binding, key.spec.family()) {
        (Binding::None, _) | (_, Family::Symmetric) => Ok(()),
        _ => Err(Error::Constraint(
            "EncryptionContext is for symmetric encryption keys only".into(),
        )),
    }
}

fn algorithm(named: Option<String>) -> String {
    named.unwrap_or_else(|| SYMMETRIC_DEFAULT.to_owned())
}

/// The attestation document of whom the answer is for.
fn document(recipient: Option<Recipient>) -> Result<Option<Vec<u8>>> {
    let Some(recipient) = recipient else {
        return Ok(None);
    };
    match (
        recipient.key_encryption_algorithm.as_deref(),
        recipient.attestation_document,
    ) {
        (Some("RSAES_OAEP_SHA_256"), Some(document)) => Ok(Some(document.0)),
        _ => Err(Error::Constraint(
            "Recipient needs an AttestationDocument and the KeyEncryptionAlgorithm \
             RSAES_OAEP_SHA_256"
                .into(),
        )),
    }
}

/// A secret as the caller gets it: in the clear, or in an envelope for an enclave.
async fn told(
    cx: &mut Context,
    document: Option<Vec<u8>>,
    secret: crate::crypto::secret::Secret,
) -> Result<(Option<Zeroizing<String>>, Option<Blob>)> {
    let attested = match document {
        Some(document) => Some(enclaves::attest(cx, document).await?),
        None => None,
    };
    Ok(spelt(enclaves::tell(cx, attested.as_ref(), secret)?))
}

fn spelt(told: Told) -> (Option<Zeroizing<String>>, Option<Blob>) {
    match told {
        Told::Plain(secret) => (Some(base64_of(&secret)), None),
        Told::Enveloped(envelope) => (None, Some(Blob(envelope))),
    }
}

/// The id of the material that a ciphertext is under; asymmetric ones have none.
async fn id_of(
    cx: &Context,
    key: &Key,
    algorithm: &str,
    ciphertext: &[u8],
) -> Result<Option<String>> {
    match algorithm {
        SYMMETRIC_DEFAULT => material_ids::of_ciphertext(cx, key, ciphertext).await,
        _ => Ok(None),
    }
}

/// `Encrypt`
pub async fn encrypt(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: Encrypt = decode(request, "Encrypt")?;
    let (reference, algorithm) = (asked.key_id.any(cx)?, algorithm(asked.encryption_algorithm));
    let binding = binding(asked.encryption_context)?;
    let (key, ciphertext) = ciphers::encrypt(
        cx,
        &reference,
        &algorithm,
        &binding,
        asked.plaintext.0.expose(),
    )
    .await?;
    fits_binding(&key, &binding)?;
    unless_dry(asked.dry_run, || {
        answer(&Encrypted {
            ciphertext_blob: Blob(ciphertext),
            key_id: arn_of(cx, &key)?,
            encryption_algorithm: algorithm,
        })
    })
}

/// `Decrypt`
pub async fn decrypt(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: Decrypt = decode(request, "Decrypt")?;
    let ciphertext = asked
        .ciphertext_blob
        .ok_or_else(|| Error::Missing("CiphertextBlob".into()))?;
    let document = document(asked.recipient)?;
    let algorithm = algorithm(asked.encryption_algorithm);
    let binding = binding(asked.encryption_context)?;
    let reference = asked.key_id.map(|name| name.any(cx)).transpose()?;
    let (key, plaintext) =
        ciphers::decrypt(cx, reference.as_ref(), &algorithm, &binding, &ciphertext.0).await?;
    fits_binding(&key, &binding)?;
    // Not beside an envelope (contract, section 11.2).
    let key_material_id = match document {
        None => id_of(cx, &key, &algorithm, &ciphertext.0).await?,
        Some(_) => None,
    };
    let (plaintext, ciphertext_for_recipient) = told(cx, document, plaintext).await?;
    unless_dry(asked.dry_run, || {
        answer(&Decrypted {
            key_id: arn_of(cx, &key)?,
            plaintext,
            encryption_algorithm: algorithm,
            ciphertext_for_recipient,
            key_material_id,
        })
    })
}

/// `ReEncrypt`
pub async fn re_encrypt(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ReEncrypt = decode(request, "ReEncrypt")?;
    let ciphertext = asked
        .ciphertext_blob
        .ok_or_else(|| Error::Missing("CiphertextBlob".into()))?;
    let from = algorithm(asked.source_encryption_algorithm);
    let to = algorithm(asked.destination_encryption_algorithm);
    let (from_binding, to_binding) = (
        binding(asked.source_encryption_context)?,
        binding(asked.destination_encryption_context)?,
    );
    let source = asked.source_key_id.map(|name| name.any(cx)).transpose()?;
    let destination = asked.destination_key_id.any(cx)?;
    let (source_key, key, made) = ciphers::re_encrypt(
        cx,
        Side {
            key: source.as_ref(),
            algorithm: &from,
            binding: &from_binding,
        },
        Side {
            key: Some(&destination),
            algorithm: &to,
            binding: &to_binding,
        },
        &ciphertext.0,
    )
    .await?;
    fits_binding(&source_key, &from_binding)?;
    fits_binding(&key, &to_binding)?;
    let source_key_material_id = id_of(cx, &source_key, &from, &ciphertext.0).await?;
    let destination_key_material_id = id_of(cx, &key, &to, &made).await?;
    unless_dry(asked.dry_run, || {
        answer(&ReEncrypted {
            ciphertext_blob: Blob(made),
            source_key_id: arn_of(cx, &source_key)?,
            key_id: arn_of(cx, &key)?,
            source_encryption_algorithm: from,
            destination_encryption_algorithm: to,
            source_key_material_id,
            destination_key_material_id,
        })
    })
}

/// `GenerateDataKey`
pub async fn generate_data_key(cx: &mut Context, request: &Request) -> Result<Reply> {
    data_key(cx, request, "GenerateDataKey", true).await
}

/// `GenerateDataKeyWithoutPlaintext`
pub async fn generate_data_key_without_plaintext(
    cx: &mut Context,
    request: &Request,
) -> Result<Reply> {
    data_key(cx, request, "GenerateDataKeyWithoutPlaintext", false).await
}

async fn data_key(
    cx: &mut Context,
    request: &Request,
    operation: &str,
    shown: bool,
) -> Result<Reply> {
    let asked: GenerateDataKey = decode(request, operation)?;
    let bytes = match (asked.key_spec.as_deref(), asked.number_of_bytes) {
        (Some("AES_256"), None) => 32,
        (Some("AES_128"), None) => 16,
        (None, Some(bytes)) => bytes,
        _ => {
            return Err(Error::Constraint(
                "Please specify either number of bytes or key spec.".into(),
            ));
        }
    };
    let document = document(asked.recipient)?;
    let reference = asked.key_id.any(cx)?;
    let binding = binding(asked.encryption_context)?;
    let (key, data_key, wrapped) =
        ciphers::generate_data_key(cx, &reference, &binding, bytes).await?;
    let key_material_id = material_ids::of_ciphertext(cx, &key, &wrapped).await?;
    let (plaintext, ciphertext_for_recipient) = if shown {
        told(cx, document, data_key).await?
    } else {
        (None, None)
    };
    unless_dry(asked.dry_run, || {
        answer(&NewDataKey {
            ciphertext_blob: Blob(wrapped),
            plaintext,
            key_id: arn_of(cx, &key)?,
            ciphertext_for_recipient,
            key_material_id,
        })
    })
}

/// `GenerateDataKeyPair`
pub async fn generate_pair(cx: &mut Context, request: &Request) -> Result<Reply> {
    pair(cx, request, "GenerateDataKeyPair", true).await
}

/// `GenerateDataKeyPairWithoutPlaintext`
pub async fn generate_pair_without_plaintext(cx: &mut Context, request: &Request) -> Result<Reply> {
    pair(cx, request, "GenerateDataKeyPairWithoutPlaintext", false).await
}

async fn pair(cx: &mut Context, request: &Request, operation: &str, shown: bool) -> Result<Reply> {
    let asked: GenerateDataKeyPair = decode(request, operation)?;
    let kind = match asked.key_pair_spec.as_str() {
        "RSA_2048" => PairKind::Rsa2048,
        "RSA_3072" => PairKind::Rsa3072,
        "RSA_4096" => PairKind::Rsa4096,
        "ECC_NIST_P256" => PairKind::P256,
        "ECC_NIST_P384" => PairKind::P384,
        "ECC_NIST_P521" => PairKind::P521,
        "ECC_SECG_P256K1" => PairKind::Secp256k1,
        "ECC_NIST_EDWARDS25519" => PairKind::Ed25519,
        "ML_KEM_512" => PairKind::MlKem512,
        "ML_KEM_768" => PairKind::MlKem768,
        "ML_KEM_1024" => PairKind::MlKem1024,
        "SM2" => PairKind::Sm2,
        _ => return Err(Error::SpecNotOffered("of that key pair")),
    };
    let document = document(asked.recipient)?;
    let reference = asked.key_id.any(cx)?;
    let binding = binding(asked.encryption_context)?;
    let (key, public, private, wrapped) =
        ciphers::generate_data_key_pair(cx, &reference, &binding, kind, shown).await?;
    let key_material_id = material_ids::of_ciphertext(cx, &key, &wrapped).await?;
    let (private_key_plaintext, ciphertext_for_recipient) = if shown {
        told(cx, document, private).await?
    } else {
        (None, None)
    };
    unless_dry(asked.dry_run, || {
        answer(&NewPair {
            private_key_ciphertext_blob: Blob(wrapped),
            private_key_plaintext,
            public_key: Blob(public),
            key_id: arn_of(cx, &key)?,
            key_pair_spec: asked.key_pair_spec,
            ciphertext_for_recipient,
            key_material_id,
        })
    })
}

/// `GenerateRandom`
pub async fn random(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: GenerateRandom = decode(request, "GenerateRandom")?;
    let bytes = asked
        .number_of_bytes
        .ok_or_else(|| Error::Missing("NumberOfBytes".into()))?;
    let document = document(asked.recipient)?;
    let bytes = ciphers::random(cx, bytes)?;
    let (plaintext, ciphertext_for_recipient) = told(cx, document, bytes).await?;
    answer(&RandomBytes {
        plaintext,
        ciphertext_for_recipient,
    })
}

/// `DeriveSharedSecret`
pub async fn derive_secret(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: DeriveSharedSecret = decode(request, "DeriveSharedSecret")?;
    let document = document(asked.recipient)?;
    let reference = asked.key_id.any(cx)?;
    let (key, told) = agreements::derive(cx, &reference, &asked.public_key.0, document)
        .await
        .map_err(|error| match error {
            // No text: no oracle (contract, section 1.4).
            Error::Invalid { .. } => Error::Constraint(String::new()),
            other => other,
        })?;
    let (shared_secret, ciphertext_for_recipient) = spelt(told);
    unless_dry(asked.dry_run, || {
        answer(&SharedSecret {
            key_id: arn_of(cx, &key)?,
            shared_secret,
            ciphertext_for_recipient,
            key_agreement_algorithm: "ECDH",
            key_origin: origin_name(&key),
        })
    })
}
