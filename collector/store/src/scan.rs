//! Reading back what was stored, whether it is still in the log or in segments.

use std::iter::Peekable;
use std::ops::ControlFlow;
use std::sync::Arc;

use isochrone_proto::batch::Batch;
use isochrone_proto::codec;
use isochrone_proto::ids::{EpochId, ProbeId, Sequence};
use isochrone_proto::measurement::Measurement;
use isochrone_proto::plan::Plan;
use isochrone_proto::units::{Hour, UnixMillis};
use redb::{AccessGuard, ReadTransaction};

use super::tables::{LOG, LOG_HOURS};
use super::{Store, StoreError, StoredBlob};
use crate::found::Found;
use crate::heads::Head;
use crate::row::Malformed;
use crate::rows::{ReadRows, Whole};
use crate::segment::SealedLog;

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
    pub(crate) fn first_commit(
        &self,
        transaction: &ReadTransaction,
        found: &Found,
    ) -> Result<Option<u64>, StoreError> {
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

    /// The first and the last slot of which one is held by each batch in it.
    const fn slots_held(&self) -> (UnixMillis, UnixMillis) {
        (self.from, UnixMillis(self.until.0.saturating_sub(1)))
    }

    fn holds(&self, batch: &Facts) -> bool {
        let whole_time = self.from.0 == 0 && self.until.0 == u64::MAX;
        let in_time =
            whole_time || (batch.rows > 0 && batch.slots.1 >= self.from && batch.slots.0 < self.until);
        in_time && self.probe.is_none_or(|probe| probe == batch.probe)
    }
}

/// A stored batch.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its commit number.
    pub commit: u64,
    /// The probe that measured it.
    pub probe: ProbeId,
    /// The probe's epoch that it belongs to.
    pub epoch: EpochId,
    /// Its number in the epoch.
    pub sequence: Sequence,
    /// When it was received.
    pub received: UnixMillis,
    /// Decoded; its rows stand in it by column. Of a sealed one the digest of the batch before is not known any more.
    pub batch: Batch,
    /// The plan whose checks its rows name.
    pub plan: Arc<Plan>,
}

/// Where measurements lie: in the store, or elsewhere under the same names.
pub trait Scan {
    /// Why it cannot be read.
    type Error: From<StoreError>;

    /// Gives every batch in `range` to `each`, in whatever order, each measurement once. A batch may be given in parts.
    ///
    /// # Errors
    /// When it cannot be read. What was given by then is true.
    fn scan(&self, range: ScanRange, each: &mut dyn FnMut(Stored)) -> Result<(), Self::Error>;
}

impl Scan for Store {
    type Error = StoreError;

    fn scan(&self, range: ScanRange, each: &mut dyn FnMut(Stored)) -> Result<(), StoreError> {
        Self::scan(self, range, |stored| {
            each(stored);
            ControlFlow::Continue(())
        })
    }
}

impl Store {
    /// Gives every batch in `range` to `each`, in the order of commits, until it breaks: what is in the log and what is
    /// in segments alike. Sees both as they were when the call began. A damaged batch, and one whose plan is missing, is
    /// passed over, and named in [`Store::damage`]; so are the measurements of a damaged segment.
    ///
    /// # Errors
    /// When the store failed.
    pub fn scan(
        &self,
        range: ScanRange,
        each: impl FnMut(Stored) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.scan_of(range, &|_| true, each)
    }

