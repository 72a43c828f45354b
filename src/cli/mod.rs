//! The command line: what a person types, and what they read.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Flags, LogFormat};
use crate::env::Env;
use crate::kms::{Kms, Purpose, StartError};
use crate::operations::{identity, upkeep};
use crate::server::Server;

mod audit;
mod dev;
mod health;
mod iam;

/// A key management service that you run yourself. It speaks Huawei Cloud's KMS REST API and AWS
/// KMS's JSON over the same keys.
///
/// Without a command it serves. Settings come from flags, from environment variables (KMSD_LISTEN
/// for listen, KMSD_LOG__FORMAT for format in the table log, DATABASE_URL for database_url) or from
/// a TOML file, in this order; docs/settings.toml shows them all.
#[derive(Parser)]
#[command(name = "kmsd", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    settings: SettingFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct SettingFlags {
    /// Settings file (TOML); KMSD_CONFIG names one too
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of what kmsd keeps outside the database [default: kmsd-data]
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// sqlite:FILE or postgres://… [default: SQLite in the data folder]
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// File of the root key, made at the first start [default: root.key in the data folder]
    #[arg(long, global = true, value_name = "FILE")]
    root_file: Option<String>,
    /// Regions that are served, joined with commas; the first is the home region
    #[arg(long, global = true, value_name = "NAMES")]
    regions: Option<String>,
    /// Which log lines there are: error, warn, info, debug [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// How log lines look: human or json [default: human]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default)
    Serve {
        /// Address and port of the API [default: 127.0.0.1:8080]
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
        /// Address and port of metrics, or off [default: 127.0.0.1:9180]
        #[arg(long, value_name = "ADDRESS")]
        operators_listen: Option<String>,
        /// How clients reach the API, when it is not what they say in Host
        #[arg(long, value_name = "URL")]
        public_url: Option<String>,
    },
    /// Serve throw-away data with known credentials, for test suites; prints them for eval
    Dev(dev::Dev),
    /// Manage domains, projects, users, roles, access keys and token keys
    Iam(iam::Iam),
    /// Read the audit trail
    Audit(audit::Audit),
    /// Ask a kmsd whether it is ready; exits with 0 if it is
    Health(health::Health),
}

/// Runs what the command line says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    harden();
    let done = match cli.command {
        Some(Command::Dev(dev)) => actix_web::rt::System::new().block_on(dev.run(&cli.settings)),
        Some(Command::Health(health)) => health.run(),
        command => run(&cli.settings, command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError(said)) => {
            eprintln!("kmsd: {said}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: &SettingFlags, command: Option<Command>) -> Result<(), StartError> {
    let mut flags = settings.flags();
    if let Some(Command::Serve {
        listen,
        operators_listen,
        public_url,
    }) = &command
    {
        let own = [
            ("listen", listen),
            ("operators_listen", operators_listen),
            ("public_url", public_url),
        ];
        flags.values.extend(
            own.into_iter()
                .filter_map(|(name, value)| Some((name, value.clone()?))),
        );
    }
    let config = Config::read(&flags).map_err(|faults| StartError(faults.to_string()))?;
    let system = actix_web::rt::System::new();
    match command {
        Some(Command::Iam(iam)) => system.block_on(iam.run(config)),
        Some(Command::Audit(audit)) => system.block_on(audit.run(config)),
        _ => {
            start_logging(config.log_format, &config.log_level)?;
            system.block_on(serve(config))
        }
    }
}

impl SettingFlags {
    fn flags(&self) -> Flags {
        let values = [
            ("data_dir", &self.data_dir),
            ("database_url", &self.database_url),
            ("root_file", &self.root_file),
            ("regions", &self.regions),
            ("log.level", &self.log_level),
            ("log.format", &self.log_format),
        ];
        Flags {
            file: self.config.clone(),
            values: values
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.clone()?)))
                .collect(),
        }
    }
}

async fn serve(config: Config) -> Result<(), StartError> {
    // Before anything else, so that a signal during the start is not lost.
    let stop = stop_signal()?;
    let (kms, _) = Kms::open(config, Env::real(), Purpose::Serve).await?;
    let kms = Arc::new(kms);
    let failed = |error: identity::manage::ManageError| StartError(error.to_string());
    identity::manage::ensure_token_key(&kms)
        .await
        .map_err(failed)?;
    // Before the first account, whose password would be lost if the address were taken.
    let server = Server::start(kms.clone())?;
    announce(&kms, &server);
    let welcome = first_account(&kms).await.map_err(failed)?;
    if let Some(welcome) = welcome {
        welcome.print(&kms, &server);
    }
    let upkeep = actix_web::rt::spawn(upkeep::run(kms.clone()));
    stop.await;
    tracing::info!("stopping: calls under way may end");
    upkeep.abort();
    server.stop().await;
    kms.store().close().await;
    tracing::info!("stopped");
    Ok(())
}

