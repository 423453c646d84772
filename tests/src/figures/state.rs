//! A collector's state folder before it runs: its registry, with probes that have joined.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use isochrone_base::clock::Clock;
use isochrone_base::roster::Roster;
use isochrone_collector::assembly;
use isochrone_gate::authority::Authority;
use isochrone_gate::events::GateEvents;
use isochrone_gate::registry::{Registry, RegistryParts};
use isochrone_planner::targets::Targets;
use isochrone_probe::identity::Identity;
use isochrone_store::{Store, StoreOptions};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tempfile::TempDir;

use super::mesh;
use super::process::{Process, folder};

/// The folder, where its collector will listen, and who may come.
pub(super) struct State {
    folder: TempDir,
    pub(super) address: SocketAddr,
    pub(super) probes: Vec<Identity>,
}

impl State {
    /// A new one with so many probes, `probe-0` first.
    pub(super) fn with_probes(count: usize) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("figures-")
            .tempdir_in(folder()?)?;
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut state = Self {
            folder,
            address,
            probes: Vec::new(),
        };
        fs::create_dir_all(state.folder().join("authority"))?;
        let registry = state.registry()?;
        let probes = (0..count).map(|place| mesh::join(&registry, &format!("probe-{place}"), address));
        state.probes = probes.collect::<Result<_>>()?;
        let config = format!("listen = [\"{address}\"]\nweb = \"127.0.0.1:0\"\n");
        fs::write(state.config(), config)?;
        Ok(state)
    }

    /// Who has joined, while no collector has its store.
    fn registry(&self) -> Result<Registry> {
        Ok(Registry::open(RegistryParts {
            store: self.open_store()?,
            authority: self.authority()?,
            clock: Clock::system(),
            events: GateEvents::channel().0,
            addresses: vec![self.address.to_string()],
            seed: rand::random(),
        })?)
    }

    /// Who measures and what is measured, as its collector will read it.
    pub(super) fn roster(&self) -> Result<Roster> {
        let targets = Targets::read(&self.targets())?;
        Ok(assembly::roster(&self.registry()?, &targets))
    }

    /// Its store, while no collector has it.
    pub(super) fn open_store(&self) -> Result<Store> {
        let file = self.folder().join("store.redb");
        Ok(Store::open(&file, StoreOptions::default())?)
    }

    /// Who signs there.
    pub(super) fn authority(&self) -> Result<Authority> {
        let (clock, mut random) = (Clock::system(), StdRng::from_os_rng());
        Ok(Authority::open(
            &self.folder().join("authority"),
            clock.wall(),
            &mut random,
        )?)
    }

    /// Starts the collector, and waits until it serves.
    pub(super) fn start(&self, serve: &Path) -> Result<Process> {
        let text = |path: &Path| path.to_str().map(str::to_owned).context("a path that is no text");
        let (config, state) = (text(&self.config())?, text(&self.folder())?);
        let arguments = ["--config", &config, "--state", &state, "serve"];
        if let Err(error) = fs::remove_file(self.socket())
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error).context("the control socket of a collector that was killed");
        }
        let mut collector = Process::start(serve, &arguments, self.folder.path().join("log"))?;
        collector.wait_for(&self.socket())?;
        Ok(collector)
    }

    /// Writes the nodes that are measured.
    pub(super) fn write_targets(&self, text: &str) -> Result<()> {
        Ok(fs::write(self.targets(), text)?)
    }

    fn targets(&self) -> PathBuf {
        self.folder.path().join("targets.toml")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("collector.toml")
    }

    fn folder(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Where its collector takes commands.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder().join("control.sock")
    }
}
