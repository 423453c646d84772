//! `assets/ID`: hits, misses, pending downloads, ranges, and what goes wrong with them.

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_MATCH, IF_NONE_MATCH,
};
use hyper::http::response::Builder;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::sync::watch;

use super::body::{Body, SourceBroke, exception, head, json_body, validation, with_body};
use super::cache::{Found, Object, Progress, STEP_BYTES, Supply, Whereabouts, transfer_time};
use super::range::{Asked, asked};
use super::{Indexer, Shared};

/// Answers a GET or HEAD of `assets/{id}`.
pub(super) async fn answer(shared: &Shared, id: &str, request: &Request<Incoming>) -> Response<Body> {
    if !id.bytes().any(|byte| byte.is_ascii_digit()) {
        return validation(
            StatusCode::BAD_REQUEST,
            "request.params.objectId should match pattern \"\\d+\"",
        );
    }
    // `12abc`, `-1` and `007` pass the validator, and no such object exists.
    let number = id.parse::<u64>().ok().filter(|number| number.to_string() == id);
    let is_head = *request.method() == Method::HEAD;
    let found = number.map_or(Found::NotCached(None), |number| shared.cache.find(number));
    match found {
        Found::Cached(object) if is_head => head_answer(&object, "hit"),
        Found::Cached(object) => hit(shared, object, request.headers()),
        Found::Pending(object, _) if is_head => head_answer(&object, "pending"),
        Found::Pending(object, progress) => pending(shared, object, progress, request.headers()).await,
        Found::NotCached(known) => {
            let known = match ask_indexer(shared).await {
                Ok(()) => known,
                Err(failed) => return *failed,
            };
            let missing = !known
                .as_ref()
                .is_some_and(|object| object.place != Whereabouts::NotUploaded);
            if is_head && number.is_some_and(|number| shared.cache.head_missed(number, missing)) && !missing {
                return refusal(StatusCode::NOT_FOUND, "Data object does not exist");
            }
            not_cached(shared, known, request).await
        }
    }
}

async fn ask_indexer(shared: &Shared) -> Result<(), Box<Response<Body>>> {
    match shared.with(|controls| controls.indexer) {
        Indexer::Up => Ok(()),
        Indexer::Down => Err(Box::new(exception(
            "request to http://indexer:4000/graphql failed, reason: connect ECONNREFUSED",
        ))),
        Indexer::Silent => std::future::pending().await,
    }
}

async fn not_cached(shared: &Shared, known: Option<Object>, request: &Request<Incoming>) -> Response<Body> {
    let Some(object) = known else {
        return refusal(StatusCode::NOT_FOUND, "Data object does not exist");
    };
    match object.place {
        Whereabouts::NotUploaded => {
            return refusal(StatusCode::NOT_FOUND, "Data object has not been uploaded yet");
        }
        Whereabouts::OtherBucket => {
            return refusal(
                StatusCode::MISDIRECTED_REQUEST,
                "Data object not served by this node",
            );
        }
        Whereabouts::Here => {}
    }
    if *request.method() == Method::HEAD {
        return head_answer(&object, "miss");
    }
    match object.supply {
        Supply::None => {
            return exception("Failed to download the object from any available storage provider");
        }
        Supply::CrashesNode => {
            shared.crash.notify_one();
            return std::future::pending().await; // ends with the process
        }
        Supply::Good | Supply::StallsAfter(_) => {}
    }
    if object.size > shared.config.max_cached_item {
        return external(shared, object, "miss", request.headers());
    }
    let progress = shared.cache.fetch(&object);
    local(object, progress, "miss", request.headers()).await
}

fn head_answer(object: &Object, cache: &'static str) -> Response<Body> {
    let head = asset_head(StatusCode::OK, cache).header(CONTENT_LENGTH, object.size);
    let head = match cache {
        "hit" => head
            .header(CACHE_CONTROL, "max-age=31536000")
            .header(CONTENT_TYPE, &object.content_type),
        _ => head.header(CACHE_CONTROL, FRESH_FOR),
    };
    with_body(head, Bytes::new())
}

