//! Clusters of hardware security modules, and the places where calls to them wait. One that hangs
//! holds up its own callers only.

use std::sync::Arc;

use super::Kms;
use super::bench::Bench;
use crate::crypto::CryptoError;
use crate::crypto::material::Material;
use crate::crypto::secret::Secret;
use crate::hsm::{Cluster, ClusterSettings};
use crate::limits;
use crate::model::error::{Error, Result};
use crate::model::ids::HsmClusterId;

/// The clusters of the settings.
pub(super) struct Clusters(Vec<(Arc<Cluster>, Arc<Bench>)>);

impl Clusters {
    pub(super) fn open(settings: &[ClusterSettings]) -> std::result::Result<Self, String> {
        let open = |settings: &ClusterSettings| {
            let bench = Bench::new(limits::HSM_SESSIONS, limits::HSM_WAITING);
            Ok((Arc::new(Cluster::open(settings.clone())?), Arc::new(bench)))
        };
        settings
            .iter()
            .map(open)
            .collect::<std::result::Result<_, _>>()
            .map(Self)
    }

    fn find(&self, id: &HsmClusterId) -> Option<&(Arc<Cluster>, Arc<Bench>)> {
        self.0.iter().find(|(cluster, _)| cluster.id() == id)
    }
}

impl Kms {
    /// The clusters of the settings.
    pub fn hsm_clusters(&self) -> impl Iterator<Item = &HsmClusterId> {
        self.clusters.0.iter().map(|(cluster, _)| cluster.id())
    }

    /// A cluster of the settings.
    pub fn hsm_cluster(&self, id: &HsmClusterId) -> Option<&Arc<Cluster>> {
        self.clusters.find(id).map(|(cluster, _)| cluster)
    }

    /// Asks a cluster for something, beside the event loop.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the settings do not name it any more, when it does not answer in
    /// time, or at once when too many wait for it already. What was asked may still happen then.
    /// Whatever else it refuses is the inner result.
    pub async fn in_cluster<T: Send + 'static>(
        &self,
        id: &HsmClusterId,
        work: impl FnOnce(&Arc<Cluster>) -> std::result::Result<T, CryptoError> + Send + 'static,
    ) -> Result<std::result::Result<T, CryptoError>> {
        let away = |why: &str| Error::Unavailable(format!("HSM cluster {id}: {why}"));
        let (cluster, bench) = self
            .clusters
            .find(id)
            .cloned()
            .ok_or_else(|| away("it is not in the settings"))?;
        // A task of its own: when nobody waits any more, it keeps its place until it is answered.
        let asked = tokio::spawn(async move { bench.run(move || work(&cluster)).await });
        let answered = tokio::time::timeout(limits::HSM_TIME, asked)
            .await
            .map_err(|_| away("it did not answer in time"))?
            .map_err(|error| Error::Internal(format!("HSM work: {error}")))??;
        match answered {
            Err(CryptoError::Unreachable) => Err(away("it does not answer")),
            other => Ok(other),
        }
    }

    /// Computes with material: at once, or beside the event loop where that takes long. Only there
    /// `data` is copied.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait already, or when the module that holds the material
    /// does not answer. Whatever else goes wrong is the inner result.
    pub async fn compute<T: Send + 'static>(
        &self,
        material: Arc<Material>,
        data: &[u8],
        work: impl FnOnce(&Material, &[u8]) -> std::result::Result<T, CryptoError> + Send + 'static,
    ) -> Result<std::result::Result<T, CryptoError>> {
        if !material.is_slow() {
            return Ok(work(&material, data));
        }
        let data = Secret::from_slice(data);
        match material.cluster().map(HsmClusterId::parse) {
            None => {
                self.uses_slowly(move || work(&material, data.expose()))
                    .await
            }
            Some(Ok(cluster)) => {
                self.in_cluster(&cluster, move |_| work(&material, data.expose()))
                    .await
            }
            Some(Err(_)) => Err(Error::Internal("a module without an id".into())),
        }
    }
}
