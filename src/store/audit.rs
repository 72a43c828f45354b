//! The audit trail.

use sqlx::{Postgres, QueryBuilder, Sqlite};

use super::{Db, Result, Store, StoreError, Tx, read};
use crate::model::action::Action;
use crate::model::audit::Record;
use crate::model::ids::{KeyId, ProjectId, Region};
use crate::model::key::Key;
use crate::model::time::Timestamp;

/// Rows of one INSERT: bounds both the number of bound values and the number of statement texts.
const ROWS: usize = 32;

const INSERT: &str = "INSERT INTO audit (writer, seq, at, request_id, credential, user_id, \
     user_name, project_id, address, action, region, key_id, revision, outcome, detail, \
     duration_us) ";

macro_rules! push_rows {
    ($query:expr, $writer:expr, $rows:expr) => {
        $query.push_values($rows, |mut row, (seq, record)| {
            row.push_bind($writer.to_owned())
                .push_bind(*seq)
                .push_bind(record.at.millis())
                .push_bind(record.request_id.clone())
                .push_bind(record.credential.clone())
                .push_bind(record.user_id.clone())
                .push_bind(record.user_name.clone())
                .push_bind(record.project_id.clone())
                .push_bind(record.address.clone())
                .push_bind(record.action.name())
                .push_bind(record.region.clone())
                .push_bind(record.key_id.clone())
                .push_bind(record.revision)
                .push_bind(record.outcome.clone())
                .push_bind(record.detail.clone())
                .push_bind(record.duration_us);
        })
    };
}

/// Appends records in a transaction.
pub(super) async fn append(
    tx: &mut Tx<'_>,
    writer: &str,
    records: &[(i64, &Record)],
) -> Result<()> {
    for rows in records.chunks(ROWS) {
        match tx {
            Tx::Postgres(tx) => {
                let mut query = QueryBuilder::<Postgres>::new(INSERT);
                push_rows!(query, writer, rows)
                    .build()
                    .execute(&mut **tx)
                    .await?;
            }
            Tx::Sqlite(tx) => {
                let mut query = QueryBuilder::<Sqlite>::new(INSERT);
                push_rows!(query, writer, rows)
                    .build()
                    .execute(&mut **tx)
                    .await?;
            }
        }
    }
    Ok(())
}

/// Appends a group of records that belong to no change: one statement, one round trip, unless it
/// is a large group. Sent again after a connection broke, what is there already is passed over.
pub(super) async fn append_group(
    db: &Db,
    durable: bool,
    writer: &str,
    records: &[(i64, &Record)],
) -> sqlx::Result<()> {
    const ONCE: &str = " ON CONFLICT (writer, seq) DO NOTHING";
    for rows in records.chunks(ROWS) {
        match db {
            Db::Postgres { pool, relaxed } => {
                let mut query = QueryBuilder::<Postgres>::new(INSERT);
                push_rows!(query, writer, rows)
                    .push(ONCE)
                    .build()
                    .execute(if durable { pool } else { relaxed })
                    .await?;
            }
            Db::Sqlite { write, .. } => {
                let mut query = QueryBuilder::<Sqlite>::new(INSERT);
                push_rows!(query, writer, rows)
                    .push(ONCE)
                    .build()
                    .execute(write)
                    .await?;
            }
        }
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    at: i64,
    request_id: String,
    credential: String,
    user_id: String,
    user_name: String,
    project_id: String,
    address: String,
    action: String,
    region: String,
    key_id: String,
    revision: i64,
    outcome: String,
    detail: String,
    duration_us: i64,
}

impl TryFrom<Row> for Record {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let action = Action::ALL
            .into_iter()
            .find(|action| action.name() == row.action)
            .ok_or_else(|| StoreError::Corrupt(format!("audit record of {}", row.request_id)))?;
        Ok(Record {
            at: Timestamp::from_millis(row.at),
            request_id: row.request_id,
            credential: row.credential,
            user_id: row.user_id,
            user_name: row.user_name,
            project_id: row.project_id,
            address: row.address,
            action,
            region: row.region,
            key_id: row.key_id,
            revision: row.revision,
            outcome: row.outcome,
            detail: row.detail,
            duration_us: row.duration_us,
        })
    }
}

