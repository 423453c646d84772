//! What the page shows, as JSON: one [`LiveView`] is everything a browser knows at one instant.
//!
//! The collector's live state fills it and publishes it through a `tokio::sync::watch` channel; the page
//! reads nothing else. Instants are RFC 3339 UTC, durations and times say their unit in the name, and a
//! figure that was not measured is `null`, never 0.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything the page shows, at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveView {
    /// What all of it comes to.
    pub head: Head,
    /// When this view was made, by the collector's clock.
    pub generated_at: Timestamp,
    /// Measured, or made up by the demo.
    pub source: Source,
    /// How far back the percentiles, losses and sample counts of this view reach, in seconds.
    pub window_s: u32,
    /// The collector that speaks.
    pub collector: CollectorView,
    /// The newest plan; `None` before the first one was made.
    pub plan: Option<PlanView>,
    /// Every probe that ever joined, revoked ones included. Order does not matter.
    pub probes: Vec<ProbeView>,
    /// One cell for each planned (from, to, family) between probes. Order does not matter.
    pub mesh: Vec<MeshCell>,
    /// Every node of targets.toml, paused ones included. Order does not matter.
    pub nodes: Vec<NodeView>,
    /// Every open incident, and the newest recovered ones on record.
    pub incidents: Vec<IncidentView>,
    /// The account of every planned slot, summed over all probes.
    pub ledger: LedgerTotals,
    /// The outbox.
    pub alerts: AlertsView,
    /// What the lead should know and no other field says: a nearly full disk, a plan near its end.
    pub notices: Vec<Notice>,
}

/// What a view comes to: the page's head and `status` are this judgement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The heaviest finding's.
    pub verdict: HeadVerdict,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

/// Whether all is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadVerdict {
    /// Nothing is wrong.
    Well,
    /// Nobody knows.
    #[default]
    CannotTell,
    /// Something is wrong.
    Wrong,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it weighs.
    pub weight: Weight,
    /// Name of the node or probe; `None` where it is about none.
    pub subject: Option<String>,
    /// A sentence.
    pub says: String,
}

/// How much a finding weighs; the heaviest decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Good to know.
    Note,
    /// Whether this is well cannot be told.
    CannotTell,
    /// Something is wrong.
    Wrong,
}

/// Where the figures come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Measured, and read from the store.
    Store,
    /// The demo's world: the page says DEMO all the time.
    Demo,
}

/// The collector itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CollectorView {
    /// Unique in the mesh, for ever.
    pub name: String,
    /// Release of the collector that runs.
    pub version: String,
    /// When this process started.
    pub started: Timestamp,
    /// Size of the store on disk, in bytes.
    pub store_bytes: u64,
    /// Count of stored batches.
    pub commit_number: u64,
    /// Measurements stored a second, over the last few seconds.
    pub records_per_second: f64,
}

/// The newest plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// Its number.
    pub version: u64,
    /// When it was signed.
    pub issued: Timestamp,
    /// When probes stop following it.
    pub expires: Timestamp,
}

/// A probe, as the collector sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeView {
    /// Its name, unique in the mesh; mesh cells and evidence refer to it.
    pub name: String,
    /// Whose server it runs on.
    pub worker: String,
    /// Its site, such as "Berlin, DE".
    pub site: String,
    /// Degrees north, if known.
    pub latitude: Option<f64>,
    /// Degrees east, if known.
    pub longitude: Option<f64>,
    /// AS number of its network, if known.
    pub network: Option<u32>,
    /// Connected or not.
    pub state: ProbeState,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// Its software's version, once it said Hello.
    pub version: Option<String>,
    /// The plan it follows, once it said so.
    pub plan_version: Option<u64>,
    /// Round trip of a clock ping on its control stream, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Measurements it spooled that are not stored here yet, as it last said.
    pub backlog: Option<u64>,
    /// Its current epoch, in hex.
    pub epoch: Option<String>,
    /// When its newest stored measurement was taken.
    pub last_measurement: Option<Timestamp>,
    /// Whether others can measure towards it, by family.
    pub echo_port: EchoPorts,
}

/// Whether a probe is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeState {
    /// Its connection is open, and Welcome was sent.
    Connected,
    /// Its connection ended a short while ago; it may still measure and spool.
    Away,
    /// Away for so long that an incident says so.
    Silent,
    /// Its key was revoked.
    Revoked,
}

/// The echo port of a probe, each family apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EchoPorts {
    /// Over IPv4.
    pub v4: EchoPort,
    /// Over IPv6.
    pub v6: EchoPort,
}

