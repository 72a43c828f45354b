//! Tokens of a Keystone, each checked by asking it.
//!
//! What Keystone answers is the only truth about a token (threat model I-6). An answer is believed
//! for a minute at most, which is how long a withdrawn token may live on; a failure to get one is
//! never an answer (I-2).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use reqwest::header::HeaderValue;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::{Mutex, Semaphore};

use super::{
    OutsideDomain, OutsideError, OutsideIdentity, OutsideScope, check_roles, http, none_or_all, yes,
};
use crate::crypto::hash::sha256;
use crate::crypto::secret::{Secret, assert_not_impl};
use crate::env::Env;
use crate::limits::{CACHED_CREDENTIALS, OUTSIDE_TOKEN_BYTES};
use crate::model::ids::{DisplayName, DomainId, Malformed, ProjectId, UserId};
use crate::model::time::Timestamp;

/// How long "no such token" is remembered: enough against a client that repeats itself.
const REMEMBER_UNKNOWN: Duration = Duration::from_secs(2);

/// Questions under way at a time; others wait for their turn, within their time (I-49).
const QUESTIONS: usize = 64;

/// After Keystone refused our own account, it is left alone for this long: it may count failures
/// and lock the account.
const LOGIN_PAUSE: Duration = Duration::from_secs(5);

/// Our own token is renewed this long before it ends, or after three quarters of a short life.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// No password is longer.
const PASSWORD_BYTES: usize = 4096;

/// A Keystone, as the operator describes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeystoneSettings {
    /// Its address, up to and including `/v3`.
    pub url: String,
    /// The name of the account that kmsd checks tokens with. The role `service` is all it needs.
    pub user: String,
    /// The name of that account's domain.
    pub user_domain: String,
    /// The name of the project in which it has its role.
    pub project: String,
    /// The name of that project's domain.
    pub project_domain: String,
    /// The file with the account's password; read again at every login. Either this or `password`.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The account's password.
    #[serde(default)]
    pub password: Option<Password>,
    /// The authorities to trust for `url`, in PEM, instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// For how long an answer is believed; 0 asks every time.
    #[serde(default = "cache_seconds")]
    pub cache_seconds: u64,
    /// How long a check may take in all.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u64,
    /// Which role of ours each role of theirs becomes; others count for nothing.
    #[serde(default = "roles")]
    pub roles: BTreeMap<String, String>,
    /// Whether projects that kmsd does not know are registered when their first token comes.
    #[serde(default = "yes")]
    pub register_projects: bool,
    /// Whether `url` may be http:// on another machine, over a network that the operator vouches
    /// for.
    #[serde(default)]
    pub allow_http: bool,
}

/// A password among settings. No message shows it, not even one about its type (I-47).
pub struct Password(Secret);

assert_not_impl!(Password: std::fmt::Debug, std::fmt::Display, Clone, Serialize);
assert_not_impl!(KeystoneSettings: std::fmt::Debug, Clone, Serialize);
assert_not_impl!(Keystone: std::fmt::Debug);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)
            .map(|text| Self(Secret::new(text.into_bytes())))
            .map_err(|_| serde::de::Error::custom("the password must be text"))
    }
}

const fn cache_seconds() -> u64 {
    60
}

const fn timeout_seconds() -> u64 {
    4
}

fn roles() -> BTreeMap<String, String> {
    [
        ("admin", "te_admin"),
        ("member", "kms_cmk_full"),
        ("reader", "kms_readonly"),
    ]
    .map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned()))
    .into()
}

