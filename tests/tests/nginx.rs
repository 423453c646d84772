//! The endpoint prober against Debian's nginx: what the probe reports is held against nginx's own log.
//!
//! Delays are injected in three places (before connecting, before the upstream's head, in the middle of its
//! body), each far longer than a busy machine's hiccups, so a phase that took the wrong one would show.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use isochrone_collector::demo::argus_node::{ArgusNode, NodeConfig, Object, Source};
use isochrone_probe::address_policy::AddressPolicy;
use isochrone_probe::argus::{AssetId, DataSource};
use isochrone_probe::connect::{ConnectRequest, connect};
use isochrone_probe::http::{
    AbsenceReason, Answer, AnswerKind, ByteCount, Check, CheckOutcome, CheckReport, CheckRequest,
    EndpointProber, USER_AGENT,
};
use isochrone_probe::reach::{Connection, Dial, EndpointUrl, Reach, TcpDial, TlsRoots};
use isochrone_proto::kind::Family;
use isochrone_proto::measurement::{CacheState, Cause, FailureCause, Phase, SendFailure};
use isochrone_tests::nginx::{CERTIFICATE_NOT_AFTER, LoggedRequest, Nginx};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// One injected delay. The log tells milliseconds, rounded.
const DELAY: Duration = Duration::from_millis(400);
/// What of a delay must be found in its phase: the rest is room for a busy machine.
const MOST_OF_IT: Duration = Duration::from_millis(250);
const ROUNDING: Duration = Duration::from_millis(1);

const STATUS: &str = r#"{"id":"nginx","version":"2.1.2","objectsInCache":1,"storageLimit":1000,"storageUsed":10,
 "uptime":3600,"downloadsInProgress":0,"queryNodeStatus":{"url":"http://q/","chainHead":10,"blocksProcessed":9}}"#;
const ASSET_BYTES: usize = 200_000;

