//! kill -9 at any moment loses no change that was acknowledged (I-36), on both databases.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use kmsd::env::Env;
use serde_json::{Value, json};

use crate::support::imports::{FIRST, OAEP, wrapped};
use crate::support::process::{Process, kmsd};
use crate::support::{Db, new_postgres_database, on_both};

on_both!(
    kill_9_loses_no_acknowledged_change,
    kill_9_leaves_imported_material_whole_or_gone,
    a_second_start_finds_everything_as_it_was,
);

/// How often kmsd is killed in the middle of its work.
const KILLS: u32 = 5;

struct Running {
    process: Process,
    url: String,
}

struct Deployment {
    folder: tempfile::TempDir,
    database_url: String,
    password: String,
    project: String,
}

impl Deployment {
    /// A first start, as a newcomer's.
    async fn begin(db: Db) -> (Self, Running) {
        let folder = tempfile::tempdir().unwrap();
        let database_url = match db {
            Db::Sqlite => format!("sqlite:{}", folder.path().join("data/kmsd.db").display()),
            Db::Postgres => new_postgres_database().await,
        };
        let mut this = Self {
            folder,
            database_url,
            password: String::new(),
            project: String::new(),
        };
        let mut process = Process::start(&mut this.command());
        let told = process.lines_until("  password ");
        let word = |name: &str| {
            let line = told.iter().find(|line| line.trim_start().starts_with(name));
            line.unwrap().split_whitespace().last().unwrap().to_owned()
        };
        this.project = word("project id");
        this.password = word("password");
        let url = word("address");
        (this, Running { process, url })
    }

    fn command(&self) -> std::process::Command {
        let mut command = kmsd();
        command
            .args(["--database-url", &self.database_url])
            .arg("--data-dir")
            .arg(self.folder.path().join("data"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--operators-listen",
                "off",
            ])
            .env("KMSD_LOG__FORMAT", "json")
            .stderr(Stdio::piped());
        command
    }

    /// A later start.
    fn again(&self) -> Running {
        let mut process = Process::start(&mut self.command());
        let line = process.error_line_with("kmsd serves");
        let line: Value = serde_json::from_str(&line).unwrap();
        let url = format!("http://{}", line["address"].as_str().unwrap());
        Running { process, url }
    }

    async fn log_in(&self, running: &Running, http: &reqwest::Client) -> String {
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": {
                "name": "admin", "password": self.password, "domain": { "name": "kmsd" },
            }}},
            "scope": { "project": { "name": "home-region-1" } },
        }});
        let answer = http
            .post(format!("{}/v3/auth/tokens", running.url))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 201);
        answer.headers()["x-subject-token"]
            .to_str()
            .unwrap()
            .to_owned()
    }

    async fn call(
        &self,
        running: &Running,
        http: &reqwest::Client,
        token: &str,
        call: &str,
        body: Value,
    ) -> Result<Value, ()> {
        let answer = http
            .post(format!("{}/v1.0/{}/kms/{call}", running.url, self.project))
            .header("X-Auth-Token", token)
            .json(&body)
            .send()
            .await
            .map_err(|_| ())?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|_| ())?;
        assert_eq!(status, 200, "{body}");
        Ok(body)
    }
}

async fn kill_9_loses_no_acknowledged_change(db: Db) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (deployment, mut running) = Deployment::begin(db).await;
    let mut acknowledged = Vec::new();
    for kill in 0..KILLS {
        let token = deployment.log_in(&running, &http).await;
        let mut tasks = Vec::new();
        for worker in 0..4 {
            let (http, token) = (http.clone(), token.clone());
            let url = format!("{}/v1.0/{}/kms/create-key", running.url, deployment.project);
            tasks.push(actix_web::rt::spawn(async move {
                let mut made = Vec::new();
                for at in 0.. {
                    let name = format!("k{kill}-{worker}-{at}");
                    let sent = http
                        .post(&url)
                        .header("X-Auth-Token", &token)
                        .json(&json!({ "key_alias": name }))
                        .send()
                        .await;
                    // Only a whole answer is an acknowledgement.
                    let Ok(answer) = sent else { break };
                    let Ok(body) = answer.json::<Value>().await else {
                        break;
                    };
                    made.push((
                        name,
                        body["key_info"]["key_id"].as_str().unwrap().to_owned(),
                    ));
                }
                made
            }));
        }
        // Somewhere in the middle of the work, elsewhere each time.
        tokio::time::sleep(Duration::from_millis(120 + u64::from(kill) * 37)).await;
        running.process.kill();
        for task in tasks {
            acknowledged.extend(task.await.unwrap());
        }
        running = deployment.again();
    }
    assert!(acknowledged.len() > 20, "too few changes to mean anything");
    let token = deployment.log_in(&running, &http).await;
    for (name, key) in &acknowledged {
        let body = json!({ "key_id": key });
        let found = deployment
            .call(&running, &http, &token, "describe-key", body)
            .await;
        let found = found.expect("kmsd answers");
        assert_eq!(found["key_info"]["key_alias"], name.as_str());
    }
    println!(
        "{db:?}: {KILLS} kills, {} acknowledged changes, none lost",
        acknowledged.len()
    );
    assert_eq!(running.process.terminate(), Some(0));
}

