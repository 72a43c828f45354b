//! Keys, their material, and what remains of them.

use sqlx::{PgPool, QueryBuilder};

use super::fresh::Identity;
use super::{
    Db, Result, Sealable, Sealed, Store, StoreError, Tx, audit, keystores, on, one_or_conflict,
    read, usage,
};
use crate::crypto::row::RowSeal;
use crate::crypto::secret::Secret;
use crate::model::audit::Record;
use crate::model::ids::{KeyId, KeyName, KeystoreId, ProjectId, Region, UserId};
use crate::model::key::{DEFAULT_KEY_SUFFIX, Filter, Key, Rotation};
use crate::model::keystore::DoomedObject;
use crate::model::spec::{KeySpec, KeyUsage, Origin};
use crate::model::state::KeyState;
use crate::model::time::Timestamp;

/// One version of a key's material, sealed under its project's key.
#[derive(Clone, Debug)]
pub struct SealedMaterial {
    /// Its number; the first is 1.
    pub version: u32,
    /// The epoch of the project key that seals it.
    pub epoch: u32,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// Whether it came by a rotation on demand, and not by plan or as the first.
    pub on_demand: bool,
    /// When it came.
    pub created_at: Timestamp,
}

impl Sealable for Key {
    fn columns(&self) -> RowSeal {
        let seal = RowSeal::new("keys")
            .text("project_id", self.project.as_str())
            .text("region", self.region.as_str())
            .text("id", self.id.as_str())
            .text("name", self.name.as_str())
            .text("spec", self.spec.name())
            .text("key_usage", self.usage.name())
            .text("origin", self.origin.name())
            .int("key_state", i64::from(self.state.column()))
            .int_or_null("delete_at", self.state.delete_at().map(Timestamp::millis))
            .int_or_null("current_version", self.current_version.map(i64::from))
            .int_or_null(
                "material_expires_at",
                self.material_expires_at.map(Timestamp::millis),
            )
            .text("enterprise_project", &self.enterprise_project)
            .int("created_at", self.created_at.millis())
            .text("created_by", self.created_by.as_str())
            .int("revision", self.revision);
        // What later schemas added is left out while it holds its default, so that the seals of
        // older rows stay good. Columns are sealed with their names: leaving one out is no other
        // value.
        let seal = match self.rotation {
            None => seal,
            Some(Rotation { days, next_at }) => seal
                .int("rotation_days", i64::from(days))
                .int("rotate_at", next_at.millis()),
        };
        let seal = match (self.rotations, self.rotated_at) {
            (0, None) => seal,
            (count, at) => seal
                .int("rotations", i64::from(count))
                .int_or_null("rotated_at", at.map(Timestamp::millis)),
        };
        let seal = match self.on_demand_rotations {
            0 => seal,
            count => seal.int("on_demand_rotations", i64::from(count)),
        };
        let seal = match self.state.replica_wait() {
            None => seal,
            Some(days) => seal.int("replica_wait_days", i64::from(days)),
        };
        let seal = match self.keystore.as_str() {
            BUILT_IN => seal,
            keystore => seal.text("keystore_id", keystore),
        };
        let seal = match &self.primary_region {
            None => seal,
            Some(region) => seal.text("primary_region", region.as_str()),
        };
        let seal = match &self.bound_project {
            None => seal,
            Some(project) => seal.text("bound_project_id", project.as_str()),
        };
        match &self.policy_digest {
            None => seal,
            Some(digest) => seal.text("policy_digest", digest),
        }
    }
}

/// The id of the built-in keystore.
const BUILT_IN: &str = "0";

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    project_id: String,
    region: String,
    id: String,
    name: String,
    spec: String,
    key_usage: String,
    origin: String,
    description: String,
    key_state: i16,
    delete_at: Option<i64>,
    current_version: Option<i64>,
    material_expires_at: Option<i64>,
    enterprise_project: String,
    rotation_days: Option<i64>,
    rotate_at: Option<i64>,
    rotations: i64,
    rotated_at: Option<i64>,
    keystore_id: String,
    primary_region: Option<String>,
    bound_project_id: Option<String>,
    on_demand_rotations: i64,
    replica_wait_days: Option<i64>,
    policy_digest: Option<String>,
    created_at: i64,
    created_by: String,
    revision: i64,
    seal: Vec<u8>,
}

