//! Elliptic curves in Weierstrass form: ECDSA (FIPS 186-5) and ECDH (SP 800-56A).
//!
//! Private keys are PKCS#8 DER, public keys SubjectPublicKeyInfo DER, signatures the DER SEQUENCE
//! of r and s. Each curve signs with one hash. The library draws its own randomness.

use aws_lc_rs::agreement;
use aws_lc_rs::encoding::{AsBigEndian, AsDer};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair,
    ParsedPublicKey, UnparsedPublicKey,
};
use zeroize::Zeroizing;

use super::CryptoError;
use super::algorithm::MessageType;
use super::der::one_sequence;
use super::digest::DigestAlgorithm;
use super::secret::Secret;

/// A curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
    Secp256k1,
}

impl Curve {
    /// The hash that it signs with.
    pub(super) const fn digest(self) -> DigestAlgorithm {
        match self {
            Self::P256 | Self::Secp256k1 => DigestAlgorithm::Sha256,
            Self::P384 => DigestAlgorithm::Sha384,
            Self::P521 => DigestAlgorithm::Sha512,
        }
    }

    /// An uncompressed point: 04, x and y.
    const fn point_len(self) -> usize {
        match self {
            Self::P256 | Self::Secp256k1 => 65,
            Self::P384 => 97,
            Self::P521 => 133,
        }
    }

    #[rustfmt::skip]
    const fn library(self) -> (&'static EcdsaSigningAlgorithm, &'static EcdsaVerificationAlgorithm) {
        match self {
            Self::P256 => (&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &signature::ECDSA_P256_SHA256_ASN1),
            Self::P384 => (&signature::ECDSA_P384_SHA384_ASN1_SIGNING, &signature::ECDSA_P384_SHA384_ASN1),
            Self::P521 => (&signature::ECDSA_P521_SHA512_ASN1_SIGNING, &signature::ECDSA_P521_SHA512_ASN1),
            Self::Secp256k1 => (&signature::ECDSA_P256K1_SHA256_ASN1_SIGNING, &signature::ECDSA_P256K1_SHA256_ASN1),
        }
    }
}

/// A new private key.
pub(super) fn generate(curve: Curve) -> Result<Secret, CryptoError> {
    EcdsaKeyPair::generate(curve.library().0)
        .map_err(|_| CryptoError::Internal("EC key generation"))
        .and_then(|pair| encode(&pair))
}

/// The same private key in the one encoding that is kept, if it is on this curve and its public
/// half, where given, fits.
pub(super) fn normalize(curve: Curve, pkcs8: &[u8]) -> Result<Secret, CryptoError> {
    let pair = parse(curve, one_sequence(pkcs8)?)?;
    // Made anew from its parts: the library remembers of a parsed key whether its public half was
    // written beside it, and would write it in the same way.
    let scalar = pair.private_key().as_be_bytes();
    let scalar = scalar.map_err(|_| CryptoError::Internal("EC private key"))?;
    let (algorithm, _) = curve.library();
    let point = pair.public_key().as_ref();
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar.as_ref(), point)
        .map_err(|_| CryptoError::Invalid)
        .and_then(|pair| encode(&pair))
}

/// The public half of a private key.
pub(super) fn public_der(curve: Curve, pkcs8: &Secret) -> Result<Vec<u8>, CryptoError> {
    parse(curve, pkcs8.expose())?
        .public_key()
        .as_der()
        .map(|der| der.as_ref().to_vec())
        .map_err(|_| CryptoError::Internal("EC public key"))
}

/// The uncompressed point of a public key on this curve.
pub(super) fn point(curve: Curve, spki: &[u8]) -> Result<Vec<u8>, CryptoError> {
    parse_public(curve, spki)?;
    // The one encoding that is taken ends in the point.
    let start = spki.len().checked_sub(curve.point_len());
    start
        .and_then(|start| spki.get(start..))
        .map(<[u8]>::to_vec)
        .ok_or(CryptoError::Invalid)
}

/// Whether this is a public key on this curve.
pub(super) fn check_public(curve: Curve, spki: &[u8]) -> Result<(), CryptoError> {
    parse_public(curve, spki).map(drop)
}

