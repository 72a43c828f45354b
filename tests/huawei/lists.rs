//! list-keys and the counters: filters, pages and their ends (contract, sections 4.1, 4.9, 7.5).

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Db, Setup, TestServer, on_both};

on_both!(
    an_empty_list_is_a_list,
    a_page_holds_whole_keys_the_newest_first,
    pages_follow_each_other_to_the_end,
    filters_choose_by_state_spec_and_enterprise_project,
    without_a_spec_only_aes_keys_come_or_all_if_so_set,
    wrong_words_are_refused_by_their_own_codes,
    a_body_may_be_missing_or_nearly,
    counters_count_keys_in_every_state_until_their_day,
);

async fn list(server: &TestServer, body: Value) -> Value {
    server.call("list-keys", body).await.ok(200)
}

/// Makes keys a second apart, so that their order is certain; gives their ids, the newest first.
async fn make(server: &TestServer, names: &[&str]) -> Vec<String> {
    let mut made = Vec::new();
    for name in names {
        made.insert(0, server.create(name, json!({})).await);
        server.clock.advance(Duration::from_secs(1));
    }
    made
}

async fn an_empty_list_is_a_list(db: Db) {
    let server = TestServer::start(db).await;
    assert_eq!(
        list(&server, json!({})).await,
        json!({
            "keys": [],
            "key_details": [],
            "next_marker": "",
            "truncated": "false",
            "total": 0,
        })
    );
    server.stop().await;
}

async fn a_page_holds_whole_keys_the_newest_first(db: Db) {
    let server = TestServer::start(db).await;
    let made = make(&server, &["one", "two", "three"]).await;
    let mut details = Vec::new();
    for key in &made {
        let found = server.call("describe-key", json!({ "key_id": key })).await;
        details.push(found.ok(200)["key_info"].clone());
    }
    assert_eq!(
        list(&server, json!({ "key_spec": "ALL" })).await,
        json!({
            "keys": made,
            "key_details": details,
            "next_marker": "",
            "truncated": "false",
            "total": 3,
        })
    );
    server.stop().await;
}

async fn pages_follow_each_other_to_the_end(db: Db) {
    let server = TestServer::start(db).await;
    let made = make(&server, &["a", "b", "c", "d", "e"]).await;
    // Limit and marker as text, as numbers, and empty, which means absent.
    for (limit, marker, from, to, next) in [
        (json!("2"), json!("0"), 0, 2, "2"),
        (json!(2), json!(2), 2, 4, "4"),
        (json!("2"), json!("4"), 4, 5, ""),
        (json!("2"), json!(""), 0, 2, "2"),
        (json!(""), json!("1"), 1, 5, ""),
        (json!("5"), Value::Null, 0, 5, ""),
        (json!("1"), json!("4"), 4, 5, ""),
        (json!("2"), json!("5"), 5, 5, ""),
        (json!("2"), json!("999999999999999999"), 5, 5, ""),
        (json!("2000"), json!("0"), 0, 5, ""),
        (json!(100_000), json!("0"), 0, 5, ""),
        (json!("999999999999999999"), json!("3"), 3, 5, ""),
        (json!("007"), json!("00"), 0, 5, ""),
    ] {
        let body = json!({ "limit": limit, "marker": marker });
        let page = list(&server, body.clone()).await;
        assert_eq!(page["keys"], json!(made[from..to]), "{body}");
        assert_eq!(page["next_marker"], next, "{body}");
        let truncated = if next.is_empty() { "false" } else { "true" };
        assert_eq!(page["truncated"], truncated, "{body}");
        assert_eq!(page["total"], 5, "{body}: all that match, not the page");
    }
    server.stop().await;
}

async fn filters_choose_by_state_spec_and_enterprise_project(db: Db) {
    let server = TestServer::start(db).await;
    let enterprise = "0a1b2c3d-0000-4000-8000-00000000000a";
    let enabled = server.key_in("2", "enabled").await;
    let disabled = server.key_in("3", "disabled").await;
    let leaving = server.key_in("4", "leaving").await;
    let waiting = server.key_in("5", "waiting").await;
    let more = json!({ "key_spec": "RSA_2048", "origin": "external" });
    let rsa = server.create("rsa", more).await;
    let more = json!({ "enterprise_project_id": enterprise });
    let filed = server.create("filed", more).await;
    let aes = [&enabled, &disabled, &leaving, &waiting, &filed];
    for (body, expected) in [
        (json!({ "key_state": "1" }), vec![]),
        (json!({ "key_state": "2" }), vec![&enabled, &filed]),
        (json!({ "key_state": 3 }), vec![&disabled]),
        (json!({ "key_state": "4" }), vec![&leaving]),
        (json!({ "key_state": "5" }), vec![&waiting]),
        (
            json!({ "key_state": "5", "key_spec": "ALL" }),
            vec![&waiting, &rsa],
        ),
        (json!({ "key_spec": "AES_256" }), aes.to_vec()),
        (json!({ "key_spec": "" }), aes.to_vec()),
        (json!({ "key_spec": "RSA_2048" }), vec![&rsa]),
        (json!({ "key_spec": "SM2" }), vec![]),
        (json!({ "enterprise_project_id": "all" }), aes.to_vec()),
        (json!({ "enterprise_project_id": enterprise }), vec![&filed]),
        (
            json!({ "enterprise_project_id": "0", "key_state": "2" }),
            vec![&enabled],
        ),
        (
            json!({ "enterprise_project_id": enterprise, "key_spec": "RSA_2048" }),
            vec![],
        ),
    ] {
        let page = list(&server, body.clone()).await;
        assert_eq!(sorted(&page["keys"]), sorted(&json!(expected)), "{body}");
        assert_eq!(page["total"], expected.len(), "{body}");
    }
    server.stop().await;
}

