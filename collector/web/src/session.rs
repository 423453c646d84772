//! A browser's session: the cookie that a right token earns it.

use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::access::AccessToken;
use super::root::root_from;

const COOKIE_NAME: &str = "isochrone_session";

/// A month: a browser on the lead's desk logs in once; a new token ends every session at once.
const COOKIE_AGE_S: u32 = 30 * 86_400;

/// The answer that gives a browser its session, and sends it from `path` to the page.
pub(super) fn open_session(token: &AccessToken, headers: &HeaderMap, path: &str) -> Response {
    let proxied_tls = headers
        .get("x-forwarded-proto")
        .is_some_and(|proto| proto == "https");
    let secure = if proxied_tls { "; Secure" } else { "" };
    let session = token.session();
    let cookie =
        format!("{COOKIE_NAME}={session}; HttpOnly; SameSite=Lax; Path=/; Max-Age={COOKIE_AGE_S}{secure}");
    (
        StatusCode::SEE_OTHER,
        [(LOCATION, root_from(path)), (SET_COOKIE, cookie)],
    )
        .into_response()
}

/// What a browser says is its session.
pub(super) fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value)
}
