//! Multi-region keys: one key in several regions.

use kmsd::operations::upkeep::{TimeGuard, step};
use serde_json::{Value, json};

use super::materials::import_at;
use super::rules::{policy, statement, user_arn};
use crate::support::aws::HOME;
use crate::support::calls::base64;
use crate::support::{Db, Setup, TestServer, on_both};

on_both!(
    a_key_is_made_for_many_regions,
    replicas_share_the_key_and_nothing_else,
    post_quantum_keys_are_the_same_in_every_region,
    the_primary_moves,
    a_primary_leaves_after_its_replicas,
    replications_that_do_not_fit,
    a_replica_begins_with_a_policy_of_its_own,
    imported_material_comes_to_each_replica,
    imported_material_is_rotated_once_it_is_everywhere,
    a_primary_that_waits_for_its_replicas_may_lose_its_material,
);

/// A region of the form that AWS's clients send.
const AWAY: &str = "away-region-2";

async fn started(db: Db) -> TestServer {
    let regions = format!("{HOME},{AWAY}");
    TestServer::start(Setup::from(db).with("regions", &regions)).await
}

async fn made(server: &TestServer) -> Value {
    let made = server
        .aws("CreateKey", json!({ "MultiRegion": true }))
        .await;
    made.ok(200)["KeyMetadata"].clone()
}

async fn described(server: &TestServer, region: &str, key: &Value) -> Value {
    let found = server.aws_at(region, "DescribeKey", json!({ "KeyId": key }));
    found.await.ok(200)["KeyMetadata"].clone()
}

async fn replicate(server: &TestServer, key: &Value) -> Value {
    let body = json!({ "KeyId": key, "ReplicaRegion": AWAY });
    server.aws("ReplicateKey", body).await.ok(200)
}

async fn a_key_is_made_for_many_regions(db: Db) {
    let server = started(db).await;
    let key = made(&server).await;
    let id = key["KeyId"].as_str().unwrap();
    assert!(id.starts_with("mrk-") && id.len() == 36, "{id}");
    assert_eq!(key["MultiRegion"], true);
    assert_eq!(
        key["MultiRegionConfiguration"],
        json!({
            "MultiRegionKeyType": "PRIMARY",
            "PrimaryKey": { "Arn": key["Arn"], "Region": HOME },
            "ReplicaKeys": [],
        })
    );
    assert_eq!(described(&server, HOME, &key["KeyId"]).await, key);
    // The other dialect knows it by the same id.
    let shown = server.call("describe-key", json!({ "key_id": id })).await;
    assert_eq!(shown.ok(200)["key_info"]["key_id"], id);
    server.stop().await;
}

async fn replicas_share_the_key_and_nothing_else(db: Db) {
    let server = started(db).await;
    let primary = made(&server).await;
    let key = &primary["KeyId"];
    let body = json!({
        "KeyId": key, "ReplicaRegion": AWAY, "Description": "away",
        "Tags": [{ "TagKey": "env", "TagValue": "prod" }],
    });
    let told = server.aws("ReplicateKey", body).await.ok(200);
    let replica = &told["ReplicaKeyMetadata"];
    assert_eq!(replica["KeyState"], "Creating");
    assert_eq!(replica["Enabled"], false);
    assert_eq!(replica["Description"], "away");
    assert!(replica.get("CurrentKeyMaterialId").is_none());
    assert_eq!(
        told["ReplicaTags"],
        json!([{ "TagKey": "env", "TagValue": "prod" }])
    );
    assert!(told["ReplicaPolicy"].as_str().unwrap().contains("kms:*"));
    let replica = described(&server, AWAY, key).await;
    assert_eq!(replica["KeyState"], "Enabled");
    assert_eq!(
        replica["CurrentKeyMaterialId"],
        primary["CurrentKeyMaterialId"]
    );
    assert_ne!(replica["Arn"], primary["Arn"]);
    let configuration = json!({
        "MultiRegionKeyType": "REPLICA",
        "PrimaryKey": { "Arn": primary["Arn"], "Region": HOME },
        "ReplicaKeys": [{ "Arn": replica["Arn"], "Region": AWAY }],
    });
    assert_eq!(replica["MultiRegionConfiguration"], configuration);

    // What one has sealed the other opens, also after a rotation, which only the primary does.
    for round in 0..2 {
        for (here, there) in [(HOME, AWAY), (AWAY, HOME)] {
            let body = json!({ "KeyId": key, "Plaintext": base64(b"hello") });
            let sealed = server.aws_at(here, "Encrypt", body).await.ok(200);
            let body = json!({ "CiphertextBlob": sealed["CiphertextBlob"] });
            let opened = server.aws_at(there, "Decrypt", body).await.ok(200);
            assert_eq!(opened["Plaintext"], base64(b"hello"), "{round} {here}");
        }
        let named = json!({ "KeyId": key });
        server
            .aws_at(AWAY, "RotateKeyOnDemand", named.clone())
            .await
            .aws_refused("UnsupportedOperationException");
        server.aws("RotateKeyOnDemand", named).await.ok(200);
    }
    let ids = (
        described(&server, HOME, key).await["CurrentKeyMaterialId"].clone(),
        described(&server, AWAY, key).await["CurrentKeyMaterialId"].clone(),
    );
    assert_eq!(ids.0, ids.1);
    server.stop().await;
}

