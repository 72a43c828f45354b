//! What lives as long as the process: the store, the root and the keys under it, the settings.
//!
//! [`Context`] is what lives as long as one call. Neither decides anything; verbs do.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use moka::future::Cache;

use crate::config::Config;
use crate::crypto::attestation::Roots;
use crate::crypto::keyring::{DeploymentKey, ProjectKey};
use crate::crypto::material::Material;
use crate::crypto::root::Root;
use crate::crypto::sealed::Context as Place;
use crate::crypto::secret::Secret;
use crate::env::Env;
use crate::limits;
use crate::model::audit::Record;
use crate::model::error::{Error, Result};
use crate::model::ids::{AccessPointId, KeyId, KeystoreId, ProjectId, Region};
use crate::model::key::Key;
use crate::model::keystore::Keystore;
use crate::model::material::ImportedMaterial;
use crate::model::time::Timestamp;
use crate::outside::{Issuer, Keystone};
use crate::store::deployment::Deployment;
use crate::store::identity::WrappedProjectKey;
use crate::store::keys::SealedMaterial;
use crate::store::{DatabaseUrl, Options, Sealed, Store, StoreError, Write};

mod accesses;
mod bench;
mod context;
mod credentials;
mod hsm;
mod material;
mod metrics;
pub mod policies;
pub mod principals;
mod refusals;
mod throttle;

pub use accesses::PolicyAccesses;
pub use bench::Bench;
pub use context::{Context, Note, Outcome};
pub use credentials::{CheckedAccessKey, CheckedToken, Credentials, TokenKeys, VerifyingKey};
use material::OpenMaterial;
pub use material::material_kind;
pub use metrics::Metrics;
pub use refusals::RefusalMeter;
pub use throttle::Throttle;

/// The first epoch of a project's key.
pub const FIRST_EPOCH: u32 = 1;

/// The service, as long as the process lives.
pub struct Kms {
    config: Config,
    env: Env,
    store: Store,
    root: Root,
    deployment: Deployment,
    key: DeploymentKey,
    project_keys: Cache<ProjectId, Arc<ProjectKey>>,
    credentials: Credentials,
    throttle: Throttle,
    refusals: RefusalMeter,
    metrics: Metrics,
    policy_accesses: PolicyAccesses,
    slow_work: Bench,
    slow_uses: Bench,
    open_material: OpenMaterial,
    issuers: Vec<Issuer>,
    keystone: Option<Keystone>,
    clusters: hsm::Clusters,
    enclave_roots: Roots,
    /// The latest time that destruction has believed, in milliseconds (threat model 5.5).
    high_water: AtomicI64,
    /// Whether the clock can be trusted enough to serve.
    clock_in_order: AtomicBool,
    /// Keeps another process from serving the same SQLite file.
    _lock: Option<fs::File>,
}

/// Why kmsd cannot start, in a sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

macro_rules! start_error_from {
    ($($error:ty),+) => {$(
        impl From<$error> for StartError {
            fn from(error: $error) -> Self {
                Self(error.to_string())
            }
        }
    )+};
}

start_error_from!(StoreError, std::io::Error, crate::crypto::root::RootError);

/// What a process wants of the data: the only server of a SQLite file, or a look beside one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve calls.
    Serve,
    /// To do one thing for the operator and end.
    Operate,
}

