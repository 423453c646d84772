//! Opening a TCP connection: for real, or (in the demo) over a link that adds a pair's distance.

use std::io;
use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use isochrone_proto::measurement::{Cause, FailureCause, SendFailure};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A byte stream that a check can speak over.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// An open connection.
pub struct Connection {
    /// The stream.
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
