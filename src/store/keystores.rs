//! Keystores, and what is to be destroyed in the modules behind them.

use super::{Result, Sealable, Sealed, Store, StoreError, Tx, on, one_or_conflict, read};
use crate::crypto::row::RowSeal;
use crate::model::ids::{HsmClusterId, KeystoreId, KeystoreName, ProjectId, Region, UserId};
use crate::model::keystore::{DoomedObject, Keystore};
use crate::model::time::Timestamp;

impl Sealable for Keystore {
    fn columns(&self) -> RowSeal {
        RowSeal::new("keystores")
            .text("project_id", self.project.as_str())
            .text("region", self.region.as_str())
            .text("id", self.id.as_str())
            .text("name", self.name.as_str())
            .text("hsm_cluster_id", self.cluster.as_str())
            .text("ca_sha256", &self.ca_sha256)
            .int("keystore_state", i64::from(self.state_code()))
            .int("created_at", self.created_at.millis())
            .text("created_by", self.created_by.as_str())
            .int("revision", self.revision)
    }
}

impl Sealable for DoomedObject {
    fn columns(&self) -> RowSeal {
        RowSeal::new("hsm_objects_to_destroy")
            .text("hsm_cluster_id", self.cluster.as_str())
            .text("object_id", &self.object)
            .int("due_at", self.due_at.millis())
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    project_id: String,
    region: String,
    id: String,
    name: String,
    hsm_cluster_id: String,
    ca_sha256: String,
    keystore_state: i16,
    created_at: i64,
    created_by: String,
    revision: i64,
    seal: Vec<u8>,
}

/// Every column of a keystore but the count of its keys, in the order of [`Row`].
macro_rules! columns {
    () => {
        "project_id, region, id, name, hsm_cluster_id, ca_sha256, keystore_state, created_at, \
         created_by, revision, seal"
    };
}

impl TryFrom<Row> for Sealed<Keystore> {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let id = row.id.clone();
        let corrupt = |what: &str| StoreError::Corrupt(format!("keystore {id}: {what}"));
        let value = Keystore {
            project: ProjectId::parse(row.project_id).map_err(|_| corrupt("project_id"))?,
            region: Region::parse(row.region).map_err(|_| corrupt("region"))?,
            id: KeystoreId::parse(row.id).map_err(|_| corrupt("id"))?,
            name: KeystoreName::parse(row.name).map_err(|_| corrupt("name"))?,
            cluster: HsmClusterId::parse(row.hsm_cluster_id)
                .map_err(|_| corrupt("hsm_cluster_id"))?,
            ca_sha256: row.ca_sha256,
            enabled: row.keystore_state == 2,
            created_at: Timestamp::from_millis(row.created_at),
            created_by: UserId::parse(row.created_by).map_err(|_| corrupt("created_by"))?,
            revision: row.revision,
        };
        Ok(Sealed {
            value,
            seal: row.seal,
        })
    }
}

