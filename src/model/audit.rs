//! What is kept of every call: who did what to which key, and how it ended.
//!
//! Records are built from our own types and building one cannot fail (threat model I-48). They
//! never hold material, plaintexts, passwords, tokens or signatures (I-47).

use super::action::Action;
use super::time::Timestamp;

/// One call, or one thing that kmsd did by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When the call arrived.
    pub at: Timestamp,
    /// The request's id, which the answer carried too.
    pub request_id: String,
    /// How the caller was authenticated, with the credential's public id.
    pub credential: String,
    /// Who it was; empty when nobody was authenticated.
    pub user_id: String,
    /// Their name.
    pub user_name: String,
    /// The project of their credential; empty when there is none.
    pub project_id: String,
    /// The address the request came from; empty for kmsd itself.
    pub address: String,
    /// What was asked for.
    pub action: Action,
    /// The region, when a key is concerned.
    pub region: String,
    /// The key, when one is concerned; as asked for, if it was not found.
    pub key_id: String,
    /// The key's revision after a change; 0 otherwise.
    pub revision: i64,
    /// `ok`, or the meaning of the refusal.
    pub outcome: String,
    /// What else matters, in words: the new state, the days, the object that an operator changed.
    pub detail: String,
    /// How long it took, in microseconds.
    pub duration_us: i64,
}