impl Kms {
    /// Opens the data, or makes it at the first start: folder, database, root key, deployment.
    /// Answers whether it was the first start.
    ///
    /// # Errors
    /// [`StartError`], a sentence; nothing was written unless everything before it was in order.
    pub async fn open(
        mut config: Config,
        env: Env,
        purpose: Purpose,
    ) -> std::result::Result<(Self, bool), StartError> {
        make_private_folder(&config.data_dir)?;
        let lock = match (&config.database, purpose) {
            (DatabaseUrl::Sqlite(path), Purpose::Serve) => Some(lock_beside(path)?),
            _ => None,
        };
        let store = Store::open(
            &Options {
                url: config.database.clone(),
                connections: config.database_connections,
                require_durable: !config.dev,
            },
            hex::encode(env.random::<8>()),
        )
        .await?;
        if let DatabaseUrl::Sqlite(path) = &config.database {
            make_files_private(path)?;
        }
        let (root, deployment, first) = deployment_of(&config, &env, &store).await?;
        let key = DeploymentKey::open_under(&root, &deployment.id, &deployment.sealed_key)
            .map_err(|_| StartError("the deployment's key does not open under the root".into()))?;
        if !config.regions.contains(&deployment.home_region) {
            return Err(StartError(format!(
                "regions: the keys of this database live in {}, which is not among the regions; \
                 add it",
                deployment.home_region
            )));
        }
        let high_water = AtomicI64::new(store.high_water().await?.millis());
        let issuers = config
            .issuers
            .iter()
            .map(|issuer| Issuer::open(issuer.clone(), &env).map_err(StartError))
            .collect::<std::result::Result<_, _>>()?;
        let keystone = config
            .keystone
            .take()
            .map(|keystone| Keystone::open(keystone).map_err(StartError))
            .transpose()?;
        let clusters = hsm::Clusters::open(&config.hsm_clusters).map_err(StartError)?;
        let enclave_roots = read_enclave_roots(&config.enclave_roots)?;
        let throttle = Throttle::new(&config.limits, &env);
        Ok((
            Self {
                env,
                store,
                root,
                deployment,
                key,
                project_keys: Cache::new(limits::CACHED_PROJECT_KEYS),
                credentials: Credentials::new(config.recheck_after),
                throttle,
                refusals: RefusalMeter::default(),
                metrics: Metrics::new(),
                policy_accesses: PolicyAccesses::default(),
                open_material: OpenMaterial::new(),
                slow_work: Bench::new(limits::SLOW_AT_ONCE, limits::SLOW_WAITING),
                slow_uses: Bench::new(limits::SLOW_AT_ONCE, limits::SLOW_USES_WAITING),
                issuers,
                keystone,
                clusters,
                enclave_roots,
                high_water,
                clock_in_order: AtomicBool::new(true),
                config,
                _lock: lock,
            },
            first,
        ))
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Time and randomness.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What ids of this deployment's tokens and blobs are bound to.
    pub fn deployment_id(&self) -> &str {
        &self.deployment.id
    }

    /// The deployment's own key.
    pub fn key(&self) -> &DeploymentKey {
        &self.key
    }

    /// Credentials that were checked a moment ago.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Who has to wait.
    pub fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// Which refused credentials get a record of their own.
    pub fn refusals(&self) -> &RefusalMeter {
        &self.refusals
    }

    /// Counters for operators.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// When policies of capsules were last used.
    pub fn policy_accesses(&self) -> &PolicyAccesses {
        &self.policy_accesses
    }

    /// The outside issuers whose tokens are accepted.
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// The outside Keystone whose tokens are accepted.
    pub fn keystone(&self) -> Option<&Keystone> {
        self.keystone.as_ref()
    }

    /// The roots that attestation documents of enclaves must lead to.
    pub fn enclave_roots(&self) -> &Roots {
        &self.enclave_roots
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.env.now()
    }

    /// The time by which deadlines of keys are judged: the wall clock, or the latest time that was
    /// ever believed if that is later, so that a clock set back revives no key.
    pub fn deadline_now(&self) -> Timestamp {
        let mark = Timestamp::from_millis(self.high_water.load(Ordering::Relaxed));
        self.now().max(mark)
    }

    /// Tells the time that destruction believes.
    pub fn set_high_water(&self, mark: Timestamp) {
        self.high_water.fetch_max(mark.millis(), Ordering::Relaxed);
    }

    /// Tells whether the clock can be trusted enough to serve.
    pub fn set_clock_in_order(&self, in_order: bool) {
        self.clock_in_order.store(in_order, Ordering::Relaxed);
    }

    /// Whether calls can be served now.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what is missing.
    pub async fn ready(&self) -> Result<()> {
        if !self.clock_in_order.load(Ordering::Relaxed) {
            return Err(Error::Unavailable("the clock is not in order".into()));
        }
        self.store.ping().await?;
        Ok(())
    }

    /// The key of a project, on which everything that is sealed for the project hangs.
    ///
    /// # Errors
    /// [`Error::Internal`] when there is none or it does not open, [`Error::Unavailable`] when the
    /// database does not answer.
    pub async fn project_key(&self, project: &ProjectId) -> Result<Arc<ProjectKey>> {
        if let Some(key) = self.project_keys.get(project).await {
            return Ok(key);
        }
        self.project_keys
            .try_get_with(project.clone(), async {
                let wrapped = self
                    .store
                    .find_project_key(project, None)
                    .await?
                    .ok_or_else(|| Error::Internal(format!("project {project} has no key")))?;
                self.open_project_key(project, &wrapped).map(Arc::new)
            })
            .await
            .map_err(|error: Arc<Error>| (*error).clone())
    }

    /// Opens a project's key.
    ///
    /// # Errors
    /// [`Error::Internal`] when it does not open.
    pub fn open_project_key(
        &self,
        project: &ProjectId,
        wrapped: &WrappedProjectKey,
    ) -> Result<ProjectKey> {
        ProjectKey::open_under(
            &self.root,
            &self.deployment.id,
            project.as_str(),
            i64::from(wrapped.epoch),
            &wrapped.sealed_key,
        )
        .map_err(|_| Error::Internal(format!("the key of project {project} does not open")))
    }

    /// Runs what takes milliseconds beside the event loop: uses of RSA keys, which do not wait behind
    /// the search for new ones.
    ///
    /// # Errors
    /// [`Error::Unavailable`] at once when too many wait already.
    pub async fn uses_slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        self.slow_uses.run(work).await
    }

