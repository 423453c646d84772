//! Batches on their way into segments: their measurements by kind, day and series, and a head of each.

use std::collections::HashMap;
use std::sync::Arc;

use isochrone_proto::ids::{Digest, PlanVersion, ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::measurement::Measurement;
use isochrone_proto::plan::Plan;

use super::day::Day;
use super::rollup::Pieces;
use super::series::BatchOf;
use super::sheet::{SeriesKey, Sheet};
use crate::heads::Head;

/// Everything that is gathered for one span.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) heads: Vec<Head>,
    /// What these say of skipped slots.
    pub(super) pieces: Pieces,
    pub(super) sheets: Vec<Sheet>,
    /// By the place that entries name.
    pub(super) batches: Vec<BatchOf>,
    sheet_of: HashMap<(Kind, Day), usize>,
    plans: HashMap<(ProbeId, PlanVersion), Vec<Option<CheckPlace>>>,
    pub(super) rows: u64,
}

/// What a check of a plan measures, and where its last row went.
#[derive(Debug)]
struct CheckPlace {
    kind: Kind,
    series: SeriesKey,
    last: Option<LastPlace>,
}

#[derive(Clone, Copy, Debug)]
struct LastPlace {
    day: Day,
    sheet: usize,
    series: u32,
}

impl Gathered {
    /// Takes in a batch of `runs` under `plan`; nothing of it, where the plan lacks one of their checks.
    pub(super) fn add(&mut self, mut head: Head, runs: impl Iterator<Item = Measurement>, plan: &Plan) {
        let before = self.rows;
        self.add_runs(&head, runs, plan);
        if self.rows - before < u64::from(head.rows) {
            self.forget();
            return;
        }
        self.pieces.skip(&head, plan);
        head.header.previous = Digest::ZERO;
        self.heads.push(head);
    }

    /// As [`Gathered::add`], without keeping the head.
    pub(super) fn add_runs(&mut self, head: &Head, runs: impl IntoIterator<Item = Measurement>, plan: &Plan) {
        let key = (head.probe, head.header.plan);
        let mut places = self.plans.remove(&key).unwrap_or_else(|| places_of(plan));
        let batch = self.batches.len() as u32; // fewer than there are runs
        self.batches.push(BatchOf {
            commit: head.commit,
            epoch: head.header.epoch,
        });
        runs.into_iter().for_each(|run| {
            if let Some(Some(place)) = places.get_mut(usize::from(run.check)) {
                self.put(place, batch, run);
            }
        });
        self.plans.insert(key, places);
    }

    /// Takes the measurements of the last batch out again.
    fn forget(&mut self) {
        self.batches.pop();
        let last = self.batches.len() as u32;
        self.rows -= self
            .sheets
            .iter_mut()
            .map(|sheet| sheet.forget(last))
            .sum::<u64>();
        self.sheets.retain(|sheet| sheet.rows() > 0);
        self.sheet_of = self
            .sheets
            .iter()
            .map(|sheet| (sheet.kind, sheet.day))
            .zip(0..)
            .collect();
        self.plans.clear(); // they remember places
    }

    fn put(&mut self, place: &mut CheckPlace, batch: u32, run: Measurement) {
        let day = Day::of(run.slot);
        let at = match place.last {
            Some(last) if last.day == day => last,
            _ => {
                let sheet = self.sheet(place.kind, day);
                let series = self.sheets[sheet].series(&place.series);
                *place.last.insert(LastPlace { day, sheet, series })
            }
        };
        self.sheets[at.sheet].push(at.series, batch, run);
        self.rows += 1;
    }

    fn sheet(&mut self, kind: Kind, day: Day) -> usize {
        *self.sheet_of.entry((kind, day)).or_insert_with(|| {
            self.sheets.push(Sheet::new(kind, day));
            self.sheets.len() - 1
        })
    }
}

/// By check.
fn places_of(plan: &Plan) -> Vec<Option<CheckPlace>> {
    let probe: Arc<str> = plan.probe_name.as_str().into();
    let targets: Vec<(TargetId, Arc<str>)> = plan
        .targets
        .iter()
        .map(|target| (target.id, target.name.as_str().into()))
        .collect();
    let places = plan.checks.iter().map(|check| {
        let (id, name) = targets.get(usize::from(check.target))?;
        Some(CheckPlace {
            kind: check.kind,
            series: (plan.probe, Arc::clone(&probe), *id, Arc::clone(name)),
            last: None,
        })
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::fixture::*;

    fn head(commit: u64, rows: &[Measurement]) -> Head {
        Head {
            commit,
            probe: ADA,
            received: cut_of(commit),
            rows: rows.len() as u16,
            slots: (START, cut_of(commit)),
            header: header(EPOCH, commit, Digest::ZERO),
        }
    }

    #[test]
    fn batch_with_a_check_that_its_plan_lacks_leaves_nothing() {
        let plan = plan(1);
        let (mut gathered, whole) = (Gathered::default(), measurements(1, 0));
        gathered.add(head(1, &whole), whole.clone().into_iter(), &plan);
        let odd = [
            status(cut_of(1).0, false),
            echo(0, cut_of(1).0, 5),
            echo(9, cut_of(1).0, 5),
        ];
        gathered.add(head(2, &odd), odd.clone().into_iter(), &plan);
        let next = measurements(3, 0);
        gathered.add(head(3, &next), next.clone().into_iter(), &plan);
        let commits: Vec<u64> = gathered.heads.iter().map(|head| head.commit).collect();
        assert_eq!((commits, gathered.rows), (vec![1, 3], 2 * ROWS));
        let entries: Vec<_> = gathered.sheets.iter().flat_map(|sheet| &sheet.entries).collect();
        assert_eq!(entries.len() as u64, 2 * ROWS);
        let commits = entries
            .iter()
            .map(|entry| gathered.batches[entry.batch as usize].commit);
        assert!(commits.clone().all(|commit| commit != 2));
        assert_eq!(commits.filter(|commit| *commit == 3).count() as u64, ROWS);
    }
}
