//! Observations in a fixed order, so that the order of rows changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::ReportError;
use crate::observations::{
    Day, DayReading, Node, Observations, Readings, Samples, SingleReading, Statistic, TtfbKind, Vantage,
};

/// Observations sorted by name, with one cell for each (vantage, node) that was measured.
pub(super) struct Prepared<'a> {
    pub(super) nodes: Vec<&'a Node>,
    pub(super) vantages: Vec<&'a Vantage>,
    pub(super) cells: BTreeMap<(usize, usize), Cell>,
    /// The days that hold a reading, ascending; `None` for single values.
    pub(super) days: Option<Vec<Day>>,
    /// The statistic of single values.
    pub(super) single: Option<Statistic>,
    pub(super) ttfb: Option<TtfbKind>,
}

pub(super) enum Cell {
    Days(BTreeMap<Day, DayCell>),
    Single { rtt_ms: f64, reversed: bool },
}

#[derive(Default)]
pub(super) struct DayCell {
    pub(super) rtt: Samples,
    pub(super) ttfb: Samples,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(observations: &'a Observations) -> Result<Self, ReportError> {
        let (nodes, node_at) =
            sorted(&observations.nodes, |node| &node.name).map_err(|name| ReportError::NodeTwice { name })?;
        let (vantages, vantage_at) = sorted(&observations.vantages, |vantage| &vantage.name)
            .map_err(|name| ReportError::VantageTwice { name })?;
        if nodes.is_empty() {
            return Err(ReportError::NoNode);
        }
        if vantages.is_empty() {
            return Err(ReportError::NoVantage);
        }
        let place = |vantage: usize, node: usize| match (vantage_at.get(vantage), node_at.get(node)) {
            (Some(&vantage), Some(&node)) => Ok((vantage, node)),
            _ => Err(ReportError::Index { vantage, node }),
        };
        let mut prepared = Self {
            nodes,
            vantages,
            cells: BTreeMap::new(),
            days: None,
            single: None,
            ttfb: None,
        };
        match &observations.readings {
            Readings::Days(readings) => {
                let mut days = BTreeSet::new();
                for reading in readings {
                    days.insert(reading.day);
                    prepared.add_day(place(reading.vantage, reading.node)?, reading)?;
                }
                prepared.days = Some(days.into_iter().collect());
            }
            Readings::Single { statistic, values } => {
                prepared.single = Some(*statistic);
                for value in values {
                    prepared.add_single(place(value.vantage, value.node)?, value)?;
                }
            }
        }
        Ok(prepared)
    }

    fn add_single(&mut self, at: (usize, usize), value: &SingleReading) -> Result<(), ReportError> {
        let cell = Cell::Single {
            rtt_ms: value.rtt_ms,
            reversed: value.reversed,
        };
        let is_time = value.rtt_ms.is_finite() && value.rtt_ms >= 0.0;
        if !is_time || self.cells.insert(at, cell).is_some() {
            return Err(ReportError::Single {
                vantage: value.vantage,
                node: value.node,
            });
        }
        Ok(())
    }

    fn add_day(&mut self, at: (usize, usize), reading: &DayReading) -> Result<(), ReportError> {
        let cell = self
            .cells
            .entry(at)
            .or_insert_with(|| Cell::Days(BTreeMap::new()));
        let Cell::Days(days) = cell else {
            unreachable!("single values are added by another branch")
        };
        let day = days.entry(reading.day).or_default();
        day.rtt.merge(&reading.rtt);
        if let Some((kind, samples)) = &reading.ttfb {
            if *self.ttfb.get_or_insert(*kind) != *kind {
                return Err(ReportError::MixedTtfb);
            }
            day.ttfb.merge(samples);
        }
        Ok(())
    }
}

/// The items by name, and where each one went; the name if one occurs twice.
fn sorted<T>(items: &[T], name: impl Fn(&T) -> &String) -> Result<(Vec<&T>, Vec<usize>), String> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|&a, &b| name(&items[a]).cmp(name(&items[b])));
    if let Some(pair) = order
        .windows(2)
        .find(|pair| name(&items[pair[0]]) == name(&items[pair[1]]))
    {
        return Err(name(&items[pair[0]]).clone());
    }
    let mut went = vec![0; items.len()];
    order.iter().enumerate().for_each(|(to, &from)| went[from] = to);
    Ok((order.into_iter().map(|index| &items[index]).collect(), went))
}
