//! Signature Version 4, as a server must check it (contract, section 12; threat model I-10 to I-15):
//! over the bytes that arrived, before anything in them is looked at.

use std::sync::Arc;

use super::routes::TARGET;
use crate::crypto::hash::sha256_hex;
use crate::crypto::signing_key::Derivation;
use crate::dialect::Request;
use crate::kms::Kms;
use crate::model::caller::Caller;
use crate::model::error::{Error, Result};
use crate::model::ids::Region;
use crate::model::time::Timestamp;
use crate::operations::identity;
use crate::signed::{canonical_query, signed_names};

const SCHEME: &str = "AWS4-HMAC-SHA256";
const DATE: &str = "x-amz-date";
const TERMINATOR: &str = "aws4_request";
/// The longest life of a presigned request: a week.
const LONGEST_LIFE: u64 = 604_800;

/// Who made a request, and in which region they want it done.
pub struct Signed {
    /// Who.
    pub caller: Result<Caller>,
    /// The region in the signature's scope, if it is one that is served.
    pub region: Option<Region>,
    /// The access key that the request claims to be signed with. Not to be trusted.
    pub claimed: Option<String>,
}

/// Finds out who makes a request.
pub async fn authenticate(kms: &Arc<Kms>, request: &Request) -> Signed {
    let unclear = |error| match error {
        Error::Unreadable(why) => Error::IncompleteSignature(why),
        other => other,
    };
    let signature = match Signature::find(request).map_err(unclear) {
        Ok(signature) => signature,
        Err(error) => {
            return Signed {
                caller: Err(error),
                region: None,
                claimed: None,
            };
        }
    };
    let region = kms
        .config()
        .regions
        .iter()
        .find(|known| known.as_str() == signature.region)
        .cloned();
    let checked = async {
        kms.throttle()
            .admit(request.address, Some(&signature.access_key))?;
        check(kms, request, &signature, region.is_some()).await
    };
    Signed {
        caller: checked.await.map_err(unclear),
        region,
        claimed: Some(signature.access_key),
    }
}

/// What a request says of its signature, in the header or in the query.
struct Signature {
    access_key: String,
    day: String,
    region: String,
    service: String,
    terminator: String,
    signed_headers: String,
    signature: String,
    date: String,
    /// For a presigned request: for how many seconds it is good, and its query without the signature.
    presigned: Option<(u64, String)>,
    session_token: Option<String>,
}

fn incomplete(why: &str) -> Error {
    Error::IncompleteSignature(why.to_owned())
}

impl Signature {
    fn find(request: &Request) -> Result<Self> {
        let header = request.header("authorization")?;
        let presigned = query_value(request, "X-Amz-Signature")?;
        match (header, presigned) {
            (Some(_), Some(_)) => Err(incomplete(
                "a request is signed in its header or in its query, not in both",
            )),
            (Some(header), None) => Self::of_header(request, header),
            (None, Some(signature)) => Self::of_query(request, signature),
            (None, None) => Err(Error::NoCredential),
        }
    }

