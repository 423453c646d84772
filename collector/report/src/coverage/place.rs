//! Where so many nodes should stand: the places, how good the set is and how surely, which others cannot be told from it,
//! and what to measure before deciding.

mod json;
mod tables;
mod words;

use isochrone_base::words::count;
use isochrone_coverage::observations::Source;
use isochrone_coverage::report::CoverageReport;
use isochrone_coverage::report::placement::Placement;
use maud::html;
use serde_json::Value;

use super::words::{of_what, window};
use super::{attributions, borrowed, notes};
use crate::Printed;
use crate::frame::Frame;
use crate::lines::Lines;
use crate::prose;
use crate::tables::Table;

/// A placement, with what it was computed from.
#[derive(Clone, Debug)]
pub struct PlaceReport {
    /// What was measured and predicted.
    pub coverage: CoverageReport,
    /// What follows from it.
    pub placement: Placement,
}

impl PlaceReport {
    /// The answer first: what is wrong with the data, then the places.
    fn answer(&self) -> Vec<String> {
        let mut sentences = notes::told_first(&self.coverage.notes);
        sentences.extend(words::answer(&self.placement, of_what(&self.coverage)));
        sentences
    }

    fn tables(&self) -> Vec<Table> {
        tables::all(&self.placement, super::words::weight_title(&self.coverage))
    }
}

impl Printed for PlaceReport {
    fn frame(&self) -> Frame {
        let coverage = &self.coverage;
        let mut about = vec![
            words::objective(self.placement.objective),
            count(self.placement.chosen.len(), "place"),
            format!("{} that may be chosen", self.placement.candidates),
        ];
        about.extend(coverage.window.map(window));
        Frame {
            title: "Where nodes should stand",
            about,
            demo: coverage.source == Source::Demo,
            method: words::method(&self.placement)
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
        let says = words::answer(&self.placement, of_what(&self.coverage));
        let wrong = notes::told_first(&self.coverage.notes);
        let body = html! {
            section.class {
                (prose::answer_box(&wrong, &says))
                @for table in self.tables() { (table.html()) }
            }
        };
        frame.html("", &body)
    }

    /// The chosen places, those that cannot be told from them, and what to measure: a line for each.
    fn csv_table(&self) -> Table {
        tables::csv(&self.placement, self.coverage.source)
    }

    /// `isochrone.placement/1`.
    fn json(&self) -> Value {
        json::document(self)
    }
}

#[cfg(test)]
mod tests;
