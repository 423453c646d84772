//! Who measures what: pure. The mesh between probes and the checks of the nodes, within the fleet's rates and the
//! nodes' budgets.

mod affinity;
mod content;
mod echoes;
mod grid;
mod hosts;
mod input;
mod mesh;
mod participant;
mod rate;
mod room;
mod seats;

use std::cmp::Reverse;
use std::collections::HashMap;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::plan::{Target, TargetAddress};
use isochrone_proto::schedule::Schedule;

use self::affinity::Mark;
pub use self::content::Draft;
use self::grid::Grid;
pub use self::grid::Load;
pub use self::hosts::HostPrefixes;
pub use self::input::PlanInput;
use self::mesh::Mesh;
pub use self::participant::Participant;
pub use self::rate::Stretch;
use self::rate::{Rates, factor_of};
use self::room::Room;
pub use self::seats::Seats;
use self::seats::{Bench, seated};
use crate::targets::Node;

/// The plans of all probes.
#[derive(Clone, Debug)]
pub struct Drafted {
    /// Each probe's, in the order of the input's probes.
    pub drafts: Vec<(ProbeId, Draft)>,
    /// Where the nodes' vantages sit now.
    pub seats: Seats,
    /// What is measured less than was asked, and why.
    pub limits: Limits,
}

/// What is measured less than was asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// What is slowed down to keep the fleet's rates.
    pub stretches: Vec<Stretch>,
    /// Nodes that have fewer vantages than there are probes, to keep their budgets.
    pub fewer: Vec<Fewer>,
    /// What the plans have no room for.
    pub left_out: Vec<LeftOut>,
    /// What probes are not given because their release did not announce it.
    pub withheld: Vec<Withheld>,
    /// Plans that were drafted and that no probe would take: they are not issued.
    pub refused: Vec<Refused>,
}

/// A plan that is not issued, because its probe would refuse it. The one before it stays in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The probe's name.
    pub probe: String,
    /// Checks in the draft.
    pub checks: usize,
    /// Which bound it breaks.
    pub reason: String,
}

/// A probe that is not given some kinds of checks: its release does not know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The probe's name.
    pub probe: String,
    /// The kinds that it would have been given.
    pub kinds: Vec<Kind>,
}

/// A node whose budget of connect checks is too small for every probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fewer {
    /// Its name.
    pub node: String,
    /// How many probes check it.
    pub vantages: usize,
    /// How many there are.
    pub probes: usize,
}

/// Nodes that a probe does not check because its plan is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The probe's name.
    pub probe: String,
    /// How many nodes.
    pub nodes: usize,
    /// How many checks of them.
    pub checks: usize,
}

impl PlanInput {
    /// The plan of every probe. The vantages of a node stay on the seats they have in `before`.
    #[must_use]
    pub fn draft(&self, before: &Seats) -> Drafted {
        let marks = self.marks();
        let mesh = Mesh::new(&self.probes, &marks);
        let rates = Rates::new(self, &mesh);
        let mut drafts = echoes::drafts(self, &mesh, &marks, &rates);
        let mut limits = Limits::default();
        let listed: Vec<Listed<'_>> = self.nodes.iter().map(Listed::new).collect();
        let stretched: Vec<_> = listed.iter().zip(&rates.nodes).collect();
        let (seats, seated) = self.seat_all(before, &marks, &stretched, &mut limits.fewer);
        for (place, nodes) in seated.into_iter().enumerate() {
            let left_out = self.add_nodes(place, marks[place], nodes, &mut drafts[place].1);
            limits.left_out.extend(left_out);
        }
        limits.stretches = rates.stretches();
        for (probe, (_, draft)) in self.probes.iter().zip(&mut drafts) {
            let kinds = draft.withhold(&probe.unread);
            if !kinds.is_empty() {
                limits.withheld.push(Withheld {
                    probe: probe.name.clone(),
                    kinds: kinds.into_iter().collect(),
                });
            }
        }
        Drafted {
            drafts,
            seats,
            limits,
        }
    }

    /// What each node's checks cost it, in the order of the nodes; nothing where it is paused.
    #[must_use]
    pub fn loads(&self) -> Vec<Load> {
        let loads = self
            .nodes
            .iter()
            .zip(rate::of_nodes(self))
            .map(|(node, stretch)| {
                let grid = self.grid(node, factor_of(stretch.as_ref()));
                grid.load(self.vantages_of(node, &grid))
            });
        loads.collect()
    }

