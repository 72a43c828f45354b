//! What keys are made of: their specs, their material, its renewal and its import.

use serde_json::{Value, json};

use crate::support::calls::base64;
use crate::support::{Db, TestServer, on_both};

on_both!(specs_that_only_this_dialect_makes,);

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
