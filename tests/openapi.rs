//! openapi.yaml against what is served, both ways, and against what generators of clients can take.

use std::collections::{BTreeMap, BTreeSet};

use kmsd::huawei::routes::{Kind, table};
use kmsd::pages::FILES;
use serde_json::{Value, json};

use crate::support::calls::{self, KEYSTORES, KeyCall, name_of, named_call};
use crate::support::openapi::{DOCUMENT, METHODS, check_schema, operations, resolve};
use crate::support::{Db, TestServer, keyspace, on_both};

on_both!(
    every_example_request_is_answered_as_its_example_says,
    the_document_is_served_as_it_stands,
);

/// What every operation is called: its method and path.
fn name(method: &str, path: &str) -> String {
    format!("{method} {path}")
}

/// Fails with every fault at once.
#[track_caller]
fn none(what: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{what}:\n{}", faults.join("\n"));
}

/// Calls `visit` with every value of the document and where it stands.
fn walk(value: &'static Value, place: &str, visit: &mut impl FnMut(&str, &'static Value)) {
    visit(place, value);
    match value {
        Value::Object(members) => {
            for (name, inner) in members {
                walk(inner, &format!("{place}/{name}"), visit);
            }
        }
        Value::Array(items) => {
            for (at, inner) in items.iter().enumerate() {
                walk(inner, &format!("{place}/{at}"), visit);
            }
        }
        _ => {}
    }
}

#[test]
fn routes_and_paths_are_the_same() {
    // The document is part of the API it describes; the pages for browsers are not.
    let own = FILES
        .iter()
        .filter(|file| file.path.starts_with("/openapi."))
        .map(|file| name("GET", file.path));
    let served: BTreeSet<String> = table()
        .iter()
        .map(|row| name(row.method, row.path))
        .chain(own)
        .collect();
    let described: BTreeSet<String> = operations()
        .iter()
        .map(|(method, path, _)| name(method, path))
        .collect();
    let undescribed: Vec<_> = served.difference(&described).cloned().collect();
    let unserved: Vec<_> = described.difference(&served).cloned().collect();
    none("served, but not in openapi.yaml", &undescribed);
    none("in openapi.yaml, but not served", &unserved);
    assert_eq!(served.len(), table().len() + 2, "a row is there twice");
}

#[test]
fn what_needs_a_credential_says_so() {
    let operations = operations();
    let mut faults = Vec::new();
    for row in table() {
        let (_, _, operation) = operations
            .iter()
            .find(|(method, path, _)| method == row.method && path == row.path)
            .unwrap();
        let open = operation.get("security") == Some(&json!([]));
        let guarded = matches!(row.kind, Kind::Guarded(..));
        let log_in = matches!(row.kind, Kind::LogIn);
        if open == guarded {
            faults.push(format!("{}: security", name(row.method, row.path)));
        }
        for (status, there) in [("401", guarded || log_in), ("403", guarded)] {
            if there && operation["responses"].get(status).is_none() {
                faults.push(format!("{}: no {status}", name(row.method, row.path)));
            }
        }
    }
    none(
        "openapi.yaml and the routes disagree on credentials",
        &faults,
    );
    assert_eq!(DOCUMENT["security"], json!([{ "XAuthToken": [] }]));
}

