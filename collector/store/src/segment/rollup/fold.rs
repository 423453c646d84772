//! Adds up measurements, and what batches say of skipped slots.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::ledger::SkippedRange;
use isochrone_proto::measurement::{CacheState, EchoOutcome, Measurement, Outcome};
use isochrone_proto::plan::{Plan, PlannedCheck, Target};
use isochrone_proto::units::UnixMillis;

use super::sums::Added;
use super::{Key, Period, Rollup, Sums};
use crate::segment::day::Day;

/// Rollups in the making.
#[derive(Debug)]
pub(super) struct Fold {
    period: Period,
    rollups: BTreeMap<Key, Rollup>,
}

impl Fold {
    pub(super) const fn new(period: Period) -> Self {
        Self {
            period,
            rollups: BTreeMap::new(),
        }
    }

    /// Adds a rollup of the same period.
    pub(super) fn merge(&mut self, rollup: Rollup) {
        let key = rollup.key();
        match self.rollups.get_mut(&key) {
            Some(known) => {
                (known.probe_name, known.target_name) = (rollup.probe_name, rollup.target_name);
                known.sums.merge(&rollup.sums);
            }
            None => {
                self.rollups.insert(key, rollup);
            }
        }
    }

    /// Adds a rollup of the same period or of a part of it.
    pub(super) fn merge_finer(&mut self, rollup: Rollup) {
        let start = self.period.start(rollup.start);
        self.merge(Rollup { start, ..rollup });
    }

    /// Adds a run under `plan`.
    pub(super) fn add(&mut self, plan: &Plan, run: &Measurement, wants: &dyn Fn(&Key) -> bool) {
        let Some((check, target)) = plan.target_of(run.check) else {
            return;
        };
        let (cache, suspect) = way(&run.outcome);
        let key = Key {
            cache,
            suspect,
            ..self.key(plan, check, target, run.slot)
        };
        if !wants(&key) {
            return;
        }
        let sums = &mut self.entry(key, &plan.probe_name, &target.name).sums;
        sums.run += 1;
        match Added::of(check.kind.check, &run.outcome) {
            Added::Ok(times) => {
                sums.ok += 1;
                for (histogram, us) in sums.times.iter_mut().zip(times) {
                    let _was_counted = us > 0 && histogram.record_us(f64::from(us));
                }
            }
            Added::Lost(loss) => *sums.losses.entry(loss).or_default() += 1,
        }
    }

    /// Adds a range of skipped slots under `plan`.
    pub(super) fn skip(&mut self, plan: &Plan, range: &SkippedRange, wants: &dyn Fn(&Key) -> bool) {
        let Some((check, target)) = plan.target_of(range.check) else {
            return;
        };
        let until = UnixMillis(last_slot(plan, range).0.saturating_add(1));
        let mut from = range.first_slot;
        while from < until {
            let next = UnixMillis(self.period.start(from).0 + self.period.millis()).min(until);
            let key = self.key(plan, check, target, from);
            let count = check.schedule.count(from, next);
            if count > 0 && wants(&key) {
                self.entry(key, &plan.probe_name, &target.name).sums.skipped += count;
            }
            from = next;
        }
    }

    /// Takes out everything up to `day`.
    pub(super) fn take_until(&mut self, day: Day) -> Self {
        let later = self.rollups.split_off(&Key::first_after(day));
        Self {
            period: self.period,
            rollups: std::mem::replace(&mut self.rollups, later),
        }
    }

    /// The days of which it holds any.
    pub(super) fn days(&self) -> BTreeSet<Day> {
        self.rollups.keys().map(|key| key.day).collect()
    }

    pub(super) const fn period(&self) -> Period {
        self.period
    }

    pub(super) fn len(&self) -> usize {
        self.rollups.len()
    }

    pub(super) fn rollups(&self) -> impl Iterator<Item = &Rollup> {
        self.rollups.values()
    }

    /// Leaves out all others.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&Rollup) -> bool) {
        self.rollups.retain(|_, rollup| is_kept(rollup));
    }

    /// By key.
    pub(super) fn into_rollups(self) -> impl Iterator<Item = Rollup> {
        self.rollups.into_values()
    }

    fn key(&self, plan: &Plan, check: &PlannedCheck, target: &Target, slot: UnixMillis) -> Key {
        let start = self.period.start(slot);
        Key {
            day: Day::of(start),
            kind: check.kind,
            probe: plan.probe,
            target: target.id,
            start,
            cache: CacheState::Absent,
            suspect: false,
        }
    }

    fn entry(&mut self, key: Key, probe: &str, target: &str) -> &mut Rollup {
        let rollup = self.rollups.entry(key).or_insert_with(|| Rollup {
            probe: key.probe,
            probe_name: probe.into(),
            target: key.target,
            target_name: target.into(),
            kind: key.kind,
            start: key.start,
            cache: key.cache,
            suspect: key.suspect,
            sums: Sums::default(),
        });
        for (name, newest) in [(&mut rollup.probe_name, probe), (&mut rollup.target_name, target)] {
            if **name != *newest {
                *name = newest.into();
            }
        }
        rollup
    }
}

/// The last slot of a range, whose check the plan has.
pub(super) fn last_slot(plan: &Plan, range: &SkippedRange) -> UnixMillis {
    let check = plan.checks.get(usize::from(range.check));
    let interval = check.map_or(0, |check| u64::from(check.schedule.interval_ms()));
    let behind = interval.saturating_mul(u64::from(range.count.saturating_sub(1)));
    UnixMillis(range.first_slot.0.saturating_add(behind))
}

/// In which way a run was answered.
pub(super) fn way(outcome: &Outcome) -> (CacheState, bool) {
    match outcome {
        Outcome::Echo(outcome) => {
            let is_suspect = matches!(outcome, EchoOutcome::Replied { suspect: true, .. });
            (CacheState::Absent, is_suspect)
        }
        Outcome::Endpoint(outcome) => (outcome.cache, false),
        Outcome::Connect(_) => (CacheState::Absent, false),
    }
}

impl Rollup {
    pub(crate) fn key(&self) -> Key {
        Key {
            day: Day::of(self.start),
            kind: self.kind,
            probe: self.probe,
            target: self.target,
            start: self.start,
            cache: self.cache,
            suspect: self.suspect,
        }
    }
}

impl Key {
    /// Before every key of the next day, behind all others.
    fn first_after(day: Day) -> Self {
        Self {
            day: Day(day.0.saturating_add(1)),
            kind: Kind::new(Check::Echo, Family::V4),
            probe: ProbeId(0),
            target: TargetId(0),
            start: UnixMillis(0),
            cache: CacheState::Absent,
            suspect: false,
        }
    }
}
