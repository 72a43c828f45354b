//! Conditions of key policies: for each key that they can ask about a policy that lets in by it
//! alone, a call that fits it and one that does not (contract, section 7).

use kmsd::model::identity::Role;
use serde_json::{Value, json};

use super::rules::{id_of, policy, root_arn, statement, user_arn, user_with_role};
use crate::support::aws::{AwsSigner, HOME};
use crate::support::calls::base64;
use crate::support::{Account, Db, Setup, TestServer, on_both};

on_both!(
    conditions_about_the_caller,
    conditions_about_the_key,
    conditions_about_uses,
    conditions_about_grants,
    conditions_about_management,
    conditions_about_the_address,
    conditions_about_time,
    conditions_nobody_answers_keep_out,
    conditions_bind_the_other_dialect,
    an_operation_is_denied_by_its_own_name_alone,
);

const AWAY: &str = "away-region-2";
const DENIED: &str = "AccessDeniedException";

/// Who asks, what for, and what they are told.
struct Ask<'a> {
    who: &'a Account,
    key: &'a str,
    operation: &'a str,
    members: Value,
    outcome: &'a str,
}

/// One server, the account that owns its keys, and somebody whom only conditions let in.
struct House {
    server: TestServer,
    carol: Account,
}

impl House {
    async fn new(setup: Setup) -> Self {
        let regions = format!("{HOME},{AWAY}");
        let server = TestServer::start(setup.with("regions", &regions)).await;
        let carol = user_with_role(&server, "carol", Role::KmsAdministrator).await;
        Self { server, carol }
    }

    async fn key(&self, members: Value) -> String {
        self.server.aws_key(members).await
    }

    fn ask<'a>(&'a self, key: &'a str, operation: &'a str, members: Value) -> Ask<'a> {
        Ask {
            who: &self.carol,
            key,
            operation,
            members,
            outcome: "ok",
        }
    }

    /// Puts a policy on a key: the owner may do all, everybody else what the condition lets them.
    async fn bind(&self, key: &str, condition: &Value) {
        let mut bound = statement("Allow", "*", &["kms:*"]);
        bound["Condition"] = condition.clone();
        let owner = statement("Allow", &user_arn(&self.server.account), &["kms:*"]);
        let document = policy(&[owner, bound]);
        let body = json!({ "KeyId": key, "Policy": document });
        self.server.aws("PutKeyPolicy", body).await.ok(200);
    }

    async fn told(&self, ask: &Ask<'_>) -> String {
        let mut body = json!({ "KeyId": ask.key });
        for (name, value) in ask.members.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = self.server.aws_as(ask.who, HOME, ask.operation, body);
        answer.await.aws_outcome()
    }

    /// The condition lets in what fits, and keeps out what does not.
    async fn check(&self, condition: Value, fits: Ask<'_>, unfit: Ask<'_>) {
        let kept_out = match unfit.outcome {
            "ok" => DENIED,
            told => told,
        };
        for (ask, outcome) in [(&unfit, kept_out), (&fits, fits.outcome)] {
            self.bind(ask.key, &condition).await;
            assert_eq!(
                self.told(ask).await,
                outcome,
                "{condition}: {} {} by {}",
                ask.operation,
                ask.members,
                ask.who.user
            );
        }
    }
}

