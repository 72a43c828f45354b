//! The audit trail of a key: whose records it shows, in which order, page by page.

use std::time::Duration;

use kmsd::model::identity::Role;
use serde_json::{Value, json};

use crate::support::calls::KEY_RECORDS;
use crate::support::{Db, TestServer, on_both};

on_both!(
    what_was_done_to_a_key_the_newest_first_and_reading_it_too,
    pages_follow_each_other_and_leave_nothing_out,
    only_the_key_of_one_project_and_region_i_18,
    a_refused_use_is_among_them,
    whoever_reads_keys_reads_their_trail,
    wrong_words_are_refused_by_their_own_codes,
);

async fn trail(server: &TestServer, key: &str) -> Vec<Value> {
    let page = server.call(KEY_RECORDS, json!({ "key_id": key })).await;
    let page = page.ok(200);
    assert_eq!(page["next_marker"], "");
    page["records"].as_array().unwrap().clone()
}

fn actions(records: &[Value]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record["action"].as_str().unwrap())
        .collect()
}

async fn what_was_done_to_a_key_the_newest_first_and_reading_it_too(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("orders", json!({})).await;
    server.create("another", json!({})).await;
    server.clock.advance(Duration::from_secs(1));
    let named = json!({ "key_id": key });
    server.call("disable-key", named.clone()).await.ok(200);
    server.clock.advance(Duration::from_secs(1));
    let first = trail(&server, &key).await;
    assert_eq!(actions(&first), ["DisableKey", "CreateKey"]);
    let record = &first[0];
    assert_eq!(record["outcome"], "ok");
    assert_eq!(record["user_name"], server.account.user.as_str());
    assert_eq!(record["address"], "127.0.0.1");
    assert_eq!(record["revision"], 2);
    let created = first[1]["at"].as_str().unwrap().parse::<i64>().unwrap();
    assert_eq!(record["at"], (created + 1000).to_string());
    server.clock.advance(Duration::from_secs(1));
    let second = trail(&server, &key).await;
    assert_eq!(
        actions(&second),
        ["ListKeyRecords", "DisableKey", "CreateKey"]
    );
    server.stop().await;
}

async fn pages_follow_each_other_and_leave_nothing_out(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("orders", json!({})).await;
    // All in the same millisecond, so that the time alone does not put them in order.
    for at in 0..9 {
        let described = json!({ "key_id": key, "key_description": format!("{at}") });
        server
            .call("update-key-description", described)
            .await
            .ok(200);
    }
    let mut revisions = Vec::new();
    let mut marker = String::new();
    for _ in 0..20 {
        let asked = json!({ "key_id": key, "limit": 4, "marker": marker });
        let page = server.call(KEY_RECORDS, asked).await.ok(200);
        let records = page["records"].as_array().unwrap();
        assert!(records.len() <= 4);
        let changes = records
            .iter()
            .filter(|record| record["action"] != "ListKeyRecords");
        revisions.extend(changes.map(|record| record["revision"].as_i64().unwrap()));
        marker = page["next_marker"].as_str().unwrap().to_owned();
        if marker.is_empty() {
            break;
        }
    }
    assert_eq!(revisions, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    server.stop().await;
}

async fn only_the_key_of_one_project_and_region_i_18(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("orders", json!({})).await;
    let stranger = server.another_account("evil").await;
    let token = server.log_in(&stranger).await;
    let named = json!({ "key_id": key });
    let theirs = stranger.project.id.as_str();
    let answer = server
        .call_in(theirs, &token, "describe-key", named.clone())
        .await;
    answer.refused(404, "KMS.0207");
    let answer = server
        .call_in(theirs, &token, KEY_RECORDS, named.clone())
        .await;
    answer.refused(404, "KMS.0207");
    let answer = server.call_at("region-2", KEY_RECORDS, named).await;
    answer.refused(404, "KMS.0207");
    // Those three left records with the key's id, in another project or region.
    assert_eq!(actions(&trail(&server, &key).await), ["CreateKey"]);

    // What the stranger does by a grant is seen by the key's own project.
    let request = server
        .request("GET", "/v3/auth/tokens")
        .header("X-Auth-Token", &token)
        .header("X-Subject-Token", &token);
    let told = server.send(request).await.ok(200);
    let grant = json!({
        "key_id": key,
        "grantee_principal": told["token"]["user"]["id"],
        "operations": ["encrypt-data"],
    });
    server.call("create-grant", grant).await.ok(200);
    let encrypt = json!({ "key_id": key, "plain_text": "secret" });
    let answer = server
        .call_in(theirs, &token, "encrypt-data", encrypt)
        .await;
    answer.ok(200);
    let answer = server
        .call_in(theirs, &token, KEY_RECORDS, json!({ "key_id": key }))
        .await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    let records = trail(&server, &key).await;
    let used = records
        .iter()
        .find(|record| record["action"] == "Encrypt")
        .unwrap();
    assert_eq!(used["user_name"], stranger.user.as_str());
    assert!(records.iter().all(|record| record["outcome"] == "ok"));
    server.stop().await;
}

async fn a_refused_use_is_among_them(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.key_in("3", "off").await;
    let encrypt = json!({ "key_id": key, "plain_text": "secret" });
    server
        .call("encrypt-data", encrypt)
        .await
        .refused(400, "KMS.0209");
    let records = trail(&server, &key).await;
    let refused = records
        .iter()
        .find(|record| record["action"] == "Encrypt")
        .unwrap();
    assert_eq!(refused["outcome"], "wrong-state");
    server.stop().await;
}

async fn whoever_reads_keys_reads_their_trail(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("orders", json!({})).await;
    let reader = server
        .token_with_role("reader", Some(Role::CmkReadOnlyAccess))
        .await;
    let token = server.log_in(&reader).await;
    let named = json!({ "key_id": key });
    server.call_as(&token, KEY_RECORDS, named).await.ok(200);
    server.stop().await;
}

async fn wrong_words_are_refused_by_their_own_codes(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("orders", json!({})).await;
    for (member, value, code) in [
        ("limit", "0", "KMS.1601"),
        ("limit", "201", "KMS.1601"),
        ("limit", "-1", "KMS.1601"),
        ("limit", "+5", "KMS.1601"),
        ("limit", "many", "KMS.1601"),
        ("limit", "99999999999999999999", "KMS.1601"),
        ("marker", "5", "KMS.1602"),
        ("marker", "x-0123456789abcdef-1", "KMS.1602"),
        ("marker", "1-0123456789abcde-1", "KMS.1602"),
        ("marker", "1-0123456789abcdeg-1", "KMS.1602"),
        ("marker", "1-0123456789abcdef-x", "KMS.1602"),
        ("marker", "1-0123456789abcdef-1-1", "KMS.1602"),
    ] {
        let mut asked = json!({ "key_id": key });
        asked[member] = json!(value);
        let answer = server.call(KEY_RECORDS, asked).await;
        let said = answer.refused(400, code);
        assert!(said.starts_with(member), "{member}={value}: {said}");
    }
    for good in ["", "1", "200"] {
        let asked = json!({ "key_id": key, "limit": good, "marker": "" });
        server.call(KEY_RECORDS, asked).await.ok(200);
    }
    let malformed = json!({ "key_id": "not-a-key" });
    let answer = server.call(KEY_RECORDS, malformed).await;
    answer.refused(400, "KMS.0205");
    let unknown = json!({ "key_id": "00000000-0000-4000-8000-000000000000" });
    let answer = server.call(KEY_RECORDS, unknown).await;
    answer.refused(404, "KMS.0207");
    server.stop().await;
}
