//! Tokens: how they are had, what they say, when they end, and what is not one (threat model I-4 to
//! I-9, contract 8.1).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use kmsd::crypto::secret::Secret;
use kmsd::model::identity::Role;
use kmsd::model::ids::DisplayName;
use kmsd::operations::identity::{manage, tokens};
use serde_json::{Value, json};

use crate::support::{Account, Answer, Db, Setup, TestServer, on_both, password_login};

on_both!(
    a_password_is_exchanged_for_a_token,
    a_scope_is_named_in_many_ways,
    whatever_is_wrong_is_refused_in_the_same_words_i_8,
    a_token_is_shown_to_its_holder_and_to_administrators,
    a_revoked_token_is_void_at_once,
    a_token_ends_on_time,
    a_child_token_never_outlives_its_parent_i_7,
    a_disabled_user_has_nothing,
    a_new_password_voids_older_tokens,
    a_role_taken_away_is_gone_at_once,
    an_access_key_gives_tokens_for_its_project_only_i_7,
    tokens_of_an_access_key_end_with_it_i_7,
    the_catalog_says_where_clients_reach_us,
    projects_and_domains_are_the_callers_own,
    anybody_can_verify_a_token_with_the_jwks,
    headers_of_tokens_that_are_refused_i_4,
    claims_of_tokens_that_are_refused_i_5,
    a_replaced_token_key_goes_on_verifying_until_it_is_removed,
    guesses_are_slowed_down_by_source_i_9,
);

const DAY: Duration = Duration::from_secs(24 * 3600);

fn login_for(account: &Account, scope: Value) -> Value {
    let mut body = password_login(account);
    body["auth"]["scope"] = scope;
    body
}

fn with_token(token: &str, scope: Value) -> Value {
    json!({ "auth": {
        "identity": { "methods": ["token"], "token": { "id": token } },
        "scope": scope,
    }})
}

fn with_access_key(account: &Account, scope: Value) -> Value {
    json!({ "auth": {
        "identity": { "methods": ["hw_ak_sk"], "hw_ak_sk": {
            "access": { "key": account.access_key },
            "secret": { "key": account.secret_key },
        }},
        "scope": scope,
    }})
}

/// The token that a login gives, and what is said of it.
async fn log_in(server: &TestServer, body: Value) -> (String, Value) {
    let answer = server.try_log_in(body).await;
    let told = answer.ok(201)["token"].clone();
    (answer.header("x-subject-token").to_owned(), told)
}

/// A call on a token by another (or the same) token.
async fn about(server: &TestServer, method: &str, caller: &str, subject: &str) -> Answer {
    let request = server
        .request(method, "/v3/auth/tokens?nocatalog")
        .header("X-Auth-Token", caller)
        .header("X-Subject-Token", subject);
    server.send(request).await
}

async fn get(server: &TestServer, token: &str, path: &str) -> Answer {
    let request = server.request("GET", path).header("X-Auth-Token", token);
    server.send(request).await
}

async fn list(server: &TestServer, token: &str) -> Answer {
    server.call_as(token, "list-keys", json!({})).await
}

/// Fails unless the answer is this refusal in IAM's form; gives the sentence.
#[track_caller]
fn refused(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text);
    let error = answer.json()["error"].clone();
    assert_eq!(error["code"], status);
    error["message"].as_str().unwrap().to_owned()
}

async fn a_password_is_exchanged_for_a_token(db: Db) {
    let server = TestServer::start(db).await;
    let answer = server.try_log_in(password_login(&server.account)).await;
    let body = answer.ok(201);
    let project = &server.account.project;
    let domain = json!({ "id": project.domain, "name": "acme" });
    let user = body["token"]["user"]["id"].clone();
    let base = format!("http://{}", server.address);
    let service = |kind: &str, path: &str| {
        json!({
            "id": format!("kmsd-{kind}"),
            "name": kind,
            "type": kind,
            "endpoints": [{
                "id": format!("kmsd-{kind}-public"),
                "interface": "public",
                "region": "home-region-1",
                "region_id": "home-region-1",
                "url": format!("{base}{path}"),
            }],
        })
    };
    assert_eq!(
        body,
        json!({ "token": {
            "methods": ["password"],
            "issued_at": "2026-01-02T03:04:05.000000Z",
            "expires_at": "2026-01-03T03:04:05.000000Z",
            "user": { "id": user, "name": "alice", "domain": domain, "password_expires_at": "" },
            "project": { "id": project.id, "name": "home-region-1", "domain": domain },
            "roles": [{ "id": "te_admin", "name": "te_admin" }],
            "catalog": [service("kms", "/v1.0"), service("identity", "/v3")],
        }})
    );
    assert_eq!(answer.header("vary"), "X-Auth-Token");
    assert_eq!(answer.header("cache-control"), "no-store");
    let token = answer.header("x-subject-token");
    assert!(
        token.len() < 1024,
        "a token is a header; {} bytes",
        token.len()
    );
    list(&server, token).await.ok(200);

    // By the user's id, no domain is needed.
    let mut by_id = password_login(&server.account);
    by_id["auth"]["identity"]["password"]["user"] =
        json!({ "id": user, "password": server.account.password });
    log_in(&server, by_id).await;
    server.stop().await;
}

