//! Dedicated keystores and PINs, as Huawei spells them (contract, sections 4.11 and 4.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use validator::Validate;
use zeroize::Zeroizing;

use super::wire::{NumberText, decode, millis, query_param};
use crate::crypto::secret::Secret;
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits;
use crate::model::error::{Error, Result};
use crate::model::ids::{HsmClusterId, KeystoreId, KeystoreName};
use crate::model::keystore::Keystore;
use crate::operations::keystores::{self, NewKeystore};
use crate::operations::pins::{self, GivenPin, PinKeystore};

/// Rows of a page when the caller names no limit (contract, section 7.5).
const PAGE_ROWS: u64 = 10;
/// Characters of a certificate; that of a 4096-bit RSA key has about 2000.
const CERTIFICATE_CHARACTERS: usize = 16_384;
/// Bytes of a PIN that is sent as it is.
const PIN_BYTES: usize = 128;

#[derive(Deserialize, Validate)]
struct CreateKeystore {
    keystore_alias: KeystoreName,
    hsm_cluster_id: Option<HsmClusterId>,
    hsm_ca_cert: Option<String>,
    cluster_id: Option<HsmClusterId>,
    keystore_type: Option<String>,
}

#[derive(Deserialize, Validate)]
struct CreatePin {
    pin_type: Option<String>,
    keystore_id: Option<String>,
}

/// A PIN with what kind it is, where a call takes one. Whether they are text is said where they are
/// read, because the library does not name a member that is part of another structure.
#[derive(Deserialize)]
pub(super) struct PinText {
    pin: Option<Value>,
    pin_type: Option<Value>,
}

#[derive(Serialize)]
struct Pin {
    pin: Zeroizing<String>,
}

#[derive(Serialize)]
struct OneKeystore<T> {
    keystore: T,
}

#[derive(Serialize)]
struct NewDetails {
    keystore_id: String,
    domain_id: String,
}

#[derive(Serialize)]
struct StateDetails {
    keystore_id: String,
    keystore_state: String,
}

#[derive(Serialize)]
struct KeystoreDetails {
    keystore_id: String,
    domain_id: String,
    keystore_alias: String,
    keystore_type: &'static str,
    hsm_cluster_id: String,
    cluster_id: String,
    create_time: String,
}

#[derive(Serialize)]
struct Keystores {
    total: u64,
    keystores: Vec<KeystoreDetails>,
}

/// `POST …/keystores`
pub async fn create(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: CreateKeystore = decode(request)?;
    match asked.keystore_type.as_deref() {
        None | Some("DHSM") => {}
        // The built-in keystore is there already, and there are no crypto card clusters.
        Some("DEFAULT") => return Err(Error::KeystoreKindNotOffered("DEFAULT")),
        Some("CDMS") => return Err(Error::KeystoreKindNotOffered("CDMS")),
        Some(_) => {
            return Err(Error::invalid(
                "keystore_type",
                "must be DEFAULT, DHSM or CDMS",
            ));
        }
    }
    let cluster = match (asked.hsm_cluster_id, asked.cluster_id) {
        (Some(one), Some(other)) if one != other => {
            return Err(Error::invalid(
                "cluster_id",
                "must be hsm_cluster_id, where both are given",
            ));
        }
        (Some(cluster), _) | (None, Some(cluster)) => cluster,
        (None, None) => return Err(Error::Missing("hsm_cluster_id".into())),
    };
    let ca_certificate = asked
        .hsm_ca_cert
        .ok_or_else(|| Error::Missing("hsm_ca_cert".into()))?;
    if ca_certificate.len() > CERTIFICATE_CHARACTERS {
        return Err(Error::invalid(
            "hsm_ca_cert",
            "must be at most 16384 characters",
        ));
    }
    let new = NewKeystore {
        name: asked.keystore_alias,
        cluster,
        ca_certificate,
    };
    let keystore = keystores::create(cx, new).await?;
    Reply::json(
        200,
        &OneKeystore {
            keystore: NewDetails {
                keystore_id: keystore.id.to_string(),
                domain_id: cx.project()?.domain.to_string(),
            },
        },
    )
}

/// `GET …/keystores`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let limit = query_number(request, "limit", PAGE_ROWS)?;
    if limit == 0 {
        return Err(Error::invalid("limit", "must be a number of at least 1"));
    }
    let limit = u32::try_from(limit).unwrap_or(limits::PAGE_ROWS);
    let limit = limit.min(limits::PAGE_ROWS);
    let offset = query_number(request, "offset", 0)?;
    let listed = keystores::list(cx, offset, limit).await?;
    let keystores = listed
        .keystores
        .iter()
        .map(|keystore| details(cx, keystore));
    Reply::json(
        200,
        &Keystores {
            total: listed.total,
            keystores: keystores.collect::<Result<_>>()?,
        },
    )
}

