//! Whom there is: domains, projects, users, roles, access keys and the keys that sign tokens, as
//! the operator manages them from the machine's own command line.
//!
//! Every change leaves a record of its own.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{DomainRef, UserRef, find_domain, find_user};
use crate::crypto::secret::Secret;
use crate::crypto::{password, sealed, token_key};
use crate::kms::Kms;
use crate::model::action::Action;
use crate::model::audit::Record;
use crate::model::caller::Credential;
use crate::model::identity::{AccessKey, Domain, Project, Role, RoleAssignment, User};
use crate::model::ids::{AccessKeyId, AccountId, DisplayName, DomainId, ProjectId, UserId};
use crate::store::identity::{NewProject, TokenKey};
use crate::store::{Sealed, StoreError, Write};

/// Why the operator's wish was not carried out, in a sentence.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// It exists already.
    #[error("{0} exists already")]
    Exists(String),
    /// Others still depend on it.
    #[error("{0} is still in use: {1}")]
    InUse(String, &'static str),
    /// A word does not have the form that it must have.
    #[error("{0}")]
    Malformed(String),
    /// The database or the machine.
    #[error("{0}")]
    Failed(String),
}

type Result<T> = std::result::Result<T, ManageError>;

impl From<StoreError> for ManageError {
    fn from(error: StoreError) -> Self {
        ManageError::Failed(error.to_string())
    }
}

impl From<crate::model::error::Error> for ManageError {
    fn from(error: crate::model::error::Error) -> Self {
        ManageError::Failed(format!("{error:?}"))
    }
}

/// An access key with its secret, which is shown this once.
pub struct NewAccessKey {
    /// The public half, AK.
    pub id: AccessKeyId,
    /// The secret half, SK.
    pub secret: Secret,
}

/// A domain with one project and its administrator, made at one stroke.
pub struct NewAccount {
    /// The domain's name.
    pub domain: DisplayName,
    /// The project's name.
    pub project: DisplayName,
    /// The project's id; `None` for a new one.
    pub project_id: Option<ProjectId>,
    /// The twelve digits of its ARNs; `None` for new ones.
    pub account: Option<AccountId>,
    /// The administrator's name.
    pub user: DisplayName,
    /// Their password.
    pub password: Secret,
    /// An access key of theirs, given and not made.
    pub access_key: Option<NewAccessKey>,
}

/// Makes sure that there is a key pair to sign tokens with.
///
/// # Errors
/// [`ManageError::Failed`].
pub async fn ensure_token_key(kms: &Kms) -> Result<()> {
    if kms.store().token_keys().await?.is_empty() {
        add_token_key(kms).await?;
    }
    Ok(())
}

/// Whether nobody is registered yet.
///
/// # Errors
/// [`ManageError::Failed`].
pub async fn is_empty(kms: &Kms) -> Result<bool> {
    Ok(kms.store().list_domains().await?.is_empty())
}

/// Makes an account at one stroke: all of it or nothing.
///
/// # Errors
/// [`ManageError::Exists`] when the domain's name is taken.
pub async fn add_account(kms: &Arc<Kms>, new: NewAccount) -> Result<Project> {
    let told = format!("account {}", new.domain);
    let domain = Domain {
        id: DomainId::from_random(kms.env().random()),
        name: new.domain,
        authority: String::new(),
        created_at: kms.now(),
    };
    let project = Project {
        id: new
            .project_id
            .unwrap_or_else(|| ProjectId::from_random(kms.env().random())),
        domain: domain.id.clone(),
        name: new.project,
        account: new
            .account
            .unwrap_or_else(|| AccountId::from_random(kms.env().random())),
        created_at: kms.now(),
    };
    let user = User {
        id: UserId::from_random(kms.env().random()),
        domain: domain.id.clone(),
        name: new.user,
        password_hash: hash(kms, new.password).await?,
        enabled: true,
        tokens_valid_from: kms.now(),
        created_at: kms.now(),
    };
    let role = RoleAssignment {
        user: user.id.clone(),
        project: project.id.clone(),
        role: Role::TenantAdministrator,
    };
    let wrapped = kms.new_project_key(&project.id);
    let access_key = match new.access_key {
        None => None,
        Some(given) => {
            // The project's key is not stored yet, so its secret is sealed by hand.
            let project_key = kms.open_project_key(&project.id, &wrapped)?;
            Some(access_key(
                kms,
                &project_key,
                &user.id,
                &project.id,
                &given,
                None,
            ))
        }
    };
    let row = kms.key().row();
    let mut writes = vec![
        Write::InsertDomain(Sealed::new(domain, row)),
        Write::InsertProject(NewProject {
            project: Sealed::new(project.clone(), row),
            key: wrapped,
        }),
        Write::InsertUser(Sealed::new(user, row)),
        Write::AssignRole(Sealed::new(role, row)),
    ];
    writes.extend(access_key.map(|key| Write::InsertAccessKey(Sealed::new(key, row))));
    match commit(kms, writes, &format!("add {told}"), Action::ManageIdentity).await {
        Ok(()) => Ok(project),
        Err(StoreError::AlreadyExists) => Err(ManageError::Exists(told)),
        Err(other) => Err(other.into()),
    }
}

