//! What every rendering of the report says in the same words.

use isochrone_base::words::{count, duration};
use isochrone_coverage::observations::{AccessClass, Basis, Statistic, Window};
use isochrone_coverage::report::{
    ClassReport, CoverageReport, Interval, Region, RegionId, Share, VantageReport, Withheld,
};
use isochrone_coverage::weights::WeightKind;
use maud::Markup;

use crate::charts::{Part, bar as bar_of};
use crate::words::{NONE, budget, ms, percent, range};

/// What the words mean, for a reader who meets them here first.
pub(super) const GLOSSARY: [(&str, &str); 9] = [
    ("Node", "A server that serves the network's files to the public."),
    (
        "Vantage",
        "A place from which the nodes were measured: a probe, or a site of a file.",
    ),
    (
        "Network",
        "The provider a server is connected to (an autonomous system). Vantages of one network fail and \
      slow down together, so they count as one witness.",
    ),
    (
        "Round-trip time",
        "How long one question and its answer travel, in thousandths of a second (ms).",
    ),
    (
        "Budget",
        "A round-trip time someone asks for: “within 50 ms” is a budget of 50 ms.",
    ),
    (
        "p50, p90",
        "Half of all runs were at or below p50 (the median), nine of ten at or below p90.",
    ),
    (
        "90 % interval",
        "Days were drawn again and again, whole; nine of ten results lay in this range.",
    ),
    ("Tie", "Nodes that these measurements cannot tell apart."),
    (
        "Backup distance",
        "The time to the next node: what is left when the nearest one dies.",
    ),
];
/// The first line: vantages that measured, networks, share known, weight on the largest vantage.
pub(super) fn first_line(report: &CoverageReport, class: &ClassReport) -> String {
    if class.withheld.contains(&Withheld::NotBelieved) {
        return "No vantage is taken to speak for anyone, for these times and places contradict each other as a whole."
            .to_owned();
    }
    let known = format!("{} of {}", percent(class.known_share()), of_what(report));
    let measuring = class.measuring.vantages;
    let start = format!(
        "{} in {} {} {known}.",
        count(measuring, "vantage"),
        networks(class),
        if measuring == 1 { "speaks for" } else { "speak for" },
    );
    match class.heaviest.zip(class.heaviest_share()) {
        Some((index, share)) if measuring > 1 => {
            format!(
                "{start} The heaviest, {}, carries {} of that.",
                vantage_label(&class.vantages[index]),
                percent(share)
            )
        }
        _ => start,
    }
}

/// The networks of the vantages that measured.
pub(super) fn networks(class: &ClassReport) -> String {
    match (class.measuring.networks_given, class.measuring.vantages) {
        (true, _) => count(class.measuring.networks, "network"),
        (false, 1) => "a network that is not given".to_owned(),
        (false, _) => "networks that are not given (counted as one)".to_owned(),
    }
}

/// `2026-11-15 19:48 to 2026-11-22 19:48 UTC`.
pub(crate) fn window(window: Window) -> String {
    let minute = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M").to_string();
    format!("{} to {} UTC", minute(window.from), minute(window.to))
}

/// How long was measured. A window that does not begin at midnight touches one more UTC day than it is long.
pub(super) fn length(days: usize, window: Option<Window>) -> String {
    const DAY_MS: u64 = 86_400_000;
    let window_ms = window.map(|window| window.to.as_millisecond() - window.from.as_millisecond());
    match window_ms.and_then(|ms| u64::try_from(ms).ok()) {
        Some(ms) if ms < days as u64 * DAY_MS => {
            let whole = usize::try_from(ms / DAY_MS).unwrap_or(usize::MAX);
            let length = match ms % DAY_MS {
                0 => count(whole, "day"),
                _ => duration(ms),
            };
            let part = if days == 1 { "part" } else { "parts" };
            format!("{length} ({part} of {})", count(days, "UTC day"))
        }
        _ => count(days, "day"),
    }
}

