//! A mesh that stands on one machine as a whole, or in one prefix, as in the demo: nearness then means nothing.

use std::net::IpAddr;

use super::Engine;
use super::line::is_near;

/// Said wherever [`Engine::is_one_place`].
pub const ONE_PLACE: &str = "All addresses known stand on one machine or in one network (one /24 or /48), so it is not asked \
    whether a probe stands beside a node: all of them judge.";

impl Engine {
    /// Some node was dialled, and all addresses known stand on one machine or in one prefix: nearness is not looked at, and
    /// no vantage stands beside a node.
    #[must_use]
    pub fn is_one_place(&self) -> bool {
        self.is_one_place && self.cells.iter().any(|cell| cell.host.is_some())
    }

    /// The mesh stands on one machine, or in one prefix, until an address shows otherwise.
    pub(super) fn note_address(&mut self, address: IpAddr) {
        let first = &mut self.first_addresses[usize::from(address.is_ipv6())];
        let first = *first.get_or_insert(address);
        self.is_one_place &= is_near(first, address);
    }
}
