//! Asking hardware security modules (HSMs) to make keys and to compute with them, by PKCS#11.
//!
//! A cluster of modules looks like one token, found by its label. Keys are made in it and never
//! leave it: `CKA_SENSITIVE`, not `CKA_EXTRACTABLE`, and whether the token keeps to that is checked
//! of each new key. This module knows neither our store nor our API.
//!
//! Every call here blocks and may take as long as the vendor's library pleases; whoever calls keeps
//! that off the event loop.

mod key;
mod session;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::session::Session;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use crate::crypto::CryptoError;
use crate::crypto::hsm_key::HsmKey;
use crate::crypto::material::{Material, MaterialKind};
use crate::crypto::secret::Secret;
use crate::env::Entropy;
use crate::model::ids::{HsmClusterId, ProjectId};
use crate::model::spec::KeyUsage;

/// A cluster of modules, as the settings describe it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSettings {
    /// What requests call it: a UUID.
    pub id: HsmClusterId,
    /// The vendor's PKCS#11 library.
    pub module: PathBuf,
    /// The label of its token.
    pub token_label: String,
    /// A file whose first line is the PIN of the token's user. It is read at each log-in, so that a
    /// new PIN needs no restart.
    pub pin_file: PathBuf,
    /// The cluster's CA certificate (PEM). With it, whoever makes a keystore must show the same.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The only project that may make a keystore of it.
    #[serde(default)]
    pub project_id: Option<ProjectId>,
}

impl ClusterSettings {
    /// Checks what can be known without the module.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn check(&self) -> Result<(), String> {
        let about = |what: &str| Err(format!("hsm_clusters: {}: {what}", self.id));
        if !self.module.is_absolute() {
            return about("module must be the whole path of a PKCS#11 library");
        }
        // PKCS#11 pads labels to 32 bytes with spaces.
        if self.token_label.trim() != self.token_label
            || !(1..=32).contains(&self.token_label.len())
        {
            return about("token_label must be 1 to 32 bytes without spaces around them");
        }
        match self.ca_certificate() {
            Ok(_) => Ok(()),
            Err(why) => about(&why),
        }
    }

    fn ca_certificate(&self) -> Result<Option<Vec<u8>>, String> {
        let Some(file) = &self.ca_file else {
            return Ok(None);
        };
        let pem = std::fs::read_to_string(file)
            .map_err(|error| format!("ca_file {}: {error}", file.display()))?;
        certificate_in(&pem)
            .map(Some)
            .ok_or_else(|| format!("ca_file {} holds no PEM certificate", file.display()))
    }
}

/// The one certificate (DER) in a PEM text; `None` when there is none, or more, or it is malformed.
pub fn certificate_in(pem: &str) -> Option<Vec<u8>> {
    let mut all = CertificateDer::pem_slice_iter(pem.as_bytes());
    let (Some(Ok(certificate)), None) = (all.next(), all.next()) else {
        return None;
    };
    RootCertStore::empty().add(certificate.clone()).ok()?;
    Some(certificate.to_vec())
}

/// A key in a cluster: what it is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// `CKA_ID`: no two objects of one class have the same.
    pub id: String,
    /// `CKA_LABEL`, for people.
    pub label: String,
}

/// A cluster of modules.
pub struct Cluster {
    settings: ClusterSettings,
    ca_certificate: Option<Vec<u8>>,
    /// Sessions that nobody uses now, logged in.
    idle: Mutex<Vec<Session>>,
    /// A PIN that the token refused. It is not tried again, for that would lock the token.
    refused_pin: Mutex<Option<Secret>>,
}

impl Cluster {
    /// A cluster. Nobody is asked yet: kmsd starts while a cluster is away.
    ///
    /// # Errors
    /// A sentence for the operator, as [`ClusterSettings::check`].
    pub fn open(settings: ClusterSettings) -> Result<Self, String> {
        settings.check()?;
        Ok(Self {
            ca_certificate: settings.ca_certificate()?,
            settings,
            idle: Mutex::new(Vec::new()),
            refused_pin: Mutex::new(None),
        })
    }

    /// What requests call it.
    pub fn id(&self) -> &HsmClusterId {
        &self.settings.id
    }

    /// Whether a project may make a keystore of it.
    pub fn may_serve(&self, project: &ProjectId) -> bool {
        let only = self.settings.project_id.as_ref();
        only.is_none_or(|only| only == project)
    }

    /// Whether a CA certificate (DER) may be that of this cluster: it is, where the settings name
    /// one.
    pub fn may_have_ca(&self, certificate: &[u8]) -> bool {
        self.ca_certificate
            .as_ref()
            .is_none_or(|ours| ours == certificate)
    }

    /// Whether keys of this kind can be in a cluster at all. What one cluster cannot do is found out
    /// by [`Self::generate`].
    pub const fn offers(kind: MaterialKind) -> bool {
        use MaterialKind as K;
        matches!(
            kind,
            K::Aes256
                | K::Rsa2048
                | K::Rsa3072
                | K::Rsa4096
                | K::EcP256
                | K::EcP384
                | K::Hmac256
                | K::Hmac384
                | K::Hmac512
        )
    }

    /// Makes a key in the cluster. It is tried out once before it counts as made.
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] when this cluster cannot do what keys of this kind and usage are
    /// for, [`CryptoError::Unreachable`]. No object of this name is left then, if the cluster can
    /// still be asked; [`Self::destroy`] makes sure.
    pub fn generate(
        self: &Arc<Self>,
        kind: MaterialKind,
        usage: KeyUsage,
        name: &ObjectName,
        entropy: &dyn Entropy,
    ) -> Result<Material, CryptoError> {
        if !Self::offers(kind) {
            return Err(CryptoError::Unsupported);
        }
        let made = self
            .with_session(|session| key::generate(session, kind, usage, name))
            .and_then(|public| {
                let key = self.key(kind, name.id.clone());
                let material = Material::in_hsm(kind, key, public);
                key::try_out(&material, usage, entropy)?;
                Ok(material)
            });
        if made.is_err() {
            let _ = self.destroy(&name.id);
        }
        made
    }

    /// So many random bytes of the modules' own source.
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] when they have none, [`CryptoError::Unreachable`].
    pub fn random(&self, bytes: usize) -> Result<Secret, CryptoError> {
        self.with_session(|session| {
            let mut random = zeroize::Zeroizing::new(vec![0; bytes]);
            session.generate_random_slice(&mut random)?;
            Ok(Secret::from_slice(&random))
        })
    }

    /// A key that was made, by its `CKA_ID`.
    pub fn key(self: &Arc<Self>, kind: MaterialKind, id: String) -> Arc<dyn HsmKey> {
        Arc::new(key::InCluster {
            cluster: self.clone(),
            kind,
            id,
        })
    }

    /// Destroys every object with this `CKA_ID`; it is no error when there is none.
    ///
    /// # Errors
    /// [`CryptoError::Unreachable`]: they may still be there.
    pub fn destroy(&self, id: &str) -> Result<(), CryptoError> {
        self.with_session(|session| key::destroy(session, id))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
