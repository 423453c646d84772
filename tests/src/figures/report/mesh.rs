//! Ten probes and nine nodes, connect every ten seconds: losses here and there, a path that fails, and a few outages.

use anyhow::Result;
use bytes::Bytes;
use isochrone_base::roster::{AccessClass, NodeEntry, ProbeEntry, Roster};
use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::codec;
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::ledger::{Adoption, HourCount};
use isochrone_proto::measurement::{
    ConnectOutcome, ConnectPhases, ConnectResult, FailureCause, Measurement, Outcome, Phase,
};
use isochrone_proto::plan::{Plan, PlannedCheck, ResponderPlan, Target, TargetAddress};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::{Hour, UnixMillis};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::figures::store::{Coming, endpoints};
use crate::figures::wire::micros;

/// What is measured of each node, and how often; a batch holds so much.
pub(super) struct Checks {
    each: &'static [(Check, u32)],
    batch_ms: u64,
}

/// As in the figures, …
pub(super) const CONNECT: Checks = Checks {
    each: &[(Check::Connect, 10_000)],
    batch_ms: 20_000,
};
/// … and where all that is measured of nodes is to be there.
pub(super) const ALL: Checks = Checks {
    each: &[
        (Check::Connect, 100_000),
        (Check::Status, 400_000),
        (Check::AssetHead, 400_000),
        (Check::AssetGet, 400_000),
    ],
    batch_ms: 300_000,
};
const TIMEOUT_MS: u32 = 4_000;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
/// Of a hundred thousand runs so many are lost for no reason.
const LOST: u32 = 300;
/// Each of a node that nobody reaches: which, from which minute on, and for how many.
const DOWN: [(usize, u64, u64); 4] = [
    (1, 2 * 1_440 + 611, 17),
    (4, 6 * 1_440 + 58, 96),
    (4, 11 * 1_440 + 1_203, 4),
    (7, 13 * 1_440 + 340, 250),
];
/// So many outages that is.
pub(super) const OUTAGES: usize = DOWN.len();
/// One probe cannot reach one node, over a day.
const BROKEN_PATH: (usize, usize, u64, u64) = (3, 2, 9 * 1_440, 1_440);

/// Name, place, country.
type Place = (&'static str, f64, f64, &'static str);

const PROBES: [Place; 10] = [
    ("berlin", 52.52, 13.4, "DE"),
    ("paris", 48.86, 2.35, "FR"),
    ("london", 51.5, -0.12, "GB"),
    ("warsaw", 52.23, 21.01, "PL"),
    ("new-york", 40.71, -74.0, "US"),
    ("dallas", 32.78, -96.8, "US"),
    ("sao-paulo", -23.55, -46.63, "BR"),
    ("tokyo", 35.68, 139.69, "JP"),
    ("singapore", 1.29, 103.85, "SG"),
    ("sydney", -33.87, 151.2, "AU"),
];
const NODES: [Place; 9] = [
    ("falkenstein", 50.47, 12.37, "DE"),
    ("helsinki", 60.17, 24.94, "FI"),
    ("amsterdam", 52.37, 4.9, "NL"),
    ("madrid", 40.42, -3.7, "ES"),
    ("ashburn", 39.04, -77.49, "US"),
    ("hillsboro", 45.52, -122.99, "US"),
    ("osaka", 34.69, 135.5, "JP"),
    ("mumbai", 19.08, 72.88, "IN"),
    ("johannesburg", -26.2, 28.05, "ZA"),
];

/// All probes and nodes.
pub(super) const WHOLE: (usize, usize) = (PROBES.len(), NODES.len());

/// The mesh, from an instant on.
pub(super) struct Mesh {
    start: UnixMillis,
    nodes: &'static [Place],
    batch_ms: u64,
    probes: Vec<Probe>,
}

struct Probe {
    plan: Plan,
    epoch: EpochId,
    sequence: u64,
    previous: Digest,
    hour: (Hour, u64),
    random: StdRng,
}

