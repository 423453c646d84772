//! TLS of an endpoint check: this machine's roots, no resumption, and what the certificate says noted even when
//! it is refused.

use std::collections::HashSet;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::shown::Shown;

/// Whom an endpoint's certificate may come from.
#[derive(Clone, Debug)]
pub struct TlsRoots {
    provider: Arc<CryptoProvider>,
    /// `None` without a single root: then https checks fail as this machine's own fault, and http works.
    verifier: Option<Arc<WebPkiServerVerifier>>,
    trusted: Trusted,
}

/// The roots themselves, by their digests: a server may show one of them as its own certificate.
type Trusted = Arc<HashSet<blake3::Hash>>;

/// A root certificate file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsRootsError {
    /// It holds a certificate that is no usable root.
    #[error("a certificate given as an extra root cannot be used as one")]
    Root(#[source] rustls::Error),
    /// The verifier refuses the roots.
    #[error("the root certificates cannot be used")]
    Verifier(#[source] rustls::client::VerifierBuilderError),
}

impl TlsRoots {
    /// The system's roots and `extra` ones. Broken system roots are skipped, broken extra ones are an error.
    ///
    /// # Errors
    /// If an extra root cannot be used.
    pub fn system_and(extra: Vec<CertificateDer<'static>>) -> Result<Self, TlsRootsError> {
        let native = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        let trusted = native.certs.iter().map(|root| blake3::hash(root)).collect();
        let (_, skipped) = store.add_parsable_certificates(native.certs);
        for error in &native.errors {
            tracing::warn!(%error, "some system root certificates cannot be read");
        }
        if store.is_empty() && extra.is_empty() {
            tracing::warn!(
                skipped,
                "no root certificates on this machine; https checks will fail (install ca-certificates)"
            );
        }
        Self::from_store(store, trusted, extra)
    }

    /// Only `roots`.
    ///
    /// # Errors
    /// If one cannot be used.
    pub fn only(roots: Vec<CertificateDer<'static>>) -> Result<Self, TlsRootsError> {
        Self::from_store(RootCertStore::empty(), HashSet::new(), roots)
    }

    fn from_store(
        mut store: RootCertStore,
        mut trusted: HashSet<blake3::Hash>,
        extra: Vec<CertificateDer<'static>>,
    ) -> Result<Self, TlsRootsError> {
        for root in extra {
            trusted.insert(blake3::hash(&root));
            store.add(root).map_err(TlsRootsError::Root)?;
        }
        let (provider, trusted) = (Arc::new(ring::default_provider()), Arc::new(trusted));
        if store.is_empty() {
            return Ok(Self {
                provider,
                verifier: None,
                trusted,
            });
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
            .build()
            .map_err(TlsRootsError::Verifier)?;
        Ok(Self {
            provider,
            verifier: Some(verifier),
            trusted,
        })
    }

    /// A configuration for one handshake, and the place where it notes the certificate. `None` without roots.
    pub(super) fn handshake(&self) -> Option<(Arc<ClientConfig>, Shown)> {
        let shown = Shown::default();
        let verifier = NotingVerifier {
            inner: Arc::clone(self.verifier.as_ref()?),
            trusted: Arc::clone(&self.trusted),
            shown: shown.clone(),
        };
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for TLS 1.2 and 1.3")
            .dangerous() // the verifier below is webpki's, with a note taken first
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Some((Arc::new(config), shown))
    }
}

#[derive(Debug)]
struct NotingVerifier {
    inner: Arc<WebPkiServerVerifier>,
    trusted: Trusted,
    shown: Shown,
}

impl NotingVerifier {
    /// Whether a certificate that is itself among the roots is good for this server now. Whoever trusted it meant this
    /// very certificate: it needs no issuer, and may say that it is one.
    fn verify_trusted(
        &self,
        certificate: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)?;
        let leaf = self.shown.leaf().ok_or(CertificateError::BadEncoding)?;
        match i64::try_from(now.as_secs()).unwrap_or(i64::MAX) {
            now if now > leaf.not_after => Err(CertificateError::Expired.into()),
            now if now < leaf.not_before => Err(CertificateError::NotValidYet.into()),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }
}

impl ServerCertVerifier for NotingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.shown.note(end_entity);
        if self.trusted.contains(&blake3::hash(end_entity)) {
            return self.verify_trusted(end_entity, server_name, now);
        }
        self.inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
