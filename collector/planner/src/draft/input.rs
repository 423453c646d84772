//! What plans are made from.

use std::collections::BTreeSet;

use super::affinity::Mark;
use super::grid::Grid;
use super::hosts::HostPrefixes;
use super::participant::Participant;
use crate::pace::Pace;
use crate::targets::{Candidate, Node};

/// Everything plans are made from, but for the seats that are taken already.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanInput {
    /// The probes that are not revoked.
    pub probes: Vec<Participant>,
    /// The nodes of `targets.toml`.
    pub nodes: Vec<Node>,
    /// Its candidates.
    pub candidates: Vec<Candidate>,
    /// How often.
    pub pace: Pace,
    /// Which network prefix the host of each node and candidate was last seen in.
    pub prefixes: HostPrefixes,
    /// Names of the nodes whose asset is downloaded again at each GET: they are asked for it less often.
    pub downloads: BTreeSet<String>,
}

impl PlanInput {
    pub(super) fn marks(&self) -> Vec<Mark> {
        self.probes.iter().map(|probe| Mark::of_id(probe.id.0)).collect()
    }

    pub(super) fn grid<'a>(&self, node: &'a Node, factor: f64) -> Grid<'a> {
        Grid::new(node, &self.pace, factor, self.downloads.contains(&node.name))
    }

    /// How many vantages a node has.
    pub(super) fn vantages_of(&self, node: &Node, grid: &Grid<'_>) -> usize {
        if node.paused {
            0
        } else {
            grid.seats().min(self.probes.len())
        }
    }
}
