//! What stands in the place of batches that are gone: made from the batches themselves when they are
//! dropped, from the batch after them when they are damaged.

use std::collections::BTreeMap;

use isochrone_proto::batch::Batch;
use isochrone_proto::ids::{Digest, Sequence};
use isochrone_proto::ledger::{Adoption, DropCause, HourCount, Tombstone};
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

/// One tombstone for two that follow each other. The counts are cumulative, so the later ones stand.
pub(super) fn join(earlier: Option<Tombstone>, later: Tombstone) -> Tombstone {
    let Some(earlier) = earlier else {
        return later;
    };
    let mut hours: BTreeMap<Hour, HourCount> = BTreeMap::new();
    for count in earlier.hours.iter().chain(&later.hours) {
        hours.insert(count.hour, *count);
    }
    let mut adopted: Vec<Adoption> = earlier.adopted;
    for adoption in later.adopted {
        if !adopted.contains(&adoption) {
            adopted.push(adoption);
        }
    }
    let cause = if earlier.cause == later.cause {
        later.cause
    } else {
        DropCause::Full
    };
    Tombstone {
        epoch: later.epoch,
        first: earlier.first,
        last: later.last,
        last_digest: later.last_digest,
        cut: later.cut,
        hours: hours.into_values().collect(),
        adopted,
        cause,
    }
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
