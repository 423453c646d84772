//! Outcomes as cells of columns, in the words of the export, and back.

mod read;

use isochrone_proto::kind::Layout;
use isochrone_proto::measurement::{
    CacheState, ConnectResult, EchoOutcome, EndpointOutcome, EndpointResult, FailureCause, Outcome, Phase,
    SendFailure, Stamp,
};
use isochrone_proto::units::Micros;

pub(super) use self::read::{Outcomes, micros};
use super::columns::{Cells, small, text, word};

/// The cells of every column behind [`super::schema::COMMON`]'s, `outcome` and `cause` before them.
pub(super) fn cells<'a>(layout: Layout, outcomes: impl Iterator<Item = &'a Outcome> + Clone) -> Vec<Cells> {
    let mut cells = vec![
        Cells::runs(outcomes.clone().map(said), |said| word(said)),
        Cells::maybe_runs(outcomes.clone().map(cause), |cause| word(cause)),
    ];
    match layout {
        Layout::Echo => cells.extend(echo_cells(outcomes)),
        Layout::Connect => cells.extend(reach_cells(outcomes)),
        Layout::Endpoint => {
            cells.extend(reach_cells(outcomes.clone()));
            cells.extend(answer_cells(outcomes));
        }
    }
    cells
}

const REPLIED: &str = "replied";
const TIMED_OUT: &str = "timed-out";
const OK: &str = "ok";
const FAILED: &str = "failed";
const UNSENT: &str = "unsent";
const KERNEL: &str = "kernel";
const USER: &str = "user";

/// In the words of the export.
fn said(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Echo(EchoOutcome::Replied { .. }) => REPLIED,
        Outcome::Echo(EchoOutcome::TimedOut) => TIMED_OUT,
        Outcome::Echo(EchoOutcome::Unsent(_)) => UNSENT,
        Outcome::Endpoint(_) | Outcome::Connect(_) => match end_of(outcome) {
            End::Ok(_) => OK,
            End::Failed(..) => FAILED,
            End::Unsent(_) => UNSENT,
        },
    }
}

fn cause(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Echo(EchoOutcome::Unsent(cause)) => Some(cause.word()),
        Outcome::Echo(_) => None,
        Outcome::Endpoint(_) | Outcome::Connect(_) => match end_of(outcome) {
            End::Ok(_) => None,
            End::Failed(_, cause, _) => Some(cause.word()),
            End::Unsent(cause) => Some(cause.word()),
        },
    }
}

fn echo_cells<'a>(outcomes: impl Iterator<Item = &'a Outcome> + Clone) -> [Cells; 4] {
    let replied = outcomes.map(|outcome| match outcome {
        Outcome::Echo(EchoOutcome::Replied {
            rtt,
            claimed_delay,
            stamp,
            suspect,
        }) => Some((*rtt, *claimed_delay, *stamp, *suspect)),
        _ => None,
    });
    let stamp = |stamp| match stamp {
        Stamp::Kernel => word(KERNEL),
        Stamp::User => word(USER),
    };
    [
        Cells::maybe(replied.clone().map(|row| row.map(|row| us(row.0)))),
        Cells::maybe(replied.clone().map(|row| row.map(|row| us(row.1)))),
        Cells::maybe_runs(replied.clone().map(|row| row.map(|row| row.2)), |of| stamp(*of)),
        Cells::maybe(replied.map(|row| row.map(|row| row.3))),
    ]
}

/// How a check of an endpoint ended.
enum End<'a> {
    /// Resolve, connect, TLS, unattributed.
    Ok([Micros; 4]),
    Failed(Phase, FailureCause, &'a str),
    Unsent(SendFailure),
}

