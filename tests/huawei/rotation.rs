//! Rotation by plan: new versions for new ciphertexts, old ones for old.

use std::sync::Arc;
use std::time::Duration;

use kmsd::crypto::blob::Header;
use kmsd::model::action::Action;
use kmsd::model::error::Error;
use kmsd::model::ids::{KeyId, KeyName, KeystoreId, Region};
use kmsd::model::key::KeyRef;
use kmsd::model::spec::Origin;
use kmsd::operations::rotation;
use kmsd::operations::upkeep::{TimeGuard, step};
use kmsd::store::{Sealed, Write};
use serde_json::{Value, json};

use crate::support::imports::unbase64;
use crate::support::{Db, START, TestServer, on_both};

on_both!(
    a_plan_is_made_changed_and_ended,
    material_is_renewed_when_it_is_due_and_old_ciphertexts_open,
    a_key_that_cannot_be_used_keeps_its_plan,
    a_leap_of_the_clock_renews_nothing_for_an_hour,
    two_upkeeps_renew_each_key_once,
    uses_race_with_rotation,
    more_keys_are_due_than_a_step_renews,
    a_row_that_was_altered_keeps_no_other_from_its_turn,
    keys_that_cannot_rotate_are_told_why,
    kmsds_own_material_is_renewed_on_demand_where_a_dialect_does,
    members_that_do_not_fit,
);

const DAY: Duration = Duration::from_secs(86_400);

/// A server, and upkeep that has seen its clock.
async fn started(db: Db) -> (TestServer, TimeGuard) {
    let server = TestServer::start(db).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    (server, guard)
}

async fn enable(server: &TestServer, key: &str) {
    let answer = server
        .call("enable-key-rotation", json!({ "key_id": key }))
        .await;
    assert_eq!(answer.ok(200), json!({}));
}

async fn set_interval(server: &TestServer, key: &str, days: u32) {
    let body = json!({ "key_id": key, "rotation_interval": days });
    let answer = server.call("update-key-rotation-interval", body).await;
    assert_eq!(answer.ok(200), json!({}));
}

async fn status(server: &TestServer, key: &str) -> Value {
    let answer = server
        .call("get-key-rotation-status", json!({ "key_id": key }))
        .await;
    answer.ok(200)
}

async fn encrypt(server: &TestServer, key: &str) -> (u32, String) {
    let body = json!({ "key_id": key, "plain_text": "card=4111" });
    let made = server.call("encrypt-data", body).await.ok(200);
    let blob = Header::parse(&unbase64(&made["cipher_text"])).unwrap();
    let text = made["cipher_text"].as_str().unwrap().to_owned();
    (blob.key_version(), text)
}

async fn must_open(server: &TestServer, blob: &str) {
    let opened = server
        .call("decrypt-data", json!({ "cipher_text": blob }))
        .await;
    assert_eq!(opened.ok(200)["plain_text"], "card=4111");
}

async fn rotations(server: &TestServer) -> Vec<kmsd::model::audit::Record> {
    let mut records = server.records().await;
    records.retain(|record| record.action == Action::RotateKey);
    records
}

async fn a_plan_is_made_changed_and_ended(db: Db) {
    let (server, _) = started(db).await;
    for spec in ["AES_256", "SM4"] {
        let key = server.create(spec, json!({ "key_spec": spec })).await;
        let off = json!({
            "key_rotation_enabled": false,
            "last_rotation_time": "",
            "number_of_rotations": 0,
        });
        assert_eq!(status(&server, &key).await, off);
        let named = json!({ "key_id": key });
        let interval = json!({ "key_id": key, "rotation_interval": 90 });
        for (call, body) in [
            ("disable-key-rotation", &named),
            ("update-key-rotation-interval", &interval),
        ] {
            server
                .call(call, body.clone())
                .await
                .refused(400, "KMS.0313");
        }
        enable(&server, &key).await;
        server
            .call("enable-key-rotation", named.clone())
            .await
            .refused(400, "KMS.2901");
        let on = |days: u32| {
            json!({
                "key_rotation_enabled": true,
                "rotation_interval": days,
                "last_rotation_time": "",
                "number_of_rotations": 0,
            })
        };
        assert_eq!(status(&server, &key).await, on(365));
        for days in [30, 365, 90] {
            set_interval(&server, &key, days).await;
            assert_eq!(status(&server, &key).await, on(days));
        }
        let described = server.call("describe-key", named.clone()).await.ok(200);
        assert_eq!(described["key_info"]["key_rotation_enabled"], "true");
        let ended = server.call("disable-key-rotation", named.clone()).await;
        assert_eq!(ended.ok(200), json!({}));
        assert_eq!(status(&server, &key).await, off);
        let described = server.call("describe-key", named).await.ok(200);
        assert_eq!(described["key_info"]["key_rotation_enabled"], "false");
        enable(&server, &key).await;
        assert_eq!(
            status(&server, &key).await,
            on(365),
            "nothing is remembered"
        );
    }
    server.stop().await;
}

