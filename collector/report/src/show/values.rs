//! What happened to one node: values only.

use isochrone_proto::units::UnixMillis;
use serde::Serialize;

use super::hours::HourLine;
use super::said::Said;
use crate::kept::BeforeKept;
use crate::tiers::TierSpan;

/// `isochrone.show/1`: one node in a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShowReport {
    /// `isochrone.show/1`.
    pub schema: &'static str,
    /// `store`, `elasticsearch` or `demo`.
    pub source: &'static str,
    /// The node's name.
    pub node: String,
    /// Where it answers, as in `targets.toml`.
    pub url: String,
    /// Name of its worker; `None` where nobody is named.
    pub worker: Option<String>,
    /// City, as in `targets.toml`; empty where coordinates stand instead.
    pub place: String,
    /// AS number of its network, if known.
    pub network: Option<u32>,
    /// First instant, RFC 3339.
    pub from: String,
    /// First instant after it, RFC 3339.
    pub to: String,
    /// What it says of itself in its status, as far as single answers are read; `null`: nothing.
    pub said: Option<Said>,
    /// Incidents about it that touch the window.
    pub incidents: Vec<IncidentLine>,
    /// Every failure; equal ones in a row of one vantage and kind are one entry with a count.
    pub failures: Vec<FailureRun>,
    /// What each vantage saw altogether.
    pub seen: Vec<SeenBy>,
    /// How long it took hour by hour, as far back as single measurements are kept.
    pub hours: Vec<HourLine>,
    /// What each stretch of the window was read from.
    pub tiers: Vec<TierSpan>,
    /// The window that was asked for begins before anything that is kept; `null`: it does not.
    pub before_kept: Option<BeforeKept>,
}

/// What `show` prints of an incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IncidentLine {
    /// Stable: made from target, check and start.
    pub id: String,
    /// The worst that failed: `connect`, `name`, `asset`, `status`, `http`, or `data`.
    pub check: &'static str,
    /// All that failed.
    pub checks: Vec<&'static str>,
    /// How often it went down, if it came and went.
    pub flapping: Option<u32>,
    /// While it comes and goes and answers at the moment: since when, RFC 3339.
    pub up_since: Option<String>,
    /// It was found in rows that came too late to act on.
    pub late: bool,
    /// RFC 3339.
    pub start: String,
    /// RFC 3339; `null` while it goes on.
    pub end: Option<String>,
    /// `node`, `source`, `path`, `shared` or `unknown`.
    pub cause: &'static str,
    /// What the rule could not have, in a sentence; of `data`: why nobody knows.
    pub caveat: Option<String>,
    /// Names of the vantages in its evidence.
    pub vantages: Vec<String>,
}

/// Equal failures in a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureRun {
    /// The probe's name.
    pub vantage: String,
    /// Its site.
    pub place: String,
    /// AS number of its network, if known.
    pub network: Option<u32>,
    /// The node's own worker runs it: it judges nothing.
    pub own: bool,
    /// Such as `status4`.
    pub kind: String,
    /// Slot of the first, RFC 3339.
    pub first: String,
    /// Slot of the last, RFC 3339.
    pub last: String,
    /// How many.
    pub count: u64,
    /// How many of them count against the node: by a vantage that might judge, whose own line was proven, or in an outage that
    /// stood.
    pub counted: u64,
    /// How far they came; `null`: they never left the probe.
    pub phase: Option<&'static str>,
    /// What went wrong.
    pub cause: String,
    /// The error, verbatim.
    pub error: String,
    /// HTTP status, if one came.
    pub http_status: Option<u16>,
    /// The address that was dialled; empty if none was.
    pub address: String,
    /// It speaks against the node (404, 421 and checks that never left the probe do not, nor how fast it sends).
    pub down: bool,
    /// They are of the sums of an hour or a day: between `first` and `last`, and not in a row.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) summed: bool,
    #[serde(skip)]
    pub(super) slots: Slots,
}

/// When failures in a row were seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slots {
    /// Slot of the first.
    pub(super) first: UnixMillis,
    /// Slot of the last.
    pub(super) last: UnixMillis,
    /// So long after it there would be no data: failures further apart are not in a row.
    pub(super) gap_ms: u64,
    /// The first answer after them.
    pub(super) answered: Option<UnixMillis>,
}

impl FailureRun {
    pub(super) fn order(&self) -> (UnixMillis, UnixMillis) {
        (self.slots.first, self.slots.last)
    }
}

/// What one vantage saw by one kind of check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeenBy {
    /// The probe's name.
    pub vantage: String,
    /// Its site.
    pub place: String,
    /// AS number of its network, if known.
    pub network: Option<u32>,
    /// The node's own worker runs it: it judges nothing.
    pub own: bool,
    /// Such as `status4`.
    pub kind: String,
    /// Checks that succeeded.
    pub ok: u64,
    /// Checks that failed and speak against the node.
    pub failed: u64,
    /// Answers 404 and 421.
    pub absent: u64,
    /// Checks that say nothing: they never left the probe, or its rules forbade the address.
    pub unsent: u64,
    /// Slot of the last success, RFC 3339.
    pub(crate) last_ok: Option<String>,
}
