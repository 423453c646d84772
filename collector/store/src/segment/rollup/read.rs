//! Reading rollups: whatever is stored, each measurement once.
//!
//! What is sealed is in files of rollups, but for days whose rollups do not count; these, and what is still in the log, are
//! added up from the measurements. All of it is read in one transaction, which decides of each measurement where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use redb::{ReadOnlyTable, ReadTransaction};

use super::file::{self, Asked};
use super::fold::{Fold, last_slot};
use super::{Key, Period, Rollup, RollupRange};
use crate::found::Found;
use crate::heads::Head;
use crate::segment::catalogue::Segment;
use crate::segment::checked::Look;
use crate::segment::day::Day;
use crate::segment::gaps;
use crate::segment::marks;
use crate::segment::sealed::{bytes_of, note};
use crate::segment::{SealedLog, Segments};
use crate::tables::SEGMENTS;
use crate::{Store, StoreError};

/// What is sealed, to a reader.
pub(super) type ReadSealed<'t> = SealedLog<'t, ReadOnlyTable<u64, &'static [u8]>>;
/// So often it is read anew where files are damaged: days, the hours that stand for them, and the measurements.
const TRIES: u32 = 3;

/// Which keys are wanted.
type Wants<'w> = &'w dyn Fn(&Key) -> bool;

impl Store {
    /// Gives the rollups in `range` to `each`, by day, kind, probe, target and period, until it breaks. Each stored
    /// measurement counts in exactly one: what is sealed as well as what is still in the log, as of one instant. What is
    /// damaged is passed over, and named in [`Store::damage`]; rollups that are damaged are made again from the measurements
    /// where these are there.
    ///
    /// # Errors
    /// When the store failed.
    pub fn rolled(
        &self,
        range: &RollupRange,
        each: impl FnMut(Rollup) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.rolled_after(range, None, each)
    }

    /// As [`Store::rolled`], behind what was given before.
    pub(crate) fn rolled_after(
        &self,
        range: &RollupRange,
        after: Option<Key>,
        mut each: impl FnMut(Rollup) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let begun = after.map_or(range.from, |key| key.day.start().max(range.from));
        let range = &RollupRange {
            from: begun,
            ..range.clone()
        };
        let mut given = after; // where something was put right, it begins again behind what was given
        let mut tries = 0;
        self.read(|transaction| {
            let mut parts = self.parts(transaction, range)?;
            tries += 1;
            let is_strict = tries <= TRIES;
            let mut is_broken = false;
            for day in parts.days() {
                let mut of_day = parts.rest.take_until(day);
                let mut in_order: Vec<Rollup> = Vec::new(); // before all that has to be put together
                for segment in parts.segments.remove(&day).unwrap_or_default() {
                    let asked = Asked {
                        wants: &|key| range.holds(&range.period.key(*key)), // hours may stand for a day
                        timings: range.timings.as_deref(),
                    };
                    let rollups = rollups_of(&self.0.segments, self.found(), &segment, (Look::Once, &asked))?;
                    is_broken |= rollups.is_none() && is_strict && !self.found().is_stuck();
                    let rollups = rollups.unwrap_or_default();
                    let is_finest = segment.tier == range.period.tier();
                    if is_finest && of_day.len() == 0 && follow(&in_order, &rollups) {
                        in_order.extend(rollups);
                    } else {
                        let all = in_order.drain(..).chain(rollups);
                        all.for_each(|rollup| of_day.merge_finer(rollup));
                    }
                }
                if is_broken {
                    continue; // what else is damaged is found at once
                }
                for rollup in in_order.into_iter().chain(of_day.into_rollups()) {
                    let key = rollup.key();
                    if given.is_some_and(|given| key <= given) {
                        continue;
                    }
                    given = Some(key);
                    if each(rollup).is_break() {
                        return Ok(());
                    }
                }
            }
            match is_broken {
                true => Err(StoreError::Unsettled), // it is read from the measurements then, or days from hours
                false => Ok(()),
            }
        })
    }

