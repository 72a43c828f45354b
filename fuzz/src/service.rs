//! The whole service, asked without a socket: a request goes in as bytes, its answer is looked at.
//!
//! An input is a request as HTTP/1.1 writes it, with ends of lines as Unix has them: the method and
//! the target, a line for each header, an empty line, the body. A target that does not begin with a
//! slash stands for one of the table's rows, chosen by the first line; so rows that come later are
//! found without a change here. Words such as `$PROJECT`, `$AES` (a key, see [`KEYS`]), `$TOKEN` and
//! `$PASSWORD` are replaced by what they stand for.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, Uri};
use actix_web::rt::{System, SystemRunner};
use actix_web::web::Bytes;
use actix_web::{App, test};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use kmsd::aws;
use kmsd::config::{Config, Flags};
use kmsd::crypto::hash::{hmac_sha256, sha256_hex};
use kmsd::crypto::secret::Secret;
use kmsd::env::{Clock, Env};
use kmsd::huawei::routes::{Kind, Route, table};
use kmsd::kms::{Kms, Purpose};
use kmsd::model::action::Effect;
use kmsd::model::ids::{AccessKeyId, DisplayName};
use kmsd::model::time::Timestamp;
use kmsd::operations::identity::manage::{self, NewAccessKey, NewAccount};
use kmsd::operations::identity::tokens::keys;
use serde_json::{Value, json};

use super::crypto::Counted;

/// 2026-01-02T03:04:05Z, as in kmsd's other tests; the clock stands still.
pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_767_323_045);

const USER: &str = "alice";
const ACCESS_KEY: &str = "FUZZACCESSKEY0000001";