    fn of_header(request: &Request, header: &str) -> Result<Self> {
        let rest = header
            .strip_prefix(SCHEME)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| incomplete("Authorization must begin with AWS4-HMAC-SHA256"))?;
        let (mut credential, mut names, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (name, value) = part
                .trim()
                .split_once('=')
                .ok_or_else(|| incomplete("Authorization has a parameter without a value"))?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut names,
                "Signature" => &mut signature,
                _ => {
                    return Err(incomplete(
                        "Authorization has a parameter that it does not have",
                    ));
                }
            };
            if slot.replace(value).is_some() {
                return Err(incomplete("Authorization has a parameter twice"));
            }
        }
        let part = |part: Option<&str>, name: &str| {
            part.map(ToOwned::to_owned).ok_or_else(|| {
                incomplete(&format!(
                    "Authorization header requires '{name}' parameter."
                ))
            })
        };
        let date = match (request.header(DATE)?, request.header("date")?) {
            (Some(date), _) => date.to_owned(),
            // Signed in the form of the other, whichever form it is sent in.
            (None, Some(date)) => {
                Timestamp::parse_http(date).map_or_else(|| date.to_owned(), Timestamp::iso_basic)
            }
            (None, None) => {
                return Err(incomplete(
                    "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
                ));
            }
        };
        Self::with_scope(
            &part(credential, "Credential")?,
            Self {
                signed_headers: part(names, "SignedHeaders")?,
                signature: part(signature, "Signature")?,
                date,
                presigned: None,
                session_token: request
                    .header("x-amz-security-token")?
                    .map(ToOwned::to_owned),
                ..Self::empty()
            },
        )
    }

    fn of_query(request: &Request, signature: String) -> Result<Self> {
        let needed = |name: &str| {
            query_value(request, name)?
                .ok_or_else(|| incomplete(&format!("the query has no {name}")))
        };
        if needed("X-Amz-Algorithm")? != SCHEME {
            return Err(incomplete("X-Amz-Algorithm must be AWS4-HMAC-SHA256"));
        }
        let life = needed("X-Amz-Expires")?
            .parse()
            .ok()
            .filter(|life| (1..=LONGEST_LIFE).contains(life))
            .ok_or_else(|| incomplete("X-Amz-Expires must be 1 to 604800"))?;
        let without: Vec<&str> = request
            .query
            .split('&')
            .filter(|pair| !pair.starts_with("X-Amz-Signature="))
            .collect();
        Self::with_scope(
            &needed("X-Amz-Credential")?,
            Self {
                signed_headers: needed("X-Amz-SignedHeaders")?,
                date: needed("X-Amz-Date")?,
                signature,
                presigned: Some((life, without.join("&"))),
                session_token: query_value(request, "X-Amz-Security-Token")?,
                ..Self::empty()
            },
        )
    }

    fn empty() -> Self {
        Self {
            access_key: String::new(),
            day: String::new(),
            region: String::new(),
            service: String::new(),
            terminator: String::new(),
            signed_headers: String::new(),
            signature: String::new(),
            date: String::new(),
            presigned: None,
            session_token: None,
        }
    }

    fn with_scope(credential: &str, rest: Self) -> Result<Self> {
        let parts: Vec<&str> = credential.split('/').collect();
        let [access_key, day, region, service, terminator] = parts.as_slice() else {
            return Err(incomplete(
                "Credential must have exactly 5 slash-delimited elements, \
                 e.g. keyid/date/region/service/term",
            ));
        };
        Ok(Self {
            access_key: (*access_key).to_owned(),
            day: (*day).to_owned(),
            region: (*region).to_owned(),
            service: (*service).to_owned(),
            terminator: (*terminator).to_owned(),
            ..rest
        })
    }
}

fn query_value(request: &Request, name: &str) -> Result<Option<String>> {
    let mut found = None;
    for pair in request.query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if key != name {
            continue;
        }
        let value = crate::signed::unescape(value, false)
            .ok_or_else(|| incomplete("the query is not escaped UTF-8"))?;
        if found.replace(value).is_some() {
            return Err(incomplete(&format!("{name} stands twice in the query")));
        }
    }
    Ok(found)
}

async fn check(
    kms: &Arc<Kms>,
    request: &Request,
    signature: &Signature,
    region_is_served: bool,
) -> Result<Caller> {
    let bad = |why: &str| Error::BadSignature(why.to_owned());
    let signed_at = Timestamp::parse_basic(&signature.date).ok_or_else(|| {
        incomplete("Date must be in ISO-8601 'basic format', as 20260102T030405Z")
    })?;
    check_time(kms, request, signature, signed_at)?;
    if !signature.date.starts_with(&signature.day) || signature.day.len() != 8 {
        return Err(bad(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
        ));
    }
    if signature.service != "kms" {
        return Err(bad(
            "Credential should be scoped to correct service: 'kms'.",
        ));
    }
    if signature.terminator != TERMINATOR {
        return Err(bad(
            "Credential should be scoped with a valid terminator: 'aws4_request'.",
        ));
    }
    if !region_is_served {
        return Err(bad("Credential should be scoped to a valid region."));
    }
    let names = signed_names(&signature.signed_headers)?;
    check_names(request, signature, &names)?;
    let (to_sign, derivation) = string_to_sign(request, signature, &names)?;
    identity::check_signature(
        kms,
        &signature.access_key,
        &derivation,
        to_sign.as_bytes(),
        &signature.signature,
        signature.session_token.as_deref(),
    )
    .await
}

