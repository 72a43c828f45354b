//! The one type that carries secret bytes.
//!
//! It does not know what the bytes are for; [`super::material`] and [`super::keyring`] do.

use zeroize::Zeroizing;

use super::hash::constant_time_eq;
use crate::env::Entropy;

/// Fails to compile if a type implements a trait that would let its secret out.
macro_rules! assert_not_impl {
    ($type:ty: $($trait:path),+) => {
        $(const _: fn() = || {
            trait AmbiguousIf<A> {
                fn check() {}
            }
            struct Implemented;
            impl<T: ?Sized> AmbiguousIf<()> for T {}
            impl<T: ?Sized + $trait> AmbiguousIf<Implemented> for T {}
            // Two candidates, hence no inference, as soon as the trait is implemented.
            let _ = <$type as AmbiguousIf<_>>::check;
        };)+
    };
}
pub(crate) use assert_not_impl;

/// Secret bytes: wiped on drop; not printable, not copyable, not comparable with `==`.
pub struct Secret(Zeroizing<Vec<u8>>);

assert_not_impl!(Secret: std::fmt::Debug, std::fmt::Display, Clone, PartialEq, serde::Serialize);

impl Secret {
    /// Takes the bytes over; no copy stays behind.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Copies the bytes. Wiping the original is the caller's business.
    pub fn from_slice(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// `len` unpredictable bytes.
    pub fn random(entropy: &dyn Entropy, len: usize) -> Self {
        let mut bytes = Zeroizing::new(vec![0; len]);
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// The bytes themselves. Every use is a place to look at in a review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether both hold the same bytes, in time that depends on their lengths only.
    pub fn eq_ct(&self, other: &Self) -> bool {
        constant_time_eq(self.expose(), other.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::Seeded;

    #[test]
    fn random_secrets_have_the_length_and_differ() {
        let entropy = Seeded::new(1);
        let (a, b) = (Secret::random(&entropy, 32), Secret::random(&entropy, 32));
        assert_eq!(a.expose().len(), 32);
        assert!(!a.eq_ct(&b));
        assert!(a.eq_ct(&Secret::from_slice(a.expose())));
        assert!(!a.eq_ct(&Secret::from_slice(&a.expose()[..31])));
    }
}
