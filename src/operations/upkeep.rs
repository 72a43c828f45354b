//! What time demands: keys whose day has come are destroyed, imported material whose time is over is
//! dropped, material is renewed by plan, and what has ended is forgotten.
//!
//! Each step is bounded and can be killed anywhere (threat model I-40). Any number of replicas may
//! do this at once.

use std::sync::Arc;
use std::time::Duration;

use crate::kms::Kms;
use crate::limits;
use crate::model::action::Action;
use crate::model::audit::Record;
use crate::model::caller::Credential;
use crate::model::error::Error;
use crate::model::key::Key;
use crate::model::time::Timestamp;
use crate::store::keys::Destroyed;
use crate::store::{Sealed, StoreError};

use super::{materials, rotation};

/// How often upkeep looks.
pub const EVERY: Duration = Duration::from_secs(20);

/// How far the clock may run ahead of what was believed before, beside the time that passed.
const LEAP: Duration = Duration::from_secs(24 * 60 * 60);
/// For how long destruction pauses after a leap, in time that kmsd is up: long enough for a person
/// to look at the alarm.
const PAUSE: Duration = Duration::from_secs(60 * 60);
/// How far the clock may fall behind what was believed before.
const LAG: Duration = Duration::from_secs(5 * 60);
/// Beyond this distance between our clock and the database's, nothing is destroyed.
const DISTANCE_FOR_UPKEEP: Duration = Duration::from_secs(5);
/// Beyond this one kmsd is not ready either.
const DISTANCE_FOR_SERVICE: Duration = Duration::from_secs(60);

/// The time guard (threat model 5.5): a clock that leaps must not destroy keys.
#[derive(Default)]
pub struct TimeGuard {
    /// When it looked last, in monotonic time.
    looked_at: Option<Duration>,
    /// Until when destruction pauses, in monotonic time.
    paused_until: Option<Duration>,
}

/// What the guard says of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockState {
    /// It can be believed.
    Good,
    /// It leapt forward: destruction waits.
    Leapt,
    /// It fell back behind what was believed before: nothing is destroyed, and kmsd is not
    /// ready.
    Behind,
}

impl TimeGuard {
    /// Judges the clock. `mark` is the latest time that was ever believed.
    pub fn judge(&mut self, mark: Timestamp, now: Timestamp, monotonic: Duration) -> ClockState {
        let passed = self
            .looked_at
            .map_or(Duration::ZERO, |looked| monotonic.saturating_sub(looked));
        self.looked_at = Some(monotonic);
        if now.plus(LAG) < mark {
            return ClockState::Behind;
        }
        if now <= mark.plus(passed).plus(LEAP) {
            self.paused_until = None;
            return ClockState::Good;
        }
        let until = *self.paused_until.get_or_insert(monotonic + PAUSE);
        if monotonic < until {
            return ClockState::Leapt;
        }
        self.paused_until = None;
        ClockState::Good
    }
}

/// One step of upkeep. Answers which keys it destroyed. A clock that is not believed lets nothing be
/// destroyed or dropped, and nothing be renewed.
///
/// # Errors
/// [`StoreError`]; the next step tries again.
pub async fn step(kms: &Arc<Kms>, guard: &mut TimeGuard) -> Result<Vec<Destroyed>, StoreError> {
    kms.throttle().forget_idle();
    settle_refusals(kms).await?;
    tell_accesses(kms).await?;
    let now = kms.now();

    let mark = kms.store().high_water().await?;
    let state = guard.judge(mark, now, kms.env().monotonic());
    let distance = distance_from_database(kms, now).await?;
    kms.set_clock_in_order(state != ClockState::Behind && distance <= DISTANCE_FOR_SERVICE);
    match state {
        ClockState::Good if distance <= DISTANCE_FOR_UPKEEP => {}
        ClockState::Good => {
            kms.metrics().alarm("clocks-apart");
            tracing::error!(
                seconds = distance.as_secs(),
                "the clocks of kmsd and of its database are apart; no key is destroyed until \
                 they agree"
            );
            return Ok(Vec::new());
        }
        ClockState::Leapt => {
            kms.metrics().alarm("clock-leapt");
            tracing::error!(
                believed = %mark, %now,
                "the clock leapt forward, or kmsd was down for long; no key is destroyed for an \
                 hour: check the date"
            );
            return Ok(Vec::new());
        }
        ClockState::Behind => {
            kms.metrics().alarm("clock-behind");
            tracing::error!(
                believed = %mark, %now,
                "the clock is behind the latest time that kmsd has seen; set it right"
            );
            return Ok(Vec::new());
        }
    }
    kms.store().raise_high_water(now).await?;
    kms.set_high_water(now);
    // With room for a clock that leapt by less than the guard sees: a token must stay revoked when
    // the clock is put right.
    kms.store().forget_ended_tokens(now.minus(LEAP)).await?;

    // None of them waits for another: what stops one must not stop them all.
    let destroyed = destroy(kms, now).await;
    let departing = for_keys_due(kms, Due::Departure, now).await;
    let expired = for_keys_due(kms, Due::Expiry, now).await;
    let renewed = for_keys_due(kms, Due::Rotation, now).await;
    departing?;
    expired?;
    renewed?;
    destroyed
}

