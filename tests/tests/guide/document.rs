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

/// Every command line of the document's `sh` blocks, in order.
pub(crate) fn blocks(document: &'static str) -> Vec<Shown> {
    let (mut shown, mut heading, mut inside) = (Vec::new(), String::new(), Inside::Prose);
    for line in read(document).replace("\\\n", " ").lines() {
        inside = match (inside, line) {
            (Inside::Prose, "```sh") => Inside::Commands,
            (Inside::Prose, fence) if fence.starts_with("```") => Inside::Else,
            (Inside::Commands | Inside::Else, "```") => Inside::Prose,
            (Inside::Prose, title) if title.starts_with('#') => {
                title.trim_start_matches('#').trim().clone_into(&mut heading);
                Inside::Prose
            }
            (now, _) => {
                let line = without_comment(line);
                if now == Inside::Commands && !line.is_empty() {
                    shown.push(Shown {
                        document,
                        heading: heading.clone(),
                        line: line.to_owned(),
                    });
                }
                now
            }
        };
    }
    assert!(inside == Inside::Prose, "{document}: a block has no end");
    shown
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
