//! Who is asking.

use std::net::IpAddr;

use super::identity::{Project, Role};
use super::ids::{AccessKeyId, DisplayName, DomainId, UserId};
use super::time::Timestamp;

/// How somebody was authenticated. Audit records carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A token that kmsd issued; its id (`jti`).
    Token(String),
    /// A request signed with an access key; its id.
    AccessKey(String),
    /// A token of an outside issuer; the issuer's name.
    Outside(String),
    /// A password, exchanged for a token in this very call.
    Password,
    /// The operator, on the machine's own command line.
    Operator,
    /// kmsd itself, doing what time demands.
    Upkeep,
    /// Nobody: the credential was refused, or there was none.
    Refused,
}

impl Credential {
    /// The kind and the credential's public id, as audit records carry them.
    pub fn describe(&self) -> String {
        match self {
            Credential::Token(id) => format!("token:{id}"),
            Credential::AccessKey(id) => format!("access-key:{id}"),
            Credential::Outside(issuer) => format!("issuer:{issuer}"),
            Credential::Password => "password".into(),
            Credential::Operator => "operator".into(),
            Credential::Upkeep => "upkeep".into(),
            Credential::Refused => "refused".into(),
        }
    }
}

/// Somebody who was authenticated. Only the code that checks credentials builds one.
#[derive(Clone, Debug)]
pub struct Caller {
    /// How they were authenticated.
    pub credential: Credential,
    /// Who they are.
    pub user: UserId,
    /// Their name.
    pub user_name: DisplayName,
    /// The domain they belong to.
    pub domain: DomainId,
    /// That domain's name.
    pub domain_name: DisplayName,
    /// What their credential is good for.
    pub scope: Scope,
    /// What they may do there.
    pub roles: Vec<Role>,
    /// The access key through which the credential was had, if it was: it reaches no further and
    /// lives no longer than that (threat model I-7).
    pub access_key: Option<AccessKeyId>,
    /// When the credential was given.
    pub issued_at: Timestamp,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// Where the request came from; `None` for the command line and for kmsd itself.
    pub address: Option<IpAddr>,
    /// Whether the request came over TLS, as far as kmsd or a proxy that it knows can tell.
    pub over_tls: bool,
}

/// What a credential is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One project: the only scope in which keys may be touched.
    Project(Box<Project>, Box<DisplayName>),
    /// A whole domain: good for looking up projects.
    Domain,
}

impl Caller {
    /// Whether they administer what their credential is for.
    pub fn administers(&self) -> bool {
        self.roles.contains(&Role::TenantAdministrator)
    }

    /// Who vouches for them: empty for kmsd itself, else the name of an outside authority.
    pub fn authority(&self) -> &str {
        match &self.credential {
            Credential::Outside(authority) => authority,
            _ => "",
        }
    }

    /// The project their credential is for, if it is for one.
    pub fn project(&self) -> Option<&Project> {
        match &self.scope {
            Scope::Project(project, _) => Some(project),
            Scope::Domain => None,
        }
    }
}
