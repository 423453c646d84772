//! The accounts, counted again from what is whole.
//!
//! Each batch stands in two tables (what it is in the log, that it is there under its sequence), and says in its
//! header what its probe had counted up to it. So a sequence, an hour or an epoch that is damaged is found again from
//! its batches, and a batch that is damaged leaves exactly the measurements that the hours counted and the log no
//! longer holds.

mod batches;
mod files;
mod hours;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use isochrone_proto::ids::{Digest, EpochId, ProbeId, Sequence};
use isochrone_proto::ledger::{DropCause, Event};
use redb::{Table, WriteTransaction};

use self::batches::whole_batch;
pub(super) use self::files::recount_files;
use super::order::is_hidden;
use crate::aside;
use crate::found::Found;
use crate::ingest::{SeenAgain, refused_of};
use crate::numbers::Numbers;
use crate::rows::{WriteRows, guarded};
use crate::segment::{SealedLog, Segment, Segments, Span};
use crate::tables::{
    ASIDE, EPOCHS, FORKS, HOURS, LOG, META_COMMIT, META_ORDINAL, META_REMOVED, STREAM, TOMBSTONES, epoch_key,
    fork_key, parse_epoch_key, stream_key,
};
use crate::{EpochRow, Retention, StoreError, StreamEntry, StreamKind, TombstoneRow};

type EpochKey = (ProbeId, EpochId);

/// A batch that was stored, and is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) probe: ProbeId,
    pub(super) epoch: EpochId,
    pub(super) sequence: Sequence,
    /// Where it stood, if that is known.
    pub(super) commit: Option<u64>,
    /// Its measurements; those of several that went at once count for the first.
    pub(super) measurements: u64,
}

/// What damage touched, as far as its keys tell.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Something of the accounts was damaged.
    pub(super) accounts: bool,
    /// Hours of epochs under keys like these are gone: of each the first 24 bytes.
    pub(super) hours: Vec<Vec<u8>>,
    /// Segments are gone of which nobody knows what they held.
    pub(super) any_segment: bool,
    /// Segments whose files are gone.
    pub(super) files: Vec<Segment>,
    /// Heads of batches are gone, of one copy at least.
    pub(super) heads: bool,
    /// What was seen of epochs under keys like these is gone.
    pub(super) seen: Vec<Vec<u8>>,
    /// What was seen of any epoch may be gone.
    pub(super) all_seen: bool,
}

/// Counts again. Returns the batches that are lost.
pub(super) fn recount(
    transaction: &WriteTransaction,
    (found, segments): (&Found, &Segments),
    suspects: &Suspects,
) -> Result<Vec<Lost>, StoreError> {
    let missing = Tables::open(transaction, found, segments)?.missing()?;
    if !missing.is_empty() {
        guarded(found, LOG.name, || is_hidden(transaction, LOG, &missing))?; // a search passed them by: then they are there now
    }
    let mut tables = Tables::open(transaction, found, segments)?;
    let mut lost = tables.mark_lost()?;
    tables.adopt_orphans()?;
    let shapes = tables.shapes()?;
    let mut touched: BTreeSet<EpochKey> = lost.iter().map(|lost| (lost.probe, lost.epoch)).collect();
    let all = Span {
        first: 0,
        last: u64::MAX,
    };
    let of_files = suspects.files.iter().map(|segment| segment.span);
    let spans = of_files.chain(suspects.any_segment.then_some(all));
    touched.extend(tables.epochs_in(spans)?);
    let mut unseen = BTreeSet::new();
    for (&key, shape) in &shapes {
        tables.fill_gaps(key, shape, &mut lost)?;
        if tables.restore_epoch(transaction, key, shape)? || is_like(&suspects.hours, key) {
            touched.insert(key);
        }
        if suspects.all_seen || is_like(&suspects.seen, key) {
            unseen.insert(key);
        }
    }
    let unnamed = match suspects.heads {
        true => tables.unnamed(transaction, &lost)?,
        false => 0,
    };
    if unnamed > 0 {
        touched.extend(shapes.keys()); // nothing says whose they were
        let mut numbers = Numbers::open(transaction, found)?;
        let removed = numbers.get(META_REMOVED)? + unnamed;
        numbers.set(META_REMOVED, removed)?;
    }
    tables.see_again(transaction, &unseen)?;
    let mut counted = tables.count_batches(transaction, &touched)?;
    for key in touched {
        let counted = counted.remove(&key).unwrap_or_default();
        let missing = tables.recount_hours(transaction, key, &counted)?;
        let first = lost.iter_mut().find(|lost| (lost.probe, lost.epoch) == key);
        match first {
            Some(first) => first.measurements = missing,
            None if missing > 0 && unnamed > 0 => lost.push(Lost {
                probe: key.0,
                epoch: key.1,
                sequence: Sequence::NONE,
                commit: None,
                measurements: missing,
            }),
            None => {}
        }
    }
    Ok(lost)
}

