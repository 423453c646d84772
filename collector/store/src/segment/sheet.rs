//! The measurements of one kind and one day, on their way into a segment.

use std::collections::HashMap;
use std::sync::Arc;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;

use super::day::Day;
use super::series::Series;

/// Whose series it is, and of what: probe and target, each with its name.
pub(super) type SeriesKey = (ProbeId, Arc<str>, TargetId, Arc<str>);

/// The measurements of one kind and day.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) kind: Kind,
    pub(super) day: Day,
    pub(super) series: Vec<Series>,
    places: HashMap<SeriesKey, usize>,
    pub(super) slots: (UnixMillis, UnixMillis),
    pub(super) rows: u64,
}

impl Sheet {
    pub(super) fn new(kind: Kind, day: Day) -> Self {
        Self {
            kind,
            day,
            series: Vec::new(),
            places: HashMap::new(),
            slots: (UnixMillis(u64::MAX), UnixMillis(0)),
            rows: 0,
        }
    }

    /// The place of a series, which is there then.
    pub(super) fn series(&mut self, key: &SeriesKey) -> usize {
        if let Some(place) = self.places.get(key) {
            return *place;
        }
        let (probe, probe_name, target, target_name) = key.clone();
        self.series.push(Series {
            probe,
            probe_name,
            target,
            target_name,
            entries: Vec::new(),
        });
        self.places.insert(key.clone(), self.series.len() - 1);
        self.series.len() - 1
    }
}
