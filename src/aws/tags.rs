//! Tags, as AWS spells them (contract, section 9).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::naming::KeyName;
use super::paging::{self, Turn};
use super::wire::{answer, decode, nothing, page_size};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits::AWS_TAGS_PER_KEY;
use crate::model::error::{Error, Result, TagFault};
use crate::model::key::Key;
use crate::model::state::Verdict;
use crate::model::tag;
use crate::operations::pages::Position;
use crate::operations::tags;

/// How many tags a page has when nobody says, and at most (contract, section 10).
const PAGE: (u32, u32) = (50, 50);
/// What the keys of tags begin with that are not the customer's to give.
const RESERVED: &str = "aws:";

/// A tag on the wire.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    tag_key: String,
    tag_value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagResource {
    key_id: KeyName,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UntagResource {
    key_id: KeyName,
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListResourceTags {
    key_id: KeyName,
    limit: Option<u32>,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagList {
    tags: Vec<Tag>,
    #[serde(flatten)]
    turn: Turn,
}

/// The tags that a request gives, as the model has them.
///
/// # Errors
/// [`Error::UnfitTags`].
pub fn given(tags: Vec<Tag>) -> Result<Vec<tag::Tag>> {
    let unfit = |fault, why| Err(Error::UnfitTags(fault, "Tags".into(), why));
    let mut keys = BTreeSet::new();
    for tag in &tags {
        if is_reserved(&tag.tag_key) {
            return unfit(TagFault::Reserved, "begin with aws:");
        }
        if !keys.insert(tag.tag_key.as_str()) {
            return unfit(TagFault::List, "name a key twice");
        }
    }
    if tags.len() > AWS_TAGS_PER_KEY {
        return unfit(TagFault::ListSize, "are too many");
    }
    Ok(tags
        .into_iter()
        .map(|tag| tag::Tag {
            key: tag.tag_key,
            value: tag.tag_value,
        })
        .collect())
}

fn is_reserved(tag_key: &str) -> bool {
    tag_key
        .get(..RESERVED.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(RESERVED))
}

/// A key that is scheduled for deletion keeps its tags here (contract, section 3.1).
fn unless_leaving(cx: &Context, key: &Key) -> Result<Reply> {
    match key.state.permits(cx.action()) {
        Some(Verdict::AllowLeaving) => Err(Error::WrongState(cx.action(), Verdict::AllowLeaving)),
        _ => Ok(nothing()),
    }
}

/// `TagResource`
pub async fn tag(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: TagResource = decode(request, "TagResource")?;
    let tags = given(asked.tags)?;
    let key = asked.key_id.id(cx)?;
    let key = tags::put(cx, &key, tags, AWS_TAGS_PER_KEY).await?;
    unless_leaving(cx, &key)
}

/// `UntagResource`
pub async fn untag(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: UntagResource = decode(request, "UntagResource")?;
    if asked.tag_keys.iter().any(|key| is_reserved(key)) {
        let why = "begin with aws:";
        return Err(Error::UnfitTags(TagFault::Reserved, "TagKeys".into(), why));
    }
    let key = asked.key_id.id(cx)?;
    let key = tags::remove(cx, &key, asked.tag_keys).await?;
    unless_leaving(cx, &key)
}

/// `ListResourceTags`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ListResourceTags = decode(request, "ListResourceTags")?;
    let limit = page_size(asked.limit, PAGE)?;
    let key = asked.key_id.id(cx)?;
    let list = format!("ListResourceTags {key}");
    let after = paging::after(cx, &list, asked.marker.as_deref()).await?;
    let after = after.map_or_else(String::new, |last| last.id);
    let mut tags: Vec<Tag> = tags::of_key(cx, &key)
        .await?
        .into_iter()
        .filter(|tag| tag.key > after)
        .map(|tag| Tag {
            tag_key: tag.key,
            tag_value: tag.value,
        })
        .collect();
    // The database may order letters otherwise than the marker does.
    tags.sort_by(|one, other| one.tag_key.cmp(&other.tag_key));
    let turn = paging::turn(cx, &list, &mut tags, limit, |tag| Position {
        at: cx.now(),
        id: tag.tag_key.clone(),
    })
    .await?;
    answer(&TagList { tags, turn })
}
