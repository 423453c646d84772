//! What every rendering of a placement says in the same words.

use isochrone_coverage::place::Objective;
use isochrone_coverage::report::Interval;
use isochrone_coverage::report::placement::{Drawn, Placement};

use super::super::count::{calibration, mark};
use super::super::countries;
use super::super::words::percent_interval;
use crate::words::{ms, ms_interval, percent};

/// What the words mean, for a reader who meets them here first.
pub(super) const GLOSSARY: [(&str, &str); 4] = [
    (
        "Gap",
        "How much better any other set could be at most, by the same numbers. The word “best” stands only where none can be.",
    ),
    (
        "Cannot be told apart",
        "Another place instead of a chosen one: in the draws the set with it is as often better as nine in ten allow.",
    ),
    (
        "Predicted",
        "Nobody measured it. The time comes from distance, from what was measured elsewhere, and from older public \
         measurements; its interval was calibrated by leaving out whole areas.",
    ),
    (
        "Shortlist",
        "Places by what they might gain if they turn out better than expected: measure these before deciding.",
    ),
];
/// Places that are named in a sentence.
const NAMED: usize = 5;

/// What is best, in a few words.
pub(super) fn objective(objective: Objective) -> String {
    match objective {
        Objective::Mean => "least mean time".to_owned(),
        Objective::Cover(budget) => format!("most within {budget} ms"),
        Objective::Max => "least longest time".to_owned(),
    }
}

/// A figure of the objective: `41.2 ms`, or `72.1 %`.
pub(super) fn figure(value: f64, objective: Objective) -> String {
    match objective {
        Objective::Cover(_) if value < 0.0 => format!("−{}", percent(-value)),
        Objective::Cover(_) => percent(value),
        Objective::Mean | Objective::Max if value < 0.0 => format!("−{} ms", ms(Some(-value))),
        Objective::Mean | Objective::Max => format!("{} ms", ms(Some(value))),
    }
}

/// Its interval.
pub(super) fn interval(interval: Option<Interval>, objective: Objective) -> String {
    match objective {
        Objective::Cover(_) => percent_interval(interval.map(|one| Interval {
            low: one.low.clamp(-1.0, 1.0),
            high: one.high.clamp(-1.0, 1.0),
        })),
        Objective::Mean | Objective::Max => ms_interval(interval),
    }
}

/// `~41.2 ms (33.0–52.1)`
fn drawn(drawn: &Drawn, placement: &Placement) -> String {
    let ends = drawn
        .interval
        .map(|ends| format!(" ({})", interval(Some(ends), placement.objective)))
        .unwrap_or_default();
    format!(
        "{}{}{ends}",
        mark(placement.predicted),
        figure(drawn.value, placement.objective)
    )
}

/// The answer in a few sentences.
pub(super) fn answer(placement: &Placement, what: &str) -> Vec<String> {
    let mut sentences = vec![set(placement)];
    sentences.extend(against_today(placement));
    sentences.push(how_good(placement));
    sentences.extend(tied(placement));
    if placement.by_point {
        sentences.push(
            "No predicted time has an interval here, so places are ranked by point prediction alone: nobody can say how \
             sure this is."
                .to_owned(),
        );
    }
    sentences.extend(countries::unseen(&placement.unpredictable, what));
    sentences.extend(measure(placement));
    sentences
}

fn set(placement: &Placement) -> String {
    let names: Vec<&str> = placement.chosen.iter().map(|place| &*place.name).collect();
    let reached = drawn(&placement.priced, placement);
    let what = match placement.objective {
        Objective::Mean => format!("The mean time is {reached} with"),
        Objective::Cover(budget) => format!("{reached} lies within {budget} ms of"),
        Objective::Max => format!("The longest time is {reached} with"),
    };
    let fewer = match placement.chosen.len() < placement.k {
        true => format!(" (fewer than {}: no other is worth what it costs)", placement.k),
        false => String::new(),
    };
    format!("{what} {}{fewer}.", names.join("; "))
}

fn against_today(placement: &Placement) -> Option<String> {
    let (today, better) = (placement.today?, placement.better?);
    Some(format!(
        "Today's nodes give {}; this set is {} better.",
        drawn(&today, placement),
        drawn(&better, placement)
    ))
}

/// How far the set is from the best.
fn how_good(placement: &Placement) -> String {
    if placement.proven {
        return "By these numbers no other set is better: proven. The numbers themselves are as sure as their intervals."
            .to_owned();
    }
    match placement.gap.is_finite() {
        true => format!(
            "By these numbers no set is more than {} better (the gap); this one is not proven to be the best.",
            percent(placement.gap)
        ),
        false => "How much better another set might be could not be bounded.".to_owned(),
    }
}

/// The places that cannot be told from the chosen ones.
fn tied(placement: &Placement) -> Option<String> {
    let rivals = placement.rivals.iter().filter(|rival| rival.tied);
    let all: Vec<String> = rivals
        .map(|rival| format!("{} instead of {}", rival.place, rival.instead_of))
        .collect();
    let more = match all.len() > NAMED {
        true => format!(" and {} more", all.len() - NAMED),
        false => String::new(),
    };
    let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    (!all.is_empty()).then(|| format!("Cannot be told apart from this: {named}{more}."))
}

/// What to measure before deciding.
fn measure(placement: &Placement) -> Option<String> {
    let names: Vec<&str> = placement
        .shortlist
        .iter()
        .take(NAMED)
        .map(|one| &*one.place)
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "Before deciding, measure towards these places from heavy cities that are unknown: {}. List each as \
             `[[candidate]]` in targets.toml.",
            names.join("; ")
        )
    })
}

/// How it was found.
pub(super) fn method(placement: &Placement) -> Vec<String> {
    let mut sentences = vec![
        "Calculation only: places are chosen by the likeliest times, greedily, then by swaps from many beginnings; a Lagrangian \
         bound says how good the set is, and an integer program proves it where it can (up to 250 places)."
            .to_owned(),
        "Times are between servers: no figure holds a user's last mile.".to_owned(),
    ];
    if let Some(gathered) = placement.gathered {
        sentences.push(format!(
            "Demand was gathered into {gathered} groups with the same nearest places, and priced point by point afterwards."
        ));
    }
    if placement.predicted && !placement.by_point {
        sentences.push(calibration());
    }
    sentences
}
