//! Starts, cuts, kills and mends the demo's world: one collector process, ten probe processes, nine nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use isochrone_base::clock::monotonic;
use isochrone_proto::ids::ProbeId;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{self, Child, ChildStdin};
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

use super::argus_node::{ArgusNode, NodeConfig, Object, Whereabouts};
use super::eyes;
use super::history::{SLOW_BY, SLOW_NODE};
use super::link::Cut;
use super::probe_process::{NodeAddress, Orders, Task};
use super::receiver::Receiver;
use super::relay::{self, EchoRelay};
use super::world::{CITIES, City, SAYS_OTHERWISE, claimed};
use crate::cli::{AccessArg, Command, Format, ProbeCommand};
use crate::config::Paths;
use crate::control::{self, Answer};

/// The object that the demo's asset checks fetch, and its size.
pub(super) const ASSET: u64 = 1_343;
pub(super) const ASSET_BYTES: u64 = 300_000;
/// How long something on this machine may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a probe may take to end: its drain, and a second.
const GOODBYE: Duration = Duration::from_secs(6);
/// How often the collector may be killed while it starts.
const STARTS_MAX: u32 = 5;
/// Lower ones belong to known services.
const LOWEST_PORT: u16 = 10_000;

/// What became of a collector that was started.
enum Came {
    Up,
    Killed,
}

/// The world.
pub struct Director {
    /// Where everything lies.
    pub paths: Paths,
    folder: PathBuf,
    program: PathBuf,
    collector: Option<Child>,
    quic: SocketAddr,
    /// The page's address.
    pub page: SocketAddr,
    /// Nodes by city index.
    pub nodes: BTreeMap<usize, ArgusNode>,
    /// Probe processes by city index.
    probes: BTreeMap<usize, Probe>,
    /// Each city's network.
    cuts: Vec<Cut>,
    ids: Arc<Mutex<BTreeMap<ProbeId, usize>>>,
    /// Where alerts arrive.
    pub receiver: Receiver,
    carriers: JoinSet<io::Result<()>>,
}

struct Probe {
    child: Child,
    stdin: ChildStdin,
    task: Task,
}

impl Probe {
    /// Lets it drain, but not for long.
    async fn end(mut self) -> io::Result<()> {
        drop(self.stdin); // the end of its orders is the order to end
        match tokio::time::timeout(GOODBYE, self.child.wait()).await {
            Ok(_) => Ok(()),
            Err(_) => self.child.kill().await,
        }
    }
}

impl Director {
    /// Makes the folder, the nodes, the receiver and the configuration, with `further` in it. Nothing measures yet.
    pub async fn prepare(folder: &Path, further: &str) -> anyhow::Result<Self> {
        let mut carriers = JoinSet::new();
        let receiver = Receiver::start(&mut carriers).await?;
        let mut nodes = BTreeMap::new();
        for (index, city) in CITIES.iter().enumerate().filter(|(_, city)| city.has_node) {
            let config = NodeConfig {
                id: format!("demo-{}", city.name),
                listen: SocketAddr::from((eyes::address_of(index), 0)),
                ..NodeConfig::default()
            };
            let is_of_node = city.name != SAYS_OTHERWISE;
            let mut object = Object::new(ASSET, ASSET_BYTES, is_of_node); // what is in the cache is served all the same
            if !is_of_node {
                object.place = Whereabouts::OtherBucket;
            }
            let node = ArgusNode::start(config, vec![object]).await?;
            if city.name == SLOW_NODE {
                node.slow_by(SLOW_BY);
            }
            nodes.insert(index, node);
        }
        let config = folder.join("config");
        let paths = Paths::find(
            Some(config.join("collector.toml")),
            Some(folder.join(super::STATE)),
        );
        let quic = SocketAddr::from((Ipv4Addr::LOCALHOST, free_udp_port()?));
        let page = free_page_address()?;
        std::fs::create_dir_all(&config)?;
        std::fs::write(
            &paths.config,
            collector_toml(quic, page, &receiver.url()) + further,
        )?;
        std::fs::write(&paths.targets, targets_toml(&nodes))?;
        Ok(Self {
            paths,
            folder: folder.to_owned(),
            program: std::env::current_exe().context("cannot find this program's own file")?,
            collector: None,
            quic,
            page,
            nodes,
            probes: BTreeMap::new(),
            cuts: CITIES.iter().map(|_| Cut::default()).collect(),
            ids: Arc::default(),
            receiver,
            carriers,
        })
    }

