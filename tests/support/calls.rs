//! What each action is as a call of Huawei's API, for the tests that go through all of them.

use kmsd::model::action::Action;
use serde_json::{Value, json};

/// One call on keys.
pub struct KeyCall {
    pub action: Action,
    pub method: &'static str,
    /// The last part of its path.
    pub name: &'static str,
    /// The state in which a key must be for it, by its number; `None` when it is about no key.
    pub needs: Option<&'static str>,
    /// The spec of a key that can do it, and its usage when that is not the default.
    pub spec: &'static str,
    /// A body that is in order, for a key's id or, in create-key, a name. A ciphertext in it names
    /// the key and does not open; `TestServer::body_for` has one that does.
    pub body: fn(&str) -> Value,
}

const fn call(
    action: Action,
    name: &'static str,
    needs: Option<&'static str>,
    body: fn(&str) -> Value,
) -> KeyCall {
    let method = "POST";
    KeyCall {
        action,
        method,
        name,
        needs,
        spec: "AES_256",
        body,
    }
}

/// A call that uses an enabled key of a spec.
const fn uses(
    action: Action,
    name: &'static str,
    spec: &'static str,
    body: fn(&str) -> Value,
) -> KeyCall {
    let usual = call(action, name, Some("2"), body);
    KeyCall { spec, ..usual }
}

/// What looks like a ciphertext of a key: magic, version, suite, flags, key version and key id of
/// the format, then nothing but zeros.
fn forged(key: &str) -> Vec<u8> {
    let mut blob = vec![0x4b, 1, 1, 0, 0, 0, 0, 1];
    blob.extend(key.as_bytes());
    blob.resize(8 + 36 + 96 + 20, 0);
    blob
}

const fn read(action: Action, name: &'static str) -> KeyCall {
    KeyCall {
        action,
        method: "GET",
        name,
        needs: None,
        spec: "AES_256",
        body: |_| Value::Null,
    }
}

fn named(key: &str) -> Value {
    json!({ "key_id": key })
}

/// A public key on P-256: SubjectPublicKeyInfo, DER, Base64.
pub const PEER: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPteijsZI7c5dW34lL2sqr7tEg1EUoks8qo9xD2SZO8JXEaNM3JIpCAtjnwmXf+t8qR7M4WSb/qithccrIGrefg==";

/// Sixteen zeros, and their SHA-256.
const DATA_KEY_AND_DIGEST: &str = "00000000000000000000000000000000\
    374708fff7719dd5979ec875d56cd2286f6d3cf7ec317a3b25632aab28ec37bb";

pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Every call on keys. `coverage.rs` names the actions that are missing here.
pub const KEY_CALLS: &[KeyCall] = &[
    call(
        Action::CreateKey,
        "create-key",
        None,
        |name| json!({ "key_alias": name }),
    ),
    call(Action::DescribeKey, "describe-key", Some("2"), named),
    call(
        Action::ListKeys,
        "list-keys",
        None,
        |_| json!({ "key_spec": "ALL" }),
    ),
    call(Action::EnableKey, "enable-key", Some("3"), named),
    call(Action::DisableKey, "disable-key", Some("2"), named),
    call(
        Action::ScheduleKeyDeletion,
        "schedule-key-deletion",
        Some("2"),
        |key| json!({ "key_id": key, "pending_days": "7" }),
    ),
    call(
        Action::CancelKeyDeletion,
        "cancel-key-deletion",
        Some("4"),
        named,
    ),
    call(
        Action::RenameKey,
        "update-key-alias",
        Some("2"),
        |key| json!({ "key_id": key, "key_alias": format!("renamed-{key}") }),
    ),
    call(
        Action::UpdateKeyDescription,
        "update-key-description",
        Some("2"),
        |key| json!({ "key_id": key, "key_description": "told anew" }),
    ),
    uses(
        Action::Encrypt,
        "encrypt-data",
        "AES_256",
        |key| json!({ "key_id": key, "plain_text": "secret" }),
    ),
    uses(
        Action::Decrypt,
        "decrypt-data",
        "AES_256",
        |key| json!({ "cipher_text": base64(&forged(key)) }),
    ),
    uses(
        Action::GenerateDataKey,
        "create-datakey",
        "AES_256",
        |key| json!({ "key_id": key, "datakey_length": "512" }),
    ),
    uses(
        Action::GenerateDataKeyWithoutPlaintext,
        "create-datakey-without-plaintext",
        "AES_256",
        |key| json!({ "key_id": key, "key_spec": "AES_256" }),
    ),
    uses(
        Action::EncryptDataKey,
        "encrypt-datakey",
        "AES_256",
        |key| json!({ "key_id": key, "plain_text": DATA_KEY_AND_DIGEST, "datakey_plain_length": "16" }),
    ),
    uses(
        Action::DecryptDataKey,
        "decrypt-datakey",
        "AES_256",
        |key| {
            json!({
                "key_id": key,
                "cipher_text": hex::encode(forged(key)),
                "datakey_cipher_length": "32",
            })
        },
    ),
    uses(
        Action::ReEncrypt,
        "re-encrypt",
        "AES_256",
        |key| json!({ "cipher_text": base64(&forged(key)), "destination_key_id": key }),
    ),
    uses(
        Action::GenerateDataKeyPair,
        "create-ec-datakey-pair",
        "AES_256",
        |key| json!({ "key_id": key, "key_spec": "ECC_NIST_P256" }),
    ),
    uses(
        Action::GenerateDataKeyPair,
        "create-rsa-datakey-pair",
        "AES_256",
        |key| json!({ "key_id": key, "key_spec": "RSA_2048" }),
    ),
    uses(
        Action::DeriveSharedSecret,
        "derive-shared-secret",
        "EC_P256 KEY_AGREEMENT",
        |key| json!({ "key_id": key, "key_agreement_algorithm": "ECDH", "public_key": PEER }),
    ),
    call(
        Action::GenerateRandom,
        "gen-random",
        None,
        |_| json!({ "random_data_length": "512" }),
    ),
    uses(Action::Sign, "sign", "EC_P256", |key| {
        json!({
            "key_id": key,
            "message": base64(b"hello"),
            "signing_algorithm": "ECDSA_SHA_256",
            "message_type": "RAW",
        })
    }),
    uses(Action::Verify, "verify", "EC_P256", |key| {
        json!({
            "key_id": key,
            "message": base64(b"hello"),
            "signature": base64(b"none"),
            "signing_algorithm": "ECDSA_SHA_256",
            "message_type": "RAW",
        })
    }),
    uses(Action::GetPublicKey, "get-publickey", "EC_P256", named),
    uses(
        Action::GenerateMac,
        "generate-mac",
        "HMAC_256",
        |key| json!({ "key_id": key, "mac_algorithm": "HMAC_SHA_256", "message": base64(b"hello") }),
    ),
    uses(Action::VerifyMac, "verify-mac", "HMAC_256", |key| {
        json!({
            "key_id": key,
            "mac_algorithm": "HMAC_SHA_256",
            "message": base64(b"hello"),
            "mac": "00",
        })
    }),
    read(Action::CountKeys, "user-instances"),
    read(Action::ShowQuotas, "user-quotas"),
];

/// What create-key is told for a key of a spec that can do what the calls ask for.
pub fn spec_members(spec: &str) -> Value {
    match spec.split_once(' ') {
        None => json!({ "key_spec": spec }),
        Some((spec, usage)) => json!({ "key_spec": spec, "key_usage": usage }),
    }
}

/// The call that an action is.
pub fn of(action: Action) -> &'static KeyCall {
    KEY_CALLS
        .iter()
        .find(|call| call.action == action)
        .unwrap_or_else(|| panic!("{} has no call in tests/support/calls.rs", action.name()))
}
