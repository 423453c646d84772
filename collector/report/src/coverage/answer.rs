//! The answer for a reader who knows nothing of the project: what is known, how far people are from a node, whose place
//! lies, where the next node belongs, and what to measure. The first sentences of every rendering.

use isochrone_base::words::count as so_many;
use isochrone_coverage::count::NextNode;
use isochrone_coverage::note::Note;
use isochrone_coverage::observations::AccessClass;
use isochrone_coverage::report::{ClassReport, CoverageReport, SPEAKS_FOR_KM, Share};
use isochrone_coverage::weights::WeightKind;

use super::words::{networks, of_what, surely};
use super::{count, countries, notes};
use crate::words::{budget, ms, ms_interval, percent};

/// The answer, in a few sentences: who measured, how far people are from a node, where the next one belongs; then the rest.
pub(super) fn answer(report: &CoverageReport) -> Vec<String> {
    let Some(class) = report.classes.first() else {
        return notes::grave(&report.notes).collect();
    };
    let mut sentences = vec![witnesses(report, class)];
    let wrong = notes::grave(&report.notes).chain(weightless(report, class));
    sentences.extend(wrong);
    if sentences.len() > 1 {
        return sentences;
    }
    sentences.extend(notes::one_view(&report.notes));
    sentences.extend(shares(report, class));
    if let Some(counted) = &report.count {
        sentences.extend(counted.next.as_ref().map(|next| self::next(report, next)));
        sentences.extend(countries::unseen(&counted.unpredictable, of_what(report)));
    }
    sentences.extend(misplaced(report));
    sentences.extend(backup(class));
    sentences.extend(
        report
            .count
            .iter()
            .filter_map(|counted| count::decide(&counted.measure)),
    );
    sentences
}

/// That nothing weighs anything: then no share can be said.
fn weightless(report: &CoverageReport, class: &ClassReport) -> Option<String> {
    let mut notes = report.notes.iter();
    let note = notes.find(|note| matches!(note, Note::NoWeight { .. }));
    note.filter(|_| class.total_weight <= 0.0).map(notes::sentence)
}

/// Who measured, and how much of the world they stand near.
fn witnesses(report: &CoverageReport, class: &ClassReport) -> String {
    let known = percent(class.known_share());
    let between = match class.access {
        AccessClass::DataCentre => "Between servers",
        AccessClass::Eyeball => "From users' lines",
        AccessClass::Unknown => "From sites whose access is not known",
    };
    let near = match report.weights.kind {
        WeightKind::Sites => format!("{known} of sites were measured"),
        WeightKind::People => {
            format!("{known} of city people live within {SPEAKS_FOR_KM} km of one, in its country")
        }
        WeightKind::File => {
            format!("{known} of the file's weight lies within {SPEAKS_FOR_KM} km of one, in its country")
        }
    };
    let measured = class
        .vantages
        .iter()
        .filter(|vantage| vantage.best.is_some())
        .count();
    let measured = match (measured, class.vantages.len()) {
        (measured, all) if measured == all => String::new(),
        (0, _) => ", none of which measured a node that counts".to_owned(),
        (measured, _) => format!(", of which {measured} measured a node that counts"),
    };
    format!(
        "{between}: {} in {}{measured}; {near}.",
        so_many(class.vantages.len(), "vantage"),
        networks(class)
    )
}

/// How far the weight is from a node: measured only, where that may be a headline, and with predictions.
fn shares(report: &CoverageReport, class: &ClassReport) -> Option<String> {
    let at = report.first_budget(class);
    let measured = class.shares.get(at)?;
    let three = |share: &Share| {
        format!(
            "{} within, {} beyond, {} unknown",
            percent(share.within),
            percent(share.beyond),
            percent(share.unknown)
        )
    };
    let headline = class.withheld.is_empty();
    let measured_words = headline.then(|| format!("measured: {}", three(measured)));
    let predicted = class.predicted.as_ref().and_then(|all| all.shares.get(at));
    let surely = |share: &Share| format!("with predictions: {}", surely(share, of_what(report)));
    let predicted_words = predicted.map(surely);
    let parts: Vec<String> = measured_words.into_iter().chain(predicted_words).collect();
    (!parts.is_empty()).then(|| {
        format!(
            "Of {}, {} or less from a node, {}.",
            of_what(report),
            budget(measured.budget_ms),
            parts.join("; ")
        )
    })
}

/// Whose claimed place lies.
fn misplaced(report: &CoverageReport) -> Option<String> {
    report.notes.iter().find_map(|note| match note {
        Note::Impossible { names } => Some(format!(
            "{}: place does not fit; typo? Left out here; `locate` says why.",
            names.join(", ")
        )),
        _ => None,
    })
}

/// Where the next node belongs, without figures: they stand below. Only where its country is predicted badly its own
/// interval is told at once.
fn next(report: &CoverageReport, next: &NextNode) -> String {
    let runners: Vec<&str> = next.runners_up.iter().map(|city| city.place.as_str()).collect();
    let runners = match runners.is_empty() {
        true => String::new(),
        false => format!("; runners-up {}", runners.join("; ")),
    };
    let measured = match &next.best.site {
        None => ", not yet measured",
        Some(_) => "",
    };
    let class = report.classes.first().and_then(|class| class.predicted.as_ref());
    let mut badly = class.iter().flat_map(|class| &class.widened);
    let doubt = badly.find(|how| next.best.predicted && Some(how.country) == next.best.country);
    let doubt = doubt.map(|how| {
        format!(
            " {} is predicted badly: it would gain {} ms in the mean.",
            how.country.name(),
            ms_interval(next.best.interval)
        )
    });
    format!(
        "Best guess for the next city: {}{measured}{runners}.{}",
        next.best.place,
        doubt.unwrap_or_default()
    )
}

/// How far the nearest node is, and the next.
fn backup(class: &ClassReport) -> Option<String> {
    let backup = class.depth.backup?;
    Some(format!(
        "Backup distances: where it was measured, the nearest node is {} ms away in the mean, and the next one {} ms.",
        ms(Some(backup.nearest_ms)),
        ms(Some(backup.next_ms))
    ))
}
