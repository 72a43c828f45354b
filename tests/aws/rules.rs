//! Aliases, tags, grants and key policies in AWS's dialect, over HTTP (contract, sections 7 to 10).

use serde_json::{Value, json};

use crate::support::{Db, TestServer, on_both};

on_both!(
    an_alias_is_made_moved_and_taken_away,
    names_and_targets_that_aliases_cannot_have,
    pages_of_aliases_follow_each_other,
    tags_are_put_overwritten_and_taken,
    tags_that_break_their_rules,
);

/// The id in a key's ARN.
fn id_of(arn: &str) -> &str {
    arn.rsplit_once('/').unwrap().1
}

async fn an_alias_is_made_moved_and_taken_away(db: Db) {
    let server = TestServer::start(db).await;
    let (one, two) = (
        server.aws_key(json!({})).await,
        server.aws_key(json!({})).await,
    );
    let account = server.account.project.account.to_string();
    let arn = format!("arn:aws:kms:home-region-1:{account}:alias/orders");
    let made = json!({ "AliasName": "alias/orders", "TargetKeyId": one });
    let answer = server.aws("CreateAlias", made.clone()).await;
    assert_eq!((answer.status, &*answer.text), (200, ""));
    assert_eq!(
        server
            .aws("CreateAlias", made)
            .await
            .aws_refused("AlreadyExistsException"),
        format!("An alias with the name {arn} already exists")
    );
    let described = server
        .aws("DescribeKey", json!({ "KeyId": "alias/orders" }))
        .await
        .ok(200);
    assert_eq!(described["KeyMetadata"]["Arn"], one);
    server.clock.advance(std::time::Duration::from_secs(60));
    let moved = json!({ "AliasName": "alias/orders", "TargetKeyId": id_of(&two) });
    server.aws("UpdateAlias", moved.clone()).await.ok(200);
    assert_eq!(
        server.aws("ListAliases", json!({})).await.ok(200),
        json!({ "Truncated": false, "Aliases": [{
            "AliasName": "alias/orders",
            "AliasArn": arn,
            "TargetKeyId": id_of(&two),
            "CreationDate": 1_767_323_045.0,
            "LastUpdatedDate": 1_767_323_105.0,
        }] })
    );
    let of = async |key: &str| {
        let listed = server.aws("ListAliases", json!({ "KeyId": key })).await;
        listed.ok(200)["Aliases"].as_array().unwrap().len()
    };
    assert_eq!((of(&one).await, of(&two).await), (0, 1));
    // Another kind, another usage; and only the new target must be staying.
    for members in [
        json!({ "KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT" }),
        json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" }),
    ] {
        let other = server.aws_key(members).await;
        let body = json!({ "AliasName": "alias/orders", "TargetKeyId": other });
        let answer = server.aws("UpdateAlias", body).await;
        answer.aws_refused("ValidationException");
    }
    let leave = json!({ "KeyId": two, "PendingWindowInDays": 7 });
    server.aws("ScheduleKeyDeletion", leave).await.ok(200);
    assert_eq!(
        server
            .aws("UpdateAlias", moved)
            .await
            .aws_refused("KMSInvalidStateException"),
        format!("{two} is pending deletion.")
    );
    let back = json!({ "AliasName": "alias/orders", "TargetKeyId": one });
    server.aws("UpdateAlias", back).await.ok(200);
    let named = json!({ "AliasName": "alias/orders" });
    server.aws("DeleteAlias", named.clone()).await.ok(200);
    for (operation, body) in [
        ("DeleteAlias", named),
        (
            "UpdateAlias",
            json!({ "AliasName": "alias/orders", "TargetKeyId": one }),
        ),
    ] {
        assert_eq!(
            server
                .aws(operation, body)
                .await
                .aws_refused("NotFoundException"),
            format!("Alias {arn} is not found.")
        );
    }
}

async fn names_and_targets_that_aliases_cannot_have(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let other = server.another_account("other").await;
    let foreign = server
        .aws_as(&other, "home-region-1", "CreateKey", json!({}))
        .await
        .ok(200);
    let foreign = foreign["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    for operation in ["CreateAlias", "UpdateAlias", "DeleteAlias"] {
        for name in ["alias/aws", "alias/aws/s3"] {
            let body = json!({ "AliasName": name, "TargetKeyId": key });
            let answer = server.aws(operation, body).await;
            assert_eq!(answer.aws_refused("NotAuthorizedException"), "");
        }
        for name in [
            json!("orders"),
            json!("alias/"),
            json!("alias/a b"),
            Value::Null,
        ] {
            let body = json!({ "AliasName": name, "TargetKeyId": key });
            let answer = server.aws(operation, body).await;
            answer.aws_refused("ValidationException");
        }
    }
    for (name, target, kind) in [
        ("alias/a:b", key.as_str(), "ValidationException"),
        ("alias/a", "alias/b", "ValidationException"),
        ("alias/a", "", "ValidationException"),
        ("alias/a", "no-key", "NotFoundException"),
        ("alias/a", &foreign, "NotFoundException"),
    ] {
        let body = json!({ "AliasName": name, "TargetKeyId": target });
        server.aws("CreateAlias", body).await.aws_refused(kind);
    }
    let body = json!({ "AliasName": 1, "TargetKeyId": key });
    let answer = server.aws("CreateAlias", body).await;
    answer.aws_refused("SerializationException");
}

