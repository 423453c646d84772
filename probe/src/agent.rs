//! The whole probe, put together: runner, recorder and uplink around one spool.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use isochrone_proto::known::Known;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustls::time_provider::TimeProvider;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::disk::Disk;
use crate::echo::SelfStall;
use crate::identity::{Identity, IdentityError};
use crate::plans::PlanStore;
use crate::prober::Prober;
use crate::recorder::{Recorded, Recorder, SharedSpool};
use crate::runner::{Runner, RunnerParts};
use crate::spool::{Spool, SpoolError, SpoolOptions};
use crate::status::StatusSource;
pub use crate::uplink::EndpointFactory;
use crate::uplink::{Link, Uplink, UplinkParts};

/// Results that wait for the recorder; full: the runner waits, and says which slots got too late.
const ENTRIES_WAITING: usize = 16_384;
const COMMANDS_WAITING: usize = 16;

/// What a probe is made of. Everything that touches the world is passed in, so that a simulation can pass
/// its own.
pub struct Parts<P> {
    /// Time.
    pub clock: Clock,
    /// All randomness of the agent comes from here. Never the same twice: epochs are named by it.
    pub seed: [u8; 32],
    /// The state folder: identity, plans, spool.
    pub disk: Arc<dyn Disk>,
    /// Sockets towards the collector.
    pub endpoint: EndpointFactory,
    /// What time certificates are judged at.
    pub tls_time: Arc<dyn TimeProvider>,
    /// Carries out the runs.
    pub prober: Arc<P>,
    /// Shared with the echo prober: it marks results as suspect.
    pub stall: SelfStall,
    /// What it can be given: that of this build, except where a simulation plays an older release.
    pub known: Known,
    /// From the local file.
    pub settings: Settings,
}

/// What the local file sets.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Bound of the spool.
    pub spool: SpoolOptions,
    /// Collector addresses instead of those that the collector tells; empty: those.
    pub collectors: Vec<String>,
    /// Addresses under which the responder wants to be known.
    pub advertise: Vec<SocketAddr>,
}

/// A probe that has not begun.
pub struct Agent<P> {
    runner: Runner<P>,
    recorder: Recorder,
    uplink: Uplink,
    entries: mpsc::Receiver<crate::epoch::Entry>,
    commands: mpsc::Receiver<crate::runner::Command>,
    status: StatusSource,
}

/// Why a probe cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It has no usable identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The spool cannot be opened.
    #[error("cannot open the spool")]
    Spool(#[from] SpoolError),
    /// The kept plans cannot be read.
    #[error("cannot read the kept plans in the state folder")]
    Plans(#[source] io::Error),
    /// One of the probe's own tasks failed.
    #[error(
        "the probe's {task} failed (its log says how); what was measured is spooled; restart the probe and report this"
    )]
    Task {
        /// As the log names it.
        task: &'static str,
    },
}

/// What the state folder holds.
struct State {
    identity: Identity,
    plans: PlanStore,
    spool: SharedSpool,
}

impl State {
    fn read(disk: &Arc<dyn Disk>, options: SpoolOptions) -> Result<Self, AgentError> {
        let identity = Identity::load(&**disk)?;
        let plans = PlanStore::open(Arc::clone(disk), identity.probe(), identity.authority_key()?);
        let plans = plans.map_err(AgentError::Plans)?;
        let spool = SharedSpool::new(Spool::open(Arc::clone(disk), options)?);
        Ok(Self {
            identity,
            plans,
            spool,
        })
    }
}

impl<P: Prober> Agent<P> {
    /// Opens the state folder.
    ///
    /// # Errors
    /// When the probe has not joined, or its state cannot be read.
    pub fn open(parts: Parts<P>) -> Result<Self, AgentError> {
        let state = State::read(&parts.disk, parts.settings.spool)?;
        Ok(Self::joined(parts, state))
    }

