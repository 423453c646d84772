//! Damaged batches, taken again from their probe.
//!
//! A probe's spool keeps what is stored while it has room. So a probe that says Hello is told the mark before the first
//! damaged batch, and sends again from there; what comes with the digest that stood there takes its old place. What
//! the probe has no longer it says in a tombstone, and is not asked for a second time.

use std::ops::RangeInclusive;
use std::sync::Arc;

use isochrone_proto::batch::Batch;
use isochrone_proto::ids::{Digest, Sequence};
use isochrone_proto::ledger::Tombstone;

use super::judge::RowCounts;
use super::not_stored::NotStored;
use super::round::Round;
use super::stream::EpochMemory;
use super::{Incoming, Ingested};
use crate::aside::batch_is_back;
use crate::rows::Lookup;
use crate::tables::stream_key;
use crate::{StoreError, StreamEntry, StreamKind};

impl Round<'_> {
    /// Up to where a probe is told that all is stored that it sent up to `after`: before the next damaged batch.
    pub(super) fn mark_to_tell(
        &mut self,
        epoch: &mut EpochMemory,
        after: Sequence,
    ) -> Result<Sequence, StoreError> {
        let mark = epoch.row.mark;
        let lost = self.lost(epoch)?;
        let next = lost.iter().find(|lost| **lost > after);
        Ok(next.map_or(mark, |next| Sequence(next.0 - 1)))
    }

    /// The mark for a Welcome, and the digest of what stands there.
    pub(super) fn mark_to_welcome(
        &mut self,
        epoch: &mut EpochMemory,
    ) -> Result<(Sequence, Digest), StoreError> {
        let whole = (epoch.row.mark, epoch.row.digest);
        let told = self.mark_to_tell(epoch, Sequence::NONE)?;
        if told == whole.0 {
            return Ok(whole);
        }
        if told == Sequence::NONE {
            return Ok((told, Digest::ZERO));
        }
        let entry = self.entry(epoch, told)?;
        let digest = entry.map(|entry| entry.digest).filter(|it| *it != Digest::ZERO);
        Ok(digest.map_or(whole, |digest| (told, digest))) // without it the probe could not tell its own
    }

    /// Takes a batch that stood at its sequence, and is damaged. `None`: it is none of these.
    pub(super) fn take_again(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        batch: Option<&Arc<Batch>>,
    ) -> Result<Option<Ingested>, StoreError> {
        let sequence = incoming.last_sequence();
        let lost = StreamEntry {
            kind: StreamKind::Lost,
            digest: incoming.digest,
        };
        let (Some(batch), true) = (batch, self.entry(epoch, sequence)? == Some(lost)) else {
            return Ok(None);
        };
        match self.require_plans(incoming) {
            Ok(()) => {}
            Err(NotStored::NeedsPlans(missing)) => return Ok(Some(Ingested::NeedPlans(missing))),
            Err(NotStored::Failed(error)) => return Err(error),
            Err(NotStored::Refused(_)) => {
                self.let_go(epoch, sequence..=sequence)?;
                return Ok(None);
            }
        }
        let slots = batch.slots().map(|(_, slot)| slot);
        let counts = RowCounts::of(slots);
        for &(hour, rows) in &counts.hours {
            let hour = epoch.hour_mut(&self.epochs, hour)?;
            hour.stored += rows;
            hour.damaged = hour.damaged.saturating_sub(rows);
        }
        self.append(incoming, batch, &counts)?;
        let key = stream_key(incoming.probe, incoming.epoch(), sequence);
        batch_is_back(self.transaction, self.store.found(), &key)?;
        self.memory.is_mended = true;
        epoch.found(sequence..=sequence);
        let mark = self.mark_to_tell(epoch, sequence)?;
        Ok(Some(Ingested::Stored { mark }))
    }

    /// The probe has what a tombstone stands for no longer: it is asked for no more.
    pub(super) fn give_up(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        tombstone: &Tombstone,
    ) -> Result<(), StoreError> {
        debug_assert_eq!(incoming.epoch(), tombstone.epoch);
        self.let_go(epoch, tombstone.first..=tombstone.last)
    }

    fn let_go(&mut self, epoch: &mut EpochMemory, range: RangeInclusive<Sequence>) -> Result<(), StoreError> {
        let lost: Vec<Sequence> = self.lost(epoch)?.to_vec();
        for sequence in lost.into_iter().filter(|lost| range.contains(lost)) {
            let Some(entry) = self.entry(epoch, sequence)? else {
                continue;
            };
            let gone = StreamEntry {
                kind: StreamKind::Gone,
                ..entry
            };
            let key = stream_key(epoch.probe, epoch.epoch, sequence);
            self.epochs.stream.insert(&key, &gone.encode())?;
            self.memory.is_mended = true;
        }
        epoch.found(range);
        Ok(())
    }

    /// The damaged batches of an epoch that its probe may still have.
    fn lost<'e>(&self, epoch: &'e mut EpochMemory) -> Result<&'e [Sequence], StoreError> {
        epoch.lost(&self.epochs, self.memory.set_aside > 0)
    }

    fn entry(&self, epoch: &EpochMemory, sequence: Sequence) -> Result<Option<StreamEntry>, StoreError> {
        let key = stream_key(epoch.probe, epoch.epoch, sequence);
        let entry = self.epochs.stream.lookup_as(&key, StreamEntry::decode)?;
        Ok(match entry {
            Lookup::Is(entry) => Some(entry),
            Lookup::Absent | Lookup::Damaged => None,
        })
    }
}
