//! Whether the shares may stand as a headline: not when little is known, or one server speaks for most of it.

use super::{VantageReport, Withheld};

/// Less known than this: no headline.
const LEAST_KNOWN: f64 = 0.30;
/// One vantage speaking for more than this of what is known: no headline.
const MOST_FOR_ONE: f64 = 0.25;

/// The vantage that speaks for most, by index.
pub(super) fn heaviest(vantages: &[VantageReport]) -> Option<usize> {
    let weighty = vantages
        .iter()
        .enumerate()
        .filter(|(_, vantage)| vantage.weight > 0.0);
    let heavier = |a: &(usize, &VantageReport), b: &(usize, &VantageReport)| {
        a.1.weight.total_cmp(&b.1.weight).then(b.0.cmp(&a.0))
    };
    weighty.max_by(heavier).map(|(index, _)| index)
}

/// Why no headline share is given; empty if one is.
pub(super) fn withheld(known: f64, total: f64, heaviest: f64) -> Vec<Withheld> {
    let mut reasons = Vec::new();
    if known < LEAST_KNOWN * total || known <= 0.0 {
        reasons.push(Withheld::TooLittleKnown);
    }
    if heaviest > MOST_FOR_ONE * known {
        reasons.push(Withheld::OneVantageDominates);
    }
    reasons
}
