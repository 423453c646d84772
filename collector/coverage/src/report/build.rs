//! From observations to a report.

use std::collections::BTreeMap;

use rand::Rng;

use super::matrix::Matrix;
use super::prepare::Prepared;
use super::ranking::{Ranking, node_time};
use super::regions::{Field, regions};
use super::resample::{DayDraws, draw_networks};
use super::speakers::Speakers;
use super::{
    BUDGETS_MS, ClassReport, CoverageReport, Depth, Figures, Forecast, Offsets, Targets, VantageReport,
    WeightSummary, WhyNot, Witnesses,
};
use super::{headline, shares};
use crate::files::{FileError, Mesh};
use crate::observations::{AccessClass, Observations, Statistic, Vantage};
use crate::predict::PriorChoice;
use crate::weights::Weights;

/// What to compute.
#[derive(Clone, Debug)]
pub struct Options {
    /// What counts how much.
    pub weights: Weights,
    /// The statistic by which nodes are compared, where the source holds several; default: the median.
    pub statistic: Statistic,
    /// The lead's own budget in milliseconds, beside the fixed ones.
    pub target_ms: Option<f64>,
    /// How often days and networks are resampled, and the predicted field is drawn; default 400.
    pub replicates: usize,
    /// Whether what nobody measured is predicted; default: yes.
    pub predict: bool,
    /// What predictions rest on beside own measurements.
    pub prior: PriorChoice,
    /// Further pairs measured between sites, for predictions only; places by the names of vantages and nodes.
    pub mesh: Option<Mesh>,
    /// Further weights, whose shares stand beside.
    pub beside: Vec<Weights>,
    /// Targets beside round-trip time.
    pub targets: Targets,
    /// So many of the heaviest countries are held against the targets.
    pub top_countries: Option<usize>,
    /// What a user's own line adds, by region.
    pub offsets: Offsets,
    /// Nodes and vantages, by name, that cannot be where they say: left out.
    pub impossible: Vec<String>,
}

