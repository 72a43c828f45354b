//! Alias resources, over HTTP (contract, sections 1.6, 4.10 and 7.9).

use kmsd::operations::upkeep::{TimeGuard, step};
use serde_json::{Value, json};

use crate::support::calls::KEY_CALLS;
use crate::support::{Answer, Db, TestServer, on_both};

on_both!(
    an_alias_is_made_moved_and_taken_away,
    an_alias_names_a_key_where_the_contract_says_so,
    a_urn_of_elsewhere_finds_nothing,
    fifty_aliases_and_no_more_whoever_is_fast,
    pages_follow_each_other_to_the_end,
    aliases_go_when_their_key_is_destroyed_and_not_earlier,
    a_row_that_was_altered_is_an_error_i_43,
    members_that_break_their_rules,
);

/// The calls that take an alias in place of an id (contract, section 1.6).
const TAKE_ALIASES: &[&str] = &[
    "describe-key",
    "create-datakey",
    "create-datakey-without-plaintext",
    "encrypt-datakey",
    "decrypt-datakey",
    "encrypt-data",
    "sign",
    "verify",
    "get-publickey",
    "generate-mac",
    "verify-mac",
];

async fn create(server: &TestServer, key: &str, alias: &str) -> Answer {
    let body = json!({ "key_id": key, "alias": alias });
    server.call("aliases", body).await
}

async fn describe(server: &TestServer, name: &str) -> Answer {
    server.call("describe-key", json!({ "key_id": name })).await
}

async fn an_alias_is_made_moved_and_taken_away(db: Db) {
    let server = TestServer::start(db).await;
    let (one, two) = (
        server.create("one", json!({})).await,
        server.create("two", json!({})).await,
    );
    let domain = server.account.project.domain.to_string();
    let mut entity = json!({
        "domain_id": domain,
        "key_id": one,
        "alias": "alias/orders",
        "alias_urn": format!("kms:home-region-1:{domain}:alias:orders"),
        "create_time": "2026-01-02T03:04:05Z",
        "update_time": "2026-01-02T03:04:05Z",
    });
    // The prefix may be left out; it is the same name.
    assert_eq!(create(&server, &one, "orders").await.ok(201), entity);
    create(&server, &two, "alias/orders")
        .await
        .refused(400, "KMS.1104");
    create(&server, &one, "orders")
        .await
        .refused(400, "KMS.1104");
    server.clock.advance(std::time::Duration::from_secs(60));
    let body = json!({ "alias": "alias/orders", "target_key_id": two });
    entity["key_id"] = json!(two);
    entity["update_time"] = json!("2026-01-02T03:05:05Z");
    assert_eq!(server.call("alias/associate", body).await.ok(200), entity);
    assert_eq!(
        describe(&server, "alias/orders").await.ok(200)["key_info"]["key_id"],
        two
    );
    // All or nothing, and only from the key that has it.
    for (key, names) in [
        (&one, json!(["orders"])),
        (&two, json!(["orders", "never"])),
    ] {
        let body = json!({ "key_id": key, "aliases": names });
        server
            .call("DELETE aliases", body)
            .await
            .refused(404, "KMS.0207");
    }
    let body = json!({ "key_id": two, "aliases": ["alias/orders"] });
    server.call("DELETE aliases", body.clone()).await.ok(204);
    server
        .call("DELETE aliases", body)
        .await
        .refused(404, "KMS.0207");
    describe(&server, "alias/orders")
        .await
        .refused(404, "KMS.0207");
    let body = json!({ "alias": "alias/orders", "target_key_id": two });
    server
        .call("alias/associate", body)
        .await
        .refused(404, "KMS.0207");
    create(&server, &one, "orders").await.ok(201);
    server.stop().await;
}

