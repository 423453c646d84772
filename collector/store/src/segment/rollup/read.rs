//! Reading rollups: whatever is stored, each measurement once.

use std::ops::ControlFlow;

use super::fold::Fold;
use super::{Rollup, RollupRange};
use crate::{ScanRange, Store, StoreError};

impl Store {
    /// Gives the rollups in `range` to `each`, by day, kind, probe, target and period, until it breaks. Each stored
    /// measurement counts in exactly one: what is sealed as well as what is still in the log, as of one instant. What is
    /// damaged is passed over, and named in [`Store::damage`].
    ///
    /// # Errors
    /// When the store failed.
    pub fn rolled(
        &self,
        range: &RollupRange,
        mut each: impl FnMut(Rollup) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut fold = Fold::new(range.period);
        self.scan(ScanRange::default(), |stored| {
            for run in stored.batch.measurements() {
                fold.add(&stored.plan, &run, &|key| range.holds(key));
            }
            for skipped in &stored.batch.header.skipped {
                fold.skip(&stored.plan, skipped, &|key| range.holds(key));
            }
            ControlFlow::Continue(())
        })?;
        for rollup in fold.into_rollups() {
            if each(rollup).is_break() {
                break;
            }
        }
        Ok(())
    }
}
