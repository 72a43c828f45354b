//! The state table, driven over HTTP cell by cell: the contract's section 5.2, written down here a
//! second time so that neither table can be wrong alone.

use kmsd::model::action::Action;
use kmsd::model::state::print_table;
use serde_json::{Value, json};

use crate::support::calls;
use crate::support::pages::check_page;
use crate::support::{Db, TestServer, on_both};

on_both!(
    every_action_in_every_state,
    a_rescued_key_comes_back_disabled_or_waits_for_its_material,
);

/// What a cell promises.
#[derive(Clone, Copy, Debug)]
enum Cell {
    /// It is done, and the key is in this state.
    To(&'static str),
    /// It is done, and the state stays.
    Ok,
    /// It is refused with this code, and nothing changes.
    No(&'static str),
}

use Cell::{No, Ok, To};

/// The states by their numbers; key_state 1 and 7 are never entered by API calls.
const STATES: [&str; 4] = ["2", "3", "4", "5"];

#[rustfmt::skip]
const TABLE: &[(Action, [Cell; 4])] = &[
    //                              2 enabled        3 disabled       4 leaving        5 no material
    (Action::DescribeKey,          [Ok,              Ok,              Ok,              Ok             ]),
    (Action::ListKeyRecords,       [Ok,              Ok,              Ok,              Ok             ]),
    (Action::EnableKey,            [No("KMS.1201"),  To("2"),         No("KMS.1201"),  No("KMS.1201") ]),
    (Action::DisableKey,           [To("3"),         No("KMS.1301"),  No("KMS.1301"),  No("KMS.1301") ]),
    (Action::ScheduleKeyDeletion,  [To("4"),         To("4"),         No("KMS.1402"),  To("4")        ]),
    (Action::CancelKeyDeletion,    [No("KMS.1501"),  No("KMS.1501"),  To("3"),         No("KMS.1501") ]),
    (Action::RenameKey,            [Ok,              Ok,              No("KMS.0210"),  Ok             ]),
    (Action::UpdateKeyDescription, [Ok,              Ok,              No("KMS.0210"),  Ok             ]),
    (Action::Encrypt,              [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::Decrypt,              [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::GenerateDataKey,      [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::GenerateDataKeyWithoutPlaintext, [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::EncryptDataKey,       [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::DecryptDataKey,       [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::Sign,                 [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::Verify,               [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::GetPublicKey,         [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::GenerateMac,          [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::VerifyMac,            [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::ReEncrypt,            [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::GenerateDataKeyPair,  [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::DeriveSharedSecret,   [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::ReplicateKey,         [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::UpdatePrimaryRegion,  [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    // Grants.
    (Action::CreateGrant,          [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::ListGrants,           [Ok,              Ok,              Ok,              Ok             ]),
    (Action::RevokeGrant,          [Ok,              Ok,              Ok,              Ok             ]),
    (Action::RetireGrant,          [Ok,              Ok,              Ok,              Ok             ]),
    (Action::CreateTag,            [Ok,              Ok,              Ok,              Ok             ]),
    (Action::ChangeTags,           [Ok,              Ok,              Ok,              Ok             ]),
    (Action::DeleteTag,            [Ok,              Ok,              Ok,              Ok             ]),
    (Action::ListTags,             [Ok,              Ok,              Ok,              Ok             ]),
    (Action::CreateAlias,          [Ok,              Ok,              No("KMS.0210"),  Ok             ]),
    (Action::ListAliases,          [Ok,              Ok,              Ok,              Ok             ]),
    (Action::MoveAlias,            [Ok,              Ok,              No("KMS.0210"),  Ok             ]),
    (Action::DeleteAliases,        [Ok,              Ok,              Ok,              Ok             ]),
    // Imported material and rotation.
    (Action::GetImportParameters,  [Ok,              No("KMS.0310"),  No("KMS.0310"),  Ok             ]),
    (Action::ImportKeyMaterial,    [Ok,              No("KMS.0310"),  No("KMS.0310"),  To("2")        ]),
    (Action::DeleteKeyMaterial,    [To("5"),         To("5"),         No("KMS.2701"),  No("KMS.2701") ]),
    (Action::RotateKeyOnDemand,    [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::EnableKeyRotation,    [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.0312") ]),
    (Action::UpdateRotationInterval, [Ok,            No("KMS.0209"),  No("KMS.0210"),  No("KMS.0312") ]),
    (Action::DisableKeyRotation,   [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.0312") ]),
    (Action::GetRotationStatus,    [Ok,              Ok,              Ok,              Ok             ]),
    // Capsules.
    (Action::CreateDatakeyCapsule, [Ok,              No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
    (Action::DecryptDatakeyCapsule, [Ok,             No("KMS.0209"),  No("KMS.0210"),  No("KMS.1301") ]),
];

/// The actions that use a key, or put something beside it, and leave it as it is; what they answer is
/// tested with their families.
const USES: &[Action] = &[
    Action::ListKeyRecords,
    Action::Encrypt,
    Action::Decrypt,
    Action::GenerateDataKey,
    Action::GenerateDataKeyWithoutPlaintext,
    Action::EncryptDataKey,
    Action::DecryptDataKey,
    Action::Sign,
    Action::Verify,
    Action::GetPublicKey,
    Action::GenerateMac,
    Action::VerifyMac,
    Action::ReEncrypt,
    Action::GenerateDataKeyPair,
    Action::DeriveSharedSecret,
    Action::ReplicateKey,
    Action::UpdatePrimaryRegion,
    Action::CreateGrant,
    Action::ListGrants,
    Action::RevokeGrant,
    Action::RetireGrant,
    Action::CreateTag,
    Action::ChangeTags,
    Action::DeleteTag,
    Action::ListTags,
    Action::CreateAlias,
    Action::ListAliases,
    Action::MoveAlias,
    Action::DeleteAliases,
    Action::GetImportParameters,
    Action::GetRotationStatus,
    Action::CreateDatakeyCapsule,
    Action::DecryptDatakeyCapsule,
];

#[test]
fn the_page_of_states_is_the_table() {
    check_page("docs/key-states.md", &print_table());
}

#[test]
fn no_action_on_a_key_is_without_a_row_here() {
    let enabled = kmsd::model::state::KeyState::Enabled;
    let missing: Vec<_> = Action::ALL
        .into_iter()
        .filter(|action| enabled.permits(*action).is_some())
        .filter(|action| TABLE.iter().all(|(row, _)| row != action))
        // Driven in `tests/aws/rules.rs` and `keys.rs`: no other dialect has them.
        .filter(|action| {
            !matches!(
                action,
                Action::GetResourcePolicy
                    | Action::PutResourcePolicy
                    | Action::ListResourcePolicies
                    | Action::Encapsulate
                    | Action::Decapsulate
            )
        })
        .map(Action::name)
        .collect();
    assert!(
        missing.is_empty(),
        "add rows to TABLE in tests/states.rs, from the contract's section 5.2: {missing:?}"
    );
}

async fn every_action_in_every_state(db: Db) {
    let server = TestServer::start(db).await;
    for (action, cells) in TABLE {
        for (state, cell) in STATES.iter().zip(cells) {
            check_cell(&server, *action, state, *cell).await;
        }
    }
    server.stop().await;
}

async fn check_cell(server: &TestServer, action: Action, state: &str, cell: Cell) {
    let what = format!("{} in state {state}", action.name());
    let call = calls::of(action);
    let key = server
        .key_for(call, state, &format!("{}-{state}", action.name()))
        .await;
    let before = details(server, &key).await;
    let answer = server
        .call(call.name, server.body_for(call, &key).await)
        .await;
    match cell {
        No(code) => {
            let said = answer.refused(400, code);
            assert!(said.starts_with("the key's state does not allow this"));
            assert_eq!(details(server, &key).await, before, "{what}");
        }
        Ok | To(_) => {
            let next = match cell {
                To(next) => next,
                _ => state,
            };
            let found = details(server, &key).await;
            if USES.contains(&action) {
                answer.done();
                assert_eq!(found, before, "{what} changed the key");
            } else {
                assert_eq!(
                    answer.ok(200),
                    expected(action, &key, next, &found),
                    "{what}"
                );
            }
            assert_eq!(found["key_state"], next, "{what}");
            assert_eq!(
                found["scheduled_deletion_date"] != "",
                next == "4",
                "{what}: a date belongs to state 4 and to no other"
            );
        }
    }
}

/// The whole answer to an action that is allowed.
fn expected(action: Action, key: &str, state: &str, details: &Value) -> Value {
    match action {
        Action::DescribeKey => json!({ "key_info": details }),
        Action::ScheduleKeyDeletion | Action::CancelKeyDeletion => {
            json!({ "key_id": key, "key_state": state })
        }
        Action::ImportKeyMaterial
        | Action::DeleteKeyMaterial
        | Action::EnableKeyRotation
        | Action::UpdateRotationInterval
        | Action::DisableKeyRotation => json!({}),
        Action::RotateKeyOnDemand => json!({ "key_id": key }),
        Action::RenameKey => json!({ "key_info": {
            "key_id": key,
            "key_alias": format!("renamed-{key}"),
        }}),
        Action::UpdateKeyDescription => json!({ "key_info": {
            "key_id": key,
            "key_description": "told anew",
        }}),
        _ => json!({ "key_info": { "key_id": key, "key_state": state } }),
    }
}

/// From wherever a deletion was scheduled, rescuing leads to 3 if there is material, else to 5.
async fn a_rescued_key_comes_back_disabled_or_waits_for_its_material(db: Db) {
    let server = TestServer::start(db).await;
    for (from, to) in [("2", "3"), ("3", "3"), ("5", "5")] {
        let key = server.key_in(from, &format!("from-{from}")).await;
        let body = json!({ "key_id": key, "pending_days": 1096 });
        server.call("schedule-key-deletion", body).await.ok(200);
        let rescued = server
            .call("cancel-key-deletion", json!({ "key_id": key }))
            .await;
        assert_eq!(rescued.ok(200), json!({ "key_id": key, "key_state": to }));
        let found = details(&server, &key).await;
        assert_eq!(found["key_state"], to, "from {from}");
        assert_eq!(found["scheduled_deletion_date"], "", "from {from}");
    }
    server.stop().await;
}

async fn details(server: &TestServer, key: &str) -> Value {
    let found = server.call("describe-key", json!({ "key_id": key })).await;
    found.ok(200)["key_info"].clone()
}
