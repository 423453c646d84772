//! How every vantage fares on all nodes at this moment: one that fails on most is not believed about one more.

use super::Engine;
use super::cell::{Cell, Colour};
use super::vantage::{FAMILIES, of};

/// How one vantage fares over one family: on nodes that most others reach, and on all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    fails: u32,
    works: u32,
}

/// Judges of a node with a fresh word.
#[derive(Clone, Debug, Default)]
pub(super) struct Reached {
    judges: u32,
    greens: u32,
    /// The same by network: number, judges, greens.
    networks: Vec<(Option<u32>, u32, u32)>,
}

impl Reached {
    /// Whether most get through, but for one of them with this word.
    fn but(&self, one: Option<Colour>) -> bool {
        let judges = self.judges - u32::from(one.is_some());
        let greens = self.greens - u32::from(one == Some(Colour::Green));
        greens * 2 > judges
    }

    /// Whether most networks get through, by their own majority: however many probes a bad one has.
    fn by_networks(&self) -> bool {
        let through = self
            .networks
            .iter()
            .filter(|(_, judges, greens)| greens * 2 > *judges);
        through.count() * 2 > self.networks.len()
    }

    fn add(&mut self, network: Option<u32>, is_green: bool) {
        self.judges += 1;
        self.greens += u32::from(is_green);
        let place = self.networks.iter().position(|(of, ..)| *of == network);
        let place = place.unwrap_or_else(|| {
            self.networks.push((network, 0, 0));
            self.networks.len() - 1
        });
        let (_, judges, greens) = &mut self.networks[place];
        (*judges, *greens) = (*judges + 1, *greens + u32::from(is_green));
    }
}

impl Engine {
    /// Whether a vantage fails on most of the other nodes that most other judges, or most networks, reach now. `reached`:
    /// who reach this one.
    pub(super) fn fails_elsewhere(&self, cell: &Cell, reached: &Reached) -> bool {
        let family = of(cell.kind.family);
        let all = self.tallies.as_ref().map(|tallies| tallies[cell.vantage][family]);
        let all = all.unwrap_or_default();
        let here = self.tally_of(cell, reached);
        let (fails, works) = (all.fails - here.fails, all.works - here.works);
        fails >= 2 && fails > works
    }

    /// How every vantage fares on all nodes, over each family, in one pass.
    pub(super) fn tally(&self) -> Vec<[Tally; 2]> {
        let mut tallies = vec![[Tally::default(); 2]; self.vantages.len()];
        for node in 0..self.nodes.len() {
            for family in FAMILIES.map(of) {
                let reached = self.reached_by(node, family);
                for &way in &self.nodes[node].ways[family] {
                    let cell = &self.cells[way];
                    let one = self.tally_of(cell, &reached);
                    let all = &mut tallies[cell.vantage][family];
                    (all.fails, all.works) = (all.fails + one.fails, all.works + one.works);
                }
            }
        }
        tallies
    }

    /// What one cell adds to its vantage's tally: whether it works, or fails on a node that most others reach.
    fn tally_of(&self, cell: &Cell, reached: &Reached) -> Tally {
        let colour = cell.fresh(&cell.way, self.now);
        let is_judge = self.may_judge(cell.target, cell);
        let is_reached = || reached.by_networks() || reached.but(is_judge.then_some(colour).flatten());
        let is_failure = colour == Some(Colour::Red) && is_reached();
        Tally {
            fails: u32::from(is_failure),
            works: u32::from(colour == Some(Colour::Green)),
        }
    }

    /// Whether most judges of a node but one vantage get through now.
    pub(super) fn is_reached_by_others(&self, node: usize, family: usize, but: usize) -> bool {
        let mut reached = Reached::default();
        for &place in &self.nodes[node].ways[family] {
            if self.cells[place].vantage != but {
                self.add_reached(&mut reached, node, &self.cells[place]);
            }
        }
        reached.but(None)
    }

    /// How many judges of a node get through now.
    pub(super) fn reached_by(&self, node: usize, family: usize) -> Reached {
        let mut reached = Reached::default();
        for &place in &self.nodes[node].ways[family] {
            self.add_reached(&mut reached, node, &self.cells[place]);
        }
        reached
    }

    fn add_reached(&self, reached: &mut Reached, node: usize, cell: &Cell) {
        let colour = cell.fresh(&cell.way, self.now);
        if let Some(colour) = colour.filter(|_| self.may_judge(node, cell)) {
            let network = self.vantages[cell.vantage].network();
            reached.add(network, colour == Colour::Green);
        }
    }
}
