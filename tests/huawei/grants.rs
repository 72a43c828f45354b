//! Grants: who may do what by them, on whose keys, and until when (contract, section 4.6).

use std::time::Duration;

use kmsd::model::access::role_allows;
use kmsd::model::identity::Role;
use kmsd::model::ids::{DisplayName, KeyId, KeyName, ProjectId, Region};
use kmsd::operations::identity::manage;
use kmsd::operations::upkeep::{TimeGuard, step};
use kmsd::store::{Sealed, Write};
use serde_json::{Value, json};

use crate::support::calls::{GRANTEE, KEY_CALLS, NO_GRANT};
use crate::support::{Account, Answer, Db, TestServer, on_both};

on_both!(
    a_grant_opens_what_it_lists_and_nothing_else_i_17,
    without_a_grant_that_names_the_caller_a_key_of_others_is_not_there_i_19,
    a_domain_is_all_its_users_and_no_others,
    several_grants_add_up_and_each_call_makes_one,
    encrypting_anew_takes_a_grant_for_each_half,
    whoever_passes_on_gives_no_more_than_they_have,
    who_may_retire_which_grant,
    whoever_holds_the_permission_may_revoke,
    a_grant_that_is_not_there_has_its_own_codes,
    a_key_has_a_hundred_grants_and_no_more,
    grants_stay_with_a_key_that_is_leaving_and_end_with_it,
    a_grant_counts_in_the_region_of_its_key,
    lists_tell_everything_page_by_page,
    retirable_grants_are_the_callers_own_whoever_owns_the_keys,
    a_key_of_others_tells_whose_it_is_and_the_record_too,
    a_row_that_nobody_sealed_opens_nothing_i_43,
    a_default_key_gets_no_grants,
    members_that_break_their_rules,
);

const NOBODYS: &str = "00000000-0000-4000-8000-000000000000";

/// Every operation by its word.
const OPERATIONS: [&str; 9] = [
    "create-datakey",
    "create-datakey-without-plaintext",
    "encrypt-datakey",
    "decrypt-datakey",
    "describe-key",
    "create-grant",
    "retire-grant",
    "encrypt-data",
    "decrypt-data",
];

/// Somebody who calls.
struct Person {
    name: &'static str,
    /// Their role in the project that owns the keys, if it is there that they work.
    role: Option<Role>,
    project: String,
    domain: String,
    user: String,
    token: String,
}

impl Person {
    async fn of(server: &TestServer, name: &'static str, account: &Account) -> Self {
        let token = server.log_in(account).await;
        let request = server
            .request("GET", "/v3/auth/tokens")
            .header("X-Auth-Token", &token)
            .header("X-Subject-Token", &token);
        let told = server.send(request).await.ok(200);
        Self {
            name,
            role: None,
            project: account.project.id.to_string(),
            domain: account.project.domain.to_string(),
            user: told["token"]["user"]["id"].as_str().unwrap().to_owned(),
            token,
        }
    }

    async fn call(&self, server: &TestServer, call: &str, body: Value) -> Answer {
        server.call_in(&self.project, &self.token, call, body).await
    }
}

/// The owner of all keys, and three to whom they are granted: one in the same project whose role
/// only reads, one who administers another project of the same domain, and one who administers a
/// project of another domain.
struct Cast {
    server: TestServer,
    alice: Person,
    reader: Person,
    neighbour: Person,
    stranger: Person,
}

impl Cast {
    async fn meet(db: Db) -> Self {
        let server = TestServer::start(db).await;
        let alice = Person::of(&server, "alice", &server.account).await;
        let role = Role::KmsReadOnlyPolicy;
        let account = server.token_with_role("reader", Some(role)).await;
        let mut reader = Person::of(&server, "reader", &account).await;
        reader.role = Some(role);
        let mut account = server.token_with_role("neighbour", None).await;
        let name = DisplayName::parse("elsewhere").unwrap();
        let domain = account.domain.clone();
        account.project = manage::add_project(&server.kms, &domain, name, None, None)
            .await
            .unwrap();
        let role = Role::TenantAdministrator;
        manage::set_role(&server.kms, &domain, "neighbour", "elsewhere", role, true)
            .await
            .unwrap();
        let neighbour = Person::of(&server, "neighbour", &account).await;
        let account = server.another_account("beyond").await;
        let stranger = Person::of(&server, "stranger", &account).await;
        Self {
            server,
            alice,
            reader,
            neighbour,
            stranger,
        }
    }

    fn grantees(&self) -> [&Person; 3] {
        [&self.reader, &self.neighbour, &self.stranger]
    }

    /// Grants a key to a user, as its owner; gives the grant's id.
    async fn grant(&self, key: &str, to: &Person, operations: &[&str]) -> String {
        self.grant_with(key, to, operations, json!({})).await
    }

    /// The same with more members.
    async fn grant_with(&self, key: &str, to: &Person, operations: &[&str], more: Value) -> String {
        let mut body = json!({
            "key_id": key, "grantee_principal": to.user, "operations": operations,
        });
        for (member, value) in more.as_object().unwrap() {
            body[member] = value.clone();
        }
        id_of(&self.server.call("create-grant", body).await)
    }

    fn project_of(&self, who: &Person) -> ProjectId {
        ProjectId::parse(who.project.as_str()).unwrap()
    }

    /// Encrypts under a key as its owner.
    async fn encrypt(&self, key: &str) -> String {
        let body = json!({ "key_id": key, "plain_text": "secret" });
        let made = self.server.call("encrypt-data", body).await.ok(200);
        made["cipher_text"].as_str().unwrap().to_owned()
    }
}

