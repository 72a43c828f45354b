//! Grants, as Huawei spells them (contract, section 4.6).

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use validator::Validate;

use super::wire::{KeyIdText, NumberText, Sequence, decode, millis, page, page_end};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits::GRANTS_PER_KEY;
use crate::model::error::{Error, Result};
use crate::model::grant::{Grant, GrantOperation};
use crate::model::ids::{DomainId, GrantId, GrantName, UserId};
use crate::operations::grants::{self, Listed, NewGrant, NewGrantee};

#[derive(Deserialize, Validate)]
struct CreateGrant {
    key_id: KeyIdText,
    grantee_principal: Principal,
    operations: Vec<Operation>,
    name: Option<GrantName>,
    retiring_principal: Option<Principal>,
    grantee_principal_type: Option<PrincipalType>,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct ListGrants {
    key_id: KeyIdText,
    limit: Option<NumberText>,
    marker: Option<NumberText>,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct ListRetirableGrants {
    limit: Option<NumberText>,
    marker: Option<NumberText>,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct OneGrant {
    key_id: KeyIdText,
    grant_id: GrantId,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase", expecting = "user or domain")]
enum PrincipalType {
    User,
    Domain,
}

/// The id of a user or a domain.
#[derive(Clone)]
struct Principal(String);

impl<'de> Deserialize<'de> for Principal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if plain && (1..=64).contains(&text.len()) {
            Ok(Self(text))
        } else {
            Err(D::Error::custom("must be 1 to 64 letters or digits"))
        }
    }
}

impl Principal {
    fn user(self, member: &str) -> Result<UserId> {
        UserId::parse(self.0).map_err(|form| Error::invalid(member, form.to_string()))
    }

    fn domain(self, member: &str) -> Result<DomainId> {
        DomainId::parse(self.0).map_err(|form| Error::invalid(member, form.to_string()))
    }
}

struct Operation(GrantOperation);

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        OFFERED
            .into_iter()
            .find(|operation| token(*operation) == text)
            .map(Self)
            .ok_or_else(|| {
                let tokens = OFFERED.map(token);
                D::Error::custom(format!("must be one of {}", tokens.join(", ")))
            })
    }
}

/// The operations that Huawei's calls can grant (contract, section 4.6).
const OFFERED: [GrantOperation; 9] = [
    GrantOperation::GenerateDataKey,
    GrantOperation::GenerateDataKeyWithoutPlaintext,
    GrantOperation::EncryptDataKey,
    GrantOperation::DecryptDataKey,
    GrantOperation::DescribeKey,
    GrantOperation::CreateGrant,
    GrantOperation::RetireGrant,
    GrantOperation::Encrypt,
    GrantOperation::Decrypt,
];

/// What Huawei calls an operation; those that it cannot grant, in its manner.
const fn token(operation: GrantOperation) -> &'static str {
    match operation {
        GrantOperation::GenerateDataKey => "create-datakey",
        GrantOperation::GenerateDataKeyWithoutPlaintext => "create-datakey-without-plaintext",
        GrantOperation::EncryptDataKey => "encrypt-datakey",
        GrantOperation::DecryptDataKey => "decrypt-datakey",
        GrantOperation::DescribeKey => "describe-key",
        GrantOperation::CreateGrant => "create-grant",
        GrantOperation::RetireGrant => "retire-grant",
        GrantOperation::Encrypt => "encrypt-data",
        GrantOperation::Decrypt => "decrypt-data",
        GrantOperation::Sign => "sign",
        GrantOperation::Verify => "verify",
        GrantOperation::GetPublicKey => "get-publickey",
        GrantOperation::GenerateDataKeyPair => "create-datakey-pair",
        GrantOperation::GenerateDataKeyPairWithoutPlaintext => {
            "create-datakey-pair-without-plaintext"
        }
        GrantOperation::GenerateMac => "generate-mac",
        GrantOperation::VerifyMac => "verify-mac",
        GrantOperation::DeriveSharedSecret => "derive-shared-secret",
        GrantOperation::Encapsulate => "encapsulate",
        GrantOperation::Decapsulate => "decapsulate",
        GrantOperation::ReEncryptFrom => "re-encrypt-from",
        GrantOperation::ReEncryptTo => "re-encrypt-to",
    }
}

