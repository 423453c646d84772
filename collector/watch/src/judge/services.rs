//! A node's services, status and asset: what goes onto their grids, and how a node stands by all of it.

use isochrone_base::roster::count_networks;
use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{FailureCause, Phase};
use isochrone_proto::units::UnixMillis;

use super::cell::{Cell, Colour, Failure};
use super::evidence::caveat;
use super::grid::{Answer, Failing, Grade, Possible};
use super::observation::{Observation, Reached, SERVICES, Service, Word, service_of};
use super::outage::{Opening, deciding_family};
use super::sight::{Began, Over, Sight};
use super::state::{Standing, State};
use super::vantage::of;
use super::{Engine, Output};
use crate::incident::{Cause, EvidenceCell, IncidentCheck};

impl Engine {
    /// Puts a run onto its service's grid, if it says something and its vantage reaches the node.
    pub(super) fn take_service(&mut self, place: usize, reached: Reached, run: &Observation<'_>) {
        let cell = &self.cells[place];
        let (Some(service), Reached::Stood) = (service_of(cell.kind.check), reached) else {
            return;
        };
        let (grade, fault) = match (run.word, service) {
            (Word::Green, _) => (Grade::Good, None),
            (Word::Slow, _) => (Grade::Slow, None),
            (Word::Source { cause }, _) => (Grade::Source, Some((Phase::Verify, cause))),
            (Word::Red { phase, cause }, Service::Status) if cause == FailureCause::Timeout => {
                (Grade::Slow, Some((phase, cause)))
            }
            (Word::Red { phase, cause }, _) => (Grade::Failed, Some((phase, cause))),
            (Word::Absent | Word::Forbidden | Word::Nothing, _) => return,
        };
        let (node, vantage) = (cell.target, cell.vantage);
        let is_sick = self.vantages[vantage].lines[of(cell.kind.family)].is_sick(self.now);
        if !self.may_judge(node, cell) || is_sick || (grade != Grade::Good && !self.reaches(place)) {
            return;
        }
        let answer = Answer {
            cell: place,
            vantage,
            network: self.vantages[vantage].network(),
            began: run.began,
            fresh_until: UnixMillis(run.began.0 + cell.cadence.answer_ms()),
            grade,
            fault,
            text: run.text.into(),
        };
        let node = &mut self.nodes[node];
        node.is_dirty |= grade != Grade::Good;
        node.grids[service as usize].add(answer);
    }

    /// Whether the vantage of a cell reaches its node now, by its own connect check. Where it has none, the connection that
    /// the run itself made is as good.
    pub(super) fn reaches(&self, place: usize) -> bool {
        let connects = self.connects(place);
        connects.is_none_or(|way| way.fresh(&way.way, self.now) == Some(Colour::Green))
    }

    /// Whether the vantage of a cell reached its node by a connect check after an instant. A node that dies breaks its
    /// answers off first.
    fn reached_since(&self, place: usize, at: UnixMillis) -> bool {
        let way = self.connects(place);
        way.is_none_or(|way| way.way.colour == Some(Colour::Green) && way.way.began >= at)
    }

    /// The connect check of a cell's vantage, where it has one.
    fn connects(&self, place: usize) -> Option<&Cell> {
        let cell = &self.cells[place];
        let ways = self.nodes[cell.target].ways[of(cell.kind.family)].iter();
        let mut connects = ways
            .map(|&way| &self.cells[way])
            .filter(|way| way.kind.check == Check::Connect);
        connects.find(|way| way.vantage == cell.vantage)
    }

    /// Who could answer for a service.
    fn possible(&self, node: usize, service: Service) -> Possible {
        let cells = self.nodes[node].asks[service as usize]
            .iter()
            .map(|&place| &self.cells[place]);
        let able = cells.filter(|cell| {
            let line = &self.vantages[cell.vantage].lines[of(cell.kind.family)];
            self.may_judge(node, cell) && cell.is_measured(self.now) && !line.is_sick(self.now)
        });
        let mut able: Vec<usize> = able.map(|cell| cell.vantage).collect();
        able.sort_unstable();
        able.dedup();
        Possible {
            vantages: able.len(),
            networks: count_networks(able.iter().map(|&vantage| self.vantages[vantage].network())),
        }
    }

