//! What counting is about: one class, its nodes, and the weight that it carries, whatever the day.

use super::candidates::{Candidates, Spot};
use super::{CITIES, Priced, REDUNDANT_MS, Redundancy};
use crate::geo::Position;
use crate::observations::{AccessClass, Day, Observations, Statistic, Vantage};
use crate::predict::Place;
use crate::report::forecast::{Cell, Fitted};
use crate::report::matrix::Matrix;
use crate::report::prepare::Prepared;
use crate::report::speakers::Speakers;
use crate::report::trust::Trust;
use crate::report::{Options, ReportError, WeightedPlace};

/// One class and what it carries, whatever the day.
pub(super) struct Scene<'a> {
    pub(super) prepared: Prepared<'a>,
    whole: Matrix,
    pub(super) statistic: Statistic,
    pub(super) options: &'a Options,
    pub(super) members: Vec<usize>,
    pub(super) places: Vec<WeightedPlace>,
    total: f64,
}

impl<'a> Scene<'a> {
    pub(super) fn new(observations: &'a Observations, options: &'a Options) -> Result<Self, ReportError> {
        let prepared = Prepared::new(observations, &options.impossible)?;
        options.weights.check(&observations.sites())?;
        let statistic = prepared.single.unwrap_or(options.statistic);
        if prepared.single.is_none() && statistic == Statistic::Unnamed {
            return Err(ReportError::Statistic);
        }
        let whole = Matrix::new(&prepared, statistic, None);
        let of = |access: AccessClass| -> Vec<usize> {
            let all = prepared.vantages.iter().enumerate();
            all.filter(|(_, vantage)| vantage.access == access)
                .map(|(index, _)| index)
                .collect()
        };
        // Of classes of one size the first in the order in which reports list them.
        let members = AccessClass::ALL
            .into_iter()
            .rev()
            .map(of)
            .max_by_key(Vec::len)
            .unwrap_or_default();
        let vantages: Vec<&Vantage> = members.iter().map(|&index| prepared.vantages[index]).collect();
        let measured = |&vantage: &usize| (0..whole.nodes()).any(|node| whole.ms(vantage, node).is_some());
        let usable: Vec<bool> = members.iter().map(measured).collect();
        let speakers = Speakers::new(&options.weights.demand(&vantages), &vantages, &usable);
        Ok(Self {
            total: speakers.amount.whole(),
            places: speakers.places,
            members,
            whole,
            statistic,
            options,
            prepared,
        })
    }

    /// Odd days, or all where they cannot be told apart.
    pub(super) fn odd(&self) -> Prepared<'a> {
        self.days_of(1)
    }

    /// Even days.
    pub(super) fn even(&self) -> Prepared<'a> {
        self.days_of(0)
    }

    fn days_of(&self, parity: i32) -> Prepared<'a> {
        match self.priced() {
            Priced::ByDays { .. } => self.prepared.only(|day: Day| day.0.rem_euclid(2) == parity),
            Priced::Alike => self.prepared.clone(),
        }
    }

    pub(super) fn priced(&self) -> Priced {
        let days = self.prepared.days.as_deref().unwrap_or_default();
        let odd = days.iter().filter(|day| day.0.rem_euclid(2) == 1).count();
        match (odd, days.len() - odd) {
            (0, _) | (_, 0) => Priced::Alike,
            (chosen, priced) => Priced::ByDays { chosen, priced },
        }
    }

    pub(super) fn nodes(&self) -> usize {
        self.prepared.nodes.len()
    }

    pub(super) fn node_name(&self, node: usize) -> String {
        self.prepared.nodes[node].name.clone()
    }

    pub(super) fn total_weight(&self) -> f64 {
        self.total.max(f64::MIN_POSITIVE)
    }

    /// Half as many as the report's: many more sites are drawn.
    pub(super) fn draws(&self) -> usize {
        self.options.replicates.div_ceil(2)
    }

    /// Vantages that measured a node that counts.
    pub(super) fn measuring(&self) -> usize {
        let measured =
            |&&vantage: &&usize| (0..self.nodes()).any(|node| self.whole.ms(vantage, node).is_some());
        self.members.iter().filter(measured).count()
    }

    /// Where a further node might stand: only where times towards it are predicted.
    pub(super) fn candidates(&self, cells: &[Cell], fitted: &Fitted, trust: &Trust) -> Vec<Spot> {
        let nodes = self.prepared.nodes.iter();
        let nodes: Vec<Position> = nodes.filter_map(|node| node.position).collect();
        let place = |cell: &Cell| Place {
            position: cell.position,
            network: None,
        };
        let predicted = |cell: &&Cell| {
            trust.widened(cell.country).is_some() && fitted.predictor.is_in_reach(&place(cell))
        };
        let cells: Vec<Cell> = cells.iter().filter(predicted).copied().collect();
        let country = |site: &str| {
            let named = |vantage: &&&Vantage| vantage.name == site;
            self.prepared.vantages.iter().find(named)?.country
        };
        let vantages = self.members.iter();
        let names: Vec<&str> = match &self.options.mesh {
            Some(mesh) => mesh.names.iter().map(|name| &**name).collect(),
            None => vantages.map(|&one| &*self.prepared.vantages[one].name).collect(),
        };
        let named = Candidates::beside(&nodes).named(&self.options.candidates, fitted);
        let spots = named.measured(&names, fitted, country);
        spots.heaviest(cells, CITIES.max(2 * self.nodes()))
    }

    /// What a user's own line adds, in the weighted mean of cells.
    pub(super) fn own_line_ms(&self, cells: &[Cell]) -> f64 {
        let access = self
            .members
            .first()
            .map(|&one| self.prepared.vantages[one].access);
        let Some(access) = access else { return 0.0 };
        let offset = |cell: &Cell| cell.weight * self.options.offsets.in_class(access, cell.country);
        let total: f64 = cells.iter().map(|cell| cell.weight).sum();
        cells.iter().map(offset).sum::<f64>() / total.max(f64::MIN_POSITIVE)
    }

    /// The time of one who counts to a node in milliseconds, over all days.
    pub(super) fn ms(&self, member: usize, node: usize) -> Option<f64> {
        self.whole.ms(self.members[member], node)
    }

    /// Whether anybody who counts measured a node.
    pub(super) fn is_measured(&self, node: usize) -> bool {
        let by = |&vantage: &usize| self.whole.ms(vantage, node).is_some();
        self.members.iter().any(by)
    }

    pub(super) fn redundancy(&self) -> Vec<Redundancy> {
        let of = |&vantage: &usize| {
            let mut times: Vec<f64> = (0..self.nodes())
                .filter_map(|node| self.whole.ms(vantage, node))
                .collect();
            times.sort_by(f64::total_cmp);
            Redundancy {
                vantage: self.prepared.vantages[vantage].name.clone(),
                within: times.iter().filter(|ms| **ms <= REDUNDANT_MS).count(),
                second_ms: times.get(1).copied(),
            }
        };
        self.members.iter().map(of).collect()
    }
}