/// The account of the very first start.
async fn first_account(kms: &Arc<Kms>) -> Result<Option<Welcome>, identity::manage::ManageError> {
    if identity::manage::is_empty(kms).await? {
        Welcome::prepare(kms).await
    } else {
        Ok(None)
    }
}

/// What a newcomer needs next, told once.
struct Welcome {
    project_id: String,
    project: String,
    password: crate::crypto::secret::Secret,
}

const FIRST_DOMAIN: &str = "kmsd";
const FIRST_USER: &str = "admin";

impl Welcome {
    async fn prepare(kms: &Arc<Kms>) -> Result<Option<Self>, identity::manage::ManageError> {
        use crate::model::ids::DisplayName;
        let named = |name: &str| {
            DisplayName::parse(name)
                .map_err(|form| identity::manage::ManageError::Malformed(form.to_string()))
        };
        let password = identity::manage::new_password(kms);
        let account = identity::manage::NewAccount {
            domain: named(FIRST_DOMAIN)?,
            project: named(kms.config().home_region().as_str())?,
            project_id: None,
            account: None,
            user: named(FIRST_USER)?,
            password: crate::crypto::secret::Secret::from_slice(password.expose()),
            access_key: None,
        };
        match identity::manage::add_account(kms, account).await {
            Ok(project) => Ok(Some(Self {
                project_id: project.id.to_string(),
                project: project.name.to_string(),
                password,
            })),
            // Another replica was faster, and has told.
            Err(identity::manage::ManageError::Exists(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    fn print(&self, kms: &Kms, server: &Server) {
        let config = kms.config();
        let scheme = config.scheme();
        let mut address = server.address;
        if address.ip().is_unspecified() {
            // Every address is none that one could type.
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let url = config
            .public_url
            .clone()
            .unwrap_or_else(|| format!("{scheme}://{address}"));
        let password = String::from_utf8_lossy(self.password.expose());
        let (project_id, project) = (&self.project_id, &self.project);
        let text = format!(
            r#"
kmsd is ready. This is told once; keep the password.

  address     {url}
  domain      {FIRST_DOMAIN}
  project     {project}
  project id  {project_id}
  user        {FIRST_USER}
  password    {password}

Paste this to get a token and create a key:

  TOKEN=$(curl -si {url}/v3/auth/tokens -H 'Content-Type: application/json' -d '{{"auth":{{"identity":{{"methods":["password"],"password":{{"user":{{"name":"{FIRST_USER}","password":"{password}","domain":{{"name":"{FIRST_DOMAIN}"}}}}}}}},"scope":{{"project":{{"name":"{project}"}}}}}}}}' | tr -d '\r' | sed -n 's/^x-subject-token: //Ip'); curl -s {url}/v1.0/{project_id}/kms/create-key -H "X-Auth-Token: $TOKEN" -H 'Content-Type: application/json' -d '{{"key_alias":"first"}}'

"#
        );
        let mut out = std::io::stdout();
        // Somebody who closed our output does not want to read it.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

fn announce(kms: &Kms, server: &Server) {
    let config = kms.config();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address = %server.address,
        tls = config.tls.is_some(),
        database = config.database.describe(),
        regions = config.regions.iter().map(|region| region.as_str()).collect::<Vec<_>>().join(","),
        "kmsd serves"
    );
    if let Some(address) = server.operators_address {
        tracing::info!("operators read http://{address}/metrics");
    }
    if config.is_exposed() && config.tls.is_none() && config.proxies.is_empty() {
        tracing::warn!(
            "allow_plain_http is set: tokens cross the network in the clear unless something \
             else keeps outsiders away"
        );
    }
}

/// A future that ends with SIGTERM or SIGINT.
fn stop_signal() -> Result<impl Future<Output = ()>, StartError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Logs go to stderr; stdout is for what was asked for.
fn start_logging(format: LogFormat, level: &str) -> Result<(), StartError> {
    use tracing_subscriber::EnvFilter;
    // One word is about kmsd; what the HTTP server says of its workers is of no use to anybody.
    let directives = match level.contains(['=', ',']) {
        true => level.to_owned(),
        false => format!("{level},actix_server=warn"),
    };
    let filter = EnvFilter::try_new(directives).map_err(|_| {
        StartError(format!(
            "log.level: {level:?} is not error, warn, info, debug or a filter"
        ))
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Human => lines
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| StartError(error.to_string()))
}

/// Files are private whatever the umask was (I-53); memory goes into no core dump (threat model
/// 5.9). Best effort: a system that refuses serves all the same.
fn harden() {
    use rustix::process::{
        DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask,
    };
    umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