async fn a_scope_is_named_in_many_ways(db: Db) {
    let server = TestServer::start(db).await;
    let project = &server.account.project;
    let (id, domain) = (&project.id, &project.domain);
    for (scope, is_project) in [
        (json!({ "project": { "id": id } }), true),
        (json!({ "project": { "name": "home-region-1" } }), true),
        (
            json!({ "project": { "name": "home-region-1", "domain": { "id": domain } } }),
            true,
        ),
        (
            json!({ "project": { "name": "home-region-1", "domain": { "name": "acme" } } }),
            true,
        ),
        (
            json!({ "project": { "id": id }, "domain": { "name": "acme" } }),
            true,
        ),
        (json!({ "domain": { "name": "acme" } }), false),
        (json!({ "domain": { "id": domain } }), false),
        (json!({}), false),
        (Value::Null, false),
    ] {
        let (token, told) = log_in(&server, login_for(&server.account, scope.clone())).await;
        assert_eq!(told["project"]["id"] == id.as_str(), is_project, "{scope}");
        assert_eq!(
            told["domain"]["id"] == domain.as_str(),
            !is_project,
            "{scope}"
        );
        assert_eq!(
            told["roles"].as_array().unwrap().len(),
            usize::from(is_project)
        );
        // A token moves between the scopes of its holder, whichever it had before.
        for (scope, is_project) in [
            (json!({ "project": { "id": id } }), true),
            (json!({ "domain": { "name": "acme" } }), false),
            (Value::Null, false),
        ] {
            let (_, told) = log_in(&server, with_token(&token, scope)).await;
            assert_eq!(told["methods"], json!(["token"]));
            assert_eq!(told.get("project").is_some(), is_project);
        }
    }
    server.stop().await;
}

async fn whatever_is_wrong_is_refused_in_the_same_words_i_8(db: Db) {
    let server = TestServer::start(db).await;
    let stranger = server.another_account("evil").await;
    server.token_with_role("idle", None).await;
    manage::set_user_enabled(&server.kms, "acme", "idle", false)
        .await
        .unwrap();
    let account = &server.account;
    let with = |member: &str, value: Value| {
        let mut body = password_login(account);
        body["auth"]["identity"]["password"]["user"][member] = value;
        body
    };
    // Who it is.
    let mut disabled = password_login(account);
    disabled["auth"]["identity"]["password"]["user"] =
        json!({ "name": "idle", "password": "password of idle", "domain": { "name": "acme" } });
    let unknown_id = json!({ "id": "0".repeat(32), "password": account.password });
    let mut by_unknown_id = password_login(account);
    by_unknown_id["auth"]["identity"]["password"]["user"] = unknown_id;
    same_refusal(
        &server,
        vec![
            with("password", json!("wrong")),
            with("password", json!("Password of alice")),
            with("password", json!("password of alice\0")),
            with("name", json!("nobody")),
            with("name", json!("Alice")),
            with("name", json!(" alice")),
            with("name", json!("bob")),
            with("domain", json!({ "name": "nowhere" })),
            with("domain", json!({ "name": "evil" })),
            with("domain", json!({ "id": "nowhere" })),
            by_unknown_id,
            disabled,
        ],
        "user and password do not fit",
    )
    .await;
    // What for: one that exists and one that does not, in the same words.
    same_refusal(
        &server,
        vec![
            login_for(account, json!({ "project": { "id": stranger.project.id } })),
            login_for(account, json!({ "project": { "id": "0".repeat(32) } })),
            login_for(account, json!({ "project": { "name": "nowhere" } })),
            login_for(
                account,
                json!({ "project": { "name": "home-region-1", "domain": { "name": "evil" } } }),
            ),
            login_for(
                account,
                json!({ "project": { "name": "home-region-1", "domain": { "name": "nowhere" } } }),
            ),
            login_for(account, json!({ "domain": { "name": "evil" } })),
            login_for(
                account,
                json!({ "domain": { "id": stranger.project.domain } }),
            ),
            login_for(account, json!({ "domain": { "name": "nowhere" } })),
            with_token(
                &server.token,
                json!({ "project": { "id": stranger.project.id } }),
            ),
            with_access_key(account, json!({ "domain": { "name": "evil" } })),
        ],
        "the caller has no role in that scope",
    )
    .await;
    // Access keys, likewise.
    let broken = |access_key: &str, secret_key: &str| {
        let mut body = with_access_key(account, Value::Null);
        let method = &mut body["auth"]["identity"]["hw_ak_sk"];
        method["access"]["key"] = json!(access_key);
        method["secret"]["key"] = json!(secret_key);
        body
    };
    same_refusal(
        &server,
        vec![
            broken(&account.access_key, "wrong"),
            broken("TESTACCESSKEYUNKNOWN0000", &account.secret_key),
            broken("not one", &account.secret_key),
            broken(&stranger.access_key, &account.secret_key),
        ],
        "the access key or the signature is not valid",
    )
    .await;
    server.stop().await;
}

