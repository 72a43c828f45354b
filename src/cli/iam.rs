//! `kmsd iam`: whom there is.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::config::Config;
use crate::crypto::secret::Secret;
use crate::env::Env;
use crate::kms::{Kms, Purpose, StartError};
use crate::model::identity::{AccessKey, Domain, Project, Role, User};
use crate::model::ids::{AccountId, DisplayName, DomainId, Malformed, ProjectId, ServiceName};
use crate::model::key::Key;
use crate::model::time::Timestamp;
use crate::operations::default_keys;
use crate::operations::identity::manage::{self, ManageError};
use crate::store::identity::TokenKey;

/// Manages domains (accounts), projects, users, their roles and access keys, the keys that sign
/// tokens, and the default keys of cloud services. A kmsd that is running takes changes over within seconds.
#[derive(Args)]
pub struct Iam {
    /// Print JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Domains: accounts, which own projects and users
    #[command(subcommand)]
    Domain(DomainCommand),
    /// Projects: tenants, which own keys
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Users, who sign in with a password
    #[command(subcommand)]
    User(UserCommand),
    /// What users may do in projects
    #[command(subcommand)]
    Role(RoleCommand),
    /// Access keys (AK and SK), which sign requests
    #[command(subcommand)]
    AccessKey(AccessKeyCommand),
    /// Key pairs that sign kmsd's own tokens
    #[command(subcommand)]
    TokenKey(TokenKeyCommand),
    /// Keys that cloud services have for themselves, SERVICE/default; once made, they stay
    #[command(subcommand)]
    DefaultKey(DefaultKeyCommand),
}

#[derive(Subcommand)]
enum DomainCommand {
    /// Register a domain
    Add {
        /// Its name
        name: String,
        /// Its id, where another system has given it one already
        #[arg(long)]
        id: Option<String>,
        /// The outside issuer that vouches for its users, by its name in the settings, or keystone
        #[arg(long, value_name = "NAME")]
        issuer: Option<String>,
    },
    /// Show every domain
    List,
    /// End a domain that has no projects and no users
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Subcommand)]
enum ProjectCommand {
    /// Register a project
    Add {
        /// Its name; by custom that of a region
        name: String,
        /// Its domain's name
        #[arg(long)]
        domain: String,
        /// Its id (32 hexadecimal digits), where another system has given it one already
        #[arg(long)]
        id: Option<String>,
        /// The twelve digits of its ARNs
        #[arg(long, value_name = "DIGITS")]
        account_id: Option<String>,
    },
    /// Show every project
    List,
    /// End a project that has no keys
    Remove {
        /// Its name
        name: String,
        /// Its domain's name
        #[arg(long)]
        domain: String,
    },
}

#[derive(Subcommand)]
enum UserCommand {
    /// Register a user; prints the password unless it is given
    Add {
        /// Their name
        name: String,
        /// Their domain's name
        #[arg(long)]
        domain: String,
        /// Read the password from standard input, up to the end of its first line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Show every user
    List,
    /// End a user, with their roles and access keys
    Remove {
        /// Their name
        name: String,
        /// Their domain's name
        #[arg(long)]
        domain: String,
    },
    /// Give a user another password; every token they have is void then
    ResetPassword {
        /// Their name
        name: String,
        /// Their domain's name
        #[arg(long)]
        domain: String,
        /// Read the password from standard input, up to the end of its first line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Let a user sign in again
    Enable {
        /// Their name
        name: String,
        /// Their domain's name
        #[arg(long)]
        domain: String,
    },
    /// Keep a user out, with all that they have
    Disable {
        /// Their name
        name: String,
        /// Their domain's name
        #[arg(long)]
        domain: String,
    },
}

#[derive(Subcommand)]
enum RoleCommand {
    /// Give a user a role in a project
    Add(RoleArgs),
    /// Show every role of every user
    List,
    /// Take a role away
    Remove(RoleArgs),
}

#[derive(Args)]
struct RoleArgs {
    /// te_admin, kms_adm, kms_cmk_full, kms_cmk_admin, kms_cmk_readonly, kms_readonly or te_guest
    role: String,
    /// The user's name
    #[arg(long)]
    user: String,
    /// The project's name
    #[arg(long)]
    project: String,
    /// The domain's name
    #[arg(long)]
    domain: String,
}

#[derive(Subcommand)]
enum AccessKeyCommand {
    /// Make an access key; its secret is shown this once
    Add {
        /// The user's name
        #[arg(long)]
        user: String,
        /// The one project in which it may be used
        #[arg(long)]
        project: String,
        /// The domain's name
        #[arg(long)]
        domain: String,
        /// Makes a temporary one, with a session token: after how many hours it ends
        #[arg(
            long = "expires-in",
            alias = "hours",
            value_name = "HOURS",
            value_parser = clap::value_parser!(u32).range(1..)
        )]
        hours: Option<u32>,
    },
    /// Show every access key, without secrets
    List,
    /// End an access key, and the tokens that were had with it
    Remove {
        /// Its public half, AK
        id: String,
    },
}

