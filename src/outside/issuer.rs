//! Issuers of JSON Web Tokens whose public keys stand in a file or at a URL.
//!
//! Whom to trust, in which algorithm and under which key: all of it comes from the settings and
//! from the issuer's key set, nothing from the token (threat model I-4). The library checks
//! signatures only; every claim is checked here, by its type (I-5).

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    OutsideDomain, OutsideError, OutsideIdentity, OutsideScope, check_roles, http, jwt_parts,
    none_or_all, yes,
};
use crate::env::Env;
use crate::json::Object;
use crate::model::ids::{DisplayName, DomainId, Malformed, ProjectId, UserId};
use crate::model::time::Timestamp;

/// How far an issuer's clock may be ahead of ours (I-5). Nothing is granted past the end of a token.
const LEEWAY: Duration = Duration::from_secs(30);

/// The longest life of a token (I-5).
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A key set is fetched again when it is older than this, so that a withdrawn key goes away.
const REFRESH_AFTER: Duration = Duration::from_secs(5 * 60);

/// A key set that could not be fetched again for this long is not believed any more.
const BELIEVE_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a key set is fetched again for the sake of an unknown key, which anybody can make up,
/// or after a failure.
const URL_PAUSE: Duration = Duration::from_secs(30);

/// The same for a file, which costs nothing.
const FILE_PAUSE: Duration = Duration::from_secs(1);

/// How often a key set that was never had is tried.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long a fetch may take.
const FETCH_TIME: Duration = Duration::from_secs(4);

/// The most keys in a set; issuers have two or three.
const KEYS: usize = 64;

/// The algorithms that can be configured: every one that checks with a public key.
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("EdDSA", Algorithm::EdDSA),
];

/// An issuer, as the operator describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    /// What audit records call it.
    pub name: String,
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// What the `aud` of its tokens must be or contain.
    pub audience: String,
    /// The file with its public keys (RFC 7517). Either this or `jwks_url`.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// Where its public keys can be fetched.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// The authorities to trust for `jwks_url`, in PEM, instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The algorithms of its signatures, all of one family.
    #[serde(default = "es256")]
    pub algorithms: Vec<String>,
    /// In which claims it says what.
    #[serde(default)]
    pub claims: ClaimNames,
    /// Which role of ours each role of theirs becomes; others count for nothing.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
    /// Whether projects that kmsd does not know are registered when their first token comes.
    #[serde(default = "yes")]
    pub register_projects: bool,
}

/// In which claims an issuer says what. All are members of the token itself, not of objects in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimNames {
    /// The project's id. Required in every token.
    pub project_id: String,
    /// The project's name; its id when absent.
    pub project_name: String,
    /// The id of the domain of both the project and the user. Required in every token.
    pub domain_id: String,
    /// The domain's name; its id when absent.
    pub domain_name: String,
    /// The user's name; `sub` when absent.
    pub user_name: String,
    /// The user's roles in the project, an array of strings; none when absent.
    pub roles: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            project_id: "project_id".into(),
            project_name: "project_name".into(),
            domain_id: "domain_id".into(),
            domain_name: "domain_name".into(),
            user_name: "preferred_username".into(),
            roles: "roles".into(),
        }
    }
}

fn es256() -> Vec<String> {
    vec!["ES256".into()]
}

impl IssuerSettings {
    /// Whether the settings make sense.
    ///
    /// # Errors
    /// One sentence per fault, saying what to do.
    pub fn check(&self) -> Result<(), String> {
        let mut faults = Vec::new();
        if !is_name(&self.name) {
            faults.push("name must be 1 to 64 letters, digits or . _ -.".into());
        }
        for (member, value) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if value.is_empty() {
                faults.push(format!("{member} must not be empty."));
            }
        }
        match (&self.jwks_file, &self.jwks_url) {
            (Some(_), None) => {}
            (None, Some(url)) => {
                faults.extend(http::parse_url("jwks_url", url, false).err());
            }
            _ => faults.push("Set either jwks_file or jwks_url.".into()),
        }
        if self.ca_file.is_some() && self.jwks_url.is_none() {
            faults.push("ca_file is for jwks_url; remove it.".into());
        }
        faults.extend(self.parse_algorithms().err());
        let claims = &self.claims;
        for (member, claim) in [
            ("project_id", &claims.project_id),
            ("project_name", &claims.project_name),
            ("domain_id", &claims.domain_id),
            ("domain_name", &claims.domain_name),
            ("user_name", &claims.user_name),
            ("roles", &claims.roles),
        ] {
            if claim.is_empty() {
                faults.push(format!("claims.{member} must name a claim."));
            }
        }
        check_roles(&self.roles, &mut faults);
        none_or_all(faults)
    }

    fn parse_algorithms(&self) -> Result<Vec<(&'static str, Algorithm)>, String> {
        let mut parsed: Vec<(&'static str, Algorithm)> = Vec::new();
        for name in &self.algorithms {
            let Some(known) = ALGORITHMS.into_iter().find(|known| known.0 == name) else {
                let known = ALGORITHMS.map(|known| known.0).join(", ");
                return Err(format!("algorithms must be among {known}."));
            };
            parsed.push(known);
        }
        let Some((_, first)) = parsed.first() else {
            return Err("algorithms must name at least one algorithm.".into());
        };
        if parsed.iter().any(|(_, one)| one.family() != first.family()) {
            return Err("algorithms must all be of one family: ES, EdDSA, or RS and PS.".into());
        }
        Ok(parsed)
    }
}

/// The form of a `kid`, and of an issuer's name.
fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// An issuer that can be asked.
pub struct Issuer {
    settings: IssuerSettings,
    algorithms: Vec<(&'static str, Algorithm)>,
    keys: Arc<Keys>,
}

impl Issuer {
    /// Makes an issuer ready. Its key file is read now; its URL is fetched when the first token
    /// comes.
    ///
    /// # Errors
    /// What is wrong with the settings or with the file, and what to do.
    pub fn open(settings: IssuerSettings, env: &Env) -> Result<Self, String> {
        settings.check()?;
        let algorithms = settings.parse_algorithms()?;
        let mut known = Known::default();
        let source = match (&settings.jwks_file, &settings.jwks_url) {
            (Some(path), _) => {
                let text = std::fs::read(path).map_err(|error| error.to_string());
                let set = text
                    .and_then(|text| KeySet::parse(&text))
                    .and_then(|set| {
                        if set.keys.is_empty() {
                            Err("it holds no key that can check a signature".into())
                        } else {
                            Ok(set)
                        }
                    })
                    .map_err(|why| format!("jwks_file {}: {why}.", path.display()))?;
                known.set = Some((Arc::new(set), env.monotonic()));
                Source::File(path.clone())
            }
            (None, Some(url)) => {
                let url = http::parse_url("jwks_url", url, false)?;
                let client = http::client(&url, settings.ca_file.as_deref())?;
                Source::Url(client, url)
            }
            (None, None) => return Err("Set either jwks_file or jwks_url.".into()),
        };
        let keys = Arc::new(Keys {
            name: settings.name.clone(),
            source,
            known: RwLock::new(known),
            flight: tokio::sync::Mutex::new(()),
            fetch_time: FETCH_TIME,
        });
        Ok(Self {
            settings,
            algorithms,
            keys,
        })
    }

