//! A fleet at its defaults, under the watch of a collector.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser as _;
use isochrone_collector::cli::{Cli, Program};
use isochrone_collector::commands;
use isochrone_collector::control::Answer as Said;
use isochrone_planner::pace::Pace;
use isochrone_proto::kind::Check;
use isochrone_proto::units::UnixMillis;
use isochrone_tests::world::nodes::{Answer, Call};
use isochrone_tests::world::watch::{Letter, WATCHED};
use isochrone_tests::world::{Scale, World, on_virtual_time};
use isochrone_web::LiveView;
use isochrone_web::view::IncidentView;
use serde_json::Value;

/// A network of its own for each probe, from this one on.
const NETWORK: u32 = 64_500;
/// From the beginning until every cell has spoken several times.
const WARM: Duration = Duration::from_secs(90);

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Who measures and what is measured.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    /// Worker and network of each probe.
    pub(crate) probes: Vec<(String, Option<u32>)>,
    /// Name, worker and host of each node.
    pub(crate) nodes: Vec<(String, String, String)>,
    /// Lines of collector.toml.
    pub(crate) config: String,
    /// Lines of each node in targets.toml.
    pub(crate) of_each: &'static str,
}

impl Cast {
    /// Nodes n0, n1 … of the workers w0, w1 …, who run the first probes too; each in a network and on a host of its own.
    pub(crate) fn of(nodes: usize, probes: usize) -> Self {
        let probe = |place: usize| (format!("w{place}"), Some(NETWORK + place as u32));
        let node = |place: usize| {
            (
                format!("n{place}"),
                format!("w{place}"),
                format!("198.51.{place}.1"),
            )
        };
        Self {
            probes: (0..probes).map(probe).collect(),
            nodes: (0..nodes).map(node).collect(),
            of_each: "asset = \"1343\"\n",
            config: WATCHED.to_owned(),
        }
    }

    pub(crate) fn targets(&self) -> String {
        let node = |(name, worker, host): &(String, String, String)| {
            format!(
                "[[node]]\nnode = \"{name}\"\nkind = \"argus\"\nurl = \"http://{host}/\"\nworker = \"{worker}\"\n\
                 place = \"Berlin, DE\"\n{}",
                self.of_each
            )
        };
        self.nodes.iter().map(node).collect()
    }
}

/// The mesh.
pub(crate) struct Stage {
    pub(crate) world: World,
    /// Peers answer echoes.
    echoes: Arc<AtomicBool>,
}

