//! SM2, SM3 and SM4 (GM/T 0002, 0003, 0004; GB/T 32905, 32907, 32918), by RustCrypto's crates.
//!
//! Those crates are not audited, hence the feature `sm`. Private keys are PKCS#8 DER with the curve
//! `1.2.156.10197.1.301`, public keys SubjectPublicKeyInfo DER, signatures and ciphertexts the DER
//! of GM/T 0009, which OpenSSL and the vendors' tools speak as well.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AesGcm, KeyInit};
use aes_kw::{AesKwp, InnerInit};
use hmac::{Hmac, Mac};
use sm2::dsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};
use sm2::elliptic_curve::Generate;
use sm2::elliptic_curve::array::typenum::U12;
use sm2::elliptic_curve::sec1::ToSec1Point;
use sm2::pkcs8::der::Decode;
use sm2::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use sm2::pke::{Cipher, EncryptingKey};
use sm2::{AffinePoint, ProjectivePoint, PublicKey, Scalar, SecretKey};
use sm3::{Digest, Sm3};
use sm4::Sm4;
use zeroize::Zeroizing;

use super::CryptoError;
use super::aead::{IV, TAG};
use super::hash::constant_time_eq;
use super::lent::Lent;
use super::secret::Secret;
use crate::env::Entropy;

/// Whether this build has these algorithms.
pub(super) const AVAILABLE: bool = true;

type Sm4Gcm = AesGcm<Sm4, U12>;

/// SM3 of several slices as if they were one.
pub(super) fn sm3(parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
    let mut hasher = Sm3::new();
    for part in parts {
        hasher.update(part);
    }
    Ok(hasher.finalize().into())
}

/// HMAC-SM3 of several slices as if they were one; the key may have any length.
pub(super) fn hmac_sm3(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
    let mut mac = Hmac::<Sm3>::new_from_slice(key).map_err(|_| CryptoError::Internal("HMAC"))?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().into())
}

/// SM4-GCM in place, with a key of 16 bytes; gives the tag.
pub(super) fn sm4_gcm_seal(
    key: &[u8],
    iv: &[u8; IV],
    aad: &[u8],
    buffer: &mut [u8],
) -> Result<[u8; TAG], CryptoError> {
    sm4_gcm(key)?
        .encrypt_inout_detached(&(*iv).into(), aad, InOutBuf::from(buffer))
        .map(Into::into)
        .map_err(|_| CryptoError::Internal("SM4-GCM"))
}

/// Opens SM4-GCM. The crate checks the tag over the ciphertext before it decrypts (I-31).
pub(super) fn sm4_gcm_open(
    key: &[u8],
    iv: &[u8; IV],
    aad: &[u8],
    ciphertext: &[u8],
    tag: &[u8; TAG],
) -> Result<Secret, CryptoError> {
    let mut plaintext = Zeroizing::new(ciphertext.to_vec());
    sm4_gcm(key)?
        .decrypt_inout_detached(
            &(*iv).into(),
            aad,
            InOutBuf::from(plaintext.as_mut_slice()),
            &(*tag).into(),
        )
        .map_err(|_| CryptoError::Invalid)?;
    Ok(Secret::new(std::mem::take(&mut plaintext)))
}

fn sm4_gcm(key: &[u8]) -> Result<Sm4Gcm, CryptoError> {
    Sm4Gcm::new_from_slice(key).map_err(|_| CryptoError::Internal("SM4 key length"))
}

/// RFC 5649's key wrap with padding, over SM4 with a key of 16 bytes.
pub(super) fn sm4_wrap(key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if bytes.is_empty() {
        return Err(CryptoError::Invalid);
    }
    let mut wrapped = vec![0; bytes.len().next_multiple_of(8).saturating_add(8)];
    sm4_kwp(key)?
        .wrap_key(bytes, &mut wrapped)
        .map_err(|_| CryptoError::Invalid)?;
    Ok(wrapped)
}

