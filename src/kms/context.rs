//! What lives as long as one call.
//!
//! It lends, looks up, keeps what is to be saved, and notes what the audit record will say. What
//! is decided is decided in `model` and `operations`.

use std::sync::Arc;

use super::{Kms, policies, principals};
use crate::config::Limits;
use crate::crypto::hash::sha256_hex;
use crate::crypto::keyring::ProjectKey;
use crate::crypto::material::Material;
use crate::env::Env;
use crate::model::access::{self, Permitted};
use crate::model::action::{Action, Effect};
use crate::model::alias::Alias;
use crate::model::caller::Caller;
use crate::model::error::{Error, ImportFault, Result};
use crate::model::grant::{Grant, GrantOperation, Need, NewGrantee};
use crate::model::identity::Project;
use crate::model::ids::{AccountId, AliasName, DomainId, KeyId, KeystoreId, ProjectId, Region};
use crate::model::key::{Key, KeyRef};
use crate::model::keystore::Keystore;
use crate::model::material::ImportedMaterial;
use crate::model::policy::{Answer, Asked, Facts, Policy, Question};
use crate::model::spec::{KeySpec, KeyUsage, Origin};
use crate::model::state::Verdict;
use crate::model::time::Timestamp;
use crate::store::keys::SealedMaterial;
use crate::store::{Sealed, Write};

/// One call, while it is carried out.
pub struct Context {
    kms: Arc<Kms>,
    caller: Arc<Caller>,
    action: Action,
    region: Region,
    now: Timestamp,
    permitted: Option<Permitted>,
    grants: Option<Vec<Grant>>,
    writes: Vec<Write>,
    forgets: bool,
    alias: Option<AliasName>,
    asked: Asked,
    owner: Option<Project>,
    /// Spec and usage of the last key that was found.
    kind: Option<(KeySpec, KeyUsage)>,
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
    /// Through which grants, and to whose keys, the caller came who needed them.
    pub access: Vec<String>,
    /// What else matters, in words.
    pub detail: String,
    /// What a record of its own will say of a second key that was used.
    pub beside: Option<Box<Note>>,
}

impl Note {
    /// All that the record will say in words.
    pub fn words(&self) -> String {
        let detail = Some(&self.detail).filter(|detail| !detail.is_empty());
        let words: Vec<&str> = self
            .access
            .iter()
            .chain(detail)
            .map(String::as_str)
            .collect();
        words.join("; ")
    }
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
            grants: None,
            writes: Vec::new(),
            forgets: false,
            alias: None,
            asked: Asked::default(),
            owner: None,
            kind: None,
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

    /// Spec and usage of the key that the call names, once it is found.
    pub fn key_kind(&self) -> Option<(KeySpec, KeyUsage)> {
        self.kind
    }

    /// The key that the call names: as it was asked for, until it is found.
    pub fn key_named(&self) -> &str {
        &self.note.key_id
    }

    /// The alias that the call makes, moves or takes away.
    pub fn alias_named(&self) -> Option<&AliasName> {
        self.alias.as_ref()
    }

    /// Says which alias the call makes, moves or takes away, so that a refusal can tell it.
    pub fn names_alias(&mut self, name: &AliasName) {
        self.alias = Some(name.clone());
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

    /// Asks whether a role of the caller reaches an action that is part of the call, when it is not
    /// about a key that there is.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn permit_also(&self, action: Action) -> Result<()> {
        match access::decide(&self.caller, action) {
            Some(_) => Ok(()),
            None => Err(Error::Forbidden(action)),
        }
    }

    /// The key that the caller names: the only way to hold one. Found by project, region and id
    /// together, permitted, and in a state that allows the action, in this order.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`] when there is none in the caller's project and no grant of another
    /// project's key names them, or its day has come; [`Error::Forbidden`]; [`Error::NotGranted`];
    /// [`Error::DefaultKey`]; [`Error::Import`] when the action is about imported material and the
    /// key's is not; [`Error::WrongState`].
    pub async fn key(&mut self, reference: &KeyRef) -> Result<Key> {
        self.key_unless(None, reference, &[]).await
    }

    /// The same, for a part of the call that can be granted alone: roles must reach the call's
    /// action, a grant must open the part.
    ///
    /// # Errors
    /// As [`Self::key`].
    pub async fn key_for(&mut self, part: GrantOperation, reference: &KeyRef) -> Result<Key> {
        self.key_unless(Some(part), reference, &[]).await
    }