    /// As [`Store::scan`], only of probes that `wants`.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub fn scan_of(
        &self,
        range: ScanRange,
        wants: &dyn Fn(ProbeId) -> bool,
        mut each: impl FnMut(Stored) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let holds = |facts: &Facts| range.holds(facts) && wants(facts.probe);
        let mut given = 0; // where pages could not be read, it begins again behind what was given
        self.read(|transaction| {
            let Some(first) = range.first_commit(transaction, self.found())? else {
                return Ok(());
            };
            let first = first.max(given + 1);
            let mut each = |stored: Stored| {
                given = stored.commit;
                each(stored)
            };
            let log = LOG.read(transaction, self.found())?;
            let mut logged = Logged {
                store: self,
                holds: &holds,
                log: &log,
                rows: log.range(first..)?.peekable(),
            };
            let sealed = SealedLog::read(transaction, self.found(), &self.0.segments)?;
            let mut is_over = false;
            let (slots, wanted) = (range.slots_held(), |head: &Head| holds(&Facts::of_head(head)));
            sealed.walk_within(slots, first, &wanted, &mut |head, runs| {
                let mut step = logged.give_until(head.commit, &mut each)?;
                if step.is_continue()
                    && let Some(batch) = batch_of(&head, &runs)
                {
                    let facts = Facts::of_head(&head);
                    step = self.give(head.commit, &facts, batch, &mut each)?;
                }
                is_over = step.is_break();
                Ok(step)
            })?;
            match is_over {
                true => Ok(()),
                false => logged.give_until(u64::MAX, &mut each).map(drop),
            }
        })
    }

    fn give(
        &self,
        commit: u64,
        facts: &Facts,
        batch: Batch,
        each: Each<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let version = batch.header.plan;
        let Some(plan) = self.plan(facts.probe, version)? else {
            self.note_missing_plan(facts.probe, version);
            return Ok(ControlFlow::Continue(()));
        };
        Ok(each(Stored {
            commit,
            probe: facts.probe,
            epoch: batch.header.epoch,
            sequence: batch.header.sequence,
            received: facts.received,
            batch,
            plan,
        }))
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

/// What a reader does with a batch.
type Each<'e> = &'e mut dyn FnMut(Stored) -> ControlFlow<()>;

/// A row of the log, with its commit number.
type LogRow<'l> = Result<(AccessGuard<'l, u64>, Whole<'l>), StoreError>;

/// What is still in the log.
struct Logged<'l, I: Iterator> {
    store: &'l Store,
    /// Which batches are wanted.
    holds: &'l dyn Fn(&Facts) -> bool,
    log: &'l ReadRows<'l, u64>,
    rows: Peekable<I>,
}

impl<'l, I: Iterator<Item = LogRow<'l>>> Logged<'l, I> {
    /// Gives the batches before commit `until` that were not given yet.
    fn give_until(&mut self, until: u64, each: Each<'_>) -> Result<ControlFlow<()>, StoreError> {
        let is_before = |row: &LogRow<'_>| row.as_ref().map_or(true, |(commit, _)| commit.value() < until);
        while let Some(row) = self.rows.next_if(is_before) {
            let (commit, row) = row?;
            let commit = commit.value();
            let decoded = self.log.decode(commit, &row, |row| {
                let blob = StoredBlob::decode(row)?;
                let is_wanted = (self.holds)(&Facts::of(&blob));
                is_wanted.then(|| content(&blob)).transpose()
            });
            if let Some(Some((facts, batch))) = decoded
                && self.store.give(commit, &facts, batch, each)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// What is known of a batch without its measurements.
struct Facts {
    probe: ProbeId,
    received: UnixMillis,
    rows: u16,
    slots: (UnixMillis, UnixMillis),
}

impl Facts {
    fn of(blob: &StoredBlob<'_>) -> Self {
        Self {
            probe: blob.probe,
            received: blob.received,
            rows: blob.rows,
            slots: blob.slots,
        }
    }

    fn of_head(head: &Head) -> Self {
        Self {
            probe: head.probe,
            received: head.received,
            rows: head.rows,
            slots: head.slots,
        }
    }
}

fn content(blob: &StoredBlob<'_>) -> Result<(Facts, Batch), Malformed> {
    let batch = codec::decode_batch(blob.payload).map_err(|_| Malformed::Content { what: "batch" })?;
    Ok((Facts::of(blob), batch))
}

/// A sealed batch as it came, but for the digest of the one before it; `None`: all its measurements are lost.
fn batch_of(head: &Head, runs: &[Measurement]) -> Option<Batch> {
    if runs.is_empty() && head.rows > 0 {
        return None;
    }
    let packed = Batch::pack(head.header.clone(), runs);
    packed
        .inspect_err(
            |error| tracing::error!(%error, commit = head.commit, "a sealed batch is larger than any"),
        )
        .ok()
}
