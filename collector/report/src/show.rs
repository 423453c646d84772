//! `show NODE`: what happened to one node in a window, failure by failure: the answer to "Tokyo, 03:00?". The log of the
//! window is judged by it: its outages, and which failures count, are those of `report nodes`.

mod builder;
mod groups;
mod hours;
mod said;
mod sums;
mod text;
mod values;

use isochrone_base::roster::Roster;
use isochrone_store::{HourlyRuns, Scan, Store, StoreError};
use isochrone_watch::facts::Facts;
use isochrone_watch::replay::Replay;
use isochrone_watch::{monitor, past};

use self::builder::ShowBuilder;
pub use self::hours::HourLine;
pub use self::said::{Said, VersionSince};
pub use self::values::{FailureRun, IncidentLine, SeenBy, ShowReport};
use crate::elsewhere::Elsewhere;
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

/// The same of measurements that lie elsewhere, all of them judged again.
///
/// # Errors
/// When these, or the store, cannot be read.
pub fn from_elsewhere<S: Scan>(
    elsewhere: Elsewhere<'_, S>,
    roster: &Roster,
    node: &str,
    within: Within,
) -> Result<Option<ShowReport>, S::Error> {
    let Some(node) = roster.node_named(node) else {
        return Ok(None);
    };
    let (Within { window, before }, store) = (within, elsewhere.store);
    let facts = Facts::read(store)?;
    let clocks = facts.clocks.clone();
    let mut builder = ShowBuilder::new(roster, node, window, clocks.clone());
    let tiers = tiers::choose(window, Held::all(), Needs::RUNS);
    // as the store's own report, it knows of outages that stood before the window, and what came after it
    let judged = (window.from, window.until);
    let span = past::judged_span(store, (roster, &facts), judged)?;
    let mut replay = Replay::new(roster, span).with_facts(facts);
    let mut hourly = HourlyRuns::new(hours::asked((roster, node), (window.from, window.until)));
    let reads = replay.reads();
    tiers::read_elsewhere(
        elsewhere.rows,
        (window, reads),
        (&clocks, &tiers),
        &mut builder,
        &mut |stored, slots| {
            replay.add(stored);
            hourly.add(stored, slots.from..slots.until);
        },
    )?;
    let kept = monitor::incidents(store).list()?;
    let kept: Vec<_> = kept.into_iter().map(|(_, incident)| incident).collect();
    Ok(Some(ShowReport {
        source: elsewhere.source(),
        tiers,
        before_kept: before,
        hours: hourly.finish().iter().map(hours::line).collect(),
        ..builder.finish(&replay.finish_within(judged), &kept)
    }))
}

#[cfg(test)]
mod tests;
