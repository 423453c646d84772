//! `report audit`: does the chain represent reality? What the rules found, what it rests on, and what to do about it.

mod json;
mod map;
mod page;
mod tables;
mod text;
mod words;

use isochrone_base::words::count;
use isochrone_chain::Finding;
use isochrone_chain::copy::Copy;
use isochrone_chain::plan::Plan;
use isochrone_coverage::cities;
use isochrone_proto::units::UnixMillis;
use serde_json::Value;

use crate::Printed;
use crate::frame::Frame;
use crate::lines::Lines;
use crate::tables::Table;
use crate::world;

/// The audit of one copy of the chain.
#[derive(Clone, Debug)]
pub struct ChainAudit {
    /// What the chain said, when, and who told it.
    pub copy: Copy,
    /// When it was judged.
    pub now: UnixMillis,
    /// What the rules found, the gravest first.
    pub findings: Vec<Finding>,
    /// What to do about it.
    pub plan: Plan,
    /// Nodes of targets.toml that the chain was held against.
    pub nodes: usize,
    /// Vantages whose times were held against it.
    pub vantages: usize,
    /// It shows the demo's world.
    pub demo: bool,
}

impl Printed for ChainAudit {
    fn frame(&self) -> Frame {
        let topology = &self.copy.topology;
        Frame {
            title: "The chain and reality",
            about: vec![
                count(topology.families.len(), "family"),
                count(topology.buckets().count(), "bucket"),
                words::block(self),
                words::age(self),
            ],
            demo: self.demo,
            method: words::method(self),
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

    /// A line for each finding.
    fn csv_table(&self) -> Table {
        tables::csv(self)
    }

    /// `isochrone.audit/1`.
    fn json(&self) -> Value {
        json::document(self)
    }
}

#[cfg(test)]
mod tests;
