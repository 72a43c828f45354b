//! What is decoded before or without a credential: keys, ciphertexts, signatures, wrapped keys.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use kmsd::crypto::CryptoError;
use kmsd::crypto::algorithm::MessageType;
use kmsd::crypto::asymmetric::{
    agree, decapsulate, decrypt, encrypt_with_public, kind_of_public, verify, verify_with_public,
};
use kmsd::crypto::blob::{self, BoundContext, ContextKind, Header, Place};
use kmsd::crypto::hash::sha256;
use kmsd::crypto::material::{Material, MaterialKind};
use kmsd::crypto::sealed::{self as column, Context};
use kmsd::crypto::secret::Secret;
use kmsd::crypto::wrap::{self, KeyWrap, WrappingAlgorithm};
use kmsd::env::Entropy;

/// A stream of SHA-256 values over a counter: the same in every run.
pub struct Counted(AtomicU64);

impl Counted {
    /// A stream of its own for each start.
    pub fn from(start: u64) -> Self {
        Self(AtomicU64::new(start))
    }
}

impl Entropy for Counted {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            chunk.copy_from_slice(&sha256(&count.to_be_bytes())[..chunk.len()]);
        }
    }
}

/// Key pairs that everybody knows: those of the published test vectors, the first of each kind.
static PAIRS: LazyLock<Vec<Material>> = LazyLock::new(|| {
    let mut pairs: Vec<Material> = Vec::new();
    for line in include_str!("../../tests/vectors/openssl_private_keys.txt").lines() {
        let mut words = line.split(' ');
        let (Some(kind), Some(private)) = (words.next(), words.next()) else {
            continue;
        };
        let Some(kind) = MaterialKind::from_name(kind) else {
            continue;
        };
        if kind.is_supported() && pairs.iter().all(|pair| pair.kind() != kind) {
            pairs.push(
                Material::import(kind, secret(&hex::decode(private).unwrap()))
                    .unwrap_or_else(|error| panic!("{}: {error}", kind.name())),
            );
        }
    }
    pairs
});

fn secret(bytes: &[u8]) -> Secret {
    Secret::from_slice(bytes)
}

/// Bytes that are the same in every run.
fn fixed(kind: MaterialKind) -> Material {
    Material::generate(kind, &Counted::from(1)).unwrap_or_else(|error| panic!("{error}"))
}

/// What is imported as a key is one: it has a public half of its kind, and imports again as itself.
pub fn import(input: &[u8]) {
    for kind in MaterialKind::ALL {
        let Ok(material) = Material::import(kind, secret(input)) else {
            continue;
        };
        if kind.is_asymmetric() {
            let public = material.public_key_der().unwrap();
            assert_eq!(kind_of_public(&public), Ok(kind));
        }
        let kept = material.into_data_key();
        let again = Material::import(kind, secret(kept.expose()));
        let again = again.map(Material::into_data_key).ok();
        assert!(
            again.is_some_and(|again| again.eq_ct(&kept)),
            "{}",
            kind.name()
        );
    }
}

/// A public key that is taken is of one kind only, and every use of it ends in a value.
pub fn public_keys(input: &[u8]) {
    for pair in PAIRS.iter() {
        let agreed = agree(pair, input);
        assert!(agreed.is_err() || kind_of_public(input) == Ok(pair.kind()));
    }
    let Ok(kind) = kind_of_public(input) else {
        return;
    };
    for algorithm in kind.signing_algorithms() {
        let verified = verify_with_public(
            kind,
            input,
            *algorithm,
            MessageType::Raw,
            b"message",
            &[0; 64],
        );
        assert_ne!(verified, Ok(true));
    }
    for algorithm in kind.encryption_algorithms() {
        let made = encrypt_with_public(kind, input, *algorithm, b"short", &Counted::from(2));
        assert_ne!(made, Err(CryptoError::Unsupported));
    }
}

/// Nothing is a signature that the key did not make, and nothing decrypts by a panic.
pub fn signatures(input: &[u8]) {
    for pair in PAIRS.iter() {
        for algorithm in pair.kind().signing_algorithms() {
            let verified = verify(pair, *algorithm, MessageType::Raw, b"message", input);
            assert_eq!(verified, Ok(false));
        }
        for algorithm in pair.kind().encryption_algorithms() {
            if let Ok(plaintext) = decrypt(pair, *algorithm, input) {
                let max = pair.kind().max_plaintext(*algorithm);
                assert!(max.is_none_or(|max| plaintext.expose().len() <= max));
            }
        }
        match decapsulate(pair, input) {
            Ok(secret) => assert_eq!(secret.expose().len(), 32),
            Err(error) => assert_eq!(
                error == CryptoError::Unsupported,
                !pair.kind().encapsulates()
            ),
        }
    }
}

