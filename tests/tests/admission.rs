//! Who is let in and who is not: the real probe against a real collector on loopback. Every refusal must say why
//! on both sides: in the probe's own words, and in the collector's log or audit.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64;
use isochrone_base::clock::Clock;
use isochrone_collector::assembly::{Assembly, AssemblyParts, committed_channel};
use isochrone_gate::audit::Actor;
use isochrone_gate::authority::{Authority, tls};
use isochrone_gate::events::{GateEvent, GateEventKind, GateEvents};
use isochrone_gate::registry::NewInvitation;
use isochrone_planner::pace::Pace;
use isochrone_planner::targets::Targets;
use isochrone_probe::config::Config;
use isochrone_probe::disk::FileDisk;
use isochrone_probe::identity::{Identity, Joined};
use isochrone_probe::join::JoinOutcome;
use isochrone_probe::reach::TcpDial;
use isochrone_probe::{process, status};
use isochrone_proto::ids::KeyHash;
use isochrone_proto::join::{ALPN, ALPN_JOIN};
use isochrone_proto::token::Token;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::Ingest;
use isochrone_store::{Store, StoreOptions};
use isochrone_tests::programs::program;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionError, Endpoint};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ServerConfig, ServerConnection, SignatureScheme,
};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

/// Far above what anything here takes.
const LONG: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(20);

/// Everything that is logged in this thread; the tests run on single-threaded runtimes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

struct Pen(Log);

impl io::Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Pen;

    fn make_writer(&self) -> Pen {
        Pen(self.clone())
    }
}

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// Waits until the collector has logged a line with all of `texts`.
    async fn collector_says(&self, texts: &[&str]) {
        let said = |log: &str| {
            log.lines()
                .any(|line| line.contains("isochrone_gate") && texts.iter().all(|text| line.contains(text)))
        };
        let text = || String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let heard = async {
            while !said(&text()) {
                tokio::time::sleep(STEP).await;
            }
        };
        let heard = tokio::time::timeout(LONG, heard).await;
        assert!(
            heard.is_ok(),
            "the collector never logged {texts:?}; it logged:\n{}",
            text()
        );
    }
}

/// A collector on a loopback port.
struct Mesh {
    assembly: Assembly,
    events: mpsc::Receiver<GateEvent>,
    authority: Authority,
    clock: Clock,
    address: SocketAddr,
    stop: CancellationToken,
    _tasks: JoinSet<()>,
    _folder: TempDir,
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

impl Mesh {
    fn start(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Clock::system().wall();
        let clock = Clock::virtual_from(now);
        let authority = Authority::in_memory(now, &mut StdRng::seed_from_u64(seed)).unwrap();
        let options = StoreOptions {
            reserve_bytes: 0,
            ..StoreOptions::default()
        };
        let store = Store::open(&folder.path().join("store.redb"), options).unwrap();
        let (committed, mut receiver) = committed_channel();
        let server = tls::quic_server_config(&authority, Arc::new(tls::ClockTime(clock.clone()))).unwrap();
        let endpoint = Endpoint::server(server, loopback()).unwrap();
        let address = endpoint.local_addr().unwrap();
        let (told, events) = GateEvents::channel();
        let parts = AssemblyParts {
            store: store.clone(),
            authority: authority.clone(),
            clock: clock.clone(),
            addresses: vec![address.to_string()],
            pace: Pace::default(),
            targets: watch::channel(Arc::new(Targets::default())).1,
            events: told,
            seed: [u8::try_from(seed).unwrap(); 32],
        };
        let assembly = Assembly::build(parts, Ingest::inline(store, committed)).unwrap();
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        let (listener, until) = (Arc::clone(&assembly.listener), stop.clone());
        tasks.spawn(async move { listener.run(endpoint, until).await });
        tasks.spawn(async move { while receiver.recv().await.is_some() {} });
        Self {
            assembly,
            events,
            authority,
            clock,
            address,
            stop,
            _tasks: tasks,
            _folder: folder,
        }
    }

    fn invite(&self, worker: &str) -> Token {
        let new = NewInvitation {
            worker: worker.to_owned(),
            site: "Berlin, DE".to_owned(),
            name: Some(worker.to_owned()),
            ..NewInvitation::default()
        };
        let invitation = self.assembly.registry.invite(&new, &lead()).unwrap();
        invitation.token.parse().unwrap()
    }

