//! What every rendering of a calculation says in the same words.

use isochrone_coverage::report::placement::Drawn;
use isochrone_coverage::report::what_if::{AddedPlace, WhatIf};

use super::super::count::{calibration, mark};
use super::super::countries;
use crate::words::{ms, ms_interval, percent};

/// What the words mean, for a reader who meets them here first.
pub(super) const GLOSSARY: [(&str, &str); 3] = [
    (
        "Mean time",
        "The round-trip time to the nearest node, averaged over all weight that was measured or predicted.",
    ),
    (
        "Predicted",
        "Nobody measured it. The time comes from distance, from what was measured elsewhere, and from older public \
         measurements; its interval was calibrated by leaving out whole areas.",
    ),
    (
        "Own city",
        "The city of an added place. Its time to a node of its own is predicted from what was measured around, and is \
         never taken for nothing.",
    ),
];

/// `~41.2 ms (33.0–52.1)`
pub(super) fn figure(drawn: &Drawn, is_predicted: bool) -> String {
    let ends = drawn
        .interval
        .map(|ends| format!(" ({})", ms_interval(Some(ends))))
        .unwrap_or_default();
    format!("{}{} ms{ends}", mark(is_predicted), ms(Some(drawn.value)))
}

/// Whether figures rest on predictions.
pub(super) fn is_predicted(what: &WhatIf) -> bool {
    what.predicted_share > 0.0 || !what.added.is_empty()
}

/// The answer in a few sentences.
pub(super) fn answer(what: &WhatIf, of_what: &str) -> Vec<String> {
    let mut sentences = vec![change(what)];
    sentences.push(format!(
        "The mean time is {} today and would be {}.",
        figure(&what.today.mean, is_predicted(what)),
        figure(&what.then.mean, is_predicted(what))
    ));
    sentences.extend(what.added.iter().map(|place| own_city(place, of_what)));
    if what.by_point {
        sentences.push(
            "No predicted time has an interval here: this is point prediction alone, and nobody can say how sure it is."
                .to_owned(),
        );
    }
    sentences.extend(countries::unseen(&what.unpredictable, of_what));
    sentences
}

/// What changes, and how surely.
fn change(what: &WhatIf) -> String {
    let with: Vec<&str> = what.added.iter().map(|place| &*place.name).collect();
    let without: Vec<&str> = what.removed.iter().map(String::as_str).collect();
    let parts: Vec<String> = [("with", with), ("without", without)]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(word, names)| format!("{word} {}", names.join("; ")))
        .collect();
    let more = &what.difference;
    let longer = if more.value < 0.0 { "shorter" } else { "longer" };
    let size = Drawn {
        value: more.value.abs(),
        interval: None,
    };
    let surely = match more.interval {
        None => "; how surely is not known".to_owned(),
        Some(ends) if ends.low <= 0.0 && ends.high >= 0.0 => format!(
            ", but it may be nothing, or the other way round: the interval is {}",
            signed(ends.low, ends.high)
        ),
        Some(ends) => format!(", interval {}", signed(ends.low, ends.high)),
    };
    format!(
        "{} the mean time would be {} {longer}{surely}.",
        capital(&parts.join(" and ")),
        figure(&size, is_predicted(what))
    )
}

/// `−9.30 to −1.00 ms`
fn signed(low: f64, high: f64) -> String {
    let one = |value: f64| match value < 0.0 {
        true => format!("−{}", ms(Some(-value))),
        false => ms(Some(value)),
    };
    format!("{} to {} ms", one(low), one(high))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn own_city(place: &AddedPlace, what: &str) -> String {
    let nearest = format!(
        "{} would be nearest to ~{} of the known {what}",
        place.name,
        percent(place.share)
    );
    match &place.own_city {
        Some(own) => format!(
            "{nearest}; its own city ({} of {what}) would go from {} to {}, predicted from its neighbours.",
            percent(own.share),
            figure(&own.today, true),
            figure(&own.then, true)
        ),
        None => format!("{nearest}; no weight lies in its own city."),
    }
}

/// How it was found.
pub(super) fn method(what: &WhatIf) -> Vec<String> {
    let mut sentences = vec![
        "Calculation only. All times of one draw are drawn together, days with them, and today's nodes and the others are \
         compared draw by draw."
            .to_owned(),
        "A place that would get a node strikes no vantage out: what it would do for its own city is predicted from its \
         neighbours."
            .to_owned(),
        "Shares as measured say what vantages measured alone: what an added place would do there is unknown.".to_owned(),
        "Times are between servers: no figure holds a user's last mile.".to_owned(),
    ];
    if is_predicted(what) && !what.by_point {
        sentences.push(calibration());
    }
    sentences
}
