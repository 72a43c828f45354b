//! Using keys: small data, data keys, signatures, authentication codes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kmsd::crypto::hash::sha256_hex;
use serde_json::{Value, json};

use crate::support::calls::{self, PEER, base64};
use crate::support::{Db, TestServer, on_both};

on_both!(
    what_is_encrypted_is_decrypted_with_the_same_binding_only,
    every_bit_of_a_ciphertext_counts,
    a_ciphertext_belongs_to_its_key_and_project,
    rsa_and_sm2_keys_encrypt_what_fits,
    data_keys_are_wrapped_and_unwrapped,
    lengths_of_data_keys_and_random_bytes,
    signatures_of_every_kind_hold_and_others_do_not,
    authentication_codes_hold_and_others_do_not,
    keys_of_the_wrong_kind_are_told_so,
    disabling_stops_a_key_at_once_i_35,
    data_is_encrypted_anew_without_leaving,
    key_pairs_are_made_and_their_private_halves_open,
    both_sides_agree_on_a_secret,
);

async fn encrypt(server: &TestServer, key: &str, more: Value) -> String {
    let mut body = json!({ "key_id": key, "plain_text": "card=4111" });
    merge(&mut body, more);
    let made = server.call("encrypt-data", body).await.ok(200);
    assert_eq!(made["key_id"], key);
    made["cipher_text"].as_str().unwrap().to_owned()
}

fn merge(body: &mut Value, more: Value) {
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        body[name] = value;
    }
}

async fn what_is_encrypted_is_decrypted_with_the_same_binding_only(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, more) in [
        ("AES_256", json!({})),
        ("SM4", json!({ "key_spec": "SM4" })),
    ] {
        let key = server.create(spec, more).await;
        let bindings = [
            json!({}),
            json!({ "additional_authenticated_data": "tenant-1" }),
            json!({ "additional_authenticated_data": "tenant-2" }),
            json!({ "encryption_context": { "a": "1", "b": "2" } }),
            json!({ "encryption_context": { "a": "1" } }),
        ];
        for (at, binding) in bindings.iter().enumerate() {
            let ciphertext = encrypt(&server, &key, binding.clone()).await;
            assert_eq!(
                ciphertext.len(),
                200,
                "124 bytes of head, 9 of text, 16 of tag"
            );
            assert_ne!(ciphertext, encrypt(&server, &key, binding.clone()).await);
            for (other, given) in bindings.iter().enumerate() {
                let mut body = json!({ "cipher_text": ciphertext });
                merge(&mut body, given.clone());
                let answer = server.call("decrypt-data", body).await;
                if other == at {
                    let opened = answer.ok(200);
                    assert_eq!(
                        opened,
                        json!({
                            "key_id": key,
                            "plain_text": "card=4111",
                            "plain_text_base64": "Y2FyZD00MTEx",
                        })
                    );
                } else {
                    answer.refused(400, "KMS.2201");
                }
            }
        }
        // An empty context is none, and pairs have no order.
        let none = encrypt(&server, &key, json!({ "encryption_context": {} })).await;
        server
            .call("decrypt-data", json!({ "cipher_text": none }))
            .await
            .ok(200);
        let both =
            json!({ "additional_authenticated_data": "x", "encryption_context": { "a": "1" } });
        let mut body = json!({ "key_id": key, "plain_text": "x" });
        merge(&mut body, both);
        server
            .call("encrypt-data", body)
            .await
            .refused(400, "KMS.0308");
    }
    let key = server.create("long", json!({})).await;
    for (text, verdict) in [
        ("x".repeat(4096), 200),
        ("é".repeat(2048), 200),
        ("line\nline".into(), 200),
        ("x".repeat(4097), 400),
        ("é".repeat(2049), 400),
    ] {
        let body = json!({ "key_id": key, "plain_text": text });
        assert_eq!(server.call("encrypt-data", body).await.status, verdict);
    }
    server.stop().await;
}

