//! What there is one of: the deployment's identity, and its idea of time.

use super::{Db, Result, Store, StoreError, on, read};
use crate::model::ids::Region;
use crate::model::time::Timestamp;

/// The deployment: what every blob and every sealed column is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// The region it was made in.
    pub home_region: Region,
    /// The root that sealed its key.
    pub root_id: String,
    /// What the root must answer to be the right one (threat model I-44).
    pub root_check: Vec<u8>,
    /// The deployment's own key, sealed by the root.
    pub sealed_key: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row(String, String, String, Vec<u8>, Vec<u8>, i64);

impl Store {
    /// The deployment, if the database holds one already.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn find_deployment(&self) -> Result<Option<Deployment>> {
        let row: Option<Row> = read!(self, db => {
            sqlx::query_as(
                "SELECT id, home_region, root_id, root_check, sealed_key, created_at FROM deployment",
            )
            .fetch_optional(db)
            .await
        })?;
        row.map(
            |Row(id, region, root_id, root_check, sealed_key, created_at)| {
                Ok(Deployment {
                    id,
                    home_region: Region::parse(region)
                        .map_err(|_| StoreError::Corrupt("the deployment's home region".into()))?,
                    root_id,
                    root_check,
                    sealed_key,
                    created_at: Timestamp::from_millis(created_at),
                })
            },
        )
        .transpose()
    }

    /// Makes the deployment. Of several replicas that try at once, one succeeds and the others are
    /// told [`StoreError::AlreadyExists`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_deployment(&self, deployment: &Deployment) -> Result<()> {
        let mut tx = self.begin().await?;
        on!(&mut tx, conn => {
            sqlx::query(
                "INSERT INTO deployment \
                 (one, id, home_region, root_id, root_check, sealed_key, created_at) \
                 VALUES (1, $1, $2, $3, $4, $5, $6)",
            )
            .bind(&deployment.id)
            .bind(deployment.home_region.as_str())
            .bind(&deployment.root_id)
            .bind(&deployment.root_check)
            .bind(&deployment.sealed_key)
            .bind(deployment.created_at.millis())
            .execute(conn)
            .await
            .map(|_| ())
        })?;
        on!(&mut tx, conn => {
            sqlx::query("INSERT INTO clock (one, high_water, flushes) VALUES (1, $1, 0)")
                .bind(deployment.created_at.millis())
                .execute(conn)
                .await
                .map(|_| ())
        })?;
        Ok(tx.commit().await?)
    }

    /// The latest time that destruction has believed (threat model 5.5).
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn high_water(&self) -> Result<Timestamp> {
        let (millis,): (i64,) = read!(self, db => {
            sqlx::query_as("SELECT high_water FROM clock").fetch_one(db).await
        })?;
        Ok(Timestamp::from_millis(millis))
    }

    /// Moves that time forward; it never goes back, whoever else moves it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn raise_high_water(&self, to: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        on!(&mut tx, conn => {
            sqlx::query("UPDATE clock SET high_water = $1 WHERE high_water < $1")
                .bind(to.millis())
                .execute(conn)
                .await
                .map(|_| ())
        })?;
        Ok(tx.commit().await?)
    }

    /// The database server's clock, where it has one of its own.
    ///
    /// # Errors
    /// [`StoreError`] when it does not answer.
    pub async fn server_time(&self) -> Result<Option<Timestamp>> {
        match self.db() {
            Db::Postgres { pool, .. } => {
                let (millis,): (i64,) =
                    sqlx::query_as("SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint")
                        .fetch_one(pool)
                        .await?;
                Ok(Some(Timestamp::from_millis(millis)))
            }
            Db::Sqlite { .. } => Ok(None),
        }
    }

    /// Forgets revoked tokens that would have ended by now anyway.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_ended_tokens(&self, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        on!(&mut tx, conn => {
            sqlx::query("DELETE FROM revoked_tokens WHERE expires_at < $1")
                .bind(now.millis())
                .execute(conn)
                .await
                .map(|_| ())
        })?;
        Ok(tx.commit().await?)
    }
}
