//! Capsules: who may open them, and every way in which somebody may not.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kmsd::model::audit::Record;
use kmsd::operations::upkeep::{TimeGuard, step};
use serde_json::{Value, json};

use super::key_policies::bad_documents;
use crate::support::calls::{KEYSPACE, NO_ACCESS_POINT, PEER, base64, policy_for};
use crate::support::keyspace::{Custom, EXPIRES, create_point, create_policy};
use crate::support::{Answer, Db, START, TestServer, on_both, run};

on_both!(
    a_capsule_opens_for_the_access_point_that_its_policy_allows,
    a_data_key_for_a_recipient_comes_under_their_key,
    every_wrong_attestation_is_refused_in_the_same_words,
    a_signature_is_good_for_one_capsule_one_recipient_and_a_while,
    attestations_that_cannot_be_read_are_told_so,
    a_cluster_proves_itself_with_tokens,
    a_named_policy_counts_as_it_is_now,
    a_policy_holds_in_its_time_only,
    every_bit_of_a_capsule_counts,
    a_capsule_belongs_to_its_key_project_and_region,
    nobody_gets_around_the_policy,
    only_symmetric_keys_make_capsules,
    what_is_malformed_is_told_exactly,
);

const CREATE: &str = "datakey-capsule/create";
const DECRYPT: &str = "datakey-capsule/decrypt";

/// Makes a capsule of 256 bits; gives the data key and it.
async fn capsule(server: &TestServer, key: &str, more: Value) -> (Value, Value) {
    let mut body = json!({ "key_id": key, "datakey_length": "256" });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let mut made = server.call(CREATE, body).await.ok(200);
    (made["datakey"].take(), made["datakey_capsule"].take())
}

async fn last_record(server: &TestServer) -> Record {
    server.records().await.pop().unwrap()
}

/// Fails unless it is the one refusal of all attestations, recorded with this reason.
#[track_caller]
fn check_not_attested(answer: &Answer, record: &Record, why: &str) {
    assert_eq!(
        answer.refused(403, "KMS.0306"),
        "attestation_document proves no access point that the policy of the capsule allows now"
    );
    assert_eq!(record.outcome, "not-attested");
    assert!(record.detail.ends_with(why), "{why}: {}", record.detail);
}

async fn a_capsule_opens_for_the_access_point_that_its_policy_allows(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, more) in [
        ("AES_256", json!({})),
        ("SM4", json!({ "key_spec": "SM4" })),
    ] {
        let key = server.create(spec, more).await;
        let point = Custom::create(&server).await;
        let other = Custom::create(&server).await;
        let document = json!({ "version": "1.0", "allowed_access_point": [other.id, point.id] });
        let policy = create_policy(&server, &document.to_string()).await;
        for (how, length, bytes) in [
            (json!({ "policy_id": policy }), json!("256"), 32),
            (
                json!({ "key_policy": document.to_string() }),
                json!("128"),
                16,
            ),
            (
                json!({ "key_policy": document.to_string() }),
                json!(256),
                32,
            ),
        ] {
            let mut body = json!({ "key_id": key, "datakey_length": length });
            for (name, value) in how.as_object().unwrap() {
                body[name] = value.clone();
            }
            let made = server.call(CREATE, body).await.ok(200);
            assert_eq!(made["key_id"], key);
            assert_eq!(made.get("datakey_cipher"), None);
            let data_key = STANDARD.decode(made["datakey"].as_str().unwrap()).unwrap();
            assert_eq!(data_key.len(), bytes);
            for who in [&point, &other] {
                let body = who.opening(&key, &made["datakey_capsule"], None);
                let opened = server.call(DECRYPT, body).await.ok(200);
                assert_eq!(
                    opened,
                    json!({ "key_id": key, "instance_id": who.id, "datakey": made["datakey"] })
                );
            }
        }
    }
    server.stop().await;
}

