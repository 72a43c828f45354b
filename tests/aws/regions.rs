//! Multi-region keys: one key in several regions.

use kmsd::operations::upkeep::{TimeGuard, step};
use serde_json::{Value, json};

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
