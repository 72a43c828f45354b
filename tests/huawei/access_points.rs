//! Access points: registered, listed, switched, ended, and their private keys.

use std::time::Duration;

use kmsd::operations::identity::manage;
use serde_json::{Value, json};

use crate::support::calls::{KEYSPACE, NO_ACCESS_POINT, PEER};
use crate::support::keyspace::{Custom, create_point, create_policy, fresh_name};
use crate::support::{Db, Setup, TestServer, on_both};

on_both!(
    an_access_point_of_each_type_is_registered_and_told,
    switching_is_told_once_and_may_be_repeated,
    lists_are_paged_even_when_the_marker_is_gone,
    names_are_unique_in_a_key_space,
    there_are_as_many_as_the_limit_allows,
    the_private_key_is_there_as_long_as_the_access_point,
    what_is_malformed_is_told_exactly,
    access_points_of_others_answer_like_none_i_16,
    a_project_without_keys_ends_with_what_its_key_spaces_hold,
);

/// A key on a curve that no cluster signs tokens with.
const SECP256K1: &str = "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEeb5mfvncu6xVoGKVzocLBwKb/NstzijZWfKBWxb4F5hIOtp3JqPEZV2k+/wOEQio/Re0SKaFVBmcR9CP+xDUuA==";

async fn list(server: &TestServer, more: Value) -> Value {
    let mut query = json!({ "keyspace_id": KEYSPACE });
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        query[name] = value;
    }
    server.call("GET access-points", query).await.ok(200)
}

async fn an_access_point_of_each_type_is_registered_and_told(db: Db) {
    let server = TestServer::start(db).await;
    let user = server.records().await.last().unwrap().user_id.clone();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{PEER}\n-----END PUBLIC KEY-----\n");
    let mut made = Vec::new();
    for (kind, members) in [
        (1, json!({ "type": 1, "identity": "9a6b7c4e-server.1" })),
        (
            2,
            json!({ "type": "2", "identity": PEER, "cluster_id": "c-1" }),
        ),
        (
            2,
            json!({ "type": 2, "identity": pem, "cluster_id": "c-2", "description": "x" }),
        ),
        (
            3,
            json!({ "type": 3, "identity": "", "description": "é".repeat(255) }),
        ),
    ] {
        made.push((create_point(&server, members).await, kind));
    }
    made.sort();
    let listed = list(&server, json!({})).await;
    assert_eq!(
        listed["page_info"],
        json!({ "next_marker": "", "current_count": 4 })
    );
    for ((id, kind), point) in made.iter().zip(listed["access_points"].as_array().unwrap()) {
        let mut point = point.clone();
        let name = point.as_object_mut().unwrap().remove("access_point_name");
        assert!(name.unwrap().as_str().unwrap().starts_with("point-"));
        assert_eq!(
            point,
            json!({
                "access_point_id": id,
                "keyspace_id": KEYSPACE,
                "state": 1,
                "type": kind,
                "created_by": user,
                "create_time": "2026-01-02T03:04:05Z",
                "lsat_modify_time": "2026-01-02T03:04:05Z",
            })
        );
    }
    server.stop().await;
}

async fn switching_is_told_once_and_may_be_repeated(db: Db) {
    let server = TestServer::start(db).await;
    let id = create_point(&server, json!({ "type": 3 })).await;
    let named = json!({ "access_point_id": id });
    for (call, state, modified) in [
        ("enable", 1, "2026-01-02T03:04:05Z"),
        ("disable", 0, "2026-01-02T03:04:07Z"),
        ("disable", 0, "2026-01-02T03:04:07Z"),
        ("enable", 1, "2026-01-02T03:04:09Z"),
    ] {
        server.clock.advance(Duration::from_secs(1));
        let path = format!("access-points/{{access_point_id}}/{call}");
        assert_eq!(server.call(&path, named.clone()).await.ok(204), Value::Null);
        let point = list(&server, json!({})).await["access_points"][0].clone();
        assert_eq!(
            (
                &point["state"],
                &point["lsat_modify_time"],
                &point["create_time"]
            ),
            (
                &json!(state),
                &json!(modified),
                &json!("2026-01-02T03:04:05Z")
            ),
            "{call}"
        );
    }
    let delete = "DELETE access-points/{access_point_id}";
    server.call(delete, named.clone()).await.ok(204);
    for call in [delete, "access-points/{access_point_id}/enable"] {
        let said = server
            .call(call, named.clone())
            .await
            .refused(404, "KMS.0207");
        assert_eq!(said, "no access point with this id in the project");
    }
    server.stop().await;
}

