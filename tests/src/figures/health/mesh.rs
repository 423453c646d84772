//! Ten probes and nine nodes around one engine, in seconds of virtual time.

use std::net::{IpAddr, Ipv4Addr};

use isochrone_base::fixture;
use isochrone_base::roster::Roster;
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::measurement::{FailureCause, Phase};
use isochrone_proto::units::{Micros, UnixMillis};
use isochrone_watch::judge::{Cadence, CellId, Engine, Observation, Output, Patience, Word};
use rand::Rng;

pub(super) const PROBES: usize = 10;
pub(super) const NODES: usize = 9;
const INTERVAL_MS: u64 = 10_000;
const TIMEOUT_MS: u64 = 4_000;
const START_MS: u64 = 1_795_305_600_000;
/// Batches and echoes come every second or so; so often is enough to know it.
const UDP_EVERY_S: u64 = 5;
/// Seconds that a row may be under way.
const LANES: usize = 8;

/// What a run sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sees {
    Answer,
    Refusal,
    Silence,
}

/// A pair's place on the grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) probe: usize,
    pub(super) node: usize,
    cell: CellId,
    /// Within its second, in milliseconds.
    offset_ms: u64,
}

struct Arrival {
    seat: Seat,
    began_ms: u64,
    took_ms: u64,
    sees: Sees,
}

/// The mesh.
pub(super) struct Mesh {
    pub(super) engine: Engine,
    pub(super) second: u64,
    pub(super) rows: u64,
    probes: Vec<ProbeId>,
    /// The seats of each second of the interval.
    seats: Vec<Vec<Seat>>,
    arriving: Vec<Vec<Arrival>>,
}

impl Mesh {
    /// Probe i sits in `networks[i]`, and its worker runs node i too.
    pub(super) fn new(networks: [u32; PROBES], rng: &mut impl Rng) -> Self {
        let probes: Vec<_> = (0..PROBES)
            .map(|i| fixture::probe(&format!("probe-{i}"), &format!("worker-{i}"), Some(networks[i])))
            .collect();
        let nodes: Vec<_> = (0..NODES)
            .map(|i| fixture::node(&format!("node-{i}"), &format!("worker-{i}")))
            .collect();
        let ids: Vec<_> = probes.iter().map(|probe| probe.id).collect();
        let targets: Vec<TargetId> = nodes.iter().map(|node| node.id).collect();
        let mut engine = Engine::new(Patience::default(), at(0));
        engine.set_roster(&Roster::new(probes, nodes));
        for (i, &probe) in ids.iter().enumerate() {
            engine.set_address(probe, Ipv4Addr::new(203, 0, i as u8, 1).into());
            engine.session(probe, true, at(0));
        }
        let seats = seats(&mut engine, &ids, &targets, rng);
        Self {
            engine,
            second: 0,
            rows: 0,
            probes: ids,
            seats,
            arriving: (0..LANES).map(|_| Vec::new()).collect(),
        }
    }

    /// One second: runs begin and see what `sees` says, rows arrive, sessions and echoes of `alive` probes live,
    /// the engine judges.
    pub(super) fn step(
        &mut self,
        rng: &mut impl Rng,
        mut sees: impl FnMut(Seat, u64) -> Sees,
        alive: impl Fn(usize) -> bool,
    ) -> Vec<Output> {
        let of_interval = (self.second % (INTERVAL_MS / 1_000)) as usize;
        for &seat in &self.seats[of_interval] {
            let began_ms = self.second * 1_000 + seat.offset_ms;
            let sees = sees(seat, began_ms);
            let took_ms = if sees == Sees::Silence { TIMEOUT_MS } else { 60 };
            let way_ms = rng.random_range(200..1_200); // until its batch closes, and the commit
            let arrives = (began_ms + took_ms + way_ms) / 1_000 + 1;
            self.arriving[arrives as usize % LANES].push(Arrival {
                seat,
                began_ms,
                took_ms,
                sees,
            });
        }
        self.second += 1;
        self.arrive();
        for (i, &probe) in self.probes.iter().enumerate() {
            if self.second.is_multiple_of(UDP_EVERY_S) && alive(i) {
                self.engine.heard(probe, Family::V4, at(self.second * 1_000));
                let peer = self.probes[(i + 1) % PROBES];
                self.engine
                    .echoed(probe, peer, Family::V4, at(self.second * 1_000));
            }
        }
        self.engine.advance(at(self.second * 1_000))
    }

    fn arrive(&mut self) {
        let lane = self.second as usize % LANES;
        let mut arrived = std::mem::take(&mut self.arriving[lane]);
        for arrival in arrived.drain(..) {
            let (word, connect, text) = match arrival.sees {
                Sees::Answer => (Word::Green, Micros::new(40_000), ""),
                Sees::Refusal => (red(FailureCause::Refused), None, "connection refused"),
                Sees::Silence => (red(FailureCause::Timeout), None, "no answer within 4 s"),
            };
            let host: IpAddr = Ipv4Addr::new(198, 51, arrival.seat.node as u8, 1).into();
            let run = Observation {
                began: at(arrival.began_ms),
                finished: at(arrival.began_ms + arrival.took_ms),
                word,
                address: Some(host),
                connect,
                secured: word == Word::Green,
                text,
            };
            self.engine.observe(arrival.seat.cell, &run);
            self.rows += 1;
        }
        self.arriving[lane] = arrived; // keeps its room
    }
}

fn red(cause: FailureCause) -> Word {
    Word::Red {
        phase: Phase::Connect,
        cause,
    }
}

fn at(ms: u64) -> UnixMillis {
    UnixMillis(START_MS + ms)
}

/// Evenly spaced seats of each node, in a random order of vantages, from a random instant.
fn seats(
    engine: &mut Engine,
    probes: &[ProbeId],
    targets: &[TargetId],
    rng: &mut impl Rng,
) -> Vec<Vec<Seat>> {
    let cadence = Cadence {
        interval_ms: INTERVAL_MS,
        timeout_ms: TIMEOUT_MS,
    };
    let mut seats = vec![Vec::new(); (INTERVAL_MS / 1_000) as usize];
    for (node, &target) in targets.iter().enumerate() {
        let first_ms = rng.random_range(0..INTERVAL_MS);
        let turn = rng.random_range(0..PROBES);
        for (probe, &id) in probes.iter().enumerate() {
            let place = (probe * 7 + turn) % PROBES;
            let at_ms = (first_ms + INTERVAL_MS * place as u64 / PROBES as u64) % INTERVAL_MS;
            let kind = Kind::new(Check::Connect, Family::V4);
            seats[(at_ms / 1_000) as usize].push(Seat {
                probe,
                node,
                cell: engine.cell(id, target, kind, cadence),
                offset_ms: at_ms % 1_000,
            });
        }
    }
    seats
}
