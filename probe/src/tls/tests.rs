//! Handshakes with the right server and with wrong ones, over QUIC on loopback.

use std::net::SocketAddr;

use quinn::crypto::rustls::QuicServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::DefaultTimeProvider;

use super::*;
use crate::identity::ProbeKey;
use crate::identity::tests::{Role, TestAuthority};

/// A QUIC server on loopback that shows `chain`, and asks clients for certificates of `clients`' authority.
pub(crate) fn server(
    key: &ProbeKey,
    chain: Vec<CertificateDer<'static>>,
    clients: &TestAuthority,
) -> quinn::Endpoint {
    let config = server_config(key, chain, clients, Arc::new(DefaultTimeProvider));
    quinn::Endpoint::server(config, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}

/// The same, for any socket and time.
pub(crate) fn server_config(
    key: &ProbeKey,
    chain: Vec<CertificateDer<'static>>,
    clients: &TestAuthority,
    time: Arc<dyn TimeProvider>,
) -> quinn::ServerConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(clients.certificate()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let mut tls = rustls::ServerConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key.private_key())
        .unwrap();
    tls.alpn_protocols = vec![ALPN.to_vec(), ALPN_JOIN.to_vec()];
    tls.send_tls13_tickets = 0;
    quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()))
}

/// What a probe of `mesh` says of a server that shows `chain`.
async fn verdict(
    mesh: &TestAuthority,
    key: &ProbeKey,
    chain: Vec<CertificateDer<'static>>,
    pinned: bool,
) -> Option<NotTheCollector> {
    let server = server(key, chain, mesh);
    let remote = server.local_addr().unwrap();
    let mut accepting = tokio::task::JoinSet::new();
    accepting.spawn(async move {
        while let Some(incoming) = server.accept().await {
            incoming.await.ok(); // refused by the client, perhaps
        }
    });
    let identity = mesh.identity(&[]);
    let (trust, time) = (
        Trust::Authority(mesh.certificate()),
        Arc::new(DefaultTimeProvider),
    );
    let client = quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let (verifier, config) = if pinned {
        let verifier = CollectorVerifier::new(Trust::Pin(mesh.pin()));
        (Arc::clone(&verifier), join_config(&verifier, time).unwrap())
    } else {
        let verifier = CollectorVerifier::new(trust);
        (
            Arc::clone(&verifier),
            probe_config(&identity, &verifier, time).unwrap(),
        )
    };
    let connected = client.connect_with(config, remote, SERVER_NAME).unwrap().await;
    assert_eq!(connected.is_err(), verifier.refused().is_some(), "{connected:?}");
    verifier.refused()
}

#[tokio::test]
async fn each_wrong_server_is_refused_for_its_own_reason() {
    let (mesh, foreign) = (TestAuthority::new(), TestAuthority::new());
    let key = ProbeKey::generate().unwrap();
    for pinned in [false, true] {
        let chain = mesh.chain(&key, Role::Collector, 2090);
        assert_eq!(verdict(&mesh, &key, chain, pinned).await, None);
        let chain = mesh.chain(&key, Role::Probe, 2090);
        assert_eq!(
            verdict(&mesh, &key, chain, pinned).await,
            Some(NotTheCollector::IsAProbe)
        );
        let chain = foreign.chain(&key, Role::Collector, 2090);
        assert_eq!(
            verdict(&mesh, &key, chain, pinned).await,
            Some(NotTheCollector::OtherAuthority)
        );
        let chain = foreign.chain(&key, Role::Probe, 2090);
        assert_eq!(
            verdict(&mesh, &key, chain, pinned).await,
            Some(NotTheCollector::OtherAuthority)
        );
        let chain = mesh.chain(&key, Role::Collector, 2021);
        assert_eq!(
            verdict(&mesh, &key, chain, pinned).await,
            Some(NotTheCollector::Expired)
        );
    }
    // A foreign server that adds the pinned authority's certificate, which anyone may have.
    let mut chain = foreign.chain(&key, Role::Collector, 2090);
    chain.push(mesh.certificate());
    assert_eq!(
        verdict(&mesh, &key, chain, true).await,
        Some(NotTheCollector::OtherAuthority)
    );
}