/// The same, which is refused.
fn denied(ask: Ask<'_>) -> Ask<'_> {
    Ask {
        outcome: DENIED,
        ..ask
    }
}

fn describe<'a>(house: &'a House, key: &'a str) -> Ask<'a> {
    house.ask(key, "DescribeKey", json!({}))
}

fn encrypt<'a>(house: &'a House, key: &'a str, context: Value) -> Ask<'a> {
    let members = json!({ "Plaintext": "c2VjcmV0", "EncryptionContext": context });
    house.ask(key, "Encrypt", members)
}

async fn conditions_about_the_caller(db: Db) {
    let house = House::new(Setup::from(db)).await;
    let key = &house.key(json!({})).await;
    let dave = user_with_role(&house.server, "dave", Role::KmsAdministrator).await;
    let other = house.server.another_account("other").await;
    let account = house.server.account.project.account.to_string();
    let arn = user_arn(&house.carol);
    for (condition, unfit, outcome) in [
        (
            json!({ "StringEquals": { "kms:CallerAccount": account } }),
            &other,
            "NotFoundException",
        ),
        (
            json!({ "StringEquals": { "aws:PrincipalAccount": account } }),
            &other,
            "NotFoundException",
        ),
        (
            json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:user/car*" } }),
            &dave,
            DENIED,
        ),
        (
            json!({ "ArnEquals": { "AWS:principalARN": arn } }),
            &dave,
            DENIED,
        ),
        (
            json!({ "ArnNotEquals": { "aws:PrincipalArn": user_arn(&dave) } }),
            &dave,
            DENIED,
        ),
        (
            json!({ "StringEqualsIgnoreCase": { "aws:username": "CAROL" } }),
            &dave,
            DENIED,
        ),
        (
            json!({ "StringEquals": { "aws:PrincipalType": "User", "aws:username": "carol" } }),
            &dave,
            DENIED,
        ),
    ] {
        let unfit = Ask {
            who: unfit,
            outcome,
            ..describe(&house, key)
        };
        house.check(condition, describe(&house, key), unfit).await;
    }
    // What a variable stands for differs by caller.
    let own = json!({ "StringEquals": { "kms:EncryptionContext:user": "${aws:username}" } });
    let by = |name: &str| encrypt(&house, key, json!({ "user": name }));
    house.check(own.clone(), by("carol"), by("dave")).await;
    let hers = Ask {
        who: &dave,
        ..by("carol")
    };
    house.check(own, by("carol"), hers).await;
    // There are no principals with tags: such a variable is like no text.
    let tagged =
        json!({ "StringNotLike": { "kms:EncryptionContext:user": "${aws:PrincipalTag/team}" } });
    house.bind(key, &tagged).await;
    assert_eq!(house.told(&by("carol")).await, "ok");
}

async fn conditions_about_the_key(db: Db) {
    let house = House::new(Setup::from(db)).await;
    let aes = &house
        .key(json!({ "Tags": [{ "TagKey": "Team", "TagValue": "a" }] }))
        .await;
    let mac = &house
        .key(json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" }))
        .await;
    let imported = &house.key(json!({ "Origin": "EXTERNAL" })).await;
    let primary = &house.key(json!({ "MultiRegion": true })).await;
    let body = json!({ "AliasName": "alias/orders", "TargetKeyId": aes });
    house.server.aws("CreateAlias", body).await.ok(200);
    let other = house.server.account.project.account.to_string();
    for (condition, fits, unfit) in [
        (
            json!({ "StringEquals": { "kms:KeySpec": "SYMMETRIC_DEFAULT" } }),
            aes,
            mac,
        ),
        (
            json!({ "StringLike": { "kms:KeySpec": ["RSA_*", "HMAC_*"] } }),
            mac,
            aes,
        ),
        (
            json!({ "StringNotEquals": { "kms:KeyUsage": "ENCRYPT_DECRYPT" } }),
            mac,
            aes,
        ),
        (
            json!({ "StringEquals": { "kms:KeyOrigin": "EXTERNAL" } }),
            imported,
            aes,
        ),
        (
            json!({ "Bool": { "kms:MultiRegion": "true" } }),
            primary,
            aes,
        ),
        (
            json!({ "StringEquals": { "kms:MultiRegionKeyType": "PRIMARY" } }),
            primary,
            aes,
        ),
        (
            json!({ "StringEqualsIfExists": { "kms:MultiRegionKeyType": "REPLICA" } }),
            aes,
            primary,
        ),
        (
            json!({ "ForAnyValue:StringLike": { "kms:ResourceAliases": "alias/ord*" } }),
            aes,
            mac,
        ),
        (
            json!({ "Null": { "kms:ResourceAliases": "true" } }),
            mac,
            aes,
        ),
        (
            json!({ "StringEquals": { "aws:ResourceTag/team": "a" } }),
            aes,
            mac,
        ),
        (
            json!({ "StringEquals": { "aws:ResourceAccount": other, "kms:KeySpec": "HMAC_256" } }),
            mac,
            aes,
        ),
    ] {
        house
            .check(condition, describe(&house, fits), describe(&house, unfit))
            .await;
    }
    // By which name the key is asked for.
    let by_alias = |operation: &'static str, members: Value| {
        let mut members = members;
        members["KeyId"] = json!("alias/orders");
        house.ask(aes, operation, members)
    };
    let named = json!({ "StringEquals": { "kms:RequestAlias": "alias/orders" } });
    house
        .check(
            named.clone(),
            by_alias("DescribeKey", json!({})),
            describe(&house, aes),
        )
        .await;
    let sealed = house
        .server
        .aws("Encrypt", json!({ "KeyId": aes, "Plaintext": "c2VjcmV0" }))
        .await
        .ok(200);
    let open = json!({ "CiphertextBlob": sealed["CiphertextBlob"] });
    house
        .check(
            named,
            by_alias("Decrypt", open.clone()),
            house.ask(aes, "Decrypt", open),
        )
        .await;
}

async fn conditions_about_uses(db: Db) {
    let house = House::new(Setup::from(db)).await;
    let aes = &house.key(json!({})).await;
    let another = &house.key(json!({})).await;
    let mac = &house
        .key(json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" }))
        .await;
    let edwards = &house
        .key(json!({ "KeySpec": "ECC_NIST_EDWARDS25519", "KeyUsage": "SIGN_VERIFY" }))
        .await;
    let agreeing = &house
        .key(json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT" }))
        .await;
    let rsa = &house
        .key(json!({ "KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT" }))
        .await;
    let context = |pairs: Value| encrypt(&house, aes, pairs);
    let team = json!({ "StringEquals": { "kms:EncryptionContext:Team": ["a", "b"] } });
    house
        .check(
            team.clone(),
            context(json!({ "Team": "b", "x": "y" })),
            context(json!({ "Team": "c" })),
        )
        .await;
    house
        .check(
            team,
            context(json!({ "Team": "a" })),
            house.ask(aes, "GenerateDataKey", json!({ "NumberOfBytes": 16 })),
        )
        .await;
    house
        .check(
            json!({
                "ForAllValues:StringEquals": { "kms:EncryptionContextKeys": ["a", "b"] },
                "Null": { "kms:EncryptionContextKeys": "false" },
            }),
            context(json!({ "a": "1", "b": "2" })),
            context(json!({ "a": "1", "c": "2" })),
        )
        .await;
    house
        .check(
            json!({ "ForAnyValue:StringEquals": { "kms:EncryptionContextKeys": "a" } }),
            context(json!({ "a": "1", "c": "2" })),
            context(json!({})),
        )
        .await;
    let with = |name: &str| {
        let members = json!({ "Plaintext": "c2VjcmV0", "EncryptionAlgorithm": name });
        house.ask(rsa, "Encrypt", members)
    };
    house
        .check(
            json!({ "StringEquals": { "kms:EncryptionAlgorithm": "RSAES_OAEP_SHA_256" } }),
            with("RSAES_OAEP_SHA_256"),
            with("RSAES_OAEP_SHA_1"),
        )
        .await;
    let sign = |algorithm: &str, kind: &str| {
        let members = json!({
            "Message": base64(&[7; 64]), "SigningAlgorithm": algorithm, "MessageType": kind,
        });
        house.ask(edwards, "Sign", members)
    };
    for condition in [
        json!({ "StringEquals": { "kms:SigningAlgorithm": "ED25519_SHA_512" } }),
        json!({ "StringEquals": { "kms:MessageType": "RAW" } }),
    ] {
        let (raw, digest) = (("ED25519_SHA_512", "RAW"), ("ED25519_PH_SHA_512", "DIGEST"));
        house
            .check(condition, sign(raw.0, raw.1), sign(digest.0, digest.1))
            .await;
    }
    let code = |algorithm: &str| {
        let members = json!({ "Message": base64(b"hello"), "MacAlgorithm": algorithm });
        house.ask(mac, "GenerateMac", members)
    };
    house
        .check(
            json!({ "StringEquals": { "kms:MacAlgorithm": "HMAC_SHA_256" } }),
            code("HMAC_SHA_256"),
            code("HMAC_SHA_512"),
        )
        .await;
    let peer = house
        .server
        .aws("GetPublicKey", json!({ "KeyId": agreeing }))
        .await
        .ok(200);
    let members = json!({ "PublicKey": peer["PublicKey"], "KeyAgreementAlgorithm": "ECDH" });
    house
        .check(
            json!({ "StringEquals": { "kms:KeyAgreementAlgorithm": "ECDH" } }),
            house.ask(agreeing, "DeriveSharedSecret", members),
            house.ask(agreeing, "GetPublicKey", json!({})),
        )
        .await;
    let pair = |spec: &str| {
        let members = json!({ "KeyPairSpec": spec });
        house.ask(aes, "GenerateDataKeyPairWithoutPlaintext", members)
    };
    house
        .check(
            json!({ "StringEquals": { "kms:DataKeyPairSpec": "ECC_NIST_P256" } }),
            pair("ECC_NIST_P256"),
            pair("ECC_NIST_P384"),
        )
        .await;
    let sealed = house
        .server
        .aws("Encrypt", json!({ "KeyId": aes, "Plaintext": "c2VjcmV0" }))
        .await
        .ok(200);
    let anew = |to: &str| {
        let members = json!({
            "CiphertextBlob": sealed["CiphertextBlob"], "DestinationKeyId": to,
        });
        house.ask(aes, "ReEncrypt", members)
    };
    house
        .check(
            json!({ "Bool": { "kms:ReEncryptOnSameKey": true } }),
            anew(id_of(aes)),
            anew(another),
        )
        .await;
}

async fn conditions_about_grants(db: Db) {
    let house = House::new(Setup::from(db)).await;
    let key = &house.key(json!({})).await;
    let dave = user_with_role(&house.server, "dave", Role::KmsAdministrator).await;
    let other = house.server.another_account("other").await;
    let grant = |more: Value| {
        let mut members = json!({
            "GranteePrincipal": user_arn(&other), "Operations": ["Decrypt", "DescribeKey"],
        });
        for (name, value) in more.as_object().unwrap() {
            members[name] = value.clone();
        }
        house.ask(key, "CreateGrant", members)
    };
    let equals = json!({ "Constraints": { "EncryptionContextEquals": { "team": "a" } } });
    let subset = json!({ "Constraints": { "EncryptionContextSubset": { "team": "b" } } });
    for (condition, fits, unfit) in [
        (
            json!({ "StringEquals": { "kms:GranteePrincipal": user_arn(&other) } }),
            json!({}),
            json!({ "GranteePrincipal": user_arn(&dave) }),
        ),
        (
            json!({ "ArnLike": { "kms:GranteePrincipal": root_arn(&other) } }),
            json!({ "GranteePrincipal": root_arn(&other) }),
            json!({}),
        ),
        (
            json!({ "StringEquals": { "kms:RetiringPrincipal": user_arn(&dave) } }),
            json!({ "RetiringPrincipal": user_arn(&dave) }),
            json!({}),
        ),
        (
            json!({ "ForAllValues:StringEquals": { "kms:GrantOperations": ["Decrypt", "DescribeKey"] } }),
            json!({}),
            json!({ "Operations": ["Decrypt", "Encrypt"] }),
        ),
        (
            json!({ "StringEquals": { "kms:GrantConstraintType": "EncryptionContextEquals" } }),
            equals.clone(),
            subset.clone(),
        ),
        (
            json!({ "StringEquals": { "kms:EncryptionContext:team": "a" } }),
            equals.clone(),
            subset,
        ),
        (
            json!({ "Null": { "kms:GrantConstraintType": "true" } }),
            json!({}),
            equals,
        ),
        (
            json!({ "StringEquals": { "kms:GrantIsForAWSResource": "false" } }),
            Value::Null,
            json!({}),
        ),
        (
            json!({ "Null": { "kms:GrantIsForAWSResource": "true" } }),
            json!({}),
            Value::Null,
        ),
    ] {
        match (fits, unfit) {
            (Value::Null, unfit) => {
                house.bind(key, &condition).await;
                assert_eq!(house.told(&grant(unfit)).await, DENIED);
            }
            (fits, Value::Null) => {
                house.bind(key, &condition).await;
                assert_eq!(house.told(&grant(fits)).await, "ok");
            }
            (fits, unfit) => house.check(condition, grant(fits), grant(unfit)).await,
        }
    }
}

async fn conditions_about_management(db: Db) {
    let house = House::new(Setup::from(db)).await;
    let key = &house.key(json!({})).await;
    let spare = &house.key(json!({})).await;
    let imported = &house.key(json!({ "Origin": "EXTERNAL" })).await;
    let primary = &house.key(json!({ "MultiRegion": true })).await;
    let now = house.server.kms.now();
    let day = |days| now.plus_days(days).seconds();
    let import = |more: Value| {
        let mut members = json!({
            "ImportToken": base64(b"no token"), "EncryptedKeyMaterial": base64(b"x"),
        });
        for (name, value) in more.as_object().unwrap() {
            members[name] = value.clone();
        }
        Ask {
            outcome: "InvalidImportTokenException",
            ..house.ask(imported, "ImportKeyMaterial", members)
        }
    };
    let tag = |key: &str, value: &str| json!({ "Tags": [{ "TagKey": key, "TagValue": value }] });
    let wrapping = |algorithm: &str, spec: &str| {
        let members = json!({ "WrappingAlgorithm": algorithm, "WrappingKeySpec": spec });
        house.ask(imported, "GetParametersForImport", members)
    };
    let own = policy(&[statement("Allow", "*", &["kms:*"])]);
    let put = |bypass: Option<bool>| {
        let members = json!({ "Policy": own, "BypassPolicyLockoutSafetyCheck": bypass });
        house.ask(spare, "PutKeyPolicy", members)
    };
    let unexpired = json!({ "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE" });
    let window = |days: u32| {
        let members = json!({ "PendingWindowInDays": days });
        house.ask(spare, "ScheduleKeyDeletion", members)
    };
    let period = |days: Option<u32>| {
        let members = json!({ "RotationPeriodInDays": days });
        house.ask(key, "EnableKeyRotation", members)
    };
    let moved = |region: &str| Ask {
        outcome: "NotFoundException",
        ..house.ask(
            primary,
            "UpdatePrimaryRegion",
            json!({ "PrimaryRegion": region }),
        )
    };
    let copied =
        |region: &str| house.ask(primary, "ReplicateKey", json!({ "ReplicaRegion": region }));
    let asks: Vec<(Value, Ask<'_>, Ask<'_>)> = vec![
        (
            json!({ "NumericLessThanEquals": { "kms:RotationPeriodInDays": 100 } }),
            period(Some(100)),
            period(None),
        ),
        (
            json!({ "StringEquals": { "aws:RequestTag/Team": "a" } }),
            house.ask(key, "TagResource", tag("team", "a")),
            house.ask(key, "TagResource", tag("team", "b")),
        ),
        (
            json!({ "ForAllValues:StringEquals": { "aws:TagKeys": ["a", "b"] } }),
            house.ask(key, "UntagResource", json!({ "TagKeys": ["b"] })),
            house.ask(key, "UntagResource", json!({ "TagKeys": ["b", "c"] })),
        ),
        (
            json!({ "StringEquals": { "kms:PolicyName": "default" } }),
            house.ask(key, "GetKeyPolicy", json!({})),
            house.ask(key, "DescribeKey", json!({})),
        ),
        (
            json!({ "StringEquals": { "kms:WrappingAlgorithm": "RSAES_OAEP_SHA_256" } }),
            wrapping("RSAES_OAEP_SHA_256", "RSA_2048"),
            wrapping("RSAES_OAEP_SHA_1", "RSA_2048"),
        ),
        (
            json!({ "StringEquals": { "kms:WrappingKeySpec": ["RSA_2048", "RSA_4096"] } }),
            wrapping("RSAES_OAEP_SHA_256", "RSA_2048"),
            wrapping("RSAES_OAEP_SHA_256", "RSA_3072"),
        ),
        (
            json!({ "StringEquals": { "kms:ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE" } }),
            import(unexpired.clone()),
            denied(import(json!({ "ValidTo": day(1) }))),
        ),
        (
            json!({ "NumericLessThan": { "kms:ValidTo": day(2) } }),
            import(json!({ "ValidTo": day(1) })),
            denied(import(json!({ "ValidTo": day(2) }))),
        ),
        (
            json!({ "DateLessThanEquals": { "kms:ValidTo": now.plus_days(2).iso_seconds() } }),
            import(json!({ "ValidTo": day(2) })),
            denied(import(unexpired)),
        ),
        (
            json!({ "StringEquals": { "kms:PrimaryRegion": AWAY } }),
            moved(AWAY),
            denied(moved("other-region-3")),
        ),
        (
            json!({ "StringEquals": { "kms:ReplicaRegion": AWAY } }),
            copied(AWAY),
            copied("other-region-3"),
        ),
        (
            json!({ "Bool": { "kms:BypassPolicyLockoutSafetyCheck": "false" } }),
            put(None),
            put(Some(true)),
        ),
        (
            json!({ "NumericGreaterThan": { "kms:ScheduleKeyDeletionPendingWindowInDays": "7" } }),
            window(8),
            window(7),
        ),
    ];
    for (condition, fits, unfit) in asks {
        house.check(condition, fits, unfit).await;
    }
    // Who makes a key is held against its policy likewise.
    let mut careful = statement("Allow", &user_arn(&house.carol), &["kms:*"]);
    careful["Condition"] = json!({ "Bool": { "kms:BypassPolicyLockoutSafetyCheck": "false" } });
    let body = json!({ "Policy": policy(&[careful]) });
    let made = house.server.aws_as(&house.carol, HOME, "CreateKey", body);
    made.await.ok(200);
}

async fn conditions_about_the_address(db: Db) {
    let proxied = Setup {
        file: Some("tls.terminated_by_proxy = [\"127.0.0.1\"]"),
        ..Setup::from(db)
    };
    let house = House::new(proxied).await;
    let key = house.key(json!({})).await;
    let from = async |address: &str| {
        let signer = AwsSigner::new(&house.server, &house.carol, house.server.kms.now())
            .with_header("x-forwarded-for", address);
        let body = json!({ "KeyId": key }).to_string();
        let answer = signer.sign("DescribeKey", &body).send(&house.server).await;
        answer.aws_outcome()
    };
    for (operator, inside, outside) in [("IpAddress", "ok", DENIED), ("NotIpAddress", DENIED, "ok")]
    {
        let blocks = json!(["192.0.2.0/24", "2001:db8::/32"]);
        let condition = json!({ operator: { "aws:SourceIp": blocks } });
        house.bind(&key, &condition).await;
        assert_eq!(from("192.0.2.77").await, inside, "{operator}");
        assert_eq!(from("2001:db8::7").await, inside, "{operator}");
        assert_eq!(from("192.0.3.77").await, outside, "{operator}");
    }
    // A proxy that is known ended TLS; who comes without one came in the clear.
    let secure = json!({ "Bool": { "aws:SecureTransport": "true" } });
    house.bind(&key, &secure).await;
    assert_eq!(from("192.0.2.77").await, "ok");
    let plain = House::new(Setup::from(db)).await;
    let key = &plain.key(json!({})).await;
    plain.bind(key, &secure).await;
    assert_eq!(plain.told(&describe(&plain, key)).await, DENIED);
    let insecure = json!({ "Bool": { "aws:SecureTransport": "false" } });
    plain.bind(key, &insecure).await;
    assert_eq!(plain.told(&describe(&plain, key)).await, "ok");
}

async fn conditions_about_time(db: Db) {
    let house = House::new(Setup::from(db)).await;
    let key = &house.key(json!({})).await;
    let noon = house.server.kms.now().plus_days(1);
    let outcome = async |condition: &Value| {
        house.bind(key, condition).await;
        house.told(&describe(&house, key)).await
    };
    let before = [
        json!({ "DateLessThan": { "aws:CurrentTime": noon.iso_seconds() } }),
        json!({ "DateNotEquals": { "aws:CurrentTime": noon.iso_seconds() } }),
        json!({ "NumericLessThan": { "aws:EpochTime": noon.seconds() } }),
    ];
    let after = [
        json!({ "DateGreaterThanEquals": { "aws:CurrentTime": noon.iso_seconds() } }),
        json!({ "DateGreaterThan": { "aws:EpochTime": noon.seconds() - 1 } }),
        json!({ "DateEquals": { "aws:CurrentTime": noon.seconds() } }),
    ];
    for (day, early, late) in [(0, "ok", DENIED), (1, DENIED, "ok")] {
        house.server.clock.advance_days(day);
        for condition in &before {
            assert_eq!(outcome(condition).await, early, "{day} {condition}");
        }
        for condition in &after {
            assert_eq!(outcome(condition).await, late, "{day} {condition}");
        }
    }
}

async fn conditions_nobody_answers_keep_out(db: Db) {
    let house = House::new(Setup::from(db)).await;
    let key = &house.key(json!({})).await;
    for (condition, outcome) in [
        (
            json!({ "StringEquals": { "kms:ViaService": "s3.home-region-1.amazonaws.com" } }),
            DENIED,
        ),
        (
            json!({ "StringLike": { "kms:MadeUpYesterday": "*" } }),
            DENIED,
        ),
        (
            json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } }),
            DENIED,
        ),
        (
            json!({ "ForAnyValue:StringLike": { "aws:PrincipalOrgPaths": "*" } }),
            DENIED,
        ),
        (
            json!({ "BoolIfExists": { "aws:MultiFactorAuthPresent": "true" } }),
            "ok",
        ),
        (json!({ "Null": { "kms:ViaService": "true" } }), "ok"),
        (
            json!({ "StringNotEquals": { "kms:ViaService": "s3" } }),
            "ok",
        ),
        (json!({ "Bool": { "aws:ViaAWSService": "false" } }), "ok"),
    ] {
        house.bind(key, &condition).await;
        let told = house.told(&describe(&house, key)).await;
        assert_eq!(told, outcome, "{condition}");
    }
}