/// What came wrapped is shorter than its wrapping; what is wrapped here unwraps.
pub fn wrapped(input: &[u8]) {
    for pair in PAIRS.iter() {
        for algorithm in WrappingAlgorithm::ALL {
            match wrap::unwrap(pair, algorithm, input) {
                Ok(bytes) => assert!(bytes.expose().len() < input.len()),
                Err(error) => assert_eq!(
                    error == CryptoError::Unsupported,
                    !algorithm.fits(pair.kind())
                ),
            }
        }
    }
    for way in [KeyWrap::Aes256, KeyWrap::Sm4] {
        let key = secret(&[7; 32][..way.key_len()]);
        match way.unwrap(&key, input) {
            Ok(bytes) => assert!(bytes.expose().len() + 8 <= input.len()),
            Err(CryptoError::Unsupported) => continue,
            Err(_) => {}
        }
        if !input.is_empty() {
            let made = way.wrap(&key, &secret(input)).unwrap();
            let back = way.unwrap(&key, &made).ok();
            assert!(back.is_some_and(|back| back.expose() == input));
        }
    }
}

/// What is sealed opens as itself, in its own place and unaltered only. What else opens can only be
/// a copy of something sealed from the corpus, of its length.
pub fn sealed(input: &[u8]) {
    let key = secret(&[7; 32]);
    let place = Context::new("fuzz").with("project", b"p1");
    if let Ok(opened) = column::open(&key, &place, input) {
        assert_eq!(opened.expose().len() + column::OVERHEAD, input.len());
    }
    let made = column::seal(&key, &place, input, &Counted::from(3));
    let back = column::open(&key, &place, &made).ok();
    assert!(back.is_some_and(|back| back.expose() == input));
    let elsewhere = Context::new("fuzz").with("project", b"p2");
    assert!(column::open(&key, &elsewhere, &made).is_err());
    let altered = altered(&made, input);
    assert!(column::open(&key, &place, &altered).is_err());
    let _ = Material::open(MaterialKind::Aes256, &key, place, input).map(|_| ());
}

/// The same of ciphertexts that callers keep. A header says of a ciphertext what was sealed.
pub fn blobs(input: &[u8]) {
    const DEPLOYMENT: &str = "d3b07384-d113-4ec6-a2f1-6c2f0d5a9e10";
    const PROJECT: &str = "0123456789abcdef0123456789abcdef";
    let place = Place {
        deployment: DEPLOYMENT,
        project: PROJECT,
        key_id: "6b1f0c52-9d3e-4a78-b0c4-21f7a95e3d10",
        key_version: 7,
    };
    let text = String::from_utf8_lossy(input);
    let contexts = [
        (BoundContext::none(), ContextKind::None),
        match &*text {
            "" => (BoundContext::text(""), ContextKind::None),
            text => (BoundContext::text(text), ContextKind::Text),
        },
        (
            BoundContext::object(&BTreeMap::from([("k".to_owned(), text.to_string())])),
            ContextKind::Object,
        ),
    ];
    let header = Header::parse(input);
    for kind in [MaterialKind::Aes256, MaterialKind::Sm4] {
        if !kind.is_supported() {
            continue;
        }
        let material = fixed(kind);
        for (context, context_kind) in &contexts {
            if blob::open(&material, DEPLOYMENT, PROJECT, context, input).is_ok() {
                let header = header.as_ref().unwrap();
                assert_eq!(header.material_kind(), kind);
                assert!(header.hints_at(DEPLOYMENT));
            }
            let made = blob::seal(&material, &place, context, input, &Counted::from(4)).unwrap();
            let said = Header::parse(&made).unwrap();
            assert_eq!(said.key_id(), place.key_id);
            assert_eq!(said.key_version(), place.key_version);
            assert_eq!(said.context(), *context_kind);
            let open = |blob: &[u8]| blob::open(&material, DEPLOYMENT, PROJECT, context, blob);
            let back = open(&made).ok();
            assert!(back.is_some_and(|back| back.expose() == input));
            assert!(open(&altered(&made, input)).is_err());
        }
    }
    if let Ok(header) = header {
        assert!(input.len() >= blob::OVERHEAD);
        assert_eq!(header.key_id().len(), 36);
    }
}

/// One bit of it another, which the input chooses.
fn altered(bytes: &[u8], input: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let [high, low, bit, ..] = sha256(input);
    let at = usize::from(u16::from_be_bytes([high, low])) % bytes.len();
    bytes[at] ^= 1 << (bit % 8);
    bytes
}
