//! RSA (RFC 8017) with a modulus of 2048, 3072 or 4096 bits.
//!
//! Encryption is OAEP only: there is no PKCS#1 v1.5 decryption anywhere (I-30). Private keys are
//! PKCS#8 DER, public keys SubjectPublicKeyInfo DER. The library draws its own randomness for
//! keys, OAEP seeds and PSS salts, and does not let us replace it.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm,
    OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::signature::{self, RsaParameters, RsaSignatureEncoding, UnparsedPublicKey};
use zeroize::Zeroizing;

use super::CryptoError;
use super::algorithm::MessageType;
use super::der::one_sequence;
use super::digest::DigestAlgorithm;
use super::secret::Secret;

/// How a digest becomes a number to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Padding {
    /// PSS, MGF1 with the same hash, salt as long as the hash.
    Pss,
    /// PKCS#1 v1.5, with the DigestInfo of the hash.
    Pkcs1,
}

/// The hash of OAEP, which is also that of its MGF1; the label is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oaep {
    Sha1,
    Sha256,
}

impl Oaep {
    const fn hash_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    const fn library(self) -> &'static OaepAlgorithm {
        match self {
            Self::Sha1 => &OAEP_SHA1_MGF1SHA1,
            Self::Sha256 => &OAEP_SHA256_MGF1SHA256,
        }
    }

    /// The longest plaintext in bytes under a modulus of so many bits.
    pub(super) const fn max_plaintext(self, bits: usize) -> usize {
        (bits / 8).saturating_sub(2 * self.hash_len() + 2)
    }
}

/// A new private key. Takes from a tenth of a second to several seconds, growing with `bits`.
pub(super) fn generate(bits: usize) -> Result<Secret, CryptoError> {
    let size = match bits {
        2048 => KeySize::Rsa2048,
        3072 => KeySize::Rsa3072,
        4096 => KeySize::Rsa4096,
        _ => return Err(CryptoError::Unsupported),
    };
    encode(&KeyPair::generate(size).map_err(|_| CryptoError::Internal("RSA key generation"))?)
}

/// The same private key in the one encoding that is kept, if it may be used at all.
///
/// The modulus has exactly `bits` bits, the public exponent is odd and above 2^16 (FIPS 186-5);
/// the library checks that the primes make the modulus and that all exponents fit.
pub(super) fn normalize(bits: usize, pkcs8: &[u8]) -> Result<Secret, CryptoError> {
    let pair = parse(one_sequence(pkcs8)?)?;
    let public = pair.public_key();
    let modulus = public.modulus().big_endian_without_leading_zero();
    let exponent = public.exponent().big_endian_without_leading_zero();
    let full = modulus.first().is_some_and(|byte| *byte >= 0x80);
    if modulus.len() != bits / 8 || !full || exponent.len() < 3 {
        return Err(CryptoError::Invalid);
    }
    encode(&pair)
}

/// The public half of a private key.
pub(super) fn public_der(pkcs8: &Secret) -> Result<Vec<u8>, CryptoError> {
    parse(pkcs8.expose())?
        .public_key()
        .as_der()
        .map(|der| der.as_ref().to_vec())
        .map_err(|_| CryptoError::Internal("RSA public key"))
}

/// The size of a public key's modulus in bits.
pub(super) fn public_bits(spki: &[u8]) -> Result<usize, CryptoError> {
    parse_public(spki).map(|key| key.key_size_bits())
}

/// A signature, as long as the modulus.
pub(super) fn sign(
    pkcs8: &Secret,
    padding: Padding,
    digest: DigestAlgorithm,
    message_type: MessageType,
    message: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let (encoding, _) = library(padding, digest)?;
    let pair = parse(pkcs8.expose())?;
    let mut signature = vec![0; pair.public_modulus_len()];
    match message_type {
        MessageType::Raw => pair.sign(encoding, &SystemRandom::new(), message, &mut signature),
        MessageType::Digest => pair.sign_digest(encoding, &digest.import(message)?, &mut signature),
        MessageType::ExternalMu => return Err(CryptoError::Unsupported),
    }
    .map_err(|_| CryptoError::Internal("RSA signature"))?;
    Ok(signature)
}

