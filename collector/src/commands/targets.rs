//! `target add|set|pause|remove|list`.

mod load;

use std::path::Path;

use isochrone_base::names::is_one_worker;
use isochrone_planner::draft::Load;
use isochrone_planner::targets::{self, EditError, Node, NodeKind, Targets};
use isochrone_report::targets::{TargetLine, TargetsReport};

use super::{CommandContext, CommandError, Out, UsageError, WIDTH};
use crate::cli::{Format, NodeArgs, NodeChanges, TargetCommand};

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
        TargetCommand::List { format } => list(context, format, out).await,
    }
}

async fn add(context: &CommandContext, args: NodeArgs, out: &Out) -> Result<(), CommandError> {
    let name = args.node.clone();
    let edited = added(&context.targets_file, &name, keys(args)?)?;
    let odd = edited
        .node(&name)
        .map(|node| notes(node, &edited, true).join("; "));
    let loads = load::loads(context, &edited);
    adopt(context, Ok(edited), "target add", &name)?;
    out.text(format!("{name} is added; {}.\n", taken_up(context)))
        .await?;
    say_cost(&loads, &name, odd, out).await
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
    let name = changes.node.clone();
    let unset: Vec<_> = changes.unset.iter().map(|key| key.name()).collect();
    let set = changed(changes)?;
    if set.is_empty() && unset.is_empty() {
        return Err(UsageError::NothingToSet.into());
    }
    Targets::read(&context.targets_file)?; // what is wrong after this, the options say
    let edited = targets::set(&context.targets_file, &name, set, &unset).map_err(usage)?;
    let odd = edited
        .node(&name)
        .map(|node| notes(node, &edited, true).join("; "));
    let loads = load::loads(context, &edited);
    adopt(context, Ok(edited), "target set", &name)?;
    out.text(format!("{name} is changed; {}.\n", taken_up(context)))
        .await?;
    say_cost(&loads, &name, odd, out).await
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

/// What a node's checks cost it, and what is odd about it.
async fn say_cost(loads: &[Load], name: &str, odd: Option<String>, out: &Out) -> Result<(), CommandError> {
    if let Some(load) = loads.iter().find(|load| load.node == name) {
        out.text(format!("{}\n", load::sentence(load))).await?;
    }
    match odd.filter(|odd| !odd.is_empty()) {
        Some(odd) => out.text(format!("Note: {odd}.\n")).await,
        None => Ok(()),
    }
}

/// Keys and values of targets.toml, in the order they stand in.
type Keys = Vec<(&'static str, toml_edit::Value)>;

fn keys(args: NodeArgs) -> Result<Keys, CommandError> {
    let mut keys: Keys = vec![("node", args.node.clone().into()), ("kind", args.kind.into())];
    keys.extend(changed(NodeChanges {
        node: args.node,
        url: Some(args.url),
        worker: Some(args.worker),
        place: args.place,
        location: args.location,
        network: args.network,
        buckets: args.buckets,
        asset: args.asset,
        interval: args.interval,
        unset: Vec::new(),
    })?);
    Ok(keys)
}

/// The keys that the options name.
fn changed(changes: NodeChanges) -> Result<Keys, CommandError> {
    let mut keys = Keys::new();
    keys.extend(changes.url.map(|url| ("url", url.into())));
    keys.extend(changes.worker.map(|worker| ("worker", worker.into())));
    keys.extend(changes.place.map(|place| ("place", place.into())));
    if let Some(location) = changes.location {
        let (latitude, longitude) = super::probes::location(&location)?;
        keys.push(("latitude", latitude.into()));
        keys.push(("longitude", longitude.into()));
    }
    keys.extend(
        changes
            .network
            .map(|network| ("network", i64::from(network).into())),
    );
    if let Some(bucket) = changes.buckets.iter().find(|bucket| !is_bucket(bucket)) {
        let given = bucket.clone();
        return Err(UsageError::Bucket { given }.into());
    }
    if !changes.buckets.is_empty() {
        keys.push(("buckets", toml_edit::Array::from_iter(changes.buckets).into()));
    }
    keys.extend(changes.asset.map(|asset| ("asset", asset.into())));
    keys.extend(changes.interval.map(|interval| ("interval", interval.into())));
    Ok(keys)
}

/// `family:index`, two numbers.
fn is_bucket(text: &str) -> bool {
    let number = |part: &str| part.parse::<u64>().is_ok();
    text.split_once(':')
        .is_some_and(|(family, index)| number(family) && number(index))
}

async fn list(context: &CommandContext, format: Format, out: &Out) -> Result<(), CommandError> {
    let report = report(context);
    match format {
        Format::Json => out.json(&report.json()).await,
        Format::Text => out.text(report.text(WIDTH)).await,
    }
}

fn report(context: &CommandContext) -> TargetsReport {
    let targets = Targets::clone(&context.targets.borrow());
    let loads = load::loads(context, &targets);
    let probes = context.registry.list();
    let has_probe = |node: &Node| {
        let mut active = probes.iter().filter(|probe| probe.is_active());
        active.any(|probe| is_one_worker(&probe.worker, &node.worker))
    };
    let nodes = targets.nodes.iter().zip(&loads);
    let lines = nodes.map(|(node, load)| line(node, load, &targets, has_probe(node)));
    TargetsReport {
        nodes: lines.collect(),
        file: context.targets_file.display().to_string(),
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
fn notes(node: &Node, targets: &Targets, worker_has_probe: bool) -> Vec<&'static str> {
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
        notes.push("url lacks its last slash");
    }
    if node.kind == NodeKind::Argus && node.asset.is_none() {
        notes.push("no asset: only its status is checked");
    }
    if !worker_has_probe {
        notes.push("its worker has no probe");
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
}
