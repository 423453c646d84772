//! What was measured of nodes, and all that places can be judged by, in one reading of the log.

use isochrone_base::roster::Roster;
use isochrone_coverage::locate::Survey;
use isochrone_coverage::note::Note;
use isochrone_coverage::observations::{CandidateSite, Observations, Source};
use isochrone_proto::kind::Check;
use isochrone_store::imported::Imported;
use isochrone_store::{Period, Rollup, Scan, Store, StoreError, Stored, Timing};
use isochrone_watch::clocks::Clocks;

use super::observations::ObservationsBuilder;
use crate::days::{self, DaysRead};
use crate::elsewhere::Elsewhere;
use crate::eyes::eyes;
use crate::kept::Within;
use crate::log::Window;
use crate::survey::SurveyBuilder;
use crate::tiers::Fill;
use crate::vantages::Witnesses;

/// What a report on coverage is computed from.
#[derive(Clone, Debug)]
pub struct FromStore {
    /// The times of nodes, by vantage and day.
    pub observations: Observations,
    /// The shortest times between probes, and from probes to nodes: what `locate` judges places by.
    pub survey: Survey,
    /// Places that might get a node, with what borrowed eyes measured of them.
    pub candidates: Vec<CandidateSite>,
}

/// Reads the log. A node's RTT from a vantage is the TCP-connect phase of its checks; time to first byte
/// stands beside it, of cached assets and plain pages only. `source` says whether this is the demo's world.
///
/// # Errors
/// When the store failed.
pub fn from_store(
    store: &Store,
    roster: &Roster,
    window: impl Into<Within>,
    source: Source,
    progress: &mut dyn FnMut(u64),
) -> Result<FromStore, StoreError> {
    let read = days::read(store, window, both(roster), progress)?;
    finished(read, (store, roster), source)
}

/// The same of measurements that lie elsewhere.
///
/// # Errors
/// When these, or the store, cannot be read.
pub fn from_elsewhere<S: Scan>(
    elsewhere: Elsewhere<'_, S>,
    roster: &Roster,
    within: Within,
    source: Source,
) -> Result<FromStore, S::Error> {
    let store = elsewhere.store;
    let read = days::read_elsewhere(elsewhere, within, both(roster))?;
    Ok(finished(read, (store, roster), source)?)
}

fn both<'a>(roster: &'a Roster) -> impl FnOnce(Window, &Clocks, &Witnesses) -> Both<'a> {
    move |window, clocks, witnesses| Both {
        observations: ObservationsBuilder::new(roster, window).with(clocks.clone(), witnesses.clone()),
        survey: SurveyBuilder::new(roster, window).with(clocks.clone(), witnesses.clone()),
    }
}

fn finished(
    read: DaysRead<Both<'_>>,
    (store, roster): (&Store, &Roster),
    source: Source,
) -> Result<FromStore, StoreError> {
    let (window, both) = (read.window, read.filled);
    let mut observations = both.observations.finish(source);
    observations.notes.extend(read.notes);
    observations.notes.extend(imported_apart(store)?);
    let borrowed = eyes(store, (roster, &observations.nodes), window.until)?;
    observations.eyes = borrowed.eyes;
    if window.from < read.held.rows_from() {
        let off = read.clocks.off((window.from, window.until)).into_iter();
        let off = off.filter_map(|probe| roster.probe(probe));
        let notes = off.map(|probe| Note::ClockOff {
            probe: probe.name.clone(),
        });
        observations.notes.extend(notes);
    }
    Ok(FromStore {
        observations,
        candidates: borrowed.candidates,
        survey: both.survey.finish(source).survey,
    })
}

/// What was imported and is in no figure of a report of our own.
fn imported_apart(store: &Store) -> Result<Option<Note>, StoreError> {
    let sources = Imported::of(store).sources()?;
    let documents = sources.iter().map(|source| source.documents).sum();
    Ok((documents > 0).then_some(Note::ImportedApart { documents }))
}

/// Fills both from the same rows.
pub(super) struct Both<'a> {
    pub(super) observations: ObservationsBuilder<'a>,
    pub(super) survey: SurveyBuilder<'a>,
}

impl Fill for Both<'_> {
    const TIMINGS: &'static [Timing] = &[Timing::Rtt, Timing::Connect, Timing::FirstByte, Timing::Range];

    fn wants(check: Check) -> bool {
        SurveyBuilder::wants(check) || ObservationsBuilder::wants(check)
    }

    fn add(&mut self, stored: &Stored, slots: Window) {
        self.observations.add(stored, slots);
        self.survey.add(stored, slots);
    }

    fn add_sums(&mut self, rollup: &Rollup, period: Period) {
        self.observations.add_sums(rollup, period);
        self.survey.add_sums(rollup, period);
    }
}

#[cfg(test)]
mod tests;
