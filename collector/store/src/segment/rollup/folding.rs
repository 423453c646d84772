//! Fewer files of rollups: pieces of a day become one, and a marked day gets its rollups anew. Both replace files as a
//! whole, in one transaction. What they are made of is checked whole before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use isochrone_proto::kind::Kind;
use isochrone_proto::units::{Hour, UnixMillis};

use super::file::Asked;
use super::fold::Fold;
use super::pieces::{Pieces, write_piece};
use super::read::{ReadSealed, rollups_of};
use super::{Period, Rollup};
use crate::numbers::read_number;
use crate::segment::SealedLog;
use crate::segment::catalogue::{Segment, Span};
use crate::segment::checked::Look;
use crate::segment::day::{Day, OVER};
use crate::segment::files::{Compacted, replace};
use crate::segment::gaps;
use crate::segment::marks::{self, unmark};
use crate::segment::writer::Files;
use crate::tables::{META_SEGMENT, SEGMENTS};
use crate::tier::Tier;
use crate::{Store, StoreError};

/// Pieces of a day that is over are put together once those beside the largest hold so large a part of its rows, …
const PART: u64 = 8;
/// … or once there are so many. Before its day is over so many of one generation become one of the next: each rollup is
/// written again a few times then, however many spans a day has.
const PIECES: usize = 8;

