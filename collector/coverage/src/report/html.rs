//! The report as one self-contained HTML page: nothing is loaded, no script runs.

mod tables;

use super::map;
use super::words::{self, budget, count, percent, weight};
use super::{ClassReport, CoverageReport, Share};
use crate::observations::Source;

const STYLE: &str = include_str!("html/page.css");
/// How many unmeasured regions are listed.
const UNMEASURED: usize = 12;

/// What the words mean, for a reader who meets them here first.
const GLOSSARY: [(&str, &str); 9] = [
    ("Node", "A server that serves the network's files to the public."),
    (
        "Vantage",
        "A place from which the nodes were measured: a probe, or a site of a file.",
    ),
    (
        "Network",
        "The provider a server is connected to (an autonomous system). Vantages of one network fail and \
      slow down together, so they count as one witness.",
    ),
    (
        "Round-trip time",
        "How long one question and its answer travel, in thousandths of a second (ms).",
    ),
    (
        "Budget",
        "A round-trip time someone asks for: “within 50 ms” is a budget of 50 ms.",
    ),
    (
        "p50, p90",
        "Half of all runs were at or below p50 (the median), nine of ten at or below p90.",
    ),
    (
        "90 % interval",
        "Days were drawn again and again, whole; nine of ten results lay in this range.",
    ),
    ("Tie", "Nodes that these measurements cannot tell apart."),
    (
        "Backup distance",
        "The time to the next node: what is left when the nearest one dies.",
    ),
];

