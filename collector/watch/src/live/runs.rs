//! The newest runs of one check, in the order of their slots, and the streaks they form.

use isochrone_base::kinds::Seen;
use isochrone_proto::units::UnixMillis;

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its slot.
    pub slot: UnixMillis,
    /// What it says.
    pub seen: Seen,
    /// It arrived in time to page; a late one changes history only.
    pub timely: bool,
}

/// Runs kept, at most.
const KEPT: usize = 16;

/// The newest runs, at most 16, by slot; and since when they are all good or all bad.
#[derive(Clone, Copy, Debug)]
pub struct Runs {
    kept: [Run; KEPT],
    len: u8,
    bad_since: Option<UnixMillis>,
    good_since: Option<UnixMillis>,
    failures: u32,
}

impl Default for Runs {
    fn default() -> Self {
        let none = Run {
            slot: UnixMillis(0),
            seen: Seen::Nothing,
            timely: false,
        };
        Self {
            kept: [none; KEPT],
            len: 0,
            bad_since: None,
            good_since: None,
            failures: 0,
        }
    }
}

impl Runs {
    /// Adds a run. `gap_ms`: runs further apart than this are not "in a row". A second run of a slot, and one
    /// older than all that are kept, changes nothing.
    pub fn add(&mut self, run: Run, gap_ms: u64) {
        match self.newest() {
            Some(newest) if run.slot <= newest.slot => self.insert(run, gap_ms),
            newest => {
                self.follow(newest, run, gap_ms);
                self.push(run);
            }
        }
    }

    /// The newest run.
    #[must_use]
    pub fn newest(&self) -> Option<Run> {
        self.all().last().copied()
    }

    /// The newest run that says anything.
    #[must_use]
    pub fn newest_word(&self) -> Option<Run> {
        self.all()
            .iter()
            .rev()
            .find(|run| run.seen != Seen::Nothing)
            .copied()
    }

    /// The kept runs, oldest first.
    #[must_use]
    pub fn all(&self) -> &[Run] {
        &self.kept[..usize::from(self.len)]
    }

    /// The first slot of the failures in a row that it ends with, late ones included.
    #[must_use]
    pub fn bad_since(&self) -> Option<UnixMillis> {
        self.bad_since
    }

    /// The first slot of the answers in a row that it ends with, late ones included.
    #[must_use]
    pub fn good_since(&self) -> Option<UnixMillis> {
        self.good_since
    }

    /// Failures in a row that it ends with, late ones included.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Failures in a row that it ends with and that arrived in time, at most 16: only these page.
    #[must_use]
    pub fn timely_failures(&self, gap_ms: u64) -> u32 {
        self.tail(gap_ms, |seen| seen == Seen::Bad)
    }

    /// Answers in a row that it ends with and that arrived in time, at most 16.
    #[must_use]
    pub fn timely_answers(&self, gap_ms: u64) -> u32 {
        self.tail(gap_ms, Seen::is_answer)
    }

    fn tail(&self, gap_ms: u64, wanted: impl Fn(Seen) -> bool) -> u32 {
        let mut count = 0;
        let mut later: Option<UnixMillis> = None;
        for run in self.all().iter().rev() {
            if later.is_some_and(|later| later.0 - run.slot.0 > gap_ms) {
                break;
            }
            if run.seen != Seen::Nothing {
                if !run.timely || !wanted(run.seen) {
                    break;
                }
                count += 1;
            }
            later = Some(run.slot);
        }
        count
    }

    fn push(&mut self, run: Run) {
        if usize::from(self.len) == KEPT {
            self.kept.copy_within(1.., 0);
            self.kept[KEPT - 1] = run;
        } else {
            self.kept[usize::from(self.len)] = run;
            self.len += 1;
        }
    }

    /// Takes `run`, which comes after `before`, into the streaks.
    fn follow(&mut self, before: Option<Run>, run: Run, gap_ms: u64) {
        if before.is_some_and(|before| run.slot.0 - before.slot.0 > gap_ms) {
            (self.bad_since, self.good_since, self.failures) = (None, None, 0);
        }
        match run.seen {
            Seen::Bad => {
                self.good_since = None;
                self.bad_since = self.bad_since.or(Some(run.slot));
                self.failures = self.failures.saturating_add(1);
            }
            Seen::Good | Seen::Absent => {
                (self.bad_since, self.failures) = (None, 0);
                self.good_since = self.good_since.or(Some(run.slot));
            }
            Seen::Nothing => {}
        }
    }

    /// Puts an earlier run in its place, then follows the kept runs again.
    fn insert(&mut self, run: Run, gap_ms: u64) {
        let place = self.all().partition_point(|kept| kept.slot < run.slot);
        let is_known = self.all().get(place).is_some_and(|kept| kept.slot == run.slot);
        let is_full = usize::from(self.len) == KEPT;
        if is_known || (is_full && place == 0) {
            return;
        }
        let before = *self;
        if is_full {
            self.kept.copy_within(1..place, 0);
            self.kept[place - 1] = run;
        } else {
            self.kept.copy_within(place..usize::from(self.len), place + 1);
            self.kept[place] = run;
            self.len += 1;
        }
        let kept = *self;
        (self.bad_since, self.good_since, self.failures) = (None, None, 0);
        let mut last = None;
        for &run in kept.all() {
            self.follow(last, run, gap_ms);
            last = Some(run);
        }
        self.reach_back(&before, gap_ms);
    }

