//! Renewing a key's material: by plan, and on demand. Old versions stay for decryption.

use std::time::Duration;

use super::material_ids;
use crate::crypto::material::Material;
use crate::kms::{Context, Kms, material_kind};
use crate::model::error::{Error, Result, Unrotatable};
use crate::model::ids::KeystoreId;
use crate::model::key::{Key, KeyRef, ROTATION_DAYS, Rotation};
use crate::model::material::ImportedMaterial;
use crate::model::policy::Fact;
use crate::model::spec::{Family, Origin};
use crate::model::state::KeyState;
use crate::model::time::Timestamp;
use crate::store::Write;
use crate::store::keys::SealedMaterial;

/// So long before its plan renews a key it is not renewed on demand, where the dialect counts
/// (contract, section 11.8).
const NEAR: Duration = Duration::from_secs(20 * 60);

/// One material of a symmetric key: how it came, and what has become of it.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Its number among the key's materials.
    pub version: u32,
    /// By which people know it.
    pub material_id: String,
    /// When it became current by a rotation, and whether on demand; `None` for the first, and for
    /// one that waits.
    pub rotated: Option<(Timestamp, bool)>,
    /// Whether it is the one that new ciphertexts use.
    pub is_current: bool,
    /// What was imported, if it was.
    pub imported: Option<ImportedMaterial>,
    /// Whether it is still to be imported in one of the regions where the key has copies.
    pub is_to_come: bool,
}

/// Has a key's material renewed every so many days from now on.
///
/// # Errors
/// [`Error::CannotRotate`]; [`Error::RotationIsOn`]; [`Error::Invalid`] when the days are out of
/// range.
pub async fn enable(cx: &mut Context, key: &KeyRef, days: u32) -> Result<Key> {
    must_be_a_period(days)?;
    cx.asked()
        .tell(Fact::RotationPeriodInDays, days.to_string());
    let mut key = cx.key(key).await?;
    must_rotate_by_plan(&key)?;
    if key.rotation.is_some() {
        return Err(Error::RotationIsOn);
    }
    key.rotation = Some(Rotation::starting(cx.now(), days));
    cx.note(format!("every {days} days"));
    cx.save(&mut key).await?;
    Ok(key)
}

/// Has a key's material renewed every so many days from now on, whether or not it was before.
///
/// # Errors
/// [`Error::CannotRotate`]; [`Error::Invalid`] when the days are out of range.
pub async fn plan(cx: &mut Context, key: &KeyRef, days: u32) -> Result<Key> {
    must_be_a_period(days)?;
    cx.asked()
        .tell(Fact::RotationPeriodInDays, days.to_string());
    let mut key = cx.key(key).await?;
    must_rotate_by_plan(&key)?;
    key.rotation = Some(Rotation::starting(cx.now(), days));
    cx.note(format!("every {days} days"));
    cx.save(&mut key).await?;
    Ok(key)
}

/// Reads the plan of a key that can be renewed; a replica has its primary's.
///
/// # Errors
/// [`Error::CannotRotate`] for a key whose material is never renewed.
pub async fn plan_of(cx: &mut Context, key: &KeyRef) -> Result<(Key, Option<Rotation>)> {
    let key = cx.key(key).await?;
    must_be_symmetric(&key)?;
    if key.state == KeyState::PendingImport {
        return Err(Error::CannotRotate(Unrotatable::External));
    }
    let primary = match key.is_replica() {
        true => cx.kms().copies(&key).await?,
        false => vec![key.clone()],
    };
    let plan = primary.into_iter().find_map(|one| one.rotation);
    Ok((key, plan))
}

/// Everything that a symmetric key's material was, is and waits to be, the oldest first.
///
/// # Errors
/// [`Error::CannotRotate`] for a key whose material is never renewed.
pub async fn history(cx: &mut Context, key: &KeyRef) -> Result<(Key, Vec<Turn>)> {
    cx.asked().operation = Some("ListKeyRotations");
    let key = cx.key(key).await?;
    must_be_symmetric(&key)?;
    let mut turns = Vec::new();
    if key.origin == Origin::External {
        let materials = cx.kms().imported_materials(&key).await?;
        let in_use = || materials.iter().filter(|material| !material.waits());
        let newest = in_use().map(|material| material.version).max();
        let oldest = in_use().map(|material| material.version).min();
        let now = cx.kms().deadline_now();
        let missing = missing_elsewhere(cx.kms(), &key, now).await?;
        for material in &materials {
            let since = material.in_use_since.map(|at| (at, true));
            turns.push(Turn {
                version: material.version,
                material_id: material_ids::of_imported(material),
                rotated: since.filter(|_| Some(material.version) != oldest),
                is_current: Some(material.version) == newest,
                imported: Some(material.clone()),
                is_to_come: missing.contains(&material.version)
                    || (key.is_replica() && !material.is_there(now)),
            });
        }
        return Ok((key, turns));
    }
    if !key.keystore.is_built_in() {
        return Err(Error::CannotRotate(Unrotatable::InKeystore));
    }
    for row in cx.kms().store().list_material(&key).await? {
        turns.push(Turn {
            version: row.version,
            material_id: material_ids::of_version(cx.kms(), &key, row.version).await?,
            rotated: (row.version > 1).then_some((row.created_at, row.on_demand)),
            is_current: key.current_version == Some(row.version),
            imported: None,
            is_to_come: false,
        });
    }
    Ok((key, turns))
}

