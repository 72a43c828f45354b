//! Asking outside authorities who holds a token: issuers of JWTs, and a Keystone.
//!
//! This module asks and checks. It knows neither our store nor our HTTP API, and what an authority
//! says stays plain text: which role of ours a role of theirs becomes, and whether an unknown
//! project is registered, is decided by whoever calls. No failure in here ever ends in an
//! identity (threat model I-2): what cannot be asked is [`OutsideError::Unavailable`].

mod http;
pub mod issuer;
pub mod keystone;
#[cfg(test)]
mod testing;
pub mod workload;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::json::Object;
use crate::limits::TOKEN_BYTES;
use crate::model::identity::Role;
use crate::model::ids::{DisplayName, DomainId, ProjectId, UserId};
use crate::model::time::Timestamp;

pub use issuer::{ClaimNames, Issuer, IssuerSettings};
pub use keystone::{Keystone, KeystoneSettings};

/// What an outside authority says of a token's holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideIdentity {
    /// The holder. Unique at this authority only.
    pub user_id: UserId,
    /// The holder's name.
    pub user_name: DisplayName,
    /// The domain the holder belongs to.
    pub user_domain: OutsideDomain,
    /// What the token is good for.
    pub scope: OutsideScope,
    /// The names of the holder's roles in that scope, as the authority gives them.
    pub roles: Vec<String>,
    /// When the token was given.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A domain, as an outside authority names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideDomain {
    /// Its id.
    pub id: DomainId,
    /// Its name.
    pub name: DisplayName,
}

/// What an outside token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideScope {
    /// One project.
    Project {
        /// Its id.
        id: ProjectId,
        /// Its name.
        name: DisplayName,
        /// The domain that owns it; not always the holder's.
        domain: OutsideDomain,
    },
    /// A domain.
    Domain,
    /// Nothing that kmsd knows: an unscoped token, or one for the whole of Keystone.
    None,
}

/// Why an outside token was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideError {
    /// It is not valid here: the reason, which tells an attacker nothing.
    Refused(&'static str),
    /// It was valid until this moment.
    Expired(Timestamp),
    /// Nobody can say now: what failed, for the log. Never a reason to let anybody in.
    Unavailable(String),
}

/// The `iss` of a JWT, read WITHOUT trusting it, to choose whom to ask. `None` when the text is not
/// a JWT of at most 8 KiB, or names no issuer.
pub fn claimed_issuer(token: &str) -> Option<String> {
    let (header, payload, _) = jwt_parts(token)?;
    let header = Object::parse(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    header.0.get("alg")?.as_str()?;
    let claims = Object::parse(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some(claims.0.get("iss")?.as_str()?.to_owned())
}

/// The three parts of a signed JWT in compact form, still in Base64, if it is not too long (I-5).
fn jwt_parts(token: &str) -> Option<(&str, &str, &str)> {
    if token.len() > TOKEN_BYTES {
        return None;
    }
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None) => Some((header, payload, signature)),
        _ => None,
    }
}

/// Adds a sentence for every role of ours that does not exist.
fn check_roles(roles: &BTreeMap<String, String>, faults: &mut Vec<String>) {
    for (theirs, ours) in roles {
        if let Err(form) = Role::parse(ours) {
            faults.push(format!("roles: what \"{theirs}\" becomes {form}."));
        }
    }
}

/// The faults as one text, a sentence each, or none.
fn none_or_all(faults: Vec<String>) -> Result<(), String> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join(" "))
    }
}

/// For serde: a setting that is on unless it is turned off.
const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(header: &str, claims: &str) -> String {
        let (header, claims) = (
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims),
        );
        format!("{header}.{claims}.c2ln")
    }

    #[test]
    fn the_claimed_issuer_is_read_and_nothing_else_is_guessed() {
        let header = r#"{"alg":"ES256"}"#;
        let good = jwt(header, r#"{"iss":"https://issuer.example"}"#);
        assert_eq!(
            claimed_issuer(&good).as_deref(),
            Some("https://issuer.example")
        );
        let long = format!(r#"{{"iss":"a","x":"{}"}}"#, "x".repeat(TOKEN_BYTES));
        let deep = format!(r#"{{"iss":"a","x":{}"#, "[".repeat(4000));
        for bad in [
            String::new(),
            "gAAAAA".into(),
            "..".into(),
            "a.b.c".into(),
            "é.é.é".into(),
            format!("{good}.x"),
            jwt(header, r#"{"sub":"a"}"#),
            jwt(header, r#"{"iss":5}"#),
            jwt(header, r#"{"iss":["a"]}"#),
            jwt(header, r#"{"iss":"a","iss":"b"}"#),
            jwt(header, r#""iss""#),
            jwt(header, r#"{"iss":"a"} {}"#),
            jwt("{}", r#"{"iss":"a"}"#),
            jwt(header, &long),
            jwt(header, &deep),
        ] {
            assert_eq!(claimed_issuer(&bad), None, "{}", &bad[..bad.len().min(60)]);
        }
    }
}
