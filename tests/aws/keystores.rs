//! Custom key stores over a real PKCS#11 token (SoftHSM2).

use serde_json::{Value, json};

use crate::huawei::keystores::fixture;
use crate::support::calls::{CLUSTER_CA, base64};
use crate::support::{Db, TestServer, on_both};

on_both!(
    a_store_from_first_to_last,
    members_of_stores_that_do_not_fit,
);

/// What AWS's clients call the cluster that is a token: the last ten bytes of its id in base 32.
const CLUSTER: &str = "cluster-i6ejnjnuypjod4ab";

fn members(name: &str) -> Value {
    json!({
        "CustomKeyStoreName": name,
        "CloudHsmClusterId": CLUSTER,
        "TrustAnchorCertificate": CLUSTER_CA,
        "KeyStorePassword": "kmsuserpassword",
    })
}

async fn store(server: &TestServer, name: &str) -> String {
    let made = server
        .aws("CreateCustomKeyStore", members(name))
        .await
        .ok(200);
    made["CustomKeyStoreId"].as_str().unwrap().to_owned()
}

async fn stores(server: &TestServer, body: Value) -> Vec<Value> {
    let told = server.aws("DescribeCustomKeyStores", body).await.ok(200);
    assert_eq!(told["Truncated"], false);
    told["CustomKeyStores"].as_array().unwrap().clone()
}

async fn a_store_from_first_to_last(db: Db) {
    let fixture = fixture(db).await;
    let server = &fixture.server;
    assert_eq!(stores(server, json!({})).await, Vec::<Value>::new());
    let id = store(server, "hsm").await;
    let named = json!({ "CustomKeyStoreId": id });
    let told = json!({
        "CustomKeyStoreId": id,
        "CustomKeyStoreName": "hsm",
        "CloudHsmClusterId": CLUSTER,
        "ConnectionState": "DISCONNECTED",
        "CreationDate": server.kms.now().seconds() as f64,
        "CustomKeyStoreType": "AWS_CLOUDHSM",
    });
    for body in [
        json!({}),
        named.clone(),
        json!({ "CustomKeyStoreName": "hsm" }),
    ] {
        assert_eq!(stores(server, body).await, std::slice::from_ref(&told));
    }
    let key = json!({ "Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": id });
    server
        .aws("CreateKey", key.clone())
        .await
        .aws_refused("CustomKeyStoreInvalidStateException");
    let renamed = json!({ "CustomKeyStoreId": id, "NewCustomKeyStoreName": "other" });
    assert_eq!(
        server
            .aws("UpdateCustomKeyStore", renamed.clone())
            .await
            .ok(200),
        json!({})
    );
    assert_eq!(
        stores(server, named.clone()).await[0]["CustomKeyStoreName"],
        "other"
    );
    server
        .aws("DisconnectCustomKeyStore", named.clone())
        .await
        .aws_refused("CustomKeyStoreInvalidStateException");
    for _ in 0..2 {
        let done = server.aws("ConnectCustomKeyStore", named.clone()).await;
        assert_eq!(done.ok(200), json!({}));
    }
    assert_eq!(
        stores(server, named.clone()).await[0]["ConnectionState"],
        "CONNECTED"
    );
    for (call, body) in [
        ("UpdateCustomKeyStore", &renamed),
        ("DeleteCustomKeyStore", &named),
    ] {
        server
            .aws(call, body.clone())
            .await
            .aws_refused("CustomKeyStoreInvalidStateException");
    }

    let made = server.aws("CreateKey", key).await.ok(200)["KeyMetadata"].clone();
    assert_eq!(made["Origin"], "AWS_CLOUDHSM");
    assert_eq!(made["CustomKeyStoreId"], id);
    assert_eq!(made["CloudHsmClusterId"], CLUSTER);
    assert!(made.get("CurrentKeyMaterialId").is_none(), "{made}");
    let seal = json!({ "KeyId": made["KeyId"], "Plaintext": base64(b"hello") });
    let sealed = server.aws("Encrypt", seal.clone()).await.ok(200);
    let open = json!({ "CiphertextBlob": sealed["CiphertextBlob"] });
    let opened = server.aws("Decrypt", open).await.ok(200);
    assert_eq!(opened["Plaintext"], base64(b"hello"));
    for call in ["EnableKeyRotation", "RotateKeyOnDemand", "ListKeyRotations"] {
        server
            .aws(call, json!({ "KeyId": made["KeyId"] }))
            .await
            .aws_refused("UnsupportedOperationException");
    }
    // No interface to modules has these yet.
    for (spec, usage) in [
        ("ML_DSA_44", "SIGN_VERIFY"),
        ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE"),
    ] {
        let body = json!({
            "KeySpec": spec, "KeyUsage": usage, "Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": id,
        });
        let said = server.aws("CreateKey", body).await;
        assert_eq!(
            said.aws_refused("UnsupportedOperationException"),
            format!("KeySpec {spec} is not offered here")
        );
    }
    server
        .aws("DisconnectCustomKeyStore", named.clone())
        .await
        .ok(200);
    let shown = server
        .aws("DescribeKey", json!({ "KeyId": made["KeyId"] }))
        .await;
    assert_eq!(shown.ok(200)["KeyMetadata"]["KeyState"], "Unavailable");
    let text = server
        .aws("Encrypt", seal)
        .await
        .aws_refused("KMSInvalidStateException");
    assert!(text.ends_with("is unavailable."), "{text}");
    server
        .aws("DeleteCustomKeyStore", named)
        .await
        .aws_refused("CustomKeyStoreHasCMKsException");
}