async fn material_is_renewed_when_it_is_due_and_old_ciphertexts_open(db: Db) {
    let (mut server, mut guard) = started(db).await;
    let key = server.create("renewed", json!({})).await;
    enable(&server, &key).await;
    // The period counts from its last change.
    server.pass_days(10).await;
    set_interval(&server, &key, 30).await;
    let mut blobs = vec![encrypt(&server, &key).await];
    for round in 1..4_u32 {
        server.clock.advance(DAY * 30 - Duration::from_secs(1));
        step(&server.kms, &mut guard).await.unwrap();
        server.token = server.log_in(&server.account).await;
        assert_eq!(encrypt(&server, &key).await.0, round, "not a second early");
        server.clock.advance(Duration::from_secs(1));
        step(&server.kms, &mut guard).await.unwrap();
        step(&server.kms, &mut guard).await.unwrap();
        let made = encrypt(&server, &key).await;
        assert_eq!(made.0, round + 1, "once, and in use at once");
        blobs.push(made);
        for (_, blob) in &blobs {
            must_open(&server, blob).await;
        }
        assert_eq!(
            status(&server, &key).await,
            json!({
                "key_rotation_enabled": true,
                "rotation_interval": 30,
                "last_rotation_time": server.kms.now().millis().to_string(),
                "number_of_rotations": round,
            })
        );
    }
    let records = rotations(&server).await;
    assert_eq!(records.len(), 3);
    let last = &records[2];
    assert_eq!((&*last.key_id, &*last.credential), (&*key, "upkeep"));
    assert_eq!(last.detail, "to version 4");
    assert_eq!(last.revision, server.row(&key).await.revision);
    // What was renewed stays when the plan ends.
    server
        .call("disable-key-rotation", json!({ "key_id": key }))
        .await
        .ok(200);
    server.pass_days(400).await;
    step(&server.kms, &mut guard).await.unwrap();
    let after = status(&server, &key).await;
    assert_eq!(after["number_of_rotations"], 3);
    assert_eq!(encrypt(&server, &key).await.0, 4);
    // A data key that was wrapped before opens as well, and all versions go with the key.
    let body = json!({ "key_id": key, "pending_days": "7" });
    server.call("schedule-key-deletion", body).await.ok(200);
    server.pass_days(7).await;
    assert_eq!(step(&server.kms, &mut guard).await.unwrap().len(), 1);
    server.stop().await;
}

async fn a_key_that_cannot_be_used_keeps_its_plan(db: Db) {
    let (mut server, mut guard) = started(db).await;
    for (off, days) in [("disable-key", 0), ("schedule-key-deletion", 1000)] {
        let key = server.create(off, json!({})).await;
        enable(&server, &key).await;
        set_interval(&server, &key, 30).await;
        let mut body = json!({ "key_id": key });
        if days > 0 {
            body["pending_days"] = json!(days);
        }
        server.call(off, body).await.ok(200);
        server.pass_days(45).await;
        step(&server.kms, &mut guard).await.unwrap();
        let kept = status(&server, &key).await;
        assert_eq!(kept["key_rotation_enabled"], true);
        assert_eq!(kept["number_of_rotations"], 0, "{off}");
        let named = json!({ "key_id": key });
        if days > 0 {
            server
                .call("cancel-key-deletion", named.clone())
                .await
                .ok(200);
        }
        server.call("enable-key", named.clone()).await.ok(200);
        step(&server.kms, &mut guard).await.unwrap();
        assert_eq!(
            status(&server, &key).await["number_of_rotations"],
            1,
            "{off}"
        );
        // Back before its time, the old plan goes on.
        server.call("disable-key", named.clone()).await.ok(200);
        server.pass_days(20).await;
        server.call("enable-key", named).await.ok(200);
        server.pass_days(9).await;
        step(&server.kms, &mut guard).await.unwrap();
        assert_eq!(
            status(&server, &key).await["number_of_rotations"],
            1,
            "{off}"
        );
        server.pass_days(1).await;
        step(&server.kms, &mut guard).await.unwrap();
        assert_eq!(
            status(&server, &key).await["number_of_rotations"],
            2,
            "{off}"
        );
    }
    server.stop().await;
}