    /// Joins the parts by their channels.
    fn joined(parts: Parts<P>, state: State) -> Self {
        let State {
            identity,
            plans,
            spool,
        } = state;
        let mut seeds = StdRng::from_seed(parts.seed);
        let (records, entries) = mpsc::channel(ENTRIES_WAITING);
        let (commander, commands) = mpsc::channel(COMMANDS_WAITING);
        let following = watch::Sender::new(None);
        let link = watch::Sender::new(Link::default());
        let recorded = watch::Sender::new(Recorded::default());
        let counted = Arc::clone(&parts.prober);
        let status = StatusSource {
            clock: parts.clock.clone(),
            probe: identity.probe(),
            name: identity.name().to_owned(),
            following: following.subscribe(),
            link: link.subscribe(),
            recorded: recorded.subscribe(),
            spool: spool.clone(),
            echo_ports: parts.prober.echo_ports(),
            echo_counted: Arc::new(move || counted.echo_counted()),
        };
        let runner = Runner::new(RunnerParts {
            clock: parts.clock.clone(),
            rng: StdRng::from_rng(&mut seeds),
            prober: Arc::clone(&parts.prober),
            stall: parts.stall,
            plan: plans.newest().cloned(),
            records,
            following,
        });
        let uplink = Uplink::new(UplinkParts {
            clock: parts.clock,
            rng: StdRng::from_rng(&mut seeds),
            disk: parts.disk,
            identity,
            plans,
            spool: spool.clone(),
            endpoint: parts.endpoint,
            tls_time: parts.tls_time,
            collectors: parts.settings.collectors,
            advertise: parts.settings.advertise,
            echo_ports: parts.prober.echo_ports(),
            known: parts.known,
            commands: commander,
            link,
        });
        Self {
            runner,
            recorder: Recorder::new(spool, parts.prober.source_ports(), recorded),
            uplink,
            entries,
            commands,
            status,
        }
    }

    /// Opens the state folder and runs until `stop`.
    ///
    /// # Errors
    /// As [`Agent::open`], or when one of its tasks failed.
    pub async fn run(parts: Parts<P>, stop: CancellationToken) -> Result<(), AgentError> {
        Self::open(parts)?.serve(stop).await
    }

    /// Answers what `isochrone-probe status` asks; may be cloned and kept.
    #[must_use]
    pub fn status(&self) -> StatusSource {
        self.status.clone()
    }

    /// Runs until `stop`. Then no slot is run any more, runs that are under way may end, everything is
    /// spooled, and what the collector still takes is sent: at most 5 s in all.
    ///
    /// # Errors
    /// When one of its tasks failed.
    ///
    /// # Cancel safety
    /// Dropping the future is a crash: what was spooled stands, nothing else does.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), AgentError> {
        let spooled = CancellationToken::new();
        let mut measuring = JoinSet::new();
        let runner = self.runner.run(self.commands, stop.clone());
        let recorder = self.recorder.run(self.entries);
        measuring.spawn(async move { runner.await.is_ok().then_some(()).ok_or("runner") });
        measuring.spawn(async move {
            recorder.await;
            Ok(())
        });
        let mut linking = JoinSet::new();
        linking.spawn(self.uplink.run(spooled.clone()));
        let mut failed = None;
        loop {
            let task = tokio::select! {
                biased; // one seed of a simulation is one order of events
                Some(ended) = measuring.join_next() => match ended {
                    Ok(Ok(())) if stop.is_cancelled() => None,
                    Ok(Ok(())) => Some("recorder"),
                    Ok(Err(task)) => Some(task),
                    Err(_) => Some("measuring task"),
                },
                Some(ended) = linking.join_next() => match ended {
                    Ok(()) if stop.is_cancelled() => None,
                    _ => Some("uplink"),
                },
                else => break,
            };
            if let Some(task) = task {
                tracing::error!(task, "a task of this probe ended unasked; the probe stops");
                failed.get_or_insert(task);
                stop.cancel();
            }
            if measuring.is_empty() {
                spooled.cancel();
            }
        }
        failed.map_or(Ok(()), |task| Err(AgentError::Task { task }))
    }
}

#[cfg(test)]
mod tests;
