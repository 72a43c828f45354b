//! Aliases of keys, as Huawei spells them (contract, sections 4.10 and 7.9).

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::wire::{KeyIdText, decode, query_param};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits;
use crate::model::alias::{Alias, AliasUrn};
use crate::model::error::{Error, Result};
use crate::model::ids::{AliasName, DomainId, KeyId};
use crate::model::key::KeyRef;
use crate::operations::aliases::{self, Targets};

/// An alias's name; the prefix may be left out, as the vendor's own examples do.
#[derive(Debug)]
struct AliasText(AliasName);

impl AliasText {
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let (name, bare) = match text.strip_prefix("alias/") {
            Some(name) => (name, false),
            None => (text, true),
        };
        // Without its prefix such a name would mean another alias wherever a key is named.
        if bare && AliasUrn::parse(name).is_some() {
            return Err("must be the name of an alias, not its URN".into());
        }
        AliasName::parse(name)
            .map(Self)
            .map_err(|form| format!("{form}, with or without alias/ in front"))
    }
}

impl<'de> Deserialize<'de> for AliasText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

#[derive(Deserialize, Validate)]
struct CreateAlias {
    key_id: KeyIdText,
    alias: AliasText,
}

#[derive(Deserialize, Validate)]
struct AssociateAlias {
    alias: AliasText,
    target_key_id: KeyIdText,
}

#[derive(Deserialize, Validate)]
struct DeleteAliases {
    key_id: KeyIdText,
    aliases: Vec<AliasText>,
}

#[derive(Serialize)]
struct AliasEntity {
    domain_id: String,
    key_id: String,
    alias: String,
    alias_urn: String,
    create_time: String,
    update_time: String,
}

#[derive(Serialize)]
struct AliasList {
    aliases: Vec<AliasEntity>,
    page_info: PageInfo,
}

#[derive(Serialize)]
struct PageInfo {
    next_marker: String,
    current_count: usize,
}

/// `POST …/kms/aliases`
pub async fn create(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: CreateAlias = decode(request)?;
    let alias = aliases::create(cx, &asked.key_id.0, asked.alias.0).await?;
    Reply::json(201, &entity(&alias, &cx.project()?.domain))
}

/// `GET …/kms/aliases`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let key = given(request, "key_id")?
        .map(KeyId::parse)
        .transpose()
        .map_err(|form| Error::invalid("key_id", form.to_string()))?
        .map(KeyRef::Id);
    let asked = given(request, "limit")?;
    let limit = match &asked {
        None => limits::ALIAS_ROWS,
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| {
                text.bytes().all(|b| b.is_ascii_digit())
                    && (1..=limits::ALIAS_ROWS).contains(number)
            })
            .ok_or_else(|| Error::invalid("limit", "must be a number, 1 to 100"))?,
    };
    let marker = given(request, "marker")?
        .map(|text| AliasText::parse(&text))
        .transpose()
        .map_err(|why| Error::invalid("marker", why))?;
    if marker.is_some() && asked.is_none() {
        return Err(Error::invalid("marker", "needs a limit beside it"));
    }
    let after = marker.as_ref().map(|alias| &alias.0);
    let page = aliases::list(cx, key.as_ref(), after, limit).await?;
    let domain = cx.project()?.domain.clone();
    let next_marker = match page.aliases.last() {
        Some(last) if page.more => format!("alias/{}", last.name),
        _ => String::new(),
    };
    let aliases: Vec<_> = page
        .aliases
        .iter()
        .map(|alias| entity(alias, &domain))
        .collect();
    Reply::json(
        200,
        &AliasList {
            page_info: PageInfo {
                next_marker,
                current_count: aliases.len(),
            },
            aliases,
        },
    )
}

/// `POST …/kms/alias/associate`
pub async fn associate(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: AssociateAlias = decode(request)?;
    let alias =
        aliases::associate(cx, &asked.alias.0, &asked.target_key_id.0, Targets::Any).await?;
    Reply::json(200, &entity(&alias, &cx.project()?.domain))
}

/// `DELETE …/kms/aliases`
pub async fn delete(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: DeleteAliases = decode(request)?;
    let mut names: Vec<AliasName> = Vec::with_capacity(asked.aliases.len());
    for AliasText(name) in asked.aliases {
        if names.contains(&name) {
            return Err(Error::invalid("aliases", "names an alias twice"));
        }
        names.push(name);
    }
    match names.len() {
        0 => return Err(Error::Missing("aliases".into())),
        1..=limits::ALIASES_PER_KEY => {}
        _ => return Err(Error::invalid("aliases", "must name at most 50 aliases")),
    }
    aliases::delete(cx, &asked.key_id.0, names).await?;
    Ok(Reply::empty(204))
}

/// A parameter of the query; one that is there without a value is absent.
fn given(request: &Request, name: &str) -> Result<Option<String>> {
    Ok(query_param(request, name)?.filter(|text| !text.is_empty()))
}

fn entity(alias: &Alias, domain: &DomainId) -> AliasEntity {
    AliasEntity {
        domain_id: domain.to_string(),
        key_id: alias.key.to_string(),
        alias: format!("alias/{}", alias.name),
        alias_urn: AliasUrn {
            region: alias.region.clone(),
            domain: domain.clone(),
            name: alias.name.clone(),
        }
        .to_string(),
        create_time: alias.created_at.iso_seconds(),
        update_time: alias.updated_at.iso_seconds(),
    }
}
