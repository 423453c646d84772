//! Adds up measurements, and what batches say of skipped slots.

use std::collections::BTreeMap;
use std::sync::Arc;

use isochrone_proto::ids::TargetId;
use isochrone_proto::ledger::SkippedRange;
use isochrone_proto::measurement::{CacheState, EchoOutcome, Measurement, Outcome};
use isochrone_proto::plan::Plan;
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

    /// Adds a run under `plan`.
    pub(super) fn add(&mut self, plan: &Plan, run: &Measurement, wants: &dyn Fn(&Key) -> bool) {
        let (cache, suspect) = way(&run.outcome);
        let Some((key, names)) = self.key(plan, run.check, run.slot) else {
            return;
        };
        let key = Key {
            cache,
            suspect,
            ..key
        };
        if !wants(&key) {
            return;
        }
        let sums = &mut self.entry(key, &names).sums;
        sums.run += 1;
        match Added::of(key.kind.check, &run.outcome) {
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
        let Some(check) = plan.checks.get(usize::from(range.check)) else {
            return;
        };
        let schedule = check.schedule;
        let mut from = range.first_slot;
        let last = u64::from(schedule.interval_ms()) * u64::from(range.count.saturating_sub(1));
        let until = UnixMillis(from.0.saturating_add(last).saturating_add(1));
        while from < until {
            let next = UnixMillis(self.period.start(from).0 + self.period.millis()).min(until);
            if let Some((key, names)) = self.key(plan, range.check, from)
                && wants(&key)
            {
                let count = schedule.count(from, next);
                if count > 0 {
                    self.entry(key, &names).sums.skipped += count;
                }
            }
            from = next;
        }
    }

    pub(super) fn into_rollups(self) -> impl Iterator<Item = Rollup> {
        self.rollups.into_values()
    }

    fn key(&self, plan: &Plan, check: u16, slot: UnixMillis) -> Option<(Key, Names)> {
        let (check, target) = plan.target_of(check)?;
        let start = self.period.start(slot);
        let key = Key {
            day: Day::of(start),
            kind: check.kind,
            probe: plan.probe,
            target: target.id,
            start,
            cache: CacheState::Absent,
            suspect: false,
        };
        Some((
            key,
            (plan.probe_name.as_str().into(), target.name.as_str().into()),
        ))
    }

    fn entry(&mut self, key: Key, (probe, target): &Names) -> &mut Rollup {
        self.rollups.entry(key).or_insert_with(|| Rollup {
            probe: key.probe,
            probe_name: Arc::clone(probe),
            target: key.target,
            target_name: Arc::clone(target),
            kind: key.kind,
            start: key.start,
            cache: key.cache,
            suspect: key.suspect,
            sums: Sums::default(),
        })
    }
}

type Names = (Arc<str>, Arc<str>);

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
    pub(super) fn key(&self) -> Key {
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
