//! JSON, escapes, the settings file.

use std::io::Write;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web::{Bytes, Query};
use kmsd::config::{Config, Flags};
use kmsd::dialect::Request;
use kmsd::huawei::wire::query_param;
use kmsd::json::Object;
use kmsd::model::time::Timestamp;
use kmsd::signed::unescape;
use serde_json::Value;

/// What strict JSON takes, the library takes as the same; what it refuses beyond the library, it
/// refuses for one of its own three reasons.
pub fn json(input: &[u8]) {
    let theirs = serde_json::from_slice::<Value>(input);
    match Object::parse(input) {
        Ok(ours) => assert_eq!(theirs.ok(), Some(Value::Object(ours.0))),
        Err(why) => {
            let own_reason = ["stands there twice", "nested deeper", "more than"];
            let stricter = own_reason.iter().any(|reason| why.contains(reason));
            assert!(stricter || !matches!(theirs, Ok(Value::Object(_))), "{why}");
        }
    }
}

/// What is escaped comes back; what is found in a query is what another reader of forms finds.
pub fn escapes(input: &[u8]) {
    let text = std::str::from_utf8(input);
    let escaped: String = input.iter().map(|byte| format!("%{byte:02X}")).collect();
    for plus_is_space in [false, true] {
        assert_eq!(unescape(&escaped, plus_is_space).as_deref(), text.ok());
    }
    let Ok(text) = text else { return };
    if let Some(clear) = unescape(text, false) {
        assert!(clear.len() <= text.len());
        assert!(text.contains('%') || clear == text);
    }
    let request = Request {
        method: Method::GET,
        path: "/".into(),
        query: text.into(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        params: Vec::new(),
        base_url: String::new(),
        address: None,
        over_tls: false,
        request_id: String::new(),
        arrived: Timestamp::default(),
        started: Duration::ZERO,
    };
    let pairs = Query::<Vec<(String, String)>>::from_query(text);
    let pairs = pairs.map(Query::into_inner).unwrap_or_default();
    for name in ["a", "key_id", "limit"] {
        let mut same = pairs.iter().filter(|(known, _)| known == name);
        match query_param(&request, name) {
            Ok(found) => {
                assert_eq!(found.as_ref(), same.next().map(|(_, value)| value));
                assert_eq!(same.next(), None, "{name} stands there twice");
            }
            Err(_) => assert!(same.next().is_some(), "{name} is not there"),
        }
    }
}

/// A settings file is taken or refused with a sentence.
pub fn settings(input: &[u8]) {
    // Private to its owner, as kmsd demands of what may hold secrets.
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(input).unwrap();
    let flags = Flags {
        file: Some(file.path().to_owned()),
        values: Vec::new(),
    };
    match Config::read(&flags) {
        Ok(config) => assert!(!config.regions.is_empty()),
        Err(faults) => assert!(!faults.to_string().trim().is_empty()),
    }
}
