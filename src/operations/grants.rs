//! Grants: made, read, taken back and given up. What they allow, `Context::key` asks.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::sealed;
use crate::kms::{Context, policies};
use crate::model::error::{Error, Result};
pub use crate::model::grant::NewGrantee;
use crate::model::grant::{Constraints, Grant, GrantOperation, Grantee, Need, Pairs, Vouched};
use crate::model::identity::Project;
use crate::model::ids::{DomainId, GrantId, GrantName, KeyId, UserId};
use crate::model::key::{Key, KeyRef};
use crate::model::policy::Fact;
use crate::model::spec::{Family, KeyUsage};
use crate::model::time::Timestamp;
use crate::operations::pages::Position;
use crate::store::Sealed;
use crate::store::grants::Page;

/// What a new grant shall be.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// What it is called.
    pub name: Option<GrantName>,
    /// To whom the key is opened.
    pub grantee: NewGrantee,
    /// What for; in any order, as often as one likes.
    pub operations: Vec<GrantOperation>,
    /// Under which encryption contexts; `None` for any.
    pub constraints: Option<Constraints>,
    /// Who else may retire it.
    pub retirer: Option<UserId>,
    /// Whether a named grant that is the same already is given instead.
    pub once: bool,
    /// How many grants the key may have.
    pub most: u64,
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
pub async fn create(cx: &mut Context, key: &KeyRef, new: NewGrant) -> Result<(Key, Grant)> {
    let mut operations = new.operations.clone();
    operations.sort_unstable();
    operations.dedup();
    match operations.as_slice() {
        [] => return Err(Error::invalid("operations", "must hold at least one")),
        [GrantOperation::CreateGrant] => return Err(Error::GrantsNothing),
        _ => {}
    }
    tell(cx, &new, &operations);
    let mut key = cx.key(key).await?;
    let is_for_pairs =
        key.spec.family() == Family::Symmetric && key.usage == KeyUsage::EncryptDecrypt;
    if new.constraints.is_some() && !is_for_pairs {
        return Err(Error::invalid(
            "constraints",
            "are for symmetric encryption keys only",
        ));
    }
    if let Some(held) = cx.grants() {
        let may_pass_on = |operation: &GrantOperation| {
            held.iter().any(|grant| {
                grant.grantee.is(cx.caller())
                    && grant.lists(GrantOperation::CreateGrant)
                    && grant.lists(*operation)
                    && is_as_strict(new.constraints.as_ref(), grant.constraints.as_ref())
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
        constraints: new.constraints,
        retirer,
        issuer: Vouched::of(cx.caller()),
        created_at: cx.now(),
    };
    if let Some(name) = grant.name.as_ref().filter(|_| new.once) {
        let sealing = cx.kms().project_key(&key.project).await?;
        for row in cx.kms().store().grants_named(&key, name).await? {
            let there = row.open(sealing.row())?;
            if is_same(&there, &grant) {
                note(cx, &there);
                return Ok((key, there));
            }
        }
        // Of two that ask at once, the slower finds the grant of the other.
        cx.save(&mut key).await?;
    }
    note(cx, &grant);
    cx.insert_grant(&key, grant.clone(), new.most).await?;
    Ok((key, grant))
}

/// Says what the call grants. The encryption context that policies ask about is the one that the
/// grant is bound to.
fn tell(cx: &mut Context, new: &NewGrant, operations: &[GrantOperation]) {
    let asked = cx.asked();
    asked.grantee = Some(new.grantee.clone());
    asked.retirer.clone_from(&new.retirer);
    let names = operations.iter().map(|one| policies::granted_name(*one));
    asked.tell_all(Fact::GrantOperations, names.map(Into::into));
    let bound = new.constraints.clone().unwrap_or_default();
    let kinds = [
        bound.equals.as_ref().map(|_| "EncryptionContextEquals"),
        bound.subset.as_ref().map(|_| "EncryptionContextSubset"),
    ];
    asked.tell_all(
        Fact::GrantConstraintType,
        kinds.into_iter().flatten().map(Into::into),
    );
    asked.pairs = bound.equals.or(bound.subset).unwrap_or_default();
}

/// Whether a grant that is passed on opens its key only where the grant does by which it is.
fn is_as_strict(new: Option<&Constraints>, held: Option<&Constraints>) -> bool {
    match (new, held) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(new), Some(held)) => new.imply(held),
    }
}

/// Whether two grants were asked for in the same words.
fn is_same(one: &Grant, other: &Grant) -> bool {
    one.grantee == other.grantee
        && one.operations == other.operations
        && one.constraints == other.constraints
        && one.retirer == other.retirer
}

/// Which of a key's grants are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The one of this id.
    pub id: Option<GrantId>,
    /// Those to this grantee.
    pub grantee: Option<NewGrantee>,
}

