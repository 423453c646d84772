//! What single pairs add to a field: an exact Gaussian-process update, in which pairs that nothing bears out weigh less.

use faer::linalg::solvers::{DenseSolveCore as _, LltError, Solve as _};
use faer::{Mat, MatRef, Side};

use super::curve::median;
use super::field::{Axis, Field, covariance, dot, mean_correlation, times};
use super::kernel::{Kernel, Spot};

/// A pair's own share, beside the kernel's variance of about 1.
const NOISE: f64 = 0.3;
/// Errors above so many times the usual one weigh less.
const ROBUST: f64 = 2.0;
const ROUNDS: usize = 4;
/// What a doubt of 1 adds to a pair's own deviation, in milliseconds.
const OLD_MS: f64 = 8.0;
/// The usual error is never taken for less, in milliseconds.
const LEAST_USUAL_MS: f64 = 0.5;
/// How far the field below is trusted: what it knows for sure may still not hold for our networks.
const TRUST: f64 = 0.95;
/// From the median of absolute deviations to a standard deviation.
const MAD: f64 = 1.4826;

/// What single pairs add.
#[derive(Clone, Debug)]
pub(super) struct Update {
    kernel: Kernel,
    spots: Vec<Spot>,
    pub(super) pairs: Vec<(usize, usize)>,
    /// How much each spot of the field below counts at each of ours.
    counts: Vec<Vec<f64>>,
    weights: Mat<f64>,
    /// The inverse covariance of the pairs, and it times their values.
    precision: Mat<f64>,
    solved: Vec<f64>,
    /// The inverse of the kernel between the spots.
    between: Mat<f64>,
}

/// A place seen from the update's spots: directly, and through the field below.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    direct: Vec<f64>,
    through: Vec<f64>,
    weighted: (Vec<f64>, Vec<f64>),
    /// How much of the kernel's variance the spots leave open.
    pub(super) open: f64,
}

/// Two numbers of spots, and what the pair has beyond the field below, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Residual {
    pub(super) pair: (usize, usize),
    pub(super) ms: f64,
    /// How much it is doubted beside what a pair usually is: 1 as much as old data.
    pub(super) doubt: f64,
}

/// The field that residuals were taken from, and the update's spots as it sees them.
pub(super) struct Below<'a> {
    pub(super) field: &'a Field,
    pub(super) axes: &'a [Axis],
}

impl Update {
    pub(super) fn fit(
        spots: Vec<Spot>,
        residuals: &[Residual],
        below: Option<&Below<'_>>,
        kernel: Kernel,
    ) -> Result<Self, LltError> {
        let counts: Vec<Vec<f64>> = below.map_or_else(Vec::new, |below| {
            let trusted = |count: &f64| count * TRUST.sqrt();
            let counts = |axis| below.field.counts(axis).iter().map(trusted).collect();
            below.axes.iter().map(counts).collect()
        });
        let direct = covariance(&spots, kernel);
        let through = Mat::from_fn(spots.len(), spots.len(), |i, j| {
            below.map_or(0.0, |below| dot(&below.axes[i].k, &counts[j]))
        });
        let system = System::new(residuals, &direct, &through);
        let noise = system.noise(residuals)?;
        let precision = system.with(&noise).llt(Side::Lower)?.inverse();
        let values: Vec<f64> = residuals.iter().map(|one| one.ms).collect();
        let solved = times(&precision, &values);
        let mut weights = Mat::zeros(spots.len(), spots.len());
        for (one, value) in residuals.iter().zip(&solved) {
            weights[one.pair] += value;
            weights[(one.pair.1, one.pair.0)] += value;
        }
        Ok(Self {
            kernel,
            spots,
            pairs: residuals.iter().map(|one| one.pair).collect(),
            counts,
            weights,
            precision,
            solved,
            between: direct.llt(Side::Lower)?.inverse(),
        })
    }

    /// A place, or one of the update's own spots, which the field below sees by `axis`.
    pub(super) fn see(&self, spot: &Spot, own: Option<usize>, axis: Option<&Axis>) -> Seen {
        let mut direct: Vec<f64> = self
            .spots
            .iter()
            .map(|other| self.kernel.between(spot, other))
            .collect();
        if let Some(own) = own {
            direct[own] = self.kernel.variance();
        }
        let through: Vec<f64> = match axis {
            Some(axis) => self.counts.iter().map(|counts| dot(counts, &axis.k)).collect(),
            None => vec![0.0; self.spots.len()],
        };
        let open = match own {
            Some(_) => self.kernel.nugget,
            None => (self.kernel.variance() - dot(&direct, &times(&self.between, &direct))).max(0.0),
        };
        Seen {
            weighted: (times(&self.weights, &direct), times(&self.weights, &through)),
            direct,
            through,
            open,
        }
    }

    /// What the update adds between two places.
    pub(super) fn between(x: &Seen, y: &Seen) -> f64 {
        dot(&x.direct, &y.weighted.0) - dot(&x.through, &y.weighted.1)
    }