/// What was counted at the budget shown first, and what the part that is not measured consists of: the figures
/// add up to the share that vantages speak for. It is no headline.
pub(super) fn counted(report: &CoverageReport, class: &ClassReport) -> Vec<String> {
    let believed = !class.withheld.contains(&Withheld::NotBelieved);
    let Some(share) = class.shares.get(report.first_budget(class)).filter(|_| believed) else {
        return Vec::new();
    };
    let (budget, what) = (budget(share.budget_ms), of_what(report));
    let mut sentences = vec![format!(
        "Counted at {budget}: {} of {what} within, {} beyond, {} not measured.",
        percent(share.within),
        percent(share.beyond),
        percent(share.unknown),
    )];
    let known = class.known_share();
    let unsure = known - share.within - share.beyond - share.own_node;
    let mut parts = vec![format!("{} that no vantage speaks for", percent(1.0 - known))];
    if share.own_node > LEAST_PART {
        parts.push(format!(
            "{} with its own node, which its vantage cannot judge, and the next one beyond",
            percent(share.own_node)
        ));
    }
    if unsure > LEAST_PART {
        parts.push(format!(
            "{} whose interval reaches across {budget}",
            percent(unsure)
        ));
    }
    if parts.len() > 1 {
        sentences.push(format!(
            "The {} not measured: {}.",
            percent(share.unknown),
            parts.join("; ")
        ));
    }
    sentences
}

/// How a weight splits with predictions, in words that tell what is sure from what cannot be told.
pub(super) fn surely(share: &Share, what: &str) -> String {
    let budget = budget(share.budget_ms);
    let missing = not_predicted(share);
    let mut words = format!(
        "{} surely within, {} surely beyond; for {} it cannot be told, because the interval of their time reaches across \
         {budget}",
        percent(share.within),
        percent(share.beyond),
        percent(share.undecided),
    );
    if share.own_node > LEAST_PART {
        words.push_str(&format!(
            "; {} have a node beside them, which nobody else measures there, and the next one is beyond",
            percent(share.own_node)
        ));
    }
    if missing > LEAST_PART {
        words.push_str(&format!(
            "; {} of {what} are not predicted at all",
            percent(missing)
        ));
    }
    words
}

/// The share that is neither measured nor predicted.
pub(super) fn not_predicted(share: &Share) -> f64 {
    (share.unknown - cannot_tell(share)).max(0.0)
}

/// The share that is measured or predicted, by a time that does not decide: its interval reaches across the budget, or
/// its vantage cannot judge its own node.
pub(super) fn cannot_tell(share: &Share) -> f64 {
    share.undecided + share.own_node
}

/// Shares below this are the rounding of sums.
const LEAST_PART: f64 = 1e-9;

/// Why no share stands as a headline, in sentences.
pub(super) fn withheld(class: &ClassReport) -> Vec<&'static str> {
    let sentence = |reason: &Withheld| match reason {
        Withheld::TooLittleKnown => {
            "Less than 30 % is measured, so no share of what is measured stands as a headline: it would be a guess."
        }
        Withheld::OneVantageDominates => {
            "One vantage speaks for more than a quarter of what is measured, so no share of what is measured \
             stands as a headline: it would be the view of one server."
        }
        Withheld::NotBelieved => {
            "Times and places contradict each other as a whole, so no share is given at all."
        }
    };
    class.withheld.iter().map(sentence).collect()
}

/// What a class of vantages can and cannot say.
pub(super) fn class_title(access: AccessClass) -> &'static str {
    match access {
        AccessClass::DataCentre => "Between servers (vantages in data centres)",
        AccessClass::Eyeball => "From users' lines (vantages at homes and offices)",
        AccessClass::Unknown => "From sites whose access is not known",
    }
}

/// Whether a region's verdict stands on one server or one network: on those that measured the best node.
pub(super) fn narrow(region: &Region) -> bool {
    region.measured.as_ref().is_some_and(|measured| {
        let witnesses = measured.witnesses;
        witnesses.vantages == 1 || (witnesses.networks == 1 && witnesses.networks_given)
    })
}

/// What [`narrow`] means.
pub(super) const NARROW: &str = "this server only, or this network only: it does not stand for the region";

/// `best`, `tie` or `unknown`, as in JSON.
pub(super) fn verdict(region: &Region) -> &'static str {
    match &region.measured {
        None => "unknown",
        Some(measured) if measured.tie_set.len() > 1 => "tie",
        Some(_) => "best",
    }
}

