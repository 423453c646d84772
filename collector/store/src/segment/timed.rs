//! What most questions ask of a run, by column: when it was, whether it was answered, and how long that took.

use std::ops::Range;

use isochrone_proto::kind::Layout;
use isochrone_proto::measurement::FailureCause;

use super::columns::{Cells, Values};
use super::error::FileError;
use super::opened::RowGroup;
use super::outcomes::{FAILED, OK, REPLIED, TIMED_OUT, UNSENT};

/// Some rows of a row group, by column.
#[derive(Debug)]
pub(crate) struct Timed {
    /// The slot of each row, Unix milliseconds.
    pub(crate) slots: Vec<u64>,
    /// 1 for each row that was answered, else 0.
    pub(crate) answered: Vec<i16>,
    /// Of each that was answered: the echo's round trip, or the time to connect, in microseconds.
    pub(crate) rtt: Vec<i32>,
    /// Of each answered echo, whether the probe itself was starved; empty for other kinds.
    pub(crate) suspect: Vec<bool>,
    /// How each row ended; empty unless it was asked for.
    pub(crate) ends: Vec<End>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answered,
    /// Not in time, where no cause is known.
    Failed(Option<FailureCause>),
    Unsent,
}

impl RowGroup<'_> {
    /// Reads the wanted rows; `asks_why`: with how each ended.
    pub(crate) fn timed(&self, wanted: &[Range<usize>], asks_why: bool) -> Result<Timed, FileError> {
        let rtt = match self.layout() {
            Layout::Echo => "rtt_us",
            Layout::Connect | Layout::Endpoint => "connect_us",
        };
        let Cells {
            values: Values::Numbers(times),
            present: Some(answered),
        } = self.cells(rtt, wanted)?
        else {
            return Err(FileError::Meaning { column: rtt });
        };
        let suspect = match self.layout() {
            Layout::Echo => match self.cells("suspect", wanted)?.values {
                Values::Flags(flags) if flags.len() == times.len() => flags,
                _ => return Err(FileError::Meaning { column: "suspect" }),
            },
            Layout::Connect | Layout::Endpoint => Vec::new(),
        };
        Ok(Timed {
            slots: self.numbers("slot", wanted)?,
            answered,
            rtt: times,
            suspect,
            ends: match asks_why {
                true => self.ends(wanted)?,
                false => Vec::new(),
            },
        })
    }

    fn ends(&self, wanted: &[Range<usize>]) -> Result<Vec<End>, FileError> {
        let said = self
            .words("outcome")?
            .runs_as(|word| match std::str::from_utf8(word) {
                Ok(REPLIED | OK) => Ok(End::Answered),
                Ok(TIMED_OUT | FAILED) => Ok(End::Failed(None)),
                Ok(UNSENT) => Ok(End::Unsent),
                _ => Err(FileError::Meaning { column: "outcome" }),
            })?;
        let mut ends = Vec::with_capacity(wanted.iter().map(ExactSizeIterator::len).sum());
        each(&said, wanted, |end, rows| {
            let end = end.ok_or(FileError::Meaning { column: "outcome" })?;
            ends.resize(ends.len() + rows, end);
            Ok(())
        })?;
        let causes = self.words("cause")?.runs_as(|word| {
            let known = FailureCause::ALL.iter();
            Ok(known.copied().find(|cause| cause.word().as_bytes() == word))
        })?;
        let mut at = 0;
        each(&causes, wanted, |cause, rows| {
            let ends = ends.get_mut(at..at + rows);
            let ends = ends.ok_or(FileError::Meaning { column: "cause" })?;
            for end in ends.iter_mut().filter(|end| **end == End::Failed(None)) {
                *end = End::Failed(cause.flatten());
            }
            at += rows;
            Ok(())
        })?;
        match at == ends.len() {
            true => Ok(ends),
            false => Err(FileError::Meaning { column: "cause" }),
        }
    }
}

/// The parts of runs that lie in the wanted rows.
fn each<T: Copy>(
    runs: &[(T, usize)],
    wanted: &[Range<usize>],
    mut of: impl FnMut(T, usize) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let (mut runs, mut start) = (runs.iter().peekable(), 0);
    for rows in wanted {
        let mut at = rows.start;
        while at < rows.end {
            let Some((value, many)) = runs.peek() else {
                return Err(FileError::Meaning { column: "(runs)" });
            };
            let end = start + many;
            if end <= at {
                start = end;
                runs.next();
                continue;
            }
            let until = end.min(rows.end);
            of(*value, until - at)?;
            at = until;
        }
    }
    Ok(())
}
