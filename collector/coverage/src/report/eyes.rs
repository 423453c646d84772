//! Borrowed eyes in a report.

use crate::observations::Eye;

/// An eye in a report.
#[derive(Clone, Debug, PartialEq)]
pub struct EyeReport {
    /// It; its times are of the report's nodes.
    pub eye: Eye,
    /// The nodes that contradict its place, by name: it counts nowhere.
    pub contradicted_by: Vec<String>,
    /// Whether predictions rest on it: not where it is contradicted, or one of too many.
    pub counts: bool,
}
