//! What is known in memory of one epoch's segments.

use std::collections::VecDeque;

use isochrone_proto::control::EpochState;
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, Sequence};
use isochrone_proto::ledger::Tombstone;
use isochrone_proto::units::UnixMillis;

use super::Spool;
use super::record::{HEADER_BYTES, ItemKind, RecordHeader};

/// One epoch.
#[derive(Debug)]
pub(super) struct EpochLog {
    pub(super) ordinal: u64,
    pub(super) epoch: EpochId,
    pub(super) first_slot: UnixMillis,
    pub(super) segments: VecDeque<Segment>,
    /// Highest sequence that was ever written.
    pub(super) last: Sequence,
    pub(super) last_digest: Digest,
    pub(super) stored: Sequence,
    pub(super) safe: Sequence,
    pub(super) forked: bool,
    /// Of a forked epoch: end of the record that is being sent.
    pub(super) asking: Sequence,
    /// How often that was sent.
    pub(super) asked: u32,
    /// A batch said that it is the last.
    pub(super) closed: bool,
    /// Opened by this process, so that more may come.
    own: bool,
    /// The last segment takes no more records.
    sealed: bool,
    /// What the disk refused.
    pub(super) pending: Option<Tombstone>,
    pub(super) pending_closes: bool,
}

/// One file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) items: Vec<Item>,
    /// Plans in force in it, in order.
    pub(super) plans: Vec<PlanVersion>,
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) first: Sequence,
    pub(super) last: Sequence,
    pub(super) offset: u64,
    length: u32,
    pub(super) rows: u16,
    pub(super) kind: ItemKind,
    closes: bool,
    adopted: PlanVersion,
}

impl Item {
    pub(super) fn new(header: &RecordHeader, offset: u64) -> Self {
        Self {
            first: header.first,
            last: header.last,
            offset,
            length: header.length,
            rows: header.rows,
            kind: header.kind,
            closes: header.closes,
            adopted: header.adopted,
        }
    }

    pub(super) fn record_bytes(&self) -> usize {
        HEADER_BYTES + self.length as usize
    }
}

impl Segment {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            bytes: 0,
            items: Vec::new(),
            plans: Vec::new(),
        }
    }

    pub(super) fn first(&self) -> Option<Sequence> {
        self.items.first().map(|item| item.first)
    }

    pub(super) fn last(&self) -> Sequence {
        self.items.last().map_or(Sequence::NONE, |item| item.last)
    }

    /// Holds nothing but tombstones: dropping it again would gain nothing.
    pub(super) fn is_tombstone(&self) -> bool {
        self.items.iter().all(|item| item.kind == ItemKind::Tombstone)
    }

    pub(super) fn push(&mut self, item: Item, bytes: u64) {
        self.bytes += bytes;
        if self.plans.last() != Some(&item.adopted) {
            self.plans.push(item.adopted);
        }
        self.items.push(item);
    }
}

impl EpochLog {
    pub(super) fn new(ordinal: u64, epoch: EpochId, first_slot: UnixMillis) -> Self {
        Self {
            own: true,
            ..Self::found(ordinal, epoch, first_slot)
        }
    }

    /// An epoch of an earlier process.
    pub(super) fn found(ordinal: u64, epoch: EpochId, first_slot: UnixMillis) -> Self {
        Self {
            ordinal,
            epoch,
            first_slot,
            segments: VecDeque::new(),
            last: Sequence::NONE,
            last_digest: Digest::ZERO,
            stored: Sequence::NONE,
            safe: Sequence::NONE,
            forked: false,
            asking: Sequence::NONE,
            asked: 0,
            closed: false,
            own: false,
            sealed: false,
            pending: None,
            pending_closes: false,
        }
    }

    pub(super) fn state(&self) -> EpochState {
        let first = self.segments.iter().find_map(Segment::first);
        EpochState {
            epoch: self.epoch,
            first_slot: self.first_slot,
            first_held: first.unwrap_or_default(),
            last: self.last,
            last_digest: self.last_digest,
            closed: self.closed || !self.own,
        }
    }

    pub(super) fn has_records(&self) -> bool {
        !self.segments.is_empty() || self.pending.is_some()
    }

    /// Whether this process opened it.
    pub(super) fn is_own(&self) -> bool {
        self.own
    }

    /// Whether more batches may come.
    pub(super) fn may_grow(&self) -> bool {
        self.own && !self.closed
    }

    /// Whether something is left to send, now or later.
    pub(super) fn has_unsent(&self) -> bool {
        self.last_held() > self.stored || self.pending.is_some() || self.may_grow() || self.forked
    }

    /// Whether everything is stored, and nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        !self.may_grow() && !self.has_unsent()
    }

    pub(super) fn unstored_rows(&self) -> u64 {
        let unstored = self
            .segments
            .iter()
            .rev()
            .take_while(|segment| segment.last() > self.stored);
        unstored
            .flat_map(|segment| &segment.items)
            .filter(|item| item.last > self.stored)
            .map(|item| u64::from(item.rows))
            .sum()
    }

    pub(super) fn plans(&self) -> impl Iterator<Item = PlanVersion> + '_ {
        let pending = self.pending.iter().flat_map(|tombstone| &tombstone.adopted);
        let held = self
            .segments
            .iter()
            .flat_map(|segment| segment.plans.iter().copied());
        held.chain(pending.map(|adoption| adoption.version))
    }

    pub(super) fn written_or_pending(&self) -> Sequence {
        let pending = self
            .pending
            .as_ref()
            .map_or(Sequence::NONE, |tombstone| tombstone.last);
        self.last.max(pending)
    }

    /// End of the last record that is held; what was written after it is damaged or gone.
    pub(super) fn last_held(&self) -> Sequence {
        self.segments.back().map_or(Sequence::NONE, Segment::last)
    }

    /// Forgets a damaged record.
    pub(super) fn leave_out(&mut self, damaged: &Item) {
        for segment in &mut self.segments {
            segment.items.retain(|item| item.first != damaged.first);
        }
        self.segments.retain(|segment| !segment.items.is_empty());
        self.sealed = true;
    }

    /// The first record that covers anything after `sent`, and its file.
    pub(super) fn item_after(&self, sent: Sequence) -> Option<(String, Item)> {
        let place = self.segments.partition_point(|segment| segment.last() <= sent);
        let segment = self.segments.get(place)?;
        let place = segment.items.partition_point(|item| item.last <= sent);
        segment.items.get(place).map(|item| (segment.name.clone(), *item))
    }

    /// Name of the segment that takes the record `first`: the last one, or a new one.
    pub(super) fn segment_for(&mut self, first: Sequence, segment_bytes: u64) -> String {
        let open = self
            .segments
            .back()
            .filter(|last| !self.sealed && last.bytes < segment_bytes);
        if let Some(open) = open {
            return open.name.clone();
        }
        self.sealed = false;
        let name = Spool::segment_name(self, first);
        self.segments.push_back(Segment::new(name.clone()));
        name
    }

    /// After a failed write: no more into this file. One that holds nothing is forgotten.
    pub(super) fn give_up_segment(&mut self) {
        if self.segments.back().is_some_and(|last| last.items.is_empty()) {
            self.segments.pop_back();
        }
        self.sealed = true;
    }

    /// No more into the last file, so that it can be dropped.
    pub(super) fn seal(&mut self) {
        self.sealed = true;
    }

    pub(super) fn push(&mut self, item: Item, bytes: u64, digest: Digest) {
        if let Some(segment) = self.segments.back_mut() {
            segment.push(item, bytes);
            self.last = item.last;
            self.last_digest = digest;
            self.closed |= item.closes;
        }
    }
}
