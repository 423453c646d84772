//! What follows from prices.

use super::price::Prices;
use super::stage::{Scene, Stage};
use super::{Count, Doubt, DropOne, LEAST_VANTAGES, Priced, Thresholds, middle};
use crate::report::count::{NodeVerdict, Verdict};

/// What each node's loss costs, the dearest first.
pub(super) fn drop_one(
    scene: &Scene<'_>,
    stage: &Stage,
    prices: &Prices,
    thresholds: &Thresholds,
) -> Vec<DropOne> {
    if scene.nodes() < 2 {
        return Vec::new();
    }
    let one = |node: usize| {
        let drawn: Vec<f64> = prices.losses.iter().map(|losses| losses[node]).collect();
        let (cost_ms, interval) = middle(&drawn)?;
        let (weight, places) = stage.around(node);
        let verdict = match interval {
            Some(interval) if interval.low > thresholds.drop_ms => NodeVerdict::Needed,
            Some(interval) if interval.high < thresholds.drop_ms => {
                NodeVerdict::MayGo { confirm_with: places }
            }
            _ => NodeVerdict::CannotTell { measure: places },
        };
        Some(DropOne {
            node: scene.node_name(node),
            cost_ms,
            interval,
            weight,
            verdict,
        })
    };
    let mut all: Vec<DropOne> = (0..scene.nodes()).filter_map(one).collect();
    all.sort_by(|a, b| b.cost_ms.total_cmp(&a.cost_ms));
    all
}

/// The network-wide verdict: of three.
pub(super) fn overall(count: &mut Count, predicted: bool) {
    if count.vantages < LEAST_VANTAGES {
        count.reasons.push(Doubt::FewVantages);
    }
    if !predicted {
        count.reasons.push(Doubt::NoPredictions);
    }
    if count.priced == Priced::Alike {
        count.reasons.push(Doubt::NotByDays);
    }
    let few = count.next.as_ref().and_then(|next| next.best.interval);
    let too_few = few.is_some_and(|gain| gain.low > count.thresholds.add_ms);
    let may_go = |one: &DropOne| matches!(one.verdict, NodeVerdict::MayGo { .. });
    let too_many = count.drop_one.iter().any(may_go);
    if !too_few && !too_many {
        count.reasons.push(Doubt::WideIntervals);
    }
    count.verdict = match (count.vantages < LEAST_VANTAGES, too_few, too_many) {
        (true, _, _) | (false, false, false) => Verdict::CannotTell,
        (false, true, _) => Verdict::TooFew,
        (false, false, true) => Verdict::TooMany,
    };
}
