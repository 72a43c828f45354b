//! A kmsd of one's own for every test: own port, own database, a clock that only the test moves,
//! entropy that repeats. Everything goes over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use kmsd::config::{Config, Flags};
use kmsd::crypto::hash::sha256;
use kmsd::crypto::secret::Secret;
use kmsd::env::{Clock, Entropy, Env};
use kmsd::kms::{Context, Kms, Purpose};
use kmsd::model::action::Action;
use kmsd::model::audit::Record;
use kmsd::model::caller::{Caller, Credential, Scope};
use kmsd::model::grant::{Grant, GrantOperation, Grantee, Vouched};
use kmsd::model::identity::{Project, Role};
use kmsd::model::ids::{DisplayName, GrantId, KeyId, Region, UserId};
use kmsd::model::key::Key;
use kmsd::model::time::Timestamp;
use kmsd::operations::identity::manage::{self, NewAccessKey, NewAccount};
use kmsd::server::Server;
use kmsd::store::{Sealed, Write};
use serde_json::{Value, json};

pub mod aws;
pub mod calls;
pub mod enclave;
pub mod imports;
pub mod keyspace;
pub mod openapi;
pub mod pages;
pub mod process;
pub mod raw;
mod seen;
pub mod signing;
pub mod softhsm;

/// The database under a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Db {
    Sqlite,
    Postgres,
}

/// Declares tests that run on both databases, from `async fn name(db: Db)`.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                $crate::support::run(super::$name($crate::support::Db::Sqlite));
            })*
        }
        mod postgres {
            $(#[test]
            fn $name() {
                $crate::support::run(super::$name($crate::support::Db::Postgres));
            })*
        }
    };
}
pub(crate) use on_both;

/// Runs a test to its end.
pub fn run(test: impl Future<Output = ()>) {
    actix_web::rt::System::new().block_on(test);
}

/// When every test begins: 2026-01-02T03:04:05Z.
pub const START: Timestamp = Timestamp::from_seconds(1_767_323_045);

/// A clock that stands still until it is moved.
#[derive(Default)]
pub struct TestClock {
    wall: AtomicI64,
    monotonic: AtomicU64,
}

impl TestClock {
    /// Time passes.
    pub fn advance(&self, by: Duration) {
        self.leap(by);
        let millis = u64::try_from(by.as_millis()).unwrap();
        self.monotonic.fetch_add(millis, Ordering::SeqCst);
    }

    /// Days of 24 hours pass.
    pub fn advance_days(&self, days: u32) {
        self.advance(Duration::from_secs(u64::from(days) * 86_400));
    }

    /// The wall clock leaps forward, and no time has passed.
    pub fn leap(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap();
        self.wall.fetch_add(millis, Ordering::SeqCst);
    }

    /// The wall clock is put back.
    pub fn fall_back(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap();
        self.wall.fetch_sub(millis, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(START.millis() + self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic.load(Ordering::SeqCst))
    }
}

/// A stream of SHA-256 values over a counter: the same in every run.
#[derive(Default)]
struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let count = self.0.fetch_add(1, Ordering::SeqCst);
            chunk.copy_from_slice(&sha256(&count.to_be_bytes())[..chunk.len()]);
        }
    }
}

/// What a test wants otherwise than usual.
pub struct Setup {
    pub db: Db,
    /// Settings by their names.
    pub values: Vec<(&'static str, String)>,
    /// Settings that are more than one word, as a file says them.
    pub file: Option<&'static str>,
}

impl From<Db> for Setup {
    fn from(db: Db) -> Self {
        Self {
            db,
            values: Vec::new(),
            file: None,
        }
    }
}

impl Setup {
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.values.push((name, value.to_owned()));
        self
    }
}

/// Somebody who can be asked for: a user with one role in one project.
#[derive(Clone)]
pub struct Account {
    pub domain: String,
    pub user: String,
    pub password: String,
    pub project: Project,
    pub access_key: String,
    pub secret_key: String,
}

/// A kmsd that answers.
pub struct TestServer {
    pub kms: Arc<Kms>,
    pub clock: Arc<TestClock>,
    pub account: Account,
    pub address: SocketAddr,
    pub token: String,
    http: reqwest::Client,
    server: Server,
    folder: tempfile::TempDir,
    database: String,
}

