//! The simulated server with the collector on it: disk, clock and authority outlive its processes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_collector::assembly::{Assembly, AssemblyParts, committed_channel};
use isochrone_collector::commands::CommandContext;
use isochrone_collector::config::Config;
use isochrone_collector::supervisor::{Supervisor, SupervisorParts};
use isochrone_gate::audit::Actor;
use isochrone_gate::authority::{Authority, tls};
use isochrone_gate::events::{GateEventKind, GateEvents};
use isochrone_gate::listener::Listener;
use isochrone_gate::registry::{NewInvitation, Registry};
use isochrone_gate::session::Sessions;
use isochrone_planner::pace::Pace;
use isochrone_planner::plans::{AddressBook, Checked, Plans};
use isochrone_planner::removed_nodes;
use isochrone_planner::targets::Targets;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::token::Token;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::{Committed, Ingest, PlantedBug};
use isochrone_store::lossy::LossyBackend;
use isochrone_store::{FreeSpace, Store, StoreOptions};
use isochrone_watch::alert::Outbox;
use isochrone_web::LiveView;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::network::Network;
use super::prober::ECHO_PORT;
use super::relay_panic;
use super::watch::{Gatekeeper, LetterBox, Suspendable};

/// Where probes reach the collector: two routes to one process.
pub const HOSTS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
];
const PORT: u16 = 7_470;
/// Bytes that must stay free; the disk has [`ROOMY`] until it is full.
const RESERVE: u64 = 1 << 20;
const ROOMY: u64 = 1 << 40;

/// The server.
pub struct Headquarters {
    /// Its wall clock.
    pub clock: Clock,
    /// Its disk.
    pub disk: LossyBackend,
    /// The nodes of targets.toml.
    pub targets: watch::Sender<Arc<Targets>>,
    /// How often things are measured.
    pub pace: Pace,
    /// What happened at its gate, since the world began.
    pub events: Arc<Mutex<Vec<(ProbeId, GateEventKind)>>>,
    /// A fault in its code that the checks must find.
    pub bug: Option<PlantedBug>,
    /// collector.toml, where it keeps watch and sends alerts; `None`: it only stores.
    pub watch: Option<String>,
    /// Where its alerts arrive.
    pub letters: LetterBox,
    /// Its watch is suspended.
    pub suspended: watch::Sender<bool>,
    free: Arc<AtomicU64>,
    authority: Authority,
    network: Network,
    process: Option<Process>,
}

/// A running collector.
pub struct Process {
    /// Probes and invitations.
    pub registry: Registry,
    /// Who is connected.
    pub sessions: Sessions,
    /// The plans in force.
    pub plans: Plans,
    /// Its store.
    pub store: Store,
    /// What commands work on; with what the page shows, where it keeps watch.
    pub context: CommandContext,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    endpoints: Vec<quinn::Endpoint>,
}

impl Headquarters {
    /// A server on which nothing runs.
    #[must_use]
    pub fn new(network: Network, base: UnixMillis, pace: Pace, random: &mut StdRng) -> Self {
        let authority = Authority::in_memory(base, random).expect("an authority can be made");
        let clock = Clock::virtual_from(base);
        Self {
            letters: LetterBox::new(clock.clone()),
            clock,
            disk: LossyBackend::new(),
            targets: watch::Sender::new(Arc::new(Targets::default())),
            pace,
            events: Arc::default(),
            bug: None,
            watch: None,
            suspended: watch::Sender::new(false),
            free: Arc::new(AtomicU64::new(ROOMY)),
            authority,
            network,
            process: None,
        }
    }

    /// Replaces targets.toml.
    ///
    /// # Panics
    /// When `text` is none.
    pub fn set_targets(&self, text: &str) {
        let targets = Targets::parse(text, Path::new("targets.toml")).expect("targets.toml is right");
        match &self.process {
            Some(process) if self.watch.is_some() => process.context.take_targets(targets),
            _ => drop(self.targets.send_replace(Arc::new(targets))),
        }
    }

    /// Fills the disk, or makes room again.
    pub fn fill_disk(&self, full: bool) {
        self.free.store(if full { 0 } else { ROOMY }, Ordering::Relaxed);
    }

