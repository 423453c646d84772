//! What follows from prices.

use super::price::Prices;
use super::scene::Scene;
use super::stage::Stage;
use super::{Asked, Count, Doubt, DropOne, LEAST_VANTAGES, Plan, Priced, Thresholds, Verdict, middle};
use crate::report::count::NodeVerdict;
use crate::report::widening;

/// What each node's loss costs, the dearest first.
pub(super) fn drop_one(
    scene: &Scene<'_>,
    (plan, pricing, asked): (&Plan, &Stage, &Asked<'_>),
    prices: &Prices,
    thresholds: &Thresholds,
) -> Vec<DropOne> {
    if plan.nodes.len() < 2 {
        return Vec::new();
    }
    let one = |(at, &node): (usize, &usize)| {
        let drawn: Vec<f64> = prices.losses.iter().map(|losses| losses[at]).collect();
        let (cost_ms, interval) = middle(&drawn, pricing.widening(widening::COST))?;
        let (weight, places) = asked.around(node);
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
    let mut all: Vec<DropOne> = plan.nodes.iter().enumerate().filter_map(one).collect();
    all.sort_by(|a, b| b.cost_ms.total_cmp(&a.cost_ms));
    all
}

/// The network-wide verdict: of three. Intervals hold the days only where days were resampled that did not choose: a
/// verdict for the whole is not given by others.
pub(super) fn overall(count: &mut Count, predicted: bool) {
    if count.vantages < LEAST_VANTAGES {
        count.reasons.push(Doubt::FewVantages);
    }
    if !predicted {
        count.reasons.push(Doubt::NoPredictions);
    }
    match count.priced {
        Priced::Alike => count.reasons.push(Doubt::NotByDays),
        Priced::ByDays { .. } if !count.days_resampled => count.reasons.push(Doubt::FewDays),
        Priced::ByDays { .. } => {}
    }
    let few = count.next.as_ref().and_then(|next| next.best.interval);
    let too_few = few.is_some_and(|gain| gain.low > count.thresholds.add_ms);
    let may_go = |one: &DropOne| matches!(one.verdict, NodeVerdict::MayGo { .. });
    let too_many = count.drop_one.iter().any(may_go);
    if !too_few && !too_many {
        count.reasons.push(Doubt::WideIntervals);
    }
    let unsure = count.vantages < LEAST_VANTAGES || !count.days_resampled;
    count.verdict = match (unsure, too_few, too_many) {
        (true, _, _) | (false, false, false) => Verdict::CannotTell,
        (false, true, _) => Verdict::TooFew,
        (false, false, true) => Verdict::TooMany,
    };
}
