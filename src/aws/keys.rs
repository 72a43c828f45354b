//! The life of keys, as AWS spells it.

use serde::{Deserialize, Serialize};

use super::encapsulation::ML_KEM;
use super::naming::{KeyName, arn_of};
use super::paging::{self, Turn};
use super::tags::{Tag, given};
use super::wire::{Seconds, answer, decode, nothing};
use crate::dialect::{Reply, Request};
use crate::kms::{Context, material_kind};
use crate::limits::AWS_TAGS_PER_KEY;
use crate::model::action::Action;
use crate::model::error::{Error, Result};
use crate::model::ids::{HsmClusterId, KeystoreId};
use crate::model::key::Key;
use crate::model::spec::{KeySpec, KeyUsage, Origin};
use crate::model::state::{KeyState, Verdict};
use crate::operations::keys::{self, NewKey};
use crate::operations::pages::Position;
use crate::operations::resource_policies::NewPolicy;
use crate::operations::tags::put_first;
use crate::operations::{material_ids, uses};

/// For how many days a deletion waits when nobody says.
const DEFAULT_WINDOW: u32 = 30;
/// For how many it may wait in this dialect (contract, section 4).
const WINDOW: std::ops::RangeInclusive<u32> = 7..=30;
/// The spec of a key when nobody says.
const SYMMETRIC_DEFAULT: &str = "SYMMETRIC_DEFAULT";
/// Of which specs material may be imported: of every one (contract, section 11.7) but those whose
/// private keys the vendor's documents give no form to be imported in.
const IMPORTABLE: &[KeySpec] = &[
    KeySpec::Aes256,
    KeySpec::Rsa2048,
    KeySpec::Rsa3072,
    KeySpec::Rsa4096,
    KeySpec::EcP256,
    KeySpec::EcP384,
    KeySpec::EcP521,
    KeySpec::Secp256k1,
    KeySpec::Sm2,
    KeySpec::Ed25519,
    KeySpec::Hmac224,
    KeySpec::Hmac256,
    KeySpec::Hmac384,
    KeySpec::Hmac512,
];
/// How many keys a page has when nobody says.
const PAGE: u32 = 100;
/// What its markers are good for.
const LIST: &str = "ListKeys";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateKey {
    description: Option<String>,
    key_usage: Option<String>,
    customer_master_key_spec: Option<String>,
    key_spec: Option<String>,
    origin: Option<String>,
    custom_key_store_id: Option<String>,
    multi_region: Option<bool>,
    tags: Option<Vec<Tag>>,
    policy: Option<String>,
    bypass_policy_lockout_safety_check: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NamedKey {
    key_id: KeyName,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListKeys {
    limit: Option<u32>,
    marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduleKeyDeletion {
    key_id: KeyName,
    pending_window_in_days: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateKeyDescription {
    key_id: KeyName,
    description: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InKeyMetadata {
    key_metadata: KeyMetadata,
}

/// A key as AWS describes it (contract, section 11.1): what does not apply is left out.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyMetadata {
    #[serde(rename = "AWSAccountId")]
    aws_account_id: String,
    key_id: String,
    arn: String,
    creation_date: Seconds,
    enabled: bool,
    description: String,
    key_usage: &'static str,
    key_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_date: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_to: Option<Seconds>,
    origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_model: Option<&'static str>,
    key_manager: &'static str,
    customer_master_key_spec: &'static str,
    key_spec: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_algorithms: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_algorithms: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac_algorithms: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_agreement_algorithms: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encapsulation_algorithms: Option<Vec<&'static str>>,
    multi_region: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_region_configuration: Option<MultiRegionConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_deletion_window_in_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_key_store_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_hsm_cluster_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_key_material_id: Option<String>,
}

/// Where a multi-region key and its replicas are.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MultiRegionConfiguration {
    multi_region_key_type: &'static str,
    primary_key: MultiRegionKey,
    replica_keys: Vec<MultiRegionKey>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MultiRegionKey {
    arn: String,
    region: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyList {
    keys: Vec<KeyListEntry>,
    #[serde(flatten)]
    turn: Turn,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyListEntry {
    key_id: String,
    key_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Scheduled {
    key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_date: Option<Seconds>,
    key_state: &'static str,
    pending_window_in_days: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyLastUsage {
    key_id: String,
    key_last_usage: LastUsage,
    tracking_start_date: Seconds,
    key_creation_date: Seconds,
}

#[derive(Serialize)]
#[serde(untagged)]
enum LastUsage {
    Never {},
    Once(LastUse),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LastUse {
    operation: &'static str,
    timestamp: Seconds,
    cloud_trail_event_id: String,
    kms_request_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyIdOnly {
    key_id: String,
}

/// What AWS calls each spec.
pub const fn spec_name(spec: KeySpec) -> &'static str {
    match spec {
        KeySpec::Aes256 => SYMMETRIC_DEFAULT,
        KeySpec::EcP256 => "ECC_NIST_P256",
        KeySpec::EcP384 => "ECC_NIST_P384",
        KeySpec::EcP521 => "ECC_NIST_P521",
        KeySpec::Secp256k1 => "ECC_SECG_P256K1",
        KeySpec::Ed25519 => "ECC_NIST_EDWARDS25519",
        // The rest are called alike; SM4 and HMAC_SM3 are Huawei's alone.
        other => other.name(),
    }
}

/// The spec that AWS calls so.
///
/// # Errors
/// [`Error::SpecNotOffered`] for one of AWS's that kmsd cannot make.
pub fn spec_named(name: &str) -> Result<KeySpec> {
    KeySpec::ALL
        .into_iter()
        .filter(|spec| !matches!(spec, KeySpec::Sm4 | KeySpec::HmacSm3))
        .find(|spec| spec_name(*spec) == name)
        .ok_or_else(|| Error::Constraint(format!("KeySpec {name} is not offered here")))
}

/// `CreateKey`
pub async fn create(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: CreateKey = decode(request, "CreateKey")?;
    let spec = match (asked.key_spec, asked.customer_master_key_spec) {
        (Some(_), Some(_)) => {
            return Err(Error::Constraint(
                "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. \
                 CustomerMasterKeySpec is deprecated."
                    .into(),
            ));
        }
        (Some(name), None) | (None, Some(name)) => spec_named(&name)?,
        (None, None) => KeySpec::Aes256,
    };
    let usage = asked
        .key_usage
        .map(|usage| {
            KeyUsage::parse(&usage).map_err(|form| Error::Constraint(format!("KeyUsage {form}")))
        })
        .transpose()?;
    if usage.is_none() && spec != KeySpec::Aes256 {
        return Err(Error::Constraint(
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption \
             keys."
                .into(),
        ));
    }
    if (spec, usage) == (KeySpec::Secp256k1, Some(KeyUsage::KeyAgreement)) {
        // It can, but not in this dialect (contract, section 11.1).
        return Err(Error::UsageMismatch {
            spec: spec.name(),
            usage: KeyUsage::KeyAgreement.name(),
        });
    }
    let origin = match asked.origin.as_deref() {
        None | Some("AWS_KMS" | "AWS_CLOUDHSM") => Origin::Kms,
        Some("EXTERNAL") => Origin::External,
        Some(other) => {
            return Err(Error::Constraint(format!(
                "Origin {other} is not offered here"
            )));
        }
    };
    let in_cluster = asked.origin.as_deref() == Some("AWS_CLOUDHSM");
    let keystore = match asked.custom_key_store_id {
        Some(id) if in_cluster => KeystoreId::parse(id).map_err(|_| Error::KeystoreNotFound)?,
        None if !in_cluster => KeystoreId::built_in(),
        _ => {
            return Err(Error::Constraint(
                "CustomKeyStoreId and the Origin AWS_CLOUDHSM go together".into(),
            ));
        }
    };
    let new = NewKey {
        policy: asked.policy.map(|document| NewPolicy {
            document,
            may_lock_out: asked.bypass_policy_lockout_safety_check.unwrap_or(false),
        }),
        // AWS's keys have no names; Huawei's must, each its own. The id is one.
        name: None,
        spec,
        usage,
        origin,
        importable: IMPORTABLE,
        description: asked.description.unwrap_or_default(),
        enterprise_project: "0".into(),
        keystore,
        multi_region: asked.multi_region == Some(true),
    };
    let tags = given(asked.tags.unwrap_or_default())?;
    if !tags.is_empty() {
        cx.permit_also(Action::ChangeTags)?;
    }
    let (key, material_id) = keys::create(cx, new).await?;
    put_first(cx, &key, tags, AWS_TAGS_PER_KEY)?;
    answer(&InKeyMetadata {
        key_metadata: metadata(cx, &key, material_id).await?,
    })
}

/// `DescribeKey`
pub async fn describe(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request, "DescribeKey")?;
    let reference = asked.key_id.any(cx)?;
    let key = keys::describe(cx, &reference).await?;
    let material_id = material_ids::current(cx, &key).await?;
    answer(&InKeyMetadata {
        key_metadata: metadata(cx, &key, material_id).await?,
    })
}

/// `ListKeys`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ListKeys = decode(request, "ListKeys")?;
    let limit = asked.limit.unwrap_or(PAGE);
    let after = paging::after(cx, LIST, asked.marker.as_deref()).await?;
    let mut keys = keys::list_after(cx, after.as_ref(), limit.saturating_add(1)).await?;
    let turn = paging::turn(cx, LIST, &mut keys, limit, |key| Position {
        at: key.created_at,
        id: key.id.to_string(),
    })
    .await?;
    let project = cx.project()?;
    answer(&KeyList {
        keys: keys
            .iter()
            .map(|key| KeyListEntry {
                key_id: key.id.to_string(),
                key_arn: super::naming::key_arn(&key.region, project, &key.id),
            })
            .collect(),
        turn,
    })
}

/// `EnableKey`
pub async fn enable(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request, "EnableKey")?;
    let reference = asked.key_id.id(cx)?;
    unless_already_there(keys::enable(cx, &reference).await)
}

/// `DisableKey`
pub async fn disable(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request, "DisableKey")?;
    let reference = asked.key_id.id(cx)?;
    unless_already_there(keys::disable(cx, &reference).await)
}

/// Enabling what is enabled is no error here (contract, section 3).
fn unless_already_there(done: Result<Key>) -> Result<Reply> {
    match done {
        Ok(_) | Err(Error::WrongState(_, Verdict::AlreadyThere)) => Ok(nothing()),
        Err(error) => Err(error),
    }
}

/// `ScheduleKeyDeletion`
pub async fn schedule_deletion(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ScheduleKeyDeletion = decode(request, "ScheduleKeyDeletion")?;
    let days = asked.pending_window_in_days.unwrap_or(DEFAULT_WINDOW);
    if !WINDOW.contains(&days) {
        return Err(Error::invalid("pending_days", "must be between 7 and 30"));
    }
    let reference = asked.key_id.id(cx)?;
    let key = keys::schedule_deletion(cx, &reference, days, true).await?;
    answer(&Scheduled {
        key_id: arn_of(cx, &key)?,
        deletion_date: key.state.delete_at().map(Seconds),
        key_state: state_name(&key),
        pending_window_in_days: days,
    })
}

/// `CancelKeyDeletion`
pub async fn cancel_deletion(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request, "CancelKeyDeletion")?;
    let reference = asked.key_id.id(cx)?;
    let key = keys::cancel_deletion(cx, &reference).await?;
    answer(&KeyIdOnly {
        key_id: arn_of(cx, &key)?,
    })
}

/// `UpdateKeyDescription`
pub async fn update_description(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: UpdateKeyDescription = decode(request, "UpdateKeyDescription")?;
    let reference = asked.key_id.id(cx)?;
    keys::update_description(cx, &reference, asked.description).await?;
    Ok(nothing())
}

/// `GetKeyLastUsage`: from the audit trail, which has every use since the key was made.
pub async fn last_usage(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request, "GetKeyLastUsage")?;
    let (key, record) = uses::last(cx, &asked.key_id.id(cx)?).await?;
    let used = record.map(|record| {
        let request = super::error::as_uuid(&record.request_id);
        LastUse {
            operation: match record.action {
                // What AWS's clients would have called to the same end.
                Action::EncryptDataKey => Action::Encrypt,
                Action::DecryptDataKey | Action::DecryptDatakeyCapsule => Action::Decrypt,
                Action::CreateDatakeyCapsule => Action::GenerateDataKey,
                other => other,
            }
            .name(),
            timestamp: Seconds(record.at),
            cloud_trail_event_id: request.clone(),
            kms_request_id: request,
        }
    });
    answer(&KeyLastUsage {
        key_id: arn_of(cx, &key)?,
        key_last_usage: used.map_or(LastUsage::Never {}, LastUsage::Once),
        tracking_start_date: Seconds(key.created_at),
        key_creation_date: Seconds(key.created_at),
    })
}

/// What AWS calls a key's state.
pub const fn state_name(key: &Key) -> &'static str {
    match key.state {
        KeyState::Enabled => "Enabled",
        KeyState::Disabled => "Disabled",
        KeyState::PendingDeletion { .. } => "PendingDeletion",
        KeyState::PendingImport => "PendingImport",
        KeyState::PendingReplicaDeletion { .. } => "PendingReplicaDeletion",
    }
}

/// A key as `CreateKey` and `DescribeKey` show it.
///
/// # Errors
/// As [`arn_of`].
pub async fn metadata(cx: &Context, key: &Key, material_id: Option<String>) -> Result<KeyMetadata> {
    let keystore = match key.keystore.is_built_in() {
        true => None,
        false => Some(cx.keystore(&key.keystore).await?),
    };
    // While its store is disconnected a key can only leave.
    let is_away = keystore.as_ref().is_some_and(|store| !store.enabled) && !key.state.is_leaving();
    let kind = material_kind(key.spec);
    let names = |usage, names: Vec<&'static str>| (key.usage == usage).then_some(names);
    let spec = spec_name(key.spec);
    let has_material = key.current_version.is_some();
    Ok(KeyMetadata {
        aws_account_id: cx.owner_of(key)?.account.to_string(),
        key_id: key.id.to_string(),
        arn: arn_of(cx, key)?,
        creation_date: Seconds(key.created_at),
        enabled: key.state == KeyState::Enabled && !is_away,
        description: key.description.clone(),
        key_usage: key.usage.name(),
        key_state: if is_away {
            "Unavailable"
        } else {
            state_name(key)
        },
        deletion_date: key.state.delete_at().map(Seconds),
        valid_to: key.material_expires_at.map(Seconds),
        origin: origin_name(key),
        expiration_model: (key.origin == Origin::External && has_material).then_some(
            match key.material_expires_at {
                Some(_) => "KEY_MATERIAL_EXPIRES",
                None => "KEY_MATERIAL_DOES_NOT_EXPIRE",
            },
        ),
        key_manager: if key.is_default() { "AWS" } else { "CUSTOMER" },
        customer_master_key_spec: spec,
        key_spec: spec,
        encryption_algorithms: names(
            KeyUsage::EncryptDecrypt,
            kind.encryption_algorithms()
                .iter()
                .map(|algorithm| algorithm.name())
                .collect(),
        ),
        signing_algorithms: names(
            KeyUsage::SignVerify,
            kind.signing_algorithms()
                .iter()
                .map(|algorithm| algorithm.name())
                .collect(),
        ),
        mac_algorithms: names(
            KeyUsage::GenerateVerifyMac,
            kind.mac_algorithm()
                .iter()
                .map(|algorithm| algorithm.name())
                .collect(),
        ),
        key_agreement_algorithms: names(KeyUsage::KeyAgreement, vec!["ECDH"]),
        encapsulation_algorithms: names(KeyUsage::EncapsulateDecapsulate, vec![ML_KEM]),
        multi_region: key.primary_region.is_some(),
        multi_region_configuration: configuration(cx, key).await?,
        pending_deletion_window_in_days: key.state.replica_wait(),
        custom_key_store_id: keystore.as_ref().map(|store| store.id.to_string()),
        cloud_hsm_cluster_id: keystore.map(|store| cluster_name(&store.cluster)),
        current_key_material_id: material_id,
    })
}

/// A replica as it is told while it is being made: it can be used once the answer is there.
///
/// # Errors
/// As [`metadata`].
pub async fn metadata_of_new_replica(cx: &Context, key: &Key) -> Result<KeyMetadata> {
    Ok(KeyMetadata {
        enabled: false,
        key_state: "Creating",
        ..metadata(cx, key, None).await?
    })
}

/// What AWS calls where a key's material comes from.
pub fn origin_name(key: &Key) -> &'static str {
    match key.origin {
        Origin::Kms if !key.keystore.is_built_in() => "AWS_CLOUDHSM",
        Origin::Kms => "AWS_KMS",
        Origin::External => "EXTERNAL",
    }
}

/// Where a multi-region key and its replicas are.
async fn configuration(cx: &Context, key: &Key) -> Result<Option<MultiRegionConfiguration>> {
    let Some(primary) = &key.primary_region else {
        return Ok(None);
    };
    let place = |key: &Key| -> Result<MultiRegionKey> {
        Ok(MultiRegionKey {
            arn: arn_of(cx, key)?,
            region: key.region.to_string(),
        })
    };
    let mut all = cx.kms().copies(key).await?;
    all.push(key.clone());
    all.sort_by(|one, other| one.region.as_str().cmp(other.region.as_str()));
    let (primaries, replicas): (Vec<_>, Vec<_>) =
        all.iter().partition(|copy| copy.region == *primary);
    let first = primaries
        .first()
        .ok_or_else(|| Error::Internal(format!("key {} has no primary", key.id)))?;
    Ok(Some(MultiRegionConfiguration {
        multi_region_key_type: if key.is_replica() {
            "REPLICA"
        } else {
            "PRIMARY"
        },
        primary_key: place(first)?,
        replica_keys: replicas.into_iter().map(place).collect::<Result<_>>()?,
    }))
}

/// What AWS's clients call a cluster: the last ten bytes of its id in base 32 (RFC 4648), for theirs
/// have sixteen such characters at most.
pub fn cluster_name(cluster: &HsmClusterId) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits = uuid::Uuid::parse_str(cluster.as_str()).map_or(0, |id| id.as_u128());
    let letters = (0..16_u32).rev().map(|at| {
        let five = usize::try_from((bits >> (at * 5)) & 31).unwrap_or(0);
        char::from(ALPHABET[five])
    });
    format!("cluster-{}", letters.collect::<String>())
}
