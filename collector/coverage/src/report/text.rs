//! The report as text for a terminal, or as Markdown: the summary first, then tables.

mod page;

use page::{Grid, Page, table};

use super::words::{self, budget, count, ms, ms_interval, percent, weight, whole_percent};
use super::{ClassReport, CoverageReport, Region, Share, VantageReport};
use crate::observations::Source;
use crate::weights::WeightKind;

/// Narrower than this, tables cannot be read.
const NARROWEST: usize = 60;
/// How many unmeasured regions are listed.
const UNMEASURED: usize = 10;
/// Letters of a region's name in a table.
const NAME: usize = 16;
/// Between nodes that cannot be told apart. A line may break before it, never behind it.
const TIED: &str = " =\u{a0}";

impl CoverageReport {
    /// The report as text no wider than `width` columns (at least 60).
    pub fn text(&self, width: usize) -> String {
        self.write(Page::text(width.max(NARROWEST)))
    }

    /// The same as Markdown.
    pub fn markdown(&self) -> String {
        self.write(Page::markdown())
    }

    fn write(&self, mut page: Page) -> String {
        if self.source == Source::Demo {
            page.wrapped(&format!("*** {} ***", words::DEMO));
        }
        page.heading(1, &format!("Region coverage: {}", self.about()));
        for class in &self.classes {
            page.blank();
            self.class(class, &mut page);
        }
        page.blank();
        page.heading(2, "How to read this");
        let further = self.notes.iter().cloned();
        for sentence in words::caveats(self).into_iter().chain(further) {
            page.item(&sentence);
        }
        page.blank();
        words::attributions(self)
            .into_iter()
            .for_each(|line| page.wrapped(line));
        if self.source == Source::Demo {
            page.wrapped(&format!("*** {} ***", words::DEMO));
        }
        page.finish()
    }

    fn about(&self) -> String {
        let window = self.window.map(|window| format!(", {}", words::window(window)));
        let days = self.days.map(|days| format!(", {}", count(days, "day")));
        let provisional = if self.provisional() { " (provisional)" } else { "" };
        format!(
            "{} to {}{}{}{provisional}",
            self.statistic.in_words(),
            count(self.nodes.len(), "node"),
            window.unwrap_or_default(),
            days.unwrap_or_default(),
        )
    }

    fn class(&self, class: &ClassReport, page: &mut Page) {
        page.heading(2, words::class_title(class.access));
        page.wrapped(&words::first_line(self, class));
        for sentence in words::counted(self, class) {
            page.wrapped(&sentence);
        }
        page.blank();
        if class.withheld.is_empty() {
            page.table(self.shares_table(class));
        } else {
            words::withheld(class)
                .into_iter()
                .for_each(|sentence| page.wrapped(sentence));
        }
        let unmeasured = class.unmeasured();
        if !unmeasured.is_empty() {
            page.blank();
            page.wrapped(&self.unmeasured_line(class, &unmeasured));
        }
        for (title, regions) in [
            ("Countries with a vantage", &class.regions),
            ("Continents (sums of their countries)", &class.continents),
        ] {
            let measured: Vec<&Region> = regions
                .iter()
                .filter(|region| region.measured.is_some())
                .collect();
            if !measured.is_empty() {
                page.blank();
                page.heading(3, title);
                self.regions(&measured, page);
            }
        }
        self.columns(class, page);
        page.blank();
        page.heading(
            3,
            "Backup distances: the nearest node of each vantage, and the next",
        );
        page.table(self.vantages_table(class));
        page.more(class.vantages.len(), "vantage");
    }

    fn regions(&self, measured: &[&Region], page: &mut Page) {
        let listed = &measured[..measured.len().min(page::ROWS)];
        let by_days = self.days.is_some();
        page.table(if by_days {
            self.regions_by_days(listed)
        } else {
            self.regions_by_values(listed)
        });
        if listed.iter().any(|region| words::narrow(region)) {
            page.indented("¹ ", words::NARROW);
        }
        page.more(measured.len(), "region");
    }

    /// What the columns of the regions' tables mean.
    fn columns(&self, class: &ClassReport, page: &mut Page) {
        if class.regions.iter().all(|region| region.measured.is_none()) {
            return;
        }
        page.wrapped(&format!(
            "known: the share of its {} that a vantage speaks for. a = b: a and b cannot be told apart.{} \
             *: a vantage there has its own node, which does not count; the next one is shown.",
            self.weight_title(),
            if self.days.is_some() {
                " a < b: a is best, and b is next. v/n: vantages, and the networks they sit in. runs: checks that \
                 connected to the best node; loss: the share that did not. interval: 90 % of resampled days."
            } else {
                ""
            },
        ));
    }

    fn shares_table(&self, class: &ClassReport) -> Grid {
        let header = [
            "budget",
            "within",
            "90 % interval",
            "beyond",
            "not measured",
            "within if any one node dies",
        ];
        let rows = class.shares.iter().zip(&class.survives).map(|(share, survives)| {
            let target = if self.target_ms == Some(share.budget_ms) {
                " (target)"
            } else {
                ""
            };
            vec![
                format!("{}{target}", budget(share.budget_ms)),
                percent(share.within),
                share_interval(share),
                percent(share.beyond),
                percent(share.unknown),
                percent(survives.within),
            ]
        });
        table(&header, rows, &[1, 2, 3, 4, 5])
    }

