//! What was imported into keys.

use super::{Result, Sealable, Sealed, Store, StoreError, Tx, on, read};
use crate::crypto::row::RowSeal;
use crate::model::ids::{KeyId, MaterialId, ProjectId, Region};
use crate::model::key::Key;
use crate::model::material::ImportedMaterial;
use crate::model::time::Timestamp;

impl Sealable for ImportedMaterial {
    /// Whether the bytes are stored is no column: `key_versions` has them, or has not.
    fn columns(&self) -> RowSeal {
        RowSeal::new("imported_materials")
            .text("project_id", self.project.as_str())
            .text("region", self.region.as_str())
            .text("key_id", self.key.as_str())
            .int("version", i64::from(self.version))
            .text("material_id", self.id.as_str())
            .bytes("check_value", &self.check_value)
            .int_or_null("expires_at", self.expires_at.map(Timestamp::millis))
            .int_or_null("in_use_since", self.in_use_since.map(Timestamp::millis))
            .int("created_at", self.created_at.millis())
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    project_id: String,
    region: String,
    key_id: String,
    version: i64,
    material_id: String,
    check_value: Vec<u8>,
    expires_at: Option<i64>,
    in_use_since: Option<i64>,
    created_at: i64,
    seal: Vec<u8>,
    stored: i64,
}

impl TryFrom<Row> for Sealed<ImportedMaterial> {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let id = row.key_id.clone();
        let corrupt = |what: &str| StoreError::Corrupt(format!("material of key {id}: {what}"));
        let value = ImportedMaterial {
            project: ProjectId::parse(row.project_id).map_err(|_| corrupt("project_id"))?,
            region: Region::parse(row.region).map_err(|_| corrupt("region"))?,
            key: KeyId::parse(row.key_id).map_err(|_| corrupt("key_id"))?,
            version: u32::try_from(row.version).map_err(|_| corrupt("version"))?,
            id: MaterialId::parse(row.material_id).map_err(|_| corrupt("material_id"))?,
            check_value: row
                .check_value
                .try_into()
                .map_err(|_| corrupt("check_value"))?,
            expires_at: row.expires_at.map(Timestamp::from_millis),
            in_use_since: row.in_use_since.map(Timestamp::from_millis),
            is_stored: row.stored > 0,
            created_at: Timestamp::from_millis(row.created_at),
        };
        Ok(Sealed {
            value,
            seal: row.seal,
        })
    }
}

impl Store {
    /// Everything that was ever imported into a key, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn imported_materials(&self, key: &Key) -> Result<Vec<Sealed<ImportedMaterial>>> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(
                "SELECT project_id, region, key_id, version, material_id, check_value, \
                 expires_at, in_use_since, created_at, seal, \
                 (SELECT COUNT(*) FROM key_versions AS bytes \
                     WHERE bytes.project_id = imported.project_id \
                     AND bytes.region = imported.region AND bytes.key_id = imported.key_id \
                     AND bytes.version = imported.version) AS stored \
                 FROM imported_materials AS imported \
                 WHERE project_id = $1 AND region = $2 AND key_id = $3 ORDER BY version",
            )
            .bind(key.project.as_str())
            .bind(key.region.as_str())
            .bind(key.id.as_str())
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(TryInto::try_into).collect()
    }
}

/// Remembers a material, or what has become of it.
pub(super) async fn save(tx: &mut Tx<'_>, material: &Sealed<ImportedMaterial>) -> Result<()> {
    let Sealed { value, seal } = material;
    on!(tx, conn => {
        sqlx::query(
            "INSERT INTO imported_materials (project_id, region, key_id, version, material_id, \
             check_value, expires_at, in_use_since, created_at, seal) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (project_id, region, key_id, version) DO UPDATE SET \
             expires_at = excluded.expires_at, in_use_since = excluded.in_use_since, \
             seal = excluded.seal",
        )
        .bind(value.project.as_str())
        .bind(value.region.as_str())
        .bind(value.key.as_str())
        .bind(i64::from(value.version))
        .bind(value.id.as_str())
        .bind(value.check_value.as_slice())
        .bind(value.expires_at.map(Timestamp::millis))
        .bind(value.in_use_since.map(Timestamp::millis))
        .bind(value.created_at.millis())
        .bind(seal)
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    Ok(())
}
