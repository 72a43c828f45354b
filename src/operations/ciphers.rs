//! Small data under a key, and data keys wrapped by it.

use std::collections::BTreeMap;

use super::fit;
use crate::crypto::algorithm::EncryptionAlgorithm;
use crate::crypto::blob::{self, BoundContext, Header, Place};
use crate::crypto::digest::DigestAlgorithm;
use crate::crypto::material::{Material, MaterialKind};
use crate::crypto::secret::Secret;
use crate::crypto::{CryptoError, asymmetric};
use crate::kms::{Context, Note, material_kind};
use crate::model::action::Action;
use crate::model::error::{Error, Result};
use crate::model::grant::{GrantOperation, Pairs};
use crate::model::ids::KeyId;
use crate::model::key::{Key, KeyRef};
use crate::model::spec::{Family, KeySpec};

/// What a ciphertext is bound to beside its key: it opens with the same only.
#[derive(Clone, Debug, Default)]
pub enum Binding {
    /// Nothing.
    #[default]
    None,
    /// A text.
    Text(String),
    /// Names and values, in any order.
    Pairs(BTreeMap<String, String>),
    /// A PIN, and whatever else.
    Pinned {
        /// The SHA-256 of the PIN.
        digest: [u8; 32],
        /// What else.
        beside: Box<Binding>,
    },
}

impl Binding {
    /// The names and values among it.
    fn pairs(&self) -> Pairs {
        match self {
            Binding::None | Binding::Text(_) => Pairs::new(),
            Binding::Pairs(pairs) => pairs.clone(),
            Binding::Pinned { beside, .. } => beside.pairs(),
        }
    }

    fn context(&self) -> BoundContext {
        match self {
            Binding::None => BoundContext::none(),
            Binding::Text(text) => BoundContext::text(text),
            Binding::Pairs(pairs) => BoundContext::object(pairs),
            Binding::Pinned { digest, beside } => beside.context().with_pin(digest),
        }
    }
}

/// The name of the one algorithm of symmetric keys.
pub const SYMMETRIC_DEFAULT: &str = "SYMMETRIC_DEFAULT";

/// Encrypts at most 4096 bytes; less with an RSA key.
///
/// # Errors
/// [`Error::UnfitKey`], [`Error::UnfitAlgorithm`], [`Error::PlaintextTooLong`].
pub async fn encrypt(
    cx: &mut Context,
    key: &KeyRef,
    algorithm: &str,
    binding: &Binding,
    plaintext: &[u8],
) -> Result<(Key, Vec<u8>)> {
    cx.uses_under(binding.pairs());
    let part = match cx.action() {
        Action::ReEncrypt => GrantOperation::ReEncryptTo,
        _ => GrantOperation::Encrypt,
    };
    let key = cx.key_for(part, key).await?;
    fit::must_encrypt(&key)?;
    let ciphertext = match key.spec.family() {
        Family::Symmetric if algorithm == SYMMETRIC_DEFAULT => {
            seal(cx, &key, binding, plaintext).await?
        }
        Family::Symmetric | Family::Mac => return Err(unfit_algorithm(&key)),
        Family::Asymmetric => {
            let algorithm = asymmetric_algorithm(&key, algorithm)?;
            let most = material_kind(key.spec)
                .max_plaintext(algorithm)
                .unwrap_or(0);
            if plaintext.len() > most {
                return Err(Error::PlaintextTooLong(most));
            }
            let material = cx.material(&key, current(&key)?).await?;
            asymmetric::encrypt(&material, algorithm, plaintext, cx.env().entropy())
                .map_err(fault)?
        }
    };
    Ok((key, ciphertext))
}

