//! Policies of capsules.

use super::{Result, Sealable, Sealed, Store, StoreError, Tx, on, one_or_conflict, read, usage};
use crate::crypto::row::RowSeal;
use crate::model::ids::{KeyspaceId, KeyspaceName, PolicyId, ProjectId, Region, UserId};
use crate::model::keyspace::{KeyPolicy, Rules};
use crate::model::time::Timestamp;

impl Sealable for KeyPolicy {
    fn columns(&self) -> RowSeal {
        RowSeal::new("capsule_policies")
            .text("project_id", self.project.as_str())
            .text("region", self.region.as_str())
            .text("id", self.id.as_str())
            .text("keyspace_id", self.keyspace.as_str())
            .text("name", self.name.as_str())
            .text("rules", &self.rules.to_text())
            .int("created_at", self.created_at.millis())
            .text("created_by", self.created_by.as_str())
            .int("modified_at", self.modified_at.millis())
            .int("revision", self.revision)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    project_id: String,
    region: String,
    id: String,
    keyspace_id: String,
    name: String,
    rules: String,
    description: String,
    created_at: i64,
    created_by: String,
    modified_at: i64,
    accessed_at: Option<i64>,
    revision: i64,
    seal: Vec<u8>,
}

/// Every column, in the order of [`Row`].
macro_rules! columns {
    () => {
        "project_id, region, id, keyspace_id, name, rules, description, created_at, created_by, \
         modified_at, accessed_at, revision, seal"
    };
}

impl TryFrom<Row> for Sealed<KeyPolicy> {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let id = row.id.clone();
        let corrupt = |what: &str| StoreError::Corrupt(format!("key policy {id}: {what}"));
        let value = KeyPolicy {
            project: ProjectId::parse(row.project_id).map_err(|_| corrupt("project_id"))?,
            region: Region::parse(row.region).map_err(|_| corrupt("region"))?,
            id: PolicyId::parse(row.id).map_err(|_| corrupt("id"))?,
            keyspace: KeyspaceId::parse(row.keyspace_id).map_err(|_| corrupt("keyspace_id"))?,
            name: KeyspaceName::parse(row.name).map_err(|_| corrupt("name"))?,
            rules: Rules::parse_text(&row.rules).ok_or_else(|| corrupt("rules"))?,
            description: row.description,
            created_at: Timestamp::from_millis(row.created_at),
            created_by: UserId::parse(row.created_by).map_err(|_| corrupt("created_by"))?,
            modified_at: Timestamp::from_millis(row.modified_at),
            accessed_at: row.accessed_at.map(Timestamp::from_millis),
            revision: row.revision,
        };
        Ok(Sealed {
            value,
            seal: row.seal,
        })
    }
}

impl Store {
    /// One policy, by its whole identity: never by id alone (threat model I-16).
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn find_key_policy(
        &self,
        project: &ProjectId,
        region: &Region,
        id: &PolicyId,
    ) -> Result<Option<Sealed<KeyPolicy>>> {
        let row: Option<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM capsule_policies \
                 WHERE project_id = $1 AND region = $2 AND id = $3"
            ))
            .bind(project.as_str())
            .bind(region.as_str())
            .bind(id.as_str())
            .fetch_optional(db)
            .await
        })?;
        row.map(TryInto::try_into).transpose()
    }

    /// The policies of a key space behind the one named, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn list_key_policies(
        &self,
        project: &ProjectId,
        region: &Region,
        keyspace: &KeyspaceId,
        behind: Option<&PolicyId>,
        limit: i64,
    ) -> Result<Vec<Sealed<KeyPolicy>>> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM capsule_policies \
                 WHERE project_id = $1 AND region = $2 AND keyspace_id = $3 AND id > $4 \
                 ORDER BY id LIMIT $5"
            ))
            .bind(project.as_str())
            .bind(region.as_str())
            .bind(keyspace.as_str())
            .bind(behind.map_or("", PolicyId::as_str))
            .bind(limit)
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// Tells when a policy was used, unless a later use is told of already. It is no change of the
    /// policy, so it counts no revision up and leaves no record: every use has one of its own.
    ///
    /// # Errors
    /// [`StoreError`]; it may be told again.
    pub async fn tell_policy_access(
        &self,
        project: &ProjectId,
        region: &Region,
        id: &PolicyId,
        at: Timestamp,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        on!(&mut tx, conn => {
            sqlx::query(
                "UPDATE capsule_policies SET accessed_at = $4 \
                 WHERE project_id = $1 AND region = $2 AND id = $3 \
                 AND (accessed_at IS NULL OR accessed_at < $4)",
            )
            .bind(project.as_str())
            .bind(region.as_str())
            .bind(id.as_str())
            .bind(at.millis())
            .execute(conn)
            .await
            .map(|_| ())
        })?;
        tx.commit().await?;
        Ok(())
    }
}

