//! Which check each row is of, and its slot: for rows that are sorted by check, then slot.

use serde::{Deserialize, Serialize};

use super::rows::{RowsError, column};
use super::{ColumnError, Packed};
use crate::units::UnixMillis;

/// The columns. A batch mostly holds each check once, so the steps from check to check take next to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SortedSlots {
    rows: u16,
    first_check: u16,
    /// From each row's check to the next one's: one fewer than rows.
    check_step: Packed,
    slot_ms: Packed,
}

impl SortedSlots {
    /// Packs rows that are sorted; at most [`BATCH_ROWS_MAX`](crate::limits::BATCH_ROWS_MAX) of them.
    pub(crate) fn pack(rows: &[(u16, UnixMillis)]) -> Self {
        let step = |pair: &[(u16, UnixMillis)]| u64::from(pair[1].0 - pair[0].0);
        Self {
            rows: rows.len() as u16, // at most BATCH_ROWS_MAX
            first_check: rows.first().map_or(0, |row| row.0),
            check_step: Packed::of(&rows.windows(2).map(step).collect::<Vec<_>>()),
            slot_ms: Packed::of(&rows.iter().map(|row| row.1.0).collect::<Vec<_>>()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.rows)
    }

    pub(crate) fn check(&self) -> Result<(), RowsError> {
        const MAX: u64 = u16::MAX as u64;
        let steps = self.len().saturating_sub(1);
        self.check_step.check(steps, MAX).map_err(column("check"))?;
        let last = u64::from(self.first_check) + self.check_step.values(steps).sum::<u64>(); // at most 65,536 steps of 65,535
        if last > MAX {
            let highest = Some(last);
            return Err(column("check")(ColumnError::Range { highest, max: MAX }));
        }
        self.slot_ms.check(self.len(), u64::MAX).map_err(column("slot"))
    }

    /// (check, slot) of every row.
    pub(crate) fn values(&self) -> impl Iterator<Item = (u16, UnixMillis)> + '_ {
        let rows = self.len();
        let mut check = u64::from(self.first_check);
        let steps = self.check_step.values(rows.saturating_sub(1)).chain([0]);
        self.slot_ms.values(rows).zip(steps).map(move |(slot, step)| {
            let this = check as u16; // `check` found the last one to fit
            check += step;
            (this, UnixMillis(slot))
        })
    }
}
