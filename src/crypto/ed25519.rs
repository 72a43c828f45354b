//! Ed25519 (RFC 8032): signatures of 64 bytes.
//!
//! Pure Ed25519 is the library's; Ed25519ph, which it lacks, is `ed25519-dalek`'s. Private keys are
//! PKCS#8 DER (RFC 8410), public keys SubjectPublicKeyInfo DER.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use ed25519_dalek::ed25519::signature::digest::consts::U64;
use ed25519_dalek::ed25519::signature::digest::{
    FixedOutput, HashMarker, Output, OutputSizeUser, Update,
};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};

use super::CryptoError;
use super::der::one_sequence;
use super::secret::Secret;

/// What stands before the seed in a private key of version 1, and before a public key.
const PRIVATE_FRAME: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];
const PUBLIC_FRAME: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// A new private key.
pub(super) fn generate() -> Result<Secret, CryptoError> {
    Ed25519KeyPair::generate()
        .map_err(|_| CryptoError::Internal("Ed25519 key generation"))
        .and_then(|pair| encode(&pair))
}

/// The same private key in the one encoding that is kept; a public half, where given, must fit.
pub(super) fn normalize(pkcs8: &[u8]) -> Result<Secret, CryptoError> {
    encode(&parse(one_sequence(pkcs8)?)?)
}

/// The public half of a private key.
pub(super) fn public_der(pkcs8: &Secret) -> Result<Vec<u8>, CryptoError> {
    parse(pkcs8.expose())?
        .public_key()
        .as_der()
        .map(|der| der.as_ref().to_vec())
        .map_err(|_| CryptoError::Internal("Ed25519 public key"))
}

/// Whether this is a public key, a point on the curve.
pub(super) fn check_public(spki: &[u8]) -> Result<(), CryptoError> {
    verifying(spki).map(drop)
}

/// A signature of the message itself.
pub(super) fn sign(pkcs8: &Secret, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
    parse(pkcs8.expose())?
        .try_sign(message)
        .map(|signature| signature.as_ref().to_vec())
        .map_err(|_| CryptoError::Internal("Ed25519 signature"))
}

/// Whether `signature` is one of the message itself.
pub(super) fn verify(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<bool, CryptoError> {
    let key = UnparsedPublicKey::new(&ED25519, public_raw(spki)?);
    Ok(key.verify(message, signature).is_ok())
}

/// An Ed25519ph signature, without context, of a message by its SHA-512 digest.
pub(super) fn sign_ph(pkcs8: &Secret, digest: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let digest = Given::new(digest)?;
    let seed = pkcs8.expose().strip_prefix(&PRIVATE_FRAME);
    let seed = seed.and_then(|seed| seed.first_chunk::<32>());
    SigningKey::from_bytes(seed.ok_or(CryptoError::Invalid)?)
        .sign_prehashed(digest, None)
        .map(|signature| signature.to_bytes().to_vec())
        .map_err(|_| CryptoError::Internal("Ed25519ph signature"))
}

/// Whether `signature` is an Ed25519ph signature, without context, of a SHA-512 digest.
pub(super) fn verify_ph(spki: &[u8], digest: &[u8], signature: &[u8]) -> Result<bool, CryptoError> {
    let digest = Given::new(digest)?;
    let key = verifying(spki)?;
    Ok(Signature::from_slice(signature)
        .and_then(|signature| key.verify_prehashed_strict(digest, None, &signature))
        .is_ok())
}

fn parse(pkcs8: &[u8]) -> Result<Ed25519KeyPair, CryptoError> {
    Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| CryptoError::Invalid)
}

fn encode(pair: &Ed25519KeyPair) -> Result<Secret, CryptoError> {
    pair.to_pkcs8v1()
        .map(|document| Secret::from_slice(document.as_ref()))
        .map_err(|_| CryptoError::Internal("Ed25519 private key"))
}

fn public_raw(spki: &[u8]) -> Result<&[u8; 32], CryptoError> {
    spki.strip_prefix(&PUBLIC_FRAME)
        .and_then(|key| key.try_into().ok())
        .ok_or(CryptoError::Invalid)
}

fn verifying(spki: &[u8]) -> Result<VerifyingKey, CryptoError> {
    VerifyingKey::from_bytes(public_raw(spki)?).map_err(|_| CryptoError::Invalid)
}

/// A finished digest where `ed25519-dalek` expects a hash function to finish.
struct Given([u8; 64]);

impl Given {
    /// A digest of exactly 64 bytes.
    fn new(digest: &[u8]) -> Result<Self, CryptoError> {
        digest
            .try_into()
            .map(Self)
            .map_err(|_| CryptoError::Invalid)
    }
}

// What follows is what the trait `Digest` is made of. The library only ever calls `finalize_into`.

impl HashMarker for Given {}

impl OutputSizeUser for Given {
    type OutputSize = U64;
}

impl Default for Given {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl Update for Given {
    fn update(&mut self, _: &[u8]) {}
}

impl FixedOutput for Given {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(&self.0);
    }
}
