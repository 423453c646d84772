//! What the documents say is so: paths and tests they name exist, their links lead somewhere, and the commands
//! they show are understood by the binaries' own command lines.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use isochrone_coverage::files::{self, FileText};
use isochrone_coverage::report::{self, Options};
use isochrone_coverage::weights::Weights;
use isochrone_report::Printed as _;
use rand::SeedableRng as _;

/// Folders whose documents and sources count; build output does not.
const ROOMS: [&str; 6] = ["proto", "probe", "collector", "deploy", "tests", "docs"];
const README_COMMANDS: [&str; 2] = [
    "cargo run --release -p isochrone-collector -- up --demo",
    "cargo test --workspace",
];
/// A token of the right form: the probe's command line reads it while parsing.
const TOKEN: &str = include_str!("../../proto/src/tests/golden/token.txt");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the workspace")
        .to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below `folder` whose name ends so.
fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// The documents: those at the root and everything below docs/.
fn documents() -> Vec<PathBuf> {
    let at_root = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let mut documents: Vec<_> = at_root
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    documents.extend(files_below(&root().join("docs"), ".md"));
    assert!(documents.len() >= 6, "{documents:?}");
    documents
}

/// Text between single backticks, outside of code blocks.
fn inline_code(text: &str) -> Vec<String> {
    let mut outside = String::new();
    for (index, part) in text.split("```").enumerate() {
        if index % 2 == 0 {
            outside.push_str(part);
        }
    }
    let parts = outside.split('`').skip(1).step_by(2);
    parts.map(|part| part.replace('\n', " ")).collect()
}

/// Lines of code blocks, those that end in a backslash joined with the next.
fn block_lines(text: &str) -> Vec<String> {
    let blocks = text.split("```").skip(1).step_by(2);
    let joined = blocks.map(|block| block.replace("\\\n", " "));
    joined
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// A line as a shell would split it: quotes, and a comment that ends it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut begun) = (String::new(), None, false);
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => word.push(character),
            (None, '\'' | '"') => (quote, begun) = (Some(character), true),
            (None, '#') if word.is_empty() && !begun => break,
            (None, ' ' | '\t') => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (None, _) => word.push(character),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}

/// The command of one of our binaries in a line: after `sudo`, up to a pipe or redirection.
fn command(line: &str) -> Option<Vec<String>> {
    let mut words = words(line.trim().trim_start_matches("$ "));
    if words.first().is_some_and(|word| word == "sudo") {
        words.remove(0);
    }
    if words.first().is_some_and(|word| word == "cargo")
        && words.iter().any(|word| word == "isochrone-collector")
    {
        let after = words.iter().position(|word| word == "--")?;
        words.splice(..=after, ["isochrone-collector".to_owned()]);
    }
    let program = words.first()?.rsplit('/').next()?.to_owned();
    if !matches!(program.as_str(), "isochrone-collector" | "isochrone-probe") {
        return None;
    }
    words[0] = program;
    let end = words
        .iter()
        .position(|word| matches!(word.as_str(), "|" | ">" | ">>" | "<" | "&&" | ";" | "…"));
    words.truncate(end.unwrap_or(words.len()));
    Some(words)
}

/// Whether the real command line takes it; its complaint otherwise.
fn understood(mut words: Vec<String>) -> Result<(), String> {
    for word in &mut words {
        if word == "TOKEN" {
            TOKEN.trim().clone_into(word);
        }
    }
    let parsed = match words[0].as_str() {
        "isochrone-probe" => isochrone_probe::cli::Cli::try_parse_from(&words).map(drop),
        _ => isochrone_collector::cli::Cli::try_parse_from(&words).map(drop),
    };
    parsed.map_err(|error| error.to_string())
}