fn hit(shared: &Shared, object: Object, headers: &HeaderMap) -> Response<Body> {
    let etag = etag(&shared.config.id, &object);
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let no_cache = text(CACHE_CONTROL).is_some_and(|value| value.contains("no-cache"));
    let local = |status| asset_head(status, "hit").header("x-data-source", "local");
    if text(IF_MATCH).is_some_and(|wanted| wanted != "*" && !wanted.contains(&etag)) {
        return send_stream_error(shared, StatusCode::PRECONDITION_FAILED, local);
    }
    if !no_cache && text(IF_NONE_MATCH).is_some_and(|known| known == "*" || known.contains(&etag)) {
        return with_body(local(StatusCode::NOT_MODIFIED).header(ETAG, etag), Bytes::new());
    }
    let (status, first, length) = match asked(headers, object.size) {
        Asked::Unsatisfiable => return send_stream_error(shared, StatusCode::RANGE_NOT_SATISFIABLE, local),
        Asked::Whole => (StatusCode::OK, 0, object.size),
        Asked::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
    };
    let mut head = local(status)
        .header(CONTENT_TYPE, &object.content_type)
        .header(CONTENT_LENGTH, length)
        .header(CACHE_CONTROL, "public, max-age=31536000")
        .header(ETAG, etag);
    if status == StatusCode::PARTIAL_CONTENT {
        head = head.header(
            CONTENT_RANGE,
            content_range(first, first + length - 1, object.size),
        );
    }
    streamed(head, object, first, first + length, WaitsFor::Cached)
}

/// In production the file server's status; otherwise the answer's own schema check fails on it.
fn send_stream_error(
    shared: &Shared,
    status: StatusCode,
    head: impl Fn(StatusCode) -> Builder,
) -> Response<Body> {
    if shared.config.production {
        let value = json!({ "type": "sendstream_error", "message": status.canonical_reason() });
        return json_body(head(status), &value);
    }
    let message = format!(
        "no schema defined for status code '{}' in the openapi spec",
        status.as_u16()
    );
    json_body(
        head(StatusCode::INTERNAL_SERVER_ERROR),
        &json!({ "type": "exception", "message": message }),
    )
}

async fn pending(
    shared: &Shared,
    object: Object,
    progress: watch::Receiver<Progress>,
    headers: &HeaderMap,
) -> Response<Body> {
    let available = progress.borrow().available;
    let is_there = match asked(headers, object.size) {
        Asked::Part { first, .. } => first < available,
        // The whole object, also for a range outside of it.
        Asked::Whole | Asked::Unsatisfiable => available > 0,
    };
    if is_there {
        local(object, progress, "pending", headers).await
    } else {
        external(shared, object, "pending", headers)
    }
}

/// Serves a download while it goes on. Nothing is sent before 1 MiB, or the end, is there.
async fn local(
    object: Object,
    mut progress: watch::Receiver<Progress>,
    cache: &'static str,
    headers: &HeaderMap,
) -> Response<Body> {
    let (status, first, last) = match asked(headers, object.size) {
        Asked::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last),
        Asked::Whole | Asked::Unsatisfiable => (StatusCode::OK, 0, object.size.saturating_sub(1)),
    };
    let wanted = object.size.min(SENT_FROM.max(first + 1));
    let there = match progress
        .wait_for(|now| now.failed || now.available >= wanted)
        .await
    {
        Ok(now) => *now,
        Err(_) => Progress {
            available: 0,
            failed: true,
        },
    };
    if there.available < wanted {
        let head = asset_head(StatusCode::INTERNAL_SERVER_ERROR, "miss").header("x-data-source", "local");
        let value = json!({ "type": "exception", "message": "Source stream ended unexpectedly" });
        return json_body(head, &value);
    }
    let head = asset_head(status, cache)
        .header("x-data-source", "local")
        .header(CACHE_CONTROL, FRESH_FOR);
    if status == StatusCode::OK {
        let size = object.size;
        return streamed(head, object, 0, size, WaitsFor::Download(progress));
    }
    // The file's reader gives whole chunks: more than was asked, as far as it is there already.
    let chunks = (last + 1 - first).div_ceil(READ_CHUNK) * READ_CHUNK;
    let stop = (last + 1).max(there.available.min(first + chunks));
    let head = head.header(CONTENT_RANGE, content_range(first, last, object.size));
    streamed(head, object, first, stop, WaitsFor::Download(progress))
}

