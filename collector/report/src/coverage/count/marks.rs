//! How figures that rest on predictions are marked, and what their intervals are worth.

use isochrone_coverage::count::HELD_OF_TEN;

use super::super::predicted::MARK;

/// What stands before a figure that rests on predictions.
pub(crate) fn mark(predicted: bool) -> &'static str {
    if predicted { MARK } else { "" }
}

/// What intervals of means, costs and gains are worth.
pub(crate) fn calibration() -> String {
    format!(
        "90 % intervals of means, costs and gains are as wide as known truths needed: such an interval held the truth \
         about {HELD_OF_TEN} of 10 times where it was known, those of means less often in parts of the world."
    )
}
