//! Policies of keys: their documents. What binds each to its key is the digest in the key's row.

use super::{Result, Store, Tx, on, read};
use crate::model::ids::{KeyId, ProjectId, Region};
use crate::model::key::Key;

impl Store {
    /// The document of a key's policy.
    ///
    /// # Errors
    /// [`super::StoreError`] when it cannot be read.
    pub async fn find_resource_policy(&self, key: &Key) -> Result<Option<String>> {
        let row: Option<(String,)> = read!(self, db => {
            sqlx::query_as(
                "SELECT document FROM resource_policies \
                 WHERE project_id = $1 AND region = $2 AND key_id = $3",
            )
            .bind(key.project.as_str())
            .bind(key.region.as_str())
            .bind(key.id.as_str())
            .fetch_optional(db)
            .await
        })?;
        Ok(row.map(|(document,)| document))
    }

    /// The projects that have a key of this id in a region with a policy.
    ///
    /// # Errors
    /// [`super::StoreError`] when they cannot be read.
    pub async fn projects_with_policy(
        &self,
        region: &Region,
        key: &KeyId,
    ) -> Result<Vec<ProjectId>> {
        let rows: Vec<(String,)> = read!(self, db => {
            sqlx::query_as(
                "SELECT project_id FROM resource_policies \
                 WHERE key_id = $1 AND region = $2 ORDER BY project_id",
            )
            .bind(key.as_str())
            .bind(region.as_str())
            .fetch_all(db)
            .await
        })?;
        rows.into_iter()
            .map(|(id,)| {
                ProjectId::parse(id)
                    .map_err(|_| super::StoreError::Corrupt("policy of a key".into()))
            })
            .collect()
    }
}

/// Gives a key its policy. The same change stores or saves the key, with the digest of it.
pub(super) async fn put(tx: &mut Tx<'_>, key: &Key, document: &str) -> Result<()> {
    on!(tx, conn => {
        sqlx::query(
            "INSERT INTO resource_policies (project_id, region, key_id, document) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (project_id, region, key_id) \
             DO UPDATE SET document = excluded.document",
        )
        .bind(key.project.as_str())
        .bind(key.region.as_str())
        .bind(key.id.as_str())
        .bind(document)
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    on!(tx, conn => {
        sqlx::query(
            "UPDATE keys SET policy_digest = $4 \
             WHERE project_id = $1 AND region = $2 AND id = $3",
        )
        .bind(key.project.as_str())
        .bind(key.region.as_str())
        .bind(key.id.as_str())
        .bind(&key.policy_digest)
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    Ok(())
}