/// Whether `key` is one of these, or differs from one in a single bit.
fn is_like(keys: &[Vec<u8>], (probe, epoch): EpochKey) -> bool {
    let known = epoch_key(probe, epoch);
    keys.iter().any(|key| {
        let head = key.iter().zip(known);
        head.map(|(a, b)| (a ^ b).count_ones()).sum::<u32>() <= 1
    })
}

struct Tables<'t> {
    log: WriteRows<'t, u64>,
    stream: WriteRows<'t, &'static [u8; 32]>,
    epochs: WriteRows<'t, &'static [u8; 24]>,
    hours: WriteRows<'t, &'static [u8; 28]>,
    tombstones: WriteRows<'t, &'static [u8; 32]>,
    sealed: SealedLog<'t, Table<'t, u64, &'static [u8]>>,
    /// The commits of what is sealed.
    commits: Vec<Span>,
    found: &'t Found,
    retention: Retention,
}

/// What stands under an epoch's sequences.
struct Shape {
    last: (Sequence, Digest),
    refused: u64,
    /// Sequences at which nothing stands.
    gaps: Vec<(u64, u64)>,
    /// Tombstones without their row, with the first sequence that they must stand for.
    bare: Vec<(Sequence, Sequence)>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            last: (Sequence::NONE, Digest::ZERO),
            refused: 0,
            gaps: Vec::new(),
            bare: Vec::new(),
        }
    }
}

impl Shape {
    /// Of an epoch, of which nothing is known below `first`.
    fn from(first: Option<&Sequence>) -> Self {
        let below = first.map_or(0, |first| first.0.saturating_sub(1));
        Self {
            last: (Sequence(below), Digest::ZERO),
            ..Self::default()
        }
    }
}

impl<'t> Tables<'t> {
    fn open(
        transaction: &'t WriteTransaction,
        found: &'t Found,
        segments: &'t Segments,
    ) -> Result<Self, StoreError> {
        let sealed = SealedLog::open(transaction, found, segments)?;
        Ok(Self {
            commits: sealed.commits()?,
            sealed,
            log: LOG.open(transaction, found)?,
            stream: STREAM.open(transaction, found)?,
            epochs: EPOCHS.open(transaction, found)?,
            hours: HOURS.open(transaction, found)?,
            tombstones: TOMBSTONES.open(transaction, found)?,
            found,
            retention: segments.retention,
        })
    }

    /// Every whole entry under a sequence.
    fn entries(&self) -> Result<Vec<(EpochKey, Sequence, StreamEntry)>, StoreError> {
        let mut entries = Vec::new();
        for row in self.stream.iter()? {
            let (key, row) = row?;
            let Some(entry) = self.stream.decode(key.value(), &row, StreamEntry::decode) else {
                continue;
            };
            let (epoch, sequence) = split(key.value());
            entries.push((epoch, sequence, entry));
        }
        Ok(entries)
    }

