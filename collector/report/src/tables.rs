//! One table, in every format: described once, with what an HTML page alone has room for.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table as Grid, TableComponent};
use isochrone_base::words::count;
use maud::{Markup, html};

use crate::characters::{capital, escape, shown};

/// On a page, a table of more rows than this is folded: some are shown, the rest when they are asked for.
const FOLD: usize = 24;

/// On a phone, each row of a table of more columns than this is a card.
const SLIM: usize = 3;

/// Rows of cells below titled columns.
#[derive(Clone, Debug)]
pub struct Table {
    title: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    /// In text and Markdown: at most so many rows, and what one is called.
    most: Option<(usize, &'static str)>,
    newest_last: bool,
    screen_only: bool,
}

/// A column's titles; where one is missing, the column is not shown there.
#[derive(Clone, Debug)]
pub struct Column {
    lines: Option<String>,
    page: Option<String>,
    figures: bool,
    whole: bool,
    spare: bool,
}

/// What stands in one row and column.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    page: Option<Markup>,
}

impl Column {
    /// A column of names, to the left.
    pub(crate) fn names(title: impl Into<String>) -> Self {
        let title = title.into();
        Self {
            lines: Some(title.clone()),
            page: Some(title),
            figures: false,
            whole: false,
            spare: false,
        }
    }

    /// A column of figures, to the right.
    pub(crate) fn figures(title: impl Into<String>) -> Self {
        Self {
            figures: true,
            whole: true,
            ..Self::names(title)
        }
    }

    /// On an HTML page there is room for another title.
    #[must_use]
    pub(crate) fn on_page(mut self, title: impl Into<String>) -> Self {
        self.page = Some(title.into());
        self
    }

    /// Not shown in text and Markdown.
    #[must_use]
    pub(crate) fn page_only(mut self) -> Self {
        self.lines = None;
        self
    }

    /// Not shown on an HTML page.
    #[must_use]
    pub(crate) fn lines_only(mut self) -> Self {
        self.page = None;
        self
    }

    /// Broken into lines last of all, as figures are.
    #[must_use]
    pub(crate) fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// May be left out of text, where a table would be too wide with it: see [`Lines::alike`].
    ///
    /// [`Lines::alike`]: crate::lines::Lines::alike
    #[must_use]
    pub(crate) fn spare(mut self) -> Self {
        self.spare = true;
        self
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        let text = shown(&text);
        Self { text, page: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        let text = shown(text);
        Self { text, page: None }
    }
}

impl Cell {
    /// What an HTML page shows instead of the text.
    #[must_use]
    pub(crate) fn on_page(mut self, markup: Markup) -> Self {
        self.page = Some(markup);
        self
    }

    /// Of a column that only a page has.
    #[must_use]
    pub(crate) fn page_only(markup: Markup) -> Self {
        Self::default().on_page(markup)
    }
}

impl Table {
    /// A table without rows.
    pub fn new(title: impl Into<String>, columns: impl IntoIterator<Item = Column>) -> Self {
        Self {
            title: title.into(),
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
            most: None,
            newest_last: false,
            screen_only: false,
        }
    }

    /// What it is called.
    #[must_use]
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// Its rows: a cell for each column.
    #[must_use]
    pub(crate) fn rows(mut self, rows: impl IntoIterator<Item = Vec<Cell>>) -> Self {
        self.rows.extend(rows);
        self
    }

    /// Text and Markdown show at most so many rows, and say how many more there are; `thing` is one of them.
    #[must_use]
    pub(crate) fn at_most(mut self, rows: usize, thing: &'static str) -> Self {
        self.most = Some((rows, thing));
        self
    }

    /// Folded on a page, it shows its last rows.
    #[must_use]
    pub(crate) fn newest_last(mut self) -> Self {
        self.newest_last = true;
        self
    }

    /// A page does not print it.
    #[must_use]
    pub(crate) fn screen_only(mut self) -> Self {
        self.screen_only = true;
        self
    }