/// Decrypts. A symmetric ciphertext names its key; an asymmetric one does not, so the caller must.
///
/// # Errors
/// [`Error::InvalidCiphertext`] whatever is wrong with it, [`Error::KeyNotFound`] when its key is
/// not the caller's.
pub async fn decrypt(
    cx: &mut Context,
    key: Option<&KeyRef>,
    algorithm: &str,
    binding: &Binding,
    ciphertext: &[u8],
) -> Result<(Key, Secret)> {
    if algorithm == SYMMETRIC_DEFAULT {
        let named = match key {
            Some(KeyRef::Id(id) | KeyRef::Of(_, id)) => Some(id.clone()),
            Some(alias) => Some(cx.key_for(decrypting(cx), alias).await?.id),
            None => None,
        };
        let (key, plaintext) = open(cx, binding, ciphertext).await?;
        if named.is_some_and(|id| id != key.id) {
            return Err(Error::IncorrectKey);
        }
        return Ok((key, plaintext));
    }
    let key = key.ok_or_else(|| Error::Missing("key_id".into()))?;
    cx.uses_under(binding.pairs());
    let key = cx.key_for(decrypting(cx), key).await?;
    fit::must_encrypt(&key)?;
    let algorithm = asymmetric_algorithm(&key, algorithm)?;
    let material = cx.material(&key, current(&key)?).await?;
    let plaintext = cx
        .kms()
        .compute(material, ciphertext, move |material, ciphertext| {
            asymmetric::decrypt(material, algorithm, ciphertext)
        })
        .await?
        .map_err(|_| Error::InvalidCiphertext)?;
    Ok((key, plaintext))
}

/// One side of [`re_encrypt`].
pub struct Side<'a> {
    /// The key; a symmetric ciphertext names its own.
    pub key: Option<&'a KeyRef>,
    /// The name of the algorithm.
    pub algorithm: &'a str,
    /// What the ciphertext is bound to.
    pub binding: &'a Binding,
}

/// Decrypts with one key and encrypts with another; the plaintext stays inside. To whom the keys
/// are granted, the one must be for decrypting and the other for encrypting. Gives the key that
/// had encrypted, the one that has now, and the new ciphertext.
///
/// # Errors
/// As [`decrypt`] and [`encrypt`].
pub async fn re_encrypt(
    cx: &mut Context,
    source: Side<'_>,
    destination: Side<'_>,
    ciphertext: &[u8],
) -> Result<(Key, Key, Vec<u8>)> {
    let (from, plaintext) =
        decrypt(cx, source.key, source.algorithm, source.binding, ciphertext).await?;
    let to = destination
        .key
        .ok_or_else(|| Error::Missing("destination_key_id".into()))?;
    let used = cx.noted();
    cx.note(format!("from {}", from.id));
    let (to, ciphertext) = encrypt(
        cx,
        to,
        destination.algorithm,
        destination.binding,
        plaintext.expose(),
    )
    .await?;
    // The call's record is of the key that encrypts in the end.
    if from.id != to.id {
        cx.note_beside(Note {
            detail: format!("to {}", to.id),
            ..used
        });
    }
    Ok((from, to, ciphertext))
}

/// A new key pair: its public half (SubjectPublicKeyInfo, DER), its private half (PKCS#8, DER) and
/// the private half wrapped. Whoever shows the private half says so: it can be granted without.
///
/// # Errors
/// [`Error::UnfitKey`]; [`Error::SpecNotOffered`] when this build cannot make such a pair.
pub async fn generate_data_key_pair(
    cx: &mut Context,
    key: &KeyRef,
    binding: &Binding,
    kind: PairKind,
    shown: bool,
) -> Result<(Key, Vec<u8>, Secret, Vec<u8>)> {
    cx.uses_under(binding.pairs());
    let part = match shown {
        true => GrantOperation::GenerateDataKeyPair,
        false => GrantOperation::GenerateDataKeyPairWithoutPlaintext,
    };
    let key = cx.key_for(part, key).await?;
    fit::must_wrap(&key)?;
    let kind = kind.material();
    if !kind.is_supported() {
        return Err(Error::SpecNotOffered(kind.name()));
    }
    let env = cx.env().clone();
    let pair = cx
        .kms()
        .slowly(move || Material::generate(kind, env.entropy()))
        .await?
        .map_err(fault)?;
    let public = pair.public_key_der().map_err(fault)?;
    let private = pair.into_data_key();
    let wrapped = seal(cx, &key, binding, private.expose()).await?;
    Ok((key, public, private, wrapped))
}

/// What kind of key pair to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairKind {
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// The NIST curve P-256.
    P256,
    /// The NIST curve P-384.
    P384,
    /// The NIST curve P-521.
    P521,
    /// The SECG curve secp256k1.
    Secp256k1,
    /// Edwards curve 25519.
    Ed25519,
    /// ML-KEM-512.
    MlKem512,
    /// ML-KEM-768.
    MlKem768,
    /// ML-KEM-1024.
    MlKem1024,
    /// SM2.
    Sm2,
}

