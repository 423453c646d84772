//! From when on each tier is whole: what retention removed of it lies before. Kept, for what is left does not say it: rows
//! that come late are as old as those that are gone.

use isochrone_proto::units::UnixMillis;
use redb::WriteTransaction;

use crate::found::Found;
use crate::ledger::RemovedHours;
use crate::numbers::{Numbers, read_number};
use crate::segment::{Segment, segments_in};
use crate::tables::{
    HOURS, META_DAYS_FROM, META_HOURS_FROM, META_RAW_FROM, REMOVED, SEGMENTS, parse_hour_key,
};
use crate::{HourRow, Store, StoreError, Tier};

impl Store {
    /// From when on retention removed nothing of a tier: before it something may be left. 0: it never removed any.
    ///
    /// # Errors
    /// When the store failed.
    pub fn whole_from(&self, tier: Tier) -> Result<UnixMillis, StoreError> {
        self.read(|transaction| read_number(transaction, self.found(), name_of(tier)).map(UnixMillis))
    }
}

const fn name_of(tier: Tier) -> &'static str {
    match tier {
        Tier::Raw => META_RAW_FROM,
        Tier::Hour => META_HOURS_FROM,
        Tier::Day => META_DAYS_FROM,
    }
}

/// Notes that retention removes these segments.
pub(crate) fn advance(
    transaction: &WriteTransaction,
    found: &Found,
    removed: &[Segment],
) -> Result<(), StoreError> {
    let mut numbers = Numbers::open(transaction, found)?;
    for segment in removed {
        let (name, after) = (name_of(segment.tier), segment.slots.1.0 + 1);
        if numbers.get(name)? < after {
            numbers.set(name, after)?;
        }
    }
    Ok(())
}

/// Finds it for a store that does not say it.
pub(crate) fn find(transaction: &WriteTransaction, found: &Found) -> Result<(), StoreError> {
    for tier in Tier::ALL {
        let from = found_again(transaction, found, name_of(tier))?;
        if from > 0 {
            Numbers::open(transaction, found)?.set(name_of(tier), from)?;
        }
    }
    Ok(())
}

/// The number of that name, by what the account says of removed measurements, and by which sums are left. At least as
/// late as it was, but for days: before these there is nothing.
pub(crate) fn found_again(
    transaction: &WriteTransaction,
    found: &Found,
    name: &str,
) -> Result<u64, StoreError> {
    match name {
        META_RAW_FROM => raw_from(transaction, found),
        META_HOURS_FROM => hours_from(transaction, found),
        _ => Ok(0),
    }
}

fn raw_from(transaction: &WriteTransaction, found: &Found) -> Result<u64, StoreError> {
    let mut from = UnixMillis(0);
    let hours = HOURS.open(transaction, found)?;
    for row in hours.iter()? {
        let (key, row) = row?;
        let (_, _, hour) = parse_hour_key(key.value());
        let row = hours.decode(key.value(), &row, HourRow::decode);
        if row.is_some_and(|row| row.removed > 0) {
            from = from.max(hour.next().start());
        }
    }
    let lines = REMOVED.open(transaction, found)?;
    for row in lines.iter()? {
        let (probe, row) = row?;
        let line = lines.decode(probe.value(), &row, RemovedHours::decode);
        if let Some(line) = line.filter(|line| line.totals.removed > 0) {
            from = from.max(line.hours.1.start());
        }
    }
    Ok(from.0)
}

/// Hours go before days: where a day has no hours any more, they are gone.
fn hours_from(transaction: &WriteTransaction, found: &Found) -> Result<u64, StoreError> {
    let segments = segments_in(&SEGMENTS.open(transaction, found)?)?;
    let of = |tier| segments.iter().filter(move |segment| segment.tier == tier);
    let first_hours = of(Tier::Hour).map(|segment| segment.day.start()).min();
    let days = || of(Tier::Day).map(|segment| segment.day.start());
    let without = |day: &UnixMillis| first_hours.is_none_or(|first| *day < first);
    let gone = days().filter(without).max();
    Ok(gone.map_or(0, |day| day.0 + crate::segment::DAY_MS))
}
