//! Every call leaves one record before its answer, every refused credential too, and no record ever
//! holds a secret (threat model I-45, I-47).

use std::time::Duration;

use kmsd::model::action::{Action, Effect};
use kmsd::model::audit::Record;
use kmsd::model::caller::Credential;
use kmsd::model::identity::Role;
use kmsd::operations::upkeep::{TimeGuard, step};
use serde_json::{Value, json};

use crate::support::calls::{self, CLUSTER, KEY_CALLS};
use crate::support::signing::Signer;
use crate::support::{Answer, Db, START, TestServer, on_both, password_login};

on_both!(
    every_call_on_keys_leaves_its_record,
    every_refused_call_leaves_its_record,
    every_call_about_tokens_leaves_its_record,
    every_refused_credential_leaves_its_record,
    what_is_public_or_no_call_leaves_none,
    refusals_of_one_source_are_recorded_ten_a_second_and_counted,
    no_record_holds_a_secret_i_47,
);

const NOBODYS: &str = "00000000-0000-4000-8000-000000000000";

/// The one record that came since there were `before`.
async fn the_new_record(server: &TestServer, before: usize, what: &str) -> Record {
    let records = server.records().await;
    assert_eq!(
        records.len(),
        before + 1,
        "{what}: {:#?}",
        &records[before..]
    );
    records.into_iter().next_back().unwrap()
}

async fn count(server: &TestServer) -> usize {
    server.records().await.len()
}

