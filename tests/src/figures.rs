//! Figures: numbers the issues ask for, each with a name, printed by one command:
//! `cargo run --release -p isochrone-tests --bin figures -- [PREFIX…]`.
//!
//! A module a subject; each lists its [`Figure`]s, and [`ALL`] lists the modules'. A figure compares with its
//! peer in the same run, alternating, and quotes medians: wall times on shared machines swing.

pub mod audit;
pub mod borrowed;
pub mod build;
pub mod coverage;
pub mod elastic;
pub mod fleet;
pub mod health;
pub mod idle;
pub mod ingest;
pub mod lines;
mod mesh;
pub mod place;
pub mod planner;
pub mod probe;
mod process;
pub mod query;
pub mod report;
mod state;
pub mod store;
pub mod whereabouts;
pub mod wire;
mod workspace;

use std::borrow::Cow;
use std::fmt;

/// Every figure, in the order in which they are printed.
pub const ALL: &[&[Figure]] = &[
    wire::FIGURES,
    ingest::FIGURES,
    fleet::FIGURES,
    idle::FIGURES,
    store::FIGURES,
    query::FIGURES,
    elastic::FIGURES,
    report::FIGURES,
    borrowed::FIGURES,
    audit::FIGURES,
    probe::FIGURES,
    planner::FIGURES,
    health::FIGURES,
    coverage::FIGURES,
    place::FIGURES,
    whereabouts::FIGURES,
    build::FIGURES,
    lines::FIGURES,
];

/// One measurement that prints one or more figures.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Names of what it prints; `…` stands for a part that is known only when it is taken.
    pub names: &'static [&'static str],
    /// Takes it. Long ones run a minute or so.
    pub measure: fn() -> anyhow::Result<Vec<Measured>>,
    /// Takes several minutes: left out unless it is asked for by name, or with [`EVERYTHING`].
    pub is_slow: bool,
}

/// In the place of a prefix: every figure, the slow ones too.
pub const EVERYTHING: &str = "--all";

/// A figure's value.
#[derive(Clone, Debug)]
pub struct Measured {
    /// One of the [`Figure::names`].
    pub name: Cow<'static, str>,
    /// The number.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// How it was taken, with its count.
    pub how: String,
    /// The bound that the issues set, if any.
    pub bound: Option<Bound>,
}

/// What a figure must not leave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

impl Figure {
    /// One that takes seconds, a minute or two at most.
    #[must_use]
    pub const fn quick(
        names: &'static [&'static str],
        measure: fn() -> anyhow::Result<Vec<Measured>>,
    ) -> Self {
        Self {
            names,
            measure,
            is_slow: false,
        }
    }

    /// One that takes several minutes.
    #[must_use]
    pub const fn slow(
        names: &'static [&'static str],
        measure: fn() -> anyhow::Result<Vec<Measured>>,
    ) -> Self {
        Self {
            names,
            measure,
            is_slow: true,
        }
    }

    /// Whether one of its names starts with one of `prefixes`; without prefixes, unless it is slow.
    #[must_use]
    pub fn is_asked_for(&self, prefixes: &[String]) -> bool {
        let starts = |prefix: &String| {
            let fits = |name: &&str| {
                let head = name.split('…').next().unwrap_or_default();
                name.starts_with(prefix.as_str()) || (head != *name && prefix.starts_with(head))
            };
            prefix == EVERYTHING || self.names.iter().any(fits)
        };
        prefixes.is_empty() && !self.is_slow || prefixes.iter().any(starts)
    }
}

impl Measured {
    /// Whether the value keeps its bound.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self.bound {
            None => self.value.is_finite(),
            Some(Bound::AtMost(most)) => self.value <= most,
            Some(Bound::AtLeast(least)) => self.value >= least,
        }
    }

    /// The line that is printed: `name value unit (how, machine)`.
    #[must_use]
    pub fn line(&self, machine: &str) -> String {
        let value = if self.value.abs() < 100.0 {
            format!("{:.2}", self.value)
        } else {
            format!("{:.0}", self.value)
        };
        let bound = self.bound.map_or(String::new(), |bound| format!(", {bound}"));
        format!(
            "{} {value} {} ({}{bound}, {machine})",
            self.name, self.unit, self.how
        )
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "at most {most}"),
            Self::AtLeast(least) => write!(f, "at least {least}"),
        }
    }
}

/// This machine in a few words: processor, how many, kernel, and whether the build is optimised.
#[must_use]
pub fn machine() -> String {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model.trim());
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let build = if cfg!(debug_assertions) {
        ", debug build"
    } else {
        ""
    };
    format!("{count} x {model}, Linux {}{build}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_its_own_name() {
        let mut names: Vec<&str> = ALL
            .concat()
            .iter()
            .flat_map(|figure| figure.names)
            .copied()
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(names.iter().all(|name| name.contains('.')), "{names:?}");
    }

    #[test]
    fn prefix_chooses_figures_and_none_chooses_all() {
        let figure = Figure::quick(&["wire.bytes", "wire.time"], || Ok(vec![]));
        let asked = |prefixes: &[&str]| {
            let prefixes: Vec<String> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
            figure.is_asked_for(&prefixes)
        };
        assert!(asked(&[]));
        assert!(asked(&["wire"]));
        assert!(asked(&["ingest", "wire.t"]));
        assert!(!asked(&["ingest"]));
        assert!(!asked(&["wire.bytes.more"]));
    }

    #[test]
    fn slow_figure_is_taken_only_when_asked_for() {
        let figure = Figure::slow(&["build.cold"], || Ok(vec![]));
        let asked = |prefix: &str| figure.is_asked_for(&[prefix.to_owned()]);
        assert!(!figure.is_asked_for(&[]));
        assert!(!asked("wire"));
        assert!(asked("build"));
        assert!(asked(EVERYTHING));
    }

    #[test]
    fn figure_with_an_open_name_is_asked_for_by_its_beginning_or_one_of_its_names() {
        let figure = Figure::slow(&["build.touch_…_seconds"], || Ok(vec![]));
        let asked = |prefix: &str| figure.is_asked_for(&[prefix.to_owned()]);
        assert!(asked("build") && asked("build.touch_proto_seconds"));
        assert!(!asked("build.cold_seconds") && !asked("lines"));
    }

    #[test]
    fn bound_holds_from_both_sides() {
        let measured = |value, bound| Measured {
            name: "a.b".into(),
            value,
            unit: "B",
            how: "n = 3".into(),
            bound,
        };
        assert!(measured(8.0, Some(Bound::AtMost(8.0))).holds());
        assert!(!measured(8.01, Some(Bound::AtMost(8.0))).holds());
        assert!(measured(8.0, Some(Bound::AtLeast(8.0))).holds());
        assert!(!measured(7.99, Some(Bound::AtLeast(8.0))).holds());
        assert!(!measured(f64::NAN, Some(Bound::AtMost(8.0))).holds());
        assert!(!measured(f64::NAN, None).holds());
        let line = measured(7.5, Some(Bound::AtMost(8.0))).line("here");
        assert_eq!(line, "a.b 7.50 B (n = 3, at most 8, here)");
    }
}
