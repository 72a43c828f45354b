//! Whatever strangers and broken clients send: each gets its own refusal, none a 5xx, and nothing
//! changes (threat model I-20, I-22 to I-25).

use serde_json::{Value, json};

use crate::support::calls::{KEY_CALLS, REPLICATE, name_of, spell};
use crate::support::openapi::{operations, resolve};
use crate::support::{Answer, Db, TestServer, on_both};

on_both!(
    credentials_that_are_none,
    bodies_that_cannot_be_read,
    members_that_break_their_rules,
    members_of_every_wrong_type,
    members_that_are_missing_or_name_nothing,
    no_operation_reads_what_is_no_json_or_too_long,
    paths_and_methods_that_are_not_there,
    bodies_where_none_is_expected,
    logins_that_make_no_sense,
    heads_too_large_for_anyone,
);

/// A server with a key that must be the same in the end.
struct Target {
    server: TestServer,
    key: String,
    before: Value,
}

impl Target {
    async fn start(db: Db) -> Self {
        let server = TestServer::start(db).await;
        let key = server.create("target", json!({})).await;
        let before = details(&server, &key).await;
        Self {
            server,
            key,
            before,
        }
    }

    /// Sends a body as it is.
    async fn post(&self, call: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        let mut request = self
            .server
            .request("POST", &self.server.kms_path(call))
            .header("X-Auth-Token", &self.server.token)
            .body(body.into());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.server.send(request).await
    }

    /// Fails if anything broke or changed.
    async fn check_unharmed(self) {
        assert_eq!(self.server.kms.metrics().panics(), 0);
        assert_eq!(details(&self.server, &self.key).await, self.before);
        let counted = self
            .server
            .call("GET user-instances", Value::Null)
            .await
            .ok(200);
        assert_eq!(counted["instance_num"], 1);
        self.server.stop().await;
    }
}

async fn details(server: &TestServer, key: &str) -> Value {
    let found = server.call("describe-key", json!({ "key_id": key })).await;
    found.ok(200)["key_info"].clone()
}

const JSON: (&str, &str) = ("Content-Type", "application/json");

async fn credentials_that_are_none(db: Db) {
    let target = Target::start(db).await;
    let server = &target.server;
    let good = server.token.clone();
    let cut = &good[..good.len() - 1];
    let large = "x".repeat(17_000);
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], &'c str);
    let cases: &[Case<'_>] = &[
        ("none", &[], "KMS.0301"),
        ("empty", &[("X-Auth-Token", "")], "KMS.0302"),
        ("rubbish", &[("X-Auth-Token", "rubbish")], "KMS.0302"),
        ("dots", &[("X-Auth-Token", "..")], "KMS.0302"),
        ("cut", &[("X-Auth-Token", cut)], "KMS.0302"),
        ("unsigned", &[("X-Auth-Token", &unsigned)], "KMS.0302"),
        ("large", &[("X-Auth-Token", &large)], "KMS.0302"),
        ("with a scheme", &[("X-Auth-Token", "Bearer x")], "KMS.0302"),
        (
            "twice the same",
            &[("X-Auth-Token", &good), ("X-Auth-Token", &good)],
            "KMS.0302",
        ),
        (
            "good and bad",
            &[("X-Auth-Token", &good), ("X-Auth-Token", "x")],
            "KMS.0302",
        ),
        ("bearer", &[("Authorization", "Bearer x")], "APIGW.0301"),
        ("basic", &[("Authorization", "Basic YTpi")], "APIGW.0301"),
        ("empty signature", &[("Authorization", "")], "APIGW.0301"),
        (
            "two signatures",
            &[("Authorization", "a b"), ("Authorization", "a b")],
            "APIGW.0301",
        ),
        ("subject only", &[("X-Subject-Token", &good)], "KMS.0301"),
        ("cookie", &[("Cookie", "token=x")], "KMS.0301"),
    ];
    for (what, headers, code) in cases {
        let mut request = server
            .request("POST", &server.kms_path("disable-key"))
            .json(&json!({ "key_id": target.key }));
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        let answer = server.send(request).await;
        assert_eq!(
            answer.verdict(),
            (401, (*code).to_owned()),
            "{what}: {}",
            answer.text
        );
        assert!(!answer.text.contains(&good), "{what}: it tells the token");
    }
    let latin = b"X-Auth-Token: \xe9";
    let request = server
        .request("POST", &server.kms_path("disable-key"))
        .header(
            "X-Auth-Token",
            reqwest::header::HeaderValue::from_bytes(&latin[14..]).unwrap(),
        );
    server.send(request).await.refused(401, "KMS.0302");

    server
        .clock
        .advance(std::time::Duration::from_secs(24 * 3600));
    let answer = server
        .call("describe-key", json!({ "key_id": target.key }))
        .await;
    assert_eq!(
        answer.refused(401, "KMS.0303"),
        "the token expired at 2026-01-03T03:04:05.000000Z"
    );
    let mut target = target;
    target.server.token = target.server.log_in(&target.server.account).await;
    target.check_unharmed().await;
}

