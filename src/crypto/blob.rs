//! The ciphertexts that customers keep. Blobs are for ever: a format that was once written opens in
//! every later release, and `tests/vectors/blobs.v1.json` holds some of each.
//!
//! One key is derived per message, so no (key, nonce) pair can repeat (I-27); what the blob is bound
//! to is part of the derivation, and a commitment lets it open under one key only (I-28).
//!
//! ```text
//! info   = "kmsd/blob/1" ‖ 00 ‖ header[0..44] ‖ deployment id ‖ project id ‖ salt ‖ H(context)
//! okm    = KBKDF-CTR(material, info);  message key ‖ commitment (32 bytes) = okm
//!
//! offset  0  magic, 4B
//!         1  format version, 01
//!         2  suite
//!         3  flags: bit 0 object context, bit 1 text context, bit 2 PIN, bit 3 capsule; all others
//!            zero
//!         4  key version, u32, big endian
//!         8  key id, 36 characters, lower case
//!        44  salt, 32 bytes
//!        76  iv, 12 bytes
//!        88  commitment, 32 bytes
//!       120  the first 4 bytes of SHA-256(deployment id): a hint for the error log, nothing more
//!       124  AEAD(message key, iv, aad = the 124 bytes before, plaintext), then the 16-byte tag
//!
//! suite   material  H        KBKDF-CTR with  message key  AEAD
//!  01     AES_256   SHA-256  HMAC-SHA-256    32 bytes     AES-256-GCM
//!  02     SM4       SM3      HMAC-SM3        16 bytes     SM4-GCM (RFC 8998)
//! ```
//!
//! The ids before the salt cannot run together: a project id has exactly 32 characters.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::aead::{Aead, IV, TAG};
use super::hash::{constant_time_eq, sha256};
use super::kdf::{kbkdf, kbkdf_by, kbkdf_sm3};
use super::material::{Holding, Material, MaterialKind};
use super::secret::Secret;
use super::{CryptoError, sm};
use crate::env::Entropy;

/// How much longer a blob is than its plaintext, in bytes.
pub const OVERHEAD: usize = HEADER + TAG;

const LABEL: &[u8] = b"kmsd/blob/1\0";
const MAGIC: u8 = 0x4b;
const VERSION: u8 = 1;
const FIXED: usize = 44;
const SALT: usize = 32;
const COMMITMENT: usize = 32;
const HINT: usize = 4;
const HEADER: usize = FIXED + SALT + IV + COMMITMENT + HINT;
const KEY_ID: usize = 36;
/// The bit of a type byte, and so of the flags, that says that there is a PIN.
const PIN: u8 = 4;
/// The type byte, and so the flags, of what a capsule holds.
const CAPSULE: u8 = 8;
const PROJECT_ID: usize = 32;

/// Which key seals, and where it lives.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The id of the deployment, of any length.
    pub deployment: &'a str,
    /// The id of the key's project, 32 characters.
    pub project: &'a str,
    /// The key's id, 36 lower-case letters, digits or hyphens.
    pub key_id: &'a str,
    /// The version of the key's material.
    pub key_version: u32,
}

/// What the customer binds a blob to, and has to give again to open it.
///
/// In canonical form: a type byte (`00` none, `01` object, `02` text, `08` capsule). For an object the
/// number of pairs (u32, big endian) follows and, in the order of the names' UTF-8 bytes, each name
/// and value as length (u32, big endian) and bytes; for a text or a capsule's policy its length and
/// bytes. Nothing is trimmed, folded or normalized. What is empty is the same as none. With a PIN the
/// type byte has bit 2 set (`04`, `05`, `06`), and the digest of the PIN stands at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundContext(Vec<u8>);

impl BoundContext {
    /// Nothing.
    pub fn none() -> Self {
        Self(vec![0])
    }

    /// An encryption context: names and values.
    pub fn object(pairs: &BTreeMap<String, String>) -> Self {
        if pairs.is_empty() {
            return Self::none();
        }
        let mut canonical = vec![1];
        canonical.extend(length(pairs.len()));
        for (name, value) in pairs {
            for part in [name, value] {
                canonical.extend(length(part.len()));
                canonical.extend(part.as_bytes());
            }
        }
        Self(canonical)
    }

