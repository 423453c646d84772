//! TLS 1.3 towards the collector: whom a probe trusts, while it joins and ever after.
//!
//! No session is resumed (resumption would skip the verifier) and nothing is sent before the handshake is
//! over. Names mean nothing here: a collector is who the pinned authority says it is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use isochrone_proto::ids::KeyHash;
use isochrone_proto::join::{ALPN, ALPN_JOIN};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::identity::Identity;

/// The name in the handshake. It is not checked: collectors are told apart by their SPIFFE names.
pub const SERVER_NAME: &str = "collector.isochrone";
const COLLECTOR_PATH: &str = "spiffe://isochrone/collector/";
const PROBE_PATH: &str = "spiffe://isochrone/probe/";
/// So long after its end a collector's leaf still counts, as a probe's does at the collector.
const FORGIVEN: Duration = Duration::from_secs(400 * 86_400);
const IDLE: Duration = Duration::from_secs(30);
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Why a server is not the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTheCollector {
    /// Its chain does not lead to the pinned authority.
    #[error(
        "the server there belongs to another mesh or is an impostor: its certificate is not from the authority that this probe trusts"
    )]
    OtherAuthority,
    /// A probe's leaf.
    #[error("the server there shows a probe's certificate and poses as the collector; tell the lead")]
    IsAProbe,
    /// Signed by the authority, but not for a collector.
    #[error("the server there shows a certificate that is not a collector's; tell the lead")]
    NotACollector,
    /// Long past its end.
    #[error(
        "the collector's certificate ended more than a year ago; is this server's clock right (`timedatectl`)?"
    )]
    Expired,
    /// It cannot be read.
    #[error("the server's certificate cannot be read")]
    Malformed,
}

/// Which authority is trusted.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The one whose certificate this probe keeps.
    Authority(CertificateDer<'static>),
    /// The one whose key an invitation pins; its certificate is in the server's chain.
    Pin(KeyHash),
}

/// Judges the server's certificate, and remembers why one was refused: QUIC passes on only a text.
#[derive(Debug)]
pub struct CollectorVerifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
    refused: Mutex<Option<NotTheCollector>>,
}

impl CollectorVerifier {
    /// A verifier for one connection.
    #[must_use]
    pub fn new(trust: Trust) -> Arc<Self> {
        Arc::new(Self {
            trust,
            provider: provider(),
            refused: Mutex::new(None),
        })
    }

    /// Why the last server was refused.
    #[must_use]
    pub fn refused(&self) -> Option<NotTheCollector> {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), NotTheCollector> {
        let authority = match &self.trust {
            Trust::Authority(authority) => authority,
            Trust::Pin(pin) => {
                let pinned = |certificate: &&CertificateDer<'_>| key_hash(certificate) == Some(*pin);
                others
                    .iter()
                    .find(pinned)
                    .ok_or(NotTheCollector::OtherAuthority)?
            }
        };
        let anchor = webpki::anchor_from_trusted_cert(authority).map_err(|_| NotTheCollector::Malformed)?;
        let anchors = [anchor];
        let end_entity = EndEntityCert::try_from(leaf).map_err(|_| NotTheCollector::Malformed)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let now = in_force(leaf, now).ok_or(NotTheCollector::Malformed)?;
        let verify = |usage| end_entity.verify_for_usage(algorithms, &anchors, &[], now, usage, None, None);
        let name = spiffe_name(leaf).ok_or(NotTheCollector::Malformed)?;
        match verify(KeyUsage::server_auth()) {
            Ok(_) if name.starts_with(COLLECTOR_PATH) => Ok(()),
            Ok(_) if name.starts_with(PROBE_PATH) => Err(NotTheCollector::IsAProbe),
            Ok(_) => Err(NotTheCollector::NotACollector),
            Err(webpki::Error::CertExpired { .. }) => Err(NotTheCollector::Expired),
            Err(webpki::Error::RequiredEkuNotFoundContext(_)) => match verify(KeyUsage::client_auth()) {
                // Only what our own authority signed is called by its name.
                Ok(_) if name.starts_with(PROBE_PATH) => Err(NotTheCollector::IsAProbe),
                Ok(_) => Err(NotTheCollector::NotACollector),
                Err(_) => Err(NotTheCollector::OtherAuthority),
            },
            Err(_) => Err(NotTheCollector::OtherAuthority),
        }
    }
}

