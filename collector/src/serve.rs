//! `serve`: a collector with its sockets, its page, its control socket and its store, from start to drain.

mod bind;

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use isochrone_base::clock;
use isochrone_base::clock::Clock;
use isochrone_gate::audit::Actor;
use isochrone_gate::authority::{Authority, tls};
use isochrone_gate::events::GateEvents;
use isochrone_gate::registry::{Registry, RegistryParts};
use isochrone_gate::session::Sessions;
use isochrone_planner::echo_check::EchoCheck;
use isochrone_planner::plans::AddressBook;
use isochrone_planner::removed_nodes;
use isochrone_planner::targets::Targets;
use isochrone_proto::control::CloseCode;
use isochrone_store::ingest::{Ingest, IngestOptions};
use isochrone_store::{Store, StoreOptions};
use isochrone_watch::alert::Outbox;
use isochrone_web as web;
use rand::TryRngCore as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::assembly::{Core, CoreParts, committed_channel};
use crate::cli::ServeOptions;
use crate::commands::{self, House};
use crate::config::{Config, Places};
use crate::control;
use crate::gate_alerts::GateAlerts;
use crate::run::configuration;
use crate::supervisor::{Duty, DutyParts, collector_name};

/// How long tasks may take to end after a stop.
const DRAIN: Duration = Duration::from_secs(15);

/// Runs a collector until `stop`.
///
/// # Errors
/// Wrong configuration (before any port is bound), a port or store that is taken, or a core task that ended
/// unasked.
pub async fn run(places: Places, options: ServeOptions, stop: CancellationToken) -> anyhow::Result<()> {
    let config = Arc::new(configuration(&places)?);
    let targets = Targets::read(&places.targets)?;
    let opened = Opened::open(&places, &config)?;
    if options.demo_source {
        opened.store.mark_demo()?;
    } else if opened.store.is_demo() {
        tracing::warn!(
            state = %places.state.display(),
            "this state folder holds the demo's invented world: all it shows is marked DEMO. For a real mesh, name another folder with --state"
        );
    }
    removed_nodes::note(&opened.store, &targets)?;
    let (targets, watched) = watch::channel(Arc::new(targets));

    let (committed, committed_receiver) = committed_channel();
    let (ingest, committer) = Ingest::start(opened.store.clone(), committed, IngestOptions::default())?;
    let addresses = config.invited_addresses();
    let outbox = Outbox::open(&opened.store, config.alerts.receivers(), opened.clock.wall())?;
    let core = Core::build(
        CoreParts {
            store: opened.store.clone(),
            authority: opened.authority.clone(),
            clock: opened.clock.clone(),
            events: GateEvents::to(GateAlerts::new(outbox.clone(), collector_name(&addresses))),
            addresses,
            pace: config.pace,
            targets: watched.clone(),
            seed: seed(),
        },
        ingest,
    )?;
    let house = House {
        store: opened.store.clone(),
        store_file: places.store(),
        registry: core.registry.clone(),
        sessions: core.sessions.clone(),
        addresses: core.addresses.clone(),
        targets,
        targets_file: places.targets.clone(),
        config: Arc::clone(&config),
        clock: opened.clock.clone(),
        actor: Actor::Collector,
        running: true,
    };
    let (duty, views) = Duty::start(DutyParts {
        house: house.clone(),
        committed: committed_receiver,
        outbox,
        plans: core.plans.summary(),
    })?;

    let server = tls::quic_server_config(&opened.authority, Arc::new(tls::ClockTime(opened.clock.clone())))?;
    let endpoints = bind::quic(
        &config.listen,
        &server,
        &bind::QuicSecret::open(&places.state.join("quic.secret"))?,
    )?;
    let page = bind::page(config.web).await?;
    let token = config
        .web_token
        .as_deref()
        .map(web::AccessToken::new)
        .transpose()?;
    let access = web::Access::new(page.local_addr()?, token)?;
    tracing::info!(
        quic = ?config.listen, page = %format!("http://{}/", page.local_addr()?),
        state = %places.state.display(), "collector is up"
    );

    let mut tasks = JoinSet::new();
    for endpoint in &endpoints {
        let (listener, endpoint, stop) = (Arc::clone(&core.listener), endpoint.clone(), stop.clone());
        tasks.spawn(async move {
            listener.run(endpoint, stop).await;
            Ok(())
        });
    }
    tasks.spawn(finishing(core.plans.clone().run(stop.clone())));
    let check = EchoCheck::bind(clock::unpaused).await?;
    let who = (core.registry.clone(), core.sessions.clone());
    tasks.spawn(finishing(core.addresses.clone().run(
        check,
        who,
        opened.clock.clone(),
        stop.clone(),
    )));
    tasks.spawn(duty.run(stop.clone()));
    tasks.spawn(reload_on_hangup(house.clone(), stop.clone()));
    let (socket, controlled, control_stop) = (places.socket(), house.clone(), stop.clone());
    tasks.spawn(async move {
        let carry_out = move |actor, act, answers| {
            let house = House {
                actor,
                ..controlled.clone()
            };
            commands::carry_out(house, act, answers)
        };
        control::serve(&socket, control_stop, carry_out)
            .await
            .context("control socket")
    });
    let reports = Arc::new(commands::PageReports::new(house));
    let router = web::router(views, reports, access, stop.clone());
    let page_stop = stop.clone();
    tasks.spawn(finishing(web::serve(page, router, page_stop)));

    let result = supervise(tasks, stop).await;
    drop(core.listener); // the last sender to the committer: it drains and ends
    for endpoint in &endpoints {
        endpoint.close(
            CloseCode::Stopping.code().into(),
            b"the collector is stopping; come back in a while",
        );
    }
    for endpoint in &endpoints {
        if tokio::time::timeout(Duration::from_secs(2), endpoint.wait_idle())
            .await
            .is_err()
        {
            tracing::debug!("some probe did not take leave in time");
        }
    }
    if tokio::task::spawn_blocking(move || committer.join())
        .await?
        .is_err()
    {
        bail!("the committer ended in a panic; what it acknowledged is on disk");
    }
    tracing::info!("collector stopped");
    result
}

