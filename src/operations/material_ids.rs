//! The ids by which people know what material a key has: made of the key and the material, so that
//! the same bytes have the same id whenever they are imported, and in every region.

use crate::crypto::blob::Header;
use crate::crypto::hash::sha256_hex;
use crate::crypto::material::Material;
use crate::kms::{Context, Kms};
use crate::model::error::{Error, Result};
use crate::model::key::Key;
use crate::model::material::ImportedMaterial;
use crate::model::spec::{Family, Origin};

/// The id of material: 64 hexadecimal digits. Without the project's key nobody can try out guesses.
///
/// # Errors
/// [`Error::Unavailable`] when the project's key cannot be had.
pub(super) async fn of(kms: &Kms, key: &Key, material: &Material) -> Result<String> {
    let project = key.bound_project();
    let sealing = kms.project_key(project).await?;
    let place = kms.place_of_check_value(project, &key.id);
    Ok(of_check_value(
        &material.check_value(sealing.check(), &place),
    ))
}

/// The id of material that was imported, whether or not it is there. Not the check value itself:
/// that stays inside.
pub fn of_imported(material: &ImportedMaterial) -> String {
    of_check_value(&material.check_value)
}

/// The id of material by its check value.
pub(super) fn of_check_value(check_value: &[u8; 32]) -> String {
    sha256_hex(&[b"kmsd/material-id/1\0", check_value.as_slice()].concat())
}

/// The id of one version of a key's material.
///
/// # Errors
/// As [`Kms::material`].
pub(super) async fn of_version(kms: &Kms, key: &Key, version: u32) -> Result<String> {
    let material = kms.material(key, version).await?;
    of(kms, key, &material).await
}

/// The id of a key's current material: of a symmetric key's, which may have several, when it is not
/// in a keystore of its own. What was dropped stays current.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Internal`].
pub async fn current(cx: &Context, key: &Key) -> Result<Option<String>> {
    if !has_ids(key) {
        return Ok(None);
    }
    match (key.origin, key.current_version) {
        (Origin::External, _) => {
            let materials = cx.kms().imported_materials(key).await?;
            let in_use = materials.iter().filter(|material| !material.waits());
            let newest = in_use.max_by_key(|material| material.version);
            Ok(newest.map(of_imported))
        }
        (Origin::Kms, Some(version)) => Ok(Some(of_version(cx.kms(), key, version).await?)),
        (Origin::Kms, None) => Ok(None),
    }
}

/// The id of the material under which a symmetric ciphertext of a key is.
///
/// # Errors
/// As [`Kms::material`].
pub async fn of_ciphertext(cx: &Context, key: &Key, ciphertext: &[u8]) -> Result<Option<String>> {
    if !has_ids(key) {
        return Ok(None);
    }
    let header = Header::parse(ciphertext).map_err(|_| Error::InvalidCiphertext)?;
    Ok(Some(of_version(cx.kms(), key, header.key_version()).await?))
}

/// Whether a key's material has an id to tell.
pub(super) fn has_ids(key: &Key) -> bool {
    key.spec.family() == Family::Symmetric && key.keystore.is_built_in()
}