#[track_caller]
fn id_of(answer: &Answer) -> String {
    answer.ok(200)["grant_id"].as_str().unwrap().to_owned()
}

/// Every operation, to a user of each kind, and then every call on the key: what is listed is done
/// on a key of whichever project, whatever else is refused, reads by a role excepted.
async fn a_grant_opens_what_it_lists_and_nothing_else_i_17(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    for who in cast.grantees() {
        for operation in OPERATIONS {
            let key = server
                .create(&format!("{}-{operation}", who.name), json!({}))
                .await;
            let listed: &[&str] = match operation {
                // It cannot be alone.
                "create-grant" => &["create-grant", "describe-key"],
                _ => &[operation],
            };
            let grant = cast.grant(&key, who, listed).await;
            for call in KEY_CALLS.iter().filter(|call| call.needs.is_some()) {
                let what = format!("{} by {} with {operation}", call.name, who.name);
                let by_role = who.role.is_some_and(|role| role_allows(role, call.action));
                if by_role && !OPERATIONS.contains(&call.name) {
                    // No business of a grant's.
                    continue;
                }
                // Of two halves one may be granted: then the ciphertext counts.
                let opens = by_role || listed.contains(&call.name) || call.name == "re-encrypt";
                let body = match opens {
                    true => server.body_for(call, &key).await,
                    false => (call.body)(&key),
                };
                let answer = who.call(server, call.name, body).await;
                let expected = match call.name {
                    // It is some other grant that the body names.
                    "retire-grant" if operation == "retire-grant" => (400, "KMS.2501"),
                    // What the body grants they do not have.
                    "create-grant" => (403, "KMS.0306"),
                    name if by_role || listed.contains(&name) => (200, ""),
                    _ => (403, "KMS.0306"),
                };
                assert_eq!(answer.verdict(), (expected.0, expected.1.into()), "{what}");
            }
            assert_eq!(server.state(&key).await, "2", "{operation}: untouched");
            // And the next call after its end is refused.
            let body = json!({ "key_id": key, "grant_id": grant });
            assert_eq!(server.call("revoke-grant", body).await.ok(200), json!({}));
            let body = json!({ "key_id": key, "plain_text": "x" });
            let refused = match who.role {
                Some(_) => (403, "KMS.0307".to_owned()),
                None => (404, "KMS.0207".to_owned()),
            };
            let answer = who.call(server, "encrypt-data", body).await;
            assert_eq!(answer.verdict(), refused, "{} {operation}", who.name);
        }
    }
    cast.server.stop().await;
}

/// Status, text and headers, without what differs from answer to answer by its nature.
fn shown(answer: &Answer) -> (u16, String, Vec<String>) {
    let by_nature = ["x-request-id", "x-openstack-request-id", "date"];
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !by_nature.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    (answer.status, answer.text.clone(), headers)
}

async fn without_a_grant_that_names_the_caller_a_key_of_others_is_not_there_i_19(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let key = server.create("granted", json!({})).await;
    // To one of them; to the other's domain in another spelling; to somebody else.
    cast.grant(&key, &cast.neighbour, &OPERATIONS).await;
    let other = cast.stranger.user.to_uppercase();
    let body = json!({ "key_id": key, "grantee_principal": other, "operations": OPERATIONS });
    server.call("create-grant", body).await.ok(200);
    // A user's grant is no domain's, and a domain's no user's.
    for (id, kind) in [
        (&cast.stranger.domain, "user"),
        (&cast.stranger.user, "domain"),
    ] {
        let body = json!({
            "key_id": key, "grantee_principal": id, "grantee_principal_type": kind,
            "operations": OPERATIONS,
        });
        server.call("create-grant", body).await.ok(200);
    }
    let held = cast.grant(&key, &cast.neighbour, &["describe-key"]).await;
    let body = json!({ "cipher_text": cast.encrypt(&key).await });
    let there = cast.stranger.call(server, "decrypt-data", body).await;
    there.refused(404, "KMS.0207");
    for call in KEY_CALLS.iter().filter(|call| call.needs.is_some()) {
        let ask = async |id: &str| {
            let mut body = (call.body)(id);
            if body.get("grant_id").is_some() {
                body["grant_id"] = json!(held);
            }
            cast.stranger.call(server, call.name, body).await
        };
        let there = ask(&key).await;
        there.refused(404, "KMS.0207");
        assert_eq!(shown(&there), shown(&ask(NOBODYS).await), "{}", call.name);
    }
    let listed = cast.stranger.call(server, "list-keys", json!({})).await;
    assert_eq!(listed.ok(200)["total"], 0);
    let listed = cast.neighbour.call(server, "list-keys", json!({})).await;
    assert_eq!(listed.ok(200)["total"], 0, "lists are of a project");
    cast.server.stop().await;
}

async fn a_domain_is_all_its_users_and_no_others(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    for (who, others) in [
        (&cast.stranger, [&cast.neighbour, &cast.reader]),
        (&cast.alice, [&cast.stranger, &cast.stranger]),
    ] {
        let key = server
            .create(&format!("to-domain-of-{}", who.name), json!({}))
            .await;
        let body = json!({
            "key_id": key, "grantee_principal": who.domain, "grantee_principal_type": "domain",
            "operations": ["encrypt-data"],
        });
        id_of(&server.call("create-grant", body).await);
        let body = json!({ "key_id": key, "plain_text": "x" });
        for person in [&cast.reader, &cast.neighbour, &cast.stranger] {
            let answer = person.call(server, "encrypt-data", body.clone()).await;
            let is_theirs = person.domain == who.domain;
            assert_eq!(answer.status == 200, is_theirs, "{}", person.name);
            assert_ne!(is_theirs, others.iter().any(|it| it.name == person.name));
        }
    }
    cast.server.stop().await;
}