/// Whether `signature` is one of `message`.
pub(super) fn verify(
    spki: &[u8],
    padding: Padding,
    digest: DigestAlgorithm,
    message_type: MessageType,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, CryptoError> {
    let (_, parameters) = library(padding, digest)?;
    parse_public(spki)?;
    let key = UnparsedPublicKey::new(parameters, spki);
    Ok(match message_type {
        MessageType::Raw => key.verify(message, signature),
        MessageType::Digest => key.verify_digest(&digest.import(message)?, signature),
        MessageType::ExternalMu => return Err(CryptoError::Unsupported),
    }
    .is_ok())
}

/// Encrypts at most [`Oaep::max_plaintext`] bytes; the result is as long as the modulus.
pub(super) fn encrypt(spki: &[u8], oaep: Oaep, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let key = OaepPublicEncryptingKey::new(parse_public(spki)?)
        .map_err(|_| CryptoError::Internal("RSA public key"))?;
    let mut ciphertext = vec![0; key.ciphertext_size()];
    key.encrypt(oaep.library(), plaintext, &mut ciphertext, None)
        .map_err(|_| CryptoError::Invalid)?;
    Ok(ciphertext)
}

/// Decrypts what [`encrypt`] makes, in one piece as long as the modulus.
pub(super) fn decrypt(
    pkcs8: &Secret,
    oaep: Oaep,
    ciphertext: &[u8],
) -> Result<Secret, CryptoError> {
    let key = PrivateDecryptingKey::from_pkcs8(pkcs8.expose())
        .map_err(|_| CryptoError::Invalid)
        .and_then(|key| {
            OaepPrivateDecryptingKey::new(key).map_err(|_| CryptoError::Internal("RSA key"))
        })?;
    let mut plaintext = Zeroizing::new(vec![0; key.min_output_size()]);
    key.decrypt(oaep.library(), ciphertext, &mut plaintext, None)
        .map(|plaintext| Secret::from_slice(plaintext))
        .map_err(|_| CryptoError::Invalid)
}

#[rustfmt::skip]
fn library(
    padding: Padding,
    digest: DigestAlgorithm,
) -> Result<(&'static RsaSignatureEncoding, &'static RsaParameters), CryptoError> {
    use DigestAlgorithm::{Sha256, Sha384, Sha512, Sm3};
    use Padding::{Pkcs1, Pss};
    match (padding, digest) {
        (Pss,   Sha256) => Ok((&signature::RSA_PSS_SHA256,   &signature::RSA_PSS_2048_8192_SHA256)),
        (Pss,   Sha384) => Ok((&signature::RSA_PSS_SHA384,   &signature::RSA_PSS_2048_8192_SHA384)),
        (Pss,   Sha512) => Ok((&signature::RSA_PSS_SHA512,   &signature::RSA_PSS_2048_8192_SHA512)),
        (Pkcs1, Sha256) => Ok((&signature::RSA_PKCS1_SHA256, &signature::RSA_PKCS1_2048_8192_SHA256)),
        (Pkcs1, Sha384) => Ok((&signature::RSA_PKCS1_SHA384, &signature::RSA_PKCS1_2048_8192_SHA384)),
        (Pkcs1, Sha512) => Ok((&signature::RSA_PKCS1_SHA512, &signature::RSA_PKCS1_2048_8192_SHA512)),
        (_, Sm3) => Err(CryptoError::Unsupported),
    }
}

fn parse(pkcs8: &[u8]) -> Result<KeyPair, CryptoError> {
    KeyPair::from_pkcs8(pkcs8).map_err(|_| CryptoError::Invalid)
}

fn parse_public(spki: &[u8]) -> Result<PublicEncryptingKey, CryptoError> {
    PublicEncryptingKey::from_der(one_sequence(spki)?).map_err(|_| CryptoError::Invalid)
}

fn encode(pair: &KeyPair) -> Result<Secret, CryptoError> {
    pair.as_der()
        .map(|der| Secret::from_slice(der.as_ref()))
        .map_err(|_| CryptoError::Internal("RSA private key"))
}
