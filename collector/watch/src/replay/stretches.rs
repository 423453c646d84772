//! Runs of checks that say the same, kept as stretches of a grid: a node that is dead for a month takes a few.

use std::collections::BTreeMap;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::spans::Span;

/// Whose run it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CellKey {
    /// The probe.
    pub probe: ProbeId,
    /// The target.
    pub target: TargetId,
    /// The check.
    pub kind: Kind,
}

/// Runs, by check and in order of time, each with a word `W`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Row<W>>", into = "Vec<Row<W>>")]
#[serde(bound(
    serialize = "W: Copy + Eq + Serialize",
    deserialize = "W: Copy + Deserialize<'de>"
))]
pub struct Stretches<W> {
    cells: BTreeMap<CellKey, Vec<Stretch<W>>>,
}

/// Runs of one check that say the same, one step apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch<W> {
    /// The slot of the first.
    pub first: UnixMillis,
    /// The slot of the last.
    pub last: UnixMillis,
    /// What they say.
    pub word: W,
    step_ms: u64,
}

/// The stretches of one check, word and step as they are written: of each how long after the last one's end it begins,
/// and how many runs follow its first.
#[derive(Serialize, Deserialize)]
struct Row<W>(CellKey, W, u64, Vec<i64>);

impl<W> Default for Stretches<W> {
    fn default() -> Self {
        Self {
            cells: BTreeMap::new(),
        }
    }
}

impl<W: Copy + Eq> Stretches<W> {
    /// Takes a run in, in order of time. The next that says the same is expected `step_ms` later.
    pub(crate) fn add(&mut self, cell: CellKey, (slot, word): (UnixMillis, W), step_ms: u64) {
        let stretch = Stretch {
            first: slot,
            last: slot,
            word,
            step_ms: step_ms.max(1),
        };
        self.push(cell, stretch);
    }

    fn push(&mut self, cell: CellKey, stretch: Stretch<W>) {
        let stretches = self.cells.entry(cell).or_default();
        match stretches.last_mut() {
            Some(last) if last.goes_on_with(&stretch) => last.last = stretch.last,
            _ => stretches.push(stretch),
        }
    }

    /// Takes in what followed.
    pub(crate) fn extend(&mut self, next: Self) {
        for (cell, stretches) in next.cells {
            for stretch in stretches {
                self.push(cell, stretch);
            }
        }
    }

    /// Those from inclusive, until exclusive.
    pub(crate) fn within(&mut self, span: Span) {
        for stretches in self.cells.values_mut() {
            let inside = stretches.iter().filter_map(|stretch| stretch.within(span));
            *stretches = inside.collect();
        }
        self.cells.retain(|_, stretches| !stretches.is_empty());
    }

    /// The stretches of each check.
    pub fn cells(&self) -> impl Iterator<Item = (CellKey, &[Stretch<W>])> {
        self.cells.iter().map(|(&cell, stretches)| (cell, &stretches[..]))
    }

    /// Each run, by check.
    pub fn iter(&self) -> impl Iterator<Item = (CellKey, UnixMillis, W)> + '_ {
        self.cells().flat_map(|(cell, stretches)| {
            let runs = stretches
                .iter()
                .flat_map(|stretch| stretch.slots().map(|slot| (slot, stretch.word)));
            runs.map(move |(slot, word)| (cell, slot, word))
        })
    }

    /// How much is kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.cells.values().map(Vec::len).sum()
    }
}

impl<W: Copy + Eq> Stretch<W> {
    /// The slot of each.
    pub fn slots(&self) -> impl Iterator<Item = UnixMillis> + use<W> {
        let step = usize::try_from(self.step_ms).unwrap_or(usize::MAX);
        (self.first.0..=self.last.0).step_by(step).map(UnixMillis)
    }

    /// How many.
    #[must_use]
    pub const fn runs(&self) -> u64 {
        (self.last.0 - self.first.0) / self.step_ms + 1
    }

