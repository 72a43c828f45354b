//! The life of a key, over HTTP.

use std::time::Duration;

use kmsd::model::spec::{KeySpec, KeyUsage};
use kmsd::operations::upkeep::{TimeGuard, step};
use serde_json::{Value, json};

use crate::support::calls::KEY_CALLS;
use crate::support::{Db, Setup, TestServer, on_both};

on_both!(
    a_key_is_made_scheduled_and_rescued,
    every_spec_that_can_be_imported_is_described_as_it_was_made,
    spec_and_usage_go_together_as_the_contract_says,
    what_cannot_be_imported_is_said_so,
    a_name_has_its_form_and_is_taken_once_in_a_project,
    a_name_stays_taken_until_its_key_is_destroyed,
    members_that_file_a_key_elsewhere,
    unknown_members_reach_nothing_i_26,
    a_project_has_so_many_keys_and_no_more,
    a_key_is_renamed_and_described_anew,
    a_description_has_255_characters_of_any_kind,
    days_of_waiting_are_numbers_within_bounds,
    a_key_past_its_day_is_gone_everywhere,
    of_many_calls_at_once_each_gets_its_own_key,
    a_change_is_seen_by_every_call_after_it,
);

/// The contract's section 3.4 and 7.6: each spec, its usages (the default first), and whether its
/// material may be imported.
const SPECS: &[(&str, &[&str], bool)] = &[
    ("AES_256", &[ENCRYPT], true),
    ("SM4", &[ENCRYPT], true),
    ("RSA_2048", &[SIGN, ENCRYPT], true),
    ("RSA_3072", &[SIGN, ENCRYPT], true),
    ("RSA_4096", &[SIGN, ENCRYPT], true),
    ("EC_P256", &[SIGN, AGREE], true),
    ("EC_P384", &[SIGN, AGREE], true),
    ("SECP256K1", &[SIGN, AGREE], false),
    ("SM2", &[SIGN, ENCRYPT, AGREE], true),
    ("ED25519", &[SIGN], false),
    ("HMAC_256", &[MAC], false),
    ("HMAC_384", &[MAC], false),
    ("HMAC_512", &[MAC], false),
    ("HMAC_SM3", &[MAC], false),
];
const ENCRYPT: &str = "ENCRYPT_DECRYPT";
const SIGN: &str = "SIGN_VERIFY";
const MAC: &str = "GENERATE_VERIFY_MAC";
const AGREE: &str = "KEY_AGREEMENT";

async fn details(server: &TestServer, key: &str) -> Value {
    let found = server.call("describe-key", json!({ "key_id": key })).await;
    found.ok(200)["key_info"].clone()
}

#[test]
fn the_table_of_specs_here_is_complete() {
    let here: Vec<_> = SPECS.iter().map(|(name, ..)| *name).collect();
    // Another dialect makes more.
    let there: Vec<_> = KeySpec::ALL
        .iter()
        .map(|spec| spec.name())
        .filter(|name| !matches!(*name, "EC_P521" | "HMAC_224"))
        .filter(|name| !name.starts_with("ML_"))
        .collect();
    assert_eq!(here, there);
}

async fn every_spec_that_can_be_imported_is_described_as_it_was_made(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, usages, importable) in SPECS {
        if !importable {
            continue;
        }
        for usage in *usages {
            let name = format!("{spec}-{usage}");
            let more = json!({ "key_spec": spec, "key_usage": usage, "origin": "external" });
            let key = server.create(&name, more).await;
            assert_eq!(
                details(&server, &key).await,
                json!({
                    "key_id": key,
                    "domain_id": server.account.project.domain,
                    "key_alias": name,
                    "realm": "home-region-1",
                    "key_spec": spec,
                    "key_usage": usage,
                    "key_description": "",
                    "creation_date": "1767323045000",
                    "scheduled_deletion_date": "",
                    "key_state": "5",
                    "default_key_flag": "0",
                    "key_type": "1",
                    "expiration_time": "",
                    "origin": "external",
                    "key_rotation_enabled": "false",
                    "sys_enterprise_project_id": "0",
                    "keystore_id": "0",
                    "key_label": "",
                    "partition_type": "1",
                })
            );
        }
        // Without a usage, the default.
        let more = json!({ "key_spec": spec, "origin": "external" });
        let key = server.create(&format!("{spec}-default"), more).await;
        assert_eq!(
            details(&server, &key).await["key_usage"],
            usages[0],
            "{spec}"
        );
    }
    server.stop().await;
}

