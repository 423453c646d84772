//! Between the plan's and the wire's words and the prober's: the only place that knows both.

use std::time::Duration;

use isochrone_proto::kind::{Check as PlannedKind, Kind};
use isochrone_proto::measurement::{EndpointOutcome, EndpointResult, FailureCause, SendFailure};
use isochrone_proto::units::Micros;

use crate::argus::{AssetId, BadAssetId};
use crate::http::check::{
    AbsenceReason, Answer, AnswerKind, ByteCount, Check, CheckOutcome, CheckReport, CheckRequest, Timeouts,
};
use crate::http::endpoint_url::{BadUrl, EndpointUrl};
use crate::http::failure::{Cause, ErrorText, Failure};
use crate::http::stopwatch::Phases;

/// A planned endpoint that no check can be made of.
#[derive(Debug, thiserror::Error)]
pub enum UnusableTarget {
    /// Its URL.
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
    /// An echo is no endpoint check.
    #[error("{0} is not a check of an endpoint")]
    NotAnEndpoint(Kind),
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
            PlannedKind::Echo => return Err(UnusableTarget::NotAnEndpoint(kind)),
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
    pub fn to_outcome(&self) -> EndpointOutcome {
        let result = match &self.outcome {
            CheckOutcome::Answered(answer) => answered(answer),
            CheckOutcome::Absent(absence) => EndpointResult::Failed {
                phase: isochrone_proto::measurement::Phase::Verify,
                cause: match absence.reason {
                    AbsenceReason::NotFound => FailureCause::NotFound,
                    AbsenceReason::NotServed => FailureCause::Misdirected,
                },
                text: absence.text.as_str().to_owned(),
            },
            CheckOutcome::Failed(failure) => failed(failure),
        };
        EndpointOutcome {
            address: self
                .address
                .map_or_else(String::new, |address| address.ip().to_string()),
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

/// Whole microseconds that still add up: each phase is cut down, and what that takes goes to `unattributed`.
fn microseconds(phases: &Phases) -> Option<isochrone_proto::measurement::Phases> {
    let total = Micros::from_duration(phases.total())?;
    let whole = |part: Duration| u64::try_from(part.as_nanos() / 1_000).ok();
    let parts = [
        phases.resolve(),
        phases.connect(),
        phases.tls(),
        phases.first_byte(),
        phases.transfer(),
    ];
    let mut attributed = 0;
    let mut rounded = [Micros::default(); 5];
    for (slot, part) in rounded.iter_mut().zip(parts) {
        let us = whole(part)?;
        attributed += us;
        *slot = Micros::new(us)?;
    }
    let [resolve, connect, tls, first_byte, transfer] = rounded;
    let unattributed = Micros::new(u64::from(total.get()).checked_sub(attributed)?)?;
    Some(isochrone_proto::measurement::Phases {
        resolve,
        connect,
        tls,
        first_byte,
        transfer,
        unattributed,
    })
}

fn failed(failure: &Failure) -> EndpointResult {
    let cause = match failure.cause {
        Cause::NoRoute => return EndpointResult::Unsent(SendFailure::NoRoute),
        Cause::Resources => return EndpointResult::Unsent(SendFailure::Resources),
        Cause::LocalFirewall => return EndpointResult::Unsent(SendFailure::Forbidden),
        Cause::Local => return EndpointResult::Unsent(SendFailure::Socket),
        Cause::NxDomain => FailureCause::NxDomain,
        Cause::ServFail => FailureCause::ServFail,
        Cause::NoAddress => FailureCause::NoAddress,
        Cause::DnsTimeout => FailureCause::DnsTimeout,
        Cause::ForbiddenAddress(_) => FailureCause::ForbiddenAddress,
        Cause::Refused => FailureCause::Refused,
        Cause::Unreachable => FailureCause::Unreachable,
        Cause::Reset => FailureCause::Reset,
        Cause::Timeout => FailureCause::Timeout,
        Cause::CertificateExpired => FailureCause::CertificateExpired,
        Cause::UnknownIssuer => FailureCause::CertificateUnknownIssuer,
        Cause::WrongName => FailureCause::CertificateWrongName,
        Cause::CertificateNotYetValid | Cause::BadCertificate => FailureCause::CertificateInvalid,
        Cause::TlsAlert | Cause::TlsBroken => FailureCause::Tls,
        Cause::EmptyReply => FailureCause::Closed,
        Cause::BadAnswer => FailureCause::BadHttp,
        Cause::HeaderTooLarge => FailureCause::HeaderTooLarge,
        Cause::BodyTooLarge => FailureCause::BodyTooLarge,
        Cause::TooFewBytes => FailureCause::BodyTooShort,
        Cause::BadStatus(_) | Cause::WrongRange => FailureCause::BadStatus,
        Cause::Redirect(_) => FailureCause::Redirect,
        Cause::BadJson => FailureCause::BadJson,
        Cause::MissingField(_) => FailureCause::MissingField,
    };
    EndpointResult::Failed {
        phase: failure.phase,
        cause,
        text: failure.text.as_str().to_owned(),
    }
}
