//! The runs of one target, by who made them: what a chart of it shows.

use std::collections::BTreeMap;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::units::{Micros, UnixMillis};

use super::Runs;
use super::gather::{Columns, Gather, Place};
use super::said::Said;
use crate::segment::End;
use crate::{Store, StoreError};

/// Runs of one kind by one probe against one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Who measured.
    pub probe: ProbeId,
    /// The target.
    pub target: TargetId,
    /// What was checked how.
    pub kind: Kind,
    /// The runs, by slot.
    pub points: Vec<Point>,
}

/// One run, without what only few ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// When it was planned, by the probe's clock.
    pub slot: UnixMillis,
    /// How it ended.
    pub said: Said,
}

impl Store {
    /// Gives the runs that were asked for to `each`, by target, kind and probe. A long window comes in several pieces, the
    /// oldest first. Reads files on several threads: not for an async task, nor within a change.
    ///
    /// # Errors
    /// When the store failed. What was given by then is true.
    pub fn series(&self, asked: &Runs, mut each: impl FnMut(Series)) -> Result<(), StoreError> {
        self.each_piece(asked, |snapshot, piece| {
            for part in piece.parts() {
                let gathered = snapshot.gather(&part, || Lines::new(&part.runs))?;
                together(gathered).for_each(&mut each);
            }
            Ok(())
        })
    }
}

type Key = (TargetId, Kind, ProbeId);

/// What one thread gathers.
struct Lines<'a> {
    asked: &'a Runs,
    kept: BTreeMap<Key, Vec<Point>>,
    /// Of the file that is being read.
    taken: Vec<(Key, usize)>,
    points: Vec<Point>,
}

impl<'a> Lines<'a> {
    fn new(asked: &'a Runs) -> Self {
        Self {
            asked,
            kept: BTreeMap::new(),
            taken: Vec::new(),
            points: Vec::new(),
        }
    }
}

fn key_of(place: Place) -> Key {
    (place.target, place.kind, place.probe)
}

impl Gather for Lines<'_> {
    const ASKS_WHY: bool = true;

    fn columns(&mut self, place: Place, columns: Columns<'_>) {
        let before = self.points.len();
        let mut times = columns.rtt.iter().zip(0..);
        let ends = columns.ends.iter().zip(columns.answered);
        for (slot, (end, answered)) in columns.slots.iter().zip(ends) {
            let time = (*answered == 1).then(|| times.next()).flatten();
            let said = match (end, time) {
                (End::Failed(cause), _) => Said::Failed(*cause),
                (End::Unsent, _) => Said::Unsent,
                (End::Answered, time) => {
                    let time = time.and_then(|(us, place)| Some((u64::try_from(*us).ok()?, place)));
                    let time = time.and_then(|(us, place)| Some((Micros::new(us)?, place)));
                    let Some((rtt, place)) = time else { continue }; // not what is ever written
                    let suspect = columns.suspect.get::<usize>(place).copied().unwrap_or(false);
                    Said::Answered { rtt, suspect }
                }
            };
            let slot = UnixMillis(*slot);
            if self.asked.holds(slot) {
                self.points.push(Point { slot, said });
            }
        }
        if self.points.len() > before {
            self.taken.push((key_of(place), self.points.len() - before));
        }
    }

    fn run(&mut self, place: Place, slot: UnixMillis, said: Said) {
        self.points.push(Point { slot, said });
        self.taken.push((key_of(place), 1));
    }

    fn keep(&mut self) {
        let mut points = self.points.drain(..);
        for (key, many) in self.taken.drain(..) {
            let line = self.kept.entry(key).or_default();
            line.extend(points.by_ref().take(many));
        }
    }

    fn forget(&mut self) {
        self.taken.clear();
        self.points.clear();
    }
}

/// Puts together what the threads gathered.
fn together(gathered: Vec<Lines<'_>>) -> impl Iterator<Item = Series> {
    let mut all: BTreeMap<Key, Vec<Point>> = BTreeMap::new();
    for (key, mut points) in gathered.into_iter().flat_map(|lines| lines.kept) {
        all.entry(key).or_default().append(&mut points);
    }
    all.into_iter().map(|((target, kind, probe), mut points)| {
        points.sort_by_key(|point| point.slot); // mostly stretches that are in order
        Series {
            probe,
            target,
            kind,
            points,
        }
    })
}
