//! The committer's memory of an epoch: authoritative while it runs, written with every commit.

use std::ops::RangeInclusive;

use isochrone_proto::ids::{EpochId, PlanVersion, ProbeId, Sequence};
use isochrone_proto::ledger::{Adoption, HourCount, SkippedRange};
use isochrone_proto::units::{Hour, UnixMillis};
use redb::WriteTransaction;

use super::adopted::AdoptedPlan;
use super::judge::{self, RefuseReason, Window};
use super::not_stored::NotStored;
use crate::found::{Fault, Found};
use crate::rows::{Lookup, WriteRows, number};
use crate::tables::{self, epoch_key, hour_key, probe_hour_key, seen_key, sequence_of, stream_key};
use crate::{EpochRow, HourRow, Store, StoreError, StreamEntry, StreamKind};

/// The tables that hold epochs, open in a transaction.
pub(super) struct EpochTables<'t> {
    pub(super) epochs: WriteRows<'t, &'static [u8; 24]>,
    seen: WriteRows<'t, &'static [u8; 36]>,
    hours: WriteRows<'t, &'static [u8; 28]>,
    probe_hours: WriteRows<'t, &'static [u8; 12]>,
    pub(super) stream: WriteRows<'t, &'static [u8; 32]>,
    ends: WriteRows<'t, u64>,
}

impl<'t> EpochTables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction, found: &'t Found) -> Result<Self, StoreError> {
        Ok(Self {
            epochs: tables::EPOCHS.open(transaction, found)?,
            seen: tables::SEEN.open(transaction, found)?,
            hours: tables::HOURS.open(transaction, found)?,
            probe_hours: tables::PROBE_HOURS.open(transaction, found)?,
            stream: tables::STREAM.open(transaction, found)?,
            ends: tables::ENDS.open(transaction, found)?,
        })
    }

    /// Whether something of an epoch is stored.
    fn knows(&self, probe: ProbeId, epoch: EpochId) -> Result<bool, StoreError> {
        let lowest = stream_key(probe, epoch, Sequence(0));
        let highest = stream_key(probe, epoch, Sequence(u64::MAX));
        Ok(self
            .stream
            .range::<&[u8; 32]>(&lowest..=&highest)?
            .next()
            .is_some())
    }

    /// Batches of an epoch that were in the log, and are damaged.
    fn lost(&self, probe: ProbeId, epoch: EpochId) -> Result<Vec<Sequence>, StoreError> {
        let lowest = stream_key(probe, epoch, Sequence(0));
        let highest = stream_key(probe, epoch, Sequence(u64::MAX));
        let mut lost = Vec::new();
        for row in self.stream.range::<&[u8; 32]>(&lowest..=&highest)? {
            let (key, row) = row?;
            let entry = self.stream.decode(key.value(), &row, StreamEntry::decode);
            if entry.is_some_and(|entry| entry.kind == StreamKind::Lost) {
                lost.push(sequence_of(key.value()));
            }
        }
        Ok(lost)
    }

    /// When the probe was revoked, if it was.
    pub(super) fn ended(&self, probe: ProbeId) -> Result<Option<UnixMillis>, StoreError> {
        let found = self.ends.get(probe.0)?;
        Ok(found.map(|at| UnixMillis(at.number())))
    }

    /// What all epochs of the probe counted in `hour`, and the most that a plan of theirs has in it.
    fn probe_hour(&self, probe: ProbeId, hour: Hour) -> Result<(u64, u64), StoreError> {
        let found = self.probe_hours.get(&probe_hour_key(probe, hour))?;
        Ok(found.map_or((0, 0), |found| {
            let (all, most) = found.value().split_at(found.value().len() / 2);
            (number(all), number(most))
        }))
    }
}

