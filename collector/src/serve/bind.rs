//! Binding the collector's ports, with errors that say what to do.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use quinn::{Endpoint, EndpointConfig, ServerConfig, TokioRuntime};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Receive buffer asked for: bursts of thousands of small datagrams after an outage.
const BUFFER_BYTES: usize = 4 << 20;

/// A QUIC endpoint for each address. A family that this machine lacks is left out if another is there.
pub(super) fn quic(listen: &[SocketAddr], server: &ServerConfig) -> anyhow::Result<Vec<Endpoint>> {
    let mut endpoints = Vec::new();
    for &address in listen {
        match socket(address) {
            Ok(socket) => endpoints.push(Endpoint::new(
                EndpointConfig::default(),
                Some(server.clone()),
                socket,
                Arc::new(TokioRuntime),
            )?),
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
pub(super) async fn page(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| taken("web", address))
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

fn lacks_family(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(nix::errno::Errno::from_raw);
    matches!(
        code,
        Some(nix::errno::Errno::EAFNOSUPPORT | nix::errno::Errno::EADDRNOTAVAIL)
    )
}

fn taken(key: &str, address: SocketAddr) -> String {
    format!(
        "cannot listen on {address}; is another collector running? Otherwise set `{key}` in collector.toml"
    )
}
