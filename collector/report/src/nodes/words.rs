//! What the report says in the same words in every format.

use isochrone_base::words::{count, date_time, duration};
use isochrone_proto::units::UnixMillis;

use super::values::{NodeReport, NodesReport, OutageReport, Slice, Ttfb};
use crate::shares::{floor, ms_pair, share};
use crate::words::WATCHED;

/// Its name, whose it is, where it stands.
pub(super) fn title(node: &NodeReport) -> String {
    let parts = [
        Some(node.node.as_str()),
        node.worker.as_deref(),
        Some(node.place.as_str()),
        node.removed.then_some("removed since"),
    ];
    let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" · ")
}

/// Silence is no data: it says nothing about outages.
pub(super) fn no_outages(node: &NodeReport) -> &'static str {
    match node.days.iter().all(|day| day.checks == 0) {
        true => "Not measured: whether it was out cannot be told.",
        false => "No outages seen.",
    }
}

/// `2026-11-22 00:00:40 to 2026-11-22 00:01:20 (40 s) status, at the node; connect: timeout`
pub(super) fn outage_line(outage: &OutageReport) -> String {
    format!(
        "{} to {} ({}) {}, {}{}{}",
        date_time(outage.start),
        end(outage).map_or("now".to_owned(), date_time),
        lasted(outage),
        failing(outage),
        cause(outage),
        watched(outage),
        if outage.late {
            "; found in results that came late"
        } else {
            ""
        },
    )
}

/// When it was down last: of one that comes and goes and is up at the moment, too.
pub(super) fn end(outage: &OutageReport) -> Option<UnixMillis> {
    outage.end.or(outage.up_since)
}

/// What one that comes and goes waits for while it is up.
pub(super) fn watched(outage: &OutageReport) -> &'static str {
    match outage.up_since {
        Some(_) => WATCHED,
        None => "",
    }
}

/// "connect", "status and asset", "connect, down 7 times".
pub(super) fn failing(outage: &OutageReport) -> String {
    let mut checks = vec![outage.check];
    for span in &outage.checks {
        if !checks.contains(&span.check) {
            checks.push(span.check);
        }
    }
    let names: Vec<&str> = checks.iter().map(|check| check.shown()).collect();
    let names = names.join(" and ");
    match outage.flapping {
        Some(1) => format!("{names}, down again"),
        Some(falls) => format!("{names}, down {falls} times"),
        None => names,
    }
}

pub(super) fn cause(outage: &OutageReport) -> String {
    let place = match outage.cause {
        "node" => "at the node",
        "source" => "at a storage source (left out of the availability)",
        "shared" => "shared with other nodes (what was shared is left out of the availability)",
        _ => "on some paths",
    };
    match &outage.failure {
        Some(failure) => format!("{place}; {failure}"),
        None => place.to_owned(),
    }
}

pub(super) fn lasted(outage: &OutageReport) -> String {
    duration((outage.duration_s * 1_000.0) as u64)
}

/// What a slice holds, in words.
pub(super) fn slice_line(slice: &Slice) -> String {
    let share = share_of(slice.good, slice.judged);
    format!(
        "{} to {} UTC: {share} succeeded",
        date_time(slice.from),
        date_time(slice.until)
    )
}

/// Of those that were judged.
pub(super) fn share_of(good: u64, judged: u64) -> String {
    share((judged > 0).then(|| good as f64 / judged as f64), judged)
}

/// As [`ms_pair`], where there are any.
pub(super) fn ttfb_pair(ttfb: Option<Ttfb>) -> String {
    ttfb.map_or("-".to_owned(), |ttfb| ms_pair((ttfb.p50_ms, ttfb.p90_ms)))
}

/// What stands in no share, and why.
pub(super) fn left_out(node: &NodeReport) -> Option<String> {
    let whole = &node.whole;
    let unjudged = (whole.unjudged > 0).then(|| {
        let checks = count(whole.unjudged as usize, "check");
        format!("{checks} that say nothing of the node (their vantage's own line was not proven, or nothing was sent)")
    });
    let unheard = (whole.unheard > 0).then(|| {
        let checks = count(whole.unheard as usize, "check");
        format!("{checks} by vantages that might not judge it (on its server, or failing alone too often)")
    });
    let absent = (whole.absent > 0).then(|| {
        let answers = count(whole.absent as usize, "answer");
        format!("{answers} 404 or 421 (about the object)")
    });
    let parts: Vec<String> = unheard.into_iter().chain(unjudged).chain(absent).collect();
    (!parts.is_empty()).then(|| format!("In no share: {}.", parts.join("; ")))
}

/// How long nothing could be said of it, if that is worth a word: measured and not to be judged, or not measured.
pub(super) fn unjudged(node: &NodeReport) -> Option<String> {
    let worth = |seconds: f64| Some((seconds * 1_000.0) as u64).filter(|ms| *ms >= 60_000);
    let unjudged = worth(node.nobody_may_judge_s).map(|ms| {
        format!(
            "Measured, but nobody may judge it for {}: no two networks' proven lines reached it or failed.",
            duration(ms)
        )
    });
    let unmeasured =
        worth(node.nobody_measured_s).map(|ms| format!("Measured by nobody for {}.", duration(ms)));
    let sentences: Vec<String> = unjudged.into_iter().chain(unmeasured).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// `Availability: 99.93 %, between 99.90 % and 99.95 % (99.80 % of the time is known).`
pub(super) fn availability(node: &NodeReport) -> Option<String> {
    let of = node.availability.filter(|of| of.known > 0.0)?;
    let (low, high, known) = (floor(of.low), floor(of.high), floor(of.known));
    let left_out = match (of.excluded_s * 1_000.0) as u64 {
        0..1_000 => String::new(),
        ms => format!(
            "; left out: {}, shared with other nodes or a storage source's",
            duration(ms)
        ),
    };
    let share = of.share.filter(|_| of.known >= KNOWN_MIN);
    Some(match share {
        Some(share) => format!(
            "Availability: {}, between {low} and {high} ({known} of the time is known{left_out}).",
            floor(share)
        ),
        None => format!(
            "Availability: not judged, for only {known} of the time is known (between {low} and {high}{left_out})."
        ),
    })
}

/// Where less of a time is known, nobody is judged by it.
const KNOWN_MIN: f64 = 0.95;

/// Said of a mesh in which nearness means nothing.
pub(super) fn one_place(report: &NodesReport) -> Option<&'static str> {
    report.is_one_place.then_some(isochrone_watch::judge::ONE_PLACE)
}

/// How often the rule would have woken somebody, since the first check in the window.
pub(super) fn pages(report: &NodesReport) -> String {
    let from = report.measured_from.unwrap_or(report.to).max(report.from);
    let watched = report.to.since(from);
    let days = watched.as_secs_f64() / 86_400.0;
    let these = match days < 2.0 {
        true => duration(watched.as_millis() as u64),
        false => format!("{days:.1} days"),
    };
    format!(
        "Asked all the while, the rule as it stands would have sent {} about nodes in the {these} that were measured.",
        count(report.would_have_paged as usize, "page")
    )
}
