//! Which of the measured pairs make a mesh that is nearly whole, and which stand alone.

use std::collections::{BTreeMap, HashMap};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::{Measured, PredictError};

/// A smaller mesh is served better by the exact update.
const LEAST_MESH: usize = 60;
/// The share of its pairs that each site of a mesh has.
const WHOLE: f64 = 0.7;
/// More single pairs than this are thinned: the exact update inverts a matrix of them.
pub(super) const MOST_SINGLE: usize = 2500;

/// The pairs, apart.
pub(super) struct Layout {
    /// The places of the mesh; empty without one.
    pub(super) mesh: Vec<usize>,
    /// Between two of its places.
    pub(super) inside: Vec<Measured>,
    /// All others.
    pub(super) single: Vec<Measured>,
}

impl Layout {
    pub(super) fn new(places: usize, pairs: &[Measured]) -> Result<Self, PredictError> {
        let mut times = BTreeMap::new();
        for pair in pairs {
            let (a, b) = (pair.a.min(pair.b), pair.a.max(pair.b));
            if a == b || b >= places || !pair.rtt_ms.is_finite() || pair.rtt_ms < 0.0 {
                return Err(PredictError::Pair { a: pair.a, b: pair.b });
            }
            let time = times.entry((a, b)).or_insert(pair.rtt_ms);
            *time = pair.rtt_ms.min(*time);
        }
        let mesh = mesh(places, times.keys().copied());
        let (mut inside, mut single) = (Vec::new(), Vec::new());
        for ((a, b), rtt_ms) in times {
            let both = mesh.binary_search(&a).is_ok() && mesh.binary_search(&b).is_ok();
            let pairs = if both { &mut inside } else { &mut single };
            pairs.push(Measured { a, b, rtt_ms });
        }
        Ok(Self {
            mesh,
            inside,
            single: thinned(single),
        })
    }
}

/// The largest mesh that is left when the site with the fewest pairs goes, again and again.
fn mesh(places: usize, pairs: impl Iterator<Item = (usize, usize)>) -> Vec<usize> {
    let mut partners = vec![Vec::new(); places];
    for (a, b) in pairs {
        partners[a].push(b);
        partners[b].push(a);
    }
    let mut degree: Vec<usize> = partners.iter().map(Vec::len).collect();
    let mut kept: Vec<usize> = (0..places).filter(|&place| degree[place] > 0).collect();
    while kept.len() >= LEAST_MESH {
        let Some((at, &poorest)) = kept.iter().enumerate().min_by_key(|(_, place)| degree[**place]) else {
            break;
        };
        if degree[poorest] as f64 >= WHOLE * (kept.len() - 1) as f64 {
            return kept;
        }
        kept.remove(at);
        for &partner in &partners[poorest] {
            degree[partner] = degree[partner].saturating_sub(1);
        }
    }
    Vec::new()
}

/// If there are too many, as many of each place as can be: in every round one more of those that have the fewest, in an
/// order that owes nothing to the places' numbers. Every so-many-th of the list would be pairs of the same few nodes.
fn thinned(pairs: Vec<Measured>) -> Vec<Measured> {
    if pairs.len() <= MOST_SINGLE {
        return pairs;
    }
    let mut left: Vec<usize> = (0..pairs.len()).collect();
    left.shuffle(&mut StdRng::seed_from_u64(0));
    let mut kept: Vec<usize> = Vec::with_capacity(MOST_SINGLE);
    let mut of_place: HashMap<usize, usize> = HashMap::new();
    for round in 1.. {
        left.retain(|&at| {
            let ends = [pairs[at].a, pairs[at].b];
            let has = |place| of_place.get(place).copied().unwrap_or(0);
            if kept.len() == MOST_SINGLE || ends.iter().all(|place| has(place) >= round) {
                return true;
            }
            kept.push(at);
            ends.iter()
                .for_each(|&place| *of_place.entry(place).or_default() += 1);
            false
        });
        if kept.len() == MOST_SINGLE {
            break;
        }
    }
    kept.sort_unstable();
    kept.into_iter().map(|at| pairs[at]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(sites: usize) -> Vec<Measured> {
        let pair = |a, b| Measured { a, b, rtt_ms: 10.0 };
        (0..sites).flat_map(|b| (0..b).map(move |a| pair(a, b))).collect()
    }

    #[test]
    fn large_mesh_stands_apart_from_the_pairs_of_a_newcomer() {
        let mut pairs = whole(70);
        pairs.extend((0..16).map(|a| Measured {
            a,
            b: 70,
            rtt_ms: 20.0,
        }));
        let layout = Layout::new(71, &pairs).unwrap();
        assert_eq!(layout.mesh, (0..70).collect::<Vec<_>>());
        assert_eq!((layout.inside.len(), layout.single.len()), (70 * 69 / 2, 16));
    }

    #[test]
    fn small_mesh_is_single_pairs() {
        let layout = Layout::new(10, &whole(10)).unwrap();
        assert!(layout.mesh.is_empty() && layout.inside.is_empty());
        assert_eq!(layout.single.len(), 45);
    }

    #[test]
    fn pair_given_both_ways_counts_once_with_the_lower_time() {
        let both = [
            Measured {
                a: 1,
                b: 0,
                rtt_ms: 9.0,
            },
            Measured {
                a: 0,
                b: 1,
                rtt_ms: 8.0,
            },
        ];
        let layout = Layout::new(2, &both).unwrap();
        assert_eq!(
            layout.single,
            [Measured {
                a: 0,
                b: 1,
                rtt_ms: 8.0
            }]
        );
    }

    #[test]
    fn pair_that_cannot_be_is_refused() {
        for (a, b, rtt_ms) in [(0, 0, 1.0), (0, 2, 1.0), (0, 1, -1.0), (0, 1, f64::NAN)] {
            assert!(
                Layout::new(2, &[Measured { a, b, rtt_ms }]).is_err(),
                "{a} {b} {rtt_ms}"
            );
        }
    }

    #[test]
    fn too_many_single_pairs_are_thinned() {
        let sparse: Vec<Measured> = whole(150)
            .into_iter()
            .filter(|pair| (pair.a + pair.b) % 3 == 0)
            .collect();
        assert!(sparse.len() > MOST_SINGLE);
        assert_eq!(Layout::new(150, &sparse).unwrap().single.len(), MOST_SINGLE);
    }

    #[test]
    fn each_place_keeps_pairs_when_they_are_thinned() {
        let (nodes, vantages) = (100, 1000);
        let pairs = (0..vantages).flat_map(|vantage| (0..nodes).map(move |node| (vantage, vantages + node)));
        let pairs: Vec<Measured> = pairs.map(|(a, b)| Measured { a, b, rtt_ms: 10.0 }).collect();
        let kept = Layout::new(nodes + vantages, &pairs).unwrap().single;
        assert_eq!(kept.len(), MOST_SINGLE);
        let of = |place: usize| {
            kept.iter()
                .filter(|pair| pair.a == place || pair.b == place)
                .count()
        };
        let rarest = |mut places: std::ops::Range<usize>| {
            places.try_fold(usize::MAX, |least, at| Some(of(at).min(least)))
        };
        assert!(rarest(0..vantages) >= Some(2), "{:?}", rarest(0..vantages));
        let fair = MOST_SINGLE / nodes;
        assert!(
            rarest(vantages..vantages + nodes) >= Some(fair / 3),
            "a node of which nothing is kept"
        );
    }
}