    /// The same from a place of which only the kernels are known: direct, and through the field below.
    pub(super) fn toward(x: (&[f64], &[f64]), y: &Seen) -> f64 {
        dot(x.0, &y.weighted.0) - dot(x.1, &y.weighted.1)
    }

    /// Many places through the field below, whose kernel to them is `below`.
    pub(super) fn through(&self, below: Option<MatRef<'_, f64>>, places: usize) -> Mat<f64> {
        match below {
            Some(below) if !self.counts.is_empty() => {
                let counts = Mat::from_fn(self.counts.len(), below.nrows(), |i, j| self.counts[i][j]);
                counts * below
            }
            _ => Mat::zeros(self.spots.len(), places),
        }
    }

    pub(super) fn spots(&self) -> &[Spot] {
        &self.spots
    }

    pub(super) fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// The inverse of the kernel between the spots.
    pub(super) fn between_spots(&self) -> &Mat<f64> {
        &self.between
    }

    /// What the pairs without those of one spot would have got wrong about them: each pair's index, and measured
    /// minus predicted; and the variance of their mean by the field's own account, where each one's is 1.
    pub(super) fn left_out(&self, spot: usize) -> Result<(Vec<(usize, f64)>, f64), LltError> {
        let touches = |&at: &usize| self.pairs[at].0 == spot || self.pairs[at].1 == spot;
        let touched: Vec<usize> = (0..self.pairs.len()).filter(touches).collect();
        let block = Mat::from_fn(touched.len(), touched.len(), |i, j| {
            self.precision[(touched[i], touched[j])]
        });
        let values = Mat::from_fn(touched.len(), 1, |i, _| self.solved[touched[i]]);
        let factor = block.llt(Side::Lower)?;
        let errors = factor.solve(&values);
        let missed = touched.iter().enumerate();
        let missed = missed.map(|(at, &pair)| (pair, errors[(at, 0)])).collect();
        Ok((missed, mean_correlation(&factor.inverse())))
    }

    /// What one node has to itself.
    pub(super) fn nugget(&self) -> f64 {
        self.kernel.nugget
    }

    /// How much is open at one of the spots where none of its own pairs is known.
    pub(super) fn open_without(&self, spot: usize) -> f64 {
        1.0 / self.between[(spot, spot)]
    }
}

/// The covariance of pairs without their noise.
struct System(Mat<f64>);

impl System {
    fn new(residuals: &[Residual], direct: &Mat<f64>, through: &Mat<f64>) -> Self {
        let of = |i: usize, j: usize| {
            let ((a, b), (c, d)) = (residuals[i].pair, residuals[j].pair);
            let one = |m: &Mat<f64>| m[(a, c)] * m[(b, d)] + m[(a, d)] * m[(b, c)];
            one(direct) - one(through)
        };
        let mut covariance = Mat::zeros(residuals.len(), residuals.len());
        for j in 0..residuals.len() {
            for i in j..residuals.len() {
                covariance[(i, j)] = of(i, j);
                covariance[(j, i)] = covariance[(i, j)];
            }
        }
        Self(covariance)
    }

    fn with(&self, noise: &[f64]) -> Mat<f64> {
        let mut whole = self.0.clone();
        noise
            .iter()
            .enumerate()
            .for_each(|(at, noise)| whole[(at, at)] += noise);
        whole
    }

    /// The noise of each pair: more where the others do not bear it out (Huber's weights, a few rounds).
    fn noise(&self, residuals: &[Residual]) -> Result<Vec<f64>, LltError> {
        let values = Mat::from_fn(residuals.len(), 1, |i, _| residuals[i].ms);
        let least = least_noise(residuals);
        let mut noise = least.clone();
        for _ in 1..ROUNDS {
            let solved = self.with(&noise).llt(Side::Lower)?.solve(&values);
            let errors: Vec<f64> = noise
                .iter()
                .enumerate()
                .map(|(at, noise)| (noise * solved[(at, 0)]).abs())
                .collect();
            let usual = MAD * median(errors.clone()) + LEAST_USUAL_MS;
            for ((noise, error), least) in noise.iter_mut().zip(&errors).zip(&least) {
                *noise = least * (error / (ROBUST * usual)).max(1.0);
            }
        }
        Ok(noise)
    }
}

/// The noise of each pair that the others bear out: more where it is doubted, as a share of the usual residual's variance.
fn least_noise(residuals: &[Residual]) -> Vec<f64> {
    if residuals.iter().all(|one| one.doubt <= 0.0) {
        return vec![NOISE; residuals.len()];
    }
    let sizes = residuals.iter().map(|one| one.ms.abs()).collect();
    let usual = MAD * median(sizes) + LEAST_USUAL_MS;
    let old = (OLD_MS / usual).powi(2);
    residuals
        .iter()
        .map(|one| NOISE + old * one.doubt.max(0.0))
        .collect()
}
