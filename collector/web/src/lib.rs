//! The collector's page: a router over the live state, server-sent events, and the embedded files.
//!
//! The page never asks the collector's parts for anything. It shows the newest [`LiveView`] of a watch
//! channel, and takes reports from whoever implements [`Reports`]. A slow browser misses views; it never
//! makes a queue grow. Everything the browser needs is in the binary, so it works with the internet cut.

pub mod access;
mod assets;
mod feed;
mod guard;
mod login;
mod places;
pub mod reports;
mod root;
mod serve;
mod session;
mod slow_browser;
#[cfg(test)]
mod tests;
mod throttle;
pub mod view;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::login::Logins;
pub use access::{Access, AccessError, AccessToken};
pub use reports::{ReportError, ReportQuery, Reports, Weights};
pub use serve::serve;
pub use view::LiveView;

/// Browsers that may follow the page at once; the next one is told to come back later.
const STREAMS_MAX: usize = 32;

/// A report is a document of its own: its styles and its map are inline, and it runs no script.
const REPORT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; sandbox allow-top-navigation-by-user-activation allow-popups";

/// The page and its data: everything the collector's web port answers.
///
/// Publish a view at least every 5 seconds, even if only `generated_at` is new: the page calls data old when
/// it heard nothing for 20 seconds. `live` is read at most once a second for each browser. `now` is the monotonic clock, by
/// which wrong tokens are counted. When `stop` is cancelled, or the sender of
/// `live` is dropped, every event stream ends.
pub fn router(
    live: watch::Receiver<Arc<LiveView>>,
    reports: Arc<dyn Reports>,
    access: Access,
    now: impl Fn() -> Instant + Send + Sync + 'static,
    stop: CancellationToken,
) -> Router {
    let access = Arc::new(access);
    let logins = Arc::new(Logins::new(Arc::clone(&access), now));
    let site = Site {
        live,
        reports,
        stop,
        renderer: Arc::new(feed::Renderer::default()),
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
    };
    Router::new()
        .route("/", get(index))
        .route("/static/{*path}", get(asset))
        .route("/api/state", get(state))
        .route("/api/live", get(stream))
        .route("/api/report/coverage", get(coverage_json))
        .route("/api/report/nodes", get(nodes_json))
        .route("/api/report/audit", get(audit_json))
        .route("/api/report/ledger", get(ledger_json))
        .route("/report/coverage", get(coverage_html))
        .route("/report/nodes", get(nodes_html))
        .route("/report/audit", get(audit_html))
        .with_state(site)
        .route_layer(from_fn_with_state(Arc::clone(&logins), guard::authorize))
        .route("/login", post(login::login).with_state(logins))
        .fallback(not_found)
        .layer(from_fn_with_state(access, guard::check_host))
        .layer(axum::middleware::from_fn(guard::add_headers))
}

/// What the handlers share.
#[derive(Clone)]
struct Site {
    live: watch::Receiver<Arc<LiveView>>,
    reports: Arc<dyn Reports>,
    stop: CancellationToken,
    renderer: Arc<feed::Renderer>,
    streams: Arc<Semaphore>,
}

async fn index(headers: HeaderMap) -> Response {
    assets::INDEX.respond(&headers)
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    match assets::find(&path) {
        Some(asset) => asset.respond(&headers),
        None => not_found().await,
    }
}

async fn not_found() -> Response {
    (
        StatusCode::NOT_FOUND,
        "There is nothing at this address. The page itself is at /\n",
    )
        .into_response()
}

async fn state(State(site): State<Site>) -> Response {
    let view = site.live.borrow().clone();
    match site.renderer.render(&view) {
        Ok(sections) => json(sections.whole()),
        Err(error) => unreadable(&error),
    }
}

async fn stream(State(site): State<Site>) -> Response {
    let Ok(permit) = Arc::clone(&site.streams).try_acquire_owned() else {
        let text =
            format!("{STREAMS_MAX} browsers follow this page already. Close one, or try again later.\n");
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "15")], text).into_response();
    };
    feed::Feed::new(site.live, site.renderer, site.stop, permit).into_response()
}

async fn coverage_html(State(site): State<Site>, RawQuery(query): RawQuery) -> Response {
    match ReportQuery::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) => document(site.reports.coverage_html(query).await),
        Err(error) => error.into_response(),
    }
}

async fn nodes_html(State(site): State<Site>, RawQuery(query): RawQuery) -> Response {
    match ReportQuery::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) => document(site.reports.nodes_html(query).await),
        Err(error) => error.into_response(),
    }
}

async fn audit_html(State(site): State<Site>, RawQuery(query): RawQuery) -> Response {
    match ReportQuery::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) => document(site.reports.audit_html(query).await),
        Err(error) => error.into_response(),
    }
}

async fn audit_json(State(site): State<Site>, RawQuery(query): RawQuery) -> Response {
    match ReportQuery::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) => report(site.reports.audit_json(query).await),
        Err(error) => error.into_response(),
    }
}

fn document(page: Result<String, ReportError>) -> Response {
    match page {
        Ok(page) => {
            let policy = HeaderValue::from_static(REPORT_POLICY);
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            let store = HeaderValue::from_static("no-store");
            (
                [
                    (CONTENT_TYPE, html),
                    (CACHE_CONTROL, store),
                    (CONTENT_SECURITY_POLICY, policy),
                ],
                page,
            )
                .into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn coverage_json(State(site): State<Site>, RawQuery(query): RawQuery) -> Response {
    match ReportQuery::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) => report(site.reports.coverage_json(query).await),
        Err(error) => error.into_response(),
    }
}

async fn nodes_json(State(site): State<Site>, RawQuery(query): RawQuery) -> Response {
    match ReportQuery::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) => report(site.reports.nodes_json(query).await),
        Err(error) => error.into_response(),
    }
}

async fn ledger_json(State(site): State<Site>, RawQuery(query): RawQuery) -> Response {
    match ReportQuery::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) => report(site.reports.ledger_json(query).await),
        Err(error) => error.into_response(),
    }
}

fn report(body: Result<String, ReportError>) -> Response {
    match body {
        Ok(body) => json(body),
        Err(error) => error.into_response(),
    }
}

fn json(body: String) -> Response {
    (
        [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")],
        body,
    )
        .into_response()
}

fn unreadable(error: &serde_json::Error) -> Response {
    tracing::error!(%error, "the live view cannot be written as JSON");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "The live state cannot be shown. The collector's log says why.\n",
    )
        .into_response()
}
