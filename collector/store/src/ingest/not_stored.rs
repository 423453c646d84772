//! Why an item does not become part of the log.

use isochrone_proto::ids::PlanVersion;

use super::judge::RefuseReason;
use crate::StoreError;

/// Why an item does not become part of the log.
#[derive(Debug)]
pub(super) enum NotStored {
    /// Its content is refused: it goes to quarantine, and blocks nothing.
    Refused(RefuseReason),
    /// It names plans that are not here: the probe is asked for them.
    NeedsPlans(Vec<PlanVersion>),
    /// The store failed: nothing of the whole transaction counts.
    Failed(StoreError),
}

impl From<RefuseReason> for NotStored {
    fn from(reason: RefuseReason) -> Self {
        Self::Refused(reason)
    }
}

impl From<StoreError> for NotStored {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}
