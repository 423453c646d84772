//! What to do about a failure, for a person.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use isochrone_proto::measurement::{Cause, FailureCause, Phase, SendFailure};

use crate::reach::Failure;

/// What to do next, for a person.
pub(super) fn advice(failure: &Failure, address: Option<IpAddr>) -> Cow<'static, str> {
    let advice = match failure.cause {
        Cause::Failed(FailureCause::Timeout) => after_so_long(failure.phase),
        Cause::Failed(cause) => return advice_on_failure(cause, address),
        Cause::Unsent(SendFailure::NoRoute) => {
            "this machine has no route for this family; nothing is known about the target"
        }
        Cause::Unsent(SendFailure::Resources | SendFailure::Buffers) => {
            "this machine ran out of file descriptors, ports or memory; nothing is known about the target"
        }
        Cause::Unsent(SendFailure::LocalFirewall) => {
            "a firewall of this machine forbids it; nothing is known about the target"
        }
        Cause::Unsent(SendFailure::ForbiddenAddress) => return how_to_open(address),
        Cause::Unsent(SendFailure::Local) => "this machine is at fault; nothing is known about the target",
    };
    advice.into()
}

/// Whom nothing more was heard of, by how far it had come.
fn after_so_long(phase: Phase) -> &'static str {
    match phase {
        Phase::Resolve | Phase::Connect => "a firewall that drops, or a host that is off or gone",
        Phase::Tls => "the host is there; its server hangs, or something on the way swallows the handshake",
        Phase::Request | Phase::FirstByte => {
            "host and port are there; the server behind them hangs or is overloaded"
        }
        Phase::Transfer | Phase::Verify => "the server answers too slowly, or its answer never ends",
    }
}

/// What opens an address that is not measured unasked.
fn how_to_open(address: Option<IpAddr>) -> Cow<'static, str> {
    let prefix = match address {
        Some(address) if address.is_loopback() && address.is_ipv4() => "127.0.0.0/8".to_owned(),
        Some(address) => IpNet::from(address).to_string(),
        None => "PREFIX".to_owned(),
    };
    format!("if it is meant to be measured: --allow-private {prefix}, or allow_private in probe.toml").into()
}

fn advice_on_failure(cause: FailureCause, address: Option<IpAddr>) -> Cow<'static, str> {
    use FailureCause as Is;
    let advice = match cause {
        Is::NxDomain => "check the name's spelling and its DNS zone",
        Is::ServFail => {
            "its DNS zone (servers, DNSSEC, aliases) or this machine's name server is broken; ask another name server"
        }
        Is::NoAddress => "the target has no address of this family; nothing is wrong if it needs none",
        Is::DnsTimeout => "check this machine's name servers in /etc/resolv.conf",
        Is::ForbiddenAddress => return how_to_open(address),
        Is::Refused => "the host is up, but nothing listens on that port",
        Is::Unreachable => "a router on the way says that the host cannot be reached",
        Is::Reset => "the other side cut the connection; look for a firewall or a crashed server",
        Is::Timeout => "nothing came in time",
        Is::CertificateExpired => "renew the certificate",
        Is::CertificateNotYetValid => "check the clocks of both machines",
        Is::CertificateUnknownIssuer => {
            "have it send its intermediate certificates; a private root goes into extra_roots in probe.toml"
        }
        Is::CertificateWrongName => "the wrong site may answer here, or the URL needs another name",
        Is::CertificateInvalid => "browsers may refuse the certificate, too",
        Is::TlsAlert => "the server speaks TLS, and its words say why it refused",
        Is::Tls => "the two sides could not agree on TLS; is it the right port?",
        Is::Closed => "the server closed without a word; it may have crashed",
        Is::BadHttp => "is it the right port and scheme?",
        Is::HeaderTooLarge => "cookies that grew, or a proxy that adds headers",
        Is::BodyTooLarge => "the answer is larger than any node's; another server may answer",
        Is::BodyTooShort => "the answer ended before all that was asked for had come",
        Is::BadStatus | Is::NotFound | Is::Misdirected => {
            "the server answered, but not with what was asked for"
        }
        Is::Redirect => "redirects are not followed; measure the final URL",
        Is::BadJson | Is::MissingField | Is::NotArgus => {
            "the answer is not that of an Argus node; check the base URL"
        }
        Is::WrongRange => "the answer is for other bytes than asked; a proxy in front may be at fault",
    };
    advice.into()
}
