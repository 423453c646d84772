//! Epochs that went on elsewhere: a cloned or restored machine wrote other batches under their numbers.

use std::sync::Arc;

use isochrone_proto::ids::{EpochId, Sequence};

use super::Spool;

impl Spool {
    /// The collector has other batches under this epoch's numbers: what is held above the last mark that
    /// was acknowledged here is sent, one record at a time, so that it is counted, and then dropped.
    /// `counted` is the sequence that the collector has just counted, if it was that which told the fork.
    pub fn fork(&mut self, epoch: EpochId, counted: Option<Sequence>) {
        let disk = Arc::clone(&self.disk);
        let Some(log) = self.log_mut(epoch) else {
            return;
        };
        let was_forked = std::mem::replace(&mut log.forked, true);
        let counted = counted.unwrap_or_default().max(log.stored);
        let changed = !was_forked || counted > log.stored;
        log.stored = counted;
        if changed {
            log.settle(&*disk);
            self.marks_changed = true;
            self.save_marks();
        }
    }

    /// The record of a forked epoch that is being sent ends at `last`: an acknowledgement counts up to there.
    /// Tells how often the collector broke the connection over this record (`Spool::asked_in_vain`); `None` if
    /// the epoch was given up.
    pub fn asking(&mut self, epoch: EpochId, last: Sequence) -> Option<u32> {
        let log = self.log_mut(epoch)?;
        if log.asking != last {
            (log.asking, log.asked) = (last, 0);
        }
        Some(log.asked)
    }

    /// The collector ended the connection because it did not understand something: perhaps the record of a
    /// forked epoch that waits for an answer. Any other end says nothing about it.
    pub(crate) fn asked_in_vain(&mut self) {
        let waiting = self
            .logs
            .values_mut()
            .filter(|log| log.forked && log.asking > log.stored);
        waiting.for_each(|log| log.asked += 1);
    }

    /// Whether an epoch is forked.
    #[must_use]
    pub fn is_forked(&self, epoch: EpochId) -> bool {
        self.log(epoch).is_some_and(|log| log.forked)
    }

    /// Drops a forked epoch. What the collector has not counted, because it does not answer for it, is counted
    /// as dropped; how many measurements that are.
    pub(crate) fn drop_forked(&mut self, epoch: EpochId) -> u64 {
        let current = self.current();
        let log = self.log(epoch);
        let Some(log) = log.filter(|log| log.forked && Some(log.epoch) != current) else {
            return 0;
        };
        let (ordinal, uncounted, is_own) = (log.ordinal, log.unstored_rows(), log.is_own());
        self.count_dropped(uncounted, is_own);
        let segments = self.logs.remove(&ordinal).map(|log| log.segments);
        for segment in segments.into_iter().flatten() {
            // Emptied first, which is durable: a file that a power cut brings back must not be sent as new.
            if let Err(error) = self.disk.truncate(&segment.name, 0) {
                tracing::warn!(%error, file = segment.name, "a forked spool file could not be emptied");
            }
            self.remove_segment(&segment);
        }
        self.marks_changed = true;
        self.save_marks();
        uncounted
    }
}
