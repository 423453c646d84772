//! Which probes are one server.
//!
//! A server that was invited again joins as a new probe. It is one vantage all the same, whatever the lead wrote the
//! second time: its coordinates, its network, another spelling of its site.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

pub use isochrone_coverage::geo::Position;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;

use crate::names::composed;
use crate::roster::{ProbeEntry, Roster};

/// One worker's sites closer together than this are one place, written in two ways.
const ONE_PLACE_KM: f64 = 100.0;
/// Measurements are dated by the probe's clock, which may be ahead of the collector's by so much (then they are refused).
const BLUR: Duration = Duration::from_secs(5 * 60 + 10);

/// What a probe left, beside what the lead wrote of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// When its last measurement was; `None` if none is known.
    pub last: Option<UnixMillis>,
    /// Whence its sessions came.
    pub addresses: BTreeSet<IpAddr>,
}

/// For each probe, the one that stands for its server: the newest that is not revoked, else the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers(BTreeMap<ProbeId, ProbeId>);

impl Servers {
    /// Joins the probes of one worker that came one after the other, and stood at one place or had one address. Where
    /// one still measured after the next had joined, they are two servers: a key that is replaced measures no more. Of
    /// what joined from `until` on, where the traces end, nothing is known.
    #[must_use]
    pub fn new(roster: &Roster, traces: &BTreeMap<ProbeId, Traces>, until: UnixMillis) -> Self {
        let nothing = Traces::default();
        let known = roster.probes().filter(|probe| probe.joined < until);
        let mut probes: Vec<_> = known
            .map(|entry| Probe {
                entry,
                traces: traces.get(&entry.id).unwrap_or(&nothing),
            })
            .collect();
        probes.sort_by_key(|probe| (probe.entry.joined, probe.entry.id));
        let mut servers: Vec<Vec<Probe<'_>>> = Vec::new();
        for probe in probes {
            let before = servers.iter_mut().filter(|server| probe.follows(server));
            match before.max_by_key(|server| probe.likeness(server)) {
                Some(server) => server.push(probe),
                None => servers.push(vec![probe]),
            }
        }
        let stand_ins = servers.iter().flat_map(|server| {
            let newest = server.iter().map(|probe| probe.entry);
            let newest = newest.max_by_key(|probe| (probe.active, probe.joined, probe.id));
            let members = server.iter().map(|probe| probe.entry.id);
            members.zip(newest.into_iter().map(|newest| newest.id).cycle())
        });
        Self(stand_ins.collect())
    }

    /// The probe that stands for the server of `probe`, perhaps itself.
    #[must_use]
    pub fn of(&self, probe: ProbeId) -> ProbeId {
        self.0.get(&probe).copied().unwrap_or(probe)
    }
}

/// Whether two sites of one worker, each a name and perhaps a position, are one place.
#[must_use]
pub fn is_one_place(here: (&str, Option<Position>), there: (&str, Option<Position>)) -> bool {
    let has_one_name = composed(here.0).to_lowercase() == composed(there.0).to_lowercase();
    let positions = here.1.zip(there.1);
    has_one_name || positions.is_some_and(|(here, there)| here.distance_km(there) < ONE_PLACE_KM)
}

/// All that is known of a probe.
#[derive(Clone, Copy)]
struct Probe<'a> {
    entry: &'a ProbeEntry,
    traces: &'a Traces,
}

impl Probe<'_> {
    /// Whether this may be the newest probe of a server that had those before.
    fn follows(&self, server: &[Probe<'_>]) -> bool {
        let is_over = |last: UnixMillis| last <= self.entry.joined.plus(BLUR);
        let is_one_worker = server
            .iter()
            .all(|before| before.entry.worker == self.entry.worker);
        let are_over = server.iter().all(|before| before.traces.last.is_none_or(is_over));
        is_one_worker && are_over && server.iter().any(|before| self.is_like(before))
    }

    fn is_like(&self, before: &Probe<'_>) -> bool {
        let [here, there] = [self, before].map(|probe| (probe.entry.site.as_str(), probe.entry.position()));
        is_one_place(here, there) || self.has_address_of(before)
    }

    fn has_address_of(&self, before: &Probe<'_>) -> bool {
        let mut shared = self.traces.addresses.intersection(&before.traces.addresses);
        shared.any(|address| is_of_one_machine(*address))
    }

    /// Of several servers that it may be, the one with its address, then the one with its network, then the one that
    /// was there last.
    fn likeness(&self, server: &[Probe<'_>]) -> (bool, bool, UnixMillis) {
        let has_address = server.iter().any(|before| self.has_address_of(before));
        let network = self.entry.network;
        let has_network = network.is_some() && server.iter().any(|before| before.entry.network == network);
        let last = |before: &Probe<'_>| before.traces.last.unwrap_or(before.entry.joined);
        let last = server.iter().map(last).max().unwrap_or_default();
        (has_address, has_network, last)
    }
}

/// Whether an address says which machine it is: behind a private one there may be any.
fn is_of_one_machine(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !(address.is_private() || address.is_loopback() || address.is_link_local()),
        IpAddr::V6(address) => {
            !(address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local())
        }
    }
}

