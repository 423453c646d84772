//! Outcomes put together again from cells.

use std::net::IpAddr;

use isochrone_proto::kind::Layout;
use isochrone_proto::measurement::{
    CacheState, ConnectOutcome, ConnectPhases, ConnectResult, EchoOutcome, EndpointOutcome, EndpointResult,
    FailureCause, Outcome, Phase, Phases, SendFailure, Stamp,
};
use isochrone_proto::units::Micros;

use super::{FAILED, KERNEL, OK, REPLIED, TIMED_OUT, UNSENT, USER};
use crate::segment::columns::{Cells, Cursor};
use crate::segment::error::FileError;

/// Columns that connections and requests have in common.
const REACH: usize = 8;

/// Puts outcomes together from the cells of a row group, row by row.
pub(crate) struct Outcomes<'c> {
    layout: Layout,
    outcome: Cursor<'c>,
    cause: Cursor<'c>,
    own: Vec<Cursor<'c>>,
}

impl<'c> Outcomes<'c> {
    /// `cells`: `outcome`, `cause` and what stands behind them.
    pub(crate) fn new(layout: Layout, cells: &'c [Cells]) -> Result<Self, FileError> {
        let [outcome, cause, own @ ..] = cells else {
            return Err(FileError::Meaning { column: "outcome" });
        };
        Ok(Self {
            layout,
            outcome: Cursor::new(outcome),
            cause: Cursor::new(cause),
            own: own.iter().map(Cursor::new).collect(),
        })
    }

    /// The outcome of the next row.
    pub(crate) fn next(&mut self) -> Result<Outcome, FileError> {
        let said = self.outcome.text().unwrap_or_default();
        let cause = self.cause.text();
        match self.layout {
            Layout::Echo => echo(said, cause, &mut self.own).map(Outcome::Echo),
            Layout::Connect => {
                let reach = Reach::next(&mut self.own)?;
                connect(said, cause, reach).map(|outcome| Outcome::Connect(Box::new(outcome)))
            }
            Layout::Endpoint => {
                let own = self.own.len();
                let (reach, answer) = self.own.split_at_mut(REACH.min(own));
                let (reach, answer) = (Reach::next(reach)?, Answer::next(answer)?);
                endpoint(said, cause, reach, answer).map(|outcome| Outcome::Endpoint(Box::new(outcome)))
            }
        }
    }
}

fn echo(said: &str, cause: Option<&str>, own: &mut [Cursor<'_>]) -> Result<EchoOutcome, FileError> {
    let [rtt, delay, stamp, suspect] = own else {
        return Err(FileError::Meaning { column: "rtt_us" });
    };
    let (rtt, delay) = (rtt.number(), delay.number());
    let (stamp, suspect) = (stamp.text(), suspect.flag());
    Ok(match said {
        REPLIED => EchoOutcome::Replied {
            rtt: micros("rtt_us", rtt)?,
            claimed_delay: micros("claimed_delay_us", delay)?,
            stamp: match stamp {
                Some(KERNEL) => Stamp::Kernel,
                Some(USER) => Stamp::User,
                _ => return Err(FileError::Meaning { column: "stamp" }),
            },
            suspect: suspect.ok_or(FileError::Meaning { column: "suspect" })?,
        },
        TIMED_OUT => EchoOutcome::TimedOut,
        UNSENT => EchoOutcome::Unsent(send_failure(cause)?),
        _ => return Err(FileError::Meaning { column: "outcome" }),
    })
}

/// The cells that connections and requests have in common.
struct Reach<'c> {
    address: Option<IpAddr>,
    certificate_expires: Option<u64>,
    phase: Option<&'c str>,
    text: Option<&'c str>,
    times: [Option<i32>; 4],
}

