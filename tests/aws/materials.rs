//! What keys are made of: their specs, their material, its renewal and its import.

use kmsd::crypto::algorithm::EncryptionAlgorithm;
use kmsd::crypto::asymmetric::encrypt_with_public;
use kmsd::crypto::material::MaterialKind;
use kmsd::crypto::secret::Secret;
use kmsd::crypto::wrap::KeyWrap;
use kmsd::operations::upkeep::{TimeGuard, step};
use serde_json::{Value, json};

use crate::support::calls::{KEY_RECORDS, base64};
use crate::support::imports::unbase64;
use crate::support::{Db, TestServer, on_both};

on_both!(
    specs_that_only_this_dialect_makes,
    answers_tell_which_material_was_used,
    the_last_use_is_told,
    encrypting_anew_uses_two_keys,
    rotation_is_planned_and_told,
    rotation_on_demand_has_a_limit,
    keys_that_cannot_rotate_are_told_why,
    material_comes_by_every_wrapping,
    material_is_imported_dropped_and_brought_back,
    a_second_material_waits_for_rotation,
    material_ends_and_must_be_the_same,
    members_of_imports_that_do_not_fit,
);

/// Makes a key; gives its metadata.
async fn made(server: &TestServer, members: Value) -> Value {
    let made = server.aws("CreateKey", members).await.ok(200);
    made["KeyMetadata"].clone()
}

/// What DescribeKey tells of a key.
async fn described(server: &TestServer, key: &Value) -> Value {
    let found = server.aws("DescribeKey", json!({ "KeyId": key })).await;
    found.ok(200)["KeyMetadata"].clone()
}

async fn specs_that_only_this_dialect_makes(db: Db) {
    let server = TestServer::start(db).await;
    let signing = made(
        &server,
        json!({ "KeySpec": "ECC_NIST_P521", "KeyUsage": "SIGN_VERIFY" }),
    )
    .await;
    assert_eq!(signing["KeySpec"], "ECC_NIST_P521");
    assert_eq!(signing["SigningAlgorithms"], json!(["ECDSA_SHA_512"]));
    let body = json!({ "KeyId": signing["KeyId"], "Message": base64(b"hello"), "SigningAlgorithm": "ECDSA_SHA_512" });
    let signed = server.aws("Sign", body.clone()).await.ok(200);
    let mut check = body;
    check["Signature"] = signed["Signature"].clone();
    let verified = server.aws("Verify", check).await.ok(200);
    assert_eq!(verified["SignatureValid"], true);

    let mac = made(
        &server,
        json!({ "KeySpec": "HMAC_224", "KeyUsage": "GENERATE_VERIFY_MAC" }),
    )
    .await;
    assert_eq!(mac["MacAlgorithms"], json!(["HMAC_SHA_224"]));
    let body = json!({ "KeyId": mac["KeyId"], "Message": base64(b"hello"), "MacAlgorithm": "HMAC_SHA_224" });
    let made = server.aws("GenerateMac", body.clone()).await.ok(200);
    let mut check = body;
    check["Mac"] = made["Mac"].clone();
    server.aws("VerifyMac", check).await.ok(200);

    // Huawei's dialect shows and uses them, and makes none.
    for (key, spec) in [(&signing, "EC_P521"), (&mac, "HMAC_224")] {
        let shown = server
            .call("describe-key", json!({ "key_id": key["KeyId"] }))
            .await;
        assert_eq!(shown.ok(200)["key_info"]["key_spec"], spec);
        let body = json!({ "key_alias": spec, "key_spec": spec });
        server
            .call("create-key", body)
            .await
            .refused(400, "KMS.1110");
    }
    let agree = json!({ "KeySpec": "ECC_SECG_P256K1", "KeyUsage": "KEY_AGREEMENT" });
    let text = server
        .aws("CreateKey", agree)
        .await
        .aws_refused("ValidationException");
    assert_eq!(
        text,
        "KeyUsage KEY_AGREEMENT is not compatible with KeySpec ECC_SECG_P256K1"
    );
    server.stop().await;
}

/// What encrypts under a key, and what opens it, with the ids of the material that they tell.
async fn used(server: &TestServer, key: &Value) -> String {
    let body = json!({ "KeyId": key, "KeySpec": "AES_256" });
    let made = server.aws("GenerateDataKey", body).await.ok(200);
    let body = json!({ "CiphertextBlob": made["CiphertextBlob"] });
    let opened = server.aws("Decrypt", body).await.ok(200);
    assert_eq!(opened["KeyMaterialId"], made["KeyMaterialId"]);
    made["KeyMaterialId"].as_str().unwrap().to_owned()
}

