//! How values look on Huawei's wire, and how a request becomes a checked value.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde_json::{Map, Value};
use validator::{Validate, ValidationErrors, ValidationErrorsKind};
use zeroize::Zeroizing;

use crate::dialect::Request;
use crate::json::Object;
use crate::limits;
use crate::model::alias::AliasUrn;
use crate::model::error::{Error, Result};
use crate::model::ids::{AliasName, KeyId, Malformed};
use crate::model::key::KeyRef;
use crate::model::time::Timestamp;
use crate::signed::unescape;

/// Members for which an empty string is a value; everywhere else it means that the member is
/// absent (contract, section 1.3).
const MAY_BE_EMPTY: [&str; 1] = ["key_description"];

/// The enterprise project of what is filed under none.
pub const DEFAULT_ENTERPRISE_PROJECT: &str = "0";

/// How many rows a page in a query has when nobody says how many.
const QUERY_ROWS: usize = 10;
/// How many it may have.
const MOST_QUERY_ROWS: usize = 1000;

/// Reads a request's JSON body into its type and checks it. A body that is absent is `{}`.
///
/// # Errors
/// [`Error::Unreadable`], [`Error::NotJson`], [`Error::Missing`], [`Error::Invalid`] with the
/// member that is wrong.
pub fn decode<Q: DeserializeOwned + Validate>(request: &Request) -> Result<Q> {
    let members = body(request)?;
    let decoded: Q = from_members(present(members))?;
    decoded
        .validate()
        .map_err(|faults| first_fault(&faults, ""))?;
    Ok(decoded)
}

/// Reads members into a type; a refusal names the one that is wrong.
///
/// # Errors
/// [`Error::Missing`], [`Error::Invalid`].
pub fn from_members<Q: DeserializeOwned>(members: Map<String, Value>) -> Result<Q> {
    serde_path_to_error::deserialize(Value::Object(members)).map_err(|error| {
        let path = error.path().to_string();
        refusal_of(path, &error.into_inner().to_string())
    })
}

/// The members of a request's body.
///
/// # Errors
/// [`Error::Unreadable`] when it is of another media type or encoded, [`Error::NotJson`].
pub fn body(request: &Request) -> Result<Map<String, Value>> {
    if request.body.is_empty() {
        return Ok(Map::new());
    }
    if let Some(coding) = request.header("content-encoding")?
        && !coding.eq_ignore_ascii_case("identity")
    {
        return Err(Error::Unreadable(
            "Content-Encoding is not supported; send the body as it is".into(),
        ));
    }
    if let Some(media_type) = request.header("content-type")?
        && !is_json(media_type)
    {
        return Err(Error::Unreadable(
            "Content-Type must be application/json, in UTF-8".into(),
        ));
    }
    Ok(Object::parse(&request.body).map_err(Error::NotJson)?.0)
}

/// `application/json` in any case, with no charset but UTF-8.
fn is_json(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case("application/json")
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                let value = value.trim().trim_matches('"');
                value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
            }
            _ => true,
        })
}

/// Leaves out what is absent in all but form: `null`, and the empty string.
fn present(members: Map<String, Value>) -> Map<String, Value> {
    members
        .into_iter()
        .filter(|(name, value)| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty() || MAY_BE_EMPTY.contains(&name.as_str()),
            _ => true,
        })
        .collect()
}

/// What the library says of a member, as a refusal that names it.
fn refusal_of(path: String, said: &str) -> Error {
    let parent = if path == "." { "" } else { &path };
    if let Some(rest) = said.strip_prefix("missing field `") {
        let name = rest.split('`').next().unwrap_or_default();
        return Error::Missing(match parent {
            "" => name.to_owned(),
            parent => format!("{parent}.{name}"),
        });
    }
    let why = match said.strip_prefix("invalid type: ") {
        // "integer `1`, expected a string": what was sent is the client's own, and may be long.
        Some(mismatch) => match mismatch.split_once("expected ") {
            Some((_, expected)) => Cow::from(format!("must be {expected}")),
            None => Cow::from("has the wrong type"),
        },
        None => Cow::from(said.to_owned()),
    };
    Error::invalid(path, why)
}

fn first_fault(faults: &ValidationErrors, parent: &str) -> Error {
    let mut members: Vec<_> = faults.errors().iter().collect();
    members.sort_by(|one, other| one.0.cmp(other.0));
    for (member, kind) in members {
        let path = match parent {
            "" => member.to_string(),
            parent => format!("{parent}.{member}"),
        };
        match kind {
            ValidationErrorsKind::Field(faults) => {
                let why = faults
                    .first()
                    .and_then(|fault| fault.message.as_deref())
                    .unwrap_or("is not valid");
                return Error::invalid(path, why);
            }
            ValidationErrorsKind::Struct(inner) => return first_fault(inner, &path),
            ValidationErrorsKind::List(items) => {
                if let Some((at, inner)) = items.first_key_value() {
                    return first_fault(inner, &format!("{path}[{at}]"));
                }
            }
        }
    }
    Error::invalid(parent, "is not valid")
}

