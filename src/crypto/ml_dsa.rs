//! ML-DSA (FIPS 204), with an empty context.
//!
//! Keys and signatures of messages are the library's; signatures of representatives (external mu),
//! which it lacks, are those of the crate `ml-dsa`. Both make the same signatures. The private key is
//! its seed; see [`super::seeds`].

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{
    self, KeyPair, PqdsaKeyPair, PqdsaSigningAlgorithm, PqdsaVerificationAlgorithm,
    UnparsedPublicKey,
};
use ml_dsa::{EncodedVerifyingKey, MlDsaParams, Signature, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use super::CryptoError;
use super::lent::Lent;
use super::secret::Secret;
use super::seeds::Written;
use crate::env::Entropy;

/// A set of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameters {
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

impl Parameters {
    #[rustfmt::skip]
    pub(super) const fn written(self) -> Written {
        match self {
            Self::MlDsa44 => Written { oid: [3, 17], seed: 32, public: 1312 },
            Self::MlDsa65 => Written { oid: [3, 18], seed: 32, public: 1952 },
            Self::MlDsa87 => Written { oid: [3, 19], seed: 32, public: 2592 },
        }
    }

    const fn library(
        self,
    ) -> (
        &'static PqdsaSigningAlgorithm,
        &'static PqdsaVerificationAlgorithm,
    ) {
        match self {
            Self::MlDsa44 => (&signature::ML_DSA_44_SIGNING, &signature::ML_DSA_44),
            Self::MlDsa65 => (&signature::ML_DSA_65_SIGNING, &signature::ML_DSA_65),
            Self::MlDsa87 => (&signature::ML_DSA_87_SIGNING, &signature::ML_DSA_87),
        }
    }

    fn pair(self, pkcs8: &Secret) -> Result<PqdsaKeyPair, CryptoError> {
        let seed = self.written().seed_in(pkcs8.expose())?;
        PqdsaKeyPair::from_seed(self.library().0, seed)
            .map_err(|_| CryptoError::Internal("ML-DSA private key"))
    }
}

/// The public half of a private key.
pub(super) fn public_der(of: Parameters, pkcs8: &Secret) -> Result<Vec<u8>, CryptoError> {
    of.pair(pkcs8)?
        .public_key()
        .as_der()
        .map(|der| der.as_ref().to_vec())
        .map_err(|_| CryptoError::Internal("ML-DSA public key"))
}

/// Whether this is a public key. Every raw key of the right length is one.
pub(super) fn check_public(of: Parameters, spki: &[u8]) -> Result<(), CryptoError> {
    of.written().raw_public(spki).map(drop)
}

/// A signature of the message itself.
pub(super) fn sign(of: Parameters, pkcs8: &Secret, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let fault = |_| CryptoError::Internal("ML-DSA signature");
    let mut signature = vec![0; of.library().0.signature_len()];
    let len = of
        .pair(pkcs8)?
        .sign(message, &mut signature)
        .map_err(fault)?;
    signature.truncate(len);
    Ok(signature)
}

/// Whether `signature` is one of the message itself.
pub(super) fn verify(
    of: Parameters,
    spki: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<bool, CryptoError> {
    check_public(of, spki)?;
    let key = UnparsedPublicKey::new(of.library().1, spki);
    Ok(key.verify(message, signature).is_ok())
}

/// A signature of a message by its representative of 64 bytes.
pub(super) fn sign_mu(
    of: Parameters,
    pkcs8: &Secret,
    mu: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoError> {
    let seed = of.written().seed_in(pkcs8.expose())?;
    match of {
        Parameters::MlDsa44 => sign_mu_with::<ml_dsa::MlDsa44>(seed, mu, entropy),
        Parameters::MlDsa65 => sign_mu_with::<ml_dsa::MlDsa65>(seed, mu, entropy),
        Parameters::MlDsa87 => sign_mu_with::<ml_dsa::MlDsa87>(seed, mu, entropy),
    }
}

/// Whether `signature` is one of the message with this representative of 64 bytes.
pub(super) fn verify_mu(
    of: Parameters,
    spki: &[u8],
    mu: &[u8],
    signature: &[u8],
) -> Result<bool, CryptoError> {
    let raw = of.written().raw_public(spki)?;
    match of {
        Parameters::MlDsa44 => verify_mu_with::<ml_dsa::MlDsa44>(raw, mu, signature),
        Parameters::MlDsa65 => verify_mu_with::<ml_dsa::MlDsa65>(raw, mu, signature),
        Parameters::MlDsa87 => verify_mu_with::<ml_dsa::MlDsa87>(raw, mu, signature),
    }
}

fn sign_mu_with<P: MlDsaParams>(
    seed: &[u8],
    mu: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoError> {
    let seed = ml_dsa::Seed::try_from(seed).map_err(|_| CryptoError::Invalid)?;
    let seed = Zeroizing::new(seed);
    let mu = mu.try_into().map_err(|_| CryptoError::Invalid)?;
    SigningKey::<P>::from_seed(&seed)
        .expanded_key()
        .sign_mu_randomized(&mu, &mut Lent(entropy))
        .map(|signature| signature.encode().to_vec())
        .map_err(|_| CryptoError::Internal("ML-DSA signature"))
}

fn verify_mu_with<P: MlDsaParams>(
    raw: &[u8],
    mu: &[u8],
    signature: &[u8],
) -> Result<bool, CryptoError> {
    let raw = EncodedVerifyingKey::<P>::try_from(raw).map_err(|_| CryptoError::Invalid)?;
    let mu = mu.try_into().map_err(|_| CryptoError::Invalid)?;
    Ok(Signature::<P>::try_from(signature)
        .is_ok_and(|signature| VerifyingKey::<P>::decode(&raw).verify_mu(&mu, &signature)))
}
