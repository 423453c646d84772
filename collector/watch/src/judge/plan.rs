//! Who is asked for what: the checks of each vantage's newest plan. Those of older plans judge nothing any more.

use std::collections::HashSet;

use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::{Check, Kind};

use super::observation::service_of;
use super::vantage::of;
use super::{CellId, Engine};

impl Engine {
    /// The checks of a probe's newest plan, all of them.
    pub(crate) fn set_planned(&mut self, probe: ProbeId, planned: &[CellId]) {
        let vantage = self.vantage_place(probe);
        let planned: HashSet<usize> = planned.iter().map(|cell| cell.0).collect();
        let mut changed = HashSet::new();
        let mut quiet_ms = u64::MAX;
        for &place in &self.vantages[vantage].cells {
            let cell = &mut self.cells[place];
            let is_planned = planned.contains(&place);
            if is_planned {
                quiet_ms = quiet_ms.min(cell.cadence.apart_ms());
            }
            if cell.is_planned != is_planned {
                cell.is_planned = is_planned;
                changed.insert(cell.target);
            }
        }
        let of_probe = &mut self.vantages[vantage];
        (of_probe.quiet_ms, of_probe.is_plan_known) = (quiet_ms, true);
        for node in changed {
            self.list_anew(node, vantage);
        }
    }

    /// Lists what a vantage is asked of a node, in place of what it was asked before.
    fn list_anew(&mut self, node: usize, vantage: usize) {
        let cells = &mut self.cells;
        let of_node = &mut self.nodes[node];
        for list in of_node.ways.iter_mut().chain(&mut of_node.asks) {
            list.retain(|&place| {
                let is_others = cells[place].vantage != vantage;
                cells[place].is_way &= is_others;
                is_others
            });
        }
        for (grid, asks) in of_node.grids.iter_mut().zip(&of_node.asks) {
            grid.is_dropped |= grid.is_asked;
            grid.is_dropped &= asks.is_empty();
            grid.is_asked = !asks.is_empty();
        }
        of_node.is_dirty = true;
        let asked = self.vantages[vantage].cells.iter().copied();
        let asked = asked.filter(|&place| self.cells[place].target == node && self.cells[place].is_planned);
        for place in asked.collect::<Vec<_>>() {
            self.list(place);
        }
    }

    /// Lists a cell among those that ask for a service, and those that say whether the node can be reached.
    pub(super) fn list(&mut self, place: usize) {
        let (node, kind) = (self.cells[place].target, self.cells[place].kind);
        if let Some(service) = service_of(kind.check) {
            let node = &mut self.nodes[node];
            node.asks[service as usize].push(place);
            let grid = &mut node.grids[service as usize];
            (grid.is_asked, grid.is_dropped) = (true, false);
        }
        self.take_as_way(node, place);
    }

    /// Lists a new cell among those that say whether the node can be reached, in the place of a lesser one.
    fn take_as_way(&mut self, node: usize, place: usize) {
        let cell = &self.cells[place];
        let (vantage, family) = (cell.vantage, of(cell.kind.family));
        let rank = |kind: Kind| match kind.check {
            Check::Connect => 0,
            Check::Status | Check::Http => 1,
            Check::AssetHead | Check::AssetGet | Check::Throughput | Check::Echo => 2,
        };
        let new = rank(cell.kind);
        if new == 2 {
            return;
        }
        let ways = &mut self.nodes[node].ways[family];
        let known = ways.iter_mut().find(|way| self.cells[**way].vantage == vantage);
        match known {
            Some(way) if new < rank(self.cells[*way].kind) => {
                self.cells[*way].is_way = false;
                *way = place;
            }
            Some(_) => return,
            None => ways.push(place),
        }
        self.cells[place].is_way = true;
    }
}
