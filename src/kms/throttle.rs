//! Who has to wait: sources of refused credentials, and projects at their limit.
//!
//! Never an access key alone: their ids are no secret, so whoever knows one could lock its owner
//! out (threat model I-9).

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::config::Limits;
use crate::env::Env;
use crate::limits;
use crate::model::error::{Error, Result};
use crate::model::ids::ProjectId;

/// Our clock, as the library wants one.
#[derive(Clone)]
struct OurClock(Env);

impl Clock for OurClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, OurClock, NoOpMiddleware<Duration>>;

/// A source, and whose credential it claims to have: `None` for whatever it claims.
type Guesser = (IpAddr, Option<String>);

/// The limits that are in force.
pub struct Throttle {
    clock: OurClock,
    guessers: Option<Limiter<Guesser>>,
    /// Until when a guesser has to wait, in monotonic time.
    waiting: Mutex<HashMap<Guesser, Duration>>,
    projects: Option<Limiter<ProjectId>>,
}

impl Throttle {
    pub(super) fn new(limits: &Limits, env: &Env) -> Self {
        let clock = OurClock(env.clone());
        Self {
            guessers: NonZeroU32::new(limits.refusals_per_minute).map(|count| {
                let quota = Quota::per_minute(count);
                RateLimiter::new(quota, DashMapStateStore::default(), clock.clone())
            }),
            waiting: Mutex::default(),
            projects: NonZeroU32::new(limits.calls_per_second).map(|count| {
                let quota = Quota::per_second(count);
                RateLimiter::new(quota, DashMapStateStore::default(), clock.clone())
            }),
            clock,
        }
    }

    /// Asks whether a secret from a source may be tried at all. Asked before it is tried, or a
    /// right guess would show among the refused ones.
    ///
    /// # Errors
    /// [`Error::Throttled`] when too many from there were wrong.
    pub fn admit(&self, source: Option<IpAddr>, claimed: Option<&str>) -> Result<()> {
        let (Some(_), Some(source)) = (&self.guessers, source) else {
            return Ok(());
        };
        let now = self.clock.0.monotonic();
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for guesser in guessers(source, claimed) {
            if let Some(until) = waiting.get(&guesser).filter(|until| **until > now) {
                return Err(Error::Throttled(until.saturating_sub(now)));
            }
        }
        Ok(())
    }

    /// Counts a secret that did not fit: of the source as a whole, and of whom it claimed to be.
    pub fn refused(&self, source: Option<IpAddr>, claimed: Option<&str>) {
        let (Some(limiter), Some(source)) = (&self.guessers, source) else {
            return;
        };
        for guesser in guessers(source, claimed) {
            if let Err(not_until) = limiter.check_key(&guesser) {
                let now = self.clock.now();
                let until = now + not_until.wait_time_from(now);
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if waiting.len() < limits::METERED_SOURCES {
                    waiting.insert(guesser, until);
                }
            }
        }
    }

    /// Counts a call in a project.
    ///
    /// # Errors
    /// [`Error::Throttled`] when the project has made as many as it may.
    pub fn call(&self, project: &ProjectId) -> Result<()> {
        let Some(limiter) = &self.projects else {
            return Ok(());
        };
        limiter
            .check_key(project)
            .map_err(|not_until| Error::Throttled(not_until.wait_time_from(self.clock.now())))
    }

    /// Forgets whom it has not seen for a while.
    pub fn forget_idle(&self) {
        if let Some(limiter) = &self.guessers {
            limiter.retain_recent();
        }
        if let Some(limiter) = &self.projects {
            limiter.retain_recent();
        }
        let now = self.clock.0.monotonic();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, until| *until > now);
    }
}

fn guessers(source: IpAddr, claimed: Option<&str>) -> impl Iterator<Item = Guesser> {
    let claimed = claimed.map(|claimed| (source, Some(claimed.to_owned())));
    std::iter::once((source, None)).chain(claimed)
}
