//! Connections.

use std::net::IpAddr;

use isochrone_proto::measurement::{ConnectOutcome, ConnectResult};
use serde::Serialize;

use super::{Ended, EndpointRun, is_own_rule};

pub(super) fn run(outcome: &ConnectOutcome) -> EndpointRun<'_> {
    EndpointRun {
        http_status: None,
        certificate_expires: outcome.certificate_expires,
        answered: outcome.certificate_expires.is_some()
            || matches!(outcome.result, ConnectResult::Connected(_)),
        ended: match &outcome.result {
            ConnectResult::Connected(phases) => Ended::Ok {
                connect: phases.connect,
                ttfb_us: None,
            },
            ConnectResult::Failed { phase, cause, text } => Ended::Failed {
                phase: *phase,
                cause: *cause,
                text,
            },
            ConnectResult::Unsent(cause) => Ended::Unsent(*cause),
        },
    }
}

/// A connection's outcome in JSON.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Json<'a> {
    Ok {
        #[serde(flatten)]
        server: Server,
        resolve_us: u32,
        connect_us: u32,
        tls_us: u32,
        unattributed_us: u32,
    },
    Failed {
        #[serde(flatten)]
        server: Server,
        phase: &'static str,
        cause: &'static str,
        text: &'a str,
    },
    Unsent {
        cause: &'static str,
        #[serde(skip_serializing_if = "str::is_empty")]
        text: &'a str,
        #[serde(flatten)]
        server: Server,
    },
}

/// What is known however it ended.
#[derive(Debug, Serialize)]
pub struct Server {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_expires_s: Option<u64>,
}

impl<'a> Json<'a> {
    pub(super) fn of(outcome: &'a ConnectOutcome) -> Self {
        let server = Server {
            address: outcome.address,
            certificate_expires_s: outcome.certificate_expires,
        };
        match &outcome.result {
            ConnectResult::Connected(phases) => Self::Ok {
                server,
                resolve_us: phases.resolve.get(),
                connect_us: phases.connect.get(),
                tls_us: phases.tls.get(),
                unattributed_us: phases.unattributed.get(),
            },
            ConnectResult::Failed { cause, text, .. } if is_own_rule(*cause) => Self::Unsent {
                cause: cause.word(),
                text,
                server,
            },
            ConnectResult::Failed { phase, cause, text } => Self::Failed {
                server,
                phase: phase.word(),
                cause: cause.word(),
                text,
            },
            ConnectResult::Unsent(cause) => Self::Unsent {
                cause: cause.word(),
                text: "",
                server,
            },
        }
    }
}
