//! Tags, over HTTP (contract, sections 4.8 and 7.8).

use serde_json::{Value, json};

use crate::support::{Answer, Db, TestServer, on_both};

on_both!(
    a_key_has_one_value_for_each_tag,
    twenty_tags_and_no_more_whoever_is_fast,
    keys_are_found_by_tags_and_name,
    tags_go_with_their_key,
    members_that_break_their_rules,
);

async fn put(server: &TestServer, key: &str, tag: &str, value: &str) -> Answer {
    let body = json!({ "key_id": key, "tag": { "key": tag, "value": value } });
    server.call("{key_id}/tags", body).await
}

async fn tags(server: &TestServer, key: &str) -> Value {
    let found = server
        .call("GET {key_id}/tags", json!({ "key_id": key }))
        .await
        .ok(200);
    let list = found["tags"].as_array().unwrap();
    assert_eq!(found["existTagsNum"], list.len());
    let pairs = list.iter().map(|tag| json!([tag["key"], tag["value"]]));
    pairs.collect()
}

async fn find(server: &TestServer, body: Value) -> Value {
    server.call("resource_instances/action", body).await.ok(200)
}

/// The names of the keys that a search finds.
async fn names(server: &TestServer, search: Value) -> Vec<String> {
    let found = find(server, search).await;
    let list = found["resources"].as_array().unwrap().iter();
    let mut names: Vec<String> = list
        .map(|key| key["resource_name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(found["total_count"], names.len());
    names.sort();
    names
}

async fn a_key_has_one_value_for_each_tag(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("tagged", json!({})).await;
    assert_eq!(tags(&server, &key).await, json!([]));
    put(&server, &key, "env", "test").await.ok(204);
    put(&server, &key, "env", "prod").await.ok(204);
    put(&server, &key, "Ärger & %41/ü", "").await.ok(204);
    let longest = ("k".repeat(128), "ü".repeat(255));
    put(&server, &key, &longest.0, &longest.1).await.ok(204);
    assert_eq!(
        tags(&server, &key).await,
        json!([
            ["env", "prod"],
            [longest.0, longest.1],
            ["Ärger & %41/ü", ""]
        ])
    );
    let change = json!({
        "key_id": key,
        "action": "create",
        "tags": [{ "key": "env", "value": "new" }, { "key": "team" }],
    });
    server.call("{key_id}/tags/action", change).await.ok(204);
    // By keys; values do not matter, and what is not there is no fault.
    let change = json!({
        "key_id": key,
        "action": "delete",
        "tags": [{ "key": "team", "value": "other" }, { "key": longest.0 }, { "key": "never" }],
    });
    server.call("{key_id}/tags/action", change).await.ok(204);
    let one = json!({ "key_id": key, "key": "Ärger & %41/ü" });
    let delete = "DELETE {key_id}/tags/{key}";
    server.call(delete, one.clone()).await.ok(204);
    server.call(delete, one).await.refused(404, "KMS.0416");
    assert_eq!(tags(&server, &key).await, json!([["env", "new"]]));
    server.stop().await;
}

async fn twenty_tags_and_no_more_whoever_is_fast(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("tagged", json!({})).await;
    let names: Vec<String> = (0..24).map(|n| format!("tag-{n}")).collect();
    let ask = async |name: &str| loop {
        let answer = put(&server, &key, name, "x").await;
        // Whoever lost too many races is told to try again.
        if answer.status != 503 {
            break answer.verdict();
        }
    };
    let answers = futures_util::future::join_all(names.iter().map(|name| ask(name))).await;
    let count = |status: u16| answers.iter().filter(|(found, _)| *found == status).count();
    assert_eq!((count(204), count(400)), (20, 4), "{answers:?}");
    assert!(
        answers
            .iter()
            .all(|(_, code)| code.is_empty() || code == "KMS.0409")
    );
    assert_eq!(tags(&server, &key).await.as_array().unwrap().len(), 20);
    // One that is there may change; one more is refused with all of its list.
    let present = tags(&server, &key).await[0][0].as_str().unwrap().to_owned();
    put(&server, &key, &present, "y").await.ok(204);
    let change = json!({
        "key_id": key,
        "action": "create",
        "tags": [{ "key": present, "value": "z" }, { "key": "one-more" }],
    });
    server
        .call("{key_id}/tags/action", change)
        .await
        .refused(400, "KMS.0409");
    assert_eq!(tags(&server, &key).await[0], json!([present, "y"]));
    server.stop().await;
}

async fn keys_are_found_by_tags_and_name(db: Db) {
    let server = TestServer::start(db).await;
    for (name, list) in [
        ("orders-db", vec![("env", "prod"), ("team", "pay")]),
        ("Orders_cache", vec![("env", "test"), ("team", "pay")]),
        ("mail", vec![("env", "prod"), ("team", "")]),
        ("plain", vec![]),
    ] {
        let key = server.create(name, json!({})).await;
        for (tag, value) in list {
            put(&server, &key, tag, value).await.ok(204);
        }
        server.clock.advance(std::time::Duration::from_secs(1));
    }
    let tag = |key: &str, values: Value| json!({ "key": key, "values": values });
    let name = |part: &str| json!([{ "key": "resource_name", "value": part }]);
    for (search, expected) in [
        (
            json!({}),
            vec!["Orders_cache", "mail", "orders-db", "plain"],
        ),
        (
            json!({ "tags": [tag("env", json!(["prod"]))] }),
            vec!["mail", "orders-db"],
        ),
        (
            json!({ "tags": [tag("env", json!(["prod", "test"])), tag("team", json!(["pay"]))] }),
            vec!["Orders_cache", "orders-db"],
        ),
        (json!({ "tags": [tag("team", json!([""]))] }), vec!["mail"]),
        (
            json!({ "tags": [{ "key": "team" }, tag("env", json!([]))] }),
            vec!["Orders_cache", "mail", "orders-db"],
        ),
        (json!({ "tags": [tag("ENV", json!(["prod"]))] }), vec![]),
        (
            json!({ "matches": name("orders") }),
            vec!["Orders_cache", "orders-db"],
        ),
        (json!({ "matches": name("S_C") }), vec!["Orders_cache"]),
        (json!({ "matches": name("_") }), vec!["Orders_cache"]),
        (json!({ "matches": name("%") }), vec![]),
        (
            json!({ "matches": name("orders"), "tags": [tag("env", json!(["prod"]))] }),
            vec!["orders-db"],
        ),
    ] {
        assert_eq!(names(&server, search.clone()).await, expected, "{search}");
        let mut counted = search;
        counted["action"] = json!("count");
        let count = find(&server, counted).await;
        assert_eq!(count, json!({ "total_count": expected.len() }));
    }
    // Pages, the newest first; limit and offset as clients send them.
    let page = json!({ "limit": 1, "offset": "1", "tags": [{ "key": "env" }] });
    let found = find(&server, page).await;
    assert_eq!(found["total_count"], 3);
    let shown = &found["resources"][0];
    assert_eq!(shown["resource_name"], "Orders_cache");
    assert_eq!(
        shown["tags"],
        json!([{ "key": "env", "value": "test" }, { "key": "team", "value": "pay" }])
    );
    let named = json!({ "key_id": shown["resource_id"] });
    let details = server.call("describe-key", named).await.ok(200);
    assert_eq!(shown["resource_detail"], details["key_info"]);
    let all = server.call("GET tags", Value::Null).await.ok(200);
    assert_eq!(
        all,
        json!({ "tags": [
            { "key": "env", "values": ["prod", "test"] },
            { "key": "team", "values": ["", "pay"] },
        ]})
    );
    server.stop().await;
}

async fn tags_go_with_their_key(db: Db) {
    use kmsd::operations::upkeep::{TimeGuard, step};
    let mut server = TestServer::start(db).await;
    let key = server.create("leaving", json!({})).await;
    put(&server, &key, "env", "prod").await.ok(204);
    let body = json!({ "key_id": key, "pending_days": 7 });
    server.call("schedule-key-deletion", body).await.ok(200);
    put(&server, &key, "team", "pay").await.ok(204);
    assert_eq!(
        names(&server, json!({ "tags": [{ "key": "env" }] }))
            .await
            .len(),
        1
    );
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    server.pass_days(7).await;
    for destroyed in [false, true] {
        if destroyed {
            step(&server.kms, &mut guard).await.unwrap();
        }
        let found = names(&server, json!({ "tags": [{ "key": "env" }] })).await;
        assert_eq!(found, Vec::<String>::new(), "destroyed: {destroyed}");
        let all = server.call("GET tags", Value::Null).await.ok(200);
        assert_eq!(all, json!({ "tags": [] }), "destroyed: {destroyed}");
    }
    server.stop().await;
}

async fn members_that_break_their_rules(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("target", json!({})).await;
    let nobodys = "00000000-0000-4000-8000-000000000000";
    let many: Vec<Value> = (0..21).map(|n| json!({ "key": format!("k{n}") })).collect();
    let values: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    let long = |count| "x".repeat(count);
    let (one, batch, search) = (
        "{key_id}/tags",
        "{key_id}/tags/action",
        "resource_instances/action",
    );
    let in_batch = |tag: Value| json!({ "action": "create", "tags": [tag] });
    for (tag, code) in [
        (json!({ "key": "a=b" }), "KMS.0406"),
        (json!({ "key": long(129) }), "KMS.0411"),
        (json!({ "key": "k", "value": "<" }), "KMS.0405"),
        (json!({ "key": "k", "value": long(256) }), "KMS.0410"),
    ] {
        let mut body = in_batch(tag);
        body["key_id"] = json!(key);
        server.call(batch, body).await.refused(400, code);
    }
    for (call, body, status, code) in [
        (one, json!({}), 400, "KMS.0204"),
        (one, json!({ "tag": null }), 400, "KMS.0204"),
        (one, json!({ "tag": "env" }), 400, "KMS.0308"),
        (one, json!({ "tag": [{ "key": "env" }] }), 400, "KMS.0308"),
        (one, json!({ "tag": { "value": "x" } }), 400, "KMS.0204"),
        (one, json!({ "tag": { "key": "" } }), 400, "KMS.0204"),
        (one, json!({ "tag": { "key": 1 } }), 400, "KMS.0406"),
        (one, json!({ "tag": { "key": "a=b" } }), 400, "KMS.0406"),
        (one, json!({ "tag": { "key": "a\u{0}" } }), 400, "KMS.0406"),
        (one, json!({ "tag": { "key": long(129) } }), 400, "KMS.0411"),
        (
            one,
            json!({ "tag": { "key": "k", "value": 1 } }),
            400,
            "KMS.0405",
        ),
        (
            one,
            json!({ "tag": { "key": "k", "value": "<" } }),
            400,
            "KMS.0405",
        ),
        (
            one,
            json!({ "tag": { "key": "k", "value": long(256) } }),
            400,
            "KMS.0410",
        ),
        (
            one,
            json!({ "tag": { "key": "k" }, "sequence": "1" }),
            400,
            "KMS.0206",
        ),
        (
            one,
            json!({ "key_id": "x", "tag": { "key": "k" } }),
            400,
            "KMS.0205",
        ),
        (
            one,
            json!({ "key_id": "alias/x", "tag": { "key": "k" } }),
            400,
            "KMS.0205",
        ),
        (
            one,
            json!({ "key_id": nobodys, "tag": { "key": "k" } }),
            404,
            "KMS.0207",
        ),
        (batch, json!({ "action": "create" }), 400, "KMS.0204"),
        (batch, json!({ "tags": [{ "key": "k" }] }), 400, "KMS.0204"),
        (
            batch,
            json!({ "action": "update", "tags": [{ "key": "k" }] }),
            400,
            "KMS.0404",
        ),
        (
            batch,
            json!({ "action": "create", "tags": [] }),
            400,
            "KMS.0401",
        ),
        (
            batch,
            json!({ "action": "create", "tags": {} }),
            400,
            "KMS.0412",
        ),
        (
            batch,
            json!({ "action": "create", "tags": [["k", "v"]] }),
            400,
            "KMS.0412",
        ),
        (
            batch,
            json!({ "action": "create", "tags": [{ "key": "k" }, { "key": "k" }] }),
            400,
            "KMS.0412",
        ),
        (
            batch,
            json!({ "action": "create", "tags": many }),
            400,
            "KMS.0409",
        ),
        (
            batch,
            json!({ "action": "delete", "tags": many }),
            400,
            "KMS.0407",
        ),
        (
            "DELETE {key_id}/tags/{key}",
            json!({ "key": "a*" }),
            400,
            "KMS.0406",
        ),
        (
            "DELETE {key_id}/tags/{key}",
            json!({ "key": long(129) }),
            400,
            "KMS.0411",
        ),
        (
            "DELETE {key_id}/tags/{key}",
            json!({ "key": "k" }),
            404,
            "KMS.0416",
        ),
        (search, json!({ "action": "find" }), 400, "KMS.0404"),
        (search, json!({ "limit": "0" }), 400, "KMS.1601"),
        (search, json!({ "limit": 1001 }), 400, "KMS.1601"),
        (search, json!({ "offset": "-1" }), 400, "KMS.0417"),
        (search, json!({ "offset": "x" }), 400, "KMS.0417"),
        (
            search,
            json!({ "action": "count", "offset": "0" }),
            400,
            "KMS.0418",
        ),
        (
            search,
            json!({ "action": "count", "limit": "1" }),
            400,
            "KMS.0418",
        ),
        (search, json!({ "tags": "x" }), 400, "KMS.0414"),
        (search, json!({ "tags": ["x"] }), 400, "KMS.0414"),
        (
            search,
            json!({ "tags": [{ "key": "k" }, { "key": "k" }] }),
            400,
            "KMS.0414",
        ),
        (
            search,
            json!({ "tags": [{ "key": "k", "values": "v" }] }),
            400,
            "KMS.0414",
        ),
        (
            search,
            json!({ "tags": [{ "key": "k", "values": ["v", "v"] }] }),
            400,
            "KMS.0414",
        ),
        (
            search,
            json!({ "tags": [{ "key": "k", "values": [1] }] }),
            400,
            "KMS.0405",
        ),
        (
            search,
            json!({ "tags": [{ "key": "k", "values": values }] }),
            400,
            "KMS.0413",
        ),
        (search, json!({ "tags": &many[..11] }), 400, "KMS.0407"),
        (search, json!({ "matches": {} }), 400, "KMS.0415"),
        (search, json!({ "matches": [1] }), 400, "KMS.0415"),
        (
            search,
            json!({ "matches": [{ "value": "x" }] }),
            400,
            "KMS.0204",
        ),
        (
            search,
            json!({ "matches": [{ "key": "key_id", "value": "x" }] }),
            400,
            "KMS.0403",
        ),
        (
            search,
            json!({ "matches": [{ "key": "resource_name" }] }),
            400,
            "KMS.0402",
        ),
        (
            search,
            json!({ "matches": [{ "key": "resource_name", "value": "" }] }),
            400,
            "KMS.0402",
        ),
        (
            search,
            json!({ "matches": [{ "key": "resource_name", "value": long(256) }] }),
            400,
            "KMS.0402",
        ),
    ] {
        let mut sent = body.clone();
        if sent.get("key_id").is_none() && call != search {
            sent["key_id"] = json!(key);
        }
        let answer = server.call(call, sent).await;
        assert_eq!(
            answer.verdict(),
            (status, code.to_owned()),
            "{call} {body}: {}",
            answer.text
        );
    }
    // The word in the path is a word, and an escape that is broken is no tag.
    let other = server.call("resources/action", json!({})).await;
    other.refused(404, "APIGW.0101");
    let path = server.kms_path(&format!("{key}/tags/%ff"));
    let request = server
        .request("DELETE", &path)
        .header("X-Auth-Token", &server.token);
    server.send(request).await.refused(400, "KMS.0406");
    assert_eq!(tags(&server, &key).await, json!([]));
    server.stop().await;
}