async fn every_bit_of_a_ciphertext_counts(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let blob = STANDARD
        .decode(encrypt(&server, &key, json!({})).await)
        .unwrap();
    for at in 0..blob.len() {
        let mut changed = blob.clone();
        changed[at] ^= 1 << (at % 8);
        let body = json!({ "cipher_text": base64(&changed) });
        let (status, code) = server.call("decrypt-data", body).await.verdict();
        // A changed key id may name a key that does not exist.
        let wanted = [(400, "KMS.2201"), (404, "KMS.0207")];
        assert!(
            wanted.contains(&(status, code.as_str())),
            "byte {at}: {status} {code}"
        );
        assert!(status == 400 || (8..44).contains(&at), "byte {at}");
    }
    for cut in [96, 123, 140, blob.len() - 1] {
        let body = json!({ "cipher_text": base64(&blob[..cut]) });
        server
            .call("decrypt-data", body)
            .await
            .refused(400, "KMS.2201");
    }
    assert_eq!(server.kms.metrics().panics(), 0);
    server.stop().await;
}

async fn a_ciphertext_belongs_to_its_key_and_project(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("one", json!({})).await;
    let other = server.create("two", json!({})).await;
    let ciphertext = encrypt(&server, &key, json!({})).await;
    let named = |id: &str| json!({ "cipher_text": ciphertext, "key_id": id });
    server.call("decrypt-data", named(&key)).await.ok(200);
    server
        .call("decrypt-data", named(&other))
        .await
        .refused(400, "KMS.2201");

    let stranger = server.another_account("evil").await;
    let token = server.log_in(&stranger).await;
    let path = format!("/v1.0/{}/kms/decrypt-data", stranger.project.id);
    let request = server
        .request("POST", &path)
        .header("X-Auth-Token", &token)
        .json(&json!({ "cipher_text": ciphertext }));
    server.send(request).await.refused(404, "KMS.0207");
    server.stop().await;
}

async fn rsa_and_sm2_keys_encrypt_what_fits(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, algorithm, most) in [
        ("RSA_2048", "RSAES_OAEP_SHA_256", Some(190)),
        ("SM2", "SM2_ENCRYPT", None),
    ] {
        let members = json!({ "key_spec": spec, "key_usage": "ENCRYPT_DECRYPT" });
        let key = server.create(spec, members).await;
        let with = json!({ "encryption_algorithm": algorithm });
        let ciphertext = encrypt(&server, &key, with.clone()).await;
        let mut body = json!({ "cipher_text": ciphertext, "key_id": key });
        merge(&mut body, with.clone());
        let opened = server.call("decrypt-data", body.clone()).await.ok(200);
        assert_eq!(opened["plain_text"], "card=4111", "{spec}");
        body.as_object_mut().unwrap().remove("key_id");
        server
            .call("decrypt-data", body)
            .await
            .refused(400, "KMS.0204");
        let plain = json!({ "key_id": key, "plain_text": "x" });
        server
            .call("encrypt-data", plain)
            .await
            .refused(400, "KMS.2106");
        if let Some(most) = most {
            let mut body = json!({ "key_id": key, "plain_text": "x".repeat(most + 1) });
            merge(&mut body, with);
            let said = server
                .call("encrypt-data", body)
                .await
                .refused(400, "KMS.2108");
            assert!(said.contains(&most.to_string()), "{said}");
        }
    }
    let key = server.create("aes", json!({})).await;
    let body = json!({
        "key_id": key, "plain_text": "x", "encryption_algorithm": "RSAES_OAEP_SHA_256",
    });
    server
        .call("encrypt-data", body)
        .await
        .refused(400, "KMS.2105");
    server.stop().await;
}