impl Store {
    /// One keystore, by its whole identity.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn find_keystore(
        &self,
        project: &ProjectId,
        region: &Region,
        id: &KeystoreId,
    ) -> Result<Option<Sealed<Keystore>>> {
        let row: Option<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM keystores \
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

    /// A page of a project's keystores, the newest first, and how many there are in all.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn list_keystores(
        &self,
        project: &ProjectId,
        region: &Region,
        offset: i64,
        limit: i64,
    ) -> Result<(Vec<Sealed<Keystore>>, i64)> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM keystores WHERE project_id = $1 AND region = $2 \
                 ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4"
            ))
            .bind(project.as_str())
            .bind(region.as_str())
            .bind(limit)
            .bind(offset)
            .fetch_all(db)
            .await
        })?;
        let (total,): (i64,) = read!(self, db => {
            sqlx::query_as("SELECT COUNT(*) FROM keystores WHERE project_id = $1 AND region = $2")
                .bind(project.as_str())
                .bind(region.as_str())
                .fetch_one(db)
                .await
        })?;
        let keystores = rows.into_iter().map(TryInto::try_into);
        Ok((keystores.collect::<Result<_>>()?, total))
    }

    /// Whether a cluster has a keystore, of whatever project.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn is_cluster_taken(&self, cluster: &HsmClusterId) -> Result<bool> {
        let found: Option<(String,)> = read!(self, db => {
            sqlx::query_as("SELECT id FROM keystores WHERE hsm_cluster_id = $1")
                .bind(cluster.as_str())
                .fetch_optional(db)
                .await
        })?;
        Ok(found.is_some())
    }

    /// Whether there are keys in a keystore, those included whose day has come.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn is_keystore_empty(&self, keystore: &Keystore) -> Result<bool> {
        let found: Option<(i64,)> = read!(self, db => {
            sqlx::query_as(
                "SELECT key_count FROM keystores \
                 WHERE project_id = $1 AND region = $2 AND id = $3 AND key_count > 0",
            )
            .bind(keystore.project.as_str())
            .bind(keystore.region.as_str())
            .bind(keystore.id.as_str())
            .fetch_optional(db)
            .await
        })?;
        Ok(found.is_none())
    }

    /// Remembers an object that is about to be made in a cluster, on disk before it is made: unless
    /// [`super::Write::KeepObject`] commits before its day, it will be destroyed. So nothing is left
    /// behind in a module when kmsd dies between.
    ///
    /// # Errors
    /// [`StoreError`]; nothing may be made then.
    pub async fn doom_object(&self, object: &Sealed<DoomedObject>) -> Result<()> {
        let mut tx = self.begin().await?;
        doom(&mut tx, object).await?;
        Ok(tx.commit().await?)
    }

    /// At most `limit` objects in a cluster that are due to be destroyed.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn due_objects(
        &self,
        cluster: &HsmClusterId,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Sealed<DoomedObject>>> {
        let rows: Vec<(String, i64, Vec<u8>)> = read!(self, db => {
            sqlx::query_as(
                "SELECT object_id, due_at, seal FROM hsm_objects_to_destroy \
                 WHERE hsm_cluster_id = $1 AND due_at <= $2 ORDER BY due_at, object_id LIMIT $3",
            )
            .bind(cluster.as_str())
            .bind(now.millis())
            .bind(limit)
            .fetch_all(db)
            .await
        })?;
        let objects = rows.into_iter().map(|(object, due_at, seal)| Sealed {
            value: DoomedObject {
                cluster: cluster.clone(),
                object,
                due_at: Timestamp::from_millis(due_at),
            },
            seal,
        });
        Ok(objects.collect())
    }

    /// Claims an object before it is destroyed: from then on no change can keep it. Answers whether
    /// it may be destroyed, which is never while a key has its name.
    ///
    /// # Errors
    /// [`StoreError`]; nothing may be destroyed then.
    pub async fn claim_object(&self, object: &DoomedObject) -> Result<bool> {
        let mut tx = self.begin().await?;
        let claimed = on!(&mut tx, conn => {
            sqlx::query(
                "UPDATE hsm_objects_to_destroy SET claimed = 1 \
                 WHERE hsm_cluster_id = $1 AND object_id = $2 AND NOT EXISTS ( \
                     SELECT id FROM keys WHERE id = $2 AND keystore_id <> '0')",
            )
            .bind(object.cluster.as_str())
            .bind(&object.object)
            .execute(conn)
            .await
            .map(|done| done.rows_affected())
        })?;
        tx.commit().await?;
        Ok(claimed == 1)
    }

    /// Forgets an object that was destroyed.
    ///
    /// # Errors
    /// [`StoreError`]; it will be destroyed once more, which does no harm.
    pub async fn forget_object(&self, object: &DoomedObject) -> Result<()> {
        let mut tx = self.begin().await?;
        on!(&mut tx, conn => {
            sqlx::query(
                "DELETE FROM hsm_objects_to_destroy WHERE hsm_cluster_id = $1 AND object_id = $2",
            )
            .bind(object.cluster.as_str())
            .bind(&object.object)
            .execute(conn)
            .await
            .map(|_| ())
        })?;
        Ok(tx.commit().await?)
    }
}

