//! A plan as an epoch follows it, and which of its slots were seen.

use std::sync::Arc;

use isochrone_proto::kind::Layout;
use isochrone_proto::ledger::SkippedRange;
use isochrone_proto::plan::Plan;
use isochrone_proto::units::UnixMillis;

use super::slot_set::SlotSet;
use crate::{Malformed, RowReader, RowWriter};

/// A plan that the epoch follows or followed.
pub(super) struct AdoptedPlan {
    pub(super) plan: Arc<Plan>,
    pub(super) span: Span,
    pub(super) checks: Vec<CheckState>,
    pub(super) dirty: bool,
}

/// A check, as far as placing its slots needs it.
pub(super) struct CheckState {
    /// Its first slot in the span.
    pub(super) anchor: UnixMillis,
    pub(super) interval_ms: u32,
    pub(super) layout: Layout,
    pub(super) seen: SlotSet,
}

/// Where in time an epoch followed a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: UnixMillis,
    pub(super) until: UnixMillis,
}

const SEEN_VERSION: u8 = 1;

impl AdoptedPlan {
    pub(super) fn new(plan: Arc<Plan>, from: UnixMillis, next: Option<UnixMillis>) -> Self {
        let until = next.map_or(plan.expires, |next| next.min(plan.expires));
        let checks = plan.checks.iter().map(|check| CheckState {
            anchor: check.schedule.first_from(from),
            interval_ms: check.schedule.interval_ms(),
            layout: check.kind.check.layout(),
            seen: SlotSet::default(),
        });
        Self {
            checks: checks.collect(),
            span: Span { from, until },
            plan,
            dirty: false,
        }
    }

    /// The highest slot that was run or skipped.
    pub(super) fn last_seen(&self) -> Option<UnixMillis> {
        let last = |check: &CheckState| {
            let number = u64::from(check.seen.last()?);
            Some(UnixMillis(check.anchor.0 + number * u64::from(check.interval_ms)))
        };
        self.checks.iter().filter_map(last).max()
    }

    pub(super) fn encode_seen(&self) -> Vec<u8> {
        let mut row = RowWriter::version(SEEN_VERSION);
        for check in &self.checks {
            check.seen.write(&mut row);
        }
        row.0
    }

    pub(super) fn decode_seen(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut row = RowReader::new(bytes, SEEN_VERSION)?;
        for check in &mut self.checks {
            check.seen = SlotSet::read(&mut row)?;
        }
        row.end()
    }
}

impl CheckState {
    /// The last slot of a range of its own.
    pub(super) fn last_slot(&self, range: &SkippedRange) -> UnixMillis {
        let length = u64::from(range.count - 1) * u64::from(self.interval_ms); // a range is never empty
        UnixMillis(range.first_slot.0.saturating_add(length))
    }
}