async fn members_of_stores_that_do_not_fit(db: Db) {
    let fixture = fixture(db).await;
    let server = &fixture.server;
    for (member, value, kind) in [
        ("CustomKeyStoreName", json!(null), "ValidationException"),
        (
            "CustomKeyStoreName",
            json!("with space"),
            "ValidationException",
        ),
        ("CloudHsmClusterId", json!(null), "ValidationException"),
        (
            "CloudHsmClusterId",
            json!("0f3d2c1b"),
            "ValidationException",
        ),
        (
            "CloudHsmClusterId",
            json!("cluster-aaaaaaaaaaaaaaaa"),
            "CloudHsmClusterNotFoundException",
        ),
        ("TrustAnchorCertificate", json!(null), "ValidationException"),
        (
            "TrustAnchorCertificate",
            json!("none"),
            "IncorrectTrustAnchorException",
        ),
        ("KeyStorePassword", json!(null), "ValidationException"),
        ("KeyStorePassword", json!("short"), "ValidationException"),
        ("CustomKeyStoreType", json!("OTHER"), "ValidationException"),
        (
            "CustomKeyStoreType",
            json!("EXTERNAL_KEY_STORE"),
            "XksProxyUriUnreachableException",
        ),
    ] {
        let mut body = members("hsm");
        body[member] = value;
        let answer = server.aws("CreateCustomKeyStore", body.clone()).await;
        assert_eq!(answer.aws_outcome(), kind, "{body} {}", answer.text);
    }
    let id = store(server, "hsm").await;
    server
        .aws("CreateCustomKeyStore", members("another"))
        .await
        .aws_refused("CloudHsmClusterInUseException");
    for call in [
        "DescribeCustomKeyStores",
        "ConnectCustomKeyStore",
        "DisconnectCustomKeyStore",
        "UpdateCustomKeyStore",
        "DeleteCustomKeyStore",
    ] {
        for nobody in ["cks-1234567890abcdef0", "0"] {
            server
                .aws(call, json!({ "CustomKeyStoreId": nobody }))
                .await
                .aws_refused("CustomKeyStoreNotFoundException");
        }
    }
    for (body, kind) in [
        (
            json!({ "MultiRegion": true }),
            "UnsupportedOperationException",
        ),
        (json!({ "CustomKeyStoreId": null }), "ValidationException"),
        (json!({ "Origin": "AWS_KMS" }), "ValidationException"),
        (
            json!({ "Origin": "EXTERNAL_KEY_STORE" }),
            "ValidationException",
        ),
    ] {
        let mut asked = json!({ "Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": id });
        for (member, value) in body.as_object().unwrap() {
            asked[member] = value.clone();
        }
        let answer = server.aws("CreateKey", asked).await;
        assert_eq!(answer.aws_outcome(), kind, "{body} {}", answer.text);
    }
    let body = json!({ "CustomKeyStoreId": id, "CloudHsmClusterId": "cluster-aaaaaaaaaaaaaaaa" });
    server
        .aws("UpdateCustomKeyStore", body)
        .await
        .aws_refused("CloudHsmClusterNotRelatedException");
    let deleted = server
        .aws("DeleteCustomKeyStore", json!({ "CustomKeyStoreId": id }))
        .await;
    assert_eq!(deleted.ok(200), json!({}));
}
