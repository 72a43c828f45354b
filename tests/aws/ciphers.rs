//! Uses of keys in AWS's words (contract, sections 11.2 to 11.6).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kmsd::crypto::hash::sha256;
use serde_json::{Value, json};

use crate::support::{Answer, Db, TestServer, on_both};

on_both!(
    what_is_encrypted_opens_with_the_same_pairs_only,
    a_key_that_is_named_must_be_the_one,
    ciphertexts_open_in_both_dialects,
    data_is_encrypted_anew,
    data_keys_have_the_size_that_was_asked_for,
    key_pairs_open,
    random_bytes,
    rsa_takes_what_fits,
    sm2_in_the_words_of_this_dialect,
    signatures_hold_or_are_errors,
    authentication_codes_hold_or_are_errors,
    both_sides_agree,
    keys_of_other_kinds_are_told_so,
    a_dry_run_changes_nothing_and_succeeds_as_an_error,
    a_dry_run_may_do_without_the_ciphertext,
);

fn b64(bytes: impl AsRef<[u8]>) -> Value {
    json!(STANDARD.encode(bytes))
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

async fn encrypt(server: &TestServer, key: &str, context: Value) -> Value {
    let body = json!({ "KeyId": key, "Plaintext": b64("card=4111"), "EncryptionContext": context });
    let made = server.aws("Encrypt", body).await.ok(200);
    assert_eq!(made["KeyId"], key);
    assert_eq!(made["EncryptionAlgorithm"], "SYMMETRIC_DEFAULT");
    assert_eq!(made.as_object().unwrap().len(), 3);
    made["CiphertextBlob"].clone()
}

#[track_caller]
fn without_text(answer: &Answer, kind: &str) {
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json(), json!({ "__type": kind }));
}

