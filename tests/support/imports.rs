//! Material of one's own, wrapped as a customer would.

use kmsd::crypto::algorithm::EncryptionAlgorithm;
use kmsd::crypto::asymmetric::encrypt_with_public;
use kmsd::crypto::material::MaterialKind;
use kmsd::env::Entropy;
use serde_json::{Value, json};

use super::calls::base64;
use super::{Answer, TestServer};

/// The first material of a key that the harness imports, and a further one.
pub const FIRST: [u8; 32] = [7; 32];
pub const FURTHER: [u8; 32] = [8; 32];

/// The wrapping that most tests use.
pub const OAEP: &str = "RSAES_OAEP_SHA_256";

pub fn unbase64(text: &Value) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .decode(text.as_str().unwrap())
        .unwrap()
}

/// Bytes encrypted under the public key that get-parameters-for-import gave, Base64.
pub fn wrapped(parameters: &Value, algorithm: &str, bytes: &[u8], entropy: &dyn Entropy) -> String {
    let (pair, with) = match algorithm {
        OAEP => (MaterialKind::Rsa2048, EncryptionAlgorithm::RsaOaepSha256),
        "SM2_ENCRYPT" => (MaterialKind::Sm2, EncryptionAlgorithm::Sm2),
        other => panic!("{other}"),
    };
    let public = unbase64(&parameters["public_key"]);
    base64(&encrypt_with_public(pair, &public, with, bytes, entropy).unwrap())
}

impl TestServer {
    /// What get-parameters-for-import answers.
    pub async fn parameters(&self, key: &str, algorithm: &str) -> Answer {
        let body = json!({ "key_id": key, "wrapping_algorithm": algorithm });
        self.call("get-parameters-for-import", body).await
    }

    /// Bytes encrypted under the public key of such an answer, Base64.
    pub fn wrapped(&self, parameters: &Value, algorithm: &str, bytes: &[u8]) -> String {
        wrapped(parameters, algorithm, bytes, self.kms.env().entropy())
    }

    /// The body of an import of these bytes; `None` when the key takes none.
    pub async fn import_body(&self, key: &str, bytes: &[u8]) -> Option<Value> {
        let parameters = self.parameters(key, OAEP).await;
        if parameters.status != 200 {
            return None;
        }
        let parameters = parameters.json();
        Some(json!({
            "key_id": key,
            "import_token": parameters["import_token"],
            "encrypted_key_material": self.wrapped(&parameters, OAEP, bytes),
        }))
    }

    /// Imports these bytes, with more members.
    pub async fn import(&self, key: &str, bytes: &[u8], more: Value) -> Answer {
        let mut body = self
            .import_body(key, bytes)
            .await
            .expect("the key takes material");
        for (member, value) in more.as_object().cloned().unwrap_or_default() {
            body[member] = value;
        }
        self.call("import-key-material", body).await
    }

    /// A key with imported material.
    pub async fn external(&self, name: &str) -> String {
        let key = self.create(name, json!({ "origin": "external" })).await;
        self.import(&key, &FIRST, json!({})).await.ok(200);
        key
    }
}