/// A place in the trail: the time, writer and number of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// Its time, in milliseconds.
    pub at: i64,
    /// The run of the process that wrote it.
    pub writer: String,
    /// Its number in that run.
    pub seq: i64,
}

#[derive(sqlx::FromRow)]
struct Placed {
    writer: String,
    seq: i64,
    #[sqlx(flatten)]
    row: Row,
}

impl Store {
    /// The newest records, the oldest of them first, each with its place.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn newest_records(&self, count: i64) -> Result<Vec<(Place, Record)>> {
        let rows: Vec<Placed> = read!(self, db => {
            sqlx::query_as(
                "SELECT writer, seq, at, request_id, credential, user_id, user_name, project_id, \
                 address, action, region, key_id, revision, outcome, detail, duration_us \
                 FROM audit ORDER BY at DESC, writer DESC, seq DESC LIMIT $1",
            )
            .bind(count)
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().rev().map(placed).collect()
    }

    /// The newest record of one of these actions that was done with a key, whoever asked.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn newest_record_of(&self, key: &Key, actions: &[Action]) -> Result<Option<Record>> {
        let row: Option<Row> = read!(self, db => {
            let mut query = QueryBuilder::new(
                "SELECT at, request_id, credential, user_id, user_name, project_id, address, \
                 action, region, key_id, revision, outcome, detail, duration_us \
                 FROM audit WHERE key_id = ",
            );
            query.push_bind(key.id.as_str());
            query.push(" AND region = ").push_bind(key.region.as_str());
            query.push(" AND outcome = 'ok' AND action IN (");
            let mut names = query.separated(", ");
            for action in actions {
                names.push_bind(action.name());
            }
            query.push(") ORDER BY at DESC LIMIT 1");
            query.build_query_as().fetch_optional(db).await
        })?;
        row.map(TryInto::try_into).transpose()
    }

    /// The records after a place, in order.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn records_after(&self, place: &Place, count: i64) -> Result<Vec<(Place, Record)>> {
        let rows: Vec<Placed> = read!(self, db => {
            sqlx::query_as(
                "SELECT writer, seq, at, request_id, credential, user_id, user_name, project_id, \
                 address, action, region, key_id, revision, outcome, detail, duration_us \
                 FROM audit WHERE (at, writer, seq) > ($1, $2, $3) \
                 ORDER BY at, writer, seq LIMIT $4",
            )
            .bind(place.at)
            .bind(&place.writer)
            .bind(place.seq)
            .bind(count)
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(placed).collect()
    }

    /// The newest records of a project's calls that concern one of its keys, and of what others
    /// did with it by a grant, from before a place on. What others asked for in vain is theirs.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn records_of_key(
        &self,
        project: &ProjectId,
        region: &Region,
        key: &KeyId,
        before: Option<&Place>,
        count: i64,
    ) -> Result<Vec<(Place, Record)>> {
        let end = Place {
            at: i64::MAX,
            ..Place::default()
        };
        let before = before.unwrap_or(&end);
        let rows: Vec<Placed> = read!(self, db => {
            // key_id <> '' is what the index of records by key promises.
            sqlx::query_as(
                "SELECT writer, seq, at, request_id, credential, user_id, user_name, project_id, \
                 address, action, region, key_id, revision, outcome, detail, duration_us \
                 FROM audit WHERE key_id = $1 AND key_id <> '' AND region = $3 \
                 AND (project_id = $2 OR outcome = 'ok') AND (at, writer, seq) < ($4, $5, $6) \
                 ORDER BY at DESC, writer DESC, seq DESC LIMIT $7",
            )
            .bind(key.as_str())
            .bind(project.as_str())
            .bind(region.as_str())
            .bind(before.at)
            .bind(&before.writer)
            .bind(before.seq)
            .bind(count)
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(placed).collect()
    }
}

fn placed(row: Placed) -> Result<(Place, Record)> {
    let place = Place {
        at: row.row.at,
        writer: row.writer,
        seq: row.seq,
    };
    Ok((place, row.row.try_into()?))
}