    /// What audit records call it.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The exact `iss` of its tokens.
    pub fn claims_issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// What it was opened with.
    pub fn settings(&self) -> &IssuerSettings {
        &self.settings
    }

    /// Checks a token of this issuer.
    ///
    /// # Errors
    /// See [`OutsideError`].
    pub async fn check(&self, token: &str, env: &Env) -> Result<OutsideIdentity, OutsideError> {
        let header = Header::read(token)?;
        let (name, algorithm) = self
            .algorithms
            .iter()
            .find(|(name, _)| *name == header.alg)
            .ok_or(refused("its algorithm is not one of the issuer's"))?;
        let key = self.keys.find(header.kid.as_deref(), env).await?;
        if !key.fits(name, *algorithm) {
            return Err(refused("its key is not for its algorithm"));
        }
        // The library checks the signature; the claims are ours, by the clock that we are lent.
        let mut validation = Validation::new(*algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<Object>(token, &key.decoding, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::Json(_) => refused("its claims are not a JSON object"),
                _ => refused("its signature does not hold"),
            })?
            .claims;
        self.read_claims(&Claims(claims.0), env.now())
    }

    fn read_claims(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<OutsideIdentity, OutsideError> {
        if claims.required("iss")? != self.settings.issuer {
            return Err(refused("it is another issuer's"));
        }
        if !claims.audience()?.contains(&&*self.settings.audience) {
            return Err(refused("it is for another audience"));
        }
        let (expires_at, issued_at) = claims.times(now)?;

        let names = &self.settings.claims;
        let user_id = claims.required("sub")?;
        let user_name = claims.text(&names.user_name)?.unwrap_or(user_id);
        let project_id = claims.required(&names.project_id)?;
        let project_name = claims.text(&names.project_name)?.unwrap_or(project_id);
        let domain_id = claims.required(&names.domain_id)?;
        let domain_name = claims.text(&names.domain_name)?.unwrap_or(domain_id);
        let roles = claims.texts(&names.roles)?;

        let user_domain = OutsideDomain {
            id: fit(DomainId::parse(domain_id))?,
            name: fit(DisplayName::parse(domain_name))?,
        };
        Ok(OutsideIdentity {
            user_id: fit(UserId::parse(user_id))?,
            user_name: fit(DisplayName::parse(user_name))?,
            scope: OutsideScope::Project {
                id: fit(ProjectId::parse(project_id))?,
                name: fit(DisplayName::parse(project_name))?,
                domain: user_domain.clone(),
            },
            user_domain,
            roles: roles.into_iter().map(str::to_owned).collect(),
            issued_at,
            expires_at,
        })
    }
}

const fn refused(why: &'static str) -> OutsideError {
    OutsideError::Refused(why)
}

fn fit<T>(parsed: Result<T, Malformed>) -> Result<T, OutsideError> {
    parsed.map_err(|_| refused("it holds an id or a name that kmsd cannot take"))
}

/// The header of a token: what is in it, and nothing that could be more (I-4).
pub(super) struct Header {
    pub(super) alg: String,
    kid: Option<String>,
}

impl Header {
    pub(super) fn read(token: &str) -> Result<Self, OutsideError> {
        let (encoded, ..) =
            jwt_parts(token).ok_or(refused("it is not a signed JWT of at most 8 KiB"))?;
        let members = URL_SAFE_NO_PAD
            .decode(encoded)
            .ok()
            .and_then(|text| Object::parse(&text).ok())
            .ok_or(refused("its header is not a JSON object"))?;
        let (mut alg, mut kid) = (None, None);
        for (name, value) in members.0 {
            let Value::String(value) = value else {
                return Err(refused("its header has a member that is not text"));
            };
            match &*name {
                "alg" => alg = Some(value),
                "kid" if is_name(&value) => kid = Some(value),
                "kid" => return Err(refused("its kid has a form that no key has")),
                // What an access token or an ID token may be (RFC 9068, RFC 7519), and none of the
                // things that issuers sign for other ends.
                "typ" if is_token_type(&value) => {}
                "typ" => return Err(refused("it is not of a type that grants access")),
                _ => return Err(refused("its header says more than alg, typ and kid")),
            }
        }
        let alg = alg.ok_or(refused("its header names no algorithm"))?;
        Ok(Self { alg, kid })
    }
}

fn is_token_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(
        typ.strip_prefix("application/").unwrap_or(&typ),
        "jwt" | "at+jwt"
    )
}

/// The claims of a token whose signature holds. Mistyped is refused, never absent (I-5).
pub(super) struct Claims(pub(super) Map<String, Value>);

impl Claims {
    fn text(&self, name: &str) -> Result<Option<&str>, OutsideError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(refused("it has a claim of the wrong type")),
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, OutsideError> {
        self.text(name)?.ok_or(refused("it lacks a claim"))
    }

    fn texts(&self, name: &str) -> Result<Vec<&str>, OutsideError> {
        let wrong = refused("it has a claim of the wrong type");
        match self.0.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().ok_or(wrong.clone()))
                .collect(),
            Some(_) => Err(wrong),
        }
    }

    pub(super) fn audience(&self) -> Result<Vec<&str>, OutsideError> {
        match self.0.get("aud") {
            None => Err(refused("it lacks a claim")),
            Some(Value::String(one)) => Ok(vec![one]),
            Some(_) => self.texts("aud"),
        }
    }

    /// A NumericDate (RFC 7519): seconds since 1970, perhaps with a fraction.
    fn time(&self, name: &str) -> Result<Option<Timestamp>, OutsideError> {
        /// The last second of the year 9999.
        const LAST: f64 = 253_402_300_799.0;
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_f64()
                .filter(|seconds| (0.0..=LAST).contains(seconds))
                // In this range, whole milliseconds are exact.
                .map(|seconds| Some(Timestamp::from_millis((seconds * 1000.0).floor() as i64)))
                .ok_or(refused("it has a claim of the wrong type")),
        }
    }

    /// When the token ends and when it was issued, if now lies between.
    pub(super) fn times(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), OutsideError> {
        let expires_at = self.time("exp")?.ok_or(refused("it lacks a claim"))?;
        let (not_before, issued_at) = (self.time("nbf")?, self.time("iat")?);
        let begins = issued_at
            .or(not_before)
            .ok_or(refused("it lacks a claim"))?;
        if [not_before, issued_at]
            .into_iter()
            .flatten()
            .any(|from| from > now.plus(LEEWAY))
        {
            return Err(refused("it is not valid yet"));
        }
        if expires_at <= begins || expires_at > begins.plus(LIFETIME) {
            return Err(refused("it lives longer than 24 hours, or not at all"));
        }
        if now >= expires_at {
            return Err(OutsideError::Expired(expires_at));
        }
        Ok((expires_at, begins))
    }
}

/// One public key of an issuer.
struct Key {
    kind: KeyKind,
    /// The one algorithm that the key is for, if the issuer says so.
    alg: Option<String>,
    decoding: DecodingKey,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    P256,
    P384,
    Rsa,
    Ed25519,
}

