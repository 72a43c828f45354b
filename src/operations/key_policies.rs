//! Policies of capsules: who may open them, and when.

use super::{access_points, pages};
use crate::config::Limits;
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::ids::{AccessPointId, KeyspaceId, KeyspaceName, PolicyId};
use crate::model::keyspace::{KeyPolicy, Rules};
use crate::store::{Sealed, Write};

/// What a new policy shall be.
#[derive(Clone, Debug)]
pub struct NewKeyPolicy {
    /// The key space it is filed under.
    pub keyspace: KeyspaceId,
    /// Its name; unique in its key space.
    pub name: KeyspaceName,
    /// What it says.
    pub rules: Rules,
    /// Free text.
    pub description: String,
}

/// Makes a policy.
///
/// # Errors
/// [`Error::Invalid`] when it names an access point that its key space does not have; with the
/// answer [`Error::NameTaken`] and [`Error::KeyQuotaReached`].
pub async fn create(cx: &mut Context, new: NewKeyPolicy) -> Result<KeyPolicy> {
    cx.permit()?;
    must_name_access_points(cx, "policy", &new.rules, Some(&new.keyspace)).await?;
    let policy = KeyPolicy {
        project: cx.project()?.id.clone(),
        region: cx.region().clone(),
        id: PolicyId::from_random(cx.env().random()),
        keyspace: new.keyspace,
        name: new.name,
        rules: new.rules,
        description: new.description,
        created_at: cx.now(),
        created_by: cx.caller().user.clone(),
        modified_at: cx.now(),
        accessed_at: None,
        revision: 1,
    };
    cx.note(format!("key policy {}", policy.id));
    let quota = Limits::quota(cx.kms().config().limits.key_policies_per_project);
    let sealing = cx.project_key().await?;
    cx.write(Write::InsertKeyPolicy {
        policy: Sealed::new(policy.clone(), sealing.row()),
        quota,
    });
    Ok(policy)
}

/// Reads policies of a key space behind the one named, in the order of their ids; at most `limit`,
/// and whether there are more.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn list(
    cx: &mut Context,
    keyspace: &KeyspaceId,
    behind: Option<&PolicyId>,
    limit: u32,
) -> Result<(Vec<KeyPolicy>, bool)> {
    cx.permit()?;
    let project = cx.project()?.id.clone();
    let mut rows = cx
        .kms()
        .store()
        .list_key_policies(
            &project,
            cx.region(),
            keyspace,
            behind,
            pages::one_more(limit),
        )
        .await?;
    let more = pages::cut(&mut rows, limit);
    let sealing = cx.project_key().await?;
    let policies = rows
        .into_iter()
        .map(|row| Ok(with_latest_access(cx, row.open(sealing.row())?)))
        .collect::<Result<_>>()?;
    Ok((policies, more))
}

/// Reads one policy.
///
/// # Errors
/// [`Error::PolicyNotFound`].
pub async fn show(cx: &mut Context, id: &PolicyId) -> Result<KeyPolicy> {
    let policy = find(cx, id).await?;
    Ok(with_latest_access(cx, policy))
}

/// Replaces what a policy says, for capsules that were made under it too. Without a description the
/// old one stays.
///
/// # Errors
/// [`Error::PolicyNotFound`]; [`Error::Invalid`] when it names an access point that its key space
/// does not have.
pub async fn update(
    cx: &mut Context,
    id: &PolicyId,
    rules: Rules,
    description: Option<String>,
) -> Result<KeyPolicy> {
    let mut policy = find(cx, id).await?;
    must_name_access_points(cx, "policy", &rules, Some(&policy.keyspace)).await?;
    let read = policy.revision;
    policy.revision += 1;
    policy.rules = rules;
    policy.description = description.unwrap_or(policy.description);
    policy.modified_at = cx.now();
    let sealing = cx.project_key().await?;
    cx.write(Write::SaveKeyPolicy {
        policy: Sealed::new(policy.clone(), sealing.row()),
        read,
    });
    Ok(policy)
}

/// Ends a policy. Capsules that were made under it never open again: no other will ever have its id.
///
/// # Errors
/// [`Error::PolicyNotFound`].
pub async fn delete(cx: &mut Context, id: &PolicyId) -> Result<()> {
    let policy = find(cx, id).await?;
    cx.write(Write::DeleteKeyPolicy(Box::new(policy)));
    Ok(())
}

/// The policy of this id in the caller's project, if there is one.
pub(super) async fn named(cx: &Context, id: &PolicyId) -> Result<Option<KeyPolicy>> {
    let project = &cx.project()?.id;
    let row = cx
        .kms()
        .store()
        .find_key_policy(project, cx.region(), id)
        .await?;
    let sealing = cx.project_key().await?;
    Ok(row.map(|row| row.open(sealing.row())).transpose()?)
}

/// Refuses rules that name an access point that is not there: a slip of the pen would let nobody in
/// and tell nobody why. `member` is where the rules were given.
pub(super) async fn must_name_access_points(
    cx: &Context,
    member: &str,
    rules: &Rules,
    keyspace: Option<&KeyspaceId>,
) -> Result<()> {
    let points = access_points::named(cx, &rules.access_points).await?;
    let is_there = |id: &AccessPointId| {
        points.iter().any(|point| {
            point.id == *id && keyspace.is_none_or(|keyspace| point.keyspace == *keyspace)
        })
    };
    match rules.access_points.iter().find(|id| !is_there(id)) {
        None => Ok(()),
        Some(id) => Err(Error::invalid(
            format!("{member}.allowed_access_point"),
            match keyspace {
                Some(_) => format!("names {id}, which is no access point of the key space"),
                None => format!("names {id}, which is no access point of the project"),
            },
        )),
    }
}

/// One policy, for a caller who may do this to any.
async fn find(cx: &mut Context, id: &PolicyId) -> Result<KeyPolicy> {
    cx.note(format!("key policy {id}"));
    cx.permit()?;
    named(cx, id).await?.ok_or(Error::PolicyNotFound)
}

/// The same with a use that the database has not been told of yet.
fn with_latest_access(cx: &Context, mut policy: KeyPolicy) -> KeyPolicy {
    let accesses = cx.kms().policy_accesses();
    let untold = accesses.of(&policy.project, &policy.region, &policy.id);
    policy.accessed_at = policy.accessed_at.max(untold);
    policy
}