impl House {
    /// Opens the store of a collector that does not run, for one command.
    ///
    /// # Errors
    /// Wrong configuration, or a store that cannot be opened.
    pub fn open(places: &Places) -> anyhow::Result<Self> {
        let config = Arc::new(configuration(places)?);
        let targets = Targets::read(&places.targets)?;
        let opened = Opened::open(places, &config)?;
        let addresses = config.invited_addresses();
        let outbox = Outbox::open(&opened.store, config.alerts.receivers(), opened.clock.wall())?;
        let registry = Registry::open(RegistryParts {
            store: opened.store.clone(),
            authority: opened.authority,
            clock: opened.clock.clone(),
            events: GateEvents::to(GateAlerts::new(outbox, collector_name(&addresses))),
            addresses,
            seed: seed(),
        })?;
        Ok(Self {
            addresses: AddressBook::open(&opened.store)?,
            store: opened.store,
            store_file: places.store(),
            registry,
            sessions: Sessions::default(),
            targets: watch::Sender::new(Arc::new(targets)),
            targets_file: places.targets.clone(),
            config,
            clock: opened.clock,
            actor: Actor::of_this_process(),
            running: false,
        })
    }
}

struct Opened {
    store: Store,
    authority: Authority,
    clock: Clock,
}

impl Opened {
    fn open(places: &Places, config: &Config) -> anyhow::Result<Self> {
        make_private_folder(&places.state)?;
        let options = StoreOptions {
            reserve_bytes: config.disk_reserve,
            ..StoreOptions::default()
        };
        let store = Store::open(&places.store(), options)?;
        let clock = Clock::system();
        let mut random = rand::rngs::OsRng.unwrap_err();
        let folder = places.state.join("authority");
        make_private_folder(&folder)?;
        let authority = Authority::open(&folder, clock.wall(), &mut random)?;
        Ok(Self {
            store,
            authority,
            clock,
        })
    }
}

/// Makes the state folder, for nobody else to read.
fn make_private_folder(folder: &Path) -> anyhow::Result<()> {
    let describe = || {
        format!(
            "cannot use the state folder {}; name another with --state",
            folder.display()
        )
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(describe)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).with_context(describe)
}

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    rand::rngs::OsRng
        .try_fill_bytes(&mut seed)
        .expect("the system has randomness once it has booted");
    seed
}

async fn reload_on_hangup(house: House, stop: CancellationToken) -> anyhow::Result<()> {
    let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = hangup.recv() => match Targets::read(&house.targets_file) {
                Ok(targets) => {
                    let what = targets.difference(&house.targets.borrow());
                    tracing::info!(nodes = targets.nodes.len(), what, "targets.toml is read again");
                    house.take_targets(targets);
                    if let Err(error) = house.registry.note(&house.actor, "target reload", what) {
                        let error = isochrone_base::error_chain::chain(&error);
                        tracing::error!(%error, "the reload is in force, but the audit log could not be written");
                    }
                }
                Err(error) => {
                    let error = isochrone_base::error_chain::chain(&error);
                    tracing::error!(%error, "targets.toml is wrong; the targets in force stay");
                }
            },
        }
    }
}

async fn finishing(work: impl Future<Output = ()>) -> anyhow::Result<()> {
    work.await;
    Ok(())
}

/// Waits for a stop or the end of a core task, then for all tasks to end.
async fn supervise(mut tasks: JoinSet<anyhow::Result<()>>, stop: CancellationToken) -> anyhow::Result<()> {
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
