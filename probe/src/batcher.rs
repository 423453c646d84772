//! Makes an epoch's results into batches: at most 1,000 measurements or a second each, numbered, chained by
//! digest, with the account up to their cut.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::codec;
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, Sequence};
use isochrone_proto::ledger::{Adoption, Event, SkippedRange};
use isochrone_proto::limits::BATCH_ROWS_MAX;
use isochrone_proto::measurement::Measurement;
use isochrone_proto::plan::Plan;
use isochrone_proto::units::UnixMillis;

use crate::account::Account;

/// A batch waits this long for more, in slot time.
pub(crate) const BATCH_AGE_MAX: Duration = Duration::from_secs(1);
/// Some measurements carry texts: with more of them a batch could exceed its bytes.
const WORDY_ROWS_MAX: usize = 200;
/// Ranges of skipped slots in one batch, for the same reason.
const RANGES_MAX: usize = 4_000;

/// One epoch's batches in the making. It holds what came in since the last batch, and nothing older; it
/// never refuses anything: what comes in is bounded by the plan's runs under way.
#[derive(Debug)]
pub(crate) struct Batcher {
    epoch: EpochId,
    sequence: Sequence,
    previous: Digest,
    account: Account,
    waiting: BTreeMap<PlanVersion, Waiting>,
    events: Vec<Event>,
    source_ports: Vec<u16>,
    told: Option<Adoption>,
    oldest: Option<UnixMillis>,
    ended: bool,
}

/// What waits for a batch of its plan.
#[derive(Debug, Default)]
struct Waiting {
    /// Those of a few bytes each.
    terse: VecDeque<Measurement>,
    /// Those that may carry texts.
    wordy: VecDeque<Measurement>,
    skipped: VecDeque<SkippedRange>,
}

/// A batch and its encoded form.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub batch: Batch,
    /// What is spooled, hashed and sent.
    pub payload: Vec<u8>,
}

impl Batcher {
    /// An epoch without batches. Its first one tells the echo sockets' ports.
    #[must_use]
    pub(crate) fn new(epoch: EpochId, source_ports: Vec<u16>) -> Self {
        Self {
            epoch,
            sequence: Sequence::NONE,
            previous: Digest::ZERO,
            account: Account::default(),
            waiting: BTreeMap::new(),
            events: Vec::new(),
            source_ports,
            told: None,
            oldest: None,
            ended: false,
        }
    }

    #[must_use]
    pub(crate) fn epoch(&self) -> EpochId {
        self.epoch
    }

    /// From `first_slot` on the epoch follows `plan`.
    pub(crate) fn adopt(&mut self, plan: &Plan, first_slot: UnixMillis) {
        self.account.adopt(plan, first_slot);
    }

    /// The epoch plans nothing at or after `end`.
    pub(crate) fn end_at(&mut self, end: UnixMillis) {
        self.account.end_at(end);
    }

    /// A run ended at `now`.
    pub(crate) fn ran(&mut self, plan: PlanVersion, measurement: Measurement, now: UnixMillis) {
        let waiting = self.waiting.entry(plan).or_default();
        if measurement.outcome.carries_text() {
            waiting.wordy.push_back(measurement);
        } else {
            waiting.terse.push_back(measurement);
        }
        self.oldest.get_or_insert(now);
    }

    /// Slots were not run.
    pub(crate) fn skipped(&mut self, plan: PlanVersion, range: SkippedRange, now: UnixMillis) {
        let waiting = self.waiting.entry(plan).or_default();
        match waiting
            .skipped
            .back_mut()
            .filter(|last| last.count < u32::MAX / 2)
        {
            Some(last) if self.account.follows(plan, last, &range) => last.count += range.count,
            _ => waiting.skipped.push_back(range),
        }
        self.oldest.get_or_insert(now);
    }

    /// Something else happened. It travels with the next batch, and makes none of its own.
    pub(crate) fn event(&mut self, event: Event) {
        use Event::{CorruptRecords, DuplicateReplies, ForeignDatagrams, LateReplies, SelfStall};
        for known in &mut self.events {
            match (known, event) {
                (LateReplies { count }, LateReplies { count: more })
                | (DuplicateReplies { count }, DuplicateReplies { count: more })
                | (ForeignDatagrams { count }, ForeignDatagrams { count: more })
                | (CorruptRecords { count }, CorruptRecords { count: more }) => {
                    *count = count.saturating_add(more);
                    return;
                }
                (SelfStall { worst_us }, SelfStall { worst_us: other }) => {
                    *worst_us = other.max(*worst_us);
                    return;
                }
                _ => {}
            }
        }
        self.events.push(event);
    }

