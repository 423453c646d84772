//! The commands as a person meets them: what they print, in which form, and with which exit code.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};
use isochrone_collector::cli::{Cli, Command, Program, ReportCommand, ServeOptions};
use isochrone_collector::commands::{self, CommandContext};
use isochrone_collector::config::Paths;
use isochrone_collector::control::{self, Answer};
use isochrone_collector::serve;
use isochrone_proto::token::Token;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Far above what anything here takes.
const LONG: Duration = Duration::from_secs(60);
const CONFIG: &str = r#"
listen = ["127.0.0.1:0"]
web = "127.0.0.1:0"
public_addresses = ["lead.example.org:7470"]
disk_reserve = "1MiB"
"#;

/// What a command printed, and its exit code.
#[derive(Debug, Default)]
struct Said {
    code: u8,
    out: String,
    err: String,
}

impl Said {
    fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Out(text) => self.out += &text,
            Answer::Err(text) => self.err += &text,
            Answer::Progress { .. } | Answer::Exit(_) | Answer::File { .. } => {}
        }
    }

    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }
}

/// A configuration, a state folder, nothing measured.
fn paths(config: &str) -> (TempDir, Paths) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("collector.toml");
    std::fs::write(&file, config).unwrap();
    let paths = Paths::find(Some(file), Some(folder.path().join("state")));
    (folder, paths)
}

fn act_of(arguments: &[&str]) -> Command {
    let command = Cli::try_parse_from([&["isochrone-collector"], arguments].concat()).unwrap();
    match command.program {
        Program::Command(command) => command,
        _ => panic!("{arguments:?} is no one-shot command"),
    }
}

fn is_of_files(report: &ReportCommand) -> bool {
    matches!(report, ReportCommand::Coverage(args) if args.sites.is_some())
}

/// Carries a command out where no collector runs.
async fn say(paths: &Paths, arguments: &[&str]) -> Said {
    let command = act_of(arguments);
    let (answers, mut waiting) = mpsc::channel(16);
    let mut work = JoinSet::new();
    match command {
        Command::Report(report) if is_of_files(&report) => {
            work.spawn(commands::report_from_files(report, answers));
        }
        command => {
            work.spawn(commands::carry_out(
                CommandContext::open(paths).unwrap(),
                command,
                answers,
            ));
        }
    }
    let mut said = Said::default();
    while let Some(answer) = waiting.recv().await {
        said.take(answer);
    }
    said.code = work.join_next().await.unwrap().unwrap();
    said
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/example")
        .join(name)
}

async fn coverage(paths: &Paths, rtt: &Path, format: &str) -> Said {
    let (sites, rtt) = (example("sites.csv"), rtt.to_str().unwrap().to_owned());
    let sites = sites.to_str().unwrap();
    let arguments = [
        "report",
        "coverage",
        "--sites",
        sites,
        "--rtt",
        &rtt,
        "--nodes",
        "berlin,tokyo",
        "--format",
        format,
    ];
    say(paths, &arguments).await
}