/// Whether the collector's own authenticated echo was answered at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EchoPort {
    /// Answered.
    Verified,
    /// Never answered: probably a firewall.
    Closed,
    /// The probe has no address of this family, or it was not tried yet.
    Unknown,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// One direction of one pair of probes over one family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeshCell {
    /// Name of the probe that measures.
    pub from: String,
    /// Name of the probe that answers.
    pub to: String,
    /// Over which the echoes went.
    pub family: Family,
    /// Median round trip over the window, in milliseconds; lost echoes are not in it.
    pub p50_ms: Option<f64>,
    /// Ninth decile of the round trip over the window, in milliseconds.
    pub p90_ms: Option<f64>,
    /// Share of echoes without a reply over the window, 0 to 1; `None` without a sample.
    pub loss: Option<f64>,
    /// Echoes that ran in the window, lost ones included.
    pub samples: u64,
    /// What to make of it.
    pub state: MeshState,
    /// Slot of the newest echo.
    pub last: Option<Timestamp>,
}

/// What to make of a mesh cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeshState {
    /// Replies come, loss is nothing unusual.
    Ok,
    /// Replies come, with unusual loss.
    Degraded,
    /// Echoes ran and none was answered lately.
    Lost,
    /// Nothing fresh is known.
    NoData,
    /// No one ever reached this responder.
    EchoPortClosed,
}

/// A node, as its vantages see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name in targets.toml.
    pub name: String,
    /// Whose node it is.
    pub worker: String,
    /// Its place, such as "Tokyo, JP".
    pub place: String,
    /// Degrees north, if known.
    pub latitude: Option<f64>,
    /// Degrees east, if known.
    pub longitude: Option<f64>,
    /// AS number of its network, if known.
    pub network: Option<u32>,
    /// Its public URL.
    pub url: String,
    /// It is a plain HTTP endpoint: `status` is about its page.
    pub plain: bool,
    /// Can it be reached?
    pub connect: Verdict,
    /// Does its status answer?
    pub status: Verdict,
    /// Does it deliver an asset?
    pub asset: Verdict,
    /// Median time to connect over the window and all vantages but its worker's own, in milliseconds.
    pub connect_p50_ms: Option<f64>,
    /// Connects behind that median.
    pub connect_samples: u64,
    /// Median time to first byte over the window, cached answers only, in milliseconds.
    pub ttfb_p50_ms: Option<f64>,
    /// Cached answers behind that median.
    pub ttfb_samples: u64,
    /// When its certificate ends, if one was seen.
    pub cert_expires: Option<Timestamp>,
    /// Its newest result from each vantage and family.
    pub cells: Vec<NodeCell>,
    /// Checks that ran in the window, all kinds together.
    pub samples: u64,
}

/// What the mesh says of one kind of check of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What its checks from all vantages come to.
    pub state: VerdictState,
    /// Since when; `None` if it never was anything else.
    pub since: Option<Timestamp>,
    /// Vantages with fresh results that succeed; the worker's own is not counted.
    pub vantages_ok: u32,
    /// Vantages with fresh results; the worker's own is not counted.
    pub vantages_total: u32,
    /// Different networks among `vantages_total`.
    pub networks: u32,
}

/// A verdict's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictState {
    /// It works.
    Up,
    /// It fails from enough vantages of enough networks.
    Down,
    /// It works, but not well.
    Degraded,
    /// Some vantages fail for long, not enough of them for an incident.
    Partial,
    /// Nothing fresh is known. Never shown as up.
    NoData,
    /// Nobody is to ask: a plain HTTP endpoint has no asset.
    NotAsked,
    /// It is measured, but nobody who measures it may judge it.
    NobodyMayJudge,
    /// It is worked on, as was said beforehand.
    Maintenance,
    /// The lead paused it.
    Paused,
}

/// A node's newest results from one vantage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeCell {
    /// Name of the probe.
    pub vantage: String,
    /// AS number of the vantage's network, if known.
    pub network: Option<u32>,
    /// The family that was used.
    pub family: Family,
    /// Newest connection.
    pub connect: CellOutcome,
    /// Newest status check.
    pub status: CellOutcome,
    /// Newest asset check.
    pub asset: CellOutcome,
    /// Newest time to connect, in milliseconds.
    pub connect_ms: Option<f64>,
    /// In which phase the newest failure happened, such as "connect".
    pub phase: Option<String>,
    /// The newest failure, verbatim.
    pub error: Option<String>,
    /// It is a probe of the node's own worker, or on its server, and judges nothing.
    pub own: bool,
    /// What it says of the way to the node, and whether that counts.
    pub verdict: CellVerdict,
    /// When the newest check ran.
    pub at: Option<Timestamp>,
}

/// What one vantage says of a node, and whether that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellVerdict {
    /// It judges, and gets through.
    Green,
    /// It judges, and does not.
    Red,
    /// It does not get through, and nothing proves its own line.
    Unproven,
    /// It fails alone too often to judge.
    Sick,
    /// It is of the node's own worker, or on its server.
    Own,
    /// Nothing fresh is known of it.
    Silent,
}

