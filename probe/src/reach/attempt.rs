//! One attempt to reach an endpoint, step by step.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use isochrone_proto::kind::Family;
use isochrone_proto::measurement::{Cause, FailureCause, Phase, SendFailure};
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Reach;
use super::dial::{ByteStream, connect_cause, has_route, socket_cause};
use super::endpoint_url::EndpointUrl;
use super::failure::{Broken, Failure};
use super::handshake_failure::tls_cause;
use super::shown::Shown;
use super::stopwatch::Stopwatch;
use super::tried::{self, Tried};
use crate::dns::{family_name, family_of};
use crate::error_text::ErrorText;

/// What is known of an attempt while it runs, and after it broke.
pub(crate) struct Attempt<'a> {
    reach: &'a Reach,
    url: EndpointUrl,
    family: Family,
    watch: Stopwatch,
    address: Option<SocketAddr>,
    tried: Vec<Tried>,
    /// How many addresses of the name may be dialled, tried or not.
    allowed: usize,
    shown: Option<Shown>,
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
            tried: Vec::new(),
            allowed: 0,
            shown: None,
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

    /// The address that answered or, where none did, that was judged or dialled last; `None` when the name did not
    /// resolve.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Addresses of the name that could not be connected to before [`Self::address`], in the order they were tried.
    pub(crate) fn tried(&self) -> &[Tried] {
        &self.tried
    }

    /// When the certificate that was shown expires, in seconds of Unix time.
    pub(crate) fn certificate_not_after(&self) -> Option<i64> {
        self.shown.as_ref().and_then(Shown::not_after)
    }

    /// Resolve, judge, connect, and TLS where the URL is https. Of several addresses the next one is tried when one
    /// does not answer in its share of `limit`, which counts from the attempt's start; the caller holds the limit.
    pub(crate) async fn open(&mut self, limit: Duration) -> Result<Box<dyn ByteStream>, Broken> {
        let addresses = self.resolve().await?;
        let stream = self.connect_one(&addresses, limit).await?;
        if self.url.is_https() {
            self.secure(stream).await
        } else {
            Ok(stream)
        }
    }

    /// The addresses that may be dialled, at least one, in the answer's order.
    async fn resolve(&mut self) -> Result<Vec<SocketAddr>, Broken> {
        let found = match self.url.address() {
            Some(address) if family_of(address) == self.family => vec![address],
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
                found.map_err(|error| Broken::new(error.cause, error.text))?
            }
        };
        self.judged(&found)
    }

    /// Those of `found` that may be dialled; an error if none may.
    fn judged(&mut self, found: &[IpAddr]) -> Result<Vec<SocketAddr>, Broken> {
        let port = self.url.port();
        let (mut allowed, mut refused) = (Vec::new(), None);
        for address in found.iter().map(|ip| SocketAddr::new(*ip, port)) {
            match self.reach.policy.check(address.ip()) {
                Ok(()) => allowed.push(address),
                Err(why) => {
                    refused.get_or_insert((address, why));
                }
            }
        }
        self.allowed = allowed.len();
        allowed.truncate(ADDRESSES_MAX);
        self.address = allowed
            .first()
            .copied()
            .or(refused.as_ref().map(|(address, _)| *address));
        match refused {
            Some((_, why)) if allowed.is_empty() => Err(why.into()),
            _ => Ok(allowed),
        }
    }

    /// A connection to the first of `addresses` that answers.
    async fn connect_one(
        &mut self,
        addresses: &[SocketAddr],
        limit: Duration,
    ) -> Result<Box<dyn ByteStream>, Broken> {
        self.watch.enter(Phase::Connect);
        for (at, address) in addresses.iter().enumerate() {
            self.address = Some(*address);
            let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            if left == 1 {
                return self.connect(*address).await;
            }
            let share = limit.saturating_sub(self.watch.elapsed(self.reach.now())) / left;
            let broken = match timeout(share, self.connect(*address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(broken)) => broken,
                Err(_) => Broken::new(
                    FailureCause::Timeout,
                    ErrorText::new(&format!("silent for {share:?}")),
                ),
            };
            let Cause::Failed(cause) = broken.cause else {
                return Err(broken); // this machine's own fault, which another address does not mend
            };
            let (address, text) = (*address, broken.text);
            self.tried.push(Tried { address, cause, text });
        }
        let text = "the name resolved to no address"; // the resolver gives at least one, or an error
        Err(Broken::new(FailureCause::NoAddress, ErrorText::new(text)))
    }

    async fn connect(&mut self, to: SocketAddr) -> Result<Box<dyn ByteStream>, Broken> {
        let from = self.reach.now();
        let connected = self.reach.dial.connect(to).await;
        self.watch.connected(from, self.reach.now());
        let connection = connected
            .map_err(|error| Broken::new(connect_cause(&error, || has_route(to)), ErrorText::of(&error)))?;
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
        let (config, shown) = self.reach.roots.handshake().ok_or_else(|| {
            let text = "this machine has no root certificates; install ca-certificates";
            Broken::new(SendFailure::Local, ErrorText::new(text))
        })?;
        self.shown = Some(shown.clone());
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
                let (cause, text) = tls_cause(&error, &self.url.host(), &shown).unwrap_or_else(|| {
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

    /// It took too long: `after` its start, in `phase`. The words say how far it came.
    pub(crate) fn gave_up(&self, phase: Phase, after: Duration) -> Broken {
        let text = match phase {
            Phase::Resolve => {
                let text = format!("no name server answered for {} in {after:?}", self.url.host());
                return Broken::new(FailureCause::DnsTimeout, ErrorText::new(&text));
            }
            Phase::Connect => format!("the connection was not answered in {after:?}"),
            Phase::Tls => format!("connected; then the TLS handshake had no end in {after:?}"),
            _ => format!("connected; then the answer had no end in {after:?}"),
        };
        Broken::new(FailureCause::Timeout, ErrorText::new(&text))
    }

    /// What `broken` is as the end of the whole, in `phase`.
    pub(crate) fn failure(&self, phase: Phase, broken: Broken) -> Failure {
        let mut text = broken.text.to_string();
        if !self.tried.is_empty() {
            text.push_str(&format!("; before, {}", tried::words(&self.tried)));
        }
        if phase == Phase::Connect && self.allowed > ADDRESSES_MAX {
            text.push_str(&format!(
                "; {ADDRESSES_MAX} of its {} addresses were tried",
                self.allowed
            ));
        }
        let text = ErrorText::new(&text);
        Failure {
            phase,
            cause: broken.cause,
            text,
            elapsed: self.watch.elapsed(self.reach.now()),
        }
    }
}

/// Of a name's addresses so many are tried: each has to get a share of the limit that is worth the name.
const ADDRESSES_MAX: usize = 4;