/// An answer, read to its end and held against openapi.yaml.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", self.status, self.text))
    }

    /// The status and, of a refusal, its code.
    pub fn verdict(&self) -> (u16, String) {
        let body: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let code = body["error"]["error_code"].as_str().unwrap_or_default();
        (self.status, code.to_owned())
    }

    /// Fails unless it is this refusal; gives the sentence.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> String {
        assert_eq!(self.verdict(), (status, code.to_owned()), "{}", self.text);
        let body = self.json();
        body["error"]["error_msg"].as_str().unwrap().to_owned()
    }

    /// Fails unless it has this status; gives the body, `Null` when there is none.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// Fails unless it is a success; gives the body, `Null` when there is none.
    #[track_caller]
    pub fn done(&self) -> Value {
        assert!((200..300).contains(&self.status), "{}", self.text);
        self.ok(self.status)
    }

    /// The text of a header, empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl TestServer {
    pub async fn start(setup: impl Into<Setup>) -> Self {
        let setup = setup.into();
        let folder = tempfile::tempdir().unwrap();
        let url = match setup.db {
            Db::Sqlite => format!("sqlite:{}", folder.path().join("data/kmsd.db").display()),
            Db::Postgres => new_postgres_database().await,
        };
        Self::open(setup, folder, url).await
    }

    async fn open(setup: Setup, folder: tempfile::TempDir, url: String) -> Self {
        let clock = Arc::new(TestClock::default());
        let env = Env::new(clock.clone(), Arc::new(Seeded::default()));
        let kms = open_kms(&setup, folder.path(), &url, env).await;
        manage::ensure_token_key(&kms).await.unwrap();
        let account = add_account(&kms, "acme", "alice").await;
        let server = Server::start(kms.clone()).unwrap();
        let mut this = Self {
            address: server.address,
            kms,
            clock,
            account,
            token: String::new(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            server,
            folder,
            database: url,
        };
        this.token = this.log_in(&this.account).await;
        this
    }

    /// Where operators read metrics, if the setup says so.
    pub fn operators_address(&self) -> Option<SocketAddr> {
        self.server.operators_address
    }

    /// Where everything that is not in the database is.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Stops it in order.
    pub async fn stop(self) {
        self.server.stop().await;
        self.kms.store().close().await;
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The path of a call on keys, in the first account's project.
    pub fn kms_path(&self, call: &str) -> String {
        format!("/v1.0/{}/kms/{call}", self.account.project.id)
    }

    /// A request that the test finishes and sends with [`Self::send`].
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), self.url(path))
    }

    /// Sends a request; whatever comes back must fit openapi.yaml.
    #[track_caller]
    pub fn send(&self, request: reqwest::RequestBuilder) -> impl Future<Output = Answer> + use<> {
        let http = self.http.clone();
        let request = request.build().unwrap();
        async move {
            let method = request.method().to_string();
            let path = request.url().path().to_owned();
            let answer = http.execute(request).await.unwrap();
            let answer = Answer {
                status: answer.status().as_u16(),
                headers: answer.headers().clone(),
                text: answer.text().await.unwrap(),
            };
            openapi::check_answer(&method, &path, &answer);
            seen::note(&method, &path, &answer);
            answer
        }
    }

    /// A call on keys by the first account's token.
    pub async fn call(&self, call: &str, body: Value) -> Answer {
        self.call_as(&self.token, call, body).await
    }

    /// A call on keys in the first account's project by any token.
    pub async fn call_as(&self, token: &str, call: &str, body: Value) -> Answer {
        self.call_in(self.account.project.id.as_str(), token, call, body)
            .await
    }

    /// A call on keys by the first account, in one of the regions.
    pub async fn call_at(&self, region: &str, call: &str, body: Value) -> Answer {
        let spelled = calls::spell(self.account.project.id.as_str(), call, body);
        let mut request = self
            .request(&spelled.method, &spelled.path)
            .header("Host", format!("kms.{region}.example.test"))
            .header("X-Auth-Token", &self.token)
            .header("Content-Type", "application/json");
        if let Some(body) = spelled.body {
            request = request.body(body.to_string());
        }
        self.send(request).await
    }

    /// A call on keys in any project by any token.
    pub async fn call_in(&self, project: &str, token: &str, call: &str, body: Value) -> Answer {
        let spelled = calls::spell(project, call, body);
        let mut request = self
            .request(&spelled.method, &spelled.path)
            .header("X-Auth-Token", token)
            .header("Content-Type", "application/json");
        if let Some(body) = spelled.body {
            request = request.body(body.to_string());
        }
        self.send(request).await
    }

    /// Makes a key of this name and more members; gives its id.
    pub async fn create(&self, name: &str, more: Value) -> String {
        let mut body = json!({ "key_alias": name });
        for (member, value) in more.as_object().cloned().unwrap_or_default() {
            body[member] = value;
        }
        let made = self.call("create-key", body).await.ok(200);
        made["key_info"]["key_id"].as_str().unwrap().to_owned()
    }

    /// Makes a key and drives it into a state, told by its number.
    pub async fn key_in(&self, state: &str, name: &str) -> String {
        let origin = if state == "5" { "external" } else { "kms" };
        let key = self.create(name, json!({ "origin": origin })).await;
        self.drive(&key, state).await;
        key
    }

    /// Drives an enabled key, or one without material, into a state.
    async fn drive(&self, key: &str, state: &str) {
        let named = json!({ "key_id": key });
        match state {
            "2" | "5" => {}
            "3" => drop(self.call("disable-key", named).await.ok(200)),
            "4" => {
                let body = json!({ "key_id": key, "pending_days": 7 });
                self.call("schedule-key-deletion", body).await.ok(200);
            }
            other => panic!("no call leads to state {other}"),
        }
        assert_eq!(self.state(key).await, state);
    }

    /// Makes a key that can do what a call asks for, in a state.
    pub async fn key_for(&self, call: &calls::KeyCall, state: &str, name: &str) -> String {
        // Calls give their names, which are not always names of keys.
        let name = &name.replace([' ', '{', '}'], "_");
        if call.spec == "AES_256 external" {
            let key = match state {
                "5" => self.create(name, json!({ "origin": "external" })).await,
                _ => self.external(name).await,
            };
            self.drive(&key, state).await;
            return key;
        }
        if state == "5" || call.spec == "AES_256" {
            return self.key_in(state, name).await;
        }
        let key = self.create(name, calls::spec_members(call.spec)).await;
        self.drive(&key, state).await;
        key
    }

    /// The body of a call on an enabled key; a ciphertext in it opens.
    pub async fn body_for(&self, call: &calls::KeyCall, key: &str) -> Value {
        let mut body = (call.body)(key);
        let made = match call.name {
            "DELETE {key_id}/tags/{key}" => {
                let tag = json!({ "key_id": key, "tag": { "key": body["key"] } });
                self.call("{key_id}/tags", tag).await.ok(204);
                return body;
            }
            "alias/associate" => {
                let holder = self.create(&format!("holder-{key}"), json!({})).await;
                let alias = json!({ "key_id": holder, "alias": body["alias"] });
                self.call("aliases", alias).await.ok(201);
                return body;
            }
            "DELETE aliases" => {
                // A key that is leaving takes no alias, but it keeps those that it has.
                let leaving = self.state(key).await == "4";
                let named = json!({ "key_id": key });
                if leaving {
                    self.call("cancel-key-deletion", named).await.ok(200);
                }
                let alias = json!({ "key_id": key, "alias": body["aliases"][0] });
                self.call("aliases", alias).await.ok(201);
                if leaving {
                    self.drive(key, "4").await;
                }
                return body;
            }
            "decrypt-data" | "re-encrypt" => {
                {
                    self.call(
                        "encrypt-data",
                        json!({ "key_id": key, "plain_text": "secret" }),
                    )
                }
                .await
            }
            "decrypt-datakey" => self.call("create-datakey", json!({ "key_id": key })).await,
            name if name.contains(calls::KEYSTORES) => {
                self.give_up_keystores().await;
                if name != calls::KEYSTORES {
                    let made = self.create_keystore(calls::CLUSTER, "hsm-a").await;
                    if let Some(id) = body.get_mut("keystore_id") {
                        *id = json!(made);
                    }
                }
                return body;
            }
            calls::REPLICATE => {
                body["replica_project_id"] = json!(self.account.project.id);
                return body;
            }
            calls::UPDATE_PRIMARY => {
                let mut copy = (calls::of(Action::ReplicateKey).body)(key);
                copy["replica_project_id"] = json!(self.account.project.id);
                self.call(calls::REPLICATE, copy).await;
                return body;
            }
            "revoke-grant" | "retire-grant" => {
                body["grant_id"] = json!(self.plant_grant(key).await);
                return body;
            }
            "import-key-material" => {
                let fits = self.import_body(key, &imports::FURTHER).await;
                return fits.unwrap_or(body);
            }
            "rotate-on-demand" => {
                if self.state(key).await == "2" {
                    self.import(key, &imports::FURTHER, json!({})).await.ok(200);
                }
                return body;
            }
            "update-key-rotation-interval" | "disable-key-rotation" => {
                self.call("enable-key-rotation", json!({ "key_id": key }))
                    .await;
                return body;
            }
            "datakey-capsule/create" => {
                let point = keyspace::Custom::create(self).await;
                body["key_policy"] = json!(calls::policy_for(&point.id));
                return body;
            }
            "datakey-capsule/decrypt" => {
                let point = keyspace::Custom::create(self).await;
                let policy = calls::policy_for(&point.id);
                let members =
                    json!({ "key_id": key, "datakey_length": "256", "key_policy": policy });
                let made = self.call("datakey-capsule/create", members).await;
                if made.status == 200 {
                    return point.opening(key, &made.json()["datakey_capsule"], None);
                }
                return body;
            }
            name if name.contains("{access_point_id}") => {
                body["access_point_id"] = json!(keyspace::Custom::create(self).await.id);
                return body;
            }
            name if name.contains("{policy_id}") => {
                let policy = json!({ "version": "1.0" }).to_string();
                body["policy_id"] = json!(keyspace::create_policy(self, &policy).await);
                return body;
            }
            _ => return body,
        };
        if made.status == 200 {
            body["cipher_text"] = made.json()["cipher_text"].clone();
        }
        body
    }

    /// Makes a keystore of a cluster; gives its id.
    pub async fn create_keystore(&self, cluster: &str, name: &str) -> String {
        let body = json!({
            "keystore_alias": name,
            "hsm_cluster_id": cluster,
            "hsm_ca_cert": calls::CLUSTER_CA,
        });
        let made = self.call(calls::KEYSTORES, body).await.ok(200);
        made["keystore"]["keystore_id"].as_str().unwrap().to_owned()
    }

    /// Deletes every keystore, so that the clusters are free.
    async fn give_up_keystores(&self) {
        let path = "GET /v1.0/{project_id}/keystores";
        let listed = self.call(path, json!({})).await.ok(200);
        for keystore in listed["keystores"].as_array().unwrap() {
            let path = "DELETE /v1.0/{project_id}/keystores/{keystore_id}";
            let named = json!({ "keystore_id": keystore["keystore_id"] });
            self.call(path, named).await.ok(204);
        }
    }

    /// A grant to nobody on a key in any state, put there behind the API's back: a key gets grants
    /// while it is enabled, and keeps them in states in which it gets none.
    pub async fn plant_grant(&self, key: &str) -> String {
        let sealing = self.kms.project_key(&self.account.project.id).await;
        self.plant_grant_to(calls::GRANTEE, key, sealing.unwrap().row())
            .await
    }

    /// The same to a user, sealed by any key.
    pub async fn plant_grant_to(&self, user: &str, key: &str, sealing: &Secret) -> String {
        let project = &self.account.project.id;
        let region = Region::parse("home-region-1").unwrap();
        let key = KeyId::parse(key).unwrap();
        let found = self.kms.store().find_key(project, &region, &key).await;
        let key_revision = found.unwrap().unwrap().peek().revision;
        let user = Vouched {
            id: UserId::parse(user).unwrap(),
            authority: String::new(),
        };
        let id = GrantId::from_random(self.kms.env().random());
        let grant = Grant {
            project: project.clone(),
            region,
            key,
            id: id.clone(),
            name: None,
            grantee: Grantee::User(user.clone()),
            operations: vec![GrantOperation::Encrypt],
            constraints: None,
            retirer: None,
            issuer: user,
            created_at: START,
        };
        let write = Write::InsertGrant {
            grant: Box::new(Sealed::new(grant, sealing)),
            key_revision,
            quota: 100,
        };
        let (_, record) = self.kms.store().newest_records(1).await.unwrap().remove(0);
        self.kms.store().commit(vec![write], record).await.unwrap();
        id.to_string()
    }

    /// The state that describe-key tells.
    pub async fn state(&self, key: &str) -> String {
        let found = self
            .call("describe-key", json!({ "key_id": key }))
            .await
            .ok(200);
        found["key_info"]["key_state"].as_str().unwrap().to_owned()
    }

    /// A key's row, as it stands.
    pub async fn row(&self, key: &str) -> Key {
        let project = &self.account.project.id;
        let region = self.kms.config().home_region();
        let id = KeyId::parse(key).unwrap();
        let row = self.kms.store().find_key(project, region, &id).await;
        let sealing = self.kms.project_key(project).await.unwrap();
        row.unwrap().unwrap().open(sealing.row()).unwrap()
    }

    /// Changes a key's row as no call does; its seal fits.
    pub async fn alter(&self, key: &str, change: impl FnOnce(&mut Key)) {
        let mut key = self.row(key).await;
        change(&mut key);
        let write = self.kms.saved(&mut key).await.unwrap();
        self.write(vec![write]).await;
    }

    /// Writes to the database behind the back of every call.
    pub async fn write(&self, writes: Vec<Write>) {
        let by_the_test = Record::of_refusal(
            self.kms.now(),
            String::new(),
            None,
            String::new(),
            "by-the-test",
            String::new(),
        );
        self.kms.commit(writes, by_the_test).await.unwrap();
    }

    /// A call by an administrator of the first account's project that no route leads to.
    pub fn context(&self, action: Action) -> Context {
        let name = DisplayName::parse(self.account.user.as_str()).unwrap();
        let project = self.account.project.clone();
        let caller = Caller {
            credential: Credential::Token("none".into()),
            user: UserId::parse(self.account.user.as_str()).unwrap(),
            user_name: name.clone(),
            domain: project.domain.clone(),
            domain_name: name.clone(),
            scope: Scope::Project(Box::new(project), Box::new(name)),
            roles: vec![Role::KmsAdministrator],
            access_key: None,
            issued_at: START,
            expires_at: None,
            address: None,
            over_tls: false,
        };
        Context::new(
            self.kms.clone(),
            Arc::new(caller),
            action,
            self.kms.config().home_region().clone(),
            self.kms.now(),
        )
    }

    /// A project token of an account.
    pub async fn log_in(&self, account: &Account) -> String {
        let answer = self.try_log_in(password_login(account)).await;
        answer.ok(201);
        answer.header("x-subject-token").to_owned()
    }

    /// Days pass, and the first account's token is a new one: the old one has ended.
    pub async fn pass_days(&mut self, days: u32) {
        self.clock.advance_days(days);
        self.token = self.log_in(&self.account).await;
    }

    pub async fn try_log_in(&self, body: Value) -> Answer {
        let request = self.request("POST", "/v3/auth/tokens").json(&body);
        self.send(request).await
    }

    /// Another account, with its project and access key.
    pub async fn another_account(&self, domain: &str) -> Account {
        add_account(&self.kms, domain, "bob").await
    }

    /// A user of the first account's domain with one role in its project; gives a token.
    pub async fn token_with_role(&self, user: &str, role: Option<Role>) -> Account {
        let name = DisplayName::parse(user).unwrap();
        let password = format!("password of {user}");
        let secret = Secret::from_slice(password.as_bytes());
        let domain = &self.account.domain;
        manage::add_user(&self.kms, domain, name, secret)
            .await
            .unwrap();
        if let Some(role) = role {
            let project = self.account.project.name.as_str();
            manage::set_role(&self.kms, domain, user, project, role, true)
                .await
                .unwrap();
        }
        Account {
            domain: domain.clone(),
            user: user.to_owned(),
            password,
            project: self.account.project.clone(),
            access_key: String::new(),
            secret_key: String::new(),
        }
    }

    /// Does something to the database behind kmsd's back.
    pub async fn execute(&self, sql: &str) {
        use sqlx::Connection;
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        if self.database.starts_with("sqlite:") {
            let mut db = sqlx::SqliteConnection::connect(&self.database)
                .await
                .unwrap();
            sqlx::query(sql).execute(&mut db).await.unwrap();
        } else {
            let mut db = sqlx::PgConnection::connect(&self.database).await.unwrap();
            sqlx::query(sql).execute(&mut db).await.unwrap();
        }
    }

    /// Every audit record, the oldest first.
    pub async fn records(&self) -> Vec<Record> {
        let records = self.kms.store().newest_records(100_000).await.unwrap();
        records.into_iter().map(|(_, record)| record).collect()
    }
}

