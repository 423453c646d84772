//! Text no wider than a terminal, or the same as Markdown.

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
    pub fn text(width: usize) -> Self {
        let (width, lines) = (Some(width.max(NARROWEST)), Vec::new());
        Self { width, lines }
    }

    /// Markdown.
    #[must_use]
    pub fn markdown() -> Self {
        let (width, lines) = (None, Vec::new());
        Self { width, lines }
    }

    /// Whether it has no width.
    #[must_use]
    pub fn is_markdown(&self) -> bool {
        self.width.is_none()
    }

    /// A heading; 1 is the document's.
    pub fn heading(&mut self, level: usize, text: &str) {
        match self.width {
            Some(_) => self.wrapped(text),
            None => self.paragraph(&format!("{} {}", "#".repeat(level), escape(text))),
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
            None => self.paragraph(&escape(text)),
        }
    }

    /// An item of a list.
    pub fn item(&mut self, text: &str) {
        self.marked("- ", text);
    }

    /// A paragraph behind a mark, its further lines below its first word.
    pub fn marked(&mut self, mark: &str, text: &str) {
        match self.width {
            Some(_) => self.hung(mark, &" ".repeat(mark.chars().count()), text),
            None => self.lines.push(format!("{mark}{}", escape(text))),
        }
    }

    /// A line as it is.
    pub fn verbatim(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// A table, and how many of its rows are left out.
    pub fn table(&mut self, table: &Table) {
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

    /// The whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
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
        for word in unbroken(text) {
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

/// The words of a text; a figure stays with its unit.
fn unbroken(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let unit = ["%", "M", "k", "ms", "km"].contains(&word.trim_end_matches([',', '.', ')', ':']));
        match words.last_mut().filter(|_| unit) {
            Some(figure) => *figure = format!("{figure} {word}"),
            None => words.push(word.to_owned()),
        }
    }
    words
}

/// Text that Markdown shows as it is, in a table's cell too.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' => escaped.extend(['\\', character]),
            other => escaped.push(other),
        }
    }
    escaped
}
