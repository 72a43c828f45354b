//! Authenticated encryption under a key that is used once: what blobs are made of.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::secret::Secret;
use super::{CryptoError, sm};

/// The length of an initialization vector in bytes.
pub(super) const IV: usize = 12;
/// The length of a tag in bytes.
pub(super) const TAG: usize = 16;

/// A cipher in Galois/Counter mode (SP 800-38D), 96-bit IV, 128-bit tag.
#[derive(Clone, Copy)]
pub(super) enum Aead {
    /// AES with a key of 32 bytes.
    Aes256Gcm,
    /// SM4 with a key of 16 bytes (RFC 8998).
    Sm4Gcm,
}

impl Aead {
    /// Encrypts `buffer` in place and gives the tag.
    pub(super) fn seal(
        self,
        key: &[u8],
        iv: &[u8; IV],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG], CryptoError> {
        match self {
            Self::Aes256Gcm => aes_256(key)?
                .seal_in_place_separate_tag(
                    Nonce::assume_unique_for_key(*iv),
                    Aad::from(aad),
                    buffer,
                )
                .ok()
                .and_then(|tag| tag.as_ref().try_into().ok())
                .ok_or(CryptoError::Internal("AES-256-GCM")),
            Self::Sm4Gcm => sm::sm4_gcm_seal(key, iv, aad, buffer),
        }
    }

    /// The plaintext, if the tag is right. It is not looked at before (I-31).
    pub(super) fn open(
        self,
        key: &[u8],
        iv: &[u8; IV],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; TAG],
    ) -> Result<Secret, CryptoError> {
        match self {
            Self::Aes256Gcm => {
                let mut plaintext = Zeroizing::new(vec![0; ciphertext.len()]);
                aes_256(key)?
                    .open_separate_gather(
                        Nonce::assume_unique_for_key(*iv),
                        Aad::from(aad),
                        ciphertext,
                        tag,
                        &mut plaintext,
                    )
                    .map_err(|_| CryptoError::Invalid)?;
                Ok(Secret::new(std::mem::take(&mut plaintext)))
            }
            Self::Sm4Gcm => sm::sm4_gcm_open(key, iv, aad, ciphertext, tag),
        }
    }
}

fn aes_256(key: &[u8]) -> Result<LessSafeKey, CryptoError> {
    UnboundKey::new(&AES_256_GCM, key)
        .map(LessSafeKey::new)
        .map_err(|_| CryptoError::Internal("AES-256 key length"))
}
