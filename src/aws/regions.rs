//! Multi-region keys, as AWS spells them (contract, section 11.10).
//!
//! Within one deployment a replica is made, and a primary changed, in one transaction: the states
//! Creating and Updating last as long as the call.

use serde::{Deserialize, Serialize};

use super::keys::{KeyMetadata, metadata_of_new_replica};
use super::naming::KeyName as NamedKey;
use super::policies::default_policy;
use super::tags::{Tag, given};
use super::wire::{answer, decode, nothing};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits::AWS_TAGS_PER_KEY;
use crate::model::error::{Error, Result};
use crate::model::ids::{KeyName, Region};
use crate::model::key::KeyRef;
use crate::operations::replicas::{self, Copy};
use crate::operations::resource_policies::NewPolicy;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReplicateKey {
    key_id: NamedKey,
    replica_region: String,
    policy: Option<String>,
    bypass_policy_lockout_safety_check: Option<bool>,
    description: Option<String>,
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdatePrimaryRegion {
    key_id: NamedKey,
    primary_region: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Replicated {
    replica_key_metadata: KeyMetadata,
    replica_policy: String,
    replica_tags: Vec<Tag>,
}

/// `ReplicateKey`
pub async fn replicate(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ReplicateKey = decode(request, "ReplicateKey")?;
    let reference = asked.key_id.id(cx)?;
    let KeyRef::Id(id) = &reference else {
        return Err(Error::NoKeyId(asked.key_id.0));
    };
    let tags = asked.tags.unwrap_or_default();
    let copy = Copy {
        region: region("replica_region", &asked.replica_region)?,
        project: cx.project()?.id.clone(),
        name: KeyName::of_unnamed(id),
        description: asked.description.unwrap_or_default(),
        tags: given(tags.clone())?,
        most_tags: AWS_TAGS_PER_KEY,
        policy: asked.policy.clone().map(|document| NewPolicy {
            document,
            may_lock_out: asked.bypass_policy_lockout_safety_check.unwrap_or(false),
        }),
        enterprise_project: "0".into(),
        any_key: false,
        imported: true,
    };
    let key = replicas::replicate(cx, &reference, copy).await?;
    let replica_policy = match asked.policy {
        Some(document) => document,
        None => default_policy(cx.project()?),
    };
    answer(&Replicated {
        replica_key_metadata: metadata_of_new_replica(cx, &key).await?,
        replica_policy,
        replica_tags: tags,
    })
}

/// `UpdatePrimaryRegion`
pub async fn update_primary(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: UpdatePrimaryRegion = decode(request, "UpdatePrimaryRegion")?;
    let region = region("primary_region", &asked.primary_region)?;
    replicas::update_primary(cx, &asked.key_id.id(cx)?, region).await?;
    Ok(nothing())
}

fn region(member: &str, name: &str) -> Result<Region> {
    Region::parse(name).map_err(|form| Error::invalid(member, form.to_string()))
}