async fn what_is_encrypted_opens_with_the_same_pairs_only(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let open = async |blob: &Value, context: Value| {
        let body = json!({ "CiphertextBlob": blob, "EncryptionContext": context });
        server.aws("Decrypt", body).await
    };
    let blob = encrypt(&server, &key, json!({ "a": "1", "b": "2" })).await;
    // A set of pairs: the order in the text is nothing.
    let body = format!(r#"{{"CiphertextBlob":{blob},"EncryptionContext":{{"b":"2","a":"1"}}}}"#);
    let opened = server
        .aws_signer()
        .sign("Decrypt", &body)
        .send(&server)
        .await
        .ok(200);
    assert_eq!(bytes(&opened["Plaintext"]), b"card=4111");
    assert_eq!(opened["KeyId"], key);
    assert_eq!(opened["EncryptionAlgorithm"], "SYMMETRIC_DEFAULT");
    for wrong in [
        json!({}),
        Value::Null,
        json!({ "a": "1" }),
        json!({ "a": "1", "b": "3" }),
        json!({ "A": "1", "b": "2" }),
        json!({ "a": "1", "b": "2", "c": "" }),
    ] {
        without_text(&open(&blob, wrong).await, "InvalidCiphertextException");
    }
    // No pairs and no context are the same.
    let blob = encrypt(&server, &key, json!({})).await;
    open(&blob, Value::Null).await.ok(200);
    let raw = bytes(&blob);
    for at in [0, 1, 20, raw.len() / 2, raw.len() - 1] {
        let mut changed = raw.clone();
        changed[at] ^= 1;
        let answer = open(&b64(changed), json!({})).await;
        assert_ne!(answer.status, 200, "{at}");
        assert!(answer.status < 500, "{at}");
    }
    without_text(
        &open(&b64("foreign"), json!({})).await,
        "InvalidCiphertextException",
    );
    server.stop().await;
}

async fn a_dry_run_may_do_without_the_ciphertext(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let disabled = server.aws_key(json!({})).await;
    server
        .aws("DisableKey", json!({ "KeyId": disabled }))
        .await
        .ok(200);
    let signing = json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" });
    let signing = server.aws_key(signing).await;
    let rsa = json!({ "KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT" });
    let rsa = server.aws_key(rsa).await;
    let unknown = server.aws_arn(&server.account, "11111111-2222-4333-8444-555555555555");
    let (dry, missing) = ("DryRunOperationException", "ValidationException");
    let oaep = "RSAES_OAEP_SHA_256";
    for (operation, named, algorithm, context) in [
        (
            "Decrypt",
            "KeyId",
            "EncryptionAlgorithm",
            "EncryptionContext",
        ),
        (
            "ReEncrypt",
            "SourceKeyId",
            "SourceEncryptionAlgorithm",
            "SourceEncryptionContext",
        ),
    ] {
        for (members, kind) in [
            (json!({}), dry),
            // What is there is not looked at.
            (json!({ "CiphertextBlob": b64("foreign") }), dry),
            (json!({ context: { "a": "b" } }), dry),
            (json!({ named: rsa, algorithm: oaep }), dry),
            (
                json!({ named: rsa, algorithm: oaep, context: { "a": "b" } }),
                missing,
            ),
            (json!({ named: null }), missing),
            (json!({ "DryRun": false }), missing),
            (json!({ "DryRun": null }), missing),
            (
                json!({ "DryRun": null, "CiphertextBlob": b64("foreign") }),
                missing,
            ),
            (json!({ "DryRunModifiers": [] }), missing),
            (json!({ "DryRunModifiers": null }), missing),
            (json!({ "DryRunModifiers": ["IGNORE_KEY"] }), missing),
            (
                json!({ "DryRunModifiers": "IGNORE_CIPHERTEXT" }),
                "SerializationException",
            ),
            (json!({ named: unknown }), "NotFoundException"),
            (json!({ named: disabled }), "DisabledException"),
            (json!({ named: signing }), "InvalidKeyUsageException"),
            (json!({ named: rsa }), "InvalidKeyUsageException"),
            (json!({ algorithm: oaep }), "InvalidKeyUsageException"),
        ] {
            let mut body = json!({
                named: key, "DestinationKeyId": key,
                "DryRun": true, "DryRunModifiers": ["IGNORE_CIPHERTEXT"],
            });
            for (name, value) in members.as_object().unwrap() {
                body[name] = value.clone();
            }
            let answer = server.aws(operation, body).await;
            assert_eq!(answer.aws_outcome(), kind, "{operation} {members}");
        }
    }
    // Both keys are asked for.
    for (destination, kind) in [
        (&disabled, "DisabledException"),
        (&signing, "InvalidKeyUsageException"),
    ] {
        let body = json!({
            "SourceKeyId": key, "DestinationKeyId": destination,
            "DryRun": true, "DryRunModifiers": ["IGNORE_CIPHERTEXT"],
        });
        server.aws("ReEncrypt", body).await.aws_refused(kind);
    }
    server.stop().await;
}

async fn a_key_that_is_named_must_be_the_one(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let other = server.aws_key(json!({})).await;
    let other_id = other.rsplit_once('/').unwrap().1;
    let alias = json!({ "key_id": other_id, "alias": "alias/other" });
    server.call("aliases", alias).await.ok(201);
    let blob = encrypt(&server, &key, json!({})).await;
    let named = async |operation: &str, member: &str, name: &str| {
        let mut body = json!({ "CiphertextBlob": blob, "DestinationKeyId": key });
        body[member] = json!(name);
        server.aws(operation, body).await
    };
    for (operation, member) in [("Decrypt", "KeyId"), ("ReEncrypt", "SourceKeyId")] {
        named(operation, member, &key).await.ok(200);
        for wrong in [&*other, other_id] {
            let said = named(operation, member, wrong).await;
            assert_eq!(
                said.aws_refused("IncorrectKeyException"),
                "The key ID in the request does not identify a CMK that can perform this operation."
            );
        }
    }
    let said = named("Decrypt", "KeyId", "alias/other").await;
    said.aws_refused("IncorrectKeyException");
    named("Decrypt", "KeyId", "alias/none")
        .await
        .aws_refused("NotFoundException");
    server.stop().await;
}

async fn ciphertexts_open_in_both_dialects(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let id = key.rsplit_once('/').unwrap().1;
    let blob = encrypt(&server, &key, json!({})).await;
    let opened = server
        .call("decrypt-data", json!({ "cipher_text": blob }))
        .await
        .ok(200);
    assert_eq!(opened["plain_text"], "card=4111");
    let theirs = server.create("theirs", json!({})).await;
    for key in [id, &*theirs] {
        let body = json!({ "key_id": key, "plain_text": "card=4111" });
        let made = server.call("encrypt-data", body).await.ok(200);
        let body = json!({ "CiphertextBlob": made["cipher_text"] });
        let opened = server.aws("Decrypt", body).await.ok(200);
        assert_eq!(bytes(&opened["Plaintext"]), b"card=4111");
        assert_eq!(opened["KeyId"], server.aws_arn(&server.account, key));
    }
    server.stop().await;
}

async fn data_is_encrypted_anew(db: Db) {
    let server = TestServer::start(db).await;
    let (from, to) = (
        server.aws_key(json!({})).await,
        server.aws_key(json!({})).await,
    );
    let blob = encrypt(&server, &from, json!({ "a": "1" })).await;
    let body = json!({
        "CiphertextBlob": blob,
        "SourceEncryptionContext": { "a": "1" },
        "DestinationKeyId": to,
        "DestinationEncryptionContext": { "b": "2" },
    });
    let made = server.aws("ReEncrypt", body).await.ok(200);
    assert_eq!(made["SourceKeyId"], from);
    assert_eq!(made["KeyId"], to);
    assert_eq!(made["SourceEncryptionAlgorithm"], "SYMMETRIC_DEFAULT");
    assert_eq!(made["DestinationEncryptionAlgorithm"], "SYMMETRIC_DEFAULT");
    let body =
        json!({ "CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": { "b": "2" } });
    let opened = server.aws("Decrypt", body).await.ok(200);
    assert_eq!(bytes(&opened["Plaintext"]), b"card=4111");
    server.stop().await;
}

async fn data_keys_have_the_size_that_was_asked_for(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    for (more, len) in [
        (json!({ "KeySpec": "AES_256" }), 32),
        (json!({ "KeySpec": "AES_128" }), 16),
        (json!({ "NumberOfBytes": 1 }), 1),
        (json!({ "NumberOfBytes": 24 }), 24),
        (json!({ "NumberOfBytes": 1024 }), 1024),
    ] {
        for operation in ["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"] {
            let mut body = more.clone();
            body["KeyId"] = json!(key);
            body["EncryptionContext"] = json!({ "a": "1" });
            let made = server.aws(operation, body).await.ok(200);
            assert_eq!(made["KeyId"], key);
            let body = json!({
                "CiphertextBlob": made["CiphertextBlob"],
                "EncryptionContext": { "a": "1" },
            });
            let opened = server.aws("Decrypt", body).await.ok(200);
            assert_eq!(bytes(&opened["Plaintext"]).len(), len);
            match operation {
                "GenerateDataKey" => assert_eq!(made["Plaintext"], opened["Plaintext"]),
                _ => assert_eq!(made.get("Plaintext"), None),
            }
        }
    }
    for more in [
        json!({}),
        json!({ "KeySpec": "AES_256", "NumberOfBytes": 32 }),
    ] {
        let mut body = more;
        body["KeyId"] = json!(key);
        let answer = server.aws("GenerateDataKey", body).await;
        answer.aws_refused("ValidationException");
    }
    server.stop().await;
}

async fn key_pairs_open(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    for spec in [
        "RSA_2048",
        "ECC_NIST_P256",
        "ECC_NIST_P521",
        "ECC_NIST_EDWARDS25519",
    ] {
        let body = json!({ "KeyId": key, "KeyPairSpec": spec });
        let made = server
            .aws("GenerateDataKeyPair", body.clone())
            .await
            .ok(200);
        assert_eq!(made["KeyPairSpec"], spec);
        assert_eq!(made["KeyId"], key);
        let sealed = json!({ "CiphertextBlob": made["PrivateKeyCiphertextBlob"] });
        let opened = server.aws("Decrypt", sealed).await.ok(200);
        assert_eq!(opened["Plaintext"], made["PrivateKeyPlaintext"]);
        let made = server
            .aws("GenerateDataKeyPairWithoutPlaintext", body)
            .await
            .ok(200);
        assert_eq!(made.get("PrivateKeyPlaintext"), None);
    }
    server.stop().await;
}

async fn random_bytes(db: Db) {
    let server = TestServer::start(db).await;
    for len in [1, 1024] {
        let made = server
            .aws("GenerateRandom", json!({ "NumberOfBytes": len }))
            .await
            .ok(200);
        assert_eq!(bytes(&made["Plaintext"]).len(), len);
    }
    let validation = "ValidationException";
    let said = server.aws("GenerateRandom", json!({})).await;
    assert_eq!(said.aws_refused(validation), "NumberOfBytes is required.");
    let said = server
        .aws("GenerateRandom", json!({ "NumberOfBytes": 1025 }))
        .await;
    assert_eq!(
        said.aws_refused(validation),
        "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy \
         constraint: Member must have value less than or equal to 1024"
    );
    server.stop().await;
}

async fn rsa_takes_what_fits(db: Db) {
    let server = TestServer::start(db).await;
    let body = json!({ "KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT" });
    let key = server.aws_key(body).await;
    for (algorithm, most) in [("RSAES_OAEP_SHA_1", 214), ("RSAES_OAEP_SHA_256", 190)] {
        let of = |len| {
            json!({
                "KeyId": key, "Plaintext": b64(vec![7; len]), "EncryptionAlgorithm": algorithm,
            })
        };
        let made = server.aws("Encrypt", of(most)).await.ok(200);
        let mut body = json!({ "CiphertextBlob": made["CiphertextBlob"] });
        body["EncryptionAlgorithm"] = json!(algorithm);
        server
            .aws("Decrypt", body.clone())
            .await
            .aws_refused("ValidationException");
        body["KeyId"] = json!(key);
        let opened = server.aws("Decrypt", body).await.ok(200);
        assert_eq!(bytes(&opened["Plaintext"]), vec![7; most]);
        let said = server.aws("Encrypt", of(most + 1)).await;
        assert_eq!(
            said.aws_refused("ValidationException"),
            format!(
                "Algorithm {algorithm} and key spec RSA_2048 cannot encrypt data larger than \
                 {most} bytes."
            )
        );
    }
    // The default algorithm is not one of its own.
    let body = json!({ "KeyId": key, "Plaintext": b64("x") });
    let said = server.aws("Encrypt", body).await;
    said.aws_refused("InvalidKeyUsageException");
    let body = json!({
        "KeyId": key,
        "Plaintext": b64("x"),
        "EncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        "EncryptionContext": { "a": "1" },
    });
    server
        .aws("Encrypt", body)
        .await
        .aws_refused("ValidationException");
    server.stop().await;
}

/// AWS has names of its own for what Huawei calls SM2_ENCRYPT and SM2DSA_SM3.
async fn sm2_in_the_words_of_this_dialect(db: Db) {
    let server = TestServer::start(db).await;
    let sealing = json!({ "KeySpec": "SM2", "KeyUsage": "ENCRYPT_DECRYPT" });
    let signing = json!({ "KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY" });
    for (members, list, name) in [
        (&sealing, "EncryptionAlgorithms", "SM2PKE"),
        (&signing, "SigningAlgorithms", "SM2DSA"),
    ] {
        let made = server.aws("CreateKey", members.clone()).await.ok(200)["KeyMetadata"].clone();
        assert_eq!(made[list], json!([name]));
        let named = json!({ "KeyId": made["KeyId"] });
        let public = server.aws("GetPublicKey", named).await.ok(200);
        assert_eq!(public[list], json!([name]));
    }
    let key = server.aws_key(sealing).await;
    let algorithm = "SM2PKE";
    let body = json!({ "KeyId": key, "Plaintext": "eA==", "EncryptionAlgorithm": algorithm });
    let sealed = server.aws("Encrypt", body).await.ok(200);
    assert_eq!(sealed["EncryptionAlgorithm"], algorithm);
    let blob = &sealed["CiphertextBlob"];
    let body = json!({ "KeyId": key, "CiphertextBlob": blob, "EncryptionAlgorithm": algorithm });
    let opened = server.aws("Decrypt", body).await.ok(200);
    assert_eq!(
        (&opened["Plaintext"], &opened["EncryptionAlgorithm"]),
        (&json!("eA=="), &json!(algorithm))
    );
    let body = json!({
        "CiphertextBlob": blob, "SourceKeyId": key, "SourceEncryptionAlgorithm": algorithm,
        "DestinationKeyId": key, "DestinationEncryptionAlgorithm": algorithm,
    });
    let moved = server.aws("ReEncrypt", body).await.ok(200);
    for side in [
        "SourceEncryptionAlgorithm",
        "DestinationEncryptionAlgorithm",
    ] {
        assert_eq!(moved[side], algorithm);
    }
    let key = server.aws_key(signing).await;
    let algorithm = "SM2DSA";
    let mut body = json!({ "KeyId": key, "Message": "eA==", "SigningAlgorithm": algorithm });
    let signed = server.aws("Sign", body.clone()).await.ok(200);
    assert_eq!(signed["SigningAlgorithm"], algorithm);
    body["Signature"] = signed["Signature"].clone();
    let verified = server.aws("Verify", body).await.ok(200);
    assert_eq!(verified["SigningAlgorithm"], algorithm);
    // The other dialect's names are none here.
    let body = json!({ "KeyId": key, "Message": "eA==", "SigningAlgorithm": "SM2DSA_SM3" });
    server
        .aws("Sign", body)
        .await
        .aws_refused("ValidationException");
    server.stop().await;
}

async fn signatures_hold_or_are_errors(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, algorithm) in [
        ("ECC_NIST_P256", "ECDSA_SHA_256"),
        ("RSA_2048", "RSASSA_PSS_SHA_256"),
        ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256"),
    ] {
        let body = json!({ "KeySpec": spec, "KeyUsage": "SIGN_VERIFY" });
        let key = server.aws_key(body).await;
        let of = |message: Value, kind: &str| {
            json!({
                "KeyId": key, "Message": message, "MessageType": kind, "SigningAlgorithm": algorithm,
            })
        };
        let made = server.aws("Sign", of(b64("hello"), "RAW")).await.ok(200);
        assert_eq!(made["KeyId"], key);
        assert_eq!(made["SigningAlgorithm"], algorithm);
        // What was signed as a message holds as its digest.
        for body in [of(b64("hello"), "RAW"), of(b64(sha256(b"hello")), "DIGEST")] {
            let mut body = body;
            body["Signature"] = made["Signature"].clone();
            let told = server.aws("Verify", body).await.ok(200);
            assert_eq!(told["SignatureValid"], true);
        }
        let mut body = of(b64("other"), "RAW");
        body["Signature"] = made["Signature"].clone();
        let answer = server.aws("Verify", body).await;
        without_text(&answer, "KMSInvalidSignatureException");
        let said = server.aws("Sign", of(b64("short"), "DIGEST")).await;
        assert_eq!(
            said.aws_refused("ValidationException"),
            format!("Digest is invalid length for algorithm {algorithm}.")
        );
        let public = server
            .aws("GetPublicKey", json!({ "KeyId": key }))
            .await
            .ok(200);
        assert_eq!(public["KeyId"], key);
        assert_eq!(public["KeySpec"], spec);
        assert_eq!(public["CustomerMasterKeySpec"], spec);
        assert_eq!(public["KeyUsage"], "SIGN_VERIFY");
        assert_eq!(public.get("EncryptionAlgorithms"), None);
        assert_eq!(bytes(&public["PublicKey"])[0], 0x30);
    }
    server.stop().await;
}

