//! What every rendering of the count says in the same words.

use isochrone_base::words::count as so_many;
use isochrone_coverage::count::{
    Candidate, Count, Doubt, Doubtful, DropOne, HELD_OF_TEN, LEAST_VANTAGES, NextNode, NodeVerdict, Priced,
    Unpriced, Verdict, Wanted, WhyUnpriced,
};
use isochrone_coverage::observations::AccessClass;
use isochrone_coverage::report::{Interval, LEAST_DAYS, Widened};

use super::super::predicted::MARK;
use super::super::{countries, notes};
use super::CountReport;
use crate::words::{ALWAYS, is_always, ms, ms_interval, percent};

/// What the words mean, for a reader who meets them here first.
pub(crate) const GLOSSARY: [(&str, &str); 5] = [
    (
        "Mean time",
        "The round-trip time to the nearest node, averaged over all weight that was measured or predicted.",
    ),
    (
        "Cost of losing a node",
        "How much longer the mean time is without it.",
    ),
    (
        "Gain of a city",
        "How much shorter the mean time would be with one more node there.",
    ),
    (
        "Predicted",
        "Nobody measured it. The time comes from distance, from what was measured elsewhere, and from older public \
         measurements; its interval was calibrated by leaving out whole areas.",
    ),
    (
        "90 % interval",
        "The predicted field was drawn again and again, and whole days with it where the notes do not say otherwise; nine \
         of ten results lay in this range.",
    ),
];
/// Places that are listed in a sentence.
const NAMED: usize = 5;

/// The answer of a whole report: what is wrong with its data comes first.
pub(super) fn answer_of(report: &CountReport) -> Vec<String> {
    let mut sentences = wrong(report);
    sentences.extend(answer(&report.count));
    sentences
}

/// What is wrong with the data.
pub(super) fn wrong(report: &CountReport) -> Vec<String> {
    notes::told_first(&report.coverage.notes)
}

/// The answer, in a few sentences.
pub(crate) fn answer(count: &Count) -> Vec<String> {
    let mut sentences = vec![verdict(count)];
    sentences.extend(count.next.as_ref().map(next));
    sentences.extend(countries::unseen(&count.unpredictable, "the weight"));
    sentences.extend(count.doubtful.iter().map(doubtful));
    sentences.extend(worst_loss(count));
    sentences.extend(one_at_a_time(count));
    sentences.extend(count.unpriced.iter().map(unpriced));
    sentences.extend(decide(&count.measure));
    sentences
}

/// What a report of coverage adds to its own answer: all but what that says already.
pub(crate) fn beside_coverage(count: &Count) -> Vec<String> {
    let mut sentences = vec![verdict(count)];
    sentences.extend(count.next.as_ref().map(next));
    sentences.extend(count.doubtful.iter().map(doubtful));
    sentences.extend(worst_loss(count));
    sentences.extend(one_at_a_time(count));
    sentences.extend(count.unpriced.iter().map(unpriced));
    sentences
}

/// What stands before a figure that rests on predictions.
pub(super) fn mark(predicted: bool) -> &'static str {
    if predicted { MARK } else { "" }
}

/// That candidates to drop may stand in for each other.
fn one_at_a_time(count: &Count) -> Option<String> {
    let may_go = |one: &&DropOne| matches!(one.verdict, NodeVerdict::MayGo { .. });
    let many = count.drop_one.iter().filter(may_go).count() > 1;
    many.then(|| {
        "Costs of losing nodes do not add up: two candidates to drop may each stand in for the other, so drop one and \
         ask again."
            .to_owned()
    })
}

fn unpriced(unpriced: &Unpriced) -> String {
    format!(
        "What {} is worth cannot be told: {}.",
        unpriced.node,
        why_unpriced(unpriced.why)
    )
}

/// Why no figure can be given of a node.
pub(super) fn why_unpriced(why: WhyUnpriced) -> &'static str {
    match why {
        WhyUnpriced::NotMeasured => "nobody who counts measured it",
        WhyUnpriced::NoPlace => "it has no coordinates",
    }
}

