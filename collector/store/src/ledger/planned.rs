//! What was planned, counted again from the plans that each epoch adopted.

use std::collections::BTreeMap;
use std::sync::Arc;

use isochrone_proto::ids::{EpochId, ProbeId};
use isochrone_proto::plan::Plan;
use isochrone_proto::units::{Hour, UnixMillis};
use redb::ReadTransaction;

use super::{Row, rows_from};
use crate::found::Found;
use crate::tables::{ENDS, EPOCHS, HOURS, epoch_key, hour_key, parse_epoch_key, parse_hour_key};
use crate::{EpochRow, HourRow, Store, StoreError};

/// An epoch, with all that its rows are made of.
pub(super) struct EpochAccount {
    pub(super) probe: ProbeId,
    pub(super) probe_name: String,
    pub(super) epoch: EpochId,
    /// A later epoch has begun and the probe holds nothing more of this one: what is unexplained never ran.
    pub(super) over: bool,
    /// Its probe was revoked: nothing more of it is taken.
    pub(super) revoked: bool,
    pub(super) hours: BTreeMap<Hour, HourRow>,
    /// Earlier hours are counted no more.
    pub(super) kept_from: Hour,
    spans: Vec<PlanSpan>,
    /// A plan that it followed from there on is missing: what it planned cannot be counted again.
    missing_from: Option<UnixMillis>,
    pub(super) end: UnixMillis,
    pub(super) cut: UnixMillis,
}

/// From when to when an epoch followed a plan.
struct PlanSpan {
    plan: Arc<Plan>,
    from: UnixMillis,
    until: UnixMillis,
}

/// An epoch, as it is kept.
#[derive(Debug)]
pub(super) struct KnownEpoch {
    pub(super) id: EpochId,
    pub(super) row: EpochRow,
}

/// The accounts of every epoch, by probe and the order of its epochs, as of one instant: epochs and hours
/// are read in one transaction, so that a commit in between cannot look like an imbalance.
pub(super) fn accounts(store: &Store, now: UnixMillis) -> Result<Vec<EpochAccount>, StoreError> {
    store.read(|transaction| {
        let mut hours = read_hours(transaction, store.found())?;
        let ends = ENDS.read(transaction, store.found())?;
        let mut accounts = Vec::new();
        for (probe, mut epochs) in read_epochs(transaction, store.found())? {
            epochs.sort_by_key(|epoch| epoch.row.ordinal);
            let ended = ends.get(probe.0)?.map(|at| UnixMillis(at.number()));
            let now = ended.map_or(now, |at| at.min(now));
            for index in 0..epochs.len() {
                let epoch = &epochs[index];
                let later = epochs[index + 1..]
                    .iter()
                    .find_map(|later| later.row.first_slot());
                let mut account = EpochAccount::of(store, probe, (epoch, later), now)?;
                account.revoked = ended.is_some();
                account.hours = hours.remove(&(probe, epoch.id)).unwrap_or_default();
                accounts.push(account);
            }
        }
        Ok(accounts)
    })
}

/// An epoch, with the hours of its account that are kept.
pub(crate) struct Kept {
    pub(crate) epoch: EpochId,
    pub(crate) row: EpochRow,
    pub(crate) hours: Vec<Row>,
    /// No slot is planned of it from there on.
    pub(crate) last_planned: UnixMillis,
}

/// The epochs of a probe in their order, with their hours as they are when nothing more comes.
pub(crate) fn kept_of(
    store: &Store,
    transaction: &ReadTransaction,
    probe: ProbeId,
) -> Result<Vec<Kept>, StoreError> {
    let never = UnixMillis(u64::MAX);
    let table = EPOCHS.read(transaction, store.found())?;
    let (lowest, highest) = (
        epoch_key(probe, EpochId([0; 16])),
        epoch_key(probe, EpochId([0xff; 16])),
    );
    let mut epochs = Vec::new();
    for entry in table.range::<&[u8; 24]>(&lowest..=&highest)? {
        let (key, row) = entry?;
        let (_, id) = parse_epoch_key(key.value());
        let row = table.decode(key.value(), &row, EpochRow::decode);
        epochs.push(KnownEpoch {
            id,
            row: row.ok_or(StoreError::Unsettled)?,
        });
    }
    epochs.sort_by_key(|epoch| epoch.row.ordinal);
    let ends = ENDS.read(transaction, store.found())?;
    let ended = ends.get(probe.0)?.map(|at| UnixMillis(at.number()));
    let mut kept = Vec::with_capacity(epochs.len());
    for (index, epoch) in epochs.iter().enumerate() {
        let later = epochs[index + 1..]
            .iter()
            .find_map(|later| later.row.first_slot());
        let mut account = EpochAccount::of(store, probe, (epoch, later), ended.unwrap_or(never))?;
        account.revoked = ended.is_some();
        account.hours = read_hours_of(transaction, store.found(), (probe, epoch.id, Hour(0)))?;
        let last_planned = account.spans.iter().map(|span| span.until.min(account.end)).max();
        kept.push(Kept {
            epoch: epoch.id,
            row: epoch.row.clone(),
            hours: rows_from(&account, Hour(0)),
            last_planned: last_planned.unwrap_or(UnixMillis(0)),
        });
    }
    Ok(kept)
}

