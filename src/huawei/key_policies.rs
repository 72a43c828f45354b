//! Policies of capsules, as Huawei spells them (contract, section 4.12).
//!
//! The document of a policy is a JSON object: in requests as a string that holds it, in answers as
//! it is. The list spells two of its members in another way than everything else.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use validator::Validate;

use super::access_points::{Page, PageInfo};
use super::wire::without_nul;
use super::wire::{self, decode};
use crate::dialect::{Reply, Request};
use crate::json::Object;
use crate::kms::Context;
use crate::limits::ACCESS_POINTS_PER_POLICY;
use crate::model::error::{Error, Result};
use crate::model::ids::{AccessPointId, KeyspaceId, KeyspaceName, PolicyId};
use crate::model::keyspace::{KeyPolicy, Rules};
use crate::model::time::Timestamp;
use crate::operations::key_policies::{self, NewKeyPolicy};

/// The one version of documents.
const VERSION: &str = "1.0";

#[derive(Deserialize, Validate)]
struct CreateKeyPolicy {
    keyspace_id: KeyspaceId,
    policy_name: KeyspaceName,
    policy: String,
    #[validate(length(max = 255, message = "must be at most 255 characters"))]
    #[validate(custom(function = "without_nul"))]
    description: Option<String>,
}

#[derive(Deserialize, Validate)]
struct UpdateKeyPolicy {
    policy: String,
    #[validate(length(max = 255, message = "must be at most 255 characters"))]
    #[validate(custom(function = "without_nul"))]
    description: Option<String>,
}

/// A document as clients write it. What the list answers can be sent back as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenDocument {
    version: String,
    #[serde(alias = "validityPeriod")]
    validity_period: Option<GivenPeriod>,
    #[serde(alias = "allowedAccessPoint", default)]
    allowed_access_point: Vec<AccessPointId>,
    #[serde(default)]
    allowed_data_security_zone: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenPeriod {
    start_time: Option<String>,
    end_time: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    validity_period: Option<Period>,
    allowed_access_point: Vec<&'a str>,
    allowed_data_security_zone: [&'static str; 0],
}

/// The same as the list spells it.
#[derive(Serialize)]
struct ListedDocument<'a> {
    version: &'static str,
    #[serde(rename = "validityPeriod", skip_serializing_if = "Option::is_none")]
    validity_period: Option<Period>,
    #[serde(rename = "allowedAccessPoint")]
    allowed_access_point: Vec<&'a str>,
    allowed_data_security_zone: [&'static str; 0],
}

#[derive(Serialize)]
struct Period {
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
}

#[derive(Serialize)]
struct NewPolicyId<'a> {
    policy_id: &'a str,
}

#[derive(Serialize)]
struct Details<'a, D> {
    policy_id: &'a str,
    policy_name: &'a str,
    keyspace_id: &'a str,
    policy: D,
    description: &'a str,
    created_by: &'a str,
    create_time: String,
    last_modify_time: String,
    last_access_time: String,
}

#[derive(Serialize)]
struct Updated<'a> {
    policy_id: &'a str,
    policy: Document<'a>,
    description: &'a str,
    last_modify_time: String,
}

#[derive(Serialize)]
struct KeyPolicies<'a> {
    page_info: PageInfo<'a>,
    keyspace_policies: Vec<Details<'a, ListedDocument<'a>>>,
}

/// `POST …/kms/key-policies`
pub async fn create(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: CreateKeyPolicy = decode(request)?;
    let made = key_policies::create(
        cx,
        NewKeyPolicy {
            keyspace: asked.keyspace_id,
            name: asked.policy_name,
            rules: rules_of(&asked.policy, "policy")?,
            description: asked.description.unwrap_or_default(),
        },
    )
    .await?;
    Reply::json(
        201,
        &NewPolicyId {
            policy_id: made.id.as_str(),
        },
    )
}

/// `GET …/kms/key-policies`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let page = Page::read(request, PolicyId::parse)?;
    let (policies, more) =
        key_policies::list(cx, &page.keyspace, page.behind.as_ref(), page.limit).await?;
    let last = policies.last().map_or("", |policy| policy.id.as_str());
    Reply::json(
        200,
        &KeyPolicies {
            page_info: PageInfo::new(last, more, policies.len()),
            keyspace_policies: policies
                .iter()
                .map(|policy| {
                    let Document {
                        version,
                        validity_period,
                        allowed_access_point,
                        allowed_data_security_zone,
                    } = document(&policy.rules);
                    details(
                        policy,
                        ListedDocument {
                            version,
                            validity_period,
                            allowed_access_point,
                            allowed_data_security_zone,
                        },
                    )
                })
                .collect(),
        },
    )
}

