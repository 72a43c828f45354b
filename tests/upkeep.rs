//! Keys whose day has come: gone at once, destroyed soon after, and never when rescued in time.

use std::sync::Arc;
use std::time::Duration;

use kmsd::model::action::Action;
use kmsd::operations::upkeep::{TimeGuard, step};
use serde_json::json;

use crate::support::{Db, TestServer, on_both};

on_both!(
    a_key_is_gone_at_its_hour_and_destroyed_by_upkeep,
    a_leap_of_the_clock_destroys_nothing_for_an_hour,
    a_clock_that_fell_back_makes_kmsd_not_ready,
    cancelling_races_with_destruction,
    two_replicas_destroy_each_key_once,
);

/// A key that will be destroyed in seven days. The token is new, for the clock may have passed the
/// end of the first one.
async fn scheduled(server: &TestServer, name: &str) -> String {
    let token = server.log_in(&server.account).await;
    let body = json!({ "key_alias": name });
    let made = server.call_as(&token, "create-key", body).await.ok(200);
    let key = made["key_info"]["key_id"].as_str().unwrap().to_owned();
    let body = json!({ "key_id": key, "pending_days": 7 });
    server
        .call_as(&token, "schedule-key-deletion", body)
        .await
        .ok(200);
    key
}

async fn a_key_is_gone_at_its_hour_and_destroyed_by_upkeep(db: Db) {
    let server = TestServer::start(db).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    let key = scheduled(&server, "doomed").await;
    let named = json!({ "key_id": key });

    server.clock.advance(Duration::from_secs(7 * 86_400 - 1));
    let destroyed = step(&server.kms, &mut guard).await.unwrap();
    assert_eq!(destroyed, [], "not a second before its time (I-38)");
    let token = server.log_in(&server.account).await;
    let found = server
        .call_as(&token, "describe-key", named.clone())
        .await
        .ok(200);
    assert_eq!(found["key_info"]["key_state"], "4");

    server.clock.advance(Duration::from_secs(1));
    for call in ["describe-key", "cancel-key-deletion", "enable-key"] {
        server
            .call_as(&token, call, named.clone())
            .await
            .refused(404, "KMS.0207");
    }
    let listed = server
        .call_as(&token, "list-keys", json!({ "key_spec": "ALL" }))
        .await
        .ok(200);
    assert_eq!(listed["total"], 0, "upkeep has not run, and yet it is gone");
    let counted = server
        .call_as(&token, "GET user-instances", json!({}))
        .await
        .ok(200);
    assert_eq!(counted["instance_num"], 0);

    let destroyed = step(&server.kms, &mut guard).await.unwrap();
    assert_eq!(destroyed.len(), 1);
    assert_eq!(destroyed[0].id, key);
    assert_eq!(
        step(&server.kms, &mut guard).await.unwrap(),
        [],
        "and never again (I-39)"
    );
    let records = server.records().await;
    let destructions: Vec<_> = records
        .iter()
        .filter(|record| record.action == Action::DestroyKey)
        .collect();
    assert_eq!(destructions.len(), 1);
    assert_eq!(destructions[0].key_id, key);
    assert_eq!(destructions[0].credential, "upkeep");
    // Its name is free again, for another key.
    let body = json!({ "key_alias": "doomed" });
    server.call_as(&token, "create-key", body).await.ok(200);
    server.stop().await;
}

async fn a_leap_of_the_clock_destroys_nothing_for_an_hour(db: Db) {
    let server = TestServer::start(db).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    scheduled(&server, "doomed").await;

    server.clock.leap(Duration::from_secs(8 * 86_400));
    assert_eq!(step(&server.kms, &mut guard).await.unwrap(), []);
    server.clock.advance(Duration::from_secs(59 * 60));
    assert_eq!(step(&server.kms, &mut guard).await.unwrap(), []);
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(step(&server.kms, &mut guard).await.unwrap().len(), 1);
    server.stop().await;
}

