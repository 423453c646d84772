//! `serve`: a collector with its sockets, its page, its control socket and its store, from start to drain.

mod bind;
mod doors;
mod hangup;
mod opened;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use isochrone_base::clock;
#[cfg(feature = "elasticsearch")]
use isochrone_elastic::sink::{self, SinkParts, SinkStatus};
use isochrone_gate::audit::Actor;
use isochrone_gate::events::GateEvents;
use isochrone_planner::echo_check::EchoCheck;
use isochrone_planner::removed_nodes;
use isochrone_planner::targets::Targets;
use isochrone_store::ingest::{Ingest, IngestOptions};
use isochrone_watch::alert::{HttpDeliver, Outbox};
use isochrone_web::LiveView;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::doors::Doors;
use self::opened::Opened;
use crate::assembly::{Assembly, AssemblyParts, committed_channel};
use crate::cli::ServeOptions;
use crate::commands::{self, CommandContext};
use crate::config::{Config, Paths};
use crate::control;
use crate::following;
use crate::gate_alerts::GateAlerts;
use crate::judging;
use crate::sealing;
use crate::supervisor::{Supervisor, SupervisorParts, collector_name};

/// How long tasks may take to end after a stop.
const DRAIN: Duration = Duration::from_secs(15);

type Tasks = JoinSet<anyhow::Result<()>>;

/// Runs a collector until `stop`.
///
/// # Errors
/// Wrong configuration (before any port is bound), a port or store that is taken, or a core task that ended
/// unasked.
pub async fn run(paths: Paths, options: ServeOptions, stop: CancellationToken) -> anyhow::Result<()> {
    let config = Arc::new(Config::read(&paths.config)?);
    Targets::read(&paths.targets)?; // wrong ones end it before anything is made
    let opened = Opened::when_free(&paths, &config, &stop).await?;
    let targets = Targets::read(&paths.targets)?; // the command that it waited for may have changed them
    mark(&opened, &paths, options)?;
    removed_nodes::note(&opened.store, &targets)?;

    let collector = Collector::build(&paths, &config, targets, &opened)?;
    let doors = Doors::open(&config, &paths, &opened).await?;
    let endpoints = doors.endpoints.clone();
    let mut tasks = JoinSet::new();
    let committer = collector.spawn(&paths, doors, &mut tasks, &stop).await?;

    let result = supervise(tasks, stop).await; // the last sender to the committer goes: it drains and ends
    doors::take_leave(&endpoints).await;
    let ended = tokio::task::spawn_blocking(move || committer.join()).await?;
    if ended.is_err() {
        bail!("the committer ended in a panic; what it acknowledged is on disk");
    }
    tracing::info!("collector stopped");
    result
}

/// A demo marks its store; a store of the demo says so wherever it is opened.
fn mark(opened: &Opened, paths: &Paths, options: ServeOptions) -> anyhow::Result<()> {
    if options.demo_source {
        opened.store.mark_demo()?;
    } else if opened.store.is_demo() {
        tracing::warn!(
            state = %paths.state.display(),
            "this state folder holds the demo's invented world: all it shows is marked DEMO. For a real mesh, name another folder with --state"
        );
    }
    Ok(())
}

/// Everything that works behind the doors, not yet begun.
struct Collector {
    assembly: Assembly,
    context: CommandContext,
    supervisor: Supervisor,
    views: watch::Receiver<Arc<LiveView>>,
    committer: thread::JoinHandle<()>,
    #[cfg(feature = "elasticsearch")]
    sink: Option<Sink>,
}

/// What follows the store into Elasticsearch, and where it tells how it stands.
#[cfg(feature = "elasticsearch")]
type Sink = (SinkParts, watch::Sender<SinkStatus>);

impl Collector {
    fn build(paths: &Paths, config: &Arc<Config>, targets: Targets, opened: &Opened) -> anyhow::Result<Self> {
        let (targets, watched) = watch::channel(Arc::new(targets));
        let (committed, committed_receiver) = committed_channel();
        let (ingest, committer) = Ingest::start(opened.store.clone(), committed, IngestOptions::default())?;
        let addresses = config.invited_addresses();
        let outbox = Outbox::open(&opened.store, config.alerts.receivers(), opened.clock.wall())?;
        let assembly = Assembly::build(
            AssemblyParts {
                store: opened.store.clone(),
                authority: opened.authority.clone(),
                clock: opened.clock.clone(),
                events: GateEvents::to(GateAlerts::new(outbox.clone(), collector_name(&addresses))),
                addresses,
                pace: config.pace,
                targets: watched,
                seed: opened::seed(),
            },
            ingest,
        )?;
        let context = CommandContext {
            store: opened.store.clone(),
            store_file: paths.store(),
            registry: assembly.registry.clone(),
            sessions: assembly.sessions.clone(),
            addresses: assembly.addresses.clone(),
            targets,
            targets_file: paths.targets.clone(),
            config: Arc::clone(config),
            clock: opened.clock.clone(),
            actor: Actor::Collector,
            views: None,
        };
        #[cfg(feature = "elasticsearch")]
        let sink = sink(&context)?;
        let (supervisor, views) = Supervisor::start(SupervisorParts {
            #[cfg(feature = "elasticsearch")]
            elastic: sink.as_ref().map(|(_, status)| status.subscribe()),
            context: context.clone(),
            committed: committed_receiver,
            outbox,
            plans: assembly.plans.clone(),
            deliver: Arc::new(HttpDeliver::new(
                &config.extra_roots.with_the_systems(),
                opened.clock.clone(),
            )),
        })?;
        let context = CommandContext {
            views: Some(views.clone()),
            ..context
        };
        Ok(Self {
            assembly,
            context,
            supervisor,
            views,
            committer,
            #[cfg(feature = "elasticsearch")]
            sink,
        })
    }

