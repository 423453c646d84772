//! The page's files, embedded: no folder to install, no network to fetch them from.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

/// One embedded file.
pub(super) struct Asset {
    /// Its path below `/static/`.
    pub(super) path: &'static str,
    /// Its content.
    pub(super) body: &'static str,
}

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(Asset { path: $path, body: include_str!(concat!("../page/", $path)) }),*]
    };
}

/// The page itself.
pub(super) static INDEX: Asset = Asset {
    path: "index.html",
    body: include_str!("../page/index.html"),
};

/// What the page loads.
pub(super) static ASSETS: &[Asset] = embedded![
    "app.js",
    "headline.js",
    "icon.svg",
    "land.js",
    "pages/incidents.js",
    "pages/mesh.js",
    "pages/nodes.js",
    "pages/overview.js",
    "pages/probes.js",
    "parts/incident.js",
    "parts/ledger.js",
    "parts/map.js",
    "parts/matrix.js",
    "parts/nodes.js",
    "parts/notes.js",
    "parts/probes.js",
    "parts/sign.js",
    "render.js",
    "store.js",
    "style/base.css",
    "style/parts.css",
    "ui.js",
    "words.js",
];

/// The file at a path below `/static/`.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

impl Asset {
    /// The file, or 304 if the browser holds this very content. Browsers ask each time, so a new binary
    /// never runs beside old scripts.
    pub(super) fn respond(&self, request: &HeaderMap) -> Response {
        let tag = format!("\"{}\"", &blake3::hash(self.body.as_bytes()).to_hex()[..24]);
        let fresh = [(ETAG, tag.as_str()), (CACHE_CONTROL, "no-cache")];
        if request
            .get(IF_NONE_MATCH)
            .is_some_and(|held| held.as_bytes() == tag.as_bytes())
        {
            return (StatusCode::NOT_MODIFIED, fresh).into_response();
        }
        (fresh, [(CONTENT_TYPE, self.media_type())], self.body).into_response()
    }

    fn media_type(&self) -> &'static str {
        match self.path.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "application/octet-stream",
        }
    }
}
