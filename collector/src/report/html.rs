//! The frame of a report's HTML page: one file, no script, nothing fetched.

use std::fmt::Write as _;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;\
color:#1a1a1a;background:#fff}table{border-collapse:collapse;margin:.5rem 0 1.5rem;width:100%}\
th,td{text-align:right;padding:.25rem .6rem;border-bottom:1px solid #ddd;font-variant-numeric:tabular-nums}\
th:first-child,td:first-child{text-align:left}.none{color:#666}.note{color:#444}.demo{background:#7a3e00;color:#fff;\
padding:.3rem .8rem;display:inline-block}@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}\
th,td{border-color:#3a3a3a}.none,.note{color:#aaa}}";

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
    let mut table = String::from("<table><thead><tr>");
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
    table.push_str("</tbody></table>\n");
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
