//! What is stored, for other programs: every measurement with its id, so that anyone can check the store, and what they
//! add up to. As lines of text here; as files of Parquet in `segment/copies.rs`.

mod csv;
mod rollups;

use std::io::{self, Write};
use std::ops::ControlFlow;

use isochrone_base::kinds::OutcomeJson;
use isochrone_base::words;
use serde::Serialize;

pub use self::rollups::rollups;
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

/// Where the text of an export goes. As long as whoever reads it has paused, nothing of the store is held for it.
pub trait Outlet: Write {
    /// Hands on what was written so far, unless the reader has paused; whether it has not. All that was written is kept.
    ///
    /// # Errors
    /// When the reader is gone.
    fn hand_on(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    /// Hands on what was written so far, however long the reader takes.
    ///
    /// # Errors
    /// When the reader is gone.
    fn wait(&mut self) -> io::Result<()> {
        self.flush()
    }
}

impl Outlet for Vec<u8> {}
impl Outlet for io::Sink {}

/// How the rows of an export are written: both are text, a row a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// An object of JSON a line.
    Ndjson,
    /// Columns, with their names in the first line.
    Csv,
}

/// Writes every measurement in `range` to `out` and returns how many. `progress` is called for each batch.
///
/// # Errors
/// When the store failed, or `out` did ([`StoreError::Reader`]).
pub fn ndjson(
    store: &Store,
    range: ScanRange,
    out: &mut impl Outlet,
    progress: impl FnMut(Progress),
) -> Result<u64, StoreError> {
    measurements(store, (TextFormat::Ndjson, range), out, progress)
}

/// As [`ndjson`], in either format.
///
/// # Errors
/// As [`ndjson`].
pub fn measurements(
    store: &Store,
    (format, range): (TextFormat, ScanRange),
    out: &mut impl Outlet,
    mut progress: impl FnMut(Progress),
) -> Result<u64, StoreError> {
    let commits = store.commit_number()?;
    let mut lines = Lines::begin(format, &csv::MEASUREMENT, out).map_err(StoreError::Reader)?;
    let (mut measurements, mut rest) = (0, range);
    let demo = store.is_demo().then_some("demo");
    loop {
        let mut handed_on = Ok(true);
        store.scan(rest, |stored| {
            if stored.commit > commits {
                return ControlFlow::Break(()); // it came since
            }
            rest.after_commit = stored.commit;
            handed_on = write_batch(&stored, range, demo, &mut lines).and_then(|written| {
                measurements += written;
                progress(Progress {
                    commit: stored.commit,
                    commits,
                    measurements,
                });
                lines.out.hand_on()
            });
            go_on(&handed_on)
        })?;
        if lines.wait(handed_on)? {
            return Ok(measurements);
        }
    }
}

/// Until the reader pauses, or is gone.
fn go_on(handed_on: &io::Result<bool>) -> ControlFlow<()> {
    match handed_on {
        Ok(true) => ControlFlow::Continue(()),
        Ok(false) | Err(_) => ControlFlow::Break(()),
    }
}

/// Rows on their way to `out`.
struct Lines<'o, W> {
    format: TextFormat,
    columns: &'static [&'static str],
    out: &'o mut W,
}

impl<'o, W: Outlet> Lines<'o, W> {
    fn begin(format: TextFormat, columns: &'static [&'static str], out: &'o mut W) -> io::Result<Self> {
        if format == TextFormat::Csv {
            csv::write_head(columns, out)?;
        }
        Ok(Self { format, columns, out })
    }

    /// Waits for the reader, or says that it is gone; whether it had not paused.
    fn wait(&mut self, handed_on: io::Result<bool>) -> Result<bool, StoreError> {
        let waited = handed_on.and_then(|kept_up| self.out.wait().map(|()| kept_up));
        waited.map_err(StoreError::Reader)
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        match self.format {
            TextFormat::Ndjson => {
                serde_json::to_writer(&mut *self.out, line)?;
                self.out.write_all(b"\n")
            }
            TextFormat::Csv => csv::write_row(self.columns, &serde_json::to_value(line)?, self.out),
        }
    }
}

fn write_batch(
    stored: &Stored,
    range: ScanRange,
    source: Option<&'static str>,
    lines: &mut Lines<'_, impl Outlet>,
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
        lines.write(&Line {
            schema: csv::MEASUREMENT_SCHEMA,
            source,
            probe: &stored.plan.probe_name,
            probe_id: &probe_id,
            epoch: &epoch,
            kind: check.kind.to_string(),
            target: &target.name,
            target_id: target.id.to_string(),
            slot: words::rfc3339_millis(measurement.slot),
            lateness_us: measurement.lateness.get(),
            result: OutcomeJson::of(&measurement.outcome),
        })?;
        written += 1;
    }
    Ok(written)
}

/// One measurement: what its keys are, its id, then what became of it. What was not measured has no key.
#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
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

#[cfg(test)]
mod tests;