/// Opens a kmsd on a database, as often as one likes.
pub async fn open_kms(setup: &Setup, folder: &std::path::Path, url: &str, env: Env) -> Arc<Kms> {
    let mut values = vec![
        ("listen", "127.0.0.1:0".to_owned()),
        ("operators_listen", "off".to_owned()),
        ("data_dir", folder.join("data").display().to_string()),
        ("database_url", url.to_owned()),
        ("database_connections", "4".to_owned()),
        ("workers", "1".to_owned()),
        ("regions", "home-region-1,region-2".to_owned()),
    ];
    values.extend(setup.values.iter().cloned());
    let pin = write_private(&folder.join("pin"), "1234");
    // A table, so it stands behind what the test says.
    let text = format!(
        "{}\n[[hsm_clusters]]\nid = {:?}\nmodule = \"/nowhere/pkcs11.so\"\n\
         token_label = \"nobody\"\npin_file = {pin:?}\n",
        setup.file.unwrap_or_default(),
        calls::CLUSTER,
    );
    let file = Some(write_private(&folder.join("kmsd.toml"), &text));
    let flags = Flags { file, values };
    let config = Config::read(&flags).unwrap_or_else(|faults| panic!("{faults}"));
    let (kms, _) = Kms::open(config, env, Purpose::Operate).await.unwrap();
    Arc::new(kms)
}

