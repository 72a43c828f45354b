//! What AWS's public model of the service says of each request: members, types, bounds.
//!
//! `shapes.json` holds the part of that model (API version 2014-11-01, Apache License 2.0) that
//! bounds requests; a test holds it against the model in AWS's own SDK. Whatever breaks it is told in
//! AWS's words, all faults at once, before anything else is looked at.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::error::{Error, Result};

#[derive(Deserialize)]
struct Model {
    operations: BTreeMap<String, String>,
    shapes: BTreeMap<String, Shape>,
}

#[derive(Deserialize)]
struct Shape {
    #[serde(rename = "type")]
    kind: Kind,
    min: Option<u64>,
    max: Option<u64>,
    #[serde(default, deserialize_with = "compiled")]
    pattern: Option<(String, Regex)>,
    #[serde(rename = "enum")]
    words: Option<Vec<String>>,
    #[serde(default)]
    members: BTreeMap<String, String>,
    #[serde(default)]
    required: Vec<String>,
    item: Option<String>,
    key: Option<String>,
    value: Option<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    String,
    Blob,
    Integer,
    Boolean,
    Timestamp,
    Structure,
    List,
    Map,
}

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    serde_json::from_str(include_str!("shapes.json")).expect("shapes.json is part of the program")
});

fn compiled<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> std::result::Result<Option<(String, Regex)>, D::Error> {
    let pattern = String::deserialize(from)?;
    // The model means the whole text, with or without anchors.
    let whole = format!("^(?:{pattern})$");
    let regex = Regex::new(&whole).map_err(serde::de::Error::custom)?;
    Ok(Some((pattern, regex)))
}

/// The names of all operations of the model.
pub fn operations() -> impl Iterator<Item = &'static str> {
    MODEL.operations.keys().map(String::as_str)
}

/// Holds a request's members against the model.
///
/// # Errors
/// [`Error::NotJson`] when a member has another JSON type, [`Error::Constraint`] with everything
/// that breaks a rule.
pub fn check(operation: &str, members: &Map<String, Value>) -> Result<()> {
    let Some(shape) = MODEL.operations.get(operation).and_then(shape_named) else {
        return Err(Error::Internal(format!("no shape for {operation}")));
    };
    let mut faults = Vec::new();
    structure(shape, members, "", &mut faults)?;
    if faults.is_empty() {
        return Ok(());
    }
    let errors = if faults.len() == 1 { "error" } else { "errors" };
    Err(Error::Constraint(format!(
        "{} validation {errors} detected: {}",
        faults.len(),
        faults.join("; ")
    )))
}

fn shape_named(name: &String) -> Option<&'static Shape> {
    MODEL.shapes.get(name)
}

fn structure(
    shape: &Shape,
    members: &Map<String, Value>,
    path: &str,
    faults: &mut Vec<String>,
) -> Result<()> {
    for (name, inner) in &shape.members {
        let path = below(path, &decapitalized(name));
        match members.get(name) {
            None | Some(Value::Null) => {
                if shape.required.contains(name) {
                    faults.push(format!(
                        "Value null at '{path}' failed to satisfy constraint: Member must not be null"
                    ));
                }
            }
            Some(value) => {
                if let Some(inner) = shape_named(inner) {
                    checked(inner, value, &path, faults)?;
                }
            }
        }
    }
    Ok(())
}

/// Where AWS says that a fault is.
fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn decapitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_ascii_lowercase())
        .into_iter()
        .chain(letters)
        .collect()
}

fn checked(shape: &Shape, value: &Value, path: &str, faults: &mut Vec<String>) -> Result<()> {
    let wrong_type = || Err(Error::NotJson(format!("{path} has the wrong type")));
    match (shape.kind, value) {
        (Kind::String, Value::String(text)) => string(shape, text, path, faults),
        (Kind::Blob, Value::String(text)) => {
            let Ok(bytes) = STANDARD.decode(text) else {
                return Err(Error::NotJson(format!("{path} is not Base64")));
            };
            length(shape, bytes.len(), &format!("Value at '{path}'"), faults);
        }
        (Kind::Integer, Value::Number(number)) => {
            let whole = number.as_i64().or_else(|| {
                number
                    .as_f64()
                    .filter(|n| n.fract() == 0.0)
                    .map(|n| n as i64)
            });
            let Some(number) = whole else {
                return wrong_type();
            };
            integer(shape, number, path, faults);
        }
        (Kind::Boolean, Value::Bool(_)) | (Kind::Timestamp, Value::Number(_)) => {}
        (Kind::Structure, Value::Object(members)) => structure(shape, members, path, faults)?,
        (Kind::List, Value::Array(items)) => {
            length(shape, items.len(), &format!("Value at '{path}'"), faults);
            if let Some(inner) = shape.item.as_ref().and_then(shape_named) {
                for (at, item) in (1..).zip(items) {
                    checked(inner, item, &format!("{path}.{at}.member"), faults)?;
                }
            }
        }
        (Kind::Map, Value::Object(pairs)) => {
            length(shape, pairs.len(), &format!("Value at '{path}'"), faults);
            if let (Some(key), Some(inner)) = (
                shape.key.as_ref().and_then(shape_named),
                shape.value.as_ref().and_then(shape_named),
            ) {
                for (name, value) in pairs {
                    string(key, name, &format!("{path}.{name}.key"), faults);
                    checked(inner, value, &format!("{path}.{name}.member"), faults)?;
                }
            }
        }
        _ => return wrong_type(),
    }
    Ok(())
}