impl<'c> Reach<'c> {
    fn next(own: &mut [Cursor<'c>]) -> Result<Self, FileError> {
        let [address, certificate, phase, text, times @ ..] = own else {
            return Err(FileError::Meaning { column: "address" });
        };
        let [resolve, connect, tls, unattributed] = times else {
            return Err(FileError::Meaning { column: "resolve_us" });
        };
        let address = address.text().map(str::parse).transpose();
        Ok(Self {
            address: address.map_err(|_| FileError::Meaning { column: "address" })?,
            certificate_expires: certificate.large().map(i64::cast_unsigned),
            phase: phase.text(),
            text: text.text(),
            times: [
                resolve.number(),
                connect.number(),
                tls.number(),
                unattributed.number(),
            ],
        })
    }

    fn times(&self) -> Result<[Micros; 4], FileError> {
        let [resolve, connect, tls, unattributed] = self.times;
        Ok([
            micros("resolve_us", resolve)?,
            micros("connect_us", connect)?,
            micros("tls_us", tls)?,
            micros("unattributed_us", unattributed)?,
        ])
    }

    fn failure(&self, cause: Option<&str>) -> Result<(Phase, FailureCause, String), FileError> {
        let phase = Phase::ALL.iter().find(|phase| Some(phase.word()) == self.phase);
        let found = FailureCause::ALL.iter().find(|known| Some(known.word()) == cause);
        match (phase, found) {
            (Some(phase), Some(cause)) => Ok((*phase, *cause, self.text.unwrap_or_default().to_owned())),
            (None, _) => Err(FileError::Meaning { column: "phase" }),
            (_, None) => Err(FileError::Meaning { column: "cause" }),
        }
    }
}

fn connect(said: &str, cause: Option<&str>, reach: Reach<'_>) -> Result<ConnectOutcome, FileError> {
    let result = match said {
        OK => {
            let [resolve, connect, tls, unattributed] = reach.times()?;
            ConnectResult::Connected(ConnectPhases {
                resolve,
                connect,
                tls,
                unattributed,
            })
        }
        FAILED => {
            let (phase, cause, text) = reach.failure(cause)?;
            ConnectResult::Failed { phase, cause, text }
        }
        UNSENT => ConnectResult::Unsent(send_failure(cause)?),
        _ => return Err(FileError::Meaning { column: "outcome" }),
    };
    Ok(ConnectOutcome {
        address: reach.address,
        certificate_expires: reach.certificate_expires,
        result,
    })
}

/// The cells that only the answer to a request has.
struct Answer<'c> {
    first_byte: Option<i32>,
    transfer: Option<i32>,
    cache: CacheState,
    http_status: Option<u16>,
    body_bytes: Option<i32>,
    node_uptime_s: Option<u64>,
    node_version: Option<&'c str>,
}

impl<'c> Answer<'c> {
    fn next(own: &mut [Cursor<'c>]) -> Result<Self, FileError> {
        let [
            first_byte,
            transfer,
            cache,
            http_status,
            body_bytes,
            uptime,
            version,
        ] = own
        else {
            return Err(FileError::Meaning {
                column: "first_byte_us",
            });
        };
        let cache = cache.text();
        let known = CacheState::ALL.iter().find(|known| Some(known.word()) == cache);
        let status = http_status.number().map(u16::try_from).transpose();
        Ok(Self {
            first_byte: first_byte.number(),
            transfer: transfer.number(),
            cache: *known.ok_or(FileError::Meaning { column: "cache" })?,
            http_status: status.map_err(|_| FileError::Meaning {
                column: "http_status",
            })?,
            body_bytes: body_bytes.number(),
            node_uptime_s: uptime.large().map(i64::cast_unsigned),
            node_version: version.text(),
        })
    }
}

fn endpoint(
    said: &str,
    cause: Option<&str>,
    reach: Reach<'_>,
    answer: Answer<'_>,
) -> Result<EndpointOutcome, FileError> {
    let result = match said {
        OK => {
            let [resolve, connect, tls, unattributed] = reach.times()?;
            let body_bytes = answer
                .body_bytes
                .ok_or(FileError::Meaning { column: "body_bytes" })?;
            EndpointResult::Ok {
                phases: Phases {
                    resolve,
                    connect,
                    tls,
                    first_byte: micros("first_byte_us", answer.first_byte)?,
                    transfer: micros("transfer_us", answer.transfer)?,
                    unattributed,
                },
                body_bytes: body_bytes.cast_unsigned(),
                node_uptime_s: answer.node_uptime_s,
                node_version: answer.node_version.unwrap_or_default().to_owned(),
            }
        }
        FAILED => {
            let (phase, cause, text) = reach.failure(cause)?;
            EndpointResult::Failed { phase, cause, text }
        }
        UNSENT => EndpointResult::Unsent(send_failure(cause)?),
        _ => return Err(FileError::Meaning { column: "outcome" }),
    };
    Ok(EndpointOutcome {
        address: reach.address,
        http_status: answer.http_status,
        cache: answer.cache,
        certificate_expires: reach.certificate_expires,
        result,
    })
}

fn send_failure(cause: Option<&str>) -> Result<SendFailure, FileError> {
    let known = SendFailure::ALL.iter().find(|known| Some(known.word()) == cause);
    known.copied().ok_or(FileError::Meaning { column: "cause" })
}

/// A duration that must be there.
pub(crate) fn micros(column: &'static str, us: Option<i32>) -> Result<Micros, FileError> {
    let us = us.and_then(|us| u64::try_from(us).ok()).and_then(Micros::new);
    us.ok_or(FileError::Meaning { column })
}
