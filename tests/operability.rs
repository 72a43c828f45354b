//! What operators read and do: metrics, logs, a second process, the settings file.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::process::{self, Process, kmsd};
use crate::support::{Db, Setup, TestServer, on_both, run};

on_both!(metrics_count_calls_on_their_own_listener);

async fn metrics_count_calls_on_their_own_listener(db: Db) {
    let setup = Setup::from(db).with("operators_listen", "127.0.0.1:0");
    let server = TestServer::start(setup).await;
    server.create("counted", json!({})).await;
    server
        .call("list-keys", json!({ "limit": "x" }))
        .await
        .refused(400, "KMS.1601");
    let address = server.operators_address().expect("it is on");
    let metrics = reqwest::get(format!("http://{address}/metrics"))
        .await
        .unwrap();
    assert_eq!(metrics.status(), 200);
    let text = metrics.text().await.unwrap();
    for line in [
        r#"kmsd_calls_total{action="CreateKey",outcome="ok"} 1"#,
        r#"kmsd_calls_total{action="ListKeys",outcome="invalid-member"} 1"#,
        "kmsd_panics_total 0",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    // Operators' paths are nowhere else (I-21).
    let there = server.send(server.request("GET", "/metrics")).await;
    there.refused(404, "APIGW.0101");
    server.stop().await;
}

#[test]
fn logs_are_json_on_request_and_carry_the_id_of_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = kmsd();
    command
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .args(["--log-format", "json"])
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--operators-listen",
            "off",
        ])
        .stderr(Stdio::piped());
    let mut kmsd = Process::start(&mut command);
    let told = kmsd.lines_until("  address ");
    let url = told
        .last()
        .unwrap()
        .split_whitespace()
        .last()
        .unwrap()
        .to_owned();
    run(async {
        let answer = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(format!("{url}/v1.0/x/kms/list-keys"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401);
        let id = answer.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let line = kmsd.error_line_with(&id);
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["action"], "RefuseCredential");
        assert_eq!(line["outcome"], "no-credential");
    });
    assert_eq!(kmsd.terminate(), Some(0));
}

#[test]
fn one_process_serves_a_sqlite_file_and_others_may_look() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = || {
        let mut command = kmsd();
        command.arg("--data-dir").arg(&data);
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--operators-listen",
            "off",
        ]);
        command
    };
    let mut first = Process::start(serve().stderr(Stdio::null()));
    first.lines_until("  password ");
    let (succeeded, said) = process::run(&mut serve());
    assert!(!succeeded && said.contains("another kmsd serves"), "{said}");

    let iam = |args: &[&str]| process::run(kmsd().arg("--data-dir").arg(&data).args(args));
    let (succeeded, said) = iam(&["iam", "--json", "domain", "add", "acme"]);
    assert!(succeeded, "{said}");
    let added: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(added["name"], "acme");
    let (succeeded, said) = iam(&["iam", "domain", "add", "acme"]);
    assert!(
        !succeeded && said.contains("domain acme exists already"),
        "{said}"
    );
    let (succeeded, said) = iam(&["iam", "domain", "remove", "kmsd"]);
    assert!(
        !succeeded && said.contains("remove its projects and users first"),
        "{said}"
    );
    let (succeeded, said) = iam(&["iam", "domain", "remove", "acme"]);
    assert!(succeeded, "{said}");
    let project = ["--project", "home-region-1", "--domain", "kmsd"];
    let add = [&["iam", "default-key", "add", "obs"][..], &project].concat();
    let (succeeded, said) = iam(&add);
    assert!(succeeded && said.contains("added default key"), "{said}");
    let (succeeded, said) = iam(&add);
    assert!(!succeeded && said.contains("exists already"), "{said}");
    let (succeeded, said) = iam(&[&["iam", "default-key", "list"][..], &project].concat());
    assert!(succeeded && said.contains("obs/default"), "{said}");
    let remove = [
        "iam",
        "project",
        "remove",
        "home-region-1",
        "--domain",
        "kmsd",
    ];
    let (succeeded, said) = iam(&remove);
    assert!(!succeeded && said.contains("default keys stay"), "{said}");
    let (_, trail) = iam(&["audit", "tail", "-n", "3"]);
    assert!(trail.contains("AddDefaultKey"), "{trail}");
    let (_, trail) = iam(&["audit", "tail", "-n", "4"]);
    assert!(
        trail.contains("add domain acme") && trail.contains("remove domain acme"),
        "{trail}"
    );
    assert_eq!(first.terminate(), Some(0));
}

#[test]
fn a_start_that_would_be_unsafe_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let start = |args: &[&str]| {
        let mut command = kmsd();
        command.arg("--data-dir").arg(&data).args(args);
        process::run(&mut command)
    };
    let (succeeded, said) = start(&["serve", "--listen", "0.0.0.0:0"]);
    assert!(!succeeded, "{said}");
    assert!(
        said.contains("listen: other machines can reach this address"),
        "{said}"
    );
    assert!(said.contains("root_file: "), "{said}");
    assert!(!data.exists(), "nothing was made");

    // A database without its root key, and with another's (I-44).
    let (succeeded, said) = start(&["iam", "domain", "list"]);
    assert!(succeeded, "{said}");
    let root = data.join("root.key");
    let kept = folder.path().join("kept");
    std::fs::rename(&root, &kept).unwrap();
    let (succeeded, said) = start(&["iam", "domain", "list"]);
    assert!(!succeeded && said.contains("is missing"), "{said}");
    assert!(!root.exists(), "no new root for an old database");
    std::fs::write(&root, "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoyMzQ1Njc=\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (succeeded, said) = start(&["iam", "domain", "list"]);
    assert!(!succeeded && said.contains("was sealed by root"), "{said}");
    std::fs::rename(&kept, &root).unwrap();
    let (succeeded, said) = start(&["iam", "domain", "list"]);
    assert!(succeeded, "{said}");

    let settings = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.toml");
    let file = folder.path().join("kmsd.toml");
    std::fs::copy(settings, &file).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (succeeded, said) = start(&["--config", file.to_str().unwrap(), "iam", "domain", "list"]);
    assert!(!succeeded && said.contains("chmod 0600"), "{said}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (succeeded, said) = start(&["--config", file.to_str().unwrap(), "iam", "domain", "list"]);
    assert!(succeeded, "docs/settings.toml is a settings file: {said}");
}

#[test]
fn kmsd_dev_is_for_loopback_and_for_data_of_its_own() {
    let (succeeded, said) = process::run(kmsd().args(["dev", "--listen", "0.0.0.0:0"]));
    assert!(!succeeded && said.contains("loopback only"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    let dev = || {
        let flags = ["dev", "--listen", "127.0.0.1:0", "--enclave-root"];
        process::run(kmsd().args(flags).arg(&root))
    };
    let (succeeded, said) = dev();
    assert!(!succeeded && said.contains("enclave_roots: "), "{said}");
    std::fs::write(&root, "no certificate").unwrap();
    let (succeeded, said) = dev();
    assert!(
        !succeeded && said.contains("root.pem: holds no certificate"),
        "{said}"
    );

    let data = folder.path().join("data");
    let (succeeded, said) = process::run(
        kmsd()
            .arg("--data-dir")
            .arg(&data)
            .args(["iam", "domain", "list"]),
    );
    assert!(succeeded, "{said}");
    let real = format!("sqlite:{}", data.join("kmsd.db").display());
    let (succeeded, said) =
        process::run(kmsd().args(["dev", "--listen", "127.0.0.1:0", "--database-url", &real]));
    assert!(!succeeded && said.contains("holds real keys"), "{said}");
}