    /// Where the demo's files lie.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// This program, as a person types it.
    pub fn program(&self) -> impl std::fmt::Display {
        self.program.display()
    }

    /// Starts the collector's process and waits until it answers. One that somebody kills meanwhile is started
    /// again.
    pub async fn start_collector(&mut self) -> anyhow::Result<()> {
        for _ in 0..STARTS_MAX {
            self.spawn_collector()?;
            match self.collector_answers().await? {
                Came::Up => return Ok(()),
                Came::Killed => {}
            }
        }
        bail!("the collector was killed {STARTS_MAX} times while it started")
    }

    fn spawn_collector(&mut self) -> anyhow::Result<()> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("collector.log"))?;
        let mut command = process::Command::new(&self.program);
        command
            .arg("--config")
            .arg(&self.paths.config)
            .arg("--state")
            .arg(&self.paths.state);
        command
            .args(["serve", "--demo-source"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let child = command
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the collector")?;
        note_pid(&self.folder, "collector", child.id())?;
        self.collector = Some(child);
        Ok(())
    }

    async fn collector_answers(&mut self) -> anyhow::Result<Came> {
        let began = monotonic();
        let list = Command::Probe(ProbeCommand::List { format: Format::Json });
        while !matches!(self.ask(list.clone()).await, Ok((0, _))) {
            let ended = match self.collector.as_mut().map(Child::try_wait) {
                Some(Ok(Some(status))) if status.signal().is_some() => return Ok(Came::Killed),
                Some(Ok(None)) => false,
                _ => true,
            };
            if ended || began.elapsed() > PATIENCE {
                let log = self.folder.join("collector.log");
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                bail!(
                    "the collector did not come up; {} ends with: {}",
                    log.display(),
                    last_line(&said)
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(Came::Up)
    }

    /// SIGKILL: no warning, nothing flushed.
    pub async fn kill_collector(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.collector.take() {
            child.kill().await.context("cannot kill the collector")?;
        }
        Ok(())
    }

    /// SIGTERM, and waits for the drain.
    pub async fn stop_collector(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.collector.take() else {
            return Ok(());
        };
        if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM)?;
        }
        if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
            bail!(
                "the collector did not stop; see {}",
                self.folder.join("collector.log").display()
            );
        }
        Ok(())
    }

    /// Starts again what died without being told to; says what it was.
    pub async fn revive(&mut self) -> anyhow::Result<Vec<String>> {
        let mut revived = Vec::new();
        let dead = |child: &mut Child| matches!(child.try_wait(), Ok(Some(_)));
        if self.collector.as_mut().is_some_and(dead) {
            self.start_collector().await?;
            revived.push("the collector".to_owned());
        }
        let gone: Vec<usize> = self
            .probes
            .iter_mut()
            .filter_map(|(city, probe)| dead(&mut probe.child).then_some(*city))
            .collect();
        for city in gone {
            let Some(probe) = self.probes.remove(&city) else {
                continue;
            };
            self.spawn_probe(city, probe.task).await?;
            revived.push(format!("the probe in {}", CITIES[city].place));
        }
        Ok(revived)
    }

    /// Invites all ten, lets each join with its token, and puts relays before their echo responders.
    pub async fn join_probes(&mut self) -> anyhow::Result<Vec<(usize, Task)>> {
        let mut tasks = Vec::new();
        for (index, city) in CITIES.iter().enumerate() {
            let token = self.invite(city).await?;
            let state = self.folder.join(format!("probe-{}", city.name));
            let uplink = relay::uplink(self.quic, self.cuts[index].clone(), &mut self.carriers).await?;
            let probe = super::probe_process::join(&state, &token).await?;
            self.lock_ids().insert(probe, index);
            tasks.push((index, self.task(index, state, uplink).await?));
        }
        Ok(tasks)
    }

    async fn task(&mut self, city: usize, state: PathBuf, uplink: SocketAddr) -> anyhow::Result<Task> {
        let echo_port = free_udp_port()?;
        let ids = Arc::clone(&self.ids);
        let relay = EchoRelay {
            city,
            responder: SocketAddr::from((Ipv4Addr::LOCALHOST, echo_port)),
            city_of: Arc::new(move |id| {
                ids.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get(&id)
                    .copied()
            }),
            cuts: self.cuts.clone(),
        };
        let advertise = relay.start(&mut self.carriers).await?;
        let nodes = self.nodes.iter().map(|(city, node)| NodeAddress {
            city: *city,
            address: node.address(),
        });
        Ok(Task {
            city,
            state,
            uplink,
            advertise,
            echo_port,
            nodes: nodes.collect(),
        })
    }

    async fn invite(&self, city: &City) -> anyhow::Result<String> {
        let command = Command::Probe(ProbeCommand::Invite {
            worker: city.worker.to_owned(),
            site: city.place.to_owned(),
            location: Some(format!("{},{}", city.latitude, city.longitude)),
            network: Some(city.network),
            access: AccessArg::DataCentre,
            name: Some(format!("{}-{}", city.worker, city.name)),
            valid: "1h".to_owned(),
            format: Format::Json,
        });
        let (code, text) = self.ask(command).await?;
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        match answer["token"].as_str() {
            Some(token) if code == 0 => Ok(token.to_owned()),
            _ => bail!("the collector did not invite {}: {text}", city.place),
        }
    }

    /// Starts a probe's process.
    pub async fn spawn_probe(&mut self, city: usize, task: Task) -> anyhow::Result<()> {
        let log = self.folder.join(format!("probe-{}.log", CITIES[city].name));
        let log = std::fs::File::options().create(true).append(true).open(log)?;
        let mut command = process::Command::new(&self.program);
        command
            .arg("demo-probe")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log);
        let mut child = command
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a probe")?;
        note_pid(&self.folder, &format!("probe-{}", CITIES[city].name), child.id())?;
        let mut stdin = child.stdin.take().context("a probe's standard input")?;
        give(&mut stdin, &Orders::Begin(task.clone())).await;
        if self.cuts[city].is_cut() {
            give(&mut stdin, &Orders::Cut(true)).await;
        }
        self.probes.insert(city, Probe { child, stdin, task });
        Ok(())
    }

    /// Cuts or mends one city's network.
    pub async fn cut(&mut self, city: usize, cut: bool) {
        self.cuts[city].set(cut);
        if let Some(probe) = self.probes.get_mut(&city) {
            give(&mut probe.stdin, &Orders::Cut(cut)).await;
        }
    }

    /// Has the collector carry out a command; returns its exit code and what it printed.
    pub async fn ask(&self, command: Command) -> anyhow::Result<(u8, String)> {
        let mut printed = String::new();
        let show = |answer| {
            if let Answer::Out(text) | Answer::Err(text) = answer {
                printed.push_str(&text);
            }
        };
        match control::ask(&self.paths.socket(), &command, show).await? {
            Some(code) => Ok((code, printed)),
            None => bail!("the collector is not running"),
        }
    }

    /// Puts the past into the store, while no collector runs. Returns how many measurements it holds.
    pub async fn write_history(&self) -> anyhow::Result<u64> {
        let (paths, ids) = (self.paths.clone(), self.probe_ids());
        tokio::task::spawn_blocking(move || super::past::write(&paths, &ids)).await?
    }

    fn lock_ids(&self) -> std::sync::MutexGuard<'_, BTreeMap<ProbeId, usize>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which probe stands where.
    #[must_use]
    pub fn probe_ids(&self) -> BTreeMap<ProbeId, usize> {
        self.lock_ids().clone()
    }

    /// Ends all processes: the probes first, so that they can say goodbye.
    pub async fn end(mut self) -> anyhow::Result<()> {
        let mut ending: JoinSet<_> = std::mem::take(&mut self.probes)
            .into_values()
            .map(Probe::end)
            .collect();
        while let Some(ended) = ending.join_next().await {
            ended.context("ending a probe")??;
        }
        self.stop_collector().await
    }
}

