//! Imported key material: brought in, brought back, dropped.
//!
//! A key may hold several materials, one for each version. All that were ever in use must be there
//! for it to be used, because its ciphertexts may name any of them; what was dropped comes back as
//! the same bytes only.

use std::time::Duration;

use super::{material_ids, rotation};
use crate::crypto::hash::constant_time_eq;
use crate::crypto::import_token::OpenedImportToken;
use crate::crypto::keyring::TokenKind;
use crate::crypto::material::{Material, MaterialKind};
use crate::crypto::secret::Secret;
use crate::crypto::wrap::{self, WrappingAlgorithm};
use crate::kms::{Context, Kms, material_kind, policies};
use crate::limits;
use crate::model::error::{Error, ImportFault, Result};
use crate::model::ids::MaterialId;
use crate::model::key::{Key, KeyRef};
use crate::model::material::ImportedMaterial;
use crate::model::policy::Fact;
use crate::model::spec::{Family, KeySpec};
use crate::model::state::{KeyState, Verdict};
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

/// What a dialect lets be done with imported material.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Of which families it may have an end, and be dropped.
    pub temporary: &'static [Family],
    /// Which verdicts of the state table keep nobody from bringing material.
    pub brought_despite: &'static [Verdict],
    /// Which keep nobody from dropping it.
    pub dropped_despite: &'static [Verdict],
    /// Whether what is there may come again, to have another end.
    pub repeatable: bool,
    /// Whether the copies of a key take material too: the same as their primary.
    pub in_copies: bool,
    /// Whether a private key comes encrypted by itself, or in two steps in one, and none beside.
    pub in_one_piece: bool,
}

/// What is said of material on its way in.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// Whether it is new to the key, or was imported before. Where nobody says, it may be either, or
    /// only the first is new, where what was imported may be repeated.
    pub is_new: Option<bool>,
    /// The id that it must have.
    pub id: Option<String>,
    /// What its owner notes of it.
    pub description: Option<String>,
}

/// Which materials are dropped.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// All of them.
    All,
    /// The current one.
    Current,
    /// The one of this id.
    Id(&'a str),
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
    rules: &Rules,
) -> Result<(Key, Parameters)> {
    let kind = pair.material();
    let algorithm = WrappingAlgorithm::from_name(algorithm)
        .filter(|algorithm| algorithm.fits(kind) && kind.is_supported())
        .ok_or_else(|| Error::invalid("wrapping_algorithm", "is not offered here"))?;
    let spelt = policies::algorithm_name(algorithm.name());
    cx.asked().tell(Fact::WrappingAlgorithm, spelt);
    cx.asked().tell(Fact::WrappingKeySpec, kind.name());
    let key = cx.key_despite(key, rules.brought_despite).await?;
    must_take_material(&key, rules)?;
    if rules.in_one_piece {
        must_fit(&key, kind, algorithm)?;
    }
    let now = cx.kms().deadline_now();
    if !rules.repeatable {
        must_have_room(&key, &cx.kms().imported_materials(&key).await?, now)?;
    }
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
/// one for a key that can be used waits for a rotation on demand. Gives the material's id too.
///
/// # Errors
/// [`Error::Import`]; [`Error::MaterialWaits`]; [`Error::Invalid`] when it shall have an end and must
/// not.
pub async fn import(
    cx: &mut Context,
    key: &KeyRef,
    wrapped: Wrapped<'_>,
    expires_at: Option<Timestamp>,
    offer: &Offer,
    rules: &Rules,
) -> Result<(Key, String)> {
    let model = match expires_at {
        Some(at) => {
            cx.asked().tell(Fact::ValidTo, at.seconds().to_string());
            "KEY_MATERIAL_EXPIRES"
        }
        None => "KEY_MATERIAL_DOES_NOT_EXPIRE",
    };
    cx.asked().tell(Fact::ExpirationModel, model);
    let mut key = cx.key_despite(key, rules.brought_despite).await?;
    must_take_material(&key, rules)?;
    let now = cx.kms().deadline_now();
    let mut materials = cx.kms().imported_materials(&key).await?;
    if !rules.repeatable {
        must_have_room(&key, &materials, now)?;
    }
    if expires_at.is_some() && !rules.temporary.contains(&key.spec.family()) {
        return Err(Error::invalid(
            "expiration_time",
            "does not go with a private key, which stays until its key is deleted",
        ));
    }
    if expires_at.is_some_and(|at| at <= now) {
        return Err(Error::Import(ImportFault::ExpiryPassed));
    }
    let is_new = match offer.is_new {
        None if rules.repeatable => Some(materials.is_empty()),
        given => given,
    };
    let material = unwrap(cx, &key, wrapped, rules, now).await?;
    // Of the project that all copies of the key have in common: they know the same material again.
    let common = key.bound_project();
    let sealing = cx.kms().project_key(common).await?;
    let place = cx.kms().place_of_check_value(common, &key.id);
    let check_value = material.check_value(sealing.check(), &place);

    let mut added = false;
    let at = match materials
        .iter()
        .position(|known| constant_time_eq(&known.check_value, &check_value))
    {
        Some(_) if is_new == Some(true) => {
            return Err(Error::Import(ImportFault::Differs));
        }
        // Else what is there may come again only while the key cannot be used for lack of another.
        Some(at)
            if !rules.repeatable
                && key.state != KeyState::PendingImport
                && materials[at].is_there(now) =>
        {
            return Err(Error::Import(ImportFault::IsThere));
        }
        Some(at) => at,
        None if is_new == Some(false) => {
            return Err(Error::Import(ImportFault::Differs));
        }
        None if key.state == KeyState::PendingImport && !materials.is_empty() => {
            return Err(Error::Import(ImportFault::Differs));
        }
        // What is new comes to the primary first.
        None if key.is_replica() => return Err(Error::Import(ImportFault::Differs)),
        None => {
            let waits = |known: &&ImportedMaterial| known.waits() && known.is_there(now);
            if let Some(waiting) = materials.iter().find(waits) {
                return Err(Error::MaterialWaits {
                    new: material_ids::of_check_value(&check_value),
                    waiting: material_ids::of_imported(waiting),
                });
            }
            must_have_room(&key, &materials, now)?;
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
                description: String::new(),
                created_at: now,
            });
            added = true;
            materials.len() - 1
        }
    };
    let imported = &mut materials[at];
    let id = material_ids::of_imported(imported);
    if offer.id.as_ref().is_some_and(|wanted| *wanted != id) {
        return Err(Error::Import(ImportFault::Differs));
    }
    if let Some(description) = &offer.description {
        imported.description.clone_from(description);
    }
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
    if added {
        // Its copies wait for it too, and none of them is rotated before all have it.
        for mut copy in cx.kms().copies(&key).await? {
            let expected = imported.expected_by(&copy);
            writes.push(cx.kms().saved(&mut copy).await?);
            writes.push(cx.kms().saved_material(&expected).await?);
        }
    }
    cx.note(format!("version {}", imported.version));
    cx.change(&key, writes);
    Ok((key, id))
}

