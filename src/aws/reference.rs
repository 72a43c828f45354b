//! The description of this dialect at `/docs/aws`, as far as it is data: `web/docs/aws.json`.
//!
//! It is printed from what decides (the table of operations, AWS's model, states, permissions), so
//! that it cannot say anything else; only what each operation does is written here, for people. A
//! test keeps the file equal to it, and the harness holds every answer of every test against it.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::error::{BEYOND, ERRORS, EVERYWHERE, state_kind};
use super::routes::{Operation, SERVICE, table};
use crate::model::access::role_allows;
use crate::model::action::Action;
use crate::model::identity::Role;
use crate::model::state::KeyState;
use crate::model::time::Timestamp;

/// What AWS's model says of answers and errors (API version 2014-11-01, Apache License 2.0), where
/// `shapes.json` does not say it already; a test holds both against AWS's own SDK.
const ANSWERS: &str = include_str!("answers.json");
const REQUESTS: &str = include_str!("shapes.json");

/// Whether AWS's model lists an error for an operation.
pub fn models(operation: &str, error: &str) -> bool {
    static MODEL: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_str(ANSWERS).unwrap_or_default());
    MODEL["operations"][operation]["errors"]
        .as_array()
        .is_some_and(|errors| errors.iter().any(|known| known == error))
}

/// The file, one line for each operation, type and error.
///
/// # Errors
/// When one of the two parts of the model does not parse.
pub fn print() -> serde_json::Result<String> {
    let requests: Value = serde_json::from_str(REQUESTS)?;
    let mut answers: Value = serde_json::from_str(ANSWERS)?;
    // The old name says what KeySpec says, also in words that came after it.
    for shape in ["KeyMetadata", "GetPublicKeyResponse"] {
        answers["shapes"][shape]["members"]["CustomerMasterKeySpec"] = json!("KeySpec");
    }
    let mut rows = table();
    rows.sort_by_key(|row| row.name);
    let operations = rows
        .iter()
        .map(|row| (row.name, describe(row, &requests, &answers)));
    let types = [&requests, &answers].map(|part| part["shapes"].as_object().into_iter().flatten());
    let types = types.into_iter().flatten();
    let errors = |rows: &'static [(&str, u16, &str)]| {
        lines(
            rows.iter()
                .map(|(name, status, why)| (*name, json!({ "status": status, "why": why }))),
        )
    };
    Ok(format!(
        "{{\n\"target\": \"{SERVICE}\",\n\"operations\": {},\n\"errors\": {},\n\
         \"everywhere\": {},\n\"types\": {}\n}}\n",
        lines(operations),
        errors(ERRORS),
        errors(EVERYWHERE),
        lines(types.map(|(name, shape)| (name.as_str(), shape.clone()))),
    ))
}