impl PairKind {
    const fn material(self) -> MaterialKind {
        match self {
            PairKind::Rsa2048 => MaterialKind::Rsa2048,
            PairKind::Rsa3072 => MaterialKind::Rsa3072,
            PairKind::Rsa4096 => MaterialKind::Rsa4096,
            PairKind::P256 => MaterialKind::EcP256,
            PairKind::P384 => MaterialKind::EcP384,
            PairKind::P521 => MaterialKind::EcP521,
            PairKind::Secp256k1 => MaterialKind::Secp256k1,
            PairKind::Ed25519 => MaterialKind::Ed25519,
            PairKind::MlKem512 => MaterialKind::MlKem512,
            PairKind::MlKem768 => MaterialKind::MlKem768,
            PairKind::MlKem1024 => MaterialKind::MlKem1024,
            PairKind::Sm2 => MaterialKind::Sm2,
        }
    }
}

/// A new data key of so many bytes, with its wrapped form.
///
/// # Errors
/// [`Error::UnfitKey`].
pub async fn generate_data_key(
    cx: &mut Context,
    key: &KeyRef,
    binding: &Binding,
    bytes: usize,
) -> Result<(Key, Secret, Vec<u8>)> {
    cx.uses_under(binding.pairs());
    let key = cx.key(key).await?;
    fit::must_wrap(&key)?;
    let data_key = Secret::random(cx.env().entropy(), bytes);
    let wrapped = seal(cx, &key, binding, data_key.expose()).await?;
    Ok((key, data_key, wrapped))
}

/// Wraps a data key that the caller has and that is followed by its digest.
///
/// # Errors
/// [`Error::UnfitKey`], [`Error::DataKeyLength`], [`Error::DataKeyDigest`].
pub async fn wrap_data_key(
    cx: &mut Context,
    key: &KeyRef,
    binding: &Binding,
    data_key_and_digest: &[u8],
    stated_bytes: usize,
) -> Result<(Key, Vec<u8>)> {
    cx.uses_under(binding.pairs());
    let key = cx.key(key).await?;
    fit::must_wrap(&key)?;
    let (data_key, digest) = data_key_and_digest
        .split_at_checked(stated_bytes)
        .filter(|(_, digest)| digest.len() == digest_algorithm(&key).output_len())
        .ok_or(Error::DataKeyLength)?;
    if digest_algorithm(&key).digest(data_key).map_err(fault)? != digest {
        return Err(Error::DataKeyDigest);
    }
    let wrapped = seal(cx, &key, binding, data_key).await?;
    Ok((key, wrapped))
}

/// Unwraps a data key, which must be so many bytes long; gives it with its digest.
///
/// # Errors
/// [`Error::InvalidCiphertext`], [`Error::DataKeyLength`].
pub async fn unwrap_data_key(
    cx: &mut Context,
    key: &KeyRef,
    binding: &Binding,
    wrapped: &[u8],
    stated_bytes: usize,
) -> Result<(Key, Secret, Vec<u8>)> {
    cx.uses_under(binding.pairs());
    let key = cx.key(key).await?;
    fit::must_wrap(&key)?;
    let header = header(cx, wrapped)?;
    if header.key_id() != key.id.as_str() {
        return Err(Error::InvalidCiphertext);
    }
    let data_key = open_with(cx, &key, &header, binding, wrapped).await?;
    if data_key.expose().len() != stated_bytes {
        return Err(Error::DataKeyLength);
    }
    let digest = digest_algorithm(&key)
        .digest(data_key.expose())
        .map_err(fault)?;
    Ok((key, data_key, digest))
}

/// So many random bytes.
///
/// # Errors
/// [`Error::Forbidden`].
pub fn random(cx: &mut Context, bytes: usize) -> Result<Secret> {
    cx.permit()?;
    Ok(Secret::random(cx.env().entropy(), bytes))
}

async fn seal(cx: &Context, key: &Key, binding: &Binding, plaintext: &[u8]) -> Result<Vec<u8>> {
    seal_bound(cx, key, &binding.context(), plaintext).await
}

