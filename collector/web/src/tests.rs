//! The router over real sockets: what a browser gets, and what a stranger does not.

mod client;
mod fixture;
mod login;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use client::{Answer, Stream};
use fixture::{TOKEN, Web, view};
use tokio::time::timeout;

use super::assets::ASSETS;
use super::{STREAMS_MAX, assets};

/// Far longer than any answer takes on a loaded machine; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(60);

fn assert_guarded(answer: &Answer) {
    let policy = answer
        .header("content-security-policy")
        .expect("every answer has a policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert!(answer.header("cache-control").is_some());
}

#[tokio::test]
async fn every_asset_has_its_type_and_the_headers() {
    let web = Web::open().await;
    let index = web.get("/").await;
    assert_eq!(
        (index.status, index.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    assert_guarded(&index);
    assert!(
        !index
            .header("content-security-policy")
            .expect("checked")
            .contains("unsafe")
    );
    for asset in ASSETS {
        let answer = web.get(&format!("/static/{}", asset.path)).await;
        let expected = match asset.path.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            other => panic!("{}: no type for {other:?}", asset.path),
        };
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(expected)),
            "{}",
            asset.path
        );
        assert_eq!(answer.body, asset.body, "{}", asset.path);
        assert_guarded(&answer);
        assert_eq!(answer.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn asset_that_the_browser_holds_is_not_sent_again() {
    let web = Web::open().await;
    let first = web.get("/static/app.js").await;
    let tag = first.header("etag").expect("assets have a tag").to_owned();
    let again = web.get_with("/static/app.js", &[("If-None-Match", &tag)]).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let other = web
        .get_with("/static/app.js", &[("If-None-Match", "\"old\"")])
        .await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn unknown_path_is_404_and_other_methods_405() {
    let web = Web::open().await;
    for path in [
        "/nothing",
        "/static/nothing.js",
        "/static/../Cargo.toml",
        "/api",
        "/api/state/more",
    ] {
        let answer = web.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_guarded(&answer);
    }
    assert_eq!(web.send("DELETE", "/api/state", &[], "").await.status, 405);
}

/// Every file that a file of the page names is embedded, and none comes from elsewhere: the page works with
/// the internet cut. Data never becomes markup.
#[test]
fn page_needs_nothing_but_its_own_files() {
    let all: Vec<_> = ASSETS.iter().chain([&assets::INDEX]).collect();
    let mut named = BTreeSet::new();
    for asset in &all {
        for foreign in [
            "https://",
            "http://",
            "\"//",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            let allowed = asset.body.matches("http://www.w3.org/2000/svg").count()
                + asset.body.matches("https://node.example.org/").count();
            let found = asset.body.matches(foreign).count();
            let excused = if foreign.starts_with("http") { allowed } else { 0 };
            assert!(found <= excused, "{} holds {foreign}", asset.path);
        }
        let folder = asset.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for line in asset.body.lines().filter(|line| line.starts_with("import ")) {
            let target = line.split('"').nth(1).expect("an import names a file");
            let path =
                url::Url::parse("file:///").and_then(|root| root.join(&format!("{folder}/"))?.join(target));
            let path = path.expect("a path").path().trim_start_matches('/').to_owned();
            assert!(assets::find(&path).is_some(), "{} imports {target}", asset.path);
            named.insert(path);
        }
        for part in asset.body.split("static/").skip(1) {
            let path: String = part.chars().take_while(|c| !matches!(c, '"' | '`')).collect();
            assert!(
                assets::find(&path).is_some(),
                "{} names static/{path}",
                asset.path
            );
            named.insert(path);
        }
    }
    let embedded: BTreeSet<_> = ASSETS.iter().map(|asset| asset.path.to_owned()).collect();
    assert_eq!(embedded, named, "a file that nothing loads");
}

#[tokio::test]
async fn state_is_the_newest_view() {
    let web = Web::open().await;
    let answer = web.get("/api/state").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        answer.json(),
        serde_json::to_value(view()).expect("a view is JSON")
    );
    let mut next = view();
    next.collector.commit_number += 1;
    web.publish(next.clone());
    assert_eq!(
        web.get("/api/state").await.json(),
        serde_json::to_value(next).expect("a view is JSON")
    );
}

#[tokio::test]
async fn stream_sends_a_whole_view_and_then_only_what_changed() {
    let web = Web::open().await;
    let mut stream = Stream::open(&web, &[]).await;
    assert_eq!(stream.status, 200);
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    let (event, first) = stream.next().await.expect("a first event");
    assert_eq!(
        (event.as_str(), first),
        ("view", serde_json::to_value(view()).expect("a view is JSON"))
    );
    web.publish(view()); // nothing new: no event
    let mut next = view();
    next.collector.commit_number += 1;
    web.publish(next.clone());
    let (event, change) = stream.next().await.expect("a second event");
    assert_eq!(event, "change");
    assert_eq!(change, serde_json::json!({ "collector": next.collector }));
}

#[tokio::test]
async fn slow_browser_misses_views_and_nothing_queues() {
    let web = Web::open().await;
    let mut stream = Stream::open(&web, &[]).await;
    stream.next().await.expect("a first event");
    for step in 1..=1000 {
        let mut next = view();
        next.collector.commit_number += step;
        web.publish(next);
    }
    let newest = view().collector.commit_number + 1000;
    let mut events = 0;
    loop {
        let (_, change) = timeout(LONG, stream.next())
            .await
            .expect("in time")
            .expect("an event");
        events += 1;
        if change["collector"]["commit_number"] == newest {
            break;
        }
    }
    assert!(
        events <= 2,
        "{events} events for 1,000 views that were published at once"
    );
}

/// nginx, as Debian installs it, collects an answer before it passes it on, and packs what it may.
#[tokio::test]
async fn stream_asks_proxies_to_pass_each_event_on_at_once_and_unpacked() {
    let web = Web::open().await;
    let stream = Stream::open(&web, &[]).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.header("content-encoding"), Some("identity"));
    assert_eq!(stream.header("cache-control"), Some("no-store, no-transform"));
}

#[tokio::test]
async fn streams_are_limited_and_a_place_comes_free() {
    let web = Web::open().await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS_MAX {
        let mut stream = Stream::open(&web, &[]).await;
        assert_eq!(stream.status, 200);
        stream.next().await.expect("a first event");
        streams.push(stream);
    }
    let refused = web.get("/api/live").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("15")));
    assert_eq!(web.get("/api/state").await.status, 200, "the rest still answers");
    drop(streams.pop());
    let freed = async {
        loop {
            web.touch();
            if Stream::open(&web, &[]).await.status == 200 {
                return;
            }
        }
    };
    timeout(LONG, freed)
        .await
        .expect("the place of a closed stream comes free");
}