    /// Opens the store as the process would; for looking at it while nothing runs.
    ///
    /// # Panics
    /// When it cannot be opened: no crash may do that to it.
    #[must_use]
    pub fn open_store(&self) -> Store {
        let free = Arc::clone(&self.free);
        let options = StoreOptions {
            cache_bytes: 4 << 20,
            reserve_bytes: RESERVE,
            free_space: Some(FreeSpace::new(move || Ok(free.load(Ordering::Relaxed)))),
            ..StoreOptions::default()
        };
        Store::on_lossy(self.disk.clone(), options).expect("a store survives every crash")
    }

    /// Starts the collector.
    ///
    /// # Panics
    /// When it cannot start.
    pub fn start(&mut self, seed: [u8; 32]) {
        assert!(self.process.is_none(), "one collector");
        let store = self.open_store();
        let (live, committed) = committed_channel();
        let ingest = match self.bug {
            None => Ingest::inline(store.clone(), live),
            Some(bug) => Ingest::inline_with_bug(store.clone(), live, bug),
        };
        let outbox = self.outbox(&store);
        let events = GateEvents::to(Gatekeeper::new(outbox.clone(), Arc::clone(&self.events)));
        let parts = AssemblyParts {
            store: store.clone(),
            authority: self.authority.clone(),
            clock: self.clock.clone(),
            addresses: HOSTS
                .iter()
                .map(|host| SocketAddr::new(*host, PORT).to_string())
                .collect(),
            pace: self.pace,
            targets: self.targets.subscribe(),
            events,
            seed,
        };
        let assembly = Assembly::build(parts, ingest).expect("a collector starts on any store it left");
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut context = self.context(&store, &assembly);
        context.views = match outbox {
            Some(outbox) => {
                let of_watch = (committed, outbox);
                Some(self.keep_watch(&context, &assembly.plans, of_watch, (&mut tasks, &stop)))
            }
            None => {
                tasks.spawn(let_go(committed));
                None
            }
        };
        let Assembly {
            registry,
            sessions,
            addresses,
            plans,
            listener,
        } = assembly;
        let endpoints: Vec<_> = HOSTS.iter().map(|host| self.endpoint(*host)).collect();
        for endpoint in &endpoints {
            let (listener, endpoint, stop): (Arc<Listener>, _, _) =
                (Arc::clone(&listener), endpoint.clone(), stop.clone());
            tasks.spawn(async move { listener.run(endpoint, stop).await });
        }
        tasks.spawn(plans.clone().run(stop.clone()));
        tasks.spawn(verify_addresses(addresses, sessions.clone(), self.clock.clone()));
        self.process = Some(Process {
            registry,
            sessions,
            plans,
            store,
            context,
            stop,
            tasks,
            endpoints,
        });
    }

    fn config(&self) -> Config {
        let text = self.watch.as_deref().unwrap_or_default();
        let config = Config::parse(text, Path::new("collector.toml")).expect("collector.toml is right");
        Config {
            pace: self.pace,
            ..config
        }
    }

    /// The alerts that wait, where it keeps watch.
    fn outbox(&self, store: &Store) -> Option<Outbox> {
        self.watch.as_ref()?;
        let receivers = self.config().alerts.receivers();
        let outbox = Outbox::open(store, receivers, self.clock.wall());
        Some(outbox.expect("a store that opened can be read"))
    }

    fn context(&self, store: &Store, assembly: &Assembly) -> CommandContext {
        CommandContext {
            store: store.clone(),
            store_file: "store".into(),
            registry: assembly.registry.clone(),
            sessions: assembly.sessions.clone(),
            addresses: assembly.addresses.clone(),
            targets: self.targets.clone(),
            targets_file: "targets.toml".into(),
            config: Arc::new(self.config()),
            clock: self.clock.clone(),
            actor: Actor::Collector,
            views: None,
        }
    }

    /// Starts the watch.
    fn keep_watch(
        &self,
        context: &CommandContext,
        plans: &Plans,
        (committed, outbox): (mpsc::Receiver<Committed>, Outbox),
        (tasks, stop): (&mut JoinSet<()>, &CancellationToken),
    ) -> watch::Receiver<Arc<LiveView>> {
        let nodes = Arc::clone(&context.targets.borrow());
        removed_nodes::note(&context.store, &nodes).expect("a store that opened can be written");
        let parts = SupervisorParts {
            elastic: None,
            context: context.clone(),
            committed,
            outbox,
            plans: plans.clone(),
            deliver: Arc::new(self.letters.clone()),
        };
        let (supervisor, views) = Supervisor::start(parts).expect("a watch starts on any store it left");
        let watch = Suspendable::new(supervisor.run(stop.clone()), self.suspended.subscribe());
        tasks.spawn(async move { watch.await.expect("a watch never fails") });
        views
    }