pub(super) fn region_code(id: &RegionId) -> String {
    match id {
        RegionId::Country(country) => country.to_string(),
        RegionId::Continent(continent) => continent.as_str().to_owned(),
        RegionId::Subdivision(subdivision) => subdivision.to_string(),
        RegionId::NoSubdivision(country) => format!("{country}-?"),
        RegionId::Elsewhere => "--".to_owned(),
    }
}

pub(super) fn region_name(id: &RegionId) -> String {
    match id {
        RegionId::Country(country) => country.name().to_owned(),
        RegionId::Continent(continent) => continent.name().to_owned(),
        RegionId::Subdivision(subdivision) => subdivision
            .name()
            .map_or_else(|| subdivision.to_string(), ToOwned::to_owned),
        RegionId::NoSubdivision(country) => format!("{}, subdivision not known", country.name()),
        RegionId::Elsewhere => "no known country".to_owned(),
    }
}

/// The title of the column that holds the compared statistic.
pub(super) fn column(statistic: Statistic) -> &'static str {
    match statistic {
        Statistic::Min => "min ms",
        Statistic::P50 => "p50 ms",
        Statistic::P90 => "p90 ms",
        Statistic::P99 => "p99 ms",
        Statistic::Unnamed => "rtt ms",
    }
}

/// A vantage's name, with its place where the name does not say it.
pub(super) fn vantage_label(vantage: &VantageReport) -> String {
    match vantage.site == vantage.name {
        true => vantage.name.clone(),
        false => format!("{} ({})", vantage.name, vantage.site),
    }
}

/// A share in words: “people”, “sites” or “the file's weight”.
pub(super) fn of_what(report: &CoverageReport) -> &'static str {
    match report.weights.kind {
        WeightKind::People => "people",
        WeightKind::Sites => "sites",
        WeightKind::File => "the file's weight",
    }
}

/// The title of the column of weights.
pub(super) fn weight_title(report: &CoverageReport) -> &'static str {
    match report.weights.kind {
        WeightKind::People => "people",
        WeightKind::Sites => "sites",
        WeightKind::File => "weight",
    }
}

/// A statistic in a sentence.
pub(super) fn statistic(report: &CoverageReport) -> &'static str {
    match report.statistic {
        Statistic::P50 if report.basis == Basis::Ttfb => "median time to first byte",
        Statistic::Min => "shortest round-trip time",
        Statistic::P50 => "median round-trip time",
        Statistic::P90 => "90th percentile of round-trip time",
        Statistic::P99 => "99th percentile of round-trip time",
        Statistic::Unnamed => "round-trip time (the file does not say which statistic)",
    }
}

/// What a vantage saw of its nearest node, in a sentence's part.
pub(super) fn vantage_title(vantage: &VantageReport) -> String {
    let (own, other) = match vantage.own_node {
        true => (" (its own node does not count)", "other "),
        false => ("", ""),
    };
    match &vantage.best {
        None => format!("Vantage {}: no node measured{own}", vantage.name),
        Some(best) => format!(
            "Vantage {}: nearest {other}node {} at {} ms{own}",
            vantage.name,
            best.node,
            ms(Some(best.ms))
        ),
    }
}

/// How a weight splits, as a bar.
pub(super) fn bar(share: &Share) -> Markup {
    let label = format!(
        "{} within, {} beyond, {} not measured",
        percent(share.within),
        percent(share.beyond),
        percent(share.unknown)
    );
    let parts = [
        Part {
            class: "in",
            share: share.within,
        },
        Part {
            class: "out",
            share: share.beyond,
        },
        Part {
            class: "own",
            share: share.own_node,
        },
    ];
    bar_of(&label, &parts)
}

/// An interval of shares: `12.0 % – 14.1 %`.
pub(super) fn percent_interval(interval: Option<Interval>) -> String {
    interval.map_or_else(
        || NONE.to_owned(),
        |interval| range(percent(interval.low), &percent(interval.high), " – "),
    )
}

/// The lists of regions, each with its title. Countries without a vantage are told apart, as not measured.
pub(super) fn region_lists(class: &ClassReport) -> [(&'static str, &[Region]); 3] {
    [
        ("Countries with a vantage", &class.regions),
        ("Subdivisions that a vantage speaks for", &class.subdivisions),
        ("Continents (sums of their countries)", &class.continents),
    ]
}
