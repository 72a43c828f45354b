//! What is kept of every call: who did what to which key, and how it ended.
//!
//! Records are built from our own types and building one cannot fail (threat model I-48). They
//! never hold material, plaintexts, passwords, tokens or signatures (I-47).

use std::net::IpAddr;

use super::action::Action;
use super::caller::Credential;
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

impl Record {
    /// The record of a refused credential. What it claimed to be stands where the user's name would.
    pub fn of_refusal(
        at: Timestamp,
        request_id: String,
        address: Option<IpAddr>,
        claimed: String,
        outcome: &str,
        detail: String,
    ) -> Self {
        Self {
            at,
            request_id,
            credential: Credential::Refused.describe(),
            user_id: String::new(),
            user_name: claimed,
            project_id: String::new(),
            address: address_text(address),
            action: Action::RefuseCredential,
            region: String::new(),
            key_id: String::new(),
            revision: 0,
            outcome: outcome.to_owned(),
            detail,
            duration_us: 0,
        }
    }
}

/// An address as records carry it.
pub fn address_text(address: Option<IpAddr>) -> String {
    address.map_or_else(String::new, |address| address.to_string())
}