async fn bodies_that_cannot_be_read(db: Db) {
    let target = Target::start(db).await;
    let named = format!("{{\"key_id\":\"{}\"}}", target.key);
    for (what, headers, code) in [
        ("text", vec![("Content-Type", "text/plain")], "KMS.0214"),
        (
            "form",
            vec![("Content-Type", "application/x-www-form-urlencoded")],
            "KMS.0214",
        ),
        (
            "latin",
            vec![("Content-Type", "application/json;charset=latin1")],
            "KMS.0214",
        ),
        ("empty type", vec![("Content-Type", "")], "KMS.0214"),
        ("two types", vec![JSON, JSON], "KMS.0214"),
        ("gzip", vec![JSON, ("Content-Encoding", "gzip")], "KMS.0214"),
        (
            "two codings",
            vec![JSON, ("Content-Encoding", "gzip, identity")],
            "KMS.0214",
        ),
    ] {
        let answer = target.post("disable-key", &headers, named.clone()).await;
        assert_eq!(
            answer.verdict(),
            (400, code.to_owned()),
            "{what}: {}",
            answer.text
        );
    }

    let deep = format!("{{\"x\":{}{}}}", "[".repeat(32), "]".repeat(32));
    let deeper = "[".repeat(60_000);
    let wide = format!("{{\"x\":[{}0]}}", "0,".repeat(999));
    let members: Vec<_> = (0..1001).map(|n| format!("\"m{n}\":0")).collect();
    let members = format!("{{{}}}", members.join(","));
    let key_twice = format!("{{\"key_id\":\"{0}\",\"key_id\":\"{0}\"}}", target.key);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("cut", b"{\"key_id\":".to_vec(), "EOF"),
        ("rubbish", b"rubbish".to_vec(), "expected"),
        ("two values", format!("{named}{named}").into(), "trailing"),
        ("comment", format!("{named}//").into(), "trailing"),
        ("array", format!("[{named}]").into(), "object"),
        ("text", b"\"x\"".to_vec(), "object"),
        ("number", b"7".to_vec(), "object"),
        ("null", b"null".to_vec(), "object"),
        ("blank", b"  ".to_vec(), "EOF"),
        ("deep", deep.into(), "deeper than 32"),
        ("deeper", deeper.into(), "deeper than 32"),
        ("1001 items", wide.into(), "more than 1000"),
        ("1001 members", members.into(), "more than 1000"),
        ("member twice", key_twice.into(), "\"key_id\""),
        (
            "nested twice",
            b"{\"x\":{\"key_id\":1,\"key_id\":2}}".to_vec(),
            "\"key_id\"",
        ),
        (
            "escaped twice",
            b"{\"key_id\":1,\"key\\u005fid\":2}".to_vec(),
            "\"key_id\"",
        ),
        ("not UTF-8", b"{\"key_id\":\"\xff\"}".to_vec(), "unicode"),
        ("not UTF-8 name", b"{\"\xc3\x28\":1}".to_vec(), "unicode"),
        ("half a pair", b"{\"x\":\"\\ud800\"}".to_vec(), "escape"),
        ("control", b"{\"x\":\"\n\"}".to_vec(), "control"),
        (
            "byte order mark",
            format!("\u{feff}{named}").into(),
            "expected",
        ),
        ("NaN", b"{\"x\":NaN}".to_vec(), "expected"),
        ("huge number", b"{\"x\":1e999}".to_vec(), "out of range"),
    ];
    for (what, body, says) in cases {
        let answer = target.post("disable-key", &[JSON], body).await;
        let said = answer.refused(400, "KMS.0202");
        assert!(said.contains(says), "{what}: {said}");
        assert!(said.len() < 300, "{what}: the message repeats the body");
    }

    // The largest body that is taken, and everything beyond.
    let padded = |size: usize| {
        let rest = size - named.len() - ",\"x\":\"\"".len();
        format!(
            "{},\"x\":\"{}\"}}",
            &named[..named.len() - 1],
            "x".repeat(rest)
        )
    };
    assert_eq!(padded(65_536).len(), 65_536);
    target
        .post("describe-key", &[JSON], padded(65_536))
        .await
        .ok(200);
    for size in [65_537, 10 * 1024 * 1024] {
        let answer = target.post("disable-key", &[JSON], padded(size)).await;
        assert_eq!(
            answer.refused(400, "KMS.0203"),
            "the body is larger than 65536 bytes"
        );
    }
    let members: Vec<_> = (0..999).map(|n| format!("\"m{n}\":0")).collect();
    let most = format!("{},{}}}", &named[..named.len() - 1], members.join(","));
    target.post("describe-key", &[JSON], most).await.ok(200);
    let deepest = format!(
        "{},\"x\":{}{}}}",
        &named[..named.len() - 1],
        "[".repeat(31),
        "]".repeat(31)
    );
    target.post("describe-key", &[JSON], deepest).await.ok(200);
    target.check_unharmed().await;
}

