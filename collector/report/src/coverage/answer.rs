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

/// The first sentences of every rendering.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// What is wrong with the input, and changes what follows.
    pub(super) wrong: Vec<String>,
    /// The answer itself.
    pub(super) says: Vec<String>,
}

impl Answer {
    /// All of it, what is wrong first.
    pub(super) fn sentences(self) -> Vec<String> {
        let mut all = self.wrong;
        all.extend(self.says);
        all
    }
}

/// The answer, in a few sentences: what is wrong with the input, who measured, how far the next node is, where the next
/// one belongs; then the rest. Of times that are not believed nothing is said.
pub(super) fn answer(report: &CoverageReport) -> Answer {
    let wrong = notes::told_first(&report.notes);
    let Some(class) = report.classes.first() else {
        return Answer {
            wrong,
            says: Vec::new(),
        };
    };
    let says = match report.notes.iter().any(Note::is_grave) {
        true => vec![disbelieved(class)],
        false => believed(report, class),
    };
    Answer { wrong, says }
}

fn believed(report: &CoverageReport, class: &ClassReport) -> Vec<String> {
    let mut sentences = vec![witnesses(report, class)];
    if is_weightless(report, class) {
        return sentences;
    }
    let next = report.count.as_ref().and_then(|counted| counted.next.as_ref());
    sentences.extend(next.map(|next| self::next(report, next)));
    sentences.extend(shares(report, class));
    let counted = report.count.as_ref();
    sentences.extend(counted.and_then(|counted| countries::unseen(&counted.unpredictable, of_what(report))));
    sentences.extend(counted.and_then(|counted| count::decide(&counted.measure)));
    sentences
}

/// Who measured, where nothing may be said of it.
fn disbelieved(class: &ClassReport) -> String {
    format!(
        "{}. Nothing is claimed from these times: what each vantage measured stands below as it was given.",
        measuring(class)
    )
}

/// Whether nothing weighs anything: then no share can be said.
fn is_weightless(report: &CoverageReport, class: &ClassReport) -> bool {
    let mut notes = report.notes.iter();
    class.total_weight <= 0.0 && notes.any(|note| matches!(note, Note::NoWeight { .. }))
}

/// Who measured: `Between servers: 10 vantages in 10 networks`. Those that measured nothing that counts are no vantages.
fn measuring(class: &ClassReport) -> String {
    let between = match class.access {
        AccessClass::DataCentre => "Between servers",
        AccessClass::Eyeball => "From users' lines",
        AccessClass::Unknown => "From sites whose access is not known",
    };
    match (class.measuring.vantages, class.vantages.len()) {
        (0, all) => format!(
            "{between}: none of {} measured a node that counts",
            so_many(all, "site")
        ),
        (measured, all) if measured == all => {
            format!("{between}: {} in {}", so_many(all, "vantage"), networks(class))
        }
        (measured, all) => format!(
            "{between}: {} in {} ({} measured no node that counts)",
            so_many(measured, "vantage"),
            networks(class),
            so_many(all - measured, "more site")
        ),
    }
}

/// Who measured, and how much of the world they stand near.
fn witnesses(report: &CoverageReport, class: &ClassReport) -> String {
    let known = percent(class.known_share());
    let near = match report.weights.kind {
        WeightKind::Sites => format!("{known} of sites were measured"),
        WeightKind::People => {
            format!("{known} of city people live within {SPEAKS_FOR_KM} km of one, in its country")
        }
        WeightKind::File => {
            format!("{known} of the file's weight lies within {SPEAKS_FOR_KM} km of one, in its country")
        }
    };
    format!(
        "{}; {near}{}.",
        measuring(class),
        backup(class).unwrap_or_default()
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

/// How far the nearest node is, and the next, at the end of a sentence.
fn backup(class: &ClassReport) -> Option<String> {
    let backup = class.depth.backup?;
    Some(format!(
        "; backup distances where it was measured: {} ms in the mean to the nearest node, {} ms to the next",
        ms(Some(backup.nearest_ms)),
        ms(Some(backup.next_ms))
    ))
}
