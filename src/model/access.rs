//! Who may do what: one table and the one function that decides.
//!
//! Printed to `docs/permissions.md` by a test, and walked over HTTP, every action by every role,
//! by another.

use super::action::Action;
use super::caller::Caller;
use super::identity::Role;

/// How far a role must reach for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Reading. It never implies more (threat model I-17).
    Read,
    /// What the vendor's Tenant Guest may do beside reading, for historic reasons.
    Guest,
    /// Any other change or use.
    Full,
}

const fn reach(action: Action) -> Option<Reach> {
    match action {
        Action::DescribeKey
        | Action::ListKeys
        | Action::CountKeys
        | Action::ShowQuotas
        | Action::GetPublicKey => Some(Reach::Read),
        Action::CreateKey
        | Action::Encrypt
        | Action::Decrypt
        | Action::ReEncrypt
        | Action::GenerateDataKey
        | Action::GenerateDataKeyWithoutPlaintext
        | Action::EncryptDataKey
        | Action::DecryptDataKey
        | Action::GenerateRandom => Some(Reach::Guest),
        Action::EnableKey
        | Action::DisableKey
        | Action::ScheduleKeyDeletion
        | Action::CancelKeyDeletion
        | Action::RenameKey
        | Action::UpdateKeyDescription
        | Action::Sign
        | Action::Verify
        | Action::GenerateMac
        | Action::VerifyMac
        | Action::GenerateDataKeyPair
        | Action::DeriveSharedSecret => Some(Reach::Full),
        // One's own identity needs no role.
        Action::IssueToken
        | Action::ValidateToken
        | Action::RevokeToken
        | Action::ListProjects
        | Action::ListDomains
        | Action::ShowCatalog => None,
        // Nobody's role reaches what only the operator or kmsd itself does; there is no route.
        Action::ManageIdentity
        | Action::ManageTokenKeys
        | Action::DestroyKey
        | Action::RefuseCredential => None,
    }
}

/// Whether a role reaches an action.
pub const fn role_allows(role: Role, action: Action) -> bool {
    let Some(needed) = reach(action) else {
        return false;
    };
    match role {
        Role::TenantAdministrator
        | Role::KmsAdministrator
        | Role::CmkFullAccess
        | Role::CmkAdmin => true,
        Role::CmkReadOnlyAccess | Role::KmsReadOnlyPolicy => matches!(needed, Reach::Read),
        Role::TenantGuest => matches!(needed, Reach::Read | Reach::Guest),
    }
}

/// Proof that [`decide`] was asked and said yes. An answer cannot leave without one.
#[derive(Clone, Copy, Debug)]
pub struct Permitted(());

/// Decides whether a caller may do something in the project of their credential. Default deny.
pub fn decide(caller: &Caller, action: Action) -> Option<Permitted> {
    match reach(action) {
        Some(_) => caller
            .roles
            .iter()
            .any(|role| role_allows(*role, action))
            .then_some(Permitted(())),
        None => matches!(
            action,
            Action::IssueToken
                | Action::ValidateToken
                | Action::RevokeToken
                | Action::ListProjects
                | Action::ListDomains
                | Action::ShowCatalog
        )
        .then_some(Permitted(())),
    }
}

/// The table as a page for people.
pub fn print_table() -> String {
    use std::fmt::Write;
    let mut page = String::from(
        "# What each role may do\n\n\
         Printed from the table in `src/model/access.rs`; a test keeps this page equal to it and\n\
         another walks every cell over HTTP.\n\n",
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
