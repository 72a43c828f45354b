//! Keys of ML-DSA and ML-KEM as they are written: of a private key its seed alone, as PKCS#8 DER; the
//! public key as SubjectPublicKeyInfo DER (RFC 9881, RFC 9935).
//!
//! A seed is the whole key: short, the same for every library, and without anything inside that
//! could contradict itself. The other two forms of these RFCs are not taken
//! (`docs/decisions/0013-post-quantum-keys-are-seeds.md`).

use super::CryptoError;
use super::der::definite;
use super::secret::Secret;
use crate::env::Entropy;

/// What stands before the last two numbers of every name here: 2.16.840.1.101.3.4, NIST's algorithms.
const ARC: [u8; 7] = [0x60, 0x86, 0x48, 1, 0x65, 3, 4];
/// Everything of a private key but its seed, in bytes.
const FRAME: usize = 22;

/// How keys under one set of parameters are written.
#[derive(Clone, Copy)]
pub(super) struct Written {
    /// The last two numbers of the algorithm's name.
    pub(super) oid: [u8; 2],
    /// The length of a seed in bytes.
    pub(super) seed: u8,
    /// The length of a raw public key in bytes.
    pub(super) public: usize,
}

impl Written {
    /// A new private key.
    pub(super) fn generate(self, entropy: &dyn Entropy) -> Secret {
        self.private(Secret::random(entropy, self.seed.into()).expose())
    }

    /// The same private key, if this is one in the one form that is taken.
    pub(super) fn normalize(self, pkcs8: &[u8]) -> Result<Secret, CryptoError> {
        self.seed_in(pkcs8).map(|seed| self.private(seed))
    }

    /// The seed of a private key.
    pub(super) fn seed_in(self, pkcs8: &[u8]) -> Result<&[u8], CryptoError> {
        pkcs8
            .strip_prefix(&self.private_frame())
            .filter(|seed| seed.len() == usize::from(self.seed))
            .ok_or(CryptoError::Invalid)
    }

    /// A public key around its raw bytes.
    pub(super) fn public(self, raw: &[u8]) -> Vec<u8> {
        let bits = definite(3, &[&[0], raw].concat());
        definite(0x30, &[&self.algorithm()[..], &bits].concat())
    }

    /// The raw bytes of a public key.
    pub(super) fn raw_public(self, spki: &[u8]) -> Result<&[u8], CryptoError> {
        let start = spki.len().checked_sub(self.public);
        let raw = start.and_then(|start| spki.get(start..));
        raw.filter(|raw| self.public(raw) == spki)
            .ok_or(CryptoError::Invalid)
    }

    fn private(self, seed: &[u8]) -> Secret {
        Secret::new([&self.private_frame()[..], seed].concat())
    }

    /// What stands before the seed, which is the content of `[0]` in the OCTET STRING of version 1.
    #[rustfmt::skip]
    fn private_frame(self) -> [u8; FRAME] {
        let mut frame = [0; FRAME];
        let seed = self.seed;
        let (start, algorithm, end) = ([0x30, seed + 20, 2, 1, 0], self.algorithm(), [4, seed + 2, 0x80, seed]);
        for (to, from) in frame.iter_mut().zip(start.iter().chain(&algorithm).chain(&end)) {
            *to = *from;
        }
        frame
    }

    /// The AlgorithmIdentifier, which has no parameters.
    #[rustfmt::skip]
    const fn algorithm(self) -> [u8; 13] {
        let [a, b, c, d, e, f, g] = ARC;
        let [family, set] = self.oid;
        [0x30, 11, 6, 9, a, b, c, d, e, f, g, family, set]
    }
}
