use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::cache::Progress;
use super::*;

/// What a plain client sees: status line, headers in lower case, and the body with its chunks joined.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Whether the body ended as announced.
    whole: bool,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    fn row(&self) -> (u16, Option<&str>, Option<&str>) {
        (self.status, self.header("x-cache"), self.header("x-data-source"))
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// Sends one request on a connection of its own; `None` for an empty reply.
async fn ask(node: &ArgusNode, method: &str, path: &str, headers: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut raw = Vec::new();
    let ended = stream.read_to_end(&mut raw).await;
    parse(&raw, method == "HEAD", ended.is_ok())
}

fn parse(raw: &[u8], is_head: bool, ended: bool) -> Option<Answer> {
    let end = raw.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8(raw[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut seen = Answer {
        status,
        headers,
        body: raw[end + 4..].to_vec(),
        whole: ended,
    };
    if seen.header("transfer-encoding") == Some("chunked") && !is_head {
        (seen.body, seen.whole) = unchunk(&seen.body);
    } else if let Some(length) = seen.header("content-length").filter(|_| !is_head) {
        seen.whole &= length.parse() == Ok(seen.body.len());
    }
    Some(seen)
}

fn unchunk(mut raw: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(line) = raw.windows(2).position(|part| part == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&raw[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let data = &raw[line + 2..];
        body.extend_from_slice(&data[..size.min(data.len())]);
        raw = data.get(size + 2..).unwrap_or_default();
    }
    (body, false)
}

async fn get(node: &ArgusNode, id: &str) -> Answer {
    ask(node, "GET", &asset(id), "").await.expect("an answer")
}

async fn get_range(node: &ArgusNode, id: &str, range: &str) -> Answer {
    ask(node, "GET", &asset(id), &format!("range: bytes={range}\r\n"))
        .await
        .expect("an answer")
}

fn asset(id: &str) -> String {
    format!("/distributor/api/v1/assets/{id}")
}

fn fast() -> NodeConfig {
    NodeConfig {
        source: Source {
            latency: Duration::ZERO,
            bytes_per_second: 1 << 40,
        },
        ..NodeConfig::default()
    }
}

async fn node(objects: Vec<Object>) -> ArgusNode {
    ArgusNode::start(fast(), objects).await.unwrap()
}

const SMALL: u64 = 5_000;
const LARGE: u64 = 3 << 20;

#[tokio::test]
async fn hit_is_whole_or_exact_and_has_etag_and_length() {
    let object = Object::new(1343, SMALL, true);
    let node = node(vec![object.clone()]).await;
    let whole = get(&node, "1343").await;
    assert_eq!(whole.row(), (200, Some("hit"), Some("local")));
    assert_eq!(whole.body, object.bytes(0, 5_000));
    assert_eq!(whole.header("content-length"), Some("5000"));
    assert_eq!(whole.header("cache-control"), Some("public, max-age=31536000"));
    assert!(
        whole.header("etag").unwrap().starts_with("W/\"1388-"),
        "{whole:?}"
    );
    let part = get_range(&node, "1343", "100-199").await;
    assert_eq!(
        (part.row(), part.header("content-range")),
        ((206, Some("hit"), Some("local")), Some("bytes 100-199/5000"))
    );
    assert_eq!(part.body, object.bytes(100, 100));
    assert_eq!(get_range(&node, "1343", "0-1,5-9").await.body.len(), 5_000);
}

#[tokio::test]
async fn miss_has_no_length_and_becomes_a_hit() {
    let object = Object::new(7, LARGE, false);
    let node = node(vec![object.clone()]).await;
    let miss = get(&node, "7").await;
    assert_eq!(miss.row(), (200, Some("miss"), Some("local")));
    assert_eq!((miss.header("content-length"), miss.header("etag")), (None, None));
    assert_eq!(miss.header("cache-control"), Some("max-age=180, must-revalidate"));
    assert!(miss.whole && miss.body == object.bytes(0, 3 << 20));
    assert!(node.has_cached(7));
    assert_eq!(get(&node, "7").await.row(), (200, Some("hit"), Some("local")));
}

#[tokio::test]
async fn range_on_a_miss_is_longer_than_asked() {
    let object = Object::new(7, LARGE, false);
    let node = node(vec![object.clone()]).await;
    let part = get_range(&node, "7", "0-99").await;
    assert_eq!(
        (part.row(), part.header("content-range")),
        ((206, Some("miss"), Some("local")), Some("bytes 0-99/3145728"))
    );
    assert_eq!(
        (part.header("content-length"), part.header("transfer-encoding")),
        (None, Some("chunked"))
    );
    assert_eq!(part.body, object.bytes(0, 65_318));
}

#[tokio::test(start_paused = true)]
async fn stalled_source_before_one_mebibyte_is_an_error_without_a_byte_of_the_object() {
    let stalls = Object {
        supply: Supply::StallsAfter(900 << 10),
        ..Object::new(7, LARGE, false)
    };
    let node = node(vec![stalls]).await;
    let failed = get(&node, "7").await;
    assert_eq!(failed.row(), (500, Some("miss"), Some("local")));
    assert_eq!(failed.json()["type"], "exception");
    assert!(!node.has_cached(7));
}

#[tokio::test(start_paused = true)]
async fn source_that_stalls_later_cuts_the_connection() {
    let stalls = Object {
        supply: Supply::StallsAfter(2 << 20),
        ..Object::new(7, LARGE, false)
    };
    let node = node(vec![stalls]).await;
    let cut = get(&node, "7").await;
    assert_eq!(cut.row(), (200, Some("miss"), Some("local")));
    assert!(!cut.whole);
    assert_eq!(cut.body.len(), 2 << 20);
}

#[tokio::test]
async fn pending_object_is_proxied_until_it_has_bytes_and_then_served_from_its_file() {
    let object = Object::new(7, LARGE, false);
    let node = node(vec![object.clone()]).await;
    let download = node.shared.cache.hold_pending(7, 0);
    let before = get(&node, "7").await;
    assert_eq!(before.row(), (200, Some("pending"), Some("external")));
    assert_eq!(
        (before.header("content-length"), before.whole),
        (Some("3145728"), true)
    );

    download.send_replace(Progress {
        available: 2 << 20,
        failed: false,
    });
    let part = get_range(&node, "7", "0-99").await;
    assert_eq!(part.row(), (206, Some("pending"), Some("local")));
    assert_eq!(part.body, object.bytes(0, 65_318));
    let beyond = get_range(&node, "7", "3000000-3000009").await;
    assert_eq!(beyond.row(), (206, Some("pending"), Some("external")));
    assert_eq!(beyond.body, object.bytes(3_000_000, 10));
    let head = ask(&node, "HEAD", &asset("7"), "").await.unwrap();
    assert_eq!(head.row(), (200, Some("pending"), None));
}

#[tokio::test]
async fn nothing_is_sent_before_one_mebibyte_is_there() {
    let object = Object::new(7, LARGE, false);
    let node = node(vec![object.clone()]).await;
    let download = node.shared.cache.hold_pending(7, (1 << 20) - 1);
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: node\r\nrange: bytes=0-99\r\n\r\n",
        asset("7")
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    while node.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    let status = ask(&node, "GET", "/distributor/api/v1/status", "").await.unwrap(); // time for a wrong answer
    assert_eq!(status.json()["downloadsInProgress"], 1);
    let mut byte = [0];
    assert!(futures_util::FutureExt::now_or_never(stream.read(&mut byte)).is_none());
    download.send_replace(Progress {
        available: 1 << 20,
        failed: false,
    });
    assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
}

#[tokio::test]
async fn unsatisfiable_range_of_a_pending_object_gets_the_whole() {
    let node = node(vec![Object::new(7, LARGE, false)]).await;
    let _download = node.shared.cache.hold_pending(7, LARGE);
    let whole = get_range(&node, "7", "99999999-").await;
    assert_eq!(whole.row(), (200, Some("pending"), Some("local")));
    assert_eq!(whole.body.len() as u64, LARGE);
}

#[tokio::test]
async fn unsatisfiable_range_of_a_hit_depends_on_the_environment() {
    let objects = || vec![Object::new(1343, SMALL, true)];
    let production = node(objects()).await;
    let refused = get_range(&production, "1343", "9999-").await;
    assert_eq!(
        (refused.row(), refused.json()["type"].as_str().unwrap()),
        ((416, Some("hit"), Some("local")), "sendstream_error")
    );
    let other = ArgusNode::start(
        NodeConfig {
            production: false,
            ..fast()
        },
        objects(),
    )
    .await
    .unwrap();
    let refused = get_range(&other, "1343", "9999-").await;
    assert_eq!(refused.row(), (500, Some("hit"), Some("local")));
    assert!(
        refused.json()["message"]
            .as_str()
            .unwrap()
            .contains("no schema defined for status code '416'")
    );
}

#[tokio::test]
async fn revalidation_works_unless_the_request_says_no_cache() {
    let node = node(vec![Object::new(1343, SMALL, true)]).await;
    let etag = get(&node, "1343").await.header("etag").unwrap().to_owned();
    let known = format!("if-none-match: {etag}\r\n");
    assert_eq!(
        ask(&node, "GET", &asset("1343"), &known).await.unwrap().status,
        304
    );
    let fresh = format!("{known}cache-control: no-cache\r\n");
    assert_eq!(
        ask(&node, "GET", &asset("1343"), &fresh).await.unwrap().status,
        200
    );
}

#[tokio::test]
async fn head_never_starts_a_download_and_keeps_an_old_404() {
    let node = node(vec![Object::new(7, LARGE, false), Object::new(8, SMALL, true)]).await;
    let head = |id: &'static str| {
        let path = asset(id);
        let node = &node;
        async move { ask(node, "HEAD", &path, "").await.unwrap() }
    };
    let miss = head("7").await;
    assert_eq!(
        (miss.row(), miss.header("content-length")),
        ((200, Some("miss"), None), Some("3145728"))
    );
    assert_eq!(head("7").await.row(), (200, Some("miss"), None));
    let hit = head("8").await;
    assert_eq!(
        (hit.row(), hit.header("cache-control")),
        ((200, Some("hit"), None), Some("max-age=31536000"))
    );
    assert_eq!(head("9").await.status, 404);
    node.put(Object::new(9, SMALL, false));
    assert_eq!(head("9").await.status, 404);
    assert_eq!(get(&node, "9").await.status, 200);
}

#[tokio::test]
async fn refusals_are_those_of_the_table() {
    let objects = vec![
        Object {
            place: Whereabouts::OtherBucket,
            ..Object::new(1, SMALL, false)
        },
        Object {
            place: Whereabouts::NotUploaded,
            ..Object::new(2, SMALL, false)
        },
        Object {
            supply: Supply::None,
            ..Object::new(3, SMALL, false)
        },
    ];
    let node = node(objects).await;
    for (id, status, message) in [
        ("1", 421, "Data object not served by this node"),
        ("2", 404, "Data object has not been uploaded yet"),
        ("99", 404, "Data object does not exist"),
        ("12abc", 404, "Data object does not exist"),
        ("-1", 404, "Data object does not exist"),
        ("007", 404, "Data object does not exist"),
        (
            "3",
            500,
            "Failed to download the object from any available storage provider",
        ),
    ] {
        let refused = get(&node, id).await;
        assert_eq!(
            (refused.row(), refused.json()["message"].as_str().unwrap()),
            ((status, None, None), message),
            "{id}"
        );
        assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
        assert_eq!(
            refused.header("timing-allow-origin").is_some(),
            status != 500,
            "{id}"
        );
    }
    for (method, path, status) in [
        ("GET", "assets/abc", 400),
        ("GET", "assets/1?x=1", 400),
        ("GET", "status?x", 400),
        ("HEAD", "status", 405),
        ("POST", "assets/1", 405),
        ("OPTIONS", "status", 204),
        ("GET", "xyz", 404),
    ] {
        let answer = ask(&node, method, &format!("/distributor/api/v1/{path}"), "")
            .await
            .unwrap();
        assert_eq!(
            (answer.row(), answer.header("timing-allow-origin")),
            ((status, None, None), None),
            "{method} {path}"
        );
    }
    let page = ask(&node, "GET", "/distributor//api/v1/status", "")
        .await
        .unwrap();
    assert_eq!(
        (page.status, page.header("content-type")),
        (404, Some("text/html; charset=utf-8"))
    );
}

#[tokio::test]
async fn object_above_the_cacheable_size_is_always_a_miss() {
    let object = Object::new(7, LARGE, false);
    let node = ArgusNode::start(
        NodeConfig {
            max_cached_item: 1 << 20,
            ..fast()
        },
        vec![object.clone()],
    )
    .await
    .unwrap();
    for _ in 0..2 {
        let answer = get(&node, "7").await;
        assert_eq!(
            (answer.row(), answer.body.len() as u64),
            ((200, Some("miss"), Some("external")), LARGE)
        );
    }
    assert_eq!(get_range(&node, "7", "0-99").await.body, object.bytes(0, 100));
}

#[tokio::test]
async fn status_fails_with_the_indexer_while_hits_go_on() {
    let node = node(vec![Object::new(8, SMALL, true), Object::new(9, SMALL, false)]).await;
    let status = || ask(&node, "GET", "/distributor/api/v1/status", "");
    let up = status().await.unwrap();
    assert_eq!((up.status, up.json()["objectsInCache"].as_u64()), (200, Some(1)));
    node.set_indexer(Indexer::Down);
    assert_eq!(
        (
            status().await.unwrap().status,
            get(&node, "9").await.status,
            get(&node, "8").await.status
        ),
        (500, 500, 200)
    );
    node.set_indexer(Indexer::Up);
    assert_eq!(status().await.unwrap().status, 200);
}

#[tokio::test]
async fn status_that_hangs_leaves_assets_alone() {
    let node = node(vec![Object::new(8, SMALL, true)]).await;
    node.hang_status(true);
    let assets = async {
        while node.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        for _ in 0..10 {
            assert_eq!(get(&node, "8").await.status, 200);
        }
    };
    tokio::select! {
        biased;
        answer = ask(&node, "GET", "/distributor/api/v1/status", "") => panic!("it answered: {answer:?}"),
        () = assets => {}
    }
    node.hang_status(false);
    assert_eq!(
        ask(&node, "GET", "/distributor/api/v1/status", "")
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn crash_gives_an_empty_reply_and_a_closed_port_until_the_restart() {
    let crashes = Object {
        supply: Supply::CrashesNode,
        ..Object::new(5, SMALL, false)
    };
    let node = node(vec![crashes, Object::new(8, SMALL, true)]).await;
    assert!(ask(&node, "GET", &asset("5"), "").await.is_none());
    while node.is_up().await {
        tokio::task::yield_now().await;
    }
    assert!(TcpStream::connect(node.address()).await.is_err());
    node.restart().await.unwrap();
    assert_eq!(get(&node, "8").await.row(), (200, Some("hit"), Some("local")));
}

#[tokio::test]
async fn killed_node_refuses_until_its_restart() {
    let node = node(vec![Object::new(8, SMALL, true)]).await;
    node.kill().await;
    assert!(!node.is_up().await);
    assert!(TcpStream::connect(node.address()).await.is_err());
    node.restart().await.unwrap();
    assert_eq!(get(&node, "8").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn slow_node_answers_later_and_uptime_counts_from_the_restart() {
    let node = node(vec![]).await;
    let status = || ask(&node, "GET", "/distributor/api/v1/status", "");
    node.slow_by(Duration::from_secs(100));
    assert!(status().await.unwrap().json()["uptime"].as_u64().unwrap() >= 100);
    node.slow_by(Duration::ZERO);
    node.restart().await.unwrap();
    assert!(status().await.unwrap().json()["uptime"].as_u64().unwrap() < 100);
}
