//! Keys that live in several regions of one deployment.

use kmsd::model::identity::Role;
use serde_json::{Value, json};

use crate::support::calls;
use crate::support::{Answer, Db, Setup, TestServer, on_both};

on_both!(
    a_copy_opens_what_the_first_has_sealed_and_the_other_way_round,
    each_has_a_life_of_its_own,
    renewed_material_reaches_every_copy,
    what_is_not_copied_is_said_so,
    the_primary_moves_and_only_it_is_copied,
    a_primary_leaves_after_its_replicas,
    a_copy_in_another_project_of_the_account_needs_a_role_there,
    a_deployment_of_one_region_has_none_to_offer,
    what_is_wrong_with_a_copy_is_said_exactly,
    copies_made_at_once_are_made_once,
);

const HOME: &str = "home-region-1";

async fn three_regions(db: Db) -> TestServer {
    let regions = "home-region-1,region-2,region-3";
    TestServer::start(Setup::from(db).with("regions", regions)).await
}

/// The body that copies a key.
fn copy_to(server: &TestServer, key: &str, region: &str) -> Value {
    json!({
        "key_id": key,
        "replica_region": region,
        "key_alias": format!("in-{region}"),
        "replica_project_id": server.account.project.id,
    })
}

async fn replicate(server: &TestServer, from: &str, body: Value) -> Answer {
    server.call_at(from, calls::REPLICATE, body).await
}

async fn move_primary(server: &TestServer, from: &str, key: &str, to: &str) -> Answer {
    let body = json!({ "key_id": key, "primary_region": to });
    server.call_at(from, calls::UPDATE_PRIMARY, body).await
}

async fn encrypt(server: &TestServer, region: &str, key: &str) -> String {
    let body = json!({ "key_id": key, "plain_text": "secret" });
    let made = server.call_at(region, "encrypt-data", body).await.ok(200);
    made["cipher_text"].as_str().unwrap().to_owned()
}

async fn opens(server: &TestServer, region: &str, ciphertext: &str) {
    let body = json!({ "cipher_text": ciphertext });
    let opened = server.call_at(region, "decrypt-data", body).await.ok(200);
    assert_eq!(opened["plain_text"], "secret", "in {region}");
}

async fn details(server: &TestServer, region: &str, key: &str) -> Value {
    let named = json!({ "key_id": key });
    let found = server.call_at(region, "describe-key", named).await.ok(200);
    found["key_info"].clone()
}

async fn a_copy_opens_what_the_first_has_sealed_and_the_other_way_round(db: Db) {
    let server = three_regions(db).await;
    let regions = server
        .call("GET /v2/{project_id}/kms/regions", json!({}))
        .await
        .ok(200);
    assert_eq!(regions, json!({ "regions": ["region-2", "region-3"] }));
    let one = json!({ "limit": 1, "offset": "1" });
    let page = server
        .call_at("region-2", "GET /v2/{project_id}/kms/regions", one)
        .await;
    assert_eq!(page.ok(200), json!({ "regions": ["region-3"] }));

    for spec in ["AES_256", "EC_P256", "HMAC_384"] {
        let key = server.create(spec, json!({ "key_spec": spec })).await;
        let mut body = copy_to(&server, &key, "region-2");
        body["key_alias"] = json!(format!("copy-{spec}"));
        body["key_description"] = json!("a copy");
        let made = replicate(&server, HOME, body).await.ok(200);
        assert_eq!(
            made,
            json!({
                "key_id": key,
                "domain_id": server.account.project.domain,
                "region": "region-2",
            })
        );
        let (first, copy) = (
            details(&server, HOME, &key).await,
            details(&server, "region-2", &key).await,
        );
        assert_eq!(copy["realm"], "region-2");
        assert_eq!(copy["key_alias"], format!("copy-{spec}"));
        assert_eq!(copy["key_description"], "a copy");
        assert_eq!(copy["key_state"], "2");
        for same in ["key_spec", "key_usage", "origin", "domain_id"] {
            assert_eq!(first[same], copy[same], "{same}");
        }
    }
    let listed = server
        .call("list-keys", json!({ "key_spec": "AES_256" }))
        .await
        .ok(200);
    let key = listed["keys"][0].as_str().unwrap();
    opens(&server, "region-2", &encrypt(&server, HOME, key).await).await;
    opens(&server, HOME, &encrypt(&server, "region-2", key).await).await;
    // Where it was not copied to, there is none.
    let there = json!({ "key_id": key });
    server
        .call_at("region-3", "describe-key", there)
        .await
        .refused(404, "KMS.0207");
    server.stop().await;
}

