//! The way from a report back to the page, and to the same report over another window: plain links, because a
//! report runs no script.

use std::fmt::Write as _;
use std::time::Duration;

use super::reports::{DEFAULT_SINCE, ReportQuery, Weights};

/// A report that is a document of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// `report/coverage`
    Coverage,
    /// `report/nodes`
    Nodes,
}

/// What `since` may be chosen from, as the address and the reader have it.
const WINDOWS: [(&str, &str, u64); 4] = [
    ("24h", "24 h", 1),
    ("7d", "7 d", 7),
    ("15d", "15 d", 15),
    ("30d", "30 d", 30),
];

const STYLE: &str = "<style>.isochrone-links{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;max-width:77rem;\
margin:0 auto;padding:.7rem 0;font:15px/1.5 system-ui,sans-serif}.isochrone-links.coverage{padding:.7rem clamp(1rem,4vw,2.5rem)}.isochrone-links span{\
display:flex;gap:.7rem}.isochrone-links a{color:inherit;text-underline-offset:.2em}.isochrone-links a[aria-current]{\
font-weight:650;text-decoration:none}@media print{.isochrone-links{display:none}}</style>";

/// Puts the links at the top of a report's page.
pub(super) fn with_links(mut page: String, here: Document, query: &ReportQuery) -> String {
    let body = page
        .find("<body")
        .and_then(|start| Some(start + page[start..].find('>')? + 1));
    page.insert_str(body.unwrap_or(0), &links(here, query));
    page
}

fn links(here: Document, query: &ReportQuery) -> String {
    let class = match here {
        Document::Coverage => " coverage", // its body has no margin of its own
        Document::Nodes => "",
    };
    let mut html = format!(
        "{STYLE}<nav class=\"isochrone-links{class}\" aria-label=\"Reports\"><a href=\"../\">← Live page</a><span>"
    );
    for (document, name, title) in [
        (Document::Coverage, "coverage", "Region coverage"),
        (Document::Nodes, "nodes", "Nodes by day"),
    ] {
        link(&mut html, name, title, document == here);
    }
    html.push_str("</span><span>The last");
    let (name, weights) = match (here, query.weights) {
        (Document::Coverage, Some(Weights::Sites)) => ("coverage", "&amp;weights=sites"),
        (Document::Coverage, _) => ("coverage", ""),
        (Document::Nodes, _) => ("nodes", ""),
    };
    let is_last = query.from.is_none() && query.to.is_none();
    let since = is_last.then(|| query.since.unwrap_or(DEFAULT_SINCE));
    for (value, title, days) in WINDOWS {
        let is_chosen = since == Some(Duration::from_secs(days * 86_400));
        link(
            &mut html,
            &format!("{name}?since={value}{weights}"),
            title,
            is_chosen,
        );
    }
    html.push_str("</span></nav>");
    html
}

fn link(html: &mut String, href: &str, title: &str, is_current: bool) {
    let current = if is_current { " aria-current=\"page\"" } else { "" };
    let _infallible = write!(html, "<a href=\"{href}\"{current}>{title}</a>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_leads_back_to_the_page_and_to_other_windows() {
        let query = ReportQuery::parse("since=7d&weights=sites").expect("a good query");
        let page = with_links(
            "<html><body class=\"x\"><p>".to_owned(),
            Document::Coverage,
            &query,
        );
        assert!(
            page.starts_with("<html><body class=\"x\"><style>") && page.ends_with("</nav><p>"),
            "{page}"
        );
        assert!(page.contains("<a href=\"../\">"), "{page}");
        assert!(
            page.contains("<a href=\"coverage?since=7d&amp;weights=sites\" aria-current=\"page\">7 d</a>"),
            "{page}"
        );
        assert_eq!(
            page.matches("aria-current=\"page\"").count(),
            2,
            "the report and its window: {page}"
        );
    }

    #[test]
    fn window_of_the_readers_own_marks_none_of_the_choices() {
        let query = ReportQuery::parse("from=2026-11-01T00:00:00Z").expect("a good query");
        let page = with_links("<body>".to_owned(), Document::Nodes, &query);
        assert_eq!(page.matches("aria-current=\"page\"").count(), 1, "{page}");
        let page = with_links("<body>".to_owned(), Document::Nodes, &ReportQuery::default());
        assert!(
            page.contains("<a href=\"nodes?since=15d\" aria-current=\"page\">"),
            "{page}"
        );
    }
}
