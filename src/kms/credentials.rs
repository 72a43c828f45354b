//! Credentials that were checked a moment ago.
//!
//! Checking a token's signature costs two hundred times what finding it again by its digest does.
//! What is found is believed for a few seconds only, since meanwhile a token may be revoked, a
//! password changed or a role taken away, perhaps by another process.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::future::Cache;

use super::bench::Bench;
use crate::crypto::secret::Secret;
use crate::env::Env;
use crate::limits;
use crate::model::caller::Caller;
use crate::model::error::{Error, Result};
use crate::model::ids::AccessKeyId;

/// A token that was found good.
pub struct CheckedToken {
    /// Whose it is, without an address: that belongs to a request.
    pub caller: Caller,
    /// When it was checked, in monotonic time.
    pub checked_at: Duration,
}

/// An access key that may be used.
pub struct CheckedAccessKey {
    /// The secret half.
    pub secret: Secret,
    /// Whose it is, without an address.
    pub caller: Caller,
    /// When it was checked, in monotonic time.
    pub checked_at: Duration,
}

/// The public half of a key pair that signs tokens.
pub struct VerifyingKey {
    /// Checks signatures.
    pub key: jsonwebtoken::DecodingKey,
    /// The coordinates of the public point, as a JWK shows them.
    pub point: ([u8; 32], [u8; 32]),
}

/// The key pairs that sign tokens.
pub struct TokenKeys {
    /// The id of the newest, which signs.
    pub signing_id: String,
    /// Its private half.
    pub signing_key: jsonwebtoken::EncodingKey,
    /// All of them by their ids, the newest first.
    pub verifying: Vec<(String, VerifyingKey)>,
    /// When they were read, in monotonic time.
    pub read_at: Duration,
}

/// What was checked a moment ago.
pub struct Credentials {
    recheck_after: Duration,
    tokens: Cache<[u8; 32], Arc<CheckedToken>>,
    access_keys: Cache<AccessKeyId, Arc<CheckedAccessKey>>,
    token_keys: Mutex<Option<Arc<TokenKeys>>>,
    hashing: Bench,
}

impl Credentials {
    pub(super) fn new(recheck_after: Duration) -> Self {
        Self {
            recheck_after,
            tokens: Cache::new(limits::CACHED_CREDENTIALS),
            access_keys: Cache::new(limits::CACHED_CREDENTIALS),
            token_keys: Mutex::new(None),
            hashing: Bench::new(limits::HASHES_AT_ONCE, limits::HASHES_WAITING),
        }
    }

    /// A token by its SHA-256: as it was found a moment ago, or as `check` finds it now. Of many
    /// calls with one token at once, one checks.
    ///
    /// # Errors
    /// What `check` answers; refusals are not kept.
    pub async fn token(
        &self,
        digest: [u8; 32],
        env: &Env,
        check: impl Future<Output = Result<CheckedToken>>,
    ) -> Result<Arc<CheckedToken>> {
        if let Some(found) = self.tokens.get(&digest).await {
            if self.is_fresh(found.checked_at, env) {
                return Ok(found);
            }
            self.tokens.invalidate(&digest).await;
        }
        self.tokens
            .try_get_with(digest, async { check.await.map(Arc::new) })
            .await
            .map_err(|error: Arc<Error>| (*error).clone())
    }

    /// An access key by its id, likewise.
    ///
    /// # Errors
    /// What `check` answers; refusals are not kept.
    pub async fn access_key(
        &self,
        id: &AccessKeyId,
        env: &Env,
        check: impl Future<Output = Result<CheckedAccessKey>>,
    ) -> Result<Arc<CheckedAccessKey>> {
        if let Some(found) = self.access_keys.get(id).await {
            if self.is_fresh(found.checked_at, env) {
                return Ok(found);
            }
            self.access_keys.invalidate(id).await;
        }
        self.access_keys
            .try_get_with(id.clone(), async { check.await.map(Arc::new) })
            .await
            .map_err(|error: Arc<Error>| (*error).clone())
    }

    /// Forgets every checked credential: one of them was just ended or changed.
    pub fn forget_all(&self) {
        self.tokens.invalidate_all();
        self.access_keys.invalidate_all();
    }

    /// The key pairs that sign tokens, if they were read a moment ago.
    pub fn token_keys(&self, env: &Env) -> Option<Arc<TokenKeys>> {
        self.token_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .filter(|keys| self.is_fresh(keys.read_at, env))
    }

    /// Keeps key pairs that were just read.
    pub fn keep_token_keys(&self, keys: Arc<TokenKeys>) {
        *self
            .token_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(keys);
    }

    /// Runs password hashing beside the event loop, a few at a time.
    ///
    /// # Errors
    /// [`Error::Unavailable`] at once when too many wait already.
    pub async fn hashing<T: Send + 'static>(
        &self,
        hash: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        self.hashing.run(hash).await
    }

    fn is_fresh(&self, checked_at: Duration, env: &Env) -> bool {
        env.monotonic().saturating_sub(checked_at) < self.recheck_after
    }
}

impl TokenKeys {
    /// The key pair with this id.
    pub fn find(&self, id: &str) -> Option<&VerifyingKey> {
        self.verifying
            .iter()
            .find(|(known, _)| known == id)
            .map(|(_, key)| key)
    }
}
