//! Bringing key material in: what customers wrap it with, and how it is unwrapped.
//!
//! A key pair is made for one import and its public half handed out. A symmetric key comes encrypted
//! under it. A private key is too long for that and comes wrapped under a temporary key
//! (RFC 5649, initial value `A65959A6`), which in turn comes encrypted. What comes out is not
//! checked here; [`Material::import`] does.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use zeroize::Zeroizing;

use super::algorithm::{EncryptionAlgorithm, names};
use super::asymmetric;
use super::material::{Material, MaterialKind};
use super::secret::Secret;
use super::{CryptoError, sm};

/// How material is wrapped on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrappingAlgorithm {
    /// Encrypted with RSA OAEP, SHA-1.
    RsaOaepSha1,
    /// Encrypted with RSA OAEP, SHA-256.
    RsaOaepSha256,
    /// A temporary AES-256 key encrypted with RSA OAEP, SHA-1, then the material wrapped under it.
    RsaAesKeyWrapSha1,
    /// The same with SHA-256.
    RsaAesKeyWrapSha256,
    /// Encrypted with SM2.
    Sm2,
}

names!(
    WrappingAlgorithm,
    5,
    RsaOaepSha1 = "RSAES_OAEP_SHA_1",
    RsaOaepSha256 = "RSAES_OAEP_SHA_256",
    RsaAesKeyWrapSha1 = "RSA_AES_KEY_WRAP_SHA_1",
    RsaAesKeyWrapSha256 = "RSA_AES_KEY_WRAP_SHA_256",
    Sm2 = "SM2_ENCRYPT",
);

impl WrappingAlgorithm {
    /// Whether a key pair of this kind wraps with it.
    pub fn fits(self, pair: MaterialKind) -> bool {
        pair.is_asymmetric() && pair.encryption_algorithms().contains(&self.encryption())
    }

    /// The temporary key under which a private key comes beside, in Huawei's dialect.
    pub const fn temporary_key(self) -> KeyWrap {
        match self {
            Self::Sm2 => KeyWrap::Sm4,
            _ => KeyWrap::Aes256,
        }
    }

    const fn encryption(self) -> EncryptionAlgorithm {
        match self {
            Self::RsaOaepSha1 | Self::RsaAesKeyWrapSha1 => EncryptionAlgorithm::RsaOaepSha1,
            Self::RsaOaepSha256 | Self::RsaAesKeyWrapSha256 => EncryptionAlgorithm::RsaOaepSha256,
            Self::Sm2 => EncryptionAlgorithm::Sm2,
        }
    }

    /// Whether both steps come in one piece: a temporary key, and the material wrapped under it.
    pub const fn has_two_steps(self) -> bool {
        matches!(self, Self::RsaAesKeyWrapSha1 | Self::RsaAesKeyWrapSha256)
    }
}

/// What came in wrapped under a pair's public half.
///
/// For the two-step algorithms `wrapped` is both steps in one, as AWS defines it: the encrypted
/// temporary key, as long as the modulus, then the wrapped material.
///
/// # Errors
/// [`CryptoError::Unsupported`] when the algorithm does not fit the pair, [`CryptoError::Invalid`]
/// for everything that does not unwrap.
pub fn unwrap(
    pair: &Material,
    algorithm: WrappingAlgorithm,
    wrapped: &[u8],
) -> Result<Secret, CryptoError> {
    if !algorithm.fits(pair.kind()) {
        return Err(CryptoError::Unsupported);
    }
    if !algorithm.has_two_steps() {
        return asymmetric::decrypt(pair, algorithm.encryption(), wrapped);
    }
    let (temporary, material) = wrapped
        .split_at_checked(modulus_len(pair.kind()))
        .ok_or(CryptoError::Invalid)?;
    let temporary = asymmetric::decrypt(pair, algorithm.encryption(), temporary)?;
    KeyWrap::Aes256.unwrap(&temporary, material)
}

fn modulus_len(kind: MaterialKind) -> usize {
    match kind {
        MaterialKind::Rsa2048 => 256,
        MaterialKind::Rsa3072 => 384,
        MaterialKind::Rsa4096 => 512,
        _ => 0,
    }
}

