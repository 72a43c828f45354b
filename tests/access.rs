//! Who may do what, walked over HTTP: every action by every role, other people's keys and projects,
//! and every route without a credential.

use kmsd::huawei::error::Service;
use kmsd::huawei::routes::{Kind, table};
use kmsd::model::access::{print_table, role_allows};
use kmsd::model::identity::Role;
use kmsd::model::ids::DisplayName;
use kmsd::operations::identity::manage;
use kmsd::pages::FILES;
use serde_json::json;

use crate::support::calls::{KEY_CALLS, KeyCall};
use crate::support::pages::check_page;
use crate::support::{Account, Answer, Db, TestServer, on_both, password_login};

on_both!(
    every_action_by_every_role,
    without_a_role_there_is_no_way_in,
    a_key_of_others_answers_like_none_i_16_i_19,
    a_key_of_another_region_answers_like_none,
    another_project_in_the_url_is_refused_whether_or_not_it_exists_i_19,
    only_path_and_credential_say_which_project_i_18,
    a_token_for_a_domain_reaches_no_key,
    every_route_but_the_public_ones_needs_a_credential_i_1,
    no_other_user_of_the_machine_reads_the_data_i_53,
);

/// A key id of the right form that nobody has.
const NOBODYS: &str = "00000000-0000-4000-8000-000000000000";

/// What may be read without a credential; nothing is added here lightly.
const PUBLIC: &[&str] = &[
    "GET /",
    "GET /v1.0",
    "GET /v3",
    "POST /v3/auth/tokens",
    "GET /v3/auth/jwks.json",
    "GET /health/live",
    "GET /health/ready",
    "GET /openapi.yaml",
    "GET /openapi.json",
];

#[test]
fn the_page_of_permissions_is_the_table() {
    check_page("docs/permissions.md", &print_table());
}

async fn every_action_by_every_role(db: Db) {
    let server = TestServer::start(db).await;
    for role in Role::ALL {
        let user = format!("user-{}", role.name());
        let account = server.token_with_role(&user, Some(role)).await;
        let token = server.log_in(&account).await;
        for call in KEY_CALLS {
            check_role(&server, &token, role, call).await;
        }
    }
    server.stop().await;
}

async fn check_role(server: &TestServer, token: &str, role: Role, call: &KeyCall) {
    let action = call.action;
    let what = format!("{} by {}", call.name, role.name());
    let name = format!("{}-{}", call.name, role.name());
    let key = subject_of(server, call, &name).await;
    let body = server.body_for(call, &key).await;
    let answer = server.call_as(token, call.name, body).await;
    if role_allows(role, action) {
        assert!(
            (200..300).contains(&answer.status),
            "{what}: {}",
            answer.text
        );
        return;
    }
    let said = answer.refused(403, "KMS.0307");
    let permission = action.permission().unwrap();
    assert!(said.ends_with(permission), "{what}: {said}");
    if let Some(state) = call.needs {
        assert_eq!(server.state(&key).await, state, "{what} changed the key");
    }
}

/// What a call is about: a key in the state that it needs, or the name of a new one.
async fn subject_of(server: &TestServer, call: &KeyCall, name: &str) -> String {
    match call.needs {
        Some(state) => server.key_for(call, state, name).await,
        None => name.to_owned(),
    }
}

/// A user whom nobody gave a role gets no token for a project, and one whose role is taken away
/// keeps none: with no role there is no call at all, so there is none to be refused.
async fn without_a_role_there_is_no_way_in(db: Db) {
    let server = TestServer::start(db).await;
    let nobody = server.token_with_role("nobody", None).await;
    let refused = server.try_log_in(password_login(&nobody)).await;
    assert_eq!(refused.status, 401, "{}", refused.text);

    let guest = server
        .token_with_role("guest", Some(Role::TenantGuest))
        .await;
    let token = server.log_in(&guest).await;
    let (domain, project) = (&guest.domain, guest.project.name.as_str());
    let kms = &server.kms;
    manage::set_role(kms, domain, "guest", project, Role::TenantGuest, false)
        .await
        .unwrap();
    for call in KEY_CALLS {
        server
            .call_as(&token, call.name, (call.body)(NOBODYS))
            .await
            .refused(401, "KMS.0302");
    }
    server.stop().await;
}

