//! How a weight splits at each budget: within, beyond, not measured.

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
pub(super) fn add_intervals(shares: &mut [Share], field: &Field<'_>) {
    let (matrix, weights, total) = (
        field.matrix,
        field.replicate_weights,
        field.speakers.amount.whole(),
    );
    if total <= 0.0 || weights.is_empty() {
        return;
    }
    let lowest = |vantage: usize, replicate: usize| {
        (0..matrix.nodes())
            .filter_map(|node| matrix.replicate(vantage, node, replicate))
            .fold(f64::INFINITY, f64::min)
    };
    let mut within = vec![vec![0.0; weights.len()]; shares.len()];
    for (replicate, weights) in weights.iter().enumerate() {
        for ((&vantage, report), weight) in field
            .members
            .iter()
            .zip(field.reports)
            .zip(weights)
            .filter(|(_, weight)| **weight > 0.0)
        {
            let best = lowest(vantage, replicate) + report.offset_ms;
            for (share, within) in shares.iter().zip(&mut within) {
                if best <= share.budget_ms {
                    within[replicate] += weight / total;
                }
            }
        }
    }
    for (share, within) in shares.iter_mut().zip(within) {
        share.interval = interval(within);
    }
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
