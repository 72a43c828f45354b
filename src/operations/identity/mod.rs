//! Who is asking: credentials checked, tokens issued and ended, and whom there is to manage.
//!
//! A checked credential is a [`Caller`]; beside this family only upkeep makes one.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::password;
use crate::crypto::sealed;
use crate::crypto::secret::Secret;
use crate::crypto::signing_key::{self, Derivation};
use crate::kms::{CheckedAccessKey, Context, Kms};
use crate::model::access::role_allows;
use crate::model::caller::{Caller, Credential, Scope};
use crate::model::error::{Error, Result};
use crate::model::identity::{Domain, Project, Role, User};
use crate::model::ids::{AccessKeyId, DisplayName, DomainId, ProjectId, UserId};

pub mod manage;
mod outside;
pub mod tokens;

/// A domain, by what a caller knows of it.
#[derive(Clone, Debug)]
pub enum DomainRef {
    /// Its id.
    Id(DomainId),
    /// Its name.
    Name(DisplayName),
}

/// A user, by what they know of themselves.
#[derive(Clone, Debug)]
pub enum UserRef {
    /// Their id.
    Id(UserId),
    /// Their name, in a domain.
    Name(DisplayName, DomainRef),
}

/// What a token shall be good for.
#[derive(Clone, Debug)]
pub enum ScopeRef {
    /// The project with this id.
    ProjectId(ProjectId),
    /// The project with this name, in a domain or else in the user's own.
    ProjectName(DisplayName, Option<DomainRef>),
    /// A domain.
    Domain(DomainRef),
    /// The user's own domain.
    OwnDomain,
}

/// How somebody wants to get a token.
pub enum Login {
    /// With a password.
    Password(UserRef, Secret),
    /// With a token that they have.
    Token(String),
    /// With an access key and its secret.
    AccessKey(String, Secret),
}

/// What is told of every access key that is unknown, disabled, ended or has another secret: which
/// of them it was would help whoever guesses (I-8).
const BAD_ACCESS_KEY: &str = "the access key or the signature is not valid";

/// Checks what somebody logs in with, and gives who they are in the scope that they ask for.
///
/// # Errors
/// [`Error::BadPassword`], [`Error::BadSignature`], the refusals of tokens, and
/// [`Error::NoSuchScope`].
pub async fn log_in(kms: &Arc<Kms>, login: Login, scope: Option<ScopeRef>) -> Result<Caller> {
    match login {
        Login::Password(user, password) => {
            let user = check_password(kms, &user, password).await?;
            let scope = scope.unwrap_or(ScopeRef::OwnDomain);
            local_caller(kms, user, Credential::Password, &scope).await
        }
        Login::Token(token) => {
            let parent = tokens::check(kms, &token).await?;
            rescope(kms, &parent.caller, scope).await
        }
        Login::AccessKey(id, secret) => {
            let refused = || Error::BadSignature(BAD_ACCESS_KEY.into());
            let id = AccessKeyId::parse(id).map_err(|_| refused())?;
            let checked = find_access_key(kms, &id).await?.ok_or_else(refused)?;
            if !checked.secret.eq_ct(&secret) {
                return Err(refused());
            }
            rescope(kms, &checked.caller, scope).await
        }
    }
}

/// Checks a request's signature and gives who made it.
///
/// # Errors
/// [`Error::BadSignature`], in the same words and after the same work whether the access key is
/// unknown or the signature is wrong (I-8). To whoever has the secret of a temporary access key:
/// [`Error::InvalidToken`] without its session token, or when a lasting one comes with any;
/// [`Error::ExpiredToken`] when it has ended.
pub async fn check_signature(
    kms: &Arc<Kms>,
    access_key: &str,
    derivation: &Derivation,
    string_to_sign: &[u8],
    signature: &str,
    session_token: Option<&str>,
) -> Result<Caller> {
    let refused = || Error::BadSignature(BAD_ACCESS_KEY.into());
    let checked = match AccessKeyId::parse(access_key) {
        Ok(id) => known_access_key(kms, &id).await?,
        Err(_) => None,
    };
    let nobody = Secret::from_slice(&[0; 40]);
    let secret = checked.as_ref().map_or(&nobody, |key| &key.secret);
    let signed = signing_key::verify(secret, derivation, string_to_sign, signature);
    match checked {
        Some(checked) if signed => {
            check_session(kms, &checked.caller, access_key, session_token).await?;
            Ok(checked.caller.clone())
        }
        _ => Err(refused()),
    }
}