pub(super) type Epochs = BTreeMap<ProbeId, Vec<KnownEpoch>>;
type Hours = BTreeMap<(ProbeId, EpochId), BTreeMap<Hour, HourRow>>;

pub(super) fn read_epochs(transaction: &ReadTransaction, found: &Found) -> Result<Epochs, StoreError> {
    let mut probes = Epochs::new();
    let table = EPOCHS.read(transaction, found)?;
    for entry in table.iter()? {
        let (key, row) = entry?;
        let (probe, id) = parse_epoch_key(key.value());
        if let Some(row) = table.decode(key.value(), &row, EpochRow::decode) {
            probes.entry(probe).or_default().push(KnownEpoch { id, row });
        }
    }
    Ok(probes)
}

fn read_hours(transaction: &ReadTransaction, found: &Found) -> Result<Hours, StoreError> {
    let mut epochs = Hours::new();
    let table = HOURS.read(transaction, found)?;
    for entry in table.iter()? {
        let (key, row) = entry?;
        let (probe, epoch, hour) = parse_hour_key(key.value());
        if let Some(row) = table.decode(key.value(), &row, HourRow::decode) {
            epochs.entry((probe, epoch)).or_default().insert(hour, row);
        }
    }
    Ok(epochs)
}

/// The hours of an epoch, of `first` and later ones.
pub(super) fn read_hours_of(
    transaction: &ReadTransaction,
    found: &Found,
    (probe, epoch, first): (ProbeId, EpochId, Hour),
) -> Result<BTreeMap<Hour, HourRow>, StoreError> {
    let mut hours = BTreeMap::new();
    let table = HOURS.read(transaction, found)?;
    let (lowest, highest) = (
        hour_key(probe, epoch, first),
        hour_key(probe, epoch, Hour(u32::MAX)),
    );
    for entry in table.range::<&[u8; 28]>(&lowest..=&highest)? {
        let (key, row) = entry?;
        let (_, _, hour) = parse_hour_key(key.value());
        if let Some(row) = table.decode(key.value(), &row, HourRow::decode) {
            hours.insert(hour, row);
        }
    }
    Ok(hours)
}

impl EpochAccount {
    /// The account of an epoch and the first slot of the next one, as of `now`; without its hours.
    pub(super) fn of(
        store: &Store,
        probe: ProbeId,
        (epoch, later): (&KnownEpoch, Option<UnixMillis>),
        now: UnixMillis,
    ) -> Result<Self, StoreError> {
        let row = &epoch.row;
        let mut spans = Vec::with_capacity(row.adoptions.len());
        let mut missing_from = None;
        for (index, adoption) in row.adoptions.iter().enumerate() {
            let next = row.adoptions.get(index + 1);
            let Some(plan) = store.plan(probe, adoption.version)? else {
                missing_from = missing_from.or(Some(adoption.first_slot));
                continue;
            };
            spans.push(PlanSpan {
                from: adoption.first_slot,
                until: next.map_or(plan.expires, |next| next.first_slot.min(plan.expires)),
                plan,
            });
        }
        let probe_name = spans.last().map(|span| span.plan.probe_name.clone());
        Ok(Self {
            probe,
            probe_name: probe_name.unwrap_or_else(|| probe.to_string()),
            epoch: epoch.id,
            over: later.is_some() && row.is_drained(),
            revoked: false,
            hours: BTreeMap::new(),
            kept_from: row.kept_from,
            spans,
            missing_from,
            end: later.map_or(now, |later| later.min(now)).max(row.cut),
            cut: row.cut,
        })
    }

    /// Planned slots by hour, of `first` and later ones, until the epoch's end.
    pub(super) fn planned(&self, first: Hour) -> BTreeMap<Hour, u64> {
        let mut planned = BTreeMap::new();
        for span in &self.spans {
            let until = span.until.min(self.end);
            let mut from = span.from.max(first.start());
            while from < until {
                let hour = from.hour();
                let slots = span.plan.count_slots(from, until.min(hour.end()));
                if slots > 0 {
                    *planned.entry(hour).or_default() += slots;
                }
                from = hour.end();
            }
        }
        planned
    }

    /// Whether every plan is there that says what was planned in `hour`.
    pub(super) fn knows_plans_of(&self, hour: Hour) -> bool {
        self.missing_from.is_none_or(|from| hour.end() <= from)
    }

    /// Planned slots of `hour` before the cut.
    pub(super) fn planned_at_cut(&self, hour: Hour) -> u64 {
        let slots = |span: &PlanSpan| {
            let from = span.from.max(hour.start());
            let until = span.until.min(hour.end()).min(self.cut);
            span.plan.count_slots(from, until)
        };
        self.spans.iter().map(slots).sum()
    }
}