    /// Additional authenticated data: one text.
    pub fn text(text: &str) -> Self {
        if text.is_empty() {
            return Self::none();
        }
        let mut canonical = vec![2];
        canonical.extend(length(text.len()));
        canonical.extend(text.as_bytes());
        Self(canonical)
    }

    /// The same and a PIN, by its digest: both have to be given again.
    #[must_use]
    pub fn with_pin(mut self, digest: &[u8; 32]) -> Self {
        if let Some(kind) = self.0.first_mut()
            && *kind & PIN == 0
        {
            *kind |= PIN;
            self.0.extend(digest);
        }
        self
    }

    /// The policy of a capsule ([`super::capsule`]). No caller can give one, so what it seals opens
    /// as a capsule only, never as data or as a data key.
    pub(super) fn capsule(policy: &[u8]) -> Self {
        let mut canonical = vec![CAPSULE];
        canonical.extend(length(policy.len()));
        canonical.extend(policy);
        Self(canonical)
    }

    /// The canonical form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The type byte is also what the header's flags say.
    fn flags(&self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }
}

fn length(len: usize) -> [u8; 4] {
    u32::try_from(len)
        .expect("requests are far below 4 GiB")
        .to_be_bytes()
}

/// What kind of context a blob is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextKind {
    /// None, or an empty one.
    None,
    /// [`BoundContext::object`].
    Object,
    /// [`BoundContext::text`].
    Text,
    /// The policy of a capsule.
    Capsule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suite {
    Aes256,
    Sm4,
}

impl Suite {
    const fn of(kind: MaterialKind) -> Option<Self> {
        match kind {
            MaterialKind::Aes256 => Some(Self::Aes256),
            MaterialKind::Sm4 => Some(Self::Sm4),
            _ => None,
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Aes256 => 1,
            Self::Sm4 => 2,
        }
    }

    const fn aead(self) -> (Aead, usize) {
        match self {
            Self::Aes256 => (Aead::Aes256Gcm, 32),
            Self::Sm4 => (Aead::Sm4Gcm, 16),
        }
    }

    fn hash(self, data: &[u8]) -> Result<[u8; 32], CryptoError> {
        match self {
            Self::Aes256 => Ok(sha256(data)),
            Self::Sm4 => sm::sm3(&[data]),
        }
    }

    /// The message key and the commitment to it.
    fn derive(
        self,
        material: &Material,
        info: &[u8],
    ) -> Result<(Secret, [u8; COMMITMENT]), CryptoError> {
        let mut commitment = [0; COMMITMENT];
        let mut okm = Zeroizing::new(vec![0; self.aead().1 + COMMITMENT]);
        match (self, material.holding()) {
            (Self::Aes256, Holding::Bytes(key)) => kbkdf(key, info, &mut okm),
            (Self::Sm4, Holding::Bytes(key)) => kbkdf_sm3(key, info, &mut okm)?,
            // The one thing that leaves a module is the key of this one message.
            (Self::Aes256, Holding::Hsm { key, .. }) => {
                kbkdf_by(info, &mut okm, |input| key.hmac(input))?;
            }
            (Self::Sm4, Holding::Hsm { .. }) => return Err(CryptoError::Unsupported),
        }
        let (key, tail) = okm.split_at(self.aead().1);
        commitment.copy_from_slice(tail);
        Ok((Secret::from_slice(key), commitment))
    }
}

/// What a blob says of itself before any key is known. None of it is authentic yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    key_id: String,
    key_version: u32,
    suite: Suite,
    context: ContextKind,
    deployment_hint: [u8; HINT],
}

impl Header {
    /// Reads the header of what may be a blob. Never panics, whatever the bytes.
    ///
    /// # Errors
    /// [`CryptoError::Invalid`] when a length or constant is wrong.
    pub fn parse(blob: &[u8]) -> Result<Self, CryptoError> {
        Parts::parse(blob).map(|parts| parts.header)
    }

