//! What is printed, in every format: text for a terminal, Markdown, CSV, JSON and HTML.
//!
//! Other crates hand over values. A report describes each of its tables once ([`tables`]); [`lines`] writes text
//! and Markdown, [`frame`] is the one HTML page around it, [`map`] and [`charts`] are its pictures.

mod charts;
pub mod coverage;
pub mod frame;
#[cfg(test)]
mod golden;
pub mod ledger;
pub mod lines;
pub mod log;
mod map;
pub mod nodes;
pub mod show;
pub mod tables;
mod words;

use serde_json::Value;

/// A report in every format.
pub trait Printed {
    /// Text of at most `width` columns.
    fn text(&self, width: usize) -> String;

    /// Markdown.
    fn markdown(&self) -> String;

    /// One HTML page that needs nothing else.
    fn html(&self) -> String;

    /// Comma-separated values, not rounded.
    fn csv(&self) -> String;

    /// JSON: keys are never renamed, further ones may be added. Numbers are not rounded.
    fn json(&self) -> Value;
}
