//! The audit trail of a key, in the manner of Huawei's other lists. The vendor has no such call.

use serde::Serialize;

use super::wire::{key_in_path, millis, query_param};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits;
use crate::model::audit::Record;
use crate::model::error::{Error, Result};
use crate::operations::records::{self, Place};

#[derive(Serialize)]
struct Page {
    records: Vec<Shown>,
    next_marker: String,
}

#[derive(Serialize)]
struct Shown {
    at: String,
    request_id: String,
    action: &'static str,
    outcome: String,
    user_id: String,
    user_name: String,
    credential: String,
    address: String,
    revision: i64,
    detail: String,
}

/// `GET /kmsd/v1/{project_id}/keys/{key_id}/audit`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let key = key_in_path(request)?;
    let limit = match query_param(request, "limit")?.filter(|text| !text.is_empty()) {
        None => limits::RECORD_ROWS,
        Some(text) => Some(&text)
            .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|rows| (1..=limits::MOST_RECORD_ROWS).contains(rows))
            .ok_or_else(|| {
                let most = limits::MOST_RECORD_ROWS;
                Error::invalid("limit", format!("must be 1 to {most}"))
            })?,
    };
    let before = match query_param(request, "marker")?.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(place_of(&text).ok_or_else(|| {
            Error::invalid("marker", "must be the next_marker of the page before")
        })?),
    };
    let listed = records::list(cx, &key, before.as_ref(), limit).await?;
    Reply::json(
        200,
        &Page {
            records: listed.records.iter().map(shown).collect(),
            next_marker: listed.next.as_ref().map_or_else(String::new, marker_of),
        },
    )
}

fn shown(record: &Record) -> Shown {
    Shown {
        at: millis(record.at),
        request_id: record.request_id.clone(),
        action: record.action.name(),
        outcome: record.outcome.clone(),
        user_id: record.user_id.clone(),
        user_name: record.user_name.clone(),
        credential: record.credential.clone(),
        address: record.address.clone(),
        revision: record.revision,
        detail: record.detail.clone(),
    }
}

/// A place as a marker. Whatever a client makes of it, the page is still of their own key.
fn marker_of(place: &Place) -> String {
    format!("{}-{}-{}", place.at, place.writer, place.seq)
}

fn place_of(marker: &str) -> Option<Place> {
    let mut parts = marker.split('-');
    let place = Place {
        at: parts.next()?.parse().ok()?,
        writer: parts.next()?.to_owned(),
        seq: parts.next()?.parse().ok()?,
    };
    let is_ours = parts.next().is_none()
        && place.writer.len() == 16
        && place.writer.bytes().all(|b| b.is_ascii_hexdigit());
    is_ours.then_some(place)
}
