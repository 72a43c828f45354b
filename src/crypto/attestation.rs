//! Attestation documents of enclaves: which code runs there, and to which key it wants its answers
//! encrypted.
//!
//! The format is that of AWS Nitro, which Huawei's QingTian copies: a COSE_Sign1 (RFC 9052) over a
//! CBOR map, signed with ES384 by a certificate that leads to a root that the operator trusts. The
//! two differ in one name: QingTian's documentation calls `pubkey` what AWS calls `public_key`.
//!
//! What is signed is taken as it was signed; around it there is one form only, so that nobody can
//! make a second document out of one that is good.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use coset::cbor::de::from_reader_with_recursion_limit;
use coset::cbor::value::Value;
use coset::{CborSerializable, CoseSign1};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage as ExtendedKeyUsage, VerifiedPath};
use x509_cert::Certificate;
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use super::rsa;
use crate::limits::{ATTESTATION_AGE, ATTESTATION_BYTES};
use crate::model::time::Timestamp;

/// CBOR tag 18, COSE_Sign1, in its one byte. It may stand in front.
const TAG: u8 = 0xd2;
/// The protected header `{1: -35}`: signed with ES384, and nothing else.
const ES384: [u8; 4] = [0xa1, 0x01, 0x38, 0x22];
/// How deep a document is nested: a map of maps.
const DEPTH: usize = 4;
/// Bytes of a SHA-384, and so of a register.
const PCR: usize = 48;
/// How many registers there are.
const PCRS: usize = 32;
/// Bytes of a certificate, of the public key and of what an application adds: QingTian's bound,
/// above AWS's.
const PIECE: usize = 4096;
/// Certificates of a bundle; AWS's has four.
const BUNDLE: RangeInclusive<usize> = 1..=8;
/// Characters of the enclave's name.
const MODULE_ID: RangeInclusive<usize> = 1..=256;
/// Bits of the public key's modulus.
const RSA_BITS: RangeInclusive<usize> = 2048..=4096;
/// Every field that there is.
const FIELDS: [&str; 10] = [
    "module_id",
    "digest",
    "timestamp",
    "pcrs",
    "certificate",
    "cabundle",
    "public_key",
    "pubkey",
    "user_data",
    "nonce",
];

/// Why a document is not believed, completing "the attestation document …". Nothing here depends on
/// a secret, so that it may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the attestation document {0}")]
pub struct Disbelief(pub &'static str);

/// Why certificates cannot be roots, a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRoot(&'static str);

/// The root certificates that documents must lead to.
#[derive(Default)]
pub struct Roots(Vec<Root>);

struct Root {
    anchor: TrustAnchor<'static>,
    /// From and until when, since 1970, both included. The path's own check leaves the root out.
    valid: (Duration, Duration),
}

impl Roots {
    /// Adds the certificates of a PEM file.
    ///
    /// # Errors
    /// [`BadRoot`] when there is none, or one is no certificate of an authority.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<(), BadRoot> {
        let before = self.0.len();
        for der in CertificateDer::pem_slice_iter(pem) {
            let der = der.map_err(|_| BadRoot("is not PEM"))?;
            self.0.push(Root::new(&der)?);
        }
        if self.0.len() == before {
            return Err(BadRoot("holds no certificate"));
        }
        Ok(())
    }

    /// Whether no document can be believed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn valid_at(&self, now: Duration) -> Vec<TrustAnchor<'static>> {
        let valid = |root: &&Root| root.valid.0 <= now && now <= root.valid.1;
        let valid = self.0.iter().filter(valid);
        valid.map(|root| root.anchor.clone()).collect()
    }
}

impl Root {
    fn new(der: &CertificateDer<'_>) -> Result<Self, BadRoot> {
        let anchor = webpki::anchor_from_trusted_cert(der)
            .map_err(|_| BadRoot("holds what is no X.509 certificate"))?
            .to_owned();
        let certificate = Certificate::from_der(der)
            .map_err(|_| BadRoot("holds what is no X.509 certificate"))?;
        let certificate = certificate.tbs_certificate();
        let is_authority = matches!(
            certificate.get_extension::<BasicConstraints>(),
            Ok(Some((_, constraints))) if constraints.ca
        );
        if !is_authority || !may(certificate, KeyUsage::key_cert_sign) {
            return Err(BadRoot("holds a certificate that may not issue others"));
        }
        let validity = certificate.validity();
        Ok(Self {
            anchor,
            valid: (
                validity.not_before.to_unix_duration(),
                validity.not_after.to_unix_duration(),
            ),
        })
    }
}

