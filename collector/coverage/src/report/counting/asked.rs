//! Where measurements would decide: what each node's verdict hangs on, and what the whole does.

use std::collections::BTreeMap;

use super::candidates::city;
use super::choose::Table;
use super::stage::Stage;
use crate::country::Country;
use crate::geo::{Position, UnitVector};
use crate::report::count::Wanted;
use crate::report::{ClassPrediction, Interval, PredictedCell};

/// Places named as those where measurements would decide most.
const WANTED: usize = 8;
/// Nearer than this to one that is named already a place is not named.
const NEW_KM: f64 = 500.0;
/// What an interval might span where nothing is predicted.
const UNKNOWN_MS: f64 = 300.0;
/// Places named for one node.
const NAMED: usize = 3;

/// Cells with what is open about each.
pub(super) struct Asked<'a> {
    stage: &'a Stage,
    table: Table,
    nodes: Vec<usize>,
    predicted: Option<&'a ClassPrediction>,
    /// By cell: how far the time to its nearest node may lie apart, in milliseconds; 0 where it was measured.
    widths: Vec<f64>,
}

impl<'a> Asked<'a> {
    /// Intervals are those of the report on coverage: of the nearest node, whichever it is in a draw.
    pub(super) fn new(stage: &'a Stage, predicted: Option<&'a ClassPrediction>) -> Self {
        let mut known: BTreeMap<Option<Country>, Vec<(UnitVector, Interval)>> = BTreeMap::new();
        for cell in predicted.iter().flat_map(|class| &class.cells) {
            if let Some(nearest) = &cell.nearest {
                let of_country = known.entry(cell.country).or_default();
                of_country.push((cell.position.unit(), nearest.interval));
            }
        }
        let width = |country: Option<Country>, position: Position| {
            let here = position.unit();
            let squared = |one: &&(UnitVector, Interval)| one.0.chord_squared(here);
            let of_country = known.get(&country).into_iter().flatten();
            let nearest = of_country.min_by(|a, b| squared(a).total_cmp(&squared(b)));
            nearest.map_or(0.0, |(_, interval)| interval.high - interval.low)
        };
        let widths = stage.cells().iter().map(|cell| match cell.speaker {
            None => width(cell.country, cell.position),
            Some(_) => 0.0,
        });
        Self {
            widths: widths.collect(),
            table: stage.table(&[]),
            nodes: stage.priceable(),
            stage,
            predicted,
        }
    }

    /// The weight that is nearest to a node, and the places whose measurement would decide about it: the heaviest that
    /// are only predicted, with the widest intervals; then those that might be nearest to it as well; if there are
    /// none, those it is least behind in.
    pub(super) fn around(&self, node: usize) -> (f64, Vec<String>) {
        let (mut weight, mut own, mut near, mut all) = (0.0, Vec::new(), Vec::new(), Vec::new());
        for (cell, &width) in self.widths.iter().enumerate() {
            let of_cell = self.table.weights[cell];
            let (row, first) = self.table.nearest(cell, &self.nodes);
            let behind = row[node] - first;
            all.push((-behind, cell));
            if behind <= 0.0 {
                weight += of_cell;
                own.push((of_cell * width, cell));
            } else {
                near.push((of_cell * (width - behind), cell));
            }
        }
        let mut open: Vec<usize> = Vec::new();
        for list in [&mut own, &mut near] {
            list.retain(|(worth, _)| *worth > 0.0);
            list.sort_by(|a, b| b.0.total_cmp(&a.0));
            open.extend(list.iter().map(|(_, cell)| *cell));
        }
        if open.is_empty() {
            all.sort_by(|a, b| b.0.total_cmp(&a.0));
            open.extend(all.iter().map(|(_, cell)| *cell));
        }
        (weight, self.named(&open))
    }

    /// Names of cells, each city once.
    fn named(&self, cells: &[usize]) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for cell in cells.iter().map(|&cell| &self.stage.cells()[cell]) {
            let name = city(cell.position, cell.country).map(|(name, _)| name);
            names.extend(name.filter(|name| !names.contains(name)));
            if names.len() == NAMED {
                break;
            }
        }
        names
    }

    /// Where measurements would decide most, the most first.
    pub(super) fn wanted(&self) -> Vec<Wanted> {
        let mut all: Vec<(f64, Wanted)> = match self.predicted {
            Some(class) => class.cells.iter().map(open).collect(),
            None => {
                let unknown = self.stage.unknown().iter();
                unknown
                    .map(|cell| wanted(cell.position, cell.weight, None))
                    .collect()
            }
        };
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut chosen: Vec<Wanted> = Vec::new();
        for (_, mut one) in all {
            if chosen.len() == WANTED {
                break;
            }
            let near = |other: &Wanted| other.position.distance_km(one.position) < NEW_KM;
            if chosen.iter().any(near) {
                continue;
            }
            if let Some((name, position)) = city(one.position, None) {
                (one.place, one.position) = (name, position);
                chosen.push(one);
            }
        }
        chosen
    }
}

fn open(cell: &PredictedCell) -> (f64, Wanted) {
    let interval = cell.nearest.as_ref().map(|nearest| nearest.interval);
    wanted(cell.position, cell.weight, interval)
}

/// With what it is worth to measure there.
fn wanted(position: Position, weight: f64, interval: Option<Interval>) -> (f64, Wanted) {
    let width = interval.map_or(UNKNOWN_MS, |interval| interval.high - interval.low);
    let wanted = Wanted {
        place: String::new(),
        position,
        weight,
        interval,
    };
    (weight * width, wanted)
}
