//! How changes become durable, each together with its audit record.
//!
//! A verb reads, decides and lists its [`Write`]s; nothing is locked while it thinks. Here the list
//! and the record commit as one transaction. Records alone (of reads and refusals) go through a
//! queue whose only task commits whatever has gathered as one group; on SQLite, which has one
//! writer, changes go the same way and share the group's flush to disk. What commits without a
//! flush (PostgreSQL with `synchronous_commit=off`, SQLite with `synchronous=NORMAL`) survives
//! kmsd's own death, and is flushed at most [`FLUSH_AFTER`] later.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sqlx::{PgPool, SqlitePool};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, timeout};

use super::{
    Db, Result, Sealed, Store, StoreError, Tx, access_points, aliases, audit, grants, identity,
    key_policies, keys, keystores, materials, on, read, resource_policies, tags,
};
use crate::limits;
use crate::model::alias::Alias;
use crate::model::audit::Record;
use crate::model::grant::Grant;
use crate::model::identity::{AccessKey, Domain, RoleAssignment, User};
use crate::model::ids::{AccessKeyId, AliasName, DomainId, HsmClusterId, KeyId, ProjectId, UserId};
use crate::model::key::Key;
use crate::model::keyspace::{AccessPoint, KeyPolicy};
use crate::model::keystore::Keystore;
use crate::model::material::ImportedMaterial;
use crate::model::tag::Tag;

/// How long a record may be unflushed (threat model I-45 asks for 0.2 s at most).
const FLUSH_AFTER: Duration = Duration::from_millis(100);

/// Jobs that one commit carries at most: bounds the wait of the first.
const GROUP: usize = 128;

/// One change, to be carried out with others or not at all.
#[derive(Clone, Debug)]
pub enum Write {
    /// A new key, with its material if it has some, counted against a quota if there is one.
    InsertKey {
        /// The key.
        key: Sealed<Key>,
        /// Its first material.
        material: Option<keys::SealedMaterial>,
        /// How many keys the project may have in the region.
        quota: Option<i64>,
    },
    /// A key as it is from now on.
    SaveKey {
        /// The key, its revision already counted up.
        key: Sealed<Key>,
        /// The revision that was read.
        read: i64,
    },
    /// One more version of a key's material. The same change saves the key.
    InsertMaterial {
        /// The key.
        key: Box<Key>,
        /// The version.
        material: keys::SealedMaterial,
    },
    /// A new keystore.
    InsertKeystore(Sealed<Keystore>),
    /// A keystore as it is from now on.
    SaveKeystore {
        /// The keystore, its revision already counted up.
        keystore: Sealed<Keystore>,
        /// The revision that was read.
        read: i64,
    },
    /// A keystore's end; it must be empty, and as it was read.
    DeleteKeystore(Keystore),
    /// An object in a module has its key, which the same change inserts, and so is not destroyed.
    KeepObject {
        /// The cluster that holds it.
        cluster: HsmClusterId,
        /// What it is called there.
        object: String,
    },
    /// A new grant, counted against the quota of its key.
    InsertGrant {
        /// The grant.
        grant: Box<Sealed<Grant>>,
        /// The revision of the key on which it was decided.
        key_revision: i64,
        /// How many grants the key may have.
        quota: i64,
    },
    /// A grant's end.
    DeleteGrant(Box<Grant>),
    /// A key that a cloud service has for itself, counted against no quota.
    InsertDefaultKey {
        /// The key.
        key: Sealed<Key>,
        /// Its material.
        material: keys::SealedMaterial,
    },
    /// Tags of a key, in place of those of the same keys. The same change saves the key.
    PutTags {
        /// The key.
        key: Box<Key>,
        /// The tags.
        tags: Vec<Tag>,
    },
    /// Tags taken from a key. The same change saves the key.
    RemoveTags {
        /// The key.
        key: Box<Key>,
        /// The tags, by their keys; those that are not there are no fault.
        tag_keys: Vec<String>,
    },
    /// The policy of a key, in place of the one it had. The same change stores or saves the key.
    PutResourcePolicy {
        /// The key, with the digest of it.
        key: Box<Key>,
        /// The document.
        document: String,
    },
    /// A new alias. The same change saves its key.
    InsertAlias(Sealed<Alias>),
    /// An alias that stands for another key from now on. The same change saves that key.
    MoveAlias {
        /// The alias as it is from now on.
        alias: Sealed<Alias>,
        /// The key that it stood for.
        from: KeyId,
    },
    /// Aliases taken from a key. The same change saves the key.
    DeleteAliases {
        /// The key.
        key: Box<Key>,
        /// The aliases, by their names; all of them are the key's.
        names: Vec<AliasName>,
    },
    /// The end of one version's bytes. The same change saves the key.
    DropMaterial {
        /// The key.
        key: Box<Key>,
        /// The version.
        version: u32,
    },
    /// A material that was imported, or what has become of it. The same change saves the key.
    SaveImported(Box<Sealed<ImportedMaterial>>),
    /// A new access point, counted against a limit if there is one.
    InsertAccessPoint {
        /// The access point.
        point: Sealed<AccessPoint>,
        /// How many the project may have in the region.
        quota: Option<i64>,
    },
    /// An access point as it is from now on.
    SaveAccessPoint {
        /// The access point, its revision already counted up.
        point: Sealed<AccessPoint>,
        /// The revision that was read.
        read: i64,
    },
    /// An access point's end.
    DeleteAccessPoint(Box<AccessPoint>),
    /// A new policy of capsules, counted against a limit if there is one.
    InsertKeyPolicy {
        /// The policy.
        policy: Sealed<KeyPolicy>,
        /// How many the project may have in the region.
        quota: Option<i64>,
    },
    /// A policy as it is from now on.
    SaveKeyPolicy {
        /// The policy, its revision already counted up.
        policy: Sealed<KeyPolicy>,
        /// The revision that was read.
        read: i64,
    },
    /// A policy's end.
    DeleteKeyPolicy(Box<KeyPolicy>),
    /// A new domain.
    InsertDomain(Sealed<Domain>),
    /// A new project, with the key that stands between the root and its keys' material.
    InsertProject(identity::NewProject),
    /// A domain's end; it must be empty.
    DeleteDomain(DomainId),
    /// A project's end, with its roles and access keys; it must have no keys.
    DeleteProject(ProjectId),
    /// A new user.
    InsertUser(Sealed<User>),
    /// A user as they are from now on.
    SaveUser(Sealed<User>),
    /// A user's end; roles and access keys go too.
    DeleteUser(UserId),
    /// A role given.
    AssignRole(Sealed<RoleAssignment>),
    /// A role taken away.
    RemoveRole(RoleAssignment),
    /// A new access key.
    InsertAccessKey(Sealed<AccessKey>),
    /// An access key's end.
    DeleteAccessKey(AccessKeyId),
    /// A new key pair for signing tokens.
    InsertTokenKey(Sealed<identity::TokenKey>),
    /// The end of one; tokens signed with it are void.
    DeleteTokenKey(String),
    /// A token ended before its time.
    RevokeToken {
        /// The token's id.
        id: String,
        /// When it would have ended anyway, in milliseconds.
        expires_at: i64,
    },
}

