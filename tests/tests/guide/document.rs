//! The command lines that a document shows.

use std::path::Path;

/// A command line of a document.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// The document, from the root of the workspace.
    pub(crate) document: &'static str,
    /// The heading that it stands under, without its `#`.
    pub(crate) heading: String,
    /// The line as it is printed, without what a comment says behind it.
    pub(crate) line: String,
}

/// Every command line of the document, in order: those of its `sh` blocks, and those in its text.
pub(crate) fn commands(document: &'static str) -> Vec<Shown> {
    let (mut shown, mut heading, mut inside) = (Vec::new(), String::new(), Inside::Prose);
    let mut paragraph = String::new();
    let text = read(document).replace("\\\n", " ");
    for line in text.lines().chain([""]) {
        let goes_on = inside == Inside::Prose && !line.is_empty() && !line.starts_with(['`', '#', '|']);
        if goes_on {
            paragraph.push(' ');
            paragraph.push_str(line);
            continue;
        }
        let of_row = line.strip_prefix("| ").filter(|_| inside == Inside::Prose);
        let of_row = of_row.map(|row| row.split_once(" | ").map_or("", |(_, rest)| rest));
        let mut found = inline(document, &std::mem::take(&mut paragraph));
        found.extend(inline(document, of_row.unwrap_or_default()));
        inside = match (inside, line) {
            (Inside::Prose, "```sh") => Inside::Commands,
            (Inside::Prose, fence) if fence.starts_with("```") => Inside::Else,
            (Inside::Commands | Inside::Else, "```") => Inside::Prose,
            (Inside::Commands, line) if !without_comment(line).is_empty() => {
                found.push(without_comment(line).to_owned());
                Inside::Commands
            }
            (now, _) => now,
        };
        shown.extend(found.into_iter().map(|line| Shown {
            document,
            heading: heading.clone(),
            line,
        }));
        if inside == Inside::Prose && line.starts_with('#') {
            line.trim_start_matches('#').trim().clone_into(&mut heading);
        }
    }
    assert!(inside == Inside::Prose, "{document}: a block has no end");
    shown
}

/// The commands among a text's code: what begins with a program and says what it shall do.
fn inline(document: &str, text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split('`').collect();
    assert!(parts.len() % 2 == 1, "{document}: code without an end: {text}");
    let codes = parts.into_iter().skip(1).step_by(2);
    let whole = codes.map(|code| code.split_whitespace().collect::<Vec<_>>().join(" "));
    let commands = whole.filter(|code| is_command(document, code));
    commands.collect()
}

/// Whether a reader could paste it. What names something to be filled in (NODE), or leaves something out (…), is none.
fn is_command(document: &str, code: &str) -> bool {
    const PROGRAMS: [&str; 6] = [
        "isochrone-collector",
        "isochrone-probe",
        "journalctl",
        "sudo",
        "systemctl",
        "timedatectl",
    ];
    const COMMANDS: [&str; 9] = [
        "audit", "export", "ledger", "measure", "probe", "report", "show", "status", "target",
    ];
    let mut words = code.split(' ');
    let (program, second) = (words.next().unwrap_or_default(), words.next());
    let is_open = |word: &str| word.len() > 1 && word.chars().all(|letter| letter.is_ascii_uppercase());
    if second.is_none() || code.contains('…') || code.split(' ').any(is_open) {
        return false;
    }
    let is_short = COMMANDS.contains(&program) && code.contains(" --");
    assert!(
        !is_short,
        "{document}: `{code}` has options and cannot be pasted: write the whole line"
    );
    PROGRAMS.contains(&program)
}

/// The commands of the document's tables: the code that a row begins with, where it is one of the two programs.
pub(crate) fn tables(document: &'static str) -> Vec<Shown> {
    let text = read(document);
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let codes = cells.filter_map(|rest| Some(rest.split_once('`')?.0));
    codes
        .filter(|code| code.starts_with("isochrone-"))
        .map(|code| Shown {
            document,
            heading: "Commands".to_owned(),
            line: code.to_owned(),
        })
        .collect()
}

/// A file of the workspace.
pub(crate) fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where the reader of a document is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Prose,
    Commands,
    Else,
}

/// The line up to a `#` that begins a word, as the shell reads it. (No quoted text here holds one.)
fn without_comment(line: &str) -> &str {
    let end = line.find(" #").unwrap_or(line.len());
    if line.starts_with('#') {
        ""
    } else {
        line[..end].trim_end()
    }
}
