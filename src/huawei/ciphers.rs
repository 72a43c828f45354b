//! Small data, data keys and agreed secrets, as Huawei spells them (contract, sections 4.2 and 4.3).
//!
//! Data is Base64 on the wire, data keys are hexadecimal.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use validator::Validate;
use zeroize::Zeroizing;

use super::keystores::PinText;
use super::wire::{KeyIdText, KeyRefText, NumberText, Sequence, decode};
use crate::crypto::secret::Secret;
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits::{DATA_KEY_BYTES, PLAINTEXT_BYTES};
use crate::model::error::{Error, Result};
use crate::operations::agreements;
use crate::operations::ciphers::{self, Binding, PairKind, SYMMETRIC_DEFAULT, Side};
use crate::operations::enclaves::Told;
use crate::operations::pins;

/// The algorithms that `encryption_algorithm` may name.
const ALGORITHMS: [&str; 3] = [SYMMETRIC_DEFAULT, "RSAES_OAEP_SHA_256", "SM2_ENCRYPT"];
/// Bytes of `additional_authenticated_data` (contract, section 7.3).
const AAD_BYTES: usize = 128;
/// Characters of `encryption_context` as JSON (contract, section 7.3).
const CONTEXT_CHARACTERS: usize = 8192;
/// Characters of a Base64 `cipher_text` (contract, section 7.3).
const CIPHERTEXT_CHARACTERS: std::ops::RangeInclusive<usize> = 128..=5648;

