//! Access points, as Huawei spells them (contract, section 4.12).

use serde::{Deserialize, Serialize};
use validator::Validate;
use zeroize::Zeroizing;

use super::wire::without_nul;
use super::wire::{self, NumberText, decode};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits::KEYSPACE_PAGE;
use crate::model::error::{Error, Result};
use crate::model::ids::{AccessPointId, KeyspaceId, KeyspaceName, Malformed, WorkloadId};
use crate::operations::access_points::{self, NewAccessPoint, NewKind};

#[derive(Deserialize, Validate)]
struct CreateAccessPoint {
    keyspace_id: KeyspaceId,
    access_point_name: KeyspaceName,
    r#type: NumberText,
    identity: Option<String>,
    cluster_id: Option<WorkloadId>,
    #[validate(length(max = 255, message = "must be at most 255 characters"))]
    #[validate(custom(function = "without_nul"))]
    description: Option<String>,
}

#[derive(Serialize)]
struct NewAccessPointId<'a> {
    access_point_id: &'a str,
}

/// Where the next page begins, as both lists of the key space tell it.
#[derive(Serialize)]
pub(super) struct PageInfo<'a> {
    next_marker: &'a str,
    current_count: usize,
}

#[derive(Serialize)]
struct AccessPoints<'a> {
    page_info: PageInfo<'a>,
    access_points: Vec<AccessPointDetails<'a>>,
}

#[derive(Serialize)]
struct AccessPointDetails<'a> {
    access_point_id: &'a str,
    keyspace_id: &'a str,
    access_point_name: &'a str,
    state: u8,
    r#type: i16,
    created_by: &'a str,
    create_time: String,
    // The vendor's own spelling.
    lsat_modify_time: String,
}

#[derive(Serialize)]
struct PrivateKey<'a> {
    access_point_id: &'a str,
    private_key: Zeroizing<String>,
}

/// `POST …/kms/access-points`
pub async fn create(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: CreateAccessPoint = decode(request)?;
    let kind = kind_of(asked.r#type.number(), asked.identity, asked.cluster_id)?;
    let made = access_points::create(
        cx,
        NewAccessPoint {
            keyspace: asked.keyspace_id,
            name: asked.access_point_name,
            kind,
            description: asked.description.unwrap_or_default(),
        },
    )
    .await?;
    Reply::json(
        201,
        &NewAccessPointId {
            access_point_id: made.id.as_str(),
        },
    )
}

fn kind_of(
    number: Option<u64>,
    identity: Option<String>,
    cluster: Option<WorkloadId>,
) -> Result<NewKind> {
    let given = |what: &'static str| Error::Missing(what.into());
    if number != Some(2) && cluster.is_some() {
        return Err(Error::invalid("cluster_id", "is for type 2 only"));
    }
    match number {
        Some(1) => WorkloadId::parse(identity.ok_or_else(|| given("identity"))?)
            .map(NewKind::Server)
            .map_err(|form| Error::invalid("identity", format!("of type 1 {form}"))),
        Some(2) => {
            let identity = identity.ok_or_else(|| given("identity"))?;
            Ok(NewKind::Cluster {
                id: cluster.ok_or_else(|| given("cluster_id"))?,
                public_key: wire::public_key(&identity).ok_or_else(|| {
                    Error::invalid(
                        "identity",
                        "of type 2 must be a public key: SubjectPublicKeyInfo, in PEM or as the \
                         Base64 of its DER",
                    )
                })?,
            })
        }
        Some(3) if identity.is_some() => Err(Error::invalid(
            "identity",
            "must be absent for type 3, whose key pair is made here",
        )),
        Some(3) => Ok(NewKind::Custom),
        _ => Err(Error::invalid(
            "type",
            "must be 1 (ECS), 2 (CCE) or 3 (Custom)",
        )),
    }
}

/// `GET …/kms/access-points`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let page = Page::read(request, AccessPointId::parse)?;
    let (points, more) =
        access_points::list(cx, &page.keyspace, page.behind.as_ref(), page.limit).await?;
    let last = points.last().map_or("", |point| point.id.as_str());
    Reply::json(
        200,
        &AccessPoints {
            page_info: PageInfo::new(last, more, points.len()),
            access_points: points
                .iter()
                .map(|point| AccessPointDetails {
                    access_point_id: point.id.as_str(),
                    keyspace_id: point.keyspace.as_str(),
                    access_point_name: point.name.as_str(),
                    state: u8::from(point.enabled),
                    r#type: point.kind.code(),
                    created_by: point.created_by.as_str(),
                    create_time: point.created_at.iso_seconds(),
                    lsat_modify_time: point.modified_at.iso_seconds(),
                })
                .collect(),
        },
    )
}

