//! What is known in memory of one epoch's segments.

use std::collections::VecDeque;
use std::io;

use isochrone_proto::codec;
use isochrone_proto::control::EpochState;
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, Sequence};
use isochrone_proto::ledger::Tombstone;
use isochrone_proto::units::UnixMillis;

use super::SpoolError;
use super::name::SegmentName;
use super::record::{self, HEADER_BYTES, ItemKind, RecordHeader};
use crate::disk::Disk;

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
    /// How many connections the collector ended over it.
    pub(super) asked: u32,
    /// A batch said that it is the last.
    pub(super) closed: bool,
    /// Opened by this process, so that more may come.
    own: bool,
    /// The last segment takes no more records.
    sealed: bool,
    /// Records that were there when their file was read before, and are not counted yet.
    lost: u32,
    /// What the disk refused.
    pub(super) pending: Option<Tombstone>,
    pub(super) pending_closes: bool,
}

/// One file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) bytes: u64,
    first: Sequence,
    last: Sequence,
    /// Measurements in it, and those of them that are not stored.
    rows: u64,
    unstored: u64,
    has_batches: bool,
    records: u32,
    /// Records that were there when the file was read before.
    lost: u32,
    /// Plans in force in it, in order.
    pub(super) plans: Vec<PlanVersion>,
    /// Its records, while they are written or sent; else the file is read again when they are asked for.
    index: Option<Vec<Item>>,
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) first: Sequence,
    pub(super) last: Sequence,
    pub(super) offset: u64,
    length: u32,
    rows: u16,
}

/// What is appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'p> {
    pub(super) header: RecordHeader,
    pub(super) payload: &'p [u8],
    /// Of the last batch that it covers.
    pub(super) digest: Digest,
}

impl Item {
    fn new(header: &RecordHeader, offset: u64) -> Self {
        Self {
            first: header.first,
            last: header.last,
            offset,
            length: header.length,
            rows: header.rows,
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
            first: Sequence::NONE,
            last: Sequence::NONE,
            rows: 0,
            unstored: 0,
            has_batches: false,
            records: 0,
            lost: 0,
            plans: Vec::new(),
            index: Some(Vec::new()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first == Sequence::NONE
    }

    pub(super) fn last(&self) -> Sequence {
        self.last
    }

    /// Holds nothing but tombstones: dropping it again would gain nothing.
    pub(super) fn is_tombstone(&self) -> bool {
        !self.has_batches
    }

    /// Takes in a record that stands at `offset`.
    pub(super) fn push(&mut self, header: &RecordHeader, offset: u64) {
        if self.is_empty() {
            self.first = header.first;
        }
        self.last = header.last;
        self.records += 1;
        self.rows += u64::from(header.rows);
        self.unstored += u64::from(header.rows);
        self.has_batches |= header.kind == ItemKind::Batch;
        if self.plans.last() != Some(&header.adopted) {
            self.plans.push(header.adopted);
        }
        if let Some(index) = &mut self.index {
            index.push(Item::new(header, offset));
        }
    }

    /// Its records; those that end at `before` or earlier are covered by an earlier file. What was there and is
    /// there no more is counted as lost.
    fn index(&mut self, disk: &dyn Disk, before: Sequence) -> io::Result<&[Item]> {
        if self.index.is_none() {
            let bytes = disk.read(&self.name)?;
            let records = record::scan(&bytes).records;
            let items = records
                .iter()
                .map(|(offset, header, _)| Item::new(header, *offset));
            let items: Vec<Item> = items.filter(|item| item.last > before).collect();
            self.lost += self.records.saturating_sub(items.len() as u32);
            self.take_over(items);
        }
        Ok(self.index.as_deref().unwrap_or_default())
    }

    fn take_over(&mut self, items: Vec<Item>) {
        self.records = items.len() as u32; // a file holds some MiB
        self.rows = items.iter().map(|item| u64::from(item.rows)).sum();
        self.first = items.first().map_or(Sequence::NONE, |item| item.first);
        self.last = items.last().map_or(Sequence::NONE, |item| item.last);
        self.index = Some(items);
    }

    /// Counts anew what is not stored.
    fn settle(&mut self, disk: &dyn Disk, before: Sequence, stored: Sequence) {
        self.unstored = match (self.first > stored, self.last > stored) {
            (true, _) => self.rows,
            (false, false) => 0,
            (false, true) => match self.index(disk, before) {
                Ok(items) => rows_after(items, stored),
                Err(_) => self.rows, // told when it is sent
            },
        };
    }

    fn leave_out(&mut self, damaged: &Item, stored: Sequence) {
        let Some(mut items) = self.index.take_if(|items| items.contains(damaged)) else {
            return;
        };
        items.retain(|item| item != damaged);
        self.take_over(items);
        let is_unstored = damaged.last > stored;
        self.unstored -= if is_unstored {
            u64::from(damaged.rows).min(self.unstored)
        } else {
            0
        };
    }
}

/// Measurements in the records that end after `stored`.
fn rows_after(items: &[Item], stored: Sequence) -> u64 {
    let waiting = items.iter().filter(|item| item.last > stored);
    waiting.map(|item| u64::from(item.rows)).sum()
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
            lost: 0,
            pending: None,
            pending_closes: false,
        }
    }

