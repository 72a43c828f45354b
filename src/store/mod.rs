//! All the SQL, each statement once, on PostgreSQL and on SQLite.
//!
//! The shared subset: columns are text, whole numbers and bytes; times and ids are arguments, so
//! there is no `now()` and no serial number; columns are named, never `*`; rows are ordered by
//! time and id, never by a human's text. Every change is a list of [`Write`]s that commits
//! together with its audit record (`commit.rs`); a change names the revision it read, and when
//! somebody else was faster it touches no row, which is [`StoreError::Conflict`].

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::Acquire;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::crypto::row::RowSeal;
use crate::crypto::secret::Secret;
use crate::limits;

pub mod access_points;
pub mod aliases;
pub mod audit;
mod commit;
pub mod deployment;
mod fresh;
pub mod grants;
pub mod identity;
pub mod key_policies;
pub mod keys;
pub mod keystores;
mod materials;
mod resource_policies;
pub mod tags;
mod usage;

pub use commit::{Durability, Write};

/// What went wrong in the database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A change named a revision that is no longer there: read again and decide again.
    #[error("another change was faster")]
    Conflict,
    /// Another row has this id or name.
    #[error("it exists already")]
    AlreadyExists,
    /// Another alias has this name.
    #[error("the alias exists already")]
    AliasTaken,
    /// The project has as many keys as it may.
    #[error("the key quota is used up")]
    QuotaReached,
    /// The key has as many grants as it may.
    #[error("the grant quota is used up")]
    GrantQuotaReached,
    /// A row that refers to this one keeps it from changing, or the one referred to is missing.
    #[error("another row refers to it, or it refers to one that is missing")]
    Referenced,
    /// A row makes no sense, or its seal does not fit: an alarm, never a guess (I-43).
    #[error("a stored row cannot be trusted: {0}")]
    Corrupt(String),
    /// The database does not answer, or the outcome of a commit could not be found out.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
}

type Result<T> = std::result::Result<T, StoreError>;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(e) if e.is_unique_violation() => StoreError::AlreadyExists,
            sqlx::Error::Database(e) if e.is_foreign_key_violation() => StoreError::Referenced,
            sqlx::Error::Database(e) if e.is_check_violation() => {
                StoreError::Corrupt("a row was refused by the schema".into())
            }
            // 40001 and 40P01: serialization failure and deadlock; trying again is the answer.
            sqlx::Error::Database(e) if matches!(e.code().as_deref(), Some("40001" | "40P01")) => {
                StoreError::Conflict
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                StoreError::Corrupt(error.to_string())
            }
            _ => StoreError::Unavailable(error.to_string()),
        }
    }
}

/// What a change that names the revision it read has come to, by the rows that it touched.
fn one_or_conflict(rows: u64) -> Result<()> {
    match rows {
        0 => Err(StoreError::Conflict),
        _ => Ok(()),
    }
}

/// A row with the seal over its decision-bearing columns (I-43). The value comes out only through
/// [`Sealed::open`], which checks the seal.
#[derive(Clone, Debug)]
pub struct Sealed<T> {
    value: T,
    seal: Vec<u8>,
}

/// What can be put under a seal.
pub trait Sealable {
    /// Its columns, in their canonical form.
    fn columns(&self) -> RowSeal;
}

impl<T: Sealable> Sealed<T> {
    /// Puts a value under a seal.
    pub fn new(value: T, key: &Secret) -> Self {
        let seal = value.columns().seal(key).to_vec();
        Self { value, seal }
    }

    /// The value, if the seal fits.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it does not: the row was made or changed by somebody who does
    /// not have the key.
    pub fn open(self, key: &Secret) -> Result<T> {
        if self.value.columns().verify(key, &self.seal) {
            Ok(self.value)
        } else {
            Err(StoreError::Corrupt("its seal does not fit".into()))
        }
    }

    /// A value before its seal is checked: only to find out which key the seal is under.
    pub fn peek(&self) -> &T {
        &self.value
    }
}

#[derive(Clone)]
enum Db {
    Postgres {
        /// Commits here are durable when they are acknowledged.
        pool: PgPool,
        /// One connection whose commits are flushed a little later: for records of reads.
        relaxed: PgPool,
    },
    /// One writer, because SQLite has one write lock; readers never wait for it (WAL).
    Sqlite { read: SqlitePool, write: SqlitePool },
}

impl Db {
    /// Itself, as [`read!`] asks a store for it.
    fn db(&self) -> &Self {
        self
    }
}

/// Connections that were idle when the server was restarted and are found dead one by one.
const DEAD_AT_MOST: usize = 16;

/// Runs a reading expression against whichever database is configured: `$db` is a native pool
/// inside it. On a dead connection (the server was restarted) it is tried again; on nothing else.
macro_rules! read {
    ($store:expr, $db:ident => $body:expr) => {
        match $store.db() {
            $crate::store::Db::Postgres { pool: $db, .. } => {
                let mut dead = 0;
                loop {
                    match $crate::store::in_time(async { $body }).await {
                        Err(error)
                            if $crate::store::is_dead_connection(&error)
                                && dead < $crate::store::DEAD_AT_MOST =>
                        {
                            dead += 1;
                        }
                        done => break done,
                    }
                }
            }
            $crate::store::Db::Sqlite { read: $db, .. } => $body,
        }
    };
}

