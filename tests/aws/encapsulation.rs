//! Encapsulated secrets in AWS's words (contract, sections 2, 8, 11.1 and 11.6).

use kmsd::crypto::asymmetric;
use kmsd::crypto::material::{Material, MaterialKind};
use kmsd::crypto::secret::Secret;
use serde_json::{Value, json};

use crate::support::aws::HOME;
use crate::support::calls::base64;
use crate::support::imports::unbase64;
use crate::support::{Answer, Db, TestServer, on_both};

on_both!(
    keys_are_made_and_told,
    what_is_encapsulated_comes_out_again,
    what_was_altered_gives_another_secret,
    a_ciphertext_of_another_length_is_none,
    data_key_pairs_hold_their_seed,
    keys_are_named_in_four_ways,
    what_the_two_calls_refuse,
    other_accounts_come_by_grant_or_policy_i_17_i_19,
    a_dry_run_succeeds_as_an_error,
    such_keys_are_neither_imported_nor_made_by_the_other_dialect,
    uses_are_recorded_without_secrets_i_29,
);

/// Specs, and the lengths of their ciphertexts.
const SPECS: [(&str, usize); 3] = [
    ("ML_KEM_512", 768),
    ("ML_KEM_768", 1088),
    ("ML_KEM_1024", 1568),
];

async fn kem_key(server: &TestServer, spec: &str) -> String {
    let members = json!({ "KeySpec": spec, "KeyUsage": "ENCAPSULATE_DECAPSULATE" });
    server.aws_key(members).await
}

fn encapsulating(key: &str) -> Value {
    json!({ "KeyId": key, "EncapsulationAlgorithm": "ML_KEM" })
}

fn decapsulating(key: &str, ciphertext: &[u8]) -> Value {
    json!({
        "KeyId": key,
        "EncapsulationAlgorithm": "ML_KEM",
        "SharedSecretCiphertextBlob": base64(ciphertext),
    })
}

/// A new secret and its ciphertext.
async fn encapsulated(server: &TestServer, key: &str) -> (Vec<u8>, Vec<u8>) {
    let made = server.aws("Encapsulate", encapsulating(key)).await.ok(200);
    assert_eq!(made["KeyId"], key);
    assert_eq!(made["EncapsulationAlgorithm"], "ML_KEM");
    assert_eq!(made.as_object().unwrap().len(), 4, "{made}");
    (
        unbase64(&made["SharedSecret"]),
        unbase64(&made["SharedSecretCiphertextBlob"]),
    )
}

async fn decapsulated(server: &TestServer, key: &str, ciphertext: &[u8]) -> Vec<u8> {
    let body = decapsulating(key, ciphertext);
    let opened = server.aws("Decapsulate", body).await.ok(200);
    assert_eq!(opened["KeyId"], key);
    assert_eq!(opened["EncapsulationAlgorithm"], "ML_KEM");
    assert_eq!(opened.as_object().unwrap().len(), 3, "{opened}");
    unbase64(&opened["SharedSecret"])
}

#[track_caller]
fn without_text(answer: &Answer, kind: &str) {
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json(), json!({ "__type": kind }));
}

