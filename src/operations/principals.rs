//! Who is meant by the account and the name that AWS's clients know somebody by.

use super::grants::NewGrantee;
use crate::kms::Context;
use crate::model::error::Result;
use crate::model::ids::{AccountId, DisplayName};

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