/// A temporary access key goes with its session token, and only as long as it lasts.
async fn check_session(
    kms: &Kms,
    caller: &Caller,
    access_key: &str,
    session_token: Option<&str>,
) -> Result<()> {
    let (end, token) = match (caller.expires_at, session_token) {
        (None, None) => return Ok(()),
        (None, Some(_)) => {
            return Err(Error::InvalidToken("the access key is not a temporary one"));
        }
        (Some(_), None) => {
            return Err(Error::InvalidToken(
                "a temporary access key needs its session token",
            ));
        }
        (Some(end), Some(token)) => (end, token),
    };
    let not_its = Error::InvalidToken("it is not the session token of the access key");
    let Some(project) = caller.project() else {
        return Err(not_its);
    };
    let key = kms.project_key(&project.id).await?;
    let place = kms.place_of_session_token(&project.id, access_key);
    let says = URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|token| sealed::open(key.wrap(), &place, &token).ok());
    match says {
        Some(says) if says.expose() == end.millis().to_be_bytes() => {}
        _ => return Err(not_its),
    }
    if end <= kms.now() {
        return Err(Error::ExpiredToken(end));
    }
    Ok(())
}

/// The projects in which the caller could work: those in which a local user has a role, or the one
/// that an outside credential is for.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn projects(cx: &mut Context) -> Result<Vec<Project>> {
    cx.permit()?;
    if let Some(project) = confined_to(cx.caller()) {
        return Ok(vec![project.clone()]);
    }
    if matches!(cx.caller().credential, Credential::Outside(_)) {
        // Their own authority knows of others.
        return Ok(Vec::new());
    }
    let user = cx.caller().user.clone();
    let rows = cx.kms().store().projects_of(&user).await?;
    rows.into_iter()
        .map(|row| Ok(row.open(cx.kms().key().row())?))
        .collect()
}

/// The domains that the caller belongs to: one.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn domains(cx: &mut Context) -> Result<Vec<(DomainId, DisplayName)>> {
    cx.permit()?;
    let caller = cx.caller();
    Ok(vec![(caller.domain.clone(), caller.domain_name.clone())])
}

/// Agrees to tell where the services are; where that is, only the dialect knows.
///
/// # Errors
/// None but those of every call.
pub async fn catalog(cx: &mut Context) -> Result<()> {
    cx.permit()
}

/// The one project that a credential reaches, when it cannot be moved to another (I-7).
fn confined_to(caller: &Caller) -> Option<&Project> {
    match caller.credential {
        Credential::Outside(_) => caller.project(),
        _ if caller.access_key.is_some() => caller.project(),
        _ => None,
    }
}

async fn check_password(kms: &Arc<Kms>, user: &UserRef, given: Secret) -> Result<User> {
    let found = find_user(kms, user).await?;
    let hash = found.as_ref().map_or_else(
        || password::dummy_hash().to_owned(),
        |user| user.password_hash.clone(),
    );
    let fits = kms
        .credentials()
        .hashing(move || password::verify(given.expose(), &hash))
        .await?;
    match found {
        Some(user) if fits && user.enabled => Ok(user),
        _ => Err(Error::BadPassword),
    }
}

