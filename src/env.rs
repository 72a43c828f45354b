//! Time and randomness: the only file that touches the real ones.
//!
//! Everything else is lent an [`Env`]. Tests lend a clock that they move and entropy that they
//! seed; those live with the tests, so no setting can ever select them.

use std::sync::Arc;
use std::time::Duration;

use crate::model::time::Timestamp;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// Time that never goes back, counted from an arbitrary start: for measuring, never for dates.
    fn monotonic(&self) -> Duration;
    /// Whether it can be compared with the clocks of other machines. A test's cannot.
    fn is_real(&self) -> bool {
        false
    }
}

/// Where randomness comes from.
pub trait Entropy: Send + Sync {
    /// Fills `out` with bytes that nobody can predict.
    fn fill(&self, out: &mut [u8]);
}

/// The world outside, as kmsd sees it.
#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Env {
    /// An environment from parts.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy }
    }

    /// The system's clock and the system's randomness.
    pub fn real() -> Self {
        Self::new(Arc::new(SystemClock::start()), Arc::new(SystemEntropy))
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Time that never goes back; see [`Clock::monotonic`].
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Whether the clock can be compared with those of other machines.
    pub fn is_real(&self) -> bool {
        self.clock.is_real()
    }

    /// `N` random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// The source of randomness itself, for functions that decide how much they need.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }
}

struct SystemClock {
    started: std::time::Instant,
}

impl SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    fn start() -> Self {
        Self {
            started: std::time::Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    fn now(&self) -> Timestamp {
        let since_1970 = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn is_real(&self) -> bool {
        true
    }
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    fn fill(&self, out: &mut [u8]) {
        aws_lc_rs::rand::fill(out).expect("the operating system gives random bytes");
    }
}
