//! What begins and ends: the outage of one node, with its checks inside and its times down.

use isochrone_proto::kind::Family;
use isochrone_proto::units::UnixMillis;

use super::cell::Cell;
use super::evidence::caveat;
use super::flapping::{FLAPPING_MS, STEADY_MS, fell_again, stay_unsaid};
use super::fleet::Fault;
use super::sight::{Began, Matter, Over, Sight};
use super::vantage::{FAMILIES, of};
use super::what::What;
use super::{Engine, Output};
use crate::incident::{
    Cause, CheckSpan, Ending, EvidenceCell, Flapping, Incident, IncidentCheck, Spell, Subject,
};

/// Networks a verdict wants.
const NETWORKS: usize = 2;

/// What was found to begin.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) check: IncidentCheck,
    pub(super) began: Began,
    pub(super) cause: Cause,
    pub(super) caveat: Option<String>,
    pub(super) evidence: Vec<EvidenceCell>,
}

/// The incident, ended because nobody watches its subject any more.
pub(super) fn by_hand(mut incident: Incident, ending: Ending, now: UnixMillis) -> Incident {
    let end = now.max(incident.start);
    for span in incident.checks.iter_mut().filter(|span| span.end.is_none()) {
        span.end = Some(end);
    }
    if let Some(spell) = incident.spells.last_mut() {
        spell.first_green = spell.first_green.or(Some(end));
    }
    (incident.end, incident.ending) = (Some(end), Some(ending));
    incident
}

impl Engine {
    /// Whether the node can be reached. IPv4 decides where enough judge it: users have it everywhere.
    pub(super) fn judge_way(&mut self, node: usize, sights: &[Sight; 2]) {
        let now = self.now;
        let is_open = self.is_open(node, IncidentCheck::Connect);
        let deciding = if is_open {
            self.nodes[node].memory.down_over
        } else {
            None
        };
        let deciding = deciding.unwrap_or_else(|| deciding_family(sights));
        let sight = &sights[of(deciding)];
        self.nodes[node].memory.suspect_since = sight.suspect_since();
        if is_open {
            self.go_on(node, sight);
            if sight.is_up() {
                let spell = self.spell(node);
                let over = sight.over(spell.first_red, spell.last_red);
                self.close(node, IncidentCheck::Connect, over);
            }
        } else if sight.is_down()
            && !(deciding == Family::V6 && sights[of(Family::V4)].has_green())
            && self.nodes[node].is_watched(now)
            && self.stays_down(node, sight)
        {
            self.nodes[node].memory.down_over = Some(deciding);
            self.open_by(node, IncidentCheck::Connect, (sight, Matter::Way));
        }
        self.judge_partial(node, sight);
    }

    /// Whether the node's name gives an address.
    pub(super) fn judge_name(&mut self, node: usize) {
        let is_open = self.is_open(node, IncidentCheck::Name);
        self.nodes[node].memory.nameless_since = None;
        for family in FAMILIES {
            let failing = |cell: &Cell| cell.name.colour == Some(super::cell::Colour::Red);
            let mut ways = self.nodes[node].ways[of(family)].iter();
            if !is_open && !ways.any(|&cell| failing(&self.cells[cell])) {
                continue;
            }
            let mut sight = Sight::default();
            self.look(node, family, Matter::Name, &mut sight);
            let nameless_since = &mut self.nodes[node].memory.nameless_since;
            *nameless_since = nameless_since.or(sight.suspect_since());
            if is_open && sight.is_up() {
                let spell = self.spell(node);
                let over = sight.over(spell.first_red, spell.last_red);
                self.close(node, IncidentCheck::Name, over);
                return;
            }
            if !is_open && sight.is_down() && self.nodes[node].is_watched(self.now) {
                self.open_by(node, IncidentCheck::Name, (&sight, Matter::Name));
                return;
            }
        }
    }

    fn open_by(&mut self, node: usize, check: IncidentCheck, (sight, matter): (&Sight, Matter)) {
        let Some(began) = sight.began() else { return };
        let cause = if sight.gets_through(began.first_red) {
            Cause::Path
        } else {
            Cause::Node
        };
        let evidence = self.evidence(sight, matter);
        let network = sight.reds().next().and_then(|word| word.network);
        let caveat = (sight.networks_there < NETWORKS).then(|| caveat(network));
        self.open_check(
            node,
            Opening {
                check,
                began,
                cause,
                caveat,
                evidence,
            },
        );
    }