/// `GET …/kms/key-policies/{policy_id}`
pub async fn show(cx: &mut Context, request: &Request) -> Result<Reply> {
    let policy = key_policies::show(cx, &id_of(request)?).await?;
    Reply::json(200, &details(&policy, document(&policy.rules)))
}

/// `PUT …/kms/key-policies/{policy_id}`
pub async fn update(cx: &mut Context, request: &Request) -> Result<Reply> {
    let id = id_of(request)?;
    let asked: UpdateKeyPolicy = decode(request)?;
    let rules = rules_of(&asked.policy, "policy")?;
    let policy = key_policies::update(cx, &id, rules, asked.description).await?;
    Reply::json(
        200,
        &Updated {
            policy_id: policy.id.as_str(),
            policy: document(&policy.rules),
            description: &policy.description,
            last_modify_time: policy.modified_at.iso_seconds(),
        },
    )
}

/// `DELETE …/kms/key-policies/{policy_id}`
pub async fn delete(cx: &mut Context, request: &Request) -> Result<Reply> {
    key_policies::delete(cx, &id_of(request)?).await?;
    Ok(Reply::empty(204))
}

fn id_of(request: &Request) -> Result<PolicyId> {
    wire::path_param(request, "policy_id", PolicyId::parse)
}

fn details<D>(policy: &KeyPolicy, document: D) -> Details<'_, D> {
    Details {
        policy_id: policy.id.as_str(),
        policy_name: policy.name.as_str(),
        keyspace_id: policy.keyspace.as_str(),
        policy: document,
        description: &policy.description,
        created_by: policy.created_by.as_str(),
        create_time: policy.created_at.iso_seconds(),
        last_modify_time: policy.modified_at.iso_seconds(),
        last_access_time: policy
            .accessed_at
            .map_or_else(String::new, Timestamp::iso_seconds),
    }
}

fn document(rules: &Rules) -> Document<'_> {
    let is_bounded = rules.valid_from.is_some() || rules.valid_until.is_some();
    Document {
        version: VERSION,
        validity_period: is_bounded.then(|| Period {
            start_time: rules.valid_from.map(Timestamp::iso_seconds),
            end_time: rules.valid_until.map(Timestamp::iso_seconds),
        }),
        allowed_access_point: rules
            .access_points
            .iter()
            .map(AccessPointId::as_str)
            .collect(),
        allowed_data_security_zone: [],
    }
}

/// Reads the document in the member of this name. A member that is not known could be a limit that
/// nobody would keep, so it is refused.
pub(super) fn rules_of(text: &str, member: &str) -> Result<Rules> {
    let members = Object::parse(text.as_bytes())
        .map_err(|why| Error::invalid(member, format!("must hold a JSON object: {why}")))?;
    let given: GivenDocument = wire::from_members(members.0).map_err(|error| match error {
        Error::Missing(name) => Error::Missing(format!("{member}.{name}")),
        Error::Invalid { member: path, why } if path == "." => Error::invalid(member, why),
        Error::Invalid { member: path, why } => Error::invalid(format!("{member}.{path}"), why),
        other => other,
    })?;
    let invalid = |path: &str, why: &str| Error::invalid(format!("{member}.{path}"), why);
    if given.version != VERSION {
        return Err(invalid("version", "must be 1.0"));
    }
    if !given.allowed_data_security_zone.is_empty() {
        return Err(invalid(
            "allowed_data_security_zone",
            "must be empty, for there are no data security zones here",
        ));
    }
    let ids: BTreeSet<&AccessPointId> = given.allowed_access_point.iter().collect();
    if ids.len() < given.allowed_access_point.len() {
        return Err(invalid(
            "allowed_access_point",
            "names an access point twice",
        ));
    }
    if ids.len() > ACCESS_POINTS_PER_POLICY {
        return Err(invalid(
            "allowed_access_point",
            &format!("names more than {ACCESS_POINTS_PER_POLICY} access points"),
        ));
    }
    let time = |text: Option<String>, name: &str| {
        text.map(|text| {
            wire::seconds(&text).ok_or_else(|| {
                invalid(
                    &format!("validity_period.{name}"),
                    "must be a time such as 2026-01-02T03:04:05Z",
                )
            })
        })
        .transpose()
    };
    let (from, until) = match given.validity_period {
        None => (None, None),
        Some(period) => (
            time(period.start_time, "start_time")?,
            time(period.end_time, "end_time")?,
        ),
    };
    if let (Some(from), Some(until)) = (from, until)
        && until <= from
    {
        return Err(invalid(
            "validity_period.end_time",
            "must be later than start_time",
        ));
    }
    Ok(Rules {
        valid_from: from,
        valid_until: until,
        access_points: given.allowed_access_point,
    })
}
