//! Builds a predictor, layer by layer, and calibrates its intervals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use faer::Mat;
use faer::linalg::solvers::LltError;

use super::apart::apart;
use super::areas::{areas, members};
use super::curve::{Curve, median};
use super::field::{Axis, Field, Missed};
use super::intervals::{Calibration, Group, doubt_ms};
use super::kernel::{Kernel, Spot};
use super::layout::Layout;
use super::update::{Below, Residual, Update};
use super::{Basis, Layer, Measured, Place, PredictError, Predictor, Prior};

/// Areas into which a mesh is cut to calibrate intervals.
const AREAS: usize = 20;
/// The kernels of which a large mesh chooses by leaving out its own sites.
const LENGTHS_KM: [f64; 3] = [2000.0, 4000.0, 8000.0];
const NUGGETS: [f64; 3] = [0.02, 0.05, 0.1];

/// Shorter times and ways say little of how fast a network is; and so many sites outweigh the prior by half.
const RATIO_ABOVE_MS: f64 = 20.0;
const RATIO_ABOVE_KM: f64 = 300.0;
const RATIO_SITES: f64 = 10.0;
/// From so many sites on their own medians say how far one scatters; before, this is the usual scatter.
const LEAST_RATIOS: usize = 5;
const USUAL_SCATTER: f64 = 0.2;
/// From the median of absolute deviations to a standard deviation.
const MAD: f64 = 1.4826;

impl From<LltError> for PredictError {
    fn from(_: LltError) -> Self {
        Self::Degenerate
    }
}

/// What a prior gives every predictor: the curve, its field, and how wrong the field was about its own areas.
#[derive(Debug)]
pub(super) struct Ground {
    curve: Curve,
    field: Arc<Field>,
    left_out: Vec<Group>,
    apart: f64,
}

impl Ground {
    pub(super) fn new(prior: &Prior) -> Result<Self, PredictError> {
        let spots: Vec<Spot> = prior.places().iter().map(Spot::new).collect();
        let curve = Curve::fit(distances(&spots, prior.pairs())).ok_or(PredictError::Nothing)?;
        let values = matrix(spots.len(), prior.pairs(), |pair| {
            pair.rtt_ms - curve.at(spots[pair.a].km(&spots[pair.b]))
        });
        let times = matrix(spots.len(), prior.pairs(), |pair| pair.rtt_ms);
        let apart = apart(&spots, &times);
        let field = Field::fit(spots, &values, Kernel::OLD)?;
        Ok(Self {
            apart,
            curve,
            left_out: leave_areas_out(&field, &times)?,
            field: Arc::new(field),
        })
    }

    /// How wrong it is about the pairs of each group of sites that are left out together.
    pub(super) fn left_out(&self, prior: &Prior, groups: &[Vec<usize>]) -> Vec<Option<LeftOut>> {
        let times = matrix(prior.places().len(), prior.pairs(), |pair| pair.rtt_ms);
        let calibration = Calibration::new(&self.left_out);
        let of = |sites: &Vec<usize>| {
            let (missed, _) = self.field.left_out(sites, &times).ok()?;
            let errors: Vec<f64> = missed.iter().map(|one| one.error.abs()).collect();
            let scores: Vec<f64> = missed.iter().map(|one| score(one, &times)).collect();
            (!errors.is_empty()).then(|| LeftOut {
                median_ms: median(errors),
                widened: calibration.map_or(1.0, |calibration| calibration.widened(&scores)),
            })
        };
        groups.iter().map(of).collect()
    }
}

/// How wrong a prior is about sites that were left out together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LeftOut {
    /// The median absolute error of their pairs, in milliseconds.
    pub(super) median_ms: f64,
    /// So many times as wide intervals would have to be to hold as many of their pairs as they promise.
    pub(super) widened: f64,
}

pub(super) fn fit(
    places: &[Place],
    (own, doubted): (&[Measured], &[(Measured, f64)]),
    prior: Option<&Prior>,
) -> Result<Predictor, PredictError> {
    let (pairs, doubts) = with_doubted(own, doubted);
    let pairs = pairs.as_slice();
    let told = if own.is_empty() { pairs } else { own }; // how fast networks are, the own pairs say
    let layout = Layout::new(places.len(), pairs)?;
    let spots: Vec<Spot> = places.iter().map(Spot::new).collect();
    let prior = prior.filter(|prior| !prior.pairs().is_empty());
    let ground = prior.map(Prior::ground).transpose()?;
    let curve = match &ground {
        Some(ground) => ground.curve.clone(),
        None => Curve::fit(distances(&spots, told)).ok_or(PredictError::Nothing)?,
    };
    let mut builder = Builder(Predictor {
        curve,
        slower: 1.0,
        level: 0.0,
        fields: Vec::new(),
        inside: layout.inside.len(),
        single: Vec::new(),
        doubts,
        update: None,
        known: known(&spots, pairs, prior),
        places: spots,
        basis: match (prior, pairs.is_empty()) {
            (None, _) => Basis::Own,
            (Some(_), true) => Basis::Prior,
            (Some(_), false) => Basis::OwnAndPrior,
        },
        left_out: Vec::new(),
        groups: 0,
        calibration: None,
        common: 0.0,
        apart: ground.as_ref().map_or(0.0, |ground| ground.apart),
    });
    if let Some(ground) = ground {
        builder.0.left_out.clone_from(&ground.left_out);
        builder.0.fields.push(Layer {
            field: Arc::clone(&ground.field),
            places: Vec::new(),
        });
    }
    (builder.0.slower, builder.0.level) = level(&builder.0, told);
    builder.mesh(&layout)?;
    builder.single(layout.single)
}

