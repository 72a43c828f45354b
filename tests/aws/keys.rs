//! The life of keys in AWS's words (contract, sections 2, 3, 5, 10 and 11.1).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::aws::HOME;
use crate::support::{Answer, Db, TestServer, on_both};

on_both!(
    a_new_key_is_described_exactly,
    every_spec_is_made_and_told,
    what_create_key_refuses,
    the_life_of_a_key_in_texts,
    cancelling_a_deletion,
    operations_by_state,
    uses_of_other_kinds_by_state,
    keys_are_named_in_four_ways,
    other_accounts_keys_are_not_there_i_19,
    keys_of_both_dialects_are_the_same,
    lists_go_on_where_they_ended,
    markers_are_good_for_one_list_i_19,
);

async fn described(server: &TestServer, key: &str) -> Value {
    let answer = server.aws("DescribeKey", json!({ "KeyId": key })).await;
    answer.ok(200)["KeyMetadata"].clone()
}

fn id_of(arn: &str) -> &str {
    arn.rsplit_once('/').unwrap().1
}

async fn a_new_key_is_described_exactly(db: Db) {
    let server = TestServer::start(db).await;
    let account = server.account.project.account.to_string();
    let made = server.aws("CreateKey", json!({})).await.ok(200);
    let id = made["KeyMetadata"]["KeyId"].as_str().unwrap();
    let mut expected = json!({
        "AWSAccountId": account,
        "KeyId": id,
        "Arn": format!("arn:aws:kms:{HOME}:{account}:key/{id}"),
        "CreationDate": 1_767_323_045.0,
        "Enabled": true,
        "Description": "",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": false,
    });
    // It is told once versions of material have names in this dialect.
    if let Some(material) = made["KeyMetadata"].get("CurrentKeyMaterialId") {
        expected["CurrentKeyMaterialId"] = material.clone();
    }
    assert_eq!(made["KeyMetadata"], expected);
    assert_eq!(described(&server, id).await, expected);
    server.stop().await;
}

