//! Why a TLS handshake failed: the cause, and words that say whose fault it may be.

use isochrone_proto::measurement::{Cause, FailureCause};
use rustls::{AlertDescription, CertificateError, Error, PeerMisbehaved};

use super::shown::{Shown, instant};
use crate::error_text::ErrorText;

/// Why a handshake with `host` failed, if it failed as TLS; `None` leaves it to the socket's error.
pub(super) fn tls_cause(error: &std::io::Error, host: &str, shown: &Shown) -> Option<(Cause, ErrorText)> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    let (cause, text) = match error {
        Error::InvalidCertificate(why) => certificate(why, host, shown),
        Error::NoCertificatesPresented | Error::UnsupportedNameType => {
            (FailureCause::CertificateInvalid, error.to_string())
        }
        Error::AlertReceived(alert) => (FailureCause::TlsAlert, refused(*alert, host)),
        Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => {
            (FailureCause::Tls, NO_HTTP1.to_owned())
        }
        Error::PeerIncompatible(_) => (FailureCause::Tls, format!("{error}; {LIMIT}")),
        Error::InvalidMessage(_) => (FailureCause::Tls, format!("the port does not speak TLS: {error}")),
        _ => (FailureCause::Tls, error.to_string()),
    };
    Some((cause.into(), ErrorText::new(&text)))
}

/// What the server said when it refused.
fn refused(alert: AlertDescription, host: &str) -> String {
    let said = format!("TLS alert {alert:?}");
    match alert {
        AlertDescription::UnrecognisedName => format!("the server knows no site called {host} ({said})"),
        AlertDescription::NoApplicationProtocol => format!("{NO_HTTP1} ({said})"),
        AlertDescription::HandshakeFailure
        | AlertDescription::InsufficientSecurity
        | AlertDescription::ProtocolVersion
        | AlertDescription::UnsupportedCertificate => {
            format!("nothing in common with the server: {LIMIT} ({said})")
        }
        AlertDescription::CertificateRequired | AlertDescription::AccessDenied => {
            format!("the server wants a certificate of its visitors, and a probe has none ({said})")
        }
        _ => format!("the server refused the handshake ({said})"),
    }
}

fn certificate(error: &CertificateError, host: &str, shown: &Shown) -> (FailureCause, String) {
    let leaf = shown.leaf();
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            let end = leaf.map_or_else(String::new, |leaf| format!(" on {}", instant(leaf.not_after)));
            (
                FailureCause::CertificateExpired,
                format!("the certificate expired{end}"),
            )
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            let start = leaf.map_or_else(String::new, |leaf| {
                format!(" before {}", instant(leaf.not_before))
            });
            let text = format!("the certificate is not valid{start}");
            (FailureCause::CertificateNotYetValid, text)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names = leaf.map_or_else(|| "other names".to_owned(), |leaf| leaf.names_in_words());
            let text = format!("the certificate is for {names}, not for {host}");
            (FailureCause::CertificateWrongName, text)
        }
        CertificateError::UnknownIssuer | CertificateError::Other(_)
            if leaf.is_some_and(|leaf| leaf.is_self_signed) =>
        {
            let text = "the certificate is self-signed, and is not among this machine's roots";
            (FailureCause::CertificateUnknownIssuer, text.to_owned())
        }
        CertificateError::UnknownIssuer => {
            let issuer = leaf.map_or("an unknown issuer", |leaf| leaf.issuer.as_str());
            let text = format!("no root of this machine leads to the certificate's issuer, {issuer}");
            (FailureCause::CertificateUnknownIssuer, text)
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            let text = format!("the certificate is signed in a way that cannot be checked here: {LIMIT}");
            (FailureCause::CertificateInvalid, text)
        }
        other => (
            FailureCause::CertificateInvalid,
            format!("invalid certificate: {other}"),
        ),
    }
}

const NO_HTTP1: &str = "the server speaks no HTTP/1.1 over TLS, perhaps only HTTP/2; a probe speaks HTTP/1.1";
/// The limit of rustls with ring.
const LIMIT: &str = "this probe's TLS library knows no P-521, and only TLS 1.2 and 1.3";
