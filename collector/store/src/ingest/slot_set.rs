//! Which slots of a check were seen, exactly and cheaply.
//!
//! Slots come nearly in order, and every planned slot is run or skipped, so what was seen is one growing
//! run of slot numbers and, for a while, a few more.

use crate::{Malformed, RowReader, RowWriter};

/// A set of slot numbers, counted from the first slot of an adoption.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SlotSet {
    /// The highest run: `tail.0..tail.1`; empty if equal.
    tail: (u32, u32),
    /// The runs below, in order, apart from each other and from the tail.
    below: Vec<(u32, u32)>,
}

/// Above this many runs the lowest hole counts as seen: a measurement for it would be refused, not doubled.
const RUNS_MAX: usize = 4_096;

impl SlotSet {
    /// Adds one slot; false if it was there.
    #[inline]
    pub(super) fn add(&mut self, slot: u32) -> bool {
        if slot == self.tail.1 && self.tail.0 != self.tail.1 {
            self.tail.1 += 1;
            return true;
        }
        self.add_run(slot, slot.saturating_add(1))
    }

    /// Adds `from..until`, which is not empty; false, and nothing is added, if any of it was there.
    pub(super) fn add_run(&mut self, from: u32, until: u32) -> bool {
        let (low, high) = self.tail;
        if low == high {
            self.tail = (from, until);
            return true;
        }
        if from >= high {
            if from == high {
                self.tail.1 = until;
            } else {
                self.below.push(self.tail);
                self.tail = (from, until);
                self.bound();
            }
            return true;
        }
        if until > low {
            return false;
        }
        self.add_below(from, until)
    }

    fn add_below(&mut self, from: u32, until: u32) -> bool {
        let place = self.below.partition_point(|run| run.0 < from);
        let overlaps_before = place > 0 && self.below[place - 1].1 > from;
        let overlaps_after = self.below.get(place).is_some_and(|run| run.0 < until);
        if overlaps_before || overlaps_after {
            return false;
        }
        let joins_before = place > 0 && self.below[place - 1].1 == from;
        if joins_before {
            self.below[place - 1].1 = until;
        } else {
            self.below.insert(place, (from, until));
        }
        let run = if joins_before { place - 1 } else { place };
        let joins_after = self.below.get(run + 1).is_some_and(|next| next.0 == until);
        if joins_after {
            self.below[run].1 = self.below[run + 1].1;
            self.below.remove(run + 1);
        } else if run + 1 == self.below.len() && self.tail.0 == until {
            self.tail.0 = self.below[run].0;
            self.below.pop();
        }
        self.bound();
        true
    }

    /// Takes `from..until` out again; it was added as a whole.
    pub(super) fn remove_run(&mut self, from: u32, until: u32) {
        let mut runs = std::mem::take(&mut self.below);
        if self.tail.0 != self.tail.1 {
            runs.push(self.tail);
        }
        let mut kept = Vec::with_capacity(runs.len() + 1);
        for (low, high) in runs {
            kept.push((low, high.min(from)));
            kept.push((low.max(until), high));
        }
        kept.retain(|(low, high)| low < high);
        self.tail = kept.pop().unwrap_or_default();
        self.below = kept;
    }

    /// The highest slot that was added.
    pub(super) fn last(&self) -> Option<u32> {
        (self.tail.0 != self.tail.1).then(|| self.tail.1 - 1)
    }

    fn bound(&mut self) {
        if self.below.len() > RUNS_MAX {
            self.below[0].1 = self.below[1].1;
            self.below.remove(1);
        }
    }

    pub(super) fn write(&self, row: &mut RowWriter) {
        let empty = self.tail.0 == self.tail.1;
        let runs = self.below.len() as u64 + u64::from(!empty);
        row.number(runs);
        let mut last = 0;
        let tail = (!empty).then_some(self.tail);
        for (low, high) in self.below.iter().copied().chain(tail) {
            row.number(u64::from(low - last)).number(u64::from(high - low));
            last = high;
        }
    }

    pub(super) fn read(row: &mut RowReader<'_>) -> Result<Self, Malformed> {
        let mut seen = Self::default();
        let mut last = 0_u32;
        for _ in 0..row.number("runs")? {
            let gap: u32 = row.narrow("gap")?;
            let length: u32 = row.narrow("length")?;
            let low = last.checked_add(gap);
            let high = low.and_then(|low| low.checked_add(length));
            let (Some(low), Some(high)) = (low, high) else {
                return Err(Malformed::Unknown {
                    field: "length",
                    found: u64::from(length),
                });
            };
            if seen.tail.0 != seen.tail.1 {
                seen.below.push(seen.tail);
            }
            seen.tail = (low, high);
            last = high;
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_adds_and_removes_agree_with_a_set(
            steps in proptest::collection::vec((0_u32..80, 1_u32..6, any::<bool>()), 0..120),
        ) {
            let (mut seen, mut oracle) = (SlotSet::default(), BTreeSet::new());
            let mut added = Vec::new();
            for (from, length, undo) in steps {
                let until = from + length;
                let fresh = (from..until).all(|slot| !oracle.contains(&slot));
                let answer = if length == 1 { seen.add(from) } else { seen.add_run(from, until) };
                prop_assert_eq!(answer, fresh);
                if fresh {
                    oracle.extend(from..until);
                    added.push((from, until));
                }
                if undo && let Some((from, until)) = added.pop() {
                    seen.remove_run(from, until);
                    for slot in from..until {
                        oracle.remove(&slot);
                    }
                }
                let mut row = RowWriter::version(1);
                seen.write(&mut row);
                let mut reader = RowReader::new(&row.0, 1).unwrap();
                prop_assert_eq!(&SlotSet::read(&mut reader).unwrap(), &seen);
                let runs: Vec<_> = seen.below.iter().copied().chain([seen.tail]).collect();
                prop_assert_eq!(runs.iter().flat_map(|run| run.0..run.1).collect::<BTreeSet<_>>(), oracle.clone());
                prop_assert!(runs.windows(2).all(|pair| pair[0].1 < pair[1].0));
            }
        }
    }

    #[test]
    fn too_many_holes_close_the_lowest() {
        let mut seen = SlotSet::default();
        for slot in 0..2 * RUNS_MAX as u32 + 10 {
            assert!(seen.add(2 * slot));
        }
        assert!(seen.below.len() <= RUNS_MAX);
        assert!(!seen.add(1), "the lowest hole counts as seen");
        assert!(seen.add(4 * RUNS_MAX as u32 + 17), "a high hole is still open");
    }
}
