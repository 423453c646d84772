//! Whether intervals of whole reports hold the truth: of shares and means, of what a node's loss costs and of what a
//! further one gains. Ten sites measure, five of them are nodes; all other sites stand for the people, each as many.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use isochrone_coverage::count::Thresholds;
use isochrone_coverage::files::{self, FileText};
use isochrone_coverage::geo::Position;
use isochrone_coverage::predict::{Prior, PriorChoice};
use isochrone_coverage::report::{self, ClassPrediction, CoverageReport, Interval, Options, PredictedCell};
use isochrone_coverage::weights::Weights;

use super::predict::quantile;
use super::splits::{CUTS, Trial, trials};
use super::{Figure, World};
use crate::statistics::median;

const VANTAGES: usize = 10;
const NODES: usize = 5;
const DRAWS: usize = 100;
/// At so few other sites nothing is judged.
const LEAST_OTHERS: usize = 10;
/// A candidate this near to a site is that site.
const SAME_KM: f64 = 1.0;
/// A site lies at most so far from the middle of its cell.
const CELL_KM: f64 = 160.0;
/// Budgets by which some sites are within and some beyond.
const BUDGETS_MS: [f64; 3] = [50.0, 100.0, 150.0];

/// All figures of whole reports: with the prior, and with `_no_prior` without it.
///
/// # Errors
/// There is nothing to report on.
pub fn figures(world: &World, prior: Option<&Prior>, seed: u64) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    if let Some(prior) = prior {
        let trials = trials(world, prior, 2, &mut StdRng::seed_from_u64(seed));
        figures.extend(of_trials(world, &trials, "", seed)?);
    }
    let alone = Trial {
        sites: (0..world.len()).collect(),
        prior: None,
    };
    figures.extend(of_trials(world, &[alone], "_no_prior", seed)?);
    Ok(figures)
}

fn of_trials(world: &World, trials: &[Trial], suffix: &str, seed: u64) -> anyhow::Result<Vec<Figure>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut held = Held::default();
    let draws = if trials.len() == 1 { DRAWS } else { DRAWS / CUTS };
    for trial in trials {
        let prior = trial
            .prior
            .clone()
            .map_or(PriorChoice::None, |prior| PriorChoice::Given(Arc::new(prior)));
        for _ in 0..draws {
            let mut sites = trial.sites.clone();
            sites.shuffle(&mut random);
            if let Some(drawn) = Drawn::of(world, &sites) {
                held.take(&drawn, &drawn.report(prior.clone(), &mut random)?);
            }
        }
    }
    Ok(held.figures(suffix))
}

/// Which intervals held the truth, and how wide they were.
#[derive(Default)]
struct Held {
    shares: Judged,
    means: Judged,
    costs: Judged,
    gains: Judged,
}

#[derive(Default)]
struct Judged {
    inside: Vec<bool>,
    widths: Vec<f64>,
    /// How far off the middle the truth lies, in halves of the interval's width.
    off: Vec<f64>,
}

impl Judged {
    fn take(&mut self, interval: Option<Interval>, truth: f64) {
        if let Some(interval) = interval {
            self.inside.push((interval.low..=interval.high).contains(&truth));
            self.widths.push(interval.high - interval.low);
            let middle = 0.5 * (interval.low + interval.high);
            let half = 0.5 * (interval.high - interval.low);
            if half > 0.0 {
                self.off.push((truth - middle) / half);
            }
        }
    }

