//! Omissions fail by name: actions without a spelling, a test or a description, and refusals whose
//! code nobody is told of.

use std::collections::BTreeSet;
use std::time::Duration;

use kmsd::dialect::{Body, Reply};
use kmsd::huawei::error::{Service, render};
use kmsd::huawei::routes::{Kind, table};
use kmsd::model::action::Action;
use kmsd::model::error::{Error, ImportFault, TagFault, Unfit, Unrotatable};
use kmsd::model::ids::Region;
use kmsd::model::spec::Family;
use kmsd::model::state::{KeyState, Verdict};
use kmsd::model::time::Timestamp;
use serde_json::Value;

use crate::support::calls::{KEY_CALLS, route_of};
use crate::support::openapi::operations;

/// Actions that are about no single key, and why. Every other has a row in the state table.
const NOT_ABOUT_ONE_KEY: &[(Action, &str)] = &[
    (Action::CreateKey, "the key is not there yet"),
    (Action::ListKeys, "about all keys of a project"),
    (Action::CountKeys, "about all keys of a project"),
    (Action::ShowQuotas, "about the project"),
    (Action::GenerateRandom, "about no key at all"),
    (Action::CreateKeystore, "the keystore is not there yet"),
    (Action::ListKeystores, "about all keystores of a project"),
    (Action::ShowKeystore, "about a keystore"),
    (Action::EnableKeystore, "about a keystore"),
    (Action::DisableKeystore, "about a keystore"),
    (Action::UpdateKeystore, "about a keystore"),
    (Action::DeleteKeystore, "about a keystore"),
    (Action::CreatePin, "about no key at all"),
    (Action::ListRegions, "about the deployment"),
    (Action::ListRetirableGrants, "about the caller"),
    (Action::ListProjectTags, "about all keys of a project"),
    (Action::ListKeysByTags, "about all keys of a project"),
    (Action::AddDefaultKey, "the key is not there yet"),
    // The trusted key space.
    (Action::CreateAccessPoint, "about an access point"),
    (Action::ListAccessPoints, "about a key space"),
    (Action::EnableAccessPoint, "about an access point"),
    (Action::DisableAccessPoint, "about an access point"),
    (Action::GetAccessPointPrivateKey, "about an access point"),
    (Action::DeleteAccessPoint, "about an access point"),
    (Action::CreateKeyPolicy, "about a policy"),
    (Action::ListKeyPolicies, "about a key space"),
    (Action::ShowKeyPolicy, "about a policy"),
    (Action::UpdateKeyPolicy, "about a policy"),
    (Action::DeleteKeyPolicy, "about a policy"),
    (Action::IssueToken, "about a token"),
    (Action::ValidateToken, "about a token"),
    (Action::RevokeToken, "about a token"),
    (Action::ListProjects, "about the caller"),
    (Action::ListDomains, "about the caller"),
    (Action::ShowCatalog, "about the deployment"),
    (Action::ManageIdentity, "about users and what they have"),
    (Action::ManageTokenKeys, "about the keys of tokens"),
    (Action::DestroyKey, "decided by the clock"),
    (Action::RotateKey, "decided by the clock"),
    (Action::ExpireKeyMaterial, "decided by the clock"),
    (Action::RefuseCredential, "about nobody"),
];

/// Actions that no route leads to, and why.
const WITHOUT_ROUTE: &[(Action, &str)] = &[
    (
        Action::ManageIdentity,
        "the operator's, on the command line",
    ),
    (
        Action::ManageTokenKeys,
        "the operator's, on the command line",
    ),
    (Action::AddDefaultKey, "the operator's, on the command line"),
    (Action::UpdateKeystore, "AWS's dialect alone has it"),
    (Action::GetResourcePolicy, "AWS's alone"),
    (Action::PutResourcePolicy, "AWS's alone"),
    (Action::ListResourcePolicies, "AWS's alone"),
    (Action::Encapsulate, "AWS's alone"),
    (Action::Decapsulate, "AWS's alone"),
    (Action::DestroyKey, "kmsd's own, when a day comes"),
    (Action::RotateKey, "kmsd's own, by plan"),
    (
        Action::ExpireKeyMaterial,
        "kmsd's own, when its time is over",
    ),
    (
        Action::RefuseCredential,
        "what a call becomes that has no caller",
    ),
];

#[track_caller]
fn none(what: &str, names: &[&str]) {
    assert!(names.is_empty(), "{what}: {}", names.join(", "));
}

fn is_listed(list: &[(Action, &str)], action: Action) -> bool {
    list.iter()
        .any(|(listed, why)| *listed == action && !why.is_empty())
}