impl KeystoneSettings {
    /// Whether the settings make sense.
    ///
    /// # Errors
    /// One sentence per fault, saying what to do.
    pub fn check(&self) -> Result<(), String> {
        let mut faults = Vec::new();
        match http::parse_url("url", &self.url, self.allow_http) {
            Err(fault) if self.url.starts_with("http://") && !self.allow_http => faults.push(
                format!("{fault} If the network between is trusted, set allow_http."),
            ),
            Err(fault) => faults.push(fault),
            Ok(url)
                if url.query().is_some() || !url.path().trim_end_matches('/').ends_with("/v3") =>
            {
                faults.push("url must end in /v3.".into());
            }
            Ok(_) => {}
        }
        for (member, value) in [
            ("user", &self.user),
            ("user_domain", &self.user_domain),
            ("project", &self.project),
            ("project_domain", &self.project_domain),
        ] {
            if value.is_empty() {
                faults.push(format!("{member} must not be empty."));
            }
        }
        match (&self.password_file, &self.password) {
            (Some(_), None) => {}
            (None, Some(Password(password))) => {
                if password.expose().is_empty() {
                    faults.push("password must not be empty.".into());
                }
            }
            _ => faults.push("Set either password_file or password.".into()),
        }
        if self.cache_seconds > 60 {
            faults.push("cache_seconds must be at most 60.".into());
        }
        if !(1..=30).contains(&self.timeout_seconds) {
            faults.push("timeout_seconds must be 1 to 30.".into());
        }
        check_roles(&self.roles, &mut faults);
        none_or_all(faults)
    }
}

/// A Keystone that can be asked.
pub struct Keystone(Arc<Inner>);

struct Inner {
    settings: KeystoneSettings,
    /// Where tokens are made and checked, without the list of services, which can be long.
    tokens: String,
    http: reqwest::Client,
    timeout: Duration,
    cache_for: Duration,
    /// By SHA-256 of the whole token. The cache bounds their number and lets one question per
    /// token be under way; how long an answer counts is decided here, by the clock that is lent.
    answers: Cache<[u8; 32], Answer>,
    questions: Semaphore,
    /// Locked during a login, so that there is one at a time.
    account: Mutex<Account>,
}

/// Our own account at Keystone.
#[derive(Default)]
struct Account {
    token: Option<ServiceToken>,
    /// When Keystone last refused the account ([`Env::monotonic`]).
    refused_at: Option<Duration>,
}

/// The token of our own account.
#[derive(Clone)]
struct ServiceToken {
    value: HeaderValue,
    renew_at: Timestamp,
}

/// What came of a question.
#[derive(Clone)]
struct Answer {
    /// When it was asked ([`Env::monotonic`]), which is before whatever it says became old.
    asked_at: Duration,
    verdict: Verdict,
}

#[derive(Clone)]
enum Verdict {
    Holder(Arc<OutsideIdentity>),
    Refused(&'static str),
    Failed(String),
}

impl Answer {
    fn is_fresh(&self, cache_for: Duration, now: Duration) -> bool {
        let age = now.saturating_sub(self.asked_at);
        match self.verdict {
            Verdict::Holder(_) => age < cache_for,
            Verdict::Refused(_) => age < cache_for.min(REMEMBER_UNKNOWN),
            Verdict::Failed(_) => false,
        }
    }

    fn give(self, now: Timestamp) -> Result<OutsideIdentity, OutsideError> {
        match self.verdict {
            Verdict::Holder(holder) if now >= holder.expires_at => {
                Err(OutsideError::Expired(holder.expires_at))
            }
            Verdict::Holder(holder) => Ok(Arc::unwrap_or_clone(holder)),
            Verdict::Refused(why) => Err(OutsideError::Refused(why)),
            Verdict::Failed(why) => Err(OutsideError::Unavailable(why)),
        }
    }
}

impl Keystone {
    /// Makes a Keystone ready. It is first called when the first token comes.
    ///
    /// # Errors
    /// What is wrong with the settings or with a file, and what to do.
    pub fn open(settings: KeystoneSettings) -> Result<Self, String> {
        settings.check()?;
        if let Some(path) = &settings.password_file {
            let text = std::fs::read(path)
                .map_err(|error| format!("password_file {}: {error}.", path.display()))?;
            password_from(text)
                .map_err(|why| format!("password_file {}: {why}.", path.display()))?;
        }
        let url = http::parse_url("url", &settings.url, settings.allow_http)?;
        let http = http::client(&url, settings.ca_file.as_deref())?;
        Ok(Self(Arc::new(Inner {
            tokens: format!(
                "{}/auth/tokens?nocatalog",
                url.as_str().trim_end_matches('/')
            ),
            http,
            timeout: Duration::from_secs(settings.timeout_seconds),
            cache_for: Duration::from_secs(settings.cache_seconds),
            answers: Cache::new(CACHED_CREDENTIALS),
            questions: Semaphore::new(QUESTIONS),
            account: Mutex::new(Account::default()),
            settings,
        })))
    }