#[derive(Deserialize, Validate)]
struct EncryptData {
    key_id: KeyRefText,
    plain_text: String,
    encryption_algorithm: Option<String>,
    #[serde(flatten)]
    binding: BindingText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct DecryptData {
    cipher_text: String,
    encryption_algorithm: Option<String>,
    key_id: Option<KeyIdText>,
    #[serde(flatten)]
    binding: BindingText,
    #[serde(flatten)]
    pin: PinText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct CreateDataKey {
    key_id: KeyRefText,
    key_spec: Option<String>,
    datakey_length: Option<NumberText>,
    #[serde(flatten)]
    binding: BindingText,
    #[serde(flatten)]
    pin: PinText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct EncryptDataKey {
    key_id: KeyRefText,
    plain_text: String,
    datakey_plain_length: NumberText,
    #[serde(flatten)]
    binding: BindingText,
    #[serde(flatten)]
    pin: PinText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct DecryptDataKey {
    key_id: KeyRefText,
    cipher_text: String,
    datakey_cipher_length: NumberText,
    #[serde(flatten)]
    binding: BindingText,
    #[serde(flatten)]
    pin: PinText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct ReEncrypt {
    source_key_id: Option<KeyIdText>,
    source_additional_authenticated_data: Option<Value>,
    source_encryption_algorithm: Option<String>,
    destination_key_id: KeyIdText,
    destination_additional_authenticated_data: Option<Value>,
    destination_encryption_algorithm: Option<String>,
    cipher_text: String,
}

#[derive(Deserialize, Validate)]
struct CreatePair {
    key_id: KeyIdText,
    key_spec: String,
    with_plain_text: Option<bool>,
    #[serde(flatten)]
    binding: BindingText,
    #[serde(flatten)]
    pin: PinText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct DeriveSecret {
    key_id: KeyIdText,
    key_agreement_algorithm: String,
    public_key: String,
    recipient: Option<Recipient>,
}

/// The enclave that alone may read the answer: an object, and no list of its members' values.
#[derive(Deserialize)]
struct Recipient(Map<String, Value>);

impl Recipient {
    /// The attestation document's bytes.
    fn document(self) -> Result<Vec<u8>> {
        let text = |name: &str| match self.0.get(name) {
            None | Some(Value::Null) => Err(Error::Missing(format!("recipient.{name}"))),
            Some(Value::String(text)) if text.is_empty() => {
                Err(Error::Missing(format!("recipient.{name}")))
            }
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(Error::invalid(
                format!("recipient.{name}"),
                "must be a string",
            )),
        };
        let document = text("attestation_document")?;
        let algorithm = text("key_encryption_algorithm")?;
        if algorithm != "RSAES_OAEP_SHA_256" {
            return Err(Error::invalid(
                "recipient.key_encryption_algorithm",
                "must be RSAES_OAEP_SHA_256",
            ));
        }
        STANDARD
            .decode(document)
            .map_err(|_| Error::AttestationRefused("is not Base64"))
    }
}

#[derive(Deserialize, Validate)]
struct GenerateRandom {
    random_data_length: NumberText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

/// The two spellings of what a ciphertext is bound to: Huawei's text, and the older object of pairs,
/// which some clients send as a text.
#[derive(Deserialize)]
struct BindingText {
    additional_authenticated_data: Option<Value>,
    encryption_context: Option<Value>,
}

impl BindingText {
    fn binding(self) -> Result<Binding> {
        let context = |why: &str| Error::invalid("encryption_context", why);
        match (self.additional_authenticated_data, self.encryption_context) {
            (None, None) => Ok(Binding::None),
            (Some(_), Some(_)) => Err(Error::invalid(
                "additional_authenticated_data",
                "and encryption_context are one thing; give one of them",
            )),
            (Some(Value::String(text)), None) if text.len() <= AAD_BYTES => Ok(Binding::Text(text)),
            (Some(Value::String(_)), None) => Err(Error::invalid(
                "additional_authenticated_data",
                "must be at most 128 bytes",
            )),
            (Some(_), None) => Err(Error::invalid(
                "additional_authenticated_data",
                "must be a string",
            )),
            (None, Some(value)) if value.to_string().len() > CONTEXT_CHARACTERS => {
                Err(context("must be at most 8192 characters"))
            }
            (None, Some(Value::String(text))) => Ok(Binding::Text(text)),
            (None, Some(Value::Object(pairs))) => pairs
                .into_iter()
                .map(|(name, value)| match value {
                    Value::String(value) => Ok((name, value)),
                    _ => Err(context("must hold strings only")),
                })
                .collect::<Result<BTreeMap<_, _>>>()
                .map(Binding::Pairs),
            (None, Some(_)) => Err(context("must be an object of strings")),
        }
    }
}

#[derive(Serialize)]
struct Ciphertext<'k> {
    key_id: &'k str,
    cipher_text: String,
}

#[derive(Serialize)]
struct Plaintext<'k> {
    key_id: &'k str,
    plain_text: Zeroizing<String>,
    plain_text_base64: Zeroizing<String>,
}

#[derive(Serialize)]
struct NewDataKey<'k> {
    key_id: &'k str,
    plain_text: Zeroizing<String>,
    cipher_text: String,
}

#[derive(Serialize)]
struct WrappedDataKey<'k> {
    key_id: &'k str,
    cipher_text: String,
    datakey_length: String,
}

#[derive(Serialize)]
struct UnwrappedDataKey {
    data_key: Zeroizing<String>,
    datakey_length: String,
    datakey_dgst: String,
}

#[derive(Serialize)]
struct ReEncrypted<'k> {
    key_id: &'k str,
    source_key_id: &'k str,
    source_encryption_algorithm: String,
    destination_encryption_algorithm: String,
    cipher_text: String,
}

#[derive(Serialize)]
struct NewPair<'k> {
    key_id: &'k str,
    key_spec: String,
    public_key: String,
    private_key_cipher_text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key_plain_text: Option<Zeroizing<String>>,
}

#[derive(Serialize)]
struct SharedSecret<'k> {
    key_id: &'k str,
    key_agreement_algorithm: &'static str,
    #[serde(flatten)]
    secret: SecretText,
}

/// A secret for the caller, or for an enclave.
#[derive(Serialize)]
enum SecretText {
    #[serde(rename = "shared_secret")]
    Plain(Zeroizing<String>),
    #[serde(rename = "ciphertext_recipient")]
    Enveloped(String),
}

#[derive(Serialize)]
struct RandomData {
    random_data: Zeroizing<String>,
}

/// `POST …/kms/encrypt-data`
pub async fn encrypt(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: EncryptData = decode(request)?;
    let plaintext = Secret::new(asked.plain_text.into_bytes());
    if plaintext.expose().len() > PLAINTEXT_BYTES {
        return Err(Error::invalid(
            "plain_text",
            "must be at most 4096 bytes in UTF-8",
        ));
    }
    let algorithm = algorithm_of(asked.encryption_algorithm)?;
    let binding = asked.binding.binding()?;
    let (key, ciphertext) = ciphers::encrypt(
        cx,
        &asked.key_id.0,
        &algorithm,
        &binding,
        plaintext.expose(),
    )
    .await?;
    Reply::json(
        200,
        &Ciphertext {
            key_id: key.id.as_str(),
            cipher_text: STANDARD.encode(ciphertext),
        },
    )
}

