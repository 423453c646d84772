//! `status`: the page's view in a line or two, with an exit code for scripts.

use std::path::PathBuf;
use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_base::words::{self, count};
use isochrone_proto::units::UnixMillis;
use isochrone_report::status::{Finding, Share, StatusReport, Weight};
use isochrone_web::LiveView;
use isochrone_web::view::{
    IncidentCheck, IncidentState, IncidentView, NodeView, NoticeLevel, ProbeState, ProbeView, Source,
    Verdict, VerdictState,
};
use jiff::Timestamp;

use super::{CommandContext, CommandError, Out, WIDTH};
use crate::cli::Format;
use crate::control::Answers;

/// A view that was made so long ago is no longer what is.
const STALE: Duration = Duration::from_secs(10);
/// An alert that waits so long for a receiver is a fault.
const ALERT_WAITS: Duration = Duration::from_secs(60);

/// Says whether all is well.
pub(super) async fn status(context: &CommandContext, format: Format, out: &Out) -> Result<u8, CommandError> {
    let now = context.clock.wall();
    let report = match &context.views {
        Some(views) => of_view(&views.borrow().clone(), now),
        None => StatusReport::of_no_collector(now, None),
    };
    print(&report, format, out).await
}

/// The same where no collector runs; `demo`: the state folder of a demo's, if the folder named is that of a demo.
pub async fn status_of_no_collector(demo: Option<PathBuf>, format: Format, answers: Answers) -> u8 {
    let out = Out::of_files(answers);
    let report = StatusReport::of_no_collector(Clock::system().wall(), demo.as_deref());
    match print(&report, format, &out).await {
        Ok(code) => code,
        Err(error) => out.end(Err(error)).await,
    }
}

/// The same where the collector runs and gives no answer.
pub async fn status_of_no_answer(reason: String, format: Format, answers: Answers) -> u8 {
    let out = Out::of_files(answers);
    let report = StatusReport::of_no_answer(Clock::system().wall(), &reason);
    match print(&report, format, &out).await {
        Ok(code) => code,
        Err(error) => out.end(Err(error)).await,
    }
}

async fn print(report: &StatusReport, format: Format, out: &Out) -> Result<u8, CommandError> {
    match format {
        Format::Text => out.document(report.text(WIDTH)).await?,
        Format::Json => out.json(&report.json()).await?,
    }
    Ok(report.exit_code())
}

/// What the view comes to.
pub(super) fn of_view(view: &LiveView, now: UnixMillis) -> StatusReport {
    let watched = view.nodes.iter().filter(|node| is_watched(node));
    let (mut nodes, mut findings) = (Share::default(), Vec::new());
    for node in watched {
        let found = of_node(node, view);
        nodes.all += 1;
        nodes.well += usize::from(found.is_none());
        nodes.unknown += usize::from(
            found
                .as_ref()
                .is_some_and(|found| found.weight == Weight::CannotTell),
        );
        findings.extend(found);
    }
    let members = || {
        view.probes
            .iter()
            .filter(|probe| probe.state != ProbeState::Revoked)
    };
    let connected = members().filter(|probe| probe.state == ProbeState::Connected);
    let probes = Share {
        all: members().count(),
        well: connected.count(),
        unknown: 0,
    };
    if nodes.all == 0 {
        findings.push(general(
            Weight::CannotTell,
            "No node is watched: name one with `target add`.",
        ));
    }
    if probes.all == 0 {
        findings.push(general(
            Weight::CannotTell,
            "No probe belongs to the mesh: invite one with `probe invite`.",
        ));
    }
    let open = view
        .incidents
        .iter()
        .filter(|incident| incident.state == IncidentState::Open && incident.check == IncidentCheck::Probe);
    findings.extend(open.map(of_silent_probe));
    findings.extend(members().filter_map(|probe| of_away_probe(probe, view)));
    findings.extend(view.incidents.iter().filter_map(of_flapping));
    findings.extend(of_the_collector(view, now));
    StatusReport {
        at: UnixMillis(milliseconds(view.generated_at)),
        is_demo: view.source == Source::Demo,
        nodes,
        probes,
        findings,
    }
}

fn general(weight: Weight, says: impl Into<String>) -> Finding {
    Finding {
        weight,
        subject: None,
        says: says.into(),
    }
}

fn is_watched(node: &NodeView) -> bool {
    let at_rest = [VerdictState::Paused, VerdictState::Maintenance];
    !at_rest.contains(&node.connect.state)
}

/// What is not well about a node; its worst.
fn of_node(node: &NodeView, view: &LiveView) -> Option<Finding> {
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
            format!("{name} does not answer its status{}.{asset}", seen(status)),
        )
    } else if any(Partial).is_some() {
        (
            Weight::Wrong,
            format!("{name} has failed from some vantages for minutes, too few for an outage."),
        )
    } else if any(Degraded).is_some() {
        (Weight::Wrong, degraded(node))
    } else if connect.state == NobodyMayJudge {
        (
            Weight::CannotTell,
            format!("{name}: measured, but nobody may judge it."),
        )
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
            && incident.check != IncidentCheck::Probe
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

/// The collector itself: its view, its account, its alerts, its notices.
fn of_the_collector(view: &LiveView, now: UnixMillis) -> Vec<Finding> {
    let mut findings = Vec::new();
    let age = now.since(UnixMillis(milliseconds(view.generated_at)));
    if age > STALE {
        let says = format!(
            "The collector has not judged for {}: look into its log.",
            words::duration(age.as_millis() as u64)
        );
        findings.push(general(Weight::CannotTell, says));
    }
    if !view.ledger.balanced {
        findings.push(general(
            Weight::Wrong,
            "The ledger does not balance: see `ledger`.",
        ));
    }
    let alerts = &view.alerts;
    let waits = alerts.oldest.map(|at| now.since(UnixMillis(milliseconds(at))));
    if alerts.receivers == 0 {
        findings.push(general(
            Weight::Note,
            "No receiver of alerts is configured: nobody is told while nobody looks ([alerts] in collector.toml).",
        ));
    } else if waits.is_some_and(|waits| waits > ALERT_WAITS) {
        let says = format!(
            "{} for a receiver; none is lost, and the collector tries again.",
            match alerts.pending {
                1 => "1 alert waits".to_owned(),
                waiting => format!("{waiting} alerts wait"),
            }
        );
        findings.push(general(Weight::Wrong, says));
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

fn milliseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
