//! What an answer means for the kind of check that asked: status codes, refusals, JSON, ranges.

use hyper::HeaderMap;
use hyper::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION};
use isochrone_proto::measurement::{CacheState, FailureCause};

use crate::argus::{
    self, ArgusStatus, BadStatusBody, ContentRange, DataSource, cache_state, content_length,
    is_asset_controller,
};
use crate::http::check::{AbsenceReason, AnswerKind, ByteCount, Check, Limits};
use crate::http::exchange::BodyRead;
use crate::reach::{Broken, ErrorText};

/// How a body is to be read, decided from the head alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Read at most `cap` bytes and keep `keep`; more is no error.
    Capped { cap: u64, keep: usize },
    /// Read all of it; more than `limit` is an error. Keep `keep`.
    Whole { limit: u64, keep: usize },
}

/// What an answer means.
#[derive(Debug)]
pub(crate) enum Verdict {
    Good(AnswerKind),
    Absent(AbsenceReason, ErrorText),
}

/// Decides how to read the body.
pub(crate) fn plan(check: &Check, status: u16, headers: &HeaderMap, limits: &Limits) -> Plan {
    match check {
        _ if !is_good(check, status) => Plan::Capped {
            cap: REFUSAL_BYTES as u64,
            keep: REFUSAL_BYTES,
        },
        // It is quiet until there is news, and has no end.
        Check::Http { .. } if has_type(headers, b"text/event-stream") => Plan::Capped { cap: 0, keep: 0 },
        Check::Http { .. } => Plan::Capped {
            cap: limits.body,
            keep: 0,
        },
        Check::ArgusStatus { .. } => {
            let keep = usize::try_from(limits.status_body).unwrap_or(usize::MAX);
            Plan::Whole {
                limit: limits.status_body,
                keep,
            }
        }
        Check::AssetHead { .. } => Plan::Whole { limit: 0, keep: 0 },
        Check::AssetGet { first, .. } => Plan::Capped {
            cap: u64::from(first.get()),
            keep: 0,
        },
        // What the node has to fetch first comes as fast as its source.
        Check::Throughput { .. } => Plan::Capped {
            cap: match cache_state(headers) {
                CacheState::Hit => u64::from(ByteCount::THROUGHPUT.get()),
                CacheState::Absent | CacheState::Pending | CacheState::Miss => 0,
            },
            keep: 0,
        },
    }
}

/// Judges a whole answer.
pub(crate) fn judge(
    check: &Check,
    status: u16,
    headers: &HeaderMap,
    body: &BodyRead,
) -> Result<Verdict, Broken> {
    if !is_good(check, status) {
        return refusal(check, status, headers, body);
    }
    match check {
        Check::Http { .. } => Ok(Verdict::Good(AnswerKind::Page)),
        Check::ArgusStatus { .. } => match ArgusStatus::parse(&body.kept) {
            Ok(status) => Ok(Verdict::Good(AnswerKind::Status(Box::new(status)))),
            Err(error) => {
                let cause = match &error {
                    BadStatusBody::Json(_) => FailureCause::BadJson,
                    BadStatusBody::MissingField(_) => FailureCause::MissingField,
                };
                Err(Broken::new(cause, ErrorText::of(&error)))
            }
        },
        Check::AssetHead { .. } => {
            check_argus(headers)?;
            Ok(Verdict::Good(asset(headers, content_length(headers))))
        }
        Check::AssetGet { first, .. } => {
            let size = check_range(status, headers, body, u64::from(first.get()))?;
            check_argus(headers)?;
            if body.bytes == 0 {
                return Err(not_argus("200 with an empty body"));
            }
            Ok(Verdict::Good(asset(headers, size)))
        }
        Check::Throughput { .. } => throughput(status, headers, body),
    }
}

/// A range that was cut short, by the object's own size too, says nothing of the pace.
fn throughput(status: u16, headers: &HeaderMap, body: &BodyRead) -> Result<Verdict, Broken> {
    check_argus(headers)?;
    if cache_state(headers) != CacheState::Hit {
        return Ok(Verdict::Good(asset(headers, None)));
    }
    let asked = u64::from(ByteCount::THROUGHPUT.get());
    let size = check_range(status, headers, body, asked)?;
    if body.bytes < asked {
        let text = format!(
            "{} bytes came; a throughput is measured over {asked}, of a larger object",
            body.bytes
        );
        return Err(Broken::new(FailureCause::BodyTooShort, ErrorText::new(&text)));
    }
    Ok(Verdict::Good(asset(headers, size)))
}

