//! How well times are predicted that were not shown: whole areas away, with sixteen measurements, and from ten, thirty
//! and a hundred vantages; beside a straight line and the three nearest sites.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use isochrone_coverage::predict::{Measured, Point, PredictError, Predicted, Predictor, Prior};

use super::splits::{CUTS, Trial, areas, tenths, trials, whole};
use super::{Figure, World};
use crate::statistics::median;

/// How many measurements a new node gets.
const SIXTEEN: usize = 16;
/// Vantages, and how often so many are drawn.
const VANTAGES: [(usize, usize); 3] = [(10, 25), (30, 10), (100, 5)];
/// Into how many parts the areas are cut where the folder is most of the prior, and what the figures are then called: the
/// fewer, the less the prior knows.
const PARTS: [(usize, &str); 3] = [(2, ""), (3, "_thirds"), (4, "_quarters")];
/// At so few sites beside the vantages nothing is judged.
const LEAST_OTHERS: usize = 10;
/// A site is known if it is within this of a vantage for sure, or beyond for sure.
const BUDGET_MS: f64 = 50.0;

/// All figures of prediction: each with the prior, and with `_no_prior` without it; `_thirds` and `_quarters` where the
/// prior is cut otherwise than in halves.
///
/// # Errors
/// There is nothing to predict from.
pub fn figures(world: &World, prior: Option<&Prior>, seed: u64) -> Result<Vec<Figure>, PredictError> {
    let mut figures = Vec::new();
    if let Some(prior) = prior {
        figures.extend(from_all(world, &whole(world, prior), "", seed)?);
        for (parts, suffix) in PARTS {
            let trials = trials(world, prior, parts, &mut StdRng::seed_from_u64(seed));
            let is_whole = trials.len() == 1;
            for vantages in VANTAGES {
                figures.extend(from_few(world, &trials, vantages, suffix, seed)?);
            }
            if is_whole {
                break; // there is nothing to cut
            }
        }
    }
    let alone = Trial {
        sites: (0..world.len()).collect(),
        prior: None,
    };
    figures.extend(from_all(world, &alone, "_no_prior", seed)?);
    for vantages in VANTAGES {
        figures.extend(from_few(
            world,
            std::slice::from_ref(&alone),
            vantages,
            "_no_prior",
            seed,
        )?);
    }
    Ok(figures)
}

/// With all sites known but those that are judged.
fn from_all(world: &World, trial: &Trial, suffix: &str, seed: u64) -> Result<Vec<Figure>, PredictError> {
    let (mut area, mut node) = (Errors::default(), Errors::default());
    let (mut sixteen, mut sixteen_area) = (Errors::default(), Errors::default());
    let mut random = StdRng::seed_from_u64(seed);
    for group in areas(world, &trial.sites, &mut random) {
        leave_out(world, trial, &group, (&mut area, &mut sixteen_area), &mut random)?;
    }
    for group in tenths(&trial.sites, &mut random) {
        leave_out(world, trial, &group, (&mut node, &mut sixteen), &mut random)?;
    }
    let mut figures = area.left_out_figures("area_out", "a whole area away", suffix);
    figures.extend(node.left_out_figures("node_out", "a tenth of the sites away, at random", suffix));
    figures.push(area.coverage(format!("predict.coverage90{suffix}"), "a whole area away"));
    figures.push(area.half_width(format!("predict.coverage90_halfwidth_ms{suffix}")));
    figures.push(node.coverage(
        format!("predict.coverage90_node{suffix}"),
        "a tenth of the sites away",
    ));
    for (name, errors, how) in [
        ("sixteen_ms", &sixteen, "sites at random"),
        ("sixteen_area_ms", &sixteen_area, "a whole area away"),
    ] {
        let how = format!("{how}, {SIXTEEN} measurements each, n = {}", errors.ours.len());
        figures.push(Figure::new(
            format!("predict.{name}{suffix}"),
            median(&errors.ours),
            "ms",
            how,
        ));
    }
    Ok(figures)
}

/// Errors in milliseconds, and what was said of them.
#[derive(Default)]
struct Errors {
    ours: Vec<f64>,
    nearest: Vec<f64>,
    linear: Vec<f64>,
    inside: Vec<bool>,
    half_widths: Vec<f64>,
}

impl Errors {
    fn take(&mut self, predicted: &Predicted, truth: f64) {
        self.ours.push((predicted.ms() - truth).abs());
        if let Some(estimate) = predicted.estimate() {
            self.inside
                .push((estimate.low_ms..=estimate.high_ms).contains(&truth));
            self.half_widths.push((estimate.high_ms - estimate.low_ms) / 2.0);
        }
    }