/// What an enclave proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// What its hypervisor calls it: printable ASCII, at most 256 characters.
    pub module_id: String,
    /// Measurements of its code and its owner, by the number of their register: 48 bytes each.
    pub pcrs: BTreeMap<u8, Vec<u8>>,
    /// Its RSA key, of 2048 to 4096 bits: SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
}

/// What a document proves, if it is in order, was made at most 5 minutes ago, and its certificate
/// leads to one of `roots` by a path that is valid `now`.
///
/// # Errors
/// [`Disbelief`], with the first thing that is wrong.
pub fn verify(document: &[u8], roots: &Roots, now: Timestamp) -> Result<Attested, Disbelief> {
    let signed = open(document)?;
    let payload = signed.payload.as_deref().unwrap_or_default();
    let fields = Fields::read(payload)?;
    let key = signing_key(&fields, roots, now)?;
    signed
        .verify_signature(b"", |signature, message| {
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &key).verify(message, signature)
        })
        .map_err(|_| Disbelief("was not signed by its certificate"))?;
    if now.distance(fields.timestamp) > ATTESTATION_AGE {
        return Err(Disbelief(
            "was not made within 5 minutes of the service's clock",
        ));
    }
    let public_key = fields.public_key.ok_or(Disbelief("has no public key"))?;
    match rsa::public_bits(&public_key) {
        Ok(bits) if RSA_BITS.contains(&bits) => {}
        _ => {
            return Err(Disbelief(
                "has a public key that is no RSA key of 2048 to 4096 bits \
                 (SubjectPublicKeyInfo, DER)",
            ));
        }
    }
    Ok(Attested {
        module_id: fields.module_id,
        pcrs: fields.pcrs,
        public_key,
    })
}

/// The parts of a COSE_Sign1 in the one form that is taken: shortest lengths, the one header,
/// nothing that the signature does not cover.
fn open(document: &[u8]) -> Result<CoseSign1, Disbelief> {
    if document.len() > ATTESTATION_BYTES {
        return Err(Disbelief("is longer than 32 KiB"));
    }
    let untagged = document.strip_prefix(&[TAG]).unwrap_or(document);
    let signed =
        CoseSign1::from_slice(untagged).map_err(|_| Disbelief("is no COSE_Sign1 structure"))?;
    if signed.protected.original_data.as_deref() != Some(&ES384) {
        return Err(Disbelief("is not signed with ES384"));
    }
    match signed.clone().to_vec() {
        Ok(again) if again == untagged && signed.unprotected.is_empty() => Ok(signed),
        _ => Err(Disbelief(
            "is a COSE_Sign1 structure in another form than enclaves write",
        )),
    }
}

/// The public key (SubjectPublicKeyInfo) of the document's certificate, whose path to a root is
/// valid now.
fn signing_key(fields: &Fields, roots: &Roots, now: Timestamp) -> Result<Vec<u8>, Disbelief> {
    let since_1970 = Duration::from_millis(u64::try_from(now.millis()).unwrap_or_default());
    let anchors = roots.valid_at(since_1970);
    let leaf = CertificateDer::from(fields.certificate.as_slice());
    let bundle: Vec<CertificateDer<'_>> = fields
        .cabundle
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let leaf = EndEntityCert::try_from(&leaf)
        .map_err(|_| Disbelief("holds a certificate that is no X.509 certificate"))?;
    leaf.verify_for_usage(
        &[webpki::aws_lc_rs::ECDSA_P384_SHA384],
        &anchors,
        &bundle,
        UnixTime::since_unix_epoch(since_1970),
        // Certificates of enclaves have no extended key usage, and webpki insists on naming one.
        ExtendedKeyUsage::client_auth(),
        None,
        Some(&has_right_usages),
    )
    .map_err(|error| {
        Disbelief(match error {
            webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => {
                "holds a certificate that is not valid now"
            }
            webpki::Error::UnknownIssuer => {
                "holds a certificate that does not lead to a trusted root that is valid now"
            }
            _ => "holds a certificate that is not in order",
        })
    })?;
    Ok(leaf.subject_public_key_info().to_vec())
}

/// RFC 5280, section 4.2.1.3: whoever issued may issue, and whoever signed may sign.
fn has_right_usages(path: &VerifiedPath<'_>) -> Result<(), webpki::Error> {
    let may = |der: CertificateDer<'_>, usage: fn(&KeyUsage) -> bool| {
        Certificate::from_der(&der).is_ok_and(|parsed| may(parsed.tbs_certificate(), usage))
    };
    let issuers_may = path
        .intermediate_certificates()
        .all(|issuer| may(issuer.der(), KeyUsage::key_cert_sign));
    if issuers_may && may(path.end_entity().der(), KeyUsage::digital_signature) {
        Ok(())
    } else {
        Err(webpki::Error::ExtensionValueInvalid)
    }
}

