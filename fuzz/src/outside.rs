//! What outside authorities send: key sets, tokens, a Keystone's answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{LazyLock, Mutex, PoisonError};

use actix_web::rt::System;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use kmsd::crypto::material::{Material, MaterialKind};
use kmsd::crypto::secret::Secret;
use kmsd::outside::{
    Issuer, IssuerSettings, Keystone, KeystoneSettings, OutsideIdentity, claimed_issuer,
};
use serde_json::{Value, json};

use super::service::{NOW, env, signed};

const NAME: &str = "https://issuer.example";

/// The issuer's private key, PKCS#8: a fixed head (RFC 8410), then 32 bytes that everybody knows.
static PRIVATE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let head = "302e020100300506032b657004220420";
    let mut private = hex::decode(head).unwrap();
    private.extend([7; 32]);
    private
});

static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
    let key = Material::import(MaterialKind::Ed25519, Secret::from_slice(&PRIVATE));
    let public = key.and_then(|key| key.public_key_der());
    let public = public.unwrap_or_else(|error| panic!("{error}"));
    let x = URL_SAFE_NO_PAD.encode(&public[public.len() - 32..]);
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x});
    issuer(json!({ "keys": [jwk] }).to_string().as_bytes(), &["EdDSA"]).unwrap()
});

/// An issuer with these keys.
fn issuer(jwks: &[u8], algorithms: &[&str]) -> Result<Issuer, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(jwks).unwrap();
    let settings = json!({
        "name": "fuzz", "issuer": NAME, "audience": "kmsd", "jwks_file": file.path(),
        "algorithms": algorithms,
    });
    let settings: IssuerSettings = serde_json::from_value(settings).unwrap();
    Issuer::open(settings, &env(0))
}

/// Whose an issuer says a token is.
fn holder(issuer: &Issuer, token: &str) -> Option<OutsideIdentity> {
    let system = System::new();
    system.block_on(issuer.check(token, &env(0))).ok()
}

fn check_times(holder: &OutsideIdentity) {
    assert!(holder.expires_at > NOW && holder.expires_at > holder.issued_at);
}

/// No token of an issuer panics, whatever it says, and none is taken that is not of this issuer and
/// for kmsd. An input is the token's header, the end of a line and its claims; without the end of a
/// line it is the token itself.
pub fn issuers(input: &[u8]) {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
        let token = String::from_utf8_lossy(input);
        let _ = claimed_issuer(&token);
        assert_eq!(holder(&ISSUER, &token), None);
        return;
    };
    let (header, claims) = (&input[..end], &input[end + 1..]);
    let key = EncodingKey::from_ed_der(&PRIVATE);
    let token = signed(header, claims, Algorithm::EdDSA, &key);
    let Some(holder) = holder(&ISSUER, &token) else {
        return;
    };
    let said: Value = serde_json::from_slice(claims).unwrap();
    assert_eq!(claimed_issuer(&token).as_deref(), Some(NAME));
    assert_eq!(said["iss"], NAME);
    let audiences = said["aud"].as_array().cloned();
    let audiences = audiences.unwrap_or_else(|| vec![said["aud"].clone()]);
    assert!(audiences.contains(&json!("kmsd")));
    assert_eq!(said["sub"], holder.user_id.as_str());
    check_times(&holder);
}

/// A key set is taken or refused, and no key in it lets a token in that nobody signed.
pub fn jwks(input: &[u8]) {
    for (algorithms, signature) in [
        (&["ES256", "ES384"][..], 64),
        (&["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], 256),
        (&["EdDSA"], 64),
    ] {
        let issuer = match issuer(input, algorithms) {
            Ok(issuer) => issuer,
            Err(why) => {
                assert!(why.ends_with('.'), "{why}");
                return;
            }
        };
        let set: Value = serde_json::from_slice(input).unwrap();
        let listed = set["keys"].as_array().unwrap();
        let names = listed.iter().map(|key| key["kid"].as_str());
        for name in names.take(4).chain([None]) {
            for algorithm in algorithms {
                let mut header = json!({ "alg": algorithm });
                if let Some(name) = name {
                    header["kid"] = name.into();
                }
                let claims = json!({"iss": NAME, "aud": "kmsd"});
                let [header, claims] =
                    [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
                let signature = URL_SAFE_NO_PAD.encode(vec![0; signature]);
                let token = format!("{header}.{claims}.{signature}");
                assert_eq!(holder(&issuer, &token), None);
            }
        }
    }
}

/// What the Keystone answers, to a login of kmsd's own and to the question whose a token is.
static ANSWERS: Mutex<[Vec<u8>; 2]> = Mutex::new([Vec::new(), Vec::new()]);

/// A Keystone that says what [`ANSWERS`] holds.
static KEYSTONE: LazyLock<SocketAddr> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // A client that hangs up has had enough.
            let _ = answer(connection);
        }
    });
    address
});

fn answer(connection: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(&connection);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    let is_login = line.starts_with("POST");
    while line.trim_end() != "" {
        line.clear();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    let answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    (&connection).write_all(&answers[usize::from(!is_login)])
}

fn http(status: &[u8], headers: &[u8], body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
    [
        b"HTTP/1.1 ",
        status,
        b"\r\n",
        headers,
        length.as_bytes(),
        b"\r\n",
        body,
    ]
    .concat()
}

/// No answer of a Keystone panics, and none lets anybody in but one that says 200 and who it is.
/// An input's first line is `login` or `token`, for the question that is answered, and a status;
/// what follows is the answer's body.
pub fn keystone(input: &[u8]) {
    // One at a time: there is one Keystone.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (line, body) = match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (&b"token 200"[..], input),
    };
    let is_login = line.starts_with(b"login");
    let status = line.get(6..).unwrap_or_default();
    let subject = b"X-Subject-Token: gAAAAAkmsd\r\n";
    let in_order = json!({ "token": { "expires_at": NOW.plus(HOUR).iso_micros() } });
    let (login, said) = if is_login {
        (http(status, subject, body), http(b"404", b"", b"{}"))
    } else {
        let login = http(b"201 Created", subject, in_order.to_string().as_bytes());
        (login, http(status, b"", body))
    };
    *ANSWERS.lock().unwrap_or_else(PoisonError::into_inner) = [login, said];
    let settings = json!({
        "url": format!("http://{}/v3", *KEYSTONE), "user": "kmsd", "user_domain": "Default",
        "project": "service", "project_domain": "Default", "password": "secret",
        "cache_seconds": 0, "timeout_seconds": 1,
    });
    let settings: KeystoneSettings = serde_json::from_value(settings).unwrap();
    let asked = System::new().block_on(async {
        let keystone = Keystone::open(settings).unwrap();
        keystone.check("gAAAAAuser", &env(0)).await
    });
    if let Ok(holder) = asked {
        assert!(!is_login && status.starts_with(b"200"));
        let said: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(said["token"]["user"]["id"], holder.user_id.as_str());
        assert!(holder.expires_at > NOW);
    }
}

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