async fn post_quantum_keys_are_the_same_in_every_region(db: Db) {
    let server = started(db).await;
    let in_both = async |spec: &str, usage: &str| {
        let members = json!({ "KeySpec": spec, "KeyUsage": usage, "MultiRegion": true });
        let key = server.aws("CreateKey", members).await.ok(200)["KeyMetadata"]["KeyId"].clone();
        replicate(&server, &key).await;
        key
    };
    let key = in_both("ML_DSA_65", "SIGN_VERIFY").await;
    let mut body = json!({
        "KeyId": key, "Message": base64(b"hello"), "SigningAlgorithm": "ML_DSA_SHAKE_256",
    });
    let signed = server.aws_at(AWAY, "Sign", body.clone()).await.ok(200);
    body["Signature"] = signed["Signature"].clone();
    server.aws("Verify", body).await.ok(200);

    let key = in_both("ML_KEM_768", "ENCAPSULATE_DECAPSULATE").await;
    let mut body = json!({ "KeyId": key, "EncapsulationAlgorithm": "ML_KEM" });
    let made = server.aws("Encapsulate", body.clone()).await.ok(200);
    body["SharedSecretCiphertextBlob"] = made["SharedSecretCiphertextBlob"].clone();
    let opened = server.aws_at(AWAY, "Decapsulate", body).await.ok(200);
    assert_eq!(opened["SharedSecret"], made["SharedSecret"]);
    server.stop().await;
}

async fn the_primary_moves(db: Db) {
    let server = started(db).await;
    let key = &made(&server).await["KeyId"];
    replicate(&server, key).await;
    let named = json!({ "KeyId": key });
    server.aws("EnableKeyRotation", named.clone()).await.ok(200);
    let status = server.aws_at(AWAY, "GetKeyRotationStatus", named.clone());
    assert_eq!(
        status.await.ok(200)["KeyRotationEnabled"],
        true,
        "the primary's"
    );
    let body = json!({ "KeyId": key, "PrimaryRegion": AWAY });
    let moved = server.aws("UpdatePrimaryRegion", body.clone()).await;
    assert_eq!((moved.status, &*moved.text), (200, ""));
    for (region, kind) in [(HOME, "REPLICA"), (AWAY, "PRIMARY")] {
        let shown = described(&server, region, key).await;
        let configuration = &shown["MultiRegionConfiguration"];
        assert_eq!(configuration["MultiRegionKeyType"], kind);
        assert_eq!(configuration["PrimaryKey"]["Region"], AWAY);
    }
    let text = server
        .aws("UpdatePrimaryRegion", body)
        .await
        .aws_refused("UnsupportedOperationException");
    assert!(
        text.ends_with("is not a multi-region primary key."),
        "{text}"
    );
    server.stop().await;
}