fn last_line(text: &str) -> &str {
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("nothing")
}

/// Tells a probe. One that was killed does not listen; [`Director::revive`] starts it again with all its orders.
async fn give(stdin: &mut ChildStdin, orders: &Orders) {
    let mut line = serde_json::to_vec(orders).expect("orders are plain data");
    line.push(b'\n');
    if let Err(error) = stdin.write_all(&line).await {
        tracing::info!(%error, "a probe of the demo does not listen any more");
    }
}

/// Notes a process id, so that whoever wants to can kill it too.
fn note_pid(folder: &Path, name: &str, pid: Option<u32>) -> io::Result<()> {
    std::fs::write(
        folder.join(format!("{name}.pid")),
        pid.unwrap_or_default().to_string(),
    )
}

/// A UDP port that is free, and still will be when its program starts: none of those that the system gives to whoever asks
/// for any, and none that was given out here before.
fn free_udp_port() -> io::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let lowest = range
        .split_whitespace()
        .next()
        .and_then(|lowest| lowest.parse().ok());
    let below = LOWEST_PORT..lowest.unwrap_or(32_768).max(LOWEST_PORT + 1);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = (0..100).map(|_| rand::random_range(below.clone()));
    let is_free = |port: &u16| UdpSocket::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    match ports.find(|port| given.insert(*port) && is_free(port)) {
        Some(port) => Ok(port),
        None => Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port()),
    }
}

