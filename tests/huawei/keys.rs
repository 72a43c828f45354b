//! The life of a key, over HTTP.

use serde_json::{Value, json};

use crate::support::{Db, TestServer, on_both};

on_both!(a_key_is_made_scheduled_and_rescued);

async fn a_key_is_made_scheduled_and_rescued(db: Db) {
    let server = TestServer::start(db).await;
    let key = server
        .create("orders-db", json!({ "key_description": "orders database" }))
        .await;
    let found = server
        .call("describe-key", json!({ "key_id": key }))
        .await
        .ok(200);
    assert_eq!(
        found,
        json!({ "key_info": {
            "key_id": key,
            "domain_id": server.account.project.domain,
            "key_alias": "orders-db",
            "realm": "home-region-1",
            "key_spec": "AES_256",
            "key_usage": "ENCRYPT_DECRYPT",
            "key_description": "orders database",
            "creation_date": "1767323045000",
            "scheduled_deletion_date": "",
            "key_state": "2",
            "default_key_flag": "0",
            "key_type": "1",
            "expiration_time": "",
            "origin": "kms",
            "key_rotation_enabled": "false",
            "sys_enterprise_project_id": "0",
            "keystore_id": "0",
            "key_label": "",
            "partition_type": "1",
        }})
    );
    let scheduled = server
        .call(
            "schedule-key-deletion",
            json!({ "key_id": key, "pending_days": "7" }),
        )
        .await
        .ok(200);
    assert_eq!(scheduled, json!({ "key_id": key, "key_state": "4" }));
    let found = server
        .call("describe-key", json!({ "key_id": key }))
        .await
        .ok(200);
    assert_eq!(
        found["key_info"]["scheduled_deletion_date"],
        "1767927845000"
    );

    let cancelled = server
        .call("cancel-key-deletion", json!({ "key_id": key }))
        .await
        .ok(200);
    assert_eq!(cancelled, json!({ "key_id": key, "key_state": "3" }));
    let found = server
        .call("describe-key", json!({ "key_id": key }))
        .await
        .ok(200);
    assert_eq!(
        found["key_info"]["scheduled_deletion_date"],
        Value::from("")
    );
    let enabled = server
        .call("enable-key", json!({ "key_id": key }))
        .await
        .ok(200);
    assert_eq!(
        enabled,
        json!({ "key_info": { "key_id": key, "key_state": "2" } })
    );
    server.stop().await;
}
