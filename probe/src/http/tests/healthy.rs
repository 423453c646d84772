//! Answers that browsers and curl take, as raw bytes of real servers: no failure.

use super::*;

const ANSWERS: [(&str, &[u8]); 5] = [
    ("103 before 200", include_bytes!("answers/103-then-200.http")),
    ("150 headers", include_bytes!("answers/150-headers.http")),
    ("20 kB in one header", include_bytes!("answers/20-kB-header.http")),
    (
        "a control byte in a header",
        include_bytes!("answers/control-byte-in-header.http"),
    ),
    ("a folded header", include_bytes!("answers/folded-header.http")),
];

#[tokio::test(start_paused = true)]
async fn answer_that_browsers_take_is_no_failure() {
    for (what, bytes) in ANSWERS {
        let report = check(saying(bytes), &http_page()).await;
        let answered = report.outcome.answer();
        let got = answered.map(|answer| (answer.status, answer.body_bytes));
        assert_eq!(got, Some((200, 2)), "{what}: {report:?}");
    }
    let blank = "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok";
    assert_eq!(answer(&check(saying(blank), &http_page()).await).body_bytes, 2);
}

#[tokio::test(start_paused = true)]
async fn chunks_of_an_http_1_0_server_are_read() {
    let said = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    assert_eq!(answer(&check(saying(said), &http_page()).await).body_bytes, 5);
    let in_pieces = Memory::new(move |mut stream| async move {
        read_request(&mut stream).await;
        for byte in said.as_bytes() {
            write(&mut stream, &[*byte]).await;
            sleep(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(answer(&check(in_pieces, &http_page()).await).body_bytes, 5);
}

#[tokio::test(start_paused = true)]
async fn event_stream_is_a_good_page_though_it_never_ends() {
    for event in ["", "data: one\n\n"] {
        let said =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n{event}");
        let endless = Memory::new(move |mut stream: DuplexStream| {
            let said = said.clone();
            async move {
                read_request(&mut stream).await;
                write(&mut stream, said.as_bytes()).await;
                std::future::pending::<()>().await;
            }
        });
        let report = check(endless, &http_page()).await;
        assert_eq!(answer(&report).status, 200, "{event:?}");
        assert!(answer(&report).capped);
    }
}

#[tokio::test(start_paused = true)]
async fn unit_of_a_range_is_read_in_any_case() {
    let head = "HTTP/1.1 206 Partial Content\r\nx-cache: hit\r\ncontent-length: 3\r\n";
    let said = format!("{head}content-range: Bytes 0-2/5000\r\n\r\nabc");
    assert_eq!(answer(&check(saying(said), &asset_get(3)).await).status, 206);
}

#[tokio::test(start_paused = true)]
async fn cache_header_of_a_server_in_front_leaves_the_nodes_own_readable() {
    for (lines, cache) in [
        ("x-cache: EXPIRED\r\nx-cache: hit", CacheState::Hit),
        ("x-cache: HIT, MISS", CacheState::Hit),
        ("x-cache: MISS from proxy.example.org", CacheState::Miss),
    ] {
        let said = format!("HTTP/1.1 200 OK\r\n{lines}\r\ncontent-length: 3\r\n\r\nabc");
        let report = check(saying(said), &asset_get(3)).await;
        assert_eq!(answer(&report).status, 200, "{lines}");
        assert_eq!(report.cache, cache, "{lines}");
    }
}

#[tokio::test(start_paused = true)]
async fn page_larger_than_the_limit_is_read_up_to_it_and_closed() {
    let size = 2 << 20;
    for head in [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n"),
        "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
    ] {
        let bytes = [head.as_bytes(), &vec![b'x'; size]].concat();
        let report = check(saying(bytes), &http_page()).await;
        let page = answer(&report);
        assert!(page.capped, "{page:?}");
        assert!(
            ((1 << 20)..(1 << 20) + (64 << 10)).contains(&page.body_bytes),
            "{page:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn not_modified_is_a_failure_that_blames_no_redirect() {
    let said = include_bytes!("answers/304.http").as_slice();
    for request in [http_page(), asset_get(100)] {
        let report = check(saying(said), &request).await;
        let wrong = (Phase::Verify, Cause::Failed(FailureCause::BadStatus));
        assert_eq!(broke(&report), wrong);
        let text = failure(&report).text.as_str();
        assert!(
            text.starts_with("304 Not Modified") && text.contains("cache"),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn page_in_the_place_of_an_asset_is_told_as_such() {
    let said = include_bytes!("answers/html-instead-of-asset.http").as_slice();
    let report = check(saying(said), &asset_get(100)).await;
    assert_eq!(
        broke(&report),
        (Phase::Verify, Cause::Failed(FailureCause::NotArgus))
    );
}

#[tokio::test(start_paused = true)]
async fn server_that_speaks_something_else_is_told_by_what_it_says() {
    let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 128].as_slice();
    for (said, words) in [
        (settings, "only HTTP/2"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "begins with SSH-2.0"),
        (&[0x15, 3, 3, 0, 2, 2, 80], "https://"),
    ] {
        let report = check(saying(said), &http_page()).await;
        assert_eq!(broke(&report).1, Cause::Failed(FailureCause::BadHttp));
        let text = failure(&report).text.as_str();
        assert!(text.contains(words), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn headers_beyond_the_limit_are_told_with_it() {
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "a".repeat(65 << 10));
    let report = check(saying(long), &http_page()).await;
    let text = failure(&report).text.as_str();
    assert!(text.contains("64 KiB or 500 lines"), "{text}");
}
