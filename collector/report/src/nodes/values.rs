//! What the report of nodes holds: values only.

use isochrone_base::words;
use isochrone_proto::units::UnixMillis;
use isochrone_watch::incident::IncidentCheck;
use serde::{Serialize, Serializer};

use super::borrowed::BorrowedNode;
use crate::imported::ImportedNodes;
use crate::kept::BeforeKept;
use crate::tiers::TierSpan;

/// `isochrone.nodes/1`. Numbers are not rounded; what was not measured is `null`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodesReport {
    /// `isochrone.nodes/1`.
    pub schema: &'static str,
    /// `store`, `elasticsearch` or `demo`.
    pub source: &'static str,
    /// First instant, RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub from: UnixMillis,
    /// First instant after it, RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub to: UnixMillis,
    /// What each stretch of the window was read from.
    pub tiers: Vec<TierSpan>,
    /// The window that was asked for begins before anything that is kept; `null`: it does not.
    pub before_kept: Option<BeforeKept>,
    /// Messages that were meant to wake somebody, had the rule as it stands been asked all the while.
    pub(crate) would_have_paged: u64,
    /// All addresses known stand on one machine or in one prefix: no vantage was taken to stand beside a node.
    #[serde(skip)]
    pub(crate) is_one_place: bool,
    /// Its first check; `None` if nothing was measured.
    #[serde(skip)]
    pub(crate) measured_from: Option<UnixMillis>,
    /// The nodes, by name.
    pub nodes: Vec<NodeReport>,
    /// What others measured of nodes, as it was imported: in no figure above.
    pub imported: ImportedNodes,
    /// What borrowed eyes measured of nodes, in short: in no figure above.
    pub borrowed: Vec<BorrowedNode>,
}

/// A node in a window: its shares, days and outages.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeReport {
    /// Its name.
    pub node: String,
    /// Name of its worker; `None` where nobody is named.
    pub worker: Option<String>,
    /// City, as in `targets.toml`; empty where coordinates stand instead.
    pub place: String,
    /// It is not in `targets.toml` any more.
    pub removed: bool,
    /// Every UTC day of the window.
    pub days: Vec<DayReport>,
    /// By start.
    pub outages: Vec<OutageReport>,
    /// Seconds between its first and its last check in which it was measured, and no quorum of judges could judge it.
    pub nobody_may_judge_s: f64,
    /// Seconds between its first and its last check in which nobody measured it.
    pub nobody_measured_s: f64,
    /// `None` where nothing of the window counts.
    pub availability: Option<AvailabilityReport>,
    /// The window in equal parts, for the charts.
    #[serde(skip)]
    pub slices: Vec<Slice>,
    /// The whole window.
    #[serde(skip)]
    pub whole: Whole,
}

/// The share of the window in which a node was up: connections and assets (of a plain HTTP node its page), not status.
/// Shared outages, and those of a storage source, are left out. A census: bounds, and no confidence level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AvailabilityReport {
    /// Of what could be judged; `null` where nothing could.
    pub(crate) share: Option<f64>,
    /// At least: all that is not known was down, and each outage was as long as it can have been.
    pub(crate) low: f64,
    /// At most: all that is not known was up, and each outage was as short as it can have been.
    pub(crate) high: f64,
    /// The share of what counts in which it could be judged.
    pub(crate) known: f64,
    /// Seconds of the window.
    pub(crate) window_s: f64,
    /// Of these left out.
    pub(crate) excluded_s: f64,
    /// Of these not known.
    pub(crate) unknown_s: f64,
    /// Of these down.
    pub(crate) down_s: f64,
}

