//! What was not sent on yet. Measurements may have to go elsewhere, too: to Elasticsearch. Whoever sends them says how far it
//! is, and retention waits for it, within bounds; what goes unsent all the same is counted.

use std::sync::atomic::Ordering;

use isochrone_proto::units::UnixMillis;
use redb::WriteTransaction;

use super::catalogue::Segment;
use crate::found::Found;
use crate::limits::Retention;
use crate::numbers::{Numbers, read_number};
use crate::tables::{META_UNSENT, META_UNSENT_AT};
use crate::tier::Tier;
use crate::{Store, StoreError};

/// What retention removed before it was sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemovedUnsent {
    /// Measurements, since the store was made.
    pub measurements: u64,
    /// When some were removed last.
    pub last: UnixMillis,
}

impl Store {
    /// Every commit up to this one was sent to where measurements go. From now on, until this process ends, retention keeps
    /// single measurements behind it for up to twice `retention.raw`, while the disk and `retention.total` have room.
    pub fn note_sent(&self, commit: u64) {
        self.0.segments.sent.store(commit, Ordering::Relaxed);
    }

    /// Every commit up to this one was sent; `None`: measurements go nowhere else.
    #[must_use]
    pub fn sent_up_to(&self) -> Option<u64> {
        let commit = self.0.segments.sent.load(Ordering::Relaxed);
        Some(commit).filter(|commit| *commit != u64::MAX)
    }

    /// What retention removed before it was sent; `None`: nothing.
    ///
    /// # Errors
    /// When the store failed.
    pub fn removed_unsent(&self) -> Result<Option<RemovedUnsent>, StoreError> {
        self.read(|transaction| {
            let measurements = read_number(transaction, self.found(), META_UNSENT)?;
            let last = UnixMillis(read_number(transaction, self.found(), META_UNSENT_AT)?);
            Ok((measurements > 0).then_some(RemovedUnsent { measurements, last }))
        })
    }

    /// How far it was sent, and whether there is room to wait for the rest.
    pub(super) fn sent(&self) -> Sent {
        let commit = self.0.segments.sent.load(Ordering::Relaxed);
        Sent {
            commit,
            has_room: commit != u64::MAX && self.reserve().shortage().is_none(),
        }
    }
}

/// How far measurements were sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Every commit up to this one was.
    pub(super) commit: u64,
    /// What is behind it may stay a while.
    pub(super) has_room: bool,
}

impl Sent {
    /// Whether a segment stays because of what in it was not sent. Where segments are too large, none does: the lead has
    /// said how much they may take.
    pub(super) fn holds(&self, segment: &Segment, retention: &Retention, now: UnixMillis) -> bool {
        let limit = now.minus(retention.raw * MOST);
        segment.tier == Tier::Raw
            && self.has_room
            && segment.span.last > self.commit
            && segment.slots.1 >= limit
    }
}

/// Notes that so many measurements go unsent.
pub(super) fn note(
    transaction: &WriteTransaction,
    found: &Found,
    (measurements, now): (u64, UnixMillis),
) -> Result<(), StoreError> {
    if measurements == 0 {
        return Ok(());
    }
    let mut numbers = Numbers::open(transaction, found)?;
    let before = numbers.get(META_UNSENT)?;
    numbers.set(META_UNSENT, before + measurements)?;
    numbers.set(META_UNSENT_AT, now.0)
}

/// So many times `retention.raw` unsent measurements are kept.
const MOST: u32 = 2;