/// Destroys the keys whose day has come.
async fn destroy(kms: &Arc<Kms>, now: Timestamp) -> Result<Vec<Destroyed>, StoreError> {
    let mut destroyed = Vec::new();
    loop {
        let gone = kms
            .store()
            .destroy_due_keys(now, limits::DESTROYED_PER_STEP, kms.key().row(), |key| {
                destruction_record(kms, key, now)
            })
            .await?;
        for key in &gone {
            tracing::info!(key = %key.id, project = %key.project_id, "destroyed a key: its day came");
        }
        kms.metrics().destroyed(gone.len());
        let full = i64::try_from(gone.len()).is_ok_and(|count| count >= limits::DESTROYED_PER_STEP);
        destroyed.extend(gone);
        if !full {
            break;
        }
    }
    destroy_objects(kms, now).await?;
    Ok(destroyed)
}

/// Destroys what is due in hardware security modules. Its keys are gone for everybody already, so a
/// cluster that is away is asked again at the next step, for as long as it takes.
async fn destroy_objects(kms: &Arc<Kms>, now: Timestamp) -> Result<(), StoreError> {
    for cluster in kms.hsm_clusters() {
        let due = kms
            .store()
            .due_objects(cluster, now, limits::DESTROYED_PER_STEP);
        for row in due.await? {
            let object = match row.open(kms.key().row()) {
                Ok(object) => object,
                Err(error) => {
                    kms.metrics().alarm("hsm-object");
                    tracing::error!(%cluster, %error, "somebody wants an HSM object destroyed: left alone");
                    continue;
                }
            };
            if !kms.store().claim_object(&object).await? {
                // Its key is there: the change that was to keep it has committed.
                kms.store().forget_object(&object).await?;
                continue;
            }
            let id = object.object.clone();
            let asked = kms.in_cluster(cluster, move |cluster| cluster.destroy(&id));
            if let Ok(Ok(())) = asked.await {
                kms.store().forget_object(&object).await?;
                tracing::info!(key = object.object, %cluster, "destroyed the HSM object of a key");
            } else {
                tracing::warn!(%cluster, "an HSM cluster is away; its objects wait to be destroyed");
                break;
            }
        }
    }
    Ok(())
}

/// What a key may be due for, beside its destruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Imported material whose time is over is dropped.
    Expiry,
    /// A new version of its material, as its plan says.
    Rotation,
    /// A primary waited for the end of its replicas: its own wait begins.
    Departure,
}

impl Due {
    const fn action(self) -> Action {
        match self {
            Due::Expiry => Action::ExpireKeyMaterial,
            Due::Rotation => Action::RotateKey,
            Due::Departure => Action::ScheduleKeyDeletion,
        }
    }
}

/// Does what keys are due for, each key a change of its own with its record. Of replicas that do the
/// same, the first to commit wins (I-34); a key that fails is told to the log and keeps no other from
/// its turn.
async fn for_keys_due(kms: &Kms, due: Due, now: Timestamp) -> Result<(), StoreError> {
    let (mut done, mut passed_over) = (0, 0);
    while done < limits::RENEWED_PER_STEP {
        let limit = limits::RENEWED_PER_STEP - done;
        let (rows, skip) = (number(limit), number(passed_over));
        let page = match due {
            Due::Expiry => {
                kms.store()
                    .keys_with_expired_material(now, rows, skip)
                    .await?
            }
            Due::Rotation => kms.store().keys_to_rotate(now, rows, skip).await?,
            Due::Departure => kms.store().primaries_left_alone(rows, skip).await?,
        };
        let is_last = page.len() < limit;
        for row in page {
            let key = row.as_ref().map(|row| row.peek().id.to_string());
            let key = key.unwrap_or_default();
            let did = match row {
                Ok(row) => for_key_due(kms, due, row, now).await,
                Err(corrupt) => Err(Error::from(corrupt)),
            };
            match did {
                Ok(()) => done += 1,
                Err(Error::Unavailable(why)) => return Err(StoreError::Unavailable(why)),
                Err(Error::Conflict) => passed_over += 1,
                Err(error) => {
                    passed_over += 1;
                    kms.metrics().alarm("key-not-kept-up");
                    let what = due.action().name();
                    tracing::error!(key, ?error, what, "a key is due and cannot be seen to");
                }
            }
        }
        if is_last {
            break;
        }
    }
    Ok(())
}

