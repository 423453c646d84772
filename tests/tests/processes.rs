//! Real processes: the built binary's `up --demo`, its collector killed three times and a probe once, and then
//! the books: what was acknowledged is stored, once, and nothing is missing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use isochrone_tests::programs::program;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{sleep, timeout};

/// Until the coverage report is printed; the story itself asks for two minutes.
const STORY: Duration = Duration::from_secs(300);
/// Until something that was killed is started again, or the books balance.
const SOON: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(100);
/// Everything must be gone this long after Ctrl-C: each probe has six seconds, the collector fifteen.
const END: Duration = Duration::from_secs(100);

/// The demo under way.
struct Demo {
    child: Child,
    lines: Lines<tokio::io::BufReader<ChildStdout>>,
    heard: Vec<String>,
    folder: PathBuf,
}

impl Demo {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        let errors = File::create(folder.join("demo.err"))?;
        let mut child = Command::new(program("isochrone-collector"))
            .arg("--state")
            .arg(folder)
            .args(["up", "--demo"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()?;
        let out = child.stdout.take().context("its standard output")?;
        Ok(Self {
            child,
            lines: tokio::io::BufReader::new(out).lines(),
            heard: Vec::new(),
            folder: folder.to_owned(),
        })
    }

    /// Reads on until a line of the story contains `text`.
    async fn hear(&mut self, text: &str) -> anyhow::Result<()> {
        while let Some(line) = self.lines.next_line().await? {
            println!("{line}");
            self.heard.push(line);
            if self.heard.last().is_some_and(|line| line.contains(text)) {
                return Ok(());
            }
        }
        let errors = std::fs::read_to_string(self.folder.join("demo.err")).unwrap_or_default();
        bail!("the demo ended before it said {text:?}; its errors:\n{errors}")
    }

    fn noted_pid(&self, name: &str) -> Option<i32> {
        let text = std::fs::read_to_string(self.folder.join(format!("{name}.pid"))).ok()?;
        text.parse().ok().filter(|pid| *pid > 1)
    }

    /// Kills a child of the demo with SIGKILL and waits until the demo has started it again.
    async fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        let demo = self.child.id().context("the demo runs")?;
        let old = self
            .noted_pid(name)
            .with_context(|| format!("{name}.pid names no process"))?;
        ensure!(
            parent_of(old) == Some(demo),
            "{name} (process {old}) is not a child of the demo ({demo})"
        );
        kill(Pid::from_raw(old), Signal::SIGKILL)?;
        println!("TEST      {name} (process {old}) is killed");
        let again = async {
            while self
                .noted_pid(name)
                .is_none_or(|new| new == old || parent_of(new) != Some(demo))
            {
                sleep(STEP).await;
            }
        };
        timeout(SOON, again)
            .await
            .with_context(|| format!("{name} was not started again within {SOON:?}"))
    }

