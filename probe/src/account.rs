//! The account of one epoch: per hour of the slots, how many were planned, run, skipped and are under way.
//!
//! Planned slots are counted from the plans' grids, never added up run by run, so a result that got lost on
//! its way shows as a slot that stays pending.

use std::collections::BTreeMap;
use std::time::Duration;

use isochrone_proto::ids::PlanVersion;
use isochrone_proto::ledger::{Adoption, HourCount, SkippedRange};
use isochrone_proto::plan::Plan;
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::{Hour, UnixMillis};

/// Counts of hours that ended this long before the cut are still told in each batch, changed or not: if one
/// batch is damaged in the spool, the next ones hold what it said.
const TOLD_AFTER_END: Duration = Duration::from_secs(600);

/// One epoch's account.
#[derive(Debug, Default)]
pub(crate) struct Account {
    adopted: Vec<Adopted>,
    hours: BTreeMap<Hour, Resolved>,
    told: BTreeMap<Hour, HourCount>,
    /// The newest hour that was counted.
    newest: Option<Hour>,
    /// The epoch plans nothing from here on.
    end: Option<UnixMillis>,
}

/// A plan for a stretch of slots.
#[derive(Debug)]
struct Adopted {
    adoption: Adoption,
    schedules: Vec<Schedule>,
    until: UnixMillis,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Resolved {
    run: u64,
    skipped: u64,
}

impl Account {
    /// From `first_slot` on, the epoch follows `plan`. Adoptions come in the order of their first slots.
    pub(crate) fn adopt(&mut self, plan: &Plan, first_slot: UnixMillis) {
        if let Some(before) = self.adopted.last_mut() {
            before.until = before.until.min(first_slot);
        }
        self.adopted.push(Adopted {
            adoption: Adoption {
                version: plan.version,
                first_slot,
            },
            schedules: plan.checks.iter().map(|check| check.schedule).collect(),
            until: plan.expires,
        });
    }

    /// The epoch plans nothing at or after `end`.
    pub(crate) fn end_at(&mut self, end: UnixMillis) {
        self.end = Some(self.end.map_or(end, |known| known.min(end)));
    }

    /// The adoption in force at `cut`; before the first slot of the first one, that one.
    #[must_use]
    pub(crate) fn adoption_at(&self, cut: UnixMillis) -> Option<Adoption> {
        let begun = self
            .adopted
            .iter()
            .rev()
            .find(|adopted| adopted.adoption.first_slot < cut);
        begun.or(self.adopted.first()).map(|adopted| adopted.adoption)
    }

    /// Where the adoption after `told` gave way to a later one, if that was before `cut`: it was in force
    /// between two batches, and no batch cut at `cut` can tell it.
    #[must_use]
    pub(crate) fn passed_over(&self, told: Option<Adoption>, cut: UnixMillis) -> Option<UnixMillis> {
        let after = match told {
            None => 0,
            Some(told) => 1 + self.adopted.iter().position(|adopted| adopted.adoption == told)?,
        };
        let next = self.adopted.get(after + 1)?.adoption.first_slot;
        (next < cut).then_some(next)
    }

    /// A measurement of `slot` goes into the batch that is being made.
    pub(crate) fn ran(&mut self, slot: UnixMillis) {
        self.hours.entry(slot.hour()).or_default().run += 1;
    }

    /// A range of slots of plan `version` was not run.
    pub(crate) fn skipped(&mut self, version: PlanVersion, range: &SkippedRange) {
        let found = self
            .adopted
            .iter()
            .rev()
            .find(|adopted| adopted.adoption.version == version);
        let Some(schedule) = found.and_then(|adopted| adopted.schedules.get(usize::from(range.check))) else {
            return;
        };
        let interval = u64::from(schedule.interval_ms());
        let (mut slot, mut left) = (range.first_slot, u64::from(range.count));
        while left > 0 {
            let in_hour = (slot.hour().end().0 - slot.0).div_ceil(interval).min(left);
            self.hours.entry(slot.hour()).or_default().skipped += in_hour;
            slot = UnixMillis(slot.0 + in_hour * interval);
            left -= in_hour;
        }
    }

