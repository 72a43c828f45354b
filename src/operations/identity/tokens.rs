//! kmsd's own tokens: JWTs signed by ES256 with keys that anybody can read at the JWKS, and what
//! becomes of tokens that others issued.
//!
//! A token names its holder and scope; what they may do there is read anew whenever it is checked.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::{DomainRef, ScopeRef, UserRef, find_user, local_caller, outside};
use crate::crypto::hash::sha256;
use crate::crypto::{sealed, token_key};
use crate::kms::{CheckedToken, Context, Kms, TokenKeys, VerifyingKey};
use crate::limits;
use crate::model::caller::{Caller, Credential, Scope};
use crate::model::error::{Error, Result};
use crate::model::ids::{AccessKeyId, DomainId, ProjectId, UserId};
use crate::model::time::Timestamp;
use crate::store::Write;

/// How far the clocks of two replicas may be apart: a token may seem to come from the future by so
/// much (I-5 allows 30 s).
const LEEWAY_SECONDS: i64 = 30;
/// No token is good for longer, whoever signed it (I-5).
const LONGEST_SECONDS: i64 = 24 * 60 * 60;

/// An unknown key id makes kmsd look for new keys, so often at most.
const REREAD_AFTER: Duration = Duration::from_secs(1);

const NOT_OURS: Error = Error::InvalidToken("it is not a token of this service");

/// What one of our tokens says. Every claim is required and typed (I-5).
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    /// `iat` to the millisecond, for a password may change within the second.
    issued_ms: i64,
    /// How the holder logged in.
    methods: Vec<String>,
    /// The project it is for; this or `domain_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<String>,
    /// The domain it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    domain_id: Option<String>,
    /// The access key through which it was had, and with which it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key: Option<String>,
}

/// A token that was just issued.
pub struct Issued {
    /// The token.
    pub token: String,
    /// Its holder, as whoever checks the token will see them.
    pub caller: Caller,
    /// How they logged in.
    pub methods: Vec<String>,
}

/// A token that was looked at.
pub struct Shown {
    /// Its holder.
    pub caller: Caller,
    /// How they logged in.
    pub methods: Vec<String>,
}

/// Issues a token to whoever was just authenticated.
///
/// # Errors
/// [`Error::Unavailable`] when there is no key to sign with.
pub async fn issue(cx: &mut Context) -> Result<Issued> {
    cx.permit()?;
    let caller = cx.caller();
    let methods = vec![
        match caller.credential {
            Credential::AccessKey(_) => "hw_ak_sk",
            Credential::Token(_) | Credential::Outside(_) => "token",
            _ => "password",
        }
        .to_owned(),
    ];
    if matches!(caller.credential, Credential::Outside(_)) {
        // kmsd cannot vouch for users of others; their own authority gives them tokens.
        return Err(Error::NoSuchScope);
    }
    let now = cx.now();
    let end = now.plus(cx.kms().config().token_lifetime);
    let end = caller.expires_at.map_or(end, |parent| end.min(parent));
    let id = hex::encode(cx.env().random::<16>());
    let claims = Claims {
        iss: issuer(cx.kms()),
        aud: issuer(cx.kms()),
        sub: caller.user.to_string(),
        iat: now.seconds(),
        nbf: now.seconds(),
        exp: end.seconds(),
        jti: id.clone(),
        issued_ms: now.millis(),
        methods: methods.clone(),
        project_id: caller.project().map(|project| project.id.to_string()),
        domain_id: match caller.scope {
            Scope::Domain => Some(caller.domain.to_string()),
            Scope::Project(..) => None,
        },
        access_key: caller.access_key.as_ref().map(ToString::to_string),
    };
    let mut caller = caller.clone();
    caller.credential = Credential::Token(id.clone());
    caller.issued_at = now;
    caller.expires_at = Some(Timestamp::from_seconds(claims.exp));
    let keys = keys(cx.kms()).await?;
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(keys.signing_id.clone());
    let token = jsonwebtoken::encode(&header, &claims, &keys.signing_key)
        .map_err(|error| Error::Internal(format!("signing a token: {error}")))?;
    cx.note(format!("token:{id}"));
    Ok(Issued {
        token,
        caller,
        methods,
    })
}

/// Tells whose a token is. Its holder may ask, and so may an administrator of its project or,
/// for a token of a domain, of any project of that domain.
///
/// # Errors
/// [`Error::TokenNotFound`] when it is not good, [`Error::Forbidden`] when it is somebody else's.
pub async fn show(cx: &mut Context, token: &str) -> Result<Shown> {
    cx.permit()?;
    let checked = subject(cx, token).await?;
    cx.note(checked.caller.credential.describe());
    Ok(Shown {
        caller: checked.caller.clone(),
        methods: methods_of(&checked.caller),
    })
}

