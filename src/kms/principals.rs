//! By which accounts, names and ARNs AWS's clients and policies know people.

use super::Kms;
use crate::model::error::Result;
use crate::model::identity::Project;
use crate::model::ids::{AccountId, DomainId, UserId};

/// The account and the name of a user; an account of the project's domain is the project's own.
/// Users that are not known here go by their ids.
///
/// # Errors
/// [`crate::model::error::Error::Unavailable`].
pub async fn account_and_name(
    kms: &Kms,
    user: &UserId,
    beside: &Project,
) -> Result<(AccountId, String)> {
    match kms.store().find_user(user).await? {
        Some(row) => {
            let user = row.open(kms.key().row())?;
            let account = account_of(kms, &user.domain, beside).await?;
            Ok((account, user.name.to_string()))
        }
        None => Ok((beside.account.clone(), user.to_string())),
    }
}

/// The ARN of a user, as [`account_and_name`] has it.
///
/// # Errors
/// As there.
pub async fn arn_of_user(kms: &Kms, user: &UserId, beside: &Project) -> Result<String> {
    let (account, name) = account_and_name(kms, user, beside).await?;
    Ok(format!("arn:aws:iam::{account}:user/{name}"))
}

/// The account of a domain: the project's own if it belongs to the domain, else the domain's oldest.
///
/// # Errors
/// [`crate::model::error::Error::Unavailable`].
pub async fn account_of(kms: &Kms, domain: &DomainId, beside: &Project) -> Result<AccountId> {
    if beside.domain == *domain {
        return Ok(beside.account.clone());
    }
    let rows = kms.store().list_projects(Some(domain)).await?;
    match rows.into_iter().next() {
        Some(row) => Ok(row.open(kms.key().row())?.account),
        None => Ok(beside.account.clone()),
    }
}