impl Stage {
    /// A mesh in which everything works, and has for a while.
    pub(crate) async fn new(seed: u64, cast: &Cast) -> Self {
        if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_default_env() {
            let subscriber = tracing_subscriber::fmt().with_env_filter(filter);
            subscriber.with_test_writer().try_init().ok();
        }
        let scale = Scale {
            probes: 0,
            pace: Pace::default(),
            targets: cast.targets(),
            workers: cast.probes.clone(),
            watch: Some(cast.config.clone()),
        };
        let mut world = World::empty(seed, &scale);
        world.nodes.answer(|_| Answer::Well);
        for _ in &cast.probes {
            let machine = world.add_machine().await;
            world.start(machine);
        }
        let all = |world: &World| (0..world.machines.len()).all(|machine| world.is_connected(machine));
        world.until("every probe is connected", seconds(60), all).await;
        let stage = Self {
            world,
            echoes: Arc::new(AtomicBool::new(true)),
        };
        stage.pass(WARM).await;
        assert!(stage.letters().is_empty(), "{:#?}", stage.letters());
        stage
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.world.collector.clock.wall()
    }

    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// From now on, runs against nodes end as `rule` says; peers answer. Since when that is so.
    pub(crate) fn nodes_answer(&self, rule: impl Fn(&Call<'_>) -> Answer + Send + 'static) -> UnixMillis {
        let echoes = Arc::clone(&self.echoes);
        self.world.nodes.answer(move |call| match call.kind.check {
            Check::Echo if echoes.load(Ordering::Relaxed) => Answer::Well,
            Check::Echo => Answer::Silent,
            _ => rule(call),
        });
        self.now()
    }

    /// From now on, these nodes answer so, and all others well.
    pub(crate) fn down(&self, nodes: &[usize], answer: Answer) -> UnixMillis {
        let names: Vec<String> = nodes.iter().map(|place| format!("n{place}")).collect();
        self.nodes_answer(move |call| {
            if names.iter().any(|name| name == call.target) {
                answer.clone()
            } else {
                Answer::Well
            }
        })
    }

    /// The collector's machine falls asleep: nothing happens on it, and nobody reaches it.
    pub(crate) fn fall_asleep(&self) {
        self.world.collector.suspended.send_replace(true);
        (0..self.world.machines.len()).for_each(|machine| self.world.cut(machine, true));
    }

    /// It wakes up. Its wall clock and the time since its boot went on, its monotonic clock did not.
    pub(crate) fn wake(&self, slept: Duration) {
        self.world.collector.clock.slept(slept);
        (0..self.world.machines.len()).for_each(|machine| self.world.cut(machine, false));
        self.world.collector.suspended.send_replace(false);
    }

    /// The collector's process is stopped and goes on later: nothing that is sent to it meanwhile is heard.
    pub(crate) async fn suspend_collector(&self, time: Duration) {
        self.world.collector.suspended.send_replace(true);
        (0..self.world.machines.len()).for_each(|machine| self.world.cut(machine, true));
        self.pass(time).await;
        (0..self.world.machines.len()).for_each(|machine| self.world.cut(machine, false));
        self.world.collector.suspended.send_replace(false);
    }

    /// No peer answers any more.
    pub(crate) fn silence_echoes(&self) {
        self.echoes.store(false, Ordering::Relaxed);
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.world.collector.letters.letters()
    }

    /// The letters about nodes; of a probe's silence, and of what happens at the gate, nothing.
    pub(crate) fn about_nodes(&self) -> Vec<Letter> {
        let is_of_probe = |letter: &Letter| letter.check() == Some("probe") || letter.event() == "security";
        let letters = self.letters().into_iter();
        letters.filter(|letter| !is_of_probe(letter)).collect()
    }

    /// The letters since an instant, as seconds after it and what they say: for people who read a failed test.
    pub(crate) fn story(&self, since: UnixMillis) -> Vec<(f64, String)> {
        let letters = self.letters().into_iter();
        let letters = letters.filter(|letter| letter.at >= since);
        letters
            .map(|letter| {
                (
                    between(since, letter.at),
                    format!("{}: {}", letter.event(), letter.summary()),
                )
            })
            .collect()
    }

    /// What the page shows.
    pub(crate) fn page(&self) -> LiveView {
        let process = self.world.collector.process();
        process.context.views.as_ref().unwrap().borrow().as_ref().clone()
    }

    /// What a command prints on standard output.
    pub(crate) async fn says(&self, line: &str) -> String {
        let arguments = std::iter::once("isochrone-collector").chain(line.split_whitespace());
        let Program::Command(command) = Cli::try_parse_from(arguments).unwrap().program else {
            panic!("a command: {line}")
        };
        let (answers, mut waiting) = tokio::sync::mpsc::channel(16);
        let mut printed = String::new();
        let collect = async {
            while let Some(answer) = waiting.recv().await {
                if let Said::Out(text) = answer {
                    printed.push_str(&text);
                }
            }
        };
        let context = self.world.collector.process().context.clone();
        let (code, ()) = tokio::join!(commands::carry_out(context, command, answers), collect);
        assert_eq!(code, 0, "{line}: {printed}");
        printed
    }

    pub(crate) async fn json(&self, line: &str) -> Value {
        let text = self.says(line).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// `report nodes`.
    pub(crate) async fn report(&self) -> Value {
        self.json("report nodes --format json").await
    }
}

/// What a report or a page says of one node.
pub(crate) fn of_node<'a>(list: &'a Value, name: &str) -> &'a Value {
    let nodes = list["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["node"] == name).unwrap()
}

fn at(value: &Value) -> UnixMillis {
    let at: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
    UnixMillis(at.as_millisecond() as u64)
}

/// The one outage of n0, as page, `show`, `report nodes` and its last letter tell it: all the same.
pub(crate) async fn told_alike(stage: &Stage) -> (UnixMillis, UnixMillis) {
    let report = stage.report().await;
    let outages = of_node(&report, "n0")["outages"].as_array().unwrap().clone();
    assert_eq!(outages.len(), 1, "{outages:#?}");
    let bounds = (outages[0]["start"].clone(), outages[0]["end"].clone());
    let show = stage.json("show n0 --format json").await;
    let shown = show["incidents"].as_array().unwrap();
    assert_eq!(shown.len(), 1, "{shown:#?}");
    assert_eq!((shown[0]["start"].clone(), shown[0]["end"].clone()), bounds);
    let letter = stage.about_nodes().pop().unwrap();
    let body = &letter.alert["incident"];
    assert_eq!(
        (body["start"].clone(), body["end"].clone()),
        bounds,
        "{}",
        letter.summary()
    );
    let page = stage.page();
    let of_n0: Vec<&IncidentView> = page
        .incidents
        .iter()
        .filter(|incident| incident.target == "n0")
        .collect();
    assert_eq!(of_n0.len(), 1);
    let paged = serde_json::to_value(of_n0[0]).unwrap();
    assert_eq!(
        (at(&paged["start"]), at(&paged["end"])),
        (at(&bounds.0), at(&bounds.1))
    );
    (at(&bounds.0), at(&bounds.1))
}

/// Seconds from one instant to another.
pub(crate) fn between(from: UnixMillis, to: UnixMillis) -> f64 {
    (to.0 as f64 - from.0 as f64) / 1_000.0
}

/// Runs a scene on virtual time.
pub(crate) fn play<T>(scene: impl Future<Output = T>) -> T {
    on_virtual_time(scene)
}
