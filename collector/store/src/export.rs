//! Every stored measurement, one line of JSON each, with its id, so that anyone can check the store.

use std::io::{self, Write};
use std::ops::ControlFlow;

use isochrone_proto::measurement::{
    EchoOutcome, EndpointOutcome, EndpointResult, Measurement, Outcome, SendFailure, Stamp,
};
use isochrone_proto::plan::{PlannedCheck, Target};
use isochrone_proto::units::Micros;
use serde::Serialize;

use crate::ledger::timestamp;
use crate::{ScanRange, Store, StoreError, Stored};

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The log's commit number up to which it was read.
    pub commit: u64,
    /// The log's last commit number when it began.
    pub commits: u64,
    /// Measurements written.
    pub measurements: u64,
}

/// Writes every measurement in `range` to `out` and returns how many. `progress` is called for each batch.
///
/// # Errors
/// When the store failed, or `out` did ([`StoreError::Reader`]).
pub fn ndjson(
    store: &Store,
    range: ScanRange,
    out: &mut impl Write,
    mut progress: impl FnMut(Progress),
) -> Result<u64, StoreError> {
    let commits = store.commit_number()?;
    let mut measurements = 0;
    let mut failure = None;
    let demo = store.is_demo().then_some("demo");
    store.scan(range, |stored| match write_batch(&stored, range, demo, out) {
        Ok(written) => {
            measurements += written;
            progress(Progress {
                commit: stored.commit,
                commits,
                measurements,
            });
            ControlFlow::Continue(())
        }
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    })?;
    match failure {
        Some(error) => Err(StoreError::Reader(error)),
        None => out.flush().map(|()| measurements).map_err(StoreError::Reader),
    }
}

fn write_batch(
    stored: &Stored,
    range: ScanRange,
    source: Option<&'static str>,
    out: &mut impl Write,
) -> io::Result<u64> {
    let (probe_id, epoch) = (stored.probe.to_string(), stored.epoch.to_string());
    let mut written = 0;
    for measurement in stored.batch.measurements() {
        if measurement.slot < range.from || measurement.slot >= range.until {
            continue;
        }
        let Some((check, target)) = stored.plan.target_of(measurement.check) else {
            continue; // ingest refused it: a stored row always has its check
        };
        let line = Line {
            source,
            ..Line::of(
                (&stored.plan.probe_name, &probe_id),
                &epoch,
                (check, target),
                &measurement,
            )
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
        written += 1;
    }
    Ok(written)
}

/// One measurement: its id first, then what became of it. What was not measured has no key.
#[derive(Serialize)]
struct Line<'a> {
    /// Said only of the demo's.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    probe: &'a str,
    probe_id: &'a str,
    epoch: &'a str,
    kind: String,
    target: &'a str,
    target_id: String,
    slot: String,
    lateness_us: u32,
    #[serde(flatten)]
    result: LineResult<'a>,
}

#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
enum LineResult<'a> {
    Replied {
        rtt_us: u32,
        claimed_delay_us: u32,
        stamp: &'static str,
        suspect: bool,
    },
    TimedOut,
    Ok {
        #[serde(flatten)]
        answer: Answer<'a>,
        resolve_us: u32,
        connect_us: u32,
        tls_us: u32,
        first_byte_us: u32,
        transfer_us: u32,
        unattributed_us: u32,
        body_bytes: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        node_uptime_s: Option<u64>,
        #[serde(skip_serializing_if = "str::is_empty")]
        node_version: &'a str,
    },
    Failed {
        #[serde(flatten)]
        answer: Answer<'a>,
        phase: &'static str,
        cause: &'static str,
        text: &'a str,
    },
    Unsent {
        cause: &'static str,
        #[serde(flatten)]
        answer: Option<Answer<'a>>,
    },
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    address: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    cache: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_expires_s: Option<u64>,
}

impl<'a> Line<'a> {
    fn of(
        (probe, probe_id): (&'a str, &'a str),
        epoch: &'a str,
        (check, target): (&PlannedCheck, &'a Target),
        measurement: &'a Measurement,
    ) -> Self {
        Self {
            source: None,
            probe,
            probe_id,
            epoch,
            kind: check.kind.to_string(),
            target: &target.name,
            target_id: target.id.to_string(),
            slot: format!("{:.3}", timestamp(measurement.slot)),
            lateness_us: measurement.lateness.get(),
            result: match &measurement.outcome {
                Outcome::Echo(outcome) => LineResult::of_echo(outcome),
                Outcome::Endpoint(outcome) => LineResult::of_endpoint(outcome),
            },
        }
    }
}

impl<'a> LineResult<'a> {
    fn of_echo(outcome: &EchoOutcome) -> Self {
        match *outcome {
            EchoOutcome::Replied {
                rtt,
                claimed_delay,
                stamp,
                suspect,
            } => Self::Replied {
                rtt_us: rtt.get(),
                claimed_delay_us: claimed_delay.get(),
                stamp: match stamp {
                    Stamp::Kernel => "kernel",
                    Stamp::User => "user",
                },
                suspect,
            },
            EchoOutcome::TimedOut => Self::TimedOut,
            EchoOutcome::Unsent(cause) => Self::Unsent {
                cause: word_of(cause),
                answer: None,
            },
        }
    }

    fn of_endpoint(outcome: &'a EndpointOutcome) -> Self {
        let answer = Answer {
            address: &outcome.address,
            http_status: outcome.http_status,
            cache: outcome.cache.word(),
            certificate_expires_s: outcome.certificate_expires,
        };
        match &outcome.result {
            EndpointResult::Ok {
                phases,
                body_bytes,
                node_uptime_s,
                node_version,
            } => {
                let us = |phase: Micros| phase.get();
                Self::Ok {
                    answer,
                    resolve_us: us(phases.resolve),
                    connect_us: us(phases.connect),
                    tls_us: us(phases.tls),
                    first_byte_us: us(phases.first_byte),
                    transfer_us: us(phases.transfer),
                    unattributed_us: us(phases.unattributed),
                    body_bytes: *body_bytes,
                    node_uptime_s: *node_uptime_s,
                    node_version,
                }
            }
            EndpointResult::Failed { phase, cause, text } => Self::Failed {
                answer,
                phase: phase.word(),
                cause: cause.word(),
                text,
            },
            EndpointResult::Unsent(cause) => Self::Unsent {
                cause: word_of(*cause),
                answer: Some(answer),
            },
        }
    }
}

fn word_of(cause: SendFailure) -> &'static str {
    match cause {
        SendFailure::Buffers => "buffers",
        SendFailure::NoRoute => "no-route",
        SendFailure::Forbidden => "forbidden",
        SendFailure::AddressPolicy => "address-policy",
        SendFailure::Socket => "socket",
        SendFailure::Resources => "resources",
    }
}

#[cfg(test)]
mod tests;