async fn spec_and_usage_go_together_as_the_contract_says(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, usages, importable) in SPECS {
        let wrong = KeyUsage::ALL.iter().map(|usage| usage.name());
        for usage in wrong.filter(|usage| !usages.contains(usage)) {
            let origin = if *importable { "external" } else { "kms" };
            let body = json!({
                "key_alias": "never",
                "key_spec": spec,
                "key_usage": usage,
                "origin": origin,
            });
            let said = server
                .call("create-key", body)
                .await
                .refused(400, "KMS.0308");
            assert_eq!(
                said,
                format!("key_usage {usage} does not go with key_spec {spec}")
            );
        }
    }
    assert_no_keys(&server).await;
    server.stop().await;
}

async fn what_cannot_be_imported_is_said_so(db: Db) {
    let server = TestServer::start(db).await;
    for (spec, _, importable) in SPECS {
        if *importable {
            continue;
        }
        let code = if spec.starts_with("HMAC") {
            "KMS.0341"
        } else {
            "KMS.0308"
        };
        let body = json!({ "key_alias": "never", "key_spec": spec, "origin": "external" });
        let said = server.call("create-key", body).await.refused(400, code);
        assert!(
            said.starts_with("origin external does not go with"),
            "{said}"
        );
    }
    for (member, value, code) in [
        ("key_spec", "AES_128", "KMS.1110"),
        ("key_spec", "aes_256", "KMS.1110"),
        ("key_usage", "DECRYPT", "KMS.0308"),
        ("origin", "aws", "KMS.0308"),
        ("origin", "KMS", "KMS.0308"),
    ] {
        let body = json!({ "key_alias": "never", (member): value });
        let said = server.call("create-key", body).await.refused(400, code);
        assert!(said.starts_with(member), "{said}");
    }
    assert_no_keys(&server).await;
    server.stop().await;
}

async fn assert_no_keys(server: &TestServer) {
    let counted = server.call("GET user-instances", Value::Null).await.ok(200);
    assert_eq!(counted["instance_num"], 0, "a refusal made a key");
}

async fn a_name_has_its_form_and_is_taken_once_in_a_project(db: Db) {
    let server = TestServer::start(db).await;
    let longest = "x".repeat(255);
    for good in [
        "a",
        "orders-db",
        "Team:orders/db_1",
        "default",
        "/defaults",
        &longest,
    ] {
        let key = server.create(good, json!({})).await;
        assert_eq!(details(&server, &key).await["key_alias"], good);
        let body = json!({ "key_alias": good });
        server
            .call("create-key", body)
            .await
            .refused(400, "KMS.1104");
    }
    let too_long = "x".repeat(256);
    for bad in [
        "a b",
        "a.b",
        "é",
        "a\u{0}",
        "a\n",
        "a*",
        "alias/é",
        &too_long,
        "obs/default",
        "/default",
        "a/default",
    ] {
        let body = json!({ "key_alias": bad });
        let said = server
            .call("create-key", body)
            .await
            .refused(400, "KMS.1101");
        assert!(said.starts_with("key_alias"), "{bad:?}: {said}");
    }
    let said = server.call("create-key", json!({ "key_alias": "" })).await;
    assert_eq!(
        said.refused(400, "KMS.0204"),
        "key_alias is missing or empty"
    );

    // Others may call their keys so, too.
    let stranger = server.another_account("evil").await;
    let token = server.log_in(&stranger).await;
    let request = server
        .request(
            "POST",
            &format!("/v1.0/{}/kms/create-key", stranger.project.id),
        )
        .header("X-Auth-Token", token)
        .json(&json!({ "key_alias": "orders-db" }));
    server.send(request).await.ok(200);
    server.stop().await;
}

async fn a_name_stays_taken_until_its_key_is_destroyed(db: Db) {
    let mut server = TestServer::start(db).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    server.key_in("4", "orders-db").await;
    let body = json!({ "key_alias": "orders-db" });
    let again = server.call("create-key", body.clone()).await;
    again.refused(400, "KMS.1104");
    server.pass_days(7).await;
    step(&server.kms, &mut guard).await.unwrap();
    server.call("create-key", body).await.ok(200);
    server.stop().await;
}

