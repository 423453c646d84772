//! A probe of the demo: a process of its own, so that it can be killed like a real one. Its orders come as JSON
//! lines on standard input; their end is the order to stop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, bail};
use isochrone_probe::config::Config;
use isochrone_probe::join::JoinOutcome;
use isochrone_probe::process;
use isochrone_proto::ids::ProbeId;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::link::{Cut, DemoLink};

/// What the director tells a probe.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Orders {
    /// The first line: measure.
    Begin(Task),
    /// Its network is cut or mended.
    Cut(bool),
}

/// A probe's place in the world.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Index in [`super::world::CITIES`].
    pub city: usize,
    /// Its state folder; it has joined already.
    pub state: PathBuf,
    /// The relay to the collector.
    pub uplink: SocketAddr,
    /// The relay before its responder: what peers are told.
    pub advertise: SocketAddr,
    /// Where its responder listens.
    pub echo_port: u16,
    /// Which node is where.
    pub nodes: Vec<NodeAddress>,
}

/// A node's city and address.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct NodeAddress {
    /// Index in [`super::world::CITIES`].
    pub city: usize,
    /// Its address.
    pub address: SocketAddr,
}

/// Joins the mesh with `token`; the identity lies in `state` afterwards.
///
/// # Errors
/// When the collector refuses, or the folder cannot be written.
pub async fn join(state: &Path, token: &str) -> anyhow::Result<ProbeId> {
    let token = token.parse()?;
    match process::join(state, &token).await? {
        JoinOutcome::Joined { probe, .. } | JoinOutcome::AlreadyJoined { probe, .. } => Ok(probe),
    }
}

/// Runs a probe of the demo until its orders end.
///
/// # Errors
/// When the orders make no sense, or the probe fails.
pub async fn run() -> anyhow::Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let first = lines.next_line().await?.context("no orders came")?;
    let Orders::Begin(task) = serde_json::from_str(&first)? else {
        bail!("the first order must be to begin")
    };
    let cut = Cut::default();
    let nodes: BTreeMap<SocketAddr, usize> =
        task.nodes.iter().map(|node| (node.address, node.city)).collect();
    let link = DemoLink {
        from: task.city,
        nodes: Arc::new(Mutex::new(nodes)),
        cut: cut.clone(),
    };
    let file = Path::new("demo");
    let config = Config::parse(&probe_toml(&task), file)?;
    let stop = CancellationToken::new();
    let mut orders = JoinSet::new();
    let stopped = stop.clone();
    orders.spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Ok(Orders::Cut(is_cut)) = serde_json::from_str(&line) {
                cut.set(is_cut);
            }
        }
        stopped.cancel();
    });
    process::run(&task.state, config, Arc::new(link), stop).await?;
    Ok(())
}

fn probe_toml(task: &Task) -> String {
    format!(
        "echo_listen = [\"127.0.0.1:{}\"]\nallow_private = [\"127.0.0.0/8\"]\ncollectors = [\"{}\"]\nadvertise = [\"{}\"]\nspool_bytes = \"64MiB\"\n",
        task.echo_port, task.uplink, task.advertise
    )
}