    /// Whether `range` goes on where `last` ended, for the same cause.
    #[must_use]
    pub(crate) fn follows(&self, version: PlanVersion, last: &SkippedRange, range: &SkippedRange) -> bool {
        let found = self
            .adopted
            .iter()
            .rev()
            .find(|adopted| adopted.adoption.version == version);
        let schedule = found.and_then(|adopted| adopted.schedules.get(usize::from(last.check)));
        (last.check, last.cause) == (range.check, range.cause)
            && schedule.is_some_and(|schedule| {
                let next = last.first_slot.0 + u64::from(last.count) * u64::from(schedule.interval_ms());
                next == range.first_slot.0
            })
    }

    /// The cumulative counts at `cut` of every hour that changed since the last call, and of those that
    /// ended only just now.
    pub(crate) fn counts(&mut self, cut: UnixMillis) -> Vec<HourCount> {
        self.include_planned_hours(cut);
        let mut counts = Vec::new();
        for (hour, resolved) in &self.hours {
            let planned = resolved.run + resolved.skipped;
            let count = HourCount {
                hour: *hour,
                planned,
                run: resolved.run,
                skipped: resolved.skipped,
                pending: self.planned_in(*hour, cut).saturating_sub(planned),
            };
            let is_fresh = hour.end().plus(TOLD_AFTER_END) > cut;
            if is_fresh || self.told.get(hour) != Some(&count) {
                counts.push(count);
                self.told.insert(*hour, count);
            }
        }
        self.forget_settled(cut);
        counts
    }

    /// Slots of the epoch that lie in `hour` and before `cut`.
    fn planned_in(&self, hour: Hour, cut: UnixMillis) -> u64 {
        let end = self.end.unwrap_or(UnixMillis(u64::MAX)).min(cut).min(hour.end());
        let in_plan = |adopted: &Adopted| {
            let from = adopted.adoption.first_slot.max(hour.start());
            let until = adopted.until.min(end);
            let schedules = adopted.schedules.iter();
            schedules.map(|schedule| schedule.count(from, until)).sum::<u64>()
        };
        self.adopted.iter().map(in_plan).sum()
    }

    /// Hours that hold planned slots, and none that was run or skipped yet, are told too.
    fn include_planned_hours(&mut self, cut: UnixMillis) {
        let Some(first) = self.adopted.first().map(|first| first.adoption.first_slot) else {
            return;
        };
        let from = self.newest.map_or(first.hour().0, |newest| newest.0 + 1);
        for hour in from..=self.end.unwrap_or(cut).min(cut).hour().0 {
            if self.planned_in(Hour(hour), cut) > 0 {
                self.hours.entry(Hour(hour)).or_default();
                self.newest = Some(Hour(hour));
            }
        }
    }

    /// Hours long over, with nothing under way, need no room any more.
    fn forget_settled(&mut self, cut: UnixMillis) {
        let told = &self.told;
        let is_settled = |hour: &Hour| {
            hour.end().plus(2 * TOLD_AFTER_END) <= cut && told.get(hour).is_some_and(|told| told.pending == 0)
        };
        let settled: Vec<Hour> = self
            .hours
            .keys()
            .copied()
            .filter(|hour| is_settled(hour))
            .collect();
        for hour in settled {
            self.hours.remove(&hour);
            self.told.remove(&hour);
        }
        let oldest = self.hours.first_key_value().map(|(hour, _)| hour.start());
        let oldest = oldest.unwrap_or(cut).min(cut.minus(2 * TOLD_AFTER_END));
        let gone = self
            .adopted
            .iter()
            .take_while(|adopted| adopted.until <= oldest)
            .count();
        let gone = gone.min(self.adopted.len().saturating_sub(1)); // the last one is told in every batch
        self.adopted.drain(..gone);
    }
}

#[cfg(test)]
pub(crate) mod tests;