/// When a record counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// When kmsd's own death cannot lose it; it is flushed to disk within 0.2 s.
    Flushed,
    /// When it is flushed to disk.
    Durable,
}

impl Store {
    /// Carries out a change and keeps its record, both or neither. When this returns `Ok` they are
    /// on disk.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a row had another revision, [`StoreError::AlreadyExists`] when
    /// a name or id is taken, [`StoreError::Unavailable`] when the database does not answer or the
    /// outcome could not be found out (I-37).
    pub async fn commit(&self, writes: Vec<Write>, record: Record) -> Result<()> {
        match self.db() {
            Db::Postgres { pool, .. } => {
                let seq = self.queue.reserve_seqs(1);
                let commit = commit_on_postgres(pool, &writes, &record, &self.queue.writer, seq);
                let done = timeout(limits::DATABASE_TIME, commit)
                    .await
                    .unwrap_or(Err(Commit::Unknown(sqlx::Error::PoolTimedOut)));
                match done {
                    Err(Commit::Unknown(cause)) => self.find_out(seq, &cause).await,
                    Err(Commit::Failed(error)) => Err(error),
                    Ok(()) => Ok(()),
                }
            }
            Db::Sqlite { .. } => self.queue.submit(writes, record, Durability::Durable).await,
        }
    }

    /// Keeps a record that belongs to no change.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it could not be written: the call must then fail (I-45).
    pub async fn record(&self, record: Record, durability: Durability) -> Result<()> {
        self.queue.submit(Vec::new(), record, durability).await
    }

    /// The connection broke while a commit was under way. The record says how it ended: it is
    /// there if and only if the change is (I-37).
    async fn find_out(&self, seq: i64, cause: &sqlx::Error) -> Result<()> {
        let found: Option<(i64,)> = read!(self, db => {
            sqlx::query_as("SELECT seq FROM audit WHERE writer = $1 AND seq = $2")
                .bind(&*self.queue.writer)
                .bind(seq)
                .fetch_optional(db)
                .await
        })?;
        found
            .map(|_| ())
            .ok_or_else(|| StoreError::Unavailable(cause.to_string()))
    }
}

