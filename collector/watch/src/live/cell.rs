//! What one vantage knows of one target by one kind of check.

use isochrone_base::kinds::{Ended, EndpointRun, Finding};
use isochrone_proto::batch::EchoRow;
use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::Kind;
use isochrone_proto::measurement::{EchoOutcome, FailureCause, Phase};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::{Micros, UnixMillis};

use super::newest::Newest;
use super::window::{Sample, Window};
use crate::judge::Cadence;

/// Live state of one (vantage, target, kind).
#[derive(Clone, Debug)]
pub struct Cell {
    /// What is measured.
    pub target: TargetId,
    /// By which check, over which family.
    pub kind: Kind,
    /// The vantage's newest plan holds this check.
    pub planned: bool,
    cadence: Cadence,
    newest: Newest,
    window: Window,
    endpoint: Option<Box<EndpointCell>>,
}

/// What only endpoint checks know.
#[derive(Clone, Debug, Default)]
pub struct EndpointCell {
    /// Times to first byte that may be compared: a status or page, or a cached asset.
    pub ttfb: Window,
    /// The newest time to connect.
    pub connect: Option<Micros>,
    /// The newest failure that says something against the target.
    pub failure: Option<Failure>,
    /// End of validity of the newest certificate shown, in Unix seconds.
    pub certificate_expires: Option<u64>,
}

/// A failed endpoint check, verbatim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its slot.
    pub slot: UnixMillis,
    /// How far it came.
    pub phase: Phase,
    /// What went wrong.
    pub cause: FailureCause,
    /// The error's text.
    pub text: String,
}

impl Cell {
    /// A cell without a run.
    #[must_use]
    pub(crate) fn new(target: TargetId, kind: Kind, schedule: Schedule) -> Self {
        Self {
            target,
            kind,
            planned: true,
            cadence: Cadence::of(schedule),
            newest: Newest::default(),
            window: Window::default(),
            endpoint: kind.check.is_endpoint().then(Box::default),
        }
    }

    /// Slot of the newest run.
    #[must_use]
    pub fn newest(&self) -> Option<UnixMillis> {
        self.newest.slot()
    }

    /// Failures in a row that it ends with.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.newest.failures()
    }

    /// Round-trip times of an echo, times to connect of an endpoint.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// What only endpoint checks know.
    #[must_use]
    pub fn endpoint(&self) -> Option<&EndpointCell> {
        self.endpoint.as_deref()
    }

    /// Whether something was measured lately. Silence is no data.
    #[must_use]
    pub fn is_fresh(&self, now: UnixMillis) -> bool {
        self.newest.slot().is_some_and(|slot| self.lasts(slot, now))
    }

    /// What the newest run says that says anything, if it is fresh.
    #[must_use]
    pub fn word(&self, now: UnixMillis) -> Option<Finding> {
        let word = self.newest.word().filter(|(slot, _)| self.lasts(*slot, now));
        word.map(|(_, seen)| seen)
    }

    fn lasts(&self, slot: UnixMillis, now: UnixMillis) -> bool {
        let lasts_ms = match self.endpoint {
            Some(_) => self.cadence.answer_ms(), // as the engine has it
            None => self.cadence.apart_ms(),
        };
        now.0.saturating_sub(slot.0) <= lasts_ms
    }

    /// Forgets its runs: the clock by which they are known was set.
    pub(super) fn start_anew(&mut self) {
        self.newest = Newest::default();
        self.window = Window::default();
        self.endpoint = self.kind.check.is_endpoint().then(Box::default);
    }

    pub(super) fn replan(&mut self, schedule: Schedule) {
        self.cadence = Cadence::of(schedule);
        self.planned = true;
    }

    pub(super) fn echo(&mut self, row: &EchoRow) {
        match row.outcome {
            EchoOutcome::Replied { suspect: true, .. } => self.window.record(row.slot, Sample::Untimed),
            EchoOutcome::Replied { rtt, .. } => self.window.record(row.slot, Sample::Took(rtt)),
            EchoOutcome::TimedOut => self.window.record(row.slot, Sample::Lost),
            EchoOutcome::Unsent(_) => {}
        }
        self.newest.add(row.slot, Finding::of_echo(&row.outcome));
    }

    pub(super) fn endpoint_run(&mut self, slot: UnixMillis, run: &EndpointRun<'_>) {
        let seen = run.finding();
        let is_newest = self.newest.add(slot, seen);
        let endpoint = self.endpoint.get_or_insert_default();
        if run.certificate_expires.is_some() && is_newest {
            endpoint.certificate_expires = run.certificate_expires;
        }
        match run.ended {
            Ended::Ok { connect, ttfb_us } => {
                self.window.record(slot, Sample::Took(connect));
                if let Some(ttfb) = ttfb_us.and_then(Micros::new) {
                    endpoint.ttfb.record(slot, Sample::Took(ttfb));
                }
                if is_newest {
                    endpoint.connect = Some(connect);
                }
            }
            Ended::Failed { phase, cause, text } => {
                if seen == Finding::Bad {
                    self.window.record(slot, Sample::Lost);
                } else if seen == Finding::Absent {
                    self.window.record(slot, Sample::Untimed);
                }
                let is_later = endpoint.failure.as_ref().is_none_or(|known| known.slot < slot);
                if is_later && seen != Finding::Nothing {
                    endpoint.failure = Some(Failure {
                        slot,
                        phase,
                        cause,
                        text: text.to_owned(),
                    });
                }
            }
            Ended::Unsent(_) => {}
        }
    }
}
