//! Entropy that repeats, for the unit tests of this module only.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use shake::{ExtendableOutput, Shake256};

use super::hash::sha256;
use super::material::{Material, MaterialKind};
use super::secret::Secret;
use crate::env::Entropy;

/// A stream of SHA-256 values over a seed and a counter.
pub(crate) struct Seeded {
    seed: u64,
    next: AtomicU64,
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        let next = AtomicU64::new(0);
        Self { seed, next }
    }
}

impl Entropy for Seeded {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let count = self.next.fetch_add(1, Ordering::Relaxed);
            let mut input = self.seed.to_be_bytes().to_vec();
            input.extend(count.to_be_bytes());
            chunk.copy_from_slice(&sha256(&input)[..chunk.len()]);
        }
    }
}

/// The bytes that a vector names, over and over.
pub(crate) struct Given(pub(crate) Vec<u8>);

impl Entropy for Given {
    fn fill(&self, out: &mut [u8]) {
        for (to, from) in out.iter_mut().zip(self.0.iter().cycle()) {
            *to = *from;
        }
    }
}

/// What ML-DSA signs of a message, made of it and of the hash of a raw public key, with no context
/// (FIPS 204, algorithm 2).
pub(crate) fn representative(public: &[u8], message: &[u8]) -> [u8; 64] {
    let shake256 = |parts: &[&[u8]]| {
        let mut out = [0; 64];
        Shake256::digest_xof(parts.concat(), &mut out);
        out
    };
    shake256(&[&shake256(&[public]), &[0, 0], message])
}

/// Calls `check` with every single-bit change of `bytes`.
pub(crate) fn every_bit_flipped(bytes: &[u8], mut check: impl FnMut(&[u8])) {
    let mut changed = bytes.to_vec();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            changed[at] ^= 1 << bit;
            check(&changed);
            changed[at] ^= 1 << bit;
        }
    }
}

/// Calls `check` with single-bit changes of `bytes`: one in every so many bytes, each time another bit.
pub(crate) fn some_bits_flipped(bytes: &[u8], step: usize, mut check: impl FnMut(&[u8])) {
    let mut changed = bytes.to_vec();
    for at in (0..bytes.len()).step_by(step) {
        changed[at] ^= 1 << (at % 8);
        check(&changed);
        changed[at] ^= 1 << (at % 8);
    }
}

/// Bytes written in hexadecimal.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).expect("hexadecimal in a test")
}

/// Material of a kind, the same throughout a test run, since RSA keys are slow to make.
pub(crate) fn sample(kind: MaterialKind) -> Material {
    static MADE: Mutex<Option<HashMap<&str, Secret>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = made
        .get_or_insert_default()
        .entry(kind.name())
        .or_insert_with(|| {
            let material = Material::generate(kind, &Seeded::new(20));
            material.expect("a supported kind").into_data_key()
        });
    let copy = Secret::from_slice(bytes.expose());
    Material::import(kind, copy).expect("our own material")
}
