//! A customer master key (CMK): everything about it but its material.

use super::alias::AliasUrn;
use super::ids::{AccountId, AliasName, KeyId, KeyName, KeystoreId, ProjectId, Region, UserId};
use super::material::{ImportedMaterial, is_over};
use super::spec::{KeySpec, KeyUsage, Origin};
use super::state::KeyState;
use super::time::Timestamp;

/// How many days a deletion may be put off: the widest range that a dialect allows.
pub const PENDING_DAYS: std::ops::RangeInclusive<u32> = 7..=1096;

/// The periods of rotation in days: the widest range that a dialect allows.
pub const ROTATION_DAYS: std::ops::RangeInclusive<u32> = 30..=2560;

/// What the names of keys end in that cloud services make for themselves.
pub const DEFAULT_KEY_SUFFIX: &str = "/default";

/// A key, as one row tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The project that owns it.
    pub project: ProjectId,
    /// The region it lives in. A key's identity is (project, region, id).
    pub region: Region,
    /// Its id, never used twice.
    pub id: KeyId,
    /// What people call it; unique in project and region.
    pub name: KeyName,
    /// Its algorithm and size.
    pub spec: KeySpec,
    /// What it may be used for.
    pub usage: KeyUsage,
    /// Where its material comes from.
    pub origin: Origin,
    /// Free text of at most 255 characters.
    pub description: String,
    /// Where it stands in its life.
    pub state: KeyState,
    /// The version of its material that new ciphertexts use; `None` when no material is there.
    pub current_version: Option<u32>,
    /// When the first of its imported materials will be over; `None` for never.
    pub material_expires_at: Option<Timestamp>,
    /// The enterprise project it is filed under; `0` is the default one.
    pub enterprise_project: String,
    /// The plan by which its material is renewed of itself; `None` for never.
    pub rotation: Option<Rotation>,
    /// How many times its material was renewed.
    pub rotations: u32,
    /// How many of these times it was on demand.
    pub on_demand_rotations: u32,
    /// When its material was renewed last.
    pub rotated_at: Option<Timestamp>,
    /// The keystore that holds its material.
    pub keystore: KeystoreId,
    /// The region of the primary among a multi-region key and its replicas; `None` for a key that
    /// lives in one region only.
    pub primary_region: Option<Region>,
    /// The project that its ciphertexts are bound to, where that is another than its own: a
    /// replica opens what the key it was copied from has sealed.
    pub bound_project: Option<ProjectId>,
    /// The SHA-256 of its policy, in hexadecimal; `None` when roles and grants alone decide.
    pub policy_digest: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: UserId,
    /// Counts the changes: a save must name the revision that it read (threat model I-34).
    pub revision: i64,
}

/// The plan by which a key's material is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The period in days of 24 hours.
    pub days: u32,
    /// When it is due next.
    pub next_at: Timestamp,
}

/// What a replica has of its own.
#[derive(Clone, Debug)]
pub struct NewReplica {
    /// The project that will own it.
    pub project: ProjectId,
    /// The region it will live in.
    pub region: Region,
    /// Its name there.
    pub name: KeyName,
    /// Free text.
    pub description: String,
    /// The enterprise project it is filed under.
    pub enterprise_project: String,
    /// When it is made.
    pub created_at: Timestamp,
    /// Who makes it.
    pub created_by: UserId,
}

impl Rotation {
    /// A period that begins now.
    pub const fn starting(now: Timestamp, days: u32) -> Self {
        Self {
            days,
            next_at: now.plus_days(days),
        }
    }
}

impl Key {
    /// Whether it belongs to a cloud service, which made it for itself: it may be read and used,
    /// but not changed (contract, section 3.3). Nobody else can choose such a name.
    pub fn is_default(&self) -> bool {
        self.name.as_str().ends_with(DEFAULT_KEY_SUFFIX)
    }

    /// The project that its ciphertexts are bound to.
    pub fn bound_project(&self) -> &ProjectId {
        self.bound_project.as_ref().unwrap_or(&self.project)
    }

    /// Whether it is a copy of a key whose primary lives in another region.
    pub fn is_replica(&self) -> bool {
        self.primary_region
            .as_ref()
            .is_some_and(|primary| *primary != self.region)
    }

    /// What its object is called in a hardware security module; `None` when it is in none.
    pub fn label(&self) -> Option<String> {
        (!self.keystore.is_built_in()).then(|| Self::label_of(&self.id))
    }

    /// What the object of the key with this id is called.
    pub fn label_of(id: &KeyId) -> String {
        format!("kmsd-{id}")
    }

    /// Makes it the copy of this key that will live elsewhere: enabled, with all its material, but
    /// with a name, tags, aliases, grants and a life of its own. Its material is renewed by the
    /// primary. What a customer imported they import there too: until then the copy waits for it.
    pub fn replica(&self, place: NewReplica) -> Self {
        let (state, version) = match self.origin {
            Origin::Kms => (KeyState::Enabled, self.current_version),
            Origin::External => (KeyState::PendingImport, None),
        };
        Self {
            bound_project: (place.project != *self.bound_project())
                .then(|| self.bound_project().clone()),
            project: place.project,
            region: place.region,
            name: place.name,
            description: place.description,
            enterprise_project: place.enterprise_project,
            rotation: None,
            policy_digest: None,
            primary_region: self.primary_region.clone(),
            created_at: place.created_at,
            created_by: place.created_by,
            state,
            current_version: version,
            material_expires_at: None,
            revision: 1,
            ..self.clone()
        }
    }

