//! The life of keys: made, read, switched, renamed, scheduled for deletion and rescued from it.

use std::time::Duration;

use super::material_ids;
use crate::crypto::CryptoError;
use crate::crypto::material::Material;
use crate::hsm::{Cluster, ObjectName};
use crate::kms::{Context, material_kind};
use crate::model::error::{Error, Result, Unfit};
use crate::model::ids::{KeyId, KeyName, KeystoreId};
use crate::model::key::{DEFAULT_KEY_SUFFIX, Filter, Key, KeyRef, PENDING_DAYS};
use crate::model::keystore::{DoomedObject, Keystore};
use crate::model::policy::Fact;
use crate::model::spec::{Family, KeySpec, KeyUsage, Origin};
use crate::model::state::KeyState;
use crate::model::time::Timestamp;
use crate::operations::pages::Position;
use crate::operations::resource_policies::{self, NewPolicy};
use crate::store::keys::Page;
use crate::store::{Sealed, Write};

/// The first version of a key's material.
const FIRST_VERSION: u32 = 1;

/// How long the making of a key in a keystore may take before what is there of it is destroyed.
const UNFINISHED: Duration = Duration::from_secs(10 * 60);

/// What a new key shall be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its name; unique in project and region, and not ending in `/default`. `None` for one that
    /// nobody else has: its id.
    pub name: Option<KeyName>,
    /// Its algorithm and size.
    pub spec: KeySpec,
    /// Its usage; `None` for the spec's default.
    pub usage: Option<KeyUsage>,
    /// Where its material comes from.
    pub origin: Origin,
    /// Of which specs the dialect lets material be imported.
    pub importable: &'static [KeySpec],
    /// Free text.
    pub description: String,
    /// The enterprise project it is filed under.
    pub enterprise_project: String,
    /// The keystore that its material is made in.
    pub keystore: KeystoreId,
    /// Whether it may have replicas in other regions from the start. Not in a keystore of its own.
    pub multi_region: bool,
    /// Its policy; `None` when roles and grants alone decide.
    pub policy: Option<NewPolicy>,
}

/// A page of keys, opened.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The keys, the newest first.
    pub keys: Vec<Key>,
    /// How many fit the filter in all.
    pub total: u64,
}

/// How much of a quota is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Keys there are.
    pub used: u64,
    /// Keys there may be.
    pub limit: u64,
}

/// Makes a key: enabled, or waiting for material when it is the customer's to bring. Gives the id of
/// its material too, where it has one.
///
/// # Errors
/// [`Error::ReservedName`], [`Error::UsageMismatch`], [`Error::NotImportable`],
/// [`Error::SpecNotOffered`], [`Error::KeystoreNotFound`], [`Error::KeystoreDisabled`],
/// [`Error::NoImportIntoKeystore`]; with the answer [`Error::NameTaken`] and
/// [`Error::KeyQuotaReached`].
pub async fn create(cx: &mut Context, new: NewKey) -> Result<(Key, Option<String>)> {
    cx.permit()?;
    if let Some(name) = &new.name {
        name_is_free_to_choose(name)?;
    }
    let usage = new.usage.unwrap_or(new.spec.usages()[0]);
    if !new.spec.usages().contains(&usage) {
        return Err(Error::UsageMismatch {
            spec: new.spec.name(),
            usage: usage.name(),
        });
    }
    if new.multi_region && !new.keystore.is_built_in() {
        return Err(Error::UnfitKey(Unfit::InKeystore));
    }
    let id = match new.multi_region {
        true => KeyId::multi_region_from_random(cx.env().random()),
        false => KeyId::from_random(cx.env().random()),
    };
    let keystore = match new.keystore.is_built_in() {
        true => None,
        false => Some(usable_keystore(cx, &new).await?),
    };
    let material = match new.origin {
        Origin::External if !new.importable.contains(&new.spec) => {
            return Err(match new.spec.family() {
                Family::Mac => Error::MacNotImportable,
                Family::Symmetric | Family::Asymmetric => Error::NotImportable(new.spec.name()),
            });
        }
        Origin::External => None,
        Origin::Kms => Some(match &keystore {
            None => new_material(cx, new.spec).await?,
            Some(keystore) => material_in(cx, keystore, new.spec, usage, &id).await?,
        }),
    };
    let mut key = Key {
        project: cx.project()?.id.clone(),
        region: cx.region().clone(),
        name: new.name.unwrap_or_else(|| KeyName::of_unnamed(&id)),
        id,
        spec: new.spec,
        usage,
        origin: new.origin,
        description: new.description,
        state: match material {
            Some(_) => KeyState::Enabled,
            None => KeyState::PendingImport,
        },
        current_version: material.as_ref().map(|_| FIRST_VERSION),
        material_expires_at: None,
        enterprise_project: new.enterprise_project,
        rotation: None,
        rotations: 0,
        on_demand_rotations: 0,
        rotated_at: None,
        keystore: new.keystore,
        primary_region: new.multi_region.then(|| cx.region().clone()),
        bound_project: None,
        policy_digest: None,
        created_at: cx.now(),
        created_by: cx.caller().user.clone(),
        revision: 1,
    };
    cx.note(format!("{} {}", key.spec.name(), key.usage.name()));
    if let Some(policy) = &new.policy {
        resource_policies::tell(cx, policy);
        resource_policies::fit(cx, &mut key, policy).await?;
    }
    let material_id = match &material {
        Some(material) if material_ids::has_ids(&key) => {
            Some(material_ids::of(cx.kms(), &key, material).await?)
        }
        _ => None,
    };
    cx.insert(key.clone(), material).await?;
    if let Some(policy) = new.policy {
        resource_policies::write(cx, &key, policy);
    }
    Ok((key, material_id))
}

