//! The lead's first day, and what happens in between.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use isochrone_base::clock::{self, Clock};
use isochrone_tests::programs::program;
use tempfile::TempDir;

use crate::document::Shown;
use crate::outside::{self, Outside};
use crate::server::{Said, Server, lay_wire};
use crate::steps::{self, Ends, FORWARD, INVITE, REMOVE, STATUS, STEPS, STOP, Step, Who};

/// What is asked again is asked so often.
const AGAIN: Duration = Duration::from_millis(200);
/// Until something that takes a while must have come: three intervals of ten seconds, and as much again.
const SOON: Duration = Duration::from_secs(60);
/// So much of what a command said is shown when something fails.
const LINES: usize = 40;
const COLUMNS: usize = 120;
/// The heading under which the lead upgrades.
const UPGRADE: &str = "Upgrading, mixing versions, rolling back";
/// The units' logs are shown from here on when something fails.
const LOG_CHARS: usize = 6_000;
/// What the comments in the README say is to be edited, and alerts (over plain HTTP: the collector trusts public
/// authorities only).
const COLLECTOR_EDIT: &str = "s/^#public_addresses/public_addresses/
s/^#\\[alerts\\]/[alerts]/
s|^#webhook = .*|webhook = \"http://alerts.example.org/isochrone\"|";
/// The sample's node becomes Tokyo's.
const TARGETS_EDIT: &str = "/^#\\[\\[node/,/^#network/s/^#//
s/\"berlin\"/\"tokyo\"/
s/node.example.org/tokyo.example.org/
s/\"ada\"/\"ichiro\"/
s/\"Berlin, DE\"/\"Tokyo, JP\"/
s/64500/64508/";

/// Everybody.
struct Story {
    lead: Server,
    desk: Server,
    /// Where ada's first probe stood.
    first: Server,
    /// Ada, ben and cleo.
    workers: Vec<Server>,
    outside: Outside,
    /// What the lead upgrades to.
    newer: Newer,
    /// The scripts that the lead was given, in order.
    scripts: Vec<String>,
    /// Last: what lies in it is used until then.
    _world: TempDir,
}

/// Carries out all that is shown, in order.
pub(crate) fn tell(shown: &[Shown]) {
    let begun = clock::monotonic();
    let mut story = Story::begin();
    for (index, command) in shown.iter().enumerate() {
        let step = steps::of(&command.line).unwrap();
        let opens = index == 0 || shown[index - 1].heading != command.heading;
        if opens {
            story.at_heading(&command.heading);
        }
        let said = story.carry_out(step);
        println!("{:>6.1} s  {}", begun.elapsed().as_secs_f64(), command.line);
        for line in said.lines().take(LINES) {
            println!("          │ {}", line.chars().take(COLUMNS).collect::<String>());
        }
        story.after(command, said);
    }
    println!(
        "{} commands in {:.0} s; the rest of ten minutes is the reader's",
        shown.len(),
        begun.elapsed().as_secs_f64()
    );
}

impl Story {
    fn begin() -> Self {
        let world = tempfile::tempdir().unwrap();
        let path = world.path();
        lay_wire(path, &outside::ADDRESSES);
        let outside = Outside::start();
        let etc = outside::etc(&outside.authority);
        let server = |name: &str, address: &str| Server::set_up(path, name, address, &etc);
        let lead = server("lead", outside::LEAD);
        lead.will_edit("collector.toml", COLLECTOR_EDIT);
        lead.will_edit("targets.toml", TARGETS_EDIT);
        hand_the_checkout_to(&lead.home());
        let worker = |name: &str, address: &str| {
            let server = server(name, address);
            hand_the_probe_to(&server.home());
            server
        };
        let desk = server("desk", "185.30.7.2");
        desk.has_program("isochrone-collector", &program("isochrone-collector"));
        Self {
            newer: Newer::make(path),
            desk,
            first: worker("first", "94.130.10.3"),
            workers: vec![
                worker("ada", "94.130.10.2"),
                worker("ben", "23.20.30.2"),
                worker("cleo", "139.99.20.2"),
            ],
            lead,
            outside,
            scripts: Vec::new(),
            _world: world,
        }
    }

    /// Carries a step out and holds it against what it should do; what it said.
    fn carry_out(&self, step: &Step) -> String {
        let servers: &[&Server] = match step.who {
            Who::Lead => &[&self.lead],
            Who::Desk => &[&self.desk],
            Who::Worker => &[&self.workers[1]],
            Who::Leaver => &[&self.first],
            Who::Workers => &[&self.workers[0], &self.workers[1], &self.workers[2]],
            Who::Gate(_) | Who::File(..) => &[],
        };
        servers.iter().map(|server| carried_out(server, step)).collect()
    }

    /// What happens before the first command below a heading.
    fn at_heading(&self, heading: &str) {
        match heading {
            "Tokyo, 03:00?" => self.tokyo_breaks_down(),
            UPGRADE => {
                let build = self.lead.home().join("target/release/isochrone-collector");
                std::fs::remove_file(&build).unwrap();
                symlink(&self.newer.file, &build).unwrap();
            }
            "Backup and restore" => {
                let ended = self.outside.alert(|alert| alert["event"] == "ended");
                assert_eq!(ended["incident"]["target"], "tokyo", "{ended:#}");
            }
            _ => {}
        }
    }