/// Every column of a key, in the order of [`Row`].
macro_rules! columns {
    () => {
        "project_id, region, id, name, spec, key_usage, origin, description, key_state, \
         delete_at, current_version, material_expires_at, enterprise_project, rotation_days, \
         rotate_at, rotations, rotated_at, keystore_id, primary_region, bound_project_id, \
         on_demand_rotations, replica_wait_days, policy_digest, created_at, created_by, \
         revision, seal"
    };
}
pub(super) use columns;

impl TryFrom<Row> for Sealed<Key> {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let id = row.id.clone();
        let corrupt = |what: &str| StoreError::Corrupt(format!("key {id}: {what}"));
        let version = row
            .current_version
            .map(|version| u32::try_from(version).map_err(|_| corrupt("current_version")))
            .transpose()?;
        let rotation = match (row.rotation_days, row.rotate_at) {
            (None, None) => None,
            (Some(days), Some(at)) => Some(Rotation {
                days: u32::try_from(days).map_err(|_| corrupt("rotation_days"))?,
                next_at: Timestamp::from_millis(at),
            }),
            _ => return Err(corrupt("rotation_days and rotate_at")),
        };
        let wait = row
            .replica_wait_days
            .map(|days| u32::try_from(days).map_err(|_| corrupt("replica_wait_days")))
            .transpose()?;
        let value = Key {
            project: ProjectId::parse(row.project_id).map_err(|_| corrupt("project_id"))?,
            region: Region::parse(row.region).map_err(|_| corrupt("region"))?,
            id: KeyId::parse(row.id).map_err(|_| corrupt("id"))?,
            name: KeyName::parse(row.name).map_err(|_| corrupt("name"))?,
            spec: KeySpec::parse(&row.spec).map_err(|_| corrupt("spec"))?,
            usage: KeyUsage::parse(&row.key_usage).map_err(|_| corrupt("key_usage"))?,
            origin: Origin::parse(&row.origin).map_err(|_| corrupt("origin"))?,
            description: row.description,
            state: KeyState::from_columns(row.key_state, row.delete_at, wait)
                .ok_or_else(|| corrupt("key_state and delete_at"))?,
            current_version: version,
            material_expires_at: row.material_expires_at.map(Timestamp::from_millis),
            enterprise_project: row.enterprise_project,
            rotation,
            rotations: u32::try_from(row.rotations).map_err(|_| corrupt("rotations"))?,
            on_demand_rotations: u32::try_from(row.on_demand_rotations)
                .map_err(|_| corrupt("on_demand_rotations"))?,
            rotated_at: row.rotated_at.map(Timestamp::from_millis),
            keystore: KeystoreId::parse(row.keystore_id).map_err(|_| corrupt("keystore_id"))?,
            primary_region: row
                .primary_region
                .map(Region::parse)
                .transpose()
                .map_err(|_| corrupt("primary_region"))?,
            bound_project: row
                .bound_project_id
                .map(ProjectId::parse)
                .transpose()
                .map_err(|_| corrupt("bound_project_id"))?,
            policy_digest: row.policy_digest,
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

/// A page of keys.
#[derive(Clone, Debug)]
pub struct Page {
    /// The keys, the newest first.
    pub keys: Vec<Sealed<Key>>,
    /// How many fit the filter in all.
    pub total: i64,
}

/// A key that the purge has destroyed.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Destroyed {
    /// Its project.
    pub project_id: String,
    /// Its region.
    pub region: String,
    /// Its id.
    pub id: String,
    /// Its last revision.
    pub revision: i64,
    /// The keystore that its material was in.
    pub keystore_id: String,
}

/// Keys that [`find`] looks for at once, at most.
pub(super) const FOUND_AT_ONCE: usize = 32;

#[derive(sqlx::FromRow)]
struct FoundRow {
    place: i32,
    #[sqlx(flatten)]
    row: Row,
}

/// Keys by their whole identities, in one read: for each, in the order they are given, what is there.
pub(super) async fn find(
    db: &Db,
    wanted: &[&Identity],
) -> Result<Vec<Option<Result<Sealed<Key>>>>> {
    // The number of rows is made a power of two by asking for the last key again, so that there are
    // few texts of the statement. The cross join has the wanted keys looked up one by one.
    let rows = wanted.len().next_power_of_two();
    let mut found = vec![None; rows];
    let read: Vec<FoundRow> = read!(db, db => {
        let mut query = QueryBuilder::new("WITH wanted (place, its_project, its_region, its_id) AS (");
        query.push_values(0..rows, |mut row, place| {
            row.push(place);
            if let Some((project, region, id)) = wanted.get(place).or(wanted.last()) {
                row.push_bind(project.as_str());
                row.push_bind(region.as_str());
                row.push_bind(id.as_str());
            }
        });
        query.push(concat!(
            ") SELECT place, ", columns!(), " FROM wanted CROSS JOIN keys \
             WHERE project_id = its_project AND region = its_region AND id = its_id"
        ));
        query.build_query_as().fetch_all(db).await
    })?;
    for FoundRow { place, row } in read {
        if let Some(found) = usize::try_from(place)
            .ok()
            .and_then(|place| found.get_mut(place))
        {
            *found = Some(row.try_into());
        }
    }
    Ok(found)
}

impl Store {
    /// One key, by its whole identity: never by id alone (threat model I-16).
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn find_key(
        &self,
        project: &ProjectId,
        region: &Region,
        id: &KeyId,
    ) -> Result<Option<Sealed<Key>>> {
        self.keys
            .find((project.clone(), region.clone(), id.clone()))
            .await
    }

