//! A plan as an epoch follows it, and which of its slots were seen.

use std::sync::Arc;

use isochrone_proto::batch::BatchHeader;
use isochrone_proto::ids::{EpochId, ProbeId};
use isochrone_proto::kind::Layout;
use isochrone_proto::ledger::{Adoption, SkippedRange};
use isochrone_proto::plan::Plan;
use isochrone_proto::units::UnixMillis;
use redb::WriteTransaction;

use super::slot_set::SlotSet;
use crate::found::Found;
use crate::plans::plan_in;
use crate::tables::{SEEN, seen_key};
use crate::{Malformed, RowReader, RowWriter, StoreError};

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

/// Which slots of an epoch were seen, found again from its batches.
pub(crate) struct SeenAgain(Vec<AdoptedPlan>);

impl SeenAgain {
    pub(crate) fn new(
        transaction: &WriteTransaction,
        found: &Found,
        (probe, _): (ProbeId, EpochId),
        adoptions: &[Adoption],
    ) -> Result<Self, StoreError> {
        let mut plans = Vec::with_capacity(adoptions.len());
        for (index, adoption) in adoptions.iter().enumerate() {
            let next = adoptions.get(index + 1).map(|next| next.first_slot);
            if let Some(plan) = plan_in(transaction, found, probe, adoption.version)? {
                plans.push(AdoptedPlan::new(Arc::new(plan), adoption.first_slot, next));
            }
        }
        Ok(Self(plans))
    }

    pub(crate) fn see(&mut self, header: &BatchHeader, slots: &[(u16, UnixMillis)]) {
        let of = |plan: &&mut AdoptedPlan| plan.plan.version == header.plan;
        if let Some(plan) = self.0.iter_mut().rev().find(of) {
            see(plan, header, slots);
        }
    }

    pub(crate) fn write(
        &self,
        transaction: &WriteTransaction,
        found: &Found,
        (probe, epoch): (ProbeId, EpochId),
    ) -> Result<(), StoreError> {
        let mut table = SEEN.open(transaction, found)?;
        for plan in &self.0 {
            table.insert(&seen_key(probe, epoch, plan.plan.version), &plan.encode_seen())?;
        }
        Ok(())
    }
}

/// Marks the slots of a batch that was placed before as seen.
fn see(plan: &mut AdoptedPlan, header: &BatchHeader, slots: &[(u16, UnixMillis)]) {
    for &(check, slot) in slots {
        if let Some((seen, number)) = seen_of(plan, check, slot) {
            seen.add(number);
        }
    }
    for range in &header.skipped {
        if let Some((seen, first)) = seen_of(plan, range.check, range.first_slot) {
            seen.add_run(first, first.saturating_add(range.count));
        }
    }
}

/// The place of a slot that was placed before.
pub(super) fn seen_of(plan: &mut AdoptedPlan, check: u16, slot: UnixMillis) -> Option<(&mut SlotSet, u32)> {
    let state = plan.checks.get_mut(usize::from(check))?;
    let number = slot.0.checked_sub(state.anchor.0)? / u64::from(state.interval_ms);
    let number = u32::try_from(number).ok()?;
    Some((&mut state.seen, number))
}
