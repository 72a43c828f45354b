//! Tags of keys, and the search for keys by them.

use std::collections::HashMap;

use sqlx::QueryBuilder;

use super::keys::{Page, Row, columns};
use super::{Result, Store, Tx, on, read};
use crate::limits;
use crate::model::ids::{KeyId, ProjectId, Region};
use crate::model::key::Key;
use crate::model::tag::{Tag, TagSearch};
use crate::model::time::Timestamp;

/// Says of the row `t` that it is a tag of this key, with one of the values if there are any.
macro_rules! tagged {
    ($query:expr, $tag:expr, $values:expr) => {{
        $query.push(" AND t.tag_key = ").push_bind($tag.as_str());
        if !$values.is_empty() {
            $query.push(" AND t.tag_value IN (");
            let mut list = $query.separated(", ");
            for value in &$values[..] {
                list.push_bind(value.as_str());
            }
            $query.push(")");
        }
    }};
}

/// Says of a key's id that the key has all of these tags.
macro_rules! and_has_tags {
    ($query:expr, $id:literal, $project:expr, $region:expr, $tags:expr) => {{
        for (tag, values) in $tags {
            $query
                .push(concat!(
                    " AND EXISTS (SELECT 1 FROM key_tags t WHERE t.key_id = ",
                    $id,
                    " AND t.project_id = "
                ))
                .push_bind($project.as_str());
            $query.push(" AND t.region = ").push_bind($region.as_str());
            tagged!($query, tag, values);
            $query.push(")");
        }
    }};
}

/// Says of keys that their names contain all of these texts.
macro_rules! and_has_name {
    ($query:expr, $parts:expr) => {{
        for part in $parts {
            $query
                .push(" AND lower(name) LIKE ")
                .push_bind(containing(part));
            $query.push(" ESCAPE '!'");
        }
    }};
}

