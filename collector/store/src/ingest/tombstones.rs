//! Tombstones: what stands in the place of batches that a spool dropped.

use isochrone_proto::ledger::Tombstone;

use super::judge::{RefuseReason, Window};
use super::not_stored::NotStored;
use super::round::{Round, Standing};
use super::stream::EpochMemory;
use super::{Incoming, Ingested};
use crate::tables::{FORKS, TOMBSTONES, fork_key, stream_key};
use crate::{HourRow, StoreError, StreamKind, TombstoneRow};

impl Round<'_> {
    pub(super) fn tombstone(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        tombstone: &Tombstone,
    ) -> Result<Ingested, StoreError> {
        let mark = epoch.row.mark;
        if tombstone.last <= mark {
            // Inside another tombstone's range no digest is known; it asks for nothing that is not done.
            let stands = self.stands_at(incoming, tombstone.last)?;
            return Ok(match stands {
                Standing::This(digest) if digest != tombstone.last_digest => Ingested::Forked {
                    sequence: tombstone.last,
                },
                _ => {
                    self.give_up(epoch, incoming, tombstone)?;
                    let mark = self.mark_to_tell(epoch, tombstone.last)?;
                    Ingested::Already { mark }
                }
            });
        }
        if tombstone.first > mark.next() && epoch.row.forked_batches > 0 {
            // what was before it was counted as a fork, not stored; what comes after names it
            let (probe, sequence) = (incoming.probe, tombstone.last);
            let key = fork_key(probe, tombstone.epoch, sequence, tombstone.last_digest);
            let mut forks = FORKS.open(self.transaction, self.store.found())?;
            forks.insert_number(&key, 0)?;
            epoch.row_mut().forked_batches += 1;
            return Ok(Ingested::Forked { sequence });
        }
        if tombstone.first > mark.next() {
            let expected = mark.next();
            return Ok(Ingested::Gap { expected });
        }
        let judged = self
            .require_plans(incoming)
            .and_then(|()| self.take_over(epoch, incoming, tombstone));
        let result = match judged {
            Ok(()) => {
                self.stand(incoming, StreamKind::Tombstone, tombstone.last_digest)?;
                Ingested::Stored { mark: tombstone.last }
            }
            Err(NotStored::NeedsPlans(missing)) => return Ok(Ingested::NeedPlans(missing)),
            Err(NotStored::Failed(error)) => return Err(error),
            Err(NotStored::Refused(reason)) => self.quarantine(epoch, incoming, reason, 0)?,
        };
        let row = epoch.row_mut();
        (row.mark, row.digest) = (tombstone.last, tombstone.last_digest);
        Ok(result)
    }

    /// Takes a tombstone's account over: what ran and is nowhere was dropped.
    fn take_over(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        tombstone: &Tombstone,
    ) -> Result<(), NotStored> {
        let window = Window::around(incoming.received, self.store.retention());
        if let Some(at) = self.epochs.ended(incoming.probe)?
            && tombstone.cut > at
        {
            return Err(RefuseReason::Revoked { at }.into());
        }
        window.check_cut(tombstone.cut)?;
        for adoption in &tombstone.adopted {
            // told before, in a batch that was stored
            if !epoch.row.adoptions.contains(adoption) {
                epoch.adopt(&self.epochs, self.store, adoption, window)?;
            }
        }
        // Hours beyond raw retention have no row; and what a damaged batch had counted is an estimate.
        let kept = tombstone
            .hours
            .iter()
            .filter(|count| window.holds_hour(count.hour));
        let mut hours = Vec::new();
        for count in kept {
            let known = *epoch.hour_mut(&self.epochs, count.hour)?;
            hours.push(known.at_least(count));
        }
        epoch.check_counts(&self.epochs, self.store, &hours, window)?;
        let mut dropped = 0;
        for count in &hours {
            let hour: &mut HourRow = epoch.hour_mut(&self.epochs, count.hour)?;
            hour.told(count);
            let growth = count.run.saturating_sub(hour.placed());
            hour.dropped += growth;
            dropped += growth;
        }
        let row = epoch.row_mut();
        row.cut = row.cut.max(tombstone.cut);
        let key = stream_key(incoming.probe, tombstone.epoch, tombstone.last);
        let tombstone = TombstoneRow {
            first: tombstone.first,
            dropped,
            cause: tombstone.cause,
        };
        let mut tombstones = TOMBSTONES.open(self.transaction, self.store.found())?;
        tombstones.insert(&key, &tombstone.encode())?;
        Ok(())
    }
}
