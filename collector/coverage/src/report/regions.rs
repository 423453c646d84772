//! Countries and continents: sums of cities, each represented by its vantage.

use std::collections::BTreeMap;

use super::matrix::Matrix;
use super::ranking::ties;
use super::resample::interval;
use super::speakers::{Amount, Heard, Part, Speakers};
use super::split::share;
use super::{Figures, Interval, Region, RegionFigures, RegionId, VantageReport, Witnesses};
use crate::country::{Continent, Country};
use crate::observations::{Network, Node, Vantage};

/// What all regions of one class are computed from. Vectors over vantages run over the class's members.
pub(super) struct Field<'a> {
    pub(super) matrix: &'a Matrix,
    pub(super) nodes: &'a [&'a Node],
    /// The class's vantages, and their indices in the matrix.
    pub(super) vantages: &'a [&'a Vantage],
    pub(super) members: &'a [usize],
    pub(super) reports: &'a [VantageReport],
    pub(super) speakers: &'a Speakers,
    /// `[replicate][vantage]`: what each speaks for when networks are resampled.
    pub(super) replicate_weights: &'a [Vec<f64>],
    pub(super) budgets: &'a [f64],
}

/// Countries and continents, heaviest first.
pub(super) fn regions(field: &Field<'_>) -> (Vec<Region>, Vec<Region>) {
    let mut countries: BTreeMap<RegionId, Area> = BTreeMap::new();
    let mut continents: BTreeMap<RegionId, Area> = BTreeMap::new();
    let mut add = |country: Option<Country>, change: &dyn Fn(&mut Area)| {
        let id = country.map_or(RegionId::Elsewhere, RegionId::Country);
        change(countries.entry(id).or_default());
        if let Some(continent) = country.and_then(Country::continent) {
            change(continents.entry(RegionId::Continent(continent)).or_default());
        }
    };
    for (&country, &amount) in &field.speakers.countries {
        add(country, &|area| area.amount.add(amount));
    }
    for (index, vantage) in field.vantages.iter().enumerate() {
        add(vantage.country, &|area| area.vantages.push(index));
    }
    let finish = |areas: BTreeMap<RegionId, Area>| {
        let mut regions: Vec<Region> = areas
            .into_iter()
            .map(|(id, area)| field.region(id, &area))
            .collect();
        let weight = |region: &Region| region.weight;
        regions.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then(a.id.cmp(&b.id)));
        regions
    };
    (finish(countries), finish(continents))
}

/// Subdivisions, heaviest first: each heard by the vantages that speak for a part of it, for as much as that part.
pub(super) fn subdivisions(field: &Field<'_>) -> Vec<Region> {
    let all = field.speakers.subdivisions.iter();
    let mut regions: Vec<Region> = all
        .map(|(place, known)| field.subdivision(*place, known))
        .collect();
    regions.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.id.cmp(&b.id)));
    regions
}

/// Distinct networks; unknown ones count as one.
fn networks<'a>(vantages: impl IntoIterator<Item = &'a Vantage>) -> usize {
    let mut all: Vec<Option<Network>> = vantages.into_iter().map(|vantage| vantage.network).collect();
    all.sort_unstable();
    all.dedup();
    all.len()
}

#[derive(Default)]
struct Area {
    amount: Amount,
    vantages: Vec<usize>,
}

/// A node's mean over a region.
#[derive(Clone, Copy)]
struct Contender {
    node: usize,
    mean_ms: f64,
    covered: f64,
}