/// Seals under a key's newest material, for one context.
pub(super) async fn seal_bound(
    cx: &Context,
    key: &Key,
    context: &BoundContext,
    plaintext: &[u8],
) -> Result<Vec<u8>> {
    let version = current(key)?;
    let material = cx.material(key, version).await?;
    let (project, key_id) = (key.bound_project().clone(), key.id.clone());
    let (kms, context) = (cx.kms().clone(), context.clone());
    let seal = move |material: &Material, plaintext: &[u8]| {
        let place = Place {
            deployment: kms.deployment_id(),
            project: project.as_str(),
            key_id: key_id.as_str(),
            key_version: version,
        };
        blob::seal(material, &place, &context, plaintext, kms.env().entropy())
    };
    let sealed = cx.kms().compute(material, plaintext, seal).await?;
    sealed.map_err(fault)
}

/// What of decrypting a grant must open.
fn decrypting(cx: &Context) -> GrantOperation {
    match cx.action() {
        Action::ReEncrypt => GrantOperation::ReEncryptFrom,
        _ => GrantOperation::Decrypt,
    }
}

async fn open(cx: &mut Context, binding: &Binding, ciphertext: &[u8]) -> Result<(Key, Secret)> {
    let header = header(cx, ciphertext)?;
    let id = KeyId::parse(header.key_id()).map_err(|_| Error::InvalidCiphertext)?;
    cx.uses_under(binding.pairs());
    let key = cx.key_for(decrypting(cx), &KeyRef::Id(id)).await?;
    fit::must_encrypt(&key)?;
    let plaintext = open_with(cx, &key, &header, binding, ciphertext).await?;
    Ok((key, plaintext))
}

/// Reads a blob's header. That a blob is of another deployment is for the operator to know, who may
/// have pointed a client at the wrong one; the client's refusal says nothing of it.
fn header(cx: &Context, ciphertext: &[u8]) -> Result<Header> {
    let header = Header::parse(ciphertext).map_err(|_| Error::InvalidCiphertext)?;
    if !header.hints_at(cx.kms().deployment_id()) {
        tracing::info!(
            key = header.key_id(),
            "a ciphertext came that seems to be of another deployment"
        );
    }
    Ok(header)
}

async fn open_with(
    cx: &Context,
    key: &Key,
    header: &Header,
    binding: &Binding,
    ciphertext: &[u8],
) -> Result<Secret> {
    open_bound(cx, key, header, &binding.context(), ciphertext).await
}

/// Opens what [`seal_bound`] made with the same key and context.
///
/// # Errors
/// [`Error::InvalidCiphertext`].
pub(super) async fn open_bound(
    cx: &Context,
    key: &Key,
    header: &Header,
    context: &BoundContext,
    ciphertext: &[u8],
) -> Result<Secret> {
    let material = cx.material(key, header.key_version()).await?;
    let project = key.bound_project().clone();
    let (kms, context) = (cx.kms().clone(), context.clone());
    let open = move |material: &Material, blob: &[u8]| {
        let deployment = kms.deployment_id();
        blob::open(material, deployment, project.as_str(), &context, blob)
    };
    let opened = cx.kms().compute(material, ciphertext, open).await?;
    opened.map_err(|_| Error::InvalidCiphertext)
}

/// The version that new ciphertexts use. An enabled key has one; the schema says so too.
pub(super) fn current(key: &Key) -> Result<u32> {
    key.current_version
        .ok_or_else(|| Error::Internal(format!("key {} has no material", key.id)))
}

fn asymmetric_algorithm(key: &Key, name: &str) -> Result<EncryptionAlgorithm> {
    EncryptionAlgorithm::from_name(name)
        .filter(|algorithm| {
            material_kind(key.spec)
                .encryption_algorithms()
                .contains(algorithm)
        })
        .ok_or_else(|| unfit_algorithm(key))
}

fn unfit_algorithm(key: &Key) -> Error {
    Error::UnfitAlgorithm("encryption_algorithm", key.spec.family())
}

/// Data keys under SM4 have SM3 digests, others SHA-256 (contract, section 4.2).
fn digest_algorithm(key: &Key) -> DigestAlgorithm {
    match key.spec {
        KeySpec::Sm4 => DigestAlgorithm::Sm3,
        _ => DigestAlgorithm::Sha256,
    }
}

/// What the crypto box refuses after all was checked is a fault of ours.
pub(super) fn fault(error: CryptoError) -> Error {
    Error::Internal(error.to_string())
}
