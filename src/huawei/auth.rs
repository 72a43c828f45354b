//! Who makes a request: a token in `X-Auth-Token`, or else a signature in `Authorization`.
//!
//! One credential decides and only one is looked at: a token wins, and a good signature beside it
//! does not rescue a bad one (threat model I-3). Signatures are checked over the bytes that arrived
//! (I-10), as the vendor's SDKs make them (contract, section 8.2).

use std::sync::Arc;

use crate::crypto::hash::sha256_hex;
use crate::crypto::signing_key::Derivation;
use crate::dialect::Request;
use crate::kms::Kms;
use crate::model::caller::Caller;
use crate::model::error::{Error, Result};
use crate::model::time::Timestamp;
use crate::operations::identity::{self, tokens};
use crate::signed::{canonical_query, escaped, signed_names, unescaped};

const DATE: &str = "x-sdk-date";
/// Goes with temporary access keys.
const SESSION_TOKEN: &str = "x-security-token";
/// What scopes of credentials must name.
const SERVICE: &str = "kms";

/// Finds out who makes a request.
///
/// # Errors
/// The refusals of credentials; [`Error::Unavailable`] when it cannot be found out.
pub async fn authenticate(kms: &Arc<Kms>, request: &Request) -> Result<Caller> {
    let ambiguous = |_| Error::InvalidToken("its header stands there twice or is not plain text");
    if let Some(token) = request.header("x-auth-token").map_err(ambiguous)? {
        return Ok(tokens::check(kms, token).await?.caller.clone());
    }
    let unclear = |error| match error {
        Error::Unreadable(why) => Error::BadSignature(why),
        other => other,
    };
    let Some(authorization) = request.header("authorization").map_err(unclear)? else {
        return Err(Error::NoCredential);
    };
    let signature = Signature::parse(authorization)?;
    kms.throttle()
        .admit(request.address, Some(signature.access_key))?;
    check_signature(kms, request, &signature)
        .await
        .map_err(unclear)
}

/// The access key that a request claims to be signed with. Not to be trusted.
pub fn claimed(request: &Request) -> Option<String> {
    if request.headers.contains_key("x-auth-token") {
        return None;
    }
    let authorization = request.header("authorization").ok()??;
    let signature = Signature::parse(authorization).ok()?;
    Some(signature.access_key.to_owned())
}

/// What an `Authorization` header says.
struct Signature<'a> {
    scheme: &'static str,
    access_key: &'a str,
    /// What stands after the access key: date, region, service and perhaps a terminator.
    scope: Option<&'a str>,
    signed_headers: &'a str,
    signature: &'a str,
}

const PLAIN: &str = "SDK-HMAC-SHA256";
const DERIVED: &str = "V11-HMAC-SHA256";

impl<'a> Signature<'a> {
    fn parse(authorization: &'a str) -> Result<Self> {
        let bad = |why: &str| Error::BadSignature(format!("Authorization {why}"));
        let (scheme, rest) = authorization
            .split_once(' ')
            .ok_or_else(|| bad("is not a scheme and its parameters"))?;
        let scheme = match scheme {
            PLAIN => PLAIN,
            DERIVED => DERIVED,
            _ => {
                return Err(bad(
                    "has another scheme than SDK-HMAC-SHA256 or V11-HMAC-SHA256",
                ));
            }
        };
        let (mut access, mut credential, mut headers, mut signature) = (None, None, None, None);
        for part in rest.split(',') {
            let (name, value) = part
                .trim()
                .split_once('=')
                .ok_or_else(|| bad("has a parameter without a value"))?;
            let slot = match name {
                "Access" => &mut access,
                "Credential" => &mut credential,
                "SignedHeaders" => &mut headers,
                "Signature" => &mut signature,
                _ => return Err(bad("has a parameter that the scheme does not have")),
            };
            if slot.replace(value).is_some() {
                return Err(bad("has a parameter twice"));
            }
        }
        let (access_key, scope) = match (scheme, access, credential) {
            (PLAIN, Some(access), None) => (access, None),
            (_, None, Some(credential)) => {
                let (access, scope) = credential
                    .split_once('/')
                    .ok_or_else(|| bad("has a Credential without a scope"))?;
                (access, Some(scope))
            }
            _ => return Err(bad("names no access key, or two")),
        };
        Ok(Self {
            scheme,
            access_key,
            scope,
            signed_headers: headers.ok_or_else(|| bad("has no SignedHeaders"))?,
            signature: signature.ok_or_else(|| bad("has no Signature"))?,
        })
    }