async fn members_that_break_their_rules(db: Db) {
    let target = Target::start(db).await;
    let key = target.key.as_str();
    let (capitals, spaced) = (key.to_uppercase(), format!(" {key}"));
    let sequence = "919c82d4-8046-4722-9094-35c3c6524cff";
    for (call, body, code, member) in [
        ("disable-key", json!({}), "KMS.0204", "key_id"),
        (
            "disable-key",
            json!({ "key_id": null }),
            "KMS.0204",
            "key_id",
        ),
        ("disable-key", json!({ "key_id": "" }), "KMS.0204", "key_id"),
        (
            "disable-key",
            json!({ "KEY_ID": key }),
            "KMS.0204",
            "key_id",
        ),
        (
            "disable-key",
            json!({ "key_id": capitals }),
            "KMS.0205",
            "key_id",
        ),
        (
            "disable-key",
            json!({ "key_id": spaced }),
            "KMS.0205",
            "key_id",
        ),
        (
            "disable-key",
            json!({ "key_id": format!("{key}\n") }),
            "KMS.0205",
            "key_id",
        ),
        (
            "disable-key",
            json!({ "key_id": format!("{key}\0") }),
            "KMS.0205",
            "key_id",
        ),
        (
            "disable-key",
            json!({ "key_id": key.replace('-', "") }),
            "KMS.0205",
            "key_id",
        ),
        (
            "disable-key",
            json!({ "key_id": format!("{{{key}}}") }),
            "KMS.0205",
            "key_id",
        ),
        (
            "disable-key",
            json!({ "key_id": "../target" }),
            "KMS.0205",
            "key_id",
        ),
        (
            "disable-key",
            json!({ "key_id": "alias/target" }),
            "KMS.0205",
            "key_id",
        ),
        (
            "describe-key",
            json!({ "key_id": "target" }),
            "KMS.0205",
            "key_id",
        ),
        (
            "describe-key",
            json!({ "key_id": "alias/" }),
            "KMS.0205",
            "key_id",
        ),
        (
            "describe-key",
            json!({ "key_id": "mrk-0123456789ABCDEF0123456789abcdef" }),
            "KMS.0205",
            "key_id",
        ),
        (
            "disable-key",
            json!({ "key_id": key, "sequence": "x" }),
            "KMS.0206",
            "sequence",
        ),
        (
            "disable-key",
            json!({ "key_id": key, "sequence": &sequence[1..] }),
            "KMS.0206",
            "sequence",
        ),
        (
            "disable-key",
            json!({ "key_id": key, "sequence": format!("{sequence}x") }),
            "KMS.0206",
            "sequence",
        ),
        (
            "update-key-description",
            json!({ "key_id": key, "key_description": "a\0b" }),
            "KMS.1103",
            "key_description",
        ),
        (
            "create-key",
            json!({ "key_alias": "x", "key_description": "\0" }),
            "KMS.1103",
            "key_description",
        ),
        ("create-key", json!({}), "KMS.0204", "key_alias"),
        (
            "update-key-alias",
            json!({ "key_id": key }),
            "KMS.0204",
            "key_alias",
        ),
        (
            "schedule-key-deletion",
            json!({ "key_id": key }),
            "KMS.0204",
            "pending_days",
        ),
    ] {
        let answer = target.server.call(call, body.clone()).await;
        let said = answer.refused(400, code);
        assert!(said.starts_with(member), "{body}: {said}");
    }
    // The longest of forms, and a well-formed id or alias of nobody's.
    for id in [
        "mrk-0123456789abcdef0123456789abcdef",
        "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz",
        "alias/nobody",
        "kms:home-region-1:x:alias:nobody",
    ] {
        let answer = target
            .server
            .call("describe-key", json!({ "key_id": id }))
            .await;
        answer.refused(404, "KMS.0207");
    }
    let good = json!({ "key_id": key, "sequence": sequence });
    target.server.call("describe-key", good).await.ok(200);
    target.check_unharmed().await;
}

