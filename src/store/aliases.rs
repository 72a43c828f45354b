//! Aliases of keys.

use super::{Result, Sealable, Sealed, Store, StoreError, Tx, on, one_or_conflict, read};
use crate::crypto::row::RowSeal;
use crate::model::alias::Alias;
use crate::model::ids::{AliasName, KeyId, ProjectId, Region};
use crate::model::key::Key;
use crate::model::time::Timestamp;

impl Sealable for Alias {
    fn columns(&self) -> RowSeal {
        RowSeal::new("aliases")
            .text("project_id", self.project.as_str())
            .text("region", self.region.as_str())
            .text("name", self.name.as_str())
            .text("key_id", self.key.as_str())
            .int("created_at", self.created_at.millis())
            .int("updated_at", self.updated_at.millis())
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    project_id: String,
    region: String,
    name: String,
    key_id: String,
    created_at: i64,
    updated_at: i64,
    seal: Vec<u8>,
}

impl TryFrom<Row> for Sealed<Alias> {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let corrupt = |_| StoreError::Corrupt(format!("alias {}", row.name));
        let value = Alias {
            project: ProjectId::parse(row.project_id).map_err(corrupt)?,
            region: Region::parse(row.region).map_err(corrupt)?,
            name: AliasName::parse(row.name.as_str()).map_err(corrupt)?,
            key: KeyId::parse(row.key_id).map_err(corrupt)?,
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
        };
        Ok(Sealed {
            value,
            seal: row.seal,
        })
    }
}

/// What every reading statement begins with: aliases with their keys, which are not gone.
macro_rules! aliases_of_keys {
    () => {
        "SELECT a.project_id, a.region, a.name, a.key_id, a.created_at, a.updated_at, a.seal \
         FROM aliases a JOIN keys k \
         ON k.project_id = a.project_id AND k.region = a.region AND k.id = a.key_id \
         WHERE a.project_id = $1 AND a.region = $2 AND (k.delete_at IS NULL OR k.delete_at > $3)"
    };
}

impl Store {
    /// The alias of a name, unless the day of its key has come.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn find_alias(
        &self,
        project: &ProjectId,
        region: &Region,
        name: &AliasName,
        now: Timestamp,
    ) -> Result<Option<Sealed<Alias>>> {
        let row: Option<Row> = read!(self, db => {
            sqlx::query_as(concat!(aliases_of_keys!(), " AND a.name = $4"))
                .bind(project.as_str())
                .bind(region.as_str())
                .bind(now.millis())
                .bind(name.as_str())
                .fetch_optional(db)
                .await
        })?;
        row.map(TryInto::try_into).transpose()
    }

    /// Aliases of a project by their names, of one key or of all; those that come after a name.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn list_aliases(
        &self,
        project: &ProjectId,
        region: &Region,
        key: Option<&KeyId>,
        after: Option<&AliasName>,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Sealed<Alias>>> {
        // The empty text comes before every name.
        let after = after.map_or("", AliasName::as_str);
        let rows: Vec<Row> = read!(self, db => match key {
            None => {
                sqlx::query_as(concat!(
                    aliases_of_keys!(),
                    " AND a.name > $4 ORDER BY a.name LIMIT $5"
                ))
                .bind(project.as_str())
                .bind(region.as_str())
                .bind(now.millis())
                .bind(after)
                .bind(limit)
                .fetch_all(db)
                .await
            }
            Some(key) => {
                sqlx::query_as(concat!(
                    aliases_of_keys!(),
                    " AND a.key_id = $6 AND a.name > $4 ORDER BY a.name LIMIT $5"
                ))
                .bind(project.as_str())
                .bind(region.as_str())
                .bind(now.millis())
                .bind(after)
                .bind(limit)
                .bind(key.as_str())
                .fetch_all(db)
                .await
            }
        })?;
        rows.into_iter().map(TryInto::try_into).collect()
    }
}

/// Stores a new alias. The same change saves its key.
pub(super) async fn insert(tx: &mut Tx<'_>, alias: &Sealed<Alias>) -> Result<()> {
    let Sealed { value: alias, seal } = alias;
    let inserted = on!(tx, conn => {
        sqlx::query(
            "INSERT INTO aliases \
             (project_id, region, name, key_id, created_at, updated_at, seal) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(alias.project.as_str())
        .bind(alias.region.as_str())
        .bind(alias.name.as_str())
        .bind(alias.key.as_str())
        .bind(alias.created_at.millis())
        .bind(alias.updated_at.millis())
        .bind(seal)
        .execute(conn)
        .await
        .map(|_| ())
    });
    inserted.map_err(|error| match error.into() {
        StoreError::AlreadyExists => StoreError::AliasTaken,
        other => other,
    })
}

/// Moves an alias to the key that it names now, if it is still that of `from`. The same change saves
/// the key that it comes to.
pub(super) async fn move_from(tx: &mut Tx<'_>, alias: &Sealed<Alias>, from: &KeyId) -> Result<()> {
    let Sealed { value: alias, seal } = alias;
    let moved = on!(tx, conn => {
        sqlx::query(
            "UPDATE aliases SET key_id = $4, updated_at = $5, seal = $6 \
             WHERE project_id = $1 AND region = $2 AND name = $3 AND key_id = $7",
        )
        .bind(alias.project.as_str())
        .bind(alias.region.as_str())
        .bind(alias.name.as_str())
        .bind(alias.key.as_str())
        .bind(alias.updated_at.millis())
        .bind(seal)
        .bind(from.as_str())
        .execute(conn)
        .await
        .map(|done| done.rows_affected())
    })?;
    one_or_conflict(moved)
}

/// Takes aliases from a key, all of which it must have. The same change saves the key.
pub(super) async fn delete(tx: &mut Tx<'_>, key: &Key, names: &[AliasName]) -> Result<()> {
    for name in names {
        let deleted = on!(tx, conn => {
            sqlx::query(
                "DELETE FROM aliases \
                 WHERE project_id = $1 AND region = $2 AND name = $3 AND key_id = $4",
            )
            .bind(key.project.as_str())
            .bind(key.region.as_str())
            .bind(name.as_str())
            .bind(key.id.as_str())
            .execute(conn)
            .await
            .map(|done| done.rows_affected())
        })?;
        one_or_conflict(deleted)?;
    }
    Ok(())
}