    /// How the secret becomes the key of the signature, and the line for it in the string to sign.
    fn derivation(&self, kms: &Kms, date: &str) -> Result<(Derivation, Option<&'a str>)> {
        let Some(scope) = self.scope else {
            return Ok((Derivation::Plain, None));
        };
        let parts: Vec<&str> = scope.split('/').collect();
        let (day, region, service) = match (self.scheme, parts.as_slice()) {
            (DERIVED, [day, region, service]) => (*day, *region, *service),
            (PLAIN, [day, region, service, "sdk_request"]) => (*day, *region, *service),
            _ => {
                return Err(Error::BadSignature(
                    "the credential's scope is malformed".into(),
                ));
            }
        };
        if !date.starts_with(day) || day.len() != 8 {
            return Err(Error::BadSignature(
                "the day in the credential's scope is not that of X-Sdk-Date".into(),
            ));
        }
        if service != SERVICE {
            return Err(Error::BadSignature(
                "the credential's scope is for another service than kms".into(),
            ));
        }
        let served = kms
            .config()
            .regions
            .iter()
            .any(|known| known.as_str() == region);
        if !served {
            return Err(Error::BadSignature(
                "the credential's scope is for a region that is not served here".into(),
            ));
        }
        let derivation = match self.scheme {
            DERIVED => Derivation::Hkdf {
                access_key: self.access_key.to_owned(),
                info: scope.to_owned(),
            },
            _ => Derivation::Chain {
                prefix: "SDK",
                links: parts.iter().map(|part| (*part).to_owned()).collect(),
            },
        };
        Ok((derivation, Some(scope)))
    }
}

async fn check_signature(
    kms: &Arc<Kms>,
    request: &Request,
    signature: &Signature<'_>,
) -> Result<Caller> {
    let bad = |why: &str| Error::BadSignature(why.to_owned());
    let date = request
        .header(DATE)?
        .ok_or_else(|| bad("X-Sdk-Date is missing"))?;
    let signed_at = Timestamp::parse_basic(date)
        .ok_or_else(|| bad("X-Sdk-Date is not like 20260102T030405Z"))?;
    let window = kms.config().clock_window;
    if signed_at.distance(request.arrived) > window {
        return Err(Error::BadSignature(format!(
            "signature expired: signed at {date}, the server's time is {}; more than {} minutes",
            request.arrived.iso_basic(),
            window.as_secs() / 60
        )));
    }
    let session_token = request.header(SESSION_TOKEN)?;
    let names = signed_names(signature.signed_headers)?;
    if session_token.is_some() && !names.contains(&SESSION_TOKEN) {
        return Err(bad("X-Security-Token is not among SignedHeaders"));
    }
    if !names.contains(&DATE) {
        return Err(bad("X-Sdk-Date is not among SignedHeaders"));
    }
    let canonical = canonical_request(request, &names)?;
    let (derivation, scope_line) = signature.derivation(kms, date)?;
    let mut to_sign = format!("{}\n{date}\n", signature.scheme);
    if let Some(scope) = scope_line {
        to_sign.push_str(scope);
        to_sign.push('\n');
    }
    to_sign.push_str(&sha256_hex(canonical.as_bytes()));
    identity::check_signature(
        kms,
        signature.access_key,
        &derivation,
        to_sign.as_bytes(),
        signature.signature,
        session_token,
    )
    .await
}

/// The six lines that are signed (contract, section 8.2).
fn canonical_request(request: &Request, names: &[&str]) -> Result<String> {
    let body_hash = sha256_hex(&request.body);
    if let Some(stated) = request.header("x-sdk-content-sha256")?
        && stated != body_hash
    {
        // UNSIGNED-PAYLOAD among them: what is not signed is not done (I-11).
        return Err(Error::BadSignature(
            "X-Sdk-Content-Sha256 is not the SHA-256 of the body".into(),
        ));
    }
    let mut text = format!(
        "{}\n{}\n{}\n",
        request.method,
        canonical_path(&request.path)?,
        canonical_query(&request.query)?
    );
    for name in names {
        let value = request.header(name)?.ok_or_else(|| {
            Error::BadSignature(format!("{name} is among SignedHeaders, but was not sent"))
        })?;
        text.push_str(name);
        text.push(':');
        text.push_str(value.trim());
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&names.join(";"));
    text.push('\n');
    text.push_str(&body_hash);
    Ok(text)
}

