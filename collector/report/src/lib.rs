//! What is printed, in every format: text for a terminal, Markdown, CSV, JSON and HTML.
//!
//! Other crates hand over values. A report describes each of its tables once ([`tables`]); [`lines`] writes text
//! and Markdown, [`frame`] is the one HTML page around it, `charts` are its pictures.

mod age;
pub mod audit;
pub mod chain_audit;
mod characters;
mod charts;
pub mod coverage;
mod days;
pub mod elsewhere;
mod eyes;
pub mod frame;
pub mod gaps;
#[cfg(test)]
mod golden;
pub mod imported;
pub mod kept;
pub mod ledger;
pub mod lines;
pub mod locate;
pub mod log;
pub mod nodes;
pub mod not_served;
mod outages;
pub mod probes;
mod prose;
mod shares;
pub mod show;
pub mod status;
mod survey;
pub mod tables;
pub mod targets;
pub mod tiers;
mod vantages;
mod words;
mod world;

use serde_json::Value;

use crate::frame::Frame;
use crate::lines::Lines;
use crate::tables::Table;

/// A report in every format.
pub trait Printed {
    /// What stands around it.
    fn frame(&self) -> Frame;

    /// Writes what stands between, as text or Markdown.
    fn write(&self, lines: &mut Lines);

    /// One HTML page in a frame: its own, perhaps with links.
    fn html_in(&self, frame: Frame) -> String;

    /// Its comma-separated values, not rounded.
    fn csv_table(&self) -> Table;

    /// JSON: keys are never renamed, further ones may be added. Numbers are not rounded.
    fn json(&self) -> Value;

    /// One HTML page that needs nothing else.
    fn html(&self) -> String {
        self.html_in(self.frame())
    }

    /// Text of at most `width` columns.
    fn text(&self, width: usize) -> String {
        self.frame().lines(Lines::text(width), |lines| self.write(lines))
    }

    /// For a wiki or an issue; its tables are padded, so it reads as text too.
    fn markdown(&self) -> String {
        self.frame().lines(Lines::markdown(), |lines| self.write(lines))
    }

    /// Comma-separated values, the names of the columns first.
    fn csv(&self) -> String {
        self.csv_table().csv()
    }
}
