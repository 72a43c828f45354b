//! What each action is as a call of Huawei's API, for the tests that go through all of them.

use kmsd::model::action::Action;
use serde_json::{Value, json};

/// One call on keys.
pub struct KeyCall {
    pub action: Action,
    /// How the tests write it: its method if that is not POST, and the end of its path, or the
    /// whole of one that is not under `/v1.0/{project_id}/kms/`. See [`spell`].
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
    KeyCall {
        action,
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

/// A call on a key whose material is imported. In states other than 5 it has some.
const fn external(
    action: Action,
    name: &'static str,
    state: &'static str,
    body: fn(&str) -> Value,
) -> KeyCall {
    let usual = call(action, name, Some(state), body);
    KeyCall {
        spec: "AES_256 external",
        ..usual
    }
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
        name,
        needs: None,
        spec: "AES_256",
        body: |_| Value::Null,
    }
}

/// A call as it goes over the wire.
pub struct Spelled {
    pub method: String,
    /// The path, and the query if there is one.
    pub path: String,
    pub body: Option<Value>,
}

/// The method and the template of the path that a call's name stands for.
pub fn route_of(name: &str) -> (&str, String) {
    let (method, path) = name.split_once(' ').unwrap_or(("POST", name));
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/v1.0/{{project_id}}/kms/{path}")
    };
    (method, path)
}

/// The name of the call that a route is.
pub fn name_of(method: &str, path: &str) -> String {
    let path = path.strip_prefix("/v1.0/{project_id}/kms/").unwrap_or(path);
    match method {
        "POST" => path.to_owned(),
        _ => format!("{method} {path}"),
    }
}

