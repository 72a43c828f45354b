//! Grants.

use super::{Result, Sealable, Sealed, Store, StoreError, Tx, on, one_or_conflict, read};
use crate::crypto::row::RowSeal;
use crate::model::caller::Caller;
use crate::model::grant::{Constraints, Grant, GrantOperation, Grantee, Pairs, Vouched};
use crate::model::ids::{DomainId, GrantId, GrantName, KeyId, ProjectId, Region, UserId};
use crate::model::key::Key;
use crate::model::time::Timestamp;

impl Sealable for Grant {
    fn columns(&self) -> RowSeal {
        let retirer = self.retirer.as_ref();
        let seal = RowSeal::new("grants")
            .text("project_id", self.project.as_str())
            .text("region", self.region.as_str())
            .text("key_id", self.key.as_str())
            .text("id", self.id.as_str())
            .text("name", name_of(self))
            .text("grantee_type", self.grantee.kind())
            .text("grantee", self.grantee.id())
            .text("grantee_authority", self.grantee.authority())
            .text("operations", &operations_of(self))
            .text_or_null("retirer", retirer.map(|user| user.id.as_str()))
            .text_or_null(
                "retirer_authority",
                retirer.map(|user| user.authority.as_str()),
            )
            .text("issuer", self.issuer.id.as_str())
            .text("issuer_authority", &self.issuer.authority)
            .int("created_at", self.created_at.millis());
        // Rows from before there were constraints are sealed without them.
        match constraints_of(self) {
            Some(constraints) => seal.text("constraints", &constraints),
            None => seal,
        }
    }
}

/// Constraints as their column holds them.
#[derive(serde::Serialize, serde::Deserialize)]
struct ConstraintsText {
    #[serde(skip_serializing_if = "Option::is_none")]
    equals: Option<Pairs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subset: Option<Pairs>,
}

/// The constraints as their column holds them.
fn constraints_of(grant: &Grant) -> Option<String> {
    let constraints = grant.constraints.clone()?;
    let text = ConstraintsText {
        equals: constraints.equals,
        subset: constraints.subset,
    };
    // Maps of texts can always be written.
    Some(serde_json::to_string(&text).unwrap_or_default())
}

/// The name as its column holds it: empty for none.
fn name_of(grant: &Grant) -> &str {
    grant.name.as_ref().map_or("", GrantName::as_str)
}

/// The operations as their column holds them.
fn operations_of(grant: &Grant) -> String {
    let names: Vec<_> = grant
        .operations
        .iter()
        .map(|operation| operation.name())
        .collect();
    names.join(",")
}

#[derive(sqlx::FromRow)]
struct Row {
    project_id: String,
    region: String,
    key_id: String,
    id: String,
    name: String,
    grantee_type: String,
    grantee: String,
    grantee_authority: String,
    operations: String,
    retirer: Option<String>,
    retirer_authority: Option<String>,
    issuer: String,
    issuer_authority: String,
    created_at: i64,
    constraints: Option<String>,
    seal: Vec<u8>,
}

/// Every column of a grant, in the order of [`Row`].
macro_rules! columns {
    () => {
        "g.project_id, g.region, g.key_id, g.id, g.name, g.grantee_type, g.grantee, \
         g.grantee_authority, g.operations, g.retirer, g.retirer_authority, g.issuer, \
         g.issuer_authority, g.created_at, g.constraints, g.seal"
    };
}