    /// Batches that a sequence names and that a search does not find in the log, by their keys.
    fn missing(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut missing = Vec::new();
        for (_, _, entry) in self.entries()? {
            if let StreamKind::Batch { commit } = entry.kind
                && !self.holds(commit)?
            {
                missing.push(commit.to_le_bytes().to_vec());
            }
        }
        Ok(missing)
    }

    /// A sequence whose batch is not in the log any more says so from now on.
    fn mark_lost(&mut self) -> Result<Vec<Lost>, StoreError> {
        let mut lost = Vec::new();
        for ((probe, epoch), sequence, entry) in self.entries()? {
            let StreamKind::Batch { commit } = entry.kind else {
                continue;
            };
            if self.holds(commit)? {
                continue;
            }
            let entry = StreamEntry {
                kind: StreamKind::Lost,
                ..entry
            };
            self.stream
                .insert(&stream_key(probe, epoch, sequence), &entry.encode())?;
            lost.push(Lost {
                probe,
                epoch,
                sequence,
                commit: Some(commit),
                measurements: 0,
            });
        }
        Ok(lost)
    }

    /// Batches in the log that no sequence names are named again.
    fn adopt_orphans(&mut self) -> Result<(), StoreError> {
        let named: HashSet<u64> = self
            .entries()?
            .into_iter()
            .filter_map(|(_, _, entry)| match entry.kind {
                StreamKind::Batch { commit } => Some(commit),
                StreamKind::Refused
                | StreamKind::Tombstone
                | StreamKind::Lost
                | StreamKind::Gone
                | StreamKind::Removed => None,
            })
            .collect();
        let sealed: u64 = self.commits.iter().map(|stretch| stretch.width()).sum();
        if named.len() as u64 == self.log.len()? + sealed {
            return Ok(());
        }
        let from = self.first_known()?;
        let mut orphans = Vec::new();
        for row in self.log.iter()? {
            let (commit, row) = row?;
            if named.contains(&commit.value()) {
                continue;
            }
            let Some((blob, batch)) = whole_batch(row.value()) else {
                continue;
            };
            let key = stream_key(blob.probe, batch.header.epoch, batch.header.sequence);
            let kind = StreamKind::Batch {
                commit: commit.value(),
            };
            let digest = Digest::of(blob.payload);
            orphans.push((key, StreamEntry { kind, digest }));
        }
        for &stretch in &self.commits {
            self.sealed.each_head(stretch, &mut |head| {
                let from = from.get(&(head.probe, head.header.epoch));
                let is_trimmed = from.map_or(head.rows == 0, |from| head.header.sequence < *from);
                if named.contains(&head.commit) || is_trimmed {
                    return;
                }
                let key = stream_key(head.probe, head.header.epoch, head.header.sequence);
                let kind = StreamKind::Batch { commit: head.commit };
                let digest = Digest::ZERO; // known no more: what comes under that sequence is taken as known
                orphans.push((key, StreamEntry { kind, digest }));
            })?;
        }
        for (key, entry) in orphans {
            let stands = self.stream.get_as(&key, StreamEntry::decode)?;
            if stands.is_none_or(|stands| matches!(stands.kind, StreamKind::Lost | StreamKind::Gone)) {
                self.stream.insert(&key, &entry.encode())?;
            }
        }
        Ok(())
    }

    /// The lowest sequence of each epoch of which anything is known: what was below is removed.
    fn first_known(&self) -> Result<BTreeMap<EpochKey, Sequence>, StoreError> {
        let mut first = BTreeMap::new();
        for row in self.epochs.iter()? {
            let (key, row) = row?;
            let row = self.epochs.decode(key.value(), &row, EpochRow::decode);
            first.extend(row.map(|row| (parse_epoch_key(key.value()), row.stream_from)));
        }
        Ok(first)
    }