/// What is signed, and how the key is derived that signs it.
fn string_to_sign(
    request: &Request,
    signature: &Signature,
    names: &[&str],
) -> Result<(String, Derivation)> {
    let canonical = canonical_request(request, signature, names)?;
    let links = [
        &signature.day,
        &signature.region,
        &signature.service,
        &signature.terminator,
    ]
    .map(Clone::clone);
    let text = format!(
        "{SCHEME}\n{}\n{}\n{}",
        signature.date,
        links.join("/"),
        sha256_hex(canonical.as_bytes())
    );
    let derivation = Derivation::Chain {
        prefix: "AWS4",
        links: links.to_vec(),
    };
    Ok((text, derivation))
}

/// The words are those that SDKs look for to put their clock right.
fn check_time(
    kms: &Kms,
    request: &Request,
    signature: &Signature,
    signed_at: Timestamp,
) -> Result<()> {
    let window = kms.config().aws_clock_window;
    let minutes = window.as_secs() / 60;
    let now = request.arrived;
    let date = &signature.date;
    let life = match &signature.presigned {
        Some((life, _)) => std::time::Duration::from_secs(*life),
        None => window,
    };
    if signed_at.plus(life) < now {
        return Err(Error::BadSignature(format!(
            "Signature expired: {date} is now earlier than {} ({} - {minutes} min.)",
            now.minus(life).iso_basic(),
            now.iso_basic(),
        )));
    }
    if signed_at > now.plus(window) {
        return Err(Error::BadSignature(format!(
            "Signature not yet current: {date} is still later than {} ({} + {minutes} min.)",
            now.plus(window).iso_basic(),
            now.iso_basic(),
        )));
    }
    Ok(())
}

/// What must be signed: the host, the date, and every header that says what is to be done (I-12).
fn check_names(request: &Request, signature: &Signature, names: &[&str]) -> Result<()> {
    let is_dated = signature.presigned.is_some() || request.headers.contains_key(DATE);
    if !is_dated && !names.contains(&"date") {
        return Err(Error::BadSignature(
            "date says when it was signed and must be among SignedHeaders".into(),
        ));
    }
    if !names.contains(&"host") {
        return Err(Error::BadSignature(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".into(),
        ));
    }
    let unsigned: Vec<&str> = request
        .headers
        .keys()
        .map(|name| name.as_str())
        .filter(|name| name.starts_with("x-amz-") && !names.contains(name))
        .collect();
    match unsigned.first() {
        None => Ok(()),
        Some(name) => Err(Error::BadSignature(format!(
            "{name} was sent and must be among SignedHeaders"
        ))),
    }
}

fn canonical_request(request: &Request, signature: &Signature, names: &[&str]) -> Result<String> {
    let body_hash = sha256_hex(&request.body);
    if let Some(stated) = request.header("x-amz-content-sha256")?
        && stated != body_hash
    {
        // UNSIGNED-PAYLOAD and STREAMING-… among them (I-11).
        return Err(Error::BadSignature(
            "x-amz-content-sha256 is not the SHA-256 of the body".into(),
        ));
    }
    let query = match &signature.presigned {
        Some((_, without_signature)) => canonical_query(without_signature)?,
        None => canonical_query(&request.query)?,
    };
    let mut text = format!("{}\n/\n{query}\n", request.method);
    for name in names {
        let values: Vec<&str> = request
            .headers
            .get_all(*name)
            .map(|value| value.to_str())
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| incomplete("a signed header is not plain text"))?;
        if values.len() != 1 {
            // None, or two of which somebody might take the other (threat model I-3).
            return Err(Error::BadSignature(format!(
                "{name} is among SignedHeaders and must be sent once"
            )));
        }
        text.push_str(name);
        text.push(':');
        text.push_str(&folded(values[0]));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&names.join(";"));
    text.push('\n');
    text.push_str(&body_hash);
    Ok(text)
}