    /// All processes that the demo has started and that still run.
    fn children(&self) -> anyhow::Result<Vec<i32>> {
        let demo = self.child.id().context("the demo runs")?;
        let mut children = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let pid = name.strip_suffix(".pid").and_then(|name| self.noted_pid(name));
            children.extend(pid.filter(|pid| parent_of(*pid) == Some(demo)));
        }
        Ok(children)
    }

    /// A command against the demo's collector, or its store once it has ended: exit code and output's file.
    async fn command(&self, args: &[&str], output: &str) -> anyhow::Result<(Option<i32>, PathBuf)> {
        let file = self.folder.join(output);
        let done = Command::new(program("isochrone-collector"))
            .arg("--config")
            .arg(self.folder.join("config/collector.toml"))
            .arg("--state")
            .arg(self.folder.join("collector"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(File::create(&file)?)
            .kill_on_drop(true)
            .status()
            .await?;
        Ok((done.code(), file))
    }

    async fn ledger(&self) -> anyhow::Result<(Option<i32>, Ledger)> {
        let args = ["ledger", "--verify", "--format", "json"];
        let (code, file) = self.command(&args, "ledger.json").await?;
        let text = std::fs::read_to_string(file)?;
        let ledger =
            serde_json::from_str(&text).with_context(|| format!("exit code {code:?}, output {text:?}"))?;
        Ok((code, ledger))
    }
}

/// The parent of a process; `None` when there is no such process, or only its corpse.
fn parent_of(pid: i32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let alive = fields.next()? != "Z";
    fields.next()?.parse().ok().filter(|_| alive)
}

#[derive(Debug, Deserialize)]
struct Ledger {
    schema: String,
    balanced: bool,
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    probe: String,
    epoch: String,
    hour: String,
    planned: u64,
    run: u64,
    skipped: u64,
    absent: u64,
    stored: u64,
    spooled: u64,
    dropped: u64,
    refused: u64,
    forked: u64,
}

impl Ledger {
    fn per_epoch(&self) -> BTreeMap<(&str, &str), u64> {
        let mut stored = BTreeMap::new();
        for row in &self.rows {
            *stored
                .entry((row.probe.as_str(), row.epoch.as_str()))
                .or_default() += row.stored;
        }
        stored
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    probe: &'a str,
    epoch: &'a str,
    kind: &'a str,
    target: &'a str,
    slot: serde_json::Value,
}

/// What an export holds.
#[derive(Default)]
struct Exported {
    lines: u64,
    per_epoch: HashMap<(String, String), u64>,
    twice: Vec<String>,
}

fn read_export(file: &Path) -> anyhow::Result<Exported> {
    let (mut found, mut seen) = (Exported::default(), HashSet::new());
    for text in BufReader::new(File::open(file)?).lines() {
        let text = text?;
        let line: Line<'_> = serde_json::from_str(&text).with_context(|| text.clone())?;
        let id = format!(
            "{} {} {} {} {}",
            line.probe, line.epoch, line.kind, line.target, line.slot
        );
        found.lines += 1;
        *found
            .per_epoch
            .entry((line.probe.to_owned(), line.epoch.to_owned()))
            .or_default() += 1;
        if !seen.insert(*blake3::hash(id.as_bytes()).as_bytes()) {
            found.twice.push(id);
        }
    }
    Ok(found)
}

/// Kills what it should while the story is told; returns when the report has been printed.
async fn story_with_kills(demo: &mut Demo) -> anyhow::Result<()> {
    demo.hear("The mesh is up").await?;
    demo.hear("the node in Tokyo is killed").await?;
    demo.kill("collector").await?; // while it gathers evidence against Tokyo
    demo.hear("the network of the probe in Lagos is cut").await?;
    demo.kill("probe-berlin").await?;
    demo.hear("Now the collector is killed with SIGKILL").await?; // the story's own kill
    demo.hear("It is back, and the spools have drained").await?;
    demo.hear("the node in Tokyo is started again").await?;
    demo.kill("collector").await?; // while it waits for the recovery
    demo.hear("nodes are killed at once").await?;
    demo.hear("import atlas atlas-results.json atlas-older.json.gz")
        .await?;
    demo.hear("import globalping globalping.json").await?;
    demo.hear("The same report, before and after").await?;
    demo.hear("the region coverage report").await?;
    demo.hear("That was the story").await
}

/// While the mesh goes on, the running collector's own books must come to balance.
async fn running_books_balance(demo: &Demo) -> anyhow::Result<()> {
    let mut last = None;
    let balanced = async {
        loop {
            let (code, ledger) = demo.ledger().await?;
            if code == Some(0) && ledger.balanced {
                return anyhow::Ok(());
            }
            last = Some((code, ledger));
            sleep(Duration::from_secs(1)).await;
        }
    };
    match timeout(SOON, balanced).await {
        Ok(result) => result,
        Err(_) => bail!("the running collector's ledger does not balance: {last:#?}"),
    }
}

/// Ctrl-C: the demo and all its processes end by themselves, with exit code 0.
async fn interrupt(demo: &mut Demo) -> anyhow::Result<()> {
    let children = demo.children()?;
    ensure!(
        children.len() == 11,
        "one collector and ten probes should run, not {}",
        children.len()
    );
    let pid = i32::try_from(demo.child.id().context("the demo runs")?)?;
    kill(Pid::from_raw(pid), Signal::SIGINT)?;
    let ended = async {
        while let Some(line) = demo.lines.next_line().await? {
            println!("{line}");
        }
        demo.child.wait().await
    };
    let status = timeout(END, ended)
        .await
        .with_context(|| format!("the demo did not end within {END:?} of Ctrl-C"))??;
    ensure!(status.code() == Some(0), "the demo ended with {status}");
    let left: Vec<i32> = children
        .into_iter()
        .filter(|pid| runs_ours(*pid, &demo.folder))
        .collect();
    ensure!(left.is_empty(), "these processes were left behind: {left:?}");
    Ok(())
}

/// Whether process `pid` is one of this demo's (a number may be given to somebody else meanwhile).
fn runs_ours(pid: i32, folder: &Path) -> bool {
    let alive = parent_of(pid).is_some();
    let cwd = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    alive && (cwd.contains("demo-probe") || cwd.contains(&*folder.to_string_lossy()))
}

fn check_rows(ledger: &Ledger) {
    for row in &ledger.rows {
        let name = format!("{row:#?}");
        assert_eq!(
            row.planned,
            row.run + row.skipped + row.absent,
            "planned = run + skipped + absent: {name}"
        );
        assert_eq!(
            row.run,
            row.stored + row.spooled + row.dropped + row.refused + row.forked,
            "run = stored + spooled + dropped + refused + forked: {name}"
        );
        assert_eq!(
            (row.spooled, row.dropped, row.refused, row.forked),
            (0, 0, 0, 0),
            "everything run is stored: {name}"
        );
        assert!(!row.hour.is_empty());
    }
}

#[tokio::test]
async fn killed_processes_lose_nothing_and_count_nothing_twice() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut demo = Demo::start(folder.path())?;
    timeout(STORY, story_with_kills(&mut demo))
        .await
        .with_context(|| format!("the story was not over within {STORY:?}"))??;
    running_books_balance(&demo).await?;
    interrupt(&mut demo).await?;

    let (code, ledger) = demo.ledger().await?;
    assert_eq!(code, Some(0), "ledger --verify");
    assert_eq!(ledger.schema, "isochrone.ledger/1");
    assert!(ledger.balanced, "{ledger:#?}");
    check_rows(&ledger);
    let epochs_of_killed = epochs_of(&ledger, "ada-berlin")?;
    assert!(
        epochs_of_killed >= 3,
        "the preloaded past, the killed process and its successor have an epoch each; the ledger knows {epochs_of_killed}"
    );

    let (code, file) = demo.command(&["export", "ndjson"], "export.ndjson").await?;
    assert_eq!(code, Some(0), "export ndjson");
    let exported = read_export(&file)?;
    assert!(
        exported.twice.is_empty(),
        "{} measurements are stored twice, such as {}",
        exported.twice.len(),
        exported.twice[0]
    );
    let stored: u64 = ledger.rows.iter().map(|row| row.stored).sum();
    assert_eq!(
        exported.lines, stored,
        "stored by the ledger = lines of the export"
    );
    for ((probe, epoch), stored) in ledger.per_epoch() {
        let lines = exported.per_epoch.get(&(probe.to_owned(), epoch.to_owned()));
        assert_eq!(
            lines.copied().unwrap_or(0),
            stored,
            "probe {probe}, epoch {epoch}"
        );
    }
    println!(
        "TEST      {stored} stored, {} exported, none twice",
        exported.lines
    );
    Ok(())
}

/// Epochs of a probe in the last day of the ledger.
fn epochs_of(ledger: &Ledger, probe: &str) -> anyhow::Result<usize> {
    let hour = |row: &Row| row.hour.parse::<jiff::Timestamp>();
    let hours: Result<Vec<_>, _> = ledger.rows.iter().map(hour).collect();
    let last = hours?.into_iter().max().context("an hour")?;
    let first = last - jiff::SignedDuration::from_hours(24);
    let is_recent = |row: &&Row| hour(row).is_ok_and(|hour| hour >= first);
    let of_probe = ledger.rows.iter().filter(|row| row.probe == probe);
    let epochs: HashSet<&str> = of_probe.filter(is_recent).map(|row| row.epoch.as_str()).collect();
    Ok(epochs.len())
}