/// `POST …/kms/decrypt-data`
pub async fn decrypt(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: DecryptData = decode(request)?;
    let algorithm = algorithm_of(asked.encryption_algorithm)?;
    // Private halves that a PIN was given for open here.
    let binding = pins::bind(cx, asked.binding.binding()?, asked.pin.pin()?).await?;
    let ciphertext = Some(&asked.cipher_text)
        .filter(|text| CIPHERTEXT_CHARACTERS.contains(&text.len()))
        .and_then(|text| STANDARD.decode(text).ok())
        .ok_or_else(|| Error::invalid("cipher_text", "must be 128 to 5648 characters of Base64"))?;
    let key = asked.key_id.map(|key| key.0);
    let (key, plaintext) =
        ciphers::decrypt(cx, key.as_ref(), &algorithm, &binding, &ciphertext).await?;
    let bytes = plaintext.expose();
    Reply::json(
        200,
        &Plaintext {
            key_id: key.id.as_str(),
            // What is no text has its bytes beside it.
            plain_text: Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()),
            plain_text_base64: Zeroizing::new(STANDARD.encode(bytes)),
        },
    )
}

/// `POST …/kms/create-datakey`
pub async fn create_data_key(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: CreateDataKey = decode(request)?;
    let bytes = data_key_bytes(asked.key_spec.as_deref(), asked.datakey_length.as_ref())?;
    let binding = pins::bind(cx, asked.binding.binding()?, asked.pin.pin()?).await?;
    let (key, data_key, wrapped) =
        ciphers::generate_data_key(cx, &asked.key_id.0, &binding, bytes).await?;
    Reply::json(
        200,
        &NewDataKey {
            key_id: key.id.as_str(),
            plain_text: hex_of(&data_key),
            cipher_text: hex::encode(wrapped),
        },
    )
}

/// `POST …/kms/create-datakey-without-plaintext`
pub async fn create_data_key_without_plaintext(
    cx: &mut Context,
    request: &Request,
) -> Result<Reply> {
    let asked: CreateDataKey = decode(request)?;
    let bytes = data_key_bytes(asked.key_spec.as_deref(), asked.datakey_length.as_ref())?;
    let binding = pins::bind(cx, asked.binding.binding()?, asked.pin.pin()?).await?;
    let (key, _, wrapped) =
        ciphers::generate_data_key(cx, &asked.key_id.0, &binding, bytes).await?;
    Reply::json(
        200,
        &Ciphertext {
            key_id: key.id.as_str(),
            cipher_text: hex::encode(wrapped),
        },
    )
}

/// `POST …/kms/encrypt-datakey`
pub async fn encrypt_data_key(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: EncryptDataKey = decode(request)?;
    let plaintext = hex::decode(&asked.plain_text)
        .map(Secret::new)
        .map_err(|_| Error::invalid("plain_text", "must be hexadecimal"))?;
    let bytes = length_of(&asked.datakey_plain_length, "datakey_plain_length")?;
    let binding = pins::bind(cx, asked.binding.binding()?, asked.pin.pin()?).await?;
    let (key, wrapped) =
        ciphers::wrap_data_key(cx, &asked.key_id.0, &binding, plaintext.expose(), bytes).await?;
    Reply::json(
        200,
        &WrappedDataKey {
            key_id: key.id.as_str(),
            cipher_text: hex::encode(wrapped),
            datakey_length: bytes.to_string(),
        },
    )
}

/// `POST …/kms/decrypt-datakey`
pub async fn decrypt_data_key(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: DecryptDataKey = decode(request)?;
    let wrapped = hex::decode(&asked.cipher_text)
        .map_err(|_| Error::invalid("cipher_text", "must be hexadecimal"))?;
    let bytes = length_of(&asked.datakey_cipher_length, "datakey_cipher_length")?;
    let binding = pins::bind(cx, asked.binding.binding()?, asked.pin.pin()?).await?;
    let (_, data_key, digest) =
        ciphers::unwrap_data_key(cx, &asked.key_id.0, &binding, &wrapped, bytes).await?;
    Reply::json(
        200,
        &UnwrappedDataKey {
            data_key: hex_of(&data_key),
            datakey_length: bytes.to_string(),
            datakey_dgst: hex::encode_upper(digest),
        },
    )
}

