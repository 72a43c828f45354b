//! Signing, encrypting, agreeing and encapsulating with key pairs of any kind.
//!
//! The algorithm must be one that the kind's table names ([`MaterialKind::signing_algorithms`] and
//! its relatives); everything else follows from the key. Public keys of others come as
//! SubjectPublicKeyInfo DER.

use super::algorithm::{EncryptionAlgorithm, MessageType, SigningAlgorithm};
use super::kind::Form;
use super::material::{Holding, Material, MaterialKind};
use super::rsa::{Oaep, Padding};
use super::secret::Secret;
use super::{CryptoError, ec, ed25519, ml_dsa, ml_kem, rsa, sm};
use crate::env::Entropy;

/// The name of a signer of SM2 who has agreed on no other (GM/T 0009, section 10).
const SM2_DEFAULT_ID: &str = "1234567812345678";

/// A signature of `message`.
///
/// [`MessageType::Digest`] is refused for pure Ed25519 and ML-DSA, which have no digest of their own
/// to take. [`MessageType::Raw`] under SM2 hashes with the default signer id `1234567812345678`.
///
/// RSA-4096 and ML-DSA take up to several milliseconds; the others less. A key in a hardware
/// security module is given the digest only.
///
/// # Errors
/// [`CryptoError::Unsupported`] when the algorithm or message type does not fit the key,
/// [`CryptoError::Invalid`] when a digest or representative has the wrong length,
/// [`CryptoError::Unreachable`].
pub fn sign(
    material: &Material,
    algorithm: SigningAlgorithm,
    message_type: MessageType,
    message: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoError> {
    let kind = material.kind();
    check_signing(kind, algorithm, message_type, message)?;
    let key = match material.holding() {
        Holding::Bytes(key) => key,
        Holding::Hsm { key, .. } => {
            return key.sign_digest(algorithm, &digest_of(algorithm, message_type, message)?);
        }
    };
    match kind.form() {
        Form::Rsa(_) => {
            let (padding, digest) = rsa_signature(algorithm)?;
            rsa::sign(key, padding, digest, message_type, message)
        }
        Form::Ec(curve) => ec::sign(curve, key, message_type, message),
        Form::Ed25519 if algorithm == SigningAlgorithm::Ed25519 => ed25519::sign(key, message),
        Form::Ed25519 => ed25519::sign_ph(key, &digest_of(algorithm, message_type, message)?),
        Form::MlDsa(of) if message_type == MessageType::ExternalMu => {
            ml_dsa::sign_mu(of, key, message, entropy)
        }
        Form::MlDsa(of) => ml_dsa::sign(of, key, message),
        Form::Sm2 => {
            let public = || sm::public_der(key);
            sm::sign_digest(key, &sm2_digest(public, message_type, message)?)
        }
        Form::MlKem(_) | Form::Bytes(_) => Err(CryptoError::Unsupported),
    }
}

/// Whether `signature` is one of `message` by this key: what is malformed is merely false.
///
/// # Errors
/// As [`sign`].
pub fn verify(
    material: &Material,
    algorithm: SigningAlgorithm,
    message_type: MessageType,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, CryptoError> {
    check_signing(material.kind(), algorithm, message_type, message)?;
    let public = material.public_key_der()?;
    let kind = material.kind();
    verify_with_public(kind, &public, algorithm, message_type, message, signature)
}

/// Whether `signature` is one of `message` by the owner of a public key of this kind.
///
/// # Errors
/// As [`sign`], and [`CryptoError::Invalid`] when the public key is not one of this kind.
pub fn verify_with_public(
    kind: MaterialKind,
    public: &[u8],
    algorithm: SigningAlgorithm,
    message_type: MessageType,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, CryptoError> {
    check_signing(kind, algorithm, message_type, message)?;
    match kind.form() {
        Form::Rsa(bits) => {
            check_rsa(bits, public)?;
            let (padding, digest) = rsa_signature(algorithm)?;
            rsa::verify(public, padding, digest, message_type, message, signature)
        }
        Form::Ec(curve) => ec::verify(curve, public, message_type, message, signature),
        Form::Ed25519 if algorithm == SigningAlgorithm::Ed25519 => {
            ed25519::verify(public, message, signature)
        }
        Form::Ed25519 => {
            let digest = digest_of(algorithm, message_type, message)?;
            ed25519::verify_ph(public, &digest, signature)
        }
        Form::MlDsa(of) if message_type == MessageType::ExternalMu => {
            ml_dsa::verify_mu(of, public, message, signature)
        }
        Form::MlDsa(of) => ml_dsa::verify(of, public, message, signature),
        Form::Sm2 => {
            let digest = sm2_digest(|| Ok(public.to_vec()), message_type, message)?;
            sm::verify_digest(public, &digest, signature)
        }
        Form::MlKem(_) | Form::Bytes(_) => Err(CryptoError::Unsupported),
    }
}

/// Encrypts under the public half of a key.
///
/// The result of RSA is as long as the modulus; SM2's is DER, about 110 bytes longer than the
/// plaintext.
///
/// # Errors
/// [`CryptoError::Unsupported`] when the algorithm is not one for key pairs of this kind,
/// [`CryptoError::Invalid`] when the plaintext is longer than [`MaterialKind::max_plaintext`], or
/// empty under SM2.
pub fn encrypt(
    material: &Material,
    algorithm: EncryptionAlgorithm,
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoError> {
    check_encryption(material.kind(), algorithm)?;
    let public = material.public_key_der()?;
    encrypt_with_public(material.kind(), &public, algorithm, plaintext, entropy)
}

/// Encrypts under a public key of this kind.
///
/// # Errors
/// As [`encrypt`], and [`CryptoError::Invalid`] when the public key is not one of this kind.
pub fn encrypt_with_public(
    kind: MaterialKind,
    public: &[u8],
    algorithm: EncryptionAlgorithm,
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoError> {
    let max = check_encryption(kind, algorithm)?;
    if plaintext.len() > max {
        return Err(CryptoError::Invalid);
    }
    match (kind.form(), oaep(algorithm)) {
        (Form::Rsa(bits), Some(oaep)) => {
            check_rsa(bits, public)?;
            rsa::encrypt(public, oaep, plaintext)
        }
        (Form::Sm2, None) => sm::encrypt(public, plaintext, entropy),
        _ => Err(CryptoError::Unsupported),
    }
}

/// Decrypts with the private half of a key.
///
/// # Errors
/// [`CryptoError::Unsupported`] when the algorithm is not one for key pairs of this kind,
/// [`CryptoError::Invalid`] for every ciphertext that does not decrypt,
/// [`CryptoError::Unreachable`].
pub fn decrypt(
    material: &Material,
    algorithm: EncryptionAlgorithm,
    ciphertext: &[u8],
) -> Result<Secret, CryptoError> {
    check_encryption(material.kind(), algorithm)?;
    let key = match material.holding() {
        Holding::Bytes(key) => key,
        Holding::Hsm { key, .. } => return key.decrypt(algorithm, ciphertext),
    };
    match (material.kind().form(), oaep(algorithm)) {
        (Form::Rsa(_), Some(oaep)) => rsa::decrypt(key, oaep, ciphertext),
        (Form::Sm2, None) => sm::decrypt(key, ciphertext),
        _ => Err(CryptoError::Unsupported),
    }
}

/// The secret shared with the owner of `peer` (ECDH): the raw x-coordinate, 32, 48 or 66 bytes.
///
/// # Errors
/// [`CryptoError::Unsupported`] when keys of this kind do not agree, [`CryptoError::Invalid`] when
/// `peer` is not a public key on the same curve, [`CryptoError::Unreachable`].
pub fn agree(material: &Material, peer: &[u8]) -> Result<Secret, CryptoError> {
    match (material.kind().form(), material.holding()) {
        (Form::Ec(curve), Holding::Bytes(key)) => ec::agree(curve, key, peer),
        (Form::Ec(curve), Holding::Hsm { key, .. }) => key.agree(&ec::point(curve, peer)?),
        (Form::Sm2, Holding::Bytes(key)) => sm::agree(key, peer),
        (Form::Sm2, Holding::Hsm { .. }) | (Form::Rsa(_) | Form::Ed25519 | Form::Bytes(_), _) => {
            Err(CryptoError::Unsupported)
        }
        (Form::MlDsa(_) | Form::MlKem(_), _) => Err(CryptoError::Unsupported),
    }
}

/// A new secret of 32 bytes, and the ciphertext from which the owner of the key gets it again
/// (ML-KEM): 768, 1088 or 1568 bytes.
///
/// # Errors
/// [`CryptoError::Unsupported`] when nothing is encapsulated for keys of this kind.
pub fn encapsulate(material: &Material) -> Result<(Secret, Vec<u8>), CryptoError> {
    match (material.kind().form(), material.holding()) {
        (Form::MlKem(of), Holding::Bytes(key)) => ml_kem::encapsulate(of, key),
        _ => Err(CryptoError::Unsupported),
    }
}

/// The secret in a ciphertext that [`encapsulate`] made, or whoever has the public key. What was
/// altered, or is another key's, gives 32 bytes that nobody knows, and always the same.
///
/// # Errors
/// [`CryptoError::Unsupported`] when nothing is encapsulated for keys of this kind,
/// [`CryptoError::Invalid`] when the ciphertext is not of the key's length.
pub fn decapsulate(material: &Material, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
    match (material.kind().form(), material.holding()) {
        (Form::MlKem(of), Holding::Bytes(key)) => ml_kem::decapsulate(of, key, ciphertext),
        _ => Err(CryptoError::Unsupported),
    }
}

/// The kind of a public key that somebody sent.
///
/// # Errors
/// [`CryptoError::Invalid`] when it is not a valid key of any kind.
pub fn kind_of_public(public: &[u8]) -> Result<MaterialKind, CryptoError> {
    MaterialKind::ALL
        .into_iter()
        .find(|kind| check_public(*kind, public).is_ok())
        .ok_or(CryptoError::Invalid)
}

fn check_public(kind: MaterialKind, public: &[u8]) -> Result<(), CryptoError> {
    match kind.form() {
        Form::Rsa(bits) => check_rsa(bits, public),
        Form::Ec(curve) => ec::check_public(curve, public),
        Form::Ed25519 => ed25519::check_public(public),
        Form::MlDsa(of) => ml_dsa::check_public(of, public),
        Form::MlKem(of) => ml_kem::check_public(of, public),
        Form::Sm2 => sm::check_public(public),
        Form::Bytes(_) => Err(CryptoError::Unsupported),
    }
}

fn check_rsa(bits: usize, public: &[u8]) -> Result<(), CryptoError> {
    match rsa::public_bits(public)? == bits {
        true => Ok(()),
        false => Err(CryptoError::Invalid),
    }
}

fn check_signing(
    kind: MaterialKind,
    algorithm: SigningAlgorithm,
    message_type: MessageType,
    message: &[u8],
) -> Result<(), CryptoError> {
    if !kind.signing_algorithms().contains(&algorithm) || !algorithm.takes(message_type) {
        return Err(CryptoError::Unsupported);
    }
    match algorithm.message_len(message_type) {
        Some(len) if len != message.len() => Err(CryptoError::Invalid),
        _ => Ok(()),
    }
}

/// The longest plaintext, where the algorithm fits.
fn check_encryption(
    kind: MaterialKind,
    algorithm: EncryptionAlgorithm,
) -> Result<usize, CryptoError> {
    match kind.is_asymmetric() {
        true => kind
            .max_plaintext(algorithm)
            .ok_or(CryptoError::Unsupported),
        false => Err(CryptoError::Unsupported),
    }
}

fn rsa_signature(
    algorithm: SigningAlgorithm,
) -> Result<(Padding, super::digest::DigestAlgorithm), CryptoError> {
    use SigningAlgorithm as S;
    let padding = match algorithm {
        S::RsaPkcs1Sha256 | S::RsaPkcs1Sha384 | S::RsaPkcs1Sha512 => Padding::Pkcs1,
        S::RsaPssSha256 | S::RsaPssSha384 | S::RsaPssSha512 => Padding::Pss,
        _ => return Err(CryptoError::Unsupported),
    };
    let digest = algorithm.digest().ok_or(CryptoError::Unsupported)?;
    Ok((padding, digest))
}

fn oaep(algorithm: EncryptionAlgorithm) -> Option<Oaep> {
    match algorithm {
        EncryptionAlgorithm::RsaOaepSha1 => Some(Oaep::Sha1),
        EncryptionAlgorithm::RsaOaepSha256 => Some(Oaep::Sha256),
        EncryptionAlgorithm::SymmetricDefault | EncryptionAlgorithm::Sm2 => None,
    }
}

fn digest_of(
    algorithm: SigningAlgorithm,
    message_type: MessageType,
    message: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    match message_type {
        MessageType::Digest => Ok(message.to_vec()),
        MessageType::Raw => {
            let digest = algorithm.digest().ok_or(CryptoError::Unsupported)?;
            digest.digest(message)
        }
        MessageType::ExternalMu => Err(CryptoError::Unsupported),
    }
}

fn sm2_digest(
    public: impl FnOnce() -> Result<Vec<u8>, CryptoError>,
    message_type: MessageType,
    message: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    match message_type {
        MessageType::Digest => Ok(message.to_vec()),
        MessageType::Raw => {
            sm::message_digest(&public()?, SM2_DEFAULT_ID, message).map(|digest| digest.to_vec())
        }
        MessageType::ExternalMu => Err(CryptoError::Unsupported),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{
        Seeded, every_bit_flipped, representative, sample, some_bits_flipped,
    };
    use MessageType::{Digest, ExternalMu, Raw};

    fn sign(
        material: &Material,
        algorithm: SigningAlgorithm,
        message_type: MessageType,
        message: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let entropy = Seeded::new(43);
        super::sign(material, algorithm, message_type, message, &entropy)
    }

    fn pairs() -> impl Iterator<Item = MaterialKind> {
        MaterialKind::ALL
            .into_iter()
            .filter(|kind| kind.is_asymmetric() && kind.is_supported())
    }

    #[test]
    fn signs_and_verifies_with_every_algorithm_that_fits() {
        for kind in pairs() {
            let material = sample(kind);
            for &algorithm in kind.signing_algorithms() {
                let name = algorithm.name();
                let signature = sign(&material, algorithm, Raw, b"message").unwrap();
                let good = |message: &[u8], signature: &[u8]| {
                    verify(&material, algorithm, Raw, message, signature).unwrap()
                };
                assert!(good(b"message", &signature), "{name}");
                assert!(!good(b"messagf", &signature), "{name}");
                assert!(!good(b"", &signature), "{name}");
                assert!(!good(b"message", b""), "{name}");
                assert!(
                    !good(b"message", &[&signature[..], &[0]].concat()),
                    "{name}"
                );
                let public = material.public_key_der().unwrap();
                let mut refused = |changed: &[u8]| {
                    let good =
                        verify_with_public(kind, &public, algorithm, Raw, b"message", changed);
                    assert!(!good.unwrap(), "{name}");
                };
                // Those of ML-DSA have thousands of bytes.
                match kind.form() {
                    Form::MlDsa(_) => some_bits_flipped(&signature, 13, refused),
                    _ => every_bit_flipped(&signature, &mut refused),
                }
            }
        }
    }

    #[test]
    fn a_message_and_its_digest_are_the_same_to_a_signature() {
        for kind in pairs() {
            let material = sample(kind);
            for &algorithm in kind.signing_algorithms() {
                let Some(hash) = algorithm.digest() else {
                    let signed = sign(&material, algorithm, Digest, &[0; 64]);
                    assert_eq!(signed, Err(CryptoError::Unsupported));
                    continue;
                };
                let digest = match kind {
                    MaterialKind::Sm2 => {
                        let public = || material.public_key_der();
                        sm2_digest(public, Raw, b"message").unwrap()
                    }
                    _ => hash.digest(b"message").unwrap(),
                };
                let raw = sign(&material, algorithm, Raw, b"message").unwrap();
                let digested = sign(&material, algorithm, Digest, &digest).unwrap();
                assert!(verify(&material, algorithm, Digest, &digest, &raw).unwrap());
                assert!(verify(&material, algorithm, Raw, b"message", &digested).unwrap());
                for len in [0, hash.output_len() - 1, hash.output_len() + 1] {
                    let wrong = vec![0; len];
                    let signed = sign(&material, algorithm, Digest, &wrong);
                    assert_eq!(signed, Err(CryptoError::Invalid));
                    let verified = verify(&material, algorithm, Digest, &wrong, &raw);
                    assert_eq!(verified, Err(CryptoError::Invalid));
                }
            }
        }
    }

    #[test]
    fn a_message_and_its_representative_are_the_same_to_ml_dsa() {
        for kind in pairs().filter(|kind| matches!(kind.form(), Form::MlDsa(_))) {
            let material = sample(kind);
            let algorithm = SigningAlgorithm::MlDsa;
            let public = material.public_key_der().unwrap();
            let mu = representative(&public[22..], b"message");
            let raw = sign(&material, algorithm, Raw, b"message").unwrap();
            let represented = sign(&material, algorithm, ExternalMu, &mu).unwrap();
            for signature in [&raw, &represented] {
                for (message_type, message) in [(Raw, &b"message"[..]), (ExternalMu, &mu)] {
                    let good = |message: &[u8], signature: &[u8]| {
                        verify(&material, algorithm, message_type, message, signature).unwrap()
                    };
                    assert!(good(message, signature), "{kind:?} {message_type:?}");
                    let mut other = message.to_vec();
                    other[0] ^= 1;
                    assert!(!good(&other, signature), "{kind:?} {message_type:?}");
                    some_bits_flipped(signature, 97, |changed| assert!(!good(message, changed)));
                    for bad in [&signature[1..], &[&signature[..], &[0]].concat(), b""] {
                        assert!(!good(message, bad), "{kind:?} {message_type:?}");
                    }
                }
            }
            // Hedged: other chance, another signature.
            let again = super::sign(&material, algorithm, ExternalMu, &mu, &Seeded::new(44));
            assert_ne!(again.unwrap(), represented);
            for len in [0, 63, 65] {
                let wrong = vec![0; len];
                let signed = sign(&material, algorithm, ExternalMu, &wrong);
                assert_eq!(signed, Err(CryptoError::Invalid));
                let verified = verify(&material, algorithm, ExternalMu, &wrong, &raw);
                assert_eq!(verified, Err(CryptoError::Invalid));
            }
        }
        for kind in pairs() {
            for &algorithm in kind.signing_algorithms() {
                if algorithm != SigningAlgorithm::MlDsa {
                    let signed = sign(&sample(kind), algorithm, ExternalMu, &[0; 64]);
                    assert_eq!(signed, Err(CryptoError::Unsupported), "{kind:?}");
                }
            }
        }
    }

    #[test]
    fn what_was_encapsulated_comes_out_again() {
        for kind in MaterialKind::ALL
            .into_iter()
            .filter(|kind| kind.is_supported())
        {
            let material = sample(kind);
            if !kind.encapsulates() {
                assert_eq!(encapsulate(&material).err(), Some(CryptoError::Unsupported));
                let opened = decapsulate(&material, &[0; 768]).err();
                assert_eq!(opened, Some(CryptoError::Unsupported));
                continue;
            }
            let (secret, ciphertext) = encapsulate(&material).ok().unwrap();
            assert_eq!(secret.expose().len(), 32);
            let opened = |ciphertext: &[u8]| decapsulate(&material, ciphertext).ok().unwrap();
            assert!(opened(&ciphertext).eq_ct(&secret), "{kind:?}");
            let (other, another) = encapsulate(&material).ok().unwrap();
            assert!(!other.eq_ct(&secret) && another != ciphertext, "{kind:?}");
            // What was altered gives another secret, always the same, and so does another's.
            some_bits_flipped(&ciphertext, 13, |changed| {
                let given = opened(changed);
                assert!(!given.eq_ct(&secret), "{kind:?}");
                assert!(opened(changed).eq_ct(&given), "{kind:?}");
            });
            let third = Material::generate(kind, &Seeded::new(45)).ok().unwrap();
            let given = decapsulate(&third, &ciphertext).ok().unwrap();
            assert!(!given.eq_ct(&secret), "{kind:?}");
            for bad in [
                &ciphertext[1..],
                &[&ciphertext[..], &[0]].concat(),
                b"",
                &[0; 1184],
            ] {
                let opened = decapsulate(&material, bad).err();
                assert_eq!(opened, Some(CryptoError::Invalid), "{kind:?}");
            }
        }
    }

    #[test]
    fn algorithms_that_do_not_fit_are_refused() {
        for kind in MaterialKind::ALL
            .into_iter()
            .filter(|kind| kind.is_supported())
        {
            let material = sample(kind);
            let entropy = Seeded::new(40);
            for algorithm in SigningAlgorithm::ALL {
                if !kind.signing_algorithms().contains(&algorithm) {
                    let signed = sign(&material, algorithm, Raw, b"m");
                    assert_eq!(signed, Err(CryptoError::Unsupported));
                    let verified = verify(&material, algorithm, Raw, b"m", b"s");
                    assert_eq!(verified, Err(CryptoError::Unsupported));
                }
            }
            for algorithm in EncryptionAlgorithm::ALL {
                let fits =
                    kind.is_asymmetric() && kind.encryption_algorithms().contains(&algorithm);
                let encrypted = encrypt(&material, algorithm, b"m", &entropy);
                assert_eq!(encrypted.is_ok(), fits, "{kind:?} {algorithm:?}");
                let expected = if fits {
                    CryptoError::Invalid
                } else {
                    CryptoError::Unsupported
                };
                assert_eq!(decrypt(&material, algorithm, b"c").err(), Some(expected));
            }
            if !kind.agrees() {
                assert_eq!(
                    agree(&material, b"peer").err(),
                    Some(CryptoError::Unsupported)
                );
            }
        }
    }

    #[test]
    fn decrypts_what_it_encrypted_and_nothing_else() {
        let entropy = Seeded::new(41);
        for kind in pairs() {
            let material = sample(kind);
            for &algorithm in kind.encryption_algorithms() {
                let max = kind.max_plaintext(algorithm).unwrap();
                for len in [1, 32, max] {
                    let plaintext = vec![7; len];
                    let ciphertext = encrypt(&material, algorithm, &plaintext, &entropy).unwrap();
                    let opened = decrypt(&material, algorithm, &ciphertext).ok().unwrap();
                    assert_eq!(opened.expose(), plaintext);
                    let again = encrypt(&material, algorithm, &plaintext, &entropy).unwrap();
                    assert_ne!(ciphertext, again);
                }
                let longer = encrypt(&material, algorithm, &vec![7; max + 1], &entropy);
                assert_eq!(longer, Err(CryptoError::Invalid));
            }
        }
        for kind in [MaterialKind::Rsa2048, MaterialKind::Sm2] {
            if !kind.is_supported() {
                continue;
            }
            let material = sample(kind);
            let algorithm = kind.encryption_algorithms()[0];
            let ciphertext = encrypt(&material, algorithm, b"x", &entropy).unwrap();
            every_bit_flipped(&ciphertext, |changed| {
                let opened = decrypt(&material, algorithm, changed);
                assert_eq!(opened.err(), Some(CryptoError::Invalid));
            });
        }
    }

    #[test]
    fn both_sides_agree() {
        let entropy = Seeded::new(42);
        for kind in pairs().filter(|kind| kind.agrees()) {
            let ours = sample(kind);
            let theirs = Material::generate(kind, &entropy).ok().unwrap();
            let (a, b) = (
                ours.public_key_der().unwrap(),
                theirs.public_key_der().unwrap(),
            );
            let secret = agree(&ours, &b).ok().unwrap();
            assert!(secret.eq_ct(&agree(&theirs, &a).ok().unwrap()), "{kind:?}");
            let third = Material::generate(kind, &entropy).ok().unwrap();
            assert!(!secret.eq_ct(&agree(&third, &a).ok().unwrap()));

            for other in pairs().filter(|other| *other != kind) {
                let peer = sample(other).public_key_der().unwrap();
                assert_eq!(agree(&ours, &peer).err(), Some(CryptoError::Invalid));
            }
            every_bit_flipped(&b, |changed| {
                if let Ok(other) = agree(&ours, changed) {
                    assert!(!other.eq_ct(&secret), "{kind:?}: another point or none");
                }
            });
            for bad in [
                &b[..b.len() - 1],
                &b[b.len() - 65..],
                &[&b[..], &[0]].concat(),
                b"",
            ] {
                assert_eq!(agree(&ours, bad).err(), Some(CryptoError::Invalid));
            }
        }
    }

    #[test]
    fn public_keys_show_their_kind() {
        for kind in pairs() {
            let public = sample(kind).public_key_der().unwrap();
            assert_eq!(kind_of_public(&public), Ok(kind));
            let longer = [&public[..], &[0]].concat();
            assert_eq!(kind_of_public(&longer), Err(CryptoError::Invalid));
        }
        assert_eq!(kind_of_public(b""), Err(CryptoError::Invalid));
    }
}