/// Every domain.
///
/// # Errors
/// [`ManageError::Failed`], as for every list here.
pub async fn domains(kms: &Kms) -> Result<Vec<Domain>> {
    opened(kms, kms.store().list_domains().await?)
}

/// Every project.
pub async fn projects(kms: &Kms) -> Result<Vec<Project>> {
    opened(kms, kms.store().list_projects(None).await?)
}

/// Every user.
pub async fn users(kms: &Kms) -> Result<Vec<User>> {
    opened(kms, kms.store().list_users().await?)
}

/// Every access key.
pub async fn access_keys(kms: &Kms) -> Result<Vec<AccessKey>> {
    opened(kms, kms.store().list_access_keys().await?)
}

/// Every key pair that signs tokens, the newest first.
pub async fn token_keys(kms: &Kms) -> Result<Vec<TokenKey>> {
    opened(kms, kms.store().token_keys().await?)
}

/// A user's roles, in every project.
pub async fn roles(kms: &Kms, user: &UserId) -> Result<Vec<RoleAssignment>> {
    opened(kms, kms.store().roles_of(user).await?)
}

/// Registers a domain. With an authority, its users are that outside issuer's.
///
/// # Errors
/// [`ManageError::Exists`].
pub async fn add_domain(
    kms: &Arc<Kms>,
    name: DisplayName,
    id: Option<DomainId>,
    authority: String,
) -> Result<Domain> {
    let domain = Domain {
        id: id.unwrap_or_else(|| DomainId::from_random(kms.env().random())),
        name,
        authority,
        created_at: kms.now(),
    };
    let told = format!("domain {}", domain.name);
    match commit_domain(kms, domain.clone(), &told).await {
        Ok(()) => Ok(domain),
        Err(StoreError::AlreadyExists) => Err(ManageError::Exists(told)),
        Err(other) => Err(other.into()),
    }
}

/// Registers a project of a domain, by Huawei's custom named after a region.
///
/// # Errors
/// [`ManageError::NotFound`] for the domain, [`ManageError::Exists`].
pub async fn add_project(
    kms: &Arc<Kms>,
    domain: &str,
    name: DisplayName,
    id: Option<ProjectId>,
    account: Option<AccountId>,
) -> Result<Project> {
    let project = Project {
        id: id.unwrap_or_else(|| ProjectId::from_random(kms.env().random())),
        domain: domain_named(kms, domain).await?.id,
        name,
        account: account.unwrap_or_else(|| AccountId::from_random(kms.env().random())),
        created_at: kms.now(),
    };
    let told = format!("project {}", project.name);
    match commit_project(kms, project.clone(), &told).await {
        Ok(()) => Ok(project),
        Err(StoreError::AlreadyExists) => Err(ManageError::Exists(format!(
            "{told}, or its id or account id,"
        ))),
        Err(other) => Err(other.into()),
    }
}

/// Registers a user.
///
/// # Errors
/// [`ManageError::NotFound`] for the domain, [`ManageError::Exists`].
pub async fn add_user(
    kms: &Arc<Kms>,
    domain: &str,
    name: DisplayName,
    password: Secret,
) -> Result<User> {
    let user = User {
        id: UserId::from_random(kms.env().random()),
        domain: domain_named(kms, domain).await?.id,
        name,
        password_hash: hash(kms, password).await?,
        enabled: true,
        tokens_valid_from: kms.now(),
        created_at: kms.now(),
    };
    let told = format!("user {}", user.name);
    let write = Write::InsertUser(Sealed::new(user.clone(), kms.key().row()));
    match commit(
        kms,
        vec![write],
        &format!("add {told}"),
        Action::ManageIdentity,
    )
    .await
    {
        Ok(()) => Ok(user),
        Err(StoreError::AlreadyExists) => Err(ManageError::Exists(told)),
        Err(other) => Err(other.into()),
    }
}

