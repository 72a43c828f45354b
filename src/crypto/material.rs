//! Key material: the secret bytes of one version of one key.
//!
//! It is opened for one call and wiped after it. Outside this module it is opaque.

use super::CryptoError;
use super::hash::hmac_sha256;
use super::sealed::{self, Context};
use super::secret::{Secret, assert_not_impl};
use crate::env::Entropy;

/// What the bytes are a key of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaterialKind {
    /// 32 bytes for AES-256.
    Aes256,
}

impl MaterialKind {
    /// Its name inside sealed values. Never change one: old values would no longer open.
    fn name(self) -> &'static str {
        match self {
            Self::Aes256 => "AES_256",
        }
    }
}

/// Secret bytes and what they are a key of.
pub struct Material {
    kind: MaterialKind,
    bytes: Secret,
}

assert_not_impl!(Material: std::fmt::Debug, Clone, serde::Serialize);

impl Material {
    /// A new key for AES-256.
    pub fn generate_aes256(entropy: &dyn Entropy) -> Self {
        Self {
            kind: MaterialKind::Aes256,
            bytes: Secret::random(entropy, 32),
        }
    }

    /// What it is a key of.
    pub fn kind(&self) -> MaterialKind {
        self.kind
    }

    /// Seals the material for storage under a project's `wrap` key, for `context` only.
    pub fn seal(&self, wrap: &Secret, context: Context, entropy: &dyn Entropy) -> Vec<u8> {
        let context = context.with("kind", self.kind.name());
        sealed::seal(wrap, &context, self.bytes.expose(), entropy)
    }

    /// Opens what [`Self::seal`] made with the same key, context and kind.
    pub fn open(
        kind: MaterialKind,
        wrap: &Secret,
        context: Context,
        sealed: &[u8],
    ) -> Result<Self, CryptoError> {
        let context = context.with("kind", kind.name());
        let bytes = sealed::open(wrap, &context, sealed)?;
        Ok(Self { kind, bytes })
    }

    /// A value by which the same material is known again after it was deleted (I-32).
    ///
    /// It is keyed with a project's `check` key, so that whoever reads the database cannot try
    /// out guesses, and bound to `context`, so that equal material of two keys does not show.
    pub fn check_value(&self, check: &Secret, context: &Context) -> [u8; 32] {
        let context = context.as_bytes();
        let context_len = u64::try_from(context.len())
            .unwrap_or(u64::MAX)
            .to_be_bytes();
        let name = self.kind.name().as_bytes();
        hmac_sha256(
            check.expose(),
            &[
                b"kmsd/kcv/1\0",
                &context_len,
                context,
                name,
                b"\0",
                self.bytes.expose(),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{Seeded, every_bit_flipped};

    fn key(byte: u8) -> Secret {
        Secret::from_slice(&[byte; 32])
    }

    fn context(id: &str) -> Context {
        Context::new("key_versions.material").with("key", id)
    }

    #[test]
    fn opens_in_its_place_only() {
        let entropy = Seeded::new(30);
        let material = Material::generate_aes256(&entropy);
        let sealed = material.seal(&key(1), context("k1"), &entropy);
        let open = |wrap: u8, id, sealed: &[u8]| {
            Material::open(MaterialKind::Aes256, &key(wrap), context(id), sealed)
        };
        let opened = open(1, "k1", &sealed).ok().unwrap();
        assert!(opened.bytes.eq_ct(&material.bytes));
        assert_eq!(open(1, "k2", &sealed).err(), Some(CryptoError::Invalid));
        assert_eq!(open(2, "k1", &sealed).err(), Some(CryptoError::Invalid));
        every_bit_flipped(&sealed, |changed| assert!(open(1, "k1", changed).is_err()));
    }

    #[test]
    fn the_check_value_knows_the_material_again() {
        let entropy = Seeded::new(31);
        let (one, two) = (
            Material::generate_aes256(&entropy),
            Material::generate_aes256(&entropy),
        );
        let again = Material {
            kind: one.kind(),
            bytes: Secret::from_slice(one.bytes.expose()),
        };
        let value = one.check_value(&key(1), &context("k1"));
        assert_eq!(value, again.check_value(&key(1), &context("k1")));
        assert_ne!(value, two.check_value(&key(1), &context("k1")));
        assert_ne!(value, one.check_value(&key(2), &context("k1")));
        assert_ne!(value, one.check_value(&key(1), &context("k2")));
    }
}