async fn answers_tell_which_material_was_used(db: Db) {
    let server = TestServer::start(db).await;
    let key = made(&server, json!({})).await;
    let id = key["CurrentKeyMaterialId"].as_str().unwrap();
    assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let key = &key["KeyId"];
    assert_eq!(described(&server, key).await["CurrentKeyMaterialId"], id);
    assert_eq!(used(&server, key).await, id);
    let body = json!({ "KeyId": key, "KeyPairSpec": "ECC_NIST_P256" });
    let pair = server.aws("GenerateDataKeyPair", body).await.ok(200);
    assert_eq!(pair["KeyMaterialId"], id);

    let body = json!({ "KeyId": key, "Plaintext": base64(b"old") });
    let old = server.aws("Encrypt", body).await.ok(200);
    assert!(old.get("KeyMaterialId").is_none(), "{old}");
    let rotated = server
        .aws("RotateKeyOnDemand", json!({ "KeyId": key }))
        .await;
    assert_eq!(
        rotated.ok(200)["KeyId"],
        described(&server, key).await["Arn"]
    );
    let newer = used(&server, key).await;
    assert_ne!(newer, id);
    assert_eq!(described(&server, key).await["CurrentKeyMaterialId"], newer);
    let blob = &old["CiphertextBlob"];
    let opened = server
        .aws("Decrypt", json!({ "CiphertextBlob": blob }))
        .await;
    assert_eq!(opened.ok(200)["KeyMaterialId"], id);
    let body = json!({ "CiphertextBlob": blob, "DestinationKeyId": key });
    let again = server.aws("ReEncrypt", body).await.ok(200);
    assert_eq!(again["SourceKeyMaterialId"], id);
    assert_eq!(again["DestinationKeyMaterialId"], newer);

    let other = made(&server, json!({})).await;
    assert_ne!(other["CurrentKeyMaterialId"], id);
    let members = json!({ "KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT" });
    let rsa = made(&server, members).await;
    assert!(rsa.get("CurrentKeyMaterialId").is_none(), "{rsa}");
    server.stop().await;
}

async fn the_last_use_is_told(db: Db) {
    let server = TestServer::start(db).await;
    let key = made(&server, json!({})).await;
    let named = json!({ "KeyId": key["KeyId"] });
    let told = server.aws("GetKeyLastUsage", named.clone()).await.ok(200);
    assert_eq!(
        told,
        json!({
            "KeyId": key["Arn"],
            "KeyLastUsage": {},
            "TrackingStartDate": key["CreationDate"],
            "KeyCreationDate": key["CreationDate"],
        })
    );
    let seal = json!({ "KeyId": key["KeyId"], "Plaintext": base64(b"hello") });
    server.clock.advance_days(1);
    let sealed = server.aws("Encrypt", seal.clone()).await;
    let at = server.kms.now().seconds() as f64;
    // Neither a refusal, nor a dry run, nor reading counts.
    server.clock.advance_days(1);
    let mut dry = seal;
    dry["DryRun"] = json!(true);
    server
        .aws("Encrypt", dry)
        .await
        .aws_refused("DryRunOperationException");
    server.aws("DescribeKey", named.clone()).await.ok(200);
    let told = server.aws("GetKeyLastUsage", named).await.ok(200);
    let used = &told["KeyLastUsage"];
    assert_eq!(used["Operation"], "Encrypt");
    assert_eq!(used["Timestamp"], at);
    assert_eq!(used["KmsRequestId"], sealed.header("x-amzn-requestid"));
    server
        .aws("GetKeyLastUsage", json!({ "KeyId": "alias/none" }))
        .await
        .aws_refused("NotFoundException");
    server.stop().await;
}

