//! Tokens and what their holders may look up, as the clients of IAM and Keystone expect it
//! (contract, section 8.1).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use validator::Validate;

use super::wire::{decode, query_param};
use crate::crypto::secret::Secret;
use crate::dialect::{Call, Reply, Request, serve};
use crate::kms::{Context, Kms};
use crate::model::action::Action;
use crate::model::caller::{Caller, Scope};
use crate::model::error::{Error, Result};
use crate::model::identity::Project;
use crate::model::ids::{DisplayName, DomainId, ProjectId, UserId};
use crate::operations::identity::{self, DomainRef, Login, ScopeRef, UserRef, tokens};

#[derive(Deserialize, Validate)]
struct TokenRequest {
    #[validate(nested)]
    auth: Auth,
}

#[derive(Deserialize, Validate)]
struct Auth {
    #[validate(nested)]
    identity: Identity,
    scope: Option<ScopeText>,
}

#[derive(Deserialize, Validate)]
struct Identity {
    #[validate(length(min = 1, max = 4, message = "must name one method"))]
    methods: Vec<String>,
    password: Option<PasswordMethod>,
    token: Option<TokenMethod>,
    hw_ak_sk: Option<AccessKeyMethod>,
}

#[derive(Deserialize)]
struct PasswordMethod {
    user: UserText,
}

#[derive(Deserialize)]
struct UserText {
    id: Option<UserId>,
    name: Option<DisplayName>,
    password: PlainText,
    domain: Option<DomainText>,
}

#[derive(Deserialize)]
struct TokenMethod {
    id: String,
}

#[derive(Deserialize)]
struct AccessKeyMethod {
    access: KeyText,
    secret: SecretText,
}

#[derive(Deserialize)]
struct KeyText {
    key: String,
}

#[derive(Deserialize)]
struct SecretText {
    key: PlainText,
}

#[derive(Deserialize)]
struct DomainText {
    id: Option<DomainId>,
    name: Option<DisplayName>,
}

#[derive(Deserialize)]
struct ScopeText {
    project: Option<ProjectText>,
    domain: Option<DomainText>,
}

#[derive(Deserialize)]
struct ProjectText {
    id: Option<String>,
    name: Option<DisplayName>,
    domain: Option<DomainText>,
}

/// A secret that somebody typed.
struct PlainText(Secret);

impl<'de> Deserialize<'de> for PlainText {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Secret::new(text.into_bytes())))
    }
}

/// `POST /v3/auth/tokens`
pub async fn log_in(kms: &Arc<Kms>, request: &Request) -> Result<Reply> {
    let asked: TokenRequest = decode(request)?;
    let (login, claimed) = login_of(asked.auth.identity)?;
    let scope = asked.auth.scope.map(scope_of).transpose()?.flatten();
    let admitted = kms.throttle().admit(request.address, claimed.as_deref());
    let caller = match admitted {
        Ok(()) => identity::log_in(kms, login, scope).await,
        Err(throttled) => Err(throttled),
    };
    let call = Call {
        action: Action::IssueToken,
        region: kms.config().home_region().clone(),
        caller,
        claimed,
    };
    serve(kms, request, call, async |cx| {
        let issued = tokens::issue(cx).await?;
        let body = token_body(kms, request, &issued.caller, &issued.methods);
        Ok(Reply::json(201, &body)?
            .with("X-Subject-Token", issued.token)
            .with("Vary", "X-Auth-Token".to_owned()))
    })
    .await
}

/// `GET` and `HEAD /v3/auth/tokens`
pub async fn show(cx: &mut Context, request: &Request) -> Result<Reply> {
    let subject = subject_token(request)?;
    let shown = tokens::show(cx, subject).await?;
    let body = token_body(cx.kms(), request, &shown.caller, &shown.methods);
    Ok(Reply::json(200, &body)?.with("X-Subject-Token", subject.to_owned()))
}

/// `DELETE /v3/auth/tokens`
pub async fn revoke(cx: &mut Context, request: &Request) -> Result<Reply> {
    tokens::revoke(cx, subject_token(request)?).await?;
    Ok(Reply::empty(204))
}

/// `GET /v3/projects` and `GET /v3/auth/projects`
pub async fn projects(cx: &mut Context, request: &Request) -> Result<Reply> {
    let name = query_param(request, "name")?;
    let projects: Vec<Value> = identity::projects(cx)
        .await?
        .iter()
        .filter(|project| {
            name.as_deref()
                .is_none_or(|name| name == project.name.as_str())
        })
        .map(|project| project_body(request, project))
        .collect();
    Reply::json(
        200,
        &json!({ "projects": projects, "links": link(request, &request.path) }),
    )
}

/// `GET /v3/auth/domains`
pub async fn domains(cx: &mut Context, request: &Request) -> Result<Reply> {
    let domains: Vec<Value> = identity::domains(cx)
        .await?
        .into_iter()
        .map(|(id, name)| {
            json!({
                "id": id,
                "name": name,
                "enabled": true,
                "description": "",
                "links": link(request, &format!("/v3/domains/{id}")),
            })
        })
        .collect();
    Reply::json(
        200,
        &json!({ "domains": domains, "links": link(request, &request.path) }),
    )
}

/// `GET /v3/auth/catalog`
pub async fn catalog(cx: &mut Context, request: &Request) -> Result<Reply> {
    identity::catalog(cx).await?;
    Reply::json(200, &json!({ "catalog": services(cx.kms(), request) }))
}

