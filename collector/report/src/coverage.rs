//! The region coverage report: from where each node is near, how surely, and what is not measured.

mod json;
mod observations;
mod page;
mod tables;
mod text;
pub(crate) mod words;

use isochrone_base::words::count;
use isochrone_coverage::observations::Source;
use isochrone_coverage::report::{CoverageReport, Region};
use serde_json::Value;

pub use self::observations::from_store;

use crate::Printed;
use crate::frame::Frame;
use crate::lines::Lines;

impl Printed for CoverageReport {
    fn text(&self, width: usize) -> String {
        frame(self).lines(Lines::text(width), |lines| text::body(self, lines))
    }

    fn markdown(&self) -> String {
        frame(self).lines(Lines::markdown(), |lines| text::body(self, lines))
    }

    /// Countries, then continents. Numbers are not rounded; what was not measured is empty.
    fn csv(&self) -> String {
        tables::csv(&json::document(self)).csv()
    }

    fn html(&self) -> String {
        page::html(self, frame(self))
    }

    /// `isochrone.coverage/1`. Numbers are not rounded.
    fn json(&self) -> Value {
        json::document(self)
    }
}

fn frame(report: &CoverageReport) -> Frame {
    let mut about = vec![format!(
        "{} to {}",
        words::statistic(report.statistic),
        count(report.nodes.len(), "node")
    )];
    about.extend(report.window.map(words::window));
    about.extend(report.days.map(|days| count(days, "day")));
    about.extend(report.provisional().then(|| "provisional".to_owned()));
    Frame {
        title: "Region coverage",
        about,
        demo: report.source == Source::Demo,
        method: words::caveats(report)
            .into_iter()
            .chain(report.notes.iter().cloned())
            .collect(),
        glossary: &words::GLOSSARY,
        sources: words::attributions(report)
            .into_iter()
            .map(str::to_owned)
            .collect(),
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

#[cfg(test)]
mod tests;
