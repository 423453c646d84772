//! Predictions, depth and what would be measured next, in sentences and tables. Predicted figures carry a mark.

use isochrone_coverage::observations::AccessClass;
use isochrone_coverage::report::{
    Aim, ByKilometres, ClassReport, CoverageReport, Forecast, Method, Region, RegionId, RegionPrediction,
    Share, TargetShare, Trend, WhyNot,
};

use super::countries;
use super::words::{self, cannot_tell, not_predicted, of_what, percent_interval, region_name};
use crate::lines::Lines;
use crate::tables::{Column, Table};
use crate::words::{NONE, budget, ms, ms_interval, percent, weight};

/// What stands before a predicted figure.
pub(super) const MARK: &str = "~";
/// Rows of the table of predicted regions.
const ROWS: usize = 15;
/// Rows of the table of predicted subdivisions, and the share of all weight from which a country is large.
const SUBDIVISIONS: usize = 40;
const LARGE: f64 = 0.01;

/// Why nothing is predicted.
pub(super) fn why_not(why: WhyNot) -> &'static str {
    match why {
        WhyNot::NotAsked => "no prediction was asked for",
        WhyNot::NoPlacedNode => "no node has coordinates, so nothing can be predicted towards it",
        WhyNot::Nothing => "nothing was measured between two places, and there is no prior",
        WhyNot::TooFewVantages => {
            "fewer than nine vantages can be left out to see how wrong a prediction is, and there is no prior"
        }
        WhyNot::Contradicted => "places and times contradict each other as a whole",
        WhyNot::Degenerate => "these places and times contradict each other too much to be solved",
    }
}

/// How predictions were made, or why there are none.
pub(super) fn method(report: &CoverageReport) -> Vec<String> {
    match &report.forecast {
        Forecast::Missing(WhyNot::NotAsked) => Vec::new(),
        Forecast::Missing(why) => vec![format!("Nothing is predicted: {}.", why_not(*why))],
        Forecast::Made(method) => {
            let class = report.classes.first().and_then(|class| class.predicted.as_ref());
            let countries = class.into_iter().flat_map(countries::method);
            std::iter::once(made(method)).chain(countries).collect()
        }
    }
}

fn made(method: &Method) -> String {
    format!(
        "{MARK} marks what is predicted, for cities that no vantage speaks for: from {} here{}, with an interval that \
         is to hold {} of the truths, calibrated by leaving out whole nodes and areas. A city is within a budget only \
         if its interval's upper end is (surely within), and beyond only if its lower end is (surely beyond); between both it \
         cannot be told, which is no want of data but what the interval leaves open. Farther than {:.0} km from any measured \
         site nothing is predicted (none). Any one dead: what is surely within whichever one node is dead. The interval beside a share is where the true share lies in {} joint draws of the \
         field, cities around a vantage among them, for these have networks of their own: mostly above what is surely within, \
         with all that is not predicted at its upper end.",
        isochrone_base::words::count(method.own_pairs, "measured pair"),
        match &method.prior {
            Some(prior) => format!(" and old public measurements ({prior})"),
            None => " alone, without a prior".to_owned(),
        },
        percent(method.covered),
        method.reach_km,
        method.draws,
    )
}

