//! The simulated server with the collector on it: disk, clock and authority outlive its processes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_collector::assembly::{Assembly, AssemblyParts, committed_channel};
use isochrone_gate::audit::Actor;
use isochrone_gate::authority::{Authority, tls};
use isochrone_gate::events::{GateEventKind, GateEvents};
use isochrone_gate::listener::Listener;
use isochrone_gate::registry::{NewInvitation, Registry};
use isochrone_gate::session::Sessions;
use isochrone_planner::pace::Pace;
use isochrone_planner::plans::{AddressBook, Checked, Plans};
use isochrone_planner::targets::Targets;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::token::Token;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::{Ingest, PlantedBug};
use isochrone_store::lossy::LossyBackend;
use isochrone_store::{FreeSpace, Store, StoreOptions};
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::network::Network;
use super::prober::ECHO_PORT;
use super::relay_panic;
use super::watch::{Watch, Watched};

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
    /// It keeps watch.
    pub is_watched: bool,
    /// A fault in its code that the checks must find.
    pub bug: Option<PlantedBug>,
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
    /// Its watch, if it keeps one.
    pub watch: Option<Watch>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    endpoints: Vec<quinn::Endpoint>,
}

impl Headquarters {
    /// A server on which nothing runs.
    #[must_use]
    pub fn new(network: Network, base: UnixMillis, pace: Pace, random: &mut StdRng) -> Self {
        let authority = Authority::in_memory(base, random).expect("an authority can be made");
        Self {
            clock: Clock::virtual_from(base),
            disk: LossyBackend::new(),
            targets: watch::Sender::new(Arc::new(Targets::default())),
            pace,
            events: Arc::default(),
            is_watched: false,
            bug: None,
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
        self.targets.send_replace(Arc::new(targets));
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
        let (live, mut committed) = committed_channel();
        let ingest = match self.bug {
            None => Ingest::inline(store.clone(), live),
            Some(bug) => Ingest::inline_with_bug(store.clone(), live, bug),
        };
        let (events, mut happened) = GateEvents::channel();
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
        let Assembly {
            registry,
            sessions,
            addresses,
            plans,
            listener,
        } = assembly;
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let endpoints: Vec<_> = HOSTS.iter().map(|host| self.endpoint(*host)).collect();
        for endpoint in &endpoints {
            let (listener, endpoint, stop): (Arc<Listener>, _, _) =
                (Arc::clone(&listener), endpoint.clone(), stop.clone());
            tasks.spawn(async move { listener.run(endpoint, stop).await });
        }
        tasks.spawn(plans.clone().run(stop.clone()));
        tasks.spawn(verify_addresses(addresses, sessions.clone(), self.clock.clone()));
        let watch = self.is_watched.then(|| {
            Watch::open(Watched {
                store: store.clone(),
                registry: registry.clone(),
                sessions: sessions.clone(),
                targets: self.targets.subscribe(),
                clock: self.clock.clone(),
            })
        });
        match watch.clone() {
            Some(watch) => tasks.spawn(watch.run(committed)),
            None => tasks.spawn(async move { while committed.recv().await.is_some() {} }),
        };
        let told = Arc::clone(&self.events);
        tasks.spawn(async move {
            while let Some(event) = happened.recv().await {
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                told.push((event.probe, event.kind));
            }
        });
        self.process = Some(Process {
            registry,
            sessions,
            plans,
            store,
            watch,
            stop,
            tasks,
            endpoints,
        });
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

    /// Invites a probe.
    ///
    /// # Panics
    /// When the collector does not run, or refuses.
    #[must_use]
    pub fn invite(&self, name: &str) -> Token {
        let invitation = NewInvitation {
            worker: name.to_owned(),
            site: "Berlin, DE".to_owned(),
            name: Some(name.to_owned()),
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
