//! Access points: who may open capsules.

use sqlx::QueryBuilder;

use super::{Result, Sealable, Sealed, Store, StoreError, Tx, on, one_or_conflict, read, usage};
use crate::crypto::row::RowSeal;
use crate::model::ids::{
    AccessPointId, KeyspaceId, KeyspaceName, ProjectId, Region, UserId, WorkloadId,
};
use crate::model::keyspace::{AccessPoint, AccessPointKind};
use crate::model::time::Timestamp;

impl Sealable for AccessPoint {
    fn columns(&self) -> RowSeal {
        RowSeal::new("access_points")
            .text("project_id", self.project.as_str())
            .text("region", self.region.as_str())
            .text("id", self.id.as_str())
            .text("keyspace_id", self.keyspace.as_str())
            .text("name", self.name.as_str())
            .int("kind", i64::from(self.kind.code()))
            .text_or_null("identity", identity(&self.kind))
            .bytes_or_null("public_key", public_key(&self.kind))
            .bytes_or_null("sealed_private", sealed_private(&self.kind))
            .bool("enabled", self.enabled)
            .int("created_at", self.created_at.millis())
            .text("created_by", self.created_by.as_str())
            .int("modified_at", self.modified_at.millis())
            .int("revision", self.revision)
    }
}

fn identity(kind: &AccessPointKind) -> Option<&str> {
    match kind {
        AccessPointKind::Server(id) | AccessPointKind::Cluster { id, .. } => Some(id.as_str()),
        AccessPointKind::Custom { .. } => None,
    }
}

fn public_key(kind: &AccessPointKind) -> Option<&[u8]> {
    match kind {
        AccessPointKind::Server(_) => None,
        AccessPointKind::Cluster { public_key, .. }
        | AccessPointKind::Custom { public_key, .. } => Some(public_key),
    }
}

fn sealed_private(kind: &AccessPointKind) -> Option<&[u8]> {
    match kind {
        AccessPointKind::Server(_) | AccessPointKind::Cluster { .. } => None,
        AccessPointKind::Custom { sealed_private, .. } => Some(sealed_private),
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    project_id: String,
    region: String,
    id: String,
    keyspace_id: String,
    name: String,
    kind: i16,
    identity: Option<String>,
    public_key: Option<Vec<u8>>,
    sealed_private: Option<Vec<u8>>,
    description: String,
    enabled: i16,
    created_at: i64,
    created_by: String,
    modified_at: i64,
    revision: i64,
    seal: Vec<u8>,
}

/// Every column, in the order of [`Row`].
macro_rules! columns {
    () => {
        "project_id, region, id, keyspace_id, name, kind, identity, public_key, sealed_private, \
         description, enabled, created_at, created_by, modified_at, revision, seal"
    };
}

impl TryFrom<Row> for Sealed<AccessPoint> {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let id = row.id.clone();
        let corrupt = |what: &str| StoreError::Corrupt(format!("access point {id}: {what}"));
        let workload = |id: String| WorkloadId::parse(id).map_err(|_| corrupt("identity"));
        let kind = match (row.kind, row.identity, row.public_key, row.sealed_private) {
            (1, Some(id), None, None) => AccessPointKind::Server(workload(id)?),
            (2, Some(id), Some(public_key), None) => AccessPointKind::Cluster {
                id: workload(id)?,
                public_key,
            },
            (3, None, Some(public_key), Some(sealed_private)) => AccessPointKind::Custom {
                public_key,
                sealed_private,
            },
            _ => return Err(corrupt("kind and what goes with it")),
        };
        let value = AccessPoint {
            project: ProjectId::parse(row.project_id).map_err(|_| corrupt("project_id"))?,
            region: Region::parse(row.region).map_err(|_| corrupt("region"))?,
            id: AccessPointId::parse(row.id).map_err(|_| corrupt("id"))?,
            keyspace: KeyspaceId::parse(row.keyspace_id).map_err(|_| corrupt("keyspace_id"))?,
            name: KeyspaceName::parse(row.name).map_err(|_| corrupt("name"))?,
            kind,
            description: row.description,
            enabled: row.enabled == 1,
            created_at: Timestamp::from_millis(row.created_at),
            created_by: UserId::parse(row.created_by).map_err(|_| corrupt("created_by"))?,
            modified_at: Timestamp::from_millis(row.modified_at),
            revision: row.revision,
        };
        Ok(Sealed {
            value,
            seal: row.seal,
        })
    }
}

