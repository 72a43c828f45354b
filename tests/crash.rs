//! kill -9 at any moment loses no change that was acknowledged (I-36), on both databases.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::{Process, kmsd};
use crate::support::{Db, new_postgres_database, on_both};

on_both!(
    kill_9_loses_no_acknowledged_change,
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
