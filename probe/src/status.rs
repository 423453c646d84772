//! What `isochrone-probe status` shows: asked of the running probe over a Unix socket in its state folder.

mod socket;
mod text;

use std::sync::Arc;

use isochrone_proto::ids::ProbeId;
use isochrone_proto::plan::Plan;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use self::socket::{StatusError, ask, serve};
use crate::clock::Clock;
use crate::echo::EchoCounters;
use crate::prober::EchoPorts;
use crate::recorder::{Recorded, SharedSpool};
use crate::uplink::Link;

/// Everything at a glance. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// `isochrone.probe-status/1`.
    pub schema: String,
    /// When it was asked.
    pub now_ms: u64,
    /// The probe's id.
    pub probe: String,
    /// As the lead gave it.
    pub name: String,
    /// Its release.
    pub software: String,
    /// The collector it is connected to.
    pub collector: Option<String>,
    /// Since when it is connected, or away.
    pub link_since_ms: u64,
    /// Why the last attempt or connection ended.
    pub trouble: Option<String>,
    /// How this clock and the collector's stand to each other; of the last connection, where there is none now.
    #[serde(default)]
    pub clock: Option<ClockStatus>,
    /// End of the certificate.
    pub certificate_until_ms: u64,
    /// What the state folder does not take, in words; it is held in memory and tried again.
    #[serde(default)]
    pub unkept: Option<String>,
    /// UDP port of the echo responder, the IPv4 one where there is one; 0 if there is none.
    pub echo_port: u16,
    /// Its ports by family.
    pub echo_ports: EchoPorts,
    /// What the echo sockets counted since the process started.
    pub echo_counted: EchoCounters,
    /// The plan it follows.
    pub plan: Option<PlanStatus>,
    /// What waits on this disk.
    pub spool: SpoolStatus,
    /// The probe's end of the ledger.
    pub ledger: LedgerStatus,
}

/// This clock and the collector's, as the collector measured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStatus {
    /// This clock minus the collector's, in milliseconds.
    pub offset_ms: i64,
    /// The collector's clock now.
    pub collector_ms: u64,
    /// Whether the collector differs from most of its probes: its clock is then the wrong one.
    pub collector_is_wrong: bool,
}

/// The plan in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStatus {
    /// As the collector numbers them.
    pub version: String,
    /// Where it ends.
    pub expires_ms: u64,
    /// Whether that is past: nothing is measured.
    pub expired: bool,
    /// Peers it names.
    pub peers: usize,
    /// Endpoints it names.
    pub endpoints: usize,
    /// Checks it asks for.
    pub checks: usize,
}

/// What waits on this disk, and how much room it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolStatus {
    /// Bytes on disk.
    pub bytes: u64,
    /// The bound.
    pub bytes_max: u64,
    /// Damaged records found since the process started.
    pub corrupt_records: u64,
}

/// Measurements of this process: planned = run + skipped, run = stored + spooled + dropped + refused. What earlier
/// processes left in the spool, and what was refused of theirs, stands apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerStatus {
    /// Slots whose fate is known.
    pub planned: u64,
    /// Slots that became a measurement.
    pub run: u64,
    /// Slots that did not.
    pub skipped: u64,
    /// Of those that were run: durable at the collector (or counted there, after a fork).
    pub stored: u64,
    /// Durable here, not yet there.
    pub spooled: u64,
    /// Dropped: the spool or the disk was full.
    pub dropped: u64,
    /// Left by earlier processes, not yet at the collector.
    pub spooled_before: u64,
    /// Refused by the collector for their content; it keeps them apart.
    #[serde(default)]
    pub refused: u64,
    /// Refused of earlier processes.
    #[serde(default)]
    pub refused_before: u64,
    /// Of all that was refused, now and before: for their time, so that one of the two clocks is wrong.
    #[serde(default)]
    pub refused_for_time: u64,
    /// Batches that the collector refused for their content, now and before.
    pub refused_batches: u64,
    /// More was refused than these figures say: the file that kept the count was damaged. The collector's ledger has it.
    #[serde(default)]
    pub refused_incomplete: bool,
}

/// Where the answers come from; a cheap handle.
#[derive(Clone)]
pub struct StatusSource {
    pub(crate) clock: Clock,
    pub(crate) probe: ProbeId,
    pub(crate) name: String,
    pub(crate) following: watch::Receiver<Option<Arc<Plan>>>,
    pub(crate) link: watch::Receiver<Link>,
    pub(crate) recorded: watch::Receiver<Recorded>,
    pub(crate) spool: SharedSpool,
    pub(crate) echo_ports: EchoPorts,
    pub(crate) echo_counted: Arc<dyn Fn() -> EchoCounters + Send + Sync>,
}

impl StatusSource {
    /// The spool itself, for who wants to know more.
    #[must_use]
    pub fn spool(&self) -> &SharedSpool {
        &self.spool
    }

    /// The status at this moment.
    #[must_use]
    pub fn now(&self) -> Status {
        let now = self.clock.wall();
        let link = self.link.borrow().clone();
        let plan = self.following.borrow().clone();
        let (spool, own, (refused, refused_incomplete)) = self.spool.with(|spool| {
            let refused = (spool.refused_ever(), spool.is_refused_incomplete());
            (spool.state(), spool.own_rows(), refused)
        });
        let skipped = self.recorded.borrow().skipped;
        Status {
            schema: "isochrone.probe-status/1".into(),
            now_ms: now.0,
            probe: self.probe.to_string(),
            name: self.name.clone(),
            software: format!("isochrone-probe {}", env!("CARGO_PKG_VERSION")),
            collector: link.collector,
            link_since_ms: link.since.0,
            trouble: link.trouble,
            clock: link.clocks.map(|clocks| ClockStatus {
                offset_ms: clocks.offset_ms,
                collector_ms: now.0.saturating_add_signed(-clocks.offset_ms),
                collector_is_wrong: clocks.collector_is_wrong,
            }),
            certificate_until_ms: link.certificate_until.0,
            unkept: link.unkept,
            echo_port: match self.echo_ports {
                EchoPorts { v4: 0, v6 } => v6,
                EchoPorts { v4, .. } => v4,
            },
            echo_ports: self.echo_ports,
            echo_counted: (self.echo_counted)(),
            plan: plan.map(|plan| PlanStatus::of(&plan, now)),
            spool: SpoolStatus {
                bytes: spool.bytes,
                bytes_max: spool.bytes_max,
                corrupt_records: spool.corrupt_records,
            },
            ledger: LedgerStatus {
                planned: own.run + skipped,
                run: own.run,
                skipped,
                stored: own.run.saturating_sub(own.spooled + own.dropped + own.refused),
                spooled: own.spooled,
                dropped: own.dropped,
                spooled_before: spool.unstored.saturating_sub(own.spooled),
                refused: own.refused,
                refused_before: refused.rows.saturating_sub(own.refused),
                refused_for_time: refused.rows_for_time,
                refused_batches: refused.batches,
                refused_incomplete,
            },
        }
    }
}

impl PlanStatus {
    fn of(plan: &Plan, now: UnixMillis) -> Self {
        let is_peer = |target: &&isochrone_proto::plan::Target| {
            matches!(target.address, isochrone_proto::plan::TargetAddress::Peer { .. })
        };
        let peers = plan.targets.iter().filter(is_peer).count();
        Self {
            version: plan.version.to_string(),
            expires_ms: plan.expires.0,
            expired: plan.expires <= now,
            peers,
            endpoints: plan.targets.len() - peers,
            checks: plan.checks.len(),
        }
    }
}
