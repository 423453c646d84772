//! Files are read again, whole, once a week: what decayed without a write is found while a backup may still hold it.

use isochrone_proto::units::UnixMillis;

use super::catalogue::Segment;
use super::checked::Look;
use super::sealed::noted;
use crate::{Store, StoreError};

const MINUTE_MS: u64 = 60_000;
const WEEK_MINUTES: u64 = 7 * 24 * 60;
/// Shares no divisor with the minutes of a week: numbers that follow one another come at different minutes, far apart.
const SPREAD: u64 = 7_919;

impl Store {
    /// Checks the files, of all tiers, whose turn of the week came after `from` and until `until`; returns how many. What
    /// is damaged is set aside. Reads files: not for an async task.
    ///
    /// # Errors
    /// When the store failed, or the disk.
    pub fn check_files(&self, from: UnixMillis, until: UnixMillis) -> Result<u64, StoreError> {
        let minutes = (from.0 / MINUTE_MS, until.0 / MINUTE_MS);
        self.read(|transaction| {
            let mut files = 0;
            let catalogue = self.0.segments.known.read(transaction, self.found())?;
            for segment in &catalogue.segments {
                if is_due(segment, minutes) {
                    let content = self.0.segments.content(segment, Look::Whole);
                    noted(self.found(), segment, content)?;
                    files += 1;
                }
            }
            Ok(files)
        })
    }
}

/// Whether its minute of the week is one of those after the first and until the last.
fn is_due(segment: &Segment, (first, last): (u64, u64)) -> bool {
    let turn = segment.number % WEEK_MINUTES * SPREAD % WEEK_MINUTES;
    let until_then = (turn + WEEK_MINUTES - (first + 1) % WEEK_MINUTES) % WEEK_MINUTES;
    until_then < last.saturating_sub(first)
}