async fn each_has_a_life_of_its_own(db: Db) {
    let server = three_regions(db).await;
    let key = server.create("orders", json!({})).await;
    let body = copy_to(&server, &key, "region-2");
    replicate(&server, HOME, body).await.ok(200);
    let ciphertext = encrypt(&server, HOME, &key).await;
    let named = json!({ "key_id": key });
    server.call("disable-key", named.clone()).await.ok(200);
    opens(&server, "region-2", &ciphertext).await;
    assert_eq!(details(&server, "region-2", &key).await["key_state"], "2");
    server.call("enable-key", named.clone()).await.ok(200);

    let leave = json!({ "key_id": key, "pending_days": 7 });
    server
        .call_at("region-2", "schedule-key-deletion", leave)
        .await
        .ok(200);
    opens(&server, HOME, &ciphertext).await;
    let rescued = server
        .call_at("region-2", "cancel-key-deletion", named)
        .await;
    assert_eq!(rescued.ok(200)["key_state"], "3");
    // Each counts where it is.
    for region in [HOME, "region-2"] {
        let counted = server
            .call_at(region, "GET user-instances", Value::Null)
            .await;
        assert_eq!(counted.ok(200)["instance_num"], 1, "{region}");
    }
    server.stop().await;
}

/// The plan is the primary's, the new version everybody's; and it goes on after the primary moved.
async fn renewed_material_reaches_every_copy(db: Db) {
    let mut server = three_regions(db).await;
    let key = server.create("orders", json!({})).await;
    for region in ["region-2", "region-3"] {
        replicate(&server, HOME, copy_to(&server, &key, region))
            .await
            .ok(200);
    }
    let old = encrypt(&server, HOME, &key).await;
    let plan = json!({ "key_id": key });
    server
        .call_at("region-2", "enable-key-rotation", plan.clone())
        .await
        .refused(400, "KMS.0308");
    server.call("enable-key-rotation", plan).await.ok(200);
    let interval = json!({ "key_id": key, "rotation_interval": 30 });
    server
        .call("update-key-rotation-interval", interval)
        .await
        .ok(200);
    for (round, region) in [(1, "region-2"), (2, HOME)] {
        pass_a_month(&mut server).await;
        let from = if round == 1 { HOME } else { "region-2" };
        let new = encrypt(&server, from, &key).await;
        let version = |ciphertext: &str| calls::unbase64(ciphertext)[4..8].to_vec();
        assert_ne!(version(&new), version(&old), "round {round}");
        for there in [HOME, "region-2", "region-3"] {
            opens(&server, there, &new).await;
            opens(&server, there, &old).await;
            let sealed = encrypt(&server, there, &key).await;
            assert_eq!(version(&sealed), version(&new), "in {there}");
        }
        if round == 1 {
            move_primary(&server, HOME, &key, region).await.ok(200);
        }
    }
    server.stop().await;
}

/// Thirty days, and upkeep's look at what became due.
async fn pass_a_month(server: &mut TestServer) {
    let mut guard = kmsd::operations::upkeep::TimeGuard::default();
    kmsd::operations::upkeep::step(&server.kms, &mut guard)
        .await
        .unwrap();
    server.pass_days(30).await;
    kmsd::operations::upkeep::step(&server.kms, &mut guard)
        .await
        .unwrap();
}