async fn several_grants_add_up_and_each_call_makes_one(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let key = server.create("shared", json!({})).await;
    let who = &cast.stranger;
    let more = json!({ "name": "the-same" });
    let words = ["encrypt-data", "encrypt-data"];
    let first = cast.grant_with(&key, who, &words, more.clone()).await;
    let second = cast.grant_with(&key, who, &words, more).await;
    assert_ne!(first, second);
    cast.grant(&key, who, &["decrypt-data"]).await;

    let body = json!({ "key_id": key, "plain_text": "card=4111" });
    let made = who.call(server, "encrypt-data", body.clone()).await.ok(200);
    let opened = json!({ "cipher_text": made["cipher_text"] });
    let opened = who.call(server, "decrypt-data", opened).await.ok(200);
    assert_eq!(opened["plain_text"], "card=4111");
    // What one project's user has sealed the owner opens, for the key is the owner's.
    let opened = json!({ "cipher_text": made["cipher_text"] });
    let opened = server.call("decrypt-data", opened).await.ok(200);
    assert_eq!(opened["plain_text"], "card=4111");

    let end = async |grant: &str| {
        let body = json!({ "key_id": key, "grant_id": grant });
        server.call("revoke-grant", body).await.ok(200);
    };
    end(&first).await;
    who.call(server, "encrypt-data", body.clone()).await.ok(200);
    end(&second).await;
    let answer = who.call(server, "encrypt-data", body.clone()).await;
    answer.refused(403, "KMS.0306");
    // A key that may not be used may not be used by a grant either.
    cast.grant(&key, who, &["encrypt-data"]).await;
    let named = json!({ "key_id": key });
    server.call("disable-key", named).await.ok(200);
    let answer = who.call(server, "encrypt-data", body).await;
    answer.refused(400, "KMS.0209");
    cast.server.stop().await;
}

async fn encrypting_anew_takes_a_grant_for_each_half(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    for who in [&cast.stranger, &cast.reader] {
        for (at, (from_words, to_words, may)) in [
            ("decrypt-data", "encrypt-data", true),
            ("encrypt-data", "encrypt-data", false),
            ("decrypt-data", "decrypt-data", false),
        ]
        .into_iter()
        .enumerate()
        {
            let from = server
                .create(&format!("from-{}-{at}", who.name), json!({}))
                .await;
            let to = server
                .create(&format!("to-{}-{at}", who.name), json!({}))
                .await;
            cast.grant(&from, who, &[from_words]).await;
            cast.grant(&to, who, &[to_words]).await;
            let sealed = cast.encrypt(&from).await;
            let body = json!({ "cipher_text": sealed, "destination_key_id": to });
            let answer = who.call(server, "re-encrypt", body).await;
            if may {
                assert_eq!(answer.ok(200)["source_key_id"], from.as_str());
            } else {
                answer.refused(403, "KMS.0306");
            }
        }
    }
    // From the owner's key to one's own, where a role reaches it, and back.
    let who = &cast.stranger;
    let theirs = server.create("theirs", json!({})).await;
    cast.grant(&theirs, who, &["decrypt-data"]).await;
    let body = json!({ "key_alias": "own" });
    let own = who.call(server, "create-key", body).await.ok(200);
    let own = own["key_info"]["key_id"].as_str().unwrap().to_owned();
    let sealed = cast.encrypt(&theirs).await;
    let body = json!({ "cipher_text": sealed, "destination_key_id": own });
    let moved = who.call(server, "re-encrypt", body).await.ok(200);
    let record = server.records().await.pop().unwrap();
    let owner = &cast.alice.project;
    assert!(
        record.detail.contains(&format!("key of {owner}")),
        "{}",
        record.detail
    );
    let body = json!({ "cipher_text": moved["cipher_text"], "destination_key_id": theirs });
    let answer = who.call(server, "re-encrypt", body).await;
    answer.refused(403, "KMS.0306");
    cast.server.stop().await;
}

async fn whoever_passes_on_gives_no_more_than_they_have(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let key = server.create("passed-on", json!({})).await;
    let giver = &cast.neighbour;
    let words = ["create-grant", "encrypt-data", "describe-key"];
    let given = cast.grant(&key, giver, &words).await;
    // This one they may use but not pass on.
    cast.grant(&key, giver, &["decrypt-data"]).await;
    let pass_on = async |operations: &[&str]| {
        let body = json!({
            "key_id": key, "grantee_principal": cast.stranger.user, "operations": operations,
        });
        giver.call(server, "create-grant", body).await
    };
    pass_on(&["decrypt-data"]).await.refused(403, "KMS.0306");
    let answer = pass_on(&["encrypt-data", "create-datakey"]).await;
    answer.refused(403, "KMS.0306");
    let answer = pass_on(&["encrypt-data", "retire-grant"]).await;
    answer.refused(403, "KMS.0306");
    let passed = id_of(&pass_on(&["encrypt-data", "create-grant"]).await);
    let body = json!({ "key_id": key, "plain_text": "x" });
    let use_it = async || {
        cast.stranger
            .call(server, "encrypt-data", body.clone())
            .await
    };
    use_it().await.ok(200);
    let listed = server.call("list-grants", json!({ "key_id": key })).await;
    let listed = listed.ok(200);
    let it = &listed["grants"].as_array().unwrap()[..];
    let it = it.iter().find(|it| it["grant_id"] == passed).unwrap();
    assert_eq!(it["issuing_principal"], giver.user.as_str());
    // What was passed on stays when its giver has nothing more to give.
    let end = json!({ "key_id": key, "grant_id": given });
    server.call("revoke-grant", end).await.ok(200);
    use_it().await.ok(200);
    pass_on(&["encrypt-data"]).await.refused(403, "KMS.0306");
    // Until its maker, who has no other way to the key, takes it back.
    let end = json!({ "key_id": key, "grant_id": passed });
    let answer = giver.call(server, "retire-grant", end).await;
    assert_eq!(answer.ok(200), json!({}));
    use_it().await.refused(404, "KMS.0207");
    cast.server.stop().await;
}

