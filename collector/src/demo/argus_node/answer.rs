//! Which request gets which answer: routes, methods, validation, `status` and `buckets`.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use isochrone_base::clock::monotonic;
use serde_json::json;

use super::body::{Body, exception, head, json_answer, validation, with_body};
use super::{Indexer, Shared, asset};

/// Answers one request; never returns where Argus would hang.
pub(super) async fn answer(shared: &Shared, request: &Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    let Some(path) = path.strip_prefix(shared.config.base_path.as_str()) else {
        return not_found_page(path);
    };
    let Some(route) = path.strip_prefix("api/v1/") else {
        return not_found_page(path);
    };
    let asset = route
        .strip_prefix("assets/")
        .filter(|id| !id.is_empty() && !id.contains('/'));
    let allowed: &[Method] = match (route, asset) {
        ("status" | "buckets", _) => &[Method::GET],
        (_, Some(_)) => &[Method::GET, Method::HEAD],
        _ => return validation(StatusCode::NOT_FOUND, "not found"),
    };
    if *request.method() == Method::OPTIONS {
        return preflight(allowed);
    }
    if !allowed.contains(request.method()) {
        return validation(
            StatusCode::METHOD_NOT_ALLOWED,
            &format!("{} method not allowed", request.method()),
        );
    }
    if let Some(query) = request.uri().query() {
        let name = query.split(['=', '&']).next().unwrap_or_default();
        return validation(
            StatusCode::BAD_REQUEST,
            &format!("Unknown query parameter '{name}'"),
        );
    }
    match asset {
        Some(id) => asset::answer(shared, id, request).await,
        None if route == "status" => status(shared).await,
        None => json_answer(StatusCode::OK, &json!({ "bucketIds": shared.config.buckets })),
    }
}

async fn status(shared: &Shared) -> Response<Body> {
    let (hangs, indexer, heights, started) = shared.with(|controls| {
        (
            controls.status_hangs,
            controls.indexer,
            controls.heights,
            controls.started,
        )
    });
    if hangs || indexer == Indexer::Silent {
        return std::future::pending().await;
    }
    if indexer == Indexer::Down {
        return exception("request to http://indexer:4000/graphql failed, reason: connect ECONNREFUSED");
    }
    let (config, usage) = (&shared.config, shared.cache.usage());
    json_answer(
        StatusCode::OK,
        &json!({
            "id": config.id,
            "version": config.version,
            "workerId": config.worker_id,
            "objectsInCache": usage.objects,
            "storageLimit": config.storage_limit,
            "storageUsed": usage.bytes,
            "uptime": (monotonic() - started).as_secs(),
            "downloadsInProgress": usage.downloads,
            "nodeEnv": if config.production { "production" } else { "" },
            "queryNodeStatus": {
                "url": "http://indexer:4000/graphql",
                "chainHead": heights.0,
                "blocksProcessed": heights.1,
                "packageVersion": "1.8.0",
            },
        }),
    )
}

fn not_found_page(path: &str) -> Response<Body> {
    let safe: String = path
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "/._-".contains(*c))
        .collect();
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<body>\n<pre>Cannot GET {safe}</pre>\n</body>\n</html>\n"
    );
    with_body(
        head(StatusCode::NOT_FOUND).header(CONTENT_TYPE, "text/html; charset=utf-8"),
        Bytes::from(page),
    )
}

fn preflight(allowed: &[Method]) -> Response<Body> {
    let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(",");
    with_body(head(StatusCode::NO_CONTENT).header(ALLOW, allowed), Bytes::new())
}
