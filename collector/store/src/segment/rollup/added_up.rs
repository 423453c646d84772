//! Rollups of measurements that lie elsewhere: by the same sums as those of the store.

use isochrone_proto::kind::Check;
use isochrone_proto::units::UnixMillis;

use super::fold::Fold;
use super::{Period, Rollup};
use crate::Stored;

/// Measurements, as they add up to hours or days.
#[derive(Debug)]
pub struct AddedUp(Fold);

impl AddedUp {
    /// Of no measurement yet.
    #[must_use]
    pub const fn new(period: Period) -> Self {
        Self(Fold::new(period))
    }

    /// Adds those runs of a batch whose slots lie in `[from, until)` and whose check `wants`.
    pub fn add(
        &mut self,
        stored: &Stored,
        (from, until): (UnixMillis, UnixMillis),
        wants: fn(Check) -> bool,
    ) {
        for run in stored.batch.measurements() {
            if from <= run.slot && run.slot < until {
                self.0.add(&stored.plan, &run, &|key| wants(key.kind.check));
            }
        }
    }

    /// Takes out all of it, by day, kind, probe, target and period.
    pub fn take(&mut self) -> impl Iterator<Item = Rollup> + use<> {
        let period = self.0.period();
        std::mem::replace(&mut self.0, Fold::new(period)).into_rollups()
    }
}