    /// What happens after a command.
    fn after(&mut self, command: &Shown, said: String) {
        match command.line.as_str() {
            INVITE => {
                self.scripts.push(said);
                if command.document == "README.md" {
                    self.first_probe_joins();
                }
            }
            "sudo isochrone-collector probe revoke ada-berlin" => {
                let out = Step {
                    code: 1,
                    says: "revoked",
                    ..*steps::of("isochrone-probe status").unwrap()
                };
                carried_out(&self.first, &out);
            }
            FORWARD => {
                let get = "exec 3<>/dev/tcp/127.0.0.1/7471; printf 'GET / HTTP/1.0\\r\\nHost: 127.0.0.1:7471\\r\\n\\r\\n' >&3; cat <&3";
                let page = self
                    .lead
                    .run(&format!("bash -c \"{}\"", get.replace('"', "\\\"")));
                assert!(page.text.contains("<title>"), "{page:?}");
            }
            "systemctl daemon-reload" => self.workers_join(),
            // "what was measured stays", and the guide goes on with it
            REMOVE => self.again("sudo isochrone-collector target add berlin"),
            STOP => {
                let said = self.workers[1].run("systemctl start isochrone-probe");
                assert_eq!(said.code, Some(0), "{said:?}");
            }
            line if line.contains("; tar -C /var/lib -czf ") => {
                let file = line.split(' ').find(|word| word.ends_with(".tar.gz")).unwrap();
                let mode = self.lead.home().join(file).metadata().unwrap().mode();
                assert_eq!(mode & 0o077, 0, "{file} holds the authority's keys: {mode:o}");
            }
            "sudo isochrone-collector status" if command.heading == UPGRADE => {
                self.lead_runs(&self.newer.expected);
            }
            "sudo install -m 755 isochrone-collector.before /usr/local/bin/isochrone-collector" => {
                self.lead_runs(&self.newer.before);
            }
            line if line.starts_with("sudo isochrone-collector show tokyo") => self.outside.restart_tokyo(),
            "sudo systemctl stop isochrone-collector" => {
                let cannot_tell = Step {
                    code: 3,
                    says: "Cannot tell.",
                    ..*steps::of(STATUS).unwrap()
                };
                carried_out(&self.lead, &cannot_tell);
            }
            _ => {}
        }
    }

    /// Carries out the step whose line begins so.
    fn again(&self, beginning: &str) {
        let step = STEPS.iter().find(|step| step.line.starts_with(beginning));
        self.carry_out(step.unwrap());
    }

    /// Which build the lead's server has.
    fn lead_runs(&self, version: &str) {
        let said = self.lead.run("isochrone-collector --version");
        assert_eq!(said.out.trim_end(), version, "{said:?}");
    }

    /// "They install both and paste the script; that is all." In the other order it says what is missing.
    fn first_probe_joins(&self) {
        let early = self.first.paste(&self.scripts[0]);
        assert!(
            early.text.contains("isochrone-probe is not installed"),
            "{early:?}"
        );
        let by_workers = STEPS.iter().filter(|step| step.who == Who::Workers);
        for step in by_workers.take(3) {
            carried_out(&self.first, step);
        }
        self.paste(&self.first, &self.scripts[0]);
        carried_out(&self.first, steps::of("isochrone-probe status").unwrap());
    }

    /// Ada with the guide's invitation, for the server that she has now; the others with one of their own.
    fn workers_join(&self) {
        let invited = [
            ("ben", "New York, US", 64_501),
            ("cleo", "Los Angeles, US", 64_502),
        ];
        let scripts = invited.map(|(worker, site, network)| {
            let line = format!(
                "sudo isochrone-collector probe invite --worker {worker} --site '{site}' --network {network}"
            );
            let said = self.lead.run(&line);
            assert_eq!(said.code, Some(0), "{said:?}");
            said.out
        });
        let scripts = [&self.scripts[1], &scripts[0], &scripts[1]];
        for (server, script) in self.workers.iter().zip(scripts) {
            self.paste(server, script);
        }
    }

    fn paste(&self, server: &Server, script: &str) {
        let said = server.paste(script);
        assert!(said.text.contains("Joined as "), "{}: {said:?}", server.name);
        let allowed = server.run("cat /run/ufw.allowed");
        assert_eq!(allowed.text, "7472/udp\n", "{}: {said:?}", server.name);
    }