/// A header's value, trimmed, runs of spaces as one.
fn folded(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The operation that a request names in its target, if it names one.
pub fn target(request: &Request) -> Result<Option<&str>> {
    request.header(TARGET)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::http::Method;
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

    use super::*;
    use crate::crypto::secret::Secret;
    use crate::crypto::signing_key;

    fn request(method: Method, query: &str, headers: &[(&str, &str)], body: &str) -> Request {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::try_from(*value).unwrap(),
            );
        }
        Request {
            method,
            path: "/".into(),
            query: query.into(),
            headers: map,
            body: body.to_owned().into(),
            params: Vec::new(),
            base_url: String::new(),
            address: None,
            request_id: String::new(),
            arrived: Timestamp::default(),
            started: Duration::ZERO,
        }
    }

    fn holds(request: &Request) -> bool {
        let signature = Signature::find(request).unwrap();
        let names = signed_names(&signature.signed_headers).unwrap();
        let (text, derivation) = string_to_sign(request, &signature, &names).unwrap();
        let secret = Secret::from_slice(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        signing_key::verify(&secret, &derivation, text.as_bytes(), &signature.signature)
    }

    /// The cases of AWS's public signing test suite whose path is `/` and whose headers are there
    /// once (a request with one twice is refused here): the signatures that it publishes.
    #[test]
    fn awss_own_signatures_hold() {
        const LETTERS: &str = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        const TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
        let letters = format!("{LETTERS}={LETTERS}");
        let get = Method::GET;
        let post = Method::POST;
        type Headers<'h> = &'h [(&'h str, &'h str)];
        let cases: &[(&str, &Method, &str, Headers<'_>, &str)] = &[
            (
                "get-vanilla-query-order-key-case",
                &get,
                "Param2=value2&Param1=value1",
                &[],
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-vanilla-query-unreserved",
                &get,
                &letters,
                &[],
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            (
                "get-vanilla-utf8-query",
                &get,
                "%E1%88%B4=bar",
                &[],
                "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            ),
            (
                "get-header-value-trim",
                &get,
                "",
                &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "get-vanilla-with-session-token",
                &get,
                "",
                &[("x-amz-security-token", TOKEN)],
                "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            ),
            (
                "post-vanilla",
                &post,
                "",
                &[],
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
        ];
        for (name, method, query, more, signature) in cases {
            let mut names = vec!["host", "x-amz-date"];
            names.extend(more.iter().map(|(name, _)| *name));
            names.sort_unstable();
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders={}, Signature={signature}",
                names.join(";")
            );
            let mut headers = vec![
                ("host", "example.amazonaws.com"),
                ("x-amz-date", "20150830T123600Z"),
                ("authorization", &*authorization),
            ];
            headers.extend(*more);
            let good = request((*method).clone(), query, &headers, "");
            assert!(holds(&good), "{name}");
            let changed = request((*method).clone(), query, &headers, "x");
            assert!(!holds(&changed), "{name}");
        }
    }

    /// The same of its presigned requests.
    #[test]
    fn awss_own_presigned_requests_hold() {
        let query = |signature: &str| {
            format!(
                "Param2=value2&Param1=value1&X-Amz-Algorithm=AWS4-HMAC-SHA256&\
                 X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&\
                 X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600&\
                 X-Amz-Signature={signature}"
            )
        };
        let host = [("host", "example.amazonaws.com")];
        let good = "86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5";
        assert!(holds(&request(Method::GET, &query(good), &host, "")));
        assert!(!holds(&request(Method::POST, &query(good), &host, "")));
    }
}
