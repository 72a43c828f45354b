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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::join_all;
    use serde_json::{Value, json};

    use super::super::testing::{BEGIN, Hand, Reply, Request, Stub};
    use super::*;

    const PROJECT: &str = "0123456789abcdef0123456789abcdef";
    const USER: &str = "fedcba9876543210fedcba9876543210";

    /// Instead of the status of an answer: there is none.
    const HANG: u16 = 0;

    fn iso(seconds: i64) -> String {
        Timestamp::from_seconds(seconds).iso_micros()
    }

    /// What Keystone says of a good token for ten minutes.
    fn good() -> Value {
        json!({"token": {
            "methods": ["password"], "audit_ids": ["x"], "is_domain": false,
            "user": {"id": USER, "name": "alice", "password_expires_at": null,
                     "domain": {"id": "d1", "name": "acme"}},
            "project": {"id": PROJECT, "name": "orders",
                        "domain": {"id": "default", "name": "Default"}},
            "roles": [{"id": "1", "name": "member"}, {"id": "2", "name": "reader"}],
            "issued_at": iso(BEGIN - 5), "expires_at": iso(BEGIN + 600),
        }})
    }

    fn settings(more: Value) -> KeystoneSettings {
        let mut settings = json!({
            "url": "https://keystone.example/v3", "user": "kmsd", "user_domain": "Default",
            "project": "service", "project_domain": "Default", "password": "pass \"word\"",
        });
        for (name, value) in more.as_object().unwrap() {
            settings[name] = value.clone();
        }
        serde_json::from_value(settings).unwrap()
    }

    /// What the stub does, and what it has seen.
    struct State {
        /// How it logs kmsd in; service tokens are `service-1`, `service-2`, …
        logins: u64,
        login: u16,
        login_ends: i64,
        /// Service tokens up to this one are not accepted.
        dead: u64,
        /// How often each token was asked about.
        asked: Vec<String>,
        answer: fn() -> Reply,
    }

    struct World {
        stub: Stub,
        state: Arc<Mutex<State>>,
        keystone: Arc<Keystone>,
        env: Env,
        hand: Arc<Hand>,
    }

    fn serve(state: &mut State, request: &Request) -> Reply {
        match &*request.line {
            "POST /v3/auth/tokens?nocatalog" => {
                let body: Value = serde_json::from_str(&request.body).unwrap();
                let domain = json!({"name": "Default"});
                assert_eq!(
                    body,
                    json!({"auth": {
                        "identity": {"methods": ["password"], "password": {"user": {
                            "name": "kmsd", "domain": domain, "password": "pass \"word\"",
                        }}},
                        "scope": {"project": {"name": "service", "domain": domain}},
                    }})
                );
                state.logins += 1;
                if state.login == HANG {
                    return Reply::Hang;
                }
                let token = format!("service-{}", state.logins);
                let body = json!({"token": {"expires_at": iso(state.login_ends)}});
                let headers = vec![("X-Subject-Token", token)];
                Reply::Answer(state.login, headers, body.to_string())
            }
            "GET /v3/auth/tokens?nocatalog" => {
                state.asked.push(request.header("x-subject-token").into());
                let ours = request.header("x-auth-token").strip_prefix("service-");
                if ours.unwrap().parse::<u64>().unwrap() <= state.dead {
                    return Reply::status(401);
                }
                (state.answer)()
            }
            other => panic!("{other}"),
        }
    }

    impl World {
        async fn open(more: Value) -> Self {
            let (hand, env) = Hand::env();
            let state = Arc::new(Mutex::new(State {
                logins: 0,
                login: 201,
                login_ends: BEGIN + 100_000,
                dead: 0,
                asked: Vec::new(),
                answer: || Reply::ok(good()),
            }));
            let cell = Arc::clone(&state);
            let stub = Stub::start(move |request| serve(&mut cell.lock().unwrap(), request)).await;
            let mut more = more;
            more["url"] = json!(format!("{}/v3/", stub.url));
            Self {
                stub,
                state,
                keystone: Arc::new(Keystone::open(settings(more)).unwrap()),
                env,
                hand,
            }
        }

        fn set(&self, change: impl FnOnce(&mut State)) {
            change(&mut self.state.lock().unwrap());
        }

        fn asked(&self) -> usize {
            self.state.lock().unwrap().asked.len()
        }

        fn logins(&self) -> u64 {
            self.state.lock().unwrap().logins
        }

        async fn check(&self, token: &str) -> Result<OutsideIdentity, OutsideError> {
            // Far longer than the time that the check is given.
            let limit = Duration::from_secs(10);
            let checked = self.keystone.check(token, &self.env);
            tokio::time::timeout(limit, checked).await.expect("in time")
        }
    }

    fn is_refused(result: &Result<OutsideIdentity, OutsideError>) -> bool {
        matches!(result, Err(OutsideError::Refused(_)))
    }

    fn is_unavailable(result: &Result<OutsideIdentity, OutsideError>) -> bool {
        matches!(result, Err(OutsideError::Unavailable(_)))
    }

    #[tokio::test]
    async fn i6_what_keystone_says_is_what_a_token_is() {
        let world = World::open(json!({})).await;
        assert_eq!(world.stub.seen(), 0);
        assert_eq!(
            world.check("gAAAA-token").await,
            Ok(OutsideIdentity {
                user_id: UserId::parse(USER).unwrap(),
                user_name: DisplayName::parse("alice").unwrap(),
                user_domain: OutsideDomain {
                    id: DomainId::parse("d1").unwrap(),
                    name: DisplayName::parse("acme").unwrap(),
                },
                scope: OutsideScope::Project {
                    id: ProjectId::parse(PROJECT).unwrap(),
                    name: DisplayName::parse("orders").unwrap(),
                    domain: OutsideDomain {
                        id: DomainId::parse("default").unwrap(),
                        name: DisplayName::parse("Default").unwrap(),
                    },
                },
                roles: vec!["member".into(), "reader".into()],
                issued_at: Timestamp::from_seconds(BEGIN - 5),
                expires_at: Timestamp::from_seconds(BEGIN + 600),
            })
        );
        assert_eq!(world.state.lock().unwrap().asked, ["gAAAA-token"]);
        assert_eq!(world.logins(), 1);
    }

    #[tokio::test]
    async fn i6_an_answer_counts_for_the_time_that_is_set() {
        for (cache, counts) in [(60, 60), (7, 7), (1, 1)] {
            let world = World::open(json!({"cache_seconds": cache})).await;
            assert!(world.check("a").await.is_ok());
            world.set(|state| state.answer = || Reply::status(404));
            world.hand.advance(counts - 1);
            assert!(world.check("a").await.is_ok());
            assert_eq!(world.asked(), 1);
            world.hand.advance(1);
            assert!(is_refused(&world.check("a").await));
            assert_eq!(world.asked(), 2);
        }
        let world = World::open(json!({"cache_seconds": 0})).await;
        assert!(world.check("a").await.is_ok());
        world.set(|state| state.answer = || Reply::status(404));
        assert!(is_refused(&world.check("a").await));
        world.set(|state| state.answer = || Reply::ok(good()));
        assert!(world.check("a").await.is_ok());
        assert_eq!(world.asked(), 3);
        // Nobody gets the answer to another's question, either.
        for checked in join_all((0..3).map(|_| world.check("a"))).await {
            assert!(checked.is_ok());
        }
        assert_eq!(world.asked(), 6);
    }

    #[tokio::test]
    async fn i6_nothing_is_believed_past_the_tokens_end() {
        let world = World::open(json!({})).await;
        world.set(|state| {
            state.answer = || {
                let mut answer = good();
                answer["token"]["expires_at"] = json!(iso(BEGIN + 10));
                Reply::ok(answer)
            }
        });
        assert!(world.check("a").await.is_ok());
        world.hand.advance(9);
        assert!(world.check("a").await.is_ok());
        world.hand.advance(1);
        let expired = Err(OutsideError::Expired(Timestamp::from_seconds(BEGIN + 10)));
        assert_eq!(world.check("a").await, expired);
        assert_eq!(world.asked(), 1);
        // Even if Keystone's clock says otherwise.
        assert_eq!(world.check("b").await, expired);
        world.hand.advance(60);
        assert_eq!(world.check("a").await, expired);
    }

    #[tokio::test]
    async fn i6_the_cache_knows_tokens_by_the_whole_of_them() {
        let world = World::open(json!({})).await;
        let long = "t".repeat(1000);
        let other = format!("{}u", &long[..999]);
        assert!(world.check(&long).await.is_ok());
        world.set(|state| state.answer = || Reply::status(404));
        assert!(is_refused(&world.check(&other).await));
        assert!(is_refused(&world.check(&long[..999]).await));
        assert!(is_refused(&world.check(&format!("{long}t")).await));
        assert!(world.check(&long).await.is_ok());
        assert_eq!(world.asked(), 4);
    }

    #[tokio::test]
    async fn a_refusal_is_remembered_for_two_seconds() {
        let world = World::open(json!({})).await;
        world.set(|state| state.answer = || Reply::status(404));
        assert!(is_refused(&world.check("a").await));
        world.set(|state| state.answer = || Reply::ok(good()));
        world.hand.advance(1);
        assert!(is_refused(&world.check("a").await));
        assert_eq!(world.asked(), 1);
        world.hand.advance(1);
        assert!(world.check("a").await.is_ok());
    }

    #[tokio::test]
    async fn i2_a_keystone_that_does_not_answer_lets_nobody_in_and_is_asked_again() {
        let answers: [fn() -> Reply; 10] = [
            || Reply::status(500),
            || Reply::status(503),
            || Reply::status(403),
            || Reply::status(400),
            || Reply::status(204),
            || Reply::Answer(302, vec![("Location", "/v3".into())], good().to_string()),
            || Reply::Close,
            || Reply::Hang,
            || Reply::ok("<html>"),
            || Reply::ok(format!("{}{}", good(), " ".repeat(300_000))),
        ];
        for (number, answer) in answers.into_iter().enumerate() {
            let world = World::open(json!({"timeout_seconds": 1})).await;
            world.set(|state| state.answer = answer);
            let checked = world.check("a").await;
            assert!(is_unavailable(&checked), "{number}: {checked:?}");
            // Not remembered.
            world.set(|state| state.answer = || Reply::ok(good()));
            let checked = world.check("a").await;
            assert!(checked.is_ok(), "{number}: {checked:?}");
        }
        // Nobody there at all, and no leftover answer that is too old.
        let world = World::open(json!({})).await;
        assert!(world.check("a").await.is_ok());
        world.hand.advance(60);
        world.set(|state| state.answer = || Reply::Close);
        assert!(is_unavailable(&world.check("a").await));
        let nobody = Keystone::open(settings(json!({"url": "http://127.0.0.1:1/v3"}))).unwrap();
        assert!(is_unavailable(&nobody.check("a", &world.env).await));
    }

    #[tokio::test]
    async fn i6_an_answer_without_sense_is_no_identity() {
        fn broken(change: impl Fn(&mut Value)) -> Verdict {
            let mut answer = good();
            change(&mut answer["token"]);
            read_token(answer.to_string().as_bytes()).unwrap_or_else(Verdict::Failed)
        }
        for member in ["user", "issued_at", "expires_at"] {
            for wrong in [json!(null), json!(7), json!("x"), json!({})] {
                let verdict = broken(|token| token[member] = wrong.clone());
                assert!(matches!(verdict, Verdict::Failed(_)), "{member} = {wrong}");
            }
        }
        let both = broken(|token| token["domain"] = json!({"id": "d1", "name": "acme"}));
        assert!(matches!(both, Verdict::Failed(_)));
        for (path, wrong) in [
            ("/user/id", "a b"),
            ("/user/name", "a\nb"),
            ("/user/domain/id", "a.b"),
            ("/user/domain/name", ""),
            ("/project/id", "orders"),
            ("/project/name", ""),
            ("/project/domain/id", "../x"),
        ] {
            let verdict = broken(|token| *token.pointer_mut(path).unwrap() = json!(wrong));
            assert!(matches!(verdict, Verdict::Refused(_)), "{path} = {wrong}");
        }
        let bound = broken(|token| token["oauth2_credential"] = json!({"x5t#S256": "x"}));
        assert!(matches!(bound, Verdict::Refused(_)));

        let scope = |change: fn(&mut Value)| match broken(change) {
            Verdict::Holder(holder) => holder.scope.clone(),
            Verdict::Refused(why) => panic!("{why}"),
            Verdict::Failed(why) => panic!("{why}"),
        };
        let unscoped = |token: &mut Value| {
            token.as_object_mut().unwrap().remove("project");
            token.as_object_mut().unwrap().remove("roles");
        };
        assert_eq!(scope(unscoped), OutsideScope::None);
        let system = |token: &mut Value| {
            token.as_object_mut().unwrap().remove("project");
            token["system"] = json!({"all": true});
        };
        assert_eq!(scope(system), OutsideScope::None);
        let domain = |token: &mut Value| {
            token.as_object_mut().unwrap().remove("project");
            token["domain"] = json!({"id": "d1", "name": "acme"});
        };
        assert_eq!(scope(domain), OutsideScope::Domain);
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused_unasked() {
        let world = World::open(json!({})).await;
        for bad in [
            "",
            " a",
            "a b",
            "a\r\nX-Auth-Token: b",
            "a\0",
            "\u{e9}",
            &"a".repeat(16 * 1024 + 1),
        ] {
            assert!(is_refused(&world.check(bad).await));
        }
        assert_eq!(world.stub.seen(), 0);
        assert!(world.check(&"a".repeat(16 * 1024)).await.is_ok());
    }

    #[tokio::test]
    async fn a_dead_service_token_is_replaced_once() {
        let world = World::open(json!({})).await;
        assert!(world.check("a").await.is_ok());
        world.set(|state| state.dead = 1);
        assert!(world.check("b").await.is_ok());
        assert_eq!((world.logins(), world.asked()), (2, 3));

        world.set(|state| state.dead = u64::MAX);
        assert!(is_unavailable(&world.check("c").await));
        assert_eq!((world.logins(), world.asked()), (3, 5));
    }

    #[tokio::test]
    async fn a_dead_service_token_is_replaced_once_for_all_who_hold_it() {
        let world = World::open(json!({})).await;
        assert!(world.check("a").await.is_ok());
        world.set(|state| state.dead = 1);
        let tokens: Vec<_> = (0..10).map(|number| format!("t{number}")).collect();
        for checked in join_all(tokens.iter().map(|token| world.check(token))).await {
            assert!(checked.is_ok(), "{checked:?}");
        }
        assert_eq!(world.logins(), 2);
    }

    #[tokio::test]
    async fn the_service_token_is_kept_and_renewed_before_its_end() {
        let world = World::open(json!({"cache_seconds": 0})).await;
        world.set(|state| state.login_ends = BEGIN + 3600);
        assert!(world.check("a").await.is_ok());
        world.hand.advance(299);
        assert!(world.check("a").await.is_ok());
        assert_eq!(world.logins(), 1);
        // Of an hour, five minutes are left.
        world.hand.advance(3600 - 299 - 300);
        world.set(|state| {
            state.login_ends = BEGIN + 3300 + 40;
            state.answer = || {
                let mut answer = good();
                answer["token"]["expires_at"] = json!(iso(BEGIN + 9999));
                Reply::ok(answer)
            };
        });
        assert!(world.check("a").await.is_ok());
        assert_eq!(world.logins(), 2);
        // Of forty seconds, a quarter.
        world.hand.advance(29);
        assert!(world.check("a").await.is_ok());
        assert_eq!(world.logins(), 2);
        world.hand.advance(1);
        assert!(is_unavailable(&{
            world.set(|state| state.login_ends = BEGIN);
            world.check("a").await
        }));
        assert_eq!(world.logins(), 3);
    }

    #[tokio::test]
    async fn i2_an_account_that_is_refused_lets_nobody_in_and_is_not_hammered() {
        let world = World::open(json!({})).await;
        world.set(|state| state.login = 401);
        for token in ["a", "b", "c"] {
            assert!(is_unavailable(&world.check(token).await));
        }
        assert_eq!((world.logins(), world.asked()), (1, 0));
        world.set(|state| state.login = 201);
        world.hand.advance(4);
        assert!(is_unavailable(&world.check("a").await));
        world.hand.advance(1);
        assert!(world.check("a").await.is_ok());
        for status in [400, 403, 404, 500, 302, HANG] {
            let world = World::open(json!({"timeout_seconds": 1})).await;
            world.set(|state| state.login = status);
            assert!(is_unavailable(&world.check("a").await), "{status}");
            assert_eq!(world.asked(), 0);
        }
    }

    #[tokio::test]
    async fn i49_one_question_per_token_is_under_way() {
        let world = World::open(json!({})).await;
        for checked in join_all((0..20).map(|_| world.check("a"))).await {
            assert!(checked.is_ok());
        }
        assert_eq!((world.logins(), world.asked()), (1, 1));
        // Nor when the answer comes between the look into the cache and the question.
        let late = Arc::clone(&world.keystone.0);
        let late = late.ask_once(sha256(b"a"), subject("a").unwrap(), world.env.clone());
        assert!(late.await.give(world.env.now()).is_ok());
        assert_eq!(world.asked(), 1);
        // A stale answer is renewed once, too.
        world.hand.advance(60);
        for checked in join_all((0..20).map(|_| world.check("a"))).await {
            assert!(checked.is_ok());
        }
        assert_eq!(world.asked(), 2);
        // A failure is shared by those who wait, and by nobody after them.
        world.hand.advance(60);
        world.set(|state| state.answer = || Reply::status(500));
        for checked in join_all((0..20).map(|_| world.check("a"))).await {
            assert!(is_unavailable(&checked));
        }
        assert_eq!(world.asked(), 3);
        assert!(is_unavailable(&world.check("a").await));
        assert_eq!(world.asked(), 4);
    }

    #[tokio::test]
    async fn i49_one_who_hangs_up_takes_nothing_from_the_others() {
        let world = World::open(json!({})).await;
        let (keystone, env) = (Arc::clone(&world.keystone), world.env.clone());
        let first = tokio::spawn(async move { keystone.check("a", &env).await });
        while world.stub.seen() == 0 {
            tokio::task::yield_now().await;
        }
        first.abort();
        assert!(world.check("a").await.is_ok());
        assert_eq!((world.logins(), world.asked()), (1, 1));
    }

    #[tokio::test]
    async fn i49_the_cache_is_bounded() {
        let world = World::open(json!({})).await;
        let most = world.keystone.0.answers.policy().max_capacity();
        assert_eq!(most, Some(10_000));
    }

    #[tokio::test]
    async fn i47_no_error_quotes_what_keystone_said_or_what_it_was_sent() {
        let world = World::open(json!({"cache_seconds": 0})).await;
        world.set(|state| {
            state.answer = || Reply::Answer(403, vec![], "my-user-token is forbidden".into());
        });
        let said = format!("{:?}", world.check("my-user-token").await);
        world.set(|state| state.answer = || Reply::ok("my-user-token, no JSON"));
        let said = said + &format!("{:?}", world.check("my-user-token").await);
        world.set(|state| state.dead = u64::MAX);
        let said = said + &format!("{:?}", world.check("my-user-token").await);
        world.set(|state| state.login = 400);
        let said = said + &format!("{:?}", world.check("my-user-token").await);
        for secret in ["my-user", "service-", "word"] {
            assert!(!said.contains(secret), "{said}");
        }
        assert_eq!(said.matches("Unavailable").count(), 4, "{said}");
        let debug = format!("{:?}", subject("my-user-token").unwrap());
        assert!(!debug.contains("my-user"));
        let wrong = json!({"url": "u", "user": "u", "user_domain": "d", "project": "p",
            "project_domain": "d", "password": 123456});
        let fault = serde_json::from_value::<KeystoneSettings>(wrong)
            .err()
            .unwrap();
        assert!(!fault.to_string().contains("123456"), "{fault}");
    }

    #[tokio::test]
    async fn the_password_may_stand_in_a_file_that_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let from_file = json!({"password": null, "password_file": path});
        let open = || Keystone::open(settings(from_file.clone())).err();
        assert!(open().unwrap().contains("password_file"));
        for bad in ["", "\n", "two\nlines\n", &"x".repeat(5000)] {
            std::fs::write(&path, bad).unwrap();
            assert!(open().unwrap().contains("one line"));
        }
        std::fs::write(&path, [0xff]).unwrap();
        assert!(open().unwrap().contains("UTF-8"));

        std::fs::write(&path, "old").unwrap();
        let world = World::open(from_file).await;
        // The stub insists on this one.
        std::fs::write(&path, "pass \"word\"\r\n").unwrap();
        assert!(world.check("a").await.is_ok());
    }

    #[test]
    fn settings_say_what_to_do() {
        let settings_of = |more| settings(more);
        assert_eq!(settings_of(json!({})).check(), Ok(()));
        let defaults = settings_of(json!({}));
        assert_eq!((defaults.cache_seconds, defaults.timeout_seconds), (60, 4));
        assert_eq!(defaults.roles["admin"], "te_admin");
        assert_eq!(defaults.roles.len(), 3);
        assert!(defaults.register_projects && !defaults.allow_http);
        for good in [
            json!({"url": "http://[::1]:5000/v3"}),
            json!({"url": "https://cloud.example/identity/v3/"}),
            json!({"url": "http://keystone/v3", "allow_http": true}),
            json!({"cache_seconds": 0}),
        ] {
            assert_eq!(settings_of(good).check(), Ok(()));
        }
        for (change, part) in [
            (json!({"url": "http://keystone/v3"}), "set allow_http."),
            (json!({"url": "https://keystone"}), "url must end in /v3."),
            (
                json!({"url": "https://keystone/v3?x"}),
                "url must end in /v3.",
            ),
            (json!({"url": "keystone"}), "url is not a URL"),
            (json!({"user": ""}), "user must"),
            (json!({"user_domain": ""}), "user_domain must"),
            (json!({"project": ""}), "project must"),
            (json!({"project_domain": ""}), "project_domain must"),
            (json!({"password": ""}), "password must"),
            (
                json!({"password": null}),
                "either password_file or password",
            ),
            (
                json!({"password_file": "/p"}),
                "either password_file or password",
            ),
            (json!({"cache_seconds": 61}), "cache_seconds must"),
            (json!({"timeout_seconds": 0}), "timeout_seconds must"),
            (json!({"timeout_seconds": 31}), "timeout_seconds must"),
            (json!({"roles": {"a": "b"}}), "\"a\" becomes must be"),
        ] {
            let fault = settings_of(change).check().unwrap_err();
            assert!(fault.contains(part) && fault.ends_with('.'), "{fault}");
        }
        // One sentence per fault.
        let two = settings_of(json!({"user": "", "project": ""}));
        let two = two.check().unwrap_err();
        assert_eq!(two, "user must not be empty. project must not be empty.");
    }
}