    /// Where everything in `range` is.
    fn parts(&self, transaction: &ReadTransaction, range: &RollupRange) -> Result<Parts, StoreError> {
        let marks = marks::read(transaction, self.found())?;
        let catalogue = self.0.segments.known.read(transaction, self.found())?;
        let all = &catalogue.segments;
        let counts = |segment: &&Segment| {
            range.wants(segment.kind) && range.touches(segment.day) && !marks.contains_key(&segment.day)
        };
        let mut of_files: BTreeMap<Day, Vec<Segment>> = BTreeMap::new();
        for segment in all.iter().filter(counts) {
            let is_wanted = segment.tier == range.period.tier()
                && segment.slots.1 >= range.from
                && segment.slots.0 < range.until;
            if is_wanted {
                of_files.entry(segment.day).or_default().push(segment.clone());
            }
        }
        if range.period == Period::Day {
            for gap in gaps::find(all.iter().filter(counts)) {
                let of_day = of_files.entry(gap.hours[0].day).or_default();
                of_day.retain(|segment| !gap.days.contains(segment));
                of_day.extend(gap.hours);
            }
        }
        if self.found().is_waiting_in(SEGMENTS.name) && !self.found().is_stuck() {
            return Err(StoreError::Unsettled);
        }
        for segments in of_files.values_mut() {
            // the newest names last
            segments.sort_by_key(|segment| (segment.kind, segment.span.last, segment.number));
        }
        let days: BTreeSet<Day> = marks.into_keys().filter(|day| range.touches(*day)).collect();
        let mut rest = Fold::new(range.period);
        if !days.is_empty() {
            let sealed = SealedLog::read(transaction, self.found(), &self.0.segments)?;
            self.fold_days(&sealed, &days, &mut rest, &|key| range.holds(key))?;
        }
        self.fold_log(transaction, &mut rest, &|key| range.holds(key))?;
        Ok(Parts {
            segments: of_files,
            rest,
        })
    }

    /// Adds up the sealed measurements of whole days. Returns whether all plans were there: what was measured under one
    /// that is missing is withheld until it is back.
    pub(super) fn fold_days(
        &self,
        sealed: &ReadSealed<'_>,
        days: &BTreeSet<Day>,
        fold: &mut Fold,
        wants: Wants<'_>,
    ) -> Result<bool, StoreError> {
        let mut is_whole = true;
        let wants = |key: &Key| days.contains(&key.day) && wants(key);
        sealed.walk(0, &|head| self.touches(head, days), &mut |head, runs| {
            let version = head.header.plan;
            let Some(plan) = self.plan(head.probe, version)? else {
                self.note_missing_plan(head.probe, version);
                is_whole = false;
                return Ok(ControlFlow::Continue(()));
            };
            for run in &runs {
                fold.add(&plan, run, &wants);
            }
            for skipped in &head.header.skipped {
                fold.skip(&plan, skipped, &wants);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(is_whole)
    }

    /// Whether a batch may hold, or tell of, slots of these days.
    fn touches(&self, head: &Head, days: &BTreeSet<Day>) -> bool {
        let holds = |first, last| days.range(Day::of(first)..=Day::of(last)).next().is_some();
        if head.rows > 0 && holds(head.slots.0, head.slots.1) {
            return true;
        }
        if head.header.skipped.is_empty() {
            return false;
        }
        match self.plan(head.probe, head.header.plan) {
            Ok(Some(plan)) => {
                let mut skipped = head.header.skipped.iter();
                skipped.any(|range| holds(range.first_slot, last_slot(&plan, range)))
            }
            Ok(None) | Err(_) => true, // whoever reads it finds out
        }
    }
}

/// The rollups of a segment that are wanted; `None`: it is not what was written, and that is noted.
pub(super) fn rollups_of(
    segments: &Segments,
    found: &Found,
    segment: &Segment,
    (look, asked): (Look, &Asked<'_>),
) -> Result<Option<Vec<Rollup>>, StoreError> {
    let Some(bytes) = bytes_of(segments, found, segment, look)? else {
        return Ok(None);
    };
    let mut rollups = Vec::new();
    match file::read(bytes, segment.kind, asked, &mut |rollup| rollups.push(rollup)) {
        Ok(()) => Ok(Some(rollups)),
        Err(error) => {
            note(found, segment, error.to_string());
            Ok(None)
        }
    }
}

/// Whether `next` lie in order behind `before`, each once: then nothing has to be put together.
fn follow(before: &[Rollup], next: &[Rollup]) -> bool {
    let last = before.last().into_iter();
    last.chain(next)
        .is_sorted_by(|one, other| one.key() < other.key())
}

/// Where the rollups of a range are.
struct Parts {
    /// In files, by day.
    segments: BTreeMap<Day, Vec<Segment>>,
    /// In none: added up from measurements.
    rest: Fold,
}

impl Parts {
    fn days(&self) -> BTreeSet<Day> {
        let mut days = self.rest.days();
        days.extend(self.segments.keys());
        days
    }
}

impl RollupRange {
    fn touches(&self, day: Day) -> bool {
        Day(day.0.saturating_add(1)).start() > self.from && day.start() < self.until
    }
}
