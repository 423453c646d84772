//! Why a check brought no answer: the one vocabulary of probe, wire, store, export and pages.

use crate::coded::coded;

coded! {
    /// How far a check came.
    Phase {
        /// Name to address.
        Resolve = 0 "resolve",
        /// TCP handshake.
        Connect = 1 "connect",
        /// TLS handshake.
        Tls = 2 "tls",
        /// Writing the request.
        Request = 3 "request",
        /// Waiting for the first byte.
        FirstByte = 4 "first-byte",
        /// Reading the answer.
        Transfer = 5 "transfer",
        /// Judging the answer.
        Verify = 6 "verify",
    }
}

coded! {
    /// Why a check never left this machine: it says nothing about the target or the way to it.
    SendFailure {
        /// ENOBUFS or EAGAIN: this machine's queue was full.
        Buffers = 0 "buffers",
        /// This machine has no route to the address (often: it has no IPv6).
        NoRoute = 1 "no-route",
        /// A firewall of this machine forbids it (EPERM).
        LocalFirewall = 2 "local-firewall",
        /// The address is not one this probe may measure (private, its own …).
        ForbiddenAddress = 3 "forbidden-address",
        /// This machine could not try for another reason (no root certificates, no /etc/resolv.conf, a socket's
        /// other error).
        Local = 4 "local",
        /// This probe ran out of file descriptors, ports or memory.
        Resources = 5 "resources",
    }
}

coded! {
    /// What went wrong with a check of an endpoint.
    FailureCause {
        /// The name does not exist.
        NxDomain = 1 "nxdomain",
        /// The name server failed, refused, or answered nonsense.
        ServFail = 2 "servfail",
        /// The name has no address of this family.
        NoAddress = 3 "no-address",
        /// No name server answered in time.
        DnsTimeout = 4 "dns-timeout",
        /// The address is private, the probe's own or otherwise closed by the probe's local rules.
        ForbiddenAddress = 6 "forbidden-address",
        /// The host answered that nobody listens.
        Refused = 7 "refused",
        /// A router says that the host or network cannot be reached.
        Unreachable = 8 "unreachable",
        /// The connection was reset.
        Reset = 9 "reset",
        /// Nothing came within the timeout.
        Timeout = 10 "timeout",
        /// The connection was closed without a byte of an answer.
        Closed = 11 "closed",
        /// The certificate is past its end.
        CertificateExpired = 12 "certificate-expired",
        /// Nobody trusted signed the certificate.
        CertificateUnknownIssuer = 13 "certificate-unknown-issuer",
        /// The certificate is for another name.
        CertificateWrongName = 14 "certificate-wrong-name",
        /// Another fault of the certificate.
        CertificateInvalid = 15 "certificate-invalid",
        /// What came back is no TLS handshake that can be agreed on.
        Tls = 16 "tls",
        /// A status that is no success.
        BadStatus = 17 "bad-status",
        /// A redirect; none is followed.
        Redirect = 18 "redirect",
        /// 404: the node does not know the object. Not "down".
        NotFound = 19 "not-found",
        /// 421: the object is not in this node's buckets. Not "down".
        Misdirected = 20 "misdirected",
        /// Status line and headers above the limit.
        HeaderTooLarge = 21 "header-too-large",
        /// Body above the limit.
        BodyTooLarge = 22 "body-too-large",
        /// Fewer bytes than announced or asked for.
        BodyTooShort = 23 "body-too-short",
        /// The body is not the JSON it should be.
        BadJson = 24 "bad-json",
        /// The JSON lacks a field that every version sends.
        MissingField = 25 "missing-field",
        /// Not HTTP.
        BadHttp = 26 "bad-http",
        /// The certificate is not valid yet.
        CertificateNotYetValid = 27 "certificate-not-yet-valid",
        /// The server ended the TLS handshake with an alert.
        TlsAlert = 28 "tls-alert",
        /// The answer is for another range than asked.
        WrongRange = 29 "wrong-range",
        /// A success that no Argus node gives: a page, an empty body, no `x-cache`. Another server answered.
        NotArgus = 30 "not-argus",
    }
}

impl FailureCause {
    /// Whether the failure speaks against the node (404 and 421 are about the object or the chain; a
    /// forbidden address is about this probe).
    #[must_use]
    pub const fn is_down(self) -> bool {
        !matches!(self, Self::NotFound | Self::Misdirected | Self::ForbiddenAddress)
    }
}

/// Why a run brought no answer: either word, as the prober first knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The target or the way to it.
    Failed(FailureCause),
    /// This machine.
    Unsent(SendFailure),
}

impl Cause {
    /// The word, for people and for JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed(cause) => cause.word(),
            Self::Unsent(cause) => cause.word(),
        }
    }
}

impl From<FailureCause> for Cause {
    fn from(cause: FailureCause) -> Self {
        Self::Failed(cause)
    }
}

impl From<SendFailure> for Cause {
    fn from(cause: SendFailure) -> Self {
        Self::Unsent(cause)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_word_means_one_thing() {
        let failed = FailureCause::ALL.iter().map(|cause| Cause::Failed(*cause));
        let unsent = SendFailure::ALL.iter().map(|cause| Cause::Unsent(*cause));
        let mut meanings: BTreeMap<&str, Vec<Cause>> = BTreeMap::new();
        for cause in failed.chain(unsent) {
            meanings.entry(cause.word()).or_default().push(cause);
        }
        meanings.retain(|_, causes| causes.len() > 1);
        // an echo has no phase to fail in: what an endpoint's check fails with, an echo is unsent for
        let both = [
            Cause::Failed(FailureCause::ForbiddenAddress),
            Cause::Unsent(SendFailure::ForbiddenAddress),
        ];
        assert_eq!(meanings, BTreeMap::from([("forbidden-address", both.to_vec())]));
    }

    #[test]
    fn codes_and_json_say_the_same_as_the_words() {
        for cause in FailureCause::ALL {
            assert_eq!(FailureCause::from_code(cause.code()), Some(*cause));
            let json = serde_json::to_string(cause).expect("a word is JSON");
            assert_eq!(json, format!("{:?}", cause.word()));
        }
        for cause in SendFailure::ALL {
            assert_eq!(SendFailure::from_code(cause.code()), Some(*cause));
        }
        assert_eq!(
            (FailureCause::from_code(0), SendFailure::from_code(99)),
            (None, None)
        );
    }
}