    /// Every key of this id: a multi-region key and its replicas, wherever they are. For whoever
    /// holds one of them already.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn list_copies(&self, id: &KeyId) -> Result<Vec<Sealed<Key>>> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM keys WHERE id = $1 ORDER BY region, project_id"
            ))
            .bind(id.as_str())
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// A page of a project's keys, the newest first, without those whose day has come.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn list_keys(
        &self,
        project: &ProjectId,
        region: &Region,
        filter: &Filter,
        now: Timestamp,
        offset: i64,
        limit: i64,
    ) -> Result<Page> {
        macro_rules! filtered {
            ($query:expr) => {{
                let query = &mut $query;
                query
                    .push(" FROM keys WHERE project_id = ")
                    .push_bind(project.as_str());
                query.push(" AND region = ").push_bind(region.as_str());
                query
                    .push(" AND (delete_at IS NULL OR delete_at > ")
                    .push_bind(now.millis());
                query.push(")");
                if let Some(state) = filter.state {
                    // As `Key::as_of` tells it: without its material a key waits for import.
                    query
                        .push(" AND CASE WHEN key_state IN (2, 3) AND material_expires_at <= ")
                        .push_bind(now.millis());
                    query
                        .push(
                            " THEN 5 WHEN replica_wait_days IS NOT NULL THEN 4 \
                             ELSE key_state END = ",
                        )
                        .push_bind(i64::from(state));
                }
                if let Some(spec) = filter.spec {
                    query.push(" AND spec = ").push_bind(spec.name());
                }
                if let Some(enterprise) = &filter.enterprise_project {
                    query
                        .push(" AND enterprise_project = ")
                        .push_bind(enterprise.as_str());
                }
            }};
        }
        let rows: Vec<Row> = read!(self, db => {
            let mut query = QueryBuilder::new(concat!("SELECT ", columns!()));
            filtered!(query);
            query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(limit);
            query.push(" OFFSET ").push_bind(offset);
            query.build_query_as().fetch_all(db).await
        })?;
        let (total,): (i64,) = read!(self, db => {
            let mut query = QueryBuilder::new("SELECT COUNT(*)");
            filtered!(query);
            query.build_query_as().fetch_one(db).await
        })?;
        let keys = rows
            .into_iter()
            .map(TryInto::try_into)
            .collect::<Result<_>>()?;
        Ok(Page { keys, total })
    }

    /// A project's keys after one of them, the oldest first, without those whose day has come.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn list_keys_after(
        &self,
        project: &ProjectId,
        region: &Region,
        now: Timestamp,
        (created_at, id): (Timestamp, &str),
        limit: i64,
    ) -> Result<Vec<Sealed<Key>>> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM keys WHERE project_id = $1 AND region = $2 \
                 AND (delete_at IS NULL OR delete_at > $3) AND (created_at, id) > ($4, $5) \
                 ORDER BY created_at, id LIMIT $6"
            ))
            .bind(project.as_str())
            .bind(region.as_str())
            .bind(now.millis())
            .bind(created_at.millis())
            .bind(id)
            .bind(limit)
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// The keys that cloud services made for themselves in a project, in every region.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn list_default_keys(&self, project: &ProjectId) -> Result<Vec<Sealed<Key>>> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM keys \
                 WHERE project_id = $1 AND name LIKE $2 ORDER BY created_at, id"
            ))
            .bind(project.as_str())
            .bind(format!("%{DEFAULT_KEY_SUFFIX}"))
            .fetch_all(db)
            .await
        })?;
        // LIKE takes capitals for small letters on SQLite only, and a name's case counts.
        rows.into_iter()
            .filter(|row| row.name.ends_with(DEFAULT_KEY_SUFFIX))
            .map(TryInto::try_into)
            .collect()
    }

    /// How many keys a project has in a region, without those whose day has come.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be counted.
    pub async fn count_keys(
        &self,
        project: &ProjectId,
        region: &Region,
        now: Timestamp,
    ) -> Result<i64> {
        let (count,): (i64,) = read!(self, db => {
            sqlx::query_as(
                "SELECT COALESCE((SELECT key_count FROM project_usage \
                     WHERE project_id = $1 AND region = $2), 0) \
                 - (SELECT COUNT(*) FROM keys \
                     WHERE project_id = $1 AND region = $2 AND delete_at <= $3)",
            )
            .bind(project.as_str())
            .bind(region.as_str())
            .bind(now.millis())
            .fetch_one(db)
            .await
        })?;
        Ok(count)
    }

    /// Every version of a key's material, sealed, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn list_material(&self, key: &Key) -> Result<Vec<SealedMaterial>> {
        let rows: Vec<MaterialRow> = read!(self, db => {
            sqlx::query_as(
                "SELECT version, epoch, sealed, on_demand, created_at FROM key_versions \
                 WHERE project_id = $1 AND region = $2 AND key_id = $3 ORDER BY version",
            )
            .bind(key.project.as_str())
            .bind(key.region.as_str())
            .bind(key.id.as_str())
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(sealed_material).collect()
    }

    /// One version of a key's material, sealed.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn find_material(&self, key: &Key, version: u32) -> Result<Option<SealedMaterial>> {
        let row: Option<MaterialRow> = read!(self, db => {
            sqlx::query_as(
                "SELECT version, epoch, sealed, on_demand, created_at FROM key_versions \
                 WHERE project_id = $1 AND region = $2 AND key_id = $3 AND version = $4",
            )
            .bind(key.project.as_str())
            .bind(key.region.as_str())
            .bind(key.id.as_str())
            .bind(i64::from(version))
            .fetch_optional(db)
            .await
        })?;
        row.map(sealed_material).transpose()
    }

    /// Whether a key is still as it was read.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn is_unchanged(&self, key: &Key) -> Result<bool> {
        let (count,): (i64,) = read!(self, db => {
            sqlx::query_as(
                "SELECT COUNT(*) FROM keys \
                 WHERE project_id = $1 AND region = $2 AND id = $3 AND revision = $4",
            )
            .bind(key.project.as_str())
            .bind(key.region.as_str())
            .bind(key.id.as_str())
            .bind(key.revision)
            .fetch_one(db)
            .await
        })?;
        Ok(count > 0)
    }

    /// At most `limit` keys whose plan asks for a new version of their material, the longest overdue
    /// first, without the first `skip`. Each by itself: a corrupt row must not keep others from
    /// theirs.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn keys_to_rotate(
        &self,
        now: Timestamp,
        limit: i64,
        skip: i64,
    ) -> Result<Vec<Result<Sealed<Key>>>> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM keys WHERE rotate_at <= $1 AND key_state = 2 \
                 AND (primary_region IS NULL OR primary_region = region) \
                 ORDER BY rotate_at, project_id, region, id LIMIT $2 OFFSET $3"
            ))
            .bind(now.millis())
            .bind(limit)
            .bind(skip)
            .fetch_all(db)
            .await
        })?;
        Ok(rows.into_iter().map(TryInto::try_into).collect())
    }

    /// At most `limit` keys that hold material whose time is over, in the same way.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn keys_with_expired_material(
        &self,
        now: Timestamp,
        limit: i64,
        skip: i64,
    ) -> Result<Vec<Result<Sealed<Key>>>> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM keys WHERE (project_id, region, id) IN ( \
                     SELECT project_id, region, key_id FROM imported_materials \
                     WHERE expires_at <= $1) \
                 ORDER BY project_id, region, id LIMIT $2 OFFSET $3"
            ))
            .bind(now.millis())
            .bind(limit)
            .bind(skip)
            .fetch_all(db)
            .await
        })?;
        Ok(rows.into_iter().map(TryInto::try_into).collect())
    }

    /// At most `limit` primaries that waited for the end of their replicas, of which none is left, in
    /// the same way.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn primaries_left_alone(
        &self,
        limit: i64,
        skip: i64,
    ) -> Result<Vec<Result<Sealed<Key>>>> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM keys WHERE replica_wait_days IS NOT NULL \
                 AND NOT EXISTS (SELECT 1 FROM keys AS replicas \
                     WHERE replicas.id = keys.id AND replicas.region <> keys.region) \
                 ORDER BY project_id, region, id LIMIT $1 OFFSET $2"
            ))
            .bind(limit)
            .bind(skip)
            .fetch_all(db)
            .await
        })?;
        Ok(rows.into_iter().map(TryInto::try_into).collect())
    }

    /// Destroys at most `limit` keys whose day has come, in one transaction with `record`'s audit
    /// records, and says which. Their objects in hardware security modules are noted for their own
    /// destruction, under a seal by `sealing`.
    ///
    /// Several replicas may do this at once, while others cancel deletions. On PostgreSQL a
    /// statement that has waited for a lock looks again only at its outer condition, so the
    /// condition stands there too, and rows that others hold are skipped: without both, a key
    /// whose cancellation was acknowledged could be destroyed.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was destroyed then.
    pub async fn destroy_due_keys(
        &self,
        now: Timestamp,
        limit: i64,
        sealing: &Secret,
        record: impl Fn(&Destroyed) -> Record,
    ) -> Result<Vec<Destroyed>> {
        macro_rules! due {
            ($lock:literal) => {
                concat!(
                    "UPDATE keys SET revision = revision + 1 \
                     WHERE key_state = 4 AND delete_at <= $1 AND (project_id, region, id) IN ( \
                         SELECT project_id, region, id FROM keys \
                         WHERE key_state = 4 AND delete_at <= $1 \
                         ORDER BY delete_at LIMIT $2",
                    $lock,
                    ") RETURNING project_id, region, id, revision, keystore_id"
                )
            };
        }
        let mut tx = self.begin().await?;
        let due = match &tx {
            Tx::Postgres(_) => due!(" FOR UPDATE SKIP LOCKED"),
            Tx::Sqlite(_) => due!(""),
        };
        let gone: Vec<Destroyed> = on!(&mut tx, conn => {
            sqlx::query_as(due).bind(now.millis()).bind(limit).fetch_all(conn).await
        })?;
        if gone.is_empty() {
            return Ok(gone);
        }
        for key in &gone {
            destroy(&mut tx, key, now, sealing).await?;
        }
        let first = self.queue.reserve_seqs(gone.len());
        let records: Vec<_> = gone.iter().map(record).collect();
        let numbered: Vec<_> = (first..).zip(&records).collect();
        audit::append(&mut tx, &self.queue.writer, &numbered).await?;
        tx.commit().await?;
        Ok(gone)
    }
}