/// Ends a token before its time. The same callers may as may look at it.
///
/// # Errors
/// [`Error::TokenNotFound`], [`Error::Forbidden`]; [`Error::InvalidToken`] when it was not issued
/// here, for then only its own authority can end it.
pub async fn revoke(cx: &mut Context, token: &str) -> Result<()> {
    cx.permit()?;
    let checked = subject(cx, token).await?;
    cx.note(checked.caller.credential.describe());
    let Credential::Token(id) = &checked.caller.credential else {
        return Err(Error::NotRevocable);
    };
    let end = checked.caller.expires_at.unwrap_or_default();
    cx.write(Write::RevokeToken {
        id: id.clone(),
        expires_at: end.millis(),
    });
    cx.forget_credentials();
    Ok(())
}

async fn subject(cx: &Context, token: &str) -> Result<Arc<CheckedToken>> {
    let checked = check(cx.kms(), token).await.map_err(|error| match error {
        Error::InvalidToken(_) | Error::ExpiredToken(_) => Error::TokenNotFound,
        other => other,
    })?;
    let (caller, holder) = (cx.caller(), &checked.caller);
    let own = caller.user == holder.user && caller.domain == holder.domain;
    let administers = caller.administers()
        && match (caller.project(), holder.project()) {
            (Some(mine), Some(theirs)) => mine.id == theirs.id,
            (Some(_), None) => caller.domain == holder.domain,
            (None, _) => false,
        };
    if own || administers {
        Ok(checked)
    } else {
        Err(Error::Forbidden(cx.action()))
    }
}

fn methods_of(caller: &Caller) -> Vec<String> {
    let method = match (&caller.credential, &caller.access_key) {
        (_, Some(_)) => "hw_ak_sk",
        (Credential::Outside(_), None) => "token",
        _ => "password",
    };
    vec![method.to_owned()]
}

/// Checks a token, whoever issued it, and gives its holder. One that was checked a moment ago is
/// found again by its SHA-256.
///
/// # Errors
/// [`Error::InvalidToken`], [`Error::ExpiredToken`]; [`Error::Unavailable`] when whoever could
/// tell does not answer (I-2: that is never "yes").
pub async fn check(kms: &Arc<Kms>, token: &str) -> Result<Arc<CheckedToken>> {
    if token.is_empty() || token.len() > limits::OUTSIDE_TOKEN_BYTES {
        return Err(NOT_OURS);
    }
    // What others issued is kept by those who ask them.
    let checked = match outside::authority_of(kms, token) {
        Some(authority) => Arc::new(outside::check(kms, authority, token).await?),
        None => {
            kms.credentials()
                .token(sha256(token.as_bytes()), kms.env(), check_own(kms, token))
                .await?
        }
    };
    match checked.caller.expires_at {
        Some(end) if end <= kms.now() => Err(Error::ExpiredToken(end)),
        _ => Ok(checked),
    }
}

async fn check_own(kms: &Kms, token: &str) -> Result<CheckedToken> {
    let checked_at = kms.env().monotonic();
    if token.len() > limits::TOKEN_BYTES {
        return Err(NOT_OURS);
    }
    let kid = key_id_of(token).ok_or(NOT_OURS)?;
    let mut keys = keys(kms).await?;
    let read_long_ago = checked_at.saturating_sub(keys.read_at) >= REREAD_AFTER;
    if keys.find(&kid).is_none() && read_long_ago {
        // Perhaps another process made it since.
        keys = read_keys(kms).await?;
    }
    let key = keys.find(&kid).ok_or(NOT_OURS)?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    // By our own clock, below; the library reads the real one.
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &key.key, &validation)
        .map_err(|_| NOT_OURS)?
        .claims;
    let now = kms.now().seconds();
    if claims.iss != issuer(kms) || claims.aud != claims.iss {
        return Err(Error::InvalidToken("it is for another service"));
    }
    if claims.exp <= now {
        return Err(Error::ExpiredToken(Timestamp::from_seconds(claims.exp)));
    }
    let too_early = claims.nbf.max(claims.iat) > now.saturating_add(LEEWAY_SECONDS);
    if too_early || claims.exp.saturating_sub(claims.iat) > LONGEST_SECONDS {
        return Err(Error::InvalidToken("its dates make no sense"));
    }
    let scope = match (&claims.project_id, &claims.domain_id) {
        (Some(project), None) => {
            ScopeRef::ProjectId(ProjectId::parse(project.as_str()).map_err(|_| NOT_OURS)?)
        }
        (None, Some(domain)) => ScopeRef::Domain(DomainRef::Id(
            DomainId::parse(domain.as_str()).map_err(|_| NOT_OURS)?,
        )),
        _ => return Err(NOT_OURS),
    };
    if kms.store().is_revoked(&claims.jti).await? {
        return Err(Error::InvalidToken("it was revoked"));
    }
    let user = UserId::parse(claims.sub.as_str()).map_err(|_| NOT_OURS)?;
    let user = find_user(kms, &UserRef::Id(user))
        .await?
        .filter(|user| user.enabled)
        .ok_or(Error::InvalidToken("its user is gone"))?;
    if claims.issued_ms < user.tokens_valid_from.millis() {
        return Err(Error::InvalidToken("the password was changed since"));
    }
    let access_key = match &claims.access_key {
        None => None,
        Some(id) => Some(access_key_lives(kms, id).await?),
    };
    let credential = Credential::Token(claims.jti.clone());
    let mut caller =
        local_caller(kms, user, credential, &scope)
            .await
            .map_err(|error| match error {
                Error::NoSuchScope | Error::BadPassword => {
                    Error::InvalidToken("its holder has no role there any more")
                }
                other => other,
            })?;
    caller.access_key = access_key;
    caller.issued_at = Timestamp::from_millis(claims.issued_ms);
    caller.expires_at = Some(Timestamp::from_seconds(claims.exp));
    Ok(CheckedToken { caller, checked_at })
}