fn sorted(keys: &Value) -> Vec<String> {
    let keys = keys.as_array().unwrap().iter();
    let mut keys: Vec<_> = keys.map(|key| key.as_str().unwrap().to_owned()).collect();
    keys.sort();
    keys
}

async fn without_a_spec_only_aes_keys_come_or_all_if_so_set(db: Db) {
    for (setting, total) in [("aes", 1), ("all", 2)] {
        let setup = Setup::from(db).with("compatibility.list_keys_without_spec", setting);
        let server = TestServer::start(setup).await;
        server.create("aes", json!({})).await;
        let more = json!({ "key_spec": "EC_P256", "origin": "external" });
        server.create("ec", more).await;
        assert_eq!(list(&server, json!({})).await["total"], total, "{setting}");
        let all = list(&server, json!({ "key_spec": "ALL" })).await;
        assert_eq!(all["total"], 2, "{setting}");
        server.stop().await;
    }
}

async fn wrong_words_are_refused_by_their_own_codes(db: Db) {
    let server = TestServer::start(db).await;
    for (member, values, code) in [
        (
            "limit",
            vec![
                json!("0"),
                json!(0),
                json!("-1"),
                json!(-1),
                json!("two"),
                json!(1.5),
                json!("1e3"),
                json!(" 1"),
                json!("+1"),
                json!("1234567890123456789"),
            ],
            "KMS.1601",
        ),
        (
            "marker",
            vec![
                json!("-1"),
                json!(-1),
                json!("x"),
                json!(0.5),
                json!("1234567890123456789"),
                json!("２"),
            ],
            "KMS.1602",
        ),
        (
            "key_state",
            vec![
                json!("0"),
                json!("6"),
                json!("7"),
                json!(7),
                json!("22"),
                json!("enabled"),
                json!("02"),
            ],
            "KMS.0308",
        ),
        (
            "key_spec",
            vec![json!("AES_128"), json!("all"), json!("aes_256")],
            "KMS.0308",
        ),
        (
            "enterprise_project_id",
            vec![
                json!("1"),
                json!("ALL"),
                json!("0A1B2C3D-0000-4000-8000-00000000000A"),
            ],
            "KMS.0308",
        ),
        (
            "sequence",
            vec![
                json!("1"),
                json!("919c82d4-8046-4722-9094-35c3c6524cf"),
                json!("919c82d4-8046-4722-9094-35c3c6524cfff"),
            ],
            "KMS.0206",
        ),
    ] {
        for value in values {
            let body = json!({ (member): value });
            let answer = server.call("list-keys", body.clone()).await;
            let said = answer.refused(400, code);
            assert!(said.starts_with(member), "{body}: {said}");
        }
    }
    server.stop().await;
}

async fn a_body_may_be_missing_or_nearly(db: Db) {
    let server = TestServer::start(db).await;
    server.create("one", json!({})).await;
    let path = server.kms_path("list-keys");
    for body in [
        "",
        "{}",
        r#"{"limit":"","marker":"","key_state":"","key_spec":"","sequence":""}"#,
        r#"{"limit":null}"#,
    ] {
        let request = server
            .request("POST", &path)
            .header("X-Auth-Token", &server.token)
            .body(body);
        let page = server.send(request).await.ok(200);
        assert_eq!(page["total"], 1, "{body:?}");
    }
    server.stop().await;
}

async fn counters_count_keys_in_every_state_until_their_day(db: Db) {
    let setup = Setup::from(db).with("limits.keys_per_project", "9");
    let mut server = TestServer::start(setup).await;
    for state in ["2", "3", "4", "5"] {
        server.key_in(state, &format!("in-{state}")).await;
    }
    let more = json!({ "key_spec": "RSA_4096", "origin": "external" });
    server.create("rsa", more).await;
    check_counters(&server, 5).await;

    server.pass_days(6).await;
    check_counters(&server, 5).await;
    server.pass_days(1).await;
    check_counters(&server, 4).await;
    let all = list(&server, json!({ "key_spec": "ALL" })).await;
    assert_eq!(
        (&all["total"], all["keys"].as_array().unwrap().len()),
        (&json!(4), 4)
    );
    assert_eq!(list(&server, json!({ "key_state": "4" })).await["total"], 0);
    server.stop().await;
}

async fn check_counters(server: &TestServer, count: u64) {
    let counted = server.call("GET user-instances", Value::Null).await.ok(200);
    assert_eq!(counted, json!({ "instance_num": count }));
    let quotas = server.call("GET user-quotas", Value::Null).await.ok(200);
    assert_eq!(
        quotas,
        json!({ "quotas": { "resources": [
            { "type": "CMK", "used": count, "quota": 9 },
            { "type": "grant_per_CMK", "used": 0, "quota": 100 },
        ]}})
    );
}