/// `GET …/keystores/{keystore_id}`
pub async fn show(cx: &mut Context, request: &Request) -> Result<Reply> {
    let keystore = keystores::show(cx, &named(request)?).await?;
    let keystore = details(cx, &keystore)?;
    Reply::json(200, &OneKeystore { keystore })
}

/// `POST …/keystores/{keystore_id}/enable`
pub async fn enable(cx: &mut Context, request: &Request) -> Result<Reply> {
    switch(cx, request, true).await
}

/// `POST …/keystores/{keystore_id}/disable`
pub async fn disable(cx: &mut Context, request: &Request) -> Result<Reply> {
    switch(cx, request, false).await
}

async fn switch(cx: &mut Context, request: &Request, enabled: bool) -> Result<Reply> {
    let keystore = keystores::switch(cx, &named(request)?, enabled).await?;
    Reply::json(
        200,
        &OneKeystore {
            keystore: StateDetails {
                keystore_id: keystore.id.to_string(),
                keystore_state: keystore.state_code().to_string(),
            },
        },
    )
}

/// `DELETE …/keystores/{keystore_id}`
pub async fn delete(cx: &mut Context, request: &Request) -> Result<Reply> {
    keystores::delete(cx, &named(request)?).await?;
    Ok(Reply::empty(204))
}

/// `POST …/kms/create-pin`
pub async fn create_pin(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: CreatePin = decode(request)?;
    let pin = if is_sealed(asked.pin_type.as_deref())? {
        let keystore = match asked.keystore_id.as_deref() {
            None => return Err(Error::Missing("keystore_id".into())),
            Some("1" | "2") => PinKeystore::Shared,
            Some(id) => PinKeystore::Dedicated(keystore_id(id)?),
        };
        let spell = |bytes: &[u8]| Secret::new(STANDARD.encode(bytes).into_bytes());
        STANDARD.encode(pins::create_sealed(cx, &keystore, spell).await?)
    } else {
        STANDARD.encode(pins::create(cx)?.expose())
    };
    Reply::json(
        200,
        &Pin {
            pin: Zeroizing::new(pin),
        },
    )
}

impl PinText {
    /// The PIN, if there is one.
    pub(super) fn pin(self) -> Result<Option<GivenPin>> {
        let text = |member, value: Option<Value>| match value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(Zeroizing::new(text))),
            Some(_) => Err(Error::invalid(member, "must be a string")),
        };
        let kind = text("pin_type", self.pin_type)?;
        let is_sealed = is_sealed(kind.as_ref().map(|kind| kind.as_str()))?;
        let Some(pin) = text("pin", self.pin)? else {
            return Ok(None);
        };
        if is_sealed {
            return STANDARD
                .decode(pin.as_bytes())
                .map(|pin| Some(GivenPin::Sealed(pin)))
                .map_err(|_| Error::invalid("pin", "must be Base64, as create-pin gives it"));
        }
        if pin.len() > PIN_BYTES {
            return Err(Error::invalid("pin", "must be at most 128 bytes"));
        }
        Ok(Some(GivenPin::Plain(Secret::from_slice(pin.as_bytes()))))
    }
}

/// Whether a PIN goes over the wire sealed, which it does by default.
fn is_sealed(pin_type: Option<&str>) -> Result<bool> {
    match pin_type {
        None | Some("CipherText") => Ok(true),
        Some("PlainText") => Ok(false),
        Some(_) => Err(Error::invalid(
            "pin_type",
            "must be CipherText or PlainText",
        )),
    }
}

/// The keystore in the path. What cannot be an id is one that nobody has.
fn named(request: &Request) -> Result<KeystoreId> {
    keystore_id(request.param("keystore_id").unwrap_or_default())
}

/// The id of a keystore that somebody made.
pub(super) fn keystore_id(text: &str) -> Result<KeystoreId> {
    KeystoreId::parse(text)
        .ok()
        .filter(|id| !id.is_built_in())
        .ok_or(Error::KeystoreNotFound)
}

fn query_number(request: &Request, name: &'static str, default: u64) -> Result<u64> {
    let number = |text: String| {
        serde_json::from_value::<NumberText>(text.into())
            .ok()
            .and_then(|text| text.number())
            .ok_or_else(|| Error::invalid(name, "must be a whole number"))
    };
    query_param(request, name)?.map_or(Ok(default), number)
}

fn details(cx: &Context, keystore: &Keystore) -> Result<KeystoreDetails> {
    Ok(KeystoreDetails {
        keystore_id: keystore.id.to_string(),
        domain_id: cx.project()?.domain.to_string(),
        keystore_alias: keystore.name.to_string(),
        keystore_type: "DHSM",
        hsm_cluster_id: keystore.cluster.to_string(),
        cluster_id: keystore.cluster.to_string(),
        create_time: millis(keystore.created_at),
    })
}
