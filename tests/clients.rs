//! The real clients, unchanged, against a kmsd of their own. What each does stands in
//! `tests/clients/*.py` and `*.js`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kmsd::model::identity::Role;
use kmsd::model::ids::DisplayName;
use kmsd::operations::identity::manage;

use crate::huawei::keystores;
use crate::support::calls::{CLUSTER, CLUSTER_CA};
use crate::support::imports::{FIRST, unbase64};
use crate::support::process::{self, Process, exports, kmsd};
use crate::support::{Db, TestServer, new_postgres_database, run};

#[test]
fn huaweis_sdk_on_sqlite() {
    against_dev("huawei_sdk.py", Db::Sqlite);
}

#[test]
fn huaweis_sdk_on_postgres() {
    against_dev("huawei_sdk.py", Db::Postgres);
}

#[test]
fn huaweis_sdk_on_keystores_on_sqlite() {
    run(against_an_hsm("huawei_sdk_keystores.py", Db::Sqlite));
}

#[test]
fn huaweis_sdk_on_keystores_on_postgres() {
    run(against_an_hsm("huawei_sdk_keystores.py", Db::Postgres));
}

/// boto3, and after it the AWS command line and AWS's Encryption SDK.
#[test]
fn awss_sdk_on_sqlite() {
    against_dev("boto3_suite.py", Db::Sqlite);
}

#[test]
fn awss_sdk_on_postgres() {
    against_dev("boto3_suite.py", Db::Postgres);
}

#[test]
fn awss_javascript_sdk_on_sqlite() {
    against_dev("aws_sdk.js", Db::Sqlite);
}

#[test]
fn awss_javascript_sdk_on_postgres() {
    against_dev("aws_sdk.js", Db::Postgres);
}

#[test]
fn awss_javascript_sdk_at_a_limit() {
    against_a_limit("aws_sdk_throttled.js");
}

/// boto3 and Huawei's SDK on the same keys.
#[test]
fn both_vendors_sdks_on_sqlite() {
    against_dev("both_sdks.py", Db::Sqlite);
}

#[test]
fn both_vendors_sdks_on_postgres() {
    against_dev("both_sdks.py", Db::Postgres);
}

#[test]
fn the_openstack_command_line() {
    against_dev("openstack_cli.py", Db::Sqlite);
}

#[test]
fn keystoneauth() {
    against_dev("keystoneauth.py", Db::Postgres);
}

#[test]
fn a_client_generated_from_the_api_description() {
    against_dev("generated_client.py", Db::Sqlite);
}

#[test]
fn requests_generated_from_the_api_description() {
    against_dev("schemathesis_run.py", Db::Sqlite);
}

#[test]
fn the_console_in_a_browser() {
    against_dev("console.py", Db::Sqlite);
}

/// A user of two projects, one of which has a keystore.
#[test]
fn the_console_with_keystores_and_projects() {
    run(async {
        let all = keystores::fixture(Db::Sqlite).await;
        let (kms, account) = (&all.server.kms, &all.server.account);
        let second = DisplayName::parse("second").unwrap();
        manage::add_project(kms, &account.domain, second, None, None)
            .await
            .unwrap();
        let role = Role::TenantAdministrator;
        manage::set_role(kms, &account.domain, &account.user, "second", role, true)
            .await
            .unwrap();
        let reader = Some(Role::KmsReadOnlyPolicy);
        let reader = all.server.token_with_role("reader", reader).await;
        let more = [
            ("IAM_PROJECT_2", "second".to_owned()),
            ("IAM_DOMAIN_READER", reader.domain),
            ("IAM_USER_READER", reader.user),
            ("IAM_PASSWORD_READER", reader.password),
            ("IAM_PROJECT_READER", reader.project.name.to_string()),
        ];
        drive_with_an_hsm("console_places.py", &all, &more).await;
        all.stop().await;
    });
}

#[test]
fn a_real_keystone_with_fernet_tokens() {
    against_keystone("fernet", 0);
}

#[test]
fn a_real_keystone_with_signed_tokens() {
    against_keystone("jws", 2);
}

