//! The life of keys, as Huawei spells it (contract, section 4.1 and 4.9).

use serde::{Deserialize, Serialize};
use validator::Validate;

use super::keystores::keystore_id;
use super::wire::{
    DEFAULT_ENTERPRISE_PROJECT, KeyIdText, KeyRefText, NumberText, Sequence, decode, millis,
    millis_or_empty, page, page_end, without_nul,
};
use crate::config::ListWithoutSpec;
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits;
use crate::model::error::{Error, Result};
use crate::model::ids::{DomainId, EnterpriseProject, KeyName, KeystoreId};
use crate::model::key::{Filter, Key, PENDING_DAYS};
use crate::model::spec::{KeySpec, KeyUsage, Origin};
use crate::operations::grants;
use crate::operations::keys::{self, NewKey};

/// Specs of keys that another dialect makes: they are shown and used here, but not made.
const NOT_MADE: &[KeySpec] = &[
    KeySpec::EcP521,
    KeySpec::MlDsa44,
    KeySpec::MlDsa65,
    KeySpec::MlDsa87,
    KeySpec::MlKem512,
    KeySpec::MlKem768,
    KeySpec::MlKem1024,
    KeySpec::Hmac224,
];

/// Of which specs material may be imported (contract, section 7.6).
const IMPORTABLE: &[KeySpec] = &[
    KeySpec::Aes256,
    KeySpec::Sm4,
    KeySpec::Rsa2048,
    KeySpec::Rsa3072,
    KeySpec::Rsa4096,
    KeySpec::EcP256,
    KeySpec::EcP384,
    KeySpec::Sm2,
];

#[derive(Deserialize, Validate)]
struct CreateKey {
    key_alias: KeyName,
    key_spec: Option<Spec>,
    key_usage: Option<Usage>,
    #[validate(length(max = 255, message = "must be at most 255 characters"))]
    #[validate(custom(function = "without_nul"))]
    key_description: Option<String>,
    origin: Option<OriginText>,
    enterprise_project_id: Option<EnterpriseProject>,
    keystore_id: Option<String>,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct NamedKey {
    key_id: KeyIdText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct AnyKey {
    key_id: KeyRefText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct ListKeys {
    limit: Option<NumberText>,
    marker: Option<NumberText>,
    key_state: Option<NumberText>,
    key_spec: Option<String>,
    enterprise_project_id: Option<String>,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct ScheduleDeletion {
    key_id: KeyIdText,
    pending_days: NumberText,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct UpdateAlias {
    key_id: KeyIdText,
    key_alias: KeyName,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Deserialize, Validate)]
struct UpdateDescription {
    key_id: KeyIdText,
    #[validate(length(max = 255, message = "must be at most 255 characters"))]
    #[validate(custom(function = "without_nul"))]
    key_description: String,
    #[serde(rename = "sequence")]
    _sequence: Option<Sequence>,
}

#[derive(Serialize)]
struct InKeyInfo<T> {
    key_info: T,
}

#[derive(Serialize)]
struct NewKeyInfo<'k> {
    key_id: &'k str,
    domain_id: &'k str,
    region_id: &'k str,
}

/// Everything about a key (contract, section 3.5).
#[derive(Serialize)]
pub(super) struct KeyDetails {
    key_id: String,
    domain_id: String,
    key_alias: String,
    realm: String,
    key_spec: &'static str,
    key_usage: &'static str,
    key_description: String,
    creation_date: String,
    scheduled_deletion_date: String,
    key_state: String,
    default_key_flag: &'static str,
    key_type: &'static str,
    expiration_time: String,
    origin: &'static str,
    key_rotation_enabled: &'static str,
    sys_enterprise_project_id: String,
    keystore_id: String,
    key_label: String,
    partition_type: &'static str,
}

#[derive(Serialize)]
struct KeyStatus<'k> {
    key_id: &'k str,
    key_state: String,
}

#[derive(Serialize)]
struct KeyAlias<'k> {
    key_id: &'k str,
    key_alias: &'k str,
}

#[derive(Serialize)]
struct KeyDescription<'k> {
    key_id: &'k str,
    key_description: &'k str,
}

#[derive(Serialize)]
struct KeyList {
    keys: Vec<String>,
    key_details: Vec<KeyDetails>,
    next_marker: String,
    truncated: &'static str,
    total: u64,
}

