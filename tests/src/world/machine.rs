//! A simulated server with a probe on it: its disk and clock outlive the processes that run there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use data_encoding::BASE64;
use isochrone_probe::agent::{Agent, EndpointFactory, Parts, Settings};
use isochrone_probe::clock::Clock;
use isochrone_probe::disk::{Disk, MemoryDisk};
use isochrone_probe::echo::SelfStall;
use isochrone_probe::identity::ProbeKey;
use isochrone_probe::join::{JoinError, JoinOutcome, JoinParts, join};
use isochrone_probe::recorder::SharedSpool;
use isochrone_probe::spool::SpoolOptions;
use isochrone_probe::status::{Status, StatusSource};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::known::Known;
use isochrone_proto::token::Token;
use isochrone_proto::units::UnixMillis;
use ring::signature::KeyPair as _;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::network::Network;
use super::nodes::Nodes;
use super::prober::SimulatedProber;
use super::record::Record;
use super::relay_panic;

/// PKCS #8 v1 of an Ed25519 key, up to its seed (RFC 8410).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// From SIGTERM to the end: the 5 s that a probe promises, and a quarter for what is under way in this world.
const STOP: Duration = Duration::from_millis(5_250);

/// A server.
pub struct Machine {
    /// Its address.
    pub host: IpAddr,
    /// The probe's state folder.
    pub disk: Arc<MemoryDisk>,
    /// Its wall clock.
    pub clock: Clock,
    /// Who its probe is, once it joined.
    pub probe: ProbeId,
    /// Bound of its spool.
    pub spool: SpoolOptions,
    /// What its probe's release can read.
    pub known: Known,
    network: Network,
    record: Record,
    nodes: Nodes,
    /// Place in the world.
    place: usize,
    ports: Arc<AtomicU16>,
    process: Option<Process>,
}

/// A running probe.
struct Process {
    tasks: JoinSet<()>,
    stop: CancellationToken,
    status: StatusSource,
    spool: SharedSpool,
    prober: Arc<SimulatedProber>,
}

impl Machine {
    /// The server with this number, from 1; nothing runs on it.
    #[must_use]
    pub fn new(number: u8, network: Network, (record, nodes): (Record, Nodes), base: UnixMillis) -> Self {
        Self {
            host: host(number),
            nodes,
            place: usize::from(number) - 1,
            disk: Arc::new(MemoryDisk::new()),
            clock: Clock::simulated(base),
            probe: ProbeId::COLLECTOR,
            spool: SpoolOptions::default(),
            known: Known::of_this_build(),
            network,
            record,
            ports: Arc::new(AtomicU16::new(20_000)),
            process: None,
        }
    }

    /// The same server copied while it was running or off: its disk as `disk`, an address of its own.
    #[must_use]
    pub fn copy(&self, number: u8, disk: MemoryDisk) -> Self {
        Self {
            host: host(number),
            nodes: self.nodes.clone(),
            place: self.place,
            disk: Arc::new(disk),
            clock: self.clock.clone(),
            probe: self.probe,
            spool: self.spool,
            known: self.known.clone(),
            network: self.network.clone(),
            record: self.record.clone(),
            ports: Arc::new(AtomicU16::new(20_000)),
            process: None,
        }
    }

    /// Replaces the disk by an older copy of it.
    pub fn set_back(&mut self, disk: MemoryDisk) {
        self.record.set_back(self.host, self.probe);
        self.disk = Arc::new(disk);
    }

    /// Joins with `token`, as `isochrone-probe join` does. The key comes from `seed`, so that one seed of the
    /// world is one mesh: it is laid where a join that lost its answer keeps it.
    ///
    /// # Errors
    /// As the probe's own.
    pub async fn join(&mut self, token: &Token, seed: [u8; 32]) -> Result<JoinOutcome, JoinError> {
        let key = ProbeKey::from_pkcs8([PKCS8.as_slice(), &seed].concat());
        let invitation = ring::signature::Ed25519KeyPair::from_seed_unchecked(&token.seed);
        let invitation = invitation.expect("a token's seed makes a key");
        let pending = serde_json::json!({
            "invitation": BASE64.encode(invitation.public_key().as_ref()),
            "key": BASE64.encode(key.pkcs8()),
            "request": BASE64.encode(&key.request()?),
        });
        let written = self.disk.replace("joining.json", pending.to_string().as_bytes());
        written.expect("the disk of a new machine works");
        let parts = JoinParts {
            disk: Arc::clone(&self.disk) as Arc<dyn Disk>,
            endpoint: self.sockets(),
            tls_time: Arc::new(TlsTime(self.clock.clone())),
        };
        let outcome = join(&parts, token).await?;
        let (JoinOutcome::Joined { probe, .. } | JoinOutcome::AlreadyJoined { probe, .. }) = &outcome;
        self.probe = *probe;
        Ok(outcome)
    }

