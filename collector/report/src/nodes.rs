//! `report nodes`: per node and UTC day what was checked and how it went, and each outage.
//!
//! A node's own worker's probe is not counted. Outages are those of the engine that judges live: kept as they were
//! told, or found in the log where nobody could tell them. Checks of a vantage that may not judge (on the
//! node's server, or sick) are in no share, whatever came of them; a failure counts while the probe's own line was proven or
//! the outage stood. 404, 421, checks that never left the probe, and addresses its own rules forbid are no failures; HEAD is in
//! no share. Cached assets, uncached assets and status answers are never mixed in one time to first byte.

mod borrowed;
mod builder;
mod counts;
mod outages;
mod page;
mod strip;
mod tables;
mod text;
mod values;
mod words;

use isochrone_base::roster::Roster;
use isochrone_base::words::date_time;
use isochrone_store::{Scan, Store, StoreError};
use isochrone_watch::facts::Facts;
use isochrone_watch::replay::{Replay, Replayed};
use isochrone_watch::{monitor, past};
use serde_json::Value;

pub use self::borrowed::BorrowedNode;
use self::builder::NodesBuilder;
pub use self::values::{DayReport, NodeReport, NodesReport, OutageReport, Slice, SpanReport, Ttfb, Whole};
use crate::Printed;
use crate::elsewhere::Elsewhere;
use crate::frame::Frame;
use crate::imported::ImportedNodes;
use crate::kept::{BeforeKept, Within};
use crate::lines::Lines;
use crate::log::Window;
use crate::tables::Table;
use crate::tiers::{self, Held, Needs};
use crate::vantages::Witnesses;

/// Reads the log and makes the report. `progress` gets the count of batches read so far.
///
/// # Errors
/// When the store failed.
pub fn from_store(
    store: &Store,
    roster: &Roster,
    window: impl Into<Within>,
    progress: &mut dyn FnMut(u64),
) -> Result<NodesReport, StoreError> {
    let Within { window, before } = window.into();
    let facts = Facts::read(store)?;
    let clocks = facts.clocks.clone();
    let builder = NodesBuilder::new(roster, window, clocks.clone());
    let mut builder = builder.with_witnesses(Witnesses::read(store)?);
    let held = Held::of(store)?;
    let tiers = tiers::choose(window, held, Needs::sums(builder.coarsest()));
    tiers::read(store, (window, &clocks), (&tiers, held), &mut builder, progress)?;
    let replayed = past::judge(store, (roster, facts), (window.from, window.until), progress)?;
    let report = told(store, (builder, &replayed), Within { window, before })?;
    Ok(NodesReport {
        source: store.source(),
        tiers,
        ..report
    })
}

/// The same of measurements that lie elsewhere, all of them judged again.
///
/// # Errors
/// When these, or the store, cannot be read.
pub fn from_elsewhere<S: Scan>(
    elsewhere: Elsewhere<'_, S>,
    roster: &Roster,
    within: Within,
) -> Result<NodesReport, S::Error> {
    let (window, store) = (within.window, elsewhere.store);
    let facts = Facts::read(store)?;
    let clocks = facts.clocks.clone();
    let builder = NodesBuilder::new(roster, window, clocks.clone());
    let mut builder = builder.with_witnesses(Witnesses::read(store)?);
    let tiers = tiers::choose(window, Held::all(), Needs::sums(builder.coarsest()));
    // as the store's own report, it knows of outages that stood before the window, and what came after it
    let judged = (window.from, window.until);
    let span = past::judged_span(store, (roster, &facts), judged)?;
    let mut replay = Replay::new(roster, span).with_facts(facts);
    let reads = replay.reads();
    tiers::read_elsewhere(
        elsewhere.rows,
        (window, reads),
        (&clocks, &tiers),
        &mut builder,
        &mut |stored, _| replay.add(stored),
    )?;
    let report = told(store, (builder, &replay.finish_within(judged)), within)?;
    Ok(NodesReport {
        source: elsewhere.source(),
        tiers,
        ..report
    })
}

/// With what the collector itself knows.
fn told(
    store: &Store,
    (builder, replayed): (NodesBuilder<'_>, &Replayed),
    Within { window, before }: Within,
) -> Result<NodesReport, StoreError> {
    let kept = monitor::incidents(store).list()?;
    let kept: Vec<_> = kept.into_iter().map(|(_, incident)| incident).collect();
    let asked_from = before.map_or(window.from, |before| before.asked_from);
    let asked = Window {
        from: asked_from,
        until: window.until,
    };
    Ok(NodesReport {
        imported: ImportedNodes::read(store, builder.roster(), asked)?,
        borrowed: borrowed::read(store, builder.roster(), asked)?,
        before_kept: before,
        ..builder.finish(replayed, &kept)
    })
}

impl Printed for NodesReport {
    fn frame(&self) -> Frame {
        let minute = |at| date_time(at)[..16].to_owned();
        Frame {
            title: "Nodes",
            about: vec![format!("{} to {} UTC", minute(self.from), minute(self.to))],
            demo: self.source == "demo",
            method: (METHOD.map(str::to_owned).into_iter())
                .chain(self.before_kept.as_ref().map(BeforeKept::sentence))
                .chain((!self.tiers.is_empty()).then(|| tiers::sentence_of(&self.tiers)))
                .collect(),
            ..Frame::default()
        }
    }

    fn write(&self, lines: &mut Lines) {
        text::body(self, lines);
    }

    fn html_in(&self, frame: Frame) -> String {
        frame.html("", &page::body(self))
    }

    /// One line for each node and day; what was not measured is empty.
    fn csv_table(&self) -> Table {
        tables::csv(self)
    }

    /// `isochrone.nodes/1`.
    fn json(&self) -> Value {
        serde_json::to_value(self).expect("strings as keys and finite numbers are JSON")
    }
}

const NO_NODES: &str = "No nodes yet: add one with `isochrone-collector target add`.";

const METHOD: [&str; 6] = [
    "A node's own worker's probe is not counted. Shares are of the judged checks in brackets: of vantages that might \
     judge at the time; 404 and 421 are no failures, HEAD is in no share, and a failure counts while the probe's own \
     line was proven or the outage stood.",
    "Silence is no data, and never up.",
    "Availability: how much of the time that could be judged it was up, by connections and assets, not status; at least \
     and at most as the gaps between checks, and the time that is not known, leave it.",
    "TTFB, the time to first byte, is of cached assets (of a plain HTTP node: its page), from the start of the \
     name look-up on; status answers stand apart.",
    "p50: half of all times were at or below it; p90: nine of ten.",
    "An outage is what two thirds of those who may judge say at once, of two networks at least (of one, while no \
     second can judge): the same rule, and the same incidents, as in alerts and on the page. It is at the node if \
     nobody got through, and on some paths if some did.",
];

#[cfg(test)]
mod tests;
