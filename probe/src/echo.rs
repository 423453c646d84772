//! Mesh echo over UDP: this probe asks its peers' responders, and answers theirs.
//!
//! - What is in flight and what is admitted is decided by pure code; sockets, stamps and tasks stand around them.
//! - IPv4 and IPv6 are apart: their own sockets, no fallback.
//! - Sixteen sockets a family on random ports; a slot's hash chooses one (`prober::socket_of`), so that over time
//!   all equal-cost paths are seen.
//! - One task a socket, none a packet.

mod admission;
mod bucket;
mod counters;
mod in_flight;
mod prober;
mod responder;
mod sockets;
mod stamp;
mod suspect;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::Family;
use isochrone_proto::measurement::{EchoOutcome, SendFailure};
use isochrone_proto::plan::{Plan, Target};
use isochrone_proto::units::UnixMillis;
use tokio::task::JoinSet;

pub use self::bucket::Rate;
pub use self::counters::{DropCounts, EchoCounters};
pub use self::suspect::SelfStall;
use crate::address_policy::AddressPolicy;
use admission::Admission;
use counters::SharedCounters;
use prober::Prober;
use responder::Responder;

/// How often one prober is answered: the floor of its plan is 10 a second and family.
const ANSWER_RATE: Rate = Rate::new(50, 100);

/// What an [`EchoNet`] is made of.
#[derive(Clone, Debug)]
pub(crate) struct EchoConfig {
    pub probe: ProbeId,
    /// Where the responder listens (`echo_listen`); an IPv6 address takes IPv6 only. Empty: no responder.
    pub listen: Vec<SocketAddr>,
    /// Which addresses may be asked.
    pub policy: AddressPolicy,
    /// What the agent knows of its own stalls.
    pub stall: SelfStall,
    /// How often the responder answers one prober; 50 a second and 100 at once by default.
    pub answer_rate: Rate,
}

impl EchoConfig {
    /// The defaults around the three things that have none.
    #[must_use]
    pub(crate) fn new(probe: ProbeId, listen: Vec<SocketAddr>, policy: AddressPolicy) -> Self {
        Self {
            probe,
            listen,
            policy,
            stall: SelfStall::default(),
            answer_rate: ANSWER_RATE,
        }
    }
}

/// The sockets and tasks of mesh echo. A cheap handle; when the last one goes, everything stops.
#[derive(Clone, Debug)]
pub(crate) struct EchoNet(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    prober: Prober,
    policy: AddressPolicy,
    admission: Arc<Mutex<Admission>>,
    counters: Arc<SharedCounters>,
    listening: Vec<SocketAddr>,
    /// Stop when this is dropped.
    _tasks: JoinSet<()>,
}

/// Whether echoes could be answered at these addresses now. Call it on a runtime.
///
/// # Errors
/// The first address that is taken, or not this machine's.
pub(crate) fn check(listen: &[SocketAddr]) -> Result<(), BindError> {
    let mut sockets = listen.iter().map(|&address| responder::socket(address));
    sockets.try_for_each(|socket| socket.map(drop))
}

impl EchoNet {
    /// Binds all sockets and starts to answer, at first nobody ([`EchoNet::adopt`]). Call it on a runtime.
    ///
    /// # Errors
    /// When a listening address is taken, or sockets cannot be had. A family that this machine lacks is no
    /// error: it is logged once, and its echoes stay unsent.
    pub(crate) fn bind(config: EchoConfig) -> Result<Self, BindError> {
        let counters = Arc::new(SharedCounters::default());
        let admission = Arc::new(Mutex::new(Admission::new(config.answer_rate)));
        let mut responders = Vec::new();
        for address in config.listen {
            responders.extend(Responder::bind(address, &admission, &counters)?);
        }
        let prober = Prober::bind(config.probe, config.stall, &counters)?;
        let listening = responders.iter().map(Responder::local).collect();
        let mut tasks = JoinSet::new();
        for responder in responders {
            tasks.spawn(responder.answer());
        }
        for socket in prober.sockets() {
            tasks.spawn(Arc::clone(socket).receive());
        }
        Ok(Self(Arc::new(Inner {
            prober,
            policy: config.policy,
            admission,
            counters,
            listening,
            _tasks: tasks,
        })))
    }

    /// Asks `target` once over `family`, for the slot `slot`, and waits up to `timeout` for the reply. Sends
    /// are paced: in a burst this may wait some milliseconds first. A target without a responder over
    /// `family`, or without a key, is [`SendFailure::NoRoute`]: a checked plan never asks for the one, the
    /// runner skips the other.
    ///
    /// Any number may run at once.
    ///
    /// # Cancel safety
    /// Dropping the future gives the request up; a reply that still comes counts as late.
    pub(crate) async fn echo(
        &self,
        target: &Target,
        family: Family,
        slot: UnixMillis,
        timeout: Duration,
    ) -> EchoOutcome {
        let Some(responder) = prober::Responder::of(target, family) else {
            return EchoOutcome::Unsent(SendFailure::NoRoute);
        };
        if let Err(forbidden) = self.0.policy.check(responder.address().ip()) {
            tracing::debug!(target = %target.name, %forbidden, "echo stays unsent");
            return EchoOutcome::Unsent(SendFailure::ForbiddenAddress);
        }
        self.0.prober.echo(target.id, &responder, slot, timeout).await
    }

    /// Takes over a plan's responder secrets and probers. They stay in force when the plan expires and when
    /// no collector is there, until the next plan.
    pub(crate) fn adopt(&self, plan: &Plan) {
        lock(&self.0.admission).adopt(&plan.responder);
        self.0.prober.retain_targets(&plan.targets);
    }

    /// Ports that echoes leave by, IPv4 then IPv6, for a batch's header.
    #[must_use]
    pub(crate) fn source_ports(&self) -> Vec<u16> {
        self.0.prober.source_ports()
    }

    /// Where the responder listens: the ports that were really bound.
    #[must_use]
    pub(crate) fn local_addresses(&self) -> &[SocketAddr] {
        &self.0.listening
    }

    /// Counts since the last call.
    #[must_use]
    pub(crate) fn take_counters(&self) -> EchoCounters {
        self.0.counters.take()
    }

    /// Counts since the process started.
    #[must_use]
    pub(crate) fn counted(&self) -> EchoCounters {
        self.0.counters.counted()
    }
}

/// Locks what is never left half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why the echo sockets could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A listening address.
    #[error(
        "cannot listen for echoes on {address} (`echo_listen` in probe.toml): is another probe running, or the address not this machine's?"
    )]
    Responder {
        /// Address and UDP port of the configuration.
        address: SocketAddr,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The sockets that ask.
    #[error("cannot open the 16 echo sockets a family that ask peers; does `ulimit -n` allow 128 files?")]
    Prober {
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
