//! Everything that AWS's model says a request must not be, made from the model itself, for every
//! operation of the table.

use std::sync::LazyLock;

use kmsd::aws::routes;
use serde_json::{Value, json};

use crate::support::aws::HOME;
use crate::support::{Db, TestServer, on_both};

on_both!(
    every_member_of_every_operation,
    refusals_are_worded_as_the_contract_has_them,
);

static MODEL: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../src/aws/shapes.json")).unwrap());

fn shape(name: &Value) -> &'static Value {
    &MODEL["shapes"][name.as_str().unwrap()]
}

fn repeated(text: &str, times: u64) -> String {
    text.repeat(usize::try_from(times).unwrap())
}

/// Something that has a shape's form, whatever it means.
fn value_of(shape: &Value, key: &str) -> Value {
    match shape["type"].as_str().unwrap() {
        "string" => match shape["enum"].as_array() {
            Some(words) => words[0].clone(),
            None if shape["max"] == 2048 => json!(key),
            None => json!(repeated("a", shape["min"].as_u64().unwrap_or(1).max(1))),
        },
        "blob" => json!("eHh4eA=="),
        "integer" => json!(shape["min"].as_u64().unwrap_or(1)),
        "boolean" => json!(false),
        "timestamp" => json!(1_767_409_445),
        "list" => json!([]),
        _ => json!({}),
    }
}

/// Values that break a shape, and what of its rules they break (nothing: the type).
fn broken(shape: &Value) -> Vec<(Value, &'static str)> {
    let kind = shape["type"].as_str().unwrap();
    let mut all = Vec::new();
    for (of, value) in [
        (["string", "blob"].as_slice(), json!("x")),
        (&["integer", "timestamp"], json!(1)),
        (&["boolean"], json!(true)),
        (&["list"], json!([])),
        (&["structure", "map"], json!({})),
    ] {
        if !of.contains(&kind) {
            all.push((value, ""));
        }
    }
    let (min, max) = (shape["min"].as_u64(), shape["max"].as_u64());
    match kind {
        "string" if shape["enum"].is_array() => {
            all.push((
                json!("NONE_OF_THEM"),
                "Member must satisfy enum value set: [",
            ));
            all.push((json!(""), "Member must satisfy enum value set: ["));
        }
        "string" => {
            if let Some(min) = min.filter(|min| *min > 0) {
                all.push((
                    json!(repeated("a", min - 1)),
                    "Member must have length greater",
                ));
            }
            if let Some(max) = max {
                all.push((
                    json!(repeated("a", max + 1)),
                    "Member must have length less",
                ));
            }
            if shape["pattern"].is_string() {
                let odd = repeated("☃", min.unwrap_or(1).max(1));
                all.push((
                    json!(odd),
                    "Member must satisfy regular expression pattern: ",
                ));
            }
        }
        "blob" => {
            all.push((json!("no base64!"), ""));
            all.push((json!("eA"), ""));
            all.push((json!("_-8="), ""));
            all.push((json!(""), "Member must have length greater"));
            if let Some(max) = max {
                let long = repeated("eHh4", max / 3 + 1);
                all.push((json!(long), "Member must have length less"));
            }
        }
        "integer" => {
            all.push((json!("1"), ""));
            all.push((json!(1.5), ""));
            if let Some(min) = min {
                let less = i64::try_from(min).unwrap() - 1;
                all.push((json!(less), "Member must have value greater"));
            }
            if let Some(max) = max {
                all.push((json!(max + 1), "Member must have value less"));
            }
        }
        "list" => {
            if let Some(max) = max {
                let item = value_of(self::shape(&shape["item"]), "x");
                let many = vec![item; usize::try_from(max + 1).unwrap()];
                all.push((json!(many), "Member must have length less"));
            }
            // A string where an object is due, or a number where a string is.
            let wrong = match self::shape(&shape["item"])["type"].as_str() {
                Some("string") => json!([1]),
                _ => json!(["x"]),
            };
            all.push((wrong, ""));
        }
        _ => {}
    }
    all
}

