//! Signed requests: good in every form that clients send, and bad in every part (threat model I-3,
//! I-8, I-10 to I-15).

use std::time::Duration;

use kmsd::operations::identity::manage;
use serde_json::json;

use crate::support::signing::{Scheme, Signed, Signer};
use crate::support::{Account, Answer, Db, START, Setup, TestServer, on_both};

on_both!(
    clients_sign_different_headers_and_all_are_right,
    three_schemes_are_right,
    the_same_request_may_come_twice,
    queries_are_signed_in_any_order,
    whatever_is_changed_after_signing_is_noticed_i_10,
    the_payload_hash_is_ours_i_11,
    the_list_of_signed_headers_has_one_form_i_12,
    the_date_is_signed_and_near_i_13_i_14,
    the_window_is_what_is_configured,
    a_scope_names_its_day_its_region_and_kms_i_12,
    an_unknown_access_key_answers_like_a_wrong_secret_i_8,
    access_keys_end,
    one_credential_decides_i_3,
    the_access_keys_project_decides_i_13,
    authorization_headers_that_are_none,
    guessing_from_one_place_locks_nobody_out_elsewhere_i_9,
);

/// What is told of every signature that does not hold, and nothing more.
const NOT_VALID: &str = "the access key or the signature is not valid";

fn signer(server: &TestServer) -> Signer {
    Signer::new(server, &server.account, START)
}

fn list_keys(signer: &Signer, server: &TestServer) -> Signed {
    let body = json!({ "key_spec": "ALL" }).to_string();
    signer.sign("POST", &server.kms_path("list-keys"), "", &body)
}

async fn try_list(signer: &Signer, server: &TestServer) -> Answer {
    list_keys(signer, server).send(server).await
}

async fn clients_sign_different_headers_and_all_are_right(db: Db) {
    let server = TestServer::start(db).await;
    let python = signer(&server);
    for names in [
        vec![
            "content-type",
            "host",
            "user-agent",
            "x-project-id",
            "x-sdk-date",
        ],
        // golangsdk: without host, and X-Project-Id added after signing.
        vec!["accept", "content-type", "user-agent", "x-sdk-date"],
        vec!["host", "x-sdk-date"],
        vec!["x-sdk-date"],
    ] {
        let mut signer = python.clone();
        signer.headers.push(("accept", "*/*".to_owned()));
        signer.names = names;
        let answer = try_list(&signer, &server).await;
        assert_eq!(answer.status, 200, "{:?}: {}", signer.names, answer.text);
    }
    // Values are trimmed; what stands inside them stays.
    let mut signer = python.clone();
    signer.names = vec!["x-inner", "x-sdk-date"];
    signer.headers.push(("x-inner", "two  spaces".to_owned()));
    let mut signed = list_keys(&signer, &server);
    signed.set("x-inner", "  two  spaces ");
    signed.send(&server).await.ok(200);
    signed.set("x-inner", "two spaces");
    signed.send(&server).await.refused(401, "APIGW.0301");
    server.stop().await;
}

async fn three_schemes_are_right(db: Db) {
    let server = TestServer::start(db).await;
    for scheme in [Scheme::Plain, Scheme::V11, Scheme::Otc] {
        let mut signer = Signer {
            scheme,
            ..signer(&server)
        };
        try_list(&signer, &server).await.ok(200);
        signer.scope = "20260102/region-2/kms".into();
        try_list(&signer, &server).await.ok(200);
        signer.secret_key.push('x');
        let refused = try_list(&signer, &server).await;
        assert_eq!(refused.refused(401, "APIGW.0301"), NOT_VALID, "{scheme:?}");
    }
    server.stop().await;
}

/// The vendor's signatures have no nonce: equal requests in one second are equal to the letter.
async fn the_same_request_may_come_twice(db: Db) {
    let server = TestServer::start(db).await;
    let signed = list_keys(&signer(&server), &server);
    for _ in 0..3 {
        signed.send(&server).await.ok(200);
    }
    server.stop().await;
}