async fn find_user(kms: &Kms, user: &UserRef) -> Result<Option<User>> {
    let row = match user {
        UserRef::Id(id) => kms.store().find_user(id).await?,
        UserRef::Name(name, domain) => match find_domain(kms, domain).await? {
            Some(domain) => kms.store().find_user_named(&domain.id, name).await?,
            None => None,
        },
    };
    Ok(row.map(|row| row.open(kms.key().row())).transpose()?)
}

async fn find_domain(kms: &Kms, domain: &DomainRef) -> Result<Option<Domain>> {
    let row = match domain {
        DomainRef::Id(id) => kms.store().find_domain(id).await?,
        DomainRef::Name(name) => kms.store().find_domain_named(name).await?,
    };
    Ok(row.map(|row| row.open(kms.key().row())).transpose()?)
}

/// A user that kmsd itself vouches for, in a scope in which they have a role.
async fn local_caller(
    kms: &Kms,
    user: User,
    credential: Credential,
    scope: &ScopeRef,
) -> Result<Caller> {
    let own = find_domain(kms, &DomainRef::Id(user.domain.clone()))
        .await?
        .filter(|domain| domain.authority.is_empty())
        .ok_or(Error::BadPassword)?;
    let project = match scope {
        ScopeRef::OwnDomain => None,
        ScopeRef::Domain(domain) => {
            let asked = find_domain(kms, domain).await?;
            if asked.is_none_or(|asked| asked.id != own.id) {
                return Err(Error::NoSuchScope);
            }
            None
        }
        ScopeRef::ProjectId(id) => Some(kms.store().find_project(id).await?),
        ScopeRef::ProjectName(name, domain) => {
            let domain = match domain {
                None => own.id.clone(),
                Some(domain) => {
                    find_domain(kms, domain)
                        .await?
                        .ok_or(Error::NoSuchScope)?
                        .id
                }
            };
            Some(kms.store().find_project_named(&domain, name).await?)
        }
    };
    let (scope, roles) = match project {
        None => (Scope::Domain, Vec::new()),
        Some(row) => {
            let project = row
                .ok_or(Error::NoSuchScope)?
                .open(kms.key().row())
                .map_err(Error::from)?;
            let roles = roles_in(kms, &user.id, &project).await?;
            if roles.is_empty() {
                return Err(Error::NoSuchScope);
            }
            let domain = find_domain(kms, &DomainRef::Id(project.domain.clone()))
                .await?
                .filter(|domain| domain.authority.is_empty())
                .ok_or(Error::NoSuchScope)?;
            (
                Scope::Project(Box::new(project), Box::new(domain.name)),
                roles,
            )
        }
    };
    Ok(Caller {
        credential,
        user: user.id,
        user_name: user.name,
        domain: own.id,
        domain_name: own.name,
        scope,
        roles,
        access_key: None,
        issued_at: kms.now(),
        expires_at: None,
        address: None,
        over_tls: false,
    })
}

/// Another project in which the caller may do what they ask for, beside the one of their
/// credential: a project of the same domain in which a role of theirs reaches it. An access key and
/// an outside token stay in their project (threat model I-7). `None` for every other project,
/// whether or not it exists (I-19).
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn project_within_reach(cx: &Context, id: &ProjectId) -> Result<Option<Project>> {
    let own = cx.project()?;
    if own.id == *id {
        return Ok(Some(own.clone()));
    }
    let caller = cx.caller();
    if caller.access_key.is_some() || matches!(caller.credential, Credential::Outside(_)) {
        return Ok(None);
    }
    let kms = cx.kms();
    let Some(row) = kms.store().find_project(id).await? else {
        return Ok(None);
    };
    let project = row.open(kms.key().row())?;
    if project.domain != own.domain {
        return Ok(None);
    }
    let roles = roles_in(kms, &caller.user, &project).await?;
    let reached = roles.iter().any(|role| role_allows(*role, cx.action()));
    Ok(reached.then_some(project))
}

