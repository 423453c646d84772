//! Percentiles of every target, hour by hour: of the runs themselves, not of a histogram.

use std::collections::HashMap;
use std::ops::Range;
use std::thread;

use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::Kind;
use isochrone_proto::units::{Hour, Micros, UnixMillis};

use super::Runs;
use super::gather::{Columns, Gather, Place};
use super::said::Said;
use super::snapshot::threads;
use crate::{Store, StoreError, Stored};

/// One hour of a target in one kind of check, all probes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourOfTarget {
    /// The hour of the slots.
    pub hour: Hour,
    /// What was checked how.
    pub kind: Kind,
    /// The target.
    pub target: TargetId,
    /// Runs that ended, one way or another.
    pub runs: u64,
    /// Those that were answered.
    pub answered: u64,
    /// Those of them whose time counts: not where the probe itself was starved.
    pub timed: u64,
    /// The median time, 95th and 99th percentile by nearest rank: an echo's round trip, else the time to connect.
    /// `None`: no time counts.
    pub percentiles: Option<[Micros; 3]>,
}

const PERCENTS: [usize; 3] = [50, 95, 99];

impl Store {
    /// Gives every hour of every target in which a run was asked for to `each`, by hour, kind and target. The figures are
    /// exact: every time is looked at. Reads files on several threads: not for an async task, nor within a change.
    ///
    /// # Errors
    /// When the store failed. What was given by then is true.
    pub fn hourly(&self, asked: &Runs, mut each: impl FnMut(HourOfTarget)) -> Result<(), StoreError> {
        self.each_piece(asked, |snapshot, piece| {
            let mut hours = Vec::new();
            for part in piece.parts() {
                let gathered = snapshot.gather(&part, || Hours::new(&part.runs))?;
                hours.extend(figures(gathered));
            }
            hours.sort_unstable_by_key(|hour| (hour.hour, hour.kind, hour.target));
            hours.into_iter().for_each(&mut each);
            Ok(())
        })
    }
}

type Key = (Hour, Kind, TargetId);

/// The runs of an hour.
#[derive(Debug, Default)]
struct Times {
    runs: u64,
    answered: u64,
    us: Vec<i32>,
}

/// What one thread gathers.
struct Hours<'a> {
    asked: &'a Runs,
    kept: HashMap<Key, Times>,
    /// Of the file that is being read: key, runs, answers, and which of `us` are its times.
    taken: Vec<(Key, u64, u64, Range<usize>)>,
    us: Vec<i32>,
}

impl<'a> Hours<'a> {
    fn new(asked: &'a Runs) -> Self {
        Self {
            asked,
            kept: HashMap::new(),
            taken: Vec::new(),
            us: Vec::new(),
        }
    }

    /// Takes in runs of one hour, all of which were asked for.
    fn hour(&mut self, key: Key, columns: Columns<'_>) {
        let before = self.us.len();
        if columns.suspect.contains(&true) {
            let times = columns.rtt.iter().zip(columns.suspect);
            self.us
                .extend(times.filter(|(_, suspect)| !**suspect).map(|(us, _)| *us));
        } else {
            self.us.extend_from_slice(columns.rtt);
        }
        let (runs, answered) = (columns.slots.len() as u64, columns.rtt.len() as u64);
        self.taken.push((key, runs, answered, before..self.us.len()));
    }
}

impl Gather for Hours<'_> {
    const ASKS_WHY: bool = false;

    fn columns(&mut self, place: Place, mut columns: Columns<'_>) {
        while let Some(first) = columns.slots.first() {
            let hour = UnixMillis(*first).hour();
            let is_asked = self.asked.holds(UnixMillis(*first));
            let stretch = hour.start().0.max(self.asked.from.0)..hour.end().0.min(self.asked.until.0);
            let is_other = |slot: &u64| match is_asked {
                true => !stretch.contains(slot),
                false => self.asked.holds(UnixMillis(*slot)),
            };
            let rows = columns
                .slots
                .iter()
                .position(is_other)
                .unwrap_or(columns.slots.len());
            let (now, later) = columns.split(rows, columns.answers(rows));
            if is_asked {
                self.hour((hour, place.kind, place.target), now);
            }
            columns = later;
        }
    }

    fn run(&mut self, place: Place, slot: UnixMillis, said: Said) {
        let key = (slot.hour(), place.kind, place.target);
        let before = self.us.len();
        let is_answered = match said {
            Said::Answered { rtt, suspect } => {
                self.us.extend((!suspect).then_some(rtt.get().cast_signed()));
                true
            }
            Said::Failed(_) | Said::Unsent => false,
        };
        self.taken
            .push((key, 1, u64::from(is_answered), before..self.us.len()));
    }

    fn keep(&mut self) {
        for (key, runs, answered, us) in self.taken.drain(..) {
            let times = self.kept.entry(key).or_default();
            times.runs += runs;
            times.answered += answered;
            times.us.extend_from_slice(&self.us[us]);
        }
        self.us.clear();
    }

    fn forget(&mut self) {
        self.taken.clear();
        self.us.clear();
    }
}

