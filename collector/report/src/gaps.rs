//! What to measure next: where a borrowed eye would make it surer which city should get the next node, in words that can
//! be acted on.

mod json;
mod page;
mod tables;
mod text;
mod words;

use isochrone_base::words::count;
use isochrone_coverage::cities;
use isochrone_coverage::note::Note;
use isochrone_coverage::observations::{Source, Window};
use isochrone_coverage::report::gaps::Gaps;
use isochrone_coverage::weights::WeightKind;
use serde_json::Value;

use crate::Printed;
use crate::coverage::{notes, window};
use crate::frame::Frame;
use crate::lines::Lines;
use crate::tables::Table;

/// What to measure next, and by what it was ranked.
#[derive(Clone, Debug)]
pub struct GapsReport {
    /// It.
    pub gaps: Gaps,
    /// Whose measurements it rests on.
    pub source: Source,
    /// Of which time; none of files.
    pub window: Option<Window>,
    /// What counts.
    pub weights: WeightKind,
    /// What cannot be said, and why.
    pub notes: Vec<Note>,
}

impl Printed for GapsReport {
    fn frame(&self) -> Frame {
        let gaps = &self.gaps;
        let mut about = vec![count(gaps.nodes, "node"), count(gaps.vantages, "vantage")];
        about.extend((gaps.known_eyes > 0).then(|| count(gaps.known_eyes, "borrowed eye")));
        about.extend(self.window.map(window));
        let mut method = words::method(self);
        method.extend(self.notes.iter().map(notes::sentence));
        Frame {
            title: "What to measure next",
            about,
            demo: self.source == Source::Demo,
            method,
            glossary: &words::GLOSSARY,
            sources: vec![cities::ATTRIBUTION.to_owned()],
            links: Vec::new(),
        }
    }

    fn write(&self, lines: &mut Lines) {
        text::body(self, lines);
    }

    fn html_in(&self, frame: Frame) -> String {
        page::html(self, &frame)
    }

    /// A line for each eye, then for each city that competes, then for each country of which nothing is known; what is not known
    /// is empty.
    fn csv_table(&self) -> Table {
        tables::csv(self)
    }

    /// `isochrone.gaps/1`.
    fn json(&self) -> Value {
        json::document(self)
    }
}

#[cfg(test)]
mod tests;
