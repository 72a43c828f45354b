//! Imported key material: wrapped, brought in, over, dropped and brought back.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use kmsd::crypto::algorithm::EncryptionAlgorithm;
use kmsd::crypto::asymmetric::encrypt_with_public;
use kmsd::crypto::blob::Header;
use kmsd::crypto::material::MaterialKind;
use kmsd::crypto::secret::Secret;
use kmsd::crypto::wrap::KeyWrap;
use kmsd::model::action::Action;
use kmsd::model::error::{Error, ImportFault};
use kmsd::model::ids::{KeyId, KeyName, Region};
use kmsd::model::key::KeyRef;
use kmsd::operations::materials::{self, Offer, Rules, Wrapped, WrappingPair};
use kmsd::operations::upkeep::{TimeGuard, step};
use serde_json::{Value, json};

use crate::support::calls::base64;
use crate::support::imports::{FIRST, FURTHER, OAEP, unbase64};
use crate::support::{Db, START, TestServer, on_both};

on_both!(
    a_key_is_made_usable_by_its_material,
    every_spec_by_every_wrapping,
    pairs_and_wrappings_that_no_route_offers_yet,
    a_private_key_is_that_of_its_spec_or_refused,
    what_was_dropped_comes_back_as_the_same_bytes_only_i_32,
    material_is_over_at_its_second_whoever_asks,
    material_is_over_while_a_deletion_is_scheduled,
    a_leap_of_the_clock_drops_nothing_for_an_hour,
    further_material_waits_and_is_rotated_to,
    all_that_was_in_use_must_be_back,
    what_waits_may_go_and_another_come,
    a_token_is_for_one_key_and_one_day,
    imports_race_and_one_wins_i_34,
    nothing_is_used_after_it_was_dropped_i_35,
    what_was_read_before_the_drop_is_decided_anew,
    two_upkeeps_drop_material_once,
    material_goes_with_its_key,
    members_and_keys_that_do_not_fit,
);

const SECOND: Duration = Duration::from_secs(1);

async fn create(server: &TestServer, name: &str, more: Value) -> String {
    let mut all = json!({ "origin": "external" });
    for (member, value) in more.as_object().unwrap() {
        all[member] = value.clone();
    }
    server.create(name, all).await
}

async fn details(server: &TestServer, key: &str) -> Value {
    let found = server.call("describe-key", json!({ "key_id": key })).await;
    found.ok(200)["key_info"].clone()
}

async fn encrypt(server: &TestServer, key: &str) -> String {
    let body = json!({ "key_id": key, "plain_text": "card=4111" });
    let made = server.call("encrypt-data", body).await.ok(200);
    made["cipher_text"].as_str().unwrap().to_owned()
}

async fn must_open(server: &TestServer, blob: &str) {
    let body = json!({ "cipher_text": blob });
    let opened = server.call("decrypt-data", body).await.ok(200);
    assert_eq!(opened["plain_text"], "card=4111");
}

fn version_of(blob: &str) -> u32 {
    Header::parse(&unbase64(&json!(blob)))
        .unwrap()
        .key_version()
}

async fn delete(server: &TestServer, key: &str) {
    let dropped = server
        .call("delete-imported-key-material", json!({ "key_id": key }))
        .await;
    assert_eq!(dropped.ok(200), json!({}));
}

async fn import(server: &TestServer, key: &str, bytes: &[u8]) {
    let imported = server.import(key, bytes, json!({})).await;
    assert_eq!(imported.ok(200), json!({}));
}

async fn rotate(server: &TestServer, key: &str) {
    let rotated = server
        .call("rotate-on-demand", json!({ "key_id": key }))
        .await;
    assert_eq!(rotated.ok(200), json!({ "key_id": key }));
}

/// The states of the materials that are there, and their ids.
async fn those_there(server: &TestServer, key: &str) -> Vec<(i64, String)> {
    let status = server
        .call("get-key-rotation-status", json!({ "key_id": key }))
        .await
        .ok(200);
    status["key_materials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let id = one["material_id"].as_str().unwrap().to_owned();
            (one["state"].as_i64().unwrap(), id)
        })
        .collect()
}

/// Whether the bytes of a version are in the database.
async fn is_stored(server: &TestServer, key: &str, version: u32) -> bool {
    let row = server.row(key).await;
    let found = server.kms.store().find_material(&row, version).await;
    found.unwrap().is_some()
}

async fn a_key_is_made_usable_by_its_material(db: Db) {
    let server = TestServer::start(db).await;
    let key = create(&server, "mine", json!({})).await;
    let given = server.parameters(&key, OAEP).await.ok(200);
    let token = given["import_token"].as_str().unwrap().to_owned();
    assert!((200..=6144).contains(&token.len()), "{}", token.len());
    let public = given["public_key"].as_str().unwrap();
    assert!(
        public.starts_with("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"),
        "SPKI of RSA-2048"
    );
    assert_eq!(
        given,
        json!({
            "key_id": key,
            "import_token": token,
            "expiration_time": START.seconds() + 86_400,
            "public_key": public,
        })
    );
    assert_eq!(
        details(&server, &key).await["key_state"],
        "5",
        "asking changes nothing"
    );

    // Far in the future and as text, as Terraform sends it.
    let until = START.seconds() + 3_600;
    let wrapped = server.wrapped(&given, OAEP, &FIRST);
    assert_eq!(wrapped.len(), 344);
    let body = json!({
        "key_id": key,
        "import_token": token,
        "encrypted_key_material": wrapped,
        "expiration_time": until.to_string(),
        "sequence": "919c82d4-8046-4722-9094-35c3c6524cff",
    });
    let imported = server.call("import-key-material", body).await;
    assert_eq!(imported.ok(200), json!({}));
    let found = details(&server, &key).await;
    assert_eq!(found["key_state"], "2");
    assert_eq!(found["origin"], "external");
    assert_eq!(found["expiration_time"], (until * 1000).to_string());

    let blob = encrypt(&server, &key).await;
    assert_eq!(version_of(&blob), 1);
    must_open(&server, &blob).await;
    let status = server
        .call("get-key-rotation-status", json!({ "key_id": key }))
        .await
        .ok(200);
    let material = &status["key_materials"][0];
    assert_eq!(
        status,
        json!({
            "key_rotation_enabled": false,
            "last_rotation_time": "",
            "number_of_rotations": 0,
            "key_materials": [{
                "material_id": material["material_id"],
                "charge_id": "",
                "create_time": START.millis().to_string(),
                "expiration_time": (until * 1000).to_string(),
                "state": 2,
            }],
        })
    );
    // Nothing of it is anywhere but where it belongs (I-47).
    for record in server.records().await {
        let told = format!("{record:?}");
        assert!(!told.contains(&token) && !told.contains(&wrapped), "{told}");
    }
    server.stop().await;
}

