//! Keys in a token: how they are made, tried out, used and destroyed.

use std::sync::Arc;

use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState};

use super::session::Fault;
use super::{Cluster, ObjectName};
use crate::crypto::algorithm::{EncryptionAlgorithm, MessageType, SigningAlgorithm};
use crate::crypto::blob::{self, BoundContext, Place};
use crate::crypto::digest::DigestAlgorithm;
use crate::crypto::hsm_key::{
    HsmKey, digest_info, ec_name, ec_public, ecdsa_signature, rsa_public,
};
use crate::crypto::material::{Material, MaterialKind};
use crate::crypto::secret::Secret;
use crate::crypto::{CryptoError, asymmetric, mac};
use crate::env::Entropy;
use crate::model::spec::KeyUsage;

/// A key in a cluster, by its `CKA_ID`.
pub(super) struct InCluster {
    pub(super) cluster: Arc<Cluster>,
    pub(super) kind: MaterialKind,
    pub(super) id: String,
}

impl InCluster {
    fn with<T>(
        &self,
        work: impl Fn(&Session, ObjectHandle) -> Result<T, Fault>,
    ) -> Result<T, CryptoError> {
        let class = match self.kind.is_asymmetric() {
            true => ObjectClass::PRIVATE_KEY,
            false => ObjectClass::SECRET_KEY,
        };
        self.cluster.with_session(|session| {
            let found = session.find_objects(&[
                Attribute::Token(true),
                Attribute::Class(class),
                Attribute::Id(self.id.as_bytes().to_vec()),
            ])?;
            match found[..] {
                [one] => work(session, one),
                [] => Err(Fault::Lost(format!("key {} is not there", self.id))),
                _ => Err(Fault::Lost(format!("key {} is there twice", self.id))),
            }
        })
    }
}

impl HsmKey for InCluster {
    fn cluster(&self) -> &str {
        self.cluster.id().as_str()
    }

    fn hmac(&self, message: &[u8]) -> Result<Secret, CryptoError> {
        let mechanism = match self.kind {
            MaterialKind::Aes256 | MaterialKind::Hmac256 => Mechanism::Sha256Hmac,
            MaterialKind::Hmac384 => Mechanism::Sha384Hmac,
            MaterialKind::Hmac512 => Mechanism::Sha512Hmac,
            _ => return Err(CryptoError::Unsupported),
        };
        self.with(|session, key| Ok(Secret::new(session.sign(&mechanism, key, message)?)))
    }

    fn sign_digest(
        &self,
        algorithm: SigningAlgorithm,
        digest: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        use SigningAlgorithm as S;
        let hash = algorithm.digest().ok_or(CryptoError::Unsupported)?;
        match algorithm {
            S::RsaPkcs1Sha256 | S::RsaPkcs1Sha384 | S::RsaPkcs1Sha512 => {
                let info = digest_info(hash, digest)?;
                self.with(|session, key| Ok(session.sign(&Mechanism::RsaPkcs, key, &info)?))
            }
            S::RsaPssSha256 | S::RsaPssSha384 | S::RsaPssSha512 => {
                let mechanism = Mechanism::RsaPkcsPss(pss(hash)?);
                self.with(|session, key| Ok(session.sign(&mechanism, key, digest)?))
            }
            S::EcdsaSha256 | S::EcdsaSha384 => self
                .with(|session, key| Ok(session.sign(&Mechanism::Ecdsa, key, digest)?))
                .map(|raw| ecdsa_signature(&raw)),
            S::EcdsaSha512 | S::Sm2Sm3 | S::Ed25519 | S::Ed25519ph | S::MlDsa => {
                Err(CryptoError::Unsupported)
            }
        }
    }

    fn decrypt(
        &self,
        algorithm: EncryptionAlgorithm,
        ciphertext: &[u8],
    ) -> Result<Secret, CryptoError> {
        let (hash, mgf) = match algorithm {
            EncryptionAlgorithm::RsaOaepSha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
            EncryptionAlgorithm::RsaOaepSha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
            EncryptionAlgorithm::SymmetricDefault | EncryptionAlgorithm::Sm2 => {
                return Err(CryptoError::Unsupported);
            }
        };
        self.with(|session, key| {
            let source = PkcsOaepSource::empty();
            let mechanism = Mechanism::RsaPkcsOaep(PkcsOaepParams::new(hash, mgf, source));
            match session
                .decrypt(&mechanism, key, ciphertext)
                .map_err(Fault::from)
            {
                Ok(plaintext) => Ok(Secret::new(plaintext)),
                // Some tokens have no better word for a ciphertext that does not open.
                Err(Fault::Lost(_)) if session.get_session_info().is_ok() => {
                    Err(CryptoError::Invalid.into())
                }
                Err(fault) => Err(fault),
            }
        })
    }

