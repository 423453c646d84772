//! Sealing, and all else that tends the store, has failed for too long.

use std::time::Duration;

use isochrone_store::Store;

/// It is told once it failed for so long.
const TOLD_FROM: Duration = Duration::from_secs(3 * 3_600);

/// What is told of it, while it fails.
pub(super) fn fails(store: &Store) -> Option<String> {
    let failure = store.upkeep_failure()?;
    (failure.lasts >= TOLD_FROM).then(|| {
        format!(
            "The collector's store has not been tended for {} hours: {}. What comes is acknowledged and kept, but \
             store.redb grows until that works again.",
            failure.lasts.as_secs() / 3_600,
            failure.error
        )
    })
}