async fn who_may_retire_which_grant(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let guest = server
        .token_with_role("guest", Some(Role::TenantGuest))
        .await;
    let guest = Person::of(server, "guest", &guest).await;
    let other = &cast.server.another_account("others").await;
    let other = Person::of(server, "other", other).await;
    const NONE: &[&str] = &[];
    const USES: &[&str] = &["encrypt-data"];
    const RETIRES: &[&str] = &["retire-grant"];
    // What the caller was granted before; whose grant it is, for what, and whether it names the
    // caller as who may retire it; what comes of it without a role.
    let cases = [
        (NONE, &other, USES, true, ""),
        (USES, &other, USES, true, ""),
        (NONE, &other, RETIRES, false, "KMS.0207"),
        (USES, &other, RETIRES, false, "KMS.0306"),
        // They learn nothing of grants that do not name them.
        (RETIRES, &other, RETIRES, false, "KMS.2501"),
    ];
    let people = [
        &cast.alice,
        &cast.reader,
        &cast.neighbour,
        &cast.stranger,
        &guest,
    ];
    for who in people {
        let own = [
            (NONE, who, RETIRES, false, ""),
            (NONE, who, USES, true, ""),
            (NONE, who, USES, false, "KMS.0306"),
            // Another grant lets them in, but is not the one.
            (RETIRES, who, USES, false, "KMS.0306"),
        ];
        for (at, (before, grantee, words, is_named, code)) in
            cases.into_iter().chain(own).enumerate()
        {
            let what = format!("{} {at}", who.name);
            let key = format!("retired-{}-{at}", who.name);
            let key = server.create(&key, json!({})).await;
            if !before.is_empty() {
                cast.grant(&key, who, before).await;
            }
            let more = match is_named {
                true => json!({ "retiring_principal": who.user }),
                false => json!({}),
            };
            let grant = cast.grant_with(&key, grantee, words, more).await;
            let body = json!({ "key_id": key, "grant_id": grant });
            let answer = who.call(server, "retire-grant", body.clone()).await;
            // By a role in the owner's project, which the guest has for historic reasons.
            let by_role = who.name == "alice" || who.name == "guest";
            // A key of one's own project is there for all to see.
            let code = match (code, who.role) {
                ("KMS.0207", Some(_)) => "KMS.0307",
                (code, _) => code,
            };
            if by_role || code.is_empty() {
                assert_eq!(answer.ok(200), json!({}), "{what}");
                let answer = server.call("retire-grant", body).await;
                answer.refused(400, "KMS.2501");
            } else {
                assert_eq!(answer.verdict().1, code, "{what}");
                server.call("retire-grant", body).await.ok(200);
            }
        }
    }
    cast.server.stop().await;
}

async fn whoever_holds_the_permission_may_revoke(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let key = server.create("revoked", json!({})).await;
    let admin = server
        .token_with_role("admin", Some(Role::CmkFullAccess))
        .await;
    let admin = Person::of(server, "admin", &admin).await;
    for who in cast.grantees() {
        // No grant opens that, not even of one's own.
        let more = json!({ "retiring_principal": who.user });
        let grant = cast.grant_with(&key, who, &OPERATIONS, more).await;
        let body = json!({ "key_id": key, "grant_id": grant });
        let answer = who.call(server, "revoke-grant", body.clone()).await;
        answer.refused(403, "KMS.0306");
        let answer = who
            .call(server, "describe-key", json!({ "key_id": key }))
            .await;
        answer.ok(200);
        // Not only whoever made the key.
        admin.call(server, "revoke-grant", body).await.ok(200);
    }
    cast.server.stop().await;
}

async fn a_grant_that_is_not_there_has_its_own_codes(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let key = server.create("one", json!({})).await;
    let other = server.create("two", json!({})).await;
    let grant = cast.grant(&other, &cast.stranger, &["retire-grant"]).await;
    cast.grant(&key, &cast.stranger, &["retire-grant"]).await;
    // A grant of another project's key.
    let stranger = &cast.stranger;
    let made = stranger
        .call(server, "create-key", json!({ "key_alias": "x" }))
        .await
        .ok(200);
    let foreign = json!({
        "key_id": made["key_info"]["key_id"], "grantee_principal": GRANTEE,
        "operations": ["encrypt-data"],
    });
    let foreign = id_of(&stranger.call(server, "create-grant", foreign).await);
    for call in ["revoke-grant", "retire-grant"] {
        for (id, code) in [
            (NO_GRANT, "KMS.2501"),
            (&grant, "KMS.2502"),
            (&foreign, "KMS.2501"),
        ] {
            let body = json!({ "key_id": key, "grant_id": id });
            server.call(call, body).await.refused(400, code);
        }
    }
    // To the grantee of both that tells nothing new.
    let body = json!({ "key_id": key, "grant_id": grant });
    let answer = stranger.call(server, "retire-grant", body).await;
    answer.refused(400, "KMS.2502");
    cast.server.stop().await;
}

