//! How fast a node sends.

use isochrone_proto::kind::Check as Kind;
use isochrone_proto::limits::THROUGHPUT_BYTES;

use super::*;

/// A part of an object of so many bytes, of which so many come, and what its node's cache says.
fn part(cache: &str, object: u32, bytes: u32) -> String {
    let last = bytes - 1;
    let body = "x".repeat(bytes as usize);
    format!(
        "HTTP/1.1 206 Partial Content\r\n{cache}content-range: bytes 0-{last}/{object}\r\ncontent-length: {bytes}\r\n\r\n{body}"
    )
}

#[tokio::test(start_paused = true)]
async fn cached_object_is_read_up_to_eight_mebibytes() {
    let object = THROUGHPUT_BYTES + 5;
    for answer_of in [
        part("x-cache: hit\r\n", object, THROUGHPUT_BYTES),
        format!(
            "HTTP/1.1 200 OK\r\nx-cache: HIT\r\ncontent-length: {object}\r\n\r\n{}",
            "x".repeat(object as usize)
        ),
    ] {
        let report = check(saying(answer_of), &throughput()).await;
        let read = answer(&report).body_bytes;
        assert!(
            (u64::from(THROUGHPUT_BYTES)..=u64::from(object)).contains(&read),
            "{read}"
        );
        assert_eq!(report.cache, CacheState::Hit);
    }
}

#[tokio::test(start_paused = true)]
async fn object_that_the_node_has_to_fetch_is_left_at_its_head_and_has_no_throughput() {
    for cache in ["x-cache: miss\r\n", "x-cache: pending\r\n"] {
        let report = check(saying(part(cache, 9 << 20, THROUGHPUT_BYTES)), &throughput()).await;
        let answer = answer(&report);
        assert!(answer.body_bytes < 1 << 20 && answer.capped, "{answer:?}");
        assert_eq!(report.to_outcome().mbps(Kind::Throughput), None);
    }
}

#[tokio::test(start_paused = true)]
async fn object_that_is_too_small_is_told_with_its_bytes() {
    let report = check(saying(part("x-cache: hit\r\n", 1_000, 1_000)), &throughput()).await;
    assert_eq!(
        broke(&report),
        (Phase::Verify, Cause::Failed(FailureCause::BodyTooShort))
    );
    let text = failure(&report).text.as_str();
    assert!(text.contains("1000 bytes") && text.contains("8388608"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn refusals_of_a_throughput_are_those_of_an_asset() {
    let absent = "HTTP/1.1 421 X\r\ntiming-allow-origin: *\r\ncontent-length: 0\r\n\r\n";
    let report = check(saying(absent.to_owned()), &throughput()).await;
    assert!(matches!(report.outcome, CheckOutcome::Absent(_)), "{report:?}");
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\r\nhello";
    let report = check(saying(page.to_owned()), &throughput()).await;
    assert_eq!(
        broke(&report),
        (Phase::Verify, Cause::Failed(FailureCause::NotArgus))
    );
}
