//! Which countries are not predicted, and which only with wider intervals, in sentences.

use isochrone_coverage::report::{ClassPrediction, Unseen};

use crate::words::percent;

/// Which countries are not predicted, and which with wider intervals.
pub(super) fn method(predicted: &ClassPrediction) -> Vec<String> {
    let mut sentences = vec![
        "A country that carries 1 % of the weight or more is not predicted where no site is known in it, neither here \
         nor by the old measurements: it counts as unknown, and no node is guessed there."
            .to_owned(),
    ];
    let wide = predicted.widened.iter();
    let wide = wide.map(|how| format!("{} {} times", how.country.name(), times(how.times)));
    let wide: Vec<String> = wide.collect();
    if !wide.is_empty() {
        sentences.push(format!(
            "Where a country's known sites, left out, are predicted twice as badly as usual, its intervals are as wide as \
             those sites would have needed: {}.",
            wide.join(", ")
        ));
    }
    sentences
}

/// The heavy countries that are not predicted, in a sentence.
pub(super) fn unseen(countries: &[Unseen], what: &str) -> Option<String> {
    let names: Vec<&str> = countries.iter().map(|one| one.country.name()).collect();
    let (last, others) = names.split_last()?;
    let (all, there) = match others {
        [] => ((*last).to_owned(), "it"),
        others => (format!("{} and {last}", others.join(", ")), "them"),
    };
    let share = percent(countries.iter().map(|one| one.share).sum());
    Some(format!(
        "{all} ({share} of {what}) cannot be predicted: no site is known in {there}."
    ))
}

/// `1.9`
pub(super) fn times(times: f64) -> String {
    format!("{times:.1}")
}
