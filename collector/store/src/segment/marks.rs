//! Days whose rollups do not count: they are to be made again from the measurements. Damage marks a day, and so does the
//! first start with a store that has no rollups yet. Readers add such a day up by themselves.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::catalogue::{Segment, Span, segments_in};
use super::day::Day;
use super::gaps;
use crate::StoreError;
use crate::found::Found;
use crate::rows::Rows;
use crate::tables::{HOURS, SEGMENTS, UNROLLED, parse_hour_key};
use crate::tier::Tier;

/// The marked days, each with the number of its mark: another one is another mark.
pub(super) type Marks = BTreeMap<Day, u64>;

pub(super) fn read(transaction: &ReadTransaction, found: &Found) -> Result<Marks, StoreError> {
    let marks = read_in(&UNROLLED.read(transaction, found)?)?;
    match found.is_waiting_in(UNROLLED.name) {
        true => Err(StoreError::Unsettled),
        false => Ok(marks),
    }
}

fn read_in<T: ReadableTable<u32, &'static [u8]>>(table: &Rows<'_, u32, T>) -> Result<Marks, StoreError> {
    let rows = table.iter()?.map(|row| {
        let (day, number) = row?;
        Ok((Day(day.value()), number.number()))
    });
    rows.collect()
}

fn mark(
    transaction: &WriteTransaction,
    found: &Found,
    days: impl IntoIterator<Item = Day>,
) -> Result<(), StoreError> {
    let mut table = UNROLLED.open(transaction, found)?;
    for day in days {
        let before = table.get(day.0)?.map_or(0, |row| row.number());
        table.insert_number(day.0, before + 1)?;
    }
    Ok(())
}

/// Takes a mark away, unless the day was marked again.
pub(super) fn unmark(
    transaction: &WriteTransaction,
    found: &Found,
    (day, number): (Day, u64),
) -> Result<(), StoreError> {
    let mut table = UNROLLED.open(transaction, found)?;
    let is_same = table.get(day.0)?.is_some_and(|row| row.number() == number);
    if !is_same {
        return Err(StoreError::Unsettled);
    }
    table.remove(day.0).map(drop)
}

/// Marks every day of a store that has no rollups yet.
pub(crate) fn mark_all(transaction: &WriteTransaction, found: &Found) -> Result<(), StoreError> {
    let segments = segments_in(&SEGMENTS.open(transaction, found)?)?;
    let mut days: BTreeSet<Day> = segments.iter().map(|segment| segment.day).collect();
    if !days.is_empty() {
        for row in HOURS.open(transaction, found)?.iter()? {
            let (_, _, hour) = parse_hour_key(row?.0.value());
            days.insert(Day::of(hour.start())); // slots may have been skipped all day
        }
    }
    mark(transaction, found, days)
}

/// What damage took of what rollups hang on.
#[derive(Debug, Default)]
pub(crate) struct Broken {
    /// Days of which a file of rollups is lost.
    pub(crate) days: BTreeSet<u32>,
    /// Segments are lost of which nobody knows what they held.
    pub(crate) any: bool,
    /// Commits whose batches are lost, and may come again.
    pub(crate) commits: Vec<u64>,
}

/// Marks the days whose rollups count what was lost, or lack what is there. A day that the measurements do not hold as a
/// whole any more keeps its rollups: they know more. But where they count a batch that may come again, they do not.
pub(crate) fn mark_broken(
    transaction: &WriteTransaction,
    found: &Found,
    broken: &Broken,
) -> Result<(), StoreError> {
    if broken.days.is_empty() && !broken.any && broken.commits.is_empty() {
        return Ok(());
    }
    let segments = segments_in(&SEGMENTS.open(transaction, found)?)?;
    let holds_lost = |span: Span| broken.commits.iter().any(|commit| span.holds(*commit));
    let mut days = BTreeSet::new();
    for (day, counts) in count_days(&segments) {
        let is_whole = counts.raw > 0 && counts.raw >= counts.hours && counts.raw >= counts.days;
        let of_day = || segments.iter().filter(|segment| segment.day == day);
        let may_come_again = of_day().any(|segment| segment.tier == Tier::Raw && holds_lost(segment.span));
        let is_touched = broken.any
            || broken.days.contains(&day.0)
            || of_day().any(|segment| segment.tier != Tier::Raw && holds_lost(segment.span));
        if may_come_again || is_touched && is_whole {
            days.insert(day);
        }
    }
    mark(transaction, found, days)
}

/// Whether nothing is there to make the rollups of a damaged file again from.
pub(crate) fn are_lost(
    transaction: &WriteTransaction,
    found: &Found,
    rollups: &Segment,
) -> Result<bool, StoreError> {
    if UNROLLED.open(transaction, found)?.get(rollups.day.0)?.is_some() {
        return Ok(false); // from the measurements
    }
    let segments = segments_in(&SEGMENTS.open(transaction, found)?)?;
    let of_it = |segment: &&Segment| segment.day == rollups.day && segment.kind == rollups.kind;
    let is_gap = !gaps::find(segments.iter().filter(of_it)).is_empty();
    Ok(rollups.tier != Tier::Day || !is_gap)
}

/// Measurements of a day, by tier.
#[derive(Default)]
struct Counts {
    raw: u64,
    hours: u64,
    days: u64,
}

fn count_days(segments: &[Segment]) -> BTreeMap<Day, Counts> {
    let mut days: BTreeMap<Day, Counts> = BTreeMap::new();
    for segment in segments {
        let counts = days.entry(segment.day).or_default();
        let count = match segment.tier {
            Tier::Raw => &mut counts.raw,
            Tier::Hour => &mut counts.hours,
            Tier::Day => &mut counts.days,
        };
        *count += segment.measurements;
    }
    days
}