/// An enclave that shares no code with ours proves who it is, and opens what it is sent.
#[test]
fn an_independent_enclave() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    drive_with("enclave.py", &["--make-root", path], &[]);
    let root = folder.path().join("root.pem");
    let (mut kmsd, settings) = dev(Db::Sqlite, &["--enclave-root", root.to_str().unwrap()]);
    drive_with("enclave.py", &[path], &settings);
    assert_eq!(kmsd.terminate(), Some(0), "kmsd stops in order");
}

/// A reader of ciphertexts that shares no code with ours opens those that were kept, and refuses
/// them changed.
#[test]
fn an_independent_reader_of_ciphertexts() {
    drive_with("blob_reader.py", &["--selftest"], &[]);
}

/// And one that was made just now, by a key whose material was imported: whoever has the material can
/// read what was encrypted with it, without kmsd.
#[test]
fn an_independent_reader_with_imported_material() {
    run(async {
        let server = TestServer::start(Db::Sqlite).await;
        let key = server.external("mine").await;
        let body = serde_json::json!({ "key_id": key, "plain_text": "card=4111" });
        let made = server.call("encrypt-data", body).await.ok(200);
        let arguments = [
            hex::encode(FIRST),
            server.kms.deployment_id().to_owned(),
            server.account.project.id.to_string(),
            hex::encode(unbase64(&made["cipher_text"])),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = drive_with("blob_reader.py", &arguments, &[]);
        assert_eq!(said.trim(), hex::encode("card=4111"));
        server.stop().await;
    });
}

/// A suite that needs nothing but what `kmsd dev` prints.
fn against_dev(suite: &str, db: Db) {
    let (mut kmsd, settings) = dev(db, &[]);
    drive(suite, &settings);
    assert_eq!(kmsd.terminate(), Some(0), "kmsd stops in order");
}

/// A `kmsd dev`, and what it prints.
fn dev(db: Db, arguments: &[&str]) -> (Process, Vec<(String, String)>) {
    let mut command = kmsd();
    command.args(["dev", "--listen", "127.0.0.1:0", "--log-level", "warn"]);
    command.args(arguments);
    if db == Db::Postgres {
        run(async {
            command.args(["--database-url", &new_postgres_database().await]);
        });
    }
    let mut kmsd = Process::start(command.stderr(Stdio::null()));
    let settings = exports(&kmsd.lines_until("AWS_ACCOUNT_ID_2"));
    (kmsd, settings)
}

/// A kmsd with a PKCS#11 token.
async fn against_an_hsm(suite: &'static str, db: Db) {
    let all = keystores::fixture(db).await;
    drive_with_an_hsm(suite, &all, &[]).await;
    all.stop().await;
}

async fn drive_with_an_hsm(
    suite: &'static str,
    all: &keystores::Fixture,
    more: &[(&'static str, String)],
) {
    let account = &all.server.account;
    let settings = [
        ("KMS_ENDPOINT", all.server.url("")),
        ("KMS_PROJECT_ID", account.project.id.to_string()),
        ("KMS_TOKEN", all.server.token.clone()),
        ("KMS_HSM_CLUSTER", keystores::HSM.to_owned()),
        ("KMS_HSM_CLUSTER_2", CLUSTER.to_owned()),
        ("KMS_HSM_CA", CLUSTER_CA.to_owned()),
        ("IAM_DOMAIN", account.domain.clone()),
        ("IAM_USER", account.user.clone()),
        ("IAM_PASSWORD", account.password.clone()),
        ("IAM_PROJECT", account.project.name.to_string()),
    ];
    let settings: Vec<_> = settings
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let driven = actix_web::rt::task::spawn_blocking(move || drive(suite, &settings));
    driven.await.unwrap();
}

/// A kmsd as it is served, that lets a project make one call in a second.
fn against_a_limit(suite: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kmsd.toml");
    let data = folder.path().join("data");
    let text = format!(
        r#"
        listen = "127.0.0.1:0"
        operators_listen = "off"
        data_dir = "{}"
        limits.calls_per_second = 1
        "#,
        data.display(),
    );
    std::fs::write(&file, text).unwrap();
    make_private(&file);
    let command = || {
        let mut command = kmsd();
        command.arg("--config").arg(&file);
        command
    };
    let mut kmsd = Process::start(command().stderr(Stdio::null()));
    let told = kmsd.lines_until("  address ");
    let address = told.last().unwrap().split_whitespace().last().unwrap();
    let add = "iam --json access-key add --user admin --project home-region-1 --domain kmsd";
    let (succeeded, made) = process::run(command().args(add.split(' ')));
    assert!(succeeded, "{made}");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let settings = [
        ("AWS_ENDPOINT_URL_KMS", address.to_owned()),
        ("AWS_REGION", "home-region-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", text(&made["access_key"])),
        ("AWS_SECRET_ACCESS_KEY", text(&made["secret_key"])),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    drive(suite, &settings);
    assert_eq!(kmsd.terminate(), Some(0), "kmsd stops in order");
}

/// A kmsd that trusts a real Keystone, whose answers it believes for so many seconds.
fn against_keystone(tokens: &str, cache_seconds: u32) {
    let mut keystone = Command::new(python());
    keystone
        .arg(clients().join("keystone_server.py"))
        .args(["--tokens", tokens])
        .stderr(Stdio::null());
    let mut keystone = Process::start(&mut keystone);
    let facts = exports(&keystone.lines_until("KEYSTONE_SERVICE_PROJECT"));
    let fact = |name: &str| {
        let found = facts.iter().find(|(known, _)| known == name);
        found
            .unwrap_or_else(|| panic!("{name} was not told"))
            .1
            .clone()
    };

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kmsd.toml");
    let text = format!(
        r#"
        listen = "127.0.0.1:0"
        operators_listen = "off"
        data_dir = "{}"
        [keystone]
        url = "{}"
        user = "{}"
        password = "{}"
        user_domain = "{}"
        project = "{}"
        project_domain = "Default"
        cache_seconds = {cache_seconds}
        timeout_seconds = 10
        "#,
        folder.path().join("data").display(),
        fact("KEYSTONE_URL"),
        fact("KEYSTONE_SERVICE_USER"),
        fact("KEYSTONE_SERVICE_PASSWORD"),
        fact("KEYSTONE_SERVICE_DOMAIN"),
        fact("KEYSTONE_SERVICE_PROJECT"),
    );
    std::fs::write(&file, text).unwrap();
    make_private(&file);
    let mut kmsd = Process::start(kmsd().arg("--config").arg(&file).stderr(Stdio::null()));
    let told = kmsd.lines_until("  address ");
    let address = told.last().unwrap().split_whitespace().last().unwrap();

    let mut settings = facts.clone();
    settings.push(("KMS_ENDPOINT".into(), address.to_owned()));
    settings.push(("KEYSTONE_CACHE_SECONDS".into(), cache_seconds.to_string()));
    drive("keystone.py", &settings);
    assert_eq!(kmsd.terminate(), Some(0), "kmsd stops in order");
}

fn drive(suite: &str, settings: &[(String, String)]) {
    drive_with(suite, &[], settings);
}

fn drive_with(suite: &str, arguments: &[&str], settings: &[(String, String)]) -> String {
    let mut command = if Path::new(suite)
        .extension()
        .is_some_and(|kind| kind == "js")
    {
        let mut node = Command::new("node");
        node.env("NODE_PATH", installed("KMSD_TEST_NODE_MODULES"));
        node
    } else {
        let mut python = Command::new(python());
        python.env("PYTHONDONTWRITEBYTECODE", "1");
        python
    };
    command
        .arg(clients().join(suite))
        .args(arguments)
        .envs(settings.iter().map(|(name, value)| (name, value)));
    let (succeeded, said) = process::run(&mut command);
    println!("{said}");
    assert!(succeeded, "{suite} failed:\n{said}");
    said
}

fn make_private(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// The Python that has the clients.
fn python() -> String {
    installed("KMSD_TEST_PYTHON")
}

/// Where scripts/test has put what drives the clients.
fn installed(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("the clients are driven by {name}: run scripts/test, which installs them")
    })
}