/// Contract, section 11.11: encrypting anew is a use of both keys.
async fn encrypting_anew_uses_two_keys(db: Db) {
    let server = TestServer::start(db).await;
    let from = made(&server, json!({})).await;
    let to = made(&server, json!({})).await;
    let seal = json!({ "KeyId": from["KeyId"], "Plaintext": base64(b"hello") });
    let sealed = server.aws("Encrypt", seal).await.ok(200)["CiphertextBlob"].clone();
    let body = json!({ "CiphertextBlob": sealed, "DestinationKeyId": to["KeyId"] });
    let moved = server.aws("ReEncrypt", body).await;
    let records = async |key: &Value| {
        let body = json!({ "key_id": key["KeyId"] });
        let found = server.call(KEY_RECORDS, body).await.ok(200);
        let found = found["records"].as_array().unwrap().iter();
        let found = found.filter(|record| record["action"] == "ReEncrypt");
        found
            .map(|record| record["detail"].clone())
            .collect::<Vec<_>>()
    };
    for (key, word, other) in [(&from, "to", &to), (&to, "from", &from)] {
        let body = json!({ "KeyId": key["KeyId"] });
        let told = server.aws("GetKeyLastUsage", body).await.ok(200);
        let used = &told["KeyLastUsage"];
        assert_eq!(used["Operation"], "ReEncrypt");
        assert_eq!(used["KmsRequestId"], moved.header("x-amzn-requestid"));
        let words = format!("{word} {}", other["KeyId"].as_str().unwrap());
        assert_eq!(records(key).await, [words]);
    }
    // Of one key it is one use.
    let sealed = moved.ok(200)["CiphertextBlob"].clone();
    let body = json!({ "CiphertextBlob": sealed, "DestinationKeyId": to["KeyId"] });
    server.aws("ReEncrypt", body).await.ok(200);
    assert_eq!(records(&to).await.len(), 2);
    server.stop().await;
}

async fn status(server: &TestServer, key: &Value) -> Value {
    let asked = server.aws("GetKeyRotationStatus", json!({ "KeyId": key }));
    let mut told = asked.await.ok(200);
    assert_eq!(told["KeyId"], described(server, key).await["Arn"]);
    told.as_object_mut().unwrap().remove("KeyId");
    told
}

async fn rotations(server: &TestServer, body: Value) -> Vec<Value> {
    let told = server.aws("ListKeyRotations", body).await.ok(200);
    assert_eq!(told["Truncated"], false);
    told["Rotations"].as_array().unwrap().clone()
}

async fn rotation_is_planned_and_told(db: Db) {
    let mut server = TestServer::start(db).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    let key = &made(&server, json!({})).await["KeyId"];
    let named = json!({ "KeyId": key });
    let off = json!({ "KeyRotationEnabled": false });
    assert_eq!(status(&server, key).await, off);
    // Ending what is not there is no fault, nor beginning again with another period.
    server
        .aws("DisableKeyRotation", named.clone())
        .await
        .ok(200);
    let now = server.kms.now();
    for days in [365, 90, 2560] {
        let mut body = named.clone();
        if days != 365 {
            body["RotationPeriodInDays"] = json!(days);
        }
        let answer = server.aws("EnableKeyRotation", body).await;
        assert_eq!((answer.status, &*answer.text), (200, ""));
        let on = json!({
            "KeyRotationEnabled": true,
            "RotationPeriodInDays": days,
            "NextRotationDate": now.plus_days(days).seconds() as f64,
        });
        assert_eq!(status(&server, key).await, on);
    }
    for days in [89, 2561] {
        let body = json!({ "KeyId": key, "RotationPeriodInDays": days });
        server
            .aws("EnableKeyRotation", body)
            .await
            .aws_refused("ValidationException");
    }
    let body = json!({ "KeyId": key, "RotationPeriodInDays": 90 });
    server.aws("EnableKeyRotation", body).await.ok(200);
    assert_eq!(rotations(&server, named.clone()).await, Vec::<Value>::new());
    let first = used(&server, key).await;
    for _ in 0..91 {
        server.pass_days(1).await;
        step(&server.kms, &mut guard).await.unwrap();
    }
    server.aws("RotateKeyOnDemand", named.clone()).await.ok(200);
    let last = used(&server, key).await;
    let told = rotations(&server, named.clone()).await;
    let kinds: Vec<_> = told.iter().map(|one| &one["RotationType"]).collect();
    assert_eq!(kinds, ["AUTOMATIC", "ON_DEMAND"]);
    assert_eq!(told[0]["KeyMaterialState"], "NON_CURRENT");
    assert_eq!(told[1]["KeyMaterialState"], "CURRENT");
    assert_eq!(told[1]["KeyMaterialId"], last);
    let body = json!({ "KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL" });
    let all = rotations(&server, body).await;
    assert_eq!(all.len(), 3);
    assert_eq!(all[0]["KeyMaterialId"], first);
    assert!(all[0].get("RotationDate").is_none(), "{}", all[0]);
    // Page by page.
    let body = json!({ "KeyId": key, "Limit": 1 });
    let page = server.aws("ListKeyRotations", body.clone()).await.ok(200);
    assert_eq!(page["Rotations"], json!([told[0]]));
    let mut body = body;
    body["Marker"] = page["NextMarker"].clone();
    let page = server.aws("ListKeyRotations", body).await.ok(200);
    assert_eq!(page["Rotations"], json!([told[1]]));
    assert_eq!(page["Truncated"], false);
    let body = json!({ "KeyId": key, "Marker": "2" });
    server
        .aws("ListKeyRotations", body)
        .await
        .aws_refused("InvalidMarkerException");

    let body = json!({ "KeyId": key, "PendingWindowInDays": 7 });
    server.aws("ScheduleKeyDeletion", body).await.ok(200);
    assert_eq!(status(&server, key).await, off);
    server.aws("CancelKeyDeletion", named.clone()).await.ok(200);
    assert_eq!(status(&server, key).await["KeyRotationEnabled"], true);
    server.stop().await;
}

