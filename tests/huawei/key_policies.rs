//! Policies of capsules: made, read, replaced, ended.

use std::time::Duration;

use kmsd::operations::upkeep::{TimeGuard, step};
use serde_json::{Value, json};

use crate::support::calls::{KEYSPACE, NO_ACCESS_POINT, policy_for};
use crate::support::keyspace::{Custom, create_point, create_policy, fresh_name};
use crate::support::{Db, Setup, TestServer, on_both};

on_both!(
    a_policy_is_made_read_replaced_and_ended,
    the_list_has_spellings_of_its_own_and_takes_them_back,
    uses_of_a_policy_are_told,
    names_are_unique_and_as_many_as_the_limit_allows,
    what_is_malformed_is_told_exactly,
    policies_of_others_answer_like_none_i_16,
);

const SHOW: &str = "GET key-policies/{policy_id}";
const UPDATE: &str = "PUT key-policies/{policy_id}";
const DELETE: &str = "DELETE key-policies/{policy_id}";

async fn show(server: &TestServer, id: &str) -> Value {
    server.call(SHOW, json!({ "policy_id": id })).await.ok(200)
}

async fn a_policy_is_made_read_replaced_and_ended(db: Db) {
    let server = TestServer::start(db).await;
    let user = server.records().await.last().unwrap().user_id.clone();
    let point = create_point(&server, json!({ "type": 3 })).await;
    let document = json!({
        "version": "1.0",
        "validity_period": {
            "start_time": "2026-01-02T00:00:00Z", "end_time": "2026-02-02T00:00:00Z",
        },
        "allowed_access_point": [point],
        "allowed_data_security_zone": [],
    });
    let body = json!({
        "keyspace_id": KEYSPACE, "policy_name": "web:only/1_-", "policy": document.to_string(),
        "description": "first",
    });
    let made = server.call("key-policies", body).await.ok(201);
    let id = made["policy_id"].as_str().unwrap();
    assert_eq!(
        show(&server, id).await,
        json!({
            "policy_id": id,
            "policy_name": "web:only/1_-",
            "keyspace_id": KEYSPACE,
            "policy": document,
            "description": "first",
            "created_by": user,
            "create_time": "2026-01-02T03:04:05Z",
            "last_modify_time": "2026-01-02T03:04:05Z",
            "last_access_time": "",
        })
    );
    server.clock.advance(Duration::from_secs(60));
    let bare = json!({
        "version": "1.0", "allowed_access_point": [], "allowed_data_security_zone": [],
    });
    let body = json!({ "policy_id": id, "policy": "{\"version\":\"1.0\"}" });
    assert_eq!(
        server.call(UPDATE, body).await.ok(200),
        json!({
            "policy_id": id,
            "policy": bare,
            "description": "first",
            "last_modify_time": "2026-01-02T03:05:05Z",
        })
    );
    let body = json!({
        "policy_id": id,
        "policy": "{\"version\":\"1.0\",\"validity_period\":{}}",
        "description": "second",
    });
    assert_eq!(
        server.call(UPDATE, body).await.ok(200)["description"],
        "second"
    );
    let found = show(&server, id).await;
    assert_eq!(found["policy"], bare);
    assert_eq!(found["description"], "second");
    assert_eq!(found["create_time"], "2026-01-02T03:04:05Z");
    assert_eq!(found["last_modify_time"], "2026-01-02T03:05:05Z");

    let named = json!({ "policy_id": id });
    server.call(DELETE, named.clone()).await.ok(204);
    for call in [SHOW, DELETE] {
        let said = server
            .call(call, named.clone())
            .await
            .refused(404, "KMS.0207");
        assert_eq!(said, "no key policy with this id in the project");
    }
    let body = json!({ "policy_id": id, "policy": "{\"version\":\"1.0\"}" });
    server.call(UPDATE, body).await.refused(404, "KMS.0207");
    server.stop().await;
}

