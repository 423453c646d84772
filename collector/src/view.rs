//! Fills the page's view from live state, verdicts and the outbox.

pub(crate) mod head;
mod incidents;
mod mesh;
mod nodes;

use std::collections::BTreeMap;

use isochrone_base::roster::Roster;
use isochrone_base::words::timestamp;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::Family;
use isochrone_proto::units::UnixMillis;
use isochrone_watch::alert::Board;
use isochrone_watch::incident::Incident;
use isochrone_watch::judge::{Engine, ONE_PLACE};
use isochrone_watch::live::Live;
use isochrone_watch::live::window::WINDOW_S;
use isochrone_web::view;

/// Everything that a view is made from.
#[derive(Clone, Debug)]
pub struct ViewParts<'a> {
    /// What the vantages see.
    pub live: &'a Live,
    /// The verdicts.
    pub engine: &'a Engine,
    /// The newest ended incidents.
    pub recent: Vec<&'a Incident>,
    /// Names and places.
    pub roster: &'a Roster,
    /// The outbox.
    pub board: &'a Board,
    /// Receivers that are configured.
    pub receivers: u32,
    /// What is known of each probe's connection.
    pub links: &'a BTreeMap<ProbeId, Link>,
    /// The instant.
    pub now: UnixMillis,
    /// What live state does not know.
    pub collector: CollectorFacts,
}

/// The parts of the view that others fill.
#[derive(Clone, Debug)]
pub struct CollectorFacts {
    /// Measured or demo.
    pub source: view::Source,
    /// The collector itself.
    pub collector: view::CollectorView,
    /// The newest plan.
    pub plan: Option<view::PlanView>,
    /// The ledger's totals.
    pub ledger: view::LedgerTotals,
    /// Further notices; those about nodes without data are added.
    pub notices: Vec<view::Notice>,
}

/// What the session layer knows of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Its connection is open.
    pub connected: bool,
    /// Since when it is, or is not.
    pub since: UnixMillis,
    /// Its release, once it said Hello.
    pub version: Option<String>,
    /// The number of the plan it follows.
    pub plan_version: Option<u64>,
    /// Round trip of the control stream, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Measurements in its spool that are not stored here.
    pub backlog: Option<u64>,
    /// Its current epoch, in hex.
    pub epoch: Option<String>,
    /// Whether its echo port answers.
    pub echo_port: view::EchoPorts,
    /// Which UDP port that is, once it said Hello.
    pub echo_port_number: Option<u16>,
}

impl ViewParts<'_> {
    /// The whole view.
    #[must_use]
    pub fn view(self) -> view::LiveView {
        let probes = self.roster.probes().map(|probe| self.probe(probe)).collect();
        let nodes = self.roster.nodes().map(|node| self.node(node)).collect();
        let (mesh, incidents) = (self.mesh(), self.incidents());
        let mut notices = self.collector.notices.clone();
        notices.extend(self.unclear());
        notices.extend(self.roster.probes().filter_map(|probe| self.closed_port(probe)));
        notices.extend(self.one_place());
        let mut view = view::LiveView {
            head: view::Head::default(),
            generated_at: timestamp(self.now),
            source: self.collector.source,
            window_s: WINDOW_S,
            alerts: view::AlertsView {
                receivers: self.receivers,
                pending: self.board.pending.len() as u64,
                oldest: self.board.oldest().map(timestamp),
            },
            collector: self.collector.collector,
            plan: self.collector.plan,
            probes,
            mesh,
            nodes,
            incidents,
            ledger: self.collector.ledger,
            notices,
        };
        view.head = head::of(&view);
        view
    }
}

impl ViewParts<'_> {
    /// That nearness means nothing in this mesh.
    fn one_place(&self) -> Option<view::Notice> {
        self.engine.is_one_place().then(|| view::Notice {
            level: view::NoticeLevel::Info,
            text: ONE_PLACE.to_owned(),
            at: timestamp(self.now),
        })
    }
}

fn family(of: Family) -> view::Family {
    match of {
        Family::V4 => view::Family::V4,
        Family::V6 => view::Family::V6,
    }
}

#[cfg(test)]
mod tests;
