//! Rotation, as Huawei spells it (contract, sections 4.7 and 7.7; rotate-on-demand in 4.5).

use serde::{Deserialize, Serialize};
use validator::Validate;

use super::wire::{KeyIdText, NumberText, Sequence, decode, millis, millis_or_empty};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::key::Key;
use crate::model::material::ImportedMaterial;
use crate::model::spec::Origin;
use crate::operations::rotation;

/// The period that rotation begins with, in days.
const DEFAULT_DAYS: u32 = 365;
/// The periods that may be set, in days.
const DAYS: std::ops::RangeInclusive<u32> = 30..=365;

#[derive(Deserialize, Validate)]
struct NamedKey {
    key_id: KeyIdText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

/// Without `sequence`: rotate-on-demand has none.
#[derive(Deserialize, Validate)]
struct NamedKeyAlone {
    key_id: KeyIdText,
}

#[derive(Deserialize, Validate)]
struct UpdateInterval {
    key_id: KeyIdText,
    rotation_interval: NumberText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Rotated<'k> {
    key_id: &'k str,
}

#[derive(Serialize)]
struct Status {
    key_rotation_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_interval: Option<u32>,
    last_rotation_time: String,
    number_of_rotations: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_materials: Option<Vec<KeyMaterial>>,
}

#[derive(Serialize)]
struct KeyMaterial {
    material_id: String,
    charge_id: &'static str,
    create_time: String,
    expiration_time: String,
    state: u8,
}

/// `POST …/kms/enable-key-rotation`
pub async fn enable(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request)?;
    rotation::enable(cx, &asked.key_id.0, DEFAULT_DAYS).await?;
    Reply::json(200, &Nothing {})
}

/// `POST …/kms/update-key-rotation-interval`
pub async fn set_interval(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: UpdateInterval = decode(request)?;
    let days = asked
        .rotation_interval
        .number()
        .and_then(|days| u32::try_from(days).ok())
        .filter(|days| DAYS.contains(days))
        .ok_or_else(|| Error::invalid("rotation_interval", "must be 30 to 365 days"))?;
    rotation::set_interval(cx, &asked.key_id.0, days).await?;
    Reply::json(200, &Nothing {})
}

/// `POST …/kms/disable-key-rotation`
pub async fn disable(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request)?;
    rotation::disable(cx, &asked.key_id.0).await?;
    Reply::json(200, &Nothing {})
}

/// `POST …/kms/rotate-on-demand`: of imported material only; kmsd's own is renewed by plan.
pub async fn on_demand(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKeyAlone = decode(request)?;
    let key = rotation::on_demand(cx, &asked.key_id.0, &[Origin::External]).await?;
    let key_id = key.id.as_str();
    Reply::json(200, &Rotated { key_id })
}

/// `POST …/kms/get-key-rotation-status`
pub async fn status(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request)?;
    let (key, materials) = rotation::status(cx, &asked.key_id.0).await?;
    Reply::json(200, &status_of(&key, &materials))
}

fn status_of(key: &Key, materials: &[ImportedMaterial]) -> Status {
    let is_external = key.origin == Origin::External;
    Status {
        key_rotation_enabled: key.rotation.is_some(),
        rotation_interval: key.rotation.map(|plan| plan.days),
        last_rotation_time: millis_or_empty(key.rotated_at),
        number_of_rotations: key.rotations,
        key_materials: is_external.then(|| materials.iter().map(shown).collect()),
    }
}

fn shown(material: &ImportedMaterial) -> KeyMaterial {
    KeyMaterial {
        material_id: material.id.to_string(),
        // kmsd bills nothing.
        charge_id: "",
        create_time: millis(material.created_at),
        expiration_time: millis_or_empty(material.expires_at),
        // 0 waits for a rotation, 2 is in use (contract, section 3.2).
        state: if material.waits() { 0 } else { 2 },
    }
}
