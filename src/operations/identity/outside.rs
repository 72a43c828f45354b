//! Users whom others vouch for: an issuer of JWTs, or a Keystone.
//!
//! An authority speaks for the domains that bear its name and for no others, so that none can
//! reach what belongs to another's users or to kmsd's own (threat model A4).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{DomainRef, find_domain, manage, tokens};
use crate::kms::{CheckedToken, Kms};
use crate::model::caller::{Caller, Credential, Scope};
use crate::model::error::{Error, Result};
use crate::model::identity::{Domain, Project, Role};
use crate::model::ids::{AccountId, DisplayName};
use crate::outside::{
    Issuer, Keystone, OutsideDomain, OutsideError, OutsideIdentity, OutsideScope, claimed_issuer,
};
use crate::store::StoreError;

/// Who is to be asked about a token.
#[derive(Clone, Copy)]
pub(super) enum Authority<'k> {
    Issuer(&'k Issuer),
    Keystone(&'k Keystone),
}

/// The name under which a Keystone's domains are registered.
const KEYSTONE: &str = "keystone";

const NOT_THEIRS: Error = Error::InvalidToken("its domain belongs to somebody else");

/// Who is to be asked about a token; `None` for kmsd itself. What the token claims chooses whom to
/// ask and nothing more.
pub(super) fn authority_of<'k>(kms: &'k Kms, token: &str) -> Option<Authority<'k>> {
    if kms.issuers().is_empty() && kms.keystone().is_none() {
        return None;
    }
    let claimed = claimed_issuer(token);
    let claims = |issuer: &str| claimed.as_deref() == Some(issuer);
    if claims(&tokens::issuer(kms)) {
        return None;
    }
    kms.issuers()
        .iter()
        .find(|known| claims(known.claims_issuer()))
        .map(Authority::Issuer)
        .or_else(|| kms.keystone().map(Authority::Keystone))
}

/// Asks an authority about a token.
pub(super) async fn check(
    kms: &Arc<Kms>,
    authority: Authority<'_>,
    token: &str,
) -> Result<CheckedToken> {
    let checked_at = kms.env().monotonic();
    let asked = match authority {
        Authority::Issuer(issuer) => issuer.check(token, kms.env()).await,
        Authority::Keystone(keystone) => keystone.check(token, kms.env()).await,
    };
    let identity = asked.map_err(|error| match error {
        OutsideError::Refused(why) => Error::InvalidToken(why),
        OutsideError::Expired(at) => Error::ExpiredToken(at),
        OutsideError::Unavailable(what) => Error::Unavailable(what),
    })?;
    let caller = admit(kms, authority, identity).await?;
    Ok(CheckedToken { caller, checked_at })
}

impl Authority<'_> {
    fn name(&self) -> &str {
        match self {
            Authority::Issuer(issuer) => issuer.name(),
            Authority::Keystone(_) => KEYSTONE,
        }
    }

    fn roles(&self) -> &BTreeMap<String, String> {
        match self {
            Authority::Issuer(issuer) => &issuer.settings().roles,
            Authority::Keystone(keystone) => &keystone.settings().roles,
        }
    }

    fn registers_projects(&self) -> bool {
        match self {
            Authority::Issuer(issuer) => issuer.settings().register_projects,
            Authority::Keystone(keystone) => keystone.settings().register_projects,
        }
    }
}

/// Turns what an authority said into a caller; registers domain and project when they are new and
/// the authority may bring new ones.
async fn admit(
    kms: &Arc<Kms>,
    authority: Authority<'_>,
    identity: OutsideIdentity,
) -> Result<Caller> {
    // Whoever could name a domain of another authority as their user's would speak for its users.
    let user_domain = DomainRef::Id(identity.user_domain.id.clone());
    if let Some(known) = find_domain(kms, &user_domain).await?
        && known.authority != authority.name()
    {
        return Err(NOT_THEIRS);
    }
    let scope = match &identity.scope {
        OutsideScope::Project { id, name, domain } => {
            let domain = domain_of(kms, authority, domain).await?;
            let project = match kms.store().find_project(id).await? {
                Some(row) => row.open(kms.key().row())?,
                None if authority.registers_projects() => {
                    let project = Project {
                        id: id.clone(),
                        domain: domain.id.clone(),
                        name: name.clone(),
                        account: AccountId::from_random(kms.env().random()),
                        created_at: kms.now(),
                    };
                    register_project(kms, authority, project).await?
                }
                None => return Err(Error::InvalidToken("its project is not registered here")),
            };
            if project.domain != domain.id {
                return Err(Error::InvalidToken("its project belongs to somebody else"));
            }
            Scope::Project(Box::new(project), Box::new(domain.name))
        }
        OutsideScope::Domain | OutsideScope::None => Scope::Domain,
    };
    let mut roles: Vec<Role> = identity
        .roles
        .iter()
        .filter_map(|theirs| authority.roles().get(theirs))
        .filter_map(|ours| Role::parse(ours).ok())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    Ok(Caller {
        credential: Credential::Outside(authority.name().to_owned()),
        user: identity.user_id,
        user_name: identity.user_name,
        domain: identity.user_domain.id,
        domain_name: identity.user_domain.name,
        scope,
        roles,
        access_key: None,
        issued_at: identity.issued_at,
        expires_at: Some(identity.expires_at),
        address: None,
        over_tls: false,
    })
}

/// The authority's domain, registered if it is new. One that is registered for somebody else is
/// nobody's to speak for.
async fn domain_of(
    kms: &Arc<Kms>,
    authority: Authority<'_>,
    said: &OutsideDomain,
) -> Result<Domain> {
    let by_id = DomainRef::Id(said.id.clone());
    let domain = match find_domain(kms, &by_id).await? {
        Some(domain) => domain,
        None if authority.registers_projects() => {
            let new = |name: DisplayName| Domain {
                id: said.id.clone(),
                name,
                authority: authority.name().to_owned(),
                created_at: kms.now(),
            };
            let told = format!("domain {} of {}", said.id, authority.name());
            let added = manage::commit_domain(kms, new(said.name.clone()), &told).await;
            match added {
                Ok(()) => {}
                // Another call was faster, or the name is taken here: then its id names it.
                Err(StoreError::AlreadyExists) => {
                    let id_as_name = DisplayName::parse(said.id.as_str())
                        .map_err(|_| Error::InvalidToken("its domain cannot be registered"))?;
                    match manage::commit_domain(kms, new(id_as_name), &told).await {
                        Ok(()) | Err(StoreError::AlreadyExists) => {}
                        Err(other) => return Err(other.into()),
                    }
                }
                Err(other) => return Err(other.into()),
            }
            find_domain(kms, &by_id)
                .await?
                .ok_or(Error::InvalidToken("its domain cannot be registered"))?
        }
        None => return Err(Error::InvalidToken("its domain is not registered here")),
    };
    if domain.authority == authority.name() {
        Ok(domain)
    } else {
        Err(NOT_THEIRS)
    }
}

async fn register_project(
    kms: &Arc<Kms>,
    authority: Authority<'_>,
    project: Project,
) -> Result<Project> {
    let told = format!("project {} of {}", project.id, authority.name());
    let id = project.id.clone();
    match manage::commit_project(kms, project, &told).await {
        Ok(()) | Err(StoreError::AlreadyExists) => {}
        Err(other) => return Err(other.into()),
    }
    // Another call may have been faster; and an account id may have been taken.
    let row = kms.store().find_project(&id).await?;
    Ok(row
        .ok_or(Error::InvalidToken("its project was removed here"))?
        .open(kms.key().row())?)
}
