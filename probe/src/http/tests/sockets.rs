//! What needs a kernel: refused, reset, name resolution, this machine's own addresses.

use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::dns::tests::{FakeNames, v4};

fn to_loopback() -> Reach {
    let policy = AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()], vec![]);
    Reach::new(policy, TlsRoots::only(vec![]).unwrap(), now)
}

fn loopback() -> EndpointProber {
    EndpointProber::new(Arc::new(to_loopback()))
}

fn resolving(reach: Reach, names: &FakeNames) -> EndpointProber {
    EndpointProber::new(Arc::new(reach.with_resolver(names.resolver())))
}

/// A real server that treats each connection by `script`.
async fn server<F>(script: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, JoinSet<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
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
    let report = loopback().check(&page(&format!("http://{address}/"))).await;
    assert_eq!(
        broke(&report),
        (Phase::Connect, Cause::Failed(FailureCause::Refused))
    );
    assert!(
        failure(&report).text.as_str().contains("refused"),
        "verbatim: {:?}",
        failure(&report).text
    );
    assert_eq!(report.address, Some(address));
}

#[tokio::test]
async fn reset_connection_is_told_apart_from_an_empty_reply() {
    let (address, _tasks) = server(|mut stream| async move {
        read_request(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let report = loopback().check(&page(&format!("http://{address}/"))).await;
    assert_eq!(
        broke(&report),
        (Phase::FirstByte, Cause::Failed(FailureCause::Reset))
    );
    let (address, _tasks) = server(|mut stream| async move { drop(read_request(&mut stream).await) }).await;
    let report = loopback().check(&page(&format!("http://{address}/"))).await;
    assert_eq!(
        broke(&report),
        (Phase::FirstByte, Cause::Failed(FailureCause::Closed))
    );
}

#[tokio::test]
async fn name_that_resolves_to_loopback_is_refused_and_not_dialled() {
    let (address, mut tasks) = server(|_| async { panic!("dialled") }).await;
    let names = FakeNames::start(|_, _| Some(Ok(vec![v4("127.0.0.1")]))).await;
    let prober = resolving(reach(), &names);
    let report = prober
        .check(&page(&format!("http://rebinding.test:{}/", address.port())))
        .await;
    let forbidden = Cause::Failed(FailureCause::ForbiddenAddress);
    assert_eq!(broke(&report), (Phase::Resolve, forbidden));
    assert_eq!(report.address, Some(address));
    assert!(tasks.try_join_next().is_none(), "the server was reached");
}

#[tokio::test]
async fn name_that_changes_its_address_is_judged_anew_each_time() {
    let turn = AtomicU32::new(0);
    let names = FakeNames::start(move |_, _| {
        let address = if turn.fetch_add(1, Ordering::SeqCst) == 0 {
            "8.8.8.8"
        } else {
            "10.0.0.1"
        };
        Some(Ok(vec![v4(address)]))
    })
    .await;
    let memory = saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let prober = resolving(reach().with_dial(memory.clone()), &names);
    let request = page("http://rebinding.test/");
    let first = prober.check(&request).await;
    assert_eq!(
        first.address.map(|address| address.ip()),
        Some(IpAddr::from([8, 8, 8, 8]))
    );
    answer(&first);
    let second = prober.check(&request).await;
    assert!(matches!(
        broke(&second),
        (Phase::Resolve, Cause::Failed(FailureCause::ForbiddenAddress))
    ));
    assert_eq!(memory.dialled(), 1);
}

#[tokio::test]
async fn failures_of_name_resolution_reach_the_report() {
    use hickory_resolver::proto::op::ResponseCode;
    let names = FakeNames::start(|name, _| match name {
        "gone.test" => Some(Err(ResponseCode::NXDomain)),
        "empty.test" => Some(Ok(vec![])),
        _ => Some(Err(ResponseCode::ServFail)),
    })
    .await;
    let prober = resolving(to_loopback(), &names);
    for (name, cause) in [
        ("gone", Cause::Failed(FailureCause::NxDomain)),
        ("empty", Cause::Failed(FailureCause::NoAddress)),
        ("broken", Cause::Failed(FailureCause::ServFail)),
    ] {
        let report = prober.check(&page(&format!("http://{name}.test/"))).await;
        assert_eq!((broke(&report), report.address), ((Phase::Resolve, cause), None));
    }
}

#[tokio::test]
async fn silent_name_server_is_a_dns_timeout_of_the_check() {
    let names = FakeNames::start(|_, _| None).await;
    let prober = resolving(to_loopback(), &names);
    let mut request = page("http://silent.test/");
    request.timeouts = Timeouts {
        first_byte: Duration::from_millis(200),
        total: Duration::from_millis(200),
    };
    assert_eq!(
        broke(&prober.check(&request).await),
        (Phase::Resolve, Cause::Failed(FailureCause::DnsTimeout))
    );
}

/// A dial that ends elsewhere than asked: a transparent proxy, or a bug.
struct Elsewhere;

impl Dial for Elsewhere {
    fn connect(&self, _: SocketAddr) -> BoxFuture<'_, std::io::Result<Connection>> {
        Box::pin(async {
            let (near, _far) = tokio::io::duplex(64);
            let (local, remote) = (
                SocketAddr::from(([1, 1, 1, 1], 1)),
                SocketAddr::from(([127, 0, 0, 1], 80)),
            );
            Ok(Connection {
                stream: Box::new(near),
                local,
                remote,
            })
        })
    }
}

#[tokio::test]
async fn connection_that_ends_elsewhere_is_dropped_before_a_byte() {
    let prober = EndpointProber::new(Arc::new(reach().with_dial(Arc::new(Elsewhere))));
    let report = prober.check(&http_page()).await;
    assert_eq!(
        broke(&report),
        (Phase::Connect, Cause::Unsent(SendFailure::Local))
    );
}

#[tokio::test]
async fn real_page_over_loopback_has_phases_that_add_up() {
    let (address, _tasks) = server(|mut stream| async move {
        read_request(&mut stream).await;
        write(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
    })
    .await;
    let report = loopback().check(&page(&format!("http://{address}/"))).await;
    let phases = answer(&report).phases;
    assert!(
        phases.connect() > Duration::ZERO && phases.first_byte() > Duration::ZERO,
        "{phases:?}"
    );
    assert_eq!(
        phases.parts().iter().map(|(_, part)| *part).sum::<Duration>(),
        phases.total()
    );
}