/// Gives a user another password; every token they have is void from now on.
///
/// # Errors
/// [`ManageError::NotFound`].
pub async fn reset_password(
    kms: &Arc<Kms>,
    domain: &str,
    name: &str,
    password: Secret,
) -> Result<User> {
    let mut user = user_named(kms, domain, name).await?;
    user.password_hash = hash(kms, password).await?;
    user.tokens_valid_from = kms.now();
    save_user(kms, user, "reset the password of").await
}

/// Lets a user sign in and use what they have, or not.
///
/// # Errors
/// [`ManageError::NotFound`].
pub async fn set_user_enabled(
    kms: &Arc<Kms>,
    domain: &str,
    name: &str,
    enabled: bool,
) -> Result<User> {
    let mut user = user_named(kms, domain, name).await?;
    user.enabled = enabled;
    if !enabled {
        // What they had does not come back to life with them.
        user.tokens_valid_from = kms.now();
    }
    save_user(kms, user, if enabled { "enable" } else { "disable" }).await
}

async fn save_user(kms: &Arc<Kms>, user: User, what: &str) -> Result<User> {
    let told = format!("{what} user {}", user.name);
    let write = Write::SaveUser(Sealed::new(user.clone(), kms.key().row()));
    commit(kms, vec![write], &told, Action::ManageIdentity).await?;
    Ok(user)
}

/// Gives a user a role in a project of their domain, or takes it away.
///
/// # Errors
/// [`ManageError::NotFound`] for user, project or the role to take, [`ManageError::Exists`] for a
/// role they have.
pub async fn set_role(
    kms: &Arc<Kms>,
    domain: &str,
    user: &str,
    project: &str,
    role: Role,
    given: bool,
) -> Result<()> {
    let user = user_named(kms, domain, user).await?;
    let project = project_named(kms, domain, project).await?;
    let told = format!("role {} of {} in {}", role.name(), user.name, project.name);
    let assignment = RoleAssignment {
        user: user.id,
        project: project.id,
        role,
    };
    let (write, what) = if given {
        (
            Write::AssignRole(Sealed::new(assignment, kms.key().row())),
            "add",
        )
    } else {
        (Write::RemoveRole(assignment), "remove")
    };
    match commit(
        kms,
        vec![write],
        &format!("{what} {told}"),
        Action::ManageIdentity,
    )
    .await
    {
        Ok(()) => Ok(()),
        Err(StoreError::AlreadyExists) => Err(ManageError::Exists(told)),
        Err(StoreError::Conflict) => Err(ManageError::NotFound(told)),
        Err(other) => Err(other.into()),
    }
}

/// Makes an access key of a user for one project.
///
/// # Errors
/// [`ManageError::NotFound`] for user or project.
pub async fn add_access_key(
    kms: &Arc<Kms>,
    domain: &str,
    user: &str,
    project: &str,
    lifetime: Option<Duration>,
) -> Result<NewAccessKey> {
    let user = user_named(kms, domain, user).await?;
    let project = project_named(kms, domain, project).await?;
    let project_key = kms.project_key(&project.id).await?;
    // 40 characters that need no escaping anywhere, 240 bits.
    let random = kms.env().random::<30>();
    let new = NewAccessKey {
        id: AccessKeyId::from_random(kms.env().random()),
        secret: Secret::new(URL_SAFE_NO_PAD.encode(random).into_bytes()),
    };
    let key = access_key(kms, &project_key, &user.id, &project.id, &new, lifetime);
    let told = format!(
        "add access key {} of {} in {}",
        key.id, user.name, project.name
    );
    let write = Write::InsertAccessKey(Sealed::new(key, kms.key().row()));
    commit(kms, vec![write], &told, Action::ManageIdentity).await?;
    Ok(new)
}

/// The session token of an access key, which it needs if it has an end and otherwise has none.
/// Nothing of it is stored.
///
/// # Errors
/// [`ManageError::NotFound`].
pub async fn session_token(kms: &Arc<Kms>, id: &AccessKeyId) -> Result<Option<String>> {
    let row = kms.store().find_access_key(id).await?;
    let row = row.ok_or_else(|| ManageError::NotFound(format!("access key {id}")))?;
    let key = row.open(kms.key().row())?;
    let Some(end) = key.expires_at else {
        return Ok(None);
    };
    let sealing = kms.project_key(&key.project).await?;
    let place = kms.place_of_session_token(&key.project, id.as_str());
    let end = end.millis().to_be_bytes();
    let sealed = sealed::seal(sealing.wrap(), &place, &end, kms.env().entropy());
    Ok(Some(URL_SAFE_NO_PAD.encode(sealed)))
}

