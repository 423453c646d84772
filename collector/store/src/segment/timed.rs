//! What most questions ask of a run, by column: when it was, whether it was answered, and how long that took.

use std::ops::Range;

use isochrone_proto::kind::Layout;
use isochrone_proto::measurement::FailureCause;

use super::columns::{Cells, Cursor, Values};
use super::error::FileError;
use super::opened::RowGroup;

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
        let ends = match asks_why {
            true => self.ends(wanted, &answered)?,
            false => Vec::new(),
        };
        Ok(Timed {
            slots: self.numbers("slot", wanted)?,
            answered,
            rtt: times,
            suspect,
            ends,
        })
    }

    /// Of those that were not answered: an echo that has a cause was not sent, and a connection or request that got
    /// nowhere has no phase.
    fn ends(&self, wanted: &[Range<usize>], answered: &[i16]) -> Result<Vec<End>, FileError> {
        let causes = self.cells("cause", wanted)?;
        let phases = match self.layout() {
            Layout::Echo => None,
            Layout::Connect | Layout::Endpoint => Some(self.cells("phase", wanted)?),
        };
        let (mut causes, mut phases) = (Cursor::new(&causes), phases.as_ref().map(Cursor::new));
        let ends = answered.iter().map(|answered| {
            let cause = causes.text();
            let is_sent = match &mut phases {
                Some(phases) => phases.text().is_some(),
                None => cause.is_none(),
            };
            match (answered, is_sent) {
                (1, _) => End::Answered,
                (_, true) => End::Failed(cause.and_then(known)),
                (_, false) => End::Unsent,
            }
        });
        Ok(ends.collect())
    }
}

fn known(word: &str) -> Option<FailureCause> {
    let mut known = FailureCause::ALL.iter().copied();
    known.find(|cause| cause.word() == word)
}