async fn data_keys_are_wrapped_and_unwrapped(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let bound = json!({ "additional_authenticated_data": "disk-7" });
    let mut body = json!({ "key_id": key, "datakey_length": 512 });
    merge(&mut body, bound.clone());
    let made = server.call("create-datakey", body).await.ok(200);
    let data_key = made["plain_text"].as_str().unwrap();
    assert_eq!(data_key.len(), 128);
    let digest = sha256_hex(&hex::decode(data_key).unwrap()).to_uppercase();

    let unwrap = async |ciphertext: &Value, length: Value, more: Value| {
        let mut body = json!({
            "key_id": key, "cipher_text": ciphertext, "datakey_cipher_length": length,
        });
        merge(&mut body, more);
        server.call("decrypt-datakey", body).await
    };
    let wrapped = &made["cipher_text"];
    assert_eq!(
        unwrap(wrapped, json!("64"), bound.clone()).await.ok(200),
        json!({ "data_key": data_key, "datakey_length": "64", "datakey_dgst": digest })
    );
    unwrap(wrapped, json!("64"), json!({}))
        .await
        .refused(400, "KMS.2203");
    unwrap(wrapped, json!("32"), bound)
        .await
        .refused(400, "KMS.2204");
    unwrap(wrapped, json!("0"), json!({}))
        .await
        .refused(400, "KMS.2202");
    unwrap(&json!("xyz"), json!("64"), json!({}))
        .await
        .refused(400, "KMS.2201");

    let own = "00".repeat(64);
    let own_digest = sha256_hex(&[0; 64]);
    for (text, length, verdict) in [
        (format!("{own}{own_digest}"), "64", (200, "")),
        (
            format!("{own}{}", own_digest.to_uppercase()),
            "64",
            (200, ""),
        ),
        (format!("{own}{}", "00".repeat(32)), "64", (400, "KMS.2103")),
        (format!("{own}{own_digest}"), "63", (400, "KMS.2104")),
        (own.clone(), "64", (400, "KMS.2104")),
        ("not hex".into(), "64", (400, "KMS.2101")),
        (format!("{own}{own_digest}"), "1025", (400, "KMS.2102")),
    ] {
        let body = json!({ "key_id": key, "plain_text": text, "datakey_plain_length": length });
        let answer = server.call("encrypt-datakey", body).await;
        assert_eq!(
            answer.verdict(),
            (verdict.0, verdict.1.to_owned()),
            "{}",
            answer.text
        );
        if answer.status == 200 {
            let wrapped = answer.json();
            assert_eq!(wrapped["datakey_length"], "64");
            let opened = unwrap(&wrapped["cipher_text"], json!(64), json!({}))
                .await
                .ok(200);
            assert_eq!(opened["data_key"], own.as_str());
        }
    }
    let body = json!({ "key_id": key, "key_spec": "AES_128" });
    let made = server
        .call("create-datakey-without-plaintext", body)
        .await
        .ok(200);
    assert!(made.get("plain_text").is_none());
    unwrap(&made["cipher_text"], json!("16"), json!({}))
        .await
        .ok(200);
    server.stop().await;
}

async fn lengths_of_data_keys_and_random_bytes(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    for (length, code) in [
        (json!("8"), ""),
        (json!(8192), ""),
        (json!("0"), "1"),
        (json!("8200"), "1"),
        (json!("many"), "1"),
        (json!("9"), "3"),
    ] {
        let cases = [
            ("create-datakey", "datakey_length", "KMS.1901", "KMS.1903"),
            (
                "create-datakey-without-plaintext",
                "datakey_length",
                "KMS.2001",
                "KMS.1903",
            ),
            ("gen-random", "random_data_length", "KMS.1801", "KMS.1802"),
        ];
        for (call, member, range, multiple) in cases {
            let mut body = json!({ "key_id": key });
            body[member] = length.clone();
            let answer = server.call(call, body).await;
            match code {
                "" => drop(answer.ok(200)),
                "1" => drop(answer.refused(400, range)),
                _ => drop(answer.refused(400, multiple)),
            }
        }
    }
    let body = json!({ "random_data_length": "512" });
    let one = server.call("gen-random", body.clone()).await.ok(200);
    assert_eq!(one["random_data"].as_str().unwrap().len(), 128);
    assert_ne!(one, server.call("gen-random", body).await.ok(200));
    let body = json!({ "key_id": key, "key_spec": "DES" });
    server
        .call("create-datakey", body)
        .await
        .refused(400, "KMS.1902");
    server.stop().await;
}