async fn an_alias_names_a_key_where_the_contract_says_so(db: Db) {
    let server = TestServer::start(db).await;
    for call in KEY_CALLS.iter().filter(|call| call.needs == Some("2")) {
        let key = server
            .key_for(call, "2", &format!("by-{}", call.name))
            .await;
        let alias = format!("for-{key}");
        create(&server, &key, &alias).await.ok(201);
        let mut body = server.body_for(call, &key).await;
        if body.get("key_id").is_none() || call.name.contains('{') {
            continue;
        }
        let domain = &server.account.project.domain;
        for name in [
            format!("alias/{alias}"),
            format!("kms:home-region-1:{domain}:alias:{alias}"),
        ] {
            body["key_id"] = json!(name);
            let answer = server.call(call.name, body.clone()).await;
            if !TAKE_ALIASES.contains(&call.name) {
                answer.refused(400, "KMS.0205");
                continue;
            }
            let told = answer.done();
            if let Some(told) = told.get("key_id") {
                assert_eq!(*told, key, "{}: the answer has the real id", call.name);
            }
            let record = server.records().await.pop().unwrap();
            assert_eq!((record.action, record.key_id), (call.action, key.clone()));
            assert_eq!(record.detail, format!("by {name}"));
        }
    }
    server.stop().await;
}

async fn a_urn_of_elsewhere_finds_nothing(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("orders-key", json!({})).await;
    create(&server, &key, "orders").await.ok(201);
    let own = server.account.project.domain.to_string();
    let stranger = server.another_account("evil").await;
    let theirs = stranger.project.domain.to_string();
    for (region, domain) in [
        ("region-2", own.as_str()),
        ("nowhere", &own),
        ("home-region-1", &theirs),
        ("home-region-1", "x"),
    ] {
        let urn = format!("kms:{region}:{domain}:alias:orders");
        describe(&server, &urn).await.refused(404, "KMS.0207");
    }
    // Nor does another account find it, by whatever name; and it may use the name itself.
    let token = server.log_in(&stranger).await;
    let project = stranger.project.id.as_str();
    for name in [
        "alias/orders".to_owned(),
        format!("kms:home-region-1:{own}:alias:orders"),
    ] {
        let body = json!({ "key_id": name });
        let answer = server.call_in(project, &token, "describe-key", body).await;
        answer.refused(404, "KMS.0207");
    }
    let body = json!({ "key_alias": "theirs" });
    let made = server
        .call_in(project, &token, "create-key", body)
        .await
        .ok(200);
    let body = json!({ "key_id": made["key_info"]["key_id"], "alias": "orders" });
    server
        .call_in(project, &token, "aliases", body)
        .await
        .ok(201);
    assert_eq!(
        describe(&server, "alias/orders").await.ok(200)["key_info"]["key_id"],
        key
    );
    server.stop().await;
}

async fn fifty_aliases_and_no_more_whoever_is_fast(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("popular", json!({})).await;
    for n in 0..46 {
        create(&server, &key, &format!("a{n}")).await.ok(201);
    }
    let ask = async |n: u32| loop {
        let answer = create(&server, &key, &format!("b{n}")).await;
        if answer.status != 503 {
            break answer.verdict();
        }
    };
    let answers = futures_util::future::join_all((0..8).map(ask)).await;
    let count = |status: u16| answers.iter().filter(|(found, _)| *found == status).count();
    assert_eq!((count(201), count(400)), (4, 4), "{answers:?}");
    // Moving one more to it is refused too; one that it has stays where it is.
    let other = server.create("other", json!({})).await;
    create(&server, &other, "c").await.ok(201);
    let body = json!({ "alias": "c", "target_key_id": key });
    server
        .call("alias/associate", body)
        .await
        .refused(400, "KMS.1105");
    let body = json!({ "alias": "a0", "target_key_id": key });
    server.call("alias/associate", body).await.ok(200);
    server.stop().await;
}