/// The actions that a route leads to, with the route's method and path.
fn routed() -> Vec<(Action, &'static str, &'static str)> {
    let action = |kind: &Kind| match kind {
        Kind::Guarded(action, _) => Some(*action),
        Kind::LogIn => Some(Action::IssueToken),
        Kind::Public(_) | Kind::PublicAsync(_) => None,
    };
    table()
        .iter()
        .filter_map(|row| Some((action(&row.kind)?, row.method, row.path)))
        .collect()
}

#[test]
fn every_action_has_a_row_in_the_state_table_or_a_reason() {
    let (mut missing, mut needless) = (Vec::new(), Vec::new());
    for action in Action::ALL {
        let has_row = KeyState::Enabled.permits(action).is_some();
        match (has_row, is_listed(NOT_ABOUT_ONE_KEY, action)) {
            (false, false) => missing.push(action.name()),
            (true, true) => needless.push(action.name()),
            _ => {}
        }
    }
    none("no row in the state table and no reason here", &missing);
    none("a row in the state table, and yet a reason here", &needless);
}

#[test]
fn every_action_has_a_route_or_a_reason() {
    let routed: Vec<Action> = routed().iter().map(|(action, ..)| *action).collect();
    let (mut missing, mut needless) = (Vec::new(), Vec::new());
    for action in Action::ALL {
        match (routed.contains(&action), is_listed(WITHOUT_ROUTE, action)) {
            (false, false) => missing.push(action.name()),
            (true, true) => needless.push(action.name()),
            _ => {}
        }
    }
    none("no route and no reason here", &missing);
    none("a route, and yet a reason here", &needless);
}

#[test]
fn every_routed_action_is_in_the_document() {
    let described: Vec<(String, String)> = operations()
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    let missing: Vec<&str> = routed()
        .into_iter()
        .filter(|(_, method, path)| {
            !described
                .iter()
                .any(|(known, at)| known == method && at == path)
        })
        .map(|(action, ..)| action.name())
        .collect();
    none("no operation in openapi.yaml", &missing);
}

/// `tests/support/calls.rs` is what the tests of states, permissions, records and examples go
/// through; what is missing there is tested nowhere.
#[test]
fn every_action_with_a_permission_is_called_by_the_tests() {
    let missing: Vec<&str> = Action::ALL
        .into_iter()
        .filter(|action| action.permission().is_some() && !is_listed(WITHOUT_ROUTE, *action))
        .filter(|action| KEY_CALLS.iter().all(|call| call.action != *action))
        .map(Action::name)
        .collect();
    none("no call in tests/support/calls.rs", &missing);
    let routed = routed();
    let wrong: Vec<&str> = KEY_CALLS
        .iter()
        .filter(|call| {
            let (method, path) = route_of(call.name);
            !routed.contains(&(call.action, method, path.as_str()))
        })
        .map(|call| call.name)
        .collect();
    none(
        "calls in tests/support/calls.rs that are not routes",
        &wrong,
    );
}

#[test]
fn a_permission_and_no_role_do_not_go_together() {
    use kmsd::model::access::role_allows;
    use kmsd::model::identity::Role;
    let odd: Vec<&str> = Action::ALL
        .into_iter()
        .filter(|action| {
            let reached = Role::ALL.iter().any(|role| role_allows(*role, *action));
            reached != action.permission().is_some()
        })
        .map(Action::name)
        .collect();
    none(
        "a permission that no role gives, or a role without a permission",
        &odd,
    );
}