pub(super) async fn doom(tx: &mut Tx<'_>, object: &Sealed<DoomedObject>) -> Result<()> {
    let Sealed { value, seal } = object;
    on!(tx, conn => {
        sqlx::query(
            "INSERT INTO hsm_objects_to_destroy (hsm_cluster_id, object_id, due_at, claimed, seal) \
             VALUES ($1, $2, $3, 0, $4)",
        )
        .bind(value.cluster.as_str())
        .bind(&value.object)
        .bind(value.due_at.millis())
        .bind(seal)
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    Ok(())
}

/// Keeps an object whose key commits together with this, unless it is about to be destroyed.
pub(super) async fn keep_object(
    tx: &mut Tx<'_>,
    cluster: &HsmClusterId,
    object: &str,
) -> Result<()> {
    let kept = on!(tx, conn => {
        sqlx::query(
            "DELETE FROM hsm_objects_to_destroy \
             WHERE hsm_cluster_id = $1 AND object_id = $2 AND claimed = 0",
        )
        .bind(cluster.as_str())
        .bind(object)
        .execute(conn)
        .await
        .map(|done| done.rows_affected())
    })?;
    one_or_conflict(kept)
}

pub(super) async fn insert(tx: &mut Tx<'_>, keystore: &Sealed<Keystore>) -> Result<()> {
    let Sealed { value, seal } = keystore;
    on!(tx, conn => {
        sqlx::query(concat!(
            "INSERT INTO keystores (", columns!(), ", key_count) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0)"
        ))
        .bind(value.project.as_str())
        .bind(value.region.as_str())
        .bind(value.id.as_str())
        .bind(value.name.as_str())
        .bind(value.cluster.as_str())
        .bind(&value.ca_sha256)
        .bind(value.state_code())
        .bind(value.created_at.millis())
        .bind(value.created_by.as_str())
        .bind(value.revision)
        .bind(seal)
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn save(tx: &mut Tx<'_>, keystore: &Sealed<Keystore>, read: i64) -> Result<()> {
    let Sealed { value, seal } = keystore;
    let saved = on!(tx, conn => {
        sqlx::query(
            "UPDATE keystores SET keystore_state = $4, revision = $5, seal = $6, name = $8 \
             WHERE project_id = $1 AND region = $2 AND id = $3 AND revision = $7",
        )
        .bind(value.project.as_str())
        .bind(value.region.as_str())
        .bind(value.id.as_str())
        .bind(value.state_code())
        .bind(value.revision)
        .bind(seal)
        .bind(read)
        .bind(value.name.as_str())
        .execute(conn)
        .await
        .map(|done| done.rows_affected())
    })?;
    one_or_conflict(saved)
}

pub(super) async fn delete(tx: &mut Tx<'_>, keystore: &Keystore) -> Result<()> {
    let deleted = on!(tx, conn => {
        sqlx::query(
            "DELETE FROM keystores WHERE project_id = $1 AND region = $2 AND id = $3 \
             AND revision = $4 AND key_count = 0",
        )
        .bind(keystore.project.as_str())
        .bind(keystore.region.as_str())
        .bind(keystore.id.as_str())
        .bind(keystore.revision)
        .execute(conn)
        .await
        .map(|done| done.rows_affected())
    })?;
    one_or_conflict(deleted)
}

/// Counts a new key in its keystore, which must be enabled still.
pub(super) async fn count_in(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    region: &Region,
    id: &KeystoreId,
) -> Result<()> {
    let counted = on!(tx, conn => {
        sqlx::query(
            "UPDATE keystores SET key_count = key_count + 1 \
             WHERE project_id = $1 AND region = $2 AND id = $3 AND keystore_state = 2",
        )
        .bind(project.as_str())
        .bind(region.as_str())
        .bind(id.as_str())
        .execute(conn)
        .await
        .map(|done| done.rows_affected())
    })?;
    one_or_conflict(counted)
}

/// Counts a destroyed key out of its keystore, and answers the cluster that holds its object.
pub(super) async fn count_out(
    tx: &mut Tx<'_>,
    project: &str,
    region: &str,
    id: &str,
) -> Result<HsmClusterId> {
    let (cluster,): (String,) = on!(tx, conn => {
        sqlx::query_as(
            "UPDATE keystores SET key_count = key_count - 1 \
             WHERE project_id = $1 AND region = $2 AND id = $3 RETURNING hsm_cluster_id",
        )
        .bind(project)
        .bind(region)
        .bind(id)
        .fetch_one(conn)
        .await
    })?;
    HsmClusterId::parse(cluster).map_err(|_| StoreError::Corrupt(format!("keystore {id}")))
}