/// Stores a new policy, if the project has fewer than `quota` in the region.
pub(super) async fn insert(
    tx: &mut Tx<'_>,
    policy: &Sealed<KeyPolicy>,
    quota: Option<i64>,
) -> Result<()> {
    let Sealed {
        value: policy,
        seal,
    } = policy;
    usage::count_in(
        tx,
        usage::Kind::KeyPolicies,
        policy.project.as_str(),
        policy.region.as_str(),
        quota,
    )
    .await?;
    on!(tx, conn => {
        sqlx::query(concat!(
            "INSERT INTO capsule_policies (", columns!(), ") \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
        ))
        .bind(policy.project.as_str())
        .bind(policy.region.as_str())
        .bind(policy.id.as_str())
        .bind(policy.keyspace.as_str())
        .bind(policy.name.as_str())
        .bind(policy.rules.to_text())
        .bind(&policy.description)
        .bind(policy.created_at.millis())
        .bind(policy.created_by.as_str())
        .bind(policy.modified_at.millis())
        .bind(policy.accessed_at.map(Timestamp::millis))
        .bind(policy.revision)
        .bind(seal)
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    Ok(())
}

/// Saves what can change of a policy, if it still has the revision that was read.
pub(super) async fn save(tx: &mut Tx<'_>, policy: &Sealed<KeyPolicy>, read: i64) -> Result<()> {
    let Sealed {
        value: policy,
        seal,
    } = policy;
    let saved = on!(tx, conn => {
        sqlx::query(
            "UPDATE capsule_policies \
             SET rules = $4, description = $5, modified_at = $6, revision = $7, seal = $8 \
             WHERE project_id = $1 AND region = $2 AND id = $3 AND revision = $9",
        )
        .bind(policy.project.as_str())
        .bind(policy.region.as_str())
        .bind(policy.id.as_str())
        .bind(policy.rules.to_text())
        .bind(&policy.description)
        .bind(policy.modified_at.millis())
        .bind(policy.revision)
        .bind(seal)
        .bind(read)
        .execute(conn)
        .await
        .map(|done| done.rows_affected())
    })?;
    one_or_conflict(saved)
}

/// Removes a policy, if it still has the revision that was read.
pub(super) async fn delete(tx: &mut Tx<'_>, policy: &KeyPolicy) -> Result<()> {
    let deleted = on!(tx, conn => {
        sqlx::query(
            "DELETE FROM capsule_policies \
             WHERE project_id = $1 AND region = $2 AND id = $3 AND revision = $4",
        )
        .bind(policy.project.as_str())
        .bind(policy.region.as_str())
        .bind(policy.id.as_str())
        .bind(policy.revision)
        .execute(conn)
        .await
        .map(|done| done.rows_affected())
    })?;
    one_or_conflict(deleted)?;
    usage::count_out(
        tx,
        usage::Kind::KeyPolicies,
        policy.project.as_str(),
        policy.region.as_str(),
    )
    .await
}