/// Files and answers shaped like a node's.
const LOCATIONS: &str = r#"
    add_header access-control-allow-origin "*" always;
    location = /distributor/api/v1/status { alias {folder}/status.json; }
    location = /distributor/api/v1/assets/1343 {
      alias {folder}/1343;
      add_header x-cache hit always;
      add_header x-data-source local always;
      add_header timing-allow-origin "*" always;
      add_header cache-control "public, max-age=31536000" always;
    }
    location = /distributor/api/v1/assets/404 { return 404 '{"message":"Data object does not exist"}'; }
    location = /distributor/api/v1/assets/421 { return 421 '{"message":"Data object not served by this node"}'; }
    location = /distributor/api/v1/assets/1344 {
      alias {folder}/1343;
      add_header x-cache pending always;
      add_header x-data-source external always;
      add_header timing-allow-origin "*" always;
    }
    location = /distributor/api/v1/assets/304 { add_header x-cache hit always; return 304; }
    location = /distributor/api/v1/assets/400 { return 400 '{"type":"bad_request","message":"unknown query"}'; }
    location = /distributor/api/v1/assets/405 { return 405 '{"message":"GET method not allowed"}'; }
    location = /distributor/api/v1/assets/416 {
      add_header x-cache hit always;
      return 416 '{"type":"sendstream_error","message":"Range Not Satisfiable"}';
    }
    location = /distributor/api/v1/assets/500 { return 500 '{"type":"exception","message":"indexer down"}'; }
    location = /moved/api/v1/status { return 301 https://elsewhere.example.org/; }
    location = /empty/api/v1/status { return 444; }
    location = /limited { alias {folder}/1343; limit_rate 128k; }
"#;

fn start(locations: &str) -> Option<Nginx> {
    if !Nginx::is_installed() {
        return None;
    }
    let asset: Vec<u8> = (0..ASSET_BYTES).map(|at| (at % 251) as u8).collect();
    Some(Nginx::start(locations, &[("status.json", STATUS.into()), ("1343", asset)]).expect("nginx starts"))
}

fn reach(nginx: &Nginx) -> Reach {
    let policy = AddressPolicy::new(vec!["127.0.0.0/8".parse().expect("a prefix")], Vec::new());
    let roots = TlsRoots::only(vec![nginx.root.clone()]).expect("a root");
    Reach::new(policy, roots, isochrone_probe::clock::monotonic)
}

fn prober(nginx: &Nginx) -> EndpointProber {
    EndpointProber::new(Arc::new(reach(nginx)))
}

fn over_https(nginx: &Nginx, base: &str) -> EndpointUrl {
    EndpointUrl::parse(&format!("https://localhost:{}/{base}", nginx.https.port())).expect("a URL")
}

fn request(check: Check) -> CheckRequest {
    let mut request = CheckRequest::new(check, Family::V4);
    // Longer than a delay could be on any machine: these tests are about phases, not about giving up.
    request.timeouts.first_byte = Duration::from_secs(60);
    request.timeouts.total = Duration::from_secs(120);
    request
}

fn status(base: EndpointUrl) -> CheckRequest {
    request(Check::ArgusStatus { base })
}

fn head(base: EndpointUrl, asset: u64) -> CheckRequest {
    request(Check::AssetHead {
        base,
        asset: AssetId::new(asset),
    })
}

fn get(base: EndpointUrl, asset: u64) -> CheckRequest {
    request(Check::AssetGet {
        base,
        asset: AssetId::new(asset),
        first: ByteCount::ASSET_DEFAULT,
    })
}

fn answer(report: &CheckReport) -> &Answer {
    report
        .outcome
        .answer()
        .unwrap_or_else(|| panic!("no answer: {report:?}"))
}

fn broke(report: &CheckReport) -> (Phase, Cause) {
    let failure = report
        .outcome
        .failure()
        .unwrap_or_else(|| panic!("no failure: {report:?}"));
    (failure.phase, failure.cause)
}

/// Time cannot run backwards: what nginx measured lies inside of what the probe measured, and both agree to
/// less than one injected delay, so none was counted at one end only.
fn agrees(answer: &Answer, logged: &LoggedRequest) {
    let phases = &answer.phases;
    let served = Duration::from_secs_f64(logged.request_time);
    assert!(
        served <= phases.total() + ROUNDING,
        "nginx took longer than the check: {phases:?} {logged:?}"
    );
    let seen = phases.first_byte() + phases.transfer();
    assert!(
        seen.abs_diff(served) < MOST_OF_IT + ROUNDING,
        "first byte + transfer is not the request: {phases:?} {logged:?}"
    );
    assert_eq!(
        phases.parts().iter().map(|(_, part)| *part).sum::<Duration>(),
        phases.total()
    );
    assert_eq!(answer.status, logged.status);
}

#[tokio::test]
async fn every_request_is_cold_and_as_nginx_logged_it() {
    let Some(nginx) = start(LOCATIONS) else { return };
    let prober = prober(&nginx);
    let base = || over_https(&nginx, "distributor/");
    let mut answers = Vec::new();
    for request in [
        status(base()),
        head(base(), 1343),
        get(base(), 1343),
        get(base(), 1343),
    ] {
        let report = prober.check(&request).await;
        assert_eq!(report.certificate_not_after, Some(CERTIFICATE_NOT_AFTER));
        assert_eq!(report.address, Some(nginx.https));
        answers.push(answer(&report).clone());
    }
    let logged = nginx.logged(4).await.expect("four requests");
    for (answer, logged) in answers.iter().zip(&logged) {
        agrees(answer, logged);
        assert_eq!(answer.body_bytes, logged.body_bytes);
        assert_eq!(
            (logged.agent.as_str(), logged.cache_control.as_str()),
            (USER_AGENT, "no-cache")
        );
        assert_eq!(
            (logged.tls.as_str(), logged.reused.as_str(), logged.alpn.as_str()),
            ("TLSv1.3", ".", "http/1.1")
        );
        assert_eq!(
            (logged.server_name.as_str(), logged.connection_requests),
            ("localhost", 1)
        );
        assert_eq!(logged.host, format!("localhost:{}", nginx.https.port()));
        assert!(answer.phases.tls() > Duration::ZERO && answer.phases.connect() > Duration::ZERO);
    }
    let mut connections: Vec<u64> = logged.iter().map(|logged| logged.connection).collect();
    connections.dedup();
    assert_eq!(connections.len(), 4, "each check has a connection of its own");
    let asked: Vec<(&str, &str)> = logged
        .iter()
        .map(|logged| (logged.method.as_str(), logged.range.as_str()))
        .collect();
    assert_eq!(
        asked,
        [
            ("GET", ""),
            ("HEAD", ""),
            ("GET", "bytes=0-65535"),
            ("GET", "bytes=0-65535")
        ]
    );
    assert_eq!(
        (answers[1].body_bytes, answers[2].status, answers[2].body_bytes),
        (0, 206, 65_536)
    );
    let AnswerKind::Status(status) = &answers[0].kind else {
        panic!("{:?}", answers[0])
    };
    assert_eq!((status.uptime_s, status.version.as_str()), (3_600, "2.1.2"));
    let expected = Some(ASSET_BYTES as u64);
    for answer in &answers[1..] {
        assert!(
            matches!(answer.kind, AnswerKind::Asset { cache: CacheState::Hit, object_bytes, .. } if object_bytes == expected)
        );
        assert_eq!(answer.cached_first_byte(), Some(answer.phases.first_byte()));
    }
}

#[tokio::test]
async fn refusals_are_what_nginx_sent() {
    let Some(nginx) = start(LOCATIONS) else { return };
    let prober = prober(&nginx);
    let base = || over_https(&nginx, "distributor/");
    for (asset, reason) in [(404, AbsenceReason::NotFound), (421, AbsenceReason::NotServed)] {
        let report = prober.check(&get(base(), asset)).await;
        let CheckOutcome::Absent(absence) = &report.outcome else {
            panic!("{report:?}")
        };
        assert_eq!(absence.reason, reason);
    }
    for asset in [400, 405, 416, 500] {
        let report = prober.check(&get(base(), asset)).await;
        assert_eq!(
            broke(&report),
            (Phase::Verify, Cause::Failed(FailureCause::BadStatus))
        );
        assert_eq!(
            (report.http_status, report.cache),
            (Some(asset as u16), CacheState::Absent)
        );
    }
    // nobody asked with a condition, so this answer says nothing of the object
    let report = prober.check(&get(base(), 304)).await;
    assert_eq!(
        broke(&report),
        (Phase::Verify, Cause::Failed(FailureCause::BadStatus))
    );
    // nginx's own page for a wrong base URL is no Argus that lacks an object.
    let report = prober.check(&get(over_https(&nginx, "elsewhere/"), 1)).await;
    assert_eq!(
        broke(&report),
        (Phase::Verify, Cause::Failed(FailureCause::BadStatus))
    );
    let report = prober.check(&status(over_https(&nginx, "moved"))).await;
    assert_eq!(
        broke(&report),
        (Phase::Verify, Cause::Failed(FailureCause::Redirect))
    );
    let report = prober.check(&status(over_https(&nginx, "empty"))).await;
    assert_eq!(
        broke(&report),
        (Phase::FirstByte, Cause::Failed(FailureCause::Closed))
    );
    let statuses: Vec<u16> = nginx
        .logged(10)
        .await
        .expect("ten requests, none followed a redirect")
        .iter()
        .map(|logged| logged.status)
        .collect();
    assert_eq!(statuses, [404, 421, 400, 405, 416, 500, 304, 404, 301, 444]);
}

/// What the node fetches itself is not its cache's time.
#[tokio::test]
async fn asset_on_its_way_from_elsewhere_is_pending_and_external() {
    let Some(nginx) = start(LOCATIONS) else { return };
    let report = prober(&nginx)
        .check(&get(over_https(&nginx, "distributor/"), 1344))
        .await;
    let sent = answer(&report);
    agrees(sent, &nginx.logged(1).await.expect("one request")[0]);
    let source = Some(DataSource::External);
    assert!(
        matches!(sent.kind, AnswerKind::Asset { cache: CacheState::Pending, source: found, .. } if found == source),
        "{sent:?}"
    );
    assert_eq!(
        (report.cache, sent.cached_first_byte()),
        (CacheState::Pending, None)
    );
}

/// A storage node that stops in the middle leaves the node's proxied body without its rest.
#[tokio::test]
async fn body_whose_source_stalls_is_given_up_in_transfer() {
    let (upstream, _tasks) = stalled_upstream().await;
    let locations = format!(
        "location /distributor/api/v1/assets/ {{ proxy_pass http://{upstream}; proxy_buffering off; proxy_http_version 1.1; }}"
    );
    let Some(nginx) = start(&locations) else { return };
    let mut asked = get(over_https(&nginx, "distributor/"), 7);
    asked.timeouts.total = Duration::from_secs(2);
    let report = prober(&nginx).check(&asked).await;
    assert_eq!(
        broke(&report),
        (Phase::Transfer, Cause::Failed(FailureCause::Timeout))
    );
    assert_eq!(report.http_status, Some(206));
    assert_eq!(nginx.logged(1).await.expect("one request")[0].status, 206);
}

/// An upstream that sends a head and five bytes, and then nothing.
async fn stalled_upstream() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.expect("nginx asks"));
            }
            let head = b"HTTP/1.1 206 Partial Content\r\ncontent-length: 10\r\n\
                content-range: bytes 0-9/10\r\nx-cache: miss\r\n\r\nhello";
            stream.write_all(head).await.expect("nginx reads");
            held.push(stream);
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn handshakes_that_fail_never_become_requests() {
    let Some(nginx) = start(LOCATIONS) else { return };
    let by_address = EndpointUrl::parse(&format!("https://{}/distributor/", nginx.https)).expect("a URL");
    let report = prober(&nginx).check(&status(by_address)).await;
    assert_eq!(
        broke(&report),
        (Phase::Tls, Cause::Failed(FailureCause::CertificateWrongName))
    );
    assert_eq!(report.certificate_not_after, Some(CERTIFICATE_NOT_AFTER));
    let policy = AddressPolicy::new(vec!["127.0.0.0/8".parse().expect("a prefix")], Vec::new());
    let roots = TlsRoots::system_and(Vec::new()).expect("the system's roots");
    let stranger = EndpointProber::new(Arc::new(Reach::new(
        policy,
        roots,
        isochrone_probe::clock::monotonic,
    )));
    let (phase, cause) = broke(&stranger.check(&status(over_https(&nginx, "distributor/"))).await);
    // A machine without ca-certificates has no roots at all, and says that instead.
    assert!(
        phase == Phase::Tls
            && matches!(
                cause,
                Cause::Failed(FailureCause::CertificateUnknownIssuer) | Cause::Unsent(SendFailure::Local)
            ),
        "{cause:?}"
    );
    let refused = EndpointProber::new(Arc::new(Reach::new(
        AddressPolicy::default(),
        TlsRoots::only(vec![nginx.root.clone()]).expect("a root"),
        isochrone_probe::clock::monotonic,
    )));
    let (phase, cause) = broke(&refused.check(&status(over_https(&nginx, "distributor/"))).await);
    assert!(
        phase == Phase::Resolve && matches!(cause, Cause::Failed(FailureCause::ForbiddenAddress)),
        "{cause:?}"
    );
    assert!(nginx.logged(0).await.expect("no request").is_empty());
}

