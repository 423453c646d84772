//! Why a connection ended or never began, in words for a person, and what that says about the next attempt.

use std::net::SocketAddr;
use std::time::Duration;

use isochrone_proto::control::{CloseCode, Refusal};
use isochrone_proto::frame::FrameError;

use super::feed;
use crate::tls::NotTheCollector;

/// Why a connection ended or never began.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkEnd {
    /// The name of the collector has no address.
    #[error("the collector's name {address} cannot be resolved; does this server's DNS work?")]
    Resolve {
        /// As configured.
        address: String,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// No socket.
    #[error("this server cannot open a UDP socket")]
    Socket(#[source] std::io::Error),
    /// The connection could not be begun.
    #[error("the connection to {remote} cannot be begun")]
    Connect {
        /// Where to.
        remote: SocketAddr,
        /// The library's words.
        #[source]
        source: quinn::ConnectError,
    },
    /// The TLS library refuses this probe's own certificate.
    #[error("this probe's certificate cannot be used; ask the lead for a new invitation")]
    OwnCertificate(#[source] rustls::Error),
    /// Nobody answered.
    #[error("the collector at {remote} does not answer; is it running, and does a firewall let UDP port {} out?", remote.port())]
    NoAnswer {
        /// Where.
        remote: SocketAddr,
    },
    /// Somebody else answered.
    #[error(transparent)]
    NotTheCollector(#[from] NotTheCollector),
    /// The collector's TLS turned the certificate away.
    #[error(
        "the collector refuses this probe's certificate: another mesh made it, or it is damaged; ask the lead for a new invitation and run `isochrone-probe join TOKEN`"
    )]
    CertificateRefused,
    /// The collector does not let this probe in.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The collector closed the connection.
    #[error("{}", closed_sentence(*code, reason))]
    Closed {
        /// Why.
        code: Option<CloseCode>,
        /// Its words.
        reason: String,
    },
    /// The connection broke.
    #[error("the connection to the collector was lost")]
    Lost(#[source] quinn::ConnectionError),
    /// The collector said something that this release does not understand.
    #[error("the collector at the other end speaks differently ({what}); is one of the two releases older?")]
    Protocol { what: String },
    /// Batches stay unanswered.
    #[error("the collector has acknowledged nothing for {} s; connecting anew", feed::UNANSWERED.as_secs())]
    Unanswered,
    /// The spool cannot be read.
    #[error("the spool cannot be read")]
    Spool(#[source] crate::spool::SpoolError),
    /// The certificate was renewed after its end: the connection is made again with the new one.
    #[error("the certificate was renewed; connecting anew")]
    Renewed,
    /// This process is stopping.
    #[error("stopping")]
    Stopped,
}

/// Waiting longer than usual is kinder where only a person can help, or the collector needs a while.
pub(super) fn patience(end: &LinkEnd) -> Duration {
    let seconds = match end {
        end if is_final(end) => 600,
        LinkEnd::Closed { code: Some(code), .. } => match code {
            CloseCode::Replaced => 60,
            CloseCode::Quota => 30,
            CloseCode::StoreUnavailable | CloseCode::Protocol => 10,
            CloseCode::Done | CloseCode::Stopping | CloseCode::Revoked | CloseCode::Refused => 0,
        },
        _ => 0,
    };
    Duration::from_secs(seconds)
}

/// Whether only a person can help.
fn is_final(end: &LinkEnd) -> bool {
    match end {
        LinkEnd::Refused(refusal) => match refusal {
            Refusal::Revoked | Refusal::Unknown | Refusal::ExpiredTooLong | Refusal::NoCertificate => true,
            Refusal::Expired | Refusal::BadRequest | Refusal::Busy { .. } => false,
        },
        LinkEnd::Closed { code, .. } => *code == Some(CloseCode::Revoked),
        LinkEnd::CertificateRefused => true,
        _ => false,
    }
}

/// What a close code means, for a volunteer.
pub(super) fn closed_sentence(code: Option<CloseCode>, reason: &str) -> String {
    let sentence = match code {
        Some(CloseCode::Done) => "the collector ended the connection",
        Some(CloseCode::Stopping) => {
            "the collector is restarting; this probe goes on measuring and comes back"
        }
        Some(CloseCode::Replaced) => {
            "another process with this probe's key took over; is a second copy of this server running?"
        }
        Some(CloseCode::Revoked) => {
            "this probe was revoked; if that is a mistake, ask the lead for a new invitation and run `isochrone-probe join TOKEN`"
        }
        Some(CloseCode::Refused) => "the collector does not let this probe in",
        Some(CloseCode::Protocol) => {
            "the collector did not understand this probe; is one of the two releases older?"
        }
        Some(CloseCode::Quota) => "this probe sent more than its quota; it slows down and comes back",
        Some(CloseCode::StoreUnavailable) => {
            "the collector cannot store anything now (is its disk full?); this probe keeps its results and comes back"
        }
        None => "the collector closed the connection for a reason that this release does not know",
    };
    if reason.is_empty() || reason == sentence {
        sentence.to_owned()
    } else {
        format!("{sentence} ({reason})")
    }
}

impl LinkEnd {
    /// Whether the collector said that this probe was revoked.
    pub(super) fn is_revoked(&self) -> bool {
        matches!(
            self,
            Self::Refused(Refusal::Revoked)
                | Self::Closed {
                    code: Some(CloseCode::Revoked),
                    ..
                }
        )
    }
}

/// Where the collector closed the connection with a reason, that tells more than what broke here.
pub(super) fn closing_words(connection: &quinn::Connection, end: LinkEnd) -> LinkEnd {
    if matches!(end, LinkEnd::Refused(_) | LinkEnd::Stopped | LinkEnd::Renewed) {
        return end;
    }
    match connection.close_reason().map(LinkEnd::from) {
        Some(told @ (LinkEnd::Closed { .. } | LinkEnd::CertificateRefused)) => told,
        Some(broke @ LinkEnd::Lost(quinn::ConnectionError::TimedOut | quinn::ConnectionError::Reset))
            if !matches!(end, LinkEnd::Protocol { .. }) =>
        {
            broke
        }
        _ => end,
    }
}

/// Whether a TLS alert says that the other end refuses our certificate: bad, unsupported, revoked, expired, unknown,
/// of an unknown authority, without access, or missing.
fn refuses_certificate(closed: &quinn::ConnectionClose) -> bool {
    let alerts = [42, 43, 44, 45, 46, 48, 49, 116];
    alerts
        .map(quinn::TransportErrorCode::crypto)
        .contains(&closed.error_code)
}

impl From<quinn::ConnectionError> for LinkEnd {
    fn from(error: quinn::ConnectionError) -> Self {
        match error {
            quinn::ConnectionError::ApplicationClosed(closed) => Self::Closed {
                code: CloseCode::from_code(closed.error_code.into_inner()),
                reason: printable(&String::from_utf8_lossy(&closed.reason)),
            },
            quinn::ConnectionError::ConnectionClosed(closed) if refuses_certificate(&closed) => {
                Self::CertificateRefused
            }
            error => Self::Lost(error),
        }
    }
}

impl From<FrameError> for LinkEnd {
    fn from(error: FrameError) -> Self {
        Self::Protocol {
            what: error.to_string(),
        }
    }
}

/// Somebody else's words, without what could move a terminal's cursor.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .take(300)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed_with(error_code: quinn::TransportErrorCode) -> LinkEnd {
        quinn::ConnectionError::ConnectionClosed(quinn::ConnectionClose {
            error_code,
            frame_type: None,
            reason: bytes::Bytes::new(),
        })
        .into()
    }

    #[test]
    fn close_codes_and_refusals_are_sentences_of_their_own() {
        let mut sentences: Vec<String> = CloseCode::ALL
            .iter()
            .map(|code| closed_sentence(Some(*code), ""))
            .collect();
        sentences.push(closed_sentence(None, ""));
        sentences.push(LinkEnd::CertificateRefused.to_string());
        let count = sentences.len();
        sentences.sort();
        sentences.dedup();
        assert_eq!(sentences.len(), count);
        assert!(closed_sentence(Some(CloseCode::Quota), "10 a second").ends_with("(10 a second)"));
        assert_eq!(printable("a\u{1b}[2Jb"), "a [2Jb");
    }

    #[test]
    fn alert_about_the_certificate_is_told_apart_from_other_broken_handshakes() {
        for alert in 0..=u8::MAX {
            let end = closed_with(quinn::TransportErrorCode::crypto(alert));
            let refuses = matches!(alert, 42..=46 | 48 | 49 | 116);
            assert_eq!(
                matches!(end, LinkEnd::CertificateRefused),
                refuses,
                "alert {alert}"
            );
        }
        let other = closed_with(quinn::TransportErrorCode::PROTOCOL_VIOLATION);
        assert!(matches!(other, LinkEnd::Lost(_)));
        let said = LinkEnd::CertificateRefused.to_string();
        assert!(said.contains("isochrone-probe join TOKEN"), "{said}");
    }

    #[test]
    fn probe_waits_longer_where_the_collector_or_a_person_needs_time() {
        let closed = |code| {
            let reason = String::new();
            patience(&LinkEnd::Closed { code, reason }).as_secs()
        };
        assert_eq!(patience(&Refusal::Revoked.into()).as_secs(), 600);
        assert_eq!(patience(&LinkEnd::CertificateRefused).as_secs(), 600);
        assert_eq!(closed(Some(CloseCode::Revoked)), 600);
        assert_eq!(closed(Some(CloseCode::Replaced)), 60);
        assert_eq!(closed(Some(CloseCode::Quota)), 30);
        assert_eq!(closed(Some(CloseCode::StoreUnavailable)), 10);
        assert_eq!(closed(Some(CloseCode::Protocol)), 10);
        for code in [Some(CloseCode::Stopping), Some(CloseCode::Done), None] {
            assert_eq!(closed(code), 0, "{code:?}");
        }
        assert_eq!(patience(&LinkEnd::Unanswered).as_secs(), 0);
    }
}
