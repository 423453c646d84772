//! Too many or too few nodes: sets are chosen on odd days and priced on even ones, over joint draws.

mod candidates;
mod choose;
mod price;
mod stage;
mod verdicts;

use rand::Rng;

use candidates::Spot;
use price::Wares;
use stage::{Scene, Stage};

use super::resample::interval;
use super::{Options, ReportError, Widened};
use crate::observations::Observations;
use crate::report::count::{
    Candidate, Count, CurvePoint, Doubt, Doubtful, DropOne, LEAST_VANTAGES, NextNode, Priced, REDUNDANT_MS,
    Redundancy, Thresholds,
};

/// Heavy cities that are looked at as places of a further node, beside the sites that were measured.
const CITIES: usize = 50;
/// Best guesses that are named after the best one.
const RUNNERS_UP: usize = 4;
/// Countries that get a line of their own, the heaviest first.
const DOUBTFUL: usize = 5;

/// How many nodes are worth their keep, by the access class with most vantages.
///
/// # Errors
/// The observations or options contradict themselves; the error says where.
pub(crate) fn count(
    observations: &Observations,
    options: &Options,
    thresholds: &Thresholds,
    random: &mut impl Rng,
) -> Result<Count, ReportError> {
    let scene = Scene::new(observations, options)?;
    let choosing = Stage::new(&scene, scene.odd(), None, random);
    let plan = Plan::new(&scene, &choosing);
    let pricing = Stage::new(&scene, scene.even(), Some(&plan.spots), random);
    let wares = plan.wares(&pricing, scene.nodes());
    let prices = pricing.prices(&wares, scene.draws(), random);
    let mut count = Count {
        reasons: Vec::new(),
        verdict: crate::report::count::Verdict::CannotTell,
        by_latency_alone: true,
        thresholds: *thresholds,
        priced: scene.priced(),
        known_share: pricing.known_weight() / scene.total_weight(),
        predicted_share: pricing.predicted_weight() / scene.total_weight(),
        vantages: scene.measuring(),
        nodes: scene.nodes(),
        curve: plan.curve(&scene, &prices),
        drop_one: Vec::new(),
        worst_loss: None,
        next: plan.next(&scene, &prices),
        unpredictable: pricing.unseen(),
        doubtful: plan.doubtful(&pricing, &prices),
        redundancy: scene.redundancy(),
        measure: pricing.wanted(),
    };
    if pricing.is_empty() {
        count.reasons.push(Doubt::NothingKnown);
        return Ok(count);
    }
    let may_say = pricing.is_predicted() || count.vantages >= LEAST_VANTAGES;
    if may_say {
        count.drop_one = verdicts::drop_one(&scene, &pricing, &prices, thresholds);
        count.worst_loss = count.drop_one.first().cloned();
    }
    verdicts::overall(&mut count, pricing.is_predicted());
    Ok(count)
}

/// What is to be priced: sets of today's nodes, and further ones.
struct Plan {
    /// Candidates that are priced.
    spots: Vec<Spot>,
    sets: Vec<Vec<usize>>,
    /// By candidate: whether today's nodes and it are priced together.
    further: Vec<usize>,
}

/// A candidate's gain in each draw.
type Gains = Vec<f64>;

impl Plan {
    fn new(scene: &Scene<'_>, stage: &Stage) -> Self {
        let spots = stage.spots();
        let nodes: Vec<usize> = (0..scene.nodes()).collect();
        let site = |spot: usize| nodes.len() + spot;
        let table = stage.table(spots);
        let mut sets = table.best_sets(&[], &nodes, nodes.len());
        let all: Vec<usize> = (0..spots.len()).map(site).collect();
        sets.extend(table.best_sets(&nodes, &all, nodes.len()));
        let mut gains = table.gains(&nodes, &all);
        gains.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let best = gains.iter().map(|(site, _)| *site);
        let mut kept: Vec<usize> = best.take(1 + RUNNERS_UP).collect();
        kept.extend(sets.iter().flatten().copied().filter(|site| *site >= nodes.len()));
        kept.sort_unstable();
        kept.dedup();
        let number = |old: &usize| match kept.binary_search(old) {
            Ok(at) => nodes.len() + at,
            Err(_) => *old,
        };
        for set in &mut sets {
            set.iter_mut().for_each(|member| *member = number(member));
        }
        Self {
            spots: kept.iter().map(|&old| spots[old - nodes.len()].clone()).collect(),
            further: (0..kept.len()).map(site).collect(),
            sets,
        }
    }

    fn wares<'a>(&'a self, stage: &'a Stage, nodes: usize) -> Wares<'a> {
        Wares {
            nodes,
            sets: &self.sets,
            further: &self.further,
            weights: stage.weights(),
        }
    }

    fn curve(&self, scene: &Scene<'_>, prices: &price::Prices) -> Vec<CurvePoint> {
        let name = |&site: &usize| match site.checked_sub(scene.nodes()) {
            None => scene.node_name(site),
            Some(spot) => self.spots[spot].name.clone(),
        };
        let point = |(at, set): (usize, &Vec<usize>)| {
            let drawn: Vec<f64> = prices.sets.iter().map(|sums| sums[at]).collect();
            let (mean_ms, interval) = middle(&drawn)?;
            Some(CurvePoint {
                k: set.len(),
                mean_ms,
                interval,
                chosen: set.iter().map(name).collect(),
            })
        };
        self.sets.iter().enumerate().filter_map(point).collect()
    }

    fn candidate(&self, spot: usize, prices: &price::Prices) -> Option<Candidate> {
        let drawn: Gains = prices.gains.iter().map(|gains| gains[spot]).collect();
        let (gain_ms, interval) = middle(&drawn)?;
        let spot = &self.spots[spot];
        Some(Candidate {
            place: spot.name.clone(),
            position: spot.position,
            country: spot.country,
            gain_ms,
            interval,
            predicted: spot.site.is_none(),
        })
    }

    /// The candidates, by what they gain on the days that price.
    fn next(&self, scene: &Scene<'_>, prices: &price::Prices) -> Option<NextNode> {
        if !scene.predicts() {
            return None;
        }
        let spots = 0..self.spots.len();
        let mut all: Vec<Candidate> = spots.filter_map(|spot| self.candidate(spot, prices)).collect();
        all.sort_by(|a, b| b.gain_ms.total_cmp(&a.gain_ms));
        let all = candidates::one_of_each_city(all);
        let mut all = all.into_iter();
        Some(NextNode {
            best: all.next()?,
            runners_up: all.take(RUNNERS_UP).collect(),
            calibrated: false,
        })
    }

    fn doubtful(&self, stage: &Stage, prices: &price::Prices) -> Vec<Doubtful> {
        let city = |how: &Widened| {
            let own = (0..self.spots.len()).filter(|&spot| self.spots[spot].country == Some(how.country));
            let all = own.filter_map(|spot| self.candidate(spot, prices));
            all.max_by(|a, b| a.gain_ms.total_cmp(&b.gain_ms))
        };
        let line = |how: Widened| Doubtful {
            city: city(&how),
            how,
        };
        stage.wide().into_iter().take(DOUBTFUL).map(line).collect()
    }
}

/// The mean of draws and their interval; one draw has none.
fn middle(drawn: &[f64]) -> Option<(f64, Option<super::Interval>)> {
    let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
    let interval = (drawn.len() > 1)
        .then(|| interval(drawn.iter().copied()))
        .flatten();
    mean.is_finite().then_some((mean, interval))
}

#[cfg(test)]
mod tests;
