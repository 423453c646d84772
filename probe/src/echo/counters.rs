//! What the echo sockets saw beside the outcomes, counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::admission::DropReason;

/// Counts, of a while or since the process started. The probe's status shows each; the batch header's events
/// tell late and second replies, and everything that was dropped or foreign as one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EchoCounters {
    /// Authentic replies after their timeout. They change no outcome.
    pub late_replies: u64,
    /// Second copies of authentic replies.
    pub duplicate_replies: u64,
    /// Datagrams on the prober's sockets that were no reply to anything asked.
    pub foreign_replies: u64,
    /// Replies without a believable kernel stamp.
    pub user_stamps: u64,
    /// Requests that this responder answered.
    pub answered: u64,
    /// Answers that this machine could not send.
    pub unsent_answers: u64,
    /// Datagrams that this responder dropped.
    pub dropped: DropCounts,
}

/// Datagrams that a responder dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropCounts {
    /// `DropReason::Malformed`.
    pub malformed: u64,
    /// `DropReason::NotARequest`.
    pub not_a_request: u64,
    /// `DropReason::UnknownProber`.
    pub unknown_prober: u64,
    /// `DropReason::UnknownKeyEpoch`.
    pub unknown_key_epoch: u64,
    /// `DropReason::RateLimited`.
    pub rate_limited: u64,
    /// `DropReason::WrongTag`.
    pub wrong_tag: u64,
}

impl DropCounts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        [
            self.malformed,
            self.not_a_request,
            self.unknown_prober,
            self.unknown_key_epoch,
            self.rate_limited,
            self.wrong_tag,
        ]
        .into_iter()
        .sum()
    }
}

impl EchoCounters {
    /// What was counted after `earlier`.
    fn since(&self, earlier: &Self) -> Self {
        let (now, then) = (&self.dropped, &earlier.dropped);
        Self {
            late_replies: self.late_replies - earlier.late_replies,
            duplicate_replies: self.duplicate_replies - earlier.duplicate_replies,
            foreign_replies: self.foreign_replies - earlier.foreign_replies,
            user_stamps: self.user_stamps - earlier.user_stamps,
            answered: self.answered - earlier.answered,
            unsent_answers: self.unsent_answers - earlier.unsent_answers,
            dropped: DropCounts {
                malformed: now.malformed - then.malformed,
                not_a_request: now.not_a_request - then.not_a_request,
                unknown_prober: now.unknown_prober - then.unknown_prober,
                unknown_key_epoch: now.unknown_key_epoch - then.unknown_key_epoch,
                rate_limited: now.rate_limited - then.rate_limited,
                wrong_tag: now.wrong_tag - then.wrong_tag,
            },
        }
    }
}

/// The same, shared by the receiving tasks.
#[derive(Debug, Default)]
pub(crate) struct SharedCounters {
    pub(crate) late_replies: AtomicU64,
    pub(crate) duplicate_replies: AtomicU64,
    pub(crate) foreign_replies: AtomicU64,
    pub(crate) user_stamps: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) unsent_answers: AtomicU64,
    malformed: AtomicU64,
    not_a_request: AtomicU64,
    unknown_prober: AtomicU64,
    unknown_key_epoch: AtomicU64,
    rate_limited: AtomicU64,
    wrong_tag: AtomicU64,
    /// What was counted when they were last taken.
    taken: Mutex<EchoCounters>,
}

impl SharedCounters {
    pub(crate) fn dropped(&self, reason: DropReason) {
        count(match reason {
            DropReason::Malformed => &self.malformed,
            DropReason::NotARequest => &self.not_a_request,
            DropReason::UnknownProber => &self.unknown_prober,
            DropReason::UnknownKeyEpoch => &self.unknown_key_epoch,
            DropReason::RateLimited => &self.rate_limited,
            DropReason::WrongTag => &self.wrong_tag,
        });
    }

    /// What was counted since the last call.
    pub(crate) fn take(&self) -> EchoCounters {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = self.counted();
        let before = std::mem::replace(&mut *taken, counted);
        counted.since(&before)
    }

    /// What was counted since the process started.
    pub(crate) fn counted(&self) -> EchoCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        EchoCounters {
            late_replies: read(&self.late_replies),
            duplicate_replies: read(&self.duplicate_replies),
            foreign_replies: read(&self.foreign_replies),
            user_stamps: read(&self.user_stamps),
            answered: read(&self.answered),
            unsent_answers: read(&self.unsent_answers),
            dropped: DropCounts {
                malformed: read(&self.malformed),
                not_a_request: read(&self.not_a_request),
                unknown_prober: read(&self.unknown_prober),
                unknown_key_epoch: read(&self.unknown_key_epoch),
                rate_limited: read(&self.rate_limited),
                wrong_tag: read(&self.wrong_tag),
            },
        }
    }
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
