//! Failures of the past, and whether they speak against their targets.
//!
//! A line that was proven before a failure may have broken with it: two intervals later it is known.

use std::collections::VecDeque;

use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::judged::{Failures, Weighed};
use super::stretches::CellKey;
use crate::judge::{CellId, Engine};

/// Failures that wait, and those that are judged.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    pub(super) waiting: VecDeque<Doubt>,
    pub(super) judged: Failures,
}

/// A failure that waits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Doubt {
    until: UnixMillis,
    cell: CellId,
    failure: Failure,
    interval_ms: u64,
}

/// A failure as the engine saw it at once.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) cell: CellKey,
    pub(super) slot: UnixMillis,
    pub(super) weighed: Weighed,
}

impl Doubts {
    /// Takes a failure in, with what the engine said of it at once; it is looked at again two intervals later.
    pub(super) fn add(&mut self, failure: Failure, cell: CellId, interval_ms: u64) {
        if !failure.weighed.counts {
            return self.judge(failure, interval_ms);
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
            let weighed = Weighed {
                counts,
                ..doubt.failure.weighed
            };
            let failure = Failure {
                weighed,
                ..doubt.failure
            };
            self.judge(failure, doubt.interval_ms);
        }
    }

    fn judge(&mut self, Failure { cell, slot, weighed }: Failure, interval_ms: u64) {
        self.judged.add(cell, (slot, weighed), interval_ms);
    }
}