    /// Whether a batch is full or old enough at `now`, or an adoption has come into force and is not told.
    #[must_use]
    pub(crate) fn is_due(&self, now: UnixMillis) -> bool {
        let is_old = self
            .oldest
            .is_some_and(|oldest| now.since(oldest) >= BATCH_AGE_MAX);
        is_old || self.is_full() || self.has_untold_adoption(now)
    }

    /// Whether an adoption has come into force by `now` that no batch told yet.
    #[must_use]
    pub(crate) fn has_untold_adoption(&self, now: UnixMillis) -> bool {
        let adopted = self
            .account
            .adoption_at(now)
            .filter(|adopted| adopted.first_slot < now);
        adopted.is_some() && adopted != self.told
    }

    /// Everything that waits, as batches of one plan each, cut at `cut`: every slot that was begun, run or
    /// skipped lies before it.
    pub(crate) fn close(&mut self, cut: UnixMillis) -> Vec<Sealed> {
        let mut sealed = Vec::new();
        while let Some(passed) = self.account.passed_over(self.told, cut) {
            // after a suspension: what was adopted and replaced meanwhile is told all the same
            let plan = self.account.adoption_at(passed).map(|adopted| adopted.version);
            self.seal_one(plan.unwrap_or_default(), Waiting::default(), passed, &mut sealed);
        }
        while let Some((plan, waiting)) = self.waiting.pop_first() {
            let rest = self.seal_one(plan, waiting, cut, &mut sealed);
            if let Some(rest) = rest {
                self.waiting.insert(plan, rest);
            }
        }
        if sealed.is_empty() && self.has_untold_adoption(cut) {
            let plan = self.account.adoption_at(cut).map(|adopted| adopted.version);
            self.seal_one(plan.unwrap_or_default(), Waiting::default(), cut, &mut sealed);
        }
        self.oldest = None;
        sealed
    }

    /// The last batches: after them the epoch holds nothing more. An epoch that adopted no plan has none.
    pub(crate) fn finish(&mut self, cut: UnixMillis) -> Vec<Sealed> {
        let mut sealed = self.close(cut);
        if self.ended {
            return sealed;
        }
        self.ended = true;
        if let Some(adopted) = self.account.adoption_at(cut) {
            self.events.push(Event::Closed);
            self.seal_one(adopted.version, Waiting::default(), cut, &mut sealed);
        }
        sealed
    }

    fn is_full(&self) -> bool {
        self.waiting.values().any(|waiting| {
            waiting.wordy.len() >= WORDY_ROWS_MAX
                || waiting.terse.len() + waiting.wordy.len() >= BATCH_ROWS_MAX
        })
    }

    /// Seals one batch; what does not fit into it is given back.
    fn seal_one(
        &mut self,
        plan: PlanVersion,
        mut waiting: Waiting,
        cut: UnixMillis,
        sealed: &mut Vec<Sealed>,
    ) -> Option<Waiting> {
        let adopted = self.account.adoption_at(cut)?;
        let wordy = waiting.wordy.len().min(WORDY_ROWS_MAX);
        let mut rows: Vec<Measurement> = waiting.wordy.drain(..wordy).collect();
        let terse = waiting.terse.len().min(BATCH_ROWS_MAX - wordy);
        rows.extend(waiting.terse.drain(..terse));
        rows.sort_by_key(|row| (row.slot, row.check));
        let ranges = waiting.skipped.len().min(RANGES_MAX);
        let skipped: Vec<SkippedRange> = waiting.skipped.drain(..ranges).collect();
        for row in &rows {
            self.account.ran(row.slot);
        }
        for range in &skipped {
            self.account.skipped(plan, range);
        }
        self.sequence = self.sequence.next();
        let header = BatchHeader {
            epoch: self.epoch,
            sequence: self.sequence,
            previous: self.previous,
            adopted,
            plan,
            cut,
            hours: self.account.counts(cut),
            skipped,
            events: std::mem::take(&mut self.events),
            source_ports: std::mem::take(&mut self.source_ports),
        };
        let batch = Batch::pack(header, &rows).expect("no more rows were taken than a batch may hold");
        let payload = codec::encode_batch(&batch);
        self.previous = Digest::of(&payload);
        self.told = Some(adopted);
        sealed.push(Sealed { batch, payload });
        let is_empty = waiting.terse.is_empty() && waiting.wordy.is_empty() && waiting.skipped.is_empty();
        (!is_empty).then_some(waiting)
    }
}

#[cfg(test)]
mod tests;
