//! A small mesh of real processes on loopback: a collector, three probes, two nodes, a webhook.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use isochrone_collector::demo::argus_node::{ArgusNode, NodeConfig, Object};
use isochrone_tests::programs::program;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::webhook::Webhook;

/// Each thing that is waited for takes seconds; on a loaded machine, some more.
const LONG: Duration = Duration::from_secs(90);
const STEP: Duration = Duration::from_millis(100);
/// The object that asset checks fetch.
const ASSET: u64 = 1_343;
/// Worker, site, AS number.
const PROBES: [(&str, &str, &str); 3] = [
    ("ada", "Berlin, DE", "64500"),
    ("ben", "New York, US", "64501"),
    ("cleo", "Singapore, SG", "64502"),
];

/// Runs until it is dropped.
pub(crate) struct Mesh {
    folder: TempDir,
    pub(crate) quic: SocketAddr,
    /// The collector first.
    processes: Vec<Child>,
    pub(crate) berlin: ArgusNode,
    pub(crate) tokyo: ArgusNode,
    pub(crate) webhook: Webhook,
}

impl Mesh {
    /// Two nodes, and a collector that answers.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let webhook = Webhook::start();
        let (quic, page) = (free_udp_address(), free_tcp_address());
        let (berlin, tokyo) = (node("berlin").await, node("tokyo").await);
        let mut mesh = Self {
            folder,
            quic,
            processes: Vec::new(),
            berlin,
            tokyo,
            webhook,
        };
        let config = format!(
            "listen = [\"{quic}\"]\nweb = \"{page}\"\npublic_addresses = [\"{quic}\"]\n\
             echo_interval = \"1s\"\nstatus_per_minute = 240\nasset_per_minute = 480\nconnect_per_minute = 480\ndisk_reserve = \"1MiB\"\n\
             [alerts]\nwebhook = \"{}\"\n",
            mesh.webhook.url()
        );
        mesh.write("collector.toml", &config);
        mesh.write("targets.toml", &mesh.targets());
        mesh.spawn(
            "isochrone-collector",
            &mesh.collector_files(),
            &["serve"],
            "collector.log",
        );
        mesh.until("the collector answers", |mesh| {
            mesh.collector(&["probe", "list"]).status.success()
        })
        .await;
        mesh
    }

    fn targets(&self) -> String {
        let argus = |name: &str, worker: &str, place: &str, url: &str| {
            format!(
                "[[node]]\nnode = \"{name}\"\nkind = \"argus\"\nurl = \"{url}\"\nworker = \"{worker}\"\n\
                 place = \"{place}\"\nnetwork = 64508\nbuckets = [\"0:0\"]\nasset = \"{ASSET}\"\n"
            )
        };
        argus("berlin", "ada", "Berlin, DE", &self.berlin.base_url())
            + &argus("tokyo", "ichiro", "Tokyo, JP", &self.tokyo.base_url())
            + &format!(
                "[[node]]\nnode = \"page\"\nkind = \"http\"\nurl = \"{}api/v1/status\"\nworker = \"dora\"\n\
                 place = \"Sydney, AU\"\ninterval = \"1s\"\n",
                self.berlin.base_url()
            )
            + &format!(
                "[[candidate]]\nname = \"nairobi-provider\"\nurl = \"{}\"\nplace = \"Nairobi, KE\"\n",
                self.tokyo.base_url().replace("127.0.0.1", "localhost")
            )
    }

    /// Invites each probe, lets it join, and runs it.
    pub(crate) fn join_all(&mut self) {
        for (worker, site, network) in PROBES {
            let token = self.invite(worker, site, network);
            let files = self.probe_files(worker);
            self.write(
                &format!("{worker}.toml"),
                &format!(
                    "echo_listen = [\"{}\"]\nallow_private = [\"127.0.0.0/8\"]\nspool_bytes = \"8MiB\"\n",
                    free_udp_address()
                ),
            );
            succeeded(&self.run("isochrone-probe", &files, &["join", &token]));
            self.spawn("isochrone-probe", &files, &["run"], &format!("{worker}.log"));
        }
    }

    fn invite(&self, worker: &str, site: &str, network: &str) -> String {
        let said = self.collector(&[
            "probe",
            "invite",
            "--worker",
            worker,
            "--site",
            site,
            "--network",
            network,
            "--format",
            "json",
        ]);
        let invitation = one_document(&said);
        invitation["token"].as_str().unwrap().to_owned()
    }

    /// Two servers use one invitation.
    pub(crate) fn spend_a_token_twice(&self) {
        let token = self.invite("eve", "Lima, PE", "64503");
        for (server, code) in [("eve", 0), ("mallory", 1)] {
            self.write(&format!("{server}.toml"), "");
            let said = self.run("isochrone-probe", &self.probe_files(server), &["join", &token]);
            assert_eq!(said.status.code(), Some(code), "{said:?}");
        }
    }

    /// Every kind of check has an answer, the page shows it, and the coverage report knows a round-trip time.
    pub(crate) async fn until_everything_was_measured(&mut self) {
        self.until("everything was measured", |mesh| {
            let lines = documents(&mesh.collector(&["export", "ndjson"]));
            let measured = |kind: &str, outcome: &str| {
                lines
                    .iter()
                    .any(|line| line["kind"] == kind && line["outcome"] == outcome)
            };
            let echoes = measured("echo4", "replied");
            echoes
                && ["status4", "asset-head4", "asset-get4", "http4"]
                    .iter()
                    .all(|kind| measured(kind, "ok"))
        })
        .await;
    }

    pub(crate) async fn alert(&mut self, fits: impl Fn(&Value) -> bool) {
        self.until("an alert", |mesh| mesh.webhook.all().iter().any(&fits))
            .await;
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn collector_files(&self) -> [PathBuf; 2] {
        [self.path().join("collector.toml"), self.path().join("collector")]
    }

    pub(crate) fn probe_files(&self, worker: &str) -> [PathBuf; 2] {
        [
            self.path().join(format!("{worker}.toml")),
            self.path().join(worker),
        ]
    }

    pub(crate) fn collector(&self, arguments: &[&str]) -> Output {
        self.run("isochrone-collector", &self.collector_files(), arguments)
    }

    pub(crate) fn run(&self, name: &str, files: &[PathBuf; 2], arguments: &[&str]) -> Output {
        command(name, files, arguments).output().unwrap()
    }

    fn spawn(&mut self, name: &str, files: &[PathBuf; 2], arguments: &[&str], log: &str) {
        let log = File::create(self.path().join(log)).unwrap();
        let mut command = command(name, files, arguments);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.processes.push(child);
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// Ends the collector as a service manager does.
    pub(crate) fn stop_collector(&mut self) {
        kill(
            Pid::from_raw(self.processes[0].id().cast_signed()),
            Signal::SIGTERM,
        )
        .unwrap();
        assert!(self.processes[0].wait().unwrap().success());
    }

    /// Looks again and again, far longer than it should take.
    pub(crate) async fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let waited = async {
            while !holds(self) {
                sleep(STEP).await;
            }
        };
        if timeout(LONG, waited).await.is_err() {
            let said = |name: &str| std::fs::read_to_string(self.path().join(name)).unwrap_or_default();
            panic!(
                "waited in vain until {what}; the collector said:\n{}",
                said("collector.log")
            );
        }
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        for child in &mut self.processes {
            kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).ok();
            child.wait().ok();
        }
    }
}

async fn node(name: &str) -> ArgusNode {
    let config = NodeConfig {
        id: name.to_owned(),
        ..NodeConfig::default()
    };
    ArgusNode::start(config, vec![Object::new(ASSET, 100_000, true)])
        .await
        .unwrap()
}

fn command(name: &str, [config, state]: &[PathBuf; 2], arguments: &[&str]) -> Command {
    let mut command = Command::new(program(name));
    command.arg("--config").arg(config).arg("--state").arg(state);
    command.args(arguments).stdin(Stdio::null());
    command
}

pub(crate) fn succeeded(said: &Output) {
    assert!(said.status.success(), "{said:?}");
}

pub(crate) fn one_document(said: &Output) -> Value {
    succeeded(said);
    serde_json::from_slice(&said.stdout).unwrap()
}

/// A document a line.
pub(crate) fn documents(said: &Output) -> Vec<Value> {
    succeeded(said);
    let text = std::str::from_utf8(&said.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn free_udp_address() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub(crate) fn free_tcp_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