pub(super) struct EpochMemory {
    pub(super) probe: ProbeId,
    pub(super) epoch: EpochId,
    pub(super) row: EpochRow,
    /// Its damaged batches, lowest first; `None`: not looked for yet.
    lost: Option<Vec<Sequence>>,
    plans: Vec<AdoptedPlan>,
    hours: Vec<HourMemory>,
    dirty: bool,
}

struct HourMemory {
    hour: Hour,
    row: HourRow,
    quota: Option<Quota>,
    /// Of this epoch's slots, those that stand in the probe's own count.
    noted: u64,
    dirty: bool,
}

/// What an hour can hold.
#[derive(Clone, Copy)]
struct Quota {
    /// Slots of the epoch's plans, each for its part of the hour.
    own: u64,
    /// Slots of the epoch's largest plan in the whole hour.
    whole: u64,
}

impl Quota {
    /// A plan is missing: nothing to compare with.
    const UNKNOWN: Self = Self {
        own: u64::MAX,
        whole: u64::MAX,
    };
}

impl HourMemory {
    fn counted(&self) -> u64 {
        self.row.planned.saturating_add(self.row.pending)
    }
}

/// A probe measures in the current hour and finishes the one before; more come with refills.
const HOURS_KEPT: usize = 4;
/// The current plan and the one before.
const PLANS_KEPT: usize = 2;

impl EpochMemory {
    /// Reads the epoch; one that was never noted has the default row.
    pub(super) fn load(tables: &EpochTables<'_>, probe: ProbeId, epoch: EpochId) -> Result<Self, StoreError> {
        let found = tables
            .epochs
            .lookup_as(&epoch_key(probe, epoch), EpochRow::decode)?;
        let row = match found {
            Lookup::Is(row) => row,
            Lookup::Absent if !tables.knows(probe, epoch)? => EpochRow::default(),
            Lookup::Absent => {
                tables.epochs.note(&epoch_key(probe, epoch), Fault::Missing);
                return Err(StoreError::Unsettled);
            }
            Lookup::Damaged => return Err(StoreError::Unsettled),
        };
        Ok(Self {
            probe,
            epoch,
            row,
            lost: None,
            plans: Vec::new(),
            hours: Vec::new(),
            dirty: false,
        })
    }

    /// Its damaged batches that its probe may still have, lowest first. `any`: there is damage at all.
    pub(super) fn lost(&mut self, tables: &EpochTables<'_>, any: bool) -> Result<&[Sequence], StoreError> {
        if self.lost.is_none() {
            let lost = match any {
                true => tables.lost(self.probe, self.epoch)?,
                false => Vec::new(),
            };
            self.lost = Some(lost);
        }
        Ok(self.lost.as_deref().unwrap_or_default())
    }

    /// These are there again, or nobody has them any more.
    pub(super) fn found(&mut self, range: RangeInclusive<Sequence>) {
        if let Some(lost) = &mut self.lost {
            lost.retain(|lost| !range.contains(lost));
        }
    }

    /// The row, to change it.
    pub(super) fn row_mut(&mut self) -> &mut EpochRow {
        self.dirty = true;
        &mut self.row
    }

    /// The earliest hour that changed.
    pub(super) fn first_changed_hour(&self) -> Option<Hour> {
        let changed = self.hours.iter().filter(|hour| hour.dirty);
        changed.map(|hour| hour.hour).min()
    }