/// Changes the period; the new one begins now.
///
/// # Errors
/// [`Error::CannotRotate`]; [`Error::RotationIsOff`]; [`Error::Invalid`] when the days are out of
/// range.
pub async fn set_interval(cx: &mut Context, key: &KeyRef, days: u32) -> Result<Key> {
    must_be_a_period(days)?;
    cx.asked()
        .tell(Fact::RotationPeriodInDays, days.to_string());
    let mut key = cx.key(key).await?;
    must_rotate_by_plan(&key)?;
    if key.rotation.is_none() {
        return Err(Error::RotationIsOff);
    }
    key.rotation = Some(Rotation::starting(cx.now(), days));
    cx.note(format!("every {days} days"));
    cx.save(&mut key).await?;
    Ok(key)
}

/// Ends the plan. What was renewed stays.
///
/// # Errors
/// [`Error::CannotRotate`]; [`Error::RotationIsOff`].
pub async fn disable(cx: &mut Context, key: &KeyRef) -> Result<Key> {
    let mut key = cx.key(key).await?;
    must_rotate_by_plan(&key)?;
    if key.rotation.take().is_none() {
        return Err(Error::RotationIsOff);
    }
    cx.save(&mut key).await?;
    Ok(key)
}

/// Reads the plan, and what was imported and is there.
///
/// # Errors
/// [`Error::KeyNotFound`].
pub async fn status(cx: &mut Context, key: &KeyRef) -> Result<(Key, Vec<ImportedMaterial>)> {
    let key = cx.key(key).await?;
    let now = cx.kms().deadline_now();
    let mut materials = match key.origin {
        Origin::External => cx.kms().imported_materials(&key).await?,
        Origin::Kms => Vec::new(),
    };
    materials.retain(|material| material.is_there(now));
    Ok((key, materials))
}

/// Renews a key's material now: what was imported further becomes current, or kmsd makes a new
/// version. The plan stays as it is. `origins` says of which keys the dialect renews material so, `most`
/// how often in a key's life.
///
/// # Errors
/// [`Error::CannotRotate`].
pub async fn on_demand(
    cx: &mut Context,
    key: &KeyRef,
    origins: &[Origin],
    most: Option<u32>,
) -> Result<Key> {
    let mut key = cx.key(key).await?;
    if !origins.contains(&key.origin) {
        return Err(Error::CannotRotate(match key.origin {
            Origin::Kms => Unrotatable::NotExternal,
            Origin::External => Unrotatable::External,
        }));
    }
    must_be_symmetric(&key)?;
    must_be_here(&key)?;
    if most.is_some_and(|most| key.on_demand_rotations >= most) {
        return Err(Error::CannotRotate(Unrotatable::OftenEnough));
    }
    let (kms, now) = (cx.kms().clone(), cx.kms().deadline_now());
    if key
        .rotation
        .is_some_and(|plan| plan.next_at <= now.plus(NEAR))
    {
        return Err(Error::CannotRotate(Unrotatable::PlanIsNear));
    }
    let writes = match key.origin {
        Origin::Kms => renew(&kms, &mut key, true, now).await?,
        Origin::External => promote(&kms, &mut key, now).await?,
    };
    cx.note(told(&key));
    cx.change(&key, writes);
    Ok(key)
}

/// What it takes to renew a key as its plan says. The next period begins now.
///
/// # Errors
/// [`Error::Internal`], [`Error::Unavailable`].
pub(super) async fn by_plan(kms: &Kms, key: &mut Key, now: Timestamp) -> Result<Vec<Write>> {
    key.rotation = key.rotation.map(|plan| Rotation::starting(now, plan.days));
    renew(kms, key, false, now).await
}

/// The words of an audit record.
pub(super) fn told(key: &Key) -> String {
    format!("to version {}", key.current_version.unwrap_or_default())
}

/// kmsd makes another version, which becomes current.
async fn renew(kms: &Kms, key: &mut Key, on_demand: bool, now: Timestamp) -> Result<Vec<Write>> {
    let version = super::ciphers::current(key)?.saturating_add(1);
    let material = Material::generate(material_kind(key.spec), kms.env().entropy())
        .map_err(|error| Error::Internal(format!("material of key {}: {error}", key.id)))?;
    turn(kms, key, version, Some(&material), on_demand, now).await
}

