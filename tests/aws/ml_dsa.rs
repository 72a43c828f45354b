//! Keys of ML-DSA in AWS's words (contract, sections 11.1 and 11.4).

use kmsd::crypto::asymmetric;
use serde_json::{Value, json};
use shake::{ExtendableOutput, Shake256};

use crate::support::calls::base64;
use crate::support::imports::unbase64;
use crate::support::{Db, TestServer, on_both};

on_both!(
    keys_are_made_and_told,
    signatures_hold_or_are_errors,
    a_message_and_its_representative_have_the_same_signatures,
    what_does_not_go_with_the_algorithm,
    the_other_dialect_signs_messages_with_them,
);

/// Specs, and the lengths of their signatures and raw public keys.
const SPECS: [(&str, usize, usize); 3] = [
    ("ML_DSA_44", 2420, 1312),
    ("ML_DSA_65", 3309, 1952),
    ("ML_DSA_87", 4627, 2592),
];

async fn signing_key(server: &TestServer, spec: &str) -> String {
    let members = json!({ "KeySpec": spec, "KeyUsage": "SIGN_VERIFY" });
    server.aws_key(members).await
}

fn signing(key: &str, kind: &str, message: &[u8]) -> Value {
    json!({
        "KeyId": key,
        "Message": base64(message),
        "MessageType": kind,
        "SigningAlgorithm": "ML_DSA_SHAKE_256",
    })
}

fn checking(key: &str, kind: &str, message: &[u8], signature: &Value) -> Value {
    let mut body = signing(key, kind, message);
    body["Signature"] = signature.clone();
    body
}

/// The public half of a key (SubjectPublicKeyInfo, DER).
async fn public(server: &TestServer, key: &str) -> Vec<u8> {
    let named = json!({ "KeyId": key });
    let told = server.aws("GetPublicKey", named).await.ok(200);
    unbase64(&told["PublicKey"])
}

/// What a client makes of a message when it is too long to be sent (FIPS 204, algorithm 2): by the
/// hash of the raw public key, and with no context.
fn representative(public: &[u8], message: &[u8]) -> [u8; 64] {
    let shake256 = |parts: &[&[u8]]| {
        let mut out = [0; 64];
        Shake256::digest_xof(parts.concat(), &mut out);
        out
    };
    shake256(&[&shake256(&[&public[22..]]), &[0, 0], message])
}

async fn keys_are_made_and_told(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, _, public_len) in SPECS {
        let members = json!({ "KeySpec": spec, "KeyUsage": "SIGN_VERIFY" });
        let made = server.aws("CreateKey", members).await.ok(200)["KeyMetadata"].clone();
        assert_eq!(made["KeySpec"], spec);
        assert_eq!(made["SigningAlgorithms"], json!(["ML_DSA_SHAKE_256"]));
        let lists = made.as_object().unwrap().keys();
        let lists = lists.filter(|name| name.ends_with("Algorithms")).count();
        assert_eq!(lists, 1, "{made}");
        let named = json!({ "KeyId": made["KeyId"] });
        let told = server.aws("GetPublicKey", named).await.ok(200);
        assert_eq!(told["SigningAlgorithms"], json!(["ML_DSA_SHAKE_256"]));
        assert_eq!(told["KeyUsage"], "SIGN_VERIFY");
        let public = unbase64(&told["PublicKey"]);
        assert_eq!(public.len(), 22 + public_len);
        assert_eq!(asymmetric::kind_of_public(&public).unwrap().name(), spec);
        let body = json!({ "KeySpec": spec, "KeyUsage": "ENCRYPT_DECRYPT" });
        let said = server.aws("CreateKey", body).await;
        assert_eq!(
            said.aws_refused("ValidationException"),
            format!("KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec {spec}")
        );
    }
    server.stop().await;
}