async fn a_data_key_for_a_recipient_comes_under_their_key(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let point = Custom::create(&server).await;
    // Somebody's RSA key; that it is one of ours is convenient.
    let members = json!({ "key_spec": "RSA_2048", "key_usage": "ENCRYPT_DECRYPT" });
    let theirs = server.create("theirs", members).await;
    let told = server
        .call("get-publickey", json!({ "key_id": theirs }))
        .await
        .ok(200);
    let pem = told["public_key"].as_str().unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let policy = policy_for(&point.id);
    let decrypted = async |cipher: &Value| {
        let body = json!({
            "key_id": theirs, "cipher_text": cipher, "encryption_algorithm": "RSAES_OAEP_SHA_256",
        });
        server.call("decrypt-data", body).await.ok(200)["plain_text_base64"].clone()
    };
    for recipient in [pem, &der] {
        let body = json!({
            "key_id": key, "datakey_length": "256", "key_policy": policy, "public_key": recipient,
        });
        let made = server.call(CREATE, body).await.ok(200);
        assert_eq!(made.get("datakey"), None);
        let data_key = decrypted(&made["datakey_cipher"]).await;
        let body = point.opening(&key, &made["datakey_capsule"], Some(recipient));
        let opened = server.call(DECRYPT, body).await.ok(200);
        assert_eq!(opened.get("datakey"), None);
        assert_eq!(decrypted(&opened["datakey_cipher"]).await, data_key);
        let body = point.opening(&key, &made["datakey_capsule"], None);
        assert_eq!(
            server.call(DECRYPT, body).await.ok(200)["datakey"],
            data_key
        );
    }
    for recipient in [PEER, "AAAA"] {
        let body = json!({
            "key_id": key, "datakey_length": "256", "key_policy": policy, "public_key": recipient,
        });
        let said = server.call(CREATE, body).await.refused(400, "KMS.0308");
        assert!(
            said.starts_with("public_key must be a public key of RSA"),
            "{said}"
        );
    }
    server.stop().await;
}

async fn every_wrong_attestation_is_refused_in_the_same_words(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let point = Custom::create(&server).await;
    let stranger = Custom::create(&server).await;
    let (_, sealed) = capsule(
        &server,
        &key,
        json!({ "key_policy": policy_for(&point.id) }),
    )
    .await;
    let text = sealed.as_str().unwrap();
    let good = point.attest(text, EXPIRES, "");
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    let signature = good["custom_signature"].as_str().unwrap();
    let mut flipped = STANDARD.decode(signature).unwrap();
    flipped[20] ^= 1;
    let cut = &STANDARD.decode(signature).unwrap()[..40];
    let longer = [&STANDARD.decode(signature).unwrap()[..], &[0]].concat();
    let wrong = "the signature is wrong";
    let nobody = "the policy allows no such access point";
    for (attestation, why) in [
        (with("custom_signature", json!(base64(&flipped))), wrong),
        (with("custom_signature", json!(base64(cut))), wrong),
        (with("custom_signature", json!(base64(&longer))), wrong),
        (with("custom_signature", json!("AAAA")), wrong),
        // Another's signature under the name of this one.
        (
            with(
                "custom_signature",
                stranger.attest(text, EXPIRES, "")["custom_signature"].clone(),
            ),
            wrong,
        ),
        // Signed for another end than is told.
        (with("expire_time", json!("2026-01-02T03:14:06Z")), wrong),
        // A key that is no access point's, or no key, or of one that is not in the policy.
        (with("custom_public_key", json!(PEER)), nobody),
        (with("custom_public_key", json!("AAAA")), nobody),
        (stranger.attest(text, EXPIRES, ""), nobody),
        // What else could have been signed.
        (with("custom_signature", json!(point.sign(text))), wrong),
        (
            with(
                "custom_signature",
                json!(point.sign(&format!("{text}\n{EXPIRES}"))),
            ),
            wrong,
        ),
    ] {
        let body = json!({
            "key_id": key, "datakey_capsule": sealed, "attestation_document": attestation,
        });
        let answer = server.call(DECRYPT, body).await;
        check_not_attested(&answer, &last_record(&server).await, why);
    }
    // Switched off, on, and ended.
    let named = json!({ "access_point_id": point.id });
    for (call, works, why) in [
        (
            "access-points/{access_point_id}/disable",
            false,
            "is disabled",
        ),
        ("access-points/{access_point_id}/enable", true, ""),
        ("DELETE access-points/{access_point_id}", false, nobody),
    ] {
        server.call(call, named.clone()).await.ok(204);
        let answer = server
            .call(DECRYPT, point.opening(&key, &sealed, None))
            .await;
        if works {
            answer.ok(200);
            let record = last_record(&server).await;
            assert_eq!(record.detail, format!("access point {}", point.id));
            assert_eq!(record.key_id, key);
        } else {
            check_not_attested(&answer, &last_record(&server).await, why);
        }
    }
    // No record holds what was signed or opened.
    let records = format!("{:?}", server.records().await);
    assert!(!records.contains(&signature[..20]));
    server.stop().await;
}

