//! TLS of an endpoint check: this machine's roots, no resumption, and the certificate's end noted even when
//! the certificate is refused.

use std::sync::{Arc, OnceLock};

use isochrone_proto::measurement::{Cause, FailureCause};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error_text::ErrorText;

/// Whom an endpoint's certificate may come from.
#[derive(Clone, Debug)]
pub struct TlsRoots {
    provider: Arc<CryptoProvider>,
    /// `None` without a single root: then https checks fail as this machine's own fault, and http works.
    verifier: Option<Arc<WebPkiServerVerifier>>,
}

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
        Self::from_store(store, extra)
    }

    /// Only `roots`.
    ///
    /// # Errors
    /// If one cannot be used.
    pub fn only(roots: Vec<CertificateDer<'static>>) -> Result<Self, TlsRootsError> {
        Self::from_store(RootCertStore::empty(), roots)
    }

    fn from_store(
        mut store: RootCertStore,
        extra: Vec<CertificateDer<'static>>,
    ) -> Result<Self, TlsRootsError> {
        for root in extra {
            store.add(root).map_err(TlsRootsError::Root)?;
        }
        let provider = Arc::new(ring::default_provider());
        if store.is_empty() {
            return Ok(Self {
                provider,
                verifier: None,
            });
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
            .build()
            .map_err(TlsRootsError::Verifier)?;
        Ok(Self {
            provider,
            verifier: Some(verifier),
        })
    }

    /// A configuration for one handshake, and the place where it notes the certificate's end. `None` without
    /// roots.
    pub(crate) fn handshake(&self) -> Option<(Arc<ClientConfig>, NotedExpiry)> {
        let noted = NotedExpiry::default();
        let verifier = NotingVerifier {
            inner: Arc::clone(self.verifier.as_ref()?),
            noted: noted.clone(),
        };
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for TLS 1.2 and 1.3")
            .dangerous() // the verifier below is webpki's, with a note taken first
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Some((Arc::new(config), noted))
    }
}

/// When the certificate that was shown expires, in seconds of Unix time.
#[derive(Clone, Debug, Default)]
pub(crate) struct NotedExpiry(Arc<OnceLock<i64>>);

impl NotedExpiry {
    pub(crate) fn get(&self) -> Option<i64> {
        self.0.get().copied()
    }
}

#[derive(Debug)]
struct NotingVerifier {
    inner: Arc<WebPkiServerVerifier>,
    noted: NotedExpiry,
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
        if let Ok((_, certificate)) = x509_parser::parse_x509_certificate(end_entity) {
            self.noted
                .0
                .get_or_init(|| certificate.validity().not_after.timestamp());
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

/// Why a handshake failed, if it failed as TLS; `None` leaves it to the socket's error.
pub(crate) fn tls_cause(error: &std::io::Error) -> Option<(Cause, ErrorText)> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let cause = match error {
        rustls::Error::InvalidCertificate(certificate) => certificate_cause(certificate),
        rustls::Error::NoCertificatesPresented | rustls::Error::UnsupportedNameType => {
            FailureCause::CertificateInvalid
        }
        rustls::Error::AlertReceived(_) => FailureCause::TlsAlert,
        _ => FailureCause::Tls,
    };
    Some((cause.into(), ErrorText::of(error)))
}

fn certificate_cause(error: &CertificateError) -> FailureCause {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            FailureCause::CertificateExpired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            FailureCause::CertificateNotYetValid
        }
        CertificateError::UnknownIssuer => FailureCause::CertificateUnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            FailureCause::CertificateWrongName
        }
        _ => FailureCause::CertificateInvalid,
    }
}
