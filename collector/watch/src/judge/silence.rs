//! Probes that went silent, and nodes of which nothing is known for too long.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::anew::{Anew, each};
use super::fleet::{Fault, fails_since};
use super::outage::by_hand;
use super::sight::Sight;
use super::vantage::Session;
use super::what::What;
use crate::incident::{Cause, Ending, Incident, IncidentCheck, Subject};

/// The probes' silences.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Silences {
    open: BTreeMap<ProbeId, Incident>,
    last_ends: BTreeMap<ProbeId, UnixMillis>,
    /// Silent probes, told or not, when last looked.
    silent: BTreeSet<ProbeId>,
    /// Looked at again then.
    due: UnixMillis,
}

impl Silences {
    pub(super) fn resume(&mut self, incident: Incident) {
        let Subject::Probe(probe) = incident.subject else {
            return;
        };
        match incident.end {
            None => {
                self.open.insert(probe, incident);
            }
            Some(end) => {
                let last = self.last_ends.entry(probe).or_insert(end);
                *last = end.max(*last);
            }
        }
    }

    /// The clock was set: what was noted by the old one is read by the new.
    pub(super) fn reckon(&mut self, anew: Anew<'_>) {
        let Self {
            open,
            last_ends,
            silent: _,
            due,
        } = self;
        open.values_mut().for_each(|incident| incident.reckon(anew));
        each(last_ends.values_mut().chain([due]), anew);
    }

    pub(super) fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.values()
    }

    pub(super) fn open_of(&self, probe: ProbeId) -> Option<&Incident> {
        self.open.get(&probe)
    }
}

/// What to do where most probes are silent.
pub(crate) const OWN_NETWORK: &str = "check the collector's own network first.";
/// A probe that is told to come back later is away for up to 70 s at a time.
const STORE_FULL_PATIENCE: Duration = Duration::from_secs(150);
/// Why nobody knows how a node is that is measured.
pub(super) const MEASURED: &str = "It is measured, but nobody who measures it may judge it: their own lines are not \
    proven, or they fail alone too often, or cannot measure it (`isochrone-probe measure` there says why), or they are \
    its own worker's. This says nothing about the node itself. See the probes' states.";
/// Why nobody knows how a node is that no probe may ask.
pub(crate) const FORBIDDEN: &str = "No probe that is to measure it may ask: its address is a private or local one, or the \
    probe's own, and only the probes' own files open those (allow_private in probe.toml). This says nothing about the \
    node itself.";
/// Why nobody knows how one is that is not.
const UNMEASURED: &str = "No probe that may judge it sends fresh results: this says nothing about the node itself. See \
    the probes' states and the plan.";
/// A node that went down within so long of the probe's last word died with it.
const WITH_MS: u64 = 120_000;
/// A probe that is quiet for so long may be one of which nothing is asked.
const QUIET: Duration = Duration::from_secs(15);
/// How long all probes are looked through again, in milliseconds.
const EVERY_MS: u64 = 1_000;

impl Engine {
    pub(super) fn judge_silence(&mut self) {
        let now = self.now;
        if now < self.silences.due && now.0 + EVERY_MS >= self.silences.due.0 {
            return;
        }
        self.silences.due = UnixMillis(now.0 + EVERY_MS);
        self.end_removed_silences();
        if self.is_blinded() {
            return; // who is silent cannot be told
        }
        let mut silent = Vec::new();
        let mut active = 0;
        for place in 0..self.vantages.len() {
            if self.vantages[place].is_active() {
                active += 1;
                self.excuse_idle(place);
                silent.extend(self.silence(place).map(|since| (place, since)));
            }
        }
        self.silences.silent = silent
            .iter()
            .map(|(place, _)| self.vantages[*place].probe)
            .collect();
        for &(place, since) in &silent {
            self.open_silence(place, since, (silent.len(), active));
        }
        self.end_silences();
    }

    /// A probe whose session stands while all its nodes are paused or gone has nothing to say.
    fn excuse_idle(&mut self, place: usize) {
        let vantage = &self.vantages[place];
        if vantage.session != Session::Up || self.now.since(vantage.heard) <= QUIET {
            return;
        }
        let cells = vantage.cells.iter().map(|&cell| &self.cells[cell]);
        let mut asked = cells.filter(|cell| cell.is_planned);
        if asked.all(|cell| self.nodes[cell.target].is_paused()) {
            self.vantages[place].excused = self.now;
        }
    }

    fn silence(&self, place: usize) -> Option<UnixMillis> {
        self.silence_at(place, self.now)
    }

    /// Since when a probe is silent at an instant if nothing more comes of it, once that is long enough. The collector's
    /// own absence is not its silence.
    fn silence_at(&self, place: usize, now: UnixMillis) -> Option<UnixMillis> {
        let vantage = &self.vantages[place];
        let joined = vantage.entry.as_ref().map(|entry| entry.joined)?;
        let since = vantage.heard.max(joined).max(vantage.excused).max(self.started);
        let patience = match vantage.session {
            Session::Up if vantage.quiet_ms == u64::MAX => return None, // nothing is asked of it
            Session::Up if self.is_store_full => return None,           // it is heard, and not acknowledged
            _ if self.is_store_full => self.patience.silent_after.max(STORE_FULL_PATIENCE),
            Session::Up => self.quiet(place),
            Session::Down(_) | Session::Unknown => self.patience.silent_after,
        };
        (now.since(since) > patience).then_some(since)
    }