    /// A streak that fills all kept runs may be longer than they are: then what was known stays.
    fn reach_back(&mut self, before: &Self, gap_ms: u64) {
        let Some(oldest) = self.all().first().map(|run| run.slot) else {
            return;
        };
        let reaches = |since: Option<UnixMillis>, known: Option<UnixMillis>| match (since, known) {
            (Some(since), Some(known)) => since.0.saturating_sub(oldest.0) <= gap_ms && known < since,
            _ => false,
        };
        if reaches(self.bad_since, before.bad_since) {
            self.bad_since = before.bad_since;
            self.failures = before.failures.saturating_add(1).max(self.failures);
        }
        if reaches(self.good_since, before.good_since) {
            self.good_since = before.good_since;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GAP: u64 = 30_000;

    fn run(second: u64, seen: Seen, timely: bool) -> Run {
        Run {
            slot: UnixMillis(second * 1_000),
            seen,
            timely,
        }
    }

    fn of(runs: &[(u64, Seen, bool)]) -> Runs {
        let mut all = Runs::default();
        for &(second, seen, timely) in runs {
            all.add(run(second, seen, timely), GAP);
        }
        all
    }

    #[test]
    fn late_failure_is_history_and_never_part_of_a_paging_streak() {
        let runs = of(&[
            (10, Seen::Bad, false),
            (20, Seen::Bad, true),
            (30, Seen::Bad, true),
        ]);
        assert_eq!((runs.failures(), runs.timely_failures(GAP)), (3, 2));
        assert_eq!(runs.bad_since(), Some(UnixMillis(10_000)));
    }

    #[test]
    fn unsent_run_neither_breaks_nor_adds() {
        let runs = of(&[
            (10, Seen::Bad, true),
            (20, Seen::Nothing, true),
            (30, Seen::Bad, true),
        ]);
        assert_eq!(runs.timely_failures(GAP), 2);
        assert_eq!(runs.newest_word().unwrap().slot, UnixMillis(30_000));
    }

    #[test]
    fn gap_breaks_a_streak() {
        let runs = of(&[
            (10, Seen::Bad, true),
            (20, Seen::Bad, true),
            (60, Seen::Bad, true),
        ]);
        assert_eq!((runs.failures(), runs.timely_failures(GAP)), (1, 1));
        assert_eq!(runs.bad_since(), Some(UnixMillis(60_000)));
    }

    #[test]
    fn absent_object_ends_failures() {
        let runs = of(&[
            (10, Seen::Bad, true),
            (20, Seen::Bad, true),
            (30, Seen::Absent, true),
        ]);
        assert_eq!(
            (
                runs.timely_failures(GAP),
                runs.timely_answers(GAP),
                runs.bad_since()
            ),
            (0, 1, None)
        );
    }

    #[test]
    fn second_run_of_a_slot_changes_nothing() {
        let runs = of(&[
            (10, Seen::Bad, true),
            (20, Seen::Bad, true),
            (10, Seen::Good, true),
        ]);
        assert_eq!((runs.failures(), runs.all().len()), (2, 2));
    }

    #[test]
    fn streak_longer_than_the_kept_runs_keeps_its_start() {
        let mut runs = Runs::default();
        for second in (10..=400).step_by(10).filter(|second| *second != 390) {
            runs.add(run(second, Seen::Bad, true), GAP);
        }
        runs.add(run(390, Seen::Bad, true), GAP);
        assert_eq!(runs.bad_since(), Some(UnixMillis(10_000)));
        assert_eq!(runs.failures(), 40);
    }

    fn seen() -> impl Strategy<Value = Seen> {
        prop_oneof![
            Just(Seen::Good),
            Just(Seen::Bad),
            Just(Seen::Absent),
            Just(Seen::Nothing)
        ]
    }

    proptest! {
        /// The oracle sorts all runs by slot and walks back from the newest.
        #[test]
        fn any_order_of_arrival_gives_the_oracles_streaks(
            rows in prop::collection::btree_map(0u64..60, (seen(), any::<bool>()), 1..16),
            order in any::<prop::sample::Index>(),
        ) {
            let sorted: Vec<_> = rows.iter().map(|(&slot, &(seen, timely))| run(slot * 10, seen, timely)).collect();
            let mut arrivals = sorted.clone();
            let turn = order.index(arrivals.len());
            arrivals.rotate_left(turn);
            let mut runs = Runs::default();
            for &row in &arrivals {
                runs.add(row, GAP);
            }
            prop_assert_eq!(runs.all(), &sorted[..]);

            let (mut failures, mut since, mut later) = (0, None, None::<u64>);
            for row in sorted.iter().rev() {
                if later.is_some_and(|later| later - row.slot.0 > GAP) || row.seen.is_answer() {
                    break;
                }
                if row.seen == Seen::Bad {
                    failures += 1;
                    since = Some(row.slot);
                }
                later = Some(row.slot.0);
            }
            prop_assert_eq!((runs.failures(), runs.bad_since()), (failures, since));
        }
    }
}
