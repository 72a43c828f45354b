//! Domains, projects, users, roles, access keys, and the keys that sign tokens.

use super::{Result, Sealable, Sealed, Store, StoreError, Tx, on, one_or_conflict, read};
use crate::crypto::row::RowSeal;
use crate::model::identity::{AccessKey, Domain, Project, Role, RoleAssignment, User};
use crate::model::ids::{AccessKeyId, AccountId, DisplayName, DomainId, ProjectId, UserId};
use crate::model::time::Timestamp;

/// A project that is about to be registered, with its key.
#[derive(Clone, Debug)]
pub struct NewProject {
    /// The project.
    pub project: Sealed<Project>,
    /// Its key, sealed by the root.
    pub key: WrappedProjectKey,
}

/// A project's key of one epoch, sealed by a root.
#[derive(Clone, Debug)]
pub struct WrappedProjectKey {
    /// The epoch; the first is 1.
    pub epoch: u32,
    /// The root that sealed it.
    pub root_id: String,
    /// The sealed key.
    pub sealed_key: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A key pair that signs kmsd's own tokens.
#[derive(Clone, Debug)]
pub struct TokenKey {
    /// Its id, the `kid` of tokens.
    pub id: String,
    /// The private half, sealed under the deployment's key.
    pub sealed_private: Vec<u8>,
    /// When it was made; the newest signs.
    pub created_at: Timestamp,
}

impl Sealable for Domain {
    fn columns(&self) -> RowSeal {
        RowSeal::new("domains")
            .text("id", self.id.as_str())
            .text("name", self.name.as_str())
            .text("authority", &self.authority)
    }
}

impl Sealable for Project {
    fn columns(&self) -> RowSeal {
        RowSeal::new("projects")
            .text("id", self.id.as_str())
            .text("domain_id", self.domain.as_str())
            .text("name", self.name.as_str())
            .text("account_id", self.account.as_str())
    }
}

impl Sealable for User {
    fn columns(&self) -> RowSeal {
        RowSeal::new("users")
            .text("id", self.id.as_str())
            .text("domain_id", self.domain.as_str())
            .text("name", self.name.as_str())
            .text("password_hash", &self.password_hash)
            .bool("enabled", self.enabled)
            .int("tokens_valid_from", self.tokens_valid_from.millis())
    }
}

impl Sealable for RoleAssignment {
    fn columns(&self) -> RowSeal {
        RowSeal::new("role_assignments")
            .text("user_id", self.user.as_str())
            .text("project_id", self.project.as_str())
            .text("role", self.role.name())
    }
}

impl Sealable for AccessKey {
    fn columns(&self) -> RowSeal {
        RowSeal::new("access_keys")
            .text("id", self.id.as_str())
            .text("user_id", self.user.as_str())
            .text("project_id", self.project.as_str())
            .bytes("sealed_secret", &self.sealed_secret)
            .bool("enabled", self.enabled)
            .int_or_null("expires_at", self.expires_at.map(Timestamp::millis))
    }
}

impl Sealable for TokenKey {
    fn columns(&self) -> RowSeal {
        RowSeal::new("token_keys")
            .text("id", &self.id)
            .bytes("sealed_private", &self.sealed_private)
            .int("created_at", self.created_at.millis())
    }
}

fn corrupt(what: &str, id: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} {id}"))
}

#[derive(sqlx::FromRow)]
struct DomainRow {
    id: String,
    name: String,
    authority: String,
    created_at: i64,
    seal: Vec<u8>,
}

impl TryFrom<DomainRow> for Sealed<Domain> {
    type Error = StoreError;

    fn try_from(row: DomainRow) -> Result<Self> {
        let bad = |_| corrupt("domain", &row.id);
        let value = Domain {
            id: DomainId::parse(row.id.as_str()).map_err(bad)?,
            name: DisplayName::parse(row.name).map_err(bad)?,
            authority: row.authority,
            created_at: Timestamp::from_millis(row.created_at),
        };
        Ok(Sealed {
            value,
            seal: row.seal,
        })
    }
}

#[derive(sqlx::FromRow)]
struct ProjectRow {
    id: String,
    domain_id: String,
    name: String,
    account_id: String,
    created_at: i64,
    seal: Vec<u8>,
}

impl TryFrom<ProjectRow> for Sealed<Project> {
    type Error = StoreError;