async fn keys_are_made_and_told(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, _) in SPECS {
        let members = json!({ "KeySpec": spec, "KeyUsage": "ENCAPSULATE_DECAPSULATE" });
        let made = server.aws("CreateKey", members).await.ok(200)["KeyMetadata"].clone();
        assert_eq!(made["KeySpec"], spec);
        assert_eq!(made["CustomerMasterKeySpec"], spec);
        assert_eq!(made["KeyUsage"], "ENCAPSULATE_DECAPSULATE");
        assert_eq!(made["EncapsulationAlgorithms"], json!(["ML_KEM"]));
        let lists = made.as_object().unwrap().keys();
        let lists = lists.filter(|name| name.ends_with("Algorithms")).count();
        assert_eq!(lists, 1, "{made}");
        assert_eq!(made.get("CurrentKeyMaterialId"), None);
        let named = json!({ "KeyId": made["KeyId"] });
        let told = server.aws("DescribeKey", named.clone()).await.ok(200);
        assert_eq!(told["KeyMetadata"], made);
        let public = server.aws("GetPublicKey", named).await.ok(200);
        assert_eq!(public["EncapsulationAlgorithms"], json!(["ML_KEM"]));
        assert_eq!(public["KeyUsage"], "ENCAPSULATE_DECAPSULATE");
        assert_eq!(public["KeySpec"], spec);
        assert_eq!(public.get("SigningAlgorithms"), None);
        let kind = asymmetric::kind_of_public(&unbase64(&public["PublicKey"]));
        assert_eq!(kind.unwrap().name(), spec);
        for usage in ["SIGN_VERIFY", "ENCRYPT_DECRYPT", "KEY_AGREEMENT"] {
            let body = json!({ "KeySpec": spec, "KeyUsage": usage });
            let said = server.aws("CreateKey", body).await;
            assert_eq!(
                said.aws_refused("ValidationException"),
                format!("KeyUsage {usage} is not compatible with KeySpec {spec}")
            );
        }
        let said = server.aws("CreateKey", json!({ "KeySpec": spec })).await;
        said.aws_refused("ValidationException");
    }
    for spec in ["SYMMETRIC_DEFAULT", "RSA_2048", "HMAC_256", "ML_DSA_44"] {
        let body = json!({ "KeySpec": spec, "KeyUsage": "ENCAPSULATE_DECAPSULATE" });
        let said = server.aws("CreateKey", body).await;
        said.aws_refused("ValidationException");
    }
    server.stop().await;
}

async fn what_is_encapsulated_comes_out_again(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, len) in SPECS {
        let key = kem_key(&server, spec).await;
        let (secret, ciphertext) = encapsulated(&server, &key).await;
        assert_eq!((secret.len(), ciphertext.len()), (32, len), "{spec}");
        assert_eq!(decapsulated(&server, &key, &ciphertext).await, secret);
        // Each call makes another.
        let (other, another) = encapsulated(&server, &key).await;
        assert!(other != secret && another != ciphertext, "{spec}");
        assert_eq!(decapsulated(&server, &key, &another).await, other);
    }
    server.stop().await;
}

async fn what_was_altered_gives_another_secret(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, len) in SPECS {
        let key = kem_key(&server, spec).await;
        let (secret, ciphertext) = encapsulated(&server, &key).await;
        let mut changed = ciphertext.clone();
        for at in [0, len / 2, len - 1] {
            changed[at] ^= 1;
            let given = decapsulated(&server, &key, &changed).await;
            assert_eq!(given.len(), 32);
            assert_ne!(given, secret, "{spec}: {at}");
            assert_eq!(decapsulated(&server, &key, &changed).await, given);
        }
        for foreign in [vec![0; len], vec![0xff; len]] {
            let given = decapsulated(&server, &key, &foreign).await;
            assert!(given.len() == 32 && given != secret, "{spec}");
        }
        let other = kem_key(&server, spec).await;
        assert_ne!(decapsulated(&server, &other, &ciphertext).await, secret);
    }
    server.stop().await;
}

async fn a_ciphertext_of_another_length_is_none(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, len) in SPECS {
        let key = kem_key(&server, spec).await;
        let lengths = [1, len - 1, len + 1, 6144];
        let others = SPECS.iter().map(|(_, other)| *other);
        for wrong in lengths
            .into_iter()
            .chain(others.filter(|other| *other != len))
        {
            let body = decapsulating(&key, &vec![7; wrong]);
            let mut dry = body.clone();
            dry["DryRun"] = json!(true);
            for body in [body, dry] {
                let answer = server.aws("Decapsulate", body).await;
                without_text(&answer, "InvalidCiphertextException");
            }
        }
    }
    server.stop().await;
}

