//! Observations in a fixed order, so that the order of rows changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{EyeReport, LeftOut, ReportError};
use crate::histogram::LogHistogram;
use crate::locate::contradicted_by;
use crate::observations::{
    Day, DayReading, Echo, Eye, EyeTime, Node, Observations, Readings, Samples, SingleReading, Statistic,
    TtfbKind, Vantage,
};
use crate::predict::Measured;

/// Observations sorted by name, with one cell for each (vantage, node) that was measured.
#[derive(Clone)]
pub(super) struct Prepared<'a> {
    pub(super) nodes: Vec<&'a Node>,
    pub(super) vantages: Vec<&'a Vantage>,
    pub(super) cells: BTreeMap<(usize, usize), Cell>,
    /// By two vantages, the lower number first.
    echoes: BTreeMap<(usize, usize), BTreeMap<Day, LogHistogram>>,
    /// Eyes that count; their times are of these nodes.
    pub(super) eyes: Vec<Eye>,
    /// All eyes, with those that are left out.
    pub(super) all_eyes: Vec<EyeReport>,
    /// The days that hold a reading, ascending; `None` for single values.
    pub(super) days: Option<Vec<Day>>,
    /// The statistic of single values.
    pub(super) single: Option<Statistic>,
    pub(super) ttfb: Option<TtfbKind>,
}

#[derive(Clone)]
pub(super) enum Cell {
    Days(BTreeMap<Day, DayCell>),
    Single { rtt_ms: f64, reversed: bool },
}

#[derive(Clone, Default)]
pub(super) struct DayCell {
    pub(super) rtt: Samples,
    pub(super) ttfb: Samples,
    pub(super) throughput: Samples,
}

impl<'a> Prepared<'a> {
    /// Without what is `impossible`; with all of it where no node or no vantage would be left: the places then contradict
    /// each other as a whole, and none of them can be told to be the wrong one.
    pub(super) fn new(observations: &'a Observations, impossible: &LeftOut) -> Result<Self, ReportError> {
        let mut prepared = Self::whole(observations)?;
        let mut nodes = prepared.nodes.iter();
        let has_node = nodes.any(|node| !impossible.nodes.contains(&node.name));
        let mut vantages = prepared.vantages.iter();
        if has_node && vantages.any(|vantage| !impossible.vantages.contains(&vantage.name)) {
            prepared.leave_out(impossible);
        }
        prepared.see(observations, impossible);
        Ok(prepared)
    }

    /// Takes the eyes whose places nobody contradicts, as many as a prediction can hold.
    fn see(&mut self, observations: &Observations, impossible: &LeftOut) {
        let name = |node: usize| observations.nodes.get(node).map(|node| &*node.name);
        let own = self.cells.len() + self.echoes.len();
        let mut room = PAIRS_MAX.saturating_sub(own);
        for eye in &observations.eyes {
            let contradicted_by = contradicted_by(eye, &observations.nodes, &impossible.nodes);
            let names = contradicted_by.iter().filter_map(|&node| name(node));
            let here = |node: usize| self.nodes.iter().position(|here| Some(&*here.name) == name(node));
            let times = eye.times.iter();
            let times = times.filter_map(|time| {
                Some(EyeTime {
                    node: here(time.node)?,
                    ..*time
                })
            });
            let times: Vec<_> = times
                .filter(|time| time.rtt_ms.is_finite() && time.rtt_ms >= 0.0)
                .collect();
            let counts = contradicted_by.is_empty() && !times.is_empty() && times.len() <= room;
            let eye = Eye { times, ..eye.clone() };
            if counts {
                room -= eye.times.len();
                self.eyes.push(eye.clone());
            }
            self.all_eyes.push(EyeReport {
                contradicted_by: names.map(str::to_owned).collect(),
                eye,
                counts,
            });
        }
    }

    fn leave_out(&mut self, impossible: &LeftOut) {
        let kept = |names: Vec<&String>, impossible: &[String]| -> (Vec<Option<usize>>, Vec<bool>) {
            let keep: Vec<bool> = names.iter().map(|name| !impossible.contains(name)).collect();
            let mut next = 0..;
            let number = |&keep: &bool| if keep { next.next() } else { None };
            (keep.iter().map(number).collect(), keep)
        };
        let nodes = self.nodes.iter().map(|node| &node.name).collect();
        let (node_at, node_kept) = kept(nodes, &impossible.nodes);
        let vantages = self.vantages.iter().map(|vantage| &vantage.name).collect();
        let (vantage_at, vantage_kept) = kept(vantages, &impossible.vantages);
        let mut keep = node_kept.iter();
        self.nodes.retain(|_| keep.next().is_some_and(|keep| *keep));
        let mut keep = vantage_kept.iter();
        self.vantages.retain(|_| keep.next().is_some_and(|keep| *keep));
        let moved = |((vantage, node), cell)| Some(((vantage_at[vantage]?, node_at[node]?), cell));
        self.cells = std::mem::take(&mut self.cells)
            .into_iter()
            .filter_map(moved)
            .collect();
        let moved = |((a, b), days)| Some(((vantage_at[a]?, vantage_at[b]?), days));
        self.echoes = std::mem::take(&mut self.echoes)
            .into_iter()
            .filter_map(moved)
            .collect();
    }

