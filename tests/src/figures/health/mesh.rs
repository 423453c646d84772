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
/// Between two status calls, and between two fetched assets, of one vantage: six a minute a node.
const SERVICE_INTERVAL_MS: u64 = 100_000;
/// Until a service's answer is given up.
const SERVICE_TIMEOUT_MS: u64 = 10_000;
/// Seconds after which every seat has had its turns.
const ROUND_S: usize = (SERVICE_INTERVAL_MS / 1_000) as usize;
/// Seconds that a row may be under way.
const LANES: usize = 16;

/// What a run sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sees {
    Answer,
    Refusal,
    Silence,
    /// A connection, and an answer that comes far too late.
    Late,
    /// A connection, and nothing more.
    Hangs,
    /// An answer that a storage source failed.
    Source,
}

/// How a probe hangs together with the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    /// It measures, and its rows wait.
    Cut,
    /// It does not run.
    Off,
}

/// A pair's place on the grid, by one check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) probe: usize,
    pub(super) node: usize,
    pub(super) check: Check,
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
    links: [Link; PROBES],
    /// The seats of each second of a round.
    seats: Vec<Vec<Seat>>,
    arriving: Vec<Vec<Arrival>>,
    /// Rows that wait for their probe's link.
    waiting: Vec<Arrival>,
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
            links: [Link::Up; PROBES],
            seats,
            arriving: (0..LANES).map(|_| Vec::new()).collect(),
            waiting: Vec::new(),
        }
    }

    /// Says how a probe hangs together with the collector from now on. What waited comes when its link is up again.
    pub(super) fn link(&mut self, probe: usize, link: Link) {
        let before = std::mem::replace(&mut self.links[probe], link);
        let now = at(self.second * 1_000);
        match (before, link) {
            (Link::Up, Link::Cut | Link::Off) => self.engine.session(self.probes[probe], false, now),
            (Link::Cut | Link::Off, Link::Up) => {
                self.engine.session(self.probes[probe], true, now);
                let waiting = std::mem::take(&mut self.waiting);
                let (mine, others) = waiting
                    .into_iter()
                    .partition(|row: &Arrival| row.seat.probe == probe);
                self.waiting = others;
                mine.iter().for_each(|row| self.take(row));
            }
            _ => {}
        }
    }

    /// One second: runs begin and see what `sees` says, rows arrive, sessions and echoes of probes whose link is up live,
    /// the engine judges, unless it is `asleep`.
    pub(super) fn step(
        &mut self,
        rng: &mut impl Rng,
        mut sees: impl FnMut(Seat, u64) -> Sees,
        asleep: bool,
    ) -> Vec<Output> {
        for place in 0..self.seats[self.second as usize % ROUND_S].len() {
            let seat = self.seats[self.second as usize % ROUND_S][place];
            if self.links[seat.probe] == Link::Off {
                continue;
            }
            let began_ms = self.second * 1_000 + seat.offset_ms;
            let sees = sees(seat, began_ms);
            let took_ms = seat.took_ms(sees);
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
        let now = at(self.second * 1_000);
        if self.second.is_multiple_of(UDP_EVERY_S) {
            for (i, &probe) in self.probes.iter().enumerate() {
                if self.links[i] == Link::Up {
                    self.engine.heard(probe, Family::V4, now);
                    let peer = self.probes[(i + 1) % PROBES];
                    let (from, to) = (self.engine.vantage(probe), self.engine.vantage(peer));
                    self.engine.echoed(from, to, Family::V4, now);
                }
            }
        }
        if asleep {
            Vec::new()
        } else {
            self.engine.advance(now)
        }
    }

    fn arrive(&mut self) {
        let lane = self.second as usize % LANES;
        let mut arrived = std::mem::take(&mut self.arriving[lane]);
        for arrival in arrived.drain(..) {
            match self.links[arrival.seat.probe] {
                Link::Up => self.take(&arrival),
                Link::Cut | Link::Off => self.waiting.push(arrival),
            }
        }
        self.arriving[lane] = arrived; // keeps its room
    }

    fn take(&mut self, row: &Arrival) {
        let stood = Micros::new(40_000);
        let (word, connect, text) = match row.sees {
            Sees::Answer => (Word::Green, stood, ""),
            Sees::Refusal => (
                red(Phase::Connect, FailureCause::Refused),
                None,
                "connection refused",
            ),
            Sees::Silence => (
                red(Phase::Connect, FailureCause::Timeout),
                None,
                "no answer within 4 s",
            ),
            Sees::Late => (Word::Slow, stood, ""),
            Sees::Hangs => (
                red(Phase::FirstByte, FailureCause::Timeout),
                stood,
                "no first byte",
            ),
            Sees::Source => {
                let cause = FailureCause::BadStatus;
                (Word::Source { cause }, stood, "500 of a storage source")
            }
        };
        let host: IpAddr = Ipv4Addr::new(198, 51, row.seat.node as u8, 1).into();
        let run = Observation {
            began: at(row.began_ms),
            finished: at(row.began_ms + row.took_ms),
            word,
            address: Some(host),
            connect,
            secured: connect.is_some(),
            text,
        };
        self.engine.observe(row.seat.cell, &run);
        self.rows += 1;
    }
}

impl Seat {
    fn took_ms(self, sees: Sees) -> u64 {
        match (sees, self.check) {
            (Sees::Answer | Sees::Source, Check::Connect) => 60,
            (Sees::Answer | Sees::Source, _) => 250,
            (Sees::Refusal, _) => 60,
            (Sees::Late, _) => 6_000,
            (Sees::Silence, Check::Connect) => TIMEOUT_MS,
            (Sees::Silence | Sees::Hangs, _) => SERVICE_TIMEOUT_MS,
        }
    }
}

fn red(phase: Phase, cause: FailureCause) -> Word {
    Word::Red { phase, cause }
}

fn at(ms: u64) -> UnixMillis {
    UnixMillis(START_MS + ms)
}

/// Evenly spaced seats of each node and check, in a random order of vantages, from a random instant.
fn seats(
    engine: &mut Engine,
    probes: &[ProbeId],
    targets: &[TargetId],
    rng: &mut impl Rng,
) -> Vec<Vec<Seat>> {
    let connect = Cadence {
        interval_ms: INTERVAL_MS,
        timeout_ms: TIMEOUT_MS,
    };
    let service = Cadence {
        interval_ms: SERVICE_INTERVAL_MS,
        timeout_ms: SERVICE_TIMEOUT_MS,
    };
    let mut seats = vec![Vec::new(); ROUND_S];
    let checks = [
        (Check::Connect, connect),
        (Check::Status, service),
        (Check::AssetGet, service),
    ];
    for (node, &target) in targets.iter().enumerate() {
        for (check, cadence) in checks {
            let interval_ms = cadence.interval_ms;
            let first_ms = rng.random_range(0..interval_ms);
            let turn = rng.random_range(0..PROBES);
            for (probe, &id) in probes.iter().enumerate() {
                let place = (probe * 7 + turn) % PROBES;
                let at_ms = (first_ms + interval_ms * place as u64 / PROBES as u64) % interval_ms;
                let seat = Seat {
                    probe,
                    node,
                    check,
                    cell: engine.cell(id, target, Kind::new(check, Family::V4), cadence),
                    offset_ms: at_ms % 1_000,
                };
                let every_s = (interval_ms / 1_000) as usize;
                let seconds = seats.iter_mut().skip((at_ms / 1_000) as usize).step_by(every_s);
                seconds.for_each(|second: &mut Vec<Seat>| second.push(seat));
            }
        }
    }
    seats
}