async fn lists_are_paged_even_when_the_marker_is_gone(db: Db) {
    let server = TestServer::start(db).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(create_point(&server, json!({ "type": 3 })).await);
    }
    made.sort();
    // Of another key space.
    let elsewhere = json!({ "type": 3, "keyspace_id": NO_ACCESS_POINT });
    create_point(&server, elsewhere).await;

    let ids = |page: &Value| -> Vec<String> {
        let points = page["access_points"].as_array().unwrap();
        let id = |point: &Value| point["access_point_id"].as_str().unwrap().to_owned();
        points.iter().map(id).collect()
    };
    let first = list(&server, json!({ "limit": "2" })).await;
    assert_eq!(ids(&first), made[..2]);
    assert_eq!(
        first["page_info"],
        json!({ "next_marker": made[1], "current_count": 2 })
    );
    let gone = json!({ "access_point_id": made[1] });
    server
        .call("DELETE access-points/{access_point_id}", gone)
        .await
        .ok(204);
    let second = list(&server, json!({ "limit": "2", "marker": made[1] })).await;
    assert_eq!(ids(&second), made[2..4]);
    let last = list(&server, json!({ "limit": "2", "marker": made[3] })).await;
    assert_eq!(ids(&last), made[4..]);
    assert_eq!(
        last["page_info"],
        json!({ "next_marker": "", "current_count": 1 })
    );
    // What is empty is absent.
    let all = list(&server, json!({ "limit": "", "marker": "" })).await;
    assert_eq!(ids(&all).len(), 4);
    for (query, code) in [
        (json!({ "limit": "0" }), "KMS.1601"),
        (json!({ "limit": "101" }), "KMS.1601"),
        (json!({ "limit": "+5" }), "KMS.1601"),
        (json!({ "limit": "many" }), "KMS.1601"),
        (json!({ "marker": "2" }), "KMS.1602"),
        (json!({ "keyspace_id": "" }), "KMS.0204"),
        (json!({ "keyspace_id": "x" }), "KMS.0308"),
        (
            json!({ "keyspace_id": KEYSPACE.to_uppercase() }),
            "KMS.0308",
        ),
    ] {
        let mut asked = json!({ "keyspace_id": KEYSPACE });
        for (name, value) in query.as_object().unwrap() {
            asked[name] = value.clone();
        }
        for call in ["GET access-points", "GET key-policies"] {
            server.call(call, asked.clone()).await.refused(400, code);
        }
    }
    for call in ["GET access-points", "GET key-policies"] {
        server.call(call, json!({})).await.refused(400, "KMS.0204");
    }
    server.stop().await;
}

async fn names_are_unique_in_a_key_space(db: Db) {
    let server = TestServer::start(db).await;
    let body =
        |keyspace: &str| json!({ "keyspace_id": keyspace, "access_point_name": "web", "type": 3 });
    server.call("access-points", body(KEYSPACE)).await.ok(201);
    let said = server
        .call("access-points", body(KEYSPACE))
        .await
        .refused(400, "KMS.1104");
    assert!(said.starts_with("access_point_name is taken"), "{said}");
    server
        .call("access-points", body(NO_ACCESS_POINT))
        .await
        .ok(201);
    server.stop().await;
}

async fn there_are_as_many_as_the_limit_allows(db: Db) {
    let setup = Setup::from(db).with("limits.access_points_per_project", "2");
    let server = TestServer::start(setup).await;
    let one = create_point(&server, json!({ "type": 3 })).await;
    // Counted in all key spaces.
    create_point(
        &server,
        json!({ "type": 3, "keyspace_id": NO_ACCESS_POINT }),
    )
    .await;
    let body =
        || json!({ "keyspace_id": KEYSPACE, "access_point_name": fresh_name("point"), "type": 3 });
    let refused = server.call("access-points", body()).await;
    let said = refused.refused(400, "KMS.1105");
    assert_eq!(said, "the project has as many access points as it may");
    let named = json!({ "access_point_id": one });
    server
        .call("DELETE access-points/{access_point_id}", named)
        .await
        .ok(204);
    server.call("access-points", body()).await.ok(201);
    server
        .call("access-points", body())
        .await
        .refused(400, "KMS.1105");
    server.stop().await;
}

