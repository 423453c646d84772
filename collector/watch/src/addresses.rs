//! Whence the probes' sessions came, now and at every instant of the past: one that stands on a node's server judges it
//! neither live nor over the log, and a batch proves the family that it came over.

use std::collections::BTreeMap;
use std::net::IpAddr;

use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::Family;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Records, Store, StoreError, Transaction};
use serde::{Deserialize, Serialize};

const TABLE: &str = "session_addresses";
/// Changes of one probe's address that are remembered.
const KEPT: usize = 128;

/// A probe's sessions come from there, from an instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    since: UnixMillis,
    address: IpAddr,
}

/// The addresses of every probe, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    origins: BTreeMap<ProbeId, Vec<Origin>>,
    /// Probes whose newest address is not stored.
    unsaved: Vec<ProbeId>,
}

impl Addresses {
    /// As they were seen.
    ///
    /// # Errors
    /// When the store failed.
    pub fn read(store: &Store) -> Result<Self, StoreError> {
        let kept = records(store).list()?.into_iter();
        Ok(Self {
            origins: kept
                .filter_map(|(probe, origins)| Some((probe.parse().ok()?, origins)))
                .collect(),
            unsaved: Vec::new(),
        })
    }

    /// Every address that each probe's sessions came from.
    pub fn all(&self) -> impl Iterator<Item = (ProbeId, IpAddr)> {
        let each = self.origins.iter();
        each.flat_map(|(&probe, origins)| origins.iter().map(move |origin| (probe, origin.address)))
    }

    /// A session of `probe` comes from `address` from now on.
    pub(crate) fn noted(&mut self, probe: ProbeId, address: IpAddr, now: UnixMillis) {
        let origins = self.origins.entry(probe).or_default();
        if origins.last().is_some_and(|newest| newest.address == address) {
            return;
        }
        if origins.len() == KEPT {
            origins.remove(0);
        }
        origins.push(Origin { since: now, address });
        if !self.unsaved.contains(&probe) {
            self.unsaved.push(probe);
        }
    }

    /// The newest address of each probe over each family.
    pub(crate) fn newest(&self) -> impl Iterator<Item = (ProbeId, IpAddr)> {
        self.at(UnixMillis(u64::MAX))
    }

    /// The address of each probe over each family at an instant. Before the first that is known it was that one.
    pub(crate) fn at(&self, at: UnixMillis) -> impl Iterator<Item = (ProbeId, IpAddr)> {
        self.origins.iter().flat_map(move |(&probe, origins)| {
            let of = [Family::V4, Family::V6].map(|family| at_of(origins, family, at));
            of.into_iter().flatten().map(move |address| (probe, address))
        })
    }

    /// What changed after `from`, until `until`, in order of time.
    pub(crate) fn changes(&self, from: UnixMillis, until: UnixMillis) -> Vec<(UnixMillis, ProbeId, IpAddr)> {
        let each = self.origins.iter().flat_map(|(&probe, origins)| {
            let of = origins.iter();
            of.map(move |origin| (origin.since, probe, origin.address))
        });
        let mut changes: Vec<_> = each
            .filter(|(since, ..)| from < *since && *since <= until)
            .collect();
        changes.sort_by_key(|(since, ..)| *since);
        changes
    }

    /// Over which family a probe's session came at an instant; `None` if nothing is known of any.
    pub(crate) fn family(&self, probe: ProbeId, at: UnixMillis) -> Option<Family> {
        let origins = self.origins.get(&probe)?;
        let then = origins.iter().rfind(|origin| origin.since <= at);
        then.or(origins.first()).map(|origin| family_of(origin.address))
    }

    /// The address of a probe over a family at an instant.
    pub(crate) fn of(&self, probe: ProbeId, family: Family, at: UnixMillis) -> Option<IpAddr> {
        at_of(self.origins.get(&probe)?, family, at)
    }

    pub(crate) fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    pub(crate) fn put_in(&self, store: &Store, transaction: &Transaction) -> Result<(), StoreError> {
        let records = records(store);
        for probe in &self.unsaved {
            if let Some(origins) = self.origins.get(probe) {
                records.put_in(transaction, &probe.to_string(), origins)?;
            }
        }
        Ok(())
    }

    pub(crate) fn saved(&mut self) {
        self.unsaved.clear();
    }
}

/// The family of an address.
pub(crate) const fn family_of(address: IpAddr) -> Family {
    match address {
        IpAddr::V4(_) => Family::V4,
        IpAddr::V6(_) => Family::V6,
    }
}

fn at_of(origins: &[Origin], family: Family, at: UnixMillis) -> Option<IpAddr> {
    let mut of = origins
        .iter()
        .filter(|origin| family_of(origin.address) == family);
    let first = of.clone().next();
    let then = of.rfind(|origin| origin.since <= at);
    then.or(first).map(|origin| origin.address)
}

fn records(store: &Store) -> Records<Vec<Origin>> {
    Records::new(store.clone(), TABLE)
}

#[cfg(test)]
mod tests {
    use isochrone_store::StoreOptions;

    use super::*;

    const ADA: ProbeId = ProbeId(7);

    fn at(second: u64) -> UnixMillis {
        UnixMillis(1_000_000 + second * 1_000)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn moved() -> Addresses {
        let mut addresses = Addresses::default();
        addresses.noted(ADA, ip("192.0.2.1"), at(0));
        addresses.noted(ADA, ip("192.0.2.1"), at(5));
        addresses.noted(ADA, ip("2001:db8::1"), at(10));
        addresses.noted(ADA, ip("192.0.2.2"), at(20));
        addresses
    }

    #[test]
    fn address_of_the_past_is_the_one_that_was_in_use_then() {
        let addresses = moved();
        assert_eq!(addresses.of(ADA, Family::V4, at(15)), Some(ip("192.0.2.1")));
        assert_eq!(addresses.of(ADA, Family::V4, at(25)), Some(ip("192.0.2.2")));
        assert_eq!(
            addresses.of(ADA, Family::V6, at(5)),
            Some(ip("2001:db8::1")),
            "before it was ever seen"
        );
        assert_eq!(addresses.of(ProbeId(8), Family::V4, at(5)), None);
        let changes = addresses.changes(at(0), at(20));
        assert_eq!(
            changes,
            [(at(10), ADA, ip("2001:db8::1")), (at(20), ADA, ip("192.0.2.2"))]
        );
    }

    #[test]
    fn session_has_the_family_it_had_at_the_time() {
        let addresses = moved();
        let families = [5, 15, 25].map(|second| addresses.family(ADA, at(second)));
        assert_eq!(families, [Some(Family::V4), Some(Family::V6), Some(Family::V4)]);
        assert_eq!(addresses.family(ProbeId(8), at(5)), None);
    }

    #[test]
    fn addresses_are_kept_over_a_restart_and_not_without_bound() {
        let store = Store::in_memory(StoreOptions::default()).unwrap();
        let mut addresses = moved();
        for second in 0..1_000 {
            let address = IpAddr::from([198, 51, 100, (second % 250) as u8]);
            addresses.noted(ADA, address, at(100 + second));
        }
        store
            .write(|transaction| addresses.put_in(&store, transaction))
            .unwrap();
        let read = Addresses::read(&store).unwrap();
        assert_eq!(read.origins[&ADA].len(), KEPT);
        assert_eq!(read.of(ADA, Family::V4, at(5_000)), Some(ip("198.51.100.249")));
        assert!(!read.has_unsaved());
    }
}
