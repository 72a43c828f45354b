//! What is answered without a credential: versions and health.

use serde_json::{Value, json};

use crate::dialect::{Reply, Request};
use crate::kms::Kms;
use crate::model::error::Result;

/// `GET /`: every version of every API that is served here. One list serves the clients of both
/// services, who share the origin.
pub fn all(_kms: &Kms, request: &Request) -> Result<Reply> {
    let versions = [kms_version(request), identity_version(request)];
    Reply::json(200, &json!({ "versions": versions }))
}

/// `GET /v1.0`
pub fn kms(_kms: &Kms, request: &Request) -> Result<Reply> {
    Reply::json(200, &json!({ "version": kms_version(request) }))
}

/// `GET /v3`
pub fn identity(_kms: &Kms, request: &Request) -> Result<Reply> {
    Reply::json(200, &json!({ "version": identity_version(request) }))
}

/// `GET /health/live`: the process answers, whatever the state of its database.
pub fn live(_kms: &Kms, _request: &Request) -> Result<Reply> {
    Reply::json(200, &json!({ "status": "ok" }))
}

/// `GET /health/ready`: calls can be served.
pub async fn ready(kms: &Kms) -> Result<Reply> {
    kms.ready().await?;
    Reply::json(200, &json!({ "status": "ok" }))
}

fn kms_version(request: &Request) -> Value {
    json!({
        "id": "v1.0",
        "status": "CURRENT",
        "version": "",
        "min_version": "",
        "updated": "2026-01-02T00:00:00Z",
        "links": [{ "rel": "self", "href": format!("{}/v1.0/", request.base_url) }],
    })
}

fn identity_version(request: &Request) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2026-01-02T00:00:00Z",
        "links": [{ "rel": "self", "href": format!("{}/v3/", request.base_url) }],
    })
}