impl Options {
    /// The defaults.
    pub fn new(weights: Weights) -> Self {
        Self {
            weights,
            statistic: Statistic::P50,
            target_ms: None,
            replicates: 400,
            predict: true,
            prior: PriorChoice::default(),
            mesh: None,
            beside: Vec::new(),
            targets: Targets::default(),
            top_countries: None,
            offsets: Offsets::default(),
            impossible: Vec::new(),
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is no node.
    #[error("there is no node to report on: add one with `target add`, or name sites with --nodes")]
    NoNode,
    /// There is no vantage.
    #[error("there is no vantage: invite a probe with `probe invite`, or give a file of sites")]
    NoVantage,
    /// Two nodes have one name.
    #[error("two nodes are called `{name}`: names must be unique")]
    NodeTwice {
        /// The name that both have.
        name: String,
    },
    /// Two vantages have one name.
    #[error("two vantages are called `{name}`: names must be unique")]
    VantageTwice {
        /// The name that both have.
        name: String,
    },
    /// A reading names a vantage or node that is not there.
    #[error("a reading names vantage {vantage} and node {node}, and one of them does not exist")]
    Index {
        /// Index of the vantage.
        vantage: usize,
        /// Index of the node.
        node: usize,
    },
    /// A single value is given twice, or is no time.
    #[error("vantage {vantage} and node {node}: a value is given twice, or is not a time")]
    Single {
        /// Index of the vantage.
        vantage: usize,
        /// Index of the node.
        node: usize,
    },
    /// Cached and uncached times to first byte came together.
    #[error("cached and uncached times to first byte must not be mixed: give one kind")]
    MixedTtfb,
    /// The target is no time.
    #[error("a target of {target_ms} ms is not possible: give a number above 0")]
    Target {
        /// As it was asked for, in milliseconds.
        target_ms: f64,
    },
    /// Single values have no such statistic to compare by; none is ever computed for them.
    #[error("measurements of single days hold no statistic without a name: choose min, p50, p90 or p99")]
    Statistic,
    /// The weights do not fit.
    #[error(transparent)]
    Weights(#[from] FileError),
}

/// Computes the report.
///
/// # Errors
/// The observations or options contradict themselves; the error says where.
pub fn build(
    observations: &Observations,
    options: &Options,
    random: &mut impl Rng,
) -> Result<CoverageReport, ReportError> {
    let budgets = budgets(options.target_ms)?;
    let prepared = Prepared::new(observations)?;
    options.weights.check(&prepared.vantages)?;
    let statistic = prepared.single.unwrap_or(options.statistic);
    if prepared.single.is_none() && statistic == Statistic::Unnamed {
        return Err(ReportError::Statistic);
    }
    let draws = prepared
        .days
        .as_deref()
        .and_then(|days| DayDraws::new(days, options.replicates, random));
    let matrix = Matrix::new(&prepared, statistic, draws.as_ref());
    let ground = Ground {
        prepared: &prepared,
        matrix: &matrix,
        weights: &options.weights,
        budgets: &budgets,
        offsets: &options.offsets,
    };
    let mut classes: Vec<ClassReport> = AccessClass::ALL
        .into_iter()
        .filter_map(|access| ground.class(access, random))
        .collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.vantages.len()));
    Ok(CoverageReport {
        source: observations.source,
        statistic,
        basis: observations.basis,
        window: observations.window,
        days: prepared.days.as_ref().map(Vec::len),
        ttfb: prepared.ttfb,
        nodes: prepared.nodes.iter().map(|&node| node.clone()).collect(),
        weights: WeightSummary {
            kind: options.weights.kind(),
            total: classes.first().map_or(0.0, |class| class.total_weight),
            source: options.weights.source().clone(),
            internet: options.weights.internet(),
        },
        target_ms: options.target_ms,
        targets: options.targets,
        classes,
        forecast: Forecast::Missing(WhyNot::NotAsked),
        beside: Vec::new(),
        top_countries: None,
        offsets: options.offsets.clone(),
        notes: observations.notes.clone(),
    })
}

fn budgets(target_ms: Option<f64>) -> Result<Vec<f64>, ReportError> {
    let mut budgets = BUDGETS_MS.to_vec();
    if let Some(target_ms) = target_ms {
        if !target_ms.is_finite() || target_ms <= 0.0 {
            return Err(ReportError::Target { target_ms });
        }
        budgets.push(target_ms);
    }
    budgets.sort_by(f64::total_cmp);
    budgets.dedup();
    Ok(budgets)
}

/// What the parts of all access classes are computed from.
struct Ground<'a> {
    prepared: &'a Prepared<'a>,
    matrix: &'a Matrix,
    weights: &'a Weights,
    budgets: &'a [f64],
    offsets: &'a Offsets,
}

