//! One service of one node over the grid: the answers of all vantages, one after another.
//!
//! A failure stands here only if its vantage reaches the node at that time. Four in a row, from three vantages of
//! two networks, are an outage of the service; answers that are only slow degrade it, and are one after three
//! minutes.

use isochrone_proto::measurement::{FailureCause, Phase};
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::anew::{Anew, each};

/// Failures in a row over the grid.
const IN_A_ROW: usize = 4;
/// Answers in a row that end them.
const ANSWERS: usize = 2;
/// From so many vantages, where the node has them.
const VANTAGES: usize = 3;
/// Of so many networks, where the mesh has them.
const NETWORKS: usize = 2;
/// Slow for so long is an outage.
const SLOW_MS: u64 = 180_000;
/// Answers kept.
const KEPT: usize = 8;

/// How an answer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Grade {
    Good,
    Slow,
    Failed,
    Source,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Place of the cell in the engine.
    pub(super) cell: usize,
    pub(super) vantage: usize,
    pub(super) network: Option<u32>,
    pub(super) began: UnixMillis,
    /// It is a word until then.
    pub(super) fresh_until: UnixMillis,
    pub(super) grade: Grade,
    /// Of a failure.
    pub(super) fault: Option<(Phase, FailureCause)>,
    pub(super) text: Box<str>,
}

/// Who could answer: a small mesh cannot show three vantages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Possible {
    pub(super) vantages: usize,
    pub(super) networks: usize,
}

/// The newest answers, by when they began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Grid {
    answers: Vec<Answer>,
    /// The first that was not good, of those in a row that it ends with.
    bad_since: Option<UnixMillis>,
    /// The last good one.
    good: UnixMillis,
    /// Somebody asks at all.
    pub(super) is_asked: bool,
    /// Somebody did, and nobody does any more.
    pub(super) is_dropped: bool,
}

/// What the newest answers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failing {
    /// The first failure in the row.
    pub(super) since: UnixMillis,
    /// The last good answer before it.
    pub(super) last_good: UnixMillis,
    /// The newest.
    pub(super) last: UnixMillis,
    /// Too few failed: they are late, or hung, in part at least.
    pub(super) is_slow: bool,
    /// Most blame a storage source.
    pub(super) is_source: bool,
    /// It is an outage: hard, or slow for long.
    pub(super) is_outage: bool,
}

impl Grid {
    /// The clock was set: what was noted by the old one is read by the new.
    pub(super) fn reckon(&mut self, anew: Anew<'_>) {
        let Self {
            answers,
            bad_since,
            good,
            is_asked: _,
            is_dropped: _,
        } = self;
        for Answer {
            began, fresh_until, ..
        } in answers
        {
            each([began, fresh_until], anew);
        }
        each([good].into_iter().chain(bad_since), anew);
    }

    /// What a vantage answered is dated by a clock that was wrong.
    pub(super) fn forget(&mut self, vantage: usize) {
        let before = self.answers.len();
        self.answers.retain(|answer| answer.vantage != vantage);
        if self.answers.len() < before {
            let bad = self
                .answers
                .iter()
                .rev()
                .take_while(|answer| answer.grade != Grade::Good);
            self.bad_since = bad.last().map(|answer| answer.began);
        }
    }

    /// Puts an answer in its place. One older than all that are kept changes nothing.
    pub(super) fn add(&mut self, answer: Answer) {
        let place = self.answers.partition_point(|kept| kept.began <= answer.began);
        if place == 0 && self.answers.len() == KEPT {
            return;
        }
        let is_newest = place == self.answers.len();
        match (answer.grade, is_newest) {
            (Grade::Good, true) => (self.bad_since, self.good) = (None, answer.began),
            (Grade::Good, false) => {
                self.good = self.good.max(answer.began);
                let after = self.answers[place..].first();
                self.bad_since = self.bad_since.map(|since| match after {
                    Some(after) if since <= answer.began => after.began,
                    _ => since,
                });
            }
            (_, true) => self.bad_since = self.bad_since.or(Some(answer.began)),
            (_, false) => {
                self.bad_since = self.bad_since.map(|since| {
                    if answer.began > self.good {
                        since.min(answer.began)
                    } else {
                        since
                    }
                });
            }
        }
        self.answers.insert(place, answer);
        if self.answers.len() > KEPT {
            self.answers.remove(0);
        }
    }

    /// The fresh answers it ends with for which `wanted` holds, newest first.
    fn tail(&self, now: UnixMillis, wanted: impl Fn(Grade) -> bool) -> impl Iterator<Item = &Answer> {
        self.answers
            .iter()
            .rev()
            .take_while(move |answer| wanted(answer.grade) && now <= answer.fresh_until)
    }

    /// The first that was not good, of those in a row that it ends with.
    pub(super) const fn bad_since(&self) -> Option<UnixMillis> {
        self.bad_since
    }

