//! Users whom an outside issuer of JWTs vouches for, over HTTP. What the checks themselves refuse
//! is tested beside them; here is what becomes of an identity that was found good.

use kmsd::crypto::token_key;
use kmsd::model::time::Timestamp;
use serde_json::{Value, json};

use crate::support::{Answer, Db, START, Setup, TestServer, on_both};

on_both!(
    an_issuers_users_work_in_their_own_projects,
    an_issuer_speaks_for_no_domain_but_its_own,
    a_grant_is_to_whom_their_own_authority_vouches_for,
);

const THEIR_PROJECT: &str = "11111111111111111111111111111111";

/// An issuer with a key pair, and a server that trusts it.
struct Issuer {
    private: Vec<u8>,
    server: TestServer,
    _folder: tempfile::TempDir,
}

impl Issuer {
    async fn trusted(db: Db) -> Self {
        let pair = token_key::generate().unwrap();
        let (x, y) = token_key::public_point(&pair).unwrap();
        let keys = json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "corp-1",
            "x": base64(&x), "y": base64(&y),
        }]});
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        std::fs::write(&file, keys.to_string()).unwrap();
        let setup = Setup::from(db)
            .with("issuers[0].name", "corp")
            .with("issuers[0].issuer", "https://id.example.org")
            .with("issuers[0].audience", "kmsd")
            .with("issuers[0].jwks_file", file.to_str().unwrap())
            .with("issuers[0].roles.keymaster", "kms_adm");
        Self {
            private: pair.expose().to_vec(),
            server: TestServer::start(setup).await,
            _folder: folder,
        }
    }

    fn token(&self, changed: Value) -> String {
        let now = START.seconds();
        let mut claims = json!({
            "iss": "https://id.example.org", "aud": "kmsd", "sub": "u-1",
            "iat": now, "nbf": now, "exp": now + 3600,
            "preferred_username": "carol", "roles": ["keymaster", "te_admin"],
            "project_id": THEIR_PROJECT, "project_name": "theirs",
            "domain_id": "corp-domain", "domain_name": "Corp",
        });
        for (name, value) in changed.as_object().cloned().unwrap_or_default() {
            claims[name] = value;
        }
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        header.kid = Some("corp-1".into());
        let key = jsonwebtoken::EncodingKey::from_ec_der(&self.private);
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }

    async fn call(&self, token: &str, project: &str, call: &str, body: Value) -> Answer {
        let path = format!("/v1.0/{project}/kms/{call}");
        let request = self
            .server
            .request("POST", &path)
            .header("X-Auth-Token", token)
            .json(&body);
        self.server.send(request).await
    }
}

async fn an_issuers_users_work_in_their_own_projects(db: Db) {
    let issuer = Issuer::trusted(db).await;
    let token = issuer.token(json!({}));
    let body = json!({ "key_alias": "theirs" });
    let made = issuer
        .call(&token, THEIR_PROJECT, "create-key", body)
        .await
        .ok(200);
    assert_eq!(made["key_info"]["domain_id"], "corp-domain");
    let record = issuer.server.records().await.pop().unwrap();
    assert_eq!(
        (record.credential.as_str(), record.user_name.as_str()),
        ("issuer:corp", "carol")
    );

    // What the settings do not map counts for nothing, whatever it is called.
    let powerless = issuer.token(json!({ "roles": ["te_admin", "kms_adm"] }));
    let body = json!({ "key_alias": "no" });
    issuer
        .call(&powerless, THEIR_PROJECT, "create-key", body)
        .await
        .refused(403, "KMS.0307");

    // kmsd vouches for nobody's users but its own.
    let login = json!({ "auth": {
        "identity": { "methods": ["token"], "token": { "id": token } },
        "scope": { "project": { "id": THEIR_PROJECT } },
    }});
    assert_eq!(issuer.server.try_log_in(login).await.status, 401);
    let revoke = issuer
        .server
        .request("DELETE", "/v3/auth/tokens")
        .header("X-Auth-Token", &token)
        .header("X-Subject-Token", &token);
    assert_eq!(issuer.server.send(revoke).await.status, 403);

    issuer
        .server
        .clock
        .advance(std::time::Duration::from_secs(3600));
    let end = Timestamp::from_seconds(START.seconds() + 3600);
    let said = issuer
        .call(&token, THEIR_PROJECT, "list-keys", json!({}))
        .await
        .refused(401, "KMS.0303");
    assert!(said.contains(&end.iso_micros()), "{said}");
    issuer.server.stop().await;
}