    /// A probe that has joined: its state folder.
    async fn joined(&self, worker: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let token = self.invite(worker);
        process::join(folder.path(), &token).await.unwrap();
        folder
    }

    fn audited(&self, act: &str) -> Vec<String> {
        let entries = self.assembly.registry.audit(UnixMillis(0)).unwrap();
        let entries = entries.into_iter().filter(|entry| entry.action == act);
        entries.map(|entry| entry.what).collect()
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn lead() -> Actor {
    Actor::Local {
        user: "lead".to_owned(),
    }
}

/// Joins from an empty folder and returns the refusal's sentence.
async fn refusal(token: &Token) -> String {
    let folder = tempfile::tempdir().unwrap();
    let refused = process::join(folder.path(), token).await;
    let error = refused.expect_err("this must be refused");
    assert_eq!(process::joined(folder.path()).unwrap(), None);
    error.to_string()
}

fn identity(folder: &Path) -> Identity {
    Identity::load(&FileDisk::open(folder).unwrap()).unwrap()
}

/// A probe process of this test.
struct Running {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Running {
    fn start(folder: &Path, collector: SocketAddr) -> Self {
        let text = format!(
            "echo_listen = [\"127.0.0.1:0\"]\nallow_private = [\"127.0.0.0/8\"]\ncollectors = [\"{collector}\"]\n"
        );
        let config = Config::parse(&text, Path::new("probe.toml")).unwrap();
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        let (folder, until) = (folder.to_owned(), stop.clone());
        tasks.spawn(async move {
            process::run(&folder, config, Arc::new(TcpDial), until)
                .await
                .unwrap();
        });
        Self { tasks, stop }
    }

    async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

/// Waits until `isochrone-probe status` shows what `fits`.
async fn status_shows(folder: &Path, what: &str, fits: impl Fn(&status::Status) -> bool) {
    let mut last = None;
    let shown = async {
        loop {
            match status::ask(folder).await {
                Ok(status) if fits(&status) => return,
                answer => last = Some(answer.map(|status| (status.collector, status.trouble))),
            }
            tokio::time::sleep(STEP).await;
        }
    };
    let shown = tokio::time::timeout(LONG, shown).await;
    assert!(
        shown.is_ok(),
        "the probe's status never showed {what}; last: {last:?}"
    );
}

async fn trouble(folder: &Path, text: &str) {
    let fits = |status: &status::Status| {
        status.collector.is_none()
            && status
                .trouble
                .as_deref()
                .is_some_and(|trouble| trouble.contains(text))
    };
    status_shows(folder, text, fits).await;
}

#[tokio::test]
async fn token_that_pins_another_authority_stops_the_probe_before_it_says_anything() {
    let (log, _guard) = Log::start();
    let mesh = Mesh::start(1);
    let mut token = mesh.invite("ada");
    token.authority = KeyHash::of_spki(b"another key");
    let said = refusal(&token).await;
    assert!(
        said.contains("this server is not the collector that the token is for"),
        "{said}"
    );
    log.collector_says(&["handshake failed", "certificate"]).await;
    assert_eq!(mesh.assembly.registry.list().len(), 0);
    assert_eq!(mesh.audited("join").len(), 0);
}

#[tokio::test]
async fn token_that_nobody_made_is_unknown_on_both_sides() {
    let (log, _guard) = Log::start();
    let mesh = Mesh::start(2);
    let mut token = mesh.invite("ada");
    token.seed = [7; 32];
    let sentence = "the collector knows no such invitation; ask the lead for a new one";
    assert_eq!(refusal(&token).await, sentence);
    log.collector_says(&["join refused", sentence]).await;
    assert_eq!(mesh.assembly.registry.list().len(), 0);
}

#[tokio::test]
async fn token_past_its_end_is_expired_on_both_sides() {
    let (log, _guard) = Log::start();
    let mesh = Mesh::start(3);
    let token = mesh.invite("ada");
    mesh.clock.step(73 * 3_600 * 1_000);
    let sentence = "the invitation has expired; ask the lead for a new one";
    assert_eq!(refusal(&token).await, sentence);
    log.collector_says(&["join refused", sentence]).await;
    assert_eq!(mesh.assembly.registry.list().len(), 0);
}

#[tokio::test]
async fn same_key_with_a_spent_token_gets_the_same_certificate_again() {
    let (_log, _guard) = Log::start();
    let mesh = Mesh::start(4);
    let token = mesh.invite("ada");
    let first = tempfile::tempdir().unwrap();
    process::join(first.path(), &token).await.unwrap();
    let first = identity(first.path());

    // A server whose answer got lost: it has its key and request, and no certificate.
    let again = tempfile::tempdir().unwrap();
    let request = first.key().request().unwrap();
    let pending = serde_json::json!({
        "invitation": BASE64.encode(first.invitation()),
        "key": BASE64.encode(first.key().pkcs8()),
        "request": BASE64.encode(&request),
    });
    std::fs::write(again.path().join("joining.json"), pending.to_string()).unwrap();
    let outcome = process::join(again.path(), &token).await.unwrap();
    assert!(matches!(outcome, JoinOutcome::Joined { .. }), "{outcome:?}");
    assert_eq!(identity(again.path()).chain(), first.chain());
    assert_eq!(
        mesh.audited("join").len(),
        1,
        "one join, however often it is asked for"
    );
    assert!(mesh.assembly.registry.probe(first.probe()).unwrap().is_active());
}

/// `isochrone-probe join TOKEN | head -1`, and with `2>&1`.
#[tokio::test]
async fn join_whose_reader_left_has_joined_all_the_same() {
    let program = program("isochrone-probe");
    for (worker, with_errors) in [("ada", false), ("ben", true)] {
        let mesh = Mesh::start(15);
        let token = mesh.invite(worker);
        let folder = tempfile::tempdir().unwrap();
        let gone = || {
            let (reader, writer) = io::pipe().unwrap();
            drop(reader);
            Stdio::from(writer)
        };
        let mut join = tokio::process::Command::new(&program);
        join.args(["--state".as_ref(), folder.path().as_os_str(), "join".as_ref()]);
        join.arg(token.to_string()).env("RUST_LOG", "debug");
        join.env("XDG_CONFIG_HOME", folder.path()).stdout(gone());
        join.stderr(if with_errors { gone() } else { Stdio::piped() });
        let ended = tokio::time::timeout(LONG, join.output()).await.unwrap().unwrap();
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{worker}: {:?}: {errors}", ended.status);
        assert!(!errors.contains("panicked"), "{errors}");
        let probe = identity(folder.path()).probe();
        assert!(mesh.assembly.registry.probe(probe).unwrap().is_active());
        let left = std::fs::read_dir(folder.path()).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.contains(&"joining.json".into()), "half joined: {left:?}");
    }
}

/// The worker pastes the script once more, or a new one before the probe was stopped.
#[tokio::test]
async fn join_beside_a_running_probe_says_that_it_has_joined_or_what_to_stop() {
    let (_log, _guard) = Log::start();
    let mesh = Mesh::start(16);
    let (folder, token) = (tempfile::tempdir().unwrap(), mesh.invite("ada"));
    process::join(folder.path(), &token).await.unwrap();
    let probe = identity(folder.path()).probe();
    let running = Running::start(folder.path(), mesh.address);
    status_shows(folder.path(), "a connection", |status| status.collector.is_some()).await;
    let again = process::join(folder.path(), &token).await.unwrap();
    let expected = JoinOutcome::AlreadyJoined {
        name: "ada".to_owned(),
        probe,
        runs: true,
    };
    assert_eq!(again, expected);

    mesh.assembly.registry.revoke(probe, &lead(), "lost").unwrap();
    let fresh = mesh.invite("ada-again");
    let refused = process::join(folder.path(), &fresh)
        .await
        .unwrap_err()
        .to_string();
    for word in ["joined as ada,", "systemctl stop isochrone-probe", "join again"] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    running.end().await;
    let joined = process::join(folder.path(), &fresh).await.unwrap();
    assert!(matches!(joined, JoinOutcome::Joined { .. }), "{joined:?}");
}

#[tokio::test]
async fn other_key_with_a_spent_token_revokes_both_and_says_so_on_both_sides() {
    let (log, _guard) = Log::start();
    let mut mesh = Mesh::start(5);
    let token = mesh.invite("ada");
    let folder = tempfile::tempdir().unwrap();
    process::join(folder.path(), &token).await.unwrap();
    let probe = Running::start(folder.path(), mesh.address);
    status_shows(folder.path(), "a connection", |status| status.collector.is_some()).await;

    let said = refusal(&token).await;
    let sentence = "this invitation was already used by another key";
    assert!(said.contains(sentence), "{said}");
    log.collector_says(&["join refused", sentence]).await;
    let reused = mesh.audited("token reused");
    assert!(
        reused.len() == 1 && reused[0].contains("ada"),
        "the audit names the probe: {reused:?}"
    );
    let events = std::iter::from_fn(|| mesh.events.try_recv().ok());
    let alerts = events
        .filter(|event| matches!(event.kind, GateEventKind::TokenReused { .. }))
        .count();
    assert_eq!(alerts, 1, "the lead is alerted");
    trouble(folder.path(), "this probe was revoked").await; // the first key is out, at once
    probe.end().await;
    let first = mesh
        .assembly
        .registry
        .probe(identity(folder.path()).probe())
        .unwrap();
    assert!(!first.is_active());
}

#[tokio::test]
async fn revoked_probe_is_closed_at_once_and_refused_when_it_comes_back() {
    let (log, _guard) = Log::start();
    let mesh = Mesh::start(6);
    let folder = mesh.joined("ada").await;
    let id = identity(folder.path()).probe();
    let probe = Running::start(folder.path(), mesh.address);
    status_shows(folder.path(), "a connection", |status| status.collector.is_some()).await;
    assert_eq!(mesh.assembly.sessions.list().len(), 1);

    mesh.assembly
        .registry
        .revoke(id, &lead(), "left the project")
        .unwrap();
    trouble(folder.path(), "this probe was revoked; if that is a mistake").await;
    assert_eq!(mesh.assembly.sessions.list().len(), 0);
    let revoked = mesh.audited("revoke");
    assert!(
        revoked.len() == 1 && revoked[0].contains("left the project"),
        "{revoked:?}"
    );
    probe.end().await;

    let probe = Running::start(folder.path(), mesh.address);
    trouble(folder.path(), "this probe was revoked; if that is a mistake").await;
    log.collector_says(&["connection closed", "Refused", "this probe was revoked"])
        .await;
    assert_eq!(mesh.assembly.sessions.list().len(), 0);
    probe.end().await;
}

#[tokio::test]
async fn probe_of_another_mesh_finds_an_impostor_here() {
    let (log, _guard) = Log::start();
    let (mesh, other) = (Mesh::start(7), Mesh::start(8));
    let folder = other.joined("bob").await;
    let probe = Running::start(folder.path(), mesh.address);
    trouble(folder.path(), "belongs to another mesh or is an impostor").await;
    log.collector_says(&["handshake failed"]).await;
    assert_eq!(mesh.assembly.sessions.list().len(), 0);
    probe.end().await;
}

#[tokio::test]
async fn certificate_of_a_foreign_authority_is_refused_on_both_sides() {
    let (log, _guard) = Log::start();
    let (mesh, other) = (Mesh::start(9), Mesh::start(10));
    let folder = other.joined("bob").await;
    let bob = identity(folder.path());
    // It trusts this mesh's authority, and shows a leaf of its own.
    let authority = CertificateDer::from(mesh.authority.certificate().0.clone());
    let joined = Joined {
        probe: bob.probe(),
        name: bob.name().to_owned(),
        chain: vec![bob.chain()[0].clone(), authority],
        collectors: bob.collectors().to_vec(),
        invitation: *bob.invitation(),
    };
    let forged = Identity::new(bob.key().clone(), joined).unwrap();
    forged.save(&FileDisk::open(folder.path()).unwrap()).unwrap();

    let probe = Running::start(folder.path(), mesh.address);
    trouble(folder.path(), "the collector refuses this probe's certificate").await;
    log.collector_says(&["refused a certificate that this collector's authority did not sign"])
        .await;
    assert_eq!(mesh.assembly.sessions.list().len(), 0);
    probe.end().await;
}

/// A server with a certificate of its owner's choice.
fn server_with(identity: &Identity) -> Endpoint {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain().to_vec(), identity.key().private_key())
        .unwrap();
    tls.alpn_protocols = vec![ALPN.to_vec(), ALPN_JOIN.to_vec()];
    let crypto = QuicServerConfig::try_from(tls).unwrap();
    Endpoint::server(quinn::ServerConfig::with_crypto(Arc::new(crypto)), loopback()).unwrap()
}

#[tokio::test]
async fn probe_that_poses_as_the_collector_is_named_as_such() {
    let (_log, _guard) = Log::start();
    let mesh = Mesh::start(11);
    let (ada, eve) = (mesh.joined("ada").await, mesh.joined("eve").await);
    let impostor = server_with(&identity(eve.path()));
    let address = impostor.local_addr().unwrap();
    let (heard, mut failures) = tokio::sync::mpsc::unbounded_channel();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Some(incoming) = impostor.accept().await {
            let ended = match incoming.await {
                Ok(connection) => connection.closed().await,
                Err(error) => error,
            };
            if heard.send(ended.to_string()).is_err() {
                return;
            }
        }
    });
    let sentence = "shows a probe's certificate and poses as the collector; tell the lead";
    let probe = Running::start(ada.path(), address);
    trouble(ada.path(), sentence).await;
    let told = tokio::time::timeout(LONG, failures.recv())
        .await
        .unwrap()
        .unwrap();
    assert!(told.contains("aborted by peer"), "{told}");
    probe.end().await;

