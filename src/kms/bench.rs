//! Work that takes long, beside the event loop: a few pieces at a time, and a few waiting.

use tokio::sync::Semaphore;

use crate::model::error::{Error, Result};

/// A bench with so many places to work at, and so many to wait.
pub struct Bench {
    working: Semaphore,
    working_or_waiting: Semaphore,
}

impl Bench {
    /// A bench of this size.
    pub fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            working: Semaphore::new(at_once),
            working_or_waiting: Semaphore::new(at_once + waiting),
        }
    }

    /// Does a piece of work as soon as there is a place.
    ///
    /// # Errors
    /// [`Error::Unavailable`] at once when too many wait already (threat model I-49).
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let _place = self
            .working_or_waiting
            .try_acquire()
            .map_err(|_| Error::Unavailable("too much slow work waits already".into()))?;
        let _turn = self
            .working
            .acquire()
            .await
            .map_err(|_| Error::Internal("the semaphore was closed".into()))?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Error::Internal(format!("slow work: {error}")))
    }
}
