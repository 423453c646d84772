//! What one vantage knows of one target by one kind of check.

use isochrone_base::kinds::{CountsFor, Ended, EndpointRun, Seen, counts_for};
use isochrone_proto::batch::EchoRow;
use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::Kind;
use isochrone_proto::measurement::{EchoOutcome, FailureCause, Phase};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::{Micros, UnixMillis};

use super::runs::{Run, Runs};
use super::window::{Sample, Window};

/// How long a finished run may take to get here: a batch closes after a second.
const WAY_MS: u64 = 2_000;

/// Live state of one (vantage, target, kind).
#[derive(Clone, Debug)]
pub struct Cell {
    /// What is measured.
    pub target: TargetId,
    /// By which check, over which family.
    pub kind: Kind,
    /// The vantage's newest plan holds this check.
    pub planned: bool,
    pace: Pace,
    runs: Runs,
    window: Window,
    endpoint: Option<Box<EndpointCell>>,
}

/// How soon a row must come, and how long it stays fresh, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Distance of two slots.
    pub interval_ms: u64,
    /// A row older than this never pages: two intervals, or one interval, the timeout and two seconds of
    /// way where that is longer (a timeout cannot be told sooner).
    pub timely_ms: u64,
    /// After this long without a slot there is no data, and runs further apart are not in a row: three
    /// intervals, or one more than a row may be old where that is longer.
    pub fresh_ms: u64,
}

impl Pace {
    /// The pace of a schedule.
    #[must_use]
    pub fn of(schedule: Schedule) -> Self {
        let (interval_ms, timeout_ms) = (
            u64::from(schedule.interval_ms()),
            u64::from(schedule.timeout_ms()),
        );
        let timely_ms = (2 * interval_ms).max(interval_ms + timeout_ms + WAY_MS);
        Self {
            interval_ms,
            timely_ms,
            fresh_ms: timely_ms + interval_ms,
        }
    }
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
    /// The server answered with a status line: this probe's way out works.
    pub answered: bool,
}

impl Cell {
    /// A cell without a run.
    #[must_use]
    pub fn new(target: TargetId, kind: Kind, schedule: Schedule) -> Self {
        Self {
            target,
            kind,
            planned: true,
            pace: Pace::of(schedule),
            runs: Runs::default(),
            window: Window::default(),
            endpoint: kind.check.is_endpoint().then(Box::default),
        }
    }

    /// Whether its runs count for anything: else it is kept and shown, and no verdict looks at it.
    #[must_use]
    pub fn counts(&self) -> bool {
        counts_for(self.kind.check) != CountsFor::Nothing
    }

    /// Its pace.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// The newest runs.
    #[must_use]
    pub fn runs(&self) -> &Runs {
        &self.runs
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
        self.runs
            .newest()
            .is_some_and(|run| now.0.saturating_sub(run.slot.0) <= self.pace.fresh_ms)
    }

    /// The newest run that says anything, if it is fresh.
    #[must_use]
    pub fn word(&self, now: UnixMillis) -> Option<Run> {
        self.runs
            .newest_word()
            .filter(|run| now.0.saturating_sub(run.slot.0) <= self.pace.fresh_ms)
    }

    /// Failures in a row that may page now.
    #[must_use]
    pub fn paging_failures(&self, now: UnixMillis) -> u32 {
        match self.runs.newest_word() {
            Some(run) if now.0.saturating_sub(run.slot.0) <= self.pace.timely_ms => {
                self.runs.timely_failures(self.pace.fresh_ms)
            }
            _ => 0,
        }
    }

    /// Answers in a row that may end an incident.
    #[must_use]
    pub fn answers_in_a_row(&self) -> u32 {
        self.runs.timely_answers(self.pace.fresh_ms)
    }

    /// Whether the newest failure came without any answer of the target's.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        match self
            .endpoint
            .as_ref()
            .and_then(|endpoint| endpoint.failure.as_ref())
        {
            Some(failure) => !failure.answered,
            None => true,
        }
    }

    pub(super) fn replan(&mut self, schedule: Schedule) {
        self.pace = Pace::of(schedule);
        self.planned = true;
    }

    pub(super) fn echo(&mut self, row: &EchoRow, received: UnixMillis) {
        match row.outcome {
            EchoOutcome::Replied { suspect: true, .. } => self.window.record(row.slot, Sample::Untimed),
            EchoOutcome::Replied { rtt, .. } => self.window.record(row.slot, Sample::Took(rtt)),
            EchoOutcome::TimedOut => self.window.record(row.slot, Sample::Lost),
            EchoOutcome::Unsent(_) => {}
        }
        self.add_run(row.slot, Seen::of_echo(&row.outcome), received);
    }

    pub(super) fn endpoint_run(&mut self, slot: UnixMillis, run: &EndpointRun<'_>, received: UnixMillis) {
        let seen = run.seen();
        let is_newest = self.runs.newest().is_none_or(|newest| newest.slot < slot);
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
                if seen == Seen::Bad {
                    self.window.record(slot, Sample::Lost);
                } else if seen == Seen::Absent {
                    self.window.record(slot, Sample::Untimed);
                }
                let is_later = endpoint.failure.as_ref().is_none_or(|known| known.slot < slot);
                if is_later && seen != Seen::Nothing {
                    endpoint.failure = Some(Failure {
                        slot,
                        phase,
                        cause,
                        text: text.to_owned(),
                        answered: run.answered,
                    });
                }
            }
            Ended::Unsent(_) => {}
        }
        self.add_run(slot, seen, received);
    }

    fn add_run(&mut self, slot: UnixMillis, seen: Seen, received: UnixMillis) {
        let timely = received.0.saturating_sub(slot.0) <= self.pace.timely_ms;
        self.runs.add(Run { slot, seen, timely }, self.pace.fresh_ms);
    }
}
