//! The audit trail of a key, as those read it whose key it is.

use super::pages;
use crate::kms::Context;
use crate::model::audit::Record;
use crate::model::error::Result;
use crate::model::ids::ProjectId;
use crate::model::key::KeyRef;
pub use crate::store::audit::Place;

/// A page of records.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The records, the newest first.
    pub records: Vec<Record>,
    /// Where the next page begins; `None` when there is none.
    pub next: Option<Place>,
}

/// Reads the records of a key that calls of its own project left, and calls by grants on it, the
/// newest first. The record of this reading is not among them yet.
///
/// # Errors
/// As [`Context::key`]; [`crate::model::error::Error::Unavailable`].
pub async fn list(
    cx: &mut Context,
    key: &KeyRef,
    before: Option<&Place>,
    limit: u32,
) -> Result<Listed> {
    let key = cx.key(key).await?;
    let mut found = cx
        .kms()
        .store()
        .records_of_key(
            &key.project,
            &key.region,
            &key.id,
            before,
            pages::one_more(limit),
        )
        .await?;
    let more = pages::cut(&mut found, limit);
    let next = found.last().map(|(place, _)| place.clone());
    let own = &key.project;
    Ok(Listed {
        records: found
            .into_iter()
            .map(|(_, record)| without_others(record, own))
            .collect(),
        next: next.filter(|_| more),
    })
}

/// A record as the owner of the key may read it. The words of what others did may tell of further
/// keys, which are not the owner's (threat model I-19).
fn without_others(mut record: Record, owner: &ProjectId) -> Record {
    if record.project_id != owner.as_str() {
        record.detail = format!("by a grant, from project {}", record.project_id);
    }
    record
}
