//! Opening a TCP connection: for real, or (in the demo) over a link that adds a pair's distance.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use futures_util::future::BoxFuture;
use isochrone_proto::measurement::{Cause, FailureCause, SendFailure};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A byte stream that a check can speak over.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// An open connection.
pub struct Connection {
    /// Connected; nothing was said yet.
    pub stream: Box<dyn ByteStream>,
    /// This side's address.
    pub local: SocketAddr,
    /// The other side's address: it must be the one that was asked for.
    pub remote: SocketAddr,
}

/// Opens connections. The time [`Dial::connect`] takes is the check's connect phase.
pub trait Dial: Send + Sync {
    /// Connects to exactly `to`.
    ///
    /// # Errors
    /// Whatever the system says; the kind decides the failure's cause.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<Connection>>;
}

/// The kernel's TCP, without Nagle's delay.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDial;

impl Dial for TcpDial {
    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            let stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
            Ok(Connection {
                stream: Box::new(stream),
                local,
                remote,
            })
        })
    }
}

/// What it means for a check that a connection could not be opened. "Unreachable" is a router's word on the target, unless
/// this machine itself knows no way there.
pub(crate) fn connect_cause(error: &io::Error, has_route: impl FnOnce() -> bool) -> Cause {
    match error.kind() {
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => match has_route() {
            true => FailureCause::Unreachable.into(),
            false => SendFailure::NoRoute.into(),
        },
        _ => socket_cause(error),
    }
}

/// Whether this machine knows a way to an address. A datagram socket that connects asks its routes, and sends nothing.
pub(crate) fn has_route(to: SocketAddr) -> bool {
    let here: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let asked = UdpSocket::bind((here, 0)).and_then(|socket| socket.connect(to));
    asked.is_ok()
}

/// What a socket's error means for a check.
pub(crate) fn socket_cause(error: &io::Error) -> Cause {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => FailureCause::Refused.into(),
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::NotConnected => {
            FailureCause::Reset.into()
        }
        Kind::HostUnreachable => FailureCause::Unreachable.into(),
        Kind::NetworkUnreachable | Kind::NetworkDown => SendFailure::NoRoute.into(),
        Kind::TimedOut => FailureCause::Timeout.into(),
        Kind::UnexpectedEof => FailureCause::Closed.into(),
        Kind::InvalidData => FailureCause::BadHttp.into(),
        // "Communication administratively prohibited" by a router on the way arrives as EACCES over IPv6.
        Kind::PermissionDenied if error.raw_os_error() == Some(nix::libc::EACCES) => {
            FailureCause::Unreachable.into()
        }
        Kind::PermissionDenied => SendFailure::LocalFirewall.into(),
        Kind::AddrNotAvailable | Kind::AddrInUse | Kind::OutOfMemory => SendFailure::Resources.into(),
        _ => match error.raw_os_error() {
            Some(nix::libc::EMFILE | nix::libc::ENFILE | nix::libc::ENOBUFS) => SendFailure::Resources.into(),
            _ => SendFailure::Local.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routers_unreachable_is_the_targets_failure_and_a_machine_without_a_route_accuses_nobody() {
        for errno in [nix::libc::ENETUNREACH, nix::libc::EHOSTUNREACH] {
            let error = io::Error::from_raw_os_error(errno);
            let router = Cause::from(FailureCause::Unreachable);
            let own = Cause::from(SendFailure::NoRoute);
            assert_eq!(connect_cause(&error, || true), router, "{error}");
            assert_eq!(connect_cause(&error, || false), own, "{error}");
        }
        let refused = io::Error::from_raw_os_error(nix::libc::ECONNREFUSED);
        let asked = || unreachable!("its routes say nothing about a host that answered");
        assert_eq!(connect_cause(&refused, asked), FailureCause::Refused.into());
    }

    #[test]
    fn machine_knows_the_way_to_itself() {
        assert!(has_route(SocketAddr::from((Ipv4Addr::LOCALHOST, 9))));
    }
}
