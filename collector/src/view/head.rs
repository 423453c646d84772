//! Whether all is well: one judgement, for the page's head and for `status` alike.

use std::collections::BTreeSet;

use isochrone_base::words::{self, count};
use isochrone_proto::units::UnixMillis;
use isochrone_web::view::{
    CellVerdict, Finding, Head, HeadVerdict, IncidentCheck, IncidentState, IncidentView, LiveView, NodeView,
    NoticeLevel, ProbeState, ProbeView, Verdict, VerdictState, Weight,
};
use jiff::Timestamp;

/// An alert that waits so long for a receiver is a fault.
const ALERT_WAITS_MS: u64 = 60_000;

/// What a view comes to.
pub(crate) fn of(view: &LiveView) -> Head {
    let mut findings: Vec<Finding> = watched(view).filter_map(|node| of_node(node, view)).collect();
    findings.extend(of_the_mesh(view));
    let silent = view
        .incidents
        .iter()
        .filter(|incident| incident.state == IncidentState::Open && incident.check == IncidentCheck::Probe);
    findings.extend(silent.map(of_silent_probe));
    findings.extend(members(view).filter_map(|probe| of_away_probe(probe, view)));
    findings.extend(view.incidents.iter().filter_map(of_flapping));
    findings.extend(of_the_collector(view));
    let heaviest = findings.iter().map(|finding| finding.weight).max();
    Head {
        verdict: match heaviest.unwrap_or(Weight::Note) {
            Weight::Note => HeadVerdict::Well,
            Weight::CannotTell => HeadVerdict::CannotTell,
            Weight::Wrong => HeadVerdict::Wrong,
        },
        findings,
    }
}

/// Nodes that are neither paused nor worked on.
pub(crate) fn watched(view: &LiveView) -> impl Iterator<Item = &NodeView> {
    let at_rest = [VerdictState::Paused, VerdictState::Maintenance];
    view.nodes
        .iter()
        .filter(move |node| !at_rest.contains(&node.connect.state))
}

/// Probes that belong to the mesh.
pub(crate) fn members(view: &LiveView) -> impl Iterator<Item = &ProbeView> {
    let probes = view.probes.iter();
    probes.filter(|probe| probe.state != ProbeState::Revoked)
}

pub(crate) fn is_connected(probe: &ProbeView) -> bool {
    probe.state == ProbeState::Connected
}

/// Whether there is anything to watch, and anybody who does.
fn of_the_mesh(view: &LiveView) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut cannot_tell = |says| findings.push(general(Weight::CannotTell, says));
    if watched(view).next().is_none() {
        cannot_tell("No node is watched: name one with `target add`.");
    }
    if members(view).next().is_none() {
        cannot_tell("No probe belongs to the mesh: invite one with `probe invite`.");
    } else if !members(view).any(is_connected) {
        cannot_tell("No probe is connected: nothing new is known about any node.");
    } else if watched(view).next().is_some() && has_fewer_networks_than_it_could(view) {
        findings.push(general(
            Weight::Wrong,
            "Fewer than two networks judge now: a fault on the way there and a fault of the node look the same.",
        ));
    }
    findings
}

/// Whether judges of one network alone speak, where those of more could: a worker's own probe never judges their node.
fn has_fewer_networks_than_it_could(view: &LiveView) -> bool {
    let networks = |is_of: fn(CellVerdict) -> bool| {
        let cells = watched(view).flat_map(|node| &node.cells);
        let cells = cells.filter(move |cell| is_of(cell.verdict));
        cells.map(|cell| cell.network).collect::<BTreeSet<_>>()
    };
    let judging = networks(|verdict| matches!(verdict, CellVerdict::Green | CellVerdict::Red));
    let could = networks(|verdict| verdict != CellVerdict::Own);
    judging.len() == 1 && could.len() > 1
}

fn general(weight: Weight, says: impl Into<String>) -> Finding {
    Finding {
        weight,
        subject: None,
        says: says.into(),
    }
}