async fn pages_follow_each_other_to_the_end(db: Db) {
    let server = TestServer::start(db).await;
    let (one, two) = (
        server.create("one", json!({})).await,
        server.create("two", json!({})).await,
    );
    for (key, alias) in [
        (&one, "b"),
        (&two, "a"),
        (&one, "B"),
        (&one, "a/1"),
        (&two, "_"),
    ] {
        create(&server, key, alias).await.ok(201);
    }
    let list = async |body: Value| {
        let page = server.call("GET aliases", body).await.ok(200);
        let aliases = page["aliases"].as_array().unwrap();
        assert_eq!(page["page_info"]["current_count"], aliases.len());
        let names: Vec<Value> = aliases.iter().map(|alias| alias["alias"].clone()).collect();
        (json!(names), page["page_info"]["next_marker"].clone())
    };
    // By their bytes, on both databases.
    let all = json!(["alias/B", "alias/_", "alias/a", "alias/a/1", "alias/b"]);
    assert_eq!(list(json!({})).await, (all, json!("")));
    let first = list(json!({ "limit": "2" })).await;
    assert_eq!(first, (json!(["alias/B", "alias/_"]), json!("alias/_")));
    let second = list(json!({ "limit": "2", "marker": "alias/_" })).await;
    assert_eq!(
        second,
        (json!(["alias/a", "alias/a/1"]), json!("alias/a/1"))
    );
    let last = list(json!({ "limit": "2", "marker": "a/1", "key_id": "" })).await;
    assert_eq!(last, (json!(["alias/b"]), json!("")));
    let of_two = list(json!({ "key_id": two })).await;
    assert_eq!(of_two, (json!(["alias/_", "alias/a"]), json!("")));
    server.stop().await;
}

async fn aliases_go_when_their_key_is_destroyed_and_not_earlier(db: Db) {
    let mut server = TestServer::start(db).await;
    let key = server.create("leaving", json!({})).await;
    let other = server.create("other", json!({})).await;
    create(&server, &key, "orders").await.ok(201);
    let body = json!({ "key_id": key, "pending_days": 7 });
    server.call("schedule-key-deletion", body).await.ok(200);
    let found = describe(&server, "alias/orders").await.ok(200);
    assert_eq!(found["key_info"]["key_state"], "4");
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    server.pass_days(7).await;
    // Its day has come: nobody finds it, and its name is taken until it is destroyed.
    describe(&server, "alias/orders")
        .await
        .refused(404, "KMS.0207");
    create(&server, &other, "orders")
        .await
        .refused(400, "KMS.1104");
    let body = json!({ "alias": "orders", "target_key_id": other });
    server
        .call("alias/associate", body)
        .await
        .refused(404, "KMS.0207");
    let listed = server.call("GET aliases", json!({})).await.ok(200);
    assert_eq!(listed["aliases"], json!([]));
    step(&server.kms, &mut guard).await.unwrap();
    create(&server, &other, "orders").await.ok(201);
    server.stop().await;
}

/// Whoever can write to the database cannot turn an alias to another key.
async fn a_row_that_was_altered_is_an_error_i_43(db: Db) {
    let server = TestServer::start(db).await;
    let (one, two) = (
        server.create("one", json!({})).await,
        server.create("two", json!({})).await,
    );
    create(&server, &one, "orders").await.ok(201);
    server
        .execute(&format!("UPDATE aliases SET key_id = '{two}'"))
        .await;
    describe(&server, "alias/orders")
        .await
        .refused(500, "KMS.0103");
    server.stop().await;
}

