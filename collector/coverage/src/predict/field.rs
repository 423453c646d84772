//! A mesh as a field over pairs of places: kriging along both ends at once.
//!
//! What a pair has beyond its base (the curve, or an older field) is taken as a Gaussian field whose covariance is
//! the product of the kernel along both ends. Over a whole mesh of n sites its mean is `k(x)ᵀ W k(y)` with
//! `W = K⁻¹ R K⁻¹`: one Cholesky of n sites instead of one of n² pairs. Pairs that are missing get the values that
//! the others imply: those for which their entry of `W` is 0, found by conjugate gradients.

use faer::linalg::solvers::{DenseSolveCore as _, LltError};
use faer::{Mat, Side};

use super::curve::median;
use super::kernel::{Kernel, Spot};

/// What exceeds so many times the usual deviation is taken back to it: one sick pair does not bend its area.
const ROBUST: f64 = 3.0;
const MOST_STEPS: usize = 60;
const ENOUGH: f64 = 1e-6;
/// From the median of absolute deviations to a standard deviation.
const MAD: f64 = 1.4826;

/// The field of a mesh.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) kernel: Kernel,
    pub(super) spots: Vec<Spot>,
    /// The inverse of the kernel between the spots.
    precision: Mat<f64>,
    weights: Mat<f64>,
    /// `precision` times the completed values.
    half: Mat<f64>,
}

/// A place seen from a field's spots.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// The kernel to each spot.
    pub(super) k: Vec<f64>,
    /// The weights times `k`.
    weighted: Vec<f64>,
    /// How much of the kernel's variance the spots leave open.
    pub(super) open: f64,
}

impl Axis {
    /// The weights times the kernel.
    pub(super) fn weighted(&self) -> &[f64] {
        &self.weighted
    }
}

impl Field {
    /// Of a mesh with a value, or NaN, for each pair of spots.
    pub(super) fn fit(spots: Vec<Spot>, values: &Mat<f64>, kernel: Kernel) -> Result<Self, LltError> {
        let precision = inverse(&spots, kernel)?;
        let whole = complete(values, &precision);
        let weights = &precision * &whole * &precision;
        let tamed = tame(values, &whole, &weights, &precision);
        let whole = complete(&tamed, &precision);
        let half = &precision * &whole;
        let weights = &half * &precision;
        Ok(Self {
            kernel,
            spots,
            precision,
            weights,
            half,
        })
    }

    /// The kernel, of some, whose predictions of a left-out site err least in the median; never looks at other data.
    pub(super) fn tuned(spots: &[Spot], values: &Mat<f64>, kernels: &[Kernel]) -> Result<Kernel, LltError> {
        let whole = complete(values, &inverse(spots, Kernel::OWN)?);
        let mut best = (f64::INFINITY, Kernel::OWN);
        for &kernel in kernels {
            let precision = inverse(spots, kernel)?;
            let half = &precision * &whole;
            let errors = observed(values)
                .into_iter()
                .map(|(i, j)| (half[(i, j)] / precision[(i, i)]).abs());
            let error = median(errors.collect());
            if error < best.0 {
                best = (error, kernel);
            }
        }
        Ok(best.1)
    }

    /// A place, or one of the field's own spots.
    pub(super) fn axis(&self, spot: &Spot, own: Option<usize>) -> Axis {
        let mut k: Vec<f64> = self
            .spots
            .iter()
            .map(|other| self.kernel.between(spot, other))
            .collect();
        if let Some(own) = own {
            k[own] = self.kernel.variance();
        }
        let open = match own {
            Some(_) => self.kernel.nugget,
            None => (self.kernel.variance() - dot(&k, &times(&self.precision, &k))).max(0.0),
        };
        Axis {
            weighted: times(&self.weights, &k),
            k,
            open,
        }
    }

    /// The inverse of the kernel between the spots.
    pub(super) fn precision(&self) -> &Mat<f64> {
        &self.precision
    }

    /// What the field adds to the base between two places.
    pub(super) fn between(x: &Axis, y: &Axis) -> f64 {
        dot(&x.k, &y.weighted)
    }

    /// `precision` times the kernel to a place: how much each spot counts there.
    pub(super) fn counts(&self, axis: &Axis) -> Vec<f64> {
        times(&self.precision, &axis.k)
    }

    /// What the mesh without an area would have got wrong there, for each pair with an end in the area that was
    /// measured: the pair, its error, and how much was open at both ends. Beside it the variance of their mean by the
    /// field's own account, where each one's is 1.
    pub(super) fn left_out(&self, area: &[usize], values: &Mat<f64>) -> Result<(Vec<Missed>, f64), LltError> {
        let size = area.len();
        let block = Mat::from_fn(size, size, |i, j| self.precision[(area[i], area[j])]);
        let inverse = block.llt(Side::Lower)?.inverse();
        let rows = Mat::from_fn(size, self.spots.len(), |i, j| self.half[(area[i], j)]);
        let outward = &inverse * &rows;
        let inner = Mat::from_fn(size, size, |i, j| self.weights[(area[i], area[j])]);
        let inward = &inverse * &inner * &inverse;
        let mut place_in_area = vec![None; self.spots.len()];
        for (place, &spot) in area.iter().enumerate() {
            place_in_area[spot] = Some(place);
        }
        let mut missed = Vec::new();
        for (i, &a) in area.iter().enumerate() {
            for b in (0..self.spots.len()).filter(|&b| !values[(a, b)].is_nan()) {
                let (error, open) = match place_in_area[b] {
                    Some(j) if j <= i => continue,
                    Some(j) => (inward[(i, j)], inverse[(j, j)]),
                    None => (outward[(i, b)], self.kernel.nugget),
                };
                missed.push(Missed {
                    pair: (a, b),
                    error,
                    open: (inverse[(i, i)], open),
                });
            }
        }
        // Towards others a pair errs by what is open about its end in the area, times all there is to know of the other.
        let others: Vec<Spot> = (0..self.spots.len())
            .filter(|&spot| place_in_area[spot].is_none())
            .map(|spot| self.spots[spot])
            .collect();
        let alike = mean_correlation(&inverse) * mean_correlation(&covariance(&others, self.kernel));
        Ok((missed, alike))
    }
}