/// Spells a call for a project. Members of the body that the path has a place for go there; what
/// is left is the query of a GET and the body of everything else.
pub fn spell(project: &str, name: &str, mut body: Value) -> Spelled {
    let (method, template) = route_of(name);
    let mut path = template.replace("{project_id}", project);
    let has_places = path.contains('{');
    while let Some(start) = path.find('{') {
        let end = start + path[start..].find('}').expect("places end");
        let value = body
            .as_object_mut()
            .and_then(|members| members.remove(&path[start + 1..end]))
            .unwrap_or_else(|| panic!("{name}: the body has nothing for {}", &path[start..=end]));
        path.replace_range(start..=end, &escape(&text_of(&value)));
    }
    let members = body.as_object().map_or(0, serde_json::Map::len);
    if method == "GET" {
        let pairs: Vec<String> = body
            .as_object()
            .into_iter()
            .flatten()
            .map(|(member, value)| format!("{member}={}", escape(&text_of(value))))
            .collect();
        if !pairs.is_empty() {
            path = format!("{path}?{}", pairs.join("&"));
        }
    }
    let needs_none = method == "GET" || body.is_null() || (has_places && members == 0);
    Spelled {
        method: method.to_owned(),
        path,
        body: (!needs_none).then_some(body),
    }
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Escapes what has a meaning of its own in a path or query.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

fn named(key: &str) -> Value {
    json!({ "key_id": key })
}

pub const KEY_RECORDS: &str = "GET /kmsd/v1/{project_id}/keys/{key_id}/audit";
pub const REPLICATE: &str = "/v2/{project_id}/kms/keys/{key_id}/replicate";
pub const UPDATE_PRIMARY: &str = "PUT /v2/{project_id}/kms/keys/{key_id}/update-primary-region";

/// A public key on P-256: SubjectPublicKeyInfo, DER, Base64.
pub const PEER: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPteijsZI7c5dW34lL2sqr7tEg1EUoks8qo9xD2SZO8JXEaNM3JIpCAtjnwmXf+t8qR7M4WSb/qithccrIGrefg==";

/// Sixteen zeros, and their SHA-256.
pub const DATA_KEY_AND_DIGEST: &str = "00000000000000000000000000000000\
    374708fff7719dd5979ec875d56cd2286f6d3cf7ec317a3b25632aab28ec37bb";

pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The path that makes keystores.
pub const KEYSTORES: &str = "/v1.0/{project_id}/keystores";
/// A cluster of every test server. Nobody answers there.
pub const CLUSTER: &str = "8d1c7f04-26b3-4c9a-bf5e-0e92a7d3b615";
/// A CA certificate for clusters.
pub const CLUSTER_CA: &str = include_str!("cluster_ca.pem");

fn keystore(id: &str) -> Value {
    json!({ "keystore_id": id })
}
/// The id of a user whom nobody is.
pub const GRANTEE: &str = "5e2c84f0a7b94d1e9036fb7d18c25a90";

/// The id of a grant that is none; `TestServer::body_for` has that of one.
pub const NO_GRANT: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The key space of the tests, which is an id that somebody chose.
pub const KEYSPACE: &str = "3ad2f8c1-0b5e-47d6-9c34-e7160fb28a95";

/// The id of an access point or key policy that nobody has.
pub const NO_ACCESS_POINT: &str = "00000000-0000-4000-8000-000000000000";

/// A document of a policy that lets one access point in.
pub fn policy_for(access_point: &str) -> String {
    json!({ "version": "1.0", "allowed_access_point": [access_point] }).to_string()
}

/// A name for an access point or a policy; whatever does not fit is left out.
fn entry(name: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || ":/_-".contains(*c);
    format!("e-{}", name.chars().filter(fits).collect::<String>())
}

pub fn unbase64(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
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
    // The trail of a key.
    call(Action::ListKeyRecords, KEY_RECORDS, Some("2"), named),
    // Keystores and PINs. What is named here nobody has; `TestServer::body_for` makes it.
    call(
        Action::CreatePin,
        "create-pin",
        None,
        |_| json!({ "pin_type": "CipherText", "keystore_id": "1" }),
    ),
    call(Action::CreateKeystore, KEYSTORES, None, |name| {
        json!({
            "keystore_alias": name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
            "keystore_type": "DHSM",
            "hsm_cluster_id": CLUSTER,
            "hsm_ca_cert": CLUSTER_CA,
        })
    }),
    read(Action::ListKeystores, "GET /v1.0/{project_id}/keystores"),
    call(
        Action::ShowKeystore,
        "GET /v1.0/{project_id}/keystores/{keystore_id}",
        None,
        keystore,
    ),
    call(
        Action::EnableKeystore,
        "/v1.0/{project_id}/keystores/{keystore_id}/enable",
        None,
        keystore,
    ),
    call(
        Action::DisableKeystore,
        "/v1.0/{project_id}/keystores/{keystore_id}/disable",
        None,
        keystore,
    ),
    call(
        Action::DeleteKeystore,
        "DELETE /v1.0/{project_id}/keystores/{keystore_id}",
        None,
        keystore,
    ),
    // Multi-region keys.
    read(Action::ListRegions, "GET /v2/{project_id}/kms/regions"),
    call(Action::ReplicateKey, REPLICATE, Some("2"), |key| {
        json!({
            "key_id": key,
            "replica_region": "region-2",
            "key_alias": format!("copy-of-{key}"),
            "replica_project_id": "00000000000000000000000000000000",
        })
    }),
    call(
        Action::UpdatePrimaryRegion,
        UPDATE_PRIMARY,
        Some("2"),
        |key| json!({ "key_id": key, "primary_region": "region-2" }),
    ),
    // Grants.
    call(
        Action::CreateGrant,
        "create-grant",
        Some("2"),
        |key| json!({ "key_id": key, "grantee_principal": GRANTEE, "operations": ["encrypt-data"] }),
    ),
    call(Action::ListGrants, "list-grants", Some("2"), named),
    call(
        Action::ListRetirableGrants,
        "list-retirable-grants",
        None,
        |_| json!({}),
    ),
    call(
        Action::RevokeGrant,
        "revoke-grant",
        Some("2"),
        |key| json!({ "key_id": key, "grant_id": NO_GRANT }),
    ),
    call(
        Action::RetireGrant,
        "retire-grant",
        Some("2"),
        |key| json!({ "key_id": key, "grant_id": NO_GRANT }),
    ),
    // Tags and aliases.
    call(
        Action::CreateTag,
        "{key_id}/tags",
        Some("2"),
        |key| json!({ "key_id": key, "tag": { "key": "env", "value": "prod" } }),
    ),
    call(
        Action::ChangeTags,
        "{key_id}/tags/action",
        Some("2"),
        |key| json!({ "key_id": key, "action": "create", "tags": [{ "key": "env" }] }),
    ),
    call(
        Action::DeleteTag,
        "DELETE {key_id}/tags/{key}",
        Some("2"),
        |key| json!({ "key_id": key, "key": "a b/c" }),
    ),
    call(Action::ListTags, "GET {key_id}/tags", Some("2"), named),
    read(Action::ListProjectTags, "GET tags"),
    call(
        Action::ListKeysByTags,
        "resource_instances/action",
        None,
        |_| json!({ "action": "filter" }),
    ),
    call(
        Action::CreateAlias,
        "aliases",
        Some("2"),
        |key| json!({ "key_id": key, "alias": format!("alias/{key}") }),
    ),
    call(Action::ListAliases, "GET aliases", Some("2"), named),
    call(
        Action::MoveAlias,
        "alias/associate",
        Some("2"),
        |key| json!({ "alias": format!("alias/{key}"), "target_key_id": key }),
    ),
    call(
        Action::DeleteAliases,
        "DELETE aliases",
        Some("2"),
        |key| json!({ "key_id": key, "aliases": [format!("alias/{key}")] }),
    ),
    // Imported material and rotation.
    external(
        Action::GetImportParameters,
        "get-parameters-for-import",
        "5",
        |key| json!({ "key_id": key, "wrapping_algorithm": "RSAES_OAEP_SHA_256" }),
    ),
    external(
        Action::ImportKeyMaterial,
        "import-key-material",
        "5",
        |key| {
            json!({
                "key_id": key,
                "import_token": base64(&[1; 1200]),
                "encrypted_key_material": base64(&[1; 256]),
            })
        },
    ),
    external(
        Action::DeleteKeyMaterial,
        "delete-imported-key-material",
        "2",
        named,
    ),
    external(Action::RotateKeyOnDemand, "rotate-on-demand", "2", named),
    call(
        Action::EnableKeyRotation,
        "enable-key-rotation",
        Some("2"),
        named,
    ),
    call(
        Action::UpdateRotationInterval,
        "update-key-rotation-interval",
        Some("2"),
        |key| json!({ "key_id": key, "rotation_interval": 90 }),
    ),
    call(
        Action::DisableKeyRotation,
        "disable-key-rotation",
        Some("2"),
        named,
    ),
    call(
        Action::GetRotationStatus,
        "get-key-rotation-status",
        Some("2"),
        named,
    ),
    // The trusted key space. `TestServer::body_for` puts in what is really there.
    uses(
        Action::CreateDatakeyCapsule,
        "datakey-capsule/create",
        "AES_256",
        |key| {
            json!({
                "key_id": key,
                "datakey_length": "256",
                "key_policy": policy_for(NO_ACCESS_POINT),
            })
        },
    ),
    uses(
        Action::DecryptDatakeyCapsule,
        "datakey-capsule/decrypt",
        "AES_256",
        |key| {
            json!({
                "key_id": key,
                "datakey_capsule": base64(&[&[0x43, 1, 2, 0, 6][..], b"1.0|||", &forged(key)].concat()),
                "attestation_document": {
                    "custom_signature": base64(b"none"),
                    "custom_public_key": PEER,
                    "expire_time": "2026-01-02T03:10:00Z",
                },
            })
        },
    ),
    call(
        Action::CreateAccessPoint,
        "access-points",
        None,
        |name| json!({ "keyspace_id": KEYSPACE, "access_point_name": entry(name), "type": 3 }),
    ),
    call(
        Action::ListAccessPoints,
        "GET access-points",
        None,
        |_| json!({ "keyspace_id": KEYSPACE }),
    ),
    call(
        Action::DeleteAccessPoint,
        "DELETE access-points/{access_point_id}",
        None,
        |_| json!({ "access_point_id": NO_ACCESS_POINT }),
    ),
    call(
        Action::EnableAccessPoint,
        "access-points/{access_point_id}/enable",
        None,
        |_| json!({ "access_point_id": NO_ACCESS_POINT }),
    ),
    call(
        Action::DisableAccessPoint,
        "access-points/{access_point_id}/disable",
        None,
        |_| json!({ "access_point_id": NO_ACCESS_POINT }),
    ),
    call(
        Action::GetAccessPointPrivateKey,
        "access-points/{access_point_id}/get-privatekey",
        None,
        |_| json!({ "access_point_id": NO_ACCESS_POINT }),
    ),
    call(Action::CreateKeyPolicy, "key-policies", None, |name| {
        json!({
            "keyspace_id": KEYSPACE,
            "policy_name": entry(name),
            "policy": "{\"version\":\"1.0\"}",
        })
    }),
    call(
        Action::ListKeyPolicies,
        "GET key-policies",
        None,
        |_| json!({ "keyspace_id": KEYSPACE }),
    ),
    call(
        Action::ShowKeyPolicy,
        "GET key-policies/{policy_id}",
        None,
        |_| json!({ "policy_id": NO_ACCESS_POINT }),
    ),
    call(
        Action::UpdateKeyPolicy,
        "PUT key-policies/{policy_id}",
        None,
        |_| json!({ "policy_id": NO_ACCESS_POINT, "policy": "{\"version\":\"1.0\"}" }),
    ),
    call(
        Action::DeleteKeyPolicy,
        "DELETE key-policies/{policy_id}",
        None,
        |_| json!({ "policy_id": NO_ACCESS_POINT }),
    ),
    read(Action::CountKeys, "GET user-instances"),
    read(Action::ShowQuotas, "GET user-quotas"),
];

/// What create-key is told for a key of a spec that can do what the calls ask for.
pub fn spec_members(spec: &str) -> Value {
    match spec.split_once(' ') {
        None => json!({ "key_spec": spec }),
        Some((spec, usage)) => json!({ "key_spec": spec, "key_usage": usage }),
    }
}

/// The call of a name.
pub fn named_call(name: &str) -> &'static KeyCall {
    KEY_CALLS
        .iter()
        .find(|call| call.name == name)
        .unwrap_or_else(|| panic!("{name} is missing in tests/support/calls.rs"))
}

/// The call that an action is.
pub fn of(action: Action) -> &'static KeyCall {
    KEY_CALLS
        .iter()
        .find(|call| call.action == action)
        .unwrap_or_else(|| panic!("{} has no call in tests/support/calls.rs", action.name()))
}