async fn a_primary_leaves_after_its_replicas(db: Db) {
    let server = started(db).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    let key = &made(&server).await["KeyId"];
    replicate(&server, key).await;
    let (named, soon) = (
        json!({ "KeyId": key }),
        json!({ "KeyId": key, "PendingWindowInDays": 7 }),
    );
    let told = server
        .aws("ScheduleKeyDeletion", soon.clone())
        .await
        .ok(200);
    assert_eq!(told["KeyState"], "PendingReplicaDeletion");
    assert!(told.get("DeletionDate").is_none(), "{told}");
    let shown = described(&server, HOME, key).await;
    assert_eq!(shown["KeyState"], "PendingReplicaDeletion");
    assert_eq!(shown["PendingDeletionWindowInDays"], 7);
    let body = json!({ "KeyId": key, "Plaintext": base64(b"hello") });
    server
        .aws("Encrypt", body)
        .await
        .aws_refused("KMSInvalidStateException");
    server
        .aws("ScheduleKeyDeletion", soon.clone())
        .await
        .aws_refused("KMSInvalidStateException");
    // It can be called off.
    server.aws("CancelKeyDeletion", named.clone()).await.ok(200);
    assert_eq!(described(&server, HOME, key).await["KeyState"], "Disabled");
    server
        .aws("ScheduleKeyDeletion", soon.clone())
        .await
        .ok(200);
    // The other dialect shows it as one that leaves, without a date.
    let shown = server
        .call("describe-key", json!({ "key_id": key }))
        .await
        .ok(200);
    assert_eq!(shown["key_info"]["key_state"], "4");
    assert_eq!(shown["key_info"]["scheduled_deletion_date"], "");

    server
        .aws_at(AWAY, "ScheduleKeyDeletion", soon)
        .await
        .ok(200);
    let days = async |days| {
        for _ in 0..days {
            server.clock.advance_days(1);
            step(&server.kms, &mut guard).await.unwrap();
        }
    };
    let mut days = days;
    days(6).await;
    assert_eq!(
        described(&server, HOME, key).await["KeyState"],
        "PendingReplicaDeletion"
    );
    days(1).await;
    server
        .aws_at(AWAY, "DescribeKey", named.clone())
        .await
        .aws_refused("NotFoundException");
    let shown = described(&server, HOME, key).await;
    assert_eq!(shown["KeyState"], "PendingDeletion");
    let date = server.kms.now().plus_days(7).seconds() as f64;
    assert_eq!(shown["DeletionDate"], date, "the wait starts only now");
    days(7).await;
    server
        .aws("DescribeKey", named)
        .await
        .aws_refused("NotFoundException");
    server.stop().await;
}

async fn a_replica_begins_with_a_policy_of_its_own(db: Db) {
    let server = started(db).await;
    let key = &made(&server).await["KeyId"];
    let owner = user_arn(&server.account);
    let fine = policy(&[
        statement("Allow", &owner, &["kms:*"]),
        statement("Deny", "*", &["kms:Encrypt"]),
    ]);
    let lockout = policy(&[statement("Allow", &owner, &["kms:Describe*"])]);
    let long = policy(&[json!({
        "Sid": "x".repeat(32_768), "Effect": "Allow", "Principal": "*",
    })]);
    let ask = |more: Value| {
        let mut body = json!({ "KeyId": key, "ReplicaRegion": AWAY });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        server.aws("ReplicateKey", body)
    };
    for (members, kind) in [
        (json!({ "Policy": "" }), "ValidationException"),
        (json!({ "Policy": {} }), "SerializationException"),
        (
            json!({ "Policy": fine, "BypassPolicyLockoutSafetyCheck": "no" }),
            "SerializationException",
        ),
        (
            json!({ "Policy": "no json" }),
            "MalformedPolicyDocumentException",
        ),
        (
            json!({ "Policy": lockout }),
            "MalformedPolicyDocumentException",
        ),
        (json!({ "Policy": long }), "LimitExceededException"),
        (
            json!({ "Tags": [{ "TagKey": "a", "TagValue": "" }, { "TagKey": "a", "TagValue": "b" }] }),
            "TagException",
        ),
        (
            json!({ "Tags": [{ "TagKey": "aws:a", "TagValue": "" }] }),
            "TagException",
        ),
    ] {
        assert_eq!(ask(members.clone()).await.aws_outcome(), kind, "{members}");
    }
    server
        .aws_at(AWAY, "DescribeKey", json!({ "KeyId": key }))
        .await
        .aws_refused("NotFoundException");
    let tags: Vec<Value> = (0..50)
        .map(|at| json!({ "TagKey": format!("k{at}"), "TagValue": "" }))
        .collect();
    let told = ask(json!({ "Policy": fine, "Tags": tags })).await.ok(200);
    assert_eq!(told["ReplicaPolicy"], fine);
    assert_eq!(told["ReplicaTags"], json!(tags));
    // It binds the replica and not the primary.
    let shown = server.aws_at(AWAY, "GetKeyPolicy", json!({ "KeyId": key }));
    assert_eq!(shown.await.ok(200)["Policy"], fine);
    let seal = json!({ "KeyId": key, "Plaintext": base64(b"hello") });
    server
        .aws_at(AWAY, "Encrypt", seal.clone())
        .await
        .aws_refused("AccessDeniedException");
    server.aws("Encrypt", seal).await.ok(200);
    // One may lock oneself out, if one says so.
    let other = &made(&server).await["KeyId"];
    let body = json!({
        "KeyId": other, "ReplicaRegion": AWAY, "Policy": lockout,
        "BypassPolicyLockoutSafetyCheck": true,
    });
    server.aws("ReplicateKey", body).await.ok(200);
    let put = json!({ "KeyId": other, "Policy": fine });
    server
        .aws_at(AWAY, "PutKeyPolicy", put)
        .await
        .aws_refused("AccessDeniedException");
    server.stop().await;
}