async fn the_private_key_is_there_as_long_as_the_access_point(db: Db) {
    let server = TestServer::start(db).await;
    let point = Custom::create(&server).await;
    let other = Custom::create(&server).await;
    assert_ne!(point.pem, other.pem);
    let call = "access-points/{access_point_id}/get-privatekey";
    let named = json!({ "access_point_id": point.id });
    let told = json!({ "access_point_id": point.id, "private_key": point.pem });
    assert_eq!(server.call(call, named.clone()).await.ok(200), told);
    server
        .call("access-points/{access_point_id}/disable", named.clone())
        .await
        .ok(204);
    assert_eq!(server.call(call, named.clone()).await.ok(200), told);
    for members in [
        json!({ "type": 1, "identity": "server" }),
        json!({ "type": 2, "identity": PEER, "cluster_id": "c" }),
    ] {
        let id = create_point(&server, members).await;
        server
            .call(call, json!({ "access_point_id": id }))
            .await
            .refused(400, "KMS.0308");
    }
    server
        .call("DELETE access-points/{access_point_id}", named.clone())
        .await
        .ok(204);
    server.call(call, named).await.refused(404, "KMS.0207");
    // No record tells a key (I-47).
    let records = format!("{:?}", server.records().await);
    let line = point.pem.lines().nth(1).unwrap();
    assert!(!records.contains(line));
    server.stop().await;
}

async fn what_is_malformed_is_told_exactly(db: Db) {
    let server = TestServer::start(db).await;
    let good = json!({ "keyspace_id": KEYSPACE, "access_point_name": "web", "type": 3 });
    for (members, code, member) in [
        (json!({ "keyspace_id": null }), "KMS.0204", "keyspace_id"),
        (json!({ "keyspace_id": "" }), "KMS.0204", "keyspace_id"),
        (json!({ "keyspace_id": 7 }), "KMS.0308", "keyspace_id"),
        (json!({ "keyspace_id": "x" }), "KMS.0308", "keyspace_id"),
        (
            json!({ "keyspace_id": KEYSPACE.to_uppercase() }),
            "KMS.0308",
            "keyspace_id",
        ),
        (
            json!({ "access_point_name": null }),
            "KMS.0204",
            "access_point_name",
        ),
        (
            json!({ "access_point_name": "a b" }),
            "KMS.0308",
            "access_point_name",
        ),
        (
            json!({ "access_point_name": "x".repeat(256) }),
            "KMS.0308",
            "access_point_name",
        ),
        (
            json!({ "access_point_name": [] }),
            "KMS.0308",
            "access_point_name",
        ),
        (json!({ "type": null }), "KMS.0204", "type"),
        (json!({ "type": 0 }), "KMS.0308", "type"),
        (json!({ "type": 4 }), "KMS.0308", "type"),
        (json!({ "type": -1 }), "KMS.0308", "type"),
        (json!({ "type": 1.5 }), "KMS.0308", "type"),
        (json!({ "type": "ECS" }), "KMS.0308", "type"),
        (json!({ "type": true }), "KMS.0308", "type"),
        (json!({ "type": 1 }), "KMS.0204", "identity"),
        (
            json!({ "type": 1, "identity": "a b" }),
            "KMS.0308",
            "identity",
        ),
        (
            json!({ "type": 1, "identity": "x".repeat(65) }),
            "KMS.0308",
            "identity",
        ),
        (json!({ "type": 1, "identity": 5 }), "KMS.0308", "identity"),
        (
            json!({ "type": 1, "identity": "s", "cluster_id": "c" }),
            "KMS.0308",
            "cluster_id",
        ),
        (
            json!({ "type": 2, "cluster_id": "c" }),
            "KMS.0204",
            "identity",
        ),
        (
            json!({ "type": 2, "identity": PEER }),
            "KMS.0204",
            "cluster_id",
        ),
        (
            json!({ "type": 2, "identity": PEER, "cluster_id": "a b" }),
            "KMS.0308",
            "cluster_id",
        ),
        (
            json!({ "type": 2, "identity": "not Base64!", "cluster_id": "c" }),
            "KMS.0308",
            "identity",
        ),
        (
            json!({ "type": 2, "identity": "AAAA", "cluster_id": "c" }),
            "KMS.0308",
            "identity",
        ),
        (
            json!({ "type": 2, "identity": SECP256K1, "cluster_id": "c" }),
            "KMS.0308",
            "identity",
        ),
        (json!({ "identity": PEER }), "KMS.0308", "identity"),
        (json!({ "cluster_id": "c" }), "KMS.0308", "cluster_id"),
        (
            json!({ "description": "x".repeat(256) }),
            "KMS.0308",
            "description",
        ),
        (json!({ "description": "a\0b" }), "KMS.0308", "description"),
        (json!({ "description": {} }), "KMS.0308", "description"),
    ] {
        let mut body = good.clone();
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        let said = server.call("access-points", body).await.refused(400, code);
        assert!(said.starts_with(&format!("{member} ")), "{members}: {said}");
    }
    let key = server.create("k", json!({ "key_spec": "SECP256K1" })).await;
    let public = server
        .call("get-publickey", json!({ "key_id": key }))
        .await
        .ok(200);
    let body = json!({
        "keyspace_id": KEYSPACE, "access_point_name": "web", "type": 2, "cluster_id": "c",
        "identity": public["public_key"],
    });
    let said = server
        .call("access-points", body)
        .await
        .refused(400, "KMS.0308");
    assert!(said.contains("which are those that sign"), "{said}");

    for id in [
        "x",
        "..",
        "%00",
        &KEYSPACE.to_uppercase(),
        "{access_point_id}",
    ] {
        for call in [
            "access-points/{access_point_id}/enable",
            "access-points/{access_point_id}/disable",
            "access-points/{access_point_id}/get-privatekey",
            "DELETE access-points/{access_point_id}",
        ] {
            let answer = server.call(call, json!({ "access_point_id": id })).await;
            if id == ".." {
                // Clients fold it away; what is left is another path.
                assert!((400..500).contains(&answer.status));
                continue;
            }
            let said = answer.refused(400, "KMS.0308");
            assert!(said.starts_with("access_point_id "), "{call} {id}: {said}");
        }
    }
    assert_eq!(list(&server, json!({})).await["access_points"], json!([]));
    server.stop().await;
}

