//! How far the times to two sites in one place differ: what a pair of places has to itself, whoever their neighbours are.

use faer::Mat;

use super::curve::median;
use super::kernel::Spot;
use super::together::SITE_KM;

/// From so many sites on that measured both, two sites in one place can be compared.
const LEAST_THIRDS: usize = 20;
/// From a mean absolute difference of two to the usual deviation of each: half the root of pi.
const OF_EACH: f64 = 0.886_226_9;

/// The usual deviation that is a pair's own, as a share of its time: sites in one place, seen from everywhere else, differ by
/// so much beyond the height that each has towards all. 0 where no two of them can be compared.
pub(super) fn apart(spots: &[Spot], times: &Mat<f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for b in 0..spots.len() {
        for a in (0..b).filter(|&a| spots[a].km(&spots[b]) <= SITE_KM) {
            let thirds = (0..spots.len()).filter(|&third| third != a && third != b);
            let both = thirds.map(|third| (times[(a, third)], times[(b, third)]));
            let both: Vec<(f64, f64)> = both.filter(|(a, b)| *a > 0.0 && *b > 0.0).collect();
            if both.len() < LEAST_THIRDS {
                continue;
            }
            let height = median(both.iter().map(|(a, b)| a - b).collect());
            let shares = both.iter().map(|(a, b)| (a - b - height).abs() / (0.5 * (a + b)));
            sum += shares.sum::<f64>();
            count += both.len() as f64;
        }
    }
    match count > 0.0 {
        true => OF_EACH * sum / count,
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};

    use super::*;
    use crate::geo::Position;
    use crate::predict::Place;

    #[test]
    fn deviation_that_is_a_pairs_own_is_found_beside_the_heights_of_sites() {
        let mut random = StdRng::seed_from_u64(5);
        let mut normal = || (0..12).map(|_| random.random_range(0.0..1.0)).sum::<f64>() - 6.0;
        let spot = |site: usize| {
            let position = Position::new((site / 2) as f64, 10.0 + (site % 2) as f64 * 0.1);
            Spot::new(&Place {
                position: position.unwrap(),
                network: None,
            })
        };
        let spots: Vec<Spot> = (0..80).map(spot).collect();
        let mut times = Mat::zeros(80, 80);
        for b in 0..80_usize {
            for a in 0..b {
                let heights = (a % 7 + b % 7) as f64;
                times[(a, b)] = (100.0 + heights) * (1.0 + 0.06 * normal());
                times[(b, a)] = times[(a, b)];
            }
        }
        let found = apart(&spots, &times);
        assert!((found - 0.06).abs() < 0.006, "{found}");
        assert_eq!(apart(&spots[..12], &times), 0.0, "too few that measured both");
    }
}
