//! Rotation, as AWS spells it (contract, section 11.8).

use serde::{Deserialize, Serialize};

use super::naming::{KeyName, arn_of};
use super::paging;
use super::wire::{Seconds, answer, decode, nothing};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::key::Key;
use crate::model::spec::Origin;
use crate::model::time::Timestamp;
use crate::operations::pages::Position;
use crate::operations::rotation::{self, Turn};

/// The period when nobody says, in days. Which there may be the model says.
const DEFAULT_DAYS: u32 = 365;
/// How often a key is rotated on demand in its life.
const ON_DEMAND: u32 = 25;
/// How many rotations a page has when nobody says.
const PAGE: u32 = 100;
/// What markers are for.
const LIST: &str = "ListKeyRotations";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NamedKey {
    key_id: KeyName,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EnableKeyRotation {
    key_id: KeyName,
    rotation_period_in_days: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListKeyRotations {
    key_id: KeyName,
    include_key_material: Option<String>,
    limit: Option<u32>,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    key_rotation_enabled: bool,
    key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_period_in_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_rotation_date: Option<Seconds>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rotated {
    key_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rotations {
    rotations: Vec<RotationsListEntry>,
    #[serde(flatten)]
    end: paging::Turn,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RotationsListEntry {
    key_id: String,
    key_material_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    import_state: Option<&'static str>,
    key_material_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_model: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_to: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_date: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_type: Option<&'static str>,
}

/// `EnableKeyRotation`: also changes the period.
pub async fn enable(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: EnableKeyRotation = decode(request, "EnableKeyRotation")?;
    let days = asked.rotation_period_in_days.unwrap_or(DEFAULT_DAYS);
    rotation::plan(cx, &asked.key_id.id(cx)?, days).await?;
    Ok(nothing())
}

/// `DisableKeyRotation`: ending what is not there is no error here.
pub async fn disable(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request, "DisableKeyRotation")?;
    match rotation::disable(cx, &asked.key_id.id(cx)?).await {
        Ok(_) | Err(Error::RotationIsOff) => Ok(nothing()),
        Err(error) => Err(error),
    }
}

/// `GetKeyRotationStatus`
pub async fn status(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request, "GetKeyRotationStatus")?;
    let (key, plan) = rotation::plan_of(cx, &asked.key_id.id(cx)?).await?;
    // A key that leaves is not rotated, whatever its plan.
    let plan = plan.filter(|_| !key.state.is_leaving());
    answer(&Status {
        key_rotation_enabled: plan.is_some(),
        key_id: arn_of(cx, &key)?,
        rotation_period_in_days: plan.map(|plan| plan.days),
        next_rotation_date: plan.map(|plan| Seconds(plan.next_at)),
    })
}

/// `RotateKeyOnDemand`
pub async fn on_demand(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request, "RotateKeyOnDemand")?;
    let (origins, most) = (&[Origin::Kms, Origin::External], Some(ON_DEMAND));
    let key = rotation::on_demand(cx, &asked.key_id.id(cx)?, origins, most).await?;
    answer(&Rotated {
        key_id: arn_of(cx, &key)?,
    })
}

/// `ListKeyRotations`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ListKeyRotations = decode(request, "ListKeyRotations")?;
    let limit = asked.limit.unwrap_or(PAGE);
    let (key, mut turns) = rotation::history(cx, &asked.key_id.id(cx)?).await?;
    let everything = asked.include_key_material.as_deref() == Some("ALL_KEY_MATERIAL");
    // A marker is good for the list of one key.
    let of_key = format!("{LIST} of {}", key.id);
    let after = paging::after(cx, &of_key, asked.marker.as_deref()).await?;
    turns.retain(|turn| {
        let is_further = after
            .as_ref()
            .is_none_or(|after| position(turn).id > after.id);
        is_further && (everything || turn.rotated.is_some())
    });
    let end = paging::turn(cx, &of_key, &mut turns, limit, position).await?;
    let now = cx.kms().deadline_now();
    let rotations = turns.into_iter().map(|turn| {
        let imported = turn.imported.as_ref();
        let is_there = imported.is_some_and(|material| material.is_there(now));
        RotationsListEntry {
            key_id: key.id.to_string(),
            key_material_state: state_of(&key, &turn),
            key_material_description: imported
                .map(|material| material.description.clone())
                .filter(|text| !text.is_empty()),
            import_state: imported.map(|_| match is_there {
                true => "IMPORTED",
                false => "PENDING_IMPORT",
            }),
            expiration_model: imported.filter(|_| is_there).map(|material| {
                match material.expires_at {
                    Some(_) => "KEY_MATERIAL_EXPIRES",
                    None => "KEY_MATERIAL_DOES_NOT_EXPIRE",
                }
            }),
            valid_to: imported
                .filter(|_| is_there)
                .and_then(|material| material.expires_at)
                .map(Seconds),
            rotation_date: turn.rotated.map(|(at, _)| Seconds(at)),
            rotation_type: turn.rotated.map(|(_, on_demand)| match on_demand {
                true => "ON_DEMAND",
                false => "AUTOMATIC",
            }),
            key_material_id: turn.material_id,
        }
    });
    answer(&Rotations {
        rotations: rotations.collect(),
        end,
    })
}

/// Where a material stands in the list: by its number, which is written so that texts sort alike.
fn position(turn: &Turn) -> Position {
    Position {
        at: Timestamp::from_millis(0),
        id: format!("{:010}", turn.version),
    }
}

fn state_of(key: &Key, turn: &Turn) -> &'static str {
    match turn.imported.as_ref() {
        Some(material) if material.waits() && turn.is_to_come => {
            "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
        }
        Some(material) if material.waits() => "PENDING_ROTATION",
        _ if turn.is_current || key.current_version == Some(turn.version) => "CURRENT",
        _ => "NON_CURRENT",
    }
}
