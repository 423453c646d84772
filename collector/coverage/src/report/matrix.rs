//! The times of every (vantage, node), and their replicates.

use std::collections::BTreeMap;

use super::Figures;
use super::prepare::{Cell, DayCell, Prepared};
use super::resample::DayDraws;
use crate::observations::{Day, Samples, Statistic, THROUGHPUT_MEGABITS};

/// The times of every (vantage, node) that may be used: a vantage's own node is left out.
pub(super) struct Matrix {
    nodes: usize,
    cells: Vec<Option<Time>>,
    owned: Vec<bool>,
    /// Values are single and exact: equal is the only tie.
    pub(super) exact: bool,
    pub(super) replicates: usize,
}

pub(super) struct Time {
    /// The compared statistic; `None` if nothing arrived.
    pub(super) ms: Option<f64>,
    pub(super) figures: Figures,
    pub(super) reversed: bool,
    /// The compared statistic of each replicate, in milliseconds; NaN where there is none.
    pub(super) replicates: Option<Vec<f64>>,
}

impl Matrix {
    pub(super) fn new(prepared: &Prepared<'_>, statistic: Statistic, draws: Option<&DayDraws>) -> Self {
        let nodes = prepared.nodes.len();
        let mut cells: Vec<Option<Time>> = (0..nodes * prepared.vantages.len()).map(|_| None).collect();
        let mut owned = vec![false; prepared.vantages.len()];
        for (vantage, facts) in prepared.vantages.iter().enumerate() {
            for (node, target) in prepared.nodes.iter().enumerate() {
                if facts.owns(target) {
                    owned[vantage] = true;
                } else if let Some(cell) = prepared.cells.get(&(vantage, node)) {
                    cells[vantage * nodes + node] = Some(Time::new(cell, statistic, draws));
                }
            }
        }
        let (exact, replicates) = (prepared.single.is_some(), draws.map_or(0, DayDraws::replicates));
        Self {
            nodes,
            cells,
            owned,
            exact,
            replicates,
        }
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes
    }

    pub(super) fn time(&self, vantage: usize, node: usize) -> Option<&Time> {
        self.cells[vantage * self.nodes + node].as_ref()
    }

    pub(super) fn ms(&self, vantage: usize, node: usize) -> Option<f64> {
        self.time(vantage, node)?.ms
    }

    /// The value of one replicate; `None` where there is none.
    pub(super) fn replicate(&self, vantage: usize, node: usize, replicate: usize) -> Option<f64> {
        let value = self.time(vantage, node)?.replicates.as_ref()?[replicate];
        value.is_finite().then_some(value)
    }

    /// Whether some node does not count for this vantage, because it is its own.
    pub(super) fn owns_a_node(&self, vantage: usize) -> bool {
        self.owned[vantage]
    }
}

impl Time {
    fn new(cell: &Cell, statistic: Statistic, draws: Option<&DayDraws>) -> Self {
        match cell {
            Cell::Single { rtt_ms, reversed } => {
                let mut figures = Figures::default();
                *figures.slot(statistic) = Some(*rtt_ms);
                Self {
                    ms: Some(*rtt_ms),
                    figures,
                    reversed: *reversed,
                    replicates: None,
                }
            }
            Cell::Days(days) => {
                let mut figures = figures_of(days);
                let by_day: BTreeMap<Day, &Samples> =
                    days.iter().map(|(&day, cell)| (day, &cell.rtt)).collect();
                let replicates = draws.and_then(|draws| draws.replicate(&by_day, statistic));
                Self {
                    ms: *figures.slot(statistic),
                    figures,
                    reversed: false,
                    replicates,
                }
            }
        }
    }
}

impl Figures {
    fn slot(&mut self, statistic: Statistic) -> &mut Option<f64> {
        match statistic {
            Statistic::Min => &mut self.min_ms,
            Statistic::P50 => &mut self.p50_ms,
            Statistic::P90 => &mut self.p90_ms,
            Statistic::P99 => &mut self.p99_ms,
            Statistic::Unnamed => &mut self.unnamed_ms,
        }
    }
}

fn figures_of(days: &BTreeMap<Day, DayCell>) -> Figures {
    let (mut rtt, mut ttfb, mut throughput) = (Samples::default(), Samples::default(), Samples::default());
    for day in days.values() {
        rtt.merge(&day.rtt);
        ttfb.merge(&day.ttfb);
        throughput.merge(&day.throughput);
    }
    let is_timed = throughput.loss().is_some();
    let ms = |samples: &Samples, q: f64| samples.times.quantile_us(q).map(|us| us / 1e3);
    Figures {
        min_ms: rtt.times.min_us().map(|us| us / 1e3),
        p50_ms: ms(&rtt, 0.5),
        p90_ms: ms(&rtt, 0.9),
        p99_ms: ms(&rtt, 0.99),
        unnamed_ms: None,
        loss: rtt.loss(),
        samples: Some(rtt.times.count()),
        ttfb_p50_ms: ms(&ttfb, 0.5),
        ttfb_p90_ms: ms(&ttfb, 0.9),
        ttfb_samples: (!ttfb.times.is_empty()).then(|| ttfb.times.count()),
        mbps: throughput
            .median_of_all_us()
            .map(|us| THROUGHPUT_MEGABITS * 1e6 / us),
        mbps_samples: is_timed.then(|| throughput.times.count()),
        mbps_lost: is_timed.then_some(throughput.lost),
    }
}
