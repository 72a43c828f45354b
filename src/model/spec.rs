//! What kinds of key there are: one table of specs and what each may be used for.

use super::ids::Malformed;

/// The algorithm and size of a key. The names are Huawei's (contract, section 3.4); of what Huawei
/// does not have, AWS's or ours in Huawei's manner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeySpec {
    /// AES with 256 bits.
    Aes256,
    /// SM4, 128 bits (GM/T 0002).
    Sm4,
    /// RSA, modulus of 2048 bits.
    Rsa2048,
    /// RSA, modulus of 3072 bits.
    Rsa3072,
    /// RSA, modulus of 4096 bits.
    Rsa4096,
    /// The NIST curve P-256.
    EcP256,
    /// The NIST curve P-384.
    EcP384,
    /// The NIST curve P-521.
    EcP521,
    /// The SECG curve secp256k1.
    Secp256k1,
    /// SM2 (GM/T 0003).
    Sm2,
    /// Edwards curve 25519 (RFC 8032).
    Ed25519,
    /// ML-DSA-44 (FIPS 204).
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
    /// ML-KEM-512 (FIPS 203).
    MlKem512,
    /// ML-KEM-768.
    MlKem768,
    /// ML-KEM-1024.
    MlKem1024,
    /// HMAC with SHA-224.
    Hmac224,
    /// HMAC with SHA-256.
    Hmac256,
    /// HMAC with SHA-384.
    Hmac384,
    /// HMAC with SHA-512.
    Hmac512,
    /// HMAC with SM3 (GM/T 0004).
    HmacSm3,
}

/// What a key may be used for, fixed when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyUsage {
    /// Encrypt and decrypt, and wrap data keys.
    EncryptDecrypt,
    /// Sign and verify.
    SignVerify,
    /// Make and check message authentication codes.
    GenerateVerifyMac,
    /// Agree on a secret with a peer (ECDH).
    KeyAgreement,
    /// Encapsulate secrets and get them out again (ML-KEM).
    EncapsulateDecapsulate,
}

/// Where a key's material comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// kmsd made it.
    Kms,
    /// The customer imports it.
    External,
}

/// The kinds of key that rules speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// One secret, for encryption.
    Symmetric,
    /// One secret, for authentication codes.
    Mac,
    /// A private and a public half.
    Asymmetric,
}

use KeyUsage::{
    EncapsulateDecapsulate, EncryptDecrypt, GenerateVerifyMac, KeyAgreement, SignVerify,
};

impl KeySpec {
    /// Every spec, in the order of the documentation.
    pub const ALL: [KeySpec; 22] = [
        KeySpec::Aes256,
        KeySpec::Sm4,
        KeySpec::Rsa2048,
        KeySpec::Rsa3072,
        KeySpec::Rsa4096,
        KeySpec::EcP256,
        KeySpec::EcP384,
        KeySpec::EcP521,
        KeySpec::Secp256k1,
        KeySpec::Sm2,
        KeySpec::Ed25519,
        KeySpec::MlDsa44,
        KeySpec::MlDsa65,
        KeySpec::MlDsa87,
        KeySpec::MlKem512,
        KeySpec::MlKem768,
        KeySpec::MlKem1024,
        KeySpec::Hmac224,
        KeySpec::Hmac256,
        KeySpec::Hmac384,
        KeySpec::Hmac512,
        KeySpec::HmacSm3,
    ];