/// The vendor's SDKs take the escapes off the whole path before they look for slashes, so an escaped
/// slash is signed as if it were none. No two routes differ in that alone: the one parameter of a
/// path that may hold a slash is the key of a tag, which nothing follows.
fn canonical_path(path: &str) -> Result<String> {
    let plain = unescaped(path, false)?;
    let segments: Vec<_> = plain.split('/').map(escaped).collect();
    let mut canonical = segments.join("/");
    if !canonical.ends_with('/') {
        canonical.push('/');
    }
    Ok(canonical)
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn request(
        method: Method,
        path: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Request {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        Request {
            method,
            path: path.into(),
            query: query.into(),
            headers: map,
            body: body.to_owned().into(),
            params: Vec::new(),
            base_url: String::new(),
            address: None,
            over_tls: false,
            request_id: String::new(),
            arrived: Timestamp::default(),
            started: std::time::Duration::ZERO,
        }
    }

    const COMMON: [(&str, &str); 4] = [
        ("host", "kms.example.test"),
        ("user-agent", "huaweicloud-usdk-python/3.0"),
        ("x-project-id", "0123456789abcdef0123456789abcdef"),
        ("x-sdk-date", "20260102T030405Z"),
    ];

    /// Computed with Huawei's own SDK; the signatures over these stand in `crypto::signing_key`.
    #[test]
    fn canonical_requests_of_the_vendors_sdk() {
        let names = [
            "content-type",
            "host",
            "user-agent",
            "x-project-id",
            "x-sdk-date",
        ];
        let mut headers = COMMON.to_vec();
        headers.push(("content-type", "application/json;charset=utf-8"));
        let post = request(
            Method::POST,
            "/v1.0/0123456789abcdef0123456789abcdef/kms/describe-key",
            "",
            &headers,
            r#"{"key_id": "0d0466b0-e727-4d9c-b35d-f84bb474a37f"}"#,
        );
        assert_eq!(
            sha256_hex(canonical_request(&post, &names).unwrap().as_bytes()),
            "e5441415c44804bf32871a22d1ef66320de1a3e8fee28e0a9849942befb3d181"
        );
        let mut headers = COMMON.to_vec();
        headers.push(("content-type", "application/json"));
        let get = request(
            Method::GET,
            "/v1.0/0123456789abcdef0123456789abcdef/kms/aliases",
            "limit=50&marker=alias%2Fa+b&key_id=0d0466b0-e727-4d9c-b35d-f84bb474a37f",
            &headers,
            "",
        );
        assert_eq!(
            sha256_hex(canonical_request(&get, &names).unwrap().as_bytes()),
            "8f47a126651d6cc97d9c20569c4211a8a1078e1bac7cecca92d67c97cfbe00f2"
        );
    }

    #[test]
    fn an_escaped_slash_is_signed_as_a_slash_like_the_vendors_sdk_does() {
        for (path, signed) in [
            ("/kms/x/tags/a%20b%2Fc", "/kms/x/tags/a%20b/c/"),
            ("/kms/x/tags/a%252Fc", "/kms/x/tags/a%252Fc/"),
            ("/kms/x/tags/a+c~/", "/kms/x/tags/a%2Bc~/"),
        ] {
            assert_eq!(canonical_path(path).unwrap(), signed);
        }
    }

    #[test]
    fn an_authorization_header_is_taken_apart_or_refused() {
        let plain = "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=00";
        assert_eq!(Signature::parse(plain).unwrap().access_key, "AK");
        let derived = "V11-HMAC-SHA256 Credential=AK/20260102/r/kms, SignedHeaders=a, Signature=00";
        assert_eq!(
            Signature::parse(derived).unwrap().scope,
            Some("20260102/r/kms")
        );
        for bad in [
            "",
            "Bearer x",
            "SDK-HMAC-SHA256",
            "SDK-HMAC-SHA256 Access",
            "SDK-HMAC-SHA256 Access=A, Access=B, SignedHeaders=a, Signature=0",
            "SDK-HMAC-SHA256 Access=A, Credential=B/c, SignedHeaders=a, Signature=0",
            "SDK-HMAC-SHA256 Access=A, Signature=0",
            "SDK-HMAC-SHA256 Access=A, SignedHeaders=a, Signature=0, More=1",
            "V11-HMAC-SHA256 Access=A, SignedHeaders=a, Signature=0",
        ] {
            assert!(Signature::parse(bad).is_err(), "{bad}");
        }
    }
}
