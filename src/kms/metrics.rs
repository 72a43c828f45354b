//! Counters for operators, in the OpenMetrics text format.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::model::action::Action;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    action: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ActionLabels {
    action: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AlarmLabels {
    kind: &'static str,
}

/// What is counted.
pub struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    durations: Family<ActionLabels, Histogram>,
    refused: Family<CallLabels, Counter>,
    panics: Counter,
    destroyed: Counter,
    alarms: Family<AlarmLabels, Counter>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("kmsd");
        let calls = Family::default();
        let durations: Family<ActionLabels, Histogram> = Family::new_with_constructor(|| {
            Histogram::new([
                0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0,
            ])
        });
        let refused = Family::default();
        let panics = Counter::default();
        let destroyed = Counter::default();
        let alarms = Family::default();
        registry.register("calls", "Calls by action and outcome", calls.clone());
        registry.register(
            "call_duration_seconds",
            "How long calls took, by action",
            durations.clone(),
        );
        registry.register(
            "refused_requests",
            "Requests that were refused before they became a call, by outcome",
            refused.clone(),
        );
        registry.register("panics", "Panics of request handlers", panics.clone());
        registry.register(
            "destroyed_keys",
            "Keys destroyed because their day came",
            destroyed.clone(),
        );
        registry.register(
            "alarms",
            "Things that a person must look at",
            alarms.clone(),
        );
        Self {
            registry,
            calls,
            durations,
            refused,
            panics,
            destroyed,
            alarms,
        }
    }

    /// A call that ended.
    pub fn call(&self, action: Action, outcome: &'static str, took: Duration) {
        let action = action.name();
        self.calls
            .get_or_create(&CallLabels { action, outcome })
            .inc();
        self.durations
            .get_or_create(&ActionLabels { action })
            .observe(took.as_secs_f64());
    }

    /// A request that never became a call.
    pub fn refused(&self, outcome: &'static str) {
        self.refused
            .get_or_create(&CallLabels {
                action: "none",
                outcome,
            })
            .inc();
    }

    /// A handler panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// How often handlers have panicked.
    pub fn panics(&self) -> u64 {
        self.panics.get()
    }

    /// Keys were destroyed.
    pub fn destroyed(&self, count: usize) {
        self.destroyed.inc_by(u64::try_from(count).unwrap_or(0));
    }

    /// Something that a person must look at.
    pub fn alarm(&self, kind: &'static str) {
        self.alarms.get_or_create(&AlarmLabels { kind }).inc();
    }

    /// All of it, as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
