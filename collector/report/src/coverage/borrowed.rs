//! Borrowed eyes beside our own vantages and apart from them: read from what was imported, and shown.

use isochrone_base::words::count;
use isochrone_coverage::observations::{AccessClass, Eye, EyeTime};
use isochrone_coverage::report::{CoverageReport, EyeReport, Forecast};
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::age;
use crate::lines::Lines;
use crate::tables::{Column, Table};

/// Above all of it.
const TITLE: &str = "Borrowed eyes";
/// So many eyes are listed in text.
const LISTED: usize = 12;

/// What a reader must know about them; nothing where there are none.
pub(super) fn sentences(report: &CoverageReport) -> Vec<String> {
    let (all, used) = (&report.eyes, used(report));
    if all.is_empty() {
        return Vec::new();
    }
    let of = |access| used.iter().filter(|eye| eye.access == access).count();
    let role = match report.forecast {
        Forecast::Made(_) => "only what is predicted rests on them, too",
        Forecast::Missing(_) => "nothing is predicted, so no figure rests on them",
    };
    let mut sentences = vec![format!(
        "{} of public platforms measured these nodes ({} on people's lines, {} in data centres, {} not known): not our own, so \
         they speak for no city and are in no share of what is measured; {role}, the less the older a time is{}. They \
         never judge who is down.",
        count(used.len(), "borrowed eye"),
        of(AccessClass::Eyeball),
        of(AccessClass::DataCentre),
        of(AccessClass::Unknown),
        ages(report, &used).map_or(String::new(), |ages| format!(" ({ages})")),
    )];
    if of(AccessClass::Eyeball) > 0 && matches!(report.forecast, Forecast::Made(_)) {
        sentences.push(
            "Times of eyes on people's lines hold these lines' own last mile: predictions near them do, too."
                .to_owned(),
        );
    }
    let elsewhere: Vec<_> = all.iter().filter(|eye| !eye.contradicted_by.is_empty()).collect();
    if !elsewhere.is_empty() {
        let names: Vec<_> = elsewhere.iter().take(LISTED).map(|eye| name(&eye.eye)).collect();
        let more = elsewhere.len().saturating_sub(LISTED);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        sentences.push(format!(
            "{} left out, for two nodes or more answered sooner than light can have come from where it says that it stands: {}{more}.",
            count(elsewhere.len(), "borrowed eye"),
            names.join(", ")
        ));
    }
    let too_many = all
        .iter()
        .filter(|eye| eye.contradicted_by.is_empty() && !eye.counts)
        .count();
    if too_many > 0 {
        sentences.push(format!(
            "{} left out: a prediction takes no more.",
            count(too_many, "further borrowed eye")
        ));
    }
    sentences
}

/// In text and Markdown.
pub(super) fn text(report: &CoverageReport, lines: &mut Lines) {
    if report.eyes.is_empty() {
        return;
    }
    lines.blank();
    lines.heading(2, TITLE);
    if let Some(first) = sentences(report).first() {
        lines.wrapped(first);
    }
    for (title, eyes) in by_access(report) {
        lines.blank();
        lines.heading(3, title);
        lines.table(&table(report, title, eyes.iter().take(LISTED).copied()));
        let more = eyes.len().saturating_sub(LISTED);
        if more > 0 {
            lines.wrapped(&format!(
                "and {}: --format json lists them.",
                count(more, "further eye")
            ));
        }
    }
}

/// On a page.
pub(super) fn html(report: &CoverageReport) -> Markup {
    html! {
        @if !report.eyes.is_empty() {
            h2 { (TITLE) }
            ul.depth { @for sentence in sentences(report) { li { (sentence) } } }
            @for (title, eyes) in by_access(report) { (table(report, title, eyes.into_iter()).html()) }
        }
    }
}

