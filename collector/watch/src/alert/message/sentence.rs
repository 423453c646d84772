//! A message in a sentence or two: what is down, since when, seen by whom, and what still works.

use std::collections::BTreeSet;

use isochrone_base::words;
use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::Family;

use super::Known;
use crate::incident::{Cause, Ending, Incident, IncidentCheck, Subject};
use crate::judge::{State, Telling, What};

/// The last part of an alert's id: the same telling always has the same.
pub(super) fn id_word(telling: &Telling) -> String {
    let since = telling
        .incidents
        .first()
        .map_or(0, |incident| incident.changed().0 / 1_000);
    let check = telling.incidents.first().map(|incident| incident.check);
    match telling.what {
        What::Down | What::NoData | What::NobodyMayJudge | What::Silent => "opened".to_owned(),
        What::Up | What::Seen | What::Heard => "ended".to_owned(),
        What::Worse => format!("worse-{}", check.map_or("", IncidentCheck::word)),
        What::Flapping => "flapping".to_owned(),
        What::Steady => format!("steady-{since}"), // once for each time that it stays down
        What::Late => "late".to_owned(),
        What::OwnLine => "own-line".to_owned(),
        What::OwnLineBack => "own-line-back".to_owned(),
    }
}

/// The checks that failed, each once, the worst first.
pub(super) fn checks(incident: &Incident) -> Vec<IncidentCheck> {
    let checks: BTreeSet<_> = incident.checks.iter().map(|span| span.check).collect();
    match checks.is_empty() {
        true => vec![incident.check],
        false => checks.into_iter().collect(),
    }
}

pub(super) fn of(telling: &Telling, known: Known<'_>) -> String {
    let text = match (telling.what, &telling.incidents[..]) {
        (What::OwnLine, _) => OWN_LINE.to_owned(),
        (What::OwnLineBack, _) => OWN_LINE_BACK.to_owned(),
        (_, []) => String::new(),
        (What::Down | What::Worse, [one]) => began(one, telling, known),
        (What::Down | What::Worse, several) => many_began(several, telling, known),
        (What::Flapping, [one]) => format!(
            "{} is down again since {} UTC: it comes and goes. Nothing more is said about it until it has been \
             steady for 10 minutes.",
            what_is(one),
            words::date_time(one.start)
        ),
        (What::Flapping, several) => format!(
            "{} are down again since {} UTC: {}. They come and go: nothing more is said about them until they have \
             been steady for 10 minutes.",
            words::count(several.len(), "node"),
            since(several),
            all(several)
        ),
        (What::Steady, [one]) => format!("{} stays down, after coming and going.", what_is(one)),
        (What::Steady, several) => format!(
            "{} stay down, after coming and going: {}.",
            words::count(several.len(), "node"),
            all(several)
        ),
        (What::Silent | What::NoData | What::NobodyMayJudge, lacks) => lack(telling.what, lacks),
        (What::Late, several) => late(several),
        (What::Up | What::Seen | What::Heard, [one]) => over(one),
        (What::Up | What::Seen | What::Heard, several) => many_over(telling.what, several),
    };
    let rest = still_down(&telling.still_down, known);
    format!("{text}{rest}").trim_end().to_owned()
}

const OWN_LINE: &str = "The collector's own line is the suspect: half of the probes' connections ended at once, and \
    no two networks report. It judges nobody until they do.";
const OWN_LINE_BACK: &str = "The probes report again: the collector judges again.";

/// "tokyo", or "tokyo: status".
fn what_is(incident: &Incident) -> String {
    match incident.check {
        IncidentCheck::Connect => incident.target.clone(),
        check => format!("{}: {check}", incident.target),
    }
}

fn began(incident: &Incident, telling: &Telling, known: Known<'_>) -> String {
    let since = words::date_time(incident.start);
    let (vantages, networks) = incident.witnesses();
    let seen_by = format!(
        "seen by {} in {}",
        words::count(vantages, "vantage"),
        words::count(networks, "network")
    );
    let down = match (incident.check, telling.what) {
        (IncidentCheck::Name, _) => format!("{}: its name gives no address", incident.target),
        (_, What::Worse) => format!("{} is down now, too{}", what_is(incident), family(incident)),
        _ => format!("{} is down{}", what_is(incident), family(incident)),
    };
    let failing = names(&telling.failing_too, known);
    let too = match failing.is_empty() {
        true => String::new(),
        false => format!(" Failing as well: {failing}."),
    };
    format!(
        "{down} since {since} UTC, {seen_by}. {}{}{too}",
        through(incident),
        works(incident, known)
    )
}

fn through(incident: &Incident) -> &'static str {
    match incident.cause {
        Cause::Node if incident.check == IncidentCheck::Connect => "Nobody gets through. ",
        Cause::Path => "Other vantages still get through. ",
        Cause::Source => "By its own word the fault is a storage source's. ",
        Cause::Shared => "Half of all nodes or more fail at once. ",
        Cause::Node | Cause::Probe | Cause::Unknown => "",
    }
}

/// What of the node still works.
fn works(incident: &Incident, (_, standing): Known<'_>) -> String {
    let Subject::Node(node) = incident.subject else {
        return String::new();
    };
    let Some(standing) = standing(node) else {
        return String::new();
    };
    let is = |of: Option<State>, well: &str, ill: &str| match of {
        Some(State::Up) => well.to_owned(),
        Some(State::Down | State::Degraded) => ill.to_owned(),
        _ => String::new(),
    };
    let status = standing.status.map(|standing| standing.state);
    let asset = standing.asset.map(|standing| standing.state);
    match incident.check {
        IncidentCheck::Status | IncidentCheck::Http => {
            is(asset, "Its asset is still served.", "Its asset fails, too.")
        }
        IncidentCheck::Asset => is(status, "Its status is fine.", "Its status fails, too."),
        _ => String::new(),
    }
}

