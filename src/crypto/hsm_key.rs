//! Keys that are held outside kmsd, in a hardware security module: they compute there, and their
//! secret never comes here.
//!
//! This says what such a key has to be able to do, so that a blob, a signature or a code is the same
//! whoever computes it. Who really asks a module stands above (`hsm`).

use super::algorithm::{EncryptionAlgorithm, SigningAlgorithm};
use super::der::definite;
use super::digest::DigestAlgorithm;
use super::kind::{Form, MaterialKind};
use super::secret::Secret;
use super::{CryptoError, ec};

/// A key in a module. Every call goes out of the process and blocks until it is answered.
///
/// # Errors
/// All answer [`CryptoError::Unreachable`] when the module does not answer or the key is not in it,
/// and [`CryptoError::Unsupported`] when its kind of key or module does not do what is asked.
pub trait HsmKey: Send + Sync {
    /// The id of the module or cluster of modules that holds it.
    fn cluster(&self) -> &str;

    /// HMAC of `message` with the key's hash: SHA-256 for AES_256, whose message keys are derived
    /// by it, else that of the key's algorithm.
    fn hmac(&self, message: &[u8]) -> Result<Secret, CryptoError>;

    /// A signature of a digest that has the length of the algorithm's hash, in the form that
    /// [`super::asymmetric::sign`] gives it.
    fn sign_digest(
        &self,
        algorithm: SigningAlgorithm,
        digest: &[u8],
    ) -> Result<Vec<u8>, CryptoError>;

    /// Decrypts; [`CryptoError::Invalid`] for what does not.
    fn decrypt(
        &self,
        algorithm: EncryptionAlgorithm,
        ciphertext: &[u8],
    ) -> Result<Secret, CryptoError>;

    /// The x-coordinate shared with the owner of an uncompressed point (ECDH), which is on the curve
    /// of the key.
    fn agree(&self, point: &[u8]) -> Result<Secret, CryptoError>;
}

/// The SubjectPublicKeyInfo (RFC 5280, 8017) of an RSA key, from the numbers that a module gives.
pub fn rsa_public(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    const RSA_ENCRYPTION: &[u8] = &[
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    let key = tagged(0x30, &[&unsigned(modulus), &unsigned(exponent)]);
    tagged(0x30, &[RSA_ENCRYPTION, &tagged(0x03, &[&[0], &key])])
}

/// The SubjectPublicKeyInfo (RFC 5480) of a key on a curve, from what a module gives: the
/// uncompressed point, bare or in the OCTET STRING that PKCS#11 asks for.
///
/// # Errors
/// [`CryptoError::Unsupported`] when the kind is no curve of NIST, [`CryptoError::Invalid`] when this
/// is no point on it.
pub fn ec_public(kind: MaterialKind, point: &[u8]) -> Result<Vec<u8>, CryptoError> {
    const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    let Form::Ec(curve) = kind.form() else {
        return Err(CryptoError::Unsupported);
    };
    let name = ec_name(kind).ok_or(CryptoError::Unsupported)?;
    let algorithm = tagged(0x30, &[EC_PUBLIC_KEY, name]);
    let bare = match point {
        [0x04, len, bare @ ..] if usize::from(*len) == bare.len() => bare,
        bare => bare,
    };
    let public = tagged(0x30, &[&algorithm, &tagged(0x03, &[&[0], bare])]);
    ec::check_public(curve, &public)?;
    Ok(public)
}

/// The name of a kind's curve as DER, as PKCS#11 wants it in `CKA_EC_PARAMS`.
pub const fn ec_name(kind: MaterialKind) -> Option<&'static [u8]> {
    match kind {
        MaterialKind::EcP256 => Some(&[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]),
        MaterialKind::EcP384 => Some(&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22]),
        _ => None,
    }
}

/// The DER SEQUENCE of r and s, from the two of equal length that a module gives.
pub fn ecdsa_signature(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    tagged(0x30, &[&unsigned(r), &unsigned(s)])
}

/// The DigestInfo (RFC 8017, section 9.2) that PKCS#1 v1.5 signs.
///
/// # Errors
/// [`CryptoError::Unsupported`] for SM3.
pub fn digest_info(algorithm: DigestAlgorithm, digest: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let last = match algorithm {
        DigestAlgorithm::Sha256 => 1,
        DigestAlgorithm::Sha384 => 2,
        DigestAlgorithm::Sha512 => 3,
        DigestAlgorithm::Sm3 => return Err(CryptoError::Unsupported),
    };
    let name = [
        0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last,
    ];
    let algorithm = tagged(0x30, &[&name, &[0x05, 0x00]]);
    Ok(tagged(0x30, &[&algorithm, &tagged(0x04, &[digest])]))
}

fn tagged(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    definite(tag, &parts.concat())
}