impl ProbeEntry {
    fn position(&self) -> Option<Position> {
        Position::new(self.latitude?, self.longitude?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{DAY0, probe, probe_id};

    const DAY: u64 = 86_400_000;

    /// A probe of `ada` that joined on a day and measured until another.
    fn member(name: &str, joined: u64, last: Option<u64>) -> (ProbeEntry, Traces) {
        let entry = ProbeEntry {
            joined: UnixMillis(DAY0 + joined * DAY),
            ..probe(name, "ada", Some(1))
        };
        let last = last.map(|day| UnixMillis(DAY0 + day * DAY));
        let traces = Traces {
            last,
            ..Traces::default()
        };
        (entry, traces)
    }

    /// How many servers these are, and who stands for the first of them.
    fn servers(members: &[(ProbeEntry, Traces)]) -> (usize, String) {
        let roster = Roster::new(members.iter().map(|(entry, _)| entry.clone()), []);
        let traces = members.iter().map(|(entry, traces)| (entry.id, traces.clone()));
        let servers = Servers::new(&roster, &traces.collect(), UnixMillis(DAY0 + 8 * DAY));
        let ids: BTreeSet<_> = members.iter().map(|(entry, _)| servers.of(entry.id)).collect();
        let first = roster.probe(servers.of(members[0].0.id)).unwrap();
        (ids.len(), first.name.clone())
    }

    #[test]
    fn server_whose_clock_was_ahead_when_it_was_invited_again_is_one() {
        let again = member("again", 3, Some(5));
        for (ahead, count) in [(4 * 60_000, 1), (11 * 60_000, 2)] {
            let (entry, mut traces) = member("first", 0, None);
            traces.last = Some(UnixMillis(DAY0 + 3 * DAY + ahead));
            assert_eq!(servers(&[(entry, traces), again.clone()]).0, count, "{ahead} ms");
        }
    }

    #[test]
    fn server_invited_again_with_other_facts_is_one() {
        let first = member("first", 0, Some(2));
        let (again, traces) = member("again", 3, Some(5));
        let facts = [
            again.clone(),
            ProbeEntry {
                latitude: Some(52.40),
                longitude: Some(13.1),
                ..again.clone()
            },
            ProbeEntry {
                network: None,
                site: "Berlin-Mitte, DE".into(),
                ..again.clone()
            },
            ProbeEntry {
                network: Some(2),
                worker: "Ada".into(),
                ..again
            },
        ];
        for again in facts {
            let found = servers(&[first.clone(), (again.clone(), traces.clone())]);
            assert_eq!(found, (1, "again".to_owned()), "{again:?}");
        }
    }

    #[test]
    fn newest_that_is_not_revoked_stands_for_its_server() {
        let mut members = [
            member("first", 0, Some(1)),
            member("again", 2, Some(3)),
            member("revoked", 4, None),
        ];
        members[2].0.active = false;
        assert_eq!(servers(&members), (1, "again".to_owned()));
    }

    #[test]
    fn servers_that_measured_at_the_same_time_are_two() {
        let both = [member("one", 0, Some(5)), member("two", 1, Some(5))];
        assert_eq!(servers(&both), (2, "one".to_owned()));
        let again = [both.as_slice(), &[member("again", 6, Some(7))]].concat();
        assert_eq!(servers(&again).0, 2, "one of them came back, none is a third");
    }

    #[test]
    fn server_elsewhere_is_another_unless_its_address_is_the_same() {
        let elsewhere = |name: &str, joined, last, address: &str| {
            let (entry, traces) = member(name, joined, last);
            let entry = ProbeEntry {
                site: format!("{name}, US"),
                latitude: Some(30.0 + joined as f64 * 5.0),
                ..entry
            };
            let addresses = BTreeSet::from([address.parse().unwrap()]);
            (entry, Traces { addresses, ..traces })
        };
        let moved = [
            elsewhere("here", 0, Some(1), "91.10.0.2"),
            elsewhere("there", 2, Some(3), "91.10.0.3"),
        ];
        assert_eq!(servers(&moved).0, 2);
        let corrected = [
            elsewhere("here", 0, Some(1), "91.10.0.2"),
            elsewhere("there", 2, Some(3), "91.10.0.2"),
        ];
        assert_eq!(servers(&corrected), (1, "there".to_owned()));
        let nat = [
            elsewhere("here", 0, Some(1), "172.17.0.1"),
            elsewhere("there", 2, Some(3), "::ffff:172.17.0.1"),
        ];
        assert_eq!(servers(&nat).0, 2, "behind one proxy");
    }

    #[test]
    fn probe_that_joined_after_the_traces_end_stands_for_nobody() {
        let later = [member("first", 0, Some(7)), member("later", 8, None)];
        assert_eq!(servers(&later), (2, "first".to_owned()));
    }

    #[test]
    fn another_workers_probe_at_the_same_place_is_another_server() {
        let mut members = [member("first", 0, Some(1)), member("second", 2, Some(3))];
        members[1].0.worker = "ben".into();
        assert_eq!(servers(&members).0, 2);
        let unknown = Servers::default();
        assert_eq!(unknown.of(probe_id("first")), probe_id("first"));
    }
}