/// `POST …/kms/gen-random`
pub async fn random(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: GenerateRandom = decode(request)?;
    let bytes = bytes_of_bits(&asked.random_data_length, "random_data_length")?;
    let data = ciphers::random(cx, bytes)?;
    Reply::json(
        200,
        &RandomData {
            random_data: Zeroizing::new(hex::encode_upper(data.expose())),
        },
    )
}

/// `POST …/kms/re-encrypt`
pub async fn re_encrypt(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ReEncrypt = decode(request)?;
    let algorithm = |named: Option<String>, member: &str| {
        let name = named.unwrap_or_else(|| SYMMETRIC_DEFAULT.to_owned());
        if ALGORITHMS.contains(&name.as_str()) || name == "RSAES_OAEP_SHA_1" {
            Ok(name)
        } else {
            Err(Error::invalid(
                member,
                "is none of the encryption algorithms",
            ))
        }
    };
    let binding = |text: Option<Value>, member: &str| match text {
        None => Ok(Binding::None),
        Some(Value::String(text)) if text.len() <= AAD_BYTES => Ok(Binding::Text(text)),
        Some(_) => Err(Error::invalid(member, "must be text of at most 128 bytes")),
    };
    let from = algorithm(
        asked.source_encryption_algorithm,
        "source_encryption_algorithm",
    )?;
    let to = algorithm(
        asked.destination_encryption_algorithm,
        "destination_encryption_algorithm",
    )?;
    let from_binding = binding(
        asked.source_additional_authenticated_data,
        "source_additional_authenticated_data",
    )?;
    let to_binding = binding(
        asked.destination_additional_authenticated_data,
        "destination_additional_authenticated_data",
    )?;
    // Data keys are hexadecimal and stay so, data is Base64 (contract, section 4.3). No Base64 of
    // ours is hexadecimal by chance: it begins with an S.
    let as_hex = hex::decode(&asked.cipher_text).ok();
    let is_hex = as_hex.is_some();
    let ciphertext = as_hex
        .or_else(|| STANDARD.decode(&asked.cipher_text).ok())
        .ok_or_else(|| Error::invalid("cipher_text", "must be Base64 or hexadecimal"))?;
    let source = Side {
        key: asked.source_key_id.as_ref().map(|key| &key.0),
        algorithm: &from,
        binding: &from_binding,
    };
    let destination = Side {
        key: Some(&asked.destination_key_id.0),
        algorithm: &to,
        binding: &to_binding,
    };
    let (source_key, key, ciphertext) =
        ciphers::re_encrypt(cx, source, destination, &ciphertext).await?;
    Reply::json(
        200,
        &ReEncrypted {
            key_id: key.id.as_str(),
            source_key_id: source_key.id.as_str(),
            source_encryption_algorithm: from,
            destination_encryption_algorithm: to,
            cipher_text: if is_hex {
                hex::encode(ciphertext)
            } else {
                STANDARD.encode(ciphertext)
            },
        },
    )
}

/// `POST …/kms/create-rsa-datakey-pair`
pub async fn create_rsa_pair(cx: &mut Context, request: &Request) -> Result<Reply> {
    create_pair(cx, request, |spec| match spec {
        "RSA_2048" => Some(PairKind::Rsa2048),
        "RSA_3072" => Some(PairKind::Rsa3072),
        "RSA_4096" => Some(PairKind::Rsa4096),
        _ => None,
    })
    .await
}

/// `POST …/kms/create-ec-datakey-pair`
pub async fn create_ec_pair(cx: &mut Context, request: &Request) -> Result<Reply> {
    create_pair(cx, request, |spec| match spec {
        "ECC_NIST_P256" => Some(PairKind::P256),
        "ECC_NIST_P384" => Some(PairKind::P384),
        "ECC_NIST_P521" => Some(PairKind::P521),
        "ECC_SECG_P256K1" => Some(PairKind::Secp256k1),
        "SM2" => Some(PairKind::Sm2),
        _ => None,
    })
    .await
}

