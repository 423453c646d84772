//! From observations to a report.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng as _};

use super::by_km::ByKm;
use super::forecast::{self, Known};
use super::matrix::Matrix;
use super::options::Options;
use super::prepare::Prepared;
use super::ranking::{Ranking, node_time};
use super::regions::Field;
use super::resample::{DayDraws, draw_networks};
use super::speakers::Speakers;
use super::trend::Halves;
use super::trust::Trust;
use super::{
    BUDGETS_MS, Beside, ClassReport, CoverageReport, Depth, Figures, Forecast, Method, Region, TopCountries,
    VantageReport, WeightSummary, WhyNot, Witnesses,
};
use super::{counting, depth, headline, notes, regions, shares, top, withdraw};
use crate::files::FileError;
use crate::note::Note;
use crate::observations::{AccessClass, Observations, Statistic, Vantage};
use crate::predict::{COVERED, REACH_KM};
use crate::weights::{WeightSource, Weights};

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
    /// An echo is between vantages of which one is not there, or within one.
    #[error("an echo names the vantages {a} and {b}: give two different ones that exist")]
    Echo {
        /// Index of the one.
        a: usize,
        /// Index of the other.
        b: usize,
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
    build_with(observations, options, random, &mut |_, _| {})
}

/// The same, telling after each step how many are done, and of how many.
///
/// # Errors
/// The same.
pub fn build_with(
    observations: &Observations,
    options: &Options,
    random: &mut impl Rng,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<CoverageReport, ReportError> {
    // The advice has randomness of its own: what else is asked for does not change it.
    let seed = random.random();
    let mut steps = Steps::new(options, progress);
    let budgets = budgets(options.target_ms)?;
    let prepared = Prepared::new(observations, &options.impossible)?;
    let mut notes = observations.notes.clone();
    notes.extend(notes::of(&prepared, observations, options));
    let disbelieved = notes.iter().any(Note::is_grave);
    let contradicted = options.predict && disbelieved;
    let measured_only = contradicted.then(|| Options {
        predict: false,
        ..options.clone()
    });
    let options = measured_only.as_ref().unwrap_or(options);
    for weights in std::iter::once(&options.weights).chain(&options.beside) {
        weights.check(&observations.sites())?;
    }
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
        statistic,
        weights: &options.weights,
        budgets: &budgets,
        options,
    };
    let halves = Halves::new(&prepared, statistic, options.replicates, random);
    steps.next();
    let mut parts: Vec<ClassPart> = Vec::new();
    for access in AccessClass::ALL {
        parts.extend(ground.class(access, halves.as_ref(), random));
        steps.next();
    }
    parts.sort_by_key(|part| std::cmp::Reverse(part.class.vantages.len()));
    let top_countries = top_countries((options, prepared.nodes.len()), parts.first(), halves.as_ref());
    let beside = options.beside.iter().filter_map(|weights| {
        let access = parts.first()?.class.access;
        Ground { weights, ..ground }.beside(access, random)
    });
    let beside: Vec<Beside> = beside.inspect(|_| steps.next()).collect();
    let total = parts.first().map_or(0.0, |part| part.class.total_weight);
    let weights = summary(&options.weights, total);
    let all_weights = std::iter::once(&weights).chain(beside.iter().map(|beside| &beside.weights));
    notes.extend(all_weights.filter_map(weightless));
    let count = options.count.as_ref();
    let count = count.map(|thresholds| {
        let predicted = parts.first().and_then(|part| part.class.predicted.as_ref());
        let mut random = StdRng::seed_from_u64(seed);
        counting::count(observations, options, (thresholds, predicted), &mut random)
    });
    let count = count.transpose()?;
    steps.end();
    let report = CoverageReport {
        source: observations.source,
        statistic,
        basis: observations.basis,
        window: observations.window,
        days: prepared.days.as_ref().map(Vec::len),
        ttfb: prepared.ttfb,
        nodes: prepared.nodes.iter().map(|&node| node.clone()).collect(),
        weights,
        target_ms: options.target_ms,
        targets: options.targets,
        beside,
        forecast: match (contradicted, parts.first()) {
            (true, _) => Forecast::Missing(WhyNot::Contradicted),
            (false, Some(part)) => part.forecast.clone(),
            (false, None) => Forecast::Missing(WhyNot::NotAsked),
        },
        classes: parts.into_iter().map(|part| part.class).collect(),
        top_countries,
        count,
        offsets: options.offsets.clone(),
        eyes: prepared.all_eyes.clone(),
        notes,
    };
    Ok(if disbelieved {
        withdraw::claims(report)
    } else {
        report
    })
}

