//! Borrowed eyes in the report: judged by the nodes that they measured, and apart from the sites.

use isochrone_base::words::{count, network_in_column};
use isochrone_coverage::locate::{EyeLocated, EyeVerdict};
use isochrone_coverage::observations::{Eye, EyeTime};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::LocateReport;
use crate::age;
use crate::lines::Lines;
use crate::prose;
use crate::tables::{Column, Table};
use crate::words::{NONE, km, km_at_most, ms};

/// Above all of it.
const TITLE: &str = "Borrowed eyes";
/// So many eyes are listed in text.
const LISTED: usize = 12;
/// Contradictions of an eye that are told.
const TOLD: usize = 3;

/// What holds of all of them; nothing where there are none.
pub(super) fn method(report: &LocateReport) -> Vec<String> {
    match report.eyes.eyes.is_empty() {
        true => Vec::new(),
        false => vec![
            "Nodes judge the places of borrowed eyes, by the shortest of the newest month that is told more finely than in whole \
             milliseconds, and no eye judges a node, a probe or another eye: nobody here vouches for where it stands. Private \
             probes of a platform, those tagged as broken, abandoned ones and those without a place never came in; `import` \
             says how many."
                .to_owned(),
        ],
    }
}

/// In text and Markdown.
pub(super) fn text(report: &LocateReport, lines: &mut Lines) {
    if report.eyes.eyes.is_empty() {
        return;
    }
    lines.blank();
    lines.heading(2, TITLE);
    lines.wrapped(&summary(report));
    let misplaced = stories(report);
    misplaced.iter().take(LISTED).for_each(|story| lines.item(story));
    if misplaced.len() > LISTED {
        lines.wrapped(&format!("and {} more.", misplaced.len() - LISTED));
    }
    lines.blank();
    lines.table(&table(report, LISTED));
    let more = report.eyes.eyes.len().saturating_sub(LISTED);
    if more > 0 {
        lines.wrapped(&format!(
            "and {}: --format json lists them.",
            count(more, "further eye")
        ));
    }
}

/// On a page.
pub(super) fn html(report: &LocateReport) -> Markup {
    html! {
        @if !report.eyes.eyes.is_empty() {
            h2 { (TITLE) }
            p { (prose::page(&summary(report))) }
            ul { @for story in stories(report) { li { (prose::page(&story)) } } }
            (table(report, usize::MAX).html())
        }
    }
}

/// Every one of them.
pub(super) fn json(report: &LocateReport) -> Value {
    let node = |node: usize| report.eyes.nodes.get(node).map(|node| &node.name);
    let eyes = report.eyes.eyes.iter().map(|(eye, located)| {
        let contradictions = located.contradictions.iter().map(|one| {
            json!({ "node": node(one.node), "rtt_ms": one.rtt_ms, "km": one.km, "least_ms": one.least_ms })
        });
        let centre = match located.verdict {
            EyeVerdict::Consistent { node: of, .. } => node(of),
            EyeVerdict::Impossible | EyeVerdict::Unknown => None,
        };
        let newest = age::newest(eye);
        json!({
            "source": eye.source.as_str(), "eye": eye.name, "site": eye.site,
            "country": eye.country.map(|country| country.to_string()),
            "latitude": eye.position.latitude(), "longitude": eye.position.longitude(),
            "network": eye.network.map(|network| network.0), "access": eye.access.as_str(),
            "verdict": located.verdict.as_str(), "radius_km": located.verdict.radius_km(), "centre": centre,
            "counts": located.verdict != EyeVerdict::Impossible,
            "contradictions": contradictions.collect::<Vec<_>>(), "nodes": eye.times.len(),
            "age_days": newest.map(|time| time.age_days), "weight": newest.map(EyeTime::weight),
        })
    });
    eyes.collect()
}

/// How many are what, and who did not judge them.
fn summary(report: &LocateReport) -> String {
    let of = |wanted: fn(EyeVerdict) -> bool| {
        let eyes = report.eyes.eyes.iter();
        eyes.filter(|(_, located)| wanted(located.verdict)).count()
    };
    let (wrong, open) = (
        of(|verdict| verdict == EyeVerdict::Impossible),
        of(|verdict| verdict == EyeVerdict::Unknown),
    );
    let fits = of(|verdict| matches!(verdict, EyeVerdict::Consistent { .. }));
    let mut said = format!(
        "{} of public platforms measured these nodes. ",
        count(report.eyes.eyes.len(), "borrowed eye"),
    );
    match fits == report.eyes.eyes.len() {
        true => said += "Nothing contradicts any of their places",
        false => said += &format!("Nothing contradicts the places of {fits}"),
    }
    if wrong > 0 {
        said += &format!("; {wrong} cannot stand where they say, and count nowhere");
    }
    if open > 0 {
        said += &format!(
            "; of {open} it cannot be told: no node that could judge them answered in a time that is exact, or one alone contradicts them"
        );
    }
    said += ".";
    if !report.eyes.impossible.is_empty() {
        said += &format!(
            " No witness: {}, whose own place does not fit.",
            report.eyes.impossible.join(", ")
        );
    }
    said
}

