//! Reading the log back.

use std::ops::ControlFlow;
use std::sync::Arc;

use isochrone_proto::batch::Batch;
use isochrone_proto::codec;
use isochrone_proto::ids::{EpochId, ProbeId, Sequence};
use isochrone_proto::plan::Plan;
use isochrone_proto::units::{Hour, UnixMillis};
use redb::ReadTransaction;

use super::tables::{LOG, LOG_HOURS};
use super::{Store, StoreError, StoredBlob};
use crate::found::Found;
use crate::row::Malformed;

/// Which batches are read. The default is all of them.
#[derive(Clone, Copy, Debug)]
pub struct ScanRange {
    /// Only batches that hold a slot at or after this instant; batches without measurements are then left
    /// out.
    pub from: UnixMillis,
    /// Only batches that hold a slot before this instant; likewise.
    pub until: UnixMillis,
    /// Only batches committed after this number.
    pub after_commit: u64,
    /// Only batches of this probe.
    pub probe: Option<ProbeId>,
}

impl Default for ScanRange {
    fn default() -> Self {
        Self {
            from: UnixMillis(0),
            until: UnixMillis(u64::MAX),
            after_commit: 0,
            probe: None,
        }
    }
}

impl ScanRange {
    /// Batches that hold a slot in `[from, until)`. A batch may hold others beside it.
    #[must_use]
    pub fn slots(from: UnixMillis, until: UnixMillis) -> Self {
        Self {
            from,
            until,
            ..Self::default()
        }
    }

    /// The lowest commit number that can hold what is looked for, if any can.
    fn first_commit(&self, transaction: &ReadTransaction, found: &Found) -> Result<Option<u64>, StoreError> {
        let after = self.after_commit.saturating_add(1);
        if self.from.0 == 0 {
            return Ok(Some(after));
        }
        let mut first = None;
        for hour in LOG_HOURS.read(transaction, found)?.range(self.from.hour().0..)? {
            let (_, commit) = hour?;
            let commit = commit.number();
            first = Some(first.map_or(commit, |first: u64| first.min(commit)));
        }
        Ok(first.map(|first| first.max(after)))
    }

    fn holds(&self, blob: &StoredBlob<'_>) -> bool {
        let whole_time = self.from.0 == 0 && self.until.0 == u64::MAX;
        let in_time = whole_time || (blob.rows > 0 && blob.slots.1 >= self.from && blob.slots.0 < self.until);
        in_time && self.probe.is_none_or(|probe| probe == blob.probe)
    }
}

/// A batch of the log.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its place in the log.
    pub commit: u64,
    /// The probe that measured it.
    pub probe: ProbeId,
    /// The probe's epoch that it belongs to.
    pub epoch: EpochId,
    /// Its number in the epoch.
    pub sequence: Sequence,
    /// When it was received.
    pub received: UnixMillis,
    /// Decoded; its rows stand in it by column.
    pub batch: Batch,
    /// The plan whose checks its rows name.
    pub plan: Arc<Plan>,
}

impl Store {
    /// Gives every batch in `range` to `each`, in the order of commits, until it breaks. Sees the log as it
    /// was when the call began. A damaged batch, and one whose plan is missing, is passed over, and named in
    /// [`Store::damage`].
    ///
    /// # Errors
    /// When the store failed.
    pub fn scan(
        &self,
        range: ScanRange,
        mut each: impl FnMut(Stored) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut given = 0; // where pages could not be read, it begins again behind what was given
        self.read(|transaction| {
            let log = LOG.read(transaction, self.found())?;
            let Some(first) = range.first_commit(transaction, self.found())? else {
                return Ok(());
            };
            let first = first.max(given + 1);
            for row in log.range(first..)? {
                let (commit, row) = row?;
                let commit = commit.value();
                let decoded = log.decode(commit, &row, |row| {
                    let blob = StoredBlob::decode(row)?;
                    range.holds(&blob).then(|| content(&blob)).transpose()
                });
                let Some(Some((blob, batch))) = decoded else {
                    continue;
                };
                let version = batch.header.plan;
                let Some(plan) = self.plan(blob.probe, version)? else {
                    self.note_missing_plan(blob.probe, version);
                    continue;
                };
                let stored = Stored {
                    commit,
                    probe: blob.probe,
                    epoch: batch.header.epoch,
                    sequence: batch.header.sequence,
                    received: blob.received,
                    batch,
                    plan,
                };
                given = commit;
                if each(stored).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// The hour of the oldest batch's last slot; `None`: the log is empty.
    ///
    /// # Errors
    /// When the store failed.
    pub fn oldest_hour(&self) -> Result<Option<Hour>, StoreError> {
        self.read(|transaction| {
            let hours = LOG_HOURS.read(transaction, self.found())?;
            let oldest = hours.iter()?.next().transpose()?;
            Ok(oldest.map(|(hour, _)| Hour(hour.value())))
        })
    }
}

/// Whose a batch is and when it came.
struct Head {
    probe: ProbeId,
    received: UnixMillis,
}

fn content(blob: &StoredBlob<'_>) -> Result<(Head, Batch), Malformed> {
    let batch = codec::decode_batch(blob.payload).map_err(|_| Malformed::Content { what: "batch" })?;
    let head = Head {
        probe: blob.probe,
        received: blob.received,
    };
    Ok((head, batch))
}