    fn left_out_figures(&self, name: &str, how: &str, suffix: &str) -> Vec<Figure> {
        let how = format!("median, {how}, n = {}", self.ours.len());
        let figure = |method: &str, errors: &[f64]| {
            Figure::new(
                format!("predict.{name}{method}_ms{suffix}"),
                median(errors),
                "ms",
                how.clone(),
            )
        };
        vec![
            figure("", &self.ours),
            figure("_three_nearest", &self.nearest),
            figure("_linear", &self.linear),
        ]
    }

    fn coverage(&self, name: String, how: &str) -> Figure {
        let inside = self.inside.iter().filter(|inside| **inside).count();
        let share = inside as f64 / self.inside.len() as f64;
        Figure::new(
            name,
            share,
            "",
            format!(
                "truths inside the 90 % interval, {how}, n = {}",
                self.inside.len()
            ),
        )
    }

    fn half_width(&self, name: String) -> Figure {
        Figure::new(
            name,
            median(&self.half_widths),
            "ms",
            "median of half the interval's width".to_owned(),
        )
    }
}

/// Predicts from everything but a group what its sites measured to the others; then gives each site some measurements.
fn leave_out(
    world: &World,
    trial: &Trial,
    group: &[usize],
    (errors, sixteen): (&mut Errors, &mut Errors),
    random: &mut StdRng,
) -> Result<(), PredictError> {
    let known: Vec<usize> = trial
        .sites
        .iter()
        .copied()
        .filter(|site| !group.contains(site))
        .collect();
    let pairs = world.among(&known);
    if pairs.is_empty() {
        return Ok(());
    }
    let predictor = Predictor::fit(&world.places, &pairs, trial.prior.as_ref())?;
    let line = Line::fit(world, &pairs);
    let points: Vec<Point> = known.iter().map(|&site| predictor.site(site)).collect();
    for &new in group {
        let point = predictor.site(new);
        let nearest = nearest(world, &known, new);
        let mut measured = Vec::new();
        for (&site, known) in known.iter().zip(&points) {
            let Some(truth) = world.time(new, site) else {
                continue;
            };
            errors.take(&predictor.between(&point, known), truth);
            errors.linear.push((line.at(world.km(new, site)) - truth).abs());
            errors
                .nearest
                .extend(three_nearest(world, &nearest, site, &line).map(|ms| (ms - truth).abs()));
            measured.push(Measured {
                a: new,
                b: site,
                rtt_ms: truth,
            });
        }
        if measured.len() > SIXTEEN {
            measured.shuffle(random);
            let rest = measured.split_off(SIXTEEN);
            let predictor = predictor.with_pairs(&measured)?;
            let point = predictor.site(new);
            for pair in rest {
                sixteen.take(&predictor.between(&point, &predictor.site(pair.b)), pair.rtt_ms);
            }
        }
    }
    Ok(())
}

/// The known sites by distance to a new one, the nearest three.
fn nearest(world: &World, known: &[usize], new: usize) -> Vec<usize> {
    let mut nearest = known.to_vec();
    nearest.sort_by(|a, b| world.km(*a, new).total_cmp(&world.km(*b, new)));
    nearest.truncate(3);
    nearest
}

/// The mean of what the three nearest sites measured; what they did not, a line through all says.
fn three_nearest(world: &World, nearest: &[usize], to: usize, line: &Line) -> Option<f64> {
    let ms = nearest.iter().map(|&site| {
        world
            .time(site, to)
            .unwrap_or_else(|| line.at(world.km(site, to)))
    });
    (!nearest.is_empty()).then(|| ms.sum::<f64>() / nearest.len() as f64)
}

/// Least squares in distance.
struct Line {
    start: f64,
    slope: f64,
}

impl Line {
    fn fit(world: &World, pairs: &[Measured]) -> Self {
        let count = pairs.len() as f64;
        let km = |pair: &Measured| world.km(pair.a, pair.b);
        let mean_km = pairs.iter().map(km).sum::<f64>() / count;
        let mean_ms = pairs.iter().map(|pair| pair.rtt_ms).sum::<f64>() / count;
        let both: f64 = pairs
            .iter()
            .map(|pair| (km(pair) - mean_km) * (pair.rtt_ms - mean_ms))
            .sum();
        let spread: f64 = pairs.iter().map(|pair| (km(pair) - mean_km).powi(2)).sum();
        let slope = if spread > 0.0 { both / spread } else { 0.0 };
        Self {
            start: mean_ms - slope * mean_km,
            slope,
        }
    }