async fn members_that_file_a_key_elsewhere(db: Db) {
    let server = TestServer::start(db).await;
    let enterprise = "0a1b2c3d-0000-4000-8000-00000000000a";
    for (name, given, shown) in [
        ("filed", json!(enterprise), enterprise),
        ("default", json!("0"), "0"),
        ("empty", json!(""), "0"),
        ("null", Value::Null, "0"),
    ] {
        let key = server
            .create(name, json!({ "enterprise_project_id": given }))
            .await;
        assert_eq!(
            details(&server, &key).await["sys_enterprise_project_id"],
            shown
        );
    }
    for (member, value, code) in [
        ("enterprise_project_id", "all", "KMS.0308"),
        ("enterprise_project_id", "1", "KMS.0308"),
        ("keystore_id", "1", "KMS.8003"),
        ("keystore_id", "nowhere", "KMS.8003"),
    ] {
        let body = json!({ "key_alias": "never", (member): value });
        server.call("create-key", body).await.refused(400, code);
    }
    for (name, keystore) in [("built-in", "0"), ("none", "")] {
        let key = server
            .create(name, json!({ "keystore_id": keystore }))
            .await;
        assert_eq!(details(&server, &key).await["keystore_id"], "0");
    }
    server.stop().await;
}

async fn unknown_members_reach_nothing_i_26(db: Db) {
    let server = TestServer::start(db).await;
    let more = json!({
        // gophertelekomcloud's and others'.
        "realm": "region-2",
        "key_type": "1",
        "vm_id": "x",
        // What a client must never choose.
        "key_id": "11111111-1111-4111-8111-111111111111",
        "id": "11111111-1111-4111-8111-111111111111",
        "project": "x",
        "project_id": "x",
        "domain_id": "x",
        "region": "region-2",
        "key_state": "5",
        "creation_date": "1",
        "created_at": 1,
        "created_by": "x",
        "revision": 7,
        "current_version": 9,
        "default_key_flag": "1",
        "nested": { "deep": [1, { "key_alias": 7 }] },
    });
    let key = server.create("plain", more).await;
    let plain = server.create("plain-2", json!({})).await;
    let (mut one, mut other) = (details(&server, &key).await, details(&server, &plain).await);
    for details in [&mut one, &mut other] {
        details["key_id"] = Value::Null;
        details["key_alias"] = Value::Null;
    }
    assert_eq!(one, other);
    assert_ne!(key, "11111111-1111-4111-8111-111111111111");
    server.stop().await;
}

async fn a_project_has_so_many_keys_and_no_more(db: Db) {
    let setup = Setup::from(db).with("limits.keys_per_project", "2");
    let mut server = TestServer::start(setup).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    server.key_in("5", "one").await;
    // One that waits to be deleted counts until it is gone.
    server.key_in("4", "two").await;
    let third = json!({ "key_alias": "three" });
    let refused = server.call("create-key", third.clone()).await;
    assert_eq!(
        refused.refused(400, "KMS.1105"),
        "the key quota of the project is used up"
    );
    // The quota is each project's own.
    let stranger = server.another_account("evil").await;
    let token = server.log_in(&stranger).await;
    let request = server
        .request(
            "POST",
            &format!("/v1.0/{}/kms/create-key", stranger.project.id),
        )
        .header("X-Auth-Token", token)
        .json(&third);
    server.send(request).await.ok(200);

    server.pass_days(7).await;
    step(&server.kms, &mut guard).await.unwrap();
    server.call("create-key", third).await.ok(200);
    let fourth = json!({ "key_alias": "four" });
    server
        .call("create-key", fourth)
        .await
        .refused(400, "KMS.1105");
    server.stop().await;
}

async fn a_key_is_renamed_and_described_anew(db: Db) {
    let server = TestServer::start(db).await;
    let key = server
        .create("old", json!({ "key_description": "before" }))
        .await;
    server.create("taken", json!({})).await;
    let before = details(&server, &key).await;
    let rename = async |name: &str| {
        let body = json!({ "key_id": key, "key_alias": name });
        server.call("update-key-alias", body).await
    };
    rename("taken").await.refused(400, "KMS.1104");
    rename("new/default").await.refused(400, "KMS.1101");
    rename("not so").await.refused(400, "KMS.1101");
    rename("").await.refused(400, "KMS.0204");
    assert_eq!(details(&server, &key).await, before);
    assert_eq!(
        rename("new").await.ok(200),
        json!({ "key_info": { "key_id": key, "key_alias": "new" } })
    );
    // Its own name is not somebody else's.
    rename("new").await.ok(200);
    server.create("old", json!({})).await;

    let body = json!({ "key_id": key, "key_description": "" });
    assert_eq!(
        server.call("update-key-description", body).await.ok(200),
        json!({ "key_info": { "key_id": key, "key_description": "" } })
    );
    let missing = server
        .call("update-key-description", json!({ "key_id": key }))
        .await;
    assert_eq!(
        missing.refused(400, "KMS.0204"),
        "key_description is missing or empty"
    );
    let mut after = before;
    after["key_alias"] = json!("new");
    after["key_description"] = json!("");
    assert_eq!(
        details(&server, &key).await,
        after,
        "and nothing else changed"
    );
    server.stop().await;
}

