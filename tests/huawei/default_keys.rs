//! Keys that cloud services have for themselves (contract, section 3.3).

use kmsd::model::action::{Action, Effect};
use kmsd::model::ids::ServiceName;
use kmsd::operations::default_keys;
use kmsd::operations::identity::manage::ManageError;
use serde_json::{Value, json};

use crate::support::calls::KEY_CALLS;
use crate::support::{Db, Setup, TestServer, on_both};

on_both!(
    a_default_key_is_seen_and_used_and_counts_for_nothing,
    no_call_changes_a_default_key,
    the_operator_makes_one_for_each_service_once,
);

async fn add(
    server: &TestServer,
    service: &str,
    region: Option<&str>,
) -> Result<String, ManageError> {
    let service = ServiceName::parse(service).unwrap();
    let project = server.account.project.name.as_str();
    default_keys::add(
        &server.kms,
        &server.account.domain,
        project,
        region,
        &service,
    )
    .await
    .map(|key| key.id.to_string())
}

async fn details(server: &TestServer, key: &str) -> Value {
    let found = server.call("describe-key", json!({ "key_id": key })).await;
    found.ok(200)["key_info"].clone()
}

async fn a_default_key_is_seen_and_used_and_counts_for_nothing(db: Db) {
    let setup = Setup::from(db).with("limits.keys_per_project", "1");
    let server = TestServer::start(setup).await;
    let key = add(&server, "obs", None).await.unwrap();
    let found = details(&server, &key).await;
    for (member, value) in [
        ("key_alias", "obs/default"),
        ("default_key_flag", "1"),
        ("key_state", "2"),
        ("key_spec", "AES_256"),
        ("sys_enterprise_project_id", "0"),
    ] {
        assert_eq!(found[member], value, "{member}");
    }
    let counted = server.call("GET user-instances", Value::Null).await.ok(200);
    assert_eq!(counted["instance_num"], 0);
    let quotas = server.call("GET user-quotas", Value::Null).await.ok(200);
    assert_eq!(quotas["quotas"]["resources"][0]["used"], 0);
    // The quota of one is still whole, and exact.
    server.create("own", json!({})).await;
    let more = server
        .call("create-key", json!({ "key_alias": "more" }))
        .await;
    more.refused(400, "KMS.1105");
    add(&server, "evs", None).await.unwrap();
    let listed = server.call("list-keys", json!({})).await.ok(200);
    assert_eq!(listed["total"], 3);
    let body = json!({ "key_id": key, "plain_text": "secret" });
    let made = server.call("encrypt-data", body).await.ok(200);
    let body = json!({ "cipher_text": made["cipher_text"] });
    let opened = server.call("decrypt-data", body).await.ok(200);
    assert_eq!(opened["plain_text"], "secret");
    server.stop().await;
}

async fn no_call_changes_a_default_key(db: Db) {
    let server = TestServer::start(db).await;
    let key = add(&server, "obs", None).await.unwrap();
    let before = details(&server, &key).await;
    for call in KEY_CALLS.iter().filter(|call| call.needs.is_some()) {
        if call.action.effect() == Effect::Changes {
            let answer = server.call(call.name, (call.body)(&key)).await;
            assert_eq!(
                answer.verdict(),
                (400, "KMS.0211".to_owned()),
                "{}: {}",
                call.name,
                answer.text
            );
        } else if call.spec == "AES_256" {
            let body = server.body_for(call, &key).await;
            server.call(call.name, body).await.done();
        }
        assert_eq!(details(&server, &key).await, before, "{}", call.name);
    }
    server.stop().await;
}

async fn the_operator_makes_one_for_each_service_once(db: Db) {
    let server = TestServer::start(db).await;
    let key = add(&server, "obs", None).await.unwrap();
    let record = server.records().await.pop().unwrap();
    assert_eq!(
        (
            record.action,
            record.key_id.as_str(),
            record.detail.as_str()
        ),
        (Action::AddDefaultKey, key.as_str(), "obs/default")
    );
    assert_eq!(record.project_id, server.account.project.id.as_str());
    assert!(matches!(
        add(&server, "obs", None).await,
        Err(ManageError::Exists(_))
    ));
    add(&server, "obs", Some("region-2")).await.unwrap();
    assert!(matches!(
        add(&server, "obs", Some("nowhere")).await,
        Err(ManageError::Malformed(_))
    ));
    server.create("own", json!({})).await;
    let project = server.account.project.name.as_str();
    let listed = default_keys::list(&server.kms, &server.account.domain, project)
        .await
        .unwrap();
    let mut shown: Vec<_> = listed
        .iter()
        .map(|key| format!("{} {}", key.name, key.region))
        .collect();
    shown.sort();
    assert_eq!(shown, ["obs/default home-region-1", "obs/default region-2"]);
    server.stop().await;
}
