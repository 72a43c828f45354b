//! Speaks AWS's dialect as its SDKs do: JSON 1.1 over `POST /`, signed with Signature Version 4,
//! written from AWS's documentation and not from ours.

use std::sync::LazyLock;

use kmsd::aws::reference;
use kmsd::crypto::hash::{hmac_sha256, sha256_hex};
use kmsd::model::time::Timestamp;
use serde_json::Value;

use super::{Account, Answer, START, TestServer};

/// The media type of every body.
pub const MEDIA_TYPE: &str = "application/x-amz-json-1.1";
/// The region of most calls.
pub const HOME: &str = "home-region-1";

/// Somebody who signs, and every part of a signature, to be had otherwise.
#[derive(Clone)]
pub struct AwsSigner {
    pub algorithm: String,
    pub access_key: String,
    pub secret_key: String,
    /// Of temporary access keys: what X-Amz-Security-Token says.
    pub session_token: Option<String>,
    /// What X-Amz-Date says.
    pub date: String,
    /// The four parts of the scope.
    pub day: String,
    pub region: String,
    pub service: String,
    pub terminator: String,
    pub host: String,
    /// What is listed in SignedHeaders, in this order.
    pub names: Vec<String>,
    /// Headers beside Host, the date, the session token and Authorization.
    pub headers: Vec<(String, String)>,
    /// What is signed as the hash of the body, if it is not that.
    pub payload_hash: Option<String>,
}

/// A signed request, to be sent or to be tampered with.
#[derive(Clone)]
pub struct AwsRequest {
    pub method: &'static str,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl AwsSigner {
    /// An account's owner, with the headers that boto3 signs.
    pub fn new(server: &TestServer, account: &Account, at: Timestamp) -> Self {
        let date = at.iso_basic();
        Self {
            algorithm: "AWS4-HMAC-SHA256".into(),
            access_key: account.access_key.clone(),
            secret_key: account.secret_key.clone(),
            session_token: None,
            day: date[..8].to_owned(),
            date,
            region: HOME.into(),
            service: "kms".into(),
            terminator: "aws4_request".into(),
            host: server.address.to_string(),
            names: ["content-type", "host", "x-amz-date", "x-amz-target"]
                .map(str::to_owned)
                .to_vec(),
            headers: vec![("content-type".into(), MEDIA_TYPE.into())],
            payload_hash: None,
        }
    }

