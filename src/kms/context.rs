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
use crate::model::error::{Error, ImportFault, Result};
use crate::model::identity::Project;
use crate::model::ids::{KeyId, Region};
use crate::model::key::{Key, KeyRef};
use crate::model::spec::Origin;
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
    /// [`Error::Forbidden`]; [`Error::DefaultKey`]; [`Error::Import`] when the action is about
    /// imported material and the key's is not; [`Error::WrongState`].
    pub async fn key(&mut self, reference: &KeyRef) -> Result<Key> {
        self.note.key_id = reference.to_string();
        let id = self.resolve(reference)?.clone();
        let key = self.find(&id).await?;
        self.note.key_id = key.id.to_string();
        self.permit()?;
        if key.is_default() && !self.action.fits_default_key() {
            return Err(Error::DefaultKey);
        }
        if self.action.is_about_imports() && key.origin != Origin::External {
            return Err(Error::Import(ImportFault::NotExternal));
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
        let now = self.kms.deadline_now();
        if key.is_gone(now) {
            return Err(Error::KeyNotFound);
        }
        Ok(key.as_of(now))
    }

    /// One version of a key's material, opened. Whoever holds a key has asked for it through
    /// [`Self::key`], so its state allows the action.
    ///
    /// # Errors
    /// As [`Kms::material`].
    pub async fn material(&self, key: &Key, version: u32) -> Result<Arc<Material>> {
        self.kms.material(key, version).await
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
        let quota = self.kms.config().limits.keys_per_project;
        self.writes.push(Write::InsertKey {
            key: Sealed::new(key, sealing.row()),
            material,
            quota: (quota > 0).then(|| i64::try_from(quota).unwrap_or(i64::MAX)),
        });
        Ok(())
    }

    /// Keeps a changed key to be saved with the answer, if nobody changes it meanwhile.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the project's key cannot be had.
    pub async fn save(&mut self, key: &mut Key) -> Result<()> {
        let write = self.kms.saved(key).await?;
        self.change(key, vec![write]);
        Ok(())
    }

    /// Keeps all that a change of a key consists of, its save among it.
    pub fn change(&mut self, key: &Key, writes: Vec<Write>) {
        self.note.revision = key.revision;
        self.writes.extend(writes);
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
