//! A measured target as text for a person and as JSON for a program.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use isochrone_proto::kind::{Check, Kind};
use serde_json::{Value, json};

use super::Report;
use super::advice::advice;
use crate::connect::{ConnectReport, Phases};
use crate::http::{AbsenceReason, Answer, AnswerKind, CheckOutcome, CheckReport};
use crate::reach::{EndpointUrl, Failure, Lint, NEVER, Tried, instant};

pub(super) fn text(target: &EndpointUrl, checks: &[(Kind, Report)]) -> String {
    let mut out = format!("{target}\n");
    let mut noted = Vec::new();
    for lint in checks.iter().flat_map(|(_, report)| report.lints()) {
        if !noted.contains(lint) {
            noted.push(*lint);
            line(&mut out, format_args!("note: {}", lint.words()));
        }
    }
    for (kind, report) in checks {
        out.push('\n');
        check(&mut out, Steps::of(target), *kind, report);
    }
    out
}

/// Which steps to an open stream the target asks for: the phases of the others took no time, because they did not
/// happen.
#[derive(Clone, Copy)]
struct Steps {
    resolve: bool,
    tls: bool,
}

impl Steps {
    fn of(target: &EndpointUrl) -> Self {
        Self {
            resolve: target.address().is_none(),
            tls: target.is_https(),
        }
    }

    /// Whether the phase of this name happened.
    fn include(self, phase: &str) -> bool {
        match phase {
            "resolve" => self.resolve,
            "tls" => self.tls,
            _ => true,
        }
    }

    fn resolve_ms(self, took: Duration) -> Option<f64> {
        self.resolve.then(|| in_milliseconds(took))
    }

    fn tls_ms(self, took: Duration) -> Option<f64> {
        self.tls.then(|| in_milliseconds(took))
    }
}

fn check(out: &mut String, steps: Steps, kind: Kind, report: &Report) {
    let at = report
        .address()
        .map_or_else(String::new, |address| format!("  {address}"));
    let head = format!("{kind}{at}");
    match report {
        Report::Request(report) => {
            request(out, steps, &head, report);
            if kind.check == Check::Throughput && report.outcome.answer().is_some() {
                throughput(out, report);
            }
        }
        Report::Connect(report) => connection(out, steps, &head, report),
    }
    if report.is_reached() {
        for tried in report.tried() {
            let (ip, word) = (tried.address.ip(), tried.cause.word());
            let text = start_of(tried.text.as_str());
            line(
                out,
                format_args!("  {ip} was tried before and did not answer ({word}): {text}"),
            );
        }
    }
    match report.certificate_end() {
        Some(expiry) if expiry == NEVER => line(out, format_args!("  certificate without an end ({expiry})")),
        Some(expiry) => line(out, format_args!("  certificate valid until {expiry}")),
        None => {}
    }
}

fn request(out: &mut String, steps: Steps, head: &str, report: &CheckReport) {
    match &report.outcome {
        CheckOutcome::Answered(answer) => {
            line(out, format_args!("{head}  {}", summary(answer)));
            bars(out, steps, &answer.phases.parts(), answer.phases.total());
        }
        CheckOutcome::Absent(absence) => {
            let why = match absence.reason {
                AbsenceReason::NotFound => "the node is up, and does not know this object (404)",
                AbsenceReason::NotServed => {
                    "the node is up, and says that the object is in no bucket of its own (421)"
                }
            };
            line(
                out,
                format_args!("{head}  {why}: {}", start_of(absence.text.as_str())),
            );
        }
        CheckOutcome::Failed(failure) => failed(out, head, failure, report.address),
    }
}

/// How fast the object came.
fn throughput(out: &mut String, report: &CheckReport) {
    match report.to_outcome().mbps(Check::Throughput) {
        Some(mbps) => line(
            out,
            format_args!("  {mbps:.1} Mbps from the first byte of the object to the last"),
        ),
        None => line(
            out,
            format_args!(
                "  no throughput: the node does not have the object in its cache; ask again once it has"
            ),
        ),
    }
}

fn connection(out: &mut String, steps: Steps, head: &str, report: &ConnectReport) {
    match &report.result {
        Ok(phases) => {
            line(out, format_args!("{head}  connected, nothing asked"));
            bars(out, steps, &phases.parts(), phases.total());
        }
        Err(failure) => failed(out, head, failure, report.address),
    }
}

fn failed(out: &mut String, head: &str, failure: &Failure, address: Option<SocketAddr>) {
    let address = address.map(|address| address.ip());
    line(
        out,
        format_args!(
            "{head}  FAILED in {} ({}): {}",
            failure.phase.word(),
            failure.cause.word(),
            start_of(failure.text.as_str())
        ),
    );
    line(
        out,
        format_args!(
            "  known after {}; {}",
            milliseconds(failure.elapsed),
            advice(failure, address)
        ),
    );
}

impl Report {
    fn lints(&self) -> &[Lint] {
        match self {
            Self::Request(report) => &report.lints,
            Self::Connect(report) => &report.lints,
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Request(report) => report.address,
            Self::Connect(report) => report.address,
        }
    }

    /// Addresses that did not answer before that one.
    fn tried(&self) -> &[Tried] {
        match self {
            Self::Request(report) => &report.tried,
            Self::Connect(report) => &report.tried,
        }
    }

    /// Whether it came further than to failing: a failure's own words name what was tried.
    fn is_reached(&self) -> bool {
        self.failure().is_none()
    }

    fn certificate_end(&self) -> Option<String> {
        let not_after = match self {
            Self::Request(report) => report.certificate_not_after,
            Self::Connect(report) => report.certificate_not_after,
        };
        not_after.map(instant)
    }
}

