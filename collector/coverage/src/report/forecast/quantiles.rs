//! Where the drawn times of each cell lie, and how they stand to the budgets.

use super::{Beside, Cell, Tally, World};
use crate::report::{Interval, Standing};

/// By budget: how each cell's nearest and next node stand to it.
pub(super) struct Standings {
    pub(super) nearest: Vec<Vec<Standing>>,
    pub(super) next: Vec<Vec<Standing>>,
}

/// The ends and the middle of what was drawn for each cell.
pub(super) struct Quantiles {
    pub(super) nearest: Vec<Spread>,
    pub(super) next: Vec<Spread>,
}

#[derive(Clone, Copy)]
pub(super) struct Spread {
    low: f32,
    pub(super) middle: f32,
    high: f32,
}

impl Spread {
    /// Nothing was drawn.
    const NOTHING: Self = Self {
        low: 0.0,
        middle: f32::NAN,
        high: f32::INFINITY,
    };

    fn of(values: &mut [f32], complete: bool) -> Self {
        let count = values.len();
        let mut at = |share: f64| {
            let rank = ((share * count as f64).ceil() as usize).clamp(1, count) - 1;
            *values.select_nth_unstable_by(rank, f32::total_cmp).1
        };
        Self {
            // A node whose place is not known may be nearer than all others.
            low: if complete { at(0.05) } else { 0.0 },
            middle: at(0.5),
            high: at(0.95),
        }
    }

    pub(super) fn interval(self) -> Interval {
        Interval {
            low: f64::from(self.low),
            high: f64::from(self.high),
        }
    }
}

impl Quantiles {
    /// Cells that a vantage speaks for have nothing.
    pub(super) fn of(tallies: &[Tally], cells: &[Cell], complete: bool) -> Self {
        let mut values = Vec::new();
        let mut spread = |drawn: &mut dyn Iterator<Item = f32>| {
            values.clear();
            values.extend(drawn);
            match values.is_empty() {
                true => Spread::NOTHING,
                false => Spread::of(&mut values, complete),
            }
        };
        let mut quantiles = Self {
            nearest: Vec::with_capacity(cells.len()),
            next: Vec::with_capacity(cells.len()),
        };
        for (cell, one) in cells.iter().enumerate() {
            if one.speaker.is_some() {
                quantiles.nearest.push(Spread::NOTHING);
                quantiles.next.push(Spread::NOTHING);
                continue;
            }
            let nearest = spread(&mut tallies.iter().flat_map(|tally| tally.nearest(cell)));
            quantiles.nearest.push(nearest);
            let next = spread(&mut tallies.iter().flat_map(|tally| tally.next(cell)));
            quantiles.next.push(next);
        }
        quantiles
    }

    pub(super) fn standings(&self, world: &World, beside: &Beside<'_>) -> Standings {
        let offsets: Vec<f64> = world
            .cells
            .iter()
            .map(|cell| (beside.offset)(cell.country))
            .collect();
        let at = |spreads: &[Spread]| {
            let budget = |&budget: &f64| {
                let standing = |(spread, offset): (&Spread, &f64)| {
                    let time = (f64::from(spread.middle), Some(spread.interval()));
                    Standing::of(Some(time), budget - offset, false)
                };
                spreads.iter().zip(&offsets).map(standing).collect()
            };
            beside.budgets.iter().map(budget).collect()
        };
        Standings {
            nearest: at(&self.nearest),
            next: at(&self.next),
        }
    }
}