    /// How many batches were committed that are neither here, nor removed, nor named as lost: their digests were gone
    /// before their heads were.
    fn unnamed(&self, transaction: &WriteTransaction, lost: &[Lost]) -> Result<u64, StoreError> {
        let numbers = Numbers::open(transaction, self.found)?;
        let known = numbers
            .get(META_COMMIT)?
            .saturating_sub(numbers.get(META_REMOVED)?);
        let sealed: u64 = self.commits.iter().map(|stretch| stretch.width()).sum();
        let named = lost.iter().filter(|lost| lost.commit.is_some()).count() as u64;
        let gone = aside::batches(&ASIDE.open(transaction, self.found)?)?;
        Ok(known.saturating_sub(self.log.len()? + sealed + named + gone))
    }

    fn shapes(&self) -> Result<BTreeMap<EpochKey, Shape>, StoreError> {
        let mut shapes: BTreeMap<EpochKey, Shape> = BTreeMap::new();
        let from = self.first_known()?;
        for (epoch, sequence, entry) in self.entries()? {
            let shape = shapes
                .entry(epoch)
                .or_insert_with(|| Shape::from(from.get(&epoch)));
            let expected = shape.last.0.next();
            let first = match entry.kind {
                StreamKind::Tombstone => {
                    let key = stream_key(epoch.0, epoch.1, sequence);
                    match self.tombstones.get_as(&key, TombstoneRow::decode)? {
                        Some(row) => row.first,
                        None => {
                            shape.bare.push((expected, sequence));
                            expected
                        }
                    }
                }
                StreamKind::Refused => {
                    shape.refused += 1;
                    sequence
                }
                StreamKind::Lost | StreamKind::Gone => {
                    let key = stream_key(epoch.0, epoch.1, sequence);
                    let range = self.tombstones.get_as(&key, TombstoneRow::decode)?;
                    range.map_or(sequence, |range| range.first)
                }
                StreamKind::Batch { .. } | StreamKind::Removed => sequence,
            };
            if first > expected {
                shape.gaps.push((expected.0, first.0 - 1));
            }
            shape.last = (sequence, entry.digest);
        }
        Ok(shapes)
    }

    /// Where nothing stands, something stood.
    fn fill_gaps(
        &mut self,
        (probe, epoch): EpochKey,
        shape: &Shape,
        lost: &mut Vec<Lost>,
    ) -> Result<(), StoreError> {
        for &(first, last) in &shape.bare {
            let row = TombstoneRow {
                first,
                dropped: 0,
                cause: DropCause::Corrupt,
            };
            self.tombstones
                .insert(&stream_key(probe, epoch, last), &row.encode())?;
        }
        let mut gaps = shape.gaps.clone();
        let mut at_mark = Digest::ZERO;
        if let Some(row) = self.epochs.get_as(&epoch_key(probe, epoch), EpochRow::decode)?
            && row.mark > shape.last.0
        {
            gaps.push((shape.last.0.next().0, row.mark.0));
            at_mark = row.digest;
        }
        for (first, last) in gaps {
            let is_at_mark = last > shape.last.0.0;
            let entry = StreamEntry {
                kind: StreamKind::Gone,
                digest: if is_at_mark { at_mark } else { Digest::ZERO },
            };
            let range = TombstoneRow {
                first: Sequence(first),
                dropped: 0,
                cause: DropCause::Corrupt,
            };
            let key = stream_key(probe, epoch, Sequence(last));
            self.stream.insert(&key, &entry.encode())?;
            self.tombstones.insert(&key, &range.encode())?;
            lost.push(Lost {
                probe,
                epoch,
                sequence: Sequence(first),
                commit: None,
                measurements: 0,
            });
        }
        Ok(())
    }

