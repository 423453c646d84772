//! The log read once, for figures of days.

use isochrone_coverage::note::Note;
use isochrone_store::{Store, StoreError};
use isochrone_watch::clocks::Clocks;

use crate::kept::Within;
use crate::log::Window;
use crate::tiers::{self, Fill, Held, Needs};
use crate::vantages::Witnesses;

/// What was filled from the log, and from what of it.
pub(crate) struct DaysRead<F> {
    pub(crate) filled: F,
    /// The window that was read: as much of what was asked for as can be kept.
    pub(crate) window: Window,
    pub(crate) clocks: Clocks,
    pub(crate) held: Held,
    /// What a reader must know of how it was read.
    pub(crate) notes: Vec<Note>,
}

/// Fills what `make` makes, of a window, the probes' clocks and what tells that probes are one server.
///
/// # Errors
/// When the store failed.
pub(crate) fn read<F: Fill>(
    store: &Store,
    window: impl Into<Within>,
    make: impl FnOnce(Window, &Clocks, &Witnesses) -> F,
    progress: &mut dyn FnMut(u64),
) -> Result<DaysRead<F>, StoreError> {
    let Within { window, before } = window.into();
    let clocks = Clocks::read(store)?;
    let mut filled = make(window, &clocks, &Witnesses::read(store)?);
    let held = Held::of(store)?;
    let tiers = tiers::choose(window, held, Needs::DAYS);
    tiers::read(store, (window, &clocks), (&tiers, held), &mut filled, progress)?;
    let before = before.map(|before| before.note());
    Ok(DaysRead {
        filled,
        window,
        clocks,
        held,
        notes: before
            .into_iter()
            .chain([Note::ReadFrom(tiers::note(&tiers))])
            .collect(),
    })
}
