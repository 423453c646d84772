//! Where the next node belongs, before and after borrowed eyes come in by `import`.

use std::path::Path;

use anyhow::{Context as _, bail};
use isochrone_base::clock::Clock;
use serde_json::Value;
use tokio::sync::mpsc;

use super::eyes;
use super::story::{Story, fifteen_days};
use crate::cli::{
    BorrowedOptions, Command, CountArgs, CoverageArgs, Format, ImportCommand, RegionsArg, ReportCommand,
    ReportFormat,
};
use crate::config::Paths;
use crate::control::Answer;
use crate::terminal;

/// Asks for advice, has files of platforms taken in, and asks again.
///
/// # Errors
/// When a report or an import fails, or the eyes change nothing: then the demo has found a fault.
pub(super) async fn tell(story: &mut Story<'_>) -> anyhow::Result<()> {
    story.say("Where does the next node belong? Ten servers know little of that: first `report count` is made of their times alone.");
    let before = count(story, false).await?;
    story.say(&format!(
        "Now eyes are borrowed: {} vantages of RIPE Atlas and Globalping (simulated, as all is here) measured the nodes and {} \
         candidates. Their files come in by the command that everybody has for it, and with them three more that must not count: one private, one tagged as broken, and \
         one that lies about its place.",
        eyes::STANDING,
        eyes::CANDIDATES.len()
    ));
    let folder = story.folder().join("borrowed");
    let files = eyes::write(&folder, Clock::system().wall())?;
    let options = BorrowedOptions {
        dry_run: false,
        format: Format::Text,
    };
    let atlas = ImportCommand::Atlas {
        files: files.atlas.to_vec(),
        probes: vec![files.probes],
        options,
    };
    let globalping = ImportCommand::Globalping {
        files: vec![files.globalping],
        options,
    };
    for command in [atlas, globalping] {
        story.quote(&line(&command));
        story.quote(&shortened(&import(story.paths(), command).await?));
    }
    let after = count(story, false).await?;
    story.say("The same report, before and after:");
    let table = table(&before, &after);
    terminal::say(&format!("\n{table}\n"));
    if told(&before) == told(&after) {
        bail!("borrowed eyes changed nothing of the advice; that is a fault of Isochrone");
    }
    let without = count(story, true).await?;
    if countries(&without) != countries(&before) {
        // figures move with each second of the living mesh, these do not
        bail!("--without-borrowed gives other advice than before the import; that is a fault of Isochrone");
    }
    story.say("Both can be had at any time: `report count`, and `report count --without-borrowed` (so can `report coverage`).");
    Ok(())
}

/// Carries an import out as its command does, in a process of its own beside the collector's; what it printed.
async fn import(paths: Paths, command: ImportCommand) -> anyhow::Result<String> {
    let (answers, mut waiting) = mpsc::channel(16); // full: the import waits
    let mut printed = String::new();
    let hearing = async {
        while let Some(answer) = waiting.recv().await {
            if let Answer::Out(text) | Answer::Err(text) = answer {
                printed.push_str(&text);
            }
        }
    };
    let (code, ()) = tokio::join!(crate::import::run(paths, command, answers), hearing);
    if code != 0 {
        bail!("the import failed: {printed}");
    }
    Ok(printed)
}

