//! Making room: what is safe elsewhere goes first, then what the collector stored, then the oldest of the
//! rest, with a tombstone in its place.

use isochrone_proto::codec;
use isochrone_proto::ledger::{DropCause, Tombstone};

use super::log::{Item, Segment};
use super::record::{self, ItemKind, RecordHeader};
use super::{Spool, SpoolError, tombstone};

/// More epochs than this are forgotten, oldest first, once the collector has them.
const EPOCHS_MAX: usize = 512;

/// A segment's place: its epoch's age, and its place in the epoch.
type Place = (u64, usize);

impl Spool {
    /// Makes room for `wanted` more bytes, as far as that can be done.
    pub(super) fn make_room(&mut self, wanted: u64) {
        while self.bytes + wanted > self.options.bytes_max {
            if self.evict_one().is_none() {
                return; // nothing but tombstones left
            }
        }
    }

    /// Frees one segment; `None` if there is none to free.
    pub(super) fn evict_one(&mut self) -> Option<()> {
        let safe = |log: &super::EpochLog, segment: &Segment| segment.last() <= log.safe;
        let stored = |log: &super::EpochLog, segment: &Segment| segment.last() <= log.stored;
        if let Some(place) = self.oldest(&safe).or_else(|| self.oldest(&stored)) {
            self.evict(place);
            return Some(());
        }
        let place = self.oldest(&|_, segment| !segment.is_tombstone())?;
        match self.bury(place) {
            Ok(()) => Some(()),
            Err(error) => {
                tracing::warn!(error = %error, "no room could be made in the spool");
                None
            }
        }
    }

    /// Epochs beyond what Hello can announce are forgotten once they are stored.
    pub(super) fn forget_oldest_epochs(&mut self) {
        while self.logs.len() > EPOCHS_MAX {
            let stored = |log: &super::EpochLog| !log.may_grow() && !log.has_unsent();
            let oldest = self.logs.values().find(|log| stored(log)).map(|log| log.ordinal);
            let Some(log) = oldest.and_then(|ordinal| self.logs.remove(&ordinal)) else {
                return;
            };
            for segment in &log.segments {
                self.remove_segment(segment);
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

    /// Puts one tombstone in the place of a segment's unstored batches, together with a tombstone that
    /// stands right before it. The new file is there before the old ones go.
    fn bury(&mut self, (ordinal, place): Place) -> Result<(), SpoolError> {
        let Some(log) = self.logs.get(&ordinal) else {
            return Ok(());
        };
        let before = place.checked_sub(1).and_then(|before| log.segments.get(before));
        let before = before.filter(|before| before.is_tombstone() && before.last() > log.stored);
        let own = log.segments.get(place);
        let mut joined = None;
        let (mut dropped, mut closes) = (0, false);
        for segment in before.into_iter().chain(own) {
            let (tombstone, rows, last) = self.tombstone_of(segment, log.stored)?;
            joined = match tombstone {
                Some(tombstone) => Some(self::tombstone::join(joined, tombstone)),
                None => joined,
            };
            dropped += rows;
            closes |= last;
        }
        let Some(tombstone) = joined else {
            self.evict((ordinal, place)); // nothing in it can be read: the batch after it will say so
            return Ok(());
        };
        let (joined_before, is_own) = (before.is_some(), log.is_own());
        self.replace_by(ordinal, place, joined_before, &tombstone, closes)?;
        self.dropped += dropped;
        self.own.dropped += if is_own { dropped } else { 0 };
        tracing::error!(epoch = %tombstone.epoch, first = tombstone.first.0, last = tombstone.last.0,
            rows = dropped, "the spool is full: its oldest measurements were dropped");
        Ok(())
    }

    fn replace_by(
        &mut self,
        ordinal: u64,
        place: usize,
        joined_before: bool,
        tombstone: &Tombstone,
        closes: bool,
    ) -> Result<(), SpoolError> {
        let payload = codec::encode_tombstone(tombstone);
        let header = RecordHeader {
            kind: ItemKind::Tombstone,
            closes,
            rows: 0,
            first: tombstone.first,
            last: tombstone.last,
            adopted: tombstone
                .adopted
                .last()
                .map(|last| last.version)
                .unwrap_or_default(),
            length: payload.len() as u32,
        };
        let Some(log) = self.logs.get_mut(&ordinal) else {
            return Ok(());
        };
        let name = Self::segment_name(log, tombstone.first);
        let bytes = header.seal(&payload);
        self.disk
            .replace(&name, &bytes)
            .map_err(|source| SpoolError::Disk {
                action: "write",
                file: name.clone(),
                source,
            })?;
        if place + 1 == log.segments.len() {
            log.seal();
        }
        let mut segment = Segment::new(name);
        segment.push(Item::new(&header, 0), bytes.len() as u64);
        segment.plans = tombstone
            .adopted
            .iter()
            .map(|adoption| adoption.version)
            .collect();
        let kept = segment.name.clone();
        let from = if joined_before { place - 1 } else { place };
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

    /// The tombstone of what a segment holds after `stored`, how many measurements that drops, and whether
    /// the epoch ends in it.
    fn tombstone_of(
        &self,
        segment: &Segment,
        stored: isochrone_proto::ids::Sequence,
    ) -> Result<(Option<Tombstone>, u64, bool), SpoolError> {
        let bytes = self.disk.read(&segment.name).map_err(|source| SpoolError::Disk {
            action: "read",
            file: segment.name.clone(),
            source,
        })?;
        let (mut joined, mut dropped, mut closes) = (None, 0, false);
        for (_, header, payload) in record::scan(&bytes).records {
            closes |= header.closes;
            if header.last <= stored {
                continue;
            }
            let tombstone = match header.kind {
                ItemKind::Batch => codec::decode_batch(payload).ok().map(|batch| {
                    dropped += u64::from(header.rows);
                    let digest = isochrone_proto::ids::Digest::of(payload);
                    tombstone::of_batch(&batch, digest, DropCause::Full)
                }),
                ItemKind::Tombstone => codec::decode_tombstone(payload).ok(),
            };
            if let Some(tombstone) = tombstone {
                joined = Some(self::tombstone::join(joined, tombstone));
            }
        }
        Ok((joined, dropped, closes))
    }
}