/// A private half is PKCS#8 with the seed alone (RFC 9935), so it is as long whatever the spec.
async fn data_key_pairs_hold_their_seed(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    for (spec, _) in SPECS {
        let body = json!({
            "KeyId": key, "KeyPairSpec": spec, "EncryptionContext": { "a": "1" },
        });
        let made = server
            .aws("GenerateDataKeyPair", body.clone())
            .await
            .ok(200);
        assert_eq!(made["KeyPairSpec"], spec);
        let private = unbase64(&made["PrivateKeyPlaintext"]);
        assert_eq!(private.len(), 86, "{spec}");
        let kind = MaterialKind::from_name(spec).unwrap();
        let pair = Material::import(kind, Secret::from_slice(&private)).ok();
        let public = pair.unwrap().public_key_der().unwrap();
        assert_eq!(unbase64(&made["PublicKey"]), public, "{spec}");
        let sealed = json!({
            "CiphertextBlob": made["PrivateKeyCiphertextBlob"], "EncryptionContext": { "a": "1" },
        });
        let opened = server.aws("Decrypt", sealed).await.ok(200);
        assert_eq!(opened["Plaintext"], made["PrivateKeyPlaintext"]);
        let made = server
            .aws("GenerateDataKeyPairWithoutPlaintext", body)
            .await
            .ok(200);
        assert_eq!(made.get("PrivateKeyPlaintext"), None);
        assert_ne!(unbase64(&made["PublicKey"]), public);
    }
    server.stop().await;
}

async fn keys_are_named_in_four_ways(db: Db) {
    let server = TestServer::start(db).await;
    let arn = kem_key(&server, "ML_KEM_768").await;
    let id = arn.rsplit_once('/').unwrap().1;
    let alias = json!({ "AliasName": "alias/kem", "TargetKeyId": id });
    assert_eq!(server.aws("CreateAlias", alias).await.status, 200);
    let alias_arn = arn.replace(&format!("key/{id}"), "alias/kem");
    for name in [id, &*arn, "alias/kem", &*alias_arn] {
        let made = server.aws("Encapsulate", encapsulating(name)).await.ok(200);
        assert_eq!(made["KeyId"], arn, "{name}");
        let ciphertext = unbase64(&made["SharedSecretCiphertextBlob"]);
        let body = decapsulating(name, &ciphertext);
        let opened = server.aws("Decapsulate", body).await.ok(200);
        assert_eq!(opened["KeyId"], arn, "{name}");
        assert_eq!(opened["SharedSecret"], made["SharedSecret"], "{name}");
    }
    server.stop().await;
}

