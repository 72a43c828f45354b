//! Imported key material: brought in, brought back, dropped.
//!
//! A key may hold several materials, one for each version. All that were ever in use must be there
//! for it to be used, because its ciphertexts may name any of them; what was dropped comes back as
//! the same bytes only.

use std::time::Duration;

use super::rotation;
use crate::crypto::hash::constant_time_eq;
use crate::crypto::import_token::OpenedImportToken;
use crate::crypto::keyring::TokenKind;
use crate::crypto::material::{Material, MaterialKind};
use crate::crypto::secret::Secret;
use crate::crypto::wrap::{self, WrappingAlgorithm};
use crate::kms::{Context, Kms, material_kind};
use crate::limits;
use crate::model::error::{Error, ImportFault, Result};
use crate::model::ids::MaterialId;
use crate::model::key::{Key, KeyRef};
use crate::model::material::ImportedMaterial;
use crate::model::spec::Family;
use crate::model::state::KeyState;
use crate::model::time::Timestamp;
use crate::store::Write;

/// For how long an import token is good (contract, section 7.6).
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Under what kind of key pair material is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrappingPair {
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// SM2.
    Sm2,
}

impl WrappingPair {
    const fn material(self) -> MaterialKind {
        match self {
            WrappingPair::Rsa2048 => MaterialKind::Rsa2048,
            WrappingPair::Rsa3072 => MaterialKind::Rsa3072,
            WrappingPair::Rsa4096 => MaterialKind::Rsa4096,
            WrappingPair::Sm2 => MaterialKind::Sm2,
        }
    }
}

/// What material is wrapped with.
pub struct Parameters {
    /// The public key: SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    /// What goes back with the wrapped material.
    pub token: Vec<u8>,
    /// When both are over.
    pub expires_at: Timestamp,
}

/// Material on its way in.
pub struct Wrapped<'a> {
    /// The token that came with the public key.
    pub token: &'a [u8],
    /// What was wrapped under the public key: the material, or a temporary key.
    pub material: &'a [u8],
    /// A private key (PKCS#8, DER) wrapped under that temporary key, where it comes beside.
    pub private_key: Option<&'a [u8]>,
}

/// Makes a key pair for one import and gives its public half, with a token that holds the private
/// one: nothing of it is kept here, and it opens for this key only. Earlier tokens stay good.
///
/// # Errors
/// [`Error::Import`] when the key takes no material; [`Error::Invalid`] when the algorithm does not
/// go with the pair, or this build does not have it.
pub async fn parameters(
    cx: &mut Context,
    key: &KeyRef,
    pair: WrappingPair,
    algorithm: &str,
) -> Result<(Key, Parameters)> {
    let kind = pair.material();
    let algorithm = WrappingAlgorithm::from_name(algorithm)
        .filter(|algorithm| algorithm.fits(kind) && kind.is_supported())
        .ok_or_else(|| Error::invalid("wrapping_algorithm", "is not offered here"))?;
    let key = cx.key(key).await?;
    must_be_original(&key)?;
    let now = cx.kms().deadline_now();
    must_have_room(&key, &cx.kms().imported_materials(&key).await?, now)?;
    let env = cx.env().clone();
    // A pair for each token, found when it is asked for: about a tenth of a second for RSA-2048.
    // Keeping some ready would save that, and would keep private keys in memory that nobody asked
    // for.
    let pair = cx
        .kms()
        .slowly(move || Material::generate(kind, env.entropy()))
        .await?
        .map_err(fault)?;
    let expires_at = Timestamp::from_seconds(now.plus(TOKEN_LIFE).seconds());
    let public_key = pair.public_key_der().map_err(fault)?;
    let token = OpenedImportToken {
        key_id: key.id.to_string(),
        algorithm,
        expires_at: expires_at.millis(),
        pair,
    };
    let sealing = cx.project_key().await?;
    let token = token.seal(
        sealing.token(TokenKind::Import),
        cx.kms().place_of_import_token(&key.project, &key.region),
        cx.env().entropy(),
    );
    let parameters = Parameters {
        public_key,
        token,
        expires_at,
    };
    Ok((key, parameters))
}