    fn agree(&self, point: &[u8]) -> Result<Secret, CryptoError> {
        let len: u64 = match self.kind {
            MaterialKind::EcP256 => 32,
            MaterialKind::EcP384 => 48,
            _ => return Err(CryptoError::Unsupported),
        };
        let mechanism = Mechanism::Ecdh1Derive(Ecdh1DeriveParams::new(EcKdf::null(), point));
        self.with(|session, key| {
            // The caller is to have the secret: this object alone may be read.
            let shared = session.derive_key(
                &mechanism,
                key,
                &[
                    Attribute::Class(ObjectClass::SECRET_KEY),
                    Attribute::KeyType(KeyType::GENERIC_SECRET),
                    Attribute::ValueLen(len.into()),
                    Attribute::Token(false),
                    Attribute::Private(true),
                    Attribute::Sensitive(false),
                    Attribute::Extractable(true),
                ],
            )?;
            let read = session.get_attributes(shared, &[AttributeType::Value]);
            session.destroy_object(shared)?;
            match read?.pop() {
                Some(Attribute::Value(x)) if u64::try_from(x.len()) == Ok(len) => {
                    Ok(Secret::new(x))
                }
                _ => Err(CryptoError::Unsupported.into()),
            }
        })
    }
}

fn pss(hash: DigestAlgorithm) -> Result<PkcsPssParams, CryptoError> {
    let (hash_alg, mgf) = match hash {
        DigestAlgorithm::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        DigestAlgorithm::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
        DigestAlgorithm::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
        DigestAlgorithm::Sm3 => return Err(CryptoError::Unsupported),
    };
    let s_len = hash.output_len().try_into();
    Ok(PkcsPssParams {
        hash_alg,
        mgf,
        s_len: s_len.map_err(|_| CryptoError::Internal("salt length"))?,
    })
}

/// Makes a key and answers its public half. What an earlier try left under this name goes first, so
/// that there is one.
pub(super) fn generate(
    session: &Session,
    kind: MaterialKind,
    usage: KeyUsage,
    name: &ObjectName,
) -> Result<Vec<u8>, Fault> {
    destroy(session, &name.id)?;
    let mut secret = vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Id(name.id.as_bytes().to_vec()),
        Attribute::Label(name.label.as_bytes().to_vec()),
    ];
    // The public half is asked for and kept here; in the token it lives for this session only.
    let mut public = vec![Attribute::Token(false), Attribute::Private(false)];
    match (kind.is_asymmetric(), usage) {
        // Message keys are derived by HMAC, which is a way to sign.
        (false, KeyUsage::EncryptDecrypt | KeyUsage::GenerateVerifyMac) => {
            secret.push(Attribute::Sign(true));
        }
        (true, KeyUsage::EncryptDecrypt) => {
            secret.push(Attribute::Decrypt(true));
            public.push(Attribute::Encrypt(true));
        }
        (true, KeyUsage::SignVerify) => {
            secret.push(Attribute::Sign(true));
            public.push(Attribute::Verify(true));
        }
        (true, KeyUsage::KeyAgreement) => secret.push(Attribute::Derive(true)),
        _ => return Err(CryptoError::Unsupported.into()),
    }
    let bytes = match kind {
        MaterialKind::Aes256 | MaterialKind::Hmac256 => Some(32_u64),
        MaterialKind::Hmac384 => Some(48),
        MaterialKind::Hmac512 => Some(64),
        _ => None,
    };
    if let Some(bytes) = bytes {
        secret.push(Attribute::Class(ObjectClass::SECRET_KEY));
        secret.push(Attribute::KeyType(KeyType::GENERIC_SECRET));
        secret.push(Attribute::ValueLen(bytes.into()));
        let key = session.generate_key(&Mechanism::GenericSecretKeyGen, &secret)?;
        must_stay_inside(session, key)?;
        return Ok(Vec::new());
    }
    let bits = match kind {
        MaterialKind::Rsa2048 => Some(2048_u64),
        MaterialKind::Rsa3072 => Some(3072),
        MaterialKind::Rsa4096 => Some(4096),
        _ => None,
    };
    let mechanism = match bits {
        Some(bits) => {
            public.push(Attribute::ModulusBits(bits.into()));
            public.push(Attribute::PublicExponent(vec![1, 0, 1]));
            Mechanism::RsaPkcsKeyPairGen
        }
        None => {
            let curve = ec_name(kind).ok_or(CryptoError::Unsupported)?;
            public.push(Attribute::EcParams(curve.to_vec()));
            Mechanism::EccKeyPairGen
        }
    };
    let (public, private) = session.generate_key_pair(&mechanism, &public, &secret)?;
    must_stay_inside(session, private)?;
    let der = read_public(session, kind, public);
    session.destroy_object(public)?;
    der
}

