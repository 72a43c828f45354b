//! Answers for enclaves: `recipient` of derive-shared-secret. What is believed of a document is
//! tested in the crypto box; here is what a caller sees of it.

use std::time::Duration;

use coset::cbor::value::Value as Cbor;
use serde_json::{Value, json};

use crate::support::calls::{PEER, base64};
use crate::support::enclave::{Enclave, authority, payload, root, set};
use crate::support::{Db, START, Setup, TestServer, on_both};

on_both!(
    an_enclave_gets_the_secret_and_nobody_else,
    a_document_of_another_day_is_refused,
    what_is_wrong_with_a_recipient_is_said,
    no_enclave_is_believed_unless_a_root_is_set,
);

/// The server that trusts an enclave's root, and a key for agreeing on secrets.
async fn start(db: Db, enclave: &Enclave) -> (TestServer, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    // The right one among others.
    for (at, pem) in [
        &root(authority("others", START.millis())).pem,
        &enclave.root.pem,
    ]
    .into_iter()
    .enumerate()
    {
        let file = folder.path().join(format!("root-{at}.pem"));
        std::fs::write(&file, pem).unwrap();
        files.push(file.display().to_string());
    }
    let setup = Setup::from(db).with("enclave_roots", &files.join(","));
    let server = TestServer::start(setup).await;
    let key = agreement_key(&server).await;
    (server, key)
}

async fn agreement_key(server: &TestServer) -> String {
    let members = json!({ "key_spec": "EC_P256", "key_usage": "KEY_AGREEMENT" });
    server.create("agreement", members).await
}

/// A request whose recipient is this, absent for `Null`.
fn body(key: &str, recipient: Value) -> Value {
    json!({
        "key_id": key,
        "key_agreement_algorithm": "ECDH",
        "public_key": PEER,
        "recipient": recipient,
    })
}

fn recipient(document: &[u8]) -> Value {
    json!({
        "attestation_document": base64(document),
        "key_encryption_algorithm": "RSAES_OAEP_SHA_256",
    })
}

fn unbase64(text: &Value) -> Vec<u8> {
    use base64::Engine;
    let engine = base64::engine::general_purpose::STANDARD;
    engine.decode(text.as_str().unwrap()).unwrap()
}

const CALL: &str = "derive-shared-secret";

async fn an_enclave_gets_the_secret_and_nobody_else(db: Db) {
    let enclave = Enclave::new(START.millis());
    let (server, key) = start(db, &enclave).await;
    let plain = server.call(CALL, body(&key, Value::Null)).await.ok(200);
    let secret = unbase64(&plain["shared_secret"]);
    assert!(plain.get("ciphertext_recipient").is_none());

    let document = enclave.document(START.millis());
    let answer = server.call(CALL, body(&key, recipient(&document))).await;
    let sealed = answer.ok(200);
    assert_eq!(sealed["key_id"], key);
    assert_eq!(sealed["key_agreement_algorithm"], "ECDH");
    assert!(sealed.get("shared_secret").is_none());
    let envelope = unbase64(&sealed["ciphertext_recipient"]);
    assert_eq!(Enclave::open(&envelope), secret);
    assert!(!envelope.windows(8).any(|window| secret.starts_with(window)));

    // Each answer has a key of its own.
    let again = server.call(CALL, body(&key, recipient(&document))).await;
    assert_ne!(
        again.ok(200)["ciphertext_recipient"],
        sealed["ciphertext_recipient"]
    );

    let records = server.records().await;
    let of_calls: Vec<(&str, &str)> = records
        .iter()
        .filter(|record| record.action.name() == "DeriveSharedSecret")
        .map(|record| (record.outcome.as_str(), record.detail.as_str()))
        .collect();
    let to_enclave = ("ok", "to the enclave i-1-enc1");
    assert_eq!(of_calls, [("ok", ""), to_enclave, to_enclave]);
    server.stop().await;
}

async fn a_document_of_another_day_is_refused(db: Db) {
    let enclave = Enclave::new(START.millis());
    let (server, key) = start(db, &enclave).await;
    let document = enclave.document(START.millis());
    server.clock.advance(Duration::from_secs(5 * 60));
    server
        .call(CALL, body(&key, recipient(&document)))
        .await
        .ok(200);
    server.clock.advance(Duration::from_millis(1));
    let said = server
        .call(CALL, body(&key, recipient(&document)))
        .await
        .refused(400, "KMS.3804");
    assert_eq!(
        said,
        "recipient.attestation_document was not made within 5 minutes of the service's clock"
    );
    // Its certificates end an hour after it began.
    server.clock.advance(Duration::from_secs(3600));
    let said = server
        .call(
            CALL,
            body(
                &key,
                recipient(&enclave.document(server.kms.now().millis())),
            ),
        )
        .await
        .refused(400, "KMS.3804");
    assert!(
        said.contains("holds a certificate that is not valid now"),
        "{said}"
    );
    let last = server.records().await.pop().unwrap();
    assert_eq!((&*last.outcome, &*last.detail), ("attestation-refused", ""));
    server.stop().await;
}

