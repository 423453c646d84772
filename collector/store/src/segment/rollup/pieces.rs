//! Pieces of rollups: what one span, or one day, adds to each kind and day, on its way into files.

use std::collections::BTreeMap;

use isochrone_proto::kind::Kind;
use isochrone_proto::plan::Plan;
use isochrone_proto::units::UnixMillis;

use super::fold::Fold;
use super::{Period, Rollup, file};
use crate::StoreError;
use crate::heads::Head;
use crate::segment::catalogue::Segment;
use crate::segment::day::Day;
use crate::segment::file::Facts;
use crate::segment::writer::Files;

/// Rollups by hour that are to be written, with those by day that come of them.
#[derive(Debug)]
pub(in crate::segment) struct Pieces {
    hours: Fold,
}

impl Default for Pieces {
    fn default() -> Self {
        Self {
            hours: Fold::new(Period::Hour),
        }
    }
}

impl Pieces {
    /// Adds the rollup of an hour.
    pub(in crate::segment) fn add(&mut self, hour: Rollup) {
        self.hours.merge(hour);
    }

    /// Adds what a batch says of skipped slots.
    pub(in crate::segment) fn skip(&mut self, head: &Head, plan: &Plan) {
        for skipped in &head.header.skipped {
            self.hours.skip(plan, skipped, &|_| true);
        }
    }

    pub(super) fn of(hours: Fold) -> Self {
        Self { hours }
    }

    /// Writes a file of hours and one of days for each kind and day.
    pub(in crate::segment) fn write(
        self,
        files: &Files<'_>,
        written: &mut Vec<Segment>,
    ) -> Result<(), StoreError> {
        let mut pieces: BTreeMap<(Kind, Day), Vec<Rollup>> = BTreeMap::new();
        for rollup in self.hours.into_rollups() {
            let place = (rollup.kind, Day::of(rollup.start));
            pieces.entry(place).or_default().push(rollup);
        }
        for ((kind, day), hours) in pieces {
            write_piece(files, (Period::Hour, kind, day), &hours, written)?;
            let mut days = Fold::new(Period::Day);
            for hour in hours {
                days.merge_finer(hour);
            }
            let days: Vec<Rollup> = days.into_rollups().collect();
            write_piece(files, (Period::Day, kind, day), &days, written)?;
        }
        Ok(())
    }
}

/// Writes a file of rollups of one kind and day.
pub(super) fn write_piece(
    files: &Files<'_>,
    (period, kind, day): (Period, Kind, Day),
    rollups: &[Rollup],
    written: &mut Vec<Segment>,
) -> Result<(), StoreError> {
    let starts = rollups.iter().map(|rollup| rollup.start.0);
    let (first, last) = (starts.clone().min(), starts.max());
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(());
    };
    let facts = Facts {
        kind,
        day,
        commits: (files.span.first, files.span.last),
        generation: files.generation,
    };
    let segment = Segment {
        number: 0,
        tier: period.tier(),
        kind,
        day,
        span: files.span,
        slots: (UnixMillis(first), UnixMillis(last + period.millis() - 1)),
        rows: rollups.len() as u64,
        measurements: rollups.iter().map(|rollup| rollup.sums.run).sum(),
        bytes: 0,
        checksum: 0,
        generation: files.generation,
    };
    files.put(segment, file::write(&facts, period, rollups), written)
}
