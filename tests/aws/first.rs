//! Every operation answers, at least with a refusal that is none of kmsd's faults.

use kmsd::aws::routes;
use serde_json::json;

use crate::support::{Db, TestServer, on_both};

on_both!(every_operation_is_reached);

async fn every_operation_is_reached(db: Db) {
    let server = TestServer::start(db).await;
    for operation in routes::table() {
        let answer = server.aws(operation.name, json!({})).await;
        assert!(answer.status < 500, "{}: {}", operation.name, answer.text);
        let kind = answer.aws_outcome();
        assert_ne!(kind, "UnknownOperationException", "{}", operation.name);
    }
    server.stop().await;
}