/// One of each refusal, by the name of its variant, and of those that differ by member or state one
/// of each kind.
fn refusals() -> Vec<(&'static str, Error)> {
    let text = || String::from("x");
    let region = || Region::parse("x").unwrap();
    let mut all = vec![
        ("UnknownPath", Error::UnknownPath),
        ("MalformedPolicy", Error::MalformedPolicy(text())),
        ("PolicyTooLarge", Error::PolicyTooLarge(1)),
        ("NoSuchPolicy", Error::NoSuchPolicy),
        ("BadGrantId", Error::BadGrantId),
        ("BadGrantToken", Error::BadGrantToken),
        ("WrongMethod", Error::WrongMethod(vec!["GET"])),
        ("BodyTooLarge", Error::BodyTooLarge(1)),
        ("BodyTooSlow", Error::BodyTooSlow),
        ("Unreadable", Error::Unreadable(text())),
        ("NotJson", Error::NotJson(text())),
        ("Missing", Error::Missing(text())),
        ("Constraint", Error::Constraint(text())),
        ("IncompleteSignature", Error::IncompleteSignature(text())),
        ("NoKeyId", Error::NoKeyId(text())),
        ("BadArn", Error::BadArn(text())),
        ("OtherRegion", Error::OtherRegion(text())),
        ("NoCredential", Error::NoCredential),
        ("InvalidToken", Error::InvalidToken("x")),
        ("ExpiredToken", Error::ExpiredToken(Timestamp::default())),
        ("BadSignature", Error::BadSignature(text())),
        ("BadPassword", Error::BadPassword),
        ("NeedsProjectScope", Error::NeedsProjectScope),
        ("WrongProject", Error::WrongProject),
        ("Forbidden", Error::Forbidden(Action::CreateKey)),
        ("NoSuchScope", Error::NoSuchScope),
        ("TokenNotFound", Error::TokenNotFound),
        ("NotRevocable", Error::NotRevocable),
        ("KeyNotFound", Error::KeyNotFound),
        ("DefaultKey", Error::DefaultKey),
        ("NotGranted", Error::NotGranted(Action::Encrypt)),
        ("GrantNotFound", Error::GrantNotFound),
        ("GrantOfAnotherKey", Error::GrantOfAnotherKey),
        ("GrantsNothing", Error::GrantsNothing),
        ("GrantQuotaReached", Error::GrantQuotaReached),
        ("NameTaken", Error::NameTaken),
        ("ReservedName", Error::ReservedName),
        (
            "UsageMismatch",
            Error::UsageMismatch {
                spec: "x",
                usage: "x",
            },
        ),
        ("NotImportable", Error::NotImportable("x")),
        ("MacNotImportable", Error::MacNotImportable),
        ("SpecNotOffered", Error::SpecNotOffered("x")),
        ("UnfitKey", Error::UnfitKey(Unfit::CannotWrap)),
        (
            "UnfitAlgorithm",
            Error::UnfitAlgorithm("signing_algorithm", Family::Asymmetric),
        ),
        ("DigestLength", Error::DigestLength),
        ("PlaintextTooLong", Error::PlaintextTooLong(1)),
        ("NotWholeBytes", Error::NotWholeBytes("datakey_length")),
        ("DataKeyDigest", Error::DataKeyDigest),
        ("DataKeyLength", Error::DataKeyLength),
        ("InvalidCiphertext", Error::InvalidCiphertext),
        ("AttestationRefused", Error::AttestationRefused("x")),
        ("NoEnclaveRoots", Error::NoEnclaveRoots),
        ("IsReplica", Error::IsReplica(region())),
        ("HasReplicas", Error::HasReplicas(vec![region()])),
        ("AlreadyInRegion", Error::AlreadyInRegion(region())),
        ("NoReplicaThere", Error::NoReplicaThere(region())),
        ("SignatureDoesNotHold", Error::SignatureDoesNotHold),
        ("MacDoesNotHold", Error::MacDoesNotHold),
        ("IncorrectKey", Error::IncorrectKey),
        ("InvalidMarker", Error::InvalidMarker),
        ("DryRun", Error::DryRun),
        ("RotationIsOn", Error::RotationIsOn),
        ("RotationIsOff", Error::RotationIsOff),
        ("KeystoreNotFound", Error::KeystoreNotFound),
        (
            "KeystoreKindNotOffered",
            Error::KeystoreKindNotOffered("CDMS"),
        ),
        ("KeystoreDisabled", Error::KeystoreDisabled),
        ("KeystoreNotEmpty", Error::KeystoreNotEmpty),
        ("KeystoreState", Error::KeystoreState),
        ("AnotherCluster", Error::AnotherCluster),
        ("ClusterTaken", Error::ClusterTaken),
        ("NoImportIntoKeystore", Error::NoImportIntoKeystore),
        ("KeyQuotaReached", Error::KeyQuotaReached),
        ("TagNotFound", Error::TagNotFound),
        ("TooManyTags", Error::TooManyTags(20)),
        ("AliasNotFound", Error::AliasNotFound),
        ("AliasTaken", Error::AliasTaken),
        ("TooManyAliases", Error::TooManyAliases(50)),
        ("AccessPointNotFound", Error::AccessPointNotFound),
        ("PolicyNotFound", Error::PolicyNotFound),
        ("UnreadableAttestation", Error::UnreadableAttestation("x")),
        ("NotAttested", Error::NotAttested),
        ("Throttled", Error::Throttled(Duration::from_secs(1))),
        ("Unavailable", Error::Unavailable(text())),
        ("Conflict", Error::Conflict),
        ("Internal", Error::Internal(text())),
    ];
    for fault in [
        TagFault::Key,
        TagFault::KeyTooLong,
        TagFault::Value,
        TagFault::ValueTooLong,
        TagFault::Empty,
        TagFault::ListSize,
        TagFault::List,
        TagFault::TooManyValues,
        TagFault::Search,
        TagFault::MatchKey,
        TagFault::MatchValue,
        TagFault::Matches,
        TagFault::PageOfCount,
    ] {
        all.push(("UnfitTags", Error::UnfitTags(fault, text(), "x")));
    }
    for fault in [
        ImportFault::NotExternal,
        ImportFault::HasMaterial,
        ImportFault::OneWaits,
        ImportFault::IsThere,
        ImportFault::TooMany,
        ImportFault::OnReplica,
        ImportFault::TokenExpired,
        ImportFault::TokenInvalid,
        ImportFault::TokenOfAnotherKey,
        ImportFault::ExpiryPassed,
        ImportFault::Stays,
        ImportFault::DoesNotUnwrap,
        ImportFault::WrongLength(32),
        ImportFault::Differs,
        ImportFault::NoPrivateKey,
        ImportFault::BadPrivateKey,
        ImportFault::TemporaryKeyLength(32),
        ImportFault::NoSuchMaterial,
    ] {
        all.push(("Import", Error::Import(fault)));
    }
    for why in [
        Unrotatable::External,
        Unrotatable::NothingWaits,
        Unrotatable::NotExternal,
        Unrotatable::Rsa,
        Unrotatable::Asymmetric,
        Unrotatable::Mac,
        Unrotatable::InKeystore,
        Unrotatable::Replica,
        Unrotatable::OftenEnough,
        Unrotatable::PlanIsNear,
    ] {
        all.push(("CannotRotate", Error::CannotRotate(why)));
    }
    for member in [
        "import_token",
        "encrypted_privatekey",
        "rotation_interval",
        "key_id",
        "sequence",
        "key_alias",
        "key_description",
        "key_spec",
        "pending_days",
        "limit",
        "marker",
        "action",
        "offset",
        "alias",
        "origin",
        "grantee_principal",
        "grant_id",
    ] {
        all.push(("Invalid", Error::invalid(member, "x")));
    }
    let states = [
        KeyState::Enabled,
        KeyState::Disabled,
        KeyState::PendingDeletion {
            delete_at: Timestamp::default(),
        },
        KeyState::PendingImport,
    ];
    for action in Action::ALL {
        for verdict in states.iter().filter_map(|state| state.permits(action)) {
            if verdict != Verdict::Allow {
                all.push(("WrongState", Error::WrongState(action, verdict)));
            }
        }
    }
    all
}