async fn create_pair(
    cx: &mut Context,
    request: &Request,
    kind: fn(&str) -> Option<PairKind>,
) -> Result<Reply> {
    let asked: CreatePair = decode(request)?;
    let kind = kind(&asked.key_spec)
        .ok_or_else(|| Error::invalid("key_spec", "is no key pair that this call makes"))?;
    let binding = pins::bind(cx, asked.binding.binding()?, asked.pin.pin()?).await?;
    let (key, public, private, wrapped) =
        ciphers::generate_data_key_pair(cx, &asked.key_id.0, &binding, kind, true).await?;
    Reply::json(
        200,
        &NewPair {
            key_id: key.id.as_str(),
            key_spec: asked.key_spec,
            public_key: STANDARD.encode(public),
            private_key_cipher_text: STANDARD.encode(wrapped),
            private_key_plain_text: asked
                .with_plain_text
                .unwrap_or(true)
                .then(|| Zeroizing::new(STANDARD.encode(private.expose()))),
        },
    )
}

/// `POST …/kms/derive-shared-secret`
pub async fn derive_secret(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: DeriveSecret = decode(request)?;
    if asked.key_agreement_algorithm != "ECDH" {
        return Err(Error::invalid("key_agreement_algorithm", "must be ECDH"));
    }
    let document = asked.recipient.map(Recipient::document).transpose()?;
    let peer = STANDARD
        .decode(&asked.public_key)
        .map_err(|_| Error::invalid("public_key", "must be Base64"))?;
    let (key, told) = agreements::derive(cx, &asked.key_id.0, &peer, document).await?;
    Reply::json(
        200,
        &SharedSecret {
            key_id: key.id.as_str(),
            key_agreement_algorithm: "ECDH",
            secret: match told {
                Told::Plain(secret) => {
                    SecretText::Plain(Zeroizing::new(STANDARD.encode(secret.expose())))
                }
                Told::Enveloped(envelope) => SecretText::Enveloped(STANDARD.encode(envelope)),
            },
        },
    )
}

fn hex_of(secret: &Secret) -> Zeroizing<String> {
    Zeroizing::new(hex::encode(secret.expose()))
}

fn algorithm_of(named: Option<String>) -> Result<String> {
    let name = named.unwrap_or_else(|| SYMMETRIC_DEFAULT.to_owned());
    if ALGORITHMS.contains(&name.as_str()) {
        Ok(name)
    } else {
        Err(Error::invalid(
            "encryption_algorithm",
            format!("must be {}", ALGORITHMS.join(", ")),
        ))
    }
}

/// A data key's length in bytes: `datakey_length` in bits, or else the size of `key_spec`.
fn data_key_bytes(spec: Option<&str>, bits: Option<&NumberText>) -> Result<usize> {
    match (bits, spec) {
        (Some(bits), _) => bytes_of_bits(bits, "datakey_length"),
        (None, None | Some("AES_256" | "HMAC_256" | "HMAC_SM3")) => Ok(32),
        (None, Some("AES_128" | "SM4")) => Ok(16),
        (None, Some("HMAC_384")) => Ok(48),
        (None, Some("HMAC_512")) => Ok(64),
        (None, Some(_)) => Err(Error::invalid(
            "key_spec",
            "must be AES_256, AES_128, SM4, HMAC_256, HMAC_384, HMAC_512 or HMAC_SM3",
        )),
    }
}

fn bytes_of_bits(bits: &NumberText, member: &'static str) -> Result<usize> {
    let most = DATA_KEY_BYTES * 8;
    let bits = bits
        .number()
        .filter(|bits| (8..=most).contains(bits))
        .ok_or_else(|| Error::invalid(member, format!("must be a number of bits, 8 to {most}")))?;
    if bits % 8 != 0 {
        return Err(Error::NotWholeBytes(member));
    }
    usize::try_from(bits / 8).map_err(|_| Error::invalid(member, "is too large"))
}

fn length_of(bytes: &NumberText, member: &'static str) -> Result<usize> {
    bytes
        .number()
        .filter(|bytes| (1..=DATA_KEY_BYTES).contains(bytes))
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| {
            Error::invalid(
                member,
                format!("must be a number of bytes, 1 to {DATA_KEY_BYTES}"),
            )
        })
}