    /// The table: name, family, usages (the default first; contract, section 3.4).
    #[rustfmt::skip]
    const fn row(self) -> (&'static str, Family, &'static [KeyUsage]) {
        use Family::{Asymmetric, Mac, Symmetric};
        match self {
            KeySpec::Aes256    => ("AES_256",   Symmetric,  &[EncryptDecrypt]),
            KeySpec::Sm4       => ("SM4",       Symmetric,  &[EncryptDecrypt]),
            KeySpec::Rsa2048   => ("RSA_2048",  Asymmetric, &[SignVerify, EncryptDecrypt]),
            KeySpec::Rsa3072   => ("RSA_3072",  Asymmetric, &[SignVerify, EncryptDecrypt]),
            KeySpec::Rsa4096   => ("RSA_4096",  Asymmetric, &[SignVerify, EncryptDecrypt]),
            KeySpec::EcP256    => ("EC_P256",   Asymmetric, &[SignVerify, KeyAgreement]),
            KeySpec::EcP384    => ("EC_P384",   Asymmetric, &[SignVerify, KeyAgreement]),
            KeySpec::EcP521    => ("EC_P521",   Asymmetric, &[SignVerify, KeyAgreement]),
            KeySpec::Secp256k1 => ("SECP256K1", Asymmetric, &[SignVerify, KeyAgreement]),
            KeySpec::Sm2       => ("SM2",       Asymmetric, &[SignVerify, EncryptDecrypt, KeyAgreement]),
            KeySpec::Ed25519   => ("ED25519",   Asymmetric, &[SignVerify]),
            KeySpec::MlDsa44   => ("ML_DSA_44", Asymmetric, &[SignVerify]),
            KeySpec::MlDsa65   => ("ML_DSA_65", Asymmetric, &[SignVerify]),
            KeySpec::MlDsa87   => ("ML_DSA_87", Asymmetric, &[SignVerify]),
            KeySpec::MlKem512  => ("ML_KEM_512",  Asymmetric, &[EncapsulateDecapsulate]),
            KeySpec::MlKem768  => ("ML_KEM_768",  Asymmetric, &[EncapsulateDecapsulate]),
            KeySpec::MlKem1024 => ("ML_KEM_1024", Asymmetric, &[EncapsulateDecapsulate]),
            KeySpec::Hmac224   => ("HMAC_224",  Mac,        &[GenerateVerifyMac]),
            KeySpec::Hmac256   => ("HMAC_256",  Mac,        &[GenerateVerifyMac]),
            KeySpec::Hmac384   => ("HMAC_384",  Mac,        &[GenerateVerifyMac]),
            KeySpec::Hmac512   => ("HMAC_512",  Mac,        &[GenerateVerifyMac]),
            KeySpec::HmacSm3   => ("HMAC_SM3",  Mac,        &[GenerateVerifyMac]),
        }
    }

    /// The name in rows and in Huawei's dialect.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// Symmetric, for authentication codes, or asymmetric.
    pub const fn family(self) -> Family {
        self.row().1
    }

    /// Whether finding a key, or using its private half, takes milliseconds: RSA.
    pub const fn is_slow(self) -> bool {
        self.is_rsa()
    }

    /// Whether it is RSA of any size.
    pub const fn is_rsa(self) -> bool {
        matches!(self, KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096)
    }

    /// What a key of this spec may be made for, the default first.
    pub const fn usages(self) -> &'static [KeyUsage] {
        self.row().2
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Malformed`] when there is no such spec.
    pub fn parse(name: &str) -> Result<Self, Malformed> {
        Self::ALL
            .into_iter()
            .find(|spec| spec.name() == name)
            .ok_or(Malformed(
                "must be one of the key specs, such as AES_256, RSA_2048 or EC_P256",
            ))
    }
}

impl KeyUsage {
    /// Every usage.
    pub const ALL: [KeyUsage; 5] = [
        EncryptDecrypt,
        SignVerify,
        GenerateVerifyMac,
        KeyAgreement,
        EncapsulateDecapsulate,
    ];

    /// The name in rows and in both dialects.
    pub const fn name(self) -> &'static str {
        match self {
            EncryptDecrypt => "ENCRYPT_DECRYPT",
            SignVerify => "SIGN_VERIFY",
            GenerateVerifyMac => "GENERATE_VERIFY_MAC",
            KeyAgreement => "KEY_AGREEMENT",
            EncapsulateDecapsulate => "ENCAPSULATE_DECAPSULATE",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Malformed`] when there is no such usage.
    pub fn parse(name: &str) -> Result<Self, Malformed> {
        Self::ALL
            .into_iter()
            .find(|usage| usage.name() == name)
            .ok_or(Malformed(
                "must be ENCRYPT_DECRYPT, SIGN_VERIFY, GENERATE_VERIFY_MAC or KEY_AGREEMENT",
            ))
    }
}

impl Origin {
    /// The name in rows and in Huawei's dialect.
    pub const fn name(self) -> &'static str {
        match self {
            Origin::Kms => "kms",
            Origin::External => "external",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Malformed`] when there is no such origin.
    pub fn parse(name: &str) -> Result<Self, Malformed> {
        match name {
            "kms" => Ok(Origin::Kms),
            "external" => Ok(Origin::External),
            _ => Err(Malformed("must be kms or external")),
        }
    }
}