    /// The id of the key that made it.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The version of the key's material that made it.
    pub fn key_version(&self) -> u32 {
        self.key_version
    }

    /// What kind of material made it.
    pub fn material_kind(&self) -> MaterialKind {
        match self.suite {
            Suite::Aes256 => MaterialKind::Aes256,
            Suite::Sm4 => MaterialKind::Sm4,
        }
    }

    /// What kind of context is needed to open it.
    pub fn context(&self) -> ContextKind {
        self.context
    }

    /// Whether it may have been made in this deployment. For the error log, never for a decision.
    pub fn hints_at(&self, deployment: &str) -> bool {
        self.deployment_hint == hint(deployment)
    }
}

/// A blob taken apart.
struct Parts<'a> {
    header: Header,
    fixed: &'a [u8; FIXED],
    salt: &'a [u8; SALT],
    iv: &'a [u8; IV],
    commitment: &'a [u8; COMMITMENT],
    aad: &'a [u8],
    ciphertext: &'a [u8],
    tag: &'a [u8; TAG],
}

impl<'a> Parts<'a> {
    fn parse(blob: &'a [u8]) -> Result<Self, CryptoError> {
        Self::try_parse(blob).ok_or(CryptoError::Invalid)
    }

    fn try_parse(blob: &'a [u8]) -> Option<Self> {
        let (aad, body) = blob.split_at_checked(HEADER)?;
        let (ciphertext, tag) = body.split_last_chunk::<TAG>()?;
        let (fixed, rest) = aad.split_first_chunk::<FIXED>()?;
        let (salt, rest) = rest.split_first_chunk::<SALT>()?;
        let (iv, rest) = rest.split_first_chunk::<IV>()?;
        let (commitment, rest) = rest.split_first_chunk::<COMMITMENT>()?;
        let (deployment_hint, []) = rest.split_first_chunk::<HINT>()? else {
            return None;
        };
        let ([MAGIC, VERSION, suite, flags], rest) = fixed.split_first_chunk::<4>()? else {
            return None;
        };
        let (key_version, key_id) = rest.split_first_chunk::<4>()?;
        let header = Header {
            key_id: parse_key_id(key_id)?,
            key_version: u32::from_be_bytes(*key_version),
            suite: [Suite::Aes256, Suite::Sm4]
                .into_iter()
                .find(|one| one.byte() == *suite)?,
            context: match flags & !PIN {
                0 => ContextKind::None,
                1 => ContextKind::Object,
                2 => ContextKind::Text,
                CAPSULE if flags & PIN == 0 => ContextKind::Capsule,
                _ => return None,
            },
            deployment_hint: *deployment_hint,
        };
        Some(Self {
            header,
            fixed,
            salt,
            iv,
            commitment,
            aad,
            ciphertext,
            tag,
        })
    }
}

fn parse_key_id(id: &[u8]) -> Option<String> {
    let good = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-');
    match id.len() == KEY_ID && id.iter().all(good) {
        true => String::from_utf8(id.to_vec()).ok(),
        false => None,
    }
}

fn hint(deployment: &str) -> [u8; HINT] {
    let [a, b, c, d, ..] = sha256(deployment.as_bytes());
    [a, b, c, d]
}

fn info(
    suite: Suite,
    fixed: &[u8; FIXED],
    deployment: &str,
    project: &str,
    salt: &[u8; SALT],
    context: &BoundContext,
) -> Result<Vec<u8>, CryptoError> {
    if project.len() != PROJECT_ID {
        return Err(CryptoError::Invalid);
    }
    let mut info = LABEL.to_vec();
    info.extend(fixed);
    info.extend(deployment.as_bytes());
    info.extend(project.as_bytes());
    info.extend(salt);
    info.extend(suite.hash(context.as_bytes())?);
    Ok(info)
}

