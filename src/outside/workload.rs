//! Service account tokens of Kubernetes: how a workload of a cluster proves where it runs.
//!
//! They are JWTs that the cluster signs with a key of its own. Whose they must be and under which
//! key is told by whoever calls, nothing by the token (threat model I-4).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::issuer::{Claims, Header};
use super::{OutsideError, jwt_parts};
use crate::crypto::asymmetric::kind_of_public;
use crate::crypto::material::MaterialKind;
use crate::json::Object;
use crate::model::time::Timestamp;

/// What the subject of such a token begins with; namespace and name follow.
const SUBJECT: &str = "system:serviceaccount:";

/// A token that can be read, and of which nothing is known yet.
pub struct ServiceToken<'t> {
    token: &'t str,
    header: Header,
    claims: Claims,
}

impl<'t> ServiceToken<'t> {
    /// Reads a token. What it says is a claim, and no more.
    ///
    /// # Errors
    /// [`OutsideError::Refused`] when it is no signed JWT of at most 8 KiB.
    pub fn read(token: &'t str) -> Result<Self, OutsideError> {
        let header = Header::read(token)?;
        let claims = jwt_parts(token)
            .and_then(|(_, claims, _)| URL_SAFE_NO_PAD.decode(claims).ok())
            .and_then(|text| Object::parse(&text).ok())
            .ok_or(OutsideError::Refused("its claims are not a JSON object"))?;
        Ok(Self {
            token,
            header,
            claims: Claims(claims.0),
        })
    }

    /// Whether it claims to be meant for this audience.
    pub fn is_meant_for(&self, audience: &str) -> bool {
        self.claims
            .audience()
            .is_ok_and(|audiences| audiences.contains(&audience))
    }

    /// Checks it by the key of a cluster; gives the service account, `namespace:name`.
    ///
    /// # Errors
    /// [`OutsideError`] when it is not signed by that key in the algorithm that belongs to the key,
    /// is not valid now, lives longer than 24 hours, or is no service account's.
    pub fn check(&self, public_key: &[u8], now: Timestamp) -> Result<String, OutsideError> {
        let refused = |why| OutsideError::Refused(why);
        let (name, algorithm) =
            algorithm_of(public_key).ok_or(refused("its key cannot sign tokens"))?;
        if self.header.alg != name {
            return Err(refused("its algorithm is not that of its key"));
        }
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(public_key)
        );
        let key = match algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_pem(pem.as_bytes()),
            _ => DecodingKey::from_ec_pem(pem.as_bytes()),
        }
        .map_err(|_| refused("its key cannot sign tokens"))?;
        // The library checks the signature; the claims are ours, by the clock that we are lent.
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        jsonwebtoken::decode::<Object>(self.token, &key, &validation)
            .map_err(|_| refused("its signature does not hold"))?;
        self.claims.times(now)?;
        self.claims
            .required("sub")?
            .strip_prefix(SUBJECT)
            .map(ToOwned::to_owned)
            .ok_or(refused("it is no service account's"))
    }
}

/// The algorithm in which Kubernetes signs tokens with such a key; `None` when it does not.
pub fn algorithm_of(public_key: &[u8]) -> Option<(&'static str, Algorithm)> {
    match kind_of_public(public_key).ok()? {
        MaterialKind::Rsa2048 | MaterialKind::Rsa3072 | MaterialKind::Rsa4096 => {
            Some(("RS256", Algorithm::RS256))
        }
        MaterialKind::EcP256 => Some(("ES256", Algorithm::ES256)),
        MaterialKind::EcP384 => Some(("ES384", Algorithm::ES384)),
        _ => None,
    }
}
