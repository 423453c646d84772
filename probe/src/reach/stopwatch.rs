//! Where an attempt's time goes: marks on one monotonic clock, turned into spans that add up.

use std::time::{Duration, Instant};

use isochrone_proto::measurement::Phase;
use isochrone_proto::units::Micros;

/// Marks taken while a check runs.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    start: Instant,
    phase: Phase,
    spans: [Option<(Instant, Instant)>; 3],
}

/// How long the steps to an open stream took; 0 for one that was not needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spans {
    pub(crate) resolve: Duration,
    pub(crate) connect: Duration,
    pub(crate) tls: Duration,
}

impl Spans {
    pub(crate) fn sum(&self) -> Duration {
        self.resolve + self.connect + self.tls
    }
}

impl Stopwatch {
    pub(crate) fn start(now: Instant) -> Self {
        Self {
            start: now,
            phase: Phase::Resolve,
            spans: [None; 3],
        }
    }

    /// The phase that runs now: the one to blame when the check breaks or is given up.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    pub(crate) fn resolved(&mut self, from: Instant, to: Instant) {
        self.spans[0] = Some((from, to));
    }

    pub(crate) fn connected(&mut self, from: Instant, to: Instant) {
        self.spans[1] = Some((from, to));
    }

    pub(crate) fn secured(&mut self, from: Instant, to: Instant) {
        self.spans[2] = Some((from, to));
    }

    /// Start to `now`; 0 if the clock ran backwards. For people only: never a latency.
    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    /// Start to `end`; `None` if the clock ran backwards.
    pub(crate) fn total(&self, end: Instant) -> Option<Duration> {
        end.checked_duration_since(self.start)
    }

    /// The spans so far; `None` if the clock ran backwards in one: then there is no latency to report.
    pub(crate) fn spans(&self) -> Option<Spans> {
        let span = |index: usize| match self.spans[index] {
            Some((from, to)) => to.checked_duration_since(from),
            None => Some(Duration::ZERO),
        };
        Some(Spans {
            resolve: span(0)?,
            connect: span(1)?,
            tls: span(2)?,
        })
    }
}

/// `parts` in whole microseconds, and what of `total` is in none of them: each part is cut down, and what that
/// takes goes to the rest, so that they still add up. `None` above 100 s, which no timeout allows.
pub(crate) fn whole_micros<const N: usize>(
    parts: [Duration; N],
    total: Duration,
) -> Option<([Micros; N], Micros)> {
    let total = Micros::from_duration(total)?;
    let mut attributed = 0;
    let mut whole = [Micros::default(); N];
    for (slot, part) in whole.iter_mut().zip(parts) {
        let us = u64::try_from(part.as_nanos() / 1_000).ok()?;
        attributed += us;
        *slot = Micros::new(us)?;
    }
    let rest = Micros::new(u64::from(total.get()).checked_sub(attributed)?)?;
    Some((whole, rest))
}
