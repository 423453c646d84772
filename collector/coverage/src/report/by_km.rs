//! The players choose the node whose claimed place is nearest by great circle; what that costs against the best one.

use super::depth::{ByKilometres, Detour};
use super::matrix::Matrix;
use super::regions::Field;
use crate::observations::Node;

/// A node this much slower than the best, or this share of its time, is not as good.
const TIE_MS: f64 = 2.0;
const TIE_SHARE: f64 = 0.05;
/// Places named.
const WORST: usize = 8;

/// Whether a place that is sent to one node would be better off with the best.
pub(super) fn misled(chosen_ms: f64, best_ms: f64) -> bool {
    chosen_ms - best_ms > TIE_MS.max(TIE_SHARE * best_ms)
}

/// Sums over places.
#[derive(Clone, Debug, Default)]
pub(super) struct ByKm {
    chosen: f64,
    best: f64,
    weight: f64,
    misled: f64,
    pub(super) worst: Vec<Detour>,
}

impl ByKm {
    /// What a class measured: vantages that carry weight, and measured the node that is nearest to them.
    pub(super) fn measured(field: &Field<'_>) -> Self {
        let mut sum = Self::default();
        for (index, report) in field.reports.iter().enumerate() {
            let (vantage, weight) = (field.members[index], report.weight);
            let Some((chosen, chosen_ms)) = nearest(field, index, vantage) else {
                continue;
            };
            let Some(best) = report.best.as_ref().filter(|_| weight > 0.0) else {
                continue;
            };
            let worse = misled(chosen_ms, best.ms);
            sum.add(weight, (chosen_ms, best.ms), if worse { 1.0 } else { 0.0 });
            if worse {
                sum.worst.push(Detour {
                    place: report.name.clone(),
                    chosen: chosen.name.clone(),
                    best: best.node.clone(),
                    cost_ms: chosen_ms - best.ms,
                    weight,
                });
            }
        }
        sum
    }

    pub(super) fn add(&mut self, weight: f64, (chosen_ms, best_ms): (f64, f64), misled: f64) {
        self.weight += weight;
        self.chosen += weight * chosen_ms;
        self.best += weight * best_ms;
        self.misled += weight * misled;
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.weight += other.weight;
        self.chosen += other.chosen;
        self.best += other.best;
        self.misled += other.misled;
        self.worst.extend(other.worst);
        self
    }

    pub(super) fn finish(mut self) -> Option<ByKilometres> {
        let cost = |detour: &Detour| detour.cost_ms * detour.weight;
        self.worst.sort_by(|a, b| cost(b).total_cmp(&cost(a)));
        self.worst.truncate(WORST);
        (self.weight > 0.0).then(|| ByKilometres {
            chosen_ms: self.chosen / self.weight,
            best_ms: self.best / self.weight,
            weight: self.weight,
            misled_weight: self.misled,
            worst: self.worst,
        })
    }
}

/// The node nearest by kilometres that counts for a vantage, and the time to it.
fn nearest<'a>(field: &Field<'a>, index: usize, vantage: usize) -> Option<(&'a Node, f64)> {
    let (matrix, facts): (&Matrix, _) = (field.matrix, field.vantages[index]);
    let counted = field
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| !facts.owns(node));
    let placed = counted.filter_map(|(at, node)| Some((at, *node, node.position?)));
    let km = |position| facts.position.distance_km(position);
    let (at, node, _) = placed.min_by(|a, b| km(a.2).total_cmp(&km(b.2)))?;
    Some((node, matrix.ms(vantage, at)?))
}
