//! A small mesh in virtual time: probes ask nodes every ten seconds, on evenly spaced seats; a test says what
//! each run sees.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use isochrone_base::fixture;
use isochrone_base::roster::{NodeEntry, ProbeEntry, Roster};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::measurement::{FailureCause, Phase};
use isochrone_proto::units::{Micros, UnixMillis};

use super::super::*;

pub(super) const INTERVAL_MS: u64 = 10_000;
pub(super) const TIMEOUT_MS: u64 = 4_000;
/// Where every mesh begins.
const START_MS: u64 = 1_795_305_600_000;
/// From the end of a run until it is here.
const WAY_MS: u64 = 800;

/// One run: who, whom, what, and when it begins, in seconds since the mesh began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) probe: usize,
    pub(super) node: usize,
    pub(super) check: Check,
    pub(super) family: Family,
    pub(super) second: f64,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Green,
    /// In so many milliseconds.
    GreenIn(u64),
    Slow,
    Refused,
    Silent,
    Red(Phase, FailureCause),
    Source,
    Absent,
    Unsent,
    Forbidden,
    /// The probe is dead: no row at all.
    Gone,
}

/// Probes and nodes around one engine.
pub(super) struct Mesh {
    pub(super) engine: Engine,
    pub(super) roster: Roster,
    pub(super) probes: Vec<ProbeEntry>,
    pub(super) nodes: Vec<NodeEntry>,
    checks: Vec<(Run, CellId)>,
    arriving: BTreeMap<(u64, usize), (usize, Seen, f64)>,
    /// Whole seconds since it began.
    pub(super) second: u64,
    pub(super) told: Vec<(f64, Telling)>,
    pub(super) kept: Vec<Incident>,
    pub(super) unknown: Vec<(f64, f64)>,
    /// Batches arrive, and sessions stand.
    pub(super) has_sessions: bool,
    pub(super) has_echoes: bool,
    /// Probes whose server is dead.
    pub(super) dead: Vec<usize>,
    host: Address,
    /// What the collector's clock was set by.
    set_ms: i64,
}

/// Where a probe or a node of a number stands.
type Address = fn(usize) -> IpAddr;

pub(super) fn at(second: f64) -> UnixMillis {
    UnixMillis(START_MS + (second * 1_000.0).round() as u64)
}

pub(super) fn second(at: UnixMillis) -> f64 {
    (at.0 as f64 - START_MS as f64) / 1_000.0
}

pub(super) fn host(node: usize) -> IpAddr {
    Ipv4Addr::new(198, 51, node as u8, 1).into()
}

pub(super) fn home(probe: usize) -> IpAddr {
    Ipv4Addr::new(203, 0, probe as u8, 1).into()
}

impl Mesh {
    /// `networks[i]` is the network of probe i, whose worker also runs node i.
    pub(super) fn new(networks: &[u32], nodes: usize) -> Self {
        Self::at(networks, nodes, (home, host))
    }

    /// All of it on 127.0.0.1, as the demo.
    pub(super) fn on_one_machine(networks: &[u32], nodes: usize) -> Self {
        let here = |_| IpAddr::from([127, 0, 0, 1]);
        Self::at(networks, nodes, (here, here))
    }

    fn at(networks: &[u32], nodes: usize, (home, host): (Address, Address)) -> Self {
        let probes: Vec<_> = networks
            .iter()
            .enumerate()
            .map(|(number, network)| {
                fixture::probe(&format!("p{number}"), &format!("w{number}"), Some(*network))
            })
            .collect();
        let nodes: Vec<_> = (0..nodes)
            .map(|number| fixture::node(&format!("n{number}"), &format!("w{number}")))
            .collect();
        let roster = Roster::new(probes.clone(), nodes.clone());
        let mut engine = Engine::new(Patience::default(), at(0.0));
        engine.set_roster(&roster);
        for (number, probe) in probes.iter().enumerate() {
            engine.set_address(probe.id, home(number));
            engine.session(probe.id, true, at(0.0));
        }
        Self {
            engine,
            roster,
            probes,
            nodes,
            checks: Vec::new(),
            arriving: BTreeMap::new(),
            second: 0,
            told: Vec::new(),
            kept: Vec::new(),
            unknown: Vec::new(),
            has_sessions: true,
            has_echoes: true,
            dead: Vec::new(),
            host,
            set_ms: 0,
        }
    }