impl CoverageReport {
    /// The report as one HTML page.
    pub fn html(&self) -> String {
        let demo = self.source == Source::Demo;
        let mark = if demo {
            format!("<p class=\"demo\"><strong>{}</strong></p>", words::DEMO)
        } else {
            String::new()
        };
        let sections: String = self
            .classes
            .iter()
            .enumerate()
            .map(|(index, class)| self.class_section(index, class))
            .collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{}Region coverage</title>\n<style>{STYLE}{}</style>\n</head>\n<body{}>\n{mark}<main>\n\
             <header><p class=\"eyebrow\">Isochrone</p><h1>Region coverage</h1><p class=\"about\">{}</p></header>\n\
             {sections}{}\n</main>\n<footer>{}</footer>\n{mark}</body>\n</html>\n",
            if demo { "DEMO: " } else { "" },
            self.budget_style(),
            if demo { " class=\"is-demo\"" } else { "" },
            escape(&self.about_html()),
            self.reading_section(),
            self.footer(),
        )
    }

    fn about_html(&self) -> String {
        let statistic = self.statistic.in_words();
        let mut about = format!(
            "{}{} to {}",
            statistic[..1].to_uppercase(),
            &statistic[1..],
            count(self.nodes.len(), "node")
        );
        if let Some(window) = self.window {
            about += &format!(" · {}", words::window(window));
        }
        if let Some(days) = self.days {
            about += &format!(" · {}", count(days, "day"));
        }
        if self.provisional() {
            about += " · provisional";
        }
        about
    }

    /// One rule for each budget: the chosen one colours its dots.
    fn budget_style(&self) -> String {
        let budgets = self.classes.first().map_or(0, |class| class.shares.len());
        (0..budgets)
            .map(|index| {
                format!(
                    "#b{index}:checked~.map .i{index}{{stroke:var(--within);stroke-linecap:round;opacity:1}}\
                     #b{index}:checked~.map .o{index}{{stroke:var(--beyond);stroke-linecap:square;opacity:1}}\
                     #b{index}:checked~.map .n{index}{{stroke:var(--own);stroke-linecap:square;opacity:1}}\
                     #b{index}:checked~.tally .t{index}{{display:flex}}\
                     #b{index}:checked~.choice label[for=b{index}]{{background:var(--ink);color:var(--paper);border-color:var(--ink)}}\
                     #b{index}:focus-visible~.choice label[for=b{index}]{{outline:3px solid var(--focus);outline-offset:2px}}"
                )
            })
            .collect()
    }

    fn class_section(&self, index: usize, class: &ClassReport) -> String {
        let map = if index == 0 {
            self.map_figure(class)
        } else {
            String::new()
        };
        format!(
            "<section class=\"class\"><h2>{}</h2>\n<p class=\"first\">{}</p>\n{}{map}{}{}{}</section>\n",
            words::class_title(class.access),
            escape(&words::first_line(self, class)),
            self.headline(class),
            self.unmeasured(class),
            tables::regions(self, class, self.first_budget(class)),
            tables::vantages(self, class),
        )
    }

    fn headline(&self, class: &ClassReport) -> String {
        let counted: String = words::counted(self, class)
            .iter()
            .map(|sentence| format!("<p>{}</p>", escape(sentence)))
            .collect();
        if !class.withheld.is_empty() {
            let reasons: String = words::withheld(class)
                .iter()
                .map(|why| format!("<p>{why}</p>"))
                .collect();
            return format!(
                "<div class=\"callout\" role=\"note\"><h3>No headline share</h3>{reasons}\
                 <p>What can be said: the distances below, what is not measured, and a count.</p>{counted}</div>\n"
            );
        }
        let Some(share) = class.shares.get(self.first_budget(class)) else {
            return String::new();
        };
        format!(
            "<p class=\"headline\"><strong>{}</strong> <span>of {} within {}{}</span></p>\n{counted}\n{}",
            percent(share.within),
            self.of_what(),
            budget(share.budget_ms),
            share.interval.map_or_else(String::new, |interval| format!(
                " (90 % interval {} to {})",
                percent(interval.low),
                percent(interval.high)
            )),
            tables::shares(self, class),
        )
    }

    fn map_figure(&self, class: &ClassReport) -> String {
        let first = self.first_budget(class);
        let radios: String = (0..class.shares.len())
            .map(|index| {
                let (checked, label) = (
                    if index == first { " checked" } else { "" },
                    budget(class.shares[index].budget_ms),
                );
                format!(
                    "<input type=\"radio\" name=\"budget\" id=\"b{index}\" aria-label=\"{label}\"{checked}>"
                )
            })
            .collect();
        let labels: String = class
            .shares
            .iter()
            .enumerate()
            .map(|(index, share)| format!("<label for=\"b{index}\">{}</label>", budget(share.budget_ms)))
            .collect();
        let tally: String = class
            .shares
            .iter()
            .enumerate()
            .map(|(index, share)| self.tally(index, share, class))
            .collect();
        format!(
            "<figure class=\"world\" role=\"group\" aria-label=\"Map by budget\">{radios}\
             <p class=\"choice\"><span>Round-trip time within</span>{labels}</p>{}<div class=\"tally\">{tally}</div>\
             <figcaption>{LEGEND}<span class=\"hint\">Dots: places, by {}. Dots that lie close together are drawn \
             as one.</span></figcaption></figure>\n",
            map::svg(self, class),
            self.of_what(),
        )
    }

    /// The shares of one budget below the map; only without figures where none may be a headline.
    fn tally(&self, index: usize, share: &Share, class: &ClassReport) -> String {
        if !class.withheld.is_empty() {
            return String::new();
        }
        format!("<div class=\"t{index}\">{}</div>", tables::bar(share))
    }

    fn unmeasured(&self, class: &ClassReport) -> String {
        let unmeasured = class.unmeasured();
        if unmeasured.is_empty() {
            return String::new();
        }
        let heaviest = unmeasured[0].1;
        let items: String = unmeasured
            .iter()
            .take(UNMEASURED)
            .map(|(region, missing)| {
                format!(
                    "<li><span class=\"name\">{}</span><span class=\"meter\"><i style=\"width:{:.1}%\"></i></span>\
                     <span class=\"num\">{}</span><span class=\"num\">{}</span></li>",
                    escape(words::region_name(&region.id)),
                    missing / heaviest * 100.0,
                    weight(*missing),
                    percent(missing / class.total_weight),
                )
            })
            .collect();
        let more = unmeasured.len().saturating_sub(UNMEASURED);
        let more = if more > 0 {
            format!("<p class=\"hint\">… and {more} more.</p>")
        } else {
            String::new()
        };
        format!("<h3>Heaviest not measured</h3><ul class=\"missing\">{items}</ul>{more}\n")
    }

    fn reading_section(&self) -> String {
        let notes: String = words::caveats(self)
            .into_iter()
            .chain(words::first_byte(self))
            .chain(self.notes.iter().cloned())
            .map(|sentence| format!("<li>{}</li>", escape(&sentence)))
            .collect();
        let glossary: String = GLOSSARY
            .iter()
            .map(|(word, meaning)| format!("<div><dt>{word}</dt><dd>{meaning}</dd></div>"))
            .collect();
        format!(
            "<section class=\"reading\"><h2>How to read this</h2><ul>{notes}</ul>\
             <h3>Words</h3><dl>{glossary}</dl></section>"
        )
    }

    fn footer(&self) -> String {
        let lines: String = words::attributions(self)
            .iter()
            .map(|line| format!("<p>{}</p>", escape(line)))
            .collect();
        let source = match self.source {
            Source::Store => "the collector's store",
            Source::Files => "files",
            Source::Elasticsearch => "Elasticsearch",
            Source::Demo => "the demo's simulated world",
        };
        format!("<p>Source: {source}. Weights: {}.</p>{lines}", self.of_what())
    }
}

const LEGEND: &str = "<ul class=\"legend\">\
<li><svg viewBox=\"0 0 16 16\" aria-hidden=\"true\"><path class=\"l-within\" d=\"M8 8h0\"/></svg>within</li>\
<li><svg viewBox=\"0 0 16 16\" aria-hidden=\"true\"><path class=\"l-beyond\" d=\"M8 8h0\"/></svg>beyond</li>\
<li><svg viewBox=\"0 0 16 16\" aria-hidden=\"true\"><path class=\"l-own\" d=\"M8 8h0\"/></svg>has its own node, the next is beyond</li>\
<li><svg viewBox=\"0 0 16 16\" aria-hidden=\"true\"><path class=\"l-unknown\" d=\"M8 8h0\"/></svg>not measured</li>\
<li><svg viewBox=\"0 0 16 16\" aria-hidden=\"true\"><path class=\"node\" d=\"M8 13l-5.6-10h11.2z\"/></svg>node</li>\
<li><svg viewBox=\"0 0 16 16\" aria-hidden=\"true\"><circle class=\"vantage\" cx=\"8\" cy=\"8\"/></svg>vantage</li>\
</ul>";

/// Text that is safe between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests;