    pub(super) fn judge_services(&mut self, node: usize) {
        for service in SERVICES {
            let check = self.nodes[node].check_of(service);
            let is_open = self.is_open(node, check);
            if is_open && self.is_left(node, service) {
                self.give_up(node, check);
            }
            if !self.nodes[node].grids[service as usize].is_asked {
                continue;
            }
            let possible = self.possible(node, service);
            let grid = &self.nodes[node].grids[service as usize];
            if is_open {
                let reds = grid.evidence(self.now);
                let last = reds.iter().map(|answer| answer.began).max();
                let outage = self.nodes[node].outage.as_mut();
                if let (Some(last), Some(spell)) = (last, outage.and_then(|outage| outage.spells.last_mut()))
                {
                    spell.last_red = last.max(spell.last_red);
                }
                let grid = &self.nodes[node].grids[service as usize];
                if let Some(end) = grid.recovered(possible, self.now) {
                    let over = Over {
                        end,
                        first_green: end,
                    };
                    self.close(node, check, over);
                }
                continue;
            }
            let failing = grid
                .failing(possible, self.now, |answer| {
                    self.reached_since(answer.cell, answer.began)
                })
                .filter(|failing| failing.is_outage);
            let may_open =
                self.nodes[node].is_watched(self.now) && !self.is_open(node, IncidentCheck::Connect);
            if let Some(failing) = failing.filter(|_| may_open) {
                self.open_service(node, (service, check), &failing, possible);
            }
        }
    }

    /// Whether no plan asks for a service any more: somebody asked in this process and nobody does now, or every probe named
    /// a plan of now that does not.
    fn is_left(&self, node: usize, service: Service) -> bool {
        let grid = &self.nodes[node].grids[service as usize];
        let mut active = self
            .vantages
            .iter()
            .filter(|vantage| vantage.is_active())
            .peekable();
        grid.is_dropped
            || (!grid.is_asked && active.peek().is_some() && active.all(|vantage| vantage.is_plan_known))
    }

    fn open_service(
        &mut self,
        node: usize,
        (service, check): (Service, IncidentCheck),
        failing: &Failing,
        possible: Possible,
    ) {
        let evidence = self.service_evidence(node, service);
        let network = evidence.first().and_then(|cell| cell.network);
        let opening = Opening {
            check,
            began: Began {
                first_red: failing.since,
                last_green: failing.last_good,
                last_red: failing.last,
            },
            cause: if failing.is_source {
                Cause::Source
            } else {
                Cause::Node
            },
            caveat: (possible.networks < 2).then(|| caveat(network)),
            evidence,
        };
        self.open_check(node, opening);
    }

    fn service_evidence(&self, node: usize, service: Service) -> Vec<EvidenceCell> {
        let row = self.nodes[node].grids[service as usize].evidence(self.now);
        let mut cells: Vec<EvidenceCell> = Vec::new();
        for answer in &row {
            let cell = &self.cells[answer.cell];
            let (phase, cause) = answer.fault.unwrap_or((Phase::FirstByte, FailureCause::Timeout));
            let failure = Failure {
                phase,
                cause,
                text: answer.text.clone(),
                began: answer.began,
            };
            let of_cell = row.iter().filter(|other| other.cell == answer.cell);
            let (first, count) = of_cell.fold((answer.began, 0), |(first, count), other| {
                (other.began.min(first), count + 1)
            });
            let is_new = cells.iter().all(|known| {
                let probe = self.vantages[cell.vantage].probe;
                (known.probe, known.kind) != (probe, cell.kind)
            });
            cells.extend(
                is_new
                    .then(|| self.evidence_cell(cell, &failure, (first, count)))
                    .flatten(),
            );
        }
        cells
    }

