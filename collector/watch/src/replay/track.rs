//! The runs of one check over a window: those that say the same as stretches of a grid.

use std::net::IpAddr;

use isochrone_proto::measurement::FailureCause;
use isochrone_proto::units::{Micros, UnixMillis};

use crate::judge::{Cadence, Observation, Word, same_way};
use crate::spans::Span;

/// Runs in the order of their slots, however late and in whatever order they come.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    entries: Vec<Entry>,
    cadence: Option<Cadence>,
    /// While it is read: the entry, and the slot within it.
    at: usize,
    within: Option<UnixMillis>,
}

#[derive(Clone, Debug)]
struct Entry {
    first: UnixMillis,
    last: UnixMillis,
    cadence: Cadence,
    run: Run,
}

/// What all runs of an entry say.
#[derive(Clone, Debug)]
struct Run {
    word: Word,
    address: Option<IpAddr>,
    connect: Option<Micros>,
    secured: bool,
    text: Box<str>,
}

impl Track {
    /// How much is kept.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Of the runs that follow.
    pub(super) fn pace(&mut self, cadence: Cadence) {
        self.cadence = Some(cadence);
    }

    /// Adds a run. A second run of a slot changes nothing.
    pub(super) fn add(&mut self, run: &Observation<'_>) {
        let Some(cadence) = self.cadence else { return };
        let slot = run.began;
        let place = self.entries.partition_point(|entry| entry.last < slot);
        if self.entries.get(place).is_some_and(|entry| entry.first <= slot) {
            return; // entries are joined only where no slot is missing, so this one is known
        }
        let before = place
            .checked_sub(1)
            .filter(|&before| self.entries[before].takes(run, cadence));
        let after = self
            .entries
            .get(place)
            .is_some_and(|entry| entry.takes(run, cadence));
        match (before, after) {
            (Some(before), true) => {
                self.entries[before].last = self.entries[place].last;
                self.entries.remove(place);
            }
            (Some(before), false) => self.entries[before].last = slot,
            (None, true) => self.entries[place].first = slot,
            (None, false) => self.entries.insert(
                place,
                Entry {
                    first: slot,
                    last: slot,
                    cadence,
                    run: Run::of(run),
                },
            ),
        }
    }

    /// When its target was measured by it: from each run on, for as long as that may be a word.
    pub(super) fn measured(&self) -> impl Iterator<Item = Span> {
        self.entries.iter().map(|entry| {
            let lasts_ms = entry.cadence.red_ms();
            (entry.first, UnixMillis(entry.last.0 + lasts_ms))
        })
    }

    /// How long the runs before `at` show it to be measured.
    pub(super) fn measured_until(&self, at: UnixMillis) -> Option<UnixMillis> {
        let before = self.entries.iter().take_while(|entry| entry.first < at);
        let until = before.map(|entry| {
            let step = entry.cadence.interval_ms.max(1);
            let last = entry.last.min(UnixMillis(at.0 - 1)).0;
            let last = last - (last - entry.first.0) % step;
            UnixMillis(last + entry.cadence.red_ms())
        });
        until.max()
    }

    /// Reads from the beginning.
    pub(super) fn begin(&mut self) {
        (self.at, self.within) = (0, None);
    }

    /// Passes over the runs that ended by then: they were read before.
    pub(super) fn pass(&mut self, ended: UnixMillis) {
        while self.next_due().is_some_and(|due| due <= ended) {
            self.next();
        }
    }

    /// When the next run ended.
    pub(super) fn next_due(&self) -> Option<UnixMillis> {
        let entry = self.entries.get(self.at)?;
        let slot = self.within.unwrap_or(entry.first);
        Some(UnixMillis(slot.0 + entry.run.takes_ms(entry.cadence)))
    }

    /// The next run.
    pub(super) fn next(&mut self) -> Option<(Observation<'_>, Cadence)> {
        let place = self.at;
        let entry = self.entries.get(place)?;
        let slot = self.within.unwrap_or(entry.first);
        let following = UnixMillis(slot.0 + entry.cadence.interval_ms.max(1));
        if following <= entry.last {
            self.within = Some(following);
        } else {
            (self.at, self.within) = (place + 1, None);
        }
        let entry = &self.entries[place];
        Some((entry.run.at(slot, entry.cadence), entry.cadence))
    }
}

