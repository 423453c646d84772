//! What a report is to compute, and by what.

use super::count::Thresholds;
use super::{Offsets, Targets};
use crate::files::Mesh;
use crate::observations::{CandidateSite, Statistic};
use crate::predict::PriorChoice;
use crate::weights::Weights;

/// What to compute.
#[derive(Clone, Debug)]
pub struct Options {
    /// What counts how much.
    pub weights: Weights,
    /// The statistic by which nodes are compared, where the source holds several; default: the median.
    pub statistic: Statistic,
    /// The lead's own budget in milliseconds, beside the fixed ones.
    pub target_ms: Option<f64>,
    /// How often days and networks are resampled, and the predicted field is drawn; default 400.
    pub replicates: usize,
    /// Whether what nobody measured is predicted; default: yes.
    pub predict: bool,
    /// What predictions rest on beside own measurements.
    pub prior: PriorChoice,
    /// Further pairs measured between sites, for predictions only; places by the names of vantages and nodes.
    pub mesh: Option<Mesh>,
    /// Further weights, whose shares stand beside.
    pub beside: Vec<Weights>,
    /// Targets beside round-trip time.
    pub targets: Targets,
    /// So many of the heaviest countries are held against the targets.
    pub top_countries: Option<usize>,
    /// What a user's own line adds, by region.
    pub offsets: Offsets,
    /// What cannot be where it says: left out.
    pub impossible: LeftOut,
    /// Places that might get a node, and what eyes measured of servers there.
    pub candidates: Vec<CandidateSite>,
    /// Whether figures are given by ISO 3166-2 subdivision too; default: no.
    pub subdivisions: bool,
    /// Whether too many or too few is answered too, and by which thresholds; default: no.
    pub count: Option<Thresholds>,
}

/// Nodes and vantages, by name: one may be called as the other is, and stand elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Nodes.
    pub nodes: Vec<String>,
    /// Vantages.
    pub vantages: Vec<String>,
}

impl Options {
    /// The defaults.
    pub fn new(weights: Weights) -> Self {
        Self {
            weights,
            statistic: Statistic::P50,
            target_ms: None,
            replicates: 400,
            predict: true,
            prior: PriorChoice::default(),
            mesh: None,
            beside: Vec::new(),
            targets: Targets::default(),
            top_countries: None,
            offsets: Offsets::default(),
            impossible: LeftOut::default(),
            candidates: Vec::new(),
            subdivisions: false,
            count: None,
        }
    }
}
