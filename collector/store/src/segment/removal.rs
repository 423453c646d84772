//! Segments that are kept no more. A file goes as one that others replaced goes: later, and while nobody reads it. What
//! of it was measured stays counted in the ledger, as removed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use isochrone_proto::ids::{EpochId, ProbeId};
use isochrone_proto::units::{Hour, UnixMillis};
use redb::{ReadTransaction, WriteTransaction};

use super::catalogue::{Group, Segment, Span};
use super::files::replace;
use super::marks;
use super::sealed::SealedLog;
use super::unsent::{self, Sent};
use super::whole;
use crate::found::Found;
use crate::heads::{self, Head};
use crate::limits::{Removed, Retention, Shortfall};
use crate::numbers::Numbers;
use crate::rows::WriteRows;
use crate::tables::{HOURS, LOG, LOG_HOURS, META_REMOVED, SEALED, STREAM, hour_key, stream_key};
use crate::tier::Tier;
use crate::{HourRow, Store, StoreError, StoredBlob, StreamEntry, StreamKind};

/// Files of what was added up that go in one step.
const FILES_MAX: usize = 256;
/// How often it is looked whether anything is too old: that changes with the hour.
const HOUR_MS: u64 = 3_600_000;

/// Measurements by epoch and hour.
type Counted = BTreeMap<(ProbeId, EpochId, Hour), u64>;

/// What goes in one step.
struct Due {
    segments: Vec<Segment>,
    /// Measurements in them, by epoch and hour.
    counted: Counted,
    /// Heads between these commits go with them.
    heads: Option<Span>,
    /// Of these, those that were not sent on.
    unsent: u64,
    /// Nothing that is kept is older.
    oldest: Option<UnixMillis>,
}

impl Store {
    /// Removes the segments that are to go next; `None`: there are none now. Its caller holds the lock of sealing.
    pub(crate) fn remove_due(&self, now: UnixMillis) -> Result<Option<Removed>, StoreError> {
        let (segments, retention) = (&self.0.segments, self.retention());
        let hour = now.0 / HOUR_MS;
        let is_large = self.segment_bytes() > retention.total;
        let sent = self.sent();
        let is_full = sent.commit != u64::MAX && !sent.has_room;
        if segments.looked.load(Ordering::Relaxed) == hour && !is_large && !is_full {
            return Ok(None);
        }
        let Some(due) = self.read(|transaction| self.find_due(transaction, sent, now))? else {
            segments.looked.store(hour, Ordering::Relaxed);
            segments.is_short.store(is_large, Ordering::Relaxed);
            return Ok(None);
        };
        let (recounts, found) = (&self.0.recounts, self.found());
        self.write_tables(|transaction| {
            recounts.fetch_add(1, Ordering::Relaxed); // ingest reads again what changes here
            due.remove(transaction, found, now)
        })?;
        let first_hours = due
            .counted
            .keys()
            .rev()
            .map(|&(probe, epoch, hour)| ((probe, epoch), Some(hour)));
        let changes: BTreeMap<_, _> = first_hours.collect();
        self.account_changes().note(changes.into_iter().collect());
        let bytes = due.segments.iter().map(|segment| segment.bytes).sum();
        segments.bytes.fetch_sub(bytes, Ordering::Relaxed);
        segments.note_replaced(due.segments.iter().map(|segment| segment.number));
        Ok(Some(Removed {
            files: due.segments.len() as u64,
            bytes,
            measurements: due.counted.values().sum(),
            rows: 0,
        }))
    }

    /// Where the segments are larger than they may be, and no more of them may go.
    #[must_use]
    pub fn shortfall(&self) -> Option<Shortfall> {
        let (bytes, total) = (self.segment_bytes(), self.retention().total);
        let is_short = self.0.segments.is_short.load(Ordering::Relaxed);
        (is_short && bytes > total).then_some(Shortfall { bytes, total })
    }