    /// Runs what takes long beside the event loop, a few at a time, so that it cannot delay a fast
    /// call (threat model I-51).
    ///
    /// # Errors
    /// [`Error::Unavailable`] at once when too many wait already.
    pub async fn slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        self.slow_work.run(work).await
    }

    /// One version of a key's material, opened.
    ///
    /// # Errors
    /// [`Error::InvalidCiphertext`] when the key has no such version, [`Error::Internal`] when it
    /// does not open.
    pub async fn material(&self, key: &Key, version: u32) -> Result<Arc<Material>> {
        self.open_material.of(self, key, version).await
    }

    /// Everything that was ever imported into a key, the oldest first, as it was when the key was
    /// read: every change of it changes the key.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the key has changed since; [`Error::Internal`] when a row's seal does
    /// not fit; [`Error::Unavailable`] when the database does not answer.
    pub async fn imported_materials(&self, key: &Key) -> Result<Vec<ImportedMaterial>> {
        let sealing = self.project_key(&key.project).await?;
        let rows = self.store.imported_materials(key).await?;
        if !self.store.is_unchanged(key).await? {
            return Err(Error::Conflict);
        }
        rows.into_iter()
            .map(|row| Ok(row.open(sealing.row())?))
            .collect()
    }

    /// A changed key as it is to be saved, if nobody changes it meanwhile: its revision is counted
    /// up and its row sealed anew.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the project's key cannot be had.
    pub async fn saved(&self, key: &mut Key) -> Result<Write> {
        let sealing = self.project_key(&key.project).await?;
        let read = key.revision;
        key.revision += 1;
        Ok(Write::SaveKey {
            key: Sealed::new(key.clone(), sealing.row()),
            read,
        })
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
        for row in self.store.list_copies(&key.id).await? {
            let sealing = self.project_key(&row.peek().project).await?;
            let copy = row.open(sealing.row())?;
            if copy.region != key.region {
                copies.push(copy);
            }
        }
        Ok(copies)
    }

    /// What was imported, as it is to be saved. The same change saves the key.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the project's key cannot be had.
    pub async fn saved_material(&self, material: &ImportedMaterial) -> Result<Write> {
        let sealing = self.project_key(&material.project).await?;
        let sealed = Sealed::new(material.clone(), sealing.row());
        Ok(Write::SaveImported(Box::new(sealed)))
    }

    /// Carries out a change and keeps its record; material that it drops is let go of.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit(
        &self,
        writes: Vec<Write>,
        record: Record,
    ) -> std::result::Result<(), StoreError> {
        let dropped: Vec<(Box<Key>, u32)> = writes
            .iter()
            .filter_map(|write| match write {
                Write::DropMaterial { key, version } => Some((key.clone(), *version)),
                _ => None,
            })
            .collect();
        let done = self.store.commit(writes, record).await;
        for (key, version) in dropped {
            self.open_material.close(&key, version).await;
        }
        done
    }

    /// Seals one version of a key's material, for where it will be stored.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the project's key cannot be had.
    pub async fn seal_material(
        &self,
        key: &Key,
        version: u32,
        material: &Material,
        now: Timestamp,
    ) -> Result<SealedMaterial> {
        let sealing = self.project_key(&key.project).await?;
        let place =
            self.place_of_material(&key.project, &key.region, &key.id, version, FIRST_EPOCH);
        Ok(SealedMaterial {
            version,
            epoch: FIRST_EPOCH,
            sealed: material.seal(sealing.wrap(), place, self.env.entropy()),
            on_demand: false,
            created_at: now,
        })
    }

    /// A keystore, by its whole identity.
    ///
    /// # Errors
    /// [`Error::KeystoreNotFound`]; [`Error::Internal`] when its row cannot be trusted.
    pub async fn keystore(
        &self,
        project: &ProjectId,
        region: &Region,
        id: &KeystoreId,
    ) -> Result<Keystore> {
        let found = self.store.find_keystore(project, region, id).await?;
        let row = found.ok_or(Error::KeystoreNotFound)?;
        Ok(row.open(self.project_key(project).await?.row())?)
    }

    /// A key for a project that is about to be registered.
    pub fn new_project_key(&self, project: &ProjectId) -> WrappedProjectKey {
        let entropy = self.env.entropy();
        let key = ProjectKey::generate(entropy);
        WrappedProjectKey {
            epoch: FIRST_EPOCH,
            root_id: self.root.id().to_owned(),
            sealed_key: key.seal_under(
                &self.root,
                &self.deployment.id,
                project.as_str(),
                i64::from(FIRST_EPOCH),
                entropy,
            ),
            created_at: self.now(),
        }
    }

    /// Where one version of a key's material belongs: it opens nowhere else (I-42).
    pub fn place_of_material(
        &self,
        project: &ProjectId,
        region: &Region,
        key: &KeyId,
        version: u32,
        epoch: u32,
    ) -> Place {
        Place::new("key_versions.sealed")
            .with("deployment", &self.deployment.id)
            .with("project", project.as_str())
            .with("region", region.as_str())
            .with("key", key.as_str())
            .with_number("version", i64::from(version))
            .with_number("epoch", i64::from(epoch))
    }

    /// Where a check value of imported material belongs. Not in a region: copies of a key in other
    /// regions know the same material by the same value.
    pub fn place_of_check_value(&self, project: &ProjectId, key: &KeyId) -> Place {
        Place::new("imported_materials.check_value")
            .with("deployment", &self.deployment.id)
            .with("project", project.as_str())
            .with("key", key.as_str())
    }

    /// Where an import token belongs.
    pub fn place_of_import_token(&self, project: &ProjectId, region: &Region) -> Place {
        Place::new("import token")
            .with("deployment", &self.deployment.id)
            .with("project", project.as_str())
            .with("region", region.as_str())
    }

    /// Where a grant token belongs.
    pub fn place_of_grant_token(&self) -> Place {
        Place::new("grant token").with("deployment", &self.deployment.id)
    }

    /// Where the marker of a page belongs.
    pub fn place_of_page(&self, project: &ProjectId, region: &Region, list: &str) -> Place {
        Place::new("page marker")
            .with("deployment", &self.deployment.id)
            .with("project", project.as_str())
            .with("region", region.as_str())
            .with("list", list)
    }

    /// Where the session token of a temporary access key belongs.
    pub fn place_of_session_token(&self, project: &ProjectId, access_key: &str) -> Place {
        Place::new("session token")
            .with("deployment", &self.deployment.id)
            .with("project", project.as_str())
            .with("access_key", access_key)
    }

    /// Where the secret of an access key belongs.
    pub fn place_of_access_key(&self, project: &ProjectId, access_key: &str) -> Place {
        Place::new("access_keys.sealed_secret")
            .with("deployment", &self.deployment.id)
            .with("project", project.as_str())
            .with("access_key", access_key)
    }

    /// Where the private key of an access point belongs.
    pub fn place_of_access_point(
        &self,
        project: &ProjectId,
        region: &Region,
        point: &AccessPointId,
    ) -> Place {
        Place::new("access_points.sealed_private")
            .with("deployment", &self.deployment.id)
            .with("project", project.as_str())
            .with("region", region.as_str())
            .with("access_point", point.as_str())
    }

    /// Where the private half of a key pair that signs tokens belongs.
    pub fn place_of_token_key(&self, id: &str) -> Place {
        Place::new("token_keys.sealed_private")
            .with("deployment", &self.deployment.id)
            .with("token_key", id)
    }
}

