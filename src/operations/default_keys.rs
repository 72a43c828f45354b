//! Default keys: those that cloud services have for themselves, `<service>/default` (contract, section
//! 3.3).
//!
//! Everybody in the project may read and use them, nobody may change them, and no call makes one:
//! the operator does. Nor does the operator take one away. What a service has encrypted with its key
//! would be lost without the days of waiting that every other key has, and with nobody to ask for
//! its rescue. So they stay for as long as their project does.

use std::sync::Arc;

use super::identity::manage::{self, ManageError};
use crate::crypto::material::Material;
use crate::kms::{Kms, material_kind};
use crate::model::action::Action;
use crate::model::audit::Record;
use crate::model::caller::Credential;
use crate::model::ids::{KeyId, KeyName, KeystoreId, Region, ServiceName, UserId};
use crate::model::key::{DEFAULT_KEY_SUFFIX, Key};
use crate::model::spec::{KeySpec, KeyUsage, Origin};
use crate::model::state::KeyState;
use crate::store::{Sealed, StoreError, Write};

/// Who default keys say that they were made by.
const OPERATOR: &str = "operator";

/// The spec of every default key.
const SPEC: KeySpec = KeySpec::Aes256;

/// The first version of a key's material.
const FIRST_VERSION: u32 = 1;

/// Makes the default key of a service in a project and region. It counts against no quota, and it is
/// filed under the default enterprise project.
///
/// # Errors
/// [`ManageError::NotFound`] for the project, [`ManageError::Malformed`] for a region that is not
/// served, [`ManageError::Exists`].
pub async fn add(
    kms: &Arc<Kms>,
    domain: &str,
    project: &str,
    region: Option<&str>,
    service: &ServiceName,
) -> Result<Key, ManageError> {
    let project = manage::project_named(kms, domain, project).await?;
    let region = region_named(kms, region)?;
    let name = KeyName::parse(format!("{service}{DEFAULT_KEY_SUFFIX}"))
        .map_err(|form| ManageError::Malformed(form.to_string()))?;
    let told = format!("default key {name} in {} of {}", region, project.name);
    let key = Key {
        project: project.id.clone(),
        region: region.clone(),
        id: KeyId::from_random(kms.env().random()),
        name,
        spec: SPEC,
        usage: KeyUsage::EncryptDecrypt,
        origin: Origin::Kms,
        description: String::new(),
        state: KeyState::Enabled,
        current_version: Some(FIRST_VERSION),
        material_expires_at: None,
        enterprise_project: "0".into(),
        rotation: None,
        rotations: 0,
        on_demand_rotations: 0,
        rotated_at: None,
        keystore: KeystoreId::built_in(),
        primary_region: None,
        bound_project: None,
        policy_digest: None,
        created_at: kms.now(),
        created_by: UserId::parse(OPERATOR)
            .map_err(|form| ManageError::Malformed(form.to_string()))?,
        revision: 1,
    };
    let material = Material::generate(material_kind(SPEC), kms.env().entropy())
        .map_err(|error| ManageError::Failed(error.to_string()))?;
    let material = kms
        .seal_material(&key, FIRST_VERSION, &material, kms.now())
        .await?;
    let sealing = kms.project_key(&project.id).await?;
    let record = Record {
        at: kms.now(),
        request_id: hex::encode(kms.env().random::<16>()),
        credential: Credential::Operator.describe(),
        user_id: String::new(),
        user_name: String::new(),
        project_id: project.id.to_string(),
        address: String::new(),
        action: Action::AddDefaultKey,
        region: region.to_string(),
        key_id: key.id.to_string(),
        revision: key.revision,
        outcome: "ok".into(),
        detail: key.name.to_string(),
        duration_us: 0,
    };
    let write = Write::InsertDefaultKey {
        key: Sealed::new(key.clone(), sealing.row()),
        material,
    };
    match kms.store().commit(vec![write], record).await {
        Ok(()) => Ok(key),
        Err(StoreError::AlreadyExists) => Err(ManageError::Exists(told)),
        Err(other) => Err(other.into()),
    }
}

/// The default keys of a project, in every region, the oldest first.
///
/// # Errors
/// [`ManageError::NotFound`] for the project.
pub async fn list(kms: &Arc<Kms>, domain: &str, project: &str) -> Result<Vec<Key>, ManageError> {
    let project = manage::project_named(kms, domain, project).await?;
    let rows = kms.store().list_default_keys(&project.id).await?;
    let sealing = kms.project_key(&project.id).await?;
    rows.into_iter()
        .map(|row| Ok(row.open(sealing.row())?))
        .collect()
}

/// The home region, or another that is served.
fn region_named(kms: &Kms, name: Option<&str>) -> Result<Region, ManageError> {
    let Some(name) = name else {
        return Ok(kms.config().home_region().clone());
    };
    let served = &kms.config().regions;
    served
        .iter()
        .find(|region| region.as_str() == name)
        .cloned()
        .ok_or_else(|| {
            let names: Vec<&str> = served.iter().map(Region::as_str).collect();
            ManageError::Malformed(format!(
                "region {name} is not served here; these are: {}",
                names.join(", ")
            ))
        })
}
