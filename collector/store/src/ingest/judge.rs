//! Whether the content of a batch can be what its plan asked for.

use isochrone_base::words::{self, duration, rfc3339_second};
use isochrone_proto::batch::Batch;
use isochrone_proto::ids::PlanVersion;
use isochrone_proto::ledger::{Adoption, HourCount, SkippedRange};
use isochrone_proto::units::{Hour, UnixMillis};

use super::adopted::{AdoptedPlan, CheckState, Span, seen_of};
use crate::{HourRow, Retention};

/// Slots further ahead of the collector's clock are refused.
pub(crate) const AHEAD_MAX: std::time::Duration = std::time::Duration::from_secs(5 * 60);
/// An account that reaches further ahead is not taken over: nothing can be said of its slots. One that is nearer is,
/// even where its measurements are refused for their time: what was refused then stands where it was planned.
const ACCOUNT_AHEAD_MAX: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);

/// Why a batch or tombstone is refused for its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefuseReason {
    /// This release cannot read it: a later one made it, or it is broken.
    #[error("it cannot be read: {error}")]
    Unread {
        /// Why, in words; a section by its name.
        error: std::sync::Arc<str>,
    },
    /// A slot too old or too far ahead: the probe's clock is wrong, or it was away for too long.
    #[error("{}, and only the last {} and the next 5 minutes are taken", apart("slot", *slot, *now), words::days(*kept))]
    SlotOutOfRange {
        /// When the run was planned, by the probe's clock.
        slot: UnixMillis,
        /// The collector's clock.
        now: UnixMillis,
        /// How long measurements are kept, and taken.
        kept: std::time::Duration,
    },
    /// A cut too old or too far ahead.
    #[error("{}, and only the last {} and the next 5 minutes are taken", apart("cut", *cut, *now), words::days(*kept))]
    CutOutOfRange {
        /// Up to where the account reaches, by the probe's clock.
        cut: UnixMillis,
        /// The collector's clock.
        now: UnixMillis,
        /// How long accounts are kept, and taken.
        kept: std::time::Duration,
    },
    /// The probe was revoked before.
    #[error("the probe was revoked at {}, and its plan ended with that", rfc3339_second(*at))]
    Revoked {
        /// When.
        at: UnixMillis,
    },
    /// Rows that name a plan this epoch did not adopt.
    #[error("plan {version} was not adopted in this epoch")]
    NotAdopted {
        /// The version that the batch names.
        version: PlanVersion,
    },
    /// An adoption that goes back, or lies too old or too far ahead.
    #[error("plan {version} cannot be adopted from slot {} ms on", .first_slot.0)]
    Adoption {
        /// The version that the batch names.
        version: PlanVersion,
        /// From where on.
        first_slot: UnixMillis,
    },
    /// A check that the plan does not have.
    #[error("check {check} is not in the plan, which has {checks}")]
    NoSuchCheck {
        /// The index.
        check: u16,
        /// Checks in the plan.
        checks: usize,
    },
    /// An echo result for an endpoint's check, or the other way round.
    #[error("the result of check {check} is of another kind than the plan's check")]
    KindMismatch {
        /// Its index in the plan.
        check: u16,
    },
    /// A slot outside the time for which the epoch followed the plan.
    #[error("slot {} ms of check {check} lies outside the plan's time in this epoch", .slot.0)]
    OutsidePlan {
        /// Its index in the plan.
        check: u16,
        /// When the run was planned, by the probe's clock.
        slot: UnixMillis,
    },
    /// No slot of the check's grid.
    #[error("slot {} ms is not on the grid of check {check}", .slot.0)]
    OffGrid {
        /// Its index in the plan.
        check: u16,
        /// When the run was planned, by the probe's clock.
        slot: UnixMillis,
    },
    /// A slot that already has a measurement or was skipped.
    #[error("slot {} ms of check {check} was already accounted for", .slot.0)]
    Duplicate {
        /// Its index in the plan.
        check: u16,
        /// When the run was planned, by the probe's clock.
        slot: UnixMillis,
    },
    /// More slots in an hour than twice what the plan can produce.
    #[error("{found} slots counted in hour {}, at most {allowed} are allowed", .hour.0)]
    Counts {
        /// Hours since 1970, UTC.
        hour: Hour,
        /// What was counted.
        found: u64,
        /// Twice what the plan can produce.
        allowed: u64,
    },
    /// Cumulative counts that fell.
    #[error("the counts of hour {} went back", .hour.0)]
    CountsWentBack {
        /// Hours since 1970, UTC.
        hour: Hour,
    },
    /// Neither side has the plan any more.
    #[error("plan {version} is lost on both sides")]
    PlanLost {
        /// The version that the batch names.
        version: PlanVersion,
    },
}

