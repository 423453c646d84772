//! Too many or too few nodes: sets are chosen on odd days and priced on even ones, over joint draws.

mod asked;
mod candidates;
mod choose;
mod gaps;
mod price;
mod scene;
mod stage;
mod verdicts;

use rand::Rng;

use asked::Asked;
use candidates::Spot;
use price::Wares;
use scene::Scene;
use stage::Stage;

use super::resample::interval;
use super::widening::{self, widened};
use super::{ClassPrediction, Options, ReportError, Widened};
use crate::observations::Observations;
use crate::report::count::{
    Candidate, Count, CurvePoint, Doubt, Doubtful, DropOne, LEAST_VANTAGES, NextNode, Priced, REDUNDANT_MS,
    Redundancy, Thresholds, Unpriced, Verdict,
};

/// Heavy cities that are looked at as places of a further node, beside the sites that were measured.
const CITIES: usize = 50;
/// Best guesses that are named after the best one.
const RUNNERS_UP: usize = 4;
/// Countries that get a line of their own, the heaviest first.
const DOUBTFUL: usize = 5;

pub use gaps::what_to_measure;

/// How many nodes are worth their keep, by the access class with most vantages, whose predictions are `predicted`.
///
/// # Errors
/// The observations or options contradict themselves; the error says where.
pub(crate) fn count(
    observations: &Observations,
    options: &Options,
    (thresholds, predicted): (&Thresholds, Option<&ClassPrediction>),
    random: &mut impl Rng,
) -> Result<Count, ReportError> {
    let scene = Scene::new(observations, options)?;
    let choosing = Stage::new(&scene, scene.odd(), None, random);
    let mut plan = Plan::new(&scene, &choosing);
    let pricing = Stage::new(&scene, scene.even(), Some(&plan.spots), random);
    if !pricing.is_predicted() {
        plan.leave_further();
    }
    let prices = pricing.prices(&plan.wares(&pricing), &scene, random);
    // From few vantages alone a prediction says nothing of what nodes are worth: only with a prior, or with many.
    let may_say =
        scene.measuring() >= LEAST_VANTAGES || (pricing.is_predicted() && options.prior.get().is_some());
    let asked = Asked::new(&pricing, predicted);
    let unpriced = choosing.unpriced().map(|(node, why)| Unpriced {
        node: scene.node_name(node),
        why,
    });
    let mut count = Count {
        unpriced: unpriced.collect(),
        measure: asked.wanted(),
        ..plan.figures(&scene, &pricing, &prices, may_say)
    };
    count.thresholds = *thresholds;
    if pricing.is_empty() {
        count.reasons.push(Doubt::NothingKnown);
        return Ok(count);
    }
    if may_say {
        count.drop_one = verdicts::drop_one(&scene, (&plan, &pricing, &asked), &prices, thresholds);
        let worst = plan.worst.map(|node| scene.node_name(node));
        let mut found = count.drop_one.iter();
        count.worst_loss = found.find(|one| Some(&one.node) == worst.as_ref()).cloned();
    } else if pricing.is_predicted() {
        count.reasons.push(Doubt::NoPrior);
    }
    verdicts::overall(&mut count, pricing.is_predicted());
    Ok(count)
}

/// What is to be priced: sets of today's nodes, and further ones.
struct Plan {
    /// Today's nodes that can be priced.
    nodes: Vec<usize>,
    /// The one of them whose loss costs most.
    worst: Option<usize>,
    /// Candidates that are priced.
    spots: Vec<Spot>,
    sets: Vec<Vec<usize>>,
    /// By candidate: whether today's nodes and it are priced together.
    further: Vec<usize>,
    /// Candidates by what they gain, the most first.
    order: Vec<usize>,
}

/// A candidate's gain in each draw.
type Gains = Vec<f64>;

impl Plan {
    /// On the days that choose; what they ranked the days that price do not rank again.
    fn new(scene: &Scene<'_>, stage: &Stage) -> Self {
        let (spots, first) = (stage.spots(), scene.nodes());
        let nodes = stage.priceable();
        let site = |spot: usize| first + spot;
        let table = stage.table(spots);
        let mut sets = table.best_sets(&[], &nodes, nodes.len());
        let all: Vec<usize> = (0..spots.len()).map(site).collect();
        sets.extend(table.best_sets(&nodes, &all, nodes.len()));
        let mut gains = table.gains(&nodes, &all);
        gains.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let best = gains.iter().map(|(site, _)| *site);
        let mut kept: Vec<usize> = best.take(1 + RUNNERS_UP).collect();
        kept.extend(sets.iter().flatten().copied().filter(|site| *site >= first));
        kept.sort_unstable();
        kept.dedup();
        let number = |old: &usize| match kept.binary_search(old) {
            Ok(at) => first + at,
            Err(_) => *old,
        };
        for set in &mut sets {
            set.iter_mut().for_each(|member| *member = number(member));
        }
        let order = gains.iter().filter_map(|(site, _)| kept.binary_search(site).ok());
        let losses = table.losses(&nodes);
        let worst = (0..nodes.len()).max_by(|&a, &b| losses[a].total_cmp(&losses[b]));
        Self {
            worst: worst.map(|at| nodes[at]),
            spots: kept.iter().map(|&old| spots[old - first].clone()).collect(),
            further: (0..kept.len()).map(site).collect(),
            order: order.collect(),
            nodes,
            sets,
        }
    }