/// Brings material in. The first one, or the last that was missing, makes the key usable; a further
/// one for a key that can be used waits for a rotation on demand. `temporary` says of which families
/// material may have an end.
///
/// # Errors
/// [`Error::Import`]; [`Error::Invalid`] when it shall have an end and must not.
pub async fn import(
    cx: &mut Context,
    key: &KeyRef,
    wrapped: Wrapped<'_>,
    expires_at: Option<Timestamp>,
    temporary: &[Family],
) -> Result<Key> {
    let mut key = cx.key(key).await?;
    must_be_original(&key)?;
    let now = cx.kms().deadline_now();
    let mut materials = cx.kms().imported_materials(&key).await?;
    must_have_room(&key, &materials, now)?;
    if expires_at.is_some() && !temporary.contains(&key.spec.family()) {
        return Err(Error::invalid(
            "expiration_time",
            "does not go with a private key, which stays until its key is deleted",
        ));
    }
    if expires_at.is_some_and(|at| at <= now) {
        return Err(Error::Import(ImportFault::ExpiryPassed));
    }
    let material = unwrap(cx, &key, wrapped, now).await?;
    let sealing = cx.project_key().await?;
    let place = cx.kms().place_of_check_value(&key.project, &key.id);
    let check_value = material.check_value(sealing.check(), &place);

    let at = match materials
        .iter()
        .position(|known| constant_time_eq(&known.check_value, &check_value))
    {
        // What is there may come again only while the key cannot be used for lack of another.
        Some(at) if key.state != KeyState::PendingImport && materials[at].is_there(now) => {
            return Err(Error::Import(ImportFault::IsThere));
        }
        Some(at) => at,
        None if key.state == KeyState::PendingImport && !materials.is_empty() => {
            return Err(Error::Import(ImportFault::Differs));
        }
        None => {
            let newest = materials.iter().map(|known| known.version).max();
            materials.push(ImportedMaterial {
                project: key.project.clone(),
                region: key.region.clone(),
                key: key.id.clone(),
                version: newest.unwrap_or(0) + 1,
                id: MaterialId::from_random(cx.env().random()),
                check_value,
                expires_at: None,
                in_use_since: newest.is_none().then_some(now),
                is_stored: false,
                created_at: now,
            });
            materials.len() - 1
        }
    };
    let imported = &mut materials[at];
    imported.expires_at = expires_at;
    let was_stored = std::mem::replace(&mut imported.is_stored, true);
    let imported = imported.clone();
    key.settle(&materials, now);

    let mut writes = vec![cx.kms().saved(&mut key).await?];
    if was_stored {
        // Its time is over, and it has not been removed yet.
        writes.push(drop_of(&key, imported.version));
    }
    let sealed = cx
        .kms()
        .seal_material(&key, imported.version, &material, now)
        .await?;
    writes.push(Write::InsertMaterial {
        key: Box::new(key.clone()),
        material: sealed,
    });
    writes.push(cx.kms().saved_material(&imported).await?);
    cx.note(format!("version {}", imported.version));
    cx.change(&key, writes);
    Ok(key)
}

/// Drops everything that was imported into a key. `temporary` says of which families it may be.
///
/// # Errors
/// [`Error::Import`].
pub async fn delete(cx: &mut Context, key: &KeyRef, temporary: &[Family]) -> Result<Key> {
    let mut key = cx.key(key).await?;
    must_be_original(&key)?;
    if !temporary.contains(&key.spec.family()) {
        return Err(Error::Import(ImportFault::Stays));
    }
    let kms = cx.kms().clone();
    let (writes, dropped) = drop_where(&kms, &mut key, |_| true, kms.deadline_now()).await?;
    cx.note(format!("{dropped} dropped"));
    cx.change(&key, writes);
    Ok(key)
}

/// What it takes to drop the materials of a key whose time is over, and how many they are.
///
/// # Errors
/// [`Error::Internal`], [`Error::Unavailable`].
pub(super) async fn expire(
    kms: &Kms,
    key: &mut Key,
    now: Timestamp,
) -> Result<(Vec<Write>, usize)> {
    drop_where(kms, key, |material| !material.is_there(now), now).await
}

/// The one place where bytes of imported material are given up.
async fn drop_where(
    kms: &Kms,
    key: &mut Key,
    which: impl Fn(&ImportedMaterial) -> bool,
    now: Timestamp,
) -> Result<(Vec<Write>, usize)> {
    let mut materials = kms.imported_materials(key).await?;
    let mut drops = Vec::new();
    for material in &mut materials {
        if material.is_stored && which(material) {
            material.is_stored = false;
            material.expires_at = None;
            drops.push(drop_of(key, material.version));
            drops.push(kms.saved_material(material).await?);
        }
    }
    key.settle(&materials, now);
    let dropped = drops.len() / 2;
    let mut writes = vec![kms.saved(key).await?];
    writes.append(&mut drops);
    Ok((writes, dropped))
}

