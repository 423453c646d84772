//! TLS as the collector serves it: 1.3 only, every handshake whole, certificates judged at our own clock.
//!
//! Resumption would skip the certificate verifier, so no session ticket is ever sent, none is kept, and none
//! is accepted. A verifier alone cannot end a live connection: revocation is the session's work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_proto::join::{ALPN, ALPN_JOIN};
use isochrone_proto::units::UnixMillis;
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};

use super::{Authority, AuthorityError, COLLECTOR_LEAF_LIFE, leaf};

/// Bytes a connection may send ahead of our reading.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes a stream may send ahead: a whole batch, and the next one's beginning.
const STREAM_WINDOW: u32 = 512 * 1024;
/// Control stream; joining uses one too.
const BIDIRECTIONAL_STREAMS: u32 = 1;
/// Live, draining, and the same again while an epoch changes.
const BATCH_STREAMS: u32 = 4;
const IDLE: Duration = Duration::from_secs(30);
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Handshakes that may wait for us before new ones are refused.
const INCOMING_MAX: usize = 1_024;

/// A [`Clock`] as the TLS library asks for it.
#[derive(Clone, Debug)]
pub struct ClockTime(pub Clock);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.wall().0)))
    }
}

/// The QUIC server configuration of a collector whose wall clock is `time` (mostly a [`ClockTime`]).
///
/// # Errors
/// When the TLS library refuses the certificate or the key.
pub fn quic_server_config(
    authority: &Authority,
    time: Arc<dyn TimeProvider>,
) -> Result<quinn::ServerConfig, AuthorityError> {
    let tls = server_config(authority, time)?;
    let crypto = QuicServerConfig::try_from(tls).map_err(|NoInitialCipherSuite { .. }| {
        rustls::Error::General("the ring provider lacks TLS13_AES_128_GCM_SHA256".into())
    })?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport()));
    config.max_incoming(INCOMING_MAX);
    config.incoming_buffer_size(64 * 1024);
    config.incoming_buffer_size_total(16 * 1024 * 1024);
    Ok(config)
}

/// The TLS half of [`quic_server_config`].
///
/// # Errors
/// As there.
pub fn server_config(
    authority: &Authority,
    time: Arc<dyn TimeProvider>,
) -> Result<ServerConfig, AuthorityError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = ProbeVerifier::new(authority, &provider)?;
    let own = OwnLeaf {
        authority: authority.clone(),
        time: Arc::clone(&time),
        provider: Arc::clone(&provider),
        current: Mutex::new(None),
    };
    own.current()?; // a refusal shows at start, not at the first handshake
    let mut config = ServerConfig::builder_with_details(provider, Arc::clone(&time))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(own));
    config.alpn_protocols = vec![ALPN.to_vec(), ALPN_JOIN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(config)
}

fn transport() -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(BIDIRECTIONAL_STREAMS.into())
        .max_concurrent_uni_streams(BATCH_STREAMS.into())
        .receive_window(CONNECTION_WINDOW.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .send_window(u64::from(CONNECTION_WINDOW) * 4)
        .datagram_receive_buffer_size(None)
        // little is sent, and a buffer for ten datagrams stays with each connection
        .enable_segmentation_offload(false)
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IDLE.try_into().expect("30 s fit a varint of milliseconds")))
        .congestion_controller_factory(Arc::new(quinn::congestion::CubicConfig::default()));
    transport
}

/// Accepts certificates that our authority signed for clients, whatever the time: where our clock is behind, they are not
/// valid yet, and it takes a session to say so. One past its end passes here, so that the session can tell the probe so and
/// let it renew; nothing but renewal is open to it.
#[derive(Debug)]
struct ProbeVerifier {
    chain: Arc<dyn ClientCertVerifier>,
}

impl ProbeVerifier {
    fn new(authority: &Authority, provider: &Arc<CryptoProvider>) -> Result<Self, AuthorityError> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.certificate().0.clone()))?;
        let chain = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .allow_unauthenticated() // joining has none; on isochrone/1 the session refuses
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(Self { chain })
    }
}

impl ClientCertVerifier for ProbeVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let (begin, end) = leaf::life(end_entity).ok_or(CertificateError::BadEncoding)?;
        let in_force = now.as_secs().min(end.0 / 1_000).max(begin.0 / 1_000);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(in_force));
        let judged = self.chain.verify_client_cert(end_entity, intermediates, at);
        judged.inspect_err(|error| {
            tracing::warn!(%error, "refused a certificate that this collector's authority did not sign for a probe");
        })
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// The collector's own leaf; a new one is signed when a third of its life is left.
#[derive(Debug)]
struct OwnLeaf {
    authority: Authority,
    time: Arc<dyn TimeProvider>,
    provider: Arc<CryptoProvider>,
    current: Mutex<Option<(UnixMillis, Arc<CertifiedKey>)>>,
}

impl OwnLeaf {
    fn current(&self) -> Result<Arc<CertifiedKey>, AuthorityError> {
        let now = self
            .time
            .current_time()
            .ok_or(rustls::Error::FailedToGetCurrentTime)?;
        let now = UnixMillis(now.as_secs().saturating_mul(1_000));
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, key)) = current.as_ref()
            && *made <= now
            && now.since(*made) < COLLECTOR_LEAF_LIFE * 2 / 3
        {
            return Ok(Arc::clone(key));
        }
        let leaf = self.authority.issue_collector_leaf(now)?;
        let chain = self
            .authority
            .chain(leaf)
            .into_iter()
            .map(|certificate| certificate.0.into())
            .collect();
        let key = self
            .provider
            .key_provider
            .load_private_key(self.authority.collector_key().into())?;
        let certified = Arc::new(CertifiedKey::new(chain, key));
        *current = Some((now, Arc::clone(&certified)));
        Ok(certified)
    }
}

impl ResolvesServerCert for OwnLeaf {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self.current() {
            Ok(key) => Some(key),
            Err(error) => {
                tracing::error!(%error, "cannot sign the collector's own certificate");
                None
            }
        }
    }
}
