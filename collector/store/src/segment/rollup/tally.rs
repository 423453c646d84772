//! Whether files of rollups add up to the measurements that they stand for: for whoever counts everything again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;
use redb::ReadTransaction;

use super::file::Asked;
use super::read::rollups_of;
use crate::segment::catalogue::Segment;
use crate::segment::checked::Look;
use crate::segment::day::Day;
use crate::segment::marks;
use crate::tables::SEGMENTS;
use crate::{Store, StoreError, Tier};

/// Of one kind and day.
type Place = (Kind, Day);
/// Runs by who measured what.
type Runs = BTreeMap<(ProbeId, TargetId), u64>;

/// What sealed measurements come to, by kind, day, probe and target.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The files of rollups, but of days whose rollups do not count.
    files: BTreeMap<(Tier, Place), Vec<Segment>>,
    /// Rollups of these days may know of measurements that are kept no longer.
    cut: BTreeSet<Day>,
    /// And so may those of days up to this.
    cut_until: Option<Day>,
    /// A file of measurements is lost: rollups may know more.
    is_damaged: bool,
    measured: HashMap<Place, Runs>,
    /// Of these a plan is missing.
    unknown: BTreeSet<ProbeId>,
}

impl Tally {
    /// Nothing counted yet.
    pub(crate) fn read(store: &Store, transaction: &ReadTransaction) -> Result<Self, StoreError> {
        let found = store.found();
        let marks = marks::read(transaction, found)?;
        let mut tally = Self::default();
        for segment in &store.0.segments.known.read(transaction, found)?.segments {
            if segment.tier != Tier::Raw && !marks.contains_key(&segment.day) {
                let place = (segment.tier, (segment.kind, segment.day));
                tally.files.entry(place).or_default().push(segment.clone());
            }
        }
        Ok(tally)
    }

    /// Retention removed measurements of the day of that instant.
    pub(crate) fn lacks(&mut self, at: UnixMillis) {
        self.cut.insert(Day::of(at));
    }

    /// Retention may have removed measurements of the days until that instant.
    pub(crate) fn lacks_until(&mut self, until: UnixMillis) {
        let last = Day::of(UnixMillis(until.0.saturating_sub(1)));
        self.cut_until = self.cut_until.max(Some(last));
    }

    /// How many files are to be read.
    pub(crate) fn files(&self) -> u64 {
        self.files.values().map(|files| files.len() as u64).sum()
    }

    /// Takes in a sealed measurement.
    pub(crate) fn add(&mut self, kind: Kind, (probe, target): (ProbeId, TargetId), slot: UnixMillis) {
        let runs = self.measured.entry((kind, Day::of(slot))).or_default();
        *runs.entry((probe, target)).or_default() += 1;
    }

    /// What a probe measured is not known as long as its plan is missing.
    pub(crate) fn lacks_plan(&mut self, probe: ProbeId) {
        self.unknown.insert(probe);
    }

    /// Reads every file of rollups, and gives a sentence for each sum that is not what was measured. A damaged file is
    /// noted, and so set aside and named. `progress` gets how many files were read.
    pub(crate) fn compare(
        mut self,
        store: &Store,
        find: &mut dyn FnMut(String),
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), StoreError> {
        self.is_damaged = store
            .damage()?
            .set_aside
            .iter()
            .any(|row| row.table == SEGMENTS.name);
        let mut done = 0;
        for ((_, place), files) in &self.files {
            let mut summed = Some(Runs::new());
            for file in files {
                done += 1;
                progress(done);
                let rollups = rollups_of(
                    &store.0.segments,
                    store.found(),
                    file,
                    (Look::Once, &Asked::EVERY),
                )?;
                let Some((rollups, runs)) = rollups.zip(summed.as_mut()) else {
                    summed = None;
                    continue;
                };
                for rollup in rollups {
                    *runs.entry((rollup.probe, rollup.target)).or_default() += rollup.sums.run;
                }
            }
            if let Some(summed) = summed {
                self.compare_day(*place, files, &summed, find);
            }
        }
        Ok(())
    }

    fn compare_day(&self, place: Place, files: &[Segment], summed: &Runs, find: &mut dyn FnMut(String)) {
        let none = Runs::new();
        let measured = self.measured.get(&place).unwrap_or(&none);
        let is_cut = self.cut.contains(&place.1) || self.cut_until.is_some_and(|last| place.1 <= last);
        let may_know_more = self.is_damaged || is_cut;
        let (kind, day) = place;
        let names = files.iter().map(Segment::name).collect::<Vec<_>>().join(", ");
        let pairs: BTreeSet<_> = summed.keys().chain(measured.keys()).copied().collect();
        for pair in pairs
            .into_iter()
            .filter(|(probe, _)| !self.unknown.contains(probe))
        {
            let of = |runs: &Runs| runs.get(&pair).copied().unwrap_or(0);
            let (sum, there) = (of(summed), of(measured));
            if sum == there || sum > there && may_know_more {
                continue;
            }
            let (probe, target) = pair;
            find(format!(
                "{names}: the sums hold {sum} measurements {kind} of target {target} by probe {probe} on {day}, the \
                 segments {there}"
            ));
        }
    }
}