    /// Starts every task. What is returned ends once all of them have.
    async fn spawn(
        self,
        paths: &Paths,
        doors: Doors,
        tasks: &mut Tasks,
        stop: &CancellationToken,
    ) -> anyhow::Result<thread::JoinHandle<()>> {
        let Self {
            assembly,
            context,
            supervisor,
            views,
            committer,
            #[cfg(feature = "elasticsearch")]
            sink,
        } = self;
        for endpoint in doors.endpoints {
            let (listener, stop) = (Arc::clone(&assembly.listener), stop.clone());
            tasks.spawn(finishing(async move { listener.run(endpoint, stop).await }));
        }
        tasks.spawn(finishing(assembly.plans.run(stop.clone())));
        let check = EchoCheck::bind(clock::unpaused).await?;
        let who = (assembly.registry, assembly.sessions);
        let (addresses, clock) = (assembly.addresses, context.clock.clone());
        tasks.spawn(finishing(addresses.run(check, who, clock.clone(), stop.clone())));
        tasks.spawn(supervisor.run(stop.clone()));
        tasks.spawn(sealing::run(context.store.clone(), clock.clone(), stop.clone()));
        tasks.spawn(judging::run(context.clone(), stop.clone()));
        #[cfg(feature = "elasticsearch")]
        if let Some((parts, status)) = sink {
            let stop = stop.clone();
            tasks.spawn(async move { Ok(sink::run(parts, status, stop).await?) });
        }
        if let Some(settings) = context.config.topology.clone() {
            tasks.spawn(following::run(context.clone(), settings, stop.clone()));
        }
        tasks.spawn(hangup::reload(context.clone(), stop.clone()));
        tasks.spawn(take_commands(paths.clone(), context.clone(), stop.clone()));
        let reports = Arc::new(commands::PageReports::new(context));
        let router = isochrone_web::router(views, reports, doors.access, move || clock.now(), stop.clone());
        tasks.spawn(finishing(isochrone_web::serve(doors.page, router, stop.clone())));
        Ok(committer)
    }
}

#[cfg(feature = "elasticsearch")]
fn sink(context: &CommandContext) -> Result<Option<Sink>, isochrone_store::StoreError> {
    let Some(settings) = context.config.elasticsearch.clone() else {
        return Ok(None);
    };
    sink::hold(&context.store, &settings)?;
    let parts = SinkParts {
        store: context.store.clone(),
        settings,
        incidents: crate::elastic_incidents::of(&context.store),
        dead_letters: context.dead_letters(),
        pace: sink::Pace::default(),
        clock: context.clock.clone(),
    };
    Ok(Some((parts, watch::Sender::new(SinkStatus::default()))))
}

/// Carries out what comes through the control socket.
async fn take_commands(paths: Paths, context: CommandContext, stop: CancellationToken) -> anyhow::Result<()> {
    let carry_out = move |actor, command, answers| {
        let context = CommandContext {
            actor,
            ..context.clone()
        };
        commands::carry_out(context, command, answers)
    };
    control::serve(&paths.socket(), stop, carry_out)
        .await
        .context("control socket")
}

async fn finishing(work: impl Future<Output = ()>) -> anyhow::Result<()> {
    work.await;
    Ok(())
}

/// Waits for a stop or the end of a core task, then for all tasks to end.
async fn supervise(mut tasks: Tasks, stop: CancellationToken) -> anyhow::Result<()> {
    let first = tokio::select! {
        biased; // `stop` and an exit it caused may both be ready: `stop` must win
        () = stop.cancelled() => Ok(()),
        Some(end) = tasks.join_next() => end.context("a core task panicked").flatten().and_then(|()| bail!("a core task ended unasked")),
    };
    stop.cancel();
    let mut ends = vec![first];
    let drain = async {
        while let Some(end) = tasks.join_next().await {
            ends.push(end.context("a core task panicked").flatten());
        }
    };
    if tokio::time::timeout(DRAIN, drain).await.is_err() {
        tracing::warn!(tasks = tasks.len(), "tasks did not end in time and are aborted");
    }
    ends.into_iter().collect() // the first error is the cause
}
