//! Each way to fail, with its phase and its cause.

use super::*;
use proptest::prelude::*;

async fn said(answer: impl Into<Vec<u8>>, request: &CheckRequest) -> (Phase, Cause) {
    broke(&check(saying(answer), request).await)
}

#[tokio::test(start_paused = true)]
async fn hang_in_each_phase_is_a_timeout_of_that_phase() {
    let never_connects = {
        let mut memory = Memory::new(|_| async {});
        Arc::get_mut(&mut memory).unwrap().connect_takes = Duration::from_secs(1_000);
        memory
    };
    let never_reads = Memory::new(|stream: DuplexStream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    });
    let stops = |answer: &'static str| {
        Memory::new(move |mut stream: DuplexStream| async move {
            read_request(&mut stream).await;
            write(&mut stream, answer.as_bytes()).await;
            std::future::pending::<()>().await;
        })
    };
    for (memory, request, phase) in [
        (never_connects, http_page(), Phase::Connect),
        (never_reads.clone(), http_page(), Phase::FirstByte),
        (stops(""), http_page(), Phase::FirstByte),
        (stops("HTTP/1.1 200 OK\r\n"), http_page(), Phase::FirstByte),
        (
            stops("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"),
            http_page(),
            Phase::Transfer,
        ),
    ] {
        let report = check(memory, &request).await;
        assert_eq!(broke(&report), (phase, Cause::Failed(FailureCause::Timeout)));
        assert_eq!(failure(&report).elapsed, Duration::from_secs(5));
    }
}

#[tokio::test(start_paused = true)]
async fn interim_answers_are_passed_over_and_endless_ones_are_not_read() {
    let some = "HTTP/1.1 100 Continue\r\n\r\n".repeat(3) + "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let good = check(
        saying(some + "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        &http_page(),
    )
    .await;
    assert_eq!(answer(&good).status, 200);

    let sent = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&sent);
    let endless = Memory::new(move |mut stream: DuplexStream| {
        let sent = Arc::clone(&counted);
        async move {
            read_request(&mut stream).await;
            for _ in 0..100_000 {
                if stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
                    break;
                }
                sent.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        }
    });
    let report = check(endless, &http_page()).await;
    assert_eq!(
        broke(&report),
        (Phase::FirstByte, Cause::Failed(FailureCause::BadHttp))
    );
    assert!(
        failure(&report).text.as_str().contains("interim answers"),
        "{report:?}"
    );
    assert!(failure(&report).elapsed < Duration::from_secs(1));
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent < 10_000, "{sent} were taken");
}

#[tokio::test(start_paused = true)]
async fn asset_has_its_own_limits_for_first_byte_and_total() {
    let silent = Memory::new(|stream: DuplexStream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    });
    let report = check(silent, &asset_get(100)).await;
    assert_eq!(
        (broke(&report), failure(&report).elapsed),
        (
            (Phase::FirstByte, Cause::Failed(FailureCause::Timeout)),
            Duration::from_secs(5)
        )
    );
    let trickle = Memory::new(|mut stream: DuplexStream| async move {
        read_request(&mut stream).await;
        let head =
            "HTTP/1.1 206 Partial Content\r\ncontent-length: 100\r\ncontent-range: bytes 0-99/100\r\n\r\n";
        write(&mut stream, head.as_bytes()).await;
        loop {
            sleep(Duration::from_secs(1)).await;
            write(&mut stream, b"x").await;
        }
    });
    let report = check(trickle, &asset_get(100)).await;
    assert_eq!(
        (broke(&report), failure(&report).elapsed),
        (
            (Phase::Transfer, Cause::Failed(FailureCause::Timeout)),
            Duration::from_secs(20)
        )
    );
}

#[tokio::test(start_paused = true)]
async fn planned_timeout_shortens_the_default() {
    let silent = Memory::new(|stream: DuplexStream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    });
    let kind = "status4".parse().unwrap();
    let url = format!("http://{NODE}/distributor/");
    let request = CheckRequest::planned(kind, &url, None, Duration::from_millis(700)).unwrap();
    assert_eq!(
        failure(&check(silent, &request).await).elapsed,
        Duration::from_millis(700)
    );
}

