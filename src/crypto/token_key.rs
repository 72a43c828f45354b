//! The key pairs that sign kmsd's own tokens: ECDSA over P-256 with SHA-256 (ES256, RFC 7518).
//!
//! Signing and checking a token is the JWT library's; keys are made, kept and shown here.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use super::CryptoError;
use super::secret::Secret;

/// A new private key as PKCS#8 DER, as `jsonwebtoken::EncodingKey::from_ec_der` takes it.
///
/// The library makes it from its own random generator, which it does not let us replace.
pub fn generate() -> Result<Secret, CryptoError> {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .and_then(|pair| pair.to_pkcs8v1())
        .map(|document| Secret::from_slice(document.as_ref()))
        .map_err(|_| CryptoError::Internal("P-256 key generation"))
}

/// The public point, uncompressed (`04` ‖ x ‖ y, 65 bytes), as
/// `jsonwebtoken::DecodingKey::from_ec_der` takes it.
pub fn public_raw(pkcs8: &Secret) -> Result<[u8; 65], CryptoError> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.expose())
        .map_err(|_| CryptoError::Invalid)?;
    pair.public_key()
        .as_ref()
        .try_into()
        .map_err(|_| CryptoError::Invalid)
}

/// The coordinates x and y of the public point, 32 bytes each, as a JWK shows them.
pub fn public_point(pkcs8: &Secret) -> Result<([u8; 32], [u8; 32]), CryptoError> {
    let raw = public_raw(pkcs8)?;
    let (mut x, mut y) = ([0; 32], [0; 32]);
    x.copy_from_slice(&raw[1..33]);
    y.copy_from_slice(&raw[33..]);
    Ok((x, y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};

    #[test]
    fn the_jwt_library_takes_both_halves() {
        let pkcs8 = generate().ok().unwrap();
        let claims = serde::de::value::MapDeserializer::<_, serde::de::value::Error>::new(
            [("sub", "alice")].into_iter(),
        );
        let claims: std::collections::BTreeMap<String, String> =
            serde::Deserialize::deserialize(claims).unwrap();
        let signing = EncodingKey::from_ec_der(pkcs8.expose());
        let token =
            jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &signing).unwrap();

        let (x, y) = public_point(&pkcs8).unwrap();
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        type Claims = std::collections::BTreeMap<String, String>;
        for checking in [
            DecodingKey::from_ec_components(&x, &y).unwrap(),
            DecodingKey::from_ec_der(&public_raw(&pkcs8).unwrap()),
        ] {
            let decoded = jsonwebtoken::decode::<Claims>(&token, &checking, &validation).unwrap();
            assert_eq!(decoded.claims["sub"], "alice");
        }
        let other = DecodingKey::from_ec_der(&public_raw(&generate().ok().unwrap()).unwrap());
        assert!(jsonwebtoken::decode::<Claims>(&token, &other, &validation).is_err());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(
            public_point(&Secret::from_slice(b"")).err(),
            Some(CryptoError::Invalid)
        );
        assert_eq!(
            public_point(&Secret::from_slice(&[0; 138])).err(),
            Some(CryptoError::Invalid)
        );
    }
}