/// The usual address of the page, or any other if that is taken.
fn free_page_address() -> io::Result<SocketAddr> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, crate::config::WEB_PORT));
    match TcpListener::bind(usual) {
        Ok(_) => Ok(usual),
        Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr(),
    }
}

fn collector_toml(quic: SocketAddr, page: SocketAddr, alerts: &str) -> String {
    format!(
        r#"# Written by `up --demo`. Faster than the defaults, so that the story fits two minutes.
listen = ["{quic}"]
web = "{page}"
public_addresses = ["{quic}"]
echo_interval = "1s"
status_per_minute = 360
asset_per_minute = 360
connect_per_minute = 480
disk_reserve = "64MiB"

[health]
silent_after = "10s"
no_data_after = "30s"

[alerts]
webhook = "{alerts}"
"#
    )
}

fn targets_toml(nodes: &BTreeMap<usize, ArgusNode>) -> String {
    let nodes = nodes
        .iter()
        .map(|(index, node)| {
            let City { name, worker, place, network, .. } = CITIES[*index];
            let (latitude, longitude) = claimed(&CITIES[*index]);
            let url = node.base_url();
            format!(
                "[[node]]\nnode = \"{name}\"\nkind = \"argus\"\nurl = \"{url}\"\nworker = \"{worker}\"\nplace = \"{place}\"\nlatitude = {latitude:?}\nlongitude = {longitude:?}\nnetwork = {network}\nasset = \"{ASSET}\"\ninterval = \"2s\"\n\n"
            )
        });
    let candidates = eyes::CANDIDATES.iter().map(|(name, host, spot)| {
        format!(
            "[[candidate]]\nname = \"{name}\"\nurl = \"https://{host}/\"\nplace = \"{}\"\n\n",
            spot.place
        )
    });
    nodes.chain(candidates).collect()
}