async fn rotation_on_demand_has_a_limit(db: Db) {
    let server = TestServer::start(db).await;
    let key = &made(&server, json!({})).await["KeyId"];
    let named = json!({ "KeyId": key });
    for _ in 0..25 {
        server.aws("RotateKeyOnDemand", named.clone()).await.ok(200);
    }
    let text = server
        .aws("RotateKeyOnDemand", named)
        .await
        .aws_refused("LimitExceededException");
    let arn = described(&server, key).await["Arn"].clone();
    assert_eq!(
        text,
        format!(
            "The on-demand rotations limit has been reached for the given keyId. No more \
             on-demand rotations can be performed for this key: {}",
            arn.as_str().unwrap()
        )
    );
    server.stop().await;
}

async fn keys_that_cannot_rotate_are_told_why(db: Db) {
    let server = TestServer::start(db).await;
    const CALLS: [&str; 5] = [
        "EnableKeyRotation",
        "DisableKeyRotation",
        "GetKeyRotationStatus",
        "RotateKeyOnDemand",
        "ListKeyRotations",
    ];
    let members = json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" });
    let signing = made(&server, members).await;
    let waiting = made(&server, json!({ "Origin": "EXTERNAL" })).await;
    let disabled = made(&server, json!({})).await;
    let named = json!({ "KeyId": disabled["KeyId"] });
    server.aws("DisableKey", named).await.ok(200);
    const U: &str = "UnsupportedOperationException";
    const S: &str = "KMSInvalidStateException";
    const D: &str = "DisabledException";
    for (key, outcomes) in [
        (&signing, [U, U, U, U, U]),
        (&waiting, [U, U, U, S, "ok"]),
        (&disabled, [D, D, "ok", D, "ok"]),
    ] {
        for (call, outcome) in CALLS.into_iter().zip(outcomes) {
            let answer = server.aws(call, json!({ "KeyId": key["KeyId"] })).await;
            assert_eq!(answer.aws_outcome(), outcome, "{call} {}", answer.text);
        }
    }
    let body = json!({ "KeyId": signing["KeyId"] });
    let answer = server.aws("RotateKeyOnDemand", body).await;
    assert_eq!(answer.json(), json!({ "__type": U }), "no text");
    server.stop().await;
}

const OAEP: &str = "RSAES_OAEP_SHA_256";

async fn parameters(server: &TestServer, key: &Value, spec: &str, algorithm: &str) -> Value {
    let body = json!({ "KeyId": key, "WrappingKeySpec": spec, "WrappingAlgorithm": algorithm });
    let made = server.aws("GetParametersForImport", body).await.ok(200);
    let until = server.kms.now().plus_days(1).seconds() as f64;
    assert_eq!(made["ParametersValidTo"], until);
    made
}