/// Every member of every operation on keys, as openapi.yaml lists them, in each type that it does
/// not have.
async fn members_of_every_wrong_type(db: Db) {
    let target = Target::start(db).await;
    for (method, path, operation) in operations() {
        if !path.contains("{project_id}") {
            continue;
        }
        let call = &*name_of(&method, &path);
        let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema")
        else {
            continue;
        };
        let members = resolve(schema)["properties"].as_object().unwrap();
        for member in members.keys().filter(|member| *member != "vm_id") {
            for wrong in [
                json!(true),
                json!([]),
                json!({}),
                json!(["x"]),
                json!(1.5),
                json!(-1),
            ] {
                let right = [
                    // Its members are missing; enclaves.rs has what that answers.
                    ("recipient", json!({})),
                    ("encryption_context", json!({})),
                    ("with_plain_text", json!(true)),
                    // Of the right type, and another fault.
                    ("attestation_document", json!({})),
                ];
                let labels = [
                    ("resource_instances/action", "tags", json!([])),
                    ("resource_instances/action", "matches", json!([])),
                    // No tags at all.
                    (REPLICATE, "tags", json!([])),
                    // Names of aliases that are not there.
                    ("DELETE aliases", "aliases", json!(["x"])),
                ];
                if labels.contains(&(call, member.as_str(), wrong.clone())) {
                    continue;
                }
                if right.contains(&(member.as_str(), wrong.clone())) {
                    // Of all of these the ones that are of a right type.
                    continue;
                }
                check_wrong_type(&target, call, operation, member, wrong).await;
            }
        }
    }
    target.check_unharmed().await;
}

