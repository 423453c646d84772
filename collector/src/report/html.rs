//! The frame of a report's HTML page: one file, no script, nothing fetched.

use std::fmt::Write as _;

const STYLE: &str = ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;\
color:#1a1a1a;background:#fff}table{border-collapse:collapse;margin:.5rem 0;width:100%}.scroll{overflow-x:auto}\
.sheet{margin-bottom:1.5rem}summary{cursor:pointer}\
@media screen{.fold:not(:has(details[open])) tbody tr:nth-last-child(n+16){display:none}}\
.sideways{display:none;color:#666;margin:0;font-size:.85rem}td:first-child{white-space:nowrap}\
@media(max-width:40rem){.sideways{display:block}td{min-width:5.5rem}td:first-child{position:sticky;left:0;background:#fff}}\
th,td{text-align:right;padding:.25rem .6rem;border-bottom:1px solid #ddd;font-variant-numeric:tabular-nums}\
th:first-child,td:first-child{text-align:left}.none{color:#666}.note{color:#444}.demo{background:#7a3e00;color:#fff;\
padding:.3rem .8rem;display:inline-block}@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}\
th,td{border-color:#3a3a3a}.none,.note,.sideways{color:#aaa}}\
@media(prefers-color-scheme:dark) and (max-width:40rem){td:first-child{background:#161616}}";

/// A table of more rows than this is folded: the style shows its last rows, the newest days and outages,
/// until all are asked for.
const FOLD: usize = 24;

/// A whole page.
pub(super) fn page(title: &str, is_demo: bool, body: &str) -> String {
    let title = escape(title);
    let demo = if is_demo { "<p class=demo>DEMO</p>" } else { "" };
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head>\n<body>{demo}<h1>{title}</h1>\n{body}</body></html>\n"
    )
}

/// A table; cells are escaped here. An empty body says "none".
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let is_long = rows.len() > FOLD;
    let mut table = format!(
        "<div class=\"sheet{}\"><p class=sideways>scroll sideways →</p><div class=scroll tabindex=0><table><thead><tr>",
        if is_long { " fold" } else { "" }
    );
    for cell in head {
        let _infallible = write!(table, "<th>{}</th>", escape(cell));
    }
    table.push_str("</tr></thead><tbody>\n");
    for row in rows {
        table.push_str("<tr>");
        for cell in row {
            let _infallible = write!(table, "<td>{}</td>", escape(cell));
        }
        table.push_str("</tr>\n");
    }
    table.push_str("</tbody></table></div>");
    if is_long {
        let _infallible = write!(
            table,
            "<details><summary>All {} rows</summary></details>",
            rows.len()
        );
    }
    table.push_str("</div>\n");
    table
}

/// Text that can stand between tags and in quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_table_is_folded_and_a_short_one_is_not() {
        let rows = |count: usize| vec![vec!["2026-11-22".to_owned()]; count];
        let long = table(&["day"], &rows(FOLD + 1));
        assert!(
            long.contains(" fold\"") && long.contains("<summary>All 25 rows</summary>"),
            "{long}"
        );
        let short = table(&["day"], &rows(FOLD));
        assert!(
            !short.contains(" fold\"") && !short.contains("<details>"),
            "{short}"
        );
    }
}