/// Opens what [`sm4_wrap`] made. At least 16 bytes, a multiple of 8.
pub(super) fn sm4_unwrap(key: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
    let len = match wrapped.len() {
        len if len >= 16 && len.is_multiple_of(8) => len.saturating_sub(8),
        _ => return Err(CryptoError::Invalid),
    };
    let mut buffer = Zeroizing::new(vec![0; len]);
    sm4_kwp(key)?
        .unwrap_key(wrapped, &mut buffer)
        .map(Secret::from_slice)
        .map_err(|_| CryptoError::Invalid)
}

fn sm4_kwp(key: &[u8]) -> Result<AesKwp<Sm4>, CryptoError> {
    sm4::cipher::KeyInit::new_from_slice(key)
        .map(AesKwp::inner_init)
        .map_err(|_| CryptoError::Invalid)
}

/// A new private key of SM2.
pub(super) fn generate(entropy: &dyn Entropy) -> Result<Secret, CryptoError> {
    let Ok(key) = SecretKey::try_generate_from_rng(&mut Lent(entropy));
    encode(&key)
}

/// The same private key in the one encoding that is kept.
pub(super) fn normalize(pkcs8: &[u8]) -> Result<Secret, CryptoError> {
    let key = parse(pkcs8)?;
    // GM/T 0003.1: the private key is at most n - 2, or 1 + d has no inverse when signing.
    let scalar = Zeroizing::new(key.to_nonzero_scalar());
    if *scalar.as_ref() + Scalar::ONE == Scalar::ZERO {
        return Err(CryptoError::Invalid);
    }
    encode(&key)
}

/// The public half of a private key.
pub(super) fn public_der(pkcs8: &Secret) -> Result<Vec<u8>, CryptoError> {
    parse(pkcs8.expose())?
        .public_key()
        .to_public_key_der()
        .map(|document| document.as_bytes().to_vec())
        .map_err(|_| CryptoError::Internal("SM2 public key"))
}

/// Whether this is a public key on the curve of SM2.
pub(super) fn check_public(spki: &[u8]) -> Result<(), CryptoError> {
    parse_public(spki).map(drop)
}

/// What a signature signs: e = SM3(Z ‖ message), where Z = SM3(ENTL ‖ id ‖ curve ‖ public key).
///
/// `id` names the signer; who agrees on nothing else uses `1234567812345678` (GM/T 0009, 10).
pub(super) fn message_digest(
    spki: &[u8],
    id: &str,
    message: &[u8],
) -> Result<[u8; 32], CryptoError> {
    // a, b, xG and yG of GM/T 0003.5.
    const CURVE: [&str; 4] = [
        "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc",
        "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93",
        "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7",
        "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0",
    ];
    let curve = hex::decode(CURVE.concat()).map_err(|_| CryptoError::Internal("SM2 curve"))?;
    let bits = id
        .len()
        .checked_mul(8)
        .and_then(|bits| u16::try_from(bits).ok());
    let bits = bits.ok_or(CryptoError::Invalid)?.to_be_bytes();
    let point = parse_public(spki)?.to_sec1_bytes();
    let (_, point) = point
        .split_first()
        .ok_or(CryptoError::Internal("SM2 point"))?;
    let z = sm3(&[&bits, id.as_bytes(), &curve, point])?;
    sm3(&[&z, message])
}

/// Signs a digest of 32 bytes as [`message_digest`] gives it; DER.
///
/// The nonce is derived from key and digest (RFC 6979 with SM3), so it cannot repeat by accident.
pub(super) fn sign_digest(pkcs8: &Secret, digest: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let digest = whole_digest(digest)?;
    let signature: Signature = SigningKey::new("", &parse(pkcs8.expose())?)
        .and_then(|key| key.sign_prehash(digest))
        .map_err(|_| CryptoError::Internal("SM2 signature"))?;
    Ok(signature.to_der().to_vec())
}

/// Whether `signature` (DER) is one of `digest`.
pub(super) fn verify_digest(
    spki: &[u8],
    digest: &[u8],
    signature: &[u8],
) -> Result<bool, CryptoError> {
    let digest = whole_digest(digest)?;
    let key = VerifyingKey::new("", parse_public(spki)?).map_err(|_| CryptoError::Invalid)?;
    Ok(Signature::from_der(signature)
        .and_then(|signature| key.verify_prehash(digest, &signature))
        .is_ok())
}