    fn try_from(row: ProjectRow) -> Result<Self> {
        let bad = |_| corrupt("project", &row.id);
        let value = Project {
            id: ProjectId::parse(row.id.as_str()).map_err(bad)?,
            domain: DomainId::parse(row.domain_id).map_err(bad)?,
            name: DisplayName::parse(row.name).map_err(bad)?,
            account: AccountId::parse(row.account_id).map_err(bad)?,
            created_at: Timestamp::from_millis(row.created_at),
        };
        Ok(Sealed {
            value,
            seal: row.seal,
        })
    }
}

#[derive(sqlx::FromRow)]
struct UserRow {
    id: String,
    domain_id: String,
    name: String,
    password_hash: String,
    enabled: i16,
    tokens_valid_from: i64,
    created_at: i64,
    seal: Vec<u8>,
}

impl TryFrom<UserRow> for Sealed<User> {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self> {
        let bad = |_| corrupt("user", &row.id);
        let value = User {
            id: UserId::parse(row.id.as_str()).map_err(bad)?,
            domain: DomainId::parse(row.domain_id).map_err(bad)?,
            name: DisplayName::parse(row.name).map_err(bad)?,
            password_hash: row.password_hash,
            enabled: row.enabled == 1,
            tokens_valid_from: Timestamp::from_millis(row.tokens_valid_from),
            created_at: Timestamp::from_millis(row.created_at),
        };
        Ok(Sealed {
            value,
            seal: row.seal,
        })
    }
}

#[derive(sqlx::FromRow)]
struct RoleRow {
    user_id: String,
    project_id: String,
    role: String,
    seal: Vec<u8>,
}

impl TryFrom<RoleRow> for Sealed<RoleAssignment> {
    type Error = StoreError;

    fn try_from(row: RoleRow) -> Result<Self> {
        let bad = |_| corrupt("role assignment of user", &row.user_id);
        let value = RoleAssignment {
            user: UserId::parse(row.user_id.as_str()).map_err(bad)?,
            project: ProjectId::parse(row.project_id).map_err(bad)?,
            role: Role::parse(&row.role).map_err(bad)?,
        };
        Ok(Sealed {
            value,
            seal: row.seal,
        })
    }
}

#[derive(sqlx::FromRow)]
struct AccessKeyRow {
    id: String,
    user_id: String,
    project_id: String,
    sealed_secret: Vec<u8>,
    enabled: i16,
    expires_at: Option<i64>,
    created_at: i64,
    seal: Vec<u8>,
}

impl TryFrom<AccessKeyRow> for Sealed<AccessKey> {
    type Error = StoreError;

    fn try_from(row: AccessKeyRow) -> Result<Self> {
        let bad = |_| corrupt("access key", &row.id);
        let value = AccessKey {
            id: AccessKeyId::parse(row.id.as_str()).map_err(bad)?,
            user: UserId::parse(row.user_id).map_err(bad)?,
            project: ProjectId::parse(row.project_id).map_err(bad)?,
            sealed_secret: row.sealed_secret,
            enabled: row.enabled == 1,
            expires_at: row.expires_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(row.created_at),
        };
        Ok(Sealed {
            value,
            seal: row.seal,
        })
    }
}

#[derive(sqlx::FromRow)]
struct TokenKeyRow {
    id: String,
    sealed_private: Vec<u8>,
    created_at: i64,
    seal: Vec<u8>,
}

impl From<TokenKeyRow> for Sealed<TokenKey> {
    fn from(row: TokenKeyRow) -> Self {
        let value = TokenKey {
            id: row.id,
            sealed_private: row.sealed_private,
            created_at: Timestamp::from_millis(row.created_at),
        };
        Sealed {
            value,
            seal: row.seal,
        }
    }
}

/// A statement that selects rows and turns them into sealed values.
macro_rules! select {
    ($store:expr, $row:ty, $sql:expr $(, $bind:expr)*) => {{
        let rows: Vec<$row> = read!($store, db => {
            sqlx::query_as($sql)$(.bind($bind))*.fetch_all(db).await
        })?;
        rows.into_iter().map(TryInto::try_into).collect::<Result<Vec<_>>>()
    }};
}

macro_rules! domains {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, authority, created_at, seal FROM domains ",
            $rest
        )
    };
}

macro_rules! projects {
    ($rest:literal) => {
        concat!(
            "SELECT id, domain_id, name, account_id, created_at, seal FROM projects ",
            $rest
        )
    };
}

macro_rules! users {
    ($rest:literal) => {
        concat!(
            "SELECT id, domain_id, name, password_hash, enabled, tokens_valid_from, created_at, \
             seal FROM users ",
            $rest
        )
    };
}

macro_rules! access_keys {
    ($rest:literal) => {
        concat!(
            "SELECT id, user_id, project_id, sealed_secret, enabled, expires_at, created_at, seal \
             FROM access_keys ",
            $rest
        )
    };
}

