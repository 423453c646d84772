//! What the demo does and what Isochrone saw, in plain words, within two minutes.

use std::path::Path;

use anyhow::{Context as _, bail};
use isochrone_base::clock::{Clock, monotonic};
use isochrone_base::words::{network, timestamp};
use isochrone_watch::alert::{Alert, Event};
use isochrone_web::view::{LiveView, MeshState, ProbeState, ProbeView};
use tokio::time::{Duration, Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::director::Director;
use super::history::{SLOW_BY, SLOW_NODE};
use super::world::CITIES;
use crate::cli::{
    Command, CoverageArgs, Format, LocateArgs, RegionsArg, ReportCommand, ReportFormat, WindowArgs,
};
use crate::config::Paths;
use crate::terminal;

/// How long one step may take before the demo says that something is wrong.
const PATIENCE: Duration = Duration::from_secs(45);

/// The narrator.
pub struct Story<'a> {
    world: &'a mut Director,
    began: Instant,
    /// When the probes began, by the wall clock: what is older is the past.
    began_at: jiff::Timestamp,
}

impl<'a> Story<'a> {
    /// A story about `world`.
    pub fn new(world: &'a mut Director, began: Instant) -> Self {
        let began_at = timestamp(Clock::system().wall());
        Self {
            world,
            began,
            began_at,
        }
    }

    /// Tells what happens in the mesh.
    ///
    /// # Errors
    /// When Isochrone did not see what happened: then the demo has found a fault.
    pub async fn tell(&mut self) -> anyhow::Result<()> {
        self.mesh_comes_up().await?;
        self.node_dies().await?;
        self.uplink_is_cut().await?;
        self.collector_is_killed().await?;
        self.node_comes_back().await?;
        self.fleet_fails().await
    }

    /// Tells its end: where sites stand, and what the mesh covers.
    ///
    /// # Errors
    /// When a report fails.
    pub async fn conclude(&mut self) -> anyhow::Result<()> {
        self.locate().await?;
        self.audit().await?;
        self.report().await
    }

    async fn mesh_comes_up(&mut self) -> anyhow::Result<()> {
        self.say("The ten probes begin to measure each other and the nine nodes.");
        let pairs = CITIES.len() * (CITIES.len() - 1);
        let begun = self.began_at;
        let measured = |view: &LiveView| {
            let fresh = view
                .mesh
                .iter()
                .filter(|cell| cell.last.is_some_and(|last| last > begun));
            fresh.filter(|cell| cell.state == MeshState::Ok).count()
        };
        self.until("every pair to be measured", |view| measured(view) == pairs)
            .await?;
        self.say(&format!(
            "The mesh is up: {pairs} pairs are measured. Isochrone's page: http://{}/",
            self.world.page
        ));
        self.say(
            "The node in Los Angeles claims a place that lies: its longitude lost its sign. What light says of that comes at the end.",
        );
        self.say(&format!(
            "One node is sick on purpose: {SLOW_NODE} answers {} ms late. It is up, so nobody is alerted; its time to first byte on the page tells.",
            SLOW_BY.as_millis()
        ));
        Ok(())
    }

    async fn node_dies(&mut self) -> anyhow::Result<()> {
        self.say("Now the node in Tokyo is killed: its port closes.");
        self.node("tokyo")?.kill().await;
        let alert = self
            .alert("the alert about Tokyo", |alert| opened(alert, "tokyo"))
            .await?;
        self.say("Isochrone sent this alert to the demo's own receiver:");
        self.quote(&summary(&alert));
        Ok(())
    }

    async fn uplink_is_cut(&mut self) -> anyhow::Result<()> {
        self.say("Now the network of the probe in Lagos is cut. It sees every node fail; the others do not.");
        let lagos = city("lagos")?;
        self.world.cut(lagos, true).await;
        let alert = self
            .alert("the alert about the silent probe", |alert| {
                opened(alert, "efe-lagos")
            })
            .await?;
        self.quote(&summary(&alert));
        self.world.cut(lagos, false).await;
        let alert = self
            .alert("the probe to be heard again", |alert| ended(alert, "efe-lagos"))
            .await?;
        self.quote(&summary(&alert));
        if let Some(blamed) = self.blamed_beside_tokyo() {
            bail!("{blamed} was blamed for the cut of one probe; that is a fault of Isochrone");
        }
        self.say(
            "Its network is back, it has sent what it had spooled, and no node was blamed for what it saw.",
        );
        Ok(())
    }

