//! Enclaves, as far as anybody outside can tell: a root, a chain of certificates below it, documents
//! that the last of them signs, and an RSA key that opens what is sent back.
//!
//! For the tests at the boundary and for those of the crypto box.

use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use coset::cbor::value::Value;
use coset::{CborSerializable, CoseSign1Builder, HeaderBuilder, iana};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// One certificate with its key, and what it was made from.
pub struct Signer {
    pub der: Vec<u8>,
    pub pem: String,
    params: CertificateParams,
    key: Vec<u8>,
}

impl Signer {
    fn key(&self) -> KeyPair {
        KeyPair::try_from(self.key.as_slice()).unwrap()
    }

    /// A certificate by this one.
    pub fn issue(&self, params: CertificateParams) -> Signer {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let issuer = Issuer::from_params(&self.params, self.key());
        let made = params.signed_by(&key, &issuer).unwrap();
        Signer {
            der: made.der().to_vec(),
            pem: made.pem(),
            params,
            key: key.serialize_der(),
        }
    }
}

/// A root: nobody's certificate but its own.
pub fn root(params: CertificateParams) -> Signer {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let made = params.self_signed(&key).unwrap();
    Signer {
        der: made.der().to_vec(),
        pem: made.pem(),
        params,
        key: key.serialize_der(),
    }
}

/// An authority's certificate, good from an hour before a time to an hour after (milliseconds).
pub fn authority(name: &str, at: i64) -> CertificateParams {
    let mut params = named(name, at);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A certificate that signs documents, as long good.
pub fn attester(name: &str, at: i64) -> CertificateParams {
    let mut params = named(name, at);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

fn named(name: &str, at: i64) -> CertificateParams {
    let moment = |seconds: i64| time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = moment(at / 1000 - 3600);
    params.not_after = moment(at / 1000 + 3600);
    params
}

/// What a document says, before it is signed.
pub type Fields = Vec<(Value, Value)>;

/// Sets a field, whether or not it is there.
pub fn set(fields: &mut Fields, name: &str, value: Value) {
    fields.retain(|(known, _)| known.as_text() != Some(name));
    fields.push((Value::from(name), value));
}

/// An enclave under a root of its own.
pub struct Enclave {
    pub root: Signer,
    pub intermediate: Signer,
    pub signer: Signer,
}

/// The one RSA key of all enclaves, for they are slow to find.
static RSA: LazyLock<PrivateDecryptingKey> =
    LazyLock::new(|| PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap());

impl Enclave {
    /// One whose certificates are good around a time (milliseconds).
    pub fn new(at: i64) -> Self {
        let root = root(authority("enclaves", at));
        let intermediate = root.issue(authority("zone", at));
        let signer = intermediate.issue(attester("i-1-enc1", at));
        Self {
            root,
            intermediate,
            signer,
        }
    }

    /// The key that it wants answers encrypted to (SubjectPublicKeyInfo, DER).
    pub fn public_key() -> Vec<u8> {
        let public = RSA.public_key();
        AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(&public)
            .unwrap()
            .as_ref()
            .to_vec()
    }

    /// What a good document says at a time (milliseconds).
    pub fn fields(&self, at: i64) -> Fields {
        let pcrs = (0..16_u8)
            .map(|number| (Value::from(number), Value::Bytes(vec![number; 48])))
            .collect();
        let bundle = [&self.root, &self.intermediate];
        let bundle = bundle.map(|signer| Value::Bytes(signer.der.clone()));
        [
            ("module_id", Value::from("i-1-enc1")),
            ("digest", Value::from("SHA384")),
            ("timestamp", Value::from(at)),
            ("pcrs", Value::Map(pcrs)),
            ("certificate", Value::Bytes(self.signer.der.clone())),
            ("cabundle", Value::Array(bundle.to_vec())),
            ("public_key", Value::Bytes(Self::public_key())),
            ("user_data", Value::Null),
            ("nonce", Value::Bytes(vec![1, 2, 3])),
        ]
        .map(|(name, value)| (Value::from(name), value))
        .to_vec()
    }

    /// A good document made at a time (milliseconds).
    pub fn document(&self, at: i64) -> Vec<u8> {
        self.sign(&payload(self.fields(at)))
    }

    /// A document around a payload.
    pub fn sign(&self, payload: &[u8]) -> Vec<u8> {
        sign(&self.signer, iana::Algorithm::ES384, payload)
    }

    /// The secret in an envelope: the frame of AWS KMS around a key for [`RSA`].
    pub fn open(envelope: &[u8]) -> Vec<u8> {
        use aws_lc_rs::cipher::{
            AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
        };
        use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey};
        let (encrypted_key, rest) = (&envelope[131..387], &envelope[415..]);
        let (iv, rest) = rest.split_first_chunk::<16>().unwrap();
        let oaep = OaepPrivateDecryptingKey::new(RSA.clone()).unwrap();
        let mut key = vec![0; oaep.min_output_size()];
        let key = oaep
            .decrypt(&OAEP_SHA256_MGF1SHA256, encrypted_key, &mut key, None)
            .unwrap();
        let key = UnboundCipherKey::new(&AES_256, key).unwrap();
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).unwrap();
        let mut content = rest[4..4 + usize::from(rest[3])].to_vec();
        let context = DecryptionContext::Iv128((*iv).into());
        key.decrypt(&mut content, context).unwrap().to_vec()
    }
}

/// A payload of these fields.
pub fn payload(fields: Fields) -> Vec<u8> {
    let mut payload = Vec::new();
    coset::cbor::into_writer(&Value::Map(fields), &mut payload).unwrap();
    payload
}

/// A document around a payload, signed with ES384 whatever algorithm it names.
pub fn sign(signer: &Signer, algorithm: iana::Algorithm, payload: &[u8]) -> Vec<u8> {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &signer.key).unwrap();
    CoseSign1Builder::new()
        .protected(HeaderBuilder::new().algorithm(algorithm).build())
        .payload(payload.to_vec())
        .create_signature(b"", |message| {
            let made = key.sign(&SystemRandom::new(), message).unwrap();
            made.as_ref().to_vec()
        })
        .build()
        .to_vec()
        .unwrap()
}
