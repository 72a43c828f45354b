//! Custom key stores, as AWS spells them (contract, section 2): clusters of hardware security modules
//! that the operator's settings describe. External key stores are not here.

use serde::{Deserialize, Serialize};

use super::keys::cluster_name;
use super::paging;
use super::wire::{Seconds, answer, decode};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::limits;
use crate::model::error::{Error, Result};
use crate::model::ids::{HsmClusterId, KeystoreId, KeystoreName};
use crate::model::keystore::Keystore;
use crate::operations::keystores::{self, NewKeystore};
use crate::operations::pages::Position;

/// What markers are for.
const LIST: &str = "DescribeCustomKeyStores";

/// Of the members that are for external key stores only the type is looked at: it refuses them all.
/// `KeyStorePassword` is checked for its form: kmsd logs in to a cluster as its settings say.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateCustomKeyStore {
    custom_key_store_name: String,
    cloud_hsm_cluster_id: Option<String>,
    trust_anchor_certificate: Option<String>,
    key_store_password: Option<String>,
    custom_key_store_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NamedStore {
    custom_key_store_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeCustomKeyStores {
    custom_key_store_id: Option<String>,
    custom_key_store_name: Option<String>,
    limit: Option<u32>,
    marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateCustomKeyStore {
    custom_key_store_id: String,
    new_custom_key_store_name: Option<String>,
    cloud_hsm_cluster_id: Option<String>,
    xks_proxy_uri_endpoint: Option<String>,
    xks_proxy_uri_path: Option<String>,
    xks_proxy_vpc_endpoint_service_name: Option<String>,
    xks_proxy_connectivity: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    custom_key_store_id: String,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CustomKeyStores {
    custom_key_stores: Vec<CustomKeyStore>,
    #[serde(flatten)]
    end: paging::Turn,
}

/// A store. Of its trust anchor kmsd keeps a digest only, so that it is not shown.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CustomKeyStore {
    custom_key_store_id: String,
    custom_key_store_name: String,
    cloud_hsm_cluster_id: String,
    connection_state: &'static str,
    creation_date: Seconds,
    custom_key_store_type: &'static str,
}

/// `CreateCustomKeyStore`
pub async fn create(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: CreateCustomKeyStore = decode(request, "CreateCustomKeyStore")?;
    if asked.custom_key_store_type.as_deref() == Some("EXTERNAL_KEY_STORE") {
        return Err(Error::KeystoreKindNotOffered("EXTERNAL_KEY_STORE"));
    }
    let missing = |member: &str| Error::Missing(member.into());
    let name = name("CustomKeyStoreName", asked.custom_key_store_name)?;
    let cluster = asked
        .cloud_hsm_cluster_id
        .ok_or_else(|| missing("CloudHsmClusterId"))?;
    let ca_certificate = asked
        .trust_anchor_certificate
        .ok_or_else(|| missing("TrustAnchorCertificate"))?;
    asked
        .key_store_password
        .ok_or_else(|| missing("KeyStorePassword"))?;
    let new = NewKeystore {
        name,
        cluster: cluster_named(cx, &cluster)
            .ok_or(Error::KeystoreKindNotOffered("AWS_CLOUDHSM"))?,
        ca_certificate,
    };
    let keystore = keystores::create(cx, new).await?;
    answer(&Created {
        custom_key_store_id: keystore.id.to_string(),
    })
}

/// `DescribeCustomKeyStores`: all, or one by its id or name.
pub async fn describe(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: DescribeCustomKeyStores = decode(request, "DescribeCustomKeyStores")?;
    let (id, name) = (asked.custom_key_store_id, asked.custom_key_store_name);
    if id.is_some() && name.is_some() {
        return Err(Error::Constraint(
            "CustomKeyStoreId and CustomKeyStoreName cannot be in the same request".into(),
        ));
    }
    let is_for_one = id.is_some() || name.is_some();
    let after = paging::after(cx, LIST, asked.marker.as_deref()).await?;
    // A project has few stores: each takes a cluster for itself.
    let mut stores = keystores::list(cx, 0, limits::PAGE_ROWS).await?.keystores;
    stores.retain(|store| {
        id.as_ref().is_none_or(|id| *id == store.id.as_str())
            && name
                .as_ref()
                .is_none_or(|name| *name == store.name.as_str())
    });
    if is_for_one && stores.is_empty() {
        return Err(Error::KeystoreNotFound);
    }
    let place = |store: &Keystore| (store.created_at, store.id.to_string());
    stores.sort_by_key(place);
    stores.retain(|store| {
        after
            .as_ref()
            .is_none_or(|after| place(store) > (after.at, after.id.clone()))
    });
    let limit = asked.limit.unwrap_or(limits::PAGE_ROWS);
    let position = |store: &Keystore| Position {
        at: store.created_at,
        id: store.id.to_string(),
    };
    let end = paging::turn(cx, LIST, &mut stores, limit, position).await?;
    answer(&CustomKeyStores {
        custom_key_stores: stores.iter().map(shown).collect(),
        end,
    })
}

/// `ConnectCustomKeyStore`: one that is connected stays so.
pub async fn connect(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedStore = decode(request, "ConnectCustomKeyStore")?;
    keystores::switch(cx, &store_id(asked.custom_key_store_id)?, true, false).await?;
    answer(&Nothing {})
}

/// `DisconnectCustomKeyStore`
pub async fn disconnect(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedStore = decode(request, "DisconnectCustomKeyStore")?;
    keystores::switch(cx, &store_id(asked.custom_key_store_id)?, false, true).await?;
    answer(&Nothing {})
}

/// `UpdateCustomKeyStore`: its name. The cluster of a store is what it is.
pub async fn update(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: UpdateCustomKeyStore = decode(request, "UpdateCustomKeyStore")?;
    let is_external = [
        &asked.xks_proxy_uri_endpoint,
        &asked.xks_proxy_uri_path,
        &asked.xks_proxy_vpc_endpoint_service_name,
        &asked.xks_proxy_connectivity,
    ]
    .iter()
    .any(|member| member.is_some());
    if is_external {
        return Err(Error::Constraint(
            "members of external key stores do not go with one of type AWS_CLOUDHSM".into(),
        ));
    }
    let id = store_id(asked.custom_key_store_id)?;
    let cluster = asked
        .cloud_hsm_cluster_id
        .map(|given| cluster_named(cx, &given).ok_or(Error::AnotherCluster))
        .transpose()?;
    let name = asked
        .new_custom_key_store_name
        .map(|given| name("NewCustomKeyStoreName", given))
        .transpose()?;
    keystores::update(cx, &id, name, cluster).await?;
    answer(&Nothing {})
}

/// `DeleteCustomKeyStore`
pub async fn delete(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: NamedStore = decode(request, "DeleteCustomKeyStore")?;
    keystores::delete(cx, &store_id(asked.custom_key_store_id)?, true).await?;
    answer(&Nothing {})
}

/// The id of a store that a request names.
///
/// # Errors
/// [`Error::KeystoreNotFound`] for what could be none.
pub(super) fn store_id(given: String) -> Result<KeystoreId> {
    KeystoreId::parse(given)
        .ok()
        .filter(|id| !id.is_built_in())
        .ok_or(Error::KeystoreNotFound)
}

fn name(member: &str, given: String) -> Result<KeystoreName> {
    KeystoreName::parse(given).map_err(|form| Error::invalid(member, form.to_string()))
}

/// The cluster of the settings that AWS's clients know by a name.
fn cluster_named(cx: &Context, given: &str) -> Option<HsmClusterId> {
    let mut clusters = cx.kms().hsm_clusters();
    clusters
        .find(|cluster| cluster_name(cluster) == given)
        .cloned()
}

fn shown(store: &Keystore) -> CustomKeyStore {
    CustomKeyStore {
        custom_key_store_id: store.id.to_string(),
        custom_key_store_name: store.name.to_string(),
        cloud_hsm_cluster_id: cluster_name(&store.cluster),
        connection_state: match store.enabled {
            true => "CONNECTED",
            false => "DISCONNECTED",
        },
        creation_date: Seconds(store.created_at),
        custom_key_store_type: "AWS_CLOUDHSM",
    }
}
