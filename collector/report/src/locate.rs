//! Whether sites can stand where they say: what contradicts a place, how far light proves the others, and what a
//! mistyped place may have been meant to be.

mod eyes;
mod json;
mod map;
mod page;
mod tables;
mod text;
mod words;

use isochrone_base::words::count;
use isochrone_coverage::cities;
use isochrone_coverage::country::Country;
use isochrone_coverage::geo::Position;
use isochrone_coverage::locate::{EyeLocated, SiteKind, Surveyed, judge_eye};
use isochrone_coverage::observations::{Eye, Node, Source};
use serde_json::Value;

use crate::Printed;
use crate::coverage::{notes, window};
use crate::frame::Frame;
use crate::lines::Lines;
pub use crate::survey::{FromStore, from_elsewhere, from_store};
use crate::tables::Table;
use crate::world;

/// What is known of claimed places.
#[derive(Clone, Debug)]
pub struct LocateReport {
    /// What follows from measurements.
    pub surveyed: Surveyed,
    /// What databases of addresses say: one more witness, in no verdict.
    pub databases: Vec<DatabaseWord>,
    /// Sites whose place the reader says is known for sure.
    pub sure: Vec<usize>,
    /// Borrowed eyes, judged by the nodes that they measured: no site, and no witness.
    pub eyes: EyesLocated,
}

/// Borrowed eyes, and what the nodes say of their places.
#[derive(Clone, Debug, Default)]
pub struct EyesLocated {
    /// Each eye with what is said of it.
    pub eyes: Vec<(Eye, EyeLocated)>,
    /// The nodes that their times are of.
    pub nodes: Vec<Node>,
    /// Nodes that are no witnesses, for they cannot stand where they say themselves.
    pub impossible: Vec<String>,
}

impl EyesLocated {
    /// Has the nodes of `surveyed` that stand where they say judge `eyes`.
    #[must_use]
    pub fn judged(eyes: Vec<Eye>, nodes: Vec<Node>, surveyed: &Surveyed) -> Self {
        let sites = surveyed
            .impossible
            .keys()
            .map(|&site| &surveyed.survey.sites[site]);
        let impossible = sites.filter(|site| site.kind == SiteKind::Node);
        let impossible: Vec<String> = impossible.map(|site| site.name.clone()).collect();
        let judged = eyes.into_iter().map(|eye| {
            let located = judge_eye(&eye, &nodes, &impossible);
            (eye, located)
        });
        Self {
            eyes: judged.collect(),
            nodes,
            impossible,
        }
    }
}

/// What a database says of one site's address.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseWord {
    /// The database's file.
    pub database: String,
    /// Index of the site.
    pub site: usize,
    /// Where it puts the address, if it says.
    pub position: Option<Position>,
    /// The country it puts it in, if it says.
    pub country: Option<Country>,
}

impl Printed for LocateReport {
    fn frame(&self) -> Frame {
        let survey = &self.surveyed.survey;
        let mut about = vec![
            count(survey.sites.len(), "claimed place"),
            words::statistic(survey.statistic).to_owned(),
        ];
        about.extend(survey.window.map(window));
        let mut method = words::method(self);
        method.extend(eyes::method(self));
        method.extend(survey.notes.iter().map(notes::sentence));
        Frame {
            title: "Where sites stand",
            about,
            demo: survey.source == Source::Demo,
            method,
            glossary: &words::GLOSSARY,
            sources: vec![cities::ATTRIBUTION.to_owned(), world::ATTRIBUTION.to_owned()],
            links: Vec::new(),
        }
    }

    fn write(&self, lines: &mut Lines) {
        text::body(self, lines);
    }

    fn html_in(&self, frame: Frame) -> String {
        page::html(self, &frame)
    }

    /// A line for each site, in no order; what is not known is empty.
    fn csv_table(&self) -> Table {
        tables::csv(self)
    }

    /// `isochrone.locate/1`.
    fn json(&self) -> Value {
        json::document(self)
    }
}

#[cfg(test)]
mod tests;