/// How a commit failed.
enum Commit {
    /// Nothing happened.
    Failed(StoreError),
    /// The connection broke after the commit was sent.
    Unknown(sqlx::Error),
}

impl From<sqlx::Error> for Commit {
    fn from(error: sqlx::Error) -> Self {
        Commit::Failed(error.into())
    }
}

impl From<StoreError> for Commit {
    fn from(error: StoreError) -> Self {
        Commit::Failed(error)
    }
}

async fn commit_on_postgres(
    pool: &PgPool,
    writes: &[Write],
    record: &Record,
    writer: &str,
    seq: i64,
) -> std::result::Result<(), Commit> {
    // The common change, as one statement: five round trips would halve the rate.
    if let [Write::SaveKey { key, read }] = writes {
        let saved = keys::save_with_record(pool, key, *read, record, writer, seq).await;
        return match saved {
            Ok(0) => Err(Commit::Failed(StoreError::Conflict)),
            Ok(_) => Ok(()),
            Err(error) if super::is_dead_connection(&error) => Err(Commit::Unknown(error)),
            Err(error) => Err(error.into()),
        };
    }
    let mut tx = Tx::Postgres(pool.begin().await?);
    for write in writes {
        apply(&mut tx, write).await?;
    }
    audit::append(&mut tx, writer, &[(seq, record)]).await?;
    match tx.commit().await {
        Err(error) if super::is_dead_connection(&error) => Err(Commit::Unknown(error)),
        done => Ok(done?),
    }
}

/// Carries out one write. The statements stand with their families.
async fn apply(tx: &mut Tx<'_>, write: &Write) -> Result<()> {
    match write {
        Write::InsertKey {
            key,
            material,
            quota,
        } => keys::insert(tx, key, material.as_ref(), *quota).await,
        Write::SaveKey { key, read } => keys::save(tx, key, *read).await,
        Write::InsertMaterial { key, material } => keys::insert_material(tx, key, material).await,
        Write::InsertKeystore(keystore) => keystores::insert(tx, keystore).await,
        Write::SaveKeystore { keystore, read } => keystores::save(tx, keystore, *read).await,
        Write::DeleteKeystore(keystore) => keystores::delete(tx, keystore).await,
        Write::KeepObject { cluster, object } => keystores::keep_object(tx, cluster, object).await,
        Write::InsertGrant {
            grant,
            key_revision,
            quota,
        } => grants::insert(tx, grant, *key_revision, *quota).await,
        Write::DeleteGrant(grant) => grants::delete(tx, grant).await,
        Write::InsertDefaultKey { key, material } => {
            keys::insert_uncounted(tx, key, Some(material)).await
        }
        Write::PutTags { key, tags } => tags::put(tx, key, tags).await,
        Write::RemoveTags { key, tag_keys } => tags::remove(tx, key, tag_keys).await,
        Write::PutResourcePolicy { key, document } => {
            resource_policies::put(tx, key, document).await
        }
        Write::InsertAlias(alias) => aliases::insert(tx, alias).await,
        Write::MoveAlias { alias, from } => aliases::move_from(tx, alias, from).await,
        Write::DeleteAliases { key, names } => aliases::delete(tx, key, names).await,
        Write::DropMaterial { key, version } => keys::drop_material(tx, key, *version).await,
        Write::SaveImported(material) => materials::save(tx, material).await,
        Write::InsertAccessPoint { point, quota } => access_points::insert(tx, point, *quota).await,
        Write::SaveAccessPoint { point, read } => access_points::save(tx, point, *read).await,
        Write::DeleteAccessPoint(point) => access_points::delete(tx, point).await,
        Write::InsertKeyPolicy { policy, quota } => key_policies::insert(tx, policy, *quota).await,
        Write::SaveKeyPolicy { policy, read } => key_policies::save(tx, policy, *read).await,
        Write::DeleteKeyPolicy(policy) => key_policies::delete(tx, policy).await,
        Write::InsertDomain(domain) => identity::insert_domain(tx, domain).await,
        Write::InsertProject(project) => identity::insert_project(tx, project).await,
        Write::DeleteDomain(id) => identity::delete_domain(tx, id).await,
        Write::DeleteProject(id) => identity::delete_project(tx, id).await,
        Write::InsertUser(user) => identity::insert_user(tx, user).await,
        Write::SaveUser(user) => identity::save_user(tx, user).await,
        Write::DeleteUser(id) => identity::delete_user(tx, id).await,
        Write::AssignRole(role) => identity::assign_role(tx, role).await,
        Write::RemoveRole(role) => identity::remove_role(tx, role).await,
        Write::InsertAccessKey(key) => identity::insert_access_key(tx, key).await,
        Write::DeleteAccessKey(id) => identity::delete_access_key(tx, id).await,
        Write::InsertTokenKey(key) => identity::insert_token_key(tx, key).await,
        Write::DeleteTokenKey(id) => identity::delete_token_key(tx, id).await,
        Write::RevokeToken { id, expires_at } => identity::revoke_token(tx, id, *expires_at).await,
    }
}

