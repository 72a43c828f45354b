//! Multi-region keys, as Huawei spells them in version 2 of the API (contract, section 4.13).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use validator::Validate;

use super::tags::tag_list;
use super::wire::{
    DEFAULT_ENTERPRISE_PROJECT, decode, key_in_path_and_body, page_in_query, without_nul,
};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits;
use crate::model::error::Result;
use crate::model::ids::{EnterpriseProject, KeyName, ProjectId, Region};
use crate::operations::replicas::{self, Copy};

/// The key stands in the path; clients may repeat it in the body, and nobody has to.
#[derive(Deserialize, Validate)]
struct ReplicateKey {
    replica_region: Region,
    replica_project_id: ProjectId,
    key_alias: KeyName,
    #[validate(length(max = 255, message = "must be at most 255 characters"))]
    #[validate(custom(function = "without_nul"))]
    key_description: Option<String>,
    enterprise_project_id: Option<EnterpriseProject>,
    tags: Option<Value>,
    key_id: Option<String>,
}

#[derive(Deserialize, Validate)]
struct UpdatePrimaryRegion {
    primary_region: Region,
    key_id: Option<String>,
}

#[derive(Serialize)]
struct Regions {
    regions: Vec<String>,
}

#[derive(Serialize)]
struct Replica<'k> {
    key_id: &'k str,
    domain_id: &'k str,
    region: &'k str,
}

#[derive(Serialize)]
struct PrimaryRegion<'k> {
    key_id: &'k str,
    primary_region: &'k str,
}

/// `GET /v2/…/kms/regions`
pub async fn regions(cx: &mut Context, request: &Request) -> Result<Reply> {
    let (offset, limit) = page_in_query(request)?;
    let regions = replicas::regions(cx)?
        .iter()
        .skip(offset)
        .take(limit)
        .map(ToString::to_string)
        .collect();
    Reply::json(200, &Regions { regions })
}

/// `POST /v2/…/kms/keys/{key_id}/replicate`
pub async fn replicate(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ReplicateKey = decode(request)?;
    let key = key_in_path_and_body(request, asked.key_id.as_deref())?;
    let tags = match &asked.tags {
        None => Vec::new(),
        Some(Value::Array(none)) if none.is_empty() => Vec::new(),
        Some(list) => tag_list(list)?,
    };
    let replica = replicas::replicate(
        cx,
        &key,
        Copy {
            region: asked.replica_region,
            project: asked.replica_project_id,
            name: asked.key_alias,
            description: asked.key_description.unwrap_or_default(),
            tags,
            most_tags: limits::TAGS_PER_KEY,
            policy: None,
            any_key: true,
            imported: false,
            enterprise_project: asked.enterprise_project_id.map_or_else(
                || DEFAULT_ENTERPRISE_PROJECT.to_owned(),
                |id| id.to_string(),
            ),
        },
    )
    .await?;
    Reply::json(
        200,
        &Replica {
            key_id: replica.id.as_str(),
            domain_id: cx.project()?.domain.as_str(),
            region: replica.region.as_str(),
        },
    )
}

/// `PUT /v2/…/kms/keys/{key_id}/update-primary-region`
pub async fn update_primary(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: UpdatePrimaryRegion = decode(request)?;
    let key = key_in_path_and_body(request, asked.key_id.as_deref())?;
    let key = replicas::update_primary(cx, &key, asked.primary_region.clone()).await?;
    Reply::json(
        200,
        &PrimaryRegion {
            key_id: key.id.as_str(),
            primary_region: asked.primary_region.as_str(),
        },
    )
}