/// The roots of enclaves that the operator trusts.
fn read_enclave_roots(files: &[PathBuf]) -> std::result::Result<Roots, StartError> {
    let mut roots = Roots::default();
    for file in files {
        let unusable =
            |why: String| StartError(format!("enclave_roots: {}: {why}", file.display()));
        let pem = fs::read(file).map_err(|error| unusable(error.to_string()))?;
        roots
            .add_pem(&pem)
            .map_err(|why| unusable(why.to_string()))?;
    }
    Ok(roots)
}

/// A refusal of the store, by what it means to whoever called.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Error::Conflict,
            StoreError::AlreadyExists => Error::NameTaken,
            StoreError::AliasTaken => Error::AliasTaken,
            StoreError::QuotaReached => Error::KeyQuotaReached,
            StoreError::GrantQuotaReached => Error::GrantQuotaReached,
            StoreError::Unavailable(why) => Error::Unavailable(why),
            StoreError::Referenced | StoreError::Corrupt(_) => Error::Internal(error.to_string()),
        }
    }
}

/// What the ids of deployments begin with that `kmsd dev` made: production refuses them.
const DEV: &str = "dev-";

/// The root of `kmsd dev`. It is public, so that a given database can be used again.
fn dev_root() -> Root {
    Root::from_secret(Secret::from_slice(b"kmsd dev: this root is no secret"))
}