#[tokio::test]
async fn stop_ends_open_streams_and_the_server() {
    let web = Web::open().await;
    let mut stream = Stream::open(&web, &[]).await;
    stream.next().await.expect("a first event");
    web.stop.cancel();
    assert_eq!(timeout(LONG, stream.next()).await.expect("in time"), None);
    timeout(LONG, web.ended()).await.expect("the server ends");
}

#[tokio::test]
async fn foreign_host_is_refused_everywhere() {
    let web = Web::open().await;
    for path in [
        "/",
        "/api/state",
        "/api/live",
        "/static/app.js",
        "/nothing",
        "/login",
    ] {
        let answer = web.get_with(path, &[("Host", "evil.example:7471")]).await;
        assert_eq!(answer.status, 421, "{path}");
        assert!(!answer.body.contains("generated_at"));
        assert_guarded(&answer);
    }
    assert_eq!(
        web.get_with("/api/state", &[("Host", "localhost:7471")])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn without_token_a_protected_page_shows_nothing() {
    let web = Web::protected().await;
    for (number, path) in [
        "/",
        "/api/state",
        "/api/live",
        "/static/app.js",
        "/report/coverage",
        "/report/nodes",
        "/report/audit",
        "/api/report/nodes",
        "/api/report/audit",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = web.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer realm=\"isochrone\"")
        );
        let wrong = web
            .get_with(
                path,
                &[
                    ("Authorization", "Bearer 9f86d081884c7d659a2fx"),
                    ("X-Forwarded-For", &format!("192.0.2.{number}")),
                ],
            )
            .await;
        assert_eq!(wrong.status, 401, "{path}");
        let forged = web
            .get_with(path, &[("Cookie", &format!("isochrone_session={TOKEN}"))])
            .await;
        assert_eq!(forged.status, 401, "{path}");
    }
    let page = web.get_with("/", &[("Accept", "text/html")]).await;
    assert_eq!(page.status, 401);
    assert!(page.body.contains("action=\"./login\""));
    assert_guarded(&page);
}

