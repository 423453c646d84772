//! Fewer files of rollups: pieces of a day become one, and a marked day gets its rollups anew. Both replace files as a
//! whole, in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;

use super::fold::Fold;
use super::pieces::{Pieces, write_piece};
use super::read::rollups_of;
use super::{Period, Rollup};
use crate::numbers::read_number;
use crate::segment::catalogue::{Segment, Span, segments};
use crate::segment::day::{Day, OVER};
use crate::segment::files::{Compacted, replace};
use crate::segment::gaps;
use crate::segment::marks::{self, unmark};
use crate::segment::writer::{Files, discard, enter};
use crate::tables::META_SEGMENT;
use crate::tier::Tier;
use crate::{Store, StoreError};

/// Pieces are put together once those beside the largest hold so large a part of its rows, …
const PART: u64 = 8;
/// … or once there are so many.
const PIECES: usize = 8;

impl Store {
    /// Makes one file of the pieces of one kind's rollups of a day that is over, or days of hours where these are lost and
    /// the measurements are gone; `None`: there are none. Reads and writes
    /// files: not for an async task.
    ///
    /// # Errors
    /// When the store failed. Nothing has changed then.
    pub fn fold_rollups(&self, now: UnixMillis) -> Result<Option<Compacted>, StoreError> {
        let segments = &self.0.segments;
        let _alone = segments.sealing.lock().unwrap_or_else(PoisonError::into_inner);
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
        let written = files.write_all(|written| write_piece(&files, of, &rollups, written))?;
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
        let segments = &self.0.segments;
        let _alone = segments.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Marked {
            mark,
            old,
            hours,
            last,
        }) = self.find_marked()?
        else {
            return Ok(None);
        };
        let files = self.files_of(&old, last);
        let written = files.write_all(|written| Pieces::of(hours).write(&files, written))?;
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
            let mut all = segments(transaction, self.found())?;
            all.retain(|segment| segment.tier != Tier::Raw && !marks.contains_key(&segment.day));
            for gap in gaps::find(&all) {
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
            for segment in all.into_iter().filter(|segment| segment.day < today) {
                let period = match segment.tier {
                    Tier::Raw | Tier::Hour => Period::Hour,
                    Tier::Day => Period::Day,
                };
                pieces
                    .entry((period, segment.kind, segment.day))
                    .or_default()
                    .push(segment);
            }
            for (of, old) in pieces.into_iter().filter(|(_, old)| are_many(old)) {
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
            let Some(rollups) = rollups_of(&self.0.segments, self.found(), segment, &|_| true)? else {
                return Ok(None);
            };
            rollups.into_iter().for_each(|rollup| fold.merge_finer(rollup));
        }
        Ok(Some(fold.into_rollups().collect()))
    }

    /// The first marked day that can be made again, with its mark, its segments, and what its measurements add up to by
    /// hours.
    fn find_marked(&self) -> Result<Option<Marked>, StoreError> {
        self.read(|transaction| {
            let marks = marks::read(transaction, self.found())?;
            let last = read_number(transaction, self.found(), META_SEGMENT)?;
            for (day, number) in marks {
                let mut hours = Fold::new(Period::Hour);
                if !self.fold_days(transaction, &BTreeSet::from([day]), &mut hours, &|_| true)? {
                    continue;
                }
                let mut old = segments(transaction, self.found())?;
                old.retain(|segment| segment.day == day);
                let mark = (day, number);
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

    /// Puts the new files into the place of the old ones, and takes a mark away.
    fn swap(
        &self,
        old: &[Segment],
        written: &[Segment],
        now: UnixMillis,
        mark: Option<(Day, u64)>,
    ) -> Result<(), StoreError> {
        let segments = &self.0.segments;
        let swapped = self.write_tables(|transaction| {
            replace(transaction, self.found(), (old, now))?;
            enter(transaction, self.found(), written)?;
            match mark {
                Some(mark) => unmark(transaction, self.found(), mark),
                None => Ok(()),
            }
        });
        if let Err(error) = swapped {
            discard(&*segments.folder, written);
            return Err(error);
        }
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

fn are_many(pieces: &[Segment]) -> bool {
    let rows = || pieces.iter().map(|piece| piece.rows);
    let largest = rows().max().unwrap_or(0);
    let others = rows().sum::<u64>() - largest;
    pieces.len() >= PIECES || pieces.len() > 1 && others * PART >= largest
}