/// The deployment that the database holds, under the root that sealed it; or a new one.
async fn deployment_of(
    config: &Config,
    env: &Env,
    store: &Store,
) -> std::result::Result<(Root, Deployment, bool), StartError> {
    let mut first = false;
    if store.find_deployment().await?.is_none() {
        let root = if config.dev {
            dev_root()
        } else if config.root_file.exists() {
            Root::open_file(&config.root_file)?
        } else {
            Root::create_file(&config.root_file, env.entropy()).map_err(|error| {
                StartError(format!(
                    "the root file {} cannot be made: {error}",
                    config.root_file.display()
                ))
            })?
        };
        let mut id = hex::encode(env.random::<16>());
        if config.dev {
            id.insert_str(0, DEV);
        }
        let deployment = Deployment {
            home_region: config.home_region().clone(),
            root_id: root.id().to_owned(),
            root_check: root.check_value(&id).to_vec(),
            sealed_key: DeploymentKey::generate(env.entropy()).seal_under(
                &root,
                &id,
                env.entropy(),
            ),
            created_at: env.now(),
            id,
        };
        match store.insert_deployment(&deployment).await {
            Ok(()) => first = true,
            // Another replica was faster; what it made counts.
            Err(StoreError::AlreadyExists) => {}
            Err(other) => return Err(other.into()),
        }
    }
    let deployment = store
        .find_deployment()
        .await?
        .ok_or_else(|| StartError("the deployment that was just made is gone".into()))?;
    if deployment.id.starts_with(DEV) != config.dev {
        return Err(StartError(match config.dev {
            true => "this database holds real keys; kmsd dev does not touch it".into(),
            false => {
                "this database was made by kmsd dev, whose root key is public; use another".into()
            }
        }));
    }
    if config.dev {
        return Ok((dev_root(), deployment, first));
    }
    if !config.root_file.exists() {
        return Err(StartError(format!(
            "the root file {} is missing, and this database cannot be opened without it; put a \
             copy of root {} there",
            config.root_file.display(),
            deployment.root_id
        )));
    }
    let root = Root::open_file(&config.root_file)?;
    let fits = crate::crypto::hash::constant_time_eq(
        &root.check_value(&deployment.id),
        &deployment.root_check,
    );
    if !fits {
        return Err(StartError(format!(
            "the root file {} holds root {}, but this database was sealed by root {}; put the \
             right copy there",
            config.root_file.display(),
            root.id(),
            deployment.root_id
        )));
    }
    Ok((root, deployment, first))
}

/// The data folder is for kmsd alone, whatever the umask (I-53).
fn make_private_folder(folder: &Path) -> std::result::Result<(), StartError> {
    let about = |what: &str, error: &dyn std::fmt::Display| {
        StartError(format!(
            "the data folder {} {what}: {error}",
            folder.display()
        ))
    };
    if !folder.exists() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| about("cannot be made", &error))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .map_err(|error| about("cannot be made private", &error))?;
    }
    let metadata = fs::metadata(folder).map_err(|error| about("cannot be read", &error))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if !metadata.is_dir() {
        return Err(about("is unusable", &"it is not a folder"));
    }
    if mode & 0o077 != 0 {
        return Err(StartError(format!(
            "the data folder {0} is open to others (mode {mode:04o}); run: chmod 0700 {0}",
            folder.display()
        )));
    }
    Ok(())
}

fn make_files_private(database: &Path) -> std::result::Result<(), StartError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut path = database.as_os_str().to_owned();
        path.push(suffix);
        match fs::set_permissions(&path, fs::Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// One process serves a SQLite file, for what it holds in memory would not know of another's
/// changes.
fn lock_beside(database: &Path) -> std::result::Result<fs::File, StartError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| StartError(format!("{} cannot be made: {error}", path.display())))?;
    file.try_lock().map_err(|_| {
        StartError(format!(
            "another kmsd serves {}; stop it first, or give this one a data_dir of its own",
            database.display()
        ))
    })?;
    Ok(file)
}

/// How long something took, for records and metrics.
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