/// Drops what was imported into a key. Gives the id of what was dropped, where that is one.
///
/// # Errors
/// [`Error::Import`].
pub async fn delete(
    cx: &mut Context,
    key: &KeyRef,
    which: Which<'_>,
    rules: &Rules,
) -> Result<(Key, Option<String>)> {
    let mut key = cx.key_despite(key, rules.dropped_despite).await?;
    must_take_material(&key, rules)?;
    if !rules.temporary.contains(&key.spec.family()) {
        return Err(Error::Import(ImportFault::Stays));
    }
    let kms = cx.kms().clone();
    let materials = kms.imported_materials(&key).await?;
    let one = match which {
        Which::All => None,
        Which::Current => materials.iter().rfind(|material| !material.waits()),
        Which::Id(id) => Some(
            materials
                .iter()
                .find(|material| material_ids::of_imported(material) == id)
                .ok_or(Error::Import(ImportFault::NoSuchMaterial))?,
        ),
    };
    let is_meant = |material: &ImportedMaterial| match which {
        Which::All => true,
        Which::Current | Which::Id(_) => one.is_some_and(|one| one.version == material.version),
    };
    let (writes, dropped) = drop_where(&kms, &mut key, is_meant, kms.deadline_now()).await?;
    cx.note(format!("{dropped} dropped"));
    cx.change(&key, writes);
    Ok((key, one.map(material_ids::of_imported)))
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

/// Whether material comes and goes in this region, or in the primary's only.
fn must_take_material(key: &Key, rules: &Rules) -> Result<()> {
    match key.is_replica() && !rules.in_copies {
        true => Err(Error::Import(ImportFault::OnReplica)),
        false => Ok(()),
    }
}

/// Private keys are long: RSA keys come in two steps, and a key on P-521 does not fit into the
/// smallest modulus (contract, section 11.7).
fn must_fit(key: &Key, pair: MaterialKind, algorithm: WrappingAlgorithm) -> Result<()> {
    let is_long =
        key.spec.is_rsa() || (key.spec == KeySpec::EcP521 && pair == MaterialKind::Rsa2048);
    match is_long && !algorithm.has_two_steps() {
        true => Err(Error::invalid(
            "wrapping_algorithm",
            "does not go with so long a private key; wrap it under an AES key",
        )),
        false => Ok(()),
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
async fn unwrap(
    cx: &Context,
    key: &Key,
    wrapped: Wrapped<'_>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Material> {
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
    let comes_beside = kind.is_asymmetric() && !rules.in_one_piece;
    if private_key.is_none() && comes_beside && !token.algorithm.has_two_steps() {
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
