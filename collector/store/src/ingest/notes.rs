//! What a probe says of its epochs when it comes: which there are, in which order, and which are over.

use isochrone_proto::control::EpochMark;
use isochrone_proto::ids::{EpochId, ProbeId, Sequence};
use isochrone_proto::limits::HELLO_EPOCHS_MAX;

use super::EpochNote;
use super::round::Round;
use crate::tables::{epoch_key, parse_epoch_key};
use crate::{EpochRow, StoreError};

/// Most epochs of one probe that are noted before a batch of them comes, as many as one Hello names: a probe can name as
/// many as it likes. One that is left out is noted with its first batch.
const KNOWN_BY_WORD_MAX: usize = HELLO_EPOCHS_MAX;

impl Round<'_> {
    /// Notes what a probe says of its epochs; returns their marks.
    pub(super) fn note(&mut self, note: &EpochNote) -> Result<Vec<EpochMark>, StoreError> {
        let current = note.epochs.last().map(|state| state.epoch);
        let mut room = KNOWN_BY_WORD_MAX.saturating_sub(self.known_by_word(note.probe)?);
        let mut left_out = 0_u32;
        let mut marks = Vec::with_capacity(note.epochs.len());
        for state in &note.epochs {
            let mut epoch = self.take_epoch(note.probe, state.epoch)?;
            let is_current = current == Some(state.epoch);
            if epoch.row.ordinal == 0 && (is_current || state.last > Sequence::NONE) {
                if room == 0 {
                    left_out += 1;
                } else {
                    room -= 1;
                    epoch.row_mut().told_first_slot = state.first_slot;
                }
            }
            let told_last = (!is_current).then_some(state.last);
            let noted = epoch.is_dirty() || (note.complete && epoch.row.ordinal != 0);
            if noted && epoch.row.told_last != told_last {
                epoch.row_mut().told_last = told_last;
            }
            let (stored, digest) = self.mark_to_welcome(&mut epoch)?;
            marks.push(EpochMark {
                epoch: state.epoch,
                stored,
                digest,
                safe: match self.store.sent_up_to() {
                    // else it is said with the acknowledgements, once it is known of which commit they are
                    Some(sent) if sent >= self.memory.commit => stored,
                    _ => Sequence::NONE,
                },
                refused: epoch.row.refused(),
            });
            self.put_epoch(note.probe, state.epoch, epoch);
        }
        if left_out > 0 {
            tracing::warn!(probe = %note.probe, epochs = left_out, "a probe names more epochs than are noted before a batch of them comes");
        }
        if note.complete {
            self.note_drained(note)?;
        }
        Ok(marks)
    }

    /// How many epochs of the probe are noted of which nothing ever came.
    fn known_by_word(&self, probe: ProbeId) -> Result<usize, StoreError> {
        let lowest = epoch_key(probe, EpochId([0; 16]));
        let highest = epoch_key(probe, EpochId([0xff; 16]));
        let mut count = 0;
        for row in self.epochs.epochs.range::<&[u8; 24]>(&lowest..=&highest)? {
            let (key, row) = row?;
            let row = self.epochs.epochs.decode(key.value(), &row, EpochRow::decode);
            count +=
                usize::from(row.is_some_and(|row| row.mark == Sequence::NONE && row.adoptions.is_empty()));
        }
        Ok(count)
    }

    /// Epochs that the probe no longer names hold nothing more.
    fn note_drained(&mut self, note: &EpochNote) -> Result<(), StoreError> {
        let lowest = epoch_key(note.probe, EpochId([0; 16]));
        let highest = epoch_key(note.probe, EpochId([0xff; 16]));
        let mut silent = Vec::new();
        for row in self.epochs.epochs.range::<&[u8; 24]>(&lowest..=&highest)? {
            let (key, row) = row?;
            let (_, epoch) = parse_epoch_key(key.value());
            let named = note.epochs.iter().any(|state| state.epoch == epoch);
            let row = self.epochs.epochs.decode(key.value(), &row, EpochRow::decode);
            if !named && row.is_some_and(|row| !row.is_drained()) {
                silent.push(epoch);
            }
        }
        for id in silent {
            let mut epoch = self.take_epoch(note.probe, id)?;
            if !epoch.row.is_drained() {
                let mark = epoch.row.mark;
                epoch.row_mut().told_last = Some(mark);
            }
            self.put_epoch(note.probe, id, epoch);
        }
        Ok(())
    }
}