async fn a_signature_is_good_for_one_capsule_one_recipient_and_a_while(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let point = Custom::create(&server).await;
    let policy = json!({ "key_policy": policy_for(&point.id) });
    let (_, one) = capsule(&server, &key, policy.clone()).await;
    let (_, two) = capsule(&server, &key, policy).await;
    let members = json!({ "key_spec": "RSA_2048", "key_usage": "ENCRYPT_DECRYPT" });
    let theirs = server.create("theirs", members).await;
    let told = server
        .call("get-publickey", json!({ "key_id": theirs }))
        .await
        .ok(200);
    let recipient = told["public_key"].as_str().unwrap();

    let body = point.opening(&key, &one, None);
    server.call(DECRYPT, body.clone()).await.ok(200);
    let mut other = body.clone();
    other["datakey_capsule"] = two;
    let mut elsewhere = body.clone();
    elsewhere["public_key"] = json!(recipient);
    let mut in_the_clear = point.opening(&key, &one, Some(recipient));
    in_the_clear.as_object_mut().unwrap().remove("public_key");
    for replayed in [other, elsewhere, in_the_clear] {
        let answer = server.call(DECRYPT, replayed).await;
        check_not_attested(
            &answer,
            &last_record(&server).await,
            "the signature is wrong",
        );
    }
    let ending = |seconds: i64| {
        let at = kmsd::model::time::Timestamp::from_seconds(START.seconds() + seconds);
        let mut body = body.clone();
        let text = one.as_str().unwrap();
        body["attestation_document"] = point.attest(text, &at.iso_seconds(), "");
        body
    };
    for (seconds, good) in [
        (-1, false),
        (0, false),
        (1, true),
        (900, true),
        (901, false),
    ] {
        let answer = server.call(DECRYPT, ending(seconds)).await;
        if good {
            answer.ok(200);
        } else {
            let said = answer.refused(400, "KMS.0308");
            assert_eq!(
                said,
                "attestation_document.expire_time must be in the future, by at most 15 minutes"
            );
        }
    }
    // A clock that was set back revives none: the end is judged by the latest time believed.
    server.clock.advance(Duration::from_secs(600));
    step(&server.kms, &mut TimeGuard::default()).await.unwrap();
    server.clock.fall_back(Duration::from_secs(60));
    server.call(DECRYPT, body).await.refused(400, "KMS.0308");
    server.stop().await;
}

async fn attestations_that_cannot_be_read_are_told_so(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let point = Custom::create(&server).await;
    let (_, sealed) = capsule(
        &server,
        &key,
        json!({ "key_policy": policy_for(&point.id) }),
    )
    .await;
    let good = point.attest(sealed.as_str().unwrap(), EXPIRES, "");
    let only = |names: &[&str]| -> Value {
        names
            .iter()
            .map(|name| (name.to_string(), good[*name].clone()))
            .collect()
    };
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    let document = "attestation_document";
    for (attestation, code, said) in [
        (Value::Null, "KMS.0204", String::new()),
        (json!("x"), "KMS.0308", String::new()),
        (json!({}), "KMS.3804", " holds no proof".into()),
        (
            json!({ "expire_time": EXPIRES }),
            "KMS.3804",
            " holds no proof".into(),
        ),
        (
            json!({ "service_token": "", "ecs_signature": "" }),
            "KMS.3804",
            " holds no proof".into(),
        ),
        (
            json!({ "ecs_signature": "AAAA" }),
            "KMS.3804",
            " holds an ecs_signature".into(),
        ),
        (
            json!({ "service_token": "x" }),
            "KMS.3804",
            " holds a service_token".into(),
        ),
        (
            json!({ "service_token": "a.b.c" }),
            "KMS.3804",
            " holds a service_token".into(),
        ),
        (
            json!({ "service_token": 5 }),
            "KMS.0308",
            ".service_token".into(),
        ),
        (
            with("service_token", json!("x")),
            "KMS.3804",
            " holds more than one".into(),
        ),
        (
            with("ecs_signature", json!("x")),
            "KMS.3804",
            " holds more than one".into(),
        ),
        (
            with("custom_signature", json!("no Base64!")),
            "KMS.3804",
            " holds a custom_signature".into(),
        ),
        (
            with("custom_public_key", json!("no Base64!")),
            "KMS.3804",
            " holds a custom_public_key".into(),
        ),
        (
            with("custom_signature", json!([])),
            "KMS.0308",
            ".custom_signature".into(),
        ),
        (
            with("custom_public_key", json!(true)),
            "KMS.0308",
            ".custom_public_key".into(),
        ),
        (
            with("expire_time", json!("tomorrow")),
            "KMS.0308",
            ".expire_time".into(),
        ),
        (
            with("expire_time", json!("2026-01-02T03:14:05.0Z")),
            "KMS.0308",
            ".expire_time".into(),
        ),
        (
            with("expire_time", json!(1_767_323_645)),
            "KMS.0308",
            ".expire_time".into(),
        ),
        (
            only(&["custom_signature", "custom_public_key"]),
            "KMS.0204",
            ".expire_time".into(),
        ),
        (
            only(&["custom_signature", "expire_time"]),
            "KMS.0204",
            ".custom_public_key".into(),
        ),
        (
            only(&["custom_public_key", "expire_time"]),
            "KMS.0204",
            ".custom_signature".into(),
        ),
    ] {
        let body = json!({
            "key_id": key, "datakey_capsule": sealed, "attestation_document": attestation,
        });
        let told = server.call(DECRYPT, body).await.refused(400, code);
        assert!(
            told.starts_with(&format!("{document}{said}")),
            "{attestation}: {told}"
        );
    }
    // A server can be registered and named, but nobody here can vouch for it.
    let machine = create_point(&server, json!({ "type": 1, "identity": "server-1" })).await;
    let (_, sealed) = capsule(&server, &key, json!({ "key_policy": policy_for(&machine) })).await;
    let body = json!({
        "key_id": key, "datakey_capsule": sealed,
        "attestation_document": { "ecs_signature": "AAAA" },
    });
    let said = server.call(DECRYPT, body).await.refused(400, "KMS.3804");
    assert!(
        said.ends_with("use an access point of type 2 or 3"),
        "{said}"
    );
    server.stop().await;
}

