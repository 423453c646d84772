//! A message in a sentence or two: what is down, since when, seen by whom, and what still works.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_base::words;
use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::Family;
use isochrone_proto::measurement::Phase;
use isochrone_proto::text::cleaned;
use isochrone_proto::units::UnixMillis;

use super::Known;
use super::names::listed;
use crate::incident::{Cause, Ending, Incident, IncidentCheck, Subject};
use crate::judge::{FORBIDDEN, OWN_NETWORK, State, Telling, What};

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
        What::Worse => format!("worse-{}-{since}", check.map_or("", IncidentCheck::word)), // each time
        What::Better => format!("better-{since}"),
        What::Flapping => match telling.incidents.first().map_or(1, openings) {
            0..=2 => "flapping".to_owned(),
            times => format!("flapping-{times}"), // again, after it was steady
        },
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
            "{} is down again since {} UTC, {}: it comes and goes, {} so far.{} Nothing more is said about it until it has \
             been steady for 10 minutes.",
            what_is(one),
            words::date_time(fell(one)),
            seen_by(one),
            how_often(one),
            error(&telling.incidents),
        ),
        (What::Better, several) => better(several),
        (What::Flapping, several) => format!(
            "{} are down again since {} UTC: {}. They come and go: nothing more is said about them until they have \
             been steady for 10 minutes.",
            words::count(several.len(), "node"),
            since(several),
            joined(several, |one| {
                format!("{} ({}, {})", what_is(one), how_often(one), seen_by(one))
            })
        ),
        (What::Steady, [one]) => format!("{} stays down, after coming and going.", what_is(one)),
        (What::Steady, several) => format!(
            "{} stay down, after coming and going: {}.",
            words::count(several.len(), "node"),
            all(several)
        ),
        (What::Silent | What::NoData | What::NobodyMayJudge, lacks) => lack(telling.what, lacks, known),
        (What::Late, several) => late(several),
        (What::Up | What::Seen | What::Heard, [one]) => over(one),
        (What::Up | What::Seen | What::Heard, several) => many_over(telling.what, several),
    };
    let down = still_down(&telling.still_down, known);
    let up = up_for_now(&telling.up_for_now, known);
    format!("{text}{down}{up}").trim_end().to_owned()
}

const OWN_LINE: &str = "The collector's own line is the suspect: half of the probes' connections ended at once, and \
    fewer networks report than before. It judges nobody until they do again.";
const OWN_LINE_BACK: &str = "The probes report again: the collector judges again.";

/// "tokyo", or "tokyo: status".
fn what_is(incident: &Incident) -> String {
    match incident.check {
        IncidentCheck::Connect => incident.target.clone(),
        check => format!("{}: {check}", incident.target),
    }
}

fn began(incident: &Incident, telling: &Telling, known: Known<'_>) -> String {
    let worst = incident.worst_open().filter(|_| telling.what == What::Worse);
    let since = words::date_time(worst.map_or(incident.start, |span| span.start));
    let down = match (incident.check, telling.what) {
        (IncidentCheck::Name, _) => format!("{}: its name gives no address", incident.target),
        (_, What::Worse) => format!("{} is down now, too{}", what_is(incident), family(incident)),
        _ => format!("{} is down{}", what_is(incident), family(incident)),
    };
    let sentences = [
        format!("{down} since {since} UTC, {}.", seen_by(incident)),
        through(incident).to_owned(),
        works(incident, known),
        error(std::slice::from_ref(incident)).trim().to_owned(),
        whose(incident, known),
        failing_too(telling, known),
    ];
    let said = sentences.into_iter().filter(|sentence| !sentence.is_empty());
    said.collect::<Vec<_>>().join(" ")
}

fn failing_too(telling: &Telling, known: Known<'_>) -> String {
    match names(&telling.failing_too, known) {
        failing if failing.is_empty() => String::new(),
        failing => format!("Failing as well: {failing}."),
    }
}

fn seen_by(incident: &Incident) -> String {
    let (vantages, networks) = incident.witnesses();
    format!(
        "seen by {} in {}",
        words::count(vantages, "vantage"),
        words::count(networks, "network")
    )
}

