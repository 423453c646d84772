//! `show NODE`: what happened to one node in a window, failure by failure: the answer to "Tokyo, 03:00?".

mod builder;
mod groups;
mod text;
mod values;

use isochrone_base::roster::Roster;
use isochrone_store::{Store, StoreError};
use isochrone_watch::clocks::Clocks;
use isochrone_watch::monitor;

use self::builder::ShowBuilder;
pub use self::values::{FailureRun, IncidentLine, SeenBy, ShowReport};
use crate::log::{Window, fill};

/// Reads the log and makes the report; `None` if no node has this name.
///
/// # Errors
/// When the store failed.
pub fn from_store(
    store: &Store,
    roster: &Roster,
    node: &str,
    window: Window,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<ShowReport>, StoreError> {
    let Some(node) = roster.node_named(node) else {
        return Ok(None);
    };
    let clocks = Clocks::read(store)?;
    let mut builder = ShowBuilder::new(roster, node, window).with_clocks(clocks.clone());
    fill(store, (window, &clocks), &mut builder, progress)?;
    let incidents = monitor::incidents(store).list()?;
    let incidents = incidents.into_iter().map(|(_, incident)| incident);
    Ok(Some(ShowReport {
        source: store.source(),
        ..builder.finish(incidents)
    }))
}

#[cfg(test)]
mod tests;