/// Reads a key's grants behind a position, the oldest first.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn list_after(
    cx: &mut Context,
    key: &KeyRef,
    filter: Filter,
    after: Option<&Position>,
    limit: u32,
) -> Result<(Key, Vec<Grant>)> {
    let key = cx.key(key).await?;
    let grantee = match filter.grantee {
        None => None,
        Some(NewGrantee::User(user)) => Some(Grantee::User(vouched_user(cx, user).await?)),
        Some(NewGrantee::Domain(domain)) => {
            Some(Grantee::Domain(vouched_domain(cx, domain).await?))
        }
    };
    let rows = cx
        .kms()
        .store()
        .list_grants_after(
            &key,
            (filter.id.as_ref(), grantee.as_ref()),
            place_of(after),
            i64::from(limit),
        )
        .await?;
    let grants = open_all(cx, rows).await?;
    Ok((key, grants))
}

/// Reads the grants that name a user of the caller's domain as who may retire them, whoever owns
/// their keys, behind a position, the oldest first; each with the project that owns its key.
///
/// # Errors
/// [`Error::Forbidden`], also for users of other domains.
pub async fn list_retirable_after(
    cx: &mut Context,
    retirer: UserId,
    after: Option<&Position>,
    limit: u32,
) -> Result<Vec<(Grant, Project)>> {
    cx.permit()?;
    let own = cx.project()?.domain.clone();
    let known = cx.kms().store().find_user(&retirer).await?;
    let is_own = match known {
        Some(row) => row.open(cx.kms().key().row())?.domain == own,
        None => retirer == cx.caller().user,
    };
    if !is_own {
        return Err(Error::Forbidden(cx.action()));
    }
    let retirer = vouched_user(cx, retirer).await?;
    let rows = cx
        .kms()
        .store()
        .list_retirable_grants_after(
            &retirer,
            cx.region(),
            cx.kms().deadline_now(),
            place_of(after),
            i64::from(limit),
        )
        .await?;
    let mut found = Vec::with_capacity(rows.len());
    for grant in open_all(cx, rows).await? {
        let row = cx.kms().store().find_project(&grant.project).await?;
        let missing = || Error::Internal(format!("grant {} has no project", grant.id));
        let project = row.ok_or_else(missing)?.open(cx.kms().key().row())?;
        found.push((grant, project));
    }
    Ok(found)
}

fn place_of(after: Option<&Position>) -> (Timestamp, &str) {
    after.map_or((Timestamp::from_millis(i64::MIN), ""), |last| {
        (last.at, last.id.as_str())
    })
}

/// A token that stands for a grant: whoever shows it says that they know of the grant. It opens
/// nothing that the grant does not; nothing of it is stored.
pub fn token(cx: &Context, grant: &Grant) -> String {
    let plain = format!("{} {} {}", grant.region, grant.key, grant.id);
    let place = cx.kms().place_of_grant_token();
    let key = cx.kms().key().wrap();
    let sealed = sealed::seal(key, &place, plain.as_bytes(), cx.env().entropy());
    URL_SAFE_NO_PAD.encode(sealed)
}

/// The key and the grant that a token stands for.
///
/// # Errors
/// [`Error::BadGrantToken`] for what [`token`] did not make, or made in another region.
pub fn of_token(cx: &Context, token: &str) -> Result<(KeyId, GrantId)> {
    let bad = || Error::BadGrantToken;
    let sealed = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
    let place = cx.kms().place_of_grant_token();
    let plain = sealed::open(cx.kms().key().wrap(), &place, &sealed).map_err(|_| bad())?;
    let text = std::str::from_utf8(plain.expose()).map_err(|_| bad())?;
    let mut words = text.split(' ');
    let mut word = || words.next().ok_or_else(bad);
    let (region, key, grant) = (word()?, word()?, word()?);
    if region != cx.region().as_str() {
        return Err(bad());
    }
    Ok((
        KeyId::parse(key).map_err(|_| bad())?,
        GrantId::parse(grant).map_err(|_| bad())?,
    ))
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
    let need = Need {
        action: cx.action(),
        part: None,
        pairs: &Pairs::new(),
    };
    if cx.grants().is_some() && !grant.opens(cx.caller(), need) {
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

async fn open_all(cx: &Context, rows: Vec<Sealed<Grant>>) -> Result<Vec<Grant>> {
    let mut grants = Vec::with_capacity(rows.len());
    for row in rows {
        // Retirable grants are of many projects.
        let sealing = cx.kms().project_key(&row.peek().project).await?;
        grants.push(row.open(sealing.row())?);
    }
    Ok(grants)
}

async fn open(cx: &Context, page: Page) -> Result<Listed> {
    Ok(Listed {
        grants: open_all(cx, page.grants).await?,
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