async fn what_is_not_copied_is_said_so(db: Db) {
    let server = three_regions(db).await;
    let key = server.external("mine").await;
    let said = replicate(&server, HOME, copy_to(&server, &key, "region-2"))
        .await
        .refused(400, "KMS.0308");
    assert!(said.starts_with("imported material"), "{said}");
    // Tags are the copy's own, within the usual bound.
    let key = server.create("orders", json!({})).await;
    let mut body = copy_to(&server, &key, "region-2");
    let tags = |count: usize| -> Value {
        (0..count)
            .map(|at| json!({ "key": format!("k{at}"), "value": "v" }))
            .collect()
    };
    for (wrong, code) in [
        (tags(21), "KMS.0409"),
        (json!([{ "key": "a*b" }]), "KMS.0406"),
        (json!("x"), "KMS.0412"),
    ] {
        body["tags"] = wrong;
        replicate(&server, HOME, body.clone())
            .await
            .refused(400, code);
    }
    body["tags"] = tags(2);
    replicate(&server, HOME, body).await.ok(200);
    let named = json!({ "key_id": key });
    let there = server.call_at("region-2", "GET {key_id}/tags", named).await;
    assert_eq!(there.ok(200)["existTagsNum"], 2);
    server.stop().await;
}

async fn the_primary_moves_and_only_it_is_copied(db: Db) {
    let server = three_regions(db).await;
    let key = server.create("orders", json!({})).await;
    let ciphertext = encrypt(&server, HOME, &key).await;
    // A key of one region has no replica to give way to.
    move_primary(&server, HOME, &key, "region-2")
        .await
        .refused(400, "KMS.0308");
    replicate(&server, HOME, copy_to(&server, &key, "region-2"))
        .await
        .ok(200);
    let third = copy_to(&server, &key, "region-3");
    let said = replicate(&server, "region-2", third.clone())
        .await
        .refused(400, "KMS.0308");
    assert!(said.ends_with("its primary, home-region-1"), "{said}");
    move_primary(&server, "region-2", &key, HOME)
        .await
        .refused(400, "KMS.0308");
    let again = replicate(&server, HOME, copy_to(&server, &key, "region-2")).await;
    again.refused(400, "KMS.3801");

    let moved = move_primary(&server, HOME, &key, "region-2").await;
    assert_eq!(
        moved.ok(200),
        json!({ "key_id": key, "primary_region": "region-2" })
    );
    replicate(&server, HOME, third.clone())
        .await
        .refused(400, "KMS.0308");
    replicate(&server, "region-2", third).await.ok(200);
    for region in [HOME, "region-2", "region-3"] {
        opens(&server, region, &ciphertext).await;
    }
    // To one that is not enabled it does not move.
    let named = json!({ "key_id": key });
    server
        .call_at("region-3", "disable-key", named)
        .await
        .ok(200);
    move_primary(&server, "region-2", &key, "region-3")
        .await
        .refused(400, "KMS.0308");
    server.stop().await;
}

