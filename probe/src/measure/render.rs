//! A measured target as text for a person and as JSON for a program.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{
    AbsenceReason, Answer, AnswerKind, Cause, CheckOutcome, CheckReport, EndpointUrl, Failure,
};

pub(super) fn text(target: &EndpointUrl, checks: &[(String, CheckReport)]) -> String {
    let mut out = format!("{target}\n");
    for lint in checks.first().iter().flat_map(|(_, report)| &report.lints) {
        line(&mut out, format_args!("note: {}", lint.words()));
    }
    for (kind, report) in checks {
        out.push('\n');
        check(&mut out, kind, report);
    }
    out
}

fn check(out: &mut String, kind: &str, report: &CheckReport) {
    let at = report
        .address
        .map_or_else(String::new, |address| format!("  {address}"));
    match &report.outcome {
        CheckOutcome::Answered(answer) => {
            line(out, format_args!("{kind}{at}  {}", summary(answer)));
            bars(out, answer);
        }
        CheckOutcome::Absent(absence) => {
            let why = match absence.reason {
                AbsenceReason::NotFound => "the node is up, and does not know this object (404)",
                AbsenceReason::NotServed => {
                    "the node is up, and says that the object is in no bucket of its own (421)"
                }
            };
            line(out, format_args!("{kind}{at}  {why}: {}", absence.text));
        }
        CheckOutcome::Failed(failure) => {
            line(
                out,
                format_args!(
                    "{kind}{at}  FAILED in {} ({}): {}",
                    failure.phase.word(),
                    failure.cause.name(),
                    start_of(failure.text.as_str())
                ),
            );
            line(
                out,
                format_args!(
                    "  known after {}; {}",
                    milliseconds(failure.elapsed),
                    advice(failure)
                ),
            );
        }
    }
    if let Some(expiry) = report
        .certificate_not_after
        .and_then(|at| jiff::Timestamp::from_second(at).ok())
    {
        line(out, format_args!("  certificate valid until {expiry}"));
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

fn bars(out: &mut String, answer: &Answer) {
    let total = answer.phases.total();
    for (name, part) in answer.phases.parts() {
        let share = if total.is_zero() {
            0.0
        } else {
            part.as_secs_f64() / total.as_secs_f64()
        };
        let bar = "#".repeat((share * BAR_COLUMNS).round() as usize);
        line(out, format_args!("  {name:<14}{:>14}  {bar}", milliseconds(part)));
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

/// What to do next, for a person.
fn advice(failure: &Failure) -> &'static str {
    match failure.cause {
        Cause::NxDomain => "check the name's spelling and its DNS zone",
        Cause::ServFail => "the name server is at fault, not the target; try another one",
        Cause::NoAddress => "the target has no address of this family; nothing is wrong if it needs none",
        Cause::DnsTimeout => "check this machine's name servers in /etc/resolv.conf",
        Cause::ForbiddenAddress(_) => {
            "open it with allow_private in probe.toml, or --allow-private, if it is meant to be measured"
        }
        Cause::Refused => "the host is up, but nothing listens on that port",
        Cause::Unreachable => "a router on the way says that the host cannot be reached",
        Cause::NoRoute => "this machine has no route for this family; nothing is known about the target",
        Cause::Resources => {
            "this machine ran out of file descriptors, ports or memory; nothing is known about the target"
        }
        Cause::LocalFirewall => "a firewall of this machine forbids it; nothing is known about the target",
        Cause::Local => "this machine is at fault; nothing is known about the target",
        Cause::Reset => "the other side cut the connection; look for a firewall or a crashed server",
        Cause::Timeout => "nothing came in time; a firewall that drops, or a server that hangs",
        Cause::CertificateExpired => "renew the certificate",
        Cause::CertificateNotYetValid => "check the clocks of both machines",
        Cause::UnknownIssuer => {
            "the server may not send its intermediate certificate, or uses a private root (extra_roots in probe.toml)"
        }
        Cause::WrongName => "the certificate is for other names; the wrong virtual host may answer",
        Cause::BadCertificate => "the certificate cannot be used",
        Cause::TlsAlert | Cause::TlsBroken => "the port may not speak TLS, or only outdated versions of it",
        Cause::EmptyReply => "the server closed without a word; it may have crashed",
        Cause::BadAnswer => "the port does not speak HTTP/1.1",
        Cause::HeaderTooLarge | Cause::BodyTooLarge => {
            "the answer is larger than any node's; another server may answer"
        }
        Cause::TooFewBytes => "the answer broke off before its end",
        Cause::BadStatus(_) => "the server answered, but not with what was asked for",
        Cause::Redirect(_) => "redirects are not followed; measure the final URL",
        Cause::BadJson | Cause::MissingField(_) => {
            "the answer is not that of an Argus node; check the base URL"
        }
        Cause::WrongRange => "the answer is for other bytes than asked; a proxy in front may be at fault",
    }
}

pub(super) fn json(target: &EndpointUrl, checks: &[(String, CheckReport)]) -> Value {
    let checks: Vec<Value> = checks
        .iter()
        .map(|(kind, report)| check_json(kind, report))
        .collect();
    json!({ "schema": "isochrone.measure/1", "target": target.as_str(), "checks": checks })
}

fn check_json(kind: &str, report: &CheckReport) -> Value {
    let mut value = json!({
        "kind": kind,
        "family": report.family.digit().to_string(),
        "address": report.address.map(|address| address.to_string()),
        "certificate_not_after": report.certificate_not_after
            .and_then(|at| jiff::Timestamp::from_second(at).ok()).map(|at| at.to_string()),
        "lints": report.lints.iter().map(|lint| lint.words()).collect::<Vec<_>>(),
    });
    let details = match &report.outcome {
        CheckOutcome::Answered(answer) => answer_json(answer),
        CheckOutcome::Absent(absence) => json!({
            "outcome": "absent",
            "cause": match absence.reason {
                AbsenceReason::NotFound => "not-found",
                AbsenceReason::NotServed => "not-served",
            },
            "text": absence.text.as_str(),
            "elapsed_ms": in_milliseconds(absence.elapsed),
        }),
        CheckOutcome::Failed(failure) => json!({
            "outcome": "failed",
            "phase": failure.phase.word(),
            "cause": failure.cause.name(),
            "text": failure.text.as_str(),
            "elapsed_ms": in_milliseconds(failure.elapsed),
        }),
    };
    if let (Some(value), Value::Object(details)) = (value.as_object_mut(), details) {
        value.extend(details);
    }
    value
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