async fn signatures_hold_or_are_errors(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, signature_len, _) in SPECS {
        let key = signing_key(&server, spec).await;
        for message in [&b"hello"[..], &[7; 4096]] {
            let made = server
                .aws("Sign", signing(&key, "RAW", message))
                .await
                .ok(200);
            assert_eq!(made["KeyId"], key);
            assert_eq!(made["SigningAlgorithm"], "ML_DSA_SHAKE_256");
            let signature = unbase64(&made["Signature"]);
            assert_eq!(signature.len(), signature_len);
            // RAW is what is meant when nobody says.
            let mut body = checking(&key, "RAW", message, &made["Signature"]);
            body.as_object_mut().unwrap().remove("MessageType");
            let told = server.aws("Verify", body).await.ok(200);
            assert_eq!(told["SignatureValid"], true);
            assert_eq!(told["KeyId"], key);

            let other = signing_key(&server, spec).await;
            let mut altered = signature.clone();
            altered[signature_len / 2] ^= 1;
            for body in [
                checking(&key, "RAW", b"other", &made["Signature"]),
                checking(&other, "RAW", message, &made["Signature"]),
                checking(&key, "RAW", message, &json!(base64(&altered))),
                checking(&key, "RAW", message, &json!(base64(&signature[1..]))),
                checking(&key, "RAW", message, &json!(base64(b"x"))),
            ] {
                let answer = server.aws("Verify", body).await;
                assert_eq!(
                    answer.json(),
                    json!({ "__type": "KMSInvalidSignatureException" })
                );
            }
        }
        let mut dry = signing(&key, "RAW", b"x");
        dry["DryRun"] = json!(true);
        let said = server.aws("Sign", dry).await;
        said.aws_refused("DryRunOperationException");
    }
    server.stop().await;
}

async fn a_message_and_its_representative_have_the_same_signatures(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, ..) in SPECS {
        let key = signing_key(&server, spec).await;
        let public = public(&server, &key).await;
        let mu = representative(&public, b"hello");
        for (kind, message) in [("RAW", &b"hello"[..]), ("EXTERNAL_MU", &mu)] {
            let made = server
                .aws("Sign", signing(&key, kind, message))
                .await
                .ok(200);
            for (kind, message) in [("RAW", &b"hello"[..]), ("EXTERNAL_MU", &mu)] {
                let body = checking(&key, kind, message, &made["Signature"]);
                let told = server.aws("Verify", body).await.ok(200);
                assert_eq!(told["SignatureValid"], true, "{spec} {kind}");
                let mut altered = message.to_vec();
                altered[0] ^= 1;
                let body = checking(&key, kind, &altered, &made["Signature"]);
                let answer = server.aws("Verify", body).await;
                answer.aws_refused("KMSInvalidSignatureException");
            }
        }
        // 64 bytes are a message like any other, too.
        let made = server.aws("Sign", signing(&key, "RAW", &mu)).await.ok(200);
        let body = checking(&key, "EXTERNAL_MU", &mu, &made["Signature"]);
        let answer = server.aws("Verify", body).await;
        answer.aws_refused("KMSInvalidSignatureException");
    }
    server.stop().await;
}

