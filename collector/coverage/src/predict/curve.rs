//! What distance alone says: a rising curve through medians, never below the speed of light.

use super::isotonic::isotonic;
use crate::light::least_ms;

/// Milliseconds a further kilometre costs beyond the outermost knots: fibre, with the usual detours.
const SLOPE_MS_PER_KM: f64 = 0.0145;
/// The round trip within one city where no pair is near enough to tell.
const LEAST_MS: f64 = 1.0;
/// From so many pairs on, a knot is the median of [`PAIRS_A_KNOT`]; below, of [`FEW_A_KNOT`].
const MANY: usize = 600;
const PAIRS_A_KNOT: usize = 30;
const FEW_A_KNOT: usize = 6;
/// Knots at most: their number must not follow the noise.
const MOST_KNOTS: usize = 120;
const LEAST_KNOTS: usize = 5;

/// Round-trip time by great-circle distance.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// Kilometres and milliseconds, both rising.
    knots: Vec<(f64, f64)>,
}

impl Curve {
    /// Through pairs of kilometres and milliseconds, in any order; `None` without any.
    pub(super) fn fit(mut pairs: Vec<(f64, f64)>) -> Option<Self> {
        if pairs.is_empty() {
            return None;
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let a_knot = if pairs.len() > MANY {
            PAIRS_A_KNOT
        } else {
            FEW_A_KNOT
        };
        let count = (pairs.len() / a_knot)
            .clamp(LEAST_KNOTS, MOST_KNOTS)
            .min(pairs.len());
        let knot = |at: usize| {
            let part = &pairs[pairs.len() * at / count..pairs.len() * (at + 1) / count];
            let column = |pick: fn(&(f64, f64)) -> f64| median(part.iter().map(pick).collect());
            (column(|pair| pair.0), column(|pair| pair.1))
        };
        let (km, ms): (Vec<f64>, Vec<f64>) = (0..count).map(knot).unzip();
        let knots = km.into_iter().zip(isotonic(&ms)).collect();
        Some(Self { knots })
    }

    /// Milliseconds at so many kilometres.
    pub(super) fn at(&self, km: f64) -> f64 {
        let (first, last) = (self.knots[0], self.knots[self.knots.len() - 1]);
        let ms = if km >= last.0 {
            last.1 + (km - last.0) * SLOPE_MS_PER_KM
        } else if km <= first.0 {
            let nearer = first.1 - (first.0 - km) * SLOPE_MS_PER_KM;
            first.1.min(nearer.max(LEAST_MS + km * SLOPE_MS_PER_KM))
        } else {
            let next = self.knots.partition_point(|knot| knot.0 <= km);
            let (a, b) = (self.knots[next - 1], self.knots[next]);
            a.1 + (b.1 - a.1) * (km - a.0) / (b.0 - a.0)
        };
        ms.max(least_ms(km))
    }
}

/// The middle of values; of an even number, the mean of the middle two. NaN of none.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return f64::NAN;
    }
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if even {
        let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        return f64::midpoint(lower, *upper);
    }
    *upper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curve_rises_and_never_outruns_light() {
        let pairs = (0..400).map(|at| {
            let km = f64::from(at) * 40.0;
            (km, km * 0.013 + f64::from(at * 37 % 11) * 4.0)
        });
        let curve = Curve::fit(pairs.collect()).unwrap();
        let mut before = 0.0;
        for at in 0..250 {
            let km = f64::from(at) * 80.0;
            let ms = curve.at(km);
            assert!(ms >= before && ms >= least_ms(km), "{km} km: {ms} after {before}");
            before = ms;
        }
        assert!((curve.at(8000.0) - 124.0).abs() < 6.0, "{}", curve.at(8000.0));
    }

    #[test]
    fn one_pair_still_makes_a_curve() {
        let curve = Curve::fit(vec![(1000.0, 20.0)]).unwrap();
        assert_eq!(curve.at(1000.0), 20.0);
        assert!((curve.at(2000.0) - 34.5).abs() < 1e-9);
        assert!(curve.at(0.0) >= LEAST_MS && curve.at(0.0) < 20.0);
        assert!(Curve::fit(vec![]).is_none());
    }

    #[test]
    fn median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(vec![]).is_nan());
    }
}
