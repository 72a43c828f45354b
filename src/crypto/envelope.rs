//! Secrets that only the holder of a public key can read: CMS EnvelopedData (RFC 5652, section 6).
//!
//! A fresh AES-256 key encrypts the content (CBC, RFC 3565); RSAES-OAEP with SHA-256 (RFC 4056)
//! encrypts that key; the recipient is named by the SHA-256 of its SubjectPublicKeyInfo (RFC 7093,
//! method 4). CBC has no tag: who alters an envelope can alter what comes out of it, so that the
//! channel it travels through has to be trusted for that, as with the vendors' own.
//!
//! The frame is BER with indefinite lengths, byte for byte as AWS KMS writes it: the parser in its
//! SDK for enclaves takes nothing else.

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use super::CryptoError;
use super::attestation::Attested;
use super::der::definite;
use super::hash::sha256;
use super::rsa::{self, Oaep};
use super::secret::Secret;
use crate::env::Entropy;

/// Bytes of a block of AES, and of an initialization vector.
const BLOCK: usize = 16;

const INTEGER_2: [u8; 3] = [0x02, 1, 2];
const END: [u8; 2] = [0, 0];
/// A SEQUENCE, and a `[0]`, whose end is marked by [`END`].
const SEQUENCE: [u8; 2] = [0x30, 0x80];
const CONTEXT_0: [u8; 2] = [0xa0, 0x80];
/// 1.2.840.113549.1.7.3, id-envelopedData.
const ENVELOPED_DATA: [u8; 11] = [
    0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03,
];
/// 1.2.840.113549.1.7.1, id-data.
const DATA: [u8; 11] = [
    0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01,
];
/// 2.16.840.1.101.3.4.1.42, id-aes256-CBC.
const AES_256_CBC: [u8; 11] = [
    0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a,
];
/// id-RSAES-OAEP with SHA-256, and MGF1 with SHA-256: an AlgorithmIdentifier.
#[rustfmt::skip]
const RSAES_OAEP_SHA_256: [u8; 62] = [
    0x30, 60,
        0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07, // 1.2.840.113549.1.1.7
        0x30, 47,
            0xa0, 15, 0x30, 13,
                0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0, // SHA-256
            0xa1, 28, 0x30, 26,
                0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, // MGF1
                0x30, 13,
                    0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0,
];

/// The secret in an envelope (BER) that only the enclave can open.
///
/// # Errors
/// [`CryptoError::Internal`], for what was attested is a key that can encrypt.
pub fn seal(
    attested: &Attested,
    secret: &Secret,
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoError> {
    let key = Secret::random(entropy, 32);
    let mut iv = [0; BLOCK];
    entropy.fill(&mut iv);
    let ciphertext = aes_256_cbc(&key, &iv, secret)?;
    let encrypted_key = rsa::encrypt(&attested.public_key, Oaep::Sha256, key.expose())?;
    Ok(frame(
        &sha256(&attested.public_key),
        &encrypted_key,
        &iv,
        &ciphertext,
    ))
}

/// The ciphertext, padded to whole blocks (RFC 5652, section 6.3).
fn aes_256_cbc(key: &Secret, iv: &[u8; BLOCK], secret: &Secret) -> Result<Vec<u8>, CryptoError> {
    const FAULT: CryptoError = CryptoError::Internal("AES-256-CBC");
    let key = UnboundCipherKey::new(&AES_256, key.expose())
        .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
        .map_err(|_| FAULT)?;
    // Room for the padding, lest the plaintext be moved and a copy stay behind.
    let mut buffer = Zeroizing::new(Vec::with_capacity(secret.expose().len() + BLOCK));
    buffer.extend_from_slice(secret.expose());
    key.less_safe_encrypt(
        &mut *buffer,
        EncryptionContext::Iv128(FixedLength::from(*iv)),
    )
    .map_err(|_| FAULT)?;
    Ok(std::mem::take(&mut *buffer))
}

/// ContentInfo, EnvelopedData, one KeyTransRecipientInfo, EncryptedContentInfo.
fn frame(recipient: &[u8], encrypted_key: &[u8], iv: &[u8], ciphertext: &[u8]) -> Vec<u8> {
    let recipient_info = [
        INTEGER_2.as_slice(),
        &definite(0x80, recipient),
        &RSAES_OAEP_SHA_256,
        &definite(0x04, encrypted_key),
    ];
    [
        SEQUENCE.as_slice(),
        &ENVELOPED_DATA,
        &CONTEXT_0,
        &SEQUENCE,
        &INTEGER_2,
        &definite(0x31, &definite(0x30, &recipient_info.concat())),
        &SEQUENCE,
        &DATA,
        &definite(0x30, &[&AES_256_CBC[..], &definite(0x04, iv)].concat()),
        &CONTEXT_0,
        &definite(0x04, ciphertext),
        &END,
        &END,
        &END,
        &END,
        &END,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{Seeded, unhex};

    /// An answer of AWS KMS, from the tests of its SDK for enclaves (aws-nitro-enclaves-sdk-c,
    /// `tests/cms_test.c`), and the parts that its parser must find there.
    const OF_AWS: &str = include_str!("../../tests/vectors/aws_ciphertext_for_recipient.hex");

    #[test]
    fn the_frame_is_the_one_that_aws_writes() {
        let envelope = unhex(OF_AWS.trim());
        let (recipient, encrypted_key) = (&envelope[33..65], &envelope[131..387]);
        let (iv, ciphertext) = (&envelope[415..431], &envelope[435..483]);
        assert_eq!(frame(recipient, encrypted_key, iv, ciphertext), envelope);
    }

    /// NIST SP 800-38A, F.2.5, whose first block is followed by padding here.
    #[test]
    fn cbc_of_sp_800_38a() {
        let key = unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let iv = *unhex("000102030405060708090a0b0c0d0e0f")
            .first_chunk()
            .unwrap();
        let block = unhex("6bc1bee22e409f96e93d7e117393172a");
        let made = aes_256_cbc(&Secret::new(key), &iv, &Secret::new(block)).unwrap();
        assert_eq!(made.len(), 2 * BLOCK);
        assert_eq!(made[..16], unhex("f58c4c04d6e5f1ba779eabfb5f7bfbd6"));
    }

    #[test]
    fn no_two_envelopes_are_alike() {
        let pair = crate::crypto::testing::sample(crate::crypto::material::MaterialKind::Rsa2048);
        let attested = Attested {
            module_id: "i-1".into(),
            pcrs: std::collections::BTreeMap::new(),
            public_key: pair.public_key_der().unwrap(),
        };
        let (secret, entropy) = (Secret::new(vec![7; 32]), Seeded::new(1));
        let one = seal(&attested, &secret, &entropy).unwrap();
        let other = seal(&attested, &secret, &entropy).unwrap();
        assert_eq!(one.len(), other.len());
        assert_ne!(one[415..431], other[415..431]);
        assert_ne!(one[435..], other[435..]);
    }
}