    /// Whether a probe that is not silent yet will be before so long has passed.
    pub(super) fn is_probe_about_to_be_silent(&self, within_ms: u64) -> bool {
        let soon = UnixMillis(self.now.0 + within_ms);
        let is_about_to = |place: &usize| {
            let vantage = &self.vantages[*place];
            let is_open = self.silences.open.contains_key(&vantage.probe);
            vantage.is_active() && !is_open && self.silence_at(*place, soon).is_some()
        };
        (0..self.vantages.len()).any(|place| is_about_to(&place))
    }

    fn open_silence(&mut self, place: usize, since: UnixMillis, (silent, active): (usize, usize)) {
        let vantage = &self.vantages[place];
        let Some(entry) = &vantage.entry else { return };
        if self.silences.open.contains_key(&entry.id) {
            return;
        }
        let last_end = self.silences.last_ends.get(&entry.id);
        let start = last_end.map_or(since, |end| since.max(*end));
        let mut caveats = Vec::new();
        if vantage.session == Session::Up {
            caveats.push(
                "When this was noticed, its connection still stood, but it sent no measurements: the network in \
                 between was cut, or the probe was stuck (its log says which)."
                    .to_owned(),
            );
        }
        if silent > 1 && silent * 2 > active {
            caveats.push(format!(
                "{silent} of {active} probes are silent at once: {OWN_NETWORK}"
            ));
        }
        if since == self.started {
            caveats.push("The collector was away before this; the silence may be older.".to_owned());
        }
        let with = self.died_with(place, since);
        if let Some(outage) = with {
            caveats.push(format!(
                "{}, of the same worker or server, is down since then as well: that server is probably dead.",
                outage.target
            ));
        }
        let subject = Subject::Probe(entry.id);
        let mut incident = lack((subject, &entry.name), IncidentCheck::Probe, start, self.now);
        incident.group = with.map(|outage| outage.group.clone().unwrap_or_else(|| outage.id.clone()));
        incident.caveat = (!caveats.is_empty()).then(|| caveats.join(" "));
        let probe = entry.id;
        self.keep(&incident);
        self.say_began(incident.clone());
        self.silences.open.insert(probe, incident);
    }

    /// The outage, as people know, of a node on the probe's server, or of its worker, that began with its silence.
    fn died_with(&self, place: usize, since: UnixMillis) -> Option<&Incident> {
        let outages = self.nodes.iter().enumerate();
        let mut outages = outages.filter_map(|(node, of)| Some((node, of.outage.as_ref()?)));
        let found = outages.find(|(node, outage)| {
            let began = fails_since(outage, Fault::Way);
            let is_then = began.is_some_and(|began| began.0.abs_diff(since.0) <= WITH_MS);
            let is_unsaid = outage.flapping.is_some_and(|flapping| flapping.is_muted());
            outage.told && !is_unsaid && is_then && self.stands_beside(*node, place)
        });
        found.map(|(_, outage)| outage)
    }

    /// Whether a vantage is of a node's worker, or on its server.
    fn stands_beside(&self, node: usize, vantage: usize) -> bool {
        let (of, vantage) = (&self.nodes[node], &self.vantages[vantage]);
        let is_own = of.worker.is_some() && of.worker == vantage.worker;
        let is_there = |address: IpAddr| {
            let mut ways = of.ways.iter().flatten().map(|&way| &self.cells[way]);
            !self.is_one_place && ways.any(|way| way.host == Some(address))
        };
        is_own || vantage.addresses.into_iter().flatten().any(is_there)
    }

    /// A silence ends when the probe is really heard again.
    fn end_silences(&mut self) {
        let is_back = |incident: &&Incident| match incident.subject {
            Subject::Probe(probe) => self.by_probe.get(&probe).is_some_and(|&place| {
                let vantage = &self.vantages[place];
                let is_silent = self.silences.silent.contains(&probe);
                !is_silent && (vantage.session == Session::Up || vantage.heard > incident.noticed)
            }),
            Subject::Node(_) => false,
        };
        let back: Vec<Incident> = self.silences.open().filter(is_back).cloned().collect();
        for mut incident in back {
            let Subject::Probe(probe) = incident.subject else {
                continue;
            };
            let heard = self.by_probe.get(&probe).map(|&place| self.vantages[place].heard);
            let end = heard.filter(|heard| *heard > incident.start).unwrap_or(self.now);
            (incident.end, incident.ending) = (Some(end), Some(Ending::Recovered));
            self.silences.open.remove(&probe);
            self.silences.last_ends.insert(probe, end);
            self.keep(&incident);
            self.say_over(What::Heard, incident);
        }
    }