async fn same_refusal(server: &TestServer, bodies: Vec<Value>, words: &str) {
    let mut seen = None;
    for body in bodies {
        let answer = server.try_log_in(body.clone()).await;
        assert_eq!(refused(&answer, 401), words, "{body}");
        let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        let shown = (answer.text.clone(), names);
        assert_eq!(seen.get_or_insert_with(|| shown.clone()), &shown, "{body}");
    }
}

async fn a_token_is_shown_to_its_holder_and_to_administrators(db: Db) {
    let server = TestServer::start(db).await;
    let admin = server.token.clone();
    let user = server
        .token_with_role("carol", Some(Role::KmsAdministrator))
        .await;
    let (carol, told) = log_in(&server, password_login(&user)).await;
    let stranger = server.another_account("evil").await;
    let foreign = server.log_in(&stranger).await;

    let shown = about(&server, "GET", &carol, &carol).await;
    let mut expected = told.clone();
    expected.as_object_mut().unwrap().remove("catalog");
    assert_eq!(shown.ok(200)["token"], expected);
    assert_eq!(shown.header("x-subject-token"), carol);

    for (what, caller, subject, status) in [
        ("own", &carol, &carol, 200),
        ("the administrator's look", &admin, &carol, 200),
        ("at the administrator", &carol, &admin, 403),
        ("a stranger's look", &foreign, &carol, 403),
        ("at a stranger", &admin, &foreign, 403),
        ("at rubbish", &admin, &"rubbish".to_owned(), 404),
        ("by rubbish", &"rubbish".to_owned(), &admin, 401),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = about(&server, method, caller, subject).await;
            assert_eq!(answer.status, status, "{what} {method}: {}", answer.text);
        }
        if status != 200 {
            let answer = about(&server, "DELETE", caller, subject).await;
            assert_eq!(
                refused(&answer, status),
                refused(&about(&server, "GET", caller, subject).await, status),
                "{what}"
            );
        }
    }
    let without = get(&server, &carol, "/v3/auth/tokens").await;
    assert_eq!(
        refused(&without, 400),
        "header X-Subject-Token is missing or empty"
    );
    let domain_token = log_in(&server, login_for(&server.account, Value::Null))
        .await
        .0;
    let answer = about(&server, "GET", &admin, &domain_token).await;
    assert!(answer.ok(200)["token"]["domain"]["name"] == "acme");
    let answer = about(&server, "GET", &domain_token, &carol).await;
    refused(&answer, 403);
    server.stop().await;
}

async fn a_revoked_token_is_void_at_once(db: Db) {
    let server = TestServer::start(db).await;
    let other = server.log_in(&server.account).await;
    // Checked a moment ago, and yet asked about anew.
    list(&server, &other).await.ok(200);
    let gone = about(&server, "DELETE", &server.token, &other).await;
    assert_eq!(gone.ok(204), Value::Null);
    let said = list(&server, &other).await.refused(401, "KMS.0302");
    assert_eq!(said, "the token is not valid: it was revoked");
    for method in ["GET", "HEAD", "DELETE"] {
        let answer = about(&server, method, &server.token, &other).await;
        assert_eq!(answer.status, 404, "{method}: {}", answer.text);
    }
    let answer = server.try_log_in(with_token(&other, Value::Null)).await;
    refused(&answer, 401);
    // One's own, to log out; others go on.
    let mine = server.log_in(&server.account).await;
    about(&server, "DELETE", &mine, &mine).await.ok(204);
    list(&server, &mine).await.refused(401, "KMS.0302");
    list(&server, &server.token).await.ok(200);
    server.stop().await;
}

async fn a_token_ends_on_time(db: Db) {
    let setup = Setup::from(db).with("tokens.lifetime_hours", "2");
    let server = TestServer::start(setup).await;
    server.clock.advance(Duration::from_secs(2 * 3600 - 1));
    list(&server, &server.token).await.ok(200);
    server.clock.advance(Duration::from_secs(1));
    let said = list(&server, &server.token).await.refused(401, "KMS.0303");
    assert_eq!(said, "the token expired at 2026-01-02T05:04:05.000000Z");
    let fresh = server.log_in(&server.account).await;
    let answer = about(&server, "GET", &fresh, &server.token).await;
    assert_eq!(refused(&answer, 404), "there is no such token");
    let answer = server
        .try_log_in(with_token(&server.token, Value::Null))
        .await;
    refused(&answer, 401);
    server.stop().await;
}

