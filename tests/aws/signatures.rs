//! Signature Version 4: good in both forms, and bad in every part (threat model I-3, I-8, I-10 to
//! I-15; contract, section 12).

use std::time::Duration;

use kmsd::model::ids::AccessKeyId;
use kmsd::operations::identity::manage;

use crate::support::aws::{AwsRequest, AwsSigner, HOME};
use crate::support::{Db, START, Setup, TestServer, on_both};

on_both!(
    both_forms_are_right_in_every_served_region,
    every_part_counts,
    every_part_of_a_presigned_request_counts,
    what_is_changed_after_signing_is_noticed_i_10,
    the_payload_hash_is_ours_i_11,
    what_must_be_signed_i_12,
    the_date_may_be_the_headers,
    a_request_is_signed_once_i_3,
    the_window_has_two_ends_i_14,
    presigned_requests_end_i_14,
    an_unknown_access_key_answers_like_a_wrong_secret_i_8,
    authorization_headers_that_are_none,
    targets_and_other_ways_to_ask,
    temporary_access_keys_go_with_their_tokens,
);

const INVALID: &str = "InvalidSignatureException";
const INCOMPLETE: &str = "IncompleteSignatureException";
const UNRECOGNIZED: &str = "UnrecognizedClientException";

fn list(signer: &AwsSigner) -> AwsRequest {
    signer.sign("ListKeys", r#"{"Limit":10}"#)
}

async fn outcome(server: &TestServer, request: &AwsRequest) -> String {
    request.send(server).await.aws_outcome()
}

async fn both_forms_are_right_in_every_served_region(db: Db) {
    let server = TestServer::start(db).await;
    for region in [HOME, "region-2"] {
        let mut signer = server.aws_signer();
        signer.region = region.into();
        list(&signer).send(&server).await.ok(200);
        // Equal requests have equal signatures, and both are right.
        list(&signer).send(&server).await.ok(200);
        let presigned = signer.presign("ListKeys", "{}", "60");
        presigned.send(&server).await.ok(200);
    }
    // What other SDKs sign beside that; inner runs of spaces are one.
    let more = server
        .aws_signer()
        .with_header(
            "amz-sdk-invocation-id",
            "2d7c4a4e-ff6c-4f11-8f5e-d3ad2d6c3b67",
        )
        .with_header("x-amz-user-agent", "  aws-sdk-js/3   api/kms ");
    list(&more).send(&server).await.ok(200);
    // SDKs differ in the space after commas.
    let mut tight = list(&server.aws_signer());
    tight.rewrite(", ", ",");
    tight.send(&server).await.ok(200);
    server.stop().await;
}

type Change = fn(&mut AwsSigner);

/// What can be wrong in a signature whose sum is right, and what that is called.
const WRONG_PARTS: &[(&str, &str, Change)] = &[
    ("algorithm", INCOMPLETE, |s| {
        s.algorithm = "AWS4-ECDSA-P256-SHA256".into();
    }),
    ("day", INVALID, |s| s.day = "20260101".into()),
    ("short day", INVALID, |s| s.day = "2026".into()),
    ("region", INVALID, |s| s.region = "moon-1".into()),
    ("no region", INVALID, |s| s.region = String::new()),
    ("service", INVALID, |s| s.service = "s3".into()),
    ("terminator", INVALID, |s| {
        s.terminator = "sdk_request".into()
    }),
    ("secret", INVALID, |s| s.secret_key.push('x')),
    ("access key", INVALID, |s| s.access_key = "NOBODY".into()),
    ("slash", INCOMPLETE, |s| s.access_key = "A/B".into()),
    ("date", INCOMPLETE, |s| {
        s.date = "2026-01-02T03:04:05Z".into()
    }),
    ("host", INVALID, |s| s.names.retain(|name| name != "host")),
    ("order", INVALID, |s| s.names.reverse()),
    ("twice", INVALID, |s| s.names.insert(1, s.names[1].clone())),
    ("nothing", INVALID, |s| s.names.clear()),
    ("capitals", INVALID, |s| s.names[0] = "Content-Type".into()),
    ("absent header", INVALID, |s| s.names[0] = "absent".into()),
];

async fn every_part_counts(db: Db) {
    let server = TestServer::start(db).await;
    for (part, kind, change) in WRONG_PARTS {
        let mut signer = server.aws_signer();
        change(&mut signer);
        assert_eq!(outcome(&server, &list(&signer)).await, *kind, "{part}");
    }
    for name in ["x-amz-date", "x-amz-target"] {
        let mut signer = server.aws_signer();
        signer.names.retain(|known| known != name);
        assert_eq!(outcome(&server, &list(&signer)).await, INVALID, "{name}");
    }
    server.stop().await;
}

async fn every_part_of_a_presigned_request_counts(db: Db) {
    let server = TestServer::start(db).await;
    for (part, kind, change) in WRONG_PARTS {
        let mut signer = server.aws_signer();
        change(&mut signer);
        let request = signer.presign("ListKeys", "{}", "60");
        assert_eq!(outcome(&server, &request).await, *kind, "{part}");
    }
    for seconds in ["0", "604801", "-1", "1.5", "x", ""] {
        let request = server.aws_signer().presign("ListKeys", "{}", seconds);
        assert_eq!(outcome(&server, &request).await, INCOMPLETE, "{seconds}");
    }
    let good = server.aws_signer().presign("ListKeys", "{}", "60");
    let pairs: Vec<&str> = good.query.split('&').collect();
    for (at, pair) in pairs.iter().enumerate() {
        let mut without = good.clone();
        let mut rest = pairs.clone();
        rest.remove(at);
        without.query = rest.join("&");
        let wanted = if pair.starts_with("X-Amz-Signature") {
            "MissingAuthenticationTokenException"
        } else {
            INCOMPLETE
        };
        assert_eq!(outcome(&server, &without).await, wanted, "without {pair}");
        let mut twice = good.clone();
        twice.query.push_str(&format!("&{pair}"));
        assert_eq!(outcome(&server, &twice).await, INCOMPLETE, "twice {pair}");
    }
    let mut more = good.clone();
    more.query.push_str("&more=x");
    assert_eq!(outcome(&server, &more).await, INVALID);
    let mut more = good.clone();
    more.body = r#"{"Limit":1}"#.into();
    assert_eq!(outcome(&server, &more).await, INVALID);
    server.stop().await;
}

async fn what_is_changed_after_signing_is_noticed_i_10(db: Db) {
    let server = TestServer::start(db).await;
    let good = list(&server.aws_signer());
    for (name, value) in [
        ("host", "elsewhere.example"),
        ("x-amz-target", "TrentService.CreateKey"),
        ("x-amz-date", "20260102T030406Z"),
        ("content-type", "application/json"),
    ] {
        let mut changed = good.clone();
        changed.set(name, value);
        assert_eq!(outcome(&server, &changed).await, INVALID, "{name}");
    }
    let mut body = good.clone();
    body.body = r#"{"Limit":11}"#.into();
    assert_eq!(outcome(&server, &body).await, INVALID);
    let mut query = good.clone();
    query.query = "a=b".into();
    assert_eq!(outcome(&server, &query).await, INVALID);
    let signature = good.header("authorization").rsplit_once('=').unwrap().1;
    for other in [
        "",
        "0",
        &signature[..63],
        &signature.to_uppercase(),
        &"0".repeat(64),
    ] {
        let mut changed = good.clone();
        changed.rewrite(
            &format!("Signature={signature}"),
            &format!("Signature={other}"),
        );
        assert_eq!(outcome(&server, &changed).await, INVALID, "{other}");
    }
    server.stop().await;
}

async fn the_payload_hash_is_ours_i_11(db: Db) {
    let server = TestServer::start(db).await;
    let body_hash = "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356";
    for literal in [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        body_hash,
    ] {
        // Said and signed; and signed alone.
        let mut signer = server.aws_signer();
        signer.payload_hash = Some(literal.into());
        assert_eq!(outcome(&server, &list(&signer)).await, INVALID, "{literal}");
        let signer = signer.with_header("x-amz-content-sha256", literal);
        assert_eq!(outcome(&server, &list(&signer)).await, INVALID, "{literal}");
    }
    // The JS SDK says it, and rightly.
    let right = kmsd::crypto::hash::sha256_hex(br#"{"Limit":10}"#);
    let signer = server
        .aws_signer()
        .with_header("x-amz-content-sha256", &right);
    list(&signer).send(&server).await.ok(200);
    server.stop().await;
}

async fn what_must_be_signed_i_12(db: Db) {
    let server = TestServer::start(db).await;
    for name in ["x-amz-user-agent", "x-amz-anything", "x-amz-security-token"] {
        let mut request = list(&server.aws_signer());
        request.set(name, "x");
        assert_eq!(outcome(&server, &request).await, INVALID, "{name}");
    }
    // What proxies add is nobody's business.
    let mut request = list(&server.aws_signer());
    request.set("x-forwarded-for", "192.0.2.1");
    request.set("amz-sdk-request", "attempt=1");
    request.send(&server).await.ok(200);
    server.stop().await;
}

/// Contract, section 12: where there is no X-Amz-Date, the Date header counts.
async fn the_date_may_be_the_headers(db: Db) {
    let server = TestServer::start(db).await;
    let dated = |date: &str, is_signed: bool| {
        let mut signer = server.aws_signer();
        signer.names.retain(|name| name != "x-amz-date");
        signer.headers.push(("date".into(), date.into()));
        if is_signed {
            signer.names.insert(1, "date".into());
        }
        let mut request = list(&signer);
        request.remove("x-amz-date");
        request
    };
    for (date, is_signed, wanted) in [
        ("Fri, 02 Jan 2026 03:04:05 GMT", true, "ok"),
        ("20260102T030405Z", true, "ok"),
        ("Fri, 02 Jan 2026 03:04:05 GMT", false, INVALID),
        // Another time than was signed; one that is over.
        ("Fri, 02 Jan 2026 03:04:06 GMT", true, INVALID),
        ("Fri, 02 Jan 2026 02:04:05 GMT", true, INVALID),
        ("2026-01-02T03:04:05Z", true, INCOMPLETE),
        ("now", true, INCOMPLETE),
    ] {
        let request = dated(date, is_signed);
        assert_eq!(
            outcome(&server, &request).await,
            wanted,
            "{date} {is_signed}"
        );
    }
    server.stop().await;
}

async fn a_request_is_signed_once_i_3(db: Db) {
    let server = TestServer::start(db).await;
    let good = list(&server.aws_signer());
    for name in ["authorization", "x-amz-date"] {
        let mut twice = good.clone();
        let value = twice.header(name).to_owned();
        twice.headers.push((name.into(), value));
        assert_eq!(outcome(&server, &twice).await, INCOMPLETE, "{name}");
    }
    let mut twice = good.clone();
    twice
        .headers
        .push(("x-amz-target".into(), "TrentService.ListKeys".into()));
    assert_ne!(outcome(&server, &twice).await, "ok");
    let mut twice = good.clone();
    twice
        .headers
        .push(("content-type".into(), "text/plain".into()));
    assert_eq!(outcome(&server, &twice).await, INVALID);
    // In the header and in the query, both right.
    let mut both = server.aws_signer().presign("ListKeys", "{}", "60");
    let header = server.aws_signer().sign("ListKeys", "{}");
    both.set("authorization", header.header("authorization"));
    both.set("x-amz-date", header.header("x-amz-date"));
    assert_eq!(outcome(&server, &both).await, INCOMPLETE);
    // A token of the other dialect is none here.
    let mut token = good.clone();
    token.remove("authorization");
    token.set("x-auth-token", &server.token);
    let missing = "MissingAuthenticationTokenException";
    assert_eq!(outcome(&server, &token).await, missing);
    server.stop().await;
}

async fn the_window_has_two_ends_i_14(db: Db) {
    for (minutes, setup) in [
        (5, Setup::from(db)),
        (
            15,
            Setup::from(db).with("signatures.aws_clock_minutes", "15"),
        ),
    ] {
        let server = TestServer::start(setup).await;
        let window = Duration::from_secs(minutes * 60);
        let second = Duration::from_secs(1);
        for (at, wanted) in [
            (START.minus(window), None),
            (START.plus(window), None),
            (START.minus(window + second), Some("Signature expired: ")),
            (
                START.plus(window + second),
                Some("Signature not yet current: "),
            ),
        ] {
            let signer = AwsSigner::new(&server, &server.account, at);
            let answer = list(&signer).send(&server).await;
            match wanted {
                None => drop(answer.ok(200)),
                Some(words) => {
                    let said = answer.aws_refused(INVALID);
                    assert!(said.starts_with(words), "{said}");
                    assert!(said.contains(&format!("{minutes} min.)")), "{said}");
                }
            }
        }
        server.stop().await;
    }
    // Byte for byte: SDKs read these.
    let server = TestServer::start(db).await;
    let early = AwsSigner::new(
        &server,
        &server.account,
        START.minus(Duration::from_secs(301)),
    );
    let said = list(&early).send(&server).await.aws_refused(INVALID);
    assert_eq!(
        said,
        "Signature expired: 20260102T025904Z is now earlier than 20260102T025905Z \
         (20260102T030405Z - 5 min.)"
    );
    server.stop().await;
}

async fn presigned_requests_end_i_14(db: Db) {
    let server = TestServer::start(db).await;
    let request = server.aws_signer().presign("ListKeys", "{}", "3600");
    server.clock.advance(Duration::from_secs(3600));
    request.send(&server).await.ok(200);
    server.clock.advance(Duration::from_secs(1));
    let said = request.send(&server).await.aws_refused(INVALID);
    assert!(said.starts_with("Signature expired: "), "{said}");
    server.stop().await;
}

async fn an_unknown_access_key_answers_like_a_wrong_secret_i_8(db: Db) {
    let server = TestServer::start(db).await;
    let mut unknown = server.aws_signer();
    unknown.access_key = "NOBODYSACCESSKEY0001".into();
    let mut wrong = server.aws_signer();
    wrong.secret_key = "wrong".into();
    let unknown = list(&unknown).send(&server).await;
    let wrong = list(&wrong).send(&server).await;
    assert_eq!(unknown.aws_refused(INVALID), wrong.aws_refused(INVALID));
    assert_eq!(unknown.status, wrong.status);
    server.stop().await;
}

async fn authorization_headers_that_are_none(db: Db) {
    let server = TestServer::start(db).await;
    let good = list(&server.aws_signer());
    for bad in [
        "",
        "none",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 ",
        "AWS AKIA:c2ln",
        "Bearer x",
        "SDK-HMAC-SHA256 Access=x, SignedHeaders=x, Signature=x",
        "AWS4-HMAC-SHA256 Credential=a/b/c/kms/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a/b/c/kms/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=x",
        "AWS4-HMAC-SHA256 Credential=a/b/c/kms/aws4_request, SignedHeaders=host, Signature=x, More=x",
        "AWS4-HMAC-SHA256 Credential=a/b/c/kms/aws4_request, SignedHeaders=host, SignedHeaders=host, Signature=x",
    ] {
        let mut request = good.clone();
        request.set("authorization", bad);
        assert_eq!(outcome(&server, &request).await, INCOMPLETE, "{bad}");
    }
    let mut request = good.clone();
    request.remove("authorization");
    let answer = request.send(&server).await;
    answer.aws_refused("MissingAuthenticationTokenException");
    let mut request = good;
    request.remove("x-amz-date");
    let said = request.send(&server).await.aws_refused(INCOMPLETE);
    assert!(said.contains("'X-Amz-Date'"), "{said}");
    server.stop().await;
}

async fn targets_and_other_ways_to_ask(db: Db) {
    let server = TestServer::start(db).await;
    let unknown = "UnknownOperationException";
    for target in [
        "",
        "ListKeys",
        "TrentService",
        "TrentService.",
        "TrentService.listKeys",
        "TrentService.Nothing",
        "trentservice.ListKeys",
        "DynamoDB_20120810.ListTables",
    ] {
        let request = server.aws_signer().sign_target(target, "{}");
        assert_eq!(outcome(&server, &request).await, unknown, "{target}");
    }
    let mut request = list(&server.aws_signer());
    request.remove("x-amz-target");
    assert_eq!(outcome(&server, &request).await, unknown);

    // The body says what it is; its media type is signed, and otherwise not asked for.
    for media_type in ["application/json", "application/cbor", "text/plain"] {
        let mut signer = server.aws_signer();
        signer.headers = vec![("content-type".into(), media_type.into())];
        assert_eq!(outcome(&server, &list(&signer)).await, "ok", "{media_type}");
    }
    // Other methods are those of the other dialect.
    for (method, status) in [("GET", 200), ("PUT", 405), ("DELETE", 405)] {
        let mut request = list(&server.aws_signer());
        request.method = method;
        assert_eq!(request.send(&server).await.status, status, "{method}");
    }
    for bad in ["[]", "1", "\"x\"", "{", "{\"Limit\":1,\"Limit\":2}", "null"] {
        let request = server.aws_signer().sign("ListKeys", bad);
        let kind = outcome(&server, &request).await;
        assert_eq!(kind, "SerializationException", "{bad}");
    }
    let empty = server.aws_signer().sign("ListKeys", "");
    empty.send(&server).await.ok(200);
    server.stop().await;
}

async fn temporary_access_keys_go_with_their_tokens(db: Db) {
    let server = TestServer::start(db).await;
    let own = &server.account;
    let lifetime = Some(Duration::from_secs(3600));
    let make = async || {
        let project = own.project.name.as_str();
        let made = manage::add_access_key(&server.kms, &own.domain, &own.user, project, lifetime);
        let made = made.await.unwrap();
        let token = manage::session_token(&server.kms, &made.id).await.unwrap();
        (made, token.unwrap())
    };
    let (made, token) = make().await;
    let (_, anothers) = make().await;
    let as_temporary = || {
        let mut signer = AwsSigner::new(&server, own, server.kms.now());
        signer.access_key = made.id.to_string();
        signer.secret_key = String::from_utf8(made.secret.expose().to_vec()).unwrap();
        signer
    };
    list(&as_temporary().with_token(&token))
        .send(&server)
        .await
        .ok(200);
    let presigned = as_temporary()
        .with_token(&token)
        .presign("ListKeys", "{}", "60");
    presigned.send(&server).await.ok(200);

    assert_eq!(outcome(&server, &list(&as_temporary())).await, UNRECOGNIZED);
    for bad in [&*anothers, "rubbish", "", &token[1..]] {
        let signer = as_temporary().with_token(bad);
        assert_eq!(
            outcome(&server, &list(&signer)).await,
            UNRECOGNIZED,
            "{bad}"
        );
    }
    // A lasting access key has none.
    let lasting = server.aws_signer().with_token(&token);
    assert_eq!(outcome(&server, &list(&lasting)).await, UNRECOGNIZED);
    let lasting = AccessKeyId::parse(own.access_key.as_str()).unwrap();
    let none = manage::session_token(&server.kms, &lasting).await.unwrap();
    assert_eq!(none, None);
    // Without the secret nothing of this is told.
    let mut guess = as_temporary().with_token(&token);
    guess.secret_key.push('x');
    assert_eq!(outcome(&server, &list(&guess)).await, INVALID);

    server.clock.advance(Duration::from_secs(3600));
    let ended = list(&as_temporary().with_token(&token)).send(&server).await;
    assert_eq!(
        ended.aws_refused("ExpiredTokenException"),
        "The security token included in the request is expired"
    );
    server.stop().await;
}
