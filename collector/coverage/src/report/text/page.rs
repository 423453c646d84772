//! Lines and tables no wider than the page, or the same as Markdown.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, TableComponent};

use super::super::words::count;

/// Rows of a table beyond this are left to JSON and HTML.
pub(super) const ROWS: usize = 40;

/// A table and which of its columns hold figures.
pub(super) struct Grid {
    table: Table,
    right: Vec<usize>,
}

pub(super) fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>, right: &[usize]) -> Grid {
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_header(header.iter().copied());
    rows.for_each(|row| {
        table.add_row(row);
    });
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 1));
    });
    for &column in right {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    Grid {
        table,
        right: right.to_vec(),
    }
}

/// What was written so far.
pub(super) struct Page {
    /// `None`: Markdown, which has no width.
    width: Option<usize>,
    lines: Vec<String>,
}

impl Page {
    /// Lines no wider than `width`.
    pub(super) fn text(width: usize) -> Self {
        let (width, lines) = (Some(width), Vec::new());
        Self { width, lines }
    }

    pub(super) fn markdown() -> Self {
        let (width, lines) = (None, Vec::new());
        Self { width, lines }
    }

    pub(super) fn heading(&mut self, level: usize, text: &str) {
        match self.width {
            Some(_) => self.wrapped(text),
            None => self.paragraph(&format!("{} {}", "#".repeat(level), escape(text))),
        }
    }

    pub(super) fn blank(&mut self) {
        self.lines.push(String::new());
    }

    pub(super) fn wrapped(&mut self, text: &str) {
        match self.width {
            Some(_) => self.indented("", text),
            None => self.paragraph(&escape(text)),
        }
    }

    fn paragraph(&mut self, text: &str) {
        self.lines.extend([String::new(), text.to_owned(), String::new()]);
    }

    pub(super) fn item(&mut self, text: &str) {
        self.indented("- ", text);
    }

    pub(super) fn indented(&mut self, mark: &str, text: &str) {
        let Some(width) = self.width else {
            self.lines.push(format!("{mark}{}", escape(text)));
            return;
        };
        let (mut line, hang) = (mark.to_owned(), " ".repeat(mark.len()));
        let mut empty = true;
        for word in unbroken(text) {
            if !empty && line.chars().count() + 1 + word.chars().count() > width {
                self.lines.push(std::mem::replace(&mut line, hang.clone()));
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

    /// Lets only the columns of names wrap, or every column where that is still too wide.
    pub(super) fn table(&mut self, Grid { mut table, right }: Grid) {
        let Some(width) = self.width else {
            return self.markdown_table(&mut table, &right);
        };
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        let mut whole = table.clone();
        let last = whole.column_count().saturating_sub(1);
        for (index, column) in whole.column_iter_mut().enumerate() {
            if index == 0 || index == last || right.contains(&index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let fits = whole.lines().all(|line| line.trim_end().chars().count() <= width);
        let table = if fits { whole } else { table };
        self.lines
            .extend(table.lines().map(|line| line.trim_end().to_owned()));
    }

    fn markdown_table(&mut self, table: &mut Table, right: &[usize]) {
        let line = |row: &Row| {
            let cells = row.cell_iter().map(|cell| escape(&cell.content()));
            format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
        };
        let rule = (0..table.column_count()).map(|column| match right.contains(&column) {
            true => "---:",
            false => "---",
        });
        let rule = format!("| {} |", rule.collect::<Vec<_>>().join(" | "));
        self.blank();
        self.lines.extend(table.header().map(line));
        self.lines.push(rule);
        self.lines.extend(table.row_iter().map(line));
        self.blank();
    }

    /// Says how many rows of a table were left out.
    pub(super) fn more(&mut self, rows: usize, thing: &str) {
        if rows > ROWS {
            let more = count(rows - ROWS, &format!("more {thing}"));
            self.wrapped(&format!("… and {more}: see --format json or html."));
        }
    }

    pub(super) fn finish(mut self) -> String {
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
fn escape(text: &str) -> String {
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