/// What is not well about a node; its worst.
pub(crate) fn of_node(node: &NodeView, view: &LiveView) -> Option<Finding> {
    use VerdictState::{Degraded, Down, NoData, NobodyMayJudge, Partial, Up};
    let name = &node.name;
    let (connect, status, asset) = (&node.connect, &node.status, &node.asset);
    let seen = |verdict| seen(verdict, open_incident(node, view));
    let any = |state| {
        [connect, status, asset]
            .into_iter()
            .find(|verdict| verdict.state == state)
    };
    let (weight, says) = if connect.state == Down {
        (Weight::Wrong, format!("{name} is down{}.", seen(connect)))
    } else if asset.state == Down {
        (Weight::Wrong, format!("{name} delivers no asset{}.", seen(asset)))
    } else if status.state == Down {
        let asset = match asset.state {
            Up => " Its assets are served.",
            _ => "",
        };
        (
            Weight::Wrong,
            match node.plain {
                true => format!("{name}: its page does not answer{}.", seen(status)),
                false => format!("{name} does not answer its status{}.{asset}", seen(status)),
            },
        )
    } else if any(Partial).is_some() {
        (
            Weight::Wrong,
            format!("{name} has failed from some vantages for minutes, too few for an outage."),
        )
    } else if any(Degraded).is_some() {
        (Weight::Wrong, degraded(node))
    } else if connect.state == NobodyMayJudge {
        let lack = view
            .incidents
            .iter()
            .find(|incident| is_open_lack(incident) && incident.target == *name);
        let why = lack.and_then(|incident| incident.caveat.as_deref());
        let says = match why {
            Some(why) if !why.starts_with("It is measured") => format!("{name}: {why}"),
            _ => format!("{name}: measured, but nobody may judge it."),
        };
        (Weight::CannotTell, says)
    } else if any(Up).is_none() || connect.state == NoData {
        (Weight::CannotTell, format!("{name}: no data{}.", since(connect)))
    } else {
        return None;
    };
    Some(Finding {
        weight,
        subject: Some(name.clone()),
        says,
    })
}

/// Whether nobody can say how a node is.
fn is_open_lack(incident: &IncidentView) -> bool {
    incident.state == IncidentState::Open && incident.check == IncidentCheck::Data
}

/// What of it is not well, and that this is no outage so far.
fn degraded(node: &NodeView) -> String {
    let name = &node.name;
    let failing = |verdict: &Verdict| verdict.vantages_total.saturating_sub(verdict.vantages_ok);
    if node.connect.state == VerdictState::Degraded {
        let (verdict, all) = (
            &node.connect,
            count(node.connect.vantages_total as usize, "vantage"),
        );
        return match failing(verdict) {
            0 => format!(
                "{name} is degraded{}: it is reached over one address family only.",
                since(verdict)
            ),
            some => format!(
                "{name} cannot be reached from {some} of {all}{}; not confirmed as down.",
                since(verdict)
            ),
        };
    }
    let (what, verdict) = match node.status.state {
        VerdictState::Degraded if node.plain => ("page is slow or fails", &node.status),
        VerdictState::Degraded => ("status is slow or fails", &node.status),
        _ => ("asset is slow or fails", &node.asset),
    };
    format!(
        "{name} is degraded{}: its {what} from some vantages.",
        since(verdict)
    )
}

fn since(verdict: &Verdict) -> String {
    let since = verdict
        .since
        .map(|at| words::date_time(UnixMillis(milliseconds(at))));
    since.map_or_else(String::new, |since| format!(" since {since} UTC"))
}

/// What is open of a node, and fails.
fn open_incident<'a>(node: &NodeView, view: &'a LiveView) -> Option<&'a IncidentView> {
    view.incidents.iter().find(|incident| {
        incident.state == IncidentState::Open
            && !matches!(incident.check, IncidentCheck::Probe | IncidentCheck::Data)
            && incident.up_since.is_none()
            && incident.target == node.name
    })
}