impl Store {
    /// Those of the named access points that there are, in the order of their ids; never by id
    /// alone (threat model I-16).
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn find_access_points(
        &self,
        project: &ProjectId,
        region: &Region,
        ids: &[AccessPointId],
    ) -> Result<Vec<Sealed<AccessPoint>>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<Row> = read!(self, db => {
            let mut query = QueryBuilder::new(concat!("SELECT ", columns!(), " FROM access_points"));
            query.push(" WHERE project_id = ").push_bind(project.as_str());
            query.push(" AND region = ").push_bind(region.as_str());
            query.push(" AND id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(id.as_str());
            }
            query.push(") ORDER BY id");
            query.build_query_as().fetch_all(db).await
        })?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// The access points of a key space behind the one named, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn list_access_points(
        &self,
        project: &ProjectId,
        region: &Region,
        keyspace: &KeyspaceId,
        behind: Option<&AccessPointId>,
        limit: i64,
    ) -> Result<Vec<Sealed<AccessPoint>>> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM access_points \
                 WHERE project_id = $1 AND region = $2 AND keyspace_id = $3 AND id > $4 \
                 ORDER BY id LIMIT $5"
            ))
            .bind(project.as_str())
            .bind(region.as_str())
            .bind(keyspace.as_str())
            .bind(behind.map_or("", AccessPointId::as_str))
            .bind(limit)
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(TryInto::try_into).collect()
    }
}

/// Stores a new access point, if the project has fewer than `quota` in the region.
pub(super) async fn insert(
    tx: &mut Tx<'_>,
    point: &Sealed<AccessPoint>,
    quota: Option<i64>,
) -> Result<()> {
    let Sealed { value: point, seal } = point;
    usage::count_in(
        tx,
        usage::Kind::AccessPoints,
        point.project.as_str(),
        point.region.as_str(),
        quota,
    )
    .await?;
    on!(tx, conn => {
        sqlx::query(concat!(
            "INSERT INTO access_points (", columns!(), ") VALUES \
             ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
        ))
        .bind(point.project.as_str())
        .bind(point.region.as_str())
        .bind(point.id.as_str())
        .bind(point.keyspace.as_str())
        .bind(point.name.as_str())
        .bind(point.kind.code())
        .bind(identity(&point.kind))
        .bind(public_key(&point.kind))
        .bind(sealed_private(&point.kind))
        .bind(&point.description)
        .bind(i16::from(point.enabled))
        .bind(point.created_at.millis())
        .bind(point.created_by.as_str())
        .bind(point.modified_at.millis())
        .bind(point.revision)
        .bind(seal)
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    Ok(())
}

/// Saves what can change of an access point, if it still has the revision that was read.
pub(super) async fn save(tx: &mut Tx<'_>, point: &Sealed<AccessPoint>, read: i64) -> Result<()> {
    let Sealed { value: point, seal } = point;
    let saved = on!(tx, conn => {
        sqlx::query(
            "UPDATE access_points SET enabled = $4, modified_at = $5, revision = $6, seal = $7 \
             WHERE project_id = $1 AND region = $2 AND id = $3 AND revision = $8",
        )
        .bind(point.project.as_str())
        .bind(point.region.as_str())
        .bind(point.id.as_str())
        .bind(i16::from(point.enabled))
        .bind(point.modified_at.millis())
        .bind(point.revision)
        .bind(seal)
        .bind(read)
        .execute(conn)
        .await
        .map(|done| done.rows_affected())
    })?;
    one_or_conflict(saved)
}

/// Removes an access point, if it still has the revision that was read.
pub(super) async fn delete(tx: &mut Tx<'_>, point: &AccessPoint) -> Result<()> {
    let deleted = on!(tx, conn => {
        sqlx::query(
            "DELETE FROM access_points \
             WHERE project_id = $1 AND region = $2 AND id = $3 AND revision = $4",
        )
        .bind(point.project.as_str())
        .bind(point.region.as_str())
        .bind(point.id.as_str())
        .bind(point.revision)
        .execute(conn)
        .await
        .map(|done| done.rows_affected())
    })?;
    one_or_conflict(deleted)?;
    usage::count_out(
        tx,
        usage::Kind::AccessPoints,
        point.project.as_str(),
        point.region.as_str(),
    )
    .await
}