    fn figures(&self, name: &str, suffix: &str, (what, unit): (&str, &'static str)) -> Vec<Figure> {
        let count = self.inside.len();
        if count == 0 {
            return Vec::new();
        }
        let inside = self.inside.iter().filter(|inside| **inside).count();
        let how = format!("{what}, {VANTAGES} vantages, {NODES} nodes among them, n = {count}");
        vec![
            Figure::new(
                format!("interval.{name}_inside_at_10{suffix}"),
                inside as f64 / count as f64,
                "",
                format!("truths inside the 90 % interval, {how}"),
            ),
            Figure::new(
                format!("interval.{name}_halfwidth_at_10{suffix}"),
                median(&self.widths) / 2.0,
                unit,
                format!("median of half the interval's width, {how}"),
            ),
            Figure::new(
                format!("interval.{name}_off_at_10{suffix}"),
                median(&self.off),
                "",
                format!("median distance of the truth above the middle, in half-widths, {how}"),
            ),
            Figure::new(
                format!("interval.{name}_widened_at_10{suffix}"),
                quantile(&self.off.iter().map(|off| off.abs()).collect::<Vec<_>>(), 0.9),
                "",
                format!("times as wide about their middle nine of ten would hold the truth, {how}"),
            ),
        ]
    }
}

impl Held {
    fn take(&mut self, drawn: &Drawn<'_>, report: &CoverageReport) {
        let Some(predicted) = report.classes.first().and_then(|class| class.predicted.as_ref()) else {
            return;
        };
        for share in predicted
            .shares
            .iter()
            .filter(|share| BUDGETS_MS.contains(&share.budget_ms))
        {
            self.shares.take(share.interval, drawn.within(share.budget_ms));
        }
        // What is out of reach is in no mean of the report: these are judged over the others.
        let drawn = &drawn.reached(predicted);
        let today = drawn.mean(|node| node < NODES);
        if let Some(mean) = predicted.mean {
            self.means.take(mean.interval, today);
        }
        let Some(count) = &report.count else { return };
        for one in &count.drop_one {
            if let Some(gone) = (0..NODES).find(|&node| drawn.name(node) == one.node) {
                let without = drawn.mean(|node| node < NODES && node != gone);
                self.costs.take(one.interval, without - today);
            }
        }
        let next = count
            .next
            .iter()
            .flat_map(|next| std::iter::once(&next.best).chain(&next.runners_up));
        for candidate in next {
            if let Some(site) = drawn.candidate(candidate.position) {
                let with = drawn.mean(|node| node < NODES || node == site);
                self.gains.take(candidate.interval, today - with);
            }
        }
    }

    fn figures(&self, suffix: &str) -> Vec<Figure> {
        let mut figures = self.shares.figures(
            "share",
            suffix,
            ("shares of the other sites within 50, 100 and 150 ms", ""),
        );
        figures.extend(
            self.means
                .figures("mean", suffix, ("mean times of the other sites", "ms")),
        );
        figures.extend(
            self.costs
                .figures("cost", suffix, ("what the loss of a node costs", "ms")),
        );
        figures.extend(
            self.gains
                .figures("gain", suffix, ("what a measured candidate gains", "ms")),
        );
        figures
    }
}

/// Whether a report predicts anything of a place.
pub(super) fn is_reached(predicted: &ClassPrediction, here: Position) -> bool {
    let km = |cell: &PredictedCell| cell.position.distance_km(here);
    let nearest = predicted.cells.iter().min_by(|a, b| km(a).total_cmp(&km(b)));
    !nearest.is_some_and(|cell| cell.nearest.is_none() && km(cell) <= CELL_KM)
}

/// Sites that measure, the nodes first, and those that stand for the people.
struct Drawn<'a> {
    world: &'a World,
    known: &'a [usize],
    others: Vec<usize>,
}

impl<'a> Drawn<'a> {
    /// The first of some sites measure; the others are those whose times to all of these are known.
    fn of(world: &'a World, sites: &'a [usize]) -> Option<Self> {
        let (known, others) = sites.split_at_checked(VANTAGES)?;
        let is_known = |site: &usize| known.iter().all(|&node| world.time(*site, node).is_some());
        let others: Vec<usize> = others.iter().copied().filter(is_known).collect();
        (others.len() >= LEAST_OTHERS).then_some(Self { world, known, others })
    }

    /// The same without the people of whom the report predicts nothing.
    fn reached(&self, predicted: &ClassPrediction) -> Self {
        let is_reached = |site: &usize| is_reached(predicted, self.world.places[*site].position);
        let others = self.others.iter().copied().filter(is_reached);
        Self {
            others: others.collect(),
            ..*self
        }
    }

    fn name(&self, number: usize) -> String {
        format!("s{number}")
    }

