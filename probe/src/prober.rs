//! Who carries out a planned run: the real prober ([`real`]), or a simulated one in tests.

pub mod real;

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use isochrone_proto::measurement::Outcome;
use isochrone_proto::plan::{Plan, PlannedCheck, Target};
use isochrone_proto::units::UnixMillis;

use crate::echo::EchoCounters;

/// Carries out runs, and answers the peers' echoes.
pub trait Prober: Send + Sync + 'static {
    /// Runs one check of one slot to its end, within the schedule's timeout.
    ///
    /// # Cancel safety
    /// Dropping the future ends the run; it leaves nothing behind.
    fn run(
        &self,
        check: PlannedCheck,
        target: Arc<Target>,
        slot: UnixMillis,
    ) -> impl Future<Output = Outcome> + Send;

    /// What was counted since the last call.
    fn take_counters(&self) -> ProberCounters;

    /// What the echo sockets counted since the process started, for the status.
    fn echo_counted(&self) -> EchoCounters {
        EchoCounters::default()
    }

    /// Takes over a plan: its keys for the echoes to come, and whom the responder answers from now on.
    fn adopt(&self, plan: &Plan);

    /// The collector sees this probe under this address: it is never measured from here.
    fn observed(&self, _own: IpAddr) {}

    /// UDP port of the echo responder; 0 if there is none.
    fn echo_port(&self) -> u16;

    /// Source ports of the echo sockets, IPv4 then IPv6; at most 64.
    fn source_ports(&self) -> Vec<u16>;
}

/// What a prober counts beside its outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProberCounters {
    /// Replies after their timeout.
    pub late_replies: u32,
    /// Second copies of replies.
    pub duplicate_replies: u32,
    /// Datagrams that the echo sockets got and dropped.
    pub foreign_datagrams: u32,
}