    /// The failures it ends with, if they are four, of enough vantages and networks. `is_reached`: the vantage of a
    /// failure reached the node after it, so that this is no failure of the way.
    pub(super) fn failing(
        &self,
        possible: Possible,
        now: UnixMillis,
        is_reached: impl Fn(&Answer) -> bool,
    ) -> Option<Failing> {
        let row = self.tail(now, |grade| grade != Grade::Good);
        let row: Vec<&Answer> = row.filter(|answer| is_reached(answer)).collect();
        if row.len() < IN_A_ROW || !are_enough(&row, possible) {
            return None;
        }
        let since = self.bad_since?;
        // one that comes late is no failure: it neither makes a row of failures longer nor breaks it
        let hard: Vec<&Answer> = row
            .iter()
            .copied()
            .filter(|answer| answer.grade != Grade::Slow)
            .collect();
        let is_slow = hard.len() < IN_A_ROW || !are_enough(&hard, possible);
        let faults = if is_slow { &row } else { &hard };
        let sources = faults
            .iter()
            .filter(|answer| answer.grade == Grade::Source)
            .count();
        Some(Failing {
            since,
            last_good: self.good,
            last: row[0].began,
            is_slow,
            is_source: sources * 2 > faults.len(),
            is_outage: !is_slow || now.0 >= since.0 + SLOW_MS,
        })
    }

    /// When it was good again: the first of two good answers in a row, of two vantages where there are two.
    pub(super) fn recovered(&self, possible: Possible, now: UnixMillis) -> Option<UnixMillis> {
        let row: Vec<&Answer> = self.tail(now, |grade| grade == Grade::Good).collect();
        let enough = row.len() >= ANSWERS && distinct(&row) >= ANSWERS.min(possible.vantages.max(1));
        row.last().filter(|_| enough).map(|answer| answer.began)
    }

    /// The newest answer began, if it is fresh.
    pub(super) fn newest(&self, now: UnixMillis) -> Option<&Answer> {
        self.answers.last().filter(|answer| now <= answer.fresh_until)
    }

    /// Fresh answers, newest first, one a vantage.
    pub(super) fn fresh(&self, now: UnixMillis) -> Vec<&Answer> {
        let mut fresh: Vec<&Answer> = Vec::new();
        for answer in self
            .answers
            .iter()
            .rev()
            .filter(|answer| now <= answer.fresh_until)
        {
            if fresh.iter().all(|known| known.vantage != answer.vantage) {
                fresh.push(answer);
            }
        }
        fresh
    }

    /// The failures it ends with, newest first: they are the evidence.
    pub(super) fn evidence(&self, now: UnixMillis) -> Vec<&Answer> {
        self.tail(now, |grade| grade != Grade::Good).collect()
    }
}

fn are_enough(row: &[&Answer], possible: Possible) -> bool {
    let vantages = distinct(row);
    let mut networks: Vec<_> = row.iter().map(|answer| answer.network).collect();
    networks.sort_unstable();
    networks.dedup();
    // one vantage never pages anyone
    vantages >= VANTAGES.min(possible.vantages).max(2)
        && networks.len() >= NETWORKS.min(possible.networks.max(1))
}

