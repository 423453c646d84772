//! Who carries out a planned run: the real prober ([`real`]), or a simulated one in tests.

pub mod real;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use isochrone_proto::measurement::Outcome;
use isochrone_proto::plan::{Plan, PlannedCheck, Target};
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

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

    /// UDP ports of the echo responder.
    fn echo_ports(&self) -> EchoPorts;

    /// Source ports of the echo sockets, IPv4 then IPv6; at most 64.
    fn source_ports(&self) -> Vec<u16>;
}

/// UDP ports of an echo responder; 0 where it does not listen over that family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EchoPorts {
    /// Over IPv4.
    pub v4: u16,
    /// Over IPv6.
    pub v6: u16,
}

impl EchoPorts {
    /// The ports of these listening addresses; the first of each family.
    #[must_use]
    pub fn of(listening: &[SocketAddr]) -> Self {
        let port = |v4: bool| {
            let found = listening.iter().find(|address| address.is_ipv4() == v4);
            found.map_or(0, SocketAddr::port)
        };
        Self {
            v4: port(true),
            v6: port(false),
        }
    }

    /// The port that belongs to an address at which this probe is seen by someone at `peer`.
    #[must_use]
    pub fn beside(&self, peer: IpAddr) -> u16 {
        if peer.to_canonical().is_ipv4() {
            self.v4
        } else {
            self.v6
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_the_port_of_its_own_listener() {
        let listening = |addresses: &[&str]| {
            let addresses: Vec<SocketAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
            let ports = EchoPorts::of(&addresses);
            ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"].map(|peer| ports.beside(peer.parse().unwrap()))
        };
        assert_eq!(listening(&["[::]:7473", "0.0.0.0:7472"]), [7472, 7472, 7473]);
        assert_eq!(listening(&["0.0.0.0:7472"]), [7472, 7472, 0]);
        assert_eq!(listening(&["[::]:7473"]), [0, 0, 7473]);
        assert_eq!(listening(&[]), [0, 0, 0]);
    }
}