async fn a_child_token_never_outlives_its_parent_i_7(db: Db) {
    let server = TestServer::start(db).await;
    let scope = json!({ "project": { "name": "home-region-1" } });
    server.clock.advance(Duration::from_secs(3600));
    let (child, told) = log_in(&server, with_token(&server.token, scope.clone())).await;
    assert_eq!(told["issued_at"], "2026-01-02T04:04:05.000000Z");
    assert_eq!(told["expires_at"], "2026-01-03T03:04:05.000000Z");
    server.clock.advance(Duration::from_secs(3600));
    let (grandchild, told) = log_in(&server, with_token(&child, scope.clone())).await;
    assert_eq!(told["expires_at"], "2026-01-03T03:04:05.000000Z");
    let (_, told) = log_in(&server, password_login(&server.account)).await;
    assert_eq!(told["expires_at"], "2026-01-03T05:04:05.000000Z");
    server.clock.advance(DAY - Duration::from_secs(7200));
    list(&server, &grandchild).await.refused(401, "KMS.0303");
    server.stop().await;
}

async fn a_disabled_user_has_nothing(db: Db) {
    let server = TestServer::start(db).await;
    let user = server
        .token_with_role("carol", Some(Role::KmsAdministrator))
        .await;
    let token = server.log_in(&user).await;
    list(&server, &token).await.ok(200);
    server.clock.advance(Duration::from_millis(1));
    manage::set_user_enabled(&server.kms, "acme", "carol", false)
        .await
        .unwrap();
    let said = list(&server, &token).await.refused(401, "KMS.0302");
    assert_eq!(said, "the token is not valid: its user is gone");
    refused(&server.try_log_in(password_login(&user)).await, 401);
    manage::set_user_enabled(&server.kms, "acme", "carol", true)
        .await
        .unwrap();
    // What they had does not come back to life with them.
    list(&server, &token).await.refused(401, "KMS.0302");
    let again = server.log_in(&user).await;
    list(&server, &again).await.ok(200);
    manage::remove_user(&server.kms, "acme", "carol")
        .await
        .unwrap();
    list(&server, &again).await.refused(401, "KMS.0302");
    server.stop().await;
}

async fn a_new_password_voids_older_tokens(db: Db) {
    let server = TestServer::start(db).await;
    list(&server, &server.token).await.ok(200);
    // Within the same second.
    server.clock.advance(Duration::from_millis(1));
    let new = Secret::from_slice(b"another password");
    manage::reset_password(&server.kms, "acme", "alice", new)
        .await
        .unwrap();
    let said = list(&server, &server.token).await.refused(401, "KMS.0302");
    assert_eq!(
        said,
        "the token is not valid: the password was changed since"
    );
    refused(
        &server.try_log_in(password_login(&server.account)).await,
        401,
    );
    let mut login = password_login(&server.account);
    login["auth"]["identity"]["password"]["user"]["password"] = json!("another password");
    let (token, _) = log_in(&server, login).await;
    list(&server, &token).await.ok(200);
    server.stop().await;
}

async fn a_role_taken_away_is_gone_at_once(db: Db) {
    let server = TestServer::start(db).await;
    let user = server
        .token_with_role("carol", Some(Role::KmsAdministrator))
        .await;
    let set = async |role, given| {
        manage::set_role(&server.kms, "acme", "carol", "home-region-1", role, given)
            .await
            .unwrap();
    };
    set(Role::KmsReadOnlyPolicy, true).await;
    let token = server.log_in(&user).await;
    let create = json!({ "key_alias": "hers" });
    server
        .call_as(&token, "create-key", create.clone())
        .await
        .ok(200);
    set(Role::KmsAdministrator, false).await;
    server
        .call_as(&token, "create-key", create.clone())
        .await
        .refused(403, "KMS.0307");
    list(&server, &token).await.ok(200);
    let told = about(&server, "GET", &token, &token).await.ok(200);
    assert_eq!(
        told["token"]["roles"],
        json!([{ "id": "kms_readonly", "name": "kms_readonly" }])
    );
    set(Role::KmsReadOnlyPolicy, false).await;
    let said = list(&server, &token).await.refused(401, "KMS.0302");
    assert_eq!(
        said,
        "the token is not valid: its holder has no role there any more"
    );
    set(Role::CmkAdmin, true).await;
    list(&server, &token).await.ok(200);
    server.stop().await;
}

/// A second project in which the first account's owner has a role.
async fn second_project(server: &TestServer) -> String {
    let name = DisplayName::parse("region-2").unwrap();
    let project = manage::add_project(&server.kms, "acme", name, None, None)
        .await
        .unwrap();
    let role = Role::TenantAdministrator;
    manage::set_role(&server.kms, "acme", "alice", "region-2", role, true)
        .await
        .unwrap();
    project.id.to_string()
}

