//! What one check saw over a window, as spans of equal runs, however late and in whatever order rows came.
//!
//! Each run brings the pace of the plan it was made by: an interval that changes inside the window changes
//! what "in a row" means from there on, and nothing before.

use isochrone_proto::units::UnixMillis;
use isochrone_watch::health::Rules;
use isochrone_watch::live::Seen;
use isochrone_watch::live::cell::Pace;

/// Consecutive runs of one pace that all say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: UnixMillis,
    pub(super) last: UnixMillis,
    pub(super) seen: Seen,
    pace: Pace,
    runs: u32,
}

/// Spans in the order of their slots; they never overlap.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    spans: Vec<Span>,
}

/// A stretch of time in which one vantage fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failing {
    pub(super) from: UnixMillis,
    /// First answer after it, or one interval after the last failure where nothing follows.
    pub(super) until: UnixMillis,
    /// The data ends while it fails.
    pub(super) is_open: bool,
    /// How long its runs stay fresh.
    pub(super) fresh_ms: u64,
}

impl Timeline {
    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Adds a run. A second run of a slot changes nothing.
    pub(super) fn add(&mut self, slot: UnixMillis, pace: Pace, seen: Seen) {
        let place = self.spans.partition_point(|span| span.last < slot);
        if self.spans.get(place).is_some_and(|span| span.first <= slot) {
            return; // spans are joined only where no slot is missing, so this one was counted already
        }
        let joins = |span: Option<&Span>| {
            span.is_some_and(|span| {
                let apart = slot.0.abs_diff(span.last.0).min(span.first.0.abs_diff(slot.0));
                span.seen == seen && span.pace == pace && apart <= pace.interval_ms
            })
        };
        let joins_before = place > 0 && joins(self.spans.get(place - 1));
        let joins_after = joins(self.spans.get(place));
        match (joins_before, joins_after) {
            (true, true) => {
                let after = self.spans.remove(place);
                let before = &mut self.spans[place - 1];
                before.last = after.last;
                before.runs = before.runs.saturating_add(after.runs).saturating_add(1);
            }
            (true, false) => {
                let before = &mut self.spans[place - 1];
                before.last = slot;
                before.runs = before.runs.saturating_add(1);
            }
            (false, true) => {
                let after = &mut self.spans[place];
                after.first = slot;
                after.runs = after.runs.saturating_add(1);
            }
            (false, false) => self.spans.insert(
                place,
                Span {
                    first: slot,
                    last: slot,
                    seen,
                    pace,
                    runs: 1,
                },
            ),
        }
    }

    /// When this vantage fails: from the first of so many failures in a row to the first of so many answers
    /// in a row, as `rules` say. `end`: where the data ends.
    pub(super) fn failing(&self, rules: &Rules, end: UnixMillis) -> Vec<Failing> {
        let mut periods = Vec::new();
        let mut streak = Streak::default();
        let mut last: Option<&Span> = None;
        for span in self.spans.iter().filter(|span| span.seen != Seen::Nothing) {
            if last.is_some_and(|last| last.is_apart(span)) {
                periods.extend(streak.end(None));
            }
            last = Some(span);
            if span.seen == Seen::Bad {
                streak.fail(span, rules.failures);
            } else if let Some(since) = streak.answer(span, rules.answers) {
                periods.extend(streak.end(Some(since)));
            }
        }
        let is_open = last.is_some_and(|last| last.last.0 + last.pace.fresh_ms >= end.0);
        if let Some(mut period) = streak.end(None) {
            period.is_open = is_open;
            periods.push(period);
        }
        periods
    }
}

impl Span {
    /// Whether what follows is not in a row with it. Where the interval changed between them, the longer one
    /// decides: the first run of a new plan may be as far away as the old plan's next one would have been.
    fn is_apart(&self, next: &Self) -> bool {
        next.first.0 - self.last.0 > self.pace.fresh_ms.max(next.pace.fresh_ms)
    }
}

/// Failures in a row so far, and the answers since.
#[derive(Debug, Default)]
struct Streak {
    first: Option<UnixMillis>,
    last: Option<Span>,
    failures: u32,
    is_failing: bool,
    answers: u32,
    answered: Option<UnixMillis>,
}

impl Streak {
    fn fail(&mut self, span: &Span, enough: u32) {
        if self.answers > 0 && !self.is_failing {
            *self = Self::default();
        }
        self.first = self.first.or(Some(span.first));
        self.last = Some(*span);
        self.failures = self.failures.saturating_add(span.runs);
        self.is_failing |= self.failures >= enough;
        (self.answers, self.answered) = (0, None);
    }

    /// The first of the answers that end it, if they do.
    fn answer(&mut self, span: &Span, enough: u32) -> Option<UnixMillis> {
        self.answered = self.answered.or(Some(span.first));
        self.answers = self.answers.saturating_add(span.runs);
        (!self.is_failing || self.answers >= enough)
            .then_some(self.answered)
            .flatten()
    }

