//! What stands around every report: its title, the demo's mark, how to read it, and whom it comes from.
//!
//! The HTML page is one self-contained file: nothing is loaded, no script runs.

use maud::{Markup, PreEscaped, html};

use crate::characters::capital;
use crate::lines::Lines;
use crate::prose;

/// The mark of a demo.
pub const DEMO: &str = "DEMO: a simulated world, nothing here was measured";

const STYLE: &str = include_str!("frame/style.css");

/// Around a report.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// What the report is called.
    pub title: &'static str,
    /// What it is about, in parts: a statistic, a window.
    pub about: Vec<String>,
    /// It shows the demo's world.
    pub demo: bool,
    /// What a reader must know, in sentences.
    pub method: Vec<String>,
    /// What its words mean, for a reader who meets them here first; on a page only.
    pub glossary: &'static [(&'static str, &'static str)],
    /// Whom it comes from.
    pub sources: Vec<String>,
    /// Ways to other pages, for a page that is served; a page in a file has none.
    pub links: Vec<LinkGroup>,
}

/// Links that belong together.
#[derive(Clone, Debug)]
pub struct LinkGroup {
    /// What stands before them; may be empty.
    pub title: &'static str,
    /// The other pages, in the order they stand in.
    pub links: Vec<Link>,
}

/// A way to another page.
#[derive(Clone, Debug)]
pub struct Link {
    /// What a reader sees.
    pub label: &'static str,
    /// Where it leads.
    pub href: String,
    /// It leads to what is shown.
    pub current: bool,
}

impl Frame {
    /// Text or Markdown.
    pub(crate) fn lines(&self, mut lines: Lines, body: impl FnOnce(&mut Lines)) -> String {
        let mark = |lines: &mut Lines| {
            if self.demo {
                lines.wrapped(&format!("*** {DEMO} ***"));
            }
        };
        mark(&mut lines);
        lines.heading(1, &format!("{}: {}", self.title, self.about.join(", ")));
        body(&mut lines);
        if !self.method.is_empty() {
            lines.blank();
            lines.heading(2, "How to read this");
            self.method.iter().for_each(|sentence| lines.item(sentence));
        }
        if !self.sources.is_empty() {
            lines.blank();
            self.sources.iter().for_each(|source| lines.wrapped(source));
        }
        mark(&mut lines);
        lines.finish()
    }

    /// A whole page. `style`: rules for this report alone.
    pub fn html(&self, style: &str, body: &Markup) -> String {
        let mark = html! { @if self.demo { p.demo { strong { (DEMO) } } } };
        let page = html! {
            (PreEscaped("<!doctype html>\n"))
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                    title { @if self.demo { "DEMO: " } (self.title) }
                    style { (PreEscaped(STYLE)) (PreEscaped(style)) }
                }
                body class=[self.demo.then_some("is-demo")] {
                    (mark)
                    (self.ways())
                    main {
                        header {
                            p.eyebrow { "Isochrone" }
                            h1 { (self.title) }
                            p.about { (capital(&self.about.join(" · "))) }
                        }
                        (body)
                        (self.reading())
                    }
                    footer { @for source in &self.sources { p { (source) } } }
                    (mark)
                }
            }
        };
        page.into_string()
    }

    fn ways(&self) -> Markup {
        html! {
            @if !self.links.is_empty() {
                nav.ways aria-label="Reports" {
                    @for group in &self.links {
                        span {
                            (group.title)
                            @for link in &group.links {
                                a href=(link.href) aria-current=[link.current.then_some("page")] { (link.label) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn reading(&self) -> Markup {
        html! {
            section.reading {
                h2 { "How to read this" }
                ul { @for sentence in &self.method { li { (prose::page(sentence)) } } }
                @if !self.glossary.is_empty() {
                    h3 { "Words" }
                    dl { @for (word, meaning) in self.glossary { div { dt { (word) } dd { (meaning) } } } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(demo: bool) -> Frame {
        Frame {
            title: "Nodes",
            about: vec!["<today>".to_owned(), "now".to_owned()],
            demo,
            method: vec!["a < b & c".to_owned()],
            glossary: &[("Node", "A server.")],
            sources: vec!["cities: GeoNames".to_owned()],
            links: Vec::new(),
        }
    }

    #[test]
    fn page_loads_nothing_and_shows_any_text_as_it_is() {
        let page = frame(false).html("", &html! { p { ("<b>") } });
        for outside in ["<script", "src=", "href=", "url(", "@import", "http:", "https:"] {
            assert!(!page.contains(outside), "{outside}");
        }
        for inside in [
            "&lt;today&gt; · now",
            "<p>&lt;b&gt;</p>",
            "a &lt; b &amp; c",
            "GeoNames",
            "<dt>Node</dt>",
        ] {
            assert!(page.contains(inside), "{inside}: {page}");
        }
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
    }

    #[test]
    fn page_that_is_served_leads_to_others_and_any_address_stays_one() {
        let link = |href: &str, current| Link {
            label: "7 d",
            href: href.to_owned(),
            current,
        };
        let links = vec![link("nodes?since=7d&weights=\"sites\"", true), link("../", false)];
        let group = LinkGroup {
            title: "The last",
            links,
        };
        let page = Frame {
            links: vec![group],
            ..frame(false)
        };
        let page = page.html("", &html! {});
        let nav = "<span>The last<a href=\"nodes?since=7d&amp;weights=&quot;sites&quot;\" aria-current=\"page\">7 d</a>\
                   <a href=\"../\">7 d</a></span>";
        assert!(page.contains(nav), "{page}");
        assert!(page.find("<nav").unwrap() < page.find("<main").unwrap());
    }

    #[test]
    fn demo_is_marked_at_both_ends_of_every_format() {
        let (marked, plain) = (frame(true), frame(false));
        let page = marked.html("", &html! {});
        assert_eq!(page.matches("class=\"demo\"").count(), 2);
        assert!(page.contains("<title>DEMO: Nodes</title>"));
        for lines in [Lines::text(100), Lines::markdown()] {
            let text = marked.lines(lines, |lines| lines.wrapped("body"));
            assert!(text.lines().next().unwrap().contains("DEMO"), "{text}");
            assert_eq!(text.matches("DEMO").count(), 2, "{text}");
        }
        assert!(!plain.html("", &html! {}).contains("DEMO"));
        assert!(!plain.lines(Lines::text(100), |_| ()).contains("DEMO"));
    }
}