fn end_of(outcome: &Outcome) -> End<'_> {
    match outcome {
        Outcome::Connect(outcome) => match &outcome.result {
            ConnectResult::Connected(phases) => {
                End::Ok([phases.resolve, phases.connect, phases.tls, phases.unattributed])
            }
            ConnectResult::Failed { phase, cause, text } => End::Failed(*phase, *cause, text),
            ConnectResult::Unsent(cause) => End::Unsent(*cause),
        },
        Outcome::Endpoint(outcome) => match &outcome.result {
            EndpointResult::Ok { phases, .. } => {
                End::Ok([phases.resolve, phases.connect, phases.tls, phases.unattributed])
            }
            EndpointResult::Failed { phase, cause, text } => End::Failed(*phase, *cause, text),
            EndpointResult::Unsent(cause) => End::Unsent(*cause),
        },
        Outcome::Echo(_) => End::Unsent(SendFailure::Local), // no endpoint's: never asked for
    }
}

/// What connections and requests have in common.
fn reach_cells<'a>(outcomes: impl Iterator<Item = &'a Outcome> + Clone) -> [Cells; 8] {
    let seen = outcomes.clone().map(|outcome| match outcome {
        Outcome::Connect(outcome) => (outcome.address, outcome.certificate_expires),
        Outcome::Endpoint(outcome) => (outcome.address, outcome.certificate_expires),
        Outcome::Echo(_) => (None, None),
    });
    let failed = outcomes.clone().map(|outcome| match end_of(outcome) {
        End::Failed(phase, _, text) => Some((phase, text)),
        End::Ok(_) | End::Unsent(_) => None,
    });
    let phase = |place: usize| {
        let times = outcomes.clone().map(move |outcome| match end_of(outcome) {
            End::Ok(times) => Some(us(times[place])),
            End::Failed(..) | End::Unsent(_) => None,
        });
        Cells::maybe(times)
    };
    [
        Cells::maybe_runs(seen.clone().map(|row| row.0), |address| {
            text(&address.to_string())
        }),
        Cells::maybe(seen.map(|row| row.1.map(u64::cast_signed))),
        Cells::maybe_runs(failed.clone().map(|row| row.map(|row| row.0)), |phase| {
            word(phase.word())
        }),
        Cells::maybe_runs(failed.map(|row| row.map(|row| row.1)), |message| text(message)),
        phase(0),
        phase(1),
        phase(2),
        phase(3),
    ]
}

/// What only the answer to a request has.
fn answer_cells<'a>(outcomes: impl Iterator<Item = &'a Outcome> + Clone) -> [Cells; 7] {
    let requests = outcomes.map(|outcome| match outcome {
        Outcome::Endpoint(outcome) => Some(&**outcome),
        Outcome::Echo(_) | Outcome::Connect(_) => None,
    });
    let ok = requests.clone().map(|row| match &row?.result {
        EndpointResult::Ok {
            phases,
            body_bytes,
            node_uptime_s,
            node_version,
        } => Some((*phases, *body_bytes, *node_uptime_s, node_version.as_str())),
        EndpointResult::Failed { .. } | EndpointResult::Unsent(_) => None,
    });
    let cache = |row: Option<&EndpointOutcome>| row.map_or(CacheState::Absent, |row| row.cache).word();
    [
        Cells::maybe(ok.clone().map(|row| row.map(|row| us(row.0.first_byte)))),
        Cells::maybe(ok.clone().map(|row| row.map(|row| us(row.0.transfer)))),
        Cells::runs(requests.clone().map(cache), |cache| word(cache)),
        Cells::maybe_runs(requests.map(|row| row?.http_status), |status| {
            small(i32::from(*status))
        }),
        Cells::maybe(ok.clone().map(|row| row.map(|row| row.1.cast_signed()))),
        Cells::maybe(ok.clone().map(|row| row?.2.map(u64::cast_signed))),
        Cells::maybe_runs(ok.map(|row| row.map(|row| row.3)), |version| text(version)),
    ]
}

/// At most 100 s.
fn us(duration: Micros) -> i32 {
    duration.get().cast_signed()
}
