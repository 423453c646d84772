//! `target add|set|pause|remove|list`.

mod approve;

use std::path::Path;
use std::time::Duration;

use isochrone_base::names::is_one_worker;
use isochrone_base::place;
use isochrone_planner::draft::Load;
use isochrone_planner::pace::Pace;
use isochrone_planner::targets::{self, EditError, Node, NodeKind, Targets};
use isochrone_report::targets::{CandidateLine, TargetLine, TargetsReport};

use super::load::Loads;
use super::{CommandContext, CommandError, Out, UsageError, WIDTH, load};
use crate::cli::{Format, NodeArgs, NodeChanges, NodeFacts, TargetCommand};
use crate::plan_notices;

pub(super) async fn carry_out(
    context: &CommandContext,
    command: TargetCommand,
    out: &Out,
) -> Result<(), CommandError> {
    match command {
        TargetCommand::Add(args) => add(context, args, out).await,
        TargetCommand::Set(changes) => set(context, *changes, out).await,
        TargetCommand::Pause { node, resume } => {
            let edited = targets::set_paused(&context.targets_file, &node, !resume);
            adopt(
                context,
                edited,
                if resume { "target resume" } else { "target pause" },
                &node,
            )?;
            let text = if resume {
                "is checked again"
            } else {
                "is paused: nobody checks it, and nobody is paged"
            };
            out.text(format!("{node} {text}.\n")).await
        }
        TargetCommand::Remove { node } => {
            let edited = targets::remove(&context.targets_file, &node);
            adopt(context, edited, "target remove", &node)?;
            out.text(format!(
                "{node} is removed; what was measured stays in the store.\n"
            ))
            .await
        }
        TargetCommand::Approve { node, worker, name } => {
            approve::carry_out(context, node.as_deref(), (worker, name), out).await
        }
        TargetCommand::List { format } => list(context, format, out).await,
    }
}

async fn add(context: &CommandContext, args: NodeArgs, out: &Out) -> Result<(), CommandError> {
    let name = args.node.clone();
    add_keys(context, &name, keys(args)?, "target add", out).await
}

/// Adds a node of these keys.
async fn add_keys(
    context: &CommandContext,
    name: &str,
    keys: Keys,
    action: &str,
    out: &Out,
) -> Result<(), CommandError> {
    let edited = added(&context.targets_file, name, keys)?;
    let cost = cost(context, &edited, name);
    adopt(context, Ok(edited), action, name)?;
    out.text(format!("{name} is added; {}.\n{cost}", taken_up(context)))
        .await
}

/// Adds a node. Where the file was sound before, what is wrong after it is what the options say.
fn added(
    file: &Path,
    name: &str,
    keys: Vec<(&'static str, toml_edit::Value)>,
) -> Result<Targets, CommandError> {
    let before = Targets::read(file)?;
    if before.node(name).is_some() {
        let name = name.to_owned();
        return Err(CommandError::NodeNameTaken { name });
    }
    targets::add(file, keys).map_err(usage)
}

/// Takes an edit up and logs it.
fn adopt(
    context: &CommandContext,
    edited: Result<Targets, EditError>,
    action: &str,
    node: &str,
) -> Result<(), CommandError> {
    let edited = edited?;
    context.take_targets(edited);
    let noted = context.registry.note(&context.actor, action, node.to_owned());
    noted.map_err(|source| CommandError::Unlogged {
        file: context.targets_file.clone(),
        source,
    })
}

/// Changes a node, and says what it costs now.
async fn set(context: &CommandContext, changes: NodeChanges, out: &Out) -> Result<(), CommandError> {
    let name = changes.node;
    let mut unset: Vec<_> = changes.unset.iter().map(|key| key.name()).collect();
    if changes.facts.place.is_some() && changes.facts.location.is_none() {
        unset.extend(["latitude", "longitude"]); // those of the place before
    }
    let mut set = keys_of(changes.facts)?;
    set.extend(changes.url.map(|url| ("url", url.into())));
    set.extend(changes.worker.map(|worker| ("worker", worker.into())));
    if set.is_empty() && unset.is_empty() {
        return Err(UsageError::NothingToSet.into());
    }
    Targets::read(&context.targets_file)?; // what is wrong after this, the options say
    let edited = targets::set(&context.targets_file, &name, set, &unset).map_err(usage)?;
    let cost = cost(context, &edited, &name);
    adopt(context, Ok(edited), "target set", &name)?;
    out.text(format!("{name} is changed; {}.\n{cost}", taken_up(context)))
        .await
}

/// What an edit that the options made wrong is.
fn usage(error: EditError) -> CommandError {
    match error {
        EditError::Targets(error) => UsageError::Node(error).into(),
        other => other.into(),
    }
}

/// From when on an edit counts.
fn taken_up(context: &CommandContext) -> &'static str {
    if context.views.is_some() {
        "the probes check it so from their next plan on"
    } else {
        "no collector runs here now, so it counts once one does"
    }
}