async fn an_access_key_gives_tokens_for_its_project_only_i_7(db: Db) {
    let server = TestServer::start(db).await;
    let other = second_project(&server).await;
    let own = server.account.project.id.as_str();
    let mut tokens = Vec::new();
    for scope in [
        Value::Null,
        json!({ "project": { "id": own } }),
        json!({ "project": { "name": "home-region-1" } }),
    ] {
        let (token, told) = log_in(&server, with_access_key(&server.account, scope)).await;
        assert_eq!(told["methods"], json!(["hw_ak_sk"]));
        assert_eq!(told["project"]["id"], own);
        list(&server, &token).await.ok(200);
        tokens.push(token);
    }
    // Not with the key, and not with the token that it gave.
    for scope in [
        json!({ "project": { "id": other } }),
        json!({ "project": { "name": "region-2" } }),
        json!({ "domain": { "name": "acme" } }),
        json!({ "domain": { "id": server.account.project.domain } }),
    ] {
        for body in [
            with_access_key(&server.account, scope.clone()),
            with_token(&tokens[0], scope.clone()),
        ] {
            let answer = server.try_log_in(body).await;
            assert_eq!(
                refused(&answer, 401),
                "the caller has no role in that scope",
                "{scope}"
            );
        }
        // Its owner may, with the password.
        log_in(&server, login_for(&server.account, scope)).await;
    }
    let (_, told) = log_in(&server, with_token(&tokens[0], Value::Null)).await;
    assert_eq!(told["project"]["id"], own);
    let found = get(&server, &tokens[0], "/v3/auth/projects").await.ok(200);
    assert_eq!(found["projects"].as_array().unwrap().len(), 1);
    server.stop().await;
}

async fn tokens_of_an_access_key_end_with_it_i_7(db: Db) {
    let server = TestServer::start(db).await;
    let lifetime = Some(Duration::from_secs(600));
    let new = manage::add_access_key(&server.kms, "acme", "alice", "home-region-1", lifetime)
        .await
        .unwrap();
    let mut short = server.another_account("evil").await;
    short.access_key = new.id.to_string();
    short.secret_key = String::from_utf8(new.secret.expose().to_vec()).unwrap();
    let (token, told) = log_in(&server, with_access_key(&short, Value::Null)).await;
    assert_eq!(told["expires_at"], "2026-01-02T03:14:05.000000Z");
    let (child, told) = log_in(&server, with_token(&token, Value::Null)).await;
    assert_eq!(told["expires_at"], "2026-01-02T03:14:05.000000Z");
    server.clock.advance(Duration::from_secs(600));
    for token in [&token, &child] {
        list(&server, token).await.refused(401, "KMS.0303");
    }
    let answer = server
        .try_log_in(with_access_key(&short, Value::Null))
        .await;
    refused(&answer, 401);

    let (token, _) = log_in(&server, with_access_key(&server.account, Value::Null)).await;
    let (child, _) = log_in(&server, with_token(&token, Value::Null)).await;
    list(&server, &child).await.ok(200);
    manage::remove_access_key(&server.kms, &server.account.access_key)
        .await
        .unwrap();
    for token in [&token, &child] {
        let said = list(&server, token).await.refused(401, "KMS.0302");
        assert_eq!(
            said,
            "the token is not valid: the access key it was had with is gone"
        );
    }
    server.stop().await;
}

async fn the_catalog_says_where_clients_reach_us(db: Db) {
    let server = TestServer::start(db).await;
    for (host, base) in [
        ("kms.example.test:8443", "http://kms.example.test:8443"),
        ("[::1]:8080", "http://[::1]:8080"),
        // What is no host is not repeated.
        ("evil.test/?<script>", "http://127.0.0.1:0"),
    ] {
        let request = server
            .request("GET", "/v3/auth/catalog")
            .header("Host", host)
            .header("X-Auth-Token", &server.token);
        let found = server.send(request).await.ok(200);
        let kms = &found["catalog"][0];
        assert_eq!(kms["type"], "kms");
        assert_eq!(kms["endpoints"][0]["url"], format!("{base}/v1.0"), "{host}");
        let request = server.request("GET", "/").header("Host", host);
        let found = server.send(request).await.ok(200);
        assert_eq!(
            found["versions"][1]["links"][0]["href"],
            format!("{base}/v3/")
        );
    }
    for (query, there) in [
        ("", true),
        ("?nocatalog", false),
        ("?nocatalog=true", false),
        ("?nocatalog=", false),
        ("?x=nocatalog", true),
    ] {
        let path = format!("/v3/auth/tokens{query}");
        let request = server
            .request("POST", &path)
            .json(&password_login(&server.account));
        let told = server.send(request).await.ok(201);
        assert_eq!(told["token"].get("catalog").is_some(), there, "{query}");
        let request = server
            .request("GET", &path)
            .header("X-Auth-Token", &server.token)
            .header("X-Subject-Token", &server.token);
        let told = server.send(request).await.ok(200);
        assert_eq!(told["token"].get("catalog").is_some(), there, "{query}");
    }
    server.stop().await;

    let setup = Setup::from(db).with("public_url", "https://kms.example.org/");
    let server = TestServer::start(setup).await;
    let found = get(&server, &server.token, "/v3/auth/catalog")
        .await
        .ok(200);
    assert_eq!(
        found["catalog"][0]["endpoints"][0]["url"],
        "https://kms.example.org/v1.0"
    );
    assert_eq!(
        found["catalog"][1]["endpoints"][0]["url"],
        "https://kms.example.org/v3"
    );
    server.stop().await;
}