impl Store {
    /// Every domain, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`], as for every function here.
    pub async fn list_domains(&self) -> Result<Vec<Sealed<Domain>>> {
        select!(self, DomainRow, domains!("ORDER BY created_at, id"))
    }

    /// A domain, by its id.
    pub async fn find_domain(&self, id: &DomainId) -> Result<Option<Sealed<Domain>>> {
        let found: Result<Vec<_>> =
            select!(self, DomainRow, domains!("WHERE id = $1"), id.as_str());
        Ok(found?.pop())
    }

    /// A domain, by its name.
    pub async fn find_domain_named(&self, name: &DisplayName) -> Result<Option<Sealed<Domain>>> {
        let found: Result<Vec<_>> =
            select!(self, DomainRow, domains!("WHERE name = $1"), name.as_str());
        Ok(found?.pop())
    }

    /// Every project, or those of one domain, the oldest first.
    pub async fn list_projects(&self, domain: Option<&DomainId>) -> Result<Vec<Sealed<Project>>> {
        match domain {
            None => select!(self, ProjectRow, projects!("ORDER BY created_at, id")),
            Some(domain) => select!(
                self,
                ProjectRow,
                projects!("WHERE domain_id = $1 ORDER BY created_at, id"),
                domain.as_str()
            ),
        }
    }

    /// A project, by its id.
    pub async fn find_project(&self, id: &ProjectId) -> Result<Option<Sealed<Project>>> {
        let found: Result<Vec<_>> =
            select!(self, ProjectRow, projects!("WHERE id = $1"), id.as_str());
        Ok(found?.pop())
    }

    /// A project, by its account.
    pub async fn find_project_of_account(
        &self,
        account: &AccountId,
    ) -> Result<Option<Sealed<Project>>> {
        let found: Result<Vec<_>> = select!(
            self,
            ProjectRow,
            projects!("WHERE account_id = $1"),
            account.as_str()
        );
        Ok(found?.pop())
    }

    /// A project, by its domain and name.
    pub async fn find_project_named(
        &self,
        domain: &DomainId,
        name: &DisplayName,
    ) -> Result<Option<Sealed<Project>>> {
        let found: Result<Vec<_>> = select!(
            self,
            ProjectRow,
            projects!("WHERE domain_id = $1 AND name = $2"),
            domain.as_str(),
            name.as_str()
        );
        Ok(found?.pop())
    }

    /// The projects in which a user has a role, the oldest first.
    pub async fn projects_of(&self, user: &UserId) -> Result<Vec<Sealed<Project>>> {
        select!(
            self,
            ProjectRow,
            projects!(
                "WHERE id IN (SELECT project_id FROM role_assignments WHERE user_id = $1) \
                 ORDER BY created_at, id"
            ),
            user.as_str()
        )
    }

    /// A project's key: of one epoch, or of the newest.
    pub async fn find_project_key(
        &self,
        project: &ProjectId,
        epoch: Option<u32>,
    ) -> Result<Option<WrappedProjectKey>> {
        let row: Option<(i64, String, Vec<u8>, i64)> = read!(self, db => {
            sqlx::query_as(
                "SELECT epoch, root_id, sealed_key, created_at FROM project_keys \
                 WHERE project_id = $1 AND (epoch = $2 OR $2 = 0) ORDER BY epoch DESC LIMIT 1",
            )
            .bind(project.as_str())
            .bind(i64::from(epoch.unwrap_or(0)))
            .fetch_optional(db)
            .await
        })?;
        row.map(|(epoch, root_id, sealed_key, created_at)| {
            Ok(WrappedProjectKey {
                epoch: u32::try_from(epoch)
                    .map_err(|_| corrupt("key of project", project.as_str()))?,
                root_id,
                sealed_key,
                created_at: Timestamp::from_millis(created_at),
            })
        })
        .transpose()
    }

    /// A user, by their id.
    pub async fn find_user(&self, id: &UserId) -> Result<Option<Sealed<User>>> {
        let found: Result<Vec<_>> = select!(self, UserRow, users!("WHERE id = $1"), id.as_str());
        Ok(found?.pop())
    }

    /// A user, by their domain and name.
    pub async fn find_user_named(
        &self,
        domain: &DomainId,
        name: &DisplayName,
    ) -> Result<Option<Sealed<User>>> {
        let found: Result<Vec<_>> = select!(
            self,
            UserRow,
            users!("WHERE domain_id = $1 AND name = $2"),
            domain.as_str(),
            name.as_str()
        );
        Ok(found?.pop())
    }

