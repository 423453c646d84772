//! The demo's figures from Elasticsearch, held against the store's.

use anyhow::{Context as _, bail};
use isochrone_base::clock::{Clock, monotonic};
use isochrone_base::words::{self, rfc3339};
use serde_json::Value;
use tokio::time::{Duration, sleep};
use url::Url;

use super::story::Story;
use crate::cli::{
    Command, CoverageArgs, Format, LocateArgs, RegionsArg, ReportCommand, ReportFormat, WindowArgs,
};

/// What its indices begin with: never those of a group.
const PREFIX: &str = "isochrone-demo";
/// The last of it is not compared: it is still coming in.
const SETTLED: Duration = Duration::from_secs(20);
/// How long Elasticsearch may take for all of it: it has two processors less than it would like.
const PATIENCE: Duration = Duration::from_secs(600);
/// A part of it that is quickly read again and again.
const NEWEST: Duration = Duration::from_secs(60);
/// What the demo's past holds, and its present: more than a million documents, read for each report. A debug build takes
/// a day of them.
const DAYS: u64 = if cfg!(debug_assertions) { 1 } else { 15 };

/// What stands in the collector's configuration.
pub(super) fn toml(url: &Url) -> String {
    format!("\n[elasticsearch]\nurls = [\"{url}\"]\nprefix = \"{PREFIX}\"\n")
}

/// Waits until all is there, and compares every report, field by field.
pub(super) async fn tell(story: &mut Story<'_>, url: &Url) -> anyhow::Result<()> {
    story.say(&format!(
        "All of it went to Elasticsearch at {}, too, as {PREFIX}-*: the same reports, read from there.",
        named(url)
    ));
    let until = Clock::system().wall().minus(SETTLED);
    let window = |from: Option<&str>| WindowArgs {
        since: None,
        from: from
            .into_iter()
            .map(str::to_owned)
            .chain([rfc3339(until.minus(Duration::from_secs(DAYS * 86_400)))])
            .collect(),
        to: Some(rfc3339(until)),
    };
    // what is sent goes in order: once the newest of it is there, all of it is
    let newest = WindowArgs {
        from: vec!["elasticsearch".to_owned(), rfc3339(until.minus(NEWEST))],
        ..window(None)
    };
    there(story, "locate", &newest).await?;
    let mut rows = Vec::new();
    let mut fields = 0;
    for name in ["nodes", "show tokyo", "coverage", "locate"] {
        let (ours, mut elsewhere) = both(story, name, &window).await?;
        let held = elsewhere
            .as_object_mut()
            .and_then(|report| report.remove("elasticsearch"));
        if let Some(path) = first_difference("", &ours, &elsewhere) {
            bail!(
                "{name}{path} is not the same from the store and from Elasticsearch ({held:?}); that is a fault of Isochrone"
            );
        }
        fields += count(&ours);
        rows.extend(figures(name, &ours, &elsewhere));
    }
    story.quote(&table(&rows));
    story.say(&format!(
        "Equal: {fields} fields of `report nodes`, `show tokyo`, `report coverage` and `locate`, over {} up to {}.",
        words::count(DAYS as usize, "day"),
        rfc3339(until)
    ));
    Ok(())
}

/// A report from the store and from Elasticsearch. Both take clocks, addresses and told incidents from the store as it
/// is then, and these still move at first: the store is asked before and after, until it says the same twice.
async fn both(
    story: &mut Story<'_>,
    name: &str,
    window: &impl Fn(Option<&str>) -> WindowArgs,
) -> anyhow::Result<(Value, Value)> {
    let began = monotonic();
    loop {
        let before = json(story, command(name, window(None))).await?;
        let elsewhere = there(story, name, &window(Some("elasticsearch"))).await?;
        let after = json(story, command(name, window(None))).await?;
        let Some(moved) = first_difference("", &before, &after) else {
            return Ok((after, elsewhere));
        };
        if began.elapsed() > PATIENCE {
            bail!("the store's own {name} does not come to rest: {moved} still moves");
        }
    }
}

/// A report from Elasticsearch, once nothing of its window waits to be sent.
async fn there(story: &mut Story<'_>, name: &str, window: &WindowArgs) -> anyhow::Result<Value> {
    let began = monotonic();
    loop {
        let (code, text) = story.ask(command(name, window.clone())).await?;
        let report = match code {
            0 => read(&text)?,
            _ => Value::Null, // nothing was sent yet, perhaps
        };
        if report["elasticsearch"]["unsent"] == 0 {
            return Ok(report);
        }
        if began.elapsed() > PATIENCE {
            bail!(
                "waited {} s for Elasticsearch to have all of it, in vain: {text}",
                PATIENCE.as_secs()
            );
        }
        story.revive().await?;
        sleep(Duration::from_secs(1)).await;
    }
}

async fn json(story: &mut Story<'_>, command: Command) -> anyhow::Result<Value> {
    let (code, text) = story.ask(command).await?;
    if code != 0 {
        bail!("a report failed: {text}");
    }
    read(&text)
}

/// The report among what was printed: notes may stand beside it.
fn read(text: &str) -> anyhow::Result<Value> {
    let line = text.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(line.context("a report printed no JSON")?).context("a report's JSON")
}