/// As much of a server's words as a line bears, each run of blanks as one; the JSON has all that was kept.
fn start_of(words: &str) -> String {
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(WORDS_COLUMNS) {
        Some((end, _)) => format!("{}…", words[..end].trim_end()),
        None => words,
    }
}

fn summary(answer: &Answer) -> String {
    let mut text = format!("HTTP {}, {} bytes read", answer.status, answer.body_bytes);
    if answer.capped {
        text.push_str(" (stopped there)");
    }
    match &answer.kind {
        AnswerKind::Page => {}
        AnswerKind::Status(status) => {
            let (version, up, objects) = (
                &status.version,
                Duration::from_secs(status.uptime_s),
                status.objects_in_cache,
            );
            let up = humantime::format_duration(up);
            text.push_str(&format!(", Argus {version}, up {up}, {objects} objects in cache"));
        }
        AnswerKind::Asset { cache, .. } => text.push_str(&format!(", x-cache {}", cache.word())),
    }
    if answer.uncached_first_byte().is_some() && answer.body_bytes > 0 {
        text.push_str(": its first byte measures the node's source, not the node");
    }
    text
}

fn bars(out: &mut String, steps: Steps, parts: &[(&str, Duration)], total: Duration) {
    for (name, part) in parts.iter().filter(|(name, _)| steps.include(name)) {
        let share = if total.is_zero() {
            0.0
        } else {
            part.as_secs_f64() / total.as_secs_f64()
        };
        let bar = "#".repeat((share * BAR_COLUMNS).round() as usize);
        line(
            out,
            format_args!("  {name:<14}{:>14}  {bar}", milliseconds(*part)),
        );
    }
    line(out, format_args!("  {:<14}{:>14}", "total", milliseconds(total)));
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing into a String cannot fail");
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.3} ms", in_milliseconds(duration))
}

fn in_milliseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e6
}

pub(super) fn json(target: &EndpointUrl, checks: &[(Kind, Report)]) -> Value {
    let checks: Vec<Value> = checks
        .iter()
        .map(|(kind, report)| check_json(Steps::of(target), *kind, report))
        .collect();
    json!({ "schema": "isochrone.measure/1", "target": target.as_str(), "checks": checks })
}

fn check_json(steps: Steps, kind: Kind, report: &Report) -> Value {
    let mut value = json!({
        "kind": kind.to_string(),
        "family": kind.family.digit().to_string(),
        "address": report.address().map(|address| address.to_string()),
        "certificate_not_after": report.certificate_end(),
        "tried": report.tried().iter().map(tried_json).collect::<Vec<_>>(),
        "lints": report.lints().iter().map(|lint| lint.words()).collect::<Vec<_>>(),
    });
    let details = match report {
        Report::Request(report) => match &report.outcome {
            CheckOutcome::Answered(answer) => answer_json(steps, answer),
            CheckOutcome::Absent(absence) => json!({
                "outcome": "absent",
                "cause": absence.reason.cause().word(),
                "text": absence.text.as_str(),
                "elapsed_ms": in_milliseconds(absence.elapsed),
            }),
            CheckOutcome::Failed(failure) => failed_json(failure),
        },
        Report::Connect(report) => match &report.result {
            Ok(phases) => connected_json(steps, phases),
            Err(failure) => failed_json(failure),
        },
    };
    if let (Check::Throughput, Report::Request(report)) = (kind.check, report) {
        value["mbps"] = json!(report.to_outcome().mbps(kind.check));
    }
    if let (Some(value), Value::Object(details)) = (value.as_object_mut(), details) {
        value.extend(details);
    }
    value
}

fn tried_json(tried: &Tried) -> Value {
    json!({
        "address": tried.address.to_string(),
        "cause": tried.cause.word(),
        "text": tried.text.as_str(),
    })
}

fn failed_json(failure: &Failure) -> Value {
    json!({
        "outcome": "failed",
        "phase": failure.phase.word(),
        "cause": failure.cause.word(),
        "text": failure.text.as_str(),
        "elapsed_ms": in_milliseconds(failure.elapsed),
    })
}

fn connected_json(steps: Steps, phases: &Phases) -> Value {
    json!({
        "outcome": "connected",
        "phases": {
            "resolve_ms": steps.resolve_ms(phases.resolve()),
            "connect_ms": in_milliseconds(phases.connect()),
            "tls_ms": steps.tls_ms(phases.tls()),
            "unattributed_ms": in_milliseconds(phases.unattributed()),
            "total_ms": in_milliseconds(phases.total()),
        },
    })
}

fn answer_json(steps: Steps, answer: &Answer) -> Value {
    let phases = &answer.phases;
    let mut value = json!({
        "outcome": "answered",
        "status": answer.status,
        "body_bytes": answer.body_bytes,
        "capped": answer.capped,
        "phases": {
            "resolve_ms": steps.resolve_ms(phases.resolve()),
            "connect_ms": in_milliseconds(phases.connect()),
            "tls_ms": steps.tls_ms(phases.tls()),
            "first_byte_ms": in_milliseconds(phases.first_byte()),
            "transfer_ms": in_milliseconds(phases.transfer()),
            "unattributed_ms": in_milliseconds(phases.unattributed()),
            "total_ms": in_milliseconds(phases.total()),
        },
    });
    match &answer.kind {
        AnswerKind::Page => {}
        AnswerKind::Status(status) => value["argus"] = json!(status),
        AnswerKind::Asset {
            cache,
            source,
            object_bytes,
        } => {
            value["x_cache"] = json!(cache);
            value["x_data_source"] = json!(source);
            value["object_bytes"] = json!(object_bytes);
        }
    }
    value
}

const BAR_COLUMNS: f64 = 50.0;
/// Columns of a line that a server's own words may take.
const WORDS_COLUMNS: usize = 100;