#[derive(Serialize)]
struct Made {
    grant_id: String,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct GrantList {
    grants: Vec<Details>,
    next_marker: String,
    truncated: &'static str,
    total: u64,
}

#[derive(Serialize)]
struct Details {
    key_id: String,
    grant_id: String,
    grantee_principal: String,
    grantee_principal_type: &'static str,
    operations: Vec<&'static str>,
    issuing_principal: String,
    creation_date: String,
    name: String,
    retiring_principal: String,
}

/// `POST …/kms/create-grant`
pub async fn create(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: CreateGrant = decode(request)?;
    let grantee = asked.grantee_principal;
    let new = NewGrant {
        name: asked.name,
        grantee: match asked.grantee_principal_type {
            None | Some(PrincipalType::User) => {
                NewGrantee::User(grantee.user("grantee_principal")?)
            }
            Some(PrincipalType::Domain) => NewGrantee::Domain(grantee.domain("grantee_principal")?),
        },
        operations: asked.operations.into_iter().map(|it| it.0).collect(),
        retirer: asked
            .retiring_principal
            .map(|retirer| retirer.user("retiring_principal"))
            .transpose()?,
        constraints: None,
        once: false,
        most: GRANTS_PER_KEY,
    };
    let (_, grant) = grants::create(cx, &asked.key_id.0, new).await?;
    let made = Made {
        grant_id: grant.id.to_string(),
    };
    Reply::json(200, &made)
}

/// `POST …/kms/list-grants`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ListGrants = decode(request)?;
    let (offset, limit) = page(asked.limit.as_ref(), asked.marker.as_ref())?;
    let listed = grants::list(cx, &asked.key_id.0, offset, limit).await?;
    Reply::json(200, &shown(offset, &listed))
}

/// `POST …/kms/list-retirable-grants`
pub async fn list_retirable(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ListRetirableGrants = decode(request)?;
    let (offset, limit) = page(asked.limit.as_ref(), asked.marker.as_ref())?;
    let listed = grants::list_retirable(cx, offset, limit).await?;
    Reply::json(200, &shown(offset, &listed))
}

/// `POST …/kms/revoke-grant`
pub async fn revoke(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: OneGrant = decode(request)?;
    grants::revoke(cx, &asked.key_id.0, &asked.grant_id).await?;
    Reply::json(200, &Nothing {})
}

/// `POST …/kms/retire-grant`
pub async fn retire(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: OneGrant = decode(request)?;
    grants::retire(cx, &asked.key_id.0, &asked.grant_id).await?;
    Reply::json(200, &Nothing {})
}

fn shown(offset: u64, listed: &Listed) -> GrantList {
    let (next_marker, truncated) = page_end(offset, listed.grants.len(), listed.total);
    GrantList {
        grants: listed.grants.iter().map(details).collect(),
        next_marker,
        truncated,
        total: listed.total,
    }
}

fn details(grant: &Grant) -> Details {
    let text = |id: Option<String>| id.unwrap_or_default();
    Details {
        key_id: grant.key.to_string(),
        grant_id: grant.id.to_string(),
        grantee_principal: grant.grantee.id().to_owned(),
        grantee_principal_type: grant.grantee.kind(),
        operations: grant.operations.iter().map(|it| token(*it)).collect(),
        issuing_principal: grant.issuer.id.to_string(),
        creation_date: millis(grant.created_at),
        name: text(grant.name.as_ref().map(ToString::to_string)),
        retiring_principal: text(grant.retirer.as_ref().map(|user| user.id.to_string())),
    }
}