#[derive(Subcommand)]
enum TokenKeyCommand {
    /// Make a new key pair, which signs from now on; the older ones go on verifying
    Add,
    /// Show every key pair, the newest first
    List,
    /// Drop a key pair; the tokens it signed are void then
    Remove {
        /// Its id
        id: String,
    },
}

#[derive(Subcommand)]
enum DefaultKeyCommand {
    /// Make the key of a service: everybody in the project may use it, nobody may change it
    Add {
        /// The service, such as obs or evs
        service: String,
        /// The project's name
        #[arg(long)]
        project: String,
        /// The domain's name
        #[arg(long)]
        domain: String,
        /// The region; the home region, if not given
        #[arg(long)]
        region: Option<String>,
    },
    /// Show the keys of services in a project
    List {
        /// The project's name
        #[arg(long)]
        project: String,
        /// The domain's name
        #[arg(long)]
        domain: String,
    },
}

/// What a command answers: for people and, as JSON, for scripts.
struct Answer {
    text: String,
    json: Value,
}

impl Iam {
    pub(super) async fn run(self, config: Config) -> Result<(), StartError> {
        let (kms, _) = Kms::open(config, Env::real(), Purpose::Operate).await?;
        let kms = Arc::new(kms);
        let answer = match self.what {
            What::Domain(command) => domain(&kms, command).await,
            What::Project(command) => project(&kms, command).await,
            What::User(command) => user(&kms, command).await,
            What::Role(command) => role(&kms, command).await,
            What::AccessKey(command) => access_key(&kms, command).await,
            What::TokenKey(command) => token_key(&kms, command).await,
            What::DefaultKey(command) => default_key(&kms, command).await,
        };
        kms.store().close().await;
        let answer = answer.map_err(|error| StartError(error.to_string()))?;
        let text = match self.json {
            true => answer.json.to_string(),
            false => answer.text.trim_end().to_owned(),
        };
        // Whoever closed our output does not want to read it; the change is made.
        let _ = writeln!(std::io::stdout(), "{text}");
        Ok(())
    }
}

type Done = Result<Answer, ManageError>;

async fn domain(kms: &Arc<Kms>, command: DomainCommand) -> Done {
    match command {
        DomainCommand::Add { name, id, issuer } => {
            let id = id.map(DomainId::parse).transpose().map_err(about("id"))?;
            let name = DisplayName::parse(name).map_err(about("name"))?;
            let authority = issuer.unwrap_or_default();
            let domain = manage::add_domain(kms, name, id, authority).await?;
            Ok(one("domain", &domain.name, domain_json(&domain)))
        }
        DomainCommand::List => {
            let rows = manage::domains(kms).await?;
            Ok(list(
                &["NAME", "ID", "USERS OF"],
                &rows,
                domain_json,
                |domain| {
                    let authority = match domain.authority.as_str() {
                        "" => "kmsd",
                        other => other,
                    };
                    vec![
                        domain.name.to_string(),
                        domain.id.to_string(),
                        authority.into(),
                    ]
                },
            ))
        }
        DomainCommand::Remove { name } => {
            manage::remove_domain(kms, &name).await?;
            Ok(removed("domain", &name))
        }
    }
}

