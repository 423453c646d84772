//! Taking back what a report says where its times and places contradict each other as a whole.

use super::count::{Count, Doubt, Verdict};
use super::{Beside, ClassReport, CoverageReport, Depth, Region, Share, TargetShare, Withheld};

/// The report without any claim: what each vantage measured stands as it was given, and nothing follows from it.
pub(super) fn claims(mut report: CoverageReport) -> CoverageReport {
    report.classes.iter_mut().for_each(class);
    report.beside.iter_mut().for_each(beside);
    report.count = report.count.map(count);
    report.top_countries = None;
    report
}

fn class(class: &mut ClassReport) {
    (class.known_weight, class.heaviest, class.predicted) = (0.0, None, None);
    class.withheld = vec![Withheld::NotBelieved];
    unknown(&mut class.shares);
    unknown(&mut class.survives);
    class.worst_losses.clear();
    let regions = class.regions.iter_mut().chain(&mut class.continents);
    regions.chain(&mut class.subdivisions).for_each(region);
    class.vantages.iter_mut().for_each(|vantage| vantage.weight = 0.0);
    class.places.iter_mut().for_each(|place| place.speaker = None);
    let targets = std::mem::take(&mut class.depth.targets);
    let targets = targets.into_iter().map(|target| TargetShare {
        share: None,
        ..target
    });
    class.depth = Depth {
        backup: None,
        targets: targets.collect(),
        by_km: None,
        by_km_predicted: None,
        trend: None,
    };
}

fn region(region: &mut Region) {
    (region.known_weight, region.measured, region.predicted) = (0.0, None, None);
    unknown(&mut region.shares);
}

fn beside(beside: &mut Beside) {
    (beside.known_share, beside.shares_predicted) = (0.0, None);
    unknown(&mut beside.shares);
}

fn unknown(shares: &mut [Share]) {
    for share in shares {
        *share = Share {
            budget_ms: share.budget_ms,
            within: 0.0,
            beyond: 0.0,
            unknown: 1.0,
            undecided: 0.0,
            own_node: 0.0,
            interval: None,
        };
    }
}

/// Only how many there are, and that nothing can be told of them.
fn count(count: Count) -> Count {
    Count {
        verdict: Verdict::CannotTell,
        reasons: vec![Doubt::NotBelieved],
        known_share: 0.0,
        predicted_share: 0.0,
        curve: Vec::new(),
        unpriced: Vec::new(),
        drop_one: Vec::new(),
        worst_loss: None,
        next: None,
        unpredictable: Vec::new(),
        doubtful: Vec::new(),
        redundancy: Vec::new(),
        measure: Vec::new(),
        ..count
    }
}