/// How far the report is.
struct Steps<'a> {
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl<'a> Steps<'a> {
    fn new(options: &Options, progress: &'a mut dyn FnMut(u64, u64)) -> Self {
        let parts = 1 + AccessClass::ALL.len() + options.beside.len() + usize::from(options.count.is_some());
        Self {
            done: 0,
            total: parts as u64,
            progress,
        }
    }

    fn next(&mut self) {
        self.done += 1;
        (self.progress)(self.done, self.total);
    }

    fn end(&mut self) {
        (self.progress)(self.total, self.total);
    }
}

/// That a file gives no weight to any place.
fn weightless(weights: &WeightSummary) -> Option<Note> {
    match &weights.source {
        WeightSource::File { name, .. } if weights.total <= 0.0 => {
            Some(Note::NoWeight { file: name.clone() })
        }
        _ => None,
    }
}

/// The lead's rule, if it is asked for.
fn top_countries(
    (options, nodes): (&Options, usize),
    first: Option<&ClassPart>,
    halves: Option<&Halves<'_>>,
) -> Option<TopCountries> {
    let (count, part) = options.top_countries.zip(first)?;
    let two_terms = halves.is_some_and(Halves::are_terms);
    let halves = part.halves.as_ref();
    Some(top::countries(
        &part.class,
        count,
        (&options.targets, nodes),
        halves,
        two_terms,
    ))
}

fn summary(weights: &Weights, total: f64) -> WeightSummary {
    WeightSummary {
        kind: weights.kind(),
        total,
        source: weights.source().clone(),
        internet: weights.internet(),
    }
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
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) prepared: &'a Prepared<'a>,
    pub(super) matrix: &'a Matrix,
    pub(super) statistic: Statistic,
    pub(super) weights: &'a Weights,
    pub(super) budgets: &'a [f64],
    pub(super) options: &'a Options,
}

/// One class, and what only the report as a whole needs of it.
struct ClassPart {
    class: ClassReport,
    forecast: Forecast,
    halves: Option<[Vec<Region>; 2]>,
}