async fn authentication_codes_hold_or_are_errors(db: Db) {
    let server = TestServer::start(db).await;
    let body = json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" });
    let key = server.aws_key(body).await;
    let of = |message: &str, algorithm: &str| {
        json!({
            "KeyId": key, "Message": b64(message), "MacAlgorithm": algorithm,
        })
    };
    let made = server
        .aws("GenerateMac", of("hello", "HMAC_SHA_256"))
        .await
        .ok(200);
    assert_eq!(bytes(&made["Mac"]).len(), 32);
    assert_eq!(made["KeyId"], key);
    let mut body = of("hello", "HMAC_SHA_256");
    body["Mac"] = made["Mac"].clone();
    let told = server.aws("VerifyMac", body.clone()).await.ok(200);
    assert_eq!(told["MacValid"], true);
    body["Message"] = b64("other");
    without_text(
        &server.aws("VerifyMac", body).await,
        "KMSInvalidMacException",
    );
    let said = server.aws("GenerateMac", of("hello", "HMAC_SHA_512")).await;
    assert_eq!(
        said.aws_refused("InvalidKeyUsageException"),
        "Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256."
    );
    let said = server.aws("GenerateMac", of("hello", "HMAC_MD5")).await;
    assert_eq!(
        said.aws_refused("ValidationException"),
        "1 validation error detected: Value 'HMAC_MD5' at 'macAlgorithm' failed to satisfy \
         constraint: Member must satisfy enum value set: [HMAC_SHA_384, HMAC_SHA_256, \
         HMAC_SHA_224, HMAC_SHA_512]"
    );
    server.stop().await;
}