/// One node on one UTC day. Shares are 0…1 of the judged checks that are counted beside them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DayReport {
    /// `2026-11-22`.
    pub day: String,
    /// Checks of all kinds that were run, by vantages that count.
    pub checks: u64,
    /// Share of status checks that succeeded.
    pub(crate) status_ok: Option<f64>,
    /// Share of asset downloads that succeeded; HEAD is answered from chain data, and is in no share.
    pub(crate) asset_ok: Option<f64>,
    /// Share of plain HTTP checks that succeeded.
    pub(crate) http_ok: Option<f64>,
    /// Share of connections that succeeded.
    pub(crate) connect_ok: Option<f64>,
    /// Median time to first byte in milliseconds: cached assets; of a plain HTTP node its page.
    pub ttfb_p50_ms: Option<f64>,
    /// 90th percentile of the same.
    pub ttfb_p90_ms: Option<f64>,
    /// Times behind both.
    pub ttfb_samples: u64,
    /// Median time to first byte of status answers in milliseconds.
    pub(crate) status_ttfb_p50_ms: Option<f64>,
    /// 90th percentile of the same.
    pub(crate) status_ttfb_p90_ms: Option<f64>,
    /// Times behind both.
    pub(crate) status_ttfb_samples: u64,
    /// Status checks behind `status_ok`.
    pub(crate) status_checks: u64,
    /// Asset checks behind `asset_ok`.
    pub(crate) asset_checks: u64,
    /// HTTP checks behind `http_ok`.
    pub(crate) http_checks: u64,
    /// Connections behind `connect_ok`.
    pub(crate) connect_checks: u64,
    /// Answers 404 and 421: about the object, not about the node; in no share.
    pub absent: u64,
    /// Checks that say nothing: they never left the probe, or it had no way out; in no share.
    pub unjudged: u64,
    /// Checks of vantages that might not judge it at the time, answered or not: on its server, or failing alone too often;
    /// in no share.
    pub unheard: u64,
    /// Vantages that checked it.
    pub vantages: u64,
}

/// One node in one of the equal parts of the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slice {
    /// Its first instant.
    pub from: UnixMillis,
    /// The first instant after it.
    pub until: UnixMillis,
    /// Judged checks of all kinds that succeeded.
    pub good: u64,
    /// Judged checks of all kinds.
    pub judged: u64,
    /// As of a day.
    pub ttfb: Option<Ttfb>,
    /// Of status answers.
    pub(crate) status_ttfb: Option<Ttfb>,
}

/// One node in the whole window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Whole {
    /// Judged checks of all kinds that succeeded.
    pub good: u64,
    /// Judged checks of all kinds.
    pub judged: u64,
    /// Answers 404 and 421: in no share.
    pub absent: u64,
    /// Checks that say nothing of the node: in no share.
    pub unjudged: u64,
    /// Checks of vantages that might not judge it: in no share.
    pub unheard: u64,
    /// As of a day.
    pub ttfb: Option<Ttfb>,
    /// Of status answers.
    pub(crate) status_ttfb: Option<Ttfb>,
}

/// Time to first byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ttfb {
    /// Its median in milliseconds.
    pub p50_ms: f64,
    /// Its 90th percentile.
    pub p90_ms: f64,
}

/// One outage, with every check that failed in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutageReport {
    /// Its id, the same as in alerts and `show`.
    pub id: String,
    /// Slot of the first failure, RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub start: UnixMillis,
    /// First answer after it, RFC 3339; `null`: the data ends while it goes on.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub end: Option<UnixMillis>,
    /// `node`: nobody got through; `path`: some did; `source`: a storage source, by the node's own word; `shared`: half of
    /// all nodes or more at once.
    pub cause: &'static str,
    /// Names of the probes that saw it.
    pub vantages: Vec<String>,
    /// The worst that failed: `connect`, `name`, `asset`, `status` or `http`.
    pub check: IncidentCheck,
    /// All that failed.
    pub checks: Vec<SpanReport>,
    /// How long it was down in seconds, up to the end of the window where it has no end.
    pub duration_s: f64,
    /// Networks of the vantages; unknown ones count as one.
    pub networks: usize,
    /// The failure seen most often, such as `connect: timeout`.
    pub failure: Option<String>,
    /// How often it went down, if it came and went.
    pub flapping: Option<u32>,
    /// While it comes and goes and answers at the moment: since when, RFC 3339.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub up_since: Option<UnixMillis>,
    /// It was found in rows that came too late to act on.
    pub late: bool,
}

/// One check of an outage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SpanReport {
    /// What failed.
    pub check: IncidentCheck,
    /// Slot of the first failure, RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub start: UnixMillis,
    /// First answer after it, RFC 3339; `null`: the data ends while it goes on.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub end: Option<UnixMillis>,
}

fn rfc3339<S: Serializer>(at: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&words::rfc3339(*at))
}

#[expect(clippy::ref_option, reason = "serde hands over a reference")]
fn rfc3339_or_null<S: Serializer>(at: &Option<UnixMillis>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => rfc3339(at, serializer),
        None => serializer.serialize_none(),
    }
}