/// An INTEGER of an unsigned number, big endian.
fn unsigned(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    match number.get(zeros..).unwrap_or_default() {
        [] => tagged(0x02, &[&[0]]),
        digits @ [0x80..=0xff, ..] => tagged(0x02, &[&[0], digits]),
        digits => tagged(0x02, &[digits]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::algorithm::MacAlgorithm;
    use crate::crypto::asymmetric::{self, agree};
    use crate::crypto::blob::{self, BoundContext, Place};
    use crate::crypto::mac;
    use crate::crypto::material::Material;
    use crate::crypto::testing::{Seeded, sample, unhex};
    use std::sync::Arc;

    /// A module that holds one secret of HMAC-SHA-256, or none.
    struct Pretended(Option<Secret>);

    impl HsmKey for Pretended {
        fn cluster(&self) -> &str {
            "pretended"
        }
        fn hmac(&self, message: &[u8]) -> Result<Secret, CryptoError> {
            let key = self.0.as_ref().ok_or(CryptoError::Unreachable)?;
            mac::compute(MacAlgorithm::HmacSha256, key.expose(), message).map(Secret::new)
        }
        fn sign_digest(&self, _: SigningAlgorithm, _: &[u8]) -> Result<Vec<u8>, CryptoError> {
            Err(CryptoError::Unreachable)
        }
        fn decrypt(&self, _: EncryptionAlgorithm, _: &[u8]) -> Result<Secret, CryptoError> {
            Err(CryptoError::Unreachable)
        }
        fn agree(&self, _: &[u8]) -> Result<Secret, CryptoError> {
            Err(CryptoError::Unreachable)
        }
    }

    const PLACE: Place<'_> = Place {
        deployment: "d",
        project: "0123456789abcdef0123456789abcdef",
        key_id: "6b1f0c52-9d3e-4a78-b0c4-21f7a95e3d10",
        key_version: 1,
    };

    /// A blob is the same whoever derives its key.
    #[test]
    fn what_a_module_seals_opens_with_the_same_secret_here() {
        let kind = MaterialKind::Aes256;
        let secret = || Secret::from_slice(&[7; 32]);
        let module = Material::in_hsm(kind, Arc::new(Pretended(Some(secret()))), Vec::new());
        let here = Material::import(kind, secret()).ok().unwrap();
        let none = BoundContext::none();
        for (seals, opens) in [(&module, &here), (&here, &module)] {
            let blob = blob::seal(seals, &PLACE, &none, b"text", &Seeded::new(1)).unwrap();
            let opened = blob::open(opens, PLACE.deployment, PLACE.project, &none, &blob);
            assert_eq!(opened.ok().unwrap().expose(), b"text");
        }
    }

    #[test]
    fn a_module_that_is_away_is_not_a_wrong_ciphertext() {
        let kind = MaterialKind::Aes256;
        let away = || Material::in_hsm(kind, Arc::new(Pretended(None)), Vec::new());
        let none = BoundContext::none();
        let here = Material::import(kind, Secret::from_slice(&[7; 32]))
            .ok()
            .unwrap();
        let blob = blob::seal(&here, &PLACE, &none, b"text", &Seeded::new(1)).unwrap();
        let opened = blob::open(&away(), PLACE.deployment, PLACE.project, &none, &blob);
        assert_eq!(opened.err(), Some(CryptoError::Unreachable));
        let sealed = blob::seal(&away(), &PLACE, &none, b"text", &Seeded::new(1));
        assert_eq!(sealed.err(), Some(CryptoError::Unreachable));
        let peer = sample(MaterialKind::EcP256).public_key_der().unwrap();
        let curve = Material::in_hsm(
            MaterialKind::EcP256,
            Arc::new(Pretended(None)),
            peer.clone(),
        );
        assert_eq!(agree(&curve, &peer).err(), Some(CryptoError::Unreachable));
        assert_eq!(agree(&curve, b"no key").err(), Some(CryptoError::Invalid));
    }

    #[test]
    fn public_keys_are_framed_as_the_library_does() {
        for (kind, point_len) in [(MaterialKind::EcP256, 65), (MaterialKind::EcP384, 97)] {
            let public = sample(kind).public_key_der().unwrap();
            let point = &public[public.len() - point_len..];
            assert_eq!(ec_public(kind, point).unwrap(), public);
            let framed = tagged(0x04, &[point]);
            assert_eq!(ec_public(kind, &framed).unwrap(), public);
            assert!(ec_public(kind, &point[1..]).is_err());
        }
        let public = sample(MaterialKind::Rsa2048).public_key_der().unwrap();
        let modulus = &public[public.len() - 256 - 5..public.len() - 5];
        assert_eq!(rsa_public(modulus, &[1, 0, 1]), public);
    }

    #[test]
    fn signatures_and_digests_are_framed_as_the_standards_say() {
        let raw = [[0, 0x80], [0, 1]].concat();
        assert_eq!(ecdsa_signature(&raw), unhex("300702020080020101"));
        assert_eq!(
            digest_info(DigestAlgorithm::Sha256, &[0xaa; 32]).unwrap(),
            unhex(&format!(
                "3031300d060960864801650304020105000420{}",
                "aa".repeat(32)
            ))
        );
        let kind = asymmetric::kind_of_public(&rsa_public(&[0xff; 384], &[1, 0, 1]));
        assert!(kind.is_err() || kind == Ok(MaterialKind::Rsa3072));
    }
}
