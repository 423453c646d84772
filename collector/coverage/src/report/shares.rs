//! How a weight splits at each budget: within, beyond, not measured.

use super::matrix::Matrix;
use super::ranking::Ranking;
use super::regions::Field;
use super::resample::interval;
use super::split::share;
use super::{Share, Standing, VantageReport, WorstLoss};

/// The shares of a whole class at every budget.
pub(super) fn at_budgets(
    field: &Field<'_>,
    standing: impl Fn(&VantageReport, f64) -> Standing,
) -> Vec<Share> {
    let at = |&budget: &f64| {
        let standing = |vantage: &VantageReport| (vantage.weight, standing(vantage, budget));
        share(
            budget,
            field.speakers.amount.whole(),
            field.reports.iter().map(standing),
        )
    };
    field.budgets.iter().map(at).collect()
}

/// Adds to each share the interval of what is within, over replicates of days and networks.
pub(super) fn add_intervals(shares: &mut [Share], within: Option<&[Vec<f64>]>) {
    for (share, within) in shares.iter_mut().zip(within.into_iter().flatten()) {
        share.interval = interval(within.iter().copied());
    }
}

/// By budget and replicate of days and networks: the share of all weight within it. `None` without replicates.
pub(super) fn within(field: &Field<'_>) -> Option<Vec<Vec<f64>>> {
    let (weights, total) = (field.replicate_weights, field.speakers.amount.whole());
    if total <= 0.0 || weights.is_empty() {
        return None;
    }
    let mut within = vec![vec![0.0; weights.len()]; field.budgets.len()];
    for (replicate, weights) in weights.iter().enumerate() {
        for (index, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            let best = lowest(field.matrix, field.members[index], replicate) + field.reports[index].offset_ms;
            for (&budget, within) in field.budgets.iter().zip(&mut within) {
                if best <= budget {
                    within[replicate] += weight / total;
                }
            }
        }
    }
    Some(within)
}

/// By draw: the sum of weight times the time to the nearest node, and the weight that has one.
pub(super) fn sums(field: &Field<'_>, draws: usize) -> (Vec<f64>, f64) {
    let known = || {
        let reports = field.reports.iter().enumerate();
        reports.filter_map(|(index, report)| Some((index, report, report.best.as_ref()?.ms)))
    };
    let weight: f64 = known().map(|(_, report, _)| report.weight).sum();
    let sum = |replicate: usize| {
        let weights = field.replicate_weights.get(replicate);
        let of = |(index, report, ms): (usize, &VantageReport, f64)| {
            let drawn = lowest(field.matrix, field.members[index], replicate);
            let weight = weights.map_or(report.weight, |weights| weights[index]);
            weight * (if drawn.is_finite() { drawn } else { ms } + report.offset_ms)
        };
        known().map(of).sum()
    };
    ((0..draws).map(sum).collect(), weight)
}

/// The lowest time of one replicate, whichever node has it; infinite if none has.
pub(super) fn lowest(matrix: &Matrix, vantage: usize, replicate: usize) -> f64 {
    (0..matrix.nodes())
        .filter_map(|node| matrix.replicate(vantage, node, replicate))
        .fold(f64::INFINITY, f64::min)
}

/// For each budget the node whose death leaves least within it.
pub(super) fn worst_losses(field: &Field<'_>) -> Vec<WorstLoss> {
    let (matrix, total) = (field.matrix, field.speakers.amount.whole());
    let without: Vec<Vec<_>> = (0..field.nodes.len())
        .map(|dead| {
            field
                .members
                .iter()
                .map(|&vantage| Ranking::without(matrix, vantage, dead))
                .collect()
        })
        .collect();
    let losses = |budget: f64| {
        without.iter().zip(field.nodes).map(move |(times, node)| {
            let speakers = times.iter().zip(field.reports).map(|(&time, vantage)| {
                (
                    vantage.weight,
                    Standing::of(time, budget - vantage.offset_ms, vantage.own_node),
                )
            });
            WorstLoss {
                node: node.name.clone(),
                share: share(budget, total, speakers),
            }
        })
    };
    let least = |a: &WorstLoss, b: &WorstLoss| a.share.within.total_cmp(&b.share.within);
    field
        .budgets
        .iter()
        .filter_map(|&budget| losses(budget).min_by(least))
        .collect()
}