fn many_began(incidents: &[Incident], telling: &Telling, known: Known<'_>) -> String {
    let since = since(incidents);
    let is_shared = incidents.iter().any(|incident| incident.cause == Cause::Shared);
    let failing = names(&telling.failing_too, known);
    let too = match failing.is_empty() {
        true => String::new(),
        false => format!(" Failing as well: {failing}."),
    };
    let shared = match is_shared {
        true => " Half of all nodes or more fail at once: look for what they share.",
        false => "",
    };
    format!(
        "{} are down since {since} UTC: {}.{too}{shared}",
        words::count(incidents.len(), "node"),
        all(incidents)
    )
}

fn over(incident: &Incident) -> String {
    let end = incident.end.unwrap_or(incident.start);
    let lasted = words::duration(incident.duration_ms(end));
    let span = format!(
        "{} to {} UTC",
        words::date_time(incident.start),
        words::date_time(end)
    );
    let target = &incident.target;
    match (incident.ending, incident.check) {
        (Some(Ending::Paused), _) => format!(
            "{} is no longer watched (paused) after {lasted}, {span}.",
            what_is(incident)
        ),
        (Some(Ending::Removed), _) => {
            format!(
                "{} is no longer watched (removed) after {lasted}, {span}.",
                what_is(incident)
            )
        }
        (_, IncidentCheck::Probe) => format!("Probe {target} is heard again after {lasted}, {span}."),
        (_, IncidentCheck::Data) => format!("{target}: judged again after {lasted} without data, {span}."),
        _ => match incident.flapping {
            Some(flapping) => format!(
                "{} has been up for 10 minutes, after going down {} times, {span}; it was down for {}.",
                what_is(incident),
                flapping.openings,
                words::duration(incident.down_ms(end))
            ),
            None => format!("{} is up again after {lasted}, {span}.", what_is(incident)),
        },
    }
}

fn many_over(what: What, incidents: &[Incident]) -> String {
    let each = incidents.iter().map(|incident| {
        let end = incident.end.unwrap_or(incident.start);
        let lasted = words::duration(incident.duration_ms(end));
        let name = if what == What::Up {
            what_is(incident)
        } else {
            incident.target.clone()
        };
        match incident.flapping {
            Some(flapping) => format!("{name} after going down {} times in {lasted}", flapping.openings),
            None => format!("{name} after {lasted}"),
        }
    });
    let each: Vec<String> = each.collect();
    let (whose, again) = match what {
        What::Heard => ("probe", "heard"),
        What::Seen => ("node", "judged"),
        _ => ("node", "up"),
    };
    format!(
        "{} are {again} again: {}.",
        words::count(incidents.len(), whose),
        each.join(", ")
    )
}

/// Probes that went silent, or nodes of which nothing is known.
fn lack(what: What, incidents: &[Incident]) -> String {
    let (since, names) = (since(incidents), all(incidents));
    let count = |word| words::count(incidents.len(), word);
    let is_one = incidents.len() == 1;
    match what {
        What::Silent if is_one => format!("Probe {names} is silent since {since} UTC."),
        What::Silent => format!("{} are silent since {since} UTC: {names}.", count("probe")),
        What::NobodyMayJudge if is_one => {
            format!("{names}: measured, but nobody may judge it since {since} UTC.")
        }
        What::NobodyMayJudge => format!(
            "{} are measured, but nobody may judge them since {since} UTC: {names}.",
            count("node")
        ),
        _ if is_one => format!("{names}: no data since {since} UTC, no probe measures it."),
        _ => format!(
            "{}: no data since {since} UTC, no probe measures them: {names}.",
            count("node")
        ),
    }
}

/// The first start of several.
fn since(incidents: &[Incident]) -> String {
    let first = incidents.iter().map(|incident| incident.start).min();
    first.map(words::date_time).unwrap_or_default()
}

/// Their names.
fn all(incidents: &[Incident]) -> String {
    let is_lack = |incident: &Incident| !incident.check.is_outage();
    let name = |incident: &Incident| {
        if is_lack(incident) {
            incident.target.clone()
        } else {
            what_is(incident)
        }
    };
    incidents.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn late(incidents: &[Incident]) -> String {
    let each = incidents.iter().map(|incident| {
        let end = incident.end.unwrap_or(incident.start);
        format!(
            "{} was down from {} to {} UTC ({})",
            what_is(incident),
            words::date_time(incident.start),
            words::date_time(end),
            words::duration(incident.duration_ms(end))
        )
    });
    let each: Vec<String> = each.collect();
    format!(
        "{}, while this collector was off or the results were late.",
        each.join("; ")
    )
}

fn still_down(targets: &[TargetId], known: Known<'_>) -> String {
    match names(targets, known) {
        names if names.is_empty() => String::new(),
        names => format!(" Still down: {names}."),
    }
}

fn names(targets: &[TargetId], (name, _): Known<'_>) -> String {
    let names: Vec<String> = targets.iter().filter_map(|target| name(*target)).collect();
    names.join(", ")
}

/// Said only where one family alone fails.
fn family(incident: &Incident) -> &'static str {
    let is_only = |family| incident.evidence.iter().all(|cell| cell.kind.family == family);
    match incident.evidence.is_empty() {
        false if is_only(Family::V6) => " over IPv6",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