#[derive(Serialize)]
struct Instances {
    instance_num: u64,
}

#[derive(Serialize)]
struct Quotas {
    quotas: Resources,
}

#[derive(Serialize)]
struct Resources {
    resources: [Resource; 2],
}

#[derive(Serialize)]
struct Resource {
    #[serde(rename = "type")]
    kind: &'static str,
    used: u64,
    quota: u64,
}

/// `POST …/kms/create-key`
pub async fn create(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: CreateKey = decode(request)?;
    let keystore = match asked.keystore_id.as_deref() {
        None | Some("0") => KeystoreId::built_in(),
        // 1 and 2 are Huawei's own crypto card clusters, which are not here.
        Some(id) => keystore_id(id)?,
    };
    let spec = asked.key_spec.map_or(KeySpec::Aes256, |spec| spec.0);
    if NOT_MADE.contains(&spec) {
        return Err(Error::SpecNotOffered(spec.name()));
    }
    let new = NewKey {
        policy: None,
        name: Some(asked.key_alias),
        spec,
        usage: asked.key_usage.map(|usage| usage.0),
        origin: asked.origin.map_or(Origin::Kms, |origin| origin.0),
        importable: IMPORTABLE,
        description: asked.key_description.unwrap_or_default(),
        enterprise_project: asked.enterprise_project_id.map_or_else(
            || DEFAULT_ENTERPRISE_PROJECT.to_owned(),
            |id| id.to_string(),
        ),
        keystore,
        multi_region: false,
    };
    let (key, _) = keys::create(cx, new).await?;
    let domain = cx.project()?.domain.clone();
    let key_info = NewKeyInfo {
        key_id: key.id.as_str(),
        domain_id: domain.as_str(),
        region_id: key.region.as_str(),
    };
    Reply::json(200, &InKeyInfo { key_info })
}

/// `POST …/kms/describe-key`
pub async fn describe(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: AnyKey = decode(request)?;
    let key = keys::describe(cx, &asked.key_id.0).await?;
    let key_info = details(&cx.domain_of(&key).await?, &key);
    Reply::json(200, &InKeyInfo { key_info })
}

/// `POST …/kms/list-keys`
pub async fn list(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ListKeys = decode(request)?;
    let (offset, limit) = page(asked.limit.as_ref(), asked.marker.as_ref())?;
    let state = match asked.key_state.as_ref().map(NumberText::as_str) {
        None => None,
        Some(code @ ("1" | "2" | "3" | "4" | "5")) => code.parse().ok(),
        Some(_) => return Err(Error::invalid("key_state", "must be 1 to 5")),
    };
    let spec = match asked.key_spec.as_deref() {
        Some("ALL") => None,
        Some(name) => Some(
            KeySpec::parse(name)
                .map_err(|form| Error::invalid("key_spec", format!("{form}, or ALL")))?,
        ),
        None => match cx.kms().config().list_without_spec {
            ListWithoutSpec::Aes => Some(KeySpec::Aes256),
            ListWithoutSpec::All => None,
        },
    };
    let enterprise_project =
        match asked.enterprise_project_id.as_deref() {
            None | Some("all") => None,
            Some(id) => Some(EnterpriseProject::parse(id).map_err(|form| {
                Error::invalid("enterprise_project_id", format!("{form}, or all"))
            })?),
        };
    let filter = Filter {
        state,
        spec,
        enterprise_project: enterprise_project.map(|id| id.to_string()),
    };
    let listed = keys::list(cx, &filter, offset, limit).await?;
    let domain = cx.project()?.domain.clone();
    let (next_marker, truncated) = page_end(offset, listed.keys.len(), listed.total);
    Reply::json(
        200,
        &KeyList {
            keys: listed.keys.iter().map(|key| key.id.to_string()).collect(),
            key_details: listed
                .keys
                .iter()
                .map(|key| details(&domain, key))
                .collect(),
            next_marker,
            truncated,
            total: listed.total,
        },
    )
}

/// `POST …/kms/enable-key`
pub async fn enable(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request)?;
    let key = keys::enable(cx, &asked.key_id.0).await?;
    Reply::json(
        200,
        &InKeyInfo {
            key_info: status(&key),
        },
    )
}

