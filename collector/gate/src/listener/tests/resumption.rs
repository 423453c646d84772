use std::sync::Arc;

use isochrone_proto::join::ALPN;
use rustls::server::ServerSessionMemoryCache;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConfig, ServerConnection};

use super::bench::*;
use crate::authority::tls;

/// A whole handshake in memory, with what either side has to say after it.
fn shake(client: &Arc<ClientConfig>, server: &ServerConfig) -> (ClientConnection, ServerConnection) {
    let name = "collector".try_into().unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server.clone())).unwrap();
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
        let mut wire = Vec::new();
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

#[tokio::test(flavor = "multi_thread")]
async fn old_session_ticket_leads_to_a_full_handshake_and_no_ticket_is_given() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let time = Arc::new(tls::ClockTime(bench.clock.clone()));
    let ours = tls::server_config(&bench.authority, time).unwrap();
    let client = bench.tls_client(Some(&identity), ALPN, bench.authority.key_hash());
    let client = Arc::new(client);

    for _ in 0..2 {
        let (shown, judged) = shake(&client, &ours);
        assert_eq!(shown.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(shown.tls13_tickets_received(), 0);
        assert!(judged.peer_certificates().is_some());
    }

    // A server of the same authority that does give tickets: the client then has one to offer.
    let mut careless = ours.clone();
    careless.send_tls13_tickets = 2;
    careless.session_storage = ServerSessionMemoryCache::new(16);
    let (first, _) = shake(&client, &careless);
    assert!(first.tls13_tickets_received() > 0);
    let (resumed, _) = shake(&client, &careless);
    assert_eq!(
        resumed.handshake_kind(),
        Some(HandshakeKind::Resumed),
        "the client does offer its ticket"
    );
    let (shown, judged) = shake(&client, &ours);
    assert_eq!(shown.handshake_kind(), Some(HandshakeKind::Full));
    assert!(
        judged.peer_certificates().is_some(),
        "the certificate was judged anew"
    );
}