/// What contradicts whom, the evidence with it.
fn stories(report: &LocateReport) -> Vec<String> {
    let wrong = report.eyes.eyes.iter();
    let wrong = wrong.filter(|(_, located)| located.verdict == EyeVerdict::Impossible);
    wrong.map(|(eye, located)| story(report, eye, located)).collect()
}

fn story(report: &LocateReport, eye: &Eye, located: &EyeLocated) -> String {
    let told = located.contradictions.iter().take(TOLD).map(|one| {
        let node = report
            .eyes
            .nodes
            .get(one.node)
            .map_or("a node", |node| &*node.name);
        format!(
            "{node} answered it in {} ms, and light needs {} ms for the {}",
            ms(Some(one.rtt_ms)),
            ms(Some(one.least_ms)),
            km(one.km)
        )
    });
    let more = match located.contradictions.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!("; and {} more", count(more, "node")),
    };
    format!(
        "{} says that it stands at {}: {}{more}. It is left out of every figure.",
        name(eye),
        eye.site,
        told.collect::<Vec<_>>().join("; ")
    )
}

/// What does not fit first, then what is least proved.
fn table(report: &LocateReport, most: usize) -> Table {
    let mut sorted: Vec<&(Eye, EyeLocated)> = report.eyes.eyes.iter().collect();
    let standing = |verdict: EyeVerdict| match verdict {
        EyeVerdict::Impossible => 0,
        EyeVerdict::Unknown => 1,
        EyeVerdict::Consistent { .. } => 2,
    };
    sorted.sort_by(|(_, a), (_, b)| {
        let radius = |verdict: EyeVerdict| verdict.radius_km().unwrap_or(0.0);
        standing(a.verdict)
            .cmp(&standing(b.verdict))
            .then(radius(b.verdict).total_cmp(&radius(a.verdict)))
    });
    let columns = [
        Column::names("eye").page_only().wraps(),
        Column::names("platform").lines_only(),
        Column::names("eye").lines_only(),
        Column::names("claims"),
        Column::names("network").page_only(),
        Column::names("access").page_only(),
        Column::names("place"),
        Column::names("could be anywhere"),
        Column::figures("nodes"),
        Column::names("measured").whole(),
        Column::figures("weight"),
    ];
    let until = report.surveyed.survey.window.map(|window| window.to);
    let rows = sorted.into_iter().take(most).map(|(eye, located)| {
        let newest = age::newest(eye);
        let proved = match located.verdict {
            EyeVerdict::Consistent { radius_km, node } => {
                let node = report.eyes.nodes.get(node).map_or("a node", |node| &*node.name);
                format!("{} of {node}", km_at_most(radius_km))
            }
            EyeVerdict::Impossible | EyeVerdict::Unknown => NONE.to_owned(),
        };
        let weight = match located.verdict {
            EyeVerdict::Impossible => "left out".to_owned(),
            _ => newest.map_or(String::new(), |time| format!("{:.2}", time.weight())),
        };
        vec![
            name(eye).into(),
            eye.source.as_str().into(),
            eye.name.as_str().into(),
            eye.site.as_str().into(),
            network_in_column(eye.network.map(|network| network.0)).into(),
            eye.access.as_str().into(),
            words(located).into(),
            proved.into(),
            eye.times.len().to_string().into(),
            newest.map_or(String::new(), |time| age::date(until, time)).into(),
            weight.into(),
        ]
    });
    Table::new("Each eye", columns).rows(rows)
}

fn words(located: &EyeLocated) -> &'static str {
    match located.verdict {
        EyeVerdict::Impossible => "does not fit",
        EyeVerdict::Consistent { .. } => "not contradicted",
        EyeVerdict::Unknown => "cannot be told",
    }
}

fn name(eye: &Eye) -> String {
    format!("{} {}", eye.source.as_str(), eye.name)
}
