//! What lives as long as one call.
//!
//! It lends, looks up, keeps what is to be saved, and notes what the audit record will say. What
//! is decided is decided in `model` and `operations`.

use std::sync::Arc;

use super::Kms;
use crate::crypto::keyring::ProjectKey;
use crate::crypto::material::Material;
use crate::env::Env;
use crate::model::access::{self, Permitted};
use crate::model::action::{Action, Effect};
use crate::model::caller::Caller;
use crate::model::error::{Error, Result};
use crate::model::identity::Project;
use crate::model::ids::{KeyId, KeystoreId, Region};
use crate::model::key::{Key, KeyRef};
use crate::model::keystore::Keystore;
use crate::model::state::Verdict;
use crate::model::time::Timestamp;
use crate::store::{Sealed, Write};

/// One call, while it is carried out.
pub struct Context {
    kms: Arc<Kms>,
    caller: Arc<Caller>,
    action: Action,
    region: Region,
    now: Timestamp,
    permitted: Option<Permitted>,
    writes: Vec<Write>,
    forgets: bool,
    note: Note,
}

/// What a call leaves behind.
pub struct Outcome {
    /// What is to be stored.
    pub writes: Vec<Write>,
    /// Whether checked credentials are to be checked again after that.
    pub forgets_credentials: bool,
    /// What the record will say.
    pub note: Note,
}

/// What the audit record will say beside who and when.
#[derive(Clone, Debug, Default)]
pub struct Note {
    /// The key that is concerned: its id as asked for, until it is found.
    pub key_id: String,
    /// Its revision after a change.
    pub revision: i64,
    /// What else matters, in words.
    pub detail: String,
}

impl Context {
    /// A call by somebody who was authenticated.
    pub fn new(
        kms: Arc<Kms>,
        caller: Arc<Caller>,
        action: Action,
        region: Region,
        now: Timestamp,
    ) -> Self {
        Self {
            kms,
            caller,
            action,
            region,
            now,
            permitted: None,
            writes: Vec::new(),
            forgets: false,
            note: Note::default(),
        }
    }

    /// The service.
    pub fn kms(&self) -> &Arc<Kms> {
        &self.kms
    }

    /// Who is asking.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What for.
    pub fn action(&self) -> Action {
        self.action
    }

    /// The region that the call is about.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// When the call arrived.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Time and randomness.
    pub fn env(&self) -> &Env {
        self.kms.env()
    }

    /// The project of the caller's credential.
    ///
    /// # Errors
    /// [`Error::NeedsProjectScope`] when it is for no project.
    pub fn project(&self) -> Result<&Project> {
        self.caller.project().ok_or(Error::NeedsProjectScope)
    }

    /// The key on which what is sealed for the caller's project hangs.
    ///
    /// # Errors
    /// As [`Kms::project_key`].
    pub async fn project_key(&self) -> Result<Arc<ProjectKey>> {
        let project = self.project()?.id.clone();
        self.kms.project_key(&project).await
    }

    /// Asks whether the caller may do what they ask for, when it is not about one key.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when no role reaches it.
    pub fn permit(&mut self) -> Result<()> {
        let permitted = access::decide(&self.caller, self.action);
        self.permitted = Some(permitted.ok_or(Error::Forbidden(self.action))?);
        Ok(())
    }

    /// The key that the caller names: the only way to hold one. Found by project, region and id
    /// together, permitted, and in a state that allows the action, in this order.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`] when there is none in the caller's project, or its day has come;
    /// [`Error::Forbidden`]; [`Error::DefaultKey`]; [`Error::WrongState`].
    pub async fn key(&mut self, reference: &KeyRef) -> Result<Key> {
        self.note.key_id = reference.to_string();
        let id = self.resolve(reference)?.clone();
        let key = self.find(&id).await?;
        self.note.key_id = key.id.to_string();
        self.permit()?;
        if key.is_default() && !self.action.fits_default_key() {
            return Err(Error::DefaultKey);
        }
        match key.state.permits(self.action) {
            Some(Verdict::Allow) => Ok(key),
            Some(verdict) => Err(Error::WrongState(self.action, verdict)),
            None => Err(Error::Internal(format!(
                "{} is not about one key",
                self.action.name()
            ))),
        }
    }

    /// The key of this id in the caller's project, while its day has not come.
    async fn find(&self, id: &KeyId) -> Result<Key> {
        let project = &self.project()?.id;
        let row = self
            .kms
            .store()
            .find_key(project, &self.region, id)
            .await?
            .ok_or(Error::KeyNotFound)?;
        let key = row.open(self.kms.project_key(project).await?.row())?;
        if key.is_gone(self.kms.deadline_now()) {
            return Err(Error::KeyNotFound);
        }
        Ok(key)
    }

    /// One version of a key's material, opened. Whoever holds a key has asked for it through
    /// [`Self::key`], so its state allows the action.
    ///
    /// # Errors
    /// As [`Kms::material`]; [`Error::KeystoreDisabled`] when it is in a keystore that is.
    pub async fn material(&self, key: &Key, version: u32) -> Result<Arc<Material>> {
        if !key.keystore.is_built_in() {
            let (project, region) = (&key.project, &key.region);
            let keystore = self.kms.keystore(project, region, &key.keystore).await?;
            if !keystore.enabled {
                return Err(Error::KeystoreDisabled);
            }
        }
        self.kms.material(key, version).await
    }

