//! Every stored measurement, one line of JSON each, with its id, so that anyone can check the store.

use std::io::{self, Write};
use std::ops::ControlFlow;

use isochrone_base::kinds::OutcomeJson;
use isochrone_proto::measurement::Measurement;
use isochrone_proto::plan::{PlannedCheck, Target};
use serde::Serialize;

use crate::ledger::timestamp;
use crate::{ScanRange, Store, StoreError, Stored};

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The log's commit number up to which it was read.
    pub commit: u64,
    /// The log's last commit number when it began.
    pub commits: u64,
    /// Measurements written.
    pub measurements: u64,
}

/// Writes every measurement in `range` to `out` and returns how many. `progress` is called for each batch.
///
/// # Errors
/// When the store failed, or `out` did ([`StoreError::Reader`]).
pub fn ndjson(
    store: &Store,
    range: ScanRange,
    out: &mut impl Write,
    mut progress: impl FnMut(Progress),
) -> Result<u64, StoreError> {
    let commits = store.commit_number()?;
    let mut measurements = 0;
    let mut failure = None;
    let demo = store.is_demo().then_some("demo");
    store.scan(range, |stored| match write_batch(&stored, range, demo, out) {
        Ok(written) => {
            measurements += written;
            progress(Progress {
                commit: stored.commit,
                commits,
                measurements,
            });
            ControlFlow::Continue(())
        }
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    })?;
    match failure {
        Some(error) => Err(StoreError::Reader(error)),
        None => out.flush().map(|()| measurements).map_err(StoreError::Reader),
    }
}

fn write_batch(
    stored: &Stored,
    range: ScanRange,
    source: Option<&'static str>,
    out: &mut impl Write,
) -> io::Result<u64> {
    let (probe_id, epoch) = (stored.probe.to_string(), stored.epoch.to_string());
    let mut written = 0;
    for measurement in stored.batch.measurements() {
        if measurement.slot < range.from || measurement.slot >= range.until {
            continue;
        }
        let Some((check, target)) = stored.plan.target_of(measurement.check) else {
            continue; // ingest refused it: a stored row always has its check
        };
        let line = Line {
            source,
            ..Line::of(
                (&stored.plan.probe_name, &probe_id),
                &epoch,
                (check, target),
                &measurement,
            )
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
        written += 1;
    }
    Ok(written)
}

/// One measurement: its id first, then what became of it. What was not measured has no key.
#[derive(Serialize)]
struct Line<'a> {
    /// Said only of the demo's.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    probe: &'a str,
    probe_id: &'a str,
    epoch: &'a str,
    kind: String,
    target: &'a str,
    target_id: String,
    slot: String,
    lateness_us: u32,
    #[serde(flatten)]
    result: OutcomeJson<'a>,
}

impl<'a> Line<'a> {
    fn of(
        (probe, probe_id): (&'a str, &'a str),
        epoch: &'a str,
        (check, target): (&PlannedCheck, &'a Target),
        measurement: &'a Measurement,
    ) -> Self {
        Self {
            source: None,
            probe,
            probe_id,
            epoch,
            kind: check.kind.to_string(),
            target: &target.name,
            target_id: target.id.to_string(),
            slot: format!("{:.3}", timestamp(measurement.slot)),
            lateness_us: measurement.lateness.get(),
            result: OutcomeJson::of(&measurement.outcome),
        }
    }
}

#[cfg(test)]
mod tests;