    fn endpoint(&self, host: IpAddr) -> quinn::Endpoint {
        let time = Arc::new(tls::ClockTime(self.clock.clone()));
        let server = tls::quic_server_config(&self.authority, time).expect("the authority's keys work");
        let endpoint = self.network.endpoint(SocketAddr::new(host, PORT), Some(server));
        endpoint.expect("a simulated socket can always be had")
    }

    /// The running collector.
    ///
    /// # Panics
    /// When none runs.
    #[must_use]
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the collector runs")
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// The power fails: first the network, then the disk with what it had not synced, then the tasks.
    pub async fn crash(&mut self, seed: u64) {
        for host in HOSTS {
            self.network.unplug(host);
        }
        self.disk = self.disk.crash(seed);
        if let Some(mut process) = self.process.take() {
            process.tasks.abort_all();
            while let Some(ended) = process.tasks.join_next().await {
                relay_panic(ended);
            }
        }
    }

    /// SIGTERM: what was read is judged and acknowledged, then it ends.
    pub async fn stop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        process.stop.cancel();
        tokio::time::sleep(Duration::from_secs(3)).await;
        for endpoint in &process.endpoints {
            endpoint.close(0u32.into(), b"");
            tokio::time::timeout(Duration::from_secs(3), endpoint.wait_idle())
                .await
                .ok();
        }
        for host in HOSTS {
            self.network.unplug(host);
        }
        self.disk = self.disk.crash(0); // nothing is unsynced now; no task that lingers may write any more
        process.tasks.abort_all();
        while let Some(ended) = process.tasks.join_next().await {
            relay_panic(ended);
        }
    }

    /// Invites a probe of a worker, in a network if that is known.
    ///
    /// # Panics
    /// When the collector does not run, or refuses.
    #[must_use]
    pub fn invite(&self, name: &str, (worker, network): (&str, Option<u32>)) -> Token {
        let invitation = NewInvitation {
            worker: worker.to_owned(),
            site: "Berlin, DE".to_owned(),
            name: Some(name.to_owned()),
            network: network.or_else(|| Some(network_of(name))),
            ..NewInvitation::default()
        };
        let who = Actor::Local {
            user: "lead".to_owned(),
        };
        let invitation = self
            .process()
            .registry
            .invite(&invitation, &who)
            .expect("a name that nobody has");
        invitation.token.parse().expect("a token can be read back")
    }

    /// Revokes a probe.
    ///
    /// # Panics
    /// When the collector does not run, or its store refuses.
    pub fn revoke(&self, probe: ProbeId) {
        let who = Actor::Local {
            user: "lead".to_owned(),
        };
        let revoked = self.process().registry.revoke(probe, &who, "the server was sold");
        assert!(revoked.expect("the store takes it"), "it was active");
    }
}

/// Nobody watches: what is stored is let go of.
async fn let_go(mut committed: mpsc::Receiver<Committed>) {
    while committed.recv().await.is_some() {}
}

/// Each probe stands in a network of its own.
fn network_of(name: &str) -> u32 {
    64_512
        + name
            .bytes()
            .fold(0, |sum, byte| (sum * 31 + u32::from(byte)) % 1_000)
}

/// Stands for the collector's own echo to its peers: every connected probe's responder answers.
async fn verify_addresses(book: AddressBook, sessions: Sessions, clock: Clock) {
    let mut changes = sessions.changes();
    loop {
        for session in sessions.list() {
            let address = SocketAddr::new(session.remote.ip(), ECHO_PORT);
            let known = book.of(session.probe).v4.map(SocketAddr::V4);
            if known == Some(address) {
                continue;
            }
            let now = clock.wall();
            let checked = Checked {
                address,
                answered: Some(now),
                asked: now,
                refused: None,
            };
            book.note(session.probe, checked).ok(); // a disk that fails is asked again with the next change
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