/// `x-cache` where it counts: 416 and 500 can carry it too.
pub(crate) fn counted_cache(check: &Check, status: u16, headers: &HeaderMap) -> CacheState {
    match check {
        Check::AssetHead { .. } | Check::AssetGet { .. } | Check::Throughput { .. }
            if matches!(status, 200 | 206 | 304) =>
        {
            cache_state(headers)
        }
        _ => CacheState::Absent,
    }
}

fn is_good(check: &Check, status: u16) -> bool {
    match check {
        Check::Http { .. } => (200..300).contains(&status),
        Check::ArgusStatus { .. } | Check::AssetHead { .. } => status == 200,
        Check::AssetGet { .. } | Check::Throughput { .. } => matches!(status, 200 | 206),
    }
}

fn asset(headers: &HeaderMap, object_bytes: Option<u64>) -> AnswerKind {
    AnswerKind::Asset {
        cache: cache_state(headers),
        source: DataSource::of(headers),
        object_bytes,
    }
}

/// A success that no Argus node gives came from another server in front of it, or in its place.
fn check_argus(headers: &HeaderMap) -> Result<(), Broken> {
    if has_type(headers, b"text/html") {
        return Err(not_argus("a success with a page of HTML"));
    }
    match (cache_state(headers), argus::cache_words(headers)) {
        (CacheState::Absent, None) => Err(not_argus("a success without x-cache")),
        (CacheState::Absent, Some(words)) => Err(not_argus(&format!(
            "a success whose x-cache says {words}, which no Argus node says"
        ))),
        _ => Ok(()),
    }
}

fn has_type(headers: &HeaderMap, name: &[u8]) -> bool {
    let value = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    value.is_some_and(|value| value.to_ascii_lowercase().starts_with(name))
}

fn not_argus(text: &str) -> Broken {
    Broken::new(FailureCause::NotArgus, ErrorText::new(text))
}

/// The body must hold what the head promised, up to what was asked. More is no error: on a miss Argus sends
/// up to 1 MiB for a range of 100 bytes.
fn check_range(status: u16, headers: &HeaderMap, body: &BodyRead, asked: u64) -> Result<Option<u64>, Broken> {
    if status == 200 {
        return Ok(content_length(headers));
    }
    let range = ContentRange::of(headers).filter(|range| range.first == 0 && range.bytes() <= asked);
    let Some(range) = range else {
        let got = headers
            .get(CONTENT_RANGE)
            .map_or("none".into(), |value| String::from_utf8_lossy(value.as_bytes()));
        let text = format!("asked for bytes 0-{}, got content-range {got}", asked - 1);
        return Err(Broken::new(FailureCause::WrongRange, ErrorText::new(&text)));
    };
    if body.bytes < range.bytes() {
        let text = format!(
            "{} of the {} bytes that content-range announces",
            body.bytes,
            range.bytes()
        );
        return Err(Broken::new(FailureCause::BodyTooShort, ErrorText::new(&text)));
    }
    Ok(range.size)
}

fn refusal(check: &Check, status: u16, headers: &HeaderMap, body: &BodyRead) -> Result<Verdict, Broken> {
    if status == 304 {
        let text = "304 Not Modified, though the check asked without a condition: a cache in front is wrong";
        return Err(Broken::new(FailureCause::BadStatus, ErrorText::new(text)));
    }
    if (300..400).contains(&status) {
        let to = headers.get(LOCATION).map_or("nowhere".into(), |value| {
            String::from_utf8_lossy(value.as_bytes())
        });
        return Err(Broken::new(
            FailureCause::Redirect,
            ErrorText::new(&format!("{status} to {to}")),
        ));
    }
    let is_asset = check.kind().is_asset();
    let message = argus::refusal_message(&body.kept);
    let reason = match status {
        404 => Some(AbsenceReason::NotFound),
        421 => Some(AbsenceReason::NotServed),
        _ => None,
    };
    if let Some(reason) = reason
        && is_asset
        && (message.is_some() || is_asset_controller(headers))
    {
        let text = message.unwrap_or_else(|| format!("{status} without a body"));
        return Ok(Verdict::Absent(reason, ErrorText::new(&text)));
    }
    let said = String::from_utf8_lossy(&body.kept);
    let text = if said.trim().is_empty() {
        status.to_string()
    } else {
        format!("{status}: {}", said.trim())
    };
    Err(Broken::new(FailureCause::BadStatus, ErrorText::new(&text)))
}

/// How much of a refusal's body is read for its words.
const REFUSAL_BYTES: usize = 4096;
