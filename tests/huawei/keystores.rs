//! Dedicated keystores over a real PKCS#11 token (SoftHSM2), and PINs of data keys.

use std::path::PathBuf;
use std::time::Duration;

use kmsd::model::audit::Record;
use kmsd::model::ids::HsmClusterId;
use kmsd::model::keystore::DoomedObject;
use kmsd::operations::upkeep::{self, TimeGuard};
use kmsd::store::{DatabaseUrl, Sealed, StoreError, Write};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::support::calls::{
    CLUSTER, CLUSTER_CA, DATA_KEY_AND_DIGEST, KEYSTORES, REPLICATE, base64,
};
use crate::support::softhsm::{PIN, Token};
use crate::support::{Db, Setup, TestServer, on_both, write_private};

on_both!(
    a_keystore_from_first_to_last,
    keystores_are_listed_in_pages,
    every_wrong_member_is_told,
    keys_of_every_kind_compute_in_the_token,
    what_a_token_cannot_do_is_refused_by_name,
    a_disabled_keystore_keeps_its_keys_from_being_made_and_used,
    a_keystore_of_others_answers_like_none_i_16,
    while_the_token_is_away_the_rest_works,
    a_destroyed_key_is_gone_at_once_and_its_object_as_soon_as_it_can_be,
    what_is_left_of_a_key_that_was_never_made_is_destroyed,
    an_object_that_nobody_sealed_is_left_alone_i_43,
    an_object_is_kept_or_destroyed_but_never_both,
    a_data_key_opens_with_its_pin_only,
);

const LIST: &str = "GET /v1.0/{project_id}/keystores";
const SHOW: &str = "GET /v1.0/{project_id}/keystores/{keystore_id}";
const DELETE: &str = "DELETE /v1.0/{project_id}/keystores/{keystore_id}";
const ENABLE: &str = "/v1.0/{project_id}/keystores/{keystore_id}/enable";
const DISABLE: &str = "/v1.0/{project_id}/keystores/{keystore_id}/disable";
/// The cluster that is a SoftHSM2 token.
pub const HSM: &str = "0f3d2c1b-5a69-4788-96a5-b4c3d2e1f001";
/// A cluster that is bound to a CA certificate, and one that is for a project that is not here.
const BOUND: &str = "0f3d2c1b-5a69-4788-96a5-b4c3d2e1f002";
const NOT_OURS: &str = "0f3d2c1b-5a69-4788-96a5-b4c3d2e1f003";
const NOBODYS: &str = "00000000-0000-4000-8000-000000000000";
const ANOTHER_CA: &str = include_str!("../support/another_ca.pem");

/// A kmsd with a token of its own.
pub struct Fixture {
    pub server: TestServer,
    token: Token,
    pin_file: PathBuf,
    _folder: tempfile::TempDir,
}

pub async fn fixture(db: Db) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let token = Token::new();
    let pin_file = write_private(&folder.path().join("pin"), PIN);
    let ca_file = write_private(&folder.path().join("ca.pem"), CLUSTER_CA);
    let cluster = |id: &str, more: &str| {
        format!(
            "[[hsm_clusters]]\nid = {id:?}\nmodule = {:?}\ntoken_label = {:?}\n\
             pin_file = {pin_file:?}\n{more}\n",
            token.settings(id, &pin_file)["module"].as_str().unwrap(),
            token.settings(id, &pin_file)["token_label"]
                .as_str()
                .unwrap(),
        )
    };
    let file = [
        cluster(HSM, ""),
        cluster(BOUND, &format!("ca_file = {ca_file:?}")),
        cluster(
            NOT_OURS,
            "project_id = \"00000000000000000000000000000000\"",
        ),
    ]
    .concat();
    let setup = Setup {
        file: Some(file.leak()),
        ..Setup::from(db)
    };
    Fixture {
        server: TestServer::start(setup).await,
        token,
        pin_file,
        _folder: folder,
    }
}

impl Fixture {
    /// An enabled keystore of the token.
    async fn keystore(&self) -> String {
        let keystore = self.server.create_keystore(HSM, "hsm").await;
        self.server.call(ENABLE, named(&keystore)).await.ok(200);
        keystore
    }