impl TryFrom<Row> for Sealed<Grant> {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let id = row.id.clone();
        let corrupt = |what: &str| StoreError::Corrupt(format!("grant {id}: {what}"));
        let user = |id: String, authority: String, column: &str| {
            let id = UserId::parse(id).map_err(|_| corrupt(column))?;
            Ok::<_, StoreError>(Vouched { id, authority })
        };
        let grantee = match row.grantee_type.as_str() {
            "user" => Grantee::User(user(row.grantee, row.grantee_authority, "grantee")?),
            "domain" => Grantee::Domain(Vouched {
                id: DomainId::parse(row.grantee).map_err(|_| corrupt("grantee"))?,
                authority: row.grantee_authority,
            }),
            _ => return Err(corrupt("grantee_type")),
        };
        let retirer = match (row.retirer, row.retirer_authority) {
            (None, None) => None,
            (Some(id), Some(authority)) => Some(user(id, authority, "retirer")?),
            _ => return Err(corrupt("retirer and retirer_authority")),
        };
        let constraints = match row.constraints {
            None => None,
            Some(text) => {
                let text: ConstraintsText =
                    serde_json::from_str(&text).map_err(|_| corrupt("constraints"))?;
                Some(Constraints {
                    equals: text.equals,
                    subset: text.subset,
                })
            }
        };
        let name = match row.name.as_str() {
            "" => None,
            name => Some(GrantName::parse(name).map_err(|_| corrupt("name"))?),
        };
        let value = Grant {
            project: ProjectId::parse(row.project_id).map_err(|_| corrupt("project_id"))?,
            region: Region::parse(row.region).map_err(|_| corrupt("region"))?,
            key: KeyId::parse(row.key_id).map_err(|_| corrupt("key_id"))?,
            id: GrantId::parse(row.id).map_err(|_| corrupt("id"))?,
            name,
            grantee,
            operations: row
                .operations
                .split(',')
                .map(|name| GrantOperation::parse(name).ok_or_else(|| corrupt("operations")))
                .collect::<Result<_>>()?,
            constraints,
            retirer,
            issuer: user(row.issuer, row.issuer_authority, "issuer")?,
            created_at: Timestamp::from_millis(row.created_at),
        };
        Ok(Sealed {
            value,
            seal: row.seal,
        })
    }
}

/// A page of grants.
#[derive(Clone, Debug)]
pub struct Page {
    /// The grants, the newest first.
    pub grants: Vec<Sealed<Grant>>,
    /// How many there are in all.
    pub total: i64,
}

impl Page {
    fn of(rows: Vec<Row>, total: i64) -> Result<Self> {
        let grants = rows
            .into_iter()
            .map(TryInto::try_into)
            .collect::<Result<_>>()?;
        Ok(Self { grants, total })
    }
}

