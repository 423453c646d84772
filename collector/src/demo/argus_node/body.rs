//! What answers are made of: heads, JSON bodies, and the errors that several routes share.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use hyper::http::response::Builder;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

pub(super) type Body = UnsyncBoxBody<Bytes, SourceBroke>;

/// The source broke off after bytes had been sent: the connection is cut.
#[derive(Debug, thiserror::Error)]
#[error("the source broke off")]
pub(super) struct SourceBroke;

/// An answer with the header that all of Argus' answers have.
pub(super) fn head(status: StatusCode) -> Builder {
    Response::builder()
        .status(status)
        .header(ACCESS_CONTROL_ALLOW_ORIGIN, "*")
}

/// The body of a finished head.
pub(super) fn with_body(head: Builder, body: Bytes) -> Response<Body> {
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    head.body(body).expect("the headers are made of checked parts")
}

pub(super) fn json_answer(status: StatusCode, value: &Value) -> Response<Body> {
    json_body(head(status), value)
}

pub(super) fn json_body(head: Builder, value: &Value) -> Response<Body> {
    let head = head.header(CONTENT_TYPE, "application/json; charset=utf-8");
    with_body(head, Bytes::from(value.to_string()))
}

/// 400, 404 or 405 of the request validator.
pub(super) fn validation(status: StatusCode, message: &str) -> Response<Body> {
    let value =
        json!({ "type": "request_validation", "message": message, "errors": [{ "message": message }] });
    json_answer(status, &value)
}

/// 500 of a failed indexer or source.
pub(super) fn exception(message: &str) -> Response<Body> {
    json_answer(
        StatusCode::INTERNAL_SERVER_ERROR,
        &json!({ "type": "exception", "message": message }),
    )
}
