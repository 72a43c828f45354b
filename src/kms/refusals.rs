//! Which refused credentials get an audit record of their own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::limits;
use crate::model::time::Timestamp;

/// Counts refused credentials by their source, so that strangers cannot fill the disk (I-45).
#[derive(Default)]
pub struct RefusalMeter(Mutex<HashMap<Option<IpAddr>, RefusalWindow>>);

struct RefusalWindow {
    second: i64,
    recorded: u32,
    unrecorded: u64,
}

impl RefusalMeter {
    /// Whether this refusal gets a record of its own, and how many before it did not.
    pub fn admit(&self, source: Option<IpAddr>, now: Timestamp) -> Option<u64> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = windows.len() >= limits::METERED_SOURCES;
        if source.is_some() && is_full && !windows.contains_key(&source) {
            // Beyond that many sources at once they share one window.
            drop(windows);
            return self.admit(None, now);
        }
        let window = windows.entry(source).or_insert(RefusalWindow {
            second: now.seconds(),
            recorded: 0,
            unrecorded: 0,
        });
        if window.second != now.seconds() {
            window.second = now.seconds();
            window.recorded = 0;
        }
        if window.recorded < limits::REFUSAL_RECORDS_PER_SECOND {
            window.recorded += 1;
            Some(std::mem::take(&mut window.unrecorded))
        } else {
            window.unrecorded += 1;
            None
        }
    }

    /// The sources that went quiet with refusals unrecorded, and how many; and forgets sources
    /// that went quiet without.
    pub fn settle(&self, now: Timestamp) -> Vec<(Option<IpAddr>, u64)> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = |window: &RefusalWindow| now.seconds() - window.second >= 2;
        let left = windows
            .iter()
            .filter(|(_, window)| quiet(window) && window.unrecorded > 0)
            .map(|(source, window)| (*source, window.unrecorded))
            .collect();
        windows.retain(|_, window| !quiet(window));
        left
    }
}