async fn roles_in(kms: &Kms, user: &UserId, project: &Project) -> Result<Vec<Role>> {
    let mut roles = Vec::new();
    for row in kms.store().roles_of(user).await? {
        let assignment = row.open(kms.key().row())?;
        if assignment.project == project.id {
            roles.push(assignment.role);
        }
    }
    Ok(roles)
}

/// The holder of a credential in another scope, with no more than the credential itself gives:
/// an access key and an outside token stay in their project, and nothing outlives its parent (I-7).
async fn rescope(kms: &Kms, parent: &Caller, scope: Option<ScopeRef>) -> Result<Caller> {
    let scope = match (scope, parent.project()) {
        (Some(scope), _) => scope,
        (None, Some(project)) if confined_to(parent).is_some() => {
            ScopeRef::ProjectId(project.id.clone())
        }
        (None, _) => ScopeRef::OwnDomain,
    };
    let mut caller = match &parent.credential {
        // What an outside authority said of its user is all there is to know of them.
        Credential::Outside(_) => parent.clone(),
        credential => {
            let user = find_user(kms, &UserRef::Id(parent.user.clone()))
                .await?
                .filter(|user| user.enabled)
                .ok_or(Error::InvalidToken("its user is gone"))?;
            local_caller(kms, user, credential.clone(), &scope).await?
        }
    };
    if let Some(only) = confined_to(parent) {
        let stays = match (&scope, caller.project()) {
            (ScopeRef::ProjectId(id), Some(project)) => *id == only.id && project.id == only.id,
            (ScopeRef::ProjectName(name, _), Some(project)) => {
                *name == only.name && project.id == only.id
            }
            _ => false,
        };
        if !stays {
            return Err(Error::NoSuchScope);
        }
    }
    caller.access_key = parent.access_key.clone();
    caller.expires_at = parent.expires_at;
    Ok(caller)
}

/// An access key that may be used now, with its secret and its owner.
async fn find_access_key(
    kms: &Arc<Kms>,
    id: &AccessKeyId,
) -> Result<Option<Arc<CheckedAccessKey>>> {
    let known = known_access_key(kms, id).await?;
    Ok(known.filter(|key| key.caller.expires_at.is_none_or(|end| end > kms.now())))
}

/// The same, whether or not it has ended.
async fn known_access_key(
    kms: &Arc<Kms>,
    id: &AccessKeyId,
) -> Result<Option<Arc<CheckedAccessKey>>> {
    let checked = kms
        .credentials()
        .access_key(id, kms.env(), open_access_key(kms, id))
        .await;
    match checked {
        Ok(key) => Ok(Some(key)),
        Err(Error::BadSignature(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

async fn open_access_key(kms: &Kms, id: &AccessKeyId) -> Result<CheckedAccessKey> {
    let checked_at = kms.env().monotonic();
    let refused = || Error::BadSignature(BAD_ACCESS_KEY.into());
    let row = kms.store().find_access_key(id).await?.ok_or_else(refused)?;
    let key = row.open(kms.key().row())?;
    let user = find_user(kms, &UserRef::Id(key.user.clone()))
        .await?
        .filter(|user| user.enabled && key.enabled)
        .ok_or_else(refused)?;
    let sealing = kms.project_key(&key.project).await?;
    let place = kms.place_of_access_key(&key.project, key.id.as_str());
    let secret = sealed::open(sealing.wrap(), &place, &key.sealed_secret)
        .map_err(|_| Error::Internal(format!("the secret of access key {id} does not open")))?;
    let scope = ScopeRef::ProjectId(key.project.clone());
    let credential = Credential::AccessKey(key.id.to_string());
    let mut caller =
        local_caller(kms, user, credential, &scope)
            .await
            .map_err(|error| match error {
                Error::NoSuchScope | Error::BadPassword => refused(),
                other => other,
            })?;
    caller.access_key = Some(key.id);
    caller.expires_at = key.expires_at;
    caller.issued_at = key.created_at;
    Ok(CheckedAccessKey {
        secret,
        caller,
        checked_at,
    })
}