/// A token that was had with an access key ends with it.
async fn access_key_lives(kms: &Kms, id: &str) -> Result<AccessKeyId> {
    let gone = || Error::InvalidToken("the access key it was had with is gone");
    let id = AccessKeyId::parse(id).map_err(|_| gone())?;
    let row = kms.store().find_access_key(&id).await?.ok_or_else(gone)?;
    let key = row.open(kms.key().row())?;
    let ended = key.expires_at.is_some_and(|end| end <= kms.now());
    if key.enabled && !ended {
        Ok(key.id)
    } else {
        Err(gone())
    }
}

/// The key that a token says it was signed with. Its header may say nothing else but the algorithm
/// and that it is a JWT: everything else that a header can say is a way to be tricked (I-4).
fn key_id_of(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct OurHeader {
        alg: String,
        typ: String,
        kid: String,
    }
    let (header, _) = token.split_once('.')?;
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    let header: OurHeader = serde_json::from_slice(&header).ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let known = header.alg == "ES256"
        && header.typ == "JWT"
        && (1..=64).contains(&header.kid.len())
        && header.kid.chars().all(plain);
    known.then_some(header.kid)
}

/// The `iss` and `aud` of our own tokens.
pub(super) fn issuer(kms: &Kms) -> String {
    format!("kmsd/{}", kms.deployment_id())
}

/// The key pairs that sign tokens, as they were read a moment ago.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Internal`] when one does not open or there is none.
pub async fn keys(kms: &Kms) -> Result<Arc<TokenKeys>> {
    match kms.credentials().token_keys(kms.env()) {
        Some(keys) => Ok(keys),
        None => read_keys(kms).await,
    }
}

async fn read_keys(kms: &Kms) -> Result<Arc<TokenKeys>> {
    let read_at = kms.env().monotonic();
    let mut signing = None;
    let mut verifying = Vec::new();
    for row in kms.store().token_keys().await? {
        let key = row.open(kms.key().row())?;
        let failed = |_| Error::Internal(format!("the token key {} does not open", key.id));
        let place = kms.place_of_token_key(&key.id);
        let private =
            sealed::open(kms.key().wrap(), &place, &key.sealed_private).map_err(failed)?;
        let raw = token_key::public_raw(&private).map_err(failed)?;
        let point = token_key::public_point(&private).map_err(failed)?;
        signing.get_or_insert_with(|| (key.id.clone(), EncodingKey::from_ec_der(private.expose())));
        verifying.push((
            key.id,
            VerifyingKey {
                key: DecodingKey::from_ec_der(&raw),
                point,
            },
        ));
    }
    let (signing_id, signing_key) =
        signing.ok_or_else(|| Error::Internal("there is no key to sign tokens with".into()))?;
    let keys = Arc::new(TokenKeys {
        signing_id,
        signing_key,
        verifying,
        read_at,
    });
    kms.credentials().keep_token_keys(keys.clone());
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(json: &str) -> String {
        format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(json))
    }

    #[test]
    fn a_header_says_the_algorithm_the_type_and_the_key_and_nothing_else_i_4() {
        let good = r#"{"typ":"JWT","alg":"ES256","kid":"k-1"}"#;
        assert_eq!(key_id_of(&header(good)).as_deref(), Some("k-1"));
        for bad in [
            r#"{"typ":"JWT","alg":"none","kid":"k"}"#,
            r#"{"typ":"JWT","alg":"HS256","kid":"k"}"#,
            r#"{"typ":"JWT","alg":"ES256"}"#,
            r#"{"typ":"JWT","alg":"ES256","kid":""}"#,
            r#"{"typ":"JWT","alg":"ES256","kid":"../k"}"#,
            r#"{"typ":"JWT","alg":"ES256","kid":1}"#,
            r#"{"typ":"JWT","alg":"ES256","kid":"k","jku":"http://x"}"#,
            r#"{"typ":"JWT","alg":"ES256","kid":"k","jwk":{}}"#,
            r#"{"typ":"JWT","alg":"ES256","kid":"k","crit":["b64"]}"#,
            r#"{"typ":"JWT","alg":"ES256","kid":"k","kid":"l"}"#,
        ] {
            assert_eq!(key_id_of(&header(bad)), None, "{bad}");
        }
        assert_eq!(key_id_of("rubbish"), None);
    }
}