/// What a node's checks cost it, whose plan has no room for them, and what is odd about it: a line each.
fn cost(context: &CommandContext, targets: &Targets, name: &str) -> String {
    let Some(node) = targets.node(name) else {
        return String::new();
    };
    let loads = load::loads(context, targets);
    let load = loads.nodes.iter().find(|load| load.node == node.name);
    let mut lines: Vec<String> = load
        .map(|load| load::sentence(load, node.paused))
        .into_iter()
        .collect();
    let full = plan_notices::left_out(&load::left_out(context, targets));
    lines.extend(full.map(|full| format!("Note: {full}")));
    let odd = notes(node, targets, true).join("; ");
    if !odd.is_empty() {
        lines.push(format!("Note: {odd}."));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Keys and values of targets.toml, in the order they stand in.
type Keys = Vec<(&'static str, toml_edit::Value)>;

fn keys(args: NodeArgs) -> Result<Keys, CommandError> {
    let mut keys: Keys = vec![
        ("node", args.node.into()),
        ("kind", args.kind.into()),
        ("url", args.url.into()),
        ("worker", args.worker.into()),
    ];
    keys.extend(keys_of(args.facts)?);
    Ok(keys)
}

fn keys_of(facts: NodeFacts) -> Result<Keys, CommandError> {
    let mut keys = Keys::new();
    if let Some(place) = facts.place {
        if facts.location.is_none() {
            place::check_clear(&place).map_err(UsageError::UnclearPlace)?;
        }
        keys.push(("place", place.into()));
    }
    if let Some(location) = facts.location {
        let (latitude, longitude) = super::probes::location(&location)?;
        keys.push(("latitude", latitude.into()));
        keys.push(("longitude", longitude.into()));
    }
    let network = facts.network.map(i64::from);
    keys.extend(network.map(|network| ("network", network.into())));
    if let Some(bucket) = facts.buckets.iter().find(|bucket| !is_bucket(bucket)) {
        let given = bucket.clone();
        return Err(UsageError::Bucket { given }.into());
    }
    if !facts.buckets.is_empty() {
        keys.push(("buckets", toml_edit::Array::from_iter(facts.buckets).into()));
    }
    keys.extend(facts.asset.map(|asset| ("asset", asset.into())));
    keys.extend(facts.interval.map(|interval| ("interval", interval.into())));
    Ok(keys)
}

/// `family:index`, two numbers.
fn is_bucket(text: &str) -> bool {
    let number = |part: &str| part.parse::<u64>().is_ok();
    text.split_once(':')
        .is_some_and(|(family, index)| number(family) && number(index))
}

async fn list(context: &CommandContext, format: Format, out: &Out) -> Result<(), CommandError> {
    let targets = Targets::clone(&context.targets.borrow());
    let loads = load::loads(context, &targets);
    let probes = context.registry.list();
    let active = probes.iter().filter(|probe| probe.is_active());
    let workers: Vec<&str> = active.map(|probe| probe.worker.as_str()).collect();
    print(
        &report(&targets, &loads, &workers, &context.targets_file),
        format,
        out,
    )
    .await
}

/// `target list` where no collector has run yet: what the file says, and no load.
pub(super) async fn list_of_file(
    (targets, file): (&Targets, &Path),
    pace: Pace,
    format: Format,
    out: &Out,
) -> Result<(), CommandError> {
    let loads = load::loads_of_none(targets, pace);
    print(&report(targets, &loads, &[], file), format, out).await
}

async fn print(report: &TargetsReport, format: Format, out: &Out) -> Result<(), CommandError> {
    match format {
        Format::Json => out.json(&report.json()).await,
        Format::Text => out.text(report.text(WIDTH)).await,
    }
}

/// The list. `workers`: who has a probe in the mesh.
fn report(targets: &Targets, loads: &Loads, workers: &[&str], file: &Path) -> TargetsReport {
    let has_probe = |node: &Node| workers.iter().any(|worker| is_one_worker(worker, &node.worker));
    let nodes = targets.nodes.iter().zip(&loads.nodes);
    let lines = nodes.map(|(node, load)| line(node, load, targets, has_probe(node)));
    let candidates = targets.candidates.iter().zip(&loads.candidates);
    let candidates = candidates.map(|(candidate, load)| CandidateLine {
        name: candidate.name.clone(),
        url: candidate.url.to_string(),
        place: candidate.place.clone(),
        latitude: candidate.latitude,
        longitude: candidate.longitude,
        country: candidate.country.clone(),
        vantages: load.vantages,
        connect_interval: Duration::from_millis(load.interval_ms.into()),
    });
    TargetsReport {
        nodes: lines.collect(),
        candidates: candidates.collect(),
        file: file.display().to_string(),
    }
}

fn line(node: &Node, load: &Load, targets: &Targets, worker_has_probe: bool) -> TargetLine {
    TargetLine {
        name: node.name.clone(),
        kind: kind(node),
        url: node.url.to_string(),
        worker: node.worker.clone(),
        place: node.place.clone(),
        latitude: node.latitude,
        longitude: node.longitude,
        country: node.country.clone(),
        network: node.network,
        buckets: node.buckets.clone(),
        asset: node.asset.clone(),
        interval: node.interval,
        paused: node.paused,
        lacks_slash: node.lacks_slash,
        worker_has_probe,
        notes: notes(node, targets, worker_has_probe),
        load: load::told(load),
    }
}

fn kind(node: &Node) -> &'static str {
    match node.kind {
        NodeKind::Argus => "argus",
        NodeKind::Http => "http",
    }
}

/// What is odd about it.
fn notes(node: &Node, targets: &Targets, worker_has_probe: bool) -> Vec<String> {
    let plain = plain_notes(node, targets, worker_has_probe);
    let misfit = place::misfit(&node.place, node.latitude, node.longitude);
    let notes = plain.into_iter().map(str::to_owned);
    notes.chain(misfit).chain(namesakes(node)).collect()
}

/// Its city was found by its name, and others are called so.
fn namesakes(node: &Node) -> Option<String> {
    let found = place::find(&node.place).ok()?;
    let is_found_so = (found.latitude, found.longitude) == (node.latitude, node.longitude);
    (is_found_so && found.namesakes > 0).then(|| {
        let (place, cities) = (&node.place, found.namesakes + 1);
        format!("{place} is taken to be the largest of {cities} cities of that name; give latitude and longitude if another is meant")
    })
}

fn plain_notes(node: &Node, targets: &Targets, worker_has_probe: bool) -> Vec<&'static str> {
    let mut notes = Vec::new();
    if is_private(node) {
        notes.push("a private address: only probes whose own probe.toml allows it (allow_private) check it");
    }
    if targets
        .nodes
        .iter()
        .any(|other| other.name != node.name && other.url == node.url)
    {
        notes.push("another node has the same url");
    }
    if node.paused {
        notes.push("paused");
    }
    if node.lacks_slash {
        notes.push("its url was written without its last slash, which is added");
    }
    if node.kind == NodeKind::Argus && node.asset.is_none() {
        notes.push("no asset: only its status is checked");
    }
    if !worker_has_probe {
        notes.push("its worker has no probe: no harm to its checks, which are other workers' to make");
    }
    notes
}

/// An address, not a name, that leads nowhere in the public internet.
fn is_private(node: &Node) -> bool {
    match node.url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_that_cannot_be_is_wrong_usage_and_a_broken_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("targets.toml");
        let add = |url: &str| {
            let keys = [
                ("node", "berlin"),
                ("kind", "http"),
                ("url", url),
                ("worker", "ada"),
                ("place", "Berlin, DE"),
            ];
            added(&file, "berlin", keys.map(|(key, text)| (key, text.into())).into())
        };
        let error = add("ftp://node.example.org/").unwrap_err();
        assert!(
            matches!(&error, CommandError::Usage(wrong) if wrong.to_string().contains("ftp://")),
            "{error}"
        );
        add("https://node.example.org/").unwrap();
        let nowhere = [
            ("node", "oslo"),
            ("kind", "http"),
            ("url", "https://o/"),
            ("worker", "ada"),
        ];
        let nowhere = nowhere.map(|(key, text)| (key, text.into())).into();
        let error = added(&file, "oslo", nowhere).unwrap_err();
        assert_eq!(
            error.to_string(),
            "node \"oslo\": say where it stands: --place 'City, CC', or --location LAT,LON",
            "and no line of a file that nobody wrote"
        );
        let twice = add("https://node.example.org/").unwrap_err();
        assert!(
            matches!(&twice, CommandError::NodeNameTaken { name } if name == "berlin"),
            "{twice}"
        );
        std::fs::write(&file, "[[node]]\nnode = 1\n").unwrap();
        let error = add("https://node.example.org/").unwrap_err();
        assert!(matches!(error, CommandError::Targets(_)), "{error}");
    }

    #[test]
    fn what_is_odd_about_a_node_is_noted() {
        let text = r#"
            [[node]]
            node = "here"
            kind = "http"
            url = "http://127.0.0.1:8080/"
            worker = "ada"
            place = "Berlin, DE"
            [[node]]
            node = "there"
            kind = "http"
            url = "http://127.0.0.1:8080/"
            worker = "ada"
            place = "Berlin, DE"
            [[node]]
            node = "fine"
            kind = "http"
            url = "https://node.example.org/"
            worker = "ada"
            place = "Berlin, DE"
        "#;
        let targets = Targets::parse(text, Path::new("targets.toml")).unwrap();
        let noted = |name: &str| notes(targets.node(name).unwrap(), &targets, true).join("; ");
        assert!(noted("here").contains("private address") && noted("here").contains("same url"));
        assert_eq!(noted("fine"), "");
        let slip = text.replace(
            "node = \"fine\"",
            "node = \"slip\"\nlatitude = 13.4\nlongitude = 52.5",
        );
        let targets = Targets::parse(&slip, Path::new("targets.toml")).unwrap();
        let noted = notes(targets.node("slip").unwrap(), &targets, true).join("; ");
        assert!(noted.contains("swapped"), "{noted}");
        let argus = text
            .replace("\"http\"", "\"argus\"")
            .replace("node.example.org/", "node.example.org/d");
        let targets = Targets::parse(&argus, Path::new("targets.toml")).unwrap();
        let noted = notes(targets.node("fine").unwrap(), &targets, true).join("; ");
        assert!(noted.contains("last slash"), "{noted}");
        for (bucket, fits) in [
            ("0:0", true),
            ("12:7", true),
            ("x", false),
            ("1:", false),
            ("1:2:3", false),
        ] {
            assert_eq!(is_bucket(bucket), fits, "{bucket}");
        }
    }

    #[test]
    fn place_that_may_be_several_cities_asks_which() {
        let args = |place: &str, location: Option<&str>| NodeArgs {
            node: "springfield".to_owned(),
            url: "https://node.example.org/".to_owned(),
            worker: "ada".to_owned(),
            kind: "argus".to_owned(),
            facts: NodeFacts {
                place: Some(place.to_owned()),
                location: location.map(str::to_owned),
                ..NodeFacts::default()
            },
        };
        let error = keys(args("Springfield, US", None)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let error = error.to_string();
        assert!(
            error.contains("may be any of") && error.contains("--location"),
            "{error}"
        );
        assert!(keys(args("Springfield, US", Some("42.10,-72.59"))).is_ok());
        assert!(keys(args("Berlin, DE", None)).is_ok());
    }
}