/// A token of a cluster, signed in this algorithm.
fn token(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    let mut header = Header::new(algorithm);
    header.typ = None;
    header.kid = Some("cluster-key".into());
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

async fn a_cluster_proves_itself_with_tokens(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let pair = async |call: &str, spec: &str| {
        let body = json!({ "key_id": key, "key_spec": spec });
        let made = server.call(call, body).await.ok(200);
        let private = made["private_key_plain_text"].as_str().unwrap();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{private}\n-----END PRIVATE KEY-----\n");
        (made["public_key"].clone(), pem)
    };
    let (rsa, rsa_pem) = pair("create-rsa-datakey-pair", "RSA_2048").await;
    let (p256, p256_pem) = pair("create-ec-datakey-pair", "ECC_NIST_P256").await;
    let (p384, p384_pem) = pair("create-ec-datakey-pair", "ECC_NIST_P384").await;
    let now = START.seconds();
    for (algorithm, public, signing) in [
        (
            Algorithm::RS256,
            &rsa,
            EncodingKey::from_rsa_pem(rsa_pem.as_bytes()).unwrap(),
        ),
        (
            Algorithm::ES256,
            &p256,
            EncodingKey::from_ec_pem(p256_pem.as_bytes()).unwrap(),
        ),
        (
            Algorithm::ES384,
            &p384,
            EncodingKey::from_ec_pem(p384_pem.as_bytes()).unwrap(),
        ),
    ] {
        let members = json!({ "type": 2, "identity": public, "cluster_id": "cluster-7" });
        let point = create_point(&server, members).await;
        let (data_key, sealed) =
            capsule(&server, &key, json!({ "key_policy": policy_for(&point) })).await;
        let good = json!({
            "iss": "https://kubernetes.default.svc.cluster.local",
            "sub": "system:serviceaccount:shop:web",
            "aud": [point],
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3540,
            "kubernetes.io": { "namespace": "shop" },
        });
        let ask = async |token: &str| {
            let body = json!({
                "key_id": key, "datakey_capsule": sealed,
                "attestation_document": { "service_token": token },
            });
            server.call(DECRYPT, body).await
        };
        let good_token = token(algorithm, &signing, &good);
        assert_eq!(
            ask(&good_token).await.ok(200),
            json!({ "key_id": key, "instance_id": "cluster-7", "datakey": data_key })
        );
        assert_eq!(
            last_record(&server).await.detail,
            format!("access point {point}, service account shop:web")
        );
        let (signed, signature) = good_token.rsplit_once('.').unwrap();
        let head = good_token.split('.').next().unwrap();
        let none = format!(
            "{}.{}.",
            b64url(br#"{"alg":"none"}"#),
            good_token.split('.').nth(1).unwrap()
        );
        let nobody = "the policy allows no such access point";
        let claims = |name: &str, value: Value| {
            let mut changed = good.clone();
            changed[name] = value;
            token(algorithm, &signing, &changed)
        };
        let stranger = EncodingKey::from_ec_pem(
            pair("create-ec-datakey-pair", "ECC_NIST_P256")
                .await
                .1
                .as_bytes(),
        )
        .unwrap();
        let forged = b64url(
            &serde_json::to_vec(&{
                let mut changed = good.clone();
                changed["sub"] = json!("system:serviceaccount:kube-system:admin");
                changed
            })
            .unwrap(),
        );
        for (token, why) in [
            (
                claims("aud", json!("https://kubernetes.default.svc")),
                nobody,
            ),
            (claims("aud", json!([])), nobody),
            (claims("aud", json!([NO_ACCESS_POINT])), nobody),
            (claims("exp", json!(now)), "it has expired"),
            (
                claims("exp", json!(now + 86_400)),
                "it lives longer than 24 hours, or not at all",
            ),
            (
                claims("exp", Value::Null),
                "it has a claim of the wrong type",
            ),
            (claims("nbf", json!(now + 60)), "it is not valid yet"),
            (claims("iat", json!(now + 60)), "it is not valid yet"),
            (claims("sub", json!("alice")), "it is no service account's"),
            (claims("sub", json!(5)), "it has a claim of the wrong type"),
            (
                format!("{head}.{forged}.{signature}"),
                "its signature does not hold",
            ),
            (format!("{signed}.AAAA"), "its signature does not hold"),
            (format!("{signed}."), "its signature does not hold"),
            (none, "its algorithm is not that of its key"),
            (
                self::token(Algorithm::HS256, &EncodingKey::from_secret(b"x"), &good),
                "its algorithm is not that of its key",
            ),
        ] {
            let answer = ask(&token).await;
            check_not_attested(&answer, &last_record(&server).await, why);
        }
        let by_stranger = ask(&self::token(Algorithm::ES256, &stranger, &good)).await;
        let why = match algorithm {
            Algorithm::ES256 => "its signature does not hold",
            _ => "its algorithm is not that of its key",
        };
        check_not_attested(&by_stranger, &last_record(&server).await, why);
        // Neither kind of proof does for the other kind of access point.
        let custom = Custom::create(&server).await;
        let body = custom.opening(&key, &sealed, None);
        let answer = server.call(DECRYPT, body).await;
        check_not_attested(&answer, &last_record(&server).await, nobody);
        let (_, for_custom) = capsule(
            &server,
            &key,
            json!({ "key_policy": policy_for(&custom.id) }),
        )
        .await;
        let body = json!({
            "key_id": key, "datakey_capsule": for_custom,
            "attestation_document": { "service_token": claims("aud", json!(custom.id)) },
        });
        let answer = server.call(DECRYPT, body).await;
        check_not_attested(&answer, &last_record(&server).await, nobody);
    }
    server.stop().await;
}

fn b64url(bytes: &[u8]) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

async fn a_named_policy_counts_as_it_is_now(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let (one, two) = (Custom::create(&server).await, Custom::create(&server).await);
    let policy = create_policy(&server, &policy_for(&one.id)).await;
    let (data_key, sealed) = capsule(&server, &key, json!({ "policy_id": policy })).await;
    let (_, own) = capsule(&server, &key, json!({ "key_policy": policy_for(&one.id) })).await;
    let update = async |document: String| {
        let body = json!({ "policy_id": policy, "policy": document });
        server
            .call("PUT key-policies/{policy_id}", body)
            .await
            .ok(200);
    };
    let opens = async |who: &Custom| {
        let answer = server.call(DECRYPT, who.opening(&key, &sealed, None)).await;
        match answer.status {
            200 => assert_eq!(answer.json()["datakey"], data_key),
            _ => drop(answer.refused(403, "KMS.0306")),
        }
        answer.status == 200
    };
    assert_eq!((opens(&one).await, opens(&two).await), (true, false));
    update(policy_for(&two.id)).await;
    assert_eq!((opens(&one).await, opens(&two).await), (false, true));
    // A policy that names nobody lets nobody in.
    update("{\"version\":\"1.0\"}".into()).await;
    assert_eq!((opens(&one).await, opens(&two).await), (false, false));
    update(policy_for(&one.id)).await;
    assert!(opens(&one).await);
    let named = json!({ "policy_id": policy });
    server
        .call("DELETE key-policies/{policy_id}", named)
        .await
        .ok(204);
    let answer = server.call(DECRYPT, one.opening(&key, &sealed, None)).await;
    check_not_attested(
        &answer,
        &last_record(&server).await,
        "the policy of the capsule is gone",
    );
    // What went into the capsule is beyond all of this.
    server
        .call(DECRYPT, one.opening(&key, &own, None))
        .await
        .ok(200);
    server.stop().await;
}

async fn a_policy_holds_in_its_time_only(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let point = Custom::create(&server).await;
    let document = json!({
        "version": "1.0",
        "validity_period": {
            "start_time": "2026-01-02T03:05:00Z", "end_time": "2026-01-02T03:06:00Z",
        },
        "allowed_access_point": [point.id],
    })
    .to_string();
    let policy = create_policy(&server, &document).await;
    let (_, named) = capsule(&server, &key, json!({ "policy_id": policy })).await;
    let (_, own) = capsule(&server, &key, json!({ "key_policy": document })).await;
    let outside = "the policy is not valid at this time";
    for (wait, works) in [(0, false), (54, false), (1, true), (59, true), (1, false)] {
        server.clock.advance(Duration::from_secs(wait));
        for sealed in [&named, &own] {
            let answer = server
                .call(DECRYPT, point.opening(&key, sealed, None))
                .await;
            if works {
                answer.ok(200);
            } else {
                check_not_attested(&answer, &last_record(&server).await, outside);
            }
        }
    }
    // Nothing is sealed so that it can never be opened.
    for document in [document, "{\"version\":\"1.0\"}".into()] {
        let body = json!({ "key_id": key, "datakey_length": "256", "key_policy": document });
        let said = server.call(CREATE, body).await.refused(400, "KMS.0308");
        assert!(said.starts_with("key_policy lets nobody open"), "{said}");
    }
    server.stop().await;
}

async fn every_bit_of_a_capsule_counts(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let point = Custom::create(&server).await;
    let policy = create_policy(&server, &policy_for(&point.id)).await;
    for how in [
        json!({ "policy_id": policy }),
        json!({ "key_policy": policy_for(&point.id) }),
    ] {
        let (_, sealed) = capsule(&server, &key, how).await;
        let bytes = STANDARD.decode(sealed.as_str().unwrap()).unwrap();
        let ask = async |bytes: &[u8]| {
            let text = json!(base64(bytes));
            server.call(DECRYPT, point.opening(&key, &text, None)).await
        };
        ask(&bytes).await.ok(200);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            let said = ask(&changed).await.refused(400, "KMS.2201");
            assert!(said.starts_with("datakey_capsule does not open"), "{said}");
        }
        for len in [1, 4, 5, 40, 41, 45, 100, bytes.len() - 17, bytes.len() - 1] {
            ask(&bytes[..len]).await.refused(400, "KMS.2201");
        }
        let longer = [&bytes[..], &[0]].concat();
        ask(&longer).await.refused(400, "KMS.2201");
    }
    assert_eq!(server.kms.metrics().panics(), 0);
    server.stop().await;
}

async fn a_capsule_belongs_to_its_key_project_and_region(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("one", json!({})).await;
    let other = server.create("two", json!({})).await;
    let point = Custom::create(&server).await;
    let (_, sealed) = capsule(
        &server,
        &key,
        json!({ "key_policy": policy_for(&point.id) }),
    )
    .await;
    server
        .call(DECRYPT, point.opening(&other, &sealed, None))
        .await
        .refused(400, "KMS.2201");

    // The key's id put in the place of the other's, in the blob behind the policy.
    let mut bytes = STANDARD.decode(sealed.as_str().unwrap()).unwrap();
    let at = bytes
        .windows(36)
        .position(|part| part == key.as_bytes())
        .unwrap();
    bytes[at..at + 36].copy_from_slice(other.as_bytes());
    let moved = json!(base64(&bytes));
    server
        .call(DECRYPT, point.opening(&other, &moved, None))
        .await
        .refused(400, "KMS.2201");

    let stranger = server.another_account("evil").await;
    let token = server.log_in(&stranger).await;
    let project = stranger.project.id.as_str();
    let body = json!({ "key_alias": "theirs" });
    let made = server
        .call_in(project, &token, "create-key", body)
        .await
        .ok(200);
    let theirs = made["key_info"]["key_id"].as_str().unwrap();
    for (id, status, code) in [(key.as_str(), 404, "KMS.0207"), (theirs, 400, "KMS.2201")] {
        let body = point.opening(id, &sealed, None);
        let answer = server.call_in(project, &token, DECRYPT, body).await;
        answer.refused(status, code);
    }
    // Nor can they let our access point in, or use ours for themselves.
    let body = json!({
        "key_id": theirs, "datakey_length": "256", "key_policy": policy_for(&point.id),
    });
    let answer = server.call_in(project, &token, CREATE, body).await;
    let said = answer.refused(400, "KMS.0308");
    assert!(said.ends_with("no access point of the project"), "{said}");

    let request = server
        .request("POST", &server.kms_path(DECRYPT))
        .header("Host", "kms.region-2.example.test")
        .header("X-Auth-Token", &server.token)
        .json(&point.opening(&key, &sealed, None));
    server.send(request).await.refused(404, "KMS.0207");
    server.stop().await;
}

/// Whoever may decrypt data or data keys with the key must not open its capsules by that.
async fn nobody_gets_around_the_policy(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let point = Custom::create(&server).await;
    let policy = create_policy(&server, &policy_for(&point.id)).await;
    let (_, sealed) = capsule(&server, &key, json!({ "policy_id": policy })).await;
    let bytes = STANDARD.decode(sealed.as_str().unwrap()).unwrap();
    let (beginning, blob) = bytes.split_at(5 + 36);
    let bound = String::from_utf8_lossy(&beginning[2..]).into_owned();
    for context in [
        json!({}),
        json!({ "additional_authenticated_data": bound }),
        json!({ "additional_authenticated_data": policy }),
        json!({ "encryption_context": bound }),
        json!({ "encryption_context": { "policy_id": policy } }),
    ] {
        for flags in [0, 1, 2, 4] {
            let mut blob = blob.to_vec();
            blob[3] = flags;
            let mut data = json!({ "cipher_text": base64(&blob) });
            let mut data_key = json!({
                "key_id": key, "cipher_text": hex::encode(&blob), "datakey_cipher_length": "32",
            });
            let mut moved = json!({ "cipher_text": base64(&blob), "destination_key_id": key });
            for (name, value) in context.as_object().unwrap() {
                data[name] = value.clone();
                data_key[name] = value.clone();
                moved[format!("source_{name}")] = value.clone();
            }
            server
                .call("decrypt-data", data)
                .await
                .refused(400, "KMS.2201");
            server
                .call("decrypt-datakey", data_key)
                .await
                .refused(400, "KMS.2203");
            server
                .call("re-encrypt", moved)
                .await
                .refused(400, "KMS.2201");
        }
    }
    // Nor is what anybody else encrypted a capsule.
    let made = server
        .call("create-datakey", json!({ "key_id": key }))
        .await
        .ok(200);
    let blob = hex::decode(made["cipher_text"].as_str().unwrap()).unwrap();
    let forged = json!(base64(&[beginning, &blob].concat()));
    server
        .call(DECRYPT, point.opening(&key, &forged, None))
        .await
        .refused(400, "KMS.2201");
    server.stop().await;
}

async fn only_symmetric_keys_make_capsules(db: Db) {
    let server = TestServer::start(db).await;
    let symmetric = server.create("k", json!({})).await;
    let point = Custom::create(&server).await;
    let policy = policy_for(&point.id);
    let (_, sealed) = capsule(&server, &symmetric, json!({ "key_policy": policy })).await;
    for (spec, usage, code) in [
        ("RSA_2048", "ENCRYPT_DECRYPT", "KMS.0325"),
        ("EC_P256", "SIGN_VERIFY", "KMS.0325"),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "KMS.0341"),
    ] {
        let key = server
            .create(spec, json!({ "key_spec": spec, "key_usage": usage }))
            .await;
        let body = json!({ "key_id": key, "datakey_length": "256", "key_policy": policy });
        server.call(CREATE, body).await.refused(400, code);
        let body = point.opening(&key, &sealed, None);
        server.call(DECRYPT, body).await.refused(400, code);
    }
    server.stop().await;
}

