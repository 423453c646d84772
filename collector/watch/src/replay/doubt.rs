//! Failures of the past, and whether they speak against their targets.
//!
//! A line that was proven before a failure may have broken with it: two intervals later it is known.

use std::collections::VecDeque;

use isochrone_proto::units::UnixMillis;

use super::judged::{Failures, JudgedFailure};
use crate::judge::{CellId, Engine};

/// Failures that wait, and those that are judged.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    waiting: VecDeque<Doubt>,
    pub(super) judged: Failures,
}

/// A failure that waits.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    until: UnixMillis,
    cell: CellId,
    failure: JudgedFailure,
    interval_ms: u64,
}

impl Doubts {
    /// Takes a failure in, with what the engine said of it at once; it is looked at again two intervals later.
    pub(super) fn add(&mut self, failure: JudgedFailure, cell: CellId, interval_ms: u64) {
        if !failure.counts {
            return self.judged.add(failure, interval_ms);
        }
        let until = UnixMillis(failure.slot.0 + 2 * interval_ms);
        let place = self.waiting.partition_point(|doubt| doubt.until <= until);
        let doubt = Doubt {
            until,
            cell,
            failure,
            interval_ms,
        };
        self.waiting.insert(place, doubt);
    }

    /// Judges those that waited long enough, or all where no more comes.
    pub(super) fn settle(&mut self, engine: &Engine, is_last: bool) {
        let now = engine.now();
        while let Some(&doubt) = self.waiting.front()
            && (is_last || doubt.until <= now)
        {
            self.waiting.pop_front();
            let counts = doubt.until > now || engine.held_since(doubt.cell, doubt.failure.slot);
            let failure = JudgedFailure {
                counts,
                ..doubt.failure
            };
            self.judged.add(failure, doubt.interval_ms);
        }
    }
}
