//! Connections to scripted servers: over in-memory streams in paused time, where a delay of 300 ms is exactly
//! 300 ms, and over loopback where a kernel is needed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use isochrone_proto::measurement::{ConnectPhases, FailureCause, Phase};
use proptest::prelude::*;
use rcgen::date_time_ymd;
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::address_policy::AddressPolicy;
use crate::reach::TlsRoots;
use crate::reach::fixture::{Authority, Memory, NODE, NOT_AFTER, authority, authority_called, leaf, now};

fn url(text: &str) -> EndpointUrl {
    EndpointUrl::parse(text).unwrap()
}

fn request(text: &str) -> ConnectRequest {
    ConnectRequest::new(url(text), Family::V4)
}

/// Trusts `authority`; private addresses are closed.
fn reach(authority: Option<&Authority>, dial: Arc<Memory>) -> Reach {
    let roots = authority.map(|authority| authority.der().clone());
    let roots = TlsRoots::only(roots.into_iter().collect()).unwrap();
    Reach::new(AddressPolicy::default(), roots, now).with_dial(dial)
}

/// Trusts `authority`, with real sockets.
fn to_loopback(authority: Option<&Authority>) -> Reach {
    let roots = authority.map(|authority| authority.der().clone());
    let allow = ["127.0.0.0/8", "::1/128"].map(|prefix| prefix.parse().unwrap());
    let policy = AddressPolicy::new(allow.to_vec(), vec![]);
    Reach::new(
        policy,
        TlsRoots::only(roots.into_iter().collect()).unwrap(),
        real_now,
    )
}

fn real_now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "real sockets take real time")]
    Instant::now()
}

async fn over_tls(dial: Arc<Memory>, authority: &Authority) -> ConnectReport {
    connect(
        &reach(Some(authority), dial),
        &request(&format!("https://{NODE}/")),
    )
    .await
}

/// Where and why it broke; what is stored says the same, and carries no latency.
fn broke(report: &ConnectReport) -> (Phase, Cause) {
    let failure = report.result.as_ref().expect_err("it connected");
    match (report.to_outcome().result, failure.cause) {
        (ConnectResult::Unsent(stored), Cause::Unsent(cause)) => assert_eq!(stored, cause),
        (ConnectResult::Failed { phase, cause, .. }, Cause::Failed(expected)) => {
            assert_eq!((phase, cause), (failure.phase, expected));
        }
        other => panic!("{other:?}"),
    }
    (failure.phase, failure.cause)
}

fn phases(report: &ConnectReport) -> Phases {
    *report
        .result
        .as_ref()
        .unwrap_or_else(|failure| panic!("{failure:?}"))
}