    fn report(&self, prior: PriorChoice, random: &mut StdRng) -> anyhow::Result<CoverageReport> {
        let (mut sites, mut rtt) = (
            "site,latitude,longitude\n".to_owned(),
            "source,destination,rtt_ms\n".to_owned(),
        );
        for (a, &site) in self.known.iter().enumerate() {
            let position = self.world.places[site].position;
            writeln!(
                sites,
                "{},{},{}",
                self.name(a),
                position.latitude(),
                position.longitude()
            )?;
            for (b, &other) in self.known.iter().enumerate().skip(a + 1) {
                if let Some(ms) = self.world.time(site, other) {
                    writeln!(rtt, "{},{},{ms}", self.name(a), self.name(b))?;
                }
            }
        }
        let mut weights = "latitude,longitude,weight\n".to_owned();
        for &site in &self.others {
            let position = self.world.places[site].position;
            writeln!(weights, "{},{},1", position.latitude(), position.longitude())?;
        }
        let (sites, rtt) = (FileText::new("sites.csv", sites), FileText::new("rtt.csv", rtt));
        let nodes: Vec<String> = (0..NODES).map(|node| self.name(node)).collect();
        let options = Options {
            mesh: Some(files::read_mesh(&sites, &rtt)?),
            prior,
            count: Some(Thresholds::default()),
            ..Options::new(Weights::from_file(&FileText::new("weights.csv", weights))?)
        };
        let observations = files::read(&sites, &rtt, &nodes)?;
        report::build(&observations, &options, random).context("no report on ten sites")
    }

    /// The shortest time of a site to some of those that measure.
    fn nearest(&self, site: usize, is_node: &dyn Fn(usize) -> bool) -> f64 {
        let nodes = (0..VANTAGES).filter(|node| is_node(*node));
        let times = nodes.filter_map(|node| self.world.time(site, self.known[node]));
        times.fold(f64::INFINITY, f64::min)
    }

    /// The true share of the people within a budget of a node.
    fn within(&self, budget_ms: f64) -> f64 {
        let is_node = |node: usize| node < NODES;
        let within = self
            .others
            .iter()
            .filter(|&&site| self.nearest(site, &is_node) <= budget_ms);
        within.count() as f64 / self.others.len() as f64
    }

    /// Their true mean time to the nearest of some of those that measure.
    fn mean(&self, is_node: impl Fn(usize) -> bool) -> f64 {
        let times = self.others.iter().map(|&site| self.nearest(site, &is_node));
        times.sum::<f64>() / self.others.len() as f64
    }

    /// The measured site that is no node at a place.
    fn candidate(&self, position: Position) -> Option<usize> {
        let place = |number: usize| self.world.places[self.known[number]].position;
        (NODES..VANTAGES).find(|&number| place(number).distance_km(position) <= SAME_KM)
    }
}

#[cfg(test)]
mod tests {
    use super::super::detours;
    use super::*;

    #[test]
    fn intervals_of_whole_reports_are_judged_by_the_times_of_sites_that_did_not_measure() {
        let (world, sites) = (detours(40, 3), (0..40).collect::<Vec<_>>());
        let drawn = Drawn::of(&world, &sites).unwrap();
        let report = drawn
            .report(PriorChoice::Embedded, &mut StdRng::seed_from_u64(1))
            .unwrap();
        let mut held = Held::default();
        held.take(&drawn, &report);
        assert_eq!(held.shares.inside.len(), BUDGETS_MS.len());
        assert_eq!(held.costs.inside.len(), NODES);
        assert!(held.figures("").iter().all(|figure| figure.value.is_finite()));
    }

    #[test]
    fn people_of_whom_nothing_is_predicted_are_in_no_mean_that_is_judged() {
        let (world, sites) = (detours(40, 3), (0..40).collect::<Vec<_>>());
        let drawn = Drawn::of(&world, &sites).unwrap();
        let report = drawn
            .report(PriorChoice::Embedded, &mut StdRng::seed_from_u64(1))
            .unwrap();
        let mut predicted = report.classes[0].predicted.clone().unwrap();
        let all = drawn.reached(&predicted).others.len();
        predicted.cells[0].nearest = None;
        let rest = drawn.reached(&predicted).others.len();
        assert!(rest < all && all <= drawn.others.len(), "{rest} {all}");
    }

    #[test]
    fn truth_that_lies_outside_is_counted_as_such() {
        let mut judged = Judged::default();
        let interval = Some(Interval { low: 0.2, high: 0.4 });
        judged.take(interval, 0.3);
        judged.take(interval, 0.5);
        judged.take(None, 0.5);
        let figures = judged.figures("share", "", ("shares", ""));
        assert_eq!((figures[0].value, figures[1].value), (0.5, 0.1));
    }

    #[test]
    fn losing_a_node_never_makes_the_truth_shorter() {
        let (world, sites) = (detours(40, 3), (0..40).collect::<Vec<_>>());
        let drawn = Drawn::of(&world, &sites).unwrap();
        let today = drawn.mean(|node| node < NODES);
        for gone in 0..NODES {
            assert!(drawn.mean(|node| node < NODES && node != gone) >= today);
        }
        assert!(drawn.within(150.0) >= drawn.within(50.0));
    }
}