/// All pairs, and how much those are doubted that nobody of ours measured, by their places.
fn with_doubted(
    own: &[Measured],
    doubted: &[(Measured, f64)],
) -> (Vec<Measured>, BTreeMap<(usize, usize), f64>) {
    let ends = |pair: &Measured| (pair.a.min(pair.b), pair.a.max(pair.b));
    let ours: BTreeSet<_> = own.iter().map(ends).collect();
    let (mut pairs, mut doubts) = (own.to_vec(), BTreeMap::new());
    for (pair, doubt) in doubted.iter().filter(|(pair, _)| !ours.contains(&ends(pair))) {
        pairs.push(*pair);
        let known = doubts.entry(ends(pair)).or_insert(*doubt);
        *known = doubt.min(*known);
    }
    (pairs, doubts)
}

/// How many times slower the pairs are than is predicted: their median ratio. What a prior predicts is taken so many
/// times, drawn to 1 while sites are few; without one the curve is these pairs' own already. The second figure is by
/// what share of every time that may still be wrong, as a standard deviation: sites' own medians scatter, they are few,
/// and the prior counts for [`RATIO_SITES`] of them.
fn level(predictor: &Predictor, pairs: &[Measured]) -> (f64, f64) {
    let mut sites: Vec<usize> = pairs.iter().flat_map(|pair| [pair.a, pair.b]).collect();
    sites.sort_unstable();
    sites.dedup();
    let points: Vec<_> = sites.iter().map(|&site| predictor.site(site)).collect();
    let number = |site: usize| sites.binary_search(&site).unwrap_or(0);
    let mut of_site = vec![Vec::new(); sites.len()];
    let mut ratios = Vec::new();
    for pair in pairs {
        let (a, b) = (number(pair.a), number(pair.b));
        let predicted = predictor.likeliest_ms(&points[a], &points[b]);
        let is_far = points[a].spot.km(&points[b].spot) > RATIO_ABOVE_KM;
        if is_far && predicted > RATIO_ABOVE_MS && pair.rtt_ms > 0.0 {
            let ratio = (pair.rtt_ms / predicted).ln();
            ratios.push(ratio);
            of_site[a].push(ratio);
            of_site[b].push(ratio);
        }
    }
    let told = predictor.basis != Basis::Own;
    let old = if told { RATIO_SITES } else { 0.0 };
    of_site.retain(|ratios| !ratios.is_empty());
    let count = of_site.len() as f64;
    let scatter = match of_site.len() {
        0..LEAST_RATIOS => USUAL_SCATTER,
        _ => scatter(of_site.into_iter().map(median).collect()),
    };
    let unsure = scatter / (count + old).max(1.0).sqrt();
    match ratios.is_empty() || !told {
        true => (1.0, unsure),
        false => (
            (median(ratios) * sites.len() as f64 / (sites.len() as f64 + old)).exp(),
            unsure,
        ),
    }
}

/// The usual deviation from the median, as robust as it.
fn scatter(values: Vec<f64>) -> f64 {
    let middle = median(values.clone());
    MAD * median(values.into_iter().map(|value| (value - middle).abs()).collect())
}

pub(super) fn refit(predictor: &Predictor, pairs: &[Measured]) -> Result<Predictor, PredictError> {
    let mut builder = Builder(Predictor {
        update: None,
        ..predictor.clone()
    });
    let spots = &predictor.places;
    let mut more = known(spots, pairs, None);
    builder.0.known.append(&mut more);
    let single = [predictor.single.as_slice(), pairs].concat();
    builder.single(Layout::new(spots.len(), &single)?.single)
}

struct Builder(Predictor);

impl Builder {
    fn mesh(&mut self, layout: &Layout) -> Result<(), PredictError> {
        if layout.mesh.is_empty() {
            return Ok(());
        }
        let number = |place: usize| layout.mesh.binary_search(&place).unwrap_or(0);
        let predictor = &self.0;
        let points: Vec<_> = layout.mesh.iter().map(|&place| predictor.site(place)).collect();
        let inside: Vec<Measured> = layout
            .inside
            .iter()
            .map(|pair| Measured {
                a: number(pair.a),
                b: number(pair.b),
                ..*pair
            })
            .collect();
        let values = matrix(points.len(), &inside, |pair| {
            pair.rtt_ms - predictor.likeliest_ms(&points[pair.a], &points[pair.b])
        });
        let times = matrix(points.len(), &inside, |pair| pair.rtt_ms);
        let spots: Vec<Spot> = layout.mesh.iter().map(|&place| predictor.places[place]).collect();
        let kernels: Vec<Kernel> = LENGTHS_KM
            .iter()
            .flat_map(|&length_km| NUGGETS.map(|nugget| Kernel { length_km, nugget }))
            .collect();
        let kernel = Field::tuned(&spots, &values, &kernels)?;
        let field = Field::fit(spots, &values, kernel)?;
        // What the own mesh says of its errors outweighs what the prior's says of its own.
        self.0.left_out = leave_areas_out(&field, &times)?;
        self.0.fields.push(Layer {
            field: Arc::new(field),
            places: layout.mesh.clone(),
        });
        Ok(())
    }