/// Too many, too few, or why it cannot be told.
pub(super) fn verdict(count: &Count) -> String {
    let nodes = so_many(count.nodes, "node");
    let (drop_ms, add_ms) = (count.thresholds.drop_ms, count.thresholds.add_ms);
    let alone = if count.by_latency_alone {
        ", by latency alone"
    } else {
        ""
    };
    match count.verdict {
        Verdict::TooMany => format!(
            "Too many{alone}: of {nodes} at least one can go at a cost below {drop_ms} ms in the mean."
        ),
        Verdict::TooFew => format!(
            "Too few{alone}: one more beside the {nodes} would shorten the mean by more than {add_ms} ms."
        ),
        Verdict::CannotTell => {
            let reasons: Vec<String> = count.reasons.iter().map(|doubt| reason(*doubt, count)).collect();
            let why = if reasons.is_empty() {
                String::new()
            } else {
                format!(": {}", reasons.join("; "))
            };
            let are = if count.nodes == 1 { "is" } else { "are" };
            format!("Whether {nodes} {are} too many or too few cannot be told{alone}{why}.")
        }
    }
}

fn reason(doubt: Doubt, count: &Count) -> String {
    match doubt {
        Doubt::FewVantages => format!(
            "{} {} too few for a verdict on a whole network, which needs {LEAST_VANTAGES}",
            so_many(count.vantages, "vantage"),
            if count.vantages == 1 { "is" } else { "are" }
        ),
        Doubt::WideIntervals => "the intervals reach across what counts as worth a node".to_owned(),
        Doubt::NoPredictions => "most places are neither measured nor predicted".to_owned(),
        Doubt::NoPrior => {
            "predicted from so few vantages alone, without a prior, nothing is known of what nodes are worth"
                .to_owned()
        }
        Doubt::NotByDays => "without days, the same times chose the nodes and priced them".to_owned(),
        Doubt::FewDays => {
            format!(
                "the days that price are too few to be resampled, which needs {LEAST_DAYS} even ones (`--since 15d` has them)"
            )
        }
        Doubt::NothingKnown => "nothing was measured that counts".to_owned(),
        Doubt::NotBelieved => "times and places contradict each other as a whole".to_owned(),
    }
}

/// What intervals of means, costs and gains are worth.
pub(crate) fn calibration() -> String {
    format!(
        "90 % intervals of means, costs and gains are as wide as known truths needed: such an interval held the truth \
         about {HELD_OF_TEN} of 10 times."
    )
}

