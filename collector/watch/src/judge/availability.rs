//! What people are paid by: the share of a term in which a node was up, with the bounds that the grid leaves.
//!
//! A census, not a sample: bounds, and no confidence level.

use isochrone_proto::units::UnixMillis;

use crate::incident::{Cause, Incident, Spell};

/// From inclusive, until exclusive.
pub type Span = (UnixMillis, UnixMillis);

/// What is known of a node over a term.
#[derive(Clone, Debug, Default)]
pub struct Account {
    term: (u64, u64),
    excluded: Spans,
    unknown: Spans,
    down: Spans,
    surely_down: Spans,
    perhaps_down: Spans,
}

/// Seconds of a term, and the shares that follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Availability {
    /// T: the term.
    pub(crate) term_s: f64,
    /// X: maintenance that was entered beforehand, shared outages, sources.
    pub(crate) excluded_s: f64,
    /// U: no quorum was possible, outside X.
    pub(crate) unknown_s: f64,
    /// D: down, outside X.
    pub(crate) down_s: f64,
    /// D⁻: from the first failure seen to the last, outside X.
    pub(crate) surely_down_s: f64,
    /// D⁺: from the last answer before to the first after, outside X.
    pub(crate) perhaps_down_s: f64,
}

impl Availability {
    /// A = 1 − D/(T − X − U); `None` if nothing is left to judge.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let judged = self.term_s - self.excluded_s - self.unknown_s;
        (judged > 0.0).then(|| 1.0 - self.down_s / judged)
    }

    /// 1 − (D⁺ + U)/(T − X), and 1 − D⁻/(T − X).
    #[must_use]
    pub fn bounds(&self) -> Option<(f64, f64)> {
        let counted = self.term_s - self.excluded_s;
        let low = 1.0 - (self.perhaps_down_s + self.unknown_s) / counted;
        (counted > 0.0).then(|| (low.max(0.0), 1.0 - self.surely_down_s / counted))
    }

    /// The part of what counts in which a quorum was possible.
    #[must_use]
    pub fn known(&self) -> Option<f64> {
        let counted = self.term_s - self.excluded_s;
        (counted > 0.0).then(|| 1.0 - self.unknown_s / counted)
    }
}

impl Account {
    /// Of a term, from inclusive, until exclusive.
    #[must_use]
    pub fn new((from, until): Span) -> Self {
        Self {
            term: (from.0, until.0.max(from.0)),
            ..Self::default()
        }
    }

    /// Time that counts neither way.
    pub(crate) fn exclude(&mut self, span: Span) {
        self.excluded.add(span);
    }

    /// Time in which no quorum was possible.
    pub fn unknown(&mut self, span: Span) {
        self.unknown.add(span);
    }

    /// An outage, until `now` where it goes on. A shared one and one of a source are excluded.
    pub fn outage(&mut self, incident: &Incident, now: UnixMillis) {
        for spell in &incident.spells {
            let end = spell.first_green.or(incident.end).unwrap_or(now);
            if matches!(incident.cause, Cause::Shared | Cause::Source) {
                self.exclude((spell.last_green.min(spell.first_red), end));
            } else {
                self.down(spell, incident.end.unwrap_or(now).min(end), end);
            }
        }
    }

    fn down(&mut self, spell: &Spell, end: UnixMillis, after: UnixMillis) {
        let end = end.max(spell.first_red);
        self.down.add((spell.first_red, end));
        let last = spell.last_red.min(end);
        self.surely_down.add((spell.first_red, last));
        self.perhaps_down
            .add((spell.last_green.min(spell.first_red), after.max(end)));
    }

    /// The figures.
    #[must_use]
    pub fn close(&self) -> Availability {
        let excluded = self.excluded.within(self.term);
        let outside = |spans: &Spans| seconds(&spans.within(self.term).without(&excluded));
        Availability {
            term_s: (self.term.1 - self.term.0) as f64 / 1_000.0,
            excluded_s: seconds(&excluded),
            unknown_s: outside(&self.unknown),
            down_s: outside(&self.down),
            surely_down_s: outside(&self.surely_down),
            perhaps_down_s: outside(&self.perhaps_down),
        }
    }
}

/// Stretches of time, sorted, none touching another.
#[derive(Clone, Debug, Default)]
struct Spans(Vec<(u64, u64)>);

impl Spans {
    fn add(&mut self, (from, until): Span) {
        if from < until {
            self.0.push((from.0, until.0));
        }
    }

    /// The parts inside `term`, joined.
    fn within(&self, term: (u64, u64)) -> Self {
        let mut parts: Vec<(u64, u64)> = self
            .0
            .iter()
            .map(|(from, until)| ((*from).max(term.0), (*until).min(term.1)))
            .filter(|(from, until)| from < until)
            .collect();
        parts.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for part in parts {
            match joined.last_mut().filter(|last| part.0 <= last.1) {
                Some(last) => last.1 = last.1.max(part.1),
                None => joined.push(part),
            }
        }
        Self(joined)
    }