/// Every mandatory member of every operation, left out and empty; and where an operation takes them,
/// an id of a wrong form, one of nobody's, and a sequence that is none.
async fn members_that_are_missing_or_name_nothing(db: Db) {
    let target = Target::start(db).await;
    for (method, path, operation) in operations() {
        if !path.contains("{project_id}") {
            continue;
        }
        let call = &*name_of(&method, &path);
        let body_schema = operation.pointer("/requestBody/content/application~1json/schema");
        let schema = body_schema.map_or(&Value::Null, resolve);
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        let with = |member: &str, value: Value| {
            let mut body = example.clone();
            if body.get("key_id").is_some() || call.contains("{key_id}") {
                body["key_id"] = json!(target.key);
            }
            for place in ["key", "keystore_id", "access_point_id", "policy_id"] {
                if call.contains(&format!("{{{place}}}")) {
                    body[place] = json!("00000000-0000-4000-8000-000000000000");
                }
            }
            body[member] = value;
            body
        };
        let mut cases = Vec::new();
        let in_path = |member: &str| call.contains(&format!("{{{member}}}"));
        for member in schema["required"].as_array().into_iter().flatten() {
            let member = member.as_str().unwrap();
            if !in_path(member) {
                cases.push((member, Value::Null, (400, "KMS.0204")));
                if member != "key_description" {
                    cases.push((member, json!(""), (400, "KMS.0204")));
                }
            }
        }
        for member in ["key_id", "target_key_id", "destination_key_id"] {
            if schema["properties"].get(member).is_some() || in_path(member) {
                cases.push((member, json!("NOT-AN-ID"), (400, "KMS.0205")));
                let nobodys = json!("00000000-0000-4000-8000-000000000000");
                if call != "decrypt-data" {
                    cases.push((member, nobodys, (404, "KMS.0207")));
                }
            }
        }
        if schema["properties"].get("sequence").is_some() {
            cases.push(("sequence", json!("short"), (400, "KMS.0206")));
        }
        for (member, value, (status, code)) in cases {
            let body = with(member, value);
            let answer = target.server.call(call, body.clone()).await;
            let what = format!("{call} {body}: {}", answer.text);
            assert_eq!(answer.verdict(), (status, code.to_owned()), "{what}");
        }
    }
    target.check_unharmed().await;
}

/// Whatever the operation, a body that is no JSON object or is too long is refused as such.
async fn no_operation_reads_what_is_no_json_or_too_long(db: Db) {
    let target = Target::start(db).await;
    let server = &target.server;
    for call in KEY_CALLS {
        let spelled = spell(
            server.account.project.id.as_str(),
            call.name,
            (call.body)(&target.key),
        );
        if spelled.body.is_none() {
            continue;
        }
        let too_long = format!("{{}}{}", " ".repeat(64 * 1024));
        for (body, code) in [
            ("{", "KMS.0202"),
            ("[]", "KMS.0202"),
            (&*too_long, "KMS.0203"),
        ] {
            let request = server
                .request(&spelled.method, &spelled.path)
                .header("X-Auth-Token", &server.token)
                .header("Content-Type", "application/json")
                .body(body.to_owned());
            server.send(request).await.refused(400, code);
        }
    }
    target.check_unharmed().await;
}

