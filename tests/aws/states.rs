//! What each state says to the operations that manage a key (contract, section 3.1, written down a
//! second time). Those that use it stand in `keys.rs`.

use serde_json::{Value, json};

use super::materials::import;
use super::rules::user_arn;
use crate::support::aws::HOME;
use crate::support::{Db, Setup, TestServer, on_both};

on_both!(
    managing_a_key_by_state,
    managing_an_imported_key_by_state,
    spreading_a_key_by_state,
);

const STATE: &str = "KMSInvalidStateException";
const OFF: &str = "DisabledException";
const UNFIT: &str = "UnsupportedOperationException";
const OK: &str = "ok";

/// Enabled, Disabled, PendingDeletion and PendingImport; the last is of imported material.
type Row = [&'static str; 4];
const STATES: Row = ["Enabled", "Disabled", "PendingDeletion", "PendingImport"];

/// Drives a key to a state, if it is not in it already.
async fn drive(server: &TestServer, key: &str, state: &str) {
    let named = json!({ "KeyId": key });
    match state {
        "Disabled" => drop(server.aws("DisableKey", named.clone()).await.ok(200)),
        "PendingDeletion" => drop(
            server
                .aws("ScheduleKeyDeletion", named.clone())
                .await
                .ok(200),
        ),
        _ => {}
    }
    let found = server.aws("DescribeKey", named).await.ok(200);
    assert_eq!(found["KeyMetadata"]["KeyState"], state);
}

/// Asks one operation of a key and holds its outcome against the table.
async fn ask(
    server: &TestServer,
    operation: &str,
    mut body: Value,
    key: &str,
    state: &str,
    wanted: &str,
) {
    let member = match operation {
        "CreateAlias" | "UpdateAlias" => "TargetKeyId",
        _ => "KeyId",
    };
    if operation != "DeleteAlias" {
        body[member] = json!(key);
    }
    let answer = server.aws(operation, body).await;
    assert_eq!(
        answer.aws_outcome(),
        wanted,
        "{operation} {state}: {}",
        answer.text
    );
}

async fn managing_a_key_by_state(db: Db) {
    let server = TestServer::start(db).await;
    let other = server.aws_key(json!({})).await;
    let policy = {
        let named = json!({ "KeyId": other });
        server.aws("GetKeyPolicy", named).await.ok(200)["Policy"].clone()
    };
    let principal = format!("arn:aws:iam::{}:root", server.account.project.account);
    let grant = json!({ "GranteePrincipal": principal, "Operations": ["DescribeKey"] });
    let tag = json!({ "Tags": [{ "TagKey": "a", "TagValue": "b" }] });
    let rows: Vec<(&str, Value, Row)> = vec![
        (
            "CreateAlias",
            json!({ "AliasName": "alias/new" }),
            [OK, OK, STATE, OK],
        ),
        // It stood for a key of the same kind.
        (
            "UpdateAlias",
            json!({ "AliasName": "alias/moved" }),
            [OK, OK, STATE, OK],
        ),
        (
            "DeleteAlias",
            json!({ "AliasName": "alias/kept" }),
            [OK, OK, OK, OK],
        ),
        ("CreateGrant", grant.clone(), [OK, OFF, STATE, STATE]),
        (
            "DeleteImportedKeyMaterial",
            json!({}),
            [UNFIT, UNFIT, UNFIT, OK],
        ),
        ("DescribeKey", json!({}), [OK, OK, OK, OK]),
        ("GetKeyLastUsage", json!({}), [OK, OK, OK, OK]),
        ("GetKeyPolicy", json!({}), [OK, OK, OK, OK]),
        (
            "PutKeyPolicy",
            json!({ "Policy": policy }),
            [OK, OK, OK, OK],
        ),
        ("ListKeyPolicies", json!({}), [OK, OK, OK, OK]),
        ("ListAliases", json!({}), [OK, OK, OK, OK]),
        ("ListGrants", json!({}), [OK, OK, OK, OK]),
        ("ListResourceTags", json!({}), [OK, OK, OK, OK]),
        ("EnableKeyRotation", json!({}), [OK, OFF, STATE, UNFIT]),
        ("DisableKeyRotation", json!({}), [OK, OFF, STATE, UNFIT]),
        ("RotateKeyOnDemand", json!({}), [OK, OFF, STATE, STATE]),
        ("GetKeyRotationStatus", json!({}), [OK, OK, OK, UNFIT]),
        ("ListKeyRotations", json!({}), [OK, OK, OK, OK]),
        (
            "GetParametersForImport",
            json!({ "WrappingKeySpec": "RSA_2048", "WrappingAlgorithm": "RSAES_OAEP_SHA_256" }),
            [UNFIT, UNFIT, UNFIT, OK],
        ),
        (
            "ImportKeyMaterial",
            json!({ "ImportToken": "eA==", "EncryptedKeyMaterial": "eA==",
                "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE" }),
            [UNFIT, UNFIT, UNFIT, "InvalidImportTokenException"],
        ),
        ("TagResource", tag, [OK, OK, STATE, OK]),
        (
            "UntagResource",
            json!({ "TagKeys": ["none"] }),
            [OK, OK, STATE, OK],
        ),
        // Not kept for many regions, whatever their state.
        (
            "ReplicateKey",
            json!({ "ReplicaRegion": "us-east-1" }),
            [UNFIT, OFF, STATE, STATE],
        ),
    ];
    for (operation, body, row) in rows {
        for (state, wanted) in STATES.into_iter().zip(row) {
            let members = match state {
                "PendingImport" => json!({ "Origin": "EXTERNAL" }),
                _ => json!({}),
            };
            let key = server.aws_key(members).await;
            for (name, target) in [("alias/kept", &key), ("alias/moved", &other)] {
                let alias = json!({ "AliasName": name, "TargetKeyId": target });
                server.aws("CreateAlias", alias).await.ok(200);
            }
            drive(&server, &key, state).await;
            ask(&server, operation, body.clone(), &key, state, wanted).await;
            for name in ["alias/new", "alias/kept", "alias/moved"] {
                server
                    .aws("DeleteAlias", json!({ "AliasName": name }))
                    .await;
            }
        }
    }
    // An alias leaves a key that leaves; a grant ends whatever the state.
    for (operation, state) in [
        ("RevokeGrant", "Disabled"),
        ("RevokeGrant", "PendingDeletion"),
        ("RetireGrant", "Disabled"),
        ("RetireGrant", "PendingDeletion"),
    ] {
        let key = server.aws_key(json!({})).await;
        let mut body = grant.clone();
        body["KeyId"] = json!(key);
        body["RetiringPrincipal"] = json!(user_arn(&server.account));
        let made = server.aws("CreateGrant", body).await.ok(200);
        let alias = json!({ "AliasName": "alias/leaves", "TargetKeyId": key });
        server.aws("CreateAlias", alias.clone()).await.ok(200);
        drive(&server, &key, state).await;
        let body = json!({ "GrantId": made["GrantId"] });
        ask(&server, operation, body, &key, state, OK).await;
        let body = json!({ "AliasName": "alias/leaves" });
        ask(&server, "UpdateAlias", body, &other, state, OK).await;
        server
            .aws("DeleteAlias", json!({ "AliasName": "alias/leaves" }))
            .await
            .ok(200);
    }
    server.stop().await;
}

async fn managing_an_imported_key_by_state(db: Db) {
    let server = TestServer::start(db).await;
    let token = json!({ "ImportToken": "eA==", "EncryptedKeyMaterial": "eA==",
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE" });
    let pair = json!({ "WrappingKeySpec": "RSA_2048", "WrappingAlgorithm": "RSAES_OAEP_SHA_256" });
    // That the state lets it pass shows in that the token is looked at.
    let read = "InvalidImportTokenException";
    for (operation, body, row) in [
        ("GetParametersForImport", pair, [OK, OK, STATE]),
        ("ImportKeyMaterial", token, [read, read, STATE]),
        ("DeleteImportedKeyMaterial", json!({}), [OK, OK, OK]),
        ("EnableKeyRotation", json!({}), [UNFIT, OFF, STATE]),
        ("DisableKeyRotation", json!({}), [UNFIT, OFF, STATE]),
        // No second material waits.
        ("RotateKeyOnDemand", json!({}), [STATE, OFF, STATE]),
    ] {
        for (state, wanted) in STATES.into_iter().zip(row) {
            let key = server.aws_key(json!({ "Origin": "EXTERNAL" })).await;
            import(&server, &json!(key), &[7; 32], json!({}))
                .await
                .ok(200);
            drive(&server, &key, state).await;
            ask(&server, operation, body.clone(), &key, state, wanted).await;
            let now = server
                .aws("DescribeKey", json!({ "KeyId": key }))
                .await
                .ok(200);
            let left = match (operation, state) {
                ("DeleteImportedKeyMaterial", "Enabled" | "Disabled") => "PendingImport",
                _ => state,
            };
            assert_eq!(now["KeyMetadata"]["KeyState"], left, "{operation}");
        }
    }
    server.stop().await;
}

async fn spreading_a_key_by_state(db: Db) {
    let regions = format!("{HOME},far-region-2,far-region-3");
    let server = TestServer::start(Setup::from(db).with("regions", &regions)).await;
    for (operation, body, row) in [
        (
            "ReplicateKey",
            json!({ "ReplicaRegion": "far-region-3" }),
            [OK, OFF, STATE],
        ),
        (
            "UpdatePrimaryRegion",
            json!({ "PrimaryRegion": "far-region-2" }),
            [OK, OFF, STATE],
        ),
    ] {
        for (state, wanted) in ["Enabled", "Disabled", "PendingReplicaDeletion"]
            .into_iter()
            .zip(row)
        {
            let key = server.aws_key(json!({ "MultiRegion": true })).await;
            let spread = json!({ "KeyId": key, "ReplicaRegion": "far-region-2" });
            server.aws("ReplicateKey", spread).await.ok(200);
            if state == "PendingReplicaDeletion" {
                let named = json!({ "KeyId": key });
                server.aws("ScheduleKeyDeletion", named).await.ok(200);
            }
            drive(&server, &key, state).await;
            ask(&server, operation, body.clone(), &key, state, wanted).await;
        }
    }
    server.stop().await;
}
