//! The digests that customers may choose among.

use aws_lc_rs::digest;

use super::{CryptoError, sm};

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// SHA-256 (FIPS 180-4), 32 bytes.
    Sha256,
    /// SHA-384 (FIPS 180-4), 48 bytes.
    Sha384,
    /// SHA-512 (FIPS 180-4), 64 bytes.
    Sha512,
    /// SM3 (GM/T 0004), 32 bytes.
    Sm3,
}

impl DigestAlgorithm {
    /// The length of its digests in bytes.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha256 | Self::Sm3 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The digest of `data`.
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] for SM3 in a build without it.
    pub fn digest(self, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match self.library() {
            Some(algorithm) => Ok(digest::digest(algorithm, data).as_ref().to_vec()),
            None => Ok(sm::sm3(&[data])?.to_vec()),
        }
    }

    /// A digest made elsewhere, as the library takes it.
    pub(super) fn import(self, bytes: &[u8]) -> Result<digest::Digest, CryptoError> {
        let algorithm = self.library().ok_or(CryptoError::Unsupported)?;
        digest::Digest::import_less_safe(bytes, algorithm).map_err(|_| CryptoError::Invalid)
    }

    fn library(self) -> Option<&'static digest::Algorithm> {
        match self {
            Self::Sha256 => Some(&digest::SHA256),
            Self::Sha384 => Some(&digest::SHA384),
            Self::Sha512 => Some(&digest::SHA512),
            Self::Sm3 => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4 and GM/T 0004, appendix A.
    #[test]
    fn digests_of_abc() {
        let cases = [
            (
                DigestAlgorithm::Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                DigestAlgorithm::Sha384,
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                DigestAlgorithm::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            #[cfg(feature = "sm")]
            (
                DigestAlgorithm::Sm3,
                "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
            ),
        ];
        for (algorithm, expected) in cases {
            let digest = algorithm.digest(b"abc").unwrap();
            assert_eq!(hex::encode(&digest), expected);
            assert_eq!(digest.len(), algorithm.output_len());
        }
    }
}