/// `GET /v3/auth/jwks.json`: the public halves of the keys that sign tokens (RFC 7517).
pub async fn token_keys(kms: &Kms) -> Result<Reply> {
    let keys = tokens::keys(kms).await?;
    let keys: Vec<Value> = keys
        .verifying
        .iter()
        .map(|(id, key)| {
            json!({
                "kty": "EC",
                "crv": "P-256",
                "alg": "ES256",
                "use": "sig",
                "kid": id,
                "x": URL_SAFE_NO_PAD.encode(key.point.0),
                "y": URL_SAFE_NO_PAD.encode(key.point.1),
            })
        })
        .collect();
    Reply::json(200, &json!({ "keys": keys }))
}

fn login_of(asked: Identity) -> Result<(Login, Option<String>)> {
    let missing = |member: &str| Error::Missing(format!("auth.identity.{member}"));
    match asked.methods.as_slice() {
        [method] => match method.as_str() {
            "password" => {
                let user = asked.password.ok_or_else(|| missing("password"))?.user;
                let claimed = user
                    .name
                    .as_ref()
                    .map(ToString::to_string)
                    .or_else(|| user.id.as_ref().map(ToString::to_string));
                let who = match (user.id, user.name, user.domain) {
                    (Some(id), _, _) => UserRef::Id(id),
                    (None, Some(name), Some(domain)) => UserRef::Name(
                        name,
                        domain_of(domain).ok_or_else(|| missing("password.user.domain.name"))?,
                    ),
                    (None, Some(_), None) => return Err(missing("password.user.domain")),
                    (None, None, _) => return Err(missing("password.user.name")),
                };
                Ok((Login::Password(who, user.password.0), claimed))
            }
            "token" => {
                let token = asked.token.ok_or_else(|| missing("token"))?;
                Ok((Login::Token(token.id), None))
            }
            "hw_ak_sk" => {
                let key = asked.hw_ak_sk.ok_or_else(|| missing("hw_ak_sk"))?;
                let claimed = Some(key.access.key.clone());
                Ok((Login::AccessKey(key.access.key, key.secret.key.0), claimed))
            }
            _ => Err(Error::invalid(
                "auth.identity.methods",
                "must name password, token or hw_ak_sk",
            )),
        },
        _ => Err(Error::invalid(
            "auth.identity.methods",
            "must name one method; several factors are not supported",
        )),
    }
}

fn domain_of(domain: DomainText) -> Option<DomainRef> {
    match (domain.id, domain.name) {
        (Some(id), _) => Some(DomainRef::Id(id)),
        (None, Some(name)) => Some(DomainRef::Name(name)),
        (None, None) => None,
    }
}

fn scope_of(scope: ScopeText) -> Result<Option<ScopeRef>> {
    if let Some(project) = scope.project {
        return match (project.id, project.name) {
            // An id that cannot be one is nobody's project.
            (Some(id), _) => ProjectId::parse(id)
                .map(|id| Some(ScopeRef::ProjectId(id)))
                .map_err(|_| Error::invalid("auth.scope.project.id", ProjectId::FORM)),
            (None, Some(name)) => Ok(Some(ScopeRef::ProjectName(
                name,
                project.domain.and_then(domain_of),
            ))),
            (None, None) => Err(Error::Missing("auth.scope.project.name".into())),
        };
    }
    match scope.domain {
        None => Ok(None),
        Some(domain) => domain_of(domain)
            .map(|domain| Some(ScopeRef::Domain(domain)))
            .ok_or_else(|| Error::Missing("auth.scope.domain.name".into())),
    }
}

fn subject_token(request: &Request) -> Result<&str> {
    request
        .header("x-subject-token")?
        .filter(|token| !token.is_empty())
        .ok_or_else(|| Error::Missing("header X-Subject-Token".into()))
}

fn token_body(kms: &Kms, request: &Request, caller: &Caller, methods: &[String]) -> Value {
    let mut token = json!({
        "methods": methods,
        "issued_at": caller.issued_at.iso_micros(),
        "expires_at": caller.expires_at.unwrap_or_default().iso_micros(),
        "user": {
            "id": caller.user,
            "name": caller.user_name,
            "domain": { "id": caller.domain, "name": caller.domain_name },
            "password_expires_at": "",
        },
        "roles": caller
            .roles
            .iter()
            .map(|role| json!({ "id": role.name(), "name": role.name() }))
            .collect::<Vec<_>>(),
    });
    match &caller.scope {
        Scope::Project(project, domain_name) => {
            token["project"] = json!({
                "id": project.id,
                "name": project.name,
                "domain": { "id": project.domain, "name": domain_name },
            });
        }
        Scope::Domain => {
            token["domain"] = json!({ "id": caller.domain, "name": caller.domain_name });
        }
    }
    // `?nocatalog`, with any value or none.
    let without = request
        .query
        .split('&')
        .any(|pair| pair.split('=').next() == Some("nocatalog"));
    if !without {
        token["catalog"] = json!(services(kms, request));
    }
    json!({ "token": token })
}

/// Where the services are, as the client that asks reaches them.
fn services(kms: &Kms, request: &Request) -> Vec<Value> {
    let region = kms.config().home_region();
    let service = |kind: &str, path: &str| {
        json!({
            "id": format!("kmsd-{kind}"),
            "name": kind,
            "type": kind,
            "endpoints": [{
                "id": format!("kmsd-{kind}-public"),
                "interface": "public",
                "region": region,
                "region_id": region,
                "url": format!("{}{path}", request.base_url),
            }],
        })
    };
    vec![service("kms", "/v1.0"), service("identity", "/v3")]
}

fn project_body(request: &Request, project: &Project) -> Value {
    json!({
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain,
        "is_domain": false,
        "parent_id": project.domain,
        "enabled": true,
        "description": "",
        "links": link(request, &format!("/v3/projects/{}", project.id)),
    })
}

fn link(request: &Request, path: &str) -> Value {
    json!({ "self": format!("{}{path}", request.base_url) })
}