/// Texts and types of the contract's sections 1.5 to 1.7, 5 and 8.
async fn refusals_are_worded_as_the_contract_has_them(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let id = key.rsplit('/').next().unwrap();
    let mac = json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" });
    let mac = server.aws_key(mac).await;
    let other = server.another_account("other").await;
    let sealed = server
        .aws("Encrypt", json!({ "KeyId": key, "Plaintext": "c2VjcmV0" }))
        .await
        .ok(200);
    let blob = sealed["CiphertextBlob"].clone();
    let theirs = server.aws_as(&other, HOME, "CreateKey", json!({})).await;
    let theirs = theirs.ok(200)["KeyMetadata"]["KeyId"].clone();
    let unseen = "The ciphertext refers to a customer master key that does not exist, does not \
                  exist in this region, or you are not allowed to access.";
    for (operation, body) in [
        ("Decrypt", json!({ "CiphertextBlob": blob })),
        (
            "ReEncrypt",
            json!({ "CiphertextBlob": blob, "DestinationKeyId": theirs }),
        ),
    ] {
        let answer = server.aws_as(&other, HOME, operation, body).await;
        assert_eq!(answer.aws_refused("AccessDeniedException"), unseen);
    }
    let grant = "0123456789abcdef".repeat(4);
    let wrong = "arn:aws:s3:home-region-1:1:key/a";
    let no_wrong = format!("Invalid arn {wrong}");
    let usage = |operation: &str| {
        format!("{mac} key usage is GENERATE_VERIFY_MAC which is not valid for {operation}.")
    };
    let without = "GenerateDataKeyPairWithoutPlaintext";
    for (operation, body, kind, text) in [
        (
            "RevokeGrant",
            json!({ "KeyId": id, "GrantId": grant }),
            "NotFoundException",
            format!("Grant ID {grant} not found"),
        ),
        (
            without,
            json!({ "KeyId": mac, "KeyPairSpec": "ECC_NIST_P256" }),
            "InvalidKeyUsageException",
            usage(without),
        ),
        (
            "Encrypt",
            json!({ "KeyId": wrong, "Plaintext": "c2VjcmV0" }),
            "NotFoundException",
            no_wrong.clone(),
        ),
        (
            "DescribeKey",
            json!({ "KeyId": wrong }),
            "InvalidArnException",
            no_wrong,
        ),
        (
            "CreateAlias",
            json!({ "AliasName": "alias/a", "TargetKeyId": key.replace("key/", "alias/") }),
            "ValidationException",
            "Aliases must refer to keys. Not aliases".to_owned(),
        ),
    ] {
        let answer = server.aws(operation, body).await;
        assert_eq!(answer.aws_refused(kind), text, "{operation}");
    }
    for (owners, keys) in [
        (json!(["SELF"]), 2),
        (json!(["OTHER_ACCOUNTS_VIA_RAM", "SELF"]), 2),
        (json!(["OTHER_ACCOUNTS_VIA_RAM"]), 0),
        (Value::Null, 2),
    ] {
        let body = json!({ "ResourceOwners": owners });
        let listed = server.aws("ListKeys", body).await.ok(200);
        assert_eq!(listed["Keys"].as_array().unwrap().len(), keys, "{owners}");
        assert_eq!(listed["Truncated"], false);
    }
}

async fn every_member_of_every_operation(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.aws_key(json!({})).await;
    let mut tried = 0;
    for operation in routes::table() {
        let name = operation.name;
        let input = shape(&MODEL["operations"][name]);
        let required: Vec<&str> = input["required"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|member| member.as_str().unwrap())
            .collect();
        let mut whole = json!({});
        for member in &required {
            whole[*member] = value_of(shape(&input["members"][*member]), &key);
        }
        let members = input["members"].as_object().unwrap();
        for (member, shape_name) in members {
            let path = format!("{}{}", member[..1].to_lowercase(), &member[1..]);
            if required.contains(&member.as_str()) {
                for absent in [None, Some(Value::Null)] {
                    let mut body = whole.clone();
                    body.as_object_mut().unwrap().remove(member);
                    if let Some(null) = absent {
                        body[member] = null;
                    }
                    let said = server
                        .aws(name, body)
                        .await
                        .aws_refused("ValidationException");
                    let wanted = format!(
                        "Value null at '{path}' failed to satisfy constraint: Member must not be \
                         null"
                    );
                    assert!(said.contains(&wanted), "{name} {member}: {said}");
                    tried += 1;
                }
            }
            for (value, rule) in broken(shape(shape_name)) {
                let mut body = whole.clone();
                body[member] = value;
                let answer = server.aws(name, body).await;
                tried += 1;
                if rule.is_empty() {
                    assert_eq!(
                        answer.aws_outcome(),
                        "SerializationException",
                        "{name} {member}: {}",
                        answer.text
                    );
                    continue;
                }
                let said = answer.aws_refused("ValidationException");
                assert!(
                    said.contains(&format!("at '{path}' failed to satisfy constraint: "))
                        && said.contains(rule),
                    "{name} {member}: {said}"
                );
            }
        }
        // A member that nobody knows is nobody's business, and spelling counts.
        let mut body = whole.clone();
        body["Unheard-of"] = json!({ "of": [1] });
        let answer = server.aws(name, body).await;
        assert!(answer.status < 500, "{name}: {}", answer.text);
        assert_ne!(answer.aws_outcome(), "SerializationException", "{name}");
    }
    assert!(tried > 400, "{tried}");
    server.stop().await;
}