    fn single(mut self, pairs: Vec<Measured>) -> Result<Predictor, PredictError> {
        let mut groups = self.0.left_out.clone();
        if !pairs.is_empty() {
            let (update, places, missed) = updated(&self.0, &pairs)?;
            groups.extend(missed);
            self.0.update = Some((update, places));
            self.0.single = pairs;
        }
        groups.retain(|group| !group.scores.is_empty());
        self.0.groups = groups.len();
        self.0.calibration = Calibration::new(&groups);
        let common = |calibration: Calibration| calibration.common(&groups);
        self.0.common = self.0.calibration.map_or(0.0, common);
        Ok(self.0)
    }
}

/// The update of single pairs, the places it counts in, and how wrong it was about each of them when it was left out.
fn updated(
    predictor: &Predictor,
    pairs: &[Measured],
) -> Result<(Update, Vec<usize>, Vec<Group>), PredictError> {
    let mut places: Vec<usize> = pairs.iter().flat_map(|pair| [pair.a, pair.b]).collect();
    places.sort_unstable();
    places.dedup();
    let points: Vec<_> = places.iter().map(|&place| predictor.site(place)).collect();
    let number = |place: usize| places.binary_search(&place).unwrap_or(0);
    let residual = |pair: &Measured| {
        let (a, b) = (number(pair.a), number(pair.b));
        Residual {
            pair: (a, b),
            ms: pair.rtt_ms - predictor.likeliest_ms(&points[a], &points[b]),
            doubt: predictor.doubts.get(&(pair.a, pair.b)).copied().unwrap_or(0.0),
        }
    };
    let residuals: Vec<Residual> = pairs.iter().map(residual).collect();
    let axes: Vec<Axis> = points
        .iter()
        .filter_map(|point| point.axes.last().cloned())
        .collect();
    let below = predictor.fields.last().map(|layer| Below {
        field: &layer.field,
        axes: &axes,
    });
    let kernel = predictor
        .fields
        .last()
        .map_or(Kernel::OWN, |layer| layer.field.kernel);
    let spots = places.iter().map(|&place| predictor.places[place]).collect();
    let update = Update::fit(spots, &residuals, below.as_ref(), kernel)?;
    let mut groups = Vec::new();
    for (node, point) in points.iter().enumerate() {
        let open = update.open_without(node).min(point.open);
        let score = |(pair, error): (usize, f64)| {
            error / doubt_ms(pairs[pair].rtt_ms - error, (open, update.nugget()))
        };
        let (missed, alike) = update.left_out(node)?;
        groups.push(Group {
            scores: missed.into_iter().map(score).collect(),
            alike,
        });
    }
    Ok((update, places, groups))
}

/// How wrong a field was about each area that was left out, in doubts.
fn leave_areas_out(field: &Field, times: &Mat<f64>) -> Result<Vec<Group>, PredictError> {
    let mut groups = Vec::new();
    for area in members(&areas(&field.spots, AREAS)) {
        let (missed, alike) = field.left_out(&area, times)?;
        groups.push(Group {
            scores: missed.iter().map(|one| score(one, times)).collect(),
            alike,
        });
    }
    Ok(groups)
}

/// An error over its doubt.
fn score(one: &Missed, times: &Mat<f64>) -> f64 {
    one.error / doubt_ms(times[one.pair] - one.error, one.open)
}

fn distances(spots: &[Spot], pairs: &[Measured]) -> Vec<(f64, f64)> {
    pairs
        .iter()
        .map(|pair| (spots[pair.a].km(&spots[pair.b]), pair.rtt_ms))
        .collect()
}

/// A symmetric matrix with a value for each pair, NaN for the rest.
fn matrix(count: usize, pairs: &[Measured], value: impl Fn(&Measured) -> f64) -> Mat<f64> {
    let mut matrix = Mat::from_fn(count, count, |_, _| f64::NAN);
    for pair in pairs {
        let value = value(pair);
        matrix[(pair.a, pair.b)] = value;
        matrix[(pair.b, pair.a)] = value;
    }
    matrix
}

fn known(spots: &[Spot], pairs: &[Measured], prior: Option<&Prior>) -> Vec<Spot> {
    let mut measured: Vec<usize> = pairs.iter().flat_map(|pair| [pair.a, pair.b]).collect();
    measured.sort_unstable();
    measured.dedup();
    let own = measured.into_iter().map(|place| spots[place]);
    own.chain(
        prior
            .into_iter()
            .flat_map(|prior| prior.places().iter().map(Spot::new)),
    )
    .collect()
}