/// How often it went down in its own time: "again", or "3 times".
fn fell_times(incident: &Incident) -> String {
    match incident.falls() {
        Some(times @ 2..) => format!("{times} times"),
        _ => "again".to_owned(),
    }
}

/// How often one that comes and goes went down, the time before it was known to included.
fn openings(incident: &Incident) -> usize {
    incident.flapping.map_or(1, |flapping| flapping.openings as usize)
}

/// That, with the rate where it is known.
fn how_often(incident: &Incident) -> String {
    let times = words::count(openings(incident), "time");
    let rate = incident.flapping.and_then(|flapping| flapping.per_hour());
    match rate {
        Some(rate) if rate >= 9.5 => format!("down {times}, {rate:.0} an hour"),
        Some(rate) => format!("down {times}, {rate:.1} an hour"),
        None => format!("down {times}"),
    }
}

/// When it went down this time.
fn fell(incident: &Incident) -> UnixMillis {
    let last = incident.flapping.map(|flapping| flapping.last);
    last.map_or(incident.start, |last| last.max(incident.start))
}

/// Nodes that can be reached again, and do not serve.
fn better(incidents: &[Incident]) -> String {
    let rest = |incident: &Incident| incident.worst_open().map_or("", |span| span.check.shown());
    match incidents {
        [one] => {
            let closed = one.checks.iter().filter_map(|span| span.end).max();
            let since = words::date_time(closed.unwrap_or(one.start));
            format!(
                "{} can be reached again since {since} UTC; its {} still fails.",
                one.target,
                rest(one)
            )
        }
        several => format!(
            "{} can be reached again, and do not serve: {}.",
            words::count(several.len(), "node"),
            joined(several, |one| format!(
                "{} ({} still fails)",
                one.target,
                rest(one)
            ))
        ),
    }
}

/// The error that was seen most, verbatim, with a space in front; nothing where there is none.
fn error(incidents: &[Incident]) -> String {
    let mut seen: BTreeMap<(&str, Phase), u32> = BTreeMap::new();
    for cell in incidents.iter().flat_map(|incident| &incident.evidence) {
        *seen.entry((cell.error.trim(), cell.phase)).or_default() += 1;
    }
    let most = seen.into_iter().max_by_key(|(_, count)| *count);
    let Some(((error, phase), _)) = most.filter(|((error, _), _)| !error.is_empty()) else {
        return String::new();
    };
    let error = cleaned(error);
    let shown: String = error.chars().take(ERROR_MAX).collect();
    let end = if shown.len() < error.len() { "…" } else { "." };
    format!(" Error, in {phase}: {}{end}", shown.trim_end_matches('.'))
}

/// Characters of an error in a sentence; the evidence has all.
const ERROR_MAX: usize = 120;

/// Whose it is, and where.
fn whose(incident: &Incident, (_, _, whose): Known<'_>) -> String {
    let whose = whose(incident.subject);
    match (whose.worker, whose.place) {
        (Some(worker), Some(place)) => format!("It is {worker}'s, in {place}."),
        (Some(worker), None) => format!("It is {worker}'s."),
        (None, Some(place)) => format!("It is in {place}."),
        (None, None) => String::new(),
    }
}

fn through(incident: &Incident) -> &'static str {
    match incident.cause {
        Cause::Node if incident.check == IncidentCheck::Connect => "Nobody gets through.",
        Cause::Path => "Other vantages still get through.",
        Cause::Source => "By its own word the fault is a storage source's.",
        Cause::Shared => "Half of all nodes or more fail at once.",
        Cause::Node | Cause::Probe | Cause::Unknown => "",
    }
}