/// The name of a spec, a private key and its public half.
type Pair = (&'static str, Vec<u8>, Vec<u8>);

/// Pairs that OpenSSL made.
static OPENSSL: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    include_str!("../vectors/openssl_private_keys.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().unwrap();
            let mut bytes = || hex::decode(words.next().unwrap()).unwrap();
            (name, bytes(), bytes())
        })
        .collect()
});

fn private_key(spec: &str) -> (&'static [u8], &'static [u8]) {
    let found = OPENSSL.iter().find(|(name, ..)| *name == spec);
    let (_, private, public) = found.unwrap_or_else(|| panic!("{spec}"));
    (private, public)
}

/// The import of a private key as the contract's section 7.6 has it.
async fn import_private(
    server: &TestServer,
    key: &str,
    algorithm: &str,
    temporary: &[u8],
    private: &[u8],
) -> crate::support::Answer {
    let given = server.parameters(key, algorithm).await.ok(200);
    let wrap = if algorithm == OAEP {
        KeyWrap::Aes256
    } else {
        KeyWrap::Sm4
    };
    // A temporary key of another length wraps nothing; what stands there does not matter then.
    let secret = Secret::from_slice(temporary);
    let wrapped = wrap
        .wrap(&secret, &Secret::from_slice(private))
        .unwrap_or_else(|_| vec![0; 160]);
    let body = json!({
        "key_id": key,
        "import_token": given["import_token"],
        "encrypted_key_material": server.wrapped(&given, algorithm, temporary),
        "encrypted_privatekey": base64(&wrapped),
    });
    server.call("import-key-material", body).await
}

async fn every_spec_by_every_wrapping(db: Db) {
    let server = TestServer::start(db).await;
    for (algorithm, temporary) in [(OAEP, 32), ("SM2_ENCRYPT", 16)] {
        for (spec, len) in [("AES_256", 32), ("SM4", 16)] {
            let name = format!("{spec}-{algorithm}");
            let key = create(&server, &name, json!({ "key_spec": spec })).await;
            let given = server.parameters(&key, algorithm).await.ok(200);
            let body = json!({
                "key_id": key,
                "import_token": given["import_token"],
                "encrypted_key_material": server.wrapped(&given, algorithm, &vec![5; len]),
            });
            server.call("import-key-material", body).await.ok(200);
            must_open(&server, &encrypt(&server, &key).await).await;
        }
        for (spec, signing) in [
            ("RSA_2048", "RSASSA_PSS_SHA_256"),
            ("RSA_3072", "RSASSA_PKCS1_V1_5_SHA_384"),
            ("RSA_4096", "RSASSA_PSS_SHA_512"),
            ("EC_P256", "ECDSA_SHA_256"),
            ("EC_P384", "ECDSA_SHA_384"),
            ("SM2", "SM2DSA_SM3"),
        ] {
            let name = format!("{spec}-{algorithm}");
            let more = json!({ "key_spec": spec, "key_usage": "SIGN_VERIFY" });
            let key = create(&server, &name, more).await;
            let (private, public) = private_key(spec);
            import_private(&server, &key, algorithm, &vec![6; temporary], private)
                .await
                .ok(200);
            // The public half is the one that OpenSSL made of it.
            let named = json!({ "key_id": key });
            let shown = server.call("get-publickey", named.clone()).await.ok(200);
            let pem = shown["public_key"].as_str().unwrap();
            let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            assert_eq!(unbase64(&json!(body)), public, "{name}");
            let digest = base64(&[1; 32]);
            let (message, kind) = match spec {
                "SM2" => (digest.as_str(), "DIGEST"),
                _ => ("aGVsbG8=", "RAW"),
            };
            let mut body = json!({
                "key_id": key,
                "message": message,
                "signing_algorithm": signing,
                "message_type": kind,
            });
            let signed = server.call("sign", body.clone()).await.ok(200);
            body["signature"] = signed["signature"].clone();
            let valid = server.call("verify", body).await.ok(200);
            assert_eq!(valid["signature_valid"], "true", "{name}");

            // It has no end and stays, and there is one only.
            for call in ["get-parameters-for-import", "import-key-material"] {
                let mut body = json!({ "key_id": key, "wrapping_algorithm": algorithm });
                body["import_token"] = json!(base64(&[1; 1200]));
                body["encrypted_key_material"] = json!(base64(&[1; 256]));
                server.call(call, body).await.refused(400, "KMS.0310");
            }
            server
                .call("delete-imported-key-material", named)
                .await
                .refused(400, "KMS.2702");
        }
    }
    server.stop().await;
}