/// Every one of them.
pub(super) fn json(report: &CoverageReport) -> Value {
    let eyes = report.eyes.iter().map(|one| {
        let eye = &one.eye;
        let times = eye.times.iter().map(|time| {
            json!({
                "node": report.nodes.get(time.node).map(|node| &node.name), "rtt_ms": time.rtt_ms, "age_days": time.age_days,
                "measured": until(report).and_then(|until| age::instant(until, time)).map(|at| at.to_string()),
                "weight": time.weight(), "answers": time.answers,
            })
        });
        json!({
            "source": eye.source.as_str(), "eye": eye.name, "site": eye.site,
            "country": eye.country.map(|country| country.to_string()),
            "latitude": eye.position.latitude(), "longitude": eye.position.longitude(),
            "network": eye.network.map(|network| network.0), "access": eye.access.as_str(),
            "counts": one.counts, "contradicted_by": one.contradicted_by, "times": times.collect::<Vec<_>>(),
        })
    });
    eyes.collect()
}

/// By access class, never together: those of most nodes first.
fn by_access(report: &CoverageReport) -> Vec<(&'static str, Vec<&EyeReport>)> {
    let classes = [
        (AccessClass::Eyeball, "Eyes on people's lines"),
        (AccessClass::DataCentre, "Eyes in data centres"),
        (
            AccessClass::Unknown,
            "Eyes of which nobody says how they are connected",
        ),
    ];
    let of = |(access, title)| {
        let mut eyes: Vec<_> = report
            .eyes
            .iter()
            .filter(|one| one.eye.access == access)
            .collect();
        eyes.sort_by_key(|one| (!one.counts, std::cmp::Reverse(one.eye.times.len())));
        (!eyes.is_empty()).then_some((title, eyes))
    };
    classes.into_iter().filter_map(of).collect()
}

fn table<'a>(report: &CoverageReport, title: &str, eyes: impl Iterator<Item = &'a EyeReport>) -> Table {
    let columns = [
        Column::names("eye").page_only().wraps(),
        Column::names("platform").lines_only(),
        Column::names("eye").lines_only(),
        Column::names("place"),
        Column::names("network"),
        Column::figures("nodes"),
        Column::names("best node"),
        Column::figures("ms"),
        Column::names("measured").whole(),
        Column::figures("weight"),
    ];
    let rows = eyes.map(|one| {
        let eye = &one.eye;
        let best = eye.times.iter().min_by(|a, b| a.rtt_ms.total_cmp(&b.rtt_ms));
        let node = best.and_then(|time| report.nodes.get(time.node));
        let newest = age::newest(eye);
        let weight = match (one.counts, newest) {
            (true, Some(time)) => format!("{:.2}", time.weight()),
            _ if !one.contradicted_by.is_empty() => "place does not fit".to_owned(),
            _ => "left out".to_owned(),
        };
        vec![
            name(eye).into(),
            eye.source.as_str().into(),
            eye.name.as_str().into(),
            eye.site.as_str().into(),
            isochrone_base::words::network_in_column(eye.network.map(|network| network.0)).into(),
            eye.times.len().to_string().into(),
            node.map_or("none", |node| &*node.name).into(),
            best.map_or(String::new(), |time| format!("{:.1}", time.rtt_ms))
                .into(),
            newest
                .map_or(String::new(), |time| age::date(until(report), time))
                .into(),
            weight.into(),
        ]
    });
    Table::new(title, columns).rows(rows)
}

fn used(report: &CoverageReport) -> Vec<&Eye> {
    let counting = report.eyes.iter().filter(|one| one.counts);
    counting.map(|one| &one.eye).collect()
}

fn name(eye: &Eye) -> String {
    format!("{} {}", eye.source.as_str(), eye.name)
}

/// Where the report ends.
fn until(report: &CoverageReport) -> Option<jiff::Timestamp> {
    report.window.map(|window| window.to)
}

/// How old the times are, and how much they count for that.
fn ages(report: &CoverageReport, eyes: &[&Eye]) -> Option<String> {
    let times = || eyes.iter().flat_map(|eye| &eye.times);
    let by_age = |a: &&EyeTime, b: &&EyeTime| a.age_days.total_cmp(&b.age_days);
    let (newest, oldest) = (times().min_by(by_age)?, times().max_by(by_age)?);
    let date = |time| age::date(until(report), time);
    Some(match date(newest) == date(oldest) {
        true => format!("measured {}, weight {:.2}", date(newest), newest.weight()),
        false => format!(
            "measured {} to {}, weight {:.2} to {:.2}",
            date(oldest),
            date(newest),
            oldest.weight(),
            newest.weight()
        ),
    })
}

#[cfg(test)]
mod tests;