/// Wraps material as a customer would.
fn wrap(server: &TestServer, spec: &str, algorithm: &str, made: &Value, bytes: &[u8]) -> String {
    let kind = MaterialKind::from_name(spec).unwrap();
    let hash = match algorithm.ends_with("256") {
        true => EncryptionAlgorithm::RsaOaepSha256,
        false => EncryptionAlgorithm::RsaOaepSha1,
    };
    let public = unbase64(&made["PublicKey"]);
    let entropy = server.kms.env().entropy();
    let encrypt = |bytes| encrypt_with_public(kind, &public, hash, bytes, entropy).unwrap();
    if !algorithm.starts_with("RSA_AES_KEY_WRAP") {
        return base64(&encrypt(bytes));
    }
    let temporary = Secret::from_slice(&[9; 32]);
    let wrapped = KeyWrap::Aes256
        .wrap(&temporary, &Secret::from_slice(bytes))
        .unwrap();
    base64(&[encrypt(temporary.expose()), wrapped].concat())
}

/// Imports material with more members.
pub(super) async fn import(
    server: &TestServer,
    key: &Value,
    bytes: &[u8],
    more: Value,
) -> crate::support::Answer {
    let made = parameters(server, key, "RSA_2048", OAEP).await;
    let mut body = json!({
        "KeyId": key,
        "ImportToken": made["ImportToken"],
        "EncryptedKeyMaterial": wrap(server, "RSA_2048", OAEP, &made, bytes),
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    });
    for (member, value) in more.as_object().unwrap() {
        body[member] = value.clone();
    }
    server.aws("ImportKeyMaterial", body).await
}

async fn material_comes_by_every_wrapping(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, usage, len) in [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", 32),
        ("HMAC_224", "GENERATE_VERIFY_MAC", 28),
        ("HMAC_512", "GENERATE_VERIFY_MAC", 64),
    ] {
        for pair in ["RSA_2048", "RSA_3072", "RSA_4096"] {
            for algorithm in [
                "RSAES_OAEP_SHA_1",
                OAEP,
                "RSA_AES_KEY_WRAP_SHA_1",
                "RSA_AES_KEY_WRAP_SHA_256",
            ] {
                // The larger pairs take their time, and differ in their length only.
                if pair != "RSA_2048" && (len != 32 || algorithm.ends_with("_1")) {
                    continue;
                }
                let members = json!({ "KeySpec": spec, "KeyUsage": usage, "Origin": "EXTERNAL" });
                let key = &made(&server, members).await["KeyId"];
                let given = parameters(&server, key, pair, algorithm).await;
                let body = json!({
                    "KeyId": key,
                    "ImportToken": given["ImportToken"],
                    "EncryptedKeyMaterial": wrap(&server, pair, algorithm, &given, &vec![5; len]),
                    "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
                });
                server.aws("ImportKeyMaterial", body).await.ok(200);
                let shown = described(&server, key).await;
                assert_eq!(shown["KeyState"], "Enabled", "{pair} {algorithm}");
                assert_eq!(shown["ExpirationModel"], "KEY_MATERIAL_DOES_NOT_EXPIRE");
            }
        }
    }
    server.stop().await;
}

async fn material_is_imported_dropped_and_brought_back(db: Db) {
    let server = TestServer::start(db).await;
    let new = made(&server, json!({ "Origin": "EXTERNAL" })).await;
    assert_eq!(new["KeyState"], "PendingImport");
    assert!(new.get("CurrentKeyMaterialId").is_none());
    assert!(new.get("ExpirationModel").is_none());
    let (key, arn) = (&new["KeyId"], &new["Arn"]);
    let brought = import(&server, key, &[1; 32], json!({})).await.ok(200);
    assert_eq!(brought["KeyId"], *arn);
    let id = &brought["KeyMaterialId"];
    assert_eq!(used(&server, key).await, *id);
    assert_eq!(described(&server, key).await["CurrentKeyMaterialId"], *id);

    let named = json!({ "KeyId": key });
    let dropped = server.aws("DeleteImportedKeyMaterial", named.clone()).await;
    assert_eq!(
        dropped.ok(200),
        json!({ "KeyId": arn, "KeyMaterialId": id })
    );
    let shown = described(&server, key).await;
    assert_eq!(shown["KeyState"], "PendingImport");
    assert_eq!(shown["CurrentKeyMaterialId"], *id, "it stays");
    assert!(shown.get("ExpirationModel").is_none());
    // There is nothing more to drop, which is no fault.
    server
        .aws("DeleteImportedKeyMaterial", named.clone())
        .await
        .ok(200);
    import(&server, key, &[2; 32], json!({}))
        .await
        .aws_refused("IncorrectKeyMaterialException");
    let back = import(&server, key, &[1; 32], json!({})).await.ok(200);
    assert_eq!(back["KeyMaterialId"], *id);
    // Into a key that is disabled, it comes too, and the key stays so.
    server.aws("DisableKey", named.clone()).await.ok(200);
    import(&server, key, &[1; 32], json!({})).await.ok(200);
    assert_eq!(described(&server, key).await["KeyState"], "Disabled");
    let body = json!({ "KeyId": key, "PendingWindowInDays": 7 });
    server.aws("ScheduleKeyDeletion", body).await.ok(200);
    server
        .aws("DeleteImportedKeyMaterial", named.clone())
        .await
        .ok(200);
    assert_eq!(described(&server, key).await["KeyState"], "PendingDeletion");
    server.aws("CancelKeyDeletion", named).await.ok(200);
    assert_eq!(described(&server, key).await["KeyState"], "PendingImport");

    let ours = made(&server, json!({})).await;
    let body = json!({ "KeyId": ours["KeyId"] });
    let text = server
        .aws("DeleteImportedKeyMaterial", body)
        .await
        .aws_refused("UnsupportedOperationException");
    let arn = ours["Arn"].as_str().unwrap();
    assert_eq!(
        text,
        format!("{arn} origin is AWS_KMS which is not valid for this operation.")
    );
    server.stop().await;
}

