//! `isochrone-probe measure TARGET`: one shot, told phase by phase.

mod advice;
mod render;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use isochrone_proto::kind::{Check as Checked, Family, Kind};
use isochrone_proto::measurement::{Cause, FailureCause, Phase, SendFailure};

use crate::address_policy::{AddressPolicy, own_addresses};
use crate::argus::AssetId;
use crate::connect::{ConnectReport, ConnectRequest, connect};
use crate::dns::family_of;
use crate::http::{ByteCount, Check, CheckReport, CheckRequest, EndpointProber};
use crate::reach::{BadUrl, EndpointUrl, Failure, Lint, Reach, TlsRoots};

/// Arguments of `measure`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  isochrone-probe measure https://node.example.org/distributor/ --asset 1343"
)]
pub struct MeasureArgs {
    /// A URL, or a host name (then https). For an Argus node: its base URL.
    pub target: String,
    /// The target is an Argus node: ask for its status.
    #[arg(long)]
    pub argus: bool,
    /// The target is an Argus node: ask for its status, and for this object by HEAD and ranged GET.
    #[arg(long, value_name = "ID")]
    pub asset: Option<AssetId>,
    /// With --asset: also fetch 8 MiB of the object, where the node has it in its cache, and say how fast they came.
    #[arg(long, requires = "asset")]
    pub throughput: bool,
    /// Only connect: TCP, and TLS where the URL is https. No request is sent.
    #[arg(long, conflicts_with_all = ["argus", "asset"])]
    pub connect: bool,
    /// Only over IPv4.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Only over IPv6.
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Also measure addresses inside this prefix, for example 127.0.0.0/8 (beside allow_private in probe.toml).
    #[arg(long, value_name = "PREFIX")]
    pub allow_private: Vec<IpNet>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = MeasureFormat::Text)]
    pub format: MeasureFormat,
}

