//! docs/contract.md as data: its tables by their headings.

use std::path::{Path, PathBuf};

/// The whole document.
pub(crate) fn text() -> String {
    let path = root().join("docs/contract.md");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rows of the one table under a heading, without its head; cells without their backticks.
pub(crate) fn table(heading: &str) -> Vec<Vec<String>> {
    let rows = rows_below(&text(), heading);
    assert!(
        !rows.is_empty(),
        "docs/contract.md has no table under {heading:?}"
    );
    rows
}

/// The first column of that table.
pub(crate) fn names(heading: &str) -> Vec<String> {
    table(heading)
        .into_iter()
        .map(|mut row| row.swap_remove(0))
        .collect()
}

fn rows_below(text: &str, heading: &str) -> Vec<Vec<String>> {
    let is_heading = |line: &str| line.starts_with('#');
    let mut lines = text
        .lines()
        .skip_while(|line| !is_heading(line) || line.trim_start_matches('#').trim() != heading);
    lines.next();
    let section = lines.take_while(|line| !is_heading(line));
    let rows = section.filter(|line| line.starts_with('|')).skip(2);
    rows.map(cells).collect()
}

fn cells(row: &str) -> Vec<String> {
    let inside = row.trim().trim_matches('|');
    inside
        .split('|')
        .map(|cell| cell.trim().replace('`', ""))
        .collect()
}

#[test]
fn table_is_found_under_its_heading_and_ends_at_the_next() {
    let text = "# A\n## b.toml\nwords\n\n| key | type |\n|---|---|\n| `x` | text |\n| `y` | list of text |\n\n## C\n| k |\n|-|\n| z |\n";
    assert_eq!(rows_below(text, "b.toml"), [["x", "text"], ["y", "list of text"]]);
    assert_eq!(rows_below(text, "C"), [["z"]]);
    assert!(rows_below(text, "D").is_empty());
}