async fn pages_of_aliases_follow_each_other(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    for number in 0..5 {
        let body = json!({ "AliasName": format!("alias/a{number}"), "TargetKeyId": key });
        server.aws("CreateAlias", body).await.ok(200);
    }
    let mut seen = Vec::new();
    let mut body = json!({ "Limit": 2 });
    loop {
        let page = server.aws("ListAliases", body.clone()).await.ok(200);
        for alias in page["Aliases"].as_array().unwrap() {
            seen.push(alias["AliasName"].as_str().unwrap().to_owned());
        }
        assert_eq!(page["Truncated"], page.get("NextMarker").is_some());
        let Some(marker) = page.get("NextMarker") else {
            break;
        };
        body["Marker"] = marker.clone();
    }
    assert_eq!(
        seen,
        ["alias/a0", "alias/a1", "alias/a2", "alias/a3", "alias/a4"]
    );
    // A marker is of one list only.
    for (operation, body) in [
        ("ListAliases", json!({ "Marker": "made up" })),
        (
            "ListAliases",
            json!({ "Marker": body["Marker"], "KeyId": key }),
        ),
        (
            "ListResourceTags",
            json!({ "Marker": body["Marker"], "KeyId": key }),
        ),
    ] {
        let answer = server.aws(operation, body).await;
        answer.aws_refused("InvalidMarkerException");
    }
    for limit in [0, 101] {
        let answer = server.aws("ListAliases", json!({ "Limit": limit })).await;
        answer.aws_refused("ValidationException");
    }
}

fn tag(key: &str, value: &str) -> Value {
    json!({ "TagKey": key, "TagValue": value })
}

async fn tags_are_put_overwritten_and_taken(db: Db) {
    let server = TestServer::start(db).await;
    let key = server
        .aws_key(json!({ "Tags": [tag("env", "test"), tag("team", "")] }))
        .await;
    let listed = async || {
        let listed = server
            .aws("ListResourceTags", json!({ "KeyId": key }))
            .await
            .ok(200);
        assert_eq!(listed["Truncated"], false);
        listed["Tags"].clone()
    };
    assert_eq!(listed().await, json!([tag("env", "test"), tag("team", "")]));
    let put = json!({ "KeyId": key, "Tags": [tag("env", "live"), tag("x", "y")] });
    let answer = server.aws("TagResource", put).await;
    assert_eq!((answer.status, &*answer.text), (200, ""));
    let take = json!({ "KeyId": key, "TagKeys": ["team", "never"] });
    server.aws("UntagResource", take.clone()).await.ok(200);
    assert_eq!(listed().await, json!([tag("env", "live"), tag("x", "y")]));
    let page = json!({ "KeyId": key, "Limit": 1 });
    let first = server.aws("ListResourceTags", page).await.ok(200);
    assert_eq!(first["Truncated"], true);
    let rest = json!({ "KeyId": key, "Marker": first["NextMarker"] });
    let rest = server.aws("ListResourceTags", rest).await.ok(200);
    assert_eq!(rest, json!({ "Tags": [tag("x", "y")], "Truncated": false }));
    // A key that is leaving keeps its tags; Huawei's calls may change them.
    let leave = json!({ "KeyId": key, "PendingWindowInDays": 7 });
    server.aws("ScheduleKeyDeletion", leave).await.ok(200);
    let put = json!({ "KeyId": key, "Tags": [tag("z", "")] });
    for (operation, body) in [("TagResource", put), ("UntagResource", take)] {
        assert_eq!(
            server
                .aws(operation, body)
                .await
                .aws_refused("KMSInvalidStateException"),
            format!("{key} is pending deletion.")
        );
    }
    assert_eq!(listed().await, json!([tag("env", "live"), tag("x", "y")]));
}

async fn tags_that_break_their_rules(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let many =
        |count: usize| -> Vec<Value> { (0..count).map(|at| tag(&format!("k{at}"), "v")).collect() };
    for (tags, text) in [
        (vec![tag("a", "1"), tag("a", "2")], "Duplicate tag keys"),
        (
            vec![tag("AwS:a", "")],
            "Tags beginning with aws: are reserved",
        ),
        (many(51), "Too many tags"),
    ] {
        for (operation, body) in [
            ("TagResource", json!({ "KeyId": key, "Tags": tags })),
            ("CreateKey", json!({ "Tags": tags })),
        ] {
            let answer = server.aws(operation, body).await;
            assert_eq!(answer.aws_refused("TagException"), text);
        }
    }
    let body = json!({ "KeyId": key, "Tags": many(50) });
    server.aws("TagResource", body).await.ok(200);
    let body = json!({ "KeyId": key, "Tags": [tag("one more", "")] });
    let answer = server.aws("TagResource", body).await;
    assert_eq!(answer.aws_refused("TagException"), "Too many tags");
    let long = "x".repeat(257);
    for (body, kind) in [
        (json!({ "KeyId": key }), "ValidationException"),
        (json!({ "Tags": [] }), "ValidationException"),
        (
            json!({ "KeyId": key, "Tags": [tag("", "")] }),
            "ValidationException",
        ),
        (
            json!({ "KeyId": key, "Tags": [tag("a", &long)] }),
            "ValidationException",
        ),
        (
            json!({ "KeyId": key, "Tags": "a" }),
            "SerializationException",
        ),
        (
            json!({ "KeyId": "alias/a", "Tags": [] }),
            "NotFoundException",
        ),
    ] {
        server.aws("TagResource", body).await.aws_refused(kind);
    }
}