    async fn collector_is_killed(&mut self) -> anyhow::Result<()> {
        self.say("Now the collector is killed with SIGKILL. The probes go on measuring into their spools.");
        self.world.kill_collector().await?;
        sleep(Duration::from_secs(3)).await;
        self.world.start_collector().await?;
        let probes = CITIES.len();
        let connected = |view: &LiveView| {
            view.probes
                .iter()
                .filter(|probe| probe.state == ProbeState::Connected)
                .count()
        };
        self.until("the probes to come back", |view| connected(view) == probes)
            .await?;
        let drained = |view: &LiveView| {
            view.ledger.spooled == 0 && view.probes.iter().all(|probe| is_fresh(view, probe))
        };
        self.until("the spools to drain", drained).await?;
        let (code, text) = self
            .ask(Command::Ledger {
                verify: true,
                accept_damage: None,
                format: Format::Text,
            })
            .await?;
        self.say("It is back, and the spools have drained. Every stored batch was read and counted again:");
        self.quote(&paragraph(&text, "Counted again"));
        if code != 0 {
            bail!("the ledger does not add up; that is a fault of Isochrone:\n{text}");
        }
        Ok(())
    }

    async fn node_comes_back(&mut self) -> anyhow::Result<()> {
        self.say("Now the node in Tokyo is started again.");
        self.node("tokyo")?.restart().await.context("the node in Tokyo")?;
        let alert = self
            .alert("the recovery of Tokyo", |alert| ended(alert, "tokyo"))
            .await?;
        self.quote(&summary(&alert));
        Ok(())
    }

    async fn fleet_fails(&mut self) -> anyhow::Result<()> {
        let all = self.world.nodes.len();
        self.say(&format!(
            "Now all {all} nodes are killed at once; the probes and their echoes live."
        ));
        let before = self.world.receiver.all().len();
        for node in self.world.nodes.values() {
            node.kill().await;
        }
        let alert = self
            .alert("the alert about the whole fleet", |alert| {
                alert.event == Event::Opened && alert.incidents().count() > 1
            })
            .await?;
        self.quote(&alert.summary);
        self.say("They stay down for a while: look at the page.");
        sleep(FLEET_DOWN).await;
        self.say("Now all of them are started again.");
        for node in self.world.nodes.values() {
            node.restart().await.context("a node of the fleet")?;
        }
        let alert = self
            .alert("the recovery of the fleet", |alert| {
                alert.event == Event::Ended && alert.incidents().count() > 1
            })
            .await?;
        self.quote(&alert.summary);
        let told = self.world.receiver.all().split_off(before);
        let others = told.iter().filter(|alert| alert.incidents().count() == 1);
        for alert in others {
            self.quote(&alert.summary);
        }
        let began: Vec<&str> = told
            .iter()
            .filter(|alert| alert.event != Event::Ended)
            .map(|alert| alert.summary.as_str())
            .collect();
        if began.len() > FLEET_MESSAGES_MAX {
            let messages = began.join("\n");
            bail!("the fleet's failure took too many messages; that is a fault of Isochrone:\n{messages}");
        }
        Ok(())
    }

    /// The answer alone: what `locate` says before its tables, and of borrowed eyes.
    async fn locate(&mut self) -> anyhow::Result<()> {
        self.say("Nothing is faster than light: can all sites stand where they say?");
        let args = LocateArgs {
            window: fifteen_days(),
            ..LocateArgs::default()
        };
        let (code, text) = self.ask(Command::Locate(Box::new(args))).await?;
        if code != 0 {
            bail!("locate failed: {text}");
        }
        let answer = text.split("\nEach place\n").next().unwrap_or_default();
        let eyes = paragraph(&text, "Borrowed eyes");
        terminal::say(&format!("\n{}\n\n{eyes}\n\n", answer.trim_end()));
        Ok(())
    }