async fn a_description_has_255_characters_of_any_kind(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("told", json!({})).await;
    let long = ["x".repeat(255), "é".repeat(255), "🔑".repeat(255)];
    let mut good = vec![
        "",
        " ",
        "two\nlines",
        "\"quoted\"",
        "'; DROP TABLE keys; --",
        "\u{1}\u{7f}\u{feff}",
    ];
    good.extend(long.iter().map(String::as_str));
    for text in good {
        let body = json!({ "key_id": key, "key_description": text });
        server.call("update-key-description", body).await.ok(200);
        assert_eq!(details(&server, &key).await["key_description"], text);
    }
    for text in [
        "x".repeat(256),
        "é".repeat(256),
        "a\u{0}b".into(),
        "\u{0}".into(),
    ] {
        let body = json!({ "key_id": key, "key_description": text });
        let said = server.call("update-key-description", body).await;
        assert!(said.refused(400, "KMS.1103").starts_with("key_description"));
        let body = json!({ "key_alias": "never", "key_description": text });
        server
            .call("create-key", body)
            .await
            .refused(400, "KMS.1103");
    }
    server.stop().await;
}

async fn days_of_waiting_are_numbers_within_bounds(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("orders-db", json!({})).await;
    for bad in [
        json!("6"),
        json!(6),
        json!("1097"),
        json!(1097),
        json!("0"),
        json!(0),
        json!(-7),
        json!("-7"),
        json!("seven"),
        json!("7 "),
        json!("7.0"),
        json!(7.5),
        json!("+7"),
        json!("0x7"),
        json!("99999999999999999999"),
        json!(4_294_967_303_u64),
        json!(true),
        json!(["7"]),
        json!({ "days": 7 }),
    ] {
        let body = json!({ "key_id": key, "pending_days": bad });
        let said = server.call("schedule-key-deletion", body).await;
        assert!(
            said.refused(400, "KMS.1401").starts_with("pending_days"),
            "{bad}"
        );
    }
    for missing in [
        json!({ "key_id": key }),
        json!({ "key_id": key, "pending_days": "" }),
        json!({ "key_id": key, "pending_days": null }),
    ] {
        let said = server.call("schedule-key-deletion", missing).await;
        assert_eq!(
            said.refused(400, "KMS.0204"),
            "pending_days is missing or empty"
        );
    }
    assert_eq!(server.state(&key).await, "2");
    for (good, days) in [
        (json!("7"), 7),
        (json!(7), 7),
        (json!(7.0), 7),
        (json!("007"), 7),
        (json!("1096"), 1096),
        (json!(1096), 1096),
    ] {
        let body = json!({ "key_id": key, "pending_days": good });
        server.call("schedule-key-deletion", body).await.ok(200);
        let date = (1_767_323_045_000_i64 + days * 86_400_000).to_string();
        assert_eq!(
            details(&server, &key).await["scheduled_deletion_date"],
            date,
            "{good}"
        );
        let body = json!({ "key_id": key });
        server.call("cancel-key-deletion", body).await.ok(200);
    }
    server.stop().await;
}

/// Threat model 5.6: at its moment it is gone, whether or not upkeep has run, and calling off comes
/// too late.
async fn a_key_past_its_day_is_gone_everywhere(db: Db) {
    let mut server = TestServer::start(db).await;
    let key = server.key_in("4", "orders-db").await;
    server.clock.advance(Duration::from_millis(1));
    server.pass_days(6).await;
    assert_eq!(server.state(&key).await, "4");
    server.pass_days(1).await;
    for call in KEY_CALLS.iter().filter(|call| call.needs.is_some()) {
        let answer = server.call(call.name, (call.body)(&key)).await;
        assert_eq!(
            answer.refused(404, "KMS.0207"),
            "no key with this id in the project",
            "{}",
            call.name
        );
    }
    assert_no_keys(&server).await;
    server.stop().await;
}