async fn access_points_of_others_answer_like_none_i_16(db: Db) {
    let server = TestServer::start(db).await;
    let point = Custom::create(&server).await;
    let stranger = server.another_account("evil").await;
    let token = server.log_in(&stranger).await;
    let project = stranger.project.id.as_str();
    for call in [
        "access-points/{access_point_id}/enable",
        "access-points/{access_point_id}/disable",
        "access-points/{access_point_id}/get-privatekey",
        "DELETE access-points/{access_point_id}",
    ] {
        let mut answers = Vec::new();
        for id in [point.id.as_str(), NO_ACCESS_POINT] {
            let named = json!({ "access_point_id": id });
            let answer = server.call_in(project, &token, call, named).await;
            answer.refused(404, "KMS.0207");
            answers.push(answer.text);
        }
        assert_eq!(answers[0], answers[1], "{call}");
    }
    let query = json!({ "keyspace_id": KEYSPACE });
    let listed = server
        .call_in(project, &token, "GET access-points", query)
        .await;
    assert_eq!(listed.ok(200)["access_points"], json!([]));
    // In another region there is none either.
    let request = server
        .request(
            "GET",
            &server.kms_path(&format!("access-points?keyspace_id={KEYSPACE}")),
        )
        .header("Host", "kms.region-2.example.test")
        .header("X-Auth-Token", &server.token);
    assert_eq!(
        server.send(request).await.ok(200)["access_points"],
        json!([])
    );
    assert_eq!(
        list(&server, json!({})).await["page_info"]["current_count"],
        1
    );
    server.stop().await;
}

async fn a_project_without_keys_ends_with_what_its_key_spaces_hold(db: Db) {
    let server = TestServer::start(db).await;
    create_point(&server, json!({ "type": 3 })).await;
    create_policy(&server, "{\"version\":\"1.0\"}").await;
    let account = &server.account;
    let project = account.project.name.as_str();
    manage::remove_project(&server.kms, &account.domain, project)
        .await
        .unwrap();
    let query = json!({ "keyspace_id": KEYSPACE });
    let answer = server.call("GET access-points", query).await;
    assert_eq!(answer.status, 401, "{}", answer.text);
    server.stop().await;
}