    fn unmeasured_line(&self, class: &ClassReport, unmeasured: &[(&Region, f64)]) -> String {
        let listed: Vec<String> = unmeasured
            .iter()
            .take(UNMEASURED)
            .map(|(region, missing)| {
                let share = percent(missing / class.total_weight);
                match self.weights.kind {
                    WeightKind::Sites => format!("{} {}", words::region_name(&region.id), weight(*missing)),
                    _ => format!(
                        "{} {} ({share})",
                        words::region_name(&region.id),
                        weight(*missing)
                    ),
                }
            })
            .collect();
        let more = unmeasured.len().saturating_sub(UNMEASURED);
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        format!("Heaviest not measured: {}{more}.", listed.join(", "))
    }

    fn regions_by_days(&self, regions: &[&Region]) -> Grid {
        let header = [
            "",
            self.weight_title(),
            "known",
            "v/n",
            "best < next",
            "min/p50/p90 ms",
            "interval",
            "loss",
            "runs",
        ];
        let rows = regions.iter().map(|region| {
            let measured = region.measured.as_ref();
            let figures = measured.map(|measured| measured.figures).unwrap_or_default();
            vec![
                region_label(region),
                weight(region.weight),
                whole_percent(region.known_share()),
                format!("{}/{}", region.vantages, region.networks),
                format!("{}{}", ranked_label(region), narrow_mark(region)),
                [figures.min_ms, figures.p50_ms, figures.p90_ms].map(ms).join("/"),
                ms_interval(measured.and_then(|measured| measured.interval)),
                figures.loss.map_or_else(|| "–".to_owned(), percent),
                figures
                    .samples
                    .map_or_else(|| "–".to_owned(), |runs| weight(runs as f64)),
            ]
        });
        table(&header, rows, &[1, 2, 3, 5, 6, 7, 8])
    }

    fn regions_by_values(&self, regions: &[&Region]) -> Grid {
        let time = words::column(self.statistic);
        let header = [
            "",
            self.weight_title(),
            "known",
            "vantages",
            "best node",
            time,
            "next node",
            time,
        ];
        let rows = regions.iter().map(|region| {
            let measured = region.measured.as_ref();
            vec![
                region_label(region),
                weight(region.weight),
                percent(region.known_share()),
                region.vantages.to_string(),
                format!("{}{}", best_label(region), narrow_mark(region)),
                ms(measured.map(|measured| measured.value_ms)),
                next_label(region),
                ms(measured.and_then(|measured| measured.runner_up_ms)),
            ]
        });
        table(&header, rows, &[1, 2, 3, 5, 7])
    }

    fn weight_title(&self) -> &'static str {
        match self.weights.kind {
            WeightKind::People => "people",
            WeightKind::Sites => "sites",
            WeightKind::File => "weight",
        }
    }

    fn vantages_table(&self, class: &ClassReport) -> Grid {
        let mut listed: Vec<&VantageReport> = class.vantages.iter().collect();
        listed.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.name.cmp(&b.name)));
        listed.truncate(page::ROWS);
        let time = words::column(self.statistic);
        let header = ["vantage", "speaks for", "nearest", time, "interval", "next", time];
        let rows = listed.into_iter().map(|vantage| {
            let (best, second) = (vantage.best.as_ref(), vantage.second.as_ref());
            let mark = if vantage.own_node { " *" } else { "" };
            let name = |time: Option<&super::NodeTime>| {
                let arrow = |time: &super::NodeTime| if time.reversed { " ←" } else { "" };
                time.map_or_else(|| "–".to_owned(), |time| format!("{}{}", time.node, arrow(time)))
            };
            vec![
                format!("{}{mark}", vantage.name), // its place stands in the page and in JSON
                weight(vantage.weight),
                name(best),
                ms(best.map(|time| time.ms)),
                ms_interval(best.and_then(|time| time.interval)),
                name(second),
                ms(second.map(|time| time.ms)),
            ]
        });
        table(&header, rows, &[1, 3, 4, 6])
    }
}

impl Region {
    /// The share of the region's weight that some vantage speaks for.
    pub(super) fn known_share(&self) -> f64 {
        if self.weight > 0.0 {
            self.known_weight / self.weight
        } else {
            0.0
        }
    }
}

/// The region's name, cut where it would push the figures off the page.
fn region_label(region: &Region) -> String {
    let name = words::region_name(&region.id);
    let name = match name.chars().count() {
        0..=NAME => name.to_owned(),
        _ => name.chars().take(NAME - 1).chain(['…']).collect(),
    };
    let own = region.measured.as_ref().is_some_and(|measured| measured.own_node);
    format!("{name}{}", if own { " *" } else { "" })
}

fn best_label(region: &Region) -> String {
    region
        .measured
        .as_ref()
        .map_or_else(|| "–".to_owned(), |measured| measured.tie_set.join(TIED))
}

/// The best nodes and the one after them: `berlin = paris < oslo`.
fn ranked_label(region: &Region) -> String {
    let Some(measured) = &region.measured else {
        return "–".to_owned();
    };
    let next = measured
        .runner_up
        .iter()
        .filter(|next| !measured.tie_set.contains(next));
    next.fold(measured.tie_set.join(TIED), |label, next| {
        format!("{label} <\u{a0}{next}")
    })
}

fn next_label(region: &Region) -> String {
    let next = region
        .measured
        .as_ref()
        .and_then(|measured| measured.runner_up.clone());
    next.unwrap_or_else(|| "–".to_owned())
}

fn narrow_mark(region: &Region) -> &'static str {
    if words::narrow(region) { "\u{a0}¹" } else { "" }
}

fn share_interval(share: &Share) -> String {
    share.interval.map_or_else(
        || "–".to_owned(),
        |interval| format!("{} – {}", percent(interval.low), percent(interval.high)),
    )
}

#[cfg(test)]
mod tests;