    let mut token = mesh.invite("new");
    token.collectors = vec![address.to_string()];
    let said = refusal(&token).await;
    assert!(said.contains(sentence), "{said}");
}

/// Takes any server: what the collector says to a client that does not care.
#[derive(Debug)]
struct Careless;

impl ServerCertVerifier for Careless {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// A client with rustls's defaults, session resumption among them.
fn client(shown: Option<&Identity>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Careless));
    let mut tls = match shown {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain().to_vec(), identity.key().private_key())
            .unwrap(),
    };
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls
}

#[tokio::test]
async fn client_without_certificate_is_told_to_join_first() {
    let (log, _guard) = Log::start();
    let mesh = Mesh::start(12);
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(client(None)).unwrap()));
    let endpoint = Endpoint::client(loopback()).unwrap();
    let connection = endpoint
        .connect_with(config, mesh.address, "collector")
        .unwrap()
        .await
        .unwrap();
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    send.write_all(b"hello").await.unwrap();
    let closed = tokio::time::timeout(LONG, connection.closed()).await.unwrap();
    let ConnectionError::ApplicationClosed(closed) = closed else {
        panic!("closed by the collector, not {closed}")
    };
    let sentence = "a probe must show its certificate; run `isochrone-probe join TOKEN` first";
    assert_eq!(String::from_utf8_lossy(&closed.reason), sentence);
    log.collector_says(&["connection closed", sentence]).await;
}