/// The three shares of every budget, as measured and with predictions, side by side.
pub(super) fn shares(report: &CoverageReport, class: &ClassReport) -> Option<Table> {
    let predicted = class.predicted.as_ref()?;
    let columns = [
        Column::names("budget"),
        Column::figures("within"),
        Column::figures("beyond"),
        Column::figures("unknown"),
        Column::figures("~sure within").on_page("~Surely within"),
        Column::figures("~sure beyond").on_page("~Surely beyond"),
        Column::figures("~cannot tell").on_page("~Cannot tell: the interval reaches across"),
        Column::figures("~none").on_page("~Not predicted"),
        Column::figures("~true within, 90 %"),
        Column::figures("~any one dead").on_page("~Surely within, any one node dead"),
    ];
    let rows = class
        .shares
        .iter()
        .zip(&predicted.shares)
        .zip(&predicted.survives);
    let rows = rows.map(|((measured, with), survives)| {
        let target = report.target_ms == Some(measured.budget_ms);
        let three = |share: &Share| {
            [
                percent(share.within),
                percent(share.beyond),
                percent(share.unknown),
            ]
        };
        let mut row = vec![format!(
            "{}{}",
            budget(measured.budget_ms),
            if target { " (target)" } else { "" }
        )];
        row.extend(three(measured));
        row.extend([
            percent(with.within),
            percent(with.beyond),
            percent(cannot_tell(with)),
            percent(not_predicted(with)),
        ]);
        row.push(percent_interval(with.interval));
        row.push(percent(survives.within));
        row.into_iter().map(Into::into).collect()
    });
    Some(Table::new("Measured only, and with predictions (~)", columns).rows(rows))
}

/// Countries of which something is predicted, the one of most predicted weight first.
pub(super) fn regions(report: &CoverageReport, class: &ClassReport) -> Option<Table> {
    let table = of_regions(
        report,
        class,
        class.regions.iter(),
        "Predicted, where no vantage speaks",
    )?;
    Some(table.at_most(ROWS, "country"))
}

/// Subdivisions of large countries of which something is predicted, where they were asked for; beside the country's code.
pub(super) fn subdivisions(report: &CoverageReport, class: &ClassReport) -> Option<Table> {
    let large = |id: &RegionId| {
        let mut countries = class.regions.iter();
        let country = countries.find(|region| id.country().is_some() && region.id.country() == id.country());
        country.is_some_and(|country| country.weight >= LARGE * class.total_weight)
    };
    let those = class.subdivisions.iter().filter(|region| large(&region.id));
    let table = of_regions(
        report,
        class,
        those,
        "Predicted, by subdivision of large countries",
    )?;
    Some(table.at_most(SUBDIVISIONS, "subdivision"))
}

/// A table of those that are predicted. All of a row's figures are of the part that no vantage speaks for.
fn of_regions<'a>(
    report: &CoverageReport,
    class: &ClassReport,
    regions: impl Iterator<Item = &'a Region>,
    heading: &str,
) -> Option<Table> {
    let at = report.first_budget(class);
    let mut predicted: Vec<(&Region, &RegionPrediction)> = regions
        .filter_map(|region| Some((region, region.predicted.as_ref()?)))
        .collect();
    if predicted.is_empty() {
        return None;
    }
    predicted.sort_by(|(_, a), (_, b)| b.weight.total_cmp(&a.weight));
    let title = class
        .shares
        .get(at)
        .map_or_else(String::new, |share| budget(share.budget_ms));
    let columns = [
        Column::names("predicted (~)"),
        Column::figures(words::weight_title(report)),
        Column::names("~best node"),
        Column::figures("~ms"),
        Column::figures("~90 % interval"),
        Column::figures(format!("~sure within {title}")),
    ];
    let rows = predicted.into_iter().map(|(region, one)| {
        vec![
            crate::words::cut(&titled(&region.id), 20).into(),
            weight(one.weight).into(),
            one.tie_set
                .first()
                .map_or_else(|| one.best.clone(), |_| tied(&one.tie_set))
                .into(),
            ms(Some(one.ms)).into(),
            ms_interval(Some(one.interval)).into(),
            within_predicted(region, one, at)
                .map_or_else(|| NONE.to_owned(), percent)
                .into(),
        ]
    });
    Some(Table::new(heading, columns).rows(rows))
}

/// What is surely within of the part that is predicted: a region's predicted shares hold its measured part too.
fn within_predicted(region: &Region, one: &RegionPrediction, at: usize) -> Option<f64> {
    let (with, measured) = (one.shares.get(at)?, region.shares.get(at)?);
    let within = (with.within - measured.within) * region.weight / one.weight;
    // Sums of weights are not exact.
    let whole = (within * 1e9).round() / 1e9;
    whole.is_finite().then(|| whole.clamp(0.0, 1.0))
}