/// Which of a key's imported materials are not there in each of its copies that do not leave.
async fn missing_elsewhere(kms: &Kms, key: &Key, now: Timestamp) -> Result<Vec<u32>> {
    let mut missing = Vec::new();
    for copy in kms.copies(key).await? {
        if !copy.state.is_leaving() {
            let materials = kms.imported_materials(&copy).await?;
            let absent = materials.iter().filter(|material| !material.is_there(now));
            missing.extend(absent.map(|material| material.version));
        }
    }
    Ok(missing)
}

/// The imported material that waits becomes current, in every copy of the key, all of which must have
/// it.
async fn promote(kms: &Kms, key: &mut Key, now: Timestamp) -> Result<Vec<Write>> {
    let mut materials = kms.imported_materials(key).await?;
    let at = materials
        .iter()
        .position(|material| material.waits() && material.is_there(now))
        .ok_or(Error::CannotRotate(Unrotatable::NothingWaits))?;
    let version = materials[at].version;
    if missing_elsewhere(kms, key, now).await?.contains(&version) {
        return Err(Error::CannotRotate(Unrotatable::NothingWaits));
    }
    // Later than every other, whatever the clock says: the last is the current one.
    let last = materials.iter().filter_map(|one| one.in_use_since).max();
    let after = last.map_or(now, |last| last.plus(Duration::from_millis(1)).max(now));
    materials[at].in_use_since = Some(after);
    // Its end counts from now on, with those of the others.
    key.settle(&materials, now);
    let promoted = kms.saved_material(&materials[at]).await?;
    let mut writes = turn(kms, key, version, None, true, now).await?;
    writes.push(promoted);
    for mut copy in kms.copies(key).await? {
        let mut theirs = kms.imported_materials(&copy).await?;
        copy.turn_to(version, true, now);
        for material in theirs.iter_mut().filter(|one| one.version == version) {
            material.in_use_since = Some(after);
            writes.push(kms.saved_material(material).await?);
        }
        copy.settle(&theirs, now);
        writes.push(kms.saved(&mut copy).await?);
    }
    Ok(writes)
}

/// The one place where a version becomes the current one: the key is saved, with the material if it
/// is new, and its replicas with it. The save comes first, so that of two who do the same one stops
/// there.
async fn turn(
    kms: &Kms,
    key: &mut Key,
    version: u32,
    material: Option<&Material>,
    on_demand: bool,
    now: Timestamp,
) -> Result<Vec<Write>> {
    key.turn_to(version, on_demand, now);
    let mut writes = vec![kms.saved(key).await?];
    let Some(material) = material else {
        return Ok(writes);
    };
    writes.push(new_version(kms, key, version, material, on_demand, now).await?);
    for mut copy in kms.copies(key).await? {
        copy.turn_to(version, on_demand, now);
        writes.push(kms.saved(&mut copy).await?);
        writes.push(new_version(kms, &copy, version, material, on_demand, now).await?);
    }
    Ok(writes)
}

async fn new_version(
    kms: &Kms,
    key: &Key,
    version: u32,
    material: &Material,
    on_demand: bool,
    now: Timestamp,
) -> Result<Write> {
    Ok(Write::InsertMaterial {
        key: Box::new(key.clone()),
        material: SealedMaterial {
            on_demand,
            ..kms.seal_material(key, version, material, now).await?
        },
    })
}

fn must_be_a_period(days: u32) -> Result<()> {
    if ROTATION_DAYS.contains(&days) {
        return Ok(());
    }
    Err(Error::invalid(
        "rotation_interval",
        format!(
            "must be {} to {} days",
            ROTATION_DAYS.start(),
            ROTATION_DAYS.end()
        ),
    ))
}

/// Only symmetric keys whose material kmsd made and holds itself (contract, section 5.3).
fn must_rotate_by_plan(key: &Key) -> Result<()> {
    if key.origin == Origin::External {
        return Err(Error::CannotRotate(Unrotatable::External));
    }
    must_be_symmetric(key)?;
    must_be_here(key)
}

/// Whether a key is of a kind that can have more than one version.
pub(super) fn must_be_symmetric(key: &Key) -> Result<()> {
    Err(Error::CannotRotate(match key.spec.family() {
        Family::Symmetric => return Ok(()),
        Family::Mac => Unrotatable::Mac,
        Family::Asymmetric if key.spec.is_rsa() => Unrotatable::Rsa,
        Family::Asymmetric => Unrotatable::Asymmetric,
    }))
}

/// Whether its versions are made here and not elsewhere.
fn must_be_here(key: &Key) -> Result<()> {
    if key.keystore != KeystoreId::built_in() {
        return Err(Error::CannotRotate(Unrotatable::InKeystore));
    }
    if key.is_replica() {
        return Err(Error::CannotRotate(Unrotatable::Replica));
    }
    Ok(())
}
