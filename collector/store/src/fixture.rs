//! Batches as the log gives them back, for tests.

use std::sync::Arc;

use isochrone_base::fixture;
use isochrone_proto::measurement::Measurement;
use isochrone_proto::plan::Plan;
use isochrone_proto::units::UnixMillis;

use crate::{Period, Rollup, Stored, segment};

/// A batch of these rows as the log gives it back.
#[must_use]
pub fn stored(plan: &Arc<Plan>, rows: &[Measurement]) -> Stored {
    let batch = fixture::batch(plan, rows);
    let newest = rows.iter().map(|row| row.slot).max();
    Stored {
        commit: 1,
        probe: plan.probe,
        epoch: batch.header.epoch,
        sequence: batch.header.sequence,
        received: newest.unwrap_or_default().max(UnixMillis(fixture::DAY0)),
        batch,
        plan: Arc::clone(plan),
    }
}

/// What these rows add up to, as rollups give it.
#[must_use]
pub fn rolled(period: Period, plan: &Plan, rows: &[Measurement]) -> Vec<Rollup> {
    segment::added_up(period, plan, rows)
}
