//! Message authentication codes: HMAC (RFC 2104, FIPS 198-1), never truncated.

use aws_lc_rs::hmac;

use super::algorithm::MacAlgorithm;
use super::hash::constant_time_eq;
use super::material::{Holding, Material};
use super::{CryptoError, sm};

/// The authentication code of `message`: 28, 32, 48, 64 or 32 bytes.
///
/// # Errors
/// [`CryptoError::Unsupported`] when the algorithm is not that of the key.
pub fn mac(
    material: &Material,
    algorithm: MacAlgorithm,
    message: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    if material.kind().mac_algorithm() != Some(algorithm) {
        return Err(CryptoError::Unsupported);
    }
    match material.holding() {
        Holding::Bytes(key) => compute(algorithm, key.expose(), message),
        Holding::Hsm { key, .. } => Ok(key.hmac(message)?.expose().to_vec()),
    }
}

/// Whether `mac` is the whole authentication code of `message`, compared in constant time.
///
/// # Errors
/// [`CryptoError::Unsupported`] when the algorithm is not that of the key.
pub fn verify(
    material: &Material,
    algorithm: MacAlgorithm,
    message: &[u8],
    mac: &[u8],
) -> Result<bool, CryptoError> {
    let expected = self::mac(material, algorithm, message)?;
    Ok(constant_time_eq(&expected, mac))
}

/// HMAC with a key of any length.
pub(super) fn compute(
    algorithm: MacAlgorithm,
    key: &[u8],
    message: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let algorithm = match algorithm {
        MacAlgorithm::HmacSha224 => hmac::HMAC_SHA224,
        MacAlgorithm::HmacSha256 => hmac::HMAC_SHA256,
        MacAlgorithm::HmacSha384 => hmac::HMAC_SHA384,
        MacAlgorithm::HmacSha512 => hmac::HMAC_SHA512,
        MacAlgorithm::HmacSm3 => return Ok(sm::hmac_sm3(key, &[message])?.to_vec()),
    };
    let tag = hmac::sign(&hmac::Key::new(algorithm, key), message);
    Ok(tag.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::kind::MaterialKind;
    use crate::crypto::testing::{Seeded, every_bit_flipped};

    #[test]
    fn only_the_whole_code_of_the_message_is_right() {
        let entropy = Seeded::new(60);
        for kind in MaterialKind::ALL
            .into_iter()
            .filter(|kind| kind.is_supported())
        {
            let Some(algorithm) = kind.mac_algorithm() else {
                continue;
            };
            let material = Material::generate(kind, &entropy).ok().unwrap();
            let code = mac(&material, algorithm, b"message").unwrap();
            let good = |code: &[u8]| verify(&material, algorithm, b"message", code).unwrap();
            assert!(good(&code));
            assert!(!good(&code[..code.len() - 1]));
            assert!(!good(&[&code[..], &[0]].concat()));
            assert!(!good(b""));
            every_bit_flipped(&code, |changed| assert!(!good(changed)));
            assert!(!verify(&material, algorithm, b"messagf", &code).unwrap());
            for other in MacAlgorithm::ALL
                .into_iter()
                .filter(|other| *other != algorithm)
            {
                assert_eq!(mac(&material, other, b""), Err(CryptoError::Unsupported));
            }
        }
    }
}
