//! `show NODE`: what happened to one node in a window, failure by failure: the answer to "Tokyo, 03:00?". The log of the
//! window is judged by it: its outages, and which failures count, are those of `report nodes`.

mod builder;
mod groups;
mod hours;
mod sums;
mod text;
mod values;

use isochrone_base::roster::Roster;
use isochrone_store::{Store, StoreError};
use isochrone_watch::facts::Facts;
use isochrone_watch::{monitor, past};

use self::builder::ShowBuilder;
pub use self::hours::HourLine;
pub use self::values::{FailureRun, IncidentLine, SeenBy, ShowReport};
use crate::kept::Within;
use crate::tiers::{self, Held, Needs};

/// Reads the log and makes the report; `None` if no node has this name.
///
/// # Errors
/// When the store failed.
pub fn from_store(
    store: &Store,
    roster: &Roster,
    node: &str,
    window: impl Into<Within>,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<ShowReport>, StoreError> {
    let Some(node) = roster.node_named(node) else {
        return Ok(None);
    };
    let Within { window, before } = window.into();
    let facts = Facts::read(store)?;
    let clocks = facts.clocks.clone();
    let mut builder = ShowBuilder::new(roster, node, window, clocks.clone());
    let held = Held::of(store)?;
    let tiers = tiers::choose(window, held, Needs::RUNS);
    tiers::read(store, (window, &clocks), (&tiers, held), &mut builder, progress)?;
    let replayed = past::judge(store, (roster, facts), (window.from, window.until), progress)?;
    let kept = monitor::incidents(store).list()?;
    let kept: Vec<_> = kept.into_iter().map(|(_, incident)| incident).collect();
    Ok(Some(ShowReport {
        source: store.source(),
        tiers,
        before_kept: before,
        hours: hours::read(store, (roster, node), window, held.rows_from())?,
        ..builder.finish(&replayed, &kept)
    }))
}

#[cfg(test)]
mod tests;