/// The keys that are there, and what create-key is told for each.
const KEYS: &[(&str, &str)] = &[
    ("$AES", r#"{"key_alias":"aes"}"#),
    ("$SM4", r#"{"key_alias":"sm4","key_spec":"SM4"}"#),
    ("$MAC", r#"{"key_alias":"mac","key_spec":"HMAC_256"}"#),
    ("$EC", r#"{"key_alias":"ec","key_spec":"EC_P256"}"#),
    (
        "$AGREE",
        r#"{"key_alias":"agree","key_spec":"EC_P256","key_usage":"KEY_AGREEMENT"}"#,
    ),
    (
        "$SM2",
        r#"{"key_alias":"sm2","key_spec":"SM2","key_usage":"ENCRYPT_DECRYPT"}"#,
    ),
    (
        "$RSA",
        r#"{"key_alias":"rsa","key_spec":"RSA_2048","key_usage":"ENCRYPT_DECRYPT"}"#,
    ),
    ("$EXTERNAL", r#"{"key_alias":"ext","origin":"external"}"#),
];

type Answering = std::pin::Pin<Box<dyn Future<Output = Answer>>>;

/// A kmsd with an account and keys.
struct World {
    kms: Arc<Kms>,
    ask: Box<dyn Fn(test::TestRequest) -> Answering>,
    /// What stands for what in an input.
    words: Vec<(&'static str, String)>,
    /// The token of the account.
    token: String,
    /// The secret of its access key.
    secret: String,
    folder: tempfile::TempDir,
}

/// What a request was answered.
struct Answer {
    status: u16,
    token: Option<String>,
    body: Bytes,
}

/// The data of a kmsd that is made once and copied for every world.
struct Template {
    files: Vec<(PathBuf, Vec<u8>)>,
    words: Vec<(&'static str, String)>,
    token: String,
    secret: String,
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// Time that stands still, and chance that repeats.
pub(super) fn env(start: u64) -> Env {
    Env::new(Arc::new(Still), Arc::new(Counted::from(start)))
}

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    // On a thread of its own, for the one that asks may be in the middle of a runtime.
    let made = std::thread::spawn(|| System::new().block_on(make_template()));
    made.join().unwrap()
});

thread_local! {
    // Ended by `close`, never by the end of the thread: what it holds needs other things of the
    // thread's to end well, and those may have gone before.
    static HERE: RefCell<ManuallyDrop<Option<(World, SystemRunner)>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
}

async fn make_template() -> Template {
    let folder = private_folder();
    let secret = hex::encode(Env::real().random::<20>());
    let (words, token) = (Vec::new(), String::new());
    let mut world = open(folder, env(1 << 32), words, token, secret).await;
    let kms = &world.kms;
    // Nobody can guess these: what gets in without them gets in wrongly.
    let real = Env::real();
    let password = hex::encode(real.random::<16>());
    let new = NewAccount {
        domain: DisplayName::parse("acme").unwrap(),
        project: DisplayName::parse("home-region-1").unwrap(),
        project_id: None,
        account: None,
        user: DisplayName::parse(USER).unwrap(),
        password: Secret::from_slice(password.as_bytes()),
        access_key: Some(NewAccessKey {
            id: AccessKeyId::parse(ACCESS_KEY).unwrap(),
            secret: Secret::from_slice(world.secret.as_bytes()),
        }),
    };
    manage::ensure_token_key(kms).await.unwrap();
    let project = manage::add_account(kms, new).await.unwrap();
    let user = &manage::users(kms).await.unwrap()[0];
    let signing = keys(kms).await.unwrap();
    world.words = vec![
        ("$PROJECT", project.id.to_string()),
        ("$DOMAIN", project.domain.to_string()),
        ("$USER", user.id.to_string()),
        ("$ISSUER", format!("kmsd/{}", kms.deployment_id())),
        ("$SIGNER", signing.signing_id.clone()),
        ("$PASSWORD", password),
    ];

    let login = json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": {
            "id": "$USER", "password": "$PASSWORD",
        }}},
        "scope": { "project": { "id": "$PROJECT" } },
    }});
    let answer = world.send("POST /v3/auth/tokens", &login.to_string()).await;
    world.token = answer.token.unwrap();
    world.words.push(("$TOKEN", world.token.clone()));
    for (word, asked) in KEYS {
        let path = "POST /v1.0/$PROJECT/kms/create-key";
        let made = world.send(path, asked).await.json();
        match made["key_info"]["key_id"].as_str() {
            Some(id) => world.words.push((word, id.to_owned())),
            // A build without the Chinese algorithms.
            None => assert!(word.starts_with("$SM"), "{word}: {made}"),
        }
    }
    for (word, key) in [("$BLOB", "$AES"), ("$RSABLOB", "$RSA")] {
        let mut asked = json!({ "key_id": key, "plain_text": "secret" });
        if key == "$RSA" {
            asked["encryption_algorithm"] = "RSAES_OAEP_SHA_256".into();
        }
        let path = "POST /v1.0/$PROJECT/kms/encrypt-data";
        let made = world.send(path, &asked.to_string()).await.json();
        let blob = made["cipher_text"].as_str().unwrap();
        world.words.push((word, blob.to_owned()));
    }
    // Longer words first, for some begin as others do.
    world
        .words
        .sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));

    world.kms.store().close().await;
    let files = std::fs::read_dir(world.folder.path()).unwrap();
    let files = files.map(|file| file.unwrap().path()).map(|path| {
        let bytes = std::fs::read(&path).unwrap();
        (PathBuf::from(path.file_name().unwrap()), bytes)
    });
    Template {
        files: files.collect(),
        words: world.words,
        token: world.token,
        secret: world.secret,
    }
}

/// A new world, as the template says.
async fn new_world() -> World {
    let folder = private_folder();
    for (name, bytes) in &TEMPLATE.files {
        let mut options = std::fs::OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(folder.path().join(name)).unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
    }
    let (words, token) = (TEMPLATE.words.clone(), TEMPLATE.token.clone());
    // Other chance than the template's, whose ids are taken.
    open(folder, env(2 << 32), words, token, TEMPLATE.secret.clone()).await
}

fn private_folder() -> tempfile::TempDir {
    let private = std::fs::Permissions::from_mode(0o700);
    let mut folder = tempfile::Builder::new();
    folder.permissions(private).tempdir().unwrap()
}