/// Carries out writes as a part of a transaction, which goes back to where it was when one of them
/// is refused.
async fn all_or_nothing(tx: &mut Tx<'_>, writes: &[Write]) -> Result<Result<()>> {
    let mut part = tx.begin().await?;
    let mut done = Ok(());
    for write in writes {
        if done.is_ok() {
            done = apply(&mut part, write).await;
        }
    }
    match done {
        Ok(()) => part.commit().await?,
        Err(_) => part.rollback().await?,
    }
    Ok(done)
}

/// A change, or a record alone, on its way to the one task that writes.
struct Job {
    writes: Vec<Write>,
    record: Record,
    durability: Durability,
    reply: oneshot::Sender<Result<()>>,
}

/// The way to the task that commits groups.
#[derive(Clone)]
pub(super) struct Queue {
    jobs: mpsc::Sender<Job>,
    stop: mpsc::Sender<oneshot::Sender<()>>,
    /// This run of this process; with a record's number it names the record for ever.
    pub(super) writer: Arc<str>,
    seq: Arc<AtomicI64>,
}

impl Queue {
    pub(super) fn start(db: Db, writer: String) -> Self {
        let (jobs, inbox) = mpsc::channel(limits::QUEUED_WRITES);
        let (stop, stopped) = mpsc::channel(1);
        let queue = Self {
            jobs,
            stop,
            writer: writer.into(),
            seq: Arc::new(AtomicI64::new(1)),
        };
        let task = Committer {
            db,
            writer: queue.writer.clone(),
            seq: queue.seq.clone(),
            unflushed: false,
            relaxed: false,
        };
        tokio::spawn(task.run(inbox, stopped));
        queue
    }

    /// Numbers for so many records; the first of them.
    pub(super) fn reserve_seqs(&self, count: usize) -> i64 {
        reserve(&self.seq, count)
    }

    async fn submit(
        &self,
        writes: Vec<Write>,
        record: Record,
        durability: Durability,
    ) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.jobs
            .try_send(Job {
                writes,
                record,
                durability,
                reply,
            })
            .map_err(|_| {
                StoreError::Unavailable("too many changes wait for the database".into())
            })?;
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable(
                "the database was closed meanwhile".into(),
            ))
        })
    }

    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.stop.send(done).await.is_ok() {
            let _ = closed.await;
        }
    }
}

fn reserve(seq: &AtomicI64, count: usize) -> i64 {
    seq.fetch_add(i64::try_from(count).unwrap_or(0), Ordering::Relaxed)
}

/// The one task that commits groups.
struct Committer {
    db: Db,
    writer: Arc<str>,
    seq: Arc<AtomicI64>,
    /// Something committed is not flushed yet.
    unflushed: bool,
    /// SQLite's connection is set to commit without a flush.
    relaxed: bool,
}