    /// A key in a new keystore.
    async fn key(&self, more: Value) -> String {
        let keystore = self.keystore().await;
        let mut more = more;
        more["keystore_id"] = json!(keystore);
        self.server.create("in-hsm", more).await
    }

    /// Nobody can log in to the token any more, or everybody can again.
    pub fn is_away(&self, away: bool) {
        if away {
            std::fs::remove_file(&self.pin_file).unwrap();
            self.token.log_everybody_out();
        } else {
            write_private(&self.pin_file, PIN);
        }
    }

    async fn upkeep(&self) {
        let mut guard = TimeGuard::default();
        // The second step believes the clock that the first one saw.
        for _ in 0..2 {
            upkeep::step(&self.server.kms, &mut guard).await.unwrap();
        }
    }

    /// Does something to the database behind kmsd's back.
    async fn tamper(&self, sql: String) {
        let sql = sqlx::AssertSqlSafe(sql);
        match &self.server.kms.config().database {
            DatabaseUrl::Postgres(options) => {
                let mut db = PgConnection::connect_with(options).await.unwrap();
                sqlx::query(sql).execute(&mut db).await.unwrap();
            }
            DatabaseUrl::Sqlite(path) => {
                let url = format!("sqlite:{}", path.display());
                let mut db = SqliteConnection::connect(&url).await.unwrap();
                sqlx::query(sql).execute(&mut db).await.unwrap();
            }
        }
    }

    pub async fn stop(self) {
        self.server.stop().await;
    }
}

fn named(keystore: &str) -> Value {
    json!({ "keystore_id": keystore })
}

async fn a_keystore_from_first_to_last(db: Db) {
    let server = TestServer::start(db).await;
    let body = json!({
        "keystore_alias": "hsm-a",
        "keystore_type": "DHSM",
        "hsm_cluster_id": CLUSTER,
        "hsm_ca_cert": CLUSTER_CA,
    });
    let made = server.call(KEYSTORES, body.clone()).await.ok(200);
    let id = made["keystore"]["keystore_id"].as_str().unwrap().to_owned();
    let domain = server.account.project.domain.as_str();
    assert_eq!(
        made,
        json!({ "keystore": { "keystore_id": id, "domain_id": domain } })
    );
    let details = json!({
        "keystore_id": id,
        "domain_id": domain,
        "keystore_alias": "hsm-a",
        "keystore_type": "DHSM",
        "hsm_cluster_id": CLUSTER,
        "cluster_id": CLUSTER,
        "create_time": "1767323045000",
    });
    let shown = server.call(SHOW, named(&id)).await.ok(200);
    assert_eq!(shown, json!({ "keystore": details }));
    let listed = server.call(LIST, json!({})).await.ok(200);
    assert_eq!(listed, json!({ "total": 1, "keystores": [details] }));

    // A cluster has one keystore, in whichever project; a name is one's own.
    let mut again = body.clone();
    again["keystore_alias"] = json!("hsm-b");
    let said = server.call(KEYSTORES, again).await.refused(400, "KMS.0308");
    assert!(said.contains("has a keystore already"), "{said}");

    let state = |state: &str| json!({ "keystore": { "keystore_id": id, "keystore_state": state } });
    for (call, code) in [(ENABLE, "2"), (ENABLE, "2"), (DISABLE, "3"), (DISABLE, "3")] {
        assert_eq!(server.call(call, named(&id)).await.ok(200), state(code));
    }
    assert_eq!(server.call(DELETE, named(&id)).await.ok(204), Value::Null);
    for call in [SHOW, ENABLE, DISABLE, DELETE] {
        server.call(call, named(&id)).await.refused(400, "KMS.8003");
    }
    // The cluster and the name are free again.
    server.call(KEYSTORES, body).await.ok(200);
    server.stop().await;
}