/// Exact, however many come at once.
async fn a_key_has_a_hundred_grants_and_no_more(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let key = server.create("full", json!({})).await;
    let most = async || {
        let quotas = server.call("GET user-quotas", Value::Null).await.ok(200);
        quotas["quotas"]["resources"][1].clone()
    };
    let quota = |used: u64| json!({ "type": "grant_per_CMK", "used": used, "quota": 100 });
    assert_eq!(most().await, quota(0));
    let mut last = String::new();
    for _ in 0..94 {
        last = cast.grant(&key, &cast.reader, &["encrypt-data"]).await;
    }
    let second = server.create("second", json!({})).await;
    cast.grant(&second, &cast.reader, &["encrypt-data"]).await;
    assert_eq!(most().await, quota(94), "of the key that has most");
    let body = json!({
        "key_id": key, "grantee_principal": GRANTEE, "operations": ["encrypt-data"],
    });
    let racers = (0..12).map(|_| server.call("create-grant", body.clone()));
    let answers = futures_util::future::join_all(racers).await;
    let made = answers.iter().filter(|answer| answer.status == 200).count();
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.refused(400, "KMS.2404");
    }
    assert_eq!(made, 6);
    assert_eq!(most().await, quota(100));
    let end = json!({ "key_id": key, "grant_id": last });
    server.call("revoke-grant", end).await.ok(200);
    server.call("create-grant", body.clone()).await.ok(200);
    let answer = server.call("create-grant", body).await;
    answer.refused(400, "KMS.2404");
    let listed = server.call("list-grants", json!({ "key_id": key })).await;
    assert_eq!(listed.ok(200)["total"], 100);
    cast.server.stop().await;
}

async fn grants_stay_with_a_key_that_is_leaving_and_end_with_it(db: Db) {
    let mut cast = Cast::meet(db).await;
    let mut guard = TimeGuard::default();
    step(&cast.server.kms, &mut guard).await.unwrap();
    let key = cast.server.create("leaving", json!({})).await;
    let more = json!({ "retiring_principal": cast.stranger.user });
    let words = ["describe-key", "decrypt-data"];
    cast.grant_with(&key, &cast.stranger, &words, more).await;
    let sealed = cast.encrypt(&key).await;
    let named = json!({ "key_id": key });
    let body = json!({ "key_id": key, "pending_days": "7" });
    let call = async |server: &TestServer, call: &str, body: Value| {
        server.call(call, body).await.ok(200);
    };
    call(&cast.server, "schedule-key-deletion", body.clone()).await;
    let opened = json!({ "cipher_text": sealed });
    let (who, server) = (&cast.stranger, &cast.server);
    let answer = who.call(server, "decrypt-data", opened.clone()).await;
    answer.refused(400, "KMS.0210");
    let found = who.call(server, "describe-key", named.clone()).await;
    assert_eq!(found.ok(200)["key_info"]["key_state"], "4");
    let retirable = who.call(server, "list-retirable-grants", json!({})).await;
    assert_eq!(retirable.ok(200)["total"], 1);
    call(server, "cancel-key-deletion", named.clone()).await;
    call(server, "enable-key", named.clone()).await;
    let answer = who.call(server, "decrypt-data", opened.clone()).await;
    assert_eq!(answer.ok(200)["plain_text"], "secret");

    call(server, "schedule-key-deletion", body).await;
    cast.server.pass_days(7).await;
    // The key is gone at its hour, whether or not it has been destroyed.
    let account = Account {
        domain: "beyond".into(),
        user: "bob".into(),
        password: "password of bob".into(),
        project: cast.server.account.project.clone(),
        access_key: String::new(),
        secret_key: String::new(),
    };
    cast.stranger.token = cast.server.log_in(&account).await;
    let (who, server) = (&cast.stranger, &cast.server);
    let nothing = async || {
        let quotas = server.call("GET user-quotas", Value::Null).await.ok(200);
        assert_eq!(quotas["quotas"]["resources"][1]["used"], 0);
        let retirable = who.call(server, "list-retirable-grants", json!({})).await;
        assert_eq!(retirable.ok(200)["total"], 0);
        for (call, body) in [("describe-key", &named), ("decrypt-data", &opened)] {
            let answer = who.call(server, call, body.clone()).await;
            answer.refused(404, "KMS.0207");
        }
    };
    nothing().await;
    let destroyed = step(&server.kms, &mut guard).await.unwrap();
    assert_eq!(destroyed.len(), 1, "grants do not keep a key from its end");
    nothing().await;
    cast.server.stop().await;
}