async fn queries_are_signed_in_any_order(db: Db) {
    let server = TestServer::start(db).await;
    let signer = signer(&server);
    let canonical = "a=1&a=2&empty=&name=home-region-1&text=%C3%A9%20%2F";
    let signed = signer.sign("GET", "/v3/projects", canonical, "");
    for sent in [
        canonical,
        "name=home-region-1&text=%c3%a9+%2f&empty&a=2&a=1",
        "text=%C3%A9%20/&a=2&empty=&%6eame=home-region-1&a=1",
    ] {
        let signed = Signed {
            query: sent.into(),
            ..signed.clone()
        };
        let found = signed.send(&server).await.ok(200);
        assert_eq!(
            found["projects"][0]["id"],
            server.account.project.id.as_str()
        );
    }
    for sent in [
        "",
        "name=home-region-1",
        "a=1&a=2&a=3&empty=&name=home-region-1&text=%C3%A9%20%2F",
    ] {
        let signed = Signed {
            query: sent.into(),
            ..signed.clone()
        };
        let refused = signed.send(&server).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]["message"]),
            (401, &json!(NOT_VALID))
        );
    }
    server.stop().await;
}

async fn whatever_is_changed_after_signing_is_noticed_i_10(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("target", json!({})).await;
    let body = json!({ "key_id": key }).to_string();
    let good = signer(&server).sign("POST", &server.kms_path("describe-key"), "", &body);
    good.send(&server).await.ok(200);
    let disable = server.kms_path("disable-key");
    type Change<'c> = &'c dyn Fn(&mut Signed);
    let changes: [(&str, Change<'_>); 15] = [
        ("another call", &|s| s.path = disable.clone()),
        ("more query", &|s| s.query = "x=1".into()),
        ("more body", &|s| s.body.push(' ')),
        ("no body", &|s| s.body.clear()),
        ("a signed header", &|s| s.set("user-agent", "curl")),
        ("another media type", &|s| {
            s.set("content-type", "application/json")
        }),
        ("another project", &|s| s.set("x-project-id", "0")),
        ("another host", &|s| {
            s.set("host", "kms.region-2.example.test")
        }),
        ("another date", &|s| s.set("x-sdk-date", "20260102T030406Z")),
        ("one digit", &|s| {
            let last = s.header("authorization").chars().last().unwrap();
            let other = if last == '0' { "1" } else { "0" };
            let mut changed = s.header("authorization").to_owned();
            changed.pop();
            s.set("authorization", &format!("{changed}{other}"));
        }),
        ("a short signature", &|s| {
            let mut changed = s.header("authorization").to_owned();
            changed.truncate(changed.len() - 2);
            s.set("authorization", &changed);
        }),
        ("no signature", &|s| {
            let (before, _) = s.header("authorization").split_once("Signature=").unwrap();
            let changed = format!("{before}Signature=");
            s.set("authorization", &changed);
        }),
        ("capitals", &|s| {
            let (before, hex) = s.header("authorization").rsplit_once('=').unwrap();
            let changed = format!("{before}={}", hex.to_uppercase());
            s.set("authorization", &changed);
        }),
        ("fewer headers", &|s| s.rewrite("host;", "")),
        ("another access key", &|s| s.rewrite("Access=", "Access=X")),
    ];
    for (what, change) in changes {
        let mut changed = good.clone();
        change(&mut changed);
        let answer = changed.send(&server).await;
        assert_eq!(
            answer.verdict(),
            (401, "APIGW.0301".into()),
            "{what}: {}",
            answer.text
        );
        assert_eq!(answer.refused(401, "APIGW.0301"), NOT_VALID, "{what}");
    }
    // What is not signed may change, the method never.
    let mut unsigned = good.clone();
    unsigned.set("x-unsigned", "1");
    unsigned.send(&server).await.ok(200);
    let mut head = signer(&server).sign("GET", &server.kms_path("user-instances"), "", "");
    head.method = "HEAD";
    assert_eq!(head.send(&server).await.status, 401);
    assert_eq!(server.state(&key).await, "2");
    server.stop().await;
}

async fn the_payload_hash_is_ours_i_11(db: Db) {
    let server = TestServer::start(db).await;
    let body = json!({ "key_spec": "ALL" }).to_string();
    let right = kmsd::crypto::hash::sha256_hex(body.as_bytes());
    let empty = kmsd::crypto::hash::sha256_hex(b"");
    for (stated, good) in [
        (right.as_str(), true),
        (&right.to_uppercase(), false),
        (&empty, false),
        ("UNSIGNED-PAYLOAD", false),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", false),
        ("", false),
    ] {
        for names in [
            vec!["x-sdk-content-sha256", "x-sdk-date"],
            vec!["x-sdk-date"],
        ] {
            let mut signer = signer(&server);
            signer.names = names;
            signer
                .headers
                .push(("x-sdk-content-sha256", stated.to_owned()));
            let answer = try_list(&signer, &server).await;
            if good {
                answer.ok(200);
            } else {
                let said = answer.refused(401, "APIGW.0301");
                assert_eq!(said, "X-Sdk-Content-Sha256 is not the SHA-256 of the body");
            }
        }
    }
    // The client's word does not stand in for the hash, even where it is signed.
    let mut signed = list_keys(&signer(&server), &server);
    signed.set("x-sdk-content-sha256", &right);
    signed.body = json!({}).to_string();
    signed.send(&server).await.refused(401, "APIGW.0301");
    server.stop().await;
}

async fn the_list_of_signed_headers_has_one_form_i_12(db: Db) {
    let server = TestServer::start(db).await;
    let form = "SignedHeaders must be lower-case names, sorted, each once, joined with ;";
    for (names, says) in [
        (vec!["x-sdk-date", "host"], form),
        (vec!["host", "host", "x-sdk-date"], form),
        (vec!["host", "x-sdk-date", "x-sdk-date"], form),
        (vec!["Host", "x-sdk-date"], form),
        (vec!["host", "X-Sdk-Date"], form),
        (vec!["", "x-sdk-date"], form),
        (vec!["x-sdk-date", ""], form),
        (vec!["host", " x-sdk-date"], form),
        (vec![], form),
        (vec!["host"], "X-Sdk-Date is not among SignedHeaders"),
        (
            vec!["x-absent", "x-sdk-date"],
            "x-absent is among SignedHeaders, but was not sent",
        ),
    ] {
        let mut signer = signer(&server);
        signer.names = names;
        let answer = try_list(&signer, &server).await;
        assert_eq!(
            answer.refused(401, "APIGW.0301"),
            says,
            "{:?}",
            signer.names
        );
    }
    let mut signer = signer(&server);
    signer.names.insert(0, "accept");
    signer.headers.push(("accept", "a".to_owned()));
    let mut twice = list_keys(&signer, &server);
    twice.headers.push(("accept", "b".to_owned()));
    let answer = twice.send(&server).await;
    assert_eq!(
        answer.refused(401, "APIGW.0301"),
        "header accept stands there twice"
    );
    server.stop().await;
}

async fn the_date_is_signed_and_near_i_13_i_14(db: Db) {
    let server = TestServer::start(db).await;
    server.clock.advance(Duration::from_secs(3600));
    let now = START.plus(Duration::from_secs(3600));
    for (seconds, good) in [(0, true), (900, true), (901, false), (86_400, false)] {
        let off = Duration::from_secs(seconds);
        for at in [now.minus(off), now.plus(off)] {
            let signer = Signer::new(&server, &server.account, at);
            let answer = try_list(&signer, &server).await;
            if good {
                answer.ok(200);
                continue;
            }
            assert_eq!(
                answer.refused(401, "APIGW.0301"),
                format!(
                    "signature expired: signed at {}, the server's time is 20260102T040405Z; \
                     more than 15 minutes",
                    at.iso_basic()
                )
            );
        }
    }
    for (date, says) in [
        ("", "X-Sdk-Date is not like 20260102T030405Z"),
        (
            "2026-01-02T04:04:05Z",
            "X-Sdk-Date is not like 20260102T030405Z",
        ),
        ("20260102T040405", "X-Sdk-Date is not like 20260102T030405Z"),
        (
            "20261302T040405Z",
            "X-Sdk-Date is not like 20260102T030405Z",
        ),
        ("1767326645", "X-Sdk-Date is not like 20260102T030405Z"),
    ] {
        let mut signer = Signer::new(&server, &server.account, now);
        signer.date = date.into();
        let answer = try_list(&signer, &server).await;
        assert_eq!(answer.refused(401, "APIGW.0301"), says, "{date:?}");
    }
    let signer = Signer::new(&server, &server.account, now);
    let good = list_keys(&signer, &server);
    let mut missing = good.clone();
    missing.remove("x-sdk-date");
    missing.set("date", "Fri, 02 Jan 2026 04:04:05 GMT");
    let answer = missing.send(&server).await;
    assert_eq!(answer.refused(401, "APIGW.0301"), "X-Sdk-Date is missing");
    let mut twice = good.clone();
    twice.headers.push(("x-sdk-date", signer.date.clone()));
    twice.send(&server).await.refused(401, "APIGW.0301");
    good.send(&server).await.ok(200);
    server.stop().await;
}

async fn the_window_is_what_is_configured(db: Db) {
    let setup = Setup::from(db).with("signatures.clock_minutes", "5");
    let server = TestServer::start(setup).await;
    for (seconds, good) in [(300, true), (301, false)] {
        let at = START.plus(Duration::from_secs(seconds));
        let answer = try_list(&Signer::new(&server, &server.account, at), &server).await;
        if good {
            answer.ok(200);
        } else {
            let said = answer.refused(401, "APIGW.0301");
            assert!(said.ends_with("more than 5 minutes"), "{said}");
        }
    }
    server.stop().await;
}

async fn a_scope_names_its_day_its_region_and_kms_i_12(db: Db) {
    let server = TestServer::start(db).await;
    let day = "the day in the credential's scope is not that of X-Sdk-Date";
    let region = "the credential's scope is for a region that is not served here";
    let service = "the credential's scope is for another service than kms";
    let form = "the credential's scope is malformed";
    for scheme in [Scheme::V11, Scheme::Otc] {
        for (scope, says) in [
            ("20260103/home-region-1/kms", day),
            ("20260101/home-region-1/kms", day),
            ("2026/home-region-1/kms", day),
            ("/home-region-1/kms", day),
            ("20260102/nowhere/kms", region),
            ("20260102/Home-Region-1/kms", region),
            ("20260102//kms", region),
            ("20260102/home-region-1/iam", service),
            ("20260102/home-region-1/KMS", service),
            ("20260102/home-region-1", form),
            ("20260102/home-region-1/kms/x", form),
            ("20260102", form),
        ] {
            let scope = scope.to_owned();
            let signer = Signer {
                scheme,
                scope,
                ..signer(&server)
            };
            let answer = try_list(&signer, &server).await;
            assert_eq!(
                answer.refused(401, "APIGW.0301"),
                says,
                "{scheme:?} {}",
                signer.scope
            );
        }
        // The scope is part of what is signed.
        let signer = Signer {
            scheme,
            ..signer(&server)
        };
        let mut moved = list_keys(&signer, &server);
        moved.rewrite("/home-region-1/", "/region-2/");
        let answer = moved.send(&server).await;
        assert_eq!(answer.refused(401, "APIGW.0301"), NOT_VALID);
    }
    // One scheme's signature is none in another.
    let otc = Signer {
        scheme: Scheme::Otc,
        ..signer(&server)
    };
    let mut renamed = list_keys(&otc, &server);
    renamed.rewrite("/sdk_request", "");
    renamed.rewrite("SDK-HMAC-SHA256", "V11-HMAC-SHA256");
    let answer = renamed.send(&server).await;
    assert_eq!(answer.refused(401, "APIGW.0301"), NOT_VALID);
    server.stop().await;
}

async fn an_unknown_access_key_answers_like_a_wrong_secret_i_8(db: Db) {
    let server = TestServer::start(db).await;
    let mut texts = Vec::new();
    for (access_key, secret) in [
        (server.account.access_key.as_str(), "wrong"),
        ("TESTACCESSKEYUNKNOWN0000", &server.account.secret_key),
        ("not-even-a-key", &server.account.secret_key),
        ("", &server.account.secret_key),
    ] {
        let mut signer = signer(&server);
        signer.access_key = access_key.into();
        signer.secret_key = secret.into();
        let answer = try_list(&signer, &server).await;
        answer.refused(401, "APIGW.0301");
        texts.push(answer.text);
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    server.stop().await;
}

async fn access_keys_end(db: Db) {
    let server = TestServer::start(db).await;
    let own = &server.account;
    let lifetime = Some(Duration::from_secs(60));
    let project = own.project.name.as_str();
    let new = manage::add_access_key(&server.kms, &own.domain, &own.user, project, lifetime)
        .await
        .unwrap();
    let mut short = signer(&server);
    short.access_key = new.id.to_string();
    short.secret_key = String::from_utf8(new.secret.expose().to_vec()).unwrap();
    // It is a temporary one, and goes with its session token, which is signed.
    let alone = try_list(&short, &server).await;
    alone.refused(401, "KMS.0302");
    let token = manage::session_token(&server.kms, &new.id).await.unwrap();
    let token = token.unwrap();
    short.headers.push(("x-security-token", token.clone()));
    let unsigned = try_list(&short, &server).await;
    unsigned.refused(401, "APIGW.0301");
    short.names.push("x-security-token");
    short.names.sort_unstable();
    try_list(&short, &server).await.ok(200);
    server.clock.advance(Duration::from_millis(59_999));
    try_list(&short, &server).await.ok(200);
    server.clock.advance(Duration::from_millis(1));
    let ended = try_list(&short, &server).await;
    ended.refused(401, "KMS.0303");
    let mut lasting = signer(&server);
    lasting.headers.push(("x-security-token", token));
    lasting.names.push("x-security-token");
    lasting.names.sort_unstable();
    try_list(&lasting, &server).await.refused(401, "KMS.0302");

    // Its user disabled and enabled again, and the key removed: at once, each time.
    let own_signer = signer(&server);
    try_list(&own_signer, &server).await.ok(200);
    let set = async |enabled| {
        manage::set_user_enabled(&server.kms, &own.domain, &own.user, enabled)
            .await
            .unwrap();
    };
    set(false).await;
    let disabled = try_list(&own_signer, &server).await;
    assert_eq!(disabled.refused(401, "APIGW.0301"), NOT_VALID);
    set(true).await;
    try_list(&own_signer, &server).await.ok(200);
    manage::remove_access_key(&server.kms, &own.access_key)
        .await
        .unwrap();
    let removed = try_list(&own_signer, &server).await;
    assert_eq!(removed.refused(401, "APIGW.0301"), NOT_VALID);
    server.stop().await;
}

async fn one_credential_decides_i_3(db: Db) {
    let server = TestServer::start(db).await;
    let mut good = list_keys(&signer(&server), &server);
    // A good signature does not rescue a bad token.
    for bad in ["rubbish", ""] {
        good.set("x-auth-token", bad);
        good.send(&server).await.refused(401, "KMS.0302");
    }
    // Beside a good token the signature is not looked at; the vendor's SDK sends both.
    good.set("x-auth-token", &server.token);
    for authorization in [
        "none",
        "SDK-HMAC-SHA256 Access=x, SignedHeaders=x, Signature=x",
    ] {
        good.set("authorization", authorization);
        good.send(&server).await.ok(200);
    }
    let mut temporary = signer(&server);
    temporary.names = vec!["x-sdk-date", "x-security-token"];
    temporary
        .headers
        .push(("x-security-token", "temporary".to_owned()));
    let answer = try_list(&temporary, &server).await;
    assert_eq!(
        answer.refused(401, "KMS.0302"),
        "the token is not valid: the access key is not a temporary one"
    );
    let mut twice = list_keys(&signer(&server), &server);
    let authorization = twice.header("authorization").to_owned();
    twice.headers.push(("authorization", authorization));
    twice.send(&server).await.refused(401, "APIGW.0301");
    server.stop().await;
}

async fn the_access_keys_project_decides_i_13(db: Db) {
    let server = TestServer::start(db).await;
    let stranger: Account = server.another_account("evil").await;
    let mut signer = Signer::new(&server, &stranger, START);
    signer.names = vec!["host", "x-sdk-date"];
    // Unsigned, and somebody else's.
    signer.headers = vec![("x-project-id", server.account.project.id.to_string())];
    let answer = try_list(&signer, &server).await;
    answer.refused(403, "KMS.0321");
    let own = format!("/v1.0/{}/kms/list-keys", stranger.project.id);
    signer
        .sign("POST", &own, "", "{}")
        .send(&server)
        .await
        .ok(200);
    let found = signer
        .sign("GET", "/v3/auth/projects", "", "")
        .send(&server)
        .await;
    let found = found.ok(200);
    assert_eq!(found["projects"][0]["id"], stranger.project.id.as_str());
    assert_eq!(found["projects"].as_array().unwrap().len(), 1);
    server.stop().await;
}

async fn authorization_headers_that_are_none(db: Db) {
    let server = TestServer::start(db).await;
    let good = list_keys(&signer(&server), &server);
    let header = good.header("authorization");
    let access = format!("Access={}", server.account.access_key);
    for bad in [
        header.replace("SDK-HMAC-SHA256", "sdk-hmac-sha256"),
        header.replace("SDK-HMAC-SHA256", "SDK-HMAC-SM3"),
        header.replace("SDK-HMAC-SHA256", "SDK-ECDSA-P256-SHA256"),
        header.replace("SDK-HMAC-SHA256", "V11-HMAC-SHA256"),
        header.replace("SDK-HMAC-SHA256", "AWS4-HMAC-SHA256"),
        header.replace("SDK-HMAC-SHA256 ", ""),
        header.replace(&access, ""),
        header.replace(&access, &format!("{access}, {access}")),
        header.replace(&access, &format!("{access}, Credential=x/y")),
        header.replace("Access", "access"),
        header.replace("Signature=", "Signature"),
        header.replace("SignedHeaders=", "Headers="),
        format!("{header}, Signature=00"),
        format!("{header}, More=1"),
        format!("{header},"),
    ] {
        let mut signed = good.clone();
        signed.set("authorization", &bad);
        let answer = signed.send(&server).await;
        let said = answer.refused(401, "APIGW.0301");
        assert!(said.starts_with("Authorization "), "{bad}: {said}");
        assert!(!said.contains(&server.account.access_key), "{said}");
    }
    server.stop().await;
}

/// An access key's id is no secret: whoever knows it must not be able to lock its owner out.
async fn guessing_from_one_place_locks_nobody_out_elsewhere_i_9(db: Db) {
    let setup = Setup {
        file: Some("tls.terminated_by_proxy = [\"127.0.0.1\"]"),
        ..Setup::from(db).with("limits.refusals_per_minute", "3")
    };
    let server = TestServer::start(setup).await;
    let from = async |source: &str, signer: &Signer| {
        let mut signed = list_keys(signer, &server);
        signed.set("x-forwarded-for", source);
        signed.send(&server).await
    };
    let owner = signer(&server);
    let mut guesser = owner.clone();
    guesser.secret_key = "wrong".into();
    for _ in 0..20 {
        from("192.0.2.1", &guesser).await;
    }
    from("192.0.2.1", &guesser).await.refused(429, "APIGW.0308");
    from("192.0.2.1", &owner).await.refused(429, "APIGW.0308");
    for _ in 0..5 {
        from("192.0.2.2", &owner).await.ok(200);
    }
    // What a client writes in front of the proxy's word does not count.
    from("192.0.2.2, 192.0.2.1", &owner)
        .await
        .refused(429, "APIGW.0308");
    from("192.0.2.1, 192.0.2.2", &owner).await.ok(200);
    server.stop().await;
}