    /// Puts the row of an epoch together again, if it is not there; says whether it was not.
    fn restore_epoch(
        &mut self,
        transaction: &WriteTransaction,
        key: EpochKey,
        shape: &Shape,
    ) -> Result<bool, StoreError> {
        let row_key = epoch_key(key.0, key.1);
        if self.epochs.get_as(&row_key, EpochRow::decode)?.is_some() {
            return Ok(false);
        }
        let mut row = EpochRow {
            mark: shape.last.0,
            digest: shape.last.1,
            refused_batches: shape.refused,
            refused_rows: refused_of(transaction, (self.found, &self.retention), key)?
                .values()
                .sum(),
            forked_batches: self.forked_batches(transaction, key)?,
            ..EpochRow::default()
        };
        self.each_header(key, |header| {
            if row.adoptions.last() != Some(&header.adopted) {
                row.adoptions.push(header.adopted);
            }
            row.cut = row.cut.max(header.cut);
            row.closed |= header.events.contains(&Event::Closed);
        })?;
        // a batch that came again has a later commit than those after it
        row.adoptions
            .sort_by_key(|adoption| (adoption.first_slot, adoption.version));
        row.adoptions.dedup();
        row.ordinal = self.free_ordinal(transaction, key.0, &row)?;
        self.epochs.insert(&row_key, &row.encode())?;
        Ok(true)
    }

    fn forked_batches(
        &self,
        transaction: &WriteTransaction,
        (probe, epoch): EpochKey,
    ) -> Result<u64, StoreError> {
        let forks = FORKS.open(transaction, self.found)?;
        let lowest = fork_key(probe, epoch, Sequence(0), Digest::ZERO);
        let highest = fork_key(probe, epoch, Sequence(u64::MAX), Digest([0xff; 32]));
        let mut batches = 0;
        for row in forks.range::<&[u8; 64]>(&lowest..=&highest)? {
            row?;
            batches += 1;
        }
        Ok(batches)
    }

    /// The place among the epochs that no other has: where there are several, one that fits the probe's other epochs.
    fn free_ordinal(
        &self,
        transaction: &WriteTransaction,
        probe: ProbeId,
        row: &EpochRow,
    ) -> Result<u64, StoreError> {
        let (mut taken, mut before, mut after) = (HashSet::new(), 0, u64::MAX);
        for other in self.epochs.iter()? {
            let (key, other) = other?;
            let Some(other) = self.epochs.decode(key.value(), &other, EpochRow::decode) else {
                continue;
            };
            taken.insert(other.ordinal);
            if parse_epoch_key(key.value()).0 != probe {
                continue;
            }
            if other.first_slot() < row.first_slot() {
                before = other.ordinal.max(before);
            } else {
                after = other.ordinal.min(after);
            }
        }
        let highest = crate::numbers::Numbers::open(transaction, self.found)?.get(META_ORDINAL)?;
        let free = |from: u64, until: u64| (from..until).find(|ordinal| !taken.contains(ordinal));
        let fitting = free(before + 1, after.min(highest + 1));
        Ok(fitting.or_else(|| free(1, highest + 1)).unwrap_or(highest))
    }

    /// Which slots were seen, by the whole batches: so none of them is counted twice.
    fn see_again(&self, transaction: &WriteTransaction, keys: &BTreeSet<EpochKey>) -> Result<(), StoreError> {
        let mut all = BTreeMap::new();
        for &key in keys {
            let Some(row) = self.epochs.get_as(&epoch_key(key.0, key.1), EpochRow::decode)? else {
                continue;
            };
            all.insert(key, SeenAgain::new(transaction, self.found, key, &row.adoptions)?);
        }
        let known: BTreeSet<EpochKey> = all.keys().copied().collect();
        self.each_batch(&known, |key, header, slots| {
            if let Some(seen) = all.get_mut(&key) {
                seen.see(header, slots);
            }
        })?;
        all.iter()
            .try_for_each(|(key, seen)| seen.write(transaction, self.found, *key))
    }
}

fn split(key: &[u8; 32]) -> (EpochKey, Sequence) {
    let (mut head, mut sequence) = ([0; 24], [0; 8]);
    head.copy_from_slice(&key[..24]);
    sequence.copy_from_slice(&key[24..]);
    (parse_epoch_key(&head), Sequence(u64::from_be_bytes(sequence)))
}
