//! What `place` and `what-if` are asked.

use std::str::FromStr;

use clap::Args;
use isochrone_coverage::place::Objective;
use serde::{Deserialize, Serialize};

use super::CoverageArgs;

/// What `place` is made from.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct PlaceArgs {
    /// The same as `report count`.
    #[command(flatten)]
    pub coverage: CoverageArgs,
    /// So many nodes in all, the fixed ones among them.
    #[arg(short, value_name = "N")]
    pub k: usize,
    /// Places that are chosen in any case: nodes, sites, or cities as City, CC; `all`: every node of today. May be given
    /// several times.
    #[arg(long, value_name = "NAME,NAME,…")]
    pub fixed: Vec<String>,
    /// Places that are not chosen: nodes, cities as City, CC, or a country's code, such as CN. May be given several
    /// times.
    #[arg(long, value_name = "NAME,NAME,…")]
    pub forbid: Vec<String>,
    /// What is to be best: the mean time, the share within so many milliseconds, or the longest time.
    #[arg(long, default_value_t = ObjectiveArg::Mean, value_name = "mean|cover:MS|max")]
    pub objective: ObjectiveArg,
    /// Places that may be chosen beside today's nodes, instead of cities: a file with place[, latitude, longitude][,
    /// cost][, capacity]; cost in milliseconds of the mean, or as a share of the weight, capacity as the weights count.
    #[arg(long, value_name = "FILE")]
    pub candidates: Option<String>,
    /// The text of that file, read by whoever gave the command.
    #[arg(skip)]
    pub candidates_file: Option<String>,
}

/// What `what-if` is made from.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct WhatIfArgs {
    /// The same as `report count`.
    #[command(flatten)]
    pub coverage: CoverageArgs,
    /// A place that would get a node: a city as City, CC, a site by its name, or LAT,LON; may be given several times.
    #[arg(long, allow_hyphen_values = true, value_name = "PLACE")]
    pub add: Vec<String>,
    /// A node that would go; may be given several times.
    #[arg(long, value_name = "NODE")]
    pub remove: Vec<String>,
}

/// `mean`, `cover:100` or `max`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum ObjectiveArg {
    /// The weighted mean time.
    Mean,
    /// The share of weight within so many milliseconds.
    Cover(f64),
    /// The longest time.
    Max,
}

impl FromStr for ObjectiveArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let budget = text.strip_prefix("cover:").and_then(|ms| ms.parse::<f64>().ok());
        match (text, budget) {
            ("mean", _) => Ok(Self::Mean),
            ("max", _) => Ok(Self::Max),
            (_, Some(ms)) if ms.is_finite() && ms > 0.0 => Ok(Self::Cover(ms)),
            _ => {
                Err("write mean, max, or cover: with a budget in milliseconds, such as cover:100".to_owned())
            }
        }
    }
}

impl std::fmt::Display for ObjectiveArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mean => f.write_str("mean"),
            Self::Cover(ms) => write!(f, "cover:{ms}"),
            Self::Max => f.write_str("max"),
        }
    }
}

impl From<ObjectiveArg> for Objective {
    fn from(given: ObjectiveArg) -> Self {
        match given {
            ObjectiveArg::Mean => Self::Mean,
            ObjectiveArg::Cover(ms) => Self::Cover(ms),
            ObjectiveArg::Max => Self::Max,
        }
    }
}

/// The names in lists such as `berlin,Lagos, NG`: a country's code behind a comma and a space belongs to its city.
#[must_use]
pub fn listed(given: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for list in given {
        let first = names.len();
        for part in list.split(',') {
            let code = part.strip_prefix(' ').map(str::trim);
            let is_code =
                code.is_some_and(|code| code.len() == 2 && code.chars().all(|c| c.is_ascii_uppercase()));
            match (names[first..].last_mut(), is_code) {
                (Some(city), true) => {
                    city.push(',');
                    city.push_str(part);
                }
                _ => names.push(part.trim().to_owned()),
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objective_is_read_as_it_is_written_and_anything_else_says_what_to_write() {
        for (text, objective) in [
            ("mean", ObjectiveArg::Mean),
            ("cover:100", ObjectiveArg::Cover(100.0)),
            ("cover:2.5", ObjectiveArg::Cover(2.5)),
            ("max", ObjectiveArg::Max),
        ] {
            assert_eq!(text.parse(), Ok(objective));
            assert_eq!(objective.to_string(), text);
        }
        for wrong in [
            "median",
            "cover",
            "cover:",
            "cover:0",
            "cover:-1",
            "cover:NaN",
            "100",
        ] {
            let said = wrong.parse::<ObjectiveArg>().unwrap_err();
            assert!(said.contains("cover:100"), "{wrong}: {said}");
        }
    }

    #[test]
    fn names_in_a_list_are_parted_by_commas_but_a_city_keeps_its_country() {
        let names = |given: &[&str]| listed(&given.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&["berlin,tokyo"]), ["berlin", "tokyo"]);
        assert_eq!(names(&["berlin,Lagos, NG,CN"]), ["berlin", "Lagos, NG", "CN"]);
        assert_eq!(names(&["Lagos, NG", "CN,IN"]), ["Lagos, NG", "CN", "IN"]);
        assert_eq!(
            names(&["CN, IN"]),
            ["CN, IN"],
            "written as a city; it will be told that none is called so"
        );
        assert_eq!(names(&[" , "]), [] as [&str; 0]);
    }
}
