//! An engine that was written down, and goes on as if it never had been: the past is judged in parts.
//!
//! What follows from the rest is not written: places by name, and who is who, which the roster says.

use isochrone_base::roster::Roster;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;

use super::{CellId, Engine, Patience};

impl Engine {
    /// As it was written down, with who is who. Nothing is judged for it that was not due.
    pub(crate) fn revived(mut self, patience: Patience, roster: &Roster) -> Self {
        self.patience = patience;
        let probes = self.vantages.iter().enumerate();
        self.by_probe = probes.map(|(place, vantage)| (vantage.probe, place)).collect();
        let nodes = self.nodes.iter().enumerate();
        self.by_target = nodes.map(|(place, node)| (node.id, place)).collect();
        let cells = self.cells.iter().enumerate();
        let key = |(place, cell): (usize, &super::Cell)| ((cell.vantage, cell.target, cell.kind), place);
        self.by_key = cells.map(key).collect();
        let due: Vec<_> = self.nodes.iter().map(|node| (node.is_dirty, node.wake)).collect();
        self.set_roster(roster);
        for (node, due) in self.nodes.iter_mut().zip(due) {
            (node.is_dirty, node.wake) = due;
        }
        self
    }

    /// All that it was told of, nodes of the roster or not.
    pub(crate) fn targets(&self) -> impl Iterator<Item = TargetId> {
        self.nodes.iter().map(|node| node.id)
    }

    /// The handle of a check that is known.
    pub(crate) fn cell_of(&self, probe: ProbeId, target: TargetId, kind: Kind) -> Option<CellId> {
        let (vantage, node) = (self.by_probe.get(&probe)?, self.by_target.get(&target)?);
        self.by_key.get(&(*vantage, *node, kind)).copied().map(CellId)
    }
}