/// Where the next node belongs, as far as anyone can say.
pub(super) fn next(next: &NextNode) -> String {
    let runners = match next.runners_up.split_first() {
        None => String::new(),
        Some(_) => {
            let all: Vec<String> = next.runners_up.iter().take(NAMED).map(gain).collect();
            format!("; runners-up {}", all.join(", "))
        }
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

/// `Lagos, NG (4.2 ms less in the mean, 1.0–9.3)`
fn gain(candidate: &Candidate) -> String {
    let interval = candidate
        .interval
        .map(|interval| format!(", {}", ms_interval(Some(interval))))
        .unwrap_or_default();
    format!(
        "{} ({}{} ms less in the mean{interval})",
        candidate.place,
        mark(candidate.predicted),
        ms(Some(candidate.gain_ms))
    )
}

/// A country of its own line: how badly it is predicted, and its best city all the same.
pub(super) fn doubtful(doubtful: &Doubtful) -> String {
    let city = doubtful
        .city
        .as_ref()
        .map(|city| format!(" Its best city would be {}.", gain(city)))
        .unwrap_or_default();
    format!("{}{city}", badly(&doubtful.how))
}

/// How badly a country is predicted.
fn badly(how: &Widened) -> String {
    format!(
        "{} ({} of the weight) is predicted badly: its {}, left out, are predicted {} ms off, where {} ms are usual; \
         its intervals are {} times as wide for that.",
        how.country.name(),
        percent(how.share),
        so_many(how.sites, "known site"),
        ms(Some(how.median_ms)),
        ms(Some(how.usual_ms)),
        countries::times(how.times)
    )
}

fn worst_loss(count: &Count) -> Option<String> {
    let worst = count.worst_loss.as_ref()?;
    Some(format!(
        "The node that is missed most is {}: without it the mean is {}{} ms longer{}.",
        worst.node,
        mark(count.is_predicted()),
        ms(Some(worst.cost_ms)),
        in_brackets(worst.interval)
    ))
}

/// What to measure.
pub(crate) fn decide(measure: &[Wanted]) -> Option<String> {
    let places: Vec<&str> = measure
        .iter()
        .take(NAMED)
        .map(|wanted| wanted.place.as_str())
        .collect();
    (!places.is_empty()).then(|| {
        format!(
            "Measuring from these places would decide most: {}.",
            places.join("; ")
        )
    })
}

fn in_brackets(interval: Option<Interval>) -> String {
    interval
        .map(|interval| format!(" ({})", ms_interval(Some(interval))))
        .unwrap_or_default()
}

/// What follows for one node.
pub(crate) fn node_verdict(drop: &DropOne) -> String {
    match &drop.verdict {
        NodeVerdict::Needed => "needed".to_owned(),
        NodeVerdict::MayGo { confirm_with } if confirm_with.is_empty() => "candidate to drop".to_owned(),
        NodeVerdict::MayGo { confirm_with } => {
            format!("candidate to drop, confirm with {}", list(confirm_with))
        }
        NodeVerdict::CannotTell { measure } if measure.is_empty() => "cannot tell".to_owned(),
        NodeVerdict::CannotTell { measure } => format!("cannot tell; measure {}", list(measure)),
    }
}

fn list(places: &[String]) -> String {
    let some: Vec<&str> = places.iter().take(2).map(String::as_str).collect();
    some.join("; ")
}

/// How the figures were made, and what they cannot say.
pub(super) fn method(report: &CountReport) -> Vec<String> {
    let count = &report.count;
    let mut method = vec![
        format!(
            "The mean runs over {} of the weight; of that share of all weight, {} is predicted and not measured.",
            percent(count.known_share),
            percent(count.predicted_share)
        ),
        match count.priced {
            Priced::ByDays { chosen, priced } => format!(
                "Sets of nodes were chosen on {} and priced on {}: on the days that chose them they would look better \
                 than they are.",
                so_many(chosen, "odd day"),
                so_many(priced, "even day")
            ),
            Priced::Alike => {
                "The same times chose sets of nodes and priced them, so gains look a little better than they are."
                    .to_owned()
            }
        },
        format!(
            "A node is needed if the lower end of its loss is above {} ms in the mean, a candidate to drop if the upper \
             end is below it; the next one is wanted if its gain is above {} ms at the lower end. Both thresholds are the \
             lead's to set.",
            count.thresholds.drop_ms, count.thresholds.add_ms
        ),
    ];
    if let (Priced::ByDays { priced, .. }, false) = (count.priced, count.days_resampled) {
        method.push(format!(
            "Provisional: {} are too few to be resampled, so intervals hold what predictions leave open and not what changes \
             from day to day; {LEAST_DAYS} are needed.",
            so_many(priced, "even day")
        ));
    }
    if count.is_predicted() {
        method.push(format!(
            "{MARK} marks figures that rest on predictions. {}",
            calibration()
        ));
    }
    let drops = count.drop_one.iter().map(|drop| drop.interval);
    let points = count.curve.iter().map(|point| point.interval);
    if is_always(drops.chain(points).map(ms_interval)) {
        method.push(ALWAYS.to_owned());
    }
    if count.drop_one.len() > 1 {
        method.push(
            "Costs of losing single nodes do not add up: each is what the mean loses while all others stay."
                .to_owned(),
        );
    }
    if count.by_latency_alone {
        method.push(
            "How much each node carries is not in it: a node may be needed for its traffic.".to_owned(),
        );
    }
    if count.drop_one.is_empty() && count.next.is_none() {
        method.push(
            "What each node is worth is not printed, nor where the next one belongs: from so few vantages alone it would be \
             noise (rank correlation with the truth .03)."
                .to_owned(),
        );
    }
    if report
        .coverage
        .classes
        .first()
        .is_some_and(|class| class.access == AccessClass::DataCentre)
    {
        method.push("Between servers: no figure holds a user's last mile.".to_owned());
    }
    method
}
