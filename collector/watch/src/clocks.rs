//! How far the probes' clocks are off, now and at every instant of the past: rows stand at slots of their probe's clock,
//! outages on the collector's.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_proto::batch::BatchHeader;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::ledger::Event;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Records, ScanRange, Store, StoreError, Transaction};
use serde::{Deserialize, Serialize};

use crate::spans::Span;

const TABLE: &str = "clock_offsets";
/// A measurement that differs by less from the offset in use changes nothing: it trembles with the network, and the
/// bounds of outages must not.
const TREMBLE_MS: u64 = 500;
/// Beyond this a clock was set: what its rows said before is dated wrong.
const SET_MS: u64 = 1_000;
/// Changes of one probe's clock that are remembered. Beyond, those that differ least become one: a clock that drifts
/// makes many, and all of them small.
const KEPT: usize = 256;
/// A batch whose cut is so near to its arrival is no backlog's.
const FRESH_MS: u64 = 60_000;
/// A clock that was set is known to be after at most so long.
const NOTICED_MS: u64 = 10_000;
/// A run that is still ahead when its row is here by more than this is dated by a clock that is wrong.
const AHEAD_MS: u64 = 5_000;

/// A probe's clock minus the collector's, from an instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Offset {
    since: UnixMillis,
    ms: i64,
}

impl Offset {
    fn local(&self, at: UnixMillis) -> UnixMillis {
        UnixMillis(at.0.saturating_add_signed(-self.ms))
    }
}

/// What a measurement changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The clock was set, and no mere drift is noted: what its rows said before is dated wrong.
    pub(crate) is_set: bool,
}

/// The offset of every probe, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Clocks {
    offsets: BTreeMap<ProbeId, Vec<Offset>>,
    /// Probes whose newest offset is not stored.
    unsaved: BTreeSet<ProbeId>,
}

/// How far one probe's clock was off, at every instant.
#[derive(Clone, Copy, Debug)]
pub struct Clock<'a>(&'a [Offset]);

impl Clocks {
    /// As they were measured.
    ///
    /// # Errors
    /// When the store failed.
    pub fn read(store: &Store) -> Result<Self, StoreError> {
        let kept = records(store).list()?;
        let offsets = kept.into_iter();
        Ok(Self {
            offsets: offsets
                .filter_map(|(probe, offsets)| Some((probe.parse().ok()?, offsets)))
                .collect(),
            unsaved: BTreeSet::new(),
        })
    }

    /// Takes in a measurement. What it changed, if anything.
    pub(crate) fn measured(&mut self, probe: ProbeId, ms: i64, now: UnixMillis) -> Option<Change> {
        let known = self.offsets.get(&probe).and_then(|offsets| offsets.last());
        let in_use = known.map_or(0, |offset| offset.ms);
        let apart = ms.abs_diff(in_use);
        if known.is_some() && apart <= TREMBLE_MS {
            return None;
        }
        let ms = if apart > TREMBLE_MS { ms } else { in_use };
        self.note(probe, Offset { since: now, ms });
        Some(Change {
            is_set: apart > SET_MS,
        })
    }

    /// What a batch says of its probe's clock: that it was set, and that it is at least as far ahead as it says to be
    /// done with what is still to come here. What that changed, if anything.
    pub(crate) fn noted(
        &mut self,
        probe: ProbeId,
        header: &BatchHeader,
        received: UnixMillis,
    ) -> Option<Change> {
        let in_use = self.in_use(probe);
        let apart = apart_ms(header.cut, received);
        let steps = header.events.iter().filter_map(|event| match event {
            Event::ClockStep { step_ms } => Some(*step_ms),
            _ => None,
        });
        let stepped = steps.fold(in_use, i64::saturating_add);
        // a batch is on its way for a moment; a step that a backlog brings is over long ago, and one that a ping showed
        // already is known
        let is_set = apart.abs_diff(stepped) < FRESH_MS.min(apart.abs_diff(in_use));
        let known = if is_set { stepped } else { in_use };
        let ahead = apart > known.saturating_add(TREMBLE_MS as i64);
        let found = if ahead { apart } else { known };
        (found != in_use)
            .then(|| self.measured(probe, found, received))
            .flatten()
    }