async fn a_leap_of_the_clock_renews_nothing_for_an_hour(db: Db) {
    let (mut server, mut guard) = started(db).await;
    let key = server.create("renewed", json!({})).await;
    enable(&server, &key).await;
    server.clock.leap(DAY * 400);
    server.token = server.log_in(&server.account).await;
    step(&server.kms, &mut guard).await.unwrap();
    server.clock.advance(Duration::from_secs(59 * 60));
    step(&server.kms, &mut guard).await.unwrap();
    assert_eq!(status(&server, &key).await["number_of_rotations"], 0);
    server.clock.advance(Duration::from_secs(60));
    step(&server.kms, &mut guard).await.unwrap();
    assert_eq!(status(&server, &key).await["number_of_rotations"], 1);
    server.stop().await;
}

async fn two_upkeeps_renew_each_key_once(db: Db) {
    let (mut server, mut one) = started(db).await;
    let mut two = TimeGuard::default();
    step(&server.kms, &mut two).await.unwrap();
    let mut keys = Vec::new();
    for at in 0..12 {
        let key = server.create(&format!("renewed-{at}"), json!({})).await;
        enable(&server, &key).await;
        keys.push(key);
    }
    server.pass_days(365).await;
    let (first, second) =
        futures_util::future::join(step(&server.kms, &mut one), step(&server.kms, &mut two)).await;
    first.unwrap();
    second.unwrap();
    step(&server.kms, &mut two).await.unwrap();
    for key in &keys {
        assert_eq!(status(&server, key).await["number_of_rotations"], 1);
        assert_eq!(encrypt(&server, key).await.0, 2);
    }
    assert_eq!(rotations(&server).await.len(), keys.len());
    server.stop().await;
}

/// While a key is renewed no use of it fails, and a change of it is neither lost nor undone (I-34).
async fn uses_race_with_rotation(db: Db) {
    let (mut server, mut guard) = started(db).await;
    let key = server.create("renewed", json!({})).await;
    enable(&server, &key).await;
    set_interval(&server, &key, 30).await;
    for round in 0..5 {
        server.pass_days(30).await;
        let shared = Arc::new(server);
        let users: Vec<_> = (0..3)
            .map(|user| {
                let (server, key) = (shared.clone(), key.clone());
                actix_web::rt::spawn(async move {
                    let mut blobs = Vec::new();
                    for at in 0..10 {
                        if user == 0 {
                            let text = format!("{round}-{at}");
                            let body = json!({ "key_id": key, "key_description": text });
                            server.call("update-key-description", body).await.ok(200);
                        } else {
                            blobs.push(encrypt(&server, &key).await);
                        }
                    }
                    blobs
                })
            })
            .collect();
        // A change that is faster than upkeep leaves the key to its next step.
        for _ in 0..50 {
            step(&shared.kms, &mut guard).await.unwrap();
            if status(&shared, &key).await["number_of_rotations"] == round + 1 {
                break;
            }
        }
        for user in users {
            for (version, blob) in user.await.unwrap() {
                assert!([round + 1, round + 2].contains(&version), "{version}");
                must_open(&shared, &blob).await;
            }
        }
        let row = shared.row(&key).await;
        assert_eq!(row.description, format!("{round}-9"));
        assert_eq!(row.rotations, round + 1);
        server = Arc::into_inner(shared).unwrap();
    }
    server.stop().await;
}

async fn more_keys_are_due_than_a_step_renews(db: Db) {
    let (mut server, mut guard) = started(db).await;
    for at in 0..105 {
        let key = server.create(&format!("renewed-{at}"), json!({})).await;
        enable(&server, &key).await;
    }
    server.pass_days(365).await;
    step(&server.kms, &mut guard).await.unwrap();
    assert_eq!(rotations(&server).await.len(), 100);
    step(&server.kms, &mut guard).await.unwrap();
    assert_eq!(rotations(&server).await.len(), 105);
    step(&server.kms, &mut guard).await.unwrap();
    assert_eq!(rotations(&server).await.len(), 105);
    server.stop().await;
}