/// Reads one key, whatever its state.
///
/// # Errors
/// [`Error::KeyNotFound`].
pub async fn describe(cx: &mut Context, key: &KeyRef) -> Result<Key> {
    cx.key(key).await
}

/// Reads a page of the project's keys, the newest first.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn list(cx: &mut Context, filter: &Filter, offset: u64, limit: u32) -> Result<Listed> {
    cx.permit()?;
    let project = cx.project()?.id.clone();
    let now = cx.kms().deadline_now();
    let Page { keys, total } = cx
        .kms()
        .store()
        .list_keys(
            &project,
            cx.region(),
            filter,
            now,
            i64::try_from(offset).unwrap_or(i64::MAX),
            i64::from(limit),
        )
        .await?;
    let sealing = cx.project_key().await?;
    Ok(Listed {
        keys: keys
            .into_iter()
            .map(|row| Ok(row.open(sealing.row())?.as_of(now)))
            .collect::<Result<_>>()?,
        total: u64::try_from(total).unwrap_or(0),
    })
}

/// Reads the project's keys after a position, or from the first on, the oldest first.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn list_after(
    cx: &mut Context,
    after: Option<&Position>,
    limit: u32,
) -> Result<Vec<Key>> {
    cx.permit()?;
    let now = cx.kms().deadline_now();
    let after = after.map_or((Timestamp::from_millis(i64::MIN), ""), |last| {
        (last.at, last.id.as_str())
    });
    let rows = cx
        .kms()
        .store()
        .list_keys_after(&cx.project()?.id, cx.region(), now, after, i64::from(limit))
        .await?;
    let sealing = cx.project_key().await?;
    rows.into_iter()
        .map(|row| Ok(row.open(sealing.row())?.as_of(now)))
        .collect()
}

/// Lets a disabled key be used again.
///
/// # Errors
/// [`Error::WrongState`] when it is not disabled.
pub async fn enable(cx: &mut Context, key: &KeyRef) -> Result<Key> {
    let mut key = cx.key(key).await?;
    key.enable();
    cx.save(&mut key).await?;
    Ok(key)
}

/// Keeps an enabled key from being used.
///
/// # Errors
/// [`Error::WrongState`] when it is not enabled.
pub async fn disable(cx: &mut Context, key: &KeyRef) -> Result<Key> {
    let mut key = cx.key(key).await?;
    key.disable();
    cx.save(&mut key).await?;
    Ok(key)
}

/// Sets the day of a key's destruction, so many days of 24 hours from now. Until then it may be
/// called off; it cannot be used any more from this moment. A primary that has replicas waits for
/// their end first, where the dialect has it so, and is refused elsewhere.
///
/// # Errors
/// [`Error::Invalid`] when the days are out of range, [`Error::WrongState`] when a day is set,
/// [`Error::HasReplicas`].
pub async fn schedule_deletion(
    cx: &mut Context,
    key: &KeyRef,
    days: u32,
    after_replicas: bool,
) -> Result<Key> {
    if !PENDING_DAYS.contains(&days) {
        return Err(Error::invalid(
            "pending_days",
            format!("must be {} to {}", PENDING_DAYS.start(), PENDING_DAYS.end()),
        ));
    }
    cx.asked().tell(Fact::PendingWindowInDays, days.to_string());
    let mut key = cx.key(key).await?;
    // Replicas live from their primary's material: they go first.
    if !key.is_replica() {
        let replicas: Vec<_> = cx
            .kms()
            .copies(&key)
            .await?
            .into_iter()
            .map(|copy| copy.region)
            .collect();
        if !replicas.is_empty() && !after_replicas {
            return Err(Error::HasReplicas(replicas));
        }
        if !replicas.is_empty() {
            key.leave_after_replicas(days);
            cx.note(format!("{days} days after its replicas"));
            cx.save(&mut key).await?;
            return Ok(key);
        }
    }
    key.schedule_deletion(cx.now().plus_days(days));
    cx.note(format!("in {days} days"));
    cx.save(&mut key).await?;
    Ok(key)
}