async fn a_second_material_waits_for_rotation(db: Db) {
    let server = TestServer::start(db).await;
    let key = &made(&server, json!({ "Origin": "EXTERNAL" })).await["KeyId"];
    let named = json!({ "KeyId": key });
    let first = import(&server, key, &[1; 32], json!({})).await.ok(200);
    let text = server
        .aws("RotateKeyOnDemand", named.clone())
        .await
        .aws_refused("KMSInvalidStateException");
    assert!(
        text.starts_with("No available key material pending rotation"),
        "{text}"
    );
    // Unless it is said to be new, it must be what was there.
    import(&server, key, &[2; 32], json!({}))
        .await
        .aws_refused("IncorrectKeyMaterialException");
    let new = json!({ "ImportType": "NEW_KEY_MATERIAL", "KeyMaterialDescription": "second" });
    let second = import(&server, key, &[2; 32], new.clone()).await.ok(200);
    import(&server, key, &[3; 32], new)
        .await
        .aws_refused("KMSInvalidStateException");
    assert_eq!(used(&server, key).await, first["KeyMaterialId"]);
    let body = json!({ "KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL" });
    let told = rotations(&server, body.clone()).await;
    let states: Vec<_> = told.iter().map(|one| &one["KeyMaterialState"]).collect();
    assert_eq!(states, ["CURRENT", "PENDING_ROTATION"]);
    assert_eq!(told[1]["KeyMaterialDescription"], "second");
    server.aws("RotateKeyOnDemand", named.clone()).await.ok(200);
    assert_eq!(used(&server, key).await, second["KeyMaterialId"]);
    let told = rotations(&server, named).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["RotationType"], "ON_DEMAND");

    // The older one is dropped: the key waits for it.
    let mut one = json!({ "KeyId": key, "KeyMaterialId": first["KeyMaterialId"] });
    let dropped = server.aws("DeleteImportedKeyMaterial", one.clone()).await;
    assert_eq!(dropped.ok(200)["KeyMaterialId"], first["KeyMaterialId"]);
    assert_eq!(described(&server, key).await["KeyState"], "PendingImport");
    let told = rotations(&server, body).await;
    let states: Vec<_> = told.iter().map(|one| &one["ImportState"]).collect();
    assert_eq!(states, ["PENDING_IMPORT", "IMPORTED"]);
    let wrong = json!({ "KeyMaterialId": second["KeyMaterialId"] });
    import(&server, key, &[1; 32], wrong)
        .await
        .aws_refused("IncorrectKeyMaterialException");
    import(&server, key, &[1; 32], json!({})).await.ok(200);
    assert_eq!(used(&server, key).await, second["KeyMaterialId"]);
    one["KeyMaterialId"] = json!("0".repeat(64));
    server
        .aws("DeleteImportedKeyMaterial", one)
        .await
        .aws_refused("NotFoundException");
    server.stop().await;
}