async fn a_primary_leaves_after_its_replicas(db: Db) {
    let mut server = three_regions(db).await;
    let key = server.create("orders", json!({})).await;
    replicate(&server, HOME, copy_to(&server, &key, "region-2"))
        .await
        .ok(200);
    let leave = json!({ "key_id": key, "pending_days": 7 });
    let said = server
        .call("schedule-key-deletion", leave.clone())
        .await
        .refused(400, "KMS.0308");
    assert!(said.ends_with("region-2"), "{said}");
    server
        .call_at("region-2", "schedule-key-deletion", leave.clone())
        .await
        .ok(200);
    server.pass_days(7).await;
    let mut guard = kmsd::operations::upkeep::TimeGuard::default();
    for _ in 0..2 {
        kmsd::operations::upkeep::step(&server.kms, &mut guard)
            .await
            .unwrap();
        server.clock.advance(std::time::Duration::from_secs(3700));
    }
    server.token = server.log_in(&server.account).await;
    server
        .call_at("region-2", "describe-key", json!({ "key_id": key }))
        .await
        .refused(404, "KMS.0207");
    opens(&server, HOME, &encrypt(&server, HOME, &key).await).await;
    // Where a copy was destroyed another can be made, and be destroyed in its turn.
    replicate(&server, HOME, copy_to(&server, &key, "region-2"))
        .await
        .ok(200);
    server
        .call_at("region-2", "schedule-key-deletion", leave.clone())
        .await
        .ok(200);
    server.pass_days(7).await;
    for _ in 0..2 {
        kmsd::operations::upkeep::step(&server.kms, &mut guard)
            .await
            .unwrap();
        server.clock.advance(std::time::Duration::from_secs(3700));
    }
    server.token = server.log_in(&server.account).await;
    server
        .call_at("region-2", "describe-key", json!({ "key_id": key }))
        .await
        .refused(404, "KMS.0207");
    server.call("schedule-key-deletion", leave).await.ok(200);
    server.stop().await;
}

async fn a_copy_in_another_project_of_the_account_needs_a_role_there(db: Db) {
    use kmsd::model::ids::DisplayName;
    use kmsd::operations::identity::manage;
    let server = three_regions(db).await;
    let key = server.create("orders", json!({})).await;
    let ciphertext = encrypt(&server, HOME, &key).await;
    let domain = &server.account.domain;
    let name = DisplayName::parse("region-2").unwrap();
    let other = manage::add_project(&server.kms, domain, name, None, None)
        .await
        .unwrap();
    let foreign = server.another_account("evil").await;
    let mut body = copy_to(&server, &key, "region-2");
    let mut answers = Vec::new();
    for project in [
        other.id.as_str(),
        foreign.project.id.as_str(),
        "00000000000000000000000000000000",
    ] {
        body["replica_project_id"] = json!(project);
        answers.push(
            replicate(&server, HOME, body.clone())
                .await
                .refused(400, "KMS.0308"),
        );
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "I-19: {answers:?}");

    body["replica_project_id"] = json!(other.id);
    let user = &server.account.user;
    let set = async |role, given| {
        manage::set_role(&server.kms, domain, user, "region-2", role, given)
            .await
            .unwrap();
    };
    // A role that only reads does not reach it.
    set(Role::KmsReadOnlyPolicy, true).await;
    replicate(&server, HOME, body.clone())
        .await
        .refused(400, "KMS.0308");
    set(Role::KmsAdministrator, true).await;
    replicate(&server, HOME, body).await.ok(200);

    // The copy belongs to the other project, and opens what the first has sealed.
    let here = json!({ "key_id": key });
    server
        .call_at("region-2", "describe-key", here)
        .await
        .refused(404, "KMS.0207");
    let mut account = server.account.clone();
    account.project = other.clone();
    let token = server.log_in(&account).await;
    let request = server
        .request("POST", &format!("/v1.0/{}/kms/decrypt-data", other.id))
        .header("Host", "kms.region-2.example.test")
        .header("X-Auth-Token", &token)
        .json(&json!({ "cipher_text": ciphertext }));
    let opened = server.send(request).await.ok(200);
    assert_eq!(opened["plain_text"], "secret");
    set(Role::KmsAdministrator, false).await;
    move_primary(&server, HOME, &key, "region-2")
        .await
        .refused(400, "KMS.0308");
    server.stop().await;
}

async fn a_deployment_of_one_region_has_none_to_offer(db: Db) {
    let server = TestServer::start(Setup::from(db).with("regions", HOME)).await;
    let regions = server
        .call("GET /v2/{project_id}/kms/regions", json!({}))
        .await;
    assert_eq!(regions.ok(200), json!({ "regions": [] }));
    let key = server.create("orders", json!({})).await;
    for region in [HOME, "region-2"] {
        replicate(&server, HOME, copy_to(&server, &key, region))
            .await
            .refused(400, "KMS.0308");
    }
    server.stop().await;
}