async fn a_grant_counts_in_the_region_of_its_key(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let ask = async |who: &Person, host: &str, call: &str, body: Value| {
        let request = server
            .request("POST", &format!("/v1.0/{}/kms/{call}", who.project))
            .header("Host", host)
            .header("X-Auth-Token", &who.token)
            .json(&body);
        server.send(request).await
    };
    let (there, here) = (
        "kms.region-2.example.test",
        "kms.home-region-1.example.test",
    );
    let made = ask(
        &cast.alice,
        there,
        "create-key",
        json!({ "key_alias": "far" }),
    )
    .await;
    let key = made.ok(200)["key_info"]["key_id"].clone();
    let body = json!({
        "key_id": key, "grantee_principal": cast.stranger.user, "operations": ["describe-key"],
        "retiring_principal": cast.stranger.user,
    });
    ask(&cast.alice, here, "create-grant", body.clone())
        .await
        .refused(404, "KMS.0207");
    id_of(&ask(&cast.alice, there, "create-grant", body).await);
    let named = json!({ "key_id": key });
    let found = ask(&cast.stranger, there, "describe-key", named.clone()).await;
    assert_eq!(found.ok(200)["key_info"]["realm"], "region-2");
    ask(&cast.stranger, here, "describe-key", named)
        .await
        .refused(404, "KMS.0207");
    for (host, total) in [(there, 1), (here, 0)] {
        let listed = ask(&cast.stranger, host, "list-retirable-grants", json!({})).await;
        assert_eq!(listed.ok(200)["total"], total);
    }
    cast.server.stop().await;
}

async fn lists_tell_everything_page_by_page(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let key = server.create("listed", json!({})).await;
    let list = async |body: Value| server.call("list-grants", body).await.ok(200);
    let end = |grants: Value, total: u64| json!({ "grants": grants, "next_marker": "", "truncated": "false", "total": total });
    assert_eq!(list(json!({ "key_id": key })).await, end(json!([]), 0));

    let start = crate::support::START.millis();
    let more = json!({ "name": "billing/a:1_-", "retiring_principal": cast.neighbour.user });
    let words = ["encrypt-data", "describe-key", "encrypt-data"];
    let first = cast.grant_with(&key, &cast.stranger, &words, more).await;
    server.clock.advance(Duration::from_secs(1));
    let more = json!({ "grantee_principal_type": "domain", "name": "" });
    let second = cast.grant_with(&key, &cast.reader, &OPERATIONS, more).await;
    let first = json!({
        "key_id": key, "grant_id": first, "grantee_principal": cast.stranger.user,
        "grantee_principal_type": "user", "operations": ["describe-key", "encrypt-data"],
        "issuing_principal": cast.alice.user, "creation_date": start.to_string(),
        "name": "billing/a:1_-", "retiring_principal": cast.neighbour.user,
    });
    let second = json!({
        "key_id": key, "grant_id": second, "grantee_principal": cast.reader.user,
        "grantee_principal_type": "domain", "operations": OPERATIONS,
        "issuing_principal": cast.alice.user, "creation_date": (start + 1000).to_string(),
        "name": "", "retiring_principal": "",
    });
    let all = json!([second, first]);
    for limit in [
        json!(null),
        json!(""),
        json!("100"),
        json!(1000),
        json!("2000"),
    ] {
        let page = list(json!({ "key_id": key, "limit": limit, "marker": "0" })).await;
        assert_eq!(page, end(all.clone(), 2), "{limit}");
    }
    for one in [json!(1), json!("1")] {
        let page = list(json!({ "key_id": key, "limit": one })).await;
        assert_eq!(
            page,
            json!({ "grants": [second], "next_marker": "1", "truncated": "true", "total": 2 })
        );
        let marker = page["next_marker"].clone();
        let page = list(json!({ "key_id": key, "limit": one, "marker": marker })).await;
        assert_eq!(page, end(json!([first]), 2));
    }
    let page = list(json!({ "key_id": key, "marker": 2 })).await;
    assert_eq!(page, end(json!([]), 2));
    // The reader's role reads them too; a grant never does.
    let named = json!({ "key_id": key });
    let page = cast.reader.call(server, "list-grants", named.clone()).await;
    assert_eq!(page.ok(200)["total"], 2);
    let answer = cast.stranger.call(server, "list-grants", named).await;
    answer.refused(403, "KMS.0306");
    cast.server.stop().await;
}

async fn retirable_grants_are_the_callers_own_whoever_owns_the_keys(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let key = server.create("owners", json!({})).await;
    let who = &cast.neighbour;
    let made = who
        .call(server, "create-key", json!({ "key_alias": "own" }))
        .await;
    let own = made.ok(200)["key_info"]["key_id"].clone();
    let retirable = json!({ "retiring_principal": who.user });
    let one = cast
        .grant_with(&key, &cast.stranger, &["describe-key"], retirable)
        .await;
    server.clock.advance(Duration::from_secs(1));
    let body = json!({
        "key_id": own, "grantee_principal": GRANTEE, "operations": ["encrypt-data"],
        "retiring_principal": who.user,
    });
    let two = id_of(&who.call(server, "create-grant", body).await);
    // Neither what one was granted nor what one made is what one is named for.
    cast.grant(&key, who, &["retire-grant", "describe-key"])
        .await;
    let ids = async |who: &Person, body: Value| {
        let page = who
            .call(server, "list-retirable-grants", body)
            .await
            .ok(200);
        let grants = page["grants"].as_array().unwrap();
        let ids: Vec<_> = grants.iter().map(|it| it["grant_id"].clone()).collect();
        (ids, page)
    };
    let (found, page) = ids(who, json!({})).await;
    assert_eq!(found, [json!(two), json!(one)]);
    assert_eq!(page["total"], 2);
    let (found, page) = ids(who, json!({ "limit": 1 })).await;
    assert_eq!(
        (found, &page["next_marker"]),
        (vec![json!(two)], &json!("1"))
    );
    let (found, _) = ids(who, json!({ "limit": "1", "marker": "1" })).await;
    assert_eq!(found, [json!(one)]);
    for other in [&cast.alice, &cast.reader, &cast.stranger] {
        assert_eq!(ids(other, json!({})).await.0, Vec::<Value>::new());
    }
    // By that list alone the caller can retire it, in their own project's path.
    let body = json!({ "key_id": key, "grant_id": one });
    who.call(server, "retire-grant", body).await.ok(200);
    assert_eq!(ids(who, json!({})).await.0, [json!(two)]);
    cast.server.stop().await;
}