async fn a_clock_that_fell_back_makes_kmsd_not_ready(db: Db) {
    let server = TestServer::start(db).await;
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    let ready = || server.send(server.request("GET", "/health/ready"));
    ready().await.ok(200);
    server.clock.fall_back(Duration::from_secs(6 * 60));
    step(&server.kms, &mut guard).await.unwrap();
    ready().await.refused(503, "KMS.0104");
    server
        .send(server.request("GET", "/health/live"))
        .await
        .ok(200);
    server.clock.leap(Duration::from_secs(2 * 60));
    step(&server.kms, &mut guard).await.unwrap();
    ready().await.ok(200);
    server.stop().await;
}

/// A cancellation that was acknowledged means that the key lives; a key that was destroyed answers
/// 404 to its cancellation. Nothing in between, whoever is faster (I-34, I-38).
async fn cancelling_races_with_destruction(db: Db) {
    let server = Arc::new(TestServer::start(db).await);
    let mut guard = TimeGuard::default();
    step(&server.kms, &mut guard).await.unwrap();
    let (mut lived, mut died) = (0, 0);
    for round in 0..4 {
        let mut keys = Vec::new();
        for at in 0..16 {
            keys.push(scheduled(&server, &format!("racer-{round}-{at}")).await);
        }
        // One second before their time.
        server.clock.advance(Duration::from_secs(7 * 86_400 - 1));
        step(&server.kms, &mut guard).await.unwrap();
        let token = server.log_in(&server.account).await;
        let (answered, mut answers) = tokio::sync::watch::channel(0);
        let answered = Arc::new(answered);
        let mut rescuers = Vec::new();
        for mine in keys.chunks(4).map(<[String]>::to_vec) {
            let (server, token, answered) = (server.clone(), token.clone(), answered.clone());
            rescuers.push(actix_web::rt::spawn(async move {
                let mut outcomes = Vec::new();
                for key in mine {
                    let body = json!({ "key_id": key });
                    let answer = server.call_as(&token, "cancel-key-deletion", body).await;
                    answered.send_modify(|count| *count += 1);
                    outcomes.push((key, answer.verdict().0));
                }
                outcomes
            }));
        }
        // Their time comes while some are rescued already and the others are about to be.
        answers.wait_for(|count| *count >= 6).await.unwrap();
        server.clock.advance(Duration::from_secs(1));
        let mut destroyed = Vec::new();
        while rescuers.iter().any(|rescuer| !rescuer.is_finished()) {
            destroyed.extend(step(&server.kms, &mut guard).await.unwrap());
            tokio::task::yield_now().await;
        }
        for rescuer in rescuers {
            for (key, status) in rescuer.await.unwrap() {
                match status {
                    200 => {
                        lived += 1;
                        let was_destroyed = destroyed.iter().any(|gone| gone.id == key);
                        assert!(!was_destroyed, "{key} was rescued and yet destroyed");
                        let named = json!({ "key_id": key });
                        let found = server.call_as(&token, "describe-key", named).await.ok(200);
                        assert_eq!(found["key_info"]["key_state"], "3");
                    }
                    404 => died += 1,
                    other => panic!("{key}: {other}"),
                }
            }
        }
        step(&server.kms, &mut guard).await.unwrap();
    }
    println!("{db:?}: of 64 keys {lived} were rescued and {died} destroyed");
    assert_eq!(lived + died, 64);
    assert!(
        lived > 0 && died > 0,
        "both must happen, or nothing was raced"
    );
}

async fn two_replicas_destroy_each_key_once(db: Db) {
    let server = TestServer::start(db).await;
    let (mut one, mut two) = (TimeGuard::default(), TimeGuard::default());
    step(&server.kms, &mut one).await.unwrap();
    step(&server.kms, &mut two).await.unwrap();
    for at in 0..20 {
        scheduled(&server, &format!("doomed-{at}")).await;
    }
    server.clock.advance_days(7);
    let (first, second) =
        futures_util::future::join(step(&server.kms, &mut one), step(&server.kms, &mut two)).await;
    let total = first.unwrap().len() + second.unwrap().len();
    // Rows that one had locked the other skipped; whatever both left is due at the next step.
    let rest = step(&server.kms, &mut one).await.unwrap().len();
    assert_eq!(total + rest, 20);
    let records = server.records().await;
    let count = records
        .iter()
        .filter(|record| record.action == Action::DestroyKey)
        .count();
    assert_eq!(count, 20);
    server.stop().await;
}
