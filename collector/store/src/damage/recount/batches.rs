//! The whole batches of epochs, in the log and in segments.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::codec;
use isochrone_proto::ids::Sequence;
use isochrone_proto::units::UnixMillis;

use super::{EpochKey, Tables};
use crate::heads::Head;
use crate::segment::Span;
use crate::tables::stream_key;
use crate::{StoreError, StoredBlob, StreamEntry, StreamKind};

impl Tables<'_> {
    /// Whether a batch is in the log, or sealed.
    pub(super) fn holds(&self, commit: u64) -> Result<bool, StoreError> {
        let place = self.commits.partition_point(|stretch| stretch.last < commit);
        let is_sealed = self
            .commits
            .get(place)
            .is_some_and(|stretch| stretch.holds(commit));
        Ok(is_sealed || self.log.get(commit)?.is_some())
    }

    /// The epochs that have sealed batches in these spans.
    pub(super) fn epochs_in(
        &self,
        spans: impl Iterator<Item = Span>,
    ) -> Result<BTreeSet<EpochKey>, StoreError> {
        let mut epochs = BTreeSet::new();
        for span in spans {
            self.sealed.each_head(span, &mut |head| {
                epochs.insert((head.probe, head.header.epoch));
            })?;
        }
        Ok(epochs)
    }

    /// The headers of an epoch's whole batches, roughly in order.
    pub(super) fn each_header(
        &self,
        key: EpochKey,
        mut each: impl FnMut(&BatchHeader),
    ) -> Result<(), StoreError> {
        for &stretch in &self.commits {
            self.sealed.each_head(stretch, &mut |head| {
                if (head.probe, head.header.epoch) == key {
                    each(&head.header);
                }
            })?;
        }
        self.each_logged(key, |batch| each(&batch.header))
    }

    /// The header of each whole batch of these epochs, with the slots of its measurements.
    pub(super) fn each_batch(
        &self,
        keys: &BTreeSet<EpochKey>,
        mut each: impl FnMut(EpochKey, &BatchHeader, &[(u16, UnixMillis)]),
    ) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let wants = |head: &Head| keys.contains(&(head.probe, head.header.epoch));
        let mut slots = Vec::new();
        self.sealed.walk(0, &wants, &mut |head, runs| {
            slots.clear();
            slots.extend(runs.iter().map(|run| (run.check, run.slot)));
            each((head.probe, head.header.epoch), &head.header, &slots);
            Ok(ControlFlow::Continue(()))
        })?;
        for &key in keys {
            self.each_logged(key, |batch| {
                slots.clear();
                slots.extend(batch.slots());
                each(key, &batch.header, &slots);
            })?;
        }
        Ok(())
    }

    /// The whole batches of an epoch that are in the log, in order.
    fn each_logged(&self, (probe, epoch): EpochKey, mut each: impl FnMut(&Batch)) -> Result<(), StoreError> {
        let lowest = stream_key(probe, epoch, Sequence(0));
        let highest = stream_key(probe, epoch, Sequence(u64::MAX));
        for entry in self.stream.range::<&[u8; 32]>(&lowest..=&highest)? {
            let (key, entry) = entry?;
            let entry = self.stream.decode(key.value(), &entry, StreamEntry::decode);
            let Some(StreamKind::Batch { commit }) = entry.map(|entry| entry.kind) else {
                continue;
            };
            if let Some(row) = self.log.get(commit)?
                && let Some((_, batch)) = whole_batch(row.value())
            {
                each(&batch);
            }
        }
        Ok(())
    }
}

pub(super) fn whole_batch(row: &[u8]) -> Option<(StoredBlob<'_>, Batch)> {
    let blob = StoredBlob::decode(row).ok()?;
    let batch = codec::decode_batch(blob.payload).ok()?;
    Some((blob, batch))
}