/// Ends an access key, and with it the tokens that were had with it.
///
/// # Errors
/// [`ManageError::NotFound`].
pub async fn remove_access_key(kms: &Arc<Kms>, id: &str) -> Result<()> {
    let missing = || ManageError::NotFound(format!("access key {id}"));
    let id = AccessKeyId::parse(id).map_err(|_| missing())?;
    remove(
        kms,
        Write::DeleteAccessKey(id.clone()),
        format!("access key {id}"),
        "",
    )
    .await
}

/// Ends a user, with their roles and access keys.
///
/// # Errors
/// [`ManageError::NotFound`].
pub async fn remove_user(kms: &Arc<Kms>, domain: &str, name: &str) -> Result<()> {
    let user = user_named(kms, domain, name).await?;
    remove(kms, Write::DeleteUser(user.id), format!("user {name}"), "").await
}

/// Ends a project that has no keys, with its roles and access keys.
///
/// # Errors
/// [`ManageError::NotFound`], [`ManageError::InUse`] when it has keys.
pub async fn remove_project(kms: &Arc<Kms>, domain: &str, name: &str) -> Result<()> {
    let project = project_named(kms, domain, name).await?;
    let why = "it has keys; schedule their deletion and wait for it (default keys stay, and with \
               them their project)";
    remove(
        kms,
        Write::DeleteProject(project.id),
        format!("project {name}"),
        why,
    )
    .await
}

/// Ends a domain that has no projects and no users.
///
/// # Errors
/// [`ManageError::NotFound`], [`ManageError::InUse`].
pub async fn remove_domain(kms: &Arc<Kms>, name: &str) -> Result<()> {
    let domain = domain_named(kms, name).await?;
    let why = "remove its projects and users first";
    remove(
        kms,
        Write::DeleteDomain(domain.id),
        format!("domain {name}"),
        why,
    )
    .await
}

async fn remove(kms: &Arc<Kms>, write: Write, told: String, in_use: &'static str) -> Result<()> {
    match commit(
        kms,
        vec![write],
        &format!("remove {told}"),
        Action::ManageIdentity,
    )
    .await
    {
        Ok(()) => Ok(()),
        Err(StoreError::Conflict) => Err(ManageError::NotFound(told)),
        Err(StoreError::Referenced) => Err(ManageError::InUse(told, in_use)),
        Err(other) => Err(other.into()),
    }
}

/// Makes a new key pair, which signs every token from now on; older ones go on verifying until
/// they are removed.
///
/// # Errors
/// [`ManageError::Failed`].
pub async fn add_token_key(kms: &Kms) -> Result<TokenKey> {
    let private = token_key::generate().map_err(|error| ManageError::Failed(error.to_string()))?;
    let id = hex::encode(kms.env().random::<8>());
    let place = kms.place_of_token_key(&id);
    let key = TokenKey {
        sealed_private: sealed::seal(
            kms.key().wrap(),
            &place,
            private.expose(),
            kms.env().entropy(),
        ),
        created_at: kms.now(),
        id,
    };
    let write = Write::InsertTokenKey(Sealed::new(key.clone(), kms.key().row()));
    let told = format!("add token key {}", key.id);
    commit(kms, vec![write], &told, Action::ManageTokenKeys).await?;
    Ok(key)
}

/// Drops a key pair; tokens that it signed are void from now on. The last one stays.
///
/// # Errors
/// [`ManageError::NotFound`], [`ManageError::InUse`] for the only one.
pub async fn remove_token_key(kms: &Kms, id: &str) -> Result<()> {
    let keys = token_keys(kms).await?;
    let told = format!("token key {id}");
    if !keys.iter().any(|key| key.id == id) {
        return Err(ManageError::NotFound(told));
    }
    if keys.len() == 1 {
        return Err(ManageError::InUse(
            told,
            "it is the only one; add another first",
        ));
    }
    let write = Write::DeleteTokenKey(id.to_owned());
    commit(
        kms,
        vec![write],
        &format!("remove {told}"),
        Action::ManageTokenKeys,
    )
    .await?;
    Ok(())
}