    /// The collector's own clock was set by so much, and shows `now`.
    pub(crate) fn collector_stepped(&mut self, by_ms: i64, now: UnixMillis) {
        let newest = self.offsets.iter().filter_map(|(probe, offsets)| {
            let ms = offsets.last()?.ms.saturating_sub(by_ms);
            Some((*probe, Offset { since: now, ms }))
        });
        for (probe, offset) in newest.collect::<Vec<_>>() {
            self.note(probe, offset);
        }
    }

    fn note(&mut self, probe: ProbeId, offset: Offset) {
        let offsets = self.offsets.entry(probe).or_default();
        offsets.push(offset);
        if offsets.len() > KEPT {
            let apart = |place: &usize| offsets[*place].ms.abs_diff(offsets[*place - 1].ms);
            let alike = (1..offsets.len() - 1).min_by_key(apart);
            alike.map(|place| offsets.remove(place));
        }
        self.unsaved.insert(probe);
    }

    fn in_use(&self, probe: ProbeId) -> i64 {
        let newest = self.offsets.get(&probe).and_then(|offsets| offsets.last());
        newest.map_or(0, |offset| offset.ms)
    }

    /// When a slot of a probe was, by the collector's clock: by the offset of that time, and never after its row was
    /// here. `None`: its clock was set, and by how much is not known yet. This one rule dates what is live, what is judged
    /// again, and what is reported.
    #[must_use]
    pub fn date(&self, probe: ProbeId, slot: UnixMillis, received: UnixMillis) -> Option<UnixMillis> {
        self.of(probe).date(slot, received)
    }

    /// One probe's clock, to date all rows of a batch by.
    #[must_use]
    pub fn of(&self, probe: ProbeId) -> Clock<'_> {
        Clock(self.offsets.get(&probe).map_or(&[][..], Vec::as_slice))
    }

    /// The slots, by the probes' own clocks, that may lie between two instants of the collector's.
    #[must_use]
    pub fn slots(&self, from: UnixMillis, until: UnixMillis) -> ScanRange {
        let all = || self.offsets.values().flatten().map(|offset| offset.ms);
        let (behind, ahead) = (all().min().unwrap_or(0).min(0), all().max().unwrap_or(0).max(0));
        let from = UnixMillis(from.0.saturating_add_signed(behind));
        ScanRange::slots(from, UnixMillis(until.0.saturating_add_signed(ahead)))
    }

    /// Probes whose clocks were off at some time of a window, by more than measurements tremble.
    #[must_use]
    pub fn off(&self, (from, until): Span) -> Vec<ProbeId> {
        let is_off = |offsets: &Vec<Offset>| {
            let ends = offsets
                .iter()
                .skip(1)
                .map(|next| next.since)
                .chain([UnixMillis(u64::MAX)]);
            let mut in_use = offsets.iter().zip(ends);
            in_use.any(|(offset, end)| {
                let is_first = offset.since == offsets[0].since; // it holds for the time before, too
                let touches = (is_first || offset.since < until) && end.0.saturating_add(NOTICED_MS) > from.0;
                touches && offset.ms.unsigned_abs() > TREMBLE_MS
            })
        };
        let off = self.offsets.iter().filter(|(_, offsets)| is_off(offsets));
        off.map(|(probe, _)| *probe).collect()
    }

    pub(crate) fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    pub(crate) fn put_in(&self, store: &Store, transaction: &Transaction) -> Result<(), StoreError> {
        let records = records(store);
        for probe in &self.unsaved {
            if let Some(offsets) = self.offsets.get(probe) {
                records.put_in(transaction, &probe.to_string(), offsets)?;
            }
        }
        Ok(())
    }

    pub(crate) fn saved(&mut self) {
        self.unsaved.clear();
    }
}

impl Clock<'_> {
    /// See [`Clocks::date`].
    #[must_use]
    pub fn date(&self, slot: UnixMillis, received: UnixMillis) -> Option<UnixMillis> {
        let is_here = |at: &UnixMillis| at.0 <= received.0.saturating_add(AHEAD_MS);
        let Self(offsets) = self;
        let in_use = offsets
            .iter()
            .rev()
            .map(|offset| (offset.since, offset.local(slot)));
        let mut of_its_time = in_use.filter(|(since, at)| since.0 <= at.0.saturating_add(NOTICED_MS));
        let found = of_its_time.find(|(_, at)| is_here(at)).map(|(_, at)| at);
        let first = offsets.first().map_or(slot, |offset| offset.local(slot));
        let found = found.or(Some(first).filter(is_here));
        found.or_else(|| {
            let mut any = offsets.iter().rev().map(|offset| offset.local(slot));
            any.find(is_here)
        })
    }
}