    /// What it was opened with.
    pub fn settings(&self) -> &KeystoneSettings {
        &self.0.settings
    }

    /// Asks whose a token is.
    ///
    /// # Errors
    /// See [`OutsideError`].
    pub async fn check(&self, token: &str, env: &Env) -> Result<OutsideIdentity, OutsideError> {
        let subject = subject(token).ok_or(OutsideError::Refused("it is not a token"))?;
        let inner = &self.0;
        if inner.cache_for.is_zero() {
            return inner.ask(subject, env).await.give(env.now());
        }
        let key = sha256(token.as_bytes());
        let known = inner.answers.get(&key).await;
        let answer = match known {
            Some(answer) if answer.is_fresh(inner.cache_for, env.monotonic()) => answer,
            _ => {
                // In a task of its own: a caller who hangs up takes nothing from those who wait.
                let task = Arc::clone(inner).ask_once(key, subject, env.clone());
                tokio::spawn(task)
                    .await
                    .map_err(|_| OutsideError::Unavailable("the question was broken off".into()))?
            }
        };
        answer.give(env.now())
    }
}

/// A token as the value of a header, if it can be one: visible ASCII, not too long.
fn subject(token: &str) -> Option<HeaderValue> {
    let fits = (1..=OUTSIDE_TOKEN_BYTES).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    let mut value = fits.then(|| HeaderValue::from_str(token).ok())??;
    value.set_sensitive(true);
    Some(value)
}

impl Inner {
    /// Asks, unless somebody does or did so already.
    async fn ask_once(self: Arc<Self>, key: [u8; 32], subject: HeaderValue, env: Env) -> Answer {
        self.answers
            .entry(key)
            .or_insert_with_if(self.ask(subject, &env), |known| {
                !known.is_fresh(self.cache_for, env.monotonic())
            })
            .await
            .into_value()
    }

    /// Asks, within the time.
    async fn ask(&self, subject: HeaderValue, env: &Env) -> Answer {
        let asked_at = env.monotonic();
        let verdict = tokio::time::timeout(self.timeout, self.validate(subject, env))
            .await
            .unwrap_or_else(|_| Err("no answer in time".into()))
            .unwrap_or_else(|why| Verdict::Failed(format!("Keystone: {why}")));
        Answer { asked_at, verdict }
    }

    /// `Err` is everything that says nothing about the token. Bodies of errors are never looked at:
    /// Keystone quotes tokens in them.
    async fn validate(&self, subject: HeaderValue, env: &Env) -> Result<Verdict, String> {
        let _turn = self.questions.acquire().await.map_err(|e| e.to_string())?;
        let mut ours = self.service_token(None, env).await?;
        let mut renewed = false;
        loop {
            // Without OpenStack-Identity-Access-Rules, Keystone refuses application credentials
            // that are limited to certain paths, which kmsd does not look at.
            let answer = self
                .http
                .get(&self.tokens)
                .header("X-Auth-Token", ours.clone())
                .header("X-Subject-Token", subject.clone())
                .send()
                .await
                .map_err(http::why)?;
            match answer.status().as_u16() {
                200 => return read_token(&http::body(answer).await?),
                404 => return Ok(Verdict::Refused("Keystone does not know it")),
                401 if !renewed => {
                    ours = self.service_token(Some(&ours), env).await?;
                    renewed = true;
                }
                401 => return Err("it does not accept the token it has just given us".into()),
                403 => {
                    tracing::error!(
                        user = self.settings.user,
                        "Keystone does not let kmsd's account check tokens, so that every token of \
                         Keystone's is answered 503: give the account the role service"
                    );
                    return Err("it does not let our account check tokens".into());
                }
                other => return Err(format!("it answered {other}")),
            }
        }
    }