async fn what_is_malformed_is_told_exactly(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let point = Custom::create(&server).await;
    let policy = policy_for(&point.id);
    let (_, sealed) = capsule(&server, &key, json!({ "key_policy": policy })).await;
    let create = json!({ "key_id": key, "datakey_length": "256", "key_policy": policy });
    let decrypt = point.opening(&key, &sealed, None);
    let mut tried: Vec<(&str, Value, &str, String)> = Vec::new();
    for call in [CREATE, DECRYPT] {
        for (value, code) in [
            (Value::Null, "KMS.0204"),
            (json!(""), "KMS.0204"),
            (json!(7), "KMS.0205"),
            (json!("x"), "KMS.0205"),
            (json!("alias/orders"), "KMS.0205"),
            (json!(KEYSPACE.to_uppercase()), "KMS.0205"),
        ] {
            tried.push((call, json!({ "key_id": value }), code, "key_id".into()));
        }
        for value in [
            json!("no Base64!"),
            json!("-----BEGIN PUBLIC KEY-----"),
            json!([]),
        ] {
            tried.push((
                call,
                json!({ "public_key": value }),
                "KMS.0308",
                "public_key".into(),
            ));
        }
        tried.push((
            call,
            json!({ "public_key": PEER }),
            "KMS.0308",
            "public_key".into(),
        ));
    }
    for (value, code) in [
        (Value::Null, "KMS.0204"),
        (json!(""), "KMS.0204"),
        (json!("512"), "KMS.1901"),
        (json!("0"), "KMS.1901"),
        (json!(-128), "KMS.1901"),
        (json!("many"), "KMS.1901"),
        (json!([]), "KMS.1901"),
    ] {
        tried.push((
            CREATE,
            json!({ "datakey_length": value }),
            code,
            "datakey_length".into(),
        ));
    }
    for (members, code, member) in [
        (
            json!({ "key_policy": null }),
            "KMS.0204",
            "policy_id or key_policy",
        ),
        (
            json!({ "key_policy": "" }),
            "KMS.0204",
            "policy_id or key_policy",
        ),
        (
            json!({ "policy_id": NO_ACCESS_POINT }),
            "KMS.0308",
            "key_policy and policy_id",
        ),
        (json!({ "key_policy": {} }), "KMS.0308", "key_policy"),
        (
            json!({ "key_policy": null, "policy_id": "x" }),
            "KMS.0308",
            "policy_id",
        ),
        (
            json!({ "key_policy": null, "policy_id": 5 }),
            "KMS.0308",
            "policy_id",
        ),
        (
            json!({ "key_policy": null, "policy_id": NO_ACCESS_POINT }),
            "KMS.0308",
            "policy_id",
        ),
    ] {
        tried.push((CREATE, members, code, member.into()));
    }
    for (document, code, path) in bad_documents() {
        tried.push((
            CREATE,
            json!({ "key_policy": document }),
            code,
            format!("key_policy{path}"),
        ));
    }
    for (value, code) in [
        (Value::Null, "KMS.0204"),
        (json!(""), "KMS.0204"),
        (json!("no Base64!"), "KMS.2201"),
        (json!("A".repeat(8196)), "KMS.2201"),
        (json!("QQ"), "KMS.2201"),
        (json!("QQ=="), "KMS.2201"),
        (json!(5), "KMS.2201"),
    ] {
        tried.push((
            DECRYPT,
            json!({ "datakey_capsule": value }),
            code,
            "datakey_capsule".into(),
        ));
    }
    for (call, members, code, member) in tried {
        let mut body = if call == CREATE {
            create.clone()
        } else {
            decrypt.clone()
        };
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        let said = server.call(call, body).await.refused(400, code);
        assert!(
            said.starts_with(&format!("{member} ")),
            "{call} {members}: {said}"
        );
    }
    server.stop().await;
}

