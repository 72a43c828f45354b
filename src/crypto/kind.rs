//! What kinds of key material there are, and what each can do: one table.

use super::algorithm::{EncryptionAlgorithm, MacAlgorithm, SigningAlgorithm, names};
use super::ec::Curve;
use super::rsa::Oaep;
use super::{ml_dsa, ml_kem, sm};

/// What the bytes are a key of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaterialKind {
    /// 32 bytes for AES-256.
    Aes256,
    /// 16 bytes for SM4.
    Sm4,
    /// An RSA private key, modulus of 2048 bits.
    Rsa2048,
    /// An RSA private key, modulus of 3072 bits.
    Rsa3072,
    /// An RSA private key, modulus of 4096 bits.
    Rsa4096,
    /// A private key on P-256.
    EcP256,
    /// A private key on P-384.
    EcP384,
    /// A private key on P-521.
    EcP521,
    /// A private key on secp256k1.
    Secp256k1,
    /// A private key of SM2.
    Sm2,
    /// A private key of Ed25519.
    Ed25519,
    /// A private key of ML-DSA-44.
    MlDsa44,
    /// A private key of ML-DSA-65.
    MlDsa65,
    /// A private key of ML-DSA-87.
    MlDsa87,
    /// A private key of ML-KEM-512.
    MlKem512,
    /// A private key of ML-KEM-768.
    MlKem768,
    /// A private key of ML-KEM-1024.
    MlKem1024,
    /// 28 bytes for HMAC-SHA-224.
    Hmac224,
    /// 32 bytes for HMAC-SHA-256.
    Hmac256,
    /// 48 bytes for HMAC-SHA-384.
    Hmac384,
    /// 64 bytes for HMAC-SHA-512.
    Hmac512,
    /// 32 bytes for HMAC-SM3.
    HmacSm3,
}

// Never change a name: it is inside sealed values, and old ones would no longer open.
names!(
    MaterialKind,
    22,
    Aes256 = "AES_256",
    Sm4 = "SM4",
    Rsa2048 = "RSA_2048",
    Rsa3072 = "RSA_3072",
    Rsa4096 = "RSA_4096",
    EcP256 = "EC_P256",
    EcP384 = "EC_P384",
    EcP521 = "EC_P521",
    Secp256k1 = "SECP256K1",
    Sm2 = "SM2",
    Ed25519 = "ED25519",
    MlDsa44 = "ML_DSA_44",
    MlDsa65 = "ML_DSA_65",
    MlDsa87 = "ML_DSA_87",
    MlKem512 = "ML_KEM_512",
    MlKem768 = "ML_KEM_768",
    MlKem1024 = "ML_KEM_1024",
    Hmac224 = "HMAC_224",
    Hmac256 = "HMAC_256",
    Hmac384 = "HMAC_384",
    Hmac512 = "HMAC_512",
    HmacSm3 = "HMAC_SM3",
);

/// How material of a kind is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// So many unpredictable bytes.
    Bytes(usize),
    /// PKCS#8 DER of an RSA key with a modulus of so many bits.
    Rsa(usize),
    /// PKCS#8 DER of a key on this curve.
    Ec(Curve),
    /// PKCS#8 DER of an SM2 key.
    Sm2,
    /// PKCS#8 DER of an Ed25519 key.
    Ed25519,
    /// PKCS#8 DER of an ML-DSA key, which holds its seed.
    MlDsa(ml_dsa::Parameters),
    /// PKCS#8 DER of an ML-KEM key, which holds its seed.
    MlKem(ml_kem::Parameters),
}

struct Row {
    form: Form,
    signs: &'static [SigningAlgorithm],
    encrypts: &'static [EncryptionAlgorithm],
    mac: Option<MacAlgorithm>,
    agrees: bool,
    encapsulates: bool,
    chinese: bool,
}

impl MaterialKind {
    /// The table. The order of algorithms is that in which AWS lists them.
    #[rustfmt::skip]
    const fn row(self) -> Row {
        use EncryptionAlgorithm as E;
        use MacAlgorithm as M;
        use SigningAlgorithm as S;
        const NONE: Row = Row { form: Form::Bytes(0), signs: &[], encrypts: &[], mac: None, agrees: false, encapsulates: false, chinese: false };
        const RSA: Row = Row {
            signs: &[S::RsaPkcs1Sha256, S::RsaPkcs1Sha384, S::RsaPkcs1Sha512, S::RsaPssSha256, S::RsaPssSha384, S::RsaPssSha512],
            encrypts: &[E::RsaOaepSha1, E::RsaOaepSha256],
            ..NONE
        };
        const EC: Row = Row { agrees: true, ..NONE };
        const DSA: Row = Row { signs: &[S::MlDsa], ..NONE };
        const KEM: Row = Row { encapsulates: true, ..NONE };
        match self {
            Self::Aes256    => Row { form: Form::Bytes(32), encrypts: &[E::SymmetricDefault], ..NONE },
            Self::Sm4       => Row { form: Form::Bytes(16), encrypts: &[E::SymmetricDefault], chinese: true, ..NONE },
            Self::Rsa2048   => Row { form: Form::Rsa(2048), ..RSA },
            Self::Rsa3072   => Row { form: Form::Rsa(3072), ..RSA },
            Self::Rsa4096   => Row { form: Form::Rsa(4096), ..RSA },
            Self::EcP256    => Row { form: Form::Ec(Curve::P256),      signs: &[S::EcdsaSha256], ..EC },
            Self::EcP384    => Row { form: Form::Ec(Curve::P384),      signs: &[S::EcdsaSha384], ..EC },
            Self::EcP521    => Row { form: Form::Ec(Curve::P521),      signs: &[S::EcdsaSha512], ..EC },
            Self::Secp256k1 => Row { form: Form::Ec(Curve::Secp256k1), signs: &[S::EcdsaSha256], ..EC },
            Self::Sm2       => Row { form: Form::Sm2, signs: &[S::Sm2Sm3], encrypts: &[E::Sm2], chinese: true, ..EC },
            Self::Ed25519   => Row { form: Form::Ed25519, signs: &[S::Ed25519, S::Ed25519ph], ..NONE },
            Self::MlDsa44   => Row { form: Form::MlDsa(ml_dsa::Parameters::MlDsa44), ..DSA },
            Self::MlDsa65   => Row { form: Form::MlDsa(ml_dsa::Parameters::MlDsa65), ..DSA },
            Self::MlDsa87   => Row { form: Form::MlDsa(ml_dsa::Parameters::MlDsa87), ..DSA },
            Self::MlKem512  => Row { form: Form::MlKem(ml_kem::Parameters::MlKem512), ..KEM },
            Self::MlKem768  => Row { form: Form::MlKem(ml_kem::Parameters::MlKem768), ..KEM },
            Self::MlKem1024 => Row { form: Form::MlKem(ml_kem::Parameters::MlKem1024), ..KEM },
            Self::Hmac224   => Row { form: Form::Bytes(28), mac: Some(M::HmacSha224), ..NONE },
            Self::Hmac256   => Row { form: Form::Bytes(32), mac: Some(M::HmacSha256), ..NONE },
            Self::Hmac384   => Row { form: Form::Bytes(48), mac: Some(M::HmacSha384), ..NONE },
            Self::Hmac512   => Row { form: Form::Bytes(64), mac: Some(M::HmacSha512), ..NONE },
            Self::HmacSm3   => Row { form: Form::Bytes(32), mac: Some(M::HmacSm3), chinese: true, ..NONE },
        }
    }