    /// Whether a service fails already, though not long enough to be told by itself.
    pub(super) fn is_failing_soon(&self, node: usize, service: Service) -> bool {
        self.nodes[node].grids[service as usize].evidence(self.now).len() >= 2
    }

    /// Works out the words for a node. True if it stands so well that nothing needs to be looked at soon.
    pub(super) fn stand(&mut self, place: usize, sights: &[Sight; 2]) -> bool {
        let now = self.now;
        let connect = self.connect_standing(place, sights);
        let services = SERVICES.map(|service| self.service_standing(place, service, connect));
        self.judge_unknown(place, sights);
        let node = &mut self.nodes[place];
        node.connect = connect.after(Some(&node.connect), now);
        for (known, new) in node.services.iter_mut().zip(services) {
            *known = new.map(|new| new.after(known.as_ref(), now));
        }
        let is_up = |standing: &Standing| standing.state == State::Up;
        let is_quiet =
            node.outage.is_none() && node.blindness.is_none() && node.memory.suspect_since.is_none();
        is_quiet && is_up(&node.connect) && node.services.iter().flatten().all(is_up)
    }

    /// How its way stands.
    pub(super) fn connect_standing(&self, place: usize, sights: &[Sight; 2]) -> Standing {
        let node = &self.nodes[place];
        let deciding = node.memory.down_over.unwrap_or_else(|| deciding_family(sights));
        let (sight, other) = (&sights[of(deciding)], &sights[1 - of(deciding)]);
        let is_measured = sight.is_measured || other.is_measured;
        let is_down = self.is_open(place, IncidentCheck::Connect);
        let is_out = is_down || self.is_open(place, IncidentCheck::Name);
        let state = if node.is_maintained(self.now) {
            State::Maintenance
        } else if is_out && self.is_blinded() {
            State::Down // nobody says otherwise while the collector's own line is the suspect
        } else if !is_measured {
            State::NoData
        } else if is_out {
            State::Down // also where the proofs ran out meanwhile: losing judges ends nothing
        } else if sight.count.judges() == 0 {
            State::NobodyMayJudge
        } else if node.memory.is_partial(self.now) {
            State::Partial
        } else if sight.has_failing()
            || sight.suspect_since().is_some()
            || sight.is_all_red()
            || other.is_down()
        {
            State::Degraded
        } else {
            State::Up
        };
        Standing {
            state,
            since: None,
            judges_ok: (sight.count.judges() - sight.count.reds()) as u32,
            judges: sight.count.judges() as u32,
            networks: sight.count.networks() as u32,
        }
    }

    fn service_standing(&self, place: usize, service: Service, connect: Standing) -> Option<Standing> {
        let node = &self.nodes[place];
        let grid = &node.grids[service as usize];
        if !grid.is_asked {
            return None;
        }
        if matches!(connect.state, State::Down | State::Maintenance) {
            return Some(Standing {
                since: None,
                ..connect
            });
        }
        let fresh = grid.fresh(self.now);
        let good = fresh.iter().filter(|answer| answer.grade == Grade::Good).count();
        let state = if grid.newest(self.now).is_none() {
            State::NoData
        } else if self.is_open(place, node.check_of(service)) {
            State::Down
        } else if good == 0 || self.is_failing_soon(place, service) {
            State::Degraded
        } else {
            State::Up
        };
        Some(Standing {
            state,
            since: None,
            judges_ok: good as u32,
            judges: fresh.len() as u32,
            networks: count_networks(fresh.iter().map(|answer| answer.network)) as u32,
        })
    }

    /// Keeps account of the time in which no quorum was possible.
    fn judge_unknown(&mut self, place: usize, sights: &[Sight; 2]) {
        let now = self.now;
        let is_possible = sights[of(deciding_family(sights))].is_possible();
        let node = &mut self.nodes[place];
        let target = node.id;
        if !is_possible {
            node.memory.unknown_since.get_or_insert(now);
        } else if let Some(from) = node.memory.unknown_since.take() {
            self.output.push(Output::Unknown {
                target,
                from,
                until: now,
            });
        }
    }
}
