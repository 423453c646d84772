//! The report's tables.

use isochrone_base::words::{count, date_time, duration};
use maud::html;

use super::page;
use super::values::{DayReport, NodeReport, NodesReport, OutageReport, Slice, Ttfb};
use crate::tables::{Cell, Column, Table};

const NO_DATA: &str = "no data";

/// A line for each node.
pub(super) fn overview(report: &NodesReport) -> Table {
    let columns = [
        Column::names("node"),
        Column::names("checks").page_only(),
        Column::figures("checks ok").on_page("succeeded"),
        Column::figures("outages"),
        Column::figures("TTFB p50/p90 ms").on_page("TTFB p50 / p90 ms"),
        Column::names("worker"),
        Column::names("place"),
    ];
    let rows = report.nodes.iter().map(|node| {
        let name = match node.removed {
            true => format!("{} (removed since)", node.node),
            false => node.node.clone(),
        };
        let whole = &node.whole;
        vec![
            name.into(),
            Cell::page_only(
                html! { div.wide { (page::strip(report, node)) (page::outage_marks(report, node)) } },
            ),
            share_of(whole.good, whole.judged).into(),
            match whole.judged {
                0 => "-".into(),
                _ => node.outages.len().to_string().into(),
            },
            ttfb_pair(whole.ttfb.or(whole.status_ttfb)).into(),
            node.worker.as_deref().unwrap_or("-").into(),
            node.place.as_str().into(),
        ]
    });
    Table::new("All nodes", columns).rows(rows)
}

/// A line for each day.
pub(super) fn days(node: &NodeReport) -> Table {
    let first = if is_http(node) { "page ok" } else { "status ok" };
    let connect = connects(node).then(|| Column::figures("connect ok"));
    let columns = [Column::names("day (UTC)"), Column::figures("checks")];
    let rest = [
        Column::figures(first),
        Column::figures("asset ok"),
        Column::figures("TTFB p50/p90 ms").on_page("TTFB p50 / p90 ms"),
        Column::figures("status TTFB ms").on_page("Status TTFB"),
        Column::figures("vantages").spare(),
    ];
    let columns = columns.into_iter().chain(connect).chain(rest);
    let rows = node.days.iter().map(|day| {
        let mut row = day_row(day, is_http(node));
        if connects(node) {
            row.insert(2, share(day.connect_ok, day.connect_checks).into());
        }
        row
    });
    Table::new("By day", columns).rows(rows).newest_last()
}

fn connects(node: &NodeReport) -> bool {
    node.days.iter().any(|day| day.connect_checks > 0)
}

fn is_http(node: &NodeReport) -> bool {
    node.days.iter().any(|day| day.http_checks > 0)
}

fn day_row(day: &DayReport, is_http: bool) -> Vec<Cell> {
    let (first, checks) = match is_http {
        true => (day.http_ok, day.http_checks),
        false => (day.status_ok, day.status_checks),
    };
    if day.checks == 0 {
        return [day.day.as_str(), "0", NO_DATA, "-", "-", "-", "-"]
            .map(Cell::from)
            .into();
    }
    vec![
        day.day.as_str().into(),
        day.checks.to_string().into(),
        share(first, checks).into(),
        share(day.asset_ok, day.asset_checks).into(),
        times(day.ttfb_p50_ms, day.ttfb_p90_ms, day.ttfb_samples).into(),
        times(
            day.status_ttfb_p50_ms,
            day.status_ttfb_p90_ms,
            day.status_ttfb_samples,
        )
        .into(),
        day.vantages.to_string().into(),
    ]
}

/// A line for each outage.
pub(super) fn outages(node: &NodeReport) -> Table {
    let columns = ["start (UTC)", "end", "duration", "check", "cause", "seen by"];
    let rows = node.outages.iter().map(|outage| {
        vec![
            date_time(outage.start).into(),
            outage.end.map_or("goes on".to_owned(), date_time).into(),
            lasted(outage).into(),
            failing(outage).into(),
            cause(outage).into(),
            outage.vantages.join(", ").into(),
        ]
    });
    Table::new("Outages", columns.map(Column::names))
        .rows(rows)
        .newest_last()
}

/// What the strip shows, in figures: the slices in which something failed.
pub(super) fn failures(node: &NodeReport) -> Table {
    let columns = [
        Column::names("from (UTC)"),
        Column::names("until"),
        Column::figures("judged checks"),
        Column::figures("succeeded"),
    ];
    let failed = node.slices.iter().filter(|slice| slice.good < slice.judged);
    let rows = failed.map(|slice| {
        vec![
            date_time(slice.from).into(),
            date_time(slice.until).into(),
            slice.judged.to_string().into(),
            share_of(slice.good, slice.judged).into(),
        ]
    });
    Table::new("When checks failed", columns)
        .rows(rows)
        .newest_last()
        .screen_only()
}

/// The keys of a day in JSON, in the order of the columns.
const CSV: &str = "node day checks status_ok status_checks asset_ok asset_checks http_ok http_checks ttfb_p50_ms \
    ttfb_p90_ms ttfb_samples status_ttfb_p50_ms status_ttfb_p90_ms status_ttfb_samples absent \
    unjudged vantages outages connect_ok connect_checks source";