/// What the verbs take beside Huawei's two: longer pairs, SHA-1, and both steps in one piece.
async fn pairs_and_wrappings_that_no_route_offers_yet(db: Db) {
    use EncryptionAlgorithm::{RsaOaepSha1, RsaOaepSha256};
    let server = TestServer::start(db).await;
    for (at, (pair, kind, algorithm, with, spec)) in [
        (
            WrappingPair::Rsa3072,
            MaterialKind::Rsa3072,
            "RSAES_OAEP_SHA_256",
            RsaOaepSha256,
            "AES_256",
        ),
        (
            WrappingPair::Rsa2048,
            MaterialKind::Rsa2048,
            "RSAES_OAEP_SHA_1",
            RsaOaepSha1,
            "SM4",
        ),
        (
            WrappingPair::Rsa4096,
            MaterialKind::Rsa4096,
            "RSA_AES_KEY_WRAP_SHA_256",
            RsaOaepSha256,
            "RSA_4096",
        ),
        (
            WrappingPair::Rsa3072,
            MaterialKind::Rsa3072,
            "RSA_AES_KEY_WRAP_SHA_1",
            RsaOaepSha1,
            "EC_P384",
        ),
        (
            WrappingPair::Rsa2048,
            MaterialKind::Rsa2048,
            "RSA_AES_KEY_WRAP_SHA_256",
            RsaOaepSha256,
            "AES_256",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let key = create(
            &server,
            &format!("{spec}-{at}"),
            json!({ "key_spec": spec }),
        )
        .await;
        let named = KeyRef::Id(KeyId::parse(key.as_str()).unwrap());
        let mut cx = server.context(Action::GetImportParameters);
        let refused = materials::parameters(
            &mut cx,
            &named,
            WrappingPair::Sm2,
            algorithm,
            &Rules::default(),
        )
        .await;
        assert!(refused.is_err(), "{algorithm} does not go with SM2");
        let asked =
            materials::parameters(&mut cx, &named, pair, algorithm, &Rules::default()).await;
        let (_, given) = asked.ok().unwrap();
        assert!(base64(&given.token).len() <= 6144);

        let bytes = match spec {
            "AES_256" => vec![5; 32],
            "SM4" => vec![5; 16],
            private => private_key(private).0.to_vec(),
        };
        let temporary = [6; 32];
        let entropy = server.kms.env().entropy();
        let under_public = |bytes: &[u8]| {
            encrypt_with_public(kind, &given.public_key, with, bytes, entropy).unwrap()
        };
        let wrapped = if algorithm.starts_with("RSA_AES") {
            let (key, bytes) = (Secret::from_slice(&temporary), Secret::from_slice(&bytes));
            [
                under_public(&temporary),
                KeyWrap::Aes256.wrap(&key, &bytes).unwrap(),
            ]
            .concat()
        } else {
            under_public(&bytes)
        };
        let import = async |material: &[u8]| {
            let mut cx = server.context(Action::ImportKeyMaterial);
            let wrapped = Wrapped {
                token: &given.token,
                material,
                private_key: None,
            };
            let done = materials::import(
                &mut cx,
                &named,
                wrapped,
                None,
                &Offer::default(),
                &Rules::default(),
            )
            .await;
            done.map(|_| cx.finish().unwrap().writes)
        };
        for cut in [0, 1, wrapped.len() / 2, wrapped.len() - 1] {
            let refused = import(&wrapped[..cut]).await.err();
            assert_eq!(refused, Some(Error::Import(ImportFault::DoesNotUnwrap)));
        }
        server.write(import(&wrapped).await.unwrap()).await;
        assert_eq!(server.state(&key).await, "2", "{algorithm} {spec}");
        if spec == "AES_256" || spec == "SM4" {
            must_open(&server, &encrypt(&server, &key).await).await;
        }
    }
    server.stop().await;
}

async fn a_private_key_is_that_of_its_spec_or_refused(db: Db) {
    let server = TestServer::start(db).await;
    let specs = ["RSA_2048", "RSA_3072", "EC_P256", "EC_P384", "SM2"];
    for spec in specs {
        let usage = json!({ "key_spec": spec, "key_usage": "SIGN_VERIFY" });
        let key = create(&server, spec, usage).await;
        for other in specs.into_iter().filter(|other| *other != spec) {
            import_private(&server, &key, OAEP, &[6; 32], private_key(other).0)
                .await
                .refused(400, "KMS.2609");
        }
        let private = private_key(spec).0;
        let mut longer = private.to_vec();
        longer.push(0);
        for rubbish in [&longer[..], &private[..private.len() - 1], &[0x30; 200]] {
            import_private(&server, &key, OAEP, &[6; 32], rubbish)
                .await
                .refused(400, "KMS.2609");
        }
        for len in [16, 24, 31, 33] {
            import_private(&server, &key, OAEP, &vec![6; len], private)
                .await
                .refused(400, "KMS.2610");
        }
        let temporary = vec![6; 32];
        import_private(&server, &key, "SM2_ENCRYPT", &temporary, private)
            .await
            .refused(400, "KMS.2610");
        // Wrapped under another temporary key than the one that came.
        let mut body = server.import_body(&key, &[6; 32]).await.unwrap();
        let wrapped =
            KeyWrap::Aes256.wrap(&Secret::from_slice(&[9; 32]), &Secret::from_slice(private));
        body["encrypted_privatekey"] = json!(base64(&wrapped.unwrap()));
        server
            .call("import-key-material", body.clone())
            .await
            .refused(400, "KMS.2609");
        body.as_object_mut().unwrap().remove("encrypted_privatekey");
        server
            .call("import-key-material", body.clone())
            .await
            .refused(400, "KMS.2608");
        // A private key has no end.
        body["encrypted_privatekey"] = json!(base64(&[1; 160]));
        body["expiration_time"] = json!(START.seconds() + 1000);
        let said = server.call("import-key-material", body).await;
        let said = said.refused(400, "KMS.0308");
        assert!(said.starts_with("expiration_time"), "{said}");
        assert_eq!(server.state(&key).await, "5", "no refusal leaves material");
        import_private(&server, &key, OAEP, &[6; 32], private)
            .await
            .ok(200);
    }
    server.stop().await;
}

async fn what_was_dropped_comes_back_as_the_same_bytes_only_i_32(db: Db) {
    let server = TestServer::start(db).await;
    for from in ["2", "3"] {
        let key = server.external(&format!("from-{from}")).await;
        let before = those_there(&server, &key).await;
        let blob = encrypt(&server, &key).await;
        must_open(&server, &blob).await;
        if from == "3" {
            server
                .call("disable-key", json!({ "key_id": key }))
                .await
                .ok(200);
        }
        delete(&server, &key).await;
        let found = details(&server, &key).await;
        assert_eq!(found["key_state"], "5");
        assert_eq!(found["expiration_time"], "");
        assert!(!is_stored(&server, &key, 1).await, "the bytes are gone");
        assert_eq!(those_there(&server, &key).await, []);
        // It was opened a moment ago, and is not used from memory.
        for (call, body) in [
            ("decrypt-data", json!({ "cipher_text": blob })),
            ("encrypt-data", json!({ "key_id": key, "plain_text": "x" })),
        ] {
            server.call(call, body).await.refused(400, "KMS.1301");
        }
        server
            .call("delete-imported-key-material", json!({ "key_id": key }))
            .await
            .refused(400, "KMS.2701");

        let mut off_by_one = FIRST;
        off_by_one[31] ^= 1;
        for other in [FURTHER, off_by_one] {
            let refused = server.import(&key, &other, json!({})).await;
            refused.refused(400, "KMS.2606");
        }
        assert_eq!(server.state(&key).await, "5");
        import(&server, &key, &FIRST).await;
        assert_eq!(server.state(&key).await, "2");
        assert_eq!(
            those_there(&server, &key).await,
            before,
            "under the same id"
        );
        must_open(&server, &blob).await;
        assert_eq!(version_of(&encrypt(&server, &key).await), 1);
    }
    // Nothing of one key counts for another.
    let other = create(&server, "another", json!({})).await;
    import(&server, &other, &FURTHER).await;
    server.stop().await;
}

async fn material_is_over_at_its_second_whoever_asks(db: Db) {
    let server = TestServer::start(db).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    let key = create(&server, "short", json!({})).await;
    let until = json!({ "expiration_time": START.seconds() + 3600 });
    server.import(&key, &FIRST, until).await.ok(200);
    let blob = encrypt(&server, &key).await;

    server.clock.advance(Duration::from_secs(3600) - SECOND);
    step(&server.kms, &mut guard).await.unwrap();
    must_open(&server, &blob).await;
    assert!(is_stored(&server, &key, 1).await, "not a second early");

    // Upkeep has not run yet.
    server.clock.advance(SECOND);
    assert!(is_stored(&server, &key, 1).await);
    let found = details(&server, &key).await;
    assert_eq!(
        (&found["key_state"], &found["expiration_time"]),
        (&json!("5"), &json!(""))
    );
    let list = async |state: &str| {
        let listed = server
            .call("list-keys", json!({ "key_state": state }))
            .await;
        listed.ok(200)["total"].clone()
    };
    assert_eq!((list("2").await, list("5").await), (json!(0), json!(1)));
    let all = server.call("list-keys", json!({})).await.ok(200);
    assert_eq!(all["key_details"][0]["key_state"], "5");
    assert_eq!(those_there(&server, &key).await, []);
    for (call, body, code) in [
        ("decrypt-data", json!({ "cipher_text": blob }), "KMS.1301"),
        (
            "encrypt-data",
            json!({ "key_id": key, "plain_text": "x" }),
            "KMS.1301",
        ),
        ("enable-key", json!({ "key_id": key }), "KMS.1201"),
        ("disable-key", json!({ "key_id": key }), "KMS.1301"),
        (
            "delete-imported-key-material",
            json!({ "key_id": key }),
            "KMS.2701",
        ),
    ] {
        server.call(call, body).await.refused(400, code);
    }
    // Other bytes are refused already, and the same may come back before upkeep has run.
    let refused = server.import(&key, &FURTHER, json!({})).await;
    refused.refused(400, "KMS.2606");
    let until = json!({ "expiration_time": START.seconds() + 7200 });
    server.import(&key, &FIRST, until).await.ok(200);
    step(&server.kms, &mut guard).await.unwrap();
    must_open(&server, &blob).await;

    server.clock.advance(Duration::from_secs(3600));
    let name = json!({ "key_id": key, "key_alias": "renamed" });
    server.call("update-key-alias", name).await.ok(200);
    step(&server.kms, &mut guard).await.unwrap();
    assert!(!is_stored(&server, &key, 1).await, "upkeep has dropped it");
    step(&server.kms, &mut guard).await.unwrap();
    let records = server.records().await;
    let drops: Vec<_> = records
        .iter()
        .filter(|record| record.action == Action::ExpireKeyMaterial)
        .collect();
    assert_eq!(drops.len(), 1, "once");
    assert_eq!(
        (&*drops[0].key_id, &*drops[0].credential),
        (&*key, "upkeep")
    );
    assert_eq!(drops[0].revision, server.row(&key).await.revision);
    // Without an end this time.
    import(&server, &key, &FIRST).await;
    assert_eq!(details(&server, &key).await["expiration_time"], "");
    server.clock.advance(Duration::from_secs(3600));
    step(&server.kms, &mut guard).await.unwrap();
    must_open(&server, &blob).await;
    server.stop().await;
}

async fn material_is_over_while_a_deletion_is_scheduled(db: Db) {
    for upkeep_runs in [true, false] {
        let server = TestServer::start(db).await;
        let mut guard = TimeGuard::default();
        step(&server.kms, &mut guard).await.unwrap();
        let key = create(&server, "leaving", json!({})).await;
        let until = json!({ "expiration_time": START.seconds() + 3600 });
        server.import(&key, &FIRST, until).await.ok(200);
        let body = json!({ "key_id": key, "pending_days": "7" });
        server.call("schedule-key-deletion", body).await.ok(200);
        server.clock.advance(Duration::from_secs(3600));
        if upkeep_runs {
            step(&server.kms, &mut guard).await.unwrap();
            assert!(!is_stored(&server, &key, 1).await, "dropped on time");
        }
        let found = details(&server, &key).await;
        assert_eq!(found["key_state"], "4", "and still leaving");
        assert_eq!(found["expiration_time"], "");
        let rescued = server
            .call("cancel-key-deletion", json!({ "key_id": key }))
            .await;
        assert_eq!(rescued.ok(200), json!({ "key_id": key, "key_state": "5" }));
        step(&server.kms, &mut guard).await.unwrap();
        assert!(!is_stored(&server, &key, 1).await);
        assert_eq!(server.state(&key).await, "5");
        let refused = server.import(&key, &FURTHER, json!({})).await;
        refused.refused(400, "KMS.2606");
        import(&server, &key, &FIRST).await;
        assert_eq!(server.state(&key).await, "2");
        server.stop().await;
    }
}

async fn a_leap_of_the_clock_drops_nothing_for_an_hour(db: Db) {
    let mut server = TestServer::start(db).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    let key = create(&server, "short", json!({})).await;
    let until = json!({ "expiration_time": START.seconds() + 3600 });
    server.import(&key, &FIRST, until).await.ok(200);
    let blob = encrypt(&server, &key).await;

    let leap = Duration::from_secs(48 * 3600);
    server.clock.leap(leap);
    server.token = server.log_in(&server.account).await;
    step(&server.kms, &mut guard).await.unwrap();
    assert_eq!(
        server.state(&key).await,
        "5",
        "not used, to be on the safe side"
    );
    assert!(is_stored(&server, &key, 1).await, "and not dropped either");
    // The clock is put right, and nothing was lost.
    server.clock.fall_back(leap);
    server.token = server.log_in(&server.account).await;
    must_open(&server, &blob).await;

    server.clock.leap(leap);
    step(&server.kms, &mut guard).await.unwrap();
    server.clock.advance(Duration::from_secs(3600) - SECOND);
    step(&server.kms, &mut guard).await.unwrap();
    assert!(is_stored(&server, &key, 1).await);
    server.clock.advance(SECOND);
    step(&server.kms, &mut guard).await.unwrap();
    assert!(!is_stored(&server, &key, 1).await);
    server.stop().await;
}

async fn further_material_waits_and_is_rotated_to(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.external("several").await;
    let named = json!({ "key_id": key });
    let first = encrypt(&server, &key).await;
    let refused = server.call("rotate-on-demand", named.clone()).await;
    refused.refused(400, "KMS.0312");

    // The same bytes are there; others wait, one at a time.
    let same = server.import(&key, &FIRST, json!({})).await;
    same.refused(400, "KMS.0310");
    let early = server.import_body(&key, &[9; 32]).await.unwrap();
    import(&server, &key, &FURTHER).await;
    assert_eq!(server.state(&key).await, "2");
    let found = those_there(&server, &key).await;
    assert_eq!([found[0].0, found[1].0], [2, 0]);
    assert_ne!(found[0].1, found[1].1);
    server.parameters(&key, OAEP).await.refused(400, "KMS.0310");
    server
        .call("import-key-material", early)
        .await
        .refused(400, "KMS.0310");
    assert_eq!(version_of(&encrypt(&server, &key).await), 1, "it waits");
    // A ciphertext that names what waits does not open, and spoils nothing.
    let mut forged = unbase64(&json!(first));
    forged[7] = 2;
    let body = json!({ "cipher_text": base64(&forged) });
    server
        .call("decrypt-data", body)
        .await
        .refused(400, "KMS.2201");

    server.clock.advance(SECOND);
    rotate(&server, &key).await;
    let second = encrypt(&server, &key).await;
    assert_eq!(version_of(&second), 2);
    must_open(&server, &first).await;
    must_open(&server, &second).await;
    let found = those_there(&server, &key).await;
    assert_eq!([found[0].0, found[1].0], [2, 2]);
    let status = server
        .call("get-key-rotation-status", named.clone())
        .await
        .ok(200);
    assert_eq!(status["number_of_rotations"], 1);
    assert_eq!(
        status["last_rotation_time"],
        (START.millis() + 1000).to_string()
    );
    assert_eq!(status["key_rotation_enabled"], false);
    server
        .call("rotate-on-demand", named)
        .await
        .refused(400, "KMS.0312");
    // And once more.
    import(&server, &key, &[9; 32]).await;
    rotate(&server, &key).await;
    assert_eq!(version_of(&encrypt(&server, &key).await), 3);
    must_open(&server, &first).await;
    server.stop().await;
}

async fn all_that_was_in_use_must_be_back(db: Db) {
    let server = TestServer::start(db).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    for (at, order) in [[FIRST, FURTHER], [FURTHER, FIRST]].into_iter().enumerate() {
        let key = server.external(&format!("several-{at}")).await;
        let first = encrypt(&server, &key).await;
        import(&server, &key, &FURTHER).await;
        rotate(&server, &key).await;
        let second = encrypt(&server, &key).await;
        delete(&server, &key).await;
        assert!(!is_stored(&server, &key, 1).await && !is_stored(&server, &key, 2).await);

        import(&server, &key, &order[0]).await;
        assert_eq!(server.state(&key).await, "5", "the other is missing");
        assert_eq!(those_there(&server, &key).await.len(), 1);
        for blob in [&first, &second] {
            let body = json!({ "cipher_text": blob });
            server
                .call("decrypt-data", body)
                .await
                .refused(400, "KMS.1301");
        }
        let refused = server.import(&key, &[9; 32], json!({})).await;
        refused.refused(400, "KMS.2606");
        // What is back may come again, with another end.
        import(&server, &key, &order[0]).await;
        assert_eq!(server.state(&key).await, "5");
        let now = server.kms.now().seconds();
        let until = json!({ "expiration_time": now + 100 });
        server.import(&key, &order[1], until).await.ok(200);
        let found = details(&server, &key).await;
        assert_eq!(found["key_state"], "2");
        assert_eq!(found["expiration_time"], ((now + 100) * 1000).to_string());
        must_open(&server, &first).await;
        must_open(&server, &second).await;
        assert_eq!(version_of(&encrypt(&server, &key).await), 2);

        // One of them is over: the key is, too, whichever it was; the other stays.
        server.clock.advance(Duration::from_secs(100));
        assert_eq!(server.state(&key).await, "5");
        step(&server.kms, &mut guard).await.unwrap();
        assert_eq!(those_there(&server, &key).await.len(), 1);
        import(&server, &key, &order[1]).await;
        must_open(&server, &first).await;
        must_open(&server, &second).await;
    }
    server.stop().await;
}

async fn what_waits_may_go_and_another_come(db: Db) {
    let server = TestServer::start(db).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    let key = server.external("several").await;
    let until = json!({ "expiration_time": START.seconds() + 60 });
    server.import(&key, &FURTHER, until).await.ok(200);
    let found = details(&server, &key).await;
    assert_eq!(
        found["expiration_time"], "",
        "what waits says nothing of the key"
    );
    server.clock.advance(Duration::from_secs(60));
    for upkeep_ran in [false, true] {
        if upkeep_ran {
            step(&server.kms, &mut guard).await.unwrap();
        }
        assert_eq!(is_stored(&server, &key, 2).await, !upkeep_ran);
        assert_eq!(server.state(&key).await, "2", "what is in use is there");
        assert_eq!(those_there(&server, &key).await.len(), 1);
        server
            .call("rotate-on-demand", json!({ "key_id": key }))
            .await
            .refused(400, "KMS.0312");
    }
    // No version stands for two materials, ever.
    import(&server, &key, &[9; 32]).await;
    rotate(&server, &key).await;
    let blob = encrypt(&server, &key).await;
    assert_eq!(version_of(&blob), 3);
    // The one that went may come back and wait again, as what it was.
    import(&server, &key, &FURTHER).await;
    let found = those_there(&server, &key).await;
    assert_eq!(found.iter().map(|one| one.0).collect::<Vec<_>>(), [2, 0, 2]);
    // And become current: with its old number, and without shutting out the one in between.
    rotate(&server, &key).await;
    must_open(&server, &blob).await;
    let newer = encrypt(&server, &key).await;
    assert_eq!(version_of(&newer), 2);
    import(&server, &key, &[77; 32]).await;
    must_open(&server, &newer).await;
    assert_eq!(version_of(&encrypt(&server, &key).await), 2, "4 waits");
    server.stop().await;
}

async fn a_token_is_for_one_key_and_one_day(db: Db) {
    let server = TestServer::start(db).await;
    let mine = create(&server, "mine", json!({})).await;
    let other = create(&server, "other", json!({})).await;
    let body = server.import_body(&mine, &FIRST).await.unwrap();
    let with = |member: &str, value: Value| {
        let mut body = body.clone();
        body[member] = value;
        body
    };
    let send = async |body: Value| server.call("import-key-material", body).await;
    send(with("key_id", json!(other)))
        .await
        .refused(400, "KMS.2603");
    let token = unbase64(&body["import_token"]);
    for at in 0..token.len() {
        let mut changed = token.clone();
        changed[at] ^= 1 << (at % 8);
        let altered = with("import_token", json!(base64(&changed)));
        send(altered).await.refused(400, "KMS.2605");
    }
    let cut = with("import_token", json!(base64(&token[..token.len() - 3])));
    send(cut).await.refused(400, "KMS.2605");
    // Another project's and another region's tokens are none (I-19).
    let stranger = server.another_account("evil").await;
    let theirs = server.log_in(&stranger).await;
    let project = stranger.project.id.as_str();
    let made = json!({ "key_alias": "theirs", "origin": "external" });
    let made = server
        .call_in(project, &theirs, "create-key", made)
        .await
        .ok(200);
    let foreign = with("key_id", made["key_info"]["key_id"].clone());
    let refused = server
        .call_in(project, &theirs, "import-key-material", foreign)
        .await;
    refused.refused(400, "KMS.2605");
    // Wrapped for another token than the one that comes along.
    let second = server.import_body(&mine, &FIRST).await.unwrap();
    let mixed = with("import_token", second["import_token"].clone());
    send(mixed).await.refused(400, "KMS.0311");
    // A token for one algorithm, material wrapped with the other.
    let sm2 = server.parameters(&mine, "SM2_ENCRYPT").await.ok(200);
    let mixed = with("import_token", sm2["import_token"].clone());
    send(mixed).await.refused(400, "KMS.0311");

    // A newer token does not end an older one before its time.
    server.clock.advance(Duration::from_secs(86_400) - SECOND);
    let token = server.log_in(&server.account).await;
    let named = json!({ "key_id": mine });
    server
        .call_as(&token, "import-key-material", body.clone())
        .await
        .ok(200);
    let dropped = server
        .call_as(&token, "delete-imported-key-material", named)
        .await;
    dropped.ok(200);
    server.clock.advance(SECOND);
    for over in [body, second] {
        server
            .call_as(&token, "import-key-material", over)
            .await
            .refused(400, "KMS.2601");
    }
    server.stop().await;
}

async fn imports_race_and_one_wins_i_34(db: Db) {
    let server = Arc::new(TestServer::start(db).await);
    for round in 0..6 {
        let key = create(&server, &format!("racer-{round}"), json!({})).await;
        let mut bodies = Vec::new();
        for bytes in [[1; 32], [2; 32], [3; 32], [4; 32]] {
            bodies.push(server.import_body(&key, &bytes).await.unwrap());
        }
        let racers: Vec<_> = bodies
            .into_iter()
            .map(|body| {
                let server = server.clone();
                actix_web::rt::spawn(async move {
                    server.call("import-key-material", body).await.verdict()
                })
            })
            .collect();
        let mut verdicts = Vec::new();
        for racer in racers {
            verdicts.push(racer.await.unwrap());
        }
        // The first makes the key usable, the second waits, and there is room for no other.
        let done = verdicts.iter().filter(|(status, _)| *status == 200).count();
        assert_eq!(done, 2, "{verdicts:?}");
        for (status, code) in verdicts {
            assert!(status == 200 || code == "KMS.0310", "{code}");
        }
        let found = those_there(&server, &key).await;
        assert_eq!([found[0].0, found[1].0], [2, 0]);
        must_open(&server, &encrypt(&server, &key).await).await;
    }
}

async fn nothing_is_used_after_it_was_dropped_i_35(db: Db) {
    let server = Arc::new(TestServer::start(db).await);
    let key = server.external("raced").await;
    let blob = encrypt(&server, &key).await;
    for _ in 0..8 {
        let users: Vec<_> = (0..4)
            .map(|user| {
                let (server, key, blob) = (server.clone(), key.clone(), blob.clone());
                actix_web::rt::spawn(async move {
                    let mut seen_refusal = false;
                    for _ in 0..12 {
                        let answer = if user % 2 == 0 {
                            let body = json!({ "key_id": key, "plain_text": "x" });
                            server.call("encrypt-data", body).await
                        } else {
                            let body = json!({ "cipher_text": blob });
                            server.call("decrypt-data", body).await
                        };
                        match answer.verdict() {
                            (200, _) => assert!(!seen_refusal, "used after it was dropped"),
                            (400, code) if code == "KMS.1301" => seen_refusal = true,
                            other => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        delete(&server, &key).await;
        let body = json!({ "key_id": key, "plain_text": "x" });
        server
            .call("encrypt-data", body)
            .await
            .refused(400, "KMS.1301");
        for user in users {
            user.await.unwrap();
        }
        import(&server, &key, &FIRST).await;
        must_open(&server, &blob).await;
    }
}

/// A use that read the key a moment before its material was dropped finds nothing, not even in memory,
/// and is decided anew; so is whatever read its materials.
async fn what_was_read_before_the_drop_is_decided_anew(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.external("raced").await;
    import(&server, &key, &FURTHER).await;
    must_open(&server, &encrypt(&server, &key).await).await;
    let before = server.row(&key).await;
    assert!(server.kms.material(&before, 1).await.is_ok());
    for missing in [0, 3] {
        // What never was.
        let refused = server.kms.material(&before, missing).await.err();
        assert_eq!(refused, Some(Error::InvalidCiphertext), "{missing}");
    }
    delete(&server, &key).await;
    let refused = server.kms.material(&before, 1).await.err();
    assert_eq!(refused, Some(Error::Conflict));
    let refused = server.kms.imported_materials(&before).await.err();
    assert_eq!(refused, Some(Error::Conflict));
    let refused = server.kms.material(&server.row(&key).await, 1).await.err();
    assert_eq!(refused, Some(Error::InvalidCiphertext), "a key without any");
    server.stop().await;
}

async fn two_upkeeps_drop_material_once(db: Db) {
    let server = TestServer::start(db).await;
    let (mut one, mut two) = (TimeGuard::default(), TimeGuard::default());
    step(&server.kms, &mut one).await.unwrap();
    step(&server.kms, &mut two).await.unwrap();
    let mut keys = Vec::new();
    for at in 0..8 {
        let key = create(&server, &format!("short-{at}"), json!({})).await;
        let until = json!({ "expiration_time": START.seconds() + 3600 });
        server.import(&key, &FIRST, until).await.ok(200);
        keys.push(key);
    }
    server.clock.advance(Duration::from_secs(3600));
    let (first, second) =
        futures_util::future::join(step(&server.kms, &mut one), step(&server.kms, &mut two)).await;
    first.unwrap();
    second.unwrap();
    step(&server.kms, &mut one).await.unwrap();
    for key in &keys {
        assert!(!is_stored(&server, key, 1).await);
    }
    let records = server.records().await;
    let mut dropped: Vec<_> = records
        .iter()
        .filter(|record| record.action == Action::ExpireKeyMaterial)
        .map(|record| record.key_id.clone())
        .collect();
    dropped.sort();
    keys.sort();
    assert_eq!(dropped, keys);
    server.stop().await;
}

async fn material_goes_with_its_key(db: Db) {
    let mut server = TestServer::start(db).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    let key = server.external("doomed").await;
    import(&server, &key, &FURTHER).await;
    let row = server.row(&key).await;
    let body = json!({ "key_id": key, "pending_days": "7" });
    server.call("schedule-key-deletion", body).await.ok(200);
    server.pass_days(7).await;
    let destroyed = step(&server.kms, &mut guard).await.unwrap();
    assert_eq!(destroyed.len(), 1);
    let left = server.kms.store().imported_materials(&row).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    server.stop().await;
}

async fn members_and_keys_that_do_not_fit(db: Db) {
    let server = TestServer::start(db).await;
    let key = create(&server, "mine", json!({})).await;
    let good = server.import_body(&key, &FIRST).await.unwrap();
    let long = |characters: usize| json!("A".repeat(characters));
    let nobodys = "00000000-0000-4000-8000-000000000000";
    let ids = [
        (json!(null), 400, "KMS.0204"),
        (json!(""), 400, "KMS.0204"),
        (json!("not-an-id"), 400, "KMS.0205"),
        (json!("alias/mine"), 400, "KMS.0205"),
        (json!(7), 400, "KMS.0205"),
        (json!(nobodys), 404, "KMS.0207"),
    ];
    for call in [
        "get-parameters-for-import",
        "import-key-material",
        "delete-imported-key-material",
    ] {
        let mut body = good.clone();
        body["wrapping_algorithm"] = json!(OAEP);
        for (id, status, code) in &ids {
            body["key_id"] = id.clone();
            server.call(call, body.clone()).await.refused(*status, code);
        }
        body["key_id"] = json!(key);
        body["sequence"] = json!("short");
        server.call(call, body).await.refused(400, "KMS.0206");
    }
    for (algorithm, code) in [
        (json!(null), "KMS.0204"),
        (json!(""), "KMS.0204"),
        (json!(1), "KMS.0308"),
        (json!("RSAES_PKCS1_V1_5"), "KMS.0308"),
        (json!("RSAES_OAEP_SHA_1"), "KMS.0308"),
        (json!("RSA_AES_KEY_WRAP_SHA_256"), "KMS.0308"),
        (json!("rsaes_oaep_sha_256"), "KMS.0308"),
    ] {
        let body = json!({ "key_id": key, "wrapping_algorithm": algorithm });
        let said = server.call("get-parameters-for-import", body).await;
        let said = said.refused(400, code);
        assert!(said.starts_with("wrapping_algorithm"), "{said}");
    }
    let now = START.seconds();
    for (member, value, code) in [
        ("import_token", json!(null), "KMS.0204"),
        ("import_token", json!(""), "KMS.0204"),
        ("import_token", json!(["x"]), "KMS.2605"),
        ("import_token", long(196), "KMS.2605"),
        ("import_token", long(200), "KMS.2605"),
        ("import_token", long(6148), "KMS.2605"),
        ("import_token", json!("!".repeat(400)), "KMS.2605"),
        ("encrypted_key_material", json!(null), "KMS.0204"),
        ("encrypted_key_material", json!(""), "KMS.0204"),
        ("encrypted_key_material", json!({}), "KMS.0308"),
        ("encrypted_key_material", long(124), "KMS.0308"),
        ("encrypted_key_material", long(364), "KMS.0308"),
        ("encrypted_key_material", json!("-".repeat(344)), "KMS.0308"),
        ("encrypted_key_material", long(343), "KMS.0308"),
        ("encrypted_key_material", long(344), "KMS.0311"),
        ("encrypted_key_material", long(128), "KMS.0311"),
        ("encrypted_privatekey", json!(true), "KMS.2609"),
        ("encrypted_privatekey", long(196), "KMS.2609"),
        ("encrypted_privatekey", long(6148), "KMS.2609"),
        ("encrypted_privatekey", json!("?".repeat(300)), "KMS.2609"),
        // A private key for a symmetric key.
        ("encrypted_privatekey", long(300), "KMS.2609"),
        ("expiration_time", json!("tomorrow"), "KMS.0308"),
        ("expiration_time", json!(-1), "KMS.0308"),
        ("expiration_time", json!(1.5), "KMS.0308"),
        ("expiration_time", json!([]), "KMS.0308"),
        ("expiration_time", json!("253402300800"), "KMS.0308"),
        ("expiration_time", json!(u64::MAX), "KMS.0308"),
        ("expiration_time", json!(0), "KMS.2602"),
        ("expiration_time", json!(now - 1), "KMS.2602"),
        ("expiration_time", json!(now.to_string()), "KMS.2602"),
    ] {
        let mut body = good.clone();
        body[member] = value;
        let said = server.call("import-key-material", body.clone()).await;
        let said = said.refused(400, code);
        let names_it = code == "KMS.0311" || said.starts_with(member) || member == "import_token";
        assert!(names_it, "{member}: {said}");
    }
    for len in [0, 1, 16, 31, 33, 64] {
        let wrong = server.import(&key, &vec![7; len], json!({})).await;
        let said = wrong.refused(400, "KMS.2604");
        assert!(said.contains("32 bytes"), "{said}");
    }
    let sm4 = create(&server, "sm4", json!({ "key_spec": "SM4" })).await;
    let wrong = server.import(&sm4, &FIRST, json!({})).await;
    assert!(wrong.refused(400, "KMS.2604").contains("16 bytes"));
    assert_eq!(server.state(&key).await, "5", "no refusal leaves material");
    // An empty member is none, and the last second there is is one.
    let mut body = good.clone();
    body["encrypted_privatekey"] = json!("");
    body["expiration_time"] = json!(253_402_300_799_i64);
    server.call("import-key-material", body).await.ok(200);

    // kmsd made the material: the origin is what is wrong, whatever the state.
    for state in ["2", "3", "4"] {
        let made_here = server.key_in(state, &format!("kms-{state}")).await;
        check_all(&server, &good, &made_here, "KMS.0309").await;
    }
    let default = server.create("orders", json!({})).await;
    let name = KeyName::parse("obs/default").unwrap();
    server.alter(&default, |key| key.name = name).await;
    check_all(&server, &good, &default, "KMS.0211").await;
    // A copy has the material of the key it was copied from.
    let region = Region::parse("region-2").unwrap();
    let copy = create(&server, "copy", json!({})).await;
    let primary = region.clone();
    server
        .alter(&copy, |key| key.primary_region = Some(primary))
        .await;
    for call in ["get-parameters-for-import", "import-key-material"] {
        let mut body = good.clone();
        body["key_id"] = json!(copy);
        body["wrapping_algorithm"] = json!(OAEP);
        server.call(call, body).await.refused(400, "KMS.1404");
    }
    let copy = server.external("copy-2").await;
    server
        .alter(&copy, |key| key.primary_region = Some(region))
        .await;
    check_all(&server, &good, &copy, "KMS.1404").await;
    // Another project's key is none.
    let stranger = server.another_account("evil").await;
    let theirs = server.log_in(&stranger).await;
    let project = stranger.project.id.as_str();
    for call in ["get-parameters-for-import", "import-key-material"] {
        let mut body = good.clone();
        body["wrapping_algorithm"] = json!(OAEP);
        server
            .call_in(project, &theirs, call, body)
            .await
            .refused(404, "KMS.0207");
    }
    server.stop().await;
}

/// All three calls about imported material refuse a key with this code.
async fn check_all(server: &TestServer, good: &Value, key: &str, code: &str) {
    let mut body = good.clone();
    body["key_id"] = json!(key);
    body["wrapping_algorithm"] = json!(OAEP);
    for call in [
        "get-parameters-for-import",
        "import-key-material",
        "delete-imported-key-material",
    ] {
        server.call(call, body.clone()).await.refused(400, code);
    }
}