/// A multi-region key whose material was imported.
async fn imported(server: &TestServer, members: Value) -> Value {
    let mut body = json!({ "MultiRegion": true, "Origin": "EXTERNAL" });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    let made = server.aws("CreateKey", body).await.ok(200);
    let key = made["KeyMetadata"]["KeyId"].clone();
    let ask = json!({ "KeyId": key, "ReplicaRegion": AWAY });
    server
        .aws("ReplicateKey", ask)
        .await
        .aws_refused("KMSInvalidStateException");
    import_at(server, HOME, &key, &[1; 32], json!({}))
        .await
        .ok(200);
    key
}

async fn sealed(server: &TestServer, region: &str, key: &Value) -> Value {
    let body = json!({ "KeyId": key, "Plaintext": base64(b"hello") });
    let sealed = server.aws_at(region, "Encrypt", body).await.ok(200);
    sealed["CiphertextBlob"].clone()
}

async fn opens(server: &TestServer, region: &str, blob: &Value) {
    let body = json!({ "CiphertextBlob": blob });
    let opened = server.aws_at(region, "Decrypt", body).await.ok(200);
    assert_eq!(opened["Plaintext"], base64(b"hello"), "{region}");
}

async fn imported_material_comes_to_each_replica(db: Db) {
    let server = started(db).await;
    let key = &imported(&server, json!({})).await;
    let blob = sealed(&server, HOME, key).await;
    let until = server.kms.now().plus_days(1).seconds();
    let expires = json!({ "ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": until });
    let first = import_at(&server, HOME, key, &[1; 32], expires)
        .await
        .ok(200);
    let told = replicate(&server, key).await;
    assert_eq!(told["ReplicaKeyMetadata"]["KeyState"], "Creating");
    assert_eq!(told["ReplicaKeyMetadata"]["Origin"], "EXTERNAL");
    assert!(told["ReplicaKeyMetadata"].get("ExpirationModel").is_none());
    let shown = described(&server, AWAY, key).await;
    assert_eq!(shown["KeyState"], "PendingImport");
    assert!(shown.get("ValidTo").is_none(), "{shown}");
    let open = json!({ "CiphertextBlob": blob });
    server
        .aws_at(AWAY, "Decrypt", open)
        .await
        .aws_refused("KMSInvalidStateException");
    // It takes the same bytes only, and only by a token of its own.
    for more in [
        json!({}),
        json!({ "ImportType": "NEW_KEY_MATERIAL" }),
        json!({ "ImportType": "EXISTING_KEY_MATERIAL" }),
    ] {
        import_at(&server, AWAY, key, &[2; 32], more)
            .await
            .aws_refused("IncorrectKeyMaterialException");
    }
    let new = json!({ "ImportType": "NEW_KEY_MATERIAL" });
    import_at(&server, AWAY, key, &[1; 32], new)
        .await
        .aws_refused("IncorrectKeyMaterialException");
    let body = json!({
        "KeyId": key, "WrappingKeySpec": "RSA_2048", "WrappingAlgorithm": "RSAES_OAEP_SHA_256",
    });
    let foreign = server.aws("GetParametersForImport", body).await.ok(200);
    let token = json!({ "ImportToken": foreign["ImportToken"] });
    import_at(&server, AWAY, key, &[1; 32], token)
        .await
        .aws_refused("InvalidImportTokenException");
    let second = import_at(&server, AWAY, key, &[1; 32], json!({}))
        .await
        .ok(200);
    assert_eq!(second["KeyMaterialId"], first["KeyMaterialId"]);
    assert_eq!(described(&server, AWAY, key).await["KeyState"], "Enabled");
    opens(&server, AWAY, &blob).await;
    opens(&server, HOME, &sealed(&server, AWAY, key).await).await;
    // Each has it for its own time: the primary's is over, the replica's is not.
    server.clock.advance_days(1);
    assert_eq!(
        described(&server, HOME, key).await["KeyState"],
        "PendingImport"
    );
    opens(&server, AWAY, &blob).await;
    let named = json!({ "KeyId": key });
    server
        .aws_at(AWAY, "DeleteImportedKeyMaterial", named)
        .await
        .ok(200);
    assert_eq!(
        described(&server, AWAY, key).await["KeyState"],
        "PendingImport"
    );
    // Keys for codes are no other.
    let members = json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" });
    let mac = &imported(&server, members).await;
    replicate(&server, mac).await;
    import_at(&server, AWAY, mac, &[2; 32], json!({}))
        .await
        .aws_refused("IncorrectKeyMaterialException");
    import_at(&server, AWAY, mac, &[1; 32], json!({}))
        .await
        .ok(200);
    let body = json!({
        "KeyId": mac, "Message": base64(b"hello"), "MacAlgorithm": "HMAC_SHA_256",
    });
    let made = server.aws("GenerateMac", body.clone()).await.ok(200);
    let other = server.aws_at(AWAY, "GenerateMac", body).await.ok(200);
    assert_eq!(made["Mac"], other["Mac"]);
    server.stop().await;
}