async fn an_issuer_speaks_for_no_domain_but_its_own(db: Db) {
    let issuer = Issuer::trusted(db).await;
    let ours = &issuer.server.account.project;
    let (project, domain) = (ours.id.as_str(), ours.domain.as_str());
    for claims in [
        // A project and a domain of kmsd's own users.
        json!({ "project_id": project, "domain_id": domain }),
        // A project of theirs under a domain of the issuer's.
        json!({ "project_id": project }),
        // A new project under a domain of theirs.
        json!({ "domain_id": domain }),
    ] {
        let token = issuer.token(claims.clone());
        let project = claims["project_id"].as_str().unwrap_or(THEIR_PROJECT);
        let answer = issuer.call(&token, project, "list-keys", json!({})).await;
        let said = answer.refused(401, "KMS.0302");
        assert!(
            said.contains("belongs to somebody else"),
            "{claims}: {said}"
        );
    }
    issuer.server.stop().await;
}

/// Ids of users are what each authority makes of them: an issuer that gives one of its users the id
/// of one of ours opens nothing that was granted to ours, and the other way round.
async fn a_grant_is_to_whom_their_own_authority_vouches_for(db: Db) {
    let issuer = Issuer::trusted(db).await;
    let server = &issuer.server;
    let ours = &server.token;
    let project = server.account.project.id.as_str();
    let request = server
        .request("GET", "/v3/auth/tokens")
        .header("X-Auth-Token", ours)
        .header("X-Subject-Token", ours);
    let told = server.send(request).await.ok(200)["token"]["user"].clone();
    let (alice, domain) = (told["id"].clone(), told["domain"]["id"].clone());
    let token = |user: &Value, domain: &str| {
        issuer.token(json!({ "sub": user, "domain_id": domain, "domain_name": domain }))
    };
    let use_it = async |token: &str, project: &str, key: &Value| {
        let body = json!({ "key_id": key, "plain_text": "x" });
        issuer.call(token, project, "encrypt-data", body).await
    };
    let grant = async |token: &str, project: &str, key: &Value, to: Value, kind: &str| {
        let body = json!({
            "key_id": key, "grantee_principal": to, "grantee_principal_type": kind,
            "operations": ["encrypt-data"],
        });
        issuer
            .call(token, project, "create-grant", body)
            .await
            .ok(200);
    };
    let create = async |token: &str, project: &str, name: &str| {
        let body = json!({ "key_alias": name });
        let made = issuer.call(token, project, "create-key", body).await;
        made.ok(200)["key_info"]["key_id"].clone()
    };

    // Ours, granted to one of ours and to an id that is none of ours.
    let key = create(ours, project, "ours").await;
    grant(ours, project, &key, alice.clone(), "user").await;
    grant(ours, project, &key, json!("u1"), "user").await;
    grant(ours, project, &key, domain, "domain").await;
    for user in [&alice, &json!("u1")] {
        let theirs = token(user, "corp");
        let answer = use_it(&theirs, THEIR_PROJECT, &key).await;
        answer.refused(404, "KMS.0207");
    }
    // To all of theirs, by the name of their domain, which is registered.
    grant(ours, project, &key, json!("corp"), "domain").await;
    let theirs = token(&json!("u1"), "corp");
    use_it(&theirs, THEIR_PROJECT, &key).await.ok(200);

    // Theirs, granted to one of theirs, who has no role, and to one of ours.
    let key = create(&theirs, THEIR_PROJECT, "theirs").await;
    let powerless = |user: &str| {
        issuer.token(json!({
            "sub": user, "roles": [], "domain_id": "corp", "domain_name": "corp",
        }))
    };
    use_it(&powerless("u2"), THEIR_PROJECT, &key)
        .await
        .refused(403, "KMS.0307");
    grant(&theirs, THEIR_PROJECT, &key, json!("u2"), "user").await;
    use_it(&powerless("u2"), THEIR_PROJECT, &key).await.ok(200);
    use_it(ours, project, &key).await.refused(404, "KMS.0207");
    grant(&theirs, THEIR_PROJECT, &key, alice.clone(), "user").await;
    use_it(ours, project, &key).await.ok(200);
    let posing = powerless(alice.as_str().unwrap());
    use_it(&posing, THEIR_PROJECT, &key)
        .await
        .refused(403, "KMS.0307");
    issuer.server.stop().await;
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