    /// The same with one more header, which is signed.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self.names.push(name.to_owned());
        self.names.sort();
        self
    }

    /// The same with a session token, which is signed.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.session_token = Some(token.to_owned());
        self.names.push("x-amz-security-token".into());
        self.names.sort();
        self
    }

    fn scope(&self) -> String {
        [&*self.day, &*self.region, &*self.service, &*self.terminator].join("/")
    }

    /// The signature of a canonical request.
    fn signature(&self, canonical: &str) -> String {
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for link in [&self.day, &self.region, &self.service, &self.terminator] {
            key = hmac_sha256(&key, &[link.as_bytes()]).to_vec();
        }
        let to_sign = format!(
            "{}\n{}\n{}\n{}",
            self.algorithm,
            self.date,
            self.scope(),
            sha256_hex(canonical.as_bytes())
        );
        hex::encode(hmac_sha256(&key, &[to_sign.as_bytes()]))
    }

    fn canonical(&self, method: &str, query: &str, all: &[(String, String)], body: &str) -> String {
        let mut text = format!("{method}\n/\n{query}\n");
        for name in &self.names {
            let values: Vec<String> = all
                .iter()
                .filter(|(known, _)| known == name)
                .map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            text.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        let hash = match &self.payload_hash {
            Some(hash) => hash.clone(),
            None => sha256_hex(body.as_bytes()),
        };
        format!("{text}\n{}\n{hash}", self.names.join(";"))
    }

    /// The headers without Authorization.
    fn all_headers(&self, target: &str) -> Vec<(String, String)> {
        let mut all = self.headers.clone();
        all.push(("host".into(), self.host.clone()));
        all.push(("x-amz-date".into(), self.date.clone()));
        if let Some(token) = &self.session_token {
            all.push(("x-amz-security-token".into(), token.clone()));
        }
        all.push(("x-amz-target".into(), target.to_owned()));
        all
    }

    /// A request for an operation, signed in its header.
    pub fn sign(&self, operation: &str, body: &str) -> AwsRequest {
        self.sign_target(&format!("TrentService.{operation}"), body)
    }

    /// The same with any target.
    pub fn sign_target(&self, target: &str, body: &str) -> AwsRequest {
        let mut headers = self.all_headers(target);
        let signature = self.signature(&self.canonical("POST", "", &headers, body));
        let authorization = format!(
            "{} Credential={}/{}, SignedHeaders={}, Signature={signature}",
            self.algorithm,
            self.access_key,
            self.scope(),
            self.names.join(";")
        );
        headers.push(("authorization".into(), authorization));
        AwsRequest {
            method: "POST",
            query: String::new(),
            headers,
            body: body.to_owned(),
        }
    }

    /// A request for an operation, signed in its query and good for some seconds.
    pub fn presign(&self, operation: &str, body: &str, seconds: &str) -> AwsRequest {
        let mut signer = self.clone();
        signer
            .names
            .retain(|name| name != "x-amz-date" && name != "x-amz-security-token");
        let mut headers = self.all_headers(&format!("TrentService.{operation}"));
        headers.retain(|(name, _)| name != "x-amz-date" && name != "x-amz-security-token");
        let escape = |text: &str| {
            text.bytes()
                .map(|byte| match byte {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                        char::from(byte).to_string()
                    }
                    other => format!("%{other:02X}"),
                })
                .collect::<String>()
        };
        let mut pairs = vec![
            ("X-Amz-Algorithm", self.algorithm.clone()),
            (
                "X-Amz-Credential",
                format!("{}/{}", self.access_key, self.scope()),
            ),
            ("X-Amz-Date", self.date.clone()),
            ("X-Amz-Expires", seconds.to_owned()),
        ];
        if let Some(token) = &self.session_token {
            pairs.push(("X-Amz-Security-Token", token.clone()));
        }
        pairs.push(("X-Amz-SignedHeaders", signer.names.join(";")));
        let query: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", escape(value)))
            .collect();
        let query = query.join("&");
        let signature = signer.signature(&signer.canonical("POST", &query, &headers, body));
        AwsRequest {
            method: "POST",
            query: format!("{query}&X-Amz-Signature={signature}"),
            headers,
            body: body.to_owned(),
        }
    }
}

impl AwsRequest {
    /// Gives a header another value, or adds it.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| known != name);
    }

    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Replaces part of the Authorization header.
    pub fn rewrite(&mut self, from: &str, to: &str) {
        let before = self.header("authorization").to_owned();
        let after = before.replace(from, to);
        assert_ne!(before, after, "{from} is not in {before}");
        self.set("authorization", &after);
    }

    /// Sends it as it now is; the answer has what every answer of this dialect must have.
    pub async fn send(&self, server: &TestServer) -> Answer {
        let target = if self.query.is_empty() {
            "/".to_owned()
        } else {
            format!("/?{}", self.query)
        };
        let mut request = server.request(self.method, &target).body(self.body.clone());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let answer = server.http.execute(request.build().unwrap()).await.unwrap();
        let answer = Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            text: answer.text().await.unwrap(),
        };
        if self.method == "POST" {
            check_form(&answer);
            let target = self.headers.iter().find(|(name, _)| name == "x-amz-target");
            check_described(target.map_or("", |(_, target)| target), &answer);
        }
        answer
    }
}

/// What every answer has (contract, sections 1.3 and 1.4).
#[track_caller]
fn check_form(answer: &Answer) {
    let text = &answer.text;
    assert_eq!(answer.header("content-type"), MEDIA_TYPE, "{text}");
    let id = answer.header("x-amzn-requestid");
    assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    assert_eq!(
        answer.header("cache-control"),
        "no-cache, no-store, must-revalidate, private"
    );
    for header in ["date", "content-length"] {
        assert_ne!(answer.header(header), "", "{header}: {text}");
    }
    // With it, botocore would not know the error any more.
    assert_eq!(answer.header("x-amzn-query-error"), "");
    if answer.status != 200 {
        let kind = answer.aws_kind();
        assert!(
            answer.status == 400
                || (answer.status, &*kind) == (500, "KMSInternalException")
                || (answer.status, &*kind) == (500, "KeyUnavailableException")
                || (answer.status, &*kind) == (503, "DependencyTimeoutException"),
            "{} {text}",
            answer.status
        );
        assert!(kind.ends_with("Exception"), "{text}");
    }
}

/// What `/docs/aws` says of operations.
static REFERENCE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&reference::print().unwrap()).unwrap());