fn body_of(reply: &Reply) -> Value {
    match &reply.body {
        Body::Json(json) => serde_json::from_slice(json).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_refusal_is_listed_here() {
    let source = include_str!("../src/model/error.rs");
    let start = source.find("pub enum Error {").unwrap();
    let body = &source[start..start + source[start..].find("\n}").unwrap()];
    let variants: BTreeSet<&str> = body
        .lines()
        .skip(1)
        .filter(|line| line.starts_with("    ") && !line.starts_with("     "))
        .map(str::trim)
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| {
            line.split(|c: char| !c.is_ascii_alphanumeric())
                .next()
                .unwrap()
        })
        .collect();
    assert!(
        variants.len() > 25,
        "the variants were not found: {variants:?}"
    );
    let listed: BTreeSet<&str> = refusals().iter().map(|(name, _)| *name).collect();
    let missing: Vec<&str> = variants.difference(&listed).copied().collect();
    none("add to refusals() in tests/coverage.rs", &missing);
}

#[test]
fn every_code_that_is_sent_is_in_the_document() {
    let document = include_str!("../openapi.yaml");
    let mut missing = BTreeSet::new();
    for (name, error) in refusals() {
        for action in [None, Some(Action::CreateKey), Some(Action::ListKeysByTags)] {
            let reply = render(&error, action, Service::Kms);
            let body = body_of(&reply);
            let code = body["error"]["error_code"].as_str().unwrap().to_owned();
            if !document.contains(&code) {
                missing.insert(format!("{code} ({name})"));
            }
        }
    }
    let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
    none("codes that openapi.yaml does not tell of", &missing);
}

/// Both services answer with the same status, each in its own form, and no fault of ours tells its
/// cause (I-25).
#[test]
fn both_forms_of_a_refusal_agree_and_tell_no_causes_i_25() {
    for (name, error) in refusals() {
        let (kms, iam) = (
            render(&error, None, Service::Kms),
            render(&error, None, Service::Iam),
        );
        assert_eq!(kms.status, iam.status, "{name}");
        let (kms_body, iam_body) = (body_of(&kms), body_of(&iam));
        assert_eq!(iam_body["error"]["code"], iam.status, "{name}");
        assert_eq!(
            kms_body["error"]["error_msg"], iam_body["error"]["message"],
            "{name}"
        );
        assert_ne!(
            iam_body["error"]["title"], "Error",
            "{name}: a status without a title"
        );
    }
    for fault in [
        Error::Internal("canary".into()),
        Error::Unavailable("canary".into()),
    ] {
        for service in [Service::Kms, Service::Iam] {
            let body = body_of(&render(&fault, None, service)).to_string();
            assert!(!body.contains("canary"), "{body}");
        }
    }
}
