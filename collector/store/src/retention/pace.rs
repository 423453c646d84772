//! The time that retention goes by. What it removes does not come back, and a clock may be set wrong: so its time follows the
//! collector's clock, but never at more than twice the pace at which time passes, by the clock that nobody sets. A clock
//! that was ahead by a month for an hour took it an hour further. After a start it goes on from where it was.

use std::sync::PoisonError;
use std::time::Duration;

use isochrone_proto::units::{Hour, UnixMillis};

use crate::numbers::{Numbers, read_number};
use crate::tables::{LOG_HOURS, META_RETENTION};
use crate::{Store, StoreError};

/// Twice as fast: it catches up with a collector that was off in as long as that was.
const PACE: u32 = 2;
/// It is kept whenever it went on by so much.
const KEPT_EVERY: Duration = Duration::from_secs(600);
/// By so much the clock may be ahead before it is told.
const TOLD_FROM: Duration = Duration::from_secs(86_400);

/// How far it came.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// The time that was reached, and when, in time since the machine started.
    reached: Option<(UnixMillis, Duration)>,
    kept: UnixMillis,
    is_told: bool,
}

impl Store {
    /// The time that retention goes by: at most `wall`. `since_boot`: the time that nobody sets.
    ///
    /// # Errors
    /// When the store failed.
    pub fn retention_time(&self, wall: UnixMillis, since_boot: Duration) -> Result<UnixMillis, StoreError> {
        let mut pace = self.0.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let reached = match pace.reached {
            Some((reached, then)) => {
                let passed = since_boot.saturating_sub(then);
                reached.plus(passed * PACE).min(wall).max(reached)
            }
            None => {
                pace.kept = self.read(|transaction| {
                    read_number(transaction, self.found(), META_RETENTION).map(UnixMillis)
                })?;
                match pace.kept {
                    UnixMillis(0) => wall.min(self.newest()?.unwrap_or(wall)), // it begins
                    kept => kept,
                }
            }
        };
        if reached >= pace.kept.plus(KEPT_EVERY) {
            self.write_tables(|transaction| {
                Numbers::open(transaction, self.found())?.set(META_RETENTION, reached.0)
            })?;
            pace.kept = reached;
        }
        pace.reached = Some((reached, since_boot));
        if wall > reached.plus(TOLD_FROM) && !pace.is_told {
            tracing::warn!(
                ahead_s = wall.since(reached).as_secs(),
                "retention goes by a time behind this collector's clock: the clock was set, or the collector was off; it catches up at \
                 twice the pace of time"
            );
            pace.is_told = true;
        }
        Ok(reached.min(wall))
    }

    /// The end of the newest hour of which anything is stored.
    fn newest(&self) -> Result<Option<UnixMillis>, StoreError> {
        self.read(|transaction| {
            let index = LOG_HOURS.read(transaction, self.found())?;
            let last = index.iter()?.next_back().transpose()?;
            Ok(last.map(|(hour, _)| Hour(hour.value().saturating_add(1)).start()))
        })
    }
}