    /// Every user, the oldest first.
    pub async fn list_users(&self) -> Result<Vec<Sealed<User>>> {
        select!(self, UserRow, users!("ORDER BY created_at, id"))
    }

    /// A user's roles, in every project.
    pub async fn roles_of(&self, user: &UserId) -> Result<Vec<Sealed<RoleAssignment>>> {
        select!(
            self,
            RoleRow,
            "SELECT user_id, project_id, role, seal FROM role_assignments WHERE user_id = $1 \
             ORDER BY project_id, role",
            user.as_str()
        )
    }

    /// An access key, by its public half.
    pub async fn find_access_key(&self, id: &AccessKeyId) -> Result<Option<Sealed<AccessKey>>> {
        let found: Result<Vec<_>> = select!(
            self,
            AccessKeyRow,
            access_keys!("WHERE id = $1"),
            id.as_str()
        );
        Ok(found?.pop())
    }

    /// Every access key, the oldest first.
    pub async fn list_access_keys(&self) -> Result<Vec<Sealed<AccessKey>>> {
        select!(self, AccessKeyRow, access_keys!("ORDER BY created_at, id"))
    }

    /// The key pairs that sign tokens, the newest first.
    pub async fn token_keys(&self) -> Result<Vec<Sealed<TokenKey>>> {
        let rows: Vec<TokenKeyRow> = read!(self, db => {
            sqlx::query_as(
                "SELECT id, sealed_private, created_at, seal FROM token_keys \
                 ORDER BY created_at DESC, id DESC",
            )
            .fetch_all(db)
            .await
        })?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Whether a token was ended before its time.
    pub async fn is_revoked(&self, token: &str) -> Result<bool> {
        let found: Option<(String,)> = read!(self, db => {
            sqlx::query_as("SELECT id FROM revoked_tokens WHERE id = $1")
                .bind(token)
                .fetch_optional(db)
                .await
        })?;
        Ok(found.is_some())
    }
}

/// A statement that changes rows and says how many.
macro_rules! change {
    ($tx:expr, $sql:expr $(, $bind:expr)*) => {
        on!($tx, conn => {
            sqlx::query($sql)$(.bind($bind))*.execute(conn).await.map(|done| done.rows_affected())
        })?
    };
}

pub(super) async fn insert_domain(tx: &mut Tx<'_>, domain: &Sealed<Domain>) -> Result<()> {
    let Sealed { value, seal } = domain;
    change!(
        tx,
        "INSERT INTO domains (id, name, authority, created_at, seal) VALUES ($1, $2, $3, $4, $5)",
        value.id.as_str(),
        value.name.as_str(),
        &value.authority,
        value.created_at.millis(),
        seal
    );
    Ok(())
}

pub(super) async fn insert_project(tx: &mut Tx<'_>, new: &NewProject) -> Result<()> {
    let Sealed { value, seal } = &new.project;
    let was_there: Option<(String,)> = on!(tx, conn => {
        sqlx::query_as(
            "SELECT project_id FROM tombstones WHERE project_id = $1 AND region = '' AND key_id = ''",
        )
        .bind(value.id.as_str())
        .fetch_optional(conn)
        .await
    })?;
    if was_there.is_some() {
        return Err(StoreError::AlreadyExists);
    }
    change!(
        tx,
        "INSERT INTO projects (id, domain_id, name, account_id, created_at, seal) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        value.id.as_str(),
        value.domain.as_str(),
        value.name.as_str(),
        value.account.as_str(),
        value.created_at.millis(),
        seal
    );
    change!(
        tx,
        "INSERT INTO project_keys (project_id, epoch, root_id, sealed_key, created_at) \
         VALUES ($1, $2, $3, $4, $5)",
        value.id.as_str(),
        i64::from(new.key.epoch),
        &new.key.root_id,
        &new.key.sealed_key,
        new.key.created_at.millis()
    );
    Ok(())
}

pub(super) async fn delete_domain(tx: &mut Tx<'_>, id: &DomainId) -> Result<()> {
    let deleted = change!(tx, "DELETE FROM domains WHERE id = $1", id.as_str());
    one_or_conflict(deleted)
}

pub(super) async fn delete_project(tx: &mut Tx<'_>, id: &ProjectId) -> Result<()> {
    change!(
        tx,
        "DELETE FROM role_assignments WHERE project_id = $1",
        id.as_str()
    );
    change!(
        tx,
        "DELETE FROM access_keys WHERE project_id = $1",
        id.as_str()
    );
    change!(
        tx,
        "DELETE FROM access_points WHERE project_id = $1",
        id.as_str()
    );
    change!(
        tx,
        "DELETE FROM capsule_policies WHERE project_id = $1",
        id.as_str()
    );
    change!(
        tx,
        "DELETE FROM project_usage WHERE project_id = $1 AND key_count = 0",
        id.as_str()
    );
    change!(
        tx,
        "DELETE FROM project_keys WHERE project_id = $1",
        id.as_str()
    );
    // What is left of it keeps its id from being used again: processes hold its key opened.
    change!(
        tx,
        "INSERT INTO tombstones (project_id, region, key_id, revision, destroyed_at) \
         VALUES ($1, '', '', 0, 0)",
        id.as_str()
    );
    let deleted = change!(tx, "DELETE FROM projects WHERE id = $1", id.as_str());
    one_or_conflict(deleted)
}

pub(super) async fn insert_user(tx: &mut Tx<'_>, user: &Sealed<User>) -> Result<()> {
    let Sealed { value, seal } = user;
    change!(
        tx,
        "INSERT INTO users (id, domain_id, name, password_hash, enabled, tokens_valid_from, \
         created_at, seal) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        value.id.as_str(),
        value.domain.as_str(),
        value.name.as_str(),
        &value.password_hash,
        i16::from(value.enabled),
        value.tokens_valid_from.millis(),
        value.created_at.millis(),
        seal
    );
    Ok(())
}

pub(super) async fn save_user(tx: &mut Tx<'_>, user: &Sealed<User>) -> Result<()> {
    let Sealed { value, seal } = user;
    let saved = change!(
        tx,
        "UPDATE users SET password_hash = $2, enabled = $3, tokens_valid_from = $4, seal = $5 \
         WHERE id = $1",
        value.id.as_str(),
        &value.password_hash,
        i16::from(value.enabled),
        value.tokens_valid_from.millis(),
        seal
    );
    one_or_conflict(saved)
}

pub(super) async fn delete_user(tx: &mut Tx<'_>, id: &UserId) -> Result<()> {
    let deleted = change!(tx, "DELETE FROM users WHERE id = $1", id.as_str());
    one_or_conflict(deleted)
}

pub(super) async fn assign_role(tx: &mut Tx<'_>, role: &Sealed<RoleAssignment>) -> Result<()> {
    let Sealed { value, seal } = role;
    change!(
        tx,
        "INSERT INTO role_assignments (user_id, project_id, role, seal) VALUES ($1, $2, $3, $4)",
        value.user.as_str(),
        value.project.as_str(),
        value.role.name(),
        seal
    );
    Ok(())
}

pub(super) async fn remove_role(tx: &mut Tx<'_>, role: &RoleAssignment) -> Result<()> {
    let removed = change!(
        tx,
        "DELETE FROM role_assignments WHERE user_id = $1 AND project_id = $2 AND role = $3",
        role.user.as_str(),
        role.project.as_str(),
        role.role.name()
    );
    one_or_conflict(removed)
}

pub(super) async fn insert_access_key(tx: &mut Tx<'_>, key: &Sealed<AccessKey>) -> Result<()> {
    let Sealed { value, seal } = key;
    change!(
        tx,
        "INSERT INTO access_keys (id, user_id, project_id, sealed_secret, enabled, expires_at, \
         created_at, seal) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        value.id.as_str(),
        value.user.as_str(),
        value.project.as_str(),
        &value.sealed_secret,
        i16::from(value.enabled),
        value.expires_at.map(Timestamp::millis),
        value.created_at.millis(),
        seal
    );
    Ok(())
}

pub(super) async fn delete_access_key(tx: &mut Tx<'_>, id: &AccessKeyId) -> Result<()> {
    let deleted = change!(tx, "DELETE FROM access_keys WHERE id = $1", id.as_str());
    one_or_conflict(deleted)
}

pub(super) async fn insert_token_key(tx: &mut Tx<'_>, key: &Sealed<TokenKey>) -> Result<()> {
    let Sealed { value, seal } = key;
    change!(
        tx,
        "INSERT INTO token_keys (id, sealed_private, created_at, seal) VALUES ($1, $2, $3, $4)",
        &value.id,
        &value.sealed_private,
        value.created_at.millis(),
        seal
    );
    Ok(())
}

pub(super) async fn delete_token_key(tx: &mut Tx<'_>, id: &str) -> Result<()> {
    let deleted = change!(tx, "DELETE FROM token_keys WHERE id = $1", id);
    one_or_conflict(deleted)
}

pub(super) async fn revoke_token(tx: &mut Tx<'_>, id: &str, expires_at: i64) -> Result<()> {
    change!(
        tx,
        "INSERT INTO revoked_tokens (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
        id,
        expires_at
    );
    Ok(())
}