async fn what_does_not_go_with_the_algorithm(db: Db) {
    let server = TestServer::start(db).await;
    let key = signing_key(&server, "ML_DSA_44").await;
    let curve = json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" });
    let curve = server.aws_key(curve).await;
    let edwards = json!({ "KeySpec": "ECC_NIST_EDWARDS25519", "KeyUsage": "SIGN_VERIFY" });
    let edwards = server.aws_key(edwards).await;
    let (validation, usage) = ("ValidationException", "InvalidKeyUsageException");
    let length = "Digest is invalid length for algorithm ML_DSA_SHAKE_256.";
    let digest = "MessageType DIGEST does not go with ML_DSA_SHAKE_256; send the message as RAW, \
                  or its representative as EXTERNAL_MU";
    let mu = |algorithm: &str| {
        format!("MessageType EXTERNAL_MU goes with ML_DSA_SHAKE_256 only, not with {algorithm}")
    };
    let unfit = |algorithm: &str, spec: &str| {
        format!("Algorithm {algorithm} is incompatible with key spec {spec}.")
    };
    for (key, algorithm, kind, len, refused, text) in [
        (
            &key,
            "ML_DSA_SHAKE_256",
            "EXTERNAL_MU",
            63,
            validation,
            length.into(),
        ),
        (
            &key,
            "ML_DSA_SHAKE_256",
            "EXTERNAL_MU",
            65,
            validation,
            length.into(),
        ),
        (
            &key,
            "ML_DSA_SHAKE_256",
            "EXTERNAL_MU",
            1,
            validation,
            length.into(),
        ),
        (
            &key,
            "ML_DSA_SHAKE_256",
            "DIGEST",
            32,
            validation,
            digest.into(),
        ),
        (
            &key,
            "ML_DSA_SHAKE_256",
            "DIGEST",
            64,
            validation,
            digest.into(),
        ),
        (
            &curve,
            "ECDSA_SHA_256",
            "EXTERNAL_MU",
            64,
            validation,
            mu("ECDSA_SHA_256"),
        ),
        (
            &edwards,
            "ED25519_SHA_512",
            "EXTERNAL_MU",
            64,
            validation,
            mu("ED25519_SHA_512"),
        ),
        (
            &edwards,
            "ED25519_PH_SHA_512",
            "EXTERNAL_MU",
            64,
            validation,
            mu("ED25519_PH_SHA_512"),
        ),
        (
            &curve,
            "ML_DSA_SHAKE_256",
            "EXTERNAL_MU",
            64,
            usage,
            unfit("ML_DSA_SHAKE_256", "ECC_NIST_P256"),
        ),
        (
            &key,
            "ECDSA_SHA_256",
            "RAW",
            5,
            usage,
            unfit("ECDSA_SHA_256", "ML_DSA_44"),
        ),
    ] {
        let mut body = signing(key, kind, &vec![7; len]);
        body["SigningAlgorithm"] = json!(algorithm);
        for operation in ["Sign", "Verify"] {
            if operation == "Verify" {
                body["Signature"] = json!(base64(&[7; 2420]));
            }
            let said = server.aws(operation, body.clone()).await;
            assert_eq!(
                said.aws_refused(refused),
                text,
                "{operation} {algorithm} {kind} {len}"
            );
        }
    }
    for (member, value, refused) in [
        ("MessageType", json!("external_mu"), validation),
        ("MessageType", json!(""), validation),
        ("MessageType", json!(1), "SerializationException"),
        ("SigningAlgorithm", json!("ML_DSA_44"), validation),
        ("SigningAlgorithm", Value::Null, validation),
        ("Message", json!(""), validation),
        ("Message", json!(base64(&[7; 4097])), validation),
        ("Message", Value::Null, validation),
    ] {
        let mut body = signing(&key, "RAW", b"hello");
        body[member] = value.clone();
        let answer = server.aws("Sign", body).await;
        assert_eq!(answer.aws_outcome(), refused, "{member} {value}");
    }
    server.stop().await;
}

/// It has no word for representatives, and none for digests that ML-DSA could sign.
async fn the_other_dialect_signs_messages_with_them(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, ..) in SPECS {
        let key = signing_key(&server, spec).await;
        let id = key.rsplit_once('/').unwrap().1;
        let body = |kind: &str| {
            json!({
                "key_id": id, "message": base64(b"hello"), "message_type": kind,
                "signing_algorithm": "ML_DSA_SHAKE_256",
            })
        };
        let made = server.call("sign", body("RAW")).await.ok(200);
        let mut check = body("RAW");
        check["signature"] = made["signature"].clone();
        let told = server.call("verify", check).await.ok(200);
        assert_eq!(told["signature_valid"], "true");
        let check = checking(&key, "RAW", b"hello", &made["signature"]);
        server.aws("Verify", check).await.ok(200);
        for (kind, code) in [("DIGEST", "KMS.0332"), ("EXTERNAL_MU", "KMS.0308")] {
            let answer = server.call("sign", body(kind)).await;
            answer.refused(400, code);
        }
    }
    server.stop().await;
}