async fn what_the_two_calls_refuse(db: Db) {
    let server = TestServer::start(db).await;
    let key = kem_key(&server, "ML_KEM_512").await;
    let symmetric = server.aws_key(json!({})).await;
    let signs = json!({ "KeySpec": "ML_DSA_44", "KeyUsage": "SIGN_VERIFY" });
    let signs = server.aws_key(signs).await;
    let agrees = json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT" });
    let agrees = server.aws_key(agrees).await;
    let macs = json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" });
    let macs = server.aws_key(macs).await;
    let usage = "InvalidKeyUsageException";
    let validation = "ValidationException";
    let (not_found, serialization) = ("NotFoundException", "SerializationException");
    let id = key.rsplit_once('/').unwrap().1;
    let unknown = "11111111-2222-4333-8444-555555555555";
    let long = "a".repeat(2049);
    for operation in ["Encapsulate", "Decapsulate"] {
        for (member, value, kind) in [
            ("KeyId", json!(symmetric), usage),
            ("KeyId", json!(signs), usage),
            ("KeyId", json!(agrees), usage),
            ("KeyId", json!(macs), usage),
            ("KeyId", Value::Null, validation),
            ("KeyId", json!(""), validation),
            ("KeyId", json!(long), validation),
            ("KeyId", json!(7), serialization),
            ("KeyId", json!([key]), serialization),
            ("KeyId", json!(unknown), not_found),
            ("KeyId", json!("nonsense"), not_found),
            ("KeyId", json!("alias/none"), not_found),
            ("KeyId", json!(id.to_uppercase()), not_found),
            ("KeyId", json!("arn:aws:s3:::x"), "InvalidArnException"),
            ("KeyId", json!(key.replace(HOME, "region-2")), not_found),
            ("EncapsulationAlgorithm", Value::Null, validation),
            ("EncapsulationAlgorithm", json!(""), validation),
            ("EncapsulationAlgorithm", json!("ml_kem"), validation),
            ("EncapsulationAlgorithm", json!("ML_KEM_512"), validation),
            ("EncapsulationAlgorithm", json!(true), serialization),
            ("GrantTokens", json!("x"), serialization),
            ("GrantTokens", json!([7]), serialization),
            ("GrantTokens", json!([""]), validation),
            ("GrantTokens", json!(vec!["x"; 11]), validation),
            ("GrantTokens", json!(["none"]), "InvalidGrantTokenException"),
            ("DryRun", json!("yes"), serialization),
            ("DryRun", json!(1), serialization),
        ] {
            let mut body = decapsulating(&key, &[7; 768]);
            body[member] = value.clone();
            let answer = server.aws(operation, body).await;
            let what = format!("{operation} {member} {value}: {}", answer.text);
            assert_eq!(answer.aws_outcome(), kind, "{what}");
        }
        let body = decapsulating(&symmetric, &[7; 768]);
        let said = server.aws(operation, body).await.aws_refused(usage);
        assert_eq!(
            said,
            format!("{symmetric} key usage is ENCRYPT_DECRYPT which is not valid for {operation}.")
        );
        let mut body = decapsulating(&key, &[7; 768]);
        body["EncapsulationAlgorithm"] = json!("X");
        let said = server.aws(operation, body).await.aws_refused(validation);
        assert_eq!(
            said,
            "1 validation error detected: Value 'X' at 'encapsulationAlgorithm' failed to satisfy \
             constraint: Member must satisfy enum value set: [ML_KEM]"
        );
    }
    for (value, kind) in [
        (Value::Null, validation),
        (json!(""), validation),
        (json!("no base64!"), serialization),
        (json!(7), serialization),
        (json!(base64(&[7; 6145])), validation),
        (json!(base64(&[7; 6144])), "InvalidCiphertextException"),
    ] {
        let mut body = encapsulating(&key);
        body["SharedSecretCiphertextBlob"] = value.clone();
        let answer = server.aws("Decapsulate", body).await;
        assert_eq!(answer.aws_outcome(), kind, "{value}");
    }
    // And nothing else is done with such a key.
    let x = base64(b"x");
    for (operation, more, kind) in [
        ("Encrypt", json!({ "Plaintext": x }), usage),
        ("GenerateDataKey", json!({ "KeySpec": "AES_256" }), usage),
        (
            "GenerateDataKeyPair",
            json!({ "KeyPairSpec": "ML_KEM_512" }),
            usage,
        ),
        (
            "Sign",
            json!({ "Message": x, "SigningAlgorithm": "ML_DSA_SHAKE_256" }),
            usage,
        ),
        (
            "GenerateMac",
            json!({ "Message": x, "MacAlgorithm": "HMAC_SHA_256" }),
            usage,
        ),
        (
            "DeriveSharedSecret",
            json!({ "KeyAgreementAlgorithm": "ECDH", "PublicKey": x }),
            usage,
        ),
        (
            "EnableKeyRotation",
            json!({}),
            "UnsupportedOperationException",
        ),
        (
            "RotateKeyOnDemand",
            json!({}),
            "UnsupportedOperationException",
        ),
    ] {
        let mut body = more;
        body["KeyId"] = json!(key);
        let answer = server.aws(operation, body).await;
        assert_eq!(answer.aws_outcome(), kind, "{operation}: {}", answer.text);
    }
    server.stop().await;
}