/// The rules of generators: unique names in CamelCase, one tag, a summary and a description.
#[test]
fn operations_are_named_for_generators() {
    let tags: Vec<_> = DOCUMENT["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let mut seen = BTreeMap::new();
    let mut faults = Vec::new();
    for (method, path, operation) in operations() {
        let what = name(&method, &path);
        let id = operation["operationId"].as_str().unwrap_or_default();
        let camel = id.starts_with(|c: char| c.is_ascii_uppercase())
            && id.chars().all(|c| c.is_ascii_alphanumeric());
        if !camel {
            faults.push(format!("{what}: operationId {id:?} is not CamelCase"));
        }
        if let Some(other) = seen.insert(id, what.clone()) {
            faults.push(format!("{what}: operationId {id} is that of {other}"));
        }
        match operation["tags"].as_array().map(Vec::as_slice) {
            Some([tag]) if tags.contains(&tag.as_str().unwrap()) => {}
            other => faults.push(format!("{what}: not one known tag: {other:?}")),
        }
        for member in ["summary", "description"] {
            if operation[member].as_str().is_none_or(str::is_empty) {
                faults.push(format!("{what}: no {member}"));
            }
        }
    }
    none("operations", &faults);
}

/// progenitor fails on two schemas of one kind; media types are plain.
#[test]
fn an_operation_has_one_schema_for_success_and_one_for_failure() {
    let mut faults = Vec::new();
    for (method, path, operation) in operations() {
        let (mut good, mut bad) = (BTreeSet::new(), BTreeSet::new());
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = resolve(response);
            let content = response.get("content").and_then(Value::as_object);
            let shown = match content {
                None => "none".to_owned(),
                Some(content) => {
                    assert_eq!(content.len(), 1, "{method} {path} {status}");
                    let (media_type, described) = content.iter().next().unwrap();
                    if media_type.contains(';') {
                        faults.push(format!("{method} {path} {status}: {media_type}"));
                    }
                    described["schema"].to_string()
                }
            };
            let side = if status.starts_with('2') {
                &mut good
            } else {
                &mut bad
            };
            side.insert(shown);
            if response["description"].as_str().is_none_or(str::is_empty) {
                faults.push(format!("{method} {path} {status}: no description"));
            }
            if response.pointer("/headers/X-Request-Id").is_none() {
                faults.push(format!("{method} {path} {status}: no X-Request-Id"));
            }
        }
        if good.len() != 1 || bad.len() > 1 {
            faults.push(format!("{method} {path}: {} and {}", good.len(), bad.len()));
        }
    }
    none("responses", &faults);
}

/// Every example, of bodies in both directions, of parameters, headers and members, fits its schema.
#[test]
fn examples_are_there_and_fit_their_schemas() {
    let mut faults = Vec::new();
    for (method, path, operation) in operations() {
        let what = name(&method, &path);
        if let Some(body) = operation.get("requestBody") {
            let media = &body["content"]["application/json"];
            if check_examples(media, &what) == 0 {
                faults.push(format!("{what}: no example of its request"));
            }
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            // The document itself is its own example.
            let json = resolve(response).pointer("/content/application~1json");
            if let Some(media) = json
                && check_examples(media, &format!("{what} {status}")) == 0
            {
                faults.push(format!("{what} {status}: no example"));
            }
        }
    }
    let mut count = 0;
    for section in ["parameters", "headers", "schemas"] {
        walk(
            &DOCUMENT["components"][section],
            section,
            &mut |place, value| {
                let Some(example) = value.get("example") else {
                    return;
                };
                let schema = value.get("schema").unwrap_or(value);
                // A schema's `properties` may have a member of that name, which is none.
                if schema.get("type").is_some_and(Value::is_string) {
                    check_schema(schema, example, place);
                    count += 1;
                }
            },
        );
    }
    assert!(
        count > 50,
        "the examples of members were not found: {count}"
    );
    none("examples", &faults);
}

/// Holds every example of a body against its schema; gives how many there are.
fn check_examples(media: &'static Value, what: &str) -> usize {
    let named = media.get("examples").and_then(Value::as_object);
    let examples = named
        .into_iter()
        .flat_map(|examples| examples.values())
        .map(|example| &resolve(example)["value"]);
    let all: Vec<_> = examples.chain(media.get("example")).collect();
    for example in &all {
        check_schema(&media["schema"], example, &format!("example of {what}"));
    }
    all.len()
}

/// What `clients.md` found to break generators.
#[test]
fn schemas_are_such_as_generators_take() {
    assert_eq!(
        DOCUMENT["openapi"], "3.0.3",
        "one Rust generator refuses 3.1"
    );
    let mut faults = Vec::new();
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    walk(&DOCUMENT, "", &mut |place, value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str)
            && reference
                .strip_prefix('#')
                .and_then(|at| DOCUMENT.pointer(at))
                .is_none()
        {
            faults.push(format!("{place}: {reference} leads nowhere"));
        }
        for (word, why) in [
            ("nullable", "we send no null"),
            ("oneOf", "becomes a wrapper class"),
            ("anyOf", "becomes a wrapper class"),
        ] {
            if value.get(word).is_some() {
                faults.push(format!("{place}: {word}: {why}"));
            }
        }
        if value.get("format") == Some(&json!("uuid")) {
            faults.push(format!("{place}: format uuid refuses aliases and mrk- ids"));
        }
        if value.get("in") == Some(&json!("header"))
            && value["name"] == "X-Auth-Token"
            && !place.ends_with("/XAuthToken")
        {
            faults.push(format!(
                "{place}: X-Auth-Token is a security scheme, not a parameter"
            ));
        }
        let Some(words) = value.get("enum").and_then(Value::as_array) else {
            return;
        };
        if value["type"] != "string" || !words.iter().all(Value::is_string) {
            faults.push(format!("{place}: the words of an enum are quoted strings"));
        }
        let Some(variants) = value.get("x-enum-varnames").and_then(Value::as_array) else {
            faults.push(format!("{place}: no x-enum-varnames"));
            return;
        };
        if variants.len() != words.len() {
            faults.push(format!("{place}: x-enum-varnames has another length"));
        }
        for variant in variants {
            let variant = variant.as_str().unwrap();
            if let Some(other) = names.insert(variant, place.to_owned()) {
                faults.push(format!("{place}: {variant} is also in {other}"));
            }
        }
    });
    none("schemas", &faults);
    assert_eq!(
        DOCUMENT["components"]["schemas"]["KeyState"]["enum"],
        json!(["1", "2", "3", "4", "5", "7"])
    );
}

