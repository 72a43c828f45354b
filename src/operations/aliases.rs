//! Aliases: given to keys, moved between them, taken away.

use super::pages;
use crate::kms::Context;
use crate::limits;
use crate::model::alias::Alias;
use crate::model::error::{Error, Result};
use crate::model::ids::{AliasName, KeyId};
use crate::model::key::{Key, KeyRef};
use crate::store::{Sealed, Write};

/// A page of aliases.
#[derive(Clone, Debug)]
pub struct Page {
    /// The aliases, by their names.
    pub aliases: Vec<Alias>,
    /// Whether more come after them.
    pub more: bool,
}

/// To which keys an alias may be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// To every key.
    Any,
    /// To those of the same kind and usage as the key that it stood for, so that whoever uses it can
    /// go on; for that one the caller needs the permission too.
    Alike,
}

/// Gives a key an alias.
///
/// # Errors
/// [`Error::WrongState`], [`Error::TooManyAliases`]; with the answer [`Error::AliasTaken`].
pub async fn create(cx: &mut Context, key: &KeyRef, name: AliasName) -> Result<Alias> {
    cx.names_alias(&name);
    let mut key = cx.key(key).await?;
    check_count(cx, &key).await?;
    let alias = Alias {
        project: key.project.clone(),
        region: key.region.clone(),
        name,
        key: key.id.clone(),
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    cx.note(format!("alias/{}", alias.name));
    // The revision keeps the number of aliases exact, and the key from being destroyed meanwhile.
    cx.save(&mut key).await?;
    let sealing = cx.project_key().await?;
    cx.write(Write::InsertAlias(Sealed::new(
        alias.clone(),
        sealing.row(),
    )));
    Ok(alias)
}

/// Moves an alias to another key. Whoever uses it from then on uses that key.
///
/// # Errors
/// [`Error::KeyNotFound`] for the target, [`Error::WrongState`] of the target,
/// [`Error::AliasNotFound`], [`Error::TooManyAliases`]; [`Error::Invalid`] when the target is not
/// what it must be.
pub async fn associate(
    cx: &mut Context,
    name: &AliasName,
    target: &KeyRef,
    targets: Targets,
) -> Result<Alias> {
    cx.names_alias(name);
    let mut target = cx.key(target).await?;
    let found = cx.alias(name).await?.ok_or(Error::AliasNotFound)?;
    if found.key != target.id {
        if targets == Targets::Alike {
            let old = cx.key_beside(&found.key).await?;
            if (old.spec.family(), old.usage) != (target.spec.family(), target.usage) {
                return Err(Error::invalid(
                    "target_key_id",
                    "must be a key of the same kind and usage as the one that the alias stands for",
                ));
            }
        }
        check_count(cx, &target).await?;
    }
    let from = found.key.clone();
    let alias = Alias {
        key: target.id.clone(),
        updated_at: cx.now(),
        ..found
    };
    cx.note(format!("alias/{} from {from}", alias.name));
    cx.save(&mut target).await?;
    let sealing = cx.project_key().await?;
    cx.write(Write::MoveAlias {
        alias: Sealed::new(alias.clone(), sealing.row()),
        from,
    });
    Ok(alias)
}

/// Takes aliases from a key: all of them or none.
///
/// # Errors
/// [`Error::AliasNotFound`] when one of them is not the key's.
pub async fn delete(cx: &mut Context, key: &KeyRef, names: Vec<AliasName>) -> Result<()> {
    let mut key = cx.key(key).await?;
    let present = of_key(cx, &key).await?;
    let has = |name: &AliasName| present.iter().any(|alias| alias.name == *name);
    if !names.iter().all(has) {
        return Err(Error::AliasNotFound);
    }
    let told: Vec<String> = names.iter().map(|name| format!("alias/{name}")).collect();
    cx.note(told.join(", "));
    cx.save(&mut key).await?;
    cx.write(Write::DeleteAliases {
        key: Box::new(key),
        names,
    });
    Ok(())
}

/// Takes one alias away, from whichever key has it.
///
/// # Errors
/// [`Error::AliasNotFound`].
pub async fn delete_named(cx: &mut Context, name: AliasName) -> Result<()> {
    cx.names_alias(&name);
    let Some(found) = cx.alias(&name).await? else {
        cx.permit()?;
        return Err(Error::AliasNotFound);
    };
    delete(cx, &KeyRef::Id(found.key), vec![name]).await
}

/// Reads a page of aliases by their names: of one key, or of all of the project, those that come after
/// a name.
///
/// # Errors
/// [`Error::KeyNotFound`].
pub async fn list(
    cx: &mut Context,
    key: Option<&KeyRef>,
    after: Option<&AliasName>,
    limit: u32,
) -> Result<Page> {
    let key = match key {
        Some(key) => Some(cx.key(key).await?),
        None => {
            cx.permit()?;
            None
        }
    };
    let rows = pages::one_more(limit);
    let mut aliases = read(cx, key.as_ref().map(|key| &key.id), after, rows).await?;
    let more = pages::cut(&mut aliases, limit);
    Ok(Page { aliases, more })
}

async fn check_count(cx: &Context, key: &Key) -> Result<()> {
    if of_key(cx, key).await?.len() >= limits::ALIASES_PER_KEY {
        Err(Error::TooManyAliases(limits::ALIASES_PER_KEY))
    } else {
        Ok(())
    }
}

async fn of_key(cx: &Context, key: &Key) -> Result<Vec<Alias>> {
    read(cx, Some(&key.id), None, i64::MAX).await
}

async fn read(
    cx: &Context,
    key: Option<&KeyId>,
    after: Option<&AliasName>,
    limit: i64,
) -> Result<Vec<Alias>> {
    let project = &cx.project()?.id;
    let now = cx.kms().deadline_now();
    let rows = cx
        .kms()
        .store()
        .list_aliases(project, cx.region(), key, after, now, limit)
        .await?;
    let sealing = cx.project_key().await?;
    rows.into_iter()
        .map(|row| Ok(row.open(sealing.row())?))
        .collect()
}
