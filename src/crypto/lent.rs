//! Our entropy in the shape that the crates of RustCrypto ask for.

use std::convert::Infallible;

use ml_dsa::signature::rand_core::{TryCryptoRng, TryRng};

use crate::env::Entropy;

/// Entropy that was lent for one call.
pub(super) struct Lent<'a>(pub(super) &'a dyn Entropy);

impl TryRng for Lent<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Lent<'_> {}
