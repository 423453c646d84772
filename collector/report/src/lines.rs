//! Text no wider than a terminal, or the same as Markdown.

use crate::characters::{escape, shown};
use crate::prose;
use crate::tables::Table;

/// Narrower than this, tables cannot be read.
const NARROWEST: usize = 60;

/// What was written so far.
#[derive(Debug)]
pub struct Lines {
    /// `None`: Markdown, which has no width.
    width: Option<usize>,
    lines: Vec<String>,
}

impl Lines {
    /// Lines no wider than `width` (at least 60).
    #[must_use]
    pub(crate) fn text(width: usize) -> Self {
        let (width, lines) = (Some(width.max(NARROWEST)), Vec::new());
        Self { width, lines }
    }

    /// Lines that are escaped and never broken.
    #[must_use]
    pub fn markdown() -> Self {
        let (width, lines) = (None, Vec::new());
        Self { width, lines }
    }

    /// Whether it has no width.
    #[must_use]
    pub(crate) fn is_markdown(&self) -> bool {
        self.width.is_none()
    }

    /// A heading; 1 is the document's.
    pub fn heading(&mut self, level: usize, text: &str) {
        match self.width {
            Some(_) => self.wrapped(text),
            None => self.paragraph(&format!("{} {}", "#".repeat(level), escape(&shown(text)))),
        }
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.lines.push(String::new());
    }

    /// A paragraph.
    pub fn wrapped(&mut self, text: &str) {
        match self.width {
            Some(_) => self.hung("", "", text),
            None => self.paragraph(&prose::markdown(text)),
        }
    }

    /// An item of a list.
    pub(crate) fn item(&mut self, text: &str) {
        self.marked("- ", text);
    }

    /// A paragraph behind a mark, its further lines below its first word.
    pub(crate) fn marked(&mut self, mark: &str, text: &str) {
        match self.width {
            Some(_) => self.hung(mark, &" ".repeat(mark.chars().count()), text),
            None => self.lines.push(format!("{mark}{}", prose::markdown(text))),
        }
    }

    /// A line as it is, its blanks kept.
    pub fn verbatim(&mut self, line: impl AsRef<str>) {
        self.lines.push(shown(line.as_ref()));
    }

    /// A paragraph below an item of a list.
    pub(crate) fn hung_below(&mut self, text: &str) {
        match self.width {
            Some(_) => self.hung("  ", "  ", text),
            None => self.lines.push(format!("  {}", prose::markdown(text))),
        }
    }

    /// Lines of a program or a file, as they are.
    pub(crate) fn code(&mut self, text: &str) {
        let fence = self.width.is_none().then_some("```");
        let lines = text.lines().map(shown);
        self.lines.extend(fence.map(str::to_owned));
        self.lines.extend(lines);
        self.lines.extend(fence.map(str::to_owned));
    }

    /// A table, and how many of its rows are left out.
    pub(crate) fn table(&mut self, table: &Table) {
        match self.width {
            Some(width) => self.lines.extend(table.text(width)),
            None => {
                self.blank();
                self.lines.extend(table.markdown());
                self.blank();
            }
        }
        if let Some(more) = table.more() {
            self.wrapped(&more);
        }
    }

    /// Tables of one report that show the same columns: where one of them would be too wide, all are without the spare
    /// ones, and a sentence says so.
    pub(crate) fn alike(&mut self, mut tables: Vec<Table>) -> Vec<Table> {
        let Some(width) = self.width else {
            return tables;
        };
        if tables.iter().all(|table| table.fits(width)) {
            return tables;
        }
        let mut left_out: Vec<String> = tables.iter_mut().flat_map(Table::without_spare).collect();
        left_out.sort_unstable();
        left_out.dedup();
        if !left_out.is_empty() {
            let columns = left_out.join(", ");
            self.blank();
            self.wrapped(&format!(
                "Left out of the tables below, which would be too wide with it: {columns}. See --format json, csv or html."
            ));
        }
        tables
    }

    /// The whole text.
    #[must_use]
    pub(crate) fn finish(mut self) -> String {
        if self.width.is_none() {
            self.lines
                .dedup_by(|next, line| next.is_empty() && line.is_empty());
            let leading = self.lines.iter().take_while(|line| line.is_empty()).count();
            self.lines.drain(..leading);
        }
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }

    fn paragraph(&mut self, text: &str) {
        self.lines.extend([String::new(), text.to_owned(), String::new()]);
    }

    /// A paragraph behind a mark, its further lines behind `indent`.
    pub(crate) fn hung(&mut self, mark: &str, indent: &str, text: &str) {
        let width = self.width.unwrap_or(usize::MAX);
        let (mut line, mut empty) = (mark.to_owned(), true);
        for word in unbroken(&shown(text)) {
            if !empty && line.chars().count() + 1 + word.chars().count() > width {
                self.lines.push(std::mem::replace(&mut line, indent.to_owned()));
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(&word);
            empty = false;
        }
        self.lines.push(line);
    }
}

/// The words of a text; a figure stays with its unit, and a network's number with its letters.
fn unbroken(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let unit = ["%", "M", "k", "ms", "km"].contains(&word.trim_end_matches([',', '.', ')', ':']));
        let is_held = |last: &&mut String| unit || last.trim_start_matches('(') == "AS";
        match words.last_mut().filter(is_held) {
            Some(figure) => *figure = format!("{figure} {word}"),
            None => words.push(word.to_owned()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\n\n# Owned\u{1b}[2J\u{202e}b";

    #[test]
    fn hostile_text_stays_one_line_and_moves_no_cursor() {
        for mut lines in [Lines::text(80), Lines::markdown()] {
            let write: [fn(&mut Lines); 4] = [
                |lines| lines.heading(1, HOSTILE),
                |lines| lines.wrapped(HOSTILE),
                |lines| lines.item(HOSTILE),
                |lines| lines.verbatim(HOSTILE),
            ];
            write.iter().for_each(|write| write(&mut lines));
            let text = lines.finish();
            assert!(
                !text.contains(['\u{1b}', '\u{202e}']) && text.contains('?'),
                "{text:?}"
            );
            assert!(!text.lines().any(|line| line.starts_with("# Owned")), "{text:?}");
            let written = text.lines().filter(|line| !line.is_empty());
            assert_eq!(written.count(), 4, "{text:?}");
        }
    }
}