impl Ground<'_> {
    /// The part of one access class; `None` if no vantage has it.
    fn class(
        &self,
        access: AccessClass,
        halves: Option<&Halves<'_>>,
        random: &mut impl Rng,
    ) -> Option<ClassPart> {
        let (mut class, forecast) = self.whole(access, true, random)?;
        let mut regions = None;
        if let Some(halves) = halves
            && let Some((trend, of_halves)) = halves.class(self, (access, &class), random)
        {
            class.depth.trend = Some(trend);
            regions = Some(of_halves);
        }
        Some(ClassPart {
            class,
            forecast,
            halves: regions,
        })
    }

    /// The same without predictions.
    pub(super) fn measured(&self, access: AccessClass, random: &mut impl Rng) -> Option<ClassReport> {
        self.whole(access, false, random).map(|(class, _)| class)
    }

    /// The shares of one class by other weights.
    fn beside(&self, access: AccessClass, random: &mut impl Rng) -> Option<Beside> {
        let (class, _) = self.whole(access, true, random)?;
        Some(Beside {
            weights: summary(self.weights, class.total_weight),
            known_share: class.known_share(),
            shares_predicted: class.predicted.map(|predicted| predicted.shares),
            shares: class.shares,
        })
    }

    fn whole(
        &self,
        access: AccessClass,
        predict: bool,
        random: &mut impl Rng,
    ) -> Option<(ClassReport, Forecast)> {
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
        let mut class = self.measured_class(access, &field);
        let predicted = match predict && self.options.predict {
            true => self.predicted(&mut class, &field, random),
            false => Err(WhyNot::NotAsked),
        };
        let forecast = predicted.map_or_else(Forecast::Missing, Forecast::Made);
        class.places = speakers.places;
        class.vantages = reports;
        Some((class, forecast))
    }

    /// All but the places and the vantages themselves.
    fn measured_class(&self, access: AccessClass, field: &Field<'_>) -> ClassReport {
        let (speakers, reports) = (field.speakers, field.reports);
        let within = shares::within(field);
        let mut at_budgets = shares::at_budgets(field, VantageReport::standing);
        shares::add_intervals(&mut at_budgets, within.as_deref());
        let (countries, continents) = regions::regions(field);
        let (whole, known) = (speakers.amount.whole(), speakers.amount.known());
        let heaviest = headline::heaviest(reports);
        let measured = field.vantages.iter().zip(reports);
        let measured = measured.filter(|(_, report)| report.best.is_some());
        let measuring: Vec<&Vantage> = measured.map(|(&vantage, _)| vantage).collect();
        let heaviest_weight = heaviest.map_or(0.0, |index| reports[index].weight);
        let first = super::first_budget(self.options.target_ms, &at_budgets);
        let targets = depth::targets(reports, whole, &at_budgets[first], &self.options.targets);
        ClassReport {
            access,
            witnesses: Witnesses::of(field.vantages),
            measuring: Witnesses::of(&measuring),
            total_weight: whole,
            known_weight: known,
            heaviest,
            withheld: headline::withheld(known, whole, heaviest_weight),
            shares: at_budgets,
            survives: shares::at_budgets(field, VantageReport::standing_after_any_loss),
            worst_losses: shares::worst_losses(field),
            regions: countries,
            continents,
            subdivisions: match self.options.subdivisions {
                true => regions::subdivisions(field),
                false => Vec::new(),
            },
            vantages: Vec::new(),
            places: Vec::new(),
            predicted: None,
            depth: Depth {
                backup: depth::backup(reports),
                targets,
                by_km: ByKm::measured(field).finish(),
                by_km_predicted: None,
                trend: None,
            },
        }
    }

    /// Adds what is predicted to what one class measured.
    fn predicted(
        &self,
        class: &mut ClassReport,
        field: &Field<'_>,
        random: &mut impl Rng,
    ) -> Result<Method, WhyNot> {
        let time = |vantage: usize, node: usize| self.matrix.ms(field.members[vantage], node);
        let beside = forecast::Further {
            mesh: self.options.mesh.as_ref(),
            echoes: &self.prepared.between(field.members, self.statistic),
            eyes: &self.prepared.eyes,
            candidates: &self.options.candidates,
        };
        let known = Known::new(field.vantages, field.nodes, beside, time);
        let prior = self.options.prior.get();
        let fitted = known.fit(prior)?;
        let names: Vec<String> = field.nodes.iter().map(|node| node.name.clone()).collect();
        let offset = |country| self.options.offsets.in_class(class.access, country);
        let draws = self.options.replicates;
        let timing = |vantage: usize, node: usize, draw: usize| {
            let ms = self.matrix.ms(field.members[vantage], node)?;
            let of_days = self.matrix.replicate(field.members[vantage], node, draw);
            Some((ms, of_days.map_or(0.0, |drawn| drawn - ms)))
        };
        let themselves = self.weights.are_of_vantages();
        let beside = forecast::Beside {
            total_weight: class.total_weight,
            budgets: self.budgets,
            shares: &class.shares,
            survives: &class.survives,
            spoken: match themselves {
                true => forecast::Spoken::Themselves {
                    within: shares::within(field),
                    sums: shares::sums(field, draws),
                },
                false => forecast::Spoken::Cities(&timing),
            },
            node_names: &names,
            offset: &offset,
            draws,
        };
        let places = field.speakers.places.iter();
        let drawn = places.filter(|place| !themselves || place.speaker.is_none());
        let trust = Trust::new(&fitted.measured, prior, &field.speakers.places);
        let subdivided = match self.options.subdivisions {
            true => forecast::subdivided(drawn.clone(), forecast::DEGREES),
            false => Vec::new(),
        };
        let cells = (forecast::gather(drawn, forecast::DEGREES), &subdivided);
        let predicted = forecast::Predicted::new(&beside, (&fitted, &trust), cells, random);
        let of = |regions: &[Region]| -> Vec<_> {
            regions
                .iter()
                .map(|region| predicted.region(region, &beside))
                .collect()
        };
        let (countries, continents) = (of(&class.regions), of(&class.continents));
        let subdivisions = of(&class.subdivisions);
        let by_km = forecast::by_km(&ByKm::measured(field), &predicted);
        let of_class = predicted.class;
        let regions = class.regions.iter_mut().chain(&mut class.continents);
        let regions = regions.chain(&mut class.subdivisions);
        for (region, predicted) in regions.zip(countries.into_iter().chain(continents).chain(subdivisions)) {
            region.predicted = predicted;
        }
        class.predicted = Some(of_class);
        class.depth.by_km_predicted = by_km;
        Ok(Method {
            prior: prior.map(|prior| prior.source().to_owned()),
            own_pairs: fitted.predictor.pairs(),
            reach_km: REACH_KM,
            covered: COVERED,
            draws,
        })
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
            offset_ms: self.options.offsets.in_class(vantage.access, vantage.country),
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
