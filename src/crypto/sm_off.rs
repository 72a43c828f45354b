//! What stands in for SM2, SM3 and SM4 in a build without the feature `sm`: a refusal.

use super::CryptoError;
use super::aead::{IV, TAG};
use super::secret::Secret;
use crate::env::Entropy;

pub(super) const AVAILABLE: bool = false;

type Refused<T> = Result<T, CryptoError>;

pub(super) fn sm3(_: &[&[u8]]) -> Refused<[u8; 32]> {
    Err(CryptoError::Unsupported)
}

pub(super) fn hmac_sm3(_: &[u8], _: &[&[u8]]) -> Refused<[u8; 32]> {
    Err(CryptoError::Unsupported)
}

pub(super) fn sm4_gcm_seal(_: &[u8], _: &[u8; IV], _: &[u8], _: &mut [u8]) -> Refused<[u8; TAG]> {
    Err(CryptoError::Unsupported)
}

pub(super) fn sm4_gcm_open(
    _: &[u8],
    _: &[u8; IV],
    _: &[u8],
    _: &[u8],
    _: &[u8; TAG],
) -> Refused<Secret> {
    Err(CryptoError::Unsupported)
}

pub(super) fn sm4_wrap(_: &[u8], _: &[u8]) -> Refused<Vec<u8>> {
    Err(CryptoError::Unsupported)
}

pub(super) fn sm4_unwrap(_: &[u8], _: &[u8]) -> Refused<Secret> {
    Err(CryptoError::Unsupported)
}

pub(super) fn generate(_: &dyn Entropy) -> Refused<Secret> {
    Err(CryptoError::Unsupported)
}

pub(super) fn normalize(_: &[u8]) -> Refused<Secret> {
    Err(CryptoError::Unsupported)
}

pub(super) fn public_der(_: &Secret) -> Refused<Vec<u8>> {
    Err(CryptoError::Unsupported)
}

pub(super) fn check_public(_: &[u8]) -> Refused<()> {
    Err(CryptoError::Unsupported)
}

pub(super) fn message_digest(_: &[u8], _: &str, _: &[u8]) -> Refused<[u8; 32]> {
    Err(CryptoError::Unsupported)
}

pub(super) fn sign_digest(_: &Secret, _: &[u8]) -> Refused<Vec<u8>> {
    Err(CryptoError::Unsupported)
}

pub(super) fn verify_digest(_: &[u8], _: &[u8], _: &[u8]) -> Refused<bool> {
    Err(CryptoError::Unsupported)
}

pub(super) fn encrypt(_: &[u8], _: &[u8], _: &dyn Entropy) -> Refused<Vec<u8>> {
    Err(CryptoError::Unsupported)
}

pub(super) fn decrypt(_: &Secret, _: &[u8]) -> Refused<Secret> {
    Err(CryptoError::Unsupported)
}

pub(super) fn agree(_: &Secret, _: &[u8]) -> Refused<Secret> {
    Err(CryptoError::Unsupported)
}