async fn open(
    folder: tempfile::TempDir,
    env: Env,
    words: Vec<(&'static str, String)>,
    token: String,
    secret: String,
) -> World {
    let kms = Arc::new(open_kms(folder.path(), env).await);
    let app = App::new().configure(kmsd::server::service(kms.clone()));
    let app = Rc::new(test::init_service(app).await);
    let ask = move |request: test::TestRequest| -> Answering {
        let app = app.clone();
        Box::pin(async move {
            let answer = test::call_service(&*app, request.to_request()).await;
            let token = answer.headers().get("x-subject-token");
            Answer {
                status: answer.status().as_u16(),
                token: token.and_then(|token| token.to_str().ok().map(str::to_owned)),
                body: test::read_body(answer).await,
            }
        })
    };
    World {
        kms,
        ask: Box::new(ask),
        words,
        token,
        secret,
        folder,
    }
}

async fn open_kms(folder: &Path, env: Env) -> Kms {
    let database = format!("sqlite:{}", folder.join("kmsd.db").display());
    let values = [
        ("operators_listen", "off"),
        ("data_dir", folder.to_str().unwrap()),
        ("database_url", &database),
        ("regions", "home-region-1,region-2"),
        ("log.level", "off"),
        // What is guessed here is guessed often.
        ("limits.refusals_per_minute", "0"),
    ];
    let flags = Flags {
        file: None,
        values: values
            .map(|(name, value)| (name, value.to_owned()))
            .to_vec(),
    };
    let config = Config::read(&flags).unwrap_or_else(|faults| panic!("{faults}"));
    let opened = Kms::open(config, env, Purpose::Operate).await;
    opened.unwrap_or_else(|error| panic!("{error}")).0
}

/// A request as an input describes it.
struct Asked {
    method: Method,
    target: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
}

impl World {
    /// Asks with the account's token.
    async fn send(&self, line: &str, body: &str) -> Answer {
        let input = format!("{line}\n\n{body}");
        let asked = self.read(input.as_bytes()).unwrap();
        self.ask(self.with_token(asked)).await
    }

    /// The request in an input; nothing when HTTP itself does not allow it.
    fn read(&self, input: &[u8]) -> Option<Asked> {
        let end = input.windows(2).position(|two| two == b"\n\n");
        let (head, body) = match end {
            Some(end) => (&input[..end], &input[end + 2..]),
            None => (input, &[][..]),
        };
        let mut lines = head.split(|byte| *byte == b'\n');
        let line = lines.next()?;
        let (method, target) = halves(line, b' ').unwrap_or((line, b""));
        let (method, target) = if target.starts_with(b"/") {
            (method, self.named(target))
        } else {
            let (method, target) = self.row_for(line, target);
            (method.as_bytes(), self.named(target.as_bytes()))
        };
        let headers = lines.map(|line| {
            let (name, value) = halves(line, b':')?;
            let value = self.named(value.trim_ascii());
            Some((
                HeaderName::from_bytes(name).ok()?,
                HeaderValue::from_bytes(&value).ok()?,
            ))
        });
        Some(Asked {
            method: Method::from_bytes(method).ok()?,
            target: Uri::try_from(target).ok()?,
            headers: headers.collect::<Option<_>>()?,
            body: self.named(body),
        })
    }

    /// A row of the table, for a line that names none. What the row's path leaves open, but for the
    /// project, is what stands in the line after the first space.
    fn row_for(&self, line: &[u8], rest: &[u8]) -> (&'static str, String) {
        let sum = line.iter().fold(7_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
        });
        let row = ROWS.with(|rows| {
            let row = &rows[sum % rows.len()];
            (row.method, row.path)
        });
        (row.0, filled(row.1, &String::from_utf8_lossy(rest)))
    }

    /// The same with every word replaced by what it stands for.
    fn named(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(byte) = rest.first() {
            let found = self
                .words
                .iter()
                .find(|(word, _)| *byte == b'$' && rest.starts_with(word.as_bytes()));
            match found {
                Some((word, meant)) => {
                    out.extend(meant.as_bytes());
                    rest = &rest[word.len()..];
                }
                None => {
                    out.push(*byte);
                    rest = &rest[1..];
                }
            }
        }
        out
    }

    /// With the account's token, unless it brings a credential.
    fn with_token(&self, mut asked: Asked) -> Asked {
        let brings = ["x-auth-token", "authorization"];
        if !asked
            .headers
            .iter()
            .any(|(name, _)| brings.contains(&name.as_str()))
        {
            let token = HeaderValue::from_str(&self.token).unwrap();
            asked
                .headers
                .push((HeaderName::from_static("x-auth-token"), token));
        }
        asked
    }

    /// With the account's signature, as AWS's clients make it, unless it brings a credential.
    fn with_signature(&self, mut asked: Asked) -> Asked {
        if asked
            .headers
            .iter()
            .any(|(name, _)| name == "authorization")
        {
            return asked;
        }
        let date = NOW.iso_basic();
        let scope = format!("{}/home-region-1/kms/aws4_request", &date[..8]);
        for (name, value) in [("host", "kms.example.org"), ("x-amz-date", &*date)] {
            if !asked.headers.iter().any(|(known, _)| known == name) {
                let value = HeaderValue::from_str(value).unwrap();
                asked.headers.push((HeaderName::from_static(name), value));
            }
        }
        let mut signed: Vec<(&str, String)> = asked
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
            .filter(|(name, _)| *name == "host" || name.starts_with("x-amz-"))
            .map(|(name, value)| (name, value.split_whitespace().collect::<Vec<_>>().join(" ")))
            .collect();
        signed.sort();
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = signed
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let body = sha256_hex(&asked.body);
        let canonical = format!("{}\n/\n\n{lines}\n{names}\n{body}", asked.method);
        let digest = sha256_hex(canonical.as_bytes());
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for link in scope.split('/') {
            key = hmac_sha256(&key, &[link.as_bytes()]).to_vec();
        }
        let signature = hex::encode(hmac_sha256(&key, &[text.as_bytes()]));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, \
             Signature={signature}"
        );
        let authorization = HeaderValue::from_str(&authorization).unwrap();
        asked
            .headers
            .push((HeaderName::from_static("authorization"), authorization));
        asked
    }

    /// Asks, and checks what must hold of every answer: no fault of ours, and every refusal has the
    /// form that clients read.
    async fn ask(&self, asked: Asked) -> Answer {
        let about = format!("{} {}", asked.method, asked.target);
        let is_aws = asked.is_aws();
        let mut request = test::TestRequest::with_uri(&asked.target.to_string())
            .method(asked.method)
            .peer_addr(SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 7)))
            .set_payload(asked.body);
        for header in asked.headers {
            request = request.append_header(header);
        }
        let answer = (self.ask)(request).await;
        assert!(
            answer.status < 500,
            "{about}: {} {:?}",
            answer.status,
            answer.body
        );
        if answer.status >= 400 {
            let told = answer.json();
            assert!(
                if is_aws {
                    answer.status == 400 && told["__type"].is_string()
                } else {
                    told["error"].is_object()
                },
                "{about}: {:?}",
                answer.body
            );
        }
        answer
    }
}