impl RefuseReason {
    /// Whether the time is what is wrong: one of the two clocks is.
    #[must_use]
    pub fn is_for_time(&self) -> bool {
        match self {
            Self::SlotOutOfRange { .. } | Self::CutOutOfRange { .. } => true,
            Self::Unread { .. }
            | Self::Revoked { .. }
            | Self::NotAdopted { .. }
            | Self::Adoption { .. }
            | Self::NoSuchCheck { .. }
            | Self::KindMismatch { .. }
            | Self::OutsidePlan { .. }
            | Self::OffGrid { .. }
            | Self::Duplicate { .. }
            | Self::Counts { .. }
            | Self::CountsWentBack { .. }
            | Self::PlanLost { .. } => false,
        }
    }
}

/// Both times, in words.
fn apart(what: &str, told: UnixMillis, now: UnixMillis) -> String {
    let (told_at, now_at) = (rfc3339_second(told), rfc3339_second(now));
    let (distance, direction) = if told > now {
        (told.since(now), "ahead of")
    } else {
        (now.since(told), "behind")
    };
    let distance = duration(distance.as_millis() as u64);
    format!(
        "{what} {told_at} is {distance} {direction} this collector's clock ({now_at}): one of the two clocks is wrong, or the probe was away for too long"
    )
}

/// When a slot may be, by the collector's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    now: UnixMillis,
    from: UnixMillis,
    until: UnixMillis,
    adopted_from: UnixMillis,
    account_until: UnixMillis,
    retention: Retention,
}

impl Window {
    pub(super) fn around(now: UnixMillis, retention: &Retention) -> Self {
        Self {
            now,
            from: now.minus(retention.raw),
            until: now.plus(AHEAD_MAX),
            adopted_from: now.minus(retention.accounts()),
            account_until: now.plus(ACCOUNT_AHEAD_MAX),
            retention: *retention,
        }
    }

    pub(super) fn holds(&self, slot: UnixMillis) -> bool {
        (self.from..=self.until).contains(&slot)
    }

    /// Whether an hour's account is taken over.
    pub(super) fn holds_hour(&self, hour: Hour) -> bool {
        hour >= self.from.hour() && hour <= self.account_until.hour()
    }

    /// The hour in whose account a refused slot stands: its own or, where none is kept of that, the present one.
    pub(super) fn hour_of_refused(&self, slot: UnixMillis) -> Hour {
        if (self.from..=self.account_until).contains(&slot) {
            slot.hour()
        } else {
            self.now.hour()
        }
    }

    pub(super) fn out_of_range(&self, slot: UnixMillis) -> RefuseReason {
        let (now, kept) = (self.now, self.retention.raw);
        RefuseReason::SlotOutOfRange { slot, now, kept }
    }

    fn cut_out_of_range(&self, cut: UnixMillis) -> RefuseReason {
        let (now, kept) = (self.now, self.retention.accounts());
        RefuseReason::CutOutOfRange { cut, now, kept }
    }

    /// Whether an account up to `cut` is taken over.
    pub(super) fn check_cut(&self, cut: UnixMillis) -> Result<(), RefuseReason> {
        if (self.adopted_from..=self.account_until).contains(&cut) {
            Ok(())
        } else {
            Err(self.cut_out_of_range(cut))
        }
    }

