//! Requests: status, assets, pages.

use std::net::IpAddr;

use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{CacheState, EndpointOutcome, EndpointResult, FailureCause, Phase};
use serde::Serialize;

use super::{Ended, EndpointRun, is_own_rule};

/// Probes of an earlier release took this for an answer.
const NO_ARGUS: &str = "answered without x-cache, or without a byte: no Argus node";

pub(super) fn run(check: Check, outcome: &EndpointOutcome) -> EndpointRun<'_> {
    let is_comparable = !check.is_asset() || outcome.cache == CacheState::Hit;
    EndpointRun {
        http_status: outcome.http_status,
        certificate_expires: outcome.certificate_expires,
        answered: outcome.http_status.is_some(),
        ended: match &outcome.result {
            EndpointResult::Ok { body_bytes, .. } if is_no_argus(check, outcome.cache, *body_bytes) => {
                Ended::Failed {
                    phase: Phase::Verify,
                    cause: FailureCause::NotArgus,
                    text: NO_ARGUS,
                }
            }
            EndpointResult::Ok { phases, .. } => Ended::Ok {
                connect: phases.connect,
                ttfb_us: is_comparable.then(|| phases.ttfb_us()),
            },
            EndpointResult::Failed { phase, cause, text } => Ended::Failed {
                phase: *phase,
                cause: *cause,
                text,
            },
            EndpointResult::Unsent(cause) => Ended::Unsent(*cause),
        },
    }
}

/// An asset that Argus serves says where it came from, and has bytes.
fn is_no_argus(check: Check, cache: CacheState, body_bytes: u32) -> bool {
    check == Check::AssetGet && (cache == CacheState::Absent || body_bytes == 0)
}

/// A request's outcome in JSON.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Json<'a> {
    Ok {
        #[serde(flatten)]
        answer: Answer,
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
        answer: Answer,
        phase: &'static str,
        cause: &'static str,
        text: &'a str,
    },
    Unsent {
        cause: &'static str,
        #[serde(skip_serializing_if = "str::is_empty")]
        text: &'a str,
        #[serde(flatten)]
        answer: Answer,
    },
}

/// What is known however it ended.
#[derive(Debug, Serialize)]
pub struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    /// Only an answer has a header, or lacks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_expires_s: Option<u64>,
}

impl<'a> Json<'a> {
    pub(super) fn of(outcome: &'a EndpointOutcome) -> Self {
        let answer = Answer {
            address: outcome.address,
            http_status: outcome.http_status,
            cache: outcome.http_status.map(|_| outcome.cache.word()),
            certificate_expires_s: outcome.certificate_expires,
        };
        match &outcome.result {
            EndpointResult::Ok {
                phases,
                body_bytes,
                node_uptime_s,
                node_version,
            } => Self::Ok {
                answer,
                resolve_us: phases.resolve.get(),
                connect_us: phases.connect.get(),
                tls_us: phases.tls.get(),
                first_byte_us: phases.first_byte.get(),
                transfer_us: phases.transfer.get(),
                unattributed_us: phases.unattributed.get(),
                body_bytes: *body_bytes,
                node_uptime_s: *node_uptime_s,
                node_version,
            },
            EndpointResult::Failed { cause, text, .. } if is_own_rule(*cause) => Self::Unsent {
                cause: cause.word(),
                text,
                answer,
            },
            EndpointResult::Failed { phase, cause, text } => Self::Failed {
                answer,
                phase: phase.word(),
                cause: cause.word(),
                text,
            },
            EndpointResult::Unsent(cause) => Self::Unsent {
                cause: cause.word(),
                text: "",
                answer,
            },
        }
    }
}