/// Each rollup of a file, which is checked whole.
const EVERY: (Look, &Asked<'_>) = (Look::Whole, &Asked::EVERY);

impl Store {
    /// Makes one file of the pieces of one kind's rollups of a day, or days of hours where these are lost and
    /// the measurements are gone; `None`: there are too few. Reads and writes
    /// files: not for an async task.
    ///
    /// # Errors
    /// When the store failed. Nothing has changed then.
    pub fn fold_rollups(&self, now: UnixMillis) -> Result<Option<Compacted>, StoreError> {
        let _alone = self.alone()?;
        let today = Day::of(now.minus(OVER));
        let Some(Foldable {
            of,
            from,
            old,
            rollups,
            last,
        }) = self.find_pieces(today)?
        else {
            return Ok(None);
        };
        let files = self.files_of(&[from, old.clone()].concat(), last);
        let written = self.write_files(&files, |written| write_piece(&files, of, &rollups, written))?;
        self.swap(&old, &written, now, None)?;
        Ok(Some(Compacted {
            replaced: old.len() as u64,
            files: written.len() as u64,
            measurements: written.iter().map(|segment| segment.measurements).sum(),
        }))
    }

    /// Makes the rollups of one marked day anew, from its measurements; `None`: no day is marked. Reads and writes files:
    /// not for an async task.
    ///
    /// # Errors
    /// When the store failed. Nothing has changed then.
    pub fn roll_up_again(&self, now: UnixMillis) -> Result<Option<Compacted>, StoreError> {
        let _alone = self.alone()?;
        let Some(Marked {
            mark,
            old,
            hours,
            last,
        }) = self.find_marked(Day::of(now))?
        else {
            return Ok(None);
        };
        let files = self.files_of(&old, last);
        let written = self.write_files(&files, |written| Pieces::of(hours).write(&files, written))?;
        let old: Vec<Segment> = old.into_iter().filter(|old| old.tier != Tier::Raw).collect();
        self.swap(&old, &written, now, Some(mark))?;
        let of_hours = written.iter().filter(|segment| segment.tier == Tier::Hour);
        Ok(Some(Compacted {
            replaced: old.len() as u64,
            files: written.len() as u64,
            measurements: of_hours.map(|segment| segment.measurements).sum(),
        }))
    }

    fn files_of(&self, old: &[Segment], last: u64) -> Files<'_> {
        Files {
            folder: &*self.0.segments.folder,
            span: Span {
                first: old.iter().map(|old| old.span.first).min().unwrap_or(0),
                last: old.iter().map(|old| old.span.last).max().unwrap_or(0),
            },
            generation: 1 + old.iter().map(|old| old.generation).max().unwrap_or(0),
            last,
        }
    }

    /// The first pieces that are to become one, and what they add up to.
    fn find_pieces(&self, today: Day) -> Result<Option<Foldable>, StoreError> {
        self.read(|transaction| {
            let marks = marks::read(transaction, self.found())?;
            let last = read_number(transaction, self.found(), META_SEGMENT)?;
            let catalogue = self.0.segments.known.read(transaction, self.found())?;
            let counts = |segment: &&Segment| segment.tier != Tier::Raw && !marks.contains_key(&segment.day);
            let all = || catalogue.segments.iter().filter(counts);
            for gap in gaps::find(all()) {
                if let Some(rollups) = self.folded(Period::Day, &gap.hours)? {
                    return Ok(Some(Foldable {
                        of: (Period::Day, gap.hours[0].kind, gap.hours[0].day),
                        from: gap.hours,
                        old: gap.days,
                        rollups,
                        last,
                    }));
                }
            }
            let mut pieces: BTreeMap<(Period, Kind, Day), Vec<Segment>> = BTreeMap::new();
            for segment in all() {
                let period = match segment.tier {
                    Tier::Raw | Tier::Hour => Period::Hour,
                    Tier::Day => Period::Day,
                };
                pieces
                    .entry((period, segment.kind, segment.day))
                    .or_default()
                    .push(segment.clone());
            }
            for (of, pieces) in pieces {
                let old = match of.2 < today {
                    true => Some(pieces).filter(|pieces| are_many(pieces)),
                    false => of_one_generation(pieces),
                };
                let Some(old) = old else { continue };
                if let Some(rollups) = self.folded(of.0, &old)? {
                    return Ok(Some(Foldable {
                        of,
                        from: Vec::new(),
                        old,
                        rollups,
                        last,
                    }));
                }
            }
            Ok(None)
        })
    }

    /// What pieces add up to; `None`: one of them is not what was written, and is set aside when this is over.
    fn folded(&self, period: Period, pieces: &[Segment]) -> Result<Option<Vec<Rollup>>, StoreError> {
        let mut pieces: Vec<&Segment> = pieces.iter().collect();
        pieces.sort_by_key(|segment| (segment.span.last, segment.number)); // the newest names last
        let mut fold = Fold::new(period);
        for segment in pieces {
            let Some(rollups) = rollups_of(&self.0.segments, self.found(), segment, EVERY)? else {
                return Ok(None);
            };
            rollups.into_iter().for_each(|rollup| fold.merge_finer(rollup));
        }
        Ok(Some(fold.into_rollups().collect()))
    }

    /// The first marked day that can be made again, with its mark, its segments, and what its measurements add up to by
    /// hours.
    fn find_marked(&self, today: Day) -> Result<Option<Marked>, StoreError> {
        self.read(|transaction| {
            let marks = marks::read(transaction, self.found())?;
            let last = read_number(transaction, self.found(), META_SEGMENT)?;
            let mut in_vain = self.in_vain(today);
            for (day, number) in marks {
                let mark = (day, number);
                if in_vain.marks.contains(&mark) {
                    continue;
                }
                let sealed = SealedLog::read(transaction, self.found(), &self.0.segments)?.checked_whole();
                let mut hours = Fold::new(Period::Hour);
                if !self.fold_days(&sealed, &BTreeSet::from([day]), &mut hours, &|_| true)? {
                    in_vain.marks.insert(mark);
                    continue;
                }
                if self.found().is_waiting_in(SEGMENTS.name) {
                    return Err(StoreError::Unsettled); // a file is damaged: it begins again without it
                }
                let catalogue = self.0.segments.known.read(transaction, self.found())?;
                let of_day = catalogue.segments.iter().filter(|segment| segment.day == day);
                let old: Vec<Segment> = of_day.cloned().collect();
                self.keep_hours(&sealed, &old, &mut hours)?;
                return Ok(Some(Marked {
                    mark,
                    old,
                    hours,
                    last,
                }));
            }
            Ok(None)
        })
    }

    /// Hours of which measurements are gone keep what they added up to: that knows more.
    fn keep_hours(
        &self,
        sealed: &ReadSealed<'_>,
        old: &[Segment],
        hours: &mut Fold,
    ) -> Result<(), StoreError> {
        let kinds: BTreeSet<Kind> = old.iter().map(|segment| segment.kind).collect();
        for kind in kinds {
            let of = |tier| {
                let of_kind = move |segment: &&Segment| (segment.tier, segment.kind) == (tier, kind);
                old.iter().filter(of_kind)
            };
            let count = |tier| of(tier).map(|segment| segment.measurements).sum::<u64>();
            if count(Tier::Raw) >= count(Tier::Hour) {
                continue;
            }
            let mut rows: BTreeMap<Hour, u64> = BTreeMap::new(); // those of lost heads as well: they are not gone
            for segment in of(Tier::Raw) {
                sealed.each_slot(segment, &mut |_, slot| *rows.entry(slot.hour()).or_default() += 1)?;
            }
            let mut known = Fold::new(Period::Hour);
            for segment in of(Tier::Hour) {
                let rollups = rollups_of(&self.0.segments, self.found(), segment, EVERY)?;
                let rollups = rollups.ok_or(StoreError::Unsettled)?;
                rollups.into_iter().for_each(|rollup| known.merge(rollup));
            }
            let mut run: BTreeMap<Hour, u64> = BTreeMap::new();
            for rollup in known.rollups() {
                *run.entry(rollup.start.hour()).or_default() += rollup.sums.run;
            }
            run.retain(|hour, run| rows.get(hour).is_none_or(|rows| rows < run));
            hours.retain(|rollup| rollup.kind != kind || !run.contains_key(&rollup.start.hour()));
            known.retain(|rollup| run.contains_key(&rollup.start.hour()));
            known.into_rollups().for_each(|rollup| hours.merge(rollup));
        }
        Ok(())
    }

    /// Puts the new files into the place of the old ones, and takes a mark away.
    fn swap(
        &self,
        old: &[Segment],
        written: &[Segment],
        now: UnixMillis,
        mark: Option<(Day, u64)>,
    ) -> Result<(), StoreError> {
        let segments = &self.0.segments;
        self.enter_written(written, |transaction| {
            replace(transaction, self.found(), (old, now))?;
            match mark {
                Some(mark) => unmark(transaction, self.found(), mark),
                None => Ok(()),
            }
        })?;
        let total = |all: &[Segment]| all.iter().map(|segment| segment.bytes).sum::<u64>();
        segments.bytes.fetch_add(total(written), Ordering::Relaxed);
        segments.bytes.fetch_sub(total(old), Ordering::Relaxed);
        segments.note_replaced(old.iter().map(|old| old.number));
        Ok(())
    }
}

/// Pieces that are to become one.
struct Foldable {
    of: (Period, Kind, Day),
    /// What is read beside the old ones, and stays.
    from: Vec<Segment>,
    old: Vec<Segment>,
    rollups: Vec<Rollup>,
    /// The number of the last segment.
    last: u64,
}

/// A day whose rollups are to be made again.
struct Marked {
    mark: (Day, u64),
    /// All its segments.
    old: Vec<Segment>,
    hours: Fold,
    /// The number of the last segment.
    last: u64,
}

/// The youngest pieces of one generation, once they are enough to become one of the next.
fn of_one_generation(pieces: Vec<Segment>) -> Option<Vec<Segment>> {
    let mut generations: BTreeMap<u64, Vec<Segment>> = BTreeMap::new();
    for piece in pieces {
        generations
            .entry(piece.generation.into())
            .or_default()
            .push(piece);
    }
    generations.into_values().find(|alike| alike.len() >= PIECES)
}

fn are_many(pieces: &[Segment]) -> bool {
    let rows = || pieces.iter().map(|piece| piece.rows);
    let largest = rows().max().unwrap_or(0);
    let others = rows().sum::<u64>() - largest;
    pieces.len() >= PIECES || pieces.len() > 1 && others * PART >= largest
}
