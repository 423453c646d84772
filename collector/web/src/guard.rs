//! What every request passes: the Host check, the token, and the headers of every answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::Access;
use super::login::{self, Logins, Tried, too_often, visitor_of};
use super::places::Guest;
use super::session::{open_session, session};

/// Scripts and styles come from this server's own files only; nothing may frame the page.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Refuses a request whose Host header does not name this page.
pub(super) async fn check_host(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    match host {
        Some(host) if access.admits_host(host) => next.run(request).await,
        _ => {
            let text = "This page does not answer under this name. Use http://localhost and the port; to offer it under \
                        a name of your own, set web_token in collector.toml.\n";
            (StatusCode::MISDIRECTED_REQUEST, text).into_response()
        }
    }
}

/// Lets a request pass that carries the token or a session; offers the login page to a browser.
pub(super) async fn authorize(State(logins): State<Arc<Logins>>, request: Request, next: Next) -> Response {
    let Some(token) = logins.token() else {
        return serve(request, next).await;
    };
    let visitor = visitor_of(&request);
    if let Some(candidate) = query_token(&request) {
        return match logins.attempt(visitor, token, &candidate) {
            Tried::Right => open_session(token, request.headers(), request.uri().path()),
            Tried::Wrong => refuse(&request, true),
            Tried::TooOften { wait } => too_often(wait),
        };
    }
    if session(request.headers()).is_some_and(|candidate| token.is_session(candidate)) {
        return serve(request, next).await;
    }
    match bearer(request.headers()).map(|candidate| logins.attempt(visitor, token, candidate)) {
        Some(Tried::Right) => serve(request, next).await,
        Some(Tried::Wrong) | None => refuse(&request, false),
        Some(Tried::TooOften { wait }) => too_often(wait),
    }
}

/// Serves a request that may be served: its connection keeps its place from now on.
async fn serve(request: Request, next: Next) -> Response {
    if let Some(guest) = request.extensions().get::<Arc<Guest>>() {
        guest.welcome();
    }
    next.run(request).await
}

/// Adds the headers that every answer carries; a handler's own policy and cache rule stay.
pub(super) async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(PAGE_POLICY));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static("same-origin"),
        );
    }
    response
}

fn query_token(request: &Request) -> Option<String> {
    let query = request.uri().query()?;
    let found = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "token");
    found.map(|(_, value)| value.into_owned())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refuse(request: &Request, wrong: bool) -> Response {
    let accept = request
        .headers()
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        return login::page(wrong, request.uri().path());
    }
    let text = "This page needs its token: send `Authorization: Bearer TOKEN`, or open /?token=TOKEN in a \
                browser. It is web_token in collector.toml.\n";
    (
        StatusCode::UNAUTHORIZED,
        [(WWW_AUTHENTICATE, "Bearer realm=\"isochrone\"")],
        text,
    )
        .into_response()
}
