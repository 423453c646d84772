//! The way from a report back to the page, to the other report, and to the same one over another window: plain links,
//! because a report runs no script.

use std::time::Duration;

use isochrone_report::frame::{Link, LinkGroup};
use isochrone_web::reports::DEFAULT_SINCE;
use isochrone_web::{ReportQuery, Weights};

/// A report that is a document of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// `report/coverage`
    Coverage,
    /// `report/nodes`
    Nodes,
    /// `report/audit`
    Audit,
}

/// What `since` may be chosen from, as the address and the reader have it, in days.
const WINDOWS: [(&str, &str, u64); 4] = [
    ("24h", "24 h", 1),
    ("7d", "7 d", 7),
    ("15d", "15 d", 15),
    ("30d", "30 d", 30),
];

/// The links of a report that answers `query`.
pub(super) fn links(here: Document, query: &ReportQuery) -> Vec<LinkGroup> {
    let (name, weights) = match (here, query.weights) {
        (Document::Coverage, Some(Weights::Sites)) => ("coverage", "&weights=sites"),
        (Document::Coverage, _) => ("coverage", ""),
        (Document::Nodes, _) => ("nodes", ""),
        (Document::Audit, _) => ("audit", ""),
    };
    let is_last = query.from.is_none() && query.to.is_none();
    let since = is_last.then(|| query.since.unwrap_or(DEFAULT_SINCE));
    let windows = WINDOWS.map(|(value, label, days)| {
        let current = since == Some(Duration::from_secs(days * 86_400));
        link(label, format!("{name}?since={value}{weights}"), current)
    });
    let reports = [
        link(
            "Region coverage",
            "coverage".to_owned(),
            here == Document::Coverage,
        ),
        link("Nodes by day", "nodes".to_owned(), here == Document::Nodes),
        link("The chain", "audit".to_owned(), here == Document::Audit),
    ];
    vec![
        group("", [link("← Live page", "../".to_owned(), false)]),
        group("", reports),
        group("The last", windows),
    ]
}

fn group(title: &'static str, links: impl Into<Vec<Link>>) -> LinkGroup {
    let links = links.into();
    LinkGroup { title, links }
}

fn link(label: &'static str, href: String, current: bool) -> Link {
    Link { label, href, current }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hrefs(here: Document, query: &str) -> (Vec<String>, Vec<String>) {
        let query = ReportQuery::parse(query).unwrap();
        let all = links(here, &query).into_iter().flat_map(|group| group.links);
        let all: Vec<Link> = all.collect();
        let current = all.iter().filter(|link| link.current);
        let current = current.map(|link| link.href.clone()).collect();
        (all.into_iter().map(|link| link.href).collect(), current)
    }

    #[test]
    fn report_leads_back_to_the_page_and_to_other_windows() {
        let (all, current) = hrefs(Document::Coverage, "since=7d&weights=sites");
        assert_eq!(all[0], "../");
        assert!(
            all.contains(&"coverage?since=30d&weights=sites".to_owned()),
            "{all:?}"
        );
        assert_eq!(current, ["coverage", "coverage?since=7d&weights=sites"]);
    }

    #[test]
    fn window_of_the_readers_own_marks_none_of_the_choices() {
        assert_eq!(hrefs(Document::Nodes, "from=2026-11-01T00:00:00Z").1, ["nodes"]);
        assert_eq!(hrefs(Document::Nodes, "").1, ["nodes", "nodes?since=15d"]);
    }
}