async fn every_spec_is_made_and_told(db: Db) {
    let server = TestServer::start(db).await;
    let rsa_signs = json!([
        "RSASSA_PKCS1_V1_5_SHA_256",
        "RSASSA_PKCS1_V1_5_SHA_384",
        "RSASSA_PKCS1_V1_5_SHA_512",
        "RSASSA_PSS_SHA_256",
        "RSASSA_PSS_SHA_384",
        "RSASSA_PSS_SHA_512"
    ]);
    let rsa_encrypts = json!(["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]);
    for (spec, usage, list, algorithms) in [
        ("RSA_2048", "SIGN_VERIFY", "SigningAlgorithms", rsa_signs),
        (
            "RSA_2048",
            "ENCRYPT_DECRYPT",
            "EncryptionAlgorithms",
            rsa_encrypts,
        ),
        (
            "ECC_NIST_P256",
            "SIGN_VERIFY",
            "SigningAlgorithms",
            json!(["ECDSA_SHA_256"]),
        ),
        (
            "ECC_NIST_P384",
            "SIGN_VERIFY",
            "SigningAlgorithms",
            json!(["ECDSA_SHA_384"]),
        ),
        (
            "ECC_SECG_P256K1",
            "SIGN_VERIFY",
            "SigningAlgorithms",
            json!(["ECDSA_SHA_256"]),
        ),
        (
            "ECC_NIST_P256",
            "KEY_AGREEMENT",
            "KeyAgreementAlgorithms",
            json!(["ECDH"]),
        ),
        (
            "HMAC_256",
            "GENERATE_VERIFY_MAC",
            "MacAlgorithms",
            json!(["HMAC_SHA_256"]),
        ),
        (
            "HMAC_512",
            "GENERATE_VERIFY_MAC",
            "MacAlgorithms",
            json!(["HMAC_SHA_512"]),
        ),
    ] {
        for member in ["KeySpec", "CustomerMasterKeySpec"] {
            let mut body = json!({ "KeyUsage": usage, "Description": "d" });
            body[member] = json!(spec);
            let made = server.aws("CreateKey", body).await.ok(200)["KeyMetadata"].clone();
            assert_eq!(made["KeySpec"], spec);
            assert_eq!(made["CustomerMasterKeySpec"], spec);
            assert_eq!(made["KeyUsage"], usage);
            assert_eq!(made[list], algorithms, "{spec} {usage}");
            assert_eq!(made["Description"], "d");
            let lists = made.as_object().unwrap().keys();
            let lists = lists.filter(|name| name.ends_with("Algorithms")).count();
            assert_eq!(lists, 1, "{made}");
        }
    }
    let external = server
        .aws("CreateKey", json!({ "Origin": "EXTERNAL" }))
        .await;
    let external = external.ok(200)["KeyMetadata"].clone();
    assert_eq!(external["KeyState"], "PendingImport");
    assert_eq!(external["Enabled"], false);
    assert_eq!(external.get("ExpirationModel"), None);
    server.stop().await;
}

async fn what_create_key_refuses(db: Db) {
    let server = TestServer::start(db).await;
    for (body, text) in [
        (
            json!({ "KeySpec": "RSA_2048" }),
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption \
             keys.",
        ),
        (
            json!({ "KeySpec": "RSA_2048", "KeyUsage": "KEY_AGREEMENT" }),
            "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048",
        ),
        (
            json!({ "KeySpec": "RSA_2048", "CustomerMasterKeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY" }),
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. \
             CustomerMasterKeySpec is deprecated.",
        ),
    ] {
        let said = server.aws("CreateKey", body).await;
        assert_eq!(said.aws_refused("ValidationException"), text);
    }
    server.stop().await;
}

async fn the_life_of_a_key_in_texts(db: Db) {
    let server = TestServer::start(db).await;
    let arn = server.aws_key(json!({})).await;
    let named = json!({ "KeyId": id_of(&arn) });
    // Switching to what it is already is no error.
    for (operation, state) in [
        ("EnableKey", "Enabled"),
        ("DisableKey", "Disabled"),
        ("DisableKey", "Disabled"),
        ("EnableKey", "Enabled"),
    ] {
        let answer = server.aws(operation, named.clone()).await;
        assert_eq!((answer.status, &*answer.text), (200, ""), "{operation}");
        assert_eq!(described(&server, &arn).await["KeyState"], state);
    }
    server.aws("DisableKey", named.clone()).await.ok(200);
    let body = json!({ "KeyId": arn, "Plaintext": "eA==" });
    let said = server.aws("Encrypt", body.clone()).await;
    assert_eq!(
        said.aws_refused("DisabledException"),
        format!("{arn} is disabled.")
    );

    let changed = json!({ "KeyId": arn, "Description": "new" });
    let answer = server.aws("UpdateKeyDescription", changed).await;
    assert_eq!((answer.status, &*answer.text), (200, ""));
    assert_eq!(described(&server, &arn).await["Description"], "new");

    let scheduled = json!({ "KeyId": arn, "PendingWindowInDays": 7 });
    let told = server
        .aws("ScheduleKeyDeletion", scheduled.clone())
        .await
        .ok(200);
    let end = 1_767_323_045.0 + 7.0 * 86_400.0;
    assert_eq!(
        told,
        json!({
            "KeyId": arn,
            "DeletionDate": end,
            "KeyState": "PendingDeletion",
            "PendingWindowInDays": 7,
        })
    );
    let now = described(&server, &arn).await;
    assert_eq!(now["DeletionDate"], end);
    assert_eq!(now["Enabled"], false);
    let leaving = format!("{arn} is pending deletion.");
    for (operation, body) in [
        ("ScheduleKeyDeletion", scheduled),
        ("EnableKey", named.clone()),
        ("DisableKey", named),
        ("Encrypt", body),
        (
            "UpdateKeyDescription",
            json!({ "KeyId": arn, "Description": "x" }),
        ),
    ] {
        let said = server.aws(operation, body).await;
        assert_eq!(
            said.aws_refused("KMSInvalidStateException"),
            leaving,
            "{operation}"
        );
    }
    // Without a wish, 30 days.
    let other = server.aws_key(json!({})).await;
    let told = server
        .aws("ScheduleKeyDeletion", json!({ "KeyId": other }))
        .await
        .ok(200);
    assert_eq!(told["PendingWindowInDays"], 30);
    for days in [6, 31] {
        let body = json!({ "KeyId": other, "PendingWindowInDays": days });
        let said = server.aws("ScheduleKeyDeletion", body).await;
        said.aws_refused("ValidationException");
    }
    server.stop().await;
}

async fn cancelling_a_deletion(db: Db) {
    let server = TestServer::start(db).await;
    let arn = server.aws_key(json!({})).await;
    let cancel = async |key: &str| {
        server
            .aws("CancelKeyDeletion", json!({ "KeyId": key }))
            .await
    };
    let not_leaving = format!("{arn} is not pending deletion.");
    let said = cancel(&arn).await;
    assert_eq!(said.aws_refused("KMSInvalidStateException"), not_leaving);
    let body = json!({ "KeyId": arn, "PendingWindowInDays": 7 });
    server.aws("ScheduleKeyDeletion", body).await.ok(200);
    // The ARN comes back, also when the id went in.
    assert_eq!(cancel(id_of(&arn)).await.ok(200), json!({ "KeyId": arn }));
    let now = described(&server, &arn).await;
    assert_eq!(now["KeyState"], "Disabled");
    assert_eq!(now.get("DeletionDate"), None);
    let said = cancel(&arn).await;
    assert_eq!(said.aws_refused("KMSInvalidStateException"), not_leaving);

    let unknown = "11111111-2222-4333-8444-555555555555";
    let said = cancel(unknown).await.aws_refused("NotFoundException");
    let its_arn = server.aws_arn(&server.account, unknown);
    assert_eq!(said, format!("Key '{its_arn}' does not exist"));
    for bad in ["nonsense", "1111111122224333844455555555555a", "alias/x"] {
        let said = cancel(bad).await.aws_refused("NotFoundException");
        assert_eq!(said, format!("Invalid keyId '{bad}'"));
    }
    let elsewhere = arn.replace(HOME, "region-2");
    let said = cancel(&elsewhere).await.aws_refused("NotFoundException");
    assert_eq!(said, "Invalid arn region-2");
    for bad in ["arn:", "arn:aws:s3:::bucket", "arn:aws:kms:x:1:thing/y"] {
        cancel(bad).await.aws_refused("InvalidArnException");
    }
    cancel(&arn.replace(":key/", ":alias/"))
        .await
        .aws_refused("InvalidArnException");
    server.stop().await;
}

/// The contract's table of state by operation (section 3.1) in the words of this dialect.
const STATES: [&str; 4] = ["Enabled", "Disabled", "PendingDeletion", "PendingImport"];

async fn operations_by_state(db: Db) {
    let server = TestServer::start(db).await;
    let (ok, state, off) = ("ok", "KMSInvalidStateException", "DisabledException");
    let blob = {
        let arn = server.aws_key(json!({})).await;
        let body = json!({ "KeyId": arn, "Plaintext": "eA==" });
        server.aws("Encrypt", body).await.ok(200)["CiphertextBlob"].clone()
    };
    for (operation, more, row) in [
        ("CancelKeyDeletion", json!({}), [state, state, ok, state]),
        ("DescribeKey", json!({}), [ok, ok, ok, ok]),
        ("DisableKey", json!({}), [ok, ok, state, state]),
        ("EnableKey", json!({}), [ok, ok, state, state]),
        ("ScheduleKeyDeletion", json!({}), [ok, ok, state, ok]),
        (
            "UpdateKeyDescription",
            json!({ "Description": "x" }),
            [ok, ok, state, ok],
        ),
        (
            "Encrypt",
            json!({ "Plaintext": "eA==" }),
            [ok, off, state, state],
        ),
        (
            "GenerateDataKey",
            json!({ "KeySpec": "AES_256" }),
            [ok, off, state, state],
        ),
        (
            "GenerateDataKeyWithoutPlaintext",
            json!({ "NumberOfBytes": 24 }),
            [ok, off, state, state],
        ),
        (
            "GenerateDataKeyPair",
            json!({ "KeyPairSpec": "ECC_NIST_P256" }),
            [ok, off, state, state],
        ),
        (
            "GenerateDataKeyPairWithoutPlaintext",
            json!({ "KeyPairSpec": "ECC_NIST_P256" }),
            [ok, off, state, state],
        ),
        (
            "ReEncrypt",
            json!({ "CiphertextBlob": blob }),
            [ok, off, state, state],
        ),
    ] {
        for (name, wanted) in STATES.iter().zip(row) {
            let key = state_of(&server, name, json!({})).await;
            let mut body = more.clone();
            let member = match operation {
                "ReEncrypt" => "DestinationKeyId",
                _ => "KeyId",
            };
            body[member] = json!(key);
            let answer: Answer = server.aws(operation, body).await;
            assert_eq!(
                answer.aws_outcome(),
                wanted,
                "{operation} {name}: {}",
                answer.text
            );
        }
    }
    server.stop().await;
}

async fn uses_of_other_kinds_by_state(db: Db) {
    let server = TestServer::start(db).await;
    let (state, off) = ("KMSInvalidStateException", "DisabledException");
    let x = "eA==";
    let peer = {
        let body = json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT" });
        let named = json!({ "KeyId": server.aws_key(body).await });
        server.aws("GetPublicKey", named).await.ok(200)["PublicKey"].clone()
    };
    let signing = json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" });
    let mac = json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" });
    let agreeing = json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT" });
    let lattice_signing = json!({ "KeySpec": "ML_DSA_44", "KeyUsage": "SIGN_VERIFY" });
    let by_lattice = json!({ "Message": x, "SigningAlgorithm": "ML_DSA_SHAKE_256" });
    let encapsulating = json!({ "KeySpec": "ML_KEM_512", "KeyUsage": "ENCAPSULATE_DECAPSULATE" });
    let kem = json!({ "EncapsulationAlgorithm": "ML_KEM" });
    let sign = json!({ "Message": x, "SigningAlgorithm": "ECDSA_SHA_256" });
    let code = json!({ "Message": x, "MacAlgorithm": "HMAC_SHA_256" });
    for (operation, members, more, enabled) in [
        ("Sign", &signing, sign.clone(), "ok"),
        (
            "Verify",
            &signing,
            with(&sign, "Signature", x),
            "KMSInvalidSignatureException",
        ),
        ("GetPublicKey", &signing, json!({}), "ok"),
        ("GenerateMac", &mac, code.clone(), "ok"),
        (
            "VerifyMac",
            &mac,
            with(&code, "Mac", x),
            "KMSInvalidMacException",
        ),
        (
            "DeriveSharedSecret",
            &agreeing,
            json!({ "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer }),
            "ok",
        ),
        ("Sign", &lattice_signing, by_lattice.clone(), "ok"),
        (
            "Verify",
            &lattice_signing,
            with(&by_lattice, "Signature", x),
            "KMSInvalidSignatureException",
        ),
        ("GetPublicKey", &encapsulating, json!({}), "ok"),
        ("Encapsulate", &encapsulating, kem.clone(), "ok"),
        (
            "Decapsulate",
            &encapsulating,
            with(&kem, "SharedSecretCiphertextBlob", &"A".repeat(1024)),
            "ok",
        ),
    ] {
        for (name, wanted) in STATES.iter().zip([enabled, off, state]) {
            let key = state_of(&server, name, members.clone()).await;
            let answer = server.aws(operation, with(&more, "KeyId", &key)).await;
            assert_eq!(
                answer.aws_outcome(),
                wanted,
                "{operation} {name}: {}",
                answer.text
            );
        }
    }
    // A ciphertext, when its key has changed since.
    for (name, wanted) in STATES.iter().zip(["ok", off, state]) {
        let key = server.aws_key(json!({})).await;
        let other = server.aws_key(json!({})).await;
        let body = json!({ "KeyId": key, "Plaintext": x });
        let blob = server.aws("Encrypt", body).await.ok(200)["CiphertextBlob"].clone();
        drive(&server, &key, name).await;
        let body = json!({ "CiphertextBlob": blob, "DestinationKeyId": other });
        for operation in ["Decrypt", "ReEncrypt"] {
            let answer = server.aws(operation, body.clone()).await;
            assert_eq!(
                answer.aws_outcome(),
                wanted,
                "{operation} {name}: {}",
                answer.text
            );
        }
    }
    server.stop().await;
}

fn with(body: &Value, member: &str, value: &str) -> Value {
    let mut body = body.clone();
    body[member] = json!(value);
    body
}

/// A key in a state.
async fn state_of(server: &TestServer, name: &str, mut members: Value) -> String {
    if name == "PendingImport" {
        members["Origin"] = json!("EXTERNAL");
    }
    let arn = server.aws_key(members).await;
    drive(server, &arn, name).await;
    arn
}

/// Drives a key from the state that it was made in.
async fn drive(server: &TestServer, arn: &str, name: &str) {
    let named = json!({ "KeyId": arn });
    match name {
        "Disabled" => drop(server.aws("DisableKey", named).await.ok(200)),
        "PendingDeletion" => drop(server.aws("ScheduleKeyDeletion", named).await.ok(200)),
        _ => {}
    }
    assert_eq!(described(server, arn).await["KeyState"], name);
}

async fn keys_are_named_in_four_ways(db: Db) {
    let server = TestServer::start(db).await;
    let arn = server.aws_key(json!({})).await;
    let id = id_of(&arn);
    let alias = json!({ "key_id": id, "alias": "alias/mine" });
    server.call("aliases", alias).await.ok(201);
    let alias_arn = arn.replace(&format!("key/{id}"), "alias/mine");
    for name in [id, &*arn, "alias/mine", &*alias_arn] {
        assert_eq!(described(&server, name).await["Arn"], arn, "{name}");
        let body = json!({ "KeyId": name, "Plaintext": "eA==" });
        assert_eq!(server.aws("Encrypt", body).await.ok(200)["KeyId"], arn);
    }
    let said = server
        .aws("DescribeKey", json!({ "KeyId": "alias/none" }))
        .await;
    let none = alias_arn.replace("mine", "none");
    assert_eq!(
        said.aws_refused("NotFoundException"),
        format!("Alias {none} is not found.")
    );
    server.stop().await;
}

async fn other_accounts_keys_are_not_there_i_19(db: Db) {
    let server = TestServer::start(db).await;
    let evil = server.another_account("evil").await;
    let arn = server.aws_key(json!({})).await;
    let body = json!({ "KeyId": arn, "Plaintext": "eA==" });
    let blob = server.aws("Encrypt", body).await.ok(200)["CiphertextBlob"].clone();
    let not_found = "NotFoundException";
    let sign = json!({ "Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256" });
    let code = json!({ "Message": "eA==", "MacAlgorithm": "HMAC_SHA_256" });
    let agree = json!({ "KeyAgreementAlgorithm": "ECDH", "PublicKey": "eA==" });
    let kem = json!({ "EncapsulationAlgorithm": "ML_KEM" });
    for name in [arn.as_str(), id_of(&arn)] {
        for (operation, more) in [
            ("DescribeKey", json!({})),
            ("DisableKey", json!({})),
            ("EnableKey", json!({})),
            ("ScheduleKeyDeletion", json!({})),
            ("CancelKeyDeletion", json!({})),
            ("UpdateKeyDescription", json!({ "Description": "x" })),
            ("Encrypt", json!({ "Plaintext": "eA==" })),
            ("GenerateDataKey", json!({ "KeySpec": "AES_256" })),
            ("GetPublicKey", json!({})),
            (
                "GenerateDataKeyWithoutPlaintext",
                json!({ "KeySpec": "AES_256" }),
            ),
            (
                "GenerateDataKeyPair",
                json!({ "KeyPairSpec": "ECC_NIST_P256" }),
            ),
            (
                "GenerateDataKeyPairWithoutPlaintext",
                json!({ "KeyPairSpec": "ECC_NIST_P256" }),
            ),
            ("Sign", sign.clone()),
            ("Verify", with(&sign, "Signature", "eA==")),
            ("GenerateMac", code.clone()),
            ("VerifyMac", with(&code, "Mac", "eA==")),
            ("DeriveSharedSecret", agree.clone()),
            ("Encapsulate", kem.clone()),
            (
                "Decapsulate",
                with(&kem, "SharedSecretCiphertextBlob", "eA=="),
            ),
        ] {
            let mut body = more;
            body["KeyId"] = json!(name);
            let answer = server.aws_as(&evil, HOME, operation, body).await;
            assert_eq!(
                answer.aws_outcome(),
                not_found,
                "{operation}: {}",
                answer.text
            );
        }
    }
    for (operation, body) in [
        ("Decrypt", json!({ "CiphertextBlob": blob })),
        ("Decrypt", json!({ "CiphertextBlob": blob, "KeyId": arn })),
        (
            "ReEncrypt",
            json!({ "CiphertextBlob": blob, "DestinationKeyId": arn }),
        ),
    ] {
        let stolen = server.aws_as(&evil, HOME, operation, body).await;
        assert_ne!(stolen.aws_outcome(), "ok", "{}", stolen.text);
    }
    let listed = server.aws_as(&evil, HOME, "ListKeys", json!({})).await;
    assert_eq!(listed.ok(200), json!({ "Keys": [], "Truncated": false }));
    // Nor in another region of one's own.
    let there = server
        .aws_at("region-2", "DescribeKey", json!({ "KeyId": id_of(&arn) }))
        .await;
    there.aws_refused(not_found);
    server.stop().await;
}

async fn keys_of_both_dialects_are_the_same(db: Db) {
    let server = TestServer::start(db).await;
    let theirs = server
        .create("made-in-huaweis", json!({ "key_description": "d" }))
        .await;
    let told = described(&server, &theirs).await;
    assert_eq!(told["Arn"], server.aws_arn(&server.account, &theirs));
    assert_eq!(told["Description"], "d");
    server
        .aws("DisableKey", json!({ "KeyId": theirs }))
        .await
        .ok(200);
    assert_eq!(server.state(&theirs).await, "3");
    let arn = server.aws_key(json!({})).await;
    let ours = id_of(&arn);
    assert_eq!(server.state(ours).await, "2");
    let body = json!({ "key_id": ours, "pending_days": "7" });
    server.call("schedule-key-deletion", body).await.ok(200);
    assert_eq!(
        described(&server, ours).await["KeyState"],
        "PendingDeletion"
    );
    server
        .aws("CancelKeyDeletion", json!({ "KeyId": ours }))
        .await
        .ok(200);
    assert_eq!(server.state(ours).await, "3");
    server.stop().await;
}

async fn lists_go_on_where_they_ended(db: Db) {
    let server = TestServer::start(db).await;
    let mut made = BTreeSet::new();
    // All in one millisecond: the id decides.
    for _ in 0..7 {
        made.insert(server.aws_key(json!({})).await);
    }
    let page = async |limit: u32, marker: Option<&Value>| {
        let mut body = json!({ "Limit": limit });
        if let Some(marker) = marker {
            body["Marker"] = marker.clone();
        }
        server.aws("ListKeys", body).await.ok(200)
    };
    for limit in [1, 3, 7, 1000] {
        let mut found = Vec::new();
        let mut marker = None;
        loop {
            let told = page(limit, marker.as_ref()).await;
            for key in told["Keys"].as_array().unwrap() {
                let arn = key["KeyArn"].as_str().unwrap();
                assert_eq!(key["KeyId"], id_of(arn));
                found.push(arn.to_owned());
            }
            assert_eq!(told["Truncated"], told.get("NextMarker").is_some());
            marker = told.get("NextMarker").cloned();
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(found.len(), 7);
        assert_eq!(
            found.iter().cloned().collect::<BTreeSet<_>>(),
            made,
            "{limit}"
        );
    }
    // A key that comes or goes in between shifts nobody else.
    let first = page(3, None).await;
    let gone = &first["Keys"][2]["KeyId"];
    let body = json!({ "KeyId": gone, "PendingWindowInDays": 7 });
    server.aws("ScheduleKeyDeletion", body).await.ok(200);
    server.clock.advance_days(8);
    let late = server.aws_key(json!({})).await;
    let rest = page(100, first.get("NextMarker")).await;
    let rest = rest["Keys"].as_array().unwrap();
    assert_eq!(rest.len(), 5);
    assert_eq!(rest[4]["KeyArn"], late);
    server.stop().await;
}

async fn markers_are_good_for_one_list_i_19(db: Db) {
    let server = TestServer::start(db).await;
    for _ in 0..2 {
        server.aws_key(json!({})).await;
    }
    let told = server.aws("ListKeys", json!({ "Limit": 1 })).await.ok(200);
    let marker = told["NextMarker"].as_str().unwrap();
    let body = json!({ "Marker": marker });
    let evil = server.another_account("evil").await;
    let invalid = "InvalidMarkerException";
    server
        .aws_as(&evil, HOME, "ListKeys", body.clone())
        .await
        .aws_refused(invalid);
    server
        .aws_at("region-2", "ListKeys", body)
        .await
        .aws_refused(invalid);
    for bad in [&marker[1..], "1", "x y", &format!("{marker}A")] {
        let answer = server.aws("ListKeys", json!({ "Marker": bad })).await;
        answer.aws_refused(invalid);
    }
    server.stop().await;
}