    /// Whether the key's day has come: from then on it does not exist, whether or not its
    /// destruction has been carried out (threat model 5.6).
    pub fn is_gone(&self, now: Timestamp) -> bool {
        self.state.delete_at().is_some_and(|at| at <= now)
    }

    /// The key as it is at a moment: when the time of its material is over it waits for import,
    /// whether or not the material has been removed. Whoever reads a row asks for this.
    #[must_use]
    pub fn as_of(mut self, now: Timestamp) -> Self {
        if is_over(self.material_expires_at, now) {
            self.lose_material();
        }
        self
    }

    /// Makes of it what its imported materials allow: it can be used while all that were ever in
    /// use are there, for its ciphertexts may name each of them. The one that came into use last is
    /// current; one that waits for a rotation counts for nothing.
    pub fn settle(&mut self, materials: &[ImportedMaterial], now: Timestamp) {
        let in_use = || materials.iter().filter(|material| !material.waits());
        match in_use().max_by_key(|material| (material.in_use_since, material.version)) {
            Some(last) if in_use().all(|material| material.is_there(now)) => {
                self.current_version = Some(last.version);
                self.material_expires_at = in_use().filter_map(|one| one.expires_at).min();
                if self.state == KeyState::PendingImport {
                    self.state = KeyState::Enabled;
                }
            }
            _ => self.lose_material(),
        }
    }

    /// It has no material any more that could be used. A scheduled deletion stays scheduled. A primary
    /// that waits for the end of its replicas cannot be used either way: what it comes back to is
    /// settled when it does.
    fn lose_material(&mut self) {
        if self.state.replica_wait().is_some() {
            return;
        }
        self.current_version = None;
        self.material_expires_at = None;
        if matches!(self.state, KeyState::Enabled | KeyState::Disabled) {
            self.state = KeyState::PendingImport;
        }
    }

    /// A new version of its material is the current one from now on.
    pub fn turn_to(&mut self, version: u32, on_demand: bool, now: Timestamp) {
        self.current_version = Some(version);
        self.rotations = self.rotations.saturating_add(1);
        self.on_demand_rotations = self.on_demand_rotations.saturating_add(on_demand.into());
        self.rotated_at = Some(now);
    }

    /// Whether its plan asks for a new version. While it is disabled, scheduled for deletion or a
    /// copy of a key elsewhere the plan waits (contract, section 7.7).
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == KeyState::Enabled
            && !self.is_replica()
            && self.rotation.is_some_and(|plan| plan.next_at <= now)
    }

    /// Lets it be used again. The table has allowed it: it was disabled.
    pub fn enable(&mut self) {
        debug_assert_eq!(self.state, KeyState::Disabled);
        self.state = KeyState::Enabled;
    }

    /// Keeps it from being used. The table has allowed it: it was enabled.
    pub fn disable(&mut self) {
        debug_assert_eq!(self.state, KeyState::Enabled);
        self.state = KeyState::Disabled;
    }

    /// Sets the day of its destruction. The table has allowed it: none was set.
    pub fn schedule_deletion(&mut self, delete_at: Timestamp) {
        debug_assert!(self.state.delete_at().is_none());
        self.state = KeyState::PendingDeletion { delete_at };
    }

    /// Has it wait for the end of its replicas, and then so many days more.
    pub fn leave_after_replicas(&mut self, days: u32) {
        debug_assert!(!self.state.is_leaving());
        self.state = KeyState::PendingReplicaDeletion { days };
    }

    /// Calls its destruction off. It comes back disabled, so that using it again is a decision of
    /// its own; without material it goes back to waiting for some.
    pub fn restore(&mut self) {
        debug_assert!(self.state.is_leaving());
        self.state = match self.current_version {
            Some(_) => KeyState::Disabled,
            None => KeyState::PendingImport,
        };
    }
}

/// How a caller names a key. Only a dialect parses one; only `Context::key` resolves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRef {
    /// By its id.
    Id(KeyId),
    /// By the account of another project, and its id.
    Of(AccountId, KeyId),
    /// By the name of an alias that points to it, without the prefix `alias/`.
    Alias(AliasName),
    /// By the full name of such an alias.
    Urn(AliasUrn),
}

impl std::fmt::Display for KeyRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeyRef::Id(id) | KeyRef::Of(_, id) => id.fmt(f),
            KeyRef::Alias(name) => write!(f, "alias/{name}"),
            KeyRef::Urn(urn) => urn.fmt(f),
        }
    }
}

/// Which keys of a project are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those in this state, by its number.
    pub state: Option<i16>,
    /// Only those of this spec.
    pub spec: Option<KeySpec>,
    /// Only those filed under this enterprise project.
    pub enterprise_project: Option<String>,
}
