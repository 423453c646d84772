//! What the page and the notices say of the ledger and of damage, as it was drawn up last.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use isochrone_base::words::timestamp;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ledger::Sums;
use isochrone_store::{Damage, Store, StoreError};
use isochrone_web::view::LedgerTotals;
use tokio::time::Instant;

/// How often it is drawn up.
const EVERY: Duration = Duration::from_secs(3);

/// The account, and what it is drawn up from.
pub(super) struct Account {
    pub(super) drawn: Drawn,
    sums: Arc<Mutex<Sums>>,
    due: Instant,
}

/// The account at one instant.
pub(super) struct Drawn {
    pub(super) totals: LedgerTotals,
    pub(super) damage: Damage,
}

impl Account {
    /// The first one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn open(store: &Store, (now, wall): (Instant, UnixMillis)) -> Result<Self, StoreError> {
        let sums = Arc::default();
        Ok(Self {
            drawn: draw(&sums, store, wall)?,
            sums,
            due: now,
        })
    }

    /// Whether it is time; the work, for a thread that may block.
    pub(super) fn work(
        &mut self,
        store: &Store,
        (now, wall): (Instant, UnixMillis),
    ) -> Option<impl FnOnce() -> Result<Drawn, StoreError> + Send + 'static> {
        if now < self.due {
            return None;
        }
        self.due = now + EVERY;
        let (sums, store) = (Arc::clone(&self.sums), store.clone());
        Some(move || draw(&sums, &store, wall))
    }
}

/// Counts again what changed since the last time.
fn draw(sums: &Mutex<Sums>, store: &Store, wall: UnixMillis) -> Result<Drawn, StoreError> {
    let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
    sums.update(store, wall)?;
    Ok(Drawn {
        totals: totals(&sums),
        damage: store.damage()?,
    })
}

fn totals(sums: &Sums) -> LedgerTotals {
    let (all, first) = (sums.totals(), sums.first_hour());
    LedgerTotals {
        from: first.map(|hour| timestamp(hour.start())),
        to: first.map(|_| timestamp(sums.at())),
        planned: all.planned,
        run: all.run,
        skipped: all.skipped,
        absent: all.absent,
        stored: all.stored,
        spooled: all.spooled,
        dropped: all.dropped,
        damaged: all.damaged,
        refused: all.refused,
        forked: all.forked,
        revoked: all.revoked,
        balanced: sums.is_balanced(),
    }
}
