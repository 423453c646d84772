//! What every rendering of the report says in the same words.

use isochrone_base::words::count;
use isochrone_coverage::cities;
use isochrone_coverage::geo::Position;
use isochrone_coverage::locate::{APART_KM, Anycast, Located, SLACK_KM, Site, Verdict};
use isochrone_coverage::note::Note;
use isochrone_coverage::observations::{Source, Statistic};

use super::{DatabaseWord, LocateReport};
use crate::coverage::notes::told_first;
use crate::words::{NONE, km, km_at_most, ms};

/// What the words mean, for a reader who meets them here first.
pub(super) const GLOSSARY: [(&str, &str); 6] = [
    (
        "Site",
        "A probe, a node, or a row of a file, with the place it claims.",
    ),
    (
        "Witness",
        "A site that measured another. It is independent of another witness if it stands elsewhere or in another network.",
    ),
    (
        "Contradiction",
        "An answer that came back sooner than light in fibre covers the distance between both claimed places.",
    ),
    (
        "Could be anywhere within",
        "How far light can have come in half the shortest time to the nearest witness: the site may stand \
         anywhere in that circle, if that witness stands where it says.",
    ),
    (
        "Confirmed",
        "It stands within that far of a site that was named as sure: of that site, not of its own claim.",
    ),
    (
        "Anycast",
        "One address that is answered from several places at once.",
    ),
];
/// The largest city within this names a place.
const AT_KM: f64 = 40.0;
/// Half-way round the Earth: nothing lies farther away.
const HALF_ROUND_KM: f64 = 20_015.0;
/// Contradictions of a site that are told in sentences.
const TOLD: usize = 3;
/// Names that are listed in a sentence.
const NAMED: usize = 8;

/// How the figures were made, and what they cannot say.
pub(super) fn method(report: &LocateReport) -> Vec<String> {
    let times = match report.surveyed.survey.source {
        Source::Files | Source::Imported => "Times are as the file gives them.",
        Source::Store | Source::Elasticsearch | Source::Demo => {
            "Times are the shortest of the window: raw mesh echoes between probes, nothing subtracted that the \
             other side claims, and TCP handshakes with nodes. A worker's probes say nothing of the worker's \
             other sites."
        }
    };
    let mut method = vec![
        times.to_owned(),
        format!(
            "Nothing is faster than light in fibre, two thirds of c: 100 km there and back take a millisecond. A \
             pair is a contradiction if its claimed places lie farther apart than that, by more than {SLACK_KM} km. \
             It accuses two sites: whose place is wrong is decided by the smallest set of sites that explains all \
             contradictions, and by two witnesses at least, {APART_KM} km apart or in different networks. One is enough \
             if it is named as sure."
        ),
        "A site can answer late and never early, so no contradiction proves nothing: lies of some hundred \
         kilometres are never found, and of those over 3,000 km ten witnesses miss a quarter to a half (docs/coverage.md)."
            .to_owned(),
    ];
    if report.sure.is_empty() {
        method.push(
            "No place is confirmed, because none was named as known for sure (`--sure NAME,NAME`)."
                .to_owned(),
        );
    }
    if !report.databases.is_empty() {
        method.push(
            "What databases of addresses say stands apart. They are often wrong about servers, by a continent at \
             times, and count in no verdict."
                .to_owned(),
        );
    }
    method
}

/// A statistic beside the number of places.
pub(super) fn statistic(statistic: Statistic) -> &'static str {
    match statistic {
        Statistic::Min => "shortest round-trip times",
        Statistic::P50 => "median round-trip times",
        Statistic::P90 => "90th percentiles of round-trip times",
        Statistic::P99 => "99th percentiles of round-trip times",
        Statistic::Unnamed => "round-trip times (the file does not say which statistic)",
    }
}