fn string(shape: &Shape, text: &str, path: &str, faults: &mut Vec<String>) {
    let at = format!("Value '{text}' at '{path}'");
    if let Some(words) = &shape.words {
        if !words.iter().any(|word| word == text) {
            faults.push(format!(
                "{at} failed to satisfy constraint: Member must satisfy enum value set: [{}]",
                words.join(", ")
            ));
        }
        return;
    }
    length(shape, text.chars().count(), &at, faults);
    if let Some((pattern, regex)) = &shape.pattern
        && !regex.is_match(text)
    {
        faults.push(format!(
            "{at} failed to satisfy constraint: Member must satisfy regular expression pattern: \
             {pattern}"
        ));
    }
}

fn length(shape: &Shape, len: usize, at: &str, faults: &mut Vec<String>) {
    let len = u64::try_from(len).unwrap_or(u64::MAX);
    if let Some(min) = shape.min.filter(|min| len < *min) {
        faults.push(format!(
            "{at} failed to satisfy constraint: Member must have length greater than or equal to {min}"
        ));
    }
    if let Some(max) = shape.max.filter(|max| len > *max) {
        faults.push(format!(
            "{at} failed to satisfy constraint: Member must have length less than or equal to {max}"
        ));
    }
}

fn integer(shape: &Shape, number: i64, path: &str, faults: &mut Vec<String>) {
    let at = format!("Value '{number}' at '{path}'");
    if let Some(min) = shape
        .min
        .filter(|min| i128::from(number) < i128::from(*min))
    {
        faults.push(format!(
            "{at} failed to satisfy constraint: Member must have value greater than or equal to {min}"
        ));
    }
    if let Some(max) = shape
        .max
        .filter(|max| i128::from(number) > i128::from(*max))
    {
        faults.push(format!(
            "{at} failed to satisfy constraint: Member must have value less than or equal to {max}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(operation: &str, members: Value) -> Result<()> {
        check(operation, members.as_object().unwrap())
    }

    #[test]
    fn what_breaks_the_model_is_told_in_its_words() {
        for (operation, members, words) in [
            (
                "CancelKeyDeletion",
                json!({}),
                "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null",
            ),
            (
                "GenerateRandom",
                json!({ "NumberOfBytes": 0 }),
                "1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1",
            ),
            (
                "Encrypt",
                json!({ "KeyId": "x", "Plaintext": "" }),
                "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ),
            (
                "CreateAlias",
                json!({ "AliasName": "a b", "TargetKeyId": "" }),
                "2 validation errors detected: Value 'a b' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$; Value '' at 'targetKeyId' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ),
            (
                "CreateKey",
                json!({ "Tags": [{ "TagKey": "", "TagValue": "x" }] }),
                "1 validation error detected: Value '' at 'tags.1.member.tagKey' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ),
        ] {
            assert_eq!(
                said(operation, members),
                Err(Error::Constraint(words.into()))
            );
        }
    }

    #[test]
    fn members_of_other_types_cannot_be_read() {
        for (operation, members) in [
            ("CancelKeyDeletion", json!({ "KeyId": 1 })),
            (
                "Encrypt",
                json!({ "KeyId": "x", "Plaintext": "not base64" }),
            ),
            ("GenerateRandom", json!({ "NumberOfBytes": 1.5 })),
            ("CreateKey", json!({ "Tags": {} })),
            ("CreateKey", json!({ "MultiRegion": "true" })),
        ] {
            assert!(
                matches!(said(operation, members), Err(Error::NotJson(_))),
                "{operation}"
            );
        }
        assert_eq!(
            said("GenerateRandom", json!({ "NumberOfBytes": 8.0 })),
            Ok(())
        );
    }
}