async fn a_key_of_others_tells_whose_it_is_and_the_record_too(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let key = server.create("recorded", json!({})).await;
    let who = &cast.stranger;
    let grant = cast.grant(&key, who, &["describe-key"]).await;
    let named = json!({ "key_id": key });
    let theirs = who
        .call(server, "describe-key", named.clone())
        .await
        .ok(200);
    let own = server.call("describe-key", named.clone()).await.ok(200);
    assert_eq!(theirs, own, "the owner's domain among it");
    assert_eq!(own["key_info"]["domain_id"], cast.alice.domain.as_str());

    let owner = &cast.alice.project;
    let body = json!({ "key_id": key, "plain_text": "x" });
    for (call, body, outcome, detail) in [
        (
            "describe-key",
            &named,
            "ok",
            format!("key of {owner}; by grant {grant}"),
        ),
        (
            "encrypt-data",
            &body,
            "not-granted",
            format!("key of {owner}"),
        ),
    ] {
        who.call(server, call, body.clone()).await;
        let record = server.records().await.pop().unwrap();
        assert_eq!(
            (record.project_id, record.key_id, record.user_id),
            (who.project.clone(), key.clone(), who.user.clone())
        );
        assert_eq!((record.outcome.as_str(), record.detail), (outcome, detail));
    }
    // The key of nobody that is not there is told as before.
    who.call(server, "describe-key", json!({ "key_id": NOBODYS }))
        .await;
    assert_eq!(server.records().await.pop().unwrap().detail, "");
    cast.server.stop().await;
}

/// Whoever writes to the database cannot give themselves a key.
async fn a_row_that_nobody_sealed_opens_nothing_i_43(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let key = server.create("coveted", json!({})).await;
    let body = json!({ "key_id": key, "plain_text": "x" });
    let of_another_project = server
        .kms
        .project_key(&cast.project_of(&cast.stranger))
        .await;
    let sealing = of_another_project.unwrap();
    for who in [&cast.stranger, &cast.reader] {
        server.plant_grant_to(&who.user, &key, sealing.row()).await;
        let answer = who.call(server, "encrypt-data", body.clone()).await;
        answer.refused(500, "KMS.0103");
    }
    server.call("encrypt-data", body).await.ok(200);
    cast.server.stop().await;
}

/// Only a service could make such a key, and none is here: its name is given behind the API's back.
async fn a_default_key_gets_no_grants(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let key = server.create("obs", json!({})).await;
    let (project, store) = (&server.account.project.id, server.kms.store());
    let sealing = server.kms.project_key(project).await.unwrap();
    let region = Region::parse("home-region-1").unwrap();
    let id = KeyId::parse(key.as_str()).unwrap();
    let row = store.find_key(project, &region, &id).await.unwrap();
    let mut renamed = row.unwrap().open(sealing.row()).unwrap();
    let read = renamed.revision;
    renamed.name = KeyName::parse("obs/default").unwrap();
    renamed.revision += 1;
    let write = Write::SaveKey {
        key: Sealed::new(renamed, sealing.row()),
        read,
    };
    let record = server.records().await.pop().unwrap();
    store.commit(vec![write], record).await.unwrap();

    let body =
        json!({ "key_id": key, "grantee_principal": GRANTEE, "operations": ["encrypt-data"] });
    let answer = server.call("create-grant", body).await;
    answer.refused(400, "KMS.0211");
    for call in ["revoke-grant", "retire-grant"] {
        let body = json!({ "key_id": key, "grant_id": NO_GRANT });
        server.call(call, body).await.refused(400, "KMS.0211");
    }
    let listed = server.call("list-grants", json!({ "key_id": key })).await;
    assert_eq!(listed.ok(200)["total"], 0);
    cast.server.stop().await;
}