fn silent() -> Arc<Memory> {
    Memory::new(|stream: DuplexStream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
}

#[tokio::test(start_paused = true)]
async fn plain_connection_has_its_round_trip_and_sends_no_byte() {
    let heard = Arc::new(Mutex::new(None));
    let note = Arc::clone(&heard);
    let mut memory = Memory::new(move |mut stream: DuplexStream| {
        let note = Arc::clone(&note);
        async move {
            let mut bytes = Vec::new();
            let ended = stream.read_to_end(&mut bytes).await;
            *note.lock().unwrap() = Some((ended.is_ok(), bytes));
        }
    });
    Arc::get_mut(&mut memory).unwrap().connect_takes = Duration::from_millis(50);
    let report = connect(&reach(None, memory), &request(&format!("http://{NODE}:8080/x"))).await;
    let took = phases(&report);
    assert_eq!((took.resolve(), took.tls()), (Duration::ZERO, Duration::ZERO));
    assert_eq!(
        (took.connect(), took.total()),
        (Duration::from_millis(50), Duration::from_millis(50))
    );
    assert_eq!(report.address, Some(format!("{NODE}:8080").parse().unwrap()));
    assert_eq!(report.certificate_not_after, None);
    assert_eq!(*heard.lock().unwrap(), Some((true, vec![])));
}

#[tokio::test(start_paused = true)]
async fn handshake_is_a_phase_of_its_own_and_nothing_is_asked_after_it() {
    let authority = authority();
    let config = leaf(&authority, NODE, |_| {});
    let heard = Arc::new(Mutex::new(None));
    let note = Arc::clone(&heard);
    let mut memory = Memory::new(move |stream| {
        let (acceptor, note) = (TlsAcceptor::from(Arc::clone(&config)), Arc::clone(&note));
        async move {
            sleep(Duration::from_millis(70)).await;
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut bytes = Vec::new();
            let ended = stream.read_to_end(&mut bytes).await; // an error unless TLS was closed in order
            *note.lock().unwrap() = Some((ended.is_ok(), bytes));
        }
    });
    Arc::get_mut(&mut memory).unwrap().connect_takes = Duration::from_millis(20);
    let report = over_tls(memory, &authority).await;
    let took = phases(&report);
    assert_eq!(
        (took.connect(), took.tls()),
        (Duration::from_millis(20), Duration::from_millis(70))
    );
    assert_eq!(
        (took.total(), took.unattributed()),
        (Duration::from_millis(90), Duration::ZERO)
    );
    assert_eq!(report.certificate_not_after, Some(NOT_AFTER));
    assert_eq!(*heard.lock().unwrap(), Some((true, vec![])));
    let ms = |ms: u64| isochrone_proto::units::Micros::new(ms * 1_000).unwrap();
    let stored = ConnectOutcome {
        address: Some(NODE.parse().unwrap()),
        certificate_expires: Some(NOT_AFTER.unsigned_abs()),
        result: ConnectResult::Connected(ConnectPhases {
            connect: ms(20),
            tls: ms(70),
            ..ConnectPhases::default()
        }),
    };
    assert_eq!(report.to_outcome(), stored);
}

#[tokio::test(start_paused = true)]
async fn server_that_never_closes_its_side_changes_no_measurement() {
    let report = connect(&reach(None, silent()), &request(&format!("http://{NODE}/"))).await;
    assert_eq!(phases(&report).total(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn bad_certificates_are_told_apart_and_their_end_is_still_noted() {
    let (authority, stranger) = (authority(), authority_called("Stranger"));
    let expired = leaf(&authority, NODE, |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
    });
    let early = leaf(&authority, NODE, |params| {
        params.not_before = date_time_ymd(2089, 1, 1)
    });
    for (config, cause, not_after) in [
        (expired, FailureCause::CertificateExpired, 1_577_836_800),
        (early, FailureCause::CertificateNotYetValid, NOT_AFTER),
        (
            leaf(&authority, "other.example.org", |_| {}),
            FailureCause::CertificateWrongName,
            NOT_AFTER,
        ),
        (
            leaf(&stranger, NODE, |_| {}),
            FailureCause::CertificateUnknownIssuer,
            NOT_AFTER,
        ),
    ] {
        let memory = Memory::new(move |stream| {
            let acceptor = TlsAcceptor::from(Arc::clone(&config));
            async move { drop(acceptor.accept(stream).await) }
        });
        let report = over_tls(memory, &authority).await;
        assert_eq!(broke(&report), (Phase::Tls, Cause::Failed(cause)), "{report:?}");
        assert_eq!(report.certificate_not_after, Some(not_after));
        assert_eq!(
            report.to_outcome().certificate_expires,
            Some(not_after.unsigned_abs())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn hang_in_each_phase_is_a_timeout_of_that_phase_after_four_seconds() {
    let never_connects = {
        let mut memory = Memory::new(|_| async {});
        Arc::get_mut(&mut memory).unwrap().connect_takes = Duration::from_secs(1_000);
        memory
    };
    let authority = authority();
    for (memory, phase) in [(never_connects, Phase::Connect), (silent(), Phase::Tls)] {
        let report = over_tls(memory, &authority).await;
        assert_eq!(broke(&report), (phase, Cause::Failed(FailureCause::Timeout)));
        assert_eq!(report.result.unwrap_err().elapsed, Duration::from_secs(4));
    }
}

#[tokio::test(start_paused = true)]
async fn planned_timeout_shortens_the_default_and_never_lengthens_it() {
    for (planned, expected) in [(700, 700), (60_000, 4_000)] {
        let url = format!("https://{NODE}/");
        let request = ConnectRequest::planned(Family::V4, &url, Duration::from_millis(planned)).unwrap();
        let report = connect(&reach(Some(&authority()), silent()), &request).await;
        assert_eq!(
            report.result.unwrap_err().elapsed,
            Duration::from_millis(expected)
        );
    }
    assert!(ConnectRequest::planned(Family::V4, "ftp://h/", Duration::from_secs(1)).is_err());
}

#[tokio::test(start_paused = true)]
async fn port_that_speaks_no_tls_breaks_the_handshake() {
    let authority = authority();
    let plain = Memory::new(|mut stream: DuplexStream| async move {
        drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
    });
    let tls = (Phase::Tls, Cause::Failed(FailureCause::Tls));
    assert_eq!(broke(&over_tls(plain, &authority).await), tls);
    let alerts = Memory::new(|mut stream: DuplexStream| async move {
        drop(stream.write_all(&[0x15, 3, 3, 0, 2, 2, 40]).await); // fatal, handshake_failure
        std::future::pending::<()>().await;
    });
    let alert = (Phase::Tls, Cause::Failed(FailureCause::TlsAlert));
    assert_eq!(broke(&over_tls(alerts, &authority).await), alert);
}

#[tokio::test(start_paused = true)]
async fn machine_without_roots_is_itself_at_fault() {
    let report = connect(&reach(None, silent()), &request(&format!("https://{NODE}/"))).await;
    assert_eq!(broke(&report), (Phase::Tls, Cause::Unsent(SendFailure::Local)));
}

#[tokio::test(start_paused = true)]
async fn forbidden_addresses_are_not_dialled_for_a_connection_either() {
    for (host, family) in [
        ("127.0.0.1", Family::V4),
        ("2130706433", Family::V4),
        ("169.254.169.254", Family::V4),
        ("[::1]", Family::V6),
        ("[::ffff:8.8.8.8]", Family::V6),
    ] {
        let memory = silent();
        let mut request = request(&format!("http://{host}/"));
        request.family = family;
        let report = connect(&reach(None, Arc::clone(&memory)), &request).await;
        let forbidden = Cause::Failed(FailureCause::ForbiddenAddress);
        assert_eq!(broke(&report), (Phase::Resolve, forbidden), "{host}");
        assert_eq!(memory.dialled(), 0, "{host}");
    }
    let mut other_family = request(&format!("http://{NODE}/"));
    other_family.family = Family::V6;
    let report = connect(&reach(None, silent()), &other_family).await;
    assert_eq!(
        broke(&report),
        (Phase::Resolve, Cause::Failed(FailureCause::NoAddress))
    );
    assert_eq!(report.to_outcome().address, None);
}

/// A real server that treats each connection by `script`.
async fn server<F>(at: IpAddr, script: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, JoinSet<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((at, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            script(stream).await;
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn closed_port_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let report = connect(&to_loopback(None), &request(&format!("http://{address}/"))).await;
    assert_eq!(
        broke(&report),
        (Phase::Connect, Cause::Failed(FailureCause::Refused))
    );
    assert_eq!(report.to_outcome().address, Some(address.ip()));
}

#[tokio::test]
async fn both_families_connect_over_real_sockets_and_end_without_a_reset() {
    for (at, family) in [
        (IpAddr::from(Ipv4Addr::LOCALHOST), Family::V4),
        (IpAddr::from(Ipv6Addr::LOCALHOST), Family::V6),
    ] {
        let authority = authority();
        let config = leaf(&authority, &at.to_string(), |_| {});
        let (ended, mut endings) = tokio::sync::mpsc::unbounded_channel();
        let (address, _tasks) = server(at, move |stream| {
            let (acceptor, ended) = (TlsAcceptor::from(Arc::clone(&config)), ended.clone());
            async move {
                let mut stream = acceptor.accept(stream).await.unwrap(); // sends session tickets
                let mut bytes = Vec::new();
                let end: io::Result<usize> = stream.read_to_end(&mut bytes).await;
                ended.send(end.map_err(|error| error.kind())).unwrap();
            }
        })
        .await;
        let mut request = request(&format!("https://{address}/"));
        request.family = family;
        let report = connect(&to_loopback(Some(&authority)), &request).await;
        let took = phases(&report);
        assert!(
            took.connect() > Duration::ZERO && took.tls() > Duration::ZERO,
            "{took:?}"
        );
        let sum: Duration = took.parts().iter().map(|(_, part)| *part).sum();
        assert_eq!(sum, took.total());
        assert_eq!(report.address, Some(address));
        assert_eq!(endings.recv().await, Some(Ok(0)), "over {at}");
    }
}

#[tokio::test]
async fn name_that_resolves_to_loopback_is_refused_and_not_dialled() {
    use crate::dns::tests::{FakeNames, v4};
    let names = FakeNames::start(|_, _| Some(Ok(vec![v4("127.0.0.1")]))).await;
    let memory = silent();
    let reach = reach(None, Arc::clone(&memory)).with_resolver(names.resolver());
    let report = connect(&reach, &request("http://rebinding.test/")).await;
    let forbidden = Cause::Failed(FailureCause::ForbiddenAddress);
    assert_eq!(broke(&report), (Phase::Resolve, forbidden));
    assert_eq!(memory.dialled(), 0);
}

#[tokio::test]
async fn silent_name_server_is_a_dns_timeout() {
    let names = crate::dns::tests::FakeNames::start(|_, _| None).await;
    let mut request = request("http://silent.test/");
    request.timeout = Duration::from_millis(200);
    let report = connect(&to_loopback(None).with_resolver(names.resolver()), &request).await;
    assert_eq!(
        broke(&report),
        (Phase::Resolve, Cause::Failed(FailureCause::DnsTimeout))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a server says instead of a handshake, the attempt ends in time and without a latency.
    #[test]
    fn any_bytes_end_the_attempt(said in prop::collection::vec(any::<u8>(), 0..300)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let memory = Memory::new(move |mut stream: DuplexStream| {
            let said = said.clone();
            async move { drop(stream.write_all(&said).await) }
        });
        let report = runtime.block_on(over_tls(memory, &authority()));
        prop_assert_eq!(broke(&report).0, Phase::Tls);
    }
}

/// Addresses that take no connection: each is silent or refuses; the others answer at once.
struct Partly {
    mute: Vec<IpAddr>,
    refusing: Vec<IpAddr>,
    rest: Arc<Memory>,
    asked: Mutex<Vec<IpAddr>>,
}

impl crate::reach::Dial for Partly {
    fn connect(
        &self,
        to: SocketAddr,
    ) -> futures_util::future::BoxFuture<'_, io::Result<crate::reach::Connection>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(to.ip());
            if self.mute.contains(&to.ip()) {
                return std::future::pending().await;
            }
            if self.refusing.contains(&to.ip()) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            self.rest.connect(to).await
        })
    }
}

/// What became of a connection to a name with these addresses, and which were asked.
async fn to_several(addresses: &[&str], mute: &[&str], refusing: &[&str]) -> (ConnectReport, Vec<IpAddr>) {
    let parsed = |texts: &[&str]| -> Vec<IpAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
    let mut rest = silent();
    Arc::get_mut(&mut rest).unwrap().connect_takes = Duration::from_millis(50);
    let dial = Arc::new(Partly {
        mute: parsed(mute),
        refusing: parsed(refusing),
        rest,
        asked: Mutex::default(),
    });
    let names = crate::dns::NameResolver::fixed(parsed(addresses));
    let reach = Reach::new(AddressPolicy::default(), TlsRoots::only(vec![]).unwrap(), now)
        .with_resolver(names)
        .with_dial(Arc::clone(&dial) as Arc<dyn crate::reach::Dial>);
    let report = connect(&reach, &request("http://node.test/")).await;
    let asked = dial.asked.lock().unwrap().clone();
    (report, asked)
}

#[tokio::test(start_paused = true)]
async fn second_address_answers_where_the_first_refuses_or_is_silent() {
    for (mute, refusing, cause) in [
        (&[][..], &["8.8.8.8"][..], FailureCause::Refused),
        (&["8.8.8.8"][..], &[][..], FailureCause::Timeout),
    ] {
        let (report, asked) = to_several(&["8.8.8.8", "8.8.4.4"], mute, refusing).await;
        let took = phases(&report);
        assert_eq!(report.address, Some("8.8.4.4:80".parse().unwrap()));
        assert_eq!(report.to_outcome().address, Some("8.8.4.4".parse().unwrap()));
        assert_eq!(
            asked,
            ["8.8.8.8".parse::<IpAddr>().unwrap(), "8.8.4.4".parse().unwrap()]
        );
        let tried: Vec<_> = report
            .tried
            .iter()
            .map(|tried| (tried.address.to_string(), tried.cause))
            .collect();
        assert_eq!(tried, [("8.8.8.8:80".to_owned(), cause)]);
        assert_eq!(
            took.connect(),
            Duration::from_millis(50),
            "the round trip to the one that answered, and nothing of the other"
        );
        assert!(took.total() < Duration::from_secs(4), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_that_all_fail_are_all_told_within_the_limit() {
    let (report, _) = to_several(&["8.8.8.8", "8.8.4.4"], &["8.8.4.4"], &["8.8.8.8"]).await;
    let failure = report.result.as_ref().unwrap_err();
    assert_eq!(broke(&report), (Phase::Connect, FailureCause::Timeout.into()));
    let text = failure.text.as_str();
    assert!(
        text.contains("8.8.4.4") && text.contains("8.8.8.8: refused"),
        "{text}"
    );
    assert_eq!(failure.elapsed, Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn forbidden_address_among_several_is_never_dialled_and_the_next_one_is() {
    let (report, asked) = to_several(&["10.0.0.1", "8.8.4.4"], &[], &[]).await;
    assert!(report.result.is_ok(), "{report:?}");
    assert_eq!(asked, ["8.8.4.4".parse::<IpAddr>().unwrap()]);
}