async fn a_row_that_was_altered_keeps_no_other_from_its_turn(db: Db) {
    let (mut server, mut guard) = started(db).await;
    let mut keys = Vec::new();
    for at in 0..3 {
        let key = server.create(&format!("renewed-{at}"), json!({})).await;
        enable(&server, &key).await;
        keys.push(key);
        server.clock.advance(Duration::from_secs(1));
    }
    // The one that is due first, under another key's seal.
    let row = server.row(&keys[0]).await;
    let strange = kmsd::crypto::secret::Secret::from_slice(&[1; 32]);
    let read = row.revision;
    let key = Sealed::new(row, &strange);
    server.write(vec![Write::SaveKey { key, read }]).await;
    server.pass_days(365).await;
    step(&server.kms, &mut guard).await.unwrap();
    let renewed: Vec<_> = rotations(&server).await;
    let renewed: Vec<_> = renewed.iter().map(|record| &record.key_id).collect();
    assert_eq!(renewed, [&keys[1], &keys[2]]);
    server.stop().await;
}

async fn keys_that_cannot_rotate_are_told_why(db: Db) {
    let (server, _) = started(db).await;
    let mut cases = Vec::new();
    for (spec, usage, code) in [
        ("RSA_2048", "SIGN_VERIFY", "KMS.0324"),
        ("EC_P256", "SIGN_VERIFY", "KMS.0325"),
        ("SM2", "ENCRYPT_DECRYPT", "KMS.0325"),
        ("ED25519", "SIGN_VERIFY", "KMS.0325"),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "KMS.0341"),
        ("HMAC_SM3", "GENERATE_VERIFY_MAC", "KMS.0341"),
    ] {
        let more = json!({ "key_spec": spec, "key_usage": usage });
        cases.push((server.create(spec, more).await, code, "KMS.0309"));
    }
    cases.push((server.external("external").await, "KMS.0312", "KMS.0312"));
    let waiting = server
        .create("waiting", json!({ "origin": "external" }))
        .await;
    cases.push((waiting, "KMS.0312", "KMS.1301"));

    let default = server.create("default-1", json!({})).await;
    let name = KeyName::parse("evs/default").unwrap();
    server.alter(&default, |key| key.name = name).await;
    cases.push((default, "KMS.0211", "KMS.0211"));
    for (name, origin) in [("replica-1", "kms"), ("replica-2", "external")] {
        let copy = match origin {
            "kms" => server.create(name, json!({})).await,
            _ => server.external(name).await,
        };
        let region = Region::parse("region-2").unwrap();
        server
            .alter(&copy, |key| key.primary_region = Some(region))
            .await;
        cases.push(match origin {
            "kms" => (copy, "KMS.0308", "KMS.0309"),
            _ => (copy, "KMS.0312", "KMS.0308"),
        });
    }
    // A key whose material is elsewhere.
    let plain = server.create("plain", json!({})).await;
    let mut row = server.row(&plain).await;
    row.id = KeyId::parse("00000000-0000-4000-8000-000000000001").unwrap();
    row.name = KeyName::parse("elsewhere").unwrap();
    row.keystore = KeystoreId::parse("00000000-0000-4000-8000-00000000000e").unwrap();
    let elsewhere = row.id.to_string();
    let sealing = server.kms.project_key(&row.project).await.unwrap();
    let whole = server.row(&plain).await;
    let mut versions = server.kms.store().list_material(&whole).await.unwrap();
    // Counted in no quota, so that no keystore has to count it either.
    let insert = Write::InsertDefaultKey {
        key: Sealed::new(row, sealing.row()),
        material: versions.remove(0),
    };
    server.write(vec![insert]).await;
    cases.push((elsewhere, "KMS.0338", "KMS.0309"));
    cases.push((plain, "", "KMS.0309"));

    for (key, code, on_demand) in cases {
        let named = json!({ "key_id": key });
        let refused = server.call("rotate-on-demand", named.clone()).await;
        refused.refused(400, on_demand);
        if code.is_empty() {
            continue;
        }
        let mut body = named.clone();
        body["rotation_interval"] = json!(90);
        for call in [
            "enable-key-rotation",
            "disable-key-rotation",
            "update-key-rotation-interval",
        ] {
            server.call(call, body.clone()).await.refused(400, code);
        }
        let shown = status(&server, &key).await;
        assert_eq!(shown["key_rotation_enabled"], false);
        assert_eq!(shown["number_of_rotations"], 0);
    }
    // An imported private key has one material for good.
    let more = json!({ "origin": "external", "key_spec": "EC_P256", "key_usage": "SIGN_VERIFY" });
    let key = server.create("curve", more).await;
    server
        .alter(&key, |key| {
            key.state = kmsd::model::state::KeyState::Enabled;
            key.current_version = Some(1);
        })
        .await;
    server
        .call("rotate-on-demand", json!({ "key_id": key }))
        .await
        .refused(400, "KMS.0325");
    server.stop().await;
}