/// Whatever is answered is described: each member of a result, and each error.
#[track_caller]
fn check_described(target: &str, answer: &Answer) {
    let name = target.rsplit_once('.').map_or("", |(_, name)| name);
    let told = &REFERENCE["operations"][name];
    if answer.status != 200 {
        let kind = answer.aws_kind();
        let listed = told["errors"].as_array().into_iter().flatten();
        let error = if listed.into_iter().any(|one| *one == kind) {
            &REFERENCE["errors"][&kind]
        } else {
            &REFERENCE["everywhere"][&kind]
        };
        assert_eq!(
            error["status"], answer.status,
            "{name} is not said to answer {kind}"
        );
    } else if let Some(output) = told["output"].as_str() {
        check_type(output, &answer.json(), name);
    } else {
        assert_eq!(answer.text, "", "{name} is said to answer nothing");
    }
}

/// Fails unless a value is of a type that is described.
#[track_caller]
fn check_type(name: &str, value: &Value, path: &str) {
    let shape = &REFERENCE["types"][name];
    let inner = |part: &str| shape[part].as_str().unwrap();
    match shape["type"].as_str().unwrap() {
        "structure" => {
            for (member, value) in value.as_object().unwrap() {
                let kind = shape["members"][member].as_str();
                let kind = kind.unwrap_or_else(|| panic!("{path}.{member} is not described"));
                check_type(kind, value, &format!("{path}.{member}"));
            }
        }
        "list" => {
            for value in value.as_array().unwrap() {
                check_type(inner("item"), value, path);
            }
        }
        "map" => {
            for value in value.as_object().unwrap().values() {
                check_type(inner("value"), value, path);
            }
        }
        "boolean" => assert!(value.is_boolean(), "{path}"),
        "integer" => assert!(value.is_i64(), "{path}"),
        "timestamp" => assert!(value.is_number(), "{path}"),
        _ => {
            let text = value
                .as_str()
                .unwrap_or_else(|| panic!("{path} is no text"));
            let words = shape["enum"].as_array();
            assert!(
                words.is_none_or(|words| words.iter().any(|word| word == text)),
                "{path}: {text}"
            );
        }
    }
}

impl Answer {
    /// The type of a refusal.
    #[track_caller]
    pub fn aws_kind(&self) -> String {
        let kind = self.json()["__type"].as_str().map(str::to_owned);
        kind.unwrap_or_else(|| panic!("no __type: {} {}", self.status, self.text))
    }

    /// Fails unless it is a refusal of this type; gives its text, empty when there is none.
    #[track_caller]
    pub fn aws_refused(&self, kind: &str) -> String {
        assert_ne!(self.status, 200, "{kind} expected: {}", self.text);
        assert_eq!(self.aws_kind(), kind, "{}", self.text);
        let body = self.json();
        let told = body.get("message").or_else(|| body.get("Message"));
        told.map_or_else(String::new, |told| told.as_str().unwrap().to_owned())
    }

    /// The type of a refusal, or `ok`.
    #[track_caller]
    pub fn aws_outcome(&self) -> String {
        if self.status == 200 {
            "ok".to_owned()
        } else {
            self.aws_kind()
        }
    }
}

impl TestServer {
    /// An operation of AWS's dialect by the first account, in its home region.
    pub async fn aws(&self, operation: &str, body: Value) -> Answer {
        self.aws_as(&self.account, HOME, operation, body).await
    }

    /// The same in one of the regions.
    pub async fn aws_at(&self, region: &str, operation: &str, body: Value) -> Answer {
        self.aws_as(&self.account, region, operation, body).await
    }

    /// The same by any account in any region.
    pub async fn aws_as(
        &self,
        account: &Account,
        region: &str,
        operation: &str,
        body: Value,
    ) -> Answer {
        let mut signer = AwsSigner::new(self, account, self.kms.now());
        signer.region = region.to_owned();
        signer.sign(operation, &body.to_string()).send(self).await
    }

    /// Makes a key; gives its ARN.
    pub async fn aws_key(&self, members: Value) -> String {
        let made = self.aws("CreateKey", members).await.ok(200);
        made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }

    /// An account's key's ARN, told from the key's id.
    pub fn aws_arn(&self, account: &Account, id: &str) -> String {
        format!("arn:aws:kms:{HOME}:{}:key/{id}", account.project.account)
    }

    /// A request to be tampered with: ListKeys by the first account, signed when every test begins.
    pub fn aws_signer(&self) -> AwsSigner {
        AwsSigner::new(self, &self.account, START)
    }
}