#[test]
fn unusable_plans_are_refused() {
    let planned = |kind: &str, url: &str, asset| {
        CheckRequest::planned(kind.parse().unwrap(), url, asset, Duration::from_secs(5))
    };
    assert!(planned("asset-get6", "https://h/d/", Some("1343")).is_ok());
    assert!(matches!(
        planned("asset-get6", "https://h/d/", None),
        Err(UnusableTarget::NoAsset { .. })
    ));
    assert!(matches!(
        planned("asset-head4", "https://h/d/", Some("007")),
        Err(UnusableTarget::Asset(_))
    ));
    assert!(matches!(
        planned("status4", "https://h/d/?x", None),
        Err(UnusableTarget::Url(_))
    ));
    assert!(matches!(
        planned("echo4", "https://h/", None),
        Err(UnusableTarget::NoRequest(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn broken_answers_are_told_apart() {
    let first = Phase::FirstByte;
    let page = http_page();
    assert_eq!(
        said("", &page).await,
        (first, Cause::Failed(FailureCause::Closed))
    );
    assert_eq!(
        said("HTTP/1.1 200 OK\r\nconten", &page).await,
        (first, Cause::Failed(FailureCause::BodyTooShort))
    );
    assert_eq!(
        said("SSH-2.0-OpenSSH_9.2\r\n", &page).await,
        (first, Cause::Failed(FailureCause::BadHttp))
    );
    assert_eq!(
        said(vec![0x15, 3, 3, 0, 2, 2, 80], &page).await,
        (first, Cause::Failed(FailureCause::BadHttp))
    );
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello";
    assert_eq!(
        said(cut, &page).await,
        (Phase::Transfer, Cause::Failed(FailureCause::BodyTooShort))
    );
    let cut = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    assert_eq!(
        said(cut, &page).await,
        (Phase::Transfer, Cause::Failed(FailureCause::BodyTooShort))
    );
    let bad = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n";
    assert_eq!(said(bad, &page).await.0, Phase::Transfer);
}

#[tokio::test(start_paused = true)]
async fn oversize_heads_and_bodies_are_refused() {
    let long_line = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "a".repeat(70 << 10));
    assert_eq!(
        said(long_line, &http_page()).await,
        (Phase::FirstByte, Cause::Failed(FailureCause::HeaderTooLarge))
    );
    let many_lines = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(501));
    assert_eq!(
        said(many_lines, &http_page()).await,
        (Phase::FirstByte, Cause::Failed(FailureCause::HeaderTooLarge))
    );
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 65537\r\n\r\n";
    assert_eq!(
        said(announced, &status()).await,
        (Phase::Transfer, Cause::Failed(FailureCause::BodyTooLarge))
    );
    let endless = Memory::new(|mut stream: DuplexStream| async move {
        read_request(&mut stream).await;
        write(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
    });
    assert!(answer(&check(endless.clone(), &http_page()).await).capped);
    assert_eq!(
        broke(&check(endless, &status()).await),
        (Phase::Transfer, Cause::Failed(FailureCause::BodyTooLarge))
    );
}

#[tokio::test(start_paused = true)]
async fn page_of_exactly_the_limit_is_read() {
    let body = "x".repeat(1 << 20);
    let said = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    assert_eq!(
        answer(&check(saying(said), &http_page()).await).body_bytes,
        1 << 20
    );
}

#[tokio::test(start_paused = true)]
async fn no_redirect_is_followed_whatever_the_length_of_the_chain() {
    for hops in [0u32, 1, 5] {
        let served = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&served);
        let memory = Memory::new(move |mut stream: DuplexStream| {
            let turn = counter.fetch_add(1, Ordering::SeqCst);
            async move {
                read_request(&mut stream).await;
                let answer = if turn < hops {
                    format!(
                        "HTTP/1.1 302 Found\r\nlocation: http://{NODE}/{turn}\r\ncontent-length: 0\r\n\r\n"
                    )
                } else {
                    "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()
                };
                write(&mut stream, answer.as_bytes()).await;
            }
        });
        let report = check(Arc::clone(&memory), &http_page()).await;
        if hops == 0 {
            assert_eq!(answer(&report).status, 200);
        } else {
            assert_eq!(
                broke(&report),
                (Phase::Verify, Cause::Failed(FailureCause::Redirect))
            );
            assert_eq!(failure(&report).text.as_str(), "302 to http://8.8.8.8/0");
            assert_eq!(report.to_outcome().http_status, Some(302));
        }
        assert_eq!(memory.dialled(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn unexpected_statuses_are_failures_with_the_servers_words() {
    let json = r#"{"type":"exception","message":"connect ECONNREFUSED"}"#;
    let refused = format!(
        "HTTP/1.1 500 Internal Server Error\r\nx-cache: hit\r\ncontent-length: {}\r\n\r\n{json}",
        json.len()
    );
    for request in [http_page(), status(), asset_get(100)] {
        let report = check(saying(refused.clone()), &request).await;
        assert_eq!(
            broke(&report),
            (Phase::Verify, Cause::Failed(FailureCause::BadStatus))
        );
        assert_eq!(failure(&report).text.as_str(), format!("500: {json}"));
        assert_eq!(
            (report.http_status, report.cache),
            (Some(500), CacheState::Absent),
            "x-cache of a 500 does not count"
        );
    }
    for code in [204, 206, 301, 404, 416, 421, 503] {
        let said = format!("HTTP/1.1 {code} X\r\ncontent-length: 0\r\n\r\n");
        let (phase, cause) = said_by(&said, &status()).await;
        assert_eq!(phase, Phase::Verify);
        assert_eq!(
            cause,
            if code == 301 {
                Cause::Failed(FailureCause::Redirect)
            } else {
                Cause::Failed(FailureCause::BadStatus)
            }
        );
    }
}

async fn said_by(answer: &str, request: &CheckRequest) -> (Phase, Cause) {
    said(answer.as_bytes(), request).await
}

#[tokio::test(start_paused = true)]
async fn missing_objects_are_outcomes_of_their_own() {
    for (code, reason, stored) in [
        (404, AbsenceReason::NotFound, FailureCause::NotFound),
        (421, AbsenceReason::NotServed, FailureCause::Misdirected),
    ] {
        let json = r#"{"message":"Data object x"}"#;
        let by_argus = format!(
            "HTTP/1.1 {code} X\r\ncontent-length: {}\r\n\r\n{json}",
            json.len()
        );
        let report = check(saying(by_argus), &asset_get(100)).await;
        let CheckOutcome::Absent(absence) = &report.outcome else {
            panic!("{report:?}")
        };
        assert_eq!((absence.reason, absence.text.as_str()), (reason, "Data object x"));
        let EndpointResult::Failed { cause, .. } = report.to_outcome().result else {
            panic!("{report:?}")
        };
        assert_eq!((cause, cause.is_down()), (stored, false));

        let to_head = format!("HTTP/1.1 {code} X\r\ntiming-allow-origin: *\r\n\r\n");
        assert!(matches!(
            check(saying(to_head), &asset_head()).await.outcome,
            CheckOutcome::Absent(_)
        ));
        let by_a_proxy = format!("HTTP/1.1 {code} X\r\ncontent-length: 9\r\n\r\nnot found");
        assert_eq!(
            said(by_a_proxy, &asset_get(100)).await,
            (Phase::Verify, Cause::Failed(FailureCause::BadStatus))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn status_bodies_that_are_no_status_are_failures() {
    let with = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    assert_eq!(
        said(with("<html>"), &status()).await,
        (Phase::Verify, Cause::Failed(FailureCause::BadJson))
    );
    assert_eq!(
        said(with(""), &status()).await,
        (Phase::Verify, Cause::Failed(FailureCause::BadJson))
    );
    assert_eq!(
        said(with(r#"{"id":"n"}"#), &status()).await,
        (Phase::Verify, Cause::Failed(FailureCause::MissingField))
    );
}

/// A captive portal, a bare web server in the node's place, a proxy that lost the body.
#[tokio::test(start_paused = true)]
async fn asset_that_no_argus_node_would_serve_is_a_failure() {
    let with = |headers: &str, body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let wrong = (Phase::Verify, Cause::Failed(FailureCause::NotArgus));
    for answer in [
        with(
            "content-type: text/html; charset=utf-8\r\nx-cache: hit\r\n",
            "<html>",
        ),
        with("content-type: video/mp4\r\n", "bytes"),
        with("x-cache: hit\r\n", ""),
    ] {
        assert_eq!(said(answer.clone(), &asset_get(5)).await, wrong, "{answer}");
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(said_by(head, &asset_head()).await, wrong);
}

#[tokio::test(start_paused = true)]
async fn ranges_that_do_not_fit_are_failures() {
    let part = |range: &str, body: &str| {
        format!(
            "HTTP/1.1 206 Partial Content\r\n{range}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let wrong = (Phase::Verify, Cause::Failed(FailureCause::WrongRange));
    assert_eq!(
        said(part("content-range: bytes 5-9/100\r\n", "abcde"), &asset_get(5)).await,
        wrong
    );
    assert_eq!(
        said(
            part("content-range: bytes 0-9/100\r\n", "abcdefghij"),
            &asset_get(5)
        )
        .await,
        wrong
    );
    assert_eq!(said(part("", "abcde"), &asset_get(5)).await, wrong);
    let short = said(part("content-range: bytes 0-4/100\r\n", "abc"), &asset_get(5)).await;
    assert_eq!(short, (Phase::Verify, Cause::Failed(FailureCause::BodyTooShort)));
    let small = check(
        saying(part("x-cache: hit\r\ncontent-range: bytes 0-2/3\r\n", "abc")),
        &asset_get(5),
    )
    .await;
    assert_eq!(answer(&small).body_bytes, 3);
}

#[tokio::test(start_paused = true)]
async fn address_of_the_other_family_is_no_address() {
    let mut request = http_page();
    request.family = Family::V6;
    let memory = saying("");
    assert_eq!(
        broke(&check(Arc::clone(&memory), &request).await),
        (Phase::Resolve, Cause::Failed(FailureCause::NoAddress))
    );
    assert_eq!(memory.dialled(), 0);
}

#[tokio::test(start_paused = true)]
async fn forbidden_addresses_are_never_dialled_however_they_are_spelled() {
    for (host, family) in [
        ("127.0.0.1", Family::V4),
        ("0x7f.1", Family::V4),
        ("2130706433", Family::V4),
        ("169.254.169.254", Family::V4),
        ("100.64.0.1", Family::V4),
        ("[::1]", Family::V6),
        ("[::ffff:8.8.8.8]", Family::V6),
        ("[64:ff9b::808:808]", Family::V6),
        ("[2002:808:808::1]", Family::V6),
    ] {
        let memory = saying("HTTP/1.1 200 OK\r\n\r\n");
        let mut request = page(&format!("http://{host}/"));
        request.family = family;
        let report = check(Arc::clone(&memory), &request).await;
        let (phase, cause) = broke(&report);
        assert!(
            phase == Phase::Resolve && matches!(cause, Cause::Failed(FailureCause::ForbiddenAddress)),
            "{host}: {report:?}"
        );
        assert_eq!(memory.dialled(), 0, "{host}");
    }
}

#[test]
fn error_texts_are_bounded_and_cannot_move_a_cursor() {
    let text = ErrorText::new(&format!("\x1b[2J{}", "é".repeat(500)));
    assert_eq!(text.as_str().chars().count(), ErrorText::MAX);
    assert!(!text.as_str().contains('\x1b'));
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a server says, the check ends in time, its phases add up, and nothing panics.
    #[test]
    fn any_bytes_end_the_check(
        head in prop_oneof![Just(""), Just("HTTP/1.1 200 OK\r\n"), Just("HTTP/1.1 206 X\r\ncontent-range: bytes 0-4/9\r\n")],
        tail in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut said = head.as_bytes().to_vec();
        said.extend(tail);
        for request in [http_page(), status(), asset_head(), asset_get(5)] {
            let report = run(check(saying(said.clone()), &request));
            if let Some(answer) = report.outcome.answer() {
                let sum: Duration = answer.phases.parts().iter().map(|(_, part)| *part).sum();
                prop_assert_eq!(sum, answer.phases.total());
                prop_assert!((200..300).contains(&answer.status));
            } else {
                let result = report.to_outcome().result;
                let is_failure = matches!(result, EndpointResult::Failed { .. } | EndpointResult::Unsent(_));
                prop_assert!(is_failure, "{:?}", report);
            }
        }
    }
}

/// What a probe makes of a status and a body for an asset.
async fn refused_with(status: u16, headers: &str, body: &str) -> CheckReport {
    let length = body.len();
    let said = format!("HTTP/1.1 {status} No\r\n{headers}content-length: {length}\r\n\r\n{body}");
    check(saying(said), &asset_get(100)).await
}

#[tokio::test(start_paused = true)]
async fn only_argus_says_that_an_object_is_absent() {
    for (status, headers, body) in [
        (404, "", r#"{"message":"Data object does not exist"}"#),
        (404, "", r#"{"message":"Data object has not been uploaded yet"}"#),
        (421, "", r#"{"message":"Data object not served by this node"}"#),
        (404, "timing-allow-origin: *\r\n", ""),
    ] {
        let report = refused_with(status, headers, body).await;
        assert!(matches!(report.outcome, CheckOutcome::Absent(_)), "{report:?}");
    }
    for (status, body) in [
        (404, r#"{"message":"Not Found"}"#),
        (404, r#"{"message":"no Route matched with those values"}"#),
        (421, r#"{"message":"Misdirected Request"}"#),
    ] {
        let report = refused_with(status, "", body).await;
        let refused = (Phase::Verify, Cause::Failed(FailureCause::BadStatus));
        assert_eq!(broke(&report), refused, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn cache_state_that_no_node_says_is_named() {
    let said = "HTTP/1.1 200 OK\r\nx-cache: EXPIRED\r\ncontent-length: 3\r\n\r\nabc";
    let report = check(saying(said), &asset_get(3)).await;
    assert_eq!(broke(&report).1, Cause::Failed(FailureCause::NotArgus));
    let text = failure(&report).text.as_str();
    assert!(
        text.contains("x-cache says EXPIRED, which no Argus node says"),
        "{text}"
    );
}
