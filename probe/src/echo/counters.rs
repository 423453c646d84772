//! What the echo sockets saw beside the outcomes, counted.

use std::sync::atomic::{AtomicU32, Ordering};

use isochrone_proto::ledger::Event;

use super::admission::DropReason;

/// Counts since they were last taken. Each is in the batch header's events or in the probe's status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EchoCounters {
    /// Authentic replies after their timeout. They change no outcome.
    pub late_replies: u32,
    /// Second copies of authentic replies.
    pub duplicate_replies: u32,
    /// Datagrams on the prober's sockets that were no reply to anything asked.
    pub foreign_replies: u32,
    /// Replies without a believable kernel stamp.
    pub user_stamps: u32,
    /// Requests that this responder answered.
    pub answered: u32,
    /// Answers that this machine could not send.
    pub unsent_answers: u32,
    /// Datagrams that this responder dropped.
    pub dropped: DropCounts,
}

/// Datagrams that a responder dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropCounts {
    /// [`DropReason::Malformed`].
    pub malformed: u32,
    /// [`DropReason::NotARequest`].
    pub not_a_request: u32,
    /// [`DropReason::UnknownProber`].
    pub unknown_prober: u32,
    /// [`DropReason::UnknownKeyEpoch`].
    pub unknown_key_epoch: u32,
    /// [`DropReason::RateLimited`].
    pub rate_limited: u32,
    /// [`DropReason::WrongTag`].
    pub wrong_tag: u32,
}

impl DropCounts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u32 {
        [
            self.malformed,
            self.not_a_request,
            self.unknown_prober,
            self.unknown_key_epoch,
            self.rate_limited,
            self.wrong_tag,
        ]
        .into_iter()
        .fold(0, u32::saturating_add)
    }
}

impl EchoCounters {
    /// The events a batch tells of these; nothing where nothing was counted.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        let foreign = self.foreign_replies.saturating_add(self.dropped.total());
        let mut events = Vec::new();
        if self.late_replies > 0 {
            events.push(Event::LateReplies {
                count: self.late_replies,
            });
        }
        if self.duplicate_replies > 0 {
            events.push(Event::DuplicateReplies {
                count: self.duplicate_replies,
            });
        }
        if foreign > 0 {
            events.push(Event::ForeignDatagrams { count: foreign });
        }
        events
    }
}

/// The same, shared by the receiving tasks.
#[derive(Debug, Default)]
pub(crate) struct SharedCounters {
    pub(crate) late_replies: AtomicU32,
    pub(crate) duplicate_replies: AtomicU32,
    pub(crate) foreign_replies: AtomicU32,
    pub(crate) user_stamps: AtomicU32,
    pub(crate) answered: AtomicU32,
    pub(crate) unsent_answers: AtomicU32,
    malformed: AtomicU32,
    not_a_request: AtomicU32,
    unknown_prober: AtomicU32,
    unknown_key_epoch: AtomicU32,
    rate_limited: AtomicU32,
    wrong_tag: AtomicU32,
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

    pub(crate) fn take(&self) -> EchoCounters {
        let take = |counter: &AtomicU32| counter.swap(0, Ordering::Relaxed);
        EchoCounters {
            late_replies: take(&self.late_replies),
            duplicate_replies: take(&self.duplicate_replies),
            foreign_replies: take(&self.foreign_replies),
            user_stamps: take(&self.user_stamps),
            answered: take(&self.answered),
            unsent_answers: take(&self.unsent_answers),
            dropped: DropCounts {
                malformed: take(&self.malformed),
                not_a_request: take(&self.not_a_request),
                unknown_prober: take(&self.unknown_prober),
                unknown_key_epoch: take(&self.unknown_key_epoch),
                rate_limited: take(&self.rate_limited),
                wrong_tag: take(&self.wrong_tag),
            },
        }
    }
}

/// One more. A flood within a batch's second cannot reach 2^32.
pub(crate) fn count(counter: &AtomicU32) {
    counter.fetch_add(1, Ordering::Relaxed);
}
