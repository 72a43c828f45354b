//! Entropy that repeats, for the unit tests of this module only.

use std::sync::atomic::{AtomicU64, Ordering};

use super::hash::sha256;
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

/// Bytes written in hexadecimal.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).expect("hexadecimal in a test")
}
