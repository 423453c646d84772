//! For each point: which site of a set is nearest, and what that and the next one cost.

use super::Costs;
use super::costs::LANES;

/// By point; `slot` is a number in the set.
pub(crate) struct Near {
    pub(super) slot: Vec<u32>,
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
}

impl Near {
    pub(crate) fn of(costs: &Costs, set: &[usize]) -> Self {
        let points = costs.points();
        let mut near = Self {
            slot: vec![0; points],
            first: vec![f32::INFINITY; points],
            second: vec![f32::INFINITY; points],
        };
        near.again(costs, set);
        near
    }

    /// The same of another set.
    pub(super) fn again(&mut self, costs: &Costs, set: &[usize]) {
        self.first.fill(f32::INFINITY);
        self.second.fill(f32::INFINITY);
        for (slot, &site) in set.iter().enumerate() {
            let points = self.first.iter_mut().zip(&mut self.second).zip(&mut self.slot);
            for (((first, second), nearest), &cost) in points.zip(costs.column(site)) {
                let nearer = cost < *first;
                let next = if cost < *second { cost } else { *second };
                *second = if nearer { *first } else { next };
                *nearest = if nearer { slot as u32 } else { *nearest };
                *first = if nearer { cost } else { *first };
            }
        }
    }

    /// The sum of what the nearest costs.
    pub(super) fn sum(&self) -> f64 {
        self.first.iter().map(|&cost| f64::from(cost)).sum()
    }

    /// What losing each site of the set would cost.
    pub(crate) fn losses(&self, losses: &mut [f64]) {
        losses.fill(0.0);
        for ((&slot, &first), &second) in self.slot.iter().zip(&self.first).zip(&self.second) {
            losses[slot as usize] += f64::from(second) - f64::from(first);
        }
    }

    /// What a further site would gain: not negative.
    pub(crate) fn gain(&self, column: &[f32]) -> f64 {
        let (first, column) = (self.first.chunks_exact(LANES), column.chunks_exact(LANES));
        let mut gain = 0.0;
        for (first, column) in first.zip(column) {
            let mut lanes = [0.0_f32; LANES];
            for (lane, (first, cost)) in lanes.iter_mut().zip(first.iter().zip(column)) {
                *lane = if cost < first { first - cost } else { 0.0 };
            }
            gain += f64::from(lanes.iter().sum::<f32>());
        }
        gain
    }

    /// FastPAM: what exchanging each site of the set for another would change, with `losses` as they are without any,
    /// written into `changes`. Only points to which the other is nearer than their second matter.
    pub(super) fn changes(&self, column: &[f32], losses: &[f64], changes: &mut [f64]) {
        changes.copy_from_slice(losses);
        let mut shared = 0.0;
        let chunks = column.chunks_exact(LANES).zip(self.second.chunks_exact(LANES));
        for (chunk, (column, second)) in chunks.enumerate() {
            let nearer = column
                .iter()
                .zip(second)
                .fold(0_u32, |any, (cost, second)| any | u32::from(cost < second));
            if nearer == 0 {
                continue;
            }
            let start = chunk * LANES;
            let first = &self.first[start..][..LANES];
            let slots = &self.slot[start..][..LANES];
            for lane in 0..LANES {
                let (cost, first, second) = (
                    f64::from(column[lane]),
                    f64::from(first[lane]),
                    f64::from(second[lane]),
                );
                if cost >= second {
                    continue;
                }
                if cost < first {
                    shared += cost - first;
                    changes[slots[lane] as usize] += first - second;
                } else {
                    changes[slots[lane] as usize] += cost - second;
                }
            }
        }
        changes.iter_mut().for_each(|change| *change += shared);
    }
}
