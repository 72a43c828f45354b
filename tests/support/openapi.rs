//! Holds answers against openapi.yaml: whatever any test receives must fit the schema of its
//! operation and status.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::{Value, json};

use super::Answer;

/// openapi.yaml.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../openapi.yaml");
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("openapi.yaml: {error}"))
});

/// The methods that an OpenAPI path may have.
pub const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// Every operation: method in capitals, path, and what the document says of it.
pub fn operations() -> Vec<(String, String, &'static Value)> {
    let paths = DOCUMENT["paths"]
        .as_object()
        .expect("the document has paths");
    let mut all = Vec::new();
    for (path, item) in paths {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                all.push((method.to_uppercase(), path.clone(), operation));
            }
        }
    }
    all
}

/// Follows one `$ref`, if the value is one.
pub fn resolve(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            let pointer = reference
                .strip_prefix('#')
                .expect("references stay in the document");
            DOCUMENT
                .pointer(pointer)
                .unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
        None => value,
    }
}

/// The path of the document that a request's path is an instance of; literals win.
pub fn template_of(path: &str) -> Option<&'static str> {
    let fits = |template: &str| {
        let (mut wanted, mut given) = (template.split('/'), path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(wanted), Some(given)) if wanted == given || wanted.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    if let Some((exact, _)) = paths.get_key_value(path) {
        return Some(exact);
    }
    paths
        .keys()
        .find(|template| fits(template))
        .map(String::as_str)
}

/// Fails unless the answer is one that the document tells of.
#[track_caller]
pub fn check_answer(method: &str, path: &str, answer: &Answer) {
    let request_id = answer.header("x-request-id");
    assert!(!request_id.is_empty(), "{method} {path}: no X-Request-Id");
    let item = template_of(path).map(|template| &DOCUMENT["paths"][template]);
    let operation = item.and_then(|item| item.get(method.to_lowercase()));
    let get = item.and_then(|item| item.get("get"));
    if let ("HEAD", None, Some(get)) = (method, operation, get) {
        // HEAD of what can be got: the same statuses, and no body.
        let status = answer.status.to_string();
        assert!(get["responses"].get(&status).is_some(), "HEAD {path}");
        assert_eq!(answer.text, "", "HEAD {path}");
        return;
    }
    if kmsd::pages::FILES.iter().any(|file| file.path == path) && answer.status < 400 {
        // A page is no part of the API; tests/pages.rs says what it is.
        assert!(operation.is_some() || matches!(method, "GET" | "HEAD"));
        if operation.is_none() || answer.status == 304 {
            return;
        }
    }
    let Some(operation) = operation else {
        // No such path or method: an error in the form of its service, and nothing else.
        assert!(
            answer.status >= 400,
            "{method} {path} is not in openapi.yaml"
        );
        if method != "HEAD" {
            let schema = if path.starts_with("/v3/") || path == "/v3" {
                "IdentityError"
            } else {
                "Error"
            };
            check_schema(
                &json!({ "$ref": format!("#/components/schemas/{schema}") }),
                &answer.json(),
                &format!("{method} {path} {}", answer.status),
            );
        }
        return;
    };
    let status = answer.status.to_string();
    let response = operation["responses"].get(&status).unwrap_or_else(|| {
        panic!(
            "{method} {path}: openapi.yaml has no {status}: {}",
            answer.text
        )
    });
    let response = resolve(response);
    for name in response
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let header = resolve(name.1);
        if header.get("required").and_then(Value::as_bool) == Some(true) {
            assert!(
                !answer.header(name.0).is_empty(),
                "{method} {path} {status}: no {}",
                name.0
            );
        }
    }
    match response.get("content").and_then(Value::as_object) {
        None => assert_eq!(
            answer.text, "",
            "{method} {path} {status} must have no body"
        ),
        Some(content) => {
            let (media_type, described) = content.iter().next().unwrap();
            assert_eq!(
                answer.header("content-type"),
                media_type,
                "{method} {path} {status}"
            );
            if media_type == "application/json" {
                let what = format!("{method} {path} {status}");
                check_schema(&described["schema"], &answer.json(), &what);
            }
        }
    }
}

/// Fails unless the value fits the schema, which may refer to others of the document.
#[track_caller]
pub fn check_schema(schema: &Value, value: &Value, what: &str) {
    type Validators = Mutex<HashMap<String, Arc<jsonschema::Validator>>>;
    static VALIDATORS: LazyLock<Validators> = LazyLock::new(Mutex::default);
    let name = schema.to_string();
    let known = VALIDATORS.lock().unwrap().get(&name).cloned();
    let validator = known.unwrap_or_else(|| {
        let whole = json!({
            "allOf": [schema],
            "components": DOCUMENT["components"],
        });
        let made = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft4)
            .should_validate_formats(true)
            .build(&whole)
            .unwrap_or_else(|error| panic!("{what}: the schema is not valid: {error}"));
        let made = Arc::new(made);
        VALIDATORS.lock().unwrap().insert(name, made.clone());
        made
    });
    let faults: Vec<String> = validator
        .iter_errors(value)
        .map(|fault| format!("{} at {}", fault, fault.instance_path()))
        .collect();
    assert!(
        faults.is_empty(),
        "{what} does not fit openapi.yaml: {faults:#?}\n{value:#}"
    );
}