    /// A keystore of the caller's project.
    ///
    /// # Errors
    /// [`Error::KeystoreNotFound`] when there is none in the caller's project.
    pub async fn keystore(&self, id: &KeystoreId) -> Result<Keystore> {
        let project = &self.project()?.id;
        self.kms.keystore(project, &self.region, id).await
    }

    /// Keeps a new key to be stored with the answer.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the project's key cannot be had.
    pub async fn insert(&mut self, key: Key, material: Option<Material>) -> Result<()> {
        let sealing = self.project_key().await?;
        let material = match (&material, key.current_version) {
            (Some(material), Some(version)) => {
                let sealed = self.kms.seal_material(&key, version, material, self.now);
                Some(sealed.await?)
            }
            (None, None) => None,
            _ => return Err(Error::Internal("material without a version".into())),
        };
        self.note.key_id = key.id.to_string();
        self.note.revision = key.revision;
        self.writes.push(Write::InsertKey {
            key: Sealed::new(key, sealing.row()),
            material,
            quota: self.key_quota(),
        });
        Ok(())
    }

    /// Keeps a copy of a key, with all versions of its material, to be stored with the answer.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the material or the other project's key cannot be had.
    pub async fn insert_replica(&mut self, of: &Key, replica: Key) -> Result<()> {
        let mut versions = Vec::new();
        for row in self.kms.store().list_material(of).await? {
            let material = self.kms.material(of, row.version).await?;
            let sealed = self
                .kms
                .seal_material(&replica, row.version, &material, row.created_at);
            versions.push(Write::InsertMaterial {
                key: Box::new(replica.clone()),
                material: sealed.await?,
            });
        }
        let sealing = self.kms.project_key(&replica.project).await?;
        let key = Sealed::new(replica, sealing.row());
        self.writes.push(Write::InsertKey {
            key,
            material: None,
            quota: self.key_quota(),
        });
        self.writes.extend(versions);
        Ok(())
    }

    /// How many keys a project may have in a region.
    fn key_quota(&self) -> Option<i64> {
        match self.kms.config().limits.keys_per_project {
            0 => None,
            quota => Some(i64::try_from(quota).unwrap_or(i64::MAX)),
        }
    }

    /// The other keys of the same id: the primary and the replicas of a multi-region key, also
    /// those that leave.
    ///
    /// # Errors
    /// [`Error::Unavailable`], or [`Error::Internal`] when a seal does not fit.
    pub async fn copies(&self, key: &Key) -> Result<Vec<Key>> {
        let mut copies = Vec::new();
        if key.primary_region.is_none() {
            return Ok(copies);
        }
        for row in self.kms.store().list_copies(&key.id).await? {
            let sealing = self.kms.project_key(&row.peek().project).await?;
            let copy = row.open(sealing.row())?;
            if copy.region != key.region {
                copies.push(copy);
            }
        }
        Ok(copies)
    }

    /// Keeps a changed key to be saved with the answer, if nobody changes it meanwhile.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the project's key cannot be had.
    pub async fn save(&mut self, key: &mut Key) -> Result<()> {
        self.save_beside(key).await?;
        self.note.revision = key.revision;
        Ok(())
    }

    /// The same for a key that changes beside the one that the call is about: its replica.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub async fn save_beside(&mut self, key: &mut Key) -> Result<()> {
        let read = key.revision;
        key.revision += 1;
        let sealing = self.kms.project_key(&key.project).await?;
        self.writes.push(Write::SaveKey {
            key: Sealed::new(key.clone(), sealing.row()),
            read,
        });
        Ok(())
    }

    /// Keeps another change to be stored with the answer.
    pub fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// Has every checked credential checked again, once the change is made: one of them ends.
    pub fn forget_credentials(&mut self) {
        self.forgets = true;
    }

    /// Says in the audit record what else matters.
    pub fn note(&mut self, detail: impl Into<String>) {
        self.note.detail = detail.into();
    }

    /// The end of the call.
    ///
    /// # Errors
    /// [`Error::Internal`] when nobody asked whether the caller may do this, or when what should
    /// only read wants to write: a fault of ours, which must not become an answer.
    pub fn finish(self) -> Result<Outcome> {
        if self.permitted.is_none() {
            return Err(Error::Internal(format!(
                "{} was answered without asking for permission",
                self.action.name()
            )));
        }
        if self.action.effect() == Effect::Reads && !self.writes.is_empty() {
            return Err(Error::Internal(format!(
                "{} only reads, but has something to write",
                self.action.name()
            )));
        }
        Ok(Outcome {
            writes: self.writes,
            forgets_credentials: self.forgets,
            note: self.note,
        })
    }

    /// What the record of a refusal will say.
    pub fn refused(self) -> Note {
        self.note
    }

    fn resolve<'r>(&self, reference: &'r KeyRef) -> Result<&'r KeyId> {
        match reference {
            KeyRef::Id(id) => Ok(id),
            // Alias resources come with their own operations; until then there are none to find.
            KeyRef::Alias(_) => Err(Error::KeyNotFound),
        }
    }
}
