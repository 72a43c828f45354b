//! How values look in JSON 1.1, and how a request becomes a checked value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::shapes;
use crate::crypto::secret::Secret;
use crate::dialect::{Body, Reply, Request};
use crate::json::Object;
use crate::model::error::{Error, Result};
use crate::model::time::Timestamp;

/// The media type of every body.
pub const MEDIA_TYPE: &str = "application/x-amz-json-1.1";

/// Reads the body of a request for an operation into its type, once it is what AWS's model says.
///
/// # Errors
/// [`Error::NotJson`], [`Error::Constraint`].
pub fn decode<Q: DeserializeOwned>(request: &Request, operation: &str) -> Result<Q> {
    let members = members(request)?;
    shapes::check(operation, &members)?;
    let present: Map<String, Value> = members
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .collect();
    serde_json::from_value(Value::Object(present))
        .map_err(|error| Error::NotJson(error.to_string()))
}

/// The members of a request's body; an empty one has none.
///
/// # Errors
/// [`Error::NotJson`].
pub fn members(request: &Request) -> Result<Map<String, Value>> {
    if request.body.is_empty() {
        return Ok(Map::new());
    }
    Ok(Object::parse(&request.body).map_err(Error::NotJson)?.0)
}

/// An answer with members.
///
/// # Errors
/// As [`Reply::json`].
pub fn answer(value: &impl Serialize) -> Result<Reply> {
    as_amz_json(Reply::json(200, value)?)
}

/// An answer of an operation without output.
pub fn nothing() -> Reply {
    Reply {
        status: 200,
        headers: Vec::new(),
        body: Body::Other(MEDIA_TYPE, Default::default()),
    }
}

/// How many rows a page shall have: what the caller says, up to the most that the list gives.
///
/// # Errors
/// [`Error::Constraint`].
pub fn page_size(asked: Option<u32>, (usual, most): (u32, u32)) -> Result<u32> {
    match asked {
        Some(limit) if limit > most => Err(Error::Constraint(format!(
            "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: \
             Member must have value less than or equal to {most}"
        ))),
        Some(limit) => Ok(limit),
        None => Ok(usual),
    }
}

/// The answer, unless nothing but whether it would succeed was asked for (contract, section 11.6).
///
/// # Errors
/// [`Error::DryRun`]: success is an error here.
pub fn unless_dry(dry_run: Option<bool>, reply: impl FnOnce() -> Result<Reply>) -> Result<Reply> {
    match dry_run {
        Some(true) => Err(Error::DryRun),
        _ => reply(),
    }
}

/// Secret bytes in Base64.
pub fn base64_of(secret: &Secret) -> zeroize::Zeroizing<String> {
    zeroize::Zeroizing::new(STANDARD.encode(secret.expose()))
}

/// The same answer as the media type of this dialect.
///
/// # Errors
/// None that can happen.
pub fn as_amz_json(reply: Reply) -> Result<Reply> {
    Ok(Reply {
        body: match reply.body {
            Body::Json(bytes) => Body::Other(MEDIA_TYPE, bytes.into()),
            other => other,
        },
        ..reply
    })
}

/// Bytes, in Base64 on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        STANDARD
            .decode(String::deserialize(from)?)
            .map(Self)
            .map_err(de::Error::custom)
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(&self.0))
    }
}

/// Secret bytes, in Base64 on the wire, wiped when they are gone.
pub struct SecretBlob(pub Secret);

impl<'de> Deserialize<'de> for SecretBlob {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let text = zeroize::Zeroizing::new(String::deserialize(from)?);
        STANDARD
            .decode(text.as_bytes())
            .map(|bytes| Self(Secret::new(bytes)))
            .map_err(de::Error::custom)
    }
}

/// A moment: seconds since 1970 with a fraction of milliseconds (contract, section 1.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seconds(pub Timestamp);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        // Milliseconds since 1970 are far below 2^53, so the fraction is exact to the millisecond.
        to.serialize_f64(self.0.millis() as f64 / 1000.0)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let seconds = f64::deserialize(from)?;
        let millis = (seconds * 1000.0).round();
        // Beyond the year 10,000 nothing is meant.
        if millis.abs() > 253_402_300_800_000.0 {
            return Err(de::Error::custom("the time is out of range"));
        }
        Ok(Self(Timestamp::from_millis(millis as i64)))
    }
}
