//! UDP sockets with kernel receive stamps and with the local address a datagram was sent to.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use isochrone_proto::measurement::SendFailure;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Longer datagrams are cut here, and then refused for their length.
const DATAGRAM_BYTES: usize = 64;

/// What a socket is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Bytes asked for the receive buffer; the kernel may give less (net.core.rmem_max).
    pub(crate) receive_buffer: usize,
    /// Whether datagrams tell the local address they came to.
    pub(crate) asked_address: bool,
}

/// A bound socket on the runtime's poller.
#[derive(Debug)]
pub(crate) struct EchoSocket {
    io: UdpSocket,
    local: SocketAddr,
}

/// A received datagram; its bytes are in the [`Buffers`].
#[derive(Debug)]
pub(crate) struct Datagram {
    /// Bytes in the buffer.
    pub(crate) length: usize,
    /// Who sent it.
    pub(crate) from: SocketAddr,
    /// The kernel's stamp, since 1970.
    pub(crate) stamp: Option<Duration>,
    /// The local address it came to, if asked for.
    pub(crate) asked: Option<Asked>,
}

/// The local address that a datagram came to: replies leave from there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

/// Room for one datagram and its control messages.
#[derive(Debug)]
pub(crate) struct Buffers {
    bytes: [u8; DATAGRAM_BYTES],
    control: Vec<u8>,
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self {
            bytes: [0; DATAGRAM_BYTES],
            control: nix::cmsg_space!(libc::timespec, libc::in6_pktinfo, libc::in_pktinfo),
        }
    }

    pub(crate) fn bytes(&self, datagram: &Datagram) -> &[u8] {
        &self.bytes[..datagram.length]
    }
}

impl EchoSocket {
    /// Binds `address`; IPv6 sockets take IPv6 only.
    ///
    /// # Errors
    /// The system's. Missing kernel stamps are no error: arrivals are then stamped by the process and flagged.
    pub(crate) fn bind(address: SocketAddr, options: Options) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if let Err(error) = socket.set_recv_buffer_size(options.receive_buffer) {
            tracing::debug!(%error, "receive buffer keeps its default size");
        }
        if let Err(error) = setsockopt(&socket, sockopt::ReceiveTimestampns, &true) {
            tracing::info!(%error, "this kernel gives no receive stamps: echoes are stamped by the process");
        }
        if options.asked_address {
            match address {
                SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
                SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
            }
        }
        socket.bind(&address.into())?;
        let io = UdpSocket::from_std(socket.into())?;
        let local = io.local_addr()?;
        Ok(Self { io, local })
    }

    /// The address it is bound to.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Waits until something can be read.
    ///
    /// # Cancel safety
    /// Loses nothing.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// Reads by `read` after [`EchoSocket::readable`]; its `WouldBlock` makes the next wait a real one.
    pub(crate) fn when_readable<T>(&self, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.io.try_io(Interest::READABLE, read)
    }

    /// The next datagram, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub(crate) fn try_receive(&self, buffers: &mut Buffers) -> io::Result<Datagram> {
        let mut slices = [IoSliceMut::new(&mut buffers.bytes)];
        let fd = self.io.as_raw_fd();
        let control = Some(buffers.control.as_mut_slice());
        let message = recvmsg::<SockaddrStorage>(fd, &mut slices, control, MsgFlags::MSG_DONTWAIT)?;
        let (mut stamp, mut asked) = (None, None);
        for control in message.cmsgs().into_iter().flatten() {
            match control {
                ControlMessageOwned::ScmTimestampns(time) => stamp = Some(Duration::from(time)),
                ControlMessageOwned::Ipv4PacketInfo(info) => asked = Some(Asked::V4(info)),
                ControlMessageOwned::Ipv6PacketInfo(info) => asked = Some(Asked::V6(info)),
                _ => {}
            }
        }
        let from = message.address.as_ref().and_then(address_of);
        Ok(Datagram {
            length: message.bytes,
            from: from.ok_or(io::ErrorKind::InvalidData)?,
            stamp,
            asked,
        })
    }

    /// Sends without waiting: from the address in `asked`, else from the one that routing chooses.
    ///
    /// # Errors
    /// `WouldBlock` when the send buffer is full.
    pub(crate) fn try_send(&self, bytes: &[u8], to: SocketAddr, asked: Option<Asked>) -> io::Result<()> {
        let slices = [IoSlice::new(bytes)];
        let to = SockaddrStorage::from(to);
        let send = |control: &[ControlMessage<'_>]| {
            // Not by tokio, which would wait for the poller's word first: the stamp was just taken.
            sendmsg(
                self.io.as_raw_fd(),
                &slices,
                control,
                MsgFlags::MSG_DONTWAIT,
                Some(&to),
            )
        };
        match asked.map(Asked::as_source) {
            None => send(&[])?,
            Some(Asked::V4(info)) => send(&[ControlMessage::Ipv4PacketInfo(&info)])?,
            Some(Asked::V6(info)) => send(&[ControlMessage::Ipv6PacketInfo(&info)])?,
        };
        Ok(()) // a datagram goes whole or not at all
    }
}