/// Whether a certificate names this use of its key.
fn may(certificate: &TbsCertificate, usage: fn(&KeyUsage) -> bool) -> bool {
    matches!(certificate.get_extension::<KeyUsage>(), Ok(Some((_, usages))) if usage(&usages))
}

/// What is signed, each field in its bounds.
struct Fields {
    module_id: String,
    timestamp: Timestamp,
    pcrs: BTreeMap<u8, Vec<u8>>,
    certificate: Vec<u8>,
    cabundle: Vec<Vec<u8>>,
    public_key: Option<Vec<u8>>,
}

impl Fields {
    fn read(payload: &[u8]) -> Result<Self, Disbelief> {
        const NOT_A_MAP: Disbelief = Disbelief("does not hold one CBOR map");
        let mut rest = payload;
        let value: Value =
            from_reader_with_recursion_limit(&mut rest, DEPTH).map_err(|_| NOT_A_MAP)?;
        let (Value::Map(entries), []) = (value, rest) else {
            return Err(NOT_A_MAP);
        };
        let mut fields = BTreeMap::new();
        for (name, value) in entries {
            let name = FIELDS
                .into_iter()
                .find(|known| name.as_text() == Some(known))
                .ok_or(Disbelief("has a field that is none of the format's"))?;
            if fields.insert(name, value).is_some() {
                return Err(Disbelief("has a field twice"));
            }
        }
        // Enclaves write a field that is left out as null.
        fields.retain(|_, value| !value.is_null());

        if fields.remove("digest") != Some(Value::Text("SHA384".into())) {
            return Err(Disbelief("has a digest other than SHA384"));
        }
        let public_key = match (fields.remove("public_key"), fields.remove("pubkey")) {
            (None, None) => None,
            (Some(key), None) | (None, Some(key)) => {
                Some(bytes(key, 1..=PIECE).ok_or(Disbelief("has a public_key of the wrong size"))?)
            }
            (Some(_), Some(_)) => return Err(Disbelief("has two public keys")),
        };
        for name in ["user_data", "nonce"] {
            if let Some(value) = fields.remove(name) {
                bytes(value, 0..=PIECE)
                    .ok_or(Disbelief("has user_data or a nonce of the wrong size"))?;
            }
        }
        Ok(Self {
            module_id: fields
                .remove("module_id")
                .and_then(|value| value.into_text().ok())
                .filter(|id| MODULE_ID.contains(&id.len()))
                .filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()))
                .ok_or(Disbelief(
                    "has no module_id of 1 to 256 printable characters",
                ))?,
            timestamp: fields
                .remove("timestamp")
                .and_then(|value| value.into_integer().ok())
                .and_then(|millis| i64::try_from(millis).ok())
                .filter(|millis| *millis > 0)
                .map(Timestamp::from_millis)
                .ok_or(Disbelief("has no timestamp in milliseconds since 1970"))?,
            pcrs: fields
                .remove("pcrs")
                .and_then(pcrs)
                .ok_or(Disbelief("has no pcrs, 1 to 32 registers of 48 bytes"))?,
            certificate: fields
                .remove("certificate")
                .and_then(|value| bytes(value, 1..=PIECE))
                .ok_or(Disbelief("has no certificate of 1 to 4096 bytes"))?,
            cabundle: fields.remove("cabundle").and_then(bundle).ok_or(Disbelief(
                "has no cabundle of 1 to 8 certificates of 1 to 4096 bytes",
            ))?,
            public_key,
        })
    }
}

fn bytes(value: Value, sizes: RangeInclusive<usize>) -> Option<Vec<u8>> {
    let bytes = value.into_bytes().ok()?;
    sizes.contains(&bytes.len()).then_some(bytes)
}

fn pcrs(value: Value) -> Option<BTreeMap<u8, Vec<u8>>> {
    let entries = value.into_map().ok()?;
    let count = entries.len();
    let pcrs: BTreeMap<u8, Vec<u8>> = entries
        .into_iter()
        .map(|(number, register)| {
            let number = u8::try_from(number.into_integer().ok()?).ok()?;
            let register = bytes(register, PCR..=PCR)?;
            (usize::from(number) < PCRS).then_some((number, register))
        })
        .collect::<Option<_>>()?;
    // As many as there were: none stood there twice.
    (!pcrs.is_empty() && pcrs.len() == count).then_some(pcrs)
}

fn bundle(value: Value) -> Option<Vec<Vec<u8>>> {
    let certificates = value.into_array().ok()?;
    if !BUNDLE.contains(&certificates.len()) {
        return None;
    }
    let certificates = certificates.into_iter();
    certificates.map(|der| bytes(der, 1..=PIECE)).collect()
}

#[cfg(test)]
mod tests;
