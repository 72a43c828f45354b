//! Grants: made, read, taken back and given up. What they allow, `Context::key` asks.

use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::grant::{Grant, GrantOperation, Grantee, Vouched};
use crate::model::ids::{DomainId, GrantId, GrantName, UserId};
use crate::model::key::{Key, KeyRef};
use crate::store::grants::Page;

/// To whom a key shall be opened.
#[derive(Clone, Debug)]
pub enum NewGrantee {
    /// One user.
    User(UserId),
    /// All users of a domain.
    Domain(DomainId),
}

/// What a new grant shall be.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// What it is called.
    pub name: Option<GrantName>,
    /// To whom the key is opened.
    pub grantee: NewGrantee,
    /// What for; in any order, as often as one likes.
    pub operations: Vec<GrantOperation>,
    /// Who else may retire it.
    pub retirer: Option<UserId>,
}

/// A page of grants, opened.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The grants, the newest first.
    pub grants: Vec<Grant>,
    /// How many there are in all.
    pub total: u64,
}

/// Lets somebody use a key. Every call makes a grant of its own, also when it asks for what there
/// is already.
///
/// Whoever may do so by a role opens what they like. Whoever may do so by grants opens at most what
/// those grants open that let it be passed on.
///
/// # Errors
/// [`Error::Invalid`] when there are no operations, [`Error::GrantsNothing`] when they are for
/// granting only, [`Error::NotGranted`] when they are more than the caller may pass on,
/// [`Error::DefaultKey`], [`Error::WrongState`]; with the answer [`Error::GrantQuotaReached`].
pub async fn create(cx: &mut Context, key: &KeyRef, new: NewGrant) -> Result<Grant> {
    let mut operations = new.operations;
    operations.sort_unstable();
    operations.dedup();
    match operations.as_slice() {
        [] => return Err(Error::invalid("operations", "must hold at least one")),
        [GrantOperation::CreateGrant] => return Err(Error::GrantsNothing),
        _ => {}
    }
    let key = cx.key(key).await?;
    if let Some(held) = cx.grants() {
        let may_pass_on = |operation: &GrantOperation| {
            held.iter().any(|grant| {
                grant.grantee.is(cx.caller())
                    && grant.lists(GrantOperation::CreateGrant)
                    && grant.lists(*operation)
            })
        };
        if !operations.iter().all(may_pass_on) {
            return Err(Error::NotGranted(cx.action()));
        }
    }
    let grantee = match new.grantee {
        NewGrantee::User(user) => Grantee::User(vouched_user(cx, user).await?),
        NewGrantee::Domain(domain) => Grantee::Domain(vouched_domain(cx, domain).await?),
    };
    let retirer = match new.retirer {
        Some(user) => Some(vouched_user(cx, user).await?),
        None => None,
    };
    let grant = Grant {
        project: key.project.clone(),
        region: key.region.clone(),
        key: key.id.clone(),
        id: GrantId::from_random(cx.env().random()),
        name: new.name,
        grantee,
        operations,
        retirer,
        issuer: Vouched::of(cx.caller()),
        created_at: cx.now(),
    };
    note(cx, &grant);
    cx.insert_grant(&key, grant.clone()).await?;
    Ok(grant)
}

/// Reads a page of a key's grants, the newest first.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn list(cx: &mut Context, key: &KeyRef, offset: u64, limit: u32) -> Result<Listed> {
    let key = cx.key(key).await?;
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    let page = cx
        .kms()
        .store()
        .list_grants(&key, offset, i64::from(limit))
        .await?;
    open(cx, page).await
}

/// Reads a page of the grants that name the caller as who may retire them, whoever owns their keys,
/// the newest first.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn list_retirable(cx: &mut Context, offset: u64, limit: u32) -> Result<Listed> {
    cx.permit()?;
    cx.project()?;
    let page = cx
        .kms()
        .store()
        .list_retirable_grants(
            &Vouched::of(cx.caller()),
            cx.region(),
            cx.kms().deadline_now(),
            i64::try_from(offset).unwrap_or(i64::MAX),
            i64::from(limit),
        )
        .await?;
    open(cx, page).await
}

