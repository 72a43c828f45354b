//! The import token: goes with the public key that wraps imported material, and holds the private
//! half. Nothing of it is stored (contract, section 7.6).
//!
//! ```text
//! offset  0  version, 01
//!         1  key id, algorithm, kind of pair: each a length byte and ASCII
//!         …  when it is over, milliseconds since 1970, 8 bytes, big endian
//!         …  the private half, sealed; everything before it is bound
//! ```

use super::CryptoError;
use super::material::{Material, MaterialKind};
use super::sealed::Context;
use super::secret::{Secret, assert_not_impl};
use super::wrap::WrappingAlgorithm;
use crate::env::Entropy;

const VERSION: u8 = 1;

/// What a token says.
pub struct OpenedImportToken {
    /// The key that it is for.
    pub key_id: String,
    /// How material is wrapped.
    pub algorithm: WrappingAlgorithm,
    /// When it is over, in milliseconds since 1970.
    pub expires_at: i64,
    /// The pair under whose public half material is wrapped.
    pub pair: Material,
}

assert_not_impl!(OpenedImportToken: std::fmt::Debug, Clone, serde::Serialize);

impl OpenedImportToken {
    /// The token, sealed under a project's key for import tokens, for `place` only.
    pub fn seal(&self, key: &Secret, place: Context, entropy: &dyn Entropy) -> Vec<u8> {
        let mut token = vec![VERSION];
        for name in [
            &*self.key_id,
            self.algorithm.name(),
            self.pair.kind().name(),
        ] {
            // Ids and names of algorithms are far shorter; a longer one could not be read back.
            let name = &name.as_bytes()[..name.len().min(255)];
            token.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            token.extend(name);
        }
        token.extend(self.expires_at.to_be_bytes());
        let context = place.with("head", &token);
        token.extend(self.pair.seal(key, context, entropy));
        token
    }

    /// Opens what [`Self::seal`] made with the same key and place.
    ///
    /// # Errors
    /// [`CryptoError::Invalid`] for everything else.
    pub fn open(key: &Secret, place: Context, token: &[u8]) -> Result<Self, CryptoError> {
        let mut rest = token.strip_prefix(&[VERSION]).ok_or(CryptoError::Invalid)?;
        let mut name = || -> Result<&str, CryptoError> {
            let (len, after) = rest.split_first().ok_or(CryptoError::Invalid)?;
            let (name, after) = after
                .split_at_checked(usize::from(*len))
                .ok_or(CryptoError::Invalid)?;
            rest = after;
            std::str::from_utf8(name).map_err(|_| CryptoError::Invalid)
        };
        let key_id = name()?.to_owned();
        let algorithm = WrappingAlgorithm::from_name(name()?).ok_or(CryptoError::Invalid)?;
        let kind = MaterialKind::from_name(name()?).ok_or(CryptoError::Invalid)?;
        let (expires_at, sealed) = rest.split_first_chunk().ok_or(CryptoError::Invalid)?;
        let head = &token[..token.len() - sealed.len()];
        Ok(Self {
            key_id,
            algorithm,
            expires_at: i64::from_be_bytes(*expires_at),
            pair: Material::open(kind, key, place.with("head", head), sealed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{Seeded, every_bit_flipped, sample};

    fn key(byte: u8) -> Secret {
        Secret::from_slice(&[byte; 32])
    }

    fn place(project: &str) -> Context {
        Context::new("import token").with("project", project)
    }

    fn token(kind: MaterialKind) -> OpenedImportToken {
        OpenedImportToken {
            key_id: "0d0466b0-e727-4d9c-b35d-f84bb474a37f".into(),
            algorithm: WrappingAlgorithm::RsaOaepSha256,
            expires_at: 1_767_409_445_000,
            pair: sample(kind),
        }
    }

    #[test]
    fn says_what_was_said_and_opens_in_its_place_only() {
        for kind in [MaterialKind::Rsa2048, MaterialKind::Rsa4096] {
            let sealed = token(kind).seal(&key(1), place("p1"), &Seeded::new(80));
            let opened = OpenedImportToken::open(&key(1), place("p1"), &sealed);
            let opened = opened.ok().unwrap();
            let made = token(kind);
            assert_eq!(opened.key_id, made.key_id);
            assert_eq!(opened.algorithm, made.algorithm);
            assert_eq!(opened.expires_at, made.expires_at);
            assert_eq!(
                opened.pair.public_key_der().unwrap(),
                made.pair.public_key_der().unwrap()
            );
            for (by, project) in [(2, "p1"), (1, "p2")] {
                let opened = OpenedImportToken::open(&key(by), place(project), &sealed);
                assert_eq!(opened.err(), Some(CryptoError::Invalid));
            }
            // The contract's bound on the Base64 of a token, 200 to 6144 characters.
            assert!((150..=4608).contains(&sealed.len()), "{}", sealed.len());
        }
    }

    #[test]
    fn every_bit_counts() {
        let sealed = token(MaterialKind::EcP256).seal(&key(1), place("p1"), &Seeded::new(81));
        every_bit_flipped(&sealed, |changed| {
            assert!(OpenedImportToken::open(&key(1), place("p1"), changed).is_err());
        });
        for len in 0..sealed.len() {
            assert!(OpenedImportToken::open(&key(1), place("p1"), &sealed[..len]).is_err());
        }
    }
}