    /// What the call says of itself, for policies and grants to ask about: verbs say it before they
    /// ask for the key.
    pub fn asked(&mut self) -> &mut Asked {
        &mut self.asked
    }

    /// The same as [`Self::key`], where a dialect does not let these verdicts of the table keep it
    /// from what it asks for.
    ///
    /// # Errors
    /// As [`Self::key`].
    pub async fn key_despite(&mut self, reference: &KeyRef, despite: &[Verdict]) -> Result<Key> {
        self.key_unless(None, reference, despite).await
    }

    async fn key_unless(
        &mut self,
        part: Option<GrantOperation>,
        reference: &KeyRef,
        despite: &[Verdict],
    ) -> Result<Key> {
        self.note.key_id = reference.to_string();
        let id = self.resolve(reference).await?;
        self.asked.alias = match reference {
            KeyRef::Alias(name) => Some(name.clone()),
            KeyRef::Urn(urn) => Some(urn.name.clone()),
            KeyRef::Id(_) | KeyRef::Of(..) => None,
        };
        let account = match reference {
            KeyRef::Of(account, _) => Some(account),
            _ => None,
        };
        let key = self.find(part, &id, account).await?;
        self.kind = Some((key.spec, key.usage));
        if !matches!(reference, KeyRef::Id(_) | KeyRef::Of(..)) {
            self.note.access.push(format!("by {reference}"));
        }
        if key.is_default() && !self.action.fits_default_key() {
            return Err(Error::DefaultKey);
        }
        if self.action.is_about_imports() && key.origin != Origin::External {
            return Err(Error::Import(ImportFault::NotExternal));
        }
        match key.state.permits(self.action) {
            Some(Verdict::Allow | Verdict::AllowLeaving) => Ok(key),
            Some(verdict) if despite.contains(&verdict) => Ok(key),
            Some(verdict) => Err(Error::WrongState(self.action, verdict)),
            None => Err(Error::Internal(format!(
                "{} is not about one key",
                self.action.name()
            ))),
        }
    }

    /// A key that the call concerns beside the one it names, permitted likewise, whatever its state.
    ///
    /// # Errors
    /// As [`Self::key`], but [`Error::WrongState`].
    pub async fn key_beside(&mut self, id: &KeyId) -> Result<Key> {
        let named = self.note.key_id.clone();
        self.asked.alias = None;
        let key = self.find(None, id, None).await?;
        self.note.key_id = named;
        Ok(key)
    }

    /// The key of this id, permitted: in the caller's own project by their roles, else by grants;
    /// in another project by grants alone, and for whom none of them names it is not there (I-19).
    /// Grants are read only when they decide.
    async fn find(
        &mut self,
        part: Option<GrantOperation>,
        id: &KeyId,
        account: Option<&AccountId>,
    ) -> Result<Key> {
        let own = self.project()?.id.clone();
        let grants;
        let here = match account {
            None => self.load(&own, id).await?,
            Some(_) => None,
        };
        let key = match here {
            Some(key) => {
                let permitted = match self.policy_of(&key, &own, part).await? {
                    None => access::decide(&self.caller, self.action),
                    Some(answer) => access::decide_by_policy(&self.caller, self.action, answer)
                        .map_err(|_| Error::Forbidden(self.action))?,
                };
                if let Some(permitted) = permitted {
                    self.permitted = Some(permitted);
                    self.grants = None;
                    return Ok(key);
                }
                grants = self.grants_naming_caller(id, Some(&own)).await?;
                if grants.is_empty() {
                    return Err(Error::Forbidden(self.action));
                }
                key
            }
            None => {
                grants = self.grants_naming_caller(id, None).await?;
                let owner = grants.first().map(|grant| grant.project.clone());
                let (key, project, answer) = self
                    .elsewhere(part, id, owner, account)
                    .await?
                    .ok_or(Error::KeyNotFound)?;
                self.owner = Some(project);
                if let Some(answer) = answer {
                    let action = self.action;
                    let decided = access::decide_by_policy(&self.caller, action, answer)
                        .map_err(|_| Error::NotGranted(action))?;
                    if let Some(permitted) = decided.filter(|_| action.is_for_others()) {
                        self.note.access.push(format!("key of {}", key.project));
                        self.note.access.push("by its policy".to_owned());
                        self.permitted = Some(permitted);
                        self.grants = None;
                        return Ok(key);
                    }
                }
                key
            }
        };
        if key.project != own {
            self.note.access.push(format!("key of {}", key.project));
        }
        let need = Need {
            action: self.action,
            part,
            pairs: &self.asked.pairs,
        };
        let (permitted, grant) = access::decide_by_grants(&self.caller, need, &grants)
            .ok_or(Error::NotGranted(self.action))?;
        self.note.access.push(format!("by grant {}", grant.id));
        self.permitted = Some(permitted);
        self.grants = Some(grants);
        Ok(key)
    }