async fn conditions_bind_the_other_dialect(db: Db) {
    let house = House::new(Setup::from(db)).await;
    let aes = &house.key(json!({})).await;
    let signing = &house
        .key(json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" }))
        .await;
    let spare = &house.key(json!({})).await;
    let token = house.server.log_in(&house.carol).await;
    let asked = async |call: &str, key: &str, members: Value| {
        let mut body = json!({ "key_id": id_of(key) });
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = house.server.call_as(&token, call, body).await;
        answer.status
    };
    house
        .bind(
            aes,
            &json!({ "StringEquals": { "kms:EncryptionContext:team": "a" } }),
        )
        .await;
    for (team, status) in [("a", 200), ("b", 403)] {
        let members = json!({
            "plain_text": "secret", "encryption_context": { "team": team },
        });
        assert_eq!(asked("encrypt-data", aes, members).await, status);
        let members = json!({
            "datakey_length": "256", "encryption_context": { "team": team },
        });
        assert_eq!(asked("create-datakey", aes, members).await, status);
    }
    let digest = json!({ "StringEquals": {
        "kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST",
    } });
    house.bind(signing, &digest).await;
    for (kind, status) in [("DIGEST", 200), ("RAW", 403)] {
        let members = json!({
            "message": base64(&[7; 32]), "message_type": kind,
            "signing_algorithm": "ECDSA_SHA_256",
        });
        assert_eq!(asked("sign", signing, members).await, status);
    }
    let window = "kms:ScheduleKeyDeletionPendingWindowInDays";
    house
        .bind(spare, &json!({ "NumericEquals": { window: 30 } }))
        .await;
    for (days, status) in [("29", 403), ("30", 200)] {
        let members = json!({ "pending_days": days });
        assert_eq!(asked("schedule-key-deletion", spare, members).await, status);
    }
}

async fn an_operation_is_denied_by_its_own_name_alone(db: Db) {
    let house = House::new(Setup::from(db)).await;
    let grant = json!({
        "GranteePrincipal": root_arn(&house.server.account), "Operations": ["DescribeKey"],
    });
    let tags = json!({ "Tags": [{ "TagKey": "a", "TagValue": "b" }] });
    let calls = [
        ("DescribeKey", json!({})),
        ("GetKeyLastUsage", json!({})),
        ("GetKeyRotationStatus", json!({})),
        ("ListKeyRotations", json!({})),
        ("EnableKeyRotation", json!({})),
        ("DisableKeyRotation", json!({})),
        ("TagResource", tags),
        ("UntagResource", json!({ "TagKeys": ["a"] })),
        ("ListResourceTags", json!({})),
        ("CreateGrant", grant),
        ("ListGrants", json!({})),
        ("GetKeyPolicy", json!({})),
        ("ListKeyPolicies", json!({})),
        ("UpdateKeyDescription", json!({ "Description": "x" })),
        ("Encrypt", json!({ "Plaintext": base64(b"x") })),
        ("GenerateDataKey", json!({ "KeySpec": "AES_256" })),
        (
            "GenerateDataKeyWithoutPlaintext",
            json!({ "KeySpec": "AES_256" }),
        ),
        (
            "GenerateDataKeyPair",
            json!({ "KeyPairSpec": "ECC_NIST_P256" }),
        ),
        (
            "GenerateDataKeyPairWithoutPlaintext",
            json!({ "KeyPairSpec": "ECC_NIST_P256" }),
        ),
        ("RotateKeyOnDemand", json!({})),
        ("DisableKey", json!({})),
        ("EnableKey", json!({})),
        ("ScheduleKeyDeletion", json!({})),
        ("CancelKeyDeletion", json!({})),
    ];
    for (denied, _) in &calls {
        let key = house.key(json!({})).await;
        let mut deny = statement("Deny", &user_arn(&house.carol), &[]);
        deny["Action"] = json!([format!("kms:{denied}")]);
        let allow = statement("Allow", "*", &["kms:*"]);
        let body = json!({ "KeyId": key, "Policy": policy(&[allow, deny]) });
        house.server.aws("PutKeyPolicy", body).await.ok(200);
        for (operation, members) in &calls {
            let told = house
                .told(&house.ask(&key, operation, members.clone()))
                .await;
            let why = format!("{operation}, where {denied} is denied");
            match (operation == denied, *denied, *operation) {
                (true, ..) => assert_eq!(told, DENIED, "{why}"),
                // The key was not driven to where this fits.
                (_, "ScheduleKeyDeletion", "CancelKeyDeletion") => {
                    assert_eq!(told, "KMSInvalidStateException", "{why}");
                }
                _ => assert_eq!(told, "ok", "{why}"),
            }
        }
    }
    // The other dialect's words for the same are the same to a policy.
    let key = house.key(json!({})).await;
    let mut deny = statement("Deny", "*", &[]);
    deny["Action"] = json!(["kms:UntagResource"]);
    let allow = statement("Allow", "*", &["kms:*"]);
    let body = json!({ "KeyId": key, "Policy": policy(&[allow, deny]) });
    house.server.aws("PutKeyPolicy", body).await.ok(200);
    let id = id_of(&key);
    let path = format!("{id}/tags/action");
    let tags = json!([{ "key": "a", "value": "b" }]);
    for (action, status) in [("create", 204), ("delete", 403)] {
        let body = json!({ "action": action, "tags": tags });
        let answer = house.server.call(&path, body).await;
        assert_eq!(answer.status, status, "{action}: {}", answer.text);
    }
    house.server.stop().await;
}
