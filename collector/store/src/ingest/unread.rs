//! Batches that this release cannot read: kept raw, refused by name, and in nobody's way.

use super::judge::{RefuseReason, Window};
use super::not_stored::NotStored;
use super::piece::Piece;
use super::round::Round;
use super::stream::EpochMemory;
use super::{Incoming, Ingested, UnreadBatch};
use crate::StoreError;

impl Round<'_> {
    pub(super) fn unread(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        unread: &UnreadBatch,
    ) -> Result<Ingested, StoreError> {
        if let Some(answer) = self.out_of_turn(epoch, incoming, &Piece::of_unread(unread))? {
            return Ok(answer);
        }
        let counted = self
            .require_plans(incoming)
            .and_then(|()| self.count_unread(epoch, incoming, unread));
        let rows = match counted {
            Ok(rows) => rows,
            Err(NotStored::NeedsPlans(missing)) => return Ok(Ingested::NeedPlans(missing)),
            Err(NotStored::Failed(error)) => return Err(error),
            Err(NotStored::Refused(_)) => 0, // its account, too: nothing can be said of its rows
        };
        let reason = RefuseReason::Unread {
            error: unread.error.clone(),
        };
        let result = self.quarantine(epoch, incoming, reason, rows)?;
        let row = epoch.row_mut();
        (row.mark, row.digest) = (unread.place.sequence, incoming.digest);
        Ok(result)
    }

    /// Its rows are those that it counts as run and that are nowhere else: whatever came before it has its place.
    fn count_unread(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        unread: &UnreadBatch,
    ) -> Result<u64, NotStored> {
        let Some(header) = &unread.place.header else {
            return Ok(0);
        };
        let window = Window::around(incoming.received, self.store.retention());
        self.take_account(epoch, header, window)?;
        let mut rows = 0;
        for count in &header.hours {
            let hour = epoch.hour_mut(&self.epochs, count.hour)?;
            let nowhere = count.run.saturating_sub(hour.placed());
            hour.refused += nowhere;
            rows += nowhere;
        }
        Ok(rows)
    }
}
