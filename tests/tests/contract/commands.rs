//! Commands and their options: what `-h` of the built programs says, and what the document says.

use std::collections::BTreeSet;
use std::process::Command;

use isochrone_tests::programs::program;

use crate::book;

/// One argument or option of a command: command, name, values, default. A command without any has one line too.
type Line = [String; 4];

#[test]
fn commands_and_options_of_the_collector_are_the_listed_ones() {
    compare("isochrone-collector");
}

#[test]
fn commands_and_options_of_the_probe_are_the_listed_ones() {
    compare("isochrone-probe");
}

fn compare(program: &str) {
    let mut found = BTreeSet::new();
    walk(program, &[], &mut found);
    let listed: BTreeSet<Line> = book::table(program)
        .into_iter()
        .map(|row| row.try_into().expect("command, argument, value, default"))
        .collect();
    let rows = |lines: Vec<&Line>| {
        let row = |line: &Line| format!("| {} |", line.each_ref().map(|cell| quoted(cell)).join(" | "));
        lines.into_iter().map(row).collect::<Vec<_>>().join("\n")
    };
    let (missing, gone) = (
        rows(found.difference(&listed).collect()),
        rows(listed.difference(&found).collect()),
    );
    assert!(
        missing.is_empty() && gone.is_empty(),
        "docs/contract.md, {program}: not listed:\n{missing}\nlisted, but not so:\n{gone}"
    );
}

/// A cell as the document writes it.
fn quoted(cell: &str) -> String {
    match cell {
        "" | "required" => cell.to_owned(),
        cell => format!("`{cell}`"),
    }
}

/// Asks a command for its help, and then each command below it.
fn walk(name: &str, path: &[String], found: &mut BTreeSet<Line>) {
    let help = help(name, path);
    let below = section(&help, "Commands:");
    let usage = help
        .lines()
        .find_map(|line| line.strip_prefix("Usage:"))
        .expect("a line of usage");
    let command = path.join(" ");
    let mut is_bare = below.is_empty();
    for entry in [section(&help, "Arguments:"), section(&help, "Options:")].concat() {
        let (name, value) = spelled(&entry);
        if name.contains("--help") || name.contains("--version") {
            continue; // every command has them
        }
        is_bare = false;
        let values = bracketed(&entry, "possible values: ")
            .or(value)
            .unwrap_or_default();
        let default = bracketed(&entry, "default: ");
        let required = || is_required(usage, &name).then(|| "required".to_owned());
        let default = default.or_else(required).unwrap_or_default();
        // a bar would end the cell
        found.insert([command.clone(), name, values.replace('|', " / "), default]);
    }
    if is_bare {
        found.insert([command, String::new(), String::new(), String::new()]);
    }
    for entry in below {
        let name_below = entry.split_whitespace().next().expect("a name").to_owned();
        if name_below != "help" {
            walk(name, &[path, &[name_below]].concat(), found);
        }
    }
}

fn help(name: &str, path: &[String]) -> String {
    let output = Command::new(program(name)).args(path).arg("-h").output().unwrap();
    assert!(output.status.success(), "{name} {path:?} -h: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The entries of a section of the help, each on one line: what is indented further belongs to the line before.
fn section(help: &str, title: &str) -> Vec<String> {
    const INDENT_MAX: usize = 6; // of a name; descriptions that were wrapped stand further right
    let lines = help.lines().skip_while(|line| *line != title).skip(1);
    let mut entries: Vec<String> = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let indent = line.len() - line.trim_start().len();
        match entries.last_mut() {
            Some(entry) if indent > INDENT_MAX => *entry += &format!(" {}", line.trim()),
            _ => entries.push(line.trim().to_owned()),
        }
    }
    entries
}

/// Name and value of an argument: `-4, --ipv4`, `--site <CITY, CC>`, `<NODE>`, `[NODE]`.
fn spelled(entry: &str) -> (String, Option<String>) {
    let names: Vec<&str> = entry
        .split_whitespace()
        .take_while(|word| word.starts_with('-'))
        .collect();
    let after = names.last().map_or(entry, |name| {
        let (_, after) = entry.split_once(name).expect("it is from there");
        after.trim_start()
    });
    let may_be_left_out = after.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let value = after.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    let value = value.or(may_be_left_out.filter(|_| names.is_empty()));
    let value = value.map(|(value, _)| value.to_owned());
    match names.is_empty() {
        true => (value.expect("an argument is in brackets"), None),
        false => (names.join(" "), value),
    }
}

/// What stands in `[label …]`.
fn bracketed(entry: &str, label: &str) -> Option<String> {
    let (_, rest) = entry.split_once(&format!("[{label}"))?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// Whether the usage names it outside of square brackets.
fn is_required(usage: &str, name: &str) -> bool {
    let wanted = |word: &str| word == name || word == format!("<{name}>");
    usage.split_whitespace().any(wanted)
}