impl Ground<'_> {
    /// The part of one access class; `None` if no vantage has it.
    fn class(&self, access: AccessClass, random: &mut impl Rng) -> Option<ClassReport> {
        let members = self.members(access);
        if members.is_empty() {
            return None;
        }
        let vantage = |&index: &usize| self.prepared.vantages[index];
        let vantages: Vec<&Vantage> = members.iter().map(vantage).collect();
        let ranking = |&index: &usize| Ranking::of(self.matrix, index);
        let rankings: Vec<Option<Ranking>> = members.iter().map(ranking).collect();
        let usable: Vec<bool> = rankings.iter().map(Option::is_some).collect();
        let speakers = Speakers::new(&self.weights.demand(&vantages), &vantages, &usable);
        let reports = self.reports(&members, &rankings, &speakers.weights);
        let replicate_weights =
            replicate_weights(&vantages, &speakers.weights, self.matrix.replicates, random);
        let field = Field {
            matrix: self.matrix,
            nodes: &self.prepared.nodes,
            vantages: &vantages,
            members: &members,
            reports: &reports,
            speakers: &speakers,
            replicate_weights: &replicate_weights,
            budgets: self.budgets,
        };
        let mut at_budgets = shares::at_budgets(&field, VantageReport::standing);
        shares::add_intervals(&mut at_budgets, &field);
        let survives = shares::at_budgets(&field, VantageReport::standing_after_any_loss);
        let worst_losses = shares::worst_losses(&field);
        let (countries, continents) = regions(&field);
        let (whole, known) = (speakers.amount.whole(), speakers.amount.known());
        let heaviest = headline::heaviest(&reports);
        let heaviest_weight = heaviest.map_or(0.0, |index| reports[index].weight);
        Some(ClassReport {
            access,
            witnesses: Witnesses::of(&vantages),
            total_weight: whole,
            known_weight: known,
            heaviest,
            withheld: headline::withheld(known, whole, heaviest_weight),
            shares: at_budgets,
            survives,
            worst_losses,
            regions: countries,
            continents,
            vantages: reports,
            places: speakers.places,
            predicted: None,
            depth: Depth::default(),
        })
    }

    /// What a user's own line adds: data centres alone lack it.
    fn offset_ms(&self, vantage: &Vantage) -> f64 {
        match vantage.access {
            AccessClass::DataCentre => self.offsets.of(vantage.country),
            AccessClass::Eyeball | AccessClass::Unknown => 0.0,
        }
    }

    /// The vantages of one access class, by index.
    fn members(&self, access: AccessClass) -> Vec<usize> {
        let all = self.prepared.vantages.iter().enumerate();
        let members = all.filter(|(_, vantage)| vantage.access == access);
        members.map(|(index, _)| index).collect()
    }

    /// The part of each vantage of `members`.
    fn reports(
        &self,
        members: &[usize],
        rankings: &[Option<Ranking>],
        weights: &[f64],
    ) -> Vec<VantageReport> {
        let each = members.iter().zip(rankings).zip(weights);
        each.map(|((&vantage, ranking), &weight)| self.vantage(vantage, ranking.as_ref(), weight))
            .collect()
    }

    fn vantage(&self, index: usize, ranking: Option<&Ranking>, weight: f64) -> VantageReport {
        let vantage = self.prepared.vantages[index];
        let name = |node: usize| self.prepared.nodes[node].name.as_str();
        let time = |node, interval| node_time(name(node), self.matrix.time(index, node)?, interval);
        let second = ranking.and_then(|ranking| time(ranking.second?, ranking.second_interval));
        VantageReport {
            name: vantage.name.clone(),
            site: vantage.site.clone(),
            position: vantage.position,
            country: vantage.country,
            weight,
            own_node: self.matrix.owns_a_node(index),
            best: ranking.and_then(|ranking| time(ranking.best, ranking.best_interval)),
            tie_set: ranking.map_or_else(Vec::new, |ranking| {
                let names = ranking.tie_set.iter().map(|&node| name(node).to_owned());
                names.collect()
            }),
            second,
            figures: ranking
                .and_then(|ranking| self.matrix.time(index, ranking.best))
                .map_or_else(Figures::default, |time| time.figures),
            offset_ms: self.offset_ms(vantage),
        }
    }
}

/// `[replicate][vantage]`: what each vantage speaks for when each country's networks are resampled. A country's
/// measured weight stays what it is: countries are a census.
fn replicate_weights(
    vantages: &[&Vantage],
    weights: &[f64],
    replicates: usize,
    random: &mut impl Rng,
) -> Vec<Vec<f64>> {
    let mut countries: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, vantage) in vantages
        .iter()
        .enumerate()
        .filter(|&(index, _)| weights[index] > 0.0)
    {
        countries.entry(vantage.country).or_default().push(index);
    }
    let mut all = vec![vec![0.0; vantages.len()]; replicates];
    for members in countries.values() {
        let known: f64 = members.iter().map(|&index| weights[index]).sum();
        let own: Vec<_> = members.iter().map(|&index| vantages[index].network).collect();
        for (replicate, times) in all.iter_mut().zip(draw_networks(&own, replicates, random)) {
            let drawn = |index: usize| weights[index] * f64::from(times[&vantages[index].network]);
            let total: f64 = members.iter().map(|&index| drawn(index)).sum();
            members
                .iter()
                .for_each(|&index| replicate[index] = known * drawn(index) / total);
        }
    }
    all
}

#[cfg(test)]
mod tests;
