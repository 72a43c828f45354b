//! Aliases, tags, grants and key policies in AWS's dialect, over HTTP (contract, sections 7 to 10).

use kmsd::model::identity::Role;
use kmsd::operations::identity::manage;
use serde_json::{Value, json};

use crate::support::{Account, Db, TestServer, on_both};

on_both!(
    an_alias_is_made_moved_and_taken_away,
    names_and_targets_that_aliases_cannot_have,
    pages_of_aliases_follow_each_other,
    tags_are_put_overwritten_and_taken,
    tags_that_break_their_rules,
    a_grant_opens_what_it_lists_to_whom_it_names_i_17,
    constraints_bind_a_grant_to_encryption_contexts,
    grants_are_listed_named_retired_and_revoked,
    grants_that_break_their_rules,
    a_policy_is_put_read_and_obeyed_in_both_dialects,
    a_policy_lets_in_and_keeps_out,
    policies_that_break_their_rules,
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

const HOME: &str = "home-region-1";

/// The ARN of the user of an account.
pub(super) fn user_arn(account: &Account) -> String {
    format!(
        "arn:aws:iam::{}:user/{}",
        account.project.account, account.user
    )
}

async fn a_grant_opens_what_it_lists_to_whom_it_names_i_17(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let other = server.another_account("other").await;
    let stranger = server.another_account("stranger").await;
    let sealed = server
        .aws("Encrypt", json!({ "KeyId": key, "Plaintext": "c2VjcmV0" }))
        .await
        .ok(200);
    let blob = sealed["CiphertextBlob"].clone();
    let decrypt = json!({ "CiphertextBlob": blob });
    let encrypt = json!({ "KeyId": key, "Plaintext": "c2VjcmV0" });
    server
        .aws_as(&other, HOME, "Encrypt", encrypt.clone())
        .await
        .aws_refused("NotFoundException");
    let grant = json!({
        "KeyId": key,
        "GranteePrincipal": user_arn(&other),
        "Operations": ["Decrypt", "DescribeKey", "GenerateDataKeyPairWithoutPlaintext"],
    });
    let made = server.aws("CreateGrant", grant).await.ok(200);
    let token = made["GrantToken"].as_str().unwrap();
    for tokens in [json!([]), json!([token])] {
        let mut body = decrypt.clone();
        body["GrantTokens"] = tokens;
        let opened = server.aws_as(&other, HOME, "Decrypt", body).await.ok(200);
        assert_eq!(opened["Plaintext"], "c2VjcmV0");
        assert_eq!(opened["KeyId"], key);
    }
    for tokens in [json!(["made up"]), json!([token, token.to_lowercase()])] {
        let mut body = decrypt.clone();
        body["GrantTokens"] = tokens;
        let answer = server.aws_as(&other, HOME, "Decrypt", body).await;
        answer.aws_refused("InvalidGrantTokenException");
    }
    let described = server
        .aws_as(&other, HOME, "DescribeKey", json!({ "KeyId": key }))
        .await
        .ok(200);
    assert_eq!(described["KeyMetadata"]["Arn"], key);
    assert_eq!(
        described["KeyMetadata"]["AWSAccountId"],
        server.account.project.account.to_string()
    );
    // What it does not list stays shut, and whom it does not name learns nothing.
    let pair = json!({ "KeyId": key, "KeyPairSpec": "ECC_NIST_P256" });
    let without = "GenerateDataKeyPairWithoutPlaintext";
    let answer = server.aws_as(&other, HOME, without, pair.clone()).await;
    answer.ok(200);
    for (operation, body) in [
        ("Encrypt", &encrypt),
        ("GenerateDataKeyPair", &pair),
        ("DisableKey", &json!({ "KeyId": key })),
    ] {
        let answer = server.aws_as(&other, HOME, operation, body.clone()).await;
        let text = answer.aws_refused("AccessDeniedException");
        assert!(
            text.contains(&format!("kms:{operation} on resource: {key}")),
            "{text}"
        );
        let answer = server
            .aws_as(&stranger, HOME, operation, body.clone())
            .await;
        answer.aws_refused("NotFoundException");
    }
    // An ARN that says another account than the key's names no key.
    let wrong = key.replace(
        server.account.project.account.as_str(),
        stranger.project.account.as_str(),
    );
    let answer = server
        .aws_as(&other, HOME, "DescribeKey", json!({ "KeyId": wrong }))
        .await;
    answer.aws_refused("NotFoundException");
}

async fn constraints_bind_a_grant_to_encryption_contexts(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let other = server.another_account("other").await;
    let third = server.another_account("third").await;
    let grant = json!({
        "KeyId": key,
        "GranteePrincipal": user_arn(&other),
        "Operations": ["Encrypt", "DescribeKey", "CreateGrant"],
        "Constraints": { "EncryptionContextSubset": { "team": "a" } },
    });
    server.aws("CreateGrant", grant).await.ok(200);
    for (context, outcome) in [
        (json!({ "team": "a" }), "ok"),
        (json!({ "team": "a", "more": "b" }), "ok"),
        (json!({ "team": "b" }), "AccessDeniedException"),
        (json!({}), "AccessDeniedException"),
    ] {
        let body = json!({
            "KeyId": key,
            "Plaintext": "c2VjcmV0",
            "EncryptionContext": context,
        });
        let answer = server.aws_as(&other, HOME, "Encrypt", body).await;
        assert_eq!(answer.aws_outcome(), outcome, "{context}");
    }
    let described = json!({ "KeyId": key });
    let answer = server.aws_as(&other, HOME, "DescribeKey", described).await;
    answer.ok(200);
    // What is passed on is at least as strict.
    for (constraints, outcome) in [
        (Value::Null, "AccessDeniedException"),
        (
            json!({ "EncryptionContextEquals": { "team": "b" } }),
            "AccessDeniedException",
        ),
        (json!({ "EncryptionContextEquals": { "team": "a" } }), "ok"),
    ] {
        let body = json!({
            "KeyId": key,
            "GranteePrincipal": user_arn(&third),
            "Operations": ["Encrypt"],
            "Constraints": constraints,
        });
        let answer = server.aws_as(&other, HOME, "CreateGrant", body).await;
        assert_eq!(answer.aws_outcome(), outcome, "{constraints}");
    }
    // The row is sealed with its constraints.
    server.execute("UPDATE grants SET constraints = NULL").await;
    let body = json!({ "KeyId": key, "Plaintext": "c2VjcmV0" });
    let answer = server.aws_as(&other, HOME, "Encrypt", body).await;
    answer.aws_refused("KMSInternalException");
}

async fn grants_are_listed_named_retired_and_revoked(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let other = server.another_account("other").await;
    let root = format!("arn:aws:iam::{}:root", other.project.account);
    let own_root = format!("arn:aws:iam::{}:root", server.account.project.account);
    let grant = json!({
        "KeyId": key,
        "GranteePrincipal": user_arn(&other),
        "RetiringPrincipal": user_arn(&other),
        "Operations": ["Encrypt", "ReEncryptTo"],
        "Constraints": { "EncryptionContextEquals": { "a": "b" } },
        "Name": "nightly",
    });
    let dry = json!({ "DryRun": true });
    let mut rehearsed = grant.clone();
    rehearsed["DryRun"] = dry["DryRun"].clone();
    let answer = server.aws("CreateGrant", rehearsed).await;
    answer.aws_refused("DryRunOperationException");
    let made = server.aws("CreateGrant", grant.clone()).await.ok(200);
    let id = made["GrantId"].as_str().unwrap().to_owned();
    // The same in the same words is the same; in others it is not.
    let again = server.aws("CreateGrant", grant.clone()).await.ok(200);
    assert_eq!(again["GrantId"], made["GrantId"]);
    assert_ne!(again["GrantToken"], made["GrantToken"]);
    let mut wider = grant.clone();
    wider["Operations"] = json!(["Encrypt"]);
    let second = server.aws("CreateGrant", wider).await.ok(200);
    assert_ne!(second["GrantId"], made["GrantId"]);
    let whole = json!({
        "KeyId": key, "GranteePrincipal": root, "Operations": ["Decrypt"],
    });
    server.aws("CreateGrant", whole).await.ok(200);
    let list = async |members: Value| {
        let mut body = json!({ "KeyId": key });
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        server.aws("ListGrants", body).await.ok(200)
    };
    let one = list(json!({ "GrantId": id })).await;
    assert_eq!(
        one,
        json!({ "Truncated": false, "Grants": [{
            "KeyId": key,
            "GrantId": id,
            "Name": "nightly",
            "CreationDate": 1_767_323_045.0,
            "GranteePrincipal": user_arn(&other),
            "RetiringPrincipal": user_arn(&other),
            "IssuingAccount": own_root,
            "Operations": ["Encrypt", "ReEncryptTo"],
            "Constraints": { "EncryptionContextEquals": { "a": "b" } },
        }] })
    );
    let count = |page: &Value| page["Grants"].as_array().unwrap().len();
    assert_eq!(count(&list(json!({})).await), 3);
    assert_eq!(count(&list(json!({ "GranteePrincipal": root })).await), 1);
    let first = list(json!({ "Limit": 2 })).await;
    assert_eq!((count(&first), &first["Truncated"]), (2, &json!(true)));
    let rest = list(json!({ "Marker": first["NextMarker"] })).await;
    assert_eq!((count(&rest), &rest["Truncated"]), (1, &json!(false)));
    let mine = json!({ "RetiringPrincipal": user_arn(&other) });
    let retirable = server
        .aws_as(&other, HOME, "ListRetirableGrants", mine.clone())
        .await
        .ok(200);
    assert_eq!(count(&retirable), 2);
    assert_eq!(retirable["Grants"][0]["KeyId"], key);
    let answer = server.aws("ListRetirableGrants", mine).await;
    answer.aws_refused("AccessDeniedException");
    // By its token, by whom it names for that; not twice.
    let by_token = json!({ "GrantToken": again["GrantToken"] });
    let answer = server
        .aws_as(&other, HOME, "RetireGrant", by_token.clone())
        .await;
    assert_eq!((answer.status, &*answer.text), (200, ""));
    let answer = server.aws_as(&other, HOME, "RetireGrant", by_token).await;
    answer.aws_refused("NotFoundException");
    let revoke = json!({ "KeyId": key, "GrantId": second["GrantId"] });
    server.aws("RevokeGrant", revoke.clone()).await.ok(200);
    let answer = server.aws("RevokeGrant", revoke).await;
    answer.aws_refused("NotFoundException");
    let answer = server
        .aws("RevokeGrant", json!({ "KeyId": key, "GrantId": "short" }))
        .await;
    answer.aws_refused("InvalidGrantIdException");
    assert_eq!(count(&list(json!({})).await), 1);
}

async fn grants_that_break_their_rules(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let signing = server
        .aws_key(json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" }))
        .await;
    let me = user_arn(&server.account);
    let nobody = format!("{me}-nobody");
    let context = json!({ "EncryptionContextEquals": { "a": "b" } });
    let nine: serde_json::Map<_, _> = (0..9).map(|at| (at.to_string(), json!("x"))).collect();
    for (members, kind) in [
        (json!({ "GranteePrincipal": null }), "ValidationException"),
        (json!({ "GranteePrincipal": nobody }), "InvalidArnException"),
        (json!({ "GranteePrincipal": "bob" }), "InvalidArnException"),
        (
            json!({ "GranteeServicePrincipal": "ec2.amazonaws.com" }),
            "ValidationException",
        ),
        (json!({ "Operations": ["DECRYPT"] }), "ValidationException"),
        (json!({ "Operations": [] }), "ValidationException"),
        (json!({ "Operations": ["Sign"] }), "ValidationException"),
        (json!({ "Operations": "Decrypt" }), "SerializationException"),
        (
            json!({ "KeyId": signing, "Operations": ["Sign"], "Constraints": context }),
            "ValidationException",
        ),
        (
            json!({ "Constraints": { "EncryptionContextSubset": nine } }),
            "ValidationException",
        ),
        (json!({ "Name": "a b" }), "ValidationException"),
        (json!({ "KeyId": "alias/a" }), "NotFoundException"),
        (
            json!({ "GrantTokens": ["x"] }),
            "InvalidGrantTokenException",
        ),
        (json!({ "KeyId": signing, "Operations": ["Sign"] }), "ok"),
        (json!({}), "ok"),
    ] {
        let mut body = json!({
            "KeyId": key, "GranteePrincipal": me, "Operations": ["Decrypt"],
        });
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = server.aws("CreateGrant", body).await;
        assert_eq!(answer.aws_outcome(), kind, "{members}");
    }
    for body in [
        json!({}),
        json!({ "KeyId": key }),
        json!({ "GrantToken": "x", "KeyId": key }),
    ] {
        let answer = server.aws("RetireGrant", body).await;
        answer.aws_refused("ValidationException");
    }
}

/// A user of the first account with a role, and an access key.
async fn user_with_role(server: &TestServer, name: &str, role: Role) -> Account {
    let mut user = server.token_with_role(name, Some(role)).await;
    let project = user.project.name.to_string();
    let key = manage::add_access_key(&server.kms, &user.domain, name, &project, None)
        .await
        .unwrap();
    user.access_key = key.id.to_string();
    user.secret_key = String::from_utf8(key.secret.expose().to_vec()).unwrap();
    user
}

fn statement(effect: &str, principal: &str, actions: &[&str]) -> Value {
    json!({
        "Effect": effect,
        "Principal": { "AWS": principal },
        "Action": actions,
        "Resource": "*",
    })
}

fn policy(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn root_arn(account: &Account) -> String {
    format!("arn:aws:iam::{}:root", account.project.account)
}

async fn a_policy_is_put_read_and_obeyed_in_both_dialects(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let root = root_arn(&server.account);
    let read = async |name: Value| {
        let body = json!({ "KeyId": key, "PolicyName": name });
        server.aws("GetKeyPolicy", body).await
    };
    let first = read(Value::Null).await.ok(200);
    assert_eq!(first["PolicyName"], "default");
    let document: Value = serde_json::from_str(first["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(document["Statement"][0]["Principal"]["AWS"], root);
    let names = server.aws("ListKeyPolicies", json!({ "KeyId": key })).await;
    assert_eq!(
        names.ok(200),
        json!({ "PolicyNames": ["default"], "Truncated": false })
    );
    // Encrypting is denied to everybody, in the other dialect too; keys without a policy are as ever.
    let put = policy(&[
        statement("Allow", &root, &["kms:*"]),
        statement("Deny", "*", &["kms:encrypt"]),
    ]);
    let body = json!({ "KeyId": key, "Policy": put, "PolicyName": "default" });
    let answer = server.aws("PutKeyPolicy", body).await;
    assert_eq!((answer.status, &*answer.text), (200, ""));
    assert_eq!(read(json!("default")).await.ok(200)["Policy"], put);
    let encrypt = json!({ "KeyId": key, "Plaintext": "c2VjcmV0" });
    let answer = server.aws("Encrypt", encrypt.clone()).await;
    answer.aws_refused("AccessDeniedException");
    let body = json!({ "key_id": id_of(&key), "plain_text": "secret" });
    assert_eq!(server.call("encrypt-data", body).await.status, 403);
    let body = json!({ "KeyId": key, "KeySpec": "AES_256" });
    server.aws("GenerateDataKey", body).await.ok(200);
    // A key that is leaving keeps its policy, and one can change it.
    let leave = json!({ "KeyId": key, "PendingWindowInDays": 7 });
    server.aws("ScheduleKeyDeletion", leave).await.ok(200);
    read(Value::Null).await.ok(200);
    let body = json!({ "KeyId": key, "Policy": put });
    server.aws("PutKeyPolicy", body).await.ok(200);
    server
        .aws("CancelKeyDeletion", json!({ "KeyId": key }))
        .await
        .ok(200);
    // A document that somebody altered is not obeyed; nor is the key opened without it.
    server
        .execute("UPDATE resource_policies SET document = '{}'")
        .await;
    let answer = server.aws("DescribeKey", json!({ "KeyId": key })).await;
    answer.aws_refused("KMSInternalException");
    server.execute("UPDATE keys SET policy_digest = NULL").await;
    let answer = server.aws("Encrypt", encrypt).await;
    answer.aws_refused("KMSInternalException");
}

async fn a_policy_lets_in_and_keeps_out(db: Db) {
    let server = TestServer::start(db).await;
    let carol = user_with_role(&server, "carol", Role::CmkReadOnlyAccess).await;
    let other = server.another_account("other").await;
    let stranger = server.another_account("stranger").await;
    let owner = user_arn(&server.account);
    let mut bound = statement("Allow", &user_arn(&carol), &["kms:Encrypt"]);
    bound["Condition"] = json!({
        "StringEquals": { "kms:EncryptionContext:team": "a" },
        "IpAddress": { "aws:SourceIp": "127.0.0.0/8" },
    });
    // Nothing is said of the account: roles are void but for the owner, who is named.
    let document = policy(&[
        statement("Allow", &owner, &["kms:*KeyPolicy", "kms:CreateGrant"]),
        bound,
        statement(
            "Allow",
            &root_arn(&other),
            &["kms:Encrypt", "kms:DisableKey"],
        ),
    ]);
    let made = server.aws("CreateKey", json!({ "Policy": document })).await;
    let key = made.ok(200)["KeyMetadata"]["Arn"]
        .as_str()
        .unwrap()
        .to_owned();
    let encrypt = |context: Value| json!({ "KeyId": key, "Plaintext": "c2VjcmV0", "EncryptionContext": context });
    let team = json!({ "team": "a" });
    let denied = "AccessDeniedException";
    let gone = "NotFoundException";
    let named = json!({ "KeyId": key });
    for (who, operation, body, outcome) in [
        (&server.account, "Encrypt", encrypt(team.clone()), denied),
        (&server.account, "DescribeKey", named.clone(), denied),
        (&server.account, "GetKeyPolicy", named.clone(), "ok"),
        (&carol, "Encrypt", encrypt(team.clone()), "ok"),
        (&carol, "Encrypt", encrypt(json!({ "team": "b" })), denied),
        (&carol, "Encrypt", encrypt(json!({})), denied),
        (&carol, "DescribeKey", named.clone(), denied),
        (&other, "Encrypt", encrypt(json!({})), "ok"),
        (&other, "DescribeKey", named.clone(), gone),
        (&stranger, "Encrypt", encrypt(json!({})), gone),
    ] {
        let answer = server.aws_as(who, HOME, operation, body).await;
        assert_eq!(answer.aws_outcome(), outcome, "{} {operation}", who.user);
    }
    // What is not for other accounts stays so, whatever the policy says.
    let answer = server
        .aws_as(&other, HOME, "DisableKey", named.clone())
        .await;
    assert_ne!(answer.status, 200, "{}", answer.text);
    // A grant opens beside the policy; what is denied stays denied.
    let grant = json!({
        "KeyId": key, "GranteePrincipal": user_arn(&other), "Operations": ["DescribeKey"],
    });
    server.aws("CreateGrant", grant).await.ok(200);
    let describe = async || {
        let answer = server.aws_as(&other, HOME, "DescribeKey", named.clone());
        answer.await.aws_outcome()
    };
    assert_eq!(describe().await, "ok");
    let document = policy(&[
        statement("Allow", &owner, &["kms:*"]),
        statement("Deny", &root_arn(&other), &["kms:Describe*"]),
    ]);
    let body = json!({ "KeyId": key, "Policy": document });
    server.aws("PutKeyPolicy", body).await.ok(200);
    assert_eq!(describe().await, denied);
}

async fn policies_that_break_their_rules(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let root = root_arn(&server.account);
    let fine = policy(&[statement("Allow", &root, &["kms:*"])]);
    let lockout = policy(&[statement("Allow", &root, &["kms:Encrypt"])]);
    let service = json!({
        "Effect": "Allow", "Principal": { "Service": "s3.amazonaws.com" }, "Action": "kms:*",
    });
    let long = policy(&[json!({
        "Sid": "x".repeat(32_768), "Effect": "Allow", "Principal": "*",
    })]);
    let malformed = "MalformedPolicyDocumentException";
    for (members, kind) in [
        (json!({ "Policy": null }), "ValidationException"),
        (json!({ "Policy": "" }), "ValidationException"),
        (json!({ "Policy": 1 }), "SerializationException"),
        (json!({ "Policy": "no json" }), malformed),
        (json!({ "Policy": "{}" }), malformed),
        (json!({ "Policy": policy(&[service]) }), malformed),
        (json!({ "Policy": lockout }), malformed),
        (json!({ "Policy": long }), "LimitExceededException"),
        (json!({ "PolicyName": "other" }), "NotFoundException"),
        (json!({ "PolicyName": "AWS_RAM" }), "ValidationException"),
        (json!({ "PolicyName": "a b" }), "ValidationException"),
        (json!({ "KeyId": "alias/a" }), "NotFoundException"),
        (json!({}), "ok"),
    ] {
        let mut body = json!({ "KeyId": key, "Policy": fine });
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = server.aws("PutKeyPolicy", body).await;
        assert_eq!(answer.aws_outcome(), kind, "{members}");
    }
    let body = json!({ "KeyId": key, "PolicyName": "other" });
    let answer = server.aws("GetKeyPolicy", body).await;
    assert_eq!(
        answer.aws_refused("NotFoundException"),
        "No such policy exists"
    );
    let body = json!({ "KeyId": key, "Marker": "x" });
    let answer = server.aws("ListKeyPolicies", body).await;
    answer.aws_refused("InvalidMarkerException");
    for policy in ["{}", &lockout] {
        let answer = server.aws("CreateKey", json!({ "Policy": policy })).await;
        answer.aws_refused(malformed);
    }
    // One may lock oneself out, if one says so.
    let body = json!({ "Policy": lockout, "BypassPolicyLockoutSafetyCheck": true });
    let made = server.aws("CreateKey", body).await.ok(200);
    let body = json!({ "KeyId": made["KeyMetadata"]["KeyId"], "Policy": fine });
    let answer = server.aws("PutKeyPolicy", body).await;
    answer.aws_refused("AccessDeniedException");
}