/// Runs an expression on the connection of a transaction: `$conn` is native inside it.
macro_rules! on {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::store::Tx::Postgres(tx) => {
                let $conn = &mut **tx;
                $body
            }
            $crate::store::Tx::Sqlite(tx) => {
                let $conn = &mut **tx;
                $body
            }
        }
    };
}

pub(crate) use {on, read};

/// A transaction on either database.
pub(crate) enum Tx<'c> {
    Postgres(sqlx::Transaction<'c, sqlx::Postgres>),
    Sqlite(sqlx::Transaction<'c, sqlx::Sqlite>),
}

impl Tx<'_> {
    /// A part of it that can be rolled back alone.
    async fn begin(&mut self) -> sqlx::Result<Tx<'_>> {
        Ok(match self {
            Tx::Postgres(tx) => Tx::Postgres(tx.begin().await?),
            Tx::Sqlite(tx) => Tx::Sqlite(tx.begin().await?),
        })
    }

    async fn rollback(self) -> sqlx::Result<()> {
        match self {
            Tx::Postgres(tx) => tx.rollback().await,
            Tx::Sqlite(tx) => tx.rollback().await,
        }
    }

    async fn commit(self) -> sqlx::Result<()> {
        match self {
            Tx::Postgres(tx) => tx.commit().await,
            Tx::Sqlite(tx) => tx.commit().await,
        }
    }
}

/// Gives up on a server that does not answer: its own time limits do not help when it hangs.
pub(crate) async fn in_time<T>(asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::time::timeout(limits::DATABASE_TIME, asked)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Whether the error says that the connection was dead before the statement reached the server.
pub(crate) fn is_dead_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        // 57P01 to 57P03: the server is shutting down or starting up.
        sqlx::Error::Database(e) => e
            .code()
            .is_some_and(|code| matches!(&*code, "57P01" | "57P02" | "57P03")),
        _ => false,
    }
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: DatabaseUrl,
    /// Connections to PostgreSQL.
    pub connections: u32,
    /// Whether to refuse a server that can lose acknowledged commits (I-36).
    pub require_durable: bool,
}

/// Where the database is. The text may hold a password and is therefore never printed.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Box<PgConnectOptions>),
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

impl DatabaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// A sentence that says what is wrong, without the URL itself.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err("database_url: give a file after sqlite:, as in sqlite:kmsd.db".into());
            }
            return Ok(DatabaseUrl::Sqlite(path.into()));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return PgConnectOptions::from_str(text)
                .map(|options| DatabaseUrl::Postgres(Box::new(options)))
                .map_err(|_| "database_url: this is not a PostgreSQL URL such as postgres://user:password@host/database".into());
        }
        Err("database_url: it must start with sqlite: or postgres://".into())
    }

    /// The same with a password that was kept apart.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        match self {
            DatabaseUrl::Postgres(options) => {
                DatabaseUrl::Postgres(Box::new(options.password(password)))
            }
            file @ DatabaseUrl::Sqlite(_) => file,
        }
    }

    /// Where it is, without the password.
    pub fn describe(&self) -> String {
        match self {
            DatabaseUrl::Sqlite(path) => format!("SQLite in {}", path.display()),
            DatabaseUrl::Postgres(options) => format!(
                "PostgreSQL at {}, database {}",
                options.get_socket().map_or_else(
                    || format!("{}:{}", options.get_host(), options.get_port()),
                    |socket| socket.display().to_string()
                ),
                options.get_database().unwrap_or("(default)")
            ),
        }
    }

    /// Whether it is PostgreSQL on another machine, without TLS that is verified or at least
    /// required: passwords and sealed rows would cross the network in the clear.
    pub fn is_remote_without_tls(&self) -> bool {
        use sqlx::postgres::PgSslMode;
        match self {
            DatabaseUrl::Sqlite(_) => false,
            DatabaseUrl::Postgres(options) => {
                let host = options.get_host();
                let local = options.get_socket().is_some()
                    || host.starts_with('/')
                    || host == "localhost"
                    || host
                        .parse::<std::net::IpAddr>()
                        .is_ok_and(|ip| ip.is_loopback());
                let encrypted = matches!(
                    options.get_ssl_mode(),
                    PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull
                );
                !local && !encrypted
            }
        }
    }
}

/// The database: it remembers.
#[derive(Clone)]
pub struct Store {
    db: Db,
    keys: fresh::Reader,
    queue: commit::Queue,
}

