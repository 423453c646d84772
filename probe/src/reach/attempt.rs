//! One attempt to reach an endpoint, step by step.

use std::net::SocketAddr;
use std::time::Duration;

use isochrone_proto::kind::Family;
use isochrone_proto::measurement::{FailureCause, Phase, SendFailure};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::Reach;
use super::dial::{ByteStream, socket_cause};
use super::endpoint_url::EndpointUrl;
use super::failure::{Broken, Failure};
use super::stopwatch::Stopwatch;
use super::tls::{NotedExpiry, tls_cause};
use crate::dns::{family_name, family_of};
use crate::error_text::ErrorText;

/// What is known of an attempt while it runs, and after it broke.
pub(crate) struct Attempt<'a> {
    reach: &'a Reach,
    url: EndpointUrl,
    family: Family,
    watch: Stopwatch,
    address: Option<SocketAddr>,
    expiry: Option<NotedExpiry>,
}

impl<'a> Attempt<'a> {
    /// Starts the watch.
    pub(crate) fn new(reach: &'a Reach, url: EndpointUrl, family: Family) -> Self {
        Self {
            reach,
            url,
            family,
            watch: Stopwatch::start(reach.now()),
            address: None,
            expiry: None,
        }
    }

    pub(crate) fn url(&self) -> &EndpointUrl {
        &self.url
    }

    pub(crate) fn watch(&self) -> &Stopwatch {
        &self.watch
    }

    /// A step after those here begins: it is the one to blame from now on.
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.watch.enter(phase);
    }

    /// The address that was judged and, unless it was forbidden, dialled; `None` when the name did not resolve.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// When the certificate that was shown expires, in seconds of Unix time.
    pub(crate) fn certificate_not_after(&self) -> Option<i64> {
        self.expiry.as_ref().and_then(NotedExpiry::get)
    }

    /// Resolve, judge, connect, and TLS where the URL is https.
    pub(crate) async fn open(&mut self) -> Result<Box<dyn ByteStream>, Broken> {
        let address = self.resolve().await?;
        let stream = self.connect(address).await?;
        if self.url.is_https() {
            self.secure(stream).await
        } else {
            Ok(stream)
        }
    }

    async fn resolve(&mut self) -> Result<SocketAddr, Broken> {
        let address = match self.url.address() {
            Some(address) if family_of(address) == self.family => address,
            Some(address) => {
                let text = format!(
                    "the URL holds the address {address}, which is not {}",
                    family_name(self.family)
                );
                return Err(Broken::new(FailureCause::NoAddress, ErrorText::new(&text)));
            }
            None => {
                let from = self.reach.now();
                let found = self.reach.resolver.resolve(&self.url.host(), self.family).await;
                self.watch.resolved(from, self.reach.now());
                let found = found.map_err(|error| Broken::new(error.cause, error.text))?;
                *found
                    .first()
                    .expect("the resolver gives at least one address or an error")
            }
        };
        let address = SocketAddr::new(address, self.url.port());
        self.address = Some(address);
        self.reach.policy.check(address.ip())?;
        Ok(address)
    }

    async fn connect(&mut self, to: SocketAddr) -> Result<Box<dyn ByteStream>, Broken> {
        self.watch.enter(Phase::Connect);
        let from = self.reach.now();
        let connected = self.reach.dial.connect(to).await;
        self.watch.connected(from, self.reach.now());
        let connection =
            connected.map_err(|error| Broken::new(socket_cause(&error), ErrorText::of(&error)))?;
        if connection.remote != to {
            let text = format!("asked for {to}, connected to {}", connection.remote);
            return Err(Broken::new(SendFailure::Local, ErrorText::new(&text)));
        }
        self.reach
            .policy
            .check_connected(connection.local.ip(), to.ip())?;
        Ok(connection.stream)
    }

    async fn secure(&mut self, stream: Box<dyn ByteStream>) -> Result<Box<dyn ByteStream>, Broken> {
        self.watch.enter(Phase::Tls);
        let (config, expiry) = self.reach.roots.handshake().ok_or_else(|| {
            let text = "this machine has no root certificates; install ca-certificates";
            Broken::new(SendFailure::Local, ErrorText::new(text))
        })?;
        self.expiry = Some(expiry);
        let name = ServerName::try_from(self.url.host()).map_err(|error| {
            let text = format!("{}: {error}", self.url.host());
            Broken::new(FailureCause::CertificateWrongName, ErrorText::new(&text))
        })?;
        let from = self.reach.now();
        let secured = TlsConnector::from(config).connect(name, stream).await;
        self.watch.secured(from, self.reach.now());
        match secured {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => {
                let (cause, text) = tls_cause(&error).unwrap_or_else(|| {
                    let cause = match error.kind() {
                        std::io::ErrorKind::UnexpectedEof => FailureCause::Tls.into(),
                        _ => socket_cause(&error),
                    };
                    (cause, ErrorText::of(&error))
                });
                Err(Broken::new(cause, text))
            }
        }
    }

    /// It took too long: `after` its start, in `phase`.
    pub(crate) fn gave_up(&self, phase: Phase, after: Duration) -> Broken {
        let cause = if phase == Phase::Resolve {
            FailureCause::DnsTimeout
        } else {
            FailureCause::Timeout
        };
        let text = format!("gave up {after:?} after the start, in the phase {}", phase.word());
        Broken::new(cause, ErrorText::new(&text))
    }

    /// What `broken` is as the end of the whole, in `phase`.
    pub(crate) fn failure(&self, phase: Phase, broken: Broken) -> Failure {
        Failure {
            phase,
            cause: broken.cause,
            text: broken.text,
            elapsed: self.watch.elapsed(self.reach.now()),
        }
    }
}