async fn the_list_has_spellings_of_its_own_and_takes_them_back(db: Db) {
    let server = TestServer::start(db).await;
    let point = create_point(&server, json!({ "type": 3 })).await;
    let document = json!({
        "version": "1.0",
        "validity_period": { "end_time": "2026-02-02T00:00:00Z" },
        "allowed_access_point": [point],
    });
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(create_policy(&server, &document.to_string()).await);
    }
    made.sort();
    let query = json!({ "keyspace_id": KEYSPACE, "limit": "2" });
    let page = server.call("GET key-policies", query).await.ok(200);
    assert_eq!(
        page["page_info"],
        json!({ "next_marker": made[1], "current_count": 2 })
    );
    let listed = &page["keyspace_policies"][0]["policy"];
    assert_eq!(
        listed,
        &json!({
            "version": "1.0",
            "validityPeriod": { "end_time": "2026-02-02T00:00:00Z" },
            "allowedAccessPoint": [point],
            "allowed_data_security_zone": [],
        })
    );
    let body = json!({ "policy_id": made[0], "policy": listed.to_string() });
    let updated = server.call(UPDATE, body).await.ok(200);
    assert_eq!(updated["policy"], show(&server, &made[1]).await["policy"]);
    let query = json!({ "keyspace_id": KEYSPACE, "limit": "2", "marker": made[1] });
    let page = server.call("GET key-policies", query).await.ok(200);
    assert_eq!(
        page["page_info"],
        json!({ "next_marker": "", "current_count": 1 })
    );
    assert_eq!(page["keyspace_policies"][0]["policy_id"], json!(made[2]));
    server.stop().await;
}

/// The time of a use is told at once by the kmsd that served it, and by the database after upkeep;
/// it is no change, so the policy's revision and seal stay as they are.
async fn uses_of_a_policy_are_told(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("k", json!({})).await;
    let point = Custom::create(&server).await;
    let policy = create_policy(&server, &policy_for(&point.id)).await;
    let body = json!({ "key_id": key, "datakey_length": "256", "policy_id": policy });
    server.clock.advance(Duration::from_secs(5));
    let made = server.call("datakey-capsule/create", body).await.ok(200);
    let accessed = async || show(&server, &policy).await["last_access_time"].clone();
    assert_eq!(accessed().await, "2026-01-02T03:04:10Z");
    step(&server.kms, &mut TimeGuard::default()).await.unwrap();
    assert_eq!(accessed().await, "2026-01-02T03:04:10Z");
    server.clock.advance(Duration::from_secs(5));
    let mut wrong = point.opening(&key, &made["datakey_capsule"], None);
    wrong["attestation_document"]["custom_signature"] = json!("AAAA");
    server
        .call("datakey-capsule/decrypt", wrong)
        .await
        .refused(403, "KMS.0306");
    assert_eq!(
        accessed().await,
        "2026-01-02T03:04:10Z",
        "a refusal is no use"
    );
    let body = point.opening(&key, &made["datakey_capsule"], None);
    server.call("datakey-capsule/decrypt", body).await.ok(200);
    step(&server.kms, &mut TimeGuard::default()).await.unwrap();
    let query = json!({ "keyspace_id": KEYSPACE });
    let listed = server.call("GET key-policies", query).await.ok(200);
    let listed = &listed["keyspace_policies"][0];
    assert_eq!(listed["last_access_time"], "2026-01-02T03:04:15Z");
    assert_eq!(listed["last_modify_time"], "2026-01-02T03:04:05Z");
    // A later change keeps it.
    let body = json!({ "policy_id": policy, "policy": policy_for(&point.id) });
    server.call(UPDATE, body).await.ok(200);
    assert_eq!(accessed().await, "2026-01-02T03:04:15Z");
    server.stop().await;
}

async fn names_are_unique_and_as_many_as_the_limit_allows(db: Db) {
    let setup = Setup::from(db).with("limits.key_policies_per_project", "2");
    let server = TestServer::start(setup).await;
    let body = |keyspace: &str, name: &str| json!({ "keyspace_id": keyspace, "policy_name": name, "policy": "{\"version\":\"1.0\"}" });
    let made = server
        .call("key-policies", body(KEYSPACE, "a"))
        .await
        .ok(201);
    let said = server
        .call("key-policies", body(KEYSPACE, "a"))
        .await
        .refused(400, "KMS.1104");
    assert!(said.starts_with("policy_name is taken"), "{said}");
    server
        .call("key-policies", body(NO_ACCESS_POINT, "a"))
        .await
        .ok(201);
    let refused = server.call("key-policies", body(KEYSPACE, "b")).await;
    let said = refused.refused(400, "KMS.1105");
    assert_eq!(said, "the project has as many key policies as it may");
    server.call(DELETE, made).await.ok(204);
    server
        .call("key-policies", body(KEYSPACE, "b"))
        .await
        .ok(201);
    server.stop().await;
}