/// Since when, and who sees it: also where nobody can see it any more, and where it answers again and is held down.
fn seen(verdict: &Verdict, incident: Option<&IncidentView>) -> String {
    let (since, all) = (since(verdict), verdict.vantages_total);
    let failing = all.saturating_sub(verdict.vantages_ok);
    let vantages = count(all as usize, "vantage");
    if all == 0 {
        return match incident.map_or(0, |incident| incident.vantages) {
            0 => since,
            some => format!(
                "{since}, seen by {} then; nobody may judge it now",
                count(some as usize, "vantage")
            ),
        };
    }
    if failing * 3 <= all {
        let until = match verdict.networks {
            0 | 1 => "two answers in a row come",
            _ => "two answers in a row come from two networks",
        };
        return format!(
            "{since}; it answers again from {} of {vantages}, held down until {until}",
            verdict.vantages_ok
        );
    }
    format!(
        "{since}, seen by {failing} of {vantages} in {}",
        count(verdict.networks as usize, "network"),
    )
}

fn of_silent_probe(incident: &IncidentView) -> Finding {
    let since = words::date_time(UnixMillis(milliseconds(incident.start)));
    Finding {
        weight: Weight::Wrong,
        subject: Some(incident.target.clone()),
        says: format!("Probe {} is silent since {since} UTC.", incident.target),
    }
}

/// Not there, and not for long enough to be told: no fault so far.
fn of_away_probe(probe: &ProbeView, view: &LiveView) -> Option<Finding> {
    let away = milliseconds(view.generated_at).saturating_sub(milliseconds(probe.since));
    (probe.state == ProbeState::Away).then(|| Finding {
        weight: Weight::Note,
        subject: Some(probe.name.clone()),
        says: format!(
            "Probe {} is not connected, for {}.",
            probe.name,
            words::duration(away)
        ),
    })
}

/// A node that is up is well, though it was down a moment ago: the page says the same.
fn of_flapping(incident: &IncidentView) -> Option<Finding> {
    let since = words::date_time(UnixMillis(milliseconds(incident.up_since?)));
    Some(Finding {
        weight: Weight::Note,
        subject: Some(incident.target.clone()),
        says: format!(
            "{} comes and goes: up since {since} UTC; it is over once that has lasted for 10 minutes.",
            incident.target
        ),
    })
}

/// The collector itself: its account, its alerts, its notices.
fn of_the_collector(view: &LiveView) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !view.ledger.balanced {
        findings.push(general(
            Weight::Wrong,
            "The ledger does not balance: see `ledger`.",
        ));
    }
    findings.extend(of_alerts(view));
    if view.alerts.receivers == 0 {
        findings.push(general(
            Weight::Note,
            "No receiver of alerts is configured: nobody is told while nobody looks ([alerts] in collector.toml).",
        ));
    }
    findings.extend(view.notices.iter().map(|notice| {
        let weight = match notice.level {
            NoticeLevel::Error => Weight::Wrong,
            NoticeLevel::Warning | NoticeLevel::Info => Weight::Note,
        };
        general(weight, notice.text.clone())
    }));
    findings
}

/// Alerts that nobody got yet: one that is on its way is no fault.
fn of_alerts(view: &LiveView) -> Option<Finding> {
    let alerts = &view.alerts;
    let since = milliseconds(alerts.oldest?);
    let is_long = milliseconds(view.generated_at) > since + ALERT_WAITS_MS;
    let waiting = match alerts.pending {
        1 => "1 alert waits".to_owned(),
        several => format!("{several} alerts wait"),
    };
    Some(if is_long {
        let says = format!("{waiting} for a receiver; none is lost, and the collector tries again.");
        general(Weight::Wrong, says)
    } else {
        general(
            Weight::Note,
            format!("{waiting} for a receiver, for a moment so far."),
        )
    })
}

fn milliseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}