    /// The parts outside `others`; both joined.
    fn without(&self, others: &Self) -> Self {
        let mut parts = Vec::new();
        for &(from, until) in &self.0 {
            let mut rest = from;
            for &(begin, end) in others
                .0
                .iter()
                .filter(|(begin, end)| *begin < until && *end > from)
            {
                if rest < begin {
                    parts.push((rest, begin));
                }
                rest = rest.max(end);
            }
            if rest < until {
                parts.push((rest, until));
            }
        }
        Self(parts)
    }
}

fn seconds(spans: &Spans) -> f64 {
    let parts = spans
        .0
        .iter()
        .map(|(from, until)| (until - from) as f64 / 1_000.0);
    parts.fold(0.0, |all, part| all + part) // the sum of nothing would be -0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::incident::tests::incident;

    fn at(second: u64) -> UnixMillis {
        UnixMillis(second * 1_000)
    }

    fn outage(cause: Cause) -> Incident {
        let mut outage = incident(100_000, Some(200_000));
        outage.cause = cause;
        outage.spells = vec![Spell {
            last_green: at(95),
            first_red: at(100),
            last_red: at(190),
            first_green: Some(at(205)),
        }];
        outage
    }

    fn account() -> Account {
        Account::new((at(0), at(1_000)))
    }

    #[test]
    fn availability_is_the_share_of_what_could_be_judged_with_its_bounds() {
        let mut account = account();
        account.outage(&outage(Cause::Node), at(1_000));
        account.unknown((at(500), at(600)));
        account.exclude((at(800), at(900)));
        let got = account.close();
        assert_eq!((got.excluded_s, got.unknown_s), (100.0, 100.0));
        assert_eq!(
            (got.surely_down_s, got.down_s, got.perhaps_down_s),
            (90.0, 100.0, 110.0)
        );
        assert_eq!(got.share(), Some(1.0 - 100.0 / 800.0));
        assert_eq!(got.bounds(), Some((1.0 - 210.0 / 900.0, 1.0 - 90.0 / 900.0)));
        assert_eq!(got.known(), Some(1.0 - 100.0 / 900.0));
    }

    #[test]
    fn shared_outages_and_those_of_a_source_are_excluded() {
        for cause in [Cause::Shared, Cause::Source] {
            let mut account = account();
            account.outage(&outage(cause), at(1_000));
            let got = account.close();
            assert_eq!((got.down_s, got.excluded_s), (0.0, 110.0), "{cause:?}");
        }
    }

    #[test]
    fn time_down_within_maintenance_does_not_count() {
        let mut account = account();
        account.outage(&outage(Cause::Node), at(1_000));
        account.exclude((at(150), at(900)));
        assert_eq!(account.close().down_s, 50.0);
    }

    #[test]
    fn nothing_is_zero_and_not_minus_zero() {
        let nothing = account().close();
        for seconds in [
            nothing.excluded_s,
            nothing.unknown_s,
            nothing.down_s,
            nothing.surely_down_s,
        ] {
            assert_eq!(seconds.to_string(), "0");
        }
    }

    #[test]
    fn term_that_is_excluded_whole_has_no_share() {
        let mut account = account();
        account.exclude((at(0), at(2_000)));
        let got = account.close();
        assert_eq!((got.share(), got.bounds()), (None, None));
    }

    proptest! {
        /// The oracle asks second by second.
        #[test]
        fn seconds_are_those_of_the_oracle(
            down in prop::collection::vec((0u64..120, 0u64..40), 0..6),
            excluded in prop::collection::vec((0u64..120, 0u64..40), 0..6),
        ) {
            let mut account = Account::new((at(10), at(110)));
            let spans = |of: &[(u64, u64)]| of.iter().map(|&(from, long)| (from, from + long)).collect::<Vec<_>>();
            let (down, excluded) = (spans(&down), spans(&excluded));
            down.iter().for_each(|&(from, until)| account.down.add((at(from), at(until))));
            excluded.iter().for_each(|&(from, until)| account.exclude((at(from), at(until))));
            let holds = |spans: &[(u64, u64)], second| spans.iter().any(|(from, until)| *from <= second && second < *until);
            let seconds = |of: &dyn Fn(u64) -> bool| (10..110).filter(|second| of(*second)).count() as f64;
            let got = account.close();
            prop_assert_eq!(got.excluded_s, seconds(&|second| holds(&excluded, second)));
            prop_assert_eq!(got.down_s, seconds(&|second| holds(&down, second) && !holds(&excluded, second)));
        }
    }
}