    fn end(&mut self, answered: Option<UnixMillis>) -> Option<Failing> {
        let streak = std::mem::take(self);
        let from = streak.first.filter(|_| streak.is_failing)?;
        let last = streak.last?;
        let silent = UnixMillis(last.last.0 + last.pace.interval_ms);
        Some(Failing {
            from,
            until: answered.or(streak.answered).unwrap_or(silent),
            is_open: false,
            fresh_ms: last.pace.fresh_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use isochrone_proto::schedule::Schedule;
    use proptest::prelude::*;

    use super::*;

    fn pace() -> Pace {
        Pace::of(Schedule::new(10_000, 0, 5_000).unwrap())
    }

    fn slot(number: u64) -> UnixMillis {
        UnixMillis(number * 10_000)
    }

    fn of(text: &str) -> Timeline {
        let mut timeline = Timeline::default();
        for (number, letter) in text.chars().enumerate() {
            let seen = match letter {
                'g' => Seen::Good,
                'b' => Seen::Bad,
                'a' => Seen::Absent,
                'n' => Seen::Nothing,
                _ => continue,
            };
            timeline.add(slot(number as u64), pace(), seen);
        }
        timeline
    }

    fn periods(text: &str) -> Vec<(u64, u64)> {
        let failing = of(text).failing(&Rules::default(), slot(1_000));
        failing
            .iter()
            .map(|period| (period.from.0 / 10_000, period.until.0 / 10_000))
            .collect()
    }

    #[test]
    fn failing_lasts_from_three_failures_to_two_answers() {
        for (text, expected) in [
            ("gggg", vec![]),
            ("gbbg", vec![]),
            ("gbbbgg", vec![(1, 4)]),
            ("bbbgbbbgg", vec![(0, 7)]),
            ("bbgbbgbb", vec![]),
            ("bbbg", vec![(0, 3)]),
            ("bbbagg", vec![(0, 3)]),
            ("bnbnbgg", vec![(0, 5)]),
            ("bb....bgg", vec![]),
            ("bbb....gg", vec![(0, 3)]),
            ("bbbggbbbgg", vec![(0, 3), (5, 8)]),
        ] {
            assert_eq!(periods(text), expected, "{text}");
        }
    }

    #[test]
    fn failing_at_the_end_of_the_data_is_open() {
        let timeline = of("ggbbb");
        assert!(timeline.failing(&Rules::default(), slot(5))[0].is_open);
        assert!(
            !timeline.failing(&Rules::default(), slot(50))[0].is_open,
            "silence came between"
        );
    }

    /// Failures of a check whose interval is `before` up to second 3,000, and `after` from there on.
    fn failing_over_a_change(before: u32, after: u32, bad: std::ops::Range<u64>) -> Vec<(u64, u64)> {
        let pace = |seconds: u32| Pace::of(Schedule::new(seconds * 1_000, 0, 1_000).unwrap());
        let mut timeline = Timeline::default();
        let old = (0..3_000).step_by(before as usize).map(|at| (at, pace(before)));
        let new = (3_000..6_000).step_by(after as usize).map(|at| (at, pace(after)));
        for (at, pace) in old.chain(new) {
            let seen = if bad.contains(&at) { Seen::Bad } else { Seen::Good };
            timeline.add(UnixMillis(at * 1_000), pace, seen);
        }
        let failing = timeline.failing(&Rules::default(), UnixMillis(6_000_000));
        failing
            .iter()
            .map(|period| (period.from.0 / 1_000, period.until.0 / 1_000))
            .collect()
    }

    #[test]
    fn changed_interval_hides_no_failure_before_or_after_it() {
        assert_eq!(failing_over_a_change(10, 60, 4_000..4_600), [(4_020, 4_620)]);
        assert_eq!(failing_over_a_change(300, 2, 4_000..4_060), [(4_000, 4_060)]);
        assert_eq!(failing_over_a_change(300, 2, 600..1_800), [(600, 1_800)]);
        assert_eq!(failing_over_a_change(300, 2, 2_700..3_004), [(2_700, 3_004)]);
        assert_eq!(
            failing_over_a_change(2, 300, 3_000..3_600),
            [],
            "two failures are not three"
        );
    }

    #[test]
    fn numbers_in_a_row_come_from_the_rules() {
        let rules = Rules {
            failures: 2,
            answers: 1,
            ..Rules::default()
        };
        let failing = of("gbbgbg").failing(&rules, slot(1_000));
        assert_eq!(
            (failing.len(), failing[0].from, failing[0].until),
            (1, slot(1), slot(3))
        );
    }

    proptest! {
        /// The oracle keeps every row in a map.
        #[test]
        fn spans_hold_the_rows_whatever_their_order(
            rows in prop::collection::vec((0u64..40, 0u8..4), 0..60),
        ) {
            let seen = |code| [Seen::Good, Seen::Bad, Seen::Absent, Seen::Nothing][usize::from(code)];
            let mut timeline = Timeline::default();
            let mut oracle = BTreeMap::new();
            for &(number, code) in &rows {
                timeline.add(slot(number), pace(), seen(code));
                oracle.entry(number).or_insert(seen(code));
            }
            let mut spread = BTreeMap::new();
            for span in timeline.spans() {
                let mut at = span.first;
                let runs = (span.last.0 - span.first.0) / 10_000 + 1;
                prop_assert_eq!(u64::from(span.runs), runs);
                while at <= span.last {
                    prop_assert!(spread.insert(at.0 / 10_000, span.seen).is_none());
                    at = UnixMillis(at.0 + 10_000);
                }
            }
            prop_assert_eq!(spread, oracle);
        }
    }
}