/// `POST …/kms/access-points/{access_point_id}/enable`
pub async fn enable(cx: &mut Context, request: &Request) -> Result<Reply> {
    access_points::switch(cx, &id_of(request)?, true).await?;
    Ok(Reply::empty(204))
}

/// `POST …/kms/access-points/{access_point_id}/disable`
pub async fn disable(cx: &mut Context, request: &Request) -> Result<Reply> {
    access_points::switch(cx, &id_of(request)?, false).await?;
    Ok(Reply::empty(204))
}

/// `POST …/kms/access-points/{access_point_id}/get-privatekey`
pub async fn private_key(cx: &mut Context, request: &Request) -> Result<Reply> {
    let id = id_of(request)?;
    let key = access_points::private_key(cx, &id).await?;
    Reply::json(
        200,
        &PrivateKey {
            access_point_id: id.as_str(),
            private_key: wire::pem("PRIVATE KEY", key.expose()),
        },
    )
}

/// `DELETE …/kms/access-points/{access_point_id}`
pub async fn delete(cx: &mut Context, request: &Request) -> Result<Reply> {
    access_points::delete(cx, &id_of(request)?).await?;
    Ok(Reply::empty(204))
}

fn id_of(request: &Request) -> Result<AccessPointId> {
    wire::path_param(request, "access_point_id", AccessPointId::parse)
}

/// Which page of a key space is asked for.
pub(super) struct Page<I> {
    pub(super) keyspace: KeyspaceId,
    /// The last entry of the page before.
    pub(super) behind: Option<I>,
    pub(super) limit: u32,
}

impl<I> Page<I> {
    /// Reads the query of a list; `parse` reads its marker.
    pub(super) fn read(
        request: &Request,
        parse: fn(String) -> std::result::Result<I, Malformed>,
    ) -> Result<Self> {
        // An empty parameter is none (contract, section 1.3).
        let param = |name: &str| {
            let value = wire::query_param(request, name)?;
            Ok::<_, Error>(value.filter(|value| !value.is_empty()))
        };
        let (most, usual) = KEYSPACE_PAGE;
        let keyspace = param("keyspace_id")?.ok_or_else(|| Error::Missing("keyspace_id".into()))?;
        Ok(Self {
            keyspace: KeyspaceId::parse(keyspace)
                .map_err(|form| Error::invalid("keyspace_id", form.to_string()))?,
            behind: param("marker")?
                .map(parse)
                .transpose()
                .map_err(|form| Error::invalid("marker", form.to_string()))?,
            limit: match param("limit")? {
                None => usual,
                Some(text) => text
                    .parse()
                    .ok()
                    .filter(|limit| (1..=most).contains(limit) && limit.to_string() == text)
                    .ok_or_else(|| {
                        Error::invalid("limit", format!("must be a number, 1 to {most}"))
                    })?,
            },
        })
    }
}

impl<'a> PageInfo<'a> {
    /// What is told of a page that ends in `last`.
    pub(super) fn new(last: &'a str, more: bool, count: usize) -> Self {
        Self {
            next_marker: if more { last } else { "" },
            current_count: count,
        }
    }
}