/// Whoever can write the database but has no key must not switch an access point on or change a
/// policy. Rows and seals are the same on both databases; one tells enough.
#[test]
fn an_altered_row_lets_nobody_in_i_43() {
    run(altered_rows());
}

async fn altered_rows() {
    let server = TestServer::start(Db::Sqlite).await;
    let key = server.create("k", json!({})).await;
    let point = Custom::create(&server).await;
    let stranger = Custom::create(&server).await;
    let policy = create_policy(&server, &policy_for(&point.id)).await;
    let (_, sealed) = capsule(&server, &key, json!({ "policy_id": policy })).await;
    let ask = async |who: &Custom| server.call(DECRYPT, who.opening(&key, &sealed, None)).await;
    let file = server.folder().join("data/kmsd.db");
    let alter = async |sql: &'static str, value: String, id: &str| {
        use sqlx::{Connection, SqliteConnection};
        let mut db = SqliteConnection::connect(&format!("sqlite:{}", file.display()))
            .await
            .unwrap();
        let done = sqlx::query(sql)
            .bind(value)
            .bind(id)
            .execute(&mut db)
            .await
            .unwrap();
        assert_eq!(done.rows_affected(), 1, "{sql}");
        db.close().await.unwrap();
    };
    let named = json!({ "access_point_id": point.id });
    let disable = "access-points/{access_point_id}/disable";
    server.call(disable, named).await.ok(204);
    ask(&point).await.refused(403, "KMS.0306");
    let sql = "UPDATE access_points SET enabled = CAST($1 AS INTEGER) WHERE id = $2";
    alter(sql, "1".into(), &point.id).await;
    ask(&point).await.refused(500, "KMS.0103");
    alter(sql, "0".into(), &point.id).await;
    ask(&point).await.refused(403, "KMS.0306");
    let sql = "UPDATE capsule_policies SET rules = $1 WHERE id = $2";
    alter(sql, format!("1.0|||{}", stranger.id), &policy).await;
    ask(&stranger).await.refused(500, "KMS.0103");
    server.stop().await;
}