/// What became of a vantage's newest check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellOutcome {
    /// It succeeded.
    Ok,
    /// The newest fresh answer is a failure.
    Failed,
    /// Nothing fresh.
    NoData,
    /// It is not to ask.
    NotAsked,
}

/// An outage, with what proves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentView {
    /// Stable: made from target, check and start.
    pub id: String,
    /// Name of the node or probe.
    pub target: String,
    /// The worst that failed.
    pub check: IncidentCheck,
    /// All that failed.
    pub checks: Vec<IncidentCheck>,
    /// How often it went down, if it comes and goes.
    pub flapping: Option<u32>,
    /// How often an hour, where that is known.
    #[serde(default)]
    pub openings_per_hour: Option<f64>,
    /// While it comes and goes and answers at the moment: since when.
    pub up_since: Option<Timestamp>,
    /// It was found in rows that came too late to act on.
    pub late: bool,
    /// Open or over.
    pub state: IncidentState,
    /// The first failure that belongs to it.
    pub start: Timestamp,
    /// When it was over.
    pub end: Option<Timestamp>,
    /// From start to end, or until now, in seconds.
    pub duration_s: u64,
    /// Where the fault seems to be.
    pub cause: Cause,
    /// What the rule could not have, in a sentence: "both vantages are in one network".
    pub caveat: Option<String>,
    /// How many vantages saw it.
    pub vantages: u32,
    /// The cells that prove it; empty where so many incidents are open that only their number is told.
    pub evidence: Vec<Evidence>,
    /// Alerts about it that were delivered.
    pub alerts_delivered: u32,
    /// Alerts about it that are still to be delivered.
    pub alerts_pending: u32,
}

/// What failed in an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentCheck {
    /// A node cannot be reached.
    Connect,
    /// A node's name gives no address.
    Name,
    /// A node's status.
    Status,
    /// A node's asset.
    Asset,
    /// The page of a plain HTTP endpoint.
    Http,
    /// A probe went silent.
    Probe,
    /// Nobody measures a node, or nobody who does may judge it.
    Data,
}

/// Whether an incident is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentState {
    /// It goes on.
    Open,
    /// It is over.
    Recovered,
}

/// Where a fault seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Every network that can judge sees it.
    Node,
    /// At a storage source, by the node's own word.
    Source,
    /// Half of the nodes or more, at once.
    Shared,
    /// Between some networks and the node.
    Path,
    /// One probe fails alike beside many nodes.
    Probe,
    /// Not known.
    Unknown,
}

/// One failure that proves an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Name of the probe that saw it.
    pub vantage: String,
    /// AS number of its network, if known.
    pub network: Option<u32>,
    /// In which phase, such as "connect"; empty where a check has none.
    pub phase: String,
    /// The failure, verbatim.
    pub error: String,
    /// When the slot was.
    pub at: Timestamp,
}

/// The account of every planned slot, summed over all probes: planned = run + skipped + absent, and
/// run = stored + spooled + dropped + refused + forked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerTotals {
    /// Start of the first hour that is summed; `None` while there is none.
    pub from: Option<Timestamp>,
    /// Cut up to which it is summed.
    pub to: Option<Timestamp>,
    /// Slots that plans asked for.
    pub planned: u64,
    /// Slots that were run.
    pub run: u64,
    /// Slots that a probe skipped, each with a cause.
    pub skipped: u64,
    /// Slots of a probe that was not there.
    pub absent: u64,
    /// Results durably stored.
    pub stored: u64,
    /// Results still in a probe's spool.
    pub spooled: u64,
    /// Results that were lost: with a full spool, or with a damaged row of the store.
    pub dropped: u64,
    /// Of those, with a damaged row.
    pub damaged: u64,
    /// Results refused for their content.
    pub refused: u64,
    /// Results of a cloned or restored probe.
    pub forked: u64,
    /// Of `spooled` and `absent`, those of a revoked probe: they never come any more.
    pub revoked: u64,
    /// Both equations hold and both ends agree on `planned`.
    pub balanced: bool,
}

/// The outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertsView {
    /// Receivers that are configured.
    pub receivers: u32,
    /// Alerts that wait for a receiver.
    pub pending: u64,
    /// Since when the oldest of them waits.
    pub oldest: Option<Timestamp>,
}

/// A sentence for the lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// How much it matters.
    pub level: NoticeLevel,
    /// A whole sentence, with what to do next.
    pub text: String,
    /// Since when.
    pub at: Timestamp,
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeLevel {
    /// Good to know.
    Info,
    /// Something to do before long.
    Warning,
    /// Data is being lost, or a person is needed now.
    Error,
}
