//! Key derivation: NIST SP 800-108r1, counter mode, HMAC-SHA-256.
//!
//! AWS-LC does the work. Its counter is 32 bits, big endian, from 1, in front of the fixed input;
//! what the fixed input holds is the caller's choice and stands beside each use.

use aws_lc_rs::kdf::{KbkdfCtrHmacAlgorithmId, get_kbkdf_ctr_hmac_algorithm, kbkdf_ctr_hmac};
use zeroize::Zeroizing;

use super::secret::Secret;
use super::{CryptoError, sm};

/// Fills `out` from `key` and the fixed input `info`.
///
/// # Panics
///
/// If `key` or `out` is empty: both are fixed in the code, never taken from input.
pub fn kbkdf(key: &Secret, info: &[u8], out: &mut [u8]) {
    get_kbkdf_ctr_hmac_algorithm(KbkdfCtrHmacAlgorithmId::Sha256)
        .and_then(|algorithm| kbkdf_ctr_hmac(algorithm, key.expose(), info, out).ok())
        .expect("neither the key nor the output is empty");
}

/// The same construction with HMAC-SM3, which AWS-LC does not have.
///
/// # Errors
/// [`CryptoError::Unsupported`] in a build without SM3.
pub(super) fn kbkdf_sm3(key: &Secret, info: &[u8], out: &mut [u8]) -> Result<(), CryptoError> {
    kbkdf_by(info, out, |input| {
        let block = Zeroizing::new(sm::hmac_sm3(key.expose(), &[input])?);
        Ok(Secret::from_slice(&*block))
    })
}

/// The same construction with any function of 32 bytes in place of HMAC-SHA-256 with a key that is
/// here, such as HMAC-SHA-256 with a key that is elsewhere.
///
/// # Errors
/// What the function answers; [`CryptoError::Internal`] when it gives another length.
pub(super) fn kbkdf_by(
    info: &[u8],
    out: &mut [u8],
    hmac: impl Fn(&[u8]) -> Result<Secret, CryptoError>,
) -> Result<(), CryptoError> {
    for (count, chunk) in (1_u32..).zip(out.chunks_mut(32)) {
        let input = [count.to_be_bytes().as_slice(), info].concat();
        let block = hmac(&input)?;
        if block.expose().len() != 32 {
            return Err(CryptoError::Internal("HMAC of another length"));
        }
        for (out, byte) in chunk.iter_mut().zip(block.expose()) {
            *out = *byte;
        }
    }
    Ok(())
}

/// A 32-byte key for one purpose.
///
/// The fixed input is the standard's own: label ‖ `00` ‖ context ‖ length in bits (u32, big endian).
pub fn subkey(key: &Secret, label: &str, context: &[u8]) -> Secret {
    let mut info = Vec::with_capacity(label.len() + context.len() + 5);
    info.extend(label.as_bytes());
    info.push(0);
    info.extend(context);
    info.extend(256_u32.to_be_bytes());
    let mut out = Zeroizing::new(vec![0; 32]);
    kbkdf(key, &info, &mut out);
    Secret::new(std::mem::take(&mut out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash::hmac_sha256;
    use crate::crypto::testing::unhex;

    /// AWS-LC's own answers, from `kbkdf_counter.txt` of its test suite.
    #[test]
    fn known_answers() {
        let cases = [(
            "dd1d91b7d90b2bd3138533ce92b272fbf8a369316aefe242e659cc0ae238afe0",
            "01322b96b30acd197979444e468e1c5c6859bf1b1cf951b7e725303e237e46b864a145fab25e517b08f8683d0315bb2911d80a0e8aba17f3b413faac",
            "10621342bfb0fd40046c0e29f2cfdbf0",
        )];
        for (key, info, expected) in cases {
            let mut out = vec![0; expected.len() / 2];
            kbkdf(&Secret::new(unhex(key)), &unhex(info), &mut out);
            assert_eq!(hex::encode(&out), expected);
        }
    }

    /// Independent of the library's KDF: the construction spelt out with HMAC.
    #[test]
    fn is_hmac_over_counter_and_info() {
        let key = Secret::new(unhex(
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        ));
        let mut out = [0; 80];
        kbkdf(&key, b"info", &mut out);
        let blocks: Vec<u8> = (1_u32..=3)
            .flat_map(|count| hmac_sha256(key.expose(), &[&count.to_be_bytes(), b"info"]))
            .take(80)
            .collect();
        assert_eq!(out.to_vec(), blocks);
    }

    #[test]
    fn label_and_context_separate() {
        let key = Secret::from_slice(&[7; 32]);
        let base = subkey(&key, "wrap", b"one");
        assert!(base.eq_ct(&subkey(&key, "wrap", b"one")));
        assert!(!base.eq_ct(&subkey(&key, "row", b"one")));
        assert!(!base.eq_ct(&subkey(&key, "wrap", b"two")));
        assert!(!base.eq_ct(&subkey(&Secret::from_slice(&[8; 32]), "wrap", b"one")));
    }
}
