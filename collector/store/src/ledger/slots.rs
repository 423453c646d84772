//! The slots of one check in one epoch, for finding those that stand twice: bounded by what is irregular about
//! them, not by how many there are.

/// A set of slots that is filled roughly in their order. Slots at equal distances cost nothing more; one that
/// comes late costs a number.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// In order; they do not overlap.
    runs: Vec<Run>,
    late: Vec<u64>,
}

/// `first`, `first + step`, …, `last`.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    last: u64,
    step: u64,
}

impl Run {
    fn holds(&self, slot: u64) -> bool {
        let offset = slot.checked_sub(self.first).filter(|_| slot <= self.last);
        offset.is_some_and(|offset| offset == 0 || (self.step > 0 && offset.is_multiple_of(self.step)))
    }
}

impl Slots {
    pub(super) fn add(&mut self, slot: u64) {
        match self.runs.last_mut() {
            Some(run) if slot <= run.last => self.late.push(slot),
            Some(run) if run.step == 0 => (run.last, run.step) = (slot, slot - run.first),
            Some(run) if slot - run.last == run.step => run.last = slot,
            _ => self.runs.push(Run {
                first: slot,
                last: slot,
                step: 0,
            }),
        }
    }

    /// How many of the added slots had been added before.
    pub(super) fn doubles(mut self) -> u64 {
        self.late.sort_unstable();
        let of_late = self.late.windows(2).filter(|pair| pair[0] == pair[1]).count();
        self.late.dedup();
        let of_runs = self.late.iter().filter(|slot| self.is_in_a_run(**slot)).count();
        (of_late + of_runs) as u64
    }

    fn is_in_a_run(&self, slot: u64) -> bool {
        let place = self.runs.partition_point(|run| run.last < slot);
        self.runs.get(place).is_some_and(|run| run.holds(slot))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn month_of_regular_slots_costs_no_more_than_its_gaps() {
        let mut slots = Slots::default();
        for number in (0..259_200).filter(|number| number % 50_000 != 7) {
            slots.add(number * 10_000);
        }
        assert!(
            slots.runs.len() < 20 && slots.late.is_empty(),
            "{}",
            slots.runs.len()
        );
        slots.add(20_000);
        assert_eq!(slots.doubles(), 1);
    }

    proptest! {
        /// The oracle keeps every slot.
        #[test]
        fn doubles_agree_with_the_oracle(added in prop::collection::vec(0_u64..60, 0..80)) {
            let (mut slots, mut oracle, mut doubles) = (Slots::default(), BTreeSet::new(), 0);
            for slot in added {
                slots.add(slot);
                doubles += u64::from(!oracle.insert(slot));
            }
            prop_assert_eq!(slots.doubles(), doubles);
        }
    }
}