/// A signature in DER.
pub(super) fn sign(
    curve: Curve,
    pkcs8: &Secret,
    message_type: MessageType,
    message: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let pair = parse(curve, pkcs8.expose())?;
    match message_type {
        MessageType::Raw => pair.sign(&SystemRandom::new(), message),
        MessageType::Digest => pair.sign_digest(&curve.digest().import(message)?),
        MessageType::ExternalMu => return Err(CryptoError::Unsupported),
    }
    .map(|signature| signature.as_ref().to_vec())
    .map_err(|_| CryptoError::Internal("ECDSA signature"))
}

/// Whether `signature` (DER) is one of `message`.
pub(super) fn verify(
    curve: Curve,
    spki: &[u8],
    message_type: MessageType,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, CryptoError> {
    let key = parse_public(curve, spki)?;
    Ok(match message_type {
        MessageType::Raw => key.verify_sig(message, signature),
        MessageType::Digest => key.verify_digest_sig(&curve.digest().import(message)?, signature),
        MessageType::ExternalMu => return Err(CryptoError::Unsupported),
    }
    .is_ok())
}

/// The x-coordinate of the private key times the peer's public key: 32, 48, 66 or 32 bytes.
///
/// The peer's key must be a point on the same curve. No key derivation is applied.
pub(super) fn agree(curve: Curve, pkcs8: &Secret, peer: &[u8]) -> Result<Secret, CryptoError> {
    let algorithm = match curve {
        Curve::P256 => &agreement::ECDH_P256,
        Curve::P384 => &agreement::ECDH_P384,
        Curve::P521 => &agreement::ECDH_P521,
        Curve::Secp256k1 => return agree_secp256k1(pkcs8, peer),
    };
    let private = agreement::PrivateKey::from_private_key_der(algorithm, pkcs8.expose())
        .map_err(|_| CryptoError::Invalid)?;
    parse_public(curve, peer)?;
    let peer = agreement::UnparsedPublicKey::new(algorithm, peer);
    agreement::agree(&private, peer, Unspecified, |x| Ok(Secret::from_slice(x)))
        .map_err(|_| CryptoError::Invalid)
}

/// aws-lc-rs parses both keys, `k256` multiplies.
fn agree_secp256k1(pkcs8: &Secret, peer: &[u8]) -> Result<Secret, CryptoError> {
    let pair = parse(Curve::Secp256k1, pkcs8.expose())?;
    let scalar = pair.private_key().as_be_bytes();
    let scalar = scalar.map_err(|_| CryptoError::Internal("secp256k1 private key"))?;
    let private = k256::SecretKey::from_slice(scalar.as_ref()).map_err(|_| CryptoError::Invalid)?;

    // The library's own encoding ends in the uncompressed point.
    let peer = parse_public(Curve::Secp256k1, peer)?
        .as_der()
        .map_err(|_| CryptoError::Internal("secp256k1 public key"))?;
    let peer = peer
        .as_ref()
        .last_chunk::<65>()
        .ok_or(CryptoError::Invalid)?;
    let peer = k256::PublicKey::from_sec1_bytes(peer).map_err(|_| CryptoError::Invalid)?;

    let scalar = Zeroizing::new(private.to_nonzero_scalar());
    let shared = k256::ecdh::diffie_hellman(*scalar, peer.as_affine());
    Ok(Secret::from_slice(shared.raw_secret_bytes()))
}

fn parse(curve: Curve, pkcs8: &[u8]) -> Result<EcdsaKeyPair, CryptoError> {
    EcdsaKeyPair::from_pkcs8(curve.library().0, pkcs8).map_err(|_| CryptoError::Invalid)
}

/// A public key on this curve: a named curve and an uncompressed point, the one form that RFC 5480
/// obliges everybody to take. The library would also take explicit parameters and other points.
fn parse_public(curve: Curve, spki: &[u8]) -> Result<ParsedPublicKey, CryptoError> {
    let key = UnparsedPublicKey::new(curve.library().1, one_sequence(spki)?)
        .parse()
        .map_err(|_| CryptoError::Invalid)?;
    match key.as_der() {
        Ok(der) if der.as_ref() == spki => Ok(key),
        _ => Err(CryptoError::Invalid),
    }
}

fn encode(pair: &EcdsaKeyPair) -> Result<Secret, CryptoError> {
    pair.to_pkcs8v1()
        .map(|document| Secret::from_slice(document.as_ref()))
        .map_err(|_| CryptoError::Internal("EC private key"))
}
