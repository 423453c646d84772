//! The region coverage report: from where each node is near, how surely, and what is not measured.

mod answer;
mod borrowed;
mod caveats;
mod count;
mod countries;
mod json;
mod map;
pub(crate) mod notes;
mod observations;
mod page;
mod place;
mod predicted;
mod surveyed;
mod tables;
mod text;
mod top;
mod what_if;
mod words;

use isochrone_base::words::count;
use isochrone_coverage::cities;
use isochrone_coverage::observations::Source;
use isochrone_coverage::report::{CoverageReport, Region};
use serde_json::Value;

pub use self::count::CountReport;
pub(crate) use self::observations::node as node_of;
pub use self::place::PlaceReport;
pub use self::surveyed::{FromStore, from_elsewhere, from_store};
pub use self::what_if::WhatIfReport;
pub(crate) use self::words::window;
use crate::Printed;
use crate::frame::Frame;
use crate::lines::Lines;
use crate::tables::Table;
use crate::world;

impl Printed for CoverageReport {
    fn frame(&self) -> Frame {
        let mut about = vec![format!(
            "{} to {}",
            words::statistic(self),
            count(self.nodes.len(), "node")
        )];
        about.extend((self.source == Source::Imported).then(|| "imported, not ours".to_owned()));
        about.extend(self.window.map(words::window));
        about.extend(self.days.map(|days| words::length(days, self.window)));
        about.extend(self.provisional().then(|| "provisional".to_owned()));
        Frame {
            title: "Region coverage",
            about,
            demo: self.source == Source::Demo,
            method: caveats::all(self)
                .into_iter()
                .chain(predicted::method(self))
                .chain(predicted::settings(self))
                .chain(borrowed::sentences(self))
                .chain(self.notes.iter().map(notes::sentence))
                .collect(),
            glossary: &words::GLOSSARY,
            sources: attributions(self),
            links: Vec::new(),
        }
    }

    fn write(&self, lines: &mut Lines) {
        text::body(self, lines);
    }

    fn html_in(&self, frame: Frame) -> String {
        page::html(self, frame)
    }

    /// Countries, then continents, then subdivisions where they were asked for; what was not measured is empty.
    fn csv_table(&self) -> Table {
        let at = self.classes.first().map_or(0, |class| self.first_budget(class));
        tables::csv(&json::document(self), at)
    }

    /// `isochrone.coverage/1`.
    fn json(&self) -> Value {
        json::document(self)
    }
}

/// The regions in which something was measured, if there are any.
fn measured(regions: &[Region]) -> Option<Vec<&Region>> {
    let measured: Vec<&Region> = regions
        .iter()
        .filter(|region| region.measured.is_some())
        .collect();
    (!measured.is_empty()).then_some(measured)
}

/// Whom the figures come from.
fn attributions(report: &CoverageReport) -> Vec<String> {
    let mut all = vec![notes::attribution(&report.weights.source)];
    if !all[0].contains(cities::ATTRIBUTION) {
        all.push(cities::ATTRIBUTION.to_owned());
    }
    all.push(world::ATTRIBUTION.to_owned());
    all
}

#[cfg(test)]
mod tests;