#[tokio::test]
async fn connection_alone_is_verified_and_is_no_request() {
    let Some(nginx) = start(LOCATIONS) else { return };
    let request = ConnectRequest::new(over_https(&nginx, "distributor/"), Family::V4);
    let report = connect(&reach(&nginx), &request).await;
    let phases = report.result.as_ref().expect("it stands");
    assert!(phases.connect() > Duration::ZERO && phases.tls() > Duration::ZERO);
    assert_eq!(
        phases.parts().iter().map(|(_, part)| *part).sum::<Duration>(),
        phases.total()
    );
    assert_eq!(report.certificate_not_after, Some(CERTIFICATE_NOT_AFTER));
    assert!(nginx.logged(0).await.expect("no request").is_empty());
}

/// Connects late.
struct LateDial;

impl Dial for LateDial {
    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            tokio::time::sleep(DELAY).await;
            TcpDial.connect(to).await
        })
    }
}

/// An upstream that waits before its head and in the middle of its body.
async fn slow_upstream() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("nodelay");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.expect("nginx asks"));
            }
            tokio::time::sleep(DELAY).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
                .await
                .expect("nginx reads");
            tokio::time::sleep(DELAY).await;
            stream.write_all(b"world").await.expect("nginx reads");
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn injected_delays_are_found_in_their_own_phases() {
    let (upstream, _tasks) = slow_upstream().await;
    let locations = format!(
        "location /slow {{ proxy_pass http://{upstream}; proxy_buffering off; proxy_http_version 1.1; }}"
    );
    let Some(nginx) = start(&locations) else { return };
    let prober = EndpointProber::new(Arc::new(reach(&nginx).with_dial(Arc::new(LateDial))));
    let started = monotonic();
    let report = prober
        .check(&request(Check::Http {
            url: over_https(&nginx, "slow"),
        }))
        .await;
    let elapsed = monotonic() - started;
    let answer = answer(&report);
    let logged = nginx.logged(1).await.expect("one request").remove(0);
    agrees(answer, &logged);
    assert_eq!((answer.body_bytes, logged.body_bytes), (10, 10));
    let phases = &answer.phases;
    for (name, phase) in [
        ("connect", phases.connect()),
        ("first byte", phases.first_byte()),
        ("transfer", phases.transfer()),
    ] {
        assert!(phase >= MOST_OF_IT, "{name} lacks its delay: {phases:?}");
    }
    assert!(phases.total() <= elapsed, "{phases:?} in {elapsed:?}");
    let head_time: f64 = logged
        .upstream_header_time
        .parse()
        .expect("nginx timed the upstream");
    assert!(head_time >= 0.399 && logged.request_time >= 0.799, "{logged:?}");
    let gap = phases.first_byte().abs_diff(Duration::from_secs_f64(head_time));
    assert!(
        gap < MOST_OF_IT,
        "first byte is not the upstream's: {phases:?} {logged:?}"
    );
}