    /// Starts the probe. `seed` is the process's randomness: the same one twice is a virtual machine that was
    /// cloned or restored while it ran.
    ///
    /// # Panics
    /// When it cannot start.
    pub fn start(&mut self, seed: [u8; 32]) {
        assert!(self.process.is_none(), "one process a machine");
        self.disk.power_on();
        let number = u64::from_le_bytes([
            seed[0], seed[1], seed[2], seed[3], seed[4], seed[5], seed[6], seed[7],
        ]);
        let host = self
            .host
            .to_string()
            .bytes()
            .fold(0, |sum, byte| sum * 31 + u64::from(byte));
        let nodes = (self.nodes.clone(), self.place);
        let prober = SimulatedProber::new(self.probe, self.record.clone(), nodes, number ^ host);
        let prober = Arc::new(prober);
        let parts = Parts {
            clock: self.clock.clone(),
            seed,
            disk: Arc::clone(&self.disk) as Arc<dyn Disk>,
            endpoint: self.sockets(),
            tls_time: Arc::new(TlsTime(self.clock.clone())),
            prober: Arc::clone(&prober),
            stall: SelfStall::default(),
            known: self.known.clone(),
            settings: Settings {
                spool: self.spool,
                ..Settings::default()
            },
        };
        self.clock.anchor(); // a process starts with the wall clock it finds
        let agent = Agent::open(parts).expect("a machine that joined can run its probe");
        let status = agent.status();
        let spool = status.spool().clone();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let serve = agent.serve(stop.clone());
        tasks.spawn(async move {
            serve.await.expect("no task of a probe fails");
        });
        self.record.look_anew(self.host, self.probe, &spool);
        let (record, host, probe, watched) = (self.record.clone(), self.host, self.probe, spool.clone());
        tasks.spawn(async move {
            let mut changes = watched.changes();
            loop {
                changes.changed().await;
                record.look(host, probe, &watched);
            }
        });
        self.process = Some(Process {
            tasks,
            stop,
            status,
            spool,
            prober,
        });
    }

    /// Whether its probe runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// What `isochrone-probe status` says.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        Some(self.process.as_ref()?.status.now())
    }

    /// Whom its responder answers; `None` if nothing runs.
    #[must_use]
    pub fn answers(&self) -> Option<Vec<ProbeId>> {
        Some(self.process.as_ref()?.prober.answers())
    }

    /// The spool of the running probe.
    #[must_use]
    pub fn spool(&self) -> Option<&SharedSpool> {
        Some(&self.process.as_ref()?.spool)
    }

    /// `kill -9`, at whatever each task was waiting for: first the network, then the tasks. Files stand.
    pub async fn kill(&mut self) {
        self.network.unplug(self.host);
        let Some(mut process) = self.process.take() else {
            return;
        };
        process.tasks.abort_all();
        while let Some(ended) = process.tasks.join_next().await {
            relay_panic(ended);
        }
        self.record.look(self.host, self.probe, &process.spool);
    }

    /// The end of a machine whose disk already fails ([`MemoryDisk::cut_power_after`]); the next process finds
    /// what was durable.
    pub async fn lose_power(&mut self) {
        self.network.unplug(self.host);
        if let Some(mut process) = self.process.take() {
            process.tasks.abort_all();
            while let Some(ended) = process.tasks.join_next().await {
                relay_panic(ended);
            }
        }
        self.disk.power_on();
    }

    /// SIGTERM: drains, and must end within the time it promises.
    ///
    /// # Panics
    /// When it does not.
    pub async fn stop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        process.stop.cancel();
        let ended = async {
            let ended = process.tasks.join_next().await; // the agent: its watcher never ends by itself
            ended.map(relay_panic)
        };
        let ended = tokio::time::timeout(STOP, ended).await;
        assert!(ended.is_ok(), "a probe ends within 5 s of SIGTERM");
        process.tasks.abort_all();
        self.record.look(self.host, self.probe, &process.spool);
    }

    fn sockets(&self) -> EndpointFactory {
        let (network, host, ports) = (self.network.clone(), self.host, Arc::clone(&self.ports));
        Arc::new(move |_| {
            let address = SocketAddr::new(host, ports.fetch_add(1, Ordering::Relaxed));
            network.endpoint(address, None)
        })
    }
}

fn host(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 1, number))
}

/// rustls's view of a probe's clock.
#[derive(Debug)]
struct TlsTime(Clock);

impl TimeProvider for TlsTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.wall().0)))
    }
}
