//! Signatures of requests: from the secret of an access key to the expected signature.
//!
//! What is signed (the canonical request) is the dialects' business. All schemes end in
//! HMAC-SHA-256 over a string to sign, and differ in how they get the key.

use super::hash::{constant_time_eq, hmac_sha256};
use super::secret::Secret;

/// How the secret of an access key becomes the key of the MAC.
#[derive(Debug)]
pub enum Derivation {
    /// The secret itself: Huawei's `SDK-HMAC-SHA256`.
    Plain,
    /// A chain of HMACs that starts from `prefix` ‖ secret: AWS's Signature Version 4 with prefix
    /// `AWS4`, and its Huawei relative with prefix `SDK`.
    Chain {
        /// What stands before the secret.
        prefix: &'static str,
        /// Date, region, service and terminator, in this order.
        links: Vec<String>,
    },
    /// HKDF-SHA-256 (RFC 5869) in 64 lower-case hexadecimal digits, used as text: Huawei's
    /// `V11-HMAC-SHA256`.
    Hkdf {
        /// The access key's id, which is the salt.
        access_key: String,
        /// Date, region and service, joined with `/`.
        info: String,
    },
}

/// Whether `signature_hex` (64 lower-case hexadecimal digits) signs `string_to_sign`, in constant
/// time. For an unknown access key, call it with any secret: the work is the same (I-8).
pub fn verify(
    secret: &Secret,
    derivation: &Derivation,
    string_to_sign: &[u8],
    signature_hex: &str,
) -> bool {
    let expected = sign(secret, derivation, string_to_sign);
    constant_time_eq(expected.as_bytes(), signature_hex.as_bytes())
}

/// The signature of `string_to_sign`, in 64 lower-case hexadecimal digits.
pub fn sign(secret: &Secret, derivation: &Derivation, string_to_sign: &[u8]) -> String {
    let key = derive(secret, derivation);
    hex::encode(hmac_sha256(key.expose(), &[string_to_sign]))
}

fn derive(secret: &Secret, derivation: &Derivation) -> Secret {
    match derivation {
        Derivation::Plain => Secret::from_slice(secret.expose()),
        Derivation::Chain { prefix, links } => {
            let mut first = Vec::with_capacity(prefix.len() + secret.expose().len());
            first.extend(prefix.as_bytes());
            first.extend(secret.expose());
            links.iter().fold(Secret::new(first), |key, link| {
                Secret::new(hmac_sha256(key.expose(), &[link.as_bytes()]).to_vec())
            })
        }
        Derivation::Hkdf { access_key, info } => {
            let extracted =
                Secret::new(hmac_sha256(access_key.as_bytes(), &[secret.expose()]).to_vec());
            // 32 bytes are the first block of the expansion.
            let expanded = hmac_sha256(extracted.expose(), &[info.as_bytes(), &[1]]);
            Secret::new(hex::encode(expanded).into_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::from_slice(b"exampleSecretKey/0123456789abcdefABCDEF")
    }

    const DATE: &str = "20260102T030405Z";
    const CANONICAL_1: &str = "e5441415c44804bf32871a22d1ef66320de1a3e8fee28e0a9849942befb3d181";
    const CANONICAL_2: &str = "8f47a126651d6cc97d9c20569c4211a8a1078e1bac7cecca92d67c97cfbe00f2";

    /// The three vectors were computed with Huawei's own SDK.
    #[test]
    fn huawei_plain() {
        for (canonical, signature) in [
            (
                CANONICAL_1,
                "2978995ba0660c05faef1941cedfe0bf15b2640dd48029dac02bd79331c157c1",
            ),
            (
                CANONICAL_2,
                "c5ba26d442b5823fa241e8c5c7eb89e331d1d2ebbb84a69600aa1c9095a4c3b3",
            ),
        ] {
            let text = format!("SDK-HMAC-SHA256\n{DATE}\n{canonical}");
            assert!(verify(
                &secret(),
                &Derivation::Plain,
                text.as_bytes(),
                signature
            ));
        }
    }

    #[test]
    fn huawei_v11() {
        let info = "20260102/cn-north-4/kms";
        let text = format!("V11-HMAC-SHA256\n{DATE}\n{info}\n{CANONICAL_1}");
        let derivation = Derivation::Hkdf {
            access_key: "EXAMPLEAK1234567890".to_owned(),
            info: info.to_owned(),
        };
        let signature = "595a7c0e416abaf1a0f8d6fc72f1ffef868d9cf5d7ee5b8d7a9ac2d11b40106b";
        assert!(verify(&secret(), &derivation, text.as_bytes(), signature));
    }

    /// AWS's published example of deriving a signing key, and `get-vanilla` of its test suite.
    #[test]
    fn aws_signature_version_4() {
        let secret = Secret::from_slice(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let chain = |links: [&str; 4]| Derivation::Chain {
            prefix: "AWS4",
            links: links.map(str::to_owned).to_vec(),
        };
        let key = derive(
            &secret,
            &chain(["20150830", "us-east-1", "iam", "aws4_request"]),
        );
        assert_eq!(
            hex::encode(key.expose()),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        );
        let text = "AWS4-HMAC-SHA256\n20150830T123600Z\n\
            20150830/us-east-1/service/aws4_request\n\
            bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63";
        let derivation = chain(["20150830", "us-east-1", "service", "aws4_request"]);
        let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert!(verify(&secret, &derivation, text.as_bytes(), signature));
    }

    #[test]
    fn only_the_exact_text_is_a_signature() {
        let signature = sign(&secret(), &Derivation::Plain, b"text");
        assert!(verify(&secret(), &Derivation::Plain, b"text", &signature));
        let wrong = [
            signature.to_uppercase(),
            signature[..63].to_owned(),
            format!("{signature}0"),
            format!(" {signature}"),
            String::new(),
            "é".repeat(32),
            "0".repeat(64),
        ];
        for wrong in wrong {
            assert!(!verify(&secret(), &Derivation::Plain, b"text", &wrong));
        }
        assert!(!verify(&secret(), &Derivation::Plain, b"texT", &signature));
        let other = Secret::from_slice(b"another");
        assert!(!verify(&other, &Derivation::Plain, b"text", &signature));
    }
}
