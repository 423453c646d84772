//! Which node is nearest, and which cannot be told from it.

use super::matrix::{Matrix, Time};
use super::resample::interval;
use super::{Interval, NodeTime};

/// Nodes closer than this to the best are not told from it, nor those within [`TIE_SHARE`] of its time.
const TIE_MS: f64 = 2.0;
const TIE_SHARE: f64 = 0.05;

/// What one vantage saw, nodes by index.
pub(super) struct Ranking {
    pub(super) best: usize,
    pub(super) tie_set: Vec<usize>,
    pub(super) second: Option<usize>,
    pub(super) best_interval: Option<Interval>,
    pub(super) second_interval: Option<Interval>,
}

impl Ranking {
    /// `None` if no node that counts was reached.
    pub(super) fn of(matrix: &Matrix, vantage: usize) -> Option<Self> {
        let mut order: Vec<(usize, f64)> = (0..matrix.nodes())
            .filter_map(|node| Some((node, matrix.ms(vantage, node)?)))
            .collect();
        order.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let &(best, best_ms) = order.first()?;
        let tied = |&&(node, ms): &&(usize, f64)| {
            node == best
                || ties(matrix.exact, best_ms, ms - best_ms, || {
                    paired(matrix, vantage, best, node)
                })
        };
        let tie_set = order.iter().filter(tied).map(|&(node, _)| node).collect();
        let [best_interval, second_interval] = lowest_two(matrix, vantage, best);
        Some(Self {
            best,
            tie_set,
            second: order.get(1).map(|&(node, _)| node),
            best_interval,
            second_interval,
        })
    }

    /// The interval of the lowest time when one node is dead.
    pub(super) fn without(matrix: &Matrix, vantage: usize, dead: usize) -> Option<(f64, Option<Interval>)> {
        let alive = || (0..matrix.nodes()).filter(|&node| node != dead);
        let best = alive()
            .filter_map(|node| Some((node, matrix.ms(vantage, node)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))?;
        let lowest = |replicate| {
            let values = alive().filter_map(|node| matrix.replicate(vantage, node, replicate));
            values.min_by(f64::total_cmp).unwrap_or(f64::NAN)
        };
        let sure = matrix.time(vantage, best.0)?.replicates.is_some();
        Some((
            best.1,
            sure.then(|| interval((0..matrix.replicates).map(lowest)))
                .flatten(),
        ))
    }
}

/// Whether a node that is `behind_ms` behind the best ties with it. The interval of the paired difference is
/// asked for only where it decides.
pub(super) fn ties(
    exact: bool,
    best_ms: f64,
    behind_ms: f64,
    paired: impl FnOnce() -> Option<Interval>,
) -> bool {
    if exact {
        return behind_ms == 0.0;
    }
    behind_ms <= TIE_MS.max(TIE_SHARE * best_ms) || paired().is_some_and(|difference| difference.low <= 0.0)
}

/// A node of this name, by its time.
pub(super) fn node_time(name: &str, time: &Time, interval: Option<Interval>) -> Option<NodeTime> {
    Some(NodeTime {
        node: name.to_owned(),
        ms: time.ms?,
        interval,
        reversed: time.reversed,
    })
}

fn paired(matrix: &Matrix, vantage: usize, best: usize, other: usize) -> Option<Interval> {
    matrix.time(vantage, best)?.replicates.as_ref()?;
    matrix.time(vantage, other)?.replicates.as_ref()?;
    let difference = |replicate| {
        let other = matrix.replicate(vantage, other, replicate);
        other
            .zip(matrix.replicate(vantage, best, replicate))
            .map_or(f64::NAN, |(a, b)| a - b)
    };
    interval((0..matrix.replicates).map(difference))
}

/// The intervals of the lowest and of the second-lowest time, whichever node has them.
fn lowest_two(matrix: &Matrix, vantage: usize, best: usize) -> [Option<Interval>; 2] {
    if matrix
        .time(vantage, best)
        .is_none_or(|time| time.replicates.is_none())
    {
        return [None, None];
    }
    let lowest = |replicate| {
        (0..matrix.nodes())
            .filter_map(|node| matrix.replicate(vantage, node, replicate))
            .fold([f64::INFINITY; 2], |[first, second], value| {
                if value < first {
                    [value, first]
                } else {
                    [first, second.min(value)]
                }
            })
    };
    let both: Vec<[f64; 2]> = (0..matrix.replicates).map(lowest).collect();
    [0, 1].map(|at| interval(both.iter().map(|pair| pair[at])))
}
