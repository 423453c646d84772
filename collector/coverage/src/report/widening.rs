//! How much wider than their draws the intervals of means, costs and gains are that rest on predictions.
//!
//! Draws are calibrated pair by pair; sums over all cities err together in ways that the field does not hold. Each number
//! is how many times as wide intervals about their middle had to be to hold nine of ten truths, in 400 reports on halves
//! of `anchors-2018` with a prior of the other halves: `interval.*_widened_at_10` of `evaluate where`, which prints 1
//! where a number fits, and by what to multiply it where it does not. `aws-2025` had no part in them.

use super::Interval;

/// Means, in milliseconds.
pub(super) const MEAN: f64 = 1.56;
/// What the loss of a node costs.
pub(super) const COST: f64 = 1.34;
/// What a further node gains.
pub(super) const GAIN: f64 = 1.38;

/// So many times as wide about its middle, and not below 0.
pub(super) fn widened(interval: Interval, times: f64) -> Interval {
    let (middle, half) = (
        0.5 * (interval.low + interval.high),
        0.5 * times * (interval.high - interval.low),
    );
    Interval {
        low: (middle - half).max(0.0),
        high: middle + half,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_is_widened_about_its_middle_and_ends_at_nothing() {
        let interval = Interval { low: 4.0, high: 8.0 };
        let wide = widened(interval, 1.5);
        assert_eq!((wide.low, wide.high), (3.0, 9.0));
        assert_eq!(widened(interval, 4.0).low, 0.0);
        assert_eq!(widened(interval, 1.0), interval);
    }
}