    pub(super) fn is_open(&self, node: usize, check: IncidentCheck) -> bool {
        let outage = self.nodes[node].outage.as_ref();
        outage.is_some_and(|outage| {
            outage
                .checks
                .iter()
                .any(|span| span.check == check && span.end.is_none())
        })
    }

    /// The time down that goes on.
    fn spell(&self, node: usize) -> Spell {
        let outage = self.nodes[node].outage.as_ref();
        let spell = outage.and_then(|outage| outage.spells.last().copied());
        spell.unwrap_or(Spell {
            last_green: self.now,
            first_red: self.now,
            last_red: self.now,
            first_green: None,
            shared_since: None,
        })
    }

    /// Takes further failures into an outage that goes on, and says where the fault is by what is known now.
    fn go_on(&mut self, node: usize, sight: &Sight) {
        let evidence = match &self.nodes[node].outage {
            Some(outage) if outage.evidence.len() < sight.count.reds() => self.evidence(sight, Matter::Way),
            _ => Vec::new(),
        };
        let Some(outage) = &mut self.nodes[node].outage else {
            return;
        };
        if let (Some(last), Some(spell)) = (sight.last_red(), outage.spells.last_mut()) {
            spell.last_red = last.max(spell.last_red);
        }
        let is_other = judge_cause(outage, sight);
        if outage.add_evidence(evidence) || is_other {
            let kept = outage.clone();
            self.output.push(Output::Kept(kept));
        }
    }

    /// A check begins to fail: a new outage, or one more in the outage under way.
    pub(super) fn open_check(&mut self, place: usize, opening: Opening) {
        let now = self.now;
        let node = &mut self.nodes[place];
        let start = opening
            .began
            .first_red
            .max(node.memory.last_end().unwrap_or_default());
        let span = CheckSpan {
            check: opening.check,
            start,
            end: None,
            cause: opening.cause,
        };
        let spell = Spell {
            last_green: opening.began.last_green.min(start),
            first_red: start,
            last_red: opening.began.last_red.max(start),
            first_green: None,
            shared_since: None,
        };
        let was_steady = now.0 >= node.memory.changed.0 + STEADY_MS;
        let is_known = node.memory.take_announced(opening.check);
        match &mut node.outage {
            Some(outage) => {
                let is_down_again = join(outage, span, spell);
                node.memory.quiet_since = None;
                outage.add_evidence(opening.evidence);
                if is_down_again && !is_known {
                    fell_again(outage, span, was_steady);
                    (node.memory.changed, node.memory.reached) = (now, None);
                    self.gathered.forget(&outage.id);
                }
            }
            None => {
                let last = node.memory.last.filter(|(_, end)| start.0 < end.0 + FLAPPING_MS);
                let flapping = last.map(|(first, _)| Flapping {
                    openings: 2,
                    first,
                    last: start,
                    ..Flapping::default()
                });
                node.outage = Some(Incident {
                    id: Incident::id_of(node.name(), opening.check, start),
                    subject: Subject::Node(node.id),
                    target: node.name().to_owned(),
                    check: opening.check,
                    checks: vec![span],
                    cause: opening.cause,
                    start,
                    noticed: now,
                    end: None,
                    ending: None,
                    caveat: opening.caveat,
                    evidence: opening.evidence,
                    spells: vec![spell],
                    flapping,
                    group: None,
                    told: false,
                    late: false,
                    end_waits: false,
                    worse_waits: false,
                });
                node.memory.changed = now;
            }
        }
        self.share_if_listed(place, span.check, span.start);
        self.keep_outage(place);
    }

    /// The outage of a node changed.
    pub(super) fn keep_outage(&mut self, place: usize) {
        let outage = self.nodes[place].outage.clone();
        self.output.extend(outage.map(Output::Kept));
    }

    /// Nobody asks any more whether a check answers: that is no answer.
    pub(super) fn give_up(&mut self, place: usize, check: IncidentCheck) {
        let now = self.now;
        let node = &mut self.nodes[place];
        let Some(outage) = &mut node.outage else { return };
        if let Some(span) = outage.open_span(check) {
            span.end = Some(now.max(span.start));
        }
        if outage.is_failing() {
            self.keep_outage(place);
        } else if let Some(outage) = node.outage.take() {
            let ended = by_hand(outage, Ending::Removed, now);
            node.memory.quiet_since = None;
            self.gathered.forget(&ended.id);
            self.keep(&ended);
        }
    }

