//! How the observations were read, and whom the weights come from, in sentences.

mod files;

use isochrone_base::words::count;
use isochrone_coverage::cities;
use isochrone_coverage::note::{Gone, ImportedSpan, Note};
use isochrone_coverage::weights::WeightSource;
use jiff::Timestamp;

use crate::{kept, tiers};

pub(crate) fn sentence(note: &Note) -> String {
    match note {
        Note::OtherTimes { file, read, others } => format!(
            "{file} also holds {}: this report reads {read} only.",
            others.join(" and ")
        ),
        Note::OwnRows { rows } => format!(
            "{} from a site to itself: not used, a node does not judge itself.",
            count(*rows, "row")
        ),
        Note::LowerDirection => "Of the two directions of a pair the lower minimum is taken.".to_owned(),
        Note::Reversed { pairs, of } if pairs == of && *pairs > 1 => format!(
            "All {pairs} pairs were measured only from the node to the vantage (marked ←): are the columns source and \
             destination swapped? A round trip is as long either way, so the times count."
        ),
        Note::Reversed { pairs, .. } => format!(
            "{} {} measured only from the node to the vantage: marked ← in `report coverage`.",
            count(*pairs, "pair"),
            if *pairs == 1 { "was" } else { "were" }
        ),
        Note::NearestCity { sites } => format!(
            "The country of {} is not given: the nearest city's was taken (GeoNames).",
            count(*sites, "site")
        ),
        Note::UnknownCountry { given, taken } => format!(
            "Country “{given}” is neither an ISO code nor a name in the table: the nearest city's was taken, {taken}."
        ),
        Note::Nowhere {
            site,
            more,
            within_km,
        } => {
            let others = match more {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                "Site {site}{others}: no country is given and no city lies within {within_km} km; it speaks for no one."
            )
        }
        Note::NoCoordinates { sites } => files::no_coordinates(sites),
        Note::OtherWayRound { sites } => files::other_way_round(sites),
        Note::LooksSwapped {
            file,
            fit,
            fit_swapped,
            of,
        } => files::swapped(file, (*fit, *fit_swapped), *of),
        Note::LooksLikeUnit { file, unit, median } => files::unit(file, *unit, *median),
        Note::NoWeight { file } => format!(
            "{file} gives no weight to any place: no share can be given by it. What each vantage measured stands as it is."
        ),
        Note::GivenTwice {
            file,
            pair,
            lines,
            more,
        } => files::twice(file, pair, *lines, *more),
        Note::WithoutTime { file, line, rows } => files::without_time((file, *line), *rows),
        Note::UnknownSites {
            file,
            line,
            sites,
            rows,
            known_from,
        } => files::strangers((file, *line), *rows, sites, known_from),
        Note::NodeGone { node, now } => {
            let now = match now {
                Gone::Paused => "paused",
                Gone::Removed => "removed",
            };
            format!("Node {node} was measured and is {now} since: it is left out.")
        }
        Note::AllContradict { sites } => format!(
            "Light contradicts the places of {}, at least half of all: the times are at fault, not the places (a mesh on \
             one machine, or files that do not belong together). Nothing is left out for that, and nothing is predicted.",
            count(*sites, "site")
        ),
        Note::Impossible { names } => format!(
            "Left out, for light contradicts the place {}: {}. See `locate`: place does not fit; typo?",
            if names.len() == 1 {
                "it claims"
            } else {
                "they claim"
            },
            names.join(", ")
        ),
        Note::Undecided { names } => format!(
            "Light says that not all of {} stand where they claim, and too few others measured them to say which does not: \
             none is left out. See `locate`.",
            names.join(", ")
        ),
        Note::PlacesContradict => {
            "The claimed places contradict each other as a whole: none is left out, and nothing that \
                                   rests on a place can be trusted. See `locate`."
                .to_owned()
        }
        Note::NodesUnplaced { nodes } => format!(
            "No coordinates are known of {}: what was measured counts, but nothing is predicted towards {}, nor can it \
             be said which node is nearest by kilometres. Give {} a place (latitude and longitude in the file of sites, `place` \
             in targets.toml).",
            nodes.join(", "),
            if nodes.len() == 1 { "it" } else { "them" },
            if nodes.len() == 1 { "it" } else { "them" }
        ),
        Note::OneVantage => {
            "Only one vantage measured: this is the view of one server in one building, and says \
                             nothing of a country."
                .to_owned()
        }
        Note::FewRuns { vantages, least } => format!(
            "Fewer than {least} runs reached any node from {}: its figures may be chance.",
            vantages.join(", ")
        ),
        Note::NodeUnplaced { node } => format!(
            "Node {node} has no coordinates, and is left out: give it some with `target set {node} --location`."
        ),
        Note::ReadFrom(spans) => {
            let spans = spans.iter();
            tiers::sentence(spans.map(|span| (span.tier.as_str(), minute(span.from), minute(span.to))))
        }
        Note::BeforeKept(before) => {
            let kept = before.kept_from.map(minute);
            kept::sentence(
                &minute(before.asked_from),
                kept.as_deref(),
                (before.removed, before.is_elsewhere),
            )
        }
        Note::ClockOff { probe } => format!(
            "The clock of probe {probe} was off: where its single measurements are gone, its sums stand by its own clock."
        ),
        Note::Imported(span) => imported(span),
        Note::ImportedUnplaced { vantages } => format!(
            "Left out, for nobody said where they stand: {}. Say it with `import place VANTAGE 'City, CC'`.",
            vantages.join(", ")
        ),
        Note::ImportedApart { documents } => format!(
            "{} in the store are in no figure here: they have a report of their own, --imported.",
            count(*documents as usize, "imported document")
        ),
        Note::WithoutBorrowed { eyes } => format!(
            "Without borrowed eyes, as asked: {} of public platforms measured these nodes, and no figure here rests on them.",
            count(*eyes, "vantage")
        ),
        Note::ProbeUnplaced { probe } => format!(
            "Probe {probe} has no coordinates, and is left out: give it some with `probe invite --location`."
        ),
    }
}

