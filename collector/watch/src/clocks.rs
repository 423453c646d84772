//! How far the probes' clocks are off, now and at every instant of the past: rows stand at slots of their probe's clock,
//! outages on the collector's.

use std::collections::BTreeMap;

use isochrone_proto::batch::BatchHeader;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::ledger::Event;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Records, Store, StoreError, Transaction};
use serde::{Deserialize, Serialize};

use crate::feed::apart_ms;

const TABLE: &str = "clock_offsets";
/// A measurement that differs by less from the offset in use changes nothing: it trembles with the network, and the
/// bounds of outages must not.
const TREMBLE_MS: u64 = 500;
/// Changes of one probe's clock that are remembered.
const KEPT: usize = 64;
/// A batch whose cut is so near to its arrival is no backlog's.
const FRESH_MS: u64 = 60_000;

/// A probe's clock minus the collector's, from an instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Offset {
    since: UnixMillis,
    ms: i64,
}

/// The offset of every probe, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clocks {
    offsets: BTreeMap<ProbeId, Vec<Offset>>,
    /// Probes whose newest offset is not stored.
    unsaved: Vec<ProbeId>,
}

impl Clocks {
    /// As they were measured.
    ///
    /// # Errors
    /// When the store failed.
    pub(crate) fn read(store: &Store) -> Result<Self, StoreError> {
        let kept = records(store).list()?;
        let offsets = kept.into_iter();
        Ok(Self {
            offsets: offsets
                .filter_map(|(probe, offsets)| Some((probe.parse().ok()?, offsets)))
                .collect(),
            unsaved: Vec::new(),
        })
    }

    /// Takes in a measurement. The offset in use from now on, if it changed.
    pub(crate) fn measured(&mut self, probe: ProbeId, ms: i64, now: UnixMillis) -> Option<i64> {
        let offsets = self.offsets.entry(probe).or_default();
        let in_use = offsets.last().map_or(0, |offset| offset.ms);
        let ms = if ms.abs_diff(in_use) > TREMBLE_MS {
            ms
        } else {
            in_use
        };
        if offsets.last().is_some_and(|offset| offset.ms == ms) {
            return None;
        }
        offsets.push(Offset { since: now, ms });
        if offsets.len() > KEPT {
            offsets.remove(1);
        }
        if !self.unsaved.contains(&probe) {
            self.unsaved.push(probe);
        }
        Some(ms)
    }

    /// What a batch says of its probe's clock: that it was set, and that it is at least as far ahead as it says to be
    /// done with what is still to come here. The offset in use from now on, if it changed.
    pub(crate) fn noted(
        &mut self,
        probe: ProbeId,
        header: &BatchHeader,
        received: UnixMillis,
    ) -> Option<i64> {
        let in_use = self.offset(probe);
        let apart = apart_ms(header.cut, received);
        let steps = header.events.iter().filter_map(|event| match event {
            Event::ClockStep { step_ms } => Some(*step_ms),
            _ => None,
        });
        let stepped = steps.fold(in_use, i64::saturating_add);
        // a step that a backlog brings is over long ago
        let known = if apart.abs_diff(stepped) < FRESH_MS {
            stepped
        } else {
            in_use
        };
        let ahead = apart > known.saturating_add(TREMBLE_MS as i64);
        let found = if ahead { apart } else { known };
        (found != in_use)
            .then(|| self.measured(probe, found, received))
            .flatten()
    }

    /// The collector's own clock was set by so much, and shows `now`.
    pub(crate) fn collector_stepped(&mut self, by_ms: i64, now: UnixMillis) {
        for (probe, offsets) in &mut self.offsets {
            let Some(newest) = offsets.last() else { continue };
            let ms = newest.ms.saturating_sub(by_ms);
            offsets.push(Offset { since: now, ms });
            if offsets.len() > KEPT {
                offsets.remove(1);
            }
            if !self.unsaved.contains(probe) {
                self.unsaved.push(*probe);
            }
        }
    }

    fn offset(&self, probe: ProbeId) -> i64 {
        let newest = self.offsets.get(&probe).and_then(|offsets| offsets.last());
        newest.map_or(0, |offset| offset.ms)
    }

    /// The offset of each probe now.
    pub(crate) fn newest(&self) -> impl Iterator<Item = (ProbeId, i64)> {
        let offsets = self.offsets.iter();
        offsets.filter_map(|(probe, offsets)| Some((*probe, offsets.last()?.ms)))
    }

    /// An instant of a probe's clock by the collector's. Before the first measurement the clock was as it was then.
    #[must_use]
    pub(crate) fn local(&self, probe: ProbeId, at: UnixMillis) -> UnixMillis {
        let Some(offsets) = self.offsets.get(&probe) else {
            return at;
        };
        let by = |offset: &Offset| UnixMillis(at.0.saturating_add_signed(-offset.ms));
        let in_use = offsets.iter().rfind(|offset| offset.since <= by(offset));
        in_use.or(offsets.first()).map_or(at, by)
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

fn records(store: &Store) -> Records<Vec<Offset>> {
    Records::new(store.clone(), TABLE)
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

    #[test]
    fn trembling_measurements_change_nothing() {
        let mut clocks = Clocks::default();
        assert_eq!(clocks.measured(ADA, 3, at(0)), Some(0), "the first is noted");
        for ms in [-400, 20, 500, -1] {
            assert_eq!(clocks.measured(ADA, ms, at(1)), None);
        }
        assert_eq!(clocks.local(ADA, at(2)), at(2));
        assert_eq!(clocks.measured(ADA, 501, at(3)), Some(501));
        assert_eq!(clocks.measured(ADA, 700, at(4)), None);
    }

    #[test]
    fn instant_of_the_past_is_read_by_the_clock_as_it_was_then() {
        let mut clocks = Clocks::default();
        clocks.measured(ADA, 45_000, at(100));
        clocks.measured(ADA, 0, at(200));
        assert_eq!(clocks.local(ADA, at(95)), at(50), "before it was ever measured");
        assert_eq!(clocks.local(ADA, at(195)), at(150));
        assert_eq!(clocks.local(ADA, at(250)), at(250));
        assert_eq!(clocks.local(ProbeId(8), at(95)), at(95));
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
        assert_eq!(clocks.noted(ADA, &header(at(240), None), at(0)), Some(240_000));
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
        assert_eq!(
            clocks.noted(ADA, &header(at(10), Some(-240_000)), at(10)),
            Some(0)
        );
    }

    #[test]
    fn collectors_own_step_moves_what_is_measured_against_it() {
        for by_ms in [600_000, -600_000] {
            let mut clocks = Clocks::default();
            clocks.measured(ADA, 0, at(0));
            let now = UnixMillis(at(1_000).0.saturating_add_signed(by_ms));
            clocks.collector_stepped(by_ms, now);
            assert_eq!(clocks.measured(ADA, -by_ms, now), None, "it is known");
            assert_eq!(clocks.local(ADA, at(990)), at(990), "before the step");
            let after = UnixMillis(at(1_010).0.saturating_add_signed(by_ms));
            assert_eq!(clocks.local(ADA, at(1_010)), after);
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
        assert_eq!(read.newest().collect::<Vec<_>>(), [(ADA, 45_000)]);
        assert!(!read.has_unsaved());
    }
}