/// One table for the family: the call, what is changed in a body that is in order, the code.
async fn members_that_break_their_rules(db: Db) {
    let cast = Cast::meet(db).await;
    let server = &cast.server;
    let key = server.create("strict", json!({})).await;
    let grant = cast.grant(&key, &cast.reader, &["encrypt-data"]).await;
    let good = |call: &str| match call {
        "create-grant" => json!({
            "key_id": key, "grantee_principal": GRANTEE, "operations": ["encrypt-data"],
        }),
        "list-grants" => json!({ "key_id": key }),
        "list-retirable-grants" => json!({}),
        _ => json!({ "key_id": key, "grant_id": grant }),
    };
    let word = |of: &str, times: usize| json!(of.repeat(times));
    let mut cases = vec![
        ("create-grant", "grantee_principal", Value::Null, "KMS.0204"),
        ("create-grant", "grantee_principal", json!(""), "KMS.0204"),
        (
            "create-grant",
            "grantee_principal",
            json!("a b"),
            "KMS.2402",
        ),
        (
            "create-grant",
            "grantee_principal",
            json!("a-b"),
            "KMS.2402",
        ),
        (
            "create-grant",
            "grantee_principal",
            json!("a\n"),
            "KMS.2402",
        ),
        ("create-grant", "grantee_principal", json!("é"), "KMS.2402"),
        (
            "create-grant",
            "grantee_principal",
            word("a", 65),
            "KMS.2402",
        ),
        ("create-grant", "grantee_principal", json!(7), "KMS.2402"),
        (
            "create-grant",
            "retiring_principal",
            json!("a@b"),
            "KMS.2402",
        ),
        (
            "create-grant",
            "retiring_principal",
            word("a", 65),
            "KMS.2402",
        ),
        ("create-grant", "retiring_principal", json!([]), "KMS.2402"),
        (
            "create-grant",
            "grantee_principal_type",
            json!("group"),
            "KMS.0308",
        ),
        (
            "create-grant",
            "grantee_principal_type",
            json!("User"),
            "KMS.0308",
        ),
        (
            "create-grant",
            "grantee_principal_type",
            json!(1),
            "KMS.0308",
        ),
        ("create-grant", "operations", Value::Null, "KMS.0204"),
        ("create-grant", "operations", json!(""), "KMS.0204"),
        ("create-grant", "operations", json!([]), "KMS.0308"),
        (
            "create-grant",
            "operations",
            json!("encrypt-data"),
            "KMS.0308",
        ),
        ("create-grant", "operations", json!(["sign"]), "KMS.0308"),
        ("create-grant", "operations", json!(["Encrypt"]), "KMS.0308"),
        (
            "create-grant",
            "operations",
            json!(["encrypt-data", ""]),
            "KMS.0308",
        ),
        (
            "create-grant",
            "operations",
            json!(["encrypt-data", null]),
            "KMS.0308",
        ),
        (
            "create-grant",
            "operations",
            json!([["encrypt-data"]]),
            "KMS.0308",
        ),
        (
            "create-grant",
            "operations",
            json!(["create-grant"]),
            "KMS.2401",
        ),
        (
            "create-grant",
            "operations",
            json!(["create-grant", "create-grant"]),
            "KMS.2401",
        ),
        ("create-grant", "name", json!("a b"), "KMS.0308"),
        ("create-grant", "name", word("n", 256), "KMS.0308"),
        ("create-grant", "name", json!(1), "KMS.0308"),
    ];
    for call in ["list-grants", "list-retirable-grants"] {
        cases.extend([
            (call, "limit", json!("0"), "KMS.1601"),
            (call, "limit", json!("-1"), "KMS.1601"),
            (call, "limit", json!("many"), "KMS.1601"),
            (call, "limit", json!(1.5), "KMS.1601"),
            (call, "marker", json!("here"), "KMS.1602"),
            (call, "marker", json!(-1), "KMS.1602"),
        ]);
    }
    for call in ["revoke-grant", "retire-grant"] {
        cases.extend([
            (call, "grant_id", Value::Null, "KMS.0204"),
            (call, "grant_id", json!(""), "KMS.0204"),
            (call, "grant_id", json!("x"), "KMS.2501"),
            (call, "grant_id", word("g", 64), "KMS.2501"),
            (call, "grant_id", word("a", 63), "KMS.2501"),
            (call, "grant_id", word("a", 65), "KMS.2501"),
            (call, "grant_id", json!(grant.to_uppercase()), "KMS.2501"),
            (call, "grant_id", json!({}), "KMS.2501"),
        ]);
    }
    for call in [
        "create-grant",
        "list-grants",
        "revoke-grant",
        "retire-grant",
    ] {
        cases.extend([
            (call, "key_id", Value::Null, "KMS.0204"),
            (call, "key_id", json!(""), "KMS.0204"),
            (call, "key_id", json!("not-an-id"), "KMS.0205"),
            (call, "key_id", json!(key.to_uppercase()), "KMS.0205"),
            // These calls take ids only.
            (call, "key_id", json!("alias/strict"), "KMS.0205"),
            (call, "key_id", json!(7), "KMS.0205"),
            (call, "sequence", json!("1"), "KMS.0206"),
        ]);
    }
    cases.push(("list-retirable-grants", "sequence", json!(1), "KMS.0206"));
    for (call, member, value, code) in cases {
        let mut body = good(call);
        body[member] = value;
        let answer = server.call(call, body.clone()).await;
        assert_eq!(answer.verdict(), (400, code.to_owned()), "{call} {body}");
        if code != "KMS.2401" {
            let said = answer.refused(400, code);
            assert!(said.starts_with(member), "{call} {body}: {said}");
        }
    }
    for call in [
        "create-grant",
        "list-grants",
        "revoke-grant",
        "retire-grant",
    ] {
        let mut body = good(call);
        body["key_id"] = json!(NOBODYS);
        server.call(call, body).await.refused(404, "KMS.0207");
    }
    let listed = server.call("list-grants", json!({ "key_id": key })).await;
    assert_eq!(listed.ok(200)["total"], 1, "refusals change nothing");

    // The edges of what is allowed.
    let mut body = good("create-grant");
    body["grantee_principal"] = word("Z", 64);
    body["retiring_principal"] = json!("0");
    body["name"] = word("n", 255);
    body["operations"] = json!(OPERATIONS);
    body["sequence"] = json!("919c82d4-8046-4722-9094-35c3c6524cff");
    server.call("create-grant", body).await.ok(200);
    // Of another kind and size than what grants speak of: they open it all the same.
    let rsa = json!({ "key_spec": "RSA_2048", "key_usage": "ENCRYPT_DECRYPT" });
    let rsa = server.create("rsa", rsa).await;
    cast.grant(&rsa, &cast.stranger, &["encrypt-data"]).await;
    let body = json!({
        "key_id": rsa, "plain_text": "x", "encryption_algorithm": "RSAES_OAEP_SHA_256",
    });
    cast.stranger
        .call(server, "encrypt-data", body)
        .await
        .ok(200);
    cast.server.stop().await;
}
