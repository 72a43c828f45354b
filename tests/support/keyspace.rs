//! Access points and policies of the trusted key space, and how a workload proves itself.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kmsd::crypto::algorithm::{MessageType, SigningAlgorithm};
use kmsd::crypto::asymmetric;
use kmsd::crypto::material::{Material, MaterialKind};
use kmsd::crypto::secret::Secret;
use kmsd::env::Env;
use serde_json::{Value, json};

use super::TestServer;
use super::calls::{KEYSPACE, base64};

/// A name that no other entry of a key space has.
pub fn fresh_name(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{what}-{}", NEXT.fetch_add(1, Ordering::SeqCst))
}

/// Until when the attestations of the tests count: not long after [`super::START`].
pub const EXPIRES: &str = "2026-01-02T03:14:05Z";

/// An access point of type 3, with its private key.
pub struct Custom {
    pub id: String,
    /// PKCS#8, PEM, as it was answered.
    pub pem: String,
    /// SubjectPublicKeyInfo, DER, Base64.
    pub public_key: String,
    key: Material,
}

impl Custom {
    pub async fn create(server: &TestServer) -> Self {
        let id = create_point(server, json!({ "type": 3 })).await;
        let named = json!({ "access_point_id": id });
        let call = "access-points/{access_point_id}/get-privatekey";
        let told = server.call(call, named).await.ok(200);
        let pem = told["private_key"].as_str().unwrap().to_owned();
        let key = key_of(&pem);
        let public_key = base64(&key.public_key_der().unwrap());
        Self {
            id,
            pem,
            public_key,
            key,
        }
    }

    /// A signature of a text, Base64.
    pub fn sign(&self, text: &str) -> String {
        let algorithm = SigningAlgorithm::EcdsaSha256;
        let (raw, env) = (MessageType::Raw, Env::real());
        let signature =
            asymmetric::sign(&self.key, algorithm, raw, text.as_bytes(), env.entropy()).unwrap();
        base64(&signature)
    }

    /// The attestation for one capsule, end and recipient.
    pub fn attest(&self, capsule: &str, expire_time: &str, recipient: &str) -> Value {
        json!({
            "custom_signature": self.sign(&format!("{capsule}\n{expire_time}\n{recipient}")),
            "custom_public_key": self.public_key,
            "expire_time": expire_time,
        })
    }

    /// The body that opens a capsule, perhaps for a recipient.
    pub fn opening(&self, key: &str, capsule: &Value, recipient: Option<&str>) -> Value {
        let text = capsule.as_str().unwrap();
        let mut body = json!({
            "key_id": key,
            "datakey_capsule": capsule,
            "attestation_document": self.attest(text, EXPIRES, recipient.unwrap_or_default()),
        });
        if let Some(recipient) = recipient {
            body["public_key"] = json!(recipient);
        }
        body
    }
}

fn key_of(pem: &str) -> Material {
    let base64: String = pem
        .trim()
        .strip_prefix("-----BEGIN PRIVATE KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PRIVATE KEY-----"))
        .unwrap()
        .split_ascii_whitespace()
        .collect();
    let der = Secret::new(STANDARD.decode(base64).unwrap());
    Material::import(MaterialKind::EcP256, der).ok().unwrap()
}

/// Makes an access point of the key space of the tests; gives its id.
pub async fn create_point(server: &TestServer, more: Value) -> String {
    let mut body = json!({ "keyspace_id": KEYSPACE, "access_point_name": fresh_name("point") });
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        body[name] = value;
    }
    let made = server.call("access-points", body).await.ok(201);
    made["access_point_id"].as_str().unwrap().to_owned()
}

/// Makes a policy with this document in the key space of the tests; gives its id.
pub async fn create_policy(server: &TestServer, document: &str) -> String {
    let body = json!({
        "keyspace_id": KEYSPACE,
        "policy_name": fresh_name("policy"),
        "policy": document,
    });
    let made = server.call("key-policies", body).await.ok(201);
    made["policy_id"].as_str().unwrap().to_owned()
}