/// Seals `plaintext` under the key's material; the result is [`OVERHEAD`] bytes longer.
///
/// # Errors
/// [`CryptoError::Unsupported`] when the material is not for AES-256 or SM4, or this build has no
/// SM4; [`CryptoError::Invalid`] when an id of the place has the wrong form.
pub fn seal(
    material: &Material,
    place: &Place<'_>,
    context: &BoundContext,
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoError> {
    let suite = Suite::of(material.kind()).ok_or(CryptoError::Unsupported)?;
    let key_id = parse_key_id(place.key_id.as_bytes()).ok_or(CryptoError::Invalid)?;
    let mut salt = [0; SALT];
    let mut iv = [0; IV];
    entropy.fill(&mut salt);
    entropy.fill(&mut iv);

    let mut fixed = [0; FIXED];
    let [magic, version, suite_byte, flags, rest @ ..] = &mut fixed;
    [*magic, *version, *suite_byte, *flags] = [MAGIC, VERSION, suite.byte(), context.flags()];
    let (key_version, id) = rest.split_at_mut(4);
    key_version.copy_from_slice(&place.key_version.to_be_bytes());
    id.copy_from_slice(key_id.as_bytes());

    let info = info(
        suite,
        &fixed,
        place.deployment,
        place.project,
        &salt,
        context,
    )?;
    let (message_key, commitment) = suite.derive(material, &info)?;

    // A vector with room for all of it is never moved, so no unwiped copy of the plaintext stays.
    let mut blob = Vec::with_capacity(plaintext.len().saturating_add(OVERHEAD));
    blob.extend(fixed);
    blob.extend(salt);
    blob.extend(iv);
    blob.extend(commitment);
    blob.extend(hint(place.deployment));
    let aad = blob.clone();
    blob.extend(plaintext);
    let body = blob.get_mut(HEADER..).unwrap_or_default();
    let tag = suite.aead().0.seal(message_key.expose(), &iv, &aad, body)?;
    blob.extend(tag);
    Ok(blob)
}

/// Opens what [`seal`] made with the same material, place and context. The caller has found the
/// material by the project and [`Header::key_id`] and [`Header::key_version`].
///
/// # Errors
/// [`CryptoError::Invalid`] for everything else. The plaintext is not looked at before its tag is
/// verified (I-31).
pub fn open(
    material: &Material,
    deployment: &str,
    project: &str,
    context: &BoundContext,
    blob: &[u8],
) -> Result<Secret, CryptoError> {
    let parts = Parts::parse(blob)?;
    let suite = parts.header.suite;
    if Suite::of(material.kind()) != Some(suite) {
        return Err(CryptoError::Invalid);
    }
    let info = info(suite, parts.fixed, deployment, project, parts.salt, context)?;
    let (message_key, commitment) = suite.derive(material, &info)?;
    if !constant_time_eq(parts.commitment, &commitment) {
        return Err(CryptoError::Invalid);
    }
    suite.aead().0.open(
        message_key.expose(),
        parts.iv,
        parts.aad,
        parts.ciphertext,
        parts.tag,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{Seeded, every_bit_flipped, unhex};

    const DEPLOYMENT: &str = "d3b07384-d113-4ec6-a2f1-6c2f0d5a9e10";
    const PROJECT: &str = "0123456789abcdef0123456789abcdef";
    const KEY: &str = "6b1f0c52-9d3e-4a78-b0c4-21f7a95e3d10";
    const PLACE: Place<'_> = Place {
        deployment: DEPLOYMENT,
        project: PROJECT,
        key_id: KEY,
        key_version: 7,
    };

    #[test]
    fn a_pin_counts_whatever_stands_beside_it() {
        let material = Material::import(MaterialKind::Aes256, Secret::from_slice(&[7; 32]));
        let material = material.ok().unwrap();
        let pairs = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let bare = [
            BoundContext::none(),
            BoundContext::text("a"),
            BoundContext::object(&pairs),
        ];
        let pinned = |digest: [u8; 32]| bare.clone().map(|context| context.with_pin(&digest));
        let all = [bare.clone(), pinned([1; 32]), pinned([2; 32])].concat();
        for (at, sealed_with) in all.iter().enumerate() {
            let blob = seal(&material, &PLACE, sealed_with, b"text", &Seeded::new(1)).unwrap();
            assert_eq!(blob[3] & 4 != 0, at >= 3, "the flag of a PIN");
            for (other, opened_with) in all.iter().enumerate() {
                let opened = open(&material, DEPLOYMENT, PROJECT, opened_with, &blob);
                assert_eq!(opened.is_ok(), at == other, "{at} {other}");
            }
        }
        // A text cannot be chosen so that it passes for a PIN.
        let once = BoundContext::none().with_pin(&[1; 32]);
        assert_eq!(once.clone().with_pin(&[2; 32]), once);
    }

    fn kinds() -> impl Iterator<Item = MaterialKind> {
        [MaterialKind::Aes256, MaterialKind::Sm4]
            .into_iter()
            .filter(|kind| kind.is_supported())
    }

    fn material(kind: MaterialKind, seed: u64) -> Material {
        Material::generate(kind, &Seeded::new(seed)).ok().unwrap()
    }

    fn object(pairs: &[(&str, &str)]) -> BoundContext {
        let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        BoundContext::object(&pairs.iter().map(pair).collect())
    }

    #[test]
    fn opens_what_it_sealed() {
        let entropy = Seeded::new(50);
        for kind in kinds() {
            let material = material(kind, 1);
            for (context, context_kind) in [
                (BoundContext::none(), ContextKind::None),
                (object(&[("a", "1"), ("b", "")]), ContextKind::Object),
                (BoundContext::text("text"), ContextKind::Text),
            ] {
                for len in [0, 1, 16, 32, 4096] {
                    let plaintext = vec![0x5a; len];
                    let blob = seal(&material, &PLACE, &context, &plaintext, &entropy).unwrap();
                    assert_eq!(blob.len(), len + 140);
                    let header = Header::parse(&blob).unwrap();
                    assert_eq!((header.key_id(), header.key_version()), (KEY, 7));
                    assert_eq!(header.material_kind(), kind);
                    assert_eq!(header.context(), context_kind);
                    assert!(header.hints_at(DEPLOYMENT) && !header.hints_at("other"));
                    let opened = open(&material, DEPLOYMENT, PROJECT, &context, &blob);
                    assert_eq!(opened.ok().unwrap().expose(), plaintext);
                }
            }
        }
    }

    /// 7.4 of the contract: 128 to 5,648 characters of base64 for 1 to 4,096 bytes.
    #[test]
    fn sizes_are_those_that_clients_expect() {
        for (len, characters) in [(1, 188), (4096, 5648)] {
            assert_eq!((len + OVERHEAD).div_ceil(3) * 4, characters);
        }
    }

    #[test]
    fn every_bit_counts() {
        for kind in kinds() {
            let material = material(kind, 1);
            let context = object(&[("a", "1")]);
            let blob = seal(&material, &PLACE, &context, b"secret", &Seeded::new(51)).unwrap();
            every_bit_flipped(&blob, |changed| {
                let opened = open(&material, DEPLOYMENT, PROJECT, &context, changed);
                assert_eq!(opened.err(), Some(CryptoError::Invalid));
            });
        }
    }

    /// What GCM alone would let through: the right key and a good tag over another commitment.
    #[test]
    fn the_commitment_counts_even_under_a_good_tag() {
        for kind in kinds() {
            let material = material(kind, 1);
            let context = BoundContext::none();
            let blob = seal(&material, &PLACE, &context, b"secret", &Seeded::new(57)).unwrap();
            let parts = Parts::parse(&blob).unwrap();
            let suite = parts.header.suite;
            let info = info(
                suite,
                parts.fixed,
                DEPLOYMENT,
                PROJECT,
                parts.salt,
                &context,
            );
            let (key, _) = suite.derive(&material, &info.unwrap()).unwrap();
            for flip in [0, 1] {
                let mut forged = blob[..HEADER].to_vec();
                forged[88] ^= flip;
                let mut body = b"secret".to_vec();
                let aead = suite.aead().0;
                let tag = aead.seal(key.expose(), parts.iv, &forged, &mut body);
                forged.extend(body);
                forged.extend(tag.unwrap());
                let opened = open(&material, DEPLOYMENT, PROJECT, &context, &forged);
                assert_eq!(opened.is_ok(), flip == 0);
            }
        }
    }

    #[test]
    fn every_length_is_survived() {
        let material = material(MaterialKind::Aes256, 1);
        let none = BoundContext::none();
        let mut blob = seal(&material, &PLACE, &none, b"x", &Seeded::new(52)).unwrap();
        for len in 0..blob.len() {
            let opened = open(&material, DEPLOYMENT, PROJECT, &none, &blob[..len]);
            assert_eq!(opened.err(), Some(CryptoError::Invalid));
            assert_eq!(Header::parse(&blob[..len]).is_ok(), len >= OVERHEAD);
        }
        blob.push(0);
        let opened = open(&material, DEPLOYMENT, PROJECT, &none, &blob);
        assert_eq!(opened.err(), Some(CryptoError::Invalid));
    }

    #[test]
    fn headers_of_any_bytes_are_survived() {
        let entropy = Seeded::new(53);
        for len in [0, 1, 43, 44, 123, 124, 139, 140, 141, 300] {
            for _ in 0..100 {
                let mut bytes = vec![0; len];
                entropy.fill(&mut bytes);
                assert_eq!(Header::parse(&bytes), Err(CryptoError::Invalid));
            }
        }
        let material = material(MaterialKind::Aes256, 1);
        let blob = seal(&material, &PLACE, &BoundContext::none(), b"", &entropy).unwrap();
        for (at, wrong) in [
            (0, 0x4c),
            (1, 2),
            (2, 0),
            (2, 3),
            (3, 3),
            (3, 7),
            (3, 9),
            (3, 12),
            (3, 16),
            (8, b'A'),
            (8, 0xff),
        ] {
            let mut changed = blob.clone();
            changed[at] = wrong;
            assert_eq!(Header::parse(&changed), Err(CryptoError::Invalid));
        }
    }

    #[test]
    fn another_key_place_or_context_does_not_open() {
        let entropy = Seeded::new(54);
        let (one, two) = (
            material(MaterialKind::Aes256, 1),
            material(MaterialKind::Aes256, 2),
        );
        let context = object(&[("a", "1")]);
        let blob = seal(&one, &PLACE, &context, b"x", &entropy).unwrap();
        let opens =
            |material: &Material, deployment: &str, project: &str, context: &BoundContext| {
                open(material, deployment, project, context, &blob).is_ok()
            };
        assert!(opens(&one, DEPLOYMENT, PROJECT, &context));
        assert!(!opens(&two, DEPLOYMENT, PROJECT, &context));
        assert!(!opens(&one, "d2", PROJECT, &context));
        assert!(!opens(
            &one,
            DEPLOYMENT,
            &PROJECT.replace('f', "e"),
            &context
        ));
        assert!(!opens(
            &one,
            &format!("{DEPLOYMENT}0"),
            &PROJECT[1..],
            &context
        ));
        for other in [
            BoundContext::none(),
            BoundContext::text("a1"),
            object(&[("a", "2")]),
            object(&[("A", "1")]),
            object(&[("a", "1"), ("b", "")]),
        ] {
            assert!(!opens(&one, DEPLOYMENT, PROJECT, &other));
        }
        // Nor is the blob of one version or key that of another.
        for (at, byte) in [(7, 8), (8, b'7')] {
            let mut moved = blob.clone();
            moved[at] = byte;
            assert!(Header::parse(&moved).is_ok());
            assert!(open(&one, DEPLOYMENT, PROJECT, &context, &moved).is_err());
        }
    }

    #[test]
    fn contexts_have_one_form_each() {
        assert_eq!(BoundContext::none().as_bytes(), [0]);
        assert_eq!(object(&[]), BoundContext::none());
        assert_eq!(BoundContext::text(""), BoundContext::none());
        assert_eq!(
            hex::encode(object(&[("é", "2"), ("z", ""), ("Z", "1")]).as_bytes()),
            concat!(
                "01", "00000003", "00000001", "5a", "00000001", "31", "00000001", "7a", "00000000",
                "00000002", "c3a9", "00000001", "32",
            )
        );
        assert_eq!(
            hex::encode(BoundContext::text("a b").as_bytes()),
            "0200000003612062"
        );
        assert_ne!(object(&[("ab", "c")]), object(&[("a", "bc")]));
        assert_ne!(object(&[("a", "b"), ("c", "d")]), object(&[("a", "b\0c")]));
    }

    #[test]
    fn what_cannot_seal_is_refused() {
        let entropy = Seeded::new(55);
        let material = material(MaterialKind::Aes256, 1);
        let none = BoundContext::none();
        for place in [
            Place {
                project: "p",
                ..PLACE
            },
            Place {
                key_id: "k",
                ..PLACE
            },
            Place {
                key_id: &KEY.to_uppercase(),
                ..PLACE
            },
        ] {
            let sealed = seal(&material, &place, &none, b"x", &entropy);
            assert_eq!(sealed, Err(CryptoError::Invalid));
        }
        for kind in [MaterialKind::Hmac256, MaterialKind::EcP256] {
            let other = Material::generate(kind, &entropy).ok().unwrap();
            let sealed = seal(&other, &PLACE, &none, b"x", &entropy);
            assert_eq!(sealed, Err(CryptoError::Unsupported));
            let blob = seal(&material, &PLACE, &none, b"x", &entropy).unwrap();
            let opened = open(&other, DEPLOYMENT, PROJECT, &none, &blob);
            assert_eq!(opened.err(), Some(CryptoError::Invalid));
        }
    }

    #[test]
    fn no_two_blobs_are_alike() {
        let entropy = Seeded::new(56);
        let material = material(MaterialKind::Aes256, 1);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let blob = seal(&material, &PLACE, &BoundContext::none(), b"x", &entropy).unwrap();
            assert!(seen.insert(blob[FIXED..FIXED + SALT].to_vec()));
        }
    }

    /// Every blob ever committed opens, and the sealing of today gives the same bytes.
    #[test]
    fn the_corpus_opens() {
        #[derive(serde::Deserialize)]
        struct Sample {
            name: String,
            kind: String,
            material: String,
            deployment: String,
            project: String,
            key_id: String,
            key_version: u32,
            object: Option<BTreeMap<String, String>>,
            text: Option<String>,
            pin: Option<String>,
            plaintext: String,
            seed: u64,
            blob: String,
        }
        let corpus = include_str!("../../tests/vectors/blobs.v1.json");
        let corpus: Vec<Sample> = serde_json::from_str(corpus).unwrap();
        let mut opened = 0;
        for sample in &corpus {
            let kind = MaterialKind::from_name(&sample.kind).unwrap();
            if !kind.is_supported() {
                continue;
            }
            let bytes = Secret::new(unhex(&sample.material));
            let material = Material::import(kind, bytes).ok().unwrap();
            let context = match (&sample.object, &sample.text) {
                (Some(pairs), None) => BoundContext::object(pairs),
                (None, Some(text)) => BoundContext::text(text),
                _ => BoundContext::none(),
            };
            let context = match &sample.pin {
                Some(pin) => context.with_pin(&sha256(pin.as_bytes())),
                None => context,
            };
            let place = Place {
                deployment: &sample.deployment,
                project: &sample.project,
                key_id: &sample.key_id,
                key_version: sample.key_version,
            };
            let plaintext = unhex(&sample.plaintext);
            let blob = seal(
                &material,
                &place,
                &context,
                &plaintext,
                &Seeded::new(sample.seed),
            );
            assert_eq!(hex::encode(blob.unwrap()), sample.blob, "{}", sample.name);
            let blob = unhex(&sample.blob);
            let secret = open(&material, place.deployment, place.project, &context, &blob);
            assert_eq!(secret.ok().unwrap().expose(), plaintext, "{}", sample.name);
            opened += 1;
        }
        println!("corpus: {opened} of {} blobs opened", corpus.len());
        assert_eq!(opened, if sm::AVAILABLE { 9 } else { 6 });
    }
}