/// A whole number, as JSON number or as text of digits: clients send both (contract, section 1.3).
/// Which numbers are allowed is said where it is used, for the code of the refusal depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberText(String);

impl NumberText {
    /// The number, if it is one of at most 18 digits without a sign.
    pub fn number(&self) -> Option<u64> {
        let plain = (1..=18).contains(&self.0.len()) && self.0.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| self.0.parse().ok()).flatten()
    }

    /// The text as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for NumberText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = NumberText;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, as text or as it is")
            }

            fn visit_str<E>(self, text: &str) -> std::result::Result<NumberText, E> {
                Ok(NumberText(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> std::result::Result<NumberText, E> {
                Ok(NumberText(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> std::result::Result<NumberText, E> {
                Ok(NumberText(number.to_string()))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> std::result::Result<NumberText, E> {
                Ok(NumberText(number.to_string()))
            }
        }
        from.deserialize_any(Either)
    }
}

/// Which page of a list is asked for: how many rows to leave out, and how many to show at most.
///
/// # Errors
/// [`Error::Invalid`] when one of the two is not a number.
pub fn page(limit: Option<&NumberText>, marker: Option<&NumberText>) -> Result<(u64, u32)> {
    let limit = match limit {
        None => limits::PAGE_ROWS,
        Some(text) => match text.number() {
            // More than a page holds is asked for by some clients, and is no fault.
            Some(limit) if limit >= 1 => u32::try_from(limit)
                .unwrap_or(limits::PAGE_ROWS)
                .min(limits::PAGE_ROWS),
            _ => return Err(Error::invalid("limit", "must be a number of at least 1")),
        },
    };
    let offset = match marker {
        None => 0,
        Some(text) => text
            .number()
            .ok_or_else(|| Error::invalid("marker", "must be a number of at least 0"))?,
    };
    Ok((offset, limit))
}

/// What a page says of the next: its marker, empty when there is none, and `truncated`.
pub fn page_end(offset: u64, shown: usize, total: u64) -> (String, &'static str) {
    let next = offset.saturating_add(u64::try_from(shown).unwrap_or(u64::MAX));
    if shown > 0 && next < total {
        (next.to_string(), "true")
    } else {
        (String::new(), "false")
    }
}

/// The id of a key, and nothing else: what most calls take.
#[derive(Clone, Debug)]
pub struct KeyIdText(pub KeyRef);

impl<'de> Deserialize<'de> for KeyIdText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        KeyId::parse(text)
            .map(|id| Self(KeyRef::Id(id)))
            .map_err(de::Error::custom)
    }
}

/// A key's id, `alias/` and the name of an alias, or the URN of an alias (contract, section 1.6).
#[derive(Clone, Debug)]
pub struct KeyRefText(pub KeyRef);

impl<'de> Deserialize<'de> for KeyRefText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if let Some(name) = text.strip_prefix("alias/") {
            return AliasName::parse(name)
                .map(|name| Self(KeyRef::Alias(name)))
                .map_err(de::Error::custom);
        }
        if let Some(urn) = AliasUrn::parse(&text) {
            return Ok(Self(KeyRef::Urn(urn)));
        }
        KeyId::parse(text)
            .map(|id| Self(KeyRef::Id(id)))
            .map_err(|_| {
                de::Error::custom("must be a lower-case key id, alias/ and a name, or an alias URN")
            })
    }
}

/// The key that the route's `{key_id}` names: an id, and nothing else.
///
/// # Errors
/// [`Error::Invalid`] of `key_id`.
pub fn key_in_path(request: &Request) -> Result<KeyRef> {
    KeyId::parse(request.param("key_id").unwrap_or_default())
        .map(KeyRef::Id)
        .map_err(|form| Error::invalid("key_id", form.to_string()))
}

/// The serial number that a client may give a request: 36 bytes (contract, section 1.7). It is
/// checked and promises nothing.
#[derive(Clone, Debug)]
pub struct Sequence;

impl<'de> Deserialize<'de> for Sequence {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.len() == 36 {
            Ok(Self)
        } else {
            Err(de::Error::custom("must be 36 bytes, such as a UUID"))
        }
    }
}

/// A moment in milliseconds since 1970, as text.
pub fn millis(at: Timestamp) -> String {
    at.millis().to_string()
}

/// The same, or the empty string for never.
pub fn millis_or_empty(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, millis)
}

/// A parameter of the route, decoded and checked.
///
/// # Errors
/// [`Error::Invalid`] when it has another form.
pub fn path_param<T>(
    request: &Request,
    name: &str,
    parse: fn(String) -> std::result::Result<T, Malformed>,
) -> Result<T> {
    let text = request.param(name).unwrap_or_default();
    let text = unescape(text, false).ok_or_else(|| Error::invalid(name, "is not escaped UTF-8"))?;
    parse(text).map_err(|form| Error::invalid(name, form.to_string()))
}