async fn projects_and_domains_are_the_callers_own(db: Db) {
    let server = TestServer::start(db).await;
    server.another_account("evil").await;
    let base = format!("http://{}", server.address);
    let project = |id: &str, name: &str| {
        json!({
            "id": id,
            "name": name,
            "domain_id": server.account.project.domain,
            "is_domain": false,
            "parent_id": server.account.project.domain,
            "enabled": true,
            "description": "",
            "links": { "self": format!("{base}/v3/projects/{id}") },
        })
    };
    let first = project(server.account.project.id.as_str(), "home-region-1");
    let other = second_project(&server).await;
    let second = project(&other, "region-2");
    for (path, expected) in [
        ("/v3/projects?name=home-region-1", vec![&first]),
        ("/v3/projects?name=region%2D2", vec![&second]),
        ("/v3/projects?name=nowhere", vec![]),
        ("/v3/projects?name=HOME-REGION-1", vec![]),
        ("/v3/projects?name=", vec![]),
        ("/v3/projects", vec![&first, &second]),
        ("/v3/auth/projects", vec![&first, &second]),
    ] {
        let found = get(&server, &server.token, path).await.ok(200);
        let own = path.split('?').next().unwrap();
        assert_eq!(found["links"], json!({ "self": format!("{base}{own}") }));
        let mut found = found["projects"].as_array().unwrap().clone();
        found.sort_by_key(|project| project["name"].to_string());
        assert_eq!(json!(found), json!(expected), "{path}");
    }
    for bad in ["?name=a&name=b", "?name=%ff", "?name=%"] {
        let answer = get(&server, &server.token, &format!("/v3/projects{bad}")).await;
        assert!(refused(&answer, 400).starts_with("name "), "{bad}");
    }
    let domain = server.account.project.domain.as_str();
    let found = get(&server, &server.token, "/v3/auth/domains")
        .await
        .ok(200);
    assert_eq!(
        found,
        json!({
            "domains": [{
                "id": domain,
                "name": "acme",
                "enabled": true,
                "description": "",
                "links": { "self": format!("{base}/v3/domains/{domain}") },
            }],
            "links": { "self": format!("{base}/v3/auth/domains") },
        })
    );
    server.stop().await;
}

/// The three parts of a token.
fn parts(token: &str) -> (Value, Value, &str) {
    let mut parts = token.split('.');
    let mut json = || {
        let bytes = URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let (header, claims) = (json(), json());
    (header, claims, parts.next().unwrap())
}

async fn anybody_can_verify_a_token_with_the_jwks(db: Db) {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    let server = TestServer::start(db).await;
    let keys = server
        .send(server.request("GET", "/v3/auth/jwks.json"))
        .await
        .ok(200);
    let (header, claims, signature) = parts(&server.token);
    let kid = keys["keys"][0]["kid"].clone();
    assert_eq!(header, json!({ "typ": "JWT", "alg": "ES256", "kid": kid }));

    let coordinate = |name: &str| {
        URL_SAFE_NO_PAD
            .decode(keys["keys"][0][name].as_str().unwrap())
            .unwrap()
    };
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (signed, _) = server.token.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(signed.as_bytes(), &signature)
        .unwrap();

    let told = about(&server, "GET", &server.token, &server.token)
        .await
        .ok(200);
    let issuer = format!("kmsd/{}", server.kms.deployment_id());
    assert_eq!(
        claims,
        json!({
            "iss": issuer,
            "aud": issuer,
            "sub": told["token"]["user"]["id"],
            "iat": 1_767_323_045,
            "nbf": 1_767_323_045,
            "exp": 1_767_323_045 + 86_400,
            "jti": claims["jti"],
            "issued_ms": 1_767_323_045_000_i64,
            "methods": ["password"],
            "project_id": server.account.project.id,
        })
    );
    server.stop().await;
}

/// A token of this header and these claims, signed with whatever key and algorithm.
fn forged(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", text(header), text(claims));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, algorithm).unwrap();
    format!("{signed}.{signature}")
}

async fn headers_of_tokens_that_are_refused_i_4(db: Db) {
    let server = TestServer::start(db).await;
    let keys = tokens::keys(&server.kms).await.unwrap();
    let (header, claims, signature) = parts(&server.token);
    // The control: what is signed so is good.
    let good = forged(&header, &claims, &keys.signing_key, Algorithm::ES256);
    list(&server, &good).await.ok(200);

    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        header
    };
    let without = |name: &str| {
        let mut header = header.clone();
        header.as_object_mut().unwrap().remove(name);
        header
    };
    // Signed with the real key, so that nothing but the header is at fault.
    for header in [
        with("jku", json!("http://127.0.0.1:1/keys")),
        with("x5u", json!("http://127.0.0.1:1/cert")),
        with("x5c", json!(["MIIB"])),
        with("jwk", json!({ "kty": "EC" })),
        with("crit", json!(["b64"])),
        with("b64", json!(false)),
        with("zip", json!("DEF")),
        with("cty", json!("JWT")),
        with("x5t", json!("x")),
        with("anything", json!("x")),
        with("alg", json!("none")),
        with("alg", json!("None")),
        with("alg", json!("HS256")),
        with("alg", json!("RS256")),
        with("alg", json!("ES384")),
        with("alg", json!("es256")),
        with("alg", json!(null)),
        with("typ", json!("at+jwt")),
        with("typ", json!("jwt")),
        with("kid", json!("another")),
        with("kid", json!("")),
        with("kid", json!("../../../dev/null")),
        with("kid", json!("' OR '1'='1")),
        with("kid", json!("k".repeat(65))),
        with("kid", json!(1)),
        with("kid", json!([header["kid"]])),
        without("kid"),
        without("alg"),
        without("typ"),
        json!({}),
        json!([]),
    ] {
        let token = forged(&header, &claims, &keys.signing_key, Algorithm::ES256);
        check_forgery(&server, &token, &header.to_string()).await;
    }
    check_algorithm_confusion(&server, &header, &claims).await;

    // The same token, written otherwise or with parts of another's.
    let (signed, _) = server.token.rsplit_once('.').unwrap();
    let other = server.log_in(&server.another_account("evil").await).await;
    let (_, _, foreign) = parts(&other);
    for token in [
        signed.to_owned(),
        format!("{signed}."),
        format!("{signed}.{foreign}"),
        format!("{}=", server.token),
        format!("{}.", server.token),
        format!("{}.x", server.token),
        format!(" {}", &server.token[1..]),
        format!(
            "{signed}.{}",
            STANDARD.encode(URL_SAFE_NO_PAD.decode(signature).unwrap())
        ),
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode([255; 64])),
    ] {
        check_forgery(&server, &token, &token).await;
    }
    server.stop().await;
}

