//! Where the next node belongs, or why no city can be guessed, in sentences.

use isochrone_base::words::count as so_many;
use isochrone_coverage::count::{Candidate, Count, Doubt, NextNode};

use super::marks::{calibration, mark};
use crate::words::{ms, ms_interval};

/// Cities that are listed in a sentence.
const NAMED: usize = 5;

/// Where the next node belongs, as far as anyone can say.
pub(super) fn next(next: &NextNode) -> String {
    if !is_gain(&next.best) {
        return NO_GAIN.to_owned();
    }
    let all: Vec<String> = runners_up(next).take(NAMED).map(gain).collect();
    let runners = match all.is_empty() {
        true => String::new(),
        false => format!("; runners-up {}", all.join(", ")),
    };
    let measured = match &next.best.site {
        None => ", not yet measured",
        Some(_) => "",
    };
    let doubt = match next.calibrated {
        true => String::new(),
        false => format!(" {}", calibration()),
    };
    format!(
        "Best guess for the next city: {}{measured}{runners}.{doubt}",
        gain(&next.best)
    )
}

/// Where no city gains anything.
pub(crate) const NO_GAIN: &str =
    "No city would shorten the mean by a node of its own, as far as it is measured and predicted.";

/// The next best cities that gain anything: what gains nothing is no advice.
pub(crate) fn runners_up(next: &NextNode) -> impl Iterator<Item = &Candidate> {
    next.runners_up.iter().filter(|city| is_gain(city))
}

/// Whether a gain reads as more than nothing.
pub(crate) fn is_gain(city: &Candidate) -> bool {
    const LEAST_MS: f64 = 0.005;
    city.gain_ms >= LEAST_MS
}

/// That no city is guessed, and why.
pub(crate) fn no_guess(count: &Count) -> String {
    let why = count.reasons.iter().find_map(|doubt| match doubt {
        Doubt::NothingKnown => Some("nothing was measured that counts"),
        Doubt::NotBelieved => Some("times and places contradict each other as a whole"),
        Doubt::NoPrior => Some("from so few vantages alone, without a prior, it would be noise"),
        Doubt::NoPredictions => Some("most places are neither measured nor predicted"),
        Doubt::FewVantages | Doubt::WideIntervals | Doubt::NotByDays | Doubt::FewDays => None,
    });
    let why = why.unwrap_or(match count.drop_one.is_empty() {
        true => "nobody who counts measured a node that has coordinates",
        false => "no city's times to others are measured or predicted",
    });
    format!("No city can be guessed for the next node: {why}.")
}

/// `Lagos, NG (4.2 ms less in the mean, 1.0–9.3)`
pub(super) fn gain(candidate: &Candidate) -> String {
    let interval = candidate
        .interval
        .map(|interval| format!(", {}", ms_interval(Some(interval))))
        .unwrap_or_default();
    let eyes = match candidate.eyes {
        0 => String::new(),
        eyes => format!(", measured by {}", so_many(eyes, "borrowed eye")),
    };
    format!(
        "{} ({}{} ms less in the mean{interval}{eyes})",
        candidate.place,
        mark(candidate.predicted),
        ms(Some(candidate.gain_ms))
    )
}