async fn signatures_of_every_kind_hold_and_others_do_not(db: Db) {
    let server = TestServer::start(db).await;
    let digest = |bits: usize| base64(&vec![7; bits / 8]);
    for (spec, algorithm, kind, message) in [
        ("RSA_2048", "RSASSA_PSS_SHA_256", "DIGEST", digest(256)),
        (
            "RSA_2048",
            "RSASSA_PKCS1_V1_5_SHA_512",
            "RAW",
            base64(b"hello"),
        ),
        ("EC_P256", "ECDSA_SHA_256", "DIGEST", digest(256)),
        ("EC_P384", "ECDSA_SHA_384", "RAW", base64(b"hello")),
        ("SECP256K1", "ECDSA_SHA_256", "RAW", base64(b"hello")),
        ("SM2", "SM2DSA_SM3", "DIGEST", digest(256)),
        ("ED25519", "ED25519_SHA_512", "RAW", base64(b"hello")),
        ("ED25519", "ED25519_PH_SHA_512", "DIGEST", digest(512)),
    ] {
        let key = server
            .create(
                &format!("{spec}-{algorithm}"),
                json!({ "key_spec": spec, "key_usage": "SIGN_VERIFY" }),
            )
            .await;
        let mut body = json!({
            "key_id": key, "message": message, "signing_algorithm": algorithm, "message_type": kind,
        });
        let signed = server.call("sign", body.clone()).await.ok(200);
        body["signature"] = signed["signature"].clone();
        let valid = async |body: &Value| {
            let checked = server.call("verify", body.clone()).await.ok(200);
            checked["signature_valid"].as_str().unwrap() == "true"
        };
        assert!(valid(&body).await, "{algorithm} of {spec}");
        let mut other = body.clone();
        other["message"] = match kind {
            "RAW" => json!(base64(b"hullo")),
            _ => json!(base64(&vec![8; STANDARD.decode(&message).unwrap().len()])),
        };
        assert!(!valid(&other).await, "another message");
        let mut bytes = STANDARD
            .decode(signed["signature"].as_str().unwrap())
            .unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        other = body.clone();
        other["signature"] = json!(base64(&bytes));
        assert!(!valid(&other).await, "another signature");
        let named = json!({ "key_id": key });
        let public = server.call("get-publickey", named).await.ok(200);
        let pem = public["public_key"].as_str().unwrap();
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\r\nM"), "{pem}");
        assert!(pem.ends_with("-----END PUBLIC KEY-----\r\n"));
    }
    let members = json!({ "key_spec": "EC_P256", "key_usage": "SIGN_VERIFY" });
    let key = server.create("ec", members).await;
    for (algorithm, kind, message, code) in [
        ("ECDSA_SHA_384", "DIGEST", digest(384), "KMS.0332"),
        ("RSASSA_PSS_SHA_256", "DIGEST", digest(256), "KMS.0332"),
        ("ECDSA_SHA_256", "DIGEST", digest(128), "KMS.0329"),
        ("ECDSA_SHA_1", "DIGEST", digest(256), "KMS.0308"),
        ("ECDSA_SHA_256", "HASH", digest(256), "KMS.0308"),
        ("ECDSA_SHA_256", "RAW", "not base64!".into(), "KMS.0308"),
        ("ECDSA_SHA_256", "RAW", base64(&[0; 4096]), "KMS.0308"),
    ] {
        let body = json!({
            "key_id": key, "message": message, "signing_algorithm": algorithm, "message_type": kind,
        });
        server.call("sign", body).await.refused(400, code);
    }
    server.stop().await;
}

async fn authentication_codes_hold_and_others_do_not(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, algorithm, bytes) in [
        ("HMAC_256", "HMAC_SHA_256", 32),
        ("HMAC_384", "HMAC_SHA_384", 48),
        ("HMAC_512", "HMAC_SHA_512", 64),
        ("HMAC_SM3", "HMAC_SM3", 32),
    ] {
        let key = server.create(spec, json!({ "key_spec": spec })).await;
        let mut body =
            json!({ "key_id": key, "mac_algorithm": algorithm, "message": base64(b"hello") });
        let made = server.call("generate-mac", body.clone()).await.ok(200);
        let mac = made["mac"].as_str().unwrap();
        assert_eq!(mac.len(), bytes * 2);
        for (given, holds) in [
            (mac.to_owned(), true),
            (mac.to_uppercase(), true),
            (mac[2..].to_owned(), false),
            ("00".repeat(bytes), false),
        ] {
            body["mac"] = json!(given);
            let checked = server.call("verify-mac", body.clone()).await.ok(200);
            assert_eq!(checked["mac_valid"], holds, "{spec} {given}");
        }
        body["mac_algorithm"] = json!(if bytes == 64 {
            "HMAC_SHA_256"
        } else {
            "HMAC_SHA_512"
        });
        server
            .call("generate-mac", body)
            .await
            .refused(400, "KMS.0308");
    }
    server.stop().await;
}