/// Documents that are not in order, and what the refusal begins with.
pub fn bad_documents() -> Vec<(String, &'static str, &'static str)> {
    let many: Vec<String> = (0..101)
        .map(|n| format!("00000000-0000-4000-8000-{n:012}"))
        .collect();
    let nested = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
    let mut all = vec![
        ("rubbish".to_owned(), "KMS.0308", ""),
        ("[]".to_owned(), "KMS.0308", ""),
        ("{} {}".to_owned(), "KMS.0308", ""),
        (nested, "KMS.0308", ""),
        (
            r#"{"version":"1.0","version":"1.0"}"#.to_owned(),
            "KMS.0308",
            "",
        ),
        ("{}".to_owned(), "KMS.0204", ".version"),
    ];
    let twice = json!([NO_ACCESS_POINT, NO_ACCESS_POINT]);
    for (members, path) in [
        (json!({ "version": "1.1" }), ".version"),
        (json!({ "version": 1.0 }), ".version"),
        (json!({ "Statement": [] }), ".Statement"),
        (json!({ "validity_period": "2026" }), ".validity_period"),
        (json!({ "validity_period": {}, "validityPeriod": {} }), ""),
        (
            json!({ "validity_period": { "begin": "x" } }),
            ".validity_period.begin",
        ),
        (
            json!({ "validity_period": { "end_time": "2026-02-02" } }),
            ".validity_period.end_time",
        ),
        (
            json!({ "validity_period": { "end_time": "2026-02-02T00:00:00+00:00" } }),
            ".validity_period.end_time",
        ),
        (
            json!({ "validity_period": { "start_time": 5 } }),
            ".validity_period.start_time",
        ),
        (
            json!({ "validity_period": {
                "start_time": "2026-02-02T00:00:00Z", "end_time": "2026-02-02T00:00:00Z",
            }}),
            ".validity_period.end_time",
        ),
        (
            json!({ "allowed_access_point": "x" }),
            ".allowed_access_point",
        ),
        (
            json!({ "allowed_access_point": ["x"] }),
            ".allowed_access_point[0]",
        ),
        (
            json!({ "allowed_access_point": twice }),
            ".allowed_access_point",
        ),
        (
            json!({ "allowed_access_point": many }),
            ".allowed_access_point",
        ),
        (
            json!({ "allowed_access_point": [NO_ACCESS_POINT] }),
            ".allowed_access_point",
        ),
        (
            json!({ "allowed_data_security_zone": ["z"] }),
            ".allowed_data_security_zone",
        ),
        (
            json!({ "allowed_data_security_zone": {} }),
            ".allowed_data_security_zone",
        ),
    ] {
        let mut document = members;
        if document.get("version").is_none() {
            document["version"] = json!("1.0");
        }
        all.push((document.to_string(), "KMS.0308", path));
    }
    all
}