fn command(name: &str, window: WindowArgs) -> Command {
    let format = ReportFormat::Json;
    match name {
        "nodes" => Command::Report(ReportCommand::Nodes {
            window,
            without_borrowed: false,
            format,
        }),
        "coverage" => Command::Report(ReportCommand::Coverage(Box::new(CoverageArgs {
            regions: RegionsArg::default(),
            imported: false,
            without_borrowed: false,
            window,
            weights: "people".to_owned(),
            weights_file: None,
            sites: None,
            rtt: None,
            nodes: Vec::new(),
            engine: Box::default(),
            format,
        }))),
        "locate" => Command::Locate(Box::new(LocateArgs {
            window,
            format,
            ..LocateArgs::default()
        })),
        _ => Command::Show {
            node: "tokyo".to_owned(),
            window,
            format: Format::Json,
        },
    }
}

/// Without an account, should somebody have put one in.
fn named(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}://{host}:{port}", url.scheme())
}

/// The path of the first field that differs.
fn first_difference(path: &str, ours: &Value, theirs: &Value) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(one), Value::Object(other)) => {
            let keys = one.keys().chain(other.keys());
            keys.into_iter().find_map(|key| {
                let (one, other) = (one.get(key), other.get(key));
                let path = format!("{path}.{key}");
                match (one, other) {
                    (Some(one), Some(other)) => first_difference(&path, one, other),
                    _ => Some(path),
                }
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(at, (one, other))| first_difference(&format!("{path}[{at}]"), one, other))
        }
        (one, other) => (one != other).then(|| format!("{path}: {one} and {other}")),
    }
}

/// How many values a report holds.
fn count(report: &Value) -> usize {
    match report {
        Value::Object(fields) => fields.values().map(count).sum(),
        Value::Array(values) => values.iter().map(count).sum(),
        _ => 1,
    }
}

/// A figure, and what the store and Elasticsearch say of it.
type Row = (String, String, String);

/// A few of a report, for people.
fn figures(name: &str, ours: &Value, theirs: &Value) -> Vec<Row> {
    let row = |what: &str, of: &dyn Fn(&Value) -> String| (what.to_owned(), of(ours), of(theirs));
    let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
    match name {
        "nodes" => {
            let checks = |report: &Value| {
                let days = list(&report["nodes"])
                    .into_iter()
                    .flat_map(|node| list(&node["days"]));
                let checks: u64 = days.filter_map(|day| day["checks"].as_u64()).sum();
                checks.to_string()
            };
            let outages = |report: &Value| {
                let outages = list(&report["nodes"])
                    .into_iter()
                    .map(|node| list(&node["outages"]).len());
                outages.sum::<usize>().to_string()
            };
            let up = |report: &Value| {
                let of_tokyo = list(&report["nodes"])
                    .into_iter()
                    .find(|node| node["node"] == "tokyo");
                let share = of_tokyo.and_then(|node| node["availability"]["share"].as_f64());
                share.map_or_else(|| "-".to_owned(), |share| format!("{:.4} %", share * 100.0))
            };
            vec![
                row("checks of nodes", &checks),
                row("outages", &outages),
                row("tokyo was up", &up),
            ]
        }
        "coverage" => {
            let within = |report: &Value| {
                let shares = list(&report["shares"]);
                let first = shares
                    .first()
                    .map(|share| (share["budget_ms"].clone(), share["in"].as_f64()));
                let (budget, share) = first.unwrap_or_default();
                share.map_or_else(
                    || "-".to_owned(),
                    |share| format!("{:.3} % in {budget} ms", share * 100.0),
                )
            };
            vec![row("people, measured", &within)]
        }
        "locate" => {
            let suspects = |report: &Value| {
                let names = list(&report["suspects"]).into_iter();
                let names: Vec<String> = names
                    .filter_map(|name| name.as_str().map(str::to_owned))
                    .collect();
                names.join(", ")
            };
            vec![row("place does not fit", &suspects)]
        }
        _ => {
            let failures = |report: &Value| {
                let failures = list(&report["failures"]).into_iter();
                let failures: u64 = failures.filter_map(|failure| failure["count"].as_u64()).sum();
                failures.to_string()
            };
            vec![row("failures of tokyo", &failures)]
        }
    }
}

fn table(rows: &[Row]) -> String {
    let head = ("".to_owned(), "store".to_owned(), "Elasticsearch".to_owned());
    let lines = std::iter::once(&head).chain(rows);
    let lines = lines.map(|(what, ours, theirs)| format!("{what:<20} {ours:>22} {theirs:>22}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn first_difference_is_named_wherever_it_is() {
        let one = json!({ "a": [1, { "b": null }], "c": 2 });
        assert_eq!(first_difference("", &one, &one), None);
        assert_eq!(count(&one), 3);
        for (other, path) in [
            (json!({ "a": [1, { "b": 3 }], "c": 2 }), ".a[1].b: null and 3"),
            (json!({ "a": [1], "c": 2 }), ".a: "),
            (json!({ "a": [1, { "b": null }] }), ".c"),
            (json!({ "a": [1, { "b": null }], "c": 2, "d": 0 }), ".d"),
        ] {
            let found = first_difference("", &one, &other).unwrap();
            assert!(found.starts_with(path), "{found}");
        }
    }

    #[test]
    fn configuration_is_read_back_and_its_indices_are_no_groups() {
        let url: Url = "http://127.0.0.1:9200".parse().unwrap();
        let text = toml(&url);
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["elasticsearch"]["prefix"].as_str(), Some(PREFIX));
        assert_ne!(PREFIX, isochrone_elastic::Prefix::default().as_str());
        assert_eq!(
            named(&"https://u:p@es:9200/x".parse().unwrap()),
            "https://es:9200"
        );
    }

    #[test]
    fn report_is_found_beside_notes() {
        assert_eq!(read("note: x\n{\"a\":1}\n").unwrap()["a"], 1);
        assert!(read("note: x\n").is_err());
    }
}