/// The id of a token, as its record tells it.
fn token_id(token: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

async fn user_id(server: &TestServer, token: &str) -> String {
    let request = server
        .request("GET", "/v3/auth/tokens")
        .header("X-Auth-Token", token)
        .header("X-Subject-Token", token);
    let told = server.send(request).await.ok(200);
    told["token"]["user"]["id"].as_str().unwrap().to_owned()
}

/// What every record of the first account's token says.
async fn expected(server: &TestServer, action: Action, answer: &Answer) -> Record {
    Record {
        at: START,
        request_id: answer.header("x-request-id").to_owned(),
        credential: format!("token:{}", token_id(&server.token)),
        user_id: user_id(server, &server.token).await,
        user_name: "alice".into(),
        project_id: server.account.project.id.to_string(),
        address: "127.0.0.1".into(),
        action,
        region: String::new(),
        key_id: String::new(),
        revision: 0,
        outcome: "ok".into(),
        detail: String::new(),
        duration_us: 0,
    }
}

async fn every_call_on_keys_leaves_its_record(db: Db) {
    let server = TestServer::start(db).await;
    for call in KEY_CALLS {
        let key = match call.needs {
            Some(state) => server.key_for(call, state, call.name).await,
            None => call.name.to_owned(),
        };
        let sent = server.body_for(call, &key).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let keystore = text(&sent["keystore_id"]);
        let before = count(&server).await;
        let answer = server.call(call.name, sent.clone()).await;
        let body = answer.done();
        let named = |member: &str| {
            let id = sent[member].as_str().or(body[member].as_str());
            id.unwrap_or_default().to_owned()
        };
        let record = the_new_record(&server, before, call.name).await;
        let mut expected = expected(&server, call.action, &answer).await;
        if call.needs.is_some() || call.action == Action::CreateKey {
            expected.region = "home-region-1".into();
            expected.key_id = match call.action {
                Action::CreateKey => body["key_info"]["key_id"].as_str().unwrap().to_owned(),
                _ => key,
            };
        }
        // One more than what brought the key into its state.
        expected.revision = match (call.action, call.needs) {
            (action, _) if action.effect() == Effect::Reads => 0,
            // The key itself stays as it is.
            (Action::CreateGrant | Action::RevokeGrant | Action::RetireGrant, _) => 0,
            (Action::CreateKey, _) => 1,
            // Copied first.
            (Action::UpdatePrimaryRegion, _) => 3,
            // They take away what a change before brought.
            (Action::DeleteTag | Action::DeleteAliases, _) => 3,
            (Action::ImportKeyMaterial, _) => 2,
            (Action::DeleteKeyMaterial, _) => 3,
            (Action::UpdateRotationInterval | Action::DisableKeyRotation, _) => 3,
            (Action::RotateKeyOnDemand, _) => 4,
            (_, Some("2")) => 2,
            (_, Some(_)) => 3,
            (_, None) => 0,
        };
        expected.detail = match call.action {
            Action::CreateKey => "AES_256 ENCRYPT_DECRYPT".into(),
            Action::ScheduleKeyDeletion => "in 7 days".into(),
            Action::CreateTag | Action::ChangeTags => "put \"env\"".into(),
            Action::DeleteTag => "remove \"a b/c\"".into(),
            Action::CreateAlias | Action::DeleteAliases => format!("alias/{}", expected.key_id),
            Action::MoveAlias => {
                let holder = format!("alias/{} from ", expected.key_id);
                assert!(record.detail.starts_with(&holder), "{}", record.detail);
                record.detail.clone()
            }
            Action::ReEncrypt => format!("from {}", expected.key_id),
            Action::CreateKeystore => {
                format!(
                    "keystore {} of {CLUSTER}",
                    text(&body["keystore"]["keystore_id"])
                )
            }
            Action::EnableKeystore | Action::DisableKeystore => format!("keystore {keystore}"),
            Action::DeleteKeystore => format!("keystore {keystore} of {CLUSTER}"),
            Action::ReplicateKey => {
                format!("to region-2 in project {}", server.account.project.id)
            }
            Action::UpdatePrimaryRegion => "to region-2".into(),
            Action::CreateGrant | Action::RevokeGrant | Action::RetireGrant => {
                let id = [&body["grant_id"], &sent["grant_id"]]
                    .into_iter()
                    .find_map(Value::as_str);
                let (id, to) = (id.unwrap(), calls::GRANTEE);
                format!("grant {id} to user {to}: Encrypt")
            }
            Action::ImportKeyMaterial => "version 1".into(),
            Action::DeleteKeyMaterial => "1 dropped".into(),
            Action::RotateKeyOnDemand => "to version 2".into(),
            Action::EnableKeyRotation => "every 365 days".into(),
            Action::UpdateRotationInterval => "every 90 days".into(),
            Action::CreateAccessPoint
            | Action::EnableAccessPoint
            | Action::DisableAccessPoint
            | Action::GetAccessPointPrivateKey
            | Action::DeleteAccessPoint => format!("access point {}", named("access_point_id")),
            Action::DecryptDatakeyCapsule => format!("access point {}", named("instance_id")),
            Action::CreateKeyPolicy
            | Action::ShowKeyPolicy
            | Action::UpdateKeyPolicy
            | Action::DeleteKeyPolicy => format!("key policy {}", named("policy_id")),
            _ => String::new(),
        };
        assert_eq!(record, expected, "{}", call.name);
    }
    // By a signature: the access key stands for the token.
    let before = count(&server).await;
    let signer = Signer::new(&server, &server.account, START);
    let signed = signer.sign("GET", &server.kms_path("user-instances"), "", "");
    let answer = signed.send(&server).await;
    answer.ok(200);
    let record = the_new_record(&server, before, "signed").await;
    let mut expected = expected(&server, Action::CountKeys, &answer).await;
    expected.credential = format!("access-key:{}", server.account.access_key);
    assert_eq!(record, expected);
    server.stop().await;
}

async fn every_refused_call_leaves_its_record(db: Db) {
    let server = TestServer::start(db).await;
    let reader = server
        .token_with_role("reader", Some(Role::KmsReadOnlyPolicy))
        .await;
    let reader = server.log_in(&reader).await;
    let mut domain = password_login(&server.account);
    domain["auth"]["scope"] = Value::Null;
    let domain = server
        .try_log_in(domain)
        .await
        .header("x-subject-token")
        .to_owned();
    let pending = server.key_in("4", "leaving").await;
    let own = server.token.clone();

    // Whose token, which call, with what: the outcome, and the key that the record names.
    for (token, action, body, outcome, key) in [
        (
            &own,
            Action::EnableKey,
            json!({ "key_id": pending }),
            "wrong-state",
            pending.as_str(),
        ),
        (
            &own,
            Action::DisableKey,
            json!({ "key_id": pending }),
            "wrong-state",
            &pending,
        ),
        (
            &own,
            Action::ScheduleKeyDeletion,
            json!({ "key_id": pending, "pending_days": 7 }),
            "wrong-state",
            &pending,
        ),
        (
            &own,
            Action::RenameKey,
            json!({ "key_id": pending, "key_alias": "x" }),
            "wrong-state",
            &pending,
        ),
        (
            &own,
            Action::UpdateKeyDescription,
            json!({ "key_id": pending, "key_description": "x" }),
            "wrong-state",
            &pending,
        ),
        (
            &own,
            Action::DescribeKey,
            json!({ "key_id": NOBODYS }),
            "key-not-found",
            NOBODYS,
        ),
        (
            &own,
            Action::DescribeKey,
            json!({ "key_id": "alias/nobody" }),
            "key-not-found",
            "alias/nobody",
        ),
        (
            &own,
            Action::CancelKeyDeletion,
            json!({ "key_id": NOBODYS }),
            "key-not-found",
            NOBODYS,
        ),
        (
            &own,
            Action::CreateKey,
            json!({ "key_alias": "leaving" }),
            "name-taken",
            "",
        ),
        (
            &own,
            Action::CreateKey,
            json!({ "key_alias": "a/default" }),
            "reserved-name",
            "",
        ),
        (
            &own,
            Action::CreateKey,
            json!({ "key_alias": "x", "key_usage": "SIGN_VERIFY" }),
            "usage-mismatch",
            "",
        ),
        (
            &own,
            Action::CreateKey,
            json!({ "key_alias": "x", "keystore_id": "7" }),
            "keystore-not-found",
            "",
        ),
        (&own, Action::CreateKey, json!({}), "missing-member", ""),
        (
            &own,
            Action::ListKeys,
            json!({ "limit": "x" }),
            "invalid-member",
            "",
        ),
        (&own, Action::DescribeKey, json!([]), "not-json", ""),
        (
            &reader,
            Action::CancelKeyDeletion,
            json!({ "key_id": pending }),
            "forbidden",
            &pending,
        ),
        (
            &reader,
            Action::CreateKey,
            json!({ "key_alias": "x" }),
            "forbidden",
            "",
        ),
        (
            &domain,
            Action::ListKeys,
            json!({}),
            "needs-project-scope",
            "",
        ),
    ] {
        let what = format!("{} {body}", action.name());
        let before = count(&server).await;
        let answer = server.call_as(token, calls::of(action).name, body).await;
        assert!((400..500).contains(&answer.status), "{what}");
        let record = the_new_record(&server, before, &what).await;
        assert_eq!(
            (
                record.action,
                record.outcome.as_str(),
                record.key_id.as_str(),
                record.revision
            ),
            (action, outcome, key, 0),
            "{what}"
        );
        assert_eq!(record.request_id, answer.header("x-request-id"), "{what}");
        assert_eq!(
            record.credential,
            format!("token:{}", token_id(token)),
            "{what}"
        );
        assert_eq!(record.user_id, user_id(&server, token).await, "{what}");
    }
    let before = count(&server).await;
    let request = server
        .request("POST", &format!("/v1.0/{}/kms/list-keys", "0".repeat(32)))
        .header("X-Auth-Token", &own);
    let answer = server.send(request).await;
    let record = the_new_record(&server, before, "another project").await;
    let mut wanted = expected(&server, Action::ListKeys, &answer).await;
    wanted.outcome = "wrong-project".into();
    assert_eq!(
        record, wanted,
        "the project is the credential's, not the URL's"
    );
    server.stop().await;
}

async fn every_call_about_tokens_leaves_its_record(db: Db) {
    let server = TestServer::start(db).await;
    let before = count(&server).await;
    let answer = server.try_log_in(password_login(&server.account)).await;
    let token = answer.header("x-subject-token").to_owned();
    let record = the_new_record(&server, before, "login").await;
    let mut wanted = expected(&server, Action::IssueToken, &answer).await;
    wanted.credential = "password".into();
    wanted.detail = format!("token:{}", token_id(&token));
    assert_eq!(record, wanted);

    let about = format!("token:{}", token_id(&token));
    for (method, path, action, detail, outcome) in [
        (
            "GET",
            "/v3/auth/tokens",
            Action::ValidateToken,
            about.as_str(),
            "ok",
        ),
        (
            "HEAD",
            "/v3/auth/tokens",
            Action::ValidateToken,
            &about,
            "ok",
        ),
        ("GET", "/v3/projects", Action::ListProjects, "", "ok"),
        ("GET", "/v3/auth/projects", Action::ListProjects, "", "ok"),
        ("GET", "/v3/auth/domains", Action::ListDomains, "", "ok"),
        ("GET", "/v3/auth/catalog", Action::ShowCatalog, "", "ok"),
        (
            "DELETE",
            "/v3/auth/tokens",
            Action::RevokeToken,
            &about,
            "ok",
        ),
        (
            "GET",
            "/v3/auth/tokens",
            Action::ValidateToken,
            "",
            "token-not-found",
        ),
        (
            "DELETE",
            "/v3/auth/tokens",
            Action::RevokeToken,
            "",
            "token-not-found",
        ),
    ] {
        let what = format!("{method} {path}");
        let before = count(&server).await;
        let request = server
            .request(method, path)
            .header("X-Auth-Token", &server.token)
            .header("X-Subject-Token", &token);
        let answer = server.send(request).await;
        let record = the_new_record(&server, before, &what).await;
        let mut wanted = expected(&server, action, &answer).await;
        wanted.detail = detail.into();
        wanted.outcome = outcome.into();
        assert_eq!(record, wanted, "{what}");
    }
    server.stop().await;
}

async fn every_refused_credential_leaves_its_record(db: Db) {
    let server = TestServer::start(db).await;
    server.clock.advance(Duration::from_secs(1));
    let path = server.kms_path("list-keys");
    let post = |path: &str| server.request("POST", path).json(&json!({}));
    let mut wrong = password_login(&server.account);
    wrong["auth"]["identity"]["password"]["user"]["password"] = json!("wrong");
    let mut nowhere = password_login(&server.account);
    nowhere["auth"]["scope"] = json!({ "domain": { "name": "nowhere" } });
    let mut signer = Signer::new(&server, &server.account, START);
    signer.secret_key = "wrong".into();
    let signed = signer.sign("POST", &path, "", "{}");
    let login = |body: &Value| server.request("POST", "/v3/auth/tokens").json(body);
    let bad_signature = [
        "host",
        "x-sdk-date",
        "authorization",
        "content-type",
        "user-agent",
        "x-project-id",
    ]
    .iter()
    .fold(server.request("POST", &path).body("{}"), |request, name| {
        request.header(*name, signed.header(name))
    });
    for (what, request, outcome, claimed, at) in [
        ("none", post(&path), "no-credential", "", path.as_str()),
        (
            "rubbish",
            post(&path).header("X-Auth-Token", "x"),
            "invalid-token",
            "",
            &path,
        ),
        (
            "a signature",
            bad_signature,
            "bad-signature",
            server.account.access_key.as_str(),
            &path,
        ),
        (
            "a password",
            login(&wrong),
            "bad-password",
            "alice",
            "/v3/auth/tokens",
        ),
        (
            "a scope",
            login(&nowhere),
            "no-such-scope",
            "alice",
            "/v3/auth/tokens",
        ),
    ] {
        let before = count(&server).await;
        let answer = server.send(request).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        let record = the_new_record(&server, before, what).await;
        let request_id = answer.header("x-request-id").to_owned();
        let wanted = Record {
            at: START.plus(Duration::from_secs(1)),
            request_id,
            credential: Credential::Refused.describe(),
            user_id: String::new(),
            user_name: claimed.into(),
            project_id: String::new(),
            address: "127.0.0.1".into(),
            action: Action::RefuseCredential,
            region: String::new(),
            key_id: String::new(),
            revision: 0,
            outcome: outcome.into(),
            detail: format!("POST {at}"),
            duration_us: 0,
        };
        assert_eq!(record, wanted, "{what}");
    }
    // A stranger's name is shortened, and nothing in it reaches a terminal.
    let mut long = wrong.clone();
    long["auth"]["identity"] = json!({ "methods": ["hw_ak_sk"], "hw_ak_sk": {
        "access": { "key": format!("\u{1b}[31m{}", "x".repeat(5000)) },
        "secret": { "key": "wrong" },
    }});
    let before = count(&server).await;
    server.send(login(&long)).await;
    let record = the_new_record(&server, before, "a long name").await;
    assert_eq!(record.user_name, format!("[31m{}", "x".repeat(196)));
    server.stop().await;
}

async fn what_is_public_or_no_call_leaves_none(db: Db) {
    let server = TestServer::start(db).await;
    let before = count(&server).await;
    for (method, path, status) in [
        ("GET", "/", 200),
        ("GET", "/v1.0", 200),
        ("GET", "/v3", 200),
        ("GET", "/v3/auth/jwks.json", 200),
        ("GET", "/health/live", 200),
        ("GET", "/health/ready", 200),
        ("GET", "/openapi.yaml", 200),
        ("GET", "/nowhere", 404),
        ("PUT", "/", 405),
        ("POST", "/v3/auth/tokens", 400),
    ] {
        let answer = server.send(server.request(method, path)).await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
    let large = server
        .request("POST", &server.kms_path("create-key"))
        .header("X-Auth-Token", &server.token)
        .body("x".repeat(70_000));
    server.send(large).await.refused(400, "KMS.0203");
    assert_eq!(count(&server).await, before);
    server.stop().await;
}

async fn refusals_of_one_source_are_recorded_ten_a_second_and_counted(db: Db) {
    let server = TestServer::start(db).await;
    let path = server.kms_path("list-keys");
    let refuse = async |times: usize| {
        for _ in 0..times {
            let request = server.request("POST", &path).header("X-Auth-Token", "x");
            server.send(request).await.refused(401, "KMS.0302");
        }
    };
    let before = count(&server).await;
    refuse(25).await;
    assert_eq!(count(&server).await, before + 10, "the first ten");
    // Others are not affected: a good call has its record.
    server.call("list-keys", json!({})).await.ok(200);
    assert_eq!(count(&server).await, before + 11);

    server.clock.advance(Duration::from_secs(1));
    refuse(12).await;
    let records = server.records().await;
    assert_eq!(records.len(), before + 21);
    let details: Vec<_> = records[before + 11..]
        .iter()
        .map(|record| record.detail.clone())
        .collect();
    assert_eq!(
        details[0],
        format!("POST {path}; 15 more from this address before")
    );
    assert!(
        details[1..]
            .iter()
            .all(|detail| *detail == format!("POST {path}")),
        "{details:?}"
    );

    // What is left is told when the source goes quiet, once.
    server.clock.advance(Duration::from_secs(2));
    for _ in 0..2 {
        step(&server.kms, &mut TimeGuard::default()).await.unwrap();
    }
    let records = server.records().await;
    let bulk: Vec<_> = records
        .iter()
        .filter(|record| record.outcome == "refused-in-bulk")
        .collect();
    assert_eq!(bulk.len(), 1);
    assert_eq!(bulk[0].detail, "2 more from this address before");
    assert_eq!(
        (bulk[0].address.as_str(), bulk[0].action),
        ("127.0.0.1", Action::RefuseCredential)
    );
    server.stop().await;
}

async fn no_record_holds_a_secret_i_47(db: Db) {
    let server = TestServer::start(db).await;
    let path = server.kms_path("describe-key");
    // Good secrets.
    let mut canaries = vec![
        server.account.password.clone(),
        server.account.secret_key.clone(),
        server.token.clone(),
        server.token.rsplit('.').next().unwrap().to_owned(),
    ];
    let signer = Signer::new(&server, &server.account, START);
    let signed = signer.sign("POST", &path, "", &json!({ "key_id": NOBODYS }).to_string());
    canaries.push(
        signed
            .header("authorization")
            .rsplit('=')
            .next()
            .unwrap()
            .to_owned(),
    );
    signed.send(&server).await.refused(404, "KMS.0207");
    // Bad ones, wherever one can be put.
    let mut login = password_login(&server.account);
    login["auth"]["identity"]["password"]["user"]["password"] = json!("canary-password");
    server.try_log_in(login).await;
    server.try_log_in(json!({ "auth": { "identity": { "methods": ["hw_ak_sk"], "hw_ak_sk": {
        "access": { "key": server.account.access_key }, "secret": { "key": "canary-secret-key" },
    }}}})).await;
    server
        .try_log_in(json!({ "auth": { "identity": {
            "methods": ["token"], "token": { "id": "canary-token" },
        }}}))
        .await;
    for (name, value) in [
        ("X-Auth-Token", "canary-auth-token"),
        ("Authorization", "Bearer canary-bearer"),
        (
            "Authorization",
            "SDK-HMAC-SHA256 Access=TESTACCESSKEY0000, SignedHeaders=x-sdk-date, Signature=canary-signature",
        ),
        ("X-Security-Token", "canary-security-token"),
        ("Cookie", "session=canary-cookie"),
    ] {
        let request = server
            .request("POST", &format!("{path}?token=canary-query"))
            .header(name, value)
            .json(&json!({ "key_id": NOBODYS }));
        assert_eq!(server.send(request).await.status, 401, "{name}");
    }
    for subject in ["canary-subject-token", server.token.as_str()] {
        let request = server
            .request("GET", "/v3/auth/tokens")
            .header("X-Auth-Token", &server.token)
            .header("X-Subject-Token", subject);
        server.send(request).await;
    }
    let description = json!({ "key_alias": "told", "key_description": "canary-description" });
    server.call("create-key", description).await.ok(200);

    let kept = format!("{:?}", server.records().await);
    let metrics = server.kms.metrics().text();
    canaries.push("canary".into());
    for canary in &canaries {
        assert!(!kept.contains(canary), "a record holds {canary}");
        assert!(!metrics.contains(canary), "a metric holds {canary}");
    }
    // And they would have been found: what may be told stands there.
    assert!(kept.contains(&server.account.access_key) && kept.contains(&token_id(&server.token)));
    server.stop().await;
}
