//! A probe that fails alone too often. A fleet outage mutes nobody: there, no failure is lonely. Nor does one
//! broken path: the failures towards the target that it fails most are left out, or a path that is down for long
//! would silence its probe about all others.

use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::judge::anew::Anew;

/// Parts of the window, a minute each.
const PARTS: usize = 10;
const PART_MS: u64 = 60_000;
/// Above this share of lonely failures, in percent, a probe is sick.
const LONELY_PERCENT: u32 = 10;
/// Fewer lonely failures than this are chance, however few runs there are.
const LONELY_MIN: u32 = 3;

/// Runs and lonely failures of the last ten minutes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sick {
    parts: [Part; PARTS],
    runs: u32,
    alone: u32,
    /// The newest minute with a run, and the answer then.
    newest: u64,
    is_sick: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Part {
    minute: u64,
    runs: u32,
    alone: u32,
    /// Lonely failures by target.
    targets: Vec<(usize, u32)>,
}

impl Sick {
    /// The clock was set: each minute keeps its runs.
    pub(super) fn reckon(&mut self, anew: Anew<'_>) {
        let minute = |of: u64| anew(UnixMillis(of * PART_MS)).0 / PART_MS;
        let parts = std::mem::take(&mut self.parts);
        for mut part in parts.into_iter().filter(|part| part.minute > 0) {
            part.minute = minute(part.minute);
            let place = (part.minute % PARTS as u64) as usize;
            self.parts[place] = part;
        }
        if self.newest > 0 {
            self.newest = minute(self.newest);
        }
    }

    pub(super) fn ran(&mut self, at: UnixMillis) {
        let before = self.newest;
        if let Some(part) = self.part(at) {
            part.runs += 1;
            self.runs += 1;
        }
        // one run more makes nobody sick
        if self.is_sick || self.newest != before {
            self.is_sick = self.count(at);
        }
    }

    pub(super) fn failed_alone(&mut self, target: usize, at: UnixMillis) {
        if let Some(part) = self.part(at) {
            part.alone += 1;
            add(&mut part.targets, (target, 1));
            self.alone += 1;
        }
        self.is_sick = self.count(at);
    }

    pub(super) fn is_sick(&self, now: UnixMillis) -> bool {
        if now.0 / PART_MS == self.newest {
            self.is_sick
        } else {
            self.count(now)
        }
    }

    fn count(&self, now: UnixMillis) -> bool {
        if self.alone < LONELY_MIN {
            return false;
        }
        let oldest = (now.0 / PART_MS).saturating_sub(PARTS as u64 - 1);
        let parts = || self.parts.iter().filter(|part| part.minute >= oldest);
        let (runs, alone) = parts().fold((0, 0), |(runs, alone), part| {
            (runs + part.runs, alone + part.alone)
        });
        if alone * 100 <= runs * LONELY_PERCENT {
            return false;
        }
        let mut targets = Vec::new();
        parts()
            .flat_map(|part| &part.targets)
            .for_each(|of| add(&mut targets, *of));
        let worst = targets.into_iter().map(|(_, count)| count).max().unwrap_or(0);
        let elsewhere = alone - worst;
        elsewhere >= LONELY_MIN && elsewhere * 100 > runs * LONELY_PERCENT
    }

    /// The part of an instant; `None` if that is older than the window.
    fn part(&mut self, at: UnixMillis) -> Option<&mut Part> {
        let minute = at.0 / PART_MS;
        self.newest = self.newest.max(minute);
        let part = &mut self.parts[(minute % PARTS as u64) as usize];
        if part.minute < minute {
            self.runs -= part.runs;
            self.alone -= part.alone;
            (part.minute, part.runs, part.alone) = (minute, 0, 0);
            part.targets.clear();
        }
        (part.minute == minute).then_some(part)
    }
}

fn add(targets: &mut Vec<(usize, u32)>, (target, more): (usize, u32)) {
    match targets.iter_mut().find(|(of, _)| *of == target) {
        Some((_, count)) => *count += more,
        None => targets.push((target, more)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn at(second: u64) -> UnixMillis {
        UnixMillis(600_000_000 + second * 1_000)
    }

    /// A hundred runs over two targets, of which one in ten fails alone towards the first.
    fn a_tenth() -> Sick {
        let mut sick = Sick::default();
        for second in 0..100 {
            sick.ran(at(second));
            sick.ran(at(second));
            if second % 5 == 0 {
                sick.failed_alone(1, at(second));
            }
        }
        sick
    }

    #[test]
    fn more_than_a_tenth_of_lonely_failures_in_ten_minutes_is_sick() {
        let mut sick = a_tenth();
        for _ in 0..20 {
            sick.failed_alone(2, at(99));
        }
        assert!(!sick.is_sick(at(100)), "a tenth is not more than a tenth");
        sick.failed_alone(1, at(100));
        assert!(!sick.is_sick(at(100)), "the worst target is left out");
        sick.failed_alone(2, at(100));
        assert!(sick.is_sick(at(100)));
        assert!(!sick.is_sick(at(750)), "ten minutes later it is forgotten");
    }

    #[test]
    fn one_broken_path_is_no_sickness() {
        let mut sick = Sick::default();
        for second in 0..600 {
            sick.ran(at(second));
            if second % 2 == 0 {
                sick.failed_alone(1, at(second));
            }
        }
        assert!(!sick.is_sick(at(600)));
    }

    #[test]
    fn two_lonely_failures_are_chance() {
        let mut sick = Sick::default();
        for target in 0..3 {
            sick.ran(at(target));
            sick.failed_alone(target as usize, at(target));
        }
        assert!(!sick.is_sick(at(11)), "two beside the worst");
    }

    proptest! {
        /// The oracle keeps every run and looks back over the same minutes.
        #[test]
        fn any_runs_give_the_oracles_answer(
            runs in prop::collection::vec((0u64..2_000, prop::option::of(0usize..4)), 0..200),
        ) {
            let mut runs = runs;
            runs.sort_unstable();
            let mut sick = Sick::default();
            for &(second, alone) in &runs {
                sick.ran(at(second));
                if let Some(target) = alone {
                    sick.failed_alone(target, at(second));
                }
            }
            let now = at(2_000);
            let oldest = now.0 / PART_MS - 9;
            let inside: Vec<_> = runs.iter().filter(|(second, _)| at(*second).0 / PART_MS >= oldest).collect();
            let mut by_target: BTreeMap<usize, usize> = BTreeMap::new();
            for target in inside.iter().filter_map(|(_, alone)| *alone) {
                *by_target.entry(target).or_default() += 1;
            }
            let all: usize = by_target.values().sum();
            let elsewhere = all - by_target.values().max().copied().unwrap_or(0);
            prop_assert_eq!(sick.is_sick(now), elsewhere >= 3 && elsewhere * 10 > inside.len());
        }
    }
}
