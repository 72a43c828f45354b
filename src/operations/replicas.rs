//! Multi-region keys: one key, material included, in several regions of the deployment.
//!
//! A key and its replicas have one id and one material; ciphertexts are bound to the project of the
//! key that was there first, so each opens what any of them has sealed: data, data keys, signatures,
//! codes. Policies of capsules and PINs are a project's, in one region, and stay there. Everything
//! else is each one's own. One of them is the primary: it is copied from, and its material is what is renewed.

use super::identity::project_within_reach;
use super::resource_policies::{self, NewPolicy};
use super::tags;
use crate::kms::Context;
use crate::model::error::{Error, Result, Unfit};
use crate::model::ids::{KeyName, ProjectId, Region};
use crate::model::key::{Key, KeyRef, NewReplica};
use crate::model::policy::Fact;
use crate::model::spec::Origin;
use crate::model::state::KeyState;
use crate::model::tag::Tag;
use crate::store::Write;

/// Where a key shall be copied to, and what it is called there.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The region; another one that the deployment serves.
    pub region: Region,
    /// The project there.
    pub project: ProjectId,
    /// The name; unique in project and region.
    pub name: KeyName,
    /// Free text.
    pub description: String,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// How many tags it may have.
    pub most_tags: usize,
    /// Its policy; `None` when roles and grants alone decide.
    pub policy: Option<NewPolicy>,
    /// The enterprise project it is filed under.
    pub enterprise_project: String,
    /// Whether a key that was made to live in one region only may be copied, in this dialect.
    pub any_key: bool,
    /// Whether a key whose material is imported may be copied, in this dialect: the copy waits for
    /// the same material.
    pub imported: bool,
}

/// The regions that a key can be copied to: those that the deployment serves beside the call's own.
///
/// # Errors
/// [`Error::Forbidden`].
pub fn regions(cx: &mut Context) -> Result<Vec<Region>> {
    cx.permit()?;
    let all = &cx.kms().config().regions;
    Ok(all
        .iter()
        .filter(|region| *region != cx.region())
        .cloned()
        .collect())
}

/// Copies a key to another region. Answers the copy, which is enabled from that moment, or waits for
/// the material that was imported into the key.
///
/// # Errors
/// [`Error::Invalid`] for a region that is not served, is the call's own, or a project in which the
/// caller may not do this; [`Error::UnfitKey`] in a dedicated keystore; [`Error::IsReplica`];
/// [`Error::AlreadyInRegion`]; [`Error::MalformedPolicy`], [`Error::PolicyTooLarge`]; with the answer
/// [`Error::NameTaken`] and [`Error::KeyQuotaReached`] of the other region.
pub async fn replicate(cx: &mut Context, key: &KeyRef, copy: Copy) -> Result<Key> {
    cx.asked()
        .tell(Fact::ReplicaRegion, copy.region.to_string());
    tags::tell(cx, &copy.tags);
    if let Some(policy) = &copy.policy {
        resource_policies::tell(cx, policy);
    }
    let mut key = cx.key(key).await?;
    super::keys::name_is_free_to_choose(&copy.name)?;
    super::fit::must_be_copyable(&key, copy.imported)?;
    must_be_primary(&key)?;
    if key.primary_region.is_none() && !copy.any_key {
        return Err(Error::UnfitKey(Unfit::OfOneRegion));
    }
    if copy.region == key.region || !cx.kms().config().regions.contains(&copy.region) {
        return Err(Error::invalid(
            "replica_region",
            "must be another region that is served here",
        ));
    }
    if copy.tags.len() > copy.most_tags {
        return Err(Error::TooManyTags(copy.most_tags));
    }
    let project = project_within_reach(cx, &copy.project)
        .await?
        .ok_or_else(|| {
            Error::invalid(
                "replica_project_id",
                "must be a project of the account in which the caller may copy keys",
            )
        })?;
    let copies = cx.kms().copies(&key).await?;
    if copies.iter().any(|other| other.region == copy.region) {
        return Err(Error::AlreadyInRegion(copy.region));
    }
    key.primary_region = Some(key.region.clone());
    let mut replica = key.replica(NewReplica {
        project: project.id,
        region: copy.region,
        name: copy.name,
        description: copy.description,
        enterprise_project: copy.enterprise_project,
        created_at: cx.now(),
        created_by: cx.caller().user.clone(),
    });
    cx.note(format!(
        "to {} in project {}",
        replica.region, replica.project
    ));
    if let Some(policy) = &copy.policy {
        resource_policies::fit(cx, &mut replica, policy).await?;
    }
    let imported = match key.origin {
        Origin::External => cx.kms().imported_materials(&key).await?,
        Origin::Kms => Vec::new(),
    };
    // The key is saved first, although only the first copy changes it: whatever else happens to it
    // at this moment (a rotation, another copy) makes one of the two decide again.
    cx.save(&mut key).await?;
    cx.insert_replica(&key, &imported, replica.clone()).await?;
    if !copy.tags.is_empty() {
        cx.write(Write::PutTags {
            key: Box::new(replica.clone()),
            tags: copy.tags,
        });
    }
    if let Some(policy) = copy.policy {
        resource_policies::write(cx, &replica, policy);
    }
    Ok(replica)
}

/// Makes an enabled replica the primary; the primary becomes a replica. Its plan of rotation goes
/// along.
///
/// # Errors
/// [`Error::IsReplica`], [`Error::NoReplicaThere`]; [`Error::Invalid`] when the caller may not do
/// this in the replica's project.
pub async fn update_primary(cx: &mut Context, key: &KeyRef, region: Region) -> Result<Key> {
    cx.asked().tell(Fact::PrimaryRegion, region.to_string());
    let mut key = cx.key(key).await?;
    must_be_primary(&key)?;
    let mut copies = cx.kms().copies(&key).await?;
    let next = copies
        .iter_mut()
        .find(|copy| copy.region == region && copy.state == KeyState::Enabled)
        .ok_or_else(|| Error::NoReplicaThere(region.clone()))?;
    if project_within_reach(cx, &next.project).await?.is_none() {
        return Err(Error::invalid(
            "primary_region",
            "has the replica in a project in which the caller may not do this",
        ));
    }
    next.rotation = key.rotation.take();
    cx.note(format!("to {region}"));
    for copy in copies.iter_mut().chain([&mut key]) {
        copy.primary_region = Some(region.clone());
    }
    for copy in &mut copies {
        cx.save_beside(copy).await?;
    }
    cx.save(&mut key).await?;
    Ok(key)
}

fn must_be_primary(key: &Key) -> Result<()> {
    match &key.primary_region {
        Some(primary) if key.is_replica() => Err(Error::IsReplica(primary.clone())),
        _ => Ok(()),
    }
}