async fn a_key_is_made_scheduled_and_rescued(db: Db) {
    let server = TestServer::start(db).await;
    let key = server
        .create("orders-db", json!({ "key_description": "orders database" }))
        .await;
    let found = server
        .call("describe-key", json!({ "key_id": key }))
        .await
        .ok(200);
    assert_eq!(
        found,
        json!({ "key_info": {
            "key_id": key,
            "domain_id": server.account.project.domain,
            "key_alias": "orders-db",
            "realm": "home-region-1",
            "key_spec": "AES_256",
            "key_usage": "ENCRYPT_DECRYPT",
            "key_description": "orders database",
            "creation_date": "1767323045000",
            "scheduled_deletion_date": "",
            "key_state": "2",
            "default_key_flag": "0",
            "key_type": "1",
            "expiration_time": "",
            "origin": "kms",
            "key_rotation_enabled": "false",
            "sys_enterprise_project_id": "0",
            "keystore_id": "0",
            "key_label": "",
            "partition_type": "1",
        }})
    );
    let scheduled = server
        .call(
            "schedule-key-deletion",
            json!({ "key_id": key, "pending_days": "7" }),
        )
        .await
        .ok(200);
    assert_eq!(scheduled, json!({ "key_id": key, "key_state": "4" }));
    let found = server
        .call("describe-key", json!({ "key_id": key }))
        .await
        .ok(200);
    assert_eq!(
        found["key_info"]["scheduled_deletion_date"],
        "1767927845000"
    );

    let cancelled = server
        .call("cancel-key-deletion", json!({ "key_id": key }))
        .await
        .ok(200);
    assert_eq!(cancelled, json!({ "key_id": key, "key_state": "3" }));
    let found = server
        .call("describe-key", json!({ "key_id": key }))
        .await
        .ok(200);
    assert_eq!(
        found["key_info"]["scheduled_deletion_date"],
        Value::from("")
    );
    let enabled = server
        .call("enable-key", json!({ "key_id": key }))
        .await
        .ok(200);
    assert_eq!(
        enabled,
        json!({ "key_info": { "key_id": key, "key_state": "2" } })
    );
    server.stop().await;
}

/// Calls that come together are answered from one read.
async fn of_many_calls_at_once_each_gets_its_own_key(db: Db) {
    let server = TestServer::start(db).await;
    let mut keys = Vec::new();
    for n in 0..20 {
        let name = format!("key-{n}");
        keys.push((server.create(&name, json!({})).await, Some(name)));
    }
    // Beside those that are there some that are not, before, between and after them in order.
    for id in ["0", "7", "f"] {
        let id = format!("{}-{}-4000-8000-000000000000", id.repeat(8), id.repeat(4));
        keys.push((id, None));
    }
    // More than one read takes, and each key several times.
    let ask = async |n: usize| {
        let (id, name) = &keys[n * 7 % keys.len()];
        let found = server.call("describe-key", json!({ "key_id": id })).await;
        match name {
            Some(name) => {
                let found = &found.ok(200)["key_info"];
                assert_eq!(
                    (&found["key_id"], &found["key_alias"]),
                    (&json!(id), &json!(name))
                );
            }
            None => {
                found.refused(404, "KMS.0207");
            }
        }
    };
    futures_util::future::join_all((0..200).map(ask)).await;
    server.stop().await;
}

async fn a_change_is_seen_by_every_call_after_it(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("busy", json!({})).await;
    let body = json!({ "key_id": key });
    for state in ["3", "2", "3", "2"] {
        let change = if state == "3" {
            "disable-key"
        } else {
            "enable-key"
        };
        let read = async || {
            server
                .call("describe-key", body.clone())
                .await
                .ok(200)
                .clone()
        };
        // Reads under way while it changes may be of before or after; none that begins later is of
        // before.
        let before = futures_util::future::join_all((0..8).map(|_| read()));
        let (_, changed) = tokio::join!(before, async {
            server.call(change, body.clone()).await.ok(200);
            futures_util::future::join_all((0..8).map(|_| read())).await
        });
        for found in changed {
            assert_eq!(found["key_info"]["key_state"], state);
        }
    }
    server.stop().await;
}