    /// A check answers again.
    pub(super) fn close(&mut self, place: usize, check: IncidentCheck, over: Over) {
        let now = self.now;
        let node = &mut self.nodes[place];
        let Some(outage) = &mut node.outage else { return };
        if let Some(span) = outage.open_span(check) {
            span.end = Some(over.end.max(span.start));
        }
        if let Some(rest) = outage.worst_open().map(|span| span.check) {
            if check < rest {
                let is_said = outage.told && !std::mem::take(&mut outage.worse_waits);
                let is_muted = outage.flapping.is_some_and(|flapping| flapping.covers(check));
                let is_way = Fault::of(check) == Fault::Way;
                node.memory.changed = now;
                node.memory.reached = (is_said && is_way && !is_muted).then_some(over.end);
                stay_unsaid(outage);
            }
            self.keep_outage(place);
            return;
        }
        if let Some(spell) = outage.spells.last_mut() {
            spell.first_green = Some(over.first_green.max(spell.first_red));
        }
        outage.worse_waits = false;
        if outage.flapping.is_some() {
            (node.memory.quiet_since, node.memory.changed) = (Some(now), now);
            stay_unsaid(outage);
            self.keep_outage(place);
        } else {
            self.end(place);
        }
    }

    /// The outage is over.
    pub(super) fn end(&mut self, place: usize) {
        let Some(mut outage) = self.nodes[place].outage.take() else {
            return;
        };
        self.gathered.forget(&outage.id);
        let end = outage.checks.iter().filter_map(|span| span.end).max();
        let end = end.unwrap_or(self.now).max(outage.start);
        (outage.end, outage.ending) = (Some(end), Some(Ending::Recovered));
        outage.worse_waits = false;
        let memory = &mut self.nodes[place].memory;
        memory.went_down(outage.last_fall(), end);
        memory.announced.clear();
        (memory.quiet_since, memory.down_over, memory.reached) = (None, None, None);
        let is_late = std::mem::take(&mut memory.is_taken_up);
        if is_late {
            (outage.told, outage.late) = (true, true);
        }
        self.output.push(Output::Kept(outage.clone()));
        if is_late {
            self.say(What::Late, vec![outage]);
        } else {
            self.ended(place, outage);
        }
    }

    /// Two judges or more fail, too few for an outage.
    fn judge_partial(&mut self, place: usize, sight: &Sight) {
        let now = self.now;
        let is_down = self.is_open(place, IncidentCheck::Connect);
        let memory = &mut self.nodes[place].memory;
        if is_down || !sight.is_partial() {
            memory.partial_since = None;
        } else {
            memory.partial_since.get_or_insert(now);
        }
    }
}

/// Takes one more failing check into an outage. True if nothing as bad was failing.
fn join(outage: &mut Incident, span: CheckSpan, spell: Spell) -> bool {
    let worst = outage.worst_open().map(|open| open.check);
    outage.checks.push(span);
    if worst.is_none() {
        outage.add_spell(spell);
    }
    if span.check < outage.check {
        (outage.check, outage.cause) = (span.check, span.cause);
    }
    worst.is_none_or(|worst| span.check < worst)
}

/// Judges its cause again, with those heard who had not asked when it began. True if it is another one.
fn judge_cause(outage: &mut Incident, sight: &Sight) -> bool {
    let Some(span) = outage.open_span(IncidentCheck::Connect) else {
        return false;
    };
    let all_fail = sight.count.reds() > 0 && sight.count.reds() == sight.judges_there;
    let cause = match (sight.gets_through(span.start), all_fail) {
        (true, _) => Cause::Path,
        (false, true) => Cause::Node,
        (false, false) => span.cause, // those who got through may be silent, or it is on its way back
    };
    let is_other = span.cause != cause;
    span.cause = cause;
    if is_other && outage.check == IncidentCheck::Connect && outage.cause != Cause::Shared {
        outage.cause = cause;
    }
    is_other
}

/// IPv4 where enough judge it, or as many as over IPv6; else IPv6.
pub(super) fn deciding_family(sights: &[Sight; 2]) -> Family {
    let [v4, v6] = sights;
    let is_judged_by_none = v4.networks_there == 0 && v6.networks_there > 0;
    if is_judged_by_none || (!v4.has_judges() && v6.has_judges()) {
        Family::V6
    } else {
        Family::V4
    }
}