/// What of the node still works.
fn works(incident: &Incident, (_, standing, _): Known<'_>) -> String {
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
    let is_shared = incidents.iter().any(|incident| incident.cause == Cause::Shared);
    let shared = match is_shared {
        true => "Half of all nodes or more fail at once: look for what they share.",
        false => "",
    };
    let name = |incident: &Incident| match incident.flapping {
        Some(_) => format!("{} (again)", what_is(incident)),
        None => what_is(incident),
    };
    let sentences = [
        format!(
            "{} are down since {} UTC: {}.",
            words::count(incidents.len(), "node"),
            since(incidents),
            joined(incidents, name)
        ),
        failing_too(telling, known),
        error(incidents).trim().to_owned(),
        shared.to_owned(),
    ];
    let said = sentences.into_iter().filter(|sentence| !sentence.is_empty());
    said.collect::<Vec<_>>().join(" ")
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
            Some(_) => format!(
                "{} has been up for 10 minutes, after going down {}, {span}; it was down for {}.",
                what_is(incident),
                fell_times(incident),
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
            Some(_) => format!("{name} after going down {} in {lasted}", fell_times(incident)),
            None => format!("{name} after {lasted}"),
        }
    });
    let (whose, again) = match what {
        What::Heard => ("probe", "heard"),
        What::Seen => ("node", "judged"),
        _ => ("node", "up"),
    };
    format!(
        "{} are {again} again: {}.",
        words::count(incidents.len(), whose),
        listed(each, ", ")
    )
}

/// Probes that went silent, or nodes of which nothing is known.
fn lack(what: What, incidents: &[Incident], known: Known<'_>) -> String {
    let (since, names) = (since(incidents), all(incidents));
    let count = |word| words::count(incidents.len(), word);
    let is_one = incidents.len() == 1;
    match what {
        What::Silent if is_one => {
            let whose = incidents.iter().map(|incident| whose(incident, known));
            let whose: String = whose
                .filter(|whose| !whose.is_empty())
                .map(|whose| format!(" {whose}"))
                .collect();
            let with_node = incidents.iter().find(|incident| incident.group.is_some());
            let caveat = with_node.and_then(|incident| incident.caveat.as_deref());
            let blame = caveat.unwrap_or("No node is blamed.");
            let ask = first_of_all(incidents);
            format!("Probe {names} is silent since {since} UTC. {blame}{whose} {ask}sk its worker {ASK}")
        }
        What::Silent => format!(
            "{} are silent since {since} UTC: {names}. No node is blamed. {}sk each one's worker {ASK}",
            count("probe"),
            first_of_all(incidents)
        ),
        What::NobodyMayJudge if is_one && is_forbidden(incidents) => {
            format!("{names}: no probe may ask it since {since} UTC. {FORBIDDEN}")
        }
        What::NobodyMayJudge if is_one => {
            format!("{names}: measured, but nobody may judge it since {since} UTC.")
        }
        What::NobodyMayJudge if is_forbidden(incidents) => format!(
            "{}: no probe may ask them since {since} UTC: {names}. {FORBIDDEN}",
            count("node")
        ),
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

/// Whether every probe is forbidden to ask them, by what was noted of each.
fn is_forbidden(incidents: &[Incident]) -> bool {
    incidents
        .iter()
        .all(|incident| incident.caveat.as_deref() == Some(FORBIDDEN))
}

/// "A", or what to do before where most probes are silent: the page gives the same advice.
fn first_of_all(incidents: &[Incident]) -> String {
    let caveats = incidents.iter().filter_map(|incident| incident.caveat.as_deref());
    let is_most = caveats.into_iter().any(|caveat| caveat.contains(OWN_NETWORK));
    match is_most {
        true => format!("Most probes are silent: {OWN_NETWORK} Then a"),
        false => "A".to_owned(),
    }
}

/// What to do about a silent probe.
const ASK: &str = "to look at `systemctl status isochrone-probe` on its server.";

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
    joined(incidents, name)
}

fn joined(incidents: &[Incident], word: impl Fn(&Incident) -> String) -> String {
    listed(incidents.iter().map(word), ", ")
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
    format!(
        "{}, while this collector was off or the results were late.",
        listed(each, "; ")
    )
}

fn still_down(targets: &[TargetId], known: Known<'_>) -> String {
    match names(targets, known) {
        names if names.is_empty() => String::new(),
        names => format!(" Still down: {names}."),
    }
}

fn up_for_now(targets: &[TargetId], known: Known<'_>) -> String {
    match (names(targets, known), targets.len()) {
        (names, _) if names.is_empty() => String::new(),
        (name, 1) => format!(" Up as well, but it comes and goes: {name}."),
        (names, _) => format!(" Up as well, but they come and go: {names}."),
    }
}

fn names(targets: &[TargetId], (name, ..): Known<'_>) -> String {
    listed(targets.iter().filter_map(|target| name(*target)), ", ")
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
