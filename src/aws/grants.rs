//! Grants, as AWS spells them (contract, section 8).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::naming::{KeyName, key_arn, principal, root_arn, user_arn};
use super::paging::{self, Turn};
use super::wire::{Seconds, answer, decode, members, nothing, page_size, unless_dry};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits::AWS_GRANTS_PER_KEY;
use crate::model::error::{Error, Result};
use crate::model::grant::{Constraints, Grant, GrantOperation, Grantee, Pairs};
use crate::model::identity::Project;
use crate::model::ids::{GrantId, GrantName, UserId};
use crate::model::key::{Key, KeyRef};
use crate::model::spec::{Family, KeyUsage};
use crate::operations::grants::{self, Filter, NewGrant, NewGrantee};
use crate::operations::pages::Position;
use crate::operations::principals;

/// How many grants a page has when nobody says, and at most (contract, section 10).
const PAGE: (u32, u32) = (50, 100);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateGrant {
    key_id: KeyName,
    grantee_principal: Option<String>,
    retiring_principal: Option<String>,
    operations: Vec<String>,
    constraints: Option<GrantConstraints>,
    name: Option<String>,
    dry_run: Option<bool>,
    grantee_service_principal: Option<String>,
    retiring_service_principal: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct GrantConstraints {
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_subset: Option<Pairs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_equals: Option<Pairs>,
    #[serde(skip_serializing)]
    source_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListGrants {
    key_id: KeyName,
    limit: Option<u32>,
    marker: Option<String>,
    grant_id: Option<String>,
    grantee_principal: Option<String>,
    grantee_service_principal: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRetirableGrants {
    limit: Option<u32>,
    marker: Option<String>,
    retiring_principal: Option<String>,
    retiring_service_principal: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RetireGrant {
    grant_token: Option<String>,
    key_id: Option<KeyName>,
    grant_id: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RevokeGrant {
    key_id: KeyName,
    grant_id: String,
    dry_run: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Made {
    grant_token: String,
    grant_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GrantList {
    grants: Vec<GrantListEntry>,
    #[serde(flatten)]
    turn: Turn,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GrantListEntry {
    key_id: String,
    grant_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    creation_date: Seconds,
    grantee_principal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retiring_principal: Option<String>,
    issuing_account: String,
    operations: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    constraints: Option<GrantConstraints>,
}

/// What AWS calls an operation: it knows no data keys that are wrapped alone.
const fn name_of(operation: GrantOperation) -> &'static str {
    match operation {
        GrantOperation::EncryptDataKey => "Encrypt",
        GrantOperation::DecryptDataKey => "Decrypt",
        other => other.name(),
    }
}

/// Holds the grant tokens of a request, of whichever operation, against their form. A grant works
/// at once, so they change nothing; but what is no token is refused.
///
/// # Errors
/// [`Error::BadGrantToken`], and what the request's form may be refused for.
pub fn check_tokens(cx: &Context, request: &Request, operation: &str) -> Result<()> {
    // Most requests have none, and are not read twice.
    let named = b"\"GrantTokens\"";
    if !request.body.windows(named.len()).any(|part| part == named) {
        return Ok(());
    }
    let members = members(request)?;
    super::shapes::check(operation, &members)?;
    let Some(Value::Array(tokens)) = members.get("GrantTokens") else {
        return Ok(());
    };
    for token in tokens.iter().filter_map(Value::as_str) {
        grants::of_token(cx, token)?;
    }
    Ok(())
}

fn no_services(member: Option<&String>) -> Result<()> {
    match member {
        None => Ok(()),
        Some(_) => Err(Error::Constraint(
            "there are no service principals here: name a user or an account".into(),
        )),
    }
}

async fn anybody(cx: &Context, arn: &str) -> Result<NewGrantee> {
    let (account, name) = principal(arn)?;
    principals::find(cx, &account, name.as_deref())
        .await?
        .ok_or_else(|| Error::BadArn(format!("there is no principal {arn}")))
}

async fn user(cx: &Context, member: &str, arn: &str) -> Result<UserId> {
    match anybody(cx, arn).await? {
        NewGrantee::User(user) => Ok(user),
        NewGrantee::Domain(_) => Err(Error::Constraint(format!("{member} must be a user"))),
    }
}

fn constraints(asked: GrantConstraints) -> Result<Option<Constraints>> {
    if asked.source_arn.is_some() {
        return Err(Error::Constraint(
            "SourceArn is for service principals, and there are none here".into(),
        ));
    }
    let constraints = Constraints {
        equals: asked.encryption_context_equals,
        subset: asked.encryption_context_subset,
    };
    for pairs in [&constraints.equals, &constraints.subset]
        .into_iter()
        .flatten()
    {
        if pairs.len() > 8 || pairs.values().any(|value| value.chars().count() > 384) {
            return Err(Error::Constraint(
                "Constraints hold at most 8 pairs, with values of at most 384 characters".into(),
            ));
        }
    }
    Ok((constraints != Constraints::default()).then_some(constraints))
}

/// Whether a key can do what is granted.
fn fits(key: &Key, operation: GrantOperation) -> bool {
    use GrantOperation::*;
    let symmetric = key.spec.family() == Family::Symmetric;
    match operation {
        CreateGrant | RetireGrant | DescribeKey => true,
        Encrypt | Decrypt | ReEncryptFrom | ReEncryptTo => key.usage == KeyUsage::EncryptDecrypt,
        EncryptDataKey
        | DecryptDataKey
        | GenerateDataKey
        | GenerateDataKeyWithoutPlaintext
        | GenerateDataKeyPair
        | GenerateDataKeyPairWithoutPlaintext => symmetric && key.usage == KeyUsage::EncryptDecrypt,
        Sign | Verify => key.usage == KeyUsage::SignVerify,
        GetPublicKey => key.spec.family() == Family::Asymmetric,
        GenerateMac | VerifyMac => key.usage == KeyUsage::GenerateVerifyMac,
        DeriveSharedSecret => key.usage == KeyUsage::KeyAgreement,
        Encapsulate | Decapsulate => key.usage == KeyUsage::EncapsulateDecapsulate,
    }
}

/// `CreateGrant`
pub async fn create(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: CreateGrant = decode(request, "CreateGrant")?;
    no_services(asked.grantee_service_principal.as_ref())?;
    no_services(asked.retiring_service_principal.as_ref())?;
    let grantee = asked
        .grantee_principal
        .ok_or_else(|| Error::Missing("GranteePrincipal".into()))?;
    let operations = asked
        .operations
        .iter()
        .map(|name| {
            GrantOperation::parse(name)
                .ok_or_else(|| Error::Constraint(format!("{name} cannot be granted here")))
        })
        .collect::<Result<Vec<_>>>()?;
    let constraints = match asked.constraints {
        Some(asked) => constraints(asked)?,
        None => None,
    };
    let name = asked
        .name
        .map(|name| {
            GrantName::parse(name).map_err(|form| Error::Constraint(format!("Name {form}")))
        })
        .transpose()?;
    let key = asked.key_id.id(cx)?;
    let new = NewGrant {
        name,
        grantee: anybody(cx, &grantee).await?,
        operations: operations.clone(),
        constraints,
        retirer: match asked.retiring_principal {
            Some(arn) => Some(user(cx, "RetiringPrincipal", &arn).await?),
            None => None,
        },
        once: true,
        most: AWS_GRANTS_PER_KEY,
    };
    let (key, grant) = grants::create(cx, &key, new).await?;
    if let Some(unfit) = operations.iter().find(|operation| !fits(&key, **operation)) {
        return Err(Error::Constraint(format!(
            "{} is not an operation of a key of this spec and usage",
            unfit.name()
        )));
    }
    unless_dry(asked.dry_run, || {
        answer(&Made {
            grant_token: grants::token(cx, &grant),
            grant_id: grant.id.to_string(),
        })
    })
}

/// `ListGrants`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ListGrants = decode(request, "ListGrants")?;
    no_services(asked.grantee_service_principal.as_ref())?;
    let limit = page_size(asked.limit, PAGE)?;
    let key = asked.key_id.id(cx)?;
    let filter = Filter {
        id: asked.grant_id.map(grant_id).transpose()?,
        grantee: match asked.grantee_principal {
            Some(arn) => Some(anybody(cx, &arn).await?),
            None => None,
        },
    };
    let list = format!("ListGrants {key}");
    let after = paging::after(cx, &list, asked.marker.as_deref()).await?;
    let more = limit.saturating_add(1);
    let (key, mut found) = grants::list_after(cx, &key, filter, after.as_ref(), more).await?;
    let turn = paging::turn(cx, &list, &mut found, limit, position).await?;
    let project = cx.owner_of(&key)?.clone();
    let mut grants = Vec::with_capacity(found.len());
    for grant in &found {
        grants.push(entry(cx, grant, &project).await?);
    }
    answer(&GrantList { grants, turn })
}

/// `ListRetirableGrants`
pub async fn list_retirable(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ListRetirableGrants = decode(request, "ListRetirableGrants")?;
    no_services(asked.retiring_service_principal.as_ref())?;
    let limit = page_size(asked.limit, PAGE)?;
    let retirer = asked
        .retiring_principal
        .ok_or_else(|| Error::Missing("RetiringPrincipal".into()))?;
    let list = format!("ListRetirableGrants {retirer}");
    let retirer = user(cx, "RetiringPrincipal", &retirer).await?;
    let after = paging::after(cx, &list, asked.marker.as_deref()).await?;
    let more = limit.saturating_add(1);
    let mut found = grants::list_retirable_after(cx, retirer, after.as_ref(), more).await?;
    let turn = paging::turn(cx, &list, &mut found, limit, |(grant, _)| position(grant)).await?;
    let mut grants = Vec::with_capacity(found.len());
    for (grant, project) in &found {
        grants.push(entry(cx, grant, project).await?);
    }
    answer(&GrantList { grants, turn })
}

/// `RetireGrant`
pub async fn retire(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: RetireGrant = decode(request, "RetireGrant")?;
    let (key, grant) = match (asked.grant_token, asked.key_id, asked.grant_id) {
        (Some(token), None, None) => {
            let (key, grant) = grants::of_token(cx, &token)?;
            (KeyRef::Id(key), grant)
        }
        (None, Some(key), Some(grant)) => (key.id(cx)?, grant_id(grant)?),
        _ => {
            return Err(Error::Constraint(
                "a grant is named by its GrantToken, or by its KeyId and GrantId".into(),
            ));
        }
    };
    grants::retire(cx, &key, &grant).await?;
    unless_dry(asked.dry_run, || Ok(nothing()))
}

/// `RevokeGrant`
pub async fn revoke(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: RevokeGrant = decode(request, "RevokeGrant")?;
    let key = asked.key_id.id(cx)?;
    grants::revoke(cx, &key, &grant_id(asked.grant_id)?).await?;
    unless_dry(asked.dry_run, || Ok(nothing()))
}

fn grant_id(text: String) -> Result<GrantId> {
    GrantId::parse(text).map_err(|_| Error::BadGrantId)
}

fn position(grant: &Grant) -> Position {
    Position {
        at: grant.created_at,
        id: grant.id.to_string(),
    }
}

async fn entry(cx: &Context, grant: &Grant, project: &Project) -> Result<GrantListEntry> {
    let grantee_principal = match &grant.grantee {
        Grantee::User(user) => {
            let (account, name) = principals::of_user(cx, &user.id, project).await?;
            user_arn(&account, &name)
        }
        Grantee::Domain(domain) => root_arn(&principals::of_domain(cx, &domain.id, project).await?),
    };
    let retiring_principal = match &grant.retirer {
        Some(user) => {
            let (account, name) = principals::of_user(cx, &user.id, project).await?;
            Some(user_arn(&account, &name))
        }
        None => None,
    };
    let mut operations: Vec<&str> = grant.operations.iter().map(|it| name_of(*it)).collect();
    operations.dedup();
    Ok(GrantListEntry {
        key_id: key_arn(&grant.region, project, &grant.key),
        grant_id: grant.id.to_string(),
        name: grant.name.as_ref().map(ToString::to_string),
        creation_date: Seconds(grant.created_at),
        grantee_principal,
        retiring_principal,
        issuing_account: root_arn(&project.account),
        operations,
        constraints: grant.constraints.clone().map(|them| GrantConstraints {
            encryption_context_subset: them.subset,
            encryption_context_equals: them.equals,
            source_arn: None,
        }),
    })
}
