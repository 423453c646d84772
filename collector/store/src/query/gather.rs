//! What makes an answer of runs, on one thread.

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;

use super::said::Said;
use crate::segment::End;

/// Who measured what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) probe: ProbeId,
    pub(super) target: TargetId,
    pub(super) kind: Kind,
}

/// Runs of one place, by column: as [`crate::segment::Timed`], of these rows alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns<'c> {
    pub(super) slots: &'c [u64],
    pub(super) answered: &'c [i16],
    pub(super) rtt: &'c [i32],
    pub(super) suspect: &'c [bool],
    pub(super) ends: &'c [End],
}

/// Takes in runs. What a file said counts once all of it was read.
pub(super) trait Gather: Send {
    /// How those ended that were not answered is asked for.
    const ASKS_WHY: bool;

    /// Takes in some runs of a file. Slots outside of what was asked may be among them.
    fn columns(&mut self, place: Place, columns: Columns<'_>);

    /// Takes in a run that was asked for.
    fn run(&mut self, place: Place, slot: UnixMillis, said: Said);

    /// What was taken in counts.
    fn keep(&mut self);

    /// What was taken in since the last [`Gather::keep`] does not.
    fn forget(&mut self);
}

impl Columns<'_> {
    /// How many of the first `rows` were answered.
    pub(super) fn answers(&self, rows: usize) -> usize {
        let answered = self.answered.iter().take(rows);
        answered.map(|answered| usize::from(*answered == 1)).sum()
    }

    /// The first `rows`, of which so many were answered, and the rest.
    pub(super) fn split(self, rows: usize, answers: usize) -> (Self, Self) {
        let (slots, later_slots) = self.slots.split_at(rows);
        let (answered, later_answered) = self.answered.split_at(rows);
        let (rtt, later_rtt) = self.rtt.split_at(answers);
        let (suspect, later_suspect) = self.suspect.split_at(answers.min(self.suspect.len()));
        let (ends, later_ends) = self.ends.split_at(rows.min(self.ends.len()));
        let first = Self {
            slots,
            answered,
            rtt,
            suspect,
            ends,
        };
        let later = Self {
            slots: later_slots,
            answered: later_answered,
            rtt: later_rtt,
            suspect: later_suspect,
            ends: later_ends,
        };
        (first, later)
    }
}