    /// What was measured up to `cut` may be stored; its account was taken over before.
    pub(super) fn check_reached(&self, cut: UnixMillis) -> Result<(), RefuseReason> {
        if cut <= self.until {
            Ok(())
        } else {
            Err(self.cut_out_of_range(cut))
        }
    }

    /// Whether `next` may follow `last`. `Ok(true)`: it is new.
    pub(super) fn check_adoption(
        &self,
        last: Option<&Adoption>,
        next: &Adoption,
    ) -> Result<bool, RefuseReason> {
        let refused = Err(RefuseReason::Adoption {
            version: next.version,
            first_slot: next.first_slot,
        });
        match last {
            Some(last) if last == next => return Ok(false),
            Some(last) if next.version <= last.version || next.first_slot < last.first_slot => {
                return refused;
            }
            _ => {}
        }
        if (self.adopted_from..=self.account_until).contains(&next.first_slot) {
            Ok(true)
        } else {
            refused
        }
    }
}

/// Checks an hour's counts against those before and against what the plan can produce.
pub(super) fn check_counts(known: &HourRow, told: &HourCount, quota: u64) -> Result<(), RefuseReason> {
    check_quota(0, told, quota)?;
    let hour = told.hour;
    if !known.can_become(told) {
        return Err(RefuseReason::CountsWentBack { hour });
    }
    Ok(())
}

/// Whether the told slots, with `others` that were counted elsewhere, are within the quota of their hour.
pub(super) fn check_quota(others: u64, told: &HourCount, allowed: u64) -> Result<(), RefuseReason> {
    let hour = told.hour;
    let found = told.planned.saturating_add(told.pending).saturating_add(others);
    if found > allowed {
        return Err(RefuseReason::Counts { hour, found, allowed });
    }
    Ok(())
}

/// Rows of each hour, and the first and last slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowCounts {
    pub(super) hours: Vec<(Hour, u64)>,
    pub(super) first: UnixMillis,
    pub(super) last: UnixMillis,
}

impl Default for RowCounts {
    fn default() -> Self {
        Self {
            hours: Vec::new(),
            first: UnixMillis(u64::MAX),
            last: UnixMillis(0),
        }
    }
}

impl RowCounts {
    /// Of slots that were not judged, or refused: all of them, each in an hour.
    /// Of rows that are in range.
    pub(super) fn of(slots: impl Iterator<Item = UnixMillis>) -> Self {
        let mut counts = RowCounter::default();
        slots.for_each(|slot| counts.count(slot));
        counts.finish()
    }

    pub(super) fn of_refused(slots: impl Iterator<Item = UnixMillis>, window: Window) -> Self {
        let mut counts = RowCounter::default();
        for slot in slots {
            let hour = window.hour_of_refused(slot);
            counts.count(if slot.hour() == hour { slot } else { hour.start() });
        }
        counts.finish()
    }
}

/// Counts rows by hour: slots of one batch lie in one or two.
#[derive(Default)]
struct RowCounter {
    counts: RowCounts,
    start: u64,
    end: u64,
    rows: u64,
}

impl RowCounter {
    #[inline]
    fn count(&mut self, slot: UnixMillis) {
        if slot.0 < self.start || slot.0 >= self.end {
            self.close();
            let hour = slot.hour();
            (self.start, self.end) = (hour.start().0, hour.end().0);
        }
        self.rows += 1;
        self.counts.first = self.counts.first.min(slot);
        self.counts.last = self.counts.last.max(slot);
    }

    fn close(&mut self) {
        if self.rows == 0 {
            return;
        }
        let hour = UnixMillis(self.start).hour();
        let rows = std::mem::take(&mut self.rows);
        match self.counts.hours.iter_mut().find(|known| known.0 == hour) {
            Some(known) => known.1 += rows,
            None => self.counts.hours.push((hour, rows)),
        }
    }

