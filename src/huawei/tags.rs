//! Tags of keys, as Huawei spells them (contract, sections 4.8 and 7.8).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use validator::Validate;

use super::keys::{KeyDetails, details};
use super::wire::{NumberText, Sequence, decode, key_in_path};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits;
use crate::model::error::{Error, Result, TagFault};
use crate::model::tag::{Tag, TagSearch};
use crate::operations::tags;
use crate::signed::unescape;

/// What must not stand in a tag's key or value, beside ASCII's control characters.
const FORBIDDEN: [char; 5] = ['*', '<', '>', '\\', '='];
const FORBIDDEN_WORDS: &str = "must not contain control characters or any of * < > \\ =";

/// The one field that keys are searched by beside their tags: the key's name.
const RESOURCE_NAME: &str = "resource_name";

#[derive(Deserialize, Validate)]
struct CreateTag {
    tag: Value,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct ChangeTags {
    tags: Value,
    action: String,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct FindKeys {
    limit: Option<NumberText>,
    offset: Option<NumberText>,
    action: Option<String>,
    tags: Option<Value>,
    matches: Option<Value>,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Serialize)]
struct TagItem {
    key: String,
    value: String,
}

#[derive(Serialize)]
struct KeyTags {
    tags: Vec<TagItem>,
    #[serde(rename = "existTagsNum")]
    count: usize,
}

#[derive(Serialize)]
struct TagValues {
    key: String,
    values: Vec<String>,
}

#[derive(Serialize)]
struct ProjectTags {
    tags: Vec<TagValues>,
}

#[derive(Serialize)]
struct Resource {
    resource_id: String,
    resource_detail: KeyDetails,
    resource_name: String,
    tags: Vec<TagItem>,
}

#[derive(Serialize)]
struct Resources {
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<Resource>>,
    total_count: u64,
}

/// `POST …/kms/{key_id}/tags`
pub async fn create(cx: &mut Context, request: &Request) -> Result<Reply> {
    let key = key_in_path(request)?;
    let asked: CreateTag = decode(request)?;
    let tag = match &asked.tag {
        Value::Object(members) => tag_of(members, "tag")?,
        _ => return Err(Error::invalid("tag", "must be an object")),
    };
    tags::put(cx, &key, vec![tag], limits::TAGS_PER_KEY).await?;
    Ok(Reply::empty(204))
}

/// `POST …/kms/{key_id}/tags/action`
pub async fn change(cx: &mut Context, request: &Request) -> Result<Reply> {
    let key = key_in_path(request)?;
    let asked: ChangeTags = decode(request)?;
    let puts = match asked.action.as_str() {
        "create" => true,
        "delete" => false,
        _ => return Err(Error::invalid("action", "must be create or delete")),
    };
    let list = tag_list(&asked.tags)?;
    if puts {
        tags::put(cx, &key, list, limits::TAGS_PER_KEY).await?;
    } else {
        // More than a key can have: a list that was meant for something else.
        if list.len() > limits::TAGS_PER_KEY {
            return Err(unfit(
                TagFault::ListSize,
                "tags",
                "must name at most 20 tags",
            ));
        }
        let tag_keys = list.into_iter().map(|tag| tag.key).collect();
        tags::remove(cx, &key, tag_keys).await?;
    }
    Ok(Reply::empty(204))
}

/// `DELETE …/kms/{key_id}/tags/{key}`
pub async fn delete(cx: &mut Context, request: &Request) -> Result<Reply> {
    let key = key_in_path(request)?;
    let escaped = request.param("key").unwrap_or_default();
    let tag_key = unescape(escaped, false)
        .ok_or_else(|| unfit(TagFault::Key, "key", "is not escaped UTF-8"))?;
    check_key(&tag_key, "key")?;
    tags::remove_one(cx, &key, tag_key).await?;
    Ok(Reply::empty(204))
}

/// `GET …/kms/{key_id}/tags`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let key = key_in_path(request)?;
    let found = tags::of_key(cx, &key).await?;
    Reply::json(
        200,
        &KeyTags {
            count: found.len(),
            tags: items(found),
        },
    )
}

/// `GET …/kms/tags`
pub async fn list_of_project(cx: &mut Context, _request: &Request) -> Result<Reply> {
    let found = tags::of_project(cx).await?;
    Reply::json(
        200,
        &ProjectTags {
            tags: found
                .into_iter()
                .map(|(key, values)| TagValues { key, values })
                .collect(),
        },
    )
}

