//! What measurements add up to.

use std::collections::BTreeMap;
use std::fmt;

use isochrone_base::kinds::{Ended, EndpointRun};
use isochrone_coverage::histogram::LogHistogram;
use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{
    ConnectResult, EchoOutcome, EndpointResult, FailureCause, Outcome, Phase, SendFailure,
};
use isochrone_proto::units::Micros;

/// Counts and times of measurements. Two of them are merged by adding; only an answer has times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// Slots that the probe says it skipped.
    pub skipped: u64,
    /// Measurements.
    pub run: u64,
    /// Of these, those that were answered as they should.
    pub ok: u64,
    /// The others, by what became of them.
    pub losses: BTreeMap<Loss, u64>,
    pub(super) times: [LogHistogram; Timing::ALL.len()],
}

impl Sums {
    /// Slots that batches tell of: those that were run and those that were skipped. What was planned and never told of is
    /// in the ledger only.
    #[must_use]
    pub const fn planned(&self) -> u64 {
        self.run + self.skipped
    }

    /// How long it took, of those that were answered.
    #[must_use]
    pub const fn times(&self, timing: Timing) -> &LogHistogram {
        &self.times[timing as usize]
    }

    /// With these times alone, as they come from files of which no others are read.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn only(mut self, timings: &[Timing]) -> Self {
        for timing in Timing::ALL {
            if !timings.contains(&timing) {
                self.times[timing as usize] = LogHistogram::new();
            }
        }
        self
    }

    /// Adds what `other` adds up to.
    pub fn merge(&mut self, other: &Self) {
        self.skipped += other.skipped;
        self.run += other.run;
        self.ok += other.ok;
        for (loss, count) in &other.losses {
            *self.losses.entry(*loss).or_default() += count;
        }
        for (times, other) in self.times.iter_mut().zip(&other.times) {
            times.merge(other);
        }
    }
}

/// What took how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timing {
    /// An echo, from the request to its answer, as it was measured: what the responder claims to have taken is within.
    Rtt,
    /// Finding the address; where that was looked up.
    Resolve,
    /// The TCP handshake.
    Connect,
    /// The TLS handshake, where there was one.
    Tls,
    /// From the beginning to the first byte of the answer to a request.
    FirstByte,
    /// How long 8 MiB of an object took that the node had in its cache, of throughput checks.
    Range,
}

impl Timing {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Rtt,
        Self::Resolve,
        Self::Connect,
        Self::Tls,
        Self::FirstByte,
        Self::Range,
    ];

    /// As the keys of an export and the fields of a document name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rtt => "rtt",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::FirstByte => "first_byte",
            Self::Range => "range",
        }
    }
}

/// Why a run was not answered as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// An echo without an answer.
    TimedOut,
    /// A check of an endpoint failed: how far it came, and why.
    Failed(Phase, FailureCause),
    /// It never left the probe.
    Unsent(SendFailure),
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str(TIMED_OUT),
            Self::Failed(phase, cause) => write!(f, "{phase}/{cause}"),
            Self::Unsent(cause) => write!(f, "{UNSENT}/{cause}"),
        }
    }
}

const TIMED_OUT: &str = "timed-out";
const UNSENT: &str = "unsent";

impl Loss {
    /// Reads what [`Loss`] is written as.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == TIMED_OUT {
            return Some(Self::TimedOut);
        }
        let (phase, cause) = text.split_once('/')?;
        if phase == UNSENT {
            let known = SendFailure::ALL.iter().find(|known| known.word() == cause)?;
            return Some(Self::Unsent(*known));
        }
        let phase = Phase::ALL.iter().find(|known| known.word() == phase)?;
        let cause = FailureCause::ALL.iter().find(|known| known.word() == cause)?;
        Some(Self::Failed(*phase, *cause))
    }
}

/// What one run adds.
pub(super) enum Added {
    /// An answer, with how long it took, by [`Timing`]; 0: there was no such step.
    Ok([u32; Timing::ALL.len()]),
    Lost(Loss),
}

impl Added {
    /// As reports judge it: a success that no Argus node gives is none.
    pub(super) fn of(check: Check, outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Echo(EchoOutcome::Replied { rtt, .. }) => Self::Ok([rtt.get().max(1), 0, 0, 0, 0, 0]),
            Outcome::Echo(EchoOutcome::TimedOut) => Self::Lost(Loss::TimedOut),
            Outcome::Echo(EchoOutcome::Unsent(cause)) => Self::Lost(Loss::Unsent(*cause)),
            Outcome::Connect(of) => match (ended(check, outcome), &of.result) {
                (Some(Ended::Ok { .. }) | None, ConnectResult::Connected(phases)) => {
                    Self::ok([phases.resolve, phases.connect, phases.tls], 0, 0)
                }
                (ended, _) => Self::Lost(loss(ended)),
            },
            Outcome::Endpoint(of) => match (ended(check, outcome), &of.result) {
                (Some(Ended::Ok { .. }) | None, EndpointResult::Ok { phases, .. }) => {
                    let first_byte = u32::try_from(phases.ttfb_us()).unwrap_or(u32::MAX);
                    let range = of.throughput_us(check).unwrap_or_default();
                    Self::ok([phases.resolve, phases.connect, phases.tls], first_byte, range)
                }
                (ended, _) => Self::Lost(loss(ended)),
            },
        }
    }

    fn ok([resolve, connect, tls]: [Micros; 3], first_byte: u32, range: u32) -> Self {
        let connect = connect.get().max(1);
        Self::Ok([0, resolve.get(), connect, tls.get(), first_byte, range])
    }
}

fn ended(check: Check, outcome: &Outcome) -> Option<Ended<'_>> {
    EndpointRun::of(check, outcome).map(|run| run.ended)
}

fn loss(ended: Option<Ended<'_>>) -> Loss {
    match ended {
        Some(Ended::Failed { phase, cause, .. }) => Loss::Failed(phase, cause),
        Some(Ended::Unsent(cause)) => Loss::Unsent(cause),
        Some(Ended::Ok { .. }) | None => Loss::TimedOut, // an endpoint's run never ends so
    }
}