    /// What the audit says of the demo's chain: exactly what is wrong with it.
    async fn audit(&mut self) -> anyhow::Result<()> {
        use std::collections::{BTreeMap, BTreeSet};

        self.say(
            "And the chain? One of its families lies about its place, one bucket's node says otherwise, one endpoint lacks its slash.",
        );
        let nodes = self.world.nodes.iter();
        let urls: BTreeMap<usize, String> = nodes.map(|(city, node)| (*city, node.base_url())).collect();
        let take = Command::Import(crate::cli::ImportCommand::TakeTopology {
            topology: Box::new(super::chain::topology(
                &urls,
                (super::director::ASSET, super::director::ASSET_BYTES),
            )),
            from: "the demo".to_owned(),
            anyway: true,
        });
        let (code, text) = self.ask(take).await?;
        if code != 0 {
            bail!("the demo's chain was not taken in: {text}");
        }
        let audit = |format| {
            let window = fifteen_days();
            Command::Report(ReportCommand::Audit { window, format })
        };
        let (code, json) = self.ask(audit(ReportFormat::Json)).await?;
        let json: serde_json::Value = serde_json::from_str(&json).context("the audit's JSON")?;
        let word =
            |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let findings = json["findings"].as_array().into_iter().flatten();
        let found: BTreeSet<_> = findings
            .map(|one| (word(one, "rule"), word(one, "subject")))
            .collect();
        let faults = super::chain::faults(&urls).into_iter();
        let planted: BTreeSet<_> = faults
            .map(|(rule, subject)| (rule.id().to_owned(), subject.to_string()))
            .collect();
        if code != 0 || found != planted {
            bail!("the audit found {found:?} instead of {planted:?}; that is a fault of Isochrone");
        }
        let (code, text) = self.ask(audit(ReportFormat::Text)).await?;
        if code != 0 {
            bail!("the audit failed: {text}");
        }
        let answer = text.split("\nHow to read this\n").next().unwrap_or_default();
        terminal::say(&format!("\n{}\n\n", answer.trim_end()));
        Ok(())
    }

    async fn report(&mut self) -> anyhow::Result<()> {
        self.say("Last, the region coverage report over fifteen simulated days, with what it cannot say:");
        let args = CoverageArgs {
            regions: RegionsArg::default(),
            imported: false,
            without_borrowed: false,
            window: fifteen_days(),
            weights: "people".to_owned(),
            weights_file: None,
            sites: None,
            rtt: None,
            nodes: Vec::new(),
            engine: Box::default(),
            format: ReportFormat::Text,
        };
        let (code, text) = self
            .ask(Command::Report(ReportCommand::Coverage(Box::new(args))))
            .await?;
        if code != 0 {
            bail!("the report failed: {text}");
        }
        terminal::say(&format!("\n{text}\n"));
        Ok(())
    }

    /// The last words: what goes on, and how to look at it.
    pub fn goes_on(&self) {
        self.say(&format!(
            "That was the story. The mesh goes on: look around at http://{}/ and http://{}/report/coverage",
            self.world.page, self.world.page
        ));
        terminal::say(&format!(
            "         Commands work too, in another terminal:\n           {program} {options} show tokyo\n           {program} {options} report nodes --since 15d\n           {program} {options} report count\n           {program} {options} report count --without-borrowed\n           {program} {options} gaps\n           {program} {options} import list\n         Ctrl-C ends the demo. Its files go with it, unless you named a folder with --state.\n",
            options = self.world.paths.options(),
            program = self.world.program()
        ));
    }

    /// Waits until the collector's own live view says so.
    async fn until(&mut self, what: &str, fits: impl Fn(&LiveView) -> bool) -> anyhow::Result<()> {
        let (page, began) = (self.world.page, monotonic());
        loop {
            if let Some(view) = view(page).await
                && fits(&view)
            {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                bail!("waited {} s for {what}, in vain", PATIENCE.as_secs());
            }
            self.revive().await?;
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn alert(&mut self, what: &str, fits: impl Fn(&Alert) -> bool) -> anyhow::Result<Alert> {
        let receiver = self.world.receiver.clone();
        let waiting = receiver.wait_for(fits);
        tokio::pin!(waiting);
        let began = monotonic();
        loop {
            if let Ok(alert) = timeout(Duration::from_millis(300), &mut waiting).await {
                return Ok(alert);
            }
            if began.elapsed() > PATIENCE {
                bail!("waited {} s for {what}, in vain", PATIENCE.as_secs());
            }
            self.revive().await?;
        }
    }

    /// Has the collector carry out `command`; once more if it dies meanwhile.
    pub(super) async fn ask(&mut self, command: Command) -> anyhow::Result<(u8, String)> {
        let began = monotonic();
        loop {
            match self.world.ask(command.clone()).await {
                Err(error) if began.elapsed() > PATIENCE => return Err(error),
                Err(_) => sleep(Duration::from_millis(200)).await,
                answer => return answer,
            }
            self.revive().await?;
        }
    }

    pub(super) async fn revive(&mut self) -> anyhow::Result<()> {
        for name in self.world.revive().await? {
            self.say(&format!("({name} had died and was started again)"));
        }
        Ok(())
    }

    /// A node that an alert blamed though it never failed.
    fn blamed_beside_tokyo(&self) -> Option<&'static str> {
        let alerts = self.world.receiver.all();
        let names = CITIES
            .iter()
            .map(|city| city.name)
            .filter(|name| *name != "tokyo");
        names
            .into_iter()
            .find(|name| alerts.iter().any(|alert| opened(alert, name)))
    }

    fn node(&self, name: &str) -> anyhow::Result<&super::argus_node::ArgusNode> {
        self.world.nodes.get(&city(name)?).context("no node stands there")
    }

    /// Where the demo's files lie.
    pub(super) fn folder(&self) -> &Path {
        self.world.folder()
    }

    /// The collector's own paths.
    pub(super) fn paths(&self) -> Paths {
        self.world.paths.clone()
    }

    pub(super) fn say(&self, text: &str) {
        say(self.began, text);
    }

    pub(super) fn quote(&self, text: &str) {
        for line in text.lines() {
            terminal::say(&format!("           | {line}\n"));
        }
    }
}

/// The lines of a text from the one that begins so to the next empty one: text is broken at its width.
fn paragraph(text: &str, begins: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.starts_with(begins));
    let lines: Vec<&str> = lines.take_while(|line| !line.trim().is_empty()).collect();
    lines.join("\n")
}