/// Proxies the storage node's own answer.
fn external(shared: &Shared, object: Object, cache: &'static str, headers: &HeaderMap) -> Response<Body> {
    let head = |status| {
        asset_head(status, cache)
            .header("x-data-source", "external")
            .header(CACHE_CONTROL, FRESH_FOR)
    };
    let (status, first, last) = match asked(headers, object.size) {
        Asked::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last),
        Asked::Whole | Asked::Unsatisfiable => (StatusCode::OK, 0, object.size.saturating_sub(1)),
    };
    let stop = object.size.min(last + 1);
    let mut head = head(status)
        .header(CONTENT_LENGTH, stop - first)
        .header(CONTENT_TYPE, &object.content_type);
    if status == StatusCode::PARTIAL_CONTENT {
        head = head.header(CONTENT_RANGE, content_range(first, last, object.size));
    }
    streamed(head, object, first, stop, WaitsFor::Source(shared.cache.source()))
}

/// What the bytes of a body wait for.
enum WaitsFor {
    /// Nothing: they are in the cache.
    Cached,
    /// The download that is going on.
    Download(watch::Receiver<Progress>),
    /// The storage node.
    Source(super::Source),
}

impl WaitsFor {
    /// How far may be sent now, above `position`.
    async fn up_to(&mut self, start: u64, position: u64, stop: u64) -> Result<u64, SourceBroke> {
        let step = stop.min(position + STEP_BYTES);
        match self {
            Self::Cached => Ok(step),
            Self::Download(progress) => {
                let now = progress
                    .wait_for(|now| now.failed || now.available > position)
                    .await;
                let now = now.map_err(|_| SourceBroke)?;
                if now.available > position {
                    Ok(step.min(now.available))
                } else {
                    Err(SourceBroke)
                }
            }
            Self::Source(source) => {
                if position == start {
                    tokio::time::sleep(source.latency).await;
                }
                tokio::time::sleep(transfer_time(step - position, source.bytes_per_second)).await;
                Ok(step)
            }
        }
    }
}

/// The bytes from `start` up to, not including, `stop`.
fn streamed(head: Builder, object: Object, start: u64, stop: u64, pace: WaitsFor) -> Response<Body> {
    let frames = stream::unfold(Some((object, start, pace)), move |state| async move {
        let (object, position, mut pace) = state?;
        if position >= stop {
            return None;
        }
        match pace.up_to(start, position, stop).await {
            Ok(end) => {
                let length = usize::try_from(end - position).expect("a step is 64 KiB at most");
                let frame = Frame::data(object.bytes(position, length));
                Some((Ok(frame), Some((object, end, pace))))
            }
            Err(broke) => Some((Err(broke), None)),
        }
    });
    head.body(StreamBody::new(frames).boxed_unsync())
        .expect("the headers are made of checked parts")
}

/// 404 and 421 of the asset controller.
fn refusal(status: StatusCode, message: &str) -> Response<Body> {
    json_body(controller_head(status), &json!({ "message": message }))
}

fn asset_head(status: StatusCode, cache: &'static str) -> Builder {
    controller_head(status).header("x-cache", cache)
}

fn controller_head(status: StatusCode) -> Builder {
    head(status)
        .header("timing-allow-origin", "*")
        .header(ACCESS_CONTROL_EXPOSE_HEADERS, "x-cache, x-data-source")
}

fn content_range(first: u64, last: u64, size: u64) -> String {
    format!("bytes {first}-{last}/{size}")
}

/// `W/"HEXSIZE-HEXMTIME"`. The time is made up from node and object, so that it differs between nodes.
fn etag(node: &str, object: &Object) -> String {
    let hash = blake3::hash(format!("{node} {}", object.id).as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    let modified_ms = 1_700_000_000_000 + u64::from(u32::from_le_bytes([a, b, c, d]));
    format!("W/\"{:x}-{modified_ms:x}\"", object.size)
}

/// On a miss nothing is sent before so much is there.
const SENT_FROM: u64 = 1 << 20;
/// What a range of a pending object grows to, as seen: 65,318 bytes for 100.
const READ_CHUNK: u64 = 65_318;
const FRESH_FOR: &str = "max-age=180, must-revalidate";