/// The pattern of names that contain a text, whatever its capitals.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_ascii_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl Store {
    /// A key's tags, by their keys.
    ///
    /// # Errors
    /// [`super::StoreError`] when they cannot be read.
    pub async fn tags_of(&self, key: &Key) -> Result<Vec<Tag>> {
        let rows: Vec<(String, String)> = read!(self, db => {
            sqlx::query_as(
                "SELECT tag_key, tag_value FROM key_tags \
                 WHERE project_id = $1 AND region = $2 AND key_id = $3 ORDER BY tag_key",
            )
            .bind(key.project.as_str())
            .bind(key.region.as_str())
            .bind(key.id.as_str())
            .fetch_all(db)
            .await
        })?;
        Ok(rows.into_iter().map(into_tag).collect())
    }

    /// The tags of some keys of a project, by the ids of the keys.
    ///
    /// # Errors
    /// [`super::StoreError`] when they cannot be read.
    pub async fn tags_of_keys(
        &self,
        project: &ProjectId,
        region: &Region,
        keys: &[&KeyId],
    ) -> Result<HashMap<String, Vec<Tag>>> {
        let mut found: HashMap<String, Vec<Tag>> = HashMap::new();
        if keys.is_empty() {
            return Ok(found);
        }
        let rows: Vec<(String, String, String)> = read!(self, db => {
            let mut query = QueryBuilder::new(
                "SELECT key_id, tag_key, tag_value FROM key_tags WHERE project_id = ",
            );
            query.push_bind(project.as_str());
            query.push(" AND region = ").push_bind(region.as_str());
            query.push(" AND key_id IN (");
            let mut list = query.separated(", ");
            for key in keys {
                list.push_bind(key.as_str());
            }
            query.push(") ORDER BY tag_key");
            query.build_query_as().fetch_all(db).await
        })?;
        for (key, name, value) in rows {
            found.entry(key).or_default().push(into_tag((name, value)));
        }
        Ok(found)
    }

    /// Every tag that some key of a project has, each once, in order; at most `limit`.
    ///
    /// The index is read by leaps, from each key to the next and from each value to the next: what
    /// it costs depends on how many different tags there are, not on how many keys have them. Tags
    /// that only keys have whose day has come are left out.
    ///
    /// # Errors
    /// [`super::StoreError`] when they cannot be read.
    pub async fn tags_of_project(
        &self,
        project: &ProjectId,
        region: &Region,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Tag>> {
        let rows: Vec<(String, String)> = read!(self, db => {
            sqlx::query_as(
                "WITH RECURSIVE named (tag_key) AS ( \
                     SELECT (SELECT MIN(tag_key) FROM key_tags \
                             WHERE project_id = $1 AND region = $2) \
                     UNION ALL \
                     SELECT (SELECT MIN(t.tag_key) FROM key_tags t \
                             WHERE t.project_id = $1 AND t.region = $2 \
                             AND t.tag_key > named.tag_key) \
                     FROM named WHERE named.tag_key IS NOT NULL \
                 ), pairs (tag_key, tag_value) AS ( \
                     SELECT named.tag_key, \
                            (SELECT MIN(t.tag_value) FROM key_tags t \
                             WHERE t.project_id = $1 AND t.region = $2 \
                             AND t.tag_key = named.tag_key) \
                     FROM named WHERE named.tag_key IS NOT NULL \
                     UNION ALL \
                     SELECT pairs.tag_key, \
                            (SELECT MIN(t.tag_value) FROM key_tags t \
                             WHERE t.project_id = $1 AND t.region = $2 \
                             AND t.tag_key = pairs.tag_key AND t.tag_value > pairs.tag_value) \
                     FROM pairs WHERE pairs.tag_value IS NOT NULL \
                 ) \
                 SELECT tag_key, tag_value FROM pairs WHERE tag_value IS NOT NULL AND EXISTS ( \
                     SELECT 1 FROM key_tags t JOIN keys k \
                     ON k.project_id = t.project_id AND k.region = t.region AND k.id = t.key_id \
                     WHERE t.project_id = $1 AND t.region = $2 AND t.tag_key = pairs.tag_key \
                     AND t.tag_value = pairs.tag_value \
                     AND (k.delete_at IS NULL OR k.delete_at > $3)) \
                 ORDER BY tag_key, tag_value LIMIT $4",
            )
            .bind(project.as_str())
            .bind(region.as_str())
            .bind(now.millis())
            .bind(limit)
            .fetch_all(db)
            .await
        })?;
        let mut tags: Vec<Tag> = rows.into_iter().map(into_tag).collect();
        tags.sort_unstable();
        Ok(tags)
    }

    /// A page of the keys that a search is for, the newest first.
    ///
    /// # Errors
    /// [`super::StoreError`] when they cannot be read.
    pub async fn find_keys_by_tags(
        &self,
        project: &ProjectId,
        region: &Region,
        search: &TagSearch,
        now: Timestamp,
        offset: i64,
        limit: i64,
    ) -> Result<Page> {
        let (search, is_rare) = self.rarest_first(project, region, search).await?;
        let rows: Vec<Row> = read!(self, db => {
            let mut query = QueryBuilder::new(concat!(
                "SELECT ", columns!(), " FROM keys WHERE project_id = "
            ));
            query.push_bind(project.as_str());
            query.push(" AND region = ").push_bind(region.as_str());
            query.push(" AND (delete_at IS NULL OR delete_at > ").push_bind(now.millis());
            query.push(")");
            let mut others = &search.tags[..];
            if let ([(tag, values), rest @ ..], true) = (others, is_rare) {
                others = rest;
                query
                    .push(" AND id IN (SELECT t.key_id FROM key_tags t WHERE t.project_id = ")
                    .push_bind(project.as_str());
                query.push(" AND t.region = ").push_bind(region.as_str());
                tagged!(query, tag, values);
                query.push(")");
            }
            and_has_tags!(query, "keys.id", project, region, others);
            and_has_name!(query, &search.name_contains);
            // The few keys of a rare tag are read and sorted; keys with a common one are met soon
            // when all are read by their age. SQLite, which keeps no statistics, needs to be told:
            // it has no index by +created_at.
            query.push(if is_rare {
                " ORDER BY +created_at DESC, id DESC LIMIT "
            } else {
                " ORDER BY created_at DESC, id DESC LIMIT "
            });
            query.push_bind(limit);
            query.push(" OFFSET ").push_bind(offset);
            query.build_query_as().fetch_all(db).await
        })?;
        Ok(Page {
            keys: rows
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_>>()?,
            total: self.count_searched(project, region, &search, now).await?,
        })
    }

    /// How many keys a search is for.
    ///
    /// # Errors
    /// [`super::StoreError`] when they cannot be counted.
    pub async fn count_keys_by_tags(
        &self,
        project: &ProjectId,
        region: &Region,
        search: &TagSearch,
        now: Timestamp,
    ) -> Result<i64> {
        let (search, _) = self.rarest_first(project, region, search).await?;
        self.count_searched(project, region, &search, now).await
    }

    async fn count_searched(
        &self,
        project: &ProjectId,
        region: &Region,
        search: &TagSearch,
        now: Timestamp,
    ) -> Result<i64> {
        let (count,): (i64,) = read!(self, db => {
            let mut query = QueryBuilder::new("SELECT COUNT(*) FROM ");
            match &search.tags[..] {
                [] => {
                    query.push("keys WHERE project_id = ").push_bind(project.as_str());
                    query.push(" AND region = ").push_bind(region.as_str());
                    query.push(" AND (delete_at IS NULL OR delete_at > ").push_bind(now.millis());
                    query.push(")");
                    and_has_name!(query, &search.name_contains);
                }
                // Counted by the rows of tags, without a look at each key: only those whose day has
                // come are read, which are few.
                [(tag, values), others @ ..] => {
                    query
                        .push("(SELECT t.key_id AS found FROM key_tags t WHERE t.project_id = ")
                        .push_bind(project.as_str());
                    query.push(" AND t.region = ").push_bind(region.as_str());
                    tagged!(query, tag, values);
                    query
                        .push(") AS tagged WHERE found NOT IN (SELECT id FROM keys WHERE project_id = ")
                        .push_bind(project.as_str());
                    query.push(" AND region = ").push_bind(region.as_str());
                    query.push(" AND delete_at <= ").push_bind(now.millis());
                    query.push(")");
                    and_has_tags!(query, "found", project, region, others);
                    if !search.name_contains.is_empty() {
                        query
                            .push(" AND EXISTS (SELECT 1 FROM keys WHERE id = found AND project_id = ")
                            .push_bind(project.as_str());
                        query.push(" AND region = ").push_bind(region.as_str());
                        and_has_name!(query, &search.name_contains);
                        query.push(")");
                    }
                }
            }
            query.build_query_as().fetch_one(db).await
        })?;
        Ok(count)
    }

    /// The same search, its rarest tag first, and whether that is rare at all. Counting stops where
    /// it makes no difference any more.
    async fn rarest_first(
        &self,
        project: &ProjectId,
        region: &Region,
        search: &TagSearch,
    ) -> Result<(TagSearch, bool)> {
        let mut counted = Vec::with_capacity(search.tags.len());
        for (tag, values) in &search.tags {
            let (count,): (i64,) = read!(self, db => {
                let mut query = QueryBuilder::new(
                    "SELECT COUNT(*) FROM (SELECT 1 FROM key_tags t WHERE t.project_id = ",
                );
                query.push_bind(project.as_str());
                query.push(" AND t.region = ").push_bind(region.as_str());
                tagged!(query, tag, values);
                query.push(" LIMIT ").push_bind(limits::TAGS_COUNTED).push(") AS counted");
                query.build_query_as().fetch_one(db).await
            })?;
            counted.push((count, tag, values));
        }
        counted.sort_by_key(|(count, ..)| *count);
        let is_rare = counted
            .first()
            .is_some_and(|(count, ..)| *count < limits::TAGS_COUNTED);
        let search = TagSearch {
            tags: counted
                .into_iter()
                .map(|(_, tag, values)| (tag.clone(), values.clone()))
                .collect(),
            name_contains: search.name_contains.clone(),
        };
        Ok((search, is_rare))
    }
}