/// A region's name; a subdivision's stands behind its code.
fn titled(id: &RegionId) -> String {
    match id {
        RegionId::Subdivision(_) => format!("{} {}", words::region_code(id), region_name(id)),
        RegionId::NoSubdivision(_) => words::short_name(id),
        _ => region_name(id),
    }
}

/// Some names of a tie, and how many more.
fn tied(names: &[String]) -> String {
    const NAMED: usize = 2;
    let more = names.len().saturating_sub(NAMED);
    let named = names
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" = ");
    if more > 0 {
        format!("{named} +{more}")
    } else {
        named
    }
}

/// What is left when a node dies, the lead's targets, choosing by kilometres, and the trend.
pub(super) fn depth(report: &CoverageReport, class: &ClassReport) -> Vec<String> {
    let mut sentences = Vec::new();
    let targets = class.depth.targets.iter().filter(|target| target.aim != Aim::Rtt);
    sentences.extend(targets.map(|target| self::target(report, target)));
    sentences.extend(
        class
            .depth
            .by_km
            .as_ref()
            .map(|by_km| kilometres(report, class, by_km, "")),
    );
    let predicted = class.depth.by_km_predicted.as_ref();
    sentences.extend(predicted.map(|by_km| kilometres(report, class, by_km, MARK)));
    sentences.extend(
        class
            .depth
            .trend
            .as_ref()
            .map(|trend| self::trend(class, trend, report)),
    );
    sentences
}

fn target(report: &CoverageReport, target: &TargetShare) -> String {
    let what = match target.aim {
        Aim::Rtt => format!("a round trip of {}", budget(target.target)),
        Aim::Ttfb => format!("a median time to first byte of {}", budget(target.target)),
        Aim::Mbps => format!("{} Mbps", target.target),
    };
    match target.share {
        None => format!("Target of {what}: not measured."),
        Some(share) => format!(
            "Target of {what} at the nearest node: met for {} of {}, missed for {}, unknown for {}.",
            percent(share.within),
            of_what(report),
            percent(share.beyond),
            percent(share.unknown)
        ),
    }
}

fn kilometres(report: &CoverageReport, class: &ClassReport, by_km: &ByKilometres, mark: &str) -> String {
    let of = |share: f64| percent(share / class.total_weight);
    let what = of_what(report);
    let known = if mark.is_empty() {
        "measured"
    } else {
        "measured or predicted"
    };
    let worst = by_km.worst.first().map(|worst| {
        format!(
            " The dearest: {} is sent to {} and not to {}, {mark}{} ms more.",
            worst.place,
            worst.chosen,
            worst.best,
            ms(Some(worst.cost_ms))
        )
    });
    format!(
        "Players choose the node nearest by kilometres: where that is {known} ({} of {what}) they wait {mark}{} ms, the \
         best node would give {mark}{} ms; {mark}{} of {what} are sent to a node that is slower than the best.{}",
        of(by_km.weight),
        ms(Some(by_km.chosen_ms)),
        ms(Some(by_km.best_ms)),
        of(by_km.misled_weight),
        worst.unwrap_or_default()
    )
}

fn trend(class: &ClassReport, trend: &Trend, report: &CoverageReport) -> String {
    let at = report.first_budget(class);
    let within = |shares: &[Share]| {
        shares
            .get(at)
            .map_or_else(|| NONE.to_owned(), |share| percent(share.within))
    };
    let change = match trend.change_ms {
        None => "no vantage measured in both".to_owned(),
        Some(change) => format!(
            "the nearest node takes {}{} ms in the second ({})",
            if change >= 0.0 { "+" } else { "−" },
            ms(Some(change.abs())),
            trend.interval.map_or_else(
                || "no interval under seven days a half".to_owned(),
                |interval| format!("90 % interval {:+.1} to {:+.1} ms", interval.low, interval.high)
            )
        ),
    };
    format!(
        "Trend, first half of the window against the second: {} and {} within {}; {change}.",
        within(&trend.first.shares),
        within(&trend.second.shares),
        trend.first.shares.get(at).map_or_else(
            || "the budget".to_owned(),
            |share| crate::words::budget(share.budget_ms)
        )
    )
}

