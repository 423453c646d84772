//! What the runner tells the recorder: everything that happens to the slots of an epoch.

use std::sync::Arc;

use isochrone_proto::control::EpochState;
use isochrone_proto::ids::{EpochId, PlanVersion};
use isochrone_proto::ledger::{Event, SkippedRange};
use isochrone_proto::measurement::Measurement;
use isochrone_proto::plan::Plan;
use isochrone_proto::units::UnixMillis;
use tokio::sync::oneshot;

/// Counts the epochs of this process; the newest one is current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Generation(pub u64);

/// One thing that happened, with the slot time at which it did. Everything that happens later in the same
/// epoch has a later time, so a batch may be cut at any of them.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Slot time.
    pub at: UnixMillis,
    pub record: Record,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Record {
    /// An epoch begins; the one before gets no more slots from its end on.
    Opened {
        /// Its number in this process.
        generation: Generation,
        epoch: EpochId,
        first_slot: UnixMillis,
        /// Why, where that is an event.
        event: Option<Event>,
        /// Told once the spool knows the epoch.
        done: Option<oneshot::Sender<EpochState>>,
    },
    /// From `first_slot` on the epoch follows a plan.
    Adopted {
        /// The epoch.
        generation: Generation,
        plan: Arc<Plan>,
        /// From where on.
        first_slot: UnixMillis,
    },
    /// A run ended.
    Ran {
        /// The epoch.
        generation: Generation,
        /// The plan that its check belongs to.
        plan: PlanVersion,
        /// The result.
        measurement: Measurement,
    },
    /// Slots were not run.
    Skipped {
        /// The epoch.
        generation: Generation,
        /// The plan that their check belongs to.
        plan: PlanVersion,
        range: SkippedRange,
    },
    /// Something else, of the current epoch.
    Event(Event),
    /// The epoch plans nothing from `end` on.
    Ended {
        /// The epoch.
        generation: Generation,
        /// Where it ends, in its own slot time.
        end: UnixMillis,
        /// The wall clock was stepped: times from now on are not the epoch's.
        stepped: bool,
    },
    /// Nothing of the epoch is under way any more.
    Finished {
        /// The epoch.
        generation: Generation,
    },
    /// Results wait that are old enough for a batch.
    BatchDue,
    /// Time passed.
    Tick,
}
