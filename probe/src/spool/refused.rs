//! What the collector refused, by its own count, for as long as the state folder lives: a restart forgets nothing.

use std::collections::HashSet;
use std::io;

use isochrone_proto::control::RefusedSoFar;
use isochrone_proto::ids::EpochId;
use serde::{Deserialize, Serialize};

use super::Spool;

const FILE: &str = "refused.json";
/// Epochs that are known one by one, beside those that the spool holds; the oldest become part of the sum. The collector
/// tells of held ones at each greeting: one in the sum would be counted again.
const EPOCHS_MAX: usize = 256;

/// What was refused.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RefusedCounts {
    /// Of epochs that are no longer known one by one.
    earlier: Counts,
    /// By epoch, oldest first: what the collector told last.
    epochs: Vec<OfEpoch>,
    /// The file could not be read once: what was counted before is known to the collector alone.
    #[serde(default)]
    is_incomplete: bool,
    #[serde(skip)]
    changed: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OfEpoch {
    #[serde(with = "super::marks::hex")]
    epoch: EpochId,
    #[serde(flatten)]
    counts: Counts,
    /// This process opened it.
    #[serde(skip)]
    is_own: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    batches: u64,
    rows: u64,
    rows_for_time: u64,
}

impl From<RefusedSoFar> for Counts {
    fn from(told: RefusedSoFar) -> Self {
        Self {
            batches: told.batches,
            rows: told.rows,
            rows_for_time: told.rows_for_time,
        }
    }
}

impl RefusedCounts {
    fn sum(&self, which: impl Fn(&OfEpoch) -> bool, begin: Counts) -> RefusedSoFar {
        let counted = self.epochs.iter().filter(|known| which(known));
        let sum = counted.fold(begin, |sum, known| sum.plus(known.counts));
        RefusedSoFar {
            batches: sum.batches,
            rows: sum.rows,
            rows_for_time: sum.rows_for_time,
        }
    }

    /// `is_held`: whether an epoch may still be told of; such a one is never folded into the sum.
    fn told(&mut self, epoch: EpochId, (counts, is_own): (Counts, bool), is_held: impl Fn(EpochId) -> bool) {
        match self.epochs.iter_mut().find(|known| known.epoch == epoch) {
            Some(known) => {
                let counts = known.counts.most(counts); // a collector whose account was damaged may know of less
                self.changed |= known.counts != counts;
                known.counts = counts;
            }
            None if counts == Counts::default() => {}
            None => {
                self.changed = true;
                self.epochs.push(OfEpoch {
                    epoch,
                    counts,
                    is_own,
                });
            }
        }
        if self.epochs.len() > EPOCHS_MAX
            && let Some(oldest) = self.epochs.iter().position(|known| !is_held(known.epoch))
        {
            let oldest = self.epochs.remove(oldest);
            self.earlier = self.earlier.plus(oldest.counts);
        }
    }
}

impl Counts {
    fn most(self, other: Self) -> Self {
        Self {
            batches: self.batches.max(other.batches),
            rows: self.rows.max(other.rows),
            rows_for_time: self.rows_for_time.max(other.rows_for_time),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            batches: self.batches + other.batches,
            rows: self.rows + other.rows,
            rows_for_time: self.rows_for_time + other.rows_for_time,
        }
    }
}

impl Spool {
    /// The collector says what it refused of an epoch so far.
    pub fn refused(&mut self, epoch: EpochId, told: RefusedSoFar) {
        let is_own = self.log(epoch).is_some_and(super::log::EpochLog::is_own);
        let held: HashSet<EpochId> = self.logs.values().map(|log| log.epoch).collect();
        let is_held = |epoch| held.contains(&epoch);
        self.refused.told(epoch, (told.into(), is_own), is_held);
    }

    /// All that was ever refused.
    #[must_use]
    pub fn refused_ever(&self) -> RefusedSoFar {
        self.refused.sum(|_| true, self.refused.earlier)
    }

    /// Whether more was refused than [`Spool::refused_ever`] knows: its file was damaged.
    #[must_use]
    pub fn is_refused_incomplete(&self) -> bool {
        self.refused.is_incomplete
    }

    /// Measurements of this process that were refused.
    #[must_use]
    pub(super) fn refused_own(&self) -> u64 {
        self.refused.sum(|known| known.is_own, Counts::default()).rows
    }

    /// Keeps the counts, if they changed since the last call.
    pub(super) fn save_refused(&mut self) {
        if !std::mem::take(&mut self.refused.changed) {
            return;
        }
        let text = serde_json::to_vec(&self.refused).expect("numbers and hexadecimal text become JSON");
        if let Err(error) = self.disk.replace(FILE, &text) {
            tracing::debug!(%error, file = FILE, "the counts of what was refused could not be kept; tried again");
            self.refused.changed = true;
        }
    }

    pub(super) fn load_refused(&mut self) {
        let read = match self.disk.read(FILE) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return, // nothing was refused yet
            Err(error) => Err(error),
        };
        self.refused = read.unwrap_or_else(|error| {
            tracing::warn!(%error, file = FILE, "the counts of what was refused cannot be read; the collector's ledger has them");
            RefusedCounts {
                is_incomplete: true,
                changed: true,
                ..RefusedCounts::default()
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(number: u16) -> EpochId {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        EpochId(id)
    }

    #[test]
    fn many_epochs_that_are_told_twice_are_counted_once() {
        let mut counts = RefusedCounts::default();
        let one = Counts {
            batches: 1,
            rows: 3,
            rows_for_time: 2,
        };
        for _ in 0..3 {
            for number in 0..300 {
                counts.told(epoch(number), (one, false), |_| true);
            }
            assert_eq!(counts.sum(|_| true, counts.earlier).rows, 900);
        }
        for number in 300..900 {
            counts.told(epoch(number), (one, false), |held| held == epoch(number));
        }
        assert_eq!(counts.sum(|_| true, counts.earlier).rows, 2_700);
        assert!(counts.epochs.len() <= 301, "{}", counts.epochs.len());
    }

    #[test]
    fn collector_that_forgot_what_it_refused_makes_nothing_unrefused() {
        let mut counts = RefusedCounts::default();
        let told = |rows_for_time| Counts {
            batches: 2,
            rows: 5,
            rows_for_time,
        };
        counts.told(epoch(1), (told(5), false), |_| true);
        counts.told(epoch(1), (told(0), false), |_| true);
        assert_eq!(counts.sum(|_| true, counts.earlier).rows_for_time, 5);
    }
}