/// A time as the vendor writes it, `2026-01-02T03:04:05Z`, and in no other way.
pub fn seconds(text: &str) -> Option<Timestamp> {
    Timestamp::parse_iso(text).filter(|at| at.iso_seconds() == text)
}

/// A public key that somebody sent: SubjectPublicKeyInfo in PEM, or its DER in Base64. `None` when it
/// is neither; whether it is a key is not looked at.
pub fn public_key(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let base64 = match text.strip_prefix("-----BEGIN PUBLIC KEY-----") {
        Some(rest) => rest.strip_suffix("-----END PUBLIC KEY-----")?,
        None => text,
    };
    let base64: String = base64.split_ascii_whitespace().collect();
    STANDARD.decode(base64).ok().filter(|der| !der.is_empty())
}

/// PEM (RFC 7468) with the line ends that the vendor sends.
pub fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(STANDARD.encode(der));
    // With room for all of it the text is never moved, so no unwiped copy stays.
    let room = base64.len() + base64.len().div_ceil(64) * 2 + 2 * (label.len() + 20);
    let mut text = Zeroizing::new(String::with_capacity(room));
    for part in ["-----BEGIN ", label, "-----\r\n"] {
        text.push_str(part);
    }
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push_str("\r\n");
        rest = after;
    }
    for part in ["-----END ", label, "-----\r\n"] {
        text.push_str(part);
    }
    text
}

/// A parameter of the query, decoded.
///
/// # Errors
/// [`Error::Invalid`] when it stands there twice or its escapes are broken.
pub fn query_param(request: &Request, name: &str) -> Result<Option<String>> {
    let mut found = None;
    for pair in request.query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if unescape(key, true).as_deref() != Some(name) {
            continue;
        }
        if found.is_some() {
            return Err(Error::invalid(name, "stands there twice"));
        }
        found = Some(
            unescape(value, true).ok_or_else(|| Error::invalid(name, "is not escaped UTF-8"))?,
        );
    }
    Ok(found)
}

/// The key whose id stands in the path. Some clients repeat it in the body: the same, or none.
///
/// # Errors
/// [`Error::Invalid`].
pub fn key_in_path_and_body(request: &Request, repeated: Option<&str>) -> Result<KeyRef> {
    let key = key_in_path(request)?;
    if repeated.is_some_and(|repeated| repeated != key.to_string()) {
        return Err(Error::invalid("key_id", "is another in the path"));
    }
    Ok(key)
}

/// Which rows a query asks for, by `offset` and `limit`.
///
/// # Errors
/// [`Error::Invalid`].
pub fn page_in_query(request: &Request) -> Result<(usize, usize)> {
    let number = |name: &str| match query_param(request, name)? {
        None => Ok(None),
        Some(text) => NumberText(text)
            .number()
            .and_then(|number| usize::try_from(number).ok())
            .map(Some)
            .ok_or_else(|| Error::invalid(name, "must be a number of at least 0")),
    };
    let limit = number("limit")?.unwrap_or(QUERY_ROWS);
    if !(1..=MOST_QUERY_ROWS).contains(&limit) {
        return Err(Error::invalid(
            "limit",
            format!("must be 1 to {MOST_QUERY_ROWS}"),
        ));
    }
    Ok((number("offset")?.unwrap_or(0), limit))
}

/// A rule for free text: SQL text has no place for this character.
pub fn without_nul(text: &str) -> std::result::Result<(), validator::ValidationError> {
    if text.contains('\0') {
        let fault = validator::ValidationError::new("nul");
        Err(fault.with_message("must not contain the character U+0000".into()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_many_spellings() {
        for good in [
            "application/json",
            "application/json;charset=utf-8",
            "Application/JSON; charset=\"UTF-8\"",
            "application/json; charset=utf8; profile=x",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/json;charset=latin1",
            "application/jsonp",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[test]
    fn keys_are_named_in_four_ways() {
        let parse = |text: &str| serde_json::from_value::<KeyRefText>(text.into());
        let id = "0d0466b0-e727-4d9c-b35d-f84bb474a37f";
        assert!(matches!(parse(id).unwrap().0, KeyRef::Id(_)));
        match parse("alias/orders").unwrap().0 {
            KeyRef::Alias(name) => assert_eq!(name.as_str(), "orders"),
            other => panic!("{other:?}"),
        }
        match parse("kms:eu-1:a81c5e20:alias:orders").unwrap().0 {
            KeyRef::Urn(urn) => assert_eq!(urn.to_string(), "kms:eu-1:a81c5e20:alias:orders"),
            other => panic!("{other:?}"),
        }
        for bad in [
            "orders",
            "alias/",
            "alias/a b",
            "kms:eu-1:x:key:orders",
            "kms:eu-1:x:alias:",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