async fn check_wrong_type(
    target: &Target,
    call: &str,
    operation: &'static Value,
    member: &str,
    wrong: Value,
) {
    let example = &operation["requestBody"]["content"]["application/json"]["example"];
    let mut body = example.clone();
    if body.get("key_id").is_some() || call.contains("{key_id}") {
        body["key_id"] = json!(target.key);
    }
    if call.contains("{policy_id}") {
        body["policy_id"] = json!("00000000-0000-4000-8000-000000000000");
    }
    body[member] = wrong;
    let code = match (member, call) {
        // Tags and aliases.
        ("tag", _) if body[member].is_object() => "KMS.0204",
        ("tags", "{key_id}/tags/action") if body[member] == json!([]) => "KMS.0401",
        ("tags", "{key_id}/tags/action" | REPLICATE) => "KMS.0412",
        ("tags", _) => "KMS.0414",
        ("matches", _) => "KMS.0415",
        ("action", "{key_id}/tags/action" | "resource_instances/action") => "KMS.0404",
        ("offset", "resource_instances/action") => "KMS.0417",
        ("alias", _) => "KMS.1101",
        ("aliases", _) if body[member] == json!([]) => "KMS.0204",
        ("target_key_id", _) => "KMS.0205",
        ("key_id" | "source_key_id" | "destination_key_id", _) => "KMS.0205",
        ("sequence", _) => "KMS.0206",
        ("key_alias", _) => "KMS.1101",
        ("key_description", _) => "KMS.1103",
        ("key_spec", "create-key") => "KMS.1110",
        ("key_spec", "create-datakey" | "create-datakey-without-plaintext") => "KMS.1902",
        ("datakey_length", "create-datakey-without-plaintext") => "KMS.2001",
        ("datakey_length", _) => "KMS.1901",
        ("random_data_length", _) => "KMS.1801",
        ("plain_text", "encrypt-datakey") => "KMS.2101",
        ("datakey_plain_length", _) => "KMS.2102",
        ("cipher_text" | "datakey_capsule", _) => "KMS.2201",
        ("datakey_cipher_length", _) => "KMS.2202",
        ("encryption_context", _) => "KMS.0208",
        ("pending_days", _) => "KMS.1401",
        ("grantee_principal" | "retiring_principal", _) => "KMS.2402",
        ("grant_id", _) => "KMS.2501",
        ("import_token", _) => "KMS.2605",
        ("encrypted_privatekey", _) => "KMS.2609",
        ("rotation_interval", _) => "KMS.3001",
        ("limit", _) => "KMS.1601",
        ("marker", _) => "KMS.1602",
        _ => "KMS.0308",
    };
    let answer = target.server.call(call, body.clone()).await;
    assert_eq!(
        answer.verdict(),
        (400, code.to_owned()),
        "{call} {body}: {}",
        answer.text
    );
    let said = answer.refused(400, code);
    assert!(said.starts_with(member), "{call} {body}: {said}");
}