/// The algorithm is ours to say: with what everybody can read nobody can sign.
async fn check_algorithm_confusion(server: &TestServer, header: &Value, claims: &Value) {
    use kmsd::crypto::token_key;
    let foreign = EncodingKey::from_ec_der(token_key::generate().ok().unwrap().expose());
    let token = forged(header, claims, &foreign, Algorithm::ES256);
    check_forgery(server, &token, "a foreign key").await;

    let jwks = server
        .send(server.request("GET", "/v3/auth/jwks.json"))
        .await;
    let jwk = jwks.json()["keys"][0].clone();
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    // SubjectPublicKeyInfo of a point on P-256, and the same as PEM.
    let prefix = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
    let der = [prefix, point.clone()].concat();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(&der)
    );
    let mut header = header.clone();
    header["alg"] = json!("HS256");
    for public in [
        point,
        der,
        pem.into_bytes(),
        jwk.to_string().into_bytes(),
        Vec::new(),
    ] {
        let key = EncodingKey::from_secret(&public);
        let token = forged(&header, claims, &key, Algorithm::HS256);
        check_forgery(server, &token, "HS256 with what is public").await;
    }
    header["alg"] = json!("none");
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!("{}.{}.", text(&header), text(claims));
    check_forgery(server, &unsigned, "alg none").await;
}

async fn check_forgery(server: &TestServer, token: &str, what: &str) {
    let answer = list(server, token).await;
    assert_eq!(
        answer.verdict(),
        (401, "KMS.0302".into()),
        "{what}: {}",
        answer.text
    );
    let said = answer.refused(401, "KMS.0302");
    assert_eq!(
        said, "the token is not valid: it is not a token of this service",
        "{what}"
    );
}

