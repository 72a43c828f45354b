//! When policies of capsules were last used, until upkeep tells the database: a use of a policy is
//! no change, and must not cost one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::model::ids::{PolicyId, ProjectId, Region};
use crate::model::time::Timestamp;

/// Which policy.
type Policy = (ProjectId, Region, PolicyId);

/// Uses that this process has seen and not told yet. There are no more entries than policies that
/// were used since upkeep's last look.
#[derive(Default)]
pub struct PolicyAccesses(Mutex<HashMap<Policy, Timestamp>>);

impl PolicyAccesses {
    /// A policy was used.
    pub fn note(&self, project: &ProjectId, region: &Region, policy: &PolicyId, at: Timestamp) {
        let name = (project.clone(), region.clone(), policy.clone());
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = seen.entry(name).or_insert(at);
        *latest = at.max(*latest);
    }

    /// When it was used, as far as this process has seen and not told.
    pub fn of(&self, project: &ProjectId, region: &Region, policy: &PolicyId) -> Option<Timestamp> {
        let name = (project.clone(), region.clone(), policy.clone());
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&name).copied()
    }

    /// What is to be told.
    pub fn untold(&self) -> Vec<(Policy, Timestamp)> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .map(|(policy, at)| (policy.clone(), *at))
            .collect()
    }

    /// A use was told; a later one stays.
    pub fn told(&self, policy: &Policy, at: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.get(policy).is_some_and(|latest| *latest <= at) {
            seen.remove(policy);
        }
    }
}