    /// Without further cities: nothing is predicted towards them.
    fn leave_further(&mut self) {
        let nodes = &self.nodes;
        self.sets
            .retain(|set| set.iter().all(|site| nodes.contains(site)));
        self.spots.clear();
        self.further.clear();
        self.order.clear();
    }

    /// All but verdicts and what to measure; further cities only where they may be said.
    fn figures(&self, scene: &Scene<'_>, pricing: &Stage, prices: &price::Prices, may_say: bool) -> Count {
        Count {
            reasons: Vec::new(),
            verdict: Verdict::CannotTell,
            by_latency_alone: true,
            thresholds: Thresholds::default(),
            priced: scene.priced(),
            days_resampled: pricing.days_resampled(),
            known_share: pricing.known_weight() / scene.total_weight(),
            predicted_share: pricing.predicted_weight() / scene.total_weight(),
            vantages: scene.measuring(),
            nodes: scene.nodes(),
            curve: self.curve((scene, pricing), prices, may_say),
            unpriced: Vec::new(),
            drop_one: Vec::new(),
            worst_loss: None,
            next: self.next(pricing, prices).filter(|_| may_say),
            unpredictable: pricing.unseen(),
            doubtful: self.doubtful(pricing, prices, may_say),
            redundancy: scene.redundancy(),
            measure: Vec::new(),
        }
    }

    fn wares<'a>(&'a self, stage: &'a Stage) -> Wares<'a> {
        Wares {
            nodes: &self.nodes,
            sets: &self.sets,
            further: &self.further,
            weights: stage.weights(),
        }
    }

    /// With further cities only where they may be said.
    fn curve(
        &self,
        (scene, stage): (&Scene<'_>, &Stage),
        prices: &price::Prices,
        further: bool,
    ) -> Vec<CurvePoint> {
        let name = |&site: &usize| match site.checked_sub(scene.nodes()) {
            None => scene.node_name(site),
            Some(spot) => self.spots[spot].name.clone(),
        };
        let point = |(at, set): (usize, &Vec<usize>)| {
            let drawn: Vec<f64> = prices.sets.iter().map(|sums| sums[at]).collect();
            let (mean_ms, interval) = middle(&drawn, stage.widening(widening::MEAN))?;
            Some(CurvePoint {
                k: set.len(),
                mean_ms,
                interval,
                chosen: set.iter().map(name).collect(),
            })
        };
        let may = |(_, set): &(usize, &Vec<usize>)| further || set.len() <= self.nodes.len();
        self.sets
            .iter()
            .enumerate()
            .filter(may)
            .filter_map(point)
            .collect()
    }

    fn candidate(&self, spot: usize, stage: &Stage, prices: &price::Prices) -> Option<Candidate> {
        let drawn: Gains = prices.gains.iter().map(|gains| gains[spot]).collect();
        let (gain_ms, interval) = middle(&drawn, stage.widening(widening::GAIN))?;
        let spot = &self.spots[spot];
        Some(Candidate {
            place: spot.name.clone(),
            site: spot.site.as_ref().map(|site| site.name.clone()),
            position: spot.position,
            country: spot.country,
            gain_ms,
            interval,
            predicted: spot.site.is_none() || stage.predicted_weight() > 0.0,
            candidate: spot.candidate.clone(),
            eyes: spot.eyes,
        })
    }

    /// The candidates as the days that chose rank them: ranked by the days that price, the first would owe its place to
    /// the days it is judged by.
    fn next(&self, stage: &Stage, prices: &price::Prices) -> Option<NextNode> {
        let spots = self.order.iter();
        let mut all = spots.filter_map(|&spot| self.candidate(spot, stage, prices));
        Some(NextNode {
            best: all.next()?,
            runners_up: all.take(RUNNERS_UP).collect(),
            calibrated: stage.is_predicted(),
        })
    }

    fn doubtful(&self, stage: &Stage, prices: &price::Prices, may_say: bool) -> Vec<Doubtful> {
        let city = |how: &Widened| {
            let mut own = self.order.iter();
            let first = own.find(|&&spot| may_say && self.spots[spot].country == Some(how.country))?;
            self.candidate(*first, stage, prices)
        };
        let line = |how: Widened| Doubtful {
            city: city(&how),
            how,
        };
        stage.wide().into_iter().take(DOUBTFUL).map(line).collect()
    }
}

/// The mean of draws and their interval, so many times as wide; one draw has none.
fn middle(drawn: &[f64], times: f64) -> Option<(f64, Option<super::Interval>)> {
    let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
    let interval = (drawn.len() > 1)
        .then(|| interval(drawn.iter().copied()))
        .flatten()
        .map(|drawn| widened(drawn, times));
    mean.is_finite().then_some((mean, interval))
}

#[cfg(test)]
mod tests;
