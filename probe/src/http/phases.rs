//! Where a request's time went. The phases add up to the whole.

use std::time::{Duration, Instant};

use crate::reach::Stopwatch;

/// The phases of an answered check. Their sum is the total, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    resolve: Duration,
    connect: Duration,
    tls: Duration,
    first_byte: Duration,
    transfer: Duration,
    unattributed: Duration,
    total: Duration,
}

impl Phases {
    /// Name to address; 0 where the URL holds an address.
    pub fn resolve(&self) -> Duration {
        self.resolve
    }

    /// TCP connect: SYN out to SYN-ACK in, one round trip of the network.
    pub fn connect(&self) -> Duration {
        self.connect
    }

    /// TLS handshake; 0 over plain HTTP.
    pub fn tls(&self) -> Duration {
        self.tls
    }

    /// Request written to first byte of the answer.
    pub fn first_byte(&self) -> Duration {
        self.first_byte
    }

    /// First byte to last byte read.
    pub fn transfer(&self) -> Duration {
        self.transfer
    }

    /// What lies between the phases: writing the request, parsing, the machine's own delays.
    pub fn unattributed(&self) -> Duration {
        self.unattributed
    }

    /// Start to end.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// Names and durations in order, without the total.
    pub fn parts(&self) -> [(&'static str, Duration); 6] {
        [
            ("resolve", self.resolve),
            ("connect", self.connect),
            ("tls", self.tls),
            ("first byte", self.first_byte),
            ("transfer", self.transfer),
            ("unattributed", self.unattributed),
        ]
    }

    /// The phases of a check whose request was written, and whose answer's first byte came, at `answered`, and
    /// whose last byte came at `end`. `None` when marks are out of order (an answer before its question, a clock
    /// that ran backwards): then there is no latency to report.
    pub(crate) fn of(watch: &Stopwatch, (written, first): (Instant, Instant), end: Instant) -> Option<Self> {
        let spans = watch.spans()?;
        let first_byte = first.checked_duration_since(written)?;
        let transfer = end.checked_duration_since(first)?;
        let total = watch.total(end)?;
        let unattributed = total.checked_sub(spans.sum() + first_byte + transfer)?;
        Some(Self {
            resolve: spans.resolve,
            connect: spans.connect,
            tls: spans.tls,
            first_byte,
            transfer,
            unattributed,
            total,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn origin() -> Instant {
        Instant::now()
    }

    proptest! {
        #[test]
        fn marks_in_order_sum_to_the_total(gaps in prop::collection::vec(0u64..5_000_000_000, 10)) {
            let mut at = origin();
            let mut watch = Stopwatch::start(at);
            let mut marks = Vec::new();
            for gap in &gaps {
                at += Duration::from_nanos(*gap);
                marks.push(at);
            }
            watch.resolved(marks[0], marks[1]);
            watch.connected(marks[2], marks[3]);
            watch.secured(marks[4], marks[5]);
            let phases = Phases::of(&watch, (marks[7], marks[8]), marks[9]).expect("the marks are in order");
            let nanos = |index: usize| Duration::from_nanos(gaps[index]);
            prop_assert_eq!(phases.resolve(), nanos(1));
            prop_assert_eq!(phases.connect(), nanos(3));
            prop_assert_eq!(phases.tls(), nanos(5));
            prop_assert_eq!(phases.first_byte(), nanos(8));
            prop_assert_eq!(phases.transfer(), nanos(9));
            prop_assert_eq!(phases.unattributed(), nanos(0) + nanos(2) + nanos(4) + nanos(6) + nanos(7));
            prop_assert_eq!(phases.total(), Duration::from_nanos(gaps.iter().sum()));
        }

        #[test]
        fn marks_in_any_order_never_give_phases_that_do_not_add_up(order in prop::collection::vec(0u64..1_000, 9)) {
            let zero = origin();
            let mark = |index: usize| zero + Duration::from_nanos(order[index]);
            let mut watch = Stopwatch::start(zero);
            watch.resolved(mark(0), mark(1));
            watch.connected(mark(2), mark(3));
            watch.secured(mark(4), mark(5));
            if let Some(phases) = Phases::of(&watch, (mark(6), mark(7)), mark(8)) {
                let sum: Duration = phases.parts().iter().map(|(_, part)| *part).sum();
                prop_assert_eq!(sum, phases.total());
                prop_assert_eq!(phases.total(), Duration::from_nanos(order[8]));
            }
        }
    }

    #[test]
    fn answer_before_its_question_has_no_latency() {
        let zero = origin();
        let watch = Stopwatch::start(zero);
        let after = |ms| zero + Duration::from_millis(ms);
        assert_eq!(Phases::of(&watch, (after(5), after(3)), after(9)), None);
    }
}