async fn both_sides_agree(db: Db) {
    let server = TestServer::start(db).await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let body = json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT" });
        let key = server.aws_key(body).await;
        let told = server
            .aws("GetPublicKey", json!({ "KeyId": key }))
            .await
            .ok(200);
        assert_eq!(told["KeyAgreementAlgorithms"], json!(["ECDH"]));
        keys.push((key, told["PublicKey"].clone()));
    }
    let derive = async |key: &str, public: &Value| {
        let body = json!({ "KeyId": key, "KeyAgreementAlgorithm": "ECDH", "PublicKey": public });
        server.aws("DeriveSharedSecret", body).await
    };
    let one = derive(&keys[0].0, &keys[1].1).await.ok(200);
    let two = derive(&keys[1].0, &keys[0].1).await.ok(200);
    assert_eq!(one["SharedSecret"], two["SharedSecret"]);
    assert_eq!(bytes(&one["SharedSecret"]).len(), 32);
    assert_eq!(one["KeyOrigin"], "AWS_KMS");
    let bad = derive(&keys[0].0, &b64("no key")).await;
    without_text(&bad, "ValidationException");
    server.stop().await;
}

async fn keys_of_other_kinds_are_told_so(db: Db) {
    let server = TestServer::start(db).await;
    let symmetric = server.aws_key(json!({})).await;
    let body = json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" });
    let signs = server.aws_key(body).await;
    let usage = "InvalidKeyUsageException";
    let sign = |key: &str| {
        json!({
            "KeyId": key, "Message": b64("x"), "SigningAlgorithm": "ECDSA_SHA_256",
        })
    };
    let said = server
        .aws("Sign", sign(&symmetric))
        .await
        .aws_refused(usage);
    assert_eq!(
        said,
        format!("{symmetric} key usage is ENCRYPT_DECRYPT which is not valid for Sign.")
    );
    let body = json!({ "KeyId": signs, "Message": b64("x"), "MacAlgorithm": "HMAC_SHA_256" });
    let said = server.aws("GenerateMac", body).await.aws_refused(usage);
    assert_eq!(
        said,
        format!("{signs} key usage is SIGN_VERIFY which is not valid for GenerateMac.")
    );
    let body = json!({ "KeyId": signs, "KeySpec": "AES_256" });
    server.aws("GenerateDataKey", body).await.aws_refused(usage);
    let body = json!({ "KeyId": signs, "Plaintext": b64("x") });
    server.aws("Encrypt", body).await.aws_refused(usage);
    let answer = server
        .aws("GetPublicKey", json!({ "KeyId": symmetric }))
        .await;
    answer.aws_refused("UnsupportedOperationException");
    server.stop().await;
}