async fn project(kms: &Arc<Kms>, command: ProjectCommand) -> Done {
    match command {
        ProjectCommand::Add {
            name,
            domain,
            id,
            account_id,
        } => {
            let id = id.map(ProjectId::parse).transpose().map_err(about("id"))?;
            let account = account_id
                .map(AccountId::parse)
                .transpose()
                .map_err(about("account-id"))?;
            let name = DisplayName::parse(name).map_err(about("name"))?;
            let project = manage::add_project(kms, &domain, name, id, account).await?;
            Ok(one("project", &project.id, project_json(&project)))
        }
        ProjectCommand::List => {
            let rows = manage::projects(kms).await?;
            let domains = manage::domains(kms).await?;
            Ok(list(
                &["NAME", "DOMAIN", "ID", "ACCOUNT"],
                &rows,
                project_json,
                |project| {
                    let domain = domains
                        .iter()
                        .find(|domain| domain.id == project.domain)
                        .map_or_else(
                            || project.domain.to_string(),
                            |domain| domain.name.to_string(),
                        );
                    vec![
                        project.name.to_string(),
                        domain,
                        project.id.to_string(),
                        project.account.to_string(),
                    ]
                },
            ))
        }
        ProjectCommand::Remove { name, domain } => {
            manage::remove_project(kms, &domain, &name).await?;
            Ok(removed("project", &name))
        }
    }
}

async fn user(kms: &Arc<Kms>, command: UserCommand) -> Done {
    match command {
        UserCommand::Add {
            name,
            domain,
            password_stdin,
        } => {
            let name = DisplayName::parse(name).map_err(about("name"))?;
            let (password, told) = password(kms, password_stdin)?;
            let user = manage::add_user(kms, &domain, name, password).await?;
            Ok(with_password("added", &user, told))
        }
        UserCommand::List => {
            let rows = manage::users(kms).await?;
            let domains = manage::domains(kms).await?;
            Ok(list(
                &["NAME", "DOMAIN", "ID", "ENABLED"],
                &rows,
                user_json,
                |user| {
                    let domain = domains
                        .iter()
                        .find(|domain| domain.id == user.domain)
                        .map_or_else(|| user.domain.to_string(), |domain| domain.name.to_string());
                    let enabled = if user.enabled { "yes" } else { "no" };
                    vec![
                        user.name.to_string(),
                        domain,
                        user.id.to_string(),
                        enabled.into(),
                    ]
                },
            ))
        }
        UserCommand::Remove { name, domain } => {
            manage::remove_user(kms, &domain, &name).await?;
            Ok(removed("user", &name))
        }
        UserCommand::ResetPassword {
            name,
            domain,
            password_stdin,
        } => {
            let (password, told) = password(kms, password_stdin)?;
            let user = manage::reset_password(kms, &domain, &name, password).await?;
            Ok(with_password("reset the password of", &user, told))
        }
        UserCommand::Enable { name, domain } => {
            let user = manage::set_user_enabled(kms, &domain, &name, true).await?;
            Ok(with_password("enabled", &user, None))
        }
        UserCommand::Disable { name, domain } => {
            let user = manage::set_user_enabled(kms, &domain, &name, false).await?;
            Ok(with_password("disabled", &user, None))
        }
    }
}

async fn role(kms: &Arc<Kms>, command: RoleCommand) -> Done {
    let (args, given) = match command {
        RoleCommand::List => return roles(kms).await,
        RoleCommand::Add(args) => (args, true),
        RoleCommand::Remove(args) => (args, false),
    };
    let role = Role::parse(&args.role).map_err(about("role"))?;
    manage::set_role(kms, &args.domain, &args.user, &args.project, role, given).await?;
    let what = if given { "has" } else { "no longer has" };
    Ok(Answer {
        text: format!("{} {what} {} in {}", args.user, role.name(), args.project),
        json: json!({
            "user": args.user,
            "project": args.project,
            "domain": args.domain,
            "role": role.name(),
            "given": given,
        }),
    })
}