/// A site's name, with its kind where two sites share the name.
pub(super) fn label(report: &LocateReport, site: usize) -> String {
    let sites = &report.surveyed.survey.sites;
    let Site { name, kind, .. } = &sites[site];
    let namesakes = sites.iter().filter(|other| other.name == *name).count();
    match namesakes {
        1 => name.clone(),
        _ => format!("{name} ({})", kind.as_str()),
    }
}

/// The sites that cannot stand where they say.
pub(super) fn impossible(report: &LocateReport) -> Vec<usize> {
    report.surveyed.impossible.keys().copied().collect()
}

/// What is wrong with the input.
pub(super) fn wrong(report: &LocateReport) -> Vec<String> {
    told_first(&report.surveyed.survey.notes)
}

/// The answer, in a few sentences.
pub(super) fn answer(report: &LocateReport) -> Vec<String> {
    let wrong = impossible(report);
    let mut sentences = Vec::new();
    if report.surveyed.survey.sites.is_empty() {
        return vec![
            "There is no site to judge: none has coordinates, or none was there in this window.".to_owned(),
        ];
    }
    if report.surveyed.survey.notes.iter().any(Note::is_grave) {
        return vec!["No place is judged by these times.".to_owned()];
    }
    sentences.extend(times_at_fault(report, wrong.len()));
    match wrong.as_slice() {
        [] => {}
        [one] => sentences.push(format!("{}: place does not fit; typo?", label(report, *one))),
        several => sentences.push(format!(
            "{} places do not fit; typos? {}.",
            several.len(),
            names(report, several)
        )),
    }
    sentences.extend(sure(report));
    sentences.extend(suspects(report, &wrong));
    sentences.extend(undecided(report));
    sentences.extend(rest(report));
    let none: Vec<usize> = of_verdict(report, |site| {
        site.verdict == Verdict::Unknown && site.violations == 0
    });
    if !none.is_empty() {
        let verb = if none.len() == 1 { "was" } else { "were" };
        sentences.push(format!(
            "{} {verb} measured by nobody who counts: nothing is known of {}.",
            count(none.len(), "site"),
            names(report, &none)
        ));
    }
    sentences
}

/// That so many places contradict the times that these are at fault.
fn times_at_fault(report: &LocateReport, wrong: usize) -> Option<String> {
    let accused = wrong.max(report.surveyed.location.suspects.len());
    (accused > 1 && 2 * accused >= report.surveyed.survey.sites.len()).then(|| {
        "Half of the places at least contradict the times, so the times are more likely at fault than the places (a mesh on \
         one machine, or files that do not belong together): believe no verdict below."
            .to_owned()
    })
}

/// What contradicts a site that was named as sure: then its own place is the first to check.
fn sure(report: &LocateReport) -> Vec<String> {
    let sites = &report.surveyed.location.sites;
    let contradicted = report.sure.iter().filter(|&&site| sites[site].violations > 0);
    contradicted
        .map(|&site| {
            let name = label(report, site);
            match sites[site].verdict {
                Verdict::Confirmed { .. } => format!(
                    "{name} was named as sure, and {} contradict it: all rests on that word.",
                    count(sites[site].violations, "site")
                ),
                _ => format!(
                    "{name} was named as sure and contradicts another that was: neither is taken as sure."
                ),
            }
        })
        .collect()
}

/// How few wrong places explain all that contradicts.
fn suspects(report: &LocateReport, wrong: &[usize]) -> Option<String> {
    let location = &report.surveyed.location;
    let contradictions: usize = location.sites.iter().map(|site| site.violations).sum::<usize>() / 2;
    if location.suspects.is_empty() || contradictions < 2 {
        return None;
    }
    let all = count(contradictions, "contradiction");
    let whose = match location.suspects == wrong {
        true if wrong.len() == 1 => "that one wrong place".to_owned(),
        true => "those wrong places".to_owned(),
        false => format!("wrong places of {}", names(report, &location.suspects)),
    };
    Some(match location.smallest {
        true => {
            format!("The {all} between claimed places are all explained by {whose}, and by no fewer sites.")
        }
        false => format!(
            "The {all} between claimed places are all explained by {whose}; whether fewer sites could was not \
             searched to the end."
        ),
    })
}

