//! What each action is as a call of Huawei's API, for the tests that go through all of them.

use kmsd::model::action::Action;
use serde_json::{Value, json};

/// One call on keys.
pub struct KeyCall {
    pub action: Action,
    pub method: &'static str,
    /// The last part of its path.
    pub name: &'static str,
    /// The state in which a key must be for it, by its number; `None` when it is about no key.
    pub needs: Option<&'static str>,
    /// A body that is in order, for a key's id or, in create-key, a name.
    pub body: fn(&str) -> Value,
}

const fn call(
    action: Action,
    name: &'static str,
    needs: Option<&'static str>,
    body: fn(&str) -> Value,
) -> KeyCall {
    let method = "POST";
    KeyCall {
        action,
        method,
        name,
        needs,
        body,
    }
}

const fn read(action: Action, name: &'static str) -> KeyCall {
    KeyCall {
        action,
        method: "GET",
        name,
        needs: None,
        body: |_| Value::Null,
    }
}

fn named(key: &str) -> Value {
    json!({ "key_id": key })
}

/// Every call on keys. `coverage.rs` names the actions that are missing here.
pub const KEY_CALLS: &[KeyCall] = &[
    call(
        Action::CreateKey,
        "create-key",
        None,
        |name| json!({ "key_alias": name }),
    ),
    call(Action::DescribeKey, "describe-key", Some("2"), named),
    call(
        Action::ListKeys,
        "list-keys",
        None,
        |_| json!({ "key_spec": "ALL" }),
    ),
    call(Action::EnableKey, "enable-key", Some("3"), named),
    call(Action::DisableKey, "disable-key", Some("2"), named),
    call(
        Action::ScheduleKeyDeletion,
        "schedule-key-deletion",
        Some("2"),
        |key| json!({ "key_id": key, "pending_days": "7" }),
    ),
    call(
        Action::CancelKeyDeletion,
        "cancel-key-deletion",
        Some("4"),
        named,
    ),
    call(
        Action::RenameKey,
        "update-key-alias",
        Some("2"),
        |key| json!({ "key_id": key, "key_alias": format!("renamed-{key}") }),
    ),
    call(
        Action::UpdateKeyDescription,
        "update-key-description",
        Some("2"),
        |key| json!({ "key_id": key, "key_description": "told anew" }),
    ),
    read(Action::CountKeys, "user-instances"),
    read(Action::ShowQuotas, "user-quotas"),
];

/// The call that an action is.
pub fn of(action: Action) -> &'static KeyCall {
    KEY_CALLS
        .iter()
        .find(|call| call.action == action)
        .unwrap_or_else(|| panic!("{} has no call in tests/support/calls.rs", action.name()))
}