/// The token's own word that the secret was made inside and never leaves.
fn must_stay_inside(session: &Session, key: ObjectHandle) -> Result<(), Fault> {
    let says = session.get_attributes(
        key,
        &[
            AttributeType::Local,
            AttributeType::Sensitive,
            AttributeType::AlwaysSensitive,
            AttributeType::Extractable,
            AttributeType::NeverExtractable,
        ],
    )?;
    let good = |attribute: &Attribute| {
        matches!(
            attribute,
            Attribute::Local(true)
                | Attribute::Sensitive(true)
                | Attribute::AlwaysSensitive(true)
                | Attribute::Extractable(false)
                | Attribute::NeverExtractable(true)
        )
    };
    if says.len() == 5 && says.iter().all(good) {
        Ok(())
    } else {
        Err(CryptoError::Unsupported.into())
    }
}

fn read_public(
    session: &Session,
    kind: MaterialKind,
    public: ObjectHandle,
) -> Result<Vec<u8>, Fault> {
    let wanted = [
        AttributeType::Modulus,
        AttributeType::PublicExponent,
        AttributeType::EcPoint,
    ];
    let wanted = match ec_name(kind) {
        Some(_) => &wanted[2..],
        None => &wanted[..2],
    };
    let read = session.get_attributes(public, wanted)?;
    Ok(match &read[..] {
        [
            Attribute::Modulus(modulus),
            Attribute::PublicExponent(exponent),
        ] => rsa_public(modulus, exponent),
        [Attribute::EcPoint(point)] => ec_public(kind, point)?,
        _ => return Err(CryptoError::Unsupported.into()),
    })
}

/// Uses a new key once for everything that it is for, and checks the result out here (FIPS 140-3
/// asks as much of a new pair). A token may list a mechanism and still refuse one of its
/// parameters; better now than when data depends on it.
pub(super) fn try_out(
    material: &Material,
    usage: KeyUsage,
    entropy: &dyn Entropy,
) -> Result<(), CryptoError> {
    const TEXT: &[u8] = b"kmsd tries a new key";
    let kind = material.kind();
    let holds = match usage {
        KeyUsage::EncryptDecrypt if kind.is_asymmetric() => {
            let algorithm = EncryptionAlgorithm::RsaOaepSha256;
            let sealed = asymmetric::encrypt(material, algorithm, TEXT, entropy)?;
            asymmetric::decrypt(material, algorithm, &sealed)?.expose() == TEXT
        }
        KeyUsage::EncryptDecrypt => {
            let place = Place {
                deployment: "",
                project: "00000000000000000000000000000000",
                key_id: "00000000-0000-0000-0000-000000000000",
                key_version: 0,
            };
            let none = BoundContext::none();
            let sealed = blob::seal(material, &place, &none, TEXT, entropy)?;
            let opened = blob::open(material, place.deployment, place.project, &none, &sealed)?;
            opened.expose() == TEXT
        }
        KeyUsage::GenerateVerifyMac => {
            let algorithm = kind.mac_algorithm().ok_or(CryptoError::Unsupported)?;
            let code = mac::mac(material, algorithm, TEXT)?;
            mac::verify(material, algorithm, TEXT, &code)?
                && !mac::verify(material, algorithm, b"", &code)?
        }
        KeyUsage::SignVerify => {
            let mut holds = true;
            for algorithm in kind.signing_algorithms() {
                let raw = MessageType::Raw;
                let signature = asymmetric::sign(material, *algorithm, raw, TEXT, entropy)?;
                holds &= asymmetric::verify(material, *algorithm, raw, TEXT, &signature)?;
            }
            holds
        }
        KeyUsage::KeyAgreement => {
            let peer = Material::generate(kind, entropy)?;
            let theirs = asymmetric::agree(&peer, &material.public_key_der()?)?;
            asymmetric::agree(material, &peer.public_key_der()?)?.eq_ct(&theirs)
        }
        // No kind that a cluster offers is for that.
        KeyUsage::EncapsulateDecapsulate => false,
    };
    match holds {
        true => Ok(()),
        false => Err(CryptoError::Unsupported),
    }
}

/// Destroys every object with this `CKA_ID`.
pub(super) fn destroy(session: &Session, id: &str) -> Result<(), Fault> {
    // Whoever is not logged in is shown no private objects, which must not pass for there being none.
    if session.get_session_info()?.session_state() != SessionState::RwUser {
        return Err(Fault::Lost("nobody is logged in".into()));
    }
    let name = [
        Attribute::Token(true),
        Attribute::Id(id.as_bytes().to_vec()),
    ];
    for object in session.find_objects(&name)? {
        session.destroy_object(object)?;
    }
    Ok(())
}
