//! What the report cannot say, and how its figures were made, in sentences.

use isochrone_base::words::count;
use isochrone_coverage::observations::{AccessClass, Basis, Source, TtfbKind};
use isochrone_coverage::report::{CoverageReport, Forecast, LEAST_DAYS, SPEAKS_FOR_KM};
use isochrone_coverage::weights::WeightKind;

use super::words::percent_interval;
use crate::frame::DEMO;
use crate::words::{ALWAYS, is_always, ms_interval};

/// What the report says in every case, and what depends on its data.
pub(super) fn all(report: &CoverageReport) -> Vec<String> {
    let mut caveats = Vec::new();
    if report.source == Source::Demo {
        caveats.push(format!("{DEMO}."));
    }
    caveats.extend(
        report
            .classes
            .iter()
            .map(|class| last_mile(class.access).to_owned()),
    );
    caveats.push(match report.weights.kind {
        WeightKind::Sites => "Every vantage counts 1 and speaks for itself.".to_owned(),
        WeightKind::People | WeightKind::File => format!(
            "A vantage speaks for the cities of its country within {SPEAKS_FOR_KM} km, the nearest vantage \
             first. All else is not measured{}.",
            match report.forecast {
                Forecast::Made(_) => ": it is predicted, apart and marked, or unknown",
                Forecast::Missing(_) => ", and not guessed",
            }
        ),
    });
    caveats.push(basis(report).to_owned());
    if report
        .classes
        .iter()
        .any(|class| class.vantages.iter().any(|vantage| vantage.own_node))
    {
        caveats.push(
            "A vantage beside a node says nothing about that node: it is given the next node, as backup \
             distance (marked *). Its places are within a budget if the next node is, otherwise not measured."
                .to_owned(),
        );
    }
    caveats.push(days(report));
    caveats.push(match report.days {
        None => {
            "Each pair has one value, taken as exact: nodes tie only if their times are equal.".to_owned()
        }
        Some(_) => "Nodes tie if they are within 2 ms or 5 % of the best, or if the difference, day against \
                    day, may be nothing."
            .to_owned(),
    });
    caveats
}

/// A further caveat where times to first byte are shown.
pub(super) fn first_byte(report: &CoverageReport) -> Option<String> {
    let text = match report.ttfb? {
        TtfbKind::Cached => {
            "Time to first byte (TTFB) is of answers the node held, and of plain pages; it includes name look-up, \
             connect and TLS."
        }
        TtfbKind::Uncached => {
            "Time to first byte (TTFB) is of objects the node had to fetch first; it includes name look-up, connect \
             and TLS."
        }
    };
    Some(text.to_owned())
}

fn last_mile(access: AccessClass) -> &'static str {
    match access {
        AccessClass::DataCentre => {
            "Vantages in data centres hold no last mile: a user's own line adds to every time here. Only vantages \
             on users' lines say what users see."
        }
        AccessClass::Eyeball => {
            "Vantages on users' lines hold the last mile of their own line, and of no other."
        }
        AccessClass::Unknown => {
            "Whether these sites are servers or users' lines is not known. If they are servers, a user's own line \
             adds to every time here."
        }
    }
}

fn basis(report: &CoverageReport) -> &'static str {
    match report.basis {
        Basis::Connect => {
            "Times are those of TCP connect: one round trip, without name look-up and TLS. A check that did not \
             connect counts as lost."
        }
        Basis::Ttfb => {
            "Times are those to the first byte: DNS, connect, TLS, and the node's own work are in them."
        }
        Basis::Echo => "Times are mesh echoes between probes: one round trip, without DNS, connect and TLS.",
        Basis::File => {
            "Times are as the file gives them; whether DNS, connect or TLS are in them it does not say."
        }
    }
}

fn days(report: &CoverageReport) -> String {
    match report.days {
        None => "The files hold no days, so there are no intervals.".to_owned(),
        Some(days) if days < LEAST_DAYS => format!(
            "Provisional: measurements of {}. Intervals need {LEAST_DAYS}.",
            count(days, "UTC day")
        ),
        Some(days) => format!(
            "Intervals hold 90 % of {days} UTC days resampled whole (and networks within a country); they describe \
             this window, and promise nothing about the next.{}",
            match is_always(intervals(report)) {
                true => format!(" {ALWAYS}"),
                false => String::new(),
            }
        ),
    }
}

/// Intervals, as they are printed.
fn intervals(report: &CoverageReport) -> impl Iterator<Item = String> {
    report.classes.iter().flat_map(|class| {
        let vantages = class.vantages.iter();
        let of_vantages = vantages.map(|vantage| vantage.best.as_ref().and_then(|best| best.interval));
        let regions = class
            .regions
            .iter()
            .chain(&class.continents)
            .chain(&class.subdivisions);
        let of_regions =
            regions.map(|region| region.measured.as_ref().and_then(|measured| measured.interval));
        let predicted = class.predicted.iter().flat_map(|predicted| &predicted.shares);
        let shares = class.shares.iter().chain(predicted);
        let of_shares = shares.map(|share| percent_interval(share.interval));
        of_vantages.chain(of_regions).map(ms_interval).chain(of_shares)
    })
}