fn distinct(row: &[&Answer]) -> usize {
    let mut vantages: Vec<_> = row.iter().map(|answer| answer.vantage).collect();
    vantages.sort_unstable();
    vantages.dedup();
    vantages.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POSSIBLE: Possible = Possible {
        vantages: 9,
        networks: 5,
    };

    fn answer(second: u64, vantage: usize, grade: Grade) -> Answer {
        Answer {
            cell: vantage,
            vantage,
            network: Some(vantage as u32 % 5),
            began: UnixMillis(second * 1_000),
            fresh_until: UnixMillis(second * 1_000 + 210_000),
            grade,
            fault: None,
            text: "".into(),
        }
    }

    fn grid(grades: &[(usize, Grade)]) -> Grid {
        let mut grid = Grid::default();
        for (at, &(vantage, grade)) in grades.iter().enumerate() {
            grid.add(answer(1_000 + at as u64 * 10, vantage, grade));
        }
        grid
    }

    fn now(second: u64) -> UnixMillis {
        UnixMillis(second * 1_000)
    }

    #[test]
    fn four_failures_in_a_row_over_the_grid_are_an_outage_and_three_are_none() {
        use Grade::{Failed, Good};
        let mut grid = grid(&[(0, Good), (1, Failed), (2, Failed), (3, Failed)]);
        assert_eq!(grid.failing(POSSIBLE, now(1_031), |_| true), None);
        grid.add(answer(1_040, 4, Failed));
        let failing = grid.failing(POSSIBLE, now(1_041), |_| true).unwrap();
        assert!(failing.is_outage && !failing.is_slow && !failing.is_source);
        assert_eq!(
            (failing.since, failing.last_good, failing.last),
            (now(1_010), now(1_000), now(1_040))
        );
    }

    #[test]
    fn four_failures_of_two_vantages_or_of_one_network_are_none() {
        use Grade::Failed;
        let two = grid(&[(1, Failed), (2, Failed), (1, Failed), (2, Failed)]);
        assert_eq!(two.failing(POSSIBLE, now(1_041), |_| true), None);
        let one_network = grid(&[(0, Failed), (5, Failed), (10, Failed), (15, Failed)]);
        assert_eq!(one_network.failing(POSSIBLE, now(1_041), |_| true), None);
    }

    #[test]
    fn small_mesh_needs_all_its_vantages_but_never_one_alone() {
        use Grade::Failed;
        let two = grid(&[(1, Failed), (2, Failed), (1, Failed), (2, Failed)]);
        let small = Possible {
            vantages: 2,
            networks: 2,
        };
        assert!(two.failing(small, now(1_041), |_| true).is_some());
        let one = grid(&[(1, Failed); 6]);
        let alone = Possible {
            vantages: 1,
            networks: 1,
        };
        assert_eq!(one.failing(alone, now(1_061), |_| true), None);
    }

    #[test]
    fn failure_whose_vantage_did_not_reach_the_node_since_waits() {
        let row = grid(&[
            (1, Grade::Failed),
            (2, Grade::Failed),
            (3, Grade::Failed),
            (4, Grade::Failed),
        ]);
        let newest_unknown = |answer: &Answer| answer.began < now(1_030);
        assert_eq!(row.failing(POSSIBLE, now(1_031), newest_unknown), None);
    }

    #[test]
    fn slow_answers_degrade_and_are_an_outage_after_three_minutes() {
        let mut grid = grid(&[(0, Grade::Good)]);
        for at in 1..=20 {
            grid.add(answer(1_000 + at * 10, at as usize, Grade::Slow));
        }
        let early = grid.failing(POSSIBLE, now(1_189), |_| true).unwrap();
        assert!(early.is_slow && !early.is_outage);
        assert!(grid.failing(POSSIBLE, now(1_200), |_| true).unwrap().is_outage);
    }

    #[test]
    fn late_answers_make_no_failure_a_row_of_four() {
        use Grade::{Failed, Good, Slow, Source};
        let mut grid = grid(&[(0, Good), (1, Slow), (2, Source), (3, Slow), (4, Failed)]);
        let early = grid.failing(POSSIBLE, now(1_041), |_| true).unwrap();
        assert!(early.is_slow && !early.is_outage, "two failed: {early:?}");
        grid.add(answer(1_050, 5, Failed));
        grid.add(answer(1_060, 6, Failed));
        let failing = grid.failing(POSSIBLE, now(1_061), |_| true).unwrap();
        assert!(
            failing.is_outage && !failing.is_slow,
            "four failed with no good answer between: {failing:?}"
        );
        assert_eq!((failing.since, failing.last), (now(1_010), now(1_060)));
    }

    #[test]
    fn failures_that_blame_a_storage_source_are_its_own_cause() {
        use Grade::{Failed, Source};
        let row = grid(&[(1, Source), (2, Source), (3, Failed), (4, Source)]);
        let failing = row.failing(POSSIBLE, now(1_041), |_| true).unwrap();
        assert!(failing.is_source && failing.is_outage);
    }

    #[test]
    fn two_good_answers_of_two_vantages_end_it() {
        use Grade::{Failed, Good};
        let mut grid = grid(&[(1, Failed), (2, Failed), (3, Good), (3, Good)]);
        assert_eq!(
            grid.recovered(POSSIBLE, now(1_041)),
            None,
            "one vantage's two answers"
        );
        grid.add(answer(1_040, 4, Good));
        assert_eq!(grid.recovered(POSSIBLE, now(1_041)), Some(now(1_020)));
    }

    #[test]
    fn stale_answers_say_nothing() {
        use Grade::Failed;
        let row = grid(&[(1, Failed), (2, Failed), (3, Failed), (4, Failed)]);
        assert_eq!(
            row.failing(POSSIBLE, now(1_215), |_| true),
            None,
            "the first is older than its two intervals"
        );
    }

    proptest! {
        /// The oracle sorts all answers and walks back from the newest.
        #[test]
        fn any_order_of_arrival_gives_the_oracles_row(
            rows in prop::collection::btree_map(0u64..40, (0usize..6, 0u8..4), 1..8),
            turn in any::<prop::sample::Index>(),
        ) {
            let grades = [Grade::Good, Grade::Failed, Grade::Slow, Grade::Source];
            let sorted: Vec<_> = rows
                .iter()
                .map(|(&at, &(vantage, code))| answer(1_000 + at, vantage, grades[usize::from(code)]))
                .collect();
            let mut arrivals = sorted.clone();
            arrivals.rotate_left(turn.index(sorted.len()));
            let mut grid = Grid::default();
            arrivals.into_iter().for_each(|answer| grid.add(answer));
            let bad = sorted.iter().rev().take_while(|answer| answer.grade != Grade::Good);
            let row: Vec<_> = bad.collect();
            let vantages: std::collections::BTreeSet<_> = row.iter().map(|answer| answer.vantage).collect();
            let networks: std::collections::BTreeSet<_> = row.iter().map(|answer| answer.network).collect();
            let expected = row.len() >= 4 && vantages.len() >= 3 && networks.len() >= 2;
            let failing = grid.failing(POSSIBLE, now(1_041), |_| true);
            prop_assert_eq!(failing.is_some(), expected);
            if let Some(failing) = failing {
                prop_assert_eq!(failing.since, row[row.len() - 1].began);
            }
        }
    }
}
