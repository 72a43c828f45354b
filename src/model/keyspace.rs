//! The trusted key space: access points, and the policies under which they open capsules of data
//! keys (contract, sections 4.12 and 7.12).
//!
//! A key space itself is an id and nothing more: access points and policies are filed under it.

use super::ids::{
    AccessPointId, KeyspaceId, KeyspaceName, PolicyId, ProjectId, Region, UserId, WorkloadId,
};
use super::time::Timestamp;

/// A workload that may open capsules whose policy names it, as one row tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPoint {
    /// The project that owns it.
    pub project: ProjectId,
    /// The region it lives in.
    pub region: Region,
    /// Its id, never used twice.
    pub id: AccessPointId,
    /// The key space it is filed under.
    pub keyspace: KeyspaceId,
    /// What people call it; unique in its key space.
    pub name: KeyspaceName,
    /// What it is, and how it proves itself.
    pub kind: AccessPointKind,
    /// Free text of at most 255 characters.
    pub description: String,
    /// Whether it may open capsules.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: UserId,
    /// When it was last enabled or disabled; at first, when it was made.
    pub modified_at: Timestamp,
    /// Counts the changes: a save must name the revision that it read (threat model I-34).
    pub revision: i64,
}

/// What an access point is. The numbers are Huawei's `type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessPointKind {
    /// 1: a server, by the id that its cloud gave it.
    Server(WorkloadId),
    /// 2: a Kubernetes cluster. Its workloads prove themselves with service account tokens.
    Cluster {
        /// The id that its cloud gave it.
        id: WorkloadId,
        /// The key that its tokens are signed with: SubjectPublicKeyInfo, DER.
        public_key: Vec<u8>,
    },
    /// 3: whoever holds the private key that was made with it.
    Custom {
        /// Its public half: SubjectPublicKeyInfo, DER.
        public_key: Vec<u8>,
        /// The private half, sealed under the project's key.
        sealed_private: Vec<u8>,
    },
}

impl AccessPointKind {
    /// Huawei's number, as rows and answers carry it.
    pub const fn code(&self) -> i16 {
        match self {
            AccessPointKind::Server(_) => 1,
            AccessPointKind::Cluster { .. } => 2,
            AccessPointKind::Custom { .. } => 3,
        }
    }
}

/// A policy of capsules, as one row tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPolicy {
    /// The project that owns it.
    pub project: ProjectId,
    /// The region it lives in.
    pub region: Region,
    /// Its id, never used twice.
    pub id: PolicyId,
    /// The key space it is filed under.
    pub keyspace: KeyspaceId,
    /// What people call it; unique in its key space.
    pub name: KeyspaceName,
    /// What it says.
    pub rules: Rules,
    /// Free text of at most 255 characters.
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: UserId,
    /// When it was last replaced; at first, when it was made.
    pub modified_at: Timestamp,
    /// When a capsule was last made or opened under it; `None` for never. It decides nothing.
    pub accessed_at: Option<Timestamp>,
    /// Counts the changes: a save must name the revision that it read (threat model I-34).
    pub revision: i64,
}

/// What a policy of capsules says. Whatever it does not allow is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The first moment at which a capsule opens; `None` for the beginning of time.
    pub valid_from: Option<Timestamp>,
    /// The first moment at which none opens any more; `None` for never.
    pub valid_until: Option<Timestamp>,
    /// Who may open one.
    pub access_points: Vec<AccessPointId>,
}

/// What the text of [`Rules`] begins with.
const RULES_VERSION: &str = "1.0";

impl Rules {
    /// Whether capsules open at this time.
    pub fn are_valid_at(&self, now: Timestamp) -> bool {
        self.valid_from.is_none_or(|from| from <= now)
            && self.valid_until.is_none_or(|until| now < until)
    }

    /// Whether nobody can ever open a capsule from now on, unless the rules are replaced.
    pub fn are_hopeless_at(&self, now: Timestamp) -> bool {
        self.access_points.is_empty() || self.valid_until.is_some_and(|until| until <= now)
    }

    /// The one text that says this, as rows and capsules carry it: version, from and until in
    /// milliseconds, and the ids, `1.0|1767323045000||71b0…,0c6a…`. Capsules are for ever, so it
    /// never changes.
    pub fn to_text(&self) -> String {
        let millis =
            |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.millis().to_string());
        let ids: Vec<&str> = self
            .access_points
            .iter()
            .map(AccessPointId::as_str)
            .collect();
        format!(
            "{RULES_VERSION}|{}|{}|{}",
            millis(self.valid_from),
            millis(self.valid_until),
            ids.join(",")
        )
    }

    /// Reads what [`Self::to_text`] wrote; anything else is `None`.
    pub fn parse_text(text: &str) -> Option<Self> {
        let mut parts = text.split('|');
        let (version, from, until, ids) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let millis = |text: &str| match text {
            "" => Some(None),
            text => text.parse().ok().map(|at| Some(Timestamp::from_millis(at))),
        };
        let rules = Self {
            valid_from: millis(from)?,
            valid_until: millis(until)?,
            access_points: ids
                .split(',')
                .filter(|id| !id.is_empty())
                .map(|id| AccessPointId::parse(id).ok())
                .collect::<Option<_>>()?,
        };
        // One text for one meaning: whatever this would write otherwise is refused.
        (version == RULES_VERSION && rules.to_text() == text).then_some(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "71b0c2d4-5a8e-4e93-b6f7-2c9d1e40a835";

    fn rules(from: Option<i64>, until: Option<i64>, ids: usize) -> Rules {
        Rules {
            valid_from: from.map(Timestamp::from_millis),
            valid_until: until.map(Timestamp::from_millis),
            access_points: vec![AccessPointId::parse(ID).unwrap(); ids],
        }
    }

    #[test]
    fn rules_have_one_text() {
        for (rules, text) in [
            (rules(None, None, 0), "1.0|||".to_owned()),
            (rules(Some(5), None, 1), format!("1.0|5||{ID}")),
            (rules(None, Some(-7), 2), format!("1.0||-7|{ID},{ID}")),
        ] {
            assert_eq!(rules.to_text(), text);
            assert_eq!(Rules::parse_text(&text), Some(rules));
        }
        for bad in [
            "", "1.0", "1.0||", "1.1|||", "1.0||||", "1.0|+5||", "1.0|05||", "1.0|x||", "1.0|||,",
            "1.0|||x",
        ] {
            assert_eq!(Rules::parse_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn rules_hold_from_their_first_moment_to_before_their_last() {
        let at = Timestamp::from_millis;
        let both = rules(Some(10), Some(20), 1);
        let valid: Vec<i64> = (8..22).filter(|now| both.are_valid_at(at(*now))).collect();
        assert_eq!(valid, (10..20).collect::<Vec<_>>());
        assert!(rules(None, None, 1).are_valid_at(at(0)));
        assert!(!both.are_hopeless_at(at(19)) && both.are_hopeless_at(at(20)));
        assert!(rules(None, None, 0).are_hopeless_at(at(0)));
    }
}
