//! The names of algorithms, as requests and answers carry them. They are Huawei's.

use super::digest::DigestAlgorithm;

/// What the bytes to sign are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// The message itself; it is hashed here.
    Raw,
    /// Its digest, as long as the algorithm's hash gives it.
    Digest,
    /// Its representative mu (FIPS 204, section 6.2), 64 bytes made of the message and the public
    /// key: for ML-DSA only.
    ExternalMu,
}

/// How long the representative of a message is under ML-DSA, whatever the parameters.
const MU_BYTES: usize = 64;

/// Implements the look-up between variants and names.
macro_rules! names {
    ($type:ident, $count:literal, $($variant:ident = $name:literal),+ $(,)?) => {
        impl $type {
            /// Every algorithm.
            pub const ALL: [Self; $count] = [$(Self::$variant),+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }

            /// From its name; nothing when there is no such algorithm.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}
pub(super) use names;

/// How to sign. RSA signatures are as long as the modulus, those of ECDSA and SM2 are the DER
/// SEQUENCE of r and s, those of Ed25519 64 bytes, those of ML-DSA 2420, 3309 or 4627.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// RSA PKCS#1 v1.5 (RFC 8017) with SHA-256.
    RsaPkcs1Sha256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RsaPkcs1Sha512,
    /// RSA PSS (RFC 8017), salt as long as the hash, with SHA-256.
    RsaPssSha256,
    /// RSA PSS with SHA-384.
    RsaPssSha384,
    /// RSA PSS with SHA-512.
    RsaPssSha512,
    /// ECDSA (FIPS 186-5) with SHA-256.
    EcdsaSha256,
    /// ECDSA with SHA-384.
    EcdsaSha384,
    /// ECDSA with SHA-512.
    EcdsaSha512,
    /// SM2 (GM/T 0003.2). The digest is SM3(Z ‖ message).
    Sm2Sm3,
    /// Ed25519 (RFC 8032), which signs messages, never digests.
    Ed25519,
    /// Ed25519ph (RFC 8032), which signs SHA-512 digests.
    Ed25519ph,
    /// ML-DSA (FIPS 204) with an empty context, which signs messages or their representatives,
    /// never digests.
    MlDsa,
}

names!(
    SigningAlgorithm,
    13,
    RsaPkcs1Sha256 = "RSASSA_PKCS1_V1_5_SHA_256",
    RsaPkcs1Sha384 = "RSASSA_PKCS1_V1_5_SHA_384",
    RsaPkcs1Sha512 = "RSASSA_PKCS1_V1_5_SHA_512",
    RsaPssSha256 = "RSASSA_PSS_SHA_256",
    RsaPssSha384 = "RSASSA_PSS_SHA_384",
    RsaPssSha512 = "RSASSA_PSS_SHA_512",
    EcdsaSha256 = "ECDSA_SHA_256",
    EcdsaSha384 = "ECDSA_SHA_384",
    EcdsaSha512 = "ECDSA_SHA_512",
    Sm2Sm3 = "SM2DSA_SM3",
    Ed25519 = "ED25519_SHA_512",
    Ed25519ph = "ED25519_PH_SHA_512",
    MlDsa = "ML_DSA_SHAKE_256",
);

impl SigningAlgorithm {
    /// The hash whose digests it signs; nothing for [`Self::Ed25519`] and [`Self::MlDsa`].
    pub const fn digest(self) -> Option<DigestAlgorithm> {
        match self {
            Self::RsaPkcs1Sha256 | Self::RsaPssSha256 | Self::EcdsaSha256 => {
                Some(DigestAlgorithm::Sha256)
            }
            Self::RsaPkcs1Sha384 | Self::RsaPssSha384 | Self::EcdsaSha384 => {
                Some(DigestAlgorithm::Sha384)
            }
            Self::RsaPkcs1Sha512 | Self::RsaPssSha512 | Self::EcdsaSha512 | Self::Ed25519ph => {
                Some(DigestAlgorithm::Sha512)
            }
            Self::Sm2Sm3 => Some(DigestAlgorithm::Sm3),
            Self::Ed25519 | Self::MlDsa => None,
        }
    }

    /// Whether it signs messages of this type.
    pub const fn takes(self, kind: MessageType) -> bool {
        match kind {
            MessageType::Raw => true,
            MessageType::Digest => self.digest().is_some(),
            MessageType::ExternalMu => matches!(self, Self::MlDsa),
        }
    }

    /// How many bytes a message of this type has, where that is given.
    pub fn message_len(self, kind: MessageType) -> Option<usize> {
        match kind {
            MessageType::Raw => None,
            MessageType::Digest => self.digest().map(DigestAlgorithm::output_len),
            MessageType::ExternalMu => Some(MU_BYTES),
        }
    }
}

/// How to encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionAlgorithm {
    /// The blobs of [`super::blob`], under a symmetric key.
    SymmetricDefault,
    /// RSA OAEP (RFC 8017) with SHA-1 for hash and MGF1, no label.
    RsaOaepSha1,
    /// RSA OAEP with SHA-256 for hash and MGF1, no label.
    RsaOaepSha256,
    /// SM2 (GM/T 0003.4), C1 C3 C2 in the DER of GM/T 0009.
    Sm2,
}

names!(
    EncryptionAlgorithm,
    4,
    SymmetricDefault = "SYMMETRIC_DEFAULT",
    RsaOaepSha1 = "RSAES_OAEP_SHA_1",
    RsaOaepSha256 = "RSAES_OAEP_SHA_256",
    Sm2 = "SM2_ENCRYPT",
);

/// How to make an authentication code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacAlgorithm {
    /// HMAC (RFC 2104) with SHA-224, 28 bytes.
    HmacSha224,
    /// HMAC with SHA-256, 32 bytes.
    HmacSha256,
    /// HMAC with SHA-384, 48 bytes.
    HmacSha384,
    /// HMAC with SHA-512, 64 bytes.
    HmacSha512,
    /// HMAC with SM3, 32 bytes.
    HmacSm3,
}

names!(
    MacAlgorithm,
    5,
    HmacSha224 = "HMAC_SHA_224",
    HmacSha256 = "HMAC_SHA_256",
    HmacSha384 = "HMAC_SHA_384",
    HmacSha512 = "HMAC_SHA_512",
    HmacSm3 = "HMAC_SM3",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for one in SigningAlgorithm::ALL {
            assert_eq!(SigningAlgorithm::from_name(one.name()), Some(one));
        }
        for one in EncryptionAlgorithm::ALL {
            assert_eq!(EncryptionAlgorithm::from_name(one.name()), Some(one));
        }
        for one in MacAlgorithm::ALL {
            assert_eq!(MacAlgorithm::from_name(one.name()), Some(one));
        }
        assert_eq!(SigningAlgorithm::from_name("ECDSA_SHA_1"), None);
        assert_eq!(EncryptionAlgorithm::from_name("RSAES_PKCS1_V1_5"), None);
        assert_eq!(MacAlgorithm::from_name("hmac_sha_256"), None);
    }
}
