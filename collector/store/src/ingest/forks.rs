//! What comes out of its turn: again, after a gap, or from an epoch that went on elsewhere.

use isochrone_proto::ids::{Digest, Sequence};

use super::judge::{RowCounts, Window};
use super::piece::Piece;
use super::round::{Round, Standing};
use super::stream::EpochMemory;
use super::{Incoming, Ingested};
use crate::StoreError;
use crate::tables::{FORKS, fork_key};

/// Batches of one epoch that are kept as forks; further ones are only counted.
const FORKS_MAX: u64 = 1_024;

impl Round<'_> {
    /// What becomes of a batch whose turn it is not; `None`: it is.
    pub(super) fn out_of_turn(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        piece: &Piece<'_>,
    ) -> Result<Option<Ingested>, StoreError> {
        let (sequence, mark) = (piece.sequence, epoch.row.mark);
        if sequence <= mark {
            return match self.stands_at(incoming, sequence)? {
                Standing::This(digest) if digest != incoming.digest => {
                    self.fork(epoch, incoming, piece).map(Some)
                }
                Standing::Dropped => self.fork(epoch, incoming, piece).map(Some),
                Standing::This(_) | Standing::Unknown => {
                    let again = self.take_again(epoch, incoming, piece.batch)?;
                    Ok(Some(match again {
                        Some(answer) => answer,
                        None => Ingested::Already {
                            mark: self.mark_to_tell(epoch, sequence)?,
                        },
                    }))
                }
            };
        }
        let leaps = self.leaps_gaps && sequence != mark.next();
        if sequence != mark.next() && !leaps {
            if self.continues_fork(epoch, incoming, piece)? {
                return self.fork(epoch, incoming, piece).map(Some);
            }
            let expected = mark.next();
            return Ok(Some(Ingested::Gap { expected }));
        }
        let is_known = epoch.row.digest != Digest::ZERO || mark == Sequence::NONE; // else it was damaged
        if is_known && piece.previous != epoch.row.digest && !leaps {
            return self.fork(epoch, incoming, piece).map(Some);
        }
        Ok(None)
    }

    /// Whether a batch follows one that was counted as a fork: it belongs to the fork too, however far above
    /// the mark it is.
    fn continues_fork(
        &self,
        epoch: &EpochMemory,
        incoming: &Incoming,
        piece: &Piece<'_>,
    ) -> Result<bool, StoreError> {
        if epoch.row.forked_batches >= FORKS_MAX {
            return Ok(true); // no longer known one by one
        }
        let before = Sequence(piece.sequence.0.saturating_sub(1));
        let key = fork_key(incoming.probe, incoming.epoch(), before, piece.previous);
        let forks = FORKS.open(self.transaction, self.store.found())?;
        Ok(epoch.row.forked_batches > 0 && forks.get(&key)?.is_some())
    }

    /// Counts the rows of a batch that does not fit, once for each digest.
    fn fork(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        piece: &Piece<'_>,
    ) -> Result<Ingested, StoreError> {
        let sequence = piece.sequence;
        let forked = Ingested::Forked { sequence };
        let key = fork_key(incoming.probe, incoming.epoch(), sequence, incoming.digest);
        let mut forks = FORKS.open(self.transaction, self.store.found())?;
        if forks.get(&key)?.is_some() {
            return Ok(forked);
        }
        if epoch.row.forked_batches >= FORKS_MAX {
            epoch.row_mut().forks_uncounted += 1;
            return Ok(forked);
        }
        forks.insert_number(&key, piece.batch.map_or(0, |batch| batch.rows()) as u64)?;
        epoch.row_mut().forked_batches += 1;
        let slots = piece
            .batch
            .into_iter()
            .flat_map(|batch| batch.slots())
            .map(|(_, slot)| slot);
        let counts = RowCounts::of_refused(slots, Window::around(incoming.received, self.store.retention()));
        for (hour, rows) in counts.hours {
            epoch.hour_mut(&self.epochs, hour)?.forked += rows;
        }
        Ok(forked)
    }
}
