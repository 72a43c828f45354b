//! Tags: given to keys, taken from them, and what keys are found by.

use std::collections::{BTreeMap, BTreeSet};

use crate::kms::Context;
use crate::limits;
use crate::model::error::{Error, Result};
use crate::model::key::{Key, KeyRef};
use crate::model::policy::Fact;
use crate::model::tag::{Tag, TagSearch};
use crate::store::Write;

/// A key that was found, with its tags.
#[derive(Clone, Debug)]
pub struct Found {
    /// The key.
    pub key: Key,
    /// Its tags, by their keys.
    pub tags: Vec<Tag>,
}

/// A page of what a search found.
#[derive(Clone, Debug)]
pub struct Page {
    /// The keys, the newest first.
    pub found: Vec<Found>,
    /// How many there are in all.
    pub total: u64,
}

/// Gives a key tags, of which it may have so many. A tag of a key that it has already gets the new value. Its number of tags is
/// exact: each change counts up the key's revision, so the slower of two decides again.
///
/// # Errors
/// [`Error::TooManyTags`], and nothing is changed.
pub async fn put(cx: &mut Context, key: &KeyRef, tags: Vec<Tag>, most: usize) -> Result<Key> {
    tell(cx, &tags);
    let mut key = cx.key(key).await?;
    let present = cx.kms().store().tags_of(&key).await?;
    let all: BTreeSet<&str> = present
        .iter()
        .chain(&tags)
        .map(|tag| tag.key.as_str())
        .collect();
    if all.len() > most {
        return Err(Error::TooManyTags(most));
    }
    cx.note(named("put", tags.iter().map(|tag| tag.key.as_str())));
    cx.save(&mut key).await?;
    cx.write(Write::PutTags {
        key: Box::new(key.clone()),
        tags,
    });
    Ok(key)
}

/// Says which tags the call gives.
pub(super) fn tell(cx: &mut Context, tags: &[Tag]) {
    let asked = cx.asked();
    asked.tags = tags.to_vec();
    let keys = tags.iter().map(|tag| tag.key.clone().into());
    asked.tell_all(Fact::TagKeys, keys);
}

/// Gives a new key its first tags, in the call that makes it.
///
/// # Errors
/// [`Error::TooManyTags`].
pub fn put_first(cx: &mut Context, key: &Key, tags: Vec<Tag>, most: usize) -> Result<()> {
    if tags.len() > most {
        return Err(Error::TooManyTags(most));
    }
    if !tags.is_empty() {
        cx.write(Write::PutTags {
            key: Box::new(key.clone()),
            tags,
        });
    }
    Ok(())
}

/// Takes tags from a key, by their keys. Those that it does not have are no fault: afterwards it has
/// none of them.
///
/// # Errors
/// [`Error::KeyNotFound`].
pub async fn remove(cx: &mut Context, key: &KeyRef, tag_keys: Vec<String>) -> Result<Key> {
    let told = tag_keys.iter().cloned().map(Into::into);
    cx.asked().operation = Some("UntagResource");
    cx.asked().tell_all(Fact::TagKeys, told);
    let mut key = cx.key(key).await?;
    cx.note(named("remove", tag_keys.iter().map(String::as_str)));
    cx.save(&mut key).await?;
    cx.write(Write::RemoveTags {
        key: Box::new(key.clone()),
        tag_keys,
    });
    Ok(key)
}

/// Takes one tag from a key, which it must have.
///
/// # Errors
/// [`Error::TagNotFound`].
pub async fn remove_one(cx: &mut Context, key: &KeyRef, tag_key: String) -> Result<()> {
    cx.asked().tell(Fact::TagKeys, tag_key.clone());
    let mut key = cx.key(key).await?;
    let present = cx.kms().store().tags_of(&key).await?;
    if !present.iter().any(|tag| tag.key == tag_key) {
        return Err(Error::TagNotFound);
    }
    cx.note(named("remove", [tag_key.as_str()].into_iter()));
    cx.save(&mut key).await?;
    cx.write(Write::RemoveTags {
        key: Box::new(key),
        tag_keys: vec![tag_key],
    });
    Ok(())
}

/// Reads a key's tags, by their keys.
///
/// # Errors
/// [`Error::KeyNotFound`].
pub async fn of_key(cx: &mut Context, key: &KeyRef) -> Result<Vec<Tag>> {
    let key = cx.key(key).await?;
    Ok(cx.kms().store().tags_of(&key).await?)
}

/// Reads which tags the keys of the project have: each key with each of its values once, at most
/// [`limits::PROJECT_TAGS`] in all.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn of_project(cx: &mut Context) -> Result<BTreeMap<String, Vec<String>>> {
    cx.permit()?;
    let project = cx.project()?.id.clone();
    let now = cx.kms().deadline_now();
    let tags = cx
        .kms()
        .store()
        .tags_of_project(&project, cx.region(), now, limits::PROJECT_TAGS)
        .await?;
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Tag { key, value } in tags {
        values.entry(key).or_default().push(value);
    }
    Ok(values)
}

/// Finds keys, the newest first.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn find(cx: &mut Context, search: &TagSearch, offset: u64, limit: u32) -> Result<Page> {
    cx.permit()?;
    let project = cx.project()?.id.clone();
    let store = cx.kms().store();
    let page = store
        .find_keys_by_tags(
            &project,
            cx.region(),
            search,
            cx.kms().deadline_now(),
            i64::try_from(offset).unwrap_or(i64::MAX),
            i64::from(limit),
        )
        .await?;
    let sealing = cx.project_key().await?;
    let keys: Vec<Key> = page
        .keys
        .into_iter()
        .map(|row| Ok(row.open(sealing.row())?))
        .collect::<Result<_>>()?;
    let ids: Vec<_> = keys.iter().map(|key| &key.id).collect();
    let mut tags = store.tags_of_keys(&project, cx.region(), &ids).await?;
    Ok(Page {
        found: keys
            .into_iter()
            .map(|key| Found {
                tags: tags.remove(key.id.as_str()).unwrap_or_default(),
                key,
            })
            .collect(),
        total: u64::try_from(page.total).unwrap_or(0),
    })
}

/// Counts the keys that a search is for.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn count(cx: &mut Context, search: &TagSearch) -> Result<u64> {
    cx.permit()?;
    let project = cx.project()?.id.clone();
    let now = cx.kms().deadline_now();
    let count = cx
        .kms()
        .store()
        .count_keys_by_tags(&project, cx.region(), search, now)
        .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// What the record says: the keys of the tags, quoted, for they may hold anything. Values are the
/// business of nobody who reads records.
fn named<'t>(what: &str, tag_keys: impl Iterator<Item = &'t str>) -> String {
    let quoted: Vec<String> = tag_keys.map(|key| format!("{key:?}")).collect();
    format!("{what} {}", quoted.join(", "))
}
