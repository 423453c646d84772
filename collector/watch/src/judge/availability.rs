//! What people are paid by: the share of a term in which a node was up, with the bounds that the grid leaves.
//!
//! A census, not a sample: bounds, and no confidence level.

use isochrone_proto::units::UnixMillis;

use crate::incident::{Cause, CheckSpan, Incident, IncidentCheck, Spell};
use crate::spans::{Span, Spans};

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
    pub term_s: f64,
    /// X: maintenance that was entered beforehand, shared outages, sources.
    pub excluded_s: f64,
    /// U: no quorum was possible, outside X and D⁺.
    pub unknown_s: f64,
    /// D: down, outside X.
    pub down_s: f64,
    /// D⁻: from the first failure seen to the last, outside X.
    pub surely_down_s: f64,
    /// D⁺: from the last answer before to the first after, outside X.
    pub perhaps_down_s: f64,
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

    /// An outage, until `now` where it goes on: connections, names and assets are paid by, or a plain page; a status that
    /// fails alone is not. A shared outage is excluded, and so is what a storage source is blamed for.
    pub fn outage(&mut self, incident: &Incident, now: UnixMillis) {
        // one that was kept before its spells said which of them were shared
        let is_all_shared = incident.cause == Cause::Shared
            && incident.spells.iter().all(|spell| spell.shared_since.is_none());
        for spell in &incident.spells {
            let over = spell.first_green.or(incident.end).unwrap_or(now);
            match spell.shared_since {
                Some(since) if since > spell.first_red => self.exclude((since, over)),
                None if !is_all_shared => {}
                _ => {
                    self.exclude((spell.last_green.min(spell.first_red), over));
                    continue;
                }
            }
            for span in incident.checks.iter().filter(|span| is_paid_by(span.check)) {
                self.down(spell, span, over);
            }
        }
    }

    /// A check of an outage, as far as it failed in one of its times down, which was over at `over`.
    fn down(&mut self, spell: &Spell, span: &CheckSpan, over: UnixMillis) {
        let (from, until) = (
            span.start.max(spell.first_red),
            span.end.unwrap_or(over).min(over),
        );
        if from >= until {
            return;
        }
        // what the grid leaves open, on both sides
        let before_ms = spell.first_red.0.saturating_sub(spell.last_green.0);
        let after_ms = over.0.saturating_sub(spell.last_red.0);
        let ends_last = until >= spell.last_red;
        let (seen, after) = match ends_last {
            true => (spell.last_red.min(until), over),
            false => (UnixMillis(until.0.saturating_sub(after_ms)), until),
        };
        let perhaps = (UnixMillis(from.0.saturating_sub(before_ms)), after);
        if span.cause == Cause::Source {
            self.exclude(perhaps);
            return;
        }
        self.down.add((from, until));
        self.surely_down.add((from, seen));
        self.perhaps_down.add(perhaps);
    }

    /// The figures.
    #[must_use]
    pub fn close(&self) -> Availability {
        let excluded = self.excluded.within(self.term);
        let outside = |spans: &Spans| spans.within(self.term).without(&excluded).seconds();
        Availability {
            term_s: (self.term.1 - self.term.0) as f64 / 1_000.0,
            excluded_s: excluded.seconds(),
            unknown_s: self
                .unknown
                .within(self.term)
                .without(&excluded)
                .without(&self.perhaps_down.within(self.term))
                .seconds(),
            down_s: outside(&self.down),
            surely_down_s: outside(&self.surely_down),
            perhaps_down_s: outside(&self.perhaps_down),
        }
    }
}

/// What availability is made of. Status stands beside it.
const fn is_paid_by(check: IncidentCheck) -> bool {
    matches!(
        check,
        IncidentCheck::Connect | IncidentCheck::Name | IncidentCheck::Asset | IncidentCheck::Http
    )
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
        outage.checks = vec![span(IncidentCheck::Connect, (100, 200), cause)];
        outage.spells = vec![Spell {
            last_green: at(95),
            first_red: at(100),
            last_red: at(190),
            first_green: Some(at(205)),
            shared_since: None,
        }];
        outage
    }

    fn span(check: IncidentCheck, (start, end): (u64, u64), cause: Cause) -> CheckSpan {
        CheckSpan {
            check,
            start: at(start),
            end: Some(at(end)),
            cause,
        }
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
    fn time_down_in_which_no_quorum_was_possible_is_counted_once() {
        let mut account = account();
        account.outage(&outage(Cause::Node), at(1_000));
        account.unknown((at(105), at(205)));
        let got = account.close();
        assert_eq!((got.unknown_s, got.down_s), (0.0, 100.0));
        assert_eq!(got.share(), Some(0.9));
        assert_eq!(got.bounds(), Some((1.0 - 110.0 / 1_000.0, 1.0 - 90.0 / 1_000.0)));
        assert_eq!(got.known(), Some(1.0));
    }

    #[test]
    fn status_that_fails_alone_is_not_down_and_what_joins_it_is_from_then_on() {
        let mut account = account();
        let mut outage = outage(Cause::Node);
        outage.checks = vec![span(IncidentCheck::Status, (100, 200), Cause::Node)];
        account.outage(&outage, at(1_000));
        assert_eq!(account.close().perhaps_down_s, 0.0);
        outage
            .checks
            .push(span(IncidentCheck::Connect, (150, 200), Cause::Node));
        account.outage(&outage, at(1_000));
        let got = account.close();
        assert_eq!(
            (got.surely_down_s, got.down_s, got.perhaps_down_s),
            (40.0, 50.0, 60.0)
        );
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
    fn only_what_was_shared_of_an_outage_that_comes_and_goes_is_excluded() {
        let spell = |from, until, shared: Option<u64>| Spell {
            last_green: at(from),
            first_red: at(from),
            last_red: at(until),
            first_green: Some(at(until)),
            shared_since: shared.map(at),
        };
        let mut flapping = outage(Cause::Shared);
        flapping.end = Some(at(600));
        flapping.checks = vec![
            span(IncidentCheck::Connect, (100, 200), Cause::Node),
            span(IncidentCheck::Connect, (300, 400), Cause::Node),
            span(IncidentCheck::Asset, (500, 600), Cause::Node),
            span(IncidentCheck::Connect, (550, 600), Cause::Node),
        ];
        flapping.spells = vec![
            spell(100, 200, None),
            spell(300, 400, Some(300)),
            spell(500, 600, Some(550)),
        ];
        let mut account = account();
        account.outage(&flapping, at(1_000));
        let got = account.close();
        assert_eq!((got.down_s, got.excluded_s), (150.0, 150.0));
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