async fn material_ends_and_must_be_the_same(db: Db) {
    let server = TestServer::start(db).await;
    let members = json!({
        "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC", "Origin": "EXTERNAL",
    });
    let key = &made(&server, members).await["KeyId"];
    let until = |days| {
        let at = server.kms.now().plus_days(days).seconds();
        json!({ "ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": at })
    };
    import(&server, key, &[1; 32], until(2)).await.ok(200);
    let shown = described(&server, key).await;
    assert_eq!(shown["ExpirationModel"], "KEY_MATERIAL_EXPIRES");
    import(&server, key, &[2; 32], until(2))
        .await
        .aws_refused("IncorrectKeyMaterialException");
    import(&server, key, &[1; 32], until(1)).await.ok(200);
    let made = until(365);
    server.clock.advance_days(1);
    assert_eq!(described(&server, key).await["KeyState"], "PendingImport");
    import(&server, key, &[1; 32], made).await.ok(200);
    assert_eq!(described(&server, key).await["KeyState"], "Enabled");
    server.stop().await;
}

async fn members_of_imports_that_do_not_fit(db: Db) {
    let server = TestServer::start(db).await;
    let new = made(&server, json!({ "Origin": "EXTERNAL" })).await;
    let key = &new["KeyId"];
    let now = server.kms.now();
    for (more, kind) in [
        (json!({ "ExpirationModel": null }), "ValidationException"),
        (
            json!({ "ExpirationModel": "KEY_MATERIAL_EXPIRES" }),
            "ValidationException",
        ),
        (
            json!({ "ValidTo": now.plus_days(1).seconds() }),
            "ValidationException",
        ),
        (
            json!({ "ExpirationModel": null, "ValidTo": now.seconds() }),
            "ValidationException",
        ),
        (
            json!({ "ExpirationModel": null, "ValidTo": now.plus_days(366).seconds() }),
            "ValidationException",
        ),
        (json!({ "ExpirationModel": "NEVER" }), "ValidationException"),
        (json!({ "ImportType": "OTHER" }), "ValidationException"),
        (json!({ "KeyMaterialId": "ab" }), "ValidationException"),
        (
            json!({ "ImportToken": base64(b"token") }),
            "InvalidImportTokenException",
        ),
        (json!({ "ImportToken": "*" }), "SerializationException"),
        (
            json!({ "EncryptedKeyMaterial": base64(&[1; 256]) }),
            "InvalidCiphertextException",
        ),
        (
            json!({ "ImportType": "EXISTING_KEY_MATERIAL" }),
            "IncorrectKeyMaterialException",
        ),
        (
            json!({ "KeyMaterialId": "0".repeat(64) }),
            "IncorrectKeyMaterialException",
        ),
    ] {
        let answer = import(&server, key, &[1; 32], more.clone()).await;
        assert_eq!(answer.aws_outcome(), kind, "{more} {}", answer.text);
    }
    import(&server, key, &[1; 31], json!({}))
        .await
        .aws_refused("IncorrectKeyMaterialException");
    let made_before = parameters(&server, key, "RSA_2048", OAEP).await;
    let body = json!({
        "KeyId": key,
        "ImportToken": made_before["ImportToken"],
        "EncryptedKeyMaterial": wrap(&server, "RSA_2048", OAEP, &made_before, &[1; 32]),
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    });
    server.clock.advance_days(1);
    server
        .aws("ImportKeyMaterial", body)
        .await
        .aws_refused("ExpiredImportTokenException");

    let ask = |key: &Value, spec: &str, algorithm: &str| json!({ "KeyId": key, "WrappingKeySpec": spec, "WrappingAlgorithm": algorithm });
    let rsa = json!({ "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY", "Origin": "EXTERNAL" });
    let rsa = made(&server, rsa).await;
    let ours = made(&server, json!({})).await;
    for (body, kind) in [
        (
            ask(key, "RSA_2048", "RSAES_PKCS1_V1_5"),
            "ValidationException",
        ),
        (ask(key, "RSA_1024", OAEP), "ValidationException"),
        (ask(key, "RSA_2048", "SM2PKE"), "ValidationException"),
        (ask(&rsa["KeyId"], "RSA_2048", OAEP), "ValidationException"),
        (
            ask(&ours["KeyId"], "RSA_2048", OAEP),
            "UnsupportedOperationException",
        ),
        (
            ask(&json!("alias/none"), "RSA_2048", OAEP),
            "NotFoundException",
        ),
    ] {
        let answer = server.aws("GetParametersForImport", body.clone()).await;
        assert_eq!(answer.aws_outcome(), kind, "{body} {}", answer.text);
    }
    server.stop().await;
}
