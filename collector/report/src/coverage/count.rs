//! Too many or too few nodes: the verdict, what each count of nodes gives, what each node is worth, where the next one
//! belongs, and what to measure before deciding.

mod json;
mod marks;
mod next;
mod page;
mod tables;
mod text;
mod words;

use isochrone_base::words::count;
use isochrone_coverage::count::Count;
use isochrone_coverage::observations::Source;
use isochrone_coverage::report::CoverageReport;
use serde_json::Value;

use super::words::window;
use super::{attributions, borrowed, notes};
use crate::Printed;
use crate::frame::Frame;
use crate::lines::Lines;
use crate::tables::Table;

pub(crate) use self::json::{doubtful, measure, unpredictable};
pub(crate) use self::marks::{calibration, mark};
pub(crate) use self::next::{NO_GAIN, is_gain, no_guess, runners_up};
pub(crate) use self::page::{curve_figure, node_bars};
pub(crate) use self::words::{beside_coverage, decide, node_verdict};

/// How many nodes are worth their keep, with what it was computed from.
#[derive(Clone, Debug)]
pub struct CountReport {
    /// What was measured and predicted.
    pub coverage: CoverageReport,
    /// What follows from it.
    pub count: Count,
}

impl Printed for CountReport {
    fn frame(&self) -> Frame {
        let coverage = &self.coverage;
        let mut about = vec![
            count(self.count.nodes, "node"),
            count(self.count.vantages, "vantage"),
        ];
        about.extend(coverage.window.map(window));
        Frame {
            title: "Too many or too few nodes",
            about,
            demo: coverage.source == Source::Demo,
            method: words::method(self)
                .into_iter()
                .chain(borrowed::sentences(coverage))
                .chain(coverage.notes.iter().map(notes::sentence))
                .collect(),
            glossary: &words::GLOSSARY,
            sources: attributions(coverage),
            links: Vec::new(),
        }
    }

    fn write(&self, lines: &mut Lines) {
        text::body(self, lines);
    }

    fn html_in(&self, frame: Frame) -> String {
        page::html(self, &frame)
    }

    /// The curve, each node's worth, the next cities and what to measure: a line for each; what is not known is empty.
    fn csv_table(&self) -> Table {
        tables::csv(&self.count, self.coverage.source)
    }

    /// `isochrone.count/1`.
    fn json(&self) -> Value {
        json::document(self)
    }
}

#[cfg(test)]
mod tests;