fn lines<'n>(entries: impl Iterator<Item = (&'n str, Value)>) -> String {
    let lines: Vec<String> = entries
        .map(|(name, value)| format!("  \"{name}\": {value}"))
        .collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

/// All that is to be said of one operation.
fn describe(row: &Operation, requests: &Value, answers: &Value) -> Value {
    let model = &answers["operations"][row.name];
    let beyond = BEYOND.iter().filter(|(name, _)| *name == row.name);
    let named = model["errors"].as_array().into_iter().flatten();
    let named = named
        .filter_map(Value::as_str)
        .chain(beyond.map(|(_, kind)| *kind));
    // But for those that nothing leads to here.
    let mut errors: Vec<_> = named
        .filter(|name| ERRORS.iter().any(|(known, ..)| name == known))
        .collect();
    errors.sort_unstable();
    let roles = Role::ALL
        .iter()
        .filter(|role| role_allows(**role, row.action))
        .map(|role| role.name());
    json!({
        "does": does(row.name),
        "input": requests["operations"][row.name],
        "output": model["output"],
        "errors": errors,
        "permission": row.action.permission(),
        "roles": roles.collect::<Vec<_>>(),
        "for_others": row.action.is_for_others(),
        "states": states(row.action),
    })
}

/// What becomes of it in each state of a key, `null` when it is not about one key: `yes`, or the
/// error's type.
fn states(action: Action) -> Value {
    let at = Timestamp::from_millis(0);
    let told: Option<Map<String, Value>> = [
        ("Enabled", KeyState::Enabled),
        ("Disabled", KeyState::Disabled),
        (
            "PendingDeletion",
            KeyState::PendingDeletion { delete_at: at },
        ),
        ("PendingImport", KeyState::PendingImport),
    ]
    .into_iter()
    .map(|(name, state)| {
        let kind = state_kind(action, state.permits(action)?);
        Some((name.to_owned(), json!(kind.unwrap_or("yes"))))
    })
    .collect();
    json!(told)
}

/// What an operation does, in a sentence or two.
fn does(operation: &str) -> &'static str {
    match operation {
        "CancelKeyDeletion" => {
            "Calls a scheduled deletion off. The key is disabled then (or waits for its material \
             again); enabling it is a step of its own."
        }
        "ConnectCustomKeyStore" => "Lets the keys of a key store be made and used.",
        "CreateAlias" => "Gives a key an alias, by which it can be named.",
        "CreateCustomKeyStore" => {
            "Makes a key store of a cluster of hardware security modules that the operator has set up."
        }
        "CreateGrant" => "Lets somebody use a key for what is listed, and only that.",
        "CreateKey" => "Makes a key. Without members: AES-256, to encrypt and decrypt with.",
        "Decapsulate" => "Opens an encapsulated secret with an ML-KEM key.",
        "Decrypt" => {
            "Opens what Encrypt, GenerateDataKey and their kin have sealed, with the same \
             encryption context. A symmetric key is found from the ciphertext."
        }
        "DeleteAlias" => "Takes an alias away. The key stays.",
        "DeleteCustomKeyStore" => "Gives up a key store that is disconnected and has no keys.",
        "DeleteImportedKeyMaterial" => {
            "Drops the imported material of a key at once; the key waits for the same bytes again."
        }
        "DeriveSharedSecret" => "Agrees on a secret with the holder of another key (ECDH).",
        "DescribeCustomKeyStores" => "Lists the key stores of an account, or shows one.",
        "DescribeKey" => "Shows all about one key but its material.",
        "DisableKey" => "Keeps a key from being used until it is enabled.",
        "DisableKeyRotation" => "Ends the plan by which a key's material is renewed.",
        "DisconnectCustomKeyStore" => "Keeps the keys of a key store from being made and used.",
        "EnableKey" => "Lets a disabled key be used again.",
        "EnableKeyRotation" => {
            "Has a key's material renewed by plan, every 90 to 2560 days. Old ciphertexts still open."
        }
        "Encapsulate" => "Makes a secret, and encapsulates it for the holder of an ML-KEM key.",
        "Encrypt" => {
            "Encrypts at most 4096 bytes. The encryption context is needed again to decrypt; the \
             order of its pairs does not matter."
        }
        "GenerateDataKey" => "Makes a data key, in the clear and sealed by a symmetric key.",
        "GenerateDataKeyPair" => "Makes a key pair, its private half in the clear and sealed.",
        "GenerateDataKeyPairWithoutPlaintext" => "Makes a key pair, its private half sealed only.",
        "GenerateDataKeyWithoutPlaintext" => "Makes a data key, sealed only.",
        "GenerateMac" => "Makes a message authentication code (HMAC).",
        "GenerateRandom" => "Gives random bytes.",
        "GetKeyLastUsage" => "Shows when a key was last used, and for what.",
        "GetKeyPolicy" => "Reads a key's policy; a key that was given none has the default one.",
        "GetKeyRotationStatus" => "Shows the plan by which a key's material is renewed.",
        "GetParametersForImport" => {
            "Gives a public key to wrap material with, and a token that goes with it, good for 24 \
             hours."
        }
        "GetPublicKey" => "Gives the public half of an asymmetric key (DER, SubjectPublicKeyInfo).",
        "ImportKeyMaterial" => {
            "Brings wrapped material in, for ever or until a time. A key that had material takes the \
             same bytes only."
        }
        "ListAliases" => "Lists aliases: of one key, or of all keys of the account in the region.",
        "ListGrants" => "Lists the grants on a key.",
        "ListKeyPolicies" => {
            "Lists the names of a key's policies, which is `default` and no other."
        }
        "ListKeyRotations" => "Lists the versions of a key's material and how each came about.",
        "ListKeys" => "Lists the keys of the account in the region.",
        "ListResourceTags" => "Lists a key's tags.",
        "ListRetirableGrants" => "Lists the grants that somebody may retire.",
        "PutKeyPolicy" => {
            "Replaces a key's policy. One that would keep the caller from replacing it again is \
             refused, unless BypassPolicyLockoutSafetyCheck says that it is meant."
        }
        "ReEncrypt" => "Decrypts with one key and encrypts with another, inside.",
        "ReplicateKey" => "Copies a multi-region key, with its id and material, to another region.",
        "RetireGrant" => {
            "Gives a grant up: for whoever made it, uses it, or is named in it for that."
        }
        "RevokeGrant" => "Takes a grant back.",
        "RotateKeyOnDemand" => "Makes a new version of a key's material at once.",
        "ScheduleKeyDeletion" => {
            "Has a key destroyed after 7 to 30 days (30 if nothing is said). Until then \
             CancelKeyDeletion saves it."
        }
        "Sign" => "Signs a message of at most 4096 bytes, or its digest.",
        "TagResource" => "Gives a key tags, or other values to those it has; 50 at most.",
        "UntagResource" => "Takes tags from a key.",
        "UpdateAlias" => "Moves an alias to another key of the same kind and usage.",
        "UpdateCustomKeyStore" => "Changes the name of a key store.",
        "UpdateKeyDescription" => "Changes what is written about a key.",
        "UpdatePrimaryRegion" => "Makes a replica the primary, and the primary a replica.",
        "Verify" => "Checks a signature. One that does not hold is an error.",
        "VerifyMac" => "Checks a message authentication code. One that does not hold is an error.",
        _ => "",
    }
}