impl Mesh {
    /// Of the first so many probes and nodes, and such checks.
    pub(super) fn new(start: UnixMillis, (probes, nodes): (usize, usize), checks: &Checks) -> Result<Self> {
        let probes = (0..probes).map(|place| Probe::new(place, start, (&NODES[..nodes], checks)));
        Ok(Self {
            start,
            nodes: &NODES[..nodes],
            batch_ms: checks.batch_ms,
            probes: probes.collect::<Result<_>>()?,
        })
    }

    pub(super) fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.probes.iter().map(|probe| &probe.plan)
    }

    pub(super) fn roster(&self) -> Roster {
        let probes = PROBES.iter().take(self.probes.len());
        let probes = probes.enumerate().map(|(place, of)| ProbeEntry {
            id: probe_id(place),
            name: of.0.to_owned(),
            worker: format!("worker-{place}"),
            site: of.0.to_owned(),
            latitude: Some(of.1),
            longitude: Some(of.2),
            country: Some(of.3.to_owned()),
            network: Some(64_500 + place as u32),
            access: AccessClass::DataCentre,
            active: true,
            joined: self.start,
        });
        let nodes = self.nodes.iter().enumerate().map(|(place, of)| NodeEntry {
            id: TargetId::of_node(of.0),
            name: of.0.to_owned(),
            url: url(of.0),
            worker: Some(format!("host-{place}")),
            place: of.0.to_owned(),
            latitude: Some(of.1),
            longitude: Some(of.2),
            country: Some(of.3.to_owned()),
            network: None,
            paused: false,
            removed: false,
            interval: None,
        });
        Roster::new(probes.collect::<Vec<_>>(), nodes.collect::<Vec<_>>())
    }

    /// The batches of a stretch, in the order in which they come.
    pub(super) fn coming(&mut self, from: UnixMillis, until: UnixMillis) -> Result<Vec<Coming>> {
        let mut coming = Vec::new();
        let mut at = from;
        while at < until {
            let cut = UnixMillis(at.0 + self.batch_ms);
            for (place, probe) in self.probes.iter_mut().enumerate() {
                let payload = probe.batch(place, (at, cut), self.start)?;
                coming.push((probe.plan.probe, payload, UnixMillis(cut.0 + 500)));
            }
            at = cut;
        }
        Ok(coming)
    }
}

impl Probe {
    fn new(place: usize, start: UnixMillis, (nodes, checks): (&[Place], &Checks)) -> Result<Self> {
        let probe = probe_id(place);
        let mut plan = Plan {
            version: PlanVersion {
                promotion: 0,
                number: 1,
            },
            probe,
            probe_name: PROBES[place].0.to_owned(),
            issued: start,
            expires: UnixMillis(start.0 + 30 * DAY_MS),
            targets: Vec::new(),
            checks: Vec::new(),
            responder: ResponderPlan::default(),
        };
        let has_asset = checks.each.iter().any(|(check, _)| check.is_asset());
        for (number, node) in nodes.iter().enumerate() {
            let id = TargetId::of_node(node.0);
            plan.targets.push(Target {
                id,
                name: node.0.to_owned(),
                address: TargetAddress::Endpoint {
                    url: url(node.0),
                    asset: has_asset.then(|| "1343".to_owned()),
                },
            });
            for &(check, interval_ms) in checks.each {
                let kind = Kind::new(check, Family::V4);
                plan.checks.push(PlannedCheck {
                    kind,
                    target: number as u16,
                    schedule: Schedule::spread(probe, id, kind, interval_ms, TIMEOUT_MS)?,
                });
            }
        }
        let mut random = StdRng::seed_from_u64(place as u64);
        Ok(Self {
            plan,
            epoch: EpochId(random.random()),
            sequence: 0,
            previous: Digest::ZERO,
            hour: (start.hour(), 0),
            random,
        })
    }