    fn finish(mut self) -> RowCounts {
        self.close();
        self.counts
    }
}

/// Places every row and skipped range of `batch` in `plan`, and marks their slots as seen. If any does not
/// fit, none is marked.
pub(super) fn place(
    plan: &mut AdoptedPlan,
    batch: &Batch,
    window: Window,
) -> Result<RowCounts, RefuseReason> {
    let span = plan.span;
    let checks = plan.checks.len();
    let mut counts = RowCounter::default();
    for (row, (layout, check, slot)) in batch.slots_by_layout().enumerate() {
        let placed = match plan.checks.get_mut(usize::from(check)) {
            None => Err(RefuseReason::NoSuchCheck { check, checks }),
            Some(state) if state.layout != layout => Err(RefuseReason::KindMismatch { check }),
            Some(state) => place_slot(state, check, slot, span, window),
        };
        if let Err(reason) = placed {
            unplace_rows(plan, batch, row);
            return Err(reason);
        }
        counts.count(slot);
    }
    for (index, range) in batch.header.skipped.iter().enumerate() {
        if let Err(reason) = place_range(plan, range, window) {
            unplace_rows(plan, batch, usize::MAX);
            for range in &batch.header.skipped[..index] {
                unplace_range(plan, range);
            }
            return Err(reason);
        }
    }
    Ok(counts.finish())
}

#[inline]
fn place_slot(
    state: &mut CheckState,
    check: u16,
    slot: UnixMillis,
    span: Span,
    window: Window,
) -> Result<(), RefuseReason> {
    let number = number_of(state, check, slot, span, window)?;
    if state.seen.add(number) {
        Ok(())
    } else {
        Err(RefuseReason::Duplicate { check, slot })
    }
}

#[inline]
fn number_of(
    state: &CheckState,
    check: u16,
    slot: UnixMillis,
    span: Span,
    window: Window,
) -> Result<u32, RefuseReason> {
    if !window.holds(slot) {
        return Err(window.out_of_range(slot));
    }
    if slot < span.from || slot >= span.until {
        return Err(RefuseReason::OutsidePlan { check, slot });
    }
    let off_grid = || RefuseReason::OffGrid { check, slot };
    let distance = slot.0.checked_sub(state.anchor.0).ok_or_else(off_grid)?;
    let interval = state.interval_ms;
    let (number, rest) = match u32::try_from(distance) {
        Ok(distance) => (distance / interval, distance % interval), // a division of half the cost
        Err(_) => {
            let interval = u64::from(interval);
            let number = u32::try_from(distance / interval);
            let outside = RefuseReason::OutsidePlan { check, slot };
            (number.map_err(|_| outside)?, (distance % interval) as u32)
        }
    };
    if rest == 0 { Ok(number) } else { Err(off_grid()) }
}

fn place_range(plan: &mut AdoptedPlan, range: &SkippedRange, window: Window) -> Result<(), RefuseReason> {
    let span = plan.span;
    let (check, checks) = (range.check, plan.checks.len());
    let Some(state) = plan.checks.get_mut(usize::from(check)) else {
        return Err(RefuseReason::NoSuchCheck { check, checks });
    };
    let first = number_of(state, check, range.first_slot, span, window)?;
    number_of(state, check, state.last_slot(range), span, window)?;
    if state.seen.add_run(first, first.saturating_add(range.count)) {
        Ok(())
    } else {
        let slot = range.first_slot;
        Err(RefuseReason::Duplicate { check, slot })
    }
}

fn unplace_rows(plan: &mut AdoptedPlan, batch: &Batch, rows: usize) {
    for (check, slot) in batch.slots().take(rows) {
        if let Some((seen, number)) = seen_of(plan, check, slot) {
            seen.remove_run(number, number + 1);
        }
    }
}

fn unplace_range(plan: &mut AdoptedPlan, range: &SkippedRange) {
    if let Some((seen, first)) = seen_of(plan, range.check, range.first_slot) {
        seen.remove_run(first, first.saturating_add(range.count));
    }
}
