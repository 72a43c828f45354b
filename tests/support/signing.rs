//! Signs requests as the vendor's SDKs do, written from their documentation and not from ours.

use kmsd::crypto::hash::{hmac_sha256, sha256_hex};
use kmsd::model::time::Timestamp;

use super::Account;

/// A request to be signed.
pub struct Unsigned<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub host: &'a str,
    pub body: &'a str,
    pub at: Timestamp,
}

/// The headers that make it a signed one.
pub fn sign(account: &Account, request: &Unsigned<'_>) -> Vec<(&'static str, String)> {
    let date = request.at.iso_basic();
    let slash = if request.path.ends_with('/') { "" } else { "/" };
    let canonical = format!(
        "{}\n{}{slash}\n{}\nhost:{}\nx-sdk-date:{date}\n\nhost;x-sdk-date\n{}",
        request.method,
        request.path,
        request.query,
        request.host,
        sha256_hex(request.body.as_bytes()),
    );
    let to_sign = format!(
        "SDK-HMAC-SHA256\n{date}\n{}",
        sha256_hex(canonical.as_bytes())
    );
    let signature = hex::encode(hmac_sha256(
        account.secret_key.as_bytes(),
        &[to_sign.as_bytes()],
    ));
    let authorization = format!(
        "SDK-HMAC-SHA256 Access={}, SignedHeaders=host;x-sdk-date, Signature={signature}",
        account.access_key
    );
    vec![("X-Sdk-Date", date), ("Authorization", authorization)]
}
