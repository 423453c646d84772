//! A measured target as text for a person and as JSON for a program.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use isochrone_proto::kind::Kind;
use serde_json::{Value, json};

use super::Report;
use super::advice::advice;
use crate::connect::{ConnectReport, Phases};
use crate::http::{AbsenceReason, Answer, AnswerKind, CheckOutcome, CheckReport};
use crate::reach::{EndpointUrl, Failure, Lint};

pub(super) fn text(target: &EndpointUrl, checks: &[(Kind, Report)]) -> String {
    let mut out = format!("{target}\n");
    for lint in checks.first().iter().flat_map(|(_, report)| report.lints()) {
        line(&mut out, format_args!("note: {}", lint.words()));
    }
    for (kind, report) in checks {
        out.push('\n');
        check(&mut out, *kind, report);
    }
    out
}

fn check(out: &mut String, kind: Kind, report: &Report) {
    let at = report
        .address()
        .map_or_else(String::new, |address| format!("  {address}"));
    let head = format!("{kind}{at}");
    match report {
        Report::Request(report) => request(out, &head, report),
        Report::Connect(report) => connection(out, &head, report),
    }
    if let Some(expiry) = report.certificate_end() {
        line(out, format_args!("  certificate valid until {expiry}"));
    }
}

fn request(out: &mut String, head: &str, report: &CheckReport) {
    match &report.outcome {
        CheckOutcome::Answered(answer) => {
            line(out, format_args!("{head}  {}", summary(answer)));
            bars(out, &answer.phases.parts(), answer.phases.total());
        }
        CheckOutcome::Absent(absence) => {
            let why = match absence.reason {
                AbsenceReason::NotFound => "the node is up, and does not know this object (404)",
                AbsenceReason::NotServed => {
                    "the node is up, and says that the object is in no bucket of its own (421)"
                }
            };
            line(out, format_args!("{head}  {why}: {}", absence.text));
        }
        CheckOutcome::Failed(failure) => failed(out, head, failure),
    }
}

fn connection(out: &mut String, head: &str, report: &ConnectReport) {
    match &report.result {
        Ok(phases) => {
            line(out, format_args!("{head}  connected, nothing asked"));
            bars(out, &phases.parts(), phases.total());
        }
        Err(failure) => failed(out, head, failure),
    }
}

fn failed(out: &mut String, head: &str, failure: &Failure) {
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
            advice(failure.cause)
        ),
    );
}

impl Report {
    fn lints(&self) -> &[Lint] {
        match self {
            Self::Request(report) => &report.lints,
            Self::Connect(_) => &[], // the path of its URL does not matter
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Request(report) => report.address,
            Self::Connect(report) => report.address,
        }
    }

    fn certificate_end(&self) -> Option<jiff::Timestamp> {
        let not_after = match self {
            Self::Request(report) => report.certificate_not_after,
            Self::Connect(report) => report.certificate_not_after,
        };
        not_after.and_then(|at| jiff::Timestamp::from_second(at).ok())
    }
}

/// As much of a server's words as a line bears; the JSON has all that was kept.
fn start_of(words: &str) -> String {
    match words.char_indices().nth(WORDS_COLUMNS) {
        Some((end, _)) => format!("{}…", words[..end].trim_end()),
        None => words.to_owned(),
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

fn bars(out: &mut String, parts: &[(&str, Duration)], total: Duration) {
    for (name, part) in parts {
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
        .map(|(kind, report)| check_json(*kind, report))
        .collect();
    json!({ "schema": "isochrone.measure/1", "target": target.as_str(), "checks": checks })
}

fn check_json(kind: Kind, report: &Report) -> Value {
    let mut value = json!({
        "kind": kind.to_string(),
        "family": kind.family.digit().to_string(),
        "address": report.address().map(|address| address.to_string()),
        "certificate_not_after": report.certificate_end().map(|at| at.to_string()),
        "lints": report.lints().iter().map(|lint| lint.words()).collect::<Vec<_>>(),
    });
    let details = match report {
        Report::Request(report) => match &report.outcome {
            CheckOutcome::Answered(answer) => answer_json(answer),
            CheckOutcome::Absent(absence) => json!({
                "outcome": "absent",
                "cause": absence.reason.cause().word(),
                "text": absence.text.as_str(),
                "elapsed_ms": in_milliseconds(absence.elapsed),
            }),
            CheckOutcome::Failed(failure) => failed_json(failure),
        },
        Report::Connect(report) => match &report.result {
            Ok(phases) => connected_json(phases),
            Err(failure) => failed_json(failure),
        },
    };
    if let (Some(value), Value::Object(details)) = (value.as_object_mut(), details) {
        value.extend(details);
    }
    value
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

fn connected_json(phases: &Phases) -> Value {
    json!({
        "outcome": "connected",
        "phases": {
            "resolve_ms": in_milliseconds(phases.resolve()),
            "connect_ms": in_milliseconds(phases.connect()),
            "tls_ms": in_milliseconds(phases.tls()),
            "unattributed_ms": in_milliseconds(phases.unattributed()),
            "total_ms": in_milliseconds(phases.total()),
        },
    })
}

fn answer_json(answer: &Answer) -> Value {
    let phases = &answer.phases;
    let mut value = json!({
        "outcome": "answered",
        "status": answer.status,
        "body_bytes": answer.body_bytes,
        "capped": answer.capped,
        "phases": {
            "resolve_ms": in_milliseconds(phases.resolve()),
            "connect_ms": in_milliseconds(phases.connect()),
            "tls_ms": in_milliseconds(phases.tls()),
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