/// Key wrap with padding (RFC 5649, SP 800-38F): eight bytes and the padding longer than the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyWrap {
    /// Over AES-256, under a key of 32 bytes.
    Aes256,
    /// The same over SM4, under a key of 16 bytes.
    Sm4,
}

impl KeyWrap {
    /// The length in bytes of the key that wraps.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes256 => 32,
            Self::Sm4 => 16,
        }
    }

    /// Wraps at least one byte.
    ///
    /// # Errors
    /// [`CryptoError::Invalid`] when the key has the wrong length or there is nothing to wrap,
    /// [`CryptoError::Unsupported`] for SM4 in a build without it.
    pub fn wrap(self, key: &Secret, bytes: &Secret) -> Result<Vec<u8>, CryptoError> {
        let bytes = bytes.expose();
        match self {
            Self::Sm4 => sm::sm4_wrap(key.expose(), bytes),
            Self::Aes256 => {
                let mut wrapped = vec![0; bytes.len().next_multiple_of(8).saturating_add(8)];
                aes_kek(key)?
                    .wrap_with_padding(bytes, &mut wrapped)
                    .map(|wrapped| wrapped.to_vec())
                    .map_err(|_| CryptoError::Invalid)
            }
        }
    }

    /// Opens what [`Self::wrap`] made with the same key.
    ///
    /// # Errors
    /// [`CryptoError::Invalid`] for everything else, [`CryptoError::Unsupported`] for SM4 in a
    /// build without it.
    pub fn unwrap(self, key: &Secret, wrapped: &[u8]) -> Result<Secret, CryptoError> {
        match self {
            Self::Sm4 => sm::sm4_unwrap(key.expose(), wrapped),
            Self::Aes256 => {
                let mut buffer = Zeroizing::new(vec![0; wrapped.len()]);
                aes_kek(key)?
                    .unwrap_with_padding(wrapped, &mut buffer)
                    .map(|bytes| Secret::from_slice(bytes))
                    .map_err(|_| CryptoError::Invalid)
            }
        }
    }
}