/// Encrypts at least one byte: DER of x, y, C3 (SM3, 32 bytes) and C2, in this order.
pub(super) fn encrypt(
    spki: &[u8],
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoError> {
    EncryptingKey::new(parse_public(spki)?)
        .encrypt_der(&mut Lent(entropy), plaintext)
        .map_err(|_| CryptoError::Invalid)
}

/// Decrypts what [`encrypt`] makes.
///
/// Written out here because the crate compares the check value in variable time and leaves the
/// plaintext of a failed decryption in memory. SM2 can check only what it has decrypted; nothing
/// but the check value is computed from it before it is handed out.
pub(super) fn decrypt(pkcs8: &Secret, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
    let key = parse(pkcs8.expose())?;
    let cipher: Cipher<'_> = Cipher::from_der(ciphertext).map_err(|_| CryptoError::Invalid)?;
    if cipher.c2().is_empty() {
        return Err(CryptoError::Invalid);
    }
    let peer = PublicKey::from_affine(*cipher.c1()).map_err(|_| CryptoError::Invalid)?;
    let shared = multiply(&key, &peer)?;
    let (x, y) = shared.split_at_checked(32).ok_or(CryptoError::Invalid)?;

    let mut plaintext = Zeroizing::new(cipher.c2().to_vec());
    for (count, block) in (1_u32..).zip(plaintext.chunks_mut(32)) {
        let mask = Zeroizing::new(sm3(&[x, y, &count.to_be_bytes()])?);
        for (byte, mask) in block.iter_mut().zip(mask.iter()) {
            *byte ^= mask;
        }
    }
    let expected = sm3(&[x, &plaintext, y])?;
    if !constant_time_eq(cipher.c3(), &expected) {
        return Err(CryptoError::Invalid);
    }
    Ok(Secret::new(std::mem::take(&mut plaintext)))
}

/// The x-coordinate, 32 bytes, of the private key times the peer's public key.
pub(super) fn agree(pkcs8: &Secret, peer: &[u8]) -> Result<Secret, CryptoError> {
    let shared = multiply(&parse(pkcs8.expose())?, &parse_public(peer)?)?;
    shared
        .first_chunk::<32>()
        .map(|x| Secret::from_slice(x))
        .ok_or(CryptoError::Internal("SM2 point"))
}

/// The affine coordinates x ‖ y of the private key times a point.
fn multiply(key: &SecretKey, point: &PublicKey) -> Result<Zeroizing<[u8; 64]>, CryptoError> {
    let scalar = Zeroizing::new(key.to_nonzero_scalar());
    let product = Zeroizing::new(point.to_projective() * *scalar.as_ref());
    let affine: Zeroizing<AffinePoint> = Zeroizing::new(ProjectivePoint::to_affine(&product));
    let encoded = Zeroizing::new(affine.to_sec1_point(false).as_bytes().to_vec());
    encoded
        .get(1..)
        .and_then(|coordinates| coordinates.try_into().ok())
        .map(Zeroizing::new)
        .ok_or(CryptoError::Invalid)
}

fn whole_digest(digest: &[u8]) -> Result<&[u8], CryptoError> {
    match digest.len() {
        32 => Ok(digest),
        _ => Err(CryptoError::Invalid),
    }
}

fn parse(pkcs8: &[u8]) -> Result<SecretKey, CryptoError> {
    SecretKey::from_pkcs8_der(pkcs8).map_err(|_| CryptoError::Invalid)
}

fn parse_public(spki: &[u8]) -> Result<PublicKey, CryptoError> {
    PublicKey::from_public_key_der(spki).map_err(|_| CryptoError::Invalid)
}

fn encode(key: &SecretKey) -> Result<Secret, CryptoError> {
    key.to_pkcs8_der()
        .map(|document| Secret::from_slice(document.as_bytes()))
        .map_err(|_| CryptoError::Internal("SM2 private key"))
}
