//! Who measures what: pure. The mesh between probes, the checks of the nodes and the connections to candidates, within
//! the fleet's rates and the nodes' budgets.

mod affinity;
mod candidates;
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
use isochrone_proto::kind::{Family, Kind};
use isochrone_proto::plan::{Target, TargetAddress};
use isochrone_proto::schedule::Schedule;

use self::affinity::Mark;
pub use self::candidates::CandidateLoad;
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

/// Nodes and candidates that a probe does not check because its plan is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The probe's name.
    pub probe: String,
    /// How many nodes.
    pub nodes: usize,
    /// How many candidates.
    pub candidates: usize,
    /// How many checks of them.
    pub checks: usize,
}

impl LeftOut {
    fn nothing(probe: &str) -> Self {
        Self {
            probe: probe.to_owned(),
            nodes: 0,
            candidates: 0,
            checks: 0,
        }
    }
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
        let measured: Vec<candidates::Measured> = (self.candidates.iter().zip(&rates.candidates))
            .map(|(candidate, stretch)| {
                candidates::Measured::new(candidate, self, factor_of(stretch.as_ref()))
            })
            .collect();
        for (place, nodes) in seated.into_iter().enumerate() {
            let draft = &mut drafts[place].1;
            let mut room = Room::of(draft);
            let mut left_out = LeftOut::nothing(&self.probes[place].name);
            add_nodes(marks[place], nodes, (draft, &mut room), &mut left_out);
            self.add_candidates(place, marks[place], &measured, (draft, &mut room), &mut left_out);
            if left_out.checks > 0 {
                limits.left_out.push(left_out);
            }
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

    /// How each candidate is measured, in their order.
    #[must_use]
    pub fn candidate_loads(&self) -> Vec<CandidateLoad> {
        let stretches = rate::of_candidates(self);
        let load =
            |stretch: &Option<Stretch>| CandidateLoad::new(self.probes.len(), factor_of(stretch.as_ref()));
        stretches.iter().map(load).collect()
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

    /// Adds the candidates to a probe's draft, as far as there is room after the nodes.
    fn add_candidates(
        &self,
        place: usize,
        mark: Mark,
        measured: &[candidates::Measured],
        (draft, room): (&mut Draft, &mut Room),
        left_out: &mut LeftOut,
    ) {
        let probe = &self.probes[place];
        let family = if probe.speaks(Family::V4) {
            Family::V4
        } else {
            Family::V6
        };
        let checked = measured.iter().filter_map(|candidate| {
            let check = candidate.check(probe.id, mark, family)?;
            Some((candidate, [check]))
        });
        let checked: Vec<_> = checked.collect();
        let has_room = room_for(
            room,
            &checked,
            |(candidate, _)| candidate.affinity(mark),
            |(candidate, checks)| (candidate.target(), checks),
        );
        for ((candidate, checks), has_room) in checked.into_iter().zip(has_room) {
            if has_room {
                draft.add(candidate.target().clone(), checks);
            } else {
                left_out.candidates += 1;
                left_out.checks += checks.len();
            }
        }
    }
}

/// Adds the nodes that a probe checks to its draft.
fn add_nodes(
    mark: Mark,
    nodes: Vec<Seat<'_>>,
    (draft, room): (&mut Draft, &mut Room),
    left_out: &mut LeftOut,
) {
    let has_room = room_for(
        room,
        &nodes,
        |seat| mark.affinity(seat.listed.mark),
        |seat| (&seat.listed.target, &seat.checks),
    );
    for (seat, has_room) in nodes.into_iter().zip(has_room) {
        if has_room {
            draft.add(seat.listed.target.clone(), seat.checks);
        } else {
            left_out.nodes += 1;
            left_out.checks += seat.checks.len();
        }
    }
}

/// Which of `wanted` a plan has room for. Where not all fit, those of the lowest affinity are left out, so that not
/// every probe leaves out the same.
fn room_for<'a, T>(
    room: &mut Room,
    wanted: &'a [T],
    affinity: impl Fn(&T) -> u64,
    asked: impl Fn(&'a T) -> (&'a Target, &'a [(Kind, Schedule)]),
) -> Vec<bool> {
    let mut by_affinity: Vec<usize> = (0..wanted.len()).collect();
    by_affinity.sort_unstable_by_key(|place| Reverse(affinity(&wanted[*place])));
    let mut has_room = vec![false; wanted.len()];
    for place in by_affinity {
        let (target, checks) = asked(&wanted[place]);
        has_room[place] = room.take(target, checks);
    }
    has_room
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