async fn what_is_wrong_with_a_copy_is_said_exactly(db: Db) {
    let server = three_regions(db).await;
    let key = server.create("orders", json!({})).await;
    let good = copy_to(&server, &key, "region-2");
    let long = "x".repeat(256);
    for (member, wrong, code) in [
        ("replica_region", Value::Null, "KMS.0204"),
        ("replica_region", json!(""), "KMS.0204"),
        ("replica_region", json!("Region 2"), "KMS.0308"),
        ("replica_region", json!("nowhere"), "KMS.0308"),
        ("replica_region", json!(HOME), "KMS.0308"),
        ("replica_region", json!(2), "KMS.0308"),
        ("key_alias", Value::Null, "KMS.0204"),
        ("key_alias", json!(""), "KMS.0204"),
        ("key_alias", json!("a b"), "KMS.1101"),
        ("key_alias", json!(long), "KMS.1101"),
        ("key_alias", json!("obs/default"), "KMS.1101"),
        ("key_description", json!(long), "KMS.1103"),
        ("key_description", json!("\0"), "KMS.1103"),
        ("replica_project_id", Value::Null, "KMS.0204"),
        ("replica_project_id", json!(""), "KMS.0204"),
        ("replica_project_id", json!("x"), "KMS.0308"),
        ("enterprise_project_id", json!("x"), "KMS.0308"),
        ("key_id", json!("x"), "KMS.0205"),
    ] {
        let mut body = good.clone();
        body[member] = wrong.clone();
        let said = replicate(&server, HOME, body).await.refused(400, code);
        assert!(said.starts_with(member), "{member} {wrong}: {said}");
    }
    // Repeated in the body it must be the same.
    let path = format!("/v2/{}/kms/keys/{key}/replicate", server.account.project.id);
    for (repeated, status) in [("00000000-0000-4000-8000-000000000000", 400), (&*key, 200)] {
        let mut body = good.clone();
        body["key_id"] = json!(repeated);
        let request = server.request("POST", &path).json(&body);
        let request = request.header("X-Auth-Token", &server.token);
        let answer = server.send(request).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    // A name that is taken there.
    let other = server.create("other", json!({})).await;
    replicate(&server, HOME, copy_to(&server, &other, "region-2"))
        .await
        .refused(400, "KMS.1104");
    let moved = |to: Value| json!({ "key_id": key, "primary_region": to });
    for (wrong, code) in [
        (Value::Null, "KMS.0204"),
        (json!(""), "KMS.0204"),
        (json!(2), "KMS.0308"),
        (json!("Region 2"), "KMS.0308"),
        (json!("region-3"), "KMS.0308"),
        (json!(HOME), "KMS.0308"),
    ] {
        let said = server
            .call(calls::UPDATE_PRIMARY, moved(wrong.clone()))
            .await
            .refused(400, code);
        assert!(said.starts_with("primary_region"), "{wrong}: {said}");
    }
    for (query, code) in [
        (json!({ "limit": "0" }), "KMS.1601"),
        (json!({ "limit": "x" }), "KMS.1601"),
        (json!({ "limit": 1001 }), "KMS.1601"),
        (json!({ "offset": -1 }), "KMS.1603"),
    ] {
        server
            .call("GET /v2/{project_id}/kms/regions", query)
            .await
            .refused(400, code);
    }
    server.stop().await;
}

async fn copies_made_at_once_are_made_once(db: Db) {
    let server = three_regions(db).await;
    let key = server.create("orders", json!({})).await;
    let body = |name: &str| {
        let mut body = copy_to(&server, &key, "region-2");
        body["key_alias"] = json!(name);
        body
    };
    let answers = futures_util::future::join_all(
        ["a", "b", "c", "d"].map(|name| replicate(&server, HOME, body(name))),
    )
    .await;
    let made = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(made, 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.refused(400, "KMS.3801");
    }
    server.stop().await;
}