#[tokio::test]
async fn throttled_body_is_transfer_and_not_first_byte() {
    let Some(nginx) = start(LOCATIONS) else { return };
    let url = EndpointUrl::parse(&format!("http://{}/limited", nginx.http)).expect("a URL");
    let report = prober(&nginx).check(&request(Check::Http { url })).await;
    let answer = answer(&report);
    let logged = nginx.logged(1).await.expect("one request").remove(0);
    agrees(answer, &logged);
    assert_eq!(
        (answer.body_bytes, logged.body_bytes),
        (ASSET_BYTES as u64, ASSET_BYTES as u64)
    );
    assert!(
        answer.phases.transfer() > Duration::from_millis(500),
        "{:?} {logged:?}",
        answer.phases
    );
    assert_eq!((logged.tls.as_str(), answer.phases.tls()), ("", Duration::ZERO));
}

#[tokio::test]
async fn node_behind_nginx_is_told_by_status_and_asset_apart() {
    let source = Source {
        latency: Duration::ZERO,
        bytes_per_second: 1 << 30,
    };
    let objects = vec![Object::new(1, 300_000, true), Object::new(2, 3 << 20, false)];
    let node = ArgusNode::start(
        NodeConfig {
            source,
            ..NodeConfig::default()
        },
        objects,
    )
    .await
    .expect("a node");
    let proxied = format!(
        "location /distributor/ {{ proxy_pass http://{}; proxy_buffering off; proxy_http_version 1.1; }}",
        node.address()
    );
    let Some(nginx) = start(&proxied) else { return };
    let prober = prober(&nginx);
    let base = || over_https(&nginx, "distributor/");

    assert_eq!(answer(&prober.check(&status(base())).await).status, 200);
    let head_report = prober.check(&head(base(), 2)).await;
    assert_eq!(head_report.cache, CacheState::Miss);
    assert!(!node.has_cached(2), "HEAD starts no download");

    let miss = prober.check(&get(base(), 2)).await;
    let sent = answer(&miss);
    assert_eq!(
        (sent.status, miss.cache, sent.cached_first_byte()),
        (206, CacheState::Miss, None)
    );
    assert!(
        sent.capped && sent.body_bytes >= 65_536,
        "a miss sends more than asked: {sent:?}"
    );
    while !node.has_cached(2) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let hit = prober.check(&get(base(), 2)).await;
    assert_eq!(
        (hit.cache, answer(&hit).body_bytes, answer(&hit).capped),
        (CacheState::Hit, 65_536, false)
    );

    node.set_indexer(isochrone_collector::demo::argus_node::Indexer::Down);
    assert_eq!(
        broke(&prober.check(&status(base())).await),
        (Phase::Verify, Cause::Failed(FailureCause::BadStatus))
    );
    assert_eq!(prober.check(&get(base(), 1)).await.cache, CacheState::Hit);

    node.hang_status(true);
    let mut hung = status(base());
    hung.timeouts.first_byte = Duration::from_secs(1);
    assert_eq!(
        broke(&prober.check(&hung).await),
        (Phase::FirstByte, Cause::Failed(FailureCause::Timeout))
    );
    assert_eq!(prober.check(&get(base(), 1)).await.cache, CacheState::Hit);

    node.kill().await;
    let down = prober.check(&get(base(), 1)).await;
    assert_eq!(
        (broke(&down), down.cache),
        (
            (Phase::Verify, Cause::Failed(FailureCause::BadStatus)),
            CacheState::Absent
        )
    );

    let logged = nginx.logged(9).await.expect("nine requests");
    assert!(
        logged
            .iter()
            .all(|logged| logged.connection_requests == 1 && logged.reused == "."),
        "{logged:#?}"
    );
    // 499: the probe gave the hung status up.
    let statuses: Vec<u16> = logged.iter().map(|logged| logged.status).collect();
    assert_eq!(statuses, [200, 200, 206, 206, 500, 206, 499, 206, 502]);
    assert!(
        node.seen()
            .iter()
            .all(|seen| seen.user_agent.as_deref() == Some(USER_AGENT))
    );
}

fn monotonic() -> Instant {
    isochrone_probe::clock::monotonic()
}
