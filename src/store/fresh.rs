//! Fresh reads of keys, shared by the calls in flight.
//!
//! Every call reads its key anew: nothing remembered decides whether it may be used. What costs is
//! not the read but the way to the database and back, so there is one reader: while a read is under
//! way the calls that come gather, and the next read is for all of them. No call is answered from a
//! read that began before it asked.

use tokio::sync::{mpsc, oneshot};

use super::{Db, Result, Sealed, StoreError, keys};
use crate::limits;
use crate::model::ids::{KeyId, ProjectId, Region};
use crate::model::key::Key;

/// A key's whole identity: never its id alone (threat model I-16).
pub(super) type Identity = (ProjectId, Region, KeyId);

/// A call that waits for a key.
struct Ask {
    key: Identity,
    reply: oneshot::Sender<Result<Option<Sealed<Key>>>>,
}

/// The way to the reader.
#[derive(Clone)]
pub(super) struct Reader(mpsc::Sender<Ask>);

impl Reader {
    pub(super) fn start(db: Db) -> Self {
        let (asks, inbox) = mpsc::channel(limits::QUEUED_READS);
        tokio::spawn(run(db, inbox));
        Self(asks)
    }

    /// A key as it is in the database at some moment after this was asked.
    pub(super) async fn find(&self, key: Identity) -> Result<Option<Sealed<Key>>> {
        let (reply, answer) = oneshot::channel();
        self.0
            .try_send(Ask { key, reply })
            .map_err(|_| StoreError::Unavailable("too many calls wait for the database".into()))?;
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable(
                "the database was closed meanwhile".into(),
            ))
        })
    }
}

async fn run(db: Db, mut inbox: mpsc::Receiver<Ask>) {
    let mut asks = Vec::with_capacity(keys::FOUND_AT_ONCE);
    while inbox.recv_many(&mut asks, keys::FOUND_AT_ONCE).await > 0 {
        asks.sort_unstable_by(|a: &Ask, b| a.key.cmp(&b.key));
        let mut wanted: Vec<&Identity> = asks.iter().map(|ask| &ask.key).collect();
        wanted.dedup();
        let found = keys::find(&db, &wanted).await;
        let places: Vec<usize> = asks
            .iter()
            .map(|ask| wanted.partition_point(|key| **key < ask.key))
            .collect();
        for (ask, place) in asks.drain(..).zip(places) {
            let answer = match &found {
                Ok(found) => found.get(place).cloned().flatten().transpose(),
                Err(error) => Err(error.clone()),
            };
            let _ = ask.reply.send(answer);
        }
    }
}