impl Key {
    fn fits(&self, name: &str, algorithm: Algorithm) -> bool {
        let kind = match algorithm {
            Algorithm::ES256 => KeyKind::P256,
            Algorithm::ES384 => KeyKind::P384,
            Algorithm::EdDSA => KeyKind::Ed25519,
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => KeyKind::Rsa,
            _ => return false,
        };
        self.kind == kind && self.alg.as_deref().is_none_or(|alg| alg == name)
    }

    /// `Ok(None)` for a key that is of no use here: another kind, too weak, or not for signatures.
    fn read(jwk: &Map<String, Value>) -> Result<Option<Self>, String> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        if jwk.contains_key("d") {
            return Err("it holds a private key, so anybody who reads it can sign".into());
        }
        let for_signatures = match (jwk.get("use"), jwk.get("key_ops")) {
            (Some(value), _) => value == "sig",
            (None, Some(Value::Array(uses))) => uses.iter().any(|one| one == "verify"),
            (None, Some(_)) => false,
            (None, None) => true,
        };
        let alg = match jwk.get("alg") {
            None => None,
            Some(Value::String(alg)) => Some(alg.clone()),
            Some(_) => return Ok(None),
        };
        if !for_signatures {
            return Ok(None);
        }
        let (kind, decoding) = match (text("kty"), text("crv")) {
            (Some("EC"), Some(curve @ ("P-256" | "P-384"))) => {
                let (kind, len) = if curve == "P-256" {
                    (KeyKind::P256, 32)
                } else {
                    (KeyKind::P384, 48)
                };
                let (Some(x), Some(y)) = (bytes("x"), bytes("y")) else {
                    return Ok(None);
                };
                if x.len() != len || y.len() != len {
                    return Ok(None);
                }
                let point = [&[0x04], &*x, &*y].concat();
                (kind, DecodingKey::from_ec_der(&point))
            }
            (Some("OKP"), Some("Ed25519")) => match bytes("x") {
                Some(x) if x.len() == 32 => (KeyKind::Ed25519, DecodingKey::from_ed_der(&x)),
                _ => return Ok(None),
            },
            (Some("RSA"), _) => {
                let (Some(n), Some(e)) = (bytes("n"), bytes("e")) else {
                    return Ok(None);
                };
                let zeros = n.iter().take_while(|byte| **byte == 0).count();
                let n = &n[zeros..];
                let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
                if !(2048..=8192).contains(&bits) {
                    return Ok(None);
                }
                (KeyKind::Rsa, DecodingKey::from_rsa_raw_components(n, &e))
            }
            _ => return Ok(None),
        };
        Ok(Some(Self {
            kind,
            alg,
            decoding,
        }))
    }
}

/// The keys of an issuer, by `kid`. A key without one is there only if it is the only key.
struct KeySet {
    keys: HashMap<Option<String>, Arc<Key>>,
}

impl KeySet {
    fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() > http::ANSWER_BYTES {
            return Err("it is too long for a key set".into());
        }
        let members = Object::parse(text)
            .map_err(|why| format!("it is not a JSON object: {why}"))?
            .0;
        let Some(Value::Array(list)) = members.get("keys") else {
            return Err("it is not a key set: it has no list of keys".into());
        };
        if list.len() > KEYS {
            return Err(format!("it holds more than {KEYS} keys"));
        }
        let mut keys = Vec::new();
        for jwk in list {
            let Value::Object(jwk) = jwk else {
                return Err("one of its keys is not an object".into());
            };
            let kid = match jwk.get("kid") {
                None => None,
                Some(Value::String(kid)) if is_name(kid) => Some(kid.clone()),
                Some(_) => continue,
            };
            if let Some(key) = Key::read(jwk)? {
                keys.push((kid, Arc::new(key)));
            }
        }
        let only = keys.len() == 1;
        let mut set = HashMap::new();
        for (kid, key) in keys {
            if kid.is_none() && !only {
                continue;
            }
            if set.insert(kid, key).is_some() {
                return Err("two of its keys have the same kid".into());
            }
        }
        Ok(Self { keys: set })
    }

    /// The key that a token names; without a name, the only key that there is.
    fn find(&self, kid: Option<&str>) -> Option<Arc<Key>> {
        match kid {
            Some(kid) => self.keys.get(&Some(kid.to_owned())).cloned(),
            None if self.keys.len() == 1 => self.keys.values().next().cloned(),
            None => None,
        }
    }
}

/// Where an issuer's keys come from, and what is known of them.
struct Keys {
    /// The issuer's name, for the log.
    name: String,
    source: Source,
    known: RwLock<Known>,
    /// Held by the one fetch that is under way.
    flight: tokio::sync::Mutex<()>,
    fetch_time: Duration,
}

enum Source {
    File(PathBuf),
    Url(reqwest::Client, reqwest::Url),
}

/// Times are [`Env::monotonic`]'s.
#[derive(Clone, Default)]
struct Known {
    /// The last set that was had, and when it was asked for.
    set: Option<(Arc<KeySet>, Duration)>,
    /// When a fetch last began.
    tried_at: Option<Duration>,
    /// How many fetches have ended.
    tries: u64,
    /// Why the last fetch failed, if it did.
    failure: Option<String>,
}

impl Known {
    /// The set, if it is not too old to be believed.
    fn believed(&self, now: Duration) -> Option<&KeySet> {
        let (set, at) = self.set.as_ref()?;
        (now.saturating_sub(*at) < BELIEVE_FOR).then_some(set)
    }

    /// Whether the last fetch began at least this long ago.
    fn rested(&self, pause: Duration, now: Duration) -> bool {
        self.tried_at
            .is_none_or(|at| now.saturating_sub(at) >= pause)
    }
}

impl Keys {
    async fn find(
        self: &Arc<Self>,
        kid: Option<&str>,
        env: &Env,
    ) -> Result<Arc<Key>, OutsideError> {
        let now = env.monotonic();
        let known = self.known();
        let fetch = match known.believed(now).map(|set| set.find(kid)) {
            Some(Some(_)) => {
                let age = known.set.as_ref().map(|(_, at)| now.saturating_sub(*at));
                age.is_some_and(|age| age >= REFRESH_AFTER) && known.rested(URL_PAUSE, now)
            }
            // Without the key, a fetch under way is waited for.
            Some(None) => {
                let pause = match self.source {
                    Source::File(_) => FILE_PAUSE,
                    Source::Url(..) => URL_PAUSE,
                };
                known.rested(pause, now) || self.flight.try_lock().is_err()
            }
            None if known.set.is_some() => {
                known.rested(URL_PAUSE, now) || self.flight.try_lock().is_err()
            }
            None => known.rested(FIRST_PAUSE, now) || self.flight.try_lock().is_err(),
        };
        let known = if fetch {
            // In a task of its own: a caller who hangs up takes nothing from those who wait.
            let task = Arc::clone(self).refresh(env.clone(), known.tries);
            let _ = tokio::spawn(task).await;
            self.known()
        } else {
            known
        };
        match known.believed(env.monotonic()).map(|set| set.find(kid)) {
            Some(Some(key)) => Ok(key),
            // Perhaps the key is in the set that we cannot get.
            Some(None) | None if known.failure.is_some() => {
                Err(OutsideError::Unavailable(format!(
                    "the keys of issuer {} cannot be had: {}",
                    self.name,
                    known.failure.unwrap_or_default()
                )))
            }
            Some(None) => Err(refused("its issuer has no such key")),
            None => Err(OutsideError::Unavailable(format!(
                "the keys of issuer {} are not there yet",
                self.name
            ))),
        }
    }