fn into_tag((key, value): (String, String)) -> Tag {
    Tag { key, value }
}

/// Gives a key tags, in place of those of the same keys. The same change saves the key.
pub(super) async fn put(tx: &mut Tx<'_>, key: &Key, tags: &[Tag]) -> Result<()> {
    for tag in tags {
        on!(tx, conn => {
            sqlx::query(
                "INSERT INTO key_tags (project_id, region, key_id, tag_key, tag_value) \
                 VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (project_id, region, key_id, tag_key) \
                 DO UPDATE SET tag_value = excluded.tag_value",
            )
            .bind(key.project.as_str())
            .bind(key.region.as_str())
            .bind(key.id.as_str())
            .bind(&tag.key)
            .bind(&tag.value)
            .execute(conn)
            .await
            .map(|_| ())
        })?;
    }
    Ok(())
}

/// Takes tags from a key, those of them that it has. The same change saves the key.
pub(super) async fn remove(tx: &mut Tx<'_>, key: &Key, tag_keys: &[String]) -> Result<()> {
    for tag_key in tag_keys {
        on!(tx, conn => {
            sqlx::query(
                "DELETE FROM key_tags \
                 WHERE project_id = $1 AND region = $2 AND key_id = $3 AND tag_key = $4",
            )
            .bind(key.project.as_str())
            .bind(key.region.as_str())
            .bind(key.id.as_str())
            .bind(tag_key)
            .execute(conn)
            .await
            .map(|_| ())
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pattern_means_otherwise_is_escaped() {
        assert_eq!(containing("Orders"), "%orders%");
        assert_eq!(containing("a_b%c!d"), "%a!_b!%c!!d%");
    }
}