/// `POST …/kms/resource_instances/action`
pub async fn find(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: FindKeys = decode(request)?;
    let only_counts = match asked.action.as_deref() {
        None | Some("filter") => false,
        Some("count") => true,
        Some(_) => return Err(Error::invalid("action", "must be filter or count")),
    };
    let (most, usual) = limits::FOUND_ROWS;
    let limit = match &asked.limit {
        None => usual,
        Some(text) => text
            .number()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (1..=most).contains(number))
            .ok_or_else(|| Error::invalid("limit", "must be a number, 1 to 1000"))?,
    };
    let offset = match &asked.offset {
        None => 0,
        Some(text) => text
            .number()
            .ok_or_else(|| Error::invalid("offset", "must be a number of at least 0"))?,
    };
    if only_counts {
        for (member, given) in [("limit", &asked.limit), ("offset", &asked.offset)] {
            if given.is_some() {
                let why = "does not go with action count, which has no pages";
                return Err(unfit(TagFault::PageOfCount, member, why));
            }
        }
    }
    let search = TagSearch {
        tags: asked.tags.as_ref().map_or(Ok(Vec::new()), wanted_tags)?,
        name_contains: asked.matches.as_ref().map_or(Ok(Vec::new()), matches)?,
    };
    if only_counts {
        let total_count = tags::count(cx, &search).await?;
        return Reply::json(
            200,
            &Resources {
                resources: None,
                total_count,
            },
        );
    }
    let page = tags::find(cx, &search, offset, limit).await?;
    let domain = cx.project()?.domain.clone();
    let resources = page
        .found
        .into_iter()
        .map(|found| Resource {
            resource_id: found.key.id.to_string(),
            resource_detail: details(&domain, &found.key),
            resource_name: found.key.name.to_string(),
            tags: items(found.tags),
        })
        .collect();
    Reply::json(
        200,
        &Resources {
            resources: Some(resources),
            total_count: page.total,
        },
    )
}

fn items(tags: Vec<Tag>) -> Vec<TagItem> {
    tags.into_iter()
        .map(|Tag { key, value }| TagItem { key, value })
        .collect()
}

fn unfit(fault: TagFault, member: impl Into<String>, why: &'static str) -> Error {
    Error::UnfitTags(fault, member.into(), why)
}

/// The tags of tags/action: at least one, and no key twice.
pub(super) fn tag_list(value: &Value) -> Result<Vec<Tag>> {
    let Value::Array(list) = value else {
        return Err(unfit(TagFault::List, "tags", "must be a list of tags"));
    };
    if list.is_empty() {
        return Err(unfit(TagFault::Empty, "tags", "names no tag"));
    }
    let mut seen = BTreeSet::new();
    let mut tags = Vec::with_capacity(list.len());
    for (at, item) in list.iter().enumerate() {
        let place = format!("tags[{at}]");
        let Value::Object(members) = item else {
            return Err(unfit(TagFault::List, place, "must be an object"));
        };
        let tag = tag_of(members, &place)?;
        if !seen.insert(tag.key.clone()) {
            return Err(unfit(
                TagFault::List,
                place,
                "has a key that was there before",
            ));
        }
        tags.push(tag);
    }
    Ok(tags)
}

/// One tag: its key is mandatory, its value may be empty or missing, which is the same.
fn tag_of(members: &Map<String, Value>, place: &str) -> Result<Tag> {
    let key = key_of(members, place)?;
    let at = || format!("{place}.value");
    let value = match members.get("value") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(value)) => value.clone(),
        Some(_) => return Err(unfit(TagFault::Value, at(), "must be a string")),
    };
    check_value(&value, at)?;
    Ok(Tag { key, value })
}

fn key_of(members: &Map<String, Value>, place: &str) -> Result<String> {
    let at = format!("{place}.key");
    match members.get("key") {
        None | Some(Value::Null) => Err(Error::Missing(at)),
        Some(Value::String(key)) => {
            check_key(key, &at)?;
            Ok(key.clone())
        }
        Some(_) => Err(unfit(TagFault::Key, at, "must be a string")),
    }
}

fn check_key(key: &str, at: &str) -> Result<()> {
    if key.is_empty() {
        return Err(Error::Missing(at.to_owned()));
    }
    if key.chars().count() > limits::TAG_KEY_CHARACTERS {
        return Err(unfit(
            TagFault::KeyTooLong,
            at,
            "must be at most 128 characters",
        ));
    }
    if has_forbidden(key) {
        return Err(unfit(TagFault::Key, at, FORBIDDEN_WORDS));
    }
    Ok(())
}