    /// The key of this id in another project, if a grant or its policy names the caller: with its
    /// project, and what the policy says if there is one.
    async fn elsewhere(
        &mut self,
        part: Option<GrantOperation>,
        id: &KeyId,
        granted: Option<ProjectId>,
        account: Option<&AccountId>,
    ) -> Result<Option<(Key, Project, Option<Answer>)>> {
        let own = self.project()?.id.clone();
        let owners = match &granted {
            Some(owner) => vec![owner.clone()],
            None => {
                let store = self.kms.store();
                store.projects_with_policy(&self.region, id).await?
            }
        };
        for owner in owners {
            let project = self.project_of(&owner).await?;
            if owner == own || account.is_some_and(|account| *account != project.account) {
                continue;
            }
            let named = self.note.key_id.clone();
            let Some(key) = self.load(&owner, id).await? else {
                continue;
            };
            let answer = self.policy_of(&key, &owner, part).await?;
            // Whom it does not let in learns nothing, not even that it keeps them out.
            let lets_in = match answer {
                Some(Answer::Allowed) => true,
                Some(Answer::Delegated) => access::decide(&self.caller, self.action).is_some(),
                Some(Answer::Denied | Answer::Silent) | None => false,
            };
            if granted.is_some() || lets_in {
                return Ok(Some((key, project, answer)));
            }
            self.note.key_id = named;
        }
        Ok(None)
    }

    /// What a key's policy says to the call; `None` when it has none.
    async fn policy_of(
        &self,
        key: &Key,
        owner: &ProjectId,
        part: Option<GrantOperation>,
    ) -> Result<Option<Answer>> {
        let Some(document) = self.policy_text(key).await? else {
            return Ok(None);
        };
        let name = match (part, self.asked.operation) {
            (None, Some(operation)) => format!("kms:{operation}"),
            _ => policies::action_name(self.action, part),
        };
        let owner = self.project_of(owner).await?;
        self.ask(&policies::parse(&document)?, key, &owner, &name)
            .await
            .map(Some)
    }

    /// The document of a key's policy, as it was put; `None` when it has none.
    ///
    /// # Errors
    /// [`Error::Internal`] when it is not what the key's row says.
    pub async fn policy_text(&self, key: &Key) -> Result<Option<String>> {
        let Some(digest) = &key.policy_digest else {
            return Ok(None);
        };
        let document = self.kms.store().find_resource_policy(key).await?;
        match document.filter(|document| sha256_hex(document.as_bytes()) == *digest) {
            Some(document) => Ok(Some(document)),
            None => Err(Error::Internal(format!(
                "key {} has not its policy",
                key.id
            ))),
        }
    }

    /// Whether a policy would let the caller do something with a key of their own project.
    ///
    /// # Errors
    /// As [`Self::project`].
    pub async fn would_allow(&self, policy: &Policy, key: &Key, action: Action) -> Result<bool> {
        let name = policies::action_name(action, None);
        let owner = self.project()?.clone();
        let answer = self.ask(policy, key, &owner, &name).await?;
        Ok(matches!(
            access::decide_by_policy(&self.caller, action, answer),
            Ok(Some(_))
        ))
    }

    async fn ask(
        &self,
        policy: &Policy,
        key: &Key,
        owner: &Project,
        action: &str,
    ) -> Result<Answer> {
        let facts = self.facts_for(policy, key, owner).await?;
        let caller = policies::caller_arn(&self.caller);
        Ok(policy.answer(&Question {
            account: self.project()?.account.as_str(),
            caller: caller.as_deref(),
            action,
            key: &format!(
                "arn:aws:kms:{}:{}:key/{}",
                key.region, owner.account, key.id
            ),
            facts: &facts,
        }))
    }