/// A key with imported material, and what was last acknowledged of it.
struct Imported {
    body: Value,
    blob: String,
    is_there: bool,
    /// Whether a change was asked for that was not acknowledged.
    is_open: bool,
}

/// Material is imported and dropped again and again, with the one token; kmsd is killed meanwhile.
/// Afterwards each key is as it was acknowledged last, or as was asked for last: the key, its
/// material and what is remembered of it agree (I-33).
async fn kill_9_leaves_imported_material_whole_or_gone(db: Db) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (deployment, mut running) = Deployment::begin(db).await;
    let deployment = Arc::new(deployment);
    let token = deployment.log_in(&running, &http).await;
    let mut keys = Vec::new();
    for at in 0..4 {
        let call = async |name: &str, body: Value| {
            let answered = deployment.call(&running, &http, &token, name, body).await;
            answered.expect("kmsd answers")
        };
        let body = json!({ "key_alias": format!("mine-{at}"), "origin": "external" });
        let key = call("create-key", body).await["key_info"]["key_id"].clone();
        let body = json!({ "key_id": key, "wrapping_algorithm": OAEP });
        let given = call("get-parameters-for-import", body).await;
        let body = json!({
            "key_id": key,
            "import_token": given["import_token"],
            "encrypted_key_material": wrapped(&given, OAEP, &FIRST, Env::real().entropy()),
        });
        call("import-key-material", body.clone()).await;
        let made = call("encrypt-data", json!({ "key_id": key, "plain_text": "x" })).await;
        keys.push(Imported {
            body,
            blob: made["cipher_text"].as_str().unwrap().to_owned(),
            is_there: true,
            is_open: false,
        });
    }
    let mut changes = 0;
    for kill in 0..KILLS {
        let url = running.url.clone();
        let mut tasks = Vec::new();
        for mut key in std::mem::take(&mut keys) {
            let (http, token, url) = (http.clone(), token.clone(), url.clone());
            let project = deployment.project.clone();
            tasks.push(actix_web::rt::spawn(async move {
                let mut made = 0;
                loop {
                    let call = match key.is_there {
                        true => "delete-imported-key-material",
                        false => "import-key-material",
                    };
                    key.is_open = true;
                    let sent = http
                        .post(format!("{url}/v1.0/{project}/kms/{call}"))
                        .header("X-Auth-Token", &token)
                        .json(&key.body)
                        .send()
                        .await;
                    let Ok(answer) = sent else { break };
                    let status = answer.status();
                    let Ok(said) = answer.json::<Value>().await else {
                        break;
                    };
                    assert_eq!(status, 200, "{said}");
                    key.is_there = !key.is_there;
                    key.is_open = false;
                    made += 1;
                }
                (key, made)
            }));
        }
        tokio::time::sleep(Duration::from_millis(150 + u64::from(kill) * 41)).await;
        running.process.kill();
        for task in tasks {
            let (key, made) = task.await.unwrap();
            changes += made;
            keys.push(key);
        }
        running = deployment.again();
        for key in &mut keys {
            let call = async |name: &str, body: Value| {
                let answered = deployment.call(&running, &http, &token, name, body).await;
                answered.expect("kmsd answers")
            };
            let named = json!({ "key_id": key.body["key_id"] });
            let found = call("describe-key", named.clone()).await;
            let is_there = found["key_info"]["key_state"] == "2";
            assert!(key.is_open || is_there == key.is_there, "{found}");
            let materials = call("get-key-rotation-status", named).await;
            let count = materials["key_materials"].as_array().unwrap().len();
            assert_eq!(count, usize::from(is_there));
            if !is_there {
                call("import-key-material", key.body.clone()).await;
            }
            call("decrypt-data", json!({ "cipher_text": key.blob })).await;
            key.is_there = true;
            key.is_open = false;
        }
    }
    assert!(changes > 20, "too few changes to mean anything");
    println!("{db:?}: {KILLS} kills, {changes} imports and drops, none by halves");
    assert_eq!(running.process.terminate(), Some(0));
}

async fn a_second_start_finds_everything_as_it_was(db: Db) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (deployment, mut running) = Deployment::begin(db).await;
    let token = deployment.log_in(&running, &http).await;
    let made = deployment
        .call(
            &running,
            &http,
            &token,
            "create-key",
            json!({ "key_alias": "kept" }),
        )
        .await
        .unwrap();
    let named = json!({ "key_id": made["key_info"]["key_id"] });
    let before = deployment
        .call(&running, &http, &token, "describe-key", named.clone())
        .await
        .unwrap();
    assert_eq!(running.process.terminate(), Some(0));
    let mut running = deployment.again();
    // The token outlives the process: its key is in the database.
    let after = deployment
        .call(&running, &http, &token, "describe-key", named)
        .await
        .unwrap();
    assert_eq!(before, after);
    assert_eq!(running.process.terminate(), Some(0));
}
