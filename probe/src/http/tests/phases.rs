//! Where the time goes, exactly: every delay is virtual.

use super::*;

const CONNECT: Duration = Duration::from_millis(50);
const FIRST: Duration = Duration::from_millis(300);
const REST: Duration = Duration::from_millis(200);

fn slow_page() -> Arc<Memory> {
    let script = |mut stream: DuplexStream| async move {
        read_request(&mut stream).await;
        sleep(FIRST).await;
        write(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello").await;
        sleep(REST).await;
        write(&mut stream, b"world").await;
    };
    let mut memory = Memory::new(script);
    Arc::get_mut(&mut memory).unwrap().connect_takes = CONNECT;
    memory
}

#[tokio::test(start_paused = true)]
async fn each_delay_lands_in_its_own_phase_and_they_add_up() {
    let report = check(slow_page(), &http_page()).await;
    let answer = answer(&report);
    let phases = &answer.phases;
    assert_eq!(
        (phases.resolve(), phases.connect(), phases.tls()),
        (Duration::ZERO, CONNECT, Duration::ZERO)
    );
    assert_eq!((phases.first_byte(), phases.transfer()), (FIRST, REST));
    assert_eq!(
        (phases.total(), phases.unattributed()),
        (CONNECT + FIRST + REST, Duration::ZERO)
    );
    assert_eq!(
        (answer.status, answer.body_bytes, answer.capped),
        (200, 10, false)
    );
    assert_eq!(report.address, Some(SocketAddr::new(NODE.parse().unwrap(), 80)));
}

#[tokio::test(start_paused = true)]
async fn stored_phases_add_up_in_microseconds() {
    let report = check(slow_page(), &http_page()).await;
    let EndpointResult::Ok {
        phases, body_bytes, ..
    } = report.to_outcome().result
    else {
        panic!("{report:?}")
    };
    assert_eq!(
        (phases.connect.get(), phases.first_byte.get(), phases.total_us()),
        (50_000, 300_000, 550_000)
    );
    assert_eq!(body_bytes, 10);
}

#[tokio::test(start_paused = true)]
async fn wake_ups_while_waiting_do_not_shorten_the_first_byte() {
    // A head that comes byte by byte wakes the connection each time; the first byte is still the first one.
    let script = |mut stream: DuplexStream| async move {
        read_request(&mut stream).await;
        for byte in b"HTTP/1.1 204 No Content\r\n\r\n" {
            sleep(Duration::from_millis(10)).await;
            write(&mut stream, &[*byte]).await;
        }
    };
    let report = check(Memory::new(script), &http_page()).await;
    let phases = answer(&report).phases;
    assert_eq!(
        (phases.first_byte(), phases.transfer()),
        (Duration::from_millis(10), Duration::from_millis(260))
    );
}

#[tokio::test(start_paused = true)]
async fn being_polled_while_waiting_does_not_shorten_the_first_byte() {
    // `join!` polls the check at each tick, and hyper flushes each time: only a flush after a write counts.
    let ticks = async {
        for _ in 0..50 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let memory = slow_page();
    let request = http_page();
    let (report, ()) = tokio::join!(check(memory, &request), ticks);
    assert_eq!(answer(&report).phases.first_byte(), FIRST);
}

#[tokio::test(start_paused = true)]
async fn request_is_cold_named_and_asks_for_a_fresh_answer() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let memory = Memory::new(move |mut stream| {
        let notes = Arc::clone(&notes);
        async move {
            let request = read_request(&mut stream).await;
            notes.lock().unwrap().push(request);
            let head = "HTTP/1.1 206 Partial Content\r\nx-cache: HIT\r\nx-data-source: local\r\ncontent-length: 3\r\n";
            write(
                &mut stream,
                format!("{head}content-range: bytes 0-2/5000\r\n\r\nabc").as_bytes(),
            )
            .await;
        }
    });
    let prober = prober(Arc::clone(&memory));
    for _ in 0..2 {
        let report = prober.check(&asset_get(3)).await;
        assert_eq!(
            answer(&report).cached_first_byte(),
            Some(answer(&report).phases.first_byte())
        );
    }
    assert_eq!(memory.dialled(), 2, "each check connects anew");
    let request = seen.lock().unwrap()[0].to_lowercase();
    assert!(
        request.starts_with("get /distributor/api/v1/assets/1343 http/1.1\r\n"),
        "{request}"
    );
    for line in [
        "host: 8.8.8.8",
        concat!("user-agent: isochrone-probe/", env!("CARGO_PKG_VERSION")),
        "cache-control: no-cache",
        "connection: close",
        "range: bytes=0-2",
        "accept-encoding: identity",
    ] {
        assert!(
            request.contains(&format!("\r\n{line}\r\n")),
            "{line:?} is not in {request}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn status_is_parsed_and_its_uptime_stored() {
    let body = r#"{"id":"n","version":"2.1.2","objectsInCache":5,"storageLimit":9,"storageUsed":1,"uptime":77,"downloadsInProgress":0}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let report = check(saying(head + body), &status()).await;
    let AnswerKind::Status(found) = &answer(&report).kind else {
        panic!("{report:?}")
    };
    assert_eq!((found.version.as_str(), found.uptime_s), ("2.1.2", 77));
    let EndpointResult::Ok {
        node_uptime_s,
        node_version,
        ..
    } = report.to_outcome().result
    else {
        panic!()
    };
    assert_eq!((node_uptime_s, node_version.as_str()), (Some(77), "2.1.2"));
}

#[tokio::test(start_paused = true)]
async fn head_reports_size_and_cache_and_reads_no_body() {
    let said = "HTTP/1.1 200 OK\r\nx-cache: miss\r\ncontent-length: 1048576\r\n\r\n";
    let report = check(saying(said), &asset_head()).await;
    let answer = answer(&report);
    assert_eq!((answer.body_bytes, answer.capped), (0, false));
    assert!(matches!(
        answer.kind,
        AnswerKind::Asset {
            cache: CacheState::Miss,
            source: None,
            object_bytes: Some(1_048_576)
        }
    ));
    assert_eq!(
        (answer.cached_first_byte(), report.cache),
        (None, CacheState::Miss)
    );
}

#[tokio::test(start_paused = true)]
async fn miss_that_sends_more_than_asked_is_read_to_the_cap_and_never_counts_as_cached() {
    let script = |mut stream: DuplexStream| async move {
        read_request(&mut stream).await;
        let head = "HTTP/1.1 206 Partial Content\r\nx-cache: miss\r\nx-data-source: local\r\ntransfer-encoding: chunked\r\n";
        write(
            &mut stream,
            format!("{head}content-range: bytes 0-99/5000000\r\n\r\n").as_bytes(),
        )
        .await;
        while stream.write_all(b"400\r\n").await.is_ok()
            && stream.write_all(&[b'x'; 0x400]).await.is_ok()
            && stream.write_all(b"\r\n").await.is_ok()
        {}
    };
    let report = check(Memory::new(script), &asset_get(100)).await;
    let answer = answer(&report);
    assert!(
        answer.capped && answer.body_bytes >= 100 && answer.body_bytes < 64 << 10,
        "{answer:?}"
    );
    assert_eq!(answer.cached_first_byte(), None);
    assert_eq!(answer.uncached_first_byte(), Some(answer.phases.first_byte()));
    assert_eq!(report.cache, CacheState::Miss);
}

#[tokio::test(start_paused = true)]
async fn chunked_and_close_delimited_pages_are_read_whole() {
    for said in [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    ] {
        assert_eq!(
            answer(&check(saying(said), &http_page()).await).body_bytes,
            5,
            "{said}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn checks_run_side_by_side_without_touching_each_other() {
    let prober = prober(slow_page());
    let request = http_page();
    let reports = futures_util::future::join_all((0..50).map(|_| prober.check(&request))).await;
    for report in &reports {
        assert_eq!(answer(report).phases.total(), CONNECT + FIRST + REST);
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_check_closes_its_connection() {
    let (closed, mut closes) = tokio::sync::mpsc::channel(1);
    let memory = Memory::new(move |mut stream| {
        let closed = closed.clone();
        async move {
            read_request(&mut stream).await;
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
            closed.send(()).await.unwrap();
        }
    });
    let prober = prober(memory);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), prober.check(&http_page()))
            .await
            .is_err()
    );
    closes.recv().await.expect("the server sees the end");
}

#[tokio::test(start_paused = true)]
async fn base_without_its_slash_works_and_is_linted() {
    let base = EndpointUrl::parse_base(&format!("http://{NODE}/distributor")).unwrap();
    let request = CheckRequest::new(
        Check::AssetHead {
            base,
            asset: crate::argus::AssetId::new(1),
        },
        Family::V4,
    );
    let report = check(saying("HTTP/1.1 200 OK\r\nx-cache: hit\r\n\r\n"), &request).await;
    assert_eq!(answer(&report).status, 200);
    assert_eq!(report.lints, [crate::reach::Lint::MissingTrailingSlash]);
}

/// Its words are shown on terminals and pages.
#[tokio::test(start_paused = true)]
async fn version_that_a_node_says_is_cut_and_cleaned() {
    let version = format!("2.1.2\\u001b[2J\\n{}", "v".repeat(300));
    let body = format!(
        "{{\"id\":\"n\",\"version\":\"{version}\",\"objectsInCache\":0,\"storageLimit\":1,\"storageUsed\":0,\
         \"uptime\":7,\"downloadsInProgress\":0}}"
    );
    let said = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let memory = Memory::new(move |mut stream: DuplexStream| {
        let said = said.clone();
        async move {
            read_request(&mut stream).await;
            write(&mut stream, said.as_bytes()).await;
        }
    });
    let report = check(memory, &status()).await;
    let EndpointResult::Ok { node_version, .. } = report.to_outcome().result else {
        panic!("{report:?}")
    };
    assert!(node_version.starts_with("2.1.2?[2J vvv"), "{node_version:?}");
    assert_eq!(node_version.chars().count(), 200);
}