    /// Writes what changed, and forgets what is no longer current.
    pub(super) fn flush(&mut self, tables: &mut EpochTables<'_>) -> Result<(), StoreError> {
        if std::mem::take(&mut self.dirty) {
            let key = epoch_key(self.probe, self.epoch);
            tables.epochs.insert(&key, &self.row.encode())?;
        }
        for hour in &mut self.hours {
            if std::mem::take(&mut hour.dirty) {
                let key = hour_key(self.probe, self.epoch, hour.hour);
                tables.hours.insert(&key, &hour.row.encode())?;
                let (all, slots) = tables.probe_hour(self.probe, hour.hour)?;
                let all = all.saturating_sub(hour.noted).saturating_add(hour.counted());
                let whole = hour.quota.map_or(0, |quota| quota.whole);
                let slots = if whole == u64::MAX {
                    slots
                } else {
                    slots.max(whole)
                };
                hour.noted = hour.counted();
                let key = probe_hour_key(self.probe, hour.hour);
                let row = [all.to_le_bytes(), slots.to_le_bytes()].concat();
                tables.probe_hours.insert(&key, &row)?;
            }
        }
        for plan in &mut self.plans {
            if std::mem::take(&mut plan.dirty) {
                let key = seen_key(self.probe, self.epoch, plan.plan.version);
                tables.seen.insert(&key, &plan.encode_seen())?;
            }
        }
        let surplus = self.hours.len().saturating_sub(HOURS_KEPT);
        self.hours.drain(..surplus);
        let surplus = self.plans.len().saturating_sub(PLANS_KEPT);
        self.plans.drain(..surplus);
        Ok(())
    }