    pub(super) fn state(&self) -> EpochState {
        let first = self.segments.front().map(|segment| segment.first);
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

    /// Adds a file that was found. Its records are read again when they are asked for.
    pub(super) fn take_over(&mut self, mut segment: Segment) {
        let items = segment.index.take().unwrap_or_default();
        segment.unstored = rows_after(&items, self.stored);
        self.segments.push_back(segment);
    }

    pub(super) fn unstored_rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.unstored).sum()
    }

    /// After the mark changed: counts anew what is not stored, and forgets the records that are not needed.
    pub(super) fn settle(&mut self, disk: &dyn Disk) {
        let mut before = Sequence::NONE;
        for segment in &mut self.segments {
            segment.settle(disk, before, self.stored);
            before = segment.last;
        }
        self.forget_lost_records();
        self.forget_far_records();
    }

    /// Keeps the records of the file that is written, of the one that is being sent, and of the one after it:
    /// of a full spool of small batches they would take more memory than all the rest of the probe.
    fn forget_far_records(&mut self) {
        let sent = self
            .segments
            .partition_point(|segment| segment.last <= self.stored);
        let written = self.segments.len().checked_sub(1).filter(|_| self.may_grow());
        for (place, segment) in self.segments.iter_mut().enumerate() {
            if place != sent && place != sent + 1 && Some(place) != written {
                segment.index = None;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn records_in_memory(&self) -> usize {
        self.segments
            .iter()
            .filter_map(|segment| segment.index.as_ref())
            .map(Vec::len)
            .sum()
    }

    /// Nothing of it is written or sent now.
    pub(super) fn forget_records(&mut self) {
        for segment in &mut self.segments {
            segment.index = None;
        }
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
            segment.leave_out(damaged, self.stored);
        }
        self.forget_empty_segments();
    }

    fn forget_empty_segments(&mut self) {
        self.segments.retain(|segment| !segment.is_empty());
        self.sealed = true;
    }

    /// The first record that covers anything after `sent`, and its file.
    ///
    /// # Errors
    /// When a file cannot be read; its name.
    pub(super) fn item_after(
        &mut self,
        disk: &dyn Disk,
        sent: Sequence,
    ) -> Result<Option<(String, Item)>, (String, io::Error)> {
        loop {
            let place = self.segments.partition_point(|segment| segment.last <= sent);
            let before = place.checked_sub(1).and_then(|before| self.segments.get(before));
            let before = before.map_or(Sequence::NONE, Segment::last);
            let Some(segment) = self.segments.get_mut(place) else {
                return Ok(None);
            };
            let name = segment.name.clone();
            let items = segment.index(disk, before);
            let items = items.map_err(|error| (name.clone(), error))?;
            let item = items
                .get(items.partition_point(|item| item.last <= sent))
                .copied();
            if let Some(item) = item {
                return Ok(Some((name, item)));
            }
            self.forget_lost_records(); // the file ends earlier than it did
        }
    }

    /// Records that were lost since the last call.
    pub(super) fn take_lost(&mut self) -> u32 {
        self.forget_lost_records();
        std::mem::take(&mut self.lost)
    }

    fn forget_lost_records(&mut self) {
        let lost: u32 = self
            .segments
            .iter_mut()
            .map(|segment| std::mem::take(&mut segment.lost))
            .sum();
        if lost > 0 {
            self.lost += lost;
            self.forget_empty_segments();
        }
    }

    /// Writes the tombstone of what the disk refused, if there is one; how many bytes that took.
    pub(super) fn write_pending(&mut self, disk: &dyn Disk, segment_bytes: u64) -> Result<u64, SpoolError> {
        let Some(tombstone) = self.pending.clone() else {
            return Ok(0);
        };
        let payload = codec::encode_tombstone(&tombstone);
        let record = Record {
            header: RecordHeader::of_tombstone(&tombstone, self.pending_closes, payload.len()),
            payload: &payload,
            digest: tombstone.last_digest,
        };
        let bytes = self.write_record(disk, segment_bytes, record)?;
        self.pending = None;
        Ok(bytes)
    }

    /// Appends a record; how many bytes that took.
    pub(super) fn write_record(
        &mut self,
        disk: &dyn Disk,
        segment_bytes: u64,
        record: Record<'_>,
    ) -> Result<u64, SpoolError> {
        let sealed = record.header.seal(record.payload);
        let name = self.segment_for(record.header.first, segment_bytes);
        let offset = self.segments.back().map_or(0, |segment| segment.bytes);
        let cleared = if offset == 0 { clear(disk, &name) } else { Ok(()) };
        if let Err(source) = cleared.and_then(|()| disk.append(&name, &sealed)) {
            // A part may stand in the file: cut it off, and never append to this file again.
            if let Err(error) = disk.truncate(&name, offset) {
                tracing::debug!(%error, file = name, "a torn record stays until the spool is opened again");
            }
            self.give_up_segment();
            return Err(SpoolError::Disk {
                action: "write",
                file: name,
                source,
            });
        }
        self.push(&record.header, record.digest);
        Ok(sealed.len() as u64)
    }

    pub(super) fn segment_name(&self, first: Sequence) -> String {
        let name = SegmentName {
            ordinal: self.ordinal,
            first_slot: self.first_slot,
            epoch: self.epoch,
            first,
        };
        name.to_string()
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
        self.forget_far_records();
        let name = self.segment_name(first);
        self.segments.push_back(Segment::new(name.clone()));
        name
    }

    /// After a failed write: no more into this file. One that holds nothing is forgotten.
    pub(super) fn give_up_segment(&mut self) {
        if self.segments.back().is_some_and(Segment::is_empty) {
            self.segments.pop_back();
        }
        self.sealed = true;
    }

    /// No more into the last file, so that it can be dropped.
    pub(super) fn seal(&mut self) {
        self.sealed = true;
    }

    /// A record was appended to the last file.
    pub(super) fn push(&mut self, header: &RecordHeader, digest: Digest) {
        if let Some(segment) = self.segments.back_mut() {
            segment.push(header, segment.bytes);
            segment.bytes += header.record_bytes() as u64;
            self.last = header.last;
            self.last_digest = digest;
            self.closed |= header.closes;
        }
    }
}

/// A new segment begins with an empty file: torn bytes may stand under its name, of a write that failed and
/// could not be cut off.
fn clear(disk: &dyn Disk, name: &str) -> io::Result<()> {
    match disk.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
