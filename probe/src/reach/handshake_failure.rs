//! Why a TLS handshake failed: the cause, and words that say whose fault it may be.

use isochrone_proto::measurement::{Cause, FailureCause, SendFailure};
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible, PeerMisbehaved};

use super::shown::{Shown, instant};
use crate::error_text::ErrorText;

/// Why a handshake with `host` failed, if it failed as TLS; `None` leaves it to the socket's error.
pub(super) fn tls_cause(error: &std::io::Error, host: &str, shown: &Shown) -> Option<(Cause, ErrorText)> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    let (cause, text) = match error {
        Error::PeerIncompatible(why) => return Some(unmeasured(&lacking(why))),
        Error::InvalidCertificate(why) => match unread(why) {
            Some(limit) => return Some(unmeasured(&limit)),
            None => certificate(why, host, shown),
        },
        Error::NoCertificatesPresented | Error::UnsupportedNameType => {
            (FailureCause::CertificateInvalid, error.to_string())
        }
        Error::AlertReceived(alert) => (FailureCause::TlsAlert, refused(*alert, host)),
        Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => {
            (FailureCause::Tls, NO_HTTP1.to_owned())
        }
        Error::InvalidMessage(_) => (FailureCause::Tls, format!("the port does not speak TLS: {error}")),
        _ => (FailureCause::Tls, error.to_string()),
    };
    Some((cause.into(), ErrorText::new(&text)))
}

/// The limit is this probe's, and nothing is known about the node.
fn unmeasured(limit: &str) -> (Cause, ErrorText) {
    let text = format!("this probe cannot measure it: {limit}");
    (SendFailure::Local.into(), ErrorText::new(&text))
}

/// What of a certificate's signatures this probe's library cannot check, if that is what it complains of.
fn unread(error: &CertificateError) -> Option<String> {
    let with = match error {
        CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id,
            ..
        } => signed_with(signature_algorithm_id),
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id,
            public_key_algorithm_id,
        } if holds(public_key_algorithm_id, P_521) => {
            format!("{} by a key on P-521", signed_with(signature_algorithm_id))
        }
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id,
            ..
        } => format!("{} by another kind of key", signed_with(signature_algorithm_id)),
        _ => return None,
    };
    Some(format!(
        "a certificate of its chain is signed with {with}, which the probe's TLS library cannot check"
    ))
}

/// The name of a signature's algorithm, from its identifier's bytes.
fn signed_with(identifier: &[u8]) -> String {
    let known = SIGNATURES.iter().find(|(bytes, _)| holds(identifier, bytes));
    known.map_or_else(
        || "an algorithm that it does not know".to_owned(),
        |(_, name)| (*name).to_owned(),
    )
}

fn holds(identifier: &[u8], bytes: &[u8]) -> bool {
    identifier.windows(bytes.len()).any(|part| part == bytes)
}

/// What server and library have not in common.
fn lacking(why: &PeerIncompatible) -> String {
    match why {
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => {
            "the server offers neither TLS 1.2 nor TLS 1.3, and its TLS library speaks nothing older"
                .to_owned()
        }
        PeerIncompatible::NoKxGroupsInCommon => {
            "no curve in common; its TLS library knows X25519, P-256 and P-384, and no P-521".to_owned()
        }
        PeerIncompatible::NoSignatureSchemesInCommon => {
            "no signature in common; its TLS library checks RSA, P-256, P-384 and Ed25519, and no P-521"
                .to_owned()
        }
        other => format!("its TLS library and the server have too little in common ({other:?})"),
    }
}

/// What the server said when it refused.
fn refused(alert: AlertDescription, host: &str) -> String {
    let said = format!("TLS alert {alert:?}");
    match alert {
        AlertDescription::UnrecognisedName => format!("the server knows no site called {host} ({said})"),
        AlertDescription::NoApplicationProtocol => format!("{NO_HTTP1} ({said})"),
        AlertDescription::ProtocolVersion => {
            format!("the server refuses TLS 1.2 and 1.3, and a probe speaks no other ({said})")
        }
        AlertDescription::HandshakeFailure
        | AlertDescription::InsufficientSecurity
        | AlertDescription::UnsupportedCertificate => format!(
            "the server found nothing in common with the probe, which speaks TLS 1.2 and 1.3 with ECDHE, and no P-521 \
             ({said})"
        ),
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
        other => (
            FailureCause::CertificateInvalid,
            format!("invalid certificate: {other}"),
        ),
    }
}

const NO_HTTP1: &str = "the server speaks no HTTP/1.1 over TLS, perhaps only HTTP/2; a probe speaks HTTP/1.1";
/// The object identifier of the curve, as bytes.
const P_521: &[u8] = &[0x2b, 0x81, 4, 0, 0x23];
/// Object identifiers of signatures that rustls with ring does not check, or not of every key.
const SIGNATURES: [(&[u8], &str); 7] = [
    (
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4],
        "ECDSA and SHA-512 (as keys on P-521 sign)",
    ),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3], "ECDSA and SHA-384"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], "ECDSA and SHA-256"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1], "ECDSA and SHA-1"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0xd, 1, 1, 5], "RSA and SHA-1"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0xd, 1, 1, 4], "RSA and MD5"),
    (&[0x2b, 0x65, 0x71], "Ed448"),
];