    /// Whether this build can make and use it.
    pub const fn is_supported(self) -> bool {
        sm::AVAILABLE || !self.row().chinese
    }

    /// How many bytes it is, where it is nothing but bytes.
    pub const fn byte_len(self) -> Option<usize> {
        match self.row().form {
            Form::Bytes(len) => Some(len),
            Form::Rsa(_) | Form::Ec(_) | Form::Sm2 | Form::Ed25519 => None,
            Form::MlDsa(_) | Form::MlKem(_) => None,
        }
    }

    /// Whether it has a private and a public half.
    pub const fn is_asymmetric(self) -> bool {
        !matches!(self.row().form, Form::Bytes(_))
    }

    /// The algorithms that it signs with.
    pub const fn signing_algorithms(self) -> &'static [SigningAlgorithm] {
        self.row().signs
    }

    /// The algorithms that it encrypts with.
    pub const fn encryption_algorithms(self) -> &'static [EncryptionAlgorithm] {
        self.row().encrypts
    }

    /// The algorithm that it makes authentication codes with.
    pub const fn mac_algorithm(self) -> Option<MacAlgorithm> {
        self.row().mac
    }

    /// Whether it can agree on a secret with a peer (ECDH).
    pub const fn agrees(self) -> bool {
        self.row().agrees
    }

    /// Whether secrets can be encapsulated for it (ML-KEM).
    pub const fn encapsulates(self) -> bool {
        self.row().encapsulates
    }

    /// The longest plaintext in bytes that it encrypts with `algorithm` in one call, where the
    /// algorithm fits. RSA's follows from the padding, the others are the services' limits.
    pub fn max_plaintext(self, algorithm: EncryptionAlgorithm) -> Option<usize> {
        if !self.encryption_algorithms().contains(&algorithm) {
            return None;
        }
        match (self.form(), algorithm) {
            (Form::Rsa(bits), EncryptionAlgorithm::RsaOaepSha1) => {
                Some(Oaep::Sha1.max_plaintext(bits))
            }
            (Form::Rsa(bits), EncryptionAlgorithm::RsaOaepSha256) => {
                Some(Oaep::Sha256.max_plaintext(bits))
            }
            (_, EncryptionAlgorithm::Sm2) => Some(1024),
            _ => Some(4096),
        }
    }

    pub(super) const fn form(self) -> Form {
        self.row().form
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for kind in MaterialKind::ALL {
            assert_eq!(MaterialKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(MaterialKind::from_name("AES_128"), None);
    }

    #[test]
    fn every_kind_does_something() {
        for kind in MaterialKind::ALL {
            let uses = kind.signing_algorithms().len() + kind.encryption_algorithms().len();
            let rest = kind.mac_algorithm().is_some() || kind.encapsulates();
            assert!(uses > 0 || rest, "{kind:?}");
            assert_ne!(kind.form(), Form::Bytes(0));
        }
    }

    /// The figures of both contracts.
    #[test]
    fn plaintexts_have_limits() {
        use EncryptionAlgorithm as E;
        for (kind, sha_1, sha_256) in [
            (MaterialKind::Rsa2048, 214, 190),
            (MaterialKind::Rsa3072, 342, 318),
            (MaterialKind::Rsa4096, 470, 446),
        ] {
            assert_eq!(kind.max_plaintext(E::RsaOaepSha1), Some(sha_1));
            assert_eq!(kind.max_plaintext(E::RsaOaepSha256), Some(sha_256));
            assert_eq!(kind.max_plaintext(E::SymmetricDefault), None);
        }
        assert_eq!(
            MaterialKind::Aes256.max_plaintext(E::SymmetricDefault),
            Some(4096)
        );
        assert_eq!(MaterialKind::Sm2.max_plaintext(E::Sm2), Some(1024));
        assert_eq!(MaterialKind::EcP256.max_plaintext(E::Sm2), None);
    }
}