/// `POST …/kms/disable-key`
pub async fn disable(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request)?;
    let key = keys::disable(cx, &asked.key_id.0).await?;
    Reply::json(
        200,
        &InKeyInfo {
            key_info: status(&key),
        },
    )
}

/// `POST …/kms/schedule-key-deletion`
pub async fn schedule_deletion(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ScheduleDeletion = decode(request)?;
    let days = asked
        .pending_days
        .number()
        .and_then(|days| u32::try_from(days).ok())
        .filter(|days| PENDING_DAYS.contains(days))
        .ok_or_else(|| Error::invalid("pending_days", "must be a number of days, 7 to 1096"))?;
    let key = keys::schedule_deletion(cx, &asked.key_id.0, days, false).await?;
    Reply::json(200, &status(&key))
}

/// `POST …/kms/cancel-key-deletion`
pub async fn cancel_deletion(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedKey = decode(request)?;
    let key = keys::cancel_deletion(cx, &asked.key_id.0).await?;
    Reply::json(200, &status(&key))
}

/// `POST …/kms/update-key-alias`
pub async fn rename(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: UpdateAlias = decode(request)?;
    let key = keys::rename(cx, &asked.key_id.0, asked.key_alias).await?;
    let key_info = KeyAlias {
        key_id: key.id.as_str(),
        key_alias: key.name.as_str(),
    };
    Reply::json(200, &InKeyInfo { key_info })
}

/// `POST …/kms/update-key-description`
pub async fn update_description(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: UpdateDescription = decode(request)?;
    let key = keys::update_description(cx, &asked.key_id.0, asked.key_description).await?;
    let key_info = KeyDescription {
        key_id: key.id.as_str(),
        key_description: &key.description,
    };
    Reply::json(200, &InKeyInfo { key_info })
}

/// `GET …/kms/user-instances`
pub async fn count(cx: &mut Context, _request: &Request) -> Result<Reply> {
    let instance_num = keys::count(cx).await?;
    Reply::json(200, &Instances { instance_num })
}

/// `GET …/kms/user-quotas`
pub async fn quotas(cx: &mut Context, _request: &Request) -> Result<Reply> {
    let quota = keys::quota(cx).await?;
    let resources = [
        Resource {
            kind: "CMK",
            used: quota.used,
            quota: quota.limit,
        },
        // The number is of one key: the one that comes nearest to it.
        Resource {
            kind: "grant_per_CMK",
            used: grants::most_used(cx).await?,
            quota: limits::GRANTS_PER_KEY,
        },
    ];
    Reply::json(
        200,
        &Quotas {
            quotas: Resources { resources },
        },
    )
}

pub(super) fn details(domain: &DomainId, key: &Key) -> KeyDetails {
    KeyDetails {
        key_id: key.id.to_string(),
        domain_id: domain.to_string(),
        key_alias: key.name.to_string(),
        realm: key.region.to_string(),
        key_spec: key.spec.name(),
        key_usage: key.usage.name(),
        key_description: key.description.clone(),
        creation_date: millis(key.created_at),
        scheduled_deletion_date: millis_or_empty(key.state.delete_at()),
        key_state: key.state.code().to_string(),
        default_key_flag: if key.is_default() { "1" } else { "0" },
        key_type: "1",
        expiration_time: millis_or_empty(key.material_expires_at),
        origin: key.origin.name(),
        key_rotation_enabled: if key.rotation.is_some() {
            "true"
        } else {
            "false"
        },
        sys_enterprise_project_id: key.enterprise_project.clone(),
        keystore_id: key.keystore.to_string(),
        key_label: key.label().unwrap_or_default(),
        partition_type: "1",
    }
}

fn status(key: &Key) -> KeyStatus<'_> {
    KeyStatus {
        key_id: key.id.as_str(),
        key_state: key.state.code().to_string(),
    }
}

/// A word of one of the model's tables, read by its name.
macro_rules! words {
    ($($name:ident($inner:ty)),+) => {$(
        struct $name($inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
                <$inner>::parse(&String::deserialize(from)?)
                    .map(Self)
                    .map_err(serde::de::Error::custom)
            }
        }
    )+};
}

words!(Spec(KeySpec), Usage(KeyUsage), OriginText(Origin));