impl Store {
    /// The grants on a key of this id that may concern the caller, in whichever project it is: who
    /// exactly is meant, [`Grant::names`] says. Grants of one project stand together.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn grants_concerning(
        &self,
        caller: &Caller,
        region: &Region,
        key: &KeyId,
    ) -> Result<Vec<Sealed<Grant>>> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM grants g \
                 WHERE g.key_id = $1 AND g.region = $2 \
                 AND (g.grantee IN ($3, $4) OR g.retirer = $3 OR g.issuer = $3) \
                 ORDER BY g.project_id, g.created_at, g.id"
            ))
            .bind(key.as_str())
            .bind(region.as_str())
            .bind(caller.user.as_str())
            .bind(caller.domain.as_str())
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// A grant of a project in a region, on whichever key.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn find_grant(
        &self,
        project: &ProjectId,
        region: &Region,
        id: &GrantId,
    ) -> Result<Option<Sealed<Grant>>> {
        let row: Option<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM grants g \
                 WHERE g.id = $1 AND g.project_id = $2 AND g.region = $3"
            ))
            .bind(id.as_str())
            .bind(project.as_str())
            .bind(region.as_str())
            .fetch_optional(db)
            .await
        })?;
        row.map(TryInto::try_into).transpose()
    }

    /// A page of a key's grants, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn list_grants(&self, key: &Key, offset: i64, limit: i64) -> Result<Page> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM grants g \
                 WHERE g.project_id = $1 AND g.region = $2 AND g.key_id = $3 \
                 ORDER BY g.created_at DESC, g.id DESC LIMIT $4 OFFSET $5"
            ))
            .bind(key.project.as_str())
            .bind(key.region.as_str())
            .bind(key.id.as_str())
            .bind(limit)
            .bind(offset)
            .fetch_all(db)
            .await
        })?;
        let (total,): (i64,) = read!(self, db => {
            sqlx::query_as(COUNT)
                .bind(key.project.as_str())
                .bind(key.region.as_str())
                .bind(key.id.as_str())
                .fetch_one(db)
                .await
        })?;
        Page::of(rows, total)
    }

    /// A page of the grants in a region that name a user as who may retire them, whoever owns
    /// their keys, the newest first, without those on keys whose day has come.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn list_retirable_grants(
        &self,
        retirer: &Vouched<UserId>,
        region: &Region,
        now: Timestamp,
        offset: i64,
        limit: i64,
    ) -> Result<Page> {
        macro_rules! retirable {
            () => {
                " FROM grants g JOIN keys k ON k.project_id = g.project_id \
                 AND k.region = g.region AND k.id = g.key_id \
                 WHERE g.retirer = $1 AND g.retirer_authority = $2 AND g.region = $3 \
                 AND (k.delete_at IS NULL OR k.delete_at > $4)"
            };
        }
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), retirable!(),
                " ORDER BY g.created_at DESC, g.id DESC LIMIT $5 OFFSET $6"
            ))
            .bind(retirer.id.as_str())
            .bind(&retirer.authority)
            .bind(region.as_str())
            .bind(now.millis())
            .bind(limit)
            .bind(offset)
            .fetch_all(db)
            .await
        })?;
        let (total,): (i64,) = read!(self, db => {
            sqlx::query_as(concat!("SELECT COUNT(*)", retirable!()))
                .bind(retirer.id.as_str())
                .bind(&retirer.authority)
                .bind(region.as_str())
                .bind(now.millis())
                .fetch_one(db)
                .await
        })?;
        Page::of(rows, total)
    }

    /// A key's grants of one name.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn grants_named(&self, key: &Key, name: &GrantName) -> Result<Vec<Sealed<Grant>>> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM grants g WHERE g.project_id = $1 \
                 AND g.region = $2 AND g.key_id = $3 AND g.name = $4 \
                 ORDER BY g.created_at, g.id"
            ))
            .bind(key.project.as_str())
            .bind(key.region.as_str())
            .bind(key.id.as_str())
            .bind(name.as_str())
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// A key's grants behind a position, the oldest first: all, or those of one id, or to one
    /// grantee.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn list_grants_after(
        &self,
        key: &Key,
        (id, grantee): (Option<&GrantId>, Option<&Grantee>),
        (created_at, last): (Timestamp, &str),
        limit: i64,
    ) -> Result<Vec<Sealed<Grant>>> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM grants g WHERE g.project_id = $1 \
                 AND g.region = $2 AND g.key_id = $3 AND (g.created_at, g.id) > ($4, $5) \
                 AND ($6 = '' OR g.id = $6) \
                 AND ($7 = '' OR (g.grantee_type = $7 AND g.grantee = $8)) \
                 ORDER BY g.created_at, g.id LIMIT $9"
            ))
            .bind(key.project.as_str())
            .bind(key.region.as_str())
            .bind(key.id.as_str())
            .bind(created_at.millis())
            .bind(last)
            .bind(id.map_or("", GrantId::as_str))
            .bind(grantee.map_or("", Grantee::kind))
            .bind(grantee.map_or("", Grantee::id))
            .bind(limit)
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// The grants in a region that name a user as who may retire them, behind a position, the
    /// oldest first, without those on keys whose day has come.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn list_retirable_grants_after(
        &self,
        retirer: &Vouched<UserId>,
        region: &Region,
        now: Timestamp,
        (created_at, last): (Timestamp, &str),
        limit: i64,
    ) -> Result<Vec<Sealed<Grant>>> {
        let rows: Vec<Row> = read!(self, db => {
            sqlx::query_as(concat!(
                "SELECT ", columns!(), " FROM grants g JOIN keys k \
                 ON k.project_id = g.project_id AND k.region = g.region AND k.id = g.key_id \
                 WHERE g.retirer = $1 AND g.retirer_authority = $2 AND g.region = $3 \
                 AND (k.delete_at IS NULL OR k.delete_at > $4) \
                 AND (g.created_at, g.id) > ($5, $6) ORDER BY g.created_at, g.id LIMIT $7"
            ))
            .bind(retirer.id.as_str())
            .bind(&retirer.authority)
            .bind(region.as_str())
            .bind(now.millis())
            .bind(created_at.millis())
            .bind(last)
            .bind(limit)
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// How many grants that key of a project in a region has that has most of them.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be counted.
    pub async fn most_grants_of_a_key(
        &self,
        project: &ProjectId,
        region: &Region,
        now: Timestamp,
    ) -> Result<i64> {
        let (most,): (i64,) = read!(self, db => {
            sqlx::query_as(
                "SELECT COALESCE(MAX(c.grants), 0) FROM ( \
                     SELECT COUNT(*) AS grants FROM grants g JOIN keys k \
                     ON k.project_id = g.project_id AND k.region = g.region AND k.id = g.key_id \
                     WHERE g.project_id = $1 AND g.region = $2 \
                     AND (k.delete_at IS NULL OR k.delete_at > $3) GROUP BY g.key_id) c",
            )
            .bind(project.as_str())
            .bind(region.as_str())
            .bind(now.millis())
            .fetch_one(db)
            .await
        })?;
        Ok(most)
    }
}

const COUNT: &str =
    "SELECT COUNT(*) FROM grants WHERE project_id = $1 AND region = $2 AND key_id = $3";

/// Stores a new grant, if its key is still as it was when that was decided and has room for it.
///
/// The first statement changes nothing: it holds the key's row, so that of several new grants each
/// counts the ones before it, and a change of the key waits or makes this one be decided again.
/// The key's revision stays: grants that are made at once are no conflict.
pub(super) async fn insert(
    tx: &mut Tx<'_>,
    grant: &Sealed<Grant>,
    key_revision: i64,
    quota: i64,
) -> Result<()> {
    let Sealed { value: grant, seal } = grant;
    let held = on!(tx, conn => {
        sqlx::query(
            "UPDATE keys SET revision = revision \
             WHERE project_id = $1 AND region = $2 AND id = $3 AND revision = $4",
        )
        .bind(grant.project.as_str())
        .bind(grant.region.as_str())
        .bind(grant.key.as_str())
        .bind(key_revision)
        .execute(conn)
        .await
        .map(|done| done.rows_affected())
    })?;
    one_or_conflict(held)?;
    let (count,): (i64,) = on!(tx, conn => {
        sqlx::query_as(COUNT)
            .bind(grant.project.as_str())
            .bind(grant.region.as_str())
            .bind(grant.key.as_str())
            .fetch_one(conn)
            .await
    })?;
    if count >= quota {
        return Err(StoreError::GrantQuotaReached);
    }
    on!(tx, conn => {
        sqlx::query(
            "INSERT INTO grants (project_id, region, key_id, id, name, grantee_type, grantee, \
             grantee_authority, operations, retirer, retirer_authority, issuer, \
             issuer_authority, created_at, constraints, seal) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(grant.project.as_str())
        .bind(grant.region.as_str())
        .bind(grant.key.as_str())
        .bind(grant.id.as_str())
        .bind(name_of(grant))
        .bind(grant.grantee.kind())
        .bind(grant.grantee.id())
        .bind(grant.grantee.authority())
        .bind(operations_of(grant))
        .bind(grant.retirer.as_ref().map(|user| user.id.as_str()))
        .bind(grant.retirer.as_ref().map(|user| user.authority.as_str()))
        .bind(grant.issuer.id.as_str())
        .bind(grant.issuer.authority.as_str())
        .bind(grant.created_at.millis())
        .bind(constraints_of(grant))
        .bind(seal)
        .execute(conn)
        .await
        .map(|_| ())
    })?;
    Ok(())
}

/// Ends a grant.
pub(super) async fn delete(tx: &mut Tx<'_>, grant: &Grant) -> Result<()> {
    let ended = on!(tx, conn => {
        sqlx::query(
            "DELETE FROM grants \
             WHERE project_id = $1 AND region = $2 AND key_id = $3 AND id = $4",
        )
        .bind(grant.project.as_str())
        .bind(grant.region.as_str())
        .bind(grant.key.as_str())
        .bind(grant.id.as_str())
        .execute(conn)
        .await
        .map(|done| done.rows_affected())
    })?;
    one_or_conflict(ended)
}