async fn a_dry_run_changes_nothing_and_succeeds_as_an_error(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let blob = encrypt(&server, &key, json!({})).await;
    let mac = server
        .aws_key(json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" }))
        .await;
    let signs = server
        .aws_key(json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" }))
        .await;
    for (operation, body) in [
        ("Encrypt", json!({ "KeyId": key, "Plaintext": b64("x") })),
        ("Decrypt", json!({ "CiphertextBlob": blob })),
        (
            "ReEncrypt",
            json!({ "CiphertextBlob": blob, "DestinationKeyId": key }),
        ),
        (
            "GenerateDataKey",
            json!({ "KeyId": key, "KeySpec": "AES_256" }),
        ),
        (
            "GenerateDataKeyWithoutPlaintext",
            json!({ "KeyId": key, "KeySpec": "AES_256" }),
        ),
        (
            "GenerateDataKeyPair",
            json!({ "KeyId": key, "KeyPairSpec": "ECC_NIST_P256" }),
        ),
        (
            "GenerateMac",
            json!({ "KeyId": mac, "Message": b64("x"), "MacAlgorithm": "HMAC_SHA_256" }),
        ),
        (
            "Sign",
            json!({ "KeyId": signs, "Message": b64("x"), "SigningAlgorithm": "ECDSA_SHA_256" }),
        ),
    ] {
        let mut dry = body.clone();
        dry["DryRun"] = json!(true);
        let said = server.aws(operation, dry).await;
        assert_eq!(
            said.aws_refused("DryRunOperationException"),
            "The request would have succeeded, but the DryRun option is set.",
            "{operation}"
        );
        let mut wet = body.clone();
        wet["DryRun"] = json!(false);
        server.aws(operation, wet).await.ok(200);
    }
    // What would fail fails as it would.
    server
        .aws("DisableKey", json!({ "KeyId": key }))
        .await
        .ok(200);
    let body = json!({ "KeyId": key, "Plaintext": b64("x"), "DryRun": true });
    server
        .aws("Encrypt", body)
        .await
        .aws_refused("DisabledException");
    server.stop().await;
}
