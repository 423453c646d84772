//! Which slot is due when: a heap of the next slot of every check, with the time as an argument.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use isochrone_proto::ledger::{SkipCause, SkippedRange};
use isochrone_proto::plan::Plan;
use isochrone_proto::units::UnixMillis;

/// A run that starts later than this after its planned start (or later than its interval, if that is
/// shorter) is not run: it would measure another time than its slot says.
pub(crate) const LATE_MAX: Duration = Duration::from_secs(1);

/// The slots of one plan, from its adoption until another takes over.
#[derive(Debug)]
pub(crate) struct Grid {
    plan: Arc<Plan>,
    until: UnixMillis,
    next: BinaryHeap<Reverse<Next>>,
    in_flight: Vec<u32>,
}

/// A check's next slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    due_us: u64,
    check: u16,
    slot: UnixMillis,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Run the check.
    Run {
        /// Index in the plan's checks.
        check: u16,
        slot: UnixMillis,
        /// Planned start: slot and jitter, in microseconds since 1970.
        due_us: u64,
    },
    /// Account for slots that are not run.
    Skip(SkippedRange),
}

impl Grid {
    /// The slots of `plan` from `first_slot` until its expiry.
    #[must_use]
    pub(crate) fn new(plan: Arc<Plan>, first_slot: UnixMillis) -> Self {
        let mut grid = Self {
            until: plan.expires,
            next: BinaryHeap::with_capacity(plan.checks.len()),
            in_flight: vec![0; plan.checks.len()],
            plan,
        };
        for index in 0..grid.plan.checks.len() {
            let check = index as u16; // a plan has at most PLAN_CHECKS_MAX checks
            let slot = grid.plan.checks[index].schedule.first_from(first_slot);
            grid.push(check, slot);
        }
        grid
    }

    #[must_use]
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// No slot at or after `until` is run.
    pub(crate) fn end_at(&mut self, until: UnixMillis) {
        self.until = self.until.min(until);
        let until = self.until;
        self.next.retain(|next| next.0.slot < until);
    }

    /// When the next slot is due, in microseconds since 1970; `None` once there is none.
    #[must_use]
    pub(crate) fn next_due_us(&self) -> Option<u64> {
        self.next.peek().map(|next| next.0.due_us)
    }

    /// Whether every slot was handed out.
    #[must_use]
    pub(crate) fn is_over(&self) -> bool {
        self.next_due_us().is_none()
    }

    /// What is due at `now_us`; `None` once nothing more is. However long the time since the last call, a
    /// check gets at most one range and one run per slot that is still fresh.
    pub(crate) fn pop(&mut self, now_us: u64) -> Option<Due> {
        let Reverse(next) = self.next.peek().copied()?;
        if next.due_us > now_us {
            return None;
        }
        self.next.pop();
        let schedule = self.plan.checks[usize::from(next.check)].schedule;
        let interval_us = u64::from(schedule.interval_ms()) * 1_000;
        let late_us = interval_us.min(LATE_MAX.as_micros() as u64);
        if now_us - next.due_us > late_us {
            let fresh = UnixMillis(now_us.saturating_sub(late_us).div_ceil(1_000)).min(self.until);
            let resume = schedule.first_from(fresh.max(schedule.after(next.slot)));
            self.push(next.check, resume);
            let count = schedule.count(next.slot, resume.min(self.until));
            return Some(Due::Skip(range(next.check, next.slot, count, SkipCause::Late)));
        }
        self.push(next.check, schedule.after(next.slot));
        if self.in_flight[usize::from(next.check)] >= schedule.in_flight_max() {
            return Some(Due::Skip(range(next.check, next.slot, 1, SkipCause::Overlap)));
        }
        Some(Due::Run {
            check: next.check,
            slot: next.slot,
            due_us: next.due_us,
        })
    }

    /// A run of `check` has started.
    pub(crate) fn started(&mut self, check: u16) {
        self.in_flight[usize::from(check)] += 1;
    }

    /// A run of `check` has ended.
    pub(crate) fn ended(&mut self, check: u16) {
        self.in_flight[usize::from(check)] -= 1;
    }

    /// How many runs are under way.
    #[must_use]
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.iter().map(|runs| u64::from(*runs)).sum()
    }

    /// All slots that were not handed out and lie before `end` are skipped for `cause`; the grid is over.
    pub(crate) fn skip_until(&mut self, end: UnixMillis, cause: SkipCause) -> Vec<SkippedRange> {
        let end = end.min(self.until);
        let mut ranges = Vec::new();
        for Reverse(next) in self.next.drain() {
            let schedule = self.plan.checks[usize::from(next.check)].schedule;
            let count = schedule.count(next.slot, end);
            if count > 0 {
                ranges.push(range(next.check, next.slot, count, cause));
            }
        }
        ranges.sort_by_key(|range| (range.first_slot, range.check));
        ranges
    }

    fn push(&mut self, check: u16, slot: UnixMillis) {
        if slot >= self.until {
            return;
        }
        let planned = self.plan.checks[usize::from(check)];
        let target = &self.plan.targets[usize::from(planned.target)];
        let jitter_us = planned.schedule.jitter_us(target.id, slot);
        self.next.push(Reverse(Next {
            due_us: slot.0 * 1_000 + jitter_us,
            check,
            slot,
        }));
    }
}

fn range(check: u16, first_slot: UnixMillis, count: u64, cause: SkipCause) -> SkippedRange {
    SkippedRange {
        check,
        first_slot,
        count: u32::try_from(count).unwrap_or(u32::MAX),
        cause,
    }
}

#[cfg(test)]
mod tests;
