//! Adds up the runs of whole series while they are sealed: they are sorted by slot, so an hour is one stretch of them.

use isochrone_coverage::histogram::Counter;
use isochrone_proto::kind::{Check, Kind};
use isochrone_proto::measurement::{CacheState, EchoOutcome, Outcome};

use super::fold::way;
use super::sums::Added;
use super::{Loss, Period, Rollup, Sums, Timing};
use crate::segment::series::{Entry, Series};
use crate::segment::sheet::Sheet;

/// Adds up series after series.
#[derive(Debug, Default)]
pub(in crate::segment) struct Roller {
    counters: [Counter; Timing::ALL.len()],
    ways: Vec<(CacheState, bool)>,
}

impl Roller {
    /// Gives the hours of a sorted sheet to `each`.
    pub(in crate::segment) fn roll(&mut self, sheet: &Sheet, each: &mut dyn FnMut(Rollup)) {
        for series in &sheet.series {
            self.roll_series(sheet.kind, (series, &sheet.entries[series.rows.clone()]), each);
        }
    }

    fn roll_series(&mut self, kind: Kind, (series, runs): (&Series, &[Entry]), each: &mut dyn FnMut(Rollup)) {
        let hour = |entry: &Entry| entry.run.slot.hour();
        for runs in runs.chunk_by(|one, next| hour(one) == hour(next)) {
            self.find_ways(runs);
            for place in 0..self.ways.len() {
                let (cache, suspect) = self.ways[place];
                each(Rollup {
                    probe: series.probe,
                    probe_name: series.probe_name.clone(),
                    target: series.target,
                    target_name: series.target_name.clone(),
                    kind,
                    start: Period::Hour.start(runs[0].run.slot),
                    cache,
                    suspect,
                    sums: self.sum(kind.check, (cache, suspect), runs),
                });
            }
        }
    }

    /// In which ways these runs were answered.
    fn find_ways(&mut self, runs: &[Entry]) {
        self.ways.clear();
        let mut last = None;
        for run in runs {
            let way = way(&run.run.outcome);
            if last != Some(way) && !self.ways.contains(&way) {
                self.ways.push(way);
            }
            last = Some(way);
        }
    }

    /// The sums of the runs that were answered in one way.
    fn sum(&mut self, check: Check, of: (CacheState, bool), runs: &[Entry]) -> Sums {
        let mut sums = Sums::default();
        let is_only = self.ways.len() == 1;
        for Entry { run, .. } in runs {
            if !is_only && way(&run.outcome) != of {
                continue;
            }
            sums.run += 1;
            if let Outcome::Echo(EchoOutcome::Replied { rtt, .. }) = &run.outcome {
                sums.ok += 1;
                self.counters[Timing::Rtt as usize].record(rtt.get());
                continue;
            }
            match Added::of(check, &run.outcome) {
                Added::Ok(times) => {
                    sums.ok += 1;
                    let measured = self.counters.iter_mut().zip(times).filter(|(_, us)| *us > 0);
                    measured.for_each(|(counter, us)| counter.record(us));
                }
                Added::Lost(loss) => count(&mut sums, loss),
            }
        }
        for (times, counter) in sums.times.iter_mut().zip(&mut self.counters) {
            *times = counter.take();
        }
        sums
    }
}

fn count(sums: &mut Sums, loss: Loss) {
    *sums.losses.entry(loss).or_default() += 1;
}