async fn for_key_due(kms: &Kms, due: Due, row: Sealed<Key>, now: Timestamp) -> Result<(), Error> {
    let sealing = kms.project_key(&row.peek().project).await?;
    // What the row says decides, now that its seal is checked.
    let mut key = row.open(sealing.row())?;
    let (writes, detail) = match due {
        Due::Expiry => {
            let (writes, dropped) = materials::expire(kms, &mut key, now).await?;
            if dropped == 0 {
                return Err(Error::Conflict);
            }
            (writes, format!("{dropped} dropped: their time is over"))
        }
        Due::Departure => {
            let days = key.state.replica_wait().ok_or(Error::Conflict)?;
            key.schedule_deletion(now.plus_days(days));
            let detail = format!("in {days} days: its last replica is destroyed");
            (vec![kms.saved(&mut key).await?], detail)
        }
        Due::Rotation if !key.is_due(now) => return Err(Error::Conflict),
        Due::Rotation => {
            let writes = rotation::by_plan(kms, &mut key, now).await?;
            (writes, rotation::told(&key))
        }
    };
    let record = Record {
        project_id: key.project.to_string(),
        region: key.region.to_string(),
        key_id: key.id.to_string(),
        revision: key.revision,
        detail,
        ..own_record(kms, due.action(), now)
    };
    kms.commit(writes, record).await?;
    tracing::info!(key = %key.id, project = %key.project, what = due.action().name(), "kept up a key");
    Ok(())
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Steps for as long as kmsd lives.
pub async fn run(kms: Arc<Kms>) {
    let mut guard = TimeGuard::default();
    let mut due = tokio::time::interval(EVERY);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        if let Err(error) = step(&kms, &mut guard).await {
            tracing::warn!(%error, "upkeep could not do its work and will try again");
        }
    }
}

/// How far our clock is from the database's, where that is another machine's.
async fn distance_from_database(kms: &Kms, now: Timestamp) -> Result<Duration, StoreError> {
    if !kms.env().is_real() {
        return Ok(Duration::ZERO);
    }
    Ok(kms
        .store()
        .server_time()
        .await?
        .map_or(Duration::ZERO, |theirs| now.distance(theirs)))
}

/// Records the counts of refused credentials whose sources went quiet.
async fn settle_refusals(kms: &Kms) -> Result<(), StoreError> {
    for (source, count) in kms.refusals().settle(kms.now()) {
        let record = Record::of_refusal(
            kms.now(),
            hex::encode(kms.env().random::<16>()),
            source,
            String::new(),
            "refused-in-bulk",
            format!("{count} more from this address before"),
        );
        kms.store().record(record, kms.config().audit_uses).await?;
    }
    Ok(())
}

/// Tells the database when policies of capsules were used.
async fn tell_accesses(kms: &Kms) -> Result<(), StoreError> {
    for (policy, at) in kms.policy_accesses().untold() {
        let (project, region, id) = &policy;
        kms.store()
            .tell_policy_access(project, region, id, at)
            .await?;
        kms.policy_accesses().told(&policy, at);
    }
    Ok(())
}

fn destruction_record(kms: &Kms, key: &Destroyed, now: Timestamp) -> Record {
    Record {
        project_id: key.project_id.clone(),
        region: key.region.clone(),
        key_id: key.id.clone(),
        revision: key.revision,
        detail: "its day came".into(),
        ..own_record(kms, Action::DestroyKey, now)
    }
}

/// The record of something that kmsd did by itself.
fn own_record(kms: &Kms, action: Action, now: Timestamp) -> Record {
    Record {
        at: now,
        request_id: hex::encode(kms.env().random::<16>()),
        credential: Credential::Upkeep.describe(),
        user_id: String::new(),
        user_name: String::new(),
        project_id: String::new(),
        address: String::new(),
        action,
        region: String::new(),
        key_id: String::new(),
        revision: 0,
        outcome: "ok".into(),
        detail: String::new(),
        duration_us: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000).plus(HOUR * u32::try_from(hours).unwrap())
    }

    #[test]
    fn time_that_passes_is_believed() {
        let mut guard = TimeGuard::default();
        assert_eq!(guard.judge(at(0), at(1), HOUR), ClockState::Good);
        assert_eq!(guard.judge(at(1), at(200), HOUR * 200), ClockState::Good);
    }

    #[test]
    fn a_leap_pauses_destruction_for_an_hour_of_uptime() {
        let mut guard = TimeGuard::default();
        assert_eq!(guard.judge(at(0), at(0), HOUR), ClockState::Good);
        assert_eq!(guard.judge(at(0), at(26), HOUR * 2), ClockState::Leapt);
        assert_eq!(
            guard.judge(at(0), at(26), HOUR * 2 + HOUR / 2),
            ClockState::Leapt
        );
        assert_eq!(guard.judge(at(0), at(27), HOUR * 3), ClockState::Good);
        assert_eq!(guard.judge(at(27), at(28), HOUR * 4), ClockState::Good);
    }

    #[test]
    fn a_clock_put_right_again_needs_no_pause() {
        let mut guard = TimeGuard::default();
        assert_eq!(guard.judge(at(0), at(30), HOUR), ClockState::Leapt);
        assert_eq!(guard.judge(at(0), at(1), HOUR), ClockState::Good);
    }

    #[test]
    fn a_clock_that_fell_back_is_not_believed() {
        let mut guard = TimeGuard::default();
        assert_eq!(guard.judge(at(9), at(8), HOUR), ClockState::Behind);
        let four_minutes = Duration::from_secs(4 * 60);
        assert_eq!(
            guard.judge(at(9), at(9).minus(four_minutes), HOUR),
            ClockState::Good
        );
    }
}