    fn batch(
        &mut self,
        place: usize,
        (from, cut): (UnixMillis, UnixMillis),
        start: UnixMillis,
    ) -> Result<Bytes> {
        let mut rows = Vec::new();
        for (number, check) in self.plan.checks.clone().into_iter().enumerate() {
            let node = usize::from(check.target);
            let base = base_us(&PROBES[place], &NODES[node]);
            let mut slot = check.schedule.first_from(from);
            while slot < cut {
                rows.push(Measurement {
                    check: number as u16,
                    slot,
                    lateness: micros(self.random.random_range(0.0..1_000.0)),
                    outcome: match check.kind.check {
                        Check::Connect => {
                            Outcome::Connect(Box::new(self.outcome(place, node, (slot, start))))
                        }
                        other => endpoints::outcome(&mut self.random, other, (node, base)),
                    },
                });
                slot = UnixMillis(slot.0 + u64::from(check.schedule.interval_ms()));
            }
        }
        rows.sort_by_key(|row| (row.slot, row.check));
        if self.hour.0 != from.hour() {
            self.hour = (from.hour(), 0);
        }
        self.hour.1 += rows.len() as u64;
        self.sequence += 1;
        let header = BatchHeader {
            epoch: self.epoch,
            sequence: Sequence(self.sequence),
            previous: self.previous,
            adopted: Adoption {
                version: self.plan.version,
                first_slot: start,
            },
            plan: self.plan.version,
            cut,
            hours: vec![HourCount {
                hour: self.hour.0,
                planned: self.hour.1,
                run: self.hour.1,
                skipped: 0,
                pending: 0,
            }],
            skipped: Vec::new(),
            events: Vec::new(),
            source_ports: Vec::new(),
        };
        let payload = codec::encode_batch(&Batch::pack(header, &rows)?);
        self.previous = Digest::of(&payload);
        Ok(payload.into())
    }

    fn outcome(
        &mut self,
        place: usize,
        node: usize,
        (slot, start): (UnixMillis, UnixMillis),
    ) -> ConnectOutcome {
        let minute = slot.0.saturating_sub(start.0) / MINUTE_MS;
        let holds = |from: u64, long: u64| (from..from + long).contains(&minute);
        let is_down = DOWN
            .iter()
            .any(|(of, from, long)| *of == node && holds(*from, *long));
        let (of, to, from, long) = BROKEN_PATH;
        let is_broken = (of, to) == (place, node) && holds(from, long);
        let is_lost = self.random.random_range(0..100_000) < LOST;
        let result = if is_down || is_broken || is_lost {
            ConnectResult::Failed {
                phase: Phase::Connect,
                cause: FailureCause::Timeout,
                text: "no answer within 4 s".to_owned(),
            }
        } else {
            let us = base_us(&PROBES[place], &NODES[node]);
            let mut near = |us: f64| micros(us * self.random.random_range(1.0..1.1));
            ConnectResult::Connected(ConnectPhases {
                resolve: near(400.0),
                connect: near(us),
                tls: near(2.1 * us),
                ..ConnectPhases::default()
            })
        };
        ConnectOutcome {
            address: format!("198.51.{node}.1").parse().ok(),
            certificate_expires: Some(1_800_000_000),
            result,
        }
    }
}

fn probe_id(place: usize) -> ProbeId {
    ProbeId(place as u64 + 1)
}

fn url(name: &str) -> String {
    format!("https://{name}.example.org/distributor/")
}

/// About as far as light in fibre goes, and a millisecond.
fn base_us(one: &Place, other: &Place) -> f64 {
    let (lat1, lat2) = (one.1.to_radians(), other.1.to_radians());
    let (north, east) = ((lat2 - lat1) / 2.0, (other.2 - one.2).to_radians() / 2.0);
    let chord = north.sin().powi(2) + lat1.cos() * lat2.cos() * east.sin().powi(2);
    let km = 2.0 * 6_371.0 * chord.sqrt().asin();
    1_000.0 + km * 15.0
}