impl Asked {
    /// The same as a source: routing chooses the interface, except for link-local addresses, which mean
    /// nothing without one.
    fn as_source(self) -> Self {
        match self {
            Self::V4(mut info) => {
                info.ipi_ifindex = 0;
                Self::V4(info)
            }
            Self::V6(mut info) => {
                let [first, second, ..] = info.ipi6_addr.s6_addr;
                let link_local = first == 0xfe && second & 0xc0 == 0x80;
                if !link_local {
                    info.ipi6_ifindex = 0;
                }
                Self::V6(info)
            }
        }
    }
}

fn address_of(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|found| SocketAddr::from(*found));
    v4.or_else(|| address.as_sockaddr_in6().map(|found| SocketAddr::from(*found)))
}

/// What an error of sending means.
pub(crate) fn send_failure(error: &io::Error) -> SendFailure {
    let Some(code) = error.raw_os_error() else {
        return SendFailure::Local;
    };
    match Errno::from_raw(code) {
        Errno::ENOBUFS | Errno::EAGAIN => SendFailure::Buffers,
        Errno::EPERM | Errno::EACCES => SendFailure::LocalFirewall,
        Errno::ENETUNREACH
        | Errno::EHOSTUNREACH
        | Errno::ENETDOWN
        | Errno::EHOSTDOWN
        | Errno::EADDRNOTAVAIL
        | Errno::EAFNOSUPPORT => SendFailure::NoRoute,
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM => SendFailure::Resources,
        _ => SendFailure::Local,
    }
}

/// Whether an error of binding `address` says that this machine does not speak its family at all.
pub(crate) fn is_missing_family(error: &io::Error, address: SocketAddr) -> bool {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT) => true,
        Some(Errno::EADDRNOTAVAIL) => address.ip().is_unspecified(), // else: a wrong address in the file
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_sending_has_its_meaning() {
        let table = [
            (Errno::ENOBUFS, SendFailure::Buffers),
            (Errno::EAGAIN, SendFailure::Buffers),
            (Errno::EPERM, SendFailure::LocalFirewall),
            (Errno::EACCES, SendFailure::LocalFirewall),
            (Errno::ENETUNREACH, SendFailure::NoRoute),
            (Errno::EHOSTUNREACH, SendFailure::NoRoute),
            (Errno::ENETDOWN, SendFailure::NoRoute),
            (Errno::EADDRNOTAVAIL, SendFailure::NoRoute),
            (Errno::EAFNOSUPPORT, SendFailure::NoRoute),
            (Errno::ENOMEM, SendFailure::Resources),
            (Errno::EMFILE, SendFailure::Resources),
            (Errno::EINVAL, SendFailure::Local),
            (Errno::EMSGSIZE, SendFailure::Local),
        ];
        for (errno, expected) in table {
            assert_eq!(send_failure(&io::Error::from(errno)), expected, "{errno}");
        }
        assert_eq!(send_failure(&io::Error::other("x")), SendFailure::Local);
    }
}