async fn what_is_malformed_is_told_exactly(db: Db) {
    let server = TestServer::start(db).await;
    let policy = create_policy(&server, "{\"version\":\"1.0\"}").await;
    let before = show(&server, &policy).await;
    let create = json!({
        "keyspace_id": KEYSPACE, "policy_name": "p", "policy": "{\"version\":\"1.0\"}",
    });
    let update = json!({ "policy_id": policy, "policy": "{\"version\":\"1.0\"}" });
    let mut tried = vec![
        (
            "key-policies",
            json!({ "keyspace_id": null }),
            "KMS.0204",
            "keyspace_id".to_owned(),
        ),
        (
            "key-policies",
            json!({ "keyspace_id": "x" }),
            "KMS.0308",
            "keyspace_id".into(),
        ),
        (
            "key-policies",
            json!({ "keyspace_id": 1 }),
            "KMS.0308",
            "keyspace_id".into(),
        ),
        (
            "key-policies",
            json!({ "policy_name": null }),
            "KMS.0204",
            "policy_name".into(),
        ),
        (
            "key-policies",
            json!({ "policy_name": "" }),
            "KMS.0204",
            "policy_name".into(),
        ),
        (
            "key-policies",
            json!({ "policy_name": "a b" }),
            "KMS.0308",
            "policy_name".into(),
        ),
        (
            "key-policies",
            json!({ "policy_name": "x".repeat(256) }),
            "KMS.0308",
            "policy_name".into(),
        ),
        (
            "key-policies",
            json!({ "policy_name": 5 }),
            "KMS.0308",
            "policy_name".into(),
        ),
        (
            UPDATE,
            json!({ "policy_id": "x" }),
            "KMS.0308",
            "policy_id".into(),
        ),
        (
            UPDATE,
            json!({ "policy_id": KEYSPACE.to_uppercase() }),
            "KMS.0308",
            "policy_id".into(),
        ),
    ];
    for call in ["key-policies", UPDATE] {
        tried.push((call, json!({ "policy": null }), "KMS.0204", "policy".into()));
        tried.push((call, json!({ "policy": "" }), "KMS.0204", "policy".into()));
        tried.push((
            call,
            json!({ "policy": { "version": "1.0" } }),
            "KMS.0308",
            "policy".into(),
        ));
        for text in [json!("x".repeat(256)), json!("a\0b"), json!(1)] {
            let members = json!({ "description": text });
            tried.push((call, members, "KMS.0308", "description".into()));
        }
        for (document, code, path) in bad_documents() {
            tried.push((
                call,
                json!({ "policy": document }),
                code,
                format!("policy{path}"),
            ));
        }
    }
    for (call, members, code, member) in tried {
        let mut body = if call == UPDATE {
            update.clone()
        } else {
            create.clone()
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
    // An access point of another key space is none of this one.
    let elsewhere = json!({ "type": 3, "keyspace_id": NO_ACCESS_POINT });
    let far = create_point(&server, elsewhere).await;
    let mut body = create.clone();
    body["policy"] = json!(policy_for(&far));
    let said = server
        .call("key-policies", body)
        .await
        .refused(400, "KMS.0308");
    assert!(said.ends_with("no access point of the key space"), "{said}");
    for call in [SHOW, DELETE] {
        server
            .call(call, json!({ "policy_id": "x" }))
            .await
            .refused(400, "KMS.0308");
    }
    assert_eq!(show(&server, &policy).await, before);
    server.stop().await;
}

async fn policies_of_others_answer_like_none_i_16(db: Db) {
    let server = TestServer::start(db).await;
    let policy = create_policy(&server, "{\"version\":\"1.0\"}").await;
    let stranger = server.another_account("evil").await;
    let token = server.log_in(&stranger).await;
    let project = stranger.project.id.as_str();
    for call in [SHOW, UPDATE, DELETE] {
        let mut answers = Vec::new();
        for id in [policy.as_str(), NO_ACCESS_POINT] {
            let mut body = json!({ "policy_id": id });
            if call == UPDATE {
                body["policy"] = json!("{\"version\":\"1.0\"}");
            }
            let answer = server.call_in(project, &token, call, body).await;
            answer.refused(404, "KMS.0207");
            answers.push(answer.text);
        }
        assert_eq!(answers[0], answers[1], "{call}");
    }
    // Nor can their policy be put on a capsule.
    let body = json!({
        "key_alias": fresh_name("theirs"),
    });
    let made = server
        .call_in(project, &token, "create-key", body)
        .await
        .ok(200);
    let body = json!({
        "key_id": made["key_info"]["key_id"], "datakey_length": "256", "policy_id": policy,
    });
    let answer = server
        .call_in(project, &token, "datakey-capsule/create", body)
        .await;
    assert_eq!(
        answer.refused(400, "KMS.0308"),
        "policy_id names no key policy of the project"
    );
    server.stop().await;
}