#[tokio::test]
async fn coverage_from_files_fits_a_terminal_a_program_and_a_page() {
    let (_folder, paths) = paths(CONFIG);
    let rtt = example("rtt.csv");
    let text = coverage(&paths, &rtt, "text").await;
    assert_eq!(text.code, 0, "{}", text.err);
    for line in text.out.lines() {
        assert!(line.chars().count() <= 100, "wider than 100 columns: {line}");
    }
    assert!(text.out.contains("berlin") && text.out.contains("tokyo"));

    let json = coverage(&paths, &rtt, "json").await.json();
    assert_eq!(json["schema"], "isochrone.coverage/1");
    assert_eq!(json["source"], "files");
    for key in [
        "statistic",
        "basis",
        "window",
        "nodes",
        "weights",
        "shares",
        "regions",
        "vantages",
    ] {
        assert!(json.get(key).is_some(), "the key {key} is missing");
    }
    let names: Vec<&str> = json["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["node"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["berlin", "tokyo"]);
    let shares = json["shares"].as_array().unwrap();
    assert!(!shares.is_empty());
    for share in shares {
        let sum = ["in", "out", "unknown"]
            .map(|key| share[key].as_f64().unwrap())
            .iter()
            .sum::<f64>();
        assert!((sum - 1.0).abs() < 1e-9, "shares add up to 1: {share}");
    }

    let page = coverage(&paths, &rtt, "html").await;
    assert_eq!(page.code, 0, "{}", page.err);
    assert!(page.out.contains("<svg"), "a map");
    for foreign in ["src=\"http", "<link", "@import", "url(http"] {
        assert!(
            !page.out.contains(foreign),
            "the page fetches something: {foreign}"
        );
    }
}

#[tokio::test]
async fn bad_row_is_named_with_file_and_line_and_nothing_is_reported() {
    let (folder, paths) = paths(CONFIG);
    let rtt = folder.path().join("bad.csv");
    std::fs::write(
        &rtt,
        "source,destination,rtt_ms\nberlin,tokyo,235\nberlin,sydney,-4\n",
    )
    .unwrap();
    let said = coverage(&paths, &rtt, "json").await;
    assert_eq!(said.code, 1);
    assert_eq!(said.out, "");
    assert!(said.err.contains("bad.csv:3"), "{}", said.err);
}

/// A made-up site.
fn site(number: usize) -> String {
    let (latitude, longitude) = (number % 140, (number * 7) % 360);
    format!(
        "site-{number},{},{}",
        latitude as i32 - 70,
        longitude as i32 - 180
    )
}

/// Files as large as those of RIPE Atlas's anchors of 2018: each of 234 sites measured from nearly each.
#[tokio::test]
async fn coverage_of_hundreds_of_sites_is_printed() {
    const SITES: usize = 234;
    let (folder, paths) = paths(CONFIG);
    let (sites, rtt) = (folder.path().join("sites.csv"), folder.path().join("rtt.csv"));
    let rows: Vec<String> = (0..SITES).map(site).collect();
    std::fs::write(&sites, format!("site,latitude,longitude\n{}\n", rows.join("\n"))).unwrap();
    let mut text = String::from("source,destination,min_rtt_ms\n");
    for (from, to) in (0..SITES).flat_map(|from| (0..SITES).map(move |to| (from, to))) {
        if from != to && !(from + to).is_multiple_of(8) {
            text += &format!("site-{from},site-{to},{}.{}\n", 1 + from.abs_diff(to), to % 10);
        }
    }
    std::fs::write(&rtt, text).unwrap();
    let (sites, rtt) = (sites.to_str().unwrap(), rtt.to_str().unwrap());
    let nodes = "site-0,site-50,site-100,site-150,site-200";
    let arguments = [
        "report", "coverage", "--sites", sites, "--rtt", rtt, "--nodes", nodes,
    ];
    let said = say(&paths, &arguments).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    for node in nodes.split(',') {
        assert!(said.out.contains(node), "{node} is missing: {}", said.out);
    }
}

/// Every command at the ends of the tree shows an example.
fn assert_examples(command: &clap::Command, program: &str) {
    let is_leaf = command.get_subcommands().next().is_none();
    if is_leaf && command.get_name() != "help" && !command.is_hide_set() {
        let help = command.clone().render_long_help().to_string();
        assert!(help.contains("Example"), "{} has no example", command.get_name());
        assert!(
            help.contains(program),
            "{}: the example does not name {program}",
            command.get_name()
        );
    }
    for below in command.get_subcommands() {
        assert_examples(below, program);
    }
}

#[test]
fn help_of_every_command_has_an_example() {
    assert_examples(&Cli::command(), "isochrone-collector");
    assert_examples(&isochrone_probe::cli::Cli::command(), "isochrone-probe");
}

/// The whole program, from the arguments to the exit code.
fn exit_code(paths: &Paths, arguments: &[&str]) -> u8 {
    let (config, state) = (paths.config.to_str().unwrap(), paths.state.to_str().unwrap());
    let head = ["isochrone-collector", "--config", config, "--state", state];
    match Cli::try_parse_from([&head, arguments].concat()) {
        Ok(cli) => isochrone_collector::run(cli),
        Err(error) => u8::try_from(error.exit_code()).unwrap(),
    }
}

#[test]
fn exit_codes_tell_success_failure_usage_and_configuration_apart() {
    let (_folder, good) = paths(CONFIG);
    assert_eq!(exit_code(&good, &["target", "list"]), 0);
    assert_eq!(exit_code(&good, &["target", "remove", "nowhere"]), 1);
    let (_folder, fresh) = paths(CONFIG);
    assert_eq!(exit_code(&fresh, &["report", "nodes"]), 1, "there is no store");
    assert!(!fresh.state.exists(), "and none is made by a command that reads");
    let missing = Paths {
        config: fresh.config.with_file_name("lost.toml"),
        ..fresh
    };
    assert_eq!(
        exit_code(&missing, &["target", "list"]),
        64,
        "a named file is there"
    );
    assert_eq!(exit_code(&good, &["target", "lost"]), 2);
    assert_eq!(exit_code(&good, &["report", "nodes", "--since", "yesterday"]), 2);
    let (_folder, bad) = paths("public_addresses = [\"no port\"]\n");
    assert_eq!(exit_code(&bad, &["target", "list"]), 64);
    std::fs::write(&good.targets, "[[node]]\nnode = 7\n").unwrap();
    assert_eq!(exit_code(&good, &["target", "list"]), 64);
}

#[test]
fn bad_configuration_names_file_key_and_value() {
    let (_folder, bad) = paths("public_addresses = [\"no port\"]\n");
    let Err(error) = CommandContext::open(&bad) else {
        panic!("this configuration must be refused")
    };
    let text = format!("{error:#}");
    for part in [bad.config.to_str().unwrap(), "public_addresses", "no port"] {
        assert!(text.contains(part), "{part} is not named: {text}");
    }
    assert!(
        !bad.state.exists(),
        "nothing is made before the configuration is right"
    );
}

#[tokio::test]
async fn invitation_as_json_has_its_three_keys_and_a_token_that_works() {
    let (_folder, paths) = paths(CONFIG);
    let said = say(
        &paths,
        &[
            "probe",
            "invite",
            "--worker",
            "ada",
            "--site",
            "Berlin, DE",
            "--format",
            "json",
        ],
    )
    .await;
    let invitation = said.json();
    let token: Token = invitation["token"].as_str().unwrap().parse().unwrap();
    assert_eq!(token.collectors, ["lead.example.org:7470"]);
    assert!(
        invitation["script"]
            .as_str()
            .unwrap()
            .contains(invitation["token"].as_str().unwrap())
    );
    assert!(invitation["expires"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn empty_store_is_answered_with_what_to_do_next() {
    let (_folder, paths) = paths(CONFIG);
    let shown = say(&paths, &["show", "tokyo"]).await;
    assert_eq!(shown.code, 1);
    assert!(
        shown.err.contains("tokyo") && shown.err.contains("target list"),
        "{}",
        shown.err
    );
    let report = say(&paths, &["report", "nodes"]).await;
    assert_eq!(report.code, 0, "{}", report.err);
    assert!(report.out.to_lowercase().contains("no node"), "{}", report.out);
    let probes = say(&paths, &["probe", "list"]).await;
    assert!(probes.out.contains("probe invite"), "{}", probes.out);
    let targets = say(&paths, &["target", "list"]).await;
    assert!(targets.out.contains("target add"), "{}", targets.out);
}

/// Asks the running collector, waiting until it is up.
async fn ask(paths: &Paths, arguments: &[&str]) -> Said {
    let command = act_of(arguments);
    let asked = async {
        loop {
            let mut said = Said::default();
            match control::ask(&paths.socket(), &command, |answer| said.take(answer))
                .await
                .unwrap()
            {
                Some(code) => return Said { code, ..said },
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(LONG, asked)
        .await
        .expect("the collector comes up")
}

/// `systemctl enable --now`, and at once a command: whoever comes first has the store.
#[tokio::test(flavor = "multi_thread")]
async fn collector_waits_for_a_command_that_has_the_store_open_and_not_for_another_collector() {
    let (_folder, paths) = paths(CONFIG);
    let command = CommandContext::open(&paths).unwrap();
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    tasks.spawn(serve::run(paths.clone(), ServeOptions::default(), stop.clone()));
    let early = tokio::time::timeout(Duration::from_millis(100), tasks.join_next()).await;
    assert!(early.is_err(), "it waits: {early:?}");
    let url = "https://node.example.org/";
    let add = [
        "target",
        "add",
        "berlin",
        "--url",
        url,
        "--worker",
        "ada",
        "--place",
        "Berlin, DE",
    ];
    let add = act_of(&add);
    let (answers, mut waiting) = mpsc::channel(16);
    let code = commands::carry_out(command, add, answers).await;
    assert_eq!(code, 0, "{:?}", waiting.recv().await);
    let list = ["target", "list", "--format", "json"];
    let listed = ask(&paths, &list).await.json();
    assert_eq!(
        listed["nodes"][0]["node"], "berlin",
        "what was changed meanwhile counts"
    );

    let second = serve::run(paths.clone(), ServeOptions::default(), stop.clone());
    let error = tokio::time::timeout(Duration::from_secs(15), second)
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        error.to_string().contains("is open in another process"),
        "{error:#}"
    );
    stop.cancel();
    tokio::time::timeout(LONG, tasks.join_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_are_edited_in_a_running_collector_and_in_the_file() {
    let (_folder, paths) = paths(CONFIG);
    std::fs::write(&paths.targets, "# whose nodes these are\n").unwrap();
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    tasks.spawn(serve::run(paths.clone(), ServeOptions::default(), stop.clone()));

    let url = "https://node.example.org/distributor/";
    let add = [
        "target",
        "add",
        "berlin",
        "--url",
        url,
        "--worker",
        "ada",
        "--place",
        "Berlin, DE",
        "--asset",
        "1343",
    ];
    let added = ask(&paths, &add).await;
    assert_eq!(added.code, 0, "{}", added.err);
    let list = ["target", "list", "--format", "json"];
    let listed = ask(&paths, &list).await.json();
    assert_eq!(listed["schema"], "isochrone.targets/1");
    assert_eq!(listed["nodes"][0]["node"], "berlin");
    assert_eq!(listed["nodes"][0]["url"], url);
    assert_eq!(listed["nodes"][0]["paused"], false);
    let again = ask(&paths, &add).await;
    assert_eq!(again.code, 1, "names are unique");
    assert!(again.err.contains("berlin"), "{}", again.err);

    let set = ask(&paths, &["target", "set", "berlin", "--interval", "5s"]).await;
    assert_eq!(set.code, 0, "{}", set.err);
    assert!(
        set.out.contains("Load on berlin"),
        "what it costs now: {}",
        set.out
    );
    assert_eq!(ask(&paths, &list).await.json()["nodes"][0]["interval_s"], 5.0);
    let there = ["target", "set", "berlin", "--location", "52.5,13.4"];
    assert_eq!(ask(&paths, &there).await.code, 0);
    let moved = ["target", "set", "berlin", "--place", "Tokyo, JP"];
    assert_eq!(ask(&paths, &moved).await.code, 0);
    let latitude = &ask(&paths, &list).await.json()["nodes"][0]["latitude"];
    let latitude = latitude.as_f64().unwrap();
    assert!(
        (35.0..36.0).contains(&latitude),
        "where it was before: {latitude}"
    );
    let unset = [
        "target", "set", "berlin", "--unset", "interval", "--unset", "asset",
    ];
    assert_eq!(ask(&paths, &unset).await.code, 0);
    let listed = ask(&paths, &list).await.json();
    assert!(listed["nodes"][0]["interval_s"].is_null() && listed["nodes"][0]["asset"].is_null());
    for (wrong, word) in [
        (&["target", "set", "berlin"][..], "--interval"),
        (&["target", "set", "berlin", "--interval", "0s"][..], "interval"),
        (&["target", "set", "tokyo", "--interval", "5s"][..], "berlin"),
    ] {
        let refused = ask(&paths, wrong).await;
        assert_ne!(refused.code, 0, "{wrong:?}");
        assert!(refused.err.contains(word), "{}", refused.err);
    }

    assert_eq!(ask(&paths, &["target", "pause", "berlin"]).await.code, 0);
    assert_eq!(ask(&paths, &list).await.json()["nodes"][0]["paused"], true);
    assert_eq!(
        ask(&paths, &["target", "pause", "berlin", "--resume"]).await.code,
        0
    );
    assert_eq!(ask(&paths, &list).await.json()["nodes"][0]["paused"], false);
    let file = std::fs::read_to_string(&paths.targets).unwrap();
    assert!(
        file.contains("# whose nodes these are") && file.contains(url),
        "{file}"
    );

    assert_eq!(ask(&paths, &["target", "remove", "berlin"]).await.code, 0);
    assert_eq!(ask(&paths, &list).await.json()["nodes"], serde_json::json!([]));
    let unknown = ask(&paths, &["target", "remove", "berlin"]).await;
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("berlin"), "{}", unknown.err);
    let audit = ask(&paths, &["audit", "--format", "json"]).await.json();
    let commands: Vec<&str> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["act"].as_str().unwrap())
        .collect();
    assert_eq!(
        commands,
        [
            "target add",
            "target set",
            "target set",
            "target set",
            "target set",
            "target pause",
            "target resume",
            "target remove"
        ]
    );

    stop.cancel();
    tokio::time::timeout(LONG, tasks.join_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .unwrap();
}