    fn whole(observations: &'a Observations) -> Result<Self, ReportError> {
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
            echoes: BTreeMap::new(),
            eyes: Vec::new(),
            all_eyes: Vec::new(),
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
        for echo in &observations.echoes {
            prepared.add_echo(echo, &vantage_at)?;
        }
        Ok(prepared)
    }

    /// Only some of its days; single values have none.
    pub(super) fn only(&self, keep: impl Fn(Day) -> bool) -> Self {
        let days = self
            .days
            .as_ref()
            .map(|days| days.iter().copied().filter(|&day| keep(day)).collect());
        let kept = |(&at, cell): (&(usize, usize), &Cell)| match cell {
            Cell::Single { .. } => None,
            Cell::Days(days) => {
                let kept: BTreeMap<Day, DayCell> = days
                    .iter()
                    .filter(|(day, _)| keep(**day))
                    .map(|(&day, cell)| (day, cell.clone()))
                    .collect();
                (!kept.is_empty()).then_some((at, Cell::Days(kept)))
            }
        };
        let echoed = |(&at, days): (&(usize, usize), &BTreeMap<Day, LogHistogram>)| {
            let kept = days.iter().filter(|(day, _)| keep(**day));
            let kept: BTreeMap<Day, LogHistogram> = kept.map(|(&day, times)| (day, times.clone())).collect();
            (!kept.is_empty()).then_some((at, kept))
        };
        Self {
            nodes: self.nodes.clone(),
            vantages: self.vantages.clone(),
            cells: self.cells.iter().filter_map(kept).collect(),
            echoes: self.echoes.iter().filter_map(echoed).collect(),
            eyes: self.eyes.clone(),
            all_eyes: self.all_eyes.clone(),
            days,
            single: self.single,
            ttfb: self.ttfb,
        }
    }

    /// What some of the vantages measured among each other, by their numbers among these: the same statistic as that of
    /// nodes, over all days.
    pub(super) fn between(&self, members: &[usize], statistic: Statistic) -> Vec<Measured> {
        let number = |vantage: usize| members.iter().position(|&member| member == vantage);
        let pair = |(&(a, b), days): (&(usize, usize), &BTreeMap<Day, LogHistogram>)| {
            let mut all = LogHistogram::new();
            days.values().for_each(|times| all.merge(times));
            let us = match statistic.quantile() {
                Some(q) => all.quantile_us(q),
                None => all.min_us(),
            };
            Some(Measured {
                a: number(a)?,
                b: number(b)?,
                rtt_ms: us? / 1e3,
            })
        };
        self.echoes.iter().filter_map(pair).collect()
    }

    fn add_echo(&mut self, echo: &Echo, went: &[usize]) -> Result<(), ReportError> {
        let unknown = ReportError::Echo { a: echo.a, b: echo.b };
        let (Some(&a), Some(&b), false) = (went.get(echo.a), went.get(echo.b), echo.a == echo.b) else {
            return Err(unknown);
        };
        let days = self.echoes.entry((a.min(b), a.max(b))).or_default();
        days.entry(echo.day).or_default().merge(&echo.times);
        Ok(())
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
        day.throughput.merge(&reading.throughput);
        if let Some((kind, samples)) = &reading.ttfb {
            if *self.ttfb.get_or_insert(*kind) != *kind {
                return Err(ReportError::MixedTtfb);
            }
            day.ttfb.merge(samples);
        }
        Ok(())
    }
}