async fn other_accounts_come_by_grant_or_policy_i_17_i_19(db: Db) {
    let server = TestServer::start(db).await;
    let other = server.another_account("other").await;
    let key = kem_key(&server, "ML_KEM_768").await;
    let (secret, ciphertext) = encapsulated(&server, &key).await;
    let tried = async |operation: &str, token: Option<&Value>| {
        let mut body = decapsulating(&key, &ciphertext);
        if let Some(token) = token {
            body["GrantTokens"] = json!([token]);
        }
        server.aws_as(&other, HOME, operation, body).await
    };
    for operation in ["Encapsulate", "Decapsulate"] {
        let answer = tried(operation, None).await;
        answer.aws_refused("NotFoundException");
    }
    // A grant opens the one that it lists.
    let root = format!("arn:aws:iam::{}:root", other.project.account);
    let grant = |operations: Value| json!({ "KeyId": key, "GranteePrincipal": root, "Operations": operations });
    let made = server
        .aws("CreateGrant", grant(json!(["Encapsulate"])))
        .await
        .ok(200);
    let token = Some(&made["GrantToken"]);
    assert_eq!(tried("Encapsulate", token).await.ok(200)["KeyId"], key);
    tried("Encapsulate", None).await.ok(200);
    tried("Decapsulate", token)
        .await
        .aws_refused("AccessDeniedException");
    let made = server
        .aws("CreateGrant", grant(json!(["Decapsulate", "GetPublicKey"])))
        .await
        .ok(200);
    let opened = tried("Decapsulate", Some(&made["GrantToken"]))
        .await
        .ok(200);
    assert_eq!(unbase64(&opened["SharedSecret"]), secret);
    let listed = server
        .aws(
            "ListGrants",
            json!({ "KeyId": key, "GrantId": made["GrantId"] }),
        )
        .await
        .ok(200);
    assert_eq!(
        listed["Grants"][0]["Operations"],
        json!(["GetPublicKey", "Decapsulate"])
    );
    // Huawei's dialect tells of it in its manner.
    let id = key.rsplit_once('/').unwrap().1;
    let listed = server.call("list-grants", json!({ "key_id": id })).await;
    assert!(listed.ok(200).to_string().contains("\"decapsulate\""));
    // What the key cannot do is not granted, nor these on another key.
    for operations in [
        json!(["Encrypt"]),
        json!(["Sign"]),
        json!(["DeriveSharedSecret"]),
    ] {
        let said = server.aws("CreateGrant", grant(operations)).await;
        said.aws_refused("ValidationException");
    }
    let symmetric = server.aws_key(json!({})).await;
    for operation in ["Encapsulate", "Decapsulate"] {
        let mut body = grant(json!([operation]));
        body["KeyId"] = json!(symmetric);
        let said = server.aws("CreateGrant", body).await;
        said.aws_refused("ValidationException");
    }

    // A policy lets in, and keeps out.
    let key = kem_key(&server, "ML_KEM_512").await;
    let account = server.account.project.account.to_string();
    let policy = |effect: &str, principal: &str, action: &str| {
        json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
              "Action": "kms:*", "Resource": "*" },
            { "Effect": effect, "Principal": { "AWS": principal }, "Action": action,
              "Resource": "*" },
        ] })
        .to_string()
    };
    let put = async |policy: String| {
        let body = json!({ "KeyId": key, "Policy": policy });
        assert_eq!(server.aws("PutKeyPolicy", body).await.status, 200);
    };
    put(policy("Allow", &root, "kms:Encapsulate")).await;
    let body = encapsulating(&key);
    let made = server
        .aws_as(&other, HOME, "Encapsulate", body)
        .await
        .ok(200);
    let ciphertext = unbase64(&made["SharedSecretCiphertextBlob"]);
    let body = decapsulating(&key, &ciphertext);
    let refused = server
        .aws_as(&other, HOME, "Decapsulate", body.clone())
        .await;
    assert_ne!(refused.aws_outcome(), "ok");
    assert_eq!(
        decapsulated(&server, &key, &ciphertext).await,
        unbase64(&made["SharedSecret"])
    );
    put(policy("Deny", "*", "kms:Decapsulate")).await;
    let denied = server.aws("Decapsulate", body).await;
    denied.aws_refused("AccessDeniedException");
    encapsulated(&server, &key).await;
    server.stop().await;
}

