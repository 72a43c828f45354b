//! Aliases, as AWS spells them (contract, section 9).

use serde::{Deserialize, Serialize};

use super::naming::{KeyName, alias_arn};
use super::paging::{self, Turn};
use super::wire::{Seconds, answer, decode, nothing, page_size};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::ids::AliasName;
use crate::operations::aliases::{self, Targets};
use crate::operations::pages::Position;

/// How many aliases a page has when nobody says, and at most (contract, section 10).
const PAGE: (u32, u32) = (50, 100);
/// What every alias begins with.
const PREFIX: &str = "alias/";
/// Aliases of this name, and below it, are those of AWS's own keys.
const RESERVED: &str = "aws";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AliasOfKey {
    alias_name: String,
    target_key_id: KeyName,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteAlias {
    alias_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListAliases {
    key_id: Option<KeyName>,
    limit: Option<u32>,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AliasList {
    aliases: Vec<AliasListEntry>,
    #[serde(flatten)]
    turn: Turn,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AliasListEntry {
    alias_name: String,
    alias_arn: String,
    target_key_id: String,
    creation_date: Seconds,
    last_updated_date: Seconds,
}

/// The alias that a request names.
fn name(given: &str) -> Result<AliasName> {
    let name = given.strip_prefix(PREFIX).filter(|name| !name.is_empty());
    let Some(name) = name else {
        return Err(Error::Constraint(
            "Alias must start with the prefix \"alias/\". Please see \
             https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
                .into(),
        ));
    };
    if name == RESERVED || name.starts_with("aws/") {
        return Err(Error::ReservedName);
    }
    AliasName::parse(name).map_err(|form| Error::Constraint(format!("AliasName {form}")))
}

/// The key that an alias shall stand for.
fn target(cx: &Context, key: &KeyName) -> Result<crate::model::key::KeyRef> {
    let is_alias_arn = key.0.starts_with("arn:") && key.0.contains(":alias/");
    if key.0.starts_with(PREFIX) || is_alias_arn {
        return Err(Error::Constraint(
            "Aliases must refer to keys. Not aliases".into(),
        ));
    }
    key.id(cx)
}

/// `CreateAlias`
pub async fn create(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: AliasOfKey = decode(request, "CreateAlias")?;
    let name = name(&asked.alias_name)?;
    // Aliases that were made elsewhere may have one.
    if name.as_str().contains(':') {
        return Err(Error::Constraint(format!(
            "{} contains invalid characters for an alias",
            asked.alias_name
        )));
    }
    let key = target(cx, &asked.target_key_id)?;
    aliases::create(cx, &key, name).await?;
    Ok(nothing())
}

/// `UpdateAlias`
pub async fn update(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: AliasOfKey = decode(request, "UpdateAlias")?;
    let name = name(&asked.alias_name)?;
    let key = target(cx, &asked.target_key_id)?;
    aliases::associate(cx, &name, &key, Targets::Alike).await?;
    Ok(nothing())
}

/// `DeleteAlias`
pub async fn delete(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: DeleteAlias = decode(request, "DeleteAlias")?;
    aliases::delete_named(cx, name(&asked.alias_name)?).await?;
    Ok(nothing())
}

/// `ListAliases`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ListAliases = decode(request, "ListAliases")?;
    let limit = page_size(asked.limit, PAGE)?;
    let key = asked.key_id.map(|key| key.id(cx)).transpose()?;
    let list = format!(
        "ListAliases {}",
        key.as_ref().map(ToString::to_string).unwrap_or_default()
    );
    let after = paging::after(cx, &list, asked.marker.as_deref())
        .await?
        .map(|last| AliasName::parse(last.id).map_err(|_| Error::InvalidMarker))
        .transpose()?;
    let more = limit.saturating_add(1);
    let mut found = aliases::list(cx, key.as_ref(), after.as_ref(), more)
        .await?
        .aliases;
    let turn = paging::turn(cx, &list, &mut found, limit, |alias| Position {
        at: alias.created_at,
        id: alias.name.to_string(),
    })
    .await?;
    let project = cx.project()?.clone();
    answer(&AliasList {
        aliases: found
            .iter()
            .map(|alias| AliasListEntry {
                alias_name: format!("{PREFIX}{}", alias.name),
                alias_arn: alias_arn(&alias.region, &project, &alias.name),
                target_key_id: alias.key.to_string(),
                creation_date: Seconds(alias.created_at),
                last_updated_date: Seconds(alias.updated_at),
            })
            .collect(),
        turn,
    })
}
