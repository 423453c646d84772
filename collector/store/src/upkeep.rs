//! Whether sealing, and all else that tends the store, works.

use std::sync::PoisonError;
use std::time::Duration;

use crate::Store;

/// What tends the store fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpkeepFailure {
    /// For so long nothing of what failed was done.
    pub lasts: Duration,
    /// Why, in words.
    pub error: String,
}

impl Store {
    /// Notes what came of the newest look at what is to be done; `None`: nothing failed.
    pub fn note_upkeep(&self, failure: Option<UpkeepFailure>) {
        *self.0.upkeep.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// What fails of the store's upkeep, as it was noted last.
    #[must_use]
    pub fn upkeep_failure(&self) -> Option<UpkeepFailure> {
        let failure = self.0.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone()
    }
}