#[test]
fn readme_shows_the_two_commands_in_blocks_of_their_own() {
    let readme = read(&root().join("README.md"));
    for wanted in README_COMMANDS {
        assert!(readme.contains(&format!("```sh\n{wanted}\n```")), "{wanted}");
    }
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for document in documents() {
        let text = read(&document);
        let lines = block_lines(&text).into_iter();
        // prose names programs and half commands too: only those with something to parse, and no ellipsis
        let inline = inline_code(&text)
            .into_iter()
            .filter(|code| code.contains(' ') && !code.contains('…') && !code.contains('|'));
        for line in lines.chain(inline) {
            let Some(words) = command(&line) else { continue };
            seen += 1;
            if let Err(complaint) = understood(words) {
                wrong.push(format!("{}: {line}\n{complaint}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        seen >= 30,
        "only {seen} commands were found; is the test reading the documents?"
    );
}

#[test]
fn wrong_command_would_be_noticed() {
    let line = "sudo isochrone-collector probe invite --werker ada --site 'Berlin, DE' | less";
    let words = command(line).unwrap();
    assert_eq!(
        words[1..],
        ["probe", "invite", "--werker", "ada", "--site", "Berlin, DE"]
    );
    assert!(understood(words).unwrap_err().contains("--werker"));
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut wrong = Vec::new();
    for document in documents() {
        let text = read(&document);
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap_or_default();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = document.parent().expect("a document lies in a folder");
            let path = if file.is_empty() {
                document.clone()
            } else {
                folder.join(file)
            };
            if !path.exists() {
                wrong.push(format!("{}: {target} is not there", document.display()));
            } else if !anchor.is_empty() && !anchors(&read(&path)).contains(anchor) {
                wrong.push(format!("{}: {target} has no such heading", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The anchors that a forge makes of headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter_map(|character| match character {
            ' ' => Some('-'),
            '-' | '_' => Some(character),
            _ if character.is_alphanumeric() => Some(character),
            _ => None,
        });
        kept.collect()
    };
    headings.map(anchor).collect()
}

fn sources() -> Vec<String> {
    let files = ROOMS
        .iter()
        .flat_map(|room| files_below(&root().join(room), ".rs"));
    files.map(|path| read(&path)).collect()
}

/// A word of a document that is a test's name.
fn is_test_name(code: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    code.matches('_').count() >= 3 && code.chars().all(is_word)
}

fn is_defined(test: &str, sources: &[String]) -> bool {
    let definition = format!("fn {test}(");
    sources.iter().any(|source| source.contains(&definition))
}

/// The contract says of each section which test holds it.
#[test]
fn every_test_that_the_contract_names_exists() {
    let (text, sources) = (read(&root().join("docs/contract.md")), sources());
    let mut named: Vec<String> = inline_code(&text);
    named.retain(|code| {
        is_test_name(code)
            && !code.ends_with("_ms")
            && !code.ends_with("_samples")
            && !code.ends_with("_per_day")
            && !code.ends_with("_in_low")
            && !code.ends_with("_in_high")
    });
    assert!(named.len() >= 15, "{named:?}");
    named.retain(|test| !is_defined(test, &sources));
    assert!(named.is_empty(), "no such tests: {named:?}");
}

#[test]
fn every_path_and_test_that_the_architecture_names_exists() {
    let text = ["ARCHITECTURE.md", "docs/adding-a-kind.md"].map(|document| read(&root().join(document)));
    let sources = sources();
    let (mut paths, mut tests, mut wrong) = (0, 0, Vec::new());
    for code in text.iter().flat_map(|text| inline_code(text)) {
        let is_path = ROOMS.iter().any(|room| code.starts_with(&format!("{room}/")))
            || [".toml", ".md"].iter().any(|ending| code.ends_with(ending));
        if is_path {
            paths += 1;
            if !root().join(&code).exists() {
                wrong.push(format!("{code}: no such file or folder"));
            }
        } else if is_test_name(&code) {
            tests += 1;
            if !is_defined(&code, &sources) {
                wrong.push(format!("{code}: no such test"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(paths >= 100 && tests >= 22, "{paths} paths, {tests} tests");
}

#[test]
fn document_of_the_audit_explains_every_rule_and_no_other() {
    let text = read(&root().join("docs/audit.md"));
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("- `")).collect();
    let explained: BTreeSet<&str> = lines.iter().filter_map(|line| line.split("`:").next()).collect();
    let rules: BTreeSet<&str> = isochrone_chain::Rule::ALL.iter().map(|rule| rule.id()).collect();
    assert_eq!(explained, rules);
}

/// The picture in the README is of this example.
#[test]
fn example_of_the_readme_makes_a_report() {
    let load = |name: &str| FileText::load(&root().join("docs/example").join(name)).unwrap();
    let nodes = ["berlin", "newyork", "singapore", "saopaulo"];
    let observations = files::read(&load("sites.csv"), &load("rtt.csv"), &nodes).unwrap();
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let report = report::build(&observations, &Options::new(Weights::people()), &mut random).unwrap();
    let text = report.text(100);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    for node in nodes {
        assert!(text.contains(node), "{node} is missing in\n{text}");
    }
}