    fn find_due(
        &self,
        transaction: &ReadTransaction,
        sent: Sent,
        now: UnixMillis,
    ) -> Result<Option<Due>, StoreError> {
        let catalogue = self.0.segments.known.read(transaction, self.found())?;
        let all = &catalogue.segments;
        let bytes = all.iter().map(|segment| segment.bytes).sum();
        self.0.segments.bytes.store(bytes, Ordering::Relaxed); // what was set aside counts no more
        let unrolled = marks::read(transaction, self.found())?;
        let in_vain = self.in_vain_before();
        let is_needed = |segment: &Segment| {
            let mark = unrolled.get(&segment.day); // to add it up again, as far as that can be
            mark.is_some_and(|number| !in_vain.marks.contains(&(segment.day, *number)))
        };
        let is_large = self.segment_bytes() > self.retention().total;
        let is_held = |segment: &Segment| !is_large && sent.holds(segment, self.retention(), now);
        let may_go =
            |segment: &&Segment| segment.tier != Tier::Raw || !(is_needed(segment) || is_held(segment));
        let free: Vec<&Segment> = all.iter().filter(may_go).collect();
        let Some(due) = next_due(&free, (self.retention(), is_large), now) else {
            return Ok(None);
        };
        if due[0].tier != Tier::Raw {
            return Ok(Some(Due {
                segments: due,
                counted: BTreeMap::new(),
                unsent: 0,
                heads: None,
                oldest: None,
            }));
        }
        let sealed = SealedLog::read(transaction, self.found(), &self.0.segments)?;
        let place = sealed
            .groups()
            .partition_point(|group| group.span.last < due[0].span.first);
        let Some(group) = sealed.groups().get(place) else {
            return Err(StoreError::Unsettled);
        };
        let is_whole = group.segments.iter().all(|segment| is_among(segment, &due));
        let before = place
            .checked_sub(1)
            .map_or(0, |before| sealed.groups()[before].span.last + 1);
        let last = group.span.last;
        let (counted, unsent) = counted(&sealed, group, (&due, sent.commit))?;
        Ok(Some(Due {
            counted,
            unsent,
            heads: is_whole.then_some(Span { first: before, last }),
            oldest: self.oldest_without(transaction, all, &due)?,
            segments: due,
        }))
    }

    /// The oldest slot of the raw tier and the log, once `due` is gone.
    fn oldest_without(
        &self,
        transaction: &ReadTransaction,
        all: &[Segment],
        due: &[Segment],
    ) -> Result<Option<UnixMillis>, StoreError> {
        let kept = all
            .iter()
            .filter(|segment| segment.tier == Tier::Raw && !is_among(segment, due));
        let sealed = kept.map(|segment| segment.slots.0).min();
        let log = LOG.read(transaction, self.found())?;
        let mut logged = None;
        for row in log.iter()? {
            let (commit, row) = row?;
            let facts = log.decode(commit.value(), &row, |row| {
                StoredBlob::decode(row).map(|blob| (blob.rows, blob.slots.0))
            });
            if let Some((_, first)) = facts.filter(|(rows, _)| *rows > 0) {
                logged = Some(first);
                break;
            }
        }
        Ok(sealed.into_iter().chain(logged).min())
    }
}

fn is_among(segment: &Segment, others: &[Segment]) -> bool {
    others.iter().any(|other| other.number == segment.number)
}

/// The segments that are to go next: of measurements those of one group, else several of one tier.
fn next_due(
    free: &[&Segment],
    (retention, is_large): (&Retention, bool),
    now: UnixMillis,
) -> Option<Vec<Segment>> {
    let oldest = |tier: Tier, kept| {
        let limit = now.minus(kept);
        let of_tier = free
            .iter()
            .filter(move |segment| segment.tier == tier && segment.slots.1 < limit);
        of_tier.min_by_key(|segment| (segment.slots.1, segment.number))
    };
    for tier in Tier::ALL {
        let limit = now.minus(retention.of(tier));
        let Some(first) = oldest(tier, retention.of(tier)) else {
            continue;
        };
        let is_next = |segment: &&&Segment| {
            let is_mate = tier != Tier::Raw || segment.span == first.span;
            segment.tier == tier && segment.slots.1 < limit && is_mate
        };
        return Some(
            free.iter()
                .filter(is_next)
                .take(FILES_MAX)
                .map(|segment| (*segment).clone())
                .collect(),
        );
    }
    let yields = |tier| oldest(tier, Retention::FLOOR);
    let first = is_large.then(|| Tier::ALL.into_iter().find_map(yields));
    first.flatten().map(|segment| vec![(*segment).clone()])
}

