//! A batch of eyes, each chosen given those before it: where one takes most off what choosing the next city may lose.

use super::gain::Contest;
use super::scene::{Pair, Scene};
use super::worth::worth;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Cities in which an eye might stand.
    pub cities: &'a [usize],
    /// Candidates that every eye measures beside all nodes, by their numbers as sites.
    pub candidates: &'a [usize],
    /// How many eyes at most.
    pub most: usize,
}

/// Candidates that compete with the best: the first of them by mean and deviation.
const RIVALS: usize = 12;
/// What one measurement may be off by for its city: a share of the variance of what is not known, and milliseconds.
const NOISE_SHARE: f64 = 0.1;
const NOISE_MS: f64 = 1.0;

/// An eye that is worth having.
#[derive(Clone, Debug, PartialEq)]
pub struct Eye {
    /// The city.
    pub city: usize,
    /// What it takes off what choosing the next city may lose, in milliseconds of the mean, given those before it.
    pub worth_ms: f64,
    /// The rival of the best candidate about which it tells most, by its number as a site.
    pub rival: usize,
}

/// What one city's measurements would tell, as far as earlier eyes leave it open.
struct Open {
    city: usize,
    pairs: Vec<Pair>,
    /// Between its measurements, their noise included; row after row.
    among: Vec<f64>,
    /// With the difference between each rival and the best.
    told: Vec<Vec<f64>>,
    /// With the measurements of eyes that were chosen, in their whitened form.
    seen: Vec<Vec<f64>>,
}

/// The eyes worth most, the first the most.
#[must_use]
pub fn choose(scene: &Scene<'_>, contest: &Contest, asked: &Asked<'_>) -> Vec<Eye> {
    let Some(best) = contest.best() else {
        return Vec::new();
    };
    let gain = |site: usize| &contest.gains[site - scene.nodes];
    let sum = |site: usize| &contest.sums[site - scene.nodes];
    let rivals: Vec<usize> = contest
        .shortlist(RIVALS)
        .into_iter()
        .filter(|site| *site != best)
        .collect();
    let ahead: Vec<f64> = rivals
        .iter()
        .map(|&site| gain(best).mean_ms - gain(site).mean_ms)
        .collect();
    let sites: Vec<usize> = (0..scene.nodes).chain(asked.candidates.iter().copied()).collect();
    let mut open: Vec<Open> = asked
        .cities
        .iter()
        .map(|&city| Open::new(scene, city, &sites))
        .collect();
    for one in &mut open {
        let of = |site: usize| -> Vec<f64> {
            let pairs = one.pairs.iter();
            pairs.map(|&pair| sum(site).covariance(scene, pair)).collect()
        };
        let first = of(best);
        one.told = rivals
            .iter()
            .map(|&site| of(site).iter().zip(&first).map(|(a, b)| a - b).collect())
            .collect();
    }
    let mut learnt = vec![0.0; rivals.len()];
    let mut chosen: Vec<Eye> = Vec::new();
    while chosen.len() < asked.most {
        let mut first: Option<(f64, usize, Vec<f64>)> = None;
        for (at, one) in open.iter().enumerate() {
            let more = one.learns();
            let each = more.iter().zip(&learnt).zip(&ahead);
            let value: f64 = each
                .map(|((more, learnt), ahead)| worth(*ahead, learnt + more) - worth(*ahead, *learnt))
                .sum();
            if first.as_ref().is_none_or(|(most, ..)| value > *most) {
                first = Some((value, at, more));
            }
        }
        let Some((worth_ms, at, more)) = first else { break };
        let gained: Vec<f64> = more
            .iter()
            .zip(&learnt)
            .zip(&ahead)
            .map(|((more, learnt), ahead)| worth(*ahead, learnt + more) - worth(*ahead, *learnt))
            .collect();
        let most = (0..rivals.len()).max_by(|&a, &b| gained[a].total_cmp(&gained[b]));
        learnt
            .iter_mut()
            .zip(&more)
            .for_each(|(learnt, more)| *learnt += more);
        let taken = open.swap_remove(at);
        chosen.push(Eye {
            city: taken.city,
            worth_ms,
            rival: most.map_or(best, |at| rivals[at]),
        });
        for one in &mut open {
            one.given(scene, &taken);
        }
    }
    chosen
}

