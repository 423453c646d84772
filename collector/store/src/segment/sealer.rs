//! From the log into segments: a span of old commits is written into files, these are made durable, and one short
//! transaction takes the commits out of the log and puts the files into the catalogue. Before it the files count for
//! nothing, after it the log's rows are gone: a crash finds one or the other.

use std::sync::atomic::Ordering;
use std::time::Duration;

use isochrone_proto::batch::Batch;
use isochrone_proto::codec;
use isochrone_proto::units::UnixMillis;
use redb::WriteTransaction;

use super::catalogue::{Group, SPAN_ROWS, Segment, Span};
use super::gather::Gathered;
use super::rollup::Roller;
use super::writer::Files;
use crate::found::Found;
use crate::heads::{self, BLOCK_HEADS, Head, last_sealed};
use crate::numbers::read_number;
use crate::row::Malformed;
use crate::rows::{ReadRows, WriteRows};
use crate::tables::{LOG, META_SEGMENT, SEALED};
use crate::{Store, StoreError, StoredBlob};

/// What is younger stays in the log: live state is rebuilt from it, and most that comes late comes until then.
const AGE: Duration = Duration::from_secs(3_600);
/// A batch that came later than this in the future came while the clock was wrong: it waits for nothing.
const AHEAD: Duration = Duration::from_secs(3_600);
/// Batches that one transaction takes out of the log: ingest waits for it.
const SPAN_BATCHES: usize = 1 << 14;

/// What was sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Batches that left the log.
    pub batches: u64,
    /// Their measurements, which are in segments now.
    pub measurements: u64,
    /// Files that were written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// Seals the oldest commits that came before the last full hour, as many as make one span; `None`: there are none.
    /// Reads and writes files: not for an async task.
    ///
    /// # Errors
    /// When the store failed. Nothing is lost then, and the log is as it was.
    pub fn seal(&self, now: UnixMillis) -> Result<Option<Sealed>, StoreError> {
        let until = now.minus(AGE).hour().start();
        self.seal_before(until, now.plus(AHEAD))
    }

    /// Seals what came before `until` or after `ahead`, and what came before anything that came before `until`.
    pub(crate) fn seal_before(
        &self,
        until: UnixMillis,
        ahead: UnixMillis,
    ) -> Result<Option<Sealed>, StoreError> {
        let segments = &self.0.segments;
        let _alone = self.alone()?;
        let (mut gathered, span, last) = self.gather(Age::new(until, ahead))?;
        let Some(span) = span else {
            return Ok(None);
        };
        let files = Files {
            folder: &*segments.folder,
            span,
            generation: 1,
            last,
        };
        let written = self.write_files(&files, |written| write_all(&files, &mut gathered, written))?;
        self.enter_written(&written, |transaction| {
            take_out(transaction, self.found(), &gathered.heads)
        })?;
        let bytes = written.iter().map(|segment| segment.bytes).sum();
        segments.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(Some(Sealed {
            batches: gathered.heads.len() as u64,
            measurements: gathered.rows,
            files: written.len() as u64,
            bytes,
        }))
    }

    /// The oldest batches that are old enough, with their span and the number of the last segment. A batch whose plan is
    /// missing stays in the log: nobody could say what it measured.
    fn gather(&self, mut age: Age) -> Result<(Gathered, Option<Span>, u64), StoreError> {
        self.read(|transaction| {
            let catalogue = self.0.segments.known.read(transaction, self.found())?;
            let last = read_number(transaction, self.found(), META_SEGMENT)?;
            let log = LOG.read(transaction, self.found())?;
            let mut gathered = Gathered::default();
            let mut stretch = None;
            for row in log.iter()? {
                let (commit, row) = row?;
                let commit = commit.value();
                let decode = |age: &Age| {
                    log.decode(commit, &row, |row| {
                        let blob = StoredBlob::decode(row)?;
                        let is_old = age.is_old(commit, blob.received);
                        is_old.then(|| batch_of(commit, &blob)).transpose()
                    })
                };
                let mut decoded = decode(&age);
                if matches!(decoded, Some(None)) && age.look_behind(&log, commit)? {
                    decoded = decode(&age);
                }
                let Some(decoded) = decoded else {
                    continue; // damaged: it is set aside when this is over
                };
                let Some((head, batch)) = decoded else {
                    break;
                };
                if stretch.is_some_and(|stretch| stretch != stretch_of(&catalogue.groups, commit)) {
                    break; // spans do not cross each other
                }
                self.add(&mut gathered, head, &batch)?;
                if gathered.heads.last().is_none_or(|head| head.commit != commit) {
                    continue; // it cannot be sealed now
                }
                stretch = Some(stretch_of(&catalogue.groups, commit));
                if gathered.heads.len() >= SPAN_BATCHES || gathered.rows >= SPAN_ROWS {
                    break;
                }
            }
            let span = span_of(&gathered.heads);
            Ok((gathered, span, last))
        })
    }

    /// Takes in a batch, if it can be sealed.
    fn add(&self, gathered: &mut Gathered, head: Head, batch: &Batch) -> Result<(), StoreError> {
        let version = head.header.plan;
        match self.plan(head.probe, version)? {
            Some(plan) => gathered.add(head, batch.measurements(), &plan),
            None => self.note_missing_plan(head.probe, version),
        }
        Ok(())
    }
}