impl Store {
    /// Opens the database, brings its schema up to date, and checks that it keeps its promises.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with a sentence for the operator.
    pub async fn open(options: &Options, writer: String) -> Result<Self> {
        let db = match &options.url {
            DatabaseUrl::Sqlite(path) => open_sqlite(path).await?,
            DatabaseUrl::Postgres(server) => open_postgres(server, options).await?,
        };
        let queue = commit::Queue::start(db.clone(), writer);
        let keys = fresh::Reader::start(db.clone());
        Ok(Self { db, keys, queue })
    }

    /// Waits for what is queued and closes every connection.
    pub async fn close(&self) {
        self.queue.close().await;
        match &self.db {
            Db::Postgres { pool, relaxed } => {
                relaxed.close().await;
                pool.close().await;
            }
            Db::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<()> {
        read!(self, db => sqlx::query("SELECT 1").execute(db).await.map(|_| ()))?;
        Ok(())
    }

    /// The name of the database system, for people.
    pub fn system(&self) -> &'static str {
        match self.db {
            Db::Postgres { .. } => "PostgreSQL",
            Db::Sqlite { .. } => "SQLite",
        }
    }

    fn db(&self) -> &Db {
        &self.db
    }

    /// A transaction of its own, for what is not the change of a call: those go through the queue.
    async fn begin(&self) -> Result<Tx<'_>> {
        Ok(match self.db() {
            Db::Postgres { pool, .. } => Tx::Postgres(pool.begin().await?),
            Db::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
        })
    }
}

async fn open_sqlite(path: &std::path::Path) -> Result<Db> {
    // kill -9 does not show a missing fsync, so `synchronous` and the journal are read back below.
    let file = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(2))
        .pragma("secure_delete", "ON");
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_millis(500))
            .test_before_acquire(false)
            .max_lifetime(None)
            .idle_timeout(None)
    };
    let write = pool(1)
        // When the disk is full SQLite rolls back by itself, and the driver goes on counting a
        // transaction that is not there: such a connection is replaced.
        .before_acquire(|conn, _| {
            Box::pin(async move { Ok(!sqlx::Connection::is_in_transaction(conn)) })
        })
        .connect_with(file.clone())
        .await?;
    sqlx::migrate!("migrations/sqlite")
        .run(&write)
        .await
        .map_err(migration_failed)?;
    let (journal,): (String,) = sqlx::query_as("PRAGMA journal_mode")
        .fetch_one(&write)
        .await?;
    let (synchronous,): (i64,) = sqlx::query_as("PRAGMA synchronous")
        .fetch_one(&write)
        .await?;
    if journal != "wal" || synchronous != 2 {
        return Err(StoreError::Unavailable(format!(
            "SQLite runs with journal_mode={journal} and synchronous={synchronous}; kmsd needs \
             wal and 2 (FULL). Is the file on a network drive?"
        )));
    }
    let read = pool(4).connect_with(file.read_only(true)).await?;
    Ok(Db::Sqlite { read, write })
}

async fn open_postgres(server: &PgConnectOptions, options: &Options) -> Result<Db> {
    let server = server.clone().application_name("kmsd").options([
        ("statement_timeout", "2000"),
        ("lock_timeout", "1000"),
        ("idle_in_transaction_session_timeout", "10000"),
        // What is in use is in memory, and its disk is not one that turns: a look by index is cheap,
        // and reading a whole table for a few rows is not.
        ("random_page_cost", "1.1"),
    ]);
    let pool = |connections, server: PgConnectOptions| {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_millis(500))
            .test_before_acquire(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(server)
    };
    // Migrations may take longer than a call may.
    let patient = server
        .clone()
        .options([("statement_timeout", "0"), ("lock_timeout", "0")]);
    let migrator = pool(1, patient).await?;
    sqlx::migrate!("migrations/postgres")
        .run(&migrator)
        .await
        .map_err(migration_failed)?;
    if options.require_durable {
        require_durable(&migrator).await?;
    }
    migrator.close().await;
    let relaxed = server.clone().options([("synchronous_commit", "off")]);
    Ok(Db::Postgres {
        pool: pool(
            options.connections,
            server.options([("synchronous_commit", "on")]),
        )
        .await?,
        relaxed: pool(1, relaxed).await?,
    })
}

/// Refuses a server that would lose acknowledged commits (threat model 5.7).
async fn require_durable(pool: &PgPool) -> Result<()> {
    let wanted = [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("data_sync_retry", "off"),
    ];
    for (setting, wanted) in wanted {
        let (value,): (String,) = sqlx::query_as("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(pool)
            .await?;
        if value != wanted {
            return Err(StoreError::Unavailable(format!(
                "PostgreSQL runs with {setting}={value} and could lose acknowledged changes; set \
                 {setting}={wanted} in postgresql.conf"
            )));
        }
    }
    Ok(())
}

fn migration_failed(error: sqlx::migrate::MigrateError) -> StoreError {
    StoreError::Unavailable(match error {
        sqlx::migrate::MigrateError::VersionMissing(version) => format!(
            "the database was changed by a newer kmsd (migration {version} is unknown here); run \
             that version, or restore a backup made before"
        ),
        other => format!("the database's schema could not be brought up to date: {other}"),
    })
}
