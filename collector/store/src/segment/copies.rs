//! Copies of what is stored as Parquet files, with the store's own schemas: what is sealed and what is still in the log,
//! within any window. A file for each kind and day; of measurements several, where there are many.

use std::io;
use std::ops::ControlFlow;

use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;

use super::catalogue::EXTENSION;
use super::catalogue::SPAN_ROWS;
use super::day::Day;
use super::file::{Facts, write};
use super::gather::Gathered;
use super::rollup;
use crate::export::Progress;
use crate::heads::Head;
use crate::{Rollup, RollupRange, ScanRange, Store, StoreError, Stored};

/// What is done with a file: its name, and its content.
pub type EachFile<'e> = &'e mut dyn FnMut(String, Vec<u8>) -> io::Result<()>;

impl Store {
    /// Gives the measurements in `range` to `each`, as files; returns how many these are. Half a million of them are in
    /// memory at once.
    ///
    /// # Errors
    /// When the store failed, or `each` did ([`StoreError::Reader`]).
    pub fn copy_measurements(
        &self,
        range: ScanRange,
        each: EachFile<'_>,
        mut progress: impl FnMut(Progress),
    ) -> Result<u64, StoreError> {
        let commits = self.commit_number()?;
        let mut copies = Copies {
            each,
            files: 0,
            commits: (0, 0),
        };
        let (mut measurements, mut rest) = (0, range);
        loop {
            let mut gathered = Gathered::default();
            self.scan(rest, |stored| {
                if stored.commit > commits {
                    return ControlFlow::Break(()); // it came since
                }
                rest.after_commit = stored.commit;
                add(&mut gathered, &stored, range);
                copies.saw(stored.commit);
                progress(Progress {
                    commit: stored.commit,
                    commits,
                    measurements: measurements + gathered.rows,
                });
                match gathered.rows < SPAN_ROWS {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()), // nothing of the store is held while it is written
                }
            })?;
            let (rows, is_last) = (gathered.rows, gathered.rows < SPAN_ROWS);
            copies.write(gathered)?;
            measurements += rows;
            if is_last {
                return Ok(measurements);
            }
        }
    }

    /// Gives the rollups in `range` to `each`, as files; returns how many rollups these are.
    ///
    /// # Errors
    /// As [`Store::copy_measurements`].
    pub fn copy_rollups(
        &self,
        range: &RollupRange,
        each: EachFile<'_>,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, StoreError> {
        let commits = (1, self.commit_number()?);
        let mut copies = Copies {
            each,
            files: 0,
            commits,
        };
        let (mut rollups, mut after) = (0, None);
        let place = |rollup: &Rollup| (Day::of(rollup.start), rollup.kind);
        loop {
            let mut of_file: Vec<Rollup> = Vec::new();
            let mut is_last = true;
            self.rolled_after(range, after, |rollup| {
                let first = of_file.first();
                if first.is_some_and(|first| place(first) != place(&rollup)) {
                    is_last = false;
                    return ControlFlow::Break(()); // likewise; it is given again
                }
                after = Some(rollup.key());
                progress(rollup.start.0);
                rollups += 1;
                of_file.push(rollup);
                ControlFlow::Continue(())
            })?;
            copies.write_rollups(range, &of_file)?;
            if is_last {
                return Ok(rollups);
            }
        }
    }
}

fn add(gathered: &mut Gathered, stored: &Stored, range: ScanRange) {
    let head = Head {
        commit: stored.commit,
        probe: stored.probe,
        received: stored.received,
        rows: 0,
        slots: (UnixMillis(0), UnixMillis(0)),
        header: stored.batch.header.clone(),
    };
    let is_wanted = |slot: UnixMillis| slot >= range.from && slot < range.until;
    let runs = stored.batch.measurements().filter(|run| is_wanted(run.slot));
    gathered.add_runs(&head, runs, &stored.plan);
}

struct Copies<'e> {
    each: EachFile<'e>,
    files: u32,
    /// The first and the last commit of what is written next.
    commits: (u64, u64),
}

impl Copies<'_> {
    fn saw(&mut self, commit: u64) {
        let first = if self.commits.0 == 0 {
            commit
        } else {
            self.commits.0
        };
        self.commits = (first, commit);
    }

    fn write(&mut self, mut gathered: Gathered) -> Result<(), StoreError> {
        gathered.sheets.sort_by_key(|sheet| (sheet.day, sheet.kind));
        for mut sheet in gathered.sheets {
            let facts = self.facts(sheet.kind, sheet.day);
            sheet.sort();
            let content = write(&facts, &sheet, &gathered.batches);
            drop(sheet); // its memory is needed no more
            self.put("", &facts, content)?;
        }
        self.commits = (0, 0);
        Ok(())
    }

    fn write_rollups(&mut self, range: &RollupRange, rollups: &[Rollup]) -> Result<(), StoreError> {
        let Some(first) = rollups.first() else {
            return Ok(());
        };
        let facts = self.facts(first.kind, Day::of(first.start));
        let content = rollup::write(&facts, range.period, rollups);
        self.put(range.period.tier().prefix(), &facts, content)
    }

    fn facts(&self, kind: Kind, day: Day) -> Facts {
        let (commits, generation) = (self.commits, 0);
        Facts {
            kind,
            day,
            commits,
            generation,
        }
    }

    fn put(
        &mut self,
        prefix: &str,
        facts: &Facts,
        content: Result<Vec<u8>, super::error::FileError>,
    ) -> Result<(), StoreError> {
        self.files += 1;
        let (kind, day, number) = (facts.kind, facts.day, self.files);
        let name = format!("{prefix}{kind}-{day}-{number:06}{EXTENSION}");
        let content = content.map_err(io::Error::other).map_err(StoreError::Reader)?;
        (self.each)(name, content).map_err(StoreError::Reader)
    }
}