    fn end_removed_silences(&mut self) {
        let is_gone = |probe: &ProbeId| {
            let place = self.by_probe.get(probe);
            place.is_none_or(|&place| !self.vantages[place].is_active())
        };
        let gone: Vec<ProbeId> = self
            .silences
            .open
            .keys()
            .copied()
            .filter(|probe| is_gone(probe))
            .collect();
        for probe in gone {
            if let Some(incident) = self.silences.open.remove(&probe) {
                let ended = by_hand(incident, Ending::Removed, self.now);
                self.gathered.forget(&ended.id);
                self.silences.last_ends.insert(probe, self.now);
                self.keep(&ended);
            }
        }
    }

    /// Opens or ends the incident that says nothing is known of a node.
    pub(super) fn judge_blindness(&mut self, place: usize, sights: &[Sight; 2]) {
        let now = self.now;
        let judges = sights[0].count.judges() + sights[1].count.judges();
        let is_blind = judges == 0;
        if let Some(mut open) = self.nodes[place].blindness.take() {
            if is_blind {
                self.nodes[place].blindness = Some(open);
                return;
            }
            (open.end, open.ending) = (Some(now.max(open.start)), Some(Ending::Recovered));
            self.keep(&open);
            self.say_over(What::Seen, open);
        }
        let is_measured = sights.iter().any(|sight| sight.is_measured);
        let awaits = is_blind && self.awaits_data(place, is_measured);
        let memory = &mut self.nodes[place].memory;
        if !awaits {
            memory.blind_since = None;
            return;
        }
        let since = *memory.blind_since.get_or_insert(now);
        let since = since.max(self.started);
        if now.since(since) <= self.blind_patience(place) {
            return;
        }
        self.open_blindness(place, since, is_measured);
    }

    fn open_blindness(&mut self, place: usize, since: UnixMillis, is_measured: bool) {
        let node = &self.nodes[place];
        let subject = Subject::Node(node.id);
        let mut incident = lack((subject, node.name()), IncidentCheck::Data, since, self.now);
        let caveat = match is_measured {
            true if self.is_forbidden(place) => FORBIDDEN,
            true => MEASURED,
            false => UNMEASURED,
        };
        incident.caveat = Some(caveat.to_owned());
        self.keep(&incident);
        self.say_began(incident.clone());
        self.nodes[place].blindness = Some(incident);
    }

    /// Whether every probe that measures a node is forbidden to ask it by its own rules.
    fn is_forbidden(&self, place: usize) -> bool {
        let ways = self.nodes[place].ways.iter().flatten();
        let cells = ways.map(|&way| &self.cells[way]);
        let mut measured = cells.filter(|cell| cell.is_measured(self.now));
        measured.all(|cell| cell.forbidden == cell.measured)
    }

    /// Whether something ought to be known of a node. Where it is down, that was told; where nobody measures it because
    /// most probes are silent, their own incidents say so already; where the collector's line is the suspect, that
    /// does; and where nobody else may judge it, nothing was ever promised.
    fn awaits_data(&self, place: usize, is_measured: bool) -> bool {
        let node = &self.nodes[place];
        let (mut judges, mut silent) = (0, 0);
        for vantage in self.vantages.iter().filter(|vantage| vantage.is_active()) {
            if node.worker.is_some() && node.worker == vantage.worker {
                continue;
            }
            judges += 1;
            silent += usize::from(self.silences.silent.contains(&vantage.probe));
        }
        let is_known_down = node.outage.as_ref().is_some_and(|outage| outage.is_failing());
        let is_told = self.is_blinded() || self.is_store_full;
        let is_watched = node.is_watched(self.now) && !is_known_down && !is_told;
        is_watched && judges > 0 && (is_measured || silent * 2 <= judges)
    }

    /// How long a node may be without a verdict: longer where it is checked rarely.
    fn blind_patience(&self, place: usize) -> Duration {
        let node = &self.nodes[place];
        let cells = node.ways.iter().flatten().map(|&cell| &self.cells[cell]);
        let longest = cells.map(|cell| cell.cadence.apart_ms()).min();
        let asked = node.entry.as_ref().and_then(|entry| entry.interval);
        let asked = longest
            .map(Duration::from_millis)
            .max(asked.map(|interval| interval * 3));
        self.patience.no_data_after.max(asked.unwrap_or_default())
    }
}

/// An incident of something that does not come.
fn lack(
    (subject, name): (Subject, &str),
    check: IncidentCheck,
    start: UnixMillis,
    now: UnixMillis,
) -> Incident {
    Incident {
        id: Incident::id_of(name, check, start),
        subject,
        target: name.to_owned(),
        check,
        checks: Vec::new(),
        cause: if check == IncidentCheck::Probe {
            Cause::Probe
        } else {
            Cause::Unknown
        },
        start,
        noticed: now,
        end: None,
        ending: None,
        caveat: None,
        evidence: Vec::new(),
        spells: Vec::new(),
        flapping: None,
        group: None,
        told: false,
        late: false,
        end_waits: false,
        worse_waits: false,
    }
}
