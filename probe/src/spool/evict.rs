//! Making room: what is safe elsewhere goes first, then what the collector stored, then the oldest of the
//! rest; a tombstone takes its place. When there are only tombstones, the oldest stored ones go.

use isochrone_proto::codec;
use isochrone_proto::ids::{Digest, Sequence};
use isochrone_proto::ledger::{DropCause, Tombstone};
use isochrone_proto::units::UnixMillis;

use super::log::Segment;
use super::record::{self, ItemKind, RecordHeader};
use super::tombstone::{self, Joined, TOLD_BACK};
use super::{Spool, SpoolError};

/// More epochs than this are not kept: the oldest that are stored are forgotten.
const EPOCHS_MAX: usize = 512;

/// A segment's place: its epoch's age, and its place in the epoch.
type Place = (u64, usize);

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
        type Wanted<'w> = &'w dyn Fn(&super::EpochLog, &Segment) -> bool;
        let safe: Wanted<'_> = &|log, segment| segment.last() <= log.safe && !segment.is_tombstone();
        let stored: Wanted<'_> = &|log, segment| segment.last() <= log.stored && !segment.is_tombstone();
        let any: Wanted<'_> = &|_, segment| !segment.is_tombstone();
        let Some(place) = [safe, stored, any].iter().find_map(|wanted| self.oldest(wanted)) else {
            let told = self.oldest(&|log, segment| segment.last() <= log.stored)?;
            self.evict(told);
            return Some(());
        };
        match self.bury(place) {
            Ok(()) => Some(()),
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
        let told_out = |(log, end): (&super::EpochLog, UnixMillis)| {
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

    fn oldest(&self, wanted: &dyn Fn(&super::EpochLog, &Segment) -> bool) -> Option<Place> {
        self.logs.iter().find_map(|(ordinal, log)| {
            let place = log.segments.iter().position(|segment| wanted(log, segment));
            place.map(|place| (*ordinal, place))
        })
    }

    fn evict(&mut self, (ordinal, place): Place) {
        let Some(log) = self.logs.get_mut(&ordinal) else {
            return;
        };
        if place + 1 == log.segments.len() {
            log.seal();
        }
        let segment = log.segments.remove(place);
        let is_gone = !log.has_records() && !log.may_grow();
        if let Some(segment) = segment {
            self.remove_segment(&segment);
        }
        if is_gone {
            self.logs.remove(&ordinal);
            self.marks_changed = true;
        }
    }

    /// Puts one tombstone in the place of a segment, joined with the tombstones right before it. The new file
    /// is there before the old ones go. Of what the collector has stored nothing counts as dropped: the
    /// tombstone is for a collector that is restored from an older copy.
    fn bury(&mut self, (ordinal, place): Place) -> Result<(), SpoolError> {
        let Some(log) = self.logs.get(&ordinal) else {
            return Ok(());
        };
        let Some(last) = log.segments.get(place).map(Segment::last) else {
            return Ok(());
        };
        let (stored, is_own) = (log.stored, log.is_own());
        let is_stored = last <= stored;
        let joins = |before: &&Segment| before.is_tombstone() && (before.last() <= stored) == is_stored;
        let before = log.segments.range(..place).rev().take_while(joins).count();
        let mut grave = Grave::default();
        for segment in log.segments.range(place - before..=place) {
            match self.disk.read(&segment.name) {
                Ok(bytes) => grave.add(&bytes, stored),
                Err(error) if is_stored => {
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
        let (dropped, closes) = (grave.dropped, grave.closes);
        let Some(tombstone) = grave.joined.finish() else {
            self.evict((ordinal, place)); // nothing in it can be read: the batch after it will say so
            return Ok(());
        };
        self.replace_by((ordinal, place), before, &tombstone, closes)?;
        if is_stored {
            tracing::debug!(epoch = %tombstone.epoch, first = tombstone.first.0, last = tombstone.last.0,
                "stored measurements left the spool");
            return Ok(());
        }
        self.count_dropped(dropped, is_own);
        tracing::error!(epoch = %tombstone.epoch, first = tombstone.first.0, last = tombstone.last.0,
            rows = dropped, "the spool is full: its oldest measurements were dropped");
        Ok(())
    }

    /// Puts a tombstone's file in the place of a segment and of the `before` ones right before it.
    fn replace_by(
        &mut self,
        (ordinal, place): Place,
        before: usize,
        tombstone: &Tombstone,
        closes: bool,
    ) -> Result<(), SpoolError> {
        let payload = codec::encode_tombstone(tombstone);
        let header = RecordHeader::of_tombstone(tombstone, closes, payload.len());
        let Some(log) = self.logs.get_mut(&ordinal) else {
            return Ok(());
        };
        let (name, bytes) = (Self::segment_name(log, tombstone.first), header.seal(&payload));
        let stored = log
            .segments
            .get(place)
            .filter(|segment| segment.last() <= log.stored);
        let mut written = self.disk.replace(&name, &bytes);
        if let (Err(_), Some(segment)) = (&written, stored) {
            // Full to the brim: what is stored may go first, so that its tombstone finds room.
            written = self
                .disk
                .remove(&segment.name)
                .and_then(|()| self.disk.replace(&name, &bytes));
        }
        written.map_err(|source| SpoolError::Disk {
            action: "write",
            file: name.clone(),
            source,
        })?;
        if place + 1 == log.segments.len() {
            log.seal();
        }
        let mut segment = Segment::new(name);
        segment.push(&header, 0);
        segment.bytes = bytes.len() as u64;
        segment.plans = tombstone
            .adopted
            .iter()
            .map(|adoption| adoption.version)
            .collect();
        let (from, kept) = (place - before, segment.name.clone());
        let replaced: Vec<Segment> = log.segments.drain(from..=place).collect();
        log.segments.insert(from, segment);
        self.bytes += bytes.len() as u64;
        for old in replaced {
            if old.name == kept {
                self.bytes = self.bytes.saturating_sub(old.bytes); // overwritten in place
            } else {
                self.remove_segment(&old);
            }
        }
        Ok(())
    }
}

/// What a tombstone is made of.
#[derive(Default)]
struct Grave {
    joined: Joined,
    /// Measurements that were not stored.
    dropped: u64,
    /// The epoch ends in it.
    closes: bool,
}

impl Grave {
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
