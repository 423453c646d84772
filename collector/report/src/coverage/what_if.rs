//! What another set of nodes would bring: the mean and the shares today and then, with intervals, and what they rest on.

mod json;
mod tables;
mod words;

use isochrone_coverage::observations::Source;
use isochrone_coverage::report::CoverageReport;
use isochrone_coverage::report::what_if::WhatIf;
use maud::html;
use serde_json::Value;

use super::words::{of_what, window};
use super::{attributions, borrowed, notes};
use crate::Printed;
use crate::frame::Frame;
use crate::lines::Lines;
use crate::prose;
use crate::tables::Table;

/// A calculation, with what it was computed from.
#[derive(Clone, Debug)]
pub struct WhatIfReport {
    /// What was measured and predicted.
    pub coverage: CoverageReport,
    /// What would be otherwise.
    pub what_if: WhatIf,
}

impl WhatIfReport {
    fn answer(&self) -> Vec<String> {
        let mut sentences = notes::told_first(&self.coverage.notes);
        sentences.extend(words::answer(&self.what_if, of_what(&self.coverage)));
        sentences
    }

    fn tables(&self) -> Vec<Table> {
        tables::all(&self.what_if, super::words::weight_title(&self.coverage))
    }
}

impl Printed for WhatIfReport {
    fn frame(&self) -> Frame {
        let coverage = &self.coverage;
        let mut about = vec!["Calculation only: no node was moved".to_owned()];
        about.extend(coverage.window.map(window));
        Frame {
            title: "What if",
            about,
            demo: coverage.source == Source::Demo,
            method: words::method(&self.what_if)
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
        lines.blank();
        self.answer().iter().for_each(|sentence| lines.wrapped(sentence));
        for table in self.tables() {
            lines.blank();
            lines.heading(2, table.title());
            lines.table(&table);
        }
    }

    fn html_in(&self, frame: Frame) -> String {
        let says = words::answer(&self.what_if, of_what(&self.coverage));
        let wrong = notes::told_first(&self.coverage.notes);
        let body = html! {
            section.class {
                (prose::answer_box(&wrong, &says))
                @for table in self.tables() { (table.html()) }
            }
        };
        frame.html("", &body)
    }

    /// Means, shares, own cities and what they rest on: a line for each.
    fn csv_table(&self) -> Table {
        tables::csv(&self.what_if, self.coverage.source)
    }

    /// `isochrone.whatif/1`.
    fn json(&self) -> Value {
        json::document(self)
    }
}

#[cfg(test)]
mod tests;
