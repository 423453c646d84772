//! What one check saw over a window, as spans of equal runs, however late and in whatever order rows came.

use isochrone_proto::units::UnixMillis;

use crate::live::Seen;
use crate::live::cell::Pace;

/// Failures in a row before a vantage counts as failing, as in the live rule's defaults.
const FAILURES: u32 = 3;
/// Answers in a row before it counts as working again.
const ANSWERS: u32 = 2;

/// Consecutive runs that all say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: UnixMillis,
    pub(super) last: UnixMillis,
    pub(super) seen: Seen,
}

/// Spans in the order of their slots; they never overlap.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    pace: Pace,
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
}

impl Timeline {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            spans: Vec::new(),
        }
    }

    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Adds a run. A second run of a slot changes nothing.
    pub(super) fn add(&mut self, slot: UnixMillis, seen: Seen) {
        let place = self.spans.partition_point(|span| span.last < slot);
        if self.spans.get(place).is_some_and(|span| span.first <= slot) {
            return; // spans are joined only where no slot is missing, so this one was counted already
        }
        let joins = |span: Option<&Span>| {
            span.is_some_and(|span| {
                let apart = slot.0.abs_diff(span.last.0).min(span.first.0.abs_diff(slot.0));
                span.seen == seen && apart <= self.pace.interval_ms
            })
        };
        let joins_before = place > 0 && joins(self.spans.get(place - 1));
        let joins_after = joins(self.spans.get(place));
        match (joins_before, joins_after) {
            (true, true) => {
                self.spans[place - 1].last = self.spans[place].last;
                self.spans.remove(place);
            }
            (true, false) => self.spans[place - 1].last = slot,
            (false, true) => self.spans[place].first = slot,
            (false, false) => self.spans.insert(
                place,
                Span {
                    first: slot,
                    last: slot,
                    seen,
                },
            ),
        }
    }

    fn runs(&self, span: &Span) -> u32 {
        let slots = (span.last.0 - span.first.0) / self.pace.interval_ms + 1;
        u32::try_from(slots).unwrap_or(u32::MAX)
    }

    /// When this vantage fails: from the first of three failures in a row to the first of two answers in a
    /// row. `end`: where the data ends.
    pub(super) fn failing(&self, end: UnixMillis) -> Vec<Failing> {
        let mut periods = Vec::new();
        let mut streak = Streak::default();
        let mut last: Option<UnixMillis> = None;
        for span in self.spans.iter().filter(|span| span.seen != Seen::Nothing) {
            if last.is_some_and(|last| span.first.0 - last.0 > self.pace.fresh_ms) {
                periods.extend(streak.end(None, self.pace));
            }
            last = Some(span.last);
            let runs = self.runs(span);
            if span.seen == Seen::Bad {
                streak.fail(span, runs);
            } else if let Some(since) = streak.answer(span, runs) {
                periods.extend(streak.end(Some(since), self.pace));
            }
        }
        let is_open = last.is_some_and(|last| last.0 + self.pace.fresh_ms >= end.0);
        if let Some(mut period) = streak.end(None, self.pace) {
            period.is_open = is_open;
            periods.push(period);
        }
        periods
    }
}

/// Failures in a row so far, and the answers since.
#[derive(Debug, Default)]
struct Streak {
    first: Option<UnixMillis>,
    last: UnixMillis,
    failures: u32,
    is_failing: bool,
    answers: u32,
    answered: Option<UnixMillis>,
}

impl Streak {
    fn fail(&mut self, span: &Span, runs: u32) {
        if self.answers > 0 && !self.is_failing {
            *self = Self::default();
        }
        self.first = self.first.or(Some(span.first));
        self.last = span.last;
        self.failures = self.failures.saturating_add(runs);
        self.is_failing |= self.failures >= FAILURES;
        (self.answers, self.answered) = (0, None);
    }

    /// The first of the answers that end it, if they do.
    fn answer(&mut self, span: &Span, runs: u32) -> Option<UnixMillis> {
        self.answered = self.answered.or(Some(span.first));
        self.answers = self.answers.saturating_add(runs);
        (!self.is_failing || self.answers >= ANSWERS)
            .then_some(self.answered)
            .flatten()
    }

    fn end(&mut self, answered: Option<UnixMillis>, pace: Pace) -> Option<Failing> {
        let streak = std::mem::take(self);
        let from = streak.first.filter(|_| streak.is_failing)?;
        let silent = UnixMillis(streak.last.0 + pace.interval_ms);
        Some(Failing {
            from,
            until: answered.or(streak.answered).unwrap_or(silent),
            is_open: false,
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
        let mut timeline = Timeline::new(pace());
        for (number, letter) in text.chars().enumerate() {
            let seen = match letter {
                'g' => Seen::Good,
                'b' => Seen::Bad,
                'a' => Seen::Absent,
                'n' => Seen::Nothing,
                _ => continue,
            };
            timeline.add(slot(number as u64), seen);
        }
        timeline
    }

    fn periods(text: &str) -> Vec<(u64, u64)> {
        let failing = of(text).failing(slot(1_000));
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
        assert!(timeline.failing(slot(5))[0].is_open);
        assert!(!timeline.failing(slot(50))[0].is_open, "silence came between");
    }

    proptest! {
        /// The oracle keeps every row in a map.
        #[test]
        fn spans_hold_the_rows_whatever_their_order(
            rows in prop::collection::vec((0u64..40, 0u8..4), 0..60),
        ) {
            let seen = |code| [Seen::Good, Seen::Bad, Seen::Absent, Seen::Nothing][usize::from(code)];
            let mut timeline = Timeline::new(pace());
            let mut oracle = BTreeMap::new();
            for &(number, code) in &rows {
                timeline.add(slot(number), seen(code));
                oracle.entry(number).or_insert(seen(code));
            }
            let mut spread = BTreeMap::new();
            for span in timeline.spans() {
                let mut at = span.first;
                while at <= span.last {
                    prop_assert!(spread.insert(at.0 / 10_000, span.seen).is_none());
                    at = UnixMillis(at.0 + 10_000);
                }
            }
            prop_assert_eq!(spread, oracle);
        }
    }
}