fn drop_of(key: &Key, version: u32) -> Write {
    Write::DropMaterial {
        key: Box::new(key.clone()),
        version,
    }
}

/// The copies of a key have its material, and none of their own.
fn must_be_original(key: &Key) -> Result<()> {
    if key.is_replica() {
        Err(Error::Import(ImportFault::OnReplica))
    } else {
        Ok(())
    }
}

/// A key that waits for import takes material; which, its bytes decide. One that can be used takes
/// another one, to be rotated to, if it can be rotated and none waits already.
fn must_have_room(key: &Key, materials: &[ImportedMaterial], now: Timestamp) -> Result<()> {
    if key.state == KeyState::PendingImport {
        return Ok(());
    }
    let waits = |material: &ImportedMaterial| material.waits() && material.is_there(now);
    Err(Error::Import(
        if rotation::must_be_symmetric(key).is_err() {
            ImportFault::HasMaterial
        } else if materials.iter().any(waits) {
            ImportFault::OneWaits
        } else if materials.len() >= limits::MATERIALS_PER_KEY {
            ImportFault::TooMany
        } else {
            return Ok(());
        },
    ))
}

/// Opens the token and, with the private half in it, the material.
async fn unwrap(cx: &Context, key: &Key, wrapped: Wrapped<'_>, now: Timestamp) -> Result<Material> {
    let Wrapped {
        token,
        material,
        private_key,
    } = wrapped;
    let sealing = cx.project_key().await?;
    let place = cx.kms().place_of_import_token(&key.project, &key.region);
    let token = OpenedImportToken::open(sealing.token(TokenKind::Import), place, token)
        .map_err(|_| Error::Import(ImportFault::TokenInvalid))?;
    if token.key_id != key.id.as_str() {
        return Err(Error::Import(ImportFault::TokenOfAnotherKey));
    }
    if token.expires_at <= now.millis() {
        return Err(Error::Import(ImportFault::TokenExpired));
    }
    let kind = material_kind(key.spec);
    if private_key.is_some() && !kind.is_asymmetric() {
        return Err(Error::invalid(
            "encrypted_privatekey",
            "does not go with a symmetric key",
        ));
    }
    if private_key.is_none() && kind.is_asymmetric() && !token.algorithm.has_two_steps() {
        return Err(Error::Import(ImportFault::NoPrivateKey));
    }
    let (material, private_key) = (material.to_vec(), private_key.map(<[u8]>::to_vec));
    cx.kms()
        .uses_slowly(move || open_wrapped(kind, &token, &material, private_key.as_deref()))
        .await?
        .map_err(Error::Import)
}

fn open_wrapped(
    kind: MaterialKind,
    token: &OpenedImportToken,
    material: &[u8],
    private_key: Option<&[u8]>,
) -> std::result::Result<Material, ImportFault> {
    let opened = wrap::unwrap(&token.pair, token.algorithm, material)
        .map_err(|_| ImportFault::DoesNotUnwrap)?;
    let bytes = match private_key {
        None => opened,
        Some(private_key) => open_beside(token.algorithm, &opened, private_key)?,
    };
    Material::import(kind, bytes).map_err(|_| match kind.byte_len() {
        Some(len) => ImportFault::WrongLength(len),
        None => ImportFault::BadPrivateKey,
    })
}

/// A private key that came beside the temporary key that wraps it.
fn open_beside(
    algorithm: WrappingAlgorithm,
    temporary: &Secret,
    private_key: &[u8],
) -> std::result::Result<Secret, ImportFault> {
    let wrapping = algorithm.temporary_key();
    if temporary.expose().len() != wrapping.key_len() {
        return Err(ImportFault::TemporaryKeyLength(wrapping.key_len()));
    }
    wrapping
        .unwrap(temporary, private_key)
        .map_err(|_| ImportFault::BadPrivateKey)
}

fn fault(error: crate::crypto::CryptoError) -> Error {
    Error::Internal(format!("wrapping pair: {error}"))
}