#[test]
fn nothing_in_the_document_is_unused() {
    let mut used = BTreeSet::new();
    walk(&DOCUMENT, "", &mut |_, value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            used.insert(reference.to_owned());
        }
    });
    let mut faults = Vec::new();
    for (section, things) in DOCUMENT["components"].as_object().unwrap() {
        for thing in things.as_object().unwrap().keys() {
            let reference = format!("#/components/{section}/{thing}");
            if section != "securitySchemes" && !used.contains(&reference) {
                faults.push(reference);
            }
        }
    }
    none("defined and never used", &faults);
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for member in item.as_object().unwrap().keys() {
            let known = METHODS.contains(&member.as_str()) || member == "parameters";
            assert!(known, "{path}: {member}");
        }
    }
}

/// The ids, names and times of the examples, in place of those of this server.
fn as_in_examples(server: &TestServer, key: &str, text: &str) -> String {
    text.replace(key, "6b1f0c52-9d3e-4a78-b0c4-21f7a95e3d10")
        .replace(
            server.account.project.id.as_str(),
            "4f0a9b7d2c6e4e3ab85d17c09e6f3a21",
        )
        .replace(
            server.account.project.domain.as_str(),
            "a81c5e20f7d94b6c93e2d40b7f158c6e",
        )
        .replace(&server.address.to_string(), "127.0.0.1:8080")
}

fn known(call: &str) -> &'static KeyCall {
    named_call(call)
}

/// The state in which the key of the examples must be for a call, if it is about one.
fn needed_state(call: &str) -> Option<&'static str> {
    known(call).needs
}

async fn every_example_request_is_answered_as_its_example_says(db: Db) {
    let server = TestServer::start(db).await;
    let mut replayed = 0;
    for (method, path, operation) in operations() {
        if !path.contains("{project_id}") {
            continue;
        }
        let call = &*name_of(&method, &path);
        replayed += 1;
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        let key = match needed_state(call) {
            None => String::new(),
            Some(state) => {
                let name = format!("example-{call}");
                server.key_for(known(call), state, &name).await
            }
        };
        let mut body = example.clone();
        if !key.is_empty() {
            body["key_id"] = json!(key);
        }
        let takes_no_body = example.is_null();
        if call == KEYSTORES {
            // The cluster of the example must have no keystore yet.
            server.body_for(known(call), &key).await;
        }
        if takes_no_body {
            // What such a call is about stands in its path or query.
            body = server.body_for(known(call), &key).await;
        }
        let needs_more = [
            "re-encrypt",
            "import-key-material",
            "rotate-on-demand",
            "update-key-rotation-interval",
            "disable-key-rotation",
        ];
        if call.starts_with("decrypt-")
            || needs_more.contains(&call)
            || call.contains("/keys/{key_id}/")
        {
            // The ciphertext, token or project of the example is nobody's, or something must come
            // before.
            body = server.body_for(known(call), &key).await;
        }
        if ["revoke-grant", "retire-grant", "DELETE aliases"].contains(&call) {
            // And so is the grant or alias.
            body = server.body_for(known(call), &key).await;
        }
        if call == "alias/associate" {
            body["target_key_id"] = json!(key);
            let shown = json!({ "key_id": key, "alias": body["alias"] });
            server.call("aliases", shown).await.ok(201);
        }
        if call.starts_with("datakey-capsule/") {
            // Nor are its access point and policy anybody's.
            body = server.body_for(known(call), &key).await;
        }
        if call == "key-policies" || call == "PUT key-policies/{policy_id}" {
            let point = keyspace::Custom::create(&server).await;
            let named = example["policy"].as_str().unwrap();
            let policy = named.replace("71b0c2d4-5a8e-4e93-b6f7-2c9d1e40a835", &point.id);
            let own = server.body_for(known(call), "").await;
            body["policy"] = json!(policy);
            if call != "key-policies" {
                body["policy_id"] = own["policy_id"].clone();
            }
        }
        if call == "describe-key" {
            server
                .call(
                    "update-key-description",
                    json!({ "key_id": key, "key_description": "orders database" }),
                )
                .await
                .ok(200);
            // The name of the example, which create-key's own example has taken by then.
            let name = json!({ "key_id": key, "key_alias": "orders-db-described" });
            server.call("update-key-alias", name).await.ok(200);
        }
        let answer = server.call(call, body).await;
        let answered = answer.done();
        let status = answer.status.to_string();
        let shown = &operation["responses"][status]["content"]["application/json"]["example"];
        if answer.text.is_empty() {
            assert!(shown.is_null(), "{call}: an example of no body");
            continue;
        }
        check_like_example(&server, call, &key, &answered, shown);
    }
    assert!(replayed >= 11, "only {replayed} operations were found");
    server.stop().await;
}