/// The contract's section 5.3, where it is about the calls here.
async fn keys_of_the_wrong_kind_are_told_so(db: Db) {
    let server = TestServer::start(db).await;
    let kinds = [
        ("aes", "AES_256", "ENCRYPT_DECRYPT"),
        ("rsa-sign", "RSA_2048", "SIGN_VERIFY"),
        ("rsa-encrypt", "RSA_2048", "ENCRYPT_DECRYPT"),
        ("ec", "EC_P256", "SIGN_VERIFY"),
        ("agree", "EC_P256", "KEY_AGREEMENT"),
        ("hmac", "HMAC_256", "GENERATE_VERIFY_MAC"),
    ];
    let mut keys = std::collections::BTreeMap::new();
    for (name, spec, usage) in kinds {
        let members = json!({ "key_spec": spec, "key_usage": usage });
        keys.insert(name, server.create(name, members).await);
    }
    let sign = json!({
        "message": base64(&[7; 32]), "signing_algorithm": "RSASSA_PSS_SHA_256", "signature": "AAAA",
    });
    let mac = json!({ "mac_algorithm": "HMAC_SHA_256", "message": "aGVsbG8=", "mac": "00" });
    for (calls, more, codes) in [
        (
            &["encrypt-data"][..],
            json!({ "plain_text": "x", "encryption_algorithm": "RSAES_OAEP_SHA_256" }),
            &[
                ("rsa-sign", "KMS.0335"),
                ("ec", "KMS.1114"),
                ("agree", "KMS.1114"),
                ("hmac", "KMS.0341"),
            ][..],
        ),
        (
            &["create-datakey", "create-datakey-without-plaintext"],
            json!({}),
            &[
                ("rsa-encrypt", "KMS.0325"),
                ("ec", "KMS.0325"),
                ("hmac", "KMS.0341"),
            ],
        ),
        (
            &["sign", "verify"],
            sign,
            &[
                ("aes", "KMS.1115"),
                ("rsa-encrypt", "KMS.0334"),
                ("agree", "KMS.0308"),
                ("hmac", "KMS.0341"),
            ],
        ),
        (
            &["get-publickey"],
            json!({}),
            &[("aes", "KMS.0331"), ("hmac", "KMS.0341")],
        ),
        (
            &["generate-mac", "verify-mac"],
            mac,
            &[
                ("aes", "KMS.0308"),
                ("ec", "KMS.0308"),
                ("rsa-sign", "KMS.0308"),
            ],
        ),
    ] {
        for call in calls {
            for (name, code) in codes {
                let mut body = json!({ "key_id": keys[name] });
                merge(&mut body, more.clone());
                let answer = server.call(call, body).await;
                assert_eq!(
                    answer.verdict(),
                    (400, (*code).to_owned()),
                    "{call} by {name}"
                );
            }
        }
    }
    let forged = base64(&[7; 256]);
    let opened = encrypt(&server, &keys["aes"], json!({})).await;
    let message = base64(b"hello");
    for (call, name, more, code) in [
        ("decrypt-data", "rsa-sign", "RSAES_OAEP_SHA_256", "KMS.0335"),
        ("decrypt-data", "ec", "RSAES_OAEP_SHA_256", "KMS.1114"),
        ("decrypt-data", "hmac", "RSAES_OAEP_SHA_256", "KMS.0341"),
        ("decrypt-data", "aes", "RSAES_OAEP_SHA_256", "KMS.2105"),
        ("decrypt-data", "rsa-encrypt", "SM2_ENCRYPT", "KMS.2106"),
        ("re-encrypt", "rsa-sign", "", "KMS.0335"),
        ("re-encrypt", "ec", "", "KMS.1114"),
        ("re-encrypt", "hmac", "", "KMS.0341"),
        ("verify", "ec", "RSASSA_PSS_SHA_256", "KMS.0332"),
        ("verify", "ec", "ECDSA_SHA_256", "KMS.0329"),
        ("encrypt-datakey", "rsa-encrypt", "", "KMS.0325"),
        ("encrypt-datakey", "hmac", "", "KMS.0341"),
        ("decrypt-datakey", "rsa-encrypt", "", "KMS.0325"),
        ("decrypt-datakey", "hmac", "", "KMS.0341"),
        ("create-ec-datakey-pair", "rsa-encrypt", "", "KMS.0325"),
        ("create-ec-datakey-pair", "hmac", "", "KMS.0341"),
        ("create-rsa-datakey-pair", "rsa-encrypt", "", "KMS.0325"),
        ("create-rsa-datakey-pair", "hmac", "", "KMS.0341"),
    ] {
        let key = &keys[name];
        let body = match call {
            "decrypt-data" => {
                json!({ "key_id": key, "cipher_text": forged, "encryption_algorithm": more })
            }
            "re-encrypt" => json!({ "cipher_text": opened, "destination_key_id": key }),
            "verify" => json!({
                "key_id": key,
                "message": message,
                "message_type": "DIGEST",
                "signature": message,
                "signing_algorithm": more,
            }),
            _ => (calls::named_call(call).body)(key),
        };
        let answer = server.call(call, body).await;
        assert_eq!(answer.verdict(), (400, code.to_owned()), "{call} by {name}");
    }
    // The table of states goes by what is asked for; two calls ask for a key pair.
    for (state, code) in [("3", "KMS.0209"), ("4", "KMS.0210"), ("5", "KMS.1301")] {
        let key = server.key_in(state, &format!("pair-{state}")).await;
        let body = json!({ "key_id": key, "key_spec": "RSA_2048" });
        server
            .call("create-rsa-datakey-pair", body)
            .await
            .refused(400, code);
    }
    server.stop().await;
}