/// Which batches of the log are old.
struct Age {
    /// Those that came before this instant, …
    until: UnixMillis,
    /// … or after this one, …
    ahead: UnixMillis,
    /// … and those before this commit.
    older: u64,
}

impl Age {
    const fn new(until: UnixMillis, ahead: UnixMillis) -> Self {
        let older = 0;
        Self { until, ahead, older }
    }

    fn is_old(&self, commit: u64, received: UnixMillis) -> bool {
        received < self.until || received > self.ahead || commit < self.older
    }

    /// Looks whether a batch behind `commit` is old; so is what lies before it then: batches come one after the other,
    /// and the clock was ahead. It is looked at distances that double, so a stretch that came by such a clock is found
    /// once as much has come behind it.
    fn look_behind(&mut self, log: &ReadRows<'_, u64>, commit: u64) -> Result<bool, StoreError> {
        let last = log.iter()?.next_back().transpose()?;
        let last = last.map_or(0, |(last, _)| last.value());
        let distances = (0..u64::BITS).map(|doubled| 1 << doubled);
        for from in distances.map_while(|distance| commit.checked_add(distance)) {
            if from > last {
                break;
            }
            let Some(row) = log.range(from..)?.next() else {
                break;
            };
            let (behind, row) = row?;
            let behind = behind.value();
            let received = log.decode(behind, &row, |row| Ok(StoredBlob::decode(row)?.received));
            if received.is_some_and(|received| received < self.until) {
                self.older = behind;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// From the first to the last commit of what was gathered.
fn span_of(heads: &[Head]) -> Option<Span> {
    Some(Span {
        first: heads.first()?.commit,
        last: heads.last()?.commit,
    })
}

/// Which group holds a commit, or between which it lies.
fn stretch_of(groups: &[Group], commit: u64) -> (usize, bool) {
    let place = groups.partition_point(|group| group.span.last < commit);
    let is_inside = groups.get(place).is_some_and(|group| group.span.holds(commit));
    (place, is_inside)
}

fn batch_of(commit: u64, blob: &StoredBlob<'_>) -> Result<(Head, Batch), Malformed> {
    let batch = codec::decode_batch(blob.payload).map_err(|_| Malformed::Content { what: "batch" })?;
    let head = Head {
        commit,
        probe: blob.probe,
        received: blob.received,
        rows: blob.rows,
        slots: blob.slots,
        header: batch.header.clone(),
    };
    Ok((head, batch))
}

/// Writes measurements, and what they and skipped slots add up to.
fn write_all(
    files: &Files<'_>,
    gathered: &mut Gathered,
    written: &mut Vec<Segment>,
) -> Result<(), StoreError> {
    let (mut roller, mut pieces) = (Roller::default(), std::mem::take(&mut gathered.pieces));
    for mut sheet in std::mem::take(&mut gathered.sheets) {
        files.put_sheet(&mut sheet, &gathered.batches, written)?;
        roller.roll(&sheet, &mut |hour| pieces.add(hour));
    }
    pieces.write(files, written)
}

/// Takes batches out of the log, and keeps their heads.
fn take_out(transaction: &WriteTransaction, found: &Found, heads: &[Head]) -> Result<(), StoreError> {
    let mut log = LOG.open(transaction, found)?;
    let mut blocks = SEALED.open(transaction, found)?;
    let sealed = last_sealed(&blocks)?;
    let mut block: Vec<Head> = Vec::with_capacity(BLOCK_HEADS);
    for head in heads {
        if log.remove(head.commit)?.is_none() {
            return Err(StoreError::Unsettled); // it was set aside meanwhile
        }
        let is_late = head.commit < sealed; // it was left in the log once
        if is_late && put_inside(&mut blocks, head)? {
            continue;
        }
        let is_full = block.len() >= BLOCK_HEADS;
        if is_full || is_late && lies_between(&blocks, block.last(), head)? {
            insert(&mut blocks, &block)?;
            block.clear();
        }
        block.push(head.clone());
    }
    insert(&mut blocks, &block)
}

fn insert(blocks: &mut WriteRows<'_, u64>, block: &[Head]) -> Result<(), StoreError> {
    match block.first() {
        Some(first) => blocks.insert(first.commit, &heads::encode(block)),
        None => Ok(()),
    }
}

/// A head within a block that is there becomes part of it: blocks do not overlap.
fn put_inside(blocks: &mut WriteRows<'_, u64>, head: &Head) -> Result<bool, StoreError> {
    let (key, mut block) = {
        let before = blocks.range(..head.commit)?.next_back().transpose()?;
        let Some((key, row)) = before else {
            return Ok(false);
        };
        let block = blocks.decode(key.value(), &row, heads::decode);
        (key.value(), block.ok_or(StoreError::Unsettled)?)
    };
    if block.last().is_none_or(|last| last.commit < head.commit) {
        return Ok(false);
    }
    let place = block.partition_point(|other| other.commit < head.commit);
    block.insert(place, head.clone());
    blocks.insert(key, &heads::encode(&block))?;
    Ok(true)
}

/// Whether a block begins between two heads.
fn lies_between(blocks: &WriteRows<'_, u64>, before: Option<&Head>, head: &Head) -> Result<bool, StoreError> {
    let Some(before) = before.filter(|before| before.commit + 1 < head.commit) else {
        return Ok(false);
    };
    let between = blocks.range(before.commit..head.commit)?.next().transpose()?;
    Ok(between.is_some())
}