    /// Whether something is not written yet.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty || self.hours.iter().any(|hour| hour.dirty) || self.plans.iter().any(|plan| plan.dirty)
    }

    /// Checks an adoption, and takes it over if it is new. Its plan must be in the store.
    pub(super) fn adopt(
        &mut self,
        tables: &EpochTables<'_>,
        store: &Store,
        adoption: &Adoption,
        window: Window,
    ) -> Result<(), NotStored> {
        let last = self.row.adoptions.last().copied();
        if !window.check_adoption(last.as_ref(), adoption)? {
            return Ok(());
        }
        if let Some(last) = last
            && let Some(place) = self.adopted(tables, store, last.version)?
        {
            let plan = &mut self.plans[place];
            if plan.last_seen().is_some_and(|slot| slot >= adoption.first_slot) {
                return Err(NotStored::Refused(RefuseReason::Adoption {
                    version: adoption.version,
                    first_slot: adoption.first_slot,
                }));
            }
            plan.span.until = plan.span.until.min(adoption.first_slot);
        }
        self.row_mut().adoptions.push(*adoption);
        for hour in &mut self.hours {
            hour.quota = None;
        }
        Ok(())
    }

    /// Where the adopted plan `version` is in memory; `None` if this epoch did not adopt it, or the store
    /// does not hold it.
    pub(super) fn adopted(
        &mut self,
        tables: &EpochTables<'_>,
        store: &Store,
        version: PlanVersion,
    ) -> Result<Option<usize>, StoreError> {
        let known = |plan: &AdoptedPlan| plan.plan.version == version;
        if let Some(place) = self.plans.iter().rposition(known) {
            return Ok(Some(place));
        }
        let adoptions = &self.row.adoptions;
        let Some(index) = adoptions.iter().rposition(|adoption| adoption.version == version) else {
            return Ok(None);
        };
        let Some(plan) = store.plan(self.probe, version)? else {
            return Ok(None);
        };
        let next = adoptions.get(index + 1).map(|next| next.first_slot);
        let mut adopted = AdoptedPlan::new(plan, adoptions[index].first_slot, next);
        let key = seen_key(self.probe, self.epoch, version);
        let seen = tables.seen.lookup_as(&key, |row| adopted.decode_seen(row))?;
        if seen == Lookup::Damaged {
            return Err(StoreError::Unsettled);
        }
        self.plans.push(adopted);
        Ok(Some(self.plans.len() - 1))
    }

    /// A plan in memory, to place rows in it.
    pub(super) fn plan_mut(&mut self, place: usize) -> &mut AdoptedPlan {
        self.plans[place].dirty = true;
        &mut self.plans[place]
    }

    /// The account of `hour`, to change it.
    pub(super) fn hour_mut(
        &mut self,
        tables: &EpochTables<'_>,
        hour: Hour,
    ) -> Result<&mut HourRow, StoreError> {
        let place = self.hour_place(tables, hour)?;
        self.hours[place].dirty = true;
        Ok(&mut self.hours[place].row)
    }

    fn hour_place(&mut self, tables: &EpochTables<'_>, hour: Hour) -> Result<usize, StoreError> {
        if let Some(place) = self.hours.iter().rposition(|known| known.hour == hour) {
            return Ok(place);
        }
        let key = hour_key(self.probe, self.epoch, hour);
        let row = match tables.hours.lookup_as(&key, HourRow::decode)? {
            Lookup::Is(row) => row,
            Lookup::Absent => HourRow::default(),
            Lookup::Damaged => return Err(StoreError::Unsettled),
        };
        let mut memory = HourMemory {
            hour,
            row,
            quota: None,
            noted: 0,
            dirty: false,
        };
        memory.noted = memory.counted();
        self.hours.push(memory);
        Ok(self.hours.len() - 1)
    }

    /// Checks the probe's counts against those before, and against what its plans can produce: in this epoch,
    /// and in all its epochs together. (What another epoch counted in this same transaction is not seen yet.)
    pub(super) fn check_counts(
        &mut self,
        tables: &EpochTables<'_>,
        store: &Store,
        told: &[HourCount],
        window: Window,
    ) -> Result<(), NotStored> {
        for count in told {
            if !window.holds_hour(count.hour) {
                let slot = count.hour.start();
                return Err(NotStored::Refused(window.out_of_range(slot)));
            }
            let place = self.hour_place(tables, count.hour)?;
            let quota = match self.hours[place].quota {
                Some(quota) => quota,
                None => self.quota(store, count.hour)?,
            };
            let known = &mut self.hours[place];
            known.quota = Some(quota);
            judge::check_counts(&known.row, count, quota.own.saturating_mul(2))?;
            let (all, slots) = tables.probe_hour(self.probe, count.hour)?;
            let others = all.saturating_sub(known.noted);
            let allowed = slots.max(quota.whole).saturating_mul(2);
            judge::check_quota(others, count, allowed)?;
        }
        Ok(())
    }

    /// What the plans of this epoch can produce in `hour`; a probe may send twice that.
    fn quota(&self, store: &Store, hour: Hour) -> Result<Quota, StoreError> {
        let (mut slots, mut whole) = (0_u64, 0_u64);
        for (index, adoption) in self.row.adoptions.iter().enumerate() {
            let next = self.row.adoptions.get(index + 1);
            let from = adoption.first_slot.max(hour.start());
            let until = next.map_or(hour.end(), |next| next.first_slot.min(hour.end()));
            if from >= until {
                continue;
            }
            match store.plan(self.probe, adoption.version)? {
                Some(plan) => {
                    slots = slots.saturating_add(plan.count_slots(from, until));
                    whole = whole.max(plan.count_slots(hour.start(), hour.end()));
                }
                None => return Ok(Quota::UNKNOWN),
            }
        }
        Ok(Quota { own: slots, whole })
    }

    /// Counts skipped ranges by cause and hour.
    pub(super) fn count_skipped(
        &mut self,
        tables: &EpochTables<'_>,
        place: usize,
        ranges: &[SkippedRange],
    ) -> Result<(), StoreError> {
        for range in ranges {
            let Some(check) = self.plans[place].checks.get(usize::from(range.check)) else {
                continue; // `place` refused it
            };
            let (interval, last) = (u64::from(check.interval_ms), check.last_slot(range));
            let mut slot = range.first_slot;
            while slot <= last {
                let hour = slot.hour();
                let end = UnixMillis(hour.end().0.min(last.0 + 1));
                let slots = (end.0 - slot.0).div_ceil(interval);
                self.hour_mut(tables, hour)?.skip(range.cause, slots);
                slot = UnixMillis(slot.0 + slots * interval);
            }
        }
        Ok(())
    }
}
