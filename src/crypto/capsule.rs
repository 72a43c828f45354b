//! Capsules: a data key sealed under a customer master key, and the policy under which it opens.
//!
//! Customers keep them for ever, as they keep blobs. The policy stands in the clear before the blob
//! and is what the blob is bound to, so that neither opens without the other.
//!
//! ```text
//! offset  0  magic, 43
//!         1  format version, 01
//!         2  policy: 01 the id of one, 02 the rules themselves
//!         3  length of the policy in bytes, u16, big endian
//!         5  the policy
//!            the blob (`blob.rs`), with bit 2 of its flags set, bound to the bytes from 2 to its own
//!            beginning
//! ```

use super::CryptoError;
use super::blob::BoundContext;

const MAGIC: u8 = 0x43;
const VERSION: u8 = 1;
/// Where the bytes begin that the blob is bound to.
const POLICY: usize = 2;
/// The bytes before the policy itself.
const HEADER: usize = 5;

/// The policy of a capsule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy<'a> {
    /// The id of a policy that is kept elsewhere and may change.
    Id(&'a str),
    /// Rules that stand in the capsule and never change.
    Rules(&'a str),
}

/// The beginning of a capsule with this policy; its blob, bound to [`bound_to`] of this, follows.
///
/// # Errors
/// [`CryptoError::Invalid`] when the policy is longer than 65,535 bytes.
pub fn begin(policy: Policy<'_>) -> Result<Vec<u8>, CryptoError> {
    let (kind, text) = match policy {
        Policy::Id(id) => (1, id),
        Policy::Rules(rules) => (2, rules),
    };
    let len = u16::try_from(text.len()).map_err(|_| CryptoError::Invalid)?;
    let mut bytes = vec![MAGIC, VERSION, kind];
    bytes.extend(len.to_be_bytes());
    bytes.extend(text.as_bytes());
    Ok(bytes)
}

/// What the blob of a capsule is bound to, told by what [`begin`] made or [`split`] found.
pub fn bound_to(beginning: &[u8]) -> BoundContext {
    BoundContext::capsule(beginning.get(POLICY..).unwrap_or_default())
}

/// Takes what may be a capsule apart: its beginning, its policy, its blob. None of it is authentic
/// before the blob has been opened. Never panics, whatever the bytes.
///
/// # Errors
/// [`CryptoError::Invalid`] when a length or constant is wrong.
pub fn split(capsule: &[u8]) -> Result<(&[u8], Policy<'_>, &[u8]), CryptoError> {
    let parts = || {
        let ([MAGIC, VERSION, kind, high, low], _) = capsule.split_first_chunk::<HEADER>()? else {
            return None;
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (beginning, blob) = capsule.split_at_checked(HEADER.checked_add(len)?)?;
        let text = std::str::from_utf8(beginning.get(HEADER..)?).ok()?;
        let policy = match kind {
            1 => Policy::Id(text),
            2 => Policy::Rules(text),
            _ => return None,
        };
        Some((beginning, policy, blob))
    };
    parts().ok_or(CryptoError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::blob::{self, ContextKind, Header, Place};
    use crate::crypto::material::{Material, MaterialKind};
    use crate::crypto::secret::Secret;
    use crate::crypto::testing::{Seeded, every_bit_flipped, unhex};
    use std::collections::BTreeMap;

    const PLACE: Place<'_> = Place {
        deployment: "d3b07384-d113-4ec6-a2f1-6c2f0d5a9e10",
        project: "0123456789abcdef0123456789abcdef",
        key_id: "6b1f0c52-9d3e-4a78-b0c4-21f7a95e3d10",
        key_version: 1,
    };
    const RULES: &str = "1.0|||71b0c2d4-5a8e-4e93-b6f7-2c9d1e40a835";

    fn material() -> Material {
        Material::generate(MaterialKind::Aes256, &Seeded::new(70))
            .ok()
            .unwrap()
    }

    fn sealed(policy: Policy<'_>) -> Vec<u8> {
        let mut capsule = begin(policy).unwrap();
        let context = bound_to(&capsule);
        let blob = blob::seal(&material(), &PLACE, &context, b"data key", &Seeded::new(71));
        capsule.extend(blob.unwrap());
        capsule
    }

    fn open(capsule: &[u8]) -> Option<Vec<u8>> {
        let (beginning, _, blob) = split(capsule).ok()?;
        let context = bound_to(beginning);
        let opened = blob::open(&material(), PLACE.deployment, PLACE.project, &context, blob);
        opened.ok().map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn a_capsule_opens_whole_and_with_its_own_policy_only() {
        for policy in [Policy::Id("0c6a4b1e"), Policy::Rules(RULES)] {
            let capsule = sealed(policy);
            assert_eq!(split(&capsule).unwrap().1, policy);
            assert_eq!(open(&capsule).as_deref(), Some(&b"data key"[..]));
            every_bit_flipped(&capsule, |changed| assert_eq!(open(changed), None));
            for len in 0..capsule.len() {
                assert_eq!(open(&capsule[..len]), None);
            }
        }
        let (other, whole) = (
            sealed(Policy::Rules("1.0|||")),
            sealed(Policy::Rules(RULES)),
        );
        let moved = [split(&other).unwrap().0, split(&whole).unwrap().2].concat();
        assert_eq!(open(&moved), None);
        // The same text is another policy as an id.
        let as_id = [&begin(Policy::Id(RULES)).unwrap(), split(&whole).unwrap().2].concat();
        assert_eq!(open(&as_id), None);
    }

    /// Whoever may decrypt data must not get around the policy.
    #[test]
    fn the_blob_of_a_capsule_opens_with_no_context_that_a_caller_can_give() {
        let capsule = sealed(Policy::Rules(RULES));
        let (beginning, _, blob) = split(&capsule).unwrap();
        assert_eq!(Header::parse(blob).unwrap().context(), ContextKind::Capsule);
        let text = String::from_utf8(beginning[POLICY..].to_vec()).unwrap();
        let pairs = BTreeMap::from([(text.clone(), String::new())]);
        for context in [
            BoundContext::none(),
            BoundContext::text(&text),
            BoundContext::text(RULES),
            BoundContext::object(&pairs),
        ] {
            for flags in [0, 1, 2, 4] {
                let mut blob = blob.to_vec();
                blob[3] = flags;
                let opened = blob::open(
                    &material(),
                    PLACE.deployment,
                    PLACE.project,
                    &context,
                    &blob,
                );
                assert_eq!(opened.err(), Some(CryptoError::Invalid));
            }
        }
    }

    /// Every capsule ever committed opens, and the sealing of today gives the same bytes.
    #[test]
    fn the_corpus_opens() {
        #[derive(serde::Deserialize)]
        struct Sample {
            kind: String,
            material: String,
            deployment: String,
            project: String,
            key_id: String,
            key_version: u32,
            policy_id: Option<String>,
            rules: Option<String>,
            plaintext: String,
            seed: u64,
            capsule: String,
        }
        let corpus = include_str!("../../tests/vectors/capsules.v1.json");
        let corpus: Vec<Sample> = serde_json::from_str(corpus).unwrap();
        let mut opened = 0;
        for sample in &corpus {
            let kind = MaterialKind::from_name(&sample.kind).unwrap();
            if !kind.is_supported() {
                continue;
            }
            let bytes = Secret::new(unhex(&sample.material));
            let material = Material::import(kind, bytes).ok().unwrap();
            let policy = match (&sample.policy_id, &sample.rules) {
                (Some(id), None) => Policy::Id(id),
                (None, Some(rules)) => Policy::Rules(rules),
                _ => panic!("one policy"),
            };
            let place = Place {
                deployment: &sample.deployment,
                project: &sample.project,
                key_id: &sample.key_id,
                key_version: sample.key_version,
            };
            let plaintext = unhex(&sample.plaintext);
            let mut capsule = begin(policy).unwrap();
            let context = bound_to(&capsule);
            let entropy = Seeded::new(sample.seed);
            capsule.extend(blob::seal(&material, &place, &context, &plaintext, &entropy).unwrap());
            assert_eq!(hex::encode(&capsule), sample.capsule);
            let (beginning, found, blob) = split(&capsule).unwrap();
            assert_eq!(found, policy);
            let context = bound_to(beginning);
            let secret = blob::open(
                &material,
                &sample.deployment,
                &sample.project,
                &context,
                blob,
            );
            assert_eq!(secret.ok().unwrap().expose(), plaintext);
            opened += 1;
        }
        assert!(opened >= 2);
    }

    #[test]
    fn the_format_does_not_change() {
        assert_eq!(
            hex::encode(begin(Policy::Rules("1.0|||")).unwrap()),
            "4301020006312e307c7c7c"
        );
        assert_eq!(hex::encode(begin(Policy::Id("x")).unwrap()), "430101000178");
        assert_eq!(
            hex::encode(bound_to(&begin(Policy::Id("x")).unwrap()).as_bytes()),
            "080000000401000178"
        );
    }
}
