//! Access points: the workloads that may open capsules.

use super::ciphers::fault;
use super::pages;
use crate::config::Limits;
use crate::crypto::material::{Material, MaterialKind};
use crate::crypto::secret::Secret;
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::ids::{AccessPointId, KeyspaceId, KeyspaceName, WorkloadId};
use crate::model::keyspace::{AccessPoint, AccessPointKind};
use crate::outside::workload::algorithm_of;
use crate::store::{Sealed, Write};

/// The kind of the keys that are made for access points.
pub(super) const KEY_KIND: MaterialKind = MaterialKind::EcP256;

/// What a new access point shall be.
#[derive(Clone, Debug)]
pub struct NewAccessPoint {
    /// The key space it is filed under.
    pub keyspace: KeyspaceId,
    /// Its name; unique in its key space.
    pub name: KeyspaceName,
    /// What it is.
    pub kind: NewKind,
    /// Free text.
    pub description: String,
}

/// What a new access point is, and how it will prove itself.
#[derive(Clone, Debug)]
pub enum NewKind {
    /// A server.
    Server(WorkloadId),
    /// A Kubernetes cluster.
    Cluster {
        /// Its id.
        id: WorkloadId,
        /// The key that its tokens are signed with: SubjectPublicKeyInfo, DER.
        public_key: Vec<u8>,
    },
    /// Whoever will hold a private key that is made now.
    Custom,
}

/// Registers an access point; it may open capsules at once.
///
/// # Errors
/// [`Error::Invalid`] when a cluster's key cannot sign tokens; with the answer [`Error::NameTaken`]
/// and [`Error::KeyQuotaReached`].
pub async fn create(cx: &mut Context, new: NewAccessPoint) -> Result<AccessPoint> {
    cx.permit()?;
    let project = cx.project()?.id.clone();
    let region = cx.region().clone();
    let id = AccessPointId::from_random(cx.env().random());
    let sealing = cx.project_key().await?;
    let kind = match new.kind {
        NewKind::Server(id) => AccessPointKind::Server(id),
        NewKind::Cluster { id, public_key } => {
            if algorithm_of(&public_key).is_none() {
                return Err(Error::invalid(
                    "identity",
                    "must be a public key of RSA with 2048, 3072 or 4096 bits, of P-256 or of \
                     P-384, which are those that sign service account tokens",
                ));
            }
            AccessPointKind::Cluster { id, public_key }
        }
        NewKind::Custom => {
            let pair = Material::generate(KEY_KIND, cx.env().entropy()).map_err(fault)?;
            let place = cx.kms().place_of_access_point(&project, &region, &id);
            AccessPointKind::Custom {
                public_key: pair.public_key_der().map_err(fault)?,
                sealed_private: pair.seal(sealing.wrap(), place, cx.env().entropy()),
            }
        }
    };
    let point = AccessPoint {
        project,
        region,
        id,
        keyspace: new.keyspace,
        name: new.name,
        kind,
        description: new.description,
        enabled: true,
        created_at: cx.now(),
        created_by: cx.caller().user.clone(),
        modified_at: cx.now(),
        revision: 1,
    };
    cx.note(format!("access point {}", point.id));
    let quota = Limits::quota(cx.kms().config().limits.access_points_per_project);
    cx.write(Write::InsertAccessPoint {
        point: Sealed::new(point.clone(), sealing.row()),
        quota,
    });
    Ok(point)
}

/// Reads access points of a key space behind the one named, in the order of their ids; at most
/// `limit`, and whether there are more.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn list(
    cx: &mut Context,
    keyspace: &KeyspaceId,
    behind: Option<&AccessPointId>,
    limit: u32,
) -> Result<(Vec<AccessPoint>, bool)> {
    cx.permit()?;
    let project = cx.project()?.id.clone();
    let mut rows = cx
        .kms()
        .store()
        .list_access_points(
            &project,
            cx.region(),
            keyspace,
            behind,
            pages::one_more(limit),
        )
        .await?;
    let more = pages::cut(&mut rows, limit);
    let sealing = cx.project_key().await?;
    let points = rows
        .into_iter()
        .map(|row| Ok(row.open(sealing.row())?))
        .collect::<Result<_>>()?;
    Ok((points, more))
}

/// Lets an access point open capsules, or keeps it from that. What is so already stays as it is.
///
/// # Errors
/// [`Error::AccessPointNotFound`].
pub async fn switch(cx: &mut Context, id: &AccessPointId, on: bool) -> Result<()> {
    let mut point = find(cx, id).await?;
    if point.enabled == on {
        return Ok(());
    }
    let read = point.revision;
    point.revision += 1;
    point.enabled = on;
    point.modified_at = cx.now();
    let sealing = cx.project_key().await?;
    cx.write(Write::SaveAccessPoint {
        point: Sealed::new(point, sealing.row()),
        read,
    });
    Ok(())
}

/// The private key that was made with an access point: PKCS#8, DER.
///
/// # Errors
/// [`Error::AccessPointNotFound`]; [`Error::Invalid`] when it is of a kind without one.
pub async fn private_key(cx: &mut Context, id: &AccessPointId) -> Result<Secret> {
    let point = find(cx, id).await?;
    let AccessPointKind::Custom { sealed_private, .. } = &point.kind else {
        return Err(Error::invalid(
            "access_point_id",
            "is that of a server or cluster; only those of type 3 have a private key here",
        ));
    };
    let sealing = cx.project_key().await?;
    let place = cx
        .kms()
        .place_of_access_point(&point.project, &point.region, &point.id);
    Material::open(KEY_KIND, sealing.wrap(), place, sealed_private)
        .map(Material::into_data_key)
        .map_err(|_| Error::Internal(format!("the key of access point {id} does not open")))
}

/// Ends an access point. Policies that name it let nobody in by it from now on: no other will ever
/// have its id.
///
/// # Errors
/// [`Error::AccessPointNotFound`].
pub async fn delete(cx: &mut Context, id: &AccessPointId) -> Result<()> {
    let point = find(cx, id).await?;
    cx.write(Write::DeleteAccessPoint(Box::new(point)));
    Ok(())
}

/// Those of the named access points that the caller's project has, in the order of their ids.
pub(super) async fn named(cx: &Context, ids: &[AccessPointId]) -> Result<Vec<AccessPoint>> {
    let project = &cx.project()?.id;
    let rows = cx
        .kms()
        .store()
        .find_access_points(project, cx.region(), ids)
        .await?;
    let sealing = cx.project_key().await?;
    rows.into_iter()
        .map(|row| Ok(row.open(sealing.row())?))
        .collect()
}

/// One access point, for a caller who may do this to any.
async fn find(cx: &mut Context, id: &AccessPointId) -> Result<AccessPoint> {
    cx.note(format!("access point {id}"));
    cx.permit()?;
    named(cx, std::slice::from_ref(id))
        .await?
        .pop()
        .ok_or(Error::AccessPointNotFound)
}