async fn imported_material_is_rotated_once_it_is_everywhere(db: Db) {
    let server = started(db).await;
    let key = &imported(&server, json!({})).await;
    replicate(&server, key).await;
    import_at(&server, AWAY, key, &[1; 32], json!({}))
        .await
        .ok(200);
    let old = sealed(&server, AWAY, key).await;
    let states = async |region: &str| -> Vec<(String, String)> {
        let body = json!({ "KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL" });
        let listed = server
            .aws_at(region, "ListKeyRotations", body)
            .await
            .ok(200);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let rows = listed["Rotations"].as_array().unwrap().iter();
        rows.map(|row| (text(&row["KeyMaterialState"]), text(&row["ImportState"])))
            .collect()
    };
    let row = |state: &str, import: &str| (state.to_owned(), import.to_owned());
    let new = || json!({ "ImportType": "NEW_KEY_MATERIAL" });
    let named = json!({ "KeyId": key });
    // New material comes to the primary first.
    import_at(&server, AWAY, key, &[2; 32], new())
        .await
        .aws_refused("IncorrectKeyMaterialException");
    let at_home = import_at(&server, HOME, key, &[2; 32], new()).await.ok(200);
    let waits = "PENDING_MULTI_REGION_IMPORT_AND_ROTATION";
    let current = row("CURRENT", "IMPORTED");
    assert_eq!(
        states(HOME).await,
        [current.clone(), row(waits, "IMPORTED")]
    );
    assert_eq!(
        states(AWAY).await,
        [current.clone(), row(waits, "PENDING_IMPORT")]
    );
    let text = server
        .aws("RotateKeyOnDemand", named.clone())
        .await
        .aws_refused("KMSInvalidStateException");
    assert!(
        text.starts_with("No available key material pending rotation"),
        "{text}"
    );
    assert_eq!(described(&server, AWAY, key).await["KeyState"], "Enabled");
    import_at(&server, AWAY, key, &[3; 32], json!({}))
        .await
        .aws_refused("IncorrectKeyMaterialException");
    let away = import_at(&server, AWAY, key, &[2; 32], json!({}))
        .await
        .ok(200);
    assert_eq!(away["KeyMaterialId"], at_home["KeyMaterialId"]);
    for region in [HOME, AWAY] {
        let all = [current.clone(), row("PENDING_ROTATION", "IMPORTED")];
        assert_eq!(states(region).await, all, "{region}");
    }
    server
        .aws_at(AWAY, "RotateKeyOnDemand", named.clone())
        .await
        .aws_refused("UnsupportedOperationException");
    // A replica that waits for what it dropped is rotated with the others, and goes on waiting.
    server
        .aws_at(AWAY, "DeleteImportedKeyMaterial", named.clone())
        .await
        .ok(200);
    server.aws("RotateKeyOnDemand", named.clone()).await.ok(200);
    assert_eq!(
        described(&server, AWAY, key).await["KeyState"],
        "PendingImport"
    );
    import_at(&server, AWAY, key, &[1; 32], json!({}))
        .await
        .ok(200);
    let young = sealed(&server, HOME, key).await;
    for region in [HOME, AWAY] {
        let all = [row("NON_CURRENT", "IMPORTED"), current.clone()];
        assert_eq!(states(region).await, all, "{region}");
        let shown = described(&server, region, key).await;
        assert_eq!(shown["CurrentKeyMaterialId"], at_home["KeyMaterialId"]);
        opens(&server, region, &old).await;
        opens(&server, region, &young).await;
    }
    // Both must be there for the replica to be used.
    server
        .aws_at(AWAY, "DeleteImportedKeyMaterial", named)
        .await
        .ok(200);
    assert_eq!(
        described(&server, AWAY, key).await["KeyState"],
        "PendingImport"
    );
    import_at(&server, AWAY, key, &[2; 32], json!({}))
        .await
        .ok(200);
    opens(&server, AWAY, &young).await;
    server.stop().await;
}

