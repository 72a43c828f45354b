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
    OutsideDomain, OutsideError, OutsideIdentity, OutsideScope, check_roles, http, json, jwt_parts,
    none_or_all, yes,
};
use crate::env::Env;
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
        let claims = jsonwebtoken::decode::<json::Object>(token, &key.decoding, &validation)
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
struct Header {
    alg: String,
    kid: Option<String>,
}

impl Header {
    fn read(token: &str) -> Result<Self, OutsideError> {
        let (encoded, ..) =
            jwt_parts(token).ok_or(refused("it is not a signed JWT of at most 8 KiB"))?;
        let members = URL_SAFE_NO_PAD
            .decode(encoded)
            .ok()
            .and_then(|text| json::Object::parse(&text))
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
struct Claims(Map<String, Value>);

impl Claims {
    fn text(&self, name: &str) -> Result<Option<&str>, OutsideError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(refused("it has a claim of the wrong type")),
        }
    }

    fn required(&self, name: &str) -> Result<&str, OutsideError> {
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

    fn audience(&self) -> Result<Vec<&str>, OutsideError> {
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
    fn times(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), OutsideError> {
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
        let members = json::Object::parse(text)
            .ok_or("it is not a JSON object")?
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