async fn disabling_stops_a_key_at_once_i_35(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let ciphertext = encrypt(&server, &key, json!({})).await;
    let named = json!({ "key_id": key });
    let opened = json!({ "cipher_text": ciphertext });
    server.call("decrypt-data", opened.clone()).await.ok(200);
    server.call("disable-key", named.clone()).await.ok(200);
    // Its material is still open in memory; that must not matter.
    server
        .call("decrypt-data", opened.clone())
        .await
        .refused(400, "KMS.0209");
    server.call("enable-key", named.clone()).await.ok(200);
    server.call("decrypt-data", opened.clone()).await.ok(200);
    let body = json!({ "key_id": key, "pending_days": 7 });
    server.call("schedule-key-deletion", body).await.ok(200);
    server
        .call("decrypt-data", opened)
        .await
        .refused(400, "KMS.0210");
    server.stop().await;
}

async fn data_is_encrypted_anew_without_leaving(db: Db) {
    let server = TestServer::start(db).await;
    let (old, new) = (
        server.create("old", json!({})).await,
        server.create("new", json!({})).await,
    );
    let bound = json!({ "additional_authenticated_data": "a" });
    let ciphertext = encrypt(&server, &old, bound).await;
    let body = json!({
        "cipher_text": ciphertext,
        "source_additional_authenticated_data": "a",
        "destination_key_id": new,
        "destination_additional_authenticated_data": "b",
    });
    let moved = server.call("re-encrypt", body).await.ok(200);
    assert_eq!(
        (&moved["source_key_id"], &moved["key_id"]),
        (&json!(old), &json!(new))
    );
    let body = json!({
        "cipher_text": moved["cipher_text"], "additional_authenticated_data": "b",
    });
    let opened = server.call("decrypt-data", body).await.ok(200);
    assert_eq!(
        (&opened["key_id"], &opened["plain_text"]),
        (&json!(new), &json!("card=4111"))
    );
    let unbound = json!({ "cipher_text": ciphertext, "destination_key_id": new });
    server
        .call("re-encrypt", unbound)
        .await
        .refused(400, "KMS.2201");

    // A data key stays a data key.
    let made = server
        .call("create-datakey", json!({ "key_id": old }))
        .await
        .ok(200);
    let body = json!({ "cipher_text": made["cipher_text"], "destination_key_id": new });
    let moved = server.call("re-encrypt", body.clone()).await.ok(200);
    let unwrap = json!({
        "key_id": new, "cipher_text": moved["cipher_text"], "datakey_cipher_length": "32",
    });
    let opened = server.call("decrypt-datakey", unwrap).await.ok(200);
    assert_eq!(opened["data_key"], made["plain_text"]);
    server
        .call("disable-key", json!({ "key_id": new }))
        .await
        .ok(200);
    server
        .call("re-encrypt", body)
        .await
        .refused(400, "KMS.0209");
    server.stop().await;
}

