//! From when on measurements and hours are whole, found again where the store does not say it (`segment/whole.rs`): in an older
//! format, or where both copies of the number are lost.

use isochrone_proto::units::UnixMillis;
use redb::WriteTransaction;

use crate::found::Found;
use crate::ledger::RemovedHours;
use crate::numbers::Numbers;
use crate::segment::{DAY_MS, segments_in};
use crate::tables::{HOURS, META_HOURS_FROM, META_RAW_FROM, REMOVED, SEGMENTS, parse_hour_key};
use crate::{HourRow, StoreError, Tier};

/// Finds it by what the account says of removed measurements, and by which sums are left: at least as late as it was.
/// Before the oldest day there is nothing.
pub(crate) fn find(transaction: &WriteTransaction, found: &Found) -> Result<(), StoreError> {
    for (name, find) in [(META_RAW_FROM, raw_from as Find), (META_HOURS_FROM, hours_from)] {
        if Numbers::open(transaction, found)?.get(name)? > 0 {
            continue;
        }
        let from = find(transaction, found)?;
        if from > 0 {
            Numbers::open(transaction, found)?.set(name, from)?;
        }
    }
    Ok(())
}

type Find = fn(&WriteTransaction, &Found) -> Result<u64, StoreError>;

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
    Ok(gone.map_or(0, |day| day.0 + DAY_MS))
}
