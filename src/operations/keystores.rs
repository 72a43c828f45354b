//! Dedicated keystores: clusters of hardware security modules that hold the material of keys.

use crate::crypto::hash::sha256_hex;
use crate::crypto::secret::Secret;
use crate::hsm;
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::ids::{HsmClusterId, KeystoreId, KeystoreName};
use crate::model::keystore::Keystore;
use crate::store::{Sealed, Write};

/// What a new keystore shall be.
#[derive(Clone, Debug)]
pub struct NewKeystore {
    /// Its name; unique in project and region.
    pub name: KeystoreName,
    /// The cluster, one of the settings that has no keystore yet.
    pub cluster: HsmClusterId,
    /// The CA certificate of the cluster (PEM).
    pub ca_certificate: String,
}

/// A page of keystores.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The keystores, the newest first.
    pub keystores: Vec<Keystore>,
    /// How many there are in all.
    pub total: u64,
}

/// Makes a keystore of a cluster. It is disabled at first.
///
/// # Errors
/// [`Error::KeystoreKindNotOffered`] when the settings name no cluster; [`Error::Invalid`] when they
/// name none of this id for the caller's project, or the certificate is not the cluster's;
/// [`Error::ClusterTaken`]; with the answer [`Error::NameTaken`].
pub async fn create(cx: &mut Context, new: NewKeystore) -> Result<Keystore> {
    cx.permit()?;
    if cx.kms().hsm_clusters().next().is_none() {
        return Err(Error::KeystoreKindNotOffered("DHSM"));
    }
    let project = cx.project()?.id.clone();
    let certificate = hsm::certificate_in(&new.ca_certificate)
        .ok_or_else(|| Error::invalid("hsm_ca_cert", "must be one X.509 certificate in PEM"))?;
    let cluster = cx
        .kms()
        .hsm_cluster(&new.cluster)
        .filter(|cluster| cluster.may_serve(&project))
        .ok_or_else(|| {
            Error::invalid(
                "hsm_cluster_id",
                "names no cluster that the project may use",
            )
        })?;
    if !cluster.may_have_ca(&certificate) {
        return Err(Error::invalid(
            "hsm_ca_cert",
            "is not the CA certificate of the cluster",
        ));
    }
    if cx.kms().store().is_cluster_taken(&new.cluster).await? {
        return Err(Error::ClusterTaken);
    }
    let keystore = Keystore {
        project,
        region: cx.region().clone(),
        id: KeystoreId::from_random(cx.env().random()),
        name: new.name,
        cluster: new.cluster,
        ca_sha256: sha256_hex(&certificate),
        enabled: false,
        created_at: cx.now(),
        created_by: cx.caller().user.clone(),
        revision: 1,
    };
    cx.note(format!("keystore {} of {}", keystore.id, keystore.cluster));
    let sealing = cx.project_key().await?;
    let sealed = Sealed::new(keystore.clone(), sealing.row());
    cx.write(Write::InsertKeystore(sealed));
    Ok(keystore)
}

/// Reads a page of the project's keystores, the newest first.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn list(cx: &mut Context, offset: u64, limit: u32) -> Result<Listed> {
    cx.permit()?;
    let project = cx.project()?.id.clone();
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    let (rows, total) = cx
        .kms()
        .store()
        .list_keystores(&project, cx.region(), offset, i64::from(limit))
        .await?;
    let sealing = cx.project_key().await?;
    Ok(Listed {
        keystores: rows
            .into_iter()
            .map(|row| Ok(row.open(sealing.row())?))
            .collect::<Result<_>>()?,
        total: u64::try_from(total).unwrap_or(0),
    })
}

/// Reads one keystore.
///
/// # Errors
/// [`Error::KeystoreNotFound`].
pub async fn show(cx: &mut Context, id: &KeystoreId) -> Result<Keystore> {
    cx.permit()?;
    cx.keystore(id).await
}

/// So many random bytes of the modules of a keystore.
///
/// # Errors
/// [`Error::KeystoreNotFound`], [`Error::KeystoreDisabled`]; [`Error::SpecNotOffered`] when the
/// modules make none, [`Error::Unavailable`] when they do not answer.
pub async fn random(cx: &mut Context, id: &KeystoreId, bytes: usize) -> Result<Secret> {
    cx.permit()?;
    let keystore = cx.keystore(id).await?;
    if !keystore.enabled {
        return Err(Error::KeystoreDisabled);
    }
    cx.note(format!("keystore {id}"));
    cx.kms()
        .in_cluster(&keystore.cluster, move |cluster| cluster.random(bytes))
        .await?
        .map_err(|_| Error::SpecNotOffered("of random bytes"))
}

/// Lets the keys of a keystore be made and used, or keeps them from it. One that is so already
/// stays so, unless the dialect has `must_change`.
///
/// # Errors
/// [`Error::KeystoreNotFound`], [`Error::KeystoreState`].
pub async fn switch(
    cx: &mut Context,
    id: &KeystoreId,
    enabled: bool,
    must_change: bool,
) -> Result<Keystore> {
    cx.permit()?;
    let mut keystore = cx.keystore(id).await?;
    if must_change && keystore.enabled == enabled {
        return Err(Error::KeystoreState);
    }
    cx.note(format!("keystore {id}"));
    if keystore.enabled != enabled {
        keystore.enabled = enabled;
        save(cx, &mut keystore).await?;
    }
    Ok(keystore)
}

/// Gives a keystore that is disabled another name. A cluster that is named must be its own.
///
/// # Errors
/// [`Error::KeystoreNotFound`], [`Error::KeystoreState`], [`Error::AnotherCluster`]; with the answer
/// [`Error::NameTaken`].
pub async fn update(
    cx: &mut Context,
    id: &KeystoreId,
    name: Option<KeystoreName>,
    cluster: Option<HsmClusterId>,
) -> Result<Keystore> {
    cx.permit()?;
    let mut keystore = cx.keystore(id).await?;
    if keystore.enabled {
        return Err(Error::KeystoreState);
    }
    if cluster.is_some_and(|cluster| cluster != keystore.cluster) {
        return Err(Error::AnotherCluster);
    }
    cx.note(format!("keystore {id}"));
    if let Some(name) = name {
        keystore.name = name;
        save(cx, &mut keystore).await?;
    }
    Ok(keystore)
}

/// Keeps a changed keystore to be saved with the answer.
async fn save(cx: &mut Context, keystore: &mut Keystore) -> Result<()> {
    let read = keystore.revision;
    keystore.revision += 1;
    let sealing = cx.project_key().await?;
    let sealed = Sealed::new(keystore.clone(), sealing.row());
    cx.write(Write::SaveKeystore {
        keystore: sealed,
        read,
    });
    Ok(())
}

/// Gives a keystore up; where the dialect has it so, one that is disabled only. Its cluster may have
/// another one then.
///
/// # Errors
/// [`Error::KeystoreNotFound`], [`Error::KeystoreNotEmpty`], [`Error::KeystoreState`].
pub async fn delete(cx: &mut Context, id: &KeystoreId, only_disabled: bool) -> Result<()> {
    cx.permit()?;
    let keystore = cx.keystore(id).await?;
    if only_disabled && keystore.enabled {
        return Err(Error::KeystoreState);
    }
    if !cx.kms().store().is_keystore_empty(&keystore).await? {
        return Err(Error::KeystoreNotEmpty);
    }
    cx.note(format!("keystore {id} of {}", keystore.cluster));
    cx.write(Write::DeleteKeystore(keystore));
    Ok(())
}