    /// Those from inclusive, until exclusive; `None` if there are none.
    #[must_use]
    pub fn within(&self, (from, until): Span) -> Option<Self> {
        let before = from.0.saturating_sub(self.first.0).div_ceil(self.step_ms);
        let first = UnixMillis(self.first.0.checked_add(before.checked_mul(self.step_ms)?)?);
        if first > self.last || first >= until {
            return None;
        }
        let after = (self.last.min(UnixMillis(until.0 - 1)).0 - first.0) / self.step_ms;
        Some(Self {
            first,
            last: UnixMillis(first.0 + after * self.step_ms),
            ..*self
        })
    }

    fn goes_on_with(&self, next: &Self) -> bool {
        let is_alike = self.word == next.word && self.step_ms == next.step_ms;
        is_alike && next.first.0 == self.last.0 + self.step_ms
    }
}

impl<W: Copy + Eq> From<Stretches<W>> for Vec<Row<W>> {
    fn from(stretches: Stretches<W>) -> Self {
        let mut rows: Self = Vec::new();
        for (cell, mut stretches) in stretches.cells {
            stretches.sort_by_key(|stretch| stretch.first); // what waited for a word came later
            let of_cell = rows.len();
            let mut ends: Vec<u64> = Vec::new();
            for stretch in stretches {
                let alike = |row: &Row<W>| row.1 == stretch.word && row.2 == stretch.step_ms;
                let place = rows[of_cell..].iter().position(alike).unwrap_or_else(|| {
                    rows.push(Row(cell, stretch.word, stretch.step_ms, Vec::new()));
                    ends.push(0);
                    ends.len() - 1
                });
                let after = stretch.first.0.cast_signed() - ends[place].cast_signed();
                let more = (stretch.runs() - 1).cast_signed();
                rows[of_cell + place].3.extend([after, more]);
                ends[place] = stretch.last.0;
            }
        }
        rows
    }
}

impl<W: Copy> From<Vec<Row<W>>> for Stretches<W> {
    fn from(rows: Vec<Row<W>>) -> Self {
        let mut stretches = Self::default();
        for Row(cell, word, step_ms, numbers) in rows {
            let step_ms = step_ms.max(1);
            let of_cell = stretches.cells.entry(cell).or_default();
            let mut end = 0_u64;
            for pair in numbers.chunks_exact(2) {
                let first = end.saturating_add_signed(pair[0]);
                end = first.saturating_add(pair[1].unsigned_abs().saturating_mul(step_ms));
                of_cell.push(Stretch {
                    first: UnixMillis(first),
                    last: UnixMillis(end),
                    word,
                    step_ms,
                });
            }
        }
        for of_cell in stretches.cells.values_mut() {
            of_cell.sort_by_key(|stretch| stretch.first);
        }
        stretches
    }
}

#[cfg(test)]
mod tests {
    use isochrone_proto::kind::{Check, Family};
    use proptest::prelude::*;

    use super::*;

    fn cell(number: u64) -> CellKey {
        CellKey {
            probe: ProbeId(number),
            target: TargetId(9),
            kind: Kind::new(Check::Connect, Family::V4),
        }
    }

    proptest! {
        /// The oracle keeps each run by itself.
        #[test]
        fn runs_are_the_oracles_cut_anywhere_joined_and_written_down(
            runs in prop::collection::btree_map((0u64..3, 0u64..40), 0u8..3, 0..60),
            (from, until, cut) in (0u64..400, 0u64..400, 0u64..40),
        ) {
            let (mut one, mut other) = (Stretches::default(), Stretches::default());
            for (&(probe, round), &word) in &runs {
                let of = if round < cut { &mut one } else { &mut other };
                of.add(cell(probe), (UnixMillis(round * 10), word), 10);
            }
            one.extend(other);
            let text = serde_json::to_string(&one).unwrap();
            let mut read: Stretches<u8> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read, &one);
            let count: u64 = one.cells().flat_map(|(_, of)| of).map(Stretch::runs).sum();
            prop_assert_eq!(count as usize, runs.len());
            read.within((UnixMillis(from), UnixMillis(until)));
            let got: Vec<_> = read.iter().map(|(cell, slot, word)| (cell.probe.0, slot.0, word)).collect();
            let oracle = runs.iter().map(|(&(probe, round), &word)| (probe, round * 10, word));
            let oracle: Vec<_> = oracle.filter(|(_, slot, _)| (from..until).contains(slot)).collect();
            prop_assert_eq!(got, oracle);
        }
    }
}