    fn at(&self, km: f64) -> f64 {
        self.start + self.slope * km
    }
}

/// Everything that so many vantages did not measure among themselves.
fn from_few(
    world: &World,
    trials: &[Trial],
    (vantages, draws): (usize, usize),
    suffix: &str,
    seed: u64,
) -> Result<Vec<Figure>, PredictError> {
    let (mut medians, mut tails, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    let mut all = Errors::default();
    let mut random = StdRng::seed_from_u64(seed);
    let draws = if trials.len() == 1 { draws } else { draws / CUTS };
    for trial in trials
        .iter()
        .filter(|trial| trial.sites.len() >= vantages + LEAST_OTHERS)
    {
        for _ in 0..draws {
            let mut sites = trial.sites.clone();
            sites.shuffle(&mut random);
            let predictor = Predictor::fit(
                &world.places,
                &world.among(&sites[..vantages]),
                trial.prior.as_ref(),
            )?;
            let points: Vec<Point> = sites.iter().map(|&site| predictor.site(site)).collect();
            let mut errors = Errors::default();
            for (at, point) in points.iter().enumerate().skip(vantages) {
                for (other, known) in points[..at].iter().enumerate() {
                    if let Some(truth) = world.time(sites[at], sites[other]) {
                        errors.take(&predictor.between(point, known), truth);
                    }
                }
            }
            medians.push(median(&errors.ours));
            tails.push(quantile(&errors.ours, 0.9));
            unknown.push(unknown_share(&predictor, &points, vantages));
            all.inside.append(&mut errors.inside);
            all.half_widths.append(&mut errors.half_widths);
        }
    }
    if medians.is_empty() {
        return Ok(Vec::new()); // too few sites in every part
    }
    let how = format!("{} draws of {vantages} sites, median of draws", medians.len());
    let named = |what: &str| format!("predict.{what}_at_{vantages}{suffix}");
    Ok(vec![
        Figure::new(named("pair_ms"), median(&medians), "ms", how.clone()),
        Figure::new(named("pair_p90_ms"), median(&tails), "ms", how.clone()),
        all.coverage(named("inside"), &how),
        all.half_width(named("halfwidth_ms")),
        Figure::new(
            named("unknown"),
            median(&unknown),
            "",
            format!("share of the other sites neither within nor beyond {BUDGET_MS} ms of a vantage, {how}"),
        ),
    ])
}

/// The share of the sites that stand neither surely within the budget of some vantage nor surely beyond it of all.
fn unknown_share(predictor: &Predictor, points: &[Point], vantages: usize) -> f64 {
    let others = &points[vantages..];
    let unknown = others.iter().filter(|point| {
        let said: Vec<Predicted> = points[..vantages]
            .iter()
            .map(|vantage| predictor.between(point, vantage))
            .collect();
        let within = said
            .iter()
            .filter_map(Predicted::estimate)
            .any(|estimate| estimate.high_ms <= BUDGET_MS);
        let beyond = said
            .iter()
            .all(|one| one.estimate().is_some_and(|estimate| estimate.low_ms > BUDGET_MS));
        !within && !beyond
    });
    unknown.count() as f64 / others.len() as f64
}

pub(super) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::super::detours;
    use super::*;

    #[test]
    fn world_with_detours_is_predicted_better_than_by_its_neighbours_or_kilometres() {
        let figures = figures(&detours(72, 3), None, 1).unwrap();
        let value = |name: &str| figures.iter().find(|figure| figure.name == name).unwrap().value;
        let ours = value("predict.node_out_ms_no_prior");
        assert!(
            ours < value("predict.node_out_three_nearest_ms_no_prior"),
            "{ours}"
        );
        assert!(
            ours < value("predict.node_out_linear_ms_no_prior") / 2.0,
            "{ours}"
        );
        assert!(value("predict.sixteen_ms_no_prior") <= ours);
        // of a region that is left out whole nothing tells what leaving it costs: only nodes are judged
        let inside = value("predict.coverage90_node_no_prior");
        assert!((0.87..=1.0).contains(&inside), "{inside}");
    }

    #[test]
    fn line_goes_through_points_that_lie_on_one() {
        let world = detours(20, 3);
        let on_a_line: Vec<Measured> = world
            .among(&(0..20).collect::<Vec<_>>())
            .into_iter()
            .map(|pair| Measured {
                rtt_ms: 5.0 + 0.02 * world.km(pair.a, pair.b),
                ..pair
            })
            .collect();
        let line = Line::fit(&world, &on_a_line);
        assert!((line.start - 5.0).abs() < 1e-6 && (line.slope - 0.02).abs() < 1e-9);
    }
}
