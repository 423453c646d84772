//! How long what is stored is kept, and what goes after that.
//!
//! Measurements and what they add up to go by whole segments (`segment/removal.rs`). What hung on them goes later: hours
//! of the account become part of one line a probe, digests of batches, plans and epochs that nothing names any more go
//! (`retention/accounts.rs`). Each step is one transaction, and small; what it took out is counted in it.

mod accounts;
mod apply;
mod pace;

use std::sync::PoisonError;

use isochrone_proto::units::UnixMillis;

pub(crate) use self::accounts::Trimming;
pub(crate) use self::pace::Pace;
use crate::limits::Removed;
use crate::{Store, StoreError};

impl Store {
    /// Removes what is to go next, a little at a time; `None`: nothing is, for now. Reads files: not for an async task. What
    /// it removes does not come back: `now` is to be [`Store::retention_time`], not a clock that may have been set.
    ///
    /// # Errors
    /// When the store failed. Nothing has changed then.
    pub fn retain(&self, now: UnixMillis) -> Result<Option<Removed>, StoreError> {
        let sealing = &self.0.segments.sealing;
        let _alone = sealing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.remove_due(now)? {
            Some(removed) => Ok(Some(removed)),
            None => self.trim_accounts(now),
        }
    }
}

#[cfg(test)]
mod tests;