impl Field<'_> {
    fn subdivision(&self, (country, subdivision): Part, (amount, heard): &(Amount, Heard)) -> Region {
        let part = |index: usize, whole: f64| {
            let all = self.speakers.weights[index];
            let own = heard.get(&index).copied().unwrap_or_default();
            if all > 0.0 { whole * own / all } else { 0.0 }
        };
        let parts = |weights: &[f64]| -> Vec<f64> {
            let weights = weights.iter().enumerate();
            weights.map(|(index, &weight)| part(index, weight)).collect()
        };
        let replicates = match heard.is_empty() {
            true => Vec::new(),
            false => self
                .replicate_weights
                .iter()
                .map(|weights| parts(weights))
                .collect(),
        };
        let field = Field {
            speakers: &Speakers::of_part(parts(&self.speakers.weights)),
            replicate_weights: &replicates,
            ..*self
        };
        let id = match subdivision {
            Some(subdivision) => RegionId::Subdivision(subdivision),
            None => RegionId::NoSubdivision(country),
        };
        let area = Area {
            amount: *amount,
            vantages: heard.keys().copied().collect(),
        };
        field.region(id, &area)
    }

    fn region(&self, id: RegionId, area: &Area) -> Region {
        let weight_of = |&index: &usize| self.speakers.weights[index];
        let heard: Vec<usize> = area
            .vantages
            .iter()
            .copied()
            .filter(|index| weight_of(index) > 0.0)
            .collect();
        let continent: Option<Continent> = match id {
            RegionId::Continent(continent) => Some(continent),
            _ => id.country().and_then(Country::continent),
        };
        let at = |&budget: &f64| {
            let standing = |&index: &usize| (weight_of(&index), self.reports[index].standing(budget));
            share(budget, area.amount.whole(), heard.iter().map(standing))
        };
        let vantages: Vec<&Vantage> = area.vantages.iter().map(|&index| self.vantages[index]).collect();
        Region {
            id,
            continent,
            weight: area.amount.whole(),
            known_weight: area.amount.known(),
            witnesses: Witnesses::of(&vantages),
            measured: self.figures(&heard),
            shares: self.budgets.iter().map(at).collect(),
            predicted: None,
        }
    }

    fn figures(&self, heard: &[usize]) -> Option<RegionFigures> {
        let competing = self.contenders(heard);
        let best = self.best(heard, &competing)?;
        let order = self.behind(heard, &competing, best);
        let tied = |(other, behind_ms): &&(Contender, f64)| {
            let paired = || self.paired(heard, best.node, other.node);
            ties(self.matrix.exact, best.mean_ms, *behind_ms, paired)
        };
        let name = |contender: &Contender| self.nodes[contender.node].name.clone();
        let tied = order.iter().filter(tied).map(|(tied, _)| tied);
        let tie_set = std::iter::once(&best).chain(tied).map(name).collect();
        let runner_up = order.first().map(|(next, _)| next);
        let reached_best = |index: &&usize| self.matrix.ms(self.members[**index], best.node).is_some();
        let witnesses: Vec<&Vantage> = heard
            .iter()
            .filter(reached_best)
            .map(|&index| self.vantages[index])
            .collect();
        Some(RegionFigures {
            best: name(&best),
            tie_set,
            runner_up: runner_up.map(name),
            value_ms: best.mean_ms,
            runner_up_ms: runner_up.and_then(|next| self.beside(heard, &best, next.node)),
            interval: self.best_interval(heard, best.node),
            figures: self.pooled(heard, best.node),
            nodes: (0..self.nodes.len())
                .filter(|&node| self.mean_ms(heard, node).is_some())
                .map(|node| (self.nodes[node].name.clone(), self.pooled(heard, node)))
                .collect(),
            own_node: heard.iter().any(|&index| self.reports[index].own_node),
            witnesses: Witnesses::of(&witnesses),
        })
    }

    /// Every competing node's weighted mean over the vantages that reached it, the lowest first. A node that was
    /// reached by less than half of the region's measured weight does not compete.
    fn contenders(&self, heard: &[usize]) -> Vec<Contender> {
        let contender = |node| {
            let (mean_ms, covered) = self.mean_ms(heard, node)?;
            Some(Contender {
                node,
                mean_ms,
                covered,
            })
        };
        let mut order: Vec<Contender> = (0..self.nodes.len()).filter_map(contender).collect();
        let most = most_covered(&order);
        order.retain(|contender| contender.covered * 2.0 >= most);
        order.sort_by(|a, b| a.mean_ms.total_cmp(&b.mean_ms).then(a.node.cmp(&b.node)));
        order
    }

    /// The node that no other beats over the vantages that reached both.
    fn best(&self, heard: &[usize], competing: &[Contender]) -> Option<Contender> {
        let (&first, others) = competing.split_first()?;
        let most = most_covered(competing);
        Some(others.iter().fold(first, |best, &other| {
            let difference = self.difference(heard, best.node, other.node);
            let beaten = difference.is_some_and(|(ms, common)| ms < 0.0 && common * 2.0 >= most);
            if beaten { other } else { best }
        }))
    }

    /// The others, and how far each is behind the best, the nearest first. One that shares too little with the best
    /// to be compared, or would stand before it without having beaten it, has no place in the order.
    fn behind(&self, heard: &[usize], competing: &[Contender], best: Contender) -> Vec<(Contender, f64)> {
        let most = most_covered(competing);
        let behind = |&other: &Contender| {
            let (ms, common) = self.difference(heard, best.node, other.node)?;
            (ms >= 0.0 && common * 2.0 >= most).then_some((other, ms))
        };
        let others = competing.iter().filter(|other| other.node != best.node);
        let mut order: Vec<(Contender, f64)> = others.filter_map(behind).collect();
        order.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.node.cmp(&b.0.node)));
        order
    }

    fn mean_ms(&self, heard: &[usize], node: usize) -> Option<(f64, f64)> {
        mean(heard.iter().map(|&index| {
            (
                self.speakers.weights[index],
                self.matrix.ms(self.members[index], node),
            )
        }))
    }

    /// The time of a node beside the best one's: its own mean where the same vantages measured both, and else the
    /// best's time and how far it is behind where both were measured.
    fn beside(&self, heard: &[usize], best: &Contender, other: usize) -> Option<f64> {
        let (behind_ms, _) = self.difference(heard, best.node, other)?;
        let reached = |index: &&usize, node| self.matrix.ms(self.members[**index], node).is_some();
        let differs = |index: &&usize| reached(index, best.node) != reached(index, other);
        let same = !heard.iter().any(|index| differs(&index));
        match self.mean_ms(heard, other) {
            Some((ms, _)) if same => Some(ms),
            _ => Some(best.mean_ms + behind_ms),
        }
    }

    /// How far a node is behind another, over the vantages that reached both, and their weight.
    fn difference(&self, heard: &[usize], best: usize, other: usize) -> Option<(f64, f64)> {
        mean(heard.iter().map(|&index| {
            let vantage = self.members[index];
            let both = self.matrix.ms(vantage, other).zip(self.matrix.ms(vantage, best));
            (
                self.speakers.weights[index],
                both.map(|(other, best)| other - best),
            )
        }))
    }

    fn paired(&self, heard: &[usize], best: usize, other: usize) -> Option<Interval> {
        self.over_replicates(|replicate, weights| {
            mean(heard.iter().map(|&index| {
                let at = |node| self.matrix.replicate(self.members[index], node, replicate);
                (
                    weights[index],
                    at(other).zip(at(best)).map(|(other, best)| other - best),
                )
            }))
        })
    }

    fn best_interval(&self, heard: &[usize], best: usize) -> Option<Interval> {
        self.over_replicates(|replicate, weights| {
            let at = |index: usize| self.matrix.replicate(self.members[index], best, replicate);
            mean(heard.iter().map(|&index| (weights[index], at(index))))
        })
    }

    fn over_replicates(&self, value: impl Fn(usize, &[f64]) -> Option<(f64, f64)>) -> Option<Interval> {
        let values = self.replicate_weights.iter().enumerate();
        interval(values.map(|(replicate, weights)| value(replicate, weights).map_or(f64::NAN, |(ms, _)| ms)))
    }

    /// The best node's statistics, each a weighted mean over the vantages that hold it; counts are sums.
    fn pooled(&self, heard: &[usize], node: usize) -> Figures {
        let all: Vec<(f64, Figures)> = heard
            .iter()
            .filter_map(|&index| {
                let time = self.matrix.time(self.members[index], node)?;
                Some((self.speakers.weights[index], time.figures))
            })
            .collect();
        let average = |pick: fn(&Figures) -> Option<f64>| {
            mean(all.iter().map(|(weight, figures)| (*weight, pick(figures)))).map(|(value, _)| value)
        };
        let total = |pick: fn(&Figures) -> Option<u64>| {
            let held: Vec<u64> = all.iter().filter_map(|(_, figures)| pick(figures)).collect();
            (!held.is_empty()).then(|| held.iter().sum())
        };
        Figures {
            min_ms: average(|figures| figures.min_ms),
            p50_ms: average(|figures| figures.p50_ms),
            p90_ms: average(|figures| figures.p90_ms),
            p99_ms: average(|figures| figures.p99_ms),
            unnamed_ms: average(|figures| figures.unnamed_ms),
            loss: average(|figures| figures.loss),
            samples: total(|figures| figures.samples),
            ttfb_p50_ms: average(|figures| figures.ttfb_p50_ms),
            ttfb_p90_ms: average(|figures| figures.ttfb_p90_ms),
            ttfb_samples: total(|figures| figures.ttfb_samples),
            mbps: average(|figures| figures.mbps),
            mbps_samples: total(|figures| figures.mbps_samples),
            mbps_lost: total(|figures| figures.mbps_lost),
        }
    }
}

/// The weight that reached the node which most weight reached.
fn most_covered(contenders: &[Contender]) -> f64 {
    contenders
        .iter()
        .map(|contender| contender.covered)
        .fold(0.0, f64::max)
}

impl Witnesses {
    pub(super) fn of(vantages: &[&Vantage]) -> Self {
        Self {
            vantages: vantages.len(),
            networks: networks(vantages.iter().copied()),
            networks_given: vantages.iter().any(|vantage| vantage.network.is_some()),
        }
    }
}

/// The weighted mean of what is there, and the weight that is behind it. A single value passes unrounded.
fn mean(values: impl Iterator<Item = (f64, Option<f64>)>) -> Option<(f64, f64)> {
    let held: Vec<(f64, f64)> = values
        .filter_map(|(weight, value)| Some((weight, value?)))
        .filter(|(weight, _)| *weight > 0.0)
        .collect();
    let total: f64 = held.iter().map(|(weight, _)| weight).sum();
    match held.as_slice() {
        [] => None,
        &[(_, value)] => Some((value, total)),
        all => Some((
            all.iter().map(|(weight, value)| weight / total * value).sum(),
            total,
        )),
    }
}
