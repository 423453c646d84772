//! The group's rule: a node is added only where one of the heaviest countries has none that meets the targets for
//! two terms.

use super::{ClassReport, Figures, Region, RegionId, Targets};
use crate::country::Country;

/// A term has so many days; the rule asks for two.
pub(super) const TERM_DAYS: i32 = 15;

/// The heaviest countries against the targets.
#[derive(Clone, Debug, PartialEq)]
pub struct TopCountries {
    /// The heaviest first.
    pub countries: Vec<TopCountry>,
    /// The window holds two terms, so a country can be judged.
    pub two_terms: bool,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct TopCountry {
    /// Which.
    pub country: Country,
    /// Its share of all weight.
    pub share: f64,
    /// The best node there, if any was measured.
    pub best: Option<String>,
    /// Its median time to first byte.
    pub ttfb_ms: Option<f64>,
    /// The node that meets the targets there in the newest half in which one does; the one with the shortest time to
    /// first byte, and not always the nearest.
    pub met_by: Option<String>,
    /// In the window's first half and in its second.
    pub halves: [Meets; 2],
    /// What the rule says.
    pub verdict: TopVerdict,
}

/// Whether some node meets the targets in a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meets {
    /// Time to first byte and throughput.
    All,
    /// Time to first byte; throughput is not measured.
    AllMeasured,
    /// It does not.
    No,
    /// Not measured.
    Unknown,
}

/// What the rule says of a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopVerdict {
    /// No node met the targets in two terms: a node may be added.
    Add,
    /// Some node met them.
    Served,
    /// It is not measured, or not for two terms.
    CannotTell,
}

impl TopVerdict {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Served => "served",
            Self::CannotTell => "cannot-tell",
        }
    }
}

impl Meets {
    fn of(figures: &Figures, targets: &Targets) -> Self {
        let Some(ttfb_ms) = figures.ttfb_p50_ms else {
            return Self::Unknown;
        };
        match (ttfb_ms <= targets.ttfb_ms, figures.sends_at(targets.mbps)) {
            (false, _) | (_, Some(false)) => Self::No,
            (true, Some(true)) => Self::All,
            (true, None) => Self::AllMeasured,
        }
    }

    /// Whether any node meets them in a region, and which: the nearest may be slow where another is not. That none does
    /// is said only where each was measured.
    fn any(region: Option<&Region>, (targets, all): (&Targets, usize)) -> (Self, Option<String>) {
        let measured = region.and_then(|region| region.measured.as_ref());
        let nodes = measured.map_or(&[][..], |measured| &measured.nodes);
        let judged = || {
            nodes
                .iter()
                .map(|(name, figures)| (name, figures, Self::of(figures, targets)))
        };
        let fastest = |wanted: Self| {
            let those = judged().filter(|(.., meets)| *meets == wanted);
            let ttfb_ms = |figures: &Figures| figures.ttfb_p50_ms.unwrap_or(f64::INFINITY);
            let fastest = those.min_by(|a, b| ttfb_ms(a.1).total_cmp(&ttfb_ms(b.1)));
            fastest.map(|(name, ..)| name.clone())
        };
        for meets in [Self::All, Self::AllMeasured] {
            if let Some(name) = fastest(meets) {
                return (meets, Some(name));
            }
        }
        let is_whole = nodes.len() == all && measured.is_some_and(|measured| !measured.own_node);
        let missed = is_whole && judged().all(|(.., meets)| meets == Self::No);
        (if missed { Self::No } else { Self::Unknown }, None)
    }
}

/// The `count` heaviest countries of a class against the targets, by so many nodes; `halves` are its countries in each half of the window, which holds two
/// terms or does not.
pub(super) fn countries(
    class: &ClassReport,
    count: usize,
    (targets, nodes): (&Targets, usize),
    halves: Option<&[Vec<Region>; 2]>,
    two_terms: bool,
) -> TopCountries {
    let named = class.regions.iter().filter_map(|region| match region.id {
        RegionId::Country(country) => Some((country, region)),
        _ => None,
    });
    let countries = named.take(count).map(|(country, region)| {
        let half = |at: usize| {
            let regions = halves.map(|halves| &halves[at])?;
            regions.iter().find(|half| half.id == region.id)
        };
        let [(first, by_first), (second, by_second)] =
            [0, 1].map(|at| Meets::any(half(at), (targets, nodes)));
        let halves = [first, second];
        let measured = region.measured.as_ref();
        TopCountry {
            country,
            share: super::part(region.weight, class.total_weight),
            best: measured.map(|measured| measured.best.clone()),
            ttfb_ms: measured.and_then(|measured| measured.figures.ttfb_p50_ms),
            met_by: by_second.or(by_first),
            halves,
            verdict: verdict(halves, two_terms),
        }
    });
    TopCountries {
        countries: countries.collect(),
        two_terms,
    }
}

fn verdict(halves: [Meets; 2], two_terms: bool) -> TopVerdict {
    let served = |meets: &Meets| matches!(meets, Meets::All | Meets::AllMeasured);
    if halves.iter().any(served) {
        TopVerdict::Served
    } else if two_terms && halves == [Meets::No; 2] {
        TopVerdict::Add
    } else {
        TopVerdict::CannotTell
    }
}
