//! Measurements read once, for figures of days: the store's, or those that lie elsewhere.

use isochrone_coverage::note::Note;
use isochrone_store::{Scan, Store, StoreError};
use isochrone_watch::clocks::Clocks;

use crate::elsewhere::Elsewhere;
use crate::kept::{BeforeKept, Within};
use crate::log::Window;
use crate::tiers::{self, Fill, Held, Needs, TierSpan};
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
    Ok(DaysRead {
        filled,
        window,
        clocks,
        held,
        notes: notes(before, &tiers),
    })
}

/// The same of measurements that lie elsewhere, all of which are held one by one.
///
/// # Errors
/// When these, or the store, cannot be read.
pub(crate) fn read_elsewhere<S: Scan, F: Fill>(
    elsewhere: Elsewhere<'_, S>,
    Within { window, before }: Within,
    make: impl FnOnce(Window, &Clocks, &Witnesses) -> F,
) -> Result<DaysRead<F>, S::Error> {
    let clocks = Clocks::read(elsewhere.store)?;
    let mut filled = make(window, &clocks, &Witnesses::read(elsewhere.store)?);
    let held = Held::all();
    let tiers = tiers::choose(window, held, Needs::DAYS);
    tiers::read_elsewhere(
        elsewhere.rows,
        (window, (window.from, window.until)),
        (&clocks, &tiers),
        &mut filled,
        &mut |_, _| {},
    )?;
    Ok(DaysRead {
        filled,
        window,
        clocks,
        held,
        notes: notes(before, &tiers),
    })
}

fn notes(before: Option<BeforeKept>, tiers: &[TierSpan]) -> Vec<Note> {
    let before = before.map(|before| before.note());
    before
        .into_iter()
        .chain([Note::ReadFrom(tiers::note(tiers))])
        .collect()
}