    /// A token of our own account: the one that there is, or a new one if that is `bad` or about
    /// to end.
    async fn service_token(
        &self,
        bad: Option<&HeaderValue>,
        env: &Env,
    ) -> Result<HeaderValue, String> {
        let mut account = self.account.lock().await;
        if let Some(token) = &account.token
            && bad != Some(&token.value)
            && env.now() < token.renew_at
        {
            return Ok(token.value.clone());
        }
        account.token = None;
        let now = env.monotonic();
        if account
            .refused_at
            .is_some_and(|at| now.saturating_sub(at) < LOGIN_PAUSE)
        {
            return Err("it refused our account a moment ago".into());
        }
        account.refused_at = None;
        match self.login(env).await? {
            Some(token) => Ok(account.token.insert(token).value.clone()),
            None => {
                account.refused_at = Some(now);
                tracing::error!(
                    user = self.settings.user,
                    "Keystone refuses kmsd's account, so that every token of Keystone's is answered \
                     503: check its name, domain, project and password"
                );
                Err("it refuses our account".into())
            }
        }
    }

    /// A new token of our own account; `None` when Keystone refuses the account.
    async fn login(&self, env: &Env) -> Result<Option<ServiceToken>, String> {
        let settings = &self.settings;
        let from_file;
        let password = match (&settings.password, &settings.password_file) {
            (Some(Password(password)), _) => password,
            (None, Some(path)) => {
                let text = tokio::fs::read(path)
                    .await
                    .map_err(|error| format!("password_file {}: {error}", path.display()))?;
                from_file = password_from(text)?;
                &from_file
            }
            (None, None) => return Err("there is no password".into()),
        };
        let password = std::str::from_utf8(password.expose())
            .map_err(|_| "the password is not UTF-8".to_owned())?;
        let login = Login::new(settings, password);
        let answer = self
            .http
            .post(&self.tokens)
            .json(&login)
            .send()
            .await
            .map_err(http::why)?;
        match answer.status().as_u16() {
            200 | 201 => {}
            401 => return Ok(None),
            other => return Err(format!("it answered {other} to our login")),
        }
        let mut value = answer
            .headers()
            .get("X-Subject-Token")
            .filter(|value| (1..=OUTSIDE_TOKEN_BYTES).contains(&value.len()))
            .cloned()
            .ok_or("its answer to our login holds no token")?;
        value.set_sensitive(true);
        let now = env.now();
        let expires_at = serde_json::from_slice::<TokenAnswer<Expiry>>(&http::body(answer).await?)
            .ok()
            .and_then(|answer| Timestamp::parse_iso(&answer.token.expires_at))
            .filter(|expires_at| *expires_at > now)
            .ok_or("its answer to our login does not end in the future")?;
        let margin = RENEW_BEFORE.min(expires_at.distance(now) / 4);
        Ok(Some(ServiceToken {
            value,
            renew_at: expires_at.minus(margin),
        }))
    }
}

/// The password in a file: one line, whose end does not belong to it.
fn password_from(text: Vec<u8>) -> Result<Secret, String> {
    let text = Secret::new(text);
    let mut password = text.expose();
    password = password.strip_suffix(b"\n").unwrap_or(password);
    password = password.strip_suffix(b"\r").unwrap_or(password);
    if password.is_empty() || password.len() > PASSWORD_BYTES || password.contains(&b'\n') {
        return Err(format!(
            "it must hold one line of 1 to {PASSWORD_BYTES} bytes"
        ));
    }
    if std::str::from_utf8(password).is_err() {
        return Err("it must be UTF-8".into());
    }
    Ok(Secret::from_slice(password))
}

/// The body of a login with a password.
#[derive(Serialize)]
struct Login<'a> {
    auth: Auth<'a>,
}

#[derive(Serialize)]
struct Auth<'a> {
    identity: Identity<'a>,
    scope: LoginScope<'a>,
}