impl Asked {
    /// Whether it is one of AWS's dialect.
    fn is_aws(&self) -> bool {
        self.method == Method::POST && self.target.path() == "/"
    }

    /// Whether it asks for a change, in AWS's dialect.
    fn is_aws_change(&self) -> bool {
        let target = self
            .headers
            .iter()
            .find(|(name, _)| name == aws::routes::TARGET);
        let target = target.and_then(|(_, value)| value.to_str().ok());
        let name = target.and_then(|target| target.strip_prefix("TrentService."));
        self.is_aws()
            && aws::routes::table()
                .iter()
                .any(|row| Some(row.name) == name && row.action.effect() == Effect::Changes)
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What stands before the first such byte, and after it.
fn halves(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == at)?;
    Some((&text[..end], &text[end + 1..]))
}

thread_local! {
    static ROWS: Vec<Route> = table();
}

/// A row's path for the account's project, with something for all else that it leaves open.
fn filled(path: &str, open: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        "{project_id}" => "$PROJECT",
        one if one.starts_with('{') => open,
        fixed => fixed,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Whether an input is not a stranger's: it has what only the account's user can have.
fn is_told_a_secret(input: &[u8]) -> bool {
    let holds = |word: &[u8]| input.windows(word.len()).any(|part| part == word);
    holds(b"$TOKEN") || holds(b"$PASSWORD")
}

/// Whether a path is one of a row's.
fn is_path_of(row: &Route, path: &str) -> bool {
    let (mut row, mut path) = (row.path.split('/'), path.split('/'));
    loop {
        match (row.next(), path.next()) {
            (None, None) => return true,
            (Some(open), Some(_)) if open.starts_with('{') => {}
            (Some(fixed), Some(segment)) if fixed == segment => {}
            _ => return false,
        }
    }
}

/// Whether a path has a row of this sort, whatever the method.
fn has_row(path: &str, sort: impl Fn(&Kind) -> bool) -> bool {
    ROWS.with(|rows| {
        rows.iter()
            .any(|row| is_path_of(row, path) && sort(&row.kind))
    })
}

/// Does something in this thread's world, which is made anew if it says that something changed, so
/// that an input always meets the same one.
fn in_world(act: impl AsyncFnOnce(&World) -> bool) {
    HERE.with_borrow_mut(|here| {
        let (mut world, system) = here.take().unwrap_or_else(|| {
            let system = System::new();
            (system.block_on(new_world()), system)
        });
        if system.block_on(act(&world)) {
            system.block_on(world.kms.store().close());
            world = system.block_on(new_world());
        }
        **here = Some((world, system));
    });
}

/// Ends this thread's world, and removes its folder.
pub fn close() {
    if let Some((world, system)) = HERE.with_borrow_mut(|here| here.take()) {
        system.block_on(world.kms.store().close());
        drop(world);
    }
}

/// No request of somebody who has every right panics or gets a 5xx.
pub fn requests(input: &[u8]) {
    in_world(async |world| {
        let Some(asked) = world.read(input) else {
            return false;
        };
        let path = asked.target.path().to_owned();
        let changes = asked.is_aws_change();
        let asked = if asked.is_aws() {
            world.with_signature(asked)
        } else {
            world.with_token(asked)
        };
        let answer = world.ask(asked).await;
        answer.status < 300
            && (changes
                || has_row(&path, |kind| match kind {
                    Kind::Guarded(action, _) => action.effect() == Effect::Changes,
                    _ => false,
                }))
    });
}

/// Nobody is let in by a token or signature that is of their own making.
pub fn strangers(input: &[u8]) {
    in_world(async |world| {
        let Some(asked) = world.read(input) else {
            return false;
        };
        if is_told_a_secret(input) {
            return false;
        }
        let path = asked.target.path().to_owned();
        let is_aws = asked.is_aws();
        let answer = world.ask(asked).await;
        let open = !is_aws && has_row(&path, |kind| !matches!(kind, Kind::Guarded(..)));
        assert!(
            open || answer.status >= 400,
            "let in: {path} {:?}",
            answer.body
        );
        false
    });
}

/// No body of a login panics or gets a 5xx, and none gets a token without the password.
pub fn logins(input: &[u8]) {
    in_world(async |world| {
        let line = b"POST /v3/auth/tokens\n\n";
        let asked = world.read(&[line, input].concat()).unwrap();
        let answer = world.ask(asked).await;
        assert!(
            is_told_a_secret(input) || answer.status >= 400,
            "let in: {:?}",
            answer.body
        );
        false
    });
}

/// No token that was signed by kmsd's own key panics, whatever it says, and none is taken that is
/// not of this service and for this user. An input is the token's header, the end of a line and its
/// claims; without the end of a line it is the token itself.
pub fn tokens(input: &[u8]) {
    in_world(async |world| {
        if is_told_a_secret(input) {
            return false;
        }
        let input = world.named(input);
        let token = match halves(&input, b'\n') {
            None => input.clone(),
            Some((header, claims)) => {
                let signing = keys(&world.kms).await.unwrap();
                signed(header, claims, Algorithm::ES256, &signing.signing_key).into_bytes()
            }
        };
        let Ok(token) = HeaderValue::from_bytes(&token) else {
            return false;
        };
        let line = b"GET /v1.0/$PROJECT/kms/user-instances";
        let mut asked = world.read(line).unwrap();
        asked
            .headers
            .push((HeaderName::from_static("x-auth-token"), token));
        let answer = world.ask(asked).await;
        if answer.status < 400 {
            let (_, claims) = halves(&input, b'\n').expect("a token of the fuzzer's own");
            let claims: Value = serde_json::from_slice(claims).unwrap();
            for (claim, word) in [("iss", "$ISSUER"), ("aud", "$ISSUER"), ("sub", "$USER")] {
                let meant = world.named(word.as_bytes());
                assert_eq!(claims[claim].as_str().unwrap().as_bytes(), meant);
            }
            assert!(claims["exp"].as_i64().unwrap() > NOW.seconds());
        }
        false
    });
}

/// A JWT that says this.
pub(super) fn signed(header: &[u8], claims: &[u8], by: Algorithm, key: &EncodingKey) -> String {
    let (header, claims) = (
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims),
    );
    let said = format!("{header}.{claims}");
    let signature = jsonwebtoken::crypto::sign(said.as_bytes(), key, by).unwrap();
    format!("{said}.{signature}")
}

/// Every row of the table, with bodies that are none: what the kept inputs cannot know of rows that
/// come after them.
pub fn every_route() {
    let bodies = [
        "",
        "{}",
        "[]",
        "{",
        "\u{0}",
        r#"{"key_id":"$AES"}"#,
        r#"{"key_id":"$EC","key_id":"$EC"}"#,
        r#"{"key_id":["$AES"],"limit":{},"marker":-1}"#,
        r#"{"key_id":"$AES","limit":1e308,"sequence":"short"}"#,
        r#"{"key_id":"$AES","limit":"0","marker":"x","pending_days":"99999999999999999999"}"#,
    ];
    let deep = format!(r#"{{"key_id":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    let long = format!(r#"{{"key_id":"{}"}}"#, STANDARD.encode([7; 9000]));
    let rows = ROWS.with(|rows| {
        let rows = rows
            .iter()
            .map(|row| (row.method, filled(row.path, "$AES")));
        rows.collect::<Vec<_>>()
    });
    for (method, path) in rows {
        for body in bodies.into_iter().chain([&*deep, &*long]) {
            let input = format!("{method} {path}\n\n{body}");
            requests(input.as_bytes());
            strangers(input.as_bytes());
        }
    }
    let amz = [
        r#"{"KeyId":"$AES"}"#,
        r#"{"KeyId":["$AES"],"Limit":{},"Marker":-1}"#,
        r#"{"KeyId":"arn:aws:kms:home-region-1:1:key/$AES","Limit":1e308}"#,
        r#"{"KeyId":"arn::::::/","Marker":"x","PendingWindowInDays":99999999999999999999}"#,
        r#"{"KeyId":"$EC","Plaintext":"eA==","Message":"eA==","CiphertextBlob":"$BLOB"}"#,
    ];
    for row in aws::routes::table() {
        for body in bodies.into_iter().chain([&*deep, &*long]).chain(amz) {
            let input = format!("POST /\nx-amz-target: TrentService.{}\n\n{body}", row.name);
            requests(input.as_bytes());
            strangers(input.as_bytes());
        }
    }
}
