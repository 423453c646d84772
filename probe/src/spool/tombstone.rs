//! What stands in the place of batches that are gone: made from the batches themselves when they are
//! dropped, from the batch after them when they are damaged.

use std::collections::BTreeMap;
use std::time::Duration;

use isochrone_proto::batch::Batch;
use isochrone_proto::ids::{Digest, Sequence};
use isochrone_proto::ledger::{DropCause, HourCount, Tombstone};
use isochrone_proto::units::Hour;

/// The tombstone of one batch that is dropped.
pub(super) fn of_batch(batch: &Batch, digest: Digest, cause: DropCause) -> Tombstone {
    Tombstone {
        epoch: batch.header.epoch,
        first: batch.header.sequence,
        last: batch.header.sequence,
        last_digest: digest,
        cut: batch.header.cut,
        hours: batch.header.hours.clone(),
        adopted: vec![batch.header.adopted],
        cause,
    }
}

/// The collector stores nothing of hours that ended so long before; nor needs a tombstone to tell of them.
pub(super) const TOLD_BACK: Duration = Duration::from_secs(30 * 86_400);
/// Adoptions in one tombstone: the newest ones, so that it fits into a record whatever happened.
const ADOPTIONS_MAX: usize = 1_024;

/// One tombstone for several that follow each other.
#[derive(Debug, Default)]
pub(super) struct Joined {
    whole: Option<Tombstone>,
    hours: BTreeMap<Hour, HourCount>,
}

impl Joined {
    /// Adds what follows. Its counts are cumulative, so they stand; of two causes the graver one does.
    pub(super) fn add(&mut self, mut later: Tombstone) {
        for count in std::mem::take(&mut later.hours) {
            self.hours.insert(count.hour, count);
        }
        let Some(whole) = &mut self.whole else {
            self.whole = Some(later);
            return;
        };
        for adoption in later.adopted {
            let known = whole.adopted.last() == Some(&adoption) || whole.adopted.contains(&adoption);
            if !known {
                whole.adopted.push(adoption);
            }
        }
        whole.last = later.last;
        whole.last_digest = later.last_digest;
        whole.cut = later.cut;
        whole.cause = whole.cause.min(later.cause);
    }

    /// The whole; `None` if nothing was added.
    pub(super) fn finish(self) -> Option<Tombstone> {
        let mut whole = self.whole?;
        let oldest = whole.cut.minus(TOLD_BACK).hour();
        whole.hours = self
            .hours
            .into_values()
            .filter(|count| count.hour >= oldest)
            .collect();
        // The plan in force when the oldest hour began, and all after it.
        let over = whole.adopted.iter().skip(1);
        let over = over.take_while(|next| next.first_slot <= oldest.start()).count();
        let surplus = whole.adopted.len().saturating_sub(ADOPTIONS_MAX);
        whole.adopted.drain(..over.max(surplus));
        Some(whole)
    }
}

/// One tombstone for two that follow each other.
pub(super) fn join(earlier: Option<Tombstone>, later: Tombstone) -> Tombstone {
    let mut joined = Joined::default();
    for tombstone in earlier.into_iter().chain([later]) {
        joined.add(tombstone);
    }
    joined.finish().expect("one was added at least")
}

/// The tombstone of damaged batches `first` up to the one before `next`, from what `next` says: its counts
/// are cumulative, so the damaged batches' are these without `next`'s own rows and skipped slots, which at
/// that point were still under way.
pub(super) fn before_batch(first: Sequence, next: &Batch) -> Tombstone {
    let header = &next.header;
    let mut hours = header.hours.clone();
    for (_, slot) in next.slots() {
        if let Some(count) = hours.iter_mut().find(|count| count.hour == slot.hour()) {
            let own = count.run.min(1);
            count.run -= own;
            count.pending += own;
        }
    }
    for range in &header.skipped {
        // The range's later slots may lie in later hours: take them where they fit.
        let mut left = u64::from(range.count);
        let from = range.first_slot.hour();
        for count in hours.iter_mut().filter(|count| count.hour >= from) {
            let own = count.skipped.min(left);
            count.skipped -= own;
            count.pending += own;
            left -= own;
        }
    }
    for count in &mut hours {
        count.planned = count.run + count.skipped;
    }
    Tombstone {
        epoch: header.epoch,
        first,
        last: Sequence(header.sequence.0 - 1),
        last_digest: header.previous,
        cut: header.cut,
        hours,
        adopted: vec![header.adopted],
        cause: DropCause::Corrupt,
    }
}