    /// Lines no wider than `width`: only the columns of names wrap, or every column where that is still too wide.
    pub(crate) fn text(&self, width: usize) -> Vec<String> {
        self.fitting(width).unwrap_or_else(|| {
            let columns: Vec<_> = self.columns_in(|column| &column.lines).collect();
            trimmed(&self.grid(&columns, width))
        })
    }

    /// Whether it is no wider than `width` with its figures whole.
    pub(crate) fn fits(&self, width: usize) -> bool {
        self.fitting(width).is_some()
    }

    fn fitting(&self, width: usize) -> Option<Vec<String>> {
        let columns: Vec<_> = self.columns_in(|column| &column.lines).collect();
        let lines = self.whole(&columns, width);
        let fits = lines.iter().all(|line| line.chars().count() <= width);
        fits.then_some(lines)
    }

    /// Leaves its spare columns out of text, and says which.
    pub(crate) fn without_spare(&mut self) -> Vec<String> {
        let spare = self.columns.iter_mut().filter(|column| column.spare);
        spare.filter_map(|column| column.lines.take()).collect()
    }

    /// Lines whose figures are kept whole, and so may be too wide.
    fn whole(&self, columns: &[(usize, &Column)], width: usize) -> Vec<String> {
        let mut grid = self.grid(columns, width);
        for (index, (column, (_, described))) in grid.column_iter_mut().zip(columns).enumerate() {
            if index == 0 || described.whole {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        trimmed(&grid)
    }

    pub(crate) fn markdown(&self) -> Vec<String> {
        let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
        let columns: Vec<_> = self.columns_in(|column| &column.lines).collect();
        let titles = columns.iter().filter_map(|(_, column)| column.lines.as_deref());
        let rule = columns
            .iter()
            .map(|(_, column)| if column.figures { "---:" } else { "---" });
        let mut lines = vec![
            line(titles.map(escape).collect()),
            line(rule.map(str::to_owned).collect()),
        ];
        lines.extend(self.shown().map(|row| {
            let cells = columns.iter().map(|&(index, _)| escape(&row[index].text));
            line(cells.collect())
        }));
        lines
    }

    /// How many rows text and Markdown leave out, in words.
    pub(crate) fn more(&self) -> Option<String> {
        let (most, thing) = self.most?;
        let more = self.rows.len().checked_sub(most).filter(|more| *more > 0)?;
        let more = count(more, &format!("more {thing}"));
        Some(format!("… and {more}: see --format json or html."))
    }

    /// Comma-separated values, the titles first.
    ///
    /// # Panics
    /// Never: memory takes every row, and rows are as long as the header.
    pub(crate) fn csv(&self) -> String {
        let columns: Vec<_> = self.columns_in(|column| &column.lines).collect();
        let mut writer = csv::Writer::from_writer(Vec::new());
        let titles = columns.iter().filter_map(|(_, column)| column.lines.as_deref());
        writer.write_record(titles).expect("memory takes every row");
        for row in &self.rows {
            let cells = columns.iter().map(|&(index, _)| no_formula(&row[index].text));
            writer.write_record(cells).expect("memory takes every row");
        }
        let bytes = writer.into_inner().expect("memory takes every row");
        String::from_utf8(bytes).expect("text was written")
    }

    /// A part of an HTML page.
    #[must_use]
    pub fn html(&self) -> Markup {
        let fold = match (self.rows.len() > FOLD, self.newest_last) {
            (false, _) => "sheet",
            (true, false) => "sheet fold",
            (true, true) => "sheet fold newest",
        };
        let columns: Vec<_> = self.columns_in(|column| &column.page).collect();
        let class = |column: &Column| column.figures.then_some("num");
        html! {
            div class={ (fold) @if self.screen_only { " unprinted" } } {
                div.scroll tabindex="0" role="region" aria-label=(self.title) {
                    table class=[(columns.len() > SLIM).then_some("cards")] {
                        caption { span.title { (self.title) } span.sideways { "scroll sideways →" } }
                        thead { tr {
                            @for (_, column) in &columns {
                                th scope="col" class=[class(column)] { (heading(column.page.as_deref().unwrap_or_default())) }
                            }
                        } }
                        tbody {
                            @for row in &self.rows {
                                tr {
                                    @for (at, &(index, column)) in columns.iter().enumerate() {
                                        @if at == 0 {
                                            th scope="row" class=[class(column)] { (row[index].html()) }
                                        } @else {
                                            td class=[class(column)] data-label=(label(column)) { (row[index].html()) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                @if self.rows.len() > FOLD {
                    details { summary { "All " (self.rows.len()) " rows" } }
                }
            }
        }
    }

    /// The columns that have such a title, with their indices.
    fn columns_in(
        &self,
        title: impl Fn(&Column) -> &Option<String>,
    ) -> impl Iterator<Item = (usize, &Column)> {
        let all = self.columns.iter().enumerate();
        all.filter(move |(_, column)| title(column).is_some())
    }

    fn shown(&self) -> impl Iterator<Item = &Vec<Cell>> {
        self.rows
            .iter()
            .take(self.most.map_or(usize::MAX, |(most, _)| most))
    }

    fn grid(&self, columns: &[(usize, &Column)], width: usize) -> Grid {
        let mut grid = Grid::new();
        grid.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        grid.load_preset(NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        grid.set_style(TableComponent::HeaderLines, '─')
            .set_style(TableComponent::MiddleHeaderIntersections, '─');
        grid.set_header(columns.iter().filter_map(|(_, column)| column.lines.as_ref()));
        for row in self.shown() {
            grid.add_row(columns.iter().map(|&(index, _)| &row[index].text));
        }
        for (column, (_, described)) in grid.column_iter_mut().zip(columns) {
            column.set_padding((0, 1));
            if described.figures {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        grid
    }
}

/// What stands beside a cell where each row is a card of its own: on a phone.
fn label(column: &Column) -> String {
    heading(column.page.as_deref().unwrap_or_default())
}

/// With a capital letter, unless it begins with a figure's name, such as p50.
fn heading(title: &str) -> String {
    let word = title.split(' ').next().unwrap_or_default();
    match word.contains(|letter: char| letter.is_ascii_digit()) {
        true => title.to_owned(),
        false => capital(title),
    }
}

/// Text that a spreadsheet would take for a formula, behind an apostrophe; figures stay what they are.
fn no_formula(text: &str) -> String {
    let is_figure = || text.parse::<f64>().is_ok_and(f64::is_finite);
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_figure();
    let mark = if is_formula { "'" } else { "" };
    format!("{mark}{text}")
}

fn trimmed(grid: &Grid) -> Vec<String> {
    grid.lines().map(|line| line.trim_end().to_owned()).collect()
}

impl Cell {
    fn html(&self) -> Markup {
        self.page.clone().unwrap_or_else(|| html! { (self.text) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: usize) -> Table {
        let columns = [
            Column::names("name").on_page("its name"),
            Column::figures("runs"),
            Column::names("bar").page_only(),
        ];
        let row = |index: usize| {
            vec![
                Cell::from(format!("a \"{index}\", <b>|c")),
                Cell::from(index.to_string()),
                Cell::page_only(html! { i {} }),
            ]
        };
        Table::new("Runs", columns).rows((0..rows).map(row))
    }

    #[test]
    fn cell_of_any_text_stays_one_cell_in_every_format() {
        let table = table(2);
        assert_eq!(
            table.csv(),
            "name,runs\n\"a \"\"0\"\", <b>|c\",0\n\"a \"\"1\"\", <b>|c\",1\n"
        );
        assert_eq!(
            table.markdown(),
            [
                "| name | runs |",
                "| --- | ---: |",
                "| a \"0\", &lt;b>\\|c | 0 |",
                "| a \"1\", &lt;b>\\|c | 1 |"
            ]
        );
        let html = table.html().into_string();
        assert!(
            html.contains("<th scope=\"row\">a &quot;0&quot;, &lt;b&gt;|c</th><td class=\"num\" data-label=\"Runs\">0</td>"),
            "{html}"
        );
        assert_eq!(
            table.text(60)[2..],
            ["a \"0\", <b>|c     0", "a \"1\", <b>|c     1"],
            "{:?}",
            table.text(60)
        );
    }

    #[test]
    fn hostile_cell_breaks_no_row_and_moves_no_cursor() {
        let columns = [Column::names("site"), Column::names("rest")];
        let row = ["a\n\n# Owned", "\u{1b}[2J\u{202e}b"].map(Cell::from);
        let table = Table::new("Sites", columns).rows([row.into()]);
        assert_eq!(table.markdown()[2..], ["| a  # Owned | ?\\[2J?b |"]);
        assert_eq!(table.text(60).len(), 3, "{:?}", table.text(60));
        let all = [table.text(60).join("\n"), table.csv(), table.html().into_string()];
        for text in all {
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
        }
    }

    #[test]
    fn text_that_a_spreadsheet_would_compute_is_kept_from_it_and_figures_are_not() {
        let columns = [Column::names("site"), Column::figures("ms")];
        let rows = [
            ("=HYPERLINK(1)", "-1.5"),
            ("@x", "+2"),
            ("-x", "1e9"),
            ("a=b", ""),
            ("-inf", "+nan"),
        ];
        let rows = rows.map(|(site, ms)| vec![site.into(), ms.into()]);
        assert_eq!(
            Table::new("Sites", columns).rows(rows).csv(),
            "site,ms\n'=HYPERLINK(1),-1.5\n'@x,+2\n'-x,1e9\na=b,\n'-inf,'+nan\n"
        );
    }

    #[test]
    fn column_is_shown_where_it_has_a_title() {
        let table = table(1);
        assert!(table.html().into_string().contains("<th scope=\"col\">Bar</th>"));
        assert!(!table.text(60).concat().contains("bar"));
        assert!(
            table.text(60)[0].starts_with("name") && table.html().into_string().contains(">Its name</th>")
        );
    }

    #[test]
    fn long_table_is_folded_and_a_short_one_is_not() {
        let long = table(FOLD + 1).newest_last().html().into_string();
        assert!(
            long.contains("\"sheet fold newest\"") && long.contains("<summary>All 25 rows</summary>"),
            "{long}"
        );
        let short = table(FOLD).html().into_string();
        assert!(!short.contains("fold") && !short.contains("<details>"), "{short}");
    }

    #[test]
    fn rows_left_out_of_text_are_counted() {
        let table = table(5).at_most(3, "run");
        assert_eq!(table.markdown().len(), 2 + 3);
        assert_eq!(
            table.more().unwrap(),
            "… and 2 more runs: see --format json or html."
        );
        assert_eq!(table.clone().at_most(5, "run").more(), None);
        assert!(
            table.html().into_string().contains("&quot;4&quot;"),
            "a page has them all"
        );
    }

    #[test]
    fn rows_of_many_columns_are_cards_on_a_phone_each_cell_with_its_title() {
        let columns = ["one", "two", "three", "four"].map(Column::names);
        let wide = Table::new("", columns).rows([["a", "b", "c", "d"].map(Cell::from).into()]);
        let html = wide.html().into_string();
        assert!(html.contains("<table class=\"cards\">"), "{html}");
        for (cell, title) in [("b", "Two"), ("c", "Three"), ("d", "Four")] {
            assert!(
                html.contains(&format!("<td data-label=\"{title}\">{cell}</td>")),
                "{html}"
            );
        }
        assert!(
            !table(1).html().into_string().contains("cards"),
            "three columns fit"
        );
    }

    #[test]
    fn text_is_no_wider_than_asked_for() {
        let columns = [
            Column::names("one"),
            Column::names("two"),
            Column::figures("three"),
        ];
        let long = "words and words and words and words and words and words";
        let table = Table::new("", columns).rows([vec![long.into(), long.into(), "123456789".into()]]);
        for width in [40, 60, 100] {
            let lines = table.text(width);
            assert!(
                lines.iter().all(|line| line.chars().count() <= width),
                "{lines:#?}"
            );
            assert!(lines.concat().contains("123456789"), "{lines:#?}");
        }
    }
}