/// So many pairs a prediction takes in all: it inverts a matrix of them, and thins out what is more. Those of our own come
/// first, then the first eyes.
const PAIRS_MAX: usize = 2_000;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{daily, node, vantage};
    use crate::observations::{AccessClass, EyeSource};

    fn echo(a: usize, b: usize, day: i32, ms: f64) -> Echo {
        let mut times = LogHistogram::new();
        assert!(times.record_us(ms * 1e3));
        let day = Day(day);
        Echo { a, b, day, times }
    }

    fn world(echoes: Vec<Echo>) -> Observations {
        let names = [("zoe", "Paris, FR"), ("ada", "Berlin, DE"), ("bob", "Rome, IT")];
        let vantages = names.map(|(name, place)| vantage(name, place)).to_vec();
        let nodes = vec![node("tokyo", "Tokyo, JP")];
        let days = daily(nodes, vantages, 2, &[(0, 0, &[230.0])], |_, _, _| 0.0);
        Observations { echoes, ..days }
    }

    fn between(prepared: &Prepared<'_>, statistic: Statistic) -> Vec<(usize, usize, f64)> {
        let all: Vec<usize> = (0..prepared.vantages.len()).collect();
        let pairs = prepared.between(&all, statistic).into_iter();
        pairs.map(|pair| (pair.a, pair.b, pair.rtt_ms.round())).collect()
    }

    #[test]
    fn echoes_of_both_directions_and_of_the_days_that_are_kept_are_one_pair() {
        let observations = world(vec![
            echo(0, 1, 0, 20.0),
            echo(1, 0, 0, 10.0),
            echo(0, 1, 1, 40.0),
            echo(1, 2, 0, 30.0),
        ]);
        let prepared = Prepared::new(&observations, &LeftOut::default()).unwrap();
        // by name: ada, bob, zoe
        assert_eq!(between(&prepared, Statistic::P50), [(0, 1, 30.0), (0, 2, 20.0)]);
        assert_eq!(between(&prepared, Statistic::Min), [(0, 1, 30.0), (0, 2, 10.0)]);
        let odd = prepared.only(|day| day.0 == 1);
        assert_eq!(between(&odd, Statistic::P50), [(0, 2, 40.0)]);
        let ada = LeftOut {
            vantages: vec!["ada".to_owned()],
            ..LeftOut::default()
        };
        let impossible = Prepared::new(&observations, &ada).unwrap();
        assert!(
            between(&impossible, Statistic::P50).is_empty(),
            "its times say nothing"
        );
    }

    #[test]
    fn eyes_take_the_room_that_our_own_pairs_leave_and_times_of_nodes_that_are_left_out_are_none() {
        let nodes: Vec<_> = (0..3).map(|at| node(&format!("n{at}"), "Tokyo, JP")).collect();
        let time = |node| EyeTime {
            node,
            rtt_ms: 9.0,
            least_ms: None,
            age_days: 0.0,
            answers: 1,
        };
        let eye = |at: usize| Eye {
            name: at.to_string(),
            source: EyeSource::Atlas,
            site: String::new(),
            position: nodes[0].position.unwrap(),
            network: None,
            country: None,
            access: AccessClass::Eyeball,
            times: (0..3).map(time).collect(),
        };
        let days = daily(
            nodes.clone(),
            vec![vantage("ada", "Paris, FR")],
            1,
            &[(0, 1, &[230.0])],
            |_, _, _| 0.0,
        );
        let observations = Observations {
            eyes: (0..700).map(eye).collect(),
            ..days
        };
        let prepared = Prepared::new(&observations, &LeftOut::default()).unwrap();
        assert_eq!(
            (prepared.eyes.len(), prepared.all_eyes.len()),
            (666, 700),
            "1,999 pairs of 3 are left"
        );
        let left_out = LeftOut {
            nodes: vec!["n0".to_owned()],
            ..LeftOut::default()
        };
        let without = Prepared::new(&observations, &left_out).unwrap();
        let of: Vec<usize> = without.eyes[0].times.iter().map(|time| time.node).collect();
        assert_eq!(of, [0, 1], "by their new numbers");
        assert_eq!(without.all_eyes[0].eye.times.len(), 2);
    }

    #[test]
    fn echo_of_a_vantage_that_is_not_there_or_of_itself_is_refused() {
        for (a, b) in [(0, 3), (1, 1)] {
            let observations = world(vec![echo(a, b, 0, 9.0)]);
            let error = Prepared::new(&observations, &LeftOut::default()).err();
            assert!(matches!(error, Some(ReportError::Echo { .. })), "{error:?}");
        }
    }

    #[test]
    fn vantage_that_is_called_as_a_node_is_leaves_the_node_there() {
        let called_alike = |mut observations: Observations| {
            observations.vantages[0].name = "tokyo".to_owned();
            observations
        };
        let observations = called_alike(world(Vec::new()));
        let names = |of: LeftOut| {
            let prepared = Prepared::new(&observations, &of).unwrap();
            (prepared.nodes.len(), prepared.vantages.len())
        };
        let tokyo = || vec!["tokyo".to_owned()];
        let vantages = LeftOut {
            vantages: tokyo(),
            ..LeftOut::default()
        };
        assert_eq!(names(vantages), (1, 2));
        let nodes = LeftOut {
            nodes: tokyo(),
            ..LeftOut::default()
        };
        assert_eq!(names(nodes), (1, 3), "no node would be left");
    }
}