impl Committer {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Job>,
        mut stopped: mpsc::Receiver<oneshot::Sender<()>>,
    ) {
        let mut group = Vec::with_capacity(GROUP);
        let mut flush_due = tokio::time::interval(FLUSH_AFTER);
        // A flush that fails takes long; between two of them the inbox has its turn.
        flush_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // First, because under load there is always another group.
                biased;
                _ = flush_due.tick(), if self.unflushed => self.flush().await,
                count = inbox.recv_many(&mut group, GROUP) => {
                    if count == 0 { break }
                    let was_flushed = !self.unflushed;
                    self.commit_group(&mut group).await;
                    if was_flushed && self.unflushed {
                        flush_due.reset();
                    }
                }
                Some(done) = stopped.recv() => {
                    inbox.close();
                    while inbox.recv_many(&mut group, GROUP).await > 0 {
                        self.commit_group(&mut group).await;
                    }
                    self.flush().await;
                    let _ = done.send(());
                    return;
                }
            }
        }
        self.flush().await;
    }

    async fn commit_group(&mut self, group: &mut Vec<Job>) {
        let durable = group
            .iter()
            .any(|job| job.durability == Durability::Durable);
        let done = match self.db.clone() {
            Db::Sqlite { write, .. } => match self.set_relaxed(&write, !durable).await {
                Err(error) => Err(error),
                Ok(()) if group.iter().all(|job| job.writes.is_empty()) => {
                    self.records(group, durable).await
                }
                Ok(()) => self.group_on_sqlite(&write, group).await,
            },
            Db::Postgres { .. } => timeout(limits::DATABASE_TIME, self.records(group, durable))
                .await
                .unwrap_or_else(|_| {
                    Err(StoreError::Unavailable(
                        "the database took too long for an audit record".into(),
                    ))
                }),
        };
        self.unflushed |= !durable;
        // A group that failed as a whole failed for each of its jobs.
        if let Err(error) = done {
            for job in group.drain(..) {
                let _ = job.reply.send(Err(error.clone()));
            }
        }
        group.clear();
    }

    async fn records(&self, group: &mut Vec<Job>, durable: bool) -> Result<()> {
        let first = reserve(&self.seq, group.len());
        let records: Vec<_> = (first..).zip(group.iter().map(|job| &job.record)).collect();
        // A dead connection (the server was restarted) is replaced and the group sent again; the
        // records' numbers keep it from being written twice.
        let send = || audit::append_group(&self.db, durable, &self.writer, &records);
        match send().await {
            Err(error) if super::is_dead_connection(&error) => send().await?,
            done => done?,
        }
        for job in group.drain(..) {
            let _ = job.reply.send(Ok(()));
        }
        Ok(())
    }

    /// Changes, and records among them, in one transaction with one flush.
    async fn group_on_sqlite(&self, write: &SqlitePool, group: &mut Vec<Job>) -> Result<()> {
        let mut tx = Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?);
        let mut outcomes = Vec::with_capacity(group.len());
        for job in group.iter() {
            let done = match job.writes.as_slice() {
                [] => Ok(()),
                // One statement, which does all or nothing by itself.
                [write @ Write::SaveKey { .. }] => apply(&mut tx, write).await,
                writes => all_or_nothing(&mut tx, writes).await?,
            };
            // Such as a full disk, after which SQLite has given the transaction up.
            if let Err(error @ StoreError::Unavailable(_)) = done {
                return Err(error);
            }
            outcomes.push(done);
        }
        let first = reserve(&self.seq, group.len());
        let records: Vec<_> = (first..)
            .zip(group.iter().map(|job| &job.record))
            .zip(&outcomes)
            .filter(|(_, done)| done.is_ok())
            .map(|(record, _)| record)
            .collect();
        audit::append(&mut tx, &self.writer, &records).await?;
        tx.commit().await?;
        for (job, done) in group.drain(..).zip(outcomes) {
            let _ = job.reply.send(done);
        }
        Ok(())
    }

    /// Sets whether SQLite's next commit flushes. Only between transactions.
    async fn set_relaxed(&mut self, write: &SqlitePool, relaxed: bool) -> Result<()> {
        if self.relaxed != relaxed {
            let pragma = if relaxed {
                "PRAGMA synchronous = NORMAL"
            } else {
                "PRAGMA synchronous = FULL"
            };
            sqlx::query(pragma).execute(write).await?;
            self.relaxed = relaxed;
        }
        Ok(())
    }

    /// Commits something durably, which takes every earlier commit along.
    async fn flush(&mut self) {
        if !self.unflushed {
            return;
        }
        // A failure is tried again at the next tick; new records fail by themselves meanwhile.
        match timeout(Duration::from_secs(2), self.try_flush()).await {
            Ok(Ok(())) => self.unflushed = false,
            Ok(Err(error)) => tracing::warn!(%error, "audit records are not flushed yet"),
            Err(_) => tracing::warn!("audit records are not flushed yet: the database is slow"),
        }
    }

    async fn try_flush(&mut self) -> Result<()> {
        let mut tx = match &self.db {
            // Its own connection: those of the pool may belong to workers that have ended already.
            Db::Postgres { relaxed, .. } => {
                let mut tx = relaxed.begin().await?;
                sqlx::query("SET LOCAL synchronous_commit = on")
                    .execute(&mut *tx)
                    .await?;
                Tx::Postgres(tx)
            }
            Db::Sqlite { write, .. } => {
                let write = write.clone();
                self.set_relaxed(&write, false).await?;
                let Db::Sqlite { write, .. } = &self.db else {
                    return Ok(());
                };
                Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?)
            }
        };
        on!(&mut tx, conn => {
            sqlx::query("UPDATE clock SET flushes = flushes + 1").execute(conn).await.map(|_| ())
        })?;
        Ok(tx.commit().await?)
    }
}