/// What was wrong about a pair that was left out.
pub(super) struct Missed {
    pub(super) pair: (usize, usize),
    /// Measured minus predicted.
    pub(super) error: f64,
    pub(super) open: (f64, f64),
}

/// The mean of a covariance's correlations: the variance of a mean, where each one's is 1.
pub(super) fn mean_correlation(covariance: &Mat<f64>) -> f64 {
    let count = covariance.nrows();
    let deviation = |at: usize| covariance[(at, at)].max(f64::MIN_POSITIVE).sqrt();
    let sum: f64 = (0..count)
        .flat_map(|j| (0..count).map(move |i| (i, j)))
        .map(|(i, j)| covariance[(i, j)] / (deviation(i) * deviation(j)))
        .sum();
    sum / (count * count).max(1) as f64
}

fn inverse(spots: &[Spot], kernel: Kernel) -> Result<Mat<f64>, LltError> {
    Ok(covariance(spots, kernel).llt(Side::Lower)?.inverse())
}

/// The kernel between spots, with the nugget on the diagonal.
pub(super) fn covariance(spots: &[Spot], kernel: Kernel) -> Mat<f64> {
    let count = spots.len();
    let mut covariance = Mat::zeros(count, count);
    for i in 0..count {
        covariance[(i, i)] = kernel.variance();
        for j in 0..i {
            let value = kernel.between(&spots[i], &spots[j]);
            covariance[(i, j)] = value;
            covariance[(j, i)] = value;
        }
    }
    covariance
}

fn observed(values: &Mat<f64>) -> Vec<(usize, usize)> {
    let count = values.nrows();
    (0..count)
        .flat_map(|j| (0..count).map(move |i| (i, j)))
        .filter(|&at| !values[at].is_nan())
        .collect()
}

/// Values with the missing ones as the others imply them.
fn complete(values: &Mat<f64>, precision: &Mat<f64>) -> Mat<f64> {
    let count = values.nrows();
    let missing: Vec<(usize, usize)> = (0..count)
        .flat_map(|j| (0..count).map(move |i| (i, j)))
        .filter(|&at| values[at].is_nan())
        .collect();
    let mut whole = Mat::from_fn(count, count, |i, j| {
        if values[(i, j)].is_nan() {
            0.0
        } else {
            values[(i, j)]
        }
    });
    let scale: Vec<f64> = missing
        .iter()
        .map(|&(i, j)| 1.0 / (precision[(i, i)] * precision[(j, j)]))
        .collect();
    let gather = |from: &Mat<f64>| -> Vec<f64> { missing.iter().map(|&at| from[at]).collect() };
    let scaled = |of: &[f64]| -> Vec<f64> { of.iter().zip(&scale).map(|(a, b)| a * b).collect() };
    let mut rest: Vec<f64> = gather(&(precision * &whole * precision))
        .iter()
        .map(|value| -value)
        .collect();
    let mut ahead = scaled(&rest);
    let mut direction = ahead.clone();
    let mut product = dot(&rest, &ahead);
    let enough = product * ENOUGH;
    for _ in 0..MOST_STEPS {
        if product <= enough || product == 0.0 {
            break;
        }
        let mut spread = Mat::zeros(count, count);
        missing
            .iter()
            .zip(&direction)
            .for_each(|(&at, &value)| spread[at] = value);
        let image = gather(&(precision * &spread * precision));
        let step = product / dot(&direction, &image);
        for ((at, rest), (value, image)) in missing.iter().zip(&mut rest).zip(direction.iter().zip(&image)) {
            whole[*at] += step * value;
            *rest -= step * image;
        }
        ahead = scaled(&rest);
        let next = dot(&rest, &ahead);
        let turn = next / product;
        direction
            .iter_mut()
            .zip(&ahead)
            .for_each(|(value, ahead)| *value = ahead + turn * *value);
        product = next;
    }
    whole
}

/// Values with what no other pair bears out taken back.
fn tame(values: &Mat<f64>, whole: &Mat<f64>, weights: &Mat<f64>, precision: &Mat<f64>) -> Mat<f64> {
    let alone = |(i, j): (usize, usize)| weights[(i, j)] / (precision[(i, i)] * precision[(j, j)]);
    let usual = MAD * median(observed(values).into_iter().map(|at| alone(at).abs()).collect());
    Mat::from_fn(values.nrows(), values.ncols(), |i, j| {
        if values[(i, j)].is_nan() {
            return f64::NAN;
        }
        let error = alone((i, j));
        whole[(i, j)] - error.signum() * (error.abs() - ROBUST * usual).max(0.0)
    })
}

/// Matrix times vector.
pub(super) fn times(matrix: &Mat<f64>, vector: &[f64]) -> Vec<f64> {
    let mut result = vec![0.0; matrix.nrows()];
    for (column, &value) in vector.iter().enumerate() {
        for (sum, entry) in result.iter_mut().zip(matrix.col(column).iter()) {
            *sum += entry * value;
        }
    }
    result
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
