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
        let (mut gathered, mut measurements, mut result) = (Gathered::default(), 0, Ok(()));
        self.scan(range, |stored| {
            add(&mut gathered, &stored, range);
            copies.saw(stored.commit);
            progress(Progress {
                commit: stored.commit,
                commits,
                measurements: measurements + gathered.rows,
            });
            if gathered.rows >= SPAN_ROWS {
                measurements += gathered.rows;
                result = copies.write(std::mem::take(&mut gathered));
            }
            match result {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        measurements += gathered.rows;
        result
            .and_then(|()| copies.write(gathered))
            .map(|()| measurements)
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
        let (mut of_file, mut rollups, mut result) = (Vec::new(), 0, Ok(()));
        let place = |rollup: &Rollup| (Day::of(rollup.start), rollup.kind);
        self.rolled(range, |rollup| {
            if of_file
                .first()
                .is_some_and(|first| place(first) != place(&rollup))
            {
                result = copies.write_rollups(range, &std::mem::take(&mut of_file));
            }
            progress(rollup.start.0);
            rollups += 1;
            of_file.push(rollup);
            match result {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        result
            .and_then(|()| copies.write_rollups(range, &of_file))
            .map(|()| rollups)
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