/// Status, text and headers, without what differs from answer to answer by its nature.
fn shown(answer: &Answer) -> (u16, String, Vec<(String, String)>) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| {
            !["x-request-id", "x-openstack-request-id", "date"].contains(&name.as_str())
        })
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (answer.status, answer.text.clone(), headers)
}

async fn a_key_of_others_answers_like_none_i_16_i_19(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("mine", json!({})).await;
    for stranger in [
        server.another_account("evil").await,
        neighbour(&server).await,
    ] {
        let token = server.log_in(&stranger).await;
        for call in KEY_CALLS.iter().filter(|call| call.needs.is_some()) {
            let project = stranger.project.id.as_str();
            let ask = async |id: &str| {
                let body = (call.body)(id);
                server.call_in(project, &token, call.name, body).await
            };
            let theirs = ask(&key).await;
            theirs.refused(404, "KMS.0207");
            assert_eq!(shown(&theirs), shown(&ask(NOBODYS).await), "{}", call.name);
        }
        let path = format!("/v1.0/{}/kms/list-keys", stranger.project.id);
        let request = server
            .request("POST", &path)
            .header("X-Auth-Token", &token)
            .json(&json!({ "key_spec": "ALL" }));
        assert_eq!(server.send(request).await.ok(200)["total"], 0);
    }
    assert_eq!(server.state(&key).await, "2");
    server.stop().await;
}

/// The same user in another project of the same domain.
async fn neighbour(server: &TestServer) -> Account {
    let own = &server.account;
    let name = DisplayName::parse("region-2").unwrap();
    let project = manage::add_project(&server.kms, &own.domain, name, None, None)
        .await
        .unwrap();
    let role = Role::TenantAdministrator;
    manage::set_role(&server.kms, &own.domain, &own.user, "region-2", role, true)
        .await
        .unwrap();
    Account {
        domain: own.domain.clone(),
        user: own.user.clone(),
        password: own.password.clone(),
        project,
        access_key: String::new(),
        secret_key: String::new(),
    }
}

async fn a_key_of_another_region_answers_like_none(db: Db) {
    let server = TestServer::start(db).await;
    let ask = async |host: &str, call: &str, body: serde_json::Value| {
        let request = server
            .request("POST", &server.kms_path(call))
            .header("Host", host)
            .header("X-Auth-Token", &server.token)
            .json(&body);
        server.send(request).await
    };
    let there = "kms.region-2.example.test";
    let made = ask(there, "create-key", json!({ "key_alias": "far" })).await;
    let made = made.ok(200)["key_info"].clone();
    assert_eq!(made["region_id"], "region-2");
    let named = json!({ "key_id": made["key_id"] });
    let found = ask(there, "describe-key", named.clone()).await.ok(200);
    assert_eq!(found["key_info"]["realm"], "region-2");
    // The home region, by its name and by every name that is not a region's.
    for host in [
        "kms.home-region-1.example.test",
        "kms.nowhere.example.test",
        "region-2.example.test",
        "kms.region-2x",
    ] {
        let here = ask(host, "describe-key", named.clone()).await;
        here.refused(404, "KMS.0207");
    }
    // A name is taken in its own region only.
    server.create("far", json!({})).await;
    server.stop().await;
}

