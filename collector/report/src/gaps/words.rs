//! What to measure next, in sentences.

use isochrone_base::words::count;
use isochrone_coverage::report::gaps::{Contender, NothingToRank, WantedEye};
use isochrone_coverage::weights::WeightKind;

use super::GapsReport;
use crate::words::{ms, ms_interval, percent};

/// Below this a gain of knowledge reads as nothing, in milliseconds of the mean.
const LEAST_MS: f64 = 0.005;
/// Eyes that are told in sentences; the table has them all.
const TOLD: usize = 5;

pub(super) const GLOSSARY: [(&str, &str); 4] = [
    (
        "Eye",
        "A vantage of RIPE Atlas or Globalping: it is asked by hand, taken in by `import`, and never judges who is down.",
    ),
    (
        "Gain",
        "How much shorter the weighted mean time to the nearest node becomes if a city gets a node beside today's.",
    ),
    (
        "Takes off",
        "What may be lost in the mean by choosing the wrong one of two cities, and no longer once this eye measured; each eye \
         is counted given those before it.",
    ),
    (
        "Candidate",
        "A server in a city that might get a node (`[[candidate]]` in targets.toml): eyes measure it beside the nodes.",
    ),
];

/// The word for what counts.
pub(super) fn weight(report: &GapsReport) -> &'static str {
    match report.weights {
        WeightKind::People => "people",
        WeightKind::Sites => "sites",
        WeightKind::File => "weight",
    }
}

/// What can be said first.
pub(super) fn answer(report: &GapsReport) -> Vec<String> {
    let gaps = &report.gaps;
    if let Some(why) = gaps.why_not {
        return vec![nothing(why).to_owned()];
    }
    let mut said = vec![contenders(&gaps.contenders)];
    if gaps.eyes.iter().all(|eye| eye.worth_ms < LEAST_MS) {
        said.push(match gaps.eyes.is_empty() {
            true => "No place is left in which another eye would tell anything.".to_owned(),
            false => {
                "No further eye is expected to turn this choice; those below tell most of it all the same."
                    .to_owned()
            }
        });
    }
    let unnamed = gaps.contenders.iter().filter(|city| city.candidate.is_none());
    let unnamed: Vec<&str> = unnamed.map(|city| &*city.place).collect();
    if !unnamed.is_empty() {
        said.push(format!(
            "Not in targets.toml: {}. Name any server there that answers TCP as a `[[candidate]]`: eyes then measure both ends \
             of the question.",
            unnamed.join("; ")
        ));
    }
    said.extend(unseen(report));
    said
}

/// The first eyes, a sentence each.
pub(super) fn told(report: &GapsReport) -> Vec<String> {
    let eyes = report.gaps.eyes.iter().take(TOLD);
    eyes.enumerate().map(|(at, eye)| wish(eye, at == 0)).collect()
}

/// `An eye on a home line in Lagos, NG would most firm up whether …`
fn wish(eye: &WantedEye, is_first: bool) -> String {
    let most = if is_first { "most " } else { "" };
    let [best, rival] = &eye.between;
    let network = match (eye.networks.first(), eye.known_networks.first()) {
        (Some(there), _) => format!(
            ", for example one of {} in AS{},",
            count(there.vantages as usize, "probe"),
            there.network.0
        ),
        (None, Some(network)) => format!(", on a network other than AS{},", network.0),
        (None, None) => String::new(),
    };
    format!(
        "An eye on a home line in {}{network} would {most}firm up whether the next node belongs in {best} or {rival}: its time to \
         {} is now {} ms.",
        eye.place,
        eye.between[eye.toward],
        ms_interval(Some(eye.now))
    )
}

fn contenders(cities: &[Contender]) -> String {
    let one = |city: &Contender| {
        format!(
            "{} (~{} ms less in the mean, give or take {})",
            city.place,
            ms(Some(city.gain_ms)),
            ms(Some(city.deviation_ms))
        )
    };
    let all: Vec<String> = cities.iter().map(one).collect();
    match all.as_slice() {
        [] => "No city is left that might get the next node.".to_owned(),
        [only] => format!("One city may get the next node: {only}."),
        [all @ .., last] => format!("The next node may belong in {} or {last}.", all.join(", ")),
    }
}

/// Countries of which nothing is known.
fn unseen(report: &GapsReport) -> Option<String> {
    let all: Vec<String> = report
        .gaps
        .unseen
        .iter()
        .map(|one| format!("{} ({})", one.country.name(), percent(one.share)))
        .collect();
    (!all.is_empty()).then(|| {
        format!(
            "No site is known in {}, so that reports predict nothing there: one eye each changes that. Shares are of {}.",
            all.join(", "),
            weight(report)
        )
    })
}

/// Why nothing is ranked, and what to do first.
pub(super) const fn nothing(why: NothingToRank) -> &'static str {
    match why {
        NothingToRank::NotMeasured => {
            "Nothing can be ranked: no vantage that counts measured a node in this time. Run a probe first (`probe invite`), or ask \
             for a longer time (`--since 30d`)."
        }
        NothingToRank::NotPredicted => {
            "Nothing can be ranked: without a prior so few vantages predict nothing. Leave out `--prior none`, or borrow some eyes in \
             the heaviest cities first (`report count` names them)."
        }
        NothingToRank::NotBelieved => {
            "Nothing can be ranked: times and places contradict each other as a whole. `locate` says which do; mend those first."
        }
        NothingToRank::NoCandidate => {
            "Nothing can be ranked: no city can be predicted that might get a node. Name one as a `[[candidate]]` in targets.toml."
        }
    }
}

/// How it was ranked.
pub(super) fn method(report: &GapsReport) -> Vec<String> {
    if report.gaps.why_not.is_some() {
        return Vec::new();
    }
    vec![
        "Gains and intervals are predicted; they rank where to measure and are no advice by themselves (`report count` is)."
            .to_owned(),
        "takes off: by so many milliseconds of the mean, what the choice of the next city may lose gets less by this eye, once those \
         above it have measured."
            .to_owned(),
        "`report count` names other places to measure from: those decide what today's nodes are worth, these where the next one \
         belongs. Its gains are priced in another way, so they differ a little from these."
            .to_owned(),
        "Cities stand in the order of what they may gain: gain and give or take (one deviation) together.".to_owned(),
        "Every eye is assumed to measure all nodes and the cities named first. What it would tell follows from how errors of \
         predictions go together, whatever it will measure."
            .to_owned(),
        "Networks are named from what was measured and from lists of probes (`--probes FILE`): first those in which nothing was \
         measured and most probes stand. Where none is named any eyeball network of the city will do."
            .to_owned(),
    ]
}