    /// What is so of the call, as far as a policy asks: the one place where it is put together.
    /// What costs a look into the database is found out only for a policy that asks about it.
    async fn facts_for(&self, policy: &Policy, key: &Key, owner: &Project) -> Result<Facts> {
        let mut facts = policies::facts_of_call(&self.caller, &self.asked, self.now);
        policies::tell_of_key(&mut facts, key, owner);
        let mut tell = |name: &str, values: Vec<String>| facts.insert(name.to_owned(), values);
        if policy.asks_about("aws:resourcetag/") {
            for tag in self.kms.store().tags_of(key).await? {
                let name = format!("aws:resourcetag/{}", tag.key.to_ascii_lowercase());
                tell(&name, vec![tag.value]);
            }
        }
        if policy.asks_about("kms:resourcealiases") {
            let names = self.aliases_of(key).await?;
            if !names.is_empty() {
                tell("kms:resourcealiases", names);
            }
        }
        if let Some((from, to)) = &self.asked.re_encrypts
            && policy.asks_about("kms:reencryptonsamekey")
        {
            let is_same = self.resolve(from).await? == self.resolve(to).await?;
            tell("kms:reencryptonsamekey", vec![is_same.to_string()]);
        }
        if let Some(grantee) = &self.asked.grantee
            && policy.asks_about("kms:granteeprincipal")
        {
            let arn = match grantee {
                NewGrantee::User(user) => principals::arn_of_user(&self.kms, user, owner).await?,
                NewGrantee::Domain(domain) => {
                    let account = principals::account_of(&self.kms, domain, owner).await?;
                    format!("arn:aws:iam::{account}:root")
                }
            };
            tell("kms:granteeprincipal", vec![arn]);
        }
        if let Some(user) = &self.asked.retirer
            && policy.asks_about("kms:retiringprincipal")
        {
            let arn = principals::arn_of_user(&self.kms, user, owner).await?;
            tell("kms:retiringprincipal", vec![arn]);
        }
        Ok(facts)
    }

    /// The names of a key's aliases, with their prefix.
    async fn aliases_of(&self, key: &Key) -> Result<Vec<String>> {
        let (now, all) = (self.kms.deadline_now(), i64::MAX);
        let store = self.kms.store();
        let rows = store
            .list_aliases(&key.project, &key.region, Some(&key.id), None, now, all)
            .await?;
        let sealing = self.kms.project_key(&key.project).await?;
        rows.into_iter()
            .map(|row| Ok(format!("alias/{}", row.open(sealing.row())?.name)))
            .collect()
    }

    /// The key of this id in a project, while its day has not come.
    async fn load(&mut self, project: &ProjectId, id: &KeyId) -> Result<Option<Key>> {
        let found = self.kms.store().find_key(project, &self.region, id).await?;
        let Some(row) = found else { return Ok(None) };
        let key = row.open(self.kms.project_key(project).await?.row())?;
        let now = self.kms.deadline_now();
        if key.is_gone(now) {
            return Ok(None);
        }
        self.note.key_id = key.id.to_string();
        Ok(Some(key.as_of(now)))
    }

    /// The grants on the key of this id that name the caller, of one owner: the one given, else
    /// whoever has such a key.
    async fn grants_naming_caller(
        &self,
        id: &KeyId,
        owner: Option<&ProjectId>,
    ) -> Result<Vec<Grant>> {
        let rows = self
            .kms
            .store()
            .grants_concerning(&self.caller, &self.region, id)
            .await?;
        let mut grants: Vec<Grant> = Vec::with_capacity(rows.len());
        for row in rows {
            let sealing = self.kms.project_key(&row.peek().project).await?;
            let grant = row.open(sealing.row())?;
            let owner = owner.or(grants.first().map(|first| &first.project));
            if grant.names(&self.caller) && owner.is_none_or(|owner| *owner == grant.project) {
                grants.push(grant);
            }
        }
        Ok(grants)
    }

    /// The grants that name the caller, when it was by one of them and not by a role that they
    /// were permitted to have the key.
    pub fn grants(&self) -> Option<&[Grant]> {
        self.grants.as_deref()
    }

    /// The project that owns a key that the call holds.
    ///
    /// # Errors
    /// [`Error::Internal`] when the call does not hold it.
    pub fn owner_of(&self, key: &Key) -> Result<&Project> {
        let own = self.project()?;
        std::iter::once(own)
            .chain(&self.owner)
            .find(|project| project.id == key.project)
            .ok_or_else(|| Error::Internal(format!("key {} is not the call's", key.id)))
    }