/// Calls off a scheduled deletion.
///
/// The key comes back disabled, so that using it again is a decision of its own; one that never
/// received its material goes back to waiting for it.
///
/// # Errors
/// [`Error::WrongState`] when no deletion is scheduled, [`Error::KeyNotFound`] when its day has
/// come.
pub async fn cancel_deletion(cx: &mut Context, key: &KeyRef) -> Result<Key> {
    let mut key = cx.key(key).await?;
    key.restore();
    if key.origin == Origin::External {
        let materials = cx.kms().imported_materials(&key).await?;
        key.settle(&materials, cx.kms().deadline_now());
    }
    cx.save(&mut key).await?;
    Ok(key)
}

/// Gives a key another name.
///
/// # Errors
/// [`Error::ReservedName`], [`Error::WrongState`]; with the answer [`Error::NameTaken`].
pub async fn rename(cx: &mut Context, key: &KeyRef, name: KeyName) -> Result<Key> {
    name_is_free_to_choose(&name)?;
    let mut key = cx.key(key).await?;
    key.name = name;
    cx.save(&mut key).await?;
    Ok(key)
}

/// Changes a key's description.
///
/// # Errors
/// [`Error::WrongState`].
pub async fn update_description(
    cx: &mut Context,
    key: &KeyRef,
    description: String,
) -> Result<Key> {
    let mut key = cx.key(key).await?;
    key.description = description;
    cx.save(&mut key).await?;
    Ok(key)
}

/// Counts the project's keys.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn count(cx: &mut Context) -> Result<u64> {
    cx.permit()?;
    used(cx).await
}

/// Tells how many keys the project has and may have.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn quota(cx: &mut Context) -> Result<Quota> {
    cx.permit()?;
    // A deployment without a quota reports the default: clients expect a number.
    let limit = match cx.kms().config().limits.keys_per_project {
        0 => crate::config::Limits::default().keys_per_project,
        limit => limit,
    };
    Ok(Quota {
        used: used(cx).await?,
        limit,
    })
}

async fn used(cx: &Context) -> Result<u64> {
    let project = cx.project()?.id.clone();
    let count = cx
        .kms()
        .store()
        .count_keys(&project, cx.region(), cx.kms().deadline_now())
        .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Names ending so belong to the keys that cloud services make for themselves.
pub(super) fn name_is_free_to_choose(name: &KeyName) -> Result<()> {
    if name.as_str().ends_with(DEFAULT_KEY_SUFFIX) {
        Err(Error::ReservedName)
    } else {
        Ok(())
    }
}

async fn new_material(cx: &Context, spec: KeySpec) -> Result<Material> {
    let kind = material_kind(spec);
    if !kind.is_supported() {
        return Err(Error::SpecNotOffered(spec.name()));
    }
    let env = cx.env().clone();
    let generate = move || Material::generate(kind, env.entropy());
    // An RSA key takes up to seconds to find: beside the event loop (threat model I-51).
    let made = if spec.is_slow() {
        cx.kms().slowly(generate).await?
    } else {
        generate()
    };
    made.map_err(|error| Error::Internal(format!("material of {}: {error}", spec.name())))
}

/// The keystore that a new key asks for, if keys can be made in it now.
async fn usable_keystore(cx: &Context, new: &NewKey) -> Result<Keystore> {
    let keystore = cx.keystore(&new.keystore).await?;
    if new.origin == Origin::External {
        return Err(Error::NoImportIntoKeystore);
    }
    if !Cluster::offers(material_kind(new.spec)) {
        return Err(Error::SpecNotOffered(new.spec.name()));
    }
    match keystore.enabled {
        true => Ok(keystore),
        false => Err(Error::KeystoreDisabled),
    }
}

/// Makes material in the modules of a keystore. The object is doomed before it is there and kept by
/// the change that inserts its key, so that none is left behind when that change never commits.
async fn material_in(
    cx: &mut Context,
    keystore: &Keystore,
    spec: KeySpec,
    usage: KeyUsage,
    id: &KeyId,
) -> Result<Material> {
    let doomed = DoomedObject {
        cluster: keystore.cluster.clone(),
        object: id.to_string(),
        due_at: cx.now().plus(UNFINISHED),
    };
    let sealed = Sealed::new(doomed, cx.kms().key().row());
    cx.kms().store().doom_object(&sealed).await?;
    let name = ObjectName {
        id: id.to_string(),
        label: Key::label_of(id),
    };
    let (kind, env) = (material_kind(spec), cx.env().clone());
    let made = cx
        .kms()
        .in_cluster(&keystore.cluster, move |cluster| {
            cluster.generate(kind, usage, &name, env.entropy())
        })
        .await?
        .map_err(|error| match error {
            CryptoError::Unsupported => Error::SpecNotOffered(spec.name()),
            other => Error::Internal(format!("material of {}: {other}", spec.name())),
        })?;
    cx.write(Write::KeepObject {
        cluster: keystore.cluster.clone(),
        object: id.to_string(),
    });
    Ok(made)
}