/// A whole handshake in memory, with what either side has to say after it.
fn shake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> (ClientConnection, ServerConnection) {
    let name = "collector".try_into().unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    for _ in 0..8 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
        }
        server.process_new_packets().unwrap();
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
        }
        client.process_new_packets().unwrap();
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    (client, server)
}

#[tokio::test]
async fn old_session_ticket_leads_to_a_full_handshake() {
    let (_log, _guard) = Log::start();
    let mesh = Mesh::start(13);
    let folder = mesh.joined("ada").await;
    let client = Arc::new(client(Some(&identity(folder.path()))));
    let ours = tls::server_config(&mesh.authority, Arc::new(tls::ClockTime(mesh.clock.clone()))).unwrap();

    // The same server, were it so careless as to give tickets: the client then resumes.
    let mut giving = ours.clone();
    giving.send_tls13_tickets = 2;
    giving.session_storage = rustls::server::ServerSessionMemoryCache::new(16);
    let (ours, giving) = (Arc::new(ours), Arc::new(giving));
    let (first, _) = shake(&client, &giving);
    assert!(first.tls13_tickets_received() > 0);
    let (resumed, _) = shake(&client, &giving);
    assert_eq!(resumed.handshake_kind(), Some(HandshakeKind::Resumed));

    for _ in 0..2 {
        let (shown, judged) = shake(&client, &ours);
        assert_eq!(shown.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(shown.tls13_tickets_received(), 0);
        assert!(
            judged.peer_certificates().is_some(),
            "the certificate was judged anew"
        );
    }
}