/// The answer equals the example but for what the example cannot know.
fn check_like_example(server: &TestServer, call: &str, key: &str, answered: &Value, shown: &Value) {
    let mut answered = answered.clone();
    match call {
        "create-key" => {
            let made = answered["key_info"]["key_id"].as_str().unwrap().to_owned();
            let text = as_in_examples(server, &made, &answered.to_string());
            answered = serde_json::from_str(&text).unwrap();
        }
        "describe-key" => {
            answered["key_info"]["key_alias"] = json!("orders-db");
            let text = as_in_examples(server, key, &answered.to_string());
            answered = serde_json::from_str(&text).unwrap();
        }
        // How many there are is not the example's to say, nor what chance makes of a use.
        "list-keys"
        | "GET /v2/{project_id}/kms/regions"
        | calls::KEY_RECORDS
        | "GET user-instances"
        | "GET {key_id}/tags"
        | "GET tags"
        | "GET aliases"
        | "resource_instances/action"
        | "GET user-quotas"
        | "gen-random"
        | "encrypt-data"
        | "decrypt-data"
        | "create-datakey"
        | "create-datakey-without-plaintext"
        | "encrypt-datakey"
        | "decrypt-datakey"
        | "sign"
        | "verify"
        | "get-publickey"
        | "generate-mac"
        | "verify-mac"
        | "re-encrypt"
        | "create-rsa-datakey-pair"
        | "create-ec-datakey-pair"
        | "derive-shared-secret"
        | "create-pin"
        | "create-grant"
        | "list-grants"
        | "list-retirable-grants"
        | "get-parameters-for-import"
        // Nor the ids and times of what was made for the example.
        | "datakey-capsule/create"
        | "datakey-capsule/decrypt"
        | "access-points"
        | "GET access-points"
        | "access-points/{access_point_id}/get-privatekey"
        | "key-policies"
        | "GET key-policies"
        | "GET key-policies/{policy_id}"
        | "PUT key-policies/{policy_id}" => {
            let members = |value: &Value| -> Vec<String> {
                value.as_object().unwrap().keys().cloned().collect()
            };
            assert_eq!(members(&answered), members(shown), "{call}");
            return;
        }
        keystores if keystores.contains(KEYSTORES) => {
            let named = answered["keystores"]
                .get(0)
                .unwrap_or(&answered["keystore"]);
            let id = named["keystore_id"].as_str().unwrap_or("no id").to_owned();
            let text = answered.to_string().replace(&id, "the keystore");
            let text = as_in_examples(server, "no key", &text);
            let text = text.replace("the keystore", "b35e1f60-8a47-4d2c-97f0-c41d6e8a5b29");
            answered = serde_json::from_str(&text).unwrap();
        }
        _ => {
            let text = as_in_examples(server, key, &answered.to_string());
            answered = serde_json::from_str(&text).unwrap();
        }
    }
    assert_eq!(&answered, shown, "{call}");
}

async fn the_document_is_served_as_it_stands(db: Db) {
    let server = TestServer::start(db).await;
    let answer = server.send(server.request("GET", "/openapi.yaml")).await;
    assert_eq!(answer.text, include_str!("../openapi.yaml"));
    let answer = server.send(server.request("GET", "/openapi.json")).await;
    assert_eq!(answer.ok(200), *DOCUMENT);
    server.stop().await;
}