/// A password that nobody will guess: 20 characters of base 64, 120 bits.
pub fn new_password(kms: &Kms) -> Secret {
    Secret::new(
        URL_SAFE_NO_PAD
            .encode(kms.env().random::<15>())
            .into_bytes(),
    )
}

pub(super) async fn commit_domain(
    kms: &Kms,
    domain: Domain,
    told: &str,
) -> std::result::Result<(), StoreError> {
    let write = Write::InsertDomain(Sealed::new(domain, kms.key().row()));
    commit(
        kms,
        vec![write],
        &format!("add {told}"),
        Action::ManageIdentity,
    )
    .await
}

pub(super) async fn commit_project(
    kms: &Kms,
    project: Project,
    told: &str,
) -> std::result::Result<(), StoreError> {
    let write = Write::InsertProject(NewProject {
        key: kms.new_project_key(&project.id),
        project: Sealed::new(project, kms.key().row()),
    });
    commit(
        kms,
        vec![write],
        &format!("add {told}"),
        Action::ManageIdentity,
    )
    .await
}

async fn commit(
    kms: &Kms,
    writes: Vec<Write>,
    told: &str,
    action: Action,
) -> std::result::Result<(), StoreError> {
    let record = Record {
        at: kms.now(),
        request_id: hex::encode(kms.env().random::<16>()),
        credential: Credential::Operator.describe(),
        user_id: String::new(),
        user_name: String::new(),
        project_id: String::new(),
        address: String::new(),
        action,
        region: String::new(),
        key_id: String::new(),
        revision: 0,
        outcome: "ok".into(),
        detail: told.to_owned(),
        duration_us: 0,
    };
    kms.store().commit(writes, record).await?;
    kms.credentials().forget_all();
    Ok(())
}

fn access_key(
    kms: &Kms,
    project_key: &crate::crypto::keyring::ProjectKey,
    user: &UserId,
    project: &ProjectId,
    new: &NewAccessKey,
    lifetime: Option<Duration>,
) -> AccessKey {
    let place = kms.place_of_access_key(project, new.id.as_str());
    AccessKey {
        id: new.id.clone(),
        user: user.clone(),
        project: project.clone(),
        sealed_secret: sealed::seal(
            project_key.wrap(),
            &place,
            new.secret.expose(),
            kms.env().entropy(),
        ),
        enabled: true,
        expires_at: lifetime.map(|lifetime| kms.now().plus(lifetime)),
        created_at: kms.now(),
    }
}

async fn hash(kms: &Kms, given: Secret) -> Result<String> {
    if given.expose().is_empty() {
        return Err(ManageError::Malformed("the password is empty".into()));
    }
    let env = kms.env().clone();
    kms.credentials()
        .hashing(move || password::hash(given.expose(), env.entropy()))
        .await?
        .map_err(|error| ManageError::Failed(error.to_string()))
}

fn opened<T: crate::store::Sealable>(kms: &Kms, rows: Vec<Sealed<T>>) -> Result<Vec<T>> {
    rows.into_iter()
        .map(|row| Ok(row.open(kms.key().row())?))
        .collect()
}

async fn domain_named(kms: &Kms, name: &str) -> Result<Domain> {
    let missing = || ManageError::NotFound(format!("domain {name}"));
    let parsed = DisplayName::parse(name).map_err(|_| missing())?;
    find_domain(kms, &DomainRef::Name(parsed))
        .await?
        .ok_or_else(missing)
}

/// The project of a name in a domain.
///
/// # Errors
/// [`ManageError::NotFound`].
pub(in crate::operations) async fn project_named(
    kms: &Kms,
    domain: &str,
    name: &str,
) -> Result<Project> {
    let missing = || ManageError::NotFound(format!("project {name} in domain {domain}"));
    let domain = domain_named(kms, domain).await?;
    let parsed = DisplayName::parse(name).map_err(|_| missing())?;
    let row = kms.store().find_project_named(&domain.id, &parsed).await?;
    Ok(row.ok_or_else(missing)?.open(kms.key().row())?)
}

async fn user_named(kms: &Kms, domain: &str, name: &str) -> Result<User> {
    let missing = || ManageError::NotFound(format!("user {name} in domain {domain}"));
    let domain = domain_named(kms, domain).await?;
    let parsed = DisplayName::parse(name).map_err(|_| missing())?;
    find_user(kms, &UserRef::Name(parsed, DomainRef::Id(domain.id)))
        .await?
        .ok_or_else(missing)
}