    /// The project of the key that the call named last, as far as it was found.
    ///
    /// # Errors
    /// As [`Self::project`].
    pub fn owner(&self) -> Result<&Project> {
        self.owner.as_ref().map_or_else(|| self.project(), Ok)
    }

    async fn project_of(&self, id: &ProjectId) -> Result<Project> {
        let row = self.kms.store().find_project(id).await?;
        let missing = || Error::Internal(format!("no project {id}"));
        Ok(row.ok_or_else(missing)?.open(self.kms.key().row())?)
    }

    /// The domain that owns a key.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it cannot be read.
    pub async fn domain_of(&self, key: &Key) -> Result<DomainId> {
        let own = self.project()?;
        if key.project == own.id {
            return Ok(own.domain.clone());
        }
        Ok(self.project_of(&key.project).await?.domain)
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

    /// Keeps a copy of a key, with all versions of its material, to be stored with the answer. Of
    /// imported material it has the remembrance only: the same is to be imported into it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the material or the other project's key cannot be had.
    pub async fn insert_replica(
        &mut self,
        of: &Key,
        imported: &[ImportedMaterial],
        replica: Key,
    ) -> Result<()> {
        let mut versions = Vec::new();
        for material in imported {
            let expected = material.expected_by(&replica);
            versions.push(self.kms.saved_material(&expected).await?);
        }
        let stored = match of.origin {
            Origin::Kms => self.kms.store().list_material(of).await?,
            Origin::External => Vec::new(),
        };
        for row in stored {
            let material = self.kms.material(of, row.version).await?;
            let sealed = self
                .kms
                .seal_material(&replica, row.version, &material, row.created_at)
                .await?;
            versions.push(Write::InsertMaterial {
                key: Box::new(replica.clone()),
                material: SealedMaterial {
                    on_demand: row.on_demand,
                    ..sealed
                },
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
        Limits::quota(self.kms.config().limits.keys_per_project)
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

    /// The same for a key that changes beside the one that the call is about: its replica.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub async fn save_beside(&mut self, key: &mut Key) -> Result<()> {
        let write = self.kms.saved(key).await?;
        self.writes.push(write);
        Ok(())
    }

    /// Keeps a new grant on a key to be stored with the answer, if nobody changes the key meanwhile.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the project's key cannot be had.
    pub async fn insert_grant(&mut self, key: &Key, grant: Grant, most: u64) -> Result<()> {
        let sealing = self.kms.project_key(&key.project).await?;
        self.writes.push(Write::InsertGrant {
            grant: Box::new(Sealed::new(grant, sealing.row())),
            key_revision: key.revision,
            quota: i64::try_from(most).unwrap_or(i64::MAX),
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

    /// What the record would say now.
    pub fn noted(&self) -> Note {
        self.note.clone()
    }

    /// Has a record of its own made of a second key that the call used: whoever looks for the uses of
    /// a key looks under that key.
    pub fn note_beside(&mut self, note: Note) {
        self.note.beside = Some(Box::new(note));
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

    /// The id of the key that a reference stands for. An alias may be moved between this and the
    /// reading of its key; it cannot point to nothing, for the schema binds it to a key.
    async fn resolve(&self, reference: &KeyRef) -> Result<KeyId> {
        let name = match reference {
            KeyRef::Id(id) | KeyRef::Of(_, id) => return Ok(id.clone()),
            KeyRef::Alias(name) => name,
            KeyRef::Urn(urn) => {
                // Another region or account is no place where this call could look.
                if urn.region != self.region || urn.domain != self.project()?.domain {
                    return Err(Error::KeyNotFound);
                }
                &urn.name
            }
        };
        let alias = self.alias(name).await?.ok_or(Error::KeyNotFound)?;
        Ok(alias.key)
    }

    /// The alias of this name in the caller's project, while its key's day has not come.
    ///
    /// # Errors
    /// [`Error::Internal`] when its row cannot be trusted, [`Error::Unavailable`].
    pub async fn alias(&self, name: &AliasName) -> Result<Option<Alias>> {
        let project = &self.project()?.id;
        let row = self
            .kms
            .store()
            .find_alias(project, &self.region, name, self.kms.deadline_now())
            .await?;
        let sealing = self.project_key().await?;
        Ok(row.map(|row| row.open(sealing.row())).transpose()?)
    }
}