/// The measurements of `due`, by epoch and hour, and how many of them came behind commit `sent`. A row whose head is
/// missing never counted.
fn counted(
    sealed: &SealedLog<'_, redb::ReadOnlyTable<u64, &'static [u8]>>,
    group: &Group,
    (due, sent): (&[Segment], u64),
) -> Result<(Counted, u64), StoreError> {
    let mut epochs = HashMap::new();
    sealed.each_head(group.span, &mut |head| {
        epochs.insert(head.commit, (head.probe, head.header.epoch));
    })?;
    let (mut counted, mut unsent) = (BTreeMap::new(), 0);
    for segment in due {
        sealed.each_slot(segment, &mut |commit, slot| {
            if let Some(&(probe, epoch)) = epochs.get(&commit) {
                *counted.entry((probe, epoch, slot.hour())).or_default() += 1;
                unsent += u64::from(commit > sent);
            }
        })?;
    }
    Ok((counted, unsent))
}

impl Due {
    fn remove(
        &self,
        transaction: &WriteTransaction,
        found: &Found,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        replace(transaction, found, (&self.segments, now))?;
        whole::advance(transaction, found, &self.segments)?;
        unsent::note(transaction, found, (self.unsent, now))?;
        let mut hours = HOURS.open(transaction, found)?;
        for (&(probe, epoch, hour), rows) in &self.counted {
            let key = hour_key(probe, epoch, hour);
            let row = hours.get_as(&key, HourRow::decode)?;
            let mut row = row.ok_or(StoreError::Unsettled)?;
            row.removed += rows;
            hours.insert(&key, &row.encode())?;
        }
        if let Some(span) = self.heads {
            let heads = take_heads(&mut SEALED.open(transaction, found)?, span)?;
            let mut stream = STREAM.open(transaction, found)?;
            heads.iter().try_for_each(|head| let_go(&mut stream, head))?;
            let mut numbers = Numbers::open(transaction, found)?;
            let removed = numbers.get(META_REMOVED)? + heads.len() as u64;
            numbers.set(META_REMOVED, removed)?;
        }
        if self.segments.iter().any(|segment| segment.tier != Tier::Raw) {
            return Ok(());
        }
        let mut index = LOG_HOURS.open(transaction, found)?;
        let limit = self.oldest.map_or(Hour(u32::MAX), UnixMillis::hour);
        let mut gone = Vec::new();
        for row in index.range(..limit.0)? {
            gone.push(row?.0.value());
        }
        gone.into_iter().try_for_each(|hour| index.remove(hour).map(drop))
    }
}

/// Takes the heads of a span out of their blocks.
fn take_heads(blocks: &mut WriteRows<'_, u64>, span: Span) -> Result<Vec<Head>, StoreError> {
    let before = blocks.range(..=span.first)?.next_back().transpose()?;
    let start = before.map_or(span.first, |(key, _)| key.value());
    let mut touched = Vec::new();
    for block in blocks.range(start..=span.last)? {
        let (key, row) = block?;
        let heads = blocks.decode(key.value(), &row, heads::decode);
        touched.push((key.value(), heads.ok_or(StoreError::Unsettled)?));
    }
    let mut taken = Vec::new();
    for (key, heads) in touched {
        let (gone, kept): (Vec<Head>, Vec<Head>) =
            heads.into_iter().partition(|head| span.holds(head.commit));
        if gone.is_empty() {
            continue;
        }
        blocks.remove(key)?;
        if let Some(first) = kept.first() {
            blocks.insert(first.commit, &heads::encode(&kept))?;
        }
        taken.extend(gone);
    }
    Ok(taken)
}

/// Its sequence names the batch no more; the digest stays, for one that comes again.
fn let_go(stream: &mut WriteRows<'_, &'static [u8; 32]>, head: &Head) -> Result<(), StoreError> {
    let key = stream_key(head.probe, head.header.epoch, head.header.sequence);
    let Some(entry) = stream.get_as(&key, StreamEntry::decode)? else {
        return Ok(()); // so old that its digest is gone
    };
    if entry.kind != (StreamKind::Batch { commit: head.commit }) {
        return Ok(());
    }
    let kind = StreamKind::Removed;
    stream.insert(&key, &StreamEntry { kind, ..entry }.encode())
}
