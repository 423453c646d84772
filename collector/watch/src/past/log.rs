//! Where rows come from: the store, or a made-up log in tests.

use std::ops::ControlFlow;

use isochrone_proto::units::UnixMillis;
use isochrone_store::{ScanRange, Store, StoreError, Stored, Tier};

/// Stored batches.
pub(super) trait Log {
    /// Gives every batch in `range` to `each`.
    fn scan(&self, range: ScanRange, each: &mut dyn FnMut(Stored)) -> Result<(), StoreError>;

    /// The newest commit.
    fn commit_number(&self) -> Result<u64, StoreError>;

    /// The beginning of the hour of the oldest rows of which retention removed none; `None` if there are no rows.
    fn begins(&self) -> Result<Option<UnixMillis>, StoreError>;
}

impl Log for Store {
    fn scan(&self, range: ScanRange, each: &mut dyn FnMut(Stored)) -> Result<(), StoreError> {
        Self::scan(self, range, |stored| {
            each(stored);
            ControlFlow::Continue(())
        })
    }

    fn commit_number(&self) -> Result<u64, StoreError> {
        Self::commit_number(self)
    }

    fn begins(&self) -> Result<Option<UnixMillis>, StoreError> {
        let whole_from = self.whole_from(Tier::Raw)?;
        let oldest = self.oldest_hour()?.map(|hour| hour.start());
        Ok(oldest.map(|oldest| oldest.max(whole_from)))
    }
}
