//! Who is meant by the account and the name that AWS's clients know somebody by.

use super::grants::NewGrantee;
use crate::kms::Context;
use crate::model::error::Result;
use crate::model::identity::Project;
use crate::model::ids::{AccountId, DisplayName, DomainId, UserId};

/// The user of a name in the domain of an account; without a name, the whole domain. `None` when
/// there is nobody such.
///
/// # Errors
/// [`crate::model::error::Error::Unavailable`].
pub async fn find(
    cx: &Context,
    account: &AccountId,
    name: Option<&str>,
) -> Result<Option<NewGrantee>> {
    let row = cx.kms().store().find_project_of_account(account).await?;
    let Some(row) = row else { return Ok(None) };
    let domain = row.open(cx.kms().key().row())?.domain;
    let Some(name) = name else {
        return Ok(Some(NewGrantee::Domain(domain)));
    };
    let Ok(name) = DisplayName::parse(name) else {
        return Ok(None);
    };
    let user = cx.kms().store().find_user_named(&domain, &name).await?;
    if let Some(row) = user {
        let user = row.open(cx.kms().key().row())?;
        return Ok(Some(NewGrantee::User(user.id)));
    }
    // Users of an outside authority are not known here; the caller is one of them.
    let caller = cx.caller();
    let is_caller = caller.domain == domain && caller.user_name == name;
    Ok(is_caller.then(|| NewGrantee::User(caller.user.clone())))
}

/// The account and the name of a user; an account of the project's domain is the project's own.
/// Users that are not known here go by their ids.
///
/// # Errors
/// [`crate::model::error::Error::Unavailable`].
pub async fn of_user(cx: &Context, user: &UserId, beside: &Project) -> Result<(AccountId, String)> {
    match cx.kms().store().find_user(user).await? {
        Some(row) => {
            let user = row.open(cx.kms().key().row())?;
            let account = of_domain(cx, &user.domain, beside).await?;
            Ok((account, user.name.to_string()))
        }
        None => Ok((beside.account.clone(), user.to_string())),
    }
}

/// The account of a domain: the project's own if it belongs to the domain, else the domain's oldest.
///
/// # Errors
/// [`crate::model::error::Error::Unavailable`].
pub async fn of_domain(cx: &Context, domain: &DomainId, beside: &Project) -> Result<AccountId> {
    if beside.domain == *domain {
        return Ok(beside.account.clone());
    }
    let rows = cx.kms().store().list_projects(Some(domain)).await?;
    match rows.into_iter().next() {
        Some(row) => Ok(row.open(cx.kms().key().row())?.account),
        None => Ok(beside.account.clone()),
    }
}