async fn roles(kms: &Arc<Kms>) -> Done {
    let projects = manage::projects(kms).await?;
    let mut rows = Vec::new();
    for user in manage::users(kms).await? {
        for assignment in manage::roles(kms, &user.id).await? {
            let project = projects
                .iter()
                .find(|project| project.id == assignment.project)
                .map_or_else(
                    || assignment.project.to_string(),
                    |project| project.name.to_string(),
                );
            rows.push((user.name.to_string(), project, assignment));
        }
    }
    let as_json = |(user, project, assignment): &(String, String, _)| {
        let assignment: &crate::model::identity::RoleAssignment = assignment;
        json!({
            "user": user,
            "user_id": assignment.user,
            "project": project,
            "project_id": assignment.project,
            "role": assignment.role.name(),
        })
    };
    Ok(list(
        &["USER", "PROJECT", "PROJECT ID", "ROLE"],
        &rows,
        as_json,
        |(user, project, assignment)| {
            vec![
                user.clone(),
                project.clone(),
                assignment.project.to_string(),
                assignment.role.name().to_owned(),
            ]
        },
    ))
}

async fn access_key(kms: &Arc<Kms>, command: AccessKeyCommand) -> Done {
    match command {
        AccessKeyCommand::Add {
            user,
            project,
            domain,
            hours,
        } => {
            let lifetime = hours.map(|hours| Duration::from_secs(u64::from(hours) * 3600));
            let key = manage::add_access_key(kms, &domain, &user, &project, lifetime).await?;
            let secret = String::from_utf8_lossy(key.secret.expose()).into_owned();
            let mut text = format!("access key     {}\nsecret key     {secret}", key.id);
            let mut json = json!({ "access_key": key.id, "secret_key": secret });
            if let Some(token) = manage::session_token(kms, &key.id).await? {
                text.push_str(&format!("\nsession token  {token}"));
                json["session_token"] = json!(token);
            }
            text.push_str("\nThe secret is shown this once.");
            Ok(Answer { text, json })
        }
        AccessKeyCommand::List => {
            let rows = manage::access_keys(kms).await?;
            let headings = ["ACCESS KEY", "USER ID", "PROJECT ID", "ENDS"];
            Ok(list(&headings, &rows, access_key_json, |key| {
                let ends = key
                    .expires_at
                    .map_or_else(|| "never".into(), Timestamp::iso_seconds);
                vec![
                    key.id.to_string(),
                    key.user.to_string(),
                    key.project.to_string(),
                    ends,
                ]
            }))
        }
        AccessKeyCommand::Remove { id } => {
            manage::remove_access_key(kms, &id).await?;
            Ok(removed("access key", &id))
        }
    }
}

async fn token_key(kms: &Arc<Kms>, command: TokenKeyCommand) -> Done {
    match command {
        TokenKeyCommand::Add => {
            let key = manage::add_token_key(kms).await?;
            Ok(one("token key", &key.id, token_key_json(&key)))
        }
        TokenKeyCommand::List => {
            let rows = manage::token_keys(kms).await?;
            Ok(list(&["ID", "MADE"], &rows, token_key_json, |key| {
                vec![key.id.clone(), key.created_at.iso_seconds()]
            }))
        }
        TokenKeyCommand::Remove { id } => {
            manage::remove_token_key(kms, &id).await?;
            Ok(removed("token key", &id))
        }
    }
}

