//! What is wrong with files, in sentences.

use isochrone_base::words::count;
use isochrone_coverage::note::Unit;

pub(super) fn no_coordinates(sites: &[String]) -> String {
    format!(
        "No coordinates are given for {}: left out as {}. Fill in latitude and longitude.",
        some(sites),
        if sites.len() == 1 { "a place" } else { "places" }
    )
}

pub(super) fn other_way_round(sites: &[String]) -> String {
    format!(
        "Latitude and longitude of {} can be read only the other way round, so {} left out: swapped?",
        some(sites),
        if sites.len() == 1 { "it is" } else { "they are" }
    )
}

/// `fit`: sites that fit as given, and the other way round.
pub(super) fn swapped(file: &str, (fit, fit_swapped): (usize, usize), of: usize) -> String {
    format!(
        "Latitude and longitude look swapped in {file}: as given {fit} of {of} sites lie near a city of their country, \
         the other way round {fit_swapped}. Until that is mended nothing that rests on a place can be believed: nothing \
         is predicted and no node is left out."
    )
}

/// `median`: of the times over what light needs.
pub(super) fn unit(file: &str, unit: Unit, median: f64) -> String {
    let (unit, pace) = match unit {
        Unit::Seconds => (
            "seconds",
            format!("{:.0} times faster than light allows", 1.0 / median),
        ),
        Unit::Microseconds => ("microseconds", format!("{median:.0} times what light needs")),
    };
    format!(
        "The times of {file} look like {unit}, where milliseconds are needed: half of them are {pace} or more. Until that \
         is mended no time can be believed: nothing is predicted and no node is left out."
    )
}

pub(super) fn twice(file: &str, pair: &str, lines: (u64, u64), more: usize) -> String {
    let others = match more {
        0 => String::new(),
        1 => ", and so is 1 more".to_owned(),
        more => format!(", and so are {more} more"),
    };
    format!(
        "{file}: the pair {pair} is given twice with different times, in lines {} and {}{others}: neither is used.",
        lines.0, lines.1
    )
}

/// `first`: the file, and the first line that names a stranger.
pub(super) fn strangers(first: (&str, u64), rows: usize, sites: &[String], known_from: &str) -> String {
    format!(
        "{} of {}, the first in line {}, {} {}, which {} not in {known_from}: not used.",
        count(rows, "row"),
        first.0,
        first.1,
        if rows == 1 { "names" } else { "name" },
        some(sites),
        if sites.len() == 1 { "is" } else { "are" }
    )
}

/// Some names, and how many more.
pub(super) fn some(names: &[String]) -> String {
    const NAMED: usize = 5;
    let named: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    match names.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