/// Other weights beside the report's own, at every budget's first figure.
pub(super) fn beside(report: &CoverageReport) -> Option<Table> {
    let class = report.classes.first()?;
    if report.beside.is_empty() {
        return None;
    }
    let at = report.first_budget(class);
    let row = |name: String, known: f64, shares: &[Share], predicted: Option<&[Share]>| {
        let three = |share: Option<&Share>| {
            share.map_or([NONE.to_owned(), NONE.to_owned(), NONE.to_owned()], |share| {
                [
                    percent(share.within),
                    percent(share.beyond),
                    percent(share.unknown),
                ]
            })
        };
        let mut row = vec![name, percent(known)];
        row.extend(three(shares.get(at)));
        row.extend(three(predicted.and_then(|shares| shares.get(at))));
        row.into_iter().map(Into::into).collect::<Vec<_>>()
    };
    let own = class
        .predicted
        .as_ref()
        .map(|predicted| predicted.shares.as_slice());
    let mut rows = vec![row(
        of_what(report).to_owned(),
        class.known_share(),
        &class.shares,
        own,
    )];
    rows.extend(report.beside.iter().map(|beside| {
        let name = super::notes::attribution(&beside.weights.source);
        row(
            name,
            beside.known_share,
            &beside.shares,
            beside.shares_predicted.as_deref(),
        )
    }));
    let columns = [
        Column::names("weights"),
        Column::figures("known"),
        Column::figures("within"),
        Column::figures("beyond"),
        Column::figures("unknown"),
        Column::figures("~sure within"),
        Column::figures("~sure beyond"),
        Column::figures("~open").on_page("~Cannot tell, or not predicted"),
    ];
    let title = class
        .shares
        .get(at)
        .map_or_else(String::new, |share| budget(share.budget_ms));
    Some(Table::new(format!("By other weights, at {title}"), columns).rows(rows))
}

/// What a user's own line adds, and what people were multiplied by.
pub(super) fn settings(report: &CoverageReport) -> Vec<String> {
    let servers = report
        .classes
        .iter()
        .any(|class| class.access == AccessClass::DataCentre);
    let mut sentences = Vec::new();
    let given = report.offsets.given();
    if !given.is_empty() {
        let each: Vec<String> = given
            .iter()
            .map(|(region, ms)| format!("{region} {ms} ms"))
            .collect();
        sentences.push(format!(
            "Shares and means hold what a user's own line adds, as configured: {}. Single times do not.",
            each.join(", ")
        ));
    } else if servers {
        sentences.push("Nothing is added for a user's own line: no access offset is configured.".to_owned());
    }
    sentences.push(match &report.weights.internet {
        Some(internet) if internet.applied => format!(
            "People are multiplied by their country's share of internet users ({}: {} countries; {} that it does not name \
             are counted whole).",
            internet.name, internet.countries, internet.missing
        ),
        Some(internet) => format!("{} is not applied: these weights are no people.", internet.name),
        None if words::of_what(report) == "people" => {
            "All people count, whether or not they use the internet: no file of internet shares was given.".to_owned()
        }
        None => return sentences,
    });
    sentences
}

/// All that is said below the measured tables.
pub(super) fn body(report: &CoverageReport, class: &ClassReport, lines: &mut Lines) {
    for table in regions(report, class)
        .into_iter()
        .chain(subdivisions(report, class))
    {
        lines.blank();
        lines.heading(3, table.title());
        lines.table(&table);
    }
    let depth = depth(report, class);
    if !depth.is_empty() {
        lines.blank();
        lines.heading(3, "In depth");
        depth.iter().for_each(|sentence| lines.wrapped(sentence));
    }
}