async fn a_dry_run_succeeds_as_an_error(db: Db) {
    let server = TestServer::start(db).await;
    let key = kem_key(&server, "ML_KEM_512").await;
    let body = decapsulating(&key, &[7; 768]);
    let mut dry = body.clone();
    dry["DryRun"] = json!(true);
    let used = async || {
        let told = server.aws("GetKeyLastUsage", json!({ "KeyId": key })).await;
        told.ok(200)["KeyLastUsage"].clone()
    };
    for operation in ["Encapsulate", "Decapsulate"] {
        let said = server.aws(operation, dry.clone()).await;
        assert_eq!(
            said.aws_refused("DryRunOperationException"),
            "The request would have succeeded, but the DryRun option is set."
        );
    }
    assert_eq!(used().await, json!({}));
    for operation in ["Encapsulate", "Decapsulate"] {
        server.aws(operation, body.clone()).await.ok(200);
        assert_eq!(used().await["Operation"], operation);
        server.clock.advance(std::time::Duration::from_secs(1));
    }
    // What would fail fails as it would.
    let named = json!({ "KeyId": key });
    assert_eq!(server.aws("DisableKey", named).await.status, 200);
    for operation in ["Encapsulate", "Decapsulate"] {
        let said = server.aws(operation, dry.clone()).await;
        said.aws_refused("DisabledException");
    }
    server.stop().await;
}

async fn such_keys_are_neither_imported_nor_made_by_the_other_dialect(db: Db) {
    let server = TestServer::start(db).await;
    let of_kem = SPECS.map(|(spec, _)| (spec, "ENCAPSULATE_DECAPSULATE"));
    let of_dsa = ["ML_DSA_44", "ML_DSA_65", "ML_DSA_87"].map(|spec| (spec, "SIGN_VERIFY"));
    for (spec, usage) in of_kem.into_iter().chain(of_dsa) {
        let members = json!({ "KeySpec": spec, "KeyUsage": usage, "Origin": "EXTERNAL" });
        let said = server.aws("CreateKey", members).await;
        assert_eq!(
            said.aws_refused("UnsupportedOperationException"),
            format!("keys of KeySpec {spec} cannot be imported here")
        );
        let body = json!({ "key_alias": spec, "key_spec": spec, "key_usage": usage });
        let said = server.call("create-key", body).await;
        said.refused(400, "KMS.1110");
        // One that is there is shown for what it is.
        let members = json!({ "KeySpec": spec, "KeyUsage": usage });
        let key = server.aws_key(members).await;
        let id = key.rsplit_once('/').unwrap().1;
        let shown = server
            .call("describe-key", json!({ "key_id": id }))
            .await
            .ok(200);
        assert_eq!(shown["key_info"]["key_spec"], spec);
        assert_eq!(shown["key_info"]["key_usage"], usage);
        let listed = server
            .call("list-keys", json!({ "key_spec": spec }))
            .await
            .ok(200);
        assert_eq!(listed["keys"], json!([id]));
        let public = server
            .call("get-publickey", json!({ "key_id": id }))
            .await
            .ok(200);
        let pem = public["public_key"].as_str().unwrap();
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----"), "{pem}");
    }
    let key = kem_key(&server, "ML_KEM_512").await;
    let id = key.rsplit_once('/').unwrap().1;
    for (call, body, code) in [
        ("encrypt-data", json!({ "plain_text": "x" }), "KMS.0308"),
        (
            "create-datakey",
            json!({ "datakey_length": "256" }),
            "KMS.0325",
        ),
        (
            "sign",
            json!({
                "message": base64(b"x"), "message_type": "RAW",
                "signing_algorithm": "ML_DSA_SHAKE_256",
            }),
            "KMS.0308",
        ),
    ] {
        let mut body = body;
        body["key_id"] = json!(id);
        server.call(call, body).await.refused(400, code);
    }
    server.stop().await;
}

async fn uses_are_recorded_without_secrets_i_29(db: Db) {
    let server = TestServer::start(db).await;
    let key = kem_key(&server, "ML_KEM_512").await;
    let (secret, ciphertext) = encapsulated(&server, &key).await;
    decapsulated(&server, &key, &ciphertext).await;
    let records = server.records().await;
    let id = key.rsplit_once('/').unwrap().1;
    for action in ["Encapsulate", "Decapsulate"] {
        let one = records.iter().find(|record| record.action.name() == action);
        let one = format!("{:?}", one.unwrap());
        assert!(one.contains(id), "{one}");
        for told in [base64(&secret), hex::encode(&secret)] {
            assert!(!one.contains(&told), "{one}");
        }
    }
    server.stop().await;
}