async fn members_that_break_their_rules(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("target", json!({})).await;
    let nobodys = "00000000-0000-4000-8000-000000000000";
    let long = "x".repeat(256);
    let many: Vec<String> = (0..51).map(|n| format!("a{n}")).collect();
    let urn = format!(
        "kms:home-region-1:{}:alias:x",
        server.account.project.domain
    );
    for (call, body, status, code) in [
        ("aliases", json!({ "key_id": key }), 400, "KMS.0204"),
        ("aliases", json!({ "alias": "x" }), 400, "KMS.0204"),
        (
            "aliases",
            json!({ "key_id": key, "alias": "" }),
            400,
            "KMS.0204",
        ),
        (
            "aliases",
            json!({ "key_id": key, "alias": "alias/" }),
            400,
            "KMS.1101",
        ),
        (
            "aliases",
            json!({ "key_id": key, "alias": "a b" }),
            400,
            "KMS.1101",
        ),
        (
            "aliases",
            json!({ "key_id": key, "alias": long }),
            400,
            "KMS.1101",
        ),
        (
            "aliases",
            json!({ "key_id": key, "alias": urn }),
            400,
            "KMS.1101",
        ),
        (
            "aliases",
            json!({ "key_id": key, "alias": 7 }),
            400,
            "KMS.1101",
        ),
        (
            "aliases",
            json!({ "key_id": "alias/x", "alias": "y" }),
            400,
            "KMS.0205",
        ),
        (
            "aliases",
            json!({ "key_id": nobodys, "alias": "y" }),
            404,
            "KMS.0207",
        ),
        ("alias/associate", json!({ "alias": "x" }), 400, "KMS.0204"),
        (
            "alias/associate",
            json!({ "target_key_id": key }),
            400,
            "KMS.0204",
        ),
        (
            "alias/associate",
            json!({ "alias": "x", "target_key_id": "x" }),
            400,
            "KMS.0205",
        ),
        (
            "alias/associate",
            json!({ "alias": "*", "target_key_id": key }),
            400,
            "KMS.1101",
        ),
        (
            "alias/associate",
            json!({ "alias": "x", "target_key_id": nobodys }),
            404,
            "KMS.0207",
        ),
        ("DELETE aliases", json!({ "key_id": key }), 400, "KMS.0204"),
        (
            "DELETE aliases",
            json!({ "key_id": key, "aliases": [] }),
            400,
            "KMS.0204",
        ),
        (
            "DELETE aliases",
            json!({ "aliases": ["x"] }),
            400,
            "KMS.0204",
        ),
        (
            "DELETE aliases",
            json!({ "key_id": key, "aliases": "x" }),
            400,
            "KMS.0308",
        ),
        (
            "DELETE aliases",
            json!({ "key_id": key, "aliases": ["a b"] }),
            400,
            "KMS.1101",
        ),
        (
            "DELETE aliases",
            json!({ "key_id": key, "aliases": ["a", "alias/a"] }),
            400,
            "KMS.0308",
        ),
        (
            "DELETE aliases",
            json!({ "key_id": key, "aliases": many }),
            400,
            "KMS.0308",
        ),
        (
            "DELETE aliases",
            json!({ "key_id": nobodys, "aliases": ["x"] }),
            404,
            "KMS.0207",
        ),
        ("GET aliases", json!({ "key_id": "x" }), 400, "KMS.0205"),
        ("GET aliases", json!({ "key_id": nobodys }), 404, "KMS.0207"),
        ("GET aliases", json!({ "limit": "0" }), 400, "KMS.1601"),
        ("GET aliases", json!({ "limit": "101" }), 400, "KMS.1601"),
        ("GET aliases", json!({ "limit": "+5" }), 400, "KMS.1601"),
        (
            "GET aliases",
            json!({ "marker": "alias/x" }),
            400,
            "KMS.1602",
        ),
        (
            "GET aliases",
            json!({ "limit": "5", "marker": "a b" }),
            400,
            "KMS.1602",
        ),
    ] {
        let answer = server.call(call, body.clone()).await;
        assert_eq!(
            answer.verdict(),
            (status, code.to_owned()),
            "{call} {body}: {}",
            answer.text
        );
    }
    let listed = server.call("GET aliases", json!({})).await.ok(200);
    assert_eq!(listed["aliases"], json!([]));
    server.stop().await;
}