/// No route leads there yet; the verb does as it will be asked to.
async fn kmsds_own_material_is_renewed_on_demand_where_a_dialect_does(db: Db) {
    let (server, _) = started(db).await;
    let key = server.create("renewed", json!({})).await;
    enable(&server, &key).await;
    let (_, before) = encrypt(&server, &key).await;
    let plan = server.row(&key).await.rotation;
    let mut cx = server.context(Action::RotateKeyOnDemand);
    let named = KeyRef::Id(KeyId::parse(key.as_str()).unwrap());
    let refused = rotation::on_demand(&mut cx, &named, &[Origin::External], None).await;
    assert!(matches!(refused, Err(Error::CannotRotate(_))));
    rotation::on_demand(&mut cx, &named, &[Origin::External, Origin::Kms], None)
        .await
        .unwrap();
    server.write(cx.finish().unwrap().writes).await;
    let (version, after) = encrypt(&server, &key).await;
    assert_eq!(version, 2);
    must_open(&server, &before).await;
    must_open(&server, &after).await;
    assert_eq!(server.row(&key).await.rotation, plan, "the plan stays");
    assert_eq!(status(&server, &key).await["number_of_rotations"], 1);
    assert_eq!(
        status(&server, &key).await["last_rotation_time"],
        START.millis().to_string()
    );
    server.stop().await;
}

async fn members_that_do_not_fit(db: Db) {
    let (server, _) = started(db).await;
    let key = server.create("renewed", json!({})).await;
    enable(&server, &key).await;
    let nobodys = "00000000-0000-4000-8000-000000000000";
    let stranger = server.another_account("evil").await;
    let theirs = server.log_in(&stranger).await;
    for call in [
        "enable-key-rotation",
        "disable-key-rotation",
        "update-key-rotation-interval",
        "get-key-rotation-status",
        "rotate-on-demand",
    ] {
        let mut body = json!({ "rotation_interval": 90 });
        for (id, status, code) in [
            (json!(null), 400, "KMS.0204"),
            (json!(""), 400, "KMS.0204"),
            (json!("not-an-id"), 400, "KMS.0205"),
            (json!("alias/renewed"), 400, "KMS.0205"),
            (json!(["x"]), 400, "KMS.0205"),
            (json!(nobodys), 404, "KMS.0207"),
        ] {
            body["key_id"] = id;
            server.call(call, body.clone()).await.refused(status, code);
        }
        body["key_id"] = json!(key);
        let project = stranger.project.id.as_str();
        server
            .call_in(project, &theirs, call, body.clone())
            .await
            .refused(404, "KMS.0207");
        for sequence in [json!("short"), json!(7), json!("x".repeat(37))] {
            body["sequence"] = sequence;
            // rotate-on-demand has no such member, and unknown ones are ignored.
            let code = match call {
                "rotate-on-demand" => "KMS.0309",
                _ => "KMS.0206",
            };
            server.call(call, body.clone()).await.refused(400, code);
        }
    }
    for (days, code) in [
        (json!(null), "KMS.0204"),
        (json!(""), "KMS.0204"),
        (json!(0), "KMS.3001"),
        (json!(29), "KMS.3001"),
        (json!(366), "KMS.3001"),
        (json!("366"), "KMS.3001"),
        (json!(-30), "KMS.3001"),
        (json!(30.5), "KMS.3001"),
        (json!(4_294_967_326_u64), "KMS.3001"),
        (json!("ninety"), "KMS.3001"),
        (json!(true), "KMS.3001"),
        (json!([90]), "KMS.3001"),
    ] {
        let body = json!({ "key_id": key, "rotation_interval": days });
        let said = server.call("update-key-rotation-interval", body).await;
        let said = said.refused(400, code);
        assert!(said.starts_with("rotation_interval"), "{said}");
    }
    let row = server.row(&key).await;
    assert_eq!(row.rotation.unwrap().days, 365, "refusals change nothing");
    let body = json!({ "key_id": key, "rotation_interval": "30" });
    server
        .call("update-key-rotation-interval", body)
        .await
        .ok(200);
    server.stop().await;
}
