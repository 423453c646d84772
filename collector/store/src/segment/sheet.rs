//! The measurements of one kind and one day, on their way into a segment.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::measurement::Measurement;
use isochrone_proto::units::UnixMillis;

use super::day::Day;
use super::series::{Entry, Series};

/// Whose series it is, and of what: probe and target, each with its name.
pub(super) type SeriesKey = (ProbeId, Arc<str>, TargetId, Arc<str>);

/// The measurements of one kind and day.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(super) kind: Kind,
    pub(super) day: Day,
    pub(super) series: Vec<Series>,
    places: HashMap<SeriesKey, u32>,
    pub(super) slots: (UnixMillis, UnixMillis),
    /// As they came, until they are sorted.
    pub(super) entries: Vec<Entry>,
}

impl Sheet {
    pub(super) fn new(kind: Kind, day: Day) -> Self {
        Self {
            kind,
            day,
            series: Vec::new(),
            places: HashMap::new(),
            slots: (UnixMillis(u64::MAX), UnixMillis(0)),
            entries: Vec::new(),
        }
    }

    /// Its measurements.
    pub(super) fn rows(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The place of a series, which is there then.
    pub(super) fn series(&mut self, key: &SeriesKey) -> u32 {
        if let Some(place) = self.places.get(key) {
            return *place;
        }
        let (probe, probe_name, target, target_name) = key.clone();
        let place = self.series.len() as u32; // fewer than there are runs
        self.series.push(Series {
            probe,
            probe_name,
            target,
            target_name,
            rows: 0..0,
        });
        self.places.insert(key.clone(), place);
        place
    }

    /// Takes in a run of a series. Those of a batch come one after the other.
    pub(super) fn push(&mut self, series: u32, batch: u32, run: Measurement) {
        self.slots = (self.slots.0.min(run.slot), self.slots.1.max(run.slot));
        self.entries.push(Entry { series, batch, run });
    }

    /// Takes out what came last, if it is of a batch; how many runs these were.
    pub(super) fn forget(&mut self, batch: u32) -> u64 {
        let before = self.entries.len();
        while self.entries.pop_if(|entry| entry.batch == batch).is_some() {}
        (before - self.entries.len()) as u64
    }

    /// Puts the series in order of their names, and their runs in order of slots. Nothing more can be taken in then.
    pub(super) fn sort(&mut self) {
        self.places = HashMap::new();
        let mut order: Vec<usize> = (0..self.series.len()).collect();
        order.sort_by(|one, other| self.series[*one].place().cmp(&self.series[*other].place()));
        let mut next = vec![0; self.series.len()]; // how many runs of each, then where the next of them goes
        for entry in &self.entries {
            next[entry.series as usize] += 1;
        }
        let mut begin = 0;
        for place in order {
            let end = begin + mem::replace(&mut next[place], begin);
            self.series[place].rows = begin..end;
            begin = end;
        }
        let mut from = vec![0; self.entries.len()];
        for (place, entry) in self.entries.iter().enumerate() {
            let next = &mut next[entry.series as usize];
            from[*next] = place;
            *next += 1;
        }
        let mut unsorted: Vec<Option<Entry>> = mem::take(&mut self.entries).into_iter().map(Some).collect();
        self.entries = from
            .into_iter()
            .filter_map(|place| unsorted[place].take())
            .collect();
        self.series.sort_by_key(|series| series.rows.start);
        for series in &self.series {
            self.entries[series.rows.clone()].sort_by_key(|entry| (entry.run.slot, entry.batch));
        }
    }
}