async fn another_project_in_the_url_is_refused_whether_or_not_it_exists_i_19(db: Db) {
    let server = TestServer::start(db).await;
    let stranger = server.another_account("evil").await;
    let existing = stranger.project.id.to_string();
    for call in KEY_CALLS {
        let mut answers = Vec::new();
        for project in [
            existing.as_str(),
            "00000000000000000000000000000000",
            &server.account.project.id.as_str().to_uppercase(),
            "%7Bproject_id%7D",
            "..%2f",
        ] {
            let body = (call.body)(NOBODYS);
            let answer = server
                .call_in(project, &server.token, call.name, body)
                .await;
            answer.refused(403, "KMS.0321");
            answers.push(shown(&answer));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{}", call.name);
    }
    server.stop().await;
}

async fn only_path_and_credential_say_which_project_i_18(db: Db) {
    let server = TestServer::start(db).await;
    let stranger = server.another_account("evil").await;
    let key = server.create("mine", json!({})).await;
    let token = server.log_in(&stranger).await;
    let path = format!(
        "/v1.0/{}/kms/describe-key?project_id={}",
        stranger.project.id, server.account.project.id
    );
    let request = server
        .request("POST", &path)
        .header("X-Auth-Token", &token)
        .header("X-Project-Id", server.account.project.id.as_str())
        .header("X-Domain-Id", server.account.project.domain.as_str())
        .json(&json!({ "key_id": key, "project_id": server.account.project.id }));
    server.send(request).await.refused(404, "KMS.0207");
    server.stop().await;
}

async fn a_token_for_a_domain_reaches_no_key(db: Db) {
    let server = TestServer::start(db).await;
    let mut login = password_login(&server.account);
    login["auth"]["scope"] = json!({ "domain": { "name": server.account.domain } });
    let answer = server.try_log_in(login).await;
    answer.ok(201);
    let token = answer.header("x-subject-token");
    for call in KEY_CALLS {
        server
            .call_as(token, call.name, (call.body)(NOBODYS))
            .await
            .refused(403, "KMS.0305");
    }
    server.stop().await;
}

async fn every_route_but_the_public_ones_needs_a_credential_i_1(db: Db) {
    let server = TestServer::start(db).await;
    let mut public = Vec::new();
    for row in table() {
        let name = format!("{} {}", row.method, row.path);
        let path = row
            .path
            .replace("{project_id}", server.account.project.id.as_str())
            .replace(['{', '}'], "");
        let request = server.request(row.method, &path);
        match row.kind {
            Kind::Guarded(..) => {
                let answer = server.send(request).await;
                assert_eq!(answer.status, 401, "{name}");
                assert_eq!(answer.header("www-authenticate"), "Keystone uri=\"/v3\"");
                if row.service == Service::Kms {
                    answer.refused(401, "KMS.0301");
                }
            }
            Kind::LogIn => {
                // The credential is in its body.
                let answer = server.send(request.json(&json!({}))).await;
                assert_eq!(answer.status, 400, "{name}");
                public.push(name);
            }
            Kind::Public(_) | Kind::PublicAsync(_) => {
                assert_eq!(server.send(request).await.status, 200, "{name}");
                public.push(name);
            }
        }
    }
    // The console and the reference are files: the whole of what stands below these two.
    for file in FILES {
        let page = ["/console", "/docs"]
            .iter()
            .any(|root| file.path == *root || file.path.starts_with(&format!("{root}/")));
        if !page {
            public.push(format!("GET {}", file.path));
        }
        let answer = server.send(server.request("GET", file.path)).await;
        assert_eq!(answer.status, 200, "{}", file.path);
    }
    let mut expected = PUBLIC.to_vec();
    expected.sort_unstable();
    public.sort_unstable();
    assert_eq!(
        public, expected,
        "a route lost its guard, or PUBLIC is out of date"
    );
    server.stop().await;
}

async fn no_other_user_of_the_machine_reads_the_data_i_53(db: Db) {
    use std::os::unix::fs::PermissionsExt;
    let server = TestServer::start(db).await;
    server.create("any", json!({})).await;
    let data = server.folder().join("data");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files.push(path.file_name().unwrap().to_owned());
    }
    assert!(files.contains(&"root.key".into()), "{files:?}");
    server.stop().await;
}
