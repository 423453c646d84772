//! Failures of the past, and whether they speak against their targets.
//!
//! A line that was proven before a failure may have broken with it: two intervals later it is known.

use std::collections::VecDeque;

use isochrone_proto::units::UnixMillis;

use super::JudgedFailure;
use crate::judge::{CellId, Engine};

/// Failures that wait, and those that are judged.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    waiting: VecDeque<(UnixMillis, CellId, JudgedFailure)>,
    pub(super) judged: Vec<JudgedFailure>,
}

impl Doubts {
    /// Takes a failure in, with what the engine said of it at once; it is looked at again at `again`.
    pub(super) fn add(&mut self, failure: JudgedFailure, cell: CellId, again: UnixMillis) {
        if failure.counts {
            let place = self.waiting.partition_point(|(at, ..)| *at <= again);
            self.waiting.insert(place, (again, cell, failure));
        } else {
            self.judged.push(failure);
        }
    }

    /// Judges those that waited long enough, or all where no more comes.
    pub(super) fn settle(&mut self, engine: &Engine, is_last: bool) {
        while let Some(&(at, cell, failure)) = self.waiting.front()
            && (is_last || at <= engine.now())
        {
            self.waiting.pop_front();
            let counts = at > engine.now() || engine.held_since(cell, failure.slot);
            self.judged.push(JudgedFailure { counts, ..failure });
        }
    }
}
