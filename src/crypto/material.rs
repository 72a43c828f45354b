//! Key material: what one version of one key computes with.
//!
//! Outside this module it is opaque.

use std::sync::Arc;

use super::hash::hmac_sha256;
use super::hsm_key::HsmKey;
use super::kind::Form;
use super::sealed::{self, Context};
use super::secret::{Secret, assert_not_impl};
use super::{CryptoError, ec, ed25519, ml_dsa, ml_kem, rsa, sm};
use crate::env::Entropy;

pub use super::kind::MaterialKind;

/// What a key computes with, and what it is a key of.
pub struct Material {
    kind: MaterialKind,
    holding: Holding,
}

/// Where the secret is.
pub(super) enum Holding {
    /// Here. Asymmetric keys are PKCS#8 DER in one fixed encoding, so equal keys are equal bytes.
    Bytes(Secret),
    /// In a hardware security module. What is known here is the public half
    /// (SubjectPublicKeyInfo, DER), which is empty for a symmetric key.
    Hsm {
        key: Arc<dyn HsmKey>,
        public: Secret,
    },
}

assert_not_impl!(Material: std::fmt::Debug, Clone, serde::Serialize);

impl Material {
    /// New material.
    ///
    /// RSA takes from a tenth of a second to several seconds and belongs on a pool for blocking
    /// work; the others take well under a millisecond. The library makes RSA, EC and Ed25519 keys
    /// from its own random generator, which it does not let us replace.
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] for a Chinese algorithm in a build without them.
    pub fn generate(kind: MaterialKind, entropy: &dyn Entropy) -> Result<Self, CryptoError> {
        if !kind.is_supported() {
            return Err(CryptoError::Unsupported);
        }
        let bytes = match kind.form() {
            Form::Bytes(len) => Secret::random(entropy, len),
            Form::Rsa(bits) => rsa::generate(bits)?,
            Form::Ec(curve) => ec::generate(curve)?,
            Form::Ed25519 => ed25519::generate()?,
            Form::MlDsa(of) => of.written().generate(entropy),
            Form::MlKem(of) => of.written().generate(entropy),
            Form::Sm2 => sm::generate(entropy)?,
        };
        Ok(Self::of_bytes(kind, bytes))
    }

    /// Material that is in a hardware security module. `public` is the public half
    /// (SubjectPublicKeyInfo, DER), empty for a symmetric key.
    pub fn in_hsm(kind: MaterialKind, key: Arc<dyn HsmKey>, public: Vec<u8>) -> Self {
        let public = Secret::new(public);
        let holding = Holding::Hsm { key, public };
        Self { kind, holding }
    }

    fn of_bytes(kind: MaterialKind, bytes: Secret) -> Self {
        let holding = Holding::Bytes(bytes);
        Self { kind, holding }
    }

    /// Material that a customer brings (I-32): the exact number of bytes for a symmetric or HMAC
    /// key, else unencrypted PKCS#8 DER without anything behind it.
    ///
    /// A private key must be of this very kind: modulus of exactly this size with a public exponent
    /// above 2^16, primes and exponents that belong together; or a valid scalar on this curve; or a
    /// seed. A public half inside must be that of the private half. The key is kept in an encoding
    /// of our own, so that [`Self::check_value`] knows it again in any other.
    ///
    /// # Errors
    /// [`CryptoError::Invalid`] for anything else, [`CryptoError::Unsupported`] for a Chinese
    /// algorithm in a build without them.
    pub fn import(kind: MaterialKind, bytes: Secret) -> Result<Self, CryptoError> {
        if !kind.is_supported() {
            return Err(CryptoError::Unsupported);
        }
        let bytes = match kind.form() {
            Form::Bytes(len) if bytes.expose().len() == len => bytes,
            Form::Bytes(_) => return Err(CryptoError::Invalid),
            Form::Rsa(bits) => rsa::normalize(bits, bytes.expose())?,
            Form::Ec(curve) => ec::normalize(curve, bytes.expose())?,
            Form::Ed25519 => ed25519::normalize(bytes.expose())?,
            Form::MlDsa(of) => of.written().normalize(bytes.expose())?,
            Form::MlKem(of) => of.written().normalize(bytes.expose())?,
            Form::Sm2 => sm::normalize(bytes.expose())?,
        };
        Ok(Self::of_bytes(kind, bytes))
    }

    /// The public half as SubjectPublicKeyInfo DER (RFC 5280).
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] when the key has no public half.
    pub fn public_key_der(&self) -> Result<Vec<u8>, CryptoError> {
        match (self.kind.form(), &self.holding) {
            (Form::Bytes(_), _) => Err(CryptoError::Unsupported),
            (_, Holding::Hsm { public, .. }) => Ok(public.expose().to_vec()),
            (Form::Rsa(_), Holding::Bytes(bytes)) => rsa::public_der(bytes),
            (Form::Ec(curve), Holding::Bytes(bytes)) => ec::public_der(curve, bytes),
            (Form::Ed25519, Holding::Bytes(bytes)) => ed25519::public_der(bytes),
            (Form::MlDsa(of), Holding::Bytes(bytes)) => ml_dsa::public_der(of, bytes),
            (Form::MlKem(of), Holding::Bytes(bytes)) => ml_kem::public_der(of, bytes),
            (Form::Sm2, Holding::Bytes(bytes)) => sm::public_der(bytes),
        }
    }

    /// The bytes themselves, PKCS#8 DER for a private key: for data keys and data key pairs, which
    /// are handed out and not kept. The material of a key never leaves this way; of one in a hardware
    /// security module there is only the public half.
    pub fn into_data_key(self) -> Secret {
        match self.holding {
            Holding::Bytes(bytes) => bytes,
            Holding::Hsm { public, .. } => public,
        }
    }

    pub(super) fn holding(&self) -> &Holding {
        &self.holding
    }

    /// Whether using it may take milliseconds or more, and so belongs on a pool for blocking work:
    /// RSA, ML-DSA (which tries until a signature fits), and whatever is in a hardware security
    /// module.
    pub fn is_slow(&self) -> bool {
        matches!(self.kind.form(), Form::Rsa(_) | Form::MlDsa(_)) || self.cluster().is_some()
    }

    /// The cluster of hardware security modules that it is in.
    pub fn cluster(&self) -> Option<&str> {
        match &self.holding {
            Holding::Bytes(_) => None,
            Holding::Hsm { key, .. } => Some(key.cluster()),
        }
    }

    /// What of it is kept here.
    fn kept(&self) -> &Secret {
        match &self.holding {
            Holding::Bytes(bytes) => bytes,
            Holding::Hsm { public, .. } => public,
        }
    }

    /// What it is a key of.
    pub fn kind(&self) -> MaterialKind {
        self.kind
    }

    /// Seals the material for storage under a project's `wrap` key, for `context` only. Of material
    /// in a hardware security module that is the public half, so that nobody slips in another.
    pub fn seal(&self, wrap: &Secret, context: Context, entropy: &dyn Entropy) -> Vec<u8> {
        let context = match self.holding {
            Holding::Bytes(_) => context.with("kind", self.kind.name()),
            Holding::Hsm { .. } => in_hsm(context, self.kind),
        };
        sealed::seal(wrap, &context, self.kept().expose(), entropy)
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
        Ok(Self::of_bytes(kind, bytes))
    }

    /// Opens what [`Self::seal`] made of material in a hardware security module; `key` is where it
    /// is.
    pub fn open_in_hsm(
        kind: MaterialKind,
        key: Arc<dyn HsmKey>,
        wrap: &Secret,
        context: Context,
        sealed: &[u8],
    ) -> Result<Self, CryptoError> {
        let public = sealed::open(wrap, &in_hsm(context, kind), sealed)?;
        let holding = Holding::Hsm { key, public };
        Ok(Self { kind, holding })
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
                self.kept().expose(),
            ],
        )
    }
}

