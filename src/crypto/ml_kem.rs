//! ML-KEM (FIPS 203): secrets of 32 bytes that travel encapsulated.
//!
//! The crate `ml-kem` makes keys of seeds, which the library cannot; the library encapsulates and
//! decapsulates with them. The private key is its seed; see [`super::seeds`].

use aws_lc_rs::kem::{self, Algorithm, Ciphertext, DecapsulationKey, EncapsulationKey};
use ml_kem::{FromSeed, KeyExport, TryKeyInit};
use zeroize::Zeroizing;

use super::CryptoError;
use super::secret::Secret;
use super::seeds::Written;

/// A set of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameters {
    MlKem512,
    MlKem768,
    MlKem1024,
}

impl Parameters {
    #[rustfmt::skip]
    pub(super) const fn written(self) -> Written {
        match self {
            Self::MlKem512  => Written { oid: [4, 1], seed: 64, public: 800 },
            Self::MlKem768  => Written { oid: [4, 2], seed: 64, public: 1184 },
            Self::MlKem1024 => Written { oid: [4, 3], seed: 64, public: 1568 },
        }
    }

    const fn library(self) -> &'static Algorithm {
        match self {
            Self::MlKem512 => &kem::ML_KEM_512,
            Self::MlKem768 => &kem::ML_KEM_768,
            Self::MlKem1024 => &kem::ML_KEM_1024,
        }
    }

    /// How long a secret is when it is encapsulated, in bytes.
    const fn ciphertext_len(self) -> usize {
        match self {
            Self::MlKem512 => 768,
            Self::MlKem768 => 1088,
            Self::MlKem1024 => 1568,
        }
    }
}

/// A private key and its public half, both raw.
struct Expanded {
    private: Zeroizing<Vec<u8>>,
    public: Vec<u8>,
}

/// The public half of a private key.
pub(super) fn public_der(of: Parameters, pkcs8: &Secret) -> Result<Vec<u8>, CryptoError> {
    Ok(of.written().public(&expand(of, pkcs8)?.public))
}

/// Whether this is a public key: of the right length, and of numbers below the modulus (FIPS 203,
/// section 7.2).
pub(super) fn check_public(of: Parameters, spki: &[u8]) -> Result<(), CryptoError> {
    let raw = of.written().raw_public(spki)?;
    let is_one = match of {
        Parameters::MlKem512 => ml_kem::ml_kem_512::EncapsulationKey::new_from_slice(raw).is_ok(),
        Parameters::MlKem768 => ml_kem::ml_kem_768::EncapsulationKey::new_from_slice(raw).is_ok(),
        Parameters::MlKem1024 => ml_kem::ml_kem_1024::EncapsulationKey::new_from_slice(raw).is_ok(),
    };
    is_one.then_some(()).ok_or(CryptoError::Invalid)
}

/// A new secret, and the ciphertext from which only the owner of the private key gets it again.
pub(super) fn encapsulate(
    of: Parameters,
    pkcs8: &Secret,
) -> Result<(Secret, Vec<u8>), CryptoError> {
    let fault = || CryptoError::Internal("ML-KEM encapsulation");
    let public = expand(of, pkcs8)?.public;
    let key = EncapsulationKey::new(of.library(), &public).map_err(|_| fault())?;
    let (ciphertext, secret) = key.encapsulate().map_err(|_| fault())?;
    Ok((
        Secret::from_slice(secret.as_ref()),
        ciphertext.as_ref().to_vec(),
    ))
}

/// The secret of a ciphertext. One that was altered, or made for another key, gives a secret that
/// nobody knows (FIPS 203, section 6.3).
pub(super) fn decapsulate(
    of: Parameters,
    pkcs8: &Secret,
    ciphertext: &[u8],
) -> Result<Secret, CryptoError> {
    if ciphertext.len() != of.ciphertext_len() {
        return Err(CryptoError::Invalid);
    }
    let fault = || CryptoError::Internal("ML-KEM decapsulation");
    let private = expand(of, pkcs8)?.private;
    let key = DecapsulationKey::new(of.library(), &private).map_err(|_| fault())?;
    let secret = key.decapsulate(Ciphertext::from(ciphertext));
    secret
        .map(|secret| Secret::from_slice(secret.as_ref()))
        .map_err(|_| fault())
}

fn expand(of: Parameters, pkcs8: &Secret) -> Result<Expanded, CryptoError> {
    let seed = of.written().seed_in(pkcs8.expose())?;
    match of {
        Parameters::MlKem512 => expand_with::<ml_kem::MlKem512>(seed),
        Parameters::MlKem768 => expand_with::<ml_kem::MlKem768>(seed),
        Parameters::MlKem1024 => expand_with::<ml_kem::MlKem1024>(seed),
    }
}

#[expect(
    deprecated,
    reason = "as a form to keep keys in; here it goes from one library to the other"
)]
fn expand_with<K>(seed: &[u8]) -> Result<Expanded, CryptoError>
where
    K: FromSeed<SeedSize = ml_kem::array::sizes::U64>,
    K::DecapsulationKey: ml_kem::ExpandedKeyEncoding,
    K::EncapsulationKey: KeyExport,
{
    use ml_kem::ExpandedKeyEncoding;
    let seed = ml_kem::Seed::try_from(seed).map_err(|_| CryptoError::Invalid)?;
    let (private, public) = K::from_seed(&Zeroizing::new(seed));
    let private = Zeroizing::new(private.to_expanded_bytes());
    Ok(Expanded {
        private: Zeroizing::new(private.to_vec()),
        public: public.to_bytes().to_vec(),
    })
}