/// Writes a file that nobody else may read.
pub fn write_private(path: &std::path::Path, text: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.to_owned()
}

pub async fn add_account(kms: &Arc<Kms>, domain: &str, user: &str) -> Account {
    let password = format!("password of {user}");
    let access_key = format!("TESTACCESSKEY{:0>12}", sum(domain));
    let secret_key = format!("secret key of {user} in {domain}");
    let project = manage::add_account(
        kms,
        NewAccount {
            domain: DisplayName::parse(domain).unwrap(),
            project: DisplayName::parse("home-region-1").unwrap(),
            project_id: None,
            account: None,
            user: DisplayName::parse(user).unwrap(),
            password: Secret::from_slice(password.as_bytes()),
            access_key: Some(NewAccessKey {
                id: kmsd::model::ids::AccessKeyId::parse(access_key.as_str()).unwrap(),
                secret: Secret::from_slice(secret_key.as_bytes()),
            }),
        },
    )
    .await
    .unwrap();
    Account {
        domain: domain.to_owned(),
        user: user.to_owned(),
        password,
        project,
        access_key,
        secret_key,
    }
}

/// The body that logs an account in, for its project.
pub fn password_login(account: &Account) -> Value {
    json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": {
            "name": account.user,
            "password": account.password,
            "domain": { "name": account.domain },
        }}},
        "scope": { "project": {
            "name": account.project.name,
            "domain": { "name": account.domain },
        }},
    }})
}

fn sum(text: &str) -> u64 {
    text.bytes()
        .fold(7, |sum: u64, byte| sum * 31 % 999_999_999 + u64::from(byte))
}

/// A database of one's own in the server that the test command started.
pub async fn new_postgres_database() -> String {
    use sqlx::Connection;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let server = std::env::var("DATABASE_URL").unwrap_or_else(|_| {
        panic!("tests on PostgreSQL need DATABASE_URL: run scripts/test, which starts a server")
    });
    let name = format!(
        "t{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::SeqCst)
    );
    let mut admin = sqlx::PgConnection::connect(&server).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    sqlx::query(sqlx::AssertSqlSafe(create))
        .execute(&mut admin)
        .await
        .unwrap();
    admin.close().await.unwrap();
    // postgres:///postgres?host=… becomes postgres:///t1_0?host=…
    let (before, after) = server.split_once('?').unwrap_or((&server, ""));
    let (base, _) = before.rsplit_once('/').unwrap();
    format!("{base}/{name}?{after}")
}