fn records(store: &Store) -> Records<Vec<Offset>> {
    Records::new(store.clone(), TABLE)
}

/// How far a cut is ahead of when it came, in milliseconds: what its probe's clock is ahead at least.
fn apart_ms(cut: UnixMillis, received: UnixMillis) -> i64 {
    i64::try_from(i128::from(cut.0) - i128::from(received.0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use isochrone_base::fixture;
    use isochrone_base::roster::Roster;
    use isochrone_store::StoreOptions;

    use super::*;

    const ADA: ProbeId = ProbeId(7);

    fn at(second: u64) -> UnixMillis {
        UnixMillis(1_000_000 + second * 1_000)
    }

    const DRIFTS: Option<Change> = Some(Change { is_set: false });
    const SET: Option<Change> = Some(Change { is_set: true });

    /// A slot whose row was here a second later, by the collector's clock.
    fn date(clocks: &Clocks, slot: UnixMillis, was: UnixMillis) -> Option<UnixMillis> {
        clocks.date(ADA, slot, UnixMillis(was.0 + 1_000))
    }

    #[test]
    fn trembling_measurements_change_nothing() {
        let mut clocks = Clocks::default();
        assert_eq!(clocks.measured(ADA, 3, at(0)), DRIFTS, "the first is noted");
        for ms in [-400, 20, 500, -1] {
            assert_eq!(clocks.measured(ADA, ms, at(1)), None);
        }
        assert_eq!(date(&clocks, at(2), at(2)), Some(at(2)));
        assert_eq!(clocks.measured(ADA, 501, at(3)), DRIFTS);
        assert_eq!(clocks.measured(ADA, 700, at(4)), None);
    }

    #[test]
    fn instant_of_the_past_is_read_by_the_clock_as_it_was_then() {
        let mut clocks = Clocks::default();
        clocks.measured(ADA, 45_000, at(100));
        clocks.measured(ADA, 0, at(200));
        assert_eq!(
            date(&clocks, at(95), at(50)),
            Some(at(50)),
            "before it was ever measured"
        );
        assert_eq!(date(&clocks, at(195), at(150)), Some(at(150)));
        assert_eq!(
            date(&clocks, at(242), at(197)),
            Some(at(197)),
            "a moment before it was set"
        );
        assert_eq!(date(&clocks, at(250), at(250)), Some(at(250)));
        assert_eq!(clocks.date(ProbeId(8), at(95), at(96)), Some(at(95)));
    }

    #[test]
    fn slot_that_no_clock_explains_has_no_date_and_none_is_after_its_row_was_here() {
        let mut clocks = Clocks::default();
        assert_eq!(clocks.date(ADA, at(300), at(290)), None);
        assert_eq!(
            clocks.date(ADA, at(300), at(295)),
            Some(at(300)),
            "a moment is nothing"
        );
        clocks.measured(ADA, 240_000, at(250));
        assert_eq!(clocks.date(ADA, at(300), at(62)), Some(at(60)));
        clocks.measured(ADA, 0, at(400));
        assert_eq!(
            clocks.date(ADA, at(645), at(406)),
            Some(at(405)),
            "of the epoch before"
        );
    }

    #[test]
    fn slots_of_a_stretch_are_read_as_far_as_any_clock_was_off() {
        let mut clocks = Clocks::default();
        clocks.measured(ADA, -3_600_000, at(5_000));
        clocks.measured(ProbeId(8), 45_000, at(5_000));
        clocks.measured(ADA, 0, at(6_000));
        let range = clocks.slots(at(4_000), at(5_000));
        assert_eq!((range.from, range.until), (at(400), at(5_045)));
        let range = Clocks::default().slots(at(1), at(2));
        assert_eq!((range.from, range.until), (at(1), at(2)));
    }

    /// 200 ppm for a month, and one step in it.
    #[test]
    fn drift_of_a_month_forgets_no_step() {
        let mut clocks = Clocks::default();
        let mut ms = 0;
        for change in 0..1_200 {
            ms += if change == 300 { 45_000 } else { 501 };
            clocks.measured(ADA, ms, at(change * 2_500));
        }
        assert_eq!(clocks.offsets[&ADA].len(), KEPT);
        for change in [0, 299, 300, 301, 1_199] {
            let slot_ms = if change < 300 {
                change * 501
            } else {
                change * 501 + 44_499
            } + 501;
            let was = at(change * 2_500 + 60);
            let dated = date(&clocks, UnixMillis(was.0 + slot_ms), was).unwrap();
            assert!(dated.0.abs_diff(was.0) <= 501 * 6, "{change}: {dated:?} {was:?}");
        }
    }

    fn header(cut: UnixMillis, step_ms: Option<i64>) -> BatchHeader {
        let plan = fixture::plan(&Roster::default(), ADA, &[]);
        let mut header = fixture::batch(&plan, &[]).header;
        header.cut = cut;
        header.events = step_ms
            .map(|step_ms| Event::ClockStep { step_ms })
            .into_iter()
            .collect();
        header
    }

    #[test]
    fn batch_from_the_future_says_how_far_a_clock_is_ahead_at_least() {
        let mut clocks = Clocks::default();
        assert_eq!(clocks.noted(ADA, &header(at(240), None), at(0)), SET);
        assert_eq!(clocks.in_use(ADA), 240_000);
        assert_eq!(
            clocks.noted(ADA, &header(at(240), None), at(1)),
            None,
            "it was on its way for a second"
        );
        assert_eq!(
            clocks.noted(ADA, &header(at(2), None), at(2)),
            None,
            "only the session says that it is less"
        );
    }

    #[test]
    fn step_of_a_probes_clock_counts_unless_a_backlog_brings_it() {
        let mut clocks = Clocks::default();
        clocks.measured(ADA, 240_000, at(0));
        let backlog = header(at(10), Some(-240_000));
        assert_eq!(clocks.noted(ADA, &backlog, at(9_000)), None);
        assert_eq!(clocks.noted(ADA, &header(at(10), Some(-240_000)), at(11)), SET);
        assert_eq!(clocks.in_use(ADA), 0);
    }

    #[test]
    fn step_that_a_ping_showed_first_counts_once() {
        for by_ms in [45_000, -45_000] {
            let mut clocks = Clocks::default();
            clocks.measured(ADA, 0, at(0));
            clocks.measured(ADA, by_ms, at(100));
            let cut = UnixMillis(at(101).0.saturating_add_signed(by_ms));
            assert_eq!(clocks.noted(ADA, &header(cut, Some(by_ms)), at(102)), None);
            assert_eq!(clocks.in_use(ADA), by_ms);
        }
    }

    #[test]
    fn collectors_own_step_moves_what_is_measured_against_it() {
        for by_ms in [600_000, -600_000] {
            let mut clocks = Clocks::default();
            clocks.measured(ADA, 0, at(0));
            let now = UnixMillis(at(1_000).0.saturating_add_signed(by_ms));
            clocks.collector_stepped(by_ms, now);
            assert_eq!(clocks.measured(ADA, -by_ms, now), None, "it is known");
            assert_eq!(date(&clocks, at(980), at(980)), Some(at(980)), "before the step");
            let after = UnixMillis(at(1_010).0.saturating_add_signed(by_ms));
            assert_eq!(date(&clocks, at(1_010), after), Some(after));
        }
    }

    #[test]
    fn clock_is_off_in_windows_that_its_offset_touches() {
        let mut clocks = Clocks::default();
        clocks.measured(ADA, 3, at(0));
        clocks.measured(ADA, 45_000, at(100));
        clocks.measured(ADA, 0, at(200));
        for (from, until, is_off) in [
            (0, 50, false),
            (50, 150, true),
            (150, 160, true),
            (205, 300, true),
            (211, 300, false),
        ] {
            assert_eq!(
                !clocks.off((at(from), at(until))).is_empty(),
                is_off,
                "{from} to {until}"
            );
        }
    }

    #[test]
    fn offsets_are_kept_over_a_restart() {
        let store = Store::in_memory(StoreOptions::default()).unwrap();
        let mut clocks = Clocks::default();
        clocks.measured(ADA, 45_000, at(0));
        store
            .write(|transaction| clocks.put_in(&store, transaction))
            .unwrap();
        let read = Clocks::read(&store).unwrap();
        assert_eq!(read.in_use(ADA), 45_000);
        assert!(!read.has_unsaved());
    }
}
