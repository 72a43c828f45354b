//! The files that browsers are served: all of them, with what keeps a page to itself.

use std::path::{Path, PathBuf};

use kmsd::aws::reference;
use kmsd::aws::routes::{Operation, table};
use kmsd::pages::FILES;
use serde_json::Value;

use crate::support::pages::check_page;
use crate::support::{Answer, Db, TestServer, on_both};

on_both!(
    pages_are_served_with_what_keeps_them_to_themselves,
    a_browser_that_has_a_file_is_told_so,
    other_methods_and_paths_are_refused_as_everywhere,
);

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn every_file_of_the_folder_is_served() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let missing: Vec<String> = files_below(&root)
        .into_iter()
        .filter(|file| {
            let bytes = std::fs::read(file).unwrap();
            FILES.iter().all(|served| served.bytes != bytes)
        })
        .map(|file| file.display().to_string())
        .collect();
    assert!(missing.is_empty(), "not in src/pages.rs: {missing:?}");
}

/// Whoever adds an operation to AWS's dialect describes it.
#[test]
fn every_operation_of_awss_dialect_is_described() {
    let printed = reference::print().unwrap();
    check_page("web/docs/aws.json", &printed);
    let told: Value = serde_json::from_str(&printed).unwrap();
    for Operation { name, action, .. } in table() {
        let one = &told["operations"][name];
        assert!(
            !one["does"].as_str().unwrap().is_empty(),
            "what {name} does"
        );
        assert_eq!(one["permission"].as_str(), action.permission(), "{name}");
        for member in ["input", "output"] {
            let shape = &one[member];
            let known = shape.is_null() || told["types"][shape.as_str().unwrap()].is_object();
            assert!(known, "the {member} of {name} is {shape}");
        }
    }
    let names = told["operations"].as_object().unwrap().len();
    assert_eq!(names, table().len());
    for shape in told["types"].as_object().unwrap().values() {
        let members = shape["members"].as_object().into_iter().flatten();
        let parts = ["item", "key", "value"].iter().map(|part| &shape[part]);
        for inner in members.map(|(_, inner)| inner).chain(parts) {
            let known = inner.is_null() || told["types"][inner.as_str().unwrap()].is_object();
            assert!(known, "no type {inner}");
        }
    }
}

/// The console's own files name nobody else's, and have no way to make code or elements of text.
#[test]
fn the_console_asks_nobody_else_and_makes_no_html_of_text() {
    for file in FILES.iter().filter(|f| f.path.starts_with("/console")) {
        let text = std::str::from_utf8(file.bytes).unwrap();
        let own = text.replace("http://www.w3.org/2000/svg", "");
        for word in [
            "http:",
            "https:",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "localStorage",
            "sessionStorage",
            "document.cookie",
            "indexedDB",
            " style=",
        ] {
            assert!(!own.contains(word), "{}: {word}", file.path);
        }
    }
}

async fn get(server: &TestServer, path: &str) -> Answer {
    server.send(server.request("GET", path)).await
}

async fn pages_are_served_with_what_keeps_them_to_themselves(db: Db) {
    let server = TestServer::start(db).await;
    for file in FILES {
        let answer = get(&server, file.path).await;
        assert_eq!(answer.status, 200, "{}", file.path);
        assert_eq!(answer.header("content-type"), file.media_type);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.text.as_bytes(), file.bytes, "{}", file.path);
    }
    for (path, media_type) in [
        ("/console", "text/html; charset=utf-8"),
        ("/console/", "text/html; charset=utf-8"),
        ("/console/main.js", "text/javascript; charset=utf-8"),
        ("/console/style.css", "text/css; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/", "text/html; charset=utf-8"),
        ("/docs/aws", "text/html; charset=utf-8"),
        ("/docs/aws/", "text/html; charset=utf-8"),
        ("/docs/aws.json", "application/json"),
        ("/docs/swagger-ui/LICENSE", "text/plain; charset=utf-8"),
        ("/openapi.json", "application/json"),
        ("/openapi.yaml", "application/yaml"),
    ] {
        // A path with a slash is none of the list that the harness knows.
        let url = server.url(path);
        let answer = reqwest::get(url).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], media_type, "{path}");
    }
    server.stop().await;
}

async fn a_browser_that_has_a_file_is_told_so(db: Db) {
    let server = TestServer::start(db).await;
    let first = get(&server, "/console").await;
    let tag = first.header("etag").to_owned();
    assert_ne!(tag, get(&server, "/docs").await.header("etag"));
    for (known, status) in [
        (tag.clone(), 304),
        (format!("W/{tag}"), 304),
        (format!("\"old\", {tag}"), 304),
        ("\"old\"".to_owned(), 200),
    ] {
        let request = server
            .request("GET", "/console")
            .header("If-None-Match", &known);
        let answer = server.send(request).await;
        assert_eq!(answer.status, status, "{known}");
        assert_eq!(answer.header("etag"), tag);
        assert_eq!(answer.text.is_empty(), status == 304);
    }
    server.stop().await;
}

async fn other_methods_and_paths_are_refused_as_everywhere(db: Db) {
    let server = TestServer::start(db).await;
    for path in ["/console", "/console/main.js", "/docs", "/openapi.json"] {
        let head = server.send(server.request("HEAD", path)).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let answer = server.send(server.request(method, path)).await;
            answer.refused(405, "KMS.0215");
            assert_eq!(answer.header("allow"), "GET", "{method} {path}");
        }
    }
    for path in [
        "/console/none.js",
        "/console//main.js",
        "/console/../openapi.yaml/",
        "/docs/swagger-ui",
        "/consoles",
        "/kmsd",
    ] {
        assert_eq!(get(&server, path).await.status, 404, "{path}");
    }
    server.stop().await;
}