async fn default_key(kms: &Arc<Kms>, command: DefaultKeyCommand) -> Done {
    match command {
        DefaultKeyCommand::Add {
            service,
            project,
            domain,
            region,
        } => {
            let service = ServiceName::parse(service).map_err(about("service"))?;
            let key =
                default_keys::add(kms, &domain, &project, region.as_deref(), &service).await?;
            Ok(one("default key", &key.id, default_key_json(&key)))
        }
        DefaultKeyCommand::List { project, domain } => {
            let rows = default_keys::list(kms, &domain, &project).await?;
            let headings = ["NAME", "REGION", "ID", "MADE"];
            Ok(list(&headings, &rows, default_key_json, |key| {
                vec![
                    key.name.to_string(),
                    key.region.to_string(),
                    key.id.to_string(),
                    key.created_at.iso_seconds(),
                ]
            }))
        }
    }
}

/// A given password, or a new one that is to be told.
fn password(kms: &Kms, from_stdin: bool) -> Result<(Secret, Option<String>), ManageError> {
    if !from_stdin {
        let password = manage::new_password(kms);
        let told = String::from_utf8_lossy(password.expose()).into_owned();
        return Ok((password, Some(told)));
    }
    let mut text = Vec::new();
    std::io::stdin()
        .take(4096)
        .read_to_end(&mut text)
        .map_err(|error| ManageError::Failed(format!("standard input: {error}")))?;
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next();
    let password = Secret::from_slice(line.unwrap_or_default());
    drop(Secret::new(text));
    Ok((password, None))
}

fn with_password(what: &str, user: &User, told: Option<String>) -> Answer {
    let mut json = user_json(user);
    let mut text = format!("{what} user {}", user.name);
    if let Some(password) = told {
        text.push_str(&format!("\npassword  {password}\nIt is shown this once."));
        json["password"] = password.into();
    }
    Answer { text, json }
}

fn about(what: &'static str) -> impl Fn(Malformed) -> ManageError {
    move |form| ManageError::Malformed(format!("{what} {form}"))
}

fn one(what: &str, name: &dyn std::fmt::Display, json: Value) -> Answer {
    Answer {
        text: format!("added {what} {name}"),
        json,
    }
}

fn removed(what: &str, name: &str) -> Answer {
    Answer {
        text: format!("removed {what} {name}"),
        json: json!({ "removed": name }),
    }
}

/// A table with aligned columns, and an array.
fn list<T>(
    headings: &[&str],
    rows: &[T],
    as_json: impl Fn(&T) -> Value,
    cells: impl Fn(&T) -> Vec<String>,
) -> Answer {
    let mut lines: Vec<Vec<String>> = vec![headings.iter().map(|cell| (*cell).into()).collect()];
    lines.extend(rows.iter().map(&cells));
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let text: Vec<String> = lines
        .iter()
        .map(|line| {
            let padded: Vec<String> = line
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            padded.join("  ").trim_end().to_owned()
        })
        .collect();
    Answer {
        text: text.join("\n"),
        json: rows.iter().map(as_json).collect(),
    }
}

fn domain_json(domain: &Domain) -> Value {
    json!({
        "id": domain.id,
        "name": domain.name,
        "issuer": domain.authority,
        "created_at": domain.created_at.iso_micros(),
    })
}

fn project_json(project: &Project) -> Value {
    json!({
        "id": project.id,
        "domain_id": project.domain,
        "name": project.name,
        "account_id": project.account,
        "created_at": project.created_at.iso_micros(),
    })
}

fn user_json(user: &User) -> Value {
    json!({
        "id": user.id,
        "domain_id": user.domain,
        "name": user.name,
        "enabled": user.enabled,
        "created_at": user.created_at.iso_micros(),
    })
}

fn access_key_json(key: &AccessKey) -> Value {
    json!({
        "access_key": key.id,
        "user_id": key.user,
        "project_id": key.project,
        "enabled": key.enabled,
        "expires_at": key.expires_at.map(Timestamp::iso_micros),
        "created_at": key.created_at.iso_micros(),
    })
}

fn default_key_json(key: &Key) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "project_id": key.project,
        "region": key.region,
        "created_at": key.created_at.iso_micros(),
    })
}

fn token_key_json(key: &TokenKey) -> Value {
    json!({ "id": key.id, "created_at": key.created_at.iso_micros() })
}