fn check_value(value: &str, at: impl Fn() -> String) -> Result<()> {
    if value.chars().count() > limits::TAG_VALUE_CHARACTERS {
        return Err(unfit(
            TagFault::ValueTooLong,
            at(),
            "must be at most 255 characters",
        ));
    }
    if has_forbidden(value) {
        return Err(unfit(TagFault::Value, at(), FORBIDDEN_WORDS));
    }
    Ok(())
}

fn has_forbidden(text: &str) -> bool {
    text.chars().any(|c| c < ' ' || FORBIDDEN.contains(&c))
}

/// The tags of a search: no key twice, no value of a key twice. A key without values may have any.
fn wanted_tags(value: &Value) -> Result<Vec<(String, Vec<String>)>> {
    let Value::Array(list) = value else {
        return Err(unfit(TagFault::Search, "tags", "must be a list of tags"));
    };
    if list.len() > limits::TAGS_PER_SEARCH {
        let why = "must name at most 10 tags";
        return Err(unfit(TagFault::ListSize, "tags", why));
    }
    let mut wanted: Vec<(String, Vec<String>)> = Vec::with_capacity(list.len());
    for (at, item) in list.iter().enumerate() {
        let place = format!("tags[{at}]");
        let Value::Object(members) = item else {
            return Err(unfit(TagFault::Search, place, "must be an object"));
        };
        let key = key_of(members, &place)?;
        if wanted.iter().any(|(known, _)| *known == key) {
            let why = "has a key that was there before";
            return Err(unfit(TagFault::Search, place, why));
        }
        let values = wanted_values(members.get("values"), &format!("{place}.values"))?;
        wanted.push((key, values));
    }
    Ok(wanted)
}

fn wanted_values(value: Option<&Value>, place: &str) -> Result<Vec<String>> {
    let list = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(unfit(TagFault::Search, place, "must be a list of strings")),
    };
    if list.len() > limits::TAGS_PER_SEARCH {
        let why = "must name at most 10 values";
        return Err(unfit(TagFault::TooManyValues, place, why));
    }
    let mut values: Vec<String> = Vec::with_capacity(list.len());
    for (at, item) in list.iter().enumerate() {
        let at = || format!("{place}[{at}]");
        let Value::String(value) = item else {
            return Err(unfit(TagFault::Value, at(), "must be a string"));
        };
        check_value(value, at)?;
        if values.contains(value) {
            return Err(unfit(TagFault::Search, at(), "was there before"));
        }
        values.push(value.clone());
    }
    Ok(values)
}

/// The other fields of a search: texts that the key's name must contain. The vendor says what a match
/// is by an example only, in which `orders` finds `orders-db`; so it is any part of the name, and
/// capitals do not count, as in the vendor's other searches of this form.
fn matches(value: &Value) -> Result<Vec<String>> {
    let Value::Array(list) = value else {
        return Err(unfit(TagFault::Matches, "matches", "must be a list"));
    };
    let mut parts = Vec::with_capacity(list.len());
    for (at, item) in list.iter().enumerate() {
        let place = format!("matches[{at}]");
        let Value::Object(members) = item else {
            return Err(unfit(TagFault::Matches, place, "must be an object"));
        };
        match members.get("key") {
            None | Some(Value::Null) => return Err(Error::Missing(format!("{place}.key"))),
            Some(Value::String(key)) if key == RESOURCE_NAME => {}
            Some(_) => {
                let at = format!("{place}.key");
                return Err(unfit(TagFault::MatchKey, at, "must be resource_name"));
            }
        }
        let at = format!("{place}.value");
        match members.get("value") {
            Some(Value::String(part))
                if !part.is_empty()
                    && part.chars().count() <= limits::TAG_VALUE_CHARACTERS
                    && !has_forbidden(part) =>
            {
                parts.push(part.clone());
            }
            _ => {
                let why = "must be 1 to 255 characters, none of them a control character or any \
                           of * < > \\ =";
                return Err(unfit(TagFault::MatchValue, at, why));
            }
        }
        if parts.len() > 1 {
            let why = "names a field that was there before";
            return Err(unfit(TagFault::Matches, place, why));
        }
    }
    Ok(parts)
}