/// The days, one line for each node and day; what was not measured is empty.
pub(super) fn csv(report: &NodesReport) -> Table {
    let of_node = |node: &'_ NodeReport| {
        let rows = node.days.iter().map(|day| csv_row(report, node, day));
        rows.collect::<Vec<_>>()
    };
    Table::new("days", CSV.split(' ').map(Column::names)).rows(report.nodes.iter().flat_map(of_node))
}

fn csv_row(report: &NodesReport, node: &NodeReport, day: &DayReport) -> Vec<Cell> {
    let begun = |outage: &&OutageReport| date_time(outage.start).starts_with(&day.day);
    let outages = node.outages.iter().filter(begun).count();
    let figure = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    [
        node.node.clone(),
        day.day.clone(),
        day.checks.to_string(),
        figure(day.status_ok),
        day.status_checks.to_string(),
        figure(day.asset_ok),
        day.asset_checks.to_string(),
        figure(day.http_ok),
        day.http_checks.to_string(),
        figure(day.ttfb_p50_ms),
        figure(day.ttfb_p90_ms),
        day.ttfb_samples.to_string(),
        figure(day.status_ttfb_p50_ms),
        figure(day.status_ttfb_p90_ms),
        day.status_ttfb_samples.to_string(),
        day.absent.to_string(),
        day.unjudged.to_string(),
        day.vantages.to_string(),
        outages.to_string(),
        figure(day.connect_ok),
        day.connect_checks.to_string(),
        report.source.to_owned(),
    ]
    .map(Cell::from)
    .into()
}

/// What stands in no share, and why.
pub(super) fn left_out(node: &NodeReport) -> Option<String> {
    let whole = &node.whole;
    let unjudged = (whole.unjudged > 0).then(|| {
        let checks = count(whole.unjudged as usize, "check");
        format!("{checks} that say nothing of the node (their vantage's own line was not proven, or nothing was sent)")
    });
    let absent = (whole.absent > 0).then(|| {
        let answers = count(whole.absent as usize, "answer");
        format!("{answers} 404 or 421 (about the object)")
    });
    let parts: Vec<String> = unjudged.into_iter().chain(absent).collect();
    (!parts.is_empty()).then(|| format!("In no share: {}.", parts.join("; ")))
}

/// How long it was measured and could not be judged, if that is worth a word.
pub(super) fn unjudged(node: &NodeReport) -> Option<String> {
    let ms = (node.nobody_may_judge_s * 1_000.0) as u64;
    (ms >= 60_000).then(|| {
        format!(
            "Measured, but nobody may judge it for {}: no two networks' proven lines reached it or failed.",
            duration(ms)
        )
    })
}

/// How often the rule would have woken somebody.
pub(super) fn pages(report: &NodesReport) -> String {
    let days = report.to.since(report.from).as_secs_f64() / 86_400.0;
    format!(
        "Asked all the while, the rule as it stands would have sent {} about nodes in these {days:.1} days.",
        count(report.would_have_paged as usize, "page")
    )
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
        "{} to {} ({}) {}, {}",
        date_time(outage.start),
        outage.end.map_or("now".to_owned(), date_time),
        lasted(outage),
        failing(outage),
        cause(outage),
    )
}

/// "connect", "status and asset", "connect, down 7 times".
fn failing(outage: &OutageReport) -> String {
    let mut checks = vec![outage.check];
    for span in &outage.checks {
        if !checks.contains(&span.check) {
            checks.push(span.check);
        }
    }
    let names: Vec<&str> = checks.iter().map(|check| check.word()).collect();
    let names = names.join(" and ");
    match outage.flapping {
        Some(openings) => format!("{names}, down {openings} times"),
        None => names,
    }
}

fn cause(outage: &OutageReport) -> String {
    let place = match outage.cause {
        "node" => "at the node",
        "source" => "at a storage source",
        "shared" => "shared with other nodes",
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

/// Never rounded up to 100 %.
fn share(share: Option<f64>, checks: u64) -> String {
    match share {
        None => NO_DATA.to_owned(),
        Some(share) if share >= 1.0 => format!("100 % ({checks})"),
        Some(share) => format!("{:.2} % ({checks})", (share * 10_000.0).floor() / 100.0),
    }
}

fn times(p50: Option<f64>, p90: Option<f64>, samples: u64) -> String {
    let ttfb = p50.zip(p90).map(|(p50_ms, p90_ms)| Ttfb { p50_ms, p90_ms });
    match ttfb {
        Some(_) => format!("{} ({samples})", ttfb_pair(ttfb)),
        None => "-".to_owned(),
    }
}

/// Three digits are enough for people; JSON and CSV hold all.
pub(super) fn ttfb_pair(ttfb: Option<Ttfb>) -> String {
    let short = |ms: f64| {
        if ms < 99.95 {
            format!("{ms:.1}")
        } else {
            format!("{ms:.0}")
        }
    };
    ttfb.map_or("-".to_owned(), |ttfb| {
        format!("{} / {}", short(ttfb.p50_ms), short(ttfb.p90_ms))
    })
}