async fn what_is_wrong_with_a_recipient_is_said(db: Db) {
    let now = START.millis();
    let enclave = Enclave::new(now);
    let (server, key) = start(db, &enclave).await;
    let good = base64(&enclave.document(now));
    let oaep = "RSAES_OAEP_SHA_256";
    let with = |document: Value, algorithm: Value| json!({ "attestation_document": document, "key_encryption_algorithm": algorithm });
    let named = |name: &str, value: Cbor| {
        let mut fields = enclave.fields(now);
        set(&mut fields, name, value);
        recipient(&enclave.sign(&payload(fields)))
    };
    let mut altered = enclave.document(now);
    altered[1000] ^= 1;
    let stranger = recipient(
        &Enclave {
            root: root(authority("strangers", now)),
            ..Enclave::new(now)
        }
        .document(now),
    );
    for (asked, code) in [
        (json!("text"), "KMS.0308"),
        (json!(1), "KMS.0308"),
        (json!([good, oaep]), "KMS.0308"),
        (json!({}), "KMS.0204"),
        (json!({ "attestation_document": good }), "KMS.0204"),
        (json!({ "key_encryption_algorithm": oaep }), "KMS.0204"),
        (with(json!(""), json!(oaep)), "KMS.0204"),
        (with(Value::Null, json!(oaep)), "KMS.0204"),
        (with(json!(1), json!(oaep)), "KMS.0308"),
        (with(json!(good), json!("")), "KMS.0204"),
        (with(json!(good), Value::Null), "KMS.0204"),
        (with(json!(good), json!(7)), "KMS.0308"),
        (with(json!(good), json!("RSAES_OAEP_SHA_1")), "KMS.0308"),
        (with(json!(good), json!("rsaes_oaep_sha_256")), "KMS.0308"),
        (with(json!("*"), json!(oaep)), "KMS.3804"),
        (with(json!("AAAA"), json!(oaep)), "KMS.3804"),
        (recipient(&vec![0x84; 32 * 1024 + 1]), "KMS.3804"),
        (recipient(&altered), "KMS.3804"),
        (stranger, "KMS.3804"),
        (named("digest", Cbor::from("SHA256")), "KMS.3804"),
        (named("public_key", Cbor::Null), "KMS.3804"),
    ] {
        let shown = asked.to_string();
        let answer = server.call(CALL, body(&key, asked)).await;
        let told = answer.refused(400, code);
        let shown = shown.get(..80).unwrap_or(&shown);
        assert!(told.starts_with("recipient"), "{told} about {shown}");
    }

    // The members come before the key, and the key before the document.
    let nowhere = "00000000-0000-0000-0000-000000000000";
    let bad_document = with(json!("AAAA"), json!(oaep));
    for (key, asked, status, code) in [
        (nowhere, json!({}), 400, "KMS.0204"),
        (nowhere, bad_document.clone(), 404, "KMS.0207"),
    ] {
        let answer = server.call(CALL, body(key, asked)).await;
        answer.refused(status, code);
    }
    let signer = json!({ "key_spec": "EC_P256", "key_usage": "SIGN_VERIFY" });
    let signer = server.create("signer", signer).await;
    let answer = server.call(CALL, body(&signer, bad_document.clone())).await;
    answer.refused(400, "KMS.0308");
    server
        .call("disable-key", json!({ "key_id": key }))
        .await
        .ok(200);
    let answer = server.call(CALL, body(&key, bad_document)).await;
    answer.refused(400, "KMS.0209");
    server.stop().await;
}

async fn no_enclave_is_believed_unless_a_root_is_set(db: Db) {
    let enclave = Enclave::new(START.millis());
    let server = TestServer::start(db).await;
    let key = agreement_key(&server).await;
    let document = enclave.document(START.millis());
    let told = server
        .call(CALL, body(&key, recipient(&document)))
        .await
        .refused(400, "KMS.3806");
    assert!(told.contains("enclave_roots"), "{told}");
    server.stop().await;
}