/// Sites that contradict each other while nobody decides between them.
fn undecided(report: &LocateReport) -> Option<String> {
    let open = of_verdict(report, |site| {
        site.verdict == Verdict::Unknown && site.violations > 0
    });
    (!open.is_empty()).then(|| {
        format!(
            "{} contradict each other, or one witness alone: one place of each pair is wrong, and too few \
             others measured them to say which.",
            names(report, &open)
        )
    })
}

/// What the rest is worth.
fn rest(report: &LocateReport) -> Option<String> {
    let mut radii: Vec<f64> = report
        .surveyed
        .location
        .sites
        .iter()
        .filter_map(|site| site.verdict.radius_km())
        .collect();
    radii.sort_by(f64::total_cmp);
    let (least, most) = (radii.first()?, radii.last()?);
    let fits = match radii.len() == report.surveyed.survey.sites.len() {
        true => format!("Nothing contradicts any of the {}", count(radii.len(), "place")),
        false => format!("Nothing contradicts the other {}", count(radii.len(), "place")),
    };
    if *least >= HALF_ROUND_KM {
        return Some(format!(
            "{fits}, which proves nothing: by light alone, each could be anywhere on Earth."
        ));
    }
    let at_most = |radius: f64| km_at_most(radius.min(HALF_ROUND_KM));
    let whole = if *most >= HALF_ROUND_KM {
        " (the whole Earth)"
    } else {
        ""
    };
    Some(format!(
        "{fits}, which proves little: by light alone, each could be anywhere within {} to {}{whole} of its nearest \
         witness, half of them within {}.",
        at_most(*least),
        at_most(*most),
        at_most(radii[radii.len() / 2]),
    ))
}

fn of_verdict(report: &LocateReport, holds: impl Fn(&Located) -> bool) -> Vec<usize> {
    let sites = report.surveyed.location.sites.iter().enumerate();
    sites.filter(|(_, site)| holds(site)).map(|(at, _)| at).collect()
}

/// Names in a sentence, not too many.
pub(super) fn names(report: &LocateReport, sites: &[usize]) -> String {
    let listed: Vec<String> = sites
        .iter()
        .take(NAMED)
        .map(|&site| label(report, site))
        .collect();
    match sites.len().saturating_sub(NAMED) {
        0 => match listed.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        },
        more => format!("{} and {more} more", listed.join(", ")),
    }
}

/// Why a place does not fit, and what it may have been meant to be.
pub(super) fn story(report: &LocateReport, site: usize) -> Vec<String> {
    let Some(misplaced) = report.surveyed.impossible.get(&site) else {
        return Vec::new();
    };
    let claimed = &report.surveyed.survey.sites[site];
    let mut sentences = vec![format!("Claims {}.", claim(claimed))];
    for one in misplaced.contradictions.iter().take(TOLD) {
        sentences.push(format!(
            "It answered {} in {} ms; light needs {} ms for the {} between the claimed places.",
            label(report, one.witness),
            ms(Some(one.rtt_ms)),
            ms(Some(one.least_ms)),
            km(one.km)
        ));
    }
    if let Some(more) = misplaced
        .contradictions
        .len()
        .checked_sub(TOLD)
        .filter(|more| *more > 0)
    {
        let others = if more == 1 { "one other" } else { "others" };
        sentences.push(format!("The times of {others} do not fit either."));
    }
    if let Some(meant) = report.surveyed.location.sites[site].suggestion {
        sentences.push(format!(
            "Meant to be {}, {}? With the {} every witness fits.",
            coordinates(meant.position),
            near(meant.position),
            meant.typo.undone_in_words()
        ));
    }
    // Beside what was meant, a region whose witnesses disagree only confuses; the map draws it.
    let meant = report.surveyed.location.sites[site].suggestion.is_some();
    let estimate = misplaced.estimate.as_ref();
    if let Some(estimate) = estimate.filter(|estimate| !meant || estimate.region.apart_km == 0.0) {
        sentences.push(match estimate.region.apart_km {
            0.0 => format!(
                "It answers as if it stood within about {} of {} ({}).",
                km_at_most(estimate.reach_km().max(1.0)),
                coordinates(estimate.position),
                near(estimate.position)
            ),
            apart => format!(
                "No one place fits the usual speed of all witnesses: they miss each other by {}. Nearest to all of \
                 them is {} ({}).",
                km(apart),
                coordinates(estimate.position),
                near(estimate.position)
            ),
        });
    }
    sentences
}

