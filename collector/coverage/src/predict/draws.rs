//! What predictions may be wrong by, drawn for all pairs at once: neighbours err alike.
//!
//! A pair's covariance is the product of the kernel along both ends, before and after all that is known, so its
//! error is the sum of two fields: what is open about the place, towards every node, and what is known of the place
//! times what is open about the node. Both are drawn through a low-rank factor (Cholesky with pivots) and a rest of
//! each place's own. Nodes of one site err as one, and what a node has to itself fades over some hundred kilometres:
//! otherwise the nearer of two would be nearer by chance, and a second node at one site would seem to be worth much.

use faer::Mat;
use rand::Rng;

use super::together::Together;

/// So many draws go through one product of matrices.
const BLOCK: usize = 8;
/// Vectors of normal deviates, one for each point, that are drawn from.
const POOL: usize = 1 << 13;

/// Joint draws of errors between many places and a few points, each of mean 0 and variance 1.
#[derive(Clone, Debug)]
pub struct Draws {
    points: usize,
    /// Both factors side by side, a row for each place.
    factor: Mat<f32>,
    open_rank: usize,
    /// What each place has to itself.
    rest: Vec<f32>,
    /// Factors along the nodes: of all there is to know, and of what is open; row after row.
    whole: Vec<f32>,
    open: Vec<f32>,
    /// One over the usual deviation, place after place.
    scale: Vec<f32>,
}

/// The errors of one place in one draw, in usual deviations.
#[derive(Clone, Copy, Debug)]
pub struct Errors<'a> {
    /// Towards each point: neighbours err alike.
    pub alike: &'a [f32],
    /// Towards each point: the pair's own.
    pub own: &'a [f32],
    /// How much of that counts in this draw, 0…1: whether nodes of one site share their network is not known.
    pub differ: f32,
    /// The same for all of the draw.
    pub shared: f32,
}

impl Draws {
    /// Errors that go together so.
    #[must_use]
    pub fn new(together: &Together) -> Self {
        let (places, points) = (together.places(), together.points());
        let entry = |place: usize, column: usize| together.factor(place, column) as f32;
        let rest = (0..places).map(|place| together.rest(place).sqrt() as f32);
        let scale = (0..places).flat_map(|place| (0..points).map(move |point| (place, point)));
        Self {
            points,
            factor: Mat::from_fn(places, together.columns(), entry),
            open_rank: together.open_columns(),
            rest: rest.collect(),
            whole: lower(points, |a, b| together.whole(a, b)),
            open: lower(points, |a, b| together.still(a, b)),
            scale: scale
                .map(|(place, point)| together.scale(place, point) as f32)
                .collect(),
        }
    }

    /// Draws so many times; `each` gets the draw, the place, and its errors.
    pub fn run(&self, draws: usize, random: &mut impl Rng, mut each: impl FnMut(usize, usize, Errors<'_>)) {
        let pool = Pool::new(&self.whole, self.points, random);
        let (points, mut errors) = (self.points, vec![0.0; self.points]);
        for first in (0..draws).step_by(BLOCK) {
            let block = BLOCK.min(draws - first);
            let spread = &self.factor * self.coefficients(block, &pool, random);
            for draw in 0..block {
                let (shared, differ) = (pool.one(random), random.random());
                let columns: Vec<&[f32]> = (0..points)
                    .map(|point| spread.col_as_slice(draw * points + point))
                    .collect();
                let scales = self.scale.chunks_exact(points);
                for (place, scale) in scales.enumerate() {
                    let (rest, alone) = (self.rest[place], pool.vector(random));
                    let each_point = columns.iter().zip(alone).zip(scale);
                    for (error, ((column, alone), scale)) in errors.iter_mut().zip(each_point) {
                        *error = (column[place] + rest * alone) * scale;
                    }
                    let drawn = Errors {
                        alike: &errors,
                        own: pool.plain(random),
                        differ,
                        shared,
                    };
                    each(first + draw, place, drawn);
                }
            }
        }
    }

    /// What each column of the factor is taken times, for each point of each draw.
    fn coefficients(&self, block: usize, pool: &Pool, random: &mut impl Rng) -> Mat<f32> {
        let (points, rank) = (self.points, self.factor.ncols());
        let mut coefficients = Mat::zeros(rank, points * block);
        for draw in 0..block {
            for column in 0..rank {
                let is_open = column < self.open_rank;
                let own = if is_open {
                    pool.vector(random)
                } else {
                    pool.plain(random)
                };
                for (point, &open) in own.iter().enumerate() {
                    let known = || along(&self.open, point, points, own);
                    coefficients[(column, draw * points + point)] = if is_open { open } else { known() };
                }
            }
        }
        coefficients
    }
}

/// One entry of a lower factor times a vector.
fn along(factor: &[f32], row: usize, width: usize, own: &[f32]) -> f32 {
    let row = &factor[row * width..row * width + row + 1];
    row.iter().zip(own).map(|(a, b)| a * b).sum()
}

/// The Cholesky factor of a small covariance, row after row; what rounding makes negative is nothing.
fn lower(count: usize, covariance: impl Fn(usize, usize) -> f64) -> Vec<f32> {
    let mut factor = vec![0.0; count * count];
    for i in 0..count {
        for j in 0..=i {
            let sum: f64 = (0..j)
                .map(|k| factor[i * count + k] * factor[j * count + k])
                .sum();
            let value = covariance(i, j) - sum;
            factor[i * count + j] = match factor[j * count + j] {
                _ if i == j => value.max(0.0).sqrt(),
                0.0 => 0.0,
                pivot => value / pivot,
            };
        }
    }
    factor.into_iter().map(|value| value as f32).collect()
}

/// Vectors of normal deviates, drawn from with replacement: much cheaper than making each anew.
struct Pool {
    width: usize,
    /// Independent ones, and the same with the covariance of the points.
    plain: Vec<f32>,
    vectors: Vec<f32>,
}

impl Pool {
    fn new(factor: &[f32], width: usize, random: &mut impl Rng) -> Self {
        let count = POOL * width;
        let mut plain = Vec::with_capacity(count + 1);
        while plain.len() < count {
            let (u, v): (f64, f64) = (random.random_range(f64::MIN_POSITIVE..1.0), random.random());
            let (length, turn) = ((-2.0 * u.ln()).sqrt(), (std::f64::consts::TAU * v).sin_cos());
            plain.extend([(length * turn.0) as f32, (length * turn.1) as f32]);
        }
        plain.truncate(count);
        let of = |own: &[f32]| {
            (0..width)
                .map(|row| along(factor, row, width, own))
                .collect::<Vec<f32>>()
        };
        Self {
            vectors: plain.chunks(width.max(1)).flat_map(of).collect(),
            plain,
            width,
        }
    }

    fn vector(&self, random: &mut impl Rng) -> &[f32] {
        &self.vectors[self.start(random)..][..self.width]
    }

    fn plain(&self, random: &mut impl Rng) -> &[f32] {
        &self.plain[self.start(random)..][..self.width]
    }

    fn one(&self, random: &mut impl Rng) -> f32 {
        self.plain(random).first().copied().unwrap_or_default()
    }

    fn start(&self, random: &mut impl Rng) -> usize {
        (random.random::<u32>() as usize % POOL) * self.width
    }
}