impl Entry {
    /// Whether a run beside it says the same, on the same grid: each is read where it stood.
    fn takes(&self, run: &Observation<'_>, cadence: Cadence) -> bool {
        let slot = run.began.0;
        let apart = slot.abs_diff(self.last.0).min(self.first.0.abs_diff(slot));
        let is_near = match (self.run.connect, run.connect) {
            (Some(one), Some(other)) => same_way(one, other),
            (None, None) => true,
            _ => false,
        };
        let is_beside = apart == cadence.interval_ms;
        self.run.word == run.word
            && self.cadence == cadence
            && is_beside
            && is_near
            && self.run.address == run.address
            && self.run.secured == run.secured
            && &*self.run.text == run.text
    }
}

impl Run {
    fn of(run: &Observation<'_>) -> Self {
        Self {
            word: run.word,
            address: run.address,
            connect: run.connect,
            secured: run.secured,
            text: run.text.into(),
        }
    }

    /// A failure by timeout is known only then; nothing is kept of how long others took.
    fn takes_ms(&self, cadence: Cadence) -> u64 {
        match self.word {
            Word::Red {
                cause: FailureCause::Timeout,
                ..
            } => cadence.timeout_ms,
            _ => 0,
        }
    }

    fn at(&self, slot: UnixMillis, cadence: Cadence) -> Observation<'_> {
        Observation {
            began: slot,
            finished: UnixMillis(slot.0 + self.takes_ms(cadence)),
            word: self.word,
            address: self.address,
            connect: self.connect,
            secured: self.secured,
            text: &self.text,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use isochrone_proto::measurement::Phase;
    use proptest::prelude::*;

    use super::*;

    const CADENCE: Cadence = Cadence {
        interval_ms: 10_000,
        timeout_ms: 4_000,
    };

    fn run(number: u64, is_red: bool) -> Observation<'static> {
        let red = Word::Red {
            phase: Phase::Connect,
            cause: FailureCause::Refused,
        };
        Observation {
            began: UnixMillis(number * 10_000),
            finished: UnixMillis(number * 10_000),
            word: if is_red { red } else { Word::Green },
            address: None,
            connect: None,
            secured: false,
            text: "",
        }
    }

    proptest! {
        /// The oracle keeps every run in a map.
        #[test]
        fn runs_come_out_by_slot_whatever_their_order(
            rows in prop::collection::vec((0u64..40, prop::bool::weighted(0.3)), 0..60),
        ) {
            let mut track = Track::default();
            let mut oracle = BTreeMap::new();
            for &(number, is_red) in &rows {
                track.pace(CADENCE);
                track.add(&run(number, is_red));
                oracle.entry(number).or_insert(is_red);
            }
            track.begin();
            let mut got = Vec::new();
            while track.next_due().is_some() {
                let (run, _) = track.next().unwrap();
                got.push((run.began.0 / 10_000, run.word != Word::Green));
            }
            prop_assert_eq!(got, oracle.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn answers_of_a_quiet_day_are_one_entry() {
        let mut track = Track::default();
        track.pace(CADENCE);
        for number in 0..8_640 {
            track.add(&run(number, false));
        }
        assert_eq!(track.entries.len(), 1);
    }

    #[test]
    fn failures_of_a_dead_month_are_one_entry_and_each_is_read() {
        let mut track = Track::default();
        track.pace(CADENCE);
        let runs = 30 * 8_640;
        (0..runs).for_each(|number| track.add(&run(number, true)));
        assert_eq!(track.entries.len(), 1);
        track.begin();
        let read = std::iter::from_fn(|| track.next().map(|(run, _)| run.began.0));
        assert!(read.eq((0..runs).map(|number| number * 10_000)));
    }

    #[test]
    fn failures_that_say_something_else_or_stand_off_the_grid_stay_apart() {
        let mut track = Track::default();
        track.pace(CADENCE);
        track.add(&run(0, true));
        track.add(&Observation {
            text: "HTTP 502",
            ..run(1, true)
        });
        track.add(&Observation {
            began: UnixMillis(19_000),
            ..run(2, true)
        });
        track.add(&run(4, true));
        assert_eq!(track.entries.len(), 4);
    }
}
