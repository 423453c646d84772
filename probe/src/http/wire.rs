//! Between the plan's and the wire's words and the prober's: the only place that knows both.

use std::time::Duration;

use isochrone_proto::kind::{Check as PlannedKind, Kind};
use isochrone_proto::measurement::{Cause, EndpointOutcome, EndpointResult, SendFailure};

use crate::argus::{AssetId, BadAssetId};
use crate::http::check::{
    Answer, AnswerKind, ByteCount, Check, CheckOutcome, CheckReport, CheckRequest, Timeouts,
};
use crate::http::phases::Phases;
use crate::reach::{BadUrl, EndpointUrl, ErrorText, whole_micros};

/// A planned endpoint that no check can be made of.
#[derive(Debug, thiserror::Error)]
pub enum UnusableTarget {
    /// The URL cannot be called.
    #[error("the planned URL cannot be measured")]
    Url(#[source] BadUrl),
    /// Its object.
    #[error("the planned object cannot be fetched")]
    Asset(#[source] BadAssetId),
    /// An asset check without an object.
    #[error("the plan asks for an asset of {url} and names none")]
    NoAsset {
        /// The node.
        url: String,
    },
    /// No request is made for this kind.
    #[error("{0} asks an endpoint for nothing")]
    NoRequest(Kind),
}

impl CheckRequest {
    /// The check that a plan means: `kind` of the endpoint `url`, given up after `timeout` (and after the
    /// defaults of its kind, if these are shorter).
    ///
    /// # Errors
    /// If the plan's texts cannot be used.
    pub fn planned(
        kind: Kind,
        url: &str,
        asset: Option<&str>,
        timeout: Duration,
    ) -> Result<Self, UnusableTarget> {
        let base = || EndpointUrl::parse_base(url).map_err(UnusableTarget::Url);
        let object = || -> Result<AssetId, UnusableTarget> {
            let asset = asset.ok_or_else(|| UnusableTarget::NoAsset { url: url.to_owned() })?;
            asset.parse().map_err(UnusableTarget::Asset)
        };
        let check = match kind.check {
            PlannedKind::Echo | PlannedKind::Connect => return Err(UnusableTarget::NoRequest(kind)),
            PlannedKind::Http => Check::Http {
                url: EndpointUrl::parse(url).map_err(UnusableTarget::Url)?,
            },
            PlannedKind::Status => Check::ArgusStatus { base: base()? },
            PlannedKind::AssetHead => Check::AssetHead {
                base: base()?,
                asset: object()?,
            },
            PlannedKind::AssetGet => Check::AssetGet {
                base: base()?,
                asset: object()?,
                first: ByteCount::ASSET_DEFAULT,
            },
            PlannedKind::Throughput => Check::Throughput {
                base: base()?,
                asset: object()?,
            },
        };
        let default = Timeouts::default_of(&check);
        let timeouts = Timeouts {
            first_byte: default.first_byte.min(timeout),
            total: default.total.min(timeout),
        };
        Ok(Self {
            check,
            family: kind.family,
            timeouts,
        })
    }
}

impl CheckReport {
    /// The report as it is stored and sent.
    pub(crate) fn to_outcome(&self) -> EndpointOutcome {
        let result = match &self.outcome {
            CheckOutcome::Answered(answer) => answered(answer),
            CheckOutcome::Absent(absence) => EndpointResult::Failed {
                phase: isochrone_proto::measurement::Phase::Verify,
                cause: absence.reason.cause(),
                text: absence.text.as_str().to_owned(),
            },
            CheckOutcome::Failed(failure) => match failure.cause {
                Cause::Unsent(cause) => EndpointResult::Unsent(cause),
                Cause::Failed(cause) => EndpointResult::Failed {
                    phase: failure.phase,
                    cause,
                    text: failure.text.as_str().to_owned(),
                },
            },
        };
        EndpointOutcome {
            address: self.address.map(|address| address.ip()),
            http_status: self.http_status,
            cache: self.cache,
            certificate_expires: self.certificate_not_after.and_then(|at| u64::try_from(at).ok()),
            result,
        }
    }
}

fn answered(answer: &Answer) -> EndpointResult {
    let Some(phases) = microseconds(&answer.phases) else {
        // A total above 100 s: the check's own timeouts are far below, so this machine slept.
        return EndpointResult::Unsent(SendFailure::Resources);
    };
    let (node_uptime_s, node_version) = match &answer.kind {
        AnswerKind::Status(status) => (
            Some(status.uptime_s),
            ErrorText::new(&status.version).as_str().to_owned(),
        ),
        AnswerKind::Page | AnswerKind::Asset { .. } => (None, String::new()),
    };
    let body_bytes = u32::try_from(answer.body_bytes).unwrap_or(u32::MAX);
    EndpointResult::Ok {
        phases,
        body_bytes,
        node_uptime_s,
        node_version,
    }
}

fn microseconds(phases: &Phases) -> Option<isochrone_proto::measurement::Phases> {
    let parts = [
        phases.resolve(),
        phases.connect(),
        phases.tls(),
        phases.first_byte(),
        phases.transfer(),
    ];
    let ([resolve, connect, tls, first_byte, transfer], unattributed) = whole_micros(parts, phases.total())?;
    Some(isochrone_proto::measurement::Phases {
        resolve,
        connect,
        tls,
        first_byte,
        transfer,
        unattributed,
    })
}