fn imported(span: &ImportedSpan) -> String {
    let older = match span.without_times {
        0 => String::new(),
        older => format!(
            " {} of distributors-status hold no time to first byte, and are not read.",
            count(older as usize, "document")
        ),
    };
    let ever = match (span.documents, span.ever) {
        (0, Some((from, to))) => format!(
            " There are some from {} to {}: name a window with --from and --to.",
            minute(from),
            minute(to)
        ),
        (0, None) => " Nothing is imported yet: see `import --help`.".to_owned(),
        _ => String::new(),
    };
    format!(
        "All of it is imported, not ours: {} of operators-ping, as others' probers told them. Nobody here can check their \
         lines, places and clocks, and a worker's own prober may be among them. A time to first byte is no round trip: \
         nothing is predicted from it.{older}{ever}",
        count(span.documents as usize, "document")
    )
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

/// What is wrong with the input and changes figures, the gravest first: said before them. Of many only some, and how
/// many more stand below.
pub(crate) fn told_first(notes: &[Note]) -> Vec<String> {
    let mut first: Vec<&Note> = notes.iter().filter(|note| note.is_told_first()).collect();
    first.sort_by_key(|note| standing(note));
    let more = first.len().saturating_sub(TOLD);
    let mut told: Vec<String> = first.into_iter().take(TOLD).map(briefly).collect();
    if more > 0 {
        let are = if more == 1 { "is" } else { "are" };
        told.push(format!("{more} more {are} wrong with the input: see below."));
    }
    told
}

/// Its place among what is said first.
fn standing(note: &Note) -> u8 {
    match note {
        note if note.is_grave() => 0,
        Note::OneVantage | Note::NoWeight { .. } => 1,
        Note::Impossible { .. } | Note::Undecided { .. } => 2,
        Note::FewRuns { .. } => 4,
        _ => 3,
    }
}

/// In one sentence, where all of it is said below.
fn briefly(note: &Note) -> String {
    match note {
        Note::Impossible { names } if names.len() == 1 => {
            format!("{} is left out: place does not fit; typo?", names[0])
        }
        Note::Impossible { names } => {
            format!(
                "{} are left out: their places do not fit; typos?",
                files::some(names)
            )
        }
        Note::FewRuns { vantages, least } => sentence(&Note::FewRuns {
            vantages: vec![files::some(vantages)],
            least: *least,
        }),
        note => sentence(note),
    }
}

/// Sentences that are said before all figures.
const TOLD: usize = 4;

/// Whom the weights come from.
pub(super) fn attribution(weights: &WeightSource) -> String {
    match weights {
        WeightSource::Cities => cities::ATTRIBUTION.to_owned(),
        WeightSource::Vantages => "every vantage counts 1".to_owned(),
        WeightSource::File { name, spread: false } => format!("weights: {name}"),
        WeightSource::File { name, spread: true } => {
            format!("weights: {name}; spread over cities by {}", cities::ATTRIBUTION)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isochrone_coverage::country::Country;

    #[test]
    fn notes_read_as_sentences_for_one_and_for_many() {
        let words = |note| sentence(&note);
        assert_eq!(
            words(Note::OwnRows { rows: 1 }),
            "1 row from a site to itself: not used, a node does not judge itself."
        );
        assert!(words(Note::OwnRows { rows: 2 }).starts_with("2 rows from"));
        assert!(
            words(Note::Reversed { pairs: 1, of: 9 }).starts_with("1 pair was measured only from the node")
        );
        assert!(words(Note::Reversed { pairs: 3, of: 9 }).starts_with("3 pairs were measured"));
        assert!(words(Note::NearestCity { sites: 3 }).starts_with("The country of 3 sites is not given"));
        let others = Note::OtherTimes {
            file: "rtt.csv".to_owned(),
            read: "p50_rtt_ms",
            others: vec!["min_rtt_ms", "rtt_ms"],
        };
        assert_eq!(
            words(others),
            "rtt.csv also holds min_rtt_ms and rtt_ms: this report reads p50_rtt_ms only."
        );
        let nowhere = |more| Note::Nowhere {
            site: "d".to_owned(),
            more,
            within_km: 150.0,
        };
        assert!(words(nowhere(0)).starts_with("Site d: no country is given and no city lies within 150 km;"));
        assert!(words(nowhere(2)).starts_with("Site d and 2 more: no country"));
        let unknown = Note::UnknownCountry {
            given: "Emiratistan".to_owned(),
            taken: Country::code("ae").unwrap(),
        };
        assert!(words(unknown).ends_with("the nearest city's was taken, AE."));
    }

    #[test]
    fn gravest_is_told_first_and_of_many_only_some_with_how_many_more() {
        let names = |count: usize| (0..count).map(|at| format!("s{at}")).collect::<Vec<_>>();
        let unplaced = |node: &str| Note::NodeUnplaced {
            node: node.to_owned(),
        };
        let vantages = names(9);
        let mut notes = vec![
            Note::NearestCity { sites: 3 },
            Note::FewRuns { vantages, least: 30 },
            unplaced("oslo"),
            Note::Impossible { names: names(2) },
        ];
        let told = told_first(&notes);
        assert_eq!(told[0], "s0, s1 are left out: their places do not fit; typos?");
        assert!(told[1].starts_with("Node oslo has no coordinates"), "{told:?}");
        assert!(
            told[2].contains("from s0, s1, s2, s3, s4 and 4 more: its figures"),
            "{told:?}"
        );
        assert_eq!(told.len(), 3, "the nearest city changes no headline");
        notes.extend([unplaced("lima"), unplaced("rome"), Note::PlacesContradict]);
        let told = told_first(&notes);
        assert!(
            told[0].starts_with("The claimed places contradict each other as a whole"),
            "{told:?}"
        );
        assert_eq!(
            (told.len(), told[4].as_str()),
            (5, "2 more are wrong with the input: see below.")
        );
    }

    #[test]
    fn file_of_weights_is_named_and_so_is_who_spread_it() {
        let of_file = |spread| {
            attribution(&WeightSource::File {
                name: "weights.csv".to_owned(),
                spread,
            })
        };
        assert_eq!(of_file(false), "weights: weights.csv");
        assert!(of_file(true).contains("weights.csv") && of_file(true).contains("GeoNames"));
    }
}
