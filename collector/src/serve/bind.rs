//! Binding the collector's ports, with errors that say what to do.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use isochrone_base::files::replace;
use quinn::{Endpoint, EndpointConfig, ServerConfig, TokioRuntime};
use quinn_proto::HashedConnectionIdGenerator;
use rand::TryRngCore as _;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Receive buffer asked for: bursts of thousands of small datagrams after an outage.
const BUFFER_BYTES: usize = 4 << 20;

/// Resets leave no closer together than this: all of 5,000 probes are back within some seconds of a kill.
const RESET_EVERY: Duration = Duration::from_micros(200);

/// What makes this collector's QUIC packets its own, kept over restarts: after a kill, the probes' old packets
/// are answered with a reset they can verify, so they come back at once instead of after the idle timeout.
pub(super) struct QuicSecret([u8; 32]);

impl QuicSecret {
    /// Reads the secret from `file`, or makes it.
    pub(super) fn open(file: &Path) -> anyhow::Result<Self> {
        let describe = || format!("cannot read or write {}", file.display());
        match std::fs::read(file) {
            Ok(bytes) => {
                let bytes = bytes
                    .try_into()
                    .map_err(|_| anyhow::anyhow!("it must hold 32 bytes; remove it, and a new one is made"));
                bytes.map(Self).with_context(describe)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut bytes = [0; 32];
                rand::rngs::OsRng
                    .try_fill_bytes(&mut bytes)
                    .context("the system has no randomness")?;
                replace(file, &bytes, 0o600).with_context(describe)?;
                Ok(Self(bytes))
            }
            Err(error) => Err(error).with_context(describe),
        }
    }

    fn endpoint(&self) -> EndpointConfig {
        let reset = blake3::derive_key("isochrone quic reset key 1", &self.0);
        let ids = blake3::derive_key("isochrone quic connection ids 1", &self.0);
        let mut first = [0; 8];
        first.copy_from_slice(&ids[..8]);
        let ids = u64::from_le_bytes(first);
        let mut config = EndpointConfig::new(Arc::new(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &reset)));
        config.min_reset_interval(RESET_EVERY);
        config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids)));
        config
    }
}

/// A QUIC endpoint for each address of `listen` in `file`. A family that this machine lacks is left out if another is
/// there; an address that it lacks is an error.
pub(super) fn quic(
    (file, listen): (&Path, &[SocketAddr]),
    server: &ServerConfig,
    secret: &QuicSecret,
) -> anyhow::Result<Vec<Endpoint>> {
    let mut endpoints = Vec::new();
    for &address in listen {
        match socket(address) {
            Ok(socket) => endpoints.push(Endpoint::new(
                secret.endpoint(),
                Some(server.clone()),
                socket,
                Arc::new(TokioRuntime),
            )?),
            Err(error) if is_foreign(address, &error) => {
                // no wrong configuration for good: after a boot, an address may come late
                return Err(error).with_context(|| foreign("listen", file, address));
            }
            Err(error) if lacks_family(&error) => {
                tracing::warn!(%address, "this machine lacks the address family; not listening there");
            }
            Err(error) => return Err(error).with_context(|| taken("listen", address)),
        }
    }
    if endpoints.is_empty() {
        bail!("none of the addresses in `listen` can be used on this machine");
    }
    Ok(endpoints)
}

/// The page's port.
pub(super) async fn page(file: &Path, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| {
        let context = match is_foreign(address, &error) {
            true => foreign("web", file, address),
            false => taken("web", address),
        };
        anyhow::Error::new(error).context(context)
    })
}

fn socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = if address.is_ipv4() {
        Domain::IPV4
    } else {
        Domain::IPV6
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?; // IPv4 has a socket of its own
    }
    if let Err(error) = socket.set_recv_buffer_size(BUFFER_BYTES) {
        tracing::debug!(%error, "the receive buffer stays at the system's default");
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Whether the address is one that this machine does not have, though it may have the family: without IPv6, `[::]` and
/// `[::1]` are not there either.
fn is_foreign(address: SocketAddr, error: &io::Error) -> bool {
    let is_own_word = address.ip().is_unspecified() || address.ip().is_loopback();
    error.kind() == io::ErrorKind::AddrNotAvailable && !is_own_word
}

fn lacks_family(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(nix::errno::Errno::from_raw);
    matches!(
        code,
        Some(nix::errno::Errno::EAFNOSUPPORT | nix::errno::Errno::EADDRNOTAVAIL)
    )
}

fn foreign(key: &str, file: &Path, address: SocketAddr) -> String {
    format!(
        "{}: `{key}` names {address}, and this machine has no such address; name one of its own, or 0.0.0.0 for all (behind NAT, the public one belongs into public_addresses)",
        file.display(),
    )
}

fn taken(key: &str, address: SocketAddr) -> String {
    format!(
        "cannot listen on {address}; is another collector running? Otherwise set `{key}` in collector.toml"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_of_another_machine_is_told_from_a_family_that_is_lacking() {
        let foreign = SocketAddr::from(([203, 0, 113, 9], 0));
        let error = socket(foreign).unwrap_err();
        assert!(is_foreign(foreign, &error), "{error}");
        let lacking = io::Error::from_raw_os_error(nix::libc::EADDRNOTAVAIL);
        for own in ["[::]:7470", "[::1]:7470", "127.0.0.1:7470"] {
            assert!(!is_foreign(own.parse().unwrap(), &lacking), "{own}");
        }
        let taken = io::Error::from_raw_os_error(nix::libc::EADDRINUSE);
        assert!(!is_foreign(foreign, &taken));
    }
}
