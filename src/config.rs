//! Settings: from flags, environment and one TOML file to one checked [`Config`].
//!
//! The only file that reads the environment. A wrong setting stops the start with a sentence that
//! says what to do; every fault is told, not just the first.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::hsm::ClusterSettings;
use crate::model::ids::Region;
use crate::outside::{IssuerSettings, KeystoneSettings};
use crate::store::{DatabaseUrl, Durability};

/// Prefix of the environment variables; `KMSD_LOG__FORMAT` sets `format` of the table `log`.
const PREFIX: &str = "KMSD";
/// Variables with this prefix are the test suite's own.
const TEST_PREFIX: &str = "KMSD_TEST_";

/// The settings as the file, the environment and the flags write them. A member is a setting's
/// name in all three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    listen: String,
    operators_listen: String,
    public_url: Option<String>,
    data_dir: PathBuf,
    database_url: Option<String>,
    database_password_file: Option<PathBuf>,
    database_connections: u32,
    root_file: Option<PathBuf>,
    regions: Vec<String>,
    allow_plain_http: bool,
    workers: usize,
    tls: TlsSettings,
    log: LogSettings,
    limits: Limits,
    audit: AuditSettings,
    tokens: TokenSettings,
    signatures: SignatureSettings,
    compatibility: Compatibility,
    issuers: Vec<IssuerSettings>,
    keystone: Option<KeystoneSettings>,
    hsm_clusters: Vec<ClusterSettings>,
    enclave_roots: Vec<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            operators_listen: "127.0.0.1:9180".into(),
            public_url: None,
            data_dir: "kmsd-data".into(),
            database_url: None,
            database_password_file: None,
            database_connections: 16,
            root_file: None,
            regions: vec!["home-region-1".into()],
            allow_plain_http: false,
            workers: 0,
            tls: TlsSettings::default(),
            log: LogSettings::default(),
            limits: Limits::default(),
            audit: AuditSettings::default(),
            tokens: TokenSettings::default(),
            signatures: SignatureSettings::default(),
            compatibility: Compatibility::default(),
            issuers: Vec::new(),
            keystone: None,
            hsm_clusters: Vec::new(),
            enclave_roots: Vec::new(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TlsSettings {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    terminated_by_proxy: Vec<IpAddr>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LogSettings {
    format: LogFormat,
    level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Human,
            level: "info".into(),
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person at a terminal.
    Human,
    /// One JSON object a line.
    Json,
}

/// Bounds that an operator may move. Zero means none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Keys that a project may have in a region.
    pub keys_per_project: u64,
    /// Access points that a project may have in a region.
    pub access_points_per_project: u64,
    /// Policies of capsules that a project may have in a region.
    pub key_policies_per_project: u64,
    /// Calls that a project may make in a second (threat model I-50).
    pub calls_per_second: u32,
    /// Refused credentials of one source in a minute, beyond which it waits (I-9).
    pub refusals_per_minute: u32,
    /// Connections at once.
    pub connections: usize,
}

impl Limits {
    /// One of these bounds as the store takes it: `None` where there is none.
    pub fn quota(bound: u64) -> Option<i64> {
        (bound > 0).then(|| i64::try_from(bound).unwrap_or(i64::MAX))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            keys_per_project: 100_000,
            access_points_per_project: 1000,
            key_policies_per_project: 1000,
            calls_per_second: 0,
            refusals_per_minute: 60,
            connections: 10_000,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AuditSettings {
    uses: Durability,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            uses: Durability::Flushed,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TokenSettings {
    lifetime_hours: u32,
    recheck_seconds: u32,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            lifetime_hours: 24,
            recheck_seconds: 5,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SignatureSettings {
    clock_minutes: u32,
    aws_clock_minutes: u32,
}

impl Default for SignatureSettings {
    fn default() -> Self {
        Self {
            clock_minutes: 15,
            aws_clock_minutes: 5,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Compatibility {
    list_keys_without_spec: ListWithoutSpec,
}

/// What list-keys shows when no `key_spec` is given: the vendors disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListWithoutSpec {
    /// AES_256 keys only, as Huawei documents it.
    #[default]
    Aes,
    /// Every key, as Open Telekom Cloud does.
    All,
}

/// Certificate and private key of the listener, PEM.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate, and those between it and the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The settings, checked as a whole.
pub struct Config {
    /// Where the API is served.
    pub listen: SocketAddr,
    /// Where operators read metrics; `None` for nowhere.
    pub operators_listen: Option<SocketAddr>,
    /// How clients reach the API, when the Host header does not say. Without a slash at its end.
    pub public_url: Option<String>,
    /// The folder of everything that kmsd keeps outside the database.
    pub data_dir: PathBuf,
    /// The database.
    pub database: DatabaseUrl,
    /// Connections to PostgreSQL.
    pub database_connections: u32,
    /// Where the root key is; made at the first start.
    pub root_file: PathBuf,
    /// The regions that are served; the first is the home region.
    pub regions: Vec<Region>,
    /// TLS of the listener.
    pub tls: Option<Tls>,
    /// Proxies that end TLS in front of kmsd; only they may say `X-Forwarded-For`.
    pub proxies: Vec<IpAddr>,
    /// Threads that serve; 0 for one per core.
    pub workers: usize,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines there are, as `tracing` filters are written.
    pub log_level: String,
    /// Bounds.
    pub limits: Limits,
    /// When a record of a use counts as written.
    pub audit_uses: Durability,
    /// How long a new token is good for.
    pub token_lifetime: std::time::Duration,
    /// How long a checked credential is believed before the database is asked again.
    pub recheck_after: std::time::Duration,
    /// How far a signature's date may be from the clock.
    pub clock_window: std::time::Duration,
    /// The same in AWS's dialect.
    pub aws_clock_window: std::time::Duration,
    /// What list-keys shows without `key_spec`.
    pub list_without_spec: ListWithoutSpec,
    /// Outside issuers of JWTs.
    pub issuers: Vec<IssuerSettings>,
    /// An outside Keystone, until it is opened.
    pub keystone: Option<KeystoneSettings>,
    /// Clusters of hardware security modules, of which keystores can be made.
    pub hsm_clusters: Vec<ClusterSettings>,
    /// PEM files of the root certificates of enclaves that are believed.
    pub enclave_roots: Vec<PathBuf>,
    /// Whether this is `kmsd dev`: throw-away, loopback only.
    pub dev: bool,
}

/// What the command line sets; it wins over the environment, which wins over the file.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The settings file.
    pub file: Option<PathBuf>,
    /// Settings by their names.
    pub values: Vec<(&'static str, String)>,
}

/// Every fault of the settings, each a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Faults(pub Vec<String>);

impl Config {
    /// Reads the settings and checks them as a whole.
    ///
    /// # Errors
    /// [`Faults`], one sentence each.
    pub fn read(flags: &Flags) -> Result<Self, Faults> {
        #[expect(clippy::disallowed_methods, reason = "this is the one file that may")]
        Self::read_from(
            flags,
            // What is no text is none of ours.
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    fn read_from(flags: &Flags, environment: HashMap<String, String>) -> Result<Self, Faults> {
        let fault = |error: config::ConfigError| Faults(vec![describe(&error)]);
        let mut builder = config::Config::builder();
        let file = flags
            .file
            .clone()
            .or_else(|| environment.get("KMSD_CONFIG").map(PathBuf::from));
        if let Some(file) = file {
            secrets_are_private(&file).map_err(|said| Faults(vec![said]))?;
            builder = builder.add_source(
                config::File::from(file)
                    .format(config::FileFormat::Toml)
                    .required(true),
            );
        }
        // The name that every tool knows for it.
        if let Some(url) = environment.get("DATABASE_URL") {
            builder = builder
                .set_default("database_url", url.as_str())
                .map_err(fault)?;
        }
        let ours = environment
            .into_iter()
            .filter(|(name, _)| name != "KMSD_CONFIG" && !name.starts_with(TEST_PREFIX))
            .collect();
        builder = builder.add_source(
            config::Environment::with_prefix(PREFIX)
                .prefix_separator("_")
                .separator("__")
                .list_separator(",")
                .with_list_parse_key("regions")
                .with_list_parse_key("enclave_roots")
                .with_list_parse_key("tls.terminated_by_proxy")
                .try_parsing(true)
                .source(Some(ours)),
        );
        for (name, value) in &flags.values {
            builder = match *name {
                "regions" | "enclave_roots" => {
                    let items: Vec<&str> = value.split(',').map(str::trim).collect();
                    builder.set_override(*name, items)
                }
                _ => builder.set_override(*name, value.as_str()),
            }
            .map_err(fault)?;
        }
        let settings: Settings = builder
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(fault)?;
        settings.check()
    }

    /// The settings of `kmsd dev`: throw-away, loopback only.
    ///
    /// # Errors
    /// [`Faults`], one sentence each.
    pub fn dev(
        listen: &str,
        database_url: Option<&str>,
        folder: &Path,
        log_level: &str,
        enclave_roots: Vec<PathBuf>,
    ) -> Result<Self, Faults> {
        let settings = Settings {
            listen: listen.into(),
            operators_listen: "off".into(),
            data_dir: folder.join("data"),
            database_url: database_url.map(Into::into),
            regions: DEV_REGIONS.iter().copied().map(Into::into).collect(),
            log: LogSettings {
                level: log_level.into(),
                ..LogSettings::default()
            },
            enclave_roots,
            limits: Limits {
                keys_per_project: 0,
                calls_per_second: 0,
                refusals_per_minute: 0,
                ..Limits::default()
            },
            ..Settings::default()
        };
        let is_exposed = |listen: SocketAddr| !listen.ip().is_loopback();
        if address("listen", listen).is_ok_and(is_exposed) {
            return Err(Faults(vec![
                "kmsd dev listens on loopback only, for its credentials are public; use an \
                 address such as 127.0.0.1:0"
                    .into(),
            ]));
        }
        let mut config = settings.check()?;
        config.dev = true;
        Ok(config)
    }

    /// The region that is meant when a request names none.
    pub fn home_region(&self) -> &Region {
        &self.regions[0]
    }

    /// How clients speak to kmsd, or to the proxy that ends TLS in front of it.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() || !self.proxies.is_empty() {
            "https"
        } else {
            "http"
        }
    }

    /// Whether the listener can be reached from other machines.
    pub fn is_exposed(&self) -> bool {
        !self.listen.ip().is_loopback()
    }
}

/// The regions of `kmsd dev`: its home region first, then AWS's public names.
pub const DEV_REGIONS: &[&str] = &[
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "af-south-1",
    "ap-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
];

impl Settings {
    fn check(self) -> Result<Config, Faults> {
        let mut faults = Vec::new();
        let mut keep = |checked: Result<(), String>| {
            if let Err(said) = checked {
                faults.push(said);
            }
        };

        let listen = address("listen", &self.listen);
        keep(listen.as_ref().map(|_| ()).map_err(Clone::clone));
        let operators = match self.operators_listen.as_str() {
            "off" | "" => Ok(None),
            text => address("operators_listen", text).map(Some),
        };
        keep(operators.as_ref().map(|_| ()).map_err(Clone::clone));

        let database_url = self
            .database_url
            .clone()
            .unwrap_or_else(|| format!("sqlite:{}", self.data_dir.join("kmsd.db").display()));
        let database = DatabaseUrl::parse(&database_url).and_then(|database| {
            match &self.database_password_file {
                None => Ok(database),
                Some(file) => password_in(file).map(|password| database.with_password(&password)),
            }
        });
        keep(database.as_ref().map(|_| ()).map_err(Clone::clone));
        if let Ok(database) = &database
            && database.is_remote_without_tls()
        {
            keep(Err(
                "database_url: passwords and sealed rows would cross the network in the \
                      clear; add ?sslmode=verify-full (or require) to it"
                    .into(),
            ));
        }

        let regions: Result<Vec<Region>, String> = self
            .regions
            .iter()
            .map(|name| {
                Region::parse(name.as_str()).map_err(|form| format!("regions: {name:?} {form}"))
            })
            .collect();
        keep(regions.as_ref().map(|_| ()).map_err(Clone::clone));
        if self.regions.is_empty() {
            keep(Err(
                "regions: name at least one, such as regions = [\"eu-1\"]".into(),
            ));
        }

        let public_url = self.public_url.as_deref().map(public_url).transpose();
        keep(public_url.as_ref().map(|_| ()).map_err(Clone::clone));

        let tls = match (self.tls.certificate, self.tls.key) {
            (Some(certificate), Some(key)) => {
                keep(secrets_are_private(&key));
                Some(Tls { certificate, key })
            }
            (None, None) => None,
            _ => {
                keep(Err(
                    "tls: certificate and key go together; set both or neither".into(),
                ));
                None
            }
        };

        let exposed = listen
            .as_ref()
            .is_ok_and(|listen| !listen.ip().is_loopback());
        if exposed
            && tls.is_none()
            && self.tls.terminated_by_proxy.is_empty()
            && !self.allow_plain_http
        {
            keep(Err(
                "listen: other machines can reach this address, and tokens would cross the \
                      network in the clear; set tls.certificate and tls.key, or \
                      tls.terminated_by_proxy to the addresses of the proxy that ends TLS, or \
                      allow_plain_http = true where something else keeps outsiders away"
                    .into(),
            ));
        }
        if exposed && self.root_file.is_none() {
            keep(Err(
                "root_file: the root key that is made beside the data is for one machine; \
                      other machines can reach this address, so set root_file to a file that is \
                      kept apart from the database and its backups"
                    .into(),
            ));
        }
        if self.tokens.lifetime_hours == 0 || self.tokens.lifetime_hours > 24 {
            keep(Err("tokens.lifetime_hours: must be 1 to 24".into()));
        }
        if self.tokens.recheck_seconds > 60 {
            keep(Err("tokens.recheck_seconds: must be 0 to 60".into()));
        }
        for (name, minutes) in [
            ("clock_minutes", self.signatures.clock_minutes),
            ("aws_clock_minutes", self.signatures.aws_clock_minutes),
        ] {
            if minutes == 0 || minutes > 15 {
                keep(Err(format!("signatures.{name}: must be 1 to 15")));
            }
        }
        if self.database_connections == 0 || self.database_connections > 1000 {
            keep(Err("database_connections: must be 1 to 1000".into()));
        }
        for (at, issuer) in self.issuers.iter().enumerate() {
            keep(issuer.check());
            let others = &self.issuers[..at];
            if issuer.name == "keystone" || others.iter().any(|other| other.name == issuer.name) {
                keep(Err(format!(
                    "issuers: {:?} must be another name; each issuer has its own, and keystone is \
                     the Keystone's",
                    issuer.name
                )));
            }
            if others.iter().any(|other| other.issuer == issuer.issuer) {
                keep(Err(format!("issuers: {:?} is there twice", issuer.issuer)));
            }
        }
        if let Some(keystone) = &self.keystone {
            keep(keystone.check());
        }
        for (at, cluster) in self.hsm_clusters.iter().enumerate() {
            keep(cluster.check());
            keep(secrets_are_private(&cluster.pin_file));
            let others = &self.hsm_clusters[..at];
            if others.iter().any(|other| other.id == cluster.id) {
                keep(Err(format!("hsm_clusters: {} is there twice", cluster.id)));
            }
        }
        match (listen, operators, database, regions, public_url) {
            (Ok(listen), Ok(operators_listen), Ok(database), Ok(regions), Ok(public_url))
                if faults.is_empty() =>
            {
                Ok(Config {
                    listen,
                    operators_listen,
                    public_url,
                    root_file: self
                        .root_file
                        .unwrap_or_else(|| self.data_dir.join("root.key")),
                    data_dir: self.data_dir,
                    database,
                    database_connections: self.database_connections,
                    regions,
                    tls,
                    proxies: self
                        .tls
                        .terminated_by_proxy
                        .iter()
                        .map(IpAddr::to_canonical)
                        .collect(),
                    workers: self.workers,
                    log_format: self.log.format,
                    log_level: self.log.level,
                    limits: self.limits,
                    audit_uses: self.audit.uses,
                    token_lifetime: std::time::Duration::from_secs(
                        u64::from(self.tokens.lifetime_hours) * 3600,
                    ),
                    recheck_after: std::time::Duration::from_secs(u64::from(
                        self.tokens.recheck_seconds,
                    )),
                    clock_window: std::time::Duration::from_secs(
                        u64::from(self.signatures.clock_minutes) * 60,
                    ),
                    aws_clock_window: std::time::Duration::from_secs(
                        u64::from(self.signatures.aws_clock_minutes) * 60,
                    ),
                    list_without_spec: self.compatibility.list_keys_without_spec,
                    issuers: self.issuers,
                    keystone: self.keystone,
                    hsm_clusters: self.hsm_clusters,
                    enclave_roots: self.enclave_roots,
                    dev: false,
                })
            }
            _ => Err(Faults(faults)),
        }
    }
}

fn address(name: &str, text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("{name}: {text:?} is not an address and port, such as 127.0.0.1:8080"))
}

fn public_url(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(host) if !host.is_empty() && !host.trim_end_matches('/').contains('/') => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(format!(
            "public_url: {text:?} must be scheme, host and port alone, such as \
             https://kms.example.org; clients drop any path"
        )),
    }
}

/// The first line of a file that others cannot read.
fn password_in(file: &Path) -> Result<Zeroizing<String>, String> {
    secrets_are_private(file)?;
    let text = std::fs::read_to_string(file)
        .map(Zeroizing::new)
        .map_err(|error| format!("database_password_file: {}: {error}", file.display()))?;
    Ok(Zeroizing::new(
        text.lines().next().unwrap_or_default().to_owned(),
    ))
}

/// A file that holds secrets must not be readable by others (threat model 5.9).
fn secrets_are_private(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path)
        .map_err(|error| format!("{}: {error}", path.display()))?
        .permissions()
        .mode();
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(format!(
            "{0}: others can read it (mode {1:04o}); run: chmod 0600 {0}",
            path.display(),
            mode & 0o7777
        ))
    }
}

/// The library's words, with the setting's name first.
fn describe(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::At { error, key, .. } => match key {
            Some(key) => format!("{key}: {error}"),
            None => error.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        values: &[(&'static str, &str)],
        environment: &[(&str, &str)],
    ) -> Result<Config, String> {
        let flags = Flags {
            file: None,
            values: values
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        };
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Config::read_from(&flags, environment).map_err(|faults| faults.to_string())
    }

    #[test]
    fn nothing_set_is_a_working_default() {
        let config = read(&[], &[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.home_region().as_str(), "home-region-1");
        assert_eq!(config.database.describe(), "SQLite in kmsd-data/kmsd.db");
        assert_eq!(config.limits.keys_per_project, 100_000);
    }

    #[test]
    fn flags_win_over_the_environment() {
        let environment = [
            ("KMSD_LISTEN", "127.0.0.1:1"),
            ("KMSD_LIMITS__KEYS_PER_PROJECT", "7"),
            ("KMSD_REGIONS", "eu-1,eu-2"),
            ("KMSD_ENCLAVE_ROOTS", "/one.pem,/two.pem"),
            ("KMSD_LOG__FORMAT", "json"),
            ("KMSD_TEST_PYTHON", "ignored"),
            ("DATABASE_URL", "postgres://u@localhost/d"),
        ];
        let config = read(&[("listen", "127.0.0.1:2")], &environment).unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.limits.keys_per_project, 7);
        assert_eq!(config.regions.len(), 2);
        assert_eq!(config.enclave_roots.len(), 2);
        assert_eq!(config.log_format, LogFormat::Json);
        assert!(config.database.describe().starts_with("PostgreSQL"));
    }

    #[test]
    fn every_fault_is_a_sentence_that_names_its_setting() {
        for (values, environment, wanted) in [
            (
                &[("listen", "here")][..],
                &[][..],
                "listen: \"here\" is not an address",
            ),
            (
                &[("listen", "0.0.0.0:1")],
                &[],
                "listen: other machines can reach",
            ),
            (&[("listen", "0.0.0.0:1")], &[], "root_file: the root key"),
            (
                &[("database_url", "mysql://x")],
                &[],
                "database_url: it must start with",
            ),
            (
                &[("database_url", "postgres://u@db.example/d")],
                &[],
                "sslmode=verify-full",
            ),
            (&[("regions", "EU")], &[], "regions: \"EU\" must be"),
            (&[("public_url", "https://x/y")], &[], "public_url:"),
            (&[], &[("KMSD_NO_SUCH", "1")], "no_such"),
            (&[], &[("KMSD_LOG__FORMAT", "loud")], "log.format"),
            (
                &[],
                &[("KMSD_TOKENS__LIFETIME_HOURS", "25")],
                "tokens.lifetime_hours",
            ),
            (
                &[],
                &[("KMSD_LIMITS__CONNECTIONS", "many")],
                "limits.connections",
            ),
        ] {
            let said = read(values, environment).err().unwrap_or_default();
            assert!(said.contains(wanted), "{values:?} {environment:?}: {said}");
        }
    }
}