impl ServerCertVerifier for CollectorVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.judge(end_entity, intermediates, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(refused) => {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
                let other = CertificateError::Other(OtherError(Arc::new(refused)));
                Err(rustls::Error::InvalidCertificate(other))
            }
        }
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
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// The QUIC client configuration of a probe that has joined.
///
/// # Errors
/// When the TLS library refuses the probe's certificate or key.
pub fn probe_config(
    identity: &Identity,
    verifier: &Arc<CollectorVerifier>,
    time: Arc<dyn TimeProvider>,
) -> Result<quinn::ClientConfig, rustls::Error> {
    let tls = rustls::ClientConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous() // stricter than usual: one authority, collectors only
        .with_custom_certificate_verifier(Arc::<CollectorVerifier>::clone(verifier))
        .with_client_auth_cert(identity.chain().to_vec(), identity.key().private_key())?;
    quic_config(tls, ALPN)
}

/// The QUIC client configuration of a probe that is joining, and shows no certificate.
///
/// # Errors
/// When the TLS library refuses its own defaults.
pub(crate) fn join_config(
    verifier: &Arc<CollectorVerifier>,
    time: Arc<dyn TimeProvider>,
) -> Result<quinn::ClientConfig, rustls::Error> {
    let tls = rustls::ClientConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::<CollectorVerifier>::clone(verifier))
        .with_no_client_auth();
    quic_config(tls, ALPN_JOIN)
}

fn quic_config(mut tls: rustls::ClientConfig, alpn: &[u8]) -> Result<quinn::ClientConfig, rustls::Error> {
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls.resumption = Resumption::disabled();
    tls.enable_early_data = false;
    let quic = QuicClientConfig::try_from(tls)
        .map_err(|_| rustls::Error::General("the ring provider lacks TLS13_AES_128_GCM_SHA256".into()))?;
    let mut config = quinn::ClientConfig::new(Arc::new(quic));
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(0u32.into())
        .max_concurrent_uni_streams(0u32.into())
        .datagram_receive_buffer_size(None)
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IDLE.try_into().expect("30 s fit a varint of milliseconds")))
        .congestion_controller_factory(Arc::new(quinn::congestion::CubicConfig::default()));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn key_hash(certificate: &CertificateDer<'_>) -> Option<KeyHash> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(KeyHash::of_spki(certificate.public_key().raw))
}

/// When a leaf is judged: now, or the nearest instant of its life. A clock that is wrong, here or at the collector, keeps
/// nobody out; once both talk it is measured, and named. Beyond more than a year after its end it is over.
fn in_force(leaf: &CertificateDer<'_>, now: UnixTime) -> Option<UnixTime> {
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let seconds = |at: x509_parser::time::ASN1Time| u64::try_from(at.timestamp()).ok();
    let validity = certificate.validity();
    let (from, until) = (seconds(validity.not_before)?, seconds(validity.not_after)?);
    let is_over = now.as_secs() > until.saturating_add(FORGIVEN.as_secs());
    let at = if is_over {
        now.as_secs()
    } else {
        now.as_secs().min(until).max(from)
    };
    Some(UnixTime::since_unix_epoch(Duration::from_secs(at)))
}

/// The certificate's URI name; empty if it has none.
fn spiffe_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()?;
    let uri = names.and_then(|names| {
        names.value.general_names.iter().find_map(|name| match name {
            GeneralName::URI(uri) => Some((*uri).to_owned()),
            _ => None,
        })
    });
    Some(uri.unwrap_or_default())
}

#[cfg(test)]
pub(crate) mod tests;
