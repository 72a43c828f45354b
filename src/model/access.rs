//! Who may do what: one table and the one function that decides.
//!
//! Printed to `docs/permissions.md` by a test, and walked over HTTP, every action by every role,
//! by another.

use super::action::{Action, Reach};
use super::caller::Caller;
use super::grant::{Grant, Need};
use super::identity::Role;
use super::policy::Answer;

/// Whether a role reaches an action.
pub const fn role_allows(role: Role, action: Action) -> bool {
    let reach = match role {
        Role::TenantAdministrator
        | Role::KmsAdministrator
        | Role::CmkFullAccess
        | Role::CmkAdmin => Reach::Full,
        Role::TenantGuest => Reach::Guest,
        Role::CmkReadOnlyAccess | Role::KmsReadOnlyPolicy => Reach::Read,
    };
    match action.reach() {
        Reach::Read => true,
        Reach::Guest => matches!(reach, Reach::Guest | Reach::Full),
        Reach::Full => matches!(reach, Reach::Full),
        Reach::Anyone | Reach::Nobody => false,
    }
}

/// Proof that [`decide`] was asked and said yes. An answer cannot leave without one.
#[derive(Clone, Copy, Debug)]
pub struct Permitted(());

/// Decides by roles whether a caller may do something in the project of their credential. Default
/// deny. Roles say nothing about keys of other projects.
pub fn decide(caller: &Caller, action: Action) -> Option<Permitted> {
    let allowed = match action.reach() {
        Reach::Anyone => true,
        Reach::Nobody => false,
        Reach::Read | Reach::Guest | Reach::Full => {
            caller.roles.iter().any(|role| role_allows(*role, action))
        }
    };
    allowed.then_some(Permitted(()))
}

/// Decides by grants whether a caller may do something with their key: names the first grant that
/// says yes. Default deny.
pub fn decide_by_grants<'g>(
    caller: &Caller,
    need: Need<'_>,
    grants: &'g [Grant],
) -> Option<(Permitted, &'g Grant)> {
    let grant = grants.iter().find(|grant| grant.opens(caller, need))?;
    Some((Permitted(()), grant))
}

/// A policy keeps the caller out, whatever else lets them in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptOut;

/// What a key's policy makes of the roles of a caller in the account that the key belongs to, or in
/// the caller's own when it is another's: `None` when it lets nobody in, and grants decide.
///
/// # Errors
/// [`KeptOut`].
pub fn decide_by_policy(
    caller: &Caller,
    action: Action,
    answer: Answer,
) -> Result<Option<Permitted>, KeptOut> {
    match answer {
        Answer::Denied => Err(KeptOut),
        Answer::Allowed => Ok(Some(Permitted(()))),
        Answer::Delegated => Ok(decide(caller, action)),
        Answer::Silent => Ok(None),
    }
}

/// The table as a page for people.
pub fn print_table() -> String {
    use std::fmt::Write;
    let mut page = String::from(
        "# What each role may do\n\n\
         Printed from the table in `src/model/access.rs`; a test keeps this page equal to it and\n\
         another walks every cell over HTTP.\n\n\
         A role counts in the project in which it was given, for the keys of that project. Beside it,\n\
         a grant on one key opens what it lists to whom it names, whatever project they work in, and\n\
         `RetireGrant` is open to whoever made a grant or is named by it for that.\n\n",
    );
    let names: Vec<_> = Role::ALL
        .iter()
        .map(|role| format!("{} (`{}`)", role.display_name(), role.name()))
        .collect();
    let _ = writeln!(page, "| Action | Permission | {} |", names.join(" | "));
    let _ = writeln!(page, "|---|---|{}", "---|".repeat(names.len()));
    for action in Action::ALL {
        if let Some(permission) = action.permission() {
            let cells: Vec<_> = Role::ALL
                .iter()
                .map(|role| {
                    if role_allows(*role, action) {
                        "yes"
                    } else {
                        "–"
                    }
                })
                .collect();
            let _ = writeln!(
                page,
                "| {} | `{permission}` | {} |",
                action.name(),
                cells.join(" | ")
            );
        }
    }
    page
}