/// Who is answered from several places, in sentences.
pub(super) fn anycast(report: &LocateReport) -> Vec<String> {
    let one = |one: &Anycast| {
        format!(
            "{} answers from at least {} places at once (anycast): by the times of {}, which no single place fits.",
            label(report, one.site),
            one.places.len(),
            names(report, &one.places)
        )
    };
    report.surveyed.anycast.iter().map(one).collect()
}

/// A place, as it is claimed.
pub(super) fn claim(site: &Site) -> String {
    let position = site.place.position;
    match site.site.is_empty() || site.site == site.name {
        true => format!("{}, {}", coordinates(position), near(position)),
        false => format!("“{}” at {}, {}", site.site, coordinates(position), near(position)),
    }
}

/// `34.05, -118.24`
pub(super) fn coordinates(position: Position) -> String {
    format!("{:.2}, {:.2}", position.latitude(), position.longitude())
}

/// The nearest city, and how far it is.
pub(super) fn near(position: Position) -> String {
    if let Some(city) = cities::table().largest_near(position, AT_KM) {
        return format!("at {}, {}", city.name, city.country);
    }
    match cities::table().nearest(position) {
        Some((city, away)) => format!("{} from {}, {}", km(away), city.name, city.country),
        None => "nowhere".to_owned(),
    }
}

/// A verdict in words.
pub(super) fn verdict(located: &Located) -> &'static str {
    match located.verdict {
        Verdict::Impossible => "does not fit",
        Verdict::Consistent { .. } => "fits",
        Verdict::Confirmed { .. } => "confirmed",
        Verdict::Unknown if located.violations > 0 => "contradicted, undecided",
        Verdict::Unknown => "not known",
    }
}

/// How far a place is proved, in words.
pub(super) fn proved(report: &LocateReport, site: usize) -> String {
    let located = &report.surveyed.location.sites[site];
    match located.verdict {
        Verdict::Confirmed { root, .. } if root == site => "named as sure".to_owned(),
        Verdict::Consistent { radius_km } | Verdict::Confirmed { radius_km, .. }
            if radius_km >= HALF_ROUND_KM =>
        {
            "anywhere on Earth".to_owned()
        }
        Verdict::Consistent { radius_km } | Verdict::Confirmed { radius_km, .. } => {
            let of = located
                .centre()
                .map(|centre| format!(" of {}", label(report, centre)));
            format!("within {}{}", km_at_most(radius_km), of.unwrap_or_default())
        }
        Verdict::Impossible | Verdict::Unknown => NONE.to_owned(),
    }
}

/// What a database says, and how far that is from the claim.
pub(super) fn said(report: &LocateReport, word: &DatabaseWord) -> String {
    let claimed = report.surveyed.survey.sites[word.site].place.position;
    match (word.position, word.country) {
        (Some(position), _) => format!(
            "{} ({}), {} from the claim",
            coordinates(position),
            near(position),
            km(claimed.distance_km(position))
        ),
        (None, Some(country)) => country.name().to_owned(),
        (None, None) => NONE.to_owned(),
    }
}
