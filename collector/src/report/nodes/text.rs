//! The report for people: text of 100 columns, Markdown, HTML, CSV.

use std::fmt::Write as _;

use isochrone_base::words;
use isochrone_coverage::report::DEMO;

use super::{DayReport, NodeReport, NodesReport, OutageReport};
use crate::report::html;

const HEAD: [&str; 7] = [
    "day (UTC)",
    "checks",
    "status ok",
    "asset ok",
    "TTFB p50/p90 ms",
    "status TTFB ms",
    "vantages",
];
/// Of these, as many fit 100 columns of text.
const TEXT_COLUMNS: usize = 6;
const OUTAGES: [&str; 6] = ["start (UTC)", "end", "duration", "check", "cause", "seen by"];
const NOTE: &str = "A node's own worker's probe is not counted. Shares are of the judged checks in brackets; \
404 and 421 are no failures. TTFB is of cached assets (of a plain HTTP node: its page), from first byte of the \
name look-up on; status answers stand apart.";

impl NodesReport {
    /// Text of at most 100 columns.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.demo();
        let _infallible = writeln!(text, "{}\n{}", self.title(), words::wrapped(NOTE, 100));
        if self.nodes.is_empty() {
            text.push_str("\nNo nodes yet: add one with `isochrone-collector target add`.\n");
        }
        for node in &self.nodes {
            let _infallible = writeln!(text, "\n{}", node.title());
            let rows: Vec<_> = node.days.iter().map(|day| node.day(day)).collect();
            text.push_str(&columns(&node.head()[..TEXT_COLUMNS], &rows));
            text.push_str(&node.outages_text());
        }
        text
    }

    /// Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = self.demo();
        let _infallible = writeln!(text, "# {}\n\n{NOTE}", self.title());
        for node in &self.nodes {
            let _infallible = writeln!(text, "\n## {}\n", pipe(&node.title()));
            let rows: Vec<_> = node.days.iter().map(|day| node.day(day)).collect();
            text.push_str(&markdown_table(&node.head(), &rows));
            let rows: Vec<_> = node.outages.iter().map(OutageReport::row).collect();
            if rows.is_empty() {
                let _infallible = writeln!(text, "\n{}.", node.no_outages());
            } else {
                text.push_str("\nOutages\n\n");
                text.push_str(&markdown_table(&OUTAGES, &rows));
            }
        }
        text
    }

    /// One page that needs nothing else.
    #[must_use]
    pub fn html(&self) -> String {
        let mut body = format!("<p class=note>{}</p>\n", html::escape(NOTE));
        for node in &self.nodes {
            let _infallible = writeln!(body, "<h2>{}</h2>", html::escape(&node.title()));
            let rows: Vec<_> = node.days.iter().map(|day| node.day(day)).collect();
            body.push_str(&html::table(&node.head(), &rows));
            let rows: Vec<_> = node.outages.iter().map(OutageReport::row).collect();
            if rows.is_empty() {
                let _infallible = writeln!(body, "<p class=none>{}.</p>", node.no_outages());
            } else {
                body.push_str(&html::table(&OUTAGES, &rows));
            }
        }
        html::page(&self.title(), self.is_demo(), &body)
    }

    /// The days as CSV, one line for each node and day; what was not measured is empty.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "node,day,checks,status_ok,status_checks,asset_ok,asset_checks,http_ok,http_checks,ttfb_p50_ms,\
             ttfb_p90_ms,ttfb_samples,status_ttfb_p50_ms,status_ttfb_p90_ms,status_ttfb_samples,absent,unjudged,\
             vantages,outages,source\n",
        );
        for node in &self.nodes {
            for day in &node.days {
                let outages = node
                    .outages
                    .iter()
                    .filter(|outage| outage.start.starts_with(&day.day))
                    .count();
                let figure = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
                let fields = [
                    quoted(&node.node),
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
                    self.source.to_owned(),
                ];
                let _infallible = writeln!(text, "{}", fields.join(","));
            }
        }
        text
    }

    fn title(&self) -> String {
        let minutes = |instant: &str| instant.get(..16).unwrap_or(instant).replace('T', " ");
        format!("Nodes from {} to {} UTC", minutes(&self.from), minutes(&self.to))
    }

    fn is_demo(&self) -> bool {
        self.source == "demo"
    }

    fn demo(&self) -> String {
        if self.is_demo() {
            format!("{DEMO}\n")
        } else {
            String::new()
        }
    }
}