    fn tokyo_breaks_down(&self) {
        self.outside.kill_tokyo();
        let alert = self.outside.alert(|alert| alert["event"] == "opened");
        let incident = &alert["incident"];
        assert_eq!(alert["pages"], true, "{alert:#}");
        assert_eq!(
            (&incident["target"], &incident["worker"]),
            (&"tokyo".into(), &"ichiro".into()),
            "{alert:#}"
        );
        let seen_by = incident["evidence"].as_array().map_or(0, Vec::len);
        assert!(seen_by >= 2, "{alert:#}");
        println!(
            "          alert: {}",
            alert["summary"].as_str().unwrap_or_default()
        );
        let wrong = Step {
            code: 1,
            says: "Something is wrong: 1 of 2 nodes up, 3 of 3 probes connected.",
            ..*steps::of(STATUS).unwrap()
        };
        carried_out(&self.lead, &wrong);
    }
}

/// A release to upgrade to. There is none beside this one, so it is this build with its commit's name written
/// backwards: that the documents' commands put it there and take it back is tried, what a real one changes is not.
struct Newer {
    file: PathBuf,
    /// What it calls itself.
    expected: String,
    /// What this build calls itself.
    before: String,
}

impl Newer {
    fn make(world: &Path) -> Self {
        let this = program("isochrone-collector");
        let said = Command::new(&this).arg("--version").output().unwrap();
        let before = String::from_utf8(said.stdout).unwrap().trim_end().to_owned();
        let commit = before.split_once('(').unwrap().1.trim_end_matches(')');
        let backwards: String = commit.chars().rev().collect();
        let file = world.join("newer");
        let mut sed = Command::new("sed");
        sed.arg(format!("s/{commit}/{backwards}/g")).arg(&this);
        let copy = sed.env("LC_ALL", "C").output().unwrap();
        std::fs::write(&file, copy.stdout).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        Self {
            file,
            expected: before.replace(commit, &backwards),
            before,
        }
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let servers = [&self.lead, &self.first].into_iter().chain(&self.workers);
        for server in servers {
            for unit in ["isochrone-collector", "isochrone-probe"] {
                let log = server.log_of(unit);
                let before = log.chars().count().saturating_sub(LOG_CHARS);
                let tail: String = log.chars().skip(before).collect();
                if !tail.is_empty() {
                    eprintln!("---- {unit} on {}\n{tail}", server.name);
                }
            }
        }
    }
}

/// Carries a step out on one server; what it said.
fn carried_out(server: &Server, step: &Step) -> String {
    let line = with_todays_instants(step.line);
    let begun = clock::monotonic();
    loop {
        let said = match step.ends {
            Ends::CtrlC => server.run_until(&line, step.says),
            Ends::Here | Ends::Soon => server.run(&line),
        };
        match as_it_should(server, step, &line, &said) {
            Ok(()) => return said.out,
            Err(_) if step.ends == Ends::Soon && begun.elapsed() < SOON => std::thread::sleep(AGAIN),
            Err(what) => panic!(
                "{}: {line}: {what}, code {:?}:\n{}",
                server.name, said.code, said.text
            ),
        }
    }
}

/// Whether it did what the step says; its text may lie in a file.
fn as_it_should(server: &Server, step: &Step, line: &str, said: &Said) -> Result<(), String> {
    let text = match line.split_once(" > ") {
        Some((_, file)) => std::fs::read_to_string(server.home().join(file)).unwrap_or_default(),
        None => said.text.clone(),
    };
    if said.code != Some(step.code) {
        Err(format!("code {} was expected", step.code))
    } else if step.says.is_empty() && !text.is_empty() {
        Err("it should say nothing".to_owned())
    } else if !text.contains(step.says) {
        Err(format!("{:?} was expected", step.says))
    } else {
        Ok(())
    }
}

/// The documents' instants are of a day in 2026; here they are the last hour.
fn with_todays_instants(line: &str) -> String {
    let now = i64::try_from(Clock::system().wall().0).unwrap();
    let now = jiff::Timestamp::from_millisecond(now).unwrap();
    let hour_ago = now - jiff::SignedDuration::from_hours(1);
    let mut instants = [hour_ago, now].into_iter().cycle();
    let is_instant = |word: &str| word.parse::<jiff::Timestamp>().is_ok();
    let words = line.split(' ').map(|word| match is_instant(word) {
        true => instants
            .next()
            .map(|instant| format!("{instant:.0}"))
            .unwrap_or_default(),
        false => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The checkout as the lead has it after the build: the binaries are this build's.
fn hand_the_checkout_to(home: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in ["docs", "deploy"] {
        symlink(root.join(folder), home.join(folder)).unwrap();
    }
    std::fs::create_dir_all(home.join("target/release")).unwrap();
    let collector = "isochrone-collector";
    symlink(program(collector), home.join("target/release").join(collector)).unwrap();
    for file in ["sites.csv", "rtt.csv"] {
        std::fs::copy(root.join("docs/example").join(file), home.join(file)).unwrap();
    }
    std::fs::write(home.join("weights.csv"), "country,weight\nDE,1\nUS,2\nJP,1\n").unwrap();
}

/// "You got a script and two files."
fn hand_the_probe_to(home: &Path) {
    let unit = "isochrone-probe.service";
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    symlink(program("isochrone-probe"), home.join("isochrone-probe")).unwrap();
    symlink(deploy.join(unit), home.join(unit)).unwrap();
}
