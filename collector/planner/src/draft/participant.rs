//! A probe, as far as plans concern it.

use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};

use isochrone_gate::registry::ProbeRecord;
use isochrone_proto::echo::{KeyEpoch, PairKey, ResponderSecret};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::{Family, Kind};

/// A probe, as far as plans concern it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Derived from its key.
    pub id: ProbeId,
    /// Unique in the fleet.
    pub name: String,
    /// Whose server it runs on: their probe does not judge their own node.
    pub worker: String,
    /// ISO 3166 code of its country, which is its region in the mesh.
    pub country: Option<String>,
    /// AS number of its network.
    pub network: Option<u32>,
    /// Its responder's secrets, the newest first.
    pub secrets: Vec<(KeyEpoch, ResponderSecret)>,
    /// The newest of them that it is known to have: its peers get keys of this one.
    pub known_secret: Option<KeyEpoch>,
    /// The kinds that its release did not announce: it is given no check of them.
    pub unread: Vec<Kind>,
    /// Its responder's IPv4 address, once it answered the collector's own echo there.
    pub v4: Option<SocketAddrV4>,
    /// The same over IPv6.
    pub v6: Option<SocketAddrV6>,
}

impl Participant {
    /// A probe of the registry, and where its responder answered.
    #[must_use]
    pub fn new(record: &ProbeRecord, v4: Option<SocketAddrV4>, v6: Option<SocketAddrV6>) -> Self {
        Self {
            id: record.id,
            name: record.name.clone(),
            worker: record.worker.clone(),
            country: record.country.clone(),
            network: record.network,
            secrets: record.responder_secrets(),
            known_secret: record.known_secret,
            unread: record.unread_kinds(),
            v4,
            v6,
        }
    }

    /// The secret that its peers' keys are made of. A newer one than the responder is known to have would make
    /// false losses while the responder is away from the collector.
    pub(super) fn secret(&self) -> Option<&(KeyEpoch, ResponderSecret)> {
        let known = |(epoch, _): &&(KeyEpoch, ResponderSecret)| Some(*epoch) == self.known_secret;
        self.secrets.iter().find(known)
    }

    /// What `prober` shows this probe's responder.
    pub(super) fn key_for(&self, prober: ProbeId) -> Option<(KeyEpoch, PairKey)> {
        let (epoch, secret) = self.secret()?;
        Some((*epoch, PairKey::derive(secret, prober, *epoch)))
    }

    /// Where its responder answers over `family`.
    pub(super) fn address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.v4.map(|address| (*address.ip()).into()),
            Family::V6 => self.v6.map(|address| (*address.ip()).into()),
        }
    }

    /// Whether it reaches nodes over `family`, as far as its own address shows. Where nothing is known of it, it has
    /// IPv4, as nearly everybody has.
    pub(super) fn speaks(&self, family: Family) -> bool {
        let is_unknown = self.v4.is_none() && self.v6.is_none();
        self.address(family).is_some() || (is_unknown && family == Family::V4)
    }
}