async fn paths_and_methods_that_are_not_there(db: Db) {
    let target = Target::start(db).await;
    let server = &target.server;
    let p = server.account.project.id.as_str();
    let token = format!("X-Auth-Token: {}", server.token);
    let body = json!({ "key_id": target.key }).to_string();
    for path in [
        "/nowhere".to_owned(),
        "/v1".to_owned(),
        "/V1.0".to_owned(),
        "/v1.0x".to_owned(),
        "/v2".to_owned(),
        "/.well-known/security.txt".to_owned(),
        "/metrics".to_owned(),
        "/health".to_owned(),
        "*".to_owned(),
        format!("/v1.0/{p}"),
        format!("/v1.0/{p}/kms"),
        format!("/v1.0/{p}/kms/"),
        format!("/v1.0/{p}/kms/no-such-call"),
        format!("/v1.0/{p}/kms/Disable-Key"),
        format!("/v1.0/{p}/kms/disable-key/"),
        format!("/v1.0/{p}/kms/disable-key//"),
        format!("/v1.0/{p}/kms//disable-key"),
        format!("//v1.0/{p}/kms/disable-key"),
        format!("/v1.0//{p}/kms/disable-key"),
        format!("/v1.0/{p}/kms/./disable-key"),
        format!("/v1.0/{p}/kms/x/../disable-key"),
        format!("/v1.0/../v1.0/{p}/kms/disable-key"),
        format!("/../v1.0/{p}/kms/disable-key"),
        format!("/v1.0/{p}/kms/disable%2Dkey"),
        format!("/v1.0/{p}/kms/disable-key%00"),
        format!("/v1.0/{p}/kms/disable-key%20"),
        format!("/v1.0/{p}/kms/disable-key;x=1"),
        format!("/v1.0/{p}%2Fkms/disable-key"),
        "/v1.0/kms/disable-key".to_owned(),
        format!("/v2/{p}/kms/disable-key"),
    ] {
        let headers = [token.as_str(), "Content-Type: application/json"];
        let line = format!("POST {path}");
        let answer = server.send_raw(&line, &headers, body.as_bytes()).await;
        let answer = answer.unwrap_or_else(|| panic!("{path}: no answer"));
        assert_eq!(
            answer.refused(404, "APIGW.0101"),
            "there is no such path",
            "{path}"
        );
    }

    let key_call = server.kms_path("disable-key");
    for (path, methods, allowed) in [
        (
            key_call.as_str(),
            &[
                "GET", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "post",
                "X",
            ][..],
            "POST",
        ),
        (
            &server.kms_path("user-instances"),
            &["POST", "TRACE", "OPTIONS", "PATCH"],
            "GET",
        ),
        ("/", &["PUT", "DELETE", "TRACE", "OPTIONS"], "GET"),
        ("/v1.0", &["POST", "TRACE"], "GET"),
        ("/v1.0/", &["POST"], "GET"),
        ("/health/live", &["POST"], "GET"),
        ("/openapi.yaml", &["PUT"], "GET"),
    ] {
        for method in methods {
            let line = format!("{method} {path}");
            let answer = server.send_raw(&line, &[&token], b"").await;
            let answer = answer.unwrap_or_else(|| panic!("{line}: no answer"));
            assert_eq!(answer.status, 405, "{line}: {}", answer.text);
            assert_eq!(answer.header("allow"), allowed, "{line}");
            if *method != "HEAD" {
                let said = answer.refused(405, "KMS.0215");
                assert_eq!(said, format!("this path takes {allowed} only"));
            }
        }
    }
    for (path, method, status, allowed) in [
        ("/v3/nowhere", "GET", 404, ""),
        ("/v3//auth/tokens", "GET", 404, ""),
        ("/v3/auth/tokens/", "GET", 404, ""),
        ("/v3/auth/tokens", "PATCH", 405, "POST, GET, HEAD, DELETE"),
        ("/v3/projects", "POST", 405, "GET"),
        ("/v3/", "TRACE", 405, "GET"),
    ] {
        let answer = server
            .send_raw(&format!("{method} {path}"), &[&token], b"")
            .await;
        let answer = answer.unwrap_or_else(|| panic!("{method} {path}: no answer"));
        assert_eq!(answer.json()["error"]["code"], status, "{method} {path}");
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("allow"), allowed, "{method} {path}");
    }
    target.check_unharmed().await;
}

async fn bodies_where_none_is_expected(db: Db) {
    let target = Target::start(db).await;
    let server = &target.server;
    let counted = json!({ "instance_num": 1 });
    for body in ["", "{}", "rubbish", "{\"key_id\":1,\"key_id\":2}"] {
        let request = server
            .request("GET", &server.kms_path("user-instances"))
            .header("X-Auth-Token", &server.token)
            .header("Content-Type", "application/json")
            .body(body);
        assert_eq!(server.send(request).await.ok(200), counted, "{body}");
    }
    // HEAD is GET without a body, where there is one.
    for path in [
        "/",
        "/v1.0",
        "/v3",
        "/health/live",
        "/openapi.yaml",
        &server.kms_path("user-instances"),
    ] {
        let request = server
            .request("HEAD", path)
            .header("X-Auth-Token", &server.token);
        let answer = server.send(request).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{path}");
    }
    let request = server.request("HEAD", &server.kms_path("user-instances"));
    assert_eq!(server.send(request).await.status, 401);
    target.check_unharmed().await;
}