/// The same hours, of runs that lie elsewhere than in the store.
#[derive(Debug)]
pub struct HourlyRuns {
    asked: Runs,
    kept: HashMap<Key, Times>,
}

impl HourlyRuns {
    /// None yet of those that are asked for.
    #[must_use]
    pub fn new(asked: Runs) -> Self {
        Self {
            asked,
            kept: HashMap::new(),
        }
    }

    /// Adds those runs of a batch that are asked for and whose slots lie in `slots`.
    pub fn add(&mut self, stored: &Stored, slots: Range<UnixMillis>) {
        if !self.asked.has_probe(stored.probe) {
            return;
        }
        for run in stored.batch.measurements() {
            let Some((check, target)) = stored.plan.target_of(run.check) else {
                continue;
            };
            let is_target = self.asked.target.is_none_or(|asked| asked == target.id);
            let is_asked = self.asked.holds(run.slot) && slots.contains(&run.slot);
            if !is_target || !is_asked || !self.asked.has_kind(check.kind) {
                continue;
            }
            let of = self.kept.entry((run.slot.hour(), check.kind, target.id));
            let times = of.or_default();
            times.runs += 1;
            if let Said::Answered { rtt, suspect } = Said::of(&run.outcome) {
                times.answered += 1;
                times.us.extend((!suspect).then_some(rtt.get().cast_signed()));
            }
        }
    }

    /// Every hour, by hour, kind and target.
    #[must_use]
    pub fn finish(self) -> Vec<HourOfTarget> {
        let mut kept: Vec<(Key, Times)> = self.kept.into_iter().collect();
        kept.sort_unstable_by_key(|(key, _)| *key);
        kept.iter_mut().map(figure).collect()
    }
}

/// Puts together what the threads gathered.
fn figures(gathered: Vec<Hours<'_>>) -> Vec<HourOfTarget> {
    let mut all: HashMap<Key, Times> = HashMap::new();
    for hours in gathered {
        if all.is_empty() {
            all = hours.kept;
            continue;
        }
        for (key, mut times) in hours.kept {
            let of = all.entry(key).or_default();
            of.runs += times.runs;
            of.answered += times.answered;
            of.us.append(&mut times.us);
        }
    }
    let mut all: Vec<(Key, Times)> = all.into_iter().collect();
    let share = all.len().div_ceil(threads()).max(1);
    thread::scope(|scope| {
        let shares = all.chunks_mut(share);
        let workers: Vec<_> = shares
            .map(|share| scope.spawn(|| share.iter_mut().map(figure).collect::<Vec<_>>()))
            .collect();
        let done = workers.into_iter().flat_map(|worker| match worker.join() {
            Ok(figures) => figures,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        done.collect()
    })
}

fn figure((key, times): &mut (Key, Times)) -> HourOfTarget {
    let (hour, kind, target) = *key;
    HourOfTarget {
        hour,
        kind,
        target,
        runs: times.runs,
        answered: times.answered,
        timed: times.us.len() as u64,
        percentiles: percentiles(&mut times.us),
    }
}

/// By nearest rank; puts the times into another order.
fn percentiles(us: &mut [i32]) -> Option<[Micros; 3]> {
    let count = us.len();
    let mut found = [Micros::default(); 3];
    let mut rest = us;
    for (percent, found) in PERCENTS.iter().zip(&mut found).rev() {
        let rank = (count * percent).div_ceil(100);
        let place = rank.max(1) - 1;
        if place >= rest.len() {
            return None; // there are no times
        }
        let us = *rest.select_nth_unstable(place).1;
        *found = u64::try_from(us).ok().and_then(Micros::new)?;
        rest = &mut rest[..=place];
    }
    Some(found)
}
