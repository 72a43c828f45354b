//! Policies of keys, as AWS spells them (contract, section 7).

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::naming::{KeyName, root_arn};
use super::wire::{answer, decode, nothing};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::identity::Project;
use crate::operations::resource_policies::{self, NewPolicy};

/// The one policy that a key has.
const DEFAULT: &str = "default";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetKeyPolicy {
    key_id: KeyName,
    policy_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutKeyPolicy {
    key_id: KeyName,
    policy_name: Option<String>,
    policy: String,
    bypass_policy_lockout_safety_check: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListKeyPolicies {
    key_id: KeyName,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    policy: String,
    policy_name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyNames {
    policy_names: [&'static str; 1],
    truncated: bool,
}

/// What a key that was given no policy says: its account's roles decide.
pub fn default_policy(owner: &Project) -> String {
    json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": { "AWS": root_arn(&owner.account) },
            "Action": "kms:*",
            "Resource": "*",
        }],
    })
    .to_string()
}

/// `GetKeyPolicy`
pub async fn get(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: GetKeyPolicy = decode(request, "GetKeyPolicy")?;
    let key = asked.key_id.id(cx)?;
    let (key, document) = resource_policies::show(cx, &key).await?;
    if asked.policy_name.is_some_and(|name| name != DEFAULT) {
        return Err(Error::NoSuchPolicy);
    }
    let policy = match document {
        Some(document) => document,
        None => default_policy(cx.owner_of(&key)?),
    };
    answer(&Shown {
        policy,
        policy_name: DEFAULT,
    })
}

/// `PutKeyPolicy`
pub async fn put(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: PutKeyPolicy = decode(request, "PutKeyPolicy")?;
    match asked.policy_name.as_deref() {
        None | Some(DEFAULT) => {}
        Some("AWS_RAM") => {
            return Err(Error::Constraint(
                "The AWS_RAM policy can only be managed by the RAM service".into(),
            ));
        }
        Some(_) => return Err(Error::NoSuchPolicy),
    }
    let policy = NewPolicy {
        document: asked.policy,
        may_lock_out: asked.bypass_policy_lockout_safety_check.unwrap_or(false),
    };
    let key = asked.key_id.id(cx)?;
    resource_policies::put(cx, &key, policy).await?;
    Ok(nothing())
}

/// `ListKeyPolicies`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ListKeyPolicies = decode(request, "ListKeyPolicies")?;
    let key = asked.key_id.id(cx)?;
    resource_policies::show(cx, &key).await?;
    // The one page has no marker behind it.
    if asked.marker.is_some() {
        return Err(Error::InvalidMarker);
    }
    answer(&PolicyNames {
        policy_names: [DEFAULT],
        truncated: false,
    })
}