async fn logins_that_make_no_sense(db: Db) {
    let target = Target::start(db).await;
    let server = &target.server;
    let user = json!({ "name": "alice", "password": "x", "domain": { "name": "acme" } });
    let login = |user: &Value| {
        json!({ "auth": { "identity": {
            "methods": ["password"], "password": { "user": user },
        }}})
    };
    let without = |member: &str| {
        let mut user = user.clone();
        user.as_object_mut().unwrap().remove(member);
        login(&user)
    };
    let scoped = |scope: Value| {
        let mut body = login(&user);
        body["auth"]["scope"] = scope;
        body
    };
    let methods = |methods: Value| json!({ "auth": { "identity": { "methods": methods } } });
    for (body, member) in [
        (json!({}), "auth"),
        (json!({ "auth": null }), "auth"),
        (json!({ "auth": {} }), "auth.identity"),
        (json!({ "auth": [] }), "auth"),
        (json!({ "auth": "x" }), "auth"),
        (
            json!({ "auth": { "identity": {} } }),
            "auth.identity.methods",
        ),
        (methods(json!([])), "auth.identity.methods"),
        (methods(json!("password")), "auth.identity.methods"),
        (methods(json!([1])), "auth.identity.methods[0]"),
        (
            methods(json!(["password", "totp"])),
            "auth.identity.methods",
        ),
        (
            methods(json!(["password", "token", "hw_ak_sk", "totp", "x"])),
            "auth.identity.methods",
        ),
        (methods(json!(["saml2"])), "auth.identity.methods"),
        (methods(json!(["password"])), "auth.identity.password"),
        (methods(json!(["token"])), "auth.identity.token"),
        (methods(json!(["hw_ak_sk"])), "auth.identity.hw_ak_sk"),
        (without("password"), "auth.identity.password.user.password"),
        (without("name"), "auth.identity.password.user.name"),
        (without("domain"), "auth.identity.password.user.domain"),
        (
            login(&json!({ "name": 1, "password": "x" })),
            "auth.identity.password.user.name",
        ),
        (
            login(&json!({ "name": "alice", "password": 1, "domain": { "name": "acme" } })),
            "auth.identity.password.user.password",
        ),
        (
            login(&json!({ "name": "a\0b", "password": "x", "domain": { "name": "acme" } })),
            "auth.identity.password.user.name",
        ),
        (
            login(&json!({ "id": "a b", "password": "x" })),
            "auth.identity.password.user.id",
        ),
        (scoped(json!("x")), "auth.scope"),
        (scoped(json!({ "project": {} })), "auth.scope.project.name"),
        (
            scoped(json!({ "project": { "id": "x" } })),
            "auth.scope.project.id",
        ),
        (
            scoped(json!({ "project": { "id": 1 } })),
            "auth.scope.project.id",
        ),
        (scoped(json!({ "domain": {} })), "auth.scope.domain.name"),
    ] {
        let answer = server.try_log_in(body.clone()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        let said = answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(said.starts_with(&format!("{member} ")), "{body}: {said}");
    }
    for body in ["rubbish", "[]", "{\"auth\":1,\"auth\":2}"] {
        let request = server
            .request("POST", "/v3/auth/tokens")
            .header(JSON.0, JSON.1)
            .body(body);
        assert_eq!(server.send(request).await.status, 400, "{body}");
    }
    target.check_unharmed().await;
}

/// Threat model 5.8: the HTTP library once panicked on a header name of 65,536 bytes. Whatever it
/// does, the server lives on.
async fn heads_too_large_for_anyone(db: Db) {
    let target = Target::start(db).await;
    let server = &target.server;
    let named = |size: usize| format!("{}: x", "n".repeat(size));
    let valued = |size: usize| format!("X-Large: {}", "v".repeat(size));
    let many: Vec<String> = (0..200).map(|n| format!("X-Many-{n}: x")).collect();
    let mut heads = vec![many];
    for size in [65_535, 65_536, 65_537, 131_072, 200_000] {
        heads.push(vec![named(size)]);
        heads.push(vec![valued(size)]);
    }
    for head in heads {
        for _ in 0..3 {
            let lines: Vec<&str> = head.iter().map(String::as_str).collect();
            let status = server
                .send_raw_unchecked("GET /health/live", &lines, b"")
                .await;
            let shown = &lines[0][..lines[0].len().min(20)];
            assert!(
                status.is_none_or(|status| status < 500),
                "{shown}: {status:?}"
            );
            let request = server.request("GET", "/health/live");
            assert_eq!(server.send(request).await.status, 200, "after {shown}");
        }
    }
    target.check_unharmed().await;
}