impl NodeReport {
    fn title(&self) -> String {
        let parts = [
            Some(self.node.as_str()),
            self.worker.as_deref(),
            Some(self.place.as_str()),
            self.removed.then_some("removed since"),
        ];
        let parts: Vec<_> = parts
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect();
        parts.join(" · ")
    }

    fn is_http(&self) -> bool {
        self.days.iter().any(|day| day.http_checks > 0)
    }

    fn head(&self) -> [&'static str; 7] {
        let mut head = HEAD;
        if self.is_http() {
            head[2] = "page ok";
        }
        head
    }

    fn day(&self, day: &DayReport) -> Vec<String> {
        let (first, checks) = match self.is_http() {
            true => (day.http_ok, day.http_checks),
            false => (day.status_ok, day.status_checks),
        };
        if day.checks == 0 {
            let mut row = vec![day.day.clone(), "0".to_owned(), "no data".to_owned()];
            row.resize(HEAD.len(), "-".to_owned());
            return row;
        }
        vec![
            day.day.clone(),
            day.checks.to_string(),
            share(first, checks),
            share(day.asset_ok, day.asset_checks),
            times(day.ttfb_p50_ms, day.ttfb_p90_ms, day.ttfb_samples),
            times(
                day.status_ttfb_p50_ms,
                day.status_ttfb_p90_ms,
                day.status_ttfb_samples,
            ),
            day.vantages.to_string(),
        ]
    }

    /// Silence is no data: it says nothing about outages.
    fn no_outages(&self) -> &'static str {
        if self.days.iter().all(|day| day.checks == 0) {
            "Not measured: whether it was out cannot be told"
        } else {
            "No outages seen"
        }
    }

    fn outages_text(&self) -> String {
        if self.outages.is_empty() {
            return format!("  {}\n", self.no_outages());
        }
        let mut text = String::from("  outages\n");
        for outage in &self.outages {
            let failure = outage.failure.as_deref().unwrap_or("-");
            let line = format!(
                "    {} to {} ({}) {}, {}; {}",
                minutes(&outage.start),
                outage.end.as_deref().map_or("now".to_owned(), minutes),
                outage.duration(),
                outage.check,
                outage.where_at(),
                failure
            );
            let _infallible = writeln!(text, "{}", cut(&line, 100));
            let seen = words::wrapped(&format!("seen by {}", outage.vantages.join(", ")), 94);
            for line in seen.lines() {
                let _infallible = writeln!(text, "      {line}");
            }
        }
        text
    }
}

impl OutageReport {
    fn duration(&self) -> String {
        words::duration((self.duration_s * 1_000.0) as u64)
    }

    fn where_at(&self) -> &'static str {
        if self.cause == "node" {
            "at the node"
        } else {
            "on some paths"
        }
    }

    fn row(&self) -> Vec<String> {
        vec![
            minutes(&self.start),
            self.end.as_deref().map_or("goes on".to_owned(), minutes),
            self.duration(),
            self.check.to_string(),
            match &self.failure {
                Some(failure) => format!("{}; {failure}", self.where_at()),
                None => self.where_at().to_owned(),
            },
            self.vantages.join(", "),
        ]
    }
}

/// `2026-11-22 02:58:03` of an RFC 3339 instant.
fn minutes(instant: &str) -> String {
    instant.get(..19).unwrap_or(instant).replace('T', " ")
}

/// Never rounded up to 100 %.
fn share(share: Option<f64>, checks: u64) -> String {
    match share {
        None => "no data".to_owned(),
        Some(share) if share >= 1.0 => format!("100 % ({checks})"),
        Some(share) => format!("{:.2} % ({checks})", (share * 10_000.0).floor() / 100.0),
    }
}

fn times(p50: Option<f64>, p90: Option<f64>, samples: u64) -> String {
    match (p50, p90) {
        (Some(p50), Some(p90)) => format!("{} / {} ({samples})", short(p50), short(p90)),
        _ => "-".to_owned(),
    }
}

/// Three digits are enough for people; JSON and CSV hold all.
fn short(ms: f64) -> String {
    if ms < 99.95 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}

/// Columns as wide as their widest cell: the first to the left, the rest to the right.
fn columns(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = format!("  {:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            let _infallible = write!(line, "  {cell:>width$}");
        }
        let _infallible = writeln!(text, "{}", cut(line.trim_end(), 100));
    }
    text
}

fn markdown_table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let cells: Vec<_> = row.iter().map(|cell| pipe(cell)).collect();
        let _infallible = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

fn pipe(text: &str) -> String {
    text.replace('|', "\\|")
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// At most `max` characters; says with an ellipsis where something is missing.
pub(in crate::report) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max - 1).collect();
    format!("{kept}…")
}
