//! How a check breaks: the phase, the cause, and the words of whoever said so.

use std::time::Duration;

use isochrone_proto::measurement::Phase;

use crate::address_policy::Forbidden;

/// A check that did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In which phase it broke.
    pub phase: Phase,
    /// What broke.
    pub cause: Cause,
    /// The error as the system or the server worded it, bounded.
    pub text: ErrorText,
    /// How long it took to know: never a latency.
    pub elapsed: Duration,
}

/// What broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The name does not exist.
    NxDomain,
    /// The name server failed, refused, or answered nonsense.
    ServFail,
    /// The name exists, but has no address of this family.
    NoAddress,
    /// No name server answered in time.
    DnsTimeout,
    /// The address may not be measured from here.
    ForbiddenAddress(Forbidden),
    /// Nothing listens on the port.
    Refused,
    /// A router says that the host cannot be reached.
    Unreachable,
    /// This machine has no route for the address (often: it has no IPv6).
    NoRoute,
    /// This machine ran out of file descriptors, ports or memory.
    Resources,
    /// A firewall of this machine forbids it.
    LocalFirewall,
    /// This machine could not try for another reason (no root certificates, no /etc/resolv.conf).
    Local,
    /// The connection was reset.
    Reset,
    /// It took too long.
    Timeout,
    /// The certificate is past its end.
    CertificateExpired,
    /// The certificate is not valid yet.
    CertificateNotYetValid,
    /// The certificate's issuer is not known here.
    UnknownIssuer,
    /// The certificate is for other names.
    WrongName,
    /// The certificate is bad in another way.
    BadCertificate,
    /// The server ended the handshake with an alert.
    TlsAlert,
    /// What came back is not a TLS handshake that can be agreed on.
    TlsBroken,
    /// The connection was closed without a byte of an answer.
    EmptyReply,
    /// What came is not an HTTP answer.
    BadAnswer,
    /// Status line and headers exceed the limit.
    HeaderTooLarge,
    /// The body exceeds the limit.
    BodyTooLarge,
    /// The body ended before its announced length.
    TooFewBytes,
    /// A status that is neither expected nor one of the outcomes of its own.
    BadStatus(u16),
    /// A redirect: none is followed.
    Redirect(u16),
    /// The status body is not the JSON it should be.
    BadJson,
    /// The status JSON lacks a field that every node sends.
    MissingField(&'static str),
    /// The answer is for another range than asked.
    WrongRange,
}

impl Cause {
    /// The name as it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::NxDomain => "nxdomain",
            Self::ServFail => "servfail",
            Self::NoAddress => "no-address",
            Self::DnsTimeout => "dns-timeout",
            Self::ForbiddenAddress(_) => "forbidden-address",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::NoRoute => "no-route",
            Self::Resources => "resources",
            Self::LocalFirewall => "local-firewall",
            Self::Local => "local",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateNotYetValid => "certificate-not-yet-valid",
            Self::UnknownIssuer => "unknown-issuer",
            Self::WrongName => "wrong-name",
            Self::BadCertificate => "bad-certificate",
            Self::TlsAlert => "tls-alert",
            Self::TlsBroken => "tls-broken",
            Self::EmptyReply => "empty-reply",
            Self::BadAnswer => "bad-answer",
            Self::HeaderTooLarge => "header-too-large",
            Self::BodyTooLarge => "body-too-large",
            Self::TooFewBytes => "too-few-bytes",
            Self::BadStatus(_) => "bad-status",
            Self::Redirect(_) => "redirect",
            Self::BadJson => "bad-json",
            Self::MissingField(_) => "missing-field",
            Self::WrongRange => "wrong-range",
        }
    }

    /// Whether it says something about this machine rather than about the endpoint.
    pub fn is_local(self) -> bool {
        matches!(
            self,
            Self::Resources | Self::LocalFirewall | Self::Local | Self::NoRoute | Self::ForbiddenAddress(_)
        )
    }
}

/// Somebody else's words, about an error or of itself: at most [`ErrorText::MAX`] characters, control characters replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorText(String);

impl ErrorText {
    /// Longest text kept, in characters.
    pub const MAX: usize = 200;

    /// Cuts `text` to size; whatever could move a terminal's cursor becomes a space.
    pub fn new(text: &str) -> Self {
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        Self(text.trim().chars().take(Self::MAX).map(clean).collect())
    }

    /// An error with its sources, joined by `: `; a source that its parent already quotes is not repeated.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            let words = source.to_string();
            if !text.contains(&words) {
                text.push_str(": ");
                text.push_str(&words);
            }
            next = source.source();
        }
        Self::new(&text)
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ErrorText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