    fn known(&self) -> Known {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Fetches the set, unless somebody has done so since `tries` was read.
    async fn refresh(self: Arc<Self>, env: Env, tries: u64) {
        let _flight = self.flight.lock().await;
        if self.known().tries != tries {
            return;
        }
        let began = env.monotonic();
        self.change(|known| known.tried_at = Some(began));
        let fetched = tokio::time::timeout(self.fetch_time, self.fetch())
            .await
            .unwrap_or_else(|_| Err("no answer in time".into()))
            .and_then(|text| KeySet::parse(&text));
        self.change(|known| {
            known.tries += 1;
            match fetched {
                Ok(set) => {
                    known.set = Some((Arc::new(set), began));
                    known.failure = None;
                }
                Err(why) => {
                    tracing::warn!(issuer = self.name, %why, "an issuer's keys cannot be had");
                    known.failure = Some(why);
                }
            }
        });
    }

    async fn fetch(&self) -> Result<Vec<u8>, String> {
        match &self.source {
            Source::File(path) => tokio::fs::read(path).await.map_err(|e| e.to_string()),
            Source::Url(client, url) => {
                let answer = client.get(url.clone()).send().await.map_err(http::why)?;
                let status = answer.status().as_u16();
                if status != 200 {
                    return Err(format!("it answered {status}"));
                }
                http::body(answer).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    };
    use jsonwebtoken::EncodingKey;
    use serde_json::json;

    use super::super::testing::{BEGIN, Hand, Reply, Stub};
    use super::*;
    use crate::crypto::token_key;

    const PROJECT: &str = "0123456789abcdef0123456789abcdef";

    fn b64(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A key pair of an issuer.
    struct Pair {
        algorithm: Algorithm,
        signing: EncodingKey,
        /// The public half, as a JWK without kid.
        jwk: Value,
    }

    impl Pair {
        fn p256() -> Self {
            let pkcs8 = token_key::generate().ok().unwrap();
            let (x, y) = token_key::public_point(&pkcs8).unwrap();
            Self {
                algorithm: Algorithm::ES256,
                signing: EncodingKey::from_ec_der(pkcs8.expose()),
                jwk: json!({"kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y)}),
            }
        }

        fn p384() -> Self {
            let alg = &ECDSA_P384_SHA384_FIXED_SIGNING;
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(alg, &SystemRandom::new()).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(alg, pkcs8.as_ref()).unwrap();
            let point = pair.public_key().as_ref();
            let (x, y) = (b64(&point[1..49]), b64(&point[49..]));
            Self {
                algorithm: Algorithm::ES384,
                signing: EncodingKey::from_ec_der(pkcs8.as_ref()),
                jwk: json!({"kty": "EC", "crv": "P-384", "x": x, "y": y}),
            }
        }

        fn ed25519() -> Self {
            let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
            Self {
                algorithm: Algorithm::EdDSA,
                signing: EncodingKey::from_ed_der(pkcs8.as_ref()),
                jwk: json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key())}),
            }
        }

        fn rsa(algorithm: Algorithm) -> Self {
            use aws_lc_rs::encoding::AsDer as _;
            use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
            let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
            let PublicKeyComponents { n, e } =
                PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
            Self {
                algorithm,
                signing: EncodingKey::from_rsa_der(&pkcs1(pair.as_der().unwrap().as_ref())),
                jwk: json!({"kty": "RSA", "n": b64(n), "e": b64(e)}),
            }
        }

        fn jwk(&self, members: Value) -> Value {
            let mut jwk = self.jwk.clone();
            for (name, value) in members.as_object().unwrap() {
                jwk[name] = value.clone();
            }
            jwk
        }

        fn sign(&self, header: &str, claims: &str) -> String {
            let message = format!("{}.{}", b64(header), b64(claims));
            let signature =
                jsonwebtoken::crypto::sign(message.as_bytes(), &self.signing, self.algorithm);
            format!("{message}.{}", signature.unwrap())
        }

        /// A token with the usual claims under this kid.
        fn token(&self, kid: &str) -> String {
            let alg = format!("{:?}", self.algorithm);
            let header = json!({"alg": alg, "typ": "JWT", "kid": kid});
            self.sign(&header.to_string(), &claims().to_string())
        }
    }

    /// The RSAPrivateKey inside a PKCS#8 document: what follows the version and the algorithm is
    /// an OCTET STRING to the end.
    fn pkcs1(pkcs8: &[u8]) -> Vec<u8> {
        let inner = (1..pkcs8.len() - 4)
            .find(|at| pkcs8[*at] == 0x04 && pkcs8[at + 1] == 0x82 && pkcs8[at + 4] == 0x30)
            .unwrap();
        pkcs8[inner + 4..].to_vec()
    }

    fn claims() -> Value {
        json!({
            "iss": "https://issuer.example/", "aud": "kmsd", "sub": "alice@corp|7",
            "exp": BEGIN + 600, "iat": BEGIN - 10, "nbf": BEGIN - 10,
            "preferred_username": "Alice", "project_id": PROJECT, "project_name": "orders",
            "domain_id": "acme", "domain_name": "Acme Inc.", "roles": ["owner", "auditor"],
        })
    }

    fn settings(more: Value) -> IssuerSettings {
        let mut settings = json!({
            "name": "corp", "issuer": "https://issuer.example/", "audience": "kmsd",
        });
        for (name, value) in more.as_object().unwrap() {
            settings[name] = value.clone();
        }
        serde_json::from_value(settings).unwrap()
    }

    fn set(keys: &[Value]) -> String {
        json!({ "keys": keys }).to_string()
    }

    /// An issuer whose keys stand in a file, and the file.
    struct FromFile {
        folder: tempfile::TempDir,
        issuer: Issuer,
        env: Env,
        hand: Arc<Hand>,
    }

    impl FromFile {
        fn open(keys: &[Value], algorithms: &[&str]) -> Self {
            let (hand, env) = Hand::env();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("jwks.json");
            std::fs::write(&path, set(keys)).unwrap();
            let settings = settings(json!({"jwks_file": path, "algorithms": algorithms}));
            let issuer = Issuer::open(settings, &env).unwrap();
            Self {
                folder,
                issuer,
                env,
                hand,
            }
        }

        fn write(&self, text: &str) {
            std::fs::write(self.folder.path().join("jwks.json"), text).unwrap();
        }

        async fn check(&self, token: &str) -> Result<OutsideIdentity, OutsideError> {
            self.issuer.check(token, &self.env).await
        }
    }

    fn is_refused(result: &Result<OutsideIdentity, OutsideError>) -> bool {
        matches!(result, Err(OutsideError::Refused(_)))
    }

    fn is_unavailable(result: &Result<OutsideIdentity, OutsideError>) -> bool {
        matches!(result, Err(OutsideError::Unavailable(_)))
    }

    #[tokio::test]
    async fn a_good_token_says_who_holds_it() {
        let pair = Pair::p256();
        let world = FromFile::open(&[pair.jwk(json!({"kid": "k1"}))], &["ES256"]);
        let domain = OutsideDomain {
            id: DomainId::parse("acme").unwrap(),
            name: DisplayName::parse("Acme Inc.").unwrap(),
        };
        assert_eq!(
            world.check(&pair.token("k1")).await,
            Ok(OutsideIdentity {
                user_id: UserId::parse("alice@corp|7").unwrap(),
                user_name: DisplayName::parse("Alice").unwrap(),
                user_domain: domain.clone(),
                scope: OutsideScope::Project {
                    id: ProjectId::parse(PROJECT).unwrap(),
                    name: DisplayName::parse("orders").unwrap(),
                    domain,
                },
                roles: vec!["owner".into(), "auditor".into()],
                issued_at: Timestamp::from_seconds(BEGIN - 10),
                expires_at: Timestamp::from_seconds(BEGIN + 600),
            })
        );
        assert_eq!(world.issuer.name(), "corp");
        assert_eq!(world.issuer.claims_issuer(), "https://issuer.example/");
    }

    #[tokio::test]
    async fn every_family_is_checked() {
        for (pair, algorithm) in [
            (Pair::p256(), "ES256"),
            (Pair::p384(), "ES384"),
            (Pair::ed25519(), "EdDSA"),
            (Pair::rsa(Algorithm::RS256), "RS256"),
            (Pair::rsa(Algorithm::PS512), "PS512"),
        ] {
            let jwk = pair.jwk(json!({"kid": "k", "use": "sig", "alg": algorithm}));
            let world = FromFile::open(&[jwk], &[algorithm]);
            let token = pair.token("k");
            assert!(world.check(&token).await.is_ok(), "{algorithm}");
            // Another's signature, a changed claim, a cut signature.
            let (message, signature) = token.rsplit_once('.').unwrap();
            let (header, _) = message.split_once('.').unwrap();
            let richer = b64(claims().to_string().replace("auditor", "emperor"));
            for forged in [
                format!("{header}.{richer}.{signature}"),
                format!("{message}.{}", &signature[..signature.len() - 4]),
                format!("{message}."),
                format!("{message}.{}", b64([0; 64])),
            ] {
                assert!(is_refused(&world.check(&forged).await), "{algorithm}");
            }
        }
        let (pair, other) = (Pair::p256(), Pair::p256());
        let world = FromFile::open(&[pair.jwk(json!({"kid": "k"}))], &["ES256"]);
        assert!(is_refused(&world.check(&other.token("k")).await));
    }

    #[tokio::test]
    async fn i4_the_algorithm_is_the_issuers_and_never_the_tokens() {
        let (p256, p384) = (Pair::p256(), Pair::p384());
        let keys = [
            p256.jwk(json!({"kid": "a"})),
            p384.jwk(json!({"kid": "b"})),
            p256.jwk(json!({"kid": "c", "alg": "ES384"})),
        ];
        let world = FromFile::open(&keys, &["ES256"]);
        assert!(world.check(&p256.token("a")).await.is_ok());
        // Good signatures in an algorithm that is not configured, or under a key for another.
        assert!(is_refused(&world.check(&p384.token("b")).await));
        assert!(is_refused(&world.check(&p256.token("b")).await));
        assert!(is_refused(&world.check(&p256.token("c")).await));
        assert!(
            FromFile::open(&keys, &["ES256", "ES384"])
                .check(&p384.token("b"))
                .await
                .is_ok()
        );

        // None at all, and an HMAC under the public key.
        let claims = claims().to_string();
        for alg in ["none", "None", "HS256", "es256", "ES512", ""] {
            let header = json!({"alg": alg, "kid": "a"}).to_string();
            let secret = EncodingKey::from_secret(p256.jwk["x"].as_str().unwrap().as_bytes());
            let message = format!("{}.{}", b64(header), b64(&claims));
            let mac = jsonwebtoken::crypto::sign(message.as_bytes(), &secret, Algorithm::HS256);
            for signature in ["", &mac.unwrap()] {
                let token = format!("{message}.{signature}");
                assert!(is_refused(&world.check(&token).await), "{alg}");
            }
        }
    }

    #[tokio::test]
    async fn i4_a_header_holds_alg_typ_and_kid_and_nothing_more() {
        let pair = Pair::p256();
        let world = FromFile::open(&[pair.jwk(json!({"kid": "k"}))], &["ES256"]);
        let claims = claims().to_string();
        for good in [
            r#"{"alg":"ES256","kid":"k"}"#,
            r#"{"alg":"ES256"}"#,
            r#"{"typ":"at+jwt","alg":"ES256","kid":"k"}"#,
            r#"{"typ":"application/JWT","alg":"ES256","kid":"k"}"#,
        ] {
            assert!(
                world.check(&pair.sign(good, &claims)).await.is_ok(),
                "{good}"
            );
        }
        let long = "k".repeat(65);
        let kids = ["", "../k", "k k", "ключ", "k'--", "k\u{0}", &*long];
        for kid in kids {
            let header = json!({"alg": "ES256", "kid": kid}).to_string();
            let checked = world.check(&pair.sign(&header, &claims)).await;
            // Not even looked up.
            let form = refused("its kid has a form that no key has");
            assert_eq!(checked, Err(form), "{kid}");
        }
        let extras = [
            "jku", "x5u", "x5c", "jwk", "crit", "b64", "zip", "cty", "x5t", "enc", "nonce", "KID",
        ];
        let extras = extras.map(|name| format!(r#"{{"alg":"ES256","kid":"k","{name}":"x"}}"#));
        for bad in [
            r#"{"kid":"k"}"#,
            r#"{"alg":"ES256","kid":7}"#,
            r#"{"alg":"ES256","kid":null}"#,
            r#"{"alg":["ES256"],"kid":"k"}"#,
            r#"{"alg":"ES256","kid":"k","crit":["exp"]}"#,
            r#"{"alg":"ES256","kid":"k","b64":true}"#,
            r#"{"alg":"none","alg":"ES256","kid":"k"}"#,
            r#"{"alg":"ES256","kid":"x","kid":"k"}"#,
            r#"{"alg":"ES256","kid":"k","typ":"logout+jwt"}"#,
            r#"{"alg":"ES256","kid":"other"}"#,
            r#"["ES256"]"#,
            "",
        ]
        .into_iter()
        .chain(extras.iter().map(String::as_str))
        {
            let checked = world.check(&pair.sign(bad, &claims)).await;
            assert!(is_refused(&checked), "{bad}: {checked:?}");
        }
    }

    /// The header of the tokens below.
    const HEADER: &str = r#"{"alg":"ES256","kid":"k"}"#;

    #[tokio::test]
    async fn i5_every_claim_is_required_and_typed() {
        let pair = Pair::p256();
        let world = FromFile::open(&[pair.jwk(json!({"kid": "k"}))], &["ES256"]);
        let with = |name: &str, value: Option<Value>| {
            let mut claims = claims();
            match value {
                Some(value) => claims[name] = value,
                None => drop(claims.as_object_mut().unwrap().remove(name)),
            }
            pair.sign(HEADER, &claims.to_string())
        };
        for required in ["exp", "iss", "aud", "sub", "project_id", "domain_id"] {
            let checked = world.check(&with(required, None)).await;
            assert!(is_refused(&checked), "without {required}: {checked:?}");
        }
        for optional in [
            "nbf",
            "iat",
            "preferred_username",
            "project_name",
            "domain_name",
            "roles",
        ] {
            let checked = world.check(&with(optional, None)).await;
            assert!(checked.is_ok(), "without {optional}: {checked:?}");
        }
        for name in claims().as_object().unwrap().keys() {
            for wrong in [
                json!(null),
                json!(true),
                json!({"a": 1}),
                json!([1]),
                json!([[]]),
                json!(-1),
                json!("1767323045"),
                json!(1e300),
            ] {
                // Of these, only the text is a name.
                if wrong.is_string() && (name.ends_with("name") || name == "sub") {
                    continue;
                }
                if wrong.is_string() && name == "domain_id" {
                    continue;
                }
                let checked = world.check(&with(name, Some(wrong.clone()))).await;
                assert!(is_refused(&checked), "{name} = {wrong}: {checked:?}");
            }
        }
        for (name, wrong) in [
            ("iss", json!("https://issuer.example")),
            ("iss", json!(["https://issuer.example/"])),
            ("aud", json!("kmsd2")),
            ("aud", json!([])),
            ("aud", json!(["other"])),
            ("aud", json!(["kmsd", 7])),
            ("sub", json!("")),
            ("sub", json!("alice bob")),
            ("project_id", json!("orders")),
            ("project_id", json!(PROJECT.to_uppercase())),
            ("domain_id", json!("a b")),
            ("project_name", json!("x".repeat(65))),
            ("preferred_username", json!("a\nb")),
            ("roles", json!("owner")),
            ("roles", json!(["owner", 1])),
        ] {
            let checked = world.check(&with(name, Some(wrong.clone()))).await;
            assert!(is_refused(&checked), "{name} = {wrong}: {checked:?}");
        }
        let several = with("aud", Some(json!(["other", "kmsd"])));
        assert!(world.check(&several).await.is_ok());

        let neither = {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove("iat");
            claims.as_object_mut().unwrap().remove("nbf");
            pair.sign(HEADER, &claims.to_string())
        };
        assert!(is_refused(&world.check(&neither).await));
        let twice = claims().to_string().replacen('{', r#"{"sub":"bob","#, 1);
        assert!(is_refused(&world.check(&pair.sign(HEADER, &twice)).await));
        for no_object in ["[]", "", "{", "\"kmsd\""] {
            assert!(is_refused(
                &world.check(&pair.sign(HEADER, no_object)).await
            ));
        }
    }

    #[tokio::test]
    async fn i5_times_are_checked_by_the_clock_that_is_lent() {
        let pair = Pair::p256();
        let world = FromFile::open(&[pair.jwk(json!({"kid": "k"}))], &["ES256"]);
        let lasting = |issued: Option<i64>, from: Option<i64>, until: f64| {
            let mut claims = claims();
            claims["exp"] = json!(BEGIN as f64 + until);
            for (name, at) in [("iat", issued), ("nbf", from)] {
                match at {
                    Some(at) => claims[name] = json!(BEGIN + at),
                    None => drop(claims.as_object_mut().unwrap().remove(name)),
                }
            }
            pair.sign(HEADER, &claims.to_string())
        };
        const DAY: i64 = 24 * 60 * 60;
        for good in [
            lasting(Some(0), None, 0.5),
            lasting(Some(30), None, 60.0),
            lasting(None, Some(30), 60.0),
            lasting(Some(-10), Some(-DAY), 60.0),
            lasting(Some(0), None, DAY as f64),
        ] {
            let checked = world.check(&good).await;
            assert!(checked.is_ok(), "{checked:?}");
        }
        for bad in [
            lasting(Some(31), None, 60.0),
            lasting(None, Some(31), 60.0),
            lasting(Some(0), Some(31), 60.0),
            lasting(Some(31), Some(0), 60.0),
            lasting(Some(0), None, DAY as f64 + 1.0),
            lasting(None, Some(-1), DAY as f64),
            lasting(Some(20), None, 20.0),
            lasting(Some(20), None, 10.0),
        ] {
            let checked = world.check(&bad).await;
            assert!(is_refused(&checked), "{checked:?}");
        }
        let token = lasting(Some(0), None, 60.0);
        world.hand.advance(59);
        assert!(world.check(&token).await.is_ok());
        world.hand.advance(1);
        assert_eq!(
            world.check(&token).await,
            Err(OutsideError::Expired(Timestamp::from_seconds(BEGIN + 60)))
        );
    }

    #[tokio::test]
    async fn i5_a_token_has_at_most_8_kib_and_three_parts() {
        let pair = Pair::p256();
        let world = FromFile::open(&[pair.jwk(json!({"kid": "k"}))], &["ES256"]);
        let padded = |len: usize| {
            let mut claims = claims();
            claims["padding"] = json!("x".repeat(len));
            pair.sign(HEADER, &claims.to_string())
        };
        let fits = padded(5600);
        assert!(fits.len() <= 8192 && world.check(&fits).await.is_ok());
        assert!(is_refused(&world.check(&padded(6000)).await));
        let token = pair.token("k");
        for bad in [
            "",
            ".",
            "..",
            "...",
            &format!("{token}."),
            &format!("{token}=="),
            &format!(" {token}"),
            &token.replace('.', ","),
        ] {
            assert!(is_refused(&world.check(bad).await), "{bad}");
        }
    }

    #[test]
    fn i4_only_strong_public_keys_for_signatures_are_taken() {
        let pair = Pair::p256();
        let found = |keys: &[Value]| {
            let mut kids: Vec<_> = KeySet::parse(set(keys).as_bytes())
                .map(|set| set.keys.into_keys().collect())
                .unwrap_or_default();
            kids.sort();
            kids
        };
        let rsa = |bits: usize| {
            let mut n = vec![0xff; bits / 8];
            n.insert(0, 0);
            json!({"kid": "k", "kty": "RSA", "n": b64(n), "e": "AQAB"})
        };
        for good in [
            pair.jwk(json!({"kid": "k"})),
            pair.jwk(json!({"kid": "k", "use": "sig", "alg": "ES256", "x5t": "x"})),
            pair.jwk(json!({"kid": "k", "key_ops": ["verify"]})),
            Pair::p384().jwk(json!({"kid": "k"})),
            Pair::ed25519().jwk(json!({"kid": "k"})),
            rsa(2048),
            rsa(4096),
        ] {
            assert_eq!(
                found(std::slice::from_ref(&good)),
                [Some("k".into())],
                "{good}"
            );
        }
        for bad in [
            json!({"kid": "k", "kty": "oct", "k": b64([7; 32])}),
            json!({"kid": "k", "kty": "oct", "k": b64([7; 32]), "alg": "HS256", "use": "sig"}),
            pair.jwk(json!({"kid": "k", "use": "enc"})),
            pair.jwk(json!({"kid": "k", "use": 1})),
            pair.jwk(json!({"kid": "k", "key_ops": ["deriveKey"]})),
            pair.jwk(json!({"kid": "k", "key_ops": "verify"})),
            pair.jwk(json!({"kid": "k", "alg": 1})),
            pair.jwk(json!({"kid": "k", "crv": "P-521"})),
            pair.jwk(json!({"kid": "k", "crv": "secp256k1"})),
            pair.jwk(json!({"kid": "k", "crv": "P-384"})),
            pair.jwk(json!({"kid": "k", "x": "AAAA"})),
            pair.jwk(json!({"kid": "../k"})),
            pair.jwk(json!({"kid": 7})),
            json!({"kid": "k", "kty": "OKP", "crv": "X25519", "x": b64([7; 32])}),
            json!({"kid": "k", "kty": "OKP", "crv": "Ed25519", "x": b64([7; 31])}),
            json!({"kid": "k", "kty": "AKP"}),
            json!({"kid": "k"}),
            rsa(1024),
            rsa(2040),
            rsa(16384),
        ] {
            assert_eq!(found(std::slice::from_ref(&bad)), [], "{bad}");
        }
        // Without a kid only alone.
        assert_eq!(found(&[pair.jwk(json!({}))]), [None]);
        assert_eq!(
            found(&[pair.jwk(json!({})), pair.jwk(json!({"kid": "k"}))]),
            [Some("k".into())]
        );
        assert_eq!(found(&[pair.jwk(json!({})), pair.jwk(json!({}))]), []);
        for (broken, part) in [
            (
                set(&[pair.jwk(json!({"kid": "k", "d": "AAAA"}))]),
                "private",
            ),
            (
                set(&[
                    pair.jwk(json!({"kid": "k"})),
                    Pair::p256().jwk(json!({"kid": "k"})),
                ]),
                "same kid",
            ),
            (set(&vec![json!({"kty": "oct"}); 65]), "more than 64"),
            (set(&[json!("k")]), "not an object"),
            (r#"{"keys":[],"keys":[]}"#.into(), "not a JSON object"),
            ("[]".into(), "not a JSON object"),
            (r#"{"keys":{}}"#.into(), "no list of keys"),
            ("{}".into(), "no list of keys"),
            (" ".repeat(300_000), "too long"),
        ] {
            let why = KeySet::parse(broken.as_bytes()).err().unwrap_or_default();
            assert!(why.contains(part), "{why}");
        }
    }

    #[tokio::test]
    async fn a_token_without_kid_fits_a_set_of_one_key() {
        let pair = Pair::p256();
        let token = pair.sign(r#"{"alg":"ES256"}"#, &claims().to_string());
        let alone = FromFile::open(&[pair.jwk(json!({}))], &["ES256"]);
        assert!(alone.check(&token).await.is_ok());
        assert!(is_refused(&alone.check(&pair.token("k")).await));
        let two = [pair.jwk(json!({"kid": "a"})), pair.jwk(json!({"kid": "b"}))];
        let two = FromFile::open(&two, &["ES256"]);
        assert!(is_refused(&two.check(&token).await));
    }

    #[tokio::test]
    async fn a_key_file_is_read_again_for_an_unknown_kid_once_a_second() {
        let (old, new) = (Pair::p256(), Pair::p256());
        let world = FromFile::open(&[old.jwk(json!({"kid": "old"}))], &["ES256"]);
        assert!(is_refused(&world.check(&new.token("new")).await));
        world.write(&set(&[new.jwk(json!({"kid": "new"}))]));
        assert!(is_refused(&world.check(&new.token("new")).await));
        world.hand.advance(1);
        assert!(world.check(&new.token("new")).await.is_ok());
        assert!(is_refused(&world.check(&old.token("old")).await));

        // Broken: what was known stays, what was not cannot be judged (I-2).
        world.write("{");
        world.hand.advance(1);
        assert!(is_unavailable(&world.check(&old.token("old")).await));
        assert!(world.check(&new.token("new")).await.is_ok());
    }

    #[tokio::test]
    async fn a_key_that_leaves_the_file_is_not_believed_for_long() {
        let (old, new) = (Pair::p256(), Pair::p256());
        let world = FromFile::open(&[old.jwk(json!({"kid": "old"}))], &["ES256"]);
        world.write(&set(&[new.jwk(json!({"kid": "new"}))]));
        world.hand.advance(299);
        assert!(world.check(&old.token("old")).await.is_ok());
        world.hand.advance(1);
        assert!(is_refused(&world.check(&old.token("old")).await));
    }

    /// An issuer whose keys are fetched from a stub that answers with what stands in the cell.
    struct FromUrl {
        stub: Stub,
        served: Arc<Mutex<Option<String>>>,
        issuer: Arc<Issuer>,
        env: Env,
        hand: Arc<Hand>,
    }

    impl FromUrl {
        async fn open(served: Option<String>) -> Self {
            let (hand, env) = Hand::env();
            let served = Arc::new(Mutex::new(served));
            let cell = Arc::clone(&served);
            let stub = Stub::start(move |request| {
                assert_eq!(request.line, "GET /jwks");
                match &*cell.lock().unwrap() {
                    Some(text) => Reply::ok(text),
                    None => Reply::status(500),
                }
            })
            .await;
            let settings = settings(json!({"jwks_url": format!("{}/jwks", stub.url)}));
            let issuer = Arc::new(Issuer::open(settings, &env).unwrap());
            Self {
                stub,
                served,
                issuer,
                env,
                hand,
            }
        }

        fn serve(&self, text: Option<String>) {
            *self.served.lock().unwrap() = text;
        }

        async fn check(&self, token: &str) -> Result<OutsideIdentity, OutsideError> {
            self.issuer.check(token, &self.env).await
        }
    }

    #[tokio::test]
    async fn i2_keys_that_were_never_had_let_nobody_in() {
        let pair = Pair::p256();
        let world = FromUrl::open(None).await;
        assert_eq!(world.stub.seen(), 0);
        assert!(is_unavailable(&world.check(&pair.token("k")).await));
        assert_eq!(world.stub.seen(), 1);
        // Not asked again at once, and still no yes.
        assert!(is_unavailable(&world.check(&pair.token("k")).await));
        assert_eq!(world.stub.seen(), 1);
        world.serve(Some(set(&[pair.jwk(json!({"kid": "k"}))])));
        world.hand.advance(1);
        assert!(world.check(&pair.token("k")).await.is_ok());
        assert!(world.check(&pair.token("k")).await.is_ok());
        assert_eq!(world.stub.seen(), 2);
    }

    #[tokio::test]
    async fn a_key_set_is_fetched_every_five_minutes_and_for_unknown_kids_every_30_seconds() {
        let (old, new) = (Pair::p256(), Pair::p256());
        let world = FromUrl::open(Some(set(&[old.jwk(json!({"kid": "old"}))]))).await;
        assert!(world.check(&old.token("old")).await.is_ok());
        world.serve(Some(set(&[new.jwk(json!({"kid": "new"}))])));
        world.hand.advance(29);
        assert!(is_refused(&world.check(&new.token("new")).await));
        assert_eq!(world.stub.seen(), 1);
        world.hand.advance(1);
        assert!(world.check(&new.token("new")).await.is_ok());
        assert_eq!(world.stub.seen(), 2);
        for _ in 0..10 {
            assert!(is_refused(&world.check(&old.token("old")).await));
        }
        assert_eq!(world.stub.seen(), 2);
        world.hand.advance(299);
        assert!(world.check(&new.token("new")).await.is_ok());
        assert_eq!(world.stub.seen(), 2);
        world.hand.advance(1);
        world.serve(Some(set(&[])));
        assert!(is_refused(&world.check(&new.token("new")).await));
        assert_eq!(world.stub.seen(), 3);
    }

    #[tokio::test]
    async fn i2_a_key_set_that_cannot_be_fetched_again_ends_after_a_day() {
        let pair = Pair::p256();
        let world = FromUrl::open(Some(set(&[pair.jwk(json!({"kid": "k"}))]))).await;
        let day: u64 = 24 * 60 * 60;
        // Always valid now.
        let token = || {
            let mut claims = claims();
            let now = world.env.now().seconds();
            claims["iat"] = json!(now);
            claims["nbf"] = json!(now);
            claims["exp"] = json!(now + 60);
            pair.sign(HEADER, &claims.to_string())
        };
        assert!(world.check(&token()).await.is_ok());
        world.serve(None);
        world.hand.advance(301);
        assert!(world.check(&token()).await.is_ok());
        assert!(world.check(&token()).await.is_ok());
        assert_eq!(world.stub.seen(), 2);
        assert!(is_unavailable(&world.check(&pair.token("unknown")).await));
        world.hand.advance(day - 302);
        assert!(world.check(&token()).await.is_ok());
        world.hand.advance(1);
        assert!(is_unavailable(&world.check(&token()).await));
        // The next try helps.
        world.serve(Some(set(&[pair.jwk(json!({"kid": "k"}))])));
        world.hand.advance(30);
        assert!(world.check(&token()).await.is_ok());
    }

    #[tokio::test]
    async fn i49_a_key_set_is_fetched_once_for_all_who_wait() {
        let pair = Pair::p256();
        let world = FromUrl::open(Some(set(&[pair.jwk(json!({"kid": "k"}))]))).await;
        let token = pair.token("k");
        let all = (0..20).map(|_| world.check(&token));
        for checked in futures_util::future::join_all(all).await {
            assert!(checked.is_ok());
        }
        assert_eq!(world.stub.seen(), 1);

        // One who hangs up takes nothing from the others.
        let world = FromUrl::open(Some(set(&[pair.jwk(json!({"kid": "k"}))]))).await;
        let (issuer, env, theirs) = (world.issuer.clone(), world.env.clone(), token.clone());
        let first = tokio::spawn(async move { issuer.check(&theirs, &env).await });
        while world.stub.seen() == 0 {
            tokio::task::yield_now().await;
        }
        first.abort();
        assert!(world.check(&token).await.is_ok());
        assert_eq!(world.stub.seen(), 1);
    }

    #[tokio::test]
    async fn an_answer_that_is_no_key_set_is_none() {
        let pair = Pair::p256();
        let good = set(&[pair.jwk(json!({"kid": "k"}))]);
        let elsewhere = good.clone();
        let elsewhere = Stub::start(move |_| Reply::ok(&elsewhere)).await;
        let target = elsewhere.url.clone();
        for reply in 0..6 {
            let (_, env) = Hand::env();
            let (good, target) = (good.clone(), target.clone());
            let stub = Stub::start(move |_| match reply {
                0 => Reply::Answer(302, vec![("Location", target.clone())], good.clone()),
                1 => Reply::ok(format!("{good}{}", " ".repeat(300_000))),
                2 => Reply::ok("{"),
                3 => Reply::Answer(404, vec![], good.clone()),
                4 => Reply::Close,
                _ => Reply::Hang,
            })
            .await;
            let settings = settings(json!({"jwks_url": stub.url}));
            let mut issuer = Issuer::open(settings, &env).unwrap();
            Arc::get_mut(&mut issuer.keys).unwrap().fetch_time = Duration::from_millis(200);
            let checked = issuer.check(&pair.token("k"), &env).await;
            assert!(is_unavailable(&checked), "{reply}: {checked:?}");
        }
        assert_eq!(elsewhere.seen(), 0);
    }

    #[test]
    fn i4_settings_say_what_to_do() {
        let file = json!({"jwks_file": "/keys.json"});
        assert_eq!(settings(file.clone()).check(), Ok(()));
        let https = json!({"jwks_url": "https://issuer.example/jwks", "ca_file": "/ca.pem"});
        assert_eq!(settings(https).check(), Ok(()));
        assert_eq!(settings(file.clone()).algorithms, ["ES256"]);
        assert!(settings(file.clone()).register_projects);
        for (change, part) in [
            (json!({"name": "a b"}), "name must"),
            (json!({"issuer": ""}), "issuer must"),
            (json!({"audience": ""}), "audience must"),
            (json!({"jwks_file": null}), "either jwks_file or jwks_url"),
            (
                json!({"jwks_url": "https://a"}),
                "either jwks_file or jwks_url",
            ),
            (
                json!({"jwks_file": null, "jwks_url": "http://issuer.example"}),
                "jwks_url must start with https://",
            ),
            (json!({"ca_file": "/ca.pem"}), "ca_file is for jwks_url"),
            (json!({"algorithms": []}), "at least one"),
            (json!({"algorithms": ["HS256"]}), "must be among"),
            (json!({"algorithms": ["none"]}), "must be among"),
            (json!({"algorithms": ["ES256", "RS256"]}), "one family"),
            (json!({"claims": {"roles": ""}}), "claims.roles must"),
            (
                json!({"roles": {"owner": "root"}}),
                "\"owner\" becomes must be",
            ),
        ] {
            let mut all = file.clone();
            for (name, value) in change.as_object().unwrap() {
                all[name] = value.clone();
            }
            let fault = settings(all).check().unwrap_err();
            assert!(fault.contains(part) && fault.ends_with('.'), "{fault}");
        }
        let unknown = json!({"name": "a", "issuer": "b", "audience": "c", "secret": "x"});
        assert!(serde_json::from_value::<IssuerSettings>(unknown).is_err());

        let (_, env) = Hand::env();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        let open = || Issuer::open(settings(json!({"jwks_file": path})), &env).err();
        assert!(open().unwrap().contains("jwks.json: "));
        std::fs::write(&path, set(&[])).unwrap();
        assert!(open().unwrap().contains("no key"));
        std::fs::write(&path, set(&[Pair::p256().jwk(json!({"d": "x"}))])).unwrap();
        assert!(open().unwrap().contains("private key"));
    }
}