    /// The seats that plans in force give: what a collector that starts goes on with.
    pub(crate) fn seats_in<'a>(&self, plans: impl IntoIterator<Item = (ProbeId, &'a Draft)>) -> Seats {
        let grids = self
            .nodes
            .iter()
            .zip(rate::of_nodes(self))
            .map(|(node, stretch)| {
                let grid = self.grid(node, factor_of(stretch.as_ref()));
                (TargetId::of_node(&node.name), (grid, Vec::new()))
            });
        let mut grids: HashMap<TargetId, (Grid<'_>, Vec<(usize, ProbeId)>)> = grids.collect();
        for (probe, draft) in plans {
            for check in &draft.checks {
                let target = draft.targets.get(usize::from(check.target));
                if let Some((grid, found)) = target.and_then(|target| grids.get_mut(&target.id))
                    && let Some(seat) = grid.seat_of(check.kind, &check.schedule)
                {
                    found.push((seat, probe));
                }
            }
        }
        let mut seats = Seats::default();
        for (grid, mut found) in grids.into_values() {
            found.sort_unstable();
            seats.put(
                grid.node_name(),
                found.into_iter().map(|(_, probe)| probe).collect(),
            );
        }
        seats
    }

    /// Seats every node's vantages; what each probe has to check, by its place.
    fn seat_all<'a>(
        &self,
        before: &Seats,
        marks: &[Mark],
        nodes: &[(&'a Listed<'a>, &Option<Stretch>)],
        fewer: &mut Vec<Fewer>,
    ) -> (Seats, Vec<Vec<Seat<'a>>>) {
        let bench = Bench::new(&self.probes, marks);
        let places: HashMap<ProbeId, usize> = self.probes.iter().map(|probe| probe.id).zip(0..).collect();
        let mut seats = Seats::default();
        let mut seated_nodes = vec![Vec::new(); self.probes.len()];
        for (listed, stretch) in nodes {
            let node = listed.node;
            if node.paused {
                seats.put(&node.name, before.of(&node.name).to_vec()); // as it was, once it goes on
                continue;
            }
            let grid = self.grid(node, factor_of(stretch.as_ref()));
            let chosen = bench.chosen(node, grid.seats());
            if chosen.len() < self.probes.len() {
                fewer.push(Fewer {
                    node: node.name.clone(),
                    vantages: chosen.len(),
                    probes: self.probes.len(),
                });
            }
            let vantages = seated(before.of(&node.name), &chosen);
            for (vantage, checks) in vantages.iter().zip(grid.checks(vantages.len())) {
                if !checks.is_empty() {
                    seated_nodes[places[vantage]].push(Seat { listed, checks });
                }
            }
            seats.put(&node.name, vantages);
        }
        (seats, seated_nodes)
    }

    /// Adds the nodes that a probe checks to its draft. Where a plan has no room for all, those of the lowest
    /// affinity are left out, so that not every probe leaves out the same.
    fn add_nodes(
        &self,
        place: usize,
        mark: Mark,
        nodes: Vec<Seat<'_>>,
        draft: &mut Draft,
    ) -> Option<LeftOut> {
        let affinity = |seat: &usize| mark.affinity(nodes[*seat].listed.mark);
        let mut by_affinity: Vec<usize> = (0..nodes.len()).collect();
        by_affinity.sort_unstable_by_key(|seat| Reverse(affinity(seat)));
        let mut room = Room::of(draft);
        let mut has_room = vec![false; nodes.len()];
        for seat in by_affinity {
            has_room[seat] = room.take(&nodes[seat].listed.target, &nodes[seat].checks);
        }
        let mut left_out = LeftOut {
            probe: self.probes[place].name.clone(),
            nodes: 0,
            checks: 0,
        };
        for (seat, has_room) in nodes.into_iter().zip(has_room) {
            if has_room {
                draft.add(seat.listed.target.clone(), seat.checks);
            } else {
                left_out.nodes += 1;
                left_out.checks += seat.checks.len();
            }
        }
        (left_out.nodes > 0).then_some(left_out)
    }
}

/// A node, with what is the same for everyone who checks it.
struct Listed<'a> {
    node: &'a Node,
    mark: Mark,
    target: Target,
}

/// A node that a probe checks.
#[derive(Clone)]
struct Seat<'a> {
    listed: &'a Listed<'a>,
    checks: Vec<(Kind, Schedule)>,
}

impl<'a> Listed<'a> {
    fn new(node: &'a Node) -> Self {
        Self {
            node,
            mark: Mark::of_name(&node.name),
            target: Target {
                id: TargetId::of_node(&node.name),
                name: node.name.clone(),
                address: TargetAddress::Endpoint {
                    url: node.url.to_string(),
                    asset: node.asset.clone(),
                },
            },
        }
    }
}

#[cfg(test)]
mod tests;
