//! Material of keys, opened: held for a while, since a version of a key never changes. Whether the
//! key may be used is read anew for every call.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::Kms;
use crate::crypto::material::{Material, MaterialKind};
use crate::limits;
use crate::model::error::{Error, Result};
use crate::model::ids::{KeyId, ProjectId, Region};
use crate::model::key::Key;
use crate::model::spec::KeySpec;

/// How long material stays opened after it was last used.
const IDLE: Duration = Duration::from_secs(300);

type Version = (ProjectId, Region, KeyId, u32);

/// Opened material.
pub(super) struct OpenMaterial(Cache<Version, Arc<Material>>);

impl OpenMaterial {
    pub(super) fn new() -> Self {
        Self(
            Cache::builder()
                .max_capacity(limits::OPEN_MATERIAL)
                .time_to_idle(IDLE)
                .build(),
        )
    }

    /// Lets go of one version of a key's material, because it was dropped. A use that races with
    /// this may hold it for a while longer, but nobody is given it: the key waits for import.
    pub(super) async fn close(&self, key: &Key, version: u32) {
        self.0.invalidate(&name_of(key, version)).await;
    }

    /// One version of a key's material.
    pub(super) async fn of(&self, kms: &Kms, key: &Key, version: u32) -> Result<Arc<Material>> {
        // Of a key that waits for import nothing is for use, whatever is still in memory.
        if key.current_version.is_none() {
            return Err(Error::InvalidCiphertext);
        }
        let name = name_of(key, version);
        if let Some(material) = self.0.get(&name).await {
            return Ok(material);
        }
        self.0
            .try_get_with(name, open(kms, key, version))
            .await
            .map_err(|error: Arc<Error>| (*error).clone())
    }
}

fn name_of(key: &Key, version: u32) -> Version {
    (
        key.project.clone(),
        key.region.clone(),
        key.id.clone(),
        version,
    )
}

async fn open(kms: &Kms, key: &Key, version: u32) -> Result<Arc<Material>> {
    let Some(row) = kms.store().find_material(key, version).await? else {
        // It was dropped since the key was read, or it never was.
        return Err(match kms.store().is_unchanged(key).await? {
            true => Error::InvalidCiphertext,
            false => Error::Conflict,
        });
    };
    let sealing = kms.project_key(&key.project).await?;
    let place = kms.place_of_material(&key.project, &key.region, &key.id, version, row.epoch);
    let kind = material_kind(key.spec);
    let opened = if key.keystore.is_built_in() {
        Material::open(kind, sealing.wrap(), place, &row.sealed)
    } else {
        let keystore = kms
            .keystore(&key.project, &key.region, &key.keystore)
            .await?;
        let cluster = kms.hsm_cluster(&keystore.cluster).ok_or_else(|| {
            Error::Unavailable(format!(
                "HSM cluster {} is not in the settings",
                keystore.cluster
            ))
        })?;
        let in_hsm = cluster.key(kind, key.id.to_string());
        Material::open_in_hsm(kind, in_hsm, sealing.wrap(), place, &row.sealed)
    };
    opened
        .map(Arc::new)
        .map_err(|_| Error::Internal(format!("version {version} of key {} does not open", key.id)))
}

/// What the material of a spec is to the crypto box.
pub const fn material_kind(spec: KeySpec) -> MaterialKind {
    match spec {
        KeySpec::Aes256 => MaterialKind::Aes256,
        KeySpec::Sm4 => MaterialKind::Sm4,
        KeySpec::Rsa2048 => MaterialKind::Rsa2048,
        KeySpec::Rsa3072 => MaterialKind::Rsa3072,
        KeySpec::Rsa4096 => MaterialKind::Rsa4096,
        KeySpec::EcP256 => MaterialKind::EcP256,
        KeySpec::EcP384 => MaterialKind::EcP384,
        KeySpec::EcP521 => MaterialKind::EcP521,
        KeySpec::Secp256k1 => MaterialKind::Secp256k1,
        KeySpec::Sm2 => MaterialKind::Sm2,
        KeySpec::Ed25519 => MaterialKind::Ed25519,
        KeySpec::MlDsa44 => MaterialKind::MlDsa44,
        KeySpec::MlDsa65 => MaterialKind::MlDsa65,
        KeySpec::MlDsa87 => MaterialKind::MlDsa87,
        KeySpec::MlKem512 => MaterialKind::MlKem512,
        KeySpec::MlKem768 => MaterialKind::MlKem768,
        KeySpec::MlKem1024 => MaterialKind::MlKem1024,
        KeySpec::Hmac224 => MaterialKind::Hmac224,
        KeySpec::Hmac256 => MaterialKind::Hmac256,
        KeySpec::Hmac384 => MaterialKind::Hmac384,
        KeySpec::Hmac512 => MaterialKind::Hmac512,
        KeySpec::HmacSm3 => MaterialKind::HmacSm3,
    }
}
