//! What the log tells of probes that are one server, one after the other: they are one vantage.

use std::collections::BTreeMap;

use isochrone_base::roster::Roster;
use isochrone_base::servers::{Servers, Traces};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Store, StoreError};
use isochrone_watch::addresses::Addresses;

/// What each probe left, as far as it was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witnesses(BTreeMap<ProbeId, Traces>);

impl Witnesses {
    /// Whence they all came; nothing is measured yet.
    pub(crate) fn read(store: &Store) -> Result<Self, StoreError> {
        let mut witnesses = Self::default();
        for (probe, address) in Addresses::read(store)?.all() {
            witnesses.0.entry(probe).or_default().addresses.insert(address);
        }
        Ok(witnesses)
    }

    /// `probe` measured at `slot`.
    pub(crate) fn measured(&mut self, probe: ProbeId, slot: UnixMillis) {
        let traces = self.0.entry(probe).or_default();
        traces.last = traces.last.max(Some(slot));
    }

    /// Which of the probes are one server, as far as what was read, until `until`, says.
    pub(crate) fn servers(&self, roster: &Roster, until: UnixMillis) -> Servers {
        Servers::new(roster, &self.0, until)
    }
}