async fn a_primary_that_waits_for_its_replicas_may_lose_its_material(db: Db) {
    let server = started(db).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    let key = &imported(&server, json!({})).await;
    let until = server.kms.now().plus_days(1).seconds();
    let expires = json!({ "ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": until });
    import_at(&server, HOME, key, &[1; 32], expires)
        .await
        .ok(200);
    replicate(&server, key).await;
    let named = json!({ "KeyId": key });
    let leave = json!({ "KeyId": key, "PendingWindowInDays": 7 });
    server
        .aws("ScheduleKeyDeletion", leave.clone())
        .await
        .ok(200);
    server.clock.advance_days(1);
    step(&server.kms, &mut guard).await.unwrap();
    let row = server.row(key.as_str().unwrap()).await;
    let stored = server.kms.store().list_material(&row).await.unwrap();
    assert!(stored.is_empty(), "its time is over");
    let state = async || described(&server, HOME, key).await["KeyState"].clone();
    assert_eq!(state().await, "PendingReplicaDeletion");
    server.aws("CancelKeyDeletion", named.clone()).await.ok(200);
    assert_eq!(state().await, "PendingImport");
    // The same when it is dropped.
    import_at(&server, HOME, key, &[1; 32], json!({}))
        .await
        .ok(200);
    assert_eq!(state().await, "Enabled");
    server.aws("ScheduleKeyDeletion", leave).await.ok(200);
    server
        .aws("DeleteImportedKeyMaterial", named.clone())
        .await
        .ok(200);
    assert_eq!(state().await, "PendingReplicaDeletion");
    server.aws("CancelKeyDeletion", named).await.ok(200);
    assert_eq!(state().await, "PendingImport");
    server.stop().await;
}

async fn replications_that_do_not_fit(db: Db) {
    let server = started(db).await;
    let key = &made(&server).await["KeyId"];
    let single = server.aws("CreateKey", json!({})).await.ok(200)["KeyMetadata"]["KeyId"].clone();
    let ask = |key: &Value, region: &str| json!({ "KeyId": key, "ReplicaRegion": region });
    let text = server
        .aws("ReplicateKey", ask(&single, AWAY))
        .await
        .aws_refused("UnsupportedOperationException");
    assert!(
        text.ends_with("is not a multi-region primary key."),
        "{text}"
    );
    for region in ["mars-north-1", HOME, "REGION", ""] {
        server
            .aws("ReplicateKey", ask(key, region))
            .await
            .aws_refused("ValidationException");
    }
    let body = json!({ "KeyId": key, "PrimaryRegion": AWAY });
    server
        .aws("UpdatePrimaryRegion", body)
        .await
        .aws_refused("NotFoundException");
    replicate(&server, key).await;
    server
        .aws("ReplicateKey", ask(key, AWAY))
        .await
        .aws_refused("AlreadyExistsException");
    server
        .aws_at(AWAY, "ReplicateKey", ask(key, HOME))
        .await
        .aws_refused("UnsupportedOperationException");
    server
        .aws("DisableKey", json!({ "KeyId": key }))
        .await
        .ok(200);
    server
        .aws("ReplicateKey", ask(key, AWAY))
        .await
        .aws_refused("DisabledException");
    server.stop().await;
}