/// Whether a probe's newest stored measurement is of this very moment: nothing older waits before it.
fn is_fresh(view: &LiveView, probe: &ProbeView) -> bool {
    let age = |last| view.generated_at.duration_since(last).as_secs();
    probe.last_measurement.is_some_and(|last| age(last) < FRESH_S)
}

/// A line of the story.
pub fn say(began: Instant, text: &str) {
    terminal::say(&format!("DEMO {:>4.0}s {text}\n", began.elapsed().as_secs_f64()));
}

/// Goes on until `stop`: what dies is started again.
///
/// # Errors
/// When something cannot be started again.
pub async fn keep_up(world: &mut Director, stop: &CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep(Duration::from_millis(500)) => {}
        }
        for name in world.revive().await? {
            terminal::say(&format!("DEMO      {name} had died and was started again\n"));
        }
    }
}

async fn view(page: std::net::SocketAddr) -> Option<LiveView> {
    let fetch = move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(2)))
            .build()
            .into();
        let mut answer = agent.get(format!("http://{page}/api/state")).call().ok()?;
        answer.body_mut().read_json::<LiveView>().ok()
    };
    tokio::task::spawn_blocking(fetch).await.ok().flatten()
}

fn city(name: &str) -> anyhow::Result<usize> {
    CITIES
        .iter()
        .position(|city| city.name == name)
        .context("no such city")
}

fn opened(alert: &Alert, target: &str) -> bool {
    alert.event == Event::Opened && is_about(alert, target)
}

fn ended(alert: &Alert, target: &str) -> bool {
    alert.event == Event::Ended && is_about(alert, target)
}

fn is_about(alert: &Alert, target: &str) -> bool {
    let mut incidents = alert.incidents();
    incidents.any(|incident| incident.target == target)
}

/// The alert's sentence and what each vantage saw.
fn summary(alert: &Alert) -> String {
    let had = if alert.event == Event::Ended { "had " } else { "" };
    let evidence = alert
        .incident
        .iter()
        .flat_map(|incident| &incident.evidence)
        .take(EVIDENCE_SHOWN);
    let lines = evidence.map(|seen| {
        let network = network(seen.network);
        format!(
            "\n  seen from {} ({network}): {} {had}failed at {}: {}",
            seen.place, seen.kind, seen.phase, seen.error
        )
    });
    lines.fold(alert.summary.clone(), |text, line| text + &line)
}

/// All that the demo's past holds.
pub(super) fn fifteen_days() -> WindowArgs {
    WindowArgs {
        since: Some("15days".to_owned()),
        from: Vec::new(),
        to: None,
    }
}

/// Results younger than this are of the moment, in seconds.
const FRESH_S: i64 = 5;
/// How long the fleet stays down once that was told, for a look at the page.
const FLEET_DOWN: Duration = Duration::from_secs(10);
/// More messages about one failure of the whole fleet are noise. Tokyo has one of its own: it failed before.
const FLEET_MESSAGES_MAX: usize = 3;
/// Vantages whose evidence the story quotes.
const EVIDENCE_SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraph_is_whole_though_it_was_broken_at_its_width() {
        let text = "The ledger is balanced.\n\nCounted again: 7 batches, 0 twice, 0\ndamaged.\n\nMore.\n";
        assert_eq!(
            paragraph(text, "Counted again"),
            "Counted again: 7 batches, 0 twice, 0\ndamaged."
        );
    }
}