#[derive(Serialize)]
struct Identity<'a> {
    methods: [&'static str; 1],
    password: PasswordMethod<'a>,
}

#[derive(Serialize)]
struct PasswordMethod<'a> {
    user: LoginUser<'a>,
}

#[derive(Serialize)]
struct LoginUser<'a> {
    name: &'a str,
    domain: Name<'a>,
    password: &'a str,
}

#[derive(Serialize)]
struct LoginScope<'a> {
    project: LoginProject<'a>,
}

#[derive(Serialize)]
struct LoginProject<'a> {
    name: &'a str,
    domain: Name<'a>,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

impl<'a> Login<'a> {
    fn new(settings: &'a KeystoneSettings, password: &'a str) -> Self {
        let user = LoginUser {
            name: &settings.user,
            domain: Name {
                name: &settings.user_domain,
            },
            password,
        };
        let project = LoginProject {
            name: &settings.project,
            domain: Name {
                name: &settings.project_domain,
            },
        };
        let identity = Identity {
            methods: ["password"],
            password: PasswordMethod { user },
        };
        let scope = LoginScope { project };
        Self {
            auth: Auth { identity, scope },
        }
    }
}

#[derive(Deserialize)]
struct TokenAnswer<T> {
    token: T,
}

#[derive(Deserialize)]
struct Expiry {
    expires_at: String,
}

/// What Keystone says of a token. It may say much more.
#[derive(Deserialize)]
struct TokenInfo {
    user: InDomain,
    #[serde(default)]
    project: Option<InDomain>,
    #[serde(default)]
    domain: Option<IgnoredAny>,
    #[serde(default)]
    roles: Vec<RoleInfo>,
    issued_at: String,
    expires_at: String,
    #[serde(default)]
    oauth2_credential: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct InDomain {
    id: String,
    name: String,
    domain: Domain,
}

#[derive(Deserialize)]
struct Domain {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct RoleInfo {
    name: String,
}

/// Reads Keystone's answer about a valid token.
fn read_token(body: &[u8]) -> Result<Verdict, String> {
    let TokenAnswer { token } = serde_json::from_slice::<TokenAnswer<TokenInfo>>(body)
        .map_err(|_| "its answer is not what Keystone says of a token")?;
    let times = (
        Timestamp::parse_iso(&token.issued_at),
        Timestamp::parse_iso(&token.expires_at),
    );
    let (Some(issued_at), Some(expires_at)) = times else {
        return Err("its answer holds a date that is none".into());
    };
    if token.oauth2_credential.is_some() {
        return Ok(Verdict::Refused(
            "it is bound to a client certificate, which kmsd does not look at",
        ));
    }
    if token.project.is_some() && token.domain.is_some() {
        return Err("its answer names two scopes".into());
    }
    Ok(match fit(token, issued_at, expires_at) {
        Ok(holder) => Verdict::Holder(Arc::new(holder)),
        Err(_) => Verdict::Refused("it holds an id or a name that kmsd cannot take"),
    })
}

fn fit(
    token: TokenInfo,
    issued_at: Timestamp,
    expires_at: Timestamp,
) -> Result<OutsideIdentity, Malformed> {
    let domain = |domain: Domain| {
        Ok::<_, Malformed>(OutsideDomain {
            id: DomainId::parse(domain.id)?,
            name: DisplayName::parse(domain.name)?,
        })
    };
    let scope = match (token.project, token.domain) {
        (Some(project), _) => OutsideScope::Project {
            id: ProjectId::parse(project.id)?,
            name: DisplayName::parse(project.name)?,
            domain: domain(project.domain)?,
        },
        (None, Some(_)) => OutsideScope::Domain,
        (None, None) => OutsideScope::None,
    };
    Ok(OutsideIdentity {
        user_id: UserId::parse(token.user.id)?,
        user_name: DisplayName::parse(token.user.name)?,
        user_domain: domain(token.user.domain)?,
        scope,
        roles: token.roles.into_iter().map(|role| role.name).collect(),
        issued_at,
        expires_at,
    })
}
