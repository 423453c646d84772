//! The answering side: one socket for each listening address.
//!
//! It needs no collector and no valid plan, only the last one it was given: when everything else is down,
//! peers still measure the way to here.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::admission::Admission;
use super::counters::{SharedCounters, count};
use super::sockets::{Buffers, EchoSocket, Options, is_missing_family};
use super::stamp::{Arrival, Reading, monotonic_now};
use super::{BindError, lock};

/// All peers ask one socket; and one that may be flooded.
const OPTIONS: Options = Options {
    receive_buffer: 4 << 20,
    asked_address: true,
};
/// Datagrams read before other tasks get their turn.
const READS_AT_ONCE: usize = 64;
/// A socket's error must not make a busy loop.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// One listening socket.
#[derive(Debug)]
pub(crate) struct Responder {
    socket: EchoSocket,
    admission: Arc<Mutex<Admission>>,
    counters: Arc<SharedCounters>,
}

/// A socket at `address`; `None` if this machine lacks its family.
pub(super) fn socket(address: SocketAddr) -> Result<Option<EchoSocket>, BindError> {
    match EchoSocket::bind(address, OPTIONS) {
        Ok(socket) => Ok(Some(socket)),
        Err(source) if is_missing_family(&source, address) => Ok(None),
        Err(source) => Err(BindError::Responder { address, source }),
    }
}

impl Responder {
    /// Listens on `address`; `None` if this machine lacks its family.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub(crate) fn bind(
        address: SocketAddr,
        admission: &Arc<Mutex<Admission>>,
        counters: &Arc<SharedCounters>,
    ) -> Result<Option<Self>, BindError> {
        let socket = socket(address)?;
        if socket.is_none() {
            tracing::warn!(%address, "this machine lacks an address family: echoes over it are not answered");
        }
        Ok(socket.map(|socket| Self {
            socket,
            admission: Arc::clone(admission),
            counters: Arc::clone(counters),
        }))
    }

    /// Where it listens.
    pub(crate) fn local(&self) -> SocketAddr {
        self.socket.local()
    }

    /// Answers until it is dropped.
    pub(crate) async fn answer(self) {
        let mut buffers = Buffers::new();
        loop {
            let Ok(()) = self.socket.readable().await else {
                return; // the runtime's poller is gone: it is shutting down
            };
            let read = self.socket.when_readable(|| self.answer_some(&mut buffers));
            match read {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::debug!(%error, "the echo responder's socket reported an error");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
            }
        }
    }

    fn answer_some(&self, buffers: &mut Buffers) -> io::Result<()> {
        for _ in 0..READS_AT_ONCE {
            let datagram = self.socket.try_receive(buffers)?;
            let arrival = Arrival::new(datagram.stamp, Reading::now());
            let admitted = lock(&self.admission).admit(buffers.bytes(&datagram), monotonic_now());
            let admitted = match admitted {
                Ok(admitted) => admitted,
                Err(reason) => {
                    self.counters.dropped(reason);
                    continue;
                }
            };
            let delay = monotonic_now().saturating_duration_since(arrival.instant());
            let reply = admitted.reply(delay);
            match self.socket.try_send(&reply, datagram.from, datagram.asked) {
                Ok(()) => count(&self.counters.answered),
                Err(error) => {
                    tracing::trace!(%error, "an answer stays unsent");
                    count(&self.counters.unsent_answers);
                }
            }
        }
        Ok(())
    }
}
