//! Making room: what is safe elsewhere goes first, then what the collector stored, then the oldest of the
//! rest; a tombstone takes its place. When there are only tombstones, the oldest stored ones go.

use std::ops::RangeInclusive;

use isochrone_proto::codec;
use isochrone_proto::ids::{Digest, Sequence};
use isochrone_proto::ledger::{DropCause, Tombstone};
use isochrone_proto::units::UnixMillis;

use super::log::{EpochLog, Segment};
use super::record::{self, ItemKind, RecordHeader};
use super::tombstone::{self, Joined, TOLD_BACK};
use super::{Spool, SpoolError};
use crate::disk::Disk;

/// More epochs than this are not kept: the oldest that are stored are forgotten.
const EPOCHS_MAX: usize = 512;

/// Where a segment stands.
#[derive(Clone, Copy)]
struct Position {
    /// Its epoch's age.
    ordinal: u64,
    /// Its place among the epoch's segments.
    index: usize,
}

impl Spool {
    /// Makes room for `wanted` more bytes, as far as that can be done.
    pub(super) fn make_room(&mut self, wanted: u64) {
        while self.bytes + wanted > self.options.bytes_max {
            if self.evict_one().is_none() {
                return; // nothing but tombstones left that are still to be sent
            }
        }
    }

    /// Frees one segment, or most of it; `None` if there is none to free.
    pub(super) fn evict_one(&mut self) -> Option<()> {
        type Wanted<'w> = &'w dyn Fn(&EpochLog, &Segment) -> bool;
        let safe: Wanted<'_> = &|log, segment| segment.last() <= log.safe && !segment.is_tombstone();
        let stored: Wanted<'_> = &|log, segment| segment.last() <= log.stored && !segment.is_tombstone();
        let any: Wanted<'_> = &|_, segment| !segment.is_tombstone();
        let Some(position) = [safe, stored, any].iter().find_map(|wanted| self.oldest(wanted)) else {
            let told = self.oldest(&|log, segment| segment.last() <= log.stored)?;
            return self.evict(told);
        };
        match self.put_tombstone(position) {
            Ok(freed) => freed,
            Err(error) => {
                tracing::warn!(error = %error, "no room could be made in the spool");
                None
            }
        }
    }

    /// Forgets epochs of which everything is stored: the oldest, where there are too many, and those of which
    /// only a tombstone is left that ended too long before `now` for any collector to ask.
    pub(super) fn forget_oldest_epochs(&mut self, now: UnixMillis) {
        let told_from = now.minus(TOLD_BACK);
        let ends = self.logs.values().skip(1).map(|next| next.first_slot);
        let told_out = |(log, end): (&EpochLog, UnixMillis)| {
            let is_told = end < told_from && log.segments.iter().all(Segment::is_tombstone);
            (is_told && log.is_over()).then_some(log.ordinal)
        };
        let too_old: Vec<u64> = self.logs.values().zip(ends).filter_map(told_out).collect();
        let surplus = self.logs.len().saturating_sub(too_old.len() + EPOCHS_MAX);
        let over = self
            .logs
            .values()
            .filter(|log| log.is_over() && !too_old.contains(&log.ordinal));
        let oldest: Vec<u64> = over.map(|log| log.ordinal).take(surplus).collect();
        for ordinal in too_old.into_iter().chain(oldest) {
            for segment in self
                .logs
                .remove(&ordinal)
                .into_iter()
                .flat_map(|log| log.segments)
            {
                self.remove_segment(&segment);
            }
            self.marks_changed = true;
        }
    }

    fn oldest(&self, wanted: &dyn Fn(&EpochLog, &Segment) -> bool) -> Option<Position> {
        self.logs.iter().find_map(|(ordinal, log)| {
            let index = log.segments.iter().position(|segment| wanted(log, segment))?;
            Some(Position {
                ordinal: *ordinal,
                index,
            })
        })
    }

    /// Drops a segment; `None` if there is none.
    fn evict(&mut self, position: Position) -> Option<()> {
        let log = self.logs.get_mut(&position.ordinal)?;
        let segment = log.segments.remove(position.index)?;
        if position.index == log.segments.len() {
            log.seal(); // it was the last
        }
        let is_gone = !log.has_records() && !log.may_grow();
        self.remove_segment(&segment);
        if is_gone {
            self.logs.remove(&position.ordinal);
            self.marks_changed = true;
        }
        Some(())
    }