#[tokio::test]
async fn token_opens_the_page() {
    let web = Web::protected().await;
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(
        web.get_with("/api/state", &[("Authorization", &bearer)])
            .await
            .status,
        200
    );
    let link = web.get(&format!("/?token={TOKEN}")).await;
    let form = web.send("POST", "/login", &[], &format!("token={TOKEN}")).await;
    for opened in [link, form] {
        assert_eq!((opened.status, opened.header("location")), (303, Some("./")));
        let cookie = opened.header("set-cookie").expect("a session");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains(TOKEN));
        let session = cookie.split(';').next().expect("a first part");
        assert_eq!(
            web.get_with("/", &[("Cookie", &format!("a=b; {session}"))])
                .await
                .status,
            200
        );
    }
    assert_eq!(web.send("POST", "/login", &[], "token=wrong").await.status, 401);
    assert_eq!(web.get("/?token=wrong").await.status, 401);
}

#[tokio::test]
async fn reports_come_from_the_provider() {
    let web = Web::open().await;
    let page = web.get("/report/coverage?since=7d").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    assert!(page.body.contains("604800s"), "{}", page.body);
    let nodes = web.get("/report/nodes?since=30d").await;
    assert_eq!(nodes.status, 200);
    assert!(nodes.body.contains("<p>nodes</p>"), "{}", nodes.body);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.contains("style-src 'unsafe-inline'") && !policy.contains("script-src"),
        "{policy}"
    );
    assert_eq!(
        web.get("/api/report/coverage").await.json()["schema"],
        "isochrone.coverage/1"
    );
    assert_eq!(
        web.get("/api/report/ledger").await.json()["schema"],
        "isochrone.ledger/1"
    );
    let not_yet = web.get("/api/report/nodes").await;
    assert_eq!(not_yet.status, 503);
    assert!(not_yet.body.contains("first hour"), "{}", not_yet.body);
    let typo = web.get("/api/report/nodes?sicne=7d").await;
    assert_eq!(typo.status, 400);
    assert!(typo.body.contains("sicne"), "{}", typo.body);
}

/// The names that the page and other readers build on: more may come, none may go.
#[test]
fn keys_of_the_view_are_the_agreed_ones() {
    let golden: BTreeSet<String> = include_str!("tests/view_keys.txt")
        .lines()
        .map(str::to_owned)
        .collect();
    let mut keys = BTreeSet::new();
    collect(
        "",
        &serde_json::to_value(view()).expect("a view is JSON"),
        &mut keys,
    );
    let listing: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(keys, golden, "the keys now:\n{}\n", listing.join("\n"));
}

fn collect(path: &str, value: &serde_json::Value, keys: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                collect(&format!("{path}.{key}"), value, keys);
            }
        }
        serde_json::Value::Array(items) => {
            assert!(!items.is_empty(), "{path} is empty in the fixture");
            for item in items {
                collect(&format!("{path}[]"), item, keys);
            }
        }
        _ => {
            keys.insert(path.trim_start_matches('.').to_owned());
        }
    }
}

#[test]
fn view_survives_a_round_trip() {
    let text = serde_json::to_string(&view()).expect("a view is JSON");
    let back: super::LiveView = serde_json::from_str(&text).expect("JSON is a view");
    assert_eq!(Arc::new(back), Arc::new(view()));
}