/// Without a line for each target: they are all the same here.
fn shortened(printed: &str) -> String {
    let lines = printed.lines().filter(|line| !line.starts_with("  of "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// As a person types it.
fn line(command: &ImportCommand) -> String {
    let name = |path: &Path| {
        path.file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    match command {
        ImportCommand::Atlas { files, probes, .. } => {
            let files: Vec<_> = files.iter().map(|file| name(file)).collect();
            let lists: Vec<_> = probes
                .iter()
                .map(|list| format!("--probes {}", name(list)))
                .collect();
            format!(
                "$ isochrone-collector import atlas {} {}",
                files.join(" "),
                lists.join(" ")
            )
        }
        ImportCommand::Globalping { files, .. } => {
            let files: Vec<_> = files.iter().map(|file| name(file)).collect();
            format!("$ isochrone-collector import globalping {}", files.join(" "))
        }
        _ => String::new(),
    }
}

async fn count(story: &mut Story<'_>, without_borrowed: bool) -> anyhow::Result<Value> {
    let args = CountArgs {
        coverage: CoverageArgs {
            regions: RegionsArg::default(),
            imported: false,
            without_borrowed,
            window: fifteen_days(),
            weights: "people".to_owned(),
            weights_file: None,
            sites: None,
            rtt: None,
            nodes: Vec::new(),
            engine: Box::default(),
            format: ReportFormat::Json,
        },
        drop_ms: 1.0,
        add_ms: 2.0,
    };
    let (code, text) = story
        .ask(Command::Report(ReportCommand::Count(Box::new(args))))
        .await?;
    if code != 0 {
        bail!("the count failed: {text}");
    }
    let line = text.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(line.context("a report printed no JSON")?).context("a report's JSON")
}

/// Where the next node belongs.
fn next(count: &Value) -> Option<&str> {
    count["next"]["best"]["place"].as_str()
}

/// What must not be the same after as before.
fn told(count: &Value) -> (Option<&str>, Vec<&str>) {
    (next(count), countries(count))
}

fn countries(count: &Value) -> Vec<&str> {
    let all = count["unpredictable"].as_array().into_iter().flatten();
    all.filter_map(|country| country["name"].as_str()).collect()
}

/// Both beside each other.
fn table(before: &Value, after: &Value) -> String {
    let rows = [
        row(
            "people whose nearest node is known or predicted",
            before,
            after,
            |count| percent(count["known_share"].as_f64()),
        ),
        row("countries that cannot be predicted", before, after, |count| {
            let share: f64 = count["unpredictable"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|country| country["share"].as_f64())
                .sum();
            match countries(count).len() {
                0 => "none".to_owned(),
                many => format!("{many}, {} of people", percent(Some(share))),
            }
        }),
        row("today's nodes, mean ms (90 %)", before, after, |count| {
            let nodes = count["nodes"].as_u64();
            let points = count["curve"].as_array().into_iter().flatten();
            let today = points.into_iter().find(|point| point["k"].as_u64() == nodes);
            today.map_or_else(|| "unknown".to_owned(), |point| ms(point, "mean_ms"))
        }),
        row("the next city", before, after, |count| {
            next(count).unwrap_or("cannot be guessed").to_owned()
        }),
        row(
            "  ms less in the mean (90 %)",
            before,
            after,
            |count| match &count["next"]["best"] {
                Value::Null => "unknown".to_owned(),
                best => ms(best, "gain_ms"),
            },
        ),
        row("  runner-up", before, after, |count| {
            let runner = &count["next"]["runners_up"][0]["place"];
            runner.as_str().unwrap_or("none").to_owned()
        }),
        row("measuring would decide most from", before, after, |count| {
            count["measure"][0]["place"]
                .as_str()
                .unwrap_or("nowhere")
                .to_owned()
        }),
    ];
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max("before".len())
    };
    let (first, second) = (width(0), width(1));
    let line = |cells: &[String; 3]| {
        let line = format!("         {:first$}  {:second$}  {}", cells[0], cells[1], cells[2]);
        format!("{}\n", line.trim_end())
    };
    let head = [String::new(), "before".to_owned(), "after".to_owned()];
    std::iter::once(&head).chain(&rows).map(line).collect()
}

fn row(name: &str, before: &Value, after: &Value, of: impl Fn(&Value) -> String) -> [String; 3] {
    [name.to_owned(), of(before), of(after)]
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "unknown".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

fn ms(value: &Value, name: &str) -> String {
    let of = |name: &str| value[name].as_f64();
    let Some(middle) = of(name) else {
        return "unknown".to_owned();
    };
    match (of("low_ms"), of("high_ms")) {
        (Some(low), Some(high)) => format!("~{middle:.1} ({low:.1} to {high:.1})"),
        _ => format!("~{middle:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn advice_stands_beside_the_advice_before_and_what_is_not_known_says_so() {
        let before = json!({
            "known_share": 0.741, "nodes": 2, "unpredictable": [{ "name": "China", "share": 0.185 }, { "name": "Egypt", "share": 0.01 }],
            "curve": [{ "k": 1, "mean_ms": 149.0 }, { "k": 2, "mean_ms": 101.0, "low_ms": 84.5, "high_ms": 117.0 }],
            "next": null, "measure": [{ "place": "Shanghai, CN" }],
        });
        let after = json!({
            "known_share": 1.0, "nodes": 2, "unpredictable": [],
            "curve": [{ "k": 2, "mean_ms": 90.0, "low_ms": 80.0, "high_ms": 99.0 }],
            "next": { "best": { "place": "Shanghai, CN", "gain_ms": 9.0, "low_ms": 7.0, "high_ms": 11.0 }, "runners_up": [] },
            "measure": [],
        });
        let text = table(&before, &after);
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<_> = text.lines().map(words).collect();
        assert_eq!(
            lines,
            [
                "before after",
                "people whose nearest node is known or predicted 74 % 100 %",
                "countries that cannot be predicted 2, 20 % of people none",
                "today's nodes, mean ms (90 %) ~101.0 (84.5 to 117.0) ~90.0 (80.0 to 99.0)",
                "the next city cannot be guessed Shanghai, CN",
                "ms less in the mean (90 %) unknown ~9.0 (7.0 to 11.0)",
                "runner-up none none",
                "measuring would decide most from Shanghai, CN nowhere",
            ]
        );
        assert_ne!(told(&before), told(&after));
    }
}