async fn claims_of_tokens_that_are_refused_i_5(db: Db) {
    let server = TestServer::start(db).await;
    let keys = tokens::keys(&server.kms).await.unwrap();
    let (header, claims, _) = parts(&server.token);
    let sign = |claims: &Value| forged(&header, claims, &keys.signing_key, Algorithm::ES256);
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        sign(&claims)
    };
    let ours = "it is not a token of this service";
    let dates = "its dates make no sense";
    let now = 1_767_323_045_i64;
    let mut bad = Vec::new();
    for name in [
        "iss",
        "aud",
        "sub",
        "iat",
        "nbf",
        "exp",
        "jti",
        "issued_ms",
        "methods",
        "project_id",
    ] {
        let mut without = claims.clone();
        without.as_object_mut().unwrap().remove(name);
        bad.push((format!("without {name}"), sign(&without), ours));
        let right = &claims[name];
        // A mistyped claim is no absent claim.
        for wrong in [
            Value::Null,
            json!(true),
            json!([right]),
            json!({ "x": right }),
            json!(1.5),
        ] {
            if (name, &wrong) != ("project_id", &Value::Null) {
                bad.push((format!("{name} {wrong}"), with(name, wrong), ours));
            }
        }
        let crossed = if right.is_number() {
            json!(right.to_string())
        } else {
            json!(7)
        };
        bad.push((format!("{name} {crossed}"), with(name, crossed), ours));
    }
    let mut both = claims.clone();
    both["domain_id"] = json!(server.account.project.domain);
    bad.extend([
        ("both scopes".to_owned(), sign(&both), ours),
        (
            "another project's form".into(),
            with("project_id", json!("x")),
            ours,
        ),
        ("no claims".into(), sign(&json!({})), ours),
        ("a list".into(), sign(&json!([])), ours),
        (
            "large".into(),
            with("methods", json!(["x".repeat(8192)])),
            ours,
        ),
        (
            "iss".into(),
            with("iss", json!("kmsd/other")),
            "it is for another service",
        ),
        (
            "aud".into(),
            with("aud", json!("kmsd/other")),
            "it is for another service",
        ),
        ("iat ahead".into(), with("iat", json!(now + 31)), dates),
        ("nbf ahead".into(), with("nbf", json!(now + 31)), dates),
        ("long".into(), with("exp", json!(now + 86_401)), dates),
        ("endless".into(), with("exp", json!(i64::MAX)), dates),
        ("old".into(), with("iat", json!(i64::MIN)), dates),
        (
            "sub".into(),
            with("sub", json!("0".repeat(32))),
            "its user is gone",
        ),
        ("sub's form".into(), with("sub", json!("a b")), ours),
        (
            "project".into(),
            with("project_id", json!("0".repeat(32))),
            "its holder has no role there any more",
        ),
        (
            "older than the password".into(),
            with("issued_ms", json!(0)),
            "the password was changed since",
        ),
        (
            "of no access key".into(),
            with("access_key", json!("TESTACCESSKEYUNKNOWN0000")),
            "the access key it was had with is gone",
        ),
    ]);
    for (what, token, says) in bad {
        let said = list(&server, &token).await.refused(401, "KMS.0302");
        assert_eq!(said, format!("the token is not valid: {says}"), "{what}");
    }
    for (what, exp) in [
        ("just ended", now),
        ("ended", now - 1),
        ("long ended", 0),
        ("negative", -1),
    ] {
        let answer = list(&server, &with("exp", json!(exp))).await;
        assert_eq!(answer.verdict(), (401, "KMS.0303".into()), "{what}");
    }
    // The leeway of I-5, and the last second of a life.
    for token in [
        with("iat", json!(now + 30)),
        with("nbf", json!(now + 30)),
        with("exp", json!(now + 1)),
    ] {
        list(&server, &token).await.ok(200);
    }
    server.stop().await;
}

async fn a_replaced_token_key_goes_on_verifying_until_it_is_removed(db: Db) {
    let server = TestServer::start(db).await;
    let (header, _, _) = parts(&server.token);
    server.clock.advance(Duration::from_secs(60));
    let new = manage::add_token_key(&server.kms).await.unwrap();
    server.clock.advance(Duration::from_secs(60));
    let fresh = server.log_in(&server.account).await;
    assert_eq!(parts(&fresh).0["kid"], new.id);
    for token in [&server.token, &fresh] {
        list(&server, token).await.ok(200);
    }
    let keys = server
        .send(server.request("GET", "/v3/auth/jwks.json"))
        .await
        .ok(200);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    let old = header["kid"].as_str().unwrap();
    manage::remove_token_key(&server.kms, old).await.unwrap();
    server.clock.advance(Duration::from_secs(60));
    list(&server, &server.token).await.refused(401, "KMS.0302");
    list(&server, &fresh).await.ok(200);
    server.stop().await;
}

async fn guesses_are_slowed_down_by_source_i_9(db: Db) {
    let setup = Setup::from(db).with("limits.refusals_per_minute", "3");
    let server = TestServer::start(setup).await;
    let mut wrong = password_login(&server.account);
    wrong["auth"]["identity"]["password"]["user"]["password"] = json!("wrong");
    let mut tries = 0;
    let slowed = loop {
        let answer = server.try_log_in(wrong.clone()).await;
        if answer.status == 429 {
            break answer;
        }
        refused(&answer, 401);
        tries += 1;
        assert!(tries <= 4, "nobody stops the guessing");
    };
    assert!(tries >= 3, "stopped after {tries}");
    refused(&slowed, 429);
    // The right password is not tried either, or it would show among the refused ones.
    let good = password_login(&server.account);
    let answer = server.try_log_in(good.clone()).await;
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert_eq!(
        (answer.status, (1..=60).contains(&seconds)),
        (429, true),
        "{seconds}"
    );
    // Whoever was let in before goes on.
    list(&server, &server.token).await.ok(200);
    server.clock.advance(Duration::from_secs(seconds));
    server.try_log_in(good).await.ok(201);
    server.stop().await;
}
