//! A target as the engine keeps it: a node with what it was last judged to be, or a mere reference.

use isochrone_base::roster::NodeEntry;
use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::Family;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::anew::{Anew, each};
use super::fleet::Fault;
use super::grid::Grid;
use super::observation::Service;
use super::state::{NodeStanding, Standing, State};
use crate::incident::{Incident, IncidentCheck};

/// One target.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) id: TargetId,
    /// `None`: nobody judges it; an answer of it may still prove a line.
    #[serde(skip)]
    pub(super) entry: Option<NodeEntry>,
    /// Its worker's number in the engine.
    pub(super) worker: Option<usize>,
    /// Windows in which it is worked on, from inclusive, until exclusive.
    pub(super) maintenance: Vec<(UnixMillis, UnixMillis)>,
    /// Places of the cells that say whether it can be reached, by family.
    pub(super) ways: [Vec<usize>; 2],
    /// Places of the cells that ask for its services.
    pub(super) asks: [Vec<usize>; 2],
    pub(super) grids: [Grid; 2],
    /// Its page is asked for, and not its status.
    pub(super) is_plain: bool,
    /// Its outage under way.
    pub(super) outage: Option<Incident>,
    /// Nobody knows how it is.
    pub(super) blindness: Option<Incident>,
    pub(super) memory: Memory,
    pub(super) connect: Standing,
    pub(super) services: [Option<Standing>; 2],
    /// Something may have changed since it was judged.
    pub(super) is_dirty: bool,
    /// Judged again then at the latest.
    pub(super) wake: UnixMillis,
}

/// What a node's judgement remembers beside its incidents.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// When its last outage went down last, and when it was over.
    pub(super) last: Option<(UnixMillis, UnixMillis)>,
    /// A flapping outage: up since then.
    pub(super) quiet_since: Option<UnixMillis>,
    /// When the worst of an outage failed or answered last.
    pub(super) changed: UnixMillis,
    /// It can be reached again since then, which is to be said if its service still fails.
    pub(super) reached: Option<UnixMillis>,
    /// Its outage was found in late rows, and people are not told yet.
    pub(super) is_taken_up: bool,
    /// The family over which it is down.
    pub(super) down_over: Option<Family>,
    /// Most judges fail since then, first failure: to reach it, or to look its name up.
    pub(super) suspect_since: Option<UnixMillis>,
    pub(super) nameless_since: Option<UnixMillis>,
    /// Two judges or more fail three times in a row since then.
    pub(super) partial_since: Option<UnixMillis>,
    /// Nobody knows how it is since then, while somebody ought to.
    pub(super) blind_since: Option<UnixMillis>,
    /// No quorum is possible since then.
    pub(super) unknown_since: Option<UnixMillis>,
    /// Checks that a message named as failing before they were confirmed.
    pub(super) announced: Vec<IncidentCheck>,
    /// A message named it as failing: it joins that group in silence.
    pub(super) listed: Option<Listed>,
}

/// A node that a message named as failing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Listed {
    /// The group that the message was about.
    pub(super) group: String,
    pub(super) fault: Fault,
    pub(super) at: UnixMillis,
}

/// Judges that fail for so long, too few for an outage, make a node partial.
const PARTIAL_MS: u64 = 300_000;

impl Memory {
    /// The clock was set: what was noted by the old one is read by the new.
    pub(super) fn reckon(&mut self, anew: Anew<'_>) {
        let Self {
            last,
            quiet_since,
            changed,
            reached,
            is_taken_up: _,
            down_over: _,
            suspect_since,
            nameless_since,
            partial_since,
            blind_since,
            unknown_since,
            announced: _,
            listed,
        } = self;
        let noted = [
            quiet_since,
            reached,
            suspect_since,
            nameless_since,
            partial_since,
            blind_since,
            unknown_since,
        ];
        let listed = listed.iter_mut().map(|listed| &mut listed.at);
        let last = last.iter_mut().flat_map(|(fell, end)| [fell, end]);
        each(noted.into_iter().flatten().chain(listed).chain(last), anew);
        each([changed], anew);
    }

    /// Some judges fail for long: advice, never a page.
    pub(super) fn is_partial(&self, now: UnixMillis) -> bool {
        self.partial_since
            .is_some_and(|since| now.0 >= since.0 + PARTIAL_MS)
    }

    /// When its last outage was over.
    pub(super) fn last_end(&self) -> Option<UnixMillis> {
        self.last.map(|(_, end)| end)
    }

    /// An outage of it is over.
    pub(super) fn went_down(&mut self, fell: UnixMillis, end: UnixMillis) {
        if self.last_end().is_none_or(|last| last <= end) {
            self.last = Some((fell, end));
        }
    }

    /// Whether a message named a check as failing already; asked when it is confirmed.
    pub(super) fn take_announced(&mut self, check: IncidentCheck) -> bool {
        let before = self.announced.len();
        self.announced.retain(|announced| *announced != check);
        self.announced.len() < before
    }
}

impl Node {
    pub(super) fn new(id: TargetId) -> Self {
        Self {
            id,
            entry: None,
            worker: None,
            maintenance: Vec::new(),
            ways: [Vec::new(), Vec::new()],
            asks: [Vec::new(), Vec::new()],
            grids: [Grid::default(), Grid::default()],
            is_plain: false,
            outage: None,
            blindness: None,
            memory: Memory::default(),
            connect: Standing::of(State::NoData),
            services: [None; 2],
            is_dirty: true,
            wake: UnixMillis(0),
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.entry.as_ref().is_none_or(|entry| entry.paused)
    }

    pub(super) fn is_maintained(&self, now: UnixMillis) -> bool {
        let mut windows = self.maintenance.iter();
        windows.any(|(from, until)| *from <= now && now < *until)
    }

    /// Neither paused nor worked on nor unknown.
    pub(super) fn is_watched(&self, now: UnixMillis) -> bool {
        !self.is_paused() && !self.is_maintained(now)
    }

    pub(super) fn name(&self) -> &str {
        self.entry.as_ref().map_or("", |entry| &entry.name)
    }

    /// The check of its incidents that a service's failure is.
    pub(super) fn check_of(&self, service: Service) -> IncidentCheck {
        match service {
            Service::Asset => IncidentCheck::Asset,
            Service::Status if self.is_plain => IncidentCheck::Http,
            Service::Status => IncidentCheck::Status,
        }
    }

    pub(super) fn standing(&self) -> NodeStanding {
        NodeStanding {
            target: self.id,
            connect: self.connect,
            status: self.services[Service::Status as usize],
            asset: self.services[Service::Asset as usize],
            vantages: Vec::new(),
        }
    }
}