    /// Puts one tombstone in the place of a segment, joined with the tombstones right before it; `None` if there
    /// is no such segment. The new file is there before the old ones go. Of what the collector has stored nothing
    /// counts as dropped: the tombstone is for a collector that is restored from an older copy.
    fn put_tombstone(&mut self, position: Position) -> Result<Option<()>, SpoolError> {
        let Some(log) = self.logs.get_mut(&position.ordinal) else {
            return Ok(None);
        };
        let Some(last) = log.segments.get(position.index).map(Segment::last) else {
            return Ok(None);
        };
        let (stored, is_own) = (log.stored, log.is_own());
        let is_stored = last <= stored;
        let joins = |before: &&Segment| before.is_tombstone() && (before.last() <= stored) == is_stored;
        let before = log.segments.range(..position.index).rev().take_while(joins);
        let places = position.index - before.count()..=position.index;
        let Removed {
            joined,
            dropped,
            closes,
        } = Removed::read(&*self.disk, log, places.clone())?;
        let Some(tombstone) = joined.finish() else {
            return Ok(self.evict(position)); // nothing in it can be read: the batch after it will say so
        };
        let replaced = log.replace_by(&*self.disk, places, &tombstone, closes)?;
        self.bytes += replaced.bytes;
        for old in replaced.segments {
            if old.name == replaced.file {
                self.bytes = self.bytes.saturating_sub(old.bytes); // overwritten in place
            } else {
                self.remove_segment(&old);
            }
        }
        if is_stored {
            tracing::debug!(epoch = %tombstone.epoch, first = tombstone.first.0, last = tombstone.last.0,
                "stored measurements left the spool");
            return Ok(Some(()));
        }
        self.count_dropped(dropped, is_own);
        tracing::error!(epoch = %tombstone.epoch, first = tombstone.first.0, last = tombstone.last.0,
            rows = dropped, "the spool is full: its oldest measurements were dropped");
        Ok(Some(()))
    }
}

/// What a tombstone took the place of.
struct Replaced {
    /// The tombstone's file.
    file: String,
    bytes: u64,
    /// They are no longer part of the log; their files are still there.
    segments: Vec<Segment>,
}

impl EpochLog {
    /// Puts a tombstone's file in the place of the segments at `places`.
    fn replace_by(
        &mut self,
        disk: &dyn Disk,
        places: RangeInclusive<usize>,
        tombstone: &Tombstone,
        closes: bool,
    ) -> Result<Replaced, SpoolError> {
        let payload = codec::encode_tombstone(tombstone);
        let header = RecordHeader::of_tombstone(tombstone, closes, payload.len());
        let (file, bytes) = (self.segment_name(tombstone.first), header.seal(&payload));
        let last = self.segments.get(*places.end());
        let stored = last.filter(|segment| segment.last() <= self.stored);
        let mut written = disk.replace(&file, &bytes);
        if let (Err(_), Some(segment)) = (&written, stored) {
            // Full to the brim: what is stored may go first, so that its tombstone finds room.
            written = disk
                .remove(&segment.name)
                .and_then(|()| disk.replace(&file, &bytes));
        }
        written.map_err(|source| SpoolError::Disk {
            action: "write",
            file: file.clone(),
            source,
        })?;
        if places.end() + 1 == self.segments.len() {
            self.seal();
        }
        let mut segment = Segment::new(file.clone());
        segment.push(&header, 0);
        segment.bytes = bytes.len() as u64;
        segment.plans = tombstone
            .adopted
            .iter()
            .map(|adoption| adoption.version)
            .collect();
        let from = *places.start();
        let segments = self.segments.drain(places).collect();
        self.segments.insert(from, segment);
        Ok(Replaced {
            file,
            bytes: bytes.len() as u64,
            segments,
        })
    }
}

/// What stood in the segments that a tombstone replaces.
#[derive(Default)]
struct Removed {
    joined: Joined,
    /// Measurements that were not stored.
    dropped: u64,
    /// The epoch ends in it.
    closes: bool,
}

impl Removed {
    /// Reads the segments at `places`; one that is stored and cannot be read is left out.
    fn read(disk: &dyn Disk, log: &EpochLog, places: RangeInclusive<usize>) -> Result<Self, SpoolError> {
        let mut removed = Self::default();
        for segment in log.segments.range(places) {
            match disk.read(&segment.name) {
                Ok(bytes) => removed.add(&bytes, log.stored),
                Err(error) if segment.last() <= log.stored => {
                    tracing::warn!(%error, file = segment.name, "a stored spool file cannot be read; it goes without a tombstone");
                }
                Err(source) => {
                    return Err(SpoolError::Disk {
                        action: "read",
                        file: segment.name.clone(),
                        source,
                    });
                }
            }
        }
        Ok(removed)
    }

    /// Adds what a segment file holds; the collector has stored everything up to `stored`.
    fn add(&mut self, bytes: &[u8], stored: Sequence) {
        for (_, header, payload) in record::scan(bytes).records {
            self.closes |= header.closes;
            let is_stored = header.last <= stored;
            let cause = if is_stored {
                DropCause::Evicted
            } else {
                DropCause::Full
            };
            let tombstone = match header.kind {
                ItemKind::Batch => codec::decode_batch(payload).ok().map(|batch| {
                    self.dropped += if is_stored { 0 } else { u64::from(header.rows) };
                    tombstone::of_batch(&batch, Digest::of(payload), cause)
                }),
                ItemKind::Tombstone => codec::decode_tombstone(payload).ok(),
            };
            if let Some(tombstone) = tombstone {
                self.joined.add(tombstone);
            }
        }
    }
}