/// Takes a grant back, as whoever has the permission for it in the project that owns the key. What
/// was passed on by it stays.
///
/// # Errors
/// [`Error::GrantNotFound`], [`Error::GrantOfAnotherKey`].
pub async fn revoke(cx: &mut Context, key: &KeyRef, id: &GrantId) -> Result<()> {
    let key = cx.key(key).await?;
    let grant = find(cx, &key, id).await?;
    end(cx, grant);
    Ok(())
}

/// Gives a grant up, as whoever has the permission for it in the project that owns the key, made
/// it, is named for it, or was granted that.
///
/// # Errors
/// [`Error::GrantNotFound`], [`Error::GrantOfAnotherKey`], [`Error::NotGranted`].
pub async fn retire(cx: &mut Context, key: &KeyRef, id: &GrantId) -> Result<()> {
    let key = cx.key(key).await?;
    let grant = find(cx, &key, id).await?;
    // Another grant may have brought the caller here.
    if cx.grants().is_some() && !grant.opens(cx.caller(), cx.action()) {
        return Err(Error::NotGranted(cx.action()));
    }
    end(cx, grant);
    Ok(())
}

/// How many grants that key of the caller's project has that has most of them.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn most_used(cx: &Context) -> Result<u64> {
    let now = cx.kms().deadline_now();
    let store = cx.kms().store();
    let most = store
        .most_grants_of_a_key(&cx.project()?.id, cx.region(), now)
        .await?;
    Ok(u64::try_from(most).unwrap_or(0))
}

/// A grant on the key. Whoever is here by a grant learns only of those that name them (I-19).
async fn find(cx: &Context, key: &Key, id: &GrantId) -> Result<Grant> {
    let row = cx
        .kms()
        .store()
        .find_grant(&key.project, &key.region, id)
        .await?
        .ok_or(Error::GrantNotFound)?;
    let sealing = cx.kms().project_key(&key.project).await?;
    let grant = row.open(sealing.row())?;
    if cx.grants().is_some() && !grant.names(cx.caller()) {
        return Err(Error::GrantNotFound);
    }
    if grant.key != key.id {
        return Err(Error::GrantOfAnotherKey);
    }
    Ok(grant)
}

fn end(cx: &mut Context, grant: Grant) {
    note(cx, &grant);
    cx.write(crate::store::Write::DeleteGrant(Box::new(grant)));
}

/// Says in the record which grant it is, and for whom.
fn note(cx: &mut Context, grant: &Grant) {
    let names: Vec<_> = grant.operations.iter().map(|it| it.name()).collect();
    cx.note(format!(
        "grant {} to {} {}: {}",
        grant.id,
        grant.grantee.kind(),
        grant.grantee.id(),
        names.join(" ")
    ));
}

async fn open(cx: &Context, page: Page) -> Result<Listed> {
    let mut grants = Vec::with_capacity(page.grants.len());
    for row in page.grants {
        // Retirable grants are of many projects.
        let sealing = cx.kms().project_key(&row.peek().project).await?;
        grants.push(row.open(sealing.row())?);
    }
    Ok(Listed {
        grants,
        total: u64::try_from(page.total).unwrap_or(0),
    })
}

/// A user as whoever is meant by an id: kmsd's own, if it has one; else one of the authority that
/// vouches for the granter, whose users kmsd does not know before they come. An outside authority
/// can therefore not bring in somebody under an id that was granted to another's user.
async fn vouched_user(cx: &Context, id: UserId) -> Result<Vouched<UserId>> {
    let known = cx.kms().store().find_user(&id).await?;
    let authority = match known {
        Some(_) => String::new(),
        None => cx.caller().authority().to_owned(),
    };
    Ok(Vouched { id, authority })
}

/// A domain likewise: the authority under which it is registered; else the granter's.
async fn vouched_domain(cx: &Context, id: DomainId) -> Result<Vouched<DomainId>> {
    let known = cx.kms().store().find_domain(&id).await?;
    let authority = match known {
        Some(row) => row.open(cx.kms().key().row())?.authority,
        None => cx.caller().authority().to_owned(),
    };
    Ok(Vouched { id, authority })
}
