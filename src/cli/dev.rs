//! `kmsd dev`: throw-away data and known credentials, for people's own test suites.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::{SettingFlags, start_logging, stop_signal};
use crate::config::{Config, LogFormat};
use crate::crypto::secret::Secret;
use crate::env::Env;
use crate::kms::{Kms, Purpose, StartError};
use crate::model::ids::{AccessKeyId, AccountId, DisplayName, ProjectId, ServiceName};
use crate::operations::default_keys;
use crate::operations::identity::manage::{self, ManageError, NewAccessKey, NewAccount};
use crate::operations::upkeep;
use crate::server::Server;

/// Two accounts with a project, user and access key each, on loopback. Nothing is kept unless
/// --database-url says where. Logs go to stderr; stdout gets lines for `eval`, once it answers.
#[derive(Args)]
pub struct Dev {
    /// Address and port; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: String,
    /// The first account's twelve digits in ARNs
    #[arg(long, value_name = "DIGITS", default_value = "123456789012")]
    account_id: String,
    /// PEM file of root certificates of enclaves to believe; may be given again
    #[arg(long, value_name = "FILE")]
    enclave_root: Vec<PathBuf>,
}

/// One of the two accounts. They are documented, and no secret.
struct Account {
    suffix: &'static str,
    domain: &'static str,
    user: &'static str,
    password: &'static str,
    project_id: &'static str,
    access_key: &'static str,
    secret_key: &'static str,
    account: &'static str,
}

const ACCOUNTS: [Account; 2] = [
    Account {
        suffix: "",
        domain: "dev",
        user: "dev",
        password: "dev-password",
        project_id: "00000000000000000000000000000de1",
        access_key: "KMSDDEVACCESSKEY0001",
        secret_key: "kmsd-dev-secret-key-0001-is-no-secret-00",
        account: "123456789012",
    },
    Account {
        suffix: "_2",
        domain: "dev-2",
        user: "dev-2",
        password: "dev-password-2",
        project_id: "00000000000000000000000000000de2",
        access_key: "KMSDDEVACCESSKEY0002",
        secret_key: "kmsd-dev-secret-key-0002-is-no-secret-00",
        account: "210987654321",
    },
];

/// The services that have a default key in each account, as in the vendor's cloud, where they make
/// one when they are used first.
const DEFAULT_KEYS: [&str; 3] = ["obs", "evs", "csms"];

impl Dev {
    pub(super) async fn run(self, settings: &SettingFlags) -> Result<(), StartError> {
        let stop = stop_signal()?;
        let folder = tempfile::Builder::new().prefix("kmsd-dev.").tempdir()?;
        let level = settings.log_level.as_deref().unwrap_or("info");
        start_logging(LogFormat::Human, level)?;
        let config = Config::dev(
            &self.listen,
            settings.database_url.as_deref(),
            folder.path(),
            level,
            self.enclave_root,
        )
        .map_err(|faults| StartError(faults.to_string()))?;
        let first_account = AccountId::parse(self.account_id.as_str())
            .map_err(|form| StartError(format!("--account-id: {form}")))?;
        let (kms, _) = Kms::open(config, Env::real(), Purpose::Serve).await?;
        let kms = Arc::new(kms);
        make_accounts(&kms, &first_account)
            .await
            .map_err(|error| StartError(error.to_string()))?;
        let server = Server::start(kms.clone())?;
        tracing::warn!(
            address = %server.address,
            "kmsd dev: its credentials are public and its data is thrown away; never for real keys"
        );
        print(&kms, &server, first_account.as_str());
        let upkeep = actix_web::rt::spawn(upkeep::run(kms.clone()));
        stop.await;
        upkeep.abort();
        server.stop().await;
        kms.store().close().await;
        folder.close()?;
        Ok(())
    }
}

async fn make_accounts(kms: &Arc<Kms>, first_account: &AccountId) -> Result<(), ManageError> {
    manage::ensure_token_key(kms).await?;
    for account in &ACCOUNTS {
        let form = |form: crate::model::ids::Malformed| ManageError::Malformed(form.to_string());
        let new = NewAccount {
            domain: DisplayName::parse(account.domain).map_err(form)?,
            project: DisplayName::parse(kms.config().home_region().as_str()).map_err(form)?,
            project_id: Some(ProjectId::parse(account.project_id).map_err(form)?),
            account: Some(match account.suffix {
                "" => first_account.clone(),
                _ => AccountId::parse(account.account).map_err(form)?,
            }),
            user: DisplayName::parse(account.user).map_err(form)?,
            password: Secret::from_slice(account.password.as_bytes()),
            access_key: Some(NewAccessKey {
                id: AccessKeyId::parse(account.access_key).map_err(form)?,
                secret: Secret::from_slice(account.secret_key.as_bytes()),
            }),
        };
        match manage::add_account(kms, new).await {
            // A database that was given, and has them since the last time.
            Ok(_) | Err(ManageError::Exists(_)) => {}
            Err(other) => return Err(other),
        }
        for service in DEFAULT_KEYS {
            let service = ServiceName::parse(service).map_err(form)?;
            let project = kms.config().home_region().as_str();
            match default_keys::add(kms, account.domain, project, None, &service).await {
                Ok(_) | Err(ManageError::Exists(_)) => {}
                Err(other) => return Err(other),
            }
        }
    }
    Ok(())
}

fn print(kms: &Kms, server: &Server, first_account: &str) {
    let region = kms.config().home_region().as_str();
    let url = format!("http://{}", server.address);
    let mut text = String::new();
    for account in &ACCOUNTS {
        let account_id = match account.suffix {
            "" => first_account,
            _ => account.account,
        };
        for (name, value) in [
            ("KMS_ENDPOINT", url.as_str()),
            ("KMS_PROJECT_ID", account.project_id),
            ("KMS_REGION", region),
            ("KMS_AK", account.access_key),
            ("KMS_SK", account.secret_key),
            ("IAM_AUTH_URL", &format!("{url}/v3")),
            ("IAM_USER", account.user),
            ("IAM_PASSWORD", account.password),
            ("IAM_DOMAIN", account.domain),
            ("IAM_PROJECT", region),
            ("AWS_ENDPOINT_URL_KMS", &url),
            ("AWS_ACCESS_KEY_ID", account.access_key),
            ("AWS_SECRET_ACCESS_KEY", account.secret_key),
            ("AWS_REGION", region),
            // What boto3 and the AWS CLI read.
            ("AWS_DEFAULT_REGION", region),
            ("AWS_ACCOUNT_ID", account_id),
        ] {
            text.push_str(&format!("export {name}{}='{value}'\n", account.suffix));
        }
    }
    let mut out = std::io::stdout();
    // Whoever closed our output does not want to read it.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