    /// Ten probes, each in a network of its own, and nine nodes, all connected to over IPv4.
    pub(super) fn ten() -> Self {
        Self::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 9).connecting()
    }

    pub(super) fn connecting(self) -> Self {
        self.asking(Check::Connect, Family::V4, INTERVAL_MS)
    }

    /// Every probe asks every node, once in `interval_ms`.
    pub(super) fn asking(mut self, check: Check, family: Family, interval_ms: u64) -> Self {
        for probe in 0..self.probes.len() {
            for node in 0..self.nodes.len() {
                self.ask(probe, node, (check, family), interval_ms);
            }
        }
        self
    }

    pub(super) fn ask(&mut self, probe: usize, node: usize, what: (Check, Family), interval_ms: u64) {
        let cadence = Cadence {
            interval_ms,
            timeout_ms: TIMEOUT_MS,
        };
        let (of_probe, of_node) = (self.probes[probe].id, self.nodes[node].id);
        let cell = self
            .engine
            .cell(of_probe, of_node, Kind::new(what.0, what.1), cadence);
        let seats = self.probes.len() as u64;
        let seat = (interval_ms / seats * probe as u64 + 1_370 * node as u64) % interval_ms;
        let run = Run {
            probe,
            node,
            check: what.0,
            family: what.1,
            second: seat as f64 / 1_000.0,
        };
        self.checks.push((run, cell));
    }

    /// These checks are not run any more.
    pub(super) fn forget_checks(&mut self, is_forgotten: impl Fn(Run) -> bool) {
        self.arrive();
        self.arriving.clear();
        self.checks.retain(|(run, _)| !is_forgotten(*run));
    }

    /// The cells of all that a probe is to run.
    pub(super) fn cells_of(&self, probe: usize) -> Vec<CellId> {
        let checks = self.checks.iter().filter(|(run, _)| run.probe == probe);
        checks.map(|(_, cell)| *cell).collect()
    }

    /// All clocks are set.
    pub(super) fn set_second(&mut self, second: u64) {
        self.arriving.clear();
        self.second = second;
    }

    /// Another engine takes over, with everybody's checks.
    pub(super) fn go_on_with(&mut self, engine: Engine) {
        let cadences: Vec<_> = self
            .checks
            .iter()
            .map(|(_, cell)| self.engine.cells[cell.0].cadence)
            .collect();
        self.engine = engine;
        for number in 0..self.probes.len() {
            self.engine.set_address(self.probe(number), home(number));
            self.engine
                .session(self.probe(number), true, at(self.second as f64));
        }
        for (place, cadence) in cadences.into_iter().enumerate() {
            let (run, _) = self.checks[place];
            let (probe, node) = (self.probe(run.probe), self.target(run.node));
            self.checks[place].1 = self
                .engine
                .cell(probe, node, Kind::new(run.check, run.family), cadence);
        }
    }

    /// The collector's clock is set; the probes' are right.
    pub(super) fn set_clock(&mut self, by_ms: i64) {
        self.set_ms += by_ms;
        self.engine.clock_stepped(by_ms);
    }

    /// What the collector's clock shows at a second since the beginning.
    pub(super) fn wall(&self, second: f64) -> UnixMillis {
        UnixMillis(at(second).0.saturating_add_signed(self.set_ms))
    }

    /// What the collector's clock shows now, by a clock that was never set: [`at`] and [`second`] read it.
    fn unset(&self, wall: UnixMillis) -> UnixMillis {
        UnixMillis(wall.0.saturating_add_signed(-self.set_ms))
    }

    pub(super) fn probe(&self, number: usize) -> ProbeId {
        self.probes[number].id
    }

    pub(super) fn target(&self, number: usize) -> TargetId {
        self.nodes[number].id
    }

    /// The roster changed.
    pub(super) fn reroster(&mut self) {
        self.roster = Roster::new(self.probes.clone(), self.nodes.clone());
        self.engine.set_roster(&self.roster);
    }

    /// Goes on until `until`, each run seeing what `sees` says.
    pub(super) fn run(&mut self, until: u64, sees: impl Fn(Run) -> Seen) {
        while self.second < until {
            self.begin_runs(&sees);
            self.second += 1;
            self.arrive();
            self.tick();
        }
    }

    /// Lets time pass in which the collector does nothing at all, and rows pile up.
    pub(super) fn stall(&mut self, until: u64, sees: impl Fn(Run) -> Seen) {
        while self.second < until {
            self.begin_runs(&sees);
            self.second += 1;
        }
        self.arrive();
        self.tick();
    }

    fn begin_runs(&mut self, sees: &impl Fn(Run) -> Seen) {
        let from = self.second as f64;
        for (index, (run, cell)) in self.checks.iter().enumerate() {
            if self.dead.contains(&run.probe) {
                continue;
            }
            let interval = self.interval_of(*cell);
            let mut begins = run.second + ((from - run.second) / interval).ceil().max(0.0) * interval;
            while begins < from + 1.0 {
                if begins >= from {
                    let seen = sees(Run {
                        second: begins,
                        ..*run
                    });
                    let took = match seen {
                        Seen::Silent => TIMEOUT_MS,
                        Seen::Slow => 3_000,
                        Seen::Red(_, FailureCause::Timeout) => TIMEOUT_MS,
                        _ => 60,
                    };
                    let arrives = (begins * 1_000.0) as u64 + took + WAY_MS;
                    if seen != Seen::Gone {
                        self.arriving
                            .insert((arrives, index), (took as usize, seen, begins));
                    }
                }
                begins += interval;
            }
        }
    }

    fn interval_of(&self, cell: CellId) -> f64 {
        self.engine.cells[cell.0].cadence.interval_ms as f64 / 1_000.0
    }

    fn arrive(&mut self) {
        let now = self.second * 1_000;
        let later = self.arriving.split_off(&(now + 1, 0));
        for ((_, index), (took, seen, begins)) in std::mem::replace(&mut self.arriving, later) {
            let (run, cell) = self.checks[index];
            let text = format!("{seen:?}");
            self.observe(cell, (run.node, run.family), (seen, begins, took as u64), &text);
        }
        for number in 0..self.probes.len() {
            if self.dead.contains(&number) {
                continue;
            }
            let (probe, now) = (self.probe(number), self.wall(self.second as f64));
            if self.has_sessions {
                self.engine.heard(probe, Family::V4, now);
            }
            if self.has_echoes {
                let peer = self.probe((number + 1) % self.probes.len());
                let (from, to) = (self.engine.vantage(probe), self.engine.vantage(peer));
                self.engine.echoed(from, to, Family::V4, now);
            }
        }
    }

    pub(super) fn observe(
        &mut self,
        cell: CellId,
        (node, family): (usize, Family),
        (seen, begins, took): (Seen, f64, u64),
        text: &str,
    ) -> bool {
        let red = |phase, cause| Word::Red { phase, cause };
        let word = match seen {
            Seen::Green | Seen::GreenIn(_) => Word::Green,
            Seen::Slow => Word::Slow,
            Seen::Refused => red(Phase::Connect, FailureCause::Refused),
            Seen::Silent => red(Phase::Connect, FailureCause::Timeout),
            Seen::Red(phase, cause) => red(phase, cause),
            Seen::Source => Word::Source {
                cause: FailureCause::BadStatus,
            },
            Seen::Absent => Word::Absent,
            Seen::Forbidden => Word::Forbidden,
            Seen::Unsent | Seen::Gone => Word::Nothing,
        };
        let connect_ms = if let Seen::GreenIn(ms) = seen { ms } else { 40 };
        let is_resolved = !matches!(seen, Seen::Red(Phase::Resolve, _));
        let v6 = || IpAddr::from([0x2001, 0xdb8, 0x100 + node as u16, 0, 0, 0, 0, 1]);
        let address = if family == Family::V4 {
            (self.host)(node)
        } else {
            v6()
        };
        self.engine.observe(
            cell,
            &Observation {
                began: self.wall(begins),
                finished: UnixMillis(self.wall(begins).0 + took),
                word,
                address: is_resolved.then_some(address),
                connect: matches!(word, Word::Green)
                    .then(|| Micros::new(connect_ms * 1_000))
                    .flatten(),
                secured: !matches!(word, Word::Red { .. }),
                text,
            },
        )
    }

    fn tick(&mut self) {
        let now = self.second as f64;
        for output in self.engine.advance(self.wall(now)) {
            let unset = |at| self.unset(at);
            match output {
                Output::Kept(mut incident) => {
                    incident.reckon(&unset);
                    self.keep(incident);
                }
                Output::Told(mut telling) => {
                    telling.at = unset(telling.at);
                    telling
                        .incidents
                        .iter_mut()
                        .for_each(|incident| incident.reckon(&unset));
                    self.told.push((now, telling));
                }
                Output::Unknown { from, until, .. } => {
                    self.unknown.push((second(unset(from)), second(unset(until))));
                }
            }
        }
    }

    fn keep(&mut self, incident: Incident) {
        match self.kept.iter_mut().find(|kept| kept.id == incident.id) {
            Some(kept) => *kept = incident,
            None => self.kept.push(incident),
        }
    }

    /// The messages, as what and about whom.
    pub(super) fn messages(&self) -> Vec<(f64, What, Vec<&str>)> {
        self.told
            .iter()
            .map(|(at, telling)| {
                let names = telling.incidents.iter().map(|incident| incident.target.as_str());
                (*at, telling.what, names.collect())
            })
            .collect()
    }

    pub(super) fn checks_of(&self, probe: usize, node: usize) -> (Run, CellId) {
        let mut checks = self.checks.iter();
        *checks
            .find(|(run, _)| (run.probe, run.node) == (probe, node))
            .unwrap()
    }

    pub(super) fn state(&self, node: usize) -> State {
        self.engine.standing(self.target(node)).unwrap().connect.state
    }

    /// What a probe says of a node now.
    pub(super) fn verdict(&self, probe: usize, node: usize) -> Verdict {
        let standing = self.engine.standing(self.target(node)).unwrap();
        let mut said = standing.vantages.iter();
        said.find(|said| said.probe == self.probe(probe)).unwrap().verdict
    }
}