/// Destroys one key: its material is overwritten before it is removed, so that the old bytes do
/// not linger in free pages.
async fn destroy(tx: &mut Tx<'_>, key: &Destroyed, now: Timestamp, sealing: &Secret) -> Result<()> {
    if key.keystore_id != KeystoreId::built_in().as_str() {
        let (project, region) = (&key.project_id, &key.region);
        let object = DoomedObject {
            cluster: keystores::count_out(tx, project, region, &key.keystore_id).await?,
            object: key.id.clone(),
            due_at: now,
        };
        keystores::doom(tx, &Sealed::new(object, sealing)).await?;
    }
    on!(tx, conn => {
        sqlx::query(
            "UPDATE key_versions SET sealed = $4 \
             WHERE project_id = $1 AND region = $2 AND key_id = $3",
        )
        .bind(&key.project_id)
        .bind(&key.region)
        .bind(&key.id)
        .bind(OVERWRITTEN.as_slice())
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    for statement in DESTRUCTION {
        on!(tx, conn => {
            sqlx::query(statement)
                .bind(&key.project_id)
                .bind(&key.region)
                .bind(&key.id)
                .execute(conn)
                .await
                .map(|_| ())
        })?;
    }
    usage::count_out(tx, usage::Kind::Keys, &key.project_id, &key.region).await?;
    on!(tx, conn => {
        sqlx::query(
            "INSERT INTO tombstones (project_id, region, key_id, revision, destroyed_at) \
             VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (project_id, region, key_id) DO UPDATE \
             SET revision = excluded.revision, destroyed_at = excluded.destroyed_at",
        )
        // A replica can be where an earlier one of the same key was destroyed.
        .bind(&key.project_id)
        .bind(&key.region)
        .bind(&key.id)
        .bind(key.revision)
        .bind(now.millis())
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    Ok(())
}

/// Version, epoch, sealed bytes, whether on demand, when it came.
type MaterialRow = (i64, i64, Vec<u8>, i64, i64);

fn sealed_material(
    (version, epoch, sealed, on_demand, created_at): MaterialRow,
) -> Result<SealedMaterial> {
    let number = |n| u32::try_from(n).map_err(|_| StoreError::Corrupt("key version".into()));
    Ok(SealedMaterial {
        version: number(version)?,
        epoch: number(epoch)?,
        sealed,
        on_demand: on_demand != 0,
        created_at: Timestamp::from_millis(created_at),
    })
}

/// What sealed material is overwritten with.
const OVERWRITTEN: [u8; 128] = [0; 128];

/// What goes with a key, and then the key: project, region and id are the arguments of each.
const DESTRUCTION: [&str; 7] = [
    "DELETE FROM resource_policies WHERE project_id = $1 AND region = $2 AND key_id = $3",
    "DELETE FROM grants WHERE project_id = $1 AND region = $2 AND key_id = $3",
    "DELETE FROM key_tags WHERE project_id = $1 AND region = $2 AND key_id = $3",
    "DELETE FROM aliases WHERE project_id = $1 AND region = $2 AND key_id = $3",
    "DELETE FROM imported_materials WHERE project_id = $1 AND region = $2 AND key_id = $3",
    "DELETE FROM key_versions WHERE project_id = $1 AND region = $2 AND key_id = $3",
    "DELETE FROM keys WHERE project_id = $1 AND region = $2 AND id = $3",
];

/// Stores one version of a key's material.
pub(super) async fn insert_material(
    tx: &mut Tx<'_>,
    key: &Key,
    material: &SealedMaterial,
) -> Result<()> {
    on!(tx, conn => {
        sqlx::query(
            "INSERT INTO key_versions \
             (project_id, region, key_id, version, epoch, sealed, on_demand, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(key.project.as_str())
        .bind(key.region.as_str())
        .bind(key.id.as_str())
        .bind(i64::from(material.version))
        .bind(i64::from(material.epoch))
        .bind(&material.sealed)
        .bind(i64::from(material.on_demand))
        .bind(material.created_at.millis())
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    Ok(())
}

/// Drops one version's bytes, overwritten first as [`destroy`] does.
pub(super) async fn drop_material(tx: &mut Tx<'_>, key: &Key, version: u32) -> Result<()> {
    on!(tx, conn => {
        sqlx::query(
            "UPDATE key_versions SET sealed = $5 \
             WHERE project_id = $1 AND region = $2 AND key_id = $3 AND version = $4",
        )
        .bind(key.project.as_str())
        .bind(key.region.as_str())
        .bind(key.id.as_str())
        .bind(i64::from(version))
        .bind(OVERWRITTEN.as_slice())
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    on!(tx, conn => {
        sqlx::query(
            "DELETE FROM key_versions \
             WHERE project_id = $1 AND region = $2 AND key_id = $3 AND version = $4",
        )
        .bind(key.project.as_str())
        .bind(key.region.as_str())
        .bind(key.id.as_str())
        .bind(i64::from(version))
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    Ok(())
}

/// Stores a key and counts it against its project's quota, if there is one.
pub(super) async fn insert(
    tx: &mut Tx<'_>,
    sealed: &Sealed<Key>,
    material: Option<&SealedMaterial>,
    quota: Option<i64>,
) -> Result<()> {
    let key = &sealed.value;
    usage::count_in(
        tx,
        usage::Kind::Keys,
        key.project.as_str(),
        key.region.as_str(),
        quota,
    )
    .await?;
    if !key.keystore.is_built_in() {
        keystores::count_in(tx, &key.project, &key.region, &key.keystore).await?;
    }
    insert_uncounted(tx, sealed, material).await
}

/// Stores a key that counts against no quota: a default key.
pub(super) async fn insert_uncounted(
    tx: &mut Tx<'_>,
    sealed: &Sealed<Key>,
    material: Option<&SealedMaterial>,
) -> Result<()> {
    let Sealed { value: key, seal } = sealed;
    on!(tx, conn => {
        sqlx::query(concat!(
            "INSERT INTO keys (", columns!(), ") \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
             $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)"
        ))
        .bind(key.project.as_str())
        .bind(key.region.as_str())
        .bind(key.id.as_str())
        .bind(key.name.as_str())
        .bind(key.spec.name())
        .bind(key.usage.name())
        .bind(key.origin.name())
        .bind(&key.description)
        .bind(key.state.column())
        .bind(key.state.delete_at().map(Timestamp::millis))
        .bind(key.current_version.map(i64::from))
        .bind(key.material_expires_at.map(Timestamp::millis))
        .bind(&key.enterprise_project)
        .bind(key.rotation.map(|plan| i64::from(plan.days)))
        .bind(key.rotation.map(|plan| plan.next_at.millis()))
        .bind(i64::from(key.rotations))
        .bind(key.rotated_at.map(Timestamp::millis))
        .bind(key.keystore.as_str())
        .bind(key.primary_region.as_ref().map(Region::as_str))
        .bind(key.bound_project.as_ref().map(ProjectId::as_str))
        .bind(i64::from(key.on_demand_rotations))
        .bind(key.state.replica_wait().map(i64::from))
        .bind(&key.policy_digest)
        .bind(key.created_at.millis())
        .bind(key.created_by.as_str())
        .bind(key.revision)
        .bind(seal)
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    match material {
        Some(material) => insert_material(tx, key, material).await,
        None => Ok(()),
    }
}

/// The columns that a save may change, with the revision that was read as the last condition.
macro_rules! update {
    () => {
        "UPDATE keys SET name = $4, description = $5, key_state = $6, delete_at = $7, \
         current_version = $8, material_expires_at = $9, enterprise_project = $10, \
         rotation_days = $11, rotate_at = $12, rotations = $13, rotated_at = $14, \
         primary_region = $15, on_demand_rotations = $16, replica_wait_days = $17, \
         revision = $18, seal = $19 \
         WHERE project_id = $1 AND region = $2 AND id = $3 AND revision = $20"
    };
}

/// Binds the twenty values of `update!`, in order.
macro_rules! bind_update {
    ($query:expr, $key:expr, $seal:expr, $read:expr) => {
        $query
            .bind($key.project.as_str())
            .bind($key.region.as_str())
            .bind($key.id.as_str())
            .bind($key.name.as_str())
            .bind(&$key.description)
            .bind($key.state.column())
            .bind($key.state.delete_at().map(Timestamp::millis))
            .bind($key.current_version.map(i64::from))
            .bind($key.material_expires_at.map(Timestamp::millis))
            .bind(&$key.enterprise_project)
            .bind($key.rotation.map(|plan| i64::from(plan.days)))
            .bind($key.rotation.map(|plan| plan.next_at.millis()))
            .bind(i64::from($key.rotations))
            .bind($key.rotated_at.map(Timestamp::millis))
            .bind($key.primary_region.as_ref().map(Region::as_str))
            .bind(i64::from($key.on_demand_rotations))
            .bind($key.state.replica_wait().map(i64::from))
            .bind($key.revision)
            .bind($seal)
            .bind($read)
    };
}

pub(super) async fn save(tx: &mut Tx<'_>, key: &Sealed<Key>, read: i64) -> Result<()> {
    let Sealed { value: key, seal } = key;
    let saved = on!(tx, conn => {
        bind_update!(sqlx::query(update!()), key, seal, read)
            .execute(conn)
            .await
            .map(|done| done.rows_affected())
    })?;
    one_or_conflict(saved)
}

/// The same as [`save`] and the record's INSERT as one autocommitted statement: PostgreSQL only,
/// where it is what a single round trip makes of a change. Answers how many rows it touched.
pub(super) async fn save_with_record(
    pool: &PgPool,
    key: &Sealed<Key>,
    read: i64,
    record: &Record,
    writer: &str,
    seq: i64,
) -> sqlx::Result<u64> {
    let Sealed { value: key, seal } = key;
    let query = sqlx::query(concat!(
        "WITH saved AS (",
        update!(),
        " RETURNING id) \
         INSERT INTO audit (writer, seq, at, request_id, credential, user_id, user_name, \
         project_id, address, action, region, key_id, revision, outcome, detail, duration_us) \
         SELECT $21, $22::bigint, $23::bigint, $24, $25, $26, $27, $28, $29, $30, $31, $32, \
         $33::bigint, $34, $35, $36::bigint FROM saved"
    ));
    let done = bind_update!(query, key, seal, read)
        .bind(writer)
        .bind(seq)
        .bind(record.at.millis())
        .bind(&record.request_id)
        .bind(&record.credential)
        .bind(&record.user_id)
        .bind(&record.user_name)
        .bind(&record.project_id)
        .bind(&record.address)
        .bind(record.action.name())
        .bind(&record.region)
        .bind(&record.key_id)
        .bind(record.revision)
        .bind(&record.outcome)
        .bind(&record.detail)
        .bind(record.duration_us)
        .execute(pool)
        .await?;
    Ok(done.rows_affected())
}