fn in_hsm(context: Context, kind: MaterialKind) -> Context {
    context.with("kind", kind.name()).with("held", "hsm")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{Seeded, every_bit_flipped, sample, unhex};

    fn key(byte: u8) -> Secret {
        Secret::from_slice(&[byte; 32])
    }

    fn context(id: &str) -> Context {
        Context::new("key_versions.material").with("key", id)
    }

    fn import(kind: MaterialKind, bytes: &[u8]) -> Result<Material, CryptoError> {
        Material::import(kind, Secret::from_slice(bytes))
    }

    fn supported() -> impl Iterator<Item = MaterialKind> {
        MaterialKind::ALL
            .into_iter()
            .filter(|kind| kind.is_supported())
    }

    #[test]
    fn opens_in_its_place_only() {
        let entropy = Seeded::new(30);
        let material = sample(MaterialKind::Aes256);
        let sealed = material.seal(&key(1), context("k1"), &entropy);
        let open = |wrap: u8, id, sealed: &[u8]| {
            Material::open(MaterialKind::Aes256, &key(wrap), context(id), sealed)
        };
        let opened = open(1, "k1", &sealed).ok().unwrap();
        assert!(opened.kept().eq_ct(material.kept()));
        assert_eq!(open(1, "k2", &sealed).err(), Some(CryptoError::Invalid));
        assert_eq!(open(2, "k1", &sealed).err(), Some(CryptoError::Invalid));
        every_bit_flipped(&sealed, |changed| assert!(open(1, "k1", changed).is_err()));
    }

    #[test]
    fn opens_as_its_kind_only() {
        let entropy = Seeded::new(32);
        for kind in supported() {
            let material = sample(kind);
            let sealed = material.seal(&key(1), context("k1"), &entropy);
            for other in MaterialKind::ALL {
                let opened = Material::open(other, &key(1), context("k1"), &sealed);
                assert_eq!(opened.is_ok(), other == kind, "{kind:?} as {other:?}");
            }
        }
    }

    #[test]
    fn the_check_value_knows_the_material_again() {
        let entropy = Seeded::new(31);
        let new = || {
            Material::generate(MaterialKind::Aes256, &entropy)
                .ok()
                .unwrap()
        };
        let (one, two) = (new(), new());
        let again = import(one.kind(), one.kept().expose()).ok().unwrap();
        let value = one.check_value(&key(1), &context("k1"));
        assert_eq!(value, again.check_value(&key(1), &context("k1")));
        assert_ne!(value, two.check_value(&key(1), &context("k1")));
        assert_ne!(value, one.check_value(&key(2), &context("k1")));
        assert_ne!(value, one.check_value(&key(1), &context("k2")));
    }

    #[test]
    fn what_was_made_can_be_imported_as_its_kind_only() {
        for kind in supported() {
            let material = sample(kind);
            for other in supported() {
                let imported = import(other, material.kept().expose());
                let same_form = other.form() == Form::Bytes(material.kept().expose().len());
                assert_eq!(
                    imported.is_ok(),
                    kind == other || same_form,
                    "{kind:?} as {other:?}"
                );
                if let Ok(imported) = imported {
                    assert!(imported.kept().eq_ct(material.kept()), "{kind:?}");
                }
            }
        }
    }

    #[test]
    fn two_keys_are_never_the_same() {
        let entropy = Seeded::new(33);
        for kind in supported().filter(|kind| !matches!(kind.form(), Form::Rsa(_))) {
            let new = || Material::generate(kind, &entropy).ok().unwrap();
            assert!(!new().kept().eq_ct(new().kept()), "{kind:?}");
        }
    }

    #[test]
    fn lengths_must_fit_exactly() {
        for kind in supported() {
            let bytes = sample(kind).into_data_key();
            let longer = [bytes.expose(), &[0]].concat();
            assert!(import(kind, &longer).is_err(), "{kind:?}");
            for len in 0..bytes.expose().len() {
                assert!(
                    import(kind, &bytes.expose()[..len]).is_err(),
                    "{kind:?}: {len}"
                );
            }
        }
    }

    /// A changed bit leaves no key, the same key (in PKCS#8's version, or where it hides the public
    /// half), or, in Ed25519, where there is no public half to compare with, another key.
    #[test]
    fn a_changed_private_key_is_never_half_changed() {
        let mut kinds = vec![MaterialKind::EcP256, MaterialKind::Secp256k1];
        kinds.extend(
            [MaterialKind::Sm2]
                .into_iter()
                .filter(|kind| kind.is_supported()),
        );
        for kind in kinds {
            let material = sample(kind);
            every_bit_flipped(material.kept().expose(), |changed| {
                if let Ok(other) = import(kind, changed) {
                    assert!(other.kept().eq_ct(material.kept()), "{kind:?}");
                }
            });
        }
        let material = sample(MaterialKind::Ed25519);
        let public = material.public_key_der().unwrap();
        every_bit_flipped(material.kept().expose(), |changed| {
            if let Ok(other) = import(MaterialKind::Ed25519, changed) {
                let same = other.kept().eq_ct(material.kept());
                assert_eq!(other.public_key_der().unwrap() == public, same);
            }
        });
    }

    #[test]
    fn public_halves() {
        for kind in supported() {
            let public = sample(kind).public_key_der();
            assert_eq!(public.is_ok(), kind.is_asymmetric(), "{kind:?}");
        }
        // RFC 8410, sections 10.1 and 10.3: the same key without and with its public half.
        let v1 = unhex(
            "302e020100300506032b657004220420d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842",
        );
        let public = "302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
        let material = import(MaterialKind::Ed25519, &v1).ok().unwrap();
        assert_eq!(hex::encode(material.public_key_der().unwrap()), public);
        let v2 = unhex("3072020101300506032b657004220420d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842a01f301d060a2a864886f70d01090914310f0c0d437572646c6520436861697273812100 19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1".replace(' ', "").as_str());
        let again = import(MaterialKind::Ed25519, &v2).ok().unwrap();
        assert!(again.kept().eq_ct(material.kept()));
    }

    /// Where a kind stands twice, the second has no public half; it must become the same bytes.
    #[test]
    fn private_keys_of_openssl_are_taken() {
        let mut seen = std::collections::HashMap::new();
        for line in include_str!("../../tests/vectors/openssl_private_keys.txt").lines() {
            let Some((name, rest)) = line.split_once(' ').filter(|(name, _)| *name != "#") else {
                continue;
            };
            let (private, public) = rest.split_once(' ').unwrap();
            let kind = MaterialKind::from_name(name).unwrap();
            if !kind.is_supported() {
                continue;
            }
            let material = import(kind, &unhex(private))
                .ok()
                .unwrap_or_else(|| panic!("{name}"));
            assert_eq!(
                hex::encode(material.public_key_der().unwrap()),
                public,
                "{name}"
            );
            let again = import(kind, material.kept().expose()).ok().unwrap();
            assert!(again.kept().eq_ct(material.kept()));
            if let Some(twin) = seen.insert(name, material.into_data_key()) {
                assert!(twin.eq_ct(again.kept()), "{name}");
            }
        }
        println!("OpenSSL's private keys: {} kinds", seen.len());
        assert_eq!(
            seen.len(),
            MaterialKind::ALL
                .into_iter()
                .filter(|kind| kind.is_asymmetric() && kind.is_supported())
                .count()
        );
    }

    #[test]
    fn what_must_not_be_imported() {
        let mut refused = 0;
        for line in include_str!("../../tests/vectors/refused_private_keys.txt").lines() {
            let fields: Vec<_> = line.split(' ').collect();
            let [name, wrong, bytes] = fields[..] else {
                continue;
            };
            let kind = MaterialKind::from_name(name).unwrap();
            if kind.is_supported() {
                let imported = import(kind, &unhex(bytes));
                assert_eq!(
                    imported.err(),
                    Some(CryptoError::Invalid),
                    "{name}: {wrong}"
                );
                refused += 1;
            }
        }
        println!("private keys: {refused} refused");
        assert_eq!(
            refused,
            if MaterialKind::Sm2.is_supported() {
                30
            } else {
                27
            }
        );
    }
}