fn aes_kek(key: &Secret) -> Result<AesKek, CryptoError> {
    AesKek::new(&AES_256, key.expose()).map_err(|_| CryptoError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{Seeded, every_bit_flipped, sample, unhex};

    fn wraps() -> impl Iterator<Item = KeyWrap> {
        let all = [KeyWrap::Aes256, KeyWrap::Sm4];
        all.into_iter()
            .filter(|wrap| sm::AVAILABLE || *wrap != KeyWrap::Sm4)
    }

    #[test]
    fn unwraps_what_it_wrapped_and_nothing_else() {
        for wrap in wraps() {
            let key = Secret::from_slice(&vec![1; wrap.key_len()]);
            for len in [1, 7, 8, 9, 16, 32, 1218] {
                let bytes = Secret::new((0..len).map(|at: u32| at.to_le_bytes()[0]).collect());
                let wrapped = wrap.wrap(&key, &bytes).unwrap();
                assert_eq!(wrapped.len(), bytes.expose().len().div_ceil(8) * 8 + 8);
                assert!(wrap.unwrap(&key, &wrapped).ok().unwrap().eq_ct(&bytes));
                let other = Secret::from_slice(&vec![2; wrap.key_len()]);
                assert_eq!(
                    wrap.unwrap(&other, &wrapped).err(),
                    Some(CryptoError::Invalid)
                );
                if len <= 32 {
                    every_bit_flipped(&wrapped, |changed| {
                        assert_eq!(wrap.unwrap(&key, changed).err(), Some(CryptoError::Invalid));
                    });
                }
            }
            for len in 0..40 {
                let opened = wrap.unwrap(&key, &vec![0; len]);
                assert_eq!(opened.err(), Some(CryptoError::Invalid));
            }
            assert!(wrap.wrap(&key, &Secret::from_slice(b"")).is_err());
            for len in [0, 15, 24, 31, 33] {
                let key = Secret::from_slice(&vec![1; len]);
                assert!(wrap.unwrap(&key, &[0; 24]).is_err());
            }
        }
    }

    #[test]
    fn imports_a_private_key_in_two_steps() {
        let entropy = Seeded::new(70);
        let cases = [
            (MaterialKind::Rsa2048, WrappingAlgorithm::RsaOaepSha256),
            (MaterialKind::Sm2, WrappingAlgorithm::Sm2),
        ];
        for (pair, algorithm) in cases.into_iter().filter(|(pair, _)| pair.is_supported()) {
            let pair = sample(pair);
            let wrap = algorithm.temporary_key();
            let temporary = Secret::from_slice(&vec![9; wrap.key_len()]);
            let private = sample(MaterialKind::EcP384).into_data_key();
            let public = pair.public_key_der().unwrap();
            let encrypted = asymmetric::encrypt_with_public(
                pair.kind(),
                &public,
                algorithm.encryption(),
                temporary.expose(),
                &entropy,
            );
            let wrapped = wrap.wrap(&temporary, &private).unwrap();

            let opened = unwrap(&pair, algorithm, &encrypted.unwrap()).ok().unwrap();
            let opened = wrap.unwrap(&opened, &wrapped).ok().unwrap();
            let imported = Material::import(MaterialKind::EcP384, opened).ok().unwrap();
            assert!(imported.into_data_key().eq_ct(&private));
        }
    }

    #[test]
    fn both_steps_in_one() {
        let pair = sample(MaterialKind::Rsa3072);
        let temporary = Secret::from_slice(&[9; 32]);
        let private = sample(MaterialKind::Rsa2048).into_data_key();
        for algorithm in [
            WrappingAlgorithm::RsaAesKeyWrapSha1,
            WrappingAlgorithm::RsaAesKeyWrapSha256,
        ] {
            let mut wrapped = asymmetric::encrypt(
                &pair,
                algorithm.encryption(),
                temporary.expose(),
                &Seeded::new(71),
            )
            .unwrap();
            wrapped.extend(KeyWrap::Aes256.wrap(&temporary, &private).unwrap());
            assert!(
                unwrap(&pair, algorithm, &wrapped)
                    .ok()
                    .unwrap()
                    .eq_ct(&private)
            );
            for len in [0, 383, 384, 392, wrapped.len() - 8, wrapped.len() - 1] {
                let opened = unwrap(&pair, algorithm, &wrapped[..len]);
                assert_eq!(opened.err(), Some(CryptoError::Invalid));
            }
        }
    }

    #[test]
    fn algorithms_that_do_not_fit_the_pair_are_refused() {
        for kind in MaterialKind::ALL
            .into_iter()
            .filter(|kind| kind.is_supported())
        {
            for algorithm in WrappingAlgorithm::ALL {
                let opened = unwrap(&sample(kind), algorithm, b"").err();
                let fits = match algorithm {
                    WrappingAlgorithm::Sm2 => kind == MaterialKind::Sm2,
                    _ => kind.name().starts_with("RSA_"),
                };
                let expected = if fits {
                    CryptoError::Invalid
                } else {
                    CryptoError::Unsupported
                };
                assert_eq!(opened, Some(expected), "{kind:?} {algorithm:?}");
            }
        }
    }

    #[test]
    fn names_lead_back() {
        for one in WrappingAlgorithm::ALL {
            assert_eq!(WrappingAlgorithm::from_name(one.name()), Some(one));
        }
        assert_eq!(WrappingAlgorithm::from_name("RSAES_PKCS1_V1_5"), None);
    }

    /// Made with OpenSSL: `openssl enc -id-aes256-wrap-pad -iv A65959A6`.
    #[test]
    fn opens_what_openssl_wrapped() {
        let key = Secret::from_slice(&[0x2b; 32]);
        let wrapped = unhex("39e046f4676fd6de529ee5faac4896998aebd22955973a6f18bb6bc1842817ab");
        let opened = KeyWrap::Aes256.unwrap(&key, &wrapped).ok().unwrap();
        assert_eq!(opened.expose(), b"a private key in DER");
    }
}
