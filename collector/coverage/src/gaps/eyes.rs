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
/// What one measurement may be off by for its city, as one line of many: a share of the variance of what is not known, and milliseconds.
const NOISE_SHARE: f64 = 1.0;
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

#[cfg(test)]
mod tests {
    use super::super::Table;
    use super::*;
    use crate::cities;
    use crate::predict::{Place, Point, Predictor, Prior};

    const CITIES: [&str; 8] = [
        "Lagos, NG",
        "Nairobi, KE",
        "Delhi, IN",
        "Jakarta, ID",
        "Lima, PE",
        "Cairo, EG",
        "Manila, PH",
        "Accra, GH",
    ];
    const SITES: [&str; 5] = [
        "Berlin, DE",
        "New York City, US",
        "Singapore, SG",
        "Johannesburg, ZA",
        "Sao Paulo, BR",
    ];
    const NODES: usize = 2;

    fn table() -> Table {
        let prior = Prior::embedded();
        let predictor = Predictor::fit(&[], &[], Some(prior)).unwrap();
        let seen = |name: &&str| {
            let place = Place {
                position: cities::find(name).expect(name).position,
                network: None,
            };
            (place, predictor.at(&place))
        };
        let cities: Vec<(Place, Point)> = CITIES.iter().map(seen).collect();
        let sites: Vec<(Place, Point)> = SITES.iter().map(seen).collect();
        Table::new(&predictor, &cities, &sites)
    }

    /// By Gauss's elimination, for whoever does not trust Cholesky's factors and their updates.
    fn explained(mut among: Vec<Vec<f64>>, with: &[f64]) -> f64 {
        let count = with.len();
        let mut right = with.to_vec();
        for pivot in 0..count {
            let (above, below) = among.split_at_mut(pivot + 1);
            for (row, values) in (pivot + 1..).zip(below) {
                let times = values[pivot] / above[pivot][pivot];
                for (value, taken) in values.iter_mut().zip(&above[pivot]).skip(pivot) {
                    *value -= times * taken;
                }
                right[row] -= times * right[pivot];
            }
        }
        for pivot in (0..count).rev() {
            let known: f64 = (pivot + 1..count).map(|at| among[pivot][at] * right[at]).sum();
            right[pivot] = (right[pivot] - known) / among[pivot][pivot];
        }
        with.iter().zip(&right).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn error_of_one_time_varies_as_its_deviation_says_and_sums_as_their_terms() {
        let (table, weights) = (table(), [1.0, 2.0, 3.0, 1.0, 1.0, 2.0, 1.0, 1.0]);
        let scene = table.scene(&weights, NODES);
        for city in 0..scene.cities() {
            for site in 0..scene.sites() {
                let variance = scene.deviation(city, site).powi(2);
                let found = scene.covariance((city, site), (city, site));
                assert!(
                    (found / variance - 1.0).abs() < 0.05,
                    "{city} {site}: {found} {variance}"
                );
            }
        }
        let contest = Contest::new(&scene);
        for sum in &contest.sums {
            let naive = |pair: Pair| -> f64 {
                sum.terms
                    .iter()
                    .map(|(term, counts)| counts * scene.covariance(*term, pair))
                    .sum()
            };
            for pair in [(0, 0), (3, 2), (7, 4)] {
                assert!((sum.covariance(&scene, pair) - naive(pair)).abs() < 1e-6);
            }
        }
    }

    /// What eyes that were chosen one after the other learn together is what all of them learn at once.
    #[test]
    fn eyes_in_a_row_learn_as_much_as_the_same_eyes_at_once() {
        let (table, weights) = (table(), [1.0, 2.0, 3.0, 1.0, 1.0, 2.0, 1.0, 1.0]);
        let scene = table.scene(&weights, NODES);
        let contest = Contest::new(&scene);
        let best = contest.best().unwrap();
        let rival = contest
            .shortlist(RIVALS)
            .into_iter()
            .find(|site| *site != best)
            .unwrap();
        let sites: Vec<usize> = (0..scene.sites()).collect();
        let told = |pair: Pair| {
            let of = |site: usize| contest.sums[site - NODES].covariance(&scene, pair);
            of(rival) - of(best)
        };
        let open = |city: usize| {
            let mut open = Open::new(&scene, city, &sites);
            open.told = vec![open.pairs.iter().map(|&pair| told(pair)).collect()];
            open
        };
        let (first, mut second, mut third) = (open(0), open(1), open(5));
        second.given(&scene, &first);
        third.given(&scene, &first);
        third.given(&scene, &second);
        let in_a_row = first.learns()[0] + second.learns()[0] + third.learns()[0];
        let pairs: Vec<Pair> = [0, 1, 5]
            .iter()
            .flat_map(|&city| sites.iter().map(move |&site| (city, site)))
            .collect();
        let among = |(i, &a): (usize, &Pair)| -> Vec<f64> {
            let each = pairs.iter().enumerate().map(|(j, &b)| {
                let own = scene.covariance(a, b);
                if i == j {
                    own + NOISE_SHARE * own + NOISE_MS * NOISE_MS
                } else {
                    own
                }
            });
            each.collect()
        };
        let with: Vec<f64> = pairs.iter().map(|&pair| told(pair)).collect();
        let at_once = explained(pairs.iter().enumerate().map(among).collect(), &with);
        assert!((in_a_row / at_once - 1.0).abs() < 1e-6, "{in_a_row} {at_once}");
    }

    #[test]
    fn eye_where_all_is_known_tells_nothing_and_comes_last() {
        let (mut table, weights) = (table(), [1.0, 2.0, 30.0, 1.0, 1.0, 2.0, 1.0, 1.0]);
        for site in 0..SITES.len() {
            table.measured(2, site, 100.0);
        }
        let scene = table.scene(&weights, NODES);
        let contest = Contest::new(&scene);
        let all: Vec<usize> = (0..CITIES.len()).collect();
        let asked = Asked {
            cities: &all,
            candidates: &[2, 3, 4],
            most: CITIES.len(),
        };
        let eyes = choose(&scene, &contest, &asked);
        assert_eq!(eyes.len(), CITIES.len());
        let known = eyes.iter().find(|eye| eye.city == 2).unwrap();
        assert!(known.worth_ms < 1e-6, "{known:?}");
        assert!(eyes[0].city != 2 && eyes[0].worth_ms > 0.0);
    }
}
