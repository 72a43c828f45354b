//! Signs requests as the vendor's SDKs do, written from their documentation and not from ours.

use kmsd::crypto::hash::{hmac_sha256, sha256_hex};
use kmsd::model::time::Timestamp;

use super::{Account, Answer, TestServer};

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `SDK-HMAC-SHA256` with `Access=`: the secret itself is the key.
    Plain,
    /// `V11-HMAC-SHA256`: a key derived by HKDF.
    V11,
    /// `SDK-HMAC-SHA256` with `Credential=`, as Open Telekom Cloud's clients send it.
    Otc,
}

/// Somebody who signs, and everything that may be done otherwise.
#[derive(Clone)]
pub struct Signer {
    pub scheme: Scheme,
    pub access_key: String,
    pub secret_key: String,
    pub date: String,
    /// Day, region and service, joined with `/`, of the schemes that have a scope.
    pub scope: String,
    pub host: String,
    /// What is listed in SignedHeaders, in this order.
    pub names: Vec<&'static str>,
    /// Headers that are sent beside Host, date and Authorization.
    pub headers: Vec<(&'static str, String)>,
}

/// A signed request, to be sent or to be tampered with.
#[derive(Clone)]
pub struct Signed {
    pub method: &'static str,
    pub path: String,
    pub query: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Signer {
    /// An account's owner, with the headers that the vendor's Python SDK signs.
    pub fn new(server: &TestServer, account: &Account, at: Timestamp) -> Self {
        let date = at.iso_basic();
        Self {
            scheme: Scheme::Plain,
            access_key: account.access_key.clone(),
            secret_key: account.secret_key.clone(),
            scope: format!("{}/home-region-1/kms", &date[..8]),
            date,
            host: server.address.to_string(),
            names: vec![
                "content-type",
                "host",
                "user-agent",
                "x-project-id",
                "x-sdk-date",
            ],
            headers: vec![
                ("content-type", "application/json;charset=utf-8".to_owned()),
                ("user-agent", "huaweicloud-usdk-python/3.0".to_owned()),
                ("x-project-id", account.project.id.to_string()),
            ],
        }
    }

    /// The request with the headers that make it a signed one. `path` and `query` are canonical
    /// already.
    pub fn sign(&self, method: &'static str, path: &str, query: &str, body: &str) -> Signed {
        let slash = if path.ends_with('/') { "" } else { "/" };
        let mut canonical = format!("{method}\n{path}{slash}\n{query}\n");
        for name in &self.names {
            canonical.push_str(&format!("{name}:{}\n", self.value(name).trim()));
        }
        let names = self.names.join(";");
        canonical.push_str(&format!("\n{names}\n{}", sha256_hex(body.as_bytes())));
        let digest = sha256_hex(canonical.as_bytes());
        let date = &self.date;
        let secret = self.secret_key.as_bytes();
        let access_key = &self.access_key;
        let (scheme, credential, to_sign, key) = match self.scheme {
            Scheme::Plain => (
                "SDK-HMAC-SHA256",
                format!("Access={access_key}"),
                format!("SDK-HMAC-SHA256\n{date}\n{digest}"),
                secret.to_vec(),
            ),
            Scheme::V11 => {
                let scope = &self.scope;
                // RFC 5869 with one block of output.
                let extracted = hmac_sha256(access_key.as_bytes(), &[secret]);
                let expanded = hmac_sha256(&extracted, &[scope.as_bytes(), &[1]]);
                (
                    "V11-HMAC-SHA256",
                    format!("Credential={access_key}/{scope}"),
                    format!("V11-HMAC-SHA256\n{date}\n{scope}\n{digest}"),
                    hex::encode(expanded).into_bytes(),
                )
            }
            Scheme::Otc => {
                let scope = format!("{}/sdk_request", self.scope);
                let mut key = [b"SDK", secret].concat();
                for link in scope.split('/') {
                    key = hmac_sha256(&key, &[link.as_bytes()]).to_vec();
                }
                (
                    "SDK-HMAC-SHA256",
                    format!("Credential={access_key}/{scope}"),
                    format!("SDK-HMAC-SHA256\n{date}\n{scope}\n{digest}"),
                    key,
                )
            }
        };
        let signature = hex::encode(hmac_sha256(&key, &[to_sign.as_bytes()]));
        let authorization =
            format!("{scheme} {credential}, SignedHeaders={names}, Signature={signature}");
        let mut headers = self.headers.clone();
        headers.push(("host", self.host.clone()));
        headers.push(("x-sdk-date", date.clone()));
        headers.push(("authorization", authorization));
        Signed {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: body.to_owned(),
        }
    }

    fn value(&self, name: &str) -> &str {
        match name {
            "host" => &self.host,
            "x-sdk-date" => &self.date,
            _ => self
                .headers
                .iter()
                .find(|(known, _)| *known == name)
                .map_or("", |(_, value)| value),
        }
    }
}

impl Signed {
    /// Gives a header another value, or adds it.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.remove(name);
        self.headers.push((name, value.to_owned()));
    }

    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| *known != name);
    }

    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Replaces part of the Authorization header.
    pub fn rewrite(&mut self, from: &str, to: &str) {
        let before = self.header("authorization").to_owned();
        let after = before.replace(from, to);
        assert_ne!(before, after, "{from} is not in {before}");
        self.set("authorization", &after);
    }

    /// Sends it as it now is.
    pub async fn send(&self, server: &TestServer) -> Answer {
        let mut target = self.path.clone();
        if !self.query.is_empty() {
            target = format!("{target}?{}", self.query);
        }
        let mut request = server.request(self.method, &target).body(self.body.clone());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        server.send(request).await
    }
}