impl Open {
    fn new(scene: &Scene<'_>, city: usize, sites: &[usize]) -> Self {
        let known = sites.iter().filter(|site| scene.time(city, **site).is_finite());
        let pairs: Vec<Pair> = known.map(|&site| (city, site)).collect();
        let count = pairs.len();
        let mut among = vec![0.0; count * count];
        for i in 0..count {
            for j in 0..count {
                among[i * count + j] = scene.covariance(pairs[i], pairs[j]);
            }
            let own = among[i * count + i];
            among[i * count + i] += NOISE_SHARE * own + NOISE_MS * NOISE_MS;
        }
        Self {
            city,
            pairs,
            among,
            told: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// What it would take off the variance of each rival's difference to the best.
    fn learns(&self) -> Vec<f64> {
        let factor = lower(&self.among, self.pairs.len());
        let square = |told: &Vec<f64>| solved(&factor, told).iter().map(|one| one * one).sum();
        self.told.iter().map(square).collect()
    }

    /// After another one was chosen.
    fn given(&mut self, scene: &Scene<'_>, taken: &Self) {
        let (count, width) = (self.pairs.len(), taken.pairs.len());
        let factor = lower(&taken.among, width);
        // By own measurement: what the other's, whitened, tell of it.
        let mut tells = vec![vec![0.0; width]; count];
        for (own, tells) in tells.iter_mut().enumerate() {
            let with: Vec<f64> = (0..width)
                .map(|other| {
                    let before = scene.covariance(self.pairs[own], taken.pairs[other]);
                    let seen = match (self.seen.get(own), taken.seen.get(other)) {
                        (Some(mine), Some(theirs)) => mine.iter().zip(theirs).map(|(a, b)| a * b).sum(),
                        _ => 0.0,
                    };
                    before - seen
                })
                .collect();
            *tells = solved(&factor, &with);
        }
        for i in 0..count {
            for j in 0..count {
                let both: f64 = tells[i].iter().zip(&tells[j]).map(|(a, b)| a * b).sum();
                self.among[i * count + j] -= both;
            }
        }
        for (mine, theirs) in self.told.iter_mut().zip(&taken.told) {
            let known = solved(&factor, theirs);
            for (own, told) in mine.iter_mut().enumerate() {
                *told -= tells[own].iter().zip(&known).map(|(a, b)| a * b).sum::<f64>();
            }
        }
        self.seen.resize(count, Vec::new());
        for (seen, tells) in self.seen.iter_mut().zip(tells) {
            seen.extend(tells);
        }
    }
}

/// The Cholesky factor of a small covariance; what rounding makes negative is nothing.
fn lower(covariance: &[f64], count: usize) -> Vec<f64> {
    let mut factor = vec![0.0; count * count];
    for i in 0..count {
        for j in 0..=i {
            let sum: f64 = (0..j)
                .map(|k| factor[i * count + k] * factor[j * count + k])
                .sum();
            let value = covariance[i * count + j] - sum;
            factor[i * count + j] = match factor[j * count + j] {
                _ if i == j => value.max(0.0).sqrt(),
                0.0 => 0.0,
                pivot => value / pivot,
            };
        }
    }
    factor
}

/// A vector seen through the inverse of a lower factor.
fn solved(factor: &[f64], of: &[f64]) -> Vec<f64> {
    let count = of.len();
    let mut found = vec![0.0; count];
    for i in 0..count {
        let sum: f64 = (0..i).map(|k| factor[i * count + k] * found[k]).sum();
        found[i] = match factor[i * count + i] {
            0.0 => 0.0,
            pivot => (of[i] - sum) / pivot,
        };
    }
    found
}
