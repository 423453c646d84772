//! Who is carried by whom where sites carry only so much: the cheapest way, demand parted among sites where it must be.

use super::Costs;

/// What sites carry.
#[derive(Clone, Debug)]
pub(crate) struct Capacities {
    /// By site; infinite: any weight.
    pub(crate) most: Vec<f64>,
    /// By point.
    pub(crate) weights: Vec<f64>,
    /// By point: what it costs that nobody carries it, where that may be; padded as costs are.
    pub(crate) outside: Option<Vec<f32>>,
    /// What a unit of weight costs that nobody carries and somebody must: more than any way to carry it.
    pub(crate) penalty: f64,
}

/// A share of a point's weight, and the slot that carries it.
type Part = (usize, f64);

/// Weight below this share of all is none.
const NOTHING: f64 = 1e-12;

/// Demand on its way to slots; the last slot is outside.
struct Flow<'a> {
    capacities: &'a Capacities,
    costs: &'a Costs,
    set: &'a [usize],
    /// By point.
    parts: Vec<Vec<Part>>,
    loads: Vec<f64>,
    nothing: f64,
}

impl Capacities {
    /// What a set costs where each site carries no more than it can.
    pub(crate) fn carry(&self, costs: &Costs, set: &[usize]) -> f64 {
        let mut flow = Flow::nearest(self, costs, set);
        while flow.relieve() {}
        flow.sum()
    }
}

impl<'a> Flow<'a> {
    /// Everybody to the nearest, whatever that can carry.
    fn nearest(capacities: &'a Capacities, costs: &'a Costs, set: &'a [usize]) -> Self {
        let total: f64 = capacities.weights.iter().sum();
        let mut flow = Self {
            capacities,
            costs,
            set,
            parts: Vec::with_capacity(capacities.weights.len()),
            loads: vec![0.0; set.len() + 1],
            nothing: total * NOTHING,
        };
        for (point, &weight) in capacities.weights.iter().enumerate() {
            if weight <= 0.0 {
                flow.parts.push(Vec::new());
                continue;
            }
            let unit = |slot: &usize| flow.unit(point, *slot);
            let slots = 0..=set.len();
            let best = slots.min_by(|a, b| unit(a).total_cmp(&unit(b))).unwrap_or(0);
            flow.loads[best] += weight;
            flow.parts.push(vec![(best, weight)]);
        }
        flow
    }

    /// What a unit of a point's weight costs in a slot.
    fn unit(&self, point: usize, slot: usize) -> f64 {
        match self.set.get(slot) {
            Some(&site) => f64::from(self.costs.at(point, site)) / self.capacities.weights[point],
            None => self.outside(point),
        }
    }

    fn outside(&self, point: usize) -> f64 {
        match &self.capacities.outside {
            Some(outside) => f64::from(outside[point]) / self.capacities.weights[point],
            None => self.capacities.penalty,
        }
    }

    fn most(&self, slot: usize) -> f64 {
        self.set
            .get(slot)
            .map_or(f64::INFINITY, |&site| self.capacities.most[site])
    }

    /// Moves some weight from a slot that carries too much to one that can carry more, over others if that is cheaper.
    /// `false`: nobody carries too much.
    fn relieve(&mut self) -> bool {
        let slots = self.loads.len();
        let over = |slot: usize| self.loads[slot] - self.most(slot) > self.nothing;
        if !(0..slots).any(over) {
            return false;
        }
        let edges = self.edges();
        let mut away = vec![f64::INFINITY; slots];
        let mut before = vec![usize::MAX; slots];
        (0..slots)
            .filter(|&slot| over(slot))
            .for_each(|slot| away[slot] = 0.0);
        for _ in 0..slots {
            let mut changed = false;
            for from in (0..slots)
                .filter(|&from| away[from].is_finite())
                .collect::<Vec<_>>()
            {
                for to in 0..slots {
                    let along = away[from] + edges[from * slots + to].0;
                    if along < away[to] - 1e-12 && !on_the_way(&before, from, to) {
                        (away[to], before[to], changed) = (along, from, true);
                    }
                }
            }
            if !changed {
                break;
            }
        }
        let spare = |slot: &usize| self.most(*slot) - self.loads[*slot] > self.nothing;
        let ends = (0..slots).filter(spare).filter(|&slot| away[slot].is_finite());
        let Some(end) = ends.min_by(|&a, &b| away[a].total_cmp(&away[b])) else {
            return false;
        };
        self.shift(end, &before, &edges);
        true
    }

    /// By pair of slots: what the cheapest unit costs that moves from one to the other, and whose it is.
    fn edges(&self) -> Vec<(f64, usize)> {
        let slots = self.loads.len();
        let mut edges = vec![(f64::INFINITY, usize::MAX); slots * slots];
        for (point, parts) in self.parts.iter().enumerate() {
            for &(from, _) in parts {
                let here = self.unit(point, from);
                for to in (0..slots).filter(|&to| to != from) {
                    let change = self.unit(point, to) - here;
                    let edge = &mut edges[from * slots + to];
                    if change < edge.0 {
                        *edge = (change, point);
                    }
                }
            }
        }
        edges
    }

    /// Moves as much as every step of the way to a slot lets through.
    fn shift(&mut self, end: usize, before: &[usize], edges: &[(f64, usize)]) {
        let slots = self.loads.len();
        let mut steps = Vec::new();
        let mut to = end;
        while before[to] != usize::MAX {
            let from = before[to];
            steps.push((from, to, edges[from * slots + to].1));
            to = from;
        }
        let mut amount = (self.most(end) - self.loads[end]).min(self.loads[to] - self.most(to));
        for &(from, _, point) in &steps {
            let part = self.parts[point].iter().find(|(slot, _)| *slot == from);
            amount = amount.min(part.map_or(0.0, |(_, weight)| *weight));
        }
        for (from, to, point) in steps {
            let parts = &mut self.parts[point];
            for (slot, weight) in parts.iter_mut() {
                if *slot == from {
                    *weight -= amount;
                }
            }
            match parts.iter_mut().find(|(slot, _)| *slot == to) {
                Some((_, weight)) => *weight += amount,
                None => parts.push((to, amount)),
            }
            parts.retain(|(_, weight)| *weight > 0.0);
            self.loads[from] -= amount;
            self.loads[to] += amount;
        }
    }

    fn sum(&self) -> f64 {
        let parts = self.parts.iter().enumerate();
        let cost = |(point, parts): (usize, &Vec<Part>)| -> f64 {
            parts
                .iter()
                .map(|&(slot, weight)| weight * self.unit(point, slot))
                .sum()
        };
        parts.map(cost).sum()
    }
}

/// Whether a slot lies on the way that leads to another: a way never comes back to itself, whatever roundings say.
fn on_the_way(before: &[usize], mut from: usize, slot: usize) -> bool {
    while from != usize::MAX {
        if from == slot {
            return true;
        }
        from = before[from];
    }
    false
}