/// How `measure` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MeasureFormat {
    /// A table with a bar per phase.
    Text,
    /// JSON, schema `isochrone.measure/1`.
    Json,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeasureError {
    /// The target is no URL.
    #[error("the target cannot be measured")]
    Target(#[source] BadUrl),
    /// This machine does not list its own addresses.
    #[error("cannot list this machine's own addresses")]
    OwnAddresses(#[source] io::Error),
}

/// What `measure` found.
#[derive(Debug)]
pub(crate) struct Measured {
    target: EndpointUrl,
    checks: Vec<(Kind, Report)>,
}

/// What became of one check.
#[derive(Debug)]
pub(crate) enum Report {
    Request(CheckReport),
    /// Of a connection without one.
    Connect(ConnectReport),
}

/// Runs the checks that `args` ask for, one after the other. `allow` is the local file's `allow_private`.
///
/// # Errors
/// If the target is no URL. A target that does not answer is no error here, but a result.
pub(crate) async fn measure(
    args: &MeasureArgs,
    allow: &[IpNet],
    roots: TlsRoots,
    now: fn() -> Instant,
) -> Result<Measured, MeasureError> {
    let own = own_addresses().map_err(MeasureError::OwnAddresses)?;
    let allow = allow.iter().chain(&args.allow_private).copied().collect();
    let reach = Arc::new(Reach::new(AddressPolicy::new(allow, own), roots, now));
    let is_argus = args.argus || args.asset.is_some();
    let target = parse_target(&args.target, is_argus).map_err(MeasureError::Target)?;
    let mut checks = Vec::new();
    for family in families(args, &target) {
        if args.connect {
            let report = connect(&reach, &ConnectRequest::new(target.clone(), family)).await;
            checks.push((Kind::new(Checked::Connect, family), Report::Connect(report)));
            continue;
        }
        let prober = EndpointProber::new(Arc::clone(&reach));
        for check in requests(args, &target) {
            let kind = Kind::new(check.kind(), family);
            let report = prober.check(&CheckRequest::new(check, family)).await;
            checks.push(match argus_unasked(&prober, &kind, &report, &target).await {
                Some(status) => (Kind::new(Checked::Status, family), Report::Request(status)),
                None => (kind, Report::Request(report)),
            });
        }
    }
    if !has_scheme(&args.target) {
        checks.iter_mut().for_each(|(_, report)| report.note_https());
    }
    Ok(Measured { target, checks })
}

/// The status of the Argus node whose base URL was asked for as if it were a page; `None` where it is none. A node
/// answers 404 there.
async fn argus_unasked(
    prober: &EndpointProber,
    kind: &Kind,
    page: &CheckReport,
    target: &EndpointUrl,
) -> Option<CheckReport> {
    if kind.check != Checked::Http || page.http_status != Some(404) {
        return None;
    }
    let base = EndpointUrl::parse_base(target.as_str()).ok()?;
    let check = Check::ArgusStatus { base };
    let mut status = prober.check(&CheckRequest::new(check, kind.family)).await;
    status.outcome.answer()?;
    status.lints.push(Lint::ArgusUnasked);
    Some(status)
}

impl Measured {
    /// The text, as `format` wants it, with a line end.
    pub(crate) fn print(&self, format: MeasureFormat) -> String {
        match format {
            MeasureFormat::Text => render::text(&self.target, &self.checks),
            MeasureFormat::Json => format!("{:#}\n", render::json(&self.target, &self.checks)),
        }
    }

    /// Whether the target works: some check was answered, and none failed, but for a family that the target
    /// or this machine does not have.
    pub(crate) fn works(&self) -> bool {
        let lacks_family = |failure: &Failure| match failure.cause {
            Cause::Failed(cause) => cause == FailureCause::NoAddress,
            Cause::Unsent(cause) => cause == SendFailure::NoRoute,
        };
        let reports = || self.checks.iter().map(|(_, report)| report);
        reports().any(Report::is_answered)
            && reports().all(|report| report.failure().is_none_or(lacks_family))
    }

    /// Kind (like `status4`) and report of each check.
    #[cfg(test)]
    pub(crate) fn checks(&self) -> &[(Kind, Report)] {
        &self.checks
    }
}

impl Report {
    fn is_answered(&self) -> bool {
        match self {
            Self::Request(report) => report.outcome.answer().is_some(),
            Self::Connect(report) => report.result.is_ok(),
        }
    }

    /// https was assumed: a failed handshake may be no fault of the target.
    fn note_https(&mut self) {
        let is_handshake = self.failure().is_some_and(|failure| failure.phase == Phase::Tls);
        match self {
            Self::Request(report) if is_handshake => report.lints.push(Lint::HttpsAssumed),
            Self::Connect(report) if is_handshake => report.lints.push(Lint::HttpsAssumed),
            Self::Request(_) | Self::Connect(_) => {}
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Request(report) => report.outcome.failure(),
            Self::Connect(report) => report.result.as_ref().err(),
        }
    }
}

fn has_scheme(target: &str) -> bool {
    target.contains("://")
}

fn parse_target(text: &str, is_argus: bool) -> Result<EndpointUrl, BadUrl> {
    let url = if has_scheme(text) {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    if is_argus {
        EndpointUrl::parse_base(&url)
    } else {
        EndpointUrl::parse(&url)
    }
}

fn families(args: &MeasureArgs, target: &EndpointUrl) -> Vec<Family> {
    match (args.ipv4, args.ipv6, target.address()) {
        (true, _, _) => vec![Family::V4],
        (_, true, _) => vec![Family::V6],
        (_, _, Some(address)) => vec![family_of(address)],
        (_, _, None) => vec![Family::V4, Family::V6],
    }
}

fn requests(args: &MeasureArgs, target: &EndpointUrl) -> Vec<Check> {
    if !args.argus && args.asset.is_none() {
        return vec![Check::Http { url: target.clone() }];
    }
    let mut checks = vec![Check::ArgusStatus { base: target.clone() }];
    if let Some(asset) = args.asset {
        checks.push(Check::AssetHead {
            base: target.clone(),
            asset,
        });
        checks.push(Check::AssetGet {
            base: target.clone(),
            asset,
            first: ByteCount::ASSET_DEFAULT,
        });
        if args.throughput {
            checks.push(Check::Throughput {
                base: target.clone(),
                asset,
            });
        }
    }
    checks
}

#[cfg(test)]
mod tests;