async fn key_pairs_are_made_and_their_private_halves_open(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    for (call, spec) in [
        ("create-rsa-datakey-pair", "RSA_2048"),
        ("create-ec-datakey-pair", "ECC_NIST_P256"),
        ("create-ec-datakey-pair", "ECC_NIST_P521"),
        ("create-ec-datakey-pair", "ECC_SECG_P256K1"),
        ("create-ec-datakey-pair", "SM2"),
    ] {
        let body = json!({ "key_id": key, "key_spec": spec });
        let made = server.call(call, body).await.ok(200);
        let wrapped = json!({ "cipher_text": made["private_key_cipher_text"] });
        let opened = server.call("decrypt-data", wrapped).await.ok(200);
        assert_eq!(
            opened["plain_text_base64"], made["private_key_plain_text"],
            "{spec}"
        );
        let body = json!({ "key_id": key, "key_spec": spec, "with_plain_text": false });
        let made = server.call(call, body).await.ok(200);
        assert!(made.get("private_key_plain_text").is_none());
    }
    let body = json!({ "key_id": key, "key_spec": "ECC_NIST_P256" });
    server
        .call("create-rsa-datakey-pair", body)
        .await
        .refused(400, "KMS.0308");
    server.stop().await;
}

async fn both_sides_agree_on_a_secret(db: Db) {
    let server = TestServer::start(db).await;
    for spec in ["EC_P256", "EC_P384", "SECP256K1", "SM2"] {
        let members = json!({ "key_spec": spec, "key_usage": "KEY_AGREEMENT" });
        let mut sides = Vec::new();
        for name in ["a", "b"] {
            let key = server
                .create(&format!("{spec}-{name}"), members.clone())
                .await;
            let shown = server
                .call("get-publickey", json!({ "key_id": key }))
                .await
                .ok(200);
            let pem = shown["public_key"].as_str().unwrap();
            let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
            sides.push((key, lines.concat()));
        }
        let mut secrets = Vec::new();
        for (mine, theirs) in [(0, 1), (1, 0)] {
            let body = json!({
                "key_id": sides[mine].0,
                "key_agreement_algorithm": "ECDH",
                "public_key": sides[theirs].1,
            });
            let agreed = server.call("derive-shared-secret", body).await.ok(200);
            secrets.push(agreed["shared_secret"].clone());
        }
        assert_eq!(secrets[0], secrets[1], "{spec}");
        let body = json!({
            "key_id": sides[0].0, "key_agreement_algorithm": "ECDH", "public_key": "MFkw",
        });
        server
            .call("derive-shared-secret", body)
            .await
            .refused(400, "KMS.0308");
    }
    let signer = server
        .create(
            "signer",
            json!({ "key_spec": "EC_P256", "key_usage": "SIGN_VERIFY" }),
        )
        .await;
    let body = json!({ "key_id": signer, "key_agreement_algorithm": "ECDH", "public_key": PEER });
    server
        .call("derive-shared-secret", body)
        .await
        .refused(400, "KMS.0308");
    server.stop().await;
}