async fn keystores_are_listed_in_pages(db: Db) {
    let all = fixture(db).await;
    let server = &all.server;
    let mut made = Vec::new();
    for (name, cluster) in [("a", HSM), ("b", BOUND), ("c", CLUSTER)] {
        made.insert(0, server.create_keystore(cluster, name).await);
        server.clock.advance(Duration::from_secs(1));
    }
    let ids = async |query: Value| {
        let listed = server.call(LIST, query).await.ok(200);
        assert_eq!(listed["total"], 3);
        let rows = listed["keystores"].as_array().unwrap().clone();
        rows.iter()
            .map(|row| row["keystore_id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(json!({})).await, made);
    assert_eq!(ids(json!({ "limit": 2 })).await, made[..2]);
    assert_eq!(ids(json!({ "limit": 2, "offset": 2 })).await, made[2..]);
    assert!(ids(json!({ "offset": 3 })).await.is_empty());
    assert_eq!(ids(json!({ "limit": 5000 })).await, made);
    for (query, code) in [
        (json!({ "limit": 0 }), "KMS.1601"),
        (json!({ "limit": "x" }), "KMS.1601"),
        (json!({ "offset": -1 }), "KMS.1603"),
        (json!({ "offset": "" }), "KMS.1603"),
    ] {
        server.call(LIST, query).await.refused(400, code);
    }
    let taken = json!({
        "keystore_alias": "a", "hsm_cluster_id": HSM, "hsm_ca_cert": CLUSTER_CA,
    });
    server.call(DELETE, named(&made[2])).await.ok(204);
    server.call(KEYSTORES, taken.clone()).await.ok(200);
    server.call(DELETE, named(&made[0])).await.ok(204);
    let mut taken = taken;
    taken["hsm_cluster_id"] = json!(CLUSTER);
    let said = server.call(KEYSTORES, taken).await.refused(400, "KMS.0308");
    assert!(said.contains("keystore_alias is taken"), "{said}");
    all.stop().await;
}

/// One table of everything that can be wrong with a member.
async fn every_wrong_member_is_told(db: Db) {
    let all = fixture(db).await;
    let server = &all.server;
    let good = json!({
        "keystore_alias": "hsm", "hsm_cluster_id": BOUND, "hsm_ca_cert": CLUSTER_CA,
    });
    let two = format!("{CLUSTER_CA}{ANOTHER_CA}");
    let long = "a".repeat(256);
    let huge = "a".repeat(16_385);
    for (member, value, code) in [
        ("keystore_alias", json!(null), "KMS.0204"),
        ("keystore_alias", json!(""), "KMS.0204"),
        ("keystore_alias", json!(long), "KMS.0308"),
        ("keystore_alias", json!("a b"), "KMS.0308"),
        ("keystore_alias", json!(7), "KMS.0308"),
        ("hsm_cluster_id", json!(null), "KMS.0204"),
        ("hsm_cluster_id", json!(""), "KMS.0204"),
        ("hsm_cluster_id", json!("nowhere"), "KMS.0308"),
        ("hsm_cluster_id", json!(7), "KMS.0308"),
        ("hsm_cluster_id", json!(NOBODYS), "KMS.0308"),
        ("hsm_cluster_id", json!(NOT_OURS), "KMS.0308"),
        ("cluster_id", json!(HSM), "KMS.0308"),
        ("cluster_id", json!("nowhere"), "KMS.0308"),
        ("hsm_ca_cert", json!(null), "KMS.0204"),
        ("hsm_ca_cert", json!(7), "KMS.0308"),
        ("hsm_ca_cert", json!("no certificate"), "KMS.0308"),
        ("hsm_ca_cert", json!(huge), "KMS.0308"),
        ("hsm_ca_cert", json!(two), "KMS.0308"),
        ("hsm_ca_cert", json!(ANOTHER_CA), "KMS.0308"),
        ("keystore_type", json!("DEFAULT"), "KMS.0340"),
        ("keystore_type", json!("CDMS"), "KMS.0340"),
        ("keystore_type", json!("HSM"), "KMS.0308"),
        ("keystore_type", json!(1), "KMS.0308"),
    ] {
        let mut body = good.clone();
        body[member] = value.clone();
        let answer = server.call(KEYSTORES, body).await;
        assert_eq!(
            answer.verdict(),
            (400, code.to_owned()),
            "{member}: {value}"
        );
        let said = answer.refused(400, code);
        assert!(
            said.contains(member) || code == "KMS.0340",
            "{member}: {said}"
        );
    }
    // Nothing was made by any of them; one id may stand for the other.
    let mut other = good.clone();
    other["cluster_id"] = json!(BOUND);
    other["hsm_cluster_id"] = Value::Null;
    server.call(KEYSTORES, other).await.ok(200);

    for id in ["nowhere", "0", "1", NOBODYS, "A5%2F"] {
        for call in [SHOW, ENABLE, DISABLE, DELETE] {
            let answer = server.call(call, named(id)).await;
            assert_eq!(answer.verdict(), (400, "KMS.8003".into()), "{call} {id}");
        }
    }
    for (body, code) in [
        (json!({}), "KMS.0204"),
        (json!({ "pin_type": "CipherText" }), "KMS.0204"),
        (
            json!({ "pin_type": "ciphertext", "keystore_id": "1" }),
            "KMS.0308",
        ),
        (json!({ "pin_type": 1 }), "KMS.0308"),
        (json!({ "keystore_id": 1 }), "KMS.0308"),
        (json!({ "keystore_id": "0" }), "KMS.8003"),
        (json!({ "keystore_id": "nowhere" }), "KMS.8003"),
        (json!({ "keystore_id": NOBODYS }), "KMS.8003"),
    ] {
        let answer = server.call("create-pin", body.clone()).await;
        assert_eq!(answer.verdict(), (400, code.to_owned()), "{body}");
    }
    let key = server.create("built-in", json!({})).await;
    let sealed = server
        .call("create-pin", json!({ "keystore_id": "2" }))
        .await;
    let sealed = sealed.ok(200)["pin"].as_str().unwrap().to_owned();
    for (pin, kind, code) in [
        (json!("no base64!"), json!(null), "KMS.0308"),
        (json!(base64(b"none")), json!("CipherText"), "KMS.0308"),
        (json!(&sealed[4..]), json!(null), "KMS.0308"),
        (json!("1"), json!("Plain"), "KMS.0308"),
        (json!(7), json!("PlainText"), "KMS.0308"),
        (json!("1".repeat(129)), json!("PlainText"), "KMS.0308"),
    ] {
        for call in ["create-datakey", "create-datakey-without-plaintext"] {
            let body = json!({ "key_id": key, "pin": pin, "pin_type": kind });
            server.call(call, body).await.refused(400, code);
        }
    }
    // A sealed PIN is its project's own.
    let stranger = server.another_account("evil").await;
    let token = server.log_in(&stranger).await;
    let project = stranger.project.id.as_str();
    let body = json!({ "key_alias": "theirs" });
    let theirs = server
        .call_in(project, &token, "create-key", body)
        .await
        .ok(200);
    let body = json!({ "key_id": theirs["key_info"]["key_id"], "pin": sealed });
    let answer = server
        .call_in(project, &token, "create-datakey", body)
        .await;
    assert!(answer.refused(400, "KMS.0308").starts_with("pin "));
    all.stop().await;
}

async fn keys_of_every_kind_compute_in_the_token(db: Db) {
    let all = fixture(db).await;
    let server = &all.server;
    let keystore = all.keystore().await;
    let make = async |name: &str, more: Value| {
        let mut more = more;
        more["keystore_id"] = json!(keystore);
        server.create(name, more).await
    };
    let key = make("aes", json!({})).await;
    let info = server.call("describe-key", json!({ "key_id": key })).await;
    let info = info.ok(200)["key_info"].clone();
    assert_eq!(info["keystore_id"], keystore);
    assert_eq!(info["key_label"], format!("kmsd-{key}"));
    assert_eq!(info["key_state"], "2");
    assert_eq!(all.token.count_objects(), 1);

    // Data and data keys.
    let aad = json!({ "additional_authenticated_data": "tenant-1" });
    let body = json!({ "key_id": key, "plain_text": "card=4111",
                       "additional_authenticated_data": "tenant-1" });
    let sealed = server.call("encrypt-data", body).await.ok(200);
    let mut body = json!({ "cipher_text": sealed["cipher_text"] });
    server
        .call("decrypt-data", body.clone())
        .await
        .refused(400, "KMS.2201");
    body["additional_authenticated_data"] = aad["additional_authenticated_data"].clone();
    let opened = server.call("decrypt-data", body).await.ok(200);
    assert_eq!(opened["plain_text"], "card=4111");
    let made = server
        .call("create-datakey", json!({ "key_id": key }))
        .await
        .ok(200);
    let body = json!({ "key_id": key, "cipher_text": made["cipher_text"],
                       "datakey_cipher_length": "32" });
    let unwrapped = server.call("decrypt-datakey", body).await.ok(200);
    assert_eq!(unwrapped["data_key"], made["plain_text"]);
    // From the token to the built-in keystore and back.
    let built_in = server.create("built-in", json!({})).await;
    for destination in [&built_in, &key] {
        let body = json!({ "cipher_text": made["cipher_text"], "destination_key_id": destination });
        server.call("re-encrypt", body).await.ok(200);
    }

    // It cannot be copied to where its keystore is not.
    let body = json!({
        "key_id": key, "replica_region": "region-2", "key_alias": "copy",
        "replica_project_id": server.account.project.id,
    });
    let said = server.call(REPLICATE, body).await.refused(400, "KMS.0308");
    assert!(said.contains("dedicated keystore"), "{said}");

    // Signatures.
    for (spec, algorithm) in [
        ("RSA_2048", "RSASSA_PSS_SHA_256"),
        ("EC_P256", "ECDSA_SHA_256"),
        ("EC_P384", "ECDSA_SHA_384"),
    ] {
        let key = make(spec, json!({ "key_spec": spec })).await;
        let mut body = json!({
            "key_id": key,
            "message": base64(b"hello"),
            "message_type": "RAW",
            "signing_algorithm": algorithm,
        });
        let signed = server.call("sign", body.clone()).await.ok(200);
        body["signature"] = signed["signature"].clone();
        let verified = server.call("verify", body.clone()).await.ok(200);
        assert_eq!(verified["signature_valid"], "true", "{spec}");
        body["message"] = json!(base64(b"hullo"));
        let answer = server.call("verify", body).await;
        assert_ne!(answer.json()["signature_valid"], "true", "{spec}");
        server
            .call("get-publickey", json!({ "key_id": key }))
            .await
            .ok(200);
    }

    // Authentication codes.
    for (spec, algorithm) in [
        ("HMAC_256", "HMAC_SHA_256"),
        ("HMAC_384", "HMAC_SHA_384"),
        ("HMAC_512", "HMAC_SHA_512"),
    ] {
        let key = make(
            spec,
            json!({ "key_spec": spec, "key_usage": "GENERATE_VERIFY_MAC" }),
        )
        .await;
        let mut body = json!({
            "key_id": key, "mac_algorithm": algorithm, "message": base64(b"hello"),
        });
        let made = server.call("generate-mac", body.clone()).await.ok(200);
        body["mac"] = made["mac"].clone();
        let verified = server.call("verify-mac", body).await.ok(200);
        assert_eq!(verified["mac_valid"], true, "{spec}");
    }

    // Agreement: both sides find the same secret, one in the token and one beside it.
    let agreement = json!({ "key_spec": "EC_P256", "key_usage": "KEY_AGREEMENT" });
    let ours = make("agrees", agreement.clone()).await;
    let theirs = server.create("agrees-too", agreement).await;
    let derive = async |key: &str, peer: &str| {
        let peer = server
            .call("get-publickey", json!({ "key_id": peer }))
            .await;
        let peer = peer.ok(200)["public_key"].as_str().unwrap().to_owned();
        let bare: String = peer
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let body = json!({
            "key_id": key, "key_agreement_algorithm": "ECDH", "public_key": bare,
        });
        server.call("derive-shared-secret", body).await.ok(200)["shared_secret"].clone()
    };
    assert_eq!(derive(&ours, &theirs).await, derive(&theirs, &ours).await);
    all.stop().await;
}

async fn what_a_token_cannot_do_is_refused_by_name(db: Db) {
    let all = fixture(db).await;
    let server = &all.server;
    let keystore = all.keystore().await;
    let quota = async || server.call("GET user-instances", json!({})).await.ok(200);
    let before = quota().await;
    for (more, code, word) in [
        // SoftHSM2 does OAEP with SHA-1 only.
        (
            json!({ "key_spec": "RSA_2048", "key_usage": "ENCRYPT_DECRYPT" }),
            "KMS.1110",
            "RSA_2048",
        ),
        (json!({ "key_spec": "SM4" }), "KMS.1110", "SM4"),
        (json!({ "key_spec": "SM2" }), "KMS.1110", "SM2"),
        (json!({ "key_spec": "SECP256K1" }), "KMS.1110", "SECP256K1"),
        (json!({ "key_spec": "ED25519" }), "KMS.1110", "ED25519"),
        (json!({ "key_spec": "HMAC_SM3" }), "KMS.1110", "HMAC_SM3"),
        (
            json!({ "origin": "external" }),
            "KMS.0339",
            "origin external",
        ),
        (
            json!({ "key_usage": "SIGN_VERIFY" }),
            "KMS.0308",
            "key_usage",
        ),
    ] {
        let mut body = json!({ "key_alias": "x", "keystore_id": keystore });
        for (member, value) in more.as_object().unwrap() {
            body[member] = value.clone();
        }
        let said = server.call("create-key", body).await.refused(400, code);
        assert!(said.contains(word), "{said}");
    }
    assert_eq!(quota().await, before);
    assert_eq!(all.token.count_objects(), 0, "nothing is left of them");
    all.stop().await;
}

async fn a_disabled_keystore_keeps_its_keys_from_being_made_and_used(db: Db) {
    let all = fixture(db).await;
    let server = &all.server;
    let keystore = server.create_keystore(HSM, "hsm").await;
    let new = json!({ "key_alias": "in-hsm", "keystore_id": keystore });
    let said = server
        .call("create-key", new.clone())
        .await
        .refused(400, "KMS.0308");
    assert!(
        said.contains("keystore_id names a keystore that is disabled"),
        "{said}"
    );
    server.call(ENABLE, named(&keystore)).await.ok(200);
    let made = server.call("create-key", new).await.ok(200);
    let key = made["key_info"]["key_id"].as_str().unwrap().to_owned();
    let data = json!({ "key_id": key, "plain_text": "secret" });
    let sealed = server.call("encrypt-data", data.clone()).await.ok(200);

    server.call(DISABLE, named(&keystore)).await.ok(200);
    let said = server
        .call("encrypt-data", data.clone())
        .await
        .refused(400, "KMS.0209");
    assert!(said.contains("keystore"), "{said}");
    let open = json!({ "cipher_text": sealed["cipher_text"] });
    server
        .call("decrypt-data", open.clone())
        .await
        .refused(400, "KMS.0209");
    // What is no use of the key goes on.
    assert_eq!(server.state(&key).await, "2");
    let rename = json!({ "key_id": key, "key_alias": "renamed" });
    server.call("update-key-alias", rename).await.ok(200);
    let said = server
        .call(DELETE, named(&keystore))
        .await
        .refused(400, "KMS.0308");
    assert!(said.contains("keys in it"), "{said}");

    server.call(ENABLE, named(&keystore)).await.ok(200);
    server.call("decrypt-data", open).await.ok(200);
    all.stop().await;
}

async fn a_keystore_of_others_answers_like_none_i_16(db: Db) {
    let all = fixture(db).await;
    let server = &all.server;
    let keystore = all.keystore().await;
    let stranger = server.another_account("evil").await;
    let token = server.log_in(&stranger).await;
    let project = stranger.project.id.as_str();
    for id in [keystore.as_str(), NOBODYS] {
        for call in [SHOW, ENABLE, DISABLE, DELETE] {
            let answer = server.call_in(project, &token, call, named(id)).await;
            answer.refused(400, "KMS.8003");
        }
        let new = json!({ "key_alias": "x", "keystore_id": id });
        let answer = server.call_in(project, &token, "create-key", new).await;
        answer.refused(400, "KMS.8003");
        let pin = json!({ "keystore_id": id });
        let answer = server.call_in(project, &token, "create-pin", pin).await;
        answer.refused(400, "KMS.8003");
    }
    let listed = server
        .call_in(project, &token, LIST, json!({}))
        .await
        .ok(200);
    assert_eq!(listed, json!({ "total": 0, "keystores": [] }));
    let new = json!({
        "keystore_alias": "theirs", "hsm_cluster_id": HSM, "hsm_ca_cert": CLUSTER_CA,
    });
    let answer = server.call_in(project, &token, KEYSTORES, new).await;
    answer.refused(400, "KMS.0308");
    all.stop().await;
}

async fn while_the_token_is_away_the_rest_works(db: Db) {
    let all = fixture(db).await;
    let server = &all.server;
    let key = all.key(json!({})).await;
    let built_in = server.create("built-in", json!({})).await;
    let data = |key: &str| json!({ "key_id": key, "plain_text": "secret" });
    let sealed = server.call("encrypt-data", data(&key)).await.ok(200);
    let open = json!({ "cipher_text": sealed["cipher_text"] });
    all.is_away(true);
    server
        .call("encrypt-data", data(&key))
        .await
        .refused(503, "KMS.0104");
    // Not "the ciphertext is wrong": it is not known whether it is.
    server
        .call("decrypt-data", open.clone())
        .await
        .refused(503, "KMS.0104");
    let keystore = server.call(LIST, json!({})).await.ok(200);
    let keystore = keystore["keystores"][0]["keystore_id"].clone();
    let new = json!({ "key_alias": "another", "keystore_id": keystore });
    server
        .call("create-key", new.clone())
        .await
        .refused(503, "KMS.0104");
    server.call("encrypt-data", data(&built_in)).await.ok(200);
    assert_eq!(server.state(&key).await, "2");
    all.is_away(false);
    server.call("decrypt-data", open).await.ok(200);
    server.call("create-key", new).await.ok(200);
    all.stop().await;
}

async fn a_destroyed_key_is_gone_at_once_and_its_object_as_soon_as_it_can_be(db: Db) {
    let mut all = fixture(db).await;
    let key = all.key(json!({})).await;
    let other = all.server.create("built-in", json!({})).await;
    let keystores = all.server.call(LIST, json!({})).await.ok(200);
    let keystore = keystores["keystores"][0]["keystore_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for key in [&key, &other] {
        let body = json!({ "key_id": key, "pending_days": 7 });
        all.server.call("schedule-key-deletion", body).await.ok(200);
    }
    all.upkeep().await;
    assert_eq!(all.token.count_objects(), 1, "its day has not come");
    all.is_away(true);
    for _ in 0..7 {
        all.server.pass_days(1).await;
        all.upkeep().await;
    }
    let gone = json!({ "key_id": key });
    all.server
        .call("describe-key", gone)
        .await
        .refused(404, "KMS.0207");
    // Its keystore is empty, and may go, while the object is still there.
    all.server.call(DELETE, named(&keystore)).await.ok(204);
    all.is_away(false);
    all.upkeep().await;
    // Somebody has to be logged in to see what there is.
    let fresh = all.key(json!({})).await;
    assert_eq!(all.token.count_objects(), 1, "the object of {fresh} alone");
    all.stop().await;
}

/// The object is made before its key commits; when that fails, it must not stay.
async fn what_is_left_of_a_key_that_was_never_made_is_destroyed(db: Db) {
    let all = fixture(db).await;
    let server = &all.server;
    let key = all.key(json!({})).await;
    let keystores = server.call(LIST, json!({})).await.ok(200);
    let body = json!({
        "key_alias": "in-hsm", "keystore_id": keystores["keystores"][0]["keystore_id"],
    });
    server
        .call("create-key", body)
        .await
        .refused(400, "KMS.1104");
    assert_eq!(all.token.count_objects(), 2);
    all.upkeep().await;
    assert_eq!(all.token.count_objects(), 2, "it could still be under way");
    server.clock.advance(Duration::from_secs(11 * 60));
    all.upkeep().await;
    assert_eq!(all.token.count_objects(), 1);
    let data = json!({ "key_id": key, "plain_text": "secret" });
    server.call("encrypt-data", data).await.ok(200);
    all.stop().await;
}

/// Whoever writes to the database cannot have the modules destroy keys.
async fn an_object_that_nobody_sealed_is_left_alone_i_43(db: Db) {
    let all = fixture(db).await;
    let key = all.key(json!({})).await;
    let none = match db {
        Db::Sqlite => "x''",
        Db::Postgres => "''",
    };
    all.tamper(format!(
        "INSERT INTO hsm_objects_to_destroy (hsm_cluster_id, object_id, due_at, claimed, seal) \
             VALUES ('{HSM}', '{key}', 0, 0, {none})"
    ))
    .await;
    all.upkeep().await;
    assert_eq!(all.token.count_objects(), 1);
    all.tamper("UPDATE keystores SET name = 'another'".into())
        .await;
    let data = json!({ "key_id": key, "plain_text": "secret" });
    all.server
        .call("encrypt-data", data)
        .await
        .refused(500, "KMS.0103");
    all.stop().await;
}

/// Upkeep claims an object at the moment in which its key is to be inserted: whoever is first decides.
async fn an_object_is_kept_or_destroyed_but_never_both(db: Db) {
    let server = TestServer::start(db).await;
    let store = server.kms.store();
    let cluster = HsmClusterId::parse(CLUSTER).unwrap();
    let keep = async |object: &str| {
        let write = Write::KeepObject {
            cluster: cluster.clone(),
            object: object.to_owned(),
        };
        let now = server.kms.now();
        let record =
            Record::of_refusal(now, String::new(), None, String::new(), "x", String::new());
        store.commit(vec![write], record).await
    };
    let doomed = |object: &str| DoomedObject {
        cluster: cluster.clone(),
        object: object.to_owned(),
        due_at: server.kms.now(),
    };
    for object in ["claimed first", "kept first"] {
        let sealed = Sealed::new(doomed(object), server.kms.key().row());
        store.doom_object(&sealed).await.unwrap();
    }
    assert!(store.claim_object(&doomed("claimed first")).await.unwrap());
    assert_eq!(keep("claimed first").await, Err(StoreError::Conflict));
    assert_eq!(keep("kept first").await, Ok(()));
    assert!(!store.claim_object(&doomed("kept first")).await.unwrap());
    server.stop().await;
}

async fn a_data_key_opens_with_its_pin_only(db: Db) {
    let server = TestServer::start(db).await;
    let key = server.create("aes", json!({})).await;
    let plain = server
        .call("create-pin", json!({ "pin_type": "PlainText" }))
        .await;
    let plain = plain.ok(200)["pin"].as_str().unwrap().to_owned();
    assert_eq!(plain.len(), 32, "24 bytes in Base64");
    let again = server
        .call("create-pin", json!({ "pin_type": "PlainText" }))
        .await;
    assert_ne!(again.ok(200)["pin"], plain);
    let keystore = server.create_keystore(CLUSTER, "hsm").await;
    let mut sealed = Vec::new();
    for keystore in ["1", "2", &keystore] {
        let made = server
            .call("create-pin", json!({ "keystore_id": keystore }))
            .await;
        sealed.push(made.ok(200)["pin"].clone());
    }
    let pins = [
        json!({}),
        json!({ "pin": plain, "pin_type": "PlainText" }),
        json!({ "pin": "1234", "pin_type": "PlainText" }),
        json!({ "pin": sealed[0] }),
        json!({ "pin": sealed[1], "pin_type": "CipherText" }),
        json!({ "pin": sealed[2] }),
        json!({ "pin": sealed[2], "additional_authenticated_data": "x" }),
        json!({ "additional_authenticated_data": "x" }),
    ];
    let with = |mut body: Value, more: &Value| {
        for (member, value) in more.as_object().unwrap() {
            body[member] = value.clone();
        }
        body
    };
    let zeros = json!({
        "key_id": key,
        "plain_text": DATA_KEY_AND_DIGEST,
        "datakey_plain_length": "16",
    });
    for (at, pin) in pins.iter().enumerate() {
        let named = json!({ "key_id": key, "datakey_length": "128" });
        for (call, body) in [
            ("create-datakey", named.clone()),
            ("create-datakey-without-plaintext", named),
            ("encrypt-datakey", zeros.clone()),
        ] {
            let made = server.call(call, with(body, pin)).await.ok(200);
            for (other, given) in pins.iter().enumerate() {
                let body = json!({
                    "key_id": key,
                    "cipher_text": made["cipher_text"],
                    "datakey_cipher_length": "16",
                });
                let answer = server.call("decrypt-datakey", with(body, given)).await;
                if at == other {
                    answer.ok(200);
                } else {
                    answer.refused(400, "KMS.2203");
                }
            }
        }
        // Key pairs, whose private halves open as data.
        let body = json!({ "key_id": key, "key_spec": "ECC_NIST_P256" });
        let made = server
            .call("create-ec-datakey-pair", with(body, pin))
            .await
            .ok(200);
        for (other, given) in pins.iter().enumerate() {
            let body = json!({ "cipher_text": made["private_key_cipher_text"] });
            let answer = server.call("decrypt-data", with(body, given)).await;
            if at == other {
                answer.ok(200);
            } else {
                answer.refused(400, "KMS.2201");
            }
        }
    }
    server.stop().await;
}
